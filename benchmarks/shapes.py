"""What the codec is measured with: rows, specs and bytes of lineitem, of four number columns, of every family of types.

Law of this file: the bytes are made by the pure codec, so that no server is needed and neither codec makes its own.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType, ModuleType
from typing import Any, Final

from pgfast import _codec_py, const

from .families import FAMILIES, Family, decimal_shape, encode_specs, sink_specs

_INT4, _INT8, _TEXT, _DATE, _NUMERIC = (
    (kind, 0, None, ())
    for kind in (const.KIND_INT4, const.KIND_INT8, const.KIND_STR, const.KIND_DATE, const.KIND_NUMERIC)
)


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
    ("int8", "int8", "int8", "int4", *("numeric(15,2)",) * 4, *("text",) * 2, *("date",) * 3, *("text",) * 3),
    (_INT8, _INT8, _INT8, _INT4, *(_NUMERIC,) * 4, *(_TEXT,) * 2, *(_DATE,) * 3, *(_TEXT,) * 3),
    lineitem,
)

_FLOAT8: Final = (const.KIND_FLOAT8, 0, None, ())

#: Four number columns, as the whole-process works have them.
FOUR: Final = Family(
    ("int4", "int8", "float8", "float8"),
    (_INT4, _INT8, _FLOAT8, _FLOAT8),
    lambda i: (i, i * 1_000_003, i / 7, -i * 1.5),
)

#: The tables of the whole-process works, and every family of types.
SHAPES: Final = MappingProxyType({"lineitem": LINEITEM, "four": FOUR, **FAMILIES})


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


def source_columns(family: Family, block: bytearray, rows: int) -> list[Any]:
    """The columns of the rows in Arrow layout, as the pure sink makes them."""
    sink = _codec_py.ColumnSink(sink_specs(family))
    _codec_py.decode_columns(sink, block, 0, len(block), rows)
    made = []
    for spec, kind, column in zip(family.specs, family.columns, sink.cut()[1], strict=True):
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
