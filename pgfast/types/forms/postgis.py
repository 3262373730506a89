"""geometry and geography of PostGIS: shapely's objects, or the bytes of EWKB.

Law of this file: no bytes reach shapely that were not walked through first: every count is checked and the depth is
bounded, which the library below it does not do for all of them. What shapely cannot hold is refused, never bent.

Sources: docs of PostGIS, "ST_AsEWKB" and "Geometry Data Type"; liblwgeom: lwin_wkb.c (LW_PARSER_MAX_DEPTH), liblwgeom.h
(WKBZOFFSET, WKBMOFFSET, WKBSRIDFLAG).
"""

from __future__ import annotations

import importlib.util
from struct import Struct
from typing import Any, Final

from ..coerce import to_str
from .form import Form, wants
from .reader import Reader

_Z: Final = 0x8000_0000
_M: Final = 0x4000_0000
_SRID: Final = 0x2000_0000
_KIND: Final = 0x1FFF_FFFF
_POINT: Final = 1
_LINES: Final = (2, 8)  # LineString, CircularString
_RINGS: Final = (3, 17)  # Polygon, Triangle
_COLLECTIONS: Final = (4, 5, 6, 7, 9, 10, 11, 12, 15, 16)
#: What shapely knows: points, lines, polygons, and collections of these.
_SIMPLE: Final = range(1, 8)
_MAX_DEPTH: Final = 200
_U32: Final = {0: Struct(">I"), 1: Struct("<I")}
#: GEOS that reads and writes M.
_GEOS_WITH_M: Final = (3, 12)


class _Walker(Reader):
    """Goes through EWKB, and keeps what kinds of geometry and which flags it met."""

    __slots__ = ("flags", "kinds", "order")

    def __init__(self, data: bytes) -> None:
        super().__init__(data, "geometry")
        self.order = 1
        self.flags = 0
        self.kinds: set[int] = set()

    def number(self) -> int:
        """Four bytes in the order of the geometry they are in."""
        value: int = self.unpack(_U32[self.order])[0]
        return value

    def points(self, size: int) -> None:
        """A number of points and the points."""
        self.take(self.number() * size)

    def walk(self) -> None:
        """All of it; raises ValueError where it is no EWKB."""
        left = [1]
        while left:
            if not left[-1]:
                left.pop()
                continue
            left[-1] -= 1
            parts = self.head()
            if parts:
                left.append(parts)
            if len(left) > _MAX_DEPTH:
                raise self.wrong("it is nested too deeply")
        self.end()

    def head(self) -> int:
        """One geometry without its parts; how many of these follow."""
        order = self.u8()
        if order not in _U32:
            raise self.wrong("it has an unknown byte order")
        self.order = order
        word = self.number()
        kind = word & _KIND
        size = 8 * (2 + bool(word & _Z) + bool(word & _M))
        self.kinds.add(kind)
        self.flags |= word
        if word & _SRID:
            self.number()
        if kind == _POINT:
            self.take(size)
        elif kind in _LINES:
            self.points(size)
        elif kind in _RINGS:
            for _ in range(self.number()):  # each ring takes four bytes at least, or ends it
                self.points(size)
        elif kind in _COLLECTIONS:
            return self.number()  # each part takes five bytes at least, or ends it
        else:
            raise self.wrong("it has an unknown kind of geometry")
        return 0


def _ewkb(value: Any) -> bytes:
    """The bytes of EWKB in bytes or in hexadecimal digits."""
    if isinstance(value, str):
        try:
            return bytes.fromhex(to_str(value))
        except ValueError:
            raise ValueError(
                "not the hexadecimal digits of EWKB; for other forms write a function such as ST_GeomFromText around it"
            ) from None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise wants("a geometry (bytes of EWKB, its hexadecimal digits, or a shapely geometry)", value)


def _shapely_of(data: bytes) -> Any:
    import numpy as np
    import shapely

    walker = _Walker(data)
    walker.walk()
    if not walker.kinds <= set(_SIMPLE):
        raise ValueError(
            "shapely cannot hold this kind of geometry; read it as bytes (geometry='bytes') or cast it to text"
        )
    if walker.flags & _M and shapely.geos_version < _GEOS_WITH_M:
        raise ValueError("this shapely drops M; read the geometry as bytes (geometry='bytes') or cast it to text")
    try:
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return shapely.from_wkb(data)
    except shapely.errors.ShapelyError:
        raise ValueError("not a geometry: shapely does not take it") from None


def _encode(value: Any) -> bytes:
    """The EWKB of bytes, of hexadecimal digits, and of shapely's objects, whose module need not be imported to know."""
    if type(value).__module__.partition(".")[0] != "shapely":
        return _ewkb(value)
    import shapely

    if not isinstance(value, shapely.Geometry):
        raise wants("a geometry (shapely)", value)
    dimensions = 4 if shapely.geos_version >= _GEOS_WITH_M else 3
    made: bytes = shapely.to_wkb(value, output_dimension=dimensions, byte_order=1, include_srid=True, flavor="extended")
    return made


def _render(value: Any) -> str:
    """The text form: hexadecimal digits. A str is passed on, whatever form of the server's it has."""
    return to_str(value) if isinstance(value, str) else _encode(value).hex().upper()


def geometry_form(choice: str | None = None) -> Form:
    """geometry and geography as "shapely" or as "bytes"; None: shapely where it is installed.

    Raises ImportError for "shapely" where it is missing.
    """
    if choice not in (None, "shapely", "bytes"):
        raise ValueError(f"geometry must be 'shapely' or 'bytes', not {choice!r}")
    installed = importlib.util.find_spec("shapely") is not None
    if choice == "shapely" and not installed:
        raise ImportError("geometry='shapely' needs shapely; pip install 'pgfast[postgis]'")
    if choice == "bytes" or not installed:
        return Form(_ewkb, _render, bytes, _encode)
    return Form(lambda text: _shapely_of(_ewkb(text)), _render, _shapely_of, _encode)
