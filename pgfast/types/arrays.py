"""Arrays in text form, both ways.

Law of this file: the grammar of `{...}` and nothing about elements, which a function given by the caller reads and
writes.

Sources: docs, "Array Input and Output Syntax"; server: arrayfuncs.c (array_in, array_out).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from .. import const
from ..values import Array

#: What the server skips around elements; what else Unicode calls a space belongs to them.
_SPACE: Final = " \t\n\v\f\r"
_BOUNDS: Final = re.compile(r"\s*((?:\[[+-]?\d+(?::[+-]?\d+)?\])+)\s*=\s*", re.ASCII)
_BOUND: Final = re.compile(r"\[(?:([+-]?\d+):)?([+-]?\d+)\]", re.ASCII)
_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_RAGGED: Final = "not an array: its sub-arrays differ in length or depth"


@lru_cache(maxsize=8)
def _grammar(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(one token: a quoted element, a brace, the delimiter, or a bare word up to the next of these; a word that needs
    no quotes)."""
    mark = re.escape(delimiter)
    token = re.compile(rf'[ \t\n\v\f\r]*(?:"((?:[^"\\]|\\.)*)"|([{{}}{mark}])|((?:[^"{{}}{mark}\\]|\\.)+))', re.DOTALL)
    return token, re.compile(rf'[^\s"{{}}{mark}\\]+')


def parse_array(
    text: str, element: Callable[[str], Any], delimiter: str = ",", element_is_list: bool = False
) -> list[Any]:
    """The nested lists of an array's text form, None for NULL; an Array where a lower bound is written that is not 1.

    `delimiter` is the element type's own (pg_type.typdelim). Where elements may be lists themselves, an array of more
    than one dimension is an Array too, because the lists would not tell.
    """
    bounds = _BOUNDS.match(text)
    start = bounds.end() if bounds else len(text) - len(text.lstrip(_SPACE))
    stop = len(text.rstrip(_SPACE))
    lengths: list[int | None] = []
    value, at = _Parser(text, stop, element, lengths, _grammar(delimiter)[0], delimiter).level(start)
    if at != stop:
        raise ValueError("not an array: characters follow its closing brace")
    lower_bounds = [1] * len(lengths) if bounds is None else _lower_bounds(bounds[1], lengths)
    plain = all(low == 1 for low in lower_bounds) and not (element_is_list and len(lengths) > 1)
    return value if plain else Array(value, lower_bounds)


def _lower_bounds(written: str, lengths: Sequence[int | None]) -> list[int]:
    """The lower bounds of dimensions that are as long as it is written."""
    spans = [(int(low or 1), int(high)) for low, high in _BOUND.findall(written)]
    if 0 in lengths or [high - low + 1 for low, high in spans] != list(lengths):
        raise ValueError("not an array: its dimensions are not those written before it")
    return [low for low, _high in spans]


class _Parser:
    """One array's text form up to `stop`.

    `lengths` holds the length of the lists of each depth once one of them is closed; the last depth is the elements'.
    """

    __slots__ = ("_delimiter", "_element", "_lengths", "_stop", "_text", "_token")

    def __init__(
        self,
        text: str,
        stop: int,
        element: Callable[[str], Any],
        lengths: list[int | None],
        token: re.Pattern[str],
        delimiter: str,
    ) -> None:
        self._text = text
        self._stop = stop
        self._element = element
        self._lengths = lengths
        self._token = token
        self._delimiter = delimiter

    def level(self, at: int, depth: int = 0) -> tuple[list[Any], int]:
        """The list that opens at `at`, and the position behind its closing brace."""
        text, stop, lengths, token, delimiter = self._text, self._stop, self._lengths, self._token, self._delimiter
        if at >= stop or text[at] != "{":
            raise ValueError("not an array: '{' is missing")
        if depth == const.MAX_DIMENSIONS:
            raise ValueError(f"not an array: more than {const.MAX_DIMENSIONS} dimensions")
        closed_before = len(lengths) > depth
        if not closed_before:
            lengths.append(None)
        items: list[Any] = []
        at += 1
        nested: bool | None = None
        while True:
            match = token.match(text, at, stop)
            if match is None:
                raise ValueError("not an array: it ends before its closing brace")
            quoted, mark, bare = match.groups()
            if mark == "}" and not items:
                at = match.end()
                break
            if mark in (delimiter, "}"):
                raise ValueError(f"not an array: unexpected '{mark}'")
            if nested not in (None, mark == "{"):
                raise ValueError("not an array: elements and sub-arrays are mixed")
            nested = mark == "{"
            if nested and closed_before and len(lengths) == depth + 1:
                raise ValueError(_RAGGED)
            if nested:
                item, at = self.level(match.start(2), depth + 1)
            else:
                item, at = _element(quoted, bare, self._element), match.end()
            items.append(item)
            match = token.match(text, at, stop)
            if match is None or match[2] not in (delimiter, "}"):
                raise ValueError(f"not an array: '{delimiter}' or '}}' is missing behind an element")
            at = match.end()
            if match[2] == "}":
                break
        if lengths[depth] not in (None, len(items)) or (closed_before and bool(nested) != (len(lengths) > depth + 1)):
            raise ValueError(_RAGGED)
        lengths[depth] = len(items)
        return items, at


def _element(quoted: str | None, bare: str | None, element: Callable[[str], Any]) -> Any:
    if quoted is not None:
        return element(_BACKSLASHED.sub(r"\1", quoted))
    assert bare is not None
    word = bare.rstrip(_SPACE)
    if word.upper() == "NULL":
        return None
    return element(_BACKSLASHED.sub(r"\1", word))


def render_array(
    value: Any, element: Callable[[Any], str | None], delimiter: str = ",", nests: tuple[type, ...] = (list, tuple)
) -> str:
    """The text form of nested lists or tuples; None is NULL, and so is an element for which the function gives None.

    `nests` are the types that stand for a dimension, and are not elements: none where elements may be lists
    themselves, and then an Array has as many dimensions as lower bounds, anything else has one. The lower bounds of
    an Array are written.
    """
    most = const.MAX_DIMENSIONS
    if not nests:
        nests, most = (list, tuple), len(value.lower_bounds) if isinstance(value, Array) else 1
    body = _render_level(value, element, delimiter, nests, _grammar(delimiter)[1], most)
    if not isinstance(value, Array) or not value:
        return body
    lengths, inner = [len(value)], value[0]
    while type(inner) in nests and inner and len(lengths) < most:
        lengths.append(len(inner))
        inner = inner[0]
    if len(lengths) != len(value.lower_bounds):
        raise ValueError("an Array has one lower bound for each of its dimensions")
    spans = [f"[{low}:{low + length - 1}]" for low, length in zip(value.lower_bounds, lengths, strict=True)]
    return f"{''.join(spans)}={body}"


def _render_level(
    value: Any,
    element: Callable[[Any], str | None],
    delimiter: str,
    nests: tuple[type, ...],
    plain: re.Pattern[str],
    most: int,
) -> str:
    """One dimension, with at most `most` - 1 others in it."""
    parts = []
    for item in value:
        if most > 1 and type(item) in nests:
            parts.append(_render_level(item, element, delimiter, nests, plain, most - 1))
            continue
        word = None if item is None else element(item)
        if word is None:
            parts.append("NULL")
        else:
            if not plain.fullmatch(word) or word.upper() == "NULL":
                word = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
            parts.append(word)
    return "{" + delimiter.join(parts) + "}"
