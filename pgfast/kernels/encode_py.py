"""One Python value -> the bytes of one field; the twin of `encode.pxd`.

Law of this file: an encoder gets a value that is not None, the row and the column, and gives back the field's bytes
without the length word, None where the coercion hook made it NULL, or raises what `errors.fault` makes. A kind takes
its own exact Python type by itself and hands everything else to the hook, so a subclass with ideas of its own never
reaches a kernel.

Sources: the server's *_recv functions (numeric.c, date.c, timestamp.c, arrayfuncs.c, uuid.c, jsonb.c, rowtypes.c,
rangetypes.c, multirangetypes.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .. import const
from ..errors import DatabaseError, fault, faults
from ..values import Array, Interval, Multirange, Range
from .decode_py import (
    ARRAY_HEAD,
    DIMENSION,
    F32,
    F64,
    I16,
    I32,
    I64,
    INTERVAL,
    MAX_UINT32,
    MIN_INT32,
    NUMERIC_HEAD,
    OPAQUE,
    TIMETZ,
    U32,
    U64,
)

if TYPE_CHECKING:
    from .shapes import Spec

Call = Callable[[Any], Any] | None
Encoder = Callable[[Any, int, int], "bytes | None"]

MAX_UINT64: Final = 2**64 - 1
NULL_LENGTH: Final = I32.pack(-1)
BYTES_TYPES: Final = (bytes, bytearray, memoryview)

_NUMERIC_SPECIAL: Final = {
    "NaN": NUMERIC_HEAD.pack(0, 0, const.NUMERIC_NAN, 0),
    "Infinity": NUMERIC_HEAD.pack(0, 0, const.NUMERIC_PINF, 0),
    "-Infinity": NUMERIC_HEAD.pack(0, 0, const.NUMERIC_NINF, 0),
}


def range_fault(value: Any, row: int, column: int) -> DatabaseError:
    """The exception for a value of the right type that does not fit."""
    return fault(faults.FAULT_VALUE_RANGE, row, column, value)


def _integer(pack: Callable[[int], bytes], low: int, high: int) -> Encoder:
    def encode(value: Any, row: int, column: int) -> bytes:
        if not low <= value <= high:
            raise range_fault(value, row, column)
        return pack(value)

    return encode


def encode_bool(value: bool, row: int, column: int) -> bytes:
    """One byte, 1 or 0."""
    return b"\1" if value else b"\0"


def encode_f32(value: float, row: int, column: int) -> bytes:
    """IEEE single; a finite value that would become infinite is a fault."""
    try:
        return F32.pack(value)
    except OverflowError:
        raise range_fault(value, row, column) from None


def encode_f64(value: float, row: int, column: int) -> bytes:
    """IEEE double."""
    return F64.pack(value)


def numeric_wire(negative: bool, digits: str, scale: int) -> bytes | None:
    """The numeric of `digits` (no sign, no point) with `scale` of them behind the point, or None where it is too long.

    Base-10000 digits without leading or trailing zero groups, as `numeric_send` makes them. `scale` is 0 or more.
    """
    digits = digits.lstrip("0")
    if scale > const.NUMERIC_MAX_SCALE or len(digits) - scale > const.NUMERIC_MAX_WHOLE_DIGITS:
        return None
    if not digits:
        return NUMERIC_HEAD.pack(0, 0, const.NUMERIC_POSITIVE, scale)
    whole = len(digits) - scale  # digits before the point; negative: zeros behind it come first
    lead = -whole % 4  # zeros that complete the first group
    weight = (whole + lead) // 4 - 1
    padded = "0" * lead + digits
    padded += "0" * (-len(padded) % 4)
    groups = [int(padded[i : i + 4]) for i in range(0, len(padded), 4)]
    while groups[-1] == 0:
        groups.pop()
    sign = const.NUMERIC_NEGATIVE if negative else const.NUMERIC_POSITIVE
    head = NUMERIC_HEAD.pack(len(groups), weight, sign, scale)
    return head + b"".join([group.to_bytes(2, "big") for group in groups])


_SPACE: Final = rb"[ \t-\r]*"
_NUMBER_TEXT: Final = re.compile(
    _SPACE + rb"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?)([0-9]+))?" + _SPACE
)
_SPECIAL_TEXT: Final = re.compile(_SPACE + rb"(?:(nan)|([+-]?)inf(?:inity)?)" + _SPACE, re.IGNORECASE)
#: Digits of an exponent that can matter: longer ones are out of range whatever stands before them.
_EXPONENT_DIGITS: Final = 8


def numeric_from_text(data: bytes, row: int, column: int) -> bytes:
    """The numeric of decimal text as numeric_in reads it: digits, point and exponent, NaN, infinities, spaces around.

    Every digit written is kept, those behind the point as the scale.
    """
    found = _NUMBER_TEXT.fullmatch(data)
    if found is None:
        special = _SPECIAL_TEXT.fullmatch(data)
        if special is None:
            raise fault(faults.FAULT_NUMERIC_TEXT, row, column, data.decode("utf-8", "replace"))
        name = "NaN" if special[1] else "-Infinity" if special[2] == b"-" else "Infinity"
        return _NUMERIC_SPECIAL[name]
    sign, whole, behind, alone, exponent_sign, exponent = found.groups(b"")
    wire = None
    if len(exponent) <= _EXPONENT_DIGITS:
        fraction = behind or alone
        digits = (whole + fraction).lstrip(b"0").decode("ascii")
        power = int(exponent or b"0")
        scale = len(fraction) + power if exponent_sign == b"-" else len(fraction) - power
        if not digits:
            wire = numeric_wire(False, "", max(scale, 0))
        elif -scale <= const.NUMERIC_MAX_WHOLE_DIGITS:
            wire = numeric_wire(sign == b"-", digits + "0" * -scale, max(scale, 0))
    if wire is None:
        raise range_fault(data.decode("utf-8", "replace"), row, column)
    return wire


def int_digits(value: int) -> str:
    """The decimal digits of a non-negative int of any size (str() refuses more than 4,300)."""
    if value.bit_length() <= 14000:
        return str(value)
    return format(Decimal(value), "f")


def encode_numeric(value: Decimal | int, row: int, column: int) -> bytes:
    """The numeric with the Decimal's own scale; a positive exponent becomes zeros."""
    if type(value) is int:
        # One decimal digit is more than 3.3 bits: anything longer than this has too many digits, and is not converted.
        if value.bit_length() > 450_000:
            raise range_fault(value, row, column)
        wire = numeric_wire(value < 0, int_digits(abs(value)), 0)
    else:
        text = str(value)
        if value.is_nan():  # type: ignore[union-attr]
            return _NUMERIC_SPECIAL["NaN"]
        if text in _NUMERIC_SPECIAL:
            return _NUMERIC_SPECIAL[text]
        mantissa, _, exponent = text.lstrip("-").partition("E")
        whole, _, fraction = mantissa.partition(".")
        scale = len(fraction) - int(exponent or 0)
        digits = whole + fraction
        if not digits.strip("0"):
            digits, scale = "", max(scale, 0)
        elif scale < 0:
            if -scale > const.NUMERIC_MAX_WHOLE_DIGITS:
                raise range_fault(value, row, column)
            digits, scale = digits + "0" * -scale, 0
        wire = numeric_wire(text[0] == "-", digits, scale)
    if wire is None:
        raise range_fault(value, row, column)
    return wire


def encode_str(value: str, row: int, column: int) -> bytes:
    """UTF-8 without NUL."""
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        raise fault(faults.FAULT_TEXT_ENCODE, row, column, value) from None
    if 0 in data:
        raise fault(faults.FAULT_NUL, row, column, value)
    return data


def encode_bytes(value: Any, row: int, column: int) -> bytes:
    """The bytes themselves."""
    if (value.nbytes if isinstance(value, memoryview) else len(value)) > const.MAX_INT32:
        raise fault(faults.FAULT_MESSAGE_SIZE, row, column)  # before they are copied
    return bytes(value)


def encode_date(value: date, row: int, column: int) -> bytes:
    """Days since 2000-01-01."""
    return I32.pack(value.toordinal() - const.EPOCH_ORDINAL)


def _time_us(value: time | datetime) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * const.US_PER_SECOND + value.microsecond


def _offset(value: time | datetime, row: int, column: int) -> timedelta:
    """The offset from UTC of a value that must have one; the zone is the user's class and may raise."""
    try:
        offset = value.utcoffset()
    except Exception as exc:  # becomes the cause of the fault
        raise fault(faults.FAULT_COERCE, row, column, (value, exc)) from exc
    if offset is None:
        raise fault(faults.FAULT_TIMEZONE, row, column, value)
    return offset


def encode_time(value: time, row: int, column: int) -> bytes:
    """Microseconds since midnight."""
    if value.tzinfo is not None:
        raise fault(faults.FAULT_TIMEZONE, row, column, value)
    return I64.pack(_time_us(value))


def encode_timetz(value: time, row: int, column: int) -> bytes:
    """Microseconds since local midnight, and the offset in seconds west of UTC."""
    offset = _offset(value, row, column)
    if offset.microseconds:
        raise range_fault(value, row, column)
    return TIMETZ.pack(_time_us(value), -(offset.days * 86400 + offset.seconds))


def _local_us(value: datetime) -> int:
    return (value.toordinal() - const.EPOCH_ORDINAL) * const.US_PER_DAY + _time_us(value)


def encode_timestamp(value: datetime, row: int, column: int) -> bytes:
    """Microseconds since 2000-01-01 of a naive datetime."""
    if value.tzinfo is not None:
        raise fault(faults.FAULT_TIMEZONE, row, column, value)
    return I64.pack(_local_us(value))


def encode_timestamptz(value: datetime, row: int, column: int) -> bytes:
    """Microseconds since 2000-01-01 UTC of an aware datetime."""
    offset = _offset(value, row, column)
    us = (offset.days * 86400 + offset.seconds) * const.US_PER_SECOND + offset.microseconds
    return I64.pack(_local_us(value) - us)


def encode_interval(value: timedelta | Interval, row: int, column: int) -> bytes:
    """Microseconds, days, months; of a timedelta whole days and a rest of the same sign."""
    if type(value) is timedelta:
        days, us = value.days, value.seconds * const.US_PER_SECOND + value.microseconds
        if days < 0 < us:
            days, us = days + 1, us - const.US_PER_DAY
        return INTERVAL.pack(us, days, 0)
    assert type(value) is Interval
    fields = (value.microseconds, value.days, value.months)
    if any(type(field) is not int for field in fields):
        raise fault(faults.FAULT_VALUE_TYPE, row, column, value)
    if not const.MIN_INT64 <= value.microseconds <= const.MAX_INT64 or not all(
        MIN_INT32 <= field <= const.MAX_INT32 for field in fields[1:]
    ):
        raise range_fault(value, row, column)
    return INTERVAL.pack(*fields)


def encode_uuid(value: UUID, row: int, column: int) -> bytes:
    """Sixteen bytes."""
    return value.bytes


def encode_char(value: str, row: int, column: int) -> bytes:
    """One byte from what `decode_char` gives: '', one ASCII character, or `\\ooo`."""
    if value == "":
        return b"\0"
    if len(value) == 1 and 0 < ord(value) < 128:
        return value.encode("ascii")
    if len(value) == 4 and value[0] == "\\" and value[1] in "23" and value[2] in "01234567" and value[3] in "01234567":
        return bytes([int(value[1:], 8)])
    raise range_fault(value, row, column)


#: kind -> (the Python types it takes by itself, the encoder)
_OWN: Final[dict[int, tuple[tuple[type, ...], Encoder]]] = {
    const.KIND_STR: ((str,), encode_str),
    const.KIND_ENUM: ((str,), encode_str),
    const.KIND_BYTES: (BYTES_TYPES, encode_bytes),
    const.KIND_BOOL: ((bool,), encode_bool),
    const.KIND_INT2: ((int,), _integer(I16.pack, -(2**15), 2**15 - 1)),
    const.KIND_INT4: ((int,), _integer(I32.pack, MIN_INT32, const.MAX_INT32)),
    const.KIND_INT8: ((int,), _integer(I64.pack, const.MIN_INT64, const.MAX_INT64)),
    const.KIND_OID: ((int,), _integer(U32.pack, 0, MAX_UINT32)),
    const.KIND_UINT8: ((int,), _integer(U64.pack, 0, MAX_UINT64)),
    const.KIND_FLOAT4: ((float,), encode_f32),
    const.KIND_FLOAT8: ((float,), encode_f64),
    const.KIND_NUMERIC: ((Decimal, int), encode_numeric),
    const.KIND_DATE: ((date,), encode_date),
    const.KIND_TIME: ((time,), encode_time),
    const.KIND_TIMETZ: ((time,), encode_timetz),
    const.KIND_TIMESTAMP: ((datetime,), encode_timestamp),
    const.KIND_TIMESTAMPTZ: ((datetime,), encode_timestamptz),
    const.KIND_INTERVAL: ((timedelta, Interval), encode_interval),
    const.KIND_UUID: ((UUID,), encode_uuid),
    const.KIND_CHAR: ((str,), encode_char),
}


def coerced(call: Call, value: Any, row: int, column: int) -> Any:
    """`call(value)`; whatever it raises becomes the cause of a fault."""
    try:
        return call(value)  # type: ignore[misc]
    except Exception as exc:  # the hook is Python code that may raise anything
        raise fault(faults.FAULT_COERCE, row, column, (value, exc)) from exc


def raw_timetz(value: tuple[Any, ...], row: int, column: int) -> bytes:
    """(microseconds since midnight, seconds west of UTC), as the wire has them."""
    us, west = value if len(value) == 2 else (None, None)
    if type(us) is not int or type(west) is not int:
        raise fault(faults.FAULT_VALUE_TYPE, row, column, value)
    if not (0 <= us <= const.US_PER_DAY and -86400 < west < 86400):
        raise range_fault(value, row, column)
    return TIMETZ.pack(us, west)


_RAW_TIMESTAMP: Final = _integer(I64.pack, const.MIN_INT64, const.MAX_INT64)
#: Kinds with values that Python may not be able to hold: the type of the number a hook may give instead, and its
#: encoder. It is the number that a decoder hands to its call.
_RAW: Final[dict[int, tuple[type, Encoder]]] = {
    const.KIND_DATE: (int, _integer(I32.pack, MIN_INT32, const.MAX_INT32)),
    const.KIND_TIME: (int, _integer(I64.pack, 0, const.US_PER_DAY)),
    const.KIND_TIMETZ: (tuple, raw_timetz),
    const.KIND_TIMESTAMP: (int, _RAW_TIMESTAMP),
    const.KIND_TIMESTAMPTZ: (int, _RAW_TIMESTAMP),
}


def _own_encoder(
    types: tuple[type, ...], encode: Encoder, call: Call, raw: tuple[type, Encoder] | None = None
) -> Encoder:
    """The encoder that writes values of these types by itself and hands all others to the hook."""

    def encode_own(value: Any, row: int, column: int) -> bytes | None:
        if type(value) in types:
            return encode(value, row, column)
        if call is None:
            raise fault(faults.FAULT_VALUE_TYPE, row, column, value)
        made = coerced(call, value, row, column)
        if made is None:
            return None
        if type(made) in types:
            return encode(made, row, column)
        if raw is not None and type(made) is raw[0]:
            return raw[1](made, row, column)
        raise fault(faults.FAULT_VALUE_TYPE, row, column, value)

    return encode_own


def _called_encoder(kind: int, call: Call) -> Encoder:
    """The encoder of the kinds whose hook makes the wire form: bytes (CALL), str (TEXT_CALL), either (JSON, JSONB)."""
    prefix = b"\1" if kind == const.KIND_JSONB else b""

    def encode_called(value: Any, row: int, column: int) -> bytes | None:
        made = value if call is None else coerced(call, value, row, column)
        if made is None:
            return None
        if type(made) is str and kind != const.KIND_CALL:
            return prefix + encode_str(made, row, column)
        if type(made) in BYTES_TYPES and kind != const.KIND_TEXT_CALL:
            data = bytes(made)
            if kind != const.KIND_CALL and 0 in data:
                raise fault(faults.FAULT_NUL, row, column, made)
            return prefix + data
        raise fault(faults.FAULT_VALUE_TYPE, row, column, value)

    return encode_called


def encoder(spec: Spec) -> Encoder:
    """The encoder of a type and of all it is made of."""
    kind, _oid, call, children = spec
    if kind in _OWN:
        return _own_encoder(*_OWN[kind], call, _RAW.get(kind))
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        return array_encoder(children[0], kind == const.KIND_VECTOR, call)
    if kind == const.KIND_COMPOSITE:
        return _own_encoder((tuple, list), composite_encoder(children), call)
    if kind == const.KIND_RANGE:
        return _own_encoder((Range,), range_encoder(children[0]), call)
    if kind == const.KIND_MULTIRANGE:
        return _own_encoder((Multirange,), multirange_encoder(children[0]), call)
    if kind == const.KIND_RECORD:
        return _refused
    return _called_encoder(kind, call)


def _refused(value: Any, row: int, column: int) -> bytes:
    """The server reads no anonymous records (record_recv)."""
    raise fault(faults.FAULT_VALUE_TYPE, row, column, value)


def measured(data: bytes | None) -> bytes:
    """The part of a container behind its length word; None is NULL."""
    return NULL_LENGTH if data is None else I32.pack(len(data)) + data


# ---------------------------------------------------------------- arrays


def nesting(element_kind: int) -> tuple[type, ...]:
    """The Python types that stand for a dimension inside an array, where they are not its elements."""
    if element_kind in OPAQUE:
        return ()
    if element_kind in (const.KIND_COMPOSITE, const.KIND_CALL):
        return (list,)
    return (list, tuple)


_LISTS: Final = (list, tuple)


def _flatten(value: Any, depth: int, dims: list[int], nests: tuple[type, ...], into: list[Any]) -> bool:
    """Append the leaves of one nested list; False where it is not the rectangle `dims` says."""
    if len(value) != dims[depth]:
        return False
    if depth == len(dims) - 1:
        if any(type(item) in nests for item in value):
            return False
        into.extend(value)
        return True
    inner = nests or _LISTS
    return all(type(item) in inner and _flatten(item, depth + 1, dims, nests, into) for item in value)


def _shape(value: Any, nests: tuple[type, ...]) -> list[int]:
    """The lengths down the first elements; more than six of them where the value nests deeper than an array can.

    Where elements may be lists only an Array has more than one dimension: as many as it has lower bounds.
    """
    most = const.MAX_DIMENSIONS + 1
    if not nests:
        bounds: Any = value.lower_bounds if type(value) is Array else None
        most = min(len(bounds), most) if type(bounds) is tuple else 1
    inner, dims = nests or _LISTS, [len(value)]
    while dims[-1] and type(value[0]) in inner and len(dims) < most:
        value = value[0]
        dims.append(len(value))
    return dims


def _lower_bounds(value: Any, dims: list[int], row: int, column: int) -> tuple[int, ...]:
    """The lower bounds of an Array of these dimensions."""
    bounds = value.lower_bounds
    good = type(bounds) is tuple and len(bounds) == len(dims) and all(type(bound) is int for bound in bounds)
    if not good or any(
        not MIN_INT32 <= bound <= const.MAX_INT32 - length for bound, length in zip(bounds, dims, strict=True)
    ):
        raise fault(faults.FAULT_LOWER_BOUNDS, row, column, value)
    return tuple(bounds)


def array_encoder(element: Spec, vector: bool, call: Call) -> Encoder:
    """The encoder of an array: a list or tuple, nested once for each dimension, or what `call` or `tolist()` gives.

    Elements of JSON kinds, arrays and vectors may be lists and are never walked into: what is inside the outermost
    list is an element, unless that is an Array, which says by its lower bounds how many dimensions it has. Of
    composites, and of kinds whose `call` makes the wire form, a tuple is an element and only a list a dimension.
    """
    encode, oid, nests = encoder(element), element[1], nesting(element[0])

    def encode_array(value: Any, row: int, column: int) -> bytes | None:
        items = value
        if type(items) not in (list, tuple, Array):
            if call is not None:
                items = coerced(call, items, row, column)
                if items is None:
                    return None
            elif hasattr(items, "tolist"):
                items = coerced(type(items).tolist, items, row, column)
        if type(items) not in (list, tuple, Array):
            raise fault(faults.FAULT_VALUE_TYPE, row, column, value)
        dims = _shape(items, nests)
        flat: list[Any] = []
        if len(dims) > const.MAX_DIMENSIONS or not _flatten(items, 0, dims, nests, flat):
            raise fault(faults.FAULT_ARRAY_SHAPE, row, column, value)
        if not flat:
            return ARRAY_HEAD.pack(0, 0, oid)
        bounds = (1,) * len(dims)
        if vector:
            if len(dims) > 1:
                raise fault(faults.FAULT_ARRAY_SHAPE, row, column, value)
            bounds = (0,)
        elif type(items) is Array:
            bounds = _lower_bounds(items, dims, row, column)
        parts = [measured(None if item is None else encode(item, row, column)) for item in flat]
        head = [ARRAY_HEAD.pack(len(dims), int(NULL_LENGTH in parts), oid), *map(DIMENSION.pack, dims, bounds)]
        return b"".join(head + parts)

    return encode_array


# ---------------------------------------------------------------- composites and ranges


def composite_encoder(children: Sequence[Spec]) -> Encoder:
    """The encoder of the attributes of a composite, from a tuple or list."""
    fields = [(U32.pack(child[1]), encoder(child)) for child in children]

    def encode_composite(value: Any, row: int, column: int) -> bytes:
        values = tuple(value)
        if len(values) != len(fields):
            raise fault(faults.FAULT_COMPOSITE_WIDTH, row, column, (len(values), len(fields)))
        out = I32.pack(len(fields))
        for (oid, encode), item in zip(fields, values, strict=True):
            out += oid + measured(None if item is None else encode(item, row, column))
        return out

    return encode_composite


def range_encoder(bound: Spec) -> Encoder:
    """The encoder of a Range. A bound that its type's hook turns into NULL is refused."""
    encode = encoder(bound)

    def encode_range(value: Any, row: int, column: int) -> bytes:
        if value.isempty:
            return bytes([const.RANGE_EMPTY])
        flags = (const.RANGE_LB_INC if value.bounds[0] == "[" else 0) | (
            const.RANGE_UB_INC if value.bounds[1] == "]" else 0
        )
        out = b""
        for infinite, limit in ((const.RANGE_LB_INF, value.lower), (const.RANGE_UB_INF, value.upper)):
            if limit is None:
                flags |= infinite
                continue
            data = encode(limit, row, column)
            if data is None:
                raise fault(faults.FAULT_VALUE_TYPE, row, column, value)
            out += measured(data)
        return bytes([flags]) + out

    return encode_range


def multirange_encoder(child: Spec) -> Encoder:
    """The encoder of a Multirange; the server sorts and joins its ranges."""
    encode = encoder(child)

    def encode_multirange(value: Any, row: int, column: int) -> bytes:
        out = I32.pack(len(value))
        for one in value:
            out += measured(encode(one, row, column))
        return out

    return encode_multirange
