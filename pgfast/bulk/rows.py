"""Loading rows: any iterable, or async iterable, of tuples, lists or dicts.

Law of this file: rows are pulled as the socket takes them, a block at a time, and none is kept but the few that the
pure codec writes together. A block whose rows are long in coming is handed over before it is full, so that a timeout
and a lost server are noticed whatever the source does. What the iterator raises reaches the caller unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from operator import length_hint
from time import monotonic
from types import NoneType
from typing import Any, ClassVar, Final
from uuid import UUID

from ..codec import IMPLEMENTATION, Plan, encode_copy_rows, encode_copy_text
from ..errors import DatabaseError
from .chunks import pulled_chunks, row_chunks
from .feed import BINARY, BLOCK_SIZE, HAND_OVER_S, TEXT, BlockWriter, Chunks, Place, copy_options
from .missing import row_without_missing, spec_without_missing
from .report import Meter
from .target import Target
from .textform import TextRows

#: Rows of an async iterable that are at most gathered before they are written; each may be as large as it likes.
_MOST_GATHERED: Final = 16
#: Iterators that cannot keep a load waiting, so that no clock need be looked at.
_READY: Final[tuple[type, ...]] = (type(iter([])), type(iter(())))
#: Rows of an iterator that are gathered for the pure codec: at most, and of those in memory.
_MOST_AHEAD: Final = 64
_READY_ROWS: Final = 1024
#: The types whose values stay what they are.
_LASTING: Final = frozenset((int, float, bool, str, bytes, NoneType, Decimal, date, datetime, time, timedelta, UUID))


class Paced:
    """An iterator of rows, of which a block takes as many as come within HAND_OVER_S."""

    __slots__ = ("_ready", "_rows", "_stop", "exhausted", "paused")

    def __init__(self, rows: Iterator[Any], ready: bool = False) -> None:
        """`ready` says that the rows are in memory, and that nothing is waited for."""
        self._rows = rows
        self._ready = ready
        self._stop = 0.0
        self.paused = False
        self.exhausted = True

    def restart(self) -> None:
        """A block begins."""
        self._stop = monotonic() + HAND_OVER_S
        self.paused = False

    def next_rows(self) -> Iterator[Any]:
        """Rows for the block. Behind them it is `paused`, and the block shall be handed over; or the source is
        `exhausted`; or there are more for this block."""
        return self._rows if self._ready else self._until_stop()

    def _until_stop(self) -> Iterator[Any]:
        for row in self._rows:
            yield row
            # Asked for the next row: the one before has been written.
            if monotonic() >= self._stop:
                self.paused = True
                return

    def took(self, rows: int, size_bytes: int) -> None:
        """So many rows have been written, which took so many bytes."""


class Ahead(Paced):
    """As Paced, with some rows gathered before they are written: the pure codec is quicker with many together.

    A row is kept as it was when it came; one that holds what may change is the last to be gathered. What the iterator
    raises comes after the rows before it have been written.
    """

    __slots__ = ("_failure", "_gathered", "_most", "_names")

    def __init__(self, rows: Iterator[Any], ready: bool, names: tuple[str, ...]) -> None:
        """`names` are the keys of rows that are mappings."""
        super().__init__(rows, ready)
        self._names = names
        self._gathered: Iterator[Any] = iter([])
        self._failure: Exception | None = None
        self._most = 1
        self.exhausted = False

    def next_rows(self) -> Iterator[Any]:
        if length_hint(self._gathered) == 0:
            self._gathered = iter(self._in_memory() if self._ready else self._coming())
        return self._gathered

    def took(self, rows: int, size_bytes: int) -> None:
        self._most = max(1, min(_MOST_AHEAD, 2 * self._most, rows * BLOCK_SIZE // (4 * max(size_bytes, 1))))

    def _in_memory(self) -> list[Any]:
        made = list(islice(self._rows, _READY_ROWS))
        self.exhausted = len(made) < _READY_ROWS
        return made

    def _coming(self) -> list[Any]:
        if self._failure is not None:
            raise self._failure
        made: list[Any] = []
        left, stop, names = self._most, self._stop, self._names
        kept: Any
        values: Any
        try:
            for row in self._rows:
                if type(row) is dict and tuple(row) == names:
                    values = kept = tuple(row.values())
                elif isinstance(row, (tuple, list)):
                    values = kept = tuple(row)
                elif type(row) is dict:
                    kept = row.copy()
                    values = kept.values()
                else:
                    kept, values = row, (row,)
                made.append(kept)
                left -= 1
                self.paused = monotonic() >= stop
                if self.paused or not left or not _LASTING.issuperset(map(type, values)):
                    return made
        except Exception as exc:
            if not made:
                raise
            self._failure = exc
            return made
        self.exhausted = True
        return made


class RowWriter:
    """Rows into blocks, by the way the target allows."""

    __slots__ = ("_meter", "_plan", "_target", "_text", "out")

    def __init__(self, target: Target, path: str, meter: Meter) -> None:
        self._target = target
        self._meter = meter
        specs = [spec_without_missing(spec) for spec in target.specs()] if path == BINARY else []
        self._plan = Plan(specs, target.keys) if path == BINARY else None
        self._text = TextRows(target)
        self.out = BlockWriter(path == BINARY)

    def write(self, rows: Paced) -> bool:
        """Write rows until the block should be taken (False) or the rows have ended (True)."""
        rows.restart()
        while True:
            before, size = self._meter.rows, self.out.buffer.size_bytes
            ended = self._write(rows.next_rows())
            rows.took(self._meter.rows - before, self.out.buffer.size_bytes - size)
            if not ended or rows.paused:
                return False
            if rows.exhausted:
                return True

    def _write(self, rows: Iterator[Any]) -> bool:
        """Whether the iterator ended before the block was full."""
        if self._plan is None:
            return self._write_text(rows)
        try:
            count, ended = encode_copy_rows(self.out.buffer, self._plan, rows, BLOCK_SIZE)
        except DatabaseError as exc:
            raise self._target.placed(exc, self._meter.rows) from exc.__cause__
        self._meter.rows += count
        return ended

    def _write_text(self, rows: Iterator[Any]) -> bool:
        while not self.out.full:
            try:
                row = next(rows)
            except StopIteration:
                return True
            self._text.restart()
            try:
                self._meter.rows += encode_copy_text(self.out.buffer, (self._text.row(row_without_missing(row)),))
            except DatabaseError as exc:
                raise self._target.placed(exc, self._meter.rows) from exc.__cause__
        return False


class RowFeed:
    """An iterable of rows.

    Where the first row is a mapping, its keys name the columns, and every later row must have them.
    """

    kind: ClassVar[str] = "rows"

    def __init__(self, first: list[Any], rest: Iterator[Any] | AsyncIterator[Any]) -> None:
        """`first` is the first row in a list, an empty list where there is none; `rest` the iterator it came from."""
        self._first = first
        self._rest = rest
        self._target: Target | None = None
        self._path = BINARY

    @property
    def name(self) -> str:
        """What rejects call the source."""
        return self.kind

    @property
    def again(self) -> bool:
        """Whether it can be read once more."""
        return True

    @property
    def names(self) -> tuple[str, ...] | None:
        """The keys of the first row where it is a mapping."""
        if self._first and isinstance(self._first[0], Mapping):
            return tuple([str(key) for key in self._first[0]])
        return None

    def prepare(self, target: Target, zone: str | None) -> str:
        """Binary where every column's type is known."""
        self._target, self._path = target, BINARY if target.binary else TEXT
        return self._path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(self._path)

    def blocks(self, meter: Meter) -> Iterator[memoryview] | AsyncIterator[memoryview]:
        """The rows in blocks; an async iterator where the source is one."""
        assert self._target is not None, "prepare comes before blocks"
        writer = RowWriter(self._target, self._path, meter)
        if isinstance(self._rest, AsyncIterator):
            return _pulled_blocks(writer, self._first, self._rest, meter)
        rows, ready = chain(self._first, self._rest), isinstance(self._rest, _READY)
        ahead = IMPLEMENTATION == "python"
        return _blocks(writer, Ahead(rows, ready, self._target.keys) if ahead else Paced(rows, ready), meter)

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Chunks:
        """The rows in chunks, those before the place left out."""
        assert self._target is not None, "prepare comes before chunks"
        if isinstance(self._rest, AsyncIterator):
            rows = _all_of(self._first, self._rest)
            return pulled_chunks(self._target, self._path, rows, meter, size_bytes, place, self.name)
        every = chain(self._first, self._rest)
        return row_chunks(self._target, self._path, every, meter, size_bytes, place, self.name)

    def close(self) -> None:
        """Nothing: the iterator is the caller's."""


async def _all_of(first: list[Any], rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    for row in first:
        yield row
    async for row in rest:
        yield row


def _blocks(writer: RowWriter, rows: Paced, meter: Meter) -> Iterator[memoryview]:
    while not writer.write(rows):
        yield meter.block(writer.out.take())
    yield meter.block(writer.out.finish())


def text_blocks(target: Target, rows: Iterator[Any], meter: Meter) -> Iterator[memoryview]:
    """Rows that are in memory, in text COPY format."""
    return _blocks(RowWriter(target, TEXT, meter), Paced(rows, ready=True), meter)


async def _pulled_blocks(
    writer: RowWriter, first: list[Any], rest: AsyncIterator[Any], meter: Meter
) -> AsyncIterator[memoryview]:
    gathered, wanted = list(first), 1
    stop = monotonic() + HAND_OVER_S
    async for row in rest:
        gathered.append(row)
        late = monotonic() >= stop
        if len(gathered) < wanted and not late:
            continue
        before = meter.size_bytes + writer.out.buffer.size_bytes
        for block in _written(writer, gathered, meter):
            yield block
        if late:
            if writer.out.buffer.size_bytes:
                yield meter.block(writer.out.take())
            stop = monotonic() + HAND_OVER_S
        taken = meter.size_bytes + writer.out.buffer.size_bytes - before
        # As many rows as half a block holds, by those just written.
        wanted = max(1, min(_MOST_GATHERED, 2 * wanted, len(gathered) * BLOCK_SIZE // (2 * max(taken, 1))))
        gathered = []
    for block in _written(writer, gathered, meter):
        yield block
    yield meter.block(writer.out.finish())


def _written(writer: RowWriter, rows: list[Any], meter: Meter) -> Iterator[memoryview]:
    """The blocks that these rows fill."""
    paced = Paced(iter(rows), ready=True)
    while not writer.write(paced):
        yield meter.block(writer.out.take())
