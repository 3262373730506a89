"""Queries that are put together from parts: objects that write themselves (`pgfast.sql`), and template strings.

Law of this file: of a template string every value becomes a parameter, `$1`, `$2`, ..., unless its format says that it
is a part of the text: `:i` a name, `:l` a constant, `:q` a part of a query. Other formats, `:s`, `:b` and `:t`, say in
which form a parameter goes to the server, which its type decides here. (PEP 750; psycopg docs: Template string queries)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

from ...errors import ProgrammingError, shorten
from ...types.registry import Registry
from .. import statements
from .literals import identifier, typed_literal

if sys.version_info >= (3, 14):
    from string.templatelib import Template

    _TEMPLATE: Final[tuple[type, ...]] = (Template,)
    AnyQuery: TypeAlias = "str | bytes | Composition | Template"
else:
    _TEMPLATE: Final[tuple[type, ...]] = ()
    AnyQuery: TypeAlias = "str | bytes | Composition"

NAME: Final = "i"
CONSTANT: Final = "l"
PART: Final = "q"
#: Formats of parameters. The empty one is what has none.
_PARAMETER: Final = ("", "s", "b", "t")


class Composition(Protocol):
    """A query, or a part of one, that writes itself; `context` is a connection, a cursor or what they know of types."""

    def as_string(self, context: Any = None) -> str: ...


def is_template(query: object) -> bool:
    """Whether the query is a template string."""
    return isinstance(query, _TEMPLATE)


def query_text(query: Any, registry: Registry) -> str:
    """The text of a query that is no template string. Raises ProgrammingError for what is no query."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        try:
            return query.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise ProgrammingError(f"the query is not valid UTF-8: byte {exc.start + 1}, {exc.reason}") from exc
    write = getattr(query, "as_string", None)
    if write is None or isinstance(query, type):
        raise ProgrammingError(f"a query is a str, not {type(query).__name__}")
    text: str = write(registry)
    return text


def read_template(
    template: Any, params: object, registry: Registry, standard_strings: bool
) -> tuple[statements.Query, Sequence[Any]]:
    """The query of a template string and its parameters.

    Raises ProgrammingError where it has a parameter of another style, TypeError for parameters given beside it.
    """
    if params is not None:
        raise TypeError("a template string has its parameters in it, so none can be given beside it")
    values: list[Any] = []
    text = "".join(_texts(template, registry, values))
    if not values:
        return statements.plain(text, standard_strings), ()
    query = statements.with_parameters(text, standard_strings)
    if query.places != len(values):
        raise ProgrammingError(
            "a value of a template string stands inside a quoted string or a comment, where nothing can be bound, or "
            "the text has a $1 of its own: leave these out; {value:l} writes a constant"
        )
    return query, values


def template_text(template: Any, registry: Registry) -> str:
    """The text of a template string with its values in it, as constants."""
    return "".join(_texts(template, registry, None))


def _texts(template: Any, registry: Registry, values: list[Any] | None) -> list[str]:
    """The pieces of the text. Parameters are appended to `values`, or written as constants where that is None."""
    pieces: list[str] = []
    for item in template:
        if isinstance(item, str):
            pieces.append(item)
            continue
        if item.conversion:
            raise TypeError(f"a query takes no conversions: {_shown(item, '!' + item.conversion)}")
        if is_template(item.value):
            _check_format(item, PART)
            pieces += _texts(item.value, registry, values)
        elif hasattr(item.value, "as_string"):
            pieces.append(_composed(item, registry))
        elif item.format_spec in _PARAMETER:
            if values is None:
                pieces.append(typed_literal(item.value, registry))
            else:
                values.append(item.value)
                pieces.append(f"${len(values)}")
        else:
            pieces.append(_written(item, registry))
    return pieces


def _written(item: Any, registry: Registry) -> str:
    """The text of a value that is no parameter."""
    if item.format_spec == CONSTANT:
        return typed_literal(item.value, registry)
    if item.format_spec == NAME:
        if isinstance(item.value, str):
            return identifier(item.value)
        raise ProgrammingError(f"a name is a str, not {type(item.value).__name__}: {_shown(item)}")
    if item.format_spec == PART:
        raise ProgrammingError(
            f"a part of a query is a template string, sql.SQL or sql.Composed, not {type(item.value).__name__}: "
            f"{_shown(item)}"
        )
    raise ProgrammingError(f"{shorten(item.format_spec)} is not a format of a query's values: {_shown(item)}")


def _composed(item: Any, registry: Registry) -> str:
    """The text of an object that writes itself, which must stand with the format that says what it is."""
    wanted = getattr(item.value, "template_format", PART)
    if wanted is None:
        raise ProgrammingError(f"{type(item.value).__name__} has no place in a template string: {_shown(item)}")
    _check_format(item, wanted)
    text: str = item.value.as_string(registry)
    return text


def _check_format(item: Any, wanted: str) -> None:
    if item.format_spec != wanted:
        raise ProgrammingError(f"{type(item.value).__name__} wants the format :{wanted}, and this is {_shown(item)}")


def _shown(item: Any, conversion: str = "") -> str:
    """The interpolation as it was written."""
    spec = f":{item.format_spec}" if item.format_spec else ""
    return f"{{{item.expression}{conversion}{spec}}}"
