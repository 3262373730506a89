"""Arrow schemas: what a format string says about the memory of a column.

Law of this file: one table from format to layout. What a type is called in an error, and which PostgreSQL kinds it
may go to, stand here too.

Source: Arrow, "The Arrow C data interface", data type description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from .. import const
from ..errors import InterfaceError, NotSupportedError
from .cdata import ArrowSchema, Owned, memory, pointers

_NESTING: Final = 64


class Family(Enum):
    """Arrow types that go to the same PostgreSQL kinds."""

    NULL = "null"
    BOOL = "bool"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    STRING = "string"
    BINARY = "binary"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamp with time zone"
    INTERVAL = "interval"
    LIST = "list"
    STRUCT = "struct"


@dataclass(frozen=True, slots=True)
class ArrowType:
    """What a format string means.

    `layout` is const.LAYOUT_*, LAYOUT_OBJECT where values must be read one by one; `width` the bytes of one value, 0
    where values have no fixed width; `scale` as said at the layout; `name` the type as people write it.
    """

    name: str
    family: Family
    layout: int
    width: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class ArrowField:
    """One field of a schema; `format` is that of the indices where there is a `dictionary`."""

    name: str
    format: str
    nullable: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    children: tuple[ArrowField, ...] = ()
    dictionary: ArrowField | None = None


_SIMPLE: Final[Mapping[str, ArrowType]] = MappingProxyType(
    {
        "n": ArrowType("null", Family.NULL, const.LAYOUT_NULL),
        "b": ArrowType("bool", Family.BOOL, const.LAYOUT_BOOL_BITS),
        "c": ArrowType("int8", Family.INTEGER, const.LAYOUT_I8, 1),
        "C": ArrowType("uint8", Family.INTEGER, const.LAYOUT_U8, 1),
        "s": ArrowType("int16", Family.INTEGER, const.LAYOUT_I16, 2),
        "S": ArrowType("uint16", Family.INTEGER, const.LAYOUT_U16, 2),
        "i": ArrowType("int32", Family.INTEGER, const.LAYOUT_I32, 4),
        "I": ArrowType("uint32", Family.INTEGER, const.LAYOUT_U32, 4),
        "l": ArrowType("int64", Family.INTEGER, const.LAYOUT_I64, 8),
        "L": ArrowType("uint64", Family.INTEGER, const.LAYOUT_U64, 8),
        "e": ArrowType("float16", Family.FLOAT, const.LAYOUT_OBJECT, 2),
        "f": ArrowType("float32", Family.FLOAT, const.LAYOUT_F32, 4),
        "g": ArrowType("float64", Family.FLOAT, const.LAYOUT_F64, 8),
        "u": ArrowType("string", Family.STRING, const.LAYOUT_VAR32),
        "U": ArrowType("large_string", Family.STRING, const.LAYOUT_VAR64),
        "vu": ArrowType("string_view", Family.STRING, const.LAYOUT_VIEW),
        "z": ArrowType("binary", Family.BINARY, const.LAYOUT_VAR32),
        "Z": ArrowType("large_binary", Family.BINARY, const.LAYOUT_VAR64),
        "vz": ArrowType("binary_view", Family.BINARY, const.LAYOUT_VIEW),
        "tdD": ArrowType("date32", Family.DATE, const.LAYOUT_DATE32, 4),
        "tdm": ArrowType("date64", Family.DATE, const.LAYOUT_DATE64, 8),
        "tts": ArrowType("time32[s]", Family.TIME, const.LAYOUT_TIME32, 4, 1),
        "ttm": ArrowType("time32[ms]", Family.TIME, const.LAYOUT_TIME32, 4, 1000),
        "ttu": ArrowType("time64[us]", Family.TIME, const.LAYOUT_TIME64, 8, 10**6),
        "ttn": ArrowType("time64[ns]", Family.TIME, const.LAYOUT_TIME64, 8, 10**9),
        "tDs": ArrowType("duration[s]", Family.INTERVAL, const.LAYOUT_DURATION, 8, 1),
        "tDm": ArrowType("duration[ms]", Family.INTERVAL, const.LAYOUT_DURATION, 8, 1000),
        "tDu": ArrowType("duration[us]", Family.INTERVAL, const.LAYOUT_DURATION, 8, 10**6),
        "tDn": ArrowType("duration[ns]", Family.INTERVAL, const.LAYOUT_DURATION, 8, 10**9),
        "tiM": ArrowType("month_interval", Family.INTERVAL, const.LAYOUT_OBJECT, 4),
        "tiD": ArrowType("day_time_interval", Family.INTERVAL, const.LAYOUT_OBJECT, 8),
        "tin": ArrowType("month_day_nano_interval", Family.INTERVAL, const.LAYOUT_MONTH_DAY_NANO, 16),
        "+l": ArrowType("list", Family.LIST, const.LAYOUT_OBJECT),
        "+L": ArrowType("large_list", Family.LIST, const.LAYOUT_OBJECT),
        "+s": ArrowType("struct", Family.STRUCT, const.LAYOUT_OBJECT),
    }
)

#: Types that have a format but no PostgreSQL counterpart here.
_FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    {"+m": "map", "+r": "run_end_encoded", "+vl": "list_view", "+vL": "large_list_view"}
)

_UNITS: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {"s": ("s", 1), "m": ("ms", 1000), "u": ("us", 10**6), "n": ("ns", 10**9)}
)

_NUMBERS: Final = frozenset(
    (
        const.KIND_INT2,
        const.KIND_INT4,
        const.KIND_INT8,
        const.KIND_OID,
        const.KIND_UINT8,
        const.KIND_FLOAT4,
        const.KIND_FLOAT8,
        const.KIND_NUMERIC,
    )
)
_JSON: Final = frozenset((const.KIND_JSON, const.KIND_JSONB))

#: The kinds a family may be stored in. A null column goes anywhere, a string anywhere its text is valid, a list where
#: its elements may, and anything to a type that is read and written by functions, which then judge each value.
STORABLE: Final[Mapping[Family, frozenset[int]]] = MappingProxyType(
    {
        Family.BOOL: frozenset((const.KIND_BOOL,)),
        Family.INTEGER: _NUMBERS,
        Family.FLOAT: _NUMBERS,
        Family.DECIMAL: _NUMBERS,
        Family.BINARY: frozenset((const.KIND_BYTES, const.KIND_STR, const.KIND_UUID)) | _JSON,
        Family.DATE: frozenset((const.KIND_DATE, const.KIND_TIMESTAMP)),
        Family.TIME: frozenset((const.KIND_TIME,)),
        Family.TIMESTAMP: frozenset((const.KIND_TIMESTAMP, const.KIND_DATE)),
        Family.TIMESTAMPTZ: frozenset((const.KIND_TIMESTAMPTZ,)),
        Family.INTERVAL: frozenset((const.KIND_INTERVAL,)),
        Family.LIST: frozenset((const.KIND_ARRAY,)) | _JSON,
        Family.STRUCT: frozenset((const.KIND_COMPOSITE,)) | _JSON,
    }
)


def arrow_type(field: ArrowField) -> ArrowType:
    """What the field's values are; for a dictionary-encoded field the type of its dictionary.

    Raises NotSupportedError, naming field and type, for a type without PostgreSQL counterpart.
    """
    if field.dictionary is not None:
        return arrow_type(field.dictionary)
    found = _SIMPLE.get(field.format) or _parametric(field.format)
    if found is None or (found.family is Family.LIST and len(field.children) != 1):
        raise NotSupportedError(
            f"column {field.name}: the Arrow type {type_name(field)} has no PostgreSQL counterpart; "
            "convert or drop the column"
        )
    return found


def _parametric(text: str) -> ArrowType | None:
    """The type of a format that carries parameters, None where it is not known or malformed."""
    head, _, rest = text.partition(":")
    try:
        if head == "w":
            return ArrowType(f"fixed_size_binary[{rest}]", Family.BINARY, const.LAYOUT_FIXED, int(rest), int(rest))
        if head == "+w":
            return ArrowType(f"fixed_size_list[{rest}]", Family.LIST, const.LAYOUT_OBJECT, 0, int(rest))
        if head == "d":
            return _decimal([int(part) for part in rest.split(",")])
    except ValueError:
        return None
    if len(head) == 3 and head[:2] == "ts" and head[2] in _UNITS:
        unit, scale = _UNITS[head[2]]
        family = Family.TIMESTAMPTZ if rest else Family.TIMESTAMP
        return ArrowType(f"timestamp[{unit}{', ' + rest if rest else ''}]", family, const.LAYOUT_TIMESTAMP, 8, scale)
    return None


def _decimal(parameters: list[int]) -> ArrowType | None:
    if len(parameters) not in (2, 3):
        return None
    precision, scale, bits = (*parameters, 128)[:3]
    if bits not in (32, 64, 128, 256):
        return None
    layout = const.LAYOUT_OBJECT
    if bits == 128 and 0 <= scale <= 38:
        layout = const.LAYOUT_DECIMAL128
    elif bits == 256 and 0 <= scale <= 76:
        layout = const.LAYOUT_DECIMAL256
    return ArrowType(f"decimal{bits}({precision}, {scale})", Family.DECIMAL, layout, bits // 8, scale)


def type_name(field: ArrowField) -> str:
    """The field's type as people write it, `list<int32>`; its format string where it is not known."""
    if field.dictionary is not None:
        return f"dictionary<{type_name(field.dictionary)}>"
    if found := _SIMPLE.get(field.format) or _parametric(field.format):
        return found.name + (
            f"<{type_name(field.children[0])}>" if found.family is Family.LIST and field.children else ""
        )
    if field.format.startswith("+u"):
        return "union"
    return _FOREIGN.get(field.format, f"with format {field.format!r}")


def read_schema(owned: Owned) -> ArrowField:
    """The schema as Python values; the struct is released."""
    try:
        return _read_field(owned.struct, 0)
    finally:
        owned.release()


def _read_field(struct: Any, depth: int) -> ArrowField:
    if depth > _NESTING:
        raise InterfaceError(f"the Arrow schema nests deeper than {_NESTING} levels")
    children = [ArrowSchema.from_address(address) for address in pointers(struct.children, struct.n_children)]
    dictionary = ArrowSchema.from_address(struct.dictionary) if struct.dictionary else None
    return ArrowField(
        (struct.name or b"").decode("utf-8", "replace"),
        (struct.format or b"").decode("utf-8", "replace"),
        bool(struct.flags & 2),
        _read_metadata(struct.metadata),
        tuple([_read_field(child, depth + 1) for child in children]),
        _read_field(dictionary, depth + 1) if dictionary is not None else None,
    )


def _read_metadata(address: int | None) -> dict[str, str]:
    """The key-value metadata.

    An int32 count, then for each an int32 length and the bytes of key and value, in native order.
    """
    if not address:
        return {}

    def number(at: int) -> int:
        return int(memory(at, 4, None).cast("i")[0])

    found, at = {}, address + 4
    for _ in range(number(address)):
        pair = []
        for _ in range(2):
            length = number(at)
            pair.append(bytes(memory(at + 4, length, None)).decode("utf-8", "replace"))
            at += 4 + length
        found[pair[0]] = pair[1]
    return found
