"""CSV files as text: how they are written, their bytes in UTF-8, and their records.

Law of this file: a quote opens or closes wherever it stands, as the server reads it. The records are for errors and
for what a file begins with; its values are read elsewhere.

Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadAttributesCSV); RFC 4180.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple, cast

from ..errors import DataError
from .csvdialect import ENCODINGS, LENIENT, Dialect
from .files import HEAD_BYTES, File

#: The longest record that is looked at; what is longer has a quote that was never closed.
RECORD_LIMIT: Final = 1 << 30
_CHUNK: Final = 1 << 16
#: What stands for a byte that is none of the encoding.
_LONE: Final = re.compile("[\udc00-\udcff]")
_END_OF_LINE: Final = re.compile(rb"\r\n|\r|\n")


class UnreadableRecord(ValueError):
    """What stands in the file is no record: how many came before it, the line on which it begins, and why."""

    def __init__(self, number: int, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.number = number
        self.line = line
        self.why = why


class Record(NamedTuple):
    """The line on which a record ends, and its fields; a blank line has none."""

    line: int
    fields: list[str]


def records(opened: BinaryIO, dialect: Dialect) -> Iterator[Record]:
    """The records of an open file, which is closed behind them.

    Raises UnreadableRecord, and LookupError or UnicodeDecodeError for its encoding.
    """
    quote, quotes = dialect.quote, dialect.quotes
    number, line, length, inside = 0, 0, 0, False
    begun: list[str] = []
    with opened, io.TextIOWrapper(opened, dialect.reading_encoding, errors=LENIENT, newline="") as file:
        for line, text in enumerate(file, 1):
            if line <= dialect.skip_lines:
                continue
            if not begun and quote not in text:
                body = text.rstrip("\r\n")
                yield Record(line, body.split(dialect.delimiter) if body else [])
                number += bool(body)
                continue
            begun.append(text)
            inside = quotes.open_behind(text, inside)
            length += len(text)
            if length > RECORD_LIMIT:
                break
            if not inside:
                yield _quoted_record(line, "".join(begun).rstrip("\r\n"), dialect)
                number, length, begun = number + 1, 0, []
    if begun:
        raise UnreadableRecord(number, line - len(begun) + 1, "a quoted field is not closed")


def _quoted_record(line: int, text: str, dialect: Dialect) -> Record:
    """The record of a text whose quotes are closed: every second part between them is quoted."""
    if dialect.quotes.apart:
        return Record(line, dialect.quotes.fields(text, dialect.delimiter))
    fields: list[str] = []
    field: list[str] = []
    parts = text.split(dialect.quote)
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if index % 2:
            field.append(part)
        elif not part and 0 < index < last:
            field.append(dialect.quote)  # nothing between a closing quote and the next one: it was doubled
        else:
            pieces = part.split(dialect.delimiter)
            field.append(pieces[0])
            for piece in pieces[1:]:
                fields.append("".join(field))
                field = [piece]
    fields.append("".join(field))
    return Record(line, fields)


def first_record(source: File, dialect: Dialect) -> list[str]:
    """The fields of the first record, an empty list for an empty file.

    Raises DataError where a header is wanted and there is none, be it that blank lines come before it.
    """
    opened = source.open() if source.again else cast(BinaryIO, io.BytesIO(source.head(HEAD_BYTES)))
    try:
        with opened:
            found = records(opened, dialect)
            first = next(found, Record(0, [])).fields
            behind = None if first or not dialect.header else next((each for each in found if each.fields), None)
    except (UnreadableRecord, LookupError, UnicodeError) as exc:
        raise DataError(f"{source.name}: {exc}") from exc
    if behind is not None:
        raise DataError(
            f"{source.name}: the line where the header is wanted is blank; skip_lines={behind.line - 1} leaves out "
            "what comes before the next one"
        )
    if dialect.header and not first:
        raise DataError(f"{source.name}: the file is empty; a header is wanted (header=False where there is none)")
    if dialect.header and any(_LONE.search(name) for name in first):
        raise DataError(f"{source.name}: the header is not valid {dialect.encoding}{ENCODINGS}")
    if dialect.header and len(set(first)) < len(first):
        twice = next(name for name in first if first.count(name) > 1)
        raise DataError(f"{source.name}: the header names {twice!r} twice")
    return first


class Utf8File(io.RawIOBase):
    """The file in UTF-8 without a byte order mark, whatever encoding it is in."""

    def __init__(self, file: File, dialect: Dialect, lenient: bool = False) -> None:
        """Raises LookupError for an unknown encoding; reading raises UnicodeDecodeError where bytes are none, unless
        `lenient`: they are then read as what is no UTF-8 either, for whoever looks at single rows."""
        self._errors = (LENIENT, "surrogatepass") if lenient else ("strict", "strict")
        self._decoder = None if dialect.utf8 else codecs.getincrementaldecoder(dialect.encoding)(self._errors[0])
        self._ready = bytearray()
        self._file = file.open()
        self._mark_bytes = 0  # of a byte order mark, which is no part of the text
        if self._decoder is None:
            self._ready += self._file.read(len(codecs.BOM_UTF8))
            if self._ready == codecs.BOM_UTF8:
                self._ready.clear()
                self._mark_bytes = len(codecs.BOM_UTF8)
        self._skip(dialect.skip_lines)

    def _skip(self, lines: int) -> None:
        """Leave out so many lines, whichever way each one ends."""
        while lines:
            end = _END_OF_LINE.search(self._ready)
            # A carriage return that is the last byte so far may have its line feed behind it.
            if end is None or (end[0] == b"\r" and end.end() == len(self._ready)):
                raw = self._file.read(_CHUNK)
                self._ready += raw if self._decoder is None else self._recoded(raw)
                if raw:
                    continue
            if end is None:
                self._ready.clear()
                return
            del self._ready[: end.end()]
            lines -= 1

    def readable(self) -> bool:
        return True

    def go_to(self, position: int) -> None:
        """Read on from this byte of the text; of a file that is UTF-8 as it lies."""
        self._ready.clear()
        self._file.seek(position + self._mark_bytes)

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None else size
        if self._decoder is None and not self._ready:
            return self._file.read(wanted)
        while wanted < 0 or not self._ready:
            raw = self._file.read(_CHUNK)
            self._ready += raw if self._decoder is None else self._recoded(raw)
            if not raw:
                break
        data = bytes(self._ready if wanted < 0 else self._ready[:wanted])
        del self._ready[: len(data)]
        return data

    def _recoded(self, raw: bytes) -> bytes:
        assert self._decoder is not None
        return self._decoder.decode(raw, final=not raw).encode("utf-8", self._errors[1])

    def readinto(self, buffer: Any) -> int:
        if self._decoder is None and not self._ready:
            return int(self._file.readinto(buffer))  # type: ignore[attr-defined]  # the files of File.open have it
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
