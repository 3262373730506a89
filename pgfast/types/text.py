"""Text form -> Python values: what the server writes in text format, and what people write in CSV files.

Law of this file: a parser takes a str and gives back the value its kind decodes to, or raises ValueError that quotes
nothing but says what is wanted; the caller quotes the value. Nothing is guessed: what two servers could read
differently is refused.

Sources: docs, "Date/Time Input" and "Interval Output"; "bytea Hex Format" and "bytea Escape Format"; "Array Input and
Output Syntax"; server: numeric.c, bool.c (parse_bool_with_len), arrayfuncs.c (array_in).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from struct import Struct
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from .. import const
from .intervals import parse_interval
from .policies import MIN_INT32, days_of

Parser = Callable[[str], Any]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE
)
_OFFSET: Final = r"(?P<sign>[+-])(?P<oh>\d{1,2})(?::?(?P<om>\d{2})(?::?(?P<os>\d{2}))?)?|(?P<utc>z|utc)"
_DATE: Final = r"(?P<year>\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_TIME: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?"
_DATE_ONLY: Final = re.compile(_DATE, re.ASCII)
_TIME_ONLY: Final = re.compile(rf"{_TIME}(?:\s*(?P<offset>{_OFFSET}))?", re.ASCII | re.IGNORECASE)
_TIMESTAMP: Final = re.compile(rf"{_DATE}(?:[T ]\s*{_TIME}(?:\s*(?P<offset>{_OFFSET}))?)?", re.ASCII | re.IGNORECASE)
_ESCAPED: Final = re.compile(rb"\\(\\|[0-3][0-7]{2})|\\")

_HEX: Final = re.compile(r"(?:[0-9a-f]{2}|[ \t\n\r])*", re.ASCII | re.IGNORECASE)
_UUID: Final = re.compile(r"(\{)?[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}(?(1)\})", re.ASCII | re.IGNORECASE)

#: What the server skips around a value; str.strip() without it would skip more.
_SPACE: Final = " \t\n\v\f\r"
#: The widest offset from UTC the server takes is 15:59:59.
_WIDEST_OFFSET: Final = timedelta(hours=16)
_F32: Final = Struct("<f")
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


def parse_bool(text: str) -> bool:
    """True or False from the words the server takes.

    These are true, yes, on, 1 and the opposites, or a beginning that is one word's alone.
    """
    word = text.strip(_SPACE).lower()
    if word and word != "o":  # "o" begins both on and off
        if any(full.startswith(word) for full in _TRUE):
            return True
        if any(full.startswith(word) for full in _FALSE):
            return False
    raise ValueError("not a boolean (true or false)")


def parse_int(text: str) -> int:
    """The whole number in decimal digits."""
    word = text.strip(_SPACE)
    if not _INTEGER.fullmatch(word):
        raise ValueError("not a whole number")
    digits = word.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 20:  # longer than any integer type; converting a million digits would only cost time
        raise ValueError("out of range")
    return -int(digits) if word[0] == "-" else int(digits)


def parse_float(text: str) -> float:
    """The float, with NaN, Infinity and inf.

    A number that would overflow to infinity, or become zero without being it, is refused as the server refuses it.
    """
    word = text.strip(_SPACE)
    if not _FLOAT.fullmatch(word):
        raise ValueError("not a number")
    value = float(word)
    if math.isinf(value) and word.lstrip("+-")[0] not in "iI":
        raise ValueError("out of range for a double")
    if value == 0 and _nonzero(word):
        raise ValueError("out of range for a double: it would become 0")
    return value


def _nonzero(word: str) -> bool:
    """Whether a digit before the exponent is not 0."""
    return not set("123456789").isdisjoint(word.lower().partition("e")[0])


def parse_float4(text: str) -> float:
    """The float as single precision holds it, which is what the binary form gives."""
    try:
        value: float = _F32.unpack(_F32.pack(parse_float(text)))[0]
    except OverflowError:
        raise ValueError("out of range for a real") from None
    if value == 0 and _nonzero(text):
        raise ValueError("out of range for a real: it would become 0")
    return value


def parse_numeric(text: str) -> Decimal:
    """The Decimal with exactly the digits written."""
    word = text.strip(_SPACE)
    if not _FLOAT.fullmatch(word):
        raise ValueError("not a number")
    try:
        return Decimal(word)
    except InvalidOperation:
        raise ValueError("out of range") from None


def parse_bytea(text: str) -> bytes:
    """The bytes of the hex form (`\\x...`) or the escape form.

    In the escape form other characters than ASCII's are refused: which bytes they are is the server's encoding's to
    say.
    """
    if text[:2] == "\\x":
        if not _HEX.fullmatch(text, 2):
            raise ValueError("not bytea: two hexadecimal digits a byte are wanted behind \\x")
        return bytes.fromhex(text[2:])
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("not ASCII; write it in the hex form") from None

    def unescape(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code is None:
            raise ValueError("not bytea: a backslash must be doubled or followed by three octal digits")
        return code if code == b"\\" else bytes([int(code, 8)])

    return _ESCAPED.sub(unescape, raw)


def _infinite(word: str) -> bool:
    return word.lstrip("+-").lower() == "infinity"


def _date_of(match: re.Match[str]) -> date:
    if int(match["year"]) > 9999:
        raise ValueError("outside the years 1 to 9999 of Python's datetime")
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def _time_of(match: re.Match[str], zone: tzinfo | None) -> time:
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > 6:
        raise ValueError("would lose digits below a microsecond; round it first")
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if hour == 24 and minute == second == 0 and not fraction:
        raise ValueError("24:00 is outside what Python's time can hold")
    return time(hour, minute, second, int(fraction.ljust(6, "0")), zone)


def _zone_of(match: re.Match[str]) -> timezone | None:
    """The fixed offset that ends the text, or None where none is written."""
    if match["offset"] is None:
        return None
    if match["utc"]:
        return timezone.utc
    offset = timedelta(hours=int(match["oh"]), minutes=int(match["om"] or 0), seconds=int(match["os"] or 0))
    if offset >= _WIDEST_OFFSET or int(match["om"] or 0) > 59 or int(match["os"] or 0) > 59:
        raise ValueError("the offset from UTC is not one")
    return timezone(-offset if match["sign"] == "-" else offset)


def parse_date(text: str) -> date:
    """The date of ISO 8601, `YYYY-MM-DD`."""
    word = text.strip(_SPACE)
    match = _DATE_ONLY.fullmatch(word)
    if match is None:
        if _infinite(word) or word.endswith("BC"):
            raise ValueError("infinite or outside the years 1 to 9999 of Python's datetime")
        raise ValueError("not a date (YYYY-MM-DD)")
    value: date = _dated(_date_of, match, "date")
    return value


def _dated(make: Callable[..., Any], match: re.Match[str], what: str, *rest: Any) -> Any:
    """`make(match, *rest)`, its ValueError saying that the text is no such thing and why."""
    try:
        return make(match, *rest)
    except ValueError as exc:
        raise ValueError(f"not a {what}: {exc}") from None


def parse_time(text: str) -> time:
    """The time of day, `HH:MM[:SS[.ffffff]]`, without an offset."""
    match = _TIME_ONLY.fullmatch(text.strip(_SPACE))
    if match is None:
        raise ValueError("not a time (HH:MM:SS)")
    if match["offset"]:
        raise ValueError("not a time without time zone: it ends in an offset")
    value: time = _dated(_time_of, match, "time", None)
    return value


def parse_timetz(text: str) -> time:
    """The time of day with its offset, `HH:MM[:SS[.ffffff]]+HH[:MM[:SS]]`."""
    match = _TIME_ONLY.fullmatch(text.strip(_SPACE))
    if match is None or match["offset"] is None:
        raise ValueError("not a time with time zone (HH:MM:SS+HH)")
    value: time = _dated(_time_of, match, "time", _dated(_zone_of, match, "time"))
    return value


def _timestamp_of(match: re.Match[str], zone: tzinfo | None) -> datetime:
    at = time(tzinfo=zone) if match["hour"] is None else _time_of(match, zone)
    return datetime.combine(_date_of(match), at)


def _timestamp_match(text: str) -> re.Match[str]:
    word = text.strip(_SPACE)
    match = _TIMESTAMP.fullmatch(word)
    if match is None:
        if _infinite(word) or word.endswith("BC"):
            raise ValueError("infinite or outside the years 1 to 9999 of Python's datetime")
        raise ValueError("not a timestamp (YYYY-MM-DD HH:MM:SS)")
    return match


def parse_timestamp(text: str) -> datetime:
    """The naive datetime of `YYYY-MM-DD[ HH:MM[:SS[.ffffff]]]`.

    An offset is refused, which the server would drop silently.
    """
    match = _timestamp_match(text)
    if match["offset"]:
        raise ValueError("not a timestamp without time zone: it ends in an offset")
    value: datetime = _dated(_timestamp_of, match, "timestamp", None)
    return value


def parse_timestamptz(text: str, zone: tzinfo | None = None) -> datetime:
    """The datetime in UTC of a timestamp with an offset.

    One without is read in `zone`, and refused where `zone` is None. Of an hour that happens twice it is the second
    one, in an hour that never happens the offset before it holds: so the server reads them.
    """
    match = _timestamp_match(text)
    found = _dated(_zone_of, match, "timestamp") or zone
    if found is None:
        raise ValueError("not a timestamp with time zone: it has no offset such as +00")
    try:
        local = _timestamp_of(match, found)
        second = local.replace(fold=1)
        before, after = local.utcoffset(), second.utcoffset()
        if before is not None and after is not None and after < before:
            local = second
        value: datetime = local.astimezone(timezone.utc)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"not a timestamp: {exc}") from None
    return value


def parse_uuid(text: str) -> UUID:
    """The UUID, with or without braces, and with or without a hyphen behind any four digits."""
    if not _UUID.fullmatch(text):
        raise ValueError("not a UUID")
    return UUID(text)


#: What is under json.loads. Without the spaces that loads looks for, a small value takes two thirds of the time.
_read_json: Final = json.JSONDecoder().raw_decode


def parse_json(text: str) -> Any:
    """The value of the JSON text."""
    try:
        value, end = _read_json(text)
    except ValueError:
        return json.loads(text)  # spaces before it, or an error to be told
    return value if end == len(text) else json.loads(text)


def _same(text: str) -> str:
    return text


#: kind -> the parser of its text form. Kinds not named here are their own text.
PARSERS: Final[Mapping[int, Parser]] = MappingProxyType(
    {
        const.KIND_STR: _same,
        const.KIND_CHAR: _same,
        const.KIND_ENUM: _same,
        const.KIND_BOOL: parse_bool,
        const.KIND_INT2: parse_int,
        const.KIND_INT4: parse_int,
        const.KIND_INT8: parse_int,
        const.KIND_OID: parse_int,
        const.KIND_UINT8: parse_int,
        const.KIND_FLOAT4: parse_float4,
        const.KIND_FLOAT8: parse_float,
        const.KIND_NUMERIC: parse_numeric,
        const.KIND_BYTES: parse_bytea,
        const.KIND_DATE: parse_date,
        const.KIND_TIME: parse_time,
        const.KIND_TIMETZ: parse_timetz,
        const.KIND_TIMESTAMP: parse_timestamp,
        const.KIND_TIMESTAMPTZ: parse_timestamptz,
        const.KIND_INTERVAL: parse_interval,
        const.KIND_UUID: parse_uuid,
        const.KIND_JSON: parse_json,
        const.KIND_JSONB: parse_json,
    }
)


# ---------------------------------------------------------------- dates and times of any year

_ANY_DATE: Final = r"(?P<year>\d{4,7})-(?P<month>\d{2})-(?P<day>\d{2})"
_ANY_DATE_ONLY: Final = re.compile(rf"{_ANY_DATE}(?P<era> BC)?", re.ASCII)
_ANY_TIMESTAMP: Final = re.compile(rf"{_ANY_DATE} {_TIME}(?P<offset>{_OFFSET})?(?P<era> BC)?", re.ASCII | re.IGNORECASE)
_US: Final = timedelta(microseconds=1)


def _raw_day(match: re.Match[str]) -> int:
    year = int(match["year"])
    return days_of(1 - year if match["era"] else year, int(match["month"]), int(match["day"]))


def _raw_clock(match: re.Match[str]) -> int:
    seconds = (int(match["hour"]) * 60 + int(match["minute"])) * 60 + int(match["second"] or 0)
    return seconds * const.US_PER_SECOND + int((match["fraction"] or "")[:6].ljust(6, "0"))


def _raw_date(text: str) -> int | None:
    """Days since 2000-01-01 of any date the server writes, None for what it does not write so."""
    if _infinite(text):
        return MIN_INT32 if text[0] == "-" else const.MAX_INT32
    match = _ANY_DATE_ONLY.fullmatch(text)
    return None if match is None else _raw_day(match)


def _raw_timestamp(text: str, zoned: bool) -> int | None:
    """Microseconds since 2000-01-01 (UTC where `zoned`) of any timestamp the server writes."""
    if _infinite(text):
        return const.MIN_INT64 if text[0] == "-" else const.MAX_INT64
    match = _ANY_TIMESTAMP.fullmatch(text)
    if match is None or bool(match["offset"]) is not zoned:
        return None
    zone = _zone_of(match)
    offset = timedelta() if zone is None else zone.utcoffset(None)
    return _raw_day(match) * const.US_PER_DAY + _raw_clock(match) - offset // _US


def _held_date(days: int) -> date | None:
    ordinal = days + const.EPOCH_ORDINAL
    return date.fromordinal(ordinal) if 1 <= ordinal <= date.max.toordinal() else None


def _held_timestamp(us: int, zone: timezone | None) -> datetime | None:
    days, clock = divmod(us, const.US_PER_DAY)
    day = _held_date(days)
    return None if day is None else datetime.combine(day, time(tzinfo=zone)) + timedelta(microseconds=clock)


def any_date(kind: int, call: Callable[[int], Any] | None) -> Parser:
    """The parser of what the server writes for a date or timestamp.

    `call` makes a value of the raw number of one that Python cannot hold, as the binary decoder has it made; None:
    ValueError.
    """
    parse = PARSERS[kind]

    def parse_any(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as exc:
            raw = _raw_date(text) if kind == const.KIND_DATE else _raw_timestamp(text, kind == const.KIND_TIMESTAMPTZ)
            if raw is None:
                raise
            zone = timezone.utc if kind == const.KIND_TIMESTAMPTZ else None
            held = _held_date(raw) if kind == const.KIND_DATE else _held_timestamp(raw, zone)
            if held is not None:
                return held
            if call is None:
                raise ValueError(
                    f"{exc}; choose types.configure(dates='text') or 'clamp', or cast it to text"
                ) from None
        return call(raw)

    return parse_any


def any_time(kind: int, call: Callable[[Any], Any] | None) -> Parser:
    """As `any_date`, for a time of day, of which Python cannot hold 24:00."""
    parse = PARSERS[kind]

    def parse_any(text: str) -> Any:
        if not text.startswith("24:00:00"):
            return parse(text)
        if call is None:
            raise ValueError(
                "24:00 is outside what Python's time can hold; choose types.configure(times='text') or 'clamp', "
                "or cast it to text"
            )
        if kind == const.KIND_TIME:
            parse("00" + text[2:])  # that nothing else stands there
            return call(const.US_PER_DAY)
        offset = parse("00" + text[2:]).utcoffset()
        return call((const.US_PER_DAY, -(offset // timedelta(seconds=1))))

    return parse_any
