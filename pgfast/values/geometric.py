"""Geometric values: named tuples of floats, in the order the server sends them (docs: Geometric Types)."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """A point of the plane."""

    x: float
    y: float


class Line(NamedTuple):
    """The infinite line `a * x + b * y + c = 0`."""

    a: float
    b: float
    c: float


class LineSegment(NamedTuple):
    """A piece of a line, with its ends."""

    start: Point
    end: Point


class Box(NamedTuple):
    """A rectangle. What the server sends has the upper right corner as `high` and the lower left as `low`."""

    high: Point
    low: Point


class Path(NamedTuple):
    """Connected points, at least one. The last one of a `closed` path is connected with the first."""

    points: tuple[Point, ...]
    closed: bool


class Polygon(NamedTuple):
    """The corners of a polygon, at least one."""

    points: tuple[Point, ...]


class Circle(NamedTuple):
    """A circle."""

    center: Point
    radius: float


class Cube(NamedTuple):
    """A box of up to 100 dimensions of the extension cube; both corners of a point are the same tuple.

    The corners are as they were given: the extension calls them lower left and upper right but does not sort them.
    """

    lower_left: tuple[float, ...]
    upper_right: tuple[float, ...]
