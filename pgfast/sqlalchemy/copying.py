"""`execution_options(pgfast_copy=True)`: an INSERT of many rows that goes through COPY.

Law of this file: the statement's own text and the server's catalogue decide, and whoever cannot tell the table
afterwards from one that the INSERT has filled may have COPY. So the text is an INSERT of nothing but parameters, each
column has the very type that its parameter is cast to, and nothing hangs on the table that COPY passes by: rules,
triggers, row security, identities that are always generated. With True anything else is inserted as ever; with
"require" it is an error that says why.

Sources: docs, "COPY" (Notes), "INSERT", "Rules and Privileges".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import InvalidRequestError

from ..protocol.operations import Result

_NAME: Final = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
_INSERT: Final = re.compile(
    rf"INSERT INTO ({_NAME}(?:\.{_NAME})?) \(({_NAME}(?:, {_NAME})*)\) VALUES \((.*)\)", re.DOTALL
)
_COLUMN: Final = re.compile(_NAME)
#: One parameter with its cast, and what stands between it and the next.
_VALUE: Final = re.compile(rf"%\(([^)]*)\)s(?:::((?:{_NAME}|[ .]|\[\]|\(\d+(?:, ?\d+)*\))+))?(?:, |$)")

#: What is asked of the table ($1) whose columns ($2) take parameters of these types ($3, NULL: without a cast).
_CATALOGUE: Final = """
SELECT CASE
    WHEN c.relkind NOT IN ('r', 'p') THEN 'it is no table'
    WHEN c.relhasrules THEN 'it has rules'
    WHEN pg_catalog.row_security_active(c.oid) THEN 'it has row security'
    WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 4 <> 0) THEN 'it has triggers on INSERT'
    ELSE (SELECT pg_catalog.format('its column %s is %s', w.name, CASE
              WHEN a.attidentity = 'a' THEN 'always generated'
              ELSE pg_catalog.format('%s, not %s', pg_catalog.format_type(a.atttypid, NULL), w.type) END)
          FROM unnest($2::text[], $3::text[]) AS w(name, type)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = w.name
          WHERE a.attidentity = 'a' OR NOT coalesce(a.atttypid = pg_catalog.to_regtype(w.type), w.type IS NULL)
            AND NOT (a.atttypid::pg_catalog.regtype::text = ANY ('{smallint,integer,bigint}')
                     AND pg_catalog.to_regtype(w.type)::text = ANY ('{smallint,integer,bigint}'))
            AND NOT (a.atttypid::pg_catalog.regtype::text = ANY ('{text,character varying}')
                     AND pg_catalog.to_regtype(w.type)::text = ANY ('{text,character varying}'))
          LIMIT 1)
    END
FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)"""


@dataclass(frozen=True, slots=True)
class PlainInsert:
    """An INSERT of parameters: the table and its columns as they stand in SQL, and each column's parameter and cast."""

    table: str
    columns: tuple[str, ...]
    names: tuple[str, ...]
    casts: tuple[str | None, ...]


def plain_insert(statement: str) -> PlainInsert | None:
    """The INSERT that a statement of the compiler's is, None where it does more than to insert parameters."""
    found = _INSERT.fullmatch(statement)
    if found is None:
        return None
    names, casts, at = [], [], 0
    while value := _VALUE.match(found[3], at):
        names.append(value[1])
        casts.append(value[2])
        at = value.end()
    columns = tuple(_COLUMN.findall(found[2].replace("%%", "%")))
    if at != len(found[3]) or len(columns) != len(names):
        return None
    return PlainInsert(found[1].replace("%%", "%"), columns, tuple(names), tuple(casts))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def copied(
    cursor: Any, statement: str, parameters: Sequence[Mapping[str, Any]], context: Any, *, required: bool
) -> bool:
    """Whether the rows have been copied; False where this would not be what the statement does.

    Raises InvalidRequestError instead of giving False where COPY is `required`.
    """
    insert = plain_insert(statement) if context.isinsert else None
    connection = context.root_connection.connection.dbapi_connection
    reason: str | None = "the statement does more than to insert parameters"
    if insert is not None:
        columns = [_unquoted(name) for name in insert.columns]
        asking = connection.cursor()
        asking.execute(_CATALOGUE, (insert.table, columns, list(insert.casts)))
        row = asking.fetchone()
        reason = "there is no such table" if row is None else row[0]
        if reason is None:
            rows = ([row[name] for name in insert.names] for row in parameters)
            report = connection.load(insert.table, rows, columns)
            cursor._show([Result(f"INSERT 0 {report.rows}", report.rows)])
            return True
    if required:
        raise InvalidRequestError(f"pgfast_copy='require', but COPY would not be the same here: {reason}")
    return False
