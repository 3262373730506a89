"""The two codecs agree on every stream, right or wrong: values by exact type, faults by code, place, column and text.

Hypothesis builds streams with the reference encoder, then bends them: lengths, counts, bytes, ends and cuts.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
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
from pgfast.errors import Error, faults
from pgfast.values import Interval

from ..conftest import CODECS
from . import reference

if "c" not in CODECS:
    pytest.skip("a pure build has nothing to compare", allow_module_level=True)
from pgfast import _codec

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


SCALARS = list(range(const.KIND_CALL, const.KIND_ARRAY))
CALLS = {const.KIND_CALL, const.KIND_TEXT_CALL, const.KIND_JSON, const.KIND_JSONB}


@st.composite
def specs(draw: st.DrawFn) -> tuple[int, int, int, Any]:
    kind = draw(st.sampled_from([*SCALARS, const.KIND_ARRAY]))
    element = draw(st.sampled_from(SCALARS)) if kind == const.KIND_ARRAY else 0
    oid = draw(st.sampled_from([0, 23])) if kind == const.KIND_ARRAY else 0
    call = draw(st.sampled_from([None, _call])) if kind in CALLS or element in CALLS else None
    return kind, element, oid, call


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
def field_bytes(draw: st.DrawFn, kind: int, element: int) -> bytes | None:
    """Mostly what a server would send for the kind, sometimes anything."""
    choice = draw(st.integers(0, 9))
    if choice == 0:
        return None
    if choice == 1:
        return draw(st.binary(max_size=40))
    if kind == const.KIND_ARRAY:
        dims = draw(st.lists(st.integers(1, 3), max_size=4))
        total = 1 if dims else 0
        for n in dims:
            total *= n
        elements = [draw(field_bytes(element, 0)) for _ in range(min(total, 6))]
        made = reference.array(draw(st.sampled_from([23, 23, 23, 25])), dims, elements)
        return made if draw(st.booleans()) else bend(draw, made)
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
        made = reference.row([draw(field_bytes(spec[0], spec[1])) for spec in columns])
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


@given(tables())
def test_rows_decode_alike(table: tuple[list[Any], list[bytes]]) -> None:
    columns, rows = table
    agree(lambda module: module.decode_rows(module.Plan(columns), *as_run(module, const.DATA_ROW, rows)))


def _sink_specs(draw: st.DrawFn, columns: list[Any]) -> list[tuple[int, int, int, int]]:
    made = []
    for kind, element, _oid, _call in columns:
        precision = draw(st.sampled_from([0, 1, 5, 18, 38]))
        made.append((kind, element, precision, draw(st.integers(0, precision))))
    return made


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
        made = module.decode_copy_rows(module.Plan(columns), state, *as_run(module, const.COPY_DATA, payloads))
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
def value_for(draw: st.DrawFn, spec: tuple[int, int, int, Any]) -> Any:
    kind, element = spec[:2]
    if draw(st.integers(0, 4)) == 0:
        return draw(values)
    if kind == const.KIND_ARRAY:
        leaf = draw(st.just(PER_KIND.get(element, values)))
        nested = st.recursive(
            st.lists(leaf | st.none(), max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=6
        )
        level = draw(st.integers(0, 2))
        if level == 0:
            return draw(nested)
        rows = draw(st.lists(st.lists(leaf, min_size=2, max_size=2), min_size=1, max_size=3))
        return rows if level == 1 else [rows, rows]
    return draw(PER_KIND.get(kind, values))


@st.composite
def encode_specs(draw: st.DrawFn) -> tuple[int, int, int, Any]:
    kind, element, oid, _ = draw(specs())
    return kind, element, oid, draw(st.sampled_from([None, _coerce, str, repr]))


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
        plan = module.Plan(columns, keys)
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter(rows), limit))

    agree(encode)


@given(st.data())
def test_bind_encodes_alike(data: st.DataObject) -> None:
    columns = data.draw(st.lists(encode_specs(), max_size=3))
    params = [data.draw(value_for(spec)) for spec in columns]
    if data.draw(st.integers(0, 9)) == 0:
        params.append(1)
    codes = data.draw(st.sampled_from([b"", b"\0\1", b"\0\1\0\0"]))

    def encode(module: ModuleType) -> Any:
        out = module.WriteBuffer(32)
        result = outcome(lambda: module.encode_bind(out, module.Plan(columns), b"", b"name", params, codes))
        return result, bytes(out.take())

    agree(encode)


@given(st.sampled_from(sorted(PER_KIND)), st.data())
def test_a_value_of_its_own_type_comes_back_equal(kind: int, data: st.DataObject) -> None:
    value = data.draw(PER_KIND[kind])
    if kind == const.KIND_NUMERIC and isinstance(value, int):
        value = Decimal(value)

    def there_and_back(module: ModuleType) -> Any:
        plan = module.Plan([(kind, 0, 0, None)])
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
        plan = module.Plan([(const.KIND_NUMERIC, 0, 0, None)])
        return written(module, lambda out: module.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20))

    result, stream = agree(encode)[1]
    if result[0] == "ok":
        assert stream[5:] == reference.row([reference.numeric(value)])


@pytest.mark.parametrize("digits", [4299, 4301, 20000, 131072, 131073, 140000])
@pytest.mark.parametrize("kind", [const.KIND_NUMERIC, const.KIND_INT8, const.KIND_STR])
def test_integers_longer_than_python_likes_to_print_encode_alike(kind: int, digits: int) -> None:
    value = -(10 ** (digits - 1) + 7)

    def encode(module: ModuleType) -> Any:
        plan = module.Plan([(kind, 0, 0, None)])
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
        return struct.pack(f"<{need}{code}", *[draw(integers_of(code)) for _ in range(need)]), None, scale, ()
    if layout in (const.LAYOUT_F32, const.LAYOUT_F64):
        single = layout == const.LAYOUT_F32
        floats = st.floats(width=32, allow_nan=False) if single else st.floats(allow_nan=False)
        return struct.pack(f"<{need}{'f' if single else 'd'}", *[draw(floats) for _ in range(need)]), None, 0, ()
    if layout == const.LAYOUT_DECIMAL128:
        coefficients = st.integers(-(2**127), 2**127 - 1) | st.integers(-(10**6), 10**6)
        data = b"".join(draw(coefficients).to_bytes(16, "little", signed=True) for _ in range(need))
        return data, None, draw(st.integers(0, 38)), ()
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
    spec = (kind, 0, 0, None)
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
    column = (const.LAYOUT_VAR32, (const.KIND_NUMERIC, 0, 0, None), 1, 0, None, text, ends, 0, (), None)
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
    agree(
        lambda module: module.decode_rows(module.Plan([(kind, 0, 0, None)]), *as_run(module, const.DATA_ROW, [payload]))
    )
    agree(
        lambda module: module.decode_columns(
            module.ColumnSink([(kind, 0, 0, 0)]), *as_run(module, const.DATA_ROW, [payload])
        )
    )


@pytest.mark.parametrize("kind", [const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ])
@pytest.mark.parametrize("infinity", [True, False])
def test_infinite_dates_are_a_fault_in_rows_and_a_sentinel_in_columns(kind: int, infinity: bool) -> None:
    width = 4 if kind == const.KIND_DATE else 8
    data = (2 ** (8 * width - 1) - (1 if infinity else 0)).to_bytes(width, "big")
    rows = [reference.row([data])]
    found = agree(
        lambda module: module.decode_rows(module.Plan([(kind, 0, 0, None)]), *as_run(module, const.DATA_ROW, rows))
    )
    assert found[0] == "fault"

    def columns(module: ModuleType) -> Any:
        sink = module.ColumnSink([(kind, 0, 0, 0)])
        module.decode_columns(sink, *as_run(module, const.DATA_ROW, rows))
        return sink.cut()

    assert agree(columns)[1][1][0][4].tobytes() == data[::-1]


@pytest.mark.parametrize("dims", [[2**31 - 1], [2**31 - 1, 2**31 - 1], [65536, 65536, 65536], [0], [-1], [1] * 7])
def test_an_array_of_absurd_dimensions_is_the_same_fault(dims: list[int]) -> None:
    head = struct.pack(">iiI", len(dims), 0, 23) + b"".join(struct.pack(">ii", n, 1) for n in dims)
    rows = [reference.row([head])]
    spec = (const.KIND_ARRAY, const.KIND_INT4, 23, None)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))
    assert found[0] == "fault"


@pytest.mark.parametrize(
    "text", ["0.00001", "0.000000001", "10000.0001", "1.00000000", "100000000", "0.0001", "-0.00000000000000000001"]
)
def test_zero_groups_of_a_numeric_are_kept(text: str) -> None:
    rows = [reference.row([reference.numeric(Decimal(text))])]
    spec = (const.KIND_NUMERIC, 0, 0, None)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))
    assert str(found[1][0][0]) == str(Decimal(text)) or format(found[1][0][0], "f") == text


def test_a_uuid_equals_the_constructors_and_hashes_alike() -> None:
    made = UUID("12345678-1234-5678-1234-567812345678")
    rows = [reference.row([made.bytes])]
    spec = (const.KIND_UUID, 0, 0, None)
    found = agree(lambda module: module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows)))[1][0][
        0
    ]
    assert found == made and hash(found) == hash(made) and found.is_safe is made.is_safe


def test_every_date_of_a_leap_cycle_agrees_with_python() -> None:
    first, last = date(1899, 12, 1).toordinal(), date(2104, 3, 3).toordinal()
    ordinals = [*range(first, last), 1, 2, 366, 3652058, 3652059]
    rows = [reference.row([struct.pack(">i", ordinal - const.EPOCH_ORDINAL)]) for ordinal in ordinals]
    spec = (const.KIND_DATE, 0, 0, None)
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
            module.Plan([(const.KIND_TIMESTAMP, 0, 0, None)]), *as_run(module, const.DATA_ROW, rows)
        )
    )
    assert found[1][0][0] == datetime(2000, 1, 1) + timedelta(microseconds=us)


def test_midnight_at_the_end_of_the_day_is_a_fault() -> None:
    rows = [reference.row([struct.pack(">q", 86400 * 10**6)])]
    found = agree(lambda m: m.decode_rows(m.Plan([(const.KIND_TIME, 0, 0, None)]), *as_run(m, const.DATA_ROW, rows)))
    assert found[2] == faults.FAULT_TIME_RANGE
    sink = [(const.KIND_TIME, 0, 0, 0)]
    found = agree(lambda m: m.decode_columns(m.ColumnSink(sink), *as_run(m, const.DATA_ROW, rows)))
    assert found[2] == faults.FAULT_TIME_RANGE
