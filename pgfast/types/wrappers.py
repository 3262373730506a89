"""Values that say of themselves which type they are: numbers of a width, JSON of either kind, ranges of a type.

They are for parameters whose type the server cannot tell, or would tell otherwise. What comes from the server is never
one of them.
"""

from __future__ import annotations

from typing import Any

from ..values import Multirange, Range
from .coerce import Jsonb


class Int2(int):
    """An int that is a smallint."""


class Int4(int):
    """An int that is an integer."""


class Int8(int):
    """An int that is a bigint."""


class IntNumeric(int):
    """An int that is a numeric."""


class Oid(int):
    """An int that is an oid."""


class Float4(float):
    """A float that is a real."""


class Float8(float):
    """A float that is a double precision."""


class Int4Range(Range[int]):
    """A Range that is an int4range."""

    __slots__ = ()


class Int8Range(Range[int]):
    """A Range that is an int8range."""

    __slots__ = ()


class NumericRange(Range[Any]):
    """A Range that is a numrange."""

    __slots__ = ()


class DateRange(Range[Any]):
    """A Range that is a daterange."""

    __slots__ = ()


class TimestampRange(Range[Any]):
    """A Range that is a tsrange."""

    __slots__ = ()


class TimestamptzRange(Range[Any]):
    """A Range that is a tstzrange."""

    __slots__ = ()


class Int4Multirange(Multirange[int]):
    """A Multirange that is an int4multirange."""

    __slots__ = ()


class Int8Multirange(Multirange[int]):
    """A Multirange that is an int8multirange."""

    __slots__ = ()


class NumericMultirange(Multirange[Any]):
    """A Multirange that is a nummultirange."""

    __slots__ = ()


class DateMultirange(Multirange[Any]):
    """A Multirange that is a datemultirange."""

    __slots__ = ()


class TimestampMultirange(Multirange[Any]):
    """A Multirange that is a tsmultirange."""

    __slots__ = ()


class TimestamptzMultirange(Multirange[Any]):
    """A Multirange that is a tstzmultirange."""

    __slots__ = ()


#: The types by the class of the value, a subclass before its base.
TYPES: dict[type, str] = {
    Int2: "int2",
    Int4: "int4",
    Int8: "int8",
    IntNumeric: "numeric",
    Oid: "oid",
    Float4: "float4",
    Float8: "float8",
    Jsonb: "jsonb",
    Int4Range: "int4range",
    Int8Range: "int8range",
    NumericRange: "numrange",
    DateRange: "daterange",
    TimestampRange: "tsrange",
    TimestamptzRange: "tstzrange",
    Int4Multirange: "int4multirange",
    Int8Multirange: "int8multirange",
    NumericMultirange: "nummultirange",
    DateMultirange: "datemultirange",
    TimestampMultirange: "tsmultirange",
    TimestamptzMultirange: "tstzmultirange",
}
