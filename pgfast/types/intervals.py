"""Intervals in text form, both ways.

Law of this file: months, days and microseconds are counted apart and never carried into each other. A text that the
server would read differently under another IntervalStyle is refused, and what is written has a sign at every field:
under sql_standard a leading minus holds for all the fields behind it when none of them has a sign of its own.

Sources: docs, "Interval Input" and "Interval Output"; ISO 8601 section 4.4.3.2; server: datetime.c (DecodeInterval,
EncodeInterval).
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from .. import const
from ..values import Interval

_US: Final = {
    "microsecond": 1,
    "millisecond": 1000,
    "second": const.US_PER_SECOND,
    "minute": 60 * const.US_PER_SECOND,
    "hour": 3600 * const.US_PER_SECOND,
}
_DAYS: Final = {"day": 1, "week": 7}
_MONTHS: Final = {"month": 1, "year": 12, "decade": 120, "century": 1200, "millennium": 12000}
#: Every spelling the server writes, and the plain ones it reads, to the unit.
_UNITS: Final = {
    **{name: name for name in (*_US, *_DAYS, *_MONTHS)},
    **{name + "s": name for name in (*_US, *_DAYS, *_MONTHS)},
    "centuries": "century",
    "millennia": "millennium",
    "mil": "millennium",
    "mils": "millennium",
    "cent": "century",
    "yr": "year",
    "yrs": "year",
    "y": "year",
    "mon": "month",
    "mons": "month",
    "w": "week",
    "d": "day",
    "hr": "hour",
    "hrs": "hour",
    "h": "hour",
    "min": "minute",
    "mins": "minute",
    "m": "minute",
    "sec": "second",
    "secs": "second",
    "s": "second",
    "ms": "millisecond",
    "msec": "millisecond",
    "us": "microsecond",
}
_PAIR: Final = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*([a-z]+)", re.ASCII)
_CLOCK: Final = re.compile(r"([+-]?)(\d+):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?(?!\S)", re.ASCII)
_YEAR_MONTH: Final = re.compile(r"([+-]?)(\d+)-(\d{1,2})(?!\S)", re.ASCII)
_DAY: Final = re.compile(r"([+-]?\d+)(?=\s+[+-]?\d+:)", re.ASCII)
_ISO: Final = re.compile(r"P(?=.)((?:[+-]?[\d.]+[YMWD])*)(?:T((?:[+-]?[\d.]+[HMS])+))?", re.ASCII)
_ISO_PART: Final = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([YMWDHS])", re.ASCII)
_ISO_DATE: Final = {"Y": "year", "M": "month", "W": "week", "D": "day"}
_ISO_TIME: Final = {"H": "hour", "M": "minute", "S": "second"}
#: The infinite intervals of PostgreSQL 17 and later, as the wire has them.
INFINITY: Final = Interval(const.MAX_INT32, const.MAX_INT32, const.MAX_INT64)
MINUS_INFINITY: Final = Interval(-const.MAX_INT32 - 1, -const.MAX_INT32 - 1, const.MIN_INT64)
_MAX_DELTA_DAYS: Final = timedelta.max.days
_WRONG: Final = "not an interval such as '1 year 2 mons 3 days 04:05:06' or 'P1Y2M3DT4H5M6S'"


class _Sum:
    """Months, days and microseconds gathered from the parts of a text; each unit at most once."""

    __slots__ = ("days", "months", "seen", "us")

    def __init__(self) -> None:
        self.months = self.days = self.us = 0
        self.seen: set[str] = set()

    def add(self, amount: str, unit: str) -> None:
        if unit in self.seen:
            raise ValueError(f"{_WRONG}: {unit} is given twice")
        self.seen.add(unit)
        if unit in _US:
            self.us += _whole(Decimal(amount) * _US[unit], "microseconds")
        elif unit in _DAYS:
            self.days += _whole(Decimal(amount) * _DAYS[unit], "days")
        else:
            self.months += _whole(Decimal(amount) * _MONTHS[unit], "months")

    def clock(self, sign: str, hours: str, minutes: str, seconds: str | None) -> None:
        if int(minutes) > 59 or Decimal(seconds or 0) >= 60:
            raise ValueError(_WRONG)
        for amount, unit in ((hours, "hour"), (minutes, "minute"), (seconds or "0", "second")):
            self.add(sign + amount, unit)


def _whole(value: Decimal, unit: str) -> int:
    """The integer; fractions the server would spread over smaller units are refused, because how differs by version."""
    if value != value.to_integral_value():
        raise ValueError(f"{_WRONG}: a fraction of {unit} is left over")
    return int(value)


def parse_interval(text: str) -> timedelta | Interval:
    """A timedelta where it holds the value as it is, else an Interval, from any IntervalStyle the server writes."""
    fields = parse_fields(text)
    return make_interval(fields.months, fields.days, fields.microseconds)


def parse_fields(text: str) -> Interval:
    """The months, days and microseconds as written; infinity is the largest of each (timestamp.h, INTERVAL_NOEND)."""
    word = text.strip()
    if word.lstrip("+-").lower() == "infinity":
        return MINUS_INFINITY if word[0] == "-" else INFINITY
    total = _Sum()
    if word[:1] == "P":
        _parse_iso(word, total)
    else:
        _parse_words(word.lower(), total)
    return Interval(total.months, total.days, total.us)


def make_interval(months: int, days: int, us: int) -> timedelta | Interval:
    """What the codecs decode to.

    A timedelta where there are no months and it keeps days and microseconds apart as they are, so that each value goes
    back as it came; else an Interval.
    """
    same_sign = (us >= 0 and days >= 0) or (us <= 0 and days <= 0)
    if months == 0 and same_sign and abs(us) < const.US_PER_DAY and abs(days) < _MAX_DELTA_DAYS:
        return timedelta(days, 0, us)
    return Interval(months, days, us)


def _parse_iso(word: str, total: _Sum) -> None:
    match = _ISO.fullmatch(word)
    if match is None:
        raise ValueError(_WRONG)
    for part, units in ((match[1], _ISO_DATE), (match[2] or "", _ISO_TIME)):
        at = 0
        for found in _ISO_PART.finditer(part):
            if found.start() != at or found[2] not in units:
                break
            total.add(found[1], units[found[2]])
            at = found.end()
        if at != len(part):
            raise ValueError(_WRONG)


def _parse_words(word: str, total: _Sum) -> None:
    """The styles postgres, postgres_verbose and sql_standard."""
    ago = word.endswith(" ago")
    rest = word.removesuffix(" ago").removeprefix("@").strip()
    signs: list[str] = []
    if not rest:
        raise ValueError(_WRONG)
    while rest:
        if match := _CLOCK.match(rest):
            total.clock(match[1], match[2], match[3], match[4])
            signs.append(match[1])
        elif match := _YEAR_MONTH.match(rest):
            total.add(match[1] + match[2], "year")
            total.add(match[1] + match[3], "month")
            signs.append(match[1])
        elif match := _PAIR.match(rest):
            if match[2] not in _UNITS:
                raise ValueError(_WRONG)
            total.add(match[1], _UNITS[match[2]])
            signs.append(_sign(match[1]))
        elif match := _DAY.match(rest):
            total.add(match[1], "day")
            signs.append(_sign(match[1]))
        elif rest == "0":
            break
        else:
            raise ValueError(_WRONG)
        rest = rest[match.end() :].strip()
    if signs and signs[0] == "-" and len(signs) > 1 and not any(signs[1:]):
        raise ValueError(
            "ambiguous: the leading minus holds for all fields under one IntervalStyle only; sign each field"
        )
    if ago:
        total.months, total.days, total.us = -total.months, -total.days, -total.us


def _sign(amount: str) -> str:
    """The sign an amount is written with, empty where there is none."""
    return amount[0] if amount[0] in "+-" else ""


def render_interval(value: timedelta | Interval) -> str:
    """`+n mons -n days +hh:mm:ss.ffffff`, each signed, which servers read the same under every IntervalStyle.

    No unit has more than 32 bits but hours beyond two hundred thousand years, which PostgreSQL 14 does not read.
    """
    if not isinstance(value, Interval):
        value = Interval.of(value)
    fields = (value.months, value.days, value.microseconds)
    for infinite, word in ((INFINITY, "infinity"), (MINUS_INFINITY, "-infinity")):
        if fields == (infinite.months, infinite.days, infinite.microseconds):
            return word
    seconds, micro = divmod(abs(value.microseconds), const.US_PER_SECOND)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{micro:06d}"
    return f"{value.months:+d} mons {value.days:+d} days {'-' if value.microseconds < 0 else '+'}{clock}"
