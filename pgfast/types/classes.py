"""Python classes -> the types that their values stand for where nobody says more.

Law of this file: it says what a value would be declared as, and what to write in a query that takes it for something
else; whether it is declared so is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from .. import const
from ..values import Array, Interval, Multirange, Range
from .coerce import Hook, Json, numpy_time, underlying

_INT4: Final = (-(2**31), 2**31)
_INT8: Final = (-(2**63), 2**63)

#: The types by Python class, a subclass before its base.
_CASTS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "bool"),
    (int, "int8"),
    (float, "float8"),
    (Decimal, "numeric"),
    (datetime, "timestamptz"),
    (date, "date"),
    (time, "time"),
    (timedelta, "interval"),
    (Interval, "interval"),
    (UUID, "uuid"),
    (bytes, "bytea"),
    (bytearray, "bytea"),
    (memoryview, "bytea"),
    ((dict, Json), "jsonb"),
    ((IPv4Address, IPv6Address), "inet"),
    ((IPv4Network, IPv6Network), "cidr"),
)
#: The range type for bounds of a type.
_RANGE_CASTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "int": "int4range",
        "int8": "int8range",
        "numeric": "numrange",
        "date": "daterange",
        "timestamp": "tsrange",
        "timestamptz": "tstzrange",
    }
)


def is_text(value: Any) -> bool:
    """Whether a value is text, or a list in which there is some."""
    if isinstance(value, (list, tuple)):
        return any(map(is_text, value))
    return isinstance(underlying(value), str)


def cast_for(value: Any) -> str | None:
    """The type a Python value stands for where nobody says more, None where there is none, or where it is text."""
    if isinstance(value, Range):
        bound = value.upper if value.lower is None else value.lower
        return None if bound is None else _RANGE_CASTS.get(cast_for(bound) or "")
    if isinstance(value, Multirange):
        ranges = next((name for one in value if (name := cast_for(one)) is not None), None)
        return None if ranges is None else ranges.replace("range", "multirange")
    if isinstance(value, (list, Array)):
        return _array_cast(list(value))
    plain = numpy_time(underlying(value))
    cast = next((cast for cls, cast in _CASTS if isinstance(plain, cls)), None)
    if cast == "timestamptz" and plain.tzinfo is None:
        return "timestamp"
    if cast == "int8":
        return "int" if _INT4[0] <= plain < _INT4[1] else cast if _INT8[0] <= plain < _INT8[1] else "numeric"
    return cast


def _array_cast(value: list[Any], depth: int = 1) -> str | None:
    """The array type of a list's elements, None where they are of several types, or of none."""
    found: set[str] = set()
    for one in value:
        if isinstance(one, list):
            cast = _array_cast(one, depth + 1) if depth < const.MAX_DIMENSIONS else None
        else:
            cast = "text" if isinstance(underlying(one), str) else cast_for(one)
        if cast is not None:
            found.add(cast.removesuffix("[]"))
    widest = next((one for one in ("numeric", "int8") if one in found and found <= {"int", "int8", one}), None)
    cast = widest or (found.pop() if len(found) == 1 else None)
    return None if cast is None else cast + "[]"


def cast_to_write(value: Any, number: int, type_name: str) -> str:
    """What to write in the query where `$number` should take such a value after all; "" where nothing helps."""
    if isinstance(value, str):
        return f"; where the server is to read text, write ${number}::text::{type_name} in the query"
    cast = cast_for(value)
    if cast is None or cast == type_name or (cast, type_name) == ("jsonb", "json"):
        return ""
    return f"; where {cast} is meant, write the cast ${number}::{cast}"


def text_parameter(number: int) -> Hook:
    """The hook of parameter `$number` that the server took for text.

    A value that is not text is refused with the cast to write.
    """

    def hook(value: Any) -> str:
        plain = numpy_time(underlying(value))
        if isinstance(plain, str):
            return str.__str__(plain)
        cast = cast_for(plain)
        if cast is None:
            raise TypeError(
                f"the server takes parameter ${number} for text; pass a str, or write a cast behind it in the query"
            )
        raise TypeError(
            f"the server takes parameter ${number} for text; write the cast ${number}::{cast} in the query, "
            "or pass a str"
        )

    return hook
