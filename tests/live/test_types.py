"""The first set of types against a real server: read in both formats, sent back as parameters and through COPY."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import pgfast
from pgfast import Array, DataError, Interval
from pgfast.types import Json

UTC = timezone.utc


def offset(hours: int, minutes: int = 0, seconds: int = 0) -> timezone:
    return timezone(timedelta(hours=hours, minutes=minutes, seconds=seconds))


#: (type, literal, value)
VALUES: list[tuple[str, str, Any]] = [
    ("bool", "true", True),
    ("bool", "false", False),
    ("int2", "-32768", -32768),
    ("int2", "32767", 32767),
    ("int4", "-2147483648", -(2**31)),
    ("int4", "2147483647", 2**31 - 1),
    ("int8", "-9223372036854775808", -(2**63)),
    ("int8", "9223372036854775807", 2**63 - 1),
    ("oid", "4294967295", 2**32 - 1),
    ("float4", "1.5", 1.5),
    ("float4", "3.4028235e38", 3.4028234663852886e38),
    ("float4", "NaN", float("nan")),
    ("float8", "0.1", 0.1),
    ("float8", "-0", -0.0),
    ("float8", "5e-324", 5e-324),
    ("float8", "1.7976931348623157e308", 1.7976931348623157e308),
    ("float8", "-Infinity", float("-inf")),
    ("float8", "NaN", float("nan")),
    ("numeric", "0", Decimal(0)),
    ("numeric", "0.000", Decimal("0.000")),
    ("numeric", "10000", Decimal(10000)),
    ("numeric", "-10000.00010000", Decimal("-10000.00010000")),
    ("numeric", "0.00000000000000000001", Decimal("1E-20")),
    ("numeric", "123456789012345678901234567890.123456789", Decimal("123456789012345678901234567890.123456789")),
    ("numeric", "NaN", Decimal("NaN")),
    ("numeric", "Infinity", Decimal("Infinity")),
    ("numeric", "-Infinity", Decimal("-Infinity")),
    ("numeric(10,2)", "-12345678.90", Decimal("-12345678.90")),
    ("text", "", ""),
    ("text", "naïve \U0001f418 \t\n\\", "naïve \U0001f418 \t\n\\"),
    ("varchar(5)", "abc", "abc"),
    ("char(5)", "ab", "ab   "),
    ("name", "pg_class", "pg_class"),
    ('"char"', "x", "x"),
    ('"char"', "", ""),
    ("bytea", "", b""),
    ("bytea", "\\x00ff5c27", b"\x00\xff\\'"),
    ("date", "0001-01-01", date.min),
    ("date", "1999-12-31", date(1999, 12, 31)),
    ("date", "9999-12-31", date.max),
    ("time", "00:00:00", time()),
    ("time", "23:59:59.999999", time(23, 59, 59, 999999)),
    ("timetz", "12:34:56.000001-08:30", time(12, 34, 56, 1, offset(-8, -30))),
    ("timetz", "00:00:00+15:59:59", time(0, tzinfo=offset(15, 59, 59))),
    ("timestamp", "0001-01-01 00:00:00", datetime.min),
    ("timestamp", "9999-12-31 23:59:59.999999", datetime.max),
    ("timestamp", "1969-12-31 23:59:59.999999", datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ("timestamptz", "2024-07-01 12:00:00.5+02", datetime(2024, 7, 1, 10, 0, 0, 500000, UTC)),
    ("timestamptz", "0001-01-01 00:00:00+00", datetime.min.replace(tzinfo=UTC)),
    ("interval", "0", timedelta()),
    ("interval", "-1 days +02:03:04.000005", Interval(0, -1, 7384000005)),
    ("interval", "-1 days -02:03:04", -timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ("interval", "25:00:00", Interval(0, 0, 90_000_000_000)),
    ("interval", "1 year 2 mons -3 days +04:05:06", Interval(14, -3, 14706000000)),
    ("interval", "-178000000 years", Interval(-178000000 * 12, 0, 0)),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("json", '{"a":[1,null,"é"]}', {"a": [1, None, "é"]}),
    ("jsonb", '{"b": 1.5}', {"b": 1.5}),
    ("jsonb", "[]", []),
]
IDS = [f"{kind}-{literal[:20]}" for kind, literal, _ in VALUES]
each_value = pytest.mark.parametrize(("kind", "literal", "value"), VALUES, ids=IDS)


@pytest.fixture(scope="module")
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        yield made


@pytest.fixture
def strict(conn: pgfast.Connection) -> Iterator[pgfast.Connection]:
    """The same connection, on which what does not fit is an error."""
    conn.types.configure(parameters="strict")
    yield conn
    conn.types.configure(parameters="adapted")


def same(found: Any, wanted: Any) -> bool:
    """Equal, of the same type, NaN like NaN, with the same sign of zero and the same number of decimals."""
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float):
        return (math.isnan(found) and math.isnan(wanted)) or (
            found == wanted and math.copysign(1, found) == math.copysign(1, wanted)
        )
    if isinstance(wanted, Decimal):
        return str(found) == str(wanted)
    if isinstance(wanted, (time, datetime)):
        return bool(found == wanted and found.utcoffset() == wanted.utcoffset())
    return bool(found == wanted)


def quoted(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'"


def one(conn: pgfast.Connection, sql: str, params: tuple[Any, ...] | None = None) -> Any:
    row = conn.execute(sql, params).fetchone()
    assert row is not None
    return row[0]


def equality(kind: str, left: str, right: str) -> str:
    """SQL that says whether two values are the same; json has no operator for it."""
    cast = "::text" if kind.startswith("json") else ""
    return f"({left}){cast} IS NOT DISTINCT FROM ({right}){cast}"


def in_text(conn: pgfast.Connection, expression: str) -> Any:
    """The value as it comes in text format: several statements go by the simple protocol."""
    cursor = conn.execute(f"SELECT {expression}; SELECT 1")
    row = cursor.fetchone()
    assert row is not None
    return row[0]


@each_value
def test_a_value_is_read_in_binary_and_in_text(conn: pgfast.Connection, kind: str, literal: str, value: Any) -> None:
    expression = f"{quoted(literal)}::{kind}"
    assert same(one(conn, f"SELECT {expression}"), value)
    assert same(in_text(conn, expression), value)


@each_value
def test_a_value_sent_back_as_a_parameter_is_the_same(
    conn: pgfast.Connection, kind: str, literal: str, value: Any
) -> None:
    condition = equality(kind, f"$1::{kind}", f"{quoted(literal)}::{kind}")
    assert one(conn, f"SELECT {condition}", (value,)) is True
    assert one(conn, f"SELECT $1::{kind} IS NULL", (None,)) is True


@each_value
def test_a_value_sent_through_copy_is_the_same(conn: pgfast.Connection, kind: str, literal: str, value: Any) -> None:
    conn.execute(f"CREATE TEMP TABLE one (v {kind}, a {kind}[])")
    try:
        json = kind.startswith("json")  # a list inside a list of JSON is a JSON array, not a dimension
        nested = [value, None] if json else [[value, None]]
        assert conn.load("one", [(value, nested), (None, None), (value, [])]).rows == 3
        wanted = f"{quoted(literal)}::{kind}"
        array = f"ARRAY[{wanted}, NULL]" if json else f"ARRAY[[{wanted}, NULL]]"
        rows = conn.execute(f"SELECT {equality(kind, 'v', wanted)}, {equality(kind, 'a', array)}, v IS NULL FROM one")
        assert rows.fetchall()[:2] == [(True, True, False), (False, False, True)]
        assert one(conn, "SELECT array_dims(a) IS NULL AND a IS NOT NULL FROM one WHERE v IS NOT NULL OFFSET 1") is True
    finally:
        conn.execute("DROP TABLE one")


@each_value
def test_arrays_of_a_value_are_read_and_sent_back(conn: pgfast.Connection, kind: str, literal: str, value: Any) -> None:
    item = f"{quoted(literal)}::{kind}"
    cube = f"ARRAY[[[{item}, NULL], [{item}, {item}]]]"
    nested: list[Any] = [[[value, None], [value, value]]]
    if kind.startswith("json"):  # a list inside a plain list of JSON is a JSON array, not a dimension
        nested = Array(nested, (1, 1, 1))
    shapes: list[tuple[str, list[Any]]] = [
        (f"ARRAY[{item}, NULL]", [value, None]),
        (cube, nested),
        (f"'{{}}'::{kind}[]", []),
    ]
    for expression, wanted in shapes:
        assert same(one(conn, f"SELECT {expression}"), wanted)
        assert same(in_text(conn, expression), wanted)
        condition = equality(kind, f"$1::{kind}[]", f"{expression}::{kind}[]")
        assert one(conn, f"SELECT {condition}", (wanted,)) is True


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_intervals_are_read_in_every_style(conn: pgfast.Connection, style: str) -> None:
    conn.execute(f"SET intervalstyle = {style}")
    try:
        for literal, value in (
            ("1 year 2 mons 3 days 04:05:06.5", Interval(14, 3, 14706500000)),
            ("-1 mons +2 days -00:00:01", Interval(-1, 2, -1000000)),
            ("-1 mons -2 days -00:00:01", Interval(-1, -2, -1000000)),
            ("-00:00:00.000001", timedelta(microseconds=-1)),
            ("0", timedelta()),
        ):
            if style == "sql_standard" and literal.startswith("-1 mons -2"):
                # '-0-1 -2 -0:00:01' signs each field, so it can be read.
                assert in_text(conn, f"'{literal}'::interval::text").startswith("-0-1 -2")
            assert in_text(conn, f"'{literal}'::interval") == value
    finally:
        conn.execute("RESET intervalstyle")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin"])
def test_timestamps_with_zone_in_text_are_read_in_any_session_zone(conn: pgfast.Connection, zone: str) -> None:
    conn.execute(f"SET timezone = '{zone}'")
    try:
        for literal in ("2024-07-01 12:00:00.5+00", "1880-01-01 00:00:00+00"):
            expression = f"'{literal}'::timestamptz"
            assert in_text(conn, expression) == one(conn, f"SELECT {expression}")
    finally:
        conn.execute("RESET timezone")


def test_bytea_in_text_is_read_in_both_outputs(conn: pgfast.Connection) -> None:
    conn.execute("SET bytea_output = escape")
    try:
        assert in_text(conn, "'\\x005c27ff41'::bytea") == b"\x00\\'\xffA"
    finally:
        conn.execute("RESET bytea_output")


def test_a_date_in_another_style_is_refused_and_not_guessed(conn: pgfast.Connection) -> None:
    conn.execute("SET datestyle = 'SQL, DMY'")
    try:
        with pytest.raises(DataError, match="not a date"):
            in_text(conn, "'2024-02-01'::date")
        assert one(conn, "SELECT '01/02/2024'::date") == date(2024, 2, 1)
    finally:
        conn.execute("RESET datestyle")


@pytest.mark.parametrize(
    "expression", ["'infinity'::date", "'-infinity'::timestamptz", "'24:00'::time", "'12000-1-1'::date"]
)
def test_what_python_cannot_hold_is_refused_and_the_connection_stays_usable(
    conn: pgfast.Connection, expression: str
) -> None:
    for read in (one, in_text):
        with pytest.raises(DataError):
            read(conn, f"SELECT {expression}" if read is one else expression)
        assert one(conn, "SELECT 1") == 1


def test_types_without_a_binary_form_come_and_go_as_text(conn: pgfast.Connection) -> None:
    assert one(conn, "SELECT 'pg_class'::regclass") == "pg_class"
    assert one(conn, "SELECT ARRAY['pg_class'::regclass, NULL]") == ["pg_class", None]
    assert one(conn, "SELECT $1::regclass[] = ARRAY['pg_class'::regclass, NULL]", (["pg_class", None],)) is True
    assert one(conn, "SELECT $1::regclass = 'pg_class'::regclass", (1259,)) is True
    assert one(conn, "SELECT $1::regclass IS NULL", (None,)) is True


def test_a_type_without_a_binary_form_refuses_what_is_no_text(strict: pgfast.Connection) -> None:
    with pytest.raises(
        DataError, match=r"parameter \$1 \(regclass\): \{\} does not fit: text \(str\) is wanted, not dict"
    ):
        one(strict, "SELECT $1::regclass", ({},))


def test_a_value_for_a_text_parameter_names_the_cast_to_write(strict: pgfast.Connection) -> None:
    with pytest.raises(DataError, match=r"\$1::int4 "):
        one(strict, "SELECT $1", (5,))
    with pytest.raises(DataError, match=r"\$2::date "):
        one(strict, "SELECT $1 || $2", ("x", date(2024, 1, 1)))
    assert one(strict, "SELECT $1::int + 1", (5,)) == 6


def test_json_text_is_sent_as_it_is_and_values_are_written(conn: pgfast.Connection) -> None:
    assert one(conn, "SELECT $1::jsonb", ('{"a": 1}',)) == {"a": 1}
    assert one(conn, "SELECT $1::jsonb", ({"a": None},)) == {"a": None}
    assert one(conn, "SELECT $1::jsonb", (Json("text"),)) == "text"
    assert one(conn, "SELECT jsonb_typeof($1::jsonb)", (Json(None),)) == "null"
    assert one(conn, "SELECT ($1::json)::text", (' {"a" :1}',)) == ' {"a" :1}'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int2", 32768),
        ("int4", -(2**31) - 1),
        ("int8", 2**63),
        ("oid", -1),
        ("float4", 1e300),
        ("int4", True),
        ("int4", "5"),
        ("numeric", "5"),
        ("date", "2024-01-01"),
        ("text", 5),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("bytea", "x"),
        ("timestamp", datetime(2024, 1, 1, tzinfo=UTC)),
        ("timestamptz", datetime(2024, 1, 1)),
        ("timetz", time(1)),
        ("uuid", "nope"),
        ("int4[]", [[1], [2, 3]]),
        ("int4[]", 5),
        ("bool", 1),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_before_anything_is_sent(
    strict: pgfast.Connection, kind: str, value: Any
) -> None:
    with pytest.raises(DataError, match=r"parameter \$1"):
        one(strict, f"SELECT $1::{kind}", (value,))
    assert one(strict, "SELECT 1") == 1
