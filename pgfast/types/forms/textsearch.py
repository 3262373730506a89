"""tsvector and tsquery: text, exactly as the server writes it.

Law of this file: nothing here recurses, because the depth of a query is the sender's to choose. A tsvector is read as
the server reads it; where that depends on the server's locale, the text is refused. A tsquery is never sent in binary:
tsqueryrecv refuses the empty one.

Sources: server: tsvector.c, tsvector_parser.c, tsquery.c (infix, tsquerysend), ts_type.h.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Any, Final

from ..coerce import to_str
from .form import Form, same, utf8
from .reader import Reader

_U16: Final = Struct(">H")
#: Largest position (MAXENTRYPOS - 1) and positions of one lexeme (MAXNUMPOS) in ts_type.h.
_MAX_POSITION: Final = 16383
_MAX_POSITIONS: Final = 256
_MAX_INT32: Final = 2**31 - 1
_WEIGHTS: Final = ("", "C", "B", "A")
_WEIGHT_OF: Final = {"": 0, "d": 0, "c": 1, "b": 2, "a": 3, "*": 3}

_SPACE: Final = " \t\n\v\f\r"
_SKIP: Final = re.compile(r"[ \t\n\v\f\r]*")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_BARE: Final = re.compile(r"(?:\\.|[^ \t\n\v\f\r\\'])(?:\\.|[^ \t\n\v\f\r\\:])*", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)|'(')", re.DOTALL)
_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_POSITIONS: Final = re.compile(r":([0-9]+[abcdABCD*]?(?:,[0-9]+[abcdABCD*]?)*)")
_WRONG: Final = "not a tsvector such as 'fat':2,4A 'cat'"


def _quote(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def decode_tsvector(data: bytes) -> str:
    """The text form of the wire form."""
    reader = Reader(data, "tsvector")
    shown = []
    for _ in range(reader.count(3)):
        word = _quote(reader.string())
        number = reader.u16()
        if number:
            if 2 * number > reader.left:
                raise reader.wrong("its binary form counts more than it holds")
            entries = reader.array("H", number)
            word += ":" + ",".join([f"{entry & 0x3FFF}{_WEIGHTS[entry >> 14]}" for entry in entries])
        shown.append(word)
    reader.end()
    return " ".join(shown)


def encode_tsvector(value: Any) -> bytes:
    """The wire form of a text form, its lexemes sorted and each there once."""
    lexemes: dict[bytes, list[tuple[int, int]]] = {}
    for word, positions in _lexemes(to_str(value)):
        lexemes.setdefault(utf8(word), []).extend(positions)
    parts = [len(lexemes).to_bytes(4, "big")]
    for lexeme, positions in sorted(lexemes.items()):
        kept = _merged(positions)
        parts += [lexeme, b"\x00", _U16.pack(len(kept))]
        parts += [_U16.pack(weight << 14 | position) for position, weight in kept]
    return b"".join(parts)


def _lexemes(text: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """The lexemes in the order they are written, with their positions and weights."""
    found = []
    at = _SKIP.match(text, 0).end()  # type: ignore[union-attr]  # it matches everything
    while at < len(text):
        if text[at] == "'":
            match = _QUOTED.match(text, at)
            lexeme = "" if match is None else _ESCAPED.sub(lambda one: one[1] or one[2], match[1])
        else:
            match = _BARE.match(text, at)
            lexeme = "" if match is None else _BACKSLASHED.sub(r"\1", match[0])
            if match is not None and any(mark.isspace() and not mark.isascii() for mark in match[0]):
                raise ValueError(f"{_WRONG}: whether a character ends a lexeme depends on the locale; quote the lexeme")
        if match is None or not lexeme:
            raise ValueError(_WRONG)
        at = match.end()
        positions: list[tuple[int, int]] = []
        if text[at : at + 1] == ":":
            match = _POSITIONS.match(text, at)
            if match is None or (match.end() < len(text) and text[match.end()] not in _SPACE):
                raise ValueError(f"{_WRONG}: behind a colon positions are wanted")
            at = match.end()
            positions = [_position(word) for word in match[1].split(",")]
        found.append((lexeme, positions))
        at = _SKIP.match(text, at).end()  # type: ignore[union-attr]
    return found


def _position(word: str) -> tuple[int, int]:
    digits = word.rstrip("abcdABCD*")
    if len(digits) > 10 or not 0 < int(digits) <= _MAX_INT32:
        raise ValueError(f"{_WRONG}: a position is out of range")
    return min(int(digits), _MAX_POSITION), _WEIGHT_OF[word[len(digits) :].lower()]


def _merged(positions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Positions in order, each once with its greatest weight, no more than the server keeps (uniquePos)."""
    kept: list[tuple[int, int]] = []
    for position, weight in sorted(positions, key=lambda one: one[0]):
        if kept and kept[-1][0] == position:
            kept[-1] = position, max(weight, kept[-1][1])
            continue
        kept.append((position, weight))
        if len(kept) > 1 and (len(kept) == _MAX_POSITIONS or position == _MAX_POSITION):
            break
    return kept


_VALUE: Final = 1
_OPERATOR: Final = 2
_NOT: Final = 1
_AND: Final = 2
_OR: Final = 3
_PHRASE: Final = 4
_PRIORITY: Final = {_NOT: 4, _AND: 2, _OR: 1, _PHRASE: 3}
_QUERY_WEIGHTS: Final = tuple(
    "".join(letter for bit, letter in enumerate("DCBA") if mask & 1 << bit)[::-1] for mask in range(16)
)

#: One node of a query: its operator (0: a lexeme), its text or its sign, and its operands, left before right.
_Node = tuple[int, str, "tuple[_Node, ...]"]


def decode_tsquery(data: bytes) -> str:
    """The text form of the wire form."""
    reader = Reader(data, "tsquery")
    items = [_read_item(reader) for _ in range(reader.count(2))]
    reader.end()
    if not items:
        return ""
    nodes: list[Any] = []
    for operator, shown in reversed(items):  # operands stand behind their operator, the right one first
        number = {0: 0, _NOT: 1}.get(operator, 2)
        if len(nodes) < number:
            raise reader.wrong("an operand is missing")
        operands = tuple(nodes[len(nodes) - number :])
        del nodes[len(nodes) - number :]
        nodes.append((operator, shown, operands))
    if len(nodes) != 1:
        raise reader.wrong("an operator is missing")
    return _infix(nodes[0])


def _read_item(reader: Reader) -> tuple[int, str]:
    kind = reader.u8()
    if kind == _VALUE:
        weights, prefix = reader.u8(), reader.u8()
        if weights > 15:
            raise reader.wrong("a lexeme has unknown weights")
        marks = ("*" if prefix else "") + _QUERY_WEIGHTS[weights]
        return 0, _quote(reader.string()) + (":" + marks if marks else "")
    operator = reader.u8() if kind == _OPERATOR else 0
    if operator == _PHRASE:
        distance = reader.u16()
        if distance > 0x7FFF:
            raise reader.wrong("a distance is negative")
        return operator, " <-> " if distance == 1 else f" <{distance}> "
    if operator not in _PRIORITY:
        raise reader.wrong("it has an unknown kind of node")
    return operator, {_NOT: "!", _AND: " & ", _OR: " | "}[operator]


def _infix(root: Any) -> str:
    """The query with its operators between their operands, parenthesised as tsqueryout does."""
    parts: list[str] = []
    todo: list[Any] = [(root, -1, False)]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        (operator, shown, operands), outside, right_of_phrase = item
        if not operator:
            parts.append(shown)
            continue
        priority = _PRIORITY[operator]
        if priority < outside or (operator == _PHRASE and right_of_phrase):
            parts.append("( ")
            todo.append(" )")
        if operator == _NOT:
            todo += [(operands[0], priority, False), shown]
        else:
            todo += [(operands[1], priority, operator == _PHRASE), shown, (operands[0], priority, False)]
    return "".join(parts)


TSVECTOR: Final = Form(same, to_str, decode_tsvector, encode_tsvector)
TSQUERY: Final = Form(same, to_str, decode_tsquery)
