"""What stands for a missing value in other libraries is NULL."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

import pgfast


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        # A point is not known to the driver, so that a load of all columns goes in text.
        made.execute("CREATE TEMP TABLE y (a int, s varchar(5), n numeric(3,1), p point)")
        yield made


@pytest.mark.parametrize("columns", [["a", "s", "n"], ["a", "s", "n", "p"]], ids=["binary", "text"])
def test_what_pandas_calls_missing_is_null(conn: pgfast.Connection, columns: list[str]) -> None:
    missing: Any = pd.NA
    conn.load("y", [(1, missing, missing, missing)[: len(columns)]], columns)
    series = {
        "a": pd.Series([2, 3], dtype="Int64"),
        "s": pd.Series(["x", None], dtype="string"),
        "n": pd.Series([None, 3], dtype="Int64"),
        "p": [missing, missing],
    }
    conn.load("y", {name: series[name] for name in columns}, columns)
    stored = conn.execute("select a, s, n, p::text from y order by a").fetchall()
    assert stored == [(1, None, None, None), (2, "x", None, None), (3, None, Decimal("3.0"), None)]
