"""Indexes and constraints that are dropped before a load and made again behind it.

Law of this file: a definition is written down before its index is dropped, by the same transaction. Where the load is
one transaction, whatever ends it brings them back by itself; where it commits chunks, the definitions stand in the
table pgfast_deferred beside the ledger until they are made again, and can be put back by hand.

Unique ones stay where the load needs them: for ON CONFLICT, and where bad rows are to be found as they come. So do
those that something else depends on or has marked (foreign keys, CLUSTER, the replica identity, an extension), those
that are not valid, foreign keys whose triggers are disabled, and triggers, since rows are to pass these.

Sources: docs, "Populating a Database"; server: ruleutils.c (pg_get_indexdef, pg_get_constraintdef).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..protocol.operations import Operation, command, fetch
from ..protocol.session import Session
from ..types.discovery import qualified
from .framing import atomically
from .target import Target, describe

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS {schema}.pgfast_deferred (
    load text, number int, target text NOT NULL, definition text NOT NULL, PRIMARY KEY (load, number))"""

#: What drops and what makes again: indexes of no constraint, unique and exclusion constraints, and foreign keys; with
#: their tablespace, storage parameters, comments and statistics targets. The indexes of partitions come before theirs
#: of whom they are a part, which then takes them, with their names; they are dropped with it.
_DEFINED: Final = qualified("""
WITH RECURSIVE tree (oid, root, depth) AS (
    SELECT i.indexrelid, i.indexrelid, 0 FROM pg_catalog.pg_index i
    WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisvalid
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits p WHERE p.inhrelid = i.indexrelid)
    UNION ALL
    SELECT p.inhrelid, t.root, t.depth OPERATOR(pg_catalog.+) 1
    FROM tree t JOIN pg_catalog.pg_inherits p ON p.inhparent = t.oid
), kept AS (  -- what marks an index, or wants it, is not known to come back
    SELECT t.root FROM tree t JOIN pg_catalog.pg_index i ON i.indexrelid = t.oid
    WHERE i.indisreplident OR i.indisclustered
        OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = t.oid AND d.deptype = 'x'
            AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
        OR EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conindid = t.oid)
), made AS (
    SELECT t.root, t.depth, i.indisunique AS is_unique, c.conname, x.relname, x.relkind,
        pg_catalog.format('%I.%I', n.nspname, x.relname) AS index_sql, i.indrelid::pg_catalog.regclass AS of_table,
        coalesce((SELECT s.spcname::pg_catalog.text FROM pg_catalog.pg_tablespace s WHERE s.oid = x.reltablespace), '')
            AS space,
        pg_catalog.pg_get_indexdef(t.oid) AS index_def, pg_catalog.pg_get_constraintdef(c.oid) AS con_def, c.contype,
        CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN c.condeferred
            THEN ' INITIALLY DEFERRED' ELSE '' END AS late,
        pg_catalog.array_to_string(x.reloptions, ', ') AS stored, t.oid AS index_oid, c.oid AS con_oid
    FROM tree t JOIN pg_catalog.pg_index i ON i.indexrelid = t.oid JOIN pg_catalog.pg_class x ON x.oid = t.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    LEFT JOIN pg_catalog.pg_constraint c ON c.conindid = t.oid AND c.conrelid = i.indrelid AND c.contype <> 'f'
    WHERE NOT EXISTS (SELECT FROM kept k WHERE k.root = t.root)
)
SELECT CASE WHEN m.depth > 0 THEN NULL
        WHEN m.conname IS NULL THEN pg_catalog.format('DROP INDEX %s', m.index_sql)
        ELSE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', m.of_table, m.conname) END,
    pg_catalog.format('SET LOCAL default_tablespace TO %L; ', m.space) || CASE
        WHEN m.conname IS NULL AND m.relkind = 'I' THEN pg_catalog.overlay(m.index_def, '', pg_catalog.length(
            pg_catalog.format('CREATE %sINDEX %I ON ', CASE WHEN m.is_unique THEN 'UNIQUE ' ELSE '' END, m.relname))
            OPERATOR(pg_catalog.+) 1, 5)
        WHEN m.conname IS NULL THEN m.index_def
        ELSE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I ', m.of_table, m.conname) || CASE
            WHEN m.stored IS NULL OR m.contype = 'x' THEN m.con_def
            ELSE pg_catalog.left(m.con_def, pg_catalog.length(m.con_def) OPERATOR(pg_catalog.-)
                pg_catalog.length(m.late)) || pg_catalog.format(' WITH (%s)', m.stored) || m.late END
        END
    || CASE WHEN m.contype = 'x' AND m.stored IS NOT NULL
        THEN pg_catalog.format('; ALTER INDEX %s SET (%s)', m.index_sql, m.stored) ELSE '' END
    || coalesce(pg_catalog.format('; COMMENT ON INDEX %s IS ', m.index_sql)
        || pg_catalog.quote_literal(pg_catalog.obj_description(m.index_oid, 'pg_class')), '')
    || coalesce('; COMMENT ON CONSTRAINT ' || pg_catalog.quote_ident(m.conname)
        || pg_catalog.format(' ON %s IS ', m.of_table)
        || pg_catalog.quote_literal(pg_catalog.obj_description(m.con_oid, 'pg_constraint')), '')
    || coalesce((SELECT pg_catalog.string_agg(pg_catalog.format('; ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s',
            m.index_sql, a.attnum, a.attstattarget), '')
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = m.index_oid AND coalesce(a.attstattarget, -1) OPERATOR(pg_catalog.>=) 0), ''),
    m.is_unique OR m.conname IS NOT NULL, m.root::pg_catalog.int8, m.depth
FROM made m
UNION ALL
SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', pg_catalog.to_regclass($1), c.conname),
    pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', pg_catalog.to_regclass($1), c.conname,
        pg_catalog.pg_get_constraintdef(c.oid))
    || coalesce(pg_catalog.format('; COMMENT ON CONSTRAINT %I ON %s IS ', c.conname, pg_catalog.to_regclass($1))
        || pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_constraint')), ''),
    false, 0, 0
FROM pg_catalog.pg_constraint c
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype = 'f'
    AND coalesce(pg_catalog.to_jsonb(c) ->> 'conparentid', '0') = '0'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O')
ORDER BY 3, 4, 5, 1""")


@dataclass(frozen=True, slots=True)
class Deferred:
    """Statements that make again what was dropped, in their order."""

    definitions: tuple[str, ...] = ()


def drop_deferred(session: Session, target: Target, unique: bool, load: str | None) -> Operation[Deferred]:
    """Drop the target's indexes and constraints; unique ones too where `unique` says so.

    The definitions are written down under the name of the load, where it has one.
    """
    # Another session may make them again: names are written with their schemas.
    path = "SELECT pg_catalog.set_config('search_path', $1, true)"
    ((before,),) = yield from fetch(session, "SELECT pg_catalog.current_setting('search_path')", (), (str,))
    yield from fetch(session, path, ("pg_catalog",), (str,))
    found = yield from fetch(session, _DEFINED, (target.sql,), ((str, type(None)), str, bool, int, int))
    yield from fetch(session, path, (before,), (str,))
    taken = [(drop, make) for drop, make, is_unique, _root, _depth in found if unique or not is_unique]
    if load is not None:
        yield from command(session, _TABLE.format(schema=target.schema))
        for number, (_drop, make) in enumerate(taken):
            yield from fetch(
                session,
                f"INSERT INTO {target.schema}.pgfast_deferred VALUES ($1, $2, $3, $4) RETURNING number",
                (load, number, target.sql, make),
                (int,),
            )
    for drop, _make in taken:
        if drop is not None:
            yield from command(session, drop)
    # Foreign keys come last: they want the unique ones; and an index behind those of its partitions.
    return Deferred(tuple([make for _drop, make in reversed(taken)]))


def restore(session: Session, definitions: Sequence[str]) -> Operation[None]:
    """Make again what was dropped. Raises the server's error where the rows do not allow it."""
    if not definitions:
        return
    space = "default_tablespace"  # each definition sets its own
    ((before,),) = yield from fetch(session, "SELECT pg_catalog.current_setting($1)", (space,), (str,))
    for definition in definitions:
        yield from command(session, definition)
    yield from fetch(session, "SELECT pg_catalog.set_config($1, $2, true)", (space, before), (str,))


def restore_of(session: Session, table: str, load: str) -> Operation[int]:
    """`restore_noted` for a table by its name, in a transaction of its own. Raises UndefinedTable."""
    target = yield from describe(session, table)
    return (yield from atomically(session, restore_noted(session, target.schema, load)))


def restore_noted(session: Session, schema: str, load: str) -> Operation[int]:
    """Make again what is written down under the name of a load, in the open transaction; how much it was."""
    ((there,),) = yield from fetch(
        session, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", (f"{schema}.pgfast_deferred",), (bool,)
    )
    if not there:
        return 0
    rows = yield from fetch(
        session,
        f"DELETE FROM {schema}.pgfast_deferred WHERE load = $1 RETURNING number, definition",
        (load,),
        (int, str),
    )
    ordered = [definition for _number, definition in sorted(rows, reverse=True)]
    yield from restore(session, ordered)
    return len(ordered)
