"""Chunks of a file of JSON lines: the bytes of some whole lines.

Law of this file: a line ends with a line feed and nothing else; a line of nothing but space is no row. The lines of a
chunk are read when they are written, some at a time, and kept as they came for whoever is told of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final
from zlib import crc32

from ..codec import CsvState, encode_copy_csv
from ..errors import DatabaseError, DataError, fault
from ..errors.base import FaultInfo
from ..errors.faults import FAULT_CSV_RECORD, FAULT_CSV_UTF8
from .csvfile import RECORD_LIMIT, Utf8File
from .feed import BlockWriter, Left, Origin, Place, Span
from .jsonvalues import BadLine, LineWriter
from .textchunks import TextChunk, mark_of, part_bytes, text_blocks

#: Lines that are read together.
_TOGETHER: Final = 256
_ENDLESS: Final = 2**62
_WHOLE: Final = Span()

#: The error for a fault of a line, or for a bad one; None where the server shall read it.
Judge = Callable[[FaultInfo, Origin, "BadLine | None"], "DatabaseError | None"]


class JsonChunk(TextChunk):
    """Whole lines."""

    __slots__ = ("_bad", "_data", "_judge", "_numbers", "_rows", "_state", "_states", "_way", "_writer", "lines")

    def __init__(
        self,
        data: bytes,
        place: Place,
        line: int,
        before: int | None,
        path: str,
        numbered: bool,
        writer: LineWriter,
        states: Callable[[str], CsvState],
        judge: Judge,
    ) -> None:
        """As of TextChunk."""
        super().__init__(place, line, before, path, numbered)
        self._data = data
        self._writer = writer
        self._states = states
        self._judge = judge
        whole = data.split(b"\n")
        self.lines = len(whole) - 1
        self._numbers = [number for number, each in enumerate(whole) if each and not each.isspace()]
        self._rows = whole if len(self._numbers) == len(whole) else [whole[number] for number in self._numbers]
        self._state: CsvState | None = None
        self._way = path
        self._bad: dict[int, BadLine] = {}

    @property
    def data(self) -> bytes:
        """The lines."""
        return self._data

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return len(self._rows)

    def write(self, out: BlockWriter, start: int, stop: int, left: list[Left] | None) -> int:
        """As Chunk says."""
        stop = min(stop, start + _TOGETHER, self.rows)
        if start >= stop:
            return start
        if self._state is None or self.path != self._way:
            self._state, self._way = self._states(self.path), self.path
        records: list[str] = []
        bad: DatabaseError | None = None
        for row in range(start, stop):
            try:
                records.append(self._writer.record(self._text(row)))
            except BadLine as exc:
                self._bad[row] = exc
                bad = fault(FAULT_CSV_RECORD, 0, -1, None)
                break
            except UnicodeDecodeError as exc:
                bad = fault(FAULT_CSV_UTF8, 0, -1, exc.object[exc.start : exc.end])
                break
        if not records:
            assert bad is not None
            raise bad
        # Lone surrogates pass, and are refused by the codec with their column.
        text = ("\n".join(records) + "\n").encode("utf-8", "surrogatepass")
        _reached, count = encode_copy_csv(out.buffer, self._state, text, 0, len(text), True, 2**62)
        return start + count

    def _text(self, row: int) -> str:
        return self._rows[row].decode("utf-8")

    def origin(self, row: int) -> Origin:
        """The line."""
        data = self._rows[row]
        return Origin(self._number(row), self.line + self._numbers[row] + 1, data.removesuffix(b"\r"))

    def verdict(self, row: int, exc: DatabaseError) -> DatabaseError | None:
        """As Chunk says."""
        assert exc.fault is not None
        return self._judge(exc.fault, self.origin(row), self._bad.get(row))


class Lines:
    """The bytes of a text, cut at the ends of lines."""

    __slots__ = ("_left", "_rest", "_size", "_text", "position")

    def __init__(self, text: Utf8File, size_bytes: int, span: Span = _WHOLE) -> None:
        """`size_bytes`: how long a cut should be. `position` is where the next one begins."""
        self._text = text
        self._size = size_bytes
        self._left = _ENDLESS if span.stop is None else span.stop - span.start
        self._rest = b""
        if span.start:
            text.go_to(span.start)
        self.position = span.start

    def skip_to(self, place: Place, source: str) -> tuple[int, int]:
        """How many lines end before a place where a line begins, and the checksum of what comes before it.

        Raises DataError where that is not what it was.
        """
        lines, checksum = 0, 0
        while self.position < place.position:
            data = self._read(min(self._size, place.position - self.position))
            if not data:
                raise place.short(self.position, source)
            self.position += len(data)
            lines += data.count(b"\n")
            checksum = crc32(data, checksum)
        place.check(place.position, mark_of(checksum), source)
        return lines, checksum

    def __iter__(self) -> Iterator[bytes]:
        """Whole lines, about `size_bytes` of them together; the last bytes are a line, whatever they are.

        Raises DataError for a line that is longer than any.
        """
        parts, gathered = [self._rest], len(self._rest)
        while data := self._read(self._size):
            parts.append(data)
            gathered += len(data)
            edge = data.rfind(b"\n") + 1
            if not edge or gathered < self._size:
                if gathered > RECORD_LIMIT:
                    raise DataError(f"a line is longer than {RECORD_LIMIT} bytes")
                continue
            whole = b"".join(parts)
            edge += len(whole) - len(data)
            self.position += edge
            yield whole[:edge]
            parts, gathered = [whole[edge:]], len(whole) - edge
        if rest := b"".join(parts):
            self.position += len(rest)
            yield rest

    def _read(self, size_bytes: int) -> bytes:
        data = self._text.read(min(size_bytes, self._left))
        self._left -= len(data)
        return data


def cut_lines(text: Utf8File, size_bytes: int, count: int) -> list[Span]:
    """About `count` parts of a text of so many bytes, each beginning with a line, whose lines are counted."""
    step = part_bytes(size_bytes, count)
    made: list[Span] = []
    start = at = lines = line = 0
    for data in text_blocks(text):
        begun = 0
        # Behind the byte `due` the next end of a line ends the part.
        while (due := max(begun, start + step - at)) < len(data) and (end := data.find(b"\n", due)) >= 0:
            line += data.count(b"\n", begun, end + 1)
            begun = end + 1
            made.append(Span(start, at + begun, lines))
            start, lines = at + begun, line
        line += data.count(b"\n", begun)
        at += len(data)
    if at > start or not made:
        made.append(Span(start, None, lines))
    else:
        made[-1] = replace(made[-1], stop=None)
    return made
