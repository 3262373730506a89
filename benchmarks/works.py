"""What is measured: every work, its tables and SQL, how much of it one process does, and its floor.

Law of this file: it runs in the peers' interpreter too, so nothing of pgfast. SQL is written here once; `$1` stands in
it as the server has it, `asked` gives it in a client's own style.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: The table as the TPC-H specification has it (section 1.4), without keys; {number} is numeric(15,2) or float8.
LINEITEM: Final = """
create table {name} (
    l_orderkey int8 not null, l_partkey int8 not null, l_suppkey int8 not null, l_linenumber int4 not null,
    l_quantity {number} not null, l_extendedprice {number} not null, l_discount {number} not null,
    l_tax {number} not null, l_returnflag char(1) not null, l_linestatus char(1) not null,
    l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null,
    l_shipinstruct char(25) not null, l_shipmode char(10) not null, l_comment varchar(44) not null
)
"""
FOUR: Final = "create table {name} (a int4 not null, b int8 not null, c float8 not null, d float8 not null)"
FILL_FOUR: Final = """
insert into {name} select i, i * 1000003::int8, i / 7::float8, -i * 1.5::float8 from generate_series(1, {rows}) i
"""
#: What the small works need, once.
SMALL: Final = (
    "create table bench_point (id int4 primary key, name text not null, amount float8 not null)",
    "insert into bench_point select i, 'name ' || i, i * 0.5 from generate_series(0, 9999) i",
    "vacuum analyze bench_point",
    "create table bench_arrays (id int4 not null, numbers int4[] not null)",
    "insert into bench_arrays select i, array(select i * n from generate_series(1, 1000) n) "
    "from generate_series(1, 10) i",
    "vacuum analyze bench_arrays",
    "create table bench_types as select oid, typname, typlen, typbyval, typtype, typcategory, typispreferred, "
    "typisdefined, typdelim, typrelid, typelem, typarray from (table pg_type union all table pg_type) t "
    "order by oid limit 650",
    "vacuum analyze bench_types",
    "create table bench_insert (id int4 not null, name text not null)",
)
#: Rows of one pipeline or one executemany, and how many different parameters the point query is given.
BATCH: Final = 1000
POINT: Final = "select id, name, amount from bench_point where id = $1"
#: A copy of pg_type: the catalogue itself changes with every table that is made.
PG_TYPE: Final = "select * from bench_types"
ARRAYS: Final = "select numbers from bench_arrays"
INSERT: Final = "insert into bench_insert (id, name) values ($1, $2)"
RETURNING: Final = INSERT + " returning id"
#: The tables that loads and fetches are about, and their column types.
TABLES: Final = MappingProxyType(
    {
        "lineitem": LINEITEM.replace("{number}", "numeric(15,2)"),
        "lineitem_float8": LINEITEM.replace("{number}", "float8"),
        "four": FOUR,
    }
)


@dataclass(frozen=True, slots=True)
class Work:
    """One row of the page.

    `kind`: load (rows into `table`), fetch (rows from `table`), query (one SQL, awaited), pipeline, batch. `floor` is
    the floor it is measured against. `size` and `slow_size`: rows, queries or batches of one process, for ordinary and
    for slow clients.
    """

    title: str
    kind: str
    floor: str
    size: int
    slow_size: int
    table: str = ""
    sql: str = ""

    @property
    def unit(self) -> str:
        """What one of `size` is."""
        return {"load": "row", "fetch": "row", "query": "query", "pipeline": "pipeline", "batch": "batch"}[self.kind]

    @property
    def units(self) -> str:
        """More than one of them."""
        return {"query": "queries", "batch": "batches"}.get(self.unit, f"{self.unit}s")

    def select(self, source: str) -> str:
        """The SQL of a fetch from table `source`, or that of a query."""
        return f"select * from {source}" if self.kind == "fetch" else self.sql


MILLION: Final = 1_000_000
#: Works of the growth group alone: streamed reading, and tables of many columns whose content is read first.
GROWTH: Final = ("stream rows", "wide columns", "wide tuples", "wide load columns", "wide load tuples")
SLOW: Final = 100_000


def _load(title: str, table: str = "lineitem") -> Work:
    return Work(title, "load", f"load {table}", MILLION, SLOW, table)


def _fetch(title: str, table: str, size: int = MILLION) -> Work:
    return Work(title, "fetch", f"fetch {table}", size, SLOW, table)


def _query(title: str, sql: str, floor: str, size: int, slow: int) -> Work:
    return Work(title, "query", floor, size, slow, sql=sql)


WORKS: Final = MappingProxyType(
    {
        "load arrow": _load("Arrow table -> table"),
        "load numpy": _load("dict of NumPy arrays -> table (float8)", "lineitem_float8"),
        "load polars": _load("polars frame -> table"),
        "load pandas": _load("pandas frame -> table (float8)", "lineitem_float8"),
        "load tuples": _load("list of tuples -> table"),
        "load dicts": _load("generator of dicts -> table"),
        "load csv": _load("CSV file -> table"),
        "load parquet": _load("Parquet file -> table"),
        "load freeze": _load("Arrow table -> table truncated in the same transaction"),
        "load created": _load("Arrow table -> table created in the same transaction"),
        "copy table": _load("table -> table, from server to server"),
        "export csv": _fetch("table -> CSV file", "lineitem"),
        "export parquet": _fetch("table -> Parquet file", "lineitem"),
        "columns numeric": _fetch("table -> Arrow columns, numeric", "lineitem"),
        "columns float8": _fetch("table -> Arrow columns, float8", "lineitem_float8"),
        "numpy float8": _fetch("table -> NumPy columns, float8", "lineitem_float8"),
        "pandas float8": _fetch("table -> pandas frame, float8", "lineitem_float8"),
        "tuples numeric": _fetch("table -> list of tuples, numeric", "lineitem"),
        "tuples float8": _fetch("table -> list of tuples, float8", "lineitem_float8"),
        "tuples four": _fetch("table of 4 number columns -> list of tuples", "four", 2 * MILLION),
        "point": _query("point query, prepared", POINT, "point", 10_000, 2_000),
        "pg_type": _query("650 rows x 12 columns of pg_type, per query", PG_TYPE, "pg_type", 400, 40),
        "arrays": _query("10 rows of int4[1000], per query", ARRAYS, "arrays", 1_000, 100),
        "pipeline": Work("1,000 pipelined point queries", "pipeline", "pipeline", 50, 3, sql=POINT),
        "executemany": Work("executemany of 1,000 inserts", "batch", "executemany", 50, 3, sql=INSERT),
        "returning": Work("executemany of 1,000 inserts with RETURNING", "batch", "returning", 50, 3, sql=RETURNING),
    }
)


def asked(sql: str, style: str) -> str:
    """The SQL with its parameters as `$1` ("server") or `%s` ("format")."""
    return sql.replace("$1", "%s").replace("$2", "%s") if style == "format" else sql


def parameters() -> list[tuple[int, str]]:
    """The rows that one executemany inserts."""
    return [(i, f"row {i}") for i in range(BATCH)]
