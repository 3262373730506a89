"""Loaders and dumpers, as classes: psycopg's way to say how values are read and written.

Law of this file: it only translates. A loader becomes a function registered for a type, in the loader's format; a
dumper becomes a function registered for a class (`types.registration`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from ..errors import ProgrammingError, shorten
from ..types.builtins import BY_NAME, BY_OID
from ..types.catalogue import TypeInfo
from ..types.registration import Dump
from ..types.registry import PROCESS, Registry
from .info import Format


class Loader(ABC):
    """Reads values of one type: to be derived from. `format` says what `load` is given, text or the binary form."""

    format: ClassVar[int] = Format.TEXT

    def __init__(self, oid: int, context: Any = None) -> None:
        self.oid = oid
        self.connection = getattr(context, "connection", None)

    @abstractmethod
    def load(self, data: bytes) -> Any:
        """The value of these bytes, text in UTF-8."""


class Dumper(ABC):
    """Writes values of one class: to be derived from.

    `format` says what `dump` gives, text or the binary form; `oid` is the type the value is declared to be of, 0 where
    the server is to tell.
    """

    format: ClassVar[int] = Format.TEXT
    oid: int = 0

    def __init__(self, cls: type, context: Any = None) -> None:
        self.cls = cls
        self.connection = getattr(context, "connection", None)

    @abstractmethod
    def dump(self, obj: Any) -> bytes | None:
        """The bytes of the value, text in UTF-8; None for NULL."""

    def quote(self, obj: Any) -> bytes:
        """The value as a constant in a query."""
        data = self.dump(obj)
        if data is None:
            return b"NULL"
        escaped = bytes(data).replace(b"'", b"''")
        return b" E'" + escaped.replace(b"\\", b"\\\\") + b"'" if b"\\" in escaped else b"'" + escaped + b"'"


class TypesRegistry:
    """The types that every server has, by name or OID; `conn.types` knows those that users have made."""

    def __getitem__(self, key: str | int) -> TypeInfo:
        found = self.get(key)
        if found is None:
            raise KeyError(f"there is no built-in type {key!r}")
        return found

    def __iter__(self) -> Iterator[TypeInfo]:
        return iter(BY_OID.values())

    def get(self, key: str | int) -> TypeInfo | None:
        """The type, None where none is built in by this name or OID; `name[]` is an array."""
        oid = BY_NAME.get(key) if isinstance(key, str) else key
        return None if oid is None else BY_OID.get(oid)

    def get_oid(self, name: str) -> int:
        """The OID of the type of this name. Raises KeyError."""
        return self[name].oid


class AdaptersMap:
    """What is registered with the process, a connection or a cursor."""

    types = TypesRegistry()

    @property
    def adapters(self) -> AdaptersMap:
        """These, for what takes a connection, a cursor or an AdaptersMap."""
        return self

    def __init__(self, registry: Registry = PROCESS, context: Any = None) -> None:
        self._registry = registry
        self._context = context

    def register_loader(self, oid: int | str, loader: type[Loader]) -> None:
        """Read values of a type, given by name or OID, by this class."""
        if not callable(getattr(loader, "load", None)):
            raise ProgrammingError(f"register_loader: a class with the method load is wanted, not {shorten(loader)}")
        number = oid if isinstance(oid, int) else BY_NAME.get(oid, 0)
        load = loader(number, self._context).load
        if loader.format == Format.BINARY:
            self._registry.register(oid, decode=load, format="binary")
        else:
            self._registry.register(oid, decode=lambda text: load(text.encode("utf-8")), format="text")

    def register_dumper(self, cls: type | str | None, dumper: type[Dumper] | None) -> None:
        """Write parameters of a class, and of classes derived from it, by this class; None takes that back.

        The class may be given by its dotted name, and need not be imported then.
        """
        if cls is None:
            raise ProgrammingError("register_dumper: a dumper belongs to a class here; `types.register` is by type")
        if dumper is None:
            self._registry.register_class(cls, None)
            return
        if not callable(getattr(dumper, "dump", None)):
            raise ProgrammingError(f"register_dumper: a class with the method dump is wanted, not {shorten(dumper)}")
        made = dumper(cls if isinstance(cls, type) else object, self._context)
        self._registry.register_class(cls, Dump(made.dump, made.oid or 0, dumper.format == Format.BINARY))
