"""A run of tuples taken apart at once, where a quick look proves it to be as it should be.

Law of this file: it gives no verdicts. A tuple whose every length, count and value it has seen to be right comes out as
its values; at the first doubt it raises `Unsure`, calls nobody before that, and the decoders of one field at a time
have the word, which find what is wrong or know the rarer shape. So what is quick here cannot be another outcome.

Source: PostgreSQL docs, "Message Formats", DataRow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, timezone
from struct import Struct
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .. import const
from ..errors import Error
from . import decode_py as wire

if TYPE_CHECKING:
    from .shapes import Spec

Make = Callable[[Any], Any]


class Unsure(Exception):
    """A tuple is not of the common shape, or not right."""


#: What may come of reading a tuple that is not as it should be.
DOUBTS: Final = (Unsure, struct.error, ValueError, IndexError, Error)

#: Values of a column that a plan keeps.
MAX_KEPT: Final = 4096
#: Fewest tuples for which a run is looked at as a whole.
FEW: Final = 4


class Known(dict[Any, Any]):
    """What `make` made of the keys, some thousands of them; equal bytes give the same object."""

    __slots__ = ("_make",)

    def __init__(self, make: Make) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self._make(key)
        if len(self) >= MAX_KEPT:
            self.clear()
        self[key] = made
        return made


def _date(days: int) -> date:
    if not 1 <= days + const.EPOCH_ORDINAL <= wire.MAX_ORDINAL:
        raise Unsure
    return date.fromordinal(days + const.EPOCH_ORDINAL)


def _timestamp(zone: timezone | None) -> Make:
    decode = wire.timestamp_decoder(None, zone)

    def make(us: int) -> datetime:
        return decode(wire.I64.pack(us), 0, 0)  # type: ignore[no-any-return]

    return make


_BOOLS: Final = (False, True)
#: kind -> bytes, Struct's code, what makes the value where it is another one, and whether values are kept.
FIXED: Final[dict[int, tuple[int, str, Make | None, bool]]] = {
    const.KIND_BOOL: (1, "B", _BOOLS.__getitem__, False),
    const.KIND_INT2: (2, "h", None, False),
    const.KIND_INT4: (4, "i", None, False),
    const.KIND_INT8: (8, "q", None, False),
    const.KIND_OID: (4, "I", None, False),
    const.KIND_UINT8: (8, "Q", None, False),
    const.KIND_FLOAT4: (4, "f", None, False),
    const.KIND_FLOAT8: (8, "d", None, False),
    const.KIND_DATE: (4, "i", _date, True),
    const.KIND_TIMESTAMP: (8, "q", _timestamp(None), True),
    const.KIND_TIMESTAMPTZ: (8, "q", _timestamp(timezone.utc), True),
    const.KIND_UUID: (16, "16s", lambda data: UUID(bytes=data), True),
}
#: Bytes of the fixed-width kinds, for those who want the bytes themselves.
WIDTHS: Final = {
    **{kind: form[0] for kind, form in FIXED.items()},
    const.KIND_TIME: 8,
    const.KIND_INTERVAL: 16,
}


class Reader:
    """How the tuples of a run are read: a part for each stretch of columns of fixed width, and for each other column.

    A column is (bytes of its fields or 0, Struct's code for them, what makes the value or None for the field itself).
    `held` are the columns whose fields stay bytes for now, because what reads them may call anybody.
    """

    __slots__ = ("_count", "_held", "_makes", "_parts", "_widths", "held")

    def __init__(self, columns: Sequence[tuple[int, str, Make | None]], held: Sequence[int] = ()) -> None:
        self._count = struct.pack(">H", len(columns) & 0xFFFF)
        self.held = tuple(held)
        self._held = frozenset(held)
        self._makes = [make for _width, _code, make in columns]
        self._widths = [(width, code) for width, code, _make in columns]
        self._parts: list[tuple[Any, ...]] = []
        stretch: list[tuple[int, str, Make | None]] = []
        for column in columns:
            if column[0]:
                stretch.append(column)
                continue
            self._close(stretch)
            self._parts.append((None, 0, (), None, [column]))
            stretch = []
        self._close(stretch)

    def _close(self, stretch: list[tuple[int, str, Make | None]]) -> None:
        if stretch:
            form = Struct(">" + "".join([f"i{code}" for _width, code, _make in stretch]))
            makes = [make for _width, _code, make in stretch] if any(make for _, _, make in stretch) else None
            lengths = tuple([width for width, _code, _make in stretch])
            self._parts.append((form.unpack_from, form.size, lengths, makes, stretch))

    def values(self, data: bytes, at: int, stop: int) -> tuple[list[Any], list[int]]:
        """The values of the tuple at data[at:stop], and where the fields of the held columns begin; or Unsure."""
        row: list[Any] = []
        places: list[int] = []
        held = self._held
        if data[at : at + 2] != self._count:
            raise Unsure
        at += 2
        for unpack, size, lengths, makes, columns in self._parts:
            if size:
                found = unpack(data, at)
                if found[::2] == lengths:
                    at += size
                    if makes is None:
                        row += found[1::2]
                    else:
                        pairs = zip(makes, found[1::2], strict=True)
                        row += [value if make is None else make(value) for make, value in pairs]
                    continue
            for width, code, make in columns:
                length = wire.I32.unpack_from(data, at)[0]
                at += 4
                if held and len(row) in held:
                    places.append(at)
                if length < 0:
                    if length != -1:
                        raise Unsure
                    row.append(None)
                    continue
                field: Any = data[at : at + length]
                at += length
                if width:
                    field = struct.unpack(">" + code, field)[0]
                row.append(field if make is None else make(field))
        if at != stop:  # lengths are not negative, so no field went beyond it
            raise Unsure
        return row, places

    def uniform(self, data: bytes, head: int) -> int:
        """Bytes of each message of a run, `head` of them before the tuple, where all are of the same shape; else 0.

        That is: every column is of fixed width and no field is NULL. Every count and length is compared, each byte of
        them in all messages at once.
        """
        if not self._widths or self._held or not all(width for width, _code in self._widths):
            return 0
        size = head + 2 + sum([4 + width for width, _code in self._widths])
        count, rest = divmod(len(data), size)
        if rest or count < FEW:
            return 0
        fixed = [(1, wire.I32.pack(size - 1)), (head, self._count)]
        at = head + 2
        for width, _code in self._widths:
            fixed.append((at, wire.I32.pack(width)))
            at += 4 + width
        for at, word in fixed:
            for place, byte in enumerate(word, at):
                if data[place::size].count(byte) != count:
                    return 0
        return size

    def rows(self, data: bytes, head: int) -> list[tuple[Any, ...]]:
        """The rows of a run that `uniform` found to be so; or Unsure."""
        form = Struct(f">{head + 2}x" + "".join([f"4x{code}" for _width, code in self._widths]))
        rows = list(form.iter_unpack(data))
        if any(self._makes):
            columns: list[Any] = list(zip(*rows, strict=True))
            for index, make in enumerate(self._makes):
                if make is not None:
                    columns[index] = list(map(make, columns[index]))
            rows = list(zip(*columns, strict=True))
        return rows

    def raw(self, data: bytes, head: int, size: int) -> list[bytes]:
        """The fields of each column of a run that `uniform` found to be so, one behind the other."""
        count = len(data) // size
        at = head + 2
        made = []
        for width, _code in self._widths:
            at += 4
            fields = bytearray(count * width)
            for place in range(width):
                fields[place::width] = data[at + place :: size]
            made.append(bytes(fields))
            at += width
        return made


def row_reader(specs: Sequence[Spec]) -> Reader:
    """The reader of rows of these types. Whatever may be made by a call, or of parts, is held."""
    columns: list[tuple[int, str, Make | None]] = []
    held = []
    for index, (kind, _oid, call, _children) in enumerate(specs):
        if kind in FIXED:
            width, code, make, kept = FIXED[kind]
            columns.append((width, code, Known(make).__getitem__ if kept and make else make))
        elif kind == const.KIND_NUMERIC:
            columns.append((0, "", Known(_numeric).__getitem__))
        elif kind == const.KIND_STR and call is None:
            columns.append((0, "", bytes.decode))
        else:
            columns.append((0, "", None))
            if kind != const.KIND_BYTES:
                held.append(index)
    return Reader(columns, held)


def _numeric(data: bytes) -> Any:
    return wire.decode_numeric(data, 0, 0)


def field_reader(kinds: Sequence[int]) -> Reader:
    """The reader of the fields themselves."""
    widths = [WIDTHS.get(kind, 0) for kind in kinds]
    return Reader([(width, f"{width}s" if width else "", None) for width in widths])
