"""Many rows written at once: each column of a block made into fields by itself, then all of them put in their rows.

Law of this file: as `tuples_py`, it calls no hook and gives no verdict; what it is not sure of raises one of that
file's DOUBTS, and nothing has been written. A column becomes one or more lists of bytes, as long as the block, which
stand beside each other in the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from struct import Struct
from typing import Any, Final

from .. import const
from . import encode_py as wire
from .runs_py import MAX_KEPT, Known, Unsure

Lists = list[list[bytes]]

#: Most rows that are written together.
BLOCK_ROWS: Final = 256
NULL: Final = wire.NULL_LENGTH
#: Length words of short fields.
SHORT: Final = [length.to_bytes(4, "big") for length in range(256)]
#: The groups of a numeric, as they stand on the wire.
_PAIRS: Final = [group.to_bytes(2, "big") for group in range(10_000)]
#: Numerics of some groups, behind their length words.
_GROUPS: Final = [Struct(f">iHhHH{count}H") for count in range(5)]
#: How many values of a column are looked at before it is asked whether they come again, and how many of them may have
#: been new: to begin with, and later on.
_FIRST_LOOK: Final = (1024, 960)
_LATER_LOOK: Final = (2 * MAX_KEPT, MAX_KEPT)
#: Values that are looked at where nothing is known of those before.
_SAMPLE: Final = 128


def measured(data: bytes) -> bytes:
    """A field behind its length word."""
    size = len(data)
    if size < 256:
        return SHORT[size] + data
    if size > const.MAX_INT32:
        raise Unsure
    return size.to_bytes(4, "big") + data


def _length(size: int) -> bytes:
    if size > const.MAX_INT32:
        raise Unsure
    return size.to_bytes(4, "big")


def byte_fields(data: Sequence[bytes], given: list[int] | None = None) -> Lists:
    """Fields of any length: the length words, and the bytes. `given` are the lengths, where they are known."""
    sizes = list(map(len, data)) if given is None else given
    words = list(map(SHORT.__getitem__ if max(sizes) < 256 else _length, sizes))
    return [words, list(data)]


def text_fields(texts: list[str]) -> Lists:
    """Fields of text."""
    if "\0" in "".join(texts):
        raise Unsure
    return byte_fields(list(map(str.encode, texts)))


def with_nulls(lists: Lists, valid: str) -> Lists:
    """The fields where `valid` says "1", and NULL where it says "0"."""
    return [
        [field if bit == "1" else null for field, bit in zip(fields, valid, strict=True)]
        for fields, null in zip(lists, (NULL, b""), strict=False)
    ]


def among_nulls(lists: Lists, column: Sequence[Any]) -> Lists:
    """The fields of the values that are not None, put where those stand in the column, and NULL for the others."""
    made = []
    for fields, null in zip(lists, (NULL, b""), strict=False):
        following = iter(fields)
        made.append([null if value is None else next(following) for value in column])
    return made


def fixed_fields(columns: Sequence[tuple[int, bytes]], count: int) -> list[bytes]:
    """Fields of columns of fixed width that stand beside each other, as (bytes of a field, the fields of all rows).

    Each byte of a field is put in its place in all rows at once.
    """
    form = b"".join([SHORT[width] + bytes(width) for width, _data in columns])
    stride, at = len(form), 0
    made = bytearray(form * count)
    for width, data in columns:
        at += 4
        for place in range(width):
            made[at + place :: stride] = data[place::width]
        at += width
    return [field for (field,) in Struct(f"{stride}s").iter_unpack(made)]


def number_field(negative: bool, value: int, scale: int) -> bytes:
    """The numeric of an int, `scale` of its digits behind the point, behind its length word; it has at most 1,000."""
    padded = value * 10 ** (-scale % 4)
    if not 0 < padded < 10**16 or scale > const.NUMERIC_MAX_SCALE:
        data = wire.numeric_wire(negative, str(value), scale)
        if data is None:
            raise Unsure
        return measured(data)
    high, low = divmod(padded, 10**8)
    groups = (*divmod(high, 10**4), *divmod(low, 10**4))
    first, last = 0, 4
    while not groups[first]:
        first += 1
    while not groups[last - 1]:
        last -= 1
    count = last - first
    weight = 3 - first - (scale + 3) // 4
    sign = const.NUMERIC_NEGATIVE if negative else const.NUMERIC_POSITIVE
    return _GROUPS[count].pack(8 + 2 * count, count, weight, sign, scale, *groups[first:last])


def number_fields(values: list[int], scale: int) -> list[bytes]:
    """The numerics of ints, `scale` of their digits behind the point. The most common shape is put together of parts:
    positive, five to eight digits before the point, one to four behind it."""
    if not 0 < scale <= 4:
        return [number_field(value < 0, abs(value), scale) for value in values]
    unit = 10**scale
    least, pad = 10_000 * unit, 10 ** (4 - scale)
    heads = Known(lambda group: _GROUPS[1].pack(14, 3, 1, const.NUMERIC_POSITIVE, scale, group))
    pairs, most = _PAIRS, 10_000 * least
    return [
        heads[value // least] + pairs[value // unit % 10_000] + pairs[value % unit * pad]
        if least <= value < most and value % unit
        else number_field(value < 0, abs(value), scale)
        for value in values
    ]


def few_values(values: Sequence[Any]) -> bool:
    """Whether the values seem to come again and again."""
    sample = values[:_SAMPLE]
    return 2 * len(set(sample)) <= len(sample)


class Kept:
    """The fields of a column by its values, of which some thousands are kept while they come again."""

    __slots__ = ("_direct", "_known", "_look", "_looked", "_new", "_repeats")

    def __init__(self, make: Callable[[Any], bytes], direct: Callable[[list[Any]], Lists]) -> None:
        """`make` gives the field of a value behind its length word, `direct` those of many values."""
        self._known = Known(make)
        self._direct = direct
        self._looked = self._new = 0
        self._look = _FIRST_LOOK
        self._repeats = True

    def lists(self, values: list[Any]) -> Lists:
        """The fields of these values; equal values must have the same."""
        if not self._repeats:
            return self._direct(values)
        known = self._known
        before = len(known)
        made = list(map(known.__getitem__, values))
        self._looked += len(values)
        self._new += (len(known) - before) % MAX_KEPT
        enough, most = self._look
        if self._looked >= enough:
            self._repeats = self._new * enough < most * self._looked
            self._looked = self._new = 0
            self._look = _LATER_LOOK
            if not self._repeats:
                known.clear()
        return [made]


def append_rows(data: bytearray, head: bytes, lists: Lists, count: int, limit_bytes: int) -> int:
    """Rows appended, each with `head` before its fields: those that begin before `data` holds `limit_bytes`."""
    width = 1 + len(lists)
    pieces = [head] * (width * count)
    for place, fields in enumerate(lists, 1):
        pieces[place::width] = fields
    block = b"".join(pieces)
    room = limit_bytes - len(data)
    if len(block) - sum(map(len, pieces[-width:])) < room:
        data += block
        return count
    rows = map(b"".join, zip(*repeat(iter(pieces), width), strict=True))
    written = 0
    while len(data) < limit_bytes:
        data += next(rows)
        written += 1
    return written
