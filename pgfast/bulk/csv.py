"""Loading a CSV file: read by the codec into the binary form of the target's types where that is sure, else by the
server.

Law of this file: what the server's COPY ... (FORMAT csv) would store of a well-formed file is what is stored, but that
blank lines among records of several fields are left out. Unquoted empty is NULL, quoted empty is ''; numeric never
passes through a float. The codec makes binary only of what it surely reads as the server does. At the first value that
is not surely so (infinity, BC, 24:00, a time that names no zone in a session whose zone is not UTC ...) the load begins
again in text COPY: the codec then only finds the fields, and the server's own input functions decide. At a line that
ends otherwise than the first one the file goes to the server as it is, where it can be told all of the dialect. A line
of nothing but `\\.` is data, as for servers since 18; those before would end the data there and say nothing, so that
such a file is never left to them.

The pure codec is slower than the server at reading CSV, so without the compiled one the server reads the whole file
first where it can, and what it refuses is read here, which names the place or takes the blank lines.

A plain mistake is looked up in the file, so that the error can name row, column, value and line.

Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadLineText, CopyReadAttributesCSV).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timezone
from typing import ClassVar, Final

from .. import const
from ..codec import IMPLEMENTATION, CsvState, encode_copy_csv
from ..errors import DatabaseError, DataError, InterfaceError, reason
from ..errors.base import FaultInfo
from ..errors.faults import FAULT_CSV_FIELD, FAULT_CSV_RECORD, FAULT_CSV_UTF8, shorten
from ..kernels.shapes import Refused
from .csvchunks import CsvChunk, Records, cut_text
from .csvdialect import ENCODINGS, Dialect, bytes_that_came, dialect_of
from .csvfile import RECORD_LIMIT, Record, UnreadableRecord, Utf8File, first_record, records
from .csvvalues import kernel_column, plain_mistake, surely_read, text_column
from .feed import (
    BINARY,
    BLOCK_SIZE,
    SERVER_CSV,
    TEXT,
    BlockWriter,
    Feed,
    Origin,
    Place,
    Reread,
    Span,
    Why,
    copy_options,
)
from .files import File
from .rejects import sqlstate_for
from .report import Meter
from .sources import FileOptions
from .target import Target
from .zones import session_zone

__all__ = ["CsvFeed", "open_csv"]

#: Bytes of the file that lie in memory together. It is doubled, up to the longest record there may be, where one is
#: longer.
_READ_SIZE: Final = 1 << 18

#: Whether the server reads a file before the codec is asked to.
SERVER_FIRST = IMPLEMENTATION == "python"
#: A line of nothing but the mark at which servers before 18 end the data; the line's end may be yet to come.
_END_OF_COPY: Final = re.compile(rb"[\r\n]\\\.(?:[\r\n]|\Z)")
#: The classes of sqlstates that are about the data: data exceptions, and constraints that they break.
_DATA_CLASSES: Final = ("22", "23")


def open_csv(file: File, options: FileOptions) -> Feed:
    """The feed of a CSV file."""
    dialect = dialect_of(file, options)
    return CsvFeed(file, dialect, first_record(file, dialect))


def _server_options(dialect: Dialect) -> str:
    """COPY's options for a file that the server parses; its text is sent in UTF-8."""
    values = {"DELIMITER": dialect.delimiter, "NULL": dialect.nulls[0], "QUOTE": dialect.quote, "ENCODING": "UTF8"}
    written = [f"{name} '" + value.replace("'", "''") + "'" for name, value in values.items()]
    return ", ".join(["FORMAT csv", *written, *(["HEADER"] if dialect.header else [])])


class _Window:
    """The part of a file that is being read: bytes start:stop of `data`, the last ones once `final` is set."""

    __slots__ = ("data", "final", "got", "start", "stop")

    def __init__(self) -> None:
        self.data = bytearray(_READ_SIZE)
        self.start = 0
        self.stop = 0
        self.got = 0
        self.final = False

    @property
    def rest(self) -> int:
        """How many bytes were not used."""
        return self.stop - self.start

    def read(self, file: Utf8File) -> None:
        """More of the file behind what was not used. Raises UnicodeDecodeError."""
        rest = self.rest
        if rest > len(self.data) // 2:
            larger = bytearray(2 * len(self.data))
            larger[:rest] = memoryview(self.data)[self.start : self.stop]
            self.data = larger
        elif self.start:
            self.data[:rest] = self.data[self.start : self.stop]
        self.start = 0
        count = file.readinto(memoryview(self.data)[rest:])
        self.stop, self.got = rest + count, count
        self.final = count == 0


class _Lines:
    """How many lines of data have ended, outside of quotes."""

    __slots__ = ("_ends", "_header", "_inside", "_quote")

    def __init__(self, dialect: Dialect) -> None:
        self._quote = dialect.quote.encode()
        self._header = int(dialect.header)
        self._inside = False
        self._ends = [0, 0]  # line feeds, carriage returns

    def count(self, data: bytes) -> int:
        """The number of rows after these bytes too."""
        parts = data.split(self._quote)
        outside = self._quote.join(parts[int(self._inside) :: 2])
        self._inside ^= len(parts) % 2 == 0
        for index, end in enumerate((b"\n", b"\r")):
            self._ends[index] += outside.count(end)
        return max(0, max(self._ends) - self._header)


class CsvFeed:
    """The file, whichever way it goes."""

    kind: ClassVar[str] = "csv"

    def __init__(self, file: File, dialect: Dialect, first: list[str]) -> None:
        self._file = file
        self._dialect = dialect
        self._quotes = dialect.quotes
        self._first = first
        self._target = Target("", "", "", ())
        self._utc = False
        self._span = Span()
        self._states: dict[str, CsvState] = {}  # of chunks, by the way they go
        self._way = BINARY
        self._rewritten: dict[str, int] = {}  # columns whose fields are written otherwise than the server writes them
        self._after: str | None = None  # the way that is left when the server has refused the file as it is

    @property
    def name(self) -> str:
        """What rejects call the source."""
        return self._file.name

    @property
    def again(self) -> bool:
        """Whether it can be read once more."""
        return self._file.again

    @property
    def names(self) -> tuple[str, ...] | None:
        """The header."""
        return tuple(self._first) if self._dialect.header else None

    @property
    def dialect(self) -> str:
        """How the file is written, for the report."""
        return str(self._dialect)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of that others may see otherwise, for the report."""
        return tuple([f"{self._file.label}: {doubt}" for doubt in self._dialect.doubts])

    @property
    def _width(self) -> int:
        """How many fields a record has."""
        return len(self._target.columns if self._target.columns and not self._dialect.header else self._first)

    def prepare(self, target: Target, zone: str | None) -> str:
        """Settle which columns of the file go where."""
        self._target, self._utc = target, session_zone(zone) is timezone.utc
        missing = 0 if self._dialect.header or not self._first else len(target.columns) - len(self._first)
        if missing < 0 or (missing and not self._dialect.fill):
            raise self._wrong(f"{len(self._first)} values where {len(target.columns)} are wanted", 0, None)
        known = self.names or target.keys
        for column in self._dialect.column_nulls:
            if column not in known:
                raise InterfaceError(f"null= names {column!r}, which is no column of {self._file.label}")
        self._rewritten = {
            column.name: (self.names or target.keys).index(column.key)
            for column in target.columns
            if self._dialect.form_of(column.info.kind) != const.CSV_USUAL
        }
        sure = target.binary and all(surely_read(column) for column in target.columns)
        self._way = BINARY if sure else TEXT
        if SERVER_FIRST and self._is_in_order:
            self._way, self._after = SERVER_CSV, self._way
        return self._way

    @property
    def _is_in_order(self) -> bool:
        """Whether the server can be given the file as it is: the columns are all there are in it."""
        return self._dialect.as_the_server_reads and self.names in (None, self._target.keys)

    def refused(self, exc: DatabaseError) -> bool:
        """Whether what the server refused as it is shall be read here."""
        if self._after is None or (exc.sqlstate or "")[:2] not in _DATA_CLASSES:
            return False
        self._way, self._after = self._after, None
        return True

    def copy_options(self) -> str:
        """The options for the way the values go now."""
        return _server_options(self._dialect) if self._way == SERVER_CSV else copy_options(self._way)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        try:
            with Utf8File(self._file, self._dialect) as text:
                yield from self._as_it_is(text, meter) if self._way == SERVER_CSV else self._encoded(text, meter)
        except UnicodeDecodeError as exc:
            raise self._undecodable(exc) from exc

    def _as_it_is(self, file: Utf8File, meter: Meter) -> Iterator[memoryview]:
        """The text of the file."""
        out, lines = BlockWriter(binary=False), _Lines(self._dialect)
        end = b"\n"
        while data := file.read(BLOCK_SIZE):
            if b"\\." in end + data and _END_OF_COPY.search(end + data):
                raise self._ends_early()
            end = data[-4:]
            out.buffer.put_bytes(data)
            if meter.is_told:
                meter.rows = lines.count(data)
            yield meter.block(out.take())
        yield meter.block(out.finish())

    def _ends_early(self) -> Exception:
        """What to raise for a file that servers before 18 might take for ended at a line of nothing but `\\.`."""
        if self._after is None:
            return DataError(
                f"COPY {self._target.table}: {self._file.label}: a line of nothing but \\. stands in a file whose "
                "lines end in several ways, which only the server could read, and some servers would end it there"
            )
        self._way, self._after = self._after, None
        return Reread()

    def _encoded(self, file: Utf8File, meter: Meter) -> Iterator[memoryview]:
        """The rows in COPY's binary or text format."""
        out, window, state = BlockWriter(self._way == BINARY), _Window(), self._state(self._way, self._dialect.header)
        while not window.final:
            if window.rest > RECORD_LIMIT:
                raise self._unclosed(meter.rows)
            window.read(file)
            meter.position += window.got
            more = True
            while more:
                try:
                    window.start, rows = encode_copy_csv(
                        out.buffer, state, window.data, window.start, window.stop, window.final, BLOCK_SIZE
                    )
                except DatabaseError as exc:
                    if exc.fault is None:
                        raise
                    raise self._settled(exc.fault, meter.rows + exc.fault.at) from None
                meter.rows += rows
                more = out.full
                if more:
                    yield meter.block(out.take())
        yield meter.block(out.finish())

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[CsvChunk]:
        """The records in chunks of about so many bytes of UTF-8, from a place on."""
        if self._way == SERVER_CSV:  # chunks are read here, whichever codec it is
            self._way = self._after or TEXT
        dialect = self._dialect
        with Utf8File(self._file, dialect, lenient=True) as text:
            records = Records(text, self._quotes, size_bytes, self._span)
            line, asked = self._span.line + dialect.skip_lines, place.marks is not None
            checksum: int | None = 0
            if place.position > self._span.start:
                lines, checksum = records.skip_to(place, self.name)
                line += lines
            elif self._span.start:
                place = Place(self._span.start)
            elif dialect.header:
                lines, checksum = records.skip_record()
                line += lines
                place = Place(records.position)
            checksum = checksum if asked else None
            numbered, state, judged = not self._span.start, self._chunk_state, self
            while not records.ended:
                chunk = CsvChunk(records, place, line, checksum, self._way, self._width, numbered, state, judged)
                chunk.amend = self._amended if self._rewritten else None
                yield chunk
                place, line, checksum = chunk.place, line + chunk.lines, chunk.checksum
            self._span.check(records.position, self.name)

    def spans(self, count: int) -> list[Span]:
        """Parts of about the same size, of a file that is UTF-8 as it lies, with the usual quotes; else the whole."""
        if not self._file.plain or not self._dialect.utf8 or self._quotes.apart or self._dialect.skip_lines:
            return [Span()]
        with Utf8File(self._file, self._dialect) as text:
            return cut_text(text, self._file.size_bytes or 0, self._quotes, count)

    def take(self, span: Span) -> None:
        """Give the records of this part alone."""
        self._span = span

    def _chunk_state(self, path: str, end_of_line: bytes = b"") -> CsvState:
        """As of States."""
        if not end_of_line:
            return self._state(path, False)
        made = self._states.get(path)
        if made is None:
            made = self._states[path] = self._state(path, False)
            # By a blank line it knows how lines end, whichever end the first record has that it is given.
            nowhere, unread = BlockWriter(path == BINARY), list[Refused]()
            encode_copy_csv(nowhere.buffer, made, end_of_line, 0, len(end_of_line), True, BLOCK_SIZE, unread)
        return made

    def _state(self, path: str, header: bool) -> CsvState:
        """What is made of the fields of a record."""
        dialect, names = self._dialect, self.names or self._target.keys
        make = kernel_column if path == BINARY else text_column
        return CsvState(
            self._width,
            [make(names.index(column.key), column) for column in self._target.columns],
            (dialect.delimiter.encode(), dialect.quote.encode(), b""),
            header,
            self._utc,
            path == BINARY,
            dialect.escape.encode(),
            [dialect.nulls_of(column.key) for column in self._target.columns],
            [dialect.form_of(column.info.kind) for column in self._target.columns],
            dialect.fill,
        )

    # ---------------------------------------------------------------- what is wrong

    def _settled(self, info: FaultInfo, row: int) -> Exception:
        """What to raise for a fault of the codec: Reread where the server can be asked."""
        column = info.column if info.column >= 0 else None
        if info.code == FAULT_CSV_RECORD:
            return self._misread(row)
        if info.code == FAULT_CSV_FIELD and column is not None:
            mistake = plain_mistake(str(info.value), self._target.columns[column])
            if mistake is None:
                self._way = TEXT
                return Reread()
            field = self._rewritten.get(self._target.names[column])
            if field is not None:
                mistake = _as_written(mistake, self._record(row).fields, field)
            return self._wrong(mistake, row, column)
        made = self._wrong(self._said(info), row, column)
        made.fault = info
        return made

    def _said(self, info: FaultInfo) -> str:
        """What a fault of a field, or of a record, says."""
        if info.code == FAULT_CSV_UTF8:
            value = info.value if self._dialect.utf8 else bytes_that_came(bytes(info.value), self._dialect.encoding)
            return f"{value!r} is not valid {self._dialect.encoding}{ENCODINGS if self._dialect.utf8 else ''}"
        value = info.value.decode("utf-8", "replace") if isinstance(info.value, bytes) else info.value
        return reason(info.code, info.at, value)

    def verdict(self, info: FaultInfo, origin: Origin) -> DatabaseError | None:
        """The error for a record of a chunk; None where the server's own input functions shall decide."""
        said = self._mistake(info, origin)
        if said is None:
            return None
        made = DataError(said)
        made.fault = info
        return made

    def why(self, info: FaultInfo, origin: Origin) -> Why | None:
        """The same as what rejects are told."""
        said = self._mistake(info, origin)
        if said is None:
            return None
        column = self._target.columns[info.column].name if info.column >= 0 else None
        return column, sqlstate_for(info.code, said), said

    def _mistake(self, info: FaultInfo, origin: Origin) -> str | None:
        column = info.column if info.column >= 0 else None
        said: str | None
        if info.code == FAULT_CSV_FIELD and column is not None:
            said = plain_mistake(str(info.value), self._target.columns[column])
            if said is None:
                return None
        elif info.code == FAULT_CSV_RECORD and self._quotes.covered(origin.record).count(self._quotes.quote) % 2:
            said = "a quoted field is not closed"
        else:
            said = self._said(info)
        if self._rewritten:
            said = self._with_original(said, origin.record, None if column is None else self._target.names[column])
        row = None if origin.row is None else origin.row - 1
        return self._target.said(f"{said} (line {origin.line} of {self._file.label})", row, column)

    def _amended(self, origin: Origin, why: Why) -> Why:
        """Why a record was refused, with what stands in it where the server was sent something else."""
        column, sqlstate, said = why
        return column, sqlstate, self._with_original(said, origin.record, column)

    def _with_original(self, said: str, record: bytes, column: str | None) -> str:
        """What is said of a field, with its text in the file where it is another one."""
        field = self._rewritten.get(column or "")
        if field is None:
            return said
        dialect = replace(self._dialect, encoding="utf-8", skip_lines=0)
        try:
            (found,) = records(io.BytesIO(record), dialect)
        except (UnreadableRecord, ValueError):  # it is no record, and `said` is about that
            return said
        return _as_written(said, found.fields, field)

    def place_of(self, row: int, column: str | None, said: str) -> str:
        """What is said of a row of the data, with its line, and what stands there where the server was sent something
        else."""
        record = self._record(row)
        field = self._rewritten.get(column or "")
        said = said if field is None else _as_written(said, record.fields, field)
        return f"{said} (line {record.line} of {self._file.label})"

    def _misread(self, row: int) -> Exception:
        """What to raise where a record is not surely one."""
        try:
            line = self._line(row)
        except UnreadableRecord as exc:
            return self._wrong(exc.why, exc.number - int(self._dialect.header), None, exc.line)
        if self._is_in_order:
            self._way = SERVER_CSV
            return Reread()
        return self._wrong("the line ends otherwise than the first one", row, None, line)

    def _unclosed(self, row: int) -> Exception:
        """The error for a record that is longer than any."""
        try:
            line = self._line(row)
        except UnreadableRecord as exc:
            line = exc.line
        return self._wrong("a quoted field is not closed", row, None, line)

    def _wrong(self, text: str, row: int | None, column: int | None, line: int | None = None) -> DataError:
        """The error for a row of the data."""
        where = self._line(row or 0) if line is None else line
        return self._target.error(f"{text} (line {where} of {self._file.label})", row, column)

    def _line(self, row: int) -> int:
        """The line on which a row of the data ends. Raises UnreadableRecord where an earlier quote is not closed."""
        return self._record(row).line

    def _record(self, row: int) -> Record:
        """A row of the data, read again; a blank line is one only in a file of one column.

        Raises UnreadableRecord where an earlier quote is not closed.
        """
        left, found = row + int(self._dialect.header), Record(0, [])
        for found in records(self._file.open(), self._dialect):
            if found.fields or self._width == 1:
                left -= 1
                if left < 0:
                    break
        return found

    def _undecodable(self, exc: UnicodeDecodeError) -> DataError:
        return DataError(f"COPY {self._target.table}: {self._file.label}: {exc}")

    def close(self) -> None:
        """Nothing is open between blocks."""


def _as_written(said: str, fields: list[str], field: int) -> str:
    """What is said of a field, with its text in the file where it is another one."""
    written = fields[field] if field < len(fields) else ""
    return said if written in said else f"{said} (in the file: {shorten(written)})"
