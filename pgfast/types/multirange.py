"""Multiranges, and the types that a Multirange may say it is."""

from __future__ import annotations

from ..values import Multirange
from .infos import MultirangeInfo, register_multirange
from .wrappers import (
    DateMultirange,
    Int4Multirange,
    Int8Multirange,
    NumericMultirange,
    TimestampMultirange,
    TimestamptzMultirange,
)

__all__ = [
    "DateMultirange",
    "Int4Multirange",
    "Int8Multirange",
    "Multirange",
    "MultirangeInfo",
    "NumericMultirange",
    "TimestampMultirange",
    "TimestamptzMultirange",
    "register_multirange",
]
