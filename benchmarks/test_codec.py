"""The codec's kernels, compiled beside pure: what one run of rows costs (pytest-benchmark).

Groups name the work, so that the two implementations stand under each other; the figure to read is the ratio. The
bytes are those of TPC-H lineitem as the server sends them, made here by the pure codec so that no server is needed.

    python -m pytest benchmarks/test_codec.py --benchmark-only
"""

from __future__ import annotations

import importlib
import itertools
from datetime import date, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgfast import _codec_py, const

from .families import FAMILIES, Family, decimal_shape, decode_specs, encode_specs, sink_specs

ROWS: Final = 5000

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

#: Groups: the table of the whole-process benchmarks, and every family of types.
SHAPES: Final = {"lineitem": LINEITEM, **FAMILIES}
ROWS_OF: Final = {name: shape.rows(ROWS // shape.weight) for name, shape in SHAPES.items()}
#: Groups whose columns lie in Arrow layouts that the codec stores natively.
FLAT: Final = [name for name, shape in SHAPES.items() if not any(spec[3] for spec in shape.specs) and name != "enums"]


def copy_bytes(codec: ModuleType, specs: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> memoryview:
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


BLOCKS: Final = {name: data_rows(shape.specs, ROWS_OF[name]) for name, shape in SHAPES.items()}


@pytest.fixture(params=["c", "python"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module({"c": "pgfast._codec", "python": "pgfast._codec_py"}[request.param])


@pytest.mark.parametrize("shape", SHAPES)
def test_decode_rows(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"decode_rows {shape}"
    specs, rows = SHAPES[shape].specs, ROWS_OF[shape]
    plan, block = codec.Plan(decode_specs(specs)), BLOCKS[shape]
    assert benchmark(codec.decode_rows, plan, block, 0, len(block), len(rows)) == rows


@pytest.mark.parametrize("shape", SHAPES)
def test_decode_columns(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"decode_columns {shape}"
    rows, block = ROWS_OF[shape], BLOCKS[shape]

    def decode() -> Any:
        sink = codec.ColumnSink(sink_specs(SHAPES[shape]))
        codec.decode_columns(sink, block, 0, len(block), len(rows))
        return sink.cut()

    assert benchmark(decode)[0] == len(rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_encode_copy_rows(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"encode_copy_rows {shape}"
    specs, rows = SHAPES[shape].specs, ROWS_OF[shape]
    expected = bytes(copy_bytes(_codec_py, specs, rows))
    assert bytes(benchmark(copy_bytes, codec, specs, rows)) == expected


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


def source_columns(shape: str) -> list[Any]:
    """The shape's columns in Arrow layout, as the sink makes them of its own rows."""
    family = SHAPES[shape]
    sink = _codec_py.ColumnSink(sink_specs(family))
    _codec_py.decode_columns(sink, BLOCKS[shape], 0, len(BLOCKS[shape]), len(ROWS_OF[shape]))
    made = []
    for spec, kind, column in zip(family.specs, family.columns, sink.cut()[1], strict=True):
        length, _nulls, validity, offsets, data, _children, _dictionary = column
        layout = _LAYOUTS[spec[0]]
        scale = decimal_shape(kind)[1] or _SCALES.get(layout, 0)
        made.append((layout, spec, length, 0, validity, data, offsets, scale, (), None))
    return made


@pytest.mark.parametrize("shape", FLAT)
def test_encode_copy_columns(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"encode_copy_columns {shape}"
    specs, rows = SHAPES[shape].specs, ROWS_OF[shape]
    columns = source_columns(shape)

    def encode() -> bytes:
        out = codec.WriteBuffer(1 << 20)
        out.begin_copy()
        codec.encode_copy_columns(out, columns, 0, len(rows), 1 << 40)
        out.end_copy()
        return bytes(out.take())

    assert benchmark(encode) == bytes(copy_bytes(_codec_py, specs, rows))


def test_text_copy(benchmark: BenchmarkFixture, codec: ModuleType) -> None:
    benchmark.group = "text COPY there and back"
    rows = [(str(i), None, "tab\there", "plain text of some length") for i in range(ROWS)]

    def there_and_back() -> Any:
        out = codec.WriteBuffer(1 << 20)
        out.begin_copy()
        codec.encode_copy_text(out, rows)
        out.end_copy()
        block = bytearray(out.take())
        return codec.decode_copy_text(codec.CopyState(binary=False), block, 0, len(block), 1)

    assert benchmark(there_and_back) == rows


def test_take_run(benchmark: BenchmarkFixture, codec: ModuleType) -> None:
    benchmark.group = "take_run"
    block = BLOCKS["lineitem"]

    def frame() -> int:
        buffer, at, found = codec.ReadBuffer(), 0, 0
        while at < len(block):
            view = buffer.get_buffer()
            size = min(len(view), len(block) - at)
            view[:size] = block[at : at + size]
            buffer.commit(size)
            at += size
            found += sum(run[3] for run in itertools.takewhile(bool, [buffer.take_run(const.DATA_ROW)]))
        return found

    assert benchmark(frame) == ROWS
