"""Fields on the wire -> columns in Arrow layout; the twin of `sink.pxd`.

Law of this file: a column only grows, at row edges, by one value at a time; what it hands out at a cut is never
touched again.

Sources: the Arrow columnar format (fixed-size, variable-size binary and list layouts); the server's *_send functions.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from .. import const
from ..errors import fault, faults
from ..errors.faults import buffer_misuse
from . import decode_py as wire

I16LE: Final = Struct("<h")
I32LE: Final = Struct("<i")
U32LE: Final = Struct("<I")
I64LE: Final = Struct("<q")
F32LE: Final = Struct("<f")
F64LE: Final = Struct("<d")
MONTH_DAY_NANO: Final = Struct("<iiq")

#: Kinds whose column is UTF-8 with int32 offsets, and the two that are plain bytes in the same layout.
TEXT_KINDS: Final = frozenset(
    (const.KIND_STR, const.KIND_TEXT_CALL, const.KIND_JSON, const.KIND_JSONB, const.KIND_CHAR, const.KIND_TIMETZ)
)
BINARY_KINDS: Final = frozenset((const.KIND_BYTES, const.KIND_CALL))


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


def decimal128_storer(precision: int, scale: int) -> Callable[[bytes, int, int], bytes]:
    """A storer of numerics as little-endian 128-bit integers with `scale` decimal places.

    NaN, infinities, digits beyond the scale and values beyond the precision are a fault.
    """
    limit = 10**precision

    def store(data: bytes, at: int, column: int) -> bytes:
        text = wire.numeric_text(data, at, column)
        digits = text.lstrip("-")
        if not digits[0].isdigit():
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        whole, _, fraction = digits.partition(".")
        if fraction[scale:].strip("0") or len(whole) > 38:
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        value = int(whole + fraction[:scale].ljust(scale, "0"))
        if value >= limit:
            raise fault(faults.FAULT_DECIMAL_RANGE, at, column)
        return (-value if text[0] == "-" else value).to_bytes(16, "little", signed=True)

    return store


_FIXED: Final[dict[int, tuple[int, Callable[[bytes, int, int], bytes]]]] = {
    const.KIND_INT2: (2, _swapped(wire.I16, I16LE)),
    const.KIND_INT4: (4, _swapped(wire.I32, I32LE)),
    const.KIND_INT8: (8, _swapped(wire.I64, I64LE)),
    const.KIND_OID: (4, _swapped(wire.U32, U32LE)),
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


class SinkColumn:
    """One growing column: a validity bit for each value, and data, offsets or a child by its kind."""

    __slots__ = ("_bits", "_store", "_width", "child", "data", "length", "nulls", "offsets", "validity")

    def __init__(self, kind: int, element: int, precision: int, scale: int) -> None:
        self.child: SinkColumn | None = None
        self._bits = kind == const.KIND_BOOL
        self._width = 0
        self._store: Callable[[bytes, int, int], bytes] | None = None
        if kind == const.KIND_ARRAY:
            if element == const.KIND_ARRAY:
                raise buffer_misuse("the elements of an array column cannot be arrays")
            self.child = SinkColumn(element, 0, precision, scale)
        elif kind == const.KIND_NUMERIC and precision:
            if not (1 <= precision <= 38 and 0 <= scale <= 38):
                raise buffer_misuse(f"decimal128({precision}, {scale}) is not a layout")
            self._width, self._store = 16, decimal128_storer(precision, scale)
        elif kind in _FIXED:
            self._width, self._store = _FIXED[kind]
        elif not self._bits:
            if kind not in _VARIABLE:
                raise buffer_misuse(f"kind {kind} is unknown")
            self._store = _VARIABLE[kind]
        self.clear()

    def clear(self) -> None:
        """Begin a new batch in fresh memory."""
        self.length = 0
        self.nulls = 0
        self.validity = bytearray()
        self.data = bytearray()
        self.offsets = bytearray() if self._width or self._bits else bytearray(4)
        if self.child is not None:
            self.child.clear()

    @property
    def size_bytes(self) -> int:
        """Bytes that count against `batch_bytes`: those that int32 offsets must reach."""
        if self.child is not None:
            return 4 * self.child.length + self.child.size_bytes
        return 0 if self._width or self._bits else len(self.data)

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
        else:
            if self.child is not None:
                self._append_list(data, at, column)
            elif self._store is None:
                if wire.decode_bool(data, at, column):
                    self.data[index] |= 1 << bit
            else:
                self._append_value(self._store(data, at, column), at, column)
            self.validity[index] |= 1 << bit
        self.length += 1
        if self.offsets:
            end = len(self.data) if self.child is None else self.child.length
            self.offsets += I32LE.pack(end)

    def _append_value(self, value: bytes, at: int, column: int) -> None:
        if not self._width and len(self.data) + len(value) > const.MAX_INT32:
            raise fault(faults.FAULT_COLUMN_SIZE, at, column)
        self.data += value

    def _append_list(self, data: bytes, at: int, column: int) -> None:
        assert self.child is not None
        dims, pos = wire.array_extent(data, 0, at, column)
        if len(dims) > 1:
            raise fault(faults.FAULT_DIMENSIONS, at, column, len(dims))
        for _ in range(dims[0] if dims else 0):
            start, stop = wire.element(data, pos, at, column)
            self.child.append(None if stop < 0 else data[start:stop], at + start, column)
            pos = start if stop < 0 else stop
        if pos != len(data):
            raise fault(faults.FAULT_ARRAY, at + pos, column)

    def cut(self) -> tuple[Any, ...]:
        """What has been gathered, as ColumnBuffers; the column begins anew."""
        view = memoryview
        buffers = (
            self.length,
            self.nulls,
            view(self.validity) if self.nulls else None,
            view(self.offsets) if self.offsets else None,
            view(self.data) if self.child is None else None,
            None if self.child is None else self.child.cut(),
        )
        self.clear()
        return buffers
