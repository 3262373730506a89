"""Results as a cursor shows them (PEP 249): rows fetched already, walked through without any I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from .. import const
from ..errors import InterfaceError, ProgrammingError
from ..protocol.backend import CommandComplete, Field
from ..protocol.operations import Pending, Result

Row: TypeAlias = tuple[Any, ...]

#: Types whose typmod is a length in characters, 4 more (server: VARHDRSZ).
_LENGTHS: Final = (const.OID_VARCHAR, const.OID_BPCHAR)
_HEADER: Final = 4


class Column(NamedTuple):
    """One column of a result, as `Cursor.description` holds it (PEP 249).

    `type_code` is the type's OID; what is not known is None.
    """

    name: str
    type_code: int
    display_size: int | None
    internal_size: int | None
    precision: int | None
    scale: int | None
    null_ok: bool | None

    @classmethod
    def of(cls, field: Field) -> Column:
        """The column for a field of a RowDescription."""
        size = field.type_size if field.type_size > 0 else None
        display = precision = scale = None
        if field.typmod >= _HEADER:
            packed = field.typmod - _HEADER
            if field.type_oid in _LENGTHS:
                display = packed
            elif field.type_oid == const.OID_NUMERIC:
                # 16 bits of precision, then 11 of signed scale (server: numeric.c, make_numeric_typmod).
                precision, scale = packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024
        return cls(field.name, field.type_oid, display, size, precision, scale, None)


class BaseCursor:
    """What both cursors share: the results of the last execution, one of them current."""

    arraysize = 1

    # What most cursors never change stands in the class: cursors are made by the thousand.
    _closed = False
    _used = False
    _results: Sequence[Result] = ()
    _index = 0
    _at = 0
    _total: int | None = None
    _pending: Pending | None = None

    # ------------------------------------------------------------ what the connection's side calls

    def _reset(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self._show(())

    def _show(self, results: Sequence[Result], total: int | None = None) -> None:
        """Make these the results;

        `total` is the row count of all executions where it is not that of the current one.
        """
        self._results, self._index, self._at, self._total, self._pending = results, 0, 0, total, None
        self._used = True

    def _show_copied(self, complete: CommandComplete) -> None:
        self._show([Result(complete.tag, complete.rows)])

    @property
    def _current(self) -> Result | None:
        pending = self._pending
        if pending is not None and pending.done is not None:
            self._show((pending.result(),))
        return self._results[self._index] if self._index < len(self._results) else None

    def _rows(self) -> list[Row]:
        """The current result's rows. Raises where it has none."""
        if self._closed:
            raise InterfaceError("the cursor is closed")
        results = self._results
        current = results[0] if len(results) == 1 and not self._index else self._current
        if current is None:
            raise ProgrammingError("there is nothing to fetch: no query has been executed")
        if current.fields is None:
            raise ProgrammingError(
                f"there is nothing to fetch: the last statement gave no rows (it was {current.tag or 'empty'})"
            )
        return current.rows

    def _take_one(self) -> Row | None:
        rows, at = self._rows(), self._at
        if at >= len(rows):
            return None
        self._at = at + 1
        return rows[at]

    def _take(self, count: int | None) -> list[Row]:
        rows = self._rows()
        stop = len(rows) if count is None else min(len(rows), self._at + count)
        start, self._at = self._at, stop
        return rows[start:stop] if start or stop < len(rows) else list(rows)

    # ------------------------------------------------------------ what a user sees

    @property
    def closed(self) -> bool:
        """Whether the cursor was closed."""
        return self._closed

    @property
    def description(self) -> list[Column] | None:
        """The columns of the current result, None where it has no rows to give (PEP 249)."""
        current = self._current
        if current is None or current.fields is None:
            return None
        return [Column.of(field) for field in current.fields]

    @property
    def rowcount(self) -> int:
        """Rows the current statement gave or touched, -1 where unknown; of all executions after `executemany`."""
        if self._total is not None:
            return self._total
        return -1 if self._current is None else self._current.row_count

    @property
    def rownumber(self) -> int | None:
        """The index of the row that the next fetch gives, None where there are no rows to give."""
        current = self._current
        return None if current is None or current.fields is None else self._at

    @property
    def statusmessage(self) -> str | None:
        """The command tag of the current statement, such as `INSERT 0 3`."""
        return None if self._current is None else self._current.tag

    def nextset(self) -> bool | None:
        """Go on to the next result: True where there is one, else None."""
        if self._index + 1 >= len(self._results):
            return None
        self._index += 1
        self._at = 0
        self._total = None
        return True

    def setinputsizes(self, sizes: object) -> None:
        """Does nothing (PEP 249 demands it)."""

    def setoutputsize(self, size: object, column: int | None = None) -> None:
        """Does nothing (PEP 249 demands it)."""
