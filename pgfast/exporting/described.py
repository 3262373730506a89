"""The two tables of a copy from server to server: what each has, and how the one becomes the other.

Law of this file: columns are matched by name, and both servers are asked. Binary is chosen only where both ends write
and read the very same bytes: types of PostgreSQL's own with one OID and one layout in all versions.

Sources: PostgreSQL docs, COPY ("Binary Format"), "Identity Columns"; server: the *_send and *_recv functions. Left out
on purpose: reg* (an OID that is another server's), money (its scale is the locale's), xml (declares its encoding),
tsquery (whose recv refuses what its send writes for an empty one), and what has no binary form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..bulk.target import coded_error, describe, parse_table
from ..errors import InterfaceError
from ..protocol.operations import Operation, fetch, identifier
from ..protocol.session import Session
from ..types.discovery import qualified

_NAMES: Final = """
bit bool box bpchar bytea char cidr circle date daterange datemultirange float4 float8 inet int2 int4 int4range
int4multirange int8 int8range int8multirange interval json jsonb line lseg macaddr macaddr8 name nummultirange numeric
numrange oid path pg_lsn point polygon text time timestamp timestamptz timetz tsmultirange tsrange
tstzmultirange tstzrange tsvector uuid varbit varchar xid xid8
"""
_BINARY: Final = frozenset(_NAMES.split())
#: Types of the server itself have OIDs below (transam.h, FirstGenbkiObjectId).
_BUILT_IN: Final = 10_000
UNDEFINED_COLUMN: Final = "42703"

_COLUMNS: Final = qualified("""
SELECT a.attname::pg_catalog.text,
       CASE WHEN n.nspname <> 'pg_catalog' AND pg_catalog.pg_type_is_visible(t.oid)
            THEN pg_catalog.quote_ident(n.nspname) || '.' ELSE '' END
         || pg_catalog.format_type(a.atttypid, a.atttypmod),
       b.oid, coalesce(e.typname, b.typname)::pg_catalog.text, coalesce(e.oid, b.oid), a.attnotnull,
       a.attidentity::pg_catalog.text, coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> ''
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND e.typarray = b.oid
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum""")
_SHAPE: Final = (str, str, int, str, int, bool, str, bool)

_PRIMARY_KEY: Final = qualified("""
SELECT a.attname::pg_catalog.text
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisprimary AND k.place <= i.indnkeyatts
ORDER BY k.place""")
#: Before version 11 indexes have no columns beside their keys.
_PRIMARY_KEY_10: Final = _PRIMARY_KEY.replace(" AND k.place <= i.indnkeyatts", "")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of either side.

    `sql` is its type, with its schema where that is not the server's own; `base_oid` the type's, or of what a domain is
    made of; `binary` as the law says.
    """

    name: str
    sql: str
    base_oid: int
    binary: bool
    not_null: bool
    identity: str
    generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of either side: its name as the caller wrote it and quoted, pg_class.relkind, columns and primary key."""

    name: str
    sql: str
    kind: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def create_sql(self, name: str) -> str:
        """CREATE TABLE for a table like this one, by a quoted name, without its key.

        Generated columns become ordinary ones.
        """
        parts = []
        for column in self.columns:
            part = f"{identifier(column.name)} {column.sql}"
            if column.identity:
                part += f" GENERATED {'ALWAYS' if column.identity == 'a' else 'BY DEFAULT'} AS IDENTITY"
            parts.append(part + (" NOT NULL" if column.not_null else ""))
        return f"CREATE TABLE {name} ({', '.join(parts)})"

    def key_sql(self, name: str) -> str | None:
        """What adds the primary key to a table made by `create_sql`, None where there is none."""
        if not self.key:
            return None
        return f"ALTER TABLE {name} ADD PRIMARY KEY ({', '.join([identifier(name) for name in self.key])})"


@dataclass(frozen=True, slots=True)
class Match:
    """How rows of the one table become rows of the other: by these columns, in this order and format."""

    columns: tuple[str, ...]
    binary: bool

    @property
    def path(self) -> str:
        """The format's name."""
        return "binary" if self.binary else "text"


def quoted(name: str) -> str:
    """The name as written, quoted. Raises ProgrammingError for anything that is not one or two identifiers."""
    return ".".join([identifier(part) for part in parse_table(name)])


def describe_table(session: Session, name: str) -> Operation[Table]:
    """The table. Raises UndefinedTable, with similar names."""
    found = yield from describe(session, name)
    sql = quoted(name)
    rows = yield from fetch(session, _COLUMNS, [sql], _SHAPE)
    keys = _PRIMARY_KEY if session.server_version >= 110_000 else _PRIMARY_KEY_10
    key = yield from fetch(session, keys, [sql], (str,))
    columns = tuple(
        [
            Column(label, sql, base, kind in _BINARY and oid < _BUILT_IN and base < _BUILT_IN, *rest)
            for label, sql, base, kind, oid, *rest in rows
        ]
    )
    return Table(name, sql, found.kind, columns, tuple([row[0] for row in key]))


def match(source: Table, target: Table | None) -> Match:
    """How the source's rows become the target's, or those of a table made like the source where there is none.

    What the target computes itself is not copied; columns that the source does not have get their defaults. Raises
    UndefinedColumn for a column that the target lacks.
    """
    theirs = {column.name: column for column in (source if target is None else target).columns}
    names: list[str] = []
    binary = True
    for column in source.columns:
        other = theirs.get(column.name)
        if other is None:
            known = ", ".join(theirs)
            raise coded_error(
                UNDEFINED_COLUMN,
                f"the target's table {(target or source).name} has no column {column.name!r}; it has {known}",
            )
        if target is not None and other.generated:
            continue
        names.append(column.name)
        binary = binary and column.binary and other.binary and column.base_oid == other.base_oid
    if not names:
        raise InterfaceError(f"table {source.name} has no column to copy")
    return Match(tuple(names), binary)


# ---------------------------------------------------------------- the order of the tables

_REFERENCES: Final = qualified("""
SELECT s.name, t.name
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.unnest($1::pg_catalog.text[]) AS s (name) ON pg_catalog.to_regclass(s.name) = c.conrelid
JOIN pg_catalog.unnest($1::pg_catalog.text[]) AS t (name) ON pg_catalog.to_regclass(t.name) = c.confrelid
WHERE c.contype = 'f' AND c.conrelid <> c.confrelid""")


def references(session: Session, tables: Sequence[str]) -> Operation[list[tuple[str, str]]]:
    """(table, table it refers to) of the foreign keys among these tables, by quoted names."""
    rows = yield from fetch(session, _REFERENCES, [list(tables)], (str, str))
    return [(row[0], row[1]) for row in rows]


def grouped(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """The names in groups that no foreign key connects; in each, what is referred to comes first."""
    group = {name: {name} for name in names}
    for one, other in pairs:
        joined = group[one] | group[other]
        for name in joined:
            group[name] = joined
    made: list[list[str]] = []
    seen: set[str] = set()
    for name in names:
        if name not in seen:
            made.append(_in_order([one for one in names if one in group[name]], pairs))
            seen |= group[name]
    return made


def _in_order(names: list[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What is referred to first; tables that refer to each other in a ring stay in the order they were named."""
    left, made = list(names), []
    while left:
        free = [name for name in left if not any(one == name and other in left for one, other in pairs)]
        made += free or left
        left = [name for name in left if name not in made]
    return made


# ---------------------------------------------------------------- sequences

_SEQUENCES: Final = qualified("""
SELECT a.attname::pg_catalog.text, pg_catalog.pg_get_serial_sequence($1, a.attname::pg_catalog.text)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
  AND pg_catalog.pg_get_serial_sequence($1, a.attname::pg_catalog.text) IS NOT NULL""")


def sequences(session: Session, table: str) -> Operation[dict[str, str]]:
    """The sequences that columns of the table own, by the column's name; quoted as SQL wants them."""
    rows = yield from fetch(session, _SEQUENCES, [table], (str, str))
    return {row[0]: row[1] for row in rows}
