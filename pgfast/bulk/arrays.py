"""Loading columns: batches of source columns, whatever they came from, encoded a block at a time.

Law of this file: a batch says how long it is and gives its columns for a span of rows; here they become blocks.
Columns of Python objects are made for so many rows at a time as fill about one block: memory stays flat, and few are
encoded twice because the block was full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..arrow import ArrowBatch, ArrowField, Family, Route, arrow_type, route, source_column
from ..arrow.objects import objects
from ..codec import encode_copy_columns, encode_copy_text
from ..errors import DatabaseError, DataError, NotSupportedError, fault
from .feed import BINARY, BLOCK_SIZE, HAND_OVER_S, TEXT, BlockWriter
from .report import Meter
from .target import Target
from .textform import TextRows
from .zones import session_zone

if TYPE_CHECKING:
    from ..codec import SourceColumn

#: Rows whose Python objects exist together at most, and to begin with.
OBJECT_ROWS: Final = 4096
_FIRST_ROWS: Final = 64


class _Span:
    """How many rows are made into Python objects together, by what those before them took."""

    __slots__ = ("_before", "_meter", "_out", "rows")

    def __init__(self, out: BlockWriter, meter: Meter) -> None:
        self._out = out
        self._meter = meter
        self._before = self._written()
        self.rows = _FIRST_ROWS

    def _written(self) -> int:
        return self._meter.size_bytes + self._out.buffer.size_bytes

    def took(self, rows: int) -> None:
        """These rows have been written since the last call."""
        written = self._written()
        self.rows = max(1, min(OBJECT_ROWS, 4 * self.rows, rows * BLOCK_SIZE // max(written - self._before, 1)))
        self._before = written


class ColumnBatch(Protocol):
    """Rows that lie in columns.

    `native` says whether all of them are read by the kernels, `sources` gives rows start:stop, whose first is row 0.
    """

    @property
    def rows(self) -> int: ...
    @property
    def native(self) -> bool: ...
    def sources(self, start: int, stop: int) -> list[SourceColumn]: ...


def binary_blocks(target: Target, batches: Iterator[ColumnBatch], meter: Meter) -> Iterator[memoryview]:
    """The batches in binary COPY format."""
    out = BlockWriter(binary=True)
    span = _Span(out, meter)
    handed_over = monotonic()
    for batch in batches:
        start = 0
        while start < batch.rows:
            stop = batch.rows if batch.native else min(start + span.rows, batch.rows)
            try:
                sources, at = batch.sources(start, stop), 0
                while at < stop - start:
                    reached = encode_copy_columns(out.buffer, sources, at, stop - start, BLOCK_SIZE)
                    meter.rows += reached - at
                    at = reached
                    if out.full:
                        yield meter.block(out.take())
                        handed_over = monotonic()
            except DatabaseError as exc:
                raise target.placed(exc, meter.rows) from exc.__cause__
            span.took(stop - start)
            start = stop
        # A stream may be long in giving its next batch.
        if monotonic() >= handed_over + HAND_OVER_S and out.buffer.size_bytes:
            yield meter.block(out.take())
            handed_over = monotonic()
    yield meter.block(out.finish())


class ArrowColumns:
    """One Arrow batch and the routes of the columns that are taken from it."""

    __slots__ = ("_batch", "_chosen", "_routes", "native", "path", "texts")

    def __init__(
        self, batch: ArrowBatch, chosen: Sequence[int], routes: Sequence[Route], path: str, texts: Sequence[bool]
    ) -> None:
        """`texts` says of each column whether its values are text."""
        self._batch = batch
        self._chosen = chosen
        self._routes = routes
        self.path = path
        self.texts = texts
        self.native = path == BINARY and all(each.native for each in routes)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._batch.rows

    def sources(self, start: int, stop: int) -> list[SourceColumn]:
        """Rows start:stop of the chosen columns."""
        made = []
        for index, (column, each) in enumerate(zip(self._chosen, self._routes, strict=True)):
            try:
                made.append(source_column(self._batch.columns[column], each, start, stop))
            except DataError as exc:
                raise _in_column(exc, index) from exc.__cause__
        return made

    def objects(self, start: int, stop: int) -> list[list[Any]]:
        """Rows start:stop of the chosen columns, as Python objects."""
        made = []
        for index, column in enumerate(self._chosen):
            try:
                made.append(objects(self._batch.columns[column], start, stop))
            except DataError as exc:
                raise _in_column(exc, index) from exc.__cause__
        return made

    def record(self, row: int) -> dict[str, Any]:
        """A row by the names of the batch's own columns; of a value that Python has none for, what is wrong with it."""
        made: dict[str, Any] = {}
        for view in self._batch.columns:
            try:
                made[view.field.name] = objects(view, row, row + 1)[0]
            except DataError as exc:
                made[view.field.name] = str(exc)
        return made


def _in_column(exc: DataError, column: int) -> DatabaseError:
    """The fault of a value that could not be read, with its column."""
    info = exc.fault
    return exc if info is None else fault(info.code, info.at, column, info.value)


class ArrowPlan:
    """How the columns of an Arrow schema go to a target, decided before the first batch."""

    __slots__ = ("_chosen", "_routes", "_target", "_texts", "path")

    def __init__(self, target: Target, fields: Sequence[ArrowField], zone: str | None) -> None:
        """Fields are matched by name. Raises NotSupportedError or DataError for a type that cannot go to its column."""
        by_name = {field.name: index for index, field in enumerate(fields)}
        self._target = target
        self._chosen = [by_name[column.key] for column in target.columns]
        self.path = BINARY if target.binary else TEXT
        self._routes: list[Route] = []
        self._texts: list[bool] = []
        for column, index in zip(target.columns, self._chosen, strict=True):
            try:
                family = arrow_type(fields[index]).family
                if column.spec is not None:
                    spec = column.text_spec or column.spec
                    self._routes.append(route(fields[index], column.info, spec, session_zone(zone)))
            except (NotSupportedError, DataError) as exc:
                raise type(exc)(f"COPY {target.table}, {exc}") from exc
            self._texts.append(family is Family.STRING)

    def blocks(self, batches: Iterator[ArrowBatch], meter: Meter) -> Iterator[memoryview]:
        """The batches in COPY format."""
        columns = (self.columns(batch) for batch in batches)
        return binary_blocks(self._target, columns, meter) if self.path == BINARY else self._text_blocks(columns, meter)

    def columns(self, batch: ArrowBatch) -> ArrowColumns:
        """The columns of a batch that are taken."""
        return ArrowColumns(batch, self._chosen, self._routes, self.path, self._texts)

    def _text_blocks(self, batches: Iterator[ArrowColumns], meter: Meter) -> Iterator[memoryview]:
        out, text = BlockWriter(binary=False), TextRows(self._target, self._texts)
        span = _Span(out, meter)
        handed_over = monotonic()
        for batch in batches:
            start = 0
            while start < batch.rows:
                stop = min(start + span.rows, batch.rows)
                text.restart()
                try:
                    columns = batch.objects(start, stop)
                    meter.rows += encode_copy_text(out.buffer, [text.row(row) for row in zip(*columns, strict=True)])
                except DatabaseError as exc:
                    raise self._target.placed(exc, meter.rows) from exc.__cause__
                span.took(stop - start)
                start = stop
                if out.full or (monotonic() >= handed_over + HAND_OVER_S and out.buffer.size_bytes):
                    yield meter.block(out.take())
                    handed_over = monotonic()
        yield meter.block(out.finish())
