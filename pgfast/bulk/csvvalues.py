"""Values of a CSV file: which of them pyarrow reads as the server does, and which are plainly none.

Law of this file: in doubt, doubt. What is not surely read as the server reads it is Unsure, what is not surely refused
by the server is no mistake; the server's own input functions then decide.

Sources: docs, "Date/Time Input", "Numeric Types", "uuid Type"; server: numutils.c, float.c, datetime.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from .. import const
from ..columns import DECIMAL128_DIGITS, decimal_shape
from ..types.text import PARSERS
from .target import TargetColumn

_TRUE: Final = ("true", "t", "yes", "y", "on", "1")
_FALSE: Final = ("false", "f", "no", "n", "off", "0")
_CLOCK: Final = r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL: Final = f"{_DAY}({_CLOCK})?$"
_ZONED: Final = rf"{_DAY}{_CLOCK}(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)$"
_WHOLE: Final = "^-?[0-9]+$"
#: What a float may be written as that is zero or infinite.
_EDGE: Final = r"(?i)^[+-]?([0.]+(e[+-]?[0-9]+)?|inf|infinity)$"
#: 0001-01-01 in days since 1970. Before it stands the year 0, which the server refuses.
_FIRST_DAY: Final = -719162

_INTEGERS: Final = {
    const.KIND_INT2: ("int16", 15),
    const.KIND_INT4: ("int32", 31),
    const.KIND_INT8: ("int64", 63),
    const.KIND_OID: ("uint32", 32),
}
_FLOATS: Final = {const.KIND_FLOAT4: "float32", const.KIND_FLOAT8: "float64"}

#: What the server may take for more than is known here, a beginning of it being enough.
_MAYBE_WHOLE: Final = re.compile(r"\s*[+-]?[0-9][0-9a-zA-Z_]*\s*", re.ASCII)
_MAYBE_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9.]|inf|nan)", re.ASCII | re.IGNORECASE)
_DIGITS: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_PLAIN_DAY: Final = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID_CHARACTERS: Final = re.compile(r"[0-9a-fA-F{}-]*")


class Unsure(Exception):
    """A value that the server may read otherwise, or may read where pyarrow does not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one column is read: parsed as `parsed`, and then cast to `cast` where that is another type.

    `pattern` is what all values must match before, empty where there is none.
    """

    parsed: Any
    cast: Any
    pattern: str = ""


def spellings(words: Sequence[str]) -> list[str]:
    """The words in lower and upper case, and with a capital."""
    return sorted({spelled for word in words for spelled in (word, word.upper(), word.capitalize())})


TRUE_VALUES: Final = tuple(spellings(_TRUE))
FALSE_VALUES: Final = tuple(spellings(_FALSE))


def surely_read(column: TargetColumn) -> bool:
    """Whether this package reads a value of the column, or refuses it, as the server would; else the server must.

    An interval of some fields only is not, nor one that a domain may have made so: in it a bare number or 1:02 stands
    for those. Nor is what is read by functions of the type's own (networks, geometry, text search ...), nor ranges and
    composites.
    """
    info = column.info
    part = info.children[0] if info.kind == const.KIND_ARRAY else info
    if part.kind == const.KIND_INTERVAL and (column.typmod, info.typmod, part.typmod) != (-1, -1, -1):
        return False
    return part.kind in _SURE


#: Kinds whose text is read as the server reads it, or left to it where that is not certain.
_SURE: Final = frozenset((*range(const.KIND_STR, const.KIND_ARRAY), const.KIND_ENUM))


def reading(column: TargetColumn, hexadecimal: bool) -> Reading:
    """How pyarrow reads the column; as a string where the parsers of this package or the server do it.

    `hexadecimal` says that 0x stands somewhere in the file, which pyarrow takes for a number of bits.
    """
    arrow: Any = import_module("pyarrow")
    text = arrow.string()
    kind = const.KIND_STR if column.spec is None else column.spec[0]
    if kind in _INTEGERS:
        made = getattr(arrow, _INTEGERS[kind][0])()
        return Reading(text, made, _WHOLE) if hexadecimal else Reading(made, made)
    if kind in _FLOATS:
        return Reading(text, getattr(arrow, _FLOATS[kind])())
    if kind == const.KIND_TIMESTAMP:
        return Reading(text, arrow.timestamp("us"), _LOCAL)
    if kind == const.KIND_TIMESTAMPTZ:
        return Reading(text, arrow.timestamp("us", "UTC"), _ZONED)
    made = text
    if kind == const.KIND_BOOL:
        made = arrow.bool_()
    elif kind == const.KIND_DATE:
        made = arrow.date32()
    elif kind == const.KIND_TIME:
        made = arrow.time64("us")
    elif kind == const.KIND_NUMERIC:
        precision, scale = decimal_shape(column.typmod)
        made = arrow.decimal128(precision, scale) if 0 < precision <= DECIMAL128_DIGITS else text
    return Reading(made, made)


def converted(values: Any, how: Reading, utc: bool) -> Any:
    """The column as its Arrow type; times without offset are UTC where the session's zone is (`utc`).

    Raises Unsure, and pyarrow's own errors.
    """
    arrow: Any = import_module("pyarrow")
    compute: Any = import_module("pyarrow.compute")
    types = arrow.types
    made = values
    if how.cast != how.parsed:
        if not how.pattern or _all_match(values, how.pattern):
            made = compute.cast(values, how.cast)
        elif utc and how.pattern == _ZONED and _all_match(values, _LOCAL):
            made = compute.cast(values, arrow.timestamp("us")).cast(how.cast)
        else:
            raise Unsure
    if types.is_floating(made.type):
        edge = compute.or_(compute.equal(made, arrow.scalar(0, made.type)), compute.is_inf(made))
        if not _all_match(values.filter(edge), _EDGE):
            raise Unsure
    elif types.is_date32(made.type) or types.is_timestamp(made.type):
        first = _FIRST_DAY * (1 if types.is_date32(made.type) else const.US_PER_DAY)
        plain = made.view(arrow.int32() if types.is_date32(made.type) else arrow.int64())
        if compute.any(compute.less(plain, arrow.scalar(first, plain.type))).as_py():
            raise Unsure
    return made


def _all_match(values: Any, pattern: str) -> bool:
    """Whether every string matches; NULL does."""
    compute: Any = import_module("pyarrow.compute")
    return bool(compute.all(compute.match_substring_regex(values, pattern), min_count=0).as_py())


def plain_mistake(text: str, column: TargetColumn) -> str | None:
    """Why the server refuses the text, None where it may take it."""
    kind = const.KIND_STR if column.spec is None else column.spec[0]
    if kind in _INTEGERS:
        return _integer_mistake(text, kind)
    if kind in (*_FLOATS, const.KIND_NUMERIC) and not _MAYBE_NUMBER.match(text):
        return f"{text!r} does not fit: not a number"
    if kind == const.KIND_UUID and not _UUID_CHARACTERS.fullmatch(text):
        return f"{text!r} does not fit: not a UUID"
    if kind == const.KIND_BOOL or (kind in _DAYS and _PLAIN_DAY.fullmatch(text)):
        try:
            PARSERS[_DAYS.get(kind, kind)](text)
        except ValueError as exc:
            return f"{text!r} does not fit: {exc}"
    return None


_DAYS: Final = {
    const.KIND_DATE: const.KIND_DATE,
    const.KIND_TIMESTAMP: const.KIND_TIMESTAMP,
    const.KIND_TIMESTAMPTZ: const.KIND_TIMESTAMP,
}


def _integer_mistake(text: str, kind: int) -> str | None:
    if not _MAYBE_WHOLE.fullmatch(text):
        return f"{text!r} does not fit: not a whole number"
    bits = _INTEGERS[kind][1]
    if kind == const.KIND_OID or not _DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 20:
        return f"{text[:20]}... is out of range"
    number = int(digits or "0") * (-1 if text[0] == "-" else 1)
    return None if -(1 << bits) <= number < 1 << bits else f"{number} is out of range"
