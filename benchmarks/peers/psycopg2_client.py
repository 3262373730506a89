"""psycopg2: COPY by way of the csv module, prepared statements by SQL."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING, parameters


def connect(setting: Setting) -> Any:
    """A connection in autocommit mode."""
    import psycopg2

    conn = psycopg2.connect(setting.uri)
    conn.autocommit = True
    return conn


def copy_tuples(setting: Setting) -> Run:
    """The rows written by the csv module, then a COPY in CSV format."""
    cursor, rows = connect(setting).cursor(), setting.data.tuples()

    def run() -> None:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        text.seek(0)
        cursor.copy_expert(f"copy {setting.target} from stdin (format csv)", text, 1 << 18)

    return run


def copy_csv(setting: Setting) -> Run:
    """The file into a COPY in CSV format."""
    cursor = connect(setting).cursor()

    def run() -> None:
        with open(setting.data.csv, "rb") as file:
            cursor.copy_expert(f"copy {setting.target} from stdin (format csv, header)", file, 1 << 18)

    return run


def fetch_tuples(setting: Setting) -> Run:
    """Every row as a tuple."""
    cursor = connect(setting).cursor()

    def run() -> Any:
        cursor.execute(f"select * from {setting.source}")
        return cursor.fetchall()

    return run


def querying(sql: str, with_parameter: bool) -> Callable[[Setting], Run]:
    """One statement prepared by SQL, executed again and again."""

    def case(setting: Setting) -> Run:
        cursor = connect(setting).cursor()
        cursor.execute(f"prepare s as {sql}")
        query = "execute s (%s)" if with_parameter else "execute s"

        def run() -> Any:
            rows: Any = None
            for number in range(setting.size):
                cursor.execute(query, (number % BATCH,) if with_parameter else None)
                rows = cursor.fetchall()
            return rows

        return run

    return case


def executing_many(sql: str, returning: bool) -> Callable[[Setting], Run]:
    """execute_values() of 1,000 rows again and again."""

    def case(setting: Setting) -> Run:
        from psycopg2.extras import execute_values

        cursor, rows = connect(setting).cursor(), parameters()
        query = sql.replace("($1, $2)", "%s")
        cursor.execute("truncate bench_insert")

        def run() -> list[Any]:
            given: Any = None
            for _ in range(setting.size):
                given = execute_values(cursor, query, rows, page_size=BATCH, fetch=returning)
            return given or []

        return run

    return case


CASES: Final[Cases] = {
    ("psycopg2", "load tuples"): Case("csv.writer, copy_expert()", copy_tuples),
    ("psycopg2", "load csv"): Case("copy_expert() of the file", copy_csv),
    **{
        ("psycopg2", work): Case("execute(), fetchall()", fetch_tuples, list)
        for work in ("tuples numeric", "tuples float8", "tuples four")
    },
    ("psycopg2", "point"): Case("PREPARE, execute('execute s (%s)')", querying(POINT, True), list),
    ("psycopg2", "pg_type"): Case("PREPARE, execute('execute s')", querying(PG_TYPE, False), list),
    ("psycopg2", "arrays"): Case("PREPARE, execute('execute s')", querying(ARRAYS, False), list),
    ("psycopg2", "executemany"): Case("execute_values(): one INSERT of 1,000 rows", executing_many(INSERT, False)),
    ("psycopg2", "returning"): Case("execute_values(fetch=True): one INSERT", executing_many(RETURNING, True), list),
}
