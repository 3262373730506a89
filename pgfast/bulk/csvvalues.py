"""Values of a CSV file: which of them the codec reads as the server does, and which are plainly none.

Law of this file: in doubt, doubt. A type whose values the codec does not make of text goes as text, what is not surely
refused by the server is no mistake; the server's own input functions then decide.

Sources: docs, "Numeric Types" and "Character Types"; server: numutils.c, numeric.c (numeric_typmod_scale), name.c
(namein cuts what namerecv refuses).
"""

from __future__ import annotations

import re
from typing import Final

from .. import const
from ..types.text import PARSERS
from .target import TargetColumn

#: Kinds of whole numbers -> bits without the sign.
_INTEGERS: Final = {const.KIND_INT2: 15, const.KIND_INT4: 31, const.KIND_INT8: 63, const.KIND_OID: 32}
_NUMBERS: Final = (const.KIND_FLOAT4, const.KIND_FLOAT8, const.KIND_NUMERIC)
#: Bytes of a name (NAMEDATALEN without the closing NUL).
NAME_BYTES: Final = 63

#: What the server may take for more than is known here, a beginning of it being enough.
_MAYBE_WHOLE: Final = re.compile(r"\s*[+-]?[0-9][0-9a-zA-Z_]*\s*", re.ASCII)
_MAYBE_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9.]|inf|nan)", re.ASCII | re.IGNORECASE)
_DIGITS: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_PLAIN_DAY: Final = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID_CHARACTERS: Final = re.compile(r"[0-9a-fA-F{}-]*")


def surely_read(column: TargetColumn) -> bool:
    """Whether the codec makes the binary form of the column's type of text, where the text is sure.

    It does not for times with time zone, intervals, arrays and all that is made of something else, nor for what is read
    by functions of the type's own (networks, geometry, text search ...).
    """
    return column.info.kind in const.CSV_KINDS


def kernel_column(field: int, column: TargetColumn) -> tuple[int, int, int, int]:
    """How the codec makes the column of a field, as CsvState wants it."""
    info = column.info
    limit, places = const.MAX_INT32, 0
    if info.kind == const.KIND_NUMERIC:
        limit, places = const.NUMERIC_MAX_WHOLE_DIGITS, const.NUMERIC_MAX_SCALE
        typmod = info.typmod if column.typmod < 0 else column.typmod
        if typmod >= 4:
            places = (((typmod - 4) & 0x7FF) ^ 1024) - 1024
            limit = ((typmod - 4) >> 16 & 0xFFFF) - places
    while info.base is not None:
        info = info.base
    if info.oid == const.OID_NAME:
        limit = NAME_BYTES
    return field, info.kind, limit, places


def text_column(field: int, column: TargetColumn) -> tuple[int, int, int, int]:
    """As `kernel_column`, of a column that goes as text."""
    return field, const.KIND_STR, const.MAX_INT32, 0


def plain_mistake(text: str, column: TargetColumn) -> str | None:
    """Why the server refuses the text, None where it may take it."""
    kind = column.info.kind
    if kind in _INTEGERS:
        return _integer_mistake(text, kind)
    if kind in _NUMBERS and not _MAYBE_NUMBER.match(text):
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
    bits = _INTEGERS[kind]
    if kind == const.KIND_OID or not _DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 20:
        return f"{text[:20]}... is out of range"
    number = int(digits or "0") * (-1 if text[0] == "-" else 1)
    return None if -(1 << bits) <= number < 1 << bits else f"{number} is out of range"
