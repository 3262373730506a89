"""`conn.types` and `cursor.types` without I/O: what a program says about types there, and asks about them."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from ..types.catalogue import TypeInfo
from ..types.registry import Registry


class BaseTypes:
    """The types of a connection or cursor: registration, policies, and what is known of the server's types.

    What is said of a cursor comes before what is said of its connection, and that before `pgfast.types`.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def register(
        self,
        name: str | int,
        decode: Callable[[Any], Any] | None = None,
        encode: Callable[[Any], Any] | None = None,
        format: str = "text",  # noqa: A002  (the protocol's word)
    ) -> None:
        """Read values of a type by `decode` and write them by `encode`; see `pgfast.types.register`."""
        self._registry.register(name, decode, encode, format)

    def register_enum(self, name: str | int, cls: type[Enum]) -> None:
        """Read values of an enum type as members of an Enum class; see `pgfast.types.register_enum`."""
        self._registry.register_enum(name, cls)

    def register_composite(self, name: str | int, cls: Callable[..., Any]) -> None:
        """Read values of a composite type as objects of a class; see `pgfast.types.register_composite`."""
        self._registry.register_composite(name, cls)

    def declare(self, cls: type, name: str | int) -> None:
        """Take values of a class for values of a type; see `pgfast.types.declare`."""
        self._registry.declare(cls, name)

    def configure(self, **policies: Any) -> None:
        """Choose policies, named as the fields of `pgfast.types.Policies`."""
        self._registry.configure(**policies)

    def get(self, name: str | int) -> TypeInfo | None:
        """What is known of a type, by name or OID; None where it has not been looked up."""
        return self._registry.find(name)

    def text(self, value: Any, name: str | int) -> str | None:
        """The text form of a value of a type, by name or OID, as the server reads it; None for NULL.

        Raises TypeError or ValueError for a value that does not fit.
        """
        info = self._registry.find(name)
        return None if value is None else self._registry.rules.renderer(0 if info is None else info.oid)(value)

    def forget(self, *names: str | int) -> None:
        """Forget what was looked up of these types, of all without names, so that it is looked up anew.

        It is for types that somebody else has altered; a connection notices by itself what it has altered.
        """
        infos = [self._registry.find(name) for name in names]
        self._registry.lookups.forget([info.oid for info in infos if info is not None] if names else None)
