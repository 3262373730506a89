"""Source columns of many rows at once: whole buffers turned, shifted and cut where no value needs a look of its own.

Law of this file: as `block_py`, no verdicts; the memory that is read has been measured by the Source whose it is, and
whatever a buffer says about another one is checked here.

Source: the Arrow columnar format.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import sub
from struct import Struct
from typing import Final

from .block_py import Lists, byte_fields, few_values, measured, number_field, number_fields
from .runs_py import Known, Unsure

Many = Callable[[int, int], Lists]  # (first index into the memory, the one after the last) -> fields
Pack = Callable[[int, int], bytes]  # the same for a column of fixed width -> its fields, one behind the other

_TYPECODES: Final = {2: "h", 4: "i", 8: "q"}
_VIEW: Final = Struct("16s")
#: Bytes of a text that lie in its view.
_INLINE: Final = 12
#: Bytes a row within which the long texts of a block must lie to be taken as one piece of memory.
_NEAR: Final = 512


def native(typecode: str, data: bytes) -> array[int]:
    """Little-endian values."""
    values = array(typecode, data)
    if sys.byteorder != "little":
        values.byteswap()
    return values


def turned(memory: memoryview, width: int) -> Pack:
    """The bytes of each value turned round."""
    typecode = _TYPECODES[width]

    def pack(first: int, last: int) -> bytes:
        values = array(typecode, bytes(memory[first * width : last * width]))
        values.byteswap()
        return values.tobytes()

    return pack


@lru_cache(maxsize=64)
def _lanes(width: int, count: int, value: int) -> int:
    """`count` unsigned little-endian numbers of `width` bytes beside each other in one int, all of this value."""
    return int.from_bytes(value.to_bytes(width, "little") * count, "little")


def shifted(memory: memoryview, width: int, less: int) -> Pack:
    """Signed values, each of them less by `less`: one subtraction of long numbers, in which they are lanes.

    With its sign bit turned over a value is unsigned and, away from the ends of its range, larger than `less`, so no
    lane borrows from the next one.
    """
    typecode = _TYPECODES[width]

    def pack(first: int, last: int) -> bytes:
        data = bytes(memory[first * width : last * width])
        high = data[width - 1 :: width]
        if b"\x80" in high or b"\x7f" in high:  # at the ends, where the sentinels are
            raise Unsure
        count = last - first
        signs = _lanes(width, count, 1 << (8 * width - 1))
        number = ((int.from_bytes(data, "little") ^ signs) - _lanes(width, count, less)) ^ signs
        values = array(typecode, number.to_bytes(len(data), "little"))
        values.byteswap()
        return values.tobytes()

    return pack


def decimals(memory: memoryview, width: int, scale: int) -> Many:
    """Numerics of 16 or 32 bytes, two's complement."""
    known = Known(lambda value: number_field(value < 0, abs(value), scale))
    pieces = Struct(f"{width}s").iter_unpack

    def many(first: int, last: int) -> Lists:
        data = bytes(memory[first * width : last * width])
        if width == 16:
            high = native("q", data)[1::2]
            values = native("Q", data)[::2].tolist()
            if any(high):
                values = [above << 64 | value for above, value in zip(high, values, strict=True)]
        else:
            values = [int.from_bytes(piece, "little", signed=True) for (piece,) in pieces(data)]
        return [list(map(known.__getitem__, values)) if few_values(values) else number_fields(values, scale)]

    return many


def mapped(memory: memoryview, typecode: str, make: Callable[[int], bytes]) -> Many:
    """What `make` gives for the values: a field behind its length word."""
    known = Known(make)
    size = array(typecode).itemsize
    return lambda first, last: [
        list(map(known.__getitem__, native(typecode, bytes(memory[first * size : last * size]))))
    ]


def texts(memory: memoryview, ends: memoryview, typecode: str, refuses_nul: bool) -> Many:
    """Text or bytes by their offsets."""
    size = array(typecode).itemsize

    def many(first: int, last: int) -> Lists:
        places = native(typecode, bytes(ends[first * size : (last + 1) * size])).tolist()
        begin, end = places[0], places[-1]
        sizes = list(map(sub, places[1:], places))
        if begin < 0 or end > len(memory) or min(sizes) < 0:
            raise Unsure
        data = bytes(memory[begin:end])
        if refuses_nul and b"\0" in data:
            raise Unsure
        return byte_fields([data[one - begin : two - begin] for one, two in pairwise(places)], sizes)

    return many


def views(memory: memoryview, buffers: Sequence[memoryview], refuses_nul: bool) -> Many:
    """Text or bytes by their views, the longer ones in `buffers`."""

    def make(view: bytes) -> bytes:
        data = view[4 : 4 + view[0]]
        if refuses_nul and b"\0" in data:
            raise Unsure
        return measured(data)

    known = Known(make)

    def many(first: int, last: int) -> Lists:
        data = bytes(memory[16 * first : 16 * last])
        words = native("I", data)
        sizes = words[::4].tolist()
        pieces = [view for (view,) in _VIEW.iter_unpack(data)]
        if max(sizes) > _INLINE:
            found = _long(pieces, sizes, words[2::4].tolist(), words[3::4].tolist(), buffers)
        elif few_values(pieces):
            return [list(map(known.__getitem__, pieces))]
        else:
            found = [view[4 : 4 + size] for view, size in zip(pieces, sizes, strict=True)]
        if list(map(len, found)) != sizes or (refuses_nul and b"\0" in b"".join(found)):
            raise Unsure
        return byte_fields(found, sizes)

    return many


def _long(
    pieces: list[bytes], sizes: list[int], which: list[int], starts: list[int], buffers: Sequence[memoryview]
) -> list[bytes]:
    """Texts of which some are in the buffers. The words of a view are unsigned here: a negative one is beyond all."""
    places = list(zip(pieces, sizes, starts, which, strict=True))
    if min(sizes) <= _INLINE:
        which = [index for _view, size, _start, index in places if size > _INLINE]
        starts = [start for _view, size, start, _index in places if size > _INLINE]
    used = set(which)
    if max(used) >= len(buffers):
        raise Unsure
    low, extent = min(starts), max(starts) + max(sizes) - min(starts)
    if len(used) == 1 and extent <= _NEAR * len(pieces):  # one piece of memory: its bytes are cut more quickly
        whole = bytes(buffers[used.pop()][low : low + extent])
        return [
            view[4 : 4 + size] if size <= _INLINE else whole[start - low : start - low + size]
            for view, size, start, _index in places
        ]
    return [
        view[4 : 4 + size] if size <= _INLINE else bytes(buffers[index][start : start + size])
        for view, size, start, index in places
    ]
