"""Ranges and multiranges in text form, both ways.

Law of this file: brackets, commas and quotes, and nothing about bounds, which a function given by the caller reads and
writes. A bound is what stands between the marks, blanks included, as the server takes it.

Sources: docs, "Range Input/Output"; server: rangetypes.c (range_parse, range_parse_bound, range_deparse),
multirangetypes.c (multirange_in, multirange_out).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from ..values import Multirange, Range

_SPACE: Final = " \t\n\v\f\r"
_EMPTY: Final = re.compile(r"[ \t\n\v\f\r]*empty[ \t\n\v\f\r]*", re.IGNORECASE | re.ASCII)
#: A bound: characters, escaped characters and quoted parts, up to a comma or a closing mark. The quote that ends a part
#: has none behind it: so there is one way to read a text.
_BOUND: Final = r'((?:[^"\\,)\]]|\\.|"(?:[^"\\]|\\.|"")*"(?!"))*)'
_RANGE: Final = re.compile(rf"[ \t\n\v\f\r]*([\[(]){_BOUND},{_BOUND}([)\]])[ \t\n\v\f\r]*", re.DOTALL)
_PIECE: Final = re.compile(r'\\(.)|"((?:[^"\\]|\\.|"")*)"', re.DOTALL)
_QUOTED_PIECE: Final = re.compile(r'\\(.)|""', re.DOTALL)
#: What range_bound_escape puts into quotes: nothing at all, marks, and blanks.
_SPECIAL: Final = re.compile(r'["\\()\[\], \t\n\v\f\r]')


def parse_range(text: str, bound: Callable[[str], Any]) -> Range[Any]:
    """The Range of a text form; `bound` reads its bounds."""
    match = _RANGE.fullmatch(text)
    if match is None:
        if _EMPTY.fullmatch(text):
            return Range(empty=True)
        raise ValueError("not a range such as [1,10) or empty")
    return _range_of(match, bound)


def _range_of(match: re.Match[str], bound: Callable[[str], Any]) -> Range[Any]:
    lower, upper = (bound(_unquote(match[part])) if match[part] else None for part in (2, 3))
    return Range(lower, upper, match[1] + match[4])


def _unquote(word: str) -> str:
    """The bound without its quotes and backslashes."""
    if '"' not in word and "\\" not in word:
        return word
    return _PIECE.sub(lambda piece: piece[1] or _QUOTED_PIECE.sub(lambda one: one[1] or '"', piece[2] or ""), word)


def parse_multirange(text: str, bound: Callable[[str], Any]) -> Multirange[Any]:
    """The Multirange of a text form; `bound` reads the bounds of its ranges. Empty ranges in it are left out."""
    word = text.strip(_SPACE)
    if word[:1] != "{" or word[-1:] != "}" or len(word) < 2:
        raise ValueError("not a multirange such as {[1,3),[5,7)}: it is not enclosed in braces")
    ranges = []
    at, end = 1, len(word) - 1
    if not word[1:end].strip(_SPACE):
        return Multirange()
    while True:
        match = _RANGE.match(word, at, end)
        if match is not None:
            ranges.append(_range_of(match, bound))
        else:
            match = _EMPTY.match(word, at, end)
        if match is None:
            raise ValueError("not a multirange such as {[1,3),[5,7)}: a range is malformed or missing")
        if match.end() == end:
            return Multirange(ranges)
        if word[match.end()] != ",":
            raise ValueError("not a multirange such as {[1,3),[5,7)}: a comma is missing")
        at = match.end() + 1


def _quote(word: str) -> str:
    if word and not _SPECIAL.search(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '""') + '"'


def render_range(value: Range[Any], bound: Callable[[Any], str | None]) -> str:
    """The text form; `bound` writes the bounds. Raises ValueError where it gives None, for there are no NULL bounds."""
    if value.isempty:
        return "empty"
    lower, upper = (_render_bound(one, bound) for one in (value.lower, value.upper))
    return f"{value.bounds[0]}{lower},{upper}{value.bounds[1]}"


def _render_bound(value: Any, bound: Callable[[Any], str | None]) -> str:
    if value is None:
        return ""
    word = bound(value)
    if word is None:
        raise ValueError("a bound of a range cannot be NULL; leave it out for a range without end")
    return _quote(word)


def render_multirange(value: Multirange[Any], bound: Callable[[Any], str | None]) -> str:
    """The text form; `bound` writes the bounds of its ranges."""
    return "{" + ",".join([render_range(one, bound) for one in value]) + "}"
