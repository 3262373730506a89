"""The peers that speak Arrow: ADBC, alone and under polars and pandas; connectorx."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..results import arrow_rows, pandas_rows, parquet_rows


def adbc(setting: Setting) -> Any:
    """An ADBC connection."""
    import adbc_driver_postgresql.dbapi

    return adbc_driver_postgresql.dbapi.connect(setting.uri)


def adbc_ingest(setting: Setting) -> Run:
    """The table by adbc_ingest()."""
    conn, table = adbc(setting), setting.data.arrow()
    cursor = conn.cursor()

    def run() -> None:
        cursor.adbc_ingest(setting.target, table, mode="append")
        conn.commit()

    return run


def adbc_parquet(setting: Setting) -> Run:
    """The file's batches by adbc_ingest()."""
    import pyarrow.parquet

    conn = adbc(setting)
    cursor = conn.cursor()

    def run() -> None:
        file = pyarrow.parquet.ParquetFile(setting.data.parquet())
        batches = pyarrow.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        cursor.adbc_ingest(setting.target, batches, mode="append")
        conn.commit()

    return run


def polars_write(setting: Setting) -> Run:
    """The frame by write_database()."""
    import adbc_driver_postgresql.dbapi  # noqa: F401
    import polars

    frame = polars.read_parquet(setting.data.parquet())
    options: Any = {"engine": "adbc", "if_table_exists": "append"}
    return lambda: frame.write_database(setting.target, setting.uri, **options)


def pandas_write(setting: Setting) -> Run:
    """The frame by to_sql()."""
    conn, frame = adbc(setting), setting.data.arrow("lineitem_float8").to_pandas(date_as_object=True)
    return lambda: frame.to_sql(setting.target, conn, if_exists="append", index=False)


def adbc_fetch(setting: Setting) -> Run:
    """The table by fetch_arrow_table()."""
    cursor = adbc(setting).cursor()

    def run() -> Any:
        cursor.execute(f"select * from {setting.source}")
        return cursor.fetch_arrow_table()

    return run


def connectorx_fetch(setting: Setting) -> Run:
    """The table by read_sql()."""
    import connectorx
    import pyarrow  # noqa: F401

    return lambda: connectorx.read_sql(setting.uri, f"select * from {setting.source}", return_type="arrow")


def adbc_export(setting: Setting) -> Run:
    """The table's batches, as they come, into a Parquet file."""
    import pyarrow.parquet

    cursor = adbc(setting).cursor()
    path = setting.data.directory / "adbc-exported.parquet"

    def run() -> Path:
        cursor.execute(f"select * from {setting.source}")
        reader = cursor.fetch_record_batch()
        with pyarrow.parquet.ParquetWriter(path, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return path

    return run


def connectorx_export(setting: Setting) -> Run:
    """The table by read_sql() into a Parquet file."""
    import connectorx
    import pyarrow.parquet

    path = setting.data.directory / "connectorx-exported.parquet"

    def run() -> Path:
        table = connectorx.read_sql(setting.uri, f"select * from {setting.source}", return_type="arrow")
        pyarrow.parquet.write_table(table, path)
        return path

    return run


def pandas_fetch(setting: Setting) -> Run:
    """A pandas frame by read_sql()."""
    import connectorx
    import pandas  # noqa: F401

    return lambda: connectorx.read_sql(setting.uri, f"select * from {setting.source}", return_type="pandas")


def _columns(client: str, way: str, make: Callable[[Setting], Run]) -> Cases:
    """The case for both tables."""
    return {(client, work): Case(way, make, arrow_rows) for work in ("columns numeric", "columns float8")}


CASES: Final[Cases] = {
    ("ADBC", "load arrow"): Case("adbc_ingest(mode='append')", adbc_ingest),
    ("ADBC", "load parquet"): Case("adbc_ingest() of a RecordBatchReader", adbc_parquet),
    ("ADBC", "export parquet"): Case("fetch_record_batch(), ParquetWriter", adbc_export, parquet_rows),
    ("connectorx", "export parquet"): Case("read_sql(), write_table()", connectorx_export, parquet_rows),
    ("polars + ADBC", "load polars"): Case("write_database(engine='adbc')", polars_write),
    ("pandas + ADBC", "load pandas"): Case("to_sql()", pandas_write),
    **_columns("ADBC", "fetch_arrow_table()", adbc_fetch),
    **_columns("connectorx", "read_sql(return_type='arrow')", connectorx_fetch),
    ("connectorx", "pandas float8"): Case("read_sql(return_type='pandas')", pandas_fetch, pandas_rows),
}
