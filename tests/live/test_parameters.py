"""Python values -> the types the server wants: what lands where, and what is refused with which words."""

from __future__ import annotations

import enum
import ipaddress
from collections import OrderedDict, UserList, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest

import pgfast
from pgfast import Array, DataError, Interval, Json, Multirange, Range

UTC = timezone.utc


class Mood(enum.Enum):
    SAD = "sad"
    OK = "ok"


class Level(enum.IntEnum):
    sad = 1
    ok = 2


class Word(str, enum.Enum):
    OK = "ok"


class Text(str):
    pass


class Items(list):  # type: ignore[type-arg]
    pass


@dataclass
class Point:
    x: int
    y: float


@dataclass
class Turned:
    y: float
    x: int
    shown: str = field(default="", init=False)


class Pair(NamedTuple):
    x: int
    y: float


class Other(NamedTuple):
    a: int
    b: float


class Attributes:
    """Any object with these attributes."""

    x = 1
    y = 2.5


class PsycopgRange:
    def __init__(self, lower: Any, upper: Any, bounds: str | None, isempty: bool = False) -> None:
        self.lower, self.upper, self.bounds, self.isempty = lower, upper, bounds, isempty


class AsyncpgRange:
    def __init__(self, lower: Any, upper: Any, lower_inc: bool, upper_inc: bool) -> None:
        self.lower, self.upper, self.lower_inc, self.upper_inc, self.isempty = lower, upper, lower_inc, upper_inc, False


@pytest.fixture(scope="module")
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute(
            "drop schema if exists pt cascade; create schema pt; create type pt.mood as enum ('sad', 'ok');"
            "create type pt.point as (x int, y float8); create domain pt.small as int check (value < 10)"
        )
        yield made
        made.execute("drop schema pt cascade")


TAKEN: list[tuple[str, Any, str]] = [
    ("int8", Level.ok, "2"),
    ("int4", np.int16(-5), "-5"),
    ("int4", 5.0, "5"),
    ("int4", Decimal("5.0"), "5"),
    ("numeric", 10**200, "1" + "0" * 200),
    ("numeric", -(2**63) - 1, "-9223372036854775809"),
    ("numeric", 0.1, "0.1"),
    ("numeric", np.float32(0.1), "0.1"),
    ("float8", 2**53, "9.007199254740992e+15"),
    ("float8", Decimal("1.5"), "1.5"),
    ("float4", np.float64(1.5), "1.5"),
    ("bool", np.True_, "true"),
    ("text", Text("x"), "x"),
    ("text", Mood.OK, "ok"),
    ("varchar", np.str_("x"), "x"),
    ("bytea", bytearray(b"\1"), "\\x01"),
    ("bytea", memoryview(b"\1"), "\\x01"),
    ("date", np.datetime64("2024-01-01"), "2024-01-01"),
    ("date", datetime(2024, 1, 1), "2024-01-01"),
    ("timestamp", date(2024, 1, 1), "2024-01-01 00:00:00"),
    ("timestamp", np.datetime64("2024-01-01T00:00:00.5", "ns"), "2024-01-01 00:00:00.5"),
    ("interval", np.timedelta64(90, "m"), "01:30:00"),
    ("interval", Interval(14, -3, 1), "1 year 2 mons -3 days +00:00:00.000001"),
    ("interval", timedelta(days=-1, hours=-1), "-1 days -01:00:00"),
    ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("uuid", UUID(int=1).bytes, "00000000-0000-0000-0000-000000000001"),
    ("json", {"a": [1, None]}, '{"a":[1,null]}'),
    ("jsonb", Json(None), "null"),
    ("xid8", 2**64 - 1, "18446744073709551615"),
    ("oid", 2**32 - 1, "4294967295"),
    ("inet", ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    ("inet", ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
    ("inet", "10.0.0.1", "10.0.0.1"),
    ("cidr", ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    ("regclass", "pg_class", "pg_class"),
    ("regclass", 1259, "pg_class"),
    ("int2vector", [1, 2], "1 2"),
    ("oidvector", (), ""),
    ("point", (1, 2.5), "(1,2.5)"),
    ("pt.mood", Mood.SAD, "sad"),
    ("pt.mood", Level.ok, "ok"),
    ("pt.mood", Word.OK, "ok"),
    ("pt.mood[]", [Mood.SAD, None, "ok"], "{sad,NULL,ok}"),
    ("pt.small", np.int8(5), "5"),
    ("pt.point", (1, 2.5), "(1,2.5)"),
    ("pt.point", [1, None], "(1,)"),
    ("pt.point", Point(1, 2.5), "(1,2.5)"),
    ("pt.point", Turned(2.5, 1), "(1,2.5)"),
    ("pt.point", Pair(1, 2.5), "(1,2.5)"),
    ("pt.point", Other(1, 2.5), "(1,2.5)"),
    ("pt.point", {"y": 2.5, "x": 1}, "(1,2.5)"),
    ("pt.point", OrderedDict(x=1, y=None), "(1,)"),
    ("pt.point", Attributes(), "(1,2.5)"),
    ("pt.point", "(1,2.5)", "(1,2.5)"),
    ("pt.point[]", [Point(1, 2.5), {"x": 1, "y": 2}, None, (3, 4)], '{"(1,2.5)","(1,2)",NULL,"(3,4)"}'),
    ("pt.point[]", [[(1, 2)], [Pair(3, 4)]], '{{"(1,2)"},{"(3,4)"}}'),
    ("int4[]", (1, 2), "{1,2}"),
    ("int4[]", Items([1, None]), "{1,NULL}"),
    ("int4[]", UserList([1]), "{1}"),
    ("int4[]", deque([1]), "{1}"),
    ("int4[]", range(3), "{0,1,2}"),
    ("int4[]", [], "{}"),
    ("int4[]", [[], []], "{}"),
    ("int4[]", [None, None], "{NULL,NULL}"),
    ("int4[]", [[1, None], (3, 4)], "{{1,NULL},{3,4}}"),
    ("int4[]", np.array([[1, 2], [3, 4]]), "{{1,2},{3,4}}"),
    ("int4[]", Array([1, 2], (0,)), "[0:1]={1,2}"),
    ("int4[]", np.array([], "i4"), "{}"),
    ("float8[]", np.array([1.5, np.nan]), "{1.5,NaN}"),
    ("timestamp[]", np.array(["2024-01-01T00:00:00.5", "NaT"], "M8[ns]"), '{"2024-01-01 00:00:00.5",NULL}'),
    ("date[]", np.array(["2024-01-01"], "M8[D]"), "{2024-01-01}"),
    ("interval[]", np.array([90], "m8[m]"), "{01:30:00}"),
    ("uuid[]", [UUID(int=1)], "{00000000-0000-0000-0000-000000000001}"),
    ("jsonb[]", [[1], {"a": 1}, None], '{[1],"{\\"a\\": 1}",NULL}'),
    ("regclass[]", ["pg_class", None, 1259], "{pg_class,NULL,pg_class}"),
    ("int4range", Range(1, 5), "[1,5)"),
    ("int4range", Range(1, 5, "[]"), "[1,6)"),
    ("int4range", Range(), "(,)"),
    ("int4range", Range(empty=True), "empty"),
    ("int4range", PsycopgRange(1, None, "[)"), "[1,)"),
    ("int4range", PsycopgRange(None, None, None, True), "empty"),
    ("int4range", AsyncpgRange(1, 5, True, True), "[1,6)"),
    ("int4range", "[1,5)", "[1,5)"),
    ("numrange", Range(Decimal("1.5"), 2), "[1.5,2)"),
    ("tstzrange", Range(datetime(2024, 1, 1, tzinfo=UTC), None), '["2024-01-01 00:00:00+00",)'),
    ("int4range[]", [Range(1, 5), None], '{"[1,5)",NULL}'),
    ("int4multirange", [Range(1, 5), AsyncpgRange(7, 9, True, False)], "{[1,5),[7,9)}"),
    ("int4multirange", Multirange([Range(7, 9), Range(1, 5)]), "{[1,5),[7,9)}"),
    ("int4multirange", [], "{}"),
    ("int4multirange", "{[1,2)}", "{[1,2)}"),
]


def named(kind: str, value: object) -> str:
    """What a test is called: the same in every process, so by no address."""
    shown = f"<{type(value).__name__}>" if " at 0x" in repr(value) else f"{value!r:.30}"
    return f"{kind}-{shown}"


@pytest.mark.parametrize(("kind", "value", "text"), TAKEN, ids=[named(kind, value) for kind, value, _ in TAKEN])
def test_values_land_in_the_type_the_statement_wants(conn: pgfast.Connection, kind: str, value: Any, text: str) -> None:
    conn.execute("set timezone = 'UTC'")
    assert conn.execute(f"select ($1::{kind})::text", (value,)).fetchone() in [(text,), (f"{text}/32",)]
    conn.execute(f"create temp table one (v {kind})")
    try:
        conn.load("one", [(value,)])
        assert conn.execute("select v::text from one").fetchone() in [(text,), (f"{text}/32",)]
    finally:
        conn.execute("drop table one")


REFUSED: list[tuple[str, Any, str]] = [
    ("int4", True, r"parameter \$1 \(integer\): True .* not bool; pass int\(value\); where bool is meant, .*\$1::bool"),
    ("int4", "5", r"'5' does not fit: a whole number \(int\) is wanted, not str; .* write \$1::text::integer"),
    ("int4", 2**31, "2147483648 is out of range"),
    ("int4", 1.5, "not a whole number; round it"),
    ("int4", date(2024, 1, 1), r"not date; where date is meant, write the cast \$1::date"),
    ("bool", 1, r"parameter \$1 \(boolean\): 1 .* True or False is wanted, not int"),
    ("float8", 2**53 + 1, "a double cannot hold it exactly"),
    ("numeric", "5", r"\$1::text::numeric"),
    ("numeric", Fraction(1, 3), r"parameter \$1 \(numeric\)"),
    ("date", datetime(2024, 1, 1, 5), "has a time of day; pass value.date"),
    ("date", "2024-01-01", r"parameter \$1 \(date\): .* write \$1::text::date"),
    ("timestamp", datetime(2024, 1, 1, tzinfo=UTC), r"parameter \$1 \(timestamp\): .* with time zone wants"),
    ("timestamptz", datetime(2024, 1, 1), r"parameter \$1 \(timestamptz\)"),
    ("time", time(1, tzinfo=UTC), r"parameter \$1 \(time\)"),
    ("text", 5, r"takes parameter \$1 for text; write the cast \$1::int4 in the query"),
    ("text", b"x", r"\$1::bytea"),
    ("bytea", "x", "bytes are wanted, not str; encode it first"),
    ("uuid", "nope", r"parameter \$1 \(uuid\): 'nope' does not fit: not a UUID"),
    ("inet", "x" * 100, r"parameter \$1 \(inet\): 'x{56,60}\.\.\.? ?.*does not fit|parameter \$1 \(inet\): 'x+\.\.\."),
    ("int4[]", 5, r"parameter \$1 \(integer\[\]\): 5 .* a list is wanted, not int"),
    ("int4[]", {1, 2}, r"set, which has no order; pass sorted\(value\)"),
    ("int4[]", frozenset((1,)), "has no order"),
    ("int4[]", "{1}", r"a list is wanted, not str; .* \$1::text::integer\[\]"),
    ("int4[]", {"a": 1}, "a list is wanted, not dict"),
    ("int4[]", [[1], [2, 3]], "not a rectangular array"),
    ("int4[]", [1, "x"], "'x' does not fit: a whole number"),
    ("int4[]", Array([1], (0, 0)), "other dimensions than lower bounds"),
    ("int4[]", np.array(5), "a list is wanted|of type ndarray"),
    ("jsonb", {1, 2}, r"parameter \$1 \(jsonb\)"),
    ("jsonb", float("nan"), r"parameter \$1 \(jsonb\)"),
    ("json", {"a": date(2024, 1, 1)}, "type date is not JSON serializable$"),
    ("text", [1, 2], r"write the cast \$1::int4\[\] in the query"),
    ("int2vector", [1, None], "a vector cannot hold NULL"),
    ("regclass", 1.5, r"parameter \$1 \(regclass\)"),
    ("pt.mood", 5, r"parameter \$1 \(pt.mood\): 5 does not fit: a label \(str\) or an Enum member is wanted, not int"),
    ("pt.mood[]", [b"x"], r"parameter \$1 \(pt.mood\[\]\)"),
    ("pt.point", (1, 2, 3), r"parameter \$1 \(pt.point\): 3 values for a composite type of 2 attributes"),
    ("pt.point", 5, r"a tuple, a mapping or an object with the attributes x, y is wanted, not int"),
    ("pt.point", {"x": 1}, "has the attributes x, y: y missing"),
    ("pt.point", {"x": 1, "y": 2, "z": 3}, "z unknown"),
    ("pt.point", {1, 2}, "not set"),
    ("pt.point", ("x", 1), "'x' does not fit: a whole number"),
    ("pt.point", "nonsense", r"parameter \$1 \(pt.point\): 'nonsense' does not fit: not a record"),
    ("int4range", (1, 5), "a Range is wanted, not tuple"),
    ("int4range", "[1", "not a range"),
    ("int4range", Range("a", None), "'a' does not fit|'a' is of type"),
    ("int4range", PsycopgRange(1, 2, None), "a Range is wanted"),
    ("int4multirange", Range(1, 2), r"a Multirange or a list of Range is wanted, not Range"),
    ("int4multirange", [1], "a Range is wanted, not int"),
]


@pytest.mark.parametrize(("kind", "value", "text"), REFUSED, ids=[named(kind, value) for kind, value, _ in REFUSED])
def test_what_does_not_fit_is_refused_before_anything_is_sent(
    conn: pgfast.Connection, kind: str, value: Any, text: str
) -> None:
    conn.types.configure(parameters="strict")
    for prepare in (False, True):
        with pytest.raises(DataError, match=text) as refused:
            conn.execute(f"select $1::{kind}", (value,), prepare=prepare)
        assert str(refused.value).startswith("parameter $1 (")
        assert len(str(refused.value)) < 400
        assert conn.info.transaction_status.name == "IDLE"
    with pytest.raises(DataError, match=r"row 2, parameter \$1 \("):
        conn.cursor().executemany(f"select $1::{kind}", [(None,), (value,)])
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_record_cannot_be_sent(conn: pgfast.Connection) -> None:
    with pytest.raises((DataError, pgfast.errors.DatabaseError), match="record|anonymous composite"):
        conn.execute("select $1::record", ((1, 2),))
    assert conn.execute("select 1").fetchone() == (1,)


def test_what_a_values_own_code_raises_is_the_cause(conn: pgfast.Connection) -> None:
    class Broken:
        @property
        def lower(self) -> Any:
            raise ZeroDivisionError("mine")

    with pytest.raises(DataError, match=r"parameter \$1 \(int4range\): .* mine") as refused:
        conn.execute("select $1::int4range", (Broken(),))
    assert isinstance(refused.value.__cause__, ZeroDivisionError)
    assert conn.execute("select 1").fetchone() == (1,)


def test_several_statements_may_come_with_no_parameters_in_any_container(auto: Any) -> None:
    containers: list[Any] = [None, (), [], {}]
    for nothing in containers:
        cursor = auto.execute("select 1; select 2", nothing)
        assert cursor.fetchall() == [(1,)]
        assert cursor.nextset()
        assert cursor.fetchall() == [(2,)]
