"""The ADBC names: what polars and pandas find, unpatched, and the modes of an ingestion."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import adbc_driver_manager
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pgfast
from adbc_driver_pgfast import dbapi

FRAME = pl.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "x": [0.5, None, 2.0]})


@pytest.fixture
def adbc(dsn: str) -> Iterator[dbapi.Connection]:
    """A connection, and none of the tests' tables."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists adbc_t; drop schema if exists adbc_s cascade; create schema adbc_s")
    with dbapi.connect(dsn.replace("postgresql://", "pgfast://")) as made:
        yield made


def test_polars_reads_and_writes(adbc: dbapi.Connection) -> None:
    assert FRAME.write_database("adbc_t", adbc, engine="adbc") == 3
    assert FRAME.write_database("adbc_t", adbc, engine="adbc", if_table_exists="append") == 3
    assert pl.read_database("select * from adbc_t order by id", adbc).equals(pl.concat([FRAME, FRAME]).sort("id"))
    assert FRAME.write_database("adbc_s.t", adbc, engine="adbc", if_table_exists="append") == 3
    assert FRAME.write_database("adbc_t", adbc, engine="adbc", if_table_exists="replace") == 3
    batches = pl.read_database("select * from adbc_t order by id", adbc, iter_batches=True, batch_size=2)
    assert pl.concat(list(batches)).equals(FRAME)


def test_polars_opens_connections_by_their_address(dsn: str) -> None:
    found = pl.read_database_uri("select 1 as a", dsn.replace("postgresql://", "pgfast://"), engine="adbc")
    assert found.to_dicts() == [{"a": 1}]


def test_pandas_reads_and_writes(adbc: dbapi.Connection) -> None:
    frame = pd.DataFrame({"id": [1, 2], "name": ["a", "b"]})
    assert frame.to_sql("adbc_t", adbc, index=False) == 2
    with pytest.raises(ValueError, match="exists"):
        frame.to_sql("adbc_t", adbc, index=False)
    assert frame.to_sql("adbc_t", adbc, index=False, if_exists="append") == 2
    found = pd.read_sql("select * from adbc_t order by id", adbc)
    assert found["name"].tolist() == ["a", "a", "b", "b"]


def test_duckdb_takes_a_result(adbc: dbapi.Connection) -> None:
    cursor = adbc.execute("select g as id, g::text as name from generate_series(1, 5) g")
    found = duckdb.from_arrow(cursor.fetch_arrow_table())
    assert found.aggregate("sum(id), max(name)").fetchall() == [(15, "5")]


def test_modes_of_an_ingestion(adbc: dbapi.Connection) -> None:
    data = pa.table({"a": [1, 2]})
    with adbc.cursor() as cursor:
        assert cursor.adbc_ingest("adbc_t", data) == 2
        adbc.commit()
        with pytest.raises(pgfast.errors.DuplicateTable):
            cursor.adbc_ingest("adbc_t", data)
        adbc.rollback()
        assert cursor.adbc_ingest("adbc_t", data, "append") == 2
        assert cursor.adbc_ingest("adbc_t", data.to_reader(), "create_append") == 2
        assert cursor.execute("select count(*) from adbc_t").fetchone() == (6,)
        assert cursor.adbc_ingest("adbc_t", data, "replace") == 2
        assert cursor.execute("select a from adbc_t").fetchall() == [(1,), (2,)]
        assert cursor.adbc_ingest("adbc_own", data, temporary=True) == 2
        assert cursor.adbc_ingest("adbc_own", data, "append", temporary=True) == 2
        assert cursor.adbc_ingest("t", data, "create_append", db_schema_name="adbc_s") == 2
        with pytest.raises(pgfast.ProgrammingError, match="mode is one of"):
            cursor.adbc_ingest("adbc_t", data, "upsert")
        with pytest.raises(pgfast.NotSupportedError, match="of the connection only"):
            cursor.adbc_ingest("adbc_t", data, catalog_name="another")


def test_rows_and_parameters(adbc: dbapi.Connection) -> None:
    cursor = adbc.cursor()
    cursor.execute("select g from generate_series(1, $1::int) g", (5,))
    assert [field[0] for field in cursor.description or ()] == ["g"]
    assert cursor.rowcount == 5
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(2) == [(2,), (3,)]
    assert cursor.rownumber == 3
    assert list(cursor) == [(4,), (5,)]
    assert cursor.fetchone() is None
    cursor.execute("create temp table own (a int, b text)")
    assert cursor.description is None
    with pytest.raises(pgfast.ProgrammingError, match="nothing to fetch"):
        cursor.fetch_arrow_table()
    cursor.executemany("insert into own values ($1, $2)", pa.table({"a": [1, 2], "b": ["x", None]}))
    assert cursor.rowcount == 2
    assert cursor.execute("select * from own order by a").fetch_record_batch().read_all().to_pylist() == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": None},
    ]
    assert cursor.execute("update own set a = 0").rowcount == 2


def test_what_a_database_holds(adbc: dbapi.Connection) -> None:
    adbc.execute("create table adbc_s.p (id int primary key, t text not null default 'x')")
    adbc.execute("create table adbc_s.c (p int references adbc_s.p, n numeric(5,2))")
    (catalog,) = adbc.adbc_get_objects(db_schema_filter="adbc\\_s").read_all().to_pylist()
    assert catalog["catalog_name"] == adbc.adbc_current_catalog
    (schema,) = catalog["catalog_db_schemas"]
    child, parent = schema["db_schema_tables"]
    assert [(one["column_name"], one["xdbc_type_name"]) for one in child["table_columns"]] == [
        ("p", "integer"),
        ("n", "numeric(5,2)"),
    ]
    assert parent["table_columns"][1]["xdbc_is_nullable"] == "NO"
    assert [one["constraint_type"] for one in parent["table_constraints"]][-1] == "PRIMARY KEY"
    (foreign,) = child["table_constraints"]
    assert foreign["constraint_column_usage"][0]["fk_table"] == "p"
    (shallow,) = adbc.adbc_get_objects(depth="catalogs").read_all().to_pylist()
    assert shallow["catalog_db_schemas"] is None
    assert adbc.adbc_get_objects(catalog_filter="no such").read_all().num_rows == 0
    assert adbc.adbc_get_table_schema("c", db_schema_filter="adbc_s").names == ["p", "n"]
    with pytest.raises(adbc_driver_manager.Error) as caught:
        adbc.adbc_get_table_schema("nothing")
    assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_FOUND
    assert adbc.adbc_get_info()["vendor_name"] == "PostgreSQL"
    assert adbc.cursor().adbc_execute_schema("select 1 as a, 'x'::text as b;").names == ["a", "b"]
    assert "table" in adbc.adbc_get_table_types()
    assert adbc.adbc_current_db_schema == "public"


def test_a_pickled_connection_connects_anew(adbc: dbapi.Connection) -> None:
    with pickle.loads(pickle.dumps(adbc)) as other, adbc.adbc_clone() as third, other.adbc_clone() as fourth:
        pids = {one.execute("select pg_backend_pid()").fetchone() for one in (adbc, other, third, fourth)}
    assert len(pids) == 4


def test_no_secret_is_pickled(dsn: str) -> None:
    where = dsn.replace("postgresql://", "pgfast://")
    mark = "&" if "?" in where else "?"
    secrets = {"sslpassword": "hidden-key", "oauth_client_secret": "hidden-client"}
    uri = f"{where}{mark}password=hidden-in-the-uri&application_name=first"
    with dbapi.connect(uri, autocommit=True, **secrets) as made:
        pickled = pickle.dumps(made)
        assert b"hidden" not in pickled
        with pickle.loads(pickled) as other:
            assert other.driver_connection.autocommit
            assert other.execute("show application_name").fetchone() == ("first",)


def test_there_are_no_handles(adbc: dbapi.Connection) -> None:
    for owner, name in ((adbc, "adbc_connection"), (adbc, "adbc_database"), (adbc.cursor(), "adbc_statement")):
        with pytest.raises(pgfast.NotSupportedError, match="no driver in C"):
            getattr(owner, name)
