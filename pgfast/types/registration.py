"""What a program says about types: its own functions and classes for them, and its policies.

Law of this file: one `Level` holds what was said in one place (the process, a connection, a cursor); a narrower level
comes before a wider one, an OID before a name with schema before a name without. A domain is registered by its own
name, else as its base; an array of a type needs no registration beside the type's.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from ..errors import ProgrammingError, shorten
from .builtins import BY_NAME
from .catalogue import TypeInfo
from .discovery import CHANGES
from .policies import Policies, changed, check

#: An OID, or schema (None: any), name, and whether its array is meant.
TypeKey: TypeAlias = "int | tuple[str | None, str, bool]"

_PART: Final = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))\s*')
#: The server folds these and no other letters in an encoding of many bytes (scansup.c, downcase_identifier).
_FOLDED: Final = {ord(letter): letter.lower() for letter in string.ascii_uppercase}
_ARRAY: Final = re.compile(r"(?:\s*\[\s*\])+\s*\Z")


def type_key(given: str | int) -> TypeKey:
    """The key of a type given by OID or by a name as SQL has it. Raises ProgrammingError for what is neither."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if not isinstance(given, str):
        raise ProgrammingError(f"a type is given by its name or OID, not by {type(given).__name__}")
    bare, arrays = _ARRAY.subn("", given.strip())
    folded = bare if '"' in bare else " ".join(bare.lower().split()).removeprefix("pg_catalog.")
    builtin = BY_NAME.get(folded + "[]" * bool(arrays))
    if builtin is not None:
        return builtin
    parts = name_parts(bare)
    if parts is not None:
        return (parts[0] if len(parts) == 2 else None, parts[-1], bool(arrays))
    raise ProgrammingError(
        f"{shorten(given)} is not the name of a type: name or schema.name, "
        "with double quotes round anything but letters, digits and _"
    )


def name_parts(given: str) -> list[str] | None:
    """The name, or schema and name, of `name`, `schema.name` or the like in double quotes; None for what is neither.

    Letters outside of quotes are folded as the server folds them.
    """
    parts: list[str] = []
    at = 0
    while match := _PART.match(given, at):
        parts.append(match[1].replace('""', '"') if match[1] is not None else match[2].translate(_FOLDED))
        at = match.end()
        if at == len(given):
            return parts if len(parts) <= 2 else None
        if given[at] != ".":
            return None
        at += 1
    return None


def keys_of(info: TypeInfo) -> tuple[TypeKey, ...]:
    """The keys a type is found by, the most exact first."""
    found: list[TypeKey] = [info.oid, (info.schema, info.name, False), (None, info.name, False)]
    if info.is_array and info.base is None:
        element = info.children[0]
        found += [(element.schema, element.name, True), (None, element.name, True)]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Registration:
    """How a program wants values of one type: by its functions, in this format, or as objects of its class."""

    decode: Callable[[Any], Any] | None = None
    encode: Callable[[Any], Any] | None = None
    text: bool = True
    cls: Callable[..., Any] | None = None
    labels: bool = False  # the class is an Enum


class Dump(NamedTuple):
    """How a program wants parameters of one class written, whatever type the server takes them for.

    `write` gives the text form in UTF-8, or the `binary` form; `oid` is the type they are declared to be of, 0 where
    the server is to tell.
    """

    write: Callable[[Any], bytes | str | None]
    oid: int
    binary: bool

    def text(self, value: Any) -> str | None:
        """The text form."""
        made = self.write(value)
        return made if made is None or isinstance(made, str) else bytes(made).decode("utf-8")

    def wire(self, value: Any) -> Any:
        """The binary form. Raises TypeError for text, which is none."""
        made = self.write(value)
        if isinstance(made, str):
            raise TypeError("a dumper whose format is binary gives bytes, not str")
        return made


class Level:
    """What was said in one place. A class may stand there by its dotted name."""

    __slots__ = ("choices", "declared", "dumps", "registrations", "version")

    def __init__(self) -> None:
        self.registrations: dict[TypeKey, Registration] = {}
        self.dumps: dict[type | str, Dump] = {}
        self.choices: dict[str, Any] = {}
        self.declared: dict[type, TypeKey] = {}
        self.version = 0

    def declare(self, cls: type, given: str | int) -> None:
        """Take values of a class for values of this type."""
        self.declared = {**self.declared, cls: type_key(given)}

    def register(self, given: str | int, registration: Registration | None) -> None:
        """Register a type anew; None takes the registration back."""
        key = type_key(given)
        registrations = dict(self.registrations)
        if registration is None:
            registrations.pop(key, None)
        else:
            registrations[key] = registration
        self.registrations = registrations
        self.version = CHANGES.next()
        CHANGES.tell(self.version)

    def register_class(self, cls: type | str, dump: Dump | None) -> None:
        """Register a class anew; None takes the registration back."""
        dumps = dict(self.dumps)
        if dump is None:
            dumps.pop(cls, None)
        else:
            dumps[cls] = dump
        self.dumps = dumps
        self.version = CHANGES.next()
        CHANGES.tell(self.version)

    def adopt(self, other: Level) -> None:
        """Say what another level says."""
        self.registrations = {**self.registrations, **other.registrations}
        self.dumps = {**self.dumps, **other.dumps}
        self.choices = {**self.choices, **other.choices}
        self.version = CHANGES.next()
        CHANGES.tell(self.version)

    def configure(self, chosen: dict[str, Any]) -> None:
        """Choose policies anew."""
        check(chosen)
        self.choices = {**self.choices, **chosen}
        self.version = CHANGES.next()
        CHANGES.tell(self.version)


def by_functions(
    decode: Callable[[Any], Any] | None,
    encode: Callable[[Any], Any] | None,
    format: str,  # noqa: A002
) -> Registration | None:
    """The registration of two functions. Raises ProgrammingError for what is none."""
    if format not in ("text", "binary"):
        raise ProgrammingError(f"register: format must be 'text' or 'binary', not {format!r}")
    for name, function in (("decode", decode), ("encode", encode)):
        if function is not None and not callable(function):
            raise ProgrammingError(f"register: {name} must be a function, not {type(function).__name__}")
    if decode is None and encode is None:
        return None
    return Registration(decode, encode, format == "text")


def by_enum(cls: type[Enum]) -> Registration:
    """The registration of an Enum class."""
    given: Any = cls
    if not (isinstance(given, type) and issubclass(given, Enum)):
        raise ProgrammingError(f"register_enum: an Enum class is wanted, not {shorten(cls)}")
    return Registration(cls=cls, labels=True)


def by_composite(cls: Callable[..., Any]) -> Registration:
    """The registration of a class for a composite type."""
    if not callable(cls):
        raise ProgrammingError(f"register_composite: a class is wanted, not {shorten(cls)}")
    return Registration(cls=cls)


class Said:
    """What several levels, the narrowest first, say together, as it was when this was made."""

    __slots__ = ("_levels", "dumps", "policies")

    def __init__(self, levels: Sequence[Level]) -> None:
        self._levels = [level.registrations for level in levels if level.registrations]
        policies = Policies()
        for level in reversed(levels):
            policies = changed(policies, level.choices)
        self.policies = policies
        self.dumps: dict[type | str, Dump] = {}
        for level in reversed(levels):
            self.dumps.update(level.dumps)

    def decoding(self, info: TypeInfo) -> Registration | None:
        """The registration by which values of this type are read."""
        return self._find(info, lambda one: one.decode is not None or one.cls is not None)

    def encoding(self, info: TypeInfo) -> Registration | None:
        """The registration by which values of this type are written."""
        return self._find(info, lambda one: one.encode is not None or one.cls is not None)

    def _find(self, info: TypeInfo, wanted: Callable[[Registration], bool]) -> Registration | None:
        if not self._levels:
            return None
        for registrations in self._levels:
            for key in keys_of(info):
                found = registrations.get(key)
                if found is not None and wanted(found):
                    return found
        return None if info.base is None else self._find(info.base, wanted)
