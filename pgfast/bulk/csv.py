"""Loading a CSV file: parsed by pyarrow into columns of the target's types, or by the server where pyarrow is not
installed.

Law of this file: what the server's COPY ... (FORMAT csv) would store of a well-formed file is what is stored.
Unquoted empty is NULL, quoted empty is ''; numeric never passes through a float; what pyarrow cannot convert exactly
is read as text and converted by `types.text`. A file that is refused is read again up to the place, so that the error
can name row, column, value and line.

Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadAttributesCSV).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

from .. import const
from ..arrow import ArrowBatch, ArrowReader
from ..columns import decimal_shape
from ..errors import DatabaseError, DataError, Error, InterfaceError
from ..types.text import PARSERS
from .arrays import ArrowPlan
from .feed import BINARY, BLOCK_SIZE, SERVER_CSV, BlockWriter, Feed, Reread, copy_options
from .report import Meter
from .sources import FileOptions
from .target import Target, TargetColumn
from .zones import session_zone

#: Bytes parsed together; pyarrow reads some such pieces ahead for each processor, so this decides what a load takes.
_READ_SIZE: Final = 1 << 18
_TRUE: Final = ("true", "t", "yes", "y", "on", "1")
_FALSE: Final = ("false", "f", "no", "n", "off", "0")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is written."""

    header: bool
    delimiter: str
    null: str
    quote: str
    encoding: str

    @property
    def reading_encoding(self) -> str:
        """The encoding with a byte order mark skipped, which is no part of the text."""
        return "utf-8-sig" if self.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else self.encoding


def dialect_of(path: Path, options: FileOptions) -> Dialect:
    """The dialect, with a tab between fields where the name ends in .tsv.

    Raises InterfaceError for options that cannot be.
    """
    delimiter = options.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    for name, value in (("delimiter", delimiter), ("quote", options.quote)):
        if len(value) != 1 or not value.isascii() or value in "\r\n":
            raise InterfaceError(f"{name} must be one ASCII character, not {value!r}")
    if delimiter == options.quote:
        raise InterfaceError("delimiter and quote must be different characters")
    return Dialect(options.header, delimiter, options.null, options.quote, options.encoding)


def open_csv(path: Path, options: FileOptions) -> Feed:
    """The feed of a CSV file."""
    dialect = dialect_of(path, options)
    first = first_record(path, dialect)
    if find_spec("pyarrow") is None:
        return ServerCsvFeed(path, dialect, first)
    return CsvFeed(path, dialect, first)


class UnreadableRecord(ValueError):
    """What stands in the file is no record: how many came before it, the line on which it begins, and why."""

    def __init__(self, number: int, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.number = number
        self.line = line
        self.why = why


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """(line on which it ends, fields) of each record; a blank line has no fields. Raises UnreadableRecord."""
    number, line = 0, 0
    with path.open(encoding=dialect.reading_encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
        try:
            for record in reader:
                line = reader.line_num
                yield line, record
                number += bool(record)
        except csv.Error as exc:
            why = "a quoted field is not closed" if "end of data" in str(exc) else str(exc)
            raise UnreadableRecord(number, line + 1, why) from exc


def first_record(path: Path, dialect: Dialect) -> list[str]:
    """The fields of the first record, an empty list for an empty file.

    Raises DataError where a header is wanted and there is none.
    """
    try:
        first = next(records(path, dialect), (0, []))[1]
    except (UnreadableRecord, LookupError) as exc:
        raise DataError(f"{path}: {exc}") from exc
    if dialect.header and not first:
        raise DataError(f"{path}: the file is empty; a header is wanted (header=False where there is none)")
    if dialect.header and len(set(first)) < len(first):
        twice = next(name for name in first if first.count(name) > 1)
        raise DataError(f"{path}: the header names {twice!r} twice")
    return first


class ServerCsvFeed:
    """The file as it is, parsed by the server: without pyarrow."""

    kind: ClassVar[str] = "csv"

    def __init__(self, path: Path, dialect: Dialect, first: list[str]) -> None:
        self._path = path
        self._dialect = dialect
        self._first = first

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
        return SERVER_CSV

    def copy_options(self) -> str:
        """COPY's options for this dialect."""
        dialect = self._dialect
        values = {
            "DELIMITER": dialect.delimiter,
            "NULL": dialect.null,
            "QUOTE": dialect.quote,
            "ENCODING": dialect.encoding,
        }
        written = [f"{name} '" + value.replace("'", "''") + "'" for name, value in values.items()]
        return ", ".join(["FORMAT csv", *written, *(["HEADER"] if dialect.header else [])])

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The bytes of the file in blocks."""
        with self._path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            out = BlockWriter(binary=False)
            while data := file.read(BLOCK_SIZE):
                out.buffer.put_bytes(data)
                yield meter.block(out.take())
            yield meter.block(out.finish())

    def close(self) -> None:
        """Nothing is open between blocks."""


class _Counted(io.RawIOBase):
    """A file that counts its quotes.

    An odd number is a field that was never closed, which pyarrow takes for one that ends with the file.
    """

    def __init__(self, path: Path, quote: str) -> None:
        self._file = path.open("rb")
        self._quote = quote.encode()
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self.quotes += data.count(self._quote)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


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
        self._as_text: set[int] = set()
        self._zone: str | None = None
        self._path_taken = BINARY

    @property
    def names(self) -> tuple[str, ...] | None:
        """The header."""
        return tuple(self._names) if self._dialect.header else None

    def prepare(self, target: Target, zone: str | None) -> str:
        """Settle which columns of the file go where."""
        self._target, self._zone = target, zone
        self._chosen = list(target.names)
        if not self._dialect.header:
            if self._width and self._width != len(target.columns):
                raise target.error(
                    f"{self._width} values where {len(target.columns)} are wanted (line 1 of {self._path.name})", 0
                )
            self._chosen = self._names[: len(target.columns)]
        self._path_taken = self._plan([self._arrow.string() for _ in target.columns]).path
        return self._path_taken

    def copy_options(self) -> str:
        """The format."""
        return copy_options(self._path_taken)

    def _plan(self, types: Sequence[Any]) -> ArrowPlan:
        """How columns of these Arrow types go to the target, to which they are named."""
        schema = self._arrow.schema(list(zip(self._target.names, types, strict=True)))
        return ArrowPlan(self._target, ArrowReader(schema.empty_table()).fields, self._zone)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        types = [
            self._arrow.string() if index in self._as_text else self._arrow_type(column)
            for index, column in enumerate(self._target.columns)
        ]
        if not self._width:
            types = [self._arrow.string()] * len(types)
        source = _Counted(self._path, self._dialect.quote)
        try:
            yield from self._plan(types).blocks(self._batches(source, types, meter), meter)
            if source.quotes % 2:
                raise self._misread(meter.rows, "there is a quote without another that belongs to it")
        except DatabaseError as exc:
            raise self._with_line(exc) from exc.__cause__
        finally:
            source.close()

    def _arrow_type(self, column: TargetColumn) -> Any:
        """The type pyarrow parses the column into, a string where it has none that is exact."""
        arrow = self._arrow
        spec = column.spec
        made = None if spec is None else _TYPES.get(spec[0])
        if made is not None:
            return made(arrow)
        if spec is not None and spec[0] == const.KIND_NUMERIC:
            precision, scale = decimal_shape(column.typmod)
            return arrow.decimal128(precision, scale) if precision else arrow.string()
        return arrow.string()

    def _batches(self, source: _Counted, types: Sequence[Any], meter: Meter) -> Iterator[ArrowBatch]:
        """The file's batches, the chosen columns named as the target's."""
        if not self._width:
            return
        library, arrow = self._library, self._arrow
        done = 0
        try:
            reader = library.open_csv(
                source,
                library.ReadOptions(
                    block_size=_READ_SIZE,
                    encoding=self._dialect.encoding,
                    column_names=None if self._dialect.header else self._names,
                ),
                library.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char=self._dialect.quote,
                    newlines_in_values=True,
                    ignore_empty_lines=self._width > 1,
                ),
                library.ConvertOptions(
                    column_types=dict(zip(self._chosen, types, strict=True)),
                    include_columns=self._chosen,
                    null_values=[self._dialect.null],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    true_values=_spellings(_TRUE),
                    false_values=_spellings(_FALSE),
                ),
            )
            for batch in reader:
                self._check_floats(batch)
                named = arrow.RecordBatch.from_arrays(batch.columns, list(self._target.names))
                done += len(named)
                yield from ArrowReader(named)
        except arrow.ArrowException as exc:
            raise self._misread(done, str(exc)) from exc
        except (UnicodeDecodeError, LookupError) as exc:
            raise DataError(f"COPY {self._target.table}: {self._path.name}: {exc}") from exc

    def _check_floats(self, batch: Any) -> None:
        """pyarrow reads a number too large for a float as infinity, which the server refuses.

        Such a column is read again as text.
        """
        compute: Any = import_module("pyarrow.compute")
        for index, column in enumerate(batch.columns):
            if self._arrow.types.is_floating(column.type) and compute.any(compute.is_inf(column)).as_py():
                self._as_text.add(index)
                raise Reread

    def _misread(self, done: int, said: str) -> Error:
        """What to raise where pyarrow refused something behind the first `done` rows.

        Reread where the column can be read as text.
        """
        try:
            for row, (line, record) in enumerate(self._records(done), done):
                if len(record) != self._width:
                    return self._at(f"{len(record)} values where {self._width} are wanted", row, None, line)
                for index, column in enumerate(self._target.columns):
                    refused = self._refused(record[self._names.index(self._chosen[index])], column)
                    if refused is not None:
                        return self._at(refused, row, index, line)
        except UnreadableRecord as exc:
            return self._at(exc.why, exc.number - int(self._dialect.header), None, exc.line)
        untried = [index for index in range(len(self._target.columns)) if index not in self._as_text]
        if untried and "In CSV column" in said:
            return self._demoted(said, untried)
        return DataError(f"COPY {self._target.table}: {self._path.name}: {said}")

    def _demoted(self, said: str, untried: list[int]) -> Error:
        """Reread, with the column as text in which pyarrow refused a value that the parsers of this package take."""
        word = said.partition("In CSV column #")[2].partition(":")[0]
        chosen = [int(word)] if word.isdigit() and int(word) in untried else untried
        self._as_text.update(chosen)
        raise Reread

    def _refused(self, text: str, column: TargetColumn) -> str | None:
        """Why the field does not fit the column, None where it does as far as can be told here."""
        kind = const.KIND_STR if column.spec is None else column.spec[0]
        if any("\udc80" <= character <= "\udcff" for character in text):
            return f"{text.encode('utf-8', 'surrogateescape')!r} is not valid {self._dialect.encoding}"
        if text == self._dialect.null or not text or kind == const.KIND_ARRAY:
            return None
        if kind == const.KIND_TIMESTAMPTZ and session_zone(self._zone) is not None:
            return None
        try:
            PARSERS[kind](text)
        except ValueError as exc:
            return f"{text!r} does not fit: {exc}"
        return None

    def _records(self, skipped: int) -> Iterator[tuple[int, list[str]]]:
        """(line, fields) of the data's records from number `skipped` on."""
        wanted = skipped + (1 if self._dialect.header else 0)
        for number, (line, record) in enumerate(
            pair for pair in records(self._path, self._dialect) if pair[1] or self._width == 1
        ):
            if number >= wanted:
                yield line, record or [""]

    def _at(self, text: str, row: int, column: int | None, line: int) -> DataError:
        return self._target.error(f"{text} (line {line} of {self._path.name})", row, column)

    def _with_line(self, exc: DatabaseError) -> DatabaseError:
        """A fault of the codec with the line it stands on."""
        where, _, text = str(exc).partition(": ")
        if exc.fault is None or ", row " not in where:
            return exc
        row = int(where.partition(", row ")[2].partition(",")[0]) - 1
        try:
            line = next(self._records(row), (0, []))[0]
        except UnreadableRecord as unreadable:
            line = unreadable.line
        made = type(exc)(f"{where}: {text} (line {line} of {self._path.name})")
        made.fault = exc.fault
        return made

    def close(self) -> None:
        """Nothing is open between blocks."""


_TYPES: Final[dict[int, Any]] = {
    const.KIND_BOOL: lambda arrow: arrow.bool_(),
    const.KIND_INT2: lambda arrow: arrow.int16(),
    const.KIND_INT4: lambda arrow: arrow.int32(),
    const.KIND_INT8: lambda arrow: arrow.int64(),
    const.KIND_OID: lambda arrow: arrow.uint32(),
    const.KIND_FLOAT4: lambda arrow: arrow.float32(),
    const.KIND_FLOAT8: lambda arrow: arrow.float64(),
    const.KIND_DATE: lambda arrow: arrow.date32(),
    const.KIND_TIME: lambda arrow: arrow.time64("us"),
    const.KIND_TIMESTAMP: lambda arrow: arrow.timestamp("us"),
    const.KIND_TIMESTAMPTZ: lambda arrow: arrow.timestamp("us", "UTC"),
}


def _spellings(words: Sequence[str]) -> list[str]:
    return sorted({spelled for word in words for spelled in (word, word.upper(), word.capitalize())})
