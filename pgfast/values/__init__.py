"""Values of PostgreSQL types that Python has no class for.

Law of this floor: immutable values that know how they compare and print, and nothing of wires and sessions.
"""

from __future__ import annotations

from .array import Array
from .geometric import Box, Circle, Cube, Line, LineSegment, Path, Point, Polygon
from .interval import Interval
from .ranges import Multirange, Range
from .sparse import SparseVector

__all__ = [
    "Array",
    "Box",
    "Circle",
    "Cube",
    "Interval",
    "Line",
    "LineSegment",
    "Multirange",
    "Path",
    "Point",
    "Polygon",
    "Range",
    "SparseVector",
]
