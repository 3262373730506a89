"""What a form is: how values of a type are read and written where no kernel does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..coerce import to_str


@dataclass(frozen=True, slots=True)
class Form:
    """Text form and binary wire form of one type, both ways.

    Each function raises TypeError or ValueError saying what is wanted, and quotes no value. `decode` of malformed
    bytes raises ValueError. `render` and `encode` take the type's own Python value and its text form as str; what a
    text form says that only the server can read for sure is refused by `encode` and passed on by `render`.
    """

    #: Text form -> value.
    parse: Callable[[str], Any]
    #: Value -> text form, None for NULL.
    render: Callable[[Any], str | None]
    #: Binary wire form -> value. None: results are asked for in text.
    decode: Callable[[bytes], Any] | None = None
    #: Value -> binary wire form, None for NULL. None: values are sent as text.
    encode: Callable[[Any], bytes | None] | None = None


def wants(what: str, value: Any) -> TypeError:
    """The error for a value of a class that is not the type's."""
    return TypeError(f"{what} is wanted, not {type(value).__name__}")


def same(text: str) -> str:
    """The text as it is: `parse` of types that Python has no class for."""
    return text


def utf8(text: str) -> bytes:
    """The bytes of a text that goes to the server. Raises ValueError for what no text of the server's can hold."""
    if "\x00" in text:
        raise ValueError("text cannot contain a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("text cannot contain a lone surrogate") from None


#: A type whose values are text in Python and which is never binary.
TEXT_ONLY = Form(same, to_str)


def versioned(what: str, version: int = 1) -> Form:
    """The form of a type that is sent as a byte with a version and its text form behind it."""
    head = bytes([version])

    def decode(data: bytes) -> str:
        if data[:1] != head:
            raise ValueError(f"not a {what}: its binary form does not begin with version {version}")
        return decoded(data[1:], what)

    return Form(same, to_str, decode, lambda value: head + utf8(to_str(value)))


def decoded(data: bytes, what: str) -> str:
    """The text of bytes from the server."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"not a {what}: its text is not UTF-8") from None
