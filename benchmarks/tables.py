"""The server of the benchmarks: its settings, the tables the works read and fill, and what is compared in them.

Law of this file: what is right comes from the server itself (its CSV parser, its JSON), never from a client.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pgfast

from . import wire
from .data import GENERATED, Data
from .works import BATCH, FILL_FOUR, SMALL, TABLES, WORKS, Work

SETTINGS: Final = MappingProxyType(
    {
        "fsync": "off",
        "max_wal_size": "16GB",
        "min_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "autovacuum": "off",
        "shared_buffers": "512MB",
    }
)
_BLOCK: Final = 1 << 20
_NUMBERS: Final = itertools.count()
_FILLING: Final = threading.Lock()


def source(table: str, rows: int) -> str:
    """The table of so many rows that is read."""
    return f"bench_{table}_{rows}"


def target(table: str) -> str:
    """The table that is filled."""
    return f"bench_{table}_in"


def connect(dsn: str) -> Any:
    """A connection for what is around the cases."""
    return pgfast.connect(dsn, autocommit=True)


def set_up(dsn: str) -> None:
    """The tables that do not depend on sizes."""
    with connect(dsn) as conn:
        for sql in SMALL:
            conn.execute(sql)
        for name in ("lineitem", "lineitem_float8"):
            conn.execute(TABLES[name].format(name=target(name)))


def fill(dsn: str, table: str, data: Data) -> None:
    """The table of this size that is read, from the CSV file, and the frames of its rows for the floor."""
    name = source(table, data.rows)
    with connect(dsn) as conn:
        conn.execute(TABLES[table].format(name=name))
        if table == "four":
            conn.execute(FILL_FOUR.format(name=name, rows=data.rows))
        else:
            with (
                conn.cursor().copy(f"copy {name} from stdin (format csv, header)") as copy,
                data.csv.open("rb") as file,
            ):
                while block := file.read(_BLOCK):
                    copy.write(block)
        conn.execute(f"vacuum analyze {name}")
    if table != "four" and not data.frames(table).exists():
        part = Path(f"{data.frames(table)}.part")
        with closing(wire.connect_uri(dsn)) as sock:
            wire.record_copy(sock, f"copy {name} to stdout (format binary)", part)
        part.rename(data.frames(table))


def expect(dsn: str, data: Data, works: Iterable[str]) -> None:
    """Writes what every fetch of these rows must give, as the server's JSON has it."""
    with connect(dsn) as conn:
        for name in works:
            work, sql = WORKS[name], ""
            if work.kind == "fetch":
                sql = work.select(source(work.table, data.rows))
            elif name == "returning":
                sql = f"select i from generate_series(0, {BATCH - 1}) i"
            elif work.kind == "pipeline":
                sql = f"select id, name, amount from bench_point where id < {BATCH} order by id"
            elif name == "point":
                sql = work.sql.replace("$1", str((data.rows - 1) % BATCH))
            elif work.kind == "query":
                sql = work.sql
            if sql:
                data.expected(name).write_text(_json(conn, sql))


def _json(conn: Any, sql: str) -> str:
    """The rows as one JSON array of arrays, in their order."""
    values = "(select json_agg(v.value) from json_each(row_to_json(t)) v)"
    query = f"select coalesce(json_agg({values}), '[]')::text from ({sql}) t"
    row = conn.execute(query).fetchone()
    return str(row[0])


def before(dsn: str, work: Work) -> None:
    """An empty table to fill, and no checkpoint in the middle of the case."""
    with connect(dsn) as conn:
        if work.kind == "load":
            conn.execute(f"truncate {target(work.table)}")
        if work.kind in ("load", "batch"):
            conn.execute("checkpoint")


def filled(dsn: str, name: str, size: int) -> str | None:
    """What is wrong with the number of rows in the table that was filled, or None."""
    work = WORKS[name]
    if work.kind not in ("load", "batch"):
        return None
    table, wanted = (target(work.table), size) if work.kind == "load" else ("bench_insert", size * BATCH)
    with connect(dsn) as conn:
        (count,) = conn.execute(f"select count(*) from {table}").fetchone()
    return None if count == wanted else f"left {count} rows where {wanted} are wanted"


@contextmanager
def to_check(dsn: str, work: Work) -> Iterator[str]:
    """A table of one's own for the check of a load; the one table that batches fill, for one check at a time."""
    if work.kind == "batch":
        with _FILLING:
            yield "bench_insert"
        return
    if work.kind != "load":
        yield ""
        return
    name = f"bench_check_{next(_NUMBERS)}"
    with connect(dsn) as conn:
        conn.execute(f"create table {name} (like {target(work.table)})")
    try:
        yield name
    finally:
        with connect(dsn) as conn:
            conn.execute(f"drop table if exists {name}")


def compare(dsn: str, name: str, filled_table: str, data: Data) -> str | None:
    """How the content of the table that was filled differs from what it should be, or None."""
    work = WORKS[name]
    if work.kind == "load":
        reference = f"select * from {source(work.table, data.rows)}"
        if name == "load dicts" and data.rows > GENERATED:
            raise SystemExit("benchmarks: more rows are checked than the generator has different ones")
    elif work.kind == "batch":
        rows = f"generate_series(0, {BATCH - 1}) i, generate_series(1, {data.rows // BATCH}) n"
        reference = f"select i, 'row ' || i from {rows}"
    else:
        return None
    found = f"select * from {filled_table}"
    differ = f"(({found}) except all ({reference})) union all (({reference}) except all ({found}))"
    with connect(dsn) as conn:
        (count,) = conn.execute(f"select count(*) from ({differ}) d").fetchone()
        row = conn.execute(f"select d::text from ({differ}) d limit 1").fetchone() if count else None
    return f"{count} rows differ, {row[0]}" if row else None
