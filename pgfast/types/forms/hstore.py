"""hstore: a dict of str to str or None.

Law of this file: a key that comes twice is refused, because which of its values is kept differs by where they stand.

Sources: docs, "hstore External Representation"; server: contrib/hstore/hstore_io.c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..coerce import to_str
from .form import Form, utf8, wants
from .reader import Reader

#: A quoted or bare key, its arrow, a quoted or bare value, and a comma or the end. Bare words end at space , = and ".
_WORD: Final = r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^\s"\\=,]|\\.)(?:[^\s"\\=,]|\\.)*))\s*'
_PAIR: Final = re.compile(rf"{_WORD}=>{_WORD}(,|\Z)", re.ASCII | re.DOTALL)
_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_WRONG: Final = 'not an hstore such as "a"=>"1", "b"=>NULL'
_TWICE: Final = "not an hstore: a key comes twice"


def _unescape(quoted: str | None, bare: str | None) -> str:
    return _BACKSLASHED.sub(r"\1", (bare if quoted is None else quoted) or "")


def parse_hstore(text: str) -> dict[str, str | None]:
    """The dict of the text form."""
    found: dict[str, str | None] = {}
    at = 0
    more = bool(text.strip())
    while more:
        match = _PAIR.match(text, at)
        if match is None:
            raise ValueError(_WRONG)
        key = _unescape(match[1], match[2])
        if key in found:
            raise ValueError(_TWICE)
        null = match[4] is not None and match[4].upper() == "NULL"
        found[key] = None if null else _unescape(match[3], match[4])
        at, more = match.end(), bool(match[5])
    return found


def _items(value: Any) -> list[tuple[str, str | None]]:
    """The pairs of a mapping, or of a text form."""
    if isinstance(value, str):
        return list(parse_hstore(to_str(value)).items())
    if not isinstance(value, Mapping):
        raise wants("an hstore (dict of str to str or None)", value)
    return [(to_str(key), None if one is None else to_str(one)) for key, one in value.items()]


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render_hstore(value: Any) -> str:
    """The text form, in the order of the dict."""
    if isinstance(value, str):
        return to_str(value)
    return ", ".join([f"{_quote(key)}=>{'NULL' if one is None else _quote(one)}" for key, one in _items(value)])


def decode_hstore(data: bytes) -> dict[str, str | None]:
    """The dict of the wire form."""
    reader = Reader(data, "hstore")
    found: dict[str, str | None] = {}
    for _ in range(reader.count(8)):
        key = reader.text(reader.i32())
        if key in found:
            raise ValueError(_TWICE)
        size = reader.i32()
        found[key] = None if size == -1 else reader.text(size)
    reader.end()
    return found


def encode_hstore(value: Any) -> bytes:
    """The wire form."""
    items = _items(value)
    parts = [len(items).to_bytes(4, "big")]
    for pair in items:
        for text in pair:
            if text is None:
                parts.append(b"\xff\xff\xff\xff")
            else:
                raw = utf8(text)
                parts += [len(raw).to_bytes(4, "big"), raw]
    return b"".join(parts)


HSTORE: Final = Form(parse_hstore, render_hstore, decode_hstore, encode_hstore)
