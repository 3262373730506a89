"""What both sides' server cursors share: where the program stands among the rows, and which of them are here already.

Law of this file: the program's position is the number of rows before it, and the server's is further on by the rows
that were fetched ahead and not given out yet. After a fetch that was interrupted the server's is not known; nobody gets
the rows behind it for those that come next.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from ..errors import InterfaceError, NotSupportedError, OperationalError, ProgrammingError
from ..protocol.operations import NamedCursor, check_name
from ..rows import Row, TupleRow
from .results import BaseCursor

#: The command tag of what has been executed.
_DECLARED: Final = "DECLARE CURSOR"


class BaseServerCursor(BaseCursor[Row]):
    """A cursor whose rows stay on the server until they are fetched.

    `itersize` is how many rows an iteration fetches at a time, `arraysize` how many `fetchmany` fetches by default.
    """

    itersize = 100

    _declared: NamedCursor | None = None
    _position = 0
    _uncertain = False
    _timeout: float | None = None

    def _set_up(self, name: str, scrollable: bool | None, withhold: bool) -> None:
        check_name(name)
        self._name = name
        self._scrollable = scrollable
        self._withhold = withhold

    def __repr__(self) -> str:
        state = "closed" if self._closed else "declared" if self._declared is not None else "not declared"
        return f"<pgfast.{type(self).__name__} {self._name!r} [{state}] at 0x{id(self):x}>"

    @property
    def name(self) -> str:
        """The cursor's name on the server."""
        return self._name

    @property
    def scrollable(self) -> bool | None:
        """Whether it can go backwards; None leaves it to the server, by the query's plan."""
        return self._scrollable

    @property
    def withhold(self) -> bool:
        """Whether it outlives the transaction it was declared in, if that is committed."""
        return self._withhold

    @property
    def rownumber(self) -> int | None:
        """How many rows lie before the next one, None where there is no cursor yet."""
        return None if self._declared is None else self._position

    @property
    def _left(self) -> int:
        """Rows that were fetched ahead."""
        return self._stop - self._at

    def _check_open(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")

    def _show_declared(self, cursor: NamedCursor | None) -> None:
        """Stand before the first row of this cursor, or of none."""
        self._declared, self._position, self._uncertain = cursor, 0, False
        self._choose(None if cursor is None else _DECLARED, None if cursor is None else cursor.fields, ())

    def _hold(self, cursor: NamedCursor, rows: list[TupleRow]) -> None:
        """Keep rows that were fetched behind those that are here, of which none may be left."""
        if cursor is not self._declared:
            self._declared, self._fields = cursor, cursor.fields
            self._find_maker()
        self._rows, self._at, self._stop = rows, 0, len(rows)

    def _give_one(self) -> Row | None:
        if self._at == self._stop:
            return None
        self._at += 1
        self._position += 1
        return self._made(self._rows[self._at - 1])

    def _give(self, most: int | None) -> list[Row]:
        """The rows that are here, at most so many."""
        rows = super()._take(most) if self._left else []
        self._position += len(rows)
        return rows

    def _target(self, value: int, mode: str) -> int:
        """The position a scroll goes to. Raises IndexError before the first row, ProgrammingError for another mode."""
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f"scroll() knows the modes 'relative' and 'absolute', not {mode!r}")
        target = value + self._position if mode == "relative" else value
        if target < 0:
            raise IndexError(f"scroll() to {-target} before the first row of the cursor {self._name!r}")
        return target

    def _skip_to(self, target: int) -> bool:
        """Go there among the rows that are here; False where it lies outside."""
        step = target - self._position
        if not 0 <= step <= self._left:
            return False
        self._at += step
        self._position = target
        return True

    def _move(self, target: int) -> str:
        """The direction of the MOVE that goes there."""
        step = target - self._position - self._left
        return f"FORWARD {step}" if step > 0 else f"ABSOLUTE {target}"

    def _moved(self, target: int, passed: int) -> None:
        """Stand there after a MOVE that has told how many rows it passed. Raises IndexError behind the last row."""
        step = target - self._position - self._left
        self._position += self._left + passed if step > 0 else target - self._position
        self._at = self._stop = 0
        self._rows = ()
        if self._position != target:
            raise IndexError(
                f"scroll() to row {target} of the cursor {self._name!r}, which has {self._position} rows; "
                "it stands behind the last one now"
            )

    def _way_back(self) -> str:
        """The direction of the MOVE to the program's position. Raises OperationalError where there may be none."""
        if not self._scrollable:
            raise OperationalError(
                f"a fetch from the cursor {self._name!r} was interrupted, and its rows are lost; execute it again, or "
                "declare it scrollable, which allows to go back to them"
            )
        self._at = self._stop = 0
        self._rows = ()
        return f"ABSOLUTE {self._position}"

    def _refuse(self, what: str) -> NoReturn:
        raise NotSupportedError(f"a server cursor has no {what}; use a cursor without a name")

    def nextset(self) -> Any:
        """A server cursor has one result."""
        self._refuse("nextset()")
