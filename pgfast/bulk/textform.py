"""Rows in the text form of the target's columns, for tables with a column whose type the driver does not know.

Law of this file: a value is checked against the column's type exactly as on the binary path wherever that type is
known, and only then written as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from .. import const
from ..errors import fault, faults
from ..types.arrays import render_array
from ..types.coerce import HOOKS
from ..types.render import render, render_any
from .target import Target

if TYPE_CHECKING:
    from ..codec import Spec

_JSON = (const.KIND_JSON, const.KIND_JSONB)


def _zoned(kind: int, value: Any) -> Any:
    """The value, refused where the column has a time zone and it has none, or the other way round."""
    if not isinstance(value, (datetime, time)) or kind not in _WITH_ZONE | _WITHOUT_ZONE:
        return value
    if (value.utcoffset() is not None) != (kind in _WITH_ZONE):
        raise ValueError("types with time zone need a value with tzinfo and an offset, types without need one without")
    return value


_WITH_ZONE = frozenset((const.KIND_TIMESTAMPTZ, const.KIND_TIMETZ))
_WITHOUT_ZONE = frozenset((const.KIND_TIMESTAMP, const.KIND_TIME))


def _scalar(kind: int) -> Callable[[Any], str | None]:
    hook = HOOKS[kind]

    def write(value: Any) -> str | None:
        made = _zoned(kind, hook(value))
        if kind in _JSON and isinstance(made, bytes):
            return made.decode()
        return None if made is None else render(made)

    return write


def _array(kind: int) -> Callable[[Any], str]:
    write = _scalar(kind)

    def write_array(value: Any) -> str:
        items = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(items, (list, tuple)):
            raise TypeError(f"a list is wanted, not {type(value).__name__}")
        return render_array(items, write)

    return write_array


def writer(spec: Spec | None) -> Callable[[Any], str | None]:
    """The function from a value that is not None to its text, None for NULL."""
    if spec is None:
        return render_any
    return _array(spec[1]) if spec[0] == const.KIND_ARRAY else _scalar(spec[0])


class TextRows:
    """Rows of values -> rows of text, with faults like the codec's: `at` counts from the last `restart`."""

    __slots__ = ("_at", "_names", "_writers")

    def __init__(self, target: Target, texts: Sequence[bool] = ()) -> None:
        """`texts` says of each column whether its strings are in text form already (a column of an Arrow source)."""
        self._names = target.names
        self._writers = [writer(column.spec) for column in target.columns]
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
