"""What the columns of CSV files and JSON lines are, by all that is in them.

Law of this file: every record is looked at, none is kept. A type is wide enough for every value that was seen and loses
nothing of one; where no type is, it is text, or jsonb where JSON brings objects. A number that begins with a
superfluous zero is text. That a column may not be NULL no file can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .. import const
from ..codec import CsvState, survey_csv
from ..errors import DatabaseError, DataError, reason
from .csvdialect import dialect_of
from .csvfile import RECORD_LIMIT, Utf8File, first_record
from .feed import Place
from .files import File
from .jsonchunks import Lines
from .jsonvalues import BadLine, Digits, Pairs, pairs_of
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


def csv_columns(files: Sequence[File], options: FileOptions) -> Iterator[tuple[str, str]]:
    """The columns of CSV files and their types.

    Raises DataError where a file has no such records.
    """
    kinds: dict[str, int] = {}
    for file in files:
        dialect = dialect_of(file, options)
        first = first_record(file, dialect)
        names = first if dialect.header else [f"column{index + 1}" for index in range(len(first))]
        if not names:
            continue
        state = CsvState(
            len(names),
            [(index, const.KIND_STR, const.MAX_INT32, 0) for index in range(len(names))],
            (dialect.delimiter.encode(), dialect.quote.encode(), b""),
            dialect.header,
            escape=dialect.escape.encode(),
            nulls=[dialect.nulls_of(name) for name in names],
            fill=dialect.fill,
        )
        with Utf8File(file, dialect, lenient=True) as text:
            for part in _surveyed(text, state, file.name, dialect.comma, dialect.days):
                for name, (seen, _longest) in zip(names, part, strict=True):
                    kinds[name] = kinds.get(name, 0) | seen
        for name in names:
            kinds.setdefault(name, 0)
    return iter([(name, type_of(seen)) for name, seen in kinds.items()])


def _surveyed(text: Utf8File, state: CsvState, name: str, comma: bool, days: int) -> Iterator[list[tuple[int, int]]]:
    """What `survey_csv` says of one part after the other."""
    rest, row, final = b"", 0, False
    while not final:
        more = text.read(max(_PART, len(rest)))
        final = not more
        data = rest + more
        try:
            reached, rows, seen = survey_csv(state, data, 0, len(data), final, comma, days)
        except DatabaseError as exc:
            if exc.fault is None:
                raise
            info = exc.fault
            raise DataError(f"{name}, row {row + info.at + 1}: {reason(info.code, info.at, info.value)}") from None
        yield seen
        rest, row = data[reached:], row + rows
        if len(rest) > RECORD_LIMIT:
            raise DataError(f"{name}, row {row + 1}: a quoted field is not closed")


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


def json_columns(files: Sequence[File], options: FileOptions) -> Iterator[tuple[str, str]]:
    """The keys of files of JSON lines and the types of their values.

    Raises DataError for a line that is no object.
    """
    keys: dict[str, _Key] = {}
    for file in files:
        dialect = dialect_of(file, FileOptions(delimiter=",", encoding=options.encoding))
        place = Place()
        with Utf8File(file, dialect) as text:
            try:
                for part in Lines(text, _PART):
                    place = _noted(part, keys, file.name, place)
            except UnicodeDecodeError as exc:
                raise DataError(f"{file.name}: {exc}") from exc
        for key in keys.values():
            key.settle()
    return iter([(name, key.type) for name, key in keys.items()])


def _noted(part: bytes, keys: dict[str, _Key], name: str, place: Place) -> Place:
    """Note all lines of a part; the place behind it, in lines."""
    lines = part.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, place.rows + 1):
        if not line or line.isspace():
            continue
        try:
            pairs = pairs_of(line.decode())
        except (BadLine, UnicodeDecodeError) as exc:
            raise DataError(f"{name}, line {number}: {exc}") from None
        for key, value in pairs:
            if key not in keys:
                keys[key] = _Key()
            keys[key].add(value)
    for found in keys.values():
        found.settle()
    return Place(rows=place.rows + len(lines))
