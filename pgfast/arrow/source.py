"""Arrow arrays -> source columns of `encode_copy_columns`.

Law of this file: decides once per column whether the kernels read the memory as it lies or Python reads it value by
value, and says before the first row when a type can go to no such column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from .. import const
from ..errors import DataError
from ..kernels.decode_py import OPAQUE
from ..types.arrays import parse_array
from ..types.catalogue import TypeInfo
from ..types.coerce import HOOKS
from ..types.intervals import parse_fields
from ..types.reading import text_parser
from ..types.registry import Registry
from ..types.text import parse_timestamptz
from .incoming import ArrayView
from .objects import objects
from .schema import STORABLE, ArrowField, ArrowType, Family, arrow_type, type_name

if TYPE_CHECKING:
    from ..codec import SourceColumn, Spec

_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)
#: Kinds whose text form is taken as it is.
_OWN_TEXT: Final = (const.KIND_STR, const.KIND_CHAR, const.KIND_ENUM, *_JSON)
_JSON_FAMILIES: Final = (Family.NULL, Family.BOOL, Family.INTEGER, Family.FLOAT, Family.STRING, Family.STRUCT)
#: Rules that know no program's registrations and policies.
_PLAIN: Final = Registry().rules
_F32: Final = Struct("<f")
_INDEX_LAYOUTS: Final = {
    "c": const.LAYOUT_I8,
    "C": const.LAYOUT_U8,
    "s": const.LAYOUT_I16,
    "S": const.LAYOUT_U16,
    "i": const.LAYOUT_I32,
    "I": const.LAYOUT_U32,
    "l": const.LAYOUT_I64,
    "L": const.LAYOUT_U64,
}


def float32_numeric(value: Any) -> Any:
    """The Decimal of the shortest digits that are this single-precision float and no other."""
    if not isinstance(value, float) or value != value or value in (float("inf"), float("-inf")):
        return HOOKS[const.KIND_NUMERIC](value)
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if _F32.unpack(_F32.pack(float(text)))[0] == value:
            break
    return Decimal(text)


def _text_reader(info: TypeInfo, zone: tzinfo | None) -> Callable[[str], Any]:
    """The function from text to a value; timestamps with time zone that name none are read in `zone`.

    It goes by the types alone: what a program has registered, and its policies, are for results.
    """
    kind = info.kind
    if kind == const.KIND_TIMESTAMPTZ:
        return partial(parse_timestamptz, zone=zone)
    if kind == const.KIND_INTERVAL:
        return parse_fields
    if kind == const.KIND_ARRAY:
        element = info.children[0]
        return partial(parse_array, element=_text_reader(element, zone), delimiter=element.delimiter)
    if kind in _JSON:
        return lambda text: text  # JSON text is sent as it is
    return text_parser(info, _PLAIN) or (lambda text: text)


def text_hook(info: TypeInfo, spec: Spec, zone: tzinfo | None) -> Callable[[Any], Any]:
    """The hook that reads a str as a value of the type, and hands anything else to the spec's own hook."""
    if info.kind in _OWN_TEXT:
        return spec[2] or HOOKS[info.kind]
    if info.kind == const.KIND_CALL and spec[2] is not None:
        return spec[2]  # which takes the text form too
    read, hook = _text_reader(info, zone), spec[2]
    made_of_others = bool(info.children)  # what is read may be a named tuple, which only the hook takes apart

    def text_or_value(value: Any) -> Any:
        if isinstance(value, str):
            value = read(value)
            if not made_of_others:
                return value
        return value if hook is None else hook(value)

    return text_or_value


@dataclass(frozen=True, slots=True)
class Route:
    """How one column goes: the spec of its target, and whether the kernels read its memory."""

    spec: Spec
    native: bool


def route(field: ArrowField, info: TypeInfo, spec: Spec, zone: tzinfo | None = None) -> Route:
    """How the Arrow field goes to a target column of this type, with this encode spec.

    Raises NotSupportedError where the Arrow type has no PostgreSQL counterpart, DataError where it does not fit this
    one.
    """
    kind, oid, _call, children = spec
    source = arrow_type(field)
    if not _storable(field, source, info):
        raise DataError(
            f"column {field.name}: the Arrow type {type_name(field)} does not fit {info.sql}; {_advice(source, kind)}"
        )
    if source.family is Family.STRING:
        target: Spec = (kind, oid, text_hook(info, spec, zone), children)
        return Route(target, (source.layout, kind) in const.COLUMN_PAIRS and kind != const.KIND_BYTES)
    if kind == const.KIND_ARRAY and source.family is Family.LIST and _innermost(field).family is Family.STRING:
        element = children[0]
        read = text_hook(info.children[0], element, zone)
        return Route((kind, oid, spec[2], ((element[0], element[1], read, element[3]),)), False)
    if source.name == "float32" and kind == const.KIND_NUMERIC:
        return Route((kind, oid, float32_numeric, ()), False)
    if source.layout == const.LAYOUT_NULL:
        return Route(spec, field.dictionary is None)
    native = (source.layout, kind) in const.COLUMN_PAIRS
    if source.layout == const.LAYOUT_FIXED and kind == const.KIND_UUID:
        native = source.width == 16
    return Route(spec, native)


def _innermost(field: ArrowField) -> ArrowType:
    """The type of the elements of lists of lists."""
    while (source := arrow_type(field)).family is Family.LIST:
        field = field.children[0]
    return source


def _storable(field: ArrowField, source: ArrowType, info: TypeInfo) -> bool:
    if source.family in (Family.NULL, Family.STRING) or info.kind == const.KIND_CALL:
        return True
    if info.kind not in STORABLE[source.family]:
        return False
    if source.family is Family.STRUCT:
        return info.kind in _JSON or _fields_storable(field, info)
    return source.family is not Family.LIST or _list_storable(field.children[0], info)


def _list_storable(child: ArrowField, info: TypeInfo) -> bool:
    """Whether the innermost elements of lists fit the elements of the array; JSON takes lists of what JSON can say.

    Where the elements are arrays themselves (a domain's), a list is one of them.
    """
    json = info.kind in _JSON
    while arrow_type(child).family is Family.LIST and (json or info.children[0].kind not in OPAQUE):
        child = child.children[0]
    source = arrow_type(child)
    return source.family in _JSON_FAMILIES if json else _storable(child, source, info.children[0])


def _fields_storable(field: ArrowField, info: TypeInfo) -> bool:
    """Whether the struct's fields are the attributes of the composite, by name, and each fits."""
    attributes = dict(zip(info.names, info.children, strict=True))
    return {child.name for child in field.children} == set(attributes) and all(
        _storable(child, arrow_type(child), attributes[child.name]) for child in field.children
    )


def _advice(source: ArrowType, kind: int) -> str:
    if source.family is Family.TIMESTAMP and kind == const.KIND_TIMESTAMPTZ:
        return "say which time zone it is in first"
    if source.family is Family.TIMESTAMPTZ and kind == const.KIND_TIMESTAMP:
        return "convert it to local time without zone first"
    if source.family is Family.STRUCT and kind == const.KIND_COMPOSITE:
        return "its fields must have the names of the attributes, and types that fit them"
    return "cast it in the source"


def source_column(view: ArrayView, route: Route, start: int, stop: int) -> SourceColumn:
    """Rows start:stop of the array as a source column whose first row is row 0."""
    if route.native:
        return _native(view, route.spec, start, stop)
    return (const.LAYOUT_OBJECT, route.spec, stop - start, 0, None, objects(view, start, stop), None, 0, (), None)


def _native(view: ArrayView, spec: Spec, start: int, stop: int) -> SourceColumn:
    length, offset = stop - start, view.offset + start
    validity = view.validity()
    if view.dictionary is not None:
        layout = _INDEX_LAYOUTS.get(view.field.format)
        if layout is None:
            raise DataError(f"column {view.field.name}: the indices of the Arrow dictionary are not integers")
        width = (1, 1, 2, 2, 4, 4, 8, 8)["cCsSiIlL".index(view.field.format)]
        inner = _native(view.dictionary, spec, 0, view.dictionary.length)
        return (layout, spec, length, offset, validity, view.buffer(1, view.stop * width), None, 0, (), inner)
    kind = view.type
    layout = kind.layout
    values: memoryview | None = None
    offsets: memoryview | None = None
    variadic: tuple[memoryview, ...] = ()
    if layout == const.LAYOUT_BOOL_BITS:
        values = view.buffer(1, (view.stop + 7) // 8)
    elif layout in (const.LAYOUT_VAR32, const.LAYOUT_VAR64):
        values, offsets = view.data_spans(layout)
    elif layout == const.LAYOUT_VIEW:
        offsets, variadic = view.buffer(1, 16 * view.stop), view.variadic()
    elif layout != const.LAYOUT_NULL:
        values = view.buffer(1, view.stop * kind.width)
    return (layout, spec, length, offset, validity, values, offsets, kind.scale, variadic, None)
