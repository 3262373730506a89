"""The codec's kernels, compiled beside pure: what one run of rows costs (pytest-benchmark).

Groups name the work, so that the two implementations stand under each other; the figure to read is the ratio. The
bytes are those of TPC-H lineitem as the server sends them, made here by the pure codec so that no server is needed.

    python -m pytest benchmarks/test_codec.py --benchmark-only
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgfast import _codec_py, const

from .shapes import SHAPES, copy_bytes, data_rows, decode_specs, framed, sink_specs, source_columns

ROWS: Final = 5000

ROWS_OF: Final = {name: shape.rows(ROWS // shape.weight) for name, shape in SHAPES.items()}
#: Groups whose columns lie in Arrow layouts that the codec stores natively.
FLAT: Final = [name for name, shape in SHAPES.items() if not any(spec[3] for spec in shape.specs) and name != "enums"]
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


@pytest.mark.parametrize("shape", FLAT)
def test_encode_copy_columns(benchmark: BenchmarkFixture, codec: ModuleType, shape: str) -> None:
    benchmark.group = f"encode_copy_columns {shape}"
    specs, rows = SHAPES[shape].specs, ROWS_OF[shape]
    columns = source_columns(SHAPES[shape], BLOCKS[shape], len(rows))

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
    assert benchmark(framed, codec, BLOCKS["lineitem"], const.DATA_ROW) == ROWS
