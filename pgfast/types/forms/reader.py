"""Reading a binary value piece by piece.

Law of this file: no piece is given out that the value does not hold in full, and no memory is taken by a count. What
is missing or left over is a ValueError that names the type.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from .form import decoded

_U8: Final = Struct(">B")
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")
_I32: Final = Struct(">i")
_U64: Final = Struct(">Q")


class Reader:
    """A position in a value's bytes. `what` is the type's name for errors."""

    __slots__ = ("at", "data", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self.data = bytes(data)
        self.at = 0
        self.what = what

    def wrong(self, why: str) -> ValueError:
        """The error to raise for these bytes."""
        return ValueError(f"not a {self.what}: {why}")

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if not 0 <= size <= self.left:
            raise self.wrong("its binary form ends too early")
        start = self.at
        self.at += size
        return self.data[start : self.at]

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """The next fields, as a struct lays them out."""
        if layout.size > self.left:
            raise self.wrong("its binary form ends too early")
        fields = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return fields

    def u8(self) -> int:
        """An unsigned byte."""
        value: int = self.unpack(_U8)[0]
        return value

    def u16(self) -> int:
        """Two bytes, unsigned."""
        value: int = self.unpack(_U16)[0]
        return value

    def u32(self) -> int:
        """Four bytes, unsigned."""
        value: int = self.unpack(_U32)[0]
        return value

    def i32(self) -> int:
        """Four bytes, signed."""
        value: int = self.unpack(_I32)[0]
        return value

    def u64(self) -> int:
        """Eight bytes, unsigned."""
        value: int = self.unpack(_U64)[0]
        return value

    def count(self, size: int) -> int:
        """A number of items of at least `size` bytes each, not more than there can be in the bytes left."""
        number = self.i32()
        if number < 0 or number * size > self.left:
            raise self.wrong("its binary form counts more than it holds")
        return number

    def array(self, code: str, number: int) -> tuple[Any, ...]:
        """`number` fields of one struct code, a number that `count` has proved."""
        return self.unpack(Struct(f">{number}{code}"))

    def text(self, size: int) -> str:
        """The text of the next `size` bytes."""
        return decoded(self.take(size), self.what)

    def string(self) -> str:
        """The text up to a zero byte, which is skipped."""
        end = self.data.find(b"\x00", self.at)
        if end < 0:
            raise self.wrong("a text in its binary form has no end")
        value = self.text(end - self.at)
        self.at += 1
        return value

    def end(self) -> None:
        """Raises ValueError where bytes are left over."""
        if self.left:
            raise self.wrong("its binary form is longer than it says")


def fields(layout: Struct, data: bytes, what: str) -> tuple[Any, ...]:
    """The fields of a value that is laid out in one way only."""
    if len(data) != layout.size:
        raise ValueError(f"not a {what}: its binary form has {len(data)} bytes instead of {layout.size}")
    return layout.unpack(data)
