"""The type families that are measured: for each the columns and its rows.

Law of this file: it runs in the peers' interpreter too, so nothing of pgfast; values are made from the row's number
alone, so that every process makes the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

Row = tuple[Any, ...]

MOODS: Final = ("sad", "ok", "happy", "ecstatic")
_UTC: Final = timezone.utc


class Span(NamedTuple):
    """A range without its upper bound, which each client makes into its own class."""

    lower: Any
    upper: Any


def _short(i: int) -> str:
    return f"row {i}"


@dataclass(frozen=True, slots=True)
class Family:
    """One family: SQL types of its columns, and what makes the values of row number i.

    `weight` is how many ordinary rows one of its rows stands for, so that cases take about the same time.
    `setup` makes the types it needs, once.
    """

    columns: tuple[str, ...]
    row: Callable[[int], Row]
    weight: int = 1
    setup: str = ""

    def rows(self, count: int) -> list[Row]:
        """The first rows."""
        row = self.row
        return [row(i) for i in range(count)]

    def table(self, name: str) -> str:
        """SQL that makes a table of the columns a, b, c ..."""
        columns = ", ".join(f"{letter} {kind}" for letter, kind in zip("abcdefgh", self.columns, strict=False))
        return f"create table {name} ({columns})"


FAMILIES: Final = MappingProxyType(
    {
        "ints": Family(
            ("int2", "int4", "int8", "int4"),
            lambda i: (i % 30000, i, i * 1_000_003, -i),
        ),
        "floats": Family(
            ("float8", "float8", "float4", "float8"),
            lambda i: (i / 7, -i * 1.5, float(i % 4096) / 8, i * 1e-9),
        ),
        "numerics": Family(
            ("numeric(15,2)", "numeric(15,2)", "numeric(12,4)", "numeric(30,10)"),
            lambda i: (
                Decimal(90000 + i * 7919 % 9_000_000).scaleb(-2),
                Decimal(-i).scaleb(-2),
                Decimal(i * 31).scaleb(-4),
                Decimal(i * 10**15 + i).scaleb(-10),
            ),
        ),
        "short text": Family(
            ("text", "varchar(40)", "text", "text"),
            lambda i: (_short(i), "x" * (i % 40), "état", ("DELIVER IN PERSON", "NONE")[i % 2]),
        ),
        "timestamps": Family(
            ("timestamp", "timestamptz", "timestamp"),
            lambda i: (
                datetime(2000, 1, 1) + timedelta(minutes=i * 13, microseconds=i),
                datetime(2024, 1, 1, tzinfo=_UTC) + timedelta(seconds=i),
                datetime(1992, 1, 1) + timedelta(days=i % 9000),
            ),
        ),
        "dates and times": Family(
            ("date", "time", "interval", "date"),
            lambda i: (
                date(1992, 1, 1) + timedelta(days=i * 7 % 2500),
                time(i % 24, i % 60, i % 59, i % 1_000_000),
                timedelta(days=i % 100, seconds=i % 86400),
                date(2000, 1, 1) + timedelta(days=i % 9000),
            ),
        ),
        "uuid": Family(("uuid", "uuid"), lambda i: (UUID(int=i << 64 | i), UUID(int=i))),
        "bool": Family(
            ("bool",) * 4,
            lambda i: (i % 2 == 0, i % 3 == 0, None if i % 5 else True, False),
        ),
        "bytea": Family(("bytea", "bytea"), lambda i: (b"\x00\xff" * (i % 20), b"%016d" % i)),
        "jsonb": Family(
            ("jsonb",),
            lambda i: ({"id": i, "name": _short(i), "tags": ["a", "b"], "price": i / 4, "none": None},),
            2,
        ),
        "int4[] of 100": Family(("int4[]",), lambda i: (list(range(i, i + 100)),), 20),
        "text[]": Family(("text[]",), lambda i: ([_short(i + n) for n in range(i % 10)],), 2),
        "ranges": Family(
            ("int4range", "int8range"),
            lambda i: (Span(i, i + 10), Span(i, None)),
            2,
        ),
        "composites": Family(
            ("bench_pair",),
            lambda i: ((i, _short(i), Decimal(i).scaleb(-2)),),
            2,
            "create type bench_pair as (a int4, b text, c numeric)",
        ),
        "enums": Family(
            ("bench_mood",) * 3,
            lambda i: (MOODS[i % 4], MOODS[i % 3], None if i % 7 == 0 else "ok"),
            1,
            f"create type bench_mood as enum ({', '.join(map(repr, MOODS))})",
        ),
    }
)
