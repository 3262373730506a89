"""Values and names written into the text of a query: where the protocol has no parameters for them.

Law of this file: a literal is what a parameter of unknown type would be, its text between quotes; what the server makes
of it follows from where it stands. (docs: Lexical Structure, String Constants)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ProgrammingError
from ...types.render import render_any
from ..statements import Query


def literal(text: str, walsender: bool = False) -> str:
    """The text as a string constant. Raises ProgrammingError for a NUL character.

    One with a backslash is written so that it means the same whatever standard_conforming_strings is: protocol 2.0 does
    not tell when that changes. The commands of a `walsender` know backslashes as characters only.
    """
    if "\0" in text:
        raise ProgrammingError(f"a value holds a NUL character at position {text.index(chr(0)) + 1}")
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if walsender or "\\" not in text else "E" + quoted.replace("\\", "\\\\")


def identifier(name: str) -> str:
    """The name, quoted. Raises ProgrammingError for a NUL character."""
    if "\0" in name:
        raise ProgrammingError("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def texts_of(values: Sequence[Any]) -> list[str | None]:
    """The values as the server reads them in text. Raises ProgrammingError naming the parameter that has no text."""
    texts = []
    for number, value in enumerate(values):
        try:
            texts.append(None if value is None else render_any(value))
        except TypeError as exc:
            raise ProgrammingError(f"parameter ${number + 1}: {exc}") from exc
    return texts


def in_place(query: Query, values: Sequence[Any]) -> str:
    """The query with its values in the places of `$1`, `$2`, ..."""
    if not values:
        return query.sql
    return query.with_literals(["NULL" if text is None else literal(text) for text in texts_of(values)])
