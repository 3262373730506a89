"""The first set of PostgreSQL types: their OIDs, names, wire kinds and Arrow formats.

Law of this file: one table, one line a type. Whatever else the driver has to know about a type is derived from its
kind.

Sources: the server's pg_type.dat; Arrow, "C data interface", format strings, and the canonical extension types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .. import const


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """One base type. `name` is pg_type.typname, `sql` the name to write in a cast or CREATE TABLE.

    `arrow` is the Arrow format a column of it is read into (numeric with a typmod is the exception: decimal128),
    `extension` the name of the Arrow extension type that goes with it, or None.
    """

    name: str
    oid: int
    array_oid: int
    kind: int
    sql: str
    arrow: str
    extension: str | None = None


FIRST_SET: Final[tuple[TypeInfo, ...]] = (
    TypeInfo("bool", const.OID_BOOL, 1000, const.KIND_BOOL, "boolean", "b"),
    TypeInfo("int2", const.OID_INT2, 1005, const.KIND_INT2, "smallint", "s"),
    TypeInfo("int4", const.OID_INT4, 1007, const.KIND_INT4, "integer", "i"),
    TypeInfo("int8", const.OID_INT8, 1016, const.KIND_INT8, "bigint", "l"),
    TypeInfo("oid", const.OID_OID, 1028, const.KIND_OID, "oid", "I"),
    TypeInfo("float4", const.OID_FLOAT4, 1021, const.KIND_FLOAT4, "real", "f"),
    TypeInfo("float8", const.OID_FLOAT8, 1022, const.KIND_FLOAT8, "double precision", "g"),
    TypeInfo("numeric", const.OID_NUMERIC, 1231, const.KIND_NUMERIC, "numeric", "u"),
    TypeInfo("text", const.OID_TEXT, 1009, const.KIND_STR, "text", "u"),
    TypeInfo("varchar", const.OID_VARCHAR, 1015, const.KIND_STR, "varchar", "u"),
    TypeInfo("bpchar", const.OID_BPCHAR, 1014, const.KIND_STR, "bpchar", "u"),
    TypeInfo("name", const.OID_NAME, 1003, const.KIND_STR, "name", "u"),
    TypeInfo("char", const.OID_CHAR, 1002, const.KIND_CHAR, '"char"', "u"),
    TypeInfo("bytea", const.OID_BYTEA, 1001, const.KIND_BYTES, "bytea", "z"),
    TypeInfo("date", const.OID_DATE, 1182, const.KIND_DATE, "date", "tdD"),
    TypeInfo("time", const.OID_TIME, 1183, const.KIND_TIME, "time", "ttu"),
    TypeInfo("timetz", const.OID_TIMETZ, 1270, const.KIND_TIMETZ, "timetz", "u"),
    TypeInfo("timestamp", const.OID_TIMESTAMP, 1115, const.KIND_TIMESTAMP, "timestamp", "tsu:"),
    TypeInfo("timestamptz", const.OID_TIMESTAMPTZ, 1185, const.KIND_TIMESTAMPTZ, "timestamptz", "tsu:UTC"),
    TypeInfo("interval", const.OID_INTERVAL, 1187, const.KIND_INTERVAL, "interval", "tin"),
    TypeInfo("uuid", const.OID_UUID, 2951, const.KIND_UUID, "uuid", "w:16", "arrow.uuid"),
    TypeInfo("json", const.OID_JSON, 199, const.KIND_JSON, "json", "u", "arrow.json"),
    TypeInfo("jsonb", const.OID_JSONB, 3807, const.KIND_JSONB, "jsonb", "u", "arrow.json"),
)

BY_OID: Final[Mapping[int, TypeInfo]] = MappingProxyType({info.oid: info for info in FIRST_SET})
#: The element type of each array type.
BY_ARRAY_OID: Final[Mapping[int, TypeInfo]] = MappingProxyType({info.array_oid: info for info in FIRST_SET})

#: What a kind is called in an error, in the words of the person who wrote the table.
KIND_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        const.KIND_STR: "text",
        **{info.kind: info.name for info in FIRST_SET if info.kind != const.KIND_STR},
        const.KIND_CHAR: '"char"',
        const.KIND_ARRAY: "an array",
    }
)


def type_name(oid: int) -> str:
    """The name to write in a cast: `integer`, `date[]`; `type with OID n` where the driver does not know it."""
    if oid in BY_OID:
        return BY_OID[oid].sql
    if oid in BY_ARRAY_OID:
        return BY_ARRAY_OID[oid].sql + "[]"
    return f"type with OID {oid}"
