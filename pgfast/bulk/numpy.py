"""Loading a dict of columns: NumPy arrays, or lists.

Law of this file: NumPy is imported only when one of its arrays is there. NaT and pandas' NA are NULL; NaN is NaN, as
it is in the server; a masked value is NULL. datetime64 counts from 1970-01-01 00:00 UTC and goes to timestamptz as
such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .. import const
from ..arrow.schema import STORABLE, Family
from ..arrow.source import float32_numeric
from ..errors import DataError, InterfaceError
from .arrays import OBJECT_ROWS, binary_blocks
from .chunks import column_chunks
from .feed import BINARY, TEXT, Chunk, Place, copy_options
from .missing import spec_without_missing, without_missing
from .report import Meter
from .rows import text_blocks
from .target import Target

if TYPE_CHECKING:
    from ..codec import SourceColumn, Spec

_LAYOUTS: Final = {
    "b1": const.LAYOUT_BOOL_BYTES,
    "i1": const.LAYOUT_I8,
    "i2": const.LAYOUT_I16,
    "i4": const.LAYOUT_I32,
    "i8": const.LAYOUT_I64,
    "u1": const.LAYOUT_U8,
    "u2": const.LAYOUT_U16,
    "u4": const.LAYOUT_U32,
    "u8": const.LAYOUT_U64,
    "f4": const.LAYOUT_F32,
    "f8": const.LAYOUT_F64,
}
_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FAMILIES: Final = {"b": Family.BOOL, "i": Family.INTEGER, "u": Family.INTEGER, "f": Family.FLOAT}


@dataclass(frozen=True, slots=True)
class _Native:
    """A column whose memory the kernels read."""

    layout: int
    spec: Spec
    values: memoryview
    validity: memoryview | None
    scale: int
    length: int

    def source(self, start: int, stop: int) -> SourceColumn:
        length = stop - start
        return (self.layout, self.spec, length, start, self.validity, self.values, None, self.scale, (), None)

    def objects(self, start: int, stop: int) -> list[Any]:
        raise AssertionError("a column of memory is never written as text")


@dataclass(frozen=True, slots=True)
class _Objects:
    """A column of Python objects, or of an array that gives them."""

    spec: Spec | None
    values: Any
    mask: Any
    length: int

    def source(self, start: int, stop: int) -> SourceColumn:
        assert self.spec is not None
        spec, values = spec_without_missing(self.spec), self._taken(start, stop)
        return (const.LAYOUT_OBJECT, spec, stop - start, 0, None, values, None, 0, (), None)

    def objects(self, start: int, stop: int) -> list[Any]:
        return without_missing(self._taken(start, stop))

    def _taken(self, start: int, stop: int) -> list[Any]:
        taken: Any = self.values[start:stop]
        # Times stay NumPy's: their units are finer than Python's, and the hook must see what it would lose.
        values: list[Any] = taken.tolist() if _is_array(taken) and taken.dtype.kind not in "Mm" else list(taken)
        if self.mask is not None:
            nulls = self.mask[start:stop].tolist()
            values = [None if null else value for value, null in zip(values, nulls, strict=True)]
        return values


class _Batch:
    """All columns as one batch."""

    def __init__(self, columns: list[_Native | _Objects], rows: int, path: str, source: Mapping[str, Any]) -> None:
        self.columns = columns
        self.rows = rows
        self.path = path
        self.texts: tuple[bool, ...] = ()
        self.native = all(isinstance(column, _Native) for column in columns)
        self._source = source

    def sources(self, start: int, stop: int) -> list[SourceColumn]:
        """Rows start:stop."""
        return [column.source(start, stop) for column in self.columns]

    def objects(self, start: int, stop: int) -> list[list[Any]]:
        """Rows start:stop of each column, as Python objects."""
        return [column.objects(start, stop) for column in self.columns]

    def record(self, row: int) -> dict[str, Any]:
        """A row by the names of the source's own columns."""
        return {name: _plain(values[row]) for name, values in self._source.items()}


def _plain(value: Any) -> Any:
    """A value of an array as Python has it; times of NumPy's stay as they are, which says more."""
    return value.item() if hasattr(value, "dtype") and value.dtype.kind in "biuf" and not value.ndim else value


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array_interface__")


class NumpyFeed:
    """A dict of columns of one length, matched by name."""

    kind: ClassVar[str] = "numpy"

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._columns = {str(name): _sequence(str(name), values) for name, values in source.items()}
        self._rows = len(next(iter(self._columns.values()), ()))
        self._batch = _Batch([], 0, BINARY, {})
        self._target: Target | None = None
        self._path = BINARY

    @property
    def name(self) -> str:
        """What rejects call the source."""
        return self.kind

    @property
    def again(self) -> bool:
        """Whether it can be read once more."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The keys."""
        return tuple(self._columns)

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes. Raises DataError for a dtype that fits no such column."""
        self._target, self._path = target, BINARY if target.binary else TEXT
        columns: list[_Native | _Objects] = []
        for column in target.columns:
            values = self._columns[column.key]
            if len(values) != self._rows:
                first = next(iter(self._columns))
                raise DataError(
                    f"COPY {target.table}: column {column.name} has {len(values)} values, "
                    f"column {first} has {self._rows}"
                )
            if _is_array(values) and values.ndim > 1 and values.dtype.kind not in "cV":
                values = _nested(values)
            try:
                if self._path == BINARY and column.spec is not None and _is_array(values):
                    columns.append(_array_column(values, column.spec, column.type_name))
                else:
                    columns.append(_Objects(column.spec, values, _mask(values), len(values)))
            except DataError as exc:
                raise DataError(f"COPY {target.table}, column {column.name}: {exc}") from exc
        self._batch = _Batch(columns, self._rows, self._path, self._columns)
        return self._path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(self._path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        assert self._target is not None, "prepare comes before blocks"
        if self._path == BINARY:
            return binary_blocks(self._target, iter([self._batch]), meter)
        return text_blocks(self._target, self._text_rows(), meter)

    def _text_rows(self) -> Iterator[tuple[Any, ...]]:
        for start in range(0, self._rows, OBJECT_ROWS):
            yield from zip(*self._batch.objects(start, min(start + OBJECT_ROWS, self._rows)), strict=True)

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[Chunk]:
        """The rows from a place on, in chunks."""
        assert self._target is not None, "prepare comes before chunks"
        return column_chunks(self._target, iter([self._batch]), meter, size_bytes, place, self.name)

    def close(self) -> None:
        """Nothing: the memory is the caller's."""


def _sequence(name: str, values: Any) -> Any:
    """The values as an array or a list; anything else that can give a list is asked for it."""
    if _is_array(values):
        if values.ndim == 0:
            raise InterfaceError(f"column {name} is a single value, not an array")
        return values
    if isinstance(values, (list, tuple)):
        return values
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, method):
            return getattr(values, method)()
    raise InterfaceError(f"column {name} is of type {type(values).__name__}; pass a NumPy array or a list")


def _nested(values: Any) -> list[Any]:
    """The rows of an array of several dimensions, each an array for the server; what is masked is NULL."""
    import numpy as np

    if values.dtype.kind not in "Mm":
        return list(values.tolist())
    # These stay NumPy's: tolist() would make numbers of those finer than a microsecond.
    mask = _mask(values)
    return list(values if mask is None else np.where(mask, np.array("NaT", values.dtype), np.ma.getdata(values)))


def _mask(values: Any) -> Any:
    """The mask of a masked array, None where nothing is masked."""
    mask = getattr(values, "mask", None)
    if mask is None or not _is_array(values):
        return None
    import numpy as np

    whole = np.ma.getmaskarray(values)
    return whole if whole.any() else None


def _array_column(values: Any, spec: Spec, type_name: str) -> _Native | _Objects:
    """How a NumPy array goes to a column with this spec; `type_name` is for the error."""
    import numpy as np

    kind, mask = spec[0], _mask(values)
    plain = np.ma.getdata(values) if mask is not None else np.asarray(values)
    code = plain.dtype.kind
    if code not in "biufMm":
        if code in "cV":
            raise DataError(f"dtype {plain.dtype} has no PostgreSQL counterpart; convert or drop the column")
        return _Objects(spec, plain, mask, len(plain))
    if code in "Mm":
        return _time_column(plain, spec, mask, type_name)
    if kind == const.KIND_CALL:
        return _Objects(spec, plain, mask, len(plain))
    if kind not in STORABLE[_FAMILIES[code]]:
        raise DataError(f"dtype {plain.dtype} does not fit {type_name}; convert it first")
    if plain.dtype.itemsize == 2 and code == "f":
        plain = plain.astype("f4")
    layout = _LAYOUTS.get(plain.dtype.str[1:])
    if layout == const.LAYOUT_F32 and kind == const.KIND_NUMERIC:
        return _Objects((kind, 0, float32_numeric, ()), plain, mask, len(plain))
    if layout is None or (layout, kind) not in const.COLUMN_PAIRS:
        return _Objects(spec, plain, mask, len(plain))
    return _native(plain, layout, spec, mask, 0)


def _native(values: Any, layout: int, spec: Spec, mask: Any, scale: int) -> _Native:
    import numpy as np

    native: Any = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    bits: Any = None if mask is None else np.packbits(~mask, bitorder="little")
    validity = None if bits is None else memoryview(bits)
    return _Native(layout, spec, memoryview(native.view(np.uint8)).cast("B"), validity, scale, len(native))


def _time_column(values: Any, spec: Spec, mask: Any, type_name: str) -> _Native | _Objects:
    """datetime64 and timedelta64. Units the kernels do not know become one they do, where nothing is lost by it."""
    import numpy as np

    kind, code = spec[0], values.dtype.kind
    unit, multiple = np.datetime_data(values.dtype)
    allowed = _DATETIME_KINDS if code == "M" else _TIMEDELTA_KINDS
    if kind not in allowed:
        raise DataError(f"dtype {values.dtype} does not fit {type_name}; convert it first")
    nat = np.isnat(values)
    if nat.any():
        mask = nat if mask is None else mask | nat
    if code == "M" and kind == const.KIND_DATE:
        if unit in _UNITS and multiple == 1:
            return _native(values.view("i8"), const.LAYOUT_TIMESTAMP, spec, mask, _UNITS[unit])
        if unit != "D" or multiple != 1:
            return _Objects(spec, values, mask, len(values))
        days = values.astype("i8")
        if len(days) and not -(2**31) < days[~nat].min(initial=0) <= days[~nat].max(initial=0) < 2**31:
            return _Objects(spec, values, mask, len(values))
        return _native(days.astype("i4"), const.LAYOUT_DATE32, spec, mask, 0)
    if unit in _INEXACT_UNITS or (code == "m" and unit in ("Y", "M")):
        return _Objects(spec, values, mask, len(values))
    if unit not in _UNITS or multiple != 1:
        return _time_column(values.astype(f"{code}8[{unit if unit in _UNITS else 's'}]"), spec, mask, type_name)
    layout = const.LAYOUT_TIMESTAMP if code == "M" else const.LAYOUT_DURATION
    if kind == const.KIND_TIME:
        if unit in ("s", "ms"):
            values, unit = values.astype("m8[us]"), "us"
        layout = const.LAYOUT_TIME64
    return _native(values.view("i8"), layout, spec, mask, _UNITS[unit])


_INEXACT_UNITS: Final = ("ps", "fs", "as", "generic")
_DATETIME_KINDS: Final = (const.KIND_DATE, const.KIND_TIMESTAMP, const.KIND_TIMESTAMPTZ)
#: A time of day is what `Columns.to_numpy` makes of time: the span since midnight.
_TIMEDELTA_KINDS: Final = (const.KIND_INTERVAL, const.KIND_TIME)
