"""Results as a cursor shows them (PEP 249): rows fetched already, walked through without any I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, NamedTuple

from .. import const
from ..errors import InterfaceError, ProgrammingError
from ..protocol.backend import CommandComplete, Field, rows_of
from ..protocol.operations import Answers, Outcome, Pending, Portal, Result
from ..rows import Row, RowFactory, RowMaker, TupleRow, tuple_row
from ..types.builtins import BY_OID
from ..types.catalogue import TypeInfo
from .info import Format

#: Rows of one portion of a stream.
STREAM_ROWS: Final = 1000
#: Types whose typmod is a length in characters, 4 more (server: VARHDRSZ).
_LENGTHS: Final = (const.OID_VARCHAR, const.OID_BPCHAR)
_HEADER: Final = 4
#: Types whose typmod is a number of digits behind the seconds.
_FRACTIONS: Final = (
    *(const.OID_TIME, const.OID_TIMETZ, const.OID_TIMESTAMP, const.OID_TIMESTAMPTZ, const.OID_INTERVAL),
)
_MOST_DIGITS: Final = 6


class _Facts(NamedTuple):
    name: str
    type_code: int
    display_size: int | None
    internal_size: int | None
    precision: int | None
    scale: int | None
    null_ok: bool | None


class Column(_Facts):
    """One column of a result, as `Cursor.description` holds it (PEP 249).

    `type_code` is the type's OID; what is not known is None.
    """

    _type_name: str | None = None

    @classmethod
    def of(cls, field: Field, info: TypeInfo | None = None) -> Column:
        """The column for a field of a RowDescription, whose type is `info` where it is known."""
        size = field.type_size if field.type_size > 0 else None
        display = precision = scale = None
        if field.typmod >= _HEADER:
            packed = field.typmod - _HEADER
            if field.type_oid in _LENGTHS:
                display = packed
            elif field.type_oid == const.OID_NUMERIC:
                # 16 bits of precision, then 11 of signed scale (server: numeric.c, make_numeric_typmod).
                precision, scale = packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024
        if field.type_oid in _FRACTIONS and field.typmod >= 0 and field.typmod & 0xFFFF <= _MOST_DIGITS:
            precision = field.typmod & 0xFFFF  # an interval's fields stand above it (server: timestamp.h)
        made = cls(field.name, field.type_oid, display, size, precision, scale, None)
        if info is not None:
            made._type_name = _name_of(info)
        return made

    @property
    def type_display(self) -> str:
        """The type as SQL writes it, such as `numeric(10,2)`, without its schema; the OID of one that is not known."""
        if self._type_name is None:
            return str(self.type_code)
        limits = [self.display_size] if self.precision is None else [self.precision, self.scale]
        shown = ",".join([str(limit) for limit in limits if limit is not None])
        return f"{self._type_name}({shown})" if shown else self._type_name


def _name_of(info: TypeInfo) -> str:
    if info.oid in BY_OID:
        return info.sql
    return f"{_name_of(info.children[0])}[]" if info.is_array else info.name


class BaseCursor(Generic[Row]):
    """What both cursors share: the results of the last execution, one of them current.

    The rows of the current one are those from `_start` to `_stop` in `_rows`, and `_at` is the next to be fetched: what
    a fetch needs as long as there are rows. `_make` makes of a tuple what the program wants. Where there are none, why
    is found out then: nothing was executed, the statement gives none, the cursor is closed, the answer of a pipeline
    has not come.
    """

    arraysize = 1

    # What most cursors never change stands in the class: cursors are made by the thousand.
    _closed = False
    _results: Sequence[Result] = ()
    _answers: Answers | None = None
    _ends: Sequence[int] = ()
    _index = 0
    _total: int | None = None
    _pending: Pending | None = None
    _used: bool
    _tag: str | None = None
    _fields: tuple[Field, ...] | None = None
    _rows: Sequence[TupleRow] = ()
    _binary: bool | None = None
    _factory: RowFactory[Row] | None = None  # None: tuples, as they are
    _make: RowMaker[Row] | None = None
    _start = 0
    _at = 0
    _stop = 0

    # ------------------------------------------------------------ what the connection's side calls

    def _reset(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self._show(())

    def _close(self) -> None:
        """Let go of the result; how many rows there were can still be asked."""
        count = self.rowcount
        self._closed = True
        self._show((), count)

    def _show(self, results: Sequence[Result] | Answers, total: int | None = None) -> None:
        """Make these the results, the first of them the current one;

        `total` is the row count of all executions where it is not that of the current one.
        """
        self._used = True
        self._total, self._pending, self._index, self._answers, self._ends = total, None, 0, None, ()
        if isinstance(results, Answers):
            self._results = ()
            if results.tags:
                self._answers, self._ends = results, results.ends
                self._choose(results.tags[0], results.fields, results.rows)
                self._stop = results.ends[0]
                return
        else:
            self._results = results
            if results:
                self._choose(results[0].tag, results[0].fields, results[0].rows)
                return
        self._choose(None, None, ())

    def _choose(self, tag: str | None, fields: tuple[Field, ...] | None, rows: Sequence[TupleRow]) -> None:
        """Make a result with all these rows the current one; one without a tag is none."""
        self._tag, self._fields, self._rows, self._start, self._at, self._stop = tag, fields, rows, 0, 0, len(rows)
        if self._factory is not None:
            self._find_maker()

    def _find_maker(self) -> None:
        """Ask the row factory how rows of the current result are made."""
        self._make = None if self._factory is None or self._fields is None else self._factory(self)

    def _show_outcome(self, outcome: Outcome) -> None:
        """Make what one execution gave the only result of a cursor that has none."""
        self._tag, self._fields, rows = outcome
        self._rows, self._pending, self._at, self._stop = rows, None, 0, len(rows)
        if self._factory is not None:
            self._find_maker()

    def _show_copied(self, complete: CommandComplete) -> None:
        self._show([Result(complete.tag, complete.rows)])

    def _show_portal(self, portal: Portal) -> None:
        self._show([Result(portal.tag, portal.row_count, portal.fields)], portal.row_count)

    def _look(self) -> None:
        """Show the answer of a pipeline where it has come."""
        if self._pending is not None and self._pending.done is not None:
            self._show_outcome(self._pending.outcome())

    def _check_fetchable(self) -> None:
        """Raise InterfaceError or ProgrammingError where there is no result with rows, be they fetched or not."""
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if self._tag is None:
            raise ProgrammingError("there is nothing to fetch: no query has been executed")
        if self._fields is None:
            raise ProgrammingError(
                f"there is nothing to fetch: the last statement gave no rows (it was {self.statusmessage or 'empty'})"
            )

    def _take_one(self) -> Row | None:
        at = self._at
        if at < self._stop:
            self._at = at + 1
            return self._made(self._rows[at])
        self._check_fetchable()
        return None

    def _made(self, row: TupleRow) -> Row:
        make = self._make
        return row if make is None else make(row)  # type: ignore[return-value]  # without one Row is TupleRow

    def _take(self, count: int | None) -> list[Row]:
        """The next rows, at most `count`."""
        taken, make = self._take_tuples(count), self._make
        return taken if make is None else list(map(make, taken))  # type: ignore[return-value]

    def _take_tuples(self, count: int | None) -> list[TupleRow]:
        """The next rows, at most `count`, as they came; a list of all there are is the cursor's own."""
        rows, at, stop = self._rows, self._at, self._stop
        if at == stop:
            self._check_fetchable()
            return []
        if count is not None and at + count < stop:
            stop = max(at, at + count)
        self._at = stop
        if stop - at == len(rows):
            return rows  # type: ignore[return-value]  # only an empty one is no list
        return rows[at:stop]  # type: ignore[return-value]

    # ------------------------------------------------------------ what a user sees

    @property
    def row_factory(self) -> RowFactory[Row]:
        """What makes the rows; setting it holds for the rows that have not been fetched yet, too."""
        return tuple_row if self._factory is None else self._factory  # type: ignore[return-value]

    @row_factory.setter
    def row_factory(self, factory: RowFactory[Row]) -> None:
        self._factory = None if factory is tuple_row else factory
        self._find_maker()

    @property
    def closed(self) -> bool:
        """Whether the cursor was closed."""
        return self._closed

    @property
    def description(self) -> list[Column] | None:
        """The columns of the current result, None where it has no rows to give (PEP 249)."""
        self._look()
        return (
            None if self._fields is None else [Column.of(field, self._known(field.type_oid)) for field in self._fields]
        )

    def _known(self, oid: int) -> TypeInfo | None:
        """The type of this OID, None where it is not known."""
        return BY_OID.get(oid)

    @property
    def rowcount(self) -> int:
        """Rows the current statement gave or touched, -1 where unknown; of all executions after `executemany`."""
        tag = self.statusmessage
        if self._total is not None:
            return self._total
        return -1 if tag is None else rows_of(tag)

    @property
    def rownumber(self) -> int | None:
        """The index of the row that the next fetch gives, None where there are no rows to give."""
        self._look()
        return None if self._fields is None else self._at - self._start

    @property
    def statusmessage(self) -> str | None:
        """The command tag of the current statement, such as `INSERT 0 3`."""
        self._look()
        return self._tag if self._answers is None else self._answers.tags[self._index]

    @property
    def format(self) -> Format:
        """The format in which results are asked for: binary, where the codec reads a type's binary form, or text."""
        return Format.TEXT if self._binary is False else Format.BINARY

    def nextset(self) -> bool | None:
        """Go on to the next result: True where there is one, else None."""
        index, ends = self._index + 1, self._ends
        if index < len(ends):
            self._index, self._start = index, ends[index - 1]
            self._at, self._stop = self._start, ends[index]
            return True
        if index >= len(self._results):
            return None
        following = self._results[index]
        self._choose(following.tag, following.fields, following.rows)
        self._index, self._total = index, None
        return True

    @property
    def lastrowid(self) -> None:
        """None: rows of PostgreSQL have no such number; `INSERT ... RETURNING` gives what is wanted (PEP 249)."""
        return None

    def _result_count(self) -> int:
        return len(self._results) if self._answers is None else len(self._ends)

    def _set_result(self, index: int) -> None:
        count = self._result_count() or (self._tag is not None)
        at = index + count if index < 0 else index
        if not 0 <= at < count:
            raise IndexError(f"there is no result {index}, the last execution gave {count}")
        if self._answers is not None:
            self._index, self._start = at, self._ends[at - 1] if at else 0
            self._at, self._stop = self._start, self._ends[at]
        elif self._results:
            chosen = self._results[at]
            self._choose(chosen.tag, chosen.fields, chosen.rows)
            self._index, self._total = at, None
        else:
            self._at = self._start

    def _scroll(self, value: int, mode: str) -> None:
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f"scroll() knows the modes 'relative' and 'absolute', not {mode!r}")
        self._check_fetchable()
        target = value + (self._at if mode == "relative" else self._start)
        if not self._start <= target < self._stop:
            raise IndexError(f"scroll() to row {target - self._start} of a result of {self._stop - self._start} rows")
        self._at = target

    def setinputsizes(self, sizes: object) -> None:
        """Does nothing (PEP 249 demands it)."""

    def setoutputsize(self, size: object, column: int | None = None) -> None:
        """Does nothing (PEP 249 demands it)."""
