"""Arrow arrays -> source columns of `encode_copy_columns`.

Law of this file: decides once per column whether the kernels read the memory as it lies or Python reads it value by
value, and says before the first row when a type can go to no such column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from .. import const
from ..errors import DataError
from ..kernels.decode_py import OPAQUE
from ..types.catalogue import TypeInfo
from ..types.coerce import HOOKS, Hook
from ..types.text import parse_timestamptz
from .incoming import ArrayView
from .objects import objects
from .schema import STORABLE, ArrowField, ArrowType, Family, arrow_type, type_name

if TYPE_CHECKING:
    from ..codec import SourceColumn, Spec

_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)
_JSON_FAMILIES: Final = (Family.NULL, Family.BOOL, Family.INTEGER, Family.FLOAT, Family.STRING, Family.STRUCT)
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


def _in_zone(hook: Hook | None, zone: tzinfo) -> Hook:
    """The hook, which reads timestamps that name no time zone in this one."""

    def text_or_value(value: Any) -> Any:
        if isinstance(value, str):
            try:
                return parse_timestamptz(value, zone)
            except ValueError:
                if hook is None:
                    raise
        return value if hook is None else hook(value)

    return text_or_value


def _with_zone(spec: Spec, zone: tzinfo | None) -> Spec:
    """The spec, in which the timestamps with time zone take text without."""
    kind, oid, call, children = spec
    if zone is None:
        return spec
    if kind == const.KIND_TIMESTAMPTZ:
        call = _in_zone(call, zone)
    return kind, oid, call, tuple([_with_zone(child, zone) for child in children])


@dataclass(frozen=True, slots=True)
class Route:
    """How one column goes: the spec of its target, and whether the kernels read its memory."""

    spec: Spec
    native: bool


def route(field: ArrowField, info: TypeInfo, spec: Spec, zone: tzinfo | None = None) -> Route:
    """How the Arrow field goes to a target column of this type.

    `spec` is the encode spec of rules that take text for values of any type: what Arrow has as strings, and the dates
    that Python cannot hold, come as text. Raises NotSupportedError where the Arrow type has no PostgreSQL
    counterpart, DataError where it does not fit this one.
    """
    kind, oid, _call, _children = spec
    source = arrow_type(field)
    if not _storable(field, source, info):
        raise DataError(
            f"column {field.name}: the Arrow type {type_name(field)} does not fit {info.sql}; {_advice(source, kind)}"
        )
    if source.name == "float32" and kind == const.KIND_NUMERIC:
        return Route((kind, oid, float32_numeric, ()), False)
    native = (source.layout, kind) in const.COLUMN_PAIRS
    if source.layout == const.LAYOUT_NULL:
        native = field.dictionary is None
    elif source.layout == const.LAYOUT_FIXED and kind == const.KIND_UUID:
        native = source.width == 16
    elif source.family is Family.STRING and kind == const.KIND_BYTES:
        native = False  # it is the text form of bytea
    return Route(_with_zone(spec, zone), native)


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
