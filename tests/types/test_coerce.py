"""Values that are not a kind's own: what becomes of them, and what is refused."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Address
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from pgfast import Interval, Range, const
from pgfast.types import Json
from pgfast.types.classes import text_parameter
from pgfast.types.coerce import HOOKS

UTC = timezone.utc
A_UUID = UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")


class Colour(enum.Enum):
    RED = "red"
    SEVEN = 7


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    A = "a"


class Long(int):
    pass


ACCEPTED: list[tuple[int, Any, Any]] = [
    (const.KIND_BOOL, np.bool_(True), True),
    (const.KIND_INT2, np.int8(-3), -3),
    (const.KIND_INT4, Level.HIGH, 3),
    (const.KIND_INT4, Colour.SEVEN, 7),
    (const.KIND_INT8, np.uint64(2**63), 2**63),
    (const.KIND_INT8, Long(5), 5),
    (const.KIND_INT4, 2.0, 2),
    (const.KIND_INT4, Decimal("3.00"), 3),
    (const.KIND_FLOAT8, 5, 5.0),
    (const.KIND_FLOAT8, Decimal("0.1"), 0.1),
    (const.KIND_FLOAT8, np.float16(0.5), 0.5),
    (const.KIND_FLOAT4, np.float32(0.25), 0.25),
    (const.KIND_NUMERIC, 0.1, Decimal("0.1")),
    (const.KIND_NUMERIC, np.float32(0.1), Decimal("0.1")),
    (const.KIND_NUMERIC, np.float64(0.1), Decimal("0.1")),
    (const.KIND_NUMERIC, float("inf"), Decimal("Infinity")),
    (const.KIND_NUMERIC, np.int64(7), 7),
    (const.KIND_STR, Word.A, "a"),
    (const.KIND_STR, Colour.RED, "red"),
    (const.KIND_STR, np.str_("x"), "x"),
    (const.KIND_BYTES, np.bytes_(b"x"), b"x"),
    (const.KIND_BYTES, np.arange(3, dtype=np.uint8), b"\x00\x01\x02"),
    (const.KIND_DATE, datetime(2024, 1, 2), date(2024, 1, 2)),
    (const.KIND_DATE, np.datetime64("2024-01-02"), date(2024, 1, 2)),
    (const.KIND_DATE, pd.Timestamp("2024-01-02"), date(2024, 1, 2)),
    (const.KIND_TIMESTAMP, date(2024, 1, 2), datetime(2024, 1, 2)),
    (const.KIND_TIMESTAMP, pd.Timestamp("2024-01-02 03:04:05.000006"), datetime(2024, 1, 2, 3, 4, 5, 6)),
    (const.KIND_TIMESTAMP, np.datetime64("2024-01-02T03:04:05.000006000"), datetime(2024, 1, 2, 3, 4, 5, 6)),
    (const.KIND_TIMESTAMPTZ, np.datetime64("2024-01-02T03"), datetime(2024, 1, 2, 3, tzinfo=UTC)),
    (const.KIND_TIMESTAMPTZ, pd.Timestamp("2024-01-02", tz="UTC"), datetime(2024, 1, 2, tzinfo=UTC)),
    (const.KIND_INTERVAL, np.timedelta64(90, "m"), timedelta(minutes=90)),
    (const.KIND_INTERVAL, np.timedelta64(-2, "Y"), Interval(-24)),
    (const.KIND_INTERVAL, np.timedelta64(5, ("M", 3)), Interval(15)),
    (const.KIND_INTERVAL, pd.Timedelta("1 day"), timedelta(days=1)),
    (const.KIND_INTERVAL, Interval(1, 2, 3), Interval(1, 2, 3)),
    (const.KIND_UUID, str(A_UUID), A_UUID),
    (const.KIND_UUID, A_UUID.bytes, A_UUID),
    (const.KIND_JSON, {"a": [1, None]}, '{"a":[1,null]}'),
    (const.KIND_JSON, '{"as": "it is"}', '{"as": "it is"}'),
    (const.KIND_JSON, Json("text"), '"text"'),
    (const.KIND_JSONB, Json(None), "null"),
    (const.KIND_JSONB, b"[1]", b"[1]"),
]


@pytest.mark.parametrize(("kind", "value", "wanted"), ACCEPTED)
def test_values_that_lose_nothing_become_the_kinds_own(kind: int, value: Any, wanted: Any) -> None:
    made = HOOKS[kind](value)
    assert made == wanted
    assert type(made) is type(wanted)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (const.KIND_TIMESTAMP, np.datetime64("NaT", "ns")),
        (const.KIND_TIMESTAMP, pd.NaT),
        (const.KIND_TIMESTAMPTZ, pd.NaT),
        (const.KIND_DATE, np.datetime64("NaT", "D")),
        (const.KIND_INTERVAL, np.timedelta64("NaT", "s")),
    ],
)
def test_not_a_time_is_null(kind: int, value: Any) -> None:
    assert HOOKS[kind](value) is None


REFUSED: list[tuple[int, Any, str]] = [
    (const.KIND_BOOL, 1, "True or False"),
    (const.KIND_BOOL, "t", "True or False"),
    (const.KIND_INT4, True, "not bool"),
    (const.KIND_INT4, np.bool_(True), "not bool"),
    (const.KIND_INT4, "5", "not str"),
    (const.KIND_INT4, 1.5, "not a whole number"),
    (const.KIND_INT4, float("nan"), "not a whole number"),
    (const.KIND_INT8, Decimal("1e1000000"), "out of range"),
    (const.KIND_FLOAT8, 2**53 + 1, "cannot hold it exactly"),
    (const.KIND_FLOAT8, "1.5", "not str"),
    (const.KIND_FLOAT8, True, "not bool"),
    (const.KIND_NUMERIC, "1.5", "not str"),
    (const.KIND_NUMERIC, False, "not bool"),
    (const.KIND_NUMERIC, Fraction(1, 3), "not Fraction"),
    (const.KIND_STR, 5, "not int"),
    (const.KIND_STR, b"x", "decode it first"),
    (const.KIND_BYTES, "x", "encode it first"),
    (const.KIND_BYTES, 5, "not int"),
    (const.KIND_DATE, "2024-01-01", "not str"),
    (const.KIND_DATE, datetime(2024, 1, 1, 1), "time of day"),
    (const.KIND_DATE, datetime(2024, 1, 1, tzinfo=UTC), "time zone"),
    (const.KIND_TIMESTAMP, "2024-01-01", "not str"),
    (const.KIND_TIMESTAMP, pd.Timestamp("2024-01-01 00:00:00.000000001"), "microsecond"),
    (const.KIND_TIMESTAMP, np.datetime64("2024-01-01T00:00:00.000000001"), "microsecond"),
    (const.KIND_TIMESTAMP, np.datetime64("20000-01-01"), "years 1 to 9999"),
    (const.KIND_TIMESTAMPTZ, date(2024, 1, 1), "time zone"),
    (const.KIND_TIME, "12:00", "not str"),
    (const.KIND_INTERVAL, 5, "not int"),
    (const.KIND_INTERVAL, pd.Timedelta(1, "ns"), "microsecond"),
    (const.KIND_INTERVAL, np.timedelta64(1, "ns"), "microsecond"),
    (const.KIND_INTERVAL, np.timedelta64(5), "without a unit"),
    (const.KIND_INTERVAL, np.timedelta64(2**62, "s"), "beyond what Python's timedelta"),
    (const.KIND_UUID, "a0ee", "not a UUID"),
    (const.KIND_UUID, b"short", "16 bytes"),
    (const.KIND_UUID, 5, "not int"),
    (const.KIND_JSON, {"a": float("nan")}, "JSON"),
    (const.KIND_JSON, {1, 2}, "JSON"),
]


@pytest.mark.parametrize(("kind", "value", "why"), REFUSED)
def test_values_that_do_not_fit_are_refused_with_the_reason(kind: int, value: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        HOOKS[kind](value)


@pytest.mark.parametrize(
    ("value", "cast"),
    [
        (5, r"\$3::int4 "),
        (2**40, r"\$3::int8"),
        (True, r"\$3::bool"),
        (1.5, r"\$3::float8"),
        (Decimal(1), r"\$3::numeric"),
        (date(2024, 1, 1), r"\$3::date"),
        (datetime(2024, 1, 1), r"\$3::timestamp "),
        (datetime(2024, 1, 1, tzinfo=UTC), r"\$3::timestamptz"),
        (time(1), r"\$3::time "),
        (timedelta(1), r"\$3::interval"),
        (A_UUID, r"\$3::uuid"),
        (b"x", r"\$3::bytea"),
        ({"a": 1}, r"\$3::jsonb"),
        (np.int32(5), r"\$3::int4 "),
        (IPv6Address("::1"), r"\$3::inet"),
        (IPv4Network("10.0.0.0/8"), r"\$3::cidr"),
        ([1, None, 2], r"\$3::int4\[\]"),
        ([[1], [2**40]], r"\$3::int8\[\]"),
        ([None, "a"], r"\$3::text\[\]"),
        ([A_UUID], r"\$3::uuid\[\]"),
        (Range(1, 5), r"\$3::int4range"),
        (Range(None, Decimal(1)), r"\$3::numrange"),
        ([Range(datetime(2024, 1, 1), None)], r"\$3::tsrange\[\]"),
        ([], "write a cast behind it"),
        ([1, "a"], "write a cast behind it"),
        (Range(), "write a cast behind it"),
        ([[[[[[[1]]]]]]], "write a cast behind it"),
    ],
)
def test_a_value_for_a_parameter_taken_for_text_is_refused_with_the_cast_to_write(value: Any, cast: str) -> None:
    with pytest.raises(TypeError, match=cast):
        text_parameter(3)(value)


def test_a_str_for_a_parameter_taken_for_text_is_itself() -> None:
    assert text_parameter(1)(Word.A) == "a"


@pytest.mark.parametrize("kind", sorted(HOOKS))
def test_a_hook_leaves_a_value_of_its_own_kind_alone(kind: int) -> None:
    own: dict[int, Any] = {
        const.KIND_BOOL: True,
        const.KIND_FLOAT4: 1.5,
        const.KIND_FLOAT8: 1.5,
        const.KIND_NUMERIC: Decimal("1.50"),
        const.KIND_STR: "x",
        const.KIND_CHAR: "x",
        const.KIND_BYTES: b"x",
        const.KIND_DATE: date(2024, 1, 1),
        const.KIND_TIME: time(1),
        const.KIND_TIMETZ: time(1, tzinfo=UTC),
        const.KIND_TIMESTAMP: datetime(2024, 1, 1),
        const.KIND_TIMESTAMPTZ: datetime(2024, 1, 1, tzinfo=UTC),
        const.KIND_INTERVAL: timedelta(1),
        const.KIND_UUID: A_UUID,
        const.KIND_JSON: "{}",
        const.KIND_JSONB: "{}",
    }
    value = own.get(kind, 7)
    made = HOOKS[kind](value)
    assert made == value
    assert type(made) is type(value)
