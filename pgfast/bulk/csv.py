"""Loading a CSV file: parsed by pyarrow into columns of the target's types where that is sure, else by the server.

Law of this file: what the server's COPY ... (FORMAT csv) would store of a well-formed file is what is stored.
Unquoted empty is NULL, quoted empty is ''; numeric never passes through a float. The client parses into binary only
what it surely reads as the server does. At the first value that is not surely so (infinity, BC, 24:00, a time that
names no zone in a session whose zone is not UTC, array bounds, whatever pyarrow or the parsers of this package refuse)
the load begins again in text COPY: pyarrow then only finds the fields, and the server's own input functions decide. At
a quote inside an unquoted field, which pyarrow reads otherwise, the file goes to the server as it is.

A plain mistake is looked up in the file, so that the error can name row, column, value and line.

Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadAttributesCSV).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timezone
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

from ..arrow import ArrowBatch, ArrowReader
from ..errors import DatabaseError, DataError, Error, InterfaceError
from ..errors.faults import FAULT_NUL
from .arrays import ArrowPlan
from .csvfile import (
    RECORD_LIMIT,
    Dialect,
    Record,
    UnreadableRecord,
    Utf8File,
    WatchedFile,
    dialect_of,
    first_record,
    records,
    scanned,
)
from .csvvalues import FALSE_VALUES, TRUE_VALUES, Reading, Unsure, converted, plain_mistake, reading, surely_read
from .feed import BINARY, BLOCK_SIZE, SERVER_CSV, TEXT, BlockWriter, Feed, Reread, copy_options
from .report import Meter
from .sources import FileOptions
from .target import Target, TargetColumn
from .zones import session_zone

__all__ = ["CsvFeed", "ServerCsvFeed", "dialect_of", "first_record", "open_csv", "records"]

#: Bytes parsed together; pyarrow reads some such pieces ahead for each processor, so this decides what a load takes.
#: It is doubled, up to the longest record there may be, where a record is longer.
_READ_SIZE: Final = 1 << 18
_TOO_SHORT: Final = "straddling object"


def open_csv(path: Path, options: FileOptions) -> Feed:
    """The feed of a CSV file."""
    dialect = dialect_of(path, options)
    first = first_record(path, dialect)
    if find_spec("pyarrow") is None:
        return ServerCsvFeed(path, dialect, first)
    return CsvFeed(path, dialect, first)


def _server_options(dialect: Dialect) -> str:
    """COPY's options for a file that the server parses; its text is sent in UTF-8."""
    values = {"DELIMITER": dialect.delimiter, "NULL": dialect.null, "QUOTE": dialect.quote, "ENCODING": "UTF8"}
    written = [f"{name} '" + value.replace("'", "''") + "'" for name, value in values.items()]
    return ", ".join(["FORMAT csv", *written, *(["HEADER"] if dialect.header else [])])


def _server_blocks(path: Path, dialect: Dialect, target: Target, meter: Meter) -> Iterator[memoryview]:
    """The text of the file in blocks."""
    with Utf8File(path, dialect) as file:
        out = BlockWriter(binary=False)
        try:
            while data := file.read(BLOCK_SIZE):
                out.buffer.put_bytes(data)
                yield meter.block(out.take())
        except UnicodeDecodeError as exc:
            raise DataError(f"COPY {target.table}: {path.name}: {exc}") from exc
        yield meter.block(out.finish())


class ServerCsvFeed:
    """The file as it is, parsed by the server: without pyarrow."""

    kind: ClassVar[str] = "csv"

    def __init__(self, path: Path, dialect: Dialect, first: list[str]) -> None:
        self._path = path
        self._dialect = dialect
        self._first = first
        self._target = Target("", "", ())

    @property
    def names(self) -> tuple[str, ...] | None:
        """The header."""
        return tuple(self._first) if self._dialect.header else None

    def prepare(self, target: Target, zone: str | None) -> str:
        """The server needs every column of the file to be loaded."""
        if self._dialect.header and target.names != self.names:
            raise InterfaceError(
                "loading some columns of a CSV file, or in another order, needs pyarrow; pip install 'pgfast[arrow]'"
            )
        self._target = target
        return SERVER_CSV

    def copy_options(self) -> str:
        """COPY's options for this dialect."""
        return _server_options(self._dialect)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The text of the file in blocks."""
        return _server_blocks(self._path, self._dialect, self._target, meter)

    def close(self) -> None:
        """Nothing is open between blocks."""


class CsvFeed:
    """The file as columns, by pyarrow."""

    kind: ClassVar[str] = "csv"

    def __init__(self, path: Path, dialect: Dialect, first: list[str]) -> None:
        self._path = path
        self._dialect = dialect
        self._width = len(first)
        self._names = first if dialect.header else [f"f{index}" for index in range(len(first))]
        self._library: Any = import_module("pyarrow.csv")
        self._arrow: Any = import_module("pyarrow")
        self._target = Target("", "", ())
        self._chosen: list[str] = []
        self._utc = False
        self._hexadecimal = False
        self._block_size = _READ_SIZE
        self._way = BINARY

    @property
    def names(self) -> tuple[str, ...] | None:
        """The header."""
        return tuple(self._names) if self._dialect.header else None

    def prepare(self, target: Target, zone: str | None) -> str:
        """Settle which columns of the file go where."""
        self._target, self._utc = target, session_zone(zone) is timezone.utc
        self._chosen = list(target.names)
        if not self._dialect.header:
            if self._width and self._width != len(target.columns):
                raise target.error(
                    f"{self._width} values where {len(target.columns)} are wanted (line 1 of {self._path.name})", 0
                )
            self._chosen = self._names[: len(target.columns)]
        sure = target.binary and all(surely_read(column) for column in target.columns)
        self._way = BINARY if sure else TEXT
        return self._way

    def copy_options(self) -> str:
        """The options for the way the values go now."""
        return _server_options(self._dialect) if self._way == SERVER_CSV else copy_options(self._way)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        if self._way == SERVER_CSV:
            yield from _server_blocks(self._path, self._dialect, self._target, meter)
            return
        readings = [self._reading(column) for column in self._target.columns]
        try:
            yield from self._plan(readings).blocks(self._batches(readings), meter)
        except DatabaseError as exc:
            raise self._settled(exc) from exc.__cause__

    def _reading(self, column: TargetColumn) -> Reading:
        if self._way == BINARY and self._width:
            return reading(column, self._hexadecimal)
        return Reading(self._arrow.string(), self._arrow.string())

    def _plan(self, readings: list[Reading]) -> ArrowPlan:
        """How the columns go to the target, to which they are named; as text, whatever its types are."""
        target = self._target
        if self._way == TEXT:
            target = replace(target, columns=tuple([replace(column, spec=None) for column in target.columns]))
        schema = self._arrow.schema([(name, how.cast) for name, how in zip(target.names, readings, strict=True)])
        return ArrowPlan(target, ArrowReader(schema.empty_table()).fields, "UTC" if self._utc else None)

    def _batches(self, readings: list[Reading]) -> Iterator[ArrowBatch]:
        """The file's batches, the chosen columns named as the target's."""
        if not self._has_rows():
            return
        done = 0
        with WatchedFile(self._path, self._dialect) as source:
            try:
                for batch in self._open(source, readings):
                    self._watch(source, readings)
                    columns = [
                        converted(values, how, self._utc) for values, how in zip(batch.columns, readings, strict=True)
                    ]
                    named = self._arrow.RecordBatch.from_arrays(columns, list(self._target.names))
                    done += len(named)
                    yield from ArrowReader(named)
            except (self._arrow.ArrowException, Unsure) as exc:
                self._watch(source, readings)
                raise self._misread(done, str(exc)) from exc
            except UnicodeDecodeError as exc:
                raise self._undecodable(exc) from exc
            self._watch(source, readings)
            if source.inside:
                raise self._misread(done, "there is a quote without another that belongs to it")

    def _has_rows(self) -> bool:
        """Whether there is a record behind the header; pyarrow refuses a file without."""
        try:
            return bool(self._width) and next(self._records(0), None) is not None
        except UnreadableRecord:
            return True

    def _open(self, source: WatchedFile, readings: list[Reading]) -> Any:
        library = self._library
        return library.open_csv(
            source,
            library.ReadOptions(
                block_size=self._block_size, column_names=None if self._dialect.header else self._names
            ),
            library.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=self._dialect.quote,
                newlines_in_values=True,
                ignore_empty_lines=self._width > 1,
            ),
            library.ConvertOptions(
                column_types={name: how.parsed for name, how in zip(self._chosen, readings, strict=True)},
                include_columns=self._chosen,
                null_values=[self._dialect.null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=TRUE_VALUES,
                false_values=FALSE_VALUES,
            ),
        )

    def _watch(self, source: WatchedFile, readings: list[Reading]) -> None:
        """Raises Reread, or DataError, where the file holds what pyarrow reads otherwise than the server."""
        if source.astray:
            if self._target.names != tuple(self._names) and self._dialect.header:
                raise self._misquoted()
            self._way = SERVER_CSV
            raise Reread
        integers = any(self._arrow.types.is_integer(how.parsed) for how in readings)
        if source.hexadecimal and integers and not self._hexadecimal:
            self._hexadecimal = True
            raise Reread

    def _misquoted(self) -> DataError:
        why = "a quote inside a field that is not quoted: quote the field, and double the quote in it"
        for number, (record, astray) in enumerate(self._scanned()):
            if astray:
                return self._at(why, number - 1, None, record.line)
        return DataError(f"COPY {self._target.table}: {self._path.name}: {why}")

    def _misread(self, done: int, said: str) -> Error:
        """What to raise where something behind the first `done` rows is refused or not sure.

        Reread where the server can be asked.
        """
        if _TOO_SHORT in said and self._block_size < RECORD_LIMIT:
            self._block_size *= 2
            raise Reread
        seen = 0
        try:
            for row, record in enumerate(self._records(done), done):
                mistake = self._mistake(record, row)
                if mistake is not None:
                    return mistake
                seen += sum(map(len, record.fields)) + self._width
                if self._way == BINARY and seen > 2 * self._block_size:
                    break  # it stands in the block behind the rows that were read
        except UnreadableRecord as exc:
            return self._at(exc.why, exc.number - int(self._dialect.header), None, exc.line)
        if self._way == BINARY:
            self._way = TEXT
            raise Reread
        return DataError(f"COPY {self._target.table}: {self._path.name}: {said}")

    def _mistake(self, record: Record, row: int) -> DataError | None:
        """The error for a record that the server surely refuses."""
        if len(record.fields) != self._width:
            return self._at(f"{len(record.fields)} values where {self._width} are wanted", row, None, record.line)
        for index, column in enumerate(self._target.columns):
            text = record.fields[self._names.index(self._chosen[index])]
            refused = None
            if any("\udc80" <= character <= "\udcff" for character in text):
                refused = f"{text.encode('utf-8', 'surrogateescape')!r} is not valid {self._dialect.encoding}"
            elif text and text != self._dialect.null:
                refused = plain_mistake(text, column)
            if refused is not None:
                return self._at(refused, row, index, record.line)
        return None

    def _settled(self, exc: DatabaseError) -> DatabaseError:
        """What to raise for a fault of the codec: with its line, or of the plain mistake behind it.

        Reread where it is none.
        """
        where, _, text = str(exc).partition(": ")
        if exc.fault is None or ", row " not in where:
            return exc
        row = int(where.partition(", row ")[2].partition(",")[0]) - 1
        try:
            record = next(self._records(row), None)
        except UnreadableRecord as unreadable:
            return self._at(unreadable.why, row, None, unreadable.line)
        if record is None:
            return exc
        if self._way == BINARY and exc.fault.code != FAULT_NUL:
            mistake = self._mistake(record, row)
            if mistake is None:
                self._way = TEXT
                raise Reread
            return mistake
        made = type(exc)(f"{where}: {text} (line {record.line} of {self._path.name})")
        made.fault = exc.fault
        return made

    def _records(self, skipped: int) -> Iterator[Record]:
        """The data's records from number `skipped` on."""
        wanted = skipped + (1 if self._dialect.header else 0)
        for number, (record, _astray) in enumerate(self._scanned()):
            if number >= wanted:
                yield record if record.fields else Record(record.line, [""])

    def _scanned(self) -> Iterator[tuple[Record, bool]]:
        """The records, the header's too, and of each whether a quote is astray in it; a blank line is one only in a
        file of one column."""
        try:
            for record, astray in scanned(self._path, self._dialect):
                if record.fields or self._width == 1:
                    yield record, astray
        except UnicodeDecodeError as exc:
            raise self._undecodable(exc) from exc

    def _undecodable(self, exc: UnicodeDecodeError) -> DataError:
        return DataError(f"COPY {self._target.table}: {self._path.name}: {exc}")

    def _at(self, text: str, row: int, column: int | None, line: int) -> DataError:
        return self._target.error(f"{text} (line {line} of {self._path.name})", row, column)

    def close(self) -> None:
        """Nothing is open between blocks."""
