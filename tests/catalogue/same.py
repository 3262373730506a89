"""When two values are the same: equal, by exact type, all the way down.

Law of this file: Python only, no server.
"""

from __future__ import annotations

import math
import struct
from datetime import time
from decimal import Decimal
from typing import Any

import pgfast.values
from pgfast import Array, Multirange, Range


def same(left: Any, right: Any, nan_bits: bool = True) -> bool:
    """Whether they are the same: floats by their bits (NaN by its bits where `nan_bits`), Decimals by every digit.

    Of times the zone counts, of arrays the lower bounds.
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        if not nan_bits and math.isnan(left) and math.isnan(right):
            return True
        return struct.pack("d", left) == struct.pack("d", right)
    if isinstance(left, Array) and left.lower_bounds != right.lower_bounds:
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(
            same(one, other, nan_bits) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key], nan_bits) for key in left)
    if isinstance(left, Range):
        sides = ("lower", "upper")
        return (left.bounds, left.isempty) == (right.bounds, right.isempty) and all(
            same(getattr(left, side), getattr(right, side), nan_bits) for side in sides
        )
    if isinstance(left, Multirange):
        return same(tuple(left), tuple(right), nan_bits)
    if isinstance(left, Decimal):
        return str(left) == str(right)
    return bool(left == right) and repr(left) == repr(right)


def class_name(value: Any) -> str:
    """The name of its class as a program would write it."""
    made = type(value)
    if made.__module__ in ("builtins", "decimal"):
        return made.__name__
    if issubclass(made, tuple) and getattr(pgfast.values, made.__name__, None) is not made:
        return "named tuple"
    if made.__module__.startswith("pgfast."):
        return f"pgfast.{'' if made.__name__ in pgfast.__all__ else 'values.'}{made.__name__}"
    return f"{made.__module__}.{made.__name__}"


def in_column(found: Any, value: Any, text: str | None) -> bool:
    """Whether what pyarrow gives for a value of a column is that value; `text` is the server's own text of it."""
    if found is None or value is None:
        return found is value
    if isinstance(found, str) and isinstance(value, time) and text is None:
        clock = value.replace(tzinfo=None).isoformat()
        return found.startswith(clock.rstrip("0") if "." in clock else clock)  # its zone is for the server to compare
    if isinstance(found, str):
        return found in (text, value) or (isinstance(value, Decimal) and found == format(value, "f"))
    if isinstance(found, list):
        return len(found) == len(value) and all(
            in_column(one, other, None) for one, other in zip(found, value, strict=True)
        )
    if isinstance(found, dict):
        parts = tuple(found.values())
        return len(parts) == len(value) and all(in_column(*pair, None) for pair in zip(parts, value, strict=True))
    if type(found).__name__ == "MonthDayNano":
        return bool(
            (found.months, found.days, found.nanoseconds) == (value.months, value.days, value.microseconds * 1000)
        )
    if isinstance(found, float):
        return isinstance(value, float) and struct.pack("d", found) == struct.pack("d", value)
    if isinstance(found, bytes) and hasattr(value, "bytes"):
        return bool(found == value.bytes)
    return bool(found == value)
