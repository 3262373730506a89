"""OIDs -> codec plans, decided once and kept.

Law of this file: the one place where a type's OID becomes a spec. A type the driver does not know is text in both
directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .. import const
from ..codec import Plan
from .catalogue import BY_ARRAY_OID, BY_OID
from .coerce import HOOKS, text_parameter
from .render import render_any
from .text import PARSERS, array_parser

if TYPE_CHECKING:
    from ..codec import Spec

_Key = TypeVar("_Key")

#: Plans kept of each sort; a program has as many as it has statements. When full, the oldest goes.
_KEPT: Final = 1024
_TEXT_KINDS: Final = frozenset((const.KIND_STR, const.KIND_CHAR, const.KIND_JSON, const.KIND_JSONB))


class ResultField(Protocol):
    """What a plan needs of a RowDescription field; `format` is a format code."""

    @property
    def type_oid(self) -> int: ...
    @property
    def format(self) -> int: ...


class Registry:
    """What a session knows about types: plans for parameters and for results, each made once for its OIDs."""

    __slots__ = ("_encode_plans", "_row_plans")

    def __init__(self) -> None:
        self._encode_plans: dict[tuple[int, ...], Plan] = {}
        self._row_plans: dict[tuple[tuple[int, int], ...], Plan] = {}

    def knows(self, oid: int) -> bool:
        """Whether values of this type travel in binary."""
        return oid in BY_OID or oid in BY_ARRAY_OID or oid == const.OID_UNKNOWN

    def result_formats(self, oids: Sequence[int]) -> bytes:
        """The result format codes of a Bind, int16 each: binary for known types, text for others."""
        return pack(f">{len(oids)}h", *[const.BINARY if self.knows(oid) else const.TEXT for oid in oids])

    def encode_plan(self, oids: Sequence[int]) -> Plan:
        """The plan of a statement's parameters; those of unknown types are sent as the text `types.render` writes."""
        key = tuple(oids)
        return _kept(self._encode_plans, key, lambda: Plan([parameter_spec(oid, i + 1) for i, oid in enumerate(key)]))

    def row_plan(self, fields: Sequence[ResultField]) -> Plan:
        """The plan of a result's rows, each field in the format its description says."""
        key = tuple([(field.type_oid, field.format) for field in fields])
        return _kept(self._row_plans, key, lambda: Plan([decode_spec(oid, code) for oid, code in key]))


def _kept(plans: dict[_Key, Plan], key: _Key, make: Callable[[], Plan]) -> Plan:
    plan = plans.get(key)
    if plan is None:
        if len(plans) >= _KEPT:
            del plans[next(iter(plans))]
        plan = plans[key] = make()
    return plan


def encode_spec(oid: int) -> Spec | None:
    """How a value is written in binary for this type, None where the driver does not know the type."""
    if oid == const.OID_UNKNOWN:
        return (const.KIND_STR, 0, 0, HOOKS[const.KIND_STR])
    if info := BY_OID.get(oid):
        return (info.kind, 0, 0, HOOKS[info.kind])
    if info := BY_ARRAY_OID.get(oid):
        return (const.KIND_ARRAY, info.kind, info.oid, HOOKS[info.kind])
    return None


def parameter_spec(oid: int, number: int) -> Spec:
    """How the value of `$number` is written.

    As `encode_spec`, with the cast to write in the error where the server took it for text.
    """
    if oid in (const.OID_TEXT, const.OID_UNKNOWN):
        return (const.KIND_STR, 0, 0, text_parameter(number))
    return encode_spec(oid) or (const.KIND_TEXT_CALL, 0, 0, render_any)


def decode_spec(oid: int, format_code: int) -> Spec:
    """How a field of this type and format code is read."""
    if oid == const.OID_UNKNOWN:
        return (const.KIND_STR, 0, 0, None)
    info, array = BY_OID.get(oid), BY_ARRAY_OID.get(oid)
    if format_code == const.BINARY:
        if info:
            return (info.kind, 0, 0, _json_call(info.kind))
        if array:
            return (const.KIND_ARRAY, array.kind, array.oid, _json_call(array.kind))
        return (const.KIND_CALL, 0, 0, None)  # a binary cursor over a type the driver does not know: its bytes
    if info:
        call = None if info.kind in _TEXT_KINDS and not _json_call(info.kind) else PARSERS[info.kind]
        return (const.KIND_TEXT_CALL, 0, 0, call)
    if array:
        return (const.KIND_TEXT_CALL, 0, 0, array_parser(array.kind))
    return (const.KIND_TEXT_CALL, 0, 0, None)


def _json_call(kind: int) -> Callable[[str], Any] | None:
    return PARSERS[kind] if kind in (const.KIND_JSON, const.KIND_JSONB) else None
