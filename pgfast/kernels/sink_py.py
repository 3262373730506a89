"""Fields on the wire -> columns in Arrow layout; the twin of `sink.pxd`.

Law of this file: a column only grows, at row edges, by one value at a time; what it hands out at a cut is never
touched again.

Sources: the Arrow columnar format (fixed-size, variable-size binary, list, struct and dictionary layouts); the server's
*_send functions.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from .. import const
from ..errors import fault, faults
from ..errors.faults import buffer_misuse
from . import decode_py as wire
from .runs_py import Known

if TYPE_CHECKING:
    from .shapes import ColumnBuffers, SinkSpec

I16LE: Final = Struct("<h")
I32LE: Final = Struct("<i")
U32LE: Final = Struct("<I")
I64LE: Final = Struct("<q")
F32LE: Final = Struct("<f")
F64LE: Final = Struct("<d")
MONTH_DAY_NANO: Final = Struct("<iiq")


def _swapped(form: Struct, little: Struct) -> Callable[[bytes, int, int], bytes]:
    width, unpack, pack = form.size, form.unpack, little.pack

    def store(data: bytes, at: int, column: int) -> bytes:
        if len(data) != width:
            raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
        return pack(*unpack(data))

    return store


def _reversed(width: int) -> Callable[[bytes, int, int], bytes]:
    """Bytes turned round, so that a NaN keeps its payload."""

    def store(data: bytes, at: int, column: int) -> bytes:
        if len(data) != width:
            raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
        return data[::-1]

    return store


def _date(data: bytes, at: int, column: int) -> bytes:
    """Days since 1970; the infinities keep their sentinels."""
    days = wire.decode_i32(data, at, column)
    if days in (wire.MIN_INT32, const.MAX_INT32):
        return I32LE.pack(days)
    if days + const.EPOCH_DAYS > const.MAX_INT32:
        raise fault(faults.FAULT_DATE_RANGE, at, column)
    return I32LE.pack(days + const.EPOCH_DAYS)


def _time(data: bytes, at: int, column: int) -> bytes:
    """Microseconds since midnight; 24:00 is beyond what Arrow's time of day holds."""
    us = wire.decode_i64(data, at, column)
    if us == const.US_PER_DAY:
        raise fault(faults.FAULT_TIME_RANGE, at, column)
    if not 0 <= us < const.US_PER_DAY:
        raise fault(faults.FAULT_VALUE, at, column)
    return I64LE.pack(us)


def _timestamp(data: bytes, at: int, column: int) -> bytes:
    """Microseconds since 1970; the infinities keep their sentinels."""
    us = wire.decode_i64(data, at, column)
    if us in (const.MIN_INT64, const.MAX_INT64):
        return I64LE.pack(us)
    if us + const.EPOCH_US > const.MAX_INT64:
        raise fault(faults.FAULT_DATE_RANGE, at, column)
    return I64LE.pack(us + const.EPOCH_US)


def _interval(data: bytes, at: int, column: int) -> bytes:
    """Months, days, nanoseconds."""
    if len(data) != 16:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    us, days, months = wire.INTERVAL.unpack(data)
    if not const.MIN_INT64 <= us * 1000 <= const.MAX_INT64:
        raise fault(faults.FAULT_INTERVAL_RANGE, at, column)
    return MONTH_DAY_NANO.pack(months, days, us * 1000)


def _uuid(data: bytes, at: int, column: int) -> bytes:
    if len(data) != 16:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    return data


#: Most digits a decimal128 and a decimal256 hold.
DIGITS_128: Final = 38
DIGITS_256: Final = 76


def decimal_storer(width: int, precision: int, scale: int) -> Callable[[bytes, int, int], bytes]:
    """A storer of numerics as little-endian integers of `width` bytes with `scale` decimal places.

    NaN, infinities, digits beyond the scale and values beyond the precision are a fault.
    """
    limit = 10**precision

    def store(data: bytes, at: int, column: int) -> bytes:
        text = wire.numeric_text(data, at, column)
        digits = text.lstrip("-")
        if not digits[0].isdigit():
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        whole, _, fraction = digits.partition(".")
        if fraction[scale:].strip("0") or len(whole) > DIGITS_256:
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        value = int(whole + fraction[:scale].ljust(scale, "0"))
        if value >= limit:
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        return (-value if text[0] == "-" else value).to_bytes(width, "little", signed=True)

    return store


_FIXED: Final[dict[int, tuple[int, Callable[[bytes, int, int], bytes]]]] = {
    const.KIND_INT2: (2, _swapped(wire.I16, I16LE)),
    const.KIND_INT4: (4, _swapped(wire.I32, I32LE)),
    const.KIND_INT8: (8, _swapped(wire.I64, I64LE)),
    const.KIND_OID: (4, _swapped(wire.U32, U32LE)),
    const.KIND_UINT8: (8, _reversed(8)),
    const.KIND_FLOAT4: (4, _reversed(4)),
    const.KIND_FLOAT8: (8, _reversed(8)),
    const.KIND_DATE: (4, _date),
    const.KIND_TIME: (8, _time),
    const.KIND_TIMESTAMP: (8, _timestamp),
    const.KIND_TIMESTAMPTZ: (8, _timestamp),
    const.KIND_INTERVAL: (16, _interval),
    const.KIND_UUID: (16, _uuid),
}


def _timetz_text(data: bytes, at: int, column: int) -> bytes:
    """`HH:MM:SS[.ffffff]+HH[:MM[:SS]]`, as the server writes it (timetz_out, ISO DateStyle); Arrow has no such type."""
    if len(data) != 12:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    us, west = wire.TIMETZ.unpack(data)
    if not 0 <= us <= const.US_PER_DAY or not -86400 < west < 86400:
        raise fault(faults.FAULT_VALUE, at, column)
    seconds, micro = divmod(us, const.US_PER_SECOND)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if micro:
        text += f".{micro:06d}".rstrip("0")
    east = abs(west)
    text += f"{'-' if west > 0 else '+'}{east // 3600:02d}"
    if east % 3600:
        text += f":{east // 60 % 60:02d}"
    if east % 60:
        text += f":{east % 60:02d}"
    return text.encode("ascii")


def _text(data: bytes, at: int, column: int) -> bytes:
    wire.decode_str(data, at, column)
    return data


_VARIABLE: Final[dict[int, Callable[[bytes, int, int], bytes]]] = {
    const.KIND_STR: _text,
    const.KIND_TEXT_CALL: _text,
    const.KIND_JSON: _text,
    const.KIND_JSONB: lambda data, at, column: _text(wire.jsonb_text(data, at, column), at, column),
    const.KIND_CHAR: lambda data, at, column: wire.decode_char(data, at, column).encode("ascii"),
    const.KIND_TIMETZ: _timetz_text,
    const.KIND_NUMERIC: lambda data, at, column: wire.numeric_text(data, at, column).encode("ascii"),
    const.KIND_BYTES: wire.decode_bytes,
    const.KIND_CALL: wire.decode_bytes,
}


_LISTS: Final = (const.KIND_ARRAY, const.KIND_VECTOR)


#: Kinds whose fields become values of an array by turning their bytes round: its typecode.
_TYPECODES: Final = {
    const.KIND_INT2: "h",
    const.KIND_INT4: "i",
    const.KIND_INT8: "q",
    const.KIND_OID: "I",
    const.KIND_UINT8: "q",
    const.KIND_FLOAT4: "i",
    const.KIND_FLOAT8: "q",
    const.KIND_DATE: "i",
    const.KIND_TIME: "q",
    const.KIND_TIMESTAMP: "q",
    const.KIND_TIMESTAMPTZ: "q",
}
#: Those of them where that is not all: the least and greatest value that is nothing out of the common, what is added.
_SHIFTS: Final = {
    const.KIND_DATE: (wire.MIN_INT32 + 1, const.MAX_INT32 - const.EPOCH_DAYS, const.EPOCH_DAYS),
    const.KIND_TIME: (0, const.US_PER_DAY - 1, 0),
    const.KIND_TIMESTAMP: (const.MIN_INT64 + 1, const.MAX_INT64 - const.EPOCH_US, const.EPOCH_US),
    const.KIND_TIMESTAMPTZ: (const.MIN_INT64 + 1, const.MAX_INT64 - const.EPOCH_US, const.EPOCH_US),
}
_DIGITS: Final = bytes([48, 49]) + bytes(254)


class Chunk(NamedTuple):
    """What many fields add to a column: bytes, where each value ends, and bits, the first of them the lowest."""

    data: bytes
    ends: array[int] | None
    flags: int  # of bools
    valid: int
    nulls: int


def _ones(count: int) -> int:
    return (1 << count) - 1


def _bitmap(flags: Iterable[int]) -> int:
    """Bits of 0 and 1, the first the lowest."""
    return int(bytes(flags)[::-1].translate(_DIGITS) or b"0", 2)


def _extend_bits(bitmap: bytearray, length: int, bits: int, count: int) -> None:
    """Put `count` bits behind the `length` of a bitmap."""
    used = length % 8
    if used:
        bits = bits << used | bitmap.pop()
    bitmap += bits.to_bytes((used + count + 7) // 8, "little")


def _spread(data: bytes, width: int, fields: Sequence[bytes | None]) -> bytes:
    """Values of fixed width with zeros between them where a field is NULL."""
    out = bytearray(width * len(fields))
    at = 0
    for index, field in enumerate(fields):
        if field is not None:
            out[index * width : (index + 1) * width] = data[at : at + width]
            at += width
    return bytes(out)


class SinkColumn:
    """One growing column: a validity bit for each value, and data, offsets, children or labels by its kind."""

    __slots__ = (
        "_bits",
        "_decimal",
        "_kind",
        "_known",
        "_labels",
        "_offsets_kept",
        "_oid",
        "_store",
        "_width",
        "children",
        "data",
        "length",
        "nulls",
        "offsets",
        "validity",
    )

    def __init__(
        self,
        kind: int,
        oid: int,
        precision: int,
        scale: int,
        children: Sequence[SinkSpec],
        labels: Sequence[bytes],
        depth: int,
    ) -> None:
        self._kind = kind
        self._oid = oid
        self._bits = kind == const.KIND_BOOL
        self._width = 0
        self._store: Callable[[bytes, int, int], bytes] | None = None
        self._labels: dict[bytes, int] | None = None
        self._decimal = False
        wanted = len(children) if kind == const.KIND_COMPOSITE else int(kind in _LISTS)
        if len(children) != wanted or depth == wire.MAX_NESTING or (labels and kind != const.KIND_ENUM):
            raise buffer_misuse(f"kind {kind} of {len(children)} children is no column")
        if not 0 <= oid <= wire.MAX_UINT32:
            raise buffer_misuse(f"{oid} is no OID")
        self.children = [SinkColumn(*child, depth + 1) for child in children]
        if kind == const.KIND_NUMERIC and precision:
            if not 1 <= precision <= DIGITS_256 or not 0 <= scale <= precision:
                raise buffer_misuse(f"a decimal of {precision} digits, {scale} of them after the point, is no layout")
            self._width = 16 if precision <= DIGITS_128 else 32
            store = decimal_storer(self._width, precision, scale)
            self._store = store
            self._decimal = True
            self._known = Known(lambda data: store(data, 0, 0))
        elif kind == const.KIND_ENUM:
            self._width = 4
            self._labels = {label: index for index, label in enumerate(labels)}
            if len(self._labels) != len(labels):
                raise buffer_misuse("two labels of an enum are the same")
        elif kind in _FIXED:
            self._width, self._store = _FIXED[kind]
        elif not self._bits and kind not in _LISTS and kind != const.KIND_COMPOSITE:
            if kind not in _VARIABLE:
                raise buffer_misuse(f"kind {kind} is unknown")
            self._store = _VARIABLE[kind]
        self._offsets_kept = not (self._width or self._bits or kind == const.KIND_COMPOSITE)
        self.clear()

    def clear(self) -> None:
        """Begin a new batch in fresh memory; an enum keeps its labels."""
        self.length = 0
        self.nulls = 0
        self.validity = bytearray()
        self.data = bytearray()
        self.offsets = bytearray(4) if self._offsets_kept else bytearray()
        for child in self.children:
            child.clear()

    @property
    def size_bytes(self) -> int:
        """Bytes that count against `batch_bytes`: those that int32 offsets must reach."""
        if self.children:
            return 4 * self.children[0].length + sum([child.size_bytes for child in self.children])
        return len(self.data) if self._offsets_kept else 0

    @property
    def takes_many(self) -> bool:
        """Whether its fields may come many at once: it is made of no others, and of no labels."""
        return self._store is not None or self._bits

    def many(self, fields: Sequence[bytes | None]) -> Chunk:
        """What these fields add to the column; anything wrong with one of them raises one of the reader's doubts."""
        nulls = fields.count(None)
        if not nulls:
            return self._chunk(cast("Sequence[bytes]", fields), _ones(len(fields)), 0, None)
        present = [field for field in fields if field is not None]
        return self._chunk(present, _bitmap([field is not None for field in fields]), nulls, fields)

    def _chunk(self, present: Sequence[bytes], valid: int, nulls: int, fields: Sequence[bytes | None] | None) -> Chunk:
        """What the fields add that are not NULL; `fields` are all of them where some are."""
        if self._bits:
            if not {b"\0", b"\1"}.issuperset(present):
                raise ValueError
            return Chunk(b"", None, _bitmap([field == b"\1" for field in fields or present]), valid, nulls)
        if self._width:
            data = b"".join(map(self._known.__getitem__, present)) if self._decimal else self._turned(b"".join(present))
            return Chunk(data if fields is None else _spread(data, self._width, fields), None, 0, valid, nulls)
        stored = self._stored_many(present)
        data = b"".join(stored)
        if len(self.data) + len(data) > const.MAX_INT32:
            raise ValueError
        ends = array("i", accumulate(map(len, stored), initial=len(self.data)))
        if fields is None:
            return Chunk(data, ends[1:], 0, valid, nulls)
        counts = accumulate([field is not None for field in fields])
        return Chunk(data, array("i", [ends[count] for count in counts]), 0, valid, nulls)

    def whole(self, data: bytes, count: int) -> Chunk:
        """As `many`, of fields that are all of the column's wire width, one behind the other."""
        if not self._bits:
            return Chunk(self._turned(data), None, 0, _ones(count), 0)
        if data.strip(b"\0\1"):
            raise ValueError
        return Chunk(b"", None, _bitmap(data), _ones(count), 0)

    def _turned(self, data: bytes) -> bytes:
        """Fields of fixed width, one behind the other, as the column has them."""
        if self._kind not in _TYPECODES:
            return data if self._kind == const.KIND_UUID else self._each(data)
        values = array(_TYPECODES[self._kind], data)
        if self._kind not in _SHIFTS:
            values.byteswap()
            return values.tobytes()
        low, high, shift = _SHIFTS[self._kind]
        if sys.byteorder == "little":
            values.byteswap()
        if values and not (low <= min(values) and max(values) <= high):
            raise ValueError
        if shift:
            values = array(values.typecode, map(shift.__add__, values))
        if sys.byteorder != "little":
            values.byteswap()
        return values.tobytes()

    def _each(self, data: bytes) -> bytes:
        width, store = self._width, self._store
        assert store is not None
        return b"".join([store(data[at : at + width], 0, 0) for at in range(0, len(data), width)])

    def _stored_many(self, fields: Sequence[bytes]) -> Sequence[bytes]:
        """Fields of any width as the column has them."""
        store = self._store
        assert store is not None
        if store is _text:
            if not b"".join(fields).isascii():
                for field in fields:
                    field.decode()
            return fields
        if store is wire.decode_bytes:
            return fields
        return [store(field, 0, 0) for field in fields]

    def take(self, chunk: Chunk, count: int) -> None:
        """Add what `many` or `whole` made of so many fields."""
        if self._bits:
            _extend_bits(self.data, self.length, chunk.flags, count)
        else:
            self.data += chunk.data
        _extend_bits(self.validity, self.length, chunk.valid, count)
        if chunk.ends is not None:
            if sys.byteorder != "little":
                chunk.ends.byteswap()
            self.offsets += chunk.ends.tobytes()
        self.nulls += chunk.nulls
        self.length += count

    def append(self, data: bytes | None, at: int, column: int) -> None:
        """Take one field; None is NULL."""
        index, bit = divmod(self.length, 8)
        if bit == 0:
            self.validity.append(0)
            if self._bits:
                self.data.append(0)
        if data is None:
            self.nulls += 1
            self.data += bytes(self._width)
            if self._kind == const.KIND_COMPOSITE:
                for child in self.children:
                    child.append(None, at, column)
        else:
            if self._kind in _LISTS:
                self._append_list(data, at, column)
            elif self._kind == const.KIND_COMPOSITE:
                self._append_attributes(data, at, column)
            elif self._bits:
                if wire.decode_bool(data, at, column):
                    self.data[index] |= 1 << bit
            else:
                self._append_value(self._stored(data, at, column), at, column)
            self.validity[index] |= 1 << bit
        self.length += 1
        if self._offsets_kept:
            end = self.children[0].length if self.children else len(self.data)
            self.offsets += I32LE.pack(end)

    def _stored(self, data: bytes, at: int, column: int) -> bytes:
        if self._labels is None:
            assert self._store is not None
            return self._store(data, at, column)
        if data not in self._labels:
            self._labels[_text(data, at, column)] = len(self._labels)
        return I32LE.pack(self._labels[data])

    def _append_value(self, value: bytes, at: int, column: int) -> None:
        if not self._width and len(self.data) + len(value) > const.MAX_INT32:
            raise fault(faults.FAULT_COLUMN_SIZE, at, column)
        self.data += value

    def _append_list(self, data: bytes, at: int, column: int) -> None:
        vector = self._kind == const.KIND_VECTOR
        dims, bounds, pos = wire.array_extent(data, self.children[0]._oid, vector, at, column)
        if len(dims) > 1:
            raise fault(faults.FAULT_DIMENSIONS, at, column, len(dims))
        if not vector and bounds and bounds[0] != 1:
            raise fault(faults.FAULT_LOWER_BOUND, at, column, bounds[0])
        for _ in range(dims[0] if dims else 0):
            start, stop = wire.part(data, pos, faults.FAULT_ARRAY, at, column)
            self.children[0].append(None if stop < 0 else data[start:stop], at + start, column)
            pos = start if stop < 0 else stop
        if pos != len(data):
            raise fault(faults.FAULT_ARRAY, at + pos, column)

    def _append_attributes(self, data: bytes, at: int, column: int) -> None:
        parts = wire.composite_parts(data, at, column)
        if len(parts) != len(self.children):
            raise fault(faults.FAULT_COMPOSITE_SHAPE, at, column, len(parts))
        for (oid, pos, _start, _stop), child in zip(parts, self.children, strict=True):
            if child._oid and oid != child._oid:
                raise fault(faults.FAULT_COMPOSITE_SHAPE, at + pos, column, oid)
        for (_oid, _pos, start, stop), child in zip(parts, self.children, strict=True):
            child.append(None if stop < 0 else data[start:stop], at + start, column)

    def _dictionary(self, labels: Sequence[bytes]) -> ColumnBuffers:
        """The labels as a column of text."""
        ends, total = bytearray(4), 0
        for label in labels:
            total += len(label)
            ends += I32LE.pack(total)
        return (len(labels), 0, None, memoryview(ends), memoryview(b"".join(labels)), (), None)

    def cut(self) -> ColumnBuffers:
        """What has been gathered, as ColumnBuffers; the column begins anew."""
        buffers: ColumnBuffers = (
            self.length,
            self.nulls,
            memoryview(self.validity) if self.nulls else None,
            memoryview(self.offsets) if self._offsets_kept else None,
            None if self._kind in _LISTS or self._kind == const.KIND_COMPOSITE else memoryview(self.data),
            tuple([child.cut() for child in self.children]),
            None if self._labels is None else self._dictionary(list(self._labels)),
        )
        self.clear()
        return buffers
