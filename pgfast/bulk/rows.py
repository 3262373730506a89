"""Loading rows: any iterable, or async iterable, of tuples, lists or dicts.

Law of this file: rows are pulled as the socket takes them, a block at a time, and none is kept. What the iterator
raises reaches the caller unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import chain, islice
from typing import Any, ClassVar, Final

from ..codec import Plan, encode_copy_rows, encode_copy_text
from ..errors import DatabaseError
from .feed import BINARY, BLOCK_SIZE, TEXT, BlockWriter, copy_options
from .report import Meter
from .target import Target
from .textform import TextRows

#: Rows pulled together from an async iterable to begin with; then as many as make a block.
_FIRST_PULL: Final = 64
_MOST_PULLED: Final = 8192
#: Rows turned to text together.
_TEXT_ROWS: Final = 500


class RowWriter:
    """Rows into blocks, by the way the target allows."""

    __slots__ = ("_meter", "_plan", "_target", "_text", "out")

    def __init__(self, target: Target, path: str, meter: Meter) -> None:
        self._target = target
        self._meter = meter
        self._plan = Plan(target.specs(), target.names) if path == BINARY else None
        self._text = TextRows(target)
        self.out = BlockWriter(path == BINARY)

    def write(self, rows: Iterator[Any]) -> bool:
        """Write rows until the block is full (False) or the iterator has ended (True)."""
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
            taken = list(islice(rows, _TEXT_ROWS))
            self._text.restart()
            try:
                self._meter.rows += encode_copy_text(self.out.buffer, [self._text.row(row) for row in taken])
            except DatabaseError as exc:
                raise self._target.placed(exc, self._meter.rows) from exc.__cause__
            if len(taken) < _TEXT_ROWS:
                return True
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
        return _blocks(writer, chain(self._first, self._rest), meter)

    def close(self) -> None:
        """Nothing: the iterator is the caller's."""


def _blocks(writer: RowWriter, rows: Iterator[Any], meter: Meter) -> Iterator[memoryview]:
    while not writer.write(rows):
        yield meter.block(writer.out.take())
    yield meter.block(writer.out.finish())


def text_blocks(target: Target, rows: Iterator[Any], meter: Meter) -> Iterator[memoryview]:
    """Rows in text COPY format."""
    return _blocks(RowWriter(target, TEXT, meter), rows, meter)


async def _pulled_blocks(
    writer: RowWriter, first: list[Any], rest: AsyncIterator[Any], meter: Meter
) -> AsyncIterator[memoryview]:
    pulled, wanted = list(first), _FIRST_PULL
    async for row in rest:
        pulled.append(row)
        if len(pulled) < wanted:
            continue
        for block in _written(writer, pulled, meter):
            yield block
        # As many rows as make a block, so that wide rows are not gathered by the thousand.
        average = (meter.size_bytes + writer.out.buffer.size_bytes) / max(meter.rows, 1)
        wanted = max(1, min(_MOST_PULLED, int(BLOCK_SIZE / max(average, 1))))
        pulled = []
    for block in _written(writer, pulled, meter):
        yield block
    yield meter.block(writer.out.finish())


def _written(writer: RowWriter, rows: list[Any], meter: Meter) -> Iterator[memoryview]:
    """The blocks that these rows fill."""
    iterator = iter(rows)
    while not writer.write(iterator):
        yield meter.block(writer.out.take())
