"""psycopg 3 with its C implementation, and pgpq and pandas over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..results import pandas_rows
from ..works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING, asked, parameters

_BLOCK: Final = 1 << 18
_TYPES: Final = (
    *("int8", "int8", "int8", "int4", "numeric", "numeric", "numeric", "numeric", "text", "text"),
    *("date", "date", "date", "text", "text", "text"),
)


def connect(setting: Setting) -> Any:
    """A connection in autocommit mode."""
    import psycopg

    if psycopg.pq.__impl__ != "binary":
        raise SystemExit(f"psycopg uses its {psycopg.pq.__impl__} implementation")
    return psycopg.connect(setting.uri, autocommit=True)


def copy_rows(
    make: Callable[[Setting], Iterable[Any]], give: Callable[[Any], Iterable[Any]] = iter
) -> Callable[[Setting], Run]:
    """The rows that `give` makes of the source into a binary COPY."""

    def case(setting: Setting) -> Run:
        cursor, rows = connect(setting).cursor(), make(setting)

        def run() -> None:
            with cursor.copy(f"copy {setting.target} from stdin (format binary)") as copy:
                copy.set_types(_TYPES)
                for row in give(rows):
                    copy.write_row(row)

        return run

    return case


def values_of_dicts(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """The values of dicts that come one after the other."""
    return (tuple(row.values()) for row in rows)


def copy_csv(setting: Setting) -> Run:
    """The file in blocks into a COPY in CSV format."""
    cursor = connect(setting).cursor()

    def run() -> None:
        sql = f"copy {setting.target} from stdin (format csv, header)"
        with open(setting.data.csv, "rb") as file, cursor.copy(sql) as copy:
            while block := file.read(_BLOCK):
                copy.write(block)

    return run


def pgpq_copy(table: str) -> Callable[[Setting], Run]:
    """pgpq's bytes, batch by batch, into psycopg's COPY."""

    def case(setting: Setting) -> Run:
        import pgpq

        cursor, source = connect(setting).cursor(), setting.data.arrow(table)

        def run() -> None:
            encoder = pgpq.ArrowToPostgresBinaryEncoder(source.schema)
            with cursor.copy(f"copy {setting.target} from stdin (format binary)") as copy:
                copy.write(encoder.write_header())
                for batch in source.to_batches(max_chunksize=65_536):
                    copy.write(encoder.write_batch(batch))
                copy.write(encoder.finish())

        return run

    return case


def fetch_tuples(binary: bool) -> Callable[[Setting], Run]:
    """Every row as a tuple."""

    def case(setting: Setting) -> Run:
        cursor = connect(setting).cursor(binary=binary)
        return lambda: cursor.execute(f"select * from {setting.source}").fetchall()

    return case


def fetch_pandas(setting: Setting) -> Run:
    """pandas.read_sql_query over a psycopg connection."""
    import warnings

    import pandas

    conn = connect(setting)
    warnings.simplefilter("ignore")  # pandas tests SQLAlchemy's connections only and says so

    return lambda: pandas.read_sql_query(f"select * from {setting.source}", conn)


def querying(sql: str, with_parameter: bool, binary: bool) -> Callable[[Setting], Run]:
    """One prepared query again and again."""

    def case(setting: Setting) -> Run:
        cursor = connect(setting).cursor(binary=binary)
        query = asked(sql, "format")

        def run(count: int = setting.size) -> Any:
            rows: Any = None
            for number in range(count):
                rows = cursor.execute(query, (number % BATCH,) if with_parameter else None, prepare=True).fetchall()
            return rows

        run(10)
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
                cursors = [conn.execute(query, (number,), prepare=True) for number in range(BATCH)]
            rows = [cursor.fetchone() for cursor in cursors]
        return rows

    run(2)
    return run


def executing_many(sql: str, returning: bool) -> Callable[[Setting], Run]:
    """executemany of 1,000 rows again and again."""

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


CASES: Final[Cases] = {
    ("psycopg", "load tuples"): Case("copy.write_row(), binary", copy_rows(lambda setting: setting.data.tuples())),
    ("psycopg", "load dicts"): Case(
        "copy.write_row() of dict.values(), binary", copy_rows(lambda setting: setting.data.dicts(), values_of_dicts)
    ),
    ("psycopg", "load csv"): Case("copy.write() of blocks of 256 KiB", copy_csv),
    ("pgpq + psycopg", "load arrow"): Case("write_batch() into copy.write()", pgpq_copy("lineitem")),
    ("pandas + psycopg", "columns numeric"): Case("pandas.read_sql_query()", fetch_pandas, pandas_rows, slow=True),
    ("pandas + psycopg", "columns float8"): Case("pandas.read_sql_query()", fetch_pandas, pandas_rows, slow=True),
    **{
        (client, work): Case(f"cursor(binary={binary}).fetchall()", fetch_tuples(binary), list)
        for client, binary in (("psycopg", True), ("psycopg (text)", False))
        for work in ("tuples numeric", "tuples float8", "tuples four")
    },
    ("psycopg", "point"): Case("execute(prepare=True).fetchall(), text", querying(POINT, True, False), list),
    ("psycopg", "pg_type"): Case("execute(prepare=True).fetchall(), binary", querying(PG_TYPE, False, True), list),
    ("psycopg", "arrays"): Case("execute(prepare=True).fetchall(), binary", querying(ARRAYS, False, True), list),
    ("psycopg", "pipeline"): Case("pipeline(), execute(prepare=True), fetchone()", pipeline, list),
    ("psycopg", "executemany"): Case("executemany()", executing_many(INSERT, False)),
    ("psycopg", "returning"): Case("executemany(returning=True)", executing_many(RETURNING, True), list),
}
