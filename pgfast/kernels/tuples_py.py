"""Tuples of binary COPY and of Bind written at once, where a quick look shows that every value is of its column's type.

Law of this file: it calls no hook and gives no verdict. A row whose values are all of the types that their kinds take
by themselves, and fit, comes out as its fields; at the first doubt it raises one of DOUBTS, and the encoders of one
value at a time have the word. So what is quick here cannot be another outcome.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from struct import Struct
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .. import const
from ..errors import Error
from . import encode_py as wire
from .runs_py import Known, Unsure

if TYPE_CHECKING:
    from .shapes import Spec

#: What may come of a row that is not as it should be. OverflowError is a float that is too large for its column.
DOUBTS: Final = (Unsure, struct.error, ValueError, OverflowError, Error)
NULL: Final = wire.NULL_LENGTH
#: Numerics of some groups, behind their length words.
_GROUPS: Final = [Struct(f">iHhHH{count}H") for count in range(5)]
#: Length words of short fields.
_LENGTHS: Final = [length.to_bytes(4, "big") for length in range(256)]


def _days(value: date) -> int:
    return value.toordinal() - const.EPOCH_ORDINAL


#: kind -> bytes, Struct's code, the type taken, what makes of the value what Struct takes, and whether that is kept.
_FIXED: Final[dict[int, tuple[int, str, type, Callable[[Any], Any] | None, bool]]] = {
    const.KIND_BOOL: (1, "?", bool, None, False),
    const.KIND_INT2: (2, "h", int, None, False),
    const.KIND_INT4: (4, "i", int, None, False),
    const.KIND_INT8: (8, "q", int, None, False),
    const.KIND_OID: (4, "I", int, None, False),
    const.KIND_UINT8: (8, "Q", int, None, False),
    const.KIND_FLOAT4: (4, "f", float, None, False),
    const.KIND_FLOAT8: (8, "d", float, None, False),
    const.KIND_DATE: (4, "i", date, _days, True),
    const.KIND_UUID: (16, "16s", UUID, lambda value: value.bytes, False),
}


def measured(data: bytes) -> bytes:
    """A field behind its length word."""
    size = len(data)
    if size < 256:
        return _LENGTHS[size] + data
    if size > const.MAX_INT32:
        raise Unsure
    return size.to_bytes(4, "big") + data


def _text(value: str) -> bytes:
    data = value.encode()
    if b"\0" in data:
        raise Unsure
    size = len(data)
    return _LENGTHS[size] + data if size < 256 else measured(data)


def _number(text: str) -> bytes:
    """The field of a Decimal that is written with digits and a point alone."""
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = whole + fraction
    if not digits.isdigit() or len(digits) > 1000:
        raise Unsure
    return number_field(text[0] == "-", int(digits), len(fraction))


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


def _decimal() -> Callable[[Any], bytes]:
    known = Known(_number)

    def write(value: Decimal) -> bytes:
        return known[str(value)]  # type: ignore[no-any-return]

    return write


class Writer:
    """How rows of a plan are written: a part for each stretch of columns of fixed width, and for each other column."""

    __slots__ = ("_parts", "_width")

    def __init__(self, specs: Sequence[Spec]) -> None:
        self._width = len(specs)
        self._parts: list[tuple[Any, ...]] = []
        at = 0
        while at < len(specs):
            stop = at
            while stop < len(specs) and specs[stop][0] in _FIXED:
                stop += 1
            if stop > at:
                self._parts.append(self._stretch([spec[0] for spec in specs[at:stop]], at))
                at = stop
                continue
            kind = specs[at][0]
            if kind == const.KIND_NUMERIC:
                self._parts.append((at, 0, Decimal, _decimal()))
            elif kind == const.KIND_STR or kind == const.KIND_ENUM:
                self._parts.append((at, 0, str, _text))
            elif kind == const.KIND_BYTES:
                self._parts.append((at, 0, bytes, measured))
            else:
                self._parts = []
                return
            at += 1

    @staticmethod
    def _stretch(kinds: Sequence[int], at: int) -> tuple[Any, ...]:
        forms = [_FIXED[kind] for kind in kinds]
        pack = Struct(">" + "".join([f"i{form[1]}" for form in forms])).pack
        blank = [part for form in forms for part in (form[0], None)]
        makes = [Known(make).__getitem__ if make and kept else make for _, _, _, make, kept in forms]
        singles = [
            (form[2], Struct(f">i{form[1]}").pack, form[0], make) for form, make in zip(forms, makes, strict=True)
        ]
        types = tuple([form[2] for form in forms])
        return at, at + len(kinds), types, pack, blank, makes if any(makes) else None, singles

    @property
    def writes(self) -> bool:
        """Whether every column is of a kind that may be written so."""
        return bool(self._parts)

    def fields(self, values: tuple[Any, ...]) -> list[bytes]:
        """The fields of a row, each behind its length word, some of them joined; or one of the DOUBTS."""
        made = []
        for part in self._parts:
            at, stop = part[0], part[1]
            if not stop:
                value = values[at]
                if type(value) is part[2]:
                    made.append(part[3](value))
                elif value is None:
                    made.append(NULL)
                else:
                    raise Unsure
                continue
            given: Sequence[Any] = values[at:stop]
            _at, _stop, types, pack, blank, makes, singles = part
            if tuple(map(type, given)) == types:
                if makes is not None:
                    given = [value if make is None else make(value) for make, value in zip(makes, given, strict=True)]
                words = blank.copy()
                words[1::2] = given
                made.append(pack(*words))
                continue
            for value, (own, pack_one, width, make) in zip(given, singles, strict=True):
                if value is None:
                    made.append(NULL)
                elif type(value) is own:
                    made.append(pack_one(width, value if make is None else make(value)))
                else:
                    raise Unsure
        return made
