"""What every source of a load looks like to the load, and the blocks all of them end in.

Law of this file: a feed knows its source and nothing of sockets; it gives blocks of whole CopyData messages, each
about COPY_BLOCK_SIZE, so that memory stays flat however much comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

from .. import const
from ..codec import WriteBuffer
from ..errors import DatabaseError, DataError
from .report import Meter
from .target import Target

Blocks: TypeAlias = Iterator[memoryview] | AsyncIterator[memoryview]

#: Bytes after which a block is handed to the socket. Rows are not split, so a block may be longer by one row.
BLOCK_SIZE: Final = 2 * const.COPY_BLOCK_SIZE

#: Seconds after which a block is handed over though it is not full: the socket, the deadline and, on asyncio, the other
#: tasks are looked at between blocks.
HAND_OVER_S: Final = 0.1

BINARY: Final = "binary"
TEXT: Final = "text"
SERVER_CSV: Final = "server csv"


#: Why a row was refused: the column, the SQLSTATE and the message. Of these there may be very many at a time: tuples of
#: texts are small, and the garbage collector soon leaves them alone.
Why: TypeAlias = "tuple[str | None, str, str]"
#: A row that a chunk has left out, and why; None where the server shall read it.
Left: TypeAlias = "tuple[int, Why | None]"


class Origin(NamedTuple):
    """Where a row of a chunk came from.

    Its number in the source (None: not known, of a part of a text) and, of a file, its line, both from 1; and the row
    itself, as the bytes of the file or, of values in memory, as what JSON can say of them.
    """

    row: int | None
    line: int | None
    record: bytes | Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a source a load stands: the position as of Chunk.stop, and how many rows lie before it.

    `marks` are those of the chunks before it, by their stop, where the load keeps a ledger (None: it keeps none, and
    nobody asks for marks); `load` is its name.
    """

    position: int = 0
    rows: int = 0
    marks: Mapping[int, bytes] | None = None
    load: str = ""

    def check(self, position: int, mark: bytes, source: str) -> None:
        """Raise DataError where the ledger knows another mark for the position."""
        if self.marks is not None and self.marks.get(position, mark) != mark:
            raise DataError(
                f"{source} has changed before position {position}, up to which load {self.load!r} has loaded it "
                "already; load it under another name"
            )

    def short(self, position: int, source: str) -> DataError:
        """The error for a source that ends before the place."""
        return DataError(
            f"{source} has changed: it ends at position {position}, and load {self.load!r} has loaded it up to "
            f"{self.position} already; load it under another name"
        )


#: The end of a span of all rows that a chunk has.
ALL_ROWS: Final = 2**62


class Chunk(Protocol):
    """Some rows of a source, one after another.

    `stop` is the position behind them in the source: bytes of a text, else rows. `mark` stands for what lies before
    it: a later reading must find the same. `path` is the way the rows go now.

    `write` appends rows from `start` to the open COPY until `stop` or until the block is full, and gives back the row
    reached, `start` where there are no more. On a fault of the codec the rows before the faulty one are written, and
    the fault's `at` counts from `start`. `verdict` is the error for such a row, None where the server shall read it, as
    text. Where a list `left` is given, a chunk may leave bad rows out instead and tell there which and why, None where
    the server shall read them.
    """

    path: str

    @property
    def stop(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def mark(self) -> bytes: ...
    def write(self, out: BlockWriter, start: int, stop: int, left: list[Left] | None) -> int: ...
    def origin(self, row: int) -> Origin: ...
    def verdict(self, row: int, exc: DatabaseError) -> DatabaseError | None: ...


Chunks: TypeAlias = Iterator[Chunk] | AsyncIterator[Chunk]


class Feed(Protocol):
    """One source of a load.

    `kind` is told in the report, `name` in rejects and in the ledger. `again` says whether the source can be read more
    than once. `names` are the columns it brings by name, None where its rows go by position. `prepare` settles it on a
    target before COPY begins, and says in which way the values go (BINARY, TEXT or SERVER_CSV); `copy_options` are
    COPY's for that way. `blocks` may be called again after it raised Reread. `chunks` are the same rows in pieces that
    can be sent again, from a place on; what lies before it they compare with the marks of the place.
    """

    kind: ClassVar[str]

    @property
    def again(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...] | None: ...
    def prepare(self, target: Target, zone: str | None) -> str: ...
    def copy_options(self) -> str: ...
    def blocks(self, meter: Meter) -> Blocks: ...
    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Chunks: ...
    def close(self) -> None: ...


@runtime_checkable
class Retrying(Feed, Protocol):
    """A feed that may go another way after the server has refused one.

    `refused` says whether it goes another way now: the error was about the data, and the server had read them first.
    """

    def refused(self, exc: DatabaseError) -> bool: ...


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a source, for its chunks: from a position to another (None: to the end), both as of Chunk.stop; and how
    many lines of a text come before."""

    start: int = 0
    stop: int | None = None
    line: int = 0

    def check(self, reached: int, source: str) -> None:
        """Raise DataError where the source ends within the part."""
        if self.stop is not None and reached < self.stop:
            raise DataError(f"{source} has changed: it was cut into parts when it was longer than {reached}")


@runtime_checkable
class Divisible(Feed, Protocol):
    """A feed whose parts can be read side by side, each by a feed of its own.

    `spans` are about so many parts, one after the other, or fewer where the source is small; `take` makes the feed give
    the chunks of one alone.
    """

    def spans(self, count: int) -> list[Span]: ...
    def take(self, span: Span) -> None: ...


@runtime_checkable
class Sparse(Feed, Protocol):
    """A feed whose rows need not have the same columns: `names` are those of some.

    `chosen` are the columns to fill, of those that the table has, with those that the caller names (None: he names
    none); None for all that can be, of a source without rows.
    """

    def chosen(self, table: Sequence[str], columns: Sequence[str] | None) -> Sequence[str] | None: ...


class Reread(Exception):
    """The source must be read again from its beginning, in another way.

    Raised by `blocks`, never seen by the caller of a load.
    """


class BlockWriter:
    """A WriteBuffer with one CopyData open, which is closed when a block is taken.

    Use: write into `buffer` until it is `full`, `take`, and so on; `finish` for the last block.
    """

    __slots__ = ("_binary", "buffer")

    def __init__(self, binary: bool) -> None:
        self.buffer = WriteBuffer()
        self._binary = binary
        self.buffer.begin_copy()
        if binary:
            self.buffer.put_bytes(const.COPY_HEADER)

    @property
    def full(self) -> bool:
        """Whether the block should be taken before more is written."""
        return self.buffer.size_bytes >= BLOCK_SIZE

    def take(self) -> memoryview:
        """The block so far; a new one begins."""
        self.buffer.end_copy()
        block = self.buffer.take()
        self.buffer.begin_copy()
        return block

    def finish(self) -> memoryview:
        """The last block, with the trailer where the format has one."""
        if self._binary:
            self.buffer.put_bytes(const.COPY_TRAILER)
        self.buffer.end_copy()
        return self.buffer.take()


def copy_options(path: str) -> str:
    """COPY's options for a way that is not a file's own."""
    return "FORMAT binary" if path == BINARY else "FORMAT text"


def path_of(options: str) -> str:
    """The way that COPY's options stand for."""
    return {copy_options(path): path for path in (BINARY, TEXT)}.get(options, SERVER_CSV)
