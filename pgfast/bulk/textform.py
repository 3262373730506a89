"""Rows in the text form of the target's columns, for tables with a column that cannot be written in binary.

Law of this file: a value is checked against the column's type exactly as on the binary path, and only then written as
text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import fault, faults
from ..types.writing import Renderer
from .target import Target


class TextRows:
    """Rows of values -> rows of text, with faults like the codec's: `at` counts from the last `restart`."""

    __slots__ = ("_at", "_names", "_writers")

    def __init__(self, target: Target, texts: Sequence[bool] = ()) -> None:
        """`texts` says of each column whether its strings are in text form already (a column of an Arrow source)."""
        self._names = target.keys
        self._writers: list[Renderer] = [column.render for column in target.columns]
        for index, text in enumerate(texts):
            if text:
                self._writers[index] = str
        self._at = -1

    def restart(self) -> None:
        """Count rows from 0 again."""
        self._at = -1

    def row(self, row: Any) -> tuple[str | None, ...]:
        """One row. Raises DataError."""
        self._at += 1
        values = self._values(row)
        if len(values) != len(self._writers):
            raise fault(faults.FAULT_ROW_WIDTH, self._at, -1, (len(values), len(self._writers)))
        return tuple([None if value is None else self._text(index, value) for index, value in enumerate(values)])

    def _values(self, row: Any) -> Sequence[Any]:
        if isinstance(row, (tuple, list)):
            return row
        if not isinstance(row, Mapping):
            raise fault(faults.FAULT_ROW_TYPE, self._at, -1, row)
        try:
            return [row[name] for name in self._names]
        except KeyError as exc:
            missing = exc.args[0]
            column = self._names.index(missing) if missing in self._names else -1
            raise fault(faults.FAULT_ROW_KEY, self._at, column, missing) from None

    def _text(self, column: int, value: Any) -> str | None:
        try:
            return self._writers[column](value)
        except Exception as exc:  # a hook or a value's own code; becomes the cause of the fault
            raise fault(faults.FAULT_COERCE, self._at, column, (value, exc)) from exc
