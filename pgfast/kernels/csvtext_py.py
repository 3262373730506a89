"""Records of COPY's CSV format -> tuples of its binary format, or lines of its text format; the twin of `csvtext.pxd`.

Law of this file: a field is read only where it is surely read as the server's input function would read it; every other
one is a fault that says which. A text without a quote is cut by the methods of bytes, and what became of a short field
is kept for the next one like it.

Sources: docs, COPY, "CSV Format"; server: copyfromparse.c (CopyReadLineText, CopyReadAttributesCSV), numutils.c,
float.c, bool.c, datetime.c, uuid.c, varlena.c, char.c.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, Protocol

from .. import const
from ..errors import DataError, fault, faults
from ..errors.faults import buffer_misuse
from . import decode_py as forms
from . import encode_py as wire
from .csvforms_py import Doubt, Escaped, in_usual_form
from .shapes import Refused

#: (field, kind, limit, places): which field of a record the column is made of, and how. `limit` is the longest text in
#: bytes, of a numeric the digits before the point; `places` is how many digits a numeric has behind it.
CsvColumn = tuple[int, int, int, int]
Marks = tuple[bytes, bytes, bytes]
Maker = Callable[[bytes], bytes]
#: The field and whether a quote is in it.
Field = tuple[bytes, bool]

_LF: Final = b"\n"
_CR: Final = b"\r"
_CRLF: Final = b"\r\n"
#: What stands for a field in quotes, and for two quotes, while records are cut; and how many are cut one by one.
_HOLE: Final = b"\0"
_TWICE: Final = b"\1"
_STAND_INS: Final = frozenset((_HOLE, _TWICE))
_FEW_RECORDS: Final = 8
_NEWLINE: Final = re.compile(rb"[\r\n]")

#: A tuple counts its columns by an int16; a record that is longer than this has a quote astray.
_MOST_COLUMNS: Final = 0x7FFF
_MOST_FIELDS: Final = 1 << 20

#: Bytes that are cut together, and how many different fields of all columns together are kept, how long at most.
_WINDOW: Final = 1 << 16
_LARGE_WINDOW: Final = 1 << 20
_KEPT: Final = 1 << 16
_KEPT_BYTES: Final = 48
_FLOAT_TEXT: Final = 512
_SMALLEST_FLOAT4: Final = 2.0**-126

_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,19}")
_OID: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_DECIMAL: Final = re.compile(rb"[+-]?0*([0-9]*)(?:\.([0-9]*))?")
_FLOAT: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,8})?")
_ZERO: Final = re.compile(rb"[+-]?[0.]+(?:[eE].*)?")
_SPECIAL: Final = re.compile(rb"nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_DAY: Final = rb"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_TIME: Final = rb"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
DATE: Final = re.compile(_DAY)
CLOCK: Final = re.compile(_TIME)
TIMESTAMP: Final = re.compile(_DAY + rb"(?:[ T]" + _TIME + rb"(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?")
_UUID: Final = re.compile(rb"(\{)?[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}(?(1)\})", re.IGNORECASE)
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_ESCAPED: Final = re.compile(rb"[\x08-\x0d\\]")
_ESCAPES: Final = {8: rb"\b", 9: rb"\t", 10: rb"\n", 11: rb"\v", 12: rb"\f", 13: rb"\r", 92: rb"\\"}
_TRUE: Final = frozenset((b"t", b"tr", b"tru", b"true", b"y", b"ye", b"yes", b"on", b"1"))
_FALSE: Final = frozenset((b"f", b"fa", b"fal", b"fals", b"false", b"n", b"no", b"of", b"off", b"0"))


class Surveyed(Protocol):
    """What was seen of one column, of fields with a quote or without, one by one or many."""

    def add(self, data: bytes | None, quoted: bool) -> None: ...
    def add_many(self, texts: Iterable[bytes], quoted: Iterable[bytes]) -> None: ...


def _never() -> bool:
    return False


def check_form(
    width: int,
    columns: Sequence[CsvColumn],
    marks: Marks,
    escape: bytes,
    nulls: Sequence[Sequence[bytes]],
    shapes: Sequence[int],
) -> tuple[list[tuple[bytes, ...]], list[int]]:
    """The texts that mean NULL and the form of each column.

    Raises InterfaceError where these are no columns of records of `width` fields, or no marks of CSV.
    """
    delimiter, quote, null = marks
    for mark in (delimiter, quote, escape or quote):
        if len(mark) != 1 or mark[0] > 127 or mark in _CRLF:
            raise buffer_misuse(f"{mark!r} is not an ASCII character that may stand between or around fields")
    if delimiter in (quote, escape):
        raise buffer_misuse("the delimiter is the quote or the escape")
    if not 1 <= len(columns) <= min(width, _MOST_COLUMNS) or width > _MOST_FIELDS:
        raise buffer_misuse(f"{len(columns)} columns of {width} fields")
    if len({column[0] for column in columns}) < len(columns):
        raise buffer_misuse("two columns of one field")
    for field, kind, limit, places in columns:
        if not 0 <= field < width or kind not in const.CSV_KINDS:
            raise buffer_misuse(f"field {field} of {width} cannot be read as kind {kind}")
        if not all(const.MIN_INT64 <= number <= const.MAX_INT64 for number in (limit, places)):
            raise buffer_misuse("limit and places must fit in 64 bits")
    made = [tuple([bytes(text) for text in texts]) for texts in nulls] or [(null,)] * len(columns)
    ways = list(shapes) or [const.CSV_USUAL] * len(columns)
    if not len(made) == len(ways) == len(columns) or not all(const.CSV_USUAL <= way <= const.CSV_YMD for way in ways):
        raise buffer_misuse("nulls and forms are those of each column")
    return made, ways


def check_survey(start: int, stop: int, size: int, days: int) -> None:
    """Raises InterfaceError where these are no bytes of their block, or no order of days."""
    if not 0 <= start <= stop <= size:
        raise buffer_misuse(f"bytes {start}:{stop} lie outside their block of {size}")
    if days != const.CSV_USUAL and not const.CSV_DMY <= days <= const.CSV_YMD:
        raise buffer_misuse(f"{days} is no order of a day's parts")


# ---------------------------------------------------------------- values


def _integer(pack: Callable[[int], bytes], bits: int) -> Maker:
    def make(data: bytes) -> bytes:
        if not _INTEGER.fullmatch(data):
            raise Doubt(faults.FAULT_CSV_FIELD, data)
        value = int(data)
        if not -(1 << bits) <= value < 1 << bits:
            raise Doubt(faults.FAULT_CSV_FIELD, data)
        return pack(value)

    return make


def _oid(data: bytes) -> bytes:
    # The server takes 010 for an octal number, and -1 for the largest.
    if not _OID.fullmatch(data) or int(data) > forms.MAX_UINT32:
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return forms.U32.pack(int(data))


def _numeric(limit: int, places: int) -> Maker:
    def make(data: bytes) -> bytes:
        plain = _DECIMAL.fullmatch(data)
        if plain is None:
            doubtful = limit < const.NUMERIC_MAX_WHOLE_DIGITS
        else:
            whole, behind = len(plain[1]), len(plain[2] or b"")
            # Rounded to its places it may have one digit more.
            doubtful = whole > limit or (whole == limit and behind > places)
        if doubtful:
            raise Doubt(faults.FAULT_CSV_FIELD, data)
        try:
            return wire.numeric_from_text(data, 0, 0)
        except DataError:
            raise Doubt(faults.FAULT_CSV_FIELD, data) from None

    return make


def _float(data: bytes) -> float:
    number = _FLOAT.fullmatch(data)
    if len(data) > _FLOAT_TEXT or (number is None and not _SPECIAL.fullmatch(data)):
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    value = float(data)
    if number is not None and (math.isinf(value) or (value == 0 and not _ZERO.fullmatch(data))):
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return value


def _float8(data: bytes) -> bytes:
    return forms.F64.pack(_float(data))


def _float4(data: bytes) -> bytes:
    value = _float(data)
    if math.isfinite(value) and value:
        # Halfway between two of them, or with fewer bits: the digits beyond the double would decide.
        bits = int.from_bytes(forms.F64.pack(value), "big")
        if bits & 0x1FFFFFFF == 0x10000000 or abs(value) < _SMALLEST_FLOAT4:
            raise Doubt(faults.FAULT_CSV_FIELD, data)
    try:
        return forms.F32.pack(value)
    except OverflowError:
        raise Doubt(faults.FAULT_CSV_FIELD, data) from None


def days_of(year: bytes, month: bytes, day: bytes) -> int:
    """Days since 2000-01-01. Raises ValueError."""
    return date(int(year), int(month), int(day)).toordinal() - const.EPOCH_ORDINAL


def clock_us(hour: bytes | None, minute: bytes | None, second: bytes | None, fraction: bytes | None) -> int:
    """Microseconds since midnight. Raises ValueError."""
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError
    return ((hours * 60 + minutes) * 60 + seconds) * const.US_PER_SECOND + int((fraction or b"").ljust(6, b"0"))


def _date(data: bytes) -> bytes:
    found = DATE.fullmatch(data)
    try:
        if found is not None:
            return forms.I32.pack(days_of(*found.groups()))
    except ValueError:  # no day of the calendar: as where nothing was found
        found = None
    raise Doubt(faults.FAULT_CSV_FIELD, data)


def _time(data: bytes) -> bytes:
    found = CLOCK.fullmatch(data)
    try:
        if found is not None:
            return forms.I64.pack(clock_us(*found.groups()))
    except ValueError:  # no time of the day
        found = None
    raise Doubt(faults.FAULT_CSV_FIELD, data)


def _timestamp(zoned: bool, utc: bool) -> Maker:
    def make(data: bytes) -> bytes:
        found = TIMESTAMP.fullmatch(data)
        try:
            if found is not None:
                east = east_of(found)
                if (east is None) if not zoned else (utc or east is not None):
                    us = days_of(*found.groups()[:3]) * const.US_PER_DAY + clock_us(*found.groups()[3:7])
                    return forms.I64.pack(us - (east or 0))
        except ValueError:  # no day of the calendar, no time of the day or no offset
            found = None
        raise Doubt(faults.FAULT_CSV_FIELD, data)

    return make


def east_of(found: re.Match[bytes]) -> int | None:
    """Microseconds east of UTC, None where no offset is written. Raises ValueError for one of 16 hours and more."""
    if found[8]:
        return 0
    if found[9] is None:
        return None
    hours, minutes = int(found[10]), int(found[11] or 0)
    if hours > 15 or minutes > 59:
        raise ValueError
    us = (hours * 60 + minutes) * 60 * const.US_PER_SECOND
    return -us if found[9] == b"-" else us


def _bool(data: bytes) -> bytes:
    word = data.lower()
    if word not in _TRUE and word not in _FALSE:
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return b"\1" if word in _TRUE else b"\0"


def _uuid(data: bytes) -> bytes:
    if not _UUID.fullmatch(data):
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return bytes.fromhex(data.strip(b"{}").replace(b"-", b"").decode("ascii"))


def _bytea(data: bytes) -> bytes:
    if data[:2] == rb"\x":
        if not _HEX.fullmatch(data, 2):
            raise Doubt(faults.FAULT_CSV_FIELD, data)
        return bytes.fromhex(data[2:].decode("ascii"))
    if not data.isascii() or 0 in data or 92 in data:
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return data


def _char(data: bytes) -> bytes:
    if len(data) != 1 or data[0] > 127 or data in b"\0\\":
        raise Doubt(faults.FAULT_CSV_FIELD, data)
    return data


def _checked(data: bytes) -> bytes:
    """The bytes, which must be UTF-8 without NUL."""
    if 0 in data:
        raise Doubt(faults.FAULT_NUL, data)
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise Doubt(faults.FAULT_CSV_UTF8, data) from None
    return data


def _text(limit: int, lead: bytes) -> Maker:
    def make(data: bytes) -> bytes:
        _checked(data)
        if len(data) > limit:
            raise Doubt(faults.FAULT_CSV_FIELD, data)
        return lead + data

    return make


_FIXED: Final[dict[int, Maker]] = {
    const.KIND_INT2: _integer(forms.I16.pack, 15),
    const.KIND_INT4: _integer(forms.I32.pack, 31),
    const.KIND_INT8: _integer(forms.I64.pack, 63),
    const.KIND_OID: _oid,
    const.KIND_FLOAT4: _float4,
    const.KIND_FLOAT8: _float8,
    const.KIND_DATE: _date,
    const.KIND_TIME: _time,
    const.KIND_BOOL: _bool,
    const.KIND_UUID: _uuid,
    const.KIND_BYTES: _bytea,
    const.KIND_CHAR: _char,
}


def _maker(kind: int, limit: int, places: int, utc: bool) -> Maker:
    """What makes the kind's binary form of a field."""
    if kind == const.KIND_NUMERIC:
        return _numeric(limit, places)
    if kind in (const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ):
        return _timestamp(kind == const.KIND_TIMESTAMPTZ, utc)
    return _FIXED.get(kind) or _text(limit, b"\1" if kind == const.KIND_JSONB else b"")


def _with_length(make: Maker) -> Maker:
    def made(data: bytes) -> bytes:
        value = make(data)
        return forms.I32.pack(len(value)) + value

    return made


def _escaped(data: bytes) -> bytes:
    """The field as a field of text COPY."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0][0]], _checked(data))


def _formed(form: int, make: Maker) -> Maker:
    return lambda data: make(in_usual_form(form, data))


class Fields(dict["bytes | None", bytes]):
    """Fields of one column and what is made of them; those that are not there are made when they are asked for."""

    __slots__ = ("_column", "_known", "_make", "_most")

    def __init__(self, column: int, make: Maker, known: dict[bytes | None, bytes], most: int) -> None:
        """`known` stays whatever comes; `most` are kept."""
        super().__init__(known)
        self._column = column
        self._make = make
        self._known = known
        self._most = most

    def __missing__(self, data: bytes | None) -> bytes:
        assert data is not None  # which is among the known ones
        try:
            made = self._make(data)
        except Doubt as exc:
            exc.column = self._column
            raise
        if len(data) <= _KEPT_BYTES:
            if len(self) >= self._most:
                self.clear()
                self.update(self._known)
            self[data] = made
        return made


# ---------------------------------------------------------------- records


class CsvReader:
    """The records of one stream, and what is made of them."""

    __slots__ = (
        *("_binary", "_delimiter", "_eol", "_escaped", "_fill", "_head", "_header", "_plain", "_quote", "_quoted"),
        *("_which", "_width"),
    )

    def __init__(
        self,
        width: int,
        columns: Sequence[CsvColumn],
        marks: Marks,
        header: bool,
        utc: bool,
        binary: bool,
        escape: bytes,
        nulls: Sequence[Sequence[bytes]],
        shapes: Sequence[int],
        fill: bool,
    ) -> None:
        """As CsvState, with what `check_form` gave back."""
        self._delimiter, self._quote, _null = marks
        self._escaped = Escaped(self._quote, escape) if escape not in (b"", self._quote) else None
        self._fill = fill
        self._width = width
        self._header = header
        self._binary = binary
        self._eol = b""
        self._head = forms.I16.pack(len(columns))
        self._which = [column[0] for column in columns]
        most = max(16, _KEPT // len(columns))
        self._plain: list[Fields] = []
        self._quoted: list[Fields] = []
        for index, (_field, kind, limit, places) in enumerate(columns):
            make = _with_length(_maker(kind, limit, places, utc)) if binary else _escaped
            if shapes[index] != const.CSV_USUAL:
                make = _formed(shapes[index], make)
            null = wire.NULL_LENGTH if binary else rb"\N"
            # None stands for a field that the record does not have.
            self._plain.append(Fields(index, make, dict.fromkeys((None, *nulls[index]), null), most))
            self._quoted.append(Fields(index, make, {}, most))

    def write(
        self,
        out: bytearray,
        block: memoryview,
        start: int,
        stop: int,
        final: bool,
        limit_bytes: int,
        refused: list[Refused] | None,
    ) -> tuple[int, int]:
        """(the position reached, rows written or refused), as of `encode_copy_csv`."""
        put = partial(self._put, out) if refused is None else partial(self._put_or_refuse, out, refused)
        return self._read(block, start, stop, final, put, lambda: len(out) >= limit_bytes)

    def survey(
        self, block: memoryview, start: int, stop: int, final: bool, seen: Sequence[Surveyed], which: Sequence[int]
    ) -> tuple[int, int]:
        """(the position reached, rows read): each of `seen` is told of its field (`which`) of all records."""
        columns, before, rows, window = list(zip(seen, which, strict=True)), (self._header, self._eol), 0, _LARGE_WINDOW

        def take(record: bytes, row: int) -> None:
            try:
                fields = self._fields(record, row)
            except DataError:  # of another width, and not looked at
                return
            quotes = self._quote in record
            for each, field in columns:
                each.add(*fields[field] if quotes else (fields[field], False))

        def begun() -> bool:
            return not self._header and self._eol != b""

        try:
            while start < stop:
                end = min(start + window, stop)
                reached = start
                if begun():
                    records, size = self._split_lines(bytes(block[start:end]))
                    reached += size
                    rows += self._survey_lines(records, columns, take)
                if reached == start:
                    last = final and end == stop
                    reached, rows = self._read(block, start, end, last, take, begun if not begun() else _never, rows)
                if reached == start:
                    if end == stop:
                        break
                    window *= 2  # the record is longer
                start = reached
        except DataError:
            self._header, self._eol = before
            raise
        return start, rows

    def _split_lines(self, text: bytes) -> tuple[list[bytes], int]:
        """The complete records and how many bytes they take; none where lines end in several ways."""
        if not self._ends_alike(text) or (self._escaped is not None and self._quote in text):
            return [], 0
        *lines, rest = text.split(self._eol)
        if self._quote not in text:
            return lines, len(text) - len(rest)
        records: list[bytes] = []
        open_lines: list[bytes] = []
        for line in lines:
            if line.count(self._quote) % 2:
                open_lines.append(line)
                if len(open_lines) > 1:
                    records.append(self._eol.join(open_lines))
                    open_lines = []
            elif open_lines:
                open_lines.append(line)
            else:
                records.append(line)
        left = self._eol.join([*open_lines, rest])
        return records, len(text) - len(left)

    def _survey_lines(
        self,
        records: list[bytes],
        columns: Sequence[tuple[Surveyed, int]],
        take: Callable[[bytes, int], None],
    ) -> int:
        """How many rows there are; their fields are told column by column where no quote is in a record."""
        delimiter, quote, between = self._delimiter, self._quote, self._width - 1
        rows = records if self._width == 1 else [record for record in records if record]
        usual: list[bytes] = []
        quoted: list[bytes] = []
        for record in rows:
            if quote in record:
                quoted.append(record)
            elif record.count(delimiter) == between:
                usual.append(record)
            else:
                take(record, 0)
        if quoted:
            self._survey_quoted(quoted, columns, take)
        if usual:
            fields = delimiter.join(usual).split(delimiter)
            for each, which in columns:
                each.add_many(fields[which :: self._width], ())
        return len(rows)

    def _survey_quoted(
        self,
        records: list[bytes],
        columns: Sequence[tuple[Surveyed, int]],
        take: Callable[[bytes, int], None],
    ) -> None:
        """Tell of records with quotes: column by column where these enclose fields and nothing else."""
        delimiter, quote, width = self._delimiter, self._quote, self._width
        text = _LF.join(records)
        if _HOLE not in text and _TWICE not in text and delimiter not in _STAND_INS:
            # Two quotes together are one in quotes, or an empty field; each field in quotes becomes a hole, so that
            # nothing in it is taken for a delimiter.
            parts = text.replace(quote * 2, _TWICE).split(quote)
            shape = _HOLE.join(parts[::2])
            lines = shape.split(_LF)
            fields = delimiter.join(lines).split(delimiter)
            holes = [at for at, field in enumerate(fields) if field == _HOLE]
            if (
                len(holes) == len(parts) // 2
                and fields.count(_TWICE) == shape.count(_TWICE)
                and len(lines) == len(records)
                and all(line.count(delimiter) == width - 1 for line in lines)
            ):
                inside: list[list[bytes]] = [[] for _ in range(width)]
                for at, found in zip(holes, parts[1::2], strict=True):
                    inside[at % width].append(found.replace(_TWICE, quote) if _TWICE in found else found)
                for each, which in columns:
                    bare, enclosed = set(fields[which::width]), inside[which]
                    if _TWICE in bare:
                        enclosed.append(b"")
                    each.add_many(bare - _STAND_INS, enclosed)
                return
        if len(records) > _FEW_RECORDS:
            half = len(records) // 2
            self._survey_quoted(records[:half], columns, take)
            self._survey_quoted(records[half:], columns, take)
            return
        for record in records:
            take(record, 0)

    def _read(
        self,
        block: memoryview,
        start: int,
        stop: int,
        final: bool,
        put: Callable[[bytes, int], None],
        full: Callable[[], bool],
        rows: int = 0,
    ) -> tuple[int, int]:
        """(the position reached, rows read and those before): hands records on, with their numbers, until it is
        full."""
        window, before = _WINDOW, (self._header, self._eol)
        while start < stop and not full():
            end = min(start + window, stop)
            text = bytes(block[start:end])
            last = final and end == stop
            begun = start
            try:
                for record, size in self._records(text, last):
                    start += size
                    if self._header:
                        self._header = False
                    elif record or self._width == 1:
                        put(record, rows)
                        rows += 1
                    if full():
                        break
            except DataError:
                self._header, self._eol = before
                raise
            except Doubt as exc:
                self._header, self._eol = before
                raise fault(exc.code, rows, exc.column, exc.value) from None
            if start == begun:
                if end == stop:
                    break
                window *= 2  # the record is longer
        return start, rows

    def _records(self, text: bytes, final: bool) -> Iterator[tuple[bytes, int]]:
        """The complete records and how many bytes each one takes with its end. Raises Doubt."""
        if self._uniform(text):
            *lines, rest = text.split(self._eol)
            more = len(self._eol)
            for line in lines:
                yield line, len(line) + more
            if final and rest:
                yield rest, len(rest)
            return
        at = 0
        while at < len(text):
            found = self._end(text, at, final)
            if found is None:
                return
            end, behind = found
            yield text[at:end], behind - at
            at = behind

    def _uniform(self, text: bytes) -> bool:
        """Whether there is no quote in the text, and all its lines end as the lines before."""
        return self._quote not in text and self._eol != b"" and self._ends_alike(text)

    def _ends_alike(self, text: bytes) -> bool:
        """Whether all lines end as the lines before, be it in quotes."""
        if self._eol == _CRLF:
            return text.count(_CR) == text.count(_LF) == text.count(_CRLF)
        return (_CR if self._eol == _LF else _LF) not in text

    def _end(self, text: bytes, at: int, final: bool) -> tuple[int, int] | None:
        """Where the record at `at` ends and where the next one begins; None while that is not known."""
        if self._escaped is not None:
            return self._escaped_end(self._escaped, text, at, final)
        quotes, seen = 0, at
        while True:
            found = _NEWLINE.search(text, seen)
            end = len(text) if found is None else found.start()
            quotes += text.count(self._quote, seen, end)
            if found is None:
                if not final:
                    return None
                if quotes % 2:
                    raise Doubt(faults.FAULT_CSV_RECORD, b"")
                return end, end
            if quotes % 2 == 0:
                behind = self._end_line(text, end, final)
                return None if behind is None else (end, behind)
            seen = end + 1

    def _escaped_end(self, escaped: Escaped, text: bytes, at: int, final: bool) -> tuple[int, int] | None:
        """As `_end`, where another character than the quote makes a quote a part of its field."""
        end = escaped.line_end(text, at)
        if end is None:
            if final:
                raise Doubt(faults.FAULT_CSV_RECORD, b"")
            return None
        if end == len(text):
            return (end, end) if final else None
        behind = self._end_line(text, end, final)
        return None if behind is None else (end, behind)

    def _end_line(self, text: bytes, end: int, final: bool) -> int | None:
        """Where the line behind the one that ends at `end` begins; None while that is not known."""
        found = text[end : end + 1]
        if found == _CR and self._eol in (b"", _CRLF):
            if end + 1 == len(text) and not final:
                return None
            if text[end + 1 : end + 2] == _LF:
                found = _CRLF
        if self._eol not in (b"", found):
            raise Doubt(faults.FAULT_CSV_RECORD, b"")
        self._eol = found
        return end + len(found)

    def _put(self, out: bytearray, record: bytes, row: int) -> None:
        """Append what is made of a record. Raises DataError and Doubt."""
        fields = self._fields(record, row)
        if self._quote in record:
            chosen = [fields[which] for which in self._which]
            ways = [self._quoted[index] if field[1] else self._plain[index] for index, field in enumerate(chosen)]
            texts = [field[0] for field in chosen]
        else:
            texts = [fields[which] for which in self._which]
            ways = self._plain
        made = [way[text] for way, text in zip(ways, texts, strict=True)]
        out += self._head + b"".join(made) if self._binary else b"\t".join(made) + _LF

    def _put_or_refuse(self, out: bytearray, refused: list[Refused], record: bytes, row: int) -> None:
        """As `_put`, but that faults are noted."""
        try:
            self._put(out, record, row)
        except Doubt as exc:
            refused.append((row, exc.code, exc.column, exc.value))
        except DataError as exc:
            info = exc.fault
            if info is None:
                raise
            refused.append((row, info.code, info.column, info.value))

    def _fields(self, record: bytes, row: int) -> list[Any]:
        """The fields of a record, None for those that it lacks; where there is a quote in it, each comes with the word
        whether one is in the field. Raises DataError."""
        fields: list[Any]
        if self._quote in record:
            fields = self._split(record) if self._escaped is None else self._escaped.split(record, self._delimiter)
            self._check_width(fields, row, (None, False))
        else:
            fields = record.split(self._delimiter)
            self._check_width(fields, row, None)
        return fields

    def _check_width(self, fields: list[Any], row: int, absent: Any) -> None:
        """See that there are as many fields as a record has, with `absent` for those that it may lack."""
        if self._fill and len(fields) < self._width:
            fields += [absent] * (self._width - len(fields))
        if len(fields) != self._width:
            raise fault(faults.FAULT_ROW_WIDTH, row, -1, (len(fields), self._width))

    def _split(self, record: bytes) -> list[Field]:
        """The fields of a record with quotes in it: every second part between them is quoted."""
        fields: list[Field] = []
        pieces: list[bytes] = []
        quoted = False
        parts = record.split(self._quote)
        last = len(parts) - 1
        for index, part in enumerate(parts):
            if index % 2:
                pieces.append(part)
            elif not part and 0 < index < last:
                pieces.append(self._quote)  # nothing between a closing quote and the next one: it was doubled
            else:
                first, *others = part.split(self._delimiter)
                pieces.append(first)
                for other in others:
                    fields.append((b"".join(pieces), quoted))
                    pieces, quoted = [other], False
            quoted = quoted or index < last
        fields.append((b"".join(pieces), quoted))
        return fields
