"""Ranges, and the types that a Range may say it is."""

from __future__ import annotations

from ..values import Range
from .infos import RangeInfo, register_range
from .wrappers import DateRange, Int4Range, Int8Range, NumericRange, TimestampRange, TimestamptzRange

__all__ = [
    "DateRange",
    "Int4Range",
    "Int8Range",
    "NumericRange",
    "Range",
    "RangeInfo",
    "TimestampRange",
    "TimestamptzRange",
    "register_range",
]
