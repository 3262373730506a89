"""What chunks of a text have in common, whatever its records are: where they lie in it, and what stands for them.

Law of this file: a chunk is bytes of UTF-8 that follow one another, from the place where it begins; of what lies before
only the last bytes are known. Nothing here knows what a record is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from .chunks import digest
from .csvfile import Utf8File
from .feed import Origin, Place
from .rejects import Why

#: Why a row was refused, with what stands in the source where the server was sent something else.
Amend: TypeAlias = Callable[[Origin, Why], Why]

#: Bytes at the end of a chunk that must be found again by whoever goes on behind it.
MARK_BYTES: Final = 4096
#: Bytes of the least part of a text that several connections load, and of what is looked at together to cut it.
_LEAST_PART: Final = 1 << 20
_BLOCK: Final = 1 << 22


def tail_of(before: bytes, data: bytes) -> bytes:
    """The last bytes of a text up to the end of `data`, those up to its beginning being `before`."""
    return (before + data[-MARK_BYTES:])[-MARK_BYTES:]


def part_bytes(size_bytes: int, count: int) -> int:
    """How long a part of a text of so many bytes is, of which there are to be `count`."""
    return max(_LEAST_PART, size_bytes // count)


def text_blocks(text: Utf8File) -> Iterator[bytes]:
    """All of a text, in blocks."""
    while data := text.read(_BLOCK):
        yield data


class TextChunk(ABC):
    """Some bytes of a text: the records in them are what makes a chunk of it.

    `amend` is set where the server is sent values otherwise than they are written.
    """

    __slots__ = ("_before", "_numbered", "amend", "data", "first", "line", "path", "stop")

    def __init__(self, data: bytes, place: Place, line: int, before: bytes, path: str, numbered: bool) -> None:
        """`place`, `line` and `before`: where it begins, how many lines come before it, and the last bytes of these.

        `numbered`: the rows before are counted.
        """
        self.data = data
        self.path = path
        self.stop = place.position + len(data)
        self.first = place.rows
        self.line = line
        self._before = before
        self._numbered = numbered
        self.amend: Amend | None = None

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many records it holds."""

    @property
    def size_bytes(self) -> int:
        """The bytes of the chunk."""
        return len(self.data)

    @property
    def tail(self) -> bytes:
        """The last bytes of the source up to the end of the chunk."""
        return tail_of(self._before, self.data)

    @property
    def mark(self) -> bytes:
        """What the last bytes are."""
        return digest(self.tail)

    @property
    def before(self) -> bytes:
        """What the last bytes before it are."""
        return digest(self._before)

    @property
    def place(self) -> Place:
        """Where it ends."""
        return Place(self.stop, self.first + self.rows)

    def _number(self, row: int) -> int | None:
        """The number of a row in the source, from 1; None where it is not known."""
        return self.first + row + 1 if self._numbered else None
