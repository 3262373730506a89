"""Python values -> text form: for parameters and COPY columns whose type the driver does not know.

Law of this file: the text is one the server reads the same whatever DateStyle, IntervalStyle or bytea_output are set
to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from ..values import Interval, Multirange, Range
from .arrays import render_array
from .intervals import render_interval
from .textranges import render_multirange, render_range


def _isoformat(value: date | time) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return "\\x" + bytes(value).hex()


_RENDERERS: Final[dict[type, Callable[[Any], str]]] = {
    str: str.__str__,
    bool: _bool,
    int: int.__repr__,
    float: float.__repr__,
    Decimal: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    datetime: _isoformat,
    date: _isoformat,
    time: _isoformat,
    timedelta: render_interval,
    Interval: render_interval,
    UUID: str,
}


def render(value: Any) -> str:
    """The text form of a str, bool, number, bytes, date, time, interval or UUID.

    Subclasses, enum members and NumPy scalars of these are written as what they stand for. Raises TypeError for
    anything else: its text is the caller's to write.
    """
    if isinstance(value, Enum):
        value = value.value
    elif type(value) not in _RENDERERS and hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()
    for cls in type(value).__mro__:
        if cls in _RENDERERS:
            return str.__str__(_RENDERERS[cls](value))
    raise TypeError(
        f"the driver does not know the type of the target; pass its text form as str, not {type(value).__name__}"
    )


def render_any(value: Any) -> str:
    """As `render`, and lists and tuples as arrays, ranges as ranges."""
    if isinstance(value, (list, tuple)):
        return render_array(value, render_any)
    if isinstance(value, Range):
        return render_range(value, render)
    if isinstance(value, Multirange):
        return render_multirange(value, render)
    return render(value)
