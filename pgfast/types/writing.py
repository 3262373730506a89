"""TypeInfo -> how values are written: specs for the binary wire, renderers for the text form.

Law of this file: both ways take the same Python values and refuse the same ones. A container is written in binary only
where all it is made of is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Final

from .. import const
from .arrays import render_array
from .catalogue import CONTAINERS, PG_CATALOG, TypeInfo
from .coerce import HOOKS, Hook, Json, to_str
from .intervals import parse_fields
from .policies import DATE_KINDS, TIME_KINDS, Policies, takes_text
from .reading import Rules, check_class, form_of, parts_of, text_parser
from .registration import Registration
from .render import render
from .structures import composite_hook, enum_hook, nests_in, to_label, to_list, to_multirange, to_range
from .text import PARSERS, any_date, any_time
from .textranges import render_multirange, render_range
from .textrecords import render_record

if TYPE_CHECKING:
    from ..codec import Plan, Spec

Renderer = Callable[[Any], "str | None"]

_JSON: Final = frozenset((const.KIND_JSON, const.KIND_JSONB))
_ZONED: Final = frozenset((const.KIND_TIMESTAMPTZ, const.KIND_TIMETZ))
_ZONELESS: Final = frozenset((const.KIND_TIMESTAMP, const.KIND_TIME))
#: Kinds whose hooks know what to make of a str.
_OWN_TEXT: Final = frozenset((const.KIND_STR, const.KIND_CHAR, const.KIND_ENUM, const.KIND_CALL, *_JSON))
_STRUCTURED: Final = frozenset((const.KIND_COMPOSITE, const.KIND_RANGE, const.KIND_MULTIRANGE))
_CONTAINER_HOOKS: Final[dict[int, Hook]] = {
    const.KIND_ARRAY: to_list,
    const.KIND_VECTOR: to_list,
    const.KIND_RANGE: to_range,
    const.KIND_MULTIRANGE: to_multirange,
}


#: The text itself.
_AS_IT_IS: Final = Registration(decode=str)


class _Given:
    """The rules by which the text form of a composite, range or array is taken apart that a program gives for a value.

    Nothing is registered. JSON, and whatever is read from text by its own hook, stays the text it is.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def decoding(self, info: TypeInfo) -> Registration | None:
        own = info.kind in _JSON or (info.kind not in CONTAINERS and takes_text(self.policies, info.kind))
        return _AS_IT_IS if own else None

    def encoding(self, info: TypeInfo) -> Registration | None:
        return None

    def record_plan(self, oids: Sequence[int]) -> Plan:
        raise ValueError("an anonymous record cannot be written")


def writes_binary(info: TypeInfo, rules: Rules) -> bool:
    """Whether values of this type are sent in binary."""
    registered = rules.encoding(info)
    if registered is not None and registered.cls is None:
        return not registered.text
    if info.kind in (const.KIND_VECTOR, const.KIND_RECORD):
        return False  # the server reads no empty vector and no anonymous record in binary
    parts = parts_of(info)
    return all(writes_binary(part, rules) for part in parts) if parts else info.binary_in


def json_writer(rules: Rules) -> Hook:
    """The hook that writes JSON: a str or bytes is JSON text already; `Json` wraps a str to be written."""
    dumps = rules.policies.json_dumps
    if dumps is None:
        return HOOKS[const.KIND_JSON]

    def to_json(value: Any) -> str | bytes:
        if isinstance(value, Json):
            return (value.dumps or dumps)(value.value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        return dumps(value)

    return to_json


def hook_of(info: TypeInfo, registered: Registration | None, rules: Rules) -> Hook | None:
    """The hook for values that the kernel of a type does not take by itself, their text form among them where the
    type or the policies allow it."""
    hook, read = value_hook(info, registered, rules), _text_hook(info, rules)
    if hook is None or read is None:
        return hook
    if info.kind == const.KIND_COMPOSITE:
        return lambda value: tuple(read(str.__str__(value))) if isinstance(value, str) else hook(value)
    return lambda value: read(str.__str__(value)) if isinstance(value, str) else hook(value)


def _text_hook(info: TypeInfo, rules: Rules) -> Callable[[str], Any] | None:
    """The function from the text form to what the kernel takes, None where text is the value's own business.

    Composites and ranges take their text always, all else by policy. Of dates and times it gives the raw number, so
    that those go back which Python cannot hold.
    """
    kind = info.kind
    if kind in CONTAINERS:
        read = kind in _STRUCTURED or takes_text(rules.policies, kind)
        return text_parser(info, _Given(rules.policies)) if read else None
    if kind in _OWN_TEXT or not takes_text(rules.policies, kind):
        return None
    if kind in DATE_KINDS:
        return any_date(kind, _raw)
    if kind in TIME_KINDS:
        return any_time(kind, _raw)
    return parse_fields if kind == const.KIND_INTERVAL else PARSERS.get(kind)


def _raw(number: Any) -> Any:
    return number


def value_hook(info: TypeInfo, registered: Registration | None, rules: Rules) -> Hook | None:
    """The hook for values that are not text."""
    kind = info.kind
    if registered is not None and registered.cls is not None:
        check_class(info, registered)
        cls: Any = registered.cls
        return enum_hook(info, cls) if registered.labels else composite_hook(info)
    if kind == const.KIND_COMPOSITE:
        return composite_hook(info)
    if kind == const.KIND_ENUM:
        return to_label
    if kind in _JSON:
        return json_writer(rules)
    return _CONTAINER_HOOKS.get(kind) or HOOKS.get(kind)


def encode_spec(info: TypeInfo, rules: Rules, oid: int = 0) -> Spec:
    """How values are written in binary; only where `writes_binary` holds."""
    registered = rules.encoding(info)
    if registered is not None and registered.cls is None:
        return (const.KIND_CALL, oid, registered.encode, ())
    if info.kind == const.KIND_CALL:
        form = form_of(info, rules)
        return (const.KIND_CALL, oid, None if form is None else form.encode, ())
    parts = tuple([encode_spec(part, rules, part.oid) for part in parts_of(info)])
    if info.kind == const.KIND_MULTIRANGE:
        parts = ((const.KIND_RANGE, info.children[0].oid, to_range, parts),)
    return (info.kind, oid, hook_of(info, registered, rules), parts)


def renderer(info: TypeInfo, rules: Rules) -> Renderer:
    """The function from a value that is not None to its text form, None for NULL."""
    registered = rules.encoding(info)
    if registered is not None and registered.cls is None:
        encode = registered.encode
        return encode if registered.text and encode is not None else _only_binary(info)
    kind = info.kind
    if kind in (const.KIND_CALL, const.KIND_TEXT_CALL):
        form = form_of(info, rules)
        if form is None:
            return to_str
        return _object_name if info.schema == PG_CATALOG and info.name.startswith("reg") else form.render
    hook = value_hook(info, registered, rules)
    parts = parts_of(info)
    if parts or kind == const.KIND_COMPOSITE:
        write = _container_renderer(info, hook, [renderer(part, rules) for part in parts])
    else:
        write = _scalar_renderer(kind, hook)
    return _or_text(write) if kind in _STRUCTURED or takes_text(rules.policies, kind) else write


def _container_renderer(info: TypeInfo, hook: Hook | None, parts: list[Renderer]) -> Renderer:
    kind = info.kind
    assert hook is not None, "every container has one"
    if kind == const.KIND_ARRAY:
        element = info.children[0]
        nests = nests_in(element)
        return lambda value: render_array(hook(value), parts[0], element.delimiter, nests)
    if kind == const.KIND_VECTOR:
        return lambda value: " ".join([_number(one, parts[0]) for one in hook(value)])
    if kind == const.KIND_RANGE:
        return lambda value: render_range(hook(value), parts[0])
    if kind == const.KIND_MULTIRANGE:
        return lambda value: render_multirange(hook(value), parts[0])
    return lambda value: render_record(hook(value), parts)


def _or_text(write: Renderer) -> Renderer:
    """As it writes, but a str is the text form already, and the server's to read."""
    return lambda value: str.__str__(value) if isinstance(value, str) else write(value)


def _number(value: Any, write: Renderer) -> str:
    text = None if value is None else write(value)
    if text is None:
        raise ValueError("a vector cannot hold NULL")
    return text


def _scalar_renderer(kind: int, hook: Hook | None) -> Renderer:
    if hook is None:
        return render

    def write(value: Any) -> str | None:
        made = _zoned(kind, hook(value))
        if made is None:
            return None
        return made.decode() if kind in _JSON and isinstance(made, bytes) else render(made)

    return write


def _zoned(kind: int, value: Any) -> Any:
    """The value, refused where the type has a time zone and it has none, or the other way round."""
    if not isinstance(value, (datetime, time)) or kind not in _ZONED | _ZONELESS:
        return value
    if (value.utcoffset() is not None) != (kind in _ZONED):
        raise ValueError("types with time zone need a value with tzinfo and an offset, types without need one without")
    return value


def _object_name(value: Any) -> str:
    """The name of a table, function, role..., or its OID, which the server takes as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    return to_str(value)


def _only_binary(info: TypeInfo) -> Renderer:
    def refuse(value: Any) -> str:
        raise TypeError(f"{info.sql} is registered with format='binary', and here it has to be written as text")

    return refuse
