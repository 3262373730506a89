"""Loads half of whose rows are bad: what is foreseen of them is what the server would have said, in any table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pgfast

#: Small chunks: all but the first go by the staging table.
STORM: dict[str, Any] = {"on_error": "reject", "chunk_bytes": 1024}
FUNCTION = (
    "CREATE FUNCTION storms.filled() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN new.n := coalesce(new.n, 7); RETURN new; END'"
)


@pytest.fixture
def conn(auto: Any) -> Iterator[Any]:
    auto.execute("DROP SCHEMA IF EXISTS storms CASCADE")
    auto.execute("CREATE SCHEMA storms")
    auto.execute("SET search_path = storms, public")
    yield auto
    auto.execute("RESET ALL")
    auto.execute("RESET ROLE")
    auto.execute("DROP SCHEMA storms CASCADE")


def counts(report: pgfast.LoadReport) -> tuple[int, int]:
    assert report.read == report.rows + report.rejected
    return report.rows, report.rejected


def test_columns_named_as_anything(conn: Any) -> None:
    names = ["state", "message", "number", "low", "high", "width", "span", "of_column", "inserted", "updated"]
    names += ["a$pgfast$b", "c = d", "e%s > 1", "q'q\"", "pgfast"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    checked = quoted[names.index("q'q\"")]
    columns = ", ".join([f"{name} int UNIQUE" if " = " in name else f"{name} int" for name in quoted])
    conn.execute(f"CREATE TABLE t (id int PRIMARY KEY, {columns}, CHECK ({checked} <> -1))")
    conn.execute("CREATE TABLE child () INHERITS (t)")
    conn.execute("CREATE FUNCTION passed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'")
    rows: list[tuple[int, ...]] = []
    for row in range(300):
        rows += [(row, *[row + at for at in range(len(names))]), (row + 1000, *[-1] * len(names))]
        rows.append((row, *[row + 5000] * len(names)))
    for change in ("", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION passed()"):
        if change:  # nothing is foreseen any more
            conn.execute(change)
        conn.execute("TRUNCATE t")
        assert counts(conn.load("t", rows, **STORM)) == (300, 600)
        assert conn.execute("SELECT * FROM t ORDER BY id").fetchall() == rows[::3]


def test_keys_of_tables_that_inherit_are_other_keys(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    conn.execute("CREATE TABLE child () INHERITS (t)")
    conn.execute("INSERT INTO child SELECT g, 'child' FROM generate_series(0, 399) AS g")
    rows = [row for number in range(400) for row in ((number, "parent"), (None, "bad"))]
    assert counts(conn.load("t", rows, **STORM)) == (400, 400)


def test_references_between_collations(conn: Any) -> None:
    conn.execute('CREATE TABLE parent (name text COLLATE "C" PRIMARY KEY)')
    conn.execute("INSERT INTO parent VALUES ('a')")
    conn.execute('CREATE TABLE t (name text COLLATE "POSIX" REFERENCES parent)')
    assert counts(conn.load("t", [("a",), ("b",)] * 400, **STORM)) == (400, 400)


def test_references_to_what_the_role_must_not_read(conn: Any) -> None:
    conn.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    conn.execute("INSERT INTO parent VALUES (1)")
    conn.execute("CREATE TABLE t (id int REFERENCES parent)")
    conn.execute("DROP ROLE IF EXISTS storm_loader")
    conn.execute("CREATE ROLE storm_loader")
    conn.execute("GRANT USAGE ON SCHEMA storms TO storm_loader")
    conn.execute("GRANT INSERT ON t TO storm_loader")
    conn.execute("SET ROLE storm_loader")
    assert counts(conn.load("t", [(1,), (2,)] * 400, **STORM)) == (400, 400)
    conn.execute("RESET ROLE")
    conn.execute("GRANT SELECT ON parent TO storm_loader")
    conn.execute("ALTER TABLE parent ENABLE ROW LEVEL SECURITY")  # which shows this role nothing
    conn.execute("SET ROLE storm_loader")
    assert counts(conn.load("t", [(1,), (2,)] * 400, **STORM)) == (400, 400)
    conn.execute("RESET ROLE")
    conn.execute("DROP OWNED BY storm_loader")
    conn.execute("DROP ROLE storm_loader")


def test_references_that_are_not_checked(conn: Any) -> None:
    conn.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    conn.execute("CREATE TABLE t (parent int REFERENCES parent, id int PRIMARY KEY)")
    rows = [row for number in range(400) for row in ((number, number), (number, number))]
    conn.execute("SET session_replication_role = replica")
    assert counts(conn.load("t", rows, **STORM)) == (400, 400)
    conn.execute("SET session_replication_role = origin")
    conn.execute("TRUNCATE t")
    conn.execute("ALTER TABLE t DISABLE TRIGGER ALL")
    assert counts(conn.load("t", rows, **STORM)) == (400, 400)


def test_a_partition_that_changes_its_rows(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int, n int NOT NULL) PARTITION BY RANGE (id)")
    conn.execute("CREATE TABLE part PARTITION OF t FOR VALUES FROM (0) TO (1000)")
    conn.execute(FUNCTION)
    conn.execute("CREATE TRIGGER g BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION filled()")
    rows = [row for number in range(400) for row in ((number, None), (5000, 1))]
    assert counts(conn.load("t", rows, **STORM)) == (400, 400)
    assert conn.execute("SELECT DISTINCT n FROM t").fetchall() == [(7,)]


def test_a_view_takes_rows_with_keys_that_are_there(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    conn.execute("CREATE VIEW v AS SELECT * FROM t")
    conn.execute("INSERT INTO t VALUES (1, 1)")
    report = conn.load("v", [(1, 2), (2, 2)], on_conflict="update", key=["id"])
    assert (report.inserted, report.updated) == (1, 1)
    assert conn.execute("SELECT * FROM t ORDER BY id").fetchall() == [(1, 2), (2, 2)]


def test_a_role_that_may_make_no_temporary_table(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0))")
    conn.execute("DROP ROLE IF EXISTS storm_loader")
    conn.execute("CREATE ROLE storm_loader")
    conn.execute("GRANT USAGE ON SCHEMA storms TO storm_loader")
    conn.execute("GRANT INSERT ON t TO storm_loader")
    ((database,),) = conn.execute("SELECT pg_catalog.quote_ident(current_database())").fetchall()
    conn.execute(f"REVOKE TEMP ON DATABASE {database} FROM public")
    try:
        conn.execute("SET ROLE storm_loader")
        rows = [row for number in range(50) for row in ((number, 1), (number + 100, 0))]
        assert counts(conn.load("t", rows, **STORM)) == (50, 50)
    finally:
        conn.execute("RESET ROLE")
        conn.execute(f"GRANT TEMP ON DATABASE {database} TO public")
    conn.execute("DROP OWNED BY storm_loader")
    conn.execute("DROP ROLE storm_loader")


def test_row_security_refuses_rows(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int)")
    conn.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    conn.execute("CREATE POLICY positive ON t USING (true) WITH CHECK (id > 0)")
    conn.execute("DROP ROLE IF EXISTS storm_loader")
    conn.execute("CREATE ROLE storm_loader")
    conn.execute("GRANT USAGE ON SCHEMA storms TO storm_loader")
    conn.execute("GRANT INSERT, SELECT ON t TO storm_loader")
    conn.execute("SET ROLE storm_loader")
    for setting in ({"on_error": "reject"}, STORM):
        report = conn.load("t", [(1,), (-1,)] * 200, **setting)
        assert counts(report) == (200, 200)
        assert report.rejects[0].sqlstate == "42501"
    conn.execute("RESET ROLE")
    conn.execute("DROP OWNED BY storm_loader")
    conn.execute("DROP ROLE storm_loader")


def test_operators_of_others_are_not_asked(conn: Any) -> None:
    conn.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    conn.execute("CREATE FUNCTION passed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'")
    conn.execute("CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION passed()")
    conn.execute(
        "CREATE FUNCTION asked(bigint, bigint) RETURNS bool LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION SQLSTATE ''57000'' USING MESSAGE = ''asked''; END'"
    )
    for name in ("=", "<", "<=", ">", ">=", "+", "-", "*", "/"):
        conn.execute(f"CREATE OPERATOR {name} (FUNCTION = asked, LEFTARG = bigint, RIGHTARG = bigint)")
    conn.execute("SET search_path = storms, pg_catalog")
    rows = [row for number in range(100) for row in ((number, 1), (number, 2))]
    assert counts(conn.load("t", rows, **STORM)) == (100, 100)
