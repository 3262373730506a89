"""Columnar results: what a query gives, in Arrow layout, and the ways out of it.

Law of this file: the buffers are those the codec decoded the wire into; nothing here touches a value that nobody
asked to see as a Python object. Other libraries are imported only by the method that is named after them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import const
from .arrow import ArrowField, array_capsule, schema_capsule, stream_capsule
from .arrow.tables import arrow_batches
from .codec import ColumnSink, decode_columns
from .errors import DataError, InterfaceError, reason
from .types.catalogue import TypeInfo
from .types.registry import Rules

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow

    from .codec import ColumnBuffers, SinkSpec

#: Most digits a decimal128 and a decimal256 hold.
DECIMAL128_DIGITS: Final = 38
DECIMAL256_DIGITS: Final = 76


class ResultField(Protocol):
    """What a columnar result needs of a RowDescription field."""

    @property
    def name(self) -> str: ...
    @property
    def type_oid(self) -> int: ...
    @property
    def typmod(self) -> int: ...


def decimal_shape(typmod: int) -> tuple[int, int]:
    """(precision, scale) of the decimal that holds every value of a numeric with this typmod.

    (0, 0) where none does.

    numeric without typmod, and of more than 76 digits, becomes exact text instead: its values may have any scale. A
    negative scale becomes digits before the point, a scale beyond the precision a wider precision. (server:
    numeric.c, numeric_typmod_precision and _scale)
    """
    if typmod < 4:
        return 0, 0
    precision = (typmod - 4) >> 16 & 0xFFFF
    scale = (((typmod - 4) & 0x7FF) ^ 1024) - 1024
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    return (precision, scale) if precision <= DECIMAL256_DIGITS else (0, 0)


def is_columnar(info: TypeInfo | None) -> bool:
    """Whether a column of the type, and all it is made of, has an Arrow layout of its own; else it comes as text."""
    return info is not None and bool(info.arrow) and info.binary_out


def _shape(info: TypeInfo, typmod: int, decimals: tuple[int, int] | None) -> tuple[int, int]:
    if info.kind != const.KIND_NUMERIC:
        return 0, 0
    typmod = info.typmod if typmod < 0 else typmod
    return decimal_shape(typmod) if typmod >= 0 else decimals or (0, 0)


def _parts(info: TypeInfo, typmod: int) -> Iterator[tuple[str, TypeInfo, int]]:
    """(name, type, typmod) of what the type is made of: an array's typmod is its elements'."""
    if info.kind == const.KIND_COMPOSITE:
        yield from zip(info.names, info.children, info.typmods, strict=True)
    elif info.kind in (const.KIND_ARRAY, const.KIND_VECTOR):
        yield "item", info.children[0], typmod


def sink_spec(info: TypeInfo | None, typmod: int, decimals: tuple[int, int] | None = None) -> SinkSpec:
    """How a column of this type is gathered. `decimals` is the (precision, scale) for numerics without any."""
    if info is None or not is_columnar(info):
        return (const.KIND_STR, 0, 0, 0, (), ())
    parts = tuple([sink_spec(part, inner, decimals) for _name, part, inner in _parts(info, typmod)])
    labels = tuple([label.encode() for label in info.names]) if info.kind == const.KIND_ENUM else ()
    return (info.kind, info.oid, *_shape(info, typmod, decimals), parts, labels)


def arrow_field(name: str, info: TypeInfo | None, typmod: int, decimals: tuple[int, int] | None = None) -> ArrowField:
    """The Arrow field that goes with `sink_spec`."""
    if info is None or not is_columnar(info):
        return ArrowField(name, "u")
    precision, scale = _shape(info, typmod, decimals)
    text = info.arrow
    if precision:
        text = f"d:{precision},{scale}" + (",256" if precision > DECIMAL128_DIGITS else "")
    metadata = {"ARROW:extension:name": info.extension, "ARROW:extension:metadata": ""} if info.extension else {}
    parts = tuple([arrow_field(part, inner, mod, decimals) for part, inner, mod in _parts(info, typmod)])
    labels = ArrowField("", "u") if info.kind == const.KIND_ENUM else None
    return ArrowField(name, text, metadata=metadata, children=parts, dictionary=labels)


def _loaded_pyarrow() -> Any:
    """pyarrow where the program has imported it, else None.

    Its exporter is then taken instead of ours: ours calls back into Python to let memory go, and where that happens
    while a consumer's exception is on its way, ctypes loses the exception (see arrow.cdata).
    """
    return sys.modules.get("pyarrow")


class Batch:
    """One batch of a columnar result, a record batch to those who ask by `__arrow_c_array__`."""

    __slots__ = ("_schema", "buffers", "rows")

    def __init__(self, schema: ArrowField, rows: int, buffers: Sequence[ColumnBuffers]) -> None:
        self._schema = schema
        self.rows = rows
        self.buffers = buffers

    def __len__(self) -> int:
        return self.rows

    def __arrow_c_schema__(self) -> object:
        return schema_capsule(self._schema)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        if _loaded_pyarrow() is not None:
            _schema, (batch,) = arrow_batches(self._schema, [(self.rows, self.buffers)])
            capsules: tuple[object, object] = batch.__arrow_c_array__(requested_schema)
            return capsules
        return schema_capsule(self._schema), array_capsule(self.rows, self.buffers)


class Columns:
    """The result of a query as columns in Arrow layout.

    Anything that reads the Arrow PyCapsule interface takes it as it is, without pyarrow: `polars.DataFrame(columns)`,
    `pyarrow.table(columns)`, `duckdb.from_arrow(columns)`; so does `Connection.load`. The memory is shared, not
    copied, and must not be changed.

    Types: numeric(p,s) is decimal128(p,s), decimal256 beyond 38 digits, and numeric without (p,s) exact text, unless
    the policy `decimals` says otherwise; timestamptz is in UTC; uuid and json carry the Arrow extension types
    arrow.uuid and arrow.json; arrays of one dimension are lists, composites structs, enums dictionaries of their
    labels. What has no Arrow type of its own (timetz, ranges, networks, geometry ..., and containers of these) is the
    server's text. Infinite dates and timestamps are the smallest and largest integers of their width. docs/arrow.md
    lists every type.
    """

    __slots__ = ("_schema", "batches")

    def __init__(self, fields: Sequence[ArrowField], batches: Sequence[tuple[int, Sequence[ColumnBuffers]]]) -> None:
        self._schema = ArrowField("", "+s", nullable=False, children=tuple(fields))
        self.batches: tuple[Batch, ...] = tuple([Batch(self._schema, rows, buffers) for rows, buffers in batches])

    @property
    def fields(self) -> tuple[ArrowField, ...]:
        """Name, Arrow format and metadata of each column."""
        return self._schema.children

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [field.name for field in self.fields]

    def __len__(self) -> int:
        """The number of rows."""
        return sum(batch.rows for batch in self.batches)

    def __repr__(self) -> str:
        return f"<pgfast.Columns of {len(self)} rows: {', '.join(self.column_names)}>"

    def __arrow_c_schema__(self) -> object:
        return schema_capsule(self._schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A capsule of an ArrowArrayStream.

        Casting to a requested schema is left to the consumer, as the interface allows, unless pyarrow can do it.
        """
        if (pa := _loaded_pyarrow()) is not None:
            reader = pa.RecordBatchReader.from_batches(*self._arrow_batches())
            capsule: object = reader.__arrow_c_stream__(requested_schema)
            return capsule
        return stream_capsule(self._schema, [(batch.rows, list(batch.buffers)) for batch in self.batches])

    def to_numpy(self) -> dict[str, numpy.ndarray[Any, Any]]:
        """One NumPy array for each column, by name.

        Without NULLs: the numbers' own dtypes, bool, datetime64[D] for date, datetime64[us] for timestamps
        (timestamptz in UTC), timedelta64[us] for time of day; everything else is an array of objects (str, bytes,
        Decimal, UUID, timedelta or Interval, list). With NULLs: floats have NaN, dates and times NaT, objects None,
        and integers and bools come as a masked array. Numbers are not copied where the result is one batch. Infinite
        dates and timestamps are the first and last of their width, which for the timestamp '-infinity' is NumPy's NaT.
        In lists and dicts (of arrays and composites) values are Python's own, and the server's text where a date or
        timestamp is none of Python's.
        """
        _required("numpy", "numpy")
        from .frames import numpy_columns

        self._check_names()
        return numpy_columns(self)

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas DataFrame, made without pyarrow.

        As `to_numpy`, but integers and bools with NULLs have pandas' nullable dtypes, timestamptz the time zone UTC,
        and dates are datetime64[s].
        """
        _required("pandas", "pandas")
        from .frames import pandas_frame

        return pandas_frame(self)

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame that shares the memory, made without pyarrow.

        Intervals become Duration, a day being 24 hours; polars has no type for those with months, which are a
        NotSupportedError.
        """
        _required("polars", "polars")
        from .frames import polars_frame

        return polars_frame(self)

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table that shares the memory."""
        made: pyarrow.Table = _required("pyarrow", "arrow").Table.from_batches(*self._arrow_batches()[::-1])
        return made

    def _arrow_batches(self) -> tuple[Any, list[Any]]:
        return arrow_batches(self._schema, [(batch.rows, batch.buffers) for batch in self.batches])

    def _check_names(self) -> None:
        names = self.column_names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InterfaceError(f"two columns are named {twice!r}; name them apart in the query")


def _required(library: str, extra: str) -> Any:
    try:
        return import_module(library)
    except ImportError as exc:
        raise ImportError(f"{library} is not installed; pip install 'pgfast[{extra}]'") from exc


class ColumnsConsumer:
    """A consumer of `operations.execute` that gathers the rows into columns."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._fields: list[ArrowField] | None = None
        self._sink = ColumnSink([])
        self._batches: list[tuple[int, list[ColumnBuffers]]] = []

    def formats(self, fields: Sequence[ResultField], rules: Rules) -> bytes:
        """Binary wherever the type has an Arrow layout; all else comes as the server's own text."""
        known = [is_columnar(rules.info(field.type_oid)) for field in fields]
        return pack(f">{len(known)}h", *[const.BINARY if binary else const.TEXT for binary in known])

    def begin(self, fields: Sequence[ResultField], rules: Rules) -> None:
        """Make a sink for these columns; whatever was gathered before is dropped."""
        decimals = rules.policies.decimals
        columns = [(field, rules.info(field.type_oid)) for field in fields]
        self._fields = [arrow_field(field.name, info, field.typmod, decimals) for field, info in columns]
        self._sink = ColumnSink([sink_spec(info, field.typmod, decimals) for field, info in columns])
        self._batches = []

    def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        """Decode a run of DataRow."""
        try:
            while True:
                start = decode_columns(self._sink, block, start, stop, count)
                if start >= stop:
                    return
                self._batches.append(self._sink.cut())
        except DataError as exc:
            raise self._named(exc) from exc.__cause__

    def _named(self, exc: DataError) -> DataError:
        """The error with the column's name instead of its number."""
        info = exc.fault
        if info is None or info.column < 0 or self._fields is None:
            return exc
        named = DataError(f"column {self._fields[info.column].name}: {reason(info.code, info.at, info.value)}")
        named.fault = info
        return named

    def columns(self) -> Columns | None:
        """What was gathered; None where the statement gave no rows to gather."""
        if self._fields is None:
            return None
        if self._sink.rows or not self._batches:
            self._batches.append(self._sink.cut())
        return Columns(self._fields, self._batches)
