"""Rows as columns: DataRow and binary COPY into a ColumnSink, wherever the messages and the batches are cut.

Input: choices; see `wire`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pgfast import const
from pgfast.columns import sink_spec
from pgfast.types.builtins import BY_OID

from .both import agree
from .choices import Choices
from .wire import OIDS, SpecTree, as_run, made_spec, recut, rows

SinkTree = tuple[int, int, int, int, tuple[Any, ...], tuple[bytes, ...]]


def run(data: bytes) -> None:
    """One table gathered."""
    c = Choices(data)
    copies, size = c.flag(), 1 + c.below(64)
    server_way, batch_rows, batch_bytes = c.flag(), 1 + c.below(4), c.pick((1 << 20, 64, 1))
    sinks: list[SinkTree] = []
    specs: list[SpecTree] = []
    for _ in c.times(4):
        if c.flag():
            info = BY_OID[c.pick(OIDS)]
            sink = sink_spec(info, c.pick((-1, -1, 655366, 4 + (40 << 16 | 3), 4 + (5 << 16 | 0x7FE))))
        else:
            sink = _sink(c, made_spec(c))
        sinks.append(sink)
        specs.append(_spec(sink))
    made = rows(c, specs, 5)
    if c.rarely():
        made *= 20
    if not copies:
        agree(lambda module: _gathered(module, sinks, made, (batch_rows, batch_bytes)))
        return
    parts = [const.COPY_HEADER, *made, const.COPY_TRAILER]
    payloads = parts if server_way else recut(b"".join(parts), size)
    agree(lambda module: _copied(module, sinks, payloads, (batch_rows, batch_bytes)))


def _sink(c: Choices, spec: SpecTree) -> SinkTree:
    kind, oid, _call, children = spec
    if kind in (const.KIND_RECORD, const.KIND_RANGE, const.KIND_MULTIRANGE):
        kind, children = const.KIND_CALL, ()
    precision = c.pick((0, 1, 5, 18, 38, 39, 76))
    labels = (b"", b"a", b"mood")[: c.below(4)] if kind == const.KIND_ENUM else ()
    return kind, oid, precision, c.below(precision + 1), tuple([_sink(c, child) for child in children]), labels


def _spec(sink: SinkTree) -> SpecTree:
    """What the bytes are made by."""
    return sink[0], sink[1], None, tuple([_spec(child) for child in sink[4]])


def _gathered(module: ModuleType, sinks: list[SinkTree], made: list[bytes], sizes: tuple[int, int]) -> Any:
    block, start, stop, count = as_run(module, const.DATA_ROW, made)
    sink = module.ColumnSink(sinks, *sizes)
    batches = []
    while start < stop:
        start = module.decode_columns(sink, block, start, stop, count)
        batches.append(sink.cut())
    return [*batches, sink.cut()]


def _copied(module: ModuleType, sinks: list[SinkTree], payloads: list[bytes], sizes: tuple[int, int]) -> Any:
    state, sink = module.CopyState(), module.ColumnSink(sinks, *sizes)
    block, start, stop, count = as_run(module, const.COPY_DATA, payloads)
    batches = []
    while start < stop:
        start = module.decode_copy_columns(sink, state, block, start, stop, count)
        batches.append(sink.cut())
    state.finish()
    return batches
