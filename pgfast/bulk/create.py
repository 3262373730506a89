"""CREATE TABLE for a source: the types that hold its columns exactly.

Law of this file: a type is chosen from an Arrow schema, or from all that is in files of text; where two types would do,
the one that loses nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from ..arrow import ArrowField, ArrowReader, Family, arrow_type, is_arrow
from ..arrow.cdata import ArrowSchema, move
from ..arrow.schema import read_schema
from ..errors import InterfaceError, NotSupportedError
from ..protocol.operations import identifier
from .csvvalues import NAME_BYTES
from .files import File
from .sources import FileOptions, file_format, open_file, sources_of
from .surveys import csv_columns, json_columns
from .target import parse_table

_INTEGERS: Final = {
    "c": "smallint",
    "C": "smallint",
    "s": "smallint",
    "S": "integer",
    "i": "integer",
    "I": "bigint",
    "l": "bigint",
    "L": "numeric(20)",
}
_FAMILIES: Final = {
    Family.NULL: "text",
    Family.BOOL: "boolean",
    Family.STRING: "text",
    Family.BINARY: "bytea",
    Family.DATE: "date",
    Family.TIME: "time",
    Family.TIMESTAMP: "timestamp",
    Family.TIMESTAMPTZ: "timestamptz",
    Family.INTERVAL: "interval",
    Family.STRUCT: "jsonb",
}
_EXTENSIONS: Final = {"arrow.uuid": "uuid", "arrow.json": "jsonb"}


class Made(NamedTuple):
    """A CREATE TABLE statement, and what is to be told of how it came about."""

    sql: str
    warnings: tuple[str, ...]


def create_table_sql(table: str, source: Any, options: FileOptions | None = None) -> str:
    """A CREATE TABLE statement for `table` with columns that hold what the source has.

    `source` is the path of a file, a pattern, a directory, a list of paths, or anything with `__arrow_c_schema__`,
    `__arrow_c_stream__` or `__arrow_c_array__`; a stream that can be read only once is used up unless it has
    `__arrow_c_schema__`. CSV files and JSON lines are read from beginning to end, of all other files the schema alone,
    of several the first one's. Raises NotSupportedError for a type without PostgreSQL counterpart, DataError for what
    is no record.
    """
    return table_for(table, source, options).sql


def table_for(table: str, source: Any, options: FileOptions | None = None, rejecting: bool = False) -> Made:
    """As `create_table_sql`; with `rejecting`, what is no record decides nothing."""
    name = ".".join([identifier(part) for part in parse_table(table)])
    left_out: Counter[str] | None = Counter() if rejecting else None
    try:
        columns = list(_columns(source, options or FileOptions(), left_out))
    except NotSupportedError as exc:
        if isinstance(source, (str, os.PathLike)):
            raise NotSupportedError(f"{os.fspath(source)}: {exc}") from exc
        raise
    if not columns:
        raise InterfaceError("the source has no columns")
    for number, (column, _kind) in enumerate(columns, 1):
        if not column or len(column.encode("utf-8", "surrogatepass")) > NAME_BYTES:
            why = f"is longer than the {NAME_BYTES} bytes that a name of PostgreSQL has" if column else "has no name"
            raise InterfaceError(
                f"column {number} of the source {why}{f': {column!r}' if column else ''}; no table can be made of it: "
                "make one, or mend the header"
            )
    lines = ",\n".join([f"    {identifier(column)} {kind}" for column, kind in columns])
    return Made(
        f"CREATE TABLE {name} (\n{lines}\n)",
        tuple(
            [
                f"{file}: left out of the choice of types, being no records: {count}"
                for file, count in (left_out or {}).items()
                if count
            ]
        ),
    )


def _columns(source: Any, options: FileOptions, left_out: Counter[str] | None) -> Iterator[tuple[str, str]]:
    sources = sources_of(source, options)
    if all(isinstance(each, (str, os.PathLike)) for each in sources):
        return _file_columns([File(each) for each in sources], options, left_out)
    if hasattr(source, "__arrow_c_schema__"):
        return _arrow_columns(read_schema(move(source.__arrow_c_schema__(), ArrowSchema)).children)
    if is_arrow(source):
        reader = ArrowReader(source)
        reader.close()
        return _arrow_columns(reader.fields)
    raise InterfaceError(f"cannot tell the columns of {type(source).__name__}; pass a path or an Arrow source")


def _file_columns(files: list[File], options: FileOptions, left_out: Counter[str] | None) -> Iterator[tuple[str, str]]:
    """The columns of files, those of all formats being of the first one's."""
    kinds = [file_format(file, options.format) for file in files]
    alike = [file for file, kind in zip(files, kinds, strict=True) if kind == kinds[0]]
    if kinds[0] == "csv":
        return csv_columns(alike, options, left_out)
    if kinds[0] == "jsonl":
        return json_columns(alike, options, left_out)
    feed = open_file(files[0], options)
    try:
        assert isinstance(feed, WithFields), "Parquet and Arrow files have fields"
        return _arrow_columns(feed.fields)
    finally:
        feed.close()


@runtime_checkable
class WithFields(Protocol):
    """A feed with an Arrow schema."""

    fields: Any


def _arrow_columns(fields: Iterable[ArrowField]) -> Iterator[tuple[str, str]]:
    for field in fields:
        yield field.name, sql_type(field) + ("" if field.nullable else " NOT NULL")


def sql_type(field: ArrowField) -> str:
    """The PostgreSQL type that holds the Arrow field's values. Raises NotSupportedError where there is none."""
    kind = arrow_type(field)
    values = field.dictionary or field
    if extension := _EXTENSIONS.get(field.metadata.get("ARROW:extension:name", "")):
        return extension
    if kind.family is Family.LIST:
        element = sql_type(field.children[0])
        return element if element.endswith("[]") else element + "[]"
    if kind.family is Family.INTEGER:
        return _INTEGERS[values.format]
    if kind.family is Family.FLOAT:
        return "double precision" if values.format == "g" else "real"
    if kind.family is Family.DECIMAL:
        precision, scale = [int(part) for part in values.format[2:].split(",")[:2]]
        return f"numeric({max(precision - min(scale, 0), scale)},{max(scale, 0)})"
    return _FAMILIES[kind.family]
