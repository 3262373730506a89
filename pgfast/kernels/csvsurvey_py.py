"""What the fields of CSV look like, column by column: the kinds that are seen and the longest text; the twin of
`csvsurvey.pxd`.

Law of this file: a text is of the narrowest kind from which it comes back as it was written; a number that begins with
a superfluous zero or a plus, and whatever a type would not hold, is text. Nothing is written but sums.

Columns are looked at as wholes: of the different texts in one those are taken away that an expression knows to be of a
kind, by one call for all of them. The expressions know what is plainly so; what is left is looked at text by text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from .. import const
from .csvforms_py import Doubt, in_usual_form
from .csvtext_py import CLOCK, DATE, TIMESTAMP, clock_us, days_of, east_of

_NUMBER: Final = re.compile(rb"(-?)(0|[1-9][0-9]*|)(?:\.([0-9]+))?([eE][+-]?([0-9]{1,3}))?")
_SPECIAL: Final = re.compile(rb"-?inf(?:inity)?|nan", re.IGNORECASE)
_UUID: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WORDS: Final = frozenset((b"t", b"f", b"true", b"false"))

#: Bytes of a number's text at most; digits that every float keeps, and that one has before the point; its exponent.
_NUMBER_TEXT: Final = 400
_FLOAT_DIGITS: Final = 15
_FLOAT_WHOLE: Final = 40
_FLOAT_EXPONENT: Final = 250
_TIME_TEXT: Final = 64
#: Different texts of a column below which they are looked at one by one.
_FEW: Final = 32

_DAY: Final = (
    rb"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    rb"|(?:0[13578]|1[02])-31)"
)
_CLOCK: Final = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_OFFSET: Final = rb"(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
#: What is plainly text: it begins with a letter and is none of the words that mean something, or it has a character
#: that stands in nothing else, or digits before a space.
_PLAIN_TEXT: Final = (
    rb"(?!(?i:t|f|true|false|inf|infinity|nan)\n|(?i:[0-9a-f]{8})-)[A-Za-z\x80-\xff][^\n]*"
    rb"|[^\nGHJKMOPQVWXghjkmopqvwx_\x80-\xff]*[GHJKMOPQVWXghjkmopqvwx_\x80-\xff][^\n]*"
    rb"|[0-9]+ [^\n]*"
)


@lru_cache(maxsize=8)
def _plain_kinds(comma: bool, usual_days: bool) -> tuple[tuple[int, re.Pattern[bytes]], ...]:
    """Expressions for lines that are plainly of a kind."""
    point = rb"," if comma else rb"\."
    digits = rb"[0-9" + point + rb"]"
    kinds = [
        (const.SEEN_BIGINT, rb"-?(?:0|[1-9][0-9]{0,14})"),
        (const.SEEN_BIGINT | const.SEEN_LONG, rb"-?[1-9][0-9]{15,17}"),
        (
            const.SEEN_NUMERIC,
            rb"-?(?:(?=%b{2,16}\n)(?:[1-9][0-9]*)?|0(?=%b{2,16}\n))%b[0-9]+" % (digits, digits, point),
        ),
        (
            const.SEEN_NUMERIC | const.SEEN_LONG,
            rb"-?(?:(?=%b{17,300}\n)(?:[1-9][0-9]*)?|0(?=%b{17,300}\n))%b[0-9]+" % (digits, digits, point),
        ),
        (const.SEEN_TIME, _CLOCK),
        (const.SEEN_UUID, rb"(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"),
        (const.SEEN_BOOL, rb"(?i:t|f|true|false)"),
        (const.SEEN_TEXT, _PLAIN_TEXT),
    ]
    if usual_days:
        kinds += [
            (const.SEEN_DATE, _DAY),
            (const.SEEN_TIMESTAMP, _DAY + rb"[ T]" + _CLOCK),
            (const.SEEN_TIMESTAMPTZ, _DAY + rb"[ T]" + _CLOCK + _OFFSET),
        ]
    return tuple([(kind, re.compile(rb"(?m:^)(?:" + line + rb")\n")) for kind, line in kinds])


def seen_as(data: bytes, comma: bool, days: int) -> int:
    """What the text looks like, with a decimal comma and with days in this order."""
    if data.lower() in _WORDS:
        return const.SEEN_BOOL
    kind = 0
    if data:
        try:
            kind = _number(in_usual_form(const.CSV_COMMA, data) if comma else data)
        except Doubt:  # of which nothing is said but that it is no number
            kind = 0
    if not kind and 0 < len(data) <= _TIME_TEXT:
        kind = _time(data, days)
    if not kind and _UUID.fullmatch(data):
        kind = const.SEEN_UUID
    return kind or const.SEEN_TEXT


def _number(data: bytes) -> int:
    if _SPECIAL.fullmatch(data):
        return const.SEEN_FLOAT
    found = _NUMBER.fullmatch(data)
    if found is None or len(data) > _NUMBER_TEXT:
        return 0
    sign, whole, places, exponent, power = found.groups()
    digits = len(whole) + len(places or b"")
    if not digits:
        return 0
    kind = const.SEEN_LONG if digits - (whole == b"0") > _FLOAT_DIGITS else 0
    if exponent is not None:
        fits = whole and len(whole) <= _FLOAT_WHOLE and int(power) <= _FLOAT_EXPONENT
        return kind | const.SEEN_FLOAT if fits else 0
    if places is not None:
        return kind | const.SEEN_NUMERIC
    fits = len(whole) <= 19 and -(1 << 63) <= int(sign + whole) < 1 << 63
    return kind | (const.SEEN_BIGINT if fits else const.SEEN_NUMERIC)


def _time(data: bytes, days: int) -> int:
    try:
        return _day_or_time(in_usual_form(days, data))
    except Doubt:  # no day in this order, but it may be a time
        return _day_or_time(data) if len(data) >= 5 and data[2:3] == b":" else 0


def _day_or_time(data: bytes) -> int:
    try:
        if found := CLOCK.fullmatch(data):
            clock_us(*found.groups())
            return const.SEEN_TIME
        if found := DATE.fullmatch(data):
            days_of(*found.groups())
            return const.SEEN_DATE
        found = TIMESTAMP.fullmatch(data)
        if found is None:
            return 0
        days_of(*found.groups()[:3])
        clock_us(*found.groups()[3:7])
        return const.SEEN_TIMESTAMP if east_of(found) is None else const.SEEN_TIMESTAMPTZ
    except ValueError:  # no day of the calendar, no time of the day or no offset
        return 0


class Seen:
    """What was seen of one column."""

    __slots__ = ("_comma", "_days", "_known", "_nulls", "_plain", "kinds", "longest")

    _MOST: Final = 4096

    def __init__(self, nulls: frozenset[bytes], comma: bool, days: int) -> None:
        """`nulls` are the texts that mean NULL where no quote is in them."""
        self._nulls = nulls
        self._comma = comma
        self._days = days
        self._known: dict[bytes, int] = {}
        self._plain = list(_plain_kinds(comma, days == const.CSV_USUAL))
        self.kinds = 0
        self.longest = 0

    def begin(self) -> None:
        """Nothing was seen yet."""
        self.kinds = self.longest = 0

    def add(self, data: bytes | None, quoted: bool) -> None:
        """Note a field; None is one that its record lacks."""
        if data is None or (not quoted and data in self._nulls):
            self.kinds |= const.SEEN_NULL
            return
        self.kinds |= self._kind(data)
        self.longest = max(self.longest, len(data))

    def add_many(self, texts: Iterable[bytes], quoted: Iterable[bytes]) -> None:
        """Note fields without a quote, in which no line ends, and the insides of those with quotes."""
        found = set(texts)
        if not found.isdisjoint(self._nulls):
            self.kinds |= const.SEEN_NULL
            found -= self._nulls
        found.update(quoted)
        if found:
            self.longest = max(self.longest, len(max(found, key=len)))
            for text in found if len(found) < _FEW else self._doubtful(found):
                self.kinds |= self._kind(text)

    def _doubtful(self, texts: set[bytes]) -> list[bytes]:
        """Note the texts that are plainly of a kind; the others."""
        left = b"\n".join(texts) + b"\n"
        if left.count(b"\n") != len(texts):  # a line ends in quotes, which makes a text of it
            self.kinds |= const.SEEN_TEXT
            left = b"\n".join([text for text in texts if b"\n" not in text]) + b"\n"
        for at, (kind, lines) in enumerate(self._plain):
            less = lines.sub(b"", left)
            if len(less) < len(left):
                self.kinds |= kind
                left = less
                if not left:
                    # The next ones will be of the same kind.
                    self._plain.insert(0, self._plain.pop(at))
                    break
        return left.split(b"\n")[:-1]

    def _kind(self, data: bytes) -> int:
        kind = self._known.get(data)
        if kind is None:
            kind = seen_as(data, self._comma, self._days)
            if len(self._known) < self._MOST:
                self._known[data] = kind
        return kind
