"""What a program registers for a type: for the process, a connection, a cursor, in either format."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

import pgfast
from pgfast import DataError, ProgrammingError, Range

from ..faces import Face


class Mood(enum.Enum):
    """By value, by name, and with a member that is no label."""

    GLOOMY = "sad"
    ok = 2
    ELATED = "elated"


class Level(str, enum.Enum):
    LOW = "low"


@dataclass(frozen=True)
class Point:
    x: int
    y: float


@dataclass(frozen=True)
class Turned:
    y: float
    x: int


class Pair(NamedTuple):
    a: int
    b: float


class Line(NamedTuple):
    name: str
    ends: list[Point]
    mood: Mood


@pytest.fixture(scope="module", autouse=True)
def types(dsn: str) -> Iterator[None]:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "drop schema if exists rt cascade; create schema rt; create type rt.mood as enum ('sad', 'ok');"
            "create type rt.point as (x int, y float8); create domain rt.cents as numeric;"
            "create type rt.line as (name text, ends rt.point[], mood rt.mood);"
            "create type rt.prices as range (subtype = numeric); create domain rt.feeling as rt.mood"
        )
        yield
        conn.execute("drop schema rt cascade")


@pytest.fixture
def conn(face: Face, dsn: str) -> Any:
    """A connection of each face, in autocommit mode."""
    return face.connect(dsn, autocommit=True)


def both(conn: Any, expression: str) -> Any:
    """The value, which must be the same in both protocols."""
    (one,) = conn.execute(f"select {expression}").fetchone()
    (text,) = conn.execute(f"select {expression}; select 1").fetchone()
    assert text == one
    assert type(text) is type(one)
    return one


def sent(conn: Any, kind: str, value: Any) -> str:
    """The text the server makes of a parameter."""
    (text,) = conn.execute(f"select ($1::{kind})::text", (value,)).fetchone()
    return str(text)


# ---------------------------------------------------------------- classes


def test_enums_are_members_both_ways(conn: Any) -> None:
    conn.types.register_enum("rt.mood", Mood)
    assert both(conn, "'sad'::rt.mood") is Mood.GLOOMY
    assert both(conn, "array['ok', null]::rt.mood[]") == [Mood.ok, None]
    assert both(conn, "array['ok'::rt.feeling]") == [Mood.ok]
    assert both(conn, "row('x', null, 'ok')::rt.line") == ("x", None, Mood.ok)
    assert sent(conn, "rt.mood", Mood.GLOOMY) == "sad"
    assert sent(conn, "rt.mood", Mood.ok) == "ok"
    assert sent(conn, "rt.mood[]", [Mood.ok, "sad", None]) == "{ok,sad,NULL}"
    with pytest.raises(pgfast.errors.InvalidTextRepresentation):
        sent(conn, "rt.mood", Mood.ELATED)


def test_an_enum_that_grows_meets_the_members_there_are(conn: Any) -> None:
    conn.types.register_enum("rt.level", Level)
    conn.execute("create type rt.level as enum ('low')")
    try:
        assert both(conn, "'low'::rt.level") is Level.LOW
        conn.execute("do $$ begin alter type rt.level add value 'high'; end $$")
        for sql in ("select 'high'::rt.level", "select 'high'::rt.level; select 1"):
            with pytest.raises((DataError, ProgrammingError), match="Level has no member for"):
                conn.execute(sql)
    finally:
        conn.execute("drop type rt.level")


def test_an_enum_class_without_a_member_for_each_label_is_refused(conn: Any) -> None:
    conn.types.register_enum("rt.mood", Level)
    with pytest.raises(ProgrammingError, match="Level has no member for 'sad', 'ok' of rt.mood"):
        conn.execute("select 'ok'::rt.mood")
    assert conn.execute("select 1").fetchone() == (1,)


def test_composites_are_objects_both_ways(conn: Any) -> None:
    conn.types.register_composite("rt.point", Point)
    conn.types.register_composite("rt.line", Line)
    conn.types.register_enum("rt.mood", Mood)
    assert both(conn, "'(1,2.5)'::rt.point") == Point(1, 2.5)
    line = Line("x", [Point(1, 2.5), None], Mood.ok)  # type: ignore[list-item]
    assert both(conn, """row('x', array['(1,2.5)', null]::rt.point[], 'ok')::rt.line""") == line
    assert sent(conn, "rt.line", line) == '(x,"{""(1,2.5)"",NULL}",ok)'
    assert sent(conn, "rt.point", (1, 2.5)) == "(1,2.5)"
    assert sent(conn, "rt.point", Turned(2.5, 1)) == "(1,2.5)"


def test_fields_are_matched_by_name_else_by_position(conn: Any) -> None:
    for cls, wanted in (
        (Turned, Turned(2.5, 1)),
        (Pair, Pair(1, 2.5)),
        (lambda x, y: {"x": x, "y": y}, {"x": 1, "y": 2.5}),
        (complex, complex(1, 2.5)),
    ):
        conn.types.register_composite("rt.point", cls)
        assert both(conn, "'(1,2.5)'::rt.point") == wanted


def test_what_a_class_raises_is_named(conn: Any) -> None:
    conn.types.register_composite("rt.point", lambda x: x)
    for sql in ("select '(1,2)'::rt.point", "select '(1,2)'::rt.point; select 1"):
        with pytest.raises(DataError, match=r"column 1: .* could not be read: .*positional argument"):
            conn.execute(sql)
        assert conn.execute("select 1").fetchone() == (1,)


# ---------------------------------------------------------------- functions


def cents(text: str) -> int:
    return int(Decimal(text) * 100)


def euros(value: int) -> str:
    return str(Decimal(value) / 100)


def test_functions_on_text_are_used_everywhere(conn: Any) -> None:
    conn.types.register("rt.cents", decode=cents, encode=euros)
    conn.execute("create temp table t (c rt.cents, a rt.cents[])")
    conn.execute("insert into t values ($1, $2)", (150, [250, None]))
    conn.load("t", [(5, [1, 2])])
    assert conn.execute("select c::text, a::text from t").fetchall() == [
        ("1.5", "{2.5,NULL}"),
        ("0.05", "{0.01,0.02}"),
    ]
    assert both(conn, "array[1.5, null]::rt.cents[]") == [150, None]
    assert both(conn, "1.5::rt.cents") == Decimal("1.5")  # results say only the base type
    conn.types.register("numeric", decode=cents, encode=euros)
    assert both(conn, "1.5::rt.cents") == 150
    assert both(conn, "'[1.5,2)'::rt.prices") == Range(150, 200)
    assert both(conn, "'{[1.5,2)}'::nummultirange")[0] == Range(150, 200)
    assert sent(conn, "rt.prices", Range(150, None)) == "[1.5,)"
    assert sent(conn, "rt.prices[]", [Range(150, 200)]) == '{"[1.5,2)"}'


def test_functions_on_bytes_stay_in_binary(conn: Any) -> None:
    conn.types.register(
        "int8",
        decode=lambda data: ("wire", int.from_bytes(data, "big")),
        encode=lambda value: value[1].to_bytes(8, "big"),
        format="binary",
    )
    assert conn.execute("select 5::int8, array[6, null]::int8[]").fetchone() == (("wire", 5), [("wire", 6), None])
    assert sent(conn, "int8", ("wire", 7)) == "7"
    assert sent(conn, "int8[]", [("wire", 7), None]) == "{7,NULL}"
    with pytest.raises(DataError, match="bigint is registered with format='binary', and this result came in text"):
        conn.execute("select 5::int8; select 1")
    conn.execute("create temp table t (n int8, r regclass)")
    with pytest.raises(DataError, match="registered with format='binary', and here it has to be written as text"):
        conn.load("t", [(("wire", 7), "pg_class")])


def test_one_direction_may_be_registered_alone(conn: Any) -> None:
    conn.types.register("numeric", decode=float)
    assert both(conn, "1.5") == 1.5
    assert sent(conn, "numeric", Decimal("1.10")) == "1.10"
    conn.types.register("numeric", encode=lambda value: f"{value}9")
    assert both(conn, "1.5") == Decimal("1.5")
    assert sent(conn, "numeric", 1) == "19"


def test_a_types_functions_may_give_none_for_null(conn: Any) -> None:
    conn.types.register("text", decode=lambda text: text or None, encode=lambda value: value or None)
    assert both(conn, "''") is None
    assert conn.execute("select $1::text is null", ("",)).fetchone() == (True,)
    assert conn.execute("select array['a', '']").fetchone() == (["a", None],)


def test_what_functions_raise_is_named(conn: Any) -> None:
    def refuse(value: Any) -> Any:
        raise KeyError("mine")

    conn.types.register("int4", decode=refuse, encode=refuse)
    for sql in ("select 1, 2.5", "select 1, 2.5; select 1::int8"):
        with pytest.raises(DataError, match=r"column 1: .*mine") as failed:
            conn.execute(sql)
        assert isinstance(failed.value.__cause__, KeyError)
    with pytest.raises(DataError, match=r"parameter \$1 \(integer\): 5 does not fit: 'mine'"):
        conn.execute("select $1::int", (5,))
    conn.types.register("int4")
    assert conn.execute("select $1::int", (5,)).fetchone() == (5,)


def test_what_functions_give_must_be_of_the_format(conn: Any) -> None:
    conn.types.register("int4", encode=lambda value: value)
    with pytest.raises(DataError, match=r"parameter \$1 \(integer\)"):
        conn.execute("select $1::int", (5,))
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_name_registered_before_the_type_is_there_finds_it(conn: Any) -> None:
    conn.types.register_composite("rt.later", Pair)
    conn.execute("create type rt.later as (a int, b float8)")
    try:
        assert both(conn, "row(1, 2)::rt.later") == Pair(1, 2.0)
    finally:
        conn.execute("drop type rt.later")


# ---------------------------------------------------------------- levels


def test_the_cursor_comes_before_the_connection_and_that_before_the_process(conn: Any) -> None:
    sql = "select 1.5"
    cursor = conn.cursor()
    pgfast.types.register("numeric", decode=str)
    try:
        assert conn.execute(sql).fetchone() == cursor.execute(sql).fetchone() == ("1.5",)
        conn.types.register("numeric", decode=float)
        assert conn.execute(sql).fetchone() == cursor.execute(sql).fetchone() == (1.5,)
        cursor.types.register("numeric", decode=list)
        assert cursor.execute(sql).fetchone() == (["1", ".", "5"],)
        assert conn.execute(sql).fetchone() == (1.5,)
        assert cursor.execute(f"{sql}; {sql}").fetchone() == (["1", ".", "5"],)
        cursor.executemany("select $1::numeric", [(1,)], returning=True)
        assert cursor.fetchone() == (["1"],)
        with cursor.copy("copy (select 1.5) to stdout") as copy:
            copy.set_types(["numeric"])
            assert copy.read_row() == (["1", ".", "5"],)
    finally:
        pgfast.types.register("numeric")


def test_prepared_statements_follow_a_registration(conn: Any) -> None:
    for _ in range(2):
        assert conn.execute("select 1.5", prepare=True).fetchone() == (Decimal("1.5"),)
    conn.types.register("numeric", decode=float)
    assert conn.execute("select 1.5", prepare=True).fetchone() == (1.5,)
    conn.types.register("numeric")
    assert conn.execute("select 1.5", prepare=True).fetchone() == (Decimal("1.5"),)


def test_what_is_registered_for_one_connection_is_not_for_another(face: Face, dsn: str) -> None:
    one, two = face.connect(dsn, autocommit=True), face.connect(dsn, autocommit=True)
    one.types.register_enum("rt.mood", Mood)
    assert one.execute("select 'ok'::rt.mood").fetchone() == (Mood.ok,)
    assert two.execute("select 'ok'::rt.mood").fetchone() == ("ok",)


def test_a_mistake_is_named_at_once(conn: Any) -> None:
    with pytest.raises(ProgrammingError, match="is not the name of a type"):
        conn.types.register("a b", decode=str)
    with pytest.raises(ProgrammingError, match="there is no policy 'zone'"):
        conn.types.configure(zone="UTC")
    with pytest.raises(ProgrammingError, match="by its name or OID, not by float"):
        conn.types.get(1.5)
