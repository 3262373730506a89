"""Loading anything that speaks the Arrow PyCapsule interface.

Law of this file: columns are matched by name, and the source's memory is read where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ..arrow import ArrowReader
from .arrays import ArrowPlan
from .chunks import column_chunks
from .feed import BINARY, Chunk, Place, copy_options
from .report import Meter
from .target import Target


class ArrowFeed:
    """A table, record batch, data frame or stream."""

    kind: ClassVar[str] = "arrow"

    def __init__(self, source: Any) -> None:
        self._reader = ArrowReader(source)
        self._plan: ArrowPlan | None = None
        self._target: Target | None = None

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
        """The names of the fields."""
        return tuple([field.name for field in self._reader.fields])

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes."""
        self._target, self._plan = target, ArrowPlan(target, self._reader.fields, zone)
        return self._plan.path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(BINARY if self._plan is None else self._plan.path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The batches in blocks."""
        assert self._plan is not None, "prepare comes before blocks"
        return self._plan.blocks(iter(self._reader), meter)

    def chunks(self, meter: Meter, size_bytes: int, place: Place) -> Iterator[Chunk]:
        """The rows from a place on, in chunks."""
        assert self._plan is not None, "prepare comes before chunks"
        assert self._target is not None
        batches = map(self._plan.columns, self._reader)
        return column_chunks(self._target, batches, meter, size_bytes, place, self.name)

    def close(self) -> None:
        """Release the source."""
        self._reader.close()
