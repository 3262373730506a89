"""Values and names written into the text of a query: where the protocol has no parameters for them.

Law of this file: what a value writes is one token, or one with a cast behind it; no value can end its quotes or begin a
comment, whatever standard_conforming_strings is. (docs: Lexical Structure, Constants)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ...errors import ProgrammingError, shorten
from ...types.registry import Registry
from ...types.render import render_any
from ...types.standing import standing_for
from ..statements import Query

#: What the server reads as a number without quotes, and keeps: zero has no sign there.
_NUMBER: Final = re.compile(r"(?!-0*\.?0*(?:e|\Z))-?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?", re.IGNORECASE | re.ASCII)
#: The smallest integers of each type, whose digits alone are too large for it: a cast would come before the sign.
_SMALLEST: Final = frozenset((-(2**15), -(2**31), -(2**63)))
#: Beyond it Python may refuse to write an integer in digits.
_LARGE: Final = 2**64
_BARE: Final = frozenset(("int2", "int4", "int8", "numeric", "float8"))


def literal(text: str, walsender: bool = False) -> str:
    """The text as a string constant. Raises ProgrammingError for a NUL character.

    One with a backslash is written so that it means the same whatever standard_conforming_strings is: protocol 2.0 does
    not tell when that changes. The commands of a `walsender` know backslashes as characters only.
    """
    if "\0" in text:
        raise ProgrammingError(f"a value holds a NUL character at position {text.index(chr(0)) + 1}")
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if walsender or "\\" not in text else "E" + quoted.replace("\\", "\\\\")


def typed_literal(value: Any, registry: Registry) -> str:
    """A constant of the type that the value stands for: `1`, ` -1`, `'text'`, `'2020-01-01'::date`, `NULL`.

    A number is written as one, which the server may take for another type of number; behind a sign and before an E it
    has a blank. Raises ProgrammingError for a value that no constant holds.
    """
    kind = type(value)
    if kind is str:
        return _spaced(literal(value))
    if kind is int and -_LARGE < value < _LARGE and value not in _SMALLEST:
        return int.__repr__(value) if value >= 0 else f" {int.__repr__(value)}"
    try:
        found = standing_for(value, registry)
    except (TypeError, ValueError) as exc:
        raise ProgrammingError(f"{shorten(value)} cannot be written into the query: {exc}") from exc
    if found is None:
        return "NULL"
    text, name = found
    if name == "bool":
        return text
    if name in _BARE and _NUMBER.fullmatch(text) and not (text[0] == "-" and value in _SMALLEST):
        return f" {text}" if text[0] == "-" else text
    return _spaced(literal(text)) if name is None else f"{_spaced(literal(text))}::{name}"


def _spaced(quoted: str) -> str:
    """The constant, its E apart from what stands before it."""
    return quoted if quoted[0] == "'" else f" {quoted}"


def merge(query: Query, values: Sequence[Any], registry: Registry) -> str:
    """The query with the values as constants of their types in the places of `$1`, `$2`, ..., and nothing else
    changed."""
    if not values:
        return query.sql
    literals = []
    for number, value in enumerate(values):
        try:
            literals.append(typed_literal(value, registry))
        except ProgrammingError as exc:
            raise ProgrammingError(f"parameter ${number + 1}: {exc}") from exc
    return query.merged(literals)


def identifier(name: str) -> str:
    """The name, quoted. Raises ProgrammingError for a NUL character."""
    if "\0" in name:
        raise ProgrammingError("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def texts_of(values: Sequence[Any]) -> list[str | None]:
    """The values as the server reads them in text. Raises ProgrammingError naming the parameter that has no text."""
    texts = []
    for number, value in enumerate(values):
        try:
            texts.append(None if value is None else render_any(value))
        except TypeError as exc:
            raise ProgrammingError(f"parameter ${number + 1}: {exc}") from exc
    return texts


def in_place(query: Query, values: Sequence[Any]) -> str:
    """The query with its values in the places of `$1`, `$2`, ..."""
    if not values:
        return query.sql
    return query.with_literals(["NULL" if text is None else literal(text) for text in texts_of(values)])
