"""Arrow values -> Python objects, for the pairs of Arrow and PostgreSQL types that the codec's kernels do not know.

Law of this file: each value becomes exactly what it is; nothing is rounded. A value Python cannot hold is a fault of
the codec's own sort, with the row it stands in.

Source: Arrow columnar format.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from struct import Struct
from typing import Any, Final

from .. import const
from ..errors import DataError, fault, faults
from ..types.policies import MIN_INT32, date_text, timestamp_text, timestamptz_text
from ..values import Interval
from .incoming import ArrayView
from .schema import Family

_CASTS: Final = {
    const.LAYOUT_I8: "b",
    const.LAYOUT_I16: "h",
    const.LAYOUT_I32: "i",
    const.LAYOUT_I64: "q",
    const.LAYOUT_U8: "B",
    const.LAYOUT_U16: "H",
    const.LAYOUT_U32: "I",
    const.LAYOUT_U64: "Q",
    const.LAYOUT_F32: "f",
    const.LAYOUT_F64: "d",
    const.LAYOUT_DATE32: "i",
    const.LAYOUT_DATE64: "q",
    const.LAYOUT_TIME32: "i",
    const.LAYOUT_TIME64: "q",
    const.LAYOUT_TIMESTAMP: "q",
    const.LAYOUT_DURATION: "q",
}
_MAX_ORDINAL: Final = date.max.toordinal()
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1)
_MS_PER_DAY: Final = 86_400_000
_HALF: Final = Struct("=e")
_DAY_TIME: Final = Struct("=ii")
_MONTH_DAY_NANO: Final = Struct("=iiq")
_VIEW: Final = Struct("=iiii")


class _Unreadable(Exception):
    """A value inside of others that Python cannot hold; its cause says why."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


_UNREADABLE: Final = (ValueError, OverflowError, IndexError)


def objects(view: ArrayView, start: int, stop: int) -> list[Any]:
    """The values start:stop of the array (counted from its own beginning) as Python objects, None for NULL.

    int, bool, float, Decimal, str, bytes, date, time, datetime, timedelta or Interval, lists of these, and for structs
    a dict by the names of their fields. Dates and timestamps that Python cannot hold come as the server's text.
    """
    if stop > view.length:
        raise DataError(f"column {view.field.name}: the Arrow array is shorter than what it is part of")
    read, validity = _reader(view), view.validity()
    values: list[Any] = []
    for row, index in enumerate(range(view.offset + start, view.offset + stop)):
        if validity is not None and not validity[index >> 3] >> (index & 7) & 1:
            values.append(None)
            continue
        try:
            values.append(read(index))
        except _Unreadable as exc:
            raise fault(faults.FAULT_COERCE, row, -1, (f"the {exc.name} value", exc.__cause__)) from exc.__cause__
        except _UNREADABLE as exc:
            raise fault(faults.FAULT_COERCE, row, -1, (f"the {view.type.name} value", exc)) from exc
    return values


def _element(view: ArrayView) -> Callable[[int], Any]:
    """The function from an index, counted from the array's own beginning, to the value there, None for NULL."""
    read, validity, offset, name = _reader(view), view.validity(), view.offset, view.type.name

    def element(index: int) -> Any:
        at = offset + index
        if validity is not None and not validity[at >> 3] >> (at & 7) & 1:
            return None
        try:
            return read(at)
        except _UNREADABLE as exc:
            raise _Unreadable(name) from exc

    return element


def _labels(view: ArrayView) -> Callable[[int], Any]:
    """Only what is asked for is read: a dictionary may be far longer than a batch."""
    assert view.dictionary is not None
    layout = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "l": "q", "L": "Q"}.get(view.field.format)
    if layout is None:
        raise DataError(f"column {view.field.name}: the indices of the Arrow dictionary are not integers")
    indices = _numbers(view.buffer(1, view.stop * Struct("=" + layout).size), layout)
    length, element = view.dictionary.length, _element(view.dictionary)
    known: dict[int, Any] = {}

    def read(index: int) -> Any:
        which = indices[index]
        if which not in known:
            if not 0 <= which < length:
                raise DataError(f"column {view.field.name}: an index of the Arrow dictionary is out of range")
            known[which] = element(which)
        return known[which]

    return read


def _reader(view: ArrayView) -> Callable[[int], Any]:
    """The function from an index into the buffers to the value there, which is not NULL."""
    if view.field.dictionary is not None:
        return _labels(view)
    kind = view.type
    if kind.layout == const.LAYOUT_NULL:
        return lambda index: None
    if kind.family is Family.LIST:
        return _lists(view)
    if kind.family is Family.STRUCT:
        return _structs(view)
    if kind.family in (Family.STRING, Family.BINARY):
        read = _bytes(view)
        return read if kind.family is Family.BINARY else lambda index: _text(read(index))
    if kind.family is Family.DECIMAL:
        return _decimals(view, kind.width, kind.scale)
    if kind.layout == const.LAYOUT_BOOL_BITS:
        bits = view.buffer(1, (view.stop + 7) // 8)
        return lambda index: bool(bits[index >> 3] >> (index & 7) & 1)
    memory = view.buffer(1, view.stop * kind.width)
    if kind.layout in _CASTS:
        numbers = _numbers(memory, _CASTS[kind.layout])
        convert = TEMPORAL.get(kind.layout)
        if convert is None:
            return lambda index: numbers[index]
        zone = timezone.utc if kind.family is Family.TIMESTAMPTZ else None
        return lambda index: convert(numbers[index], kind.scale, zone)
    if view.field.format == "e":
        return lambda index: _HALF.unpack_from(memory, 2 * index)[0]
    return _intervals(view.field.format, memory)


def _numbers(memory: memoryview, code: str) -> memoryview[Any]:
    """The memory as numbers of a struct code."""
    cast: Callable[[str], memoryview[Any]] = memory.cast  # type: ignore[assignment]
    return cast(code)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not valid UTF-8") from None


def _bytes(view: ArrayView) -> Callable[[int], bytes]:
    kind = view.type
    if kind.layout == const.LAYOUT_FIXED:
        width = kind.width
        memory = view.buffer(1, view.stop * width)
        return lambda index: bytes(memory[index * width : (index + 1) * width])
    if kind.layout == const.LAYOUT_VIEW:
        views, variadic = view.buffer(1, 16 * view.stop), view.variadic()

        def read(index: int) -> bytes:
            length, _prefix, which, start = _VIEW.unpack_from(views, 16 * index)
            if length <= 12:
                return bytes(views[16 * index + 4 : 16 * index + 4 + length])
            return bytes(variadic[which][start : start + length])

        return read
    data, raw = view.data_spans(kind.layout)
    ends = raw.cast("i" if kind.layout == const.LAYOUT_VAR32 else "q")
    return lambda index: bytes(data[ends[index] : ends[index + 1]])


def _decimals(view: ArrayView, width: int, scale: int) -> Callable[[int], Decimal]:
    memory, order = view.buffer(1, view.stop * width), sys.byteorder

    def read(index: int) -> Decimal:
        digits = int.from_bytes(memory[index * width : (index + 1) * width], order, signed=True)
        return Decimal(f"{digits}E{-scale}")  # exact, where scaleb would round to the context's precision

    return read


def _lists(view: ArrayView) -> Callable[[int], list[Any]]:
    child = view.children[0]
    element, length = _element(child), child.length
    if view.field.format.startswith("+w"):
        size = view.type.scale
        _check_length(view, child, view.stop * size)
        return lambda index: [element(at) for at in range(index * size, (index + 1) * size)]
    ends = view.offsets(8).cast("q") if view.field.format == "+L" else view.offsets(4).cast("i")

    def read(index: int) -> list[Any]:
        start, stop = ends[index], ends[index + 1]
        if not 0 <= start <= stop <= length:
            raise DataError(f"column {view.field.name}: the offsets of the Arrow list are out of range")
        return [element(at) for at in range(start, stop)]

    return read


def _structs(view: ArrayView) -> Callable[[int], dict[str, Any]]:
    names = [child.field.name for child in view.children]
    if len(set(names)) < len(names):
        raise DataError(f"column {view.field.name}: two fields of the Arrow struct have the same name")
    for child in view.children:
        _check_length(view, child, view.stop)
    # A struct's own offset holds for its children too; they may be longer than it, not shorter.
    fields = [(name, _element(child)) for name, child in zip(names, view.children, strict=True)]
    return lambda index: {name: element(index) for name, element in fields}


def _check_length(view: ArrayView, child: ArrayView, needed: int) -> None:
    """Raise DataError where the child has fewer values than its parent speaks of."""
    if view.length and child.length < needed:
        raise DataError(f"column {child.field.name}: the Arrow array is shorter than what it is part of")


def _us(units: int, scale: int) -> int:
    """Whole microseconds of `units` of which `scale` make a second."""
    us, rest = divmod(units * const.US_PER_SECOND, scale)
    if rest:
        raise ValueError("would lose digits below a microsecond; round it first")
    return us


def _date32(days: int, scale: int, zone: timezone | None) -> date | str:
    ordinal = days + _EPOCH_ORDINAL
    if 1 <= ordinal <= _MAX_ORDINAL:
        return date.fromordinal(ordinal)
    return date_text(days if days in (MIN_INT32, const.MAX_INT32) else days - const.EPOCH_DAYS)


def _date64(ms: int, scale: int, zone: timezone | None) -> date:
    days, rest = divmod(ms, _MS_PER_DAY)
    if rest:
        raise ValueError("not a whole day")
    return date.fromordinal(days + _EPOCH_ORDINAL)


def _time(units: int, scale: int, zone: timezone | None) -> time:
    seconds, us = divmod(_us(units, scale), const.US_PER_SECOND)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, us)


def _timestamp(units: int, scale: int, zone: timezone | None) -> datetime | str:
    render = timestamp_text if zone is None else timestamptz_text
    if units in (const.MIN_INT64, const.MAX_INT64):
        return render(units)
    us = _us(units, scale)
    try:
        return (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=zone)
    except OverflowError:
        return render(us - const.EPOCH_US)


def _duration(units: int, scale: int, zone: timezone | None) -> timedelta:
    return timedelta(microseconds=_us(units, scale))


#: For each layout of dates and times what makes (units, units in a second, time zone) a Python object.
TEMPORAL: Final[dict[int, Callable[[int, int, timezone | None], Any]]] = {
    const.LAYOUT_DATE32: _date32,
    const.LAYOUT_DATE64: _date64,
    const.LAYOUT_TIME32: _time,
    const.LAYOUT_TIME64: _time,
    const.LAYOUT_TIMESTAMP: _timestamp,
    const.LAYOUT_DURATION: _duration,
}


def _intervals(text: str, memory: memoryview) -> Callable[[int], Interval]:
    if text == "tiM":
        months = memory.cast("i")
        return lambda index: Interval(months[index], 0, 0)
    if text == "tiD":

        def day_time(index: int) -> Interval:
            days, ms = _DAY_TIME.unpack_from(memory, 8 * index)
            return Interval(0, days, 1000 * ms)

        return day_time

    def month_day_nano(index: int) -> Interval:
        months, days, ns = _MONTH_DAY_NANO.unpack_from(memory, 16 * index)
        return Interval(months, days, _us(ns, 10**9))

    return month_day_nano
