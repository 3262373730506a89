"""What values stand for: the name that a message would tell is that of the constant that is written."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pgfast.types import Json, Jsonb, wrappers
from pgfast.types.classes import cast_for
from pgfast.types.registry import Registry
from pgfast.types.standing import standing_for
from pgfast.values import Array, Box, Circle, Interval, Line, LineSegment, Multirange, Path, Point, Polygon, Range
from pgfast.values.lsn import LSN

UTC = timezone.utc
SCALARS: list[tuple[Any, str]] = [
    (True, "bool"),
    (5, "int4"),
    (2**31, "int8"),
    (-(2**63), "int8"),
    (2**63, "numeric"),
    (np.int64(5), "int4"),
    (1.5, "float8"),
    (np.float32(1.5), "float8"),
    (Decimal("1.5"), "numeric"),
    (datetime(2024, 1, 1), "timestamp"),
    (datetime(2024, 1, 1, tzinfo=UTC), "timestamptz"),
    (np.datetime64("2024-01-01T00:00", "us"), "timestamp"),
    (date(2024, 1, 1), "date"),
    (time(1), "time"),
    (time(1, tzinfo=UTC), "timetz"),
    (timedelta(1), "interval"),
    (Interval(1), "interval"),
    (UUID(int=1), "uuid"),
    (b"x", "bytea"),
    (bytearray(b"x"), "bytea"),
    (memoryview(b"x"), "bytea"),
    ({"a": 1}, "jsonb"),
    (Json([1]), "json"),
    (Jsonb([1]), "jsonb"),
    (IPv4Address("127.0.0.1"), "inet"),
    (IPv6Address("::1"), "inet"),
    (IPv4Network("10.0.0.0/8"), "cidr"),
    (IPv6Network("::/8"), "cidr"),
    (LSN(5), "pg_lsn"),
    (Point(1, 2), "point"),
    (Line(1, 2, 3), "line"),
    (LineSegment(Point(1, 2), Point(3, 4)), "lseg"),
    (Box(Point(3, 4), Point(1, 2)), "box"),
    (Path((Point(1, 2),), False), "path"),
    (Polygon((Point(1, 2),)), "polygon"),
    (Circle(Point(1, 2), 3), "circle"),
    (wrappers.Int2(5), "int2"),
    (wrappers.Float4(1.5), "float4"),
    (wrappers.Oid(5), "oid"),
    (wrappers.Int8Range(1, 2), "int8range"),
    (wrappers.TimestampMultirange([Range(datetime(2024, 1, 1), None)]), "tsmultirange"),
]
MADE: list[tuple[Any, str]] = [
    (Range(Decimal(1), 5), "numrange"),
    (Range(None, date(2024, 1, 1)), "daterange"),
    (Multirange([Range(datetime(2024, 1, 1, tzinfo=UTC), None)]), "tstzmultirange"),
    ([None, 1, 2**40], "int8[]"),
    ([[1, 2.5], [3, 4]], "float8[]"),
    ([Range(date(2024, 1, 1), None)], "daterange[]"),
    (Array([[1], [2]], (1, 1)), "int4[]"),
]
#: The server finds the type of the constant from where it stands; a cast has to name one.
OPEN: list[tuple[Any, str | None]] = [
    (Range(1, 5), "int4range"),
    (Range(1, 2**40), "int8range"),
    (Range(datetime(2024, 1, 1), None), "tsrange"),
    (Multirange([Range(1, 5)]), "int4multirange"),
    (["a", None], "text[]"),
    ("a", None),
    (Range(), None),
    ([], None),
    ([None], None),
    ([1, "a"], None),
    ((1, 2), None),
]


@pytest.mark.parametrize(("value", "name"), [*SCALARS, *MADE])
def test_the_cast_to_write_is_that_of_the_constant(value: Any, name: str) -> None:
    standing = standing_for(value, Registry())
    assert standing is not None
    assert (standing[1], cast_for(value)) == (name, name)


@pytest.mark.parametrize(("value", "name"), OPEN)
def test_a_constant_is_left_open_where_the_server_finds_its_type(value: Any, name: str | None) -> None:
    standing = standing_for(value, Registry())
    assert standing is not None
    assert (standing[1], cast_for(value)) == (None, name)


@pytest.mark.parametrize("name", sorted({name for _, name in SCALARS}))
def test_every_class_gives_an_array_of_its_type(name: str) -> None:
    values = [value for value, found in SCALARS if found == name]
    assert cast_for(values) == f"{name}[]"
    standing = standing_for(values, Registry())
    assert standing is not None
    assert standing[1] == f"{name}[]"
