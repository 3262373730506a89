"""Loading a Parquet file by pyarrow.

Law of this file: so many rows at a time as take about two megabytes once they are decoded, never a row group as a
whole; only the columns that are loaded are read. What the file says of its size is that of its encoding, which tells
nothing of long values that come again and again; so the batches themselves are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final
from zlib import crc32

from ..arrow import ArrowBatch, ArrowReader
from ..arrow.cdata import ArrowSchema, move
from ..arrow.schema import read_schema
from ..errors import DataError, InterfaceError
from .arrays import ArrowPlan
from .chunks import column_chunks
from .feed import BINARY, Chunk, Place, Span, copy_options
from .files import File
from .report import Meter
from .target import Target

#: What one batch should take in memory; the rows of the first one, and of any at most.
_BATCH_BYTES: Final = 2 << 20
_FIRST_ROWS: Final = 64
_BATCH_ROWS: Final = 2048
#: How far a batch may be from the size aimed at before the rows left are read in batches of another.
_TOLERANCE: Final = 4
#: Bytes of a column chunk read at a time; without it pyarrow reads whole chunks.
_BUFFER_SIZE: Final = 1 << 18


class ParquetFeed:
    """One Parquet file, its columns matched by name."""

    kind: ClassVar[str] = "parquet"

    def __init__(self, file: File) -> None:
        """Raises InterfaceError for what is read from its beginning alone: the schema is at the end of the file."""
        try:
            self._library: Any = import_module("pyarrow.parquet")
        except ImportError as exc:
            raise ImportError("reading Parquet needs pyarrow; pip install 'pgfast[arrow]'") from exc
        path = file.path
        if path is None or not file.plain:
            raise InterfaceError(f"{file.name}: a Parquet file is read by its path, and not compressed as a whole")
        self._path = path
        self._errors: tuple[type[Exception], ...] = (import_module("pyarrow").ArrowException, OSError)
        try:
            self._file = self._library.ParquetFile(path, buffer_size=_BUFFER_SIZE, pre_buffer=False)
        except self._errors as exc:
            if _is_the_systems(exc):
                raise
            raise DataError(f"{path}: not a readable Parquet file: {exc}") from exc
        self.fields = read_schema(move(self._file.schema_arrow.__arrow_c_schema__(), ArrowSchema)).children
        self._plan: ArrowPlan | None = None
        self._target: Target | None = None
        self._table = ""
        self._span = Span()
        self._batch_rows = _FIRST_ROWS
        self._wanted: list[str] = []
        self._group = 0  # the row group that is being read

    @property
    def name(self) -> str:
        """What rejects call the source."""
        return str(self._path)

    @property
    def again(self) -> bool:
        """Whether it can be read once more."""
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the file's columns."""
        return tuple([field.name for field in self.fields])

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes."""
        by_name = {field.name: field for field in self.fields}
        self._wanted, self._table, self._target = list(target.keys), target.table, target
        self._plan = ArrowPlan(target, [by_name[name] for name in self._wanted], zone)
        return self._plan.path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(BINARY if self._plan is None else self._plan.path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        assert self._plan is not None, "prepare comes before blocks"
        return self._plan.blocks(self._batches(), meter)

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[Chunk]:
        """The rows from a place on, in chunks; row groups before it are not read."""
        assert self._plan is not None, "prepare comes before chunks"
        assert self._target is not None
        group, before = 0, 0
        metadata, asked = self._file.metadata, place.marks is not None
        self._span.check(metadata.num_rows, self.name)
        if place.position < self._span.start:
            place = replace(place, position=self._span.start)
        while group < metadata.num_row_groups and before + metadata.row_group(group).num_rows < place.position:
            before += metadata.row_group(group).num_rows
            group += 1
        batches = map(self._plan.columns, self._batches(group))
        so_far = (
            Checksums(self._path, metadata, self._wanted, self._span.start, lambda: self._group) if asked else bytes
        )
        return column_chunks(
            self._target, batches, meter, size_bytes, place, self.name, before, self._span.stop, so_far
        )

    def spans(self, count: int) -> list[Span]:
        """Row groups together, about as many rows in each part."""
        metadata = self._file.metadata
        wanted, rows, start, made = max(1, metadata.num_rows // count), 0, 0, []
        for group in range(metadata.num_row_groups):
            rows += metadata.row_group(group).num_rows
            if rows - start >= wanted or group == metadata.num_row_groups - 1:
                made.append(Span(start, rows))
                start = rows
        return made or [Span()]

    def take(self, span: Span) -> None:
        """Give the rows of this part alone."""
        self._span = span

    def _batches(self, first: int = 0) -> Iterator[ArrowBatch]:
        try:
            for group in range(first, self._file.metadata.num_row_groups):
                self._group = group
                done, again = 0, True
                while again:
                    again = False
                    for batch in self._read(group, done):
                        yield from ArrowReader(batch.select(self._wanted))
                        first, done = done == 0, done + len(batch)
                        if again := self._resized(batch, first):
                            break
        except self._errors as exc:
            if _is_the_systems(exc):
                raise
            raise DataError(f"COPY {self._table}: {self._path}: {exc}") from exc

    def _read(self, group: int, skipped: int) -> Iterator[Any]:
        """Batches of a row group, from its row `skipped` on."""
        # One thread: it decodes several times faster than a server takes rows, and holds half the memory.
        for batch in self._file.iter_batches(
            self._batch_rows, row_groups=[group], columns=self._wanted, use_threads=False
        ):
            if skipped < len(batch):
                yield batch.slice(skipped) if skipped else batch
            skipped = max(0, skipped - len(batch))

    def _resized(self, batch: Any, first: bool) -> bool:
        """Whether the rows left of the group must be read in batches of another size, which is then set.

        Every change decodes the rows before it once more. So the size grows at the `first` batch of a group only, and
        shrinks by no less than _TOLERANCE.
        """
        fitting = max(1, min(_BATCH_ROWS, _BATCH_BYTES * len(batch) // max(batch.nbytes, 1)))
        grows = first and fitting > self._batch_rows * _TOLERANCE
        if not grows and self._batch_rows <= fitting * _TOLERANCE:
            return False
        self._batch_rows = fitting
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Checksums:
    """What stands for the columns of a Parquet file that are loaded, up to the row group that is being read: CRC-32 of
    their bytes as they lie in the file, which are compressed and so cost little."""

    def __init__(
        self, path: Path, metadata: Any, wanted: Sequence[str], first_row: int, group: Callable[[], int]
    ) -> None:
        """`first_row` is the one that the part begins with, which begins a row group."""
        self._path = path
        self._metadata = metadata
        self._wanted = frozenset(wanted)
        self._group = group
        self._next, self._checksum, before = 0, 0, 0
        while before < first_row:
            before += metadata.row_group(self._next).num_rows
            self._next += 1

    def __call__(self) -> bytes:
        """The checksum."""
        if self._next <= self._group():
            with self._path.open("rb") as file:
                while self._next <= self._group():
                    self._add(file, self._metadata.row_group(self._next))
                    self._next += 1
        return self._checksum.to_bytes(4, "big")

    def _add(self, file: BinaryIO, group: Any) -> None:
        for number in range(group.num_columns):
            column = group.column(number)
            if column.path_in_schema.partition(".")[0] in self._wanted:
                start = column.dictionary_page_offset
                file.seek(start if start is not None else column.data_page_offset)
                left = column.total_compressed_size
                while left > 0 and (data := file.read(min(left, _BUFFER_SIZE))):
                    self._checksum = crc32(data, self._checksum)
                    left -= len(data)


def _is_the_systems(exc: Exception) -> bool:
    """Whether this is an error of the operating system: those of pyarrow are of the same class and have no number."""
    return isinstance(exc, OSError) and exc.errno is not None
