"""Indexes and constraints that are dropped before a load and made again behind it.

Law of this file: a definition is written down before its index is dropped, by the same transaction. Where the load is
one transaction, whatever ends it brings them back by itself; where it commits chunks, the definitions stand in the
table pgfast_deferred beside the ledger until they are made again, and can be put back by hand.

Unique ones stay where the load needs them: for ON CONFLICT, and where bad rows are to be found as they come. So do
those that something else depends on, and triggers, since rows are to pass these.

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

#: What drops and what makes again: indexes of no constraint, unique and exclusion constraints, foreign keys.
_DEFINED: Final = qualified("""
SELECT pg_catalog.format('DROP INDEX %I.%I', n.nspname, x.relname), pg_catalog.pg_get_indexdef(i.indexrelid),
    i.indisunique
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
WHERE i.indrelid = pg_catalog.to_regclass($1) AND NOT i.indisreplident AND NOT i.indisclustered AND i.indisvalid
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits p WHERE p.inhrelid = i.indexrelid)
UNION ALL
SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', pg_catalog.to_regclass($1), c.conname),
    pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', pg_catalog.to_regclass($1), c.conname,
        pg_catalog.pg_get_constraintdef(c.oid)), c.contype <> 'f'
FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid AND c.contype <> 'f'
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype IN ('f', 'p', 'u', 'x')
    AND coalesce(pg_catalog.to_jsonb(c) ->> 'conparentid', '0') = '0'
    AND NOT coalesce(i.indisreplident OR i.indisclustered, false)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.conrelid
        AND f.conindid = c.conindid AND c.contype <> 'f')
ORDER BY 3, 1""")


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
    found = yield from fetch(session, _DEFINED, (target.sql,), (str, str, bool))
    yield from fetch(session, path, (before,), (str,))
    taken = [(drop, make) for drop, make, is_unique in found if unique or not is_unique]
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
        yield from command(session, drop)
    # Foreign keys come last: they want the unique ones.
    return Deferred(tuple([make for _drop, make in reversed(taken)]))


def restore(session: Session, definitions: Sequence[str]) -> Operation[None]:
    """Make again what was dropped. Raises the server's error where the rows do not allow it."""
    for definition in definitions:
        yield from command(session, definition)


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
