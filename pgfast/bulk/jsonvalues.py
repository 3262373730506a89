"""Lines of JSON as records of CSV, in which the codec, or else the server, reads the values by their columns' types.

Law of this file: no value passes through a Python number. A number goes as its digits, a string as its content, an
object and whatever goes into a JSON column as the text that stands in the line, an array into an array column as the
server writes arrays. A line that is not exactly one object with different keys is bad.

Sources: RFC 8259; docs, "Array Input and Output Syntax"; Python's json.decoder and json.scanner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]  # part of the module since 2.6
from typing import Any, Final

from .. import const
from .target import TargetColumn

_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class BadLine(ValueError):
    """Why a line is no record; `column` is the key that is to blame, where there is one."""

    def __init__(self, why: str, column: str | None = None) -> None:
        super().__init__(why)
        self.column = column


class Digits(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """The keys and values of an object, in their order."""

    __slots__ = ()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Digits, parse_float=Digits, parse_constant=_no_constant
)
_decode = _DECODER.raw_decode


def pairs_of(line: str) -> Pairs:
    """The keys and values of the object that the line is. Raises BadLine."""
    try:
        start = _space_end(line, 0)
        value, end = _decode(line, start)
    except (ValueError, RecursionError) as exc:
        raise BadLine(f"no JSON: {_said(exc)}") from None
    if _space_end(line, end) != len(line):
        raise BadLine("no JSON: something stands behind the value")
    if type(value) is not Pairs:
        raise BadLine("no object of JSON")
    return value


def raw_pairs(line: str) -> Iterator[tuple[str, str]]:
    """The keys of the object that the line is, which `pairs_of` has read, and the text of each value."""
    at = line.index("{") + 1
    while True:
        at = _space_end(line, at)
        if line[at] == "}":
            return
        key, at = scanstring(line, at + 1, True)
        at = _space_end(line, _space_end(line, at) + 1)  # behind the colon
        _value, end = _decode(line, at)
        yield key, line[at:end]
        at = _space_end(line, end)
        if line[at] == ",":
            at += 1


def _space_end(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    assert found is not None  # it matches nothing at all too
    return found.end()


def _said(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"{exc.msg} at character {exc.pos + 1}"
    return "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)


class LineWriter:
    """Lines -> records of CSV of a target's columns, with a comma between fields and quotes round texts."""

    __slots__ = ("_known", "_ways")

    def __init__(self, columns: Sequence[TargetColumn], closed: bool) -> None:
        """`closed`: a key that is none of the columns makes a line bad; else it is left out."""
        self._known = frozenset([column.key for column in columns]) if closed else None
        self._ways = tuple(
            [
                (column.key, column.info.kind in _JSON, _Arrays(column) if column.info.is_array else None)
                for column in columns
            ]
        )

    def record(self, line: str) -> str:
        """The record, without the end of its line. Raises BadLine."""
        pairs = pairs_of(line)
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, _value in pairs if sum(key == other for other, _ in pairs) > 1)
            raise BadLine(f"key {twice!r} stands there twice", twice)
        if self._known is not None and not self._known.issuperset(found):
            unknown = next(key for key in found if key not in self._known)
            raise BadLine(f"key {unknown!r} is no column that is filled", unknown)
        raw: dict[str, str] | None = None
        fields: list[str] = []
        for name, is_json, arrays in self._ways:
            value = found.get(name)
            if value is None:
                fields.append("")
            elif type(value) is Digits:
                fields.append(value)
            elif type(value) is str and not is_json:
                fields.append('"' + value.replace('"', '""') + '"')
            elif value is True or value is False:
                fields.append("true" if value else "false")
            elif arrays is not None and type(value) is list:
                fields.append('"' + arrays.text(value).replace('"', '""') + '"')
            else:
                if raw is None:
                    raw = dict(raw_pairs(line))
                fields.append('"' + raw[name].replace('"', '""') + '"')
        return ",".join(fields)


class _Arrays:
    """How arrays of a column are written: what stands between elements, and whether these are JSON themselves."""

    __slots__ = ("_delimiter", "_json", "_name")

    def __init__(self, column: TargetColumn) -> None:
        element = column.info.children[0]
        self._name = column.key
        self._delimiter = element.delimiter
        self._json = element.kind in _JSON

    def text(self, values: list[Any]) -> str:
        """The text form of an array. Raises BadLine."""
        return "{" + self._delimiter.join([self._element(value) for value in values]) + "}"

    def _element(self, value: Any) -> str:
        if value is None:
            return "NULL"
        if self._json:
            text = _json_text(value)
        elif type(value) is Digits:
            return value
        elif value is True or value is False:
            return "true" if value else "false"
        elif type(value) is list:
            return self.text(value)
        elif type(value) is Pairs:
            raise BadLine("an object in an array goes into arrays of JSON only", self._name)
        else:
            text = value
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json_text(value: Any) -> str:
    """The value as JSON again."""
    if type(value) is Digits:
        return value
    if type(value) is Pairs:
        return "{" + ", ".join([f"{json.dumps(key)}: {_json_text(each)}" for key, each in value]) + "}"
    if type(value) is list:
        return "[" + ", ".join([_json_text(each) for each in value]) + "]"
    return json.dumps(value, ensure_ascii=False)
