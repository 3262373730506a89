"""A third encoder, small enough to be read at a glance: what the wire should look like, said with struct alone.

It shares no code with the codecs, so that a mistake they have in common shows. Sources: PostgreSQL docs, "Message
Formats" and "COPY"; the server's *_send functions.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Any

from pgfast import Multirange, Range, const

FIXED = {
    const.KIND_BOOL: "?",
    const.KIND_INT2: ">h",
    const.KIND_INT4: ">i",
    const.KIND_INT8: ">q",
    const.KIND_OID: ">I",
    const.KIND_FLOAT4: ">f",
    const.KIND_FLOAT8: ">d",
    const.KIND_DATE: ">i",
    const.KIND_TIME: ">q",
    const.KIND_TIMETZ: ">qi",
    const.KIND_TIMESTAMP: ">q",
    const.KIND_TIMESTAMPTZ: ">q",
    const.KIND_INTERVAL: ">qii",
    const.KIND_UUID: "16s",
    const.KIND_CHAR: "B",
    const.KIND_UINT8: ">Q",
}


def field(data: bytes | None) -> bytes:
    """A field with its length word."""
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def row(fields: list[bytes | None]) -> bytes:
    """A tuple: the count, then the fields. The payload of a DataRow, and a row of binary COPY."""
    return struct.pack(">h", len(fields)) + b"".join(map(field, fields))


def frame(tag: int, payload: bytes) -> bytes:
    """A message."""
    return struct.pack(">Bi", tag, len(payload) + 4) + payload


def numeric(value: Decimal) -> bytes:
    """A numeric by padding its digits to whole groups."""
    if value.is_nan():
        return struct.pack(">hhHh", 0, 0, 0xC000, 0)
    if value.is_infinite():
        return struct.pack(">hhHh", 0, 0, 0xF000 if value < 0 else 0xD000, 0)
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    behind = -(-scale // 4)
    text = "".join(map(str, digits)) + "0" * (4 * behind + exponent)
    text = "0" * (-len(text) % 4) + text
    groups = [int(text[i : i + 4]) for i in range(0, len(text), 4)]
    while groups and groups[0] == 0:
        groups.pop(0)
    weight = len(groups) - behind - 1 if groups else 0
    while groups and groups[-1] == 0:
        groups.pop()
    head = struct.pack(">HhHh", len(groups), weight, 0x4000 if sign and groups else 0, scale)
    return head + b"".join(struct.pack(">h", group) for group in groups)


def array(oid: int, dims: list[int], elements: list[bytes | None], bounds: list[int] | None = None) -> bytes:
    """A binary array of any dimensions."""
    head = struct.pack(">iiI", len(dims), int(None in elements), oid)
    pairs = zip(dims, bounds or [1] * len(dims), strict=True)
    return head + b"".join(struct.pack(">ii", *pair) for pair in pairs) + b"".join(map(field, elements))


def composite(attributes: list[tuple[int, bytes | None]]) -> bytes:
    """A binary record: count, then OID and field of each attribute."""
    return struct.pack(">i", len(attributes)) + b"".join(
        struct.pack(">I", oid) + field(data) for oid, data in attributes
    )


def range_of(flags: int, lower: bytes | None, upper: bytes | None) -> bytes:
    """A binary range; the flags (rangetypes.h) say which bounds are there."""
    made = bytes([flags])
    if not flags & (1 | 8):
        made += field(lower)
    if not flags & (1 | 16):
        made += field(upper)
    return made


def multirange(ranges: list[bytes]) -> bytes:
    """A binary multirange."""
    return struct.pack(">i", len(ranges)) + b"".join(map(field, ranges))


def same(left: Any, right: Any) -> bool:
    """Equal by exact type, recursively; floats by their bits, zones and Decimals by everything they show."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Range):
        return same((left.lower, left.upper, str(left.bounds)), (right.lower, right.upper, str(right.bounds))) and (
            left.isempty == right.isempty
        )
    if isinstance(left, Multirange):
        return same(tuple(left), tuple(right))
    if isinstance(left, float):
        return struct.pack("d", left) == struct.pack("d", right) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, memoryview):
        return bool(left.tobytes() == right.tobytes())
    if isinstance(left, Decimal):
        return str(left) == str(right)
    return bool(left == right) and repr(left) == repr(right)
