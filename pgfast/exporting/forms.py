"""What a file is made of: the server's own text as it comes, or columns that pyarrow writes.

Law of this file: text is the server's, not decoded and not written a second time; JSON is only freed of what COPY has
put around it. Columns are cut into batches, each of which is written and forgotten.

Sources: PostgreSQL docs, COPY; server: copyto.c, json.c.
"""

from __future__ import annotations

import zlib
from bz2 import BZ2Compressor
from collections.abc import Callable, Sequence
from importlib import import_module
from struct import pack
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from .. import const
from ..arrow import ArrowField
from ..arrow.tables import arrow_batches
from ..codec import ColumnSink, decode_columns, decode_copy_data
from ..columns import ResultField, arrow_field, is_columnar, sink_spec
from ..errors import DataError, InternalError, NotSupportedError, reason
from ..protocol.backend import CopyResponse
from .channel import Channel
from .options import JSON_LINES, PARQUET, Layout
from .report import Meter

if TYPE_CHECKING:
    from ..codec import ColumnBuffers
    from ..types.catalogue import TypeInfo
    from ..types.registry import Rules

#: What a batch of columns may take in memory, about, and the rows of one at most. A batch is a row group.
_BATCH_BYTES: Final = 64 << 20
_BATCH_ROWS: Final = 1 << 17
_LEAST_ROWS: Final = 1 << 10
_LEAST_BYTES: Final = 1 << 20
_GZIP: Final = 31  # zlib's number for the format of gzip
_GZIP_LEVEL: Final = 6
_FRAME_BYTES: Final = 1 << 20
_INTERVAL: Final = "tin"


# ---------------------------------------------------------------- text


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    """No compression."""

    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Frames:
    """Zstandard by pyarrow: frames of a megabyte of data each, one after the other, which is a valid file."""

    def __init__(self) -> None:
        self._compress = required("pyarrow", "compressing with zstd").Codec("zstd").compress
        self._parts: list[bytes] = []
        self._size = 0

    def compress(self, data: bytes) -> bytes:
        self._parts.append(data)
        self._size += len(data)
        return self.flush() if self._size >= _FRAME_BYTES else b""

    def flush(self) -> bytes:
        data = b"".join(self._parts)
        self._parts, self._size = [], 0
        made: bytes = self._compress(data, asbytes=True) if data else b""
        return made


def _zstd() -> _Compressor:
    """The standard library's, since Python 3.14, or pyarrow's."""
    try:
        made: _Compressor = import_module("compression.zstd").ZstdCompressor()
    except ImportError:
        return _Frames()
    return made


_COMPRESSORS: Final[dict[str | None, Callable[[], _Compressor]]] = {
    None: _Plain,
    "gzip": lambda: zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP),
    "bz2": BZ2Compressor,
    "zstd": _zstd,
}


def required(library: str, what: str) -> Any:
    """The library of the extra `arrow`. Raises ImportError with what it is wanted for."""
    try:
        return import_module(library)
    except ImportError as exc:
        raise ImportError(f"{what} needs pyarrow: pip install 'pgfast[arrow]'") from exc


def unescaped(data: bytes) -> bytes:
    """JSON documents as lines, of which COPY has made lines of its text format.

    In JSON a control character stands only between values, never in a text: the newlines and tabs of a json column
    become blanks. A backslash escapes what follows it, so pairs of them are found from the left; NUL, which no text of
    the server's holds, keeps their place.
    """
    if b"\\" not in data:
        return data
    data = data.replace(b"\\\\", b"\0")
    for escape in (b"\\n", b"\\r", b"\\t"):
        data = data.replace(escape, b" ")
    return data.replace(b"\0", b"\\")


class TextForm:
    """The text of a COPY, written as it comes: the consumer of the COPY and the writer of the file in one."""

    def __init__(self, layout: Layout, file: IO[bytes], meter: Meter, threaded: bool, header: bool) -> None:
        self._file = file
        self._meter = meter
        self._json = layout.format == JSON_LINES
        self._header = header
        self._compressor = _COMPRESSORS[layout.compression]()
        self._plain = layout.compression is None
        self.notes: tuple[str, ...] = ()
        self.channel = Channel(self._write, threaded)

    def begin(self, response: CopyResponse) -> None:
        """Nothing is to be known of the columns."""

    def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        """Take a run of CopyData, each a row."""
        data = decode_copy_data(block, start, stop, count)
        if self._header:
            self._header = False
            count -= 1
        if self.channel.counted(self._meter, count, len(data)):
            self.channel.put(data, len(data))

    def _write(self, data: bytes) -> None:
        if self._json:
            data = unescaped(data)
        self._file.write(data if self._plain else self._compressor.compress(data))

    def finish(self, rows: int) -> None:
        """Complete the file, after the server has said how many rows there were."""
        self.channel.end()
        self._file.write(self._compressor.flush())
        self._file.close()


# ---------------------------------------------------------------- columns


def _beyond_parquet(field: ArrowField) -> bool:
    """Whether Parquet has no type for such a column: intervals, and composites without attributes."""
    return (
        field.format == _INTERVAL
        or (field.format == "+s" and not field.children)
        or any(map(_beyond_parquet, field.children))
    )


class ColumnForm:
    """Columns of a query, in batches: the consumer of its rows and the writer of the file in one."""

    def __init__(self, layout: Layout, file: IO[bytes], meter: Meter, threaded: bool, spool: bool = False) -> None:
        self._layout = layout
        self._file = file
        self._meter = meter
        self._spool = spool
        self._fields: list[ArrowField] = []
        self._schema = ArrowField("", "+s", nullable=False)
        self._sink = ColumnSink([])
        self._writer: BatchWriter | None = None
        self._rows = 0
        self._bytes_told = 0
        self.notes: tuple[str, ...] = ()
        required("pyarrow", f"writing {layout.format}")
        self.channel = Channel(self._write, threaded)

    def _known(self, field: ResultField, info: TypeInfo | None) -> TypeInfo | None:
        """The type where the file can hold it as such; else the column is the server's text."""
        if info is None or not is_columnar(info):
            return None
        made = arrow_field(field.name, info, field.typmod)
        return None if self._layout.format == PARQUET and _beyond_parquet(made) else info

    def formats(self, fields: Sequence[ResultField], rules: Rules) -> bytes:
        """Binary wherever the type has a place in the file; all else comes as the server's own text."""
        codes = [self._known(field, rules.info(field.type_oid)) is not None for field in fields]
        return pack(f">{len(codes)}h", *[const.BINARY if binary else const.TEXT for binary in codes])

    def begin(self, fields: Sequence[ResultField], rules: Rules) -> None:
        """Make a sink for these columns, and the head of the file."""
        if self._rows:
            raise InternalError("the rows of an export began a second time")
        decimals = rules.policies.decimals
        infos = [rules.info(field.type_oid) for field in fields]
        known = [self._known(field, info) for field, info in zip(fields, infos, strict=True)]
        self.notes = tuple(
            [
                f"column {field.name} ({info.name}) is text: Parquet has no type for it"
                for field, info, kept in zip(fields, infos, known, strict=True)
                if info is not None and is_columnar(info) and kept is None
            ]
        )
        pairs = list(zip(fields, known, strict=True))
        self._fields = [arrow_field(field.name, info, field.typmod, decimals) for field, info in pairs]
        self._schema = ArrowField("", "+s", nullable=False, children=tuple(self._fields))
        width = max(len(fields), 1)
        self._sink = ColumnSink(
            [sink_spec(info, field.typmod, decimals) for field, info in pairs],
            max(min(_BATCH_ROWS, _BATCH_BYTES // (16 * width)), _LEAST_ROWS),
            max(_BATCH_BYTES // width, _LEAST_BYTES),
        )

    def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        """Decode a run of DataRow; batches that are full are given away."""
        if not self.channel.counted(self._meter, count, stop - start):
            return
        self._bytes_told += stop - start
        try:
            while True:
                start = decode_columns(self._sink, block, start, stop, count)
                if start >= stop:
                    return
                self._cut()
        except DataError as exc:
            named = self._named(exc)
            named.__cause__ = exc.__cause__
            self.channel.fail(named)

    def _named(self, exc: DataError) -> DataError:
        """The error with the column's name instead of its number."""
        info = exc.fault
        if info is None or info.column < 0:
            return exc
        named = DataError(f"column {self._fields[info.column].name}: {reason(info.code, info.at, info.value)}")
        named.fault = info
        return named

    def _cut(self) -> None:
        rows, buffers = self._sink.cut()
        self._rows += rows
        size_bytes, self._bytes_told = self._bytes_told, 0
        self.channel.put((rows, buffers), max(size_bytes, 1))

    def _write(self, item: tuple[int, Sequence[ColumnBuffers]]) -> None:
        schema, batches = arrow_batches(self._schema, [item])
        self._open(schema).write(batches[0])

    def _open(self, schema: Any) -> BatchWriter:
        if self._writer is None:
            self._writer = BatchWriter(self._layout, self._file, schema, self._spool)
        return self._writer

    def finish(self, rows: int) -> None:
        """Complete the file, after the server has said how many rows there were."""
        if self._sink.rows:
            self._cut()
        self.channel.end()
        if rows != self._rows:
            raise InternalError(f"the server has sent {rows} rows, and {self._rows} were written")
        self._open(arrow_batches(self._schema, [])[0]).close()


class BatchWriter:
    """Writes record batches into a Parquet or Arrow file; a part that is to be joined is an Arrow stream."""

    def __init__(self, layout: Layout, file: IO[bytes], schema: Any, spool: bool = False) -> None:
        self._file = file
        self._pa: Any = import_module("pyarrow")
        self._table: Any = None
        if spool:
            self._writer = self._pa.ipc.new_stream(file, schema)
        elif layout.format == PARQUET:
            self._table = self._pa.Table
            parquet: Any = required("pyarrow.parquet", "writing parquet")
            try:
                self._writer = parquet.ParquetWriter(file, schema, compression=layout.compression or "none")
            except self._pa.ArrowNotImplementedError as exc:
                raise NotSupportedError(
                    f"a Parquet file cannot hold this: {exc}; cast it to text in the query"
                ) from exc
        else:
            options = self._pa.ipc.IpcWriteOptions(compression=layout.compression, emit_dictionary_deltas=True)
            self._writer = self._pa.ipc.new_file(file, schema, options=options)

    def write(self, batch: Any) -> None:
        """Write a batch; in Parquet it is a row group."""
        if self._table is None:
            self._writer.write_batch(batch)
        else:
            self._writer.write_table(self._table.from_batches([batch]), row_group_size=max(len(batch), 1))

    def close(self) -> None:
        """Write the end of the file, and close it."""
        self._writer.close()
        self._file.close()


def append_batches(writer: BatchWriter | None, layout: Layout, file: IO[bytes], path: Any) -> BatchWriter:
    """Add the batches of a spooled part to the one file, whose writer is made by the first."""
    pa: Any = import_module("pyarrow")
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        made = BatchWriter(layout, file, reader.schema) if writer is None else writer
        for batch in reader:
            made.write(batch)
    path.unlink()
    return made
