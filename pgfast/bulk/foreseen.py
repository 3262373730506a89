"""What a table's constraints say of staged rows, for all of them at once.

Law of this file: a statement that fails for one row costs more than a hundred rows that go, so where many are bad those
that break a constraint are looked for by set. Rows without a NOT NULL value and rows that a CHECK refuses are refused
by the very condition that the server has; a key or a reference is looked up once the good rows are in. Whatever is not
plain (triggers and rules that may change a row, row security, conditions on columns that are not loaded) is left to the
server, row by row, as is whatever could not be foreseen.

Sources: docs, pg_constraint, pg_index; server: execMain.c (ExecConstraints: NOT NULL in the order of the columns, then
CHECK in the order of their names), execIndexing.c, ri_triggers.c for the words of the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..protocol.operations import Operation, fetch, identifier
from ..protocol.session import Session
from ..types.discovery import qualified
from .target import Target

#: Whether what is stored is what is sent: no trigger before the row, of the table or a partition, no rule, no row
#: security.
_PLAIN: Final = qualified("""
WITH RECURSIVE part (oid) AS (
    SELECT pg_catalog.to_regclass($1)::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
SELECT NOT c.relrowsecurity AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN part p ON p.oid = t.tgrelid WHERE NOT t.tgisinternal
        AND (t.tgtype & 2) <> 0 AND (t.tgtype & 4) <> 0)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid)
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)""")

_NOT_NULL: Final = qualified("""
SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
ORDER BY a.attnum""")

#: CHECK and FOREIGN KEY constraints: their kind, name, columns, condition; the table and columns that are referenced.
#: Of references those alone that are checked, and by equality as the columns have it, against rows that all may see.
_CONSTRAINTS: Final = qualified("""
SELECT c.contype::pg_catalog.text, c.conname::pg_catalog.text,
    ARRAY(SELECT a.attname::pg_catalog.text
          FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place),
    pg_catalog.pg_get_expr(c.conbin, c.conrelid),
    (SELECT pg_catalog.format('%I.%I', n.nspname, r.relname) FROM pg_catalog.pg_class r
     JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = c.confrelid),
    ARRAY(SELECT a.attname::pg_catalog.text
          FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY AS k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place),
    ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, e.oprname)
          FROM pg_catalog.unnest(c.conpfeqop) WITH ORDINALITY AS k(number, place)
          JOIN pg_catalog.pg_operator e ON e.oid = k.number JOIN pg_catalog.pg_namespace n ON n.oid = e.oprnamespace
          ORDER BY k.place)
FROM pg_catalog.pg_constraint c
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype IN ('c', 'f') AND c.convalidated
    AND (c.contype = 'c' OR (
        pg_catalog.current_setting('session_replication_role') <> 'replica'
        AND coalesce(pg_catalog.to_jsonb(c) ->> 'conperiod', 'false') = 'false'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.oid = c.confrelid AND r.relrowsecurity)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O')
        AND NOT EXISTS (
            SELECT FROM ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) AS k(mine, other)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.mine
            JOIN pg_catalog.pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.other
            WHERE a.attcollation <> b.attcollation)))
ORDER BY c.conname""")

#: Unique indexes on columns alone, which take for equal what the columns do.
_UNIQUE: Final = qualified("""
SELECT x.relname::pg_catalog.text,
    ARRAY(SELECT a.attname::pg_catalog.text
          FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
          WHERE k.place <= i.indnkeyatts ORDER BY k.place),
    ARRAY(SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, e.oprname)
          FROM pg_catalog.unnest(i.indclass::pg_catalog.oid[]) WITH ORDINALITY AS k(opclass, place)
          JOIN pg_catalog.pg_opclass o ON o.oid = k.opclass
          JOIN pg_catalog.pg_amop m ON m.amopfamily = o.opcfamily AND m.amopstrategy = 3
              AND m.amoplefttype = o.opcintype AND m.amoprighttype = o.opcintype
          JOIN pg_catalog.pg_operator e ON e.oid = m.amopopr
          JOIN pg_catalog.pg_namespace n ON n.oid = e.oprnamespace ORDER BY k.place)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid
    AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisexclusion
    AND NOT EXISTS (
        SELECT FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]),
            pg_catalog.unnest(i.indclass::pg_catalog.oid[]),
            pg_catalog.unnest(i.indcollation::pg_catalog.oid[])) AS k(number, opclass, collated)
        JOIN pg_catalog.pg_opclass o ON o.oid = k.opclass
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE NOT o.opcdefault OR k.collated <> a.attcollation)
ORDER BY i.indexrelid""")

_TEXT: Final = (str, type(None))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows are bad: the condition on a staged row `s`, and what the server would say."""

    condition: str
    sqlstate: str
    message: str
    column: str = ""
    constraint: str = ""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What can be told of staged rows without inserting them.

    `refused` are reasons that are certain at once. `twice` are the columns of unique keys, of which the first row
    alone is good, each with the condition that a row `o` of the table has the key of `s`; `known` are reasons that are
    certain once all others are in the table.
    """

    refused: tuple[Reason, ...] = ()
    twice: tuple[tuple[tuple[str, ...], str], ...] = ()
    known: tuple[Reason, ...] = ()


def foresee(session: Session, target: Target, unique: bool) -> Operation[Foreseen]:
    """What the target's constraints say; nothing where rows may be changed on their way into it.

    `unique` says whether a key that is there already is an error.
    """
    where = (target.sql,)
    ((plain,),) = yield from fetch(session, _PLAIN, where, (bool,))
    if not plain:
        return Foreseen()
    loaded, table = set(target.names), _words(target.relation)
    refused = []
    for (name,) in (yield from fetch(session, _NOT_NULL, where, (str,))):
        if name in loaded:
            said = f"null value in column {_words(name)} of relation {table} violates not-null constraint"
            refused.append(Reason(f"s.{identifier(name)} IS NULL", "23502", said, column=name))
    orphaned = []
    shape = (str, str, list, _TEXT, _TEXT, list, list)
    found: list[tuple[Any, ...]] = yield from fetch(session, _CONSTRAINTS, where, shape)
    for kind, name, columns, condition, other, others, equal in found:
        if not columns or not loaded.issuperset(columns):
            continue
        if kind == "c":
            said = f"new row for relation {table} violates check constraint {_words(name)}"
            refused.append(Reason(f"NOT ({condition})", "23514", said, constraint=name))
        elif other != target.sql:  # one that refers to its own table may refer to a row that is yet to come
            said = f"insert or update on table {table} violates foreign key constraint {_words(name)}"
            same = same_rows(others, columns, equal)
            missing = f"{_given(columns)} AND NOT EXISTS (SELECT FROM {other} AS o WHERE {same})"
            orphaned.append(Reason(missing, "23503", said, constraint=name))
    twice, known = [], []
    if unique:
        for name, columns, equal in (yield from fetch(session, _UNIQUE, where, (str, list, list))):
            if columns and loaded.issuperset(columns):
                same = same_rows(columns, columns, equal)
                twice.append((tuple(columns), same))
                said = f"duplicate key value violates unique constraint {_words(name)}"
                there = f"{_given(columns)} AND EXISTS (SELECT FROM {alone(target)} AS o WHERE {same})"
                known.append(Reason(there, "23505", said, constraint=name))
    return Foreseen((*refused, *orphaned), tuple(twice), tuple(known))


def alone(target: Target) -> str:
    """The table without those that inherit from it, which have keys of their own; a partitioned one is its parts."""
    return target.sql if target.kind == "p" else f"ONLY {target.sql}"


def _words(name: str) -> str:
    """A name as the server's messages have it."""
    return f'"{name}"'


def _given(columns: list[str]) -> str:
    return " AND ".join([f"s.{identifier(name)} IS NOT NULL" for name in columns])


def key_is_there(session: Session, target: Target, key: Sequence[str]) -> Operation[str]:
    """The condition that a row `o` of the table has the key of a staged row `s`."""
    rows = yield from fetch(session, _UNIQUE, (target.sql,), (str, list, list))
    for _name, columns, equal in rows:
        if set(columns) == set(key):
            return same_rows(columns, columns, equal)
    return same_rows(key, key, ["="] * len(key))


def same_rows(others: Sequence[str], columns: Sequence[str], equal: Sequence[str]) -> str:
    """The condition that columns of `o` are equal to those of `s`, by operators with their schemas: another `=` than
    the index's may be found first, or alone where the type's schema is not in the search_path."""
    pairs = zip(others, equal, columns, strict=True)
    return " AND ".join([f"o.{identifier(other)} {operator} s.{identifier(name)}" for other, operator, name in pairs])
