"""The two codecs agree on every stream, right or wrong: values by exact type, faults by code, place, column and text.

Hypothesis builds streams with the reference encoder, then bends them: lengths, counts, bytes, ends and cuts.
"""

from __future__ import annotations

import contextlib
import gc
import os
import struct
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgfast import _codec_py, const
from pgfast.errors import DataError, Error, faults
from pgfast.values import Array, Interval, Multirange, Range

from ..conftest import CODECS
from . import reference

if "c" not in CODECS:
    pytest.skip("a pure build has nothing to compare", allow_module_level=True)
from pgfast import _codec
from pgfast.kernels import csvsurvey_py, csvtext_py

MODULES: tuple[ModuleType, ModuleType] = (_codec, _codec_py)
LENGTHS = [-(2**31), -2, -1, 0, 1, 3, 4, 5, 7, 8, 12, 16, 2**16, 2**31 - 1]
INT_EDGES = [0, 1, -1, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**32 - 1]
INT_EDGES += [2**32, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**40]

settings.register_profile("codec", deadline=None, max_examples=int(os.environ.get("PGFAST_EXAMPLES", "150")))
settings.load_profile("codec")


def outcome(action: Callable[[], Any]) -> tuple[Any, ...]:
    """("ok", value) or ("fault", type, code, at, column, text). Any other exception is a failure of the test."""
    try:
        return ("ok", action())
    except Error as exc:
        found = exc.fault
        place = (None, None, None) if found is None else (found.code, found.at, found.column)
        return ("fault", type(exc), *place, str(exc))


def agree(action: Callable[[ModuleType], Any]) -> tuple[Any, ...]:
    """The outcome both modules have."""
    compiled, pure = (outcome(partial(action, module)) for module in MODULES)
    assert reference.same(compiled, pure), f"c: {compiled!r}\npython: {pure!r}"
    return compiled


# ---------------------------------------------------------------- decoding


def _call(value: Any) -> Any:
    """A callable that refuses some values."""
    if value and value[0] in ("!", 33):
        raise ValueError("begins with an exclamation mark")
    return ("called", value)


SCALARS = [*range(const.KIND_CALL, const.KIND_ARRAY), const.KIND_ENUM, const.KIND_UINT8]
PARTS = [kind for kind in SCALARS if kind != const.KIND_TEXT_CALL]
CONTAINERS = [
    const.KIND_ARRAY,
    const.KIND_VECTOR,
    const.KIND_COMPOSITE,
    const.KIND_RECORD,
    const.KIND_RANGE,
    const.KIND_MULTIRANGE,
]
BOUNDS = [const.KIND_INT4, const.KIND_INT8, const.KIND_DATE, const.KIND_NUMERIC, const.KIND_STR, const.KIND_JSON]
#: OIDs a container may check; what stands on the wire is one of the first two.
OIDS = [23, 25, 0]

SpecTree = tuple[int, int, Any, tuple[Any, ...]]


def scalar(kind: int) -> SpecTree:
    """The spec of a type without a call."""
    return kind, 0, None, ()


@st.composite
def specs(draw: st.DrawFn, depth: int = 0) -> SpecTree:
    container = draw(st.integers(0, 3 if depth == 0 else 5)) == 0 and depth < 3
    oid = draw(st.sampled_from(OIDS)) if depth else 0
    call = draw(st.sampled_from([None, None, _call]))
    if not container:
        return draw(st.sampled_from(PARTS if depth else SCALARS)), oid, call, ()
    kind = draw(st.sampled_from(CONTAINERS))
    if kind == const.KIND_COMPOSITE:
        return kind, oid, call, tuple(draw(st.lists(specs(depth + 1), max_size=3)))
    if kind == const.KIND_RECORD:
        return kind, oid, None, ()
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        return kind, oid, call, (draw(specs(depth + 1)),)
    bound = (draw(st.sampled_from(BOUNDS)), 0, draw(st.sampled_from([None, None, None, _call])), ())
    if kind == const.KIND_RANGE:
        return kind, oid, call, (bound,)
    return kind, oid, call, ((const.KIND_RANGE, 0, draw(st.sampled_from([None] * 5 + [_call])), (bound,)),)


def plan_of(module: ModuleType, columns: list[Any], keys: list[str] | None = None) -> Any:
    """The module's plan; anonymous records find their fields' plan by their OIDs."""

    def fields(oids: tuple[int, ...]) -> Any:
        kinds = {23: const.KIND_INT4, 25: const.KIND_STR}
        return module.Plan([scalar(kinds[oid]) for oid in oids])

    def resolved(spec: SpecTree) -> SpecTree:
        kind, oid, call, children = spec
        return kind, oid, fields if kind == const.KIND_RECORD else call, tuple([resolved(child) for child in children])

    return module.Plan([resolved(spec) for spec in columns], keys or [])


decimals = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        ["0.00001", "1000000000000.0000", "0.00000000000012", "99999999999999999999999999999999999999"]
    ).map(Decimal),
    st.builds(lambda m, e: Decimal(m).scaleb(e), st.integers(-(10**20), 10**20), st.integers(-60, 60)),
)


@st.composite
def wire_numeric(draw: st.DrawFn) -> bytes:
    groups = draw(st.lists(st.integers(0, 10000), max_size=6))
    weight = draw(st.integers(-12, 12) | st.sampled_from([-32768, 32767]))
    sign = draw(st.sampled_from([0, 0, 0x4000, 0xC000, 0xD000, 0xF000, 1]))
    scale = draw(st.integers(0, 40) | st.sampled_from([0x3FFF, 0x4000, 0xFFFF]))
    count = draw(st.sampled_from([len(groups), len(groups), len(groups) + 1]))
    return struct.pack(">HhHH", count, weight, sign, scale) + b"".join(struct.pack(">H", g) for g in groups)


@st.composite
def container_bytes(draw: st.DrawFn, spec: SpecTree) -> bytes:
    """A container of the spec, as a server would send it."""
    kind, _oid, _call, children = spec
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        vector = kind == const.KIND_VECTOR
        dims = draw(st.lists(st.integers(0 if vector else 1, 3), max_size=1 if vector else 4))
        total = 1 if dims else 0
        for n in dims:
            total *= n
        elements = [draw(field_bytes(children[0])) for _ in range(min(total, 6))]
        bounds = [0 if vector else draw(st.sampled_from([1, 1, 1, 0, -7, 2**31 - 1])) for _ in dims]
        return reference.array(draw(st.sampled_from([23, 23, 23, 25])), dims, elements, bounds)
    if kind == const.KIND_RANGE:
        lower, upper = (draw(field_bytes(children[0])) for _ in range(2))
        return reference.range_of(draw(st.integers(0, 33)), lower, upper)
    if kind == const.KIND_MULTIRANGE:
        if children[0][3][0][0] != const.KIND_INT4:
            ranges = draw(st.lists(container_bytes(children[0]), max_size=3))
        else:
            edges = draw(st.lists(st.integers(-5, 5), min_size=2, max_size=6).map(sorted))
            flags = draw(st.lists(st.sampled_from([2, 2, 2, 0, 4, 6, 8, 16]), min_size=3, max_size=3))
            ranges = [
                reference.range_of(flag, struct.pack(">i", low), struct.pack(">i", high))
                for flag, low, high in zip(flags, edges[::2], edges[1::2], strict=False)
            ]
        return reference.multirange(ranges)
    if kind == const.KIND_RECORD:
        int4, text = (scalar(kind) for kind in (const.KIND_INT4, const.KIND_STR))
        return reference.composite(
            [
                (oid, draw(field_bytes(int4 if oid == 23 else text)))
                for oid in draw(st.lists(st.sampled_from([23, 25, 23, 25, 26]), max_size=3))
            ]
        )
    oids = [child[1] or 23 for child in children]
    return reference.composite(
        [(oid, draw(field_bytes(child))) for oid, child in zip(oids, children, strict=True)]
        + ([(23, None)] if draw(st.integers(0, 9)) == 0 else [])
    )


@st.composite
def field_bytes(draw: st.DrawFn, spec: SpecTree) -> bytes | None:
    """Mostly what a server would send for the type, sometimes anything."""
    kind = spec[0]
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return None
    if choice == 1:
        return draw(st.binary(max_size=40))
    if kind in CONTAINERS:
        made = draw(container_bytes(spec))
        return bend(draw, made) if draw(st.integers(0, 3)) == 0 else made
    if kind == const.KIND_NUMERIC:
        return draw(st.one_of(wire_numeric(), decimals.map(reference.numeric)))
    if kind in reference.FIXED:
        form = struct.Struct(reference.FIXED[kind])
        if kind == const.KIND_DATE:
            return form.pack(draw(st.integers(-(2**31), 2**31 - 1) | st.integers(-730200, 2922000)))
        if kind in (const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ, const.KIND_TIME):
            return form.pack(
                draw(st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**17), 10**17) | st.integers(0, 86400000001))
            )
        if kind == const.KIND_TIMETZ:
            return form.pack(draw(st.integers(-1, 86400000001)), draw(st.integers(-86401, 86401)))
        if kind == const.KIND_INTERVAL:
            us = draw(st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**12), 10**12))
            days = draw(st.integers(-(2**31), 2**31 - 1) | st.integers(-1000, 1000))
            return form.pack(us, days, draw(st.sampled_from([0, 0, 1, -7, 2**31 - 1])))
        return draw(st.binary(min_size=form.size, max_size=form.size))
    text = draw(st.text(max_size=20).map(str.encode) | st.binary(max_size=6))
    return b"\1" + text if kind == const.KIND_JSONB else text


def bend(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with one thing wrong: a word replaced, a byte changed, the end cut or lengthened."""
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    how = draw(st.integers(0, 3))
    if how == 0:
        return data[:at] + struct.pack(">i", draw(st.sampled_from(LENGTHS))) + data[at + 4 :]
    if how == 1:
        return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
    return data[:at] if how == 2 else data + draw(st.binary(max_size=5))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Any], list[bytes]]:
    """(specs, tuples as bytes), some of the tuples bent."""
    columns = draw(st.lists(specs(), max_size=4))
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        made = reference.row([draw(field_bytes(spec)) for spec in columns])
        rows.append(bend(draw, made) if draw(st.integers(0, 5)) == 0 else made)
    return columns, rows


def feed(buffer: Any, stream: bytes, cut: int) -> None:
    """Put the stream into a ReadBuffer, at most `cut` bytes at a time."""
    at = 0
    while at < len(stream):
        view = buffer.get_buffer()
        size = min(cut, len(view), len(stream) - at)
        view[:size] = stream[at : at + size]
        buffer.commit(size)
        at += size


def as_run(module: ModuleType, tag: int, payloads: list[bytes]) -> Any:
    """The payloads as one run of a fresh ReadBuffer."""
    stream = b"".join(reference.frame(tag, payload) for payload in payloads)
    buffer = module.ReadBuffer(max(len(stream) + 16, 64))
    feed(buffer, stream, len(stream) or 1)
    return buffer.take_run(tag) or (bytearray(), 0, 0, 0)


@given(tables(), st.sampled_from([1, 20]))
def test_rows_decode_alike_whether_their_values_come_again_or_not(
    table: tuple[list[Any], list[bytes]], times: int
) -> None:
    columns, rows = table
    rows = rows * times
    agree(lambda module: module.decode_rows(plan_of(module, columns), *as_run(module, const.DATA_ROW, rows)))


def _sink_spec(draw: st.DrawFn, spec: SpecTree) -> Any:
    kind, oid, _call, children = spec
    if kind in (const.KIND_RECORD, const.KIND_RANGE, const.KIND_MULTIRANGE):
        kind, children = const.KIND_CALL, ()
    precision = draw(st.sampled_from([0, 1, 5, 18, 38, 39, 76]))
    labels = tuple(draw(st.lists(st.sampled_from([b"", b"a", b"mood"]), unique=True)))
    return (
        kind,
        oid,
        precision,
        draw(st.integers(0, precision)),
        tuple([_sink_spec(draw, child) for child in children]),
        labels if kind == const.KIND_ENUM else (),
    )


def _sink_specs(draw: st.DrawFn, columns: list[Any]) -> list[Any]:
    return [_sink_spec(draw, spec) for spec in columns]


@given(st.data())
def test_columns_decode_alike_wherever_batches_are_cut(data: st.DataObject) -> None:
    columns, rows = data.draw(tables())
    sink_specs = data.draw(st.composite(_sink_specs)(columns))
    batch_rows = data.draw(st.integers(1, 3))

    def decode(module: ModuleType) -> Any:
        block, start, stop, count = as_run(module, const.DATA_ROW, rows)
        sink = module.ColumnSink(sink_specs, batch_rows, 1 << 20)
        batches = []
        while start < stop:
            start = module.decode_columns(sink, block, start, stop, count)
            batches.append(sink.cut())
        batches.append(sink.cut())
        return batches

    agree(decode)


def recut(stream: bytes, size: int) -> list[bytes]:
    """The stream in pieces of `size` bytes."""
    return [stream[i : i + size] for i in range(0, len(stream), size)]


@given(tables(), st.integers(1, 40), st.booleans(), st.booleans())
def test_copy_rows_decode_alike_however_a_pooler_cuts_them(
    table: tuple[list[Any], list[bytes]], size: int, trailer: bool, bent_header: bool
) -> None:
    columns, rows = table
    header = const.COPY_HEADER if not bent_header else const.COPY_SIGNATURE + struct.pack(">ii", 0, 3) + b"xyz"
    stream = header + b"".join(rows) + (const.COPY_TRAILER if trailer else b"")

    def decode(payloads: list[bytes], module: ModuleType) -> Any:
        state = module.CopyState()
        made = module.decode_copy_rows(plan_of(module, columns), state, *as_run(module, const.COPY_DATA, payloads))
        state.finish()
        return made

    whole = agree(lambda module: decode([stream], module))
    pieces = agree(lambda module: decode(recut(stream, size), module))
    assert reference.same(whole, pieces)


@given(st.data())
def test_copy_columns_decode_alike_however_a_pooler_cuts_them(data: st.DataObject) -> None:
    columns, rows = data.draw(tables())
    sink_specs = data.draw(st.composite(_sink_specs)(columns))
    size = data.draw(st.integers(1, 60))
    server_way = data.draw(st.booleans())
    stream = const.COPY_HEADER + b"".join(rows) + const.COPY_TRAILER
    payloads = [const.COPY_HEADER, *rows, const.COPY_TRAILER] if server_way else recut(stream, size)

    def decode(module: ModuleType) -> Any:
        state, sink = module.CopyState(), module.ColumnSink(sink_specs, 2, 1 << 20)
        block, start, stop, count = as_run(module, const.COPY_DATA, payloads)
        batches = []
        while start < stop:
            start = module.decode_copy_columns(sink, state, block, start, stop, count)
            batches.append(sink.cut())
        state.finish()
        return batches

    agree(decode)


@given(st.binary(max_size=60), st.integers(1, 9))
@example(b"", 1)
def test_the_data_of_a_copy_is_joined_however_it_was_cut(stream: bytes, size: int) -> None:
    def join(module: ModuleType) -> Any:
        return module.decode_copy_data(*as_run(module, const.COPY_DATA, recut(stream, size)))

    assert agree(join) == ("ok", stream)


@given(st.lists(st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=3), max_size=4), st.integers(1, 30))
def test_text_copy_comes_back_as_it_went(rows: list[list[str | None]], size: int) -> None:
    def there_and_back(module: ModuleType) -> Any:
        out = module.WriteBuffer()
        out.begin_copy()
        written = module.encode_copy_text(out, rows)
        out.end_copy()
        stream = bytes(out.take())[5:]
        state = module.CopyState(binary=False)
        made = module.decode_copy_text(state, *as_run(module, const.COPY_DATA, recut(stream, size)))
        state.finish()
        return written, stream, made

    found = agree(there_and_back)
    if not any("\0" in value for row in rows for value in row if value):
        assert found[0] == "ok"
        assert found[1][2] == [tuple(row) for row in rows]


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\xff", b"\\")), st.integers(1, 9))
@example(b"\\x4a\\x4\\xg\\101\\8\\\\\\N\t\\N\n\\", 3)
def test_any_text_copy_stream_decodes_alike(stream: bytes, size: int) -> None:
    def decode(module: ModuleType) -> Any:
        state = module.CopyState(binary=False)
        made = module.decode_copy_text(state, *as_run(module, const.COPY_DATA, recut(stream, size)))
        state.finish()
        return made

    agree(decode)


# ---------------------------------------------------------------- frames


@given(st.integers(0, 255), st.integers(-(2**31), 2**31 - 1) | st.integers(65530, 65540), st.integers(1, 2**31 - 1))
def test_a_length_is_refused_alike(tag: int, length: int, most: int) -> None:
    def read(module: ModuleType) -> Any:
        buffer = module.ReadBuffer(16, most)
        buffer.get_buffer()[:5] = bytes([tag]) + length.to_bytes(4, "big", signed=True)
        buffer.commit(5)
        found = [outcome(lambda: buffer.next_tag), outcome(lambda: buffer.take_run(tag))]
        return [*found, outcome(buffer.next_frame), buffer.pending]

    agree(read)


@given(st.data())
def test_frames_leave_the_read_buffer_alike_however_they_arrive(data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.tuples(st.sampled_from([68, 100, 67]), st.binary(max_size=50)), max_size=8))
    stream = b"".join(reference.frame(tag, payload) for tag, payload in payloads)
    if stream and data.draw(st.booleans()):
        stream = data.draw(st.composite(lambda draw: bend(draw, stream))())
    cut = data.draw(st.integers(1, 64))
    run_tag = data.draw(st.sampled_from([68, 100]))

    def read(module: ModuleType) -> Any:
        buffer = module.ReadBuffer(32, 4096)
        taken: list[Any] = []
        at = 0
        while True:
            run = buffer.take_run(run_tag)
            if run is not None:
                taken.append((bytes(run[0][run[1] : run[2]]), run[3]))
                continue
            found = buffer.next_frame()
            if found is not None:
                taken.append(found)
                continue
            if at >= len(stream):
                return taken, buffer.pending
            view = buffer.get_buffer()
            assert len(view) > 0
            size = min(cut, len(view), len(stream) - at)
            view[:size] = stream[at : at + size]
            buffer.commit(size)
            at += size

    agree(read)


# ---------------------------------------------------------------- encoding values


class Odd(int):
    """An int with a type of its own: it must go through the hook."""


def _coerce(value: Any) -> Any:
    """A hook that knows a few things, refuses others and lies about some."""
    if isinstance(value, Odd):
        return int(value)
    if value == "null":
        return None
    if value == "lie":
        return object
    if isinstance(value, str) and value.startswith("raw "):
        raw: Any = tuple([int(word) for word in value.split()[1:]])
        return raw[0] if len(raw) == 1 else raw
    raise TypeError("no way")


class Rude:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


zones = st.sampled_from(
    [None, timezone.utc, timezone(timedelta(hours=-3, minutes=30)), timezone(timedelta(seconds=1, microseconds=1))]
)


def viewed(data: bytes) -> memoryview:
    return memoryview(data)


values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(INT_EDGES),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.floats(width=32),
    st.sampled_from([3.5e38, -3.5e38, 3.4028235e38, 1e-46]),
    decimals,
    st.sampled_from(
        ["1E+5", "1E-16383", "1E-16384", "1E+131071", "1E+131072", "0E-20", "-0.0", "sNaN", "NaN12", "-NaN"]
    ).map(Decimal),
    st.text(max_size=10),
    st.sampled_from(["a\0b", "\ud800", "null", "lie", "\\377", "\\400", "é", "x"]),
    st.sampled_from([f"raw {n}" for n in (2**31 - 1, -(2**31), 2**31, 86400 * 10**6, 2**63 - 1, -(2**63), 2**63, -1)]),
    st.sampled_from(["raw 86400000000 3600", "raw 1 86400", "raw -1 0", "raw 1 2 3"]),
    st.binary(max_size=10),
    st.binary(max_size=5).map(bytearray),
    st.binary(max_size=5).map(viewed),
    st.dates(),
    st.times(timezones=zones),
    st.datetimes(timezones=zones),
    st.timedeltas(),
    st.builds(
        Interval, st.integers(-(2**31) - 1, 2**31), st.integers(-(2**31) - 1, 2**31), st.integers(-(2**63) - 1, 2**63)
    ),
    st.uuids(),
    st.builds(Odd, st.integers(-5, 2**34)),
    st.just(object()),
    st.builds(Rude),
)
PER_KIND: dict[int, st.SearchStrategy[Any]] = {
    const.KIND_STR: st.text(max_size=20),
    const.KIND_ENUM: st.text(max_size=20),
    const.KIND_UINT8: st.integers(0, 2**64 - 1),
    const.KIND_BOOL: st.booleans(),
    const.KIND_INT2: st.integers(-32770, 32770),
    const.KIND_INT4: st.integers(-(2**31), 2**31 - 1),
    const.KIND_INT8: st.integers(-(2**63), 2**63 - 1),
    const.KIND_OID: st.integers(0, 2**32 - 1),
    const.KIND_FLOAT4: st.floats(width=32),
    const.KIND_FLOAT8: st.floats(),
    const.KIND_NUMERIC: decimals | st.integers(),
    const.KIND_DATE: st.dates(),
    const.KIND_TIME: st.times(),
    const.KIND_TIMETZ: st.times(timezones=st.just(timezone(timedelta(hours=5)))),
    const.KIND_TIMESTAMP: st.datetimes(),
    const.KIND_TIMESTAMPTZ: st.datetimes(timezones=zones.filter(bool)),
    const.KIND_INTERVAL: st.timedeltas(),
    const.KIND_UUID: st.uuids(),
}


@st.composite
def value_for(draw: st.DrawFn, spec: SpecTree) -> Any:
    kind, _oid, _call, children = spec
    if draw(st.integers(0, 4)) == 0:
        return draw(values)
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        leaf = value_for(children[0])
        level = draw(st.integers(0, 3))
        if level == 0:
            return draw(
                st.recursive(
                    st.lists(leaf | st.none(), max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=6
                )
            )
        made = draw(st.lists(st.lists(leaf, min_size=2, max_size=2), min_size=1, max_size=3))
        if level == 3:
            return Array(made, draw(st.lists(st.sampled_from([0, 1, -5, 2**31 - 9, 2**31]), min_size=1, max_size=3)))
        return made if level == 1 else [made, made]
    if kind == const.KIND_COMPOSITE:
        attributes = [draw(value_for(child)) for child in children]
        shape = draw(st.integers(0, 5))
        return attributes if shape == 0 else (*attributes, 1) if shape == 1 else tuple(attributes)
    if kind == const.KIND_RANGE:
        if draw(st.integers(0, 9)) == 0:
            return Range(empty=True)
        lower, upper = (draw(st.none() | value_for(children[0])) for _ in range(2))
        return Range(lower, upper, draw(st.sampled_from(["[)", "[]", "()", "(]"])))
    if kind == const.KIND_MULTIRANGE:
        return Multirange([draw(value_for(children[0]).filter(lambda one: type(one) is Range)) for _ in range(2)])
    return draw(PER_KIND.get(kind, values))


def _with_hooks(draw: st.DrawFn, spec: SpecTree) -> SpecTree:
    kind, oid, _call, children = spec
    return (
        kind,
        oid,
        draw(st.sampled_from([None, _coerce, str, repr])),
        tuple([_with_hooks(draw, child) for child in children]),
    )


@st.composite
def encode_specs(draw: st.DrawFn) -> SpecTree:
    return _with_hooks(draw, draw(specs()))


def written(module: ModuleType, action: Callable[[Any], Any]) -> Any:
    """What `action` put into an open CopyData, its fault included, and the bytes that stayed."""
    out = module.WriteBuffer(64)
    out.begin_copy()
    result = outcome(lambda: action(out))
    out.end_copy()
    return result, bytes(out.take())


@given(st.data())
def test_rows_encode_alike_and_a_bad_row_leaves_nothing(data: st.DataObject) -> None:
    columns = data.draw(st.lists(encode_specs(), max_size=3))
    keys = [f"k{i}" for i in range(len(columns))] if data.draw(st.booleans()) else []
    rows: list[Any] = []
    for _ in range(data.draw(st.integers(0, 4))):
        row = [data.draw(value_for(spec)) for spec in columns]
        shape = data.draw(st.integers(0, 9))
        if shape < 5:
            rows.append(tuple(row))
        elif shape < 7:
            rows.append(row)
        elif shape == 7:
            rows.append(dict(zip(keys, row, strict=False)))
        else:
            rows.append(data.draw(st.sampled_from([(), (1,) * 9, 7, "text", {"k0": 1, "zz": 2}, {}, None])))
    limit = data.draw(st.sampled_from([1, 40, 1 << 20]))

    def encode(module: ModuleType) -> Any:
        plan = plan_of(module, columns, keys)
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter(rows), limit))

    agree(encode)


@given(st.data())
def test_bind_encodes_alike(data: st.DataObject) -> None:
    columns = data.draw(st.lists(encode_specs(), max_size=3))
    rows = [tuple([data.draw(value_for(spec)) for spec in columns]) for _ in range(data.draw(st.integers(0, 3)))]
    if data.draw(st.integers(0, 9)) == 0:
        rows.append((1,) * (len(columns) + 1))
    elif data.draw(st.integers(0, 9)) == 0:
        rows.append(data.draw(st.sampled_from(["text", 5, {"a": 1}])))
    head, tail, after = data.draw(st.tuples(*[st.binary(max_size=4)] * 3))
    limit = data.draw(st.sampled_from([0, 1, 40, 1 << 40]))

    def encode(module: ModuleType) -> Any:
        out = module.WriteBuffer(32)
        plan = plan_of(module, columns)
        result = outcome(lambda: module.encode_binds(out, plan, head, tail, after, iter(rows), limit))
        return result, bytes(out.take())

    agree(encode)


@given(st.sampled_from(sorted(PER_KIND)), st.data())
def test_a_value_of_its_own_type_comes_back_equal(kind: int, data: st.DataObject) -> None:
    value = data.draw(PER_KIND[kind])
    if kind == const.KIND_NUMERIC and isinstance(value, int):
        value = Decimal(value)

    def there_and_back(module: ModuleType) -> Any:
        plan = module.Plan([scalar(kind)])
        out = module.WriteBuffer()
        out.begin_copy()
        module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20)
        out.end_copy()
        payload = bytes(out.take())[5:]
        return module.decode_rows(plan, *as_run(module, const.DATA_ROW, [payload]))[0][0]

    found = agree(there_and_back)
    if found[0] == "ok" and not (isinstance(value, Decimal) and (value.is_nan() or value.is_zero())):
        assert found[1] == value or value != value


@given(decimals.filter(lambda value: not value.is_snan()))
def test_numeric_bytes_are_the_reference_encoders(value: Decimal) -> None:
    def encode(module: ModuleType) -> Any:
        plan = module.Plan([scalar(const.KIND_NUMERIC)])
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20))

    result, stream = agree(encode)[1]
    if result[0] == "ok":
        assert stream[5:] == reference.row([reference.numeric(value)])


@pytest.mark.parametrize("digits", [4299, 4301, 20000, 131072, 131073, 140000])
@pytest.mark.parametrize("kind", [const.KIND_NUMERIC, const.KIND_INT8, const.KIND_STR])
def test_integers_longer_than_python_likes_to_print_encode_alike(kind: int, digits: int) -> None:
    value = -(10 ** (digits - 1) + 7)

    def encode(module: ModuleType) -> Any:
        plan = module.Plan([scalar(kind)])
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20))

    result, stream = agree(encode)[1]
    if kind == const.KIND_NUMERIC and digits <= const.NUMERIC_MAX_WHOLE_DIGITS:
        assert result[0] == "ok" and stream[5:] == reference.row([reference.numeric(Decimal(value))])
    else:
        assert result[0] == "fault"


# ---------------------------------------------------------------- source columns

ODD_NUMBERS = """
.|-|e5|1e|1e+|nan|NaN|-nan|inf|-Infinity|+INF|infinit|0e99|1e131071|1e131072|1e-16383|1e-16384|0e999999999|1e100000000
|0x10|1_0|00010000.00010000|.0000000000000000000000000000000000000001|1 2|\t1|\xff|1\0
"""
number_texts = st.one_of(
    st.decimals().map(str).map(str.encode),
    st.from_regex(rb"[ ]?[+-]?[0-9]{0,9}[.]?[0-9]{0,9}([eE][+-]?[0-9]{0,6})?[ ]?", fullmatch=True),
    st.sampled_from([text.encode("latin-1") for text in ODD_NUMBERS.replace("\n", "").split("|")]),
)
WIDTHS = {
    const.LAYOUT_BOOL_BYTES: "B",
    const.LAYOUT_I8: "b",
    const.LAYOUT_I16: "h",
    const.LAYOUT_I32: "i",
    const.LAYOUT_I64: "q",
    const.LAYOUT_U8: "B",
    const.LAYOUT_U16: "H",
    const.LAYOUT_U32: "I",
    const.LAYOUT_U64: "Q",
    const.LAYOUT_DATE32: "i",
    const.LAYOUT_DATE64: "q",
    const.LAYOUT_TIME32: "i",
    const.LAYOUT_TIME64: "q",
    const.LAYOUT_TIMESTAMP: "q",
    const.LAYOUT_DURATION: "q",
}
RANGES = {"b": 8, "h": 16, "i": 32, "q": 64, "B": 8, "H": 16, "I": 32, "Q": 64}


def integers_of(code: str) -> st.SearchStrategy[int]:
    bits = RANGES[code]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if code.islower() else (0, 2**bits - 1)
    small = st.integers(max(low, -100), min(high, 86_400_000))
    return (
        small
        | small.map(lambda v: max(low, min(high, v * 1000)))
        | st.integers(low, high)
        | st.sampled_from([low, high])
    )


@st.composite
def source_values(
    draw: st.DrawFn, layout: int, need: int, numbers: bool = False
) -> tuple[Any, Any, int, tuple[Any, ...]]:
    """(values, offsets, scale, variadic) of a layout, with at least `need` values."""
    scale = draw(st.sampled_from([1, 1000, 10**6, 10**9]))
    if layout in WIDTHS:
        code = WIDTHS[layout]
        numbers_of = integers_of(code)
        if layout == const.LAYOUT_TIMESTAMP:
            numbers_of |= st.integers(-(10**5), 10**5).map(lambda day: day * const.SECONDS_PER_DAY * scale)
        return struct.pack(f"<{need}{code}", *[draw(numbers_of) for _ in range(need)]), None, scale, ()
    if layout in (const.LAYOUT_F32, const.LAYOUT_F64):
        single = layout == const.LAYOUT_F32
        floats = st.floats(width=32, allow_nan=False) if single else st.floats(allow_nan=False)
        return struct.pack(f"<{need}{'f' if single else 'd'}", *[draw(floats) for _ in range(need)]), None, 0, ()
    if layout in (const.LAYOUT_DECIMAL128, const.LAYOUT_DECIMAL256):
        width, digits = (16, 38) if layout == const.LAYOUT_DECIMAL128 else (32, 76)
        half = 2 ** (8 * width - 1)
        coefficients = st.integers(-half, half - 1) | st.integers(-(10**6), 10**6)
        data = b"".join(draw(coefficients).to_bytes(width, "little", signed=True) for _ in range(need))
        return data, None, draw(st.integers(0, digits)), ()
    if layout == const.LAYOUT_MONTH_DAY_NANO:
        small = st.integers(-(2**31), 2**31 - 1)
        nanos = st.integers(-(2**53), 2**53).map(lambda v: v * 1000) | st.integers(-(2**63), 2**63 - 1)
        return b"".join(struct.pack("<iiq", draw(small), draw(small), draw(nanos)) for _ in range(need)), None, 0, ()
    if layout == const.LAYOUT_BOOL_BITS:
        return draw(st.binary(min_size=(need + 7) // 8, max_size=(need + 7) // 8)), None, 0, ()
    if layout == const.LAYOUT_FIXED:
        return draw(st.binary(min_size=16 * need, max_size=16 * need)), None, 16, ()
    texts = [draw(number_texts if numbers else st.binary(max_size=20)) for _ in range(need)]
    if layout == const.LAYOUT_VIEW:
        pool, views = b"", b""
        for text in texts:
            if len(text) <= 12:
                views += struct.pack("<i12s", len(text), text)
            else:
                views += struct.pack("<i4sii", len(text), text[:4], 0, len(pool))
                pool += text
        return None, views, 0, (pool,)
    ends = [0]
    for text in texts:
        ends.append(ends[-1] + len(text))
    return b"".join(texts), struct.pack(f"<{need + 1}{'i' if layout == const.LAYOUT_VAR32 else 'q'}", *ends), 0, ()


@st.composite
def source_columns(draw: st.DrawFn, rows: int) -> tuple[Any, ...]:
    """One source column of `rows` rows, sometimes with a buffer bent."""
    offset = draw(st.integers(0, 9))
    need = rows + offset
    bitmap = st.binary(min_size=(need + 7) // 8, max_size=(need + 7) // 8)
    validity = draw(st.none() | bitmap)
    choice = draw(st.integers(0, 9))
    if choice == 0:
        spec = draw(encode_specs())
        return (
            const.LAYOUT_OBJECT,
            spec,
            rows,
            offset,
            validity,
            [draw(value_for(spec)) for _ in range(need)],
            None,
            0,
            (),
            None,
        )
    if choice == 1:
        return const.LAYOUT_NULL, draw(encode_specs()), rows, offset, None, None, None, 0, (), None
    layout, kind = draw(st.sampled_from(sorted(const.COLUMN_PAIRS)))
    spec = scalar(kind)
    if choice == 2:
        inner, entries = draw(st.integers(0, 3)), draw(st.integers(1, 5))
        buffers = draw(source_values(layout, entries + inner, kind == const.KIND_NUMERIC))
        dictionary = (layout, spec, entries, inner, None, buffers[0], buffers[1], buffers[2], buffers[3], None)
        index = draw(st.sampled_from([const.LAYOUT_I8, const.LAYOUT_U16, const.LAYOUT_I32, const.LAYOUT_U64]))
        codes = [draw(st.integers(0, entries - 1) | st.integers(0, 6)) for _ in range(need)]
        packed = struct.pack(f"<{need}{WIDTHS[index]}", *codes)
        return index, spec, rows, offset, validity, packed, None, 0, (), dictionary
    values, offsets, scale, variadic = draw(source_values(layout, need, kind == const.KIND_NUMERIC))
    if choice == 3 and isinstance(values, bytes):
        values = bend(draw, values)
    elif choice == 4 and offsets is not None:
        offsets = bend(draw, offsets)
    return layout, spec, rows, offset, validity, values, offsets, scale, variadic, None


@given(st.data())
def test_source_columns_encode_alike(data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 12))
    columns = data.draw(st.lists(source_columns(rows), max_size=3))
    start = data.draw(st.integers(0, rows))
    stop = data.draw(st.integers(start, rows + 1) if data.draw(st.integers(0, 9)) == 0 else st.integers(start, rows))
    limit = data.draw(st.sampled_from([1, 60, 1 << 20]))

    def encode(module: ModuleType) -> Any:
        return written(module, lambda out: module.encode_copy_columns(out, columns, start, stop, limit))

    agree(encode)


@given(st.decimals(allow_nan=False, allow_infinity=False) | decimals.filter(lambda value: value.is_finite()))
def test_decimal_text_becomes_the_numeric_of_its_decimal(value: Decimal) -> None:
    text = str(value).encode()
    ends = struct.pack("<ii", 0, len(text))
    column = (const.LAYOUT_VAR32, scalar(const.KIND_NUMERIC), 1, 0, None, text, ends, 0, (), None)
    result, stream = agree(
        lambda module: written(module, lambda out: module.encode_copy_columns(out, [column], 0, 1, 1 << 20))
    )[1]
    if result[0] == "ok":
        assert stream[5:] == reference.row([reference.numeric(value)])


# ---------------------------------------------------------------- seeds that have caught other drivers


@pytest.mark.parametrize("length", [-2, 0, 2**31 - 1, -(2**31), 1, 3, 5])
@pytest.mark.parametrize("kind", SCALARS)
def test_a_wrong_length_is_the_same_fault(kind: int, length: int) -> None:
    payload = struct.pack(">hi", 1, length) + b"\0\0\0\7"
    agree(lambda module: module.decode_rows(module.Plan([scalar(kind)]), *as_run(module, const.DATA_ROW, [payload])))
    agree(
        lambda module: module.decode_columns(
            module.ColumnSink([(kind, 0, 0, 0, (), ())]), *as_run(module, const.DATA_ROW, [payload])
        )
    )


@pytest.mark.parametrize("kind", [const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ])
@pytest.mark.parametrize("infinity", [True, False])
def test_infinite_dates_are_a_fault_in_rows_and_a_sentinel_in_columns(kind: int, infinity: bool) -> None:
    width = 4 if kind == const.KIND_DATE else 8
    data = (2 ** (8 * width - 1) - (1 if infinity else 0)).to_bytes(width, "big")
    rows = [reference.row([data])]
    found = agree(lambda module: module.decode_rows(module.Plan([scalar(kind)]), *as_run(module, const.DATA_ROW, rows)))
    assert found[0] == "fault"

    def columns(module: ModuleType) -> Any:
        sink = module.ColumnSink([(kind, 0, 0, 0, (), ())])
        module.decode_columns(sink, *as_run(module, const.DATA_ROW, rows))
        return sink.cut()

    assert agree(columns)[1][1][0][4].tobytes() == data[::-1]


@pytest.mark.parametrize("dims", [[2**31 - 1], [2**31 - 1, 2**31 - 1], [65536, 65536, 65536], [0], [-1], [1] * 7])
def test_an_array_of_absurd_dimensions_is_the_same_fault(dims: list[int]) -> None:
    head = struct.pack(">iiI", len(dims), 0, 23) + b"".join(struct.pack(">ii", n, 1) for n in dims)
    rows = [reference.row([head])]
    spec = (const.KIND_ARRAY, 0, None, ((const.KIND_INT4, 23, None, ()),))
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))
    assert found[0] == "fault"


@pytest.mark.parametrize(
    "text", ["0.00001", "0.000000001", "10000.0001", "1.00000000", "100000000", "0.0001", "-0.00000000000000000001"]
)
def test_zero_groups_of_a_numeric_are_kept(text: str) -> None:
    rows = [reference.row([reference.numeric(Decimal(text))])]
    spec = scalar(const.KIND_NUMERIC)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))
    assert str(found[1][0][0]) == str(Decimal(text)) or format(found[1][0][0], "f") == text


def test_a_uuid_equals_the_constructors_and_hashes_alike() -> None:
    made = UUID("12345678-1234-5678-1234-567812345678")
    rows = [reference.row([made.bytes])]
    spec = scalar(const.KIND_UUID)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))[1][0][
        0
    ]
    assert found == made and hash(found) == hash(made) and found.is_safe is made.is_safe


def test_every_date_of_a_leap_cycle_agrees_with_python() -> None:
    first, last = date(1899, 12, 1).toordinal(), date(2104, 3, 3).toordinal()
    ordinals = [*range(first, last), 1, 2, 366, 3652058, 3652059]
    rows = [reference.row([struct.pack(">i", ordinal - const.EPOCH_ORDINAL)]) for ordinal in ordinals]
    spec = scalar(const.KIND_DATE)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))
    assert [row[0] for row in found[1]] == [date.fromordinal(ordinal) for ordinal in ordinals]

    def back(module: ModuleType) -> Any:
        return written(module, lambda out: module.encode_copy_rows(out, module.Plan([spec]), iter(found[1]), 1 << 30))

    assert agree(back)[1][1][5:] == b"".join(rows)


@pytest.mark.parametrize("us", [0, -1, 1, 86400 * 10**6 - 1, -(86400 * 10**6), 10**17, -63082281600 * 10**6])
def test_timestamps_before_and_after_the_epoch_agree(us: int) -> None:
    rows = [reference.row([struct.pack(">q", us)])]
    found = agree(
        lambda module: module.decode_rows(
            module.Plan([scalar(const.KIND_TIMESTAMP)]), *as_run(module, const.DATA_ROW, rows)
        )
    )
    assert found[1][0][0] == datetime(2000, 1, 1) + timedelta(microseconds=us)


def test_midnight_at_the_end_of_the_day_is_a_fault() -> None:
    rows = [reference.row([struct.pack(">q", 86400 * 10**6)])]
    found = agree(lambda m: m.decode_rows(m.Plan([scalar(const.KIND_TIME)]), *as_run(m, const.DATA_ROW, rows)))
    assert found[2] == faults.FAULT_TIME_RANGE
    sink = [(const.KIND_TIME, 0, 0, 0, (), ())]
    found = agree(lambda m: m.decode_columns(m.ColumnSink(sink), *as_run(m, const.DATA_ROW, rows)))
    assert found[2] == faults.FAULT_TIME_RANGE


# ---------------------------------------------------------------- containers

INT4 = (const.KIND_INT4, 23, None, ())
INT4_RANGE = (const.KIND_RANGE, 3904, None, (INT4,))
PAIR = (const.KIND_COMPOSITE, 0, None, (INT4, (const.KIND_STR, 25, None, ())))
PAIR_SINK = ((const.KIND_INT4, 23, 0, 0, (), ()), (const.KIND_STR, 25, 0, 0, (), ()))


def decoded(spec: SpecTree, data: bytes) -> tuple[Any, ...]:
    """The outcome of decoding one field."""
    rows = [reference.row([data])]
    return agree(lambda module: module.decode_rows(plan_of(module, [spec]), *as_run(module, const.DATA_ROW, rows)))


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ((const.KIND_ARRAY, 0, None, (INT4,)), Array([[1, None], [3, 4]], [-2, 2**31 - 3])),
        ((const.KIND_ARRAY, 0, None, (PAIR,)), [[(1, "a"), None], [(None, None), (2, "")]]),
        ((const.KIND_COMPOSITE, 0, None, (PAIR, (const.KIND_ARRAY, 1007, None, (INT4,)))), ((7, "x"), [1, None])),
        (INT4_RANGE, Range(1, 9)),
        (INT4_RANGE, Range(None, 9, "(]")),
        (INT4_RANGE, Range(empty=True)),
        (
            (const.KIND_MULTIRANGE, 0, None, (INT4_RANGE,)),
            Multirange([Range(None, 1, "()"), Range(2, 4), Range(5, None)]),
        ),
        ((const.KIND_ARRAY, 0, None, (INT4_RANGE,)), [Range(1, 2), None, Range(empty=True)]),
        (scalar(const.KIND_UINT8), 2**64 - 1),
        (
            (const.KIND_ARRAY, 0, None, ((const.KIND_ARRAY, 1007, None, (INT4,)),)),
            [[], [1, None], [[1, 2], [3, 4]], None],
        ),
        (
            (const.KIND_ARRAY, 0, None, ((const.KIND_ARRAY, 1007, None, (INT4,)),)),
            Array([[[1], [2]], [[[3]], []]], (1, 1)),
        ),
        ((const.KIND_ARRAY, 0, None, ((const.KIND_VECTOR, 22, None, (INT4,)),)), Array([[[1], [2]]], (0, 1))),
        (scalar(const.KIND_INTERVAL), timedelta(days=-1, hours=-1)),
        (scalar(const.KIND_INTERVAL), Interval(0, 1, -1)),
        (scalar(const.KIND_INTERVAL), Interval(0, 0, 86400 * 10**6)),
    ],
)
def test_a_container_comes_back_as_it_went(spec: SpecTree, value: Any) -> None:
    def there_and_back(module: ModuleType) -> Any:
        plan = module.Plan([spec])
        stream = written(module, lambda out: module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20))[1]
        return module.decode_rows(plan, *as_run(module, const.DATA_ROW, [stream[5:]]))[0][0]

    found = agree(there_and_back)
    assert reference.same(found, ("ok", value))


INT_BOUNDS = [struct.pack(">i", 5), struct.pack(">i", 1)]


@pytest.mark.parametrize(
    ("spec", "data", "code"),
    [
        (INT4_RANGE, reference.range_of(2, *INT_BOUNDS), faults.FAULT_RANGE),  # upside down
        (INT4_RANGE, reference.range_of(2, INT_BOUNDS[0], INT_BOUNDS[0]), faults.FAULT_RANGE),  # [5,5) is empty
        (INT4_RANGE, b"", faults.FAULT_RANGE),
        (INT4_RANGE, b"\3", faults.FAULT_RANGE),
        (INT4_RANGE, b"\x20", faults.FAULT_RANGE),
        (INT4_RANGE, reference.range_of(2, None, INT_BOUNDS[0]), faults.FAULT_RANGE),
        (INT4_RANGE, reference.range_of(1, None, None) + b"x", faults.FAULT_RANGE),
        (
            (const.KIND_MULTIRANGE, 0, None, (INT4_RANGE,)),
            reference.multirange([reference.range_of(8 | 4, b"", INT_BOUNDS[0])] * 2),
            faults.FAULT_RANGE,
        ),
        ((const.KIND_MULTIRANGE, 0, None, (INT4_RANGE,)), struct.pack(">i", 2**31 - 1), faults.FAULT_RANGE),
        (PAIR, reference.composite([(23, None)]), faults.FAULT_COMPOSITE_SHAPE),
        (PAIR, reference.composite([(25, None), (25, None)]), faults.FAULT_COMPOSITE_SHAPE),
        (PAIR, struct.pack(">i", 2**31 - 1), faults.FAULT_COMPOSITE),
        (PAIR, struct.pack(">i", -1), faults.FAULT_COMPOSITE),
        ((const.KIND_RECORD, 0, None, ()), reference.composite([(600, b"")]), faults.FAULT_CALL),
        (
            (const.KIND_VECTOR, 0, None, (INT4,)),
            reference.array(23, [1, 1], [b"\0\0\0\1"], [0, 0]),
            faults.FAULT_ARRAY,
        ),
        (
            (const.KIND_ARRAY, 0, None, (INT4,)),
            reference.array(23, [2], [None, None], [2**31 - 2]),
            faults.FAULT_ARRAY,
        ),
        (
            (const.KIND_RANGE, 0, None, ((const.KIND_JSON, 0, lambda text: None, ()),)),
            reference.range_of(16 | 2, b"null", b""),
            faults.FAULT_RANGE_BOUND,
        ),
    ],
)
def test_what_no_server_would_send_in_a_container_is_the_documented_fault(
    spec: SpecTree, data: bytes, code: int
) -> None:
    found = decoded(spec, data)
    assert found[0] == "fault" and found[2] == code


@pytest.mark.parametrize(
    ("kind", "raw", "data"),
    [
        (const.KIND_DATE, 2**31 - 1, struct.pack(">i", 2**31 - 1)),
        (const.KIND_DATE, -2000000, struct.pack(">i", -2000000)),
        (const.KIND_TIMESTAMP, -(2**63), struct.pack(">q", -(2**63))),
        (const.KIND_TIMESTAMPTZ, 2**63 - 1, struct.pack(">q", 2**63 - 1)),
        (const.KIND_TIME, 86400 * 10**6, struct.pack(">q", 86400 * 10**6)),
        (const.KIND_TIMETZ, (86400 * 10**6, -3600), struct.pack(">qi", 86400 * 10**6, -3600)),
        (const.KIND_INTERVAL, (0, 1, 2), struct.pack(">qii", 2, 1, 0)),
    ],
)
def test_a_value_python_cannot_hold_goes_to_the_call(kind: int, raw: Any, data: bytes) -> None:
    assert decoded((kind, 0, lambda value: ("held", value), ()), data) == ("ok", [(("held", raw),)])


def test_arrays_that_begin_elsewhere_are_a_fault_in_columns() -> None:
    rows = [reference.row([reference.array(23, [1], [None], [0])])]
    sink = [(const.KIND_ARRAY, 0, 0, 0, ((const.KIND_INT4, 0, 0, 0, (), ()),), ())]
    found = agree(lambda m: m.decode_columns(m.ColumnSink(sink), *as_run(m, const.DATA_ROW, rows)))
    assert found[2] == faults.FAULT_LOWER_BOUND


@pytest.mark.parametrize(("depth", "read"), [(32, True), (33, False), (20000, False)])
def test_records_nest_so_deep_and_no_deeper(depth: int, read: bool) -> None:
    data = reference.composite([])
    for _ in range(depth - 1):
        data = struct.pack(">iII", 1, 2249, len(data)) + data

    def decode(module: ModuleType) -> Any:
        plans: dict[tuple[int, ...], Any] = {(): module.Plan([])}
        plan = plans[2249,] = module.Plan([(const.KIND_RECORD, 0, lambda oids: plans[oids], ())])
        run = as_run(module, const.DATA_ROW, [reference.row([data])])
        with contextlib.suppress(DataError):
            module.decode_rows(plan, *run)
        return module.decode_rows(plan, *run)[0][0]  # what was counted before does not count

    found = agree(decode)
    value: tuple[Any, ...] = ()
    for _ in range(depth - 1 if read else 0):
        value = (value,)
    assert found == ("ok", value) if read else found[2] == faults.FAULT_NESTING


@pytest.mark.parametrize(
    ("sink", "data", "code"),
    [
        ((const.KIND_COMPOSITE, 0, 0, 0, PAIR_SINK, ()), [(700, b"abcd"), (25, b"")], faults.FAULT_COMPOSITE_SHAPE),
        ((const.KIND_COMPOSITE, 0, 0, 0, PAIR_SINK, ()), [(700, None), (25, b"")], faults.FAULT_COMPOSITE_SHAPE),
        ((const.KIND_COMPOSITE, 0, 0, 0, PAIR_SINK, ()), [(23, b"abcd"), (1043, b"")], faults.FAULT_COMPOSITE_SHAPE),
        ((const.KIND_ARRAY, 0, 0, 0, PAIR_SINK[:1], ()), [700, [1], [b"abcd"]], faults.FAULT_ARRAY),
    ],
)
def test_columns_are_not_filled_with_the_bytes_of_other_types(sink: Any, data: list[Any], code: int) -> None:
    field = reference.array(*data) if sink[0] == const.KIND_ARRAY else reference.composite(data)
    rows = [reference.row([field])]
    found = agree(lambda m: m.decode_columns(m.ColumnSink([sink]), *as_run(m, const.DATA_ROW, rows)))
    assert found[0] == "fault" and found[2] == code


def test_a_dictionary_keeps_its_labels_and_takes_new_ones_from_batch_to_batch() -> None:
    rows = [reference.row([label]) for label in (b"happy", b"new", None, b"sad", b"newer")]
    labels = (b"sad", b"happy", *[f"label {i}".encode() for i in range(200)])

    def batches(module: ModuleType) -> Any:
        sink = module.ColumnSink([(const.KIND_ENUM, 0, 0, 0, (), labels)], 3)
        made = []
        block, start, stop, count = as_run(module, const.DATA_ROW, rows)
        while start < stop:
            start = module.decode_columns(sink, block, start, stop, count)
            made.append(sink.cut()[1][0])
        return made

    first, second = agree(batches)[1]
    assert struct.unpack("<3i", first[4]) == (1, 202, 0) and first[1] == 1
    assert struct.unpack("<2i", second[4]) == (0, 203)
    assert [len(batch[6][3]) // 4 - 1 for batch in (first, second)] == [203, 204]
    assert bytes(second[6][4]).endswith(b"label 199newnewer")


def test_a_plan_refuses_what_is_no_spec() -> None:
    deep: Any = INT4
    for _ in range(40):
        deep = (const.KIND_ARRAY, 0, None, (deep,))
    for spec in (
        deep,
        (const.KIND_ARRAY, 0, None, ()),
        (const.KIND_INT4, 0, None, (INT4,)),
        (const.KIND_ARRAY, 0, None, (scalar(const.KIND_TEXT_CALL),)),
        (const.KIND_MULTIRANGE, 0, None, (INT4,)),
        (99, 0, None, ()),
        (-1, 0, None, ()),
        (const.KIND_INT4, -1, None, ()),
    ):
        found = agree(lambda module, spec=spec: module.Plan([spec]))  # type: ignore[misc]
        assert found[0] == "fault" and found[1].__name__ == "InterfaceError"


@pytest.mark.parametrize(
    ("kind", "value", "data"),
    [
        (const.KIND_DATE, "raw 2147483647", struct.pack(">i", 2**31 - 1)),
        (const.KIND_TIME, "raw 86400000000", struct.pack(">q", 86400 * 10**6)),
        (const.KIND_TIMETZ, "raw 86400000000 -3600", struct.pack(">qi", 86400 * 10**6, -3600)),
        (const.KIND_TIMESTAMP, "raw -9223372036854775808", struct.pack(">q", -(2**63))),
    ],
)
def test_a_hook_may_give_the_number_of_what_python_cannot_hold(kind: int, value: str, data: bytes) -> None:
    def encode(module: ModuleType) -> Any:
        plan = module.Plan([(kind, 0, _coerce, ())])
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20))

    assert agree(encode)[1][1][5:] == reference.row([data])


def test_rows_of_plain_values_are_none_of_the_collectors_business() -> None:
    plan = _codec.Plan([scalar(const.KIND_INT4), scalar(const.KIND_STR), scalar(const.KIND_UUID)])
    rows = [reference.row([b"\0\0\0\1", b"text", bytes(16)]), reference.row([None, None, None])]
    made = _codec.decode_rows(plan, *as_run(_codec, const.DATA_ROW, rows))
    assert not any(gc.is_tracked(row) for row in made)
    calls: tuple[Callable[[str], Any], ...] = (lambda text: {}, list)
    holding = [(const.KIND_JSON, 0, call, ()) for call in calls]
    made = _codec.decode_rows(
        _codec.Plan([holding[0]]), *as_run(_codec, const.DATA_ROW, [reference.row([b"{}"])])
    ) + _codec.decode_rows(_codec.Plan([holding[1]]), *as_run(_codec, const.DATA_ROW, [reference.row([b"x"])]))
    assert all(gc.is_tracked(row) for row in made)  # what is in them may one day hold the row


def test_a_vector_that_was_cast_from_an_array_is_a_list() -> None:
    found = decoded((const.KIND_VECTOR, 0, None, (INT4,)), reference.array(23, [1], [b"\0\0\0\1"], [1]))
    assert found == ("ok", [([1],)])


# ---------------------------------------------------------------- CSV

CSV_WORDS = [
    *("0", "-1", "+7", "007", "32768", "2147483648", "9223372036854775808", "99999999999999999999", "0x1", "1_0"),
    *("1.5", ".5", "5.", ".", "1e2", "1e-400", "1e400", "0e9", "0.1", "16777217", "1e-39", "3.4028236e38", "1e23"),
    *("9007199254740993", "123456789.123456789", "1234567890123456789", "0.000000000000000000001", "5e-324"),
    *("NaN", "inf", "-Infinity", "+inf", "t", "TRUE", "of", "o", "no", "2000-02-29", "1900-02-29", "0001-01-01"),
    *("0000-01-01", "9999-12-31", "2000-01-01 10:00", "2000-01-01T10:00:59.123456", "2000-01-01 24:00", "10:00"),
    *("2000-01-01 10:00:00.5+02", "2000-01-01 10:00Z", "2000-01-01 10:00-1559", "2000-01-01 10:00+16:00", "23:59:60"),
    *("10:00:00.", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "\\x00fF", "\\x0"),
    *("1,5", "-1,5e3", "1.234,5", "31.12.1999", "12/31/1999 10:00", "1999-1-2T10:00Z", "1.2/2000", "1.2.03"),
    *("a\\b", "x", 'x"', "^^", "é", "{}", "\\.", "", " 1", "1 ", "longer than a machine word"),
]
csv_fields = st.one_of(
    st.sampled_from(CSV_WORDS).map(str.encode),
    st.text(st.sampled_from("0123456789.-+eE:T Z"), max_size=24).map(str.encode),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=6),
)


@st.composite
def csv_texts(draw: st.DrawFn, width: int, delimiter: bytes, quote: bytes) -> bytes:
    """Records, mostly well-formed."""
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    made = b""
    for _ in range(draw(st.integers(0, 5))):
        count = width if draw(st.integers(0, 15)) else draw(st.integers(0, width + 1))
        fields = []
        for _ in range(count):
            field = draw(csv_fields)
            if draw(st.integers(0, 2)) == 0:
                field = quote + field.replace(quote, 2 * quote) + quote
            elif draw(st.integers(0, 30)):
                for mark in (delimiter, quote, b"\r", b"\n"):
                    field = field.replace(mark, b"")
            fields.append(field)
        made += delimiter.join(fields) + (
            end if draw(st.integers(0, 20)) else draw(st.sampled_from([b"\n", b"\r", b""]))
        )
    return made


def csv_stream(
    module: ModuleType, text: bytes, cuts: list[int], width: int, columns: Any, form: Any, limit: int, refusing: bool
) -> Any:
    """What each call gave, and what is in the buffer at the end, also of a stream that has a fault."""
    refused: list[Any] | None = [] if refusing else None
    state, buffer = module.CsvState(width, columns, *form), module.WriteBuffer()
    buffer.begin_copy()
    steps: list[Any] = []
    start, fault = 0, None
    for stop in [*cuts, len(text)]:
        while True:
            final = stop == len(text)
            found = outcome(partial(module.encode_copy_csv, buffer, state, text, start, stop, final, limit, refused))
            steps.append((found, list(refused or ())))
            if found[0] == "fault" or buffer.size_bytes < limit:
                break
            start = found[1][0]
            buffer.end_copy()
            steps.append(("block", bytes(buffer.take())))
            buffer.begin_copy()
        if found[0] == "fault":
            fault = found
            break
        start = found[1][0]
    buffer.put_i8(0)
    buffer.end_copy()
    return steps, fault, bytes(buffer.take())


@given(st.data())
def test_csv_agrees_however_it_is_written_and_cut(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 4))
    delimiter, quote = data.draw(st.sampled_from([(b",", b'"'), (b"\t", b"'"), (b" ", b"\\"), (b"1", b"0")]))
    escape = data.draw(st.sampled_from([b"", b"", quote, b"x", b"^"]))
    fields = data.draw(st.lists(st.integers(0, width - 1), unique=True, min_size=1))
    columns = [
        (
            field,
            data.draw(st.sampled_from(sorted(const.CSV_KINDS))),
            data.draw(st.sampled_from([const.MAX_INT32, const.NUMERIC_MAX_WHOLE_DIGITS, 6, 1, 0, -2])),
            data.draw(st.sampled_from([const.NUMERIC_MAX_SCALE, 2, 0, -3])),
        )
        for field in fields
    ]
    null = data.draw(st.sampled_from([b"", b"x", b"0"]))
    header, utc, binary = (data.draw(st.booleans()) for _ in range(3))
    tokens = st.lists(st.sampled_from([b"", b"x", b"NaN", b"a\\b", b"0"]), max_size=3)
    nulls = [data.draw(tokens) for _ in columns] if data.draw(st.booleans()) else []
    forms = (
        [data.draw(st.integers(const.CSV_USUAL, const.CSV_YMD)) for _ in columns] if data.draw(st.booleans()) else []
    )
    form = (delimiter, quote, null), header, utc, binary, escape, nulls, forms, data.draw(st.booleans())
    text = data.draw(csv_texts(width, delimiter, quote))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    limit = data.draw(st.sampled_from([6, 40, 1 << 20]))
    refusing = data.draw(st.booleans())
    compiled, pure = (csv_stream(module, text, cuts, width, columns, form, limit, refusing) for module in MODULES)
    assert reference.same(compiled, pure), f"c: {compiled!r}\npython: {pure!r}"


@given(st.data())
def test_surveys_of_csv_agree(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 3))
    text = data.draw(csv_texts(width, b";", b'"'))
    cut = data.draw(st.integers(0, len(text)))
    escape = data.draw(st.sampled_from([b"", b"^"]))
    comma, days = data.draw(st.booleans()), data.draw(st.sampled_from([0, const.CSV_DMY, const.CSV_MDY, const.CSV_YMD]))
    header, fill = data.draw(st.booleans()), data.draw(st.booleans())
    columns = [(field, const.KIND_STR, 0, 0) for field in range(width)]

    def run(module: ModuleType) -> Any:
        state = module.CsvState(width, columns, (b";", b'"', b"x"), header, escape=escape, fill=fill)
        first = module.survey_csv(state, text, 0, cut, False, comma, days)
        return first, module.survey_csv(state, text, first[0], len(text), True, comma, days)

    # However many fields the pure one looks at together, and in pieces of whatever length.
    with as_wholes(data.draw(st.booleans()), data.draw(st.sampled_from([8, 64, 1 << 20]))):
        agree(run)


@contextlib.contextmanager
def as_wholes(wholes: bool, window: int) -> Iterator[None]:
    """Columns are looked at as wholes by the pure codec however few texts are in them, or never; in windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvsurvey_py, "_FEW", 0 if wholes else 1 << 30)
        patch.setattr(csvtext_py, "_LARGE_WINDOW", window)
        yield


#: Texts that are nearly of a kind, with one character of them another one.
nearly_fields = st.builds(
    lambda text, at, other: text[: at % (len(text) + 1)] + other + text[at % (len(text) + 1) + 1 :],
    st.sampled_from(
        [
            *("0", "-7", "123456789012345", "1234567890123456", "9223372036854775807", "12345678901234567890"),
            *("1.5", "-0.25", ".5", "1234567.12345678", "12345678.12345678", "0.123456789012345", "0.1234567890123456"),
            *("1,5", "-0,25", ",5", "1e5", "1.5E-10", "nan", "inf", "Infinity", "t", "False", "true", "tru", "fast"),
            *("2020-02-28", "2020-02-29", "2021-02-29", "0000-01-01", "2020-04-31", "2020-12-31", "31.12.1999"),
            *("2020-02-28 10:00", "2020-02-28T23:59:59.123456", "2020-01-30 24:00", "2020-01-30T10:00:60"),
            *("2020-02-28T10:00Z", "2020-02-28 10:00+15:59", "2020-02-28 10:00-16", "10:00", "23:59:59.5", "1/2/2003"),
            *("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "deadbeef-", "deadbeef"),
            *("12 Main St", "10 000", "house", "\u00e9t\u00e9", "a", "12-x", "+5", "007"),
        ]
    ),
    st.integers(0, 40),
    st.sampled_from(["", "", "", "0", "9", "-", ".", ",", ":", " ", "T", "Z", "e", "x", "f", "+", "\u00e9"]),
).map(str.encode)


@given(
    st.lists(st.tuples(st.one_of(csv_fields, nearly_fields), st.booleans()), min_size=1, max_size=12),
    st.booleans(),
    st.sampled_from([0, const.CSV_DMY, const.CSV_MDY, const.CSV_YMD]),
)
def test_what_fields_are_seen_as_agrees(fields: list[tuple[bytes, bool]], comma: bool, days: int) -> None:
    text = b"NULL\n"
    for field, quoted in fields:
        bare = field.replace(b'"', b"").replace(b"\n", b"").replace(b"\r", b"")
        text += (b'"' + field.replace(b'"', b'""') + b'"' if quoted else bare) + b"\n"
    for wholes in (True, False):
        with as_wholes(wholes, 1 << 20):
            agree(
                lambda module: module.survey_csv(
                    module.CsvState(1, [(0, const.KIND_STR, 0, 0)], (b";", b'"', b"NULL")),
                    *(text, 0, len(text), True, comma, days),
                )
            )


def test_long_surveys_agree() -> None:
    shapes: list[Callable[[int], bytes]] = [
        lambda row: b"%d,%d.25,2020-%02d-%02d,name %d,t\r\n" % (row, row, row % 12 + 1, row % 31 + 1, row),
        lambda row: b'%d,%d.25,"2020-01-01 10:%02d","a ""%d"" b",\r\n' % (row, row, row % 60, row),
        lambda row: b'%d,"","two\r\nlines, ""%d""",x"%d"y,"\0\1"\r\n' % (row, row, row),
        lambda row: b'%d,"""%d""",,\r\n' % (row, row),
    ]
    for chosen in ([0], [1], [2], [0, 1], [0, 1, 2, 3], [0] * 50 + [3]):
        text = b"".join([shapes[chosen[row % len(chosen)]](row) for row in range(3000)])

        def run(module: ModuleType, text: bytes = text) -> Any:
            state = module.CsvState(5, [(field, const.KIND_STR, 0, 0) for field in range(5)])
            first = module.survey_csv(state, text, 0, len(text) // 3, False)
            return first, module.survey_csv(state, text, first[0], len(text), True)

        agree(run)


@given(st.data())
def test_csv_values_agree(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(const.CSV_KINDS)))
    limit, places = data.draw(st.sampled_from([(131072, 16383), (6, 2), (3, 5), (5, -2)]))
    text = b'"' + data.draw(csv_fields).replace(b'"', b'""') + b'"\n'
    form = data.draw(st.sampled_from([const.CSV_USUAL, const.CSV_COMMA, const.CSV_DMY, const.CSV_MDY, const.CSV_YMD]))

    def run(module: ModuleType) -> bytes:
        state = module.CsvState(1, [(0, kind, limit, places)], utc=True, forms=[form])
        buffer = module.WriteBuffer()
        buffer.begin_copy()
        module.encode_copy_csv(buffer, state, text, 0, len(text), True, 1 << 20)
        buffer.end_copy()
        return bytes(buffer.take())

    agree(run)


@given(st.one_of(st.floats(), st.floats(width=32), st.decimals(allow_nan=False)), st.booleans())
def test_a_float_in_csv_is_the_one_next_to_its_text(value: Any, single: bool) -> None:
    text = str(value).encode() + b"\n"
    kind = const.KIND_FLOAT4 if single else const.KIND_FLOAT8

    def run(module: ModuleType) -> bytes:
        state, buffer = module.CsvState(1, [(0, kind, 0, 0)]), module.WriteBuffer()
        buffer.begin_copy()
        module.encode_copy_csv(buffer, state, text, 0, len(text), True, 1 << 20)
        buffer.end_copy()
        return bytes(buffer.take())[11:]

    found = agree(run)
    if found[0] == "ok" and not single:
        assert found[1] == struct.pack(">d", float(text))
