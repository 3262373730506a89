"""Values of PostgreSQL types that Python has no class for.

Law of this floor: immutable values that know how they compare and print, and nothing of wires and sessions.
"""

from __future__ import annotations

from .array import Array
from .interval import Interval
from .ranges import Multirange, Range

__all__ = ["Array", "Interval", "Multirange", "Range"]
