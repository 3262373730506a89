"""What the columns of CSV files and JSON lines are, by all that is in them.

Law of this file: every record is looked at, none is kept. A type is wide enough for every value that was seen and loses
nothing of one; where no type is, it is text, or jsonb where JSON brings objects. A number that begins with a
superfluous zero is text. That a column may not be NULL no file can say. What is no record is an error, or, where bad
records are to be set aside, decides nothing and is counted: the load will refuse it by the same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .. import const
from ..codec import CsvState, survey_csv
from ..errors import DatabaseError, DataError, reason
from .csv import CsvFeed
from .csvdialect import Dialect, dialect_of
from .csvfile import RECORD_LIMIT, Utf8File, first_record
from .feed import Place
from .files import File
from .jsonchunks import Lines
from .jsonvalues import BadLine, Digits, Pairs, pairs_of
from .report import Meter
from .sources import FileOptions

#: Bytes of a file that are looked at together.
_PART: Final = 1 << 20
_NUMBERS: Final = const.SEEN_BIGINT | const.SEEN_NUMERIC | const.SEEN_FLOAT | const.SEEN_LONG
_TIMES: Final = const.SEEN_DATE | const.SEEN_TIMESTAMP
#: Kinds of which a column may be alone -> its type.
_ALONE: Final = {
    0: "text",
    const.SEEN_BOOL: "boolean",
    const.SEEN_DATE: "date",
    const.SEEN_TIMESTAMPTZ: "timestamptz",
    const.SEEN_TIME: "time",
    const.SEEN_UUID: "uuid",
}
_MARKS: Final = (b",", b'"', b"")


def type_of(kinds: int) -> str:
    """The type that holds all texts of these kinds (a sum of const.SEEN_...)."""
    kinds &= ~const.SEEN_NULL
    if kinds in _ALONE:
        return _ALONE[kinds]
    if not kinds & ~_TIMES:
        return "timestamp"
    if kinds & ~_NUMBERS:
        return "text"
    if kinds & const.SEEN_FLOAT and not kinds & const.SEEN_LONG:
        return "double precision"
    return "numeric" if kinds & (const.SEEN_NUMERIC | const.SEEN_FLOAT) else "bigint"


def csv_columns(
    files: Sequence[File], options: FileOptions, left_out: Counter[str] | None = None
) -> Iterator[tuple[str, str]]:
    """The columns of CSV files and their types; `left_out` counts the records of each file that are none.

    Raises DataError where a file has no such records, or, without `left_out`, one that is none.
    """
    kinds: dict[str, int] = {}
    for file in files:
        dialect = dialect_of(file, options)
        first = first_record(file, dialect)
        names = first if dialect.header else [f"column{index + 1}" for index in range(len(first))]
        if not names:
            continue
        survey = _Survey(file, dialect, names)
        if left_out is None:
            survey.every()
        else:
            left_out[file.name] += survey.good(CsvFeed(file, dialect, first))
        for name, seen in zip(names, survey.kinds, strict=True):
            kinds[name] = kinds.get(name, 0) | seen
    return iter([(name, type_of(seen)) for name, seen in kinds.items()])


class _Survey:
    """What is in the columns of one CSV file: `kinds` are sums of const.SEEN_..."""

    def __init__(self, file: File, dialect: Dialect, names: Sequence[str]) -> None:
        self._file = file
        self._dialect = dialect
        self._names = names
        self.kinds = [0] * len(names)

    def _state(self, header: bool) -> CsvState:
        dialect, names = self._dialect, self._names
        return CsvState(
            len(names),
            [(index, const.KIND_STR, const.MAX_INT32, 0) for index in range(len(names))],
            (dialect.delimiter.encode(), dialect.quote.encode(), b""),
            header,
            escape=dialect.escape.encode(),
            nulls=[dialect.nulls_of(name) for name in names],
            fill=dialect.fill,
        )

    def _add(self, state: CsvState, data: bytes, final: bool) -> tuple[int, int]:
        """Look at some text: the position reached, and the rows. Raises the codec's fault."""
        dialect = self._dialect
        reached, rows, found = survey_csv(state, data, 0, len(data), final, dialect.comma, dialect.days)
        for index, (seen, _longest) in enumerate(found):
            self.kinds[index] |= seen
        return reached, rows

    def every(self) -> None:
        """Look at all records. Raises DataError for one that is none."""
        state, name = self._state(self._dialect.header), self._file.name
        rest, row, final = b"", 0, False
        with Utf8File(self._file, self._dialect, lenient=True) as text:
            while not final:
                more = text.read(max(_PART, len(rest)))
                final = not more
                data = rest + more
                try:
                    reached, rows = self._add(state, data, final)
                except DatabaseError as exc:
                    if exc.fault is None:
                        raise
                    info = exc.fault
                    said = f"{name}, row {row + info.at + 1}: {reason(info.code, info.at, info.value)}"
                    raise DataError(f"{said} (on_error='reject' leaves it out)") from None
                rest, row = data[reached:], row + rows
                if len(rest) > RECORD_LIMIT:
                    raise DataError(f"{name}, row {row + 1}: a quoted field is not closed")

    def good(self, feed: CsvFeed) -> int:
        """Look at the records that a load with rejects takes for some; how many others there are."""
        state, bad = self._state(False), 0
        for chunk in feed.chunks(Meter(), _PART, Place()):
            data = bytes(chunk.data)
            if not _is_text(data):
                bad += self._apart([chunk.origin(row).record for row in range(chunk.rows)])
                continue
            try:
                self._add(state, data, True)
            except DatabaseError as exc:
                if exc.fault is None:
                    raise
                bad += self._apart([chunk.origin(row).record for row in range(chunk.rows)])
        return bad

    def _apart(self, records: Sequence[bytes]) -> int:
        """Look at records whose lines end as they like; how many are none."""
        bad, plain, quotes = 0, list[bytes](), self._dialect.quotes
        for record in records:
            if not _is_text(record) or quotes.ends_inside(record):
                bad += 1
            elif quotes.quote not in record:
                plain.append(record)
            else:
                try:
                    self._add(self._state(False), record, True)
                except DatabaseError as exc:
                    if exc.fault is None:
                        raise
                    bad += 1
        if plain:
            self._add(self._state(False), b"\n".join([*plain, b""]), True)
        return bad


def _is_text(data: bytes) -> bool:
    """Whether this may go to the server: UTF-8 without NUL."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return 0 not in data


# ---------------------------------------------------------------- JSON lines


@dataclass(slots=True)
class _Key:
    """What was seen of the values of a key: kinds of the numbers and of the strings, and whether there are others."""

    numbers: int = 0
    strings: int = 0
    truths: bool = False
    nested: bool = False
    waiting: dict[bool, list[str]] = field(default_factory=lambda: {False: [], True: []})

    def add(self, value: Any) -> None:
        """Note a value."""
        if value is True or value is False:
            self.truths = True
        elif type(value) is Pairs or type(value) is list:
            self.nested = True
        elif value is not None:
            self.waiting[type(value) is Digits].append(value)

    def settle(self) -> None:
        """Look at what waits."""
        for digits, texts in self.waiting.items():
            if texts:
                lines = "\n".join(['"' + text.replace('"', '""') + '"' for text in texts]) + "\n"
                data = lines.encode("utf-8", "surrogatepass")
                state = CsvState(1, [(0, const.KIND_STR, const.MAX_INT32, 0)], _MARKS, nulls=[[]])
                ((seen, _longest),) = survey_csv(state, data, 0, len(data), True)[2]
                if digits:
                    self.numbers |= seen
                else:
                    self.strings |= seen
                texts.clear()

    @property
    def type(self) -> str:
        """The type that holds the values."""
        if self.nested:
            return "jsonb"
        if sum(map(bool, (self.numbers, self.strings, self.truths))) > 1:
            return "text"
        if self.truths:
            return "boolean"
        if self.numbers:
            # What is no number to the survey (1e999) is one to numeric.
            return "numeric" if self.numbers & ~_NUMBERS else type_of(self.numbers)
        # Strings that look like numbers or truths are strings all the same.
        return "text" if self.strings & (_NUMBERS | const.SEEN_BOOL) else type_of(self.strings)


def json_columns(
    files: Sequence[File], options: FileOptions, left_out: Counter[str] | None = None
) -> Iterator[tuple[str, str]]:
    """The keys of files of JSON lines and the types of their values; `left_out` counts the lines of each file that are
    no objects.

    Raises DataError for such a line without `left_out`.
    """
    keys: dict[str, _Key] = {}
    for file in files:
        dialect, before = dialect_of(file, FileOptions(delimiter=",", encoding=options.encoding)), 0
        with Utf8File(file, dialect, lenient=True) as text:
            for part in Lines(text, _PART):
                lines = part.removesuffix(b"\n").split(b"\n")
                for number, line in enumerate(lines, before + 1):
                    try:
                        _note(line, keys)
                    except (BadLine, UnicodeDecodeError) as exc:
                        if left_out is None:
                            said = f"{file.name}, line {number}: {exc}"
                            raise DataError(f"{said} (on_error='reject' leaves it out)") from None
                        left_out[file.name] += 1
                before += len(lines)
                for key in keys.values():
                    key.settle()
    return iter([(name, key.type) for name, key in keys.items()])


def _note(line: bytes, keys: dict[str, _Key]) -> None:
    """Note the keys and values of a line. Raises BadLine, UnicodeDecodeError."""
    if not line or line.isspace():
        return
    pairs = pairs_of(line.decode())
    if len(dict(pairs)) < len(pairs):
        raise BadLine("a key stands there twice")
    for key, value in pairs:
        if key not in keys:
            keys[key] = _Key()
        keys[key].add(value)
