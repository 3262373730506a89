"""Specs of types, and bytes that stand for their values, by the fuzzer's choices.

What is made here is mostly what a server would send, because a length word that is wrong hides everything behind it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, TypeAlias

from pgfast import const
from pgfast.types.builtins import BY_OID
from pgfast.types.registry import PLAIN, Registry, Rules
from tests.codec import reference

from .choices import Choices

SpecTree: TypeAlias = "tuple[int, int, Any, tuple[SpecTree, ...]]"

#: The types of the registry, in an order that does not change from run to run.
OIDS: Final = sorted(BY_OID)
SCALARS: Final = (*range(const.KIND_CALL, const.KIND_ARRAY), const.KIND_ENUM, const.KIND_UINT8)
PARTS: Final = tuple([kind for kind in SCALARS if kind != const.KIND_TEXT_CALL])
CONTAINERS: Final = (
    *(const.KIND_ARRAY, const.KIND_VECTOR, const.KIND_COMPOSITE, const.KIND_RECORD),
    *(const.KIND_RANGE, const.KIND_MULTIRANGE),
)
BOUNDS: Final = (
    *(const.KIND_INT4, const.KIND_INT8, const.KIND_DATE, const.KIND_NUMERIC, const.KIND_STR, const.KIND_JSON),
)
_DEPTH: Final = 3
_LENGTHS: Final = (-(2**31), -2, -1, 0, 1, 4, 2**16, 2**31 - 1)


def scalar(kind: int) -> SpecTree:
    """The spec of a type without a call."""
    return kind, 0, None, ()


def refuse(value: Any) -> Any:
    """A call that takes most values and refuses some."""
    if value and value[0] in ("!", 33):
        raise ValueError("begins with an exclamation mark")
    return ("called", value)


def made_spec(c: Choices, depth: int = 0) -> SpecTree:
    """A tree of kinds."""
    oid = c.pick((0, 23, 25)) if depth else 0
    call = c.pick((None, None, None, refuse))
    if depth >= _DEPTH or c.number(1) < 160:
        return c.pick(PARTS if depth else SCALARS), oid, call, ()
    kind = c.pick(CONTAINERS)
    if kind == const.KIND_COMPOSITE:
        return kind, oid, call, tuple([made_spec(c, depth + 1) for _ in c.times(3)])
    if kind == const.KIND_RECORD:
        return kind, oid, None, ()
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        return kind, oid, call, (made_spec(c, depth + 1),)
    bound = scalar(c.pick(BOUNDS))
    if kind == const.KIND_RANGE:
        return kind, oid, call, (bound,)
    return kind, oid, call, ((const.KIND_RANGE, 0, None, (bound,)),)


def fields_plan(module: ModuleType) -> Any:
    """What a record asks for the plan of its fields."""

    def plan(oids: tuple[int, ...]) -> Any:
        kinds = {23: const.KIND_INT4, 25: const.KIND_STR}
        return module.Plan([scalar(kinds[oid]) for oid in oids])

    return plan


def with_records(spec: SpecTree, module: ModuleType) -> SpecTree:
    """The spec with the call that its records need, which is one codec's."""
    kind, oid, call, children = spec
    if kind == const.KIND_RECORD and call is None:
        call = fields_plan(module)
    return kind, oid, call, tuple([with_records(child, module) for child in children])


#: A column: a tree of kinds, or a type of the registry as (OID, format code).
Column: TypeAlias = "SpecTree | tuple[int, int]"


def made_columns(c: Choices, most: int) -> list[Column]:
    """The columns of a result."""
    return [(c.pick(OIDS), c.below(2)) if c.flag() else made_spec(c) for _ in c.times(most)]


#: What programs may have said about types: by it the same bytes are read otherwise.
POLICIES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"dates": "text", "times": "text", "intervals": "timedelta"},
    {"dates": "clamp", "times": "clamp", "intervals": "interval"},
)


@lru_cache(maxsize=16)
def rules_of(module: ModuleType, policies: int) -> Rules:
    """The rules of one of the policies, whose plans are the codec's that everything goes by at the moment."""
    registry = Registry()
    registry.configure(**POLICIES[policies])
    return registry.rules


def spec_of(column: Column, module: ModuleType, policies: int = 0) -> SpecTree:
    """How the column is read, by the codec that everything goes by at the moment."""
    if len(column) == 2:
        return rules_of(module, policies).decode_spec(*column)
    return with_records(column, module)


def field(c: Choices, spec: SpecTree, depth: int = 0) -> bytes | None:
    """The bytes of one value, None for NULL."""
    how = c.number(1)
    if how < 24:
        return None
    if how < 48:
        return c.blob()
    kind = spec[0]
    if kind in reference.FIXED:
        size = struct.calcsize(reference.FIXED[kind])
        return c.take(size).ljust(size, b"\0")
    if kind in CONTAINERS and depth <= _DEPTH + 1:
        made = container(c, spec, depth)
        return bent(c, made) if how >= 208 else made
    if kind == const.KIND_NUMERIC and how < 224:
        return numeric(c)
    if kind == const.KIND_JSONB:
        return b"\1" + c.blob()
    return c.blob()


def numeric(c: Choices) -> bytes:
    """A numeric, mostly in order."""
    groups = [c.number(2) % 10001 for _ in c.times(7)]
    sign = c.pick((0, 0, 0x4000, 0xC000, 0xD000, 0xF000, 1))
    weight, scale = c.number(1) - 100, c.number(2) & (0x3F if c.flag() else 0xFFFF)
    if c.rarely():
        weight *= 300
    head = struct.pack(">HhHH", len(groups), max(-32768, min(weight, 32767)), sign, scale)
    return head + b"".join([struct.pack(">H", group) for group in groups])


def container(c: Choices, spec: SpecTree, depth: int) -> bytes:
    """An array, a composite, a record, a range or a multirange."""
    kind, _oid, _call, children = spec
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        dims = [c.below(4) for _ in c.times(1 if kind == const.KIND_VECTOR else 3)]
        total = 1 if dims else 0
        for size in dims:
            total *= size
        elements = [field(c, children[0], depth + 1) for _ in range(min(total, 8))]
        bounds = [0 if kind == const.KIND_VECTOR else c.pick((1, 1, 1, 0, -7, 2**31 - 1)) for _ in dims]
        return reference.array(children[0][1] or 23, dims, elements, bounds)
    if kind == const.KIND_RANGE:
        return reference.range_of(c.below(33), field(c, children[0], depth + 1), field(c, children[0], depth + 1))
    if kind == const.KIND_MULTIRANGE:
        return reference.multirange([container(c, children[0], depth + 1) for _ in c.times(3)])
    if kind == const.KIND_RECORD:
        oids = [c.pick((23, 25, 26, 1700, 1007, 2249)) for _ in c.times(3)]
        return reference.composite([(oid, field(c, PLAIN.rules.decode_spec(oid, 1), depth + 1)) for oid in oids])
    return reference.composite([(child[1] or 23, field(c, child, depth + 1)) for child in children])


def bent(c: Choices, data: bytes) -> bytes:
    """The bytes with one thing wrong: a word, a byte, the end."""
    at, how = c.below(max(len(data), 1)), c.below(4)
    if how == 0:
        return data[:at] + struct.pack(">i", c.pick(_LENGTHS)) + data[at + 4 :]
    if how == 1:
        return data[:at] + c.take(1) + data[at + 1 :]
    return data[:at] if how == 2 else data + c.take(3)


def rows(c: Choices, specs: list[SpecTree], most: int) -> list[bytes]:
    """Tuples of these columns; some are bent, and some are nothing of the kind."""
    found: list[bytes] = []
    for _ in c.times(most):
        how = c.number(1)
        if how >= 248:
            found.append(c.blob())
            continue
        made = reference.row([field(c, spec) for spec in specs])
        found.append(bent(c, made) if how >= 216 else made)
    return found


def feed(buffer: Any, stream: bytes, cut: int) -> None:
    """Put the stream into a ReadBuffer, at most `cut` bytes at a time."""
    at = 0
    while at < len(stream):
        view = buffer.get_buffer()
        size = min(cut, len(view), len(stream) - at)
        view[:size] = stream[at : at + size]
        buffer.commit(size)
        at += size


def as_run(module: ModuleType, tag: int, payloads: list[bytes]) -> tuple[bytearray, int, int, int]:
    """The payloads as one run of a fresh ReadBuffer."""
    stream = b"".join([reference.frame(tag, payload) for payload in payloads])
    buffer = module.ReadBuffer(max(len(stream) + 16, 64))
    feed(buffer, stream, len(stream) or 1)
    return buffer.take_run(tag) or (bytearray(), 0, 0, 0)


def recut(stream: bytes, size: int) -> list[bytes]:
    """The stream in pieces of `size` bytes."""
    return [stream[i : i + size] for i in range(0, len(stream), size)]
