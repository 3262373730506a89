"""Chunks: rows that can be written again, whole or any span of them, and shown as they came.

Law of this file: a chunk is kept until its fate is settled, so it is small; a row that the codec refuses is told and
left out, and the rows about it go on in the same COPY. What is counted here are rows of the chunk, from 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias

from ..codec import Plan, encode_copy_columns, encode_copy_rows, encode_copy_text
from ..errors import DatabaseError
from .arrays import ColumnBatch
from .feed import BINARY, BLOCK_SIZE, BlockWriter, Chunk, Left, Origin, Place
from .missing import row_without_missing, spec_without_missing
from .report import Meter
from .target import Target
from .textform import TextRows

#: Told of a row that cannot be written: its number in the chunk, and the error.
Refuse: TypeAlias = Callable[[int, DatabaseError], None]
#: Told of rows that a chunk has left out.
Leave: TypeAlias = "Callable[[list[Left]], None]"

#: Rows of Python objects that are written by one call.
_SPAN: Final = 2048
#: Rows of the first chunk at most; and bytes of a row where they are not known yet, or where it takes fewer: one that
#: is left out because it is bad takes none, and Python's own objects take more.
_FIRST_ROWS: Final = 4096
_ROW_BYTES: Final = 64
_DIGEST_BYTES: Final = 16


def blocks(
    chunk: Chunk, spans: Sequence[tuple[int, int]], meter: Meter, refuse: Refuse, leave: Leave | None
) -> Iterator[memoryview]:
    """Rows of the chunk as the blocks of one COPY.

    `refuse` is told of those that the codec cannot write, `leave` (None: nothing may be left out) of those that the
    chunk has left out by itself.
    """
    out = BlockWriter(chunk.path == BINARY)
    left: list[Left] | None = None if leave is None else []
    for start, stop in spans:
        at = start
        while at < stop:
            try:
                reached = chunk.write(out, at, stop, left)
                if reached == at:
                    break
                meter.rows += reached - at
                at = reached
            except DatabaseError as exc:
                if exc.fault is None:
                    raise
                bad = at + exc.fault.at
                meter.rows += bad - at
                refuse(bad, exc)
                at = bad + 1
            if left and leave is not None:
                meter.rows -= len(left)
                leave(left)
                left.clear()
            if out.full:
                yield meter.block(out.take())
    yield meter.block(out.finish())


class RowsChunk:
    """Rows in memory: tuples, lists and mappings, which nobody changes any more."""

    __slots__ = ("_first", "_plan", "_rows", "_target", "_text", "path", "size_bytes", "stop")

    def __init__(self, target: Target, path: str, rows: list[Any], first: int) -> None:
        """`first` is how many rows of the source came before these."""
        self.path = path
        self.stop = first + len(rows)
        self.size_bytes = 0
        self._first = first
        self._rows = rows
        self._target = target
        specs = [spec_without_missing(spec) for spec in target.specs()] if path == BINARY else []
        self._plan = Plan(specs, target.keys) if path == BINARY else None
        self._text = TextRows(target)

    @property
    def rows(self) -> int:
        """How many they are."""
        return len(self._rows)

    @property
    def mark(self) -> bytes:
        """What the last row looks like."""
        return _row_digest(self._rows[-1])

    def write(self, out: BlockWriter, start: int, stop: int, left: list[Left] | None) -> int:
        """As Chunk says."""
        span = self._rows[start : min(stop, start + _SPAN)]
        if self._plan is not None:
            return start + encode_copy_rows(out.buffer, self._plan, iter(span), BLOCK_SIZE)[0]
        return _write_text(out, self._text, [row_without_missing(row) for row in span], start)

    def origin(self, row: int) -> Origin:
        """The values."""
        return Origin(self._first + row + 1, None, shown(self._rows[row]))

    def verdict(self, row: int, exc: DatabaseError) -> DatabaseError:
        """The error, with its place."""
        return placed(self._target, exc, self._first + row)


class ObjectBatch(ColumnBatch, Protocol):
    """Columns that can give their values as Python objects too.

    `path` is the way they go; `objects` are rows start:stop of each column for the text form, `record` what a row is in
    the source.
    """

    @property
    def path(self) -> str: ...
    @property
    def texts(self) -> Sequence[bool]: ...
    def objects(self, start: int, stop: int) -> list[list[Any]]: ...
    def record(self, row: int) -> Any: ...


class ColumnsChunk:
    """Rows of a batch of columns."""

    __slots__ = ("_batch", "_first", "_offset", "_so_far", "_target", "_text", "path", "rows", "size_bytes", "stop")

    def __init__(
        self, target: Target, batch: ObjectBatch, offset: int, rows: int, first: int, so_far: Callable[[], bytes]
    ) -> None:
        """So many rows of the batch, from row `offset` on; `first` rows of the source came before, `so_far` stands for
        what was read of it."""
        self.path = batch.path
        self.rows = rows
        self.stop = first + rows
        self.size_bytes = 0
        self._batch = batch
        self._so_far = so_far
        self._offset = offset
        self._target = target
        self._first = first
        self._text = TextRows(target, batch.texts)

    @property
    def mark(self) -> bytes:
        """What the last row looks like, and what stands for the source up to here."""
        return _row_digest(self._batch.record(self._offset + self.rows - 1), self._so_far())

    def write(self, out: BlockWriter, start: int, stop: int, left: list[Left] | None) -> int:
        """As Chunk says."""
        stop = min(stop, self.rows if self._batch.native else start + _SPAN, self.rows)
        begin, end = self._offset + start, self._offset + stop
        try:
            made: Any = self._batch.sources(begin, end) if self.path == BINARY else self._batch.objects(begin, end)
        except DatabaseError as exc:
            # Nothing of the span is written yet: the rows before the faulty one come first.
            if exc.fault is None or not exc.fault.at:
                raise
            return self.write(out, start, start + exc.fault.at, left)
        if self.path == BINARY:
            return start + encode_copy_columns(out.buffer, made, 0, stop - start, BLOCK_SIZE)
        return _write_text(out, self._text, list(zip(*made, strict=True)), start)

    def origin(self, row: int) -> Origin:
        """The values by the names of their columns."""
        return Origin(self._first + row + 1, None, shown(self._batch.record(self._offset + row)))

    def verdict(self, row: int, exc: DatabaseError) -> DatabaseError:
        """The error, with its place."""
        return placed(self._target, exc, self._first + row)


def column_chunks(
    target: Target,
    batches: Iterator[ObjectBatch],
    meter: Meter,
    size_bytes: int,
    place: Place,
    source: str,
    before: int = 0,
    until: int | None = None,
    so_far: Callable[[], bytes] = bytes,
) -> Iterator[ColumnsChunk]:
    """The rows of batches from a place on, in chunks of about `size_bytes`, as their rows turn out to take.

    `before` is how many rows of the source come before the first batch, `until` the row of the source to stop at, and
    `so_far` stands for what was read of it when it is called. Raises DataError where the rows before the place are not
    what they were.
    """
    pace, skip = Pace(meter, size_bytes), place.position - before
    known = deque(sorted(stop for stop in place.marks or () if stop > before))
    for batch in batches:
        at = min(skip, batch.rows)
        while known and known[0] <= before + at:
            stop = known.popleft()
            place.check(stop, _row_digest(batch.record(stop - before - 1), so_far()), source)
        skip -= at
        while at < batch.rows:
            rows = min(pace.rows, batch.rows - at, batch.rows if until is None else until - before - at)
            if rows <= 0:
                return
            yield ColumnsChunk(target, batch, at, rows, before + at, so_far)
            pace.took(rows)
            at += rows
        before += batch.rows
    if skip > 0:
        raise place.short(before, source)


class Pace:
    """How many rows make a chunk of so many bytes, by what those before them took."""

    __slots__ = ("_before", "_meter", "_size", "rows")

    def __init__(self, meter: Meter, size_bytes: int) -> None:
        self._meter = meter
        self._before = meter.size_bytes
        self._size = size_bytes
        self.rows = max(1, min(_FIRST_ROWS, size_bytes // _ROW_BYTES))

    def took(self, rows: int) -> None:
        """A chunk of so many rows has been written."""
        taken, self._before = self._meter.size_bytes - self._before, self._meter.size_bytes
        self.rows = max(1, min(4 * self.rows, rows * self._size // max(taken, rows * _ROW_BYTES, 1)))


def row_chunks(
    target: Target, path: str, rows: Iterator[Any], meter: Meter, size_bytes: int, place: Place, source: str
) -> Iterator[RowsChunk]:
    """The rows of an iterator in chunks; those before the place are read, compared and left out."""
    pace, at = Pace(meter, size_bytes), 0
    for row in islice(rows, place.rows):
        at += 1
        _compare(place, at, row, source)
    if at < place.rows:
        raise place.short(at, source)
    while gathered := [kept(row) for row in islice(rows, pace.rows)]:
        yield RowsChunk(target, path, gathered, at)
        at += len(gathered)
        pace.took(len(gathered))


def _compare(place: Place, at: int, row: Any, source: str) -> None:
    """Raise DataError where the row before position `at` is not what the ledger has."""
    if place.marks is not None and at in place.marks:
        place.check(at, _row_digest(kept(row)), source)


async def pulled_chunks(
    target: Target, path: str, rows: AsyncIterator[Any], meter: Meter, size_bytes: int, place: Place, source: str
) -> AsyncIterator[RowsChunk]:
    """As `row_chunks`, of an asynchronous iterator."""
    pace, at = Pace(meter, size_bytes), 0
    gathered: list[Any] = []
    async for row in rows:
        if at < place.rows:
            at += 1
            _compare(place, at, row, source)
            continue
        gathered.append(kept(row))
        if len(gathered) >= pace.rows:
            yield RowsChunk(target, path, gathered, at)
            at += len(gathered)
            pace.took(len(gathered))
            gathered = []
    if at < place.rows:
        raise place.short(at, source)
    if gathered:
        yield RowsChunk(target, path, gathered, at)


def _row_digest(row: Any, so_far: bytes = b"") -> bytes:
    """What stands for a row, and for the source up to it."""
    return blake2b(repr(row).encode("utf-8", "backslashreplace") + so_far, digest_size=_DIGEST_BYTES).digest()


def kept(row: Any) -> Any:
    """The row as it is now, whatever its maker does with it later."""
    if isinstance(row, list):
        return tuple(row)
    return dict(row) if isinstance(row, Mapping) else row


def placed(target: Target, exc: DatabaseError, row: int) -> DatabaseError:
    """The codec's error for a row of the source, counted from 0, with table, row and column."""
    assert exc.fault is not None
    made = target.placed(exc, row - exc.fault.at)
    made.__cause__ = exc.__cause__
    return made


def _write_text(out: BlockWriter, text: TextRows, rows: Sequence[Any], start: int) -> int:
    """The row reached: as many of the rows as come before one that has no text form; where that is the first, its
    fault."""
    for done, row in enumerate(rows):
        text.restart()
        try:
            encode_copy_text(out.buffer, (text.row(row),))
        except DatabaseError:
            if done == 0:
                raise
            return start + done
        if out.full:
            return start + done + 1
    return start + len(rows)


def shown(value: Any) -> Any:
    """The value as JSON can say it: what it cannot is said by str(), and bytes in hexadecimal digits, as bytea is."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): shown(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [shown(each) for each in value]
    return str(value)
