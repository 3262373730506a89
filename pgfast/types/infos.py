"""What a program asks about types by name, and registers them by: psycopg's TypeInfo and its kin.

A connection looks a type up by itself when a value of it comes up. So `fetch` is for programs that want to know, and
`register_*` says into which class values are read. `context` is a connection or a cursor, None for the whole process.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from .. import const
from ..errors import UndefinedObject
from . import catalogue
from .registry import PROCESS

I = TypeVar("I", bound="TypeInfo")  # noqa: E741


def level_of(context: Any) -> Any:
    """Where something is registered: with a connection or cursor, what they call `types`; else the process."""
    return PROCESS if context is None else getattr(context, "types", context)


class TypeInfo(catalogue.TypeInfo):
    """One type of the server's."""

    __slots__ = ()

    @property
    def regtype(self) -> str:
        """The name to write in a cast."""
        return self.sql

    @classmethod
    def fetch(cls, conn: Any, name: Any) -> Any:
        """The type of this name, asked of the server; None where there is none, or where it is of another sort.

        `name` is a str as in SQL, or a `pgfast.sql.Identifier`. With an AsyncConnection it is awaited.
        """
        text = name if isinstance(name, str) else name.as_string(conn)
        try:
            found = conn.types.load(text)
        except UndefinedObject:
            return None
        return cls._awaited(found) if inspect.isawaitable(found) else cls._of(found[0])

    @classmethod
    async def _awaited(  # noqa: PYI019  (typing.Self is not in Python 3.10)
        cls: type[I], loading: Awaitable[list[catalogue.TypeInfo]]
    ) -> I | None:
        try:
            return cls._of((await loading)[0])
        except UndefinedObject:
            return None

    @classmethod
    def _of(cls: type[I], info: catalogue.TypeInfo) -> I | None:  # noqa: PYI019  (as above)
        if not cls._is_one(info):
            return None
        return cls(**{one.name: getattr(info, one.name) for one in fields(catalogue.TypeInfo)})

    @classmethod
    def _is_one(cls, info: catalogue.TypeInfo) -> bool:
        return True

    def register(self, context: Any = None) -> None:
        """Does nothing: a connection knows each type when it comes up."""


class EnumInfo(TypeInfo):
    """An enum."""

    __slots__ = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, in order."""
        return self.names

    @classmethod
    def _is_one(cls, info: catalogue.TypeInfo) -> bool:
        return info.kind == const.KIND_ENUM


class CompositeInfo(TypeInfo):
    """A composite type."""

    __slots__ = ()

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of its attributes."""
        return self.names

    @property
    def field_types(self) -> tuple[int, ...]:
        """The OIDs of their types."""
        return tuple([part.oid for part in self.children])

    @classmethod
    def _is_one(cls, info: catalogue.TypeInfo) -> bool:
        return info.kind == const.KIND_COMPOSITE


class RangeInfo(TypeInfo):
    """A range type."""

    __slots__ = ()

    @property
    def subtype_oid(self) -> int:
        """The OID of its bounds' type."""
        return self.children[0].oid

    @classmethod
    def _is_one(cls, info: catalogue.TypeInfo) -> bool:
        return info.kind == const.KIND_RANGE


class MultirangeInfo(TypeInfo):
    """A multirange type."""

    __slots__ = ()

    @property
    def range_oid(self) -> int:
        """The OID of its range type."""
        return self.children[0].oid

    @property
    def subtype_oid(self) -> int:
        """The OID of the bounds' type."""
        return self.children[0].children[0].oid

    @classmethod
    def _is_one(cls, info: catalogue.TypeInfo) -> bool:
        return info.kind == const.KIND_MULTIRANGE


def checked(info: Any, cls: type[TypeInfo], what: str) -> Any:
    """The info. Raises TypeError where it is none: the type was not found, mostly."""
    if not isinstance(info, cls):
        raise TypeError(f"register_{what}: a {cls.__name__} is wanted, not {type(info).__name__}; was the type found?")
    return info


def register_enum(
    info: EnumInfo | str | int,
    context: Any = None,
    enum: type[Enum] | None = None,
    *,
    mapping: Mapping[Any, str] | Iterable[tuple[Any, str]] | None = None,
) -> None:
    """Read values of an enum type as members of `enum`, and write them back.

    Without a class one is made of the labels, where `info` is an EnumInfo. A member stands for the label that `mapping`
    gives for it, else for its value where that is a str, or its name.
    """
    given: Any = info
    if isinstance(context, type) and issubclass(context, Enum):  # register_enum("mood", Mood)
        enum, context = context, None
    key = given.oid if isinstance(info, TypeInfo) else given
    if mapping is None:
        level_of(context).register_enum(key, _enum_of(checked(info, EnumInfo, "enum")) if enum is None else enum)
        return
    labels_of = dict(mapping)
    members = {label: member for member, label in labels_of.items()}
    level_of(context).register(key, _member_of(members), _label_of(labels_of))


def _enum_of(info: EnumInfo) -> Any:
    """A class with the labels for members."""
    make: Any = Enum
    return make(info.name, {label: label for label in info.labels})


def _member_of(members: Mapping[str, Enum]) -> Callable[[str], Enum]:
    def decode(label: str) -> Enum:
        try:
            return members[label]
        except KeyError:
            raise ValueError(f"the mapping has no member for the label {label!r}") from None

    return decode


def _label_of(labels: Mapping[Any, str]) -> Callable[[Any], str]:
    def encode(value: Any) -> str:
        if isinstance(value, str) and value not in labels:
            return value
        try:
            return labels[value]
        except KeyError:
            raise ValueError(f"the mapping has no label for {value!r}") from None

    return encode


def register_composite(
    info: CompositeInfo | str | int, context: Any = None, factory: Callable[..., Any] | None = None
) -> None:
    """Read values of a composite type as `factory(*attributes)`; without one they are named tuples, as ever."""
    if not isinstance(info, (TypeInfo, str, int)):
        checked(info, CompositeInfo, "composite")
    if factory is None and callable(context) and not hasattr(context, "types"):  # register_composite("point", Point)
        factory, context = context, None
    if factory is not None:
        level_of(context).register_composite(info.oid if isinstance(info, TypeInfo) else info, factory)


def register_range(info: RangeInfo, context: Any = None) -> None:
    """Does nothing but look at `info`: ranges of any type are read and written as Range."""
    checked(info, RangeInfo, "range")


def register_multirange(info: MultirangeInfo, context: Any = None) -> None:
    """Does nothing but look at `info`: multiranges of any type are read and written as Multirange."""
    checked(info, MultirangeInfo, "multirange")


def register_hstore(info: TypeInfo, context: Any = None) -> None:
    """Does nothing but look at `info`: hstore is read and written as a dict."""
    checked(info, TypeInfo, "hstore")


def register_shapely(info: TypeInfo, context: Any = None) -> None:
    """Read geometry and geography as shapely's objects. Raises ImportError where shapely is not installed."""
    checked(info, TypeInfo, "shapely")
    level_of(context).configure(geometry="shapely")


def set_json_dumps(dumps: Callable[[Any], str | bytes], context: Any = None) -> None:
    """Write JSON by this function."""
    level_of(context).configure(json_dumps=dumps)


def set_json_loads(loads: Callable[[str], Any], context: Any = None) -> None:
    """Read JSON by this function."""
    level_of(context).configure(json_loads=loads)
