"""Loading JSON lines: an object on each line, its keys the names of columns.

Law of this file: a line is a row, and nothing of one line reaches the next. A key that a line lacks, and null, is NULL.
The columns are those that the caller names, or the keys of the lines at the beginning of the file that the table has;
in the second case any other key is an error of its line. So is a line that is no object.

The values go the way of CSV: the codec makes binary of what it surely reads as the server does, and whatever is
doubtful goes as text, for the server's own input functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timezone
from typing import ClassVar, Final

from ..codec import CsvState
from ..errors import DatabaseError, InterfaceError, reason
from ..errors.base import FaultInfo
from ..errors.faults import FAULT_CSV_FIELD, FAULT_CSV_UTF8
from .csvdialect import Dialect, dialect_of
from .csvfile import Utf8File
from .csvvalues import kernel_column, plain_mistake, surely_read, text_column
from .feed import ALL_ROWS, BINARY, TEXT, BlockWriter, Origin, Place, Reread, Span, copy_options
from .files import File
from .jsonchunks import JsonChunk, Lines, cut_lines
from .jsonvalues import BadLine, LineWriter, pairs_of
from .report import Meter
from .sources import FileOptions
from .target import Target
from .zones import session_zone

#: Bytes by whose lines the columns are told, and bytes of a part of the file that is read together.
_LOOKED_AT: Final = 1 << 20
_PART: Final = 1 << 20


class JsonLinesFeed:
    """The file."""

    kind: ClassVar[str] = "jsonl"

    def __init__(self, file: File, options: FileOptions) -> None:
        """Raises InterfaceError where the beginning of the file names no columns."""
        self._file = file
        self._dialect: Dialect = dialect_of(file, replace(FileOptions(delimiter=","), encoding=options.encoding))
        self._first = self._keys()
        self._target = Target("", "", "", ())
        self._utc = False
        self._way = BINARY
        self._closed = True
        self._writer = LineWriter((), True)
        self._span = Span()

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
        """The keys of the lines at the beginning, in the order in which they come; None where there are no lines."""
        return self._first or None

    def chosen(self, table: Sequence[str], columns: Sequence[str] | None) -> Sequence[str] | None:
        """The columns that the caller names, and all other keys are left out; or those of the first lines that the
        table has, and any other key is an error of its line. None where there are no lines."""
        self._closed = columns is None
        if columns is None and not self._first:
            return None
        return columns if columns is not None else [name for name in self._first if name in table] or self._first

    def _keys(self) -> tuple[str, ...]:
        head = self._file.head(_LOOKED_AT)
        text = head.decode(self._dialect.reading_encoding, "replace")
        lines = text.split("\n")
        if len(head) >= _LOOKED_AT and len(lines) > 1:
            lines.pop()  # which is cut short
        keys: dict[str, None] = {}
        for line in lines:
            try:
                keys.update(dict.fromkeys([key for key, _value in pairs_of(line)]))
            except BadLine:  # which is told of when the line is loaded
                continue
        if not keys and any(line.strip() for line in lines):
            raise InterfaceError(
                f"{self._file.name}: none of the first lines is an object of JSON that has keys, as each line has to be"
            )
        return tuple(keys)

    def prepare(self, target: Target, zone: str | None) -> str:
        """Settle which keys go where."""
        self._target, self._utc = target, session_zone(zone) is timezone.utc
        self._writer = LineWriter(target.columns, self._closed)
        sure = target.binary and all(surely_read(column) for column in target.columns)
        self._way = BINARY if sure else TEXT
        return self._way

    def copy_options(self) -> str:
        """The format."""
        return copy_options(self._way)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        out = BlockWriter(self._way == BINARY)
        for chunk in self._chunks(_PART, Place(), strict=True):
            at = 0
            while True:
                try:
                    reached = chunk.write(out, at, ALL_ROWS, None)
                except DatabaseError as exc:
                    if exc.fault is None:
                        raise
                    bad = at + exc.fault.at
                    verdict = chunk.verdict(bad, exc)
                    if verdict is None:
                        self._way = TEXT
                        raise Reread() from None
                    raise verdict from None
                if reached == at:
                    break
                meter.rows += reached - at
                at = reached
                if out.full:
                    yield meter.block(out.take())
        yield meter.block(out.finish())

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[JsonChunk]:
        """The lines in chunks of about so many bytes of UTF-8, from a place on."""
        return self._chunks(size_bytes, place)

    def _chunks(self, size_bytes: int, place: Place, strict: bool = False) -> Iterator[JsonChunk]:
        span, numbered = self._span, not self._span.start
        with Utf8File(self._file, self._dialect, lenient=True) as text:
            lines = Lines(text, size_bytes, span)
            asked = place.marks is not None
            if place.position < span.start:
                place = Place(span.start)
            line, skipped = lines.skip_to(place, self.name)
            line += span.line
            checksum = skipped if asked else None
            way, writer = self._way, self._writer
            for data in lines:
                chunk = JsonChunk(data, place, line, checksum, way, numbered, writer, self._state, self._judged)
                yield chunk
                place, line, checksum = chunk.place, line + chunk.lines, chunk.checksum
            span.check(lines.position, self.name)

    def spans(self, count: int) -> list[Span]:
        """Parts of about the same size, of a file that is UTF-8 as it lies; else the whole."""
        if not self._file.plain or not self._dialect.utf8:
            return [Span()]
        with Utf8File(self._file, self._dialect) as text:
            return cut_lines(text, self._file.size_bytes or 0, count)

    def take(self, span: Span) -> None:
        """Give the lines of this part alone."""
        self._span = span

    def _state(self, path: str) -> CsvState:
        make = kernel_column if path == BINARY else text_column
        columns = [make(index, column) for index, column in enumerate(self._target.columns)]
        return CsvState(len(columns), columns, utc=self._utc, binary=path == BINARY)

    def _judged(self, info: FaultInfo, origin: Origin, why: BadLine | None) -> DatabaseError | None:
        """The error for a line; None where the server's own input functions shall decide."""
        column = info.column if info.column >= 0 else None
        said: str | None
        if why is not None:
            said = str(why)
            if why.column in self._target.keys:
                column = self._target.keys.index(why.column)
        elif info.code == FAULT_CSV_FIELD and column is not None:
            said = plain_mistake(str(info.value), self._target.columns[column])
            if said is None:
                return None
        elif info.code == FAULT_CSV_UTF8:
            said = f"{info.value!r} is not valid UTF-8"
        else:
            value = info.value.decode("utf-8", "replace") if isinstance(info.value, bytes) else info.value
            said = reason(info.code, info.at, value)
        row = None if origin.row is None else origin.row - 1
        made = self._target.error(f"{said} (line {origin.line} of {self._file.label})", row, column)
        made.fault = info
        return made

    def place_of(self, row: int, _column: str | None, said: str) -> str:
        """What is said of a row, with its line."""
        line = 0
        with Utf8File(self._file, self._dialect, lenient=True) as text:
            for part in Lines(text, _PART):
                for each in part.removesuffix(b"\n").split(b"\n"):
                    line += 1
                    row -= bool(each and not each.isspace())
                    if row < 0:
                        return f"{said} (line {line} of {self._file.label})"
        return said

    def close(self) -> None:
        """Nothing is open between blocks."""
