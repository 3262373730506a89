"""What the codec is measured with: rows, specs and bytes of lineitem, of four number columns, of every family of types.

Law of this file: the bytes are made by the pure codec, so that no server is needed and neither codec makes its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType, ModuleType
from typing import Any, Final

from pgfast import _codec_py, const

from .families import FAMILIES, MOODS, Family
from .our_families import ours

_INT4: Final = (const.KIND_INT4, const.OID_INT4, None, ())
_INT8: Final = (const.KIND_INT8, const.OID_INT8, None, ())
_TEXT: Final = (const.KIND_STR, const.OID_TEXT, None, ())
_NUMERIC: Final = (const.KIND_NUMERIC, const.OID_NUMERIC, None, ())
_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)
#: SQL types to the kind of a column and what it is made of.
_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    "bool": (const.KIND_BOOL,),
    "int2": (const.KIND_INT2,),
    "int4": (const.KIND_INT4,),
    "int8": (const.KIND_INT8,),
    "float4": (const.KIND_FLOAT4,),
    "float8": (const.KIND_FLOAT8,),
    "numeric": (const.KIND_NUMERIC,),
    "text": (const.KIND_STR,),
    "varchar": (const.KIND_STR,),
    "bytea": (const.KIND_BYTES,),
    "uuid": (const.KIND_UUID,),
    "jsonb": (const.KIND_JSONB,),
    "date": (const.KIND_DATE,),
    "time": (const.KIND_TIME,),
    "timestamp": (const.KIND_TIMESTAMP,),
    "timestamptz": (const.KIND_TIMESTAMPTZ,),
    "interval": (const.KIND_INTERVAL,),
    "int4[]": (const.KIND_ARRAY, _INT4),
    "text[]": (const.KIND_ARRAY, _TEXT),
    "int4range": (const.KIND_RANGE, _INT4),
    "int8range": (const.KIND_RANGE, _INT8),
    "bench_pair": (const.KIND_COMPOSITE, _INT4, _TEXT, _NUMERIC),
    "bench_mood": (const.KIND_ENUM,),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A family as the codec is given it: with the specs of its columns."""

    family: Family

    @property
    def columns(self) -> tuple[str, ...]:
        """The SQL types."""
        return self.family.columns

    @property
    def weight(self) -> int:
        """How many ordinary rows one row stands for."""
        return self.family.weight

    @property
    def specs(self) -> tuple[Any, ...]:
        """The specs of the columns, as plans begin with them."""
        kinds = [_KINDS[kind.partition("(")[0]] for kind in self.columns]
        return tuple([(kind, 0, None, tuple(children)) for kind, *children in kinds])

    def rows(self, count: int) -> list[tuple[Any, ...]]:
        """The first rows."""
        return [tuple(map(ours, row)) for row in self.family.rows(count)]


def lineitem(i: int) -> tuple[Any, ...]:
    """A row like lineitem's: few distinct flags, many distinct prices."""
    day = date(1992, 1, 1) + timedelta(days=i * 7 % 2500)
    return (
        i // 4,
        i * 31 % 20000,
        i * 7 % 1000,
        i % 7 + 1,
        Decimal(i % 50 + 1).quantize(Decimal("0.01")),
        Decimal(90000 + i * 7919 % 9_000_000).scaleb(-2),
        Decimal(i % 11).scaleb(-2),
        Decimal(i % 9).scaleb(-2),
        "RAN"[i % 3],
        "OF"[i % 2],
        day,
        day + timedelta(days=30),
        day + timedelta(days=45),
        ("DELIVER IN PERSON", "COLLECT COD", "NONE")[i % 3],
        ("TRUCK", "MAIL", "RAIL", "AIR")[i % 4],
        f"carefully regular deposit {i:08d}",
    )


LINEITEM: Final = Family(
    (
        *("int8", "int8", "int8", "int4", *("numeric(15,2)",) * 4, "text", "text"),
        *("date", "date", "date", "text", "text", "text"),
    ),
    lineitem,
)
#: Four number columns, as the whole-process works have them.
FOUR: Final = Family(("int4", "int8", "float8", "float8"), lambda i: (i, i * 1_000_003, i / 7, -i * 1.5))
#: The tables of the whole-process works, and every family of types.
SHAPES: Final = MappingProxyType(
    {name: Shape(family) for name, family in {"lineitem": LINEITEM, "four": FOUR, **FAMILIES}.items()}
)


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
    labels = tuple([label.encode() for label in MOODS]) if code == const.KIND_ENUM else ()
    return (code, oid, *decimal_shape(kind), tuple([sink_spec(child) for child in children]), labels)


def sink_specs(shape: Shape) -> list[Any]:
    """The shape's columns for a sink."""
    return [sink_spec(spec, kind) for spec, kind in zip(shape.specs, shape.columns, strict=True)]


def copy_bytes(codec: ModuleType, specs: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> memoryview:
    """The rows as one CopyData frame of binary COPY."""
    out = codec.WriteBuffer(1 << 20)
    out.begin_copy()
    codec.encode_copy_rows(out, codec.Plan(encode_specs(specs)), iter(rows), 1 << 40)
    out.end_copy()
    made: memoryview = out.take()
    return made


def data_rows(specs: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> bytearray:
    """The rows as DataRow messages."""
    block = bytearray()
    for row in rows:
        payload = bytes(copy_bytes(_codec_py, specs, [row])[5:])
        block += b"D" + (len(payload) + 4).to_bytes(4, "big") + payload
    return block


_LAYOUTS: Final = {
    const.KIND_BOOL: const.LAYOUT_BOOL_BITS,
    const.KIND_INT2: const.LAYOUT_I16,
    const.KIND_INT4: const.LAYOUT_I32,
    const.KIND_INT8: const.LAYOUT_I64,
    const.KIND_FLOAT4: const.LAYOUT_F32,
    const.KIND_FLOAT8: const.LAYOUT_F64,
    const.KIND_NUMERIC: const.LAYOUT_DECIMAL128,
    const.KIND_DATE: const.LAYOUT_DATE32,
    const.KIND_TIME: const.LAYOUT_TIME64,
    const.KIND_TIMESTAMP: const.LAYOUT_TIMESTAMP,
    const.KIND_TIMESTAMPTZ: const.LAYOUT_TIMESTAMP,
    const.KIND_INTERVAL: const.LAYOUT_MONTH_DAY_NANO,
    const.KIND_UUID: const.LAYOUT_FIXED,
    const.KIND_STR: const.LAYOUT_VAR32,
    const.KIND_BYTES: const.LAYOUT_VAR32,
    const.KIND_JSONB: const.LAYOUT_VAR32,
}
#: What `scale` is for the layouts that need it.
_SCALES: Final = {
    const.LAYOUT_TIME64: const.US_PER_SECOND,
    const.LAYOUT_TIMESTAMP: const.US_PER_SECOND,
    const.LAYOUT_FIXED: 16,
}


def source_columns(shape: Shape, block: bytearray, rows: int) -> list[Any]:
    """The columns of the rows in Arrow layout, as the pure sink makes them."""
    sink = _codec_py.ColumnSink(sink_specs(shape))
    _codec_py.decode_columns(sink, block, 0, len(block), rows)
    made = []
    for spec, kind, column in zip(shape.specs, shape.columns, sink.cut()[1], strict=True):
        length, _nulls, validity, offsets, data, _children, _dictionary = column
        layout = _LAYOUTS[spec[0]]
        scale = decimal_shape(kind)[1] or _SCALES.get(layout, 0)
        made.append((layout, spec, length, 0, validity, data, offsets, scale, (), None))
    return made


def framed(codec: ModuleType, block: bytearray, tag: int) -> int:
    """The number of messages that ReadBuffer finds in the block, received as a socket would."""
    buffer, at, found = codec.ReadBuffer(), 0, 0
    while at < len(block):
        view = buffer.get_buffer()
        size = min(len(view), len(block) - at)
        view[:size] = block[at : at + size]
        buffer.commit(size)
        at += size
        run = buffer.take_run(tag)
        found += run[3] if run else 0
    return found
