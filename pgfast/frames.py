"""Columnar results as NumPy arrays, pandas frames and polars frames.

Law of this file: it may import those libraries and is imported only by the methods of `Columns` that need them.
Numbers, dates and times are views of the codec's memory as long as nothing is NULL and there is one batch; objects
are made only for columns that have no other form.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np

from .arrow import Family, arrow_type
from .arrow.objects import TEMPORAL
from .columns import DECIMAL128_DIGITS
from .errors import NotSupportedError
from .types.intervals import make_interval
from .values import Interval

if TYPE_CHECKING:
    import pandas
    import polars

    from .arrow import ArrowField
    from .codec import ColumnBuffers
    from .columns import Columns

    Array = np.ndarray[Any, Any]
    Pieces = tuple[Array, Array | None]  # values, and a mask that is True where they are NULL

_DTYPES: Final = {
    "s": "<i2",
    "i": "<i4",
    "l": "<i8",
    "I": "<u4",
    "L": "<u8",
    "f": "<f4",
    "g": "<f8",
    "ttu": "<m8[us]",
    "tsu:": "<M8[us]",
    "tsu:UTC": "<M8[us]",
}
_INTERVAL: Final = np.dtype([("months", "<i4"), ("days", "<i4"), ("ns", "<i8")])


def _mask(buffers: ColumnBuffers) -> Array | None:
    length, _nulls, validity = buffers[:3]
    if validity is None:
        return None
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little", count=length)
    mask: Array = bits == 0
    return mask


def _spans(buffers: ColumnBuffers) -> Iterator[bytes]:
    offsets, data = buffers[3:5]
    assert offsets is not None
    assert data is not None
    ends = offsets.cast("B").cast("i").tolist()
    raw = bytes(data)
    return (raw[start:stop] for start, stop in pairwise(ends))


def _chunks(buffers: ColumnBuffers, size: int) -> Iterator[bytes]:
    raw = bytes(buffers[4] or b"")
    return (raw[at : at + size] for at in range(0, len(raw), size))


def _decimals(buffers: ColumnBuffers, precision: int, scale: int) -> list[Any]:
    size = 16 if precision <= DECIMAL128_DIGITS else 32
    return [Decimal(f"{int.from_bytes(raw, 'little', signed=True)}E-{scale}") for raw in _chunks(buffers, size)]


def _lists(field: ArrowField, buffers: ColumnBuffers) -> list[Any]:
    offsets = buffers[3]
    assert offsets is not None
    ends = offsets.cast("B").cast("i").tolist()
    items = _objects(field.children[0], buffers[5][0])
    return [items[start:stop] for start, stop in pairwise(ends)]


def _structs(field: ArrowField, buffers: ColumnBuffers) -> list[Any]:
    names = [child.name for child in field.children]
    columns = [_objects(child, part) for child, part in zip(field.children, buffers[5], strict=True)]
    if not columns:
        return [{} for _ in range(buffers[0])]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _labels(field: ArrowField, buffers: ColumnBuffers) -> list[Any]:
    """The labels that an enum's indices stand for."""
    assert field.dictionary is not None
    assert buffers[6] is not None
    labels = [*_raw_objects(field.dictionary, buffers[6]), None]  # NULLs have an index too, and there may be no labels
    return [labels[index] for index in np.frombuffer(buffers[4] or b"", "<i4").tolist()]


def _raw_objects(field: ArrowField, buffers: ColumnBuffers) -> list[Any]:
    """The values as Python objects; those that are NULL are anything."""
    if field.dictionary is not None:
        return _labels(field, buffers)
    if field.format == "u":
        return [raw.decode() for raw in _spans(buffers)]
    if field.format == "z":
        return list(_spans(buffers))
    if field.format == "w:16":
        return [UUID(bytes=raw) for raw in _chunks(buffers, 16)]
    if field.format == "tin":
        parts = np.frombuffer(buffers[4] or b"", _INTERVAL).tolist()
        return [make_interval(months, days, ns // 1000) for months, days, ns in parts]
    if field.format == "+l":
        return _lists(field, buffers)
    if field.format == "+s":
        return _structs(field, buffers)
    if field.format.startswith("d:"):
        precision, scale = [int(part) for part in field.format[2:].split(",")[:2]]
        return _decimals(buffers, precision, scale)
    kind = arrow_type(field)
    if kind.layout in TEMPORAL:  # not NumPy's: its objects know no infinity and no time zone
        convert, zone = TEMPORAL[kind.layout], timezone.utc if kind.family is Family.TIMESTAMPTZ else None
        numbers = np.frombuffer(buffers[4] or b"", f"<i{kind.width}", buffers[0]).tolist()
        return [convert(number, kind.scale, zone) for number in numbers]
    values: list[Any] = _fixed(field, buffers).tolist()
    return values


def _objects(field: ArrowField, buffers: ColumnBuffers) -> list[Any]:
    """The values as Python objects, None for NULL."""
    values, mask = _raw_objects(field, buffers), _mask(buffers)
    if mask is not None:
        for index in np.flatnonzero(mask).tolist():
            values[index] = None
    return values


def _object_array(values: list[Any]) -> Array:
    made: Array = np.empty(len(values), object)
    for index, value in enumerate(values):  # not made[:] = values, which would look into lists of one length
        made[index] = value
    return made


def _fixed(field: ArrowField, buffers: ColumnBuffers) -> Array:
    """The values of a fixed-width column as an array over the codec's memory."""
    length, data = buffers[0], buffers[4]
    memory = b"" if data is None else data
    if field.format == "b":
        bits: Array = np.unpackbits(np.frombuffer(memory, np.uint8), bitorder="little", count=length)
        return bits.astype(bool)
    if field.format == "tdD":
        return np.frombuffer(memory, "<i4", length).astype("M8[D]")
    return np.frombuffer(memory, _DTYPES[field.format], length)


def _pieces(columns: Columns, index: int) -> Pieces:
    """The column's values in one array and its mask; objects hold None themselves and have none."""
    field = columns.fields[index]
    batches = [batch.buffers[index] for batch in columns.batches]
    if field.dictionary is not None or (field.format not in _DTYPES and field.format not in ("b", "tdD")):
        return _object_array([value for buffers in batches for value in _objects(field, buffers)]), None
    arrays = [_fixed(field, buffers) for buffers in batches]
    values = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    masks = [_mask(buffers) for buffers in batches]
    if all(mask is None for mask in masks):
        return values, None
    whole = [np.zeros(len(array), bool) if mask is None else mask for array, mask in zip(arrays, masks, strict=True)]
    joined: Array = np.concatenate(whole)
    return values, joined


def _without(values: Array, mask: Array) -> Array:
    """A copy with NaN or NaT where the mask is set."""
    made: Array = values.copy()
    made[mask] = np.nan if values.dtype.kind == "f" else np.array("NaT", values.dtype)
    return made


def numpy_columns(columns: Columns) -> dict[str, Array]:
    """What `Columns.to_numpy` gives."""
    made: dict[str, Array] = {}
    for index, field in enumerate(columns.fields):
        values, mask = _pieces(columns, index)
        if mask is not None:
            values = _without(values, mask) if values.dtype.kind in "fMm" else np.ma.masked_array(values, mask)
        made[field.name] = values
    return made


def pandas_frame(columns: Columns) -> pandas.DataFrame:
    """What `Columns.to_pandas` gives."""
    import pandas as pd

    series: list[Any] = []
    for index, field in enumerate(columns.fields):
        values, mask = _pieces(columns, index)
        made: Any = values
        if values.dtype.kind == "M":
            values = values.astype("M8[s]") if field.format == "tdD" else values
            made = pd.Series(values if mask is None else _without(values, mask))
            made = made.dt.tz_localize("UTC") if field.format == "tsu:UTC" else made
        elif mask is not None and values.dtype.kind in "fm":
            made = _without(values, mask)
        elif mask is not None:
            extension = pd.arrays.BooleanArray if values.dtype.kind == "b" else pd.arrays.IntegerArray
            made = extension(values.copy(), mask)
        series.append(pd.Series(made))
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(len(columns)))
    frame.columns = pd.Index(columns.column_names)
    return frame


def _check_polars(field: ArrowField, column: str, depth: int = 0) -> None:
    """Raise NotSupportedError for what polars has no type for; intervals that stand alone become durations."""
    if depth and field.format == "tin":
        raise NotSupportedError(f"column {column}: polars has no type for intervals inside of others; cast it to text")
    if field.format.startswith("d:") and field.format.endswith(",256"):
        raise NotSupportedError(f"column {column}: polars has no decimals of more than 38 digits; cast it to text")
    for child in field.children:
        _check_polars(child, column, depth + 1)


def polars_frame(columns: Columns) -> polars.DataFrame:
    """What `Columns.to_polars` gives. polars reads no Arrow intervals, so these columns go through objects."""
    import polars as pl

    from .columns import Columns

    durations: dict[str, Any] = {}
    kept: list[int] = []
    for index, field in enumerate(columns.fields):
        _check_polars(field, field.name)
        if field.format != "tin":
            kept.append(index)
            continue
        values = [value for batch in columns.batches for value in _objects(field, batch.buffers[index])]
        if any(isinstance(value, Interval) for value in values):
            raise NotSupportedError(
                f"column {field.name}: polars has no type for intervals with months; cast it in the query"
            )
        durations[field.name] = pl.Series(field.name, values, pl.Duration("us"))
    if not durations:
        return pl.DataFrame(columns)
    batches = [(batch.rows, [batch.buffers[index] for index in kept]) for batch in columns.batches]
    frame = pl.DataFrame(Columns([columns.fields[index] for index in kept], batches)) if kept else pl.DataFrame()
    return frame.with_columns(**durations).select(columns.column_names)
