"""pgfast's own cases: each work as a program would write it, sync, on asyncio and on uvloop, compiled and pure.

Law of this file: the public interface only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .case import Case, Cases, Run, Setting
from .results import arrow_rows, csv_rows, numpy_rows, pandas_rows, parquet_rows
from .works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING, TABLES, asked, parameters


def connect(setting: Setting) -> Any:
    """A connection in autocommit mode."""
    import pgfast

    return pgfast.connect(setting.uri, autocommit=True)


# ---------------------------------------------------------------- loads


def loading(make: Callable[[Setting], Any]) -> Callable[[Setting], Run]:
    """A case that loads what `make` makes."""

    def case(setting: Setting) -> Run:
        conn, source = connect(setting), make(setting)
        return lambda: conn.load(setting.target, source)

    return case


def load_dicts(setting: Setting) -> Run:
    """A generator of dicts."""
    conn, source = connect(setting), setting.data.dicts()
    return lambda: conn.load(setting.target, iter(source))


def arrow_table(setting: Setting) -> Any:
    """A pyarrow table."""
    return setting.data.arrow()


def numpy_arrays(setting: Setting) -> dict[str, Any]:
    """Plain NumPy arrays: numbers, datetime64[D], texts as objects."""
    table = setting.data.arrow("lineitem_float8")
    return {name: table[name].to_numpy() for name in table.column_names}


def polars_frame(setting: Setting) -> Any:
    """A polars frame."""
    import polars

    return polars.read_parquet(setting.data.parquet())


def pandas_frame(setting: Setting) -> Any:
    """A pandas frame of its ordinary types: float64, datetime64, str."""
    return setting.data.arrow("lineitem_float8").to_pandas(date_as_object=False)


def csv_path(setting: Setting) -> Any:
    """The path of the CSV file."""
    return setting.data.csv


def parquet_path(setting: Setting) -> Any:
    """The path of the Parquet file; what reads it is imported before, which is not the run's to pay."""
    import pyarrow.parquet  # noqa: F401

    return setting.data.parquet()


def load_truncated(setting: Setting) -> Run:
    """COPY FREEZE into a table truncated in the same transaction."""
    conn, source = connect(setting), setting.data.arrow()

    def run() -> None:
        with conn.transaction():
            conn.execute(f"truncate {setting.target}")
            conn.load(setting.target, source, freeze=True)

    return run


def load_created(setting: Setting) -> Run:
    """COPY FREEZE into a table created in the same transaction."""
    conn, source = connect(setting), setting.data.arrow()

    def run() -> None:
        with conn.transaction():
            conn.execute(f"drop table {setting.target}")
            conn.execute(TABLES["lineitem"].format(name=setting.target))
            conn.load(setting.target, source, freeze=True)

    return run


# ---------------------------------------------------------------- fetches


def fetching(give: Callable[[Any], Any]) -> Callable[[Setting], Run]:
    """A case that makes the columns of the whole table into something."""

    def case(setting: Setting) -> Run:
        import pyarrow  # noqa: F401  (what it costs to import is not the run's)

        conn = connect(setting)
        return lambda: give(conn.fetch_columns(f"select * from {setting.source}"))

    return case


def exporting(name: str) -> Callable[[Setting], Run]:
    """A case that writes the whole table into a file; what writes it is imported before."""

    def case(setting: Setting) -> Run:
        import pyarrow.parquet  # noqa: F401

        import pgfast

        conn = connect(setting)
        path = setting.data.directory / f"pgfast-{pgfast.IMPLEMENTATION}-{name}"

        def run() -> Path:
            conn.export(setting.source, path)
            return path

        return run

    return case


def copy_table(setting: Setting) -> Run:
    """The table's rows into another table, over two connections."""
    import pgfast

    return lambda: pgfast.copy_tables(setting.uri, setting.uri, [(setting.source, setting.target)])


def fetch_tuples(setting: Setting) -> Run:
    """Every row as a tuple."""
    conn = connect(setting)
    return lambda: conn.execute(f"select * from {setting.source}").fetchall()


# ---------------------------------------------------------------- growth


def stream_rows(setting: Setting) -> Run:
    """Every row through a server-side cursor, _STREAMED at a time."""
    conn = connect(setting)

    def run() -> int:
        count = 0
        with conn.transaction():
            conn.execute(f"declare c no scroll cursor for select * from {setting.source}")
            while rows := conn.execute(f"fetch {_STREAMED} from c").fetchall():
                count += len(rows)
        return count

    return run


def load_back(read: Callable[[Any, str], Any]) -> Callable[[Setting], Run]:
    """A case that loads what `read` has read of the source."""

    def case(setting: Setting) -> Run:
        conn = connect(setting)
        source = read(conn, f"select * from {setting.source}")
        return lambda: conn.load(setting.target, source)

    return case


# ---------------------------------------------------------------- small works


def querying(sql: str, with_parameter: bool) -> Callable[[Setting], Run]:
    """A case that runs one query again and again, and fetches all it gives."""

    def case(setting: Setting) -> Run:
        conn = connect(setting)
        query = asked(sql, "format")

        def run(count: int = setting.size) -> Any:
            rows: Any = None
            for number in range(count):
                rows = conn.execute(query, (number % BATCH,) if with_parameter else None).fetchall()
            return rows

        run(10)  # prepared by then
        return run

    return case


def pipeline(setting: Setting) -> Run:
    """1,000 executions in one pipeline, then their rows."""
    conn = connect(setting)
    query = asked(POINT, "format")

    def run(count: int = setting.size) -> list[Any]:
        rows: list[Any] = []
        for _ in range(count):
            with conn.pipeline():
                cursors = [conn.execute(query, (number,)) for number in range(BATCH)]
            rows = [cursor.fetchone() for cursor in cursors]
        return rows

    run(2)
    return run


def executing_many(sql: str, returning: bool) -> Callable[[Setting], Run]:
    """A case that runs executemany of 1,000 rows again and again."""

    def case(setting: Setting) -> Run:
        conn = connect(setting)
        query, rows = asked(sql, "format"), parameters()

        def run(count: int = setting.size) -> list[Any]:
            given: list[Any] = []
            for _ in range(count):
                cursor = conn.cursor()
                cursor.executemany(query, rows, returning=returning)
                if returning:
                    given = [cursor.fetchone()]
                    while cursor.nextset():
                        given.append(cursor.fetchone())
            return given

        run(1)
        conn.execute("truncate bench_insert")
        return run

    return case


# ---------------------------------------------------------------- asyncio


def on_loop(uvloop: bool, sql: str, with_parameter: bool) -> Callable[[Setting], Run]:
    """As `querying`, on an event loop."""

    def case(setting: Setting) -> Run:
        import pgfast

        if uvloop:
            import uvloop as module

            loop: Any = module.new_event_loop()
        else:
            loop = asyncio.new_event_loop()
        query = asked(sql, "format")
        conn: Any = loop.run_until_complete(pgfast.AsyncConnection.connect(setting.uri, autocommit=True))

        async def work(count: int) -> Any:
            rows: Any = None
            for number in range(count):
                cursor = await conn.execute(query, (number % BATCH,) if with_parameter else None)
                rows = await cursor.fetchall()
            return rows

        loop.run_until_complete(work(10))
        return lambda: loop.run_until_complete(work(setting.size))

    return case


#: Rows of one FETCH from a server-side cursor.
_STREAMED: Final = 50_000
_SAME: Final[Callable[[Any], Any]] = list

_OWN: Final[dict[str, Case]] = {
    "load arrow": Case("load() of a pyarrow table", loading(arrow_table)),
    "load numpy": Case("load() of a dict of arrays", loading(numpy_arrays)),
    "load polars": Case("load() of the frame", loading(polars_frame)),
    "load pandas": Case("load() of the frame", loading(pandas_frame)),
    "load tuples": Case("load() of the list", loading(lambda setting: setting.data.tuples())),
    "load dicts": Case("load() of the generator", load_dicts),
    "load csv": Case("load() of the path", loading(csv_path)),
    "load parquet": Case("load() of the path", loading(parquet_path)),
    "load freeze": Case("truncate, load(freeze=True)", load_truncated),
    "load created": Case("create table, load(freeze=True)", load_created),
    "copy table": Case("copy_tables()", copy_table),
    "export csv": Case("export() to .csv", exporting("exported.csv"), csv_rows),
    "export parquet": Case("export() to .parquet", exporting("exported.parquet"), parquet_rows),
    "columns numeric": Case("fetch_columns().to_arrow(), decimal128", fetching(lambda c: c.to_arrow()), arrow_rows),
    "columns float8": Case("fetch_columns().to_arrow()", fetching(lambda c: c.to_arrow()), arrow_rows),
    "numpy float8": Case("fetch_columns().to_numpy()", fetching(lambda c: c.to_numpy()), numpy_rows),
    "pandas float8": Case("fetch_columns().to_pandas()", fetching(lambda c: c.to_pandas()), pandas_rows),
    "tuples numeric": Case("execute().fetchall()", fetch_tuples, _SAME),
    "tuples float8": Case("execute().fetchall()", fetch_tuples, _SAME),
    "tuples four": Case("execute().fetchall()", fetch_tuples, _SAME),
    "point": Case("execute().fetchall()", querying(POINT, True), _SAME),
    "pg_type": Case("execute().fetchall()", querying(PG_TYPE, False), _SAME),
    "arrays": Case("execute().fetchall()", querying(ARRAYS, False), _SAME),
    "pipeline": Case("pipeline(), execute(), fetchone()", pipeline, _SAME),
    "executemany": Case("executemany()", executing_many(INSERT, False)),
    "returning": Case("executemany(returning=True)", executing_many(RETURNING, True), _SAME),
    "stream rows": Case(f"DECLARE, FETCH {_STREAMED:,}, fetchall()", stream_rows),
    "wide columns": Case("fetch_columns().to_arrow()", fetching(lambda c: c.to_arrow())),
    "wide tuples": Case("execute().fetchall()", fetch_tuples),
    "wide load columns": Case("load() of a pyarrow table", load_back(lambda c, sql: c.fetch_columns(sql).to_arrow())),
    "wide load tuples": Case("load() of a list", load_back(lambda c, sql: c.execute(sql).fetchall())),
}
#: Works that are done on an event loop too, where the loop is part of what is measured.
_ON_LOOPS: Final = (("point", POINT, True), ("pg_type", PG_TYPE, False), ("arrays", ARRAYS, False))

CASES: Final[Cases] = {
    **{("pgfast", work): case for work, case in _OWN.items()},
    **{("pgfast (pure)", work): replace(case, slow=True) for work, case in _OWN.items()},
    **{
        (client, work): Case("await execute()", on_loop(client == "pgfast (uvloop)", sql, with_parameter), _SAME)
        for client in ("pgfast (asyncio)", "pgfast (uvloop)")
        for work, sql, with_parameter in _ON_LOOPS
    },
}
