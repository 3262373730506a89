"""point, line, lseg, box, path, polygon and circle.

Law of this file: what comes is not changed: no corners are sorted, no path is closed, -0, NaN and infinities stay. The
plain tuples that a value's class is made of are taken as well.

Sources: docs, "Geometric Types"; server: geo_ops.c (the in, out, send and recv functions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final

from ...values.geometric import Box, Circle, Line, LineSegment, Path, Point, Polygon
from ..coerce import to_float, to_str
from ..text import parse_float
from .floats import render_float8
from .form import Form, wants
from .reader import Reader, fields

_POINT: Final = Struct(">2d")
_TWO: Final = Struct(">4d")
_THREE: Final = Struct(">3d")
_NUMBER: Final = r"\s*([^\s,()\[\]{}<>]+)\s*"
_PAIR: Final = re.compile(rf"\s*\({_NUMBER},{_NUMBER}\)\s*(,|\Z)", re.ASCII)
_BARE_PAIR: Final = re.compile(rf"{_NUMBER},{_NUMBER}(,|\Z)", re.ASCII)
_TRIPLE: Final = re.compile(rf"{_NUMBER},{_NUMBER},{_NUMBER}", re.ASCII)
_CIRCLE: Final = re.compile(rf"\({_NUMBER},{_NUMBER}\)\s*,{_NUMBER}", re.ASCII)
#: What the server takes for zero in the factors of a line (EPSILON in geo_decls.h).
_EPSILON: Final = 1e-6


def _points_of(text: str, example: str) -> tuple[Point, ...]:
    """The points of `(x,y),(x,y)` or of `x,y,x,y`."""
    pattern = _PAIR if text.lstrip()[:1] == "(" else _BARE_PAIR
    found = []
    at, more = 0, ","
    while more:
        match = pattern.match(text, at)
        if match is None:
            raise ValueError(f"not a {example}")
        found.append(Point(parse_float(match[1]), parse_float(match[2])))
        at, more = match.end(), match[3]
    return tuple(found)


def _enclosed(text: str, opening: str, closing: str) -> str | None:
    """What stands between two brackets, None where the text has not both."""
    word = text.strip()
    return word[1:-1] if word[:1] == opening and word[-1:] == closing and len(word) > 1 else None


def _unwrapped(text: str) -> str:
    """The text without one pair of parentheses around all its points."""
    inner = _enclosed(text, "(", ")")
    if inner is None or not (inner.lstrip()[:1] == "(" or "(" not in inner):
        return text
    return inner


def _parse_point(text: str) -> Point:
    points = _points_of(text, "point such as (1,2)")
    if len(points) != 1:
        raise ValueError("not a point such as (1,2): it has more than two numbers")
    return points[0]


def _parse_line(text: str) -> Line:
    inner = _enclosed(text, "{", "}")
    match = None if inner is None else _TRIPLE.fullmatch(inner)
    if match is None:
        raise ValueError("not a line such as {1,-1,0}")
    return Line(parse_float(match[1]), parse_float(match[2]), parse_float(match[3]))


def _two_points(text: str, example: str) -> tuple[Point, Point]:
    points = _points_of(text, example)
    if len(points) != 2:
        raise ValueError(f"not a {example}: it has not two points")
    return points[0], points[1]


def _parse_segment(text: str) -> LineSegment:
    inner = _enclosed(text, "[", "]")
    return LineSegment(*_two_points(_unwrapped(text) if inner is None else inner, "line segment such as [(1,2),(3,4)]"))


def _parse_box(text: str) -> Box:
    return Box(*_two_points(_unwrapped(text), "box such as (3,4),(1,2)"))


def _parse_path(text: str) -> Path:
    inner = _enclosed(text, "[", "]")
    example = "path such as ((1,2),(3,4)), or [(1,2),(3,4)] for an open one"
    return Path(_points_of(_unwrapped(text) if inner is None else inner, example), inner is None)


def _parse_polygon(text: str) -> Polygon:
    return Polygon(_points_of(_unwrapped(text), "polygon such as ((1,2),(3,4),(5,6))"))


def _parse_circle(text: str) -> Circle:
    inner = _enclosed(text, "<", ">")
    if inner is None:
        inner = _unwrapped(text)
    match = _CIRCLE.fullmatch(inner.strip()) or _TRIPLE.fullmatch(inner)
    if match is None:
        raise ValueError("not a circle such as <(1,2),3>")
    return Circle(Point(parse_float(match[1]), parse_float(match[2])), parse_float(match[3]))


def _items(value: Any, number: int, what: str) -> tuple[Any, ...]:
    """The parts of a tuple or list that has `number` of them."""
    if not isinstance(value, (tuple, list)):
        raise wants(what, value)
    if len(value) != number:
        raise ValueError(f"{what} is wanted, and this has not {number} parts")
    return tuple(value)


def _point(value: Any) -> Point:
    x, y = _items(value, 2, "a point (pgfast.Point or a tuple of two numbers)")
    return Point(to_float(x), to_float(y))


def _line(value: Any) -> Line:
    a, b, c = _items(value, 3, "a line (pgfast.Line or a tuple of three numbers)")
    line = Line(to_float(a), to_float(b), to_float(c))
    if abs(line.a) <= _EPSILON and abs(line.b) <= _EPSILON:
        raise ValueError("a line's a and b cannot both be zero")
    return line


def _segment(value: Any) -> LineSegment:
    start, end = _items(value, 2, "a line segment (pgfast.LineSegment or a tuple of two points)")
    return LineSegment(_point(start), _point(end))


def _box(value: Any) -> Box:
    high, low = _items(value, 2, "a box (pgfast.Box or a tuple of two points)")
    return Box(_point(high), _point(low))


def _points(value: Any, what: str) -> tuple[Point, ...]:
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
        raise wants(what, value)
    found = tuple(_point(one) for one in value)
    if not found:
        raise ValueError(f"{what} with one point at least is wanted")
    return found


def _path(value: Any) -> Path:
    if not isinstance(value, Path):
        raise wants("a path (pgfast.Path, which says whether it is closed)", value)
    return Path(_points(value.points, "a path (pgfast.Path)"), bool(value.closed))


def _polygon(value: Any) -> Polygon:
    what = "a polygon (pgfast.Polygon or a list of points)"
    return Polygon(_points(value.points if isinstance(value, Polygon) else value, what))


def _circle(value: Any) -> Circle:
    center, radius = _items(value, 2, "a circle (pgfast.Circle or a tuple of a point and a radius)")
    circle = Circle(_point(center), to_float(radius))
    if circle.radius < 0:
        raise ValueError("a circle's radius cannot be negative")
    return circle


def _pair(point: Point) -> str:
    return f"({render_float8(point.x)},{render_float8(point.y)})"


def _list(points: Iterable[Point]) -> str:
    return ",".join([_pair(point) for point in points])


def _show_path(path: Path) -> str:
    return f"({_list(path.points)})" if path.closed else f"[{_list(path.points)}]"


def _show_circle(circle: Circle) -> str:
    return f"<{_pair(circle.center)},{render_float8(circle.radius)}>"


def _decode_points(reader: Reader) -> tuple[Point, ...]:
    number = reader.count(_POINT.size)
    if not number:
        raise reader.wrong("it has no points")
    numbers = reader.array("d", 2 * number)
    reader.end()
    return tuple(map(Point, numbers[::2], numbers[1::2]))


def _decode_path(data: bytes) -> Path:
    reader = Reader(data, "path")
    closed = reader.u8()
    return Path(_decode_points(reader), bool(closed))


def _decode_circle(data: bytes) -> Circle:
    x, y, radius = fields(_THREE, data, "circle")
    return Circle(Point(x, y), radius)


def _decode_two(what: str, make: Callable[[Point, Point], Any]) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        numbers = fields(_TWO, data, what)
        return make(Point(*numbers[:2]), Point(*numbers[2:]))

    return decode


def _pack_points(points: tuple[Point, ...]) -> bytes:
    numbers = [number for point in points for number in point]
    return len(points).to_bytes(4, "big") + Struct(f">{len(numbers)}d").pack(*numbers)


def _form(
    parse: Callable[[str], Any],
    check: Callable[[Any], Any],
    show: Callable[[Any], str],
    decode: Callable[[bytes], Any],
    pack: Callable[[Any], bytes],
) -> Form:
    """The form of a class that `check` makes of what is near to it."""
    return Form(
        parse,
        lambda value: to_str(value) if isinstance(value, str) else show(check(value)),
        decode,
        lambda value: pack(parse(to_str(value)) if isinstance(value, str) else check(value)),
    )


POINT: Final = _form(
    _parse_point,
    _point,
    _pair,
    lambda data: Point(*fields(_POINT, data, "point")),
    lambda point: _POINT.pack(*point),
)
LINE: Final = _form(
    _parse_line,
    _line,
    lambda line: "{" + ",".join(map(render_float8, line)) + "}",
    lambda data: Line(*fields(_THREE, data, "line")),
    lambda line: _THREE.pack(*line),
)
LSEG: Final = _form(
    _parse_segment,
    _segment,
    lambda segment: f"[{_list(segment)}]",
    _decode_two("line segment", LineSegment),
    lambda segment: _TWO.pack(*segment.start, *segment.end),
)
BOX: Final = _form(
    _parse_box,
    _box,
    _list,
    _decode_two("box", Box),
    lambda box: _TWO.pack(*box.high, *box.low),
)
PATH: Final = _form(
    _parse_path,
    _path,
    _show_path,
    _decode_path,
    lambda path: bytes([path.closed]) + _pack_points(path.points),
)
POLYGON: Final = _form(
    _parse_polygon,
    _polygon,
    lambda polygon: f"({_list(polygon.points)})",
    lambda data: Polygon(_decode_points(Reader(data, "polygon"))),
    lambda polygon: _pack_points(polygon.points),
)
CIRCLE: Final = _form(
    _parse_circle,
    _circle,
    _show_circle,
    _decode_circle,
    lambda circle: _THREE.pack(*circle.center, circle.radius),
)
