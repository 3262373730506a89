"""PEP 249's constructors and type objects."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from .. import const

Date: Final = datetime.date
Time: Final = datetime.time
Timestamp: Final = datetime.datetime


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802  (the name is PEP 249's)
    """The local date at `ticks`, seconds since 1970."""
    return datetime.date.fromtimestamp(ticks)


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """The local time of day at `ticks`, seconds since 1970."""
    return datetime.datetime.fromtimestamp(ticks).time()


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """The local date and time at `ticks`, seconds since 1970, with its zone."""
    return datetime.datetime.fromtimestamp(ticks).astimezone()


def Binary(data: bytes | bytearray | memoryview) -> bytes:  # noqa: N802
    """The bytes, for a bytea parameter."""
    return bytes(data)


class TypeObject:
    """Equal to every type_code in `Cursor.description` that is of its sort."""

    def __init__(self, name: str, oids: Iterable[int]) -> None:
        self.name = name
        self.oids = frozenset(oids)

    def __eq__(self, other: object) -> bool:
        return other in self.oids if isinstance(other, int) else self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<pgfast.{self.name}>"


STRING: Final = TypeObject(
    "STRING", (const.OID_TEXT, const.OID_VARCHAR, const.OID_BPCHAR, const.OID_NAME, const.OID_CHAR, const.OID_UNKNOWN)
)
BINARY: Final = TypeObject("BINARY", (const.OID_BYTEA,))
NUMBER: Final = TypeObject(
    "NUMBER",
    (const.OID_INT2, const.OID_INT4, const.OID_INT8, const.OID_FLOAT4, const.OID_FLOAT8, const.OID_NUMERIC),
)
DATETIME: Final = TypeObject(
    "DATETIME",
    (const.OID_DATE, const.OID_TIME, const.OID_TIMETZ, const.OID_TIMESTAMP, const.OID_TIMESTAMPTZ, const.OID_INTERVAL),
)
ROWID: Final = TypeObject("ROWID", (const.OID_OID,))
