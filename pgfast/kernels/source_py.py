"""Columns in memory -> fields on the wire; the twin of `source.pxd`.

Law of this file: a source column is somebody else's memory, so every buffer is measured against its length before the
first row and every offset and index in it is checked where it is used. Nothing here keeps a buffer beyond the call.

Sources: the Arrow columnar format (layouts, views, dictionaries); the server's *_recv functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from .. import const
from ..errors import fault, faults
from . import decode_py as forms
from . import encode_py as wire
from . import sourceblock_py
from .block_py import NULL, Lists, fixed_fields, measured, with_nulls
from .runs_py import Unsure
from .sink_py import DIGITS_128, DIGITS_256, F32LE, F64LE, I16LE, I32LE, I64LE, MONTH_DAY_NANO, U32LE

if TYPE_CHECKING:
    from .shapes import Spec

Getter = Callable[[int, int, int], Any]  # (index into the memory, row, column) -> field bytes or None

_FORMS: Final[dict[int, Struct]] = {
    const.LAYOUT_BOOL_BYTES: Struct("<B"),
    const.LAYOUT_I8: Struct("<b"),
    const.LAYOUT_I16: I16LE,
    const.LAYOUT_I32: I32LE,
    const.LAYOUT_I64: I64LE,
    const.LAYOUT_U8: Struct("<B"),
    const.LAYOUT_U16: Struct("<H"),
    const.LAYOUT_U32: U32LE,
    const.LAYOUT_U64: Struct("<Q"),
    const.LAYOUT_F32: F32LE,
    const.LAYOUT_F64: F64LE,
    const.LAYOUT_DATE32: I32LE,
    const.LAYOUT_DATE64: I64LE,
    const.LAYOUT_TIME32: I32LE,
    const.LAYOUT_TIME64: I64LE,
    const.LAYOUT_TIMESTAMP: I64LE,
    const.LAYOUT_DURATION: I64LE,
}
#: layout -> bytes of a value, most decimal places.
_DECIMALS: Final = {const.LAYOUT_DECIMAL128: (16, DIGITS_128), const.LAYOUT_DECIMAL256: (32, DIGITS_256)}
_MS_PER_DAY: Final = 86_400_000
_UNITS: Final = (1, 1000, const.US_PER_SECOND, 1000 * const.US_PER_SECOND)
_BYTE_LAYOUTS: Final = (const.LAYOUT_VAR32, const.LAYOUT_VAR64, const.LAYOUT_VIEW)
_INDEX_LAYOUTS: Final = tuple(range(const.LAYOUT_I8, const.LAYOUT_U64 + 1))


def _raw(buffer: Any) -> memoryview:
    view = memoryview(buffer)
    return view.cast("B") if view.nbytes else memoryview(b"")  # an empty view of any other shape cannot be cast


def _microseconds(units: int, scale: int, row: int, column: int) -> int:
    """`units` of which `scale` make a second, as whole microseconds."""
    if scale > const.US_PER_SECOND:
        us, rest = divmod(units, scale // const.US_PER_SECOND)
        if rest:
            raise fault(faults.FAULT_SUBMICROSECOND, row, column, units)
        return us
    us = units * (const.US_PER_SECOND // scale)
    if not const.MIN_INT64 <= us <= const.MAX_INT64:
        raise wire.range_fault(units, row, column)
    return us


def _date32(days: int, scale: int, row: int, column: int) -> bytes:
    if days in (forms.MIN_INT32, const.MAX_INT32):  # the sentinels a column sink hands out for the infinities
        return forms.I32.pack(days)
    if days - const.EPOCH_DAYS < forms.MIN_INT32:
        raise wire.range_fault(days, row, column)
    return forms.I32.pack(days - const.EPOCH_DAYS)


def _date64(ms: int, scale: int, row: int, column: int) -> bytes:
    days, rest = divmod(ms, _MS_PER_DAY)
    days -= const.EPOCH_DAYS
    if rest or not forms.MIN_INT32 < days < const.MAX_INT32:
        raise wire.range_fault(ms, row, column)
    return forms.I32.pack(days)


def _time(units: int, scale: int, row: int, column: int) -> bytes:
    us = _microseconds(units, scale, row, column)
    if not 0 <= us <= const.US_PER_DAY:
        raise wire.range_fault(units, row, column)
    return forms.I64.pack(us)


def _timestamp(units: int, scale: int, row: int, column: int) -> bytes:
    if units in (const.MIN_INT64, const.MAX_INT64):
        return forms.I64.pack(units)
    us = _microseconds(units, scale, row, column) - const.EPOCH_US
    if not const.MIN_INT64 < us < const.MAX_INT64:
        raise wire.range_fault(units, row, column)
    return forms.I64.pack(us)


def _midnight(units: int, scale: int, row: int, column: int) -> bytes:
    if units in (const.MIN_INT64, const.MAX_INT64):
        return forms.I32.pack(forms.MIN_INT32 if units < 0 else const.MAX_INT32)
    days, rest = divmod(units, scale * const.SECONDS_PER_DAY)
    if rest:
        raise fault(faults.FAULT_TIME_OF_DAY, row, column, units)
    days -= const.EPOCH_DAYS
    if not forms.MIN_INT32 < days < const.MAX_INT32:
        raise wire.range_fault(units, row, column)
    return forms.I32.pack(days)


def _duration(units: int, scale: int, row: int, column: int) -> bytes:
    us = _microseconds(units, scale, row, column)
    days, rest = divmod(abs(us), const.US_PER_DAY)  # whole days and a rest of the same sign, as of a timedelta
    return forms.INTERVAL.pack(rest, days, 0) if us >= 0 else forms.INTERVAL.pack(-rest, -days, 0)


_TEMPORAL: Final = {
    const.LAYOUT_DATE32: _date32,
    const.LAYOUT_DATE64: _date64,
    const.LAYOUT_TIME32: _time,
    const.LAYOUT_TIME64: _time,
    const.LAYOUT_TIMESTAMP: _timestamp,
    const.LAYOUT_DURATION: _duration,
}


#: (layout, kind) whose values have nothing but their bytes turned round: bytes.
_TURNED: Final = {
    (const.LAYOUT_I16, const.KIND_INT2): 2,
    (const.LAYOUT_I32, const.KIND_INT4): 4,
    (const.LAYOUT_I64, const.KIND_INT8): 8,
    (const.LAYOUT_F32, const.KIND_FLOAT4): 4,
    (const.LAYOUT_F64, const.KIND_FLOAT8): 8,
}


class Source:
    """One source column, its buffers measured: `field(row, at)` gives the bytes of a field or None for NULL."""

    __slots__ = ("_bits", "_column", "_get", "_inner", "_many", "_offset", "_pack", "_width", "calls")

    def __init__(self, source: tuple[Any, ...], stop: int, column: int) -> None:
        layout, spec, length, offset, validity, values, offsets, scale, variadic, dictionary = source
        self._column = column
        self._offset = offset
        self._inner: Source | None = None
        self._many: sourceblock_py.Many | None = None
        self._pack: sourceblock_py.Pack | None = None
        self._width = 0  # of a field that is packed
        self.calls = layout == const.LAYOUT_OBJECT
        self._bits = None if validity is None else _raw(validity)
        if not 0 <= stop <= length or offset < 0 or (self._bits is not None and 8 * len(self._bits) < offset + stop):
            raise self._short()
        need = offset + stop
        kind = spec[0]
        if dictionary is not None:
            if layout not in _INDEX_LAYOUTS or dictionary[9] is not None or dictionary[0] == const.LAYOUT_OBJECT:
                raise self._short()
            self._inner = Source(dictionary, dictionary[2], column)
            self._get = self._index(_FORMS[layout], values, need, dictionary[2])
        elif layout == const.LAYOUT_NULL:
            self._get = lambda index, row, column: None
        elif layout == const.LAYOUT_OBJECT:
            self._get = self._objects(spec, values, need)
        elif (layout, kind) not in const.COLUMN_PAIRS:
            raise self._short()
        elif layout in _BYTE_LAYOUTS:
            extent = (
                self._views(kind, offsets, variadic, need)
                if layout == const.LAYOUT_VIEW
                else self._spans(I32LE if layout == const.LAYOUT_VAR32 else I64LE, kind, values, offsets, need)
            )
            self._get = self._text(extent, kind)
        else:
            self._get = self._fixed(layout, spec, values, scale, need)

    def _short(self) -> Exception:
        return fault(faults.FAULT_SOURCE_BUFFER, 0, self._column)

    def field(self, row: int, at: int) -> bytes | None:
        """The field of one row as bytes, None for NULL; `at` is how a fault counts the row."""
        index = self._offset + row
        if self._bits is not None and not self._bits[index >> 3] >> (index & 7) & 1:
            return None
        found = self._get(index, at, self._column)
        if self._inner is not None:
            return self._inner.field(found, at)
        return found  # type: ignore[no-any-return]

    def packed(self, start: int, stop: int) -> tuple[int, bytes] | None:
        """Bytes of a field and the fields of rows start:stop, one behind the other, where they are packed and none is
        NULL; or one of the doubts of `tuples_py`."""
        first, last = self._offset + start, self._offset + stop
        if self._pack is None or self._nulls(first, last) is not None:
            return None
        return self._width, self._pack(first, last)

    def lists(self, start: int, stop: int) -> Lists:
        """The fields of rows start:stop, as `block_py` has them; or one of the doubts of `tuples_py`."""
        first, last = self._offset + start, self._offset + stop
        if self._pack is not None:
            lists = [fixed_fields([(self._width, self._pack(first, last))], stop - start)]
        elif self._many is not None:
            lists = self._many(first, last)
        else:
            fields = [self.field(row, 0) for row in range(start, stop)]
            return [[NULL if field is None else measured(field) for field in fields]]
        nulls = self._nulls(first, last)
        return lists if nulls is None else with_nulls(lists, nulls)

    def _nulls(self, first: int, last: int) -> str | None:
        """ "0" for each of the places that is NULL, else "1"; or None where none is."""
        if self._bits is None:
            return None
        count = last - first
        bits = int.from_bytes(self._bits[first >> 3 : (last + 7) >> 3], "little") >> (first & 7)
        bits &= (1 << count) - 1
        return None if bits == (1 << count) - 1 else f"{bits:0{count}b}"[::-1]

    def _index(self, form: Struct, values: Any, need: int, length: int) -> Getter:
        memory = self._measured(values, need * form.size)
        inner = self._inner
        assert inner is not None, "an index has a dictionary"

        def make(entry: int) -> bytes:
            if not 0 <= entry < length:
                raise Unsure
            field = inner.field(entry, 0)
            return NULL if field is None else measured(field)

        self._many = sourceblock_py.mapped(memory, form.format[1:], make)

        def get(index: int, row: int, column: int) -> int:
            entry: int = form.unpack_from(memory, index * form.size)[0]
            if not 0 <= entry < length:
                raise fault(faults.FAULT_SOURCE_BUFFER, row, column)
            return entry

        return get

    def _objects(self, spec: Spec, values: Any, need: int) -> Getter:
        if type(values) is not list or len(values) < need:
            raise self._short()
        forms.decoder(spec)  # which checks the spec as a Plan does
        encode = wire.encoder(spec)
        return lambda index, row, column: None if values[index] is None else encode(values[index], row, column)

    def _measured(self, buffer: Any, size_bytes: int) -> memoryview:
        memory = _raw(buffer if buffer is not None else b"")
        if len(memory) < size_bytes:
            raise self._short()
        return memory

    def _fixed(self, layout: int, spec: Spec, values: Any, scale: int, need: int) -> Getter:
        kind = spec[0]
        if layout == const.LAYOUT_BOOL_BITS:
            bits = self._measured(values, (need + 7) // 8)
            return lambda index, row, column: b"\1" if bits[index >> 3] >> (index & 7) & 1 else b"\0"
        if layout in _DECIMALS and 0 <= scale <= _DECIMALS[layout][1]:
            width = _DECIMALS[layout][0]
            self._many = sourceblock_py.decimals(self._measured(values, need * width), width, scale)
        elif (layout, kind) in _TURNED:
            self._width = _TURNED[layout, kind]
            self._pack = sourceblock_py.turned(self._measured(values, need * self._width), self._width)
        elif layout == const.LAYOUT_DATE32:
            self._width = 4
            self._pack = sourceblock_py.shifted(self._measured(values, need * 4), 4, const.EPOCH_DAYS)
        if layout in _DECIMALS:
            return self._decimals(*_DECIMALS[layout], values, scale, need)
        if layout == const.LAYOUT_MONTH_DAY_NANO:
            return self._intervals(values, need)
        if layout == const.LAYOUT_FIXED:
            if scale < 0 or (kind == const.KIND_UUID and scale != 16):
                raise self._short()
            memory = self._measured(values, need * scale)
            return lambda index, row, column: bytes(memory[index * scale : (index + 1) * scale])
        form = _FORMS[layout]
        memory, size = self._measured(values, need * form.size), form.size
        if layout in _TEMPORAL:
            convert = _midnight if (layout, kind) == (const.LAYOUT_TIMESTAMP, const.KIND_DATE) else _TEMPORAL[layout]
            if scale not in _UNITS and layout not in (const.LAYOUT_DATE32, const.LAYOUT_DATE64):
                raise self._short()
            if convert is _midnight:
                self._many = sourceblock_py.mapped(memory, "q", lambda units: measured(_midnight(units, scale, 0, 0)))
            elif layout == const.LAYOUT_TIMESTAMP and scale == const.US_PER_SECOND:
                self._width = 8
                self._pack = sourceblock_py.shifted(memory, 8, const.EPOCH_US)
            return lambda index, row, column: convert(form.unpack_from(memory, index * size)[0], scale, row, column)
        encode = wire.encoder((kind, 0, None, ()))
        if layout == const.LAYOUT_BOOL_BYTES:
            return lambda index, row, column: b"\1" if memory[index] else b"\0"
        if layout == const.LAYOUT_F64 and kind == const.KIND_FLOAT8:
            return lambda index, row, column: bytes(memory[index * 8 : index * 8 + 8])[::-1]
        if layout == const.LAYOUT_F32 and kind == const.KIND_FLOAT4:
            return lambda index, row, column: bytes(memory[index * 4 : index * 4 + 4])[::-1]
        made = float if kind == const.KIND_FLOAT8 else lambda value: value
        return lambda index, row, column: encode(made(form.unpack_from(memory, index * size)[0]), row, column)

    def _decimals(self, width: int, digits: int, values: Any, scale: int, need: int) -> Getter:
        if not 0 <= scale <= digits:
            raise self._short()
        memory = self._measured(values, need * width)

        def get(index: int, row: int, column: int) -> bytes | None:
            value = int.from_bytes(memory[index * width : (index + 1) * width], "little", signed=True)
            return wire.numeric_wire(value < 0, str(abs(value)), scale)

        return get

    def _intervals(self, values: Any, need: int) -> Getter:
        memory = self._measured(values, need * 16)

        def get(index: int, row: int, column: int) -> bytes:
            months, days, ns = MONTH_DAY_NANO.unpack_from(memory, index * 16)
            if ns % 1000:
                raise fault(faults.FAULT_SUBMICROSECOND, row, column, ns)
            return forms.INTERVAL.pack(ns // 1000, days, months)

        return get

    def _spans(self, form: Struct, kind: int, values: Any, offsets: Any, need: int) -> Getter:
        memory, size = self._measured(values, 0), form.size
        ends = self._measured(offsets, (need + 1) * size)
        if kind not in (const.KIND_NUMERIC, const.KIND_JSONB):
            self._many = sourceblock_py.texts(memory, ends, "i" if size == 4 else "q", kind != const.KIND_BYTES)

        def get(index: int, row: int, column: int) -> bytes:
            start = form.unpack_from(ends, index * size)[0]
            stop = form.unpack_from(ends, index * size + size)[0]
            if not 0 <= start <= stop <= len(memory):
                raise fault(faults.FAULT_SOURCE_BUFFER, row, column)
            return bytes(memory[start:stop])

        return get

    def _views(self, kind: int, offsets: Any, variadic: Any, need: int) -> Getter:
        views = self._measured(offsets, need * 16)
        long_values = [_raw(buffer) for buffer in variadic]
        if kind not in (const.KIND_NUMERIC, const.KIND_JSONB):
            self._many = sourceblock_py.views(views, long_values, kind != const.KIND_BYTES)

        def get(index: int, row: int, column: int) -> bytes:
            length, _prefix, which, start = Struct("<iiii").unpack_from(views, index * 16)
            if 0 <= length <= 12:
                return bytes(views[index * 16 + 4 : index * 16 + 4 + length])
            if length < 0 or not 0 <= which < len(long_values) or start < 0 or start + length > len(long_values[which]):
                raise fault(faults.FAULT_SOURCE_BUFFER, row, column)
            return bytes(long_values[which][start : start + length])

        return get

    def _text(self, extent: Getter, kind: int) -> Getter:
        if kind == const.KIND_NUMERIC:
            return lambda index, row, column: wire.numeric_from_text(extent(index, row, column), row, column)
        prefix = b"\1" if kind == const.KIND_JSONB else b""
        refuses_nul = kind != const.KIND_BYTES

        def get(index: int, row: int, column: int) -> bytes:
            data: bytes = extent(index, row, column)
            if refuses_nul and 0 in data:
                raise fault(faults.FAULT_NUL, row, column, data)
            return prefix + data

        return get


def source_lists(sources: Sequence[Source], start: int, stop: int) -> Lists:
    """The fields of rows start:stop of all columns, as `block_py` has them; or one of the doubts of `tuples_py`."""
    made: Lists = []
    stretch: list[tuple[int, bytes]] = []
    for source in sources:
        packed = source.packed(start, stop)
        if packed is not None:
            stretch.append(packed)
            continue
        if stretch:
            made.append(fixed_fields(stretch, stop - start))
            stretch = []
        made += source.lists(start, stop)
    if stretch:
        made.append(fixed_fields(stretch, stop - start))
    return made
