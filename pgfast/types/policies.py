"""What becomes of values that Python's own classes cannot hold, and how strictly parameters are taken.

Law of this file: the choices, and the numbers of the wire turned into what was chosen. `raise` loses nothing and is
the default; `text` loses nothing either, the value is the server's own text in DateStyle ISO (timestamptz in UTC);
`clamp` gives the nearest value Python has.

Sources: docs, "Date/Time Output"; server: datetime.c (EncodeDateTime, j2date), timestamp.h (infinities).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta, timezone
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

from .. import const
from ..errors import ProgrammingError
from ..values import Interval

RAISE: Final = "raise"
CLAMP: Final = "clamp"
TEXT: Final = "text"
AUTO: Final = "auto"

MIN_INT32: Final = -(2**31)
#: Days of 400 years, after which the Gregorian calendar repeats.
_CYCLE_DAYS: Final = 146097
#: Days from 0000-03-01, where the counting of a cycle begins, to 2000-01-01.
_CYCLE_START: Final = 730425
#: Days before a month in a year that begins in March.
_MONTH_DAYS: Final = (0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337)
_OUTSIDE: Final = "infinite or outside the years 1 to 9999 of Python's datetime; see configure(dates=...)"


@dataclass(frozen=True, slots=True)
class Policies:
    """The choices, each with its default.

    `dates` is for dates and timestamps that are infinite, before Christ or after 9999, `times` for 24:00; both are
    "raise", "clamp" or "text"; what came as text goes back as such. `intervals` is "exact" (a timedelta where it
    holds the value as it is, else an Interval), "interval" (always an Interval) or "timedelta" (always a timedelta;
    one with months is an error). `strings` is "strict", or "lenient": a str for a parameter of any type is then sent
    as text and read by the server, and inside other values and in loads by the client. `parameters` is "adapted": a
    value that does not fit what the server takes a parameter for goes as what it is (a str as text that the server
    reads, anything else declared by its class); or "strict": it is an error. `results` is "binary", wherever the codec
    reads a type's binary form, or "text". `json_loads` and `json_dumps` read and write JSON. `decimals` is the
    (precision, scale) of the decimal that a column of numeric without typmod
    is read into, None for exact text. `vectors` is "numpy" or "list", `geometry` "shapely" or "bytes"; "auto" takes
    the library where it is installed.
    """

    dates: str = RAISE
    times: str = RAISE
    intervals: str = "exact"
    strings: str = "strict"
    parameters: str = "adapted"
    results: str = "binary"
    json_loads: Callable[[str], Any] | None = None
    json_dumps: Callable[[Any], str | bytes] | None = None
    decimals: tuple[int, int] | None = None
    vectors: str = AUTO
    geometry: str = AUTO


_CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dates": (RAISE, CLAMP, TEXT),
        "times": (RAISE, CLAMP, TEXT),
        "intervals": ("exact", "interval", "timedelta"),
        "strings": ("strict", "lenient"),
        "parameters": ("adapted", "strict"),
        "results": ("binary", "text"),
        "vectors": (AUTO, "numpy", "list"),
        "geometry": (AUTO, "shapely", "bytes"),
    }
)
#: The libraries a policy may name, and the extras that bring them.
_EXTRAS: Final[Mapping[str, str]] = MappingProxyType({"numpy": "numpy", "shapely": "postgis"})
_NAMES: Final = tuple([field.name for field in fields(Policies)])
#: Most digits of a decimal256.
_MAX_PRECISION: Final = 76


def changed(policies: Policies, chosen: Mapping[str, Any]) -> Policies:
    """The policies with some chosen anew."""
    return replace(policies, **chosen) if chosen else policies


def check(chosen: Mapping[str, Any]) -> None:
    """Raise ProgrammingError for a policy or a choice that there is not."""
    for name, value in chosen.items():
        if name not in _NAMES:
            raise ProgrammingError(f"configure: there is no policy {name!r}; there are {', '.join(_NAMES)}")
        choices = _CHOICES.get(name)
        if choices is not None and not (isinstance(value, str) and value in choices):
            raise ProgrammingError(f"configure: {name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
        if choices is not None and value in _EXTRAS and find_spec(value) is None:
            raise ImportError(f"{value} is not installed; pip install 'pgfast[{_EXTRAS[value]}]'")
        if name.startswith("json_") and value is not None and not callable(value):
            raise ProgrammingError(f"configure: {name} must be a function or None, not {type(value).__name__}")
    decimals = chosen.get("decimals")
    if decimals is not None:
        try:
            precision, scale = decimals
            fits = 1 <= precision <= _MAX_PRECISION and 0 <= scale <= precision
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ProgrammingError(
                f"configure: decimals must be None or (precision, scale) with a precision up to {_MAX_PRECISION}, "
                f"not {decimals!r}"
            )


# ---------------------------------------------------------------- dates and times of any year


def civil(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a day counted from 2000-01-01, in the proleptic Gregorian calendar; the year before 1 is
    0."""
    cycles, day = divmod(days + _CYCLE_START, _CYCLE_DAYS)
    year = (day - day // 1460 + day // 36524 - day // (_CYCLE_DAYS - 1)) // 365
    day -= 365 * year + year // 4 - year // 100
    index = (5 * day + 2) // 153
    month = index + 3 if index < 10 else index - 9
    return year + cycles * 400 + (month <= 2), month, day - _MONTH_DAYS[index] + 1


def days_of(year: int, month: int, day: int) -> int:
    """The day counted from 2000-01-01, the inverse of `civil`. Raises ValueError for a day that is not."""
    if not 1 <= month <= 12:
        raise ValueError("month must be in 1..12")
    counted = year - (month <= 2)
    cycles, rest = divmod(counted, 400)
    days = 365 * rest + rest // 4 - rest // 100 + _MONTH_DAYS[(month + 9) % 12] + day - 1
    days += cycles * _CYCLE_DAYS - _CYCLE_START
    if not 1 <= day <= 31 or civil(days) != (year, month, day):
        raise ValueError("day is out of range for month")
    return days


def _day_text(days: int) -> tuple[str, str]:
    """(year-month-day, " BC" or nothing)."""
    year, month, day = civil(days)
    era = "" if year > 0 else " BC"
    return f"{year if year > 0 else 1 - year:04d}-{month:02d}-{day:02d}", era


def _clock_text(us: int) -> str:
    """`HH:MM:SS[.ffffff]`, without the zeros at its end."""
    seconds, micro = divmod(us, const.US_PER_SECOND)
    fraction = f".{micro:06d}".rstrip("0") if micro else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def date_text(days: int) -> str:
    """The date as the server writes it."""
    if days in (MIN_INT32, const.MAX_INT32):
        return "infinity" if days > 0 else "-infinity"
    return "".join(_day_text(days))


def timestamp_text(us: int, zone: str = "") -> str:
    """The timestamp as the server writes it; `zone` stands behind the time."""
    if us in (const.MIN_INT64, const.MAX_INT64):
        return "infinity" if us > 0 else "-infinity"
    days, clock = divmod(us, const.US_PER_DAY)
    day, era = _day_text(days)
    return f"{day} {_clock_text(clock)}{zone}{era}"


def timestamptz_text(us: int) -> str:
    """The timestamp with time zone as the server writes it in UTC."""
    return timestamp_text(us, "+00")


def time_text(us: int) -> str:
    """The time of day as the server writes it."""
    return _clock_text(us)


def offset_text(west: int) -> str:
    """The offset from UTC as the server writes it: `+02`, `-08:30`, `+00:00:01`."""
    minutes, seconds = divmod(abs(west), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{'-' if west > 0 else '+'}{hours:02d}"
    if minutes or seconds:
        text += f":{minutes:02d}"
    return text + (f":{seconds:02d}" if seconds else "")


def timetz_text(raw: tuple[int, int]) -> str:
    """The time of day with its offset as the server writes it."""
    return _clock_text(raw[0]) + offset_text(raw[1])


def _clamp_date(days: int) -> date:
    return date.max if days > 0 else date.min


def _clamp_timestamp(us: int) -> datetime:
    return datetime.max if us > 0 else datetime.min


def _clamp_timestamptz(us: int) -> datetime:
    return (datetime.max if us > 0 else datetime.min).replace(tzinfo=timezone.utc)


def _clamp_time(_us: int) -> time:
    return time.max


def _clamp_timetz(raw: tuple[int, int]) -> time:
    return time.max.replace(tzinfo=timezone(timedelta(seconds=-raw[1])))


_DATES: Final[Mapping[tuple[str, int], Callable[[int], Any]]] = MappingProxyType(
    {
        (CLAMP, const.KIND_DATE): _clamp_date,
        (CLAMP, const.KIND_TIMESTAMP): _clamp_timestamp,
        (CLAMP, const.KIND_TIMESTAMPTZ): _clamp_timestamptz,
        (TEXT, const.KIND_DATE): date_text,
        (TEXT, const.KIND_TIMESTAMP): timestamp_text,
        (TEXT, const.KIND_TIMESTAMPTZ): timestamptz_text,
    }
)
_TIMES: Final[Mapping[tuple[str, int], Callable[[Any], Any]]] = MappingProxyType(
    {
        (CLAMP, const.KIND_TIME): _clamp_time,
        (CLAMP, const.KIND_TIMETZ): _clamp_timetz,
        (TEXT, const.KIND_TIME): time_text,
        (TEXT, const.KIND_TIMETZ): timetz_text,
    }
)
DATE_KINDS: Final = frozenset((const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ))
TIME_KINDS: Final = frozenset((const.KIND_TIME, const.KIND_TIMETZ))


def _as_interval(fields: tuple[int, int, int]) -> Interval:
    return Interval(*fields)


def _as_timedelta(fields: tuple[int, int, int]) -> timedelta:
    return Interval(*fields).to_timedelta()


def beyond_python(policies: Policies, kind: int) -> Callable[[Any], Any] | None:
    """What is made of the raw number of a date, time or timestamp that Python cannot hold, and of every interval.

    None where the kind itself decides: by an error, or for intervals by "exact".
    """
    if kind == const.KIND_INTERVAL:
        return {"interval": _as_interval, "timedelta": _as_timedelta}.get(policies.intervals)
    return _DATES.get((policies.dates, kind)) or _TIMES.get((policies.times, kind))


def takes_text(policies: Policies, kind: int) -> bool:
    """Whether a str for a parameter of this kind is sent as text for the server to read."""
    if policies.strings == "lenient":
        return True
    return (kind in DATE_KINDS and policies.dates == TEXT) or (kind in TIME_KINDS and policies.times == TEXT)


def any_text(policies: Policies) -> bool:
    """Whether there is any kind for which `takes_text` holds."""
    return policies.strings == "lenient" or TEXT in (policies.dates, policies.times)
