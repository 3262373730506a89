"""Loading a Parquet file by pyarrow.

Law of this file: a few thousand rows at a time, never a row group as a whole; only the columns that are loaded are
read.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

from ..arrow import ArrowBatch, ArrowReader
from ..arrow.cdata import ArrowSchema, move
from ..arrow.schema import read_schema
from ..errors import DataError
from .arrays import ArrowPlan
from .feed import BINARY, copy_options
from .report import Meter
from .target import Target

#: What one batch should take in memory, and the most rows it has.
_BATCH_BYTES: Final = 2 << 20
_BATCH_ROWS: Final = 16384
#: Bytes of a column chunk read at a time; without it pyarrow reads whole chunks.
_BUFFER_SIZE: Final = 1 << 18


class ParquetFeed:
    """One Parquet file, its columns matched by name."""

    kind: ClassVar[str] = "parquet"

    def __init__(self, path: Path) -> None:
        try:
            self._library: Any = import_module("pyarrow.parquet")
        except ImportError as exc:
            raise ImportError("reading Parquet needs pyarrow; pip install 'pgfast[arrow]'") from exc
        self._path = path
        self._errors: tuple[type[Exception], ...] = (import_module("pyarrow").ArrowException,)
        try:
            self._file = self._library.ParquetFile(path, buffer_size=_BUFFER_SIZE, pre_buffer=False)
        except self._errors as exc:
            raise DataError(f"{path}: not a readable Parquet file: {exc}") from exc
        self.fields = read_schema(move(self._file.schema_arrow.__arrow_c_schema__(), ArrowSchema)).children
        self._plan: ArrowPlan | None = None
        self._wanted: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the file's columns."""
        return tuple([field.name for field in self.fields])

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes."""
        by_name = {field.name: field for field in self.fields}
        self._wanted = list(target.names)
        self._plan = ArrowPlan(target, [by_name[name] for name in self._wanted], zone)
        return self._plan.path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(BINARY if self._plan is None else self._plan.path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        assert self._plan is not None, "prepare comes before blocks"
        return self._plan.blocks(self._batches(), meter)

    def _batches(self) -> Iterator[ArrowBatch]:
        try:
            # One thread: it decodes several times faster than a server takes rows, and holds half the memory.
            for batch in self._file.iter_batches(self._batch_rows(), columns=self._wanted, use_threads=False):
                yield from ArrowReader(batch.select(self._wanted))
        except self._errors as exc:
            raise DataError(f"{self._path}: {exc}") from exc

    def _batch_rows(self) -> int:
        """Rows that take about _BATCH_BYTES, by what the file says of its row groups."""
        metadata = self._file.metadata
        size_bytes: int = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
        rows: int = metadata.num_rows
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(size_bytes, 1)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
