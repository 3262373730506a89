"""The dialect of a CSV file: as it is said, and what of it the file itself shows.

Law of this file: nothing is guessed that could be otherwise. An encoding is told by a byte order mark alone, else it is
UTF-8; a delimiter is looked for only where none is said, by counting, never by what values look like, and of two that
divide the first records as well none is taken but the comma. What was taken is told, and why.

Sources: docs, COPY, "CSV Format"; RFC 4180; the Unicode standard, "Byte Order Mark".
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from .. import const
from ..errors import DataError, InterfaceError
from .csvquotes import Quotes
from .files import File
from .sources import FileOptions

#: Byte order mark -> the encoding that reads it; those of four bytes come first, since others begin with the same two.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What may stand between fields where nobody says it.
_DELIMITERS: Final = ",;\t|"
#: Bytes and records by which a delimiter is told; and bytes where not even one record is as short.
_LOOKED_AT: Final = 1 << 16
_AT_MOST: Final = 1 << 20
_AGREEING: Final = 32
_SAID: Final = re.compile(r"sep=([\x01-\x7f])\r?\n")
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DAYS: Final = {"iso": const.CSV_USUAL, "dmy": const.CSV_DMY, "mdy": const.CSV_MDY, "ymd": const.CSV_YMD}
_NUMBERS: Final = (const.KIND_NUMERIC, const.KIND_FLOAT4, const.KIND_FLOAT8)
_DATES: Final = (const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ)
#: The handler of errors that makes a lone surrogate of each byte that is none of the encoding: what is no text is none
#: in UTF-8 either. Python's own refuses bytes below 128, of which half a character of UTF-16 is mostly made.
LENIENT: Final = "pgfast.lenient"
_LONE: Final = 0xDC00
#: What a text that is no UTF-8 may be; none of these is ever tried.
ENCODINGS: Final = "; where the file is in another encoding, say which: encoding='cp1252', 'latin-1', 'utf-16' ..."


def _lone_surrogates(exc: UnicodeError) -> tuple[str, int]:
    assert isinstance(exc, UnicodeDecodeError), "nothing is written so"
    return "".join([chr(_LONE + byte) for byte in exc.object[exc.start : exc.end]]), exc.end


codecs.register_error(LENIENT, _lone_surrogates)


def bytes_that_came(data: bytes, encoding: str) -> bytes:
    """The bytes of which this was made, with the lone surrogates that stand for some; of Unicode's encodings the others
    stay in UTF-8."""
    name = "utf-8" if encoding.lower().startswith("utf") else encoding
    made = bytearray()
    for each in data.decode("utf-8", "surrogatepass"):
        lone = ord(each) - _LONE
        made += bytes([lone]) if 0 <= lone < 256 else each.encode(name, "surrogatepass")
    return bytes(made)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is written.

    `nulls` are the texts that mean NULL, of the columns in `column_nulls` those there; `days` is the order of a day's
    parts (const.CSV_USUAL ...), `found` what the file has shown by itself, `doubts` which of that others may see
    otherwise.
    """

    header: bool
    delimiter: str
    nulls: tuple[str, ...]
    quote: str
    encoding: str
    escape: str
    column_nulls: Mapping[str, tuple[str, ...]]
    comma: bool
    days: int
    skip_lines: int
    fill: bool
    found: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def utf8(self) -> bool:
        """Whether the bytes are UTF-8 as they lie, but for a byte order mark."""
        return self.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")

    @property
    def reading_encoding(self) -> str:
        """The encoding with a byte order mark skipped, which is no part of the text."""
        return "utf-8-sig" if self.utf8 else self.encoding

    @property
    def quotes(self) -> Quotes:
        """The quote and its escape."""
        return Quotes(self.quote, self.escape)

    @property
    def as_the_server_reads(self) -> bool:
        """Whether the server's COPY can be told all of it."""
        usual = not self.comma and self.days == const.CSV_USUAL and self.escape == self.quote
        return usual and len(self.nulls) == 1 and not self.column_nulls and not self.skip_lines and not self.fill

    def nulls_of(self, column: str) -> list[bytes]:
        """The texts that mean NULL in a column."""
        return [text.encode() for text in self.column_nulls.get(column, self.nulls)]

    def form_of(self, kind: int) -> int:
        """How the text of a column of this kind is written (const.CSV_USUAL ...)."""
        if kind in _NUMBERS:
            return const.CSV_COMMA if self.comma else const.CSV_USUAL
        return self.days if kind in _DATES else const.CSV_USUAL

    def __str__(self) -> str:
        said = f"delimiter {self.delimiter!r}, quote {self.quote!r}, encoding {self.encoding}"
        return f"{said} ({', '.join(self.found)})" if self.found else said


def dialect_of(file: File, options: FileOptions) -> Dialect:
    """The dialect of a file.

    Raises InterfaceError for options that cannot be, DataError for a file that can be none of UTF-8.
    """
    for name, value in (("delimiter", options.delimiter), ("quote", options.quote), ("escape", options.escape)):
        if value is None and name != "quote":
            continue
        if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n":
            raise InterfaceError(f"{name} must be one ASCII character, not {value!r}")
    if options.decimal not in (".", ","):
        raise InterfaceError(f"decimal must be '.' or ',', not {options.decimal!r}")
    if options.dates not in _DAYS:
        raise InterfaceError(f"dates must be one of {', '.join(map(repr, _DAYS))}, not {options.dates!r}")
    if options.ragged not in ("error", "fill"):
        raise InterfaceError(f"ragged must be 'error' or 'fill', not {options.ragged!r}")
    skipped: Any = options.skip_lines
    if not isinstance(skipped, int) or isinstance(skipped, bool) or skipped < 0:
        raise InterfaceError(f"skip_lines must be a number of lines, not {skipped!r}")
    found: list[str] = []
    doubts: list[str] = []
    encoding = _encoding(file, options.encoding, found)
    nulls, column_nulls = _nulls(options.null)
    made = Dialect(
        options.header,
        options.delimiter or ("\t" if file.suffix == ".tsv" else ","),
        nulls,
        options.quote,
        encoding,
        options.escape or options.quote,
        column_nulls,
        options.decimal == ",",
        _DAYS[options.dates],
        options.skip_lines,
        options.ragged == "fill",
    )
    if options.delimiter is None and file.suffix == ".tsv":
        found.append("delimiter by its name")
        first = next(iter(_first_records(file, made)), "")
        if "\t" not in first and any(mark in first for mark in _DELIMITERS):
            doubts.append("no tab stands in its first record, but what may be another delimiter")
    elif options.delimiter is None and (said := _SAID.match(file.head(32).decode(made.reading_encoding, "replace"))):
        # The line by which spreadsheets tell each other.
        found.append("delimiter by its first line")
        made = replace(made, delimiter=said[1], skip_lines=made.skip_lines or 1)
    elif options.delimiter is None:
        made = replace(made, delimiter=_delimiter(file, made, found, doubts))
    if made.delimiter in (made.quote, made.escape):
        raise InterfaceError("delimiter and quote must be different characters, and so must delimiter and escape")
    return replace(made, found=(*found, *doubts), doubts=tuple(doubts))


def _nulls(
    null: str | Sequence[str] | Mapping[str, str | Sequence[str]],
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The texts that mean NULL everywhere, and those of single columns."""
    said: list[Any] = list(null.values()) if isinstance(null, Mapping) else [null]
    for texts in said:
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise InterfaceError(f"null must be a text, a list of texts or a mapping of columns to these, not {null!r}")
    if isinstance(null, Mapping):
        return ("",), {name: (texts,) if isinstance(texts, str) else tuple(texts) for name, texts in null.items()}
    return ((null,) if isinstance(null, str) else tuple(null)), {}


def _encoding(file: File, wanted: str | None, found: list[str]) -> str:
    """The encoding that is wanted, or the one of a byte order mark, or UTF-8."""
    if file.is_text:
        return "utf-8"  # what was read as text is passed on so
    head = file.head(256)
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    if wanted is not None:
        return _wanted_encoding(file, wanted, marked)
    if marked is not None:
        found.append("encoding by its byte order mark")
        return marked
    for first, order in ((1, "le"), (0, "be")):
        if len(head) >= 8 and head[first::2].count(0) > len(head) // 3:
            raise DataError(
                f"{file.name}: this looks like UTF-16 without a byte order mark; say encoding='utf-16-{order}'"
            )
    return "utf-8"


def _wanted_encoding(file: File, wanted: Any, marked: str | None) -> str:
    """The encoding that is wanted, `marked` being the one of a byte order mark."""
    try:
        name = codecs.lookup(wanted).name if isinstance(wanted, str) else ""
    except LookupError:
        name = ""
    try:
        b"text".decode(name, LENIENT)
    except (LookupError, UnicodeError) as exc:  # it makes bytes of bytes, or reads no files
        raise InterfaceError(f"encoding {wanted!r} is not known as one of texts") from exc
    if marked is None:
        return str(wanted)
    if not name.startswith(marked):
        raise DataError(f"{file.name}: encoding={wanted!r} is said, but the file begins with the mark of {marked}")
    return str(wanted) if name.startswith("utf-8") else marked  # which reads the mark, and is no part of the text


class _Vote(NamedTuple):
    """How many of the first records a delimiter divides into as many fields, how often it stands in each, and which it
    is."""

    alike: int
    times: int
    mark: str


def _delimiter(file: File, dialect: Dialect, found: list[str], doubts: list[str]) -> str:
    """What divides most of the first records into as many fields as the first one; the reason goes to `found`, or to
    `doubts` where not all of them agree.

    Without a header the first record is one of many, and as many fields are those that most of the divided ones have;
    where short records are filled up, those that have less are alike too. Of several the one that divides the most
    records is taken, of these the one that makes the most fields; then the comma. A comma in the header needs no
    others, all else at least half of the records; else the comma it is, and a record one field.

    Raises DataError where two others do as well.
    """
    lines = _first_records(file, dialect)
    if not lines:
        return ","
    votes = sorted(_votes(lines, dialect), reverse=True)
    if not votes:
        found.append("no delimiter in its first records, which are one field each")
        return ","
    best = votes[0]
    alike = [vote.mark for vote in votes if vote[:2] == best[:2]]
    if best.alike * 2 < len(lines) and alike != [","]:
        doubts.append(f"no delimiter divides half of its first {len(lines)} records alike")
        return ","
    if "," in alike:
        if others := " and ".join([repr(mark) for mark in alike if mark != ","]):
            doubts.append(f"though {others} would divide its first records as well")
        elif len(votes) > 1 or best.alike < len(lines):
            _say(best, lines, found, doubts)
        return ","
    if len(alike) > 1:
        raise DataError(
            f"{file.name}: its first records may be divided by any of {', '.join(map(repr, alike))}; say which is the "
            "delimiter: delimiter=';'"
        )
    _say(best, lines, found, doubts)
    return best.mark


def _say(vote: _Vote, lines: Sequence[str], found: list[str], doubts: list[str]) -> None:
    if vote.alike == len(lines):
        found.append("delimiter by its first records")
    else:
        doubts.append(f"delimiter by {vote.alike} of its first {len(lines)} records")


def _votes(lines: Sequence[str], dialect: Dialect) -> list[_Vote]:
    """Of each delimiter that may be one, how well it divides the records."""
    made = []
    for mark in _DELIMITERS:
        counts = [line.count(mark) for line in lines]
        if dialect.header:
            usual = counts[0]
        else:
            ((usual, _times),) = Counter([count for count in counts if count]).most_common(1) or [(0, 0)]
        if usual:
            alike = sum(0 < count <= usual if dialect.fill else count == usual for count in counts)
            made.append(_Vote(alike, usual, mark))
    return made


def _first_records(file: File, dialect: Dialect) -> list[str]:
    """The first records that are no blank lines, without what is in quotes and the ends of their lines."""
    for size_bytes in (_LOOKED_AT, _AT_MOST):
        head = file.head(size_bytes)
        cut = len(head) == size_bytes
        found = _records_in(head.decode(dialect.reading_encoding, "replace"), cut, dialect)
        if found or not cut:
            break
    return found


def _records_in(text: str, cut: bool, dialect: Dialect) -> list[str]:
    quotes, made, record, inside = dialect.quotes, list[str](), "", False
    for number, line in enumerate(_LINE.finditer(text)):
        if number < dialect.skip_lines:
            continue
        record += line[0]
        inside = quotes.open_behind(line[0], inside)
        if inside:
            continue
        if cut and line.end() == len(text):
            break
        if bare := record.rstrip("\r\n"):
            made.append(quotes.outside(bare))
        record = ""
        if len(made) == _AGREEING:
            break
    return made
