"""Cursors that write parameters into the text, and queries put together from parts, on both faces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import pgfast
from pgfast import AsyncClientCursor, ClientCursor, rows, sql
from pgfast.types import wrappers

from ..faces import Face, Wrapped, target


def client_cursor(conn: Any) -> Any:
    """A client cursor of a connection of either face."""
    if isinstance(conn, Wrapped):
        return Wrapped(conn.face, AsyncClientCursor(target(conn)))
    return ClientCursor(conn)


@pytest.mark.parametrize(
    ("query", "params", "merged"),
    [
        ("select %s, %s", (1, "it's"), "select 1, 'it''s'"),
        ("select %(b)s, %(a)s, %(b)s", {"a": 1, "b": "x"}, "select 'x', 1, 'x'"),
        ("select $2,$1,$2", ("a", 1), "select 1,'a',1"),
        ("select -%s, 3-%s", (-1, -2), "select - -1, 3- -2"),
        ("select %s::int2, %s::text", (-32768, -1), "select '-32768'::int4::int2, (-1)::text"),
        ("select 5 %% %s, '%%'", (3,), "select 5 % 3, '%'"),
        ("select '%', 5 % 3", None, "select '%', 5 % 3"),
        ("select 1", (), "select 1"),
        (b"select %s", (None,), "select NULL"),
        ("select %b, %t", ("a", "b"), "select 'a', 'b'"),
        (sql.SQL("select {} from {}").format(sql.Placeholder(), sql.Identifier("t")), (1,), 'select 1 from "t"'),
        ("select '$1', \"$1\", $$ $1 $$, $1 -- $1", (1,), "select '$1', \"$1\", $$ $1 $$, 1 -- $1"),
        ("select a$1, %s", (1,), "select a$1, 1"),
        ("select %s, %s", (wrappers.Int2(5), [wrappers.Int2(5)]), "select 5, '{5}'::int2[]"),
    ],
)
def test_mogrify_shows_what_is_sent(auto: Any, query: Any, params: Any, merged: str) -> None:
    assert client_cursor(auto).mogrify(query, params) == merged


def test_parameters_stand_where_the_server_takes_none(auto: Any) -> None:
    cursor = client_cursor(auto)
    cursor.execute("create temp table t (a int default %s, check (a < %s)); insert into t values (%s)", (5, 100, 7))
    cursor.execute("comment on table t is %s; select * from t; select %s::date", ("it's", date(2020, 1, 1)))
    assert cursor.statusmessage == "COMMENT"
    assert cursor.nextset() is True
    assert cursor.fetchall() == [(7,)]
    assert cursor.nextset() is True
    assert cursor.fetchall() == [(date(2020, 1, 1),)]
    assert cursor.nextset() is None


def test_columns_of_types_that_users_have_made_tell_their_names(conn: Any) -> None:
    cursor = client_cursor(conn)
    cursor.execute("create type told as enum ('a'); select 'a'::told, '{a}'::told[], %s::int2", (5,))
    assert cursor.nextset() is True
    assert [column.type_display for column in cursor.description] == ["told", "told[]", "smallint"]


def test_it_is_the_cursor_of_a_connection_where_it_is_the_factory(face: Face, dsn: str) -> None:
    factory = AsyncClientCursor if face.is_async else ClientCursor
    conn = face.connect(dsn, cursor_factory=factory)
    assert conn.execute("set application_name to %s; select %s", ("me", 1)).statusmessage == "SET"
    assert isinstance(target(conn.cursor()) if face.is_async else conn.cursor(), factory)
    assert conn.info.transaction_status is pgfast.TransactionStatus.INTRANS
    conn.commit()
    assert conn.info.parameter_status("application_name") == "me"


def test_rows_are_made_and_typed_as_by_any_cursor(auto: Any) -> None:
    cursor = client_cursor(auto)
    cursor.row_factory = rows.dict_row
    found = cursor.execute("select %s as n, %s::numeric as d, %s as a", (1, Decimal("1.50"), [1, 2])).fetchall()
    assert found == [{"n": 1, "d": Decimal("1.50"), "a": [1, 2]}]
    assert cursor.description[1].name == "d"
    assert cursor.rowcount == 1


def test_many_executions_are_one_transaction(auto: Any) -> None:
    cursor = client_cursor(auto)
    cursor.execute("create temp table t (a int unique, b text)")
    cursor.executemany("insert into t values (%s, %s)", [(1, "a"), (2, "b'")])
    assert cursor.rowcount == 2
    with pytest.raises(pgfast.errors.UniqueViolation):
        cursor.executemany("insert into t values (%s, %s)", [(3, "c"), (1, "again")])
    assert auto.execute("select * from t order by a").fetchall() == [(1, "a"), (2, "b'")]
    cursor.executemany("insert into t values (%(a)s, '') returning a", [{"a": 5}, {"a": 6}], returning=True)
    assert cursor.fetchone() == (5,)
    assert cursor.nextset() is True
    assert cursor.fetchone() == (6,)
    assert cursor.rowcount == 1


def test_many_executions_leave_an_open_transaction_open(conn: Any) -> None:
    cursor = client_cursor(conn)
    cursor.execute("create temp table t (a int)")
    cursor.executemany("insert into t values (%s)", [(1,), (2,)])
    assert conn.info.transaction_status is pgfast.TransactionStatus.INTRANS
    conn.rollback()
    with pytest.raises(pgfast.errors.UndefinedTable):
        conn.execute("select * from t")


def test_streams_and_pipelines_take_merged_queries(auto: Any) -> None:
    cursor = client_cursor(auto)
    assert list(cursor.stream("select * from generate_series(1, %s)", (3,), size=2)) == [(1,), (2,), (3,)]
    with auto.pipeline():
        one, two = client_cursor(auto), client_cursor(auto)
        one.execute("select %s::int", (1,))
        two.execute("select %s::text", ("a",))
        assert one.fetchone() == (1,)
        assert two.fetchone() == ("a",)


def test_an_error_of_the_query_leaves_the_cursor_usable(auto: Any) -> None:
    cursor = client_cursor(auto)
    with pytest.raises(pgfast.errors.DivisionByZero):
        cursor.execute("select 1/%s", (0,))
    with pytest.raises(pgfast.ProgrammingError, match="2 placeholders, 1 parameters"):
        cursor.execute("select %s, %s", (0,))
    assert cursor.execute("select %s", (1,)).fetchone() == (1,)
    cursor.close()
    with pytest.raises(pgfast.InterfaceError, match="closed"):
        cursor.execute("select %s", (1,))


def test_one_round_trip_and_nothing_prepared(auto: Any) -> None:
    cursor = client_cursor(auto)
    for _ in range(10):
        cursor.execute("select %s", (1,))
    assert cursor.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)


# ---------------------------------------------------------------- compositions, wherever a query goes

NUMBERS = sql.SQL("select n from generate_series(1, {}) {} order by n").format(3, sql.Identifier("n"))


def test_every_method_takes_a_composition(auto: Any) -> None:
    assert auto.execute(NUMBERS).fetchall() == [(1,), (2,), (3,)]
    cursor = auto.cursor()
    assert list(cursor.stream(NUMBERS, size=2)) == [(1,), (2,), (3,)]
    table = sql.Identifier("a table")
    auto.execute(sql.SQL("create temp table {} (n int, t text)").format(table))
    cursor.executemany(sql.SQL("insert into {} values (%s, %s)").format(table), [(1, "a"), (2, "b")])
    with cursor.copy(sql.SQL("copy {} from stdin").format(table)) as copy:
        copy.write_row((3, "c"))
    with cursor.copy(sql.SQL("copy (select * from {} where n > %s) to stdout").format(table), (1,)) as copy:
        assert list(copy.rows()) == [("2", "b"), ("3", "c")]
    assert auto.fetch_columns(sql.SQL("select n from {}").format(table)).to_numpy()["n"].tolist() == [1, 2, 3]
    with auto.pipeline():
        assert auto.execute(NUMBERS).fetchone() == (1,)
    with auto.transaction():
        named = auto.cursor("c").execute(sql.SQL("select n from {} where n < %s").format(table), (3,))
        assert named.fetchall() == [(1,), (2,)]


def test_a_composition_is_prepared_like_any_query(auto: Any) -> None:
    for _ in range(8):
        assert auto.execute(NUMBERS).fetchone() == (1,)
    prepared = auto.execute("select statement from pg_prepared_statements").fetchall()
    assert (NUMBERS.as_string(),) in prepared


def test_what_is_no_query_is_refused(auto: Any) -> None:
    for wrong in (1, None, ["select 1"], sql.SQL, object()):
        with pytest.raises(pgfast.ProgrammingError, match="a query is a str"):
            auto.execute(wrong)


# ---------------------------------------------------------------- template strings


if sys.version_info >= (3, 14):  # before it the language has none; tests/test_sql.py has their reading

    def test_template_strings_are_queries(auto: Any) -> None:
        made: Callable[..., Any] = eval(
            "lambda x, name, inner: t'select {x}::int as {name:i}, {name}::text, {x:l}, {x:s}::int, {inner:q}'"
        )
        template = made(5, 'a"b', eval("t'1'"))
        cursor = auto.execute(template)
        assert cursor.fetchone() == (5, 'a"b', 5, 5, 1)
        assert cursor.description[0].name == 'a"b'
        client = client_cursor(auto)
        assert client.mogrify(template) == 'select 5::int as "a""b", \'a"b\'::text, 5, 5::int, 1'
        assert client.execute(template).fetchone() == (5, 'a"b', 5, 5, 1)
        assert list(auto.cursor().stream(template)) == [(5, 'a"b', 5, 5, 1)]
        with auto.cursor().copy(eval("lambda n: t'copy (select {n}::int) to stdout'")(7)) as copy:
            assert list(copy.rows()) == [("7",)]
        with pytest.raises(TypeError, match="none can be given beside it"):
            auto.execute(template, (1,))
        with pytest.raises(pgfast.ProgrammingError, match="executemany"):
            auto.cursor().executemany(template, [(1,)])
