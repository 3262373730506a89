"""Composite values and records in text form, both ways.

Law of this file: parentheses, commas and quotes, and nothing about attributes, which functions given by the caller
read and write. Nothing between two commas is NULL, `""` is the empty text.

Sources: docs, "Composite Type Input and Output Syntax"; server: rowtypes.c (record_in, record_out).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

_SPACE: Final = " \t\n\v\f\r"
#: An attribute: characters, escaped characters and quoted parts, up to a comma or the closing parenthesis. The quote
#: that ends a part has none behind it: so there is one way to read a text.
_ATTRIBUTE: Final = re.compile(r'((?:[^"\\,)]|\\.|"(?:[^"\\]|\\.|"")*"(?!"))*)([,)])', re.DOTALL)
_PIECE: Final = re.compile(r'\\(.)|"((?:[^"\\]|\\.|"")*)"', re.DOTALL)
_QUOTED_PIECE: Final = re.compile(r'\\(.)|""', re.DOTALL)
#: What record_out puts into quotes: nothing at all, marks, and blanks.
_SPECIAL: Final = re.compile(r'["\\(), \t\n\v\f\r]')


def split_record(text: str) -> list[str | None]:
    """The texts of a record's attributes, None for NULL. `()` is one NULL: whether it is none, its type says."""
    word = text.strip(_SPACE)
    if word[:1] != "(":
        raise ValueError("not a record such as (1,two,): '(' is missing")
    found: list[str | None] = []
    at, more = 1, True
    while more:
        match = _ATTRIBUTE.match(word, at)
        if match is None:
            raise ValueError("not a record such as (1,two,): it ends before its closing parenthesis")
        found.append(_unquote(match[1]) if match[1] else None)
        at, more = match.end(), match[2] == ","
    if at != len(word):
        raise ValueError("not a record such as (1,two,): characters follow its closing parenthesis")
    return found


def _unquote(word: str) -> str:
    """The attribute without its quotes and backslashes."""
    if '"' not in word and "\\" not in word:
        return word
    return _PIECE.sub(lambda piece: piece[1] or _QUOTED_PIECE.sub(lambda one: one[1] or '"', piece[2] or ""), word)


def parse_record(text: str, attributes: Sequence[Callable[[str], Any]]) -> tuple[Any, ...]:
    """The values of a record's attributes, None for NULL; `attributes` read them, one function for each."""
    words = split_record(text)
    if not attributes and words == [None]:
        return ()
    if len(words) != len(attributes):
        raise ValueError(f"not a record of this type: it has {len(words)} attributes instead of {len(attributes)}")
    return tuple([None if word is None else read(word) for word, read in zip(words, attributes, strict=True)])


def render_record(values: Sequence[Any], attributes: Sequence[Callable[[Any], str | None]]) -> str:
    """The text form of the values; None is NULL, and so is a value for which its function gives None."""
    if len(values) != len(attributes):
        raise ValueError(f"a record of {len(attributes)} attributes is wanted, and this has {len(values)}")
    words = ["" if value is None else _quote(write(value)) for value, write in zip(values, attributes, strict=True)]
    return f"({','.join(words)})"


def _quote(word: str | None) -> str:
    if word is None or (word and not _SPECIAL.search(word)):
        return word or ""
    return '"' + word.replace("\\", "\\\\").replace('"', '""') + '"'
