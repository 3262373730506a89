"""One field on the wire -> one Python value; the twin of `decode.pxd`.

Law of this file: a decoder gets the bytes of one field, the offset of its first byte from the start of the message,
and the column, and gives back the value or raises what `errors.fault` makes. It never looks beyond its bytes and
trusts no count in them.

Sources: the server's *_send functions (numeric.c, date.c, timestamp.c, arrayfuncs.c, uuid.c, jsonb.c, char.c).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from struct import Struct
from typing import Any, Final
from uuid import UUID

from .. import const
from ..errors import fault, faults
from ..values import Interval

Call = Callable[[Any], Any] | None
Decoder = Callable[[bytes, int, int], Any]

I16: Final = Struct(">h")
I32: Final = Struct(">i")
U32: Final = Struct(">I")
I64: Final = Struct(">q")
F32: Final = Struct(">f")
F64: Final = Struct(">d")
NUMERIC_HEAD: Final = Struct(">HhHH")
TIMETZ: Final = Struct(">qi")
INTERVAL: Final = Struct(">qii")
ARRAY_HEAD: Final = Struct(">iiI")
DIMENSION: Final = Struct(">ii")

MAX_ORDINAL: Final = date.max.toordinal()
MAX_DELTA_DAYS: Final = timedelta.max.days
MIN_INT32: Final = -(2**31)


def _fixed(form: Struct) -> Decoder:
    unpack, width = form.unpack, form.size

    def decode(data: bytes, at: int, column: int) -> Any:
        if len(data) != width:
            raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
        return unpack(data)[0]

    return decode


decode_i16: Final = _fixed(I16)
decode_i32: Final = _fixed(I32)
decode_u32: Final = _fixed(U32)
decode_i64: Final = _fixed(I64)
decode_f32: Final = _fixed(F32)
decode_f64: Final = _fixed(F64)


def decode_bool(data: bytes, at: int, column: int) -> bool:
    """True for 1, False for 0; the server sends nothing else (boolsend)."""
    if len(data) != 1:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    if data[0] > 1:
        raise fault(faults.FAULT_VALUE, at, column)
    return data[0] == 1


def decode_char(data: bytes, at: int, column: int) -> str:
    """The "char" as the server writes it in text: nothing for NUL, `\\ooo` for bytes beyond ASCII (charout)."""
    if len(data) != 1:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    code = data[0]
    if code == 0:
        return ""
    return chr(code) if code < 128 else f"\\{code:03o}"


def decode_str(data: bytes, at: int, column: int) -> str:
    """The text, strictly UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise fault(faults.FAULT_TEXT, at, column) from None


def decode_bytes(data: bytes, at: int, column: int) -> bytes:
    """The bytes themselves."""
    return data


def numeric_text(data: bytes, at: int, column: int) -> str:
    """The numeric as `numeric_out` writes it: exactly its display scale, `NaN`, `Infinity` or `-Infinity`."""
    if len(data) < 8:
        raise fault(faults.FAULT_NUMERIC, at, column)
    ndigits, weight, sign, dscale = NUMERIC_HEAD.unpack_from(data)
    if len(data) != 8 + 2 * ndigits:
        raise fault(faults.FAULT_NUMERIC, at, column)
    if sign not in (const.NUMERIC_POSITIVE, const.NUMERIC_NEGATIVE):
        special = {const.NUMERIC_NAN: "NaN", const.NUMERIC_PINF: "Infinity", const.NUMERIC_NINF: "-Infinity"}.get(sign)
        if special is None or ndigits:
            raise fault(faults.FAULT_NUMERIC, at, column)
        return special
    if dscale > const.NUMERIC_MAX_SCALE:
        raise fault(faults.FAULT_NUMERIC, at, column)
    groups = [(data[i] << 8) | data[i + 1] for i in range(8, len(data), 2)]
    if any(group > 9999 for group in groups):
        raise fault(faults.FAULT_NUMERIC, at, column)
    digits = "".join([f"{group:04d}" for group in groups])
    point = 4 * (weight + 1) if ndigits else 0  # digits before the decimal point
    if point <= 0:
        whole, fraction = "", "0" * -point + digits
    else:
        whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    if fraction[dscale:].strip("0"):  # numeric_recv truncates such digits, numeric_send never makes them
        raise fault(faults.FAULT_NUMERIC, at, column)
    fraction = fraction[:dscale].ljust(dscale, "0")
    minus = "-" if sign == const.NUMERIC_NEGATIVE and digits.strip("0") else ""
    return f"{minus}{whole.lstrip('0') or '0'}.{fraction}" if dscale else f"{minus}{whole.lstrip('0') or '0'}"


def decode_numeric(data: bytes, at: int, column: int) -> Decimal:
    """The numeric as a Decimal of the same digits and scale."""
    return Decimal(numeric_text(data, at, column))


def decode_date(data: bytes, at: int, column: int) -> date:
    """The date; infinities and years Python has not are a fault."""
    ordinal = decode_i32(data, at, column) + const.EPOCH_ORDINAL
    if not 1 <= ordinal <= MAX_ORDINAL:
        raise fault(faults.FAULT_DATE_RANGE, at, column)
    return date.fromordinal(ordinal)


def _time(us: int, zone: timezone | None, at: int, column: int) -> time:
    if us == const.US_PER_DAY:
        raise fault(faults.FAULT_TIME_RANGE, at, column)
    if not 0 <= us < const.US_PER_DAY:
        raise fault(faults.FAULT_VALUE, at, column)
    seconds, micro = divmod(us, const.US_PER_SECOND)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro, zone)


def decode_time(data: bytes, at: int, column: int) -> time:
    """The time of day; 24:00 is a fault."""
    return _time(decode_i64(data, at, column), None, at, column)


def decode_timetz(data: bytes, at: int, column: int) -> time:
    """The time of day with its offset, which the wire counts in seconds west of UTC (timetz_send)."""
    if len(data) != 12:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    us, west = TIMETZ.unpack(data)
    if not -86400 < west < 86400:
        raise fault(faults.FAULT_TIME_RANGE, at, column)
    return _time(us, timezone(timedelta(seconds=-west)), at, column)


def _datetime(data: bytes, zone: timezone | None, at: int, column: int) -> datetime:
    days, us = divmod(decode_i64(data, at, column), const.US_PER_DAY)
    ordinal = days + const.EPOCH_ORDINAL
    if not 1 <= ordinal <= MAX_ORDINAL:
        raise fault(faults.FAULT_DATE_RANGE, at, column)
    return datetime.combine(date.fromordinal(ordinal), _time(us, zone, at, column))


def decode_timestamp(data: bytes, at: int, column: int) -> datetime:
    """The naive datetime; infinities and years Python has not are a fault."""
    return _datetime(data, None, at, column)


def decode_timestamptz(data: bytes, at: int, column: int) -> datetime:
    """The datetime in UTC; infinities and years Python has not are a fault."""
    return _datetime(data, timezone.utc, at, column)


def decode_interval(data: bytes, at: int, column: int) -> timedelta | Interval:
    """A timedelta where there are no months and it fits, else an Interval: nothing is converted, nothing lost."""
    if len(data) != 16:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    us, days, months = INTERVAL.unpack(data)
    if months == 0 and abs(days + us // const.US_PER_DAY) <= MAX_DELTA_DAYS:
        return timedelta(days, us // const.US_PER_SECOND, us % const.US_PER_SECOND)
    return Interval(months, days, us)


def decode_uuid(data: bytes, at: int, column: int) -> UUID:
    """The UUID of 16 bytes."""
    if len(data) != 16:
        raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
    return UUID(bytes=data)


def jsonb_text(data: bytes, at: int, column: int) -> bytes:
    """The text behind jsonb's version byte, which is 1 (jsonb_send)."""
    if not data or data[0] != 1:
        raise fault(faults.FAULT_VALUE, at, column)
    return data[1:]


def called(call: Call, value: Any, at: int, column: int) -> Any:
    """`call(value)`; whatever it raises becomes the cause of a fault."""
    if call is None:
        return value
    try:
        return call(value)
    except Exception as exc:  # the callable is the user's; its failure must not look like the codec's
        raise fault(faults.FAULT_CALL, at, column, exc) from exc


SIMPLE: Final[dict[int, Decoder]] = {
    const.KIND_STR: decode_str,
    const.KIND_BYTES: decode_bytes,
    const.KIND_BOOL: decode_bool,
    const.KIND_INT2: decode_i16,
    const.KIND_INT4: decode_i32,
    const.KIND_INT8: decode_i64,
    const.KIND_OID: decode_u32,
    const.KIND_FLOAT4: decode_f32,
    const.KIND_FLOAT8: decode_f64,
    const.KIND_NUMERIC: decode_numeric,
    const.KIND_DATE: decode_date,
    const.KIND_TIME: decode_time,
    const.KIND_TIMETZ: decode_timetz,
    const.KIND_TIMESTAMP: decode_timestamp,
    const.KIND_TIMESTAMPTZ: decode_timestamptz,
    const.KIND_INTERVAL: decode_interval,
    const.KIND_UUID: decode_uuid,
    const.KIND_CHAR: decode_char,
}


def scalar_decoder(kind: int, call: Call) -> Decoder:
    """The decoder of a kind that is not an array."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind == const.KIND_CALL:
        return lambda data, at, column: called(call, data, at, column)
    if kind == const.KIND_JSONB:
        return lambda data, at, column: called(call, decode_str(jsonb_text(data, at, column), at, column), at, column)
    return lambda data, at, column: called(call, decode_str(data, at, column), at, column)


def array_extent(data: bytes, element_oid: int, at: int, column: int) -> tuple[list[int], int]:
    """(dimensions, offset of the first element) of a binary array, every count checked against the bytes left.

    An empty array has no dimensions. Lower bounds are passed over.
    """
    if len(data) < 12:
        raise fault(faults.FAULT_ARRAY, at, column)
    ndim, flags, oid = ARRAY_HEAD.unpack_from(data)
    head = 12 + 8 * ndim
    if not 0 <= ndim <= const.MAX_DIMENSIONS or flags not in (0, 1) or len(data) < head:
        raise fault(faults.FAULT_ARRAY, at, column)
    if element_oid and oid != element_oid:
        raise fault(faults.FAULT_ARRAY, at, column)
    dims, total = [], 1
    for i in range(ndim):
        length, _lower = DIMENSION.unpack_from(data, 12 + 8 * i)
        if length < 1 or length * total > (len(data) - head) // 4:
            raise fault(faults.FAULT_ARRAY, at, column)
        total *= length
        dims.append(length)
    if not dims and len(data) != head:
        raise fault(faults.FAULT_ARRAY, at + head, column)
    return dims, head


def element(data: bytes, pos: int, at: int, column: int) -> tuple[int, int]:
    """(start, stop) of the array element whose length word is at `pos`; stop is -1 for NULL."""
    if len(data) - pos < 4:
        raise fault(faults.FAULT_ARRAY, at + pos, column)
    length = I32.unpack_from(data, pos)[0]
    pos += 4
    if length < 0:
        if length != -1:
            raise fault(faults.FAULT_FIELD_LENGTH, at + pos - 4, column, length)
        return pos, -1
    if length > len(data) - pos:
        raise fault(faults.FAULT_FIELD_OVERRUN, at + pos - 4, column, length)
    return pos, pos + length


def _nest(flat: list[Any], dims: list[int]) -> list[Any]:
    for length in reversed(dims[1:]):
        flat = [flat[i : i + length] for i in range(0, len(flat), length)]
    return flat


def array_decoder(element_kind: int, element_oid: int, call: Call) -> Decoder:
    """The decoder of an array: nested lists, one level for each dimension, NULL elements as None."""
    decode = scalar_decoder(element_kind, call)

    def decode_array(data: bytes, at: int, column: int) -> list[Any]:
        dims, pos = array_extent(data, element_oid, at, column)
        if not dims:
            return []
        total = 1
        for length in dims:
            total *= length
        flat: list[Any] = []
        for _ in range(total):
            start, stop = element(data, pos, at, column)
            if stop < 0:
                flat.append(None)
                pos = start
            else:
                flat.append(decode(data[start:stop], at + start, column))
                pos = stop
        if pos != len(data):
            raise fault(faults.FAULT_ARRAY, at + pos, column)
        return _nest(flat, dims)

    return decode_array
