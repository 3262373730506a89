"""Arrays in text form, both ways.

Law of this file: the grammar of `{...}` and nothing about elements, which a function given by the caller reads and
writes.

Sources: docs, "Array Input and Output Syntax"; server: arrayfuncs.c (array_in, array_out).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from .. import const

_BOUNDS: Final = re.compile(r"\s*((?:\[[+-]?\d+(?::[+-]?\d+)?\])+)\s*=\s*", re.ASCII)
#: One token: a quoted element, a brace, a comma, or a bare word up to the next of these.
_TOKEN: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([{},])|((?:[^"{},\\]|\\.)+))', re.DOTALL)
_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_RAGGED: Final = "not an array: its sub-arrays differ in length or depth"
_PLAIN: Final = re.compile(r'[^\s"{},\\]+')


def parse_array(text: str, element: Callable[[str], Any]) -> list[Any]:
    """The nested lists of an array's text form, None for NULL.

    Lower bounds are read and dropped, as the binary form drops them.
    """
    bounds = _BOUNDS.match(text)
    start = bounds.end() if bounds else len(text) - len(text.lstrip())
    stop = len(text.rstrip())
    value, at = _parse_level(text, start, stop, element, [])
    if at != stop:
        raise ValueError("not an array: characters follow its closing brace")
    return value


def _parse_level(
    text: str, at: int, stop: int, element: Callable[[str], Any], lengths: list[int | None], depth: int = 0
) -> tuple[list[Any], int]:
    """The list that opens at `at`, and the position behind its closing brace.

    `lengths` holds the length of the lists of each depth once one of them is closed; the last depth is the elements'.
    """
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
        match = _TOKEN.match(text, at, stop)
        if match is None:
            raise ValueError("not an array: it ends before its closing brace")
        quoted, mark, bare = match.groups()
        if mark == "}" and not items:
            at = match.end()
            break
        if mark in (",", "}"):
            raise ValueError(f"not an array: unexpected '{mark}'")
        if nested not in (None, mark == "{"):
            raise ValueError("not an array: elements and sub-arrays are mixed")
        nested = mark == "{"
        if nested and closed_before and len(lengths) == depth + 1:
            raise ValueError(_RAGGED)
        if nested:
            item, at = _parse_level(text, match.start(2), stop, element, lengths, depth + 1)
        else:
            item, at = _element(quoted, bare, element), match.end()
        items.append(item)
        match = _TOKEN.match(text, at, stop)
        if match is None or match[2] not in (",", "}"):
            raise ValueError("not an array: ',' or '}' is missing behind an element")
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
    word = bare.rstrip()
    if word.upper() == "NULL":
        return None
    return element(_BACKSLASHED.sub(r"\1", word))


def render_array(value: Any, element: Callable[[Any], str | None]) -> str:
    """The text form of nested lists or tuples; None is NULL, and so is an element for which the function gives None."""
    parts = []
    for item in value:
        if isinstance(item, (list, tuple)):
            parts.append(render_array(item, element))
            continue
        word = None if item is None else element(item)
        if word is None:
            parts.append("NULL")
        else:
            if not _PLAIN.fullmatch(word) or word.upper() == "NULL":
                word = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
            parts.append(word)
    return "{" + ",".join(parts) + "}"
