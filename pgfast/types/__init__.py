"""Types: how values of PostgreSQL's types become Python values and back.

What is registered and chosen here holds for the whole process; `conn.types` and `cursor.types` say the same for one
connection or cursor, and come first.

    pgfast.types.register_enum("mood", Mood)
    pgfast.types.configure(dates="text", json_loads=orjson.loads)
"""

from __future__ import annotations

from ..values import Array, Interval, Multirange, Range
from .coerce import Json, Jsonb
from .infos import CompositeInfo, EnumInfo, MultirangeInfo, RangeInfo, TypeInfo
from .policies import Policies
from .registry import PROCESS, Registry

register = PROCESS.register
register_enum = PROCESS.register_enum
register_composite = PROCESS.register_composite
declare = PROCESS.declare
configure = PROCESS.configure

__all__ = [
    "Array",
    "CompositeInfo",
    "EnumInfo",
    "Interval",
    "Json",
    "Jsonb",
    "Multirange",
    "MultirangeInfo",
    "Policies",
    "Range",
    "RangeInfo",
    "Registry",
    "TypeInfo",
    "configure",
    "declare",
    "register",
    "register_composite",
    "register_enum",
]
