"""Columnar data of any layout as binary COPY, its buffers sometimes shorter or otherwise than announced.

Input: choices for columns, then the contents of their buffers.
"""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any, Final

from pgfast import const

from .both import agree, outcome
from .choices import Choices
from .values import value_for
from .wire import bent, made_spec, scalar, with_records

#: Bytes of one value.
_WIDTHS: Final = {
    **dict.fromkeys((const.LAYOUT_BOOL_BYTES, const.LAYOUT_I8, const.LAYOUT_U8), 1),
    **dict.fromkeys((const.LAYOUT_I16, const.LAYOUT_U16), 2),
    **dict.fromkeys(
        (const.LAYOUT_I32, const.LAYOUT_U32, const.LAYOUT_F32, const.LAYOUT_DATE32, const.LAYOUT_TIME32), 4
    ),
    **dict.fromkeys(
        (const.LAYOUT_I64, const.LAYOUT_U64, const.LAYOUT_F64, const.LAYOUT_DATE64, const.LAYOUT_TIME64), 8
    ),
    **dict.fromkeys((const.LAYOUT_TIMESTAMP, const.LAYOUT_DURATION), 8),
    **dict.fromkeys((const.LAYOUT_DECIMAL128, const.LAYOUT_MONTH_DAY_NANO, const.LAYOUT_FIXED), 16),
    const.LAYOUT_DECIMAL256: 32,
}
_TIMES: Final = (const.LAYOUT_DATE64, const.LAYOUT_TIME32, const.LAYOUT_TIME64, const.LAYOUT_TIMESTAMP)
_INDICES: Final = (
    *(const.LAYOUT_I8, const.LAYOUT_U8, const.LAYOUT_I16, const.LAYOUT_U16),
    *(const.LAYOUT_I32, const.LAYOUT_U32, const.LAYOUT_I64, const.LAYOUT_U64),
)
_PAIRS: Final = sorted(const.COLUMN_PAIRS)
_NUMERALS: Final = tuple(
    b". - 5 1e5 1.50 -0.0001 nan -inf Infinity 0e99 1e131071 1e131072 1e-16383 0x10 1_0 12345678901234567890.5".split()
)
_LONGEST: Final = 12  # bytes of a value that stands in its view

Source = tuple[Any, ...]


def run(data: bytes) -> None:
    """Some columns written."""
    c = Choices(data)
    rows = c.below(13)
    start = c.below(rows + 1)
    stop = rows + c.rarely() if c.flag() else start + c.below(rows - start + 1)
    limit = c.pick((1 << 20, 1 << 20, 60, 1))
    columns = [_column(c, rows) for _ in c.times(3)]
    if c.rarely():
        start, stop = c.number(4, signed=True), c.number(4, signed=True)
    agree(lambda module: _written(module, columns, start, stop, limit))


def _written(module: ModuleType, columns: list[Source], start: int, stop: int, limit: int) -> Any:
    out = module.WriteBuffer(64)
    out.begin_copy()
    mine = [(layout, with_records(spec, module), *rest) for layout, spec, *rest in columns]
    result = outcome(lambda: module.encode_copy_columns(out, mine, start, stop, limit))
    out.end_copy()
    return result, bytes(out.take())


def _column(c: Choices, rows: int) -> Source:
    offset = c.below(10)
    need = rows + offset
    validity = None if c.flag() else c.take((need + 7) // 8).ljust((need + 7) // 8, b"\xaa")
    how = c.below(16)
    if how == 0:
        spec = made_spec(c)
        objects = [value_for(c, spec) for _ in range(need)]
        return const.LAYOUT_OBJECT, spec, rows, offset, validity, objects, None, 0, (), None
    if how == 1:
        return const.LAYOUT_NULL, made_spec(c), rows, offset, None, None, None, 0, (), None
    layout, kind = c.pick(_PAIRS)
    spec = scalar(kind)
    if how < 5:
        return _coded(c, layout, kind, (rows, offset, need), validity)
    values, offsets, scale, variadic = _buffers(c, layout, need, kind == const.KIND_NUMERIC)
    if how == 5 and isinstance(values, bytes):
        values = bent(c, values)
    elif how == 6 and offsets is not None:
        offsets = bent(c, offsets)
    elif how == 7 and variadic:
        variadic = (bent(c, variadic[0]),)
    elif how == 8 and validity is not None:
        validity = bent(c, validity)
    elif how == 9:
        scale = c.number(4, signed=True)
    return layout, spec, rows, offset, validity, values, offsets, scale, variadic, None


def _coded(c: Choices, layout: int, kind: int, sizes: tuple[int, int, int], validity: bytes | None) -> Source:
    """Indices into a dictionary of such values."""
    rows, offset, need = sizes
    inner, entries = c.below(4), 1 + c.below(5)
    values, offsets, scale, variadic = _buffers(c, layout, entries + inner, kind == const.KIND_NUMERIC)
    known = None if c.flag() else c.take(2).ljust(2, b"\xaa")
    dictionary = (layout, scalar(kind), entries, inner, known, values, offsets, scale, variadic, None)
    index = c.pick(_INDICES)
    width = _WIDTHS[index]
    codes = [c.number(width) if c.rarely() else c.below(entries) for _ in range(need)]
    packed = b"".join([(code & (1 << 8 * width) - 1).to_bytes(width, "little") for code in codes])
    return index, scalar(kind), rows, offset, validity, packed, None, 0, (), dictionary


def _buffers(c: Choices, layout: int, need: int, numerals: bool) -> tuple[Any, Any, int, tuple[Any, ...]]:
    """(values, offsets, scale, variadic) of so many values."""
    if layout == const.LAYOUT_BOOL_BITS:
        return c.take((need + 7) // 8).ljust((need + 7) // 8, b"\0"), None, 0, ()
    if layout in _WIDTHS:
        width = _WIDTHS[layout]
        scale = c.pick((1, 1000, 10**6, 10**9)) if layout in (*_TIMES, const.LAYOUT_DURATION) else 0
        if layout in (const.LAYOUT_DECIMAL128, const.LAYOUT_DECIMAL256):
            scale = c.below(39 if layout == const.LAYOUT_DECIMAL128 else 77)
        if layout == const.LAYOUT_FIXED:
            scale = width
        return b"".join([_fixed(c, layout, width, scale) for _ in range(need)]), None, scale, ()
    texts = [c.pick(_NUMERALS) if numerals and c.flag() else c.take(c.below(24)) for _ in range(need)]
    if layout == const.LAYOUT_VIEW:
        return (None, *_views(texts))
    ends = [0]
    for text in texts:
        ends.append(ends[-1] + len(text))
    packed = struct.pack(f"<{need + 1}{'i' if layout == const.LAYOUT_VAR32 else 'q'}", *ends)
    return b"".join(texts), packed, 0, ()


def _fixed(c: Choices, layout: int, width: int, scale: int) -> bytes:
    """One value: any bytes, or a small number, which for a time is more often one that there is."""
    if c.flag():
        return c.take(width).ljust(width, b"\0")
    small = c.number(2, signed=True) * (86400 * scale if layout in _TIMES and c.flag() else 1)
    if layout == const.LAYOUT_BOOL_BYTES:
        small &= 1
    return (small & (1 << 8 * width) - 1).to_bytes(width, "little")


def _views(texts: list[bytes]) -> tuple[bytes, int, tuple[bytes, ...]]:
    pool, views = b"", b""
    for text in texts:
        if len(text) <= _LONGEST:
            views += struct.pack("<i12s", len(text), text)
        else:
            views += struct.pack("<i4sii", len(text), text[:4], 0, len(pool))
            pool += text
    return views, 0, (pool,)
