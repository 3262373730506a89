"""One field on the wire -> one Python value; the twin of `decode.pxd`.

Law of this file: a decoder gets the bytes of one field, the offset of its first byte from the start of the message,
and the column, and gives back the value or raises what `errors.fault` makes. It never looks beyond its bytes and
trusts no count in them.

Sources: the server's *_send functions (numeric.c, date.c, timestamp.c, arrayfuncs.c, uuid.c, jsonb.c, char.c,
rowtypes.c, rangetypes.c, multirangetypes.c).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from struct import Struct
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .. import const
from ..errors import fault, faults
from ..errors.faults import buffer_misuse
from ..values import Array, Interval, Multirange, Range

if TYPE_CHECKING:
    from .shapes import Spec

Call = Callable[[Any], Any] | None
Decoder = Callable[[bytes, int, int], Any]

I16: Final = Struct(">h")
I32: Final = Struct(">i")
U32: Final = Struct(">I")
I64: Final = Struct(">q")
U64: Final = Struct(">Q")
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
MAX_UINT32: Final = 2**32 - 1


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
decode_u64: Final = _fixed(U64)
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


_GROUPS: Final = [Struct(f">HhHH{count}H") for count in range(5)]
#: 10000 to the power of the places from a group to the last of the number's.
_POWERS: Final = [10**exponent for exponent in range(40)]


def decode_numeric(data: bytes, at: int, column: int) -> Decimal:
    """The numeric as a Decimal of the same digits and scale."""
    size = len(data)
    if 8 < size <= 16 and size % 2 == 0:  # a few groups: no text is needed to see that they are right
        ndigits, weight, sign, dscale, *groups = _GROUPS[(size - 8) // 2].unpack(data)
        shift = 4 * (weight - ndigits + 1) + dscale  # places from the last group to the last digit
        if ndigits == len(groups) and not sign & ~const.NUMERIC_NEGATIVE and max(groups) <= 9999 and -4 < shift < 32:
            value = 0
            for group in groups:
                value = value * 10000 + group
            rest = 0
            if shift >= 0:
                value *= _POWERS[shift]
            else:
                value, rest = divmod(value, _POWERS[-shift])
            if value and not rest and dscale <= const.NUMERIC_MAX_SCALE:
                return Decimal(f"{'-' if sign else ''}{value}E-{dscale}")
    return Decimal(numeric_text(data, at, column))


def held(call: Call, raw: Any, code: int, at: int, column: int) -> Any:
    """What `call` makes of a value that Python cannot hold; a fault where there is no call."""
    if call is None:
        raise fault(code, at, column)
    return called(call, raw, at, column)


def date_decoder(call: Call) -> Decoder:
    """The decoder of dates; infinities and years Python has not go to `call` as days since 2000-01-01."""

    def decode_date(data: bytes, at: int, column: int) -> Any:
        days = decode_i32(data, at, column)
        if not 1 <= days + const.EPOCH_ORDINAL <= MAX_ORDINAL:
            return held(call, days, faults.FAULT_DATE_RANGE, at, column)
        return date.fromordinal(days + const.EPOCH_ORDINAL)

    return decode_date


def _time(us: int, zone: timezone | None) -> time:
    seconds, micro = divmod(us, const.US_PER_SECOND)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro, zone)


def time_decoder(call: Call) -> Decoder:
    """The decoder of times of day; 24:00 goes to `call` as microseconds."""

    def decode_time(data: bytes, at: int, column: int) -> Any:
        us = decode_i64(data, at, column)
        if us == const.US_PER_DAY:
            return held(call, us, faults.FAULT_TIME_RANGE, at, column)
        if not 0 <= us < const.US_PER_DAY:
            raise fault(faults.FAULT_VALUE, at, column)
        return _time(us, None)

    return decode_time


def timetz_decoder(call: Call) -> Decoder:
    """The decoder of times of day with an offset, which the wire counts in seconds west of UTC (timetz_send).

    24:00 goes to `call` as (microseconds, seconds west). An offset of a day or more the server does not have.
    """

    def decode_timetz(data: bytes, at: int, column: int) -> Any:
        if len(data) != 12:
            raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
        us, west = TIMETZ.unpack(data)
        if not (-86400 < west < 86400 and 0 <= us <= const.US_PER_DAY):
            raise fault(faults.FAULT_VALUE, at, column)
        if us == const.US_PER_DAY:
            return held(call, (us, west), faults.FAULT_TIME_RANGE, at, column)
        return _time(us, timezone(timedelta(seconds=-west)))

    return decode_timetz


def timestamp_decoder(call: Call, zone: timezone | None) -> Decoder:
    """The decoder of timestamps, naive or in UTC.

    Infinities and years Python has not go to `call` as microseconds since 2000-01-01.
    """

    def decode_timestamp(data: bytes, at: int, column: int) -> Any:
        raw = decode_i64(data, at, column)
        days, us = divmod(raw, const.US_PER_DAY)
        ordinal = days + const.EPOCH_ORDINAL
        if not 1 <= ordinal <= MAX_ORDINAL:
            return held(call, raw, faults.FAULT_DATE_RANGE, at, column)
        return datetime.combine(date.fromordinal(ordinal), _time(us, zone))

    return decode_timestamp


def interval_decoder(call: Call) -> Decoder:
    """The decoder of intervals: what `call` makes of (months, days, microseconds).

    Without a call a timedelta where it keeps days and microseconds apart as they are, which have the same sign then
    and less than a day of microseconds, else an Interval: each goes back as it came.
    """

    def decode_interval(data: bytes, at: int, column: int) -> Any:
        if len(data) != 16:
            raise fault(faults.FAULT_FIELD_WIDTH, at, column, len(data))
        us, days, months = INTERVAL.unpack(data)
        if call is not None:
            return called(call, (months, days, us), at, column)
        same_sign = (us >= 0 and days >= 0) or (us <= 0 and days <= 0)
        if months == 0 and same_sign and abs(us) < const.US_PER_DAY and abs(days) < MAX_DELTA_DAYS:
            return timedelta(days, 0, us)
        return Interval(months, days, us)

    return decode_interval


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
    const.KIND_BYTES: decode_bytes,
    const.KIND_BOOL: decode_bool,
    const.KIND_INT2: decode_i16,
    const.KIND_INT4: decode_i32,
    const.KIND_INT8: decode_i64,
    const.KIND_OID: decode_u32,
    const.KIND_FLOAT4: decode_f32,
    const.KIND_FLOAT8: decode_f64,
    const.KIND_NUMERIC: decode_numeric,
    const.KIND_UUID: decode_uuid,
    const.KIND_CHAR: decode_char,
    const.KIND_UINT8: decode_u64,
}

#: Kinds with values that Python may not be able to hold: the maker of their decoder.
_HELD: Final[dict[int, Callable[[Call], Decoder]]] = {
    const.KIND_DATE: date_decoder,
    const.KIND_TIME: time_decoder,
    const.KIND_TIMETZ: timetz_decoder,
    const.KIND_TIMESTAMP: lambda call: timestamp_decoder(call, None),
    const.KIND_TIMESTAMPTZ: lambda call: timestamp_decoder(call, timezone.utc),
    const.KIND_INTERVAL: interval_decoder,
}


#: How deep specs, columns and anonymous records may nest.
MAX_NESTING: Final = 32
#: Children a spec of a kind must have.
_CHILDREN: Final = {const.KIND_ARRAY: 1, const.KIND_VECTOR: 1, const.KIND_RANGE: 1, const.KIND_MULTIRANGE: 1}


def check_spec(spec: Spec, depth: int) -> None:
    """Raise InterfaceError where a spec, which stands this deep in another, has not the form it must have.

    Its children are theirs to check.
    """
    kind, oid, _call, children = spec
    wanted = len(children) if kind == const.KIND_COMPOSITE else _CHILDREN.get(kind, 0)
    if not const.KIND_CALL <= kind <= const.KIND_UINT8 or len(children) != wanted or depth == MAX_NESTING:
        raise buffer_misuse(f"kind {kind} of {len(children)} children is no spec")
    if not 0 <= oid <= MAX_UINT32 or (depth and kind == const.KIND_TEXT_CALL):
        raise buffer_misuse(f"kind {kind} with OID {oid} cannot be a child")
    if kind == const.KIND_MULTIRANGE and children[0][0] != const.KIND_RANGE:
        raise buffer_misuse("a multirange is made of ranges")


def decoder(spec: Spec, depth: int = 0) -> Decoder:
    """The decoder of a type and of all it is made of."""
    check_spec(spec, depth)
    kind, _oid, call, children = spec
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind in _HELD:
        return _HELD[kind](call)
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        return array_decoder(children[0], kind == const.KIND_VECTOR, depth + 1)
    if kind == const.KIND_COMPOSITE:
        return composite_decoder(children, call, depth + 1)
    if kind == const.KIND_RECORD:
        return record_decoder(call)
    if kind == const.KIND_RANGE:
        return range_decoder(children[0], call, depth + 1)
    if kind == const.KIND_MULTIRANGE:
        return multirange_decoder(children[0], call, depth + 1)
    if kind == const.KIND_ENUM:
        return enum_decoder(call)
    if kind == const.KIND_CALL:
        return lambda data, at, column: called(call, data, at, column)
    if kind == const.KIND_JSONB:
        return lambda data, at, column: called(call, decode_str(jsonb_text(data, at, column), at, column), at, column)
    return lambda data, at, column: called(call, decode_str(data, at, column), at, column)


#: Labels of an enum for which a plan keeps what stands for them.
MAX_LABELS: Final = 1024


def enum_decoder(call: Call) -> Decoder:
    """The decoder of an enum: what `call` makes of the label, or the label; made once for each label."""
    known: dict[bytes, Any] = {}

    def decode_label(data: bytes, at: int, column: int) -> Any:
        made = known.get(data)
        if made is None:
            made = called(call, decode_str(data, at, column), at, column)
            if len(known) < MAX_LABELS:
                known[data] = made
        return made

    return decode_label


def part(data: bytes, pos: int, code: int, at: int, column: int) -> tuple[int, int]:
    """(start, stop) of the part of a container whose length word is at `pos`; stop is -1 for NULL.

    `code` is the fault where the length word itself is cut off.
    """
    if len(data) - pos < 4:
        raise fault(code, at + pos, column)
    length = I32.unpack_from(data, pos)[0]
    pos += 4
    if length < 0:
        if length != -1:
            raise fault(faults.FAULT_FIELD_LENGTH, at + pos - 4, column, length)
        return pos, -1
    if length > len(data) - pos:
        raise fault(faults.FAULT_FIELD_OVERRUN, at + pos - 4, column, length)
    return pos, pos + length


# ---------------------------------------------------------------- arrays


def array_extent(data: bytes, element_oid: int, vector: bool, at: int, column: int) -> tuple[list[int], list[int], int]:
    """(lengths, lower bounds, offset of the first element) of a binary array, counts checked against the bytes left.

    An empty array has no dimensions; a vector has one, which may be empty. It begins at 0, or at 1 where it was cast
    from an array: its text, and its equality, do not tell these apart.
    """
    if len(data) < 12:
        raise fault(faults.FAULT_ARRAY, at, column)
    ndim, flags, oid = ARRAY_HEAD.unpack_from(data)
    head = 12 + 8 * ndim
    if not 0 <= ndim <= const.MAX_DIMENSIONS or flags not in (0, 1) or len(data) < head:
        raise fault(faults.FAULT_ARRAY, at, column)
    if element_oid and oid != element_oid:
        raise fault(faults.FAULT_ARRAY, at, column)
    dims, bounds, total = [], [], 1
    for i in range(ndim):
        length, lower = DIMENSION.unpack_from(data, 12 + 8 * i)
        if length < (0 if vector else 1) or length * total > (len(data) - head) // 4:
            raise fault(faults.FAULT_ARRAY, at, column)
        if lower + length > const.MAX_INT32:
            raise fault(faults.FAULT_ARRAY, at, column)
        total *= length
        dims.append(length)
        bounds.append(lower)
    if vector and len(dims) > 1:
        raise fault(faults.FAULT_ARRAY, at, column)
    if not dims and len(data) != head:
        raise fault(faults.FAULT_ARRAY, at + head, column)
    return dims, bounds, head


#: Kinds of elements that may be lists themselves: an array of them that has more than one dimension says so by its
#: class.
OPAQUE: Final = frozenset((const.KIND_JSON, const.KIND_JSONB, const.KIND_ARRAY, const.KIND_VECTOR))


def _nest(flat: list[Any], dims: list[int]) -> list[Any]:
    for length in reversed(dims[1:]):
        flat = [flat[i : i + length] for i in range(0, len(flat), length)]
    return flat


def array_decoder(element: Spec, vector: bool, depth: int) -> Decoder:
    """The decoder of an array: nested lists, one level for each dimension, NULL elements as None.

    An Array where a lower bound is not 1, or where the elements may be lists and there is more than one dimension; a
    vector is a list.
    """
    decode, oid, opaque = decoder(element, depth), element[1], element[0] in OPAQUE

    def decode_array(data: bytes, at: int, column: int) -> list[Any]:
        dims, bounds, pos = array_extent(data, oid, vector, at, column)
        if not dims:
            return []
        total = 1
        for length in dims:
            total *= length
        flat: list[Any] = []
        for _ in range(total):
            start, stop = part(data, pos, faults.FAULT_ARRAY, at, column)
            if stop < 0:
                flat.append(None)
                pos = start
            else:
                flat.append(decode(data[start:stop], at + start, column))
                pos = stop
        if pos != len(data):
            raise fault(faults.FAULT_ARRAY, at + pos, column)
        made = _nest(flat, dims)
        plain = all(bound == 1 for bound in bounds) and not (opaque and len(dims) > 1)
        return made if vector or plain else Array(made, bounds)

    return decode_array


# ---------------------------------------------------------------- composites


def composite_parts(data: bytes, at: int, column: int) -> list[tuple[int, int, int, int]]:
    """(OID, offset of it, start, stop) of each attribute; stop is -1 for NULL (record_send)."""
    if len(data) < 4:
        raise fault(faults.FAULT_COMPOSITE, at, column)
    count = I32.unpack_from(data)[0]
    if not 0 <= count <= (len(data) - 4) // 8:
        raise fault(faults.FAULT_COMPOSITE, at, column)
    parts, pos = [], 4
    for _ in range(count):
        if len(data) - pos < 4:
            raise fault(faults.FAULT_COMPOSITE, at + pos, column)
        oid = U32.unpack_from(data, pos)[0]
        start, stop = part(data, pos + 4, faults.FAULT_COMPOSITE, at, column)
        parts.append((oid, pos, start, stop))
        pos = start if stop < 0 else stop
    if pos != len(data):
        raise fault(faults.FAULT_COMPOSITE, at + pos, column)
    return parts


def _attributes(
    data: bytes, parts: list[tuple[int, int, int, int]], decoders: Sequence[Decoder], at: int, column: int
) -> tuple[Any, ...]:
    return tuple(
        [
            None if stop < 0 else decode(data[start:stop], at + start, column)
            for (_oid, _pos, start, stop), decode in zip(parts, decoders, strict=True)
        ]
    )


def composite_decoder(children: Sequence[Spec], call: Call, depth: int) -> Decoder:
    """The decoder of a composite: what `call` makes of the tuple of its attributes, or that tuple."""
    decoders, oids = [decoder(child, depth) for child in children], [child[1] for child in children]

    def decode_composite(data: bytes, at: int, column: int) -> Any:
        parts = composite_parts(data, at, column)
        if len(parts) != len(oids):
            raise fault(faults.FAULT_COMPOSITE_SHAPE, at, column, len(parts))
        for (oid, pos, _start, _stop), wanted in zip(parts, oids, strict=True):
            if wanted and oid != wanted:
                raise fault(faults.FAULT_COMPOSITE_SHAPE, at + pos, column, oid)
        return called(call, _attributes(data, parts, decoders, at, column), at, column)

    return decode_composite


#: How many records are being read here, each inside the one before: how deep they nest no spec says, only the wire.
OPEN_RECORDS: Final = ContextVar("OPEN_RECORDS", default=0)


def record_decoder(call: Call) -> Decoder:
    """The decoder of an anonymous record: a tuple; `call` gives the Plan for the OIDs of its fields.

    Records that nest deeper than MAX_NESTING are a fault.
    """

    def decode_record(data: bytes, at: int, column: int) -> tuple[Any, ...]:
        parts = composite_parts(data, at, column)
        plan = called(call, tuple([oid for oid, _pos, _start, _stop in parts]), at, column)
        if plan.width != len(parts):
            raise buffer_misuse(f"a plan of {plan.width} columns for a record of {len(parts)} fields")
        depth = OPEN_RECORDS.get()
        if depth == MAX_NESTING:
            raise fault(faults.FAULT_NESTING, at, column)
        OPEN_RECORDS.set(depth + 1)
        try:
            return _attributes(data, parts, plan._decoders, at, column)
        finally:
            OPEN_RECORDS.set(depth)

    return decode_record


# ---------------------------------------------------------------- ranges

#: Kinds whose order can be read from the wire: signed integers of these bytes.
ORDERED: Final = frozenset(
    (
        const.KIND_INT2,
        const.KIND_INT4,
        const.KIND_INT8,
        const.KIND_DATE,
        const.KIND_TIME,
        const.KIND_TIMESTAMP,
        const.KIND_TIMESTAMPTZ,
    )
)
_BOUNDS: Final = {0: "()", const.RANGE_LB_INC: "[)", const.RANGE_UB_INC: "(]"}
_INCLUSIVE: Final = const.RANGE_LB_INC | const.RANGE_UB_INC
_ALL_FLAGS: Final = 0x1F


def range_parts(data: bytes, at: int, column: int) -> tuple[int, tuple[int, int] | None, tuple[int, int] | None]:
    """(flags, span of the lower bound, span of the upper bound), None for a bound that is not there (range_send)."""
    if not data or data[0] > _ALL_FLAGS:
        raise fault(faults.FAULT_RANGE, at, column)
    flags, pos = data[0], 1
    if flags & const.RANGE_EMPTY and flags != const.RANGE_EMPTY:
        raise fault(faults.FAULT_RANGE, at, column)
    spans: list[tuple[int, int] | None] = []
    for infinite in (const.RANGE_LB_INF, const.RANGE_UB_INF):
        if flags & (infinite | const.RANGE_EMPTY):
            spans.append(None)
            continue
        start, stop = part(data, pos, faults.FAULT_RANGE, at, column)
        if stop < 0:
            raise fault(faults.FAULT_RANGE, at + pos, column)
        spans.append((start, stop))
        pos = stop
    if pos != len(data):
        raise fault(faults.FAULT_RANGE, at + pos, column)
    return flags, spans[0], spans[1]


def _wire_int(data: bytes, span: tuple[int, int]) -> int:
    return int.from_bytes(data[span[0] : span[1]], "big", signed=True)


def range_decoder(bound: Spec, call: Call, depth: int) -> Decoder:
    """The decoder of a range: what `call` makes of the Range, or the Range."""
    decode, ordered = decoder(bound, depth), bound[0] in ORDERED

    def value(data: bytes, span: tuple[int, int] | None, at: int, column: int) -> Any:
        if span is None:
            return None
        made = decode(data[span[0] : span[1]], at + span[0], column)
        if made is None:
            raise fault(faults.FAULT_RANGE_BOUND, at + span[0], column)
        return made

    def decode_range(data: bytes, at: int, column: int) -> Any:
        flags, low, high = range_parts(data, at, column)
        lower, upper = value(data, low, at, column), value(data, high, at, column)
        if ordered and low is not None and high is not None:
            first, last = _wire_int(data, low), _wire_int(data, high)
            if first > last or (first == last and flags & _INCLUSIVE != _INCLUSIVE):
                raise fault(faults.FAULT_RANGE, at, column)
        made: Range[Any] = Range(lower, upper, _BOUNDS.get(flags & _INCLUSIVE, "[]"), bool(flags & const.RANGE_EMPTY))
        return called(call, made, at, column)

    return decode_range


def multirange_decoder(child: Spec, call: Call, depth: int) -> Decoder:
    """The decoder of a multirange: what `call` makes of the Multirange, or the Multirange.

    Its ranges are not empty and, where their order can be read from the wire, sorted and apart.
    """
    decode, ordered = decoder(child, depth), child[3][0][0] in ORDERED

    def decode_multirange(data: bytes, at: int, column: int) -> Any:
        if len(data) < 4:
            raise fault(faults.FAULT_RANGE, at, column)
        count, pos = I32.unpack_from(data)[0], 4
        if not 0 <= count <= (len(data) - 4) // 5:
            raise fault(faults.FAULT_RANGE, at, column)
        ranges = []
        last: tuple[int, bool] | None = None
        for index in range(count):
            start, stop = part(data, pos, faults.FAULT_RANGE, at, column)
            if stop < 0:
                raise fault(faults.FAULT_RANGE, at + pos, column)
            piece = data[start:stop]
            ranges.append(decode(piece, at + start, column))
            flags, low, high = range_parts(piece, at + start, column)
            if flags & const.RANGE_EMPTY or (low is None and index) or (high is None and index != count - 1):
                raise fault(faults.FAULT_RANGE, at + start, column)
            if ordered and low is not None and last is not None:
                first = _wire_int(piece, low)
                if first < last[0] or (first == last[0] and (last[1] or bool(flags & const.RANGE_LB_INC))):
                    raise fault(faults.FAULT_RANGE, at + start, column)
            last = None if high is None or not ordered else (_wire_int(piece, high), bool(flags & const.RANGE_UB_INC))
            pos = stop
        if pos != len(data):
            raise fault(faults.FAULT_RANGE, at + pos, column)
        return called(call, called(Multirange, ranges, at, column), at, column)

    return decode_multirange
