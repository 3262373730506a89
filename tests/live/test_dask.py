"""Dask over the dialect: frames by URI, with an engine made in every worker, be it a thread or a process."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import dask.dataframe as dd
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry

import pgfast
from pgfast.pandas import copy_method
from tests.live import engines as _engines  # noqa: F401  (registers the dialect)

FRAME = pd.DataFrame(
    {
        "id": range(1, 101),
        "name": [None if number % 7 == 0 else f"it's {number}%" for number in range(1, 101)],
        "x": [number / 8 for number in range(1, 101)],
    }
)
SCHEDULERS = ("threads", "processes")


def know_the_dialect() -> None:
    """Makes sure of it in a worker's process, which imports this module and with it `engines`."""
    registry.load("postgresql.pgfast")


@pytest.fixture
def uri(dsn: str) -> Iterator[str]:
    """The server's address as Dask takes it, with a table `dask_t` that holds the frame, and no table afterwards."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists dask_t, dask_new")
        conn.execute("create table dask_t (id int primary key, name text, x float8)")
        conn.load("dask_t", FRAME)
    yield dsn.replace("postgresql://", "postgresql+pgfast://", 1)
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists dask_t, dask_new")


@pytest.fixture(params=SCHEDULERS)
def workers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Dask's workers: threads of this process, or processes that are made anew."""
    settings = {"scheduler": request.param, "num_workers": 2, "multiprocessing.initializer": know_the_dialect}
    with dask.config.set(settings):
        yield request.param


def expected() -> pd.DataFrame:
    return FRAME.set_index("id")


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.sort_index(), wanted, check_dtype=False, check_index_type=False)


def test_a_table_is_read_in_parts(uri: str, workers: str) -> None:
    frame = dd.read_sql_table("dask_t", uri, "id", npartitions=4)
    assert frame.npartitions == 4
    same(frame.compute(), expected())
    assert frame.x.sum().compute() == FRAME.x.sum()
    some = dd.read_sql_table("dask_t", uri, "id", divisions=[1, 40, 100], columns=["x"])
    same(some.compute(), expected()[["x"]])


def test_a_query_is_read_in_parts(uri: str, workers: str) -> None:
    table = sa.table("dask_t", sa.column("id"), sa.column("name"), sa.column("x"))
    query = sa.select(table.c.id, table.c.name).where(table.c.x > 5)
    frame = dd.read_sql_query(query, uri, "id", npartitions=3)
    same(frame.compute(), expected()[FRAME.set_index("id").x > 5][["name"]])


@pytest.mark.parametrize("method", [None, "multi", copy_method])
def test_a_frame_is_written_by_every_part(uri: str, dsn: str, workers: str, method: object) -> None:
    frame = dd.from_pandas(FRAME.set_index("id"), npartitions=3)
    frame.to_sql("dask_new", uri, method=method, parallel=True)
    with pgfast.connect(dsn) as conn:
        found = conn.fetch_columns("select id, name, x from dask_new").to_pandas()
    same(found.set_index("id"), expected())


def test_no_connection_is_left(uri: str, dsn: str) -> None:
    with dask.config.set(scheduler="threads"):
        dd.read_sql_table("dask_t", uri + "?application_name=dask_left", "id", npartitions=4).compute()
    with pgfast.connect(dsn, autocommit=True) as conn:
        left = "select count(*) from pg_stat_activity where application_name = 'dask_left'"
        while conn.execute(left).fetchone() != (0,):
            conn.execute("select pg_stat_clear_snapshot()")
