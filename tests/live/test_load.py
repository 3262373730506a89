"""Loading: every kind of source, on both connections, and what a load reports."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pgfast
from pgfast import InterfaceError, Range
from pgfast.bulk import LoadReport

UTC = timezone.utc

COLUMNS = """
    id int4, big int8, small int2, ratio float8, price numeric(12,2), exact numeric, name text,
    code varchar(8), raw bytea, day date, at time, stamp timestamp, instant timestamptz,
    span interval, key uuid, doc jsonb, ok bool, tags text[]"""


def row(number: int) -> tuple[Any, ...]:
    """A row for COLUMNS; every seventh is NULL but for its id."""
    if number % 7 == 6:
        return (number, *[None] * 17)
    return (
        number,
        number * 10**12,
        number % 100,
        number / 8,
        Decimal(number) / 4,
        Decimal(10) ** -number if number < 20 else Decimal(number),
        f"name {number} ä" * (number % 3),
        f"{number:05d}"[-8:],
        number.to_bytes(4, "big"),
        date(2000, 1, 1) + timedelta(days=number),
        time(number % 24, number % 60, 0, number % 1000),
        datetime(2000, 1, 1) + timedelta(hours=number),
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=number),
        timedelta(days=number, microseconds=number),
        UUID(int=number),
        {"n": number, "l": [None, "x"]},
        number % 2 == 0,
        [f"t{number}", None],
    )


ROWS = [row(number) for number in range(50)]
NAMES = [part.split()[0] for part in COLUMNS.split(",") if not part.strip()[0].isdigit()]


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute(f"CREATE TEMP TABLE full_row ({COLUMNS})")
        made.execute("CREATE TEMP TABLE item (id int PRIMARY KEY, name text, price numeric(10,2), day date)")
        yield made


def items(conn: pgfast.Connection) -> list[Any]:
    return conn.execute("SELECT * FROM item ORDER BY id").fetchall()


async def async_rows(rows: list[Any]) -> AsyncIterator[Any]:
    for each in rows:
        yield each


def load_async(dsn: str, create: str, table: str, source: Any, **options: Any) -> tuple[LoadReport, list[Any]]:
    """The report and the rows of a load on an AsyncConnection."""

    async def run() -> tuple[LoadReport, list[Any]]:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute(create)
            report = await conn.load(table, source, **options)
            cursor = await conn.execute(f"SELECT * FROM {table} ORDER BY 1")
            return report, await cursor.fetchall()

    return asyncio.run(run())


# ---------------------------------------------------------------- rows


def test_tuples_of_every_type_arrive_as_they_were(conn: pgfast.Connection) -> None:
    report = conn.load("full_row", ROWS)
    assert conn.execute("SELECT * FROM full_row ORDER BY id").fetchall() == ROWS
    assert (report.rows, report.source, report.path, report.columns) == (50, "rows", "binary", tuple(NAMES))


@pytest.mark.parametrize(
    "source", [ROWS, async_rows(ROWS), [list(each) for each in ROWS]], ids=["list", "async", "lists"]
)
def test_rows_load_on_an_async_connection(dsn: str, source: Any) -> None:
    report, found = load_async(dsn, f"CREATE TEMP TABLE full_row ({COLUMNS})", "full_row", source)
    assert found == ROWS
    assert report.rows == 50


def test_dicts_are_matched_by_name_and_the_rest_takes_its_default(conn: pgfast.Connection) -> None:
    conn.execute("ALTER TABLE item ALTER price SET DEFAULT 9.99")
    report = conn.load("item", ({"name": f"n{i}", "id": i} for i in range(3)))
    assert report.columns == ("name", "id")
    assert items(conn)[0] == (0, "n0", Decimal("9.99"), None)


def test_dicts_load_on_an_async_connection(dsn: str) -> None:
    create = "CREATE TEMP TABLE item (id int, name text)"
    report, found = load_async(dsn, create, "item", async_rows([{"name": "x", "id": i} for i in range(30_000)]))
    assert report.rows == len(found) == 30_000
    assert found[-1] == (29_999, "x")


def test_named_tuples_go_by_position(conn: pgfast.Connection) -> None:
    class Item(NamedTuple):
        number: int
        title: str

    conn.load("item", [Item(1, "one")], ["id", "name"])
    assert items(conn) == [(1, "one", None, None)]


def test_columns_choose_what_is_filled_and_in_which_order(conn: pgfast.Connection) -> None:
    report = conn.load("item", [(date(2024, 1, 1), 5)], columns=["day", "id"])
    assert items(conn) == [(5, None, None, date(2024, 1, 1))]
    assert report.columns == ("day", "id")


def test_a_python_int_fits_every_number(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE numbers (a int2, b int4, c int8, d numeric, e float8, f float4, g numeric(5,1))")
    conn.load("numbers", [(100,) * 7])
    assert conn.execute("SELECT * FROM numbers").fetchall() == [
        (100, 100, 100, Decimal(100), 100.0, 100.0, Decimal("100.0"))
    ]


@pytest.mark.parametrize("source", [[], iter(()), {"id": []}, {"id": np.array([], "i4")}])
def test_an_empty_source_loads_nothing(conn: pgfast.Connection, source: Any) -> None:
    assert conn.load("item", source).rows == 0
    assert items(conn) == []


def test_an_empty_async_source_loads_nothing(dsn: str) -> None:
    assert load_async(dsn, "CREATE TEMP TABLE item (id int)", "item", async_rows([]))[1] == []


def test_more_rows_than_fit_a_block_arrive_in_order(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE wide (n serial, id int, pad text)")
    report = conn.load("wide", ((i, "x" * (i % 500)) for i in range(20_000)), ["id", "pad"])
    assert report.rows == 20_000
    check = "SELECT count(*), bool_and(n = id + 1 AND length(pad) = id % 500) FROM wide"
    assert conn.execute(check).fetchall() == [(20_000, True)]


def test_one_row_larger_than_a_block_arrives(conn: pgfast.Connection) -> None:
    conn.load("item", [(1, "x" * 3_000_000), (2, "y")], ["id", "name"])
    assert conn.execute("SELECT length(name) FROM item ORDER BY id").fetchall() == [(3_000_000,), (1,)]


def test_wide_async_rows_arrive(dsn: str) -> None:
    create = "CREATE TEMP TABLE item (id int, name text)"
    rows = [(i, str(i % 10) * 100_000) for i in range(100)]
    assert load_async(dsn, create, "item", async_rows(rows))[1] == rows


# ---------------------------------------------------------------- tables


def test_a_table_may_be_qualified_quoted_and_oddly_named(conn: pgfast.Connection) -> None:
    conn.execute('CREATE SCHEMA "Odd ""Schema"; CREATE TABLE "Odd ""Schema"."My.Table" ("a b" int, "SELECT" text)')
    try:
        conn.load('"Odd ""Schema"."My.Table"', [{"a b": 1, "SELECT": "x"}])
        assert conn.execute('SELECT * FROM "Odd ""Schema"."My.Table"').fetchall() == [(1, "x")]
    finally:
        conn.execute('DROP SCHEMA "Odd ""Schema" CASCADE')


def test_an_unquoted_name_is_folded_as_in_sql(conn: pgfast.Connection) -> None:
    assert conn.load("Pg_Temp.ITEM", [(1, None, None, None)]).rows == 1


def test_columns_the_server_computes_are_left_out(conn: pgfast.Connection) -> None:
    conn.execute(
        "CREATE TEMP TABLE made (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int GENERATED ALWAYS AS IDENTITY)"
    )
    report = conn.load("made", [(1, 10), (2, 20)])
    assert report.columns == ("a", "c")
    assert conn.execute("SELECT * FROM made ORDER BY a").fetchall() == [(1, 2, 10), (2, 4, 20)]


def test_enums_and_domains_travel_in_binary(conn: pgfast.Connection) -> None:
    conn.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS numeric(6,2) CHECK (value > 0);"
        "CREATE DOMAIN tiny AS positive; CREATE TEMP TABLE odd (m mood, ms mood[], p tiny, ps positive[])"
    )
    try:
        report = conn.load("odd", [("ok", ["sad", None], Decimal("1.5"), [Decimal(2)]), (None,) * 4])
        assert report.path == "binary"
        found = conn.execute("SELECT m::text, ms::text[], p, ps::numeric[] FROM odd").fetchall()
        assert found == [("ok", ["sad", None], Decimal("1.50"), [Decimal("2.00")]), (None,) * 4]
    finally:
        conn.execute("DROP TABLE odd; DROP TYPE mood; DROP DOMAIN tiny, positive CASCADE")


OTHER_TYPES = (
    "a regclass, r int4range, d date, n numeric(8,2), b bytea, i interval, l int[], j jsonb, t timestamptz, tt text[]"
)
OTHER_ROW = (
    "pg_class",
    Range(1, 5),
    date(2024, 1, 1),
    Decimal("1.50"),
    b"\x00\\\n\xff",
    timedelta(days=1, seconds=-5),
    [1, None],
    {"a": "\\\t\n"},
    datetime(2024, 1, 1, 12, tzinfo=UTC),
    ["a\\b", 'c"d', "NULL", "", None],
)


def test_a_column_without_a_binary_form_sends_the_load_in_text(conn: pgfast.Connection) -> None:
    conn.execute(f"CREATE TEMP TABLE other ({OTHER_TYPES})")
    report = conn.load("other", [OTHER_ROW, (None,) * 10])
    assert report.path == "text"
    assert conn.execute("SELECT * FROM other").fetchall() == [OTHER_ROW, (None,) * 10]


def test_columns_without_a_binary_form_load_from_arrow_numpy_and_dicts(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE other (a regclass, n int, d date)")
    conn.load("other", [{"a": "pg_type", "n": 1, "d": None}])
    conn.load("other", pa.table({"a": ["pg_class"], "n": [2], "d": ["2024-01-01"]}))
    conn.load("other", {"a": ["pg_proc"], "n": np.array([3]), "d": np.array(["2024-01-01"], "M8[D]")})
    found = conn.execute("SELECT * FROM other ORDER BY n").fetchall()
    assert found == [("pg_type", 1, None), ("pg_class", 2, date(2024, 1, 1)), ("pg_proc", 3, date(2024, 1, 1))]


# ---------------------------------------------------------------- columns

ARROW = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": pa.array(["one", None, "a name longer than twelve bytes"]),
        "price": pa.array([Decimal("1.25"), None, Decimal("-99999999.99")], pa.decimal128(10, 2)),
        "day": pa.array([date(2024, 1, 1), None, date(1970, 1, 1)]),
    }
)
ARROW_ROWS = [
    (1, "one", Decimal("1.25"), date(2024, 1, 1)),
    (2, None, None, None),
    (3, "a name longer than twelve bytes", Decimal("-99999999.99"), date(1970, 1, 1)),
]


def arrow_sources() -> dict[str, Any]:
    frame = ARROW.to_pandas(types_mapper=pd.ArrowDtype)
    return {
        "table": ARROW,
        "batch": ARROW.to_batches()[0],
        "reader": ARROW.to_reader(),
        "chunks": pa.concat_tables([ARROW.slice(0, 1), ARROW.slice(1, 1), ARROW.slice(2)]),
        "polars": pl.from_arrow(ARROW),
        "pandas": frame,
        "duckdb": duckdb.from_arrow(ARROW),
        "dictionary": ARROW.set_column(1, "name", ARROW["name"].combine_chunks().dictionary_encode()),
        "struct": pa.StructArray.from_arrays(ARROW.to_batches()[0].columns, names=ARROW.column_names),
        "other order": ARROW.select(["day", "price", "name", "id"]),
    }


@pytest.mark.parametrize("kind", list(arrow_sources()))
def test_arrow_sources_load(conn: pgfast.Connection, kind: str) -> None:
    report = conn.load("item", arrow_sources()[kind])
    assert items(conn) == ARROW_ROWS
    assert (report.rows, report.source, report.path) == (3, "arrow", "binary")


@pytest.mark.parametrize("kind", list(arrow_sources()))
def test_slices_of_arrow_sources_load(conn: pgfast.Connection, kind: str) -> None:
    source = arrow_sources()[kind]
    if not hasattr(source, "slice"):
        source = source[1:3] if kind == "pandas" else source.limit(2, 1) if kind == "duckdb" else None
    else:
        source = source.slice(1, 2)
    if source is None:
        source = pa.RecordBatchReader.from_batches(ARROW.schema, [ARROW.to_batches()[0].slice(1, 2)])
    conn.load("item", source)
    assert items(conn) == ARROW_ROWS[1:]


def test_arrow_sources_load_on_an_async_connection(dsn: str) -> None:
    create = "CREATE TEMP TABLE item (id int, name text, price numeric(10,2), day date)"
    assert load_async(dsn, create, "item", ARROW)[1] == ARROW_ROWS


def test_columns_of_a_source_may_be_chosen(conn: pgfast.Connection) -> None:
    assert conn.load("item", ARROW, columns=["name", "id"]).columns == ("name", "id")
    assert [found[:2] for found in items(conn)] == [found[:2] for found in ARROW_ROWS]
    assert {found[2] for found in items(conn)} == {None}


def test_numpy_columns_load(conn: pgfast.Connection) -> None:
    conn.execute(
        "CREATE TEMP TABLE arrays (i2 int2, u4 int8, f4 float4, f8 float8, n numeric, b bool, s text, d date,"
        " ts timestamp, tz timestamptz, iv interval, tod time, l int[], m int)"
    )
    times = np.array(["2024-01-01T00:00:01.5", "NaT", "1969-12-31T23:59:59"], "M8[ns]")
    source = {
        "i2": np.array([1, -2, 3], "i1"),
        "u4": np.array([1, 2, 2**32 - 1], "u4"),
        "f4": np.array([1.5, np.nan, np.inf], "f4"),
        "f8": np.array([1.5, np.nan, -np.inf], ">f8"),
        "n": np.array([1.1, 2.5, 1e-7], "f4"),
        "b": np.array([True, False, True]),
        "s": np.array(["a", "bb", "ccc"]),
        "d": np.array(["2024-01-01", "NaT", "0001-01-01"], "M8[D]"),
        "ts": times,
        "tz": times.astype("M8[us]"),
        "iv": np.array([1, -1, "NaT"], "m8[h]"),
        "tod": np.array([0, 86_399_999, 5], "m8[ms]"),
        "l": np.arange(6).reshape(3, 2),
        "m": np.ma.masked_array([1, 2, 3], [False, True, False]),
    }
    report = conn.load("arrays", source)
    assert (report.source, report.path, report.rows) == ("numpy", "binary", 3)
    found = conn.execute("SELECT * FROM arrays").fetchall()
    assert found[0] == (
        *(1, 1, 1.5, 1.5, Decimal("1.1"), True, "a", date(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 1, 500000)),
        *(datetime(2024, 1, 1, 0, 0, 1, 500000, UTC), timedelta(hours=1), time(), [0, 1], 1),
    )
    assert found[1][7:11] == (None, None, None, timedelta(hours=-1))
    assert str(found[1][2:4]) == "(nan, nan)"
    assert found[2][1:5] == (2**32 - 1, float("inf"), float("-inf"), Decimal("1E-7"))
    assert found[2][10:] == (None, time(0, 0, 0, 5000), [4, 5], 3)
    assert [each[13] for each in found] == [1, None, 3]


@pytest.mark.parametrize("extra", ["int", "aclitem"])  # a column of the latter takes the whole load the text way
def test_rows_of_numpy_arrays_load_into_arrays(conn: pgfast.Connection, extra: str) -> None:
    conn.execute(f"CREATE TEMP TABLE grids (i int[], t timestamp[], v interval[], extra {extra})")
    mask = [[False, True], [False, False]]
    times = np.array([["2024-01-01", "2024-01-02"], ["NaT", "2024-01-03"]], "M8[ns]")
    try:
        conn.load(
            "grids",
            {
                "i": np.ma.masked_array(np.array([[1, 2], [3, 4]]), mask),
                "t": np.ma.masked_array(times, mask),
                "v": np.array([[1, 2], [3, 4]], "m8[s]"),
                "extra": [None, None],
            },
        )
        assert conn.execute("SELECT i, t, v FROM grids").fetchall() == [
            ([1, None], [datetime(2024, 1, 1), None], [timedelta(seconds=1), timedelta(seconds=2)]),
            ([3, 4], [None, datetime(2024, 1, 3)], [timedelta(seconds=3), timedelta(seconds=4)]),
        ]
        with pytest.raises(pgfast.DataError, match=r"row 2, column t .* would lose digits below a microsecond"):
            fine = np.array([["2024-01-01"], ["2024-01-01T00:00:00.000000001"]], "M8[ns]")
            conn.load("grids", {"t": fine, "extra": [None, None]}, columns=["t", "extra"])
    finally:
        conn.execute("DROP TABLE grids")


def test_strided_and_sliced_numpy_columns_load(conn: pgfast.Connection) -> None:
    whole = np.arange(20)
    conn.load("item", {"id": whole[::-3], "name": [str(i) for i in whole[::-3].tolist()]})
    assert [found[0] for found in items(conn)] == sorted(whole[::-3].tolist())


def test_lists_in_a_dict_of_columns_load(conn: pgfast.Connection) -> None:
    conn.load(
        "item",
        {"id": [1, 2], "name": ("x", None), "price": pd.Series([1, 2]), "day": pl.Series([date(2024, 1, 1), None])},
    )
    assert items(conn) == [(1, "x", Decimal("1.00"), date(2024, 1, 1)), (2, None, Decimal("2.00"), None)]


def test_a_columnar_result_loads_into_another_table(conn: pgfast.Connection) -> None:
    conn.load("full_row", ROWS)
    conn.execute(f"CREATE TEMP TABLE copy_of ({COLUMNS})")
    for source in (
        conn.fetch_columns("SELECT * FROM full_row"),
        conn.fetch_columns("SELECT * FROM full_row").to_arrow(),
    ):
        conn.execute("TRUNCATE copy_of")
        assert conn.load("copy_of", source).path == "binary"
        assert conn.execute("SELECT * FROM copy_of ORDER BY id").fetchall() == ROWS


ARROW_CASES: list[tuple[str, Any, str, Any]] = [
    (
        "uuid from text",
        pa.array(["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
        "uuid",
        UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ),
    ("uuid from bytes", pa.array([UUID(int=5).bytes], pa.binary(16)), "uuid", UUID(int=5)),
    ("uuid from binary", pa.array([UUID(int=5).bytes]), "uuid", UUID(int=5)),
    ("int from text", pa.array([" 42 "]), "int", 42),
    ("numeric from text", pa.array(["1.50"]), "numeric", Decimal("1.50")),
    ("numeric from view", pa.array(["1.50"], pa.string_view()), "numeric", Decimal("1.50")),
    ("date from text", pa.array(["2024-02-29"]), "date", date(2024, 2, 29)),
    ("bool from text", pa.array(["yes"]), "bool", True),
    ("interval from text", pa.array(["1 day 02:00"]), "interval", timedelta(days=1, hours=2)),
    ("bytea from text", pa.array(["\\x00ff"]), "bytea", b"\x00\xff"),
    ("timestamptz from text", pa.array(["2024-01-01 12:00+02"]), "timestamptz", datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ("timetz from text", pa.array(["12:00+00"]), "timetz", time(12, tzinfo=UTC)),
    ("array from text", pa.array(['{1,NULL,"3"}']), "int[]", [1, None, 3]),
    ("dates from texts", pa.array([["2024-01-01", None]]), "date[]", [date(2024, 1, 1), None]),
    ("json from text", pa.array(['{"a": 1}']), "jsonb", {"a": 1}),
    ("json from list", pa.array([[1, 2]]), "json", [1, 2]),
    ("char", pa.array(["x"]), '"char"', "x"),
    ("int from decimal", pa.array([Decimal("5.00")], pa.decimal128(5, 2)), "int8", 5),
    ("float from decimal", pa.array([Decimal("0.10")], pa.decimal128(5, 2)), "float8", 0.1),
    (
        "numeric from decimal256",
        pa.array([Decimal(10) ** 50], pa.decimal256(60, 3)),
        "numeric",
        Decimal(10**50 * 1000).scaleb(-3),
    ),
    ("numeric from negative scale", pa.array([Decimal(1200)], pa.decimal128(5, -2)), "numeric", Decimal(1200)),
    ("numeric from float64", pa.array([0.1]), "numeric", Decimal("0.1")),
    ("numeric from float32", pa.array([0.1], pa.float32()), "numeric", Decimal("0.1")),
    ("numeric from int", pa.array([5], pa.uint64()), "numeric", Decimal(5)),
    ("int from float", pa.array([3.0]), "int4", 3),
    ("float4 from int", pa.array([3]), "float4", 3.0),
    ("float8 from half", pa.array([np.float16(0.5)], pa.float16()), "float8", 0.5),
    ("timestamp from date", pa.array([date(2024, 1, 1)]), "timestamp", datetime(2024, 1, 1)),
    ("date from timestamp", pa.array([datetime(2024, 1, 1)]), "date", date(2024, 1, 1)),
    ("date64", pa.array([date(1969, 12, 31)], pa.date64()), "date", date(1969, 12, 31)),
    ("time32", pa.array([time(1, 2, 3)], pa.time32("s")), "time", time(1, 2, 3)),
    ("time64 ns", pa.array([time(1, 2, 3, 4)], pa.time64("ns")), "time", time(1, 2, 3, 4)),
    ("timestamp s", pa.array([datetime(1960, 1, 1)], pa.timestamp("s")), "timestamp", datetime(1960, 1, 1)),
    (
        "timestamp ns",
        pa.array([datetime(2024, 1, 1)], pa.timestamp("ns", "Asia/Tokyo")),
        "timestamptz",
        datetime(2024, 1, 1, tzinfo=UTC),
    ),
    ("duration", pa.array([timedelta(days=2, seconds=1)], pa.duration("ms")), "interval", timedelta(days=2, seconds=1)),
    ("months", pa.array([(14, 3, 5000)], pa.month_day_nano_interval()), "interval", pgfast.Interval(14, 3, 5)),
    ("large text", pa.array(["x"], pa.large_string()), "text", "x"),
    ("text from binary", pa.array([b"x"]), "text", "x"),
    ("bytea view", pa.array([b"0123456789abcdef"], pa.binary_view()), "bytea", b"0123456789abcdef"),
    ("bytea fixed", pa.array([b"abc"], pa.binary(3)), "bytea", b"abc"),
    ("nested list", pa.array([[[1, 2], [3, 4]]]), "int[]", [[1, 2], [3, 4]]),
    ("large list", pa.array([[1, None]], pa.large_list(pa.int8())), "int8[]", [1, None]),
    ("fixed list", pa.array([[1.5, 2.5]], pa.list_(pa.float64(), 2)), "numeric[]", [Decimal("1.5"), Decimal("2.5")]),
    ("dictionary of ints", pa.array([7, 7]).dictionary_encode(), "numeric", Decimal(7)),
    ("dictionary of text to date", pa.array(["2024-01-01"]).dictionary_encode(), "date", date(2024, 1, 1)),
    ("null", pa.nulls(1), "date", None),
    ("bit of bool", pa.array([None, True]).slice(1), "bool", True),
]


@pytest.mark.parametrize(
    ("source", "kind", "value"), [case[1:] for case in ARROW_CASES], ids=[case[0] for case in ARROW_CASES]
)
def test_arrow_types_become_the_columns_type_exactly(
    conn: pgfast.Connection, source: Any, kind: str, value: Any
) -> None:
    conn.execute(f"CREATE TEMP TABLE one (v {kind})")
    assert conn.load("one", pa.table({"v": source})).path == "binary"
    found = conn.execute("SELECT v FROM one").fetchall()
    assert found[0] == (value,)
    assert type(found[0][0]) is type(value)


# ---------------------------------------------------------------- files


def csv_file(tmp_path: Path, text: str, name: str = "part-3.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(("unsure", "way"), [("", "binary"), ("+5,  x ,1e2,2024-1-2\n6,,1.005,\n", "text")])
def test_a_csv_file_loads_as_the_server_would_read_it(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsure: str, way: str
) -> None:
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", False)
    text = 'id,name,price,day\n1,007,1.50,2024-01-01\n2,,,\n3,"",1.00,\n4,"a ""b""\n,c",-0.1,0001-01-01\n' + unsure
    path = csv_file(tmp_path, text)
    report = conn.load("item", str(path))
    assert (report.rows, report.source, report.path) == (text.count("\n") - 2, "csv", way)
    ours = items(conn)
    assert ours[0] == (1, "007", Decimal("1.50"), date(2024, 1, 1))
    assert ours[1] == (2, None, None, None)
    conn.execute("TRUNCATE item")
    with conn.cursor() as cursor, cursor.copy("COPY item FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(text)
    assert items(conn) == ours


CSV_ALL = """id,big,small,ratio,price,exact,name,code,raw,day,at,stamp,instant,span,key,doc,ok,tags
1,9007199254740993,-7,0.1,1.25,0.10000000000000000000000000000001,007,007,\\x00ff,2024-01-01,01:02:03.5,\
2024-01-01 10:00:00.25,2024-01-01 10:00:00+02,1 day 02:00:00,\
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,"{""a"": [1]}",t,"{a,NULL,""b c""}"
2,,,NaN,,NaN,,,,,,,,,,,,
3,,,Infinity,,1e-5,x,,abc\\001,,23:59,2024-01-01,2024-07-01 12:00:00,-00:00:01,,[],FALSE,{}
"""


def test_a_csv_file_fills_every_type_exactly(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("SET timezone = 'Europe/Berlin'")
    conn.load("full_row", csv_file(tmp_path, CSV_ALL))
    ours = conn.execute("SELECT full_row::text FROM full_row ORDER BY id").fetchall()
    conn.execute("TRUNCATE full_row")
    with conn.cursor() as cursor, cursor.copy("COPY full_row FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(CSV_ALL)
    assert conn.execute("SELECT full_row::text FROM full_row ORDER BY id").fetchall() == ours


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1;x\n2;\n", {"header": False, "delimiter": ";"}),
        ("id|name\n1|'x'\n2|-\n", {"delimiter": "|", "quote": "'", "null": "-"}),
        ("\ufeffid,name\r\n1,x\r\n2,\r\n", {}),
        ("name,id\nx,1\n,2\n\n", {}),
    ],
    ids=["no header", "other marks", "bom and crlf", "other order and a blank line"],
)
def test_csv_dialects(conn: pgfast.Connection, tmp_path: Path, text: str, options: dict[str, Any]) -> None:
    columns = ["id", "name"] if options.get("header") is False else None
    conn.load("item", csv_file(tmp_path, text), columns, **options)
    assert [found[:2] for found in items(conn)] == [(1, "x"), (2, None)]


def test_csv_in_another_encoding_and_tab_separated(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.load("item", csv_file(tmp_path, "id\tname\n1\tZoë\n", "x.tsv", "latin-1"), encoding="latin-1")
    assert items(conn)[0][:2] == (1, "Zoë")


def test_only_the_chosen_columns_of_a_csv_file_are_loaded(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,junk,name\n1,!,x\n")
    assert conn.load("item", path, columns=["name", "id"]).columns == ("name", "id")
    assert items(conn) == [(1, "x", None, None)]


def test_a_csv_column_of_one_empty_field_is_null_on_each_line(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE one (v text)")
    conn.load("one", csv_file(tmp_path, 'v\na\n\n""\n'))
    assert conn.execute("SELECT v FROM one").fetchall() == [("a",), (None,), ("",)]


def test_a_csv_file_loads_on_an_async_connection(dsn: str, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id,name\n1,x\n")
    assert load_async(dsn, "CREATE TEMP TABLE item (id int, name text)", "item", path)[1] == [(1, "x")]


def test_a_csv_file_loads_without_pyarrow(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    path = csv_file(tmp_path, '\ufeffname,id\n"a ""b"",",1\n,2\n')
    report = conn.load("item", path)
    assert (report.rows, report.source, report.path) == (2, "csv", "binary")
    assert [found[:2] for found in items(conn)] == [(1, 'a "b",'), (2, None)]
    conn.execute("TRUNCATE item")
    assert conn.load("item", path, ["id"]).columns == ("id",)
    assert [found[:2] for found in items(conn)] == [(1, None), (2, None)]


def test_a_parquet_file_loads(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(ARROW, path, row_group_size=2)
    report = conn.load("item", path)
    assert items(conn) == ARROW_ROWS
    assert (report.rows, report.source, report.path) == (3, "parquet", "binary")
    conn.execute("TRUNCATE item")
    assert conn.load("item", str(path), columns=["day", "id"]).columns == ("day", "id")
    assert [(found[0], found[3]) for found in items(conn)] == [(found[0], found[3]) for found in ARROW_ROWS]


def test_a_parquet_file_is_known_by_its_content(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "items"
    pq.write_table(ARROW, path)
    assert conn.load("item", path).source == "parquet"


def test_a_parquet_file_loads_on_an_async_connection(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(ARROW, path)
    create = "CREATE TEMP TABLE item (id int, name text, price numeric(10,2), day date)"
    assert load_async(dsn, create, "item", path)[1] == ARROW_ROWS


def test_a_file_without_a_telling_name_needs_its_format(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "id\n1\n", "data")
    with pytest.raises(InterfaceError, match="pass format="):
        conn.load("item", path)
    assert conn.load("item", path, format="csv").rows == 1


# ---------------------------------------------------------------- reports and transactions


def test_the_report_counts_and_progress_is_told_for_each_block(conn: pgfast.Connection) -> None:
    told: list[tuple[int, int]] = []
    report = conn.load("item", [(i, "x" * 1000, None, None) for i in range(1000)], progress=lambda *at: told.append(at))
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (report.rows, report.size_bytes)
    assert report.size_bytes > 1_000_000
    assert report.rows_per_s == report.rows / report.seconds
    assert report.mb_per_s == report.size_bytes / 1e6 / report.seconds
    assert str(report).startswith("1000 rows into item in ")


def test_a_load_joins_the_transaction_that_is_open(dsn: str, conn: pgfast.Connection) -> None:
    with conn.transaction(force_rollback=True):
        conn.load("item", [(1, None, None, None)])
        assert len(items(conn)) == 1
    assert items(conn) == []


def test_a_load_begins_a_transaction_where_autocommit_is_off(dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        conn.execute("CREATE TEMP TABLE item (id int)")
        conn.commit()
        conn.load("item", [(1,)])
        assert conn.info.transaction_status == pgfast.TransactionStatus.INTRANS
        conn.rollback()
        assert conn.execute("SELECT * FROM item").fetchall() == []


def test_columns_are_fetched_on_an_async_connection(dsn: str) -> None:
    async def run() -> list[Any]:
        async with await pgfast.AsyncConnection.connect(dsn) as conn:
            columns = await conn.fetch_columns("SELECT %s::int AS a, %s AS b", (1, "x"))
            return [columns.to_arrow().to_pylist(), len(columns)]

    assert asyncio.run(run()) == [[{"a": 1, "b": "x"}], 1]


def test_without_pyarrow_a_parquet_file_names_the_extra(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(ARROW, path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install 'pgfast\[arrow\]'"):
        conn.load("item", path)
    assert items(conn) == []


def test_polars_comes_and_goes_without_pyarrow(dsn: str) -> None:
    program = f"""
import sys
sys.modules["pyarrow"] = None
import pgfast, polars
with pgfast.connect({dsn!r}) as conn:
    frame = conn.fetch_columns("SELECT i, i::text AS s, i / 4.0 AS n FROM generate_series(1, 5) AS i").to_polars()
    conn.execute("CREATE TEMP TABLE back (i int, s text, n numeric)")
    assert conn.load("back", frame).rows == 5
    assert conn.fetch_columns("SELECT * FROM back").to_polars().equals(frame)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_midnights_of_any_unit_are_dates(dsn: str, unit: Any) -> None:
    days = np.array(["2024-02-29", "1969-12-31", "NaT", "1900-01-01"], f"datetime64[{unit}]")
    expected = [(date(2024, 2, 29),), (date(1969, 12, 31),), (None,), (date(1900, 1, 1),)]
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE midnights (d date)")
        for source in ({"d": days}, pd.DataFrame({"d": days}), pa.table({"d": pa.array(days)})):
            conn.execute("TRUNCATE midnights")
            assert conn.load("midnights", source).path == "binary"
            assert conn.execute("SELECT d FROM midnights ORDER BY ctid").fetchall() == expected
            late = {"d": np.append(days, days[:1] + np.timedelta64(1, unit))}
            with pytest.raises(
                pgfast.DataError, match=r"COPY midnights, row 5, column d .date.: .* have a time of day"
            ):
                conn.load("midnights", late if isinstance(source, dict) else pd.DataFrame(late))
            assert conn.execute("SELECT count(*) FROM midnights").fetchone() == (4,)
