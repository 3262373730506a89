"""CREATE TABLE for a source: the types that hold its columns exactly.

Law of this file: a type is chosen from an Arrow schema, or from what the first records of a CSV file look like; where
two types would do, the one that loses nothing. A number that begins with a zero is text, because the zero would be
lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from ..arrow import ArrowField, ArrowReader, Family, arrow_type, is_arrow
from ..arrow.cdata import ArrowSchema, move
from ..arrow.schema import read_schema
from ..errors import InterfaceError, NotSupportedError
from ..protocol.operations import identifier
from ..types.text import parse_date, parse_time, parse_timestamp, parse_timestamptz, parse_uuid
from .csvdialect import dialect_of
from .csvfile import first_record, records
from .files import File
from .sources import FileOptions, file_format
from .target import parse_table

#: Records of a CSV file that are looked at.
SAMPLE_RECORDS: Final = 10_000

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


def create_table_sql(table: str, source: Any, options: FileOptions | None = None) -> str:
    """A CREATE TABLE statement for `table` with columns that hold what the source has.

    `source` is the path of a CSV or Parquet file, or anything with `__arrow_c_schema__`, `__arrow_c_stream__` or
    `__arrow_c_array__`; a stream that can be read only once is used up unless it has `__arrow_c_schema__`. Of a CSV
    file the first 10,000 records are looked at. Raises NotSupportedError for a type without PostgreSQL counterpart.
    """
    name = ".".join([identifier(part) for part in parse_table(table)])
    try:
        columns = list(_columns(source, options or FileOptions()))
    except NotSupportedError as exc:
        if isinstance(source, (str, os.PathLike)):
            raise NotSupportedError(f"{os.fspath(source)}: {exc}") from exc
        raise
    if not columns:
        raise InterfaceError("the source has no columns")
    lines = ",\n".join([f"    {identifier(column)} {kind}" for column, kind in columns])
    return f"CREATE TABLE {name} (\n{lines}\n)"


def _columns(source: Any, options: FileOptions) -> Iterator[tuple[str, str]]:
    if isinstance(source, (str, os.PathLike)):
        file = File(source)
        if file_format(file, options.format) == "csv":
            return _csv_columns(file, options)
        from .parquet import ParquetFeed

        feed = ParquetFeed(file)
        feed.close()
        return _arrow_columns(feed.fields)
    if hasattr(source, "__arrow_c_schema__"):
        return _arrow_columns(read_schema(move(source.__arrow_c_schema__(), ArrowSchema)).children)
    if is_arrow(source):
        reader = ArrowReader(source)
        reader.close()
        return _arrow_columns(reader.fields)
    raise InterfaceError(f"cannot tell the columns of {type(source).__name__}; pass a path or an Arrow source")


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


# ---------------------------------------------------------------- CSV

_BOOL: Final = re.compile(r"t|f|true|false", re.IGNORECASE)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_NUMERIC: Final = re.compile(r"-?(?:0|[1-9]\d*)?(?:\.\d+)?", re.ASCII)
_FLOAT: Final = re.compile(r"-?\d+(?:\.\d*)?e[+-]?\d+|-?inf(?:inity)?|nan", re.ASCII | re.IGNORECASE)

#: What holds two types together; any other two are text.
_JOINED: Final = {
    frozenset(("bigint", "numeric")): "numeric",
    frozenset(("bigint", "double precision")): "double precision",
    frozenset(("numeric", "double precision")): "double precision",
    frozenset(("date", "timestamp")): "timestamp",
}


def _csv_columns(file: File, options: FileOptions) -> Iterator[tuple[str, str]]:
    dialect = dialect_of(file, options)
    first = first_record(file, dialect)
    names = first if dialect.header else [f"column{index + 1}" for index in range(len(first))]
    kinds: list[str | None] = [None] * len(names)
    for _line, record in islice(records(file.open(), dialect), 1 if dialect.header else 0, SAMPLE_RECORDS):
        for index, text in enumerate(record[: len(names)]):
            if text and text not in dialect.nulls and kinds[index] != "text":
                kinds[index] = _joined(kinds[index], _text_type(text))
    return iter([(name, kind or "text") for name, kind in zip(names, kinds, strict=True)])


def _joined(one: str | None, other: str) -> str:
    return other if one in (None, other) else _JOINED.get(frozenset((one or "", other)), "text")


def _text_type(text: str) -> str:
    """The narrowest type whose text form this is."""
    if _BOOL.fullmatch(text):
        return "boolean"
    if _INTEGER.fullmatch(text):
        return "bigint" if -(2**63) <= int(text) < 2**63 else "numeric"
    if _NUMERIC.fullmatch(text):
        return "numeric"
    if _FLOAT.fullmatch(text):
        return "double precision"
    for kind, parse in _PARSED:
        try:
            parse(text)
        except ValueError:
            continue
        return kind
    return "text"


_PARSED: Final[tuple[tuple[str, Any], ...]] = (
    ("date", parse_date),
    ("timestamp", parse_timestamp),
    ("timestamptz", parse_timestamptz),
    ("time", parse_time),
    ("uuid", parse_uuid),
)
