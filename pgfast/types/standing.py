"""What a Python value stands for where nobody says more: its text form, and the name of its type.

Law of this file: the class decides, never the place where the value goes. A name is None where the server is to find
the type from where the text stands: for text itself, for records, and for what may be one of several types.

A list is an array and a tuple a record, at any depth. Values of registered classes have the type of their
registration. NumPy is recognised by what its values can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import UUID

from ..values import (
    Box,
    Circle,
    Cube,
    Interval,
    Line,
    LineSegment,
    Multirange,
    Path,
    Point,
    Polygon,
    Range,
    SparseVector,
)
from ..values.lsn import LSN
from .arrays import render_array
from .coerce import Json, plain_value, to_interval, to_timestamp, to_timestamptz
from .forms import EXTENSIONS, FORMS
from .forms.form import Form
from .registration import Dump, TypeKey
from .registry import Registry
from .render import render
from .structures import field_names, to_label, to_list, to_range
from .textranges import render_range
from .textrecords import render_record
from .wrappers import TYPES
from .writing import json_writer

#: (text form, name of the type as SQL has it or None); a value that stands for NULL is None itself.
Standing: TypeAlias = "tuple[str, str | None] | None"
_Writer: TypeAlias = "Callable[[Any, Registry], Standing]"

#: Ranges by their bounds' type. Integers and times without a zone have none: the server casts int4range and tsrange to
#: no other range, and takes their text for any.
_RANGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "numeric": "numrange",
        "date": "daterange",
        "timestamptz": "tstzrange",
    }
)
#: Elements of these are set apart by something else than a comma (pg_type.typdelim).
_DELIMITERS: Final = MappingProxyType({"box": ";"})


def standing_for(value: Any, registry: Registry) -> Standing:
    """What the value stands for. Raises TypeError for a class that stands for nothing, ValueError for what it cannot
    say exactly."""
    dump = registry.rules.dump_of(value)
    if dump is not None:
        return _dumped(value, dump, registry)
    declared = registry.declares(type(value))
    writer = None if declared is not None else _WRITERS.get(type(value))
    if writer is not None:
        return writer(value, registry)
    key = declared or registry.key_of_class(type(value))
    if key is not None:
        return _registered(value, key, registry)
    value = plain_value(value)
    if value is None:
        return None
    for cls in type(value).__mro__:
        if cls in _WRITERS:
            return _WRITERS[cls](value, registry)
    return _by_shape(value, registry)


def _dumped(value: Any, dump: Dump, registry: Registry) -> Standing:
    """What the program writes for the value, of the type that it says."""
    info = registry.info(dump.oid) if dump.oid else None
    name = None if info is None else info.sql
    if not dump.binary:
        text = dump.text(value)
        return None if text is None else (text, name)
    raise TypeError("the program writes this class in binary, which no constant holds")


def _by_shape(value: Any, registry: Registry) -> Standing:
    """What an object stands for whose class says nothing."""
    if is_dataclass(value) and not isinstance(value, type):
        return _record([getattr(value, name) for name in field_names(type(value)) or ()], registry)
    if hasattr(value, "geom_type") and hasattr(value, "wkb"):
        return _rendered(_form(EXTENSIONS["geometry", "geometry_send"]), value, None)
    if hasattr(value, "lower") and hasattr(value, "upper") and not callable(value.lower):
        return _range(to_range(value), registry)
    if isinstance(value, Mapping):
        return _json(dict(value), registry)
    if hasattr(value, "tolist") or isinstance(value, Sequence):
        return _array(value, registry)
    raise TypeError(f"{type(value).__name__} stands for no type of PostgreSQL; pass its text form as str")


def _form(found: Any) -> Form:
    """The form itself, where it depends on a choice: the one by which any value of the type is written."""
    return found if isinstance(found, Form) else found("bytes")


def _extension(name: str) -> Form | None:
    """The form of an extension's type, None where there is none of this name."""
    return next((_form(EXTENSIONS[key]) for key in EXTENSIONS if key[0] == name), None)


def _rendered(form: Form, value: Any, name: str | None) -> Standing:
    text = form.render(value)
    return None if text is None else (text, name)


# ---------------------------------------------------------------- scalars


def _named(name: str | None) -> Callable[[Any, Registry], Standing]:
    """The writer of a class that stands for one type."""
    return lambda value, registry: (render(value), name)


def _as_written(name: str) -> Callable[[Any, Registry], Standing]:
    """The writer of a class whose str() is the text form."""
    return lambda value, registry: (str(value), name)


def _by_form(name: str, typed: bool = True) -> Callable[[Any, Registry], Standing]:
    """The writer of a class that has a form; `typed` says that every database has its type."""
    form = FORMS[name] if typed else _extension(name)
    assert isinstance(form, Form), "it has one way to be written"
    return lambda value, registry: _rendered(form, value, name if typed else None)


def _int(value: int, registry: Registry) -> Standing:
    if -(2**31) <= value < 2**31:
        return int.__repr__(value), "int4"
    return int.__repr__(value), "int8" if -(2**63) <= value < 2**63 else "numeric"


def _decimal(value: Decimal, registry: Registry) -> Standing:
    return "NaN" if value.is_nan() else render(value), "numeric"


def _datetime(value: datetime, registry: Registry) -> Standing:
    zoned = value.utcoffset() is not None
    exact = (to_timestamptz if zoned else to_timestamp)(value)
    return None if exact is None else (render(exact), "timestamptz" if zoned else "timestamp")


def _timedelta(value: timedelta, registry: Registry) -> Standing:
    return render(to_interval(value)), "interval"


def _time(value: time, registry: Registry) -> Standing:
    return render(value), "time" if value.utcoffset() is None else "timetz"


def _wrapped_json(value: Json, registry: Registry) -> Standing:
    return _written_json(value, registry), "json"


def _typed(name: str, write: _Writer) -> _Writer:
    """The writer of a class that says its type: what `write` says, of that type."""

    def typed(value: Any, registry: Registry) -> Standing:
        found = write(value, registry)
        return None if found is None else (found[0], name)

    return typed


def _json(value: Any, registry: Registry) -> Standing:
    return _written_json(value, registry), "jsonb"


def _written_json(value: Any, registry: Registry) -> str:
    made = json_writer(registry.rules)(value)
    return made.decode() if isinstance(made, bytes) else str(made)


# ---------------------------------------------------------------- what is made of others


def _common(names: set[str | None]) -> str | None:
    """The type that holds values of all these, None where there is none or the server must find it."""
    if len(names) > 1 and names <= {"int4", "int8", "numeric", "float8"}:
        return next(name for name in ("numeric", "float8", "int8") if name in names)
    return next(iter(names)) if len(names) == 1 else None


def _array(value: Any, registry: Registry) -> Standing:
    names: set[str | None] = set()

    def element(one: Any) -> str | None:
        found = standing_for(one, registry)
        if found is None:
            return None
        names.add(found[1])
        return found[0]

    items = to_list(value)
    text = render_array(items, element, nests=(list,))
    name = _common(names)
    if name is not None and name in _DELIMITERS:
        text = render_array(items, element, _DELIMITERS[name], (list,))
    return text, None if name is None else f"{name}[]"


def _record(values: Sequence[Any], registry: Registry) -> Standing:
    def attribute(one: Any) -> str | None:
        found = standing_for(one, registry)
        return None if found is None else found[0]

    return render_record(values, [attribute] * len(values)), None


def _bounds(value: Range[Any], registry: Registry, names: set[str | None]) -> str:
    def bound(one: Any) -> str | None:
        found = standing_for(one, registry)
        if found is None:
            return None
        names.add(found[1])
        return found[0]

    return render_range(value, bound)


def _range(value: Range[Any], registry: Registry) -> Standing:
    names: set[str | None] = set()
    text = _bounds(value, registry, names)
    return text, _RANGES.get(_common(names) or "")


def _multirange(value: Multirange[Any], registry: Registry) -> Standing:
    names: set[str | None] = set()
    text = "{" + ",".join([_bounds(one, registry, names) for one in value]) + "}"
    name = _RANGES.get(_common(names) or "")
    return text, None if name is None else name.replace("range", "multirange")


# ---------------------------------------------------------------- registered classes


def _registered(value: Any, key: TypeKey, registry: Registry) -> Standing:
    """What an object of a class stands for that was registered for the type of this key."""
    info = registry.find_key(key)
    if info is not None:
        text = registry.rules.renderer(info.oid)(value)
        return None if text is None else (text, info.sql)
    if isinstance(value, Enum):
        return to_label(value), _sql_name(key)
    form = _extension(key[1]) if isinstance(key, tuple) else None
    if form is not None:
        return _rendered(form, value, _sql_name(key))
    raise TypeError(
        f"{type(value).__name__} is registered for a type that the driver does not know yet; load it first by "
        "conn.types.load(), with the name that it was registered by"
    )


def _sql_name(key: TypeKey) -> str | None:
    """The quoted name of a type that has not been looked up, None where only its OID is known."""
    if isinstance(key, int):
        return None
    schema, name, array = key
    parts = [part for part in (schema, name) if part is not None]
    return ".".join(['"' + part.replace('"', '""') + '"' for part in parts]) + "[]" * array


_BY_CLASS: Final[dict[type, _Writer]] = {
    type(None): lambda value, registry: None,
    str: _named(None),
    bool: _named("bool"),
    int: _int,
    float: _named("float8"),
    Decimal: _decimal,
    bytes: _named("bytea"),
    bytearray: _named("bytea"),
    memoryview: _named("bytea"),
    datetime: _datetime,
    date: _named("date"),
    time: _time,
    timedelta: _timedelta,
    Interval: _named("interval"),
    UUID: _named("uuid"),
    IPv4Address: _as_written("inet"),
    IPv6Address: _as_written("inet"),
    IPv4Network: _as_written("cidr"),
    IPv6Network: _as_written("cidr"),
    LSN: _as_written("pg_lsn"),
    Json: _wrapped_json,
    dict: _json,
    list: _array,
    tuple: _record,
    Range: _range,
    Multirange: _multirange,
    Point: _by_form("point"),
    Line: _by_form("line"),
    LineSegment: _by_form("lseg"),
    Box: _by_form("box"),
    Path: _by_form("path"),
    Polygon: _by_form("polygon"),
    Circle: _by_form("circle"),
    Cube: _by_form("cube", typed=False),
    SparseVector: _by_form("sparsevec", typed=False),
}
_WRITERS: Final[Mapping[type, _Writer]] = MappingProxyType(
    {
        **_BY_CLASS,
        **{
            cls: _typed(name, next(_BY_CLASS[base] for base in cls.__mro__ if base in _BY_CLASS))
            for cls, name in TYPES.items()
        },
    }
)
