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
from ..types.arrays import parse_array
from ..types.catalogue import KIND_NAMES
from ..types.coerce import HOOKS, to_json
from ..types.intervals import parse_fields
from ..types.text import PARSERS, parse_timestamptz
from .incoming import ArrayView
from .objects import objects
from .schema import STORABLE, ArrowField, ArrowType, Family, arrow_type, type_name

if TYPE_CHECKING:
    from ..codec import SourceColumn, Spec

_JSON: Final = (const.KIND_JSON, const.KIND_JSONB)
#: Kinds whose text form is taken as it is.
_OWN_TEXT: Final = (const.KIND_STR, const.KIND_CHAR, *_JSON)
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


class ArrayText:
    """An array in text form.

    The codec asks for its list only when it comes to it, so that a fault names the right row.
    """

    __slots__ = ("_parse", "_text")

    def __init__(self, text: str, parse: Callable[[str], Any]) -> None:
        self._text = text
        self._parse = parse

    def tolist(self) -> list[Any]:
        """The nested lists the text stands for.

        Bounds are refused: the binary form that is made of the lists has none, and they would be lost.
        """
        if self._text.lstrip().startswith("["):
            raise ValueError("an array with bounds would lose them; write it without")
        return parse_array(self._text, self._parse)

    def __repr__(self) -> str:
        return repr(self._text)


def float32_numeric(value: Any) -> Any:
    """The Decimal of the shortest digits that are this single-precision float and no other."""
    if not isinstance(value, float) or value != value or value in (float("inf"), float("-inf")):
        return HOOKS[const.KIND_NUMERIC](value)
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if _F32.unpack(_F32.pack(float(text)))[0] == value:
            break
    return Decimal(text)


def text_hook(kind: int, zone: tzinfo | None) -> Callable[[Any], Any]:
    """The hook that reads text as a value of `kind`; timestamps with time zone that name none are read in `zone`."""
    if kind in _JSON:
        return to_json
    if kind in _OWN_TEXT:
        return HOOKS[kind]
    parse = PARSERS[kind]
    if kind == const.KIND_TIMESTAMPTZ:
        parse = partial(parse_timestamptz, zone=zone)
    elif kind == const.KIND_INTERVAL:
        parse = parse_fields

    def hook(value: Any) -> Any:
        return parse(value) if isinstance(value, str) else HOOKS[kind](value)

    return hook


@dataclass(frozen=True, slots=True)
class Route:
    """How one column goes: the spec of its target, and whether the kernels read its memory."""

    spec: Spec
    native: bool
    array_element: Callable[[str], Any] | None = None  # the target is an array and the source its text form


def route(field: ArrowField, spec: Spec, zone: tzinfo | None = None) -> Route:
    """How the Arrow field goes to a target column with this encode spec.

    Raises NotSupportedError where the type has no PostgreSQL counterpart, DataError where it does not fit this one.
    """
    kind, element, oid, _call = spec
    source = arrow_type(field)
    if source.family is Family.STRING and kind == const.KIND_ARRAY:
        call = text_hook(element, zone)
        parse = (lambda text: text) if element in _OWN_TEXT else call
        return Route((kind, element, oid, call), False, parse)
    if not _storable(field, source, spec):
        raise DataError(
            f"column {field.name}: the Arrow type {type_name(field)} does not fit {_target_name(spec)}; "
            f"{_advice(source, kind)}"
        )
    if source.family is Family.STRING:
        target = (kind, 0, 0, text_hook(kind, zone))
        return Route(target, (source.layout, kind) in const.COLUMN_PAIRS and kind != const.KIND_BYTES)
    if kind == const.KIND_ARRAY and field.children and arrow_type(field.children[0]).family is Family.STRING:
        return Route((kind, element, oid, text_hook(element, zone)), False)
    if source.name == "float32" and kind == const.KIND_NUMERIC:
        return Route((kind, 0, 0, float32_numeric), False)
    if source.layout == const.LAYOUT_NULL:
        return Route(spec, field.dictionary is None)
    native = (source.layout, kind) in const.COLUMN_PAIRS
    if source.layout == const.LAYOUT_FIXED and kind == const.KIND_UUID:
        native = source.width == 16
    return Route(spec, native)


def _storable(field: ArrowField, source: ArrowType, spec: Spec) -> bool:
    if source.family in (Family.NULL, Family.STRING):
        return True
    if spec[0] not in STORABLE[source.family]:
        return False
    if source.family is Family.LIST:
        return _list_storable(field.children[0], spec)
    return True


def _list_storable(child: ArrowField, spec: Spec) -> bool:
    """Whether the innermost elements of lists fit the elements of the array; JSON takes lists of what JSON can say."""
    kind, element, _oid, _call = spec
    while (source := arrow_type(child)).family is Family.LIST:
        child = child.children[0]
    if kind in _JSON:
        return source.family in (Family.NULL, Family.BOOL, Family.INTEGER, Family.FLOAT, Family.STRING)
    return source.family in (Family.NULL, Family.STRING) or element in STORABLE[source.family]


def _target_name(spec: Spec) -> str:
    kind, element, _oid, _call = spec
    return f"{KIND_NAMES[element]}[]" if kind == const.KIND_ARRAY else KIND_NAMES[kind]


def _advice(source: ArrowType, kind: int) -> str:
    if source.family is Family.TIMESTAMP and kind == const.KIND_TIMESTAMPTZ:
        return "say which time zone it is in first"
    if source.family is Family.TIMESTAMPTZ and kind == const.KIND_TIMESTAMP:
        return "convert it to local time without zone first"
    return "cast it in the source"


def source_column(view: ArrayView, route: Route, start: int, stop: int) -> SourceColumn:
    """Rows start:stop of the array as a source column whose first row is row 0."""
    if route.native:
        return _native(view, route.spec, start, stop)
    values = objects(view, start, stop)
    if route.array_element is not None:
        parse = route.array_element
        values = [None if value is None else ArrayText(value, parse) for value in values]
    return (const.LAYOUT_OBJECT, route.spec, stop - start, 0, None, values, None, 0, (), None)


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
