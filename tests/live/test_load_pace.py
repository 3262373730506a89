"""A source that is long in giving its rows keeps neither a timeout nor a lost server from being noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pytest

import pgfast
from pgfast import OperationalError, errors

#: Seconds between two rows, and after how many the source gives up waiting to be stopped.
BETWEEN: Final = 0.02
MOST: Final = 300


def slowly(taken: list[int], fast: int = 0) -> Iterator[Any]:
    """Rows that come one by one, after `fast` that come at once; each is noted."""
    for number in range(fast + MOST):
        if number >= fast:
            time.sleep(BETWEEN)
            taken.append(number)
        yield (number, None)


@pytest.fixture(params=["int", "point"])
def table(request: pytest.FixtureRequest, auto: Any) -> str:
    """A table that takes binary COPY, and one that takes text."""
    auto.execute(f"CREATE TEMP TABLE slow (id int, other {request.param})")
    return "slow"


@pytest.mark.parametrize("fast", [0, 5000])
def test_a_timeout_is_noticed_between_two_rows_of_a_slow_source(auto: Any, table: str, fast: int) -> None:
    taken: list[int] = []
    with pytest.raises(errors.TimeoutError):
        auto.load(table, slowly(taken, fast), timeout=0.5)
    assert len(taken) < MOST / 3
    assert auto.execute(f"select count(*) from {table}").fetchall() == [(0,)]


def test_a_lost_server_is_noticed_between_two_rows_of_a_slow_source(auto: Any, table: str, dsn: str) -> None:
    taken: list[int] = []
    pid = auto.info.backend_pid

    def rows() -> Iterator[Any]:
        for row in slowly(taken):
            if len(taken) == 10:
                with pgfast.connect(dsn, autocommit=True) as other:
                    other.execute("select pg_terminate_backend(%s, 5000)", (pid,))
            yield row

    with pytest.raises(OperationalError):
        auto.load(table, rows())
    assert len(taken) < MOST / 3


def test_a_timeout_is_noticed_between_two_batches_of_a_slow_stream(auto: Any, table: str) -> None:
    taken: list[int] = []
    schema = pa.schema([("id", pa.int32()), ("other", pa.null())])

    def batches() -> Iterator[pa.RecordBatch]:
        for row in slowly(taken):
            yield pa.RecordBatch.from_pylist([{"id": row[0], "other": None}], schema)

    source = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(errors.TimeoutError):
        auto.load(table, source, timeout=0.5)
    assert len(taken) < MOST / 3


def test_a_slow_source_loads_all_its_rows(auto: Any, table: str) -> None:
    def rows() -> Iterator[Any]:
        for number in range(2000):
            if number % 500 == 499:
                time.sleep(0.15)
            yield (number, None)

    assert auto.load(table, rows()).rows == 2000
    assert auto.execute(f"select count(distinct id), sum(id) from {table}").fetchall() == [(2000, 1999 * 1000)]
