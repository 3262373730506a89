"""Python objects that stand for arrays, ranges, multiranges, composites and enums -> what their kernels take.

Law of this file: as in `coerce`, nothing is lost and nothing is guessed. What stands for a composite is matched by the
names of its attributes where it has names, else by position, and must have them all.

Ranges of other drivers (psycopg, asyncpg, SQLAlchemy) are recognised by their attributes, none of them is imported.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache, partial
from keyword import iskeyword
from typing import Any, Final
from unicodedata import normalize

from .. import const
from ..errors import ProgrammingError
from ..kernels.decode_py import OPAQUE
from ..values import Array, Multirange, Range
from .catalogue import TypeInfo

_BOUNDS: Final = ("[)", "[]", "()", "(]")
_NOTHING: Final = object()


def _wants(what: str, value: Any) -> TypeError:
    return TypeError(f"{what} is wanted, not {type(value).__name__}")


# ---------------------------------------------------------------- arrays


def to_list(value: Any) -> list[Any] | tuple[Any, ...]:
    """The list or tuple of a subclass of one, of a NumPy array or of another sequence.

    A set is refused, which has no order, and so are text, bytes and mappings.
    """
    if isinstance(value, Array):
        return Array(value, value.lower_bounds)
    if isinstance(value, list):
        return list(value)
    if isinstance(value, tuple):
        return tuple(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _numpy_list(value)
    if hasattr(value, "tolist"):
        return to_list(value.tolist())
    if isinstance(value, (set, frozenset)):
        raise TypeError(f"a list is wanted, not {type(value).__name__}, which has no order; pass sorted(value)")
    if isinstance(value, str):
        raise TypeError("a list is wanted, not str")
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise _wants("a list", value)


def nests_in(element: TypeInfo) -> tuple[type, ...]:
    """The Python types that stand for a dimension inside an array, where they are not its elements."""
    if element.kind in OPAQUE:
        return ()
    if element.kind in (const.KIND_COMPOSITE, const.KIND_RECORD, const.KIND_CALL, const.KIND_TEXT_CALL):
        return (list,)
    return (list, tuple)


def _numpy_list(value: Any) -> list[Any]:
    """The nested lists of a NumPy array; times stay NumPy's, because the types' hooks know their units."""
    if value.ndim == 0:
        raise _wants("a list", value)
    if value.dtype.kind not in "mM":
        made: list[Any] = value.tolist()
        return made
    return list(value) if value.ndim == 1 else [_numpy_list(part) for part in value]


# ---------------------------------------------------------------- ranges


def to_range(value: Any) -> Range[Any]:
    """The Range of an object with lower and upper, and with bounds or lower_inc and upper_inc."""
    if isinstance(value, Range):
        return Range(value.lower, value.upper, value.bounds, value.isempty)
    lower, upper = getattr(value, "lower", _NOTHING), getattr(value, "upper", _NOTHING)
    if lower is _NOTHING or upper is _NOTHING or callable(lower):
        raise _wants("a Range", value)
    empty = getattr(value, "isempty", None)
    if empty is None:
        empty = getattr(value, "empty", False)
    if empty is True:
        return Range(empty=True)
    bounds = getattr(value, "bounds", None)
    if bounds not in _BOUNDS:
        inclusive = getattr(value, "lower_inc", None), getattr(value, "upper_inc", None)
        if None in inclusive:
            raise _wants("a Range", value)
        bounds = ("[" if inclusive[0] else "(") + ("]" if inclusive[1] else ")")
    return Range(lower, upper, bounds)


def to_multirange(value: Any) -> Multirange[Any]:
    """The Multirange of a list or another ordered collection of ranges."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise _wants("a Multirange or a list of Range", value)
    return Multirange([to_range(one) for one in value])


# ---------------------------------------------------------------- composites


def field_names(cls: Any) -> tuple[str, ...] | None:
    """The names a dataclass or named tuple is made with, in order; None for any other class."""
    if isinstance(cls, type) and is_dataclass(cls):
        return tuple([field.name for field in fields(cls) if field.init])
    names = getattr(cls, "_fields", None)
    if isinstance(cls, type) and issubclass(cls, tuple) and isinstance(names, tuple):
        return names
    return None


@lru_cache(maxsize=1024)
def named_tuple(name: str, names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    """The named tuple class of a composite type; an attribute that is no identifier is called by its place, `_1`.

    Python's compiler normalizes identifiers: two attributes that it takes for one are not called by their names both.
    A value is pickled as a plain tuple, because nobody else could find its class.
    """
    title = "".join([letter if letter == "_" or letter.isalnum() else "_" for letter in name])
    valid = title.isidentifier() and not iskeyword(title)
    make: Any = namedtuple  # noqa: PYI024  (the attributes are known only now)
    made = make(title if valid else f"_{title}", [normalize("NFKC", one) for one in names], rename=True)
    made.__doc__ = f"A value of the composite type {name}."
    setattr(made, "__reduce__", _as_plain)  # noqa: B010  (mypy knows the class and not that it is new)
    kind: type[tuple[Any, ...]] = made
    return kind


def _as_plain(value: Any) -> tuple[Any, ...]:
    return tuple, (tuple(value),)


def tuple_maker(info: TypeInfo) -> Callable[[tuple[Any, ...]], Any]:
    """The function from the tuple of a composite's attributes to a named tuple of them.

    A domain's values are its base's: results are described by that (server: printtup.c).
    """
    while info.base is not None:
        info = info.base
    return partial(tuple.__new__, named_tuple(info.name, info.names))


def composite_maker(info: TypeInfo, cls: Callable[..., Any]) -> Callable[[tuple[Any, ...]], Any]:
    """The function from the tuple of a composite's attributes to an object of the registered class.

    A dataclass or named tuple whose fields are called as the attributes gets them by name, any other class in order.
    """
    names = info.names
    own = field_names(cls)
    if own is not None and own != names and set(own) == set(names):
        return lambda values: cls(**dict(zip(names, values, strict=True)))
    return lambda values: cls(*values)


def composite_hook(info: TypeInfo) -> Callable[[Any], tuple[Any, ...]]:
    """The hook that makes the tuple of a composite's attributes out of whatever has them."""
    names = info.names
    wanted = frozenset(names)
    listed = ", ".join(names)

    def to_tuple(value: Any) -> tuple[Any, ...]:
        if isinstance(value, Mapping):
            _check_names(frozenset(value))
            return tuple([value[name] for name in names])
        own = field_names(type(value))
        if own is not None and frozenset(own) == wanted:
            return tuple([getattr(value, name) for name in names])
        if isinstance(value, (tuple, list)):
            return tuple(value)
        if own is not None:
            _check_names(frozenset(own))
        if isinstance(value, (str, bytes, set, frozenset)) or not all(hasattr(value, name) for name in names):
            raise TypeError(
                f"a tuple, a mapping or an object with the attributes {listed} is wanted, not {type(value).__name__}"
            )
        return tuple([getattr(value, name) for name in names])

    def _check_names(given: frozenset[Any]) -> None:
        missing, more = wanted - given, given - wanted
        if missing or more:
            said = [f"{', '.join(sorted(missing))} missing"] if missing else []
            said += [f"{', '.join(sorted(map(str, more)))} unknown"] if more else []
            raise ValueError(f"the type has the attributes {listed}: {'; '.join(said)}")

    return to_tuple


# ---------------------------------------------------------------- enums


def members_of(info: TypeInfo, cls: type[Enum]) -> dict[str, Enum]:
    """label -> member of the registered class: the one whose value is the label, else the one of that name."""
    by_value = {member.value: member for member in cls if isinstance(member.value, str)}
    found: dict[str, Enum] = {**cls.__members__, **by_value}
    missing = [label for label in info.names if label not in found]
    if missing:
        raise ProgrammingError(
            f"register_enum: {cls.__name__} has no member for {', '.join(map(repr, missing))} of {info.sql}; "
            "a member's value, or its name, is the label"
        )
    return found  # with members for labels that the type may get later


def enum_reader(info: TypeInfo, cls: type[Enum]) -> Callable[[str], Enum]:
    """The function from a label to a member."""
    members = members_of(info, cls)

    def to_member(label: str) -> Enum:
        found = members.get(label)
        if found is None:
            raise ValueError(f"{cls.__name__} has no member for the label {label!r}")
        return found

    return to_member


def to_label(value: Any) -> str:
    """The label of an Enum member, which is its value where that is a str and else its name, or of a str's subclass."""
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    if isinstance(value, str):
        return str.__str__(value)
    raise _wants("a label (str) or an Enum member", value)


def enum_hook(info: TypeInfo, cls: type[Enum]) -> Callable[[Any], str]:
    """The hook from a member of the registered class to its label; others are taken as `to_label` does."""
    members = members_of(info, cls)
    labels = {members[label]: label for label in info.names}

    def hook(value: Any) -> str:
        return labels[value] if isinstance(value, cls) and value in labels else to_label(value)

    return hook
