"""What a harness decides by the fuzzer's bytes.

Law of this file: everything is taken from the front, so that a byte changed late changes little; where the bytes have
run out there are zeros, and nothing ever raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """A cursor over the fuzzer's bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that have not been used."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def number(self, size: int, signed: bool = False) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "big", signed=signed)

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        return self.number(1 if limit <= 256 else 2) % limit

    def flag(self) -> bool:
        """True or False."""
        return bool(self.number(1) & 1)

    def rarely(self) -> bool:
        """True for one byte in sixteen."""
        return self.number(1) >= 240

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]

    def blob(self) -> bytes:
        """Bytes behind their number, up to 255."""
        return self.take(self.number(1))

    def text(self) -> str:
        """Text behind its size; what is no UTF-8 becomes lone surrogates, which no encoder takes."""
        return self.blob().decode("utf-8", "surrogateescape")

    def times(self, most: int) -> Iterator[int]:
        """Up to `most` rounds, fewer where the bytes run out."""
        for index in range(self.below(most + 1)):
            if not self.left:
                return
            yield index
