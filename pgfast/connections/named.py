"""What both sides' server cursors share: where the program stands among the rows, which of them are here already, and
what is asked of the server for the others.

Law of this file: it does no I/O; what is asked are operations, and a face carries them out. The program's position is
the number of rows before it, and the server's is further on by the rows that were fetched ahead and not given out yet.
After a fetch that was interrupted the server's is not known; nobody gets the rows behind it for those that come next.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from ..errors import InterfaceError, NotSupportedError, OperationalError, ProgrammingError
from ..protocol import operations
from ..protocol.operations import AnyQuery, NamedCursor, Operation, Params, check_name
from ..rows import Row, TupleRow
from .cursors import ConnectedCursor

#: The command tag of what has been executed.
_DECLARED: Final = "DECLARE CURSOR"


class BaseServerCursor(ConnectedCursor[Row]):
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

    @property
    def _is_its_own(self) -> bool:
        """Whether there is a cursor that this object has declared: no other one has taken the name since."""
        connection = self._connection
        if self._declared is None or connection.closed:
            return False
        return bool(connection._named.get(self._name, self) is self)

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

    def _scrolled_here(self, value: int, mode: str) -> bool:
        """Whether a scroll was among the rows that are here; else the server is to be asked."""
        if self._declared is None or self._uncertain:
            return False
        return self._skip_to(self._target(value, mode))

    def _move(self, target: int) -> str:
        """The direction of the MOVE that goes there."""
        step = target - self._position - self._left
        return f"FORWARD {step}" if step > 0 else f"ABSOLUTE {target}"

    def _moved(self, target: int, passed: int) -> None:
        """Stand there, or behind the last row, after a MOVE that has told how many rows it passed."""
        step = target - self._position - self._left
        self._position += self._left + passed if step > 0 else target - self._position
        self._at = self._stop = 0
        self._rows = ()

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

    # ------------------------------------------------------------ what is asked of the server

    def _declaring(self, query: AnyQuery, params: Params) -> Operation[None]:
        """Declare the cursor for a query; what this object has declared before goes."""
        yield from self._giving_up()
        connection = self._connection
        declared = yield from operations.declare_cursor(
            connection._session, self._name, query, params, self._scrollable, self._withhold, self._registry
        )
        self._show_declared(declared)
        connection._named[self._name] = self

    def _giving_up(self) -> Operation[None]:
        """Close what this object has declared."""
        if self._is_its_own:
            yield from operations.close_cursor(self._connection._session, self._name)
        self._show_declared(None)

    def _finding(self) -> Operation[NamedCursor]:
        """The cursor on the server, which stands where it should; one that this object has not declared is looked for
        by its name."""
        session = self._connection._session
        if self._declared is None:
            self._show_declared((yield from operations.describe_cursor(session, self._name, self._registry)))
        assert self._declared is not None, "it was declared or found"
        if self._uncertain:
            yield from operations.move_cursor(session, self._name, self._way_back())
            self._uncertain = False
        return self._declared

    def _fetching(self, direction: str) -> Operation[None]:
        """Fetch rows, when none are left here."""
        cursor = yield from self._finding()
        self._uncertain = True
        self._hold(*(yield from operations.fetch_rows(self._connection._session, cursor, direction, self._registry)))
        self._uncertain = False

    def _scrolling(self, value: int, mode: str) -> Operation[None]:
        """Go to another position. Raises IndexError behind the last row."""
        cursor = yield from self._finding()
        target = self._target(value, mode)
        if not self._skip_to(target):
            self._uncertain = True
            passed = yield from operations.move_cursor(self._connection._session, cursor.name, self._move(target))
            self._moved(target, passed)
            self._uncertain = False
        if self._position != target:
            raise IndexError(
                f"scroll() to row {target} of the cursor {self._name!r}, which has {self._position} rows; "
                "it stands behind the last one now"
            )

    def _refuse(self, what: str) -> NoReturn:
        raise NotSupportedError(f"a server cursor has no {what}; use a cursor without a name")

    def nextset(self) -> Any:
        """A server cursor has one result."""
        self._refuse("nextset()")
