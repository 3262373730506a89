"""SQL put together from parts: names, constants, placeholders and text, each quoted as what it is.

    query = sql.SQL("select {} from {} where id = %s").format(sql.Identifier("name"), sql.Identifier("shop", "item"))
    conn.execute(query, (7,))

Law of this file: what a program passes as SQL is text that it wrote itself; everything else is quoted by its kind. The
names and what they mean are psycopg's (`psycopg.sql`). Where a connection or cursor is given as the context, what is
registered there about types holds for constants; without one what is registered for the process does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from string import Formatter
from typing import Any, ClassVar, Final

from .errors import ProgrammingError
from .protocol.operations import identifier, template_text, typed_literal
from .protocol.operations.composing import CONSTANT, NAME, PART, is_template
from .types.registry import PROCESS, Registry

__all__ = [
    "DEFAULT",
    "NULL",
    "SQL",
    "Composable",
    "Composed",
    "Identifier",
    "Literal",
    "Placeholder",
    "as_bytes",
    "as_string",
    "quote",
]

_FORMATS: Final = {"s": "AUTO", "t": "TEXT", "b": "BINARY"}


def _registry_of(context: Any) -> Registry:
    """What the context knows of types."""
    if context is None:
        return PROCESS
    if isinstance(context, Registry):
        return context
    found = getattr(context, "_registry", None)
    if found is None:
        found = getattr(getattr(context, "_session", None), "registry", None)
    if not isinstance(found, Registry):
        raise TypeError(f"the context is a connection, a cursor or None, not {type(context).__name__}")
    return found


class Composable(ABC):
    """A part of a query. Parts are joined by `+`, and repeated by `* n`; cursors execute them in a query's place."""

    #: The format that a template string must give it: `i`, `l` or `q`; None: it has no place there.
    template_format: ClassVar[str | None] = PART

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._obj!r})"

    @abstractmethod
    def as_string(self, context: Any = None) -> str:
        """The text; `context` is a connection or a cursor, or None."""

    def as_bytes(self, context: Any = None) -> bytes:
        """The text in UTF-8, the encoding of every connection."""
        return _encoded(self.as_string(context))

    def __add__(self, other: Composable) -> Composed:
        if not isinstance(other, Composable):
            return NotImplemented
        return Composed([*_parts(self), *_parts(other)])

    def __mul__(self, n: int) -> Composed:
        return Composed([self] * n)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._obj == other._obj

    def __hash__(self) -> int:
        return hash((type(self), self._obj))


def _parts(composable: Composable) -> Iterable[Composable]:
    return composable if isinstance(composable, Composed) else (composable,)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise ProgrammingError(f"the text cannot be encoded in UTF-8: position {exc.start + 1}, {exc.reason}") from exc


class Composed(Composable):
    """Parts one after the other; what is no Composable is taken for a Literal. Iterating gives the parts."""

    def __init__(self, seq: Iterable[Any]) -> None:
        super().__init__(tuple([obj if isinstance(obj, Composable) else Literal(obj) for obj in seq]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._obj)!r})"

    def as_string(self, context: Any = None) -> str:
        """The texts of the parts, one after the other."""
        return "".join([part.as_string(context) for part in self._obj])

    def __iter__(self) -> Iterator[Composable]:
        return iter(self._obj)

    def join(self, joiner: SQL | str) -> Composed:
        """The parts with `joiner`, an SQL or its text, between them."""
        if isinstance(joiner, str):
            joiner = SQL(joiner)
        if not isinstance(joiner, SQL):
            raise TypeError(f"join() takes SQL or its text, not {type(joiner).__name__}")
        return Composed(joiner._between(self._obj))


class SQL(Composable):
    """Text that the program wrote itself: it is not quoted, so never make one of what somebody else has given."""

    def __init__(self, obj: str) -> None:
        if not isinstance(obj, str):
            raise TypeError(f"SQL is made of a str, not {type(obj).__name__}")
        super().__init__(obj)

    def as_string(self, context: Any = None) -> str:
        """The text as it is."""
        text: str = self._obj
        return text

    def format(self, *args: Any, **kwargs: Any) -> Composed:
        """The text with parts in the places of `{}`, `{0}` and `{name}`; `{{` and `}}` are braces.

        What is no Composable is taken for a Literal. Raises ValueError for a conversion or a format specification, and
        where `{}` and `{0}` are mixed, IndexError and KeyError for a part that is not given.
        """
        parts: list[Any] = []
        taken = 0
        numbered = False
        for text, field, spec, conversion in Formatter().parse(self._obj):
            if spec or conversion:
                raise ValueError("the places of an SQL text have no format specification and no conversion")
            if text:
                parts.append(SQL(text))
            if field is None:
                continue
            if (not field and numbered) or (field.isdigit() and taken):
                raise ValueError("an SQL text has either {} or {0}, not both")
            if field.isdigit():
                numbered = True
                parts.append(args[int(field)])
            elif field:
                parts.append(kwargs[field])
            else:
                parts.append(args[taken])
                taken += 1
        return Composed(parts)

    def join(self, seq: Iterable[Any]) -> Any:
        """The parts with this text between them, as Composed; of template strings a template string.

        What is no Composable is taken for a Literal. Raises TypeError where template strings are mixed with others.
        """
        items = list(seq)
        templates = [item for item in items if is_template(item)]
        if not templates:
            return Composed(self._between(items))
        if len(templates) != len(items):
            raise TypeError("join() takes template strings or other parts, not both")
        pieces = [*templates[0]]
        for template in templates[1:]:
            pieces += [self._obj, *template]
        return type(templates[0])(*pieces)

    def _between(self, items: Sequence[Any]) -> list[Any]:
        """The items with this text between them."""
        return [one for item in items for one in (self, item)][1:]


class Identifier(Composable):
    """A name in double quotes; of several names, `"schema"."table"`."""

    template_format = NAME

    def __init__(self, *strings: str) -> None:
        if not strings:
            raise TypeError("an Identifier has one name at least")
        for one in strings:
            if not isinstance(one, str):
                raise TypeError(f"a name is a str, not {type(one).__name__}")
        super().__init__(strings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._obj))})"

    def as_string(self, context: Any = None) -> str:
        """The names, quoted. Raises ProgrammingError for a NUL character."""
        return ".".join([identifier(one) for one in self._obj])


class Literal(Composable):
    """A value as a constant: for where the server takes no parameters, as in DDL."""

    template_format = CONSTANT

    def as_string(self, context: Any = None) -> str:
        """The constant, with a cast where its type does not show: `'2020-01-01'::date`.

        Raises ProgrammingError for a value that no constant holds.
        """
        return typed_literal(self._obj, _registry_of(context))

    def __hash__(self) -> int:
        raise TypeError("a Literal has no hash, as its value may change")


class Placeholder(Composable):
    """The place of a parameter, `%s` or `%(name)s`; `format` is "s", or "t" and "b", which mean the same here."""

    template_format = None

    def __init__(self, name: str = "", format: str = "s") -> None:  # noqa: A002  (psycopg's name)
        if not isinstance(name, str):
            raise TypeError(f"the name of a placeholder is a str, not {type(name).__name__}")
        if ")" in name:
            raise ValueError(f"a placeholder cannot be called {name!r}")
        code = getattr(format, "value", format)  # psycopg's PyFormat
        if code not in _FORMATS:
            raise ValueError(f"the format of a placeholder is 's', 't' or 'b', not {format!r}")
        super().__init__(name)
        self._format: str = code

    def __repr__(self) -> str:
        said = [repr(self._obj)] if self._obj else []
        said += [f"format={_FORMATS[self._format]}"] if self._format != "s" else []
        return f"{type(self).__name__}({', '.join(said)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placeholder) and (self._obj, self._format) == (other._obj, other._format)

    def __hash__(self) -> int:
        return hash((Placeholder, self._obj, self._format))

    def as_string(self, context: Any = None) -> str:
        """The placeholder."""
        return f"%({self._obj}){self._format}" if self._obj else f"%{self._format}"


NULL: Final = SQL("NULL")
DEFAULT: Final = SQL("DEFAULT")


def as_string(obj: Any, context: Any = None) -> str:
    """The text of a Composable or a template string, its values as constants; anything else as a Literal."""
    if isinstance(obj, Composable):
        return obj.as_string(context)
    if is_template(obj):
        return template_text(obj, _registry_of(context))
    return Literal(obj).as_string(context)


def as_bytes(obj: Any, context: Any = None) -> bytes:
    """`as_string` in UTF-8."""
    return _encoded(as_string(obj, context))


def quote(obj: Any, context: Any = None) -> str:
    """A value as a constant, quoted: for SQL that is written to a file, where no connection executes it."""
    return Literal(obj).as_string(context)
