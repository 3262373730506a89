"""pg8000, the peer in pure Python: its native interface, COPY in CSV format for loads (its executemany is one round
trip a row).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..results import arrow_rows, numpy_rows
from ..works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING, TABLES, parameters

_ROWS: Final = 1000


def connect(setting: Setting) -> Any:
    """A connection; outside transactions each statement is its own."""
    import pg8000.native

    parts = setting.parts
    keywords = {"host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/")}
    return pg8000.native.Connection(parts.username, **keywords)


def written(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The rows in CSV, a thousand at a time."""
    block: list[Iterable[Any]] = []

    def text() -> str:
        out = io.StringIO()
        csv.writer(out).writerows(block)
        return out.getvalue()

    for row in rows:
        block.append(row)
        if len(block) == _ROWS:
            yield text()
            block.clear()
    yield text()


def copying(
    make: Callable[[Setting], Any], stream: Callable[[Any], Any], options: str = ""
) -> Callable[[Setting], Run]:
    """What `make` makes, as `stream` gives it, into a COPY in CSV format."""

    def case(setting: Setting) -> Run:
        conn, source = connect(setting), make(setting)
        sql = f"copy {setting.target} from stdin (format csv{options})"
        return lambda: conn.run(sql, stream=stream(source))

    return case


def table_text(table: Any) -> Iterator[str]:
    """The table's rows in CSV."""
    for batch in table.to_batches(max_chunksize=65_536):
        yield from written(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def blocks(path: Any) -> Iterator[bytes]:
    """The file in blocks."""
    with open(path, "rb") as file:
        yield from iter(partial(file.read, 1 << 18), b"")


def parquet_text(path: Any) -> Iterator[str]:
    """The file's rows in CSV."""
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from written(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def frozen(before: Callable[[Setting], tuple[str, ...]]) -> Callable[[Setting], Run]:
    """The Arrow table by COPY FREEZE after these statements."""

    def case(setting: Setting) -> Run:
        conn, table = connect(setting), setting.data.arrow()

        def run() -> None:
            for sql in ("begin", *before(setting)):
                conn.run(sql)
            conn.run(f"copy {setting.target} from stdin (format csv, freeze)", stream=table_text(table))
            conn.run("commit")

        return run

    return case


def truncating(setting: Setting) -> tuple[str, ...]:
    """What empties the table."""
    return (f"truncate {setting.target}",)


def creating(setting: Setting) -> tuple[str, ...]:
    """What makes the table anew."""
    return (f"drop table {setting.target}", TABLES["lineitem"].format(name=setting.target))


def fetch_rows(setting: Setting) -> Run:
    """Every row as a list."""
    conn = connect(setting)
    return lambda: conn.run(f"select * from {setting.source}")


def fetch_columns(setting: Setting) -> Run:
    """The rows as a pyarrow table."""
    import pyarrow

    conn = connect(setting)

    def run() -> Any:
        rows = conn.run(f"select * from {setting.source}")
        names = [column["name"] for column in conn.columns]
        return pyarrow.table(dict(zip(names, zip(*rows, strict=True), strict=True)))

    return run


def fetch_numpy(setting: Setting) -> Run:
    """The rows as NumPy arrays."""
    import numpy

    conn = connect(setting)

    def run() -> Any:
        rows = conn.run(f"select * from {setting.source}")
        return [numpy.array(column) for column in zip(*rows, strict=True)]

    return run


def querying(sql: str, with_parameter: bool) -> Callable[[Setting], Run]:
    """One prepared statement again and again."""

    def case(setting: Setting) -> Run:
        statement = connect(setting).prepare(sql.replace("$1", ":id"))

        def run() -> Any:
            rows: Any = None
            for number in range(setting.size):
                rows = statement.run(id=number % BATCH) if with_parameter else statement.run()
            return rows

        return run

    return case


def one_by_one(sql: str) -> Callable[[Setting], Run]:
    """A prepared statement for each of 1,000 rows: there is no pipeline, and executemany is a loop."""

    def case(setting: Setting) -> Run:
        conn = connect(setting)
        statement = conn.prepare(sql.replace("$1", ":id").replace("$2", ":name"))
        rows = parameters()
        conn.run("truncate bench_insert")

        def run() -> list[Any]:
            given: list[Any] = []
            for _ in range(setting.size):
                if "$2" in sql:
                    results = [statement.run(id=number, name=name) for number, name in rows]
                else:
                    results = [statement.run(id=number) for number, _name in rows]
                given = [row for result in results for row in result or ()]
            return given

        return run

    return case


_CLIENT: Final = "pg8000"
_WAYS: Final[dict[str, Case]] = {
    "load arrow": Case("to_pylist(), csv.writer, COPY", copying(lambda setting: setting.data.arrow(), table_text)),
    "load tuples": Case("csv.writer, COPY", copying(lambda setting: setting.data.tuples(), written)),
    "load dicts": Case(
        "csv.writer, COPY",
        copying(lambda setting: setting.data.dicts(), lambda rows: written(row.values() for row in rows)),
    ),
    "load csv": Case("COPY of the file", copying(lambda setting: setting.data.csv, blocks, ", header")),
    "load parquet": Case(
        "pyarrow, to_pylist(), csv.writer, COPY", copying(lambda setting: setting.data.parquet(), parquet_text)
    ),
    "load numpy": Case(
        "tolist(), csv.writer, COPY",
        copying(
            lambda setting: [column.to_numpy() for column in setting.data.arrow("lineitem_float8").columns],
            lambda arrays: written(zip(*(array.tolist() for array in arrays), strict=True)),
        ),
    ),
    "load polars": Case(
        "write_csv(), COPY",
        copying(
            lambda setting: __import__("polars").read_parquet(setting.data.parquet()),
            lambda frame: [frame.write_csv(include_header=False)],
        ),
    ),
    "load pandas": Case(
        "to_csv(), COPY",
        copying(
            lambda setting: setting.data.arrow("lineitem_float8").to_pandas(date_as_object=False),
            lambda frame: [frame.to_csv(header=False, index=False)],
        ),
    ),
    "load freeze": Case("truncate, COPY FREEZE", frozen(truncating)),
    "load created": Case("create table, COPY FREEZE", frozen(creating)),
    "columns numeric": Case("run(), pyarrow.table()", fetch_columns, arrow_rows),
    "columns float8": Case("run(), pyarrow.table()", fetch_columns, arrow_rows),
    "numpy float8": Case("run(), numpy.array()", fetch_numpy, numpy_rows),
    "tuples numeric": Case("run(), lists", fetch_rows, list),
    "tuples float8": Case("run(), lists", fetch_rows, list),
    "tuples four": Case("run(), lists", fetch_rows, list),
    "point": Case("prepared statement.run()", querying(POINT, True), list),
    "pg_type": Case("prepared statement.run()", querying(PG_TYPE, False), list),
    "arrays": Case("prepared statement.run()", querying(ARRAYS, False), list),
    "pipeline": Case("prepared statement.run(), no pipeline", one_by_one(POINT), list),
    "executemany": Case("prepared statement.run(), row by row", one_by_one(INSERT)),
    "returning": Case("prepared statement.run(), row by row", one_by_one(RETURNING), list),
}
CASES: Final[Cases] = {(_CLIENT, work): Case(case.way, case.make, case.rows, slow=True) for work, case in _WAYS.items()}
