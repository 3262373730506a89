"""Loading anything that speaks the Arrow PyCapsule interface.

Law of this file: columns are matched by name, and the source's memory is read where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ..arrow import ArrowReader
from .arrays import ArrowPlan
from .feed import BINARY, copy_options
from .report import Meter
from .target import Target


class ArrowFeed:
    """A table, record batch, data frame or stream."""

    kind: ClassVar[str] = "arrow"

    def __init__(self, source: Any) -> None:
        self._reader = ArrowReader(source)
        self._plan: ArrowPlan | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple([field.name for field in self._reader.fields])

    def prepare(self, target: Target, zone: str | None) -> str:
        """Decide how each column goes."""
        self._plan = ArrowPlan(target, self._reader.fields, zone)
        return self._plan.path

    def copy_options(self) -> str:
        """The format."""
        return copy_options(BINARY if self._plan is None else self._plan.path)

    def blocks(self, meter: Meter) -> Iterator[memoryview]:
        """The batches in blocks."""
        assert self._plan is not None, "prepare comes before blocks"
        return self._plan.blocks(iter(self._reader), meter)

    def close(self) -> None:
        """Release the source."""
        self._reader.close()
