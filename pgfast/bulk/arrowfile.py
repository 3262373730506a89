"""Loading an Arrow IPC file (Feather version 2 is the same) or stream by pyarrow.

Law of this file: a file that lies on disk as it is is mapped into memory, and only the columns that are loaded are
looked at; anything else is read as a stream, a record batch at a time. Columns are matched by name.

Sources: the Arrow columnar format, "IPC Streaming Format" and "IPC File Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO, ClassVar, Final

from ..arrow import ArrowBatch, ArrowReader
from ..arrow.cdata import ArrowSchema, move
from ..arrow.schema import read_schema
from ..errors import DataError, InterfaceError
from .arrays import ArrowPlan
from .chunks import column_chunks
from .feed import BINARY, Chunk, Place, copy_options
from .files import File
from .report import Meter
from .sources import ARROW_MAGIC, FEATHER_MAGIC
from .target import Target

#: Rows of a batch that are looked at together: those of a file may be any number.
_BATCH_ROWS: Final = 16384


class ArrowFileFeed:
    """One file or stream."""

    kind: ClassVar[str] = "arrow"

    def __init__(self, file: File) -> None:
        """Raises DataError for what is none, InterfaceError for Feather's first version."""
        try:
            self._library: Any = import_module("pyarrow")
        except ImportError as exc:
            raise ImportError("reading Arrow files needs pyarrow; pip install 'pgfast[arrow]'") from exc
        self._errors: tuple[type[Exception], ...] = (self._library.ArrowException, OSError)
        self._ipc: Any = import_module("pyarrow.ipc")
        self._file = file
        head = file.head(len(ARROW_MAGIC))
        if head[: len(FEATHER_MAGIC)] == FEATHER_MAGIC:
            raise InterfaceError(f"{file.name}: Feather version 1 is not read; write it as version 2, an Arrow file")
        self._random = file.plain and head == ARROW_MAGIC
        self._after_magic = head == ARROW_MAGIC
        self._mapped: Any = None
        self._opened: BinaryIO | None = None
        self._reader: Any = None
        try:
            self._reader = self._read("not a readable Arrow file", self._open)
            self.fields = read_schema(move(self._reader.schema.__arrow_c_schema__(), ArrowSchema)).children
        except BaseException:
            self.close()
            raise
        self._plan: ArrowPlan | None = None
        self._target: Target | None = None
        self._wanted: list[str] = []
        self._begun = False

    @property
    def name(self) -> str:
        """What rejects call the source."""
        return self._file.name

    @property
    def again(self) -> bool:
        """Whether it can be read once more."""
        return self._file.again

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the file's columns."""
        return tuple([field.name for field in self.fields])

    def _open(self) -> Any:
        if self._random:
            self._mapped = self._library.memory_map(str(self._file.path))
            return self._ipc.open_file(self._mapped)
        self._opened = self._file.open()
        if self._after_magic:  # a file that comes as a stream: the magic and its padding come before the stream
            self._opened.read(8)
        return self._ipc.open_stream(self._opened)

    def _read(self, said: str, step: Any) -> Any:
        """What the step gives. Raises DataError with the name of the file for what the library says of its content."""
        try:
            return step()
        except self._errors as exc:
            if isinstance(exc, OSError) and exc.errno is not None:
                raise
            raise DataError(f"{self._file.name}: {said}: {exc}") from exc

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes."""
        by_name = {field.name: field for field in self.fields}
        self._wanted, self._target = list(target.names), target
        self._plan = ArrowPlan(target, [by_name[name] for name in self._wanted], zone)
        return self._plan.path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(BINARY if self._plan is None else self._plan.path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The rows in blocks."""
        assert self._plan is not None, "prepare comes before blocks"
        return self._plan.blocks(self._batches(0), meter)

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[Chunk]:
        """The rows from a place on, in chunks; of a mapped file the batches before it are not decoded."""
        assert self._plan is not None, "prepare comes before chunks"
        assert self._target is not None
        first, before = 0, 0
        while self._random and first < self._reader.num_record_batches:
            rows = self._read("damaged", lambda: self._reader.get_batch(first).num_rows)  # noqa: B023
            if before + rows >= place.rows:
                break
            first, before = first + 1, before + rows
        batches = map(self._plan.columns, self._batches(first))
        return column_chunks(self._target, batches, meter, size_bytes, place, self.name, before)

    def _batches(self, first: int) -> Iterator[ArrowBatch]:
        if self._begun and not self._random:
            self._close_stream()
            self._reader = self._read("not a readable Arrow file", self._open)
        self._begun = True
        number = first
        while (batch := self._read("damaged, or cut short", lambda: self._batch(number))) is not None:  # noqa: B023
            number += 1
            chosen = batch.select(self._wanted)
            for start in range(0, len(chosen), _BATCH_ROWS):
                yield from ArrowReader(chosen.slice(start, _BATCH_ROWS))

    def _batch(self, number: int) -> Any:
        """A record batch, None behind the last one."""
        if self._random:
            return self._reader.get_batch(number) if number < self._reader.num_record_batches else None
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            return None

    def _close_stream(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def close(self) -> None:
        """Close the file."""
        if self._mapped is not None:
            self._mapped.close()
        self._close_stream()
