"""Runs of tuples: of one shape throughout, of another one in the middle, and wrong in the middle; all the same way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import Error, faults

from . import reference

KINDS = (
    *(const.KIND_INT2, const.KIND_INT4, const.KIND_INT8, const.KIND_OID, const.KIND_UINT8, const.KIND_FLOAT4),
    *(const.KIND_FLOAT8, const.KIND_BOOL, const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ),
    *(const.KIND_UUID, const.KIND_TIME, const.KIND_INTERVAL),
)
#: Kinds of which a tuple of one shape may consist, for rows and for columns.
SHAPES = [(kind,) for kind in KINDS] + [
    (const.KIND_INT4, const.KIND_INT8, const.KIND_FLOAT8, const.KIND_FLOAT8),
    (const.KIND_DATE, const.KIND_BOOL, const.KIND_UUID, const.KIND_TIMESTAMPTZ),
    (const.KIND_INT8, const.KIND_STR, const.KIND_DATE),
    (const.KIND_NUMERIC, const.KIND_INT2, const.KIND_INT2, const.KIND_BYTES),
    (const.KIND_INT4, const.KIND_JSON, const.KIND_NUMERIC),
]


def field(kind: int, i: int) -> bytes:
    """The i-th value of a kind."""
    if kind in (const.KIND_STR, const.KIND_BYTES, const.KIND_JSON):
        return f'"{"é" * (i % 4)}{i % 13}"'.encode()
    if kind == const.KIND_NUMERIC:
        return reference.numeric(Decimal(i * 37 % 101).scaleb(-(i % 4)))
    if kind == const.KIND_UUID:
        return bytes([i % 251]) * 16
    if kind == const.KIND_BOOL:
        return bytes([i % 3 == 0])
    form = reference.FIXED[kind]
    if form[-1] in "fd":
        return struct.pack(form, i / 8)
    return struct.pack(form, *[i * 3 + place for place in range(len(form) - 1)])


def rows_of(kinds: tuple[int, ...], count: int) -> list[list[bytes | None]]:
    return [[field(kind, i + place) for place, kind in enumerate(kinds)] for i in range(count)]


def run_of(rows: list[list[bytes | None]], tag: int = const.DATA_ROW) -> bytearray:
    return bytearray(b"".join([reference.frame(tag, reference.row(row)) for row in rows]))


def one_by_one(codec: ModuleType, plan: Any, rows: list[list[bytes | None]]) -> list[tuple[Any, ...]]:
    """What the rows are when each is a run of its own."""
    made: list[tuple[Any, ...]] = []
    for row in rows:
        block = run_of([row])
        made += codec.decode_rows(plan, block, 0, len(block), 1)
    return made


def plan_of(codec: ModuleType, kinds: tuple[int, ...]) -> Any:
    return codec.Plan([(kind, 0, None, ()) for kind in kinds])


def sink_of(codec: ModuleType, kinds: tuple[int, ...], **limits: int) -> Any:
    numeric = {const.KIND_NUMERIC: (12, 4)}
    return codec.ColumnSink([(kind, 0, *numeric.get(kind, (0, 0)), (), ()) for kind in kinds], **limits)


def batch(sink: Any) -> Any:
    """What the sink has gathered, as bytes that can be compared."""

    def plain(column: Any) -> Any:
        return tuple([bytes(part) if isinstance(part, memoryview) else part for part in column])

    rows, columns = sink.cut()
    return rows, [plain(column) for column in columns]


def columns_one_by_one(codec: ModuleType, kinds: tuple[int, ...], rows: list[list[bytes | None]]) -> Any:
    sink = sink_of(codec, kinds)
    for row in rows:
        block = run_of([row])
        codec.decode_columns(sink, block, 0, len(block), 1)
    return batch(sink)


@pytest.mark.parametrize("kinds", SHAPES)
@pytest.mark.parametrize("odd", [None, "null", "first", "last"])
def test_a_run_is_its_rows_one_by_one(codec: ModuleType, kinds: tuple[int, ...], odd: str | None) -> None:
    rows = rows_of(kinds, 50)
    if odd:
        rows[{"null": 20, "first": 0, "last": 49}[odd]] = [None] * len(kinds)
    block = bytearray(b"before") + run_of(rows) + b"behind"
    made = codec.decode_rows(plan_of(codec, kinds), block, 6, len(block) - 6, len(rows))
    expected = one_by_one(codec, plan_of(codec, kinds), rows)
    assert made == expected
    assert [[type(value) for value in row] for row in made] == [[type(value) for value in row] for row in expected]


@pytest.mark.parametrize("kinds", SHAPES)
@pytest.mark.parametrize("nulls", [(), (0,), (7, 8, 9), (49,)])
@pytest.mark.parametrize("already", [0, 3, 8])
def test_a_run_of_columns_is_its_rows_one_by_one(
    codec: ModuleType, kinds: tuple[int, ...], nulls: tuple[int, ...], already: int
) -> None:
    rows = rows_of(kinds, 50)
    for i in nulls:
        rows[i][i % len(kinds)] = None
    before = rows_of(kinds, already)
    sink = sink_of(codec, kinds)
    for part in (before, rows, rows):
        block = run_of(part)
        assert codec.decode_columns(sink, block, 0, len(block), len(part)) == len(block)
    assert batch(sink) == columns_one_by_one(codec, kinds, before + rows + rows)


#: What to make of the payload of a row, and the fault that is.
WRONG: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "a count": (lambda row: b"\0\7" + row[2:], faults.FAULT_FIELD_COUNT),
    "a width": (lambda row: row[:2] + b"\0\0\0\3" + row[6:9] + row[10:], faults.FAULT_FIELD_WIDTH),
    "a length": (lambda row: row[:2] + b"\xff\xff\xff\xfe" + row[6:], faults.FAULT_FIELD_LENGTH),
    "an overrun": (lambda row: row[:2] + b"\0\0\x40\0" + row[6:], faults.FAULT_FIELD_OVERRUN),
    "a tail": (lambda row: row + b"x", faults.FAULT_ROW_TAIL),
    "nothing": (lambda row: b"", faults.FAULT_ROW_SHORT),
}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("place", [0, 17, 49])
@pytest.mark.parametrize("kinds", [(const.KIND_INT4, const.KIND_FLOAT8), (const.KIND_INT4, const.KIND_STR)])
def test_a_row_that_is_wrong_is_the_fault_it_is_alone(
    codec: ModuleType, how: str, place: int, kinds: tuple[int, ...]
) -> None:
    bend, code = WRONG[how]
    payloads = [reference.row(row) for row in rows_of(kinds, 50)]
    payloads[place] = bend(payloads[place])
    found = []
    for part in (payloads, payloads[place : place + 1]):
        block = bytearray(b"".join([reference.frame(const.DATA_ROW, payload) for payload in part]))
        with pytest.raises(Error) as rows:
            codec.decode_rows(plan_of(codec, kinds), block, 0, len(block), 50)
        with pytest.raises(Error) as columns:
            codec.decode_columns(sink_of(codec, kinds), block, 0, len(block), 50)
        found += [rows.value, columns.value]
    assert len({(type(error), str(error)) for error in found}) == 1
    assert {error.fault.code for error in found if error.fault} == {code}


def test_a_sink_is_full_at_the_row_it_would_be_row_by_row(codec: ModuleType) -> None:
    kinds = (const.KIND_INT4, const.KIND_STR)
    rows = rows_of(kinds, 60)
    block = run_of(rows)
    for limits in ({"batch_rows": 25}, {"batch_bytes": 100}):
        sink, batches, at = sink_of(codec, kinds, **limits), [], 0
        while at < len(block):
            reached = codec.decode_columns(sink, block, at, len(block), 60)
            assert reached > at
            at = reached
            batches.append(batch(sink))
        expected, alone = [], sink_of(codec, kinds, **limits)
        for row in rows:
            if alone.full:
                expected.append(batch(alone))
            one = run_of([row])
            codec.decode_columns(alone, one, 0, len(one), 1)
        assert batches == [*expected, batch(alone)]


def test_calls_are_made_once_for_each_value_and_in_order_whatever_comes_behind(codec: ModuleType) -> None:
    seen: list[Any] = []
    plan = codec.Plan(
        [
            (const.KIND_TEXT_CALL, 0, seen.append, ()),
            (const.KIND_INT4, 0, None, ()),
            (const.KIND_STR, 0, seen.append, ()),
        ]
    )
    rows: list[list[bytes | None]] = [[b"a%d" % i, b"\0\0\0\1", b"b%d" % i] for i in range(20)]
    rows[11][1] = b"\0\0\1"
    block = run_of(rows)
    with pytest.raises(Error):
        codec.decode_rows(plan, block, 0, len(block), 20)
    assert seen == [text for i in range(11) for text in (f"a{i}", f"b{i}")] + ["a11"]


def source_of(layout: int, kind: int, count: int, nulls: bool) -> tuple[Any, ...]:
    """A source column of `count` values, which begins three values into its memory."""
    all_of = count + 3
    offsets: bytes | None = None
    scale = {const.LAYOUT_DECIMAL128: 2, const.LAYOUT_TIMESTAMP: const.US_PER_SECOND}.get(layout, 0)
    if layout in (const.LAYOUT_VAR32, const.LAYOUT_VAR64):
        texts = [f"{'é' * (i % 3)}{'x' * (i % 70)}".encode() for i in range(all_of)]
        values = b"".join(texts)
        ends = [sum(map(len, texts[:i])) for i in range(all_of + 1)]
        offsets = struct.pack(f"<{all_of + 1}{'i' if layout == const.LAYOUT_VAR32 else 'q'}", *ends)
    elif layout == const.LAYOUT_DECIMAL128:
        numbers = [(-1) ** i * (i * 10 ** (i % 30)) for i in range(all_of)]
        values = b"".join([number.to_bytes(16, "little", signed=True) for number in numbers])
    else:
        code = {const.LAYOUT_I16: "h", const.LAYOUT_F32: "f", const.LAYOUT_F64: "d"}.get(layout)
        code = code or ("i" if layout in (const.LAYOUT_I32, const.LAYOUT_DATE32) else "q")
        step = const.US_PER_DAY if (layout, kind) == (const.LAYOUT_TIMESTAMP, const.KIND_DATE) else 1
        values = struct.pack(f"<{all_of}{code}", *[step * i for i in range(-50, all_of - 50)])
    validity = bytes([0b11011011]) * (all_of // 8 + 1) if nulls else b"\xff" * (all_of // 8 + 1)
    return layout, (kind, 0, None, ()), count, 3, validity, values, offsets, scale, (), None


SOURCES = [
    (const.LAYOUT_I16, const.KIND_INT2),
    (const.LAYOUT_I32, const.KIND_INT4),
    (const.LAYOUT_I64, const.KIND_INT8),
    (const.LAYOUT_F32, const.KIND_FLOAT4),
    (const.LAYOUT_F64, const.KIND_FLOAT8),
    (const.LAYOUT_DATE32, const.KIND_DATE),
    (const.LAYOUT_TIMESTAMP, const.KIND_TIMESTAMP),
    (const.LAYOUT_TIMESTAMP, const.KIND_DATE),
    (const.LAYOUT_DECIMAL128, const.KIND_NUMERIC),
    (const.LAYOUT_VAR32, const.KIND_STR),
    (const.LAYOUT_VAR64, const.KIND_JSONB),
    (const.LAYOUT_VAR32, const.KIND_BYTES),
]


def written(codec: ModuleType, columns: list[Any], start: int, stop: int, limit: int) -> tuple[int, bytes, Any]:
    """The row reached, the bytes, and what was wrong."""
    out, reached, error = codec.WriteBuffer(), -1, None
    out.begin_copy()
    try:
        reached = codec.encode_copy_columns(out, columns, start, stop, limit)
    except Error as exc:
        error = (type(exc), str(exc), exc.fault)
    out.end_copy()
    return reached, bytes(out.take()), error


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("limit", [40, 3000, 1 << 30])
@pytest.mark.parametrize("pairs", [[pair] for pair in SOURCES] + [SOURCES])
def test_many_rows_of_columns_are_their_rows_one_by_one(
    codec: ModuleType, pairs: list[tuple[int, int]], limit: int, nulls: bool
) -> None:
    columns = [source_of(*pair, 300, nulls) for pair in pairs]
    reached, data, error = written(codec, columns, 5, 300, limit)
    assert error is None
    alone = b"".join([written(codec, columns, row, row + 1, 1 << 30)[1][5:] for row in range(5, reached)])
    assert data[5:] == alone
    last = written(codec, columns, reached - 1, reached, 1 << 30)[1][5:]
    assert len(data) - len(last) < limit
    assert reached == 300 or len(data) >= limit


@pytest.mark.parametrize("place", [5, 131, 132, 299])
def test_a_value_that_is_wrong_among_many_leaves_the_rows_before_it(codecs: tuple[ModuleType, ...], place: int) -> None:
    texts = ["text"] * 300
    texts[place] = "te\0t"
    data = "".join(texts).encode()
    offsets = struct.pack("<301i", *range(0, 1201, 4))
    text = (const.LAYOUT_VAR32, (const.KIND_STR, 0, None, ()), 300, 0, None, data, offsets, 0, (), None)
    numbers = source_of(const.LAYOUT_I32, const.KIND_INT4, 300, False)
    outcomes = [written(codec, [numbers, text], 5, 300, 1 << 30) for codec in codecs]
    for _reached, made, error in outcomes:
        assert error is not None
        assert (error[2].code, error[2].at, error[2].column) == (faults.FAULT_NUL, place - 5, 1)
        assert len(made) == (5 + (place - 5) * 18 if place > 5 else 0)
    assert len(set(map(repr, outcomes))) == 1


@pytest.mark.parametrize("bad", [(12, 8), (1 << 20, 1 << 20), (-4, 4)])
def test_offsets_that_are_wrong_among_many_are_a_fault(codec: ModuleType, bad: tuple[int, int]) -> None:
    places = list(range(0, 1201, 4))
    places[200:202] = bad
    offsets = struct.pack("<301i", *places)
    column = (const.LAYOUT_VAR32, (const.KIND_STR, 0, None, ()), 300, 0, None, b"x" * 1200, offsets, 0, (), None)
    _reached, made, error = written(codec, [column], 0, 300, 1 << 30)
    assert error is not None
    assert error[2].code == faults.FAULT_SOURCE_BUFFER
    assert (len(made) - 5) // 10 == error[2].at


@pytest.mark.parametrize("bad", [None, "str", 2**31, True, 1.5])
def test_a_row_of_other_values_among_many_is_written_or_refused_as_it_is_alone(
    codecs: tuple[ModuleType, ...], bad: Any
) -> None:
    kinds = (const.KIND_INT4, const.KIND_DATE, const.KIND_NUMERIC, const.KIND_STR, const.KIND_FLOAT8)
    good = (7, date(1999, 12, 31), Decimal("-12.50"), "text", 0.5)
    for column in range(len(kinds)):
        row = (*good[:column], bad, *good[column + 1 :])
        outcomes = []
        for codec in codecs:
            out, error = codec.WriteBuffer(), None
            out.begin_copy()
            try:
                codec.encode_copy_rows(out, plan_of(codec, kinds), iter([good, good, row, good]), 1 << 20)
            except Error as exc:
                error = (type(exc), str(exc), exc.fault and exc.fault.at)
            out.end_copy()
            outcomes.append((bytes(out.take()), error))
        assert len(set(outcomes)) == 1
        plain = reference.row(
            [struct.pack(">i", 7), struct.pack(">i", -1), reference.numeric(good[2]), b"text", struct.pack(">d", 0.5)]
        )
        assert outcomes[0][0][5:].startswith(plain * 2)
