"""The text of a query, as far as a client must understand it: where its statements end and where its parameters stand.

Law of this file: SQL is read as tokens, never as grammar. Quoted strings, E-strings, dollar quotes, quoted names and
comments are skipped whole (docs: Lexical Structure), so what stands inside them is neither a `;` nor a `$1`. Values
never come into the text: `%s` and `%(name)s` become `$1`, `$2`, ..., and are bound by the server.

Placeholders follow psycopg: where parameters are given, every `%` is the beginning of `%s`, `%(name)s` or `%%`, inside
quotes too. A query that uses `$1` takes no notice of `%` at all. `%b` and `%t` are taken for `%s`: in which format a
value goes its type says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from .. import const
from ..errors import ProgrammingError, shorten

#: Token by token. `opaque` is what may hold anything; a block comment is found by hand because it nests.
_TOKEN: Final = r"""
    (?P<opaque>
        [eE]'{escaped}(?:'|\Z)                     # E'...' with backslashes
      | '{plain}(?:'|\Z)                           # '...'
      | "[^"]*(?:""[^"]*)*(?:"|\Z)                 # "..."
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)   # $tag$...$tag$
      | --[^\r\n]*
    )
  | (?P<comment>/\*)
  | (?P<number>\$\d+)
  | (?P<word>[^\W\d][\w$]*)     # whole, so that a$1 holds no parameter and abce'' no E-string
  | (?P<semicolon>;)
  | (?P<space>\s+)
  | (?P<other>[^\w\s'"$;/-]+|.)
"""
_FLAGS: Final = re.VERBOSE | re.DOTALL
# In one stretch what needs no look at each character: a literal may have a hundred million of them.
_ESCAPED: Final = r"[^'\\]*(?:(?:\\.|'')[^'\\]*)*"
_WITH_ESCAPES: Final = _TOKEN.replace("{escaped}", _ESCAPED)
_STANDARD: Final = re.compile(_WITH_ESCAPES.replace("{plain}", r"[^']*(?:''[^']*)*"), _FLAGS)
#: With standard_conforming_strings off, a backslash escapes in '...' too.
_BACKSLASH: Final = re.compile(_WITH_ESCAPES.replace("{plain}", _ESCAPED), _FLAGS)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_PERCENT: Final = re.compile(r"%(?:%|[sbt]|\((?P<name>[^)]*)\)[sbt]|(?P<wrong>.?))", re.DOTALL)
_PLANNED: Final = frozenset(("select", "insert", "update", "delete", "merge", "with", "values", "table"))
_MODIFYING: Final = frozenset(("insert", "update", "merge"))
_READING: Final = frozenset(("select", "with", "values", "table"))
#: What changes or locks rows, and functions that the server does not let a subtransaction call.
_DOING: Final = frozenset(
    ("insert", "update", "delete", "merge", "into", "share", "set_config", "pg_export_snapshot", "nextval", "setval")
)
#: Queries whose reading is kept, and their longest length in characters: a program's own, not a dump's.
_KEPT: Final = 512
_KEPT_LENGTH: Final = 16_384
#: The same for long ones: what an ORM makes of a thousand rows is executed again and again.
_KEPT_LONG: Final = 8
_KEPT_LONG_LENGTH: Final = 2**20
#: Words by which a statement is told from others.
_LEADING_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the tokens of a query say."""

    statements: int
    first_word: str
    numbers: frozenset[int]
    opaque: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it goes to the server, with `$1` for its parameters.

    `names` are the keys of `%(name)s` parameters in the order of `$1`, `$2`, ...; None where the values are given in a
    sequence of `count`. `planned` says that it is one of the statements that the planner sees, whose columns follow
    from its text and the tables; what a FETCH or a CALL gives is anybody's guess.
    """

    sql: str
    count: int
    names: tuple[str, ...] | None
    several: bool
    copies: bool
    standard_strings: bool = True
    planned: bool = False

    def arrange(self, params: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any]:
        """The values in the order of `$1`, `$2`, ...

        Raises ProgrammingError where they are not those the query asks for.
        """
        if self.names is None:
            if (type(params) is tuple or type(params) is list) and len(params) == self.count:
                return params
        else:
            if not isinstance(params, Mapping):
                raise ProgrammingError(
                    f"the query has named parameters, so a mapping is needed, not {type(params).__name__}"
                )
            missing = [name for name in self.names if name not in params]
            if missing:
                raise ProgrammingError(
                    f"the query has the parameters {', '.join(self.names)}; missing: {', '.join(missing)}"
                )
            return [params[name] for name in self.names]
        if isinstance(params, Mapping):
            if not self.count and not params:
                return ()
            raise ProgrammingError("the parameters are a mapping, but the query has no %(name)s placeholders")
        if isinstance(params, (str, bytes, bytearray)) or not isinstance(params, Sequence):
            if not hasattr(params, "__len__") or isinstance(params, (str, bytes, bytearray, set, frozenset)):
                raise ProgrammingError(
                    f"the parameters must be a sequence or a mapping, not {type(params).__name__}; "
                    "one value is written (value,)"
                )
            params = tuple(params)
        if len(params) != self.count:
            raise ProgrammingError(f"the query has {self.count} placeholders, {len(params)} parameters were given")
        return params

    def with_literals(self, literals: Sequence[str]) -> str:
        """The text with a literal, quoted already, in the place of each `$n`."""
        tokens = _STANDARD if self.standard_strings else _BACKSLASH
        return "".join(
            f" {literals[int(sql[1:]) - 1]} " if kind == "number" else sql for kind, sql in _tokens(self.sql, tokens)
        )

    @property
    def places(self) -> int:
        """How many places of the text a value goes to."""
        return len(self._cut()[1])

    def _cut(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        return (_kept_cut if len(self.sql) <= _KEPT_LENGTH else _cut)(self.sql, self.standard_strings)

    def merged(self, literals: Sequence[str]) -> str:
        """The text with a literal, quoted already, exactly where each `$n` stands.

        A negative number that a cast follows is put in parentheses: `::` binds before the sign.
        """
        texts, numbers = self._cut()
        parts = [texts[0]]
        for number, text in zip(numbers, texts[1:], strict=True):
            literal = literals[number - 1]
            parts.append(f"({literal.lstrip()})" if literal.startswith(" -") and text.startswith("::") else literal)
            parts.append(text)
        return "".join(parts)


def plain(sql: str, standard_strings: bool = True) -> Query:
    """The query as it is, for execution without parameters."""
    return _query(sql, 0, None, _read(sql, standard_strings), standard_strings)


def _query(sql: str, count: int, names: tuple[str, ...] | None, reading: _Reading, standard_strings: bool) -> Query:
    word = reading.first_word
    return Query(sql, count, names, reading.statements > 1, word == "copy", standard_strings, word in _PLANNED)


class Raw(str):
    """A query whose only placeholders are `$1`, `$2`, ...: a percent sign in it is one."""

    __slots__ = ()


def with_parameters(sql: str, standard_strings: bool = True) -> Query:
    """The query with its placeholders numbered.

    Raises ProgrammingError, with the position, for placeholders that make no sense.
    """
    if type(sql) is Raw:
        text = str(sql)
        reading = _read(text, standard_strings)
        return _query(text, _highest(reading), None, reading, standard_strings)
    size = len(sql)
    convert = _kept_convert if size <= _KEPT_LENGTH else _kept_long if size <= _KEPT_LONG_LENGTH else _convert
    return convert(sql, standard_strings)


def leading_words(sql: str, standard_strings: bool = True) -> list[list[str]]:
    """The first words of every statement in the text, in lower case; none of a statement that begins with no word."""
    found: list[list[str]] = []
    begun = ended = False
    for kind, text in _tokens(sql, _STANDARD if standard_strings else _BACKSLASH):
        if kind == "semicolon":
            begun = False
        elif kind != "space" and kind != "comment" and not text.startswith("--"):
            if not begun:
                found.append([])
                begun, ended = True, False
            ended = ended or kind != "word" or len(found[-1]) == _LEADING_WORDS
            if not ended:
                found[-1].append(text.lower())
    return found


def modifies(sql: str) -> bool:
    """Whether a statement puts values into tables: INSERT, UPDATE and MERGE do, and WITH where one of them is in it."""
    words = (text.lower() for kind, text in _tokens(str(sql), _STANDARD) if kind == "word")
    first = next(words, "")
    return first in _MODIFYING or (first in ("with", "explain") and any(word in _MODIFYING for word in words))


def only_reads(sql: str) -> bool:
    """Whether a statement is a query that nowhere speaks of changing, locking or exporting anything, and is no long
    one."""
    return len(sql) <= _KEPT_LENGTH and _kept_only_reads(sql)


@lru_cache(maxsize=_KEPT)
def _kept_only_reads(sql: str) -> bool:
    words = [text.lower() for kind, text in _tokens(sql, _STANDARD) if kind == "word"]
    return bool(words) and words[0] in _READING and _DOING.isdisjoint(words)


def _convert(sql: str, standard_strings: bool) -> Query:
    reading = _read(sql, standard_strings)
    if reading.numbers:
        placeholder = next((found for found in _PERCENT.finditer(sql) if _is_placeholder(found, reading)), None)
        if placeholder is not None:
            raise ProgrammingError(
                f"the query mixes $1 and {placeholder.group()} placeholders (character {placeholder.start() + 1}); "
                "use one style, and write a modulo with blanks around its %"
            )
        return _query(sql, _highest(reading), None, reading, standard_strings)
    converted, count, names = _number(sql, reading)
    return _query(converted, count, names, reading, standard_strings)


def _highest(reading: _Reading) -> int:
    """The number of the last parameter, 0 where there is none. Raises ProgrammingError for one that there cannot be."""
    if 0 in reading.numbers:
        raise ProgrammingError("there is no parameter $0, they begin with $1")
    highest = max(reading.numbers, default=0)
    if highest > const.MAX_PARAMETERS:
        raise ProgrammingError(
            f"the query has the parameter ${highest}, a statement takes at most {const.MAX_PARAMETERS}"
        )
    return highest


_kept_convert = lru_cache(maxsize=_KEPT)(_convert)
_kept_long = lru_cache(maxsize=_KEPT_LONG)(_convert)


def _number(sql: str, reading: _Reading) -> tuple[str, int, tuple[str, ...] | None]:
    """(text with `$n` for its `%` placeholders and `%` for `%%`, number of parameters, their names or None)."""
    names: dict[str, int] = {}
    positional = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal positional
        at = found.start()
        if found.group() == "%%":
            return "%"
        if found.group("wrong") is not None:
            raise ProgrammingError(
                f"{shorten(sql[at : at + 2])} (character {at + 1}) is not a placeholder: %s and %(name)s are, "
                "and a percent sign is written %% where parameters are given"
            )
        if any(start <= at < stop for start, stop in reading.opaque):
            raise ProgrammingError(
                f"the placeholder {found.group()} (character {at + 1}) stands inside a quoted string or a comment, "
                "where nothing can be bound: leave the quotes out, or write a literal percent sign as %%"
            )
        name = found.group("name")
        if (positional and name is not None) or (names and name is None):
            raise ProgrammingError(f"the query mixes %s and %(name)s placeholders (character {at + 1}); use one style")
        if name is None:
            positional += 1
            return f"${positional}"
        if not name:
            raise ProgrammingError(f"the placeholder %()s (character {at + 1}) has no name")
        return f"${names.setdefault(name, len(names) + 1)}"

    converted = _PERCENT.sub(replace, sql)
    count = positional or len(names)
    if count > const.MAX_PARAMETERS:
        raise ProgrammingError(f"the query has {count} parameters, a statement takes at most {const.MAX_PARAMETERS}")
    return converted, count, tuple(names) if names else None


def _is_placeholder(found: re.Match[str], reading: _Reading) -> bool:
    """Whether this stands for a value beside `$1`, and not inside quotes; `a%b` is a modulo there."""
    if found.group() in ("%%", "%b", "%t") or found.group("wrong") is not None:
        return False
    return not any(start <= found.start() < stop for start, stop in reading.opaque)


def _read(sql: str, standard_strings: bool) -> _Reading:
    if len(sql) > const.MAX_INT32:
        raise ProgrammingError(f"the query is longer than a message may be, {const.MAX_INT32} bytes")
    return (_kept_scan if len(sql) <= _KEPT_LENGTH else _scan)(sql, standard_strings)


def _scan(sql: str, standard_strings: bool) -> _Reading:
    """Count the statements, and find the parameters and what is opaque."""
    at, statements, in_statement, first_word = 0, 0, False, ""
    numbers: set[int] = set()
    opaque: list[tuple[int, int]] = []
    for kind, text in _tokens(sql, _STANDARD if standard_strings else _BACKSLASH):
        comment = kind == "comment" or (kind == "opaque" and text.startswith("--"))
        if kind in ("opaque", "comment"):
            opaque.append((at, at + len(text)))
        if kind == "semicolon":
            in_statement = False
        elif kind != "space" and not comment and not in_statement:
            in_statement = True
            statements += 1
            if kind == "word" and statements == 1:
                first_word = text.lower()
        if kind == "number":
            numbers.add(int(text[1:]))
        at += len(text)
    return _Reading(statements, first_word, frozenset(numbers), tuple(opaque))


def _tokens(sql: str, tokens: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(kind, text) of every token. What is not closed reaches to the end; the server will say so."""
    at = 0
    while at < len(sql):
        found = tokens.match(sql, at)
        assert found is not None, "the last alternative takes any character"
        kind = found.lastgroup or ""
        stop = _comment_end(sql, at) if kind == "comment" else found.end()
        yield kind, sql[at:stop]
        at = stop


_kept_scan = lru_cache(maxsize=_KEPT)(_scan)


def _cut(sql: str, standard_strings: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(the texts between the parameters, one more than these; the parameters' numbers)."""
    texts: list[str] = []
    numbers: list[int] = []
    open_text: list[str] = []
    for kind, text in _tokens(sql, _STANDARD if standard_strings else _BACKSLASH):
        if kind == "number":
            numbers.append(int(text[1:]))
            texts.append("".join(open_text))
            open_text.clear()
        else:
            open_text.append(text)
    texts.append("".join(open_text))
    return tuple(texts), tuple(numbers)


_kept_cut = lru_cache(maxsize=_KEPT)(_cut)


def _comment_end(sql: str, start: int) -> int:
    """Where the block comment that begins at `start` ends; comments nest."""
    depth, at = 0, start
    while True:
        edge = _COMMENT_EDGE.search(sql, at)
        if edge is None:
            return len(sql)
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
        if depth == 0:
            return at
