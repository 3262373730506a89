"""The table a load goes to: its name, its columns, and how each wants its values.

Law of this file: the server is asked for the columns and their types, and what it says decides. Names in errors are
those the caller wrote, names in SQL are always quoted.

Sources: docs, pg_attribute; server: domains.c (domain_recv reads what the base type's recv reads).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from ..errors import DatabaseError, DataError, Error, ProgrammingError, reason, shorten
from ..errors.faults import FAULT_NUL, FAULT_VALUE_TYPE
from ..errors.sqlstates import lookup
from ..protocol.operations import Operation, fetch, identifier, resolve
from ..protocol.session import Session
from ..types.catalogue import Named
from ..types.discovery import qualified
from ..types.registry import Registry

if TYPE_CHECKING:
    from ..codec import Spec
    from ..types.catalogue import TypeInfo
    from ..types.writing import Renderer

_PART: Final = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))\s*')
#: The server folds these and no other letters in an encoding of many bytes (scansup.c, downcase_identifier).
_FOLDED: Final = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
_UNDEFINED_TABLE: Final = "42P01"
UNDEFINED_COLUMN: Final = "42703"
DUPLICATE_COLUMN: Final = "42701"

_COLUMNS: Final = qualified("""
SELECT a.attname::pg_catalog.text, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),
       coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> '', c.relkind, n.nspname::pg_catalog.text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = pg_catalog.to_regclass($1)
ORDER BY a.attnum""")

#: Classes of its columns, of which a table without columns has the last alone.
_DESCRIBED: Final = ((str, type(None)), (int, type(None)), (int, type(None)), (str, type(None)), bool, str, str)

_TABLES: Final = """
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, pg_catalog.pg_table_is_visible(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
LIMIT 10000"""


def parse_table(table: str) -> tuple[str, ...]:
    """(name,) or (schema, name), folded and unquoted as the server does it.

    `Public."My Table"` -> ("public", "My Table").

    Raises ProgrammingError for anything that is not one or two identifiers.
    """
    parts: list[str] = []
    at = 0
    while match := _PART.match(table, at):
        parts.append(match[1].replace('""', '"') if match[1] is not None else match[2].translate(_FOLDED))
        at = match.end()
        if at == len(table) and len(parts) <= 2 and "\0" not in table:
            return tuple(parts)
        if table[at : at + 1] != ".":
            break
        at += 1
    raise ProgrammingError(
        f"{table!r} is not the name of a table: name or schema.name, "
        "with double quotes round anything but letters, digits and _"
    )


def coded_error(sqlstate: str, text: str) -> Error:
    """An error the client found before the server could, of the class the server's error would have."""
    exc = lookup(sqlstate)(text)
    exc.sqlstate = sqlstate
    return exc


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """One column of the table.

    `spec` says how its values are written in binary, None where they are written as text only; `render` writes the
    text form of a value that is not None. `text_spec` is `spec` for values that may be text whatever the type. `source`
    is the name of the source's column where that is another one.
    """

    name: str
    type_oid: int
    typmod: int
    type_name: str
    generated: bool
    spec: Spec | None
    render: Renderer
    info: TypeInfo
    text_spec: Spec | None = None
    source: str | None = None

    @property
    def key(self) -> str:
        """What the source calls it."""
        return self.name if self.source is None else self.source


@dataclass(frozen=True, slots=True)
class Target:
    """The table of a load and the columns it fills, in order.

    `table` is the name as the caller wrote it, `sql` with its schema, `relation` without; `kind` is pg_class.relkind:
    "r" is an ordinary table.
    """

    table: str
    sql: str
    relation: str
    columns: tuple[TargetColumn, ...]
    kind: str = "r"

    @property
    def schema(self) -> str:
        """The schema, quoted."""
        return self.sql.removesuffix(f".{identifier(self.relation)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple([column.name for column in self.columns])

    @property
    def keys(self) -> tuple[str, ...]:
        """What the source calls them."""
        return tuple([column.key for column in self.columns])

    @property
    def quoted(self) -> tuple[str, ...]:
        """Their names in SQL."""
        return tuple([identifier(column.name) for column in self.columns])

    @property
    def binary(self) -> bool:
        """Whether every column can be written in binary."""
        return all(column.spec is not None for column in self.columns)

    def specs(self) -> list[Spec]:
        """The encode spec of each column; only where `binary` holds."""
        return [column.spec for column in self.columns if column.spec is not None]

    def copy_sql(self, options: str) -> str:
        """The COPY statement."""
        return f"COPY {self.sql} ({', '.join([identifier(name) for name in self.names])}) FROM STDIN ({options})"

    def filling(self, names: Sequence[str], keys: Sequence[str] | None = None) -> Target:
        """The same table, of which these columns are filled, called `keys` in the source.

        Raises UndefinedColumn or DuplicateColumn.
        """
        known = {column.name: column for column in self.columns}
        for name in names:
            if name not in known:
                text = f"COPY {self.table}: the table has no column {name!r}{_hint(name, known)}"
                raise coded_error(UNDEFINED_COLUMN, text)
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise coded_error(DUPLICATE_COLUMN, f"COPY {self.table}: column {twice!r} is named twice")
        columns = [known[name] for name in names]
        if keys is not None:
            columns = [replace(column, source=key) for column, key in zip(columns, keys, strict=True)]
        return replace(self, columns=tuple(columns))

    def writable(self) -> Target:
        """The same table without the columns that the server computes."""
        return replace(self, columns=tuple([column for column in self.columns if not column.generated]))

    def error(self, text: str, row: int | None = None, column: int | None = None) -> DataError:
        """A DataError that says where: `row` counts from 0 over the whole load, `column` is an index into `columns`."""
        return DataError(self.said(text, row, column))

    def said(self, text: str, row: int | None = None, column: int | None = None) -> str:
        """The text with its place, as in `error`."""
        where = f"COPY {self.table}"
        if row is not None:
            where += f", row {row + 1}"
        if column is not None:
            where += f", column {self.columns[column].name} ({self.columns[column].type_name})"
        return f"{where}: {text}"

    def placed(self, exc: DatabaseError, rows_before: int) -> DatabaseError:
        """A codec's encoding fault with table, row and column; any other error as it is."""
        info = exc.fault
        if info is None or info.code < FAULT_VALUE_TYPE:
            return exc
        value = (
            info.value.decode("utf-8", "replace")
            if info.code == FAULT_NUL and isinstance(info.value, bytes)
            else info.value
        )
        text = reason(info.code, info.at, value)
        if self.columns and 0 <= info.column < len(self.columns) and info.code == FAULT_VALUE_TYPE:
            text += f" a column of type {self.columns[info.column].type_name}"
        made = self.error(text, rows_before + info.at, info.column if info.column >= 0 else None)
        made.fault = info
        made.__cause__ = exc.__cause__
        return made

    def located(self, exc: DatabaseError, unit: str = "row") -> None:
        """Say table, row, column and value in an error the server raised for a value, as in the client's own.

        The server counts what it reads, the rows of the stream or the lines of a file (`unit`), and tells it in words
        of its language in the context of the error; where those are not understood the error stays as it is. Class,
        sqlstate and diag are kept.
        """
        context = exc.diag.context
        found = None if context is None else self._place().search(context)
        if context is None or found is None:
            return
        column = found["column"] or (exc.diag.column_name if exc.diag.column_name in self.names else None)
        where = f"COPY {self.table}, {unit} {found['number']}"
        if column is not None:
            where += f", column {column} ({self.columns[self.names.index(column)].type_name})"
        said, *rest = str(exc).split("\nCONTEXT:  ", 1)
        value = found["value"] if found["column"] else None
        if value is not None and value.removesuffix("...") not in said:
            said = (
                said.replace("\n", f" (the value is {shorten(value)})\n", 1)
                if "\n" in said
                else (f"{said} (the value is {shorten(value)})")
            )
        outer = context[: found.start()].strip() if rest else ""
        exc.args = (f"{where}: {said}" + (f"\nCONTEXT:  {outer}" if outer else ""),)

    def row_of(self, exc: DatabaseError) -> int | None:
        """The row of the COPY, from 1, which the server names in the context of an error; None where it names none."""
        found = self._place().search(exc.diag.context) if exc.diag.context else None
        return None if found is None else int(found["number"])

    def column_of(self, exc: DatabaseError) -> str | None:
        """The column that an error is about, None where it does not say."""
        if exc.fault is not None:
            return self.columns[exc.fault.column].name if 0 <= exc.fault.column < len(self.columns) else None
        found = self._place().search(exc.diag.context) if exc.diag.context else None
        return exc.diag.column_name or (found["column"] if found is not None else None)

    def _place(self) -> re.Pattern[str]:
        """`COPY t, line 2, column s: "value"` in any language that keeps the order."""
        table = re.escape(self.relation)
        names = "|".join([re.escape(name) for name in sorted(self.names, key=len, reverse=True)])
        return re.compile(
            rf"^COPY {table}, \w+ (?P<number>\d+)(?:, \w+ (?P<column>{names}))?"
            r"(?:\s?: (?:[\"»«„“]\s?(?P<value>.*?)\s?[\"»«“”]|.*))?\Z",
            re.MULTILINE | re.DOTALL,
        )


def _hint(name: str, candidates: Iterable[str]) -> str:
    """`; did you mean ...?` where something similar is there."""
    folded = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(name.lower(), folded, 2, 0.6)
    return f"; did you mean {' or '.join([repr(folded[key]) for key in found])}?" if found else ""


def describe(session: Session, table: str) -> Operation[Target]:
    """The table with all its columns.

    Raises UndefinedTable, with similar names, or ProgrammingError for a name that is none.
    """
    parts = parse_table(table)
    sql = ".".join([identifier(part) for part in parts])
    rows = yield from fetch(session, _COLUMNS, (sql,), _DESCRIBED)
    if not rows:
        raise (yield from _unknown_table(session, table, parts))
    found = [row for row in rows if row[0] is not None]
    unknown = session.registry.unknown([row[1] for row in found])
    if unknown:
        yield from resolve(session, unknown)
    rules = session.registry.rules
    lenient = Registry(session.registry)
    lenient.configure(strings="lenient")
    columns = [
        TargetColumn(
            name,
            oid,
            typmod,
            kind,
            generated,
            None if session.simple_only else rules.encode_spec(oid),  # protocol 2.0 copies text only
            rules.renderer(oid),
            # Another connection may have altered the type in this moment: then it goes as text.
            rules.info(oid) or Named(kind, oid, 0, kind).by_form(None),
            lenient.rules.encode_spec(oid),
        )
        for name, oid, typmod, kind, generated, _relkind, _schema in found
    ]
    where = f"{identifier(rows[0][6])}.{identifier(parts[-1])}"
    return Target(table, where, parts[-1], tuple(columns), rows[0][5])


def is_there(session: Session, table: str) -> Operation[bool]:
    """Whether there is such a table."""
    sql = ".".join([identifier(part) for part in parse_table(table)])
    ((there,),) = yield from fetch(session, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", (sql,), (bool,))
    return bool(there)


def _unknown_table(session: Session, table: str, parts: tuple[str, ...]) -> Operation[Error]:
    rows = yield from fetch(session, _TABLES, classes=(str, str, bool))
    elsewhere = [f"{schema}.{name}" for schema, name, visible in rows if name == parts[-1] and not visible]
    if len(parts) == 1 and elsewhere:
        hint = f"; there is {elsewhere[0]}, which is not in the search_path"
    elif len(parts) == 2 and not any(schema == parts[0] for schema, _name, _visible in rows):
        hint = f"; there is no schema {parts[0]!r} with tables"
    else:
        hint = _hint(parts[-1], [name for schema, name, visible in rows if visible or parts[0] == schema])
    return coded_error(_UNDEFINED_TABLE, f"COPY {table}: there is no such table{hint}")
