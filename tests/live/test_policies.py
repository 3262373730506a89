"""Values that Python's classes cannot hold, by policy, in both protocols; and how strictly strings are taken."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import msgspec
import orjson
import pytest

import pgfast
from pgfast import DataError, Interval, Range

from ..faces import Face

UTC = timezone.utc
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns")

#: (type, literal, the nearest value Python has)
BEYOND: list[tuple[str, str, Any]] = [
    ("date", "infinity", date.max),
    ("date", "-infinity", date.min),
    ("date", "0001-12-31 BC", date.min),
    ("date", "0044-03-15 BC", date.min),
    ("date", "4714-11-24 BC", date.min),
    ("date", "10000-01-01", date.max),
    ("date", "5874897-12-31", date.max),
    ("timestamp", "infinity", datetime.max),
    ("timestamp", "-infinity", datetime.min),
    ("timestamp", "4714-11-24 00:00:00 BC", datetime.min),
    ("timestamp", "0001-12-31 23:59:59.999999 BC", datetime.min),
    ("timestamp", "10000-01-01 00:00:00.5", datetime.max),
    ("timestamp", "294276-12-31 23:59:59.999999", datetime.max),
    ("timestamptz", "infinity", datetime.max.replace(tzinfo=UTC)),
    ("timestamptz", "-infinity", datetime.min.replace(tzinfo=UTC)),
    ("timestamptz", "0044-03-15 12:00:00.000001+00 BC", datetime.min.replace(tzinfo=UTC)),
    ("timestamptz", "10000-01-01 00:00:00+00", datetime.max.replace(tzinfo=UTC)),
    ("timestamptz", "294276-12-31 23:59:59+00", datetime.max.replace(tzinfo=UTC)),
    ("time", "24:00:00", time.max),
    ("timetz", "24:00:00+00", time.max.replace(tzinfo=UTC)),
    ("timetz", "24:00:00-08:30", time.max.replace(tzinfo=timezone(-timedelta(hours=8, minutes=30)))),
    ("timetz", "24:00:00+15:59:59", time.max.replace(tzinfo=timezone(timedelta(hours=15, minutes=59, seconds=59)))),
]
IDS = [f"{kind} {literal}" for kind, literal, _ in BEYOND]
each = pytest.mark.parametrize(("kind", "literal", "nearest"), BEYOND, ids=IDS)


@pytest.fixture
def conn(face: Face, dsn: str) -> Any:
    """A connection of each face, in autocommit mode."""
    return face.connect(dsn, autocommit=True)


def both(conn: Any, expression: str) -> Any:
    """The value, which must be the same in binary and in text."""
    (binary,) = conn.execute(f"select {expression}").fetchone()
    (text,) = conn.execute(f"select {expression}; select 1").fetchone()
    assert text == binary
    assert type(text) is type(binary)
    return binary


@each
def test_such_values_raise_by_default(conn: Any, kind: str, literal: str, nearest: Any) -> None:
    for sql in (f"select '{literal}'::{kind}", f"select '{literal}'::{kind}; select 1"):
        with pytest.raises(DataError):
            conn.execute(sql)
        assert conn.execute("select 1").fetchone() == (1,)


@each
def test_such_values_come_as_the_nearest(conn: Any, kind: str, literal: str, nearest: Any) -> None:
    conn.types.configure(dates="clamp", times="clamp")
    found = both(conn, f"'{literal}'::{kind}")
    assert found == nearest
    if isinstance(nearest, (datetime, time)):
        assert found.utcoffset() == nearest.utcoffset()
    assert both(conn, f"array['{literal}'::{kind}, null]") == [nearest, None]


@each
def test_such_values_come_as_the_servers_own_text_and_go_back(conn: Any, kind: str, literal: str, nearest: Any) -> None:
    conn.types.configure(dates="text", times="text")
    conn.execute("set timezone = 'UTC'")
    wanted = conn.execute(f"select ('{literal}'::{kind})::text").fetchone()[0]
    for zone in ZONES:
        conn.execute(f"set timezone = '{zone}'")
        assert both(conn, f"'{literal}'::{kind}") == wanted
        assert both(conn, f"array[array['{literal}'::{kind}]]") == [[wanted]]
        assert conn.execute(f"select $1::{kind} = '{literal}'", (wanted,)).fetchone() == (True,)


def test_values_python_can_hold_are_the_same_under_every_policy(conn: Any) -> None:
    conn.execute("set timezone = 'America/St_Johns'")
    expressions = {
        "'9999-12-31'::date": date.max,
        "'0001-01-01'::date": date.min,
        "'9999-12-31 23:59:59.999999+00'::timestamptz": datetime.max.replace(tzinfo=UTC),
        "'0001-01-01 00:00:00+00'::timestamptz": datetime.min.replace(tzinfo=UTC),  # 1 BC in the session's zone
        "'23:59:59.999999'::time": time.max,
    }
    for policy in ("raise", "clamp", "text"):
        conn.types.configure(dates=policy, times=policy)
        for expression, value in expressions.items():
            assert both(conn, expression) == value


def test_dates_of_many_years_are_written_as_the_server_writes_them(conn: Any) -> None:
    conn.types.configure(dates="text")
    conn.execute("set timezone = 'UTC'")
    for kind, step in (("date", "101 years 17 days"), ("timestamptz", "1009 years 17 days 7 hours 13 seconds")):
        series = f"generate_series('4714-11-24 BC'::timestamp, '200000-01-01', '{step}')"
        rows = conn.execute(f"select d::{kind}, d::{kind}::text from {series} d").fetchall()
        strange = [(value, text) for value, text in rows if isinstance(value, str)]
        assert len(strange) > 100
        assert [value for value, _text in strange] == [text for _value, text in strange]


def test_bounds_of_ranges_follow_the_policy(conn: Any) -> None:
    conn.types.configure(dates="text")
    found = both(conn, "'[-infinity,0044-03-15 BC]'::daterange")
    assert found == Range("-infinity", "0044-03-16 BC")
    conn.types.configure(dates="clamp")
    assert both(conn, "'[2024-01-01 00:00,infinity)'::tsrange") == Range(datetime(2024, 1, 1), datetime.max)


def test_intervals_come_as_chosen(conn: Any) -> None:
    exact: list[tuple[str, Any]] = [
        ("1 day 02:00:00", timedelta(days=1, hours=2)),
        ("25:00:00", Interval(0, 0, 90_000_000_000)),
        ("1 day -01:00:00", Interval(0, 1, -3_600_000_000)),
        ("1 mon", Interval(1)),
    ]
    for literal, value in exact:
        assert both(conn, f"'{literal}'::interval") == value
    conn.types.configure(intervals="interval")
    for literal, value in exact:
        found = both(conn, f"'{literal}'::interval")
        assert type(found) is Interval
        assert found == value
    conn.types.configure(intervals="timedelta")
    for literal, value in exact[:3]:
        found = both(conn, f"'{literal}'::interval")
        assert type(found) is timedelta
        assert value == found
    with pytest.raises(DataError, match="months"):
        conn.execute("select '1 mon'::interval")


def test_infinite_intervals_go_back_as_they_came(conn: Any) -> None:
    for literal in ("infinity", "-infinity"):
        found = both(conn, f"'{literal}'::interval")
        assert isinstance(found, Interval)
        assert conn.execute(f"select $1::interval = '{literal}'", (found,)).fetchone() == (True,)
        conn.execute("create temp table one (i interval, r regclass)")
        conn.load("one", [(found, None)])  # in text, for the regclass
        assert conn.execute(f"select i = '{literal}' from one").fetchone() == (True,)
        conn.execute("drop table one")


def test_json_is_read_and_written_by_the_functions_given(conn: Any) -> None:
    for loads, dumps in ((orjson.loads, orjson.dumps), (msgspec.json.decode, msgspec.json.encode)):
        conn.types.configure(json_loads=loads, json_dumps=dumps)
        value = {"a": [1, None, "é"]}
        assert both(conn, """'{"a": [1, null, "é"]}'::jsonb""") == value
        assert both(conn, """array['{"a": [1, null, "é"]}'::json, null]""") == [value, None]
        assert conn.execute("select $1::jsonb, $2::json", (value, value)).fetchone() == (value, value)
    conn.types.configure(json_loads=lambda text: json.loads(text, parse_float=str), json_dumps=None)
    assert both(conn, "'[1.10]'::json") == ["1.10"]
    conn.types.configure(json_dumps=lambda value: "[]")
    assert conn.execute("select $1::jsonb", ({},)).fetchone() == ([],)
    assert conn.execute("select $1::jsonb", ('{"text": 1}',)).fetchone() == ({"text": 1},)


@pytest.mark.parametrize("policy", [{"dates": "text", "times": "text"}, {"strings": "lenient"}])
def test_text_of_dates_goes_back_wherever_it_came_from(conn: Any, policy: dict[str, str]) -> None:
    conn.types.configure(**{"dates": "text", "times": "text", **policy})
    conn.execute("set timezone = 'America/St_Johns'")
    values = [
        ("date[]", '{infinity,NULL,2024-01-01,"0044-03-15 BC"}'),
        ("timestamp[]", '{-infinity,"294276-12-31 23:59:59.999999"}'),
        ("timestamptz[]", '[0:1]={infinity,"0044-03-15 12:00:00+00 BC"}'),
        ("time[]", "{24:00:00,23:59:59.999999}"),
        ("timetz[]", "{24:00:00-08:30,12:00:00+00}"),
        ("tsrange", "[-infinity,infinity]"),
        ("tstzrange[]", '{"[-infinity,\\"10000-01-01 00:00:00+00\\"]"}'),
        ("datemultirange", "{[-infinity,2024-01-01),[2025-01-01,infinity)}"),
        ("timestamp", "4714-11-24 00:00:00 BC"),
        ("timetz", "24:00:00+15:59:59"),
    ]
    for kind, literal in values:
        found = both(conn, f"$${literal}$$::{kind}")
        same = f"is not distinct from $${literal}$$::{kind}"
        assert conn.execute(f"select $1::{kind} {same}", (found,)).fetchone() == (True,), kind
        for other in ("int", "regclass"):  # in binary and in text
            conn.execute(f"create temp table one (v {kind}, o {other})")
            conn.load("one", [(found, None)])
            with conn.cursor().copy("copy one from stdin") as copy:
                copy.set_types([kind, other])
                copy.write_row((found, None))
            assert conn.execute(f"select v {same} from one").fetchall() == [(True,), (True,)], kind
            conn.execute("drop table one")


# ---------------------------------------------------------------- strings

READ_BY_THE_SERVER = [
    ("int4", " 5 ", 5),
    ("numeric", "1e3", 1000),
    ("date", "Jan 5, 2024", date(2024, 1, 5)),
    ("timestamptz", "2024-01-05 12:00 Europe/Berlin", datetime(2024, 1, 5, 11, tzinfo=UTC)),
    ("bool", "on", True),
    ("int4[]", "{1,2}", [1, 2]),
    ("int4range", "(0,5]", Range(1, 6)),
    ("bytea", "\\x00ff", b"\0\xff"),
    ("interval", "1 day", timedelta(days=1)),
    ("uuid", "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("text", "as it is", "as it is"),
    ("jsonb", '{"a": 1}', {"a": 1}),
]


@pytest.mark.parametrize(("kind", "text", "value"), READ_BY_THE_SERVER)
def test_lenient_strings_are_read_by_the_server(conn: Any, kind: str, text: str, value: Any) -> None:
    conn.types.configure(strings="lenient")
    (found,) = conn.execute(f"select $1::{kind}", (text,)).fetchone()
    assert (str(found) if kind == "uuid" else found) == value
    cursor = conn.cursor()
    cursor.executemany(f"select $1::{kind}", [(text,), (None,), (text,)], returning=True)
    assert cursor.fetchall() == [(found,)]


INSIDE = [
    ("int4[]", ["1", 2, None], "{1,2,NULL}"),
    ("int4[]", "[0:1]={1,2}", "[0:1]={1,2}"),
    ("date[]", ["infinity", date(2024, 1, 1)], "{infinity,2024-01-01}"),
    ("int4range", Range("1", 5), "[1,5)"),
    ("numrange", "[1.50,2)", "[1.50,2)"),
    ("interval[]", ["1 day -01:00:00"], '{"1 day -01:00:00"}'),
    ("uuid[]", ["00000000-0000-0000-0000-000000000001"], "{00000000-0000-0000-0000-000000000001}"),
    ("bool[]", ["on", False], "{t,f}"),
    ("bytea", "\\x00ff", "\\x00ff"),
    ("jsonb[]", '{"{\\"a\\": 1.10}"}', '{"{\\"a\\": 1.10}"}'),
    ("inet[]", ["10.0.0.1"], "{10.0.0.1}"),
    ("xid8", "18446744073709551615", "18446744073709551615"),
]


@pytest.mark.parametrize(("kind", "value", "text"), INSIDE)
def test_lenient_strings_are_taken_at_any_depth_and_in_loads(conn: Any, kind: str, value: Any, text: str) -> None:
    conn.types.configure(strings="lenient")
    assert conn.execute(f"select ($1::{kind})::text", (value,)).fetchone() == (text,)
    for other in ("int", "regclass"):  # in binary and in text
        conn.execute(f"create temp table one (v {kind}, o {other})")
        conn.load("one", [(value, None)])
        assert conn.execute("select v::text from one").fetchone() == (text,)
        conn.execute("drop table one")


def test_lenient_and_strict_values_go_side_by_side(conn: Any) -> None:
    conn.types.configure(strings="lenient", parameters="strict")
    sql = "select $1::int, $2::date"
    for params in (("1", date(2024, 1, 1)), (1, "2024-01-01"), ("1", "2024-01-01"), (1, date(2024, 1, 1))):
        assert conn.execute(sql, params, prepare=True).fetchone() == (1, date(2024, 1, 1))
    with pytest.raises(pgfast.errors.InvalidTextRepresentation):
        conn.execute(sql, ("x", None))
    with pytest.raises(DataError, match=r"parameter \$2 \(date\): 5 is of type|parameter \$2 \(date\): 5 does not fit"):
        conn.execute(sql, (1, 5))


def test_strict_strings_are_refused_with_the_cast_to_write(conn: Any) -> None:
    conn.types.configure(parameters="strict")
    with pytest.raises(DataError, match=r"parameter \$1 \(integer\): '5' .* write \$1::text::integer in the query"):
        conn.execute("select $1::int", ("5",))
    assert conn.execute("select $1::text::integer", ("5",)).fetchone() == (5,)


# ---------------------------------------------------------------- where they hold


def test_a_cursors_policies_hold_for_its_own_executions(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.types.configure(dates="text")
    assert cursor.execute("select 'infinity'::date").fetchone() == ("infinity",)
    with pytest.raises(DataError):
        conn.execute("select 'infinity'::date")
    conn.types.configure(dates="clamp")
    assert conn.execute("select 'infinity'::date").fetchone() == (date.max,)
    assert cursor.execute("select 'infinity'::date; select 1").fetchone() == ("infinity",)


def test_the_drivers_own_queries_do_not_follow_policies_and_registrations(conn: Any) -> None:
    for name in ("text", "oid", "int4", "bool", '"char"', "name", "text[]"):
        conn.types.register(name, decode=lambda text: ("changed", text), encode=lambda value: "changed")
    conn.execute("create temp table one (a int, b date)")
    conn.types.register("int4", decode=int)
    assert conn.load("one", [{"b": None}]).rows == 1
    assert conn.types.load("pg_catalog.regclass")[0].name == "regclass"
    with conn.cursor().copy("copy (select %s) to stdout", ("x",)) as copy:
        assert list(copy.rows()) == [("x",)]
