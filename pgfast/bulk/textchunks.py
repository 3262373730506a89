"""What chunks of a text have in common, whatever its records are: where they lie in it, and what stands for them.

Law of this file: a chunk is bytes of UTF-8 that follow one another, from the place where it begins; of what lies before
only a checksum is known. Nothing here knows what a record is.

The checksum is CRC-32, at two gigabytes a second the quickest that Python has. Of changes by mishap it lets one of four
billions pass; it is no guard against somebody who wants his change to pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from zlib import crc32

from .csvfile import Utf8File
from .feed import Origin, Place, Why

#: Why a row was refused, with what stands in the source where the server was sent something else.
Amend: TypeAlias = Callable[[Origin, Why], Why]

#: Bytes of the least part of a text that several connections load, and of what is looked at together to cut it.
_LEAST_PART: Final = 1 << 20
_BLOCK: Final = 1 << 22


def mark_of(checksum: int) -> bytes:
    """What stands in the ledger for a text with this checksum."""
    return checksum.to_bytes(4, "big")


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

    __slots__ = ("_begin", "_checksum", "_numbered", "_summed", "amend", "first", "line", "path")

    def __init__(self, place: Place, line: int, before: int | None, path: str, numbered: bool) -> None:
        """`place`, `line` and `before`: where it begins, how many lines come before it, and the checksum of what comes
        before (None: nobody asks for it).

        `numbered`: the rows before are counted.
        """
        self.path = path
        self.first = place.rows
        self._begin = place.position
        self.line = line
        self._checksum = before
        self._summed = 0  # bytes
        self._numbered = numbered
        self.amend: Amend | None = None

    @property
    @abstractmethod
    def data(self) -> bytes | bytearray:
        """All of its bytes."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many records it holds."""

    @property
    def stop(self) -> int:
        """The position behind it."""
        return self._begin + len(self.data)

    @property
    def size_bytes(self) -> int:
        """The bytes of the chunk."""
        return len(self.data)

    @property
    def checksum(self) -> int | None:
        """That of the source up to the end of the chunk, where anybody asks for it."""
        self.sum_up(self.data, len(self.data))
        return self._checksum

    def sum_up(self, data: bytes | bytearray, stop: int) -> None:
        """Bring the checksum up to this byte of the chunk, which begins with the data: whoever writes does so while the
        server is busy."""
        if self._checksum is not None and stop > self._summed:
            self._checksum = crc32(memoryview(data)[self._summed : stop], self._checksum)
            self._summed = stop

    @property
    def mark(self) -> bytes:
        """What stands for the source up to the end of the chunk."""
        checksum = self.checksum
        assert checksum is not None, "a load with a ledger has said that it asks"
        return mark_of(checksum)

    @property
    def place(self) -> Place:
        """Where it ends."""
        return Place(self.stop, self.first + self.rows)

    def _number(self, row: int) -> int | None:
        """The number of a row in the source, from 1; None where it is not known."""
        return self.first + row + 1 if self._numbered else None
