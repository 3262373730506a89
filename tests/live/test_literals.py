"""Constants: what a value is written as is what the server would have been sent for it as a parameter."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pgfast
from pgfast import Interval, Json, Multirange, Range, sql
from pgfast.values import Box, Circle, LineSegment, Path, Point, Polygon

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INT4 = st.integers(-(2**31), 2**31 - 1)
INT8 = st.integers(-(2**63), 2**63 - 1)
NUMERIC = st.decimals(-(10**40), 10**40, allow_nan=False) | st.sampled_from(
    [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("-0.00"), Decimal("1E+900"), Decimal("1E-900")]
)
TOKYO = ZoneInfo("Asia/Tokyo")
ZONES = st.timezones() | st.just(timezone(timedelta(hours=-7, minutes=30)))
AWARE = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)
#: The types of values, and the values.
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int4": INT4,
    "int8": INT8,
    "numeric": NUMERIC | st.integers(-(10**60), 10**60),
    "float8": st.floats(),
    "text": TEXT,
    "bytea": st.binary() | st.binary().map(bytearray),
    "date": st.dates(),
    "time": st.times(),
    "timetz": st.times(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=45))])),
    "timestamp": st.datetimes(),
    "timestamptz": AWARE,
    "interval": st.timedeltas(timedelta(-(10**6)), timedelta(10**6))
    | st.builds(Interval, INT4, INT4, st.integers(-(2**58), 2**58)),
    "uuid": st.uuids(),
    "inet": st.ip_addresses(),
    "jsonb": st.dictionaries(TEXT, st.lists(TEXT | st.integers(-(2**53), 2**53) | st.none() | st.booleans())),
    "int4range": st.builds(lambda a, b: Range(min(a, b), max(a, b)), INT4, INT4) | st.just(Range(empty=True)),
    "daterange": st.builds(lambda a, b: Range(min(a, b), max(a, b), "[)"), st.dates(), st.dates()),
    "numrange": st.builds(lambda a: Range(Decimal(a), None), INT8),
    "int8multirange": st.builds(lambda a: Multirange([Range(None, a - 2), Range(a, a + 5)]), INT4),
}


@pytest.fixture(scope="module")
def plain(dsn: str) -> Iterator[Any]:
    with pgfast.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def escaping(dsn: str) -> Iterator[Any]:
    """A connection to which a backslash is no ordinary character."""
    with pgfast.connect(dsn, autocommit=True, options="-c standard_conforming_strings=off") as connection:
        yield connection


def same(connection: Any, value: object, type_name: str) -> None:
    """The constant of a value and its parameter are one and the same, and equal where the client compares them."""
    query = f"select {sql.quote(value, connection)}::{type_name}, $1::{type_name}"
    written, bound = connection.execute(query, (value,)).fetchone()
    assert repr(written) == repr(bound), query
    merged = pgfast.ClientCursor(connection).execute(f"select %s::{type_name}", (value,)).fetchone()
    assert repr(merged) == repr((bound,))


@pytest.mark.parametrize("type_name", KINDS)
def test_a_constant_is_what_its_parameter_is(plain: Any, type_name: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(KINDS[type_name])
    def check(value: object) -> None:
        same(plain, value, type_name)

    check()


@pytest.mark.parametrize("type_name", ["bool", "int4", "int8", "numeric", "float8", "text", "bytea", "date"])
def test_lists_are_what_their_parameters_are(plain: Any, type_name: str) -> None:
    elements = st.lists(st.none() | KINDS[type_name], max_size=5)
    pairs = st.tuples(KINDS[type_name], KINDS[type_name]).map(list)

    @settings(max_examples=15, deadline=None)
    @given(elements | st.lists(pairs, min_size=1, max_size=3))
    def check(value: object) -> None:
        same(plain, value, f"{type_name}[]")

    check()


@pytest.mark.parametrize("type_name", ["text", "bytea", "jsonb"])
def test_backslashes_mean_the_same_where_they_escape(escaping: Any, type_name: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(KINDS[type_name])
    def check(value: object) -> None:
        same(escaping, value, type_name)

    check()


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("'\\\"$%-/*;E\n ab")))
def test_no_text_leaves_its_quotes(plain: Any, escaping: Any, text: str) -> None:
    for connection in (plain, escaping):
        cursor = pgfast.ClientCursor(connection)
        assert cursor.execute("select %s, %s -- end", (text, 1)).fetchall() == [(text, 1)]
        named = connection.execute(sql.SQL("select 1 as {}").format(sql.Identifier(text or "x")))
        assert named.description[0].name == (text or "x")


class Mood(enum.Enum):
    HAPPY = "happy"
    SAD = "so'so"


@dataclass
class Item:
    name: str
    price: Decimal
    moods: list[Mood]


@pytest.mark.parametrize(
    ("value", "type_name", "text"),
    [
        (None, "int", "NULL"),
        (True, "bool", "true"),
        (1, "int", "1"),
        (-1, "int", " -1"),
        (-(2**63), "int8", "'-9223372036854775808'::int8"),
        (np.int16(-(2**15)), "int2", "'-32768'::int4"),
        (2**100, "numeric", str(2**100)),
        (1.5, "float8", "1.5"),
        (-0.0, "float8", "'-0.0'::float8"),
        (1e300, "float8", "1e+300"),
        (5e-324, "float8", "5e-324"),
        (float("-inf"), "float8", "'-inf'::float8"),
        (Decimal("1.50"), "numeric", "1.50"),
        (Decimal("-1E+5"), "numeric", " -1E+5"),
        (Decimal("-NaN"), "numeric", "'NaN'::numeric"),
        ("it's", "text", "'it''s'"),
        ("a\\b", "text", " E'a\\\\b'"),
        (b"\0\xff", "bytea", " E'\\\\x00ff'::bytea"),
        (memoryview(b"a"), "bytea", " E'\\\\x61'::bytea"),
        (date(2020, 1, 1), "date", "'2020-01-01'::date"),
        (
            datetime(2020, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")),
            "timestamptz",
            "'2020-01-01 00:00:00+09:00'::timestamptz",
        ),
        (time(1, 2), "time", "'01:02:00'::time"),
        (UUID(int=1), "uuid", "'00000000-0000-0000-0000-000000000001'::uuid"),
        (ip_address("::1"), "inet", "'::1'::inet"),
        (ip_interface("10.0.0.1/8"), "inet", "'10.0.0.1/8'::inet"),
        (ip_network("10.0.0.0/8"), "cidr", "'10.0.0.0/8'::cidr"),
        (Json("text"), "json", "'\"text\"'::json"),
        ({"a": [1]}, "jsonb", "'{\"a\":[1]}'::jsonb"),
        ([], "int[]", "'{}'"),
        ([1, None, 2**40], "int8[]", "'{1,NULL,1099511627776}'::int8[]"),
        ([[1, 2], [3, 4]], "int[]", "'{{1,2},{3,4}}'::int4[]"),
        ([1, 1.5], "float8[]", "'{1,1.5}'::float8[]"),
        ([1.5, Decimal("0.1")], "numeric[]", "'{1.5,0.1}'::numeric[]"),
        (["a", "b,c"], "text[]", "'{a,\"b,c\"}'"),
        ([date(2020, 1, 1)], "date[]", "'{2020-01-01}'::date[]"),
        (pgfast.Array([1, 2], [0]), "int[]", "'[0:1]={1,2}'::int4[]"),
        (Range(1, 5), "int4range", "'[1,5)'"),
        (Range(None, None), "int4range", "'(,)'"),
        (Range(datetime(2020, 1, 1), None), "tsrange", "'[\"2020-01-01 00:00:00\",)'"),
        ([Range(1, 2)], "int4range[]", "'{\"[1,2)\"}'"),
        (Multirange([Range(date(2020, 1, 1), None)]), "datemultirange", "'{[2020-01-01,)}'::datemultirange"),
        (Mood.SAD, "text", "'so''so'"),
        (Point(1, 2), "point", "'(1,2)'::point"),
        ([Box(Point(1, 1), Point(0, 0))] * 2, "box[]", "'{(1,1),(0,0);(1,1),(0,0)}'::box[]"),
        (LineSegment(Point(1, 1), Point(0, 0)), "lseg", "'[(1,1),(0,0)]'::lseg"),
        (Circle(Point(1, 1), 2), "circle", "'<(1,1),2>'::circle"),
        (Path((Point(1, 1),), True), "path", "'((1,1))'::path"),
        (Polygon((Point(1, 1),)), "polygon", "'((1,1))'::polygon"),
        (np.int16(-5), "int2", " -5"),
        (np.float32(0.5), "float4", "0.5"),
        (np.bool_(True), "bool", "true"),
        (np.str_("a'b"), "text", "'a''b'"),
        (np.datetime64("2020-01-01T10"), "timestamp", "'2020-01-01 10:00:00'::timestamp"),
        (np.datetime64("NaT"), "timestamp", "NULL"),
        (np.array([[1, 2], [3, 4]]), "int[]", "'{{1,2},{3,4}}'::int4[]"),
    ],
)
def test_the_constants_of_all_classes(plain: Any, value: object, type_name: str, text: str) -> None:
    assert sql.quote(value) == text
    same(plain, value, type_name)


def test_tuples_and_dataclasses_are_records(plain: Any) -> None:
    plain.execute("drop type if exists item; create type item as (name text, price numeric)")
    cursor = pgfast.ClientCursor(plain)
    found = cursor.execute("select %s::item, %s::item", (("a,b", Decimal("1.5")), ("", None))).fetchone()
    assert found == (("a,b", Decimal("1.5")), ("", None))
    assert sql.quote([("a", 1)]) == "'{\"(a,1)\"}'"
    plain.execute("drop type item")


def test_registered_classes_have_the_types_they_were_registered_for(plain: Any, dsn: str) -> None:
    plain.execute(
        "create type mood as enum ('happy', 'so''so'); create type item as (moods mood[], name text, price numeric)"
    )
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.types.register_enum("mood", Mood)
        conn.types.register_composite("item", Item)
        cursor = pgfast.ClientCursor(conn)
        assert cursor.mogrify("%s", (Mood.SAD,)) == "'so''so'::\"mood\""
        with pytest.raises(pgfast.ProgrammingError, match="load it first"):
            cursor.mogrify("%s", (Item("a", Decimal(1), []),))
        conn.types.load("mood", "item")
        value = Item("a,b", Decimal("1.5"), [Mood.SAD, Mood.HAPPY])
        assert cursor.execute("select %s, %s", (value, [Mood.HAPPY])).fetchone() == (value, [Mood.HAPPY])
    plain.execute("drop type item; drop type mood")


def test_what_cannot_be_said_exactly_is_refused(plain: Any) -> None:
    cursor = pgfast.ClientCursor(plain)
    wrong = [("a\0", "NUL"), (object(), "stands for no type"), (Json({1, 2}), "set"), (Json(float("nan")), "JSON")]
    for value, said in wrong:
        with pytest.raises(pgfast.ProgrammingError, match=rf"^parameter \$1: .*{said}"):
            cursor.execute("select %s", (value,))
    assert cursor.execute("select %s", (1,)).fetchone() == (1,)
