"""Values that come again in a result: kept by the codec, never mixed up, and never anybody's but its own."""

from __future__ import annotations

import copy
import pickle
import struct
import threading
import weakref
from collections.abc import Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from pgfast import const
from pgfast.errors import DataError

from . import reference

RUN = 200  # rows, enough for a run to look for values it has had


def block_of(rows: Sequence[Sequence[bytes | None]]) -> bytearray:
    return bytearray(b"".join([reference.frame(const.DATA_ROW, reference.row(list(row))) for row in rows]))


def decoded(codec: ModuleType, plan: Any, rows: Sequence[Sequence[bytes | None]]) -> list[tuple[Any, ...]]:
    """The rows, decoded run by run."""
    made: list[tuple[Any, ...]] = []
    for at in range(0, len(rows), RUN):
        part = rows[at : at + RUN]
        block = block_of(part)
        made += codec.decode_rows(plan, block, 0, len(block), len(part))
    return made


def plan_of(codec: ModuleType, *kinds: int, call: Any = None) -> Any:
    return codec.Plan([(kind, 0, call, ()) for kind in kinds])


def numeric(text: str) -> bytes:
    return reference.numeric(Decimal(text))


@pytest.mark.parametrize(
    ("kind", "fields", "values"),
    [
        (const.KIND_NUMERIC, [numeric("0.04"), numeric("-17.50")], [Decimal("0.04"), Decimal("-17.50")]),
        (const.KIND_DATE, [struct.pack(">i", -1), struct.pack(">i", 0)], [date(1999, 12, 31), date(2000, 1, 1)]),
        (const.KIND_TIMESTAMP, [bytes(8)], [datetime(2000, 1, 1)]),
        (const.KIND_TIMESTAMPTZ, [bytes(8)], [datetime(2000, 1, 1, tzinfo=timezone.utc)]),
        (const.KIND_UUID, [bytes(16), b"\1" * 16], [UUID(int=0), UUID(bytes=b"\1" * 16)]),
    ],
)
def test_values_that_repeat_are_one_object_each(
    codec: ModuleType, kind: int, fields: list[bytes], values: list[Any]
) -> None:
    made = decoded(codec, plan_of(codec, kind), [[field] for _ in range(2 * RUN) for field in fields])
    assert made == [(value,) for _ in range(2 * RUN) for value in values]
    assert {type(row[0]) for row in made} == {type(values[0])}
    assert len({id(row[0]) for row in made}) == len(values)


def test_values_that_do_not_repeat_at_first_are_found_when_they_do(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_NUMERIC, const.KIND_DATE)
    prices = [[numeric(f"{i}.25"), struct.pack(">i", i)] for i in range(100_000, 103_000)]
    flags = [[numeric("1.5"), struct.pack(">i", 5)]] * 20_000
    made = decoded(codec, plan, prices + flags + prices)
    assert made[:3000] == made[-3000:] == [(Decimal(f"{i}.25"), _day(i)) for i in range(100_000, 103_000)]
    assert set(made[3000:-3000]) == {(Decimal("1.5"), _day(5))}
    assert len({id(row[0]) for row in made[20_000:-3000]}) == 1


def _day(days: int) -> date:
    return date.fromordinal(const.EPOCH_ORDINAL + days)


def test_the_same_bytes_are_another_value_in_another_column(codec: ModuleType) -> None:
    kinds = (const.KIND_NUMERIC, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ, const.KIND_STR, const.KIND_INT8)
    made = decoded(codec, plan_of(codec, *kinds), [[bytes(8)] * 5] * RUN)
    zero = datetime(2000, 1, 1)
    expected = (Decimal(0), zero, zero.replace(tzinfo=timezone.utc), "\0" * 8, 0)
    assert made == [expected] * RUN
    assert [[type(value) for value in row] for row in made] == [[type(value) for value in expected]] * RUN
    wide = b"sixteen letters!"
    made = decoded(codec, plan_of(codec, const.KIND_UUID, const.KIND_STR), [[wide] * 2] * RUN)
    assert made == [(UUID(bytes=wide), wide.decode())] * RUN


def test_texts_that_differ_in_the_middle_or_in_length_alone_are_told_apart(codec: ModuleType) -> None:
    texts = [f"{'same begin'}{i % 7:04d}{'same end'}" for i in range(1000)]
    texts += ["ab" * (i % 40) for i in range(1000)] + ["é" * (i % 40) for i in range(1000)] + ["aaa", "aa"] * 200
    made = decoded(codec, plan_of(codec, const.KIND_STR), [[text.encode()] for text in texts])
    assert made == [(text,) for text in texts]


def test_more_distinct_values_than_are_kept_come_out_right(codec: ModuleType) -> None:
    values = [Decimal(i * 7919 % 9000).scaleb(-2) for i in range(20_000)]
    fields = [[reference.numeric(value), str(value).encode()] for value in values]
    made = decoded(codec, plan_of(codec, const.KIND_NUMERIC, const.KIND_STR), fields)
    assert made == [(value, str(value)) for value in values]
    assert [str(row[0]) for row in made] == [str(value) for value in values]


def test_what_a_call_makes_is_made_for_every_value(codec: ModuleType) -> None:
    seen: list[Any] = []

    def call(raw: Any) -> list[Any]:
        seen.append(raw)
        return [raw]

    infinity = struct.pack(">i", const.MAX_INT32)
    plan = plan_of(codec, const.KIND_DATE, const.KIND_STR, call=call)
    made = decoded(codec, plan, [[infinity, b"text"]] * (2 * RUN))
    assert made == [([const.MAX_INT32], ["text"])] * (2 * RUN)
    assert len(seen) == 4 * RUN
    assert len({id(value) for row in made for value in row}) == 4 * RUN


def test_bytes_that_are_no_value_are_a_fault_however_often_good_ones_came(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_STR, const.KIND_NUMERIC)
    good = [b"text", numeric("1.5")]
    for bad in ([b"te\xffxt", good[1]], [good[0], good[1][:-1] + b"\xff"], [good[0], b"\0" * 7]):
        faults = []
        for rows in ([good] * 150 + [bad], [bad] + [good] * 150):
            with pytest.raises(Exception) as caught:
                decoded(codec, plan, rows)
            faults.append(str(caught.value))
        assert faults[0] == faults[1]
        assert decoded(codec, plan, [good] * RUN) == [("text", Decimal("1.5"))] * RUN


def test_a_run_begun_by_a_call_of_another_run_of_the_plan_sees_its_own_bytes(codec: ModuleType) -> None:
    inner: list[Any] = []

    def call(raw: str) -> str:
        if len(inner) < 3:
            inner.append(None)
            inner.append(decoded(codec, plan, [[numeric(f"{i % 5}.5"), b"deep"] for i in range(RUN)]))
        return raw

    plan = codec.Plan([(const.KIND_NUMERIC, 0, None, ()), (const.KIND_TEXT_CALL, 0, call, ())])
    made = decoded(codec, plan, [[numeric(f"{i % 3}.5"), b"top"] for i in range(RUN)])
    assert made == [(Decimal(f"{i % 3}.5"), "top") for i in range(RUN)]
    nested = [rows for rows in inner if rows is not None]
    assert nested
    assert all(rows == [(Decimal(f"{i % 5}.5"), "deep") for i in range(RUN)] for rows in nested)


def test_threads_share_a_plan(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_NUMERIC, const.KIND_STR, const.KIND_DATE)
    outcomes: dict[int, Any] = {}

    def fetch(which: int) -> None:
        rows = [[numeric(f"{i % 9}.{which}"), f"{which}-{i % 11}".encode(), struct.pack(">i", i)] for i in range(4000)]
        outcomes[which] = decoded(codec, plan, rows)

    threads = [threading.Thread(target=fetch, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {
        which: [(Decimal(f"{i % 9}.{which}"), f"{which}-{i % 11}", _day(i)) for i in range(4000)] for which in range(4)
    }


def test_values_die_with_the_plan_that_kept_them(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_UUID)
    rows = decoded(codec, plan, [[b"\2" * 16]] * RUN)
    kept = weakref.ref(rows[0][0])
    del rows, plan
    assert kept() is None


def test_copied_rows_share_values_too(codec: ModuleType) -> None:
    plan, state = plan_of(codec, const.KIND_NUMERIC), codec.CopyState()
    stream = const.COPY_HEADER + reference.row([numeric("2.5")])
    frames = [stream] + [reference.row([numeric("2.5")])] * RUN
    block = bytearray(b"".join([reference.frame(const.COPY_DATA, part) for part in frames]))
    rows = codec.decode_copy_rows(plan, state, block, 0, len(block), len(frames))
    assert rows == [(Decimal("2.5"),)] * (RUN + 1)
    assert len({id(row[0]) for row in rows}) == 1


EDGES = [
    *("0", "0.00", "-0.00", "0E-20", "1", "-1", "10", "9999", "10000", "10001", "-99990000", "0.1", "-0.0001"),
    *("0.00001", "12345678.9", "9999999999999999", "-9999999999999999.99", "99999999999999.9999", "1000000000000000"),
    *("999999999999999999", "9999999999999999999", "10000000000000000000", "0.000000000000000001", "0.1000000000"),
    *("12345678901234567890123456789012345678", "-1.2345678901234567890123456789", "NaN", "Infinity", "-Infinity"),
]


@pytest.mark.parametrize("text", EDGES)
def test_a_decimal_off_the_wire_is_the_one_its_text_makes(codec: ModuleType, text: str) -> None:
    expected = Decimal(text) if Decimal(text) or Decimal(text).is_nan() else Decimal(text).copy_abs()
    ((made,),) = decoded(codec, plan_of(codec, const.KIND_NUMERIC), [[numeric(text)]])
    assert type(made) is Decimal
    assert made.as_tuple() == expected.as_tuple()
    assert (str(made), repr(made), f"{made}") == (str(expected), repr(expected), f"{expected}")
    if made.is_nan():
        return
    assert made == expected
    assert hash(made) == hash(expected)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == expected
    assert (-made).as_tuple() == (-expected).as_tuple()
    if made.is_finite():
        assert [made + 1, made * 3, made.scaleb(2)] == [expected + 1, expected * 3, expected.scaleb(2)]
        assert made.adjusted() == expected.adjusted()


@pytest.mark.parametrize("text", [*EDGES, "1E+5", "-7E+3", "0E+3", "1E-45", "9" * 40, "1." + "0" * 60, "123E-40"])
def test_a_decimal_goes_to_the_wire_as_its_digits_say(codec: ModuleType, text: str) -> None:
    plan, out = plan_of(codec, const.KIND_NUMERIC), codec.WriteBuffer()
    out.begin_copy()
    codec.encode_copy_rows(out, plan, iter([(Decimal(text),)]), 1 << 20)
    out.end_copy()
    assert bytes(out.take())[5:] == reference.row([numeric(text)])


def test_a_decimal_that_was_computed_goes_to_the_wire_as_its_digits_say(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_NUMERIC)
    for value in (Decimal(2) ** 70, Decimal(10) ** 25 / 3, Decimal("1e30") - Decimal("1e30"), -(Decimal(7) / 9)):
        out = codec.WriteBuffer()
        out.begin_copy()
        codec.encode_copy_rows(out, plan, iter([(value,)]), 1 << 20)
        out.end_copy()
        assert bytes(out.take())[5:] == reference.row([reference.numeric(value)])


def test_a_fault_in_a_run_leaves_what_was_kept_usable(codec: ModuleType) -> None:
    plan = plan_of(codec, const.KIND_DATE)
    rows: list[list[bytes | None]] = [[struct.pack(">i", 1)]] * RUN
    first = decoded(codec, plan, rows)
    with pytest.raises(DataError):
        decoded(codec, plan, [*rows[: RUN // 2], [struct.pack(">i", const.MAX_INT32)]])
    again = decoded(codec, plan, rows)
    assert first == again == [(_day(1),)] * RUN
