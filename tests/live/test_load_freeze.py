"""Loads into an emptied table: TRUNCATE and COPY (FREEZE) in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import TransactionStatus, errors

ROWS = [(number, f"row {number}") for number in range(20000)]


def is_frozen(conn: Any) -> bool:
    """Whether there are pages of the table that VACUUM need not visit, although it has never been there."""
    conn.execute("analyze t")
    (visible,) = conn.execute("select relallvisible from pg_class where oid = 't'::regclass").fetchone()
    return bool(visible > 0)


@pytest.fixture
def gone(auto: Any) -> Iterator[None]:
    """There is no table t, neither before nor after. Pages of temporary tables are never marked as visible to all."""
    auto.execute("drop table if exists t")
    yield
    auto.execute("drop table if exists t")


@pytest.fixture
def table(auto: Any, gone: None) -> Any:
    auto.execute("create table t (a int, b text check (b <> 'bad'))")
    auto.execute("insert into t values (-1, 'old')")
    return auto


def test_a_load_that_empties_the_table_writes_frozen_rows(table: Any) -> None:
    report = table.load("t", ROWS, mode="truncate")
    assert (report.rows, report.frozen) == (20000, True)
    assert table.execute("select count(*), min(a) from t").fetchone() == (20000, 0)
    assert table.info.transaction_status is TransactionStatus.IDLE
    assert is_frozen(table)


def test_freezing_can_be_forbidden(table: Any) -> None:
    assert not table.load("t", ROWS, mode="truncate", freeze=False).frozen
    assert table.execute("select min(a) from t").fetchone() == (0,)
    assert not is_frozen(table)


def test_an_ordinary_load_adds_and_does_not_freeze(table: Any) -> None:
    assert not table.load("t", ROWS).frozen
    assert table.execute("select count(*) from t").fetchone() == (20001,)


def test_a_load_that_fails_leaves_what_was_there(table: Any) -> None:
    for rows, error in (([(1, "bad")], errors.CheckViolation), ([("x", "y")], pgfast.DataError)):
        with pytest.raises(error):
            table.load("t", rows, mode="truncate")
        assert table.execute("select a from t").fetchall() == [(-1,)]
        assert table.info.transaction_status is TransactionStatus.IDLE


def test_inside_a_transaction_the_emptying_is_undone_by_a_load_that_fails(table: Any) -> None:
    with table.transaction():
        table.execute("insert into t values (-2, 'mine')")
        with pytest.raises(errors.CheckViolation):
            table.load("t", [(1, "bad")], mode="truncate")
        assert table.execute("select count(*) from t").fetchone() == (2,)
        assert table.load("t", ROWS, mode="truncate").frozen
    assert is_frozen(table)


def test_where_the_server_refuses_to_freeze_the_load_does_without(table: Any) -> None:
    with table.transaction():
        table.execute("declare open_one cursor for select generate_series(1, 10)")
        table.execute("fetch from open_one")
        assert not table.load("t", ROWS, mode="truncate").frozen
    assert table.execute("select count(*), min(a) from t").fetchone() == (20000, 0)


def test_a_partitioned_table_is_emptied_but_not_frozen(auto: Any) -> None:
    auto.execute("create temp table p (a int) partition by range (a)")
    auto.execute("create temp table p1 partition of p for values from (0) to (100)")
    auto.execute("insert into p values (1)")
    assert not auto.load("p", [(2,), (3,)], mode="truncate").frozen
    assert auto.execute("select a from p order by a").fetchall() == [(2,), (3,)]


def test_a_table_made_or_emptied_in_the_open_transaction_is_frozen_on_demand(auto: Any, gone: None) -> None:
    with auto.transaction():
        auto.execute("create table t (a int, b text)")
        assert auto.load("t", ROWS, freeze=True).frozen
    assert is_frozen(auto)
    with auto.transaction():
        auto.execute("truncate t")
        assert auto.load("t", ROWS, freeze=True).frozen
    assert is_frozen(auto)


def test_a_demand_that_is_not_legal_is_the_servers_error(table: Any) -> None:
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="FREEZE"):
        table.load("t", ROWS, freeze=True)
    assert table.execute("select count(*) from t").fetchone() == (1,)


def test_a_csv_file_that_is_read_again_can_be_frozen_too(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "doubtful.csv"
    table.execute("alter table t add column d date")
    path.write_text("a,b,d\n" + "1,x,2024-01-01\n" * 1000 + "2,y,infinity\n")
    report = table.load("t", path, mode="truncate")
    assert (report.rows, report.frozen) == (1001, True)
    with pytest.raises(pgfast.DataError, match="mode="), table.transaction():
        table.execute("truncate t")
        table.load("t", path, ["a", "d"], freeze=True)  # not all columns: the client reads, with either codec
    assert table.execute("select count(*) from t").fetchone() == (1001,)
