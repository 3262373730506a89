"""Rows and columns that are written many at a time: the same bytes, faults and edges as one by one."""

from __future__ import annotations

import random
import struct
from datetime import date, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from pgfast import const
from pgfast.errors import Error

ROWS = 700
#: kind -> values of its own type, the edges among them.
VALUES: dict[int, list[Any]] = {
    const.KIND_BOOL: [True, False],
    const.KIND_INT2: [0, -1, 2**15 - 1, -(2**15)],
    const.KIND_INT4: [0, 1, -1, 2**31 - 1, -(2**31)],
    const.KIND_INT8: [0, 1, 2**63 - 1, -(2**63)],
    const.KIND_FLOAT4: [0.0, -0.0, 1.5, float("inf")],
    const.KIND_FLOAT8: [0.0, -0.0, 1e300, float("nan")],
    const.KIND_DATE: [date(1, 1, 1), date(1999, 12, 31), date(2000, 1, 1), date(9999, 12, 31)],
    const.KIND_UUID: [UUID(int=0), UUID(int=2**128 - 1)],
    const.KIND_STR: ["", "a", "ä€𝄞", "x" * 255, "y" * 256, "z" * 70_000],
    const.KIND_BYTES: [b"", b"\0", b"\xff" * 300],
}
#: Numerics of one shape, and of every shape.
PRICES = [Decimal(cents).scaleb(-2) for cents in (0, 1, 99, 100, 12345, 999_999, 1_000_000, 1_000_001, 123_456_789)]
PRICES += [Decimal("99999999.99"), Decimal("100000000.01"), Decimal("-0.00"), Decimal("-0.01"), Decimal("-12345.67")]
NUMBERS = [
    *PRICES,
    *(Decimal(text) for text in ("1", "1.0", "1.00", "1E+3", "1E-7", "0E-20", "NaN", "Infinity", "-Infinity", "10000")),
    Decimal(10**40),
    Decimal(1).scaleb(-5),
    Decimal("1.5E+10"),
    Decimal("12345.6789"),
    Decimal("12345.67890"),
]


def plan_of(codec: ModuleType, kinds: list[int], keys: tuple[str, ...] = ()) -> Any:
    return codec.Plan([(kind, 0, None, ()) for kind in kinds], keys)


def said(exc: Error) -> Any:
    """What the fault says."""
    info = exc.fault
    return None if info is None else (info.code, info.at, info.column, repr(info.value))


def blocks(codec: ModuleType, plan: Any, rows: Any, limit: int) -> list[Any]:
    """What each call gave, until the rows end or one is refused, and the bytes."""
    found: list[Any] = []
    out, ended = codec.WriteBuffer(), False
    while not ended:
        out.begin_copy()
        try:
            count, ended = codec.encode_copy_rows(out, plan, rows, limit)
            found.append((count, ended))
        except Error as exc:
            found.append((type(exc), said(exc)))
            ended = True
        out.end_copy()
        found.append(bytes(out.take()))
    return [*found, repr(next(rows, "no more"))]


def same(codecs: tuple[ModuleType, ...], kinds: list[int], rows: list[Any], keys: tuple[str, ...] = ()) -> list[Any]:
    """What both codecs make of the rows of a list and of those of a generator, wherever blocks end."""
    for limit in (100, 5_000, 1 << 17):
        outcomes = [
            blocks(codec, plan_of(codec, kinds, keys), source, limit)
            for codec in codecs
            for source in (iter(rows), (row for row in rows), iter(tuple(rows)))
        ]
        assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


@pytest.mark.parametrize("nulls", [0, 1, 40, 100], ids="{} % NULL".format)
def test_many_rows_are_the_bytes_of_each(codecs: tuple[ModuleType, ...], nulls: int) -> None:
    chance = random.Random(nulls)
    columns = [*VALUES.items(), (const.KIND_NUMERIC, PRICES), (const.KIND_NUMERIC, NUMBERS)]
    rows = [
        tuple([None if chance.randrange(100) < nulls else chance.choice(values) for _kind, values in columns])
        for _ in range(ROWS)
    ]
    same(codecs, [kind for kind, _values in columns], rows)


@pytest.mark.parametrize("kind", [*VALUES, const.KIND_NUMERIC])
def test_a_column_alone_is_the_bytes_of_each_value(codecs: tuple[ModuleType, ...], kind: int) -> None:
    values = VALUES.get(kind, NUMBERS)
    same(codecs, [kind], [(value,) for value in values * 40])


@pytest.mark.parametrize("texts", [0, 1])
def test_values_that_never_come_again_are_written_too(codecs: tuple[ModuleType, ...], texts: int) -> None:
    rows = [(Decimal(number * 997).scaleb(-2), f"text {number}" * (1 + number % 30)) for number in range(3_000)]
    same(codecs, [const.KIND_NUMERIC, const.KIND_STR][texts : texts + 1], [(row[texts],) for row in rows])


@pytest.mark.parametrize("scale", range(7))
def test_numerics_of_one_scale_are_the_bytes_of_each(codecs: tuple[ModuleType, ...], scale: int) -> None:
    chance = random.Random(scale)
    rows = [(Decimal(chance.randrange(-(10**6), 10 ** chance.randrange(6, 14))).scaleb(-scale),) for _ in range(3_000)]
    same(codecs, [const.KIND_NUMERIC], rows)


#: (kind, many good values, what looks like one of them)
LIKE = [
    (const.KIND_INT4, [1, 0, 7], True),
    (const.KIND_INT4, [1, 0, 7], 1.0),
    (const.KIND_INT4, [1, 0, 7], 2**31),
    (const.KIND_INT2, [1, 0, 7], -(2**15) - 1),
    (const.KIND_BOOL, [True, False], 1),
    (const.KIND_FLOAT8, [1.0, 0.0], 1),
    (const.KIND_FLOAT4, [1.0, 0.0], 1e300),
    (const.KIND_NUMERIC, [Decimal(1), Decimal(2)], 1),
    (const.KIND_NUMERIC, [Decimal("1.00"), 2], True),
    (const.KIND_NUMERIC, [Decimal("1.00"), 2], 10**5000),
    (const.KIND_NUMERIC, [Decimal(1), Decimal(2)], Decimal("sNaN")),
    (const.KIND_NUMERIC, [Decimal("1.00"), Decimal("2.00")], Decimal("1E+1000000")),
    (const.KIND_NUMERIC, [Decimal("1.00"), Decimal("2.00")], Decimal("1.0")),
    (const.KIND_DATE, [date(2000, 1, 1)], datetime(2000, 1, 1)),
    (const.KIND_STR, ["a", "b"], type("Text", (str,), {})("a")),
    (const.KIND_STR, ["a", "b"], b"a"),
    (const.KIND_STR, ["a", "b"], "a\0"),
    (const.KIND_STR, ["a", "b"], "\ud800"),
    (const.KIND_BYTES, [b"a"], bytearray(b"a")),
]


@pytest.mark.parametrize(
    ("kind", "values", "other"), LIKE, ids=[f"{kind}-{number}" for number, (kind, _values, _other) in enumerate(LIKE)]
)
def test_what_is_only_like_the_values_before_is_what_it_is_alone(
    codecs: tuple[ModuleType, ...], kind: int, values: list[Any], other: Any
) -> None:
    good = [(value, 7) for value in values] * 200
    for place in (1, 255, 256, 257, len(good) - 1):
        same(codecs, [kind, const.KIND_INT4], [*good[:place], (other, 7), *good[place:]])


@pytest.mark.parametrize(
    "row",
    [(1,), (1, "a", 2), [1], 5, None, {"a": 1, "b": "x"}, {"a": 1}, {"a": 1, "b": "x", "c": 2}, {"b": "x", "a": 1}],
)
@pytest.mark.parametrize("shape", [tuple, list, dict])
def test_a_row_of_another_shape_among_many_is_what_it_is_alone(
    codecs: tuple[ModuleType, ...], shape: type, row: Any
) -> None:
    keys = ("a", "b")
    good = [(number, str(number)) for number in range(300)]
    rows: list[Any] = [dict(zip(keys, values, strict=True)) if shape is dict else shape(values) for values in good]
    for place in (0, 1, 256, 299):
        same(codecs, [const.KIND_INT4, const.KIND_STR], [*rows[:place], row, *rows[place:]], keys)


def test_a_list_that_ends_in_a_block_can_go_on(codec: ModuleType) -> None:
    rows: list[Any] = [(number,) for number in range(10)]
    walk, out, plan = iter(rows), codec.WriteBuffer(), plan_of(codec, [const.KIND_INT4])
    out.begin_copy()
    assert codec.encode_copy_rows(out, plan, walk, 50) == (5, False)
    rows.append((10,))
    assert codec.encode_copy_rows(out, plan, walk, 1 << 20) == (6, True)
    assert codec.encode_copy_rows(out, plan, walk, 1 << 20) == (0, True)


# ---------------------------------------------------------------- columns


def source(layout: int, kind: int, values: Any, **more: Any) -> tuple[Any, ...]:
    validity, offsets, scale = more.get("validity"), more.get("offsets"), more.get("scale", 0)
    spec = (kind, 0, None, ())
    return (layout, spec, ROWS, 0, validity, values, offsets, scale, more.get("variadic", ()), more.get("dictionary"))


def view_source(texts: list[bytes], parts: int) -> tuple[Any, ...]:
    """Views of texts, the long ones spread over so many buffers."""
    buffers, made = [bytearray() for _ in range(parts)], bytearray()
    for number, text in enumerate(texts):
        if len(text) <= 12:
            made += struct.pack("<i12s", len(text), text)
        else:
            buffer = buffers[number * parts // len(texts)]
            made += struct.pack("<i4sii", len(text), text[:4], number * parts // len(texts), len(buffer))
            buffer += text
    return source(const.LAYOUT_VIEW, const.KIND_STR, None, offsets=bytes(made), variadic=tuple(map(bytes, buffers)))


def spread(code: str, values: list[int]) -> bytes:
    return struct.pack(f"<{ROWS}{code}", *[values[row % len(values)] for row in range(ROWS)])


def columns_of_every_kind() -> dict[str, tuple[Any, ...]]:
    chance = random.Random(5)
    some = bytes([chance.randrange(256) for _ in range((ROWS + 7) // 8)])
    short = [chance.choice((b"", b"a", b"twelve bytes")) for _ in range(ROWS)]
    mixed = [b"x" * chance.randrange(40) for _ in range(ROWS)]
    ends = struct.pack(f"<{ROWS + 1}i", *range(0, 3 * ROWS + 1, 3))
    words = source(const.LAYOUT_VAR32, const.KIND_STR, b"abc" * ROWS, offsets=ends)
    prices = b"".join([chance.randrange(-(10**9), 10**9).to_bytes(16, "little", signed=True) for _ in range(ROWS)])
    return {
        "int4": source(const.LAYOUT_I32, const.KIND_INT4, spread("i", [0, -1, 2**31 - 1])),
        "int8, NULLs": source(const.LAYOUT_I64, const.KIND_INT8, spread("q", [0, -(2**63)]), validity=some),
        "float4": source(const.LAYOUT_F32, const.KIND_FLOAT4, spread("i", [0, -1, 2**31 - 1])),
        "dates": source(const.LAYOUT_DATE32, const.KIND_DATE, spread("i", [0, 10957, -700_000, 2_900_000])),
        "dates, NULLs": source(const.LAYOUT_DATE32, const.KIND_DATE, spread("i", [0, 10957]), validity=some),
        "infinite dates": source(const.LAYOUT_DATE32, const.KIND_DATE, spread("i", [5] * 300 + [2**31 - 1, -(2**31)])),
        "dates too early": source(const.LAYOUT_DATE32, const.KIND_DATE, spread("i", [5] * 300 + [-(2**31) + 10956])),
        "first date of all": source(const.LAYOUT_DATE32, const.KIND_DATE, spread("i", [-(2**31) + 10958, 2**31 - 2])),
        "timestamps": source(
            const.LAYOUT_TIMESTAMP, const.KIND_TIMESTAMP, spread("q", [0, 10**15, -(10**17)]), scale=10**6
        ),
        "infinite timestamps": source(
            const.LAYOUT_TIMESTAMP, const.KIND_TIMESTAMP, spread("q", [1] * 300 + [2**63 - 1, -(2**63)]), scale=10**6
        ),
        "timestamps too early": source(
            const.LAYOUT_TIMESTAMP, const.KIND_TIMESTAMP, spread("q", [1] * 300 + [-(2**63) + 1]), scale=10**6
        ),
        "prices": source(const.LAYOUT_DECIMAL128, const.KIND_NUMERIC, prices, scale=2),
        "prices, NULLs": source(const.LAYOUT_DECIMAL128, const.KIND_NUMERIC, prices, scale=5, validity=some),
        "large decimals": source(const.LAYOUT_DECIMAL128, const.KIND_NUMERIC, spread("q", [1, -1]) * 2, scale=38),
        "texts": words,
        "texts, NULLs": source(const.LAYOUT_VAR32, const.KIND_STR, b"abc" * ROWS, offsets=ends, validity=some),
        "NUL among texts": source(
            const.LAYOUT_VAR32, const.KIND_STR, b"abc" * 400 + b"a\0c" + b"abc" * 299, offsets=ends
        ),
        "short views": view_source(short, 1),
        "views that come again": view_source([b"one", b"two", b"", b"twelve bytes"] * (ROWS // 4), 1),
        "mixed views": view_source(mixed, 1),
        "views of some buffers": view_source(mixed, 9),
        "NUL among views": view_source([*mixed[:400], b"a\0", *mixed[401:]], 1),
        "NUL among long views": view_source([*mixed[:400], b"a\0" * 10, *mixed[401:]], 2),
        "dictionary": source(const.LAYOUT_I32, const.KIND_STR, spread("i", [0, 5, 699]), dictionary=words),
        "dictionary with NULL": source(
            const.LAYOUT_U8,
            const.KIND_STR,
            spread("B", [0, 5, 255]),
            validity=some,
            dictionary=(*words[:4], some, *words[5:]),
        ),
        "beyond the dictionary": source(
            const.LAYOUT_I32, const.KIND_STR, spread("i", [1] * 300 + [700]), dictionary=words
        ),
    }


COLUMNS = columns_of_every_kind()


def write_columns(codec: ModuleType, columns: list[Any], start: int, limit: int) -> list[Any]:
    found: list[Any] = []
    out, at = codec.WriteBuffer(), start
    while at < ROWS:
        out.begin_copy()
        try:
            at = codec.encode_copy_columns(out, columns, at, ROWS, limit)
            found.append(at)
        except Error as exc:
            found.append((type(exc), said(exc)))
            at = ROWS
        out.end_copy()
        found.append(bytes(out.take()))
    return found


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("start", [0, 3])
def test_many_fields_of_a_column_are_the_bytes_of_each(codecs: tuple[ModuleType, ...], name: str, start: int) -> None:
    for columns in ([COLUMNS[name]], [COLUMNS["int4"], COLUMNS["dates"], COLUMNS[name], COLUMNS["float4"]]):
        for limit in (100, 5_000, 1 << 20):
            outcomes = [write_columns(codec, columns, start, limit) for codec in codecs]
            assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("word", range(4))
@pytest.mark.parametrize("value", [-1, -20, 1 << 30, 9])
def test_a_view_that_leads_out_of_its_buffer_is_a_fault(codecs: tuple[ModuleType, ...], word: int, value: int) -> None:
    good = view_source([b"x" * (15 + row % 20) for row in range(ROWS)], 2)
    views = bytearray(good[6])
    struct.pack_into("<i", views, 16 * 400 + 4 * word, value)
    outcomes = [write_columns(codec, [(*good[:6], bytes(views), *good[7:])], 0, 1 << 20) for codec in codecs]
    assert outcomes[0] == outcomes[1]
