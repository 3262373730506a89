"""pandas over the dialect: read_sql, to_sql, and to_sql through COPY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import pgfast
from pgfast.pandas import copy_method
from tests.live.engines import Engines

FRAME = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "Na me": ["a", None, 'x"y'],
        "x": [0.5, float("nan"), -1.25],
        "at": pd.to_datetime(["2024-02-29 12:00:00.000001", None, "1999-12-31"], utc=True, format="ISO8601"),
    }
)


@pytest.fixture
def engine(dsn: str) -> Iterator[Any]:
    """An engine, and nothing of the tables afterwards."""
    engines = Engines("sync", dsn)
    made = engines.make()
    assert isinstance(made, sa.Engine)
    yield made
    with made.begin() as connection:
        connection.execute(sa.text('drop table if exists "Pandas t"'))
        connection.execute(sa.text("drop schema if exists pandas_s cascade"))
    engines.close()


@pytest.mark.parametrize("method", [None, "multi", copy_method])
@pytest.mark.parametrize("chunk", [None, 2])
def test_a_frame_comes_back_as_it_went(engine: sa.Engine, method: Any, chunk: int | None) -> None:
    assert FRAME.to_sql("Pandas t", engine, index=False, method=method, chunksize=chunk) == 3
    found = pd.read_sql('select * from "Pandas t" order by id', engine)
    pd.testing.assert_frame_equal(found, FRAME, check_dtype=False)


def test_copy_goes_into_a_schema_and_into_the_transaction(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create schema pandas_s"))
    with engine.connect() as connection:
        connection.begin()
        FRAME.to_sql("t", connection, schema="pandas_s", index=True, index_label="n", method=copy_method)
        # One command has written them all.
        assert connection.scalar(sa.text("select count(distinct cmin::text) from pandas_s.t")) == 1
        connection.rollback()
        assert connection.scalar(sa.text("select to_regclass('pandas_s.t')")) is None


def test_a_value_that_does_not_fit_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text('create table "Pandas t" (id int)'))
    wrong = pd.DataFrame({"id": ["one"]})
    with pytest.raises(pgfast.DataError, match="'one' does not fit"):
        wrong.to_sql("Pandas t", engine, index=False, if_exists="append", method=copy_method)


def test_copy_wants_its_own_dialect(tmp_path: Any) -> None:
    other = sa.create_engine(f"sqlite:///{tmp_path}/x")
    with pytest.raises(pgfast.InterfaceError, match=r"postgresql\+pgfast"):
        FRAME.to_sql("t", other, method=copy_method)
    other.dispose()
