"""cube: a `Cube` of two corners.

Sources: docs, "cube"; server: contrib/cube/cube.c (cube_out, cube_send, cube_recv), cubedata.h, cubeparse.y.
"""

from __future__ import annotations

import re
from struct import pack
from typing import Any, Final

from ...values.geometric import Cube
from ..coerce import to_float, to_str
from ..text import parse_float
from .floats import render_float8
from .form import Form, wants
from .reader import Reader

_POINT_BIT: Final = 0x8000_0000
_MAX_DIMENSIONS: Final = 100
_CORNER: Final = r"\s*\(([^()]*)\)\s*"
_ENCLOSED: Final = re.compile(rf"\s*\[{_CORNER},{_CORNER}\]\s*", re.ASCII)
_PLAIN: Final = re.compile(rf"{_CORNER}(?:,{_CORNER})?", re.ASCII)
_WRONG: Final = "not a cube such as (1, 2),(3, 4)"


def parse_cube(text: str) -> Cube:
    """The cube of `(x, ...)`, `(x, ...),(y, ...)`, or that in brackets."""
    match = _ENCLOSED.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is None:
        raise ValueError(_WRONG)
    low = tuple([parse_float(word) for word in match[1].split(",")]) if match[1].strip() else ()
    if match[2] is None:
        return _checked(low, low)
    return _checked(low, tuple([parse_float(word) for word in match[2].split(",")]) if match[2].strip() else ())


def _checked(low: tuple[float, ...], high: tuple[float, ...]) -> Cube:
    if len(low) != len(high):
        raise ValueError("not a cube: its corners have different dimensions")
    if len(low) > _MAX_DIMENSIONS:
        raise ValueError(f"not a cube: it has more than {_MAX_DIMENSIONS} dimensions")
    return Cube(low, low if low == high else high)


def _cube(value: Any) -> Cube:
    if isinstance(value, str):
        return parse_cube(to_str(value))
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise wants("a cube (pgfast.Cube or a tuple of two tuples of numbers)", value)
    for corner in value:
        if not isinstance(corner, (tuple, list)):
            raise wants("a cube (pgfast.Cube or a tuple of two tuples of numbers)", corner)
    low = tuple([to_float(number) for number in value[0]])
    return _checked(low, low if value[1] is value[0] else tuple([to_float(number) for number in value[1]]))


def _corner(numbers: tuple[float, ...]) -> str:
    return f"({', '.join(map(render_float8, numbers))})"


def render_cube(value: Any) -> str:
    """The text form: one corner for a point."""
    if isinstance(value, str):
        return to_str(value)
    cube = _cube(value)
    low = _corner(cube.lower_left)
    return low if cube.upper_right is cube.lower_left else f"{low},{_corner(cube.upper_right)}"


def decode_cube(data: bytes) -> Cube:
    """The cube of the wire form."""
    reader = Reader(data, "cube")
    header = reader.u32()
    dimensions = header & ~_POINT_BIT
    if dimensions > _MAX_DIMENSIONS:
        raise reader.wrong(f"it has more than {_MAX_DIMENSIONS} dimensions")
    low = reader.array("d", dimensions)
    high = low if header & _POINT_BIT else reader.array("d", dimensions)
    reader.end()
    return _checked(low, high)


def encode_cube(value: Any) -> bytes:
    """The wire form."""
    cube = _cube(value)
    point = cube.upper_right is cube.lower_left
    numbers = cube.lower_left if point else cube.lower_left + cube.upper_right
    return pack(f">I{len(numbers)}d", len(cube.lower_left) | (_POINT_BIT if point else 0), *numbers)


CUBE: Final = Form(parse_cube, render_cube, decode_cube, encode_cube)
#: As versions of the extension before 1.5 have it, which cannot send cubes in binary.
CUBE_TEXT: Final = Form(parse_cube, render_cube)
