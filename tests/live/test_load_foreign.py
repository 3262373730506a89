"""Loads into foreign tables, and into tables with foreign partitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast

from ..versions import start_version

ROWS: list[tuple[int, str | None]] = [(1, "a"), (1, "again"), (2, None), (3, "bad"), (4, "ok")]
ROWS += [(row, "ok" if row % 2 else "bad") for row in range(10, 60)]


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """A server that has postgres_fdw, and is foreign to itself."""
    with start_version(17) as server:
        with pgfast.connect(server.dsn, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION postgres_fdw")
            info = conn.info
            options = f"host '{info.host}', port '{info.port}', dbname '{info.dbname}'"
            conn.execute(f"CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})")
            conn.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS (user '{info.user}')")
        yield server.dsn


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("CREATE TABLE base (id int PRIMARY KEY, name text NOT NULL CHECK (name <> 'bad'))")
        made.execute("CREATE FOREIGN TABLE t (id int, name text) SERVER itself OPTIONS (table_name 'base')")
        yield made
        made.execute("DROP TABLE IF EXISTS base, parts, pgfast_chunks, pgfast_parts, pgfast_loads CASCADE")
        made.execute("DROP FOREIGN TABLE IF EXISTS t")


def count(conn: pgfast.Connection) -> Any:
    return conn.execute("SELECT count(*)::int FROM base").fetchone()


@pytest.mark.parametrize("settings", [{}, {"resume": "f", "chunk_bytes": 1024}], ids=str)
def test_bad_rows_are_set_aside(conn: pgfast.Connection, settings: dict[str, Any]) -> None:
    report = conn.load("t", ROWS, on_error="reject", **settings)
    assert (report.rows, report.rejected) == (27, 28)
    assert {reject.sqlstate for reject in report.rejects} == {"23505", "23502", "23514"}
    assert count(conn) == (27,)


@pytest.mark.parametrize("settings", [{}, {"mode": "truncate"}, {"on_conflict": "ignore"}, {"defer_indexes": True}])
def test_modes_that_a_foreign_table_can_do(conn: pgfast.Connection, settings: dict[str, Any]) -> None:
    conn.execute("INSERT INTO base VALUES (-1, 'old')")
    assert conn.load("t", [(1, "a"), (2, "b")], **settings).rows == 2
    assert count(conn) == (2 if "mode" in settings else 3,)


def test_modes_that_it_cannot_do_say_so(conn: pgfast.Connection) -> None:
    with pytest.raises(pgfast.NotSupportedError, match="for ordinary tables; use mode='truncate'"):
        conn.load("t", [(1, "a")], mode="replace")
    with pytest.raises(pgfast.DatabaseError, match="no unique or exclusion constraint"):
        conn.load("t", [(1, "a")], on_conflict="update", key=["id"])
    with pytest.raises(pgfast.InterfaceError, match="the table has no primary key"):
        conn.load("t", [(1, "a")], on_conflict="update")
    assert count(conn) == (0,)


def test_over_several_connections(conn: pgfast.Connection, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,name\n" + "".join(f"{row},row\n" for row in range(1000)))
    assert pgfast.load(dsn, "t", path, jobs=2).rows == 1000
    assert count(conn) == (1000,)


@pytest.mark.parametrize("settings", [{}, {"resume": "p"}, {"mode": "truncate"}], ids=str)
def test_foreign_partitions(conn: pgfast.Connection, settings: dict[str, Any]) -> None:
    conn.execute("CREATE TABLE parts (id int, name text) PARTITION BY RANGE (id)")
    conn.execute("CREATE TABLE near PARTITION OF parts FOR VALUES FROM (0) TO (10)")
    conn.execute(
        "CREATE FOREIGN TABLE far PARTITION OF parts FOR VALUES FROM (10) TO (99) SERVER itself "
        "OPTIONS (table_name 'base')"
    )
    report = conn.load("parts", [*ROWS, (500, "nowhere")], on_error="reject", **settings)
    assert (report.rows, report.rejected) == (30, 26)
    assert count(conn) == (25,)
    assert conn.execute("SELECT count(*)::int FROM parts").fetchone() == (30,)
