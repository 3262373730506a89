"""asyncpg, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..results import pandas_rows
from ..works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING, parameters

ASYNCIO: Final = "asyncpg"
UVLOOP: Final = "asyncpg (uvloop)"
Opened = tuple[Any, Any]


def opened(setting: Setting, client: str) -> Opened:
    """(loop, connection)."""
    import asyncpg

    if client == UVLOOP:
        import uvloop

        loop: Any = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    return loop, loop.run_until_complete(asyncpg.connect(setting.uri))


def copy_tuples(client: str) -> Callable[[Setting], Run]:
    """The rows into a binary COPY."""

    def case(setting: Setting) -> Run:
        (loop, conn), rows = opened(setting, client), setting.data.tuples()
        return lambda: loop.run_until_complete(conn.copy_records_to_table(setting.target, records=rows))

    return case


def copy_arrow(client: str) -> Callable[[Setting], Run]:
    """The table's values as tuples into a binary COPY."""

    def case(setting: Setting) -> Run:
        (loop, conn), table = opened(setting, client), setting.data.arrow()

        def run() -> None:
            for batch in table.to_batches(max_chunksize=65_536):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                loop.run_until_complete(conn.copy_records_to_table(setting.target, records=rows))

        return run

    return case


def copy_csv(client: str) -> Callable[[Setting], Run]:
    """The file into a COPY in CSV format."""

    def case(setting: Setting) -> Run:
        loop, conn = opened(setting, client)
        options = {"source": str(setting.data.csv), "format": "csv", "header": True}
        return lambda: loop.run_until_complete(conn.copy_to_table(setting.target, **options))

    return case


def fetch_tuples(client: str) -> Callable[[Setting], Run]:
    """Every row as a Record."""

    def case(setting: Setting) -> Run:
        loop, conn = opened(setting, client)
        return lambda: loop.run_until_complete(conn.fetch(f"select * from {setting.source}"))

    return case


def fetch_pandas(setting: Setting) -> Run:
    """The records as a pandas frame."""
    import pandas

    loop, conn = opened(setting, ASYNCIO)

    def run() -> Any:
        records = loop.run_until_complete(conn.fetch(f"select * from {setting.source}"))
        return pandas.DataFrame(records, columns=list(records[0].keys()))

    return run


def querying(sql: str, with_parameter: bool) -> Callable[[str], Callable[[Setting], Run]]:
    """One prepared statement again and again."""

    def of(client: str) -> Callable[[Setting], Run]:
        def case(setting: Setting) -> Run:
            loop, conn = opened(setting, client)
            statement = loop.run_until_complete(conn.prepare(sql))

            async def work(count: int) -> Any:
                rows: Any = None
                for number in range(count):
                    rows = await (statement.fetch(number % BATCH) if with_parameter else statement.fetch())
                return rows

            loop.run_until_complete(work(10))
            return lambda: loop.run_until_complete(work(setting.size))

        return case

    return of


def together(sql: str, way: str) -> Callable[[str], Callable[[Setting], Run]]:
    """fetchmany() of the statement or executemany() of the connection, 1,000 at once, again and again."""

    def of(client: str) -> Callable[[Setting], Run]:
        def case(setting: Setting) -> Run:
            loop, conn = opened(setting, client)
            statement = loop.run_until_complete(conn.prepare(sql))
            given: list[Any] = [(i,) for i in range(BATCH)] if "$2" not in sql else parameters()
            call = statement.fetchmany if way == "fetchmany" else statement.executemany

            async def work(count: int) -> Any:
                rows: Any = None
                for _ in range(count):
                    rows = await call(given)
                return rows

            loop.run_until_complete(work(2))
            loop.run_until_complete(conn.execute("truncate bench_insert"))
            return lambda: loop.run_until_complete(work(setting.size))

        return case

    return of


def _both(work: str, way: str, of: Callable[[str], Callable[[Setting], Run]], rows: Any = None) -> Cases:
    """The case on each loop."""
    return {(client, work): Case(way, of(client), rows) for client in (ASYNCIO, UVLOOP)}


CASES: Final[Cases] = {
    (ASYNCIO, "load arrow"): Case("to_pylist(), copy_records_to_table()", copy_arrow(ASYNCIO), slow=True),
    (ASYNCIO, "load csv"): Case("copy_to_table() of the file", copy_csv(ASYNCIO)),
    **_both("load tuples", "copy_records_to_table()", copy_tuples),
    **_both("tuples numeric", "fetch(), Records", fetch_tuples, list),
    **_both("tuples float8", "fetch(), Records", fetch_tuples, list),
    **_both("tuples four", "fetch(), Records", fetch_tuples, list),
    ("asyncpg + pandas", "columns numeric"): Case("DataFrame(fetch())", fetch_pandas, pandas_rows, slow=True),
    ("asyncpg + pandas", "columns float8"): Case("DataFrame(fetch())", fetch_pandas, pandas_rows, slow=True),
    **_both("point", "prepared statement.fetch()", querying(POINT, True), list),
    **_both("pg_type", "prepared statement.fetch()", querying(PG_TYPE, False), list),
    **_both("arrays", "prepared statement.fetch()", querying(ARRAYS, False), list),
    **_both("pipeline", "prepared statement.fetchmany()", together(POINT, "fetchmany"), list),
    **_both("executemany", "prepared statement.executemany()", together(INSERT, "executemany")),
    **_both("returning", "prepared statement.fetchmany()", together(RETURNING, "fetchmany"), list),
}
