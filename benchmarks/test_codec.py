"""The codec's kernels, compiled beside pure: what one run of rows costs (pytest-benchmark).

Groups name the work, so that the two implementations stand under each other; the figure to read is the ratio. The
bytes are those of TPC-H lineitem as the server sends them, made here by the pure codec so that no server is needed.

    python -m pytest benchmarks/test_codec.py --benchmark-only
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgfast import _codec_py, const

ROWS: Final = 5000

_INT4: Final = (const.KIND_INT4, 0, 0, None)
_INT8: Final = (const.KIND_INT8, 0, 0, None)
_TEXT: Final = (const.KIND_STR, 0, 0, None)
_DATE: Final = (const.KIND_DATE, 0, 0, None)
_NUMERIC: Final = (const.KIND_NUMERIC, 0, 0, None)
_FLOAT8: Final = (const.KIND_FLOAT8, 0, 0, None)
_INT4_ARRAY: Final = (const.KIND_ARRAY, const.KIND_INT4, const.OID_INT4, None)

LINEITEM: Final = [_INT8, _INT8, _INT8, _INT4, *[_NUMERIC] * 4, _TEXT, _TEXT, _DATE, _DATE, _DATE, *[_TEXT] * 3]


def lineitem() -> Iterator[tuple[Any, ...]]:
    """Rows like lineitem's: few distinct flags, many distinct prices."""
    for i in range(ROWS):
        day = date(1992, 1, 1) + timedelta(days=i * 7 % 2500)
        yield (
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


#: Group -> (specs, rows, sink specs).
SHAPES: Final[dict[str, tuple[list[Any], list[tuple[Any, ...]]]]] = {
    "lineitem": (LINEITEM, list(lineitem())),
    "numbers": ([_INT8, _FLOAT8, _INT4, _FLOAT8], [(i, i / 7, i % 100, -i * 1.5) for i in range(ROWS)]),
    "numeric": ([_NUMERIC] * 4, [(Decimal(i).scaleb(-2),) * 4 for i in range(ROWS)]),
    "text": ([_TEXT] * 4, [(f"row {i}", "x" * (i % 40), "état", "") for i in range(ROWS)]),
    "dates": ([_DATE] * 4, [(date(2000, 1, 1) + timedelta(days=i % 9000),) * 4 for i in range(ROWS)]),
    "arrays": ([_INT4_ARRAY], [(list(range(100)),) for _ in range(ROWS // 20)]),
}


def sink_specs(specs: list[Any]) -> list[Any]:
    """The same columns for a sink, numerics as decimal128(15,2)."""
    return [(kind, element, *((15, 2) if kind == const.KIND_NUMERIC else (0, 0))) for kind, element, _, _ in specs]


def copy_bytes(codec: ModuleType, specs: list[Any], rows: list[tuple[Any, ...]]) -> memoryview:
    out = codec.WriteBuffer(1 << 20)
    out.begin_copy()
    codec.encode_copy_rows(out, codec.Plan(specs), iter(rows), 1 << 40)
    out.end_copy()
    made: memoryview = out.take()
    return made


def data_rows(specs: list[Any], rows: list[tuple[Any, ...]]) -> bytearray:
    """The rows as DataRow messages."""
    block = bytearray()
    for row in rows:
        payload = bytes(copy_bytes(_codec_py, specs, [row])[5:])
        block += b"D" + (len(payload) + 4).to_bytes(4, "big") + payload
    return block


BLOCKS: Final = {shape: data_rows(specs, rows) for shape, (specs, rows) in SHAPES.items()}


@pytest.fixture(params=["c", "python"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module({"c": "pgfast._codec", "python": "pgfast._codec_py"}[request.param])


@pytest.mark.parametrize("shape", SHAPES)
def test_decode_rows(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"decode_rows {shape}"
    specs, rows = SHAPES[shape]
    plan, block = codec.Plan(specs), BLOCKS[shape]
    assert benchmark(codec.decode_rows, plan, block, 0, len(block), len(rows)) == rows


@pytest.mark.parametrize("shape", SHAPES)
def test_decode_columns(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"decode_columns {shape}"
    specs, rows = SHAPES[shape]
    block = BLOCKS[shape]

    def decode() -> Any:
        sink = codec.ColumnSink(sink_specs(specs))
        codec.decode_columns(sink, block, 0, len(block), len(rows))
        return sink.cut()

    assert benchmark(decode)[0] == len(rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_encode_copy_rows(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"encode_copy_rows {shape}"
    specs, rows = SHAPES[shape]
    expected = bytes(copy_bytes(_codec_py, specs, rows))
    assert bytes(benchmark(copy_bytes, codec, specs, rows)) == expected


_LAYOUTS: Final = {
    const.KIND_INT4: (const.LAYOUT_I32, 0),
    const.KIND_INT8: (const.LAYOUT_I64, 0),
    const.KIND_FLOAT8: (const.LAYOUT_F64, 0),
    const.KIND_NUMERIC: (const.LAYOUT_DECIMAL128, 2),
    const.KIND_DATE: (const.LAYOUT_DATE32, 0),
    const.KIND_STR: (const.LAYOUT_VAR32, 0),
}


def source_columns(shape: str) -> list[Any]:
    """The shape's columns in Arrow layout, as the sink makes them of its own rows."""
    specs, rows = SHAPES[shape]
    sink = _codec_py.ColumnSink(sink_specs(specs))
    _codec_py.decode_columns(sink, BLOCKS[shape], 0, len(BLOCKS[shape]), len(rows))
    return [
        (_LAYOUTS[spec[0]][0], spec, length, 0, validity, data, offsets, _LAYOUTS[spec[0]][1], (), None)
        for spec, (length, _nulls, validity, offsets, data, _child) in zip(specs, sink.cut()[1], strict=True)
    ]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "arrays"])
def test_encode_copy_columns(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"encode_copy_columns {shape}"
    specs, rows = SHAPES[shape]
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
