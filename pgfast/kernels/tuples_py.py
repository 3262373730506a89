"""Tuples of binary COPY and of Bind written at once, where a quick look shows that every value is of its column's type:
one by one, or many of a list in a block.

Law of this file: it calls no hook and gives no verdict. A row whose values are all of the types that their kinds take
by themselves, and fit, comes out as its fields; at the first doubt it raises one of DOUBTS, and the encoders of one
value at a time have the word. So what is quick here cannot be another outcome.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from operator import itemgetter, length_hint
from struct import Struct
from types import NoneType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .. import const
from ..errors import Error
from .block_py import (
    BLOCK_ROWS,
    NULL,
    SHORT,
    Kept,
    Lists,
    among_nulls,
    append_rows,
    byte_fields,
    fixed_fields,
    measured,
    number_field,
    number_fields,
    text_fields,
)
from .runs_py import Known, Unsure

if TYPE_CHECKING:
    from .shapes import Spec

#: What may come of a row that is not as it should be. OverflowError is a float that is too large for its column.
DOUBTS: Final = (Unsure, struct.error, ValueError, OverflowError, Error)


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


def _text(value: str) -> bytes:
    data = value.encode()
    if b"\0" in data:
        raise Unsure
    size = len(data)
    return SHORT[size] + data if size < 256 else measured(data)


def _number(text: str) -> bytes:
    """The field of a Decimal that is written with digits and a point alone."""
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = whole + fraction
    if not digits.isdigit() or len(digits) > 1000:
        raise Unsure
    return number_field(text[0] == "-", int(digits), len(fraction))


def _numbers(texts: list[str]) -> Lists:
    """The fields of Decimals of which the first one tells how many digits all have behind the point."""
    _whole, point, fraction = texts[0].partition(".")
    behind = len(fraction)
    if not point or {text[~behind:-behind] for text in texts} != {"."}:
        return [list(map(_number, texts))]
    return [number_fields([int(text[:~behind] + text[-behind:]) for text in texts], behind)]


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

    def fields(self, values: Sequence[Any]) -> list[bytes]:
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


def _packer(code: str, make: Callable[[Any], Any] | None) -> Callable[[Sequence[Any]], bytes]:
    """What gives the fields of a column of fixed width, one behind the other."""
    single = code[0].isdigit()

    def pack(column: Sequence[Any]) -> bytes:
        form = ">" + code * len(column) if single else f">{len(column)}{code}"
        return struct.pack(form, *(column if make is None else map(make, column)))

    return pack


def _decimals(kept: Kept) -> Callable[[Sequence[Decimal | int]], Lists]:
    """What gives the fields of numerics. They are known by their text: equal ones may differ in scale."""
    return lambda column: kept.lists(list(map(str, column)))


class Columns:
    """How blocks of rows of a plan are written, column by column."""

    __slots__ = ("_keyed", "_keys", "_parts", "_width")

    def __init__(self, specs: Sequence[Spec], keys: Sequence[str]) -> None:
        self._width = len(specs)
        self._keys = tuple(keys)
        self._keyed = itemgetter(*keys) if len(keys) > 1 else None
        self._parts: list[Any] = []
        for kind, *_rest in specs:
            if kind in _FIXED:
                width, code, own, make, kept = _FIXED[kind]
                pack = _packer(code, Known(make).__getitem__ if make and kept else make)
                self._parts.append(({own, NoneType}, width, pack, None))
            elif kind == const.KIND_NUMERIC:
                self._parts.append(({Decimal, int, NoneType}, 0, None, _decimals(Kept(_number, _numbers))))
            elif kind == const.KIND_STR or kind == const.KIND_ENUM:
                self._parts.append(({str, NoneType}, 0, None, Kept(_text, text_fields).lists))
            elif kind == const.KIND_BYTES:
                self._parts.append(({bytes, NoneType}, 0, None, byte_fields))
            else:
                self._parts = []
                return

    @property
    def writes(self) -> bool:
        """Whether every column is of a kind that may be written so."""
        return bool(self._parts)

    def lists(self, rows: Sequence[Any]) -> Lists:
        """The fields of the rows, as `block_py` has them; or one of the DOUBTS."""
        made: Lists = []
        stretch: list[tuple[int, bytes]] = []
        for (own, width, pack, kept), column in zip(self._parts, self._columns(rows), strict=True):
            types = set(map(type, column))
            if not types <= own:
                raise Unsure
            plain = NoneType not in types
            if width and plain:
                stretch.append((width, pack(column)))
                continue
            if stretch:
                made.append(fixed_fields(stretch, len(rows)))
                stretch = []
            present = column if plain else [value for value in column if value is not None]
            if not present:
                made.append([NULL] * len(rows))
                continue
            lists = [fixed_fields([(width, pack(present))], len(present))] if width else kept(present)
            made += lists if plain else among_nulls(lists, column)
        if stretch:
            made.append(fixed_fields(stretch, len(rows)))
        return made

    def _columns(self, rows: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The values of the rows by columns."""
        types = set(map(type, rows))
        if types == {dict} and self._keyed is not None:
            if set(map(len, rows)) != {self._width}:
                raise Unsure
            try:
                return zip(*map(self._keyed, rows), strict=True)
            except Exception:  # a key that is missing, or not a plain str: whoever takes the row alone comes to it
                raise Unsure from None
        if types != {tuple} and types != {list}:
            raise Unsure
        return zip(*rows, strict=True)


#: What walks through a list: rows ahead of it can be looked at without taking them.
_LIST_ITERATOR: Final[type] = type(iter([]))
#: Fewest rows for which a block is tried.
_FEW_ROWS: Final = 2
#: Doubts, one after the other, up to which each doubles the rows before the next block is tried.
_MOST_DOUBTS: Final = 4


class RowsAhead:
    """The rows of a list that come next, written in blocks; none is taken that is not written."""

    __slots__ = ("_columns", "_doubts", "_row_bytes", "_rows", "_singly")

    def __init__(self, rows: Any, columns: Columns) -> None:
        self._rows = rows
        self._columns = columns
        self._row_bytes = 0  # of a row of the last block
        self._singly = 0  # rows to be written one by one, after a block that is not all of the plan's own types
        self._doubts = 0  # such blocks, one after the other

    def write(self, data: bytearray, head: bytes, limit_bytes: int) -> int:
        """Rows appended, each with `head` before it; 0 where the next row must be taken by itself."""
        if self._singly:
            self._singly -= 1
            return 0
        left = length_hint(self._rows)
        if left < _FEW_ROWS:
            return 0
        _iter, (source,), at = self._rows.__reduce__()
        if type(source) is not list:
            self._singly = left
            return 0
        most = BLOCK_ROWS
        if self._row_bytes:  # as many as there is room for, that few are made twice
            most = min(most, (limit_bytes - len(data)) // self._row_bytes + 1)
        block = source[at : at + most]
        size = len(data)
        try:
            written = append_rows(data, head, self._columns.lists(block), len(block), limit_bytes)
        except DOUBTS:
            self._singly = (len(block) << min(self._doubts, _MOST_DOUBTS)) - 1
            self._doubts += 1
            return 0
        self._doubts = 0
        self._row_bytes = (len(data) - size) // written
        self._rows.__setstate__(at + written)
        return written


def rows_ahead(rows: Any, columns: Columns) -> RowsAhead | None:
    """What writes blocks of these rows, or None where they cannot be written so."""
    return RowsAhead(rows, columns) if type(rows) is _LIST_ITERATOR and columns.writes else None
