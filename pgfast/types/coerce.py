"""Python values a kind does not take by itself -> values it does: the hooks of encode plans.

Law of this file: nothing is lost and nothing is guessed. A hook gives back a value of the kind's own type, None for a
missing value (NaT), or raises TypeError or ValueError saying what to pass; the codec quotes the value and says where
it stood. Text is not a number or a date, True is not 1, a time without zone has no place in a column with one.

NumPy and pandas are recognised by what their values can do; neither is imported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from .. import const
from ..values import Interval

Hook = Callable[[Any], Any]

_NUMPY_PLAIN: Final = frozenset("biufSU")
_NUMPY_UNITS_US: Final = ("", "generic", "Y", "M", "W", "D", "h", "m", "s", "ms", "us")


@dataclass(frozen=True, slots=True)
class Json:
    """A value to be sent as JSON whatever it is, written by `dumps` where that is given.

    `Json("text")` is the JSON string, where a bare str is JSON text itself.
    """

    value: Any
    dumps: Callable[[Any], str | bytes] | None = None

    @property
    def obj(self) -> Any:
        """The value, by psycopg's name."""
        return self.value


@dataclass(frozen=True, slots=True)
class Jsonb(Json):
    """As Json; where nothing else tells the type, it is jsonb."""


def _numpy_kind(value: Any) -> str | None:
    """The kind of a NumPy scalar's dtype, None for anything else."""
    if getattr(value, "ndim", None) != 0:
        return None
    dtype: Any = getattr(value, "dtype", None)
    kind: str | None = getattr(dtype, "kind", None)
    return kind


def underlying(value: Any) -> Any:
    """The value of an enum member, the Python number, text or bytes of a NumPy scalar; anything else as it is.

    NumPy times stay what they are: `numpy_time` knows their units.
    """
    if isinstance(value, Enum):
        value = value.value
    if _numpy_kind(value) in _NUMPY_PLAIN:
        return value.item() if value.dtype.itemsize <= 8 or value.dtype.kind in "SU" else float(value)
    return value


def numpy_time(value: Any) -> Any:
    """The date, datetime, timedelta or (of months) Interval of a NumPy time, None for NaT; anything else as it is."""
    kind = _numpy_kind(value)
    if kind not in ("M", "m"):
        return value
    unit = value.dtype.name.partition("[")[2].rstrip("]")
    if unit.lstrip("0123456789") not in _NUMPY_UNITS_US:
        short = value.astype(f"{kind}8[us]")
        if not (short == value or short != short):  # NaT differs from itself
            raise ValueError("would lose digits below a microsecond; round it first")
        value = short
    plain = value.item()
    if not isinstance(plain, int):
        return plain
    if kind == "M":
        raise ValueError("outside the years 1 to 9999 of Python's datetime")
    if unit[-1:] in ("Y", "M"):
        return Interval(value.astype("m8[M]").item())
    raise ValueError("a NumPy duration without a unit, or beyond what Python's timedelta can hold")


def plain_value(value: Any) -> Any:
    """The Python value that an Enum member or a NumPy scalar stands for, None for NaT; anything else as it is."""
    plain = numpy_time(underlying(value))
    return None if _is_nat(plain) else plain


def _is_nat(value: Any) -> bool:
    """Whether this is pandas' NaT: an instance of datetime that differs from itself."""
    return isinstance(value, datetime) and value != value


def _wants(what: str, value: Any) -> TypeError:
    return TypeError(f"{what} is wanted, not {type(value).__name__}")


def to_bool(value: Any) -> bool:
    """The bool of a NumPy bool; numbers are refused."""
    value = underlying(value)
    if type(value) is bool:
        return value
    raise _wants("True or False", value)


def to_int(value: Any) -> int:
    """The int of anything with `__index__`, and of a float or Decimal that is whole; bool is refused."""
    value = underlying(value)
    if isinstance(value, bool):
        raise TypeError("a whole number is wanted, not bool; pass int(value)")
    if isinstance(value, (float, Decimal)):
        return _whole(value)
    try:
        return int(value.__index__())
    except AttributeError:
        raise _wants("a whole number (int)", value) from None


def to_integer(value: Any) -> int:
    """As `to_int`, but floats and Decimals are refused, whole ones too."""
    plain = underlying(value)
    if isinstance(plain, (float, Decimal)):
        _whole(plain)
        raise _wants("a whole number (int)", value)
    return to_int(value)


def _whole(value: float | Decimal) -> int:
    """The int of a number without a fraction.

    An exponent beyond every integer type is refused before it is multiplied out.
    """
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() > 20:
        raise ValueError("out of range")
    if not math.isfinite(value) or value != int(value):
        raise ValueError("not a whole number; round it, or pass None for NULL")
    return int(value)


def to_float(value: Any) -> float:
    """The float of a float, int or Decimal; an int must be one a double holds exactly. bool is refused."""
    value = underlying(value)
    if isinstance(value, bool):
        raise TypeError("a number is wanted, not bool; pass float(value)")
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Decimal):
        return float(value)
    if hasattr(value, "__index__"):
        whole = int(value.__index__())
        made = float(whole)
        if made != whole:
            raise ValueError("a double cannot hold it exactly; pass float(value) to round it")
        return made
    raise _wants("a number (float)", value)


def to_numeric(value: Any) -> Decimal | int:
    """The Decimal of a Decimal or of a float's shortest digits, the int of an int; bool is refused."""
    if _numpy_kind(value) == "f":
        return Decimal(
            str(value.item() if value.dtype.itemsize == 8 else value)
        )  # a float32 has its own shortest digits
    value = underlying(value)
    if isinstance(value, bool):
        raise TypeError("a number is wanted, not bool; pass int(value)")
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, Decimal):
        return Decimal(value)
    if hasattr(value, "__index__"):
        return int(value.__index__())
    raise _wants("a number (Decimal, int or float)", value)


def to_str(value: Any) -> str:
    """The str of a subclass or of an enum member whose value is a str."""
    value = underlying(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("text is wanted, not bytes; decode it first")
    raise _wants("text (str)", value)


def to_bytes(value: Any) -> bytes:
    """The bytes of anything with the buffer protocol."""
    if isinstance(value, str):
        raise TypeError("bytes are wanted, not str; encode it first")
    try:
        return bytes(memoryview(value))
    except TypeError:
        raise _wants("bytes", value) from None


def to_date(value: Any) -> date | None:
    """The date of a datetime at midnight, of a subclass of date, or of a NumPy date."""
    value = numpy_time(value)
    if value is None or _is_nat(value):
        return None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise ValueError("a date is wanted, and which day this is depends on the time zone; pass value.date()")
        if value.time() != time() or bool(getattr(value, "nanosecond", False)):
            raise ValueError("a date is wanted, and this has a time of day; pass value.date()")
        return date(value.year, value.month, value.day)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    raise _wants("a date (datetime.date)", value)


def _exact_datetime(value: datetime) -> datetime:
    if getattr(value, "nanosecond", 0):
        raise ValueError("would lose digits below a microsecond; round it first")
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return datetime(*parts, tzinfo=value.tzinfo, fold=value.fold)


def to_timestamp(value: Any) -> datetime | None:
    """The naive datetime of a subclass of datetime, of a NumPy time, or of a date (its midnight)."""
    value = numpy_time(value)
    if value is None or _is_nat(value):
        return None
    if isinstance(value, datetime):
        return _exact_datetime(value)  # one with tzinfo is refused by the codec
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise _wants("a datetime without tzinfo", value)


def to_timestamptz(value: Any) -> datetime | None:
    """The aware datetime of a subclass of datetime; NumPy times count from 1970-01-01 00:00 UTC and are taken so."""
    plain = numpy_time(value)
    if plain is None or _is_nat(plain):
        return None
    if isinstance(plain, datetime):
        return _exact_datetime(plain) if plain is value else plain.replace(tzinfo=timezone.utc)
    if isinstance(plain, date):
        if plain is not value:
            return datetime(plain.year, plain.month, plain.day, tzinfo=timezone.utc)
        raise TypeError(
            "a datetime with tzinfo is wanted, not date: which instant a day begins at depends on the time zone"
        )
    raise _wants("a datetime with tzinfo", value)


def to_time(value: Any) -> time:
    """The time of a subclass of time."""
    if isinstance(value, time):
        return time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)
    raise _wants("a time (datetime.time)", value)


def to_interval(value: Any) -> timedelta | Interval | None:
    """The timedelta of a subclass of timedelta or of a NumPy duration, the Interval of one in months or years."""
    value = numpy_time(value)
    if value is None or _is_nat(value):
        return None
    if isinstance(value, timedelta):
        if getattr(value, "nanoseconds", 0):
            raise ValueError("would lose digits below a microsecond; round it first")
        return timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, Interval):
        return value
    raise _wants("an interval (datetime.timedelta or pgfast.Interval)", value)


def to_uuid(value: Any) -> UUID:
    """The UUID of its text form, of 16 bytes, or of a subclass."""
    value = underlying(value)
    if isinstance(value, UUID):
        return UUID(int=value.int)
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            raise ValueError("not a UUID") from None
    if isinstance(value, bytes):
        if len(value) != 16:
            raise ValueError("not a UUID: it has not 16 bytes")
        return UUID(bytes=value)
    raise _wants("a UUID (uuid.UUID)", value)


#: json.dumps would make one for every value, because it is not the default one.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any) -> str | bytes:
    """The JSON text of a value.

    A str or bytes is JSON text already, anything else is written by the `json` module; `Json` wraps a str that is to
    be written so.
    """
    if isinstance(value, Json):
        if value.dumps is not None:
            return value.dumps(value.value)
        value = value.value
    elif isinstance(value, str):
        return str.__str__(value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return _ENCODER.encode(value)


HOOKS: Final[Mapping[int, Hook]] = MappingProxyType(
    {
        const.KIND_BOOL: to_bool,
        const.KIND_INT2: to_int,
        const.KIND_INT4: to_int,
        const.KIND_INT8: to_int,
        const.KIND_OID: to_int,
        const.KIND_UINT8: to_int,
        const.KIND_FLOAT4: to_float,
        const.KIND_FLOAT8: to_float,
        const.KIND_NUMERIC: to_numeric,
        const.KIND_STR: to_str,
        const.KIND_CHAR: to_str,
        const.KIND_BYTES: to_bytes,
        const.KIND_DATE: to_date,
        const.KIND_TIME: to_time,
        const.KIND_TIMETZ: to_time,
        const.KIND_TIMESTAMP: to_timestamp,
        const.KIND_TIMESTAMPTZ: to_timestamptz,
        const.KIND_INTERVAL: to_interval,
        const.KIND_UUID: to_uuid,
        const.KIND_JSON: to_json,
        const.KIND_JSONB: to_json,
    }
)
