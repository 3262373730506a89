"""psqlpy, alone and with pgpq."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, parameters

#: Rows of one COPY: copy_records_to_table() of version 0.13.1 never returns when it is given some 4,000.
_ROWS: Final = 2_000


def opened(setting: Setting) -> tuple[Any, Any]:
    """(loop, connection)."""
    import psqlpy

    loop = asyncio.new_event_loop()
    parts = setting.parts
    uri = setting.uri.replace(f"{parts.username}@", f"{parts.username}:none@")  # it insists on a password

    async def connect() -> Any:
        return await psqlpy.connect(dsn=uri)

    return loop, loop.run_until_complete(connect())


def doing(make: Callable[[Setting, Any], Callable[[], Any]]) -> Callable[[Setting], Run]:
    """A case of one coroutine function, which `make` makes for a connection."""

    def case(setting: Setting) -> Run:
        loop, conn = opened(setting)
        work = make(setting, conn)
        return lambda: loop.run_until_complete(work())

    return case


def copy_tuples(setting: Setting, conn: Any) -> Callable[[], Any]:
    """The rows into binary COPYs of _ROWS each."""
    rows = setting.data.tuples()

    async def work() -> None:
        for at in range(0, len(rows), _ROWS):
            await conn.copy_records_to_table(setting.target, rows[at : at + _ROWS])

    return work


def copy_arrow(setting: Setting, conn: Any) -> Callable[[], Any]:
    """pgpq's bytes into a binary COPY."""
    import pgpq

    table = setting.data.arrow()

    async def work() -> Any:
        encoder = pgpq.ArrowToPostgresBinaryEncoder(table.schema)
        made = bytearray(encoder.write_header())
        for batch in table.to_batches(max_chunksize=65_536):
            made += encoder.write_batch(batch)
        made += encoder.finish()
        return await conn.binary_copy_to_table(made, setting.target)

    return work


def fetch_tuples(setting: Setting, conn: Any) -> Callable[[], Any]:
    """Every row as a tuple."""

    table = setting.source
    columns = ", ".join(setting.data.arrow().column_names)
    for name in ("l_returnflag", "l_linestatus", "l_shipinstruct", "l_shipmode"):
        columns = columns.replace(name, f"{name}::text")  # it cannot read char(n)
    sql = f"select * from {table}" if "four" in table else f"select {columns} from {table}"

    async def work() -> Any:
        return (await conn.fetch(sql)).result(as_tuple=True)

    return work


def querying(sql: str, with_parameter: bool) -> Callable[[Setting, Any], Callable[[], Any]]:
    """One query again and again; psqlpy prepares it."""

    def make(setting: Setting, conn: Any) -> Callable[[], Any]:
        async def work() -> Any:
            rows: Any = None
            for number in range(setting.size):
                given = [number % BATCH] if with_parameter else None
                rows = (await conn.fetch(sql, given)).result(as_tuple=True)
            return rows

        return work

    return make


def executing_many(setting: Setting, conn: Any) -> Callable[[], Any]:
    """execute_many() of 1,000 rows again and again."""
    rows = [list(row) for row in parameters()]

    async def work() -> None:
        await conn.execute("truncate bench_insert")
        for _ in range(setting.size):
            await conn.execute_many(INSERT, rows)

    return work


CASES: Final[Cases] = {
    ("psqlpy", "load tuples"): Case(f"copy_records_to_table() of {_ROWS:,} rows each", doing(copy_tuples)),
    ("pgpq + psqlpy", "load arrow"): Case("write_batch(), binary_copy_to_table()", doing(copy_arrow)),
    **{
        ("psqlpy", work): Case("fetch().result(as_tuple=True), char(n)::text", doing(fetch_tuples), list)
        for work in ("tuples numeric", "tuples float8", "tuples four")
    },
    ("psqlpy", "point"): Case("fetch().result(as_tuple=True)", doing(querying(POINT, True)), list),
    ("psqlpy", "pg_type"): Case("fetch().result(as_tuple=True)", doing(querying(PG_TYPE, False)), list),
    ("psqlpy", "arrays"): Case("fetch().result(as_tuple=True)", doing(querying(ARRAYS, False)), list),
    ("psqlpy", "executemany"): Case("execute_many()", doing(executing_many)),
}
