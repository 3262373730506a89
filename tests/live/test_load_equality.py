"""Keys that are equal without being alike: what a load takes for one row is what the server takes for one.

Once they are of a type whose `=` the search_path does not show, once of a collation that does not know upper case.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgfast

from ..versions import start_version

KINDS = {"citext": "hidden.citext", "icu": "text COLLATE hidden.ci"}


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """A server that has citext and ICU."""
    with start_version(17) as server:
        with pgfast.connect(server.dsn, autocommit=True) as conn:
            conn.execute("CREATE SCHEMA hidden")
            conn.execute("CREATE EXTENSION citext SCHEMA hidden")
            sql = "CREATE COLLATION hidden.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            conn.execute(sql)
        yield server.dsn


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        yield made
        made.execute("DROP TABLE IF EXISTS t, child CASCADE")


def stored(conn: pgfast.Connection) -> list[tuple[str, int]]:
    return [(str(key), number) for key, number in conn.execute("SELECT k::text, n FROM t ORDER BY lower(k)").fetchall()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_unique_key(conn: pgfast.Connection, kind: str) -> None:
    conn.execute(f"CREATE TABLE t (k {KINDS[kind]} UNIQUE, n int NOT NULL)")
    conn.execute("INSERT INTO t VALUES ('Zed', 0)")
    rows = [("a", 1), ("A", 2), ("zed", 3), ("q", None), ("w", None), ("v", None), ("u", None), ("Q", 7), ("q", 8)] * 2
    report = conn.load("t", rows, on_error="reject")
    assert (report.rows, report.rejected) == (2, 16)
    assert stored(conn) == [("a", 1), ("Q", 7), ("Zed", 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference(conn: pgfast.Connection, kind: str) -> None:
    conn.execute(f"CREATE TABLE t (k {KINDS[kind]} PRIMARY KEY, n int)")
    conn.execute("INSERT INTO t VALUES ('Abc', 0), ('Xyz', 0)")
    conn.execute(f"CREATE TABLE child (id int PRIMARY KEY, k {KINDS[kind]} REFERENCES t, n int NOT NULL)")
    rows = [(row, ("ABC", "none", "xyz")[row % 3], None if row % 3 == 2 else 1) for row in range(600)]
    report = conn.load("child", rows, on_error="reject")
    assert (report.rows, report.rejected) == (200, 400)
    assert conn.execute("SELECT DISTINCT k::text FROM child").fetchall() == [("ABC",)]


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_to_update_by(conn: pgfast.Connection, kind: str, parts: bool) -> None:
    tail = "PARTITION BY RANGE (k)" if parts else ""
    conn.execute(f"CREATE TABLE t (k {KINDS[kind]}, n int NOT NULL, PRIMARY KEY (k)) {tail}")
    if parts:
        conn.execute("CREATE TABLE whole PARTITION OF t DEFAULT")
    conn.execute("INSERT INTO t VALUES ('Zed', 0)")
    rows = [("a", 1), ("A", 2), ("zed", 3), ("q", 5)]
    report = conn.load("t", rows, on_conflict="update")
    assert (report.inserted, report.updated, report.skipped) == (2, 2, 0)
    report = conn.load("t", [*rows, ("r", None), ("Q", 6)], on_conflict="update", on_error="reject")
    assert (report.inserted, report.updated, report.skipped, report.rejected) == (0, 5, 0, 1)
    assert [number for _key, number in stored(conn)] == [2, 6, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_to_ignore_by(conn: pgfast.Connection, kind: str) -> None:
    conn.execute(f"CREATE TABLE t (k {KINDS[kind]} PRIMARY KEY, n int NOT NULL)")
    report = conn.load("t", [("a", 1), ("A", 2), ("b", 3)], on_conflict="ignore", on_error="reject")
    assert (report.inserted, report.skipped) == (2, 1)
    assert stored(conn) == [("a", 1), ("b", 3)]
