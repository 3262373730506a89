"""Python classes -> the types that their values stand for where nobody says more.

Law of this file: it says what a value would be declared as, and what to write in a query that takes it for something
else; whether it is declared so is decided elsewhere. `standing` writes the text of such values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from .. import const
from ..values import Array, Box, Circle, Interval, Line, LineSegment, Multirange, Path, Point, Polygon, Range
from ..values.lsn import LSN
from .coerce import Hook, Json, numpy_time, plain_value, underlying
from .wrappers import TYPES


def _of_int(value: int) -> str:
    if -(2**31) <= value < 2**31:
        return "int4"
    return "int8" if -(2**63) <= value < 2**63 else "numeric"


def _of_datetime(value: datetime) -> str:
    return "timestamp" if value.utcoffset() is None else "timestamptz"


def _of_time(value: time) -> str:
    return "time" if value.utcoffset() is None else "timetz"


GEOMETRIC: Final[Mapping[type, str]] = MappingProxyType(
    {
        Point: "point",
        Line: "line",
        LineSegment: "lseg",
        Box: "box",
        Path: "path",
        Polygon: "polygon",
        Circle: "circle",
    }
)
#: The types by Python class, or what says it of a value. A class that is not here has that of the first base that is.
_NAMES: Final[Mapping[type, str | Callable[[Any], str]]] = MappingProxyType(
    {
        bool: "bool",
        int: _of_int,
        float: "float8",
        Decimal: "numeric",
        datetime: _of_datetime,
        date: "date",
        time: _of_time,
        timedelta: "interval",
        Interval: "interval",
        UUID: "uuid",
        bytes: "bytea",
        bytearray: "bytea",
        memoryview: "bytea",
        dict: "jsonb",
        Json: "json",
        IPv4Address: "inet",
        IPv6Address: "inet",
        IPv4Network: "cidr",
        IPv6Network: "cidr",
        LSN: "pg_lsn",
        **GEOMETRIC,
        **TYPES,
    }
)
#: The range type for bounds of a type.
_RANGES: Final[Mapping[str | None, str]] = MappingProxyType(
    {
        "int4": "int4range",
        "int8": "int8range",
        "numeric": "numrange",
        "date": "daterange",
        "timestamp": "tsrange",
        "timestamptz": "tstzrange",
    }
)
#: Numbers, the type that holds the others first.
_NUMBERS: Final = ("numeric", "float8", "int8", "int4")


def name_of(value: Any) -> str | None:
    """The type that a value of this very class stands for, one of a subclass too; None where its class says nothing."""
    found = _NAMES.get(type(value))
    if found is None:
        found = next((_NAMES[cls] for cls in type(value).__mro__ if cls in _NAMES), None)
    return found if found is None or isinstance(found, str) else found(value)


def common_name(names: Iterable[str | None]) -> str | None:
    """The type that holds values of all these types, None where there is none, or where one is not known."""
    found = set(names)
    if len(found) > 1 and found <= {*_NUMBERS}:
        return next(name for name in _NUMBERS if name in found)
    return found.pop() if len(found) == 1 else None


def range_name(bounds: Iterable[str | None]) -> str | None:
    """The range type for bounds of these types, None where there is none."""
    return _RANGES.get(common_name(bounds))


def multirange_name(range_type: str) -> str:
    """The multirange type for a range type."""
    return range_type.replace("range", "multirange")


def is_text(value: Any) -> bool:
    """Whether a value is text, or a list in which there is some."""
    if isinstance(value, (list, tuple)):
        return any(map(is_text, value))
    return isinstance(underlying(value), str)


def cast_for(value: Any) -> str | None:
    """The type a Python value stands for where nobody says more, None where there is none, or where it is text."""
    if isinstance(value, (list, Array)):
        return _array_cast(list(value))
    named = name_of(plain := plain_value(value))
    if named is not None:
        return named
    if isinstance(plain, Range):
        return range_name(_bounds(plain))
    if isinstance(plain, Multirange):
        ranges = range_name([name for one in plain for name in _bounds(one)])
        return None if ranges is None else multirange_name(ranges)
    return None


def _bounds(value: Range[Any]) -> list[str | None]:
    return [cast_for(bound) for bound in (value.lower, value.upper) if bound is not None]


def _array_cast(value: list[Any], depth: int = 1) -> str | None:
    """The array type of a list's elements, None where they are of several types, or of none."""
    names: set[str | None] = set()
    for one in value:
        if isinstance(one, list):
            cast = _array_cast(one, depth + 1) if depth < const.MAX_DIMENSIONS else None
            names.add(None if cast is None else cast.removesuffix("[]"))
        elif one is not None:
            names.add("text" if isinstance(underlying(one), str) else cast_for(one))
    found = common_name(names)
    return None if found is None else found + "[]"


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
