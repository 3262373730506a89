"""What a Python value stands for where nobody says more: its text form, and the name of its type.

Law of this file: the class decides, never the place where the value goes; `classes` has the types' names. A name is
None where the server is to find the type from where the text stands: for text itself, for records, and for what may be
one of several types.

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
    Cube,
    Interval,
    Multirange,
    Range,
    SparseVector,
)
from ..values.lsn import LSN
from .arrays import render_array
from .classes import GEOMETRIC, common_name, multirange_name, name_of, range_name
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

#: The server casts these to no other range, and takes their text for any.
_FOR_ANY_RANGE: Final = frozenset({"int4range", "int8range", "tsrange"})
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


def _scalar(text: Callable[[Any], str | None]) -> _Writer:
    """The writer of a class whose name `classes` has."""

    def write(value: Any, registry: Registry) -> Standing:
        found = text(value)
        return None if found is None else (found, name_of(value))

    return write


def _extension_writer(name: str) -> _Writer:
    """The writer of a class that has a form; not every database has its type."""
    form = _extension(name)
    assert form is not None
    return lambda value, registry: _rendered(form, value, None)


def _render_decimal(value: Decimal) -> str:
    return "NaN" if value.is_nan() else render(value)


def _render_datetime(value: datetime) -> str | None:
    exact = (to_timestamp if value.utcoffset() is None else to_timestamptz)(value)
    return None if exact is None else render(exact)


def _json(value: Any, registry: Registry) -> Standing:
    return _written_json(value, registry), name_of(value)


def _written_json(value: Any, registry: Registry) -> str:
    made = json_writer(registry.rules)(value)
    return made.decode() if isinstance(made, bytes) else str(made)


# ---------------------------------------------------------------- what is made of others


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
    name = common_name(names)
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
    return text, name_of(value) or _range_name(names)


def _multirange(value: Multirange[Any], registry: Registry) -> Standing:
    names: set[str | None] = set()
    text = "{" + ",".join([_bounds(one, registry, names) for one in value]) + "}"
    name = _range_name(names)
    return text, name_of(value) or (None if name is None else multirange_name(name))


def _range_name(bounds: set[str | None]) -> str | None:
    name = range_name(bounds)
    return None if name in _FOR_ANY_RANGE else name


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
    **dict.fromkeys((str, bool, float, bytes, bytearray, memoryview, date, time, Interval, UUID), _scalar(render)),
    int: lambda value, registry: (int.__repr__(value), name_of(value)),
    Decimal: _scalar(_render_decimal),
    datetime: _scalar(_render_datetime),
    timedelta: _scalar(lambda value: render(to_interval(value))),
    **dict.fromkeys((IPv4Address, IPv6Address, IPv4Network, IPv6Network, LSN), _scalar(str)),
    Json: _json,
    dict: _json,
    list: _array,
    tuple: _record,
    Range: _range,
    Multirange: _multirange,
    **{cls: _scalar(_form(FORMS[name]).render) for cls, name in GEOMETRIC.items()},
    Cube: _extension_writer("cube"),
    SparseVector: _extension_writer("sparsevec"),
}
_WRITERS: Final[Mapping[type, _Writer]] = MappingProxyType(
    {**_BY_CLASS, **{cls: next(_BY_CLASS[base] for base in cls.__mro__ if base in _BY_CLASS) for cls in TYPES}}
)
