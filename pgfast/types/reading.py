"""TypeInfo -> how values are read: specs for the binary wire, parsers for the text form.

Law of this file: both ways give equal values of the same Python types. A container is read in binary only where all
it is made of is; what is registered for text, and what has no binary form, takes its containers with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from .. import const
from ..codec import Plan
from ..errors import ProgrammingError
from ..kernels.decode_py import OPAQUE
from .arrays import parse_array
from .catalogue import TypeInfo
from .forms import Form
from .intervals import parse_fields
from .policies import AUTO, DATE_KINDS, TIME_KINDS, Policies, beyond_python
from .registration import Registration
from .structures import composite_maker, enum_reader, tuple_maker
from .text import PARSERS, any_date, any_time, parse_json
from .textranges import parse_multirange, parse_range
from .textrecords import parse_record, split_record

if TYPE_CHECKING:
    from ..codec import Spec

Parser = Callable[[str], Any]

_JSON: Final = frozenset((const.KIND_JSON, const.KIND_JSONB))
#: Kinds whose text form is the value.
_TEXT: Final = frozenset((const.KIND_STR, const.KIND_CHAR, const.KIND_ENUM, const.KIND_TEXT_CALL))


class Rules(Protocol):
    """What reading and writing ask of the registry."""

    @property
    def policies(self) -> Policies: ...
    def decoding(self, info: TypeInfo) -> Registration | None: ...
    def encoding(self, info: TypeInfo) -> Registration | None: ...
    def record_plan(self, oids: Sequence[int]) -> Plan: ...


def form_of(info: TypeInfo, rules: Rules) -> Form | None:
    """The form of a type by the policies for it."""
    if info.maker is None:
        return info.form
    policies = rules.policies
    choice = policies.geometry if info.name in ("geometry", "geography") else policies.vectors
    return info.maker(None if choice == AUTO else choice)


def check_class(info: TypeInfo, registered: Registration) -> None:
    """Raise ProgrammingError for a class that is registered for a type of another sort."""
    wanted = const.KIND_ENUM if registered.labels else const.KIND_COMPOSITE
    if info.kind != wanted:
        function, sort = ("register_enum", "an enum") if registered.labels else ("register_composite", "a composite")
        raise ProgrammingError(f"{function}: {info.sql} is not {sort} type")


def reads_binary(info: TypeInfo, rules: Rules) -> bool:
    """Whether values of this type are asked for in binary."""
    registered = rules.decoding(info)
    if registered is not None and registered.cls is None:
        return not registered.text
    parts = parts_of(info)
    return all(reads_binary(part, rules) for part in parts) if parts else info.binary_out


def parts_of(info: TypeInfo) -> tuple[TypeInfo, ...]:
    """What a type is made of; of a multirange it is the bound, because its ranges have no form of their own."""
    return info.children[0].children if info.kind == const.KIND_MULTIRANGE else info.children


def json_reader(rules: Rules) -> Parser:
    """The function that reads JSON."""
    return rules.policies.json_loads or parse_json


def decode_spec(info: TypeInfo, rules: Rules, oid: int = 0) -> Spec:
    """How the binary form of a type is read; only where `reads_binary` holds."""
    registered, kind = rules.decoding(info), info.kind
    call: Callable[[Any], Any] | None = None
    if registered is not None and registered.cls is None:
        return (const.KIND_CALL, oid, registered.decode, ())
    if registered is not None and registered.cls is not None:
        check_class(info, registered)
        call = _class_call(info, registered)
    elif kind in _JSON:
        call = json_reader(rules)
    elif kind == const.KIND_CALL:
        form = form_of(info, rules)
        call = None if form is None else form.decode
    elif kind == const.KIND_RECORD:
        call = rules.record_plan
    elif kind == const.KIND_COMPOSITE:
        call = tuple_maker(info)
    elif kind in DATE_KINDS or kind in TIME_KINDS or kind == const.KIND_INTERVAL:
        call = beyond_python(rules.policies, kind)
    parts = tuple([decode_spec(part, rules, part.oid) for part in parts_of(info)])
    if kind == const.KIND_MULTIRANGE:
        parts = ((const.KIND_RANGE, info.children[0].oid, None, parts),)
    return (kind, oid, call, parts)


def _class_call(info: TypeInfo, registered: Registration) -> Callable[[Any], Any]:
    cls: Any = registered.cls
    return enum_reader(info, cls) if registered.labels else composite_maker(info, cls)


def text_parser(info: TypeInfo, rules: Rules) -> Parser | None:
    """The function that reads the text form of a type, None where the text is the value."""
    registered = rules.decoding(info)
    if registered is not None and registered.cls is None:
        return registered.decode if registered.text else _only_binary(info)
    if registered is not None:
        check_class(info, registered)
    kind = info.kind
    if kind in _TEXT:
        if registered is not None:
            return _class_call(info, registered)
        return None if info.form is None else info.form.parse
    if kind in _JSON:
        return json_reader(rules)
    if kind == const.KIND_CALL:
        form = form_of(info, rules)
        return None if form is None else form.parse
    if kind in DATE_KINDS:
        return any_date(kind, beyond_python(rules.policies, kind))
    if kind in TIME_KINDS:
        return any_time(kind, beyond_python(rules.policies, kind))
    if kind == const.KIND_INTERVAL:
        return _interval_parser(beyond_python(rules.policies, kind))
    return _container_parser(info, registered, rules) or PARSERS[kind]


def _container_parser(info: TypeInfo, registered: Registration | None, rules: Rules) -> Parser | None:
    """The parser of a type made of others, None for one that is not."""
    kind, parts = info.kind, [text_parser(part, rules) or _same for part in parts_of(info)]
    if kind == const.KIND_ARRAY:
        element = info.children[0]
        return lambda text: parse_array(text, parts[0], element.delimiter, element.kind in OPAQUE)
    if kind == const.KIND_VECTOR:
        return lambda text: [parts[0](word) for word in text.split()]
    if kind == const.KIND_RANGE:
        return lambda text: parse_range(text, parts[0])
    if kind == const.KIND_MULTIRANGE:
        return lambda text: parse_multirange(text, parts[0])
    if kind == const.KIND_RECORD:
        return lambda text: tuple(split_record(text))
    if kind != const.KIND_COMPOSITE:
        return None
    make = tuple_maker(info) if registered is None else _class_call(info, registered)
    return lambda text: make(parse_record(text, parts))


def _interval_parser(call: Callable[[Any], Any] | None) -> Parser:
    parse = PARSERS[const.KIND_INTERVAL]
    if call is None:
        return parse

    def parse_called(text: str) -> Any:
        fields = parse_fields(text)
        return call((fields.months, fields.days, fields.microseconds))

    return parse_called


def _only_binary(info: TypeInfo) -> Parser:
    def refuse(text: str) -> Any:
        raise ValueError(
            f"{info.sql} is registered with format='binary', and this result came in text; "
            "execute the statement by itself, or register format='text'"
        )

    return refuse


def _same(text: str) -> str:
    return text
