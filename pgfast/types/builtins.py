"""The types every PostgreSQL from 14 to 18 has, by their fixed OIDs.

Law of this file: tables, a line a type. Where a version lacks a type its OID does not come up.

Sources: the server's pg_type.dat and pg_range.dat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from .. import const
from .catalogue import Named, TypeInfo, array_of
from .forms import FORMS

#: Types that kernels read and write: name, OID, array OID, kind, SQL name, Arrow format, Arrow extension.
_KERNEL_TYPES: Final[tuple[tuple[str, int, int, int, str, str, str | None], ...]] = (
    ("bool", const.OID_BOOL, 1000, const.KIND_BOOL, "boolean", "b", None),
    ("int2", const.OID_INT2, 1005, const.KIND_INT2, "smallint", "s", None),
    ("int4", const.OID_INT4, 1007, const.KIND_INT4, "integer", "i", None),
    ("int8", const.OID_INT8, 1016, const.KIND_INT8, "bigint", "l", None),
    ("oid", const.OID_OID, 1028, const.KIND_OID, "oid", "I", None),
    ("xid", 28, 1011, const.KIND_OID, "xid", "I", None),
    ("cid", 29, 1012, const.KIND_OID, "cid", "I", None),
    ("xid8", 5069, 271, const.KIND_UINT8, "xid8", "L", None),
    ("float4", const.OID_FLOAT4, 1021, const.KIND_FLOAT4, "real", "f", None),
    ("float8", const.OID_FLOAT8, 1022, const.KIND_FLOAT8, "double precision", "g", None),
    ("numeric", const.OID_NUMERIC, 1231, const.KIND_NUMERIC, "numeric", "u", None),
    ("text", const.OID_TEXT, 1009, const.KIND_STR, "text", "u", None),
    ("varchar", const.OID_VARCHAR, 1015, const.KIND_STR, "varchar", "u", None),
    ("bpchar", const.OID_BPCHAR, 1014, const.KIND_STR, "bpchar", "u", None),
    ("name", const.OID_NAME, 1003, const.KIND_STR, "name", "u", None),
    ("char", const.OID_CHAR, 1002, const.KIND_CHAR, '"char"', "u", None),
    ("refcursor", 1790, 2201, const.KIND_STR, "refcursor", "u", None),
    ("unknown", const.OID_UNKNOWN, 0, const.KIND_STR, "unknown", "u", None),
    ("cstring", 2275, 1263, const.KIND_STR, "cstring", "u", None),
    ("void", 2278, 0, const.KIND_STR, "void", "u", None),
    ("bytea", const.OID_BYTEA, 1001, const.KIND_BYTES, "bytea", "z", None),
    ("date", const.OID_DATE, 1182, const.KIND_DATE, "date", "tdD", None),
    ("time", const.OID_TIME, 1183, const.KIND_TIME, "time", "ttu", None),
    ("timetz", const.OID_TIMETZ, 1270, const.KIND_TIMETZ, "timetz", "u", None),
    ("timestamp", const.OID_TIMESTAMP, 1115, const.KIND_TIMESTAMP, "timestamp", "tsu:", None),
    ("timestamptz", const.OID_TIMESTAMPTZ, 1185, const.KIND_TIMESTAMPTZ, "timestamptz", "tsu:UTC", None),
    ("interval", const.OID_INTERVAL, 1187, const.KIND_INTERVAL, "interval", "tin", None),
    ("uuid", const.OID_UUID, 2951, const.KIND_UUID, "uuid", "w:16", "arrow.uuid"),
    ("json", const.OID_JSON, 199, const.KIND_JSON, "json", "u", "arrow.json"),
    ("jsonb", const.OID_JSONB, 3807, const.KIND_JSONB, "jsonb", "u", "arrow.json"),
)

#: Types read and written by a Form, or as the server's own text: name, OID, array OID.
_OTHER_TYPES: Final[tuple[tuple[str, int, int], ...]] = (
    ("bit", 1560, 1561),
    ("varbit", 1562, 1563),
    ("inet", 869, 1041),
    ("cidr", 650, 651),
    ("macaddr", 829, 1040),
    ("macaddr8", 774, 775),
    ("point", 600, 1017),
    ("lseg", 601, 1018),
    ("path", 602, 1019),
    ("box", 603, 1020),
    ("polygon", 604, 1027),
    ("line", 628, 629),
    ("circle", 718, 719),
    ("tsvector", 3614, 3643),
    ("tsquery", 3615, 3645),
    ("gtsvector", 3642, 3644),
    ("jsonpath", 4072, 4073),
    ("xml", 142, 143),
    ("tid", 27, 1010),
    ("pg_lsn", 3220, 3221),
    ("pg_snapshot", 5038, 5039),
    ("txid_snapshot", 2970, 2949),
    ("aclitem", 1033, 1034),
    ("regproc", 24, 1008),
    ("regprocedure", 2202, 2207),
    ("regoper", 2203, 2208),
    ("regoperator", 2204, 2209),
    ("regclass", 2205, 2210),
    ("regtype", 2206, 2211),
    ("regconfig", 3734, 3735),
    ("regdictionary", 3769, 3770),
    ("regnamespace", 4089, 4090),
    ("regrole", 4096, 4097),
    ("regcollation", 4191, 4192),
    ("pg_node_tree", 194, 0),
    ("pg_ndistinct", 3361, 0),
    ("pg_dependencies", 3402, 0),
    ("pg_mcv_list", 5017, 0),
    ("pg_brin_bloom_summary", 4600, 0),
    ("pg_brin_minmax_multi_summary", 4601, 0),
    # Pseudo-types. Columns of views and results of functions have some of them; of the others there are no values.
    ("any", 2276, 0),
    ("anyarray", 2277, 0),
    ("anyelement", 2283, 0),
    ("anynonarray", 2776, 0),
    ("anyenum", 3500, 0),
    ("anyrange", 3831, 0),
    ("anymultirange", 4537, 0),
    ("anycompatible", 5077, 0),
    ("anycompatiblearray", 5078, 0),
    ("anycompatiblenonarray", 5079, 0),
    ("anycompatiblerange", 5080, 0),
    ("anycompatiblemultirange", 4538, 0),
    ("trigger", 2279, 0),
    ("event_trigger", 3838, 0),
    ("language_handler", 2280, 0),
    ("fdw_handler", 3115, 0),
    ("index_am_handler", 325, 0),
    ("table_am_handler", 269, 0),
    ("tsm_handler", 3310, 0),
    ("internal", 2281, 0),
    ("pg_ddl_command", 32, 0),
)

#: Vectors: name, OID, array OID, element. They are read in binary and written as text, `1 2 3`.
_VECTORS: Final = (("int2vector", 22, 1006, "int2"), ("oidvector", 30, 1013, "oid"))

#: Ranges and their multiranges: name, OID, array OID, bound, name, OID, array OID.
_RANGES: Final = (
    ("int4range", 3904, 3905, "int4", "int4multirange", 4451, 6150),
    ("int8range", 3926, 3927, "int8", "int8multirange", 4536, 6157),
    ("numrange", 3906, 3907, "numeric", "nummultirange", 4532, 6151),
    ("daterange", 3912, 3913, "date", "datemultirange", 4535, 6155),
    ("tsrange", 3908, 3909, "timestamp", "tsmultirange", 4533, 6152),
    ("tstzrange", 3910, 3911, "timestamptz", "tstzmultirange", 4534, 6153),
)

OID_RECORD: Final = 2249
_RECORD_ARRAY: Final = 2287
#: money is read by the scale of the session's lc_monetary, which only the server knows; see `discovery`.
OID_MONEY: Final = 790
OID_MONEY_ARRAY: Final = 791

#: Spellings of SQL beside pg_type's names and those of the tables.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "int": "int4",
        "decimal": "numeric",
        "dec": "numeric",
        "float": "float8",
        "character varying": "varchar",
        "character": "bpchar",
        "char": "bpchar",  # what SQL takes it for; the other is written in quotes
        "bit varying": "varbit",
        "timestamp without time zone": "timestamp",
        "timestamp with time zone": "timestamptz",
        "time without time zone": "time",
        "time with time zone": "timetz",
    }
)


def _scalars() -> Iterator[TypeInfo]:
    for name, oid, array_oid, kind, sql, arrow, extension in _KERNEL_TYPES:
        yield TypeInfo(name, oid, array_oid, kind, sql, arrow, extension)
    for name, oid, array_oid in _OTHER_TYPES:
        yield Named(name, oid, array_oid, name, delimiter=";" if name == "box" else ",").by_form(FORMS.get(name))
    yield TypeInfo("record", OID_RECORD, _RECORD_ARRAY, const.KIND_RECORD, "record", "", binary_in=False)


def _vectors_and_ranges(found: Mapping[str, TypeInfo]) -> Iterator[TypeInfo]:
    for name, oid, array_oid, element in _VECTORS:
        yield TypeInfo(name, oid, array_oid, const.KIND_VECTOR, name, "+l", children=(found[element],), binary_in=False)
    for name, oid, array_oid, bound, several, several_oid, several_array_oid in _RANGES:
        one = Named(name, oid, array_oid, name).range(found[bound])
        yield one
        yield Named(several, several_oid, several_array_oid, several).multirange(one)


def _table() -> dict[int, TypeInfo]:
    found = {info.name: info for info in _scalars()}
    found.update({info.name: info for info in _vectors_and_ranges(found)})
    arrays = [array_of(info, info.array_oid) for info in found.values() if info.array_oid]
    return {info.oid: info for info in (*found.values(), *arrays)}


def _names(table: Mapping[int, TypeInfo]) -> dict[str, int]:
    """Every spelling of a built-in type's name, as SQL takes it -> its OID."""
    found: dict[str, int] = {"money": OID_MONEY, "money[]": OID_MONEY_ARRAY, "_money": OID_MONEY_ARRAY}
    for oid, info in table.items():
        found[info.name] = oid
        found[info.sql] = oid
        if info.array_oid:
            found[info.name + "[]"] = info.array_oid
    for alias, name in _ALIASES.items():
        found[alias] = found[name]
        found[alias + "[]"] = found[name + "[]"]
    return found


BY_OID: Final[Mapping[int, TypeInfo]] = MappingProxyType(_table())
BY_NAME: Final[Mapping[str, int]] = MappingProxyType(_names(BY_OID))
