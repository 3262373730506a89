"""Types that only the server knows: found when a statement brings them, read and written in both forms."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

import pgfast
from pgfast import Array, DataError, Multirange, Range, errors
from pgfast.embedded import EmbeddedServer
from pgfast.protocol import operations
from pgfast.protocol.backend import Field
from pgfast.types.registry import Rules

from ..faces import Face

TYPES = """
drop schema if exists ut cascade;
create schema ut;
create type ut.mood as enum ('sad', 'ok', 'so happy');
create type ut."Odd ""Name" as enum ('a,b', '{}', '');
create domain ut.positive as int check (value > 0);
create domain ut.prices as numeric(8,2)[];
create domain ut.mode as ut.mood default 'ok';
create type ut.point as (x int, y float8);
create type ut.line as (name text, ends ut.point[], mood ut.mood, weight ut.positive, "Note" text);
create domain ut.place as ut.point check ((value).x > 0);
create type ut.empty as ();
create type ut.floats as range (subtype = float8);
create type ut.moods as range (subtype = ut.mood);
create type ut.spans as (f ut.floats, i int4range[]);
create type ut.texts as (r regclass, m ut.mood);
create type ut.owed as (who text, amount money);
create table ut.item (id int, mood ut.mood, prices ut.prices);
"""

#: (type, literal, value)
VALUES: list[tuple[str, str, Any]] = [
    ("ut.mood", "so happy", "so happy"),
    ("ut.mood[]", '{sad,NULL,"so happy"}', ["sad", None, "so happy"]),
    ('ut."Odd ""Name"', "", ""),
    ('ut."Odd ""Name"[]', '{"a,b","{}",""}', ["a,b", "{}", ""]),
    ("ut.positive", "5", 5),
    ("ut.positive[]", "{5,NULL}", [5, None]),
    ("ut.prices", "{1.50,NULL}", [Decimal("1.50"), None]),
    ("ut.mode[]", "{sad}", ["sad"]),
    ("ut.point", "(1,2.5)", (1, 2.5)),
    ("ut.point", "(,)", (None, None)),
    ("ut.place", "(1,)", (1, None)),
    ("ut.place[]", '{"(1,2)"}', [(1, 2.0)]),
    ("ut.point[]", '{{"(1,2)",NULL},{"(,3)","(4,)"}}', [[(1, 2.0), None], [(None, 3.0), (4, None)]]),
    ("ut.point[]", '[0:1]={"(1,2)",NULL}', Array([(1, 2.0), None], (0,))),
    (
        "ut.line",
        '("a ""b"", c","{""(1,2)"",NULL}",ok,7,"")',
        ('a "b", c', [(1, 2.0), None], "ok", 7, ""),
    ),
    ("ut.line[]", '{"(,,,,)"}', [(None,) * 5]),
    ("ut.empty", "()", ()),
    ("ut.floats", "[1,2.5)", Range(1.0, 2.5)),
    ("ut.floats", "empty", Range(empty=True)),
    ("ut.floats[]", '{"(,1]",NULL}', [Range(None, 1.0, "(]"), None]),
    ("ut.moods", "[sad,ok]", Range("sad", "ok", "[]")),
    ("ut.moods", '["so happy",)', Range("so happy", None)),
    ("ut.spans", '("[1,2)","{""[3,4)"",empty}")', (Range(1.0, 2.0), [Range(3, 4), Range(empty=True)])),
    ("ut.floats_multirange", "{}", Multirange()),
    ("ut.floats_multirange", "{[1,2),(3,4]}", Multirange([Range(1.0, 2.0), Range(3.0, 4.0, "(]")])),
    ("ut.texts", "(pg_class,ok)", ("pg_class", "ok")),
    ("ut.texts[]", '{"(pg_class,)"}', [("pg_class", None)]),
    ("ut.owed", "(me,$1.50)", ("me", Decimal("1.50"))),
    ("ut.owed[]", '{"(me,$1.50)"}', [("me", Decimal("1.50"))]),
    ("ut.item", '(1,ok,"{1.50}")', (1, "ok", [Decimal("1.50")])),
    ("ut.item[]", '{"(1,,)"}', [(1, None, None)]),
    ("information_schema.yes_or_no[]", "{YES}", ["YES"]),
]
each_value = pytest.mark.parametrize(
    ("kind", "literal", "value"), VALUES, ids=[f"{kind}-{literal[:20]}" for kind, literal, _ in VALUES]
)


@pytest.fixture(scope="module")
def types_dsn(server: EmbeddedServer) -> str:
    """A database of the ordinary server with these types in it."""
    with pgfast.connect(server.dsn, autocommit=True) as conn:
        conn.execute("drop database if exists user_types")
        conn.execute("create database user_types")
    dsn = server.dsn.rsplit("/", 1)[0] + "/user_types"
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute(TYPES)
    return dsn


@pytest.fixture
def conn(face: Face, types_dsn: str) -> Any:
    """A connection of each face, in autocommit mode."""
    return face.connect(types_dsn, autocommit=True)


def quoted(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'"


def one(conn: Any, sql: str, params: tuple[Any, ...] | None = None) -> Any:
    (row,) = conn.execute(sql, params).fetchall()
    return row[0]


def plain(value: Any) -> Any:
    """The value with plain tuples for named ones."""
    if isinstance(value, tuple):
        return tuple([plain(part) for part in value])
    if type(value) is Array:
        return Array([plain(part) for part in value], value.lower_bounds)
    return [plain(part) for part in value] if isinstance(value, list) else value


def check(found: Any, wanted: Any) -> None:
    assert found == wanted
    assert repr(plain(found)) == repr(wanted)  # the same types, and lower bounds


# ---------------------------------------------------------------- reading and writing


def test_a_composite_is_a_named_tuple_that_goes_back(conn: Any) -> None:
    conn.execute('create type ut."class" as (a int, "b c" text, "def" bool, _d int)')
    try:
        found = one(conn, """select (1, 'x', true, 2)::ut."class" """)
        in_text = conn.execute("""select (1, 'x', true, 2)::ut."class"; select 1""").fetchone()[0]
        assert (found.a, found._fields) == (1, ("a", "_1", "_2", "_3"))
        assert repr(found) == "_class(a=1, _1='x', _2=True, _3=2)" and type(in_text) is type(found)
        assert in_text == found == (1, "x", True, 2)
        copied = pickle.loads(pickle.dumps(found))  # as a plain tuple: nobody else could find the class
        assert type(copied) is tuple and copied == found
        assert one(conn, """select $1::ut."class" = (1, 'x', true, 2)::ut."class" """, (found,)) is True
        assert one(conn, 'select $1::ut."class" = (1, \'x\', true, 3)::ut."class"', (found._replace(_3=3),)) is True
    finally:
        conn.execute('drop type ut."class"')


def test_attributes_that_python_takes_for_one_name_are_called_by_their_place(conn: Any) -> None:
    conn.execute('create type ut.alike as ("\ufb01" int, fi int, "\u212a" int, "K" int, "\u212b" int)')
    try:
        found = one(conn, "select (1, 2, 3, 4, 5)::ut.alike")
        assert found == (1, 2, 3, 4, 5)
        assert found._fields == ("fi", "_1", "K", "_3", "\xc5")
        assert one(conn, "select %s::ut.alike = (1, 2, 3, 4, 5)::ut.alike", (found,)) is True
    finally:
        conn.execute("drop type ut.alike")


@each_value
def test_a_value_is_read_in_both_protocols(conn: Any, kind: str, literal: str, value: Any) -> None:
    expression = f"{quoted(literal)}::{kind}"
    check(one(conn, f"select {expression}"), value)
    cursor = conn.execute(f"select {expression}; select null::{kind}")
    check(cursor.fetchone(), (value,))
    cursor.nextset()
    assert cursor.fetchone() == (None,)


@each_value
def test_a_value_goes_back_as_a_parameter(conn: Any, kind: str, literal: str, value: Any) -> None:
    same = f"($1::{kind})::text is not distinct from ({quoted(literal)}::{kind})::text"
    assert one(conn, f"select {same}", (value,)) is True
    assert one(conn, f"select ($1::{kind})::text is null", (None,)) is True


@each_value
def test_a_value_is_loaded(conn: Any, kind: str, literal: str, value: Any) -> None:
    conn.execute(f"create temp table one (v {kind})")
    assert conn.load("one", [(value,), (None,)]).rows == 2
    same = f"v::text = ({quoted(literal)}::{kind})::text"
    assert conn.execute(f"select {same} from one where v::text is not null").fetchall() == [(True,)]


def test_the_types_are_found_in_an_executemany_and_its_results(conn: Any) -> None:
    cursor = conn.cursor()
    rows = [((1, 2.0), "sad"), ((None, 3.0), "ok")]
    cursor.executemany("select $1::ut.point, $2::ut.mood", rows, returning=True)
    assert cursor.fetchall() == [rows[0]]
    assert cursor.nextset()
    assert cursor.fetchall() == [rows[1]]


def test_types_in_a_binary_cursor_are_found_by_the_simple_protocol(conn: Any) -> None:
    cursor = conn.execute(
        "begin; declare k binary cursor for select 'ok'::ut.mood, row(1,2)::ut.point, null::ut.line; fetch all from k"
    )
    cursor.nextset()
    cursor.nextset()
    assert cursor.fetchall() == [("ok", (1, 2.0), None)]
    conn.execute("rollback")


def test_type_code_stays_the_oid(conn: Any) -> None:
    cursor = conn.execute("select 'ok'::ut.mood")
    assert cursor.description[0].type_code == one(conn, "select 'ut.mood'::regtype::oid")


# ---------------------------------------------------------------- looking up


def lookups(conn: Any) -> int:
    """How often this connection has asked for types."""
    sql = (
        "select coalesce(sum(generic_plans + custom_plans), 0)::int from pg_prepared_statements where statement like $1"
    )
    return int(one(conn, sql, ("%WITH RECURSIVE wanted%",)))


def test_a_type_is_looked_up_once(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn, autocommit=True, prepare_threshold=0)
    conn.types.forget()
    for _ in range(3):
        one(conn, "select array['(1,2)'::ut.point]")
        one(conn, "select $1::ut.point", ((1, 2.0),))
        one(conn, "select '(1,2)'::ut.point")
    assert lookups(conn) == 1
    one(conn, "select array['(,,,,)'::ut.line], 'ok'::ut.mood, array[1]::ut.positive[]")
    assert lookups(conn) == 2


@pytest.mark.parametrize(("threshold", "maximum"), [(0, 0), (0, 1), (5, 100), (None, 100)])
def test_a_lookup_does_not_disturb_the_statement_it_is_for(
    face: Face, types_dsn: str, threshold: int | None, maximum: int
) -> None:
    for autocommit in (True, False):
        conn = face.connect(types_dsn, autocommit=autocommit, prepare_threshold=threshold)
        conn.prepared_max = maximum
        for _ in range(8):
            conn.types.forget()
            assert one(conn, "select $1::ut.point", ((1, 2.0),)) == (1, 2.0)
            cursor = conn.cursor()
            cursor.executemany("select $1::ut.mood", [("ok",), (None,)], returning=True)
            assert cursor.fetchall() == [("ok",)]
            assert conn.execute("select 'ok'::ut.mood; select 1").fetchall() == [("ok",)]


def test_a_connection_joins_what_others_have_looked_up(face: Face, types_dsn: str) -> None:
    first = face.connect(types_dsn, autocommit=True)
    one(first, "select '(,,,,)'::ut.line")
    second = face.connect(types_dsn, autocommit=True, prepare_threshold=0)
    one(second, "select 'ok'::ut.mood")
    assert second.types.get("ut.line") is not None
    one(second, "select '(,,,,)'::ut.line")
    assert lookups(second) == 1


def test_lookups_work_inside_a_transaction_and_leave_it_as_it_was(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn)
    conn.types.forget()
    conn.execute("create temp table kept (m ut.mood, p ut.point) on commit drop")
    conn.execute("insert into kept values ($1, $2)", ("ok", (1, 2.0)))
    assert conn.execute("select * from kept").fetchall() == [("ok", (1, 2.0))]
    conn.rollback()


def test_a_type_of_a_transaction_that_is_rolled_back_stays_its_own(face: Face, types_dsn: str) -> None:
    conn, other = face.connect(types_dsn), face.connect(types_dsn, autocommit=True)
    conn.execute("create type ut.passing as (a int)")
    assert one(conn, "select row(5)::ut.passing") == (5,)
    one(other, "select 'ok'::ut.mood")
    assert conn.types.get("ut.passing") is not None
    assert other.types.get("ut.passing") is None
    conn.rollback()
    assert conn.types.get("ut.passing") is None
    conn.execute("create type ut.passing as (a text)")
    assert one(conn, "select row('x')::ut.passing") == ("x",)
    conn.rollback()


def test_a_type_is_shared_when_its_transaction_is_committed(face: Face, types_dsn: str) -> None:
    conn, other = face.connect(types_dsn), face.connect(types_dsn, autocommit=True)
    conn.execute("create type ut.lasting as (a int)")
    try:
        assert one(conn, "select row(5)::ut.lasting") == (5,)
        conn.commit()
        one(other, "select array['ok'::ut.mode]")
        assert other.types.get("ut.lasting") is not None
    finally:
        conn.execute("drop type if exists ut.lasting")
        conn.commit()


def test_a_result_is_read_as_it_was_asked_for_although_others_drop_what_was_looked_up(types_dsn: str) -> None:
    class Interrupted(operations.Rows):
        """Rows of an execution in whose midst another connection makes the process forget the database's types."""

        def begin(self, fields: Sequence[Field], rules: Rules) -> None:
            other.execute("create temp table gone (); drop table gone")
            super().begin(fields, rules)

    mood = Enum("mood", {"sad": "sad", "ok": "ok", "happy": "so happy"})
    sql = "select 'sad'::ut.mood, '(1,2)'::ut.point, '{sad}'::ut.mood[], $1::ut.mood"
    with pgfast.connect(types_dsn, autocommit=True) as conn, pgfast.connect(types_dsn, autocommit=True) as other:
        conn.types.register_enum("mood", mood)
        one(other, "select 'ok'::ut.mood, '(1,2)'::ut.point")
        rows = Interrupted()
        conn._run(operations.execute(conn._session, sql, (mood.sad,), rows))
        assert conn.types.get("ut.mood") is None
        check(rows.rows, [(mood.sad, (1, 2.0), [mood.sad], mood.sad)])


@pytest.mark.parametrize("threshold", [None, 0])
@pytest.mark.parametrize("sql", ["select 'ok'::ut.mood, '(1,2)'::ut.point, row('(1,2)'::ut.point)", "{}; select 1"])
def test_types_are_read_although_others_forget_them_again_and_again(
    types_dsn: str, sql: str, threshold: int | None
) -> None:
    sql = sql.format("select 'ok'::ut.mood, '(1,2)'::ut.point, 1")

    def disturbed(operation: Any) -> Any:
        """The operation; whenever it has waited for the server, nothing of what was looked up is known any more."""
        answer = None
        while True:
            other.types.forget()
            try:
                step = operation.send(answer)
            except StopIteration as stop:
                return stop.value
            answer = yield step

    settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": threshold}
    with pgfast.connect(types_dsn, **settings) as conn, pgfast.connect(types_dsn, autocommit=True) as other:
        one(other, "select 'ok'::ut.mood")
        found = conn._run(disturbed(operations.execute_query(conn._session, sql)))
        ((mood, point, last),) = found[2] if isinstance(found, tuple) else found[0].rows
        assert (mood, point.x, last) == ("ok", 1, 1 if "; select" in sql else ((1, 2.0),))


def test_a_lookup_uses_no_operators_of_others(face: Face, types_dsn: str) -> None:
    """An operator that fits better than pg_catalog's comes first, wherever in the search_path it is."""
    conn = face.connect(types_dsn, autocommit=True)
    conn.execute("""
        create schema trap;
        create function trap.same(regproc, regproc) returns bool language sql as 'select false';
        create operator trap.= (leftarg = regproc, rightarg = regproc, function = trap.same);
        create function trap.row(oid, regclass) returns bool language sql as 'select false';
        create operator trap.= (leftarg = oid, rightarg = regclass, function = trap.row);
        create function trap.part(jsonb, jsonb) returns text language sql as 'select null';
        create operator trap.->> (leftarg = jsonb, rightarg = jsonb, function = trap.part);
        set search_path = trap, ut""")
    try:
        conn.types.forget()
        ranges = one(conn, "select '{[1,2),[3,4)}'::floats_multirange")
        check(ranges, Multirange([Range(1.0, 2.0), Range(3.0, 4.0)]))
        check(one(conn, "select '{sad}'::mood[]"), ["sad"])
        conn.execute("create temp table trapped (m mood)")
        assert conn.load("trapped", [("sad",), (None,)]).rows == 2
    finally:
        conn.execute("drop schema trap cascade")


def test_types_of_two_databases_with_the_same_oid_are_kept_apart(face: Face, server: EmbeddedServer) -> None:
    base = server.dsn.rsplit("/", 1)[0]
    conn = face.connect(server.dsn, autocommit=True)
    for name in ("twin_a", "twin_b"):
        conn.execute(f"drop database if exists {name}")
    conn.execute("create database twin_a")
    first = face.connect(f"{base}/twin_a", autocommit=True)
    first.execute("create type thing as (a int, b text)")
    oid = one(first, "select 'thing'::regtype::oid")
    first.close()
    conn.execute("create database twin_b template twin_a")  # a copy has the same OIDs
    second = face.connect(f"{base}/twin_b", autocommit=True)
    second.execute("alter type thing drop attribute a")
    first = face.connect(f"{base}/twin_a", autocommit=True)
    assert one(second, "select 'thing'::regtype::oid") == oid
    for _ in range(2):
        assert one(first, "select row(1, 'x')::thing") == (1, "x")
        assert one(second, "select row('x')::thing") == ("x",)
    assert [len(made.types.get("thing").names) for made in (first, second)] == [2, 1]


def test_load_looks_types_up_by_name(conn: Any) -> None:
    conn.execute("set search_path = ut")
    infos = conn.types.load("mood", 'ut."Odd ""Name"', "ut.point[]", "int4", 25)
    assert [info.sql for info in infos] == ["ut.mood", 'ut."Odd ""Name"', "ut.point[]", "integer", "text"]
    assert infos[0].names == ("sad", "ok", "so happy")
    assert conn.types.get("mood") == infos[0]
    with pytest.raises(errors.UndefinedObject, match="there is no type 'ut.nothing'"):
        conn.types.load("mood", "ut.nothing")
    with pytest.raises(pgfast.ProgrammingError, match="is not the name of a type"):
        conn.types.load("mood; drop table x")
    assert one(conn, "select 1") == 1


# ---------------------------------------------------------------- what others alter


def test_a_composite_that_was_altered_is_looked_up_anew_by_the_next_execution(face: Face, types_dsn: str) -> None:
    conn, other = face.connect(types_dsn, autocommit=True), face.connect(types_dsn, autocommit=True)
    other.execute("create type ut.grown as (a int)")
    try:
        assert one(conn, "select row(1)::ut.grown") == one(other, "select row(1)::ut.grown") == (1,)
        other.execute("alter type ut.grown add attribute b text")
        assert conn.types.get("ut.grown") is None  # every connection of the process to the database knows
        assert one(conn, "select row(1, 'x')::ut.grown") == (1, "x")
        with pgfast.connect(types_dsn, autocommit=True) as stranger:
            # Somebody else, whose command this process does not see.
            stranger.execute("do $$ begin alter type ut.grown drop attribute a; end $$")
        with pytest.raises(DataError, match="altered since, and the next execution looks it up anew"):
            conn.execute("select row('x')::ut.grown")
        assert one(conn, "select row('x')::ut.grown") == ("x",)
        with pgfast.connect(types_dsn, autocommit=True) as stranger:
            stranger.execute("do $$ begin alter type ut.grown add attribute c int; end $$")
        with pytest.raises(pgfast.Error):
            conn.execute("select ($1::ut.grown)::text", (("x",),))
        assert one(conn, "select ($1::ut.grown)::text", (("x", 5),)) == "(x,5)"
    finally:
        other.execute("drop type ut.grown")


def test_a_composite_that_was_altered_is_looked_up_anew_after_several_statements_too(
    face: Face, types_dsn: str
) -> None:
    conn = face.connect(types_dsn, autocommit=True)
    conn.execute("create type ut.growing as (a int)")
    try:
        assert conn.execute("select '(1)'::ut.growing; select 1").fetchone() == ((1,),)
        with pgfast.connect(types_dsn, autocommit=True) as stranger:
            stranger.execute("do $$ begin alter type ut.growing add attribute b int; end $$")
        with pytest.raises(DataError, match="it has 2 attributes instead of 1"):
            conn.execute("select '(1,2)'::ut.growing; select 1")
        assert conn.execute("select '(1,2)'::ut.growing; select 1").fetchone() == ((1, 2),)
    finally:
        conn.execute("drop type ut.growing")


def test_an_enum_that_has_grown_needs_no_new_lookup(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn, autocommit=True)
    conn.execute("create type ut.level as enum ('low')")
    try:
        assert one(conn, "select 'low'::ut.level") == "low"
        with pgfast.connect(types_dsn, autocommit=True) as stranger:
            stranger.execute("do $$ begin alter type ut.level add value 'high'; end $$")
        assert one(conn, "select array['high'::ut.level]") == ["high"]
        assert one(conn, "select $1::ut.level = 'high'", ("high",)) is True
    finally:
        conn.execute("drop type ut.level")


def test_a_dropped_type_leaves_the_connection_usable(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn, autocommit=True)
    for _ in range(2):
        conn.execute("create type ut.brief as (a int)")
        assert one(conn, "select row(1)::ut.brief") == (1,)
        conn.execute("drop type ut.brief")
        with pytest.raises(errors.UndefinedObject):
            conn.execute("select row(1)::ut.brief")
    assert one(conn, "select 1") == 1


# ---------------------------------------------------------------- records


def test_records_are_tuples_of_values(conn: Any) -> None:
    assert one(conn, "select row(1, 'x'::text, null, array[1.5], row(true))") == (
        1, "x", None, [Decimal("1.5")], (True,),
    )  # fmt: skip
    assert one(conn, "select array[row(1, 'x'), row(2, null)]") == [(1, "x"), (2, None)]
    assert conn.execute("select row(1, 'x'); select row()").fetchone() == (("1", "x"),)  # in text nobody knows


def test_the_types_in_a_record_are_looked_up_when_it_has_come(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn, autocommit=True)
    conn.types.forget()
    assert one(conn, "select row(1, 'ok'::ut.mood)") == (1, "ok")
    conn.types.forget()
    sql = """
        select n, 'sad'::ut.mode, case when n < 20000 then row(n)
            else row(n, row('(1,2)'::ut.point), array['ok'::ut.mood]) end
        from generate_series(1, 30000) n"""
    rows = conn.execute(sql).fetchall()
    assert [row[0] for row in rows] == list(range(1, 30001))
    assert rows[19998] == (19999, "sad", (19999,))
    assert rows[19999] == (20000, "sad", (20000, ((1, 2.0),), ["ok"]))
    assert rows[-1] == (30000, "sad", (30000, ((1, 2.0),), ["ok"]))
    with conn.transaction():
        assert one(conn, "insert into ut.item values (1, 'sad', null) returning row(id, mood)") == (1, "sad")
        conn.execute("delete from ut.item")


def test_a_record_with_a_type_that_is_not_known_is_read_by_the_next_executemany(face: Face, types_dsn: str) -> None:
    conn = face.connect(types_dsn, autocommit=True)
    conn.types.forget()
    cursor = conn.cursor()
    with pytest.raises(DataError, match=r"type with OID \d+, .* conn.types.load\(\"name\"\), or cast"):
        cursor.executemany("select row($1::int, 'ok'::ut.mood)", [(1,), (2,)], returning=True)
    cursor.executemany("select row($1::int, 'ok'::ut.mood)", [(1,), (2,)], returning=True)
    assert cursor.fetchone() == ((1, "ok"),)


def test_a_record_with_a_type_that_only_has_text_says_what_to_cast(conn: Any) -> None:
    with pytest.raises(DataError, match="regclass, which is read from text only; cast the field"):
        conn.execute("select row(1, 'pg_class'::regclass)")
    assert one(conn, "select row(1, 'pg_class'::regclass::text)") == (1, "pg_class")


# ---------------------------------------------------------------- COPY


def test_copy_takes_types_by_name(conn: Any) -> None:
    conn.execute("create temp table t (m ut.mood, p ut.point[], n int)")
    conn.types.forget()
    rows = [("ok", [(1, 2.0), None], 1), (None, [], 2)]
    types = ["ut.mood", "ut.point[]", "int"]
    cursor = conn.cursor()
    copy = cursor.copy("copy t from stdin (format binary)")
    copy.set_types(types)
    with copy:
        for row in rows:
            copy.write_row(row)
    for options in ("(format binary)", ""):
        with cursor.copy(f"copy t to stdout {options}") as copy:
            copy.set_types(types)
            assert list(copy.rows()) == rows
    with cursor.copy("copy t from stdin") as copy:
        copy.set_types(types)
        copy.write_row(("sad", [(3, None)], 3))
    assert conn.execute("select p::text from t where n = 3").fetchall() == [('{"(3,)"}',)]


def test_copy_takes_names_as_the_search_path_has_them(conn: Any) -> None:
    conn.execute("create schema later; create type later.mood as (z int)")
    try:
        check([conn.types.load("ut.mood")[0].sql, conn.types.load("later.mood")[0].sql], ["ut.mood", "later.mood"])
        for path, value in (("later, ut", (5,)), ("ut, later", "ok")):
            conn.execute(f"set search_path = {path}; create temp table copied (m mood, c char(3))")
            copy = conn.cursor().copy("copy copied from stdin (format binary)")
            copy.set_types(["mood", "char"])
            with copy:
                copy.write_row([value, "abc"])
            assert conn.execute("select * from copied").fetchone() == (value, "abc")
            conn.execute("drop table copied")
    finally:
        conn.execute("drop schema later cascade")


def test_copy_cannot_look_up_a_type_while_it_is_under_way(conn: Any) -> None:
    conn.types.forget()
    with (
        conn.cursor().copy("copy (select 'ok'::ut.mood) to stdout (format binary)") as copy,
        pytest.raises(pgfast.ProgrammingError, match=r"'ut.mood' is not .* conn.types.load\('ut.mood'\)"),
    ):
        copy.set_types(["ut.mood"])
    with conn.cursor().copy("copy (select 'pg_class'::regclass) to stdout (format binary)") as copy:
        copy.set_types(["regclass"])
        with pytest.raises(pgfast.ProgrammingError, match="regclass travels as text only"):
            copy.read_row()
    assert one(conn, "select 1") == 1


def test_a_fault_of_copy_names_the_column(conn: Any) -> None:
    conn.types.load("ut.mood")
    with conn.cursor().copy("copy (select 1, 'x') to stdout") as copy:
        copy.set_types(["int", "int"])
        with pytest.raises(DataError, match="column 2: not a whole number"):
            copy.read_row()


# ---------------------------------------------------------------- money


def test_money_follows_the_sessions_locale_scale(conn: Any) -> None:
    assert one(conn, "select '1.50'::money") == Decimal("1.50")
    assert one(conn, "select array['-2.5'::money]; ") == [Decimal("-2.50")]
    assert one(conn, "select $1::money::numeric", (Decimal("-1234567.89"),)) == Decimal("-1234567.89")
    assert one(conn, "select $1::money = '5'::money", (5,)) is True
    assert conn.execute("select '-1234.5'::money; select 1").fetchone() == (Decimal("-1234.50"),)
    conn.types.configure(parameters="strict")
    with pytest.raises(DataError, match="2 digits behind the point"):
        conn.execute("select $1::money", (Decimal("0.001"),))
    conn.execute("set lc_monetary = 'C'")
    assert conn.types.get("money") is None
    assert one(conn, "select '1.50'::money") == Decimal("1.50")
