"""Indexes and constraints that a load drops first: they come back as they were, with all that is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pgfast

SPACE = "deferred_space"
TABLE = """
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE t (
    id int, name text, place int, span int4range, parent int,
    CONSTRAINT "the key" PRIMARY KEY (id) WITH (fillfactor = 60) {space},
    CONSTRAINT once UNIQUE (name, place) INCLUDE (span) WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT later UNIQUE (place, id) DEFERRABLE,
    CONSTRAINT apart EXCLUDE USING gist (span WITH &&) WITH (fillfactor = 80) WHERE (place > 0) DEFERRABLE,
    CONSTRAINT of FOREIGN KEY (parent) REFERENCES parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX plain ON t (name) WITH (fillfactor = 50) {at};
CREATE UNIQUE INDEX sole ON t (lower(name), (place + 1)) WHERE place > 7;
ALTER INDEX sole ALTER COLUMN 2 SET STATISTICS 300;
COMMENT ON INDEX sole IS 'it''s an index';
COMMENT ON INDEX "the key" IS 'of the key';
COMMENT ON CONSTRAINT "the key" ON t IS 'the key itself';
COMMENT ON CONSTRAINT of ON t IS 'a reference';
CREATE INDEX told ON t (place);
ALTER TABLE t CLUSTER ON told;
CREATE UNIQUE INDEX identity ON t (id);
ALTER TABLE t ALTER id SET NOT NULL;
ALTER TABLE t REPLICA IDENTITY USING INDEX identity"""
PARTS = """
CREATE TABLE t (id int, name text, CONSTRAINT "the key" PRIMARY KEY (id, name)) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (99) PARTITION BY LIST (name);
CREATE TABLE highest PARTITION OF high DEFAULT;
CREATE INDEX "on ONLY t" ON t (name) WITH (fillfactor = 50);
ALTER INDEX low_name_idx RENAME TO "low's own";
COMMENT ON INDEX "low's own" IS 'of a part';
ALTER INDEX low_pkey RENAME TO "low's key"
"""
#: All that is known of indexes and constraints, but for their numbers.
STATE = """
SELECT c.relname::text AS name, pg_get_indexdef(c.oid) AS def, i.indisvalid, i.indisclustered, i.indisreplident,
    i.indisprimary, i.indisunique, i.indimmediate, c.reloptions, obj_description(c.oid, 'pg_class'),
    (SELECT spcname::text FROM pg_tablespace s WHERE s.oid = c.reltablespace),
    (SELECT array_agg(attstattarget::int ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = c.oid),
    (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'deferred'::regnamespace
    AND c.relname NOT LIKE 'pgfast%' ORDER BY 1"""
CONSTRAINTS = """
SELECT conname::text, conrelid::regclass::text, contype::text, pg_get_constraintdef(oid), condeferrable, condeferred,
    convalidated, obj_description(oid, 'pg_constraint'), conindid::regclass::text
FROM pg_constraint WHERE connamespace = 'deferred'::regnamespace AND contype <> 'n'
    AND conname NOT LIKE 'pgfast%' ORDER BY 1, 2"""


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS deferred CASCADE")
        made.execute("CREATE SCHEMA deferred")
        made.execute("SET search_path TO deferred")
        yield made
        made.execute("DROP SCHEMA deferred CASCADE")
        made.execute(f"DROP TABLESPACE IF EXISTS {SPACE}")


def made(conn: pgfast.Connection, sql: str) -> None:
    for statement in sql.split(";"):
        conn.execute(statement)


def space(conn: pgfast.Connection) -> str:
    """A tablespace, where the server can have one within its own directory."""
    if conn.info.server_version < 150000:
        return ""
    conn.execute("SET allow_in_place_tablespaces = on")
    conn.execute(f"CREATE TABLESPACE {SPACE} LOCATION ''")
    return f"TABLESPACE {SPACE}"


def state(conn: pgfast.Connection) -> list[Any]:
    return [*conn.execute(STATE).fetchall(), *conn.execute(CONSTRAINTS).fetchall()]


ROWS = [(number, f"row {number}", number, None, 1) for number in range(50)]


def present(conn: pgfast.Connection) -> set[str]:
    return {row[0] for row in conn.execute(STATE).fetchall()}


@pytest.mark.parametrize("settings", [{}, {"resume": "d"}, {"mode": "truncate"}, {"on_error": "reject"}], ids=str)
def test_all_that_is_said_of_them_comes_back(conn: pgfast.Connection, settings: dict[str, Any]) -> None:
    where = space(conn)
    made(conn, TABLE.format(at=where, space=f"USING INDEX {where}" if where else ""))
    before = state(conn)
    seen: list[set[str]] = []
    conn.execute("SELECT set_config('default_tablespace', $1, false)", (SPACE if where else "",))

    def look(_rows: int, _size: int) -> None:
        if not seen and "resume" in settings:
            with pgfast.connect(conn.info.dsn) as other:
                other.execute("SET search_path TO deferred")
                seen.append(present(other))

    report = conn.load("t", ROWS, defer_indexes=True, progress=look, **settings)
    assert report.rows == len(ROWS)
    assert state(conn) == before
    if seen:  # what is marked stays, and so does what is referred to
        assert seen[0] & {"plain", "sole", "the key", "once", "told", "identity"} == {"told", "identity"}
    assert conn.execute("SHOW default_tablespace").fetchone() == (SPACE if where else "",)


def test_indexes_of_partitions_come_back_with_their_names(conn: pgfast.Connection) -> None:
    made(conn, PARTS)
    before = state(conn)
    assert conn.load("t", [(1, "a"), (20, "b")], defer_indexes=True).rows == 2
    assert state(conn) == before
    with pytest.raises(pgfast.errors.UniqueViolation):
        conn.load("t", [(3, "a"), (3, "a")], defer_indexes=True)
    assert state(conn) == before


def test_foreign_keys_that_are_disabled_stay_so(conn: pgfast.Connection) -> None:
    made(conn, "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int, p int REFERENCES p)")
    conn.execute("ALTER TABLE t DISABLE TRIGGER ALL")
    assert conn.load("t", [(1, 99)], defer_indexes=True).rows == 1
    disabled = "SELECT count(*)::int FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgenabled = 'D'"
    assert conn.execute(disabled).fetchone() == (2,)
