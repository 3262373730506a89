"""Chunks of a CSV file: the bytes of some whole records.

Law of this file: a record ends where a line ends outside of quotes; that is all that is looked for as long as nothing
is wrong. Where the records lie is only looked up once one of them is, and then each goes one of three ways: written by
the codec, left to the server's own input functions, or refused.

Sources: docs, COPY, "CSV Format"; RFC 4180.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, compress
from operator import eq
from typing import Final, Protocol
from zlib import crc32

from ..codec import CsvState, encode_copy_csv
from ..errors import DatabaseError, fault
from ..errors.base import FaultInfo
from ..errors.faults import FAULT_CSV_RECORD
from ..kernels.shapes import Refused
from .csvfile import RECORD_LIMIT, Utf8File
from .csvquotes import Quotes
from .feed import ALL_ROWS, BLOCK_SIZE, BlockWriter, Left, Origin, Place, Span, Why
from .textchunks import TextChunk, mark_of, part_bytes, text_blocks

#: Bytes at the beginning of a text by which is told how its lines end.
_LOOKED_AT: Final = 1 << 16
#: Bytes in which records are looked for together.
_TOGETHER: Final = 1 << 20
#: Bytes that are read at a time while records are written.
_PIECE: Final = 1 << 18
_ENDLESS: Final = 2**62
_WHOLE: Final = Span()
_LF, _CR, _CRLF = b"\n", b"\r", b"\r\n"


class States(Protocol):
    """The state of the codec for a way the rows go: the feed's own, which knows how lines end, or a new one."""

    def __call__(self, path: str, end_of_line: bytes = b"") -> CsvState: ...


class Judge(Protocol):
    """What is wrong with a record, as an error or as a reason; None where the server shall read it."""

    def verdict(self, info: FaultInfo, origin: Origin) -> DatabaseError | None: ...
    def why(self, info: FaultInfo, origin: Origin) -> Why | None: ...


class CsvChunk(TextChunk):
    """Whole records, blank lines among them.

    The text is read while the records are written for the first time, so that the server has its work meanwhile; as
    soon as anything is asked that only all of the chunk can tell, the rest is read at once.
    """

    __slots__ = (
        *("_at", "_counted", "_data", "_end", "_ends", "_even", "_judge", "_lines", "_position", "_quotes", "_source"),
        *("_starts", "_state", "_states", "_wanted", "_way", "_width"),
    )

    def __init__(
        self,
        source: Records,
        place: Place,
        line: int,
        before: int | None,
        path: str,
        width: int,
        numbered: bool,
        states: States,
        judge: Judge,
    ) -> None:
        """As of TextChunk. It begins where `source` stands; `width`: fields of a record."""
        super().__init__(place, line, before, path, numbered)
        self._states = states
        self._judge = judge
        self._width, self._quotes, self._end = width, source.quotes, source.end_of_line
        self._source: Records | None = source  # as long as there may be more to read
        self._wanted = source.size_bytes
        self._data: bytes | bytearray = bytearray(source.rest)
        source.rest = b""  # which may be a record of a gigabyte
        self._lines = self._data.count(self._end[-1:])
        # Of each record, once they are looked up, and its end without that of its line.
        self._starts: array[int] | None = None
        self._ends: array[int] = array("q")
        self._even = False
        self._state: CsvState | None = None
        self._way = path
        self._at = 0  # the row and the position that the state has reached
        self._position = 0
        self._counted = 0, 0  # bytes whose ends of lines have been counted, and how many there are

    @property
    def data(self) -> bytes | bytearray:
        """All of the text."""
        if self._source is not None:
            # A new object: of the old one a view may be held by the traceback of a fault.
            data = bytes(self._data) + self._source.read(self._wanted - len(self._data))
            while True:
                ended = len(data) < self._wanted
                edge = len(data) if ended else record_edge(data, self._quotes, self._end)
                if edge or len(data) > RECORD_LIMIT:
                    break
                self._wanted *= 2
                data += self._source.read(self._wanted - len(data))
            self._data = data
            self._lines = data.count(self._end[-1:])
            self._cut(edge or len(data))
        return self._data

    def _cut(self, edge: int) -> None:
        """The chunk ends here; what was read behind it is the source's again."""
        assert self._source is not None
        rest = bytes(self._data[edge:])
        if rest:
            self._lines -= rest.count(self._end[-1:])
            if isinstance(self._data, bytearray):
                del self._data[edge:]
            else:
                self._data = self._data[:edge]
        self._source.give_back(rest, edge)
        self._source = None

    def _grow(self) -> None:
        """Read on, behind records that are written already, or find that this is the end."""
        assert self._source is not None
        assert isinstance(self._data, bytearray)
        if len(self._data) >= self._wanted:
            if self._position or len(self._data) > RECORD_LIMIT:
                self._cut(self._position or len(self._data))
                return
            self._wanted *= 2
        # What is no whole record is looked at again, so as much as there is comes each time.
        wanted = min(max(_PIECE, len(self._data) - self._position), self._wanted - len(self._data))
        more = self._source.read(wanted)
        self._data += more
        self._lines += more.count(self._end[-1:])
        if len(more) < wanted:
            self._cut(len(self._data))

    @property
    def lines(self) -> int:
        """How many lines end in it."""
        return self._lines if self.data else 0

    @property
    def rows(self) -> int:
        """How many records it holds."""
        if self._starts is None and self._position == len(self.data):
            return self._at  # all were written without a doubt
        return len(self._records)

    @property
    def _records(self) -> array[int]:
        """Where each record begins."""
        if self._starts is None:
            self._data = bytes(self.data)
            self._starts, self._ends = edges(self._data, self._quotes, self._end, self._width == 1)
            # As many lines as records, and the last one ended: each is one line then.
            self._even = len(self._starts) == self._lines and self._data.endswith(self._end[-1:])
        return self._starts

    def write(self, out: BlockWriter, start: int, stop: int, left: list[Left] | None) -> int:
        """As Chunk says."""
        if self._starts is not None and start >= len(self._starts):
            return start
        if self._state is None or self.path != self._way:
            self._state, self._way = self._states(self.path, self._end), self.path
        if start != self._at:
            self._at, self._position = start, self._records[start] if start else 0
        refused: list[Refused] | None = None if left is None else []
        limit = None if stop >= ALL_ROWS or stop >= len(self._records) else self._records[stop]
        while True:
            growing = self._source is not None
            try:
                self._position, count = encode_copy_csv(
                    out.buffer,
                    self._state,
                    self._data,
                    self._position,
                    len(self._data) if limit is None else limit,
                    not growing,
                    BLOCK_SIZE,
                    refused,
                )
            except DatabaseError as exc:
                if exc.fault is not None and exc.fault.code == FAULT_CSV_RECORD:
                    self._explain(start, refused, left)
                    return self._write_apart(out, start, stop, exc)
                raise
            self._at = start + count
            self._explain(start, refused, left)
            self.sum_up(self._data, self._position)
            if count or not growing:
                return self._at
            self._grow()

    def _explain(self, start: int, refused: list[Refused] | None, left: list[Left] | None) -> None:
        """Say of each row that was refused, counted from `start`, why."""
        if not refused or left is None:
            return
        for number, code, column, value in refused:
            row = start + number
            left.append((row, self._judge.why(FaultInfo(code, number, column, value), self.origin(row))))

    def _write_apart(self, out: BlockWriter, start: int, stop: int, exc: DatabaseError) -> int:
        """The record whose line ends otherwise than those before it: it is as good as they where it is one by itself.

        Where that line is blank and no record, the one behind it is written, if there is one before `stop`. Raises its
        fault where it is none.
        """
        assert exc.fault is not None
        bad = start + exc.fault.at
        if bad >= min(stop, len(self._records)):
            return bad  # blank lines are all that was left
        record = bytes(self._data[self._records[bad] : self._ends[bad]])
        if self._quotes.ends_inside(record):
            raise exc  # it would be several
        try:
            # With the end of its line: without it a blank one would be none.
            text = record + _LF
            encode_copy_csv(out.buffer, self._states(self.path), text, 0, len(text), True, 2**62)
        except DatabaseError as alone:
            if alone.fault is None:
                raise
            info = alone.fault
            raise fault(info.code, exc.fault.at, info.column, info.value) from None
        return bad + 1

    def origin(self, row: int) -> Origin:
        """The record, and the line on which it begins."""
        starts = self._starts or self._records
        start, lines = starts[row], row
        if not self._even:
            counted, lines = self._counted if self._counted[0] <= start else (0, 0)
            lines += self._data.count(self._end[-1:], counted, start)
            self._counted = start, lines
        return Origin(self._number(row), self.line + lines + 1, bytes(self._data[start : self._ends[row]]))

    def verdict(self, row: int, exc: DatabaseError) -> DatabaseError | None:
        """As Chunk says."""
        assert exc.fault is not None
        return self._judge.verdict(exc.fault, self.origin(row))


def edges(data: bytes, marks: Quotes, end_of_line: bytes, alone: bool) -> tuple[array[int], array[int]]:
    """Where each record begins and ends, the end of its line left out; blank lines are records where fields stand
    `alone`."""
    starts, ends, mark, quote = array("q"), array("q"), end_of_line[-1:], marks.quote
    data = marks.covered(data)
    begun = at = quotes = 0  # where the record begins that is not closed yet, and how many quotes it has so far
    while at < len(data):
        stop = data.rfind(mark, at, at + _TOGETHER) + 1 or data.find(mark, at) + 1 or len(data)
        piece = data[at:stop]
        lines = piece.split(mark)
        if not lines[-1]:
            lines.pop()
        closed = list(accumulate([len(line) + 1 for line in lines], initial=at))[1:]
        if quotes or quote in piece:
            counts = list(accumulate([line.count(quote) for line in lines], initial=quotes))[1:]
            closed = [each for each, count in zip(closed, counts, strict=True) if count % 2 == 0]
            quotes = counts[-1] % 2
        at = stop
        if at >= len(data) > (closed[-1] if closed else begun):
            closed.append(len(data) + 1)  # what is left has a quote that is never closed
        if closed:
            begins, begun = [begun, *closed[:-1]], closed[-1]
            bare = [each - 1 for each in closed]
            if mark == _LF and _CR in piece:
                bare = [
                    end - (end > start and data[end - 1] == _CR[0]) for start, end in zip(begins, bare, strict=True)
                ]
            if not alone and any(map(eq, begins, bare)):
                kept = [start < end for start, end in zip(begins, bare, strict=True)]
                begins, bare = list(compress(begins, kept)), list(compress(bare, kept))
            starts.extend(begins)
            ends.extend(bare)
    return starts, ends


def record_edge(data: bytes, quotes: Quotes, end_of_line: bytes) -> int:
    """Where the last whole record of the data ends, 0 where none does; they begin with a record.

    A line ends with a line feed, or with a carriage return in a file that knows no line feeds.
    """
    mark, quote, data = _CR if end_of_line == _CR else _LF, quotes.quote, quotes.covered(data)
    limit, odd = len(data), data.count(quote) % 2
    while True:
        at = data.rfind(mark, 0, limit)
        if at < 0:
            return 0
        odd ^= data.count(quote, at + 1, limit) % 2
        if not odd:
            return at + 1
        # Inside of quotes: whatever lies between here and the quote before is too.
        limit, odd = data.rfind(quote, 0, at), 0


def end_of_lines(head: bytes, marks: Quotes, mark: bytes, final: bool) -> bytes:
    """How lines end, by the first of these: b"\\n", b"\\r\\n" or b"\\r"; b"" where more than the head would tell.

    `mark` is the last byte of an end where that is known, else b""; `final`: the head is all there is.
    """
    head, at, quotes = marks.covered(head), 0, 0
    ends = {each: head.find(each) for each in ([mark] if mark else [_LF, _CR])}
    while found := [end for end in ends.values() if end >= 0]:
        end = min(found)
        quotes += head.count(marks.quote, at, end)
        if quotes % 2 == 0:
            if head[end : end + 1] == _LF:
                return head[end - 1 : end + 1] if mark and head[end - 1 : end] == _CR else _LF
            behind = head[end + 1 : end + 2]
            return _CRLF if behind == _LF and not mark else _CR if mark or behind or final else b""
        at = end
        ends = {each: head.find(each, at + 1) if place == end else place for each, place in ends.items()}
    return (mark or _LF) if final else b""


class Records:
    """The bytes of a text, cut at the edges of records."""

    __slots__ = ("_left", "_text", "end_of_line", "position", "quotes", "rest", "size_bytes")

    def __init__(self, text: Utf8File, quotes: Quotes, size_bytes: int, span: Span = _WHOLE) -> None:
        """`size_bytes`: how long a cut should be. `position` is where the next one begins, `rest` what of it was read
        already."""
        self._text = text
        self.quotes = quotes
        self.size_bytes = size_bytes
        self._left = _ENDLESS
        self.position = span.start
        self.rest = b""
        self.end_of_line = self._end_of_lines(b"")
        if span != _WHOLE:
            self._left = _ENDLESS if span.stop is None else span.stop - span.start
            text.go_to(span.start)
            self.rest = b""
            self.end_of_line = self._end_of_lines(self.end_of_line[-1:])

    def _end_of_lines(self, mark: bytes) -> bytes:
        """How lines end, by the first one of the rest, which is read as far as that takes; `mark` as of end_of_lines.

        The first line of a file, which may be a header of another origin, says what parts lines; the first one that is
        written says the rest.
        """
        final = False
        while not (found := end_of_lines(self.rest, self.quotes, mark, final)):
            more = self.read(max(len(self.rest), min(self.size_bytes, _LOOKED_AT)))
            self.rest += more
            final = not more or len(self.rest) > RECORD_LIMIT
        return found

    def skip_record(self) -> tuple[int, int]:
        """How many lines the first record takes, which is left out, and its checksum."""
        mark, end, seen, quotes = _CR if self.end_of_line == _CR else _LF, -1, 0, 0
        while True:
            covered = self.quotes.covered(self.rest)
            end = covered.find(mark, seen)
            if end >= 0:
                quotes += covered.count(self.quotes.quote, seen, end)
                if quotes % 2 == 0:
                    break
                seen = end + 1
            elif more := self.read(self.size_bytes):
                self.rest += more
            else:
                end = len(self.rest) - 1
                break
        self.position += end + 1
        lines, checksum = self.rest.count(mark, 0, end + 1), crc32(self.rest[: end + 1])
        self.rest = self.rest[end + 1 :]
        self.end_of_line = self._end_of_lines(mark)
        return lines, checksum

    def skip_to(self, place: Place, source: str) -> tuple[int, int]:
        """How many lines end before a place where a record begins, and the checksum of what comes before it.

        Raises DataError where that is not what it was.
        """
        mark, lines, checksum = _CR if self.end_of_line == _CR else _LF, 0, 0
        while self.position < place.position:
            wanted = min(self.size_bytes, place.position - self.position)
            data = self.rest[:wanted] or self.read(wanted)
            if not data:
                raise place.short(self.position, source)
            self.rest = self.rest[len(data) :]
            self.position += len(data)
            lines += data.count(mark)
            checksum = crc32(data, checksum)
        place.check(place.position, mark_of(checksum), source)
        self.end_of_line = self._end_of_lines(mark)
        return lines, checksum

    @property
    def ended(self) -> bool:
        """Whether nothing is left; reads on to know."""
        self.rest = self.rest or self.read(min(self.size_bytes, _PIECE))
        return not self.rest

    def give_back(self, rest: bytes, taken: int) -> None:
        """So many bytes were taken, the rest was not."""
        self.rest = rest
        self.position += taken

    def read(self, size_bytes: int) -> bytes:
        """So many bytes behind the rest, fewer at the end."""
        parts: list[bytes] = []
        size_bytes = min(size_bytes, self._left)
        while size_bytes > 0 and (more := self._text.read(size_bytes)):
            parts.append(more)
            size_bytes -= len(more)
            self._left -= len(more)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def cut_text(text: Utf8File, size_bytes: int, marks: Quotes, count: int) -> list[Span]:
    """About `count` parts of a text of so many bytes, each beginning with a record.

    All of it is read, since a quote at its beginning may make a difference for its end; quotes and lines are counted.
    """
    step, quote = part_bytes(size_bytes, count), marks.quote
    made: list[Span] = []
    start = at = quotes = lines = line = 0
    mark = b""
    for data in text_blocks(text):
        mark = mark or end_of_lines(data, marks, b"", False)[-1:] or _LF
        begun = 0
        while begun < len(data):
            # Behind this byte the next end of a line outside of quotes ends the part.
            due = max(begun, start + step - at)
            if due >= len(data):
                break
            end = data.find(mark, due)
            if end < 0:
                break
            quotes += data.count(quote, begun, end)
            line += data.count(mark, begun, end + 1)
            begun = end + 1
            if quotes % 2 == 0:
                made.append(Span(start, at + begun, lines))
                start, lines = at + begun, line
        quotes += data.count(quote, begun)
        line += data.count(mark, begun)
        at += len(data)
    if at > start or not made:
        made.append(Span(start, None, lines))
    else:
        made[-1] = Span(made[-1].start, None, made[-1].line)
    return made
