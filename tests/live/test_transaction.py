"""Transactions: begun by the first statement, ended by name or by a block, nested by savepoints."""

from __future__ import annotations

from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face, target

STATUS = pgfast.TransactionStatus


@pytest.fixture
def table(conn: Any) -> Any:
    """The connection, with an empty table of its own that is committed."""
    conn.execute("create temp table t (a int primary key)")
    conn.commit()
    return conn


def contents(conn: Any) -> list[int]:
    rows: list[tuple[int]] = conn.execute("select a from t order by a").fetchall()
    return [row[0] for row in rows]


def test_nothing_is_begun_before_the_first_statement(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    assert conn.info.transaction_status is STATUS.IDLE
    conn.commit()
    conn.rollback()
    assert conn.info.transaction_status is STATUS.IDLE


def test_a_rollback_undoes_and_a_commit_keeps(table: Any) -> None:
    table.execute("insert into t values (1)")
    table.rollback()
    assert contents(table) == []
    table.execute("insert into t values (2)")
    table.commit()
    table.rollback()
    assert contents(table) == [2]


def test_autocommit_begins_nothing(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    assert auto.info.transaction_status is STATUS.IDLE
    auto.rollback()
    assert contents(auto) == []


def test_a_commit_that_rolls_back_says_so(table: Any) -> None:
    table.execute("insert into t values (1)")
    with pytest.raises(errors.UniqueViolation):
        table.execute("insert into t values (1)")
    with pytest.raises(errors.InFailedSqlTransaction, match="rolled back and not committed"):
        table.commit()
    assert table.info.transaction_status is STATUS.IDLE
    assert contents(table) == []


def test_a_block_commits_at_its_end_and_rolls_back_after_an_exception(table: Any) -> None:
    with table.transaction():
        table.execute("insert into t values (1)")
    assert table.info.transaction_status is STATUS.IDLE
    with pytest.raises(ZeroDivisionError), table.transaction():
        table.execute("insert into t values (2)")
        raise ZeroDivisionError
    assert table.info.transaction_status is STATUS.IDLE
    with pytest.raises(errors.UniqueViolation), table.transaction():
        table.execute("insert into t values (1)")
    assert contents(table) == [1]


def test_blocks_nest_by_savepoints(table: Any) -> None:
    with table.transaction() as outer:
        assert outer.savepoint_name is None
        table.execute("insert into t values (1)")
        with pytest.raises(errors.UniqueViolation), table.transaction() as inner:
            assert inner.savepoint_name == "_pgfast_2"
            table.execute("insert into t values (2)")
            table.execute("insert into t values (1)")
        with table.transaction(), table.transaction():
            table.execute("insert into t values (3)")
    assert contents(table) == [1, 3]


def test_a_block_inside_an_implicit_transaction_is_a_savepoint(table: Any) -> None:
    table.execute("insert into t values (1)")
    with table.transaction():
        table.execute("insert into t values (2)")
    assert table.info.transaction_status is STATUS.INTRANS
    table.rollback()
    assert contents(table) == []


def test_a_block_works_in_autocommit_mode(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    with auto.transaction(force_rollback=True):
        auto.execute("insert into t values (1)")
        assert auto.info.transaction_status is STATUS.INTRANS
    with auto.transaction('my "own" savepoint'):
        auto.execute("insert into t values (2)")
    assert contents(auto) == [2]


def test_rollback_leaves_its_block_and_goes_no_further(table: Any) -> None:
    with table.transaction():
        table.execute("insert into t values (1)")
        with table.transaction() as inner:
            table.execute("insert into t values (2)")
            raise pgfast.Rollback(target(inner))
        with table.transaction():
            raise pgfast.Rollback
    assert contents(table) == [1]


def test_rollback_of_an_outer_block_leaves_the_inner_ones_too(table: Any) -> None:
    with table.transaction() as outer:
        table.execute("insert into t values (1)")
        with table.transaction():
            table.execute("insert into t values (2)")
            raise pgfast.Rollback(target(outer))
        pytest.fail("the outer block went on")
    assert table.info.transaction_status is STATUS.IDLE
    assert contents(table) == []


def test_commit_and_rollback_are_the_blocks_business(table: Any) -> None:
    with table.transaction():
        table.execute("insert into t values (1)")
        for use in (table.commit, table.rollback):
            with pytest.raises(pgfast.ProgrammingError, match="inside a transaction"):
                use()
    assert contents(table) == [1]


def test_blocks_must_be_left_in_order(table: Any) -> None:
    outer, inner = table.transaction(), table.transaction()
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(pgfast.ProgrammingError, match="reverse order"):
        outer.__exit__(None, None, None)
    table.rollback()


def test_a_block_is_entered_once(table: Any) -> None:
    block = table.transaction()
    with block:
        pass
    with pytest.raises(pgfast.ProgrammingError, match="entered once"), block:
        pass


def test_an_error_swallowed_in_a_block_does_not_pass_for_a_commit(table: Any) -> None:
    with pytest.raises(errors.InFailedSqlTransaction), table.transaction():
        table.execute("insert into t values (1)")
        with pytest.raises(errors.UniqueViolation):
            table.execute("insert into t values (1)")
    assert table.info.transaction_status is STATUS.IDLE
    assert contents(table) == []


def test_a_lost_connection_leaves_a_block_by_its_own_exception(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    with pytest.raises(errors.AdminShutdown), conn.transaction(), conn.transaction():
        conn.execute("select pg_terminate_backend(pg_backend_pid())")
    assert conn.closed


@pytest.mark.parametrize("undone", [False, True])
def test_statements_are_prepared_anew_when_their_tables_are_others(conn: Any, undone: bool) -> None:
    """The server refuses a prepared statement whose columns have changed, and within a transaction that is its end."""
    query = "select * from redefined"
    conn.execute("drop table if exists redefined; create table redefined (a int); insert into redefined values (1)")
    for _ in range(8):
        assert conn.execute(query).fetchall() == [(1,)]
    conn.commit()
    conn.execute("drop table redefined")
    conn.execute("create table redefined (a text, b text)")
    for _ in range(8):
        assert conn.execute(query).fetchall() == []
    if undone:
        conn.rollback()
    else:
        conn.commit()
    conn.execute("select 1")
    assert conn.execute(query).fetchall() == ([(1,)] if undone else [])
    conn.execute("drop table redefined")
    conn.commit()
