"""Prepared statements whose columns another connection changes, executed within transactions.

The server refuses such a statement ("cached plan must not change result type"). In a transaction that must spoil
nothing where the client could have known, and nothing may be executed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pgfast
from pgfast import errors
from tests.cutting import CuttingProxy
from tests.faces import Face

#: How another connection changes the table of `(1, 'x')`, and what SELECT * gives afterwards.
CHANGES = [
    ("alter table doubted add column c int default 5", [(1, "x", 5)]),
    ("alter table doubted alter column a type text using 'text ' || a", [("text 1", "x")]),
    ("drop table doubted; create table doubted (b int8, z date); insert into doubted values (7, null)", [(7, None)]),
]
QUERY = "select * from doubted where true or $1 = 0"
PREPARED = "select count(*) from pg_prepared_statements where statement like $1"


@pytest.fixture
def other(dsn: str) -> Iterator[Any]:
    """Another connection, which has made the table."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("set lock_timeout = '20s'")
        conn.execute("drop table if exists doubted; create table doubted (a int, b text)")
        conn.execute("insert into doubted values (1, 'x')")
        yield conn
        conn.execute("drop table if exists doubted")


@pytest.fixture
def conn(face: Face, dsn: str, other: Any) -> Iterator[Any]:
    """A connection that is not in autocommit mode, and is gone when the table is dropped."""
    made = face.connect(dsn)
    yield made
    made.close()


def _prepare(conn: Any, *statements: str) -> None:
    for statement in statements:
        for _ in range(7):
            conn.execute(statement, (1,))
        assert conn.execute(PREPARED, (statement[:20] + "%",)).fetchone() >= (1,)
    conn.commit()


@pytest.mark.parametrize(("change", "rows"), CHANGES, ids=["add", "type", "made anew"])
def test_the_first_statement_of_a_transaction(conn: Any, other: Any, change: str, rows: list[Any]) -> None:
    _prepare(conn, QUERY)
    other.execute(change)
    found = conn.execute(QUERY, (1,))
    assert found.fetchall() == rows
    assert len(found.description) == len(rows[0])
    assert conn.execute("select 1").fetchone() == (1,)
    conn.commit()


@pytest.mark.parametrize(("change", "rows"), CHANGES, ids=["add", "type", "made anew"])
def test_a_later_statement_after_a_rollback(conn: Any, other: Any, change: str, rows: list[Any]) -> None:
    _prepare(conn, QUERY)
    conn.execute("select 2")
    conn.rollback()
    other.execute(change)
    conn.execute("create temp table before (a int)")
    assert conn.execute(QUERY, (1,)).fetchall() == rows
    assert conn.execute(QUERY, (1,)).fetchall() == rows
    assert conn.execute("select count(*) from before").fetchone() == (0,)
    conn.commit()


def test_a_later_statement_where_an_earlier_one_was_refused(conn: Any, other: Any) -> None:
    second = "select a, doubted.* from doubted where $1 = 1"
    _prepare(conn, QUERY, second)
    other.execute(CHANGES[0][0])
    assert conn.execute(QUERY, (1,)).fetchall() == [(1, "x", 5)]
    assert conn.execute(second, (1,)).fetchall() == [(1, 1, "x", 5)]
    conn.commit()


@pytest.mark.parametrize(
    "statement", ["update doubted set b = b || '!' where $1 = 1 returning *", QUERY + " for update"]
)
def test_rows_are_changed_once_and_by_the_transaction_itself(conn: Any, other: Any, statement: str) -> None:
    _prepare(conn, statement)
    other.execute("update doubted set b = 'x'")
    conn.execute("select 2")
    conn.rollback()
    other.execute(CHANGES[0][0])
    conn.execute("select 2")
    changes = statement.startswith("update")
    assert conn.execute(statement, (1,)).fetchall() == [(1, "x!" if changes else "x", 5)]
    mark = "xmin" if changes else "xmax"
    assert conn.execute(f"select {mark}::text = txid_current()::text from doubted").fetchone() == (True,)
    conn.commit()
    assert other.execute("select b from doubted").fetchone() == ("x!" if changes else "x",)


def test_what_a_transaction_has_done_is_not_given_up(conn: Any, other: Any) -> None:
    """Without a rollback, the statement is refused as a later one, and nothing is tried again."""
    _prepare(conn, QUERY)
    other.execute(CHANGES[0][0])
    conn.execute("insert into doubted values (2, 'mine')")
    with pytest.raises(errors.FeatureNotSupported, match="cached plan"):
        conn.execute(QUERY, (1,))
    with pytest.raises(errors.InFailedSqlTransaction):
        conn.execute("select 1")
    conn.rollback()
    assert conn.execute(QUERY, (1,)).fetchall() == [(1, "x", 5)]


def test_a_transaction_that_the_program_begins_is_not_begun_anew(face: Face, dsn: str, other: Any) -> None:
    conn = face.connect(dsn, autocommit=True)
    _prepare(conn, QUERY)
    other.execute(CHANGES[0][0])
    conn.execute("begin")
    with pytest.raises(errors.FeatureNotSupported, match="cached plan"):
        conn.execute(QUERY, (1,))
    conn.execute("rollback")
    with conn.transaction():
        assert conn.execute(QUERY, (1,)).fetchall() == [(1, "x", 5)]


def test_what_a_function_is_refused_is_not_executed_twice(conn: Any, other: Any) -> None:
    other.execute("create sequence if not exists doubted_calls; select setval('doubted_calls', 1)")
    conn.execute("prepare of_the_program as select * from doubted")
    conn.execute("execute of_the_program")
    conn.execute(
        "create function pg_temp.f(int) returns int language plpgsql as $$ begin "
        "perform nextval('doubted_calls'); execute 'execute of_the_program'; return 1; end $$"
    )
    statement = "select pg_temp.f($1)"
    _prepare(conn, statement)
    (before,) = conn.execute("select last_value from doubted_calls").fetchone()
    conn.rollback()
    other.execute(CHANGES[0][0])
    with pytest.raises(errors.FeatureNotSupported, match="cached plan"):
        conn.execute(statement, (1,))
    conn.rollback()
    assert conn.execute("select last_value from doubted_calls").fetchone() == (before + 1,)
    conn.rollback()
    other.execute("drop sequence doubted_calls")


def test_the_transaction_begun_anew_has_its_characteristics(conn: Any, other: Any) -> None:
    _prepare(conn, QUERY)
    conn.isolation_level = pgfast.IsolationLevel.SERIALIZABLE
    conn.read_only = True
    other.execute(CHANGES[0][0])
    assert conn.execute(QUERY, (1,)).fetchall() == [(1, "x", 5)]
    assert conn.execute("show transaction_isolation").fetchone() == ("serializable",)
    assert conn.execute("show transaction_read_only").fetchone() == ("on",)


def test_other_errors_behind_the_savepoint_are_what_they_are(conn: Any, other: Any) -> None:
    statement = "select 1 / $1::int"
    _prepare(conn, statement)
    conn.execute("select 2")
    conn.rollback()
    conn.execute("select 2")
    with pytest.raises(errors.DivisionByZero):
        conn.execute(statement, (0,))
    with pytest.raises(errors.InFailedSqlTransaction):
        conn.execute("select 1")
    conn.rollback()
    conn.execute("select 2")
    with pytest.raises(pgfast.DataError):
        conn.execute(statement, (2**40,))


@pytest.mark.parametrize(
    "use",
    [
        lambda conn: list(conn.cursor().stream(QUERY, (1,))),
        lambda conn: conn.cursor().execute(QUERY.replace("$1", "%(one)s"), {"one": 1}).fetchall(),
        lambda conn: [tuple(row.values()) for row in conn.fetch_columns(QUERY, (1,)).to_arrow().to_pylist()],
    ],
    ids=["stream", "named", "columns"],
)
@pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
def test_every_way_to_read(conn: Any, other: Any, use: Callable[[Any], Any], later: bool) -> None:
    _prepare(conn, QUERY)
    conn.execute("select 2")
    conn.rollback()
    other.execute(CHANGES[0][0])
    if later:
        conn.execute("select 2")
    assert list(use(conn)) == [(1, "x", 5)]


def test_executemany_and_pipelines(conn: Any, other: Any) -> None:
    statement = "insert into doubted (a) values ($1) returning doubted.*"
    _prepare(conn, statement, QUERY)
    conn.execute("delete from doubted where b is null")
    conn.commit()
    conn.execute("select 2")
    conn.rollback()
    other.execute(CHANGES[0][0])
    cursor = conn.cursor()
    cursor.executemany(statement, [(10,), (11,)], returning=True)
    assert cursor.fetchall() == [(10, None, 5)]
    conn.rollback()
    with conn.pipeline():
        first = conn.execute("select 3")
        found = conn.execute(QUERY, (1,))
        assert (first.fetchall(), found.fetchall()) == ([(3,)], [(1, "x", 5)])


def test_it_costs_no_round_trip(face: Face, dsn: str, other: Any) -> None:
    with CuttingProxy(other.info.port) as proxy:
        conn = face.connect(dsn.replace(f":{other.info.port}/", f":{proxy.port}/"))
        locking = QUERY + " for share"
        _prepare(conn, QUERY, locking, "select $1::int")
        turns = []
        for end in (conn.commit, conn.rollback, conn.rollback):
            before = proxy.turns
            for statement in ("select $1::int", QUERY, locking):
                conn.execute(statement, (1,)).fetchall()
            end()
            turns.append(proxy.turns - before)
        assert turns == [5, 5, 5]
        conn.close()
