"""Python values as parameters and as rows of binary COPY, and read back from what was written.

Input: choices for columns, values and the calls that may change them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from pgfast import const
from pgfast.types.builtins import BY_OID
from pgfast.types.registry import LENIENT, PLAIN
from pgfast.values import Array, Interval, Multirange, Range

from .both import compare, implementations, outcome
from .choices import Choices
from .wire import OIDS, SpecTree, as_run, made_spec, with_records

_EDGES: Final = (
    0,
    1,
    -1,
    2**15,
    -(2**15) - 1,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**32,
    2**63 - 1,
    2**63,
    -(2**63),
    10**40,
)
_DAY_US: Final = 86400 * 10**6


class Odd(int):
    """An int of a class of its own, which goes through the hook."""


class Rude:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def coerce(value: Any) -> Any:
    """A hook that knows some values, refuses others and lies about some."""
    if isinstance(value, Odd):
        return int(value)
    if value == "null":
        return None
    if value == "lie":
        return object
    if isinstance(value, str) and value.startswith("raw "):
        numbers = tuple([int(word) for word in value.split()[1:]])
        return numbers[0] if len(numbers) == 1 else numbers
    raise TypeError("no way")


def run(data: bytes) -> None:
    """Some rows written."""
    c = Choices(data)
    binds, keyed, limit = c.flag(), c.rarely(), c.pick((1 << 20, 1 << 20, 40, 1))
    columns = [_column(c) for _ in c.times(3)]
    keys = [f"k{index}" for index in range(len(columns))] if keyed else []
    rows: list[Any] = []
    outcomes: list[tuple[Any, ...]] = []
    for module in implementations():
        specs = [_spec(column, module) for column in columns]
        if not outcomes:
            rows = [_row(c, specs) for _ in c.times(5)]
            if c.rarely():
                rows *= 8
        outcomes.append(_written(module, specs, keys, rows, limit, binds))
    compare(outcomes)


def _column(c: Choices) -> Any:
    """A type of the registry as (OID, whether text is taken for anything), or a tree of kinds with hooks."""
    if c.flag():
        return c.pick(OIDS), c.flag()
    return _hooked(c, made_spec(c))


def _hooked(c: Choices, spec: SpecTree) -> SpecTree:
    kind, oid, _call, children = spec
    hooks: tuple[Callable[[Any], Any] | None, ...] = (None, coerce, str, repr)
    return kind, oid, c.pick(hooks), tuple([_hooked(c, child) for child in children])


def _spec(column: Any, module: ModuleType) -> SpecTree:
    if len(column) == 2:
        rules = LENIENT.rules if column[1] else PLAIN.rules
        assert column[0] in BY_OID, "it comes from there"
        return rules.parameter_spec(column[0], 1)
    kind, oid, call, children = with_records(column, module)
    return kind, oid, call, children


def _written(
    module: ModuleType, specs: list[SpecTree], keys: list[str], rows: list[Any], limit: int, binds: bool
) -> tuple[Any, ...]:
    """What was written of the rows, the fault, and the values that come back."""
    made = outcome(lambda: module.Plan(specs, keys))
    if made[0] != "ok":
        return made
    plan = made[1]
    out = module.WriteBuffer(64)
    if binds:
        result = outcome(lambda: module.encode_binds(out, plan, b"h", b"t", b"a", iter(rows), limit))
        return result, bytes(out.take())
    out.begin_copy()
    result = outcome(lambda: module.encode_copy_rows(out, plan, iter(rows), limit))
    out.end_copy()
    stream = bytes(out.take())
    if result[0] != "ok" or not stream:
        return result, stream
    state = module.CopyState()
    payloads = [const.COPY_HEADER + stream[5:] + const.COPY_TRAILER]
    return result, stream, outcome(lambda: module.decode_copy_rows(plan, state, *as_run(module, 0x64, payloads)))


def _row(c: Choices, specs: list[SpecTree]) -> Any:
    values = [value_for(c, spec) for spec in specs]
    how = c.number(1)
    if how < 176:
        return tuple(values)
    if how < 224:
        return values
    if how < 248:
        return {f"k{index}": value for index, value in enumerate(values)}
    return c.pick(((), (1,) * 9, 7, "text", {"k0": 1, "zz": 2}, {}, None))


# ---------------------------------------------------------------- values


def value_for(c: Choices, spec: SpecTree, depth: int = 0) -> Any:
    """Mostly a value of the type, sometimes any."""
    how = c.number(1)
    if how < 16:
        return None
    if how < 72 or depth > 5:
        return any_value(c)
    kind, _oid, _call, children = spec
    if kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        return _array(c, children[0], depth)
    if kind == const.KIND_COMPOSITE:
        attributes = [value_for(c, child, depth + 1) for child in children]
        shape = c.below(8)
        return attributes if shape == 0 else (*attributes, 1) if shape == 1 else tuple(attributes)
    if kind == const.KIND_RANGE:
        return _range(c, children[0], depth)
    if kind == const.KIND_MULTIRANGE:
        return Multirange([_range(c, children[0][3][0], depth) for _ in c.times(3)])
    make = _MAKERS.get(kind)
    return any_value(c) if make is None else make(c)


def _range(c: Choices, bound: SpecTree, depth: int) -> Range[Any]:
    if c.rarely():
        return Range(empty=True)
    lower, upper = value_for(c, bound, depth + 1), value_for(c, bound, depth + 1)
    return Range(lower, upper, c.pick(("[)", "[]", "()", "(]")))


def _array(c: Choices, leaf: SpecTree, depth: int) -> Any:
    level = c.below(4)
    if level < 2:
        return [value_for(c, leaf, depth + 1) if level else _nested(c, leaf, depth + 1) for _ in c.times(4)]
    made = [[value_for(c, leaf, depth + 1) for _ in range(2)] for _ in c.times(3)]
    return made if level == 2 else Array(made, [c.pick((0, 1, -5, 2**31 - 9, 2**31)) for _ in range(1 + c.below(3))])


def _nested(c: Choices, leaf: SpecTree, depth: int) -> Any:
    if depth > 4 or c.flag():
        return value_for(c, leaf, depth)
    return [_nested(c, leaf, depth + 1) for _ in c.times(3)]


def _integer(c: Choices) -> int:
    how = c.below(4)
    return c.pick(_EDGES) if how == 0 else c.number(1 << (how - 1) * 2 & 31 or 1, signed=True)


def _float(c: Choices) -> float:
    how = c.below(3)
    if how == 0:
        return c.pick((0.0, -0.0, 3.5e38, -3.4028235e38, 1e-46, float("inf"), float("nan"), 0.1))
    return float(struct.unpack(">f" if how == 1 else ">d", c.take(4 * how).ljust(4 * how, b"\0"))[0])


def _decimal(c: Choices) -> Decimal:
    how = c.below(4)
    if how == 0:
        words = ("1E+5", "1E-16384", "1E+131071", "1E+131072", "0E-20", "-0.0", "sNaN", "NaN12", "-Infinity")
        return Decimal(c.pick(words))
    digits = tuple([byte % 10 for byte in c.take(c.below(24))])
    exponent = c.number(1, signed=True) // (1 if how == 1 else 6)
    return Decimal((c.below(2), digits or (0,), exponent))


def _zone(c: Choices) -> timezone | None:
    offset = timedelta(seconds=c.number(4, signed=True) % (2 * 86399) - 86399)
    return c.pick((None, timezone.utc, timezone(offset), timezone(timedelta(seconds=1, microseconds=1))))


def _date(c: Choices) -> date:
    return date.fromordinal(1 + c.number(3) % date.max.toordinal())


def _time(c: Choices, zone: timezone | None = None) -> time:
    us = c.number(5) % _DAY_US
    return time(us // 3600000000, us // 60000000 % 60, us // 1000000 % 60, us % 1000000, tzinfo=zone)


def _datetime(c: Choices) -> datetime:
    return datetime.combine(_date(c), _time(c), tzinfo=_zone(c))


def _interval(c: Choices) -> Any:
    if c.flag():
        return timedelta(days=c.number(3, signed=True) % 999999, microseconds=c.number(6, signed=True))
    return Interval(c.number(4, signed=True), c.number(4, signed=True), c.number(8, signed=True))


_MAKERS: Final[dict[int, Callable[[Choices], Any]]] = {
    const.KIND_STR: Choices.text,
    const.KIND_ENUM: Choices.text,
    const.KIND_JSON: Choices.text,
    const.KIND_JSONB: Choices.text,
    const.KIND_CHAR: Choices.text,
    const.KIND_BYTES: Choices.blob,
    const.KIND_BOOL: Choices.flag,
    const.KIND_UINT8: lambda c: c.number(8),
    const.KIND_INT2: _integer,
    const.KIND_INT4: _integer,
    const.KIND_INT8: _integer,
    const.KIND_OID: _integer,
    const.KIND_FLOAT4: _float,
    const.KIND_FLOAT8: _float,
    const.KIND_NUMERIC: lambda c: _integer(c) if c.rarely() else _decimal(c),
    const.KIND_DATE: _date,
    const.KIND_TIME: _time,
    const.KIND_TIMETZ: lambda c: _time(c, _zone(c)),
    const.KIND_TIMESTAMP: _datetime,
    const.KIND_TIMESTAMPTZ: _datetime,
    const.KIND_INTERVAL: _interval,
    const.KIND_UUID: lambda c: UUID(bytes=c.take(16).ljust(16, b"\0")),
}
_KINDS: Final = sorted(_MAKERS)
_ODDITIES: Final[tuple[Any, ...]] = (
    *("null", "lie", "a\0b", "\ud800", "\\377", "\\400", "raw 2147483648", "raw 1 86400", "raw 1 2 3", "raw -1", b"\0"),
    *(Odd(7), Odd(2**34), object(), Rude(), {}, {"a": [1, None]}, set(), (), [], 1 + 2j, Ellipsis, Range(empty=True)),
)


def any_value(c: Choices) -> Any:
    """A value of some class."""
    how = c.below(4)
    if how == 0:
        return c.pick(_ODDITIES)
    if how == 1:
        return c.pick((bytearray, memoryview))(c.blob())
    return _MAKERS[c.pick(_KINDS)](c)
