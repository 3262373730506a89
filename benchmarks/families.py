"""The type families that are measured: for each the columns, the specs the codec is given for them, and its rows.

Law of this file: values are made from the row's number alone, so that every process makes the same ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pgfast import Range, const

Row = tuple[Any, ...]

_INT4: Final = (const.KIND_INT4, const.OID_INT4, None, ())
_TEXT: Final = (const.KIND_STR, const.OID_TEXT, None, ())
_NUMERIC: Final = (const.KIND_NUMERIC, const.OID_NUMERIC, None, ())
_MOODS: Final = ("sad", "ok", "happy", "ecstatic")
_UTC: Final = timezone.utc


def _top(kind: int, *children: Any) -> Any:
    """The spec of a column."""
    return (kind, 0, None, children)


def _short(i: int) -> str:
    return f"row {i}"


@dataclass(frozen=True, slots=True)
class Family:
    """One family: SQL types and codec specs of its columns, and what makes the values of row number i.

    `weight` is how many ordinary rows one of its rows stands for, so that cases take about the same time.
    `setup` makes the types it needs, once.
    """

    columns: tuple[str, ...]
    specs: tuple[Any, ...]
    row: Callable[[int], Row]
    weight: int = 1
    setup: str = ""

    def rows(self, count: int) -> list[Row]:
        """The first rows."""
        row = self.row
        return [row(i) for i in range(count)]

    def table(self, name: str) -> str:
        """SQL that makes a table of the columns a, b, c ..."""
        columns = ", ".join(f"{letter} {kind}" for letter, kind in zip("abcdefgh", self.columns, strict=False))
        return f"create table {name} ({columns})"


FAMILIES: Final = MappingProxyType(
    {
        "ints": Family(
            ("int2", "int4", "int8", "int4"),
            (_top(const.KIND_INT2), _top(const.KIND_INT4), _top(const.KIND_INT8), _top(const.KIND_INT4)),
            lambda i: (i % 30000, i, i * 1_000_003, -i),
        ),
        "floats": Family(
            ("float8", "float8", "float4", "float8"),
            (_top(const.KIND_FLOAT8), _top(const.KIND_FLOAT8), _top(const.KIND_FLOAT4), _top(const.KIND_FLOAT8)),
            lambda i: (i / 7, -i * 1.5, float(i % 4096) / 8, i * 1e-9),
        ),
        "numerics": Family(
            ("numeric(15,2)", "numeric(15,2)", "numeric(12,4)", "numeric(30,10)"),
            (_top(const.KIND_NUMERIC),) * 4,
            lambda i: (
                Decimal(90000 + i * 7919 % 9_000_000).scaleb(-2),
                Decimal(-i).scaleb(-2),
                Decimal(i * 31).scaleb(-4),
                Decimal(i * 10**15 + i).scaleb(-10),
            ),
        ),
        "short text": Family(
            ("text", "varchar(40)", "text", "text"),
            (_top(const.KIND_STR),) * 4,
            lambda i: (_short(i), "x" * (i % 40), "état", ("DELIVER IN PERSON", "NONE")[i % 2]),
        ),
        "timestamps": Family(
            ("timestamp", "timestamptz", "timestamp"),
            (_top(const.KIND_TIMESTAMP), _top(const.KIND_TIMESTAMPTZ), _top(const.KIND_TIMESTAMP)),
            lambda i: (
                datetime(2000, 1, 1) + timedelta(minutes=i * 13, microseconds=i),
                datetime(2024, 1, 1, tzinfo=_UTC) + timedelta(seconds=i),
                datetime(1992, 1, 1) + timedelta(days=i % 9000),
            ),
        ),
        "dates and times": Family(
            ("date", "time", "interval", "date"),
            (_top(const.KIND_DATE), _top(const.KIND_TIME), _top(const.KIND_INTERVAL), _top(const.KIND_DATE)),
            lambda i: (
                date(1992, 1, 1) + timedelta(days=i * 7 % 2500),
                time(i % 24, i % 60, i % 59, i % 1_000_000),
                timedelta(days=i % 100, seconds=i % 86400),
                date(2000, 1, 1) + timedelta(days=i % 9000),
            ),
        ),
        "uuid": Family(("uuid", "uuid"), (_top(const.KIND_UUID),) * 2, lambda i: (UUID(int=i << 64 | i), UUID(int=i))),
        "bool": Family(
            ("bool",) * 4,
            (_top(const.KIND_BOOL),) * 4,
            lambda i: (i % 2 == 0, i % 3 == 0, None if i % 5 else True, False),
        ),
        "bytea": Family(
            ("bytea", "bytea"), (_top(const.KIND_BYTES),) * 2, lambda i: (b"\x00\xff" * (i % 20), b"%016d" % i)
        ),
        "jsonb": Family(
            ("jsonb",),
            (_top(const.KIND_JSONB),),
            lambda i: ({"id": i, "name": _short(i), "tags": ["a", "b"], "price": i / 4, "none": None},),
            2,
        ),
        "int4[] of 100": Family(
            ("int4[]",), (_top(const.KIND_ARRAY, _INT4),), lambda i: (list(range(i, i + 100)),), 20
        ),
        "text[]": Family(
            ("text[]",), (_top(const.KIND_ARRAY, _TEXT),), lambda i: ([_short(i + n) for n in range(i % 10)],), 2
        ),
        "ranges": Family(
            ("int4range", "int8range"),
            (_top(const.KIND_RANGE, _INT4), _top(const.KIND_RANGE, (const.KIND_INT8, 20, None, ()))),
            lambda i: (Range(i, i + 10), Range(i, None)),
            2,
        ),
        "composites": Family(
            ("bench_pair",),
            (_top(const.KIND_COMPOSITE, _INT4, _TEXT, _NUMERIC),),
            lambda i: ((i, _short(i), Decimal(i).scaleb(-2)),),
            2,
            "create type bench_pair as (a int4, b text, c numeric)",
        ),
        "enums": Family(
            ("bench_mood",) * 3,
            (_top(const.KIND_ENUM),) * 3,
            lambda i: (_MOODS[i % 4], _MOODS[i % 3], None if i % 7 == 0 else "ok"),
            1,
            f"create type bench_mood as enum ({', '.join(map(repr, _MOODS))})",
        ),
    }
)

_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)


def decode_specs(specs: tuple[Any, ...]) -> list[Any]:
    """The specs with the calls by which values are read."""
    return [(kind, oid, json.loads if kind in _JSON else call, children) for kind, oid, call, children in specs]


def encode_specs(specs: tuple[Any, ...]) -> list[Any]:
    """The specs with the calls by which values are written."""
    return [(kind, oid, json.dumps if kind in _JSON else call, children) for kind, oid, call, children in specs]


def decimal_shape(kind: str) -> tuple[int, int]:
    """(precision, scale) of a numeric's SQL type; of any other (0, 0)."""
    found = re.match(r"numeric\((\d+),(\d+)\)", kind)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def sink_spec(spec: Any, kind: str = "") -> Any:
    """The column of SQL type `kind` for a sink: numerics as decimals, ranges as they came."""
    code, oid, _call, children = spec
    if code in (const.KIND_RANGE, const.KIND_MULTIRANGE):
        code, children = const.KIND_CALL, ()
    labels = tuple([label.encode() for label in _MOODS]) if code == const.KIND_ENUM else ()
    return (code, oid, *decimal_shape(kind), tuple([sink_spec(child) for child in children]), labels)


def sink_specs(family: Family) -> list[Any]:
    """The family's columns for a sink."""
    return [sink_spec(spec, kind) for spec, kind in zip(family.specs, family.columns, strict=True)]
