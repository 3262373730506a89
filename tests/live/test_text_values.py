"""Values that go to the server as text, or come from text: what it stores of them is what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pytest

import pgfast
from pgfast import DataError, Interval

STYLES = ("postgres", "postgres_verbose", "sql_standard", "iso_8601")
SIGNS = [
    Interval(months, days, us) for months, days, us in product((-1, 0, 14), (-2, 0, 3), (-5_000_001, 0, 7_000_000))
]


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn) as made:
        yield made


def fields(conn: pgfast.Connection) -> list[Any]:
    sql = "SELECT extract(year FROM d) * 12 + extract(month FROM d), extract(day FROM d), extract(epoch FROM d - "
    sql += "make_interval(years => extract(year FROM d)::int, months => extract(month FROM d)::int, "
    sql += "days => extract(day FROM d)::int)) * 1000000 FROM span ORDER BY n"
    return [tuple(int(value) for value in row) for row in conn.execute(sql)]


@pytest.mark.parametrize("style", STYLES)
def test_intervals_sent_as_text_are_the_same_in_each_style(conn: pgfast.Connection, style: str) -> None:
    conn.execute(f"SET intervalstyle = {style}")
    conn.execute("CREATE TEMP TABLE span (n int, d interval, p regclass)")
    values: list[Any] = [*SIGNS, timedelta(days=-1, seconds=5), timedelta(microseconds=-1)]
    assert conn.load("span", [(n, value, "pg_class") for n, value in enumerate(values)]).path == "text"
    wanted = [(value.months, value.days, value.microseconds) for value in SIGNS]
    assert fields(conn) == [*wanted, (0, 0, -86_395_000_000), (0, 0, -1)]


@pytest.mark.parametrize("style", STYLES)
def test_intervals_written_step_by_step_are_the_same_in_each_style(conn: pgfast.Connection, style: str) -> None:
    conn.execute(f"SET intervalstyle = {style}")
    conn.execute("CREATE TEMP TABLE span (n int, d interval)")
    with conn.cursor() as cursor, cursor.copy("COPY span FROM STDIN") as copy:
        for row in enumerate(SIGNS):
            copy.write_row(row)
    assert fields(conn) == [(value.months, value.days, value.microseconds) for value in SIGNS]


def test_local_times_in_arrow_strings_are_the_servers_instants(conn: pgfast.Connection) -> None:
    conn.execute("SET timezone = 'Europe/Berlin'")
    conn.execute("CREATE TEMP TABLE instant (word text, at timestamptz)")
    words = [
        f"{day} {hour}:{minute}:00"
        for day in ("2020-03-29", "2020-10-25")
        for hour in ("01", "02", "03")
        for minute in ("00", "30", "59")
    ]
    conn.load("instant", pa.table({"word": words, "at": words}))
    assert conn.execute("SELECT count(*) FROM instant WHERE at = word::timestamptz").fetchall() == [(18,)]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("float8", "1e-400"),
        ("float4", "1e-50"),
        ("bytea", "\\X00"),
        ("interval", "-1 day 5:00"),
    ],
)
def test_arrow_text_that_would_change_is_refused(conn: pgfast.Connection, kind: str, word: str) -> None:
    conn.execute(f"CREATE TEMP TABLE one (v {kind})")
    with pytest.raises(DataError, match="COPY one, row 1, column v"):
        conn.load("one", pa.table({"v": [word]}))
