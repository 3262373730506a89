"""What is exported: a table or a query, and the statements that read it.

Law of this file: the server is asked what a name means, and names in SQL are always quoted. A table is what SELECT
shows of it: with its partitions and children, its generated columns, and as row security has it.

Sources: PostgreSQL docs, COPY; "System Columns" (ctid); pg_inherits; server: nodeTidrangescan.c (PostgreSQL 14).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..bulk.target import describe, parse_table
from ..errors import InterfaceError, ProgrammingError
from ..protocol.operations import (
    AnyQuery,
    Operation,
    ensure_begin,
    fetch,
    identifier,
    read_query,
    settle,
    with_literals,
)
from ..protocol.operations.composing import query_text
from ..protocol.operations.types import known_statement
from ..protocol.session import Session
from ..types.discovery import qualified
from .options import CSV, JSON_LINES, ExportOptions, Layout

#: The version that reads ranges of ctid without looking at the whole table.
TID_RANGES: Final = 140_000
#: Pages of the least piece, and pieces for each connection: the quick ones take more of them.
_LEAST_PAGES: Final = 128
_PIECES_PER_JOB: Final = 4

_TREE: Final = qualified("""
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid WHERE NOT i.inhdetachpending
)
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
       coalesce(a.amname = 'heap', false),
       (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8)::pg_catalog.int8
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
ORDER BY c.oid""")

#: Whether others could see the same: what makes an export one of a single connection.
_ALONE: Final = qualified("""
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL,
       pg_catalog.bool_or(c.relpersistence = 't'),
       pg_catalog.count(*) > 1 AND pg_catalog.row_security_active(pg_catalog.to_regclass($1)::pg_catalog.oid),
       NOT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT')) AND pg_catalog.count(*) > 1
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid""")

_HAS_CHILDREN: Final = qualified(
    "SELECT relhassubclass FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)"
)

_REASONS: Final = (
    "the transaction has written, which other connections do not see",
    "the table is temporary, which other connections do not see",
    "row security is active for the table, and its partitions have their own",
    "there is no SELECT privilege on each of its partitions",
)


@dataclass(frozen=True, slots=True)
class Source:
    """What is read, and how.

    `sql` is the table's name or the query, `values` what stands for its parameters where they are not in it;
    `columns` are quoted names, None for all of a query. `whole` is the table in COPY's own form, where it reads just
    the rows that SELECT shows. `kind` is pg_class.relkind, "" for a query.
    """

    name: str
    sql: str
    kind: str = ""
    columns: tuple[str, ...] | None = None
    values: Sequence[Any] = ()
    whole: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def is_table(self) -> bool:
        """Whether it is a table, or a view; else a query."""
        return self.kind != ""

    def select(self, relation: str | None = None, condition: str = "") -> str:
        """The rows as a SELECT, or those of one of the table's relations that meet the condition."""
        if not self.is_table and self.columns is None:
            return self.sql
        named = ", ".join(self.columns or ())
        if not self.is_table:
            # A line of its own for the parenthesis: the query may end in a comment.
            return f"WITH pgfast_rows AS ({self.sql}\n) SELECT {named} FROM pgfast_rows"
        return f"SELECT {named} FROM {relation or self.sql}{condition}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A table in pieces, each a SELECT; `note` says why there is one, where more were asked for."""

    selects: tuple[str, ...]
    note: str | None = None


def find_source(session: Session, given: AnyQuery, options: ExportOptions, layout: Layout) -> Operation[Source]:
    """The table or the query.

    Raises UndefinedTable and UndefinedColumn, with similar names, ProgrammingError for several statements, COPY, and
    columns of one name in a format that has no place for them.
    """
    text = query_text(given, session.registry) if isinstance(given, (str, bytes)) or hasattr(given, "as_string") else ""
    try:
        parse_table(text)
    except ProgrammingError:
        return (yield from _query(session, given, options, layout))
    if options.params:
        raise InterfaceError(f"{text} is a table, which takes no parameters")
    yield from ensure_begin(session)
    target = yield from describe(session, text)
    chosen = target if options.columns is None else target.filling(options.columns)
    quoted = tuple([identifier(name) for name in chosen.names])
    plain = target.kind == "r" and not any(column.generated for column in chosen.columns)
    if plain:
        rows = yield from fetch(
            session,
            "SELECT relhassubclass FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)",
            [target.sql],
        )
        plain = rows == [(False,)]
    whole = f"{target.sql} ({', '.join(quoted)})" if plain and quoted else None
    return Source(text.strip(), target.sql, target.kind, quoted, whole=whole)


def _query(session: Session, given: AnyQuery, options: ExportOptions, layout: Layout) -> Operation[Source]:
    found, values = read_query(session, given, options.params)
    if found.several or found.copies:
        raise ProgrammingError("an export takes the name of a table, or one statement that gives rows and no COPY")
    name = " ".join(found.sql.split())
    columns = None if options.columns is None else tuple([identifier(column) for column in options.columns])
    if layout.is_text:
        if layout.format == JSON_LINES and not session.simple_only:  # protocol 2.0 cannot ask
            yield from _check_names(session, found.sql)
        sql = yield from with_literals(session, given, options.params)
        values = ()
    else:
        sql = found.sql
    return Source(name, sql.strip().rstrip(";"), columns=columns, values=values)


def _check_names(session: Session, sql: str) -> Operation[None]:
    """Raise ProgrammingError for a query with two columns of one name, of which an object has one place."""
    yield from ensure_begin(session)
    statement, _rules = yield from known_statement(session, sql, False, session.registry)
    yield from settle(session)  # Parse and Describe stand there without a Sync
    names = [column.name for column in statement.fields or ()]
    for name in names:
        if names.count(name) > 1:
            raise ProgrammingError(f"two columns are named {name!r}; name them apart in the query")


# ---------------------------------------------------------------- statements


def copy_sql(source: Source, select: str | None, layout: Layout, options: ExportOptions, header: bool) -> str:
    """The COPY TO STDOUT of the whole source, or of one of its pieces."""
    if layout.format == JSON_LINES:
        rows = source.select() if select is None else select
        # What stands in WITH may be an INSERT with RETURNING as well, and names nothing that the query could mean.
        inner = f"WITH pgfast_rows AS ({rows}\n) SELECT pg_catalog.row_to_json(pgfast_rows.*) FROM pgfast_rows"
        return f"COPY ({inner}) TO STDOUT (ENCODING 'UTF8')"
    if select is None and source.whole is not None:
        what = source.whole
    else:
        what = f"({source.select() if select is None else select}\n)"
    return f"COPY {what} TO STDOUT ({', '.join(_csv_options(layout, options, header))})"


def _csv_options(layout: Layout, options: ExportOptions, header: bool) -> Iterator[str]:
    yield "FORMAT csv"
    yield f"HEADER {'true' if header else 'false'}"
    yield f"DELIMITER {_literal(layout.delimiter)}"
    yield f"NULL {_literal(options.null)}"
    yield f"QUOTE {_literal(options.quote)}"
    if options.force_quote is True:
        yield "FORCE_QUOTE *"
    elif options.force_quote:
        yield f"FORCE_QUOTE ({', '.join([identifier(name) for name in options.force_quote])})"
    if options.encoding is not None:
        yield f"ENCODING {_literal(options.encoding)}"


def _literal(text: str) -> str:
    """A string constant, read alike whatever standard_conforming_strings says."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def check_options(layout: Layout, options: ExportOptions) -> None:
    """Raise InterfaceError for options of CSV where no CSV is written."""
    if layout.format != CSV and (options.delimiter or options.null or options.force_quote or options.encoding):
        raise InterfaceError(f"delimiter, null, force_quote and encoding are for CSV; {layout.format} has none of them")


# ---------------------------------------------------------------- pieces


def cut(session: Session, source: Source, jobs: int) -> Operation[Cut]:
    """The table in pieces for so many connections, in the order of its relations and pages.

    It is locked against being rewritten before its pages are counted; who sees it in a snapshot that was taken before
    finds each row in one piece and no other, since no row version moves and the last piece has no end.
    """
    reason = yield from _reason_for_one(session, source)
    if reason is not None:
        return Cut((source.select(),), f"one connection: {reason}")
    relations = yield from fetch(session, _TREE, [source.sql], (str, str, str, bool, int))
    pages = sum([row[4] for row in relations if row[3]])
    most = max(-(-pages // (jobs * _PIECES_PER_JOB)), _LEAST_PAGES)
    selects: list[str] = []
    for schema, table, kind, heap, size in relations:
        name = f"{identifier(schema)}.{identifier(table)}"
        if kind == "r" and heap:
            selects += [source.select(f"ONLY {name}", condition) for condition in _ranges(size, most)]
        elif kind != "p":
            selects.append(source.select(f"ONLY {name}" if kind == "r" else name))
    if len(selects) < 2:
        return Cut((source.select(),), "one connection: the table is too small to be cut")
    return Cut(tuple(selects))


def _ranges(pages: int, most: int) -> list[str]:
    """Conditions that together hold for every row of so many pages, and for whatever comes behind them."""
    count = -(-pages // most)
    starts = [pages * number // count for number in range(count)]
    made = []
    for number, start in enumerate(starts):
        condition = f" WHERE ctid OPERATOR(pg_catalog.>=) '({start},0)'::pg_catalog.tid"
        if number + 1 < count:
            condition += f" AND ctid OPERATOR(pg_catalog.<) '({starts[number + 1]},0)'::pg_catalog.tid"
        made.append(condition)
    return made


def _reason_for_one(session: Session, source: Source) -> Operation[str | None]:
    """Why there can be one connection only; None where there can be more."""
    if not source.is_table:
        return "a query is one statement"
    if source.kind not in ("r", "p"):
        return "only tables and partitioned tables have pages to be shared out"
    if session.server_version < TID_RANGES:
        return "ranges of pages are read since PostgreSQL 14"
    rows = yield from fetch(session, _ALONE, [source.sql], count=1)
    return next((reason for found, reason in zip(rows[0], _REASONS, strict=True) if found), None)


def lock_sql(source: Source, wait: bool) -> str:
    """What keeps the table from being rewritten, or dropped, while it is read."""
    return f"LOCK TABLE {source.sql} IN ACCESS SHARE MODE{'' if wait else ' NOWAIT'}"
