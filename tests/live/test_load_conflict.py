"""Rows whose key is in the table already: left out, written over, or an error, and counted."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pgfast import DataError, InterfaceError
from pgfast.errors import CardinalityViolation, UndefinedColumn, UniqueViolation

NAMES = ["id", "name"]


@pytest.fixture
def table(auto: Any) -> Any:
    """A connection with a table t of two rows."""
    auto.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, name text, other int DEFAULT 5)")
    auto.execute("INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)")
    return auto


def stored(conn: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = conn.execute("SELECT id, name, other FROM t ORDER BY id, name").fetchall()
    return found


def test_ignore_leaves_what_is_there(table: Any) -> None:
    report = table.load("t", [(2, "new"), (3, "three"), (3, "again")], NAMES, on_conflict="ignore")
    assert (report.read, report.rows, report.inserted, report.updated, report.skipped) == (3, 1, 1, 0, 2)
    assert stored(table) == [(1, "one", 1), (2, "two", 2), (3, "three", 5)]


def test_update_writes_over_what_is_loaded_and_nothing_else(table: Any) -> None:
    report = table.load("t", [(2, "new"), (3, "three")], NAMES, on_conflict="update")
    assert (report.read, report.rows, report.inserted, report.updated, report.skipped) == (2, 2, 1, 1, 0)
    assert stored(table) == [(1, "one", 1), (2, "new", 2), (3, "three", 5)]


@pytest.mark.parametrize("setting", [{}, {"on_error": "reject"}, {"chunk_bytes": 1024}], ids=str)
def test_of_rows_with_one_key_the_last_updates_and_each_counts_as_what_it_did(
    table: Any, setting: dict[str, Any]
) -> None:
    rows = [(3, "a"), (2, "b"), (3, "c"), (2, "d"), (4, "e")]
    if "chunk_bytes" in setting:  # the rows of one key lie in several chunks
        rows = [(key, name) for key, name in rows for _ in range(100)]
    each = len(rows) // 5
    report = table.load("t", rows, NAMES, on_conflict="update", **setting)
    assert (report.read, report.inserted, report.updated, report.skipped) == (5 * each, 2, 5 * each - 2, 0)
    assert stored(table) == [(1, "one", 1), (2, "d", 2), (3, "c", 5), (4, "e", 5)]


def test_the_last_counts_over_chunks_too(table: Any) -> None:
    rows = [(number % 50 + 10, f"row {number} " + "x" * 200) for number in range(1000)]
    report = table.load("t", rows, NAMES, on_conflict="update", chunk_bytes=4096)
    assert report.read == report.rows + report.skipped == 1000
    assert table.execute("SELECT count(*) FROM t WHERE id >= 10 AND name LIKE 'row 9%'").fetchone() == (50,)
    report = table.load("t", rows, NAMES, on_conflict="ignore", chunk_bytes=4096)
    assert (report.rows, report.skipped) == (0, 1000)


def test_an_error_is_one(table: Any) -> None:
    for setting in ({}, {"on_conflict": "error"}):
        with pytest.raises(UniqueViolation):
            table.load("t", [(5, "five"), (2, "new")], NAMES, **setting)
    assert len(stored(table)) == 2


def test_a_key_of_several_columns_and_null_in_it(table: Any) -> None:
    table.execute("CREATE TEMP TABLE k (a int, b text, v int, UNIQUE (b, a))")
    rows = [(1, "x", 1), (1, None, 2), (1, None, 3), (1, "x", 4)]
    report = table.load("k", rows, on_conflict="update", key=["a", "b"])
    assert (report.inserted, report.updated, report.skipped) == (3, 1, 0)
    assert table.execute("SELECT v FROM k ORDER BY v").fetchall() == [(2,), (3,), (4,)]
    report = table.load("k", rows, on_conflict="ignore", key=["a", "b"])
    assert (report.inserted, report.skipped) == (2, 2)


def test_nothing_but_a_key(table: Any) -> None:
    table.execute("CREATE TEMP TABLE k (a int PRIMARY KEY)")
    report = table.load("k", [(1,), (2,), (1,)], on_conflict="update")
    assert (report.inserted, report.updated, report.skipped) == (2, 0, 1)


def test_bad_rows_beside(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = ["id,name,other", "1,first,1", "x,bad,1", "2,second,y", ",no key,1", "9,new,9"]
    path.write_text("\n".join(lines))
    report = table.load("t", path, on_conflict="update", rejects=tmp_path / "r.jsonl")
    assert (report.read, report.inserted, report.updated, report.rejected) == (5, 1, 1, 3)
    assert [(reject.line, reject.sqlstate) for reject in report.rejects] == [(3, "22P02"), (4, "22P02"), (5, "23502")]
    assert stored(table) == [(1, "first", 1), (2, "two", 2), (9, "new", 9)]


@pytest.mark.parametrize("action", ["ignore", "update"])
def test_many_of_every_kind_against_a_model(table: Any, action: str) -> None:
    table.execute("ALTER TABLE t ADD CHECK (name <> 'bad')")
    maker = random.Random(action)
    rows = [(maker.randrange(300), maker.choice(["a", "b", "c", "bad"])) for _ in range(2000)]
    model = {1: "one", 2: "two"}
    for key, name in rows:
        if name != "bad" and (action == "update" or key not in model):
            model[key] = name
    report = table.load("t", rows, NAMES, on_conflict=action, on_error="reject", chunk_bytes=2048)
    assert {row[0]: row[1] for row in stored(table)} == model
    assert report.read == report.rows + report.rejected + report.skipped == 2000


def test_partitions_and_identities(table: Any) -> None:
    table.execute("CREATE TEMP TABLE p (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, v int) PARTITION BY LIST (id)")
    table.execute("CREATE TEMP TABLE p1 PARTITION OF p FOR VALUES IN (1)")
    table.execute("CREATE TEMP TABLE p2 PARTITION OF p FOR VALUES IN (2)")
    assert table.load("p", [(1, 1)], on_conflict="update").inserted == 1
    report = table.load("p", [(1, 2), (2, 2), (3, 3)], on_conflict="update", on_error="reject")
    assert (report.inserted, report.updated, report.rejected) == (1, 1, 1)
    assert table.execute("SELECT id, v FROM p ORDER BY id").fetchall() == [(1, 2), (2, 2)]


def test_keys_that_cannot_be(table: Any) -> None:
    table.execute("CREATE TEMP TABLE none (a int)")
    with pytest.raises(InterfaceError, match="no primary key; name the columns of a unique index"):
        table.load("none", [(1,)], on_conflict="update")
    with pytest.raises(UndefinedColumn, match="the key's column 'id' is not among those loaded"):
        table.load("t", [("x",)], ["name"], on_conflict="update")
    with pytest.raises(InterfaceError, match="key must be a sequence"):
        table.load("t", [(1, "x")], NAMES, on_conflict="update", key="id")
    with pytest.raises(Exception, match="no unique or exclusion constraint matching"):
        table.load("t", [(1, "x")], NAMES, on_conflict="update", key=["name"])
    assert len(stored(table)) == 2


def test_a_failure_leaves_all_as_it_was(table: Any) -> None:
    with pytest.raises(Exception, match="invalid|does not fit"):
        table.load("t", [(7, "seven"), ("x", "y")], NAMES, on_conflict="update")
    assert len(stored(table)) == 2
    with table.transaction():
        table.load("t", [(7, "seven")], NAMES, on_conflict="update")
        with pytest.raises(CardinalityViolation), table.transaction():
            table.execute("INSERT INTO t VALUES (9), (9) ON CONFLICT (id) DO UPDATE SET name = 'x'")
    assert len(stored(table)) == 3


@pytest.mark.parametrize("setting", [{}, {"on_error": "reject"}], ids=str)
def test_values_left_to_the_server_do_not_change_which_row_is_the_last(
    auto: Any, tmp_path: Path, setting: dict[str, Any]
) -> None:
    auto.execute("CREATE TEMP TABLE days (id int PRIMARY KEY, day date, n int)")
    source = tmp_path / "days.csv"
    source.write_text("id,day,n\n1,yesterday,1\n2,today,1\n1,2020-01-01,2\n3,2020-01-01,3\n")
    report = auto.load("days", source, on_conflict="update", **setting)
    assert report.read == report.rows + report.skipped == 4
    assert auto.execute("SELECT id, n FROM days ORDER BY id").fetchall() == [(1, 2), (2, 1), (3, 3)]
    auto.execute("TRUNCATE days")
    auto.load("days", source, on_conflict="ignore", **setting)
    assert auto.execute("SELECT id, n FROM days ORDER BY id").fetchall() == [(1, 1), (2, 1), (3, 3)]


def test_a_bad_value_that_is_left_to_the_server_ends_the_load(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE days (id int PRIMARY KEY, day date)")
    source = tmp_path / "days.csv"
    source.write_text("id,day\n1,yesterday\n2,noday\n3,today\n")
    with pytest.raises(DataError):
        auto.load("days", source, on_conflict="update")
    assert auto.execute("SELECT count(*) FROM days").fetchone() == (0,)


def test_nulls_that_are_one_key(auto: Any) -> None:
    auto.execute("CREATE TEMP TABLE k (a int, b int, v int, UNIQUE NULLS NOT DISTINCT (b, a))")
    rows = [(None, 1, 1), (1, 1, 1), (None, 1, 2), (None, None, 1), (None, None, 2)]
    report = auto.load("k", rows, on_conflict="update", key=["a", "b"])
    assert (report.inserted, report.updated, report.skipped) == (3, 2, 0)
    assert auto.execute("SELECT * FROM k ORDER BY a, b").fetchall() == [(1, 1, 1), (None, 1, 2), (None, None, 2)]


@pytest.mark.parametrize("setting", [{}, {"on_error": "reject"}], ids=str)
def test_a_dry_run_goes_by_the_key_too(table: Any, setting: dict[str, Any]) -> None:
    report = table.load("t", [(1, "x"), (3, "y"), (3, "z")], NAMES, on_conflict="update", dry_run=True, **setting)
    assert report.read == report.rows + report.skipped == 3
    assert len(stored(table)) == 2
