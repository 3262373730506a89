"""Columnar results: what becomes of each type, and the ways out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pgfast
from pgfast import DataError, InterfaceError, Interval, NotSupportedError, ProgrammingError

UTC = timezone.utc
A_UUID = UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")

#: (expression, Arrow type, value in Arrow, value in NumPy)
MOOD = pa.dictionary(pa.int32(), pa.string())
PAIR = pa.struct([("m", MOOD), ("n", pa.decimal128(5, 0))])
OUTERMOST = pa.struct([("id", pa.int32()), ("inside", PAIR)])
NESTED = {"id": 1, "inside": {"m": "ok", "n": None}}

TYPES: list[tuple[str, pa.DataType, Any, Any]] = [
    ("true", pa.bool_(), True, np.bool_(True)),
    ("'-3'::int2", pa.int16(), -3, np.int16(-3)),
    ("7::int4", pa.int32(), 7, np.int32(7)),
    ("7::int8", pa.int64(), 7, np.int64(7)),
    ("4294967295::oid", pa.uint32(), 2**32 - 1, np.uint32(2**32 - 1)),
    ("1.5::float4", pa.float32(), 1.5, np.float32(1.5)),
    ("'-Infinity'::float8", pa.float64(), float("-inf"), np.float64("-inf")),
    ("1.25::numeric(12,2)", pa.decimal128(12, 2), Decimal("1.25"), Decimal("1.25")),
    ("(-1.5)::numeric(38,37)", pa.decimal128(38, 37), Decimal("-1.5"), Decimal("-1.5")),
    ("12345::numeric(3,-2)", pa.decimal128(5, 0), Decimal(12300), Decimal(12300)),
    ("0.00012::numeric(2,5)", pa.decimal128(5, 5), Decimal("0.00012"), Decimal("0.00012")),
    ("1.500::numeric", pa.string(), "1.500", "1.500"),
    ("'NaN'::numeric", pa.string(), "NaN", "NaN"),
    ("1::numeric(39,1)", pa.decimal256(39, 1), Decimal("1.0"), Decimal("1.0")),
    ("(-1.5)::numeric(76,75)", pa.decimal256(76, 75), Decimal("-1.5"), Decimal("-1.5")),
    ("1::numeric(77,1)", pa.string(), "1.0", "1.0"),
    ("'ä'::text", pa.string(), "ä", "ä"),
    ("'ab'::char(4)", pa.string(), "ab  ", "ab  "),
    ("'x'::\"char\"", pa.string(), "x", "x"),
    ("'\\x00ff'::bytea", pa.binary(), b"\x00\xff", b"\x00\xff"),
    ("'2024-02-29'::date", pa.date32(), date(2024, 2, 29), np.datetime64("2024-02-29")),
    ("'01:02:03.5'::time", pa.time64("us"), time(1, 2, 3, 500000), np.timedelta64(3723500000, "us")),
    ("'01:02+05:30'::timetz", pa.string(), "01:02:00+05:30", "01:02:00+05:30"),
    (
        "'2024-01-01 12:00'::timestamp",
        pa.timestamp("us"),
        datetime(2024, 1, 1, 12),
        np.datetime64("2024-01-01T12", "us"),
    ),
    (
        "'2024-01-01 12:00+02'::timestamptz",
        pa.timestamp("us", "UTC"),
        datetime(2024, 1, 1, 10, tzinfo=UTC),
        np.datetime64("2024-01-01T10", "us"),
    ),
    ("'1 mon 2 days 3 us'::interval", pa.month_day_nano_interval(), (1, 2, 3000), Interval(1, 2, 3)),
    ("'2 days 00:00:01'::interval", pa.month_day_nano_interval(), (0, 2, 10**9), timedelta(days=2, seconds=1)),
    (f"'{A_UUID}'::uuid", pa.uuid(), A_UUID, A_UUID),
    ("'{\"a\": 1}'::jsonb", pa.json_(), '{"a": 1}', '{"a": 1}'),
    ("'10.0.0.1'::inet", pa.string(), "10.0.0.1", "10.0.0.1"),
    ("ARRAY[1,NULL,3]", pa.list_(pa.int32()), [1, None, 3], [1, None, 3]),
    ("'{}'::text[]", pa.list_(pa.string()), [], []),
    ("ARRAY[1.5]::numeric(4,1)[]", pa.list_(pa.decimal128(4, 1)), [Decimal("1.5")], [Decimal("1.5")]),
    ("'18446744073709551615'::xid8", pa.uint64(), 2**64 - 1, np.uint64(2**64 - 1)),
    ("'7 8'::int2vector", pa.list_(pa.int16()), [7, 8], [7, 8]),
    ("'[1,5)'::int4range", pa.string(), "[1,5)", "[1,5)"),
    ("ARRAY['10.0.0.0/8'::inet]", pa.string(), "{10.0.0.0/8}", "{10.0.0.0/8}"),
    ("'sad'::mood", pa.dictionary(pa.int32(), pa.string()), "sad", "sad"),
    ("ARRAY['sad',NULL,'ok']::mood[]", pa.list_(MOOD), ["sad", None, "ok"], ["sad", None, "ok"]),
    ("ROW(1, ROW('ok', NULL))::outermost", OUTERMOST, NESTED, NESTED),
    ("ARRAY[ROW('ok', 5)]::pair[]", pa.list_(PAIR), [{"m": "ok", "n": Decimal(5)}], [{"m": "ok", "n": Decimal(5)}]),
    ("5::wide", pa.decimal128(7, 2), Decimal("5.00"), Decimal("5.00")),
]
each_type = pytest.mark.parametrize(("expression", "kind", "arrow", "numpy"), TYPES, ids=[case[0] for case in TYPES])


@pytest.fixture(scope="module")
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("CREATE SCHEMA columnar; SET search_path = columnar")
        made.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
        made.execute("CREATE TYPE pair AS (m mood, n numeric(5,0))")
        made.execute("CREATE TYPE outermost AS (id int, inside pair)")
        made.execute("CREATE DOMAIN wide AS numeric(7,2)")
        yield made
        made.execute("DROP SCHEMA columnar CASCADE")


def with_null(expression: str) -> str:
    """A query of three rows whose second is NULL, and whose column keeps the expression's type modifier."""
    return f"SELECT v FROM generate_series(1, 3) AS i LEFT JOIN (SELECT {expression} AS v) AS t ON i <> 2 ORDER BY i"


@each_type
def test_each_type_has_its_arrow_type_and_value(
    conn: pgfast.Connection,
    monkeypatch: pytest.MonkeyPatch,
    expression: str,
    kind: pa.DataType,
    arrow: Any,
    numpy: Any,
) -> None:
    columns = conn.fetch_columns(with_null(expression))
    tables = [columns.to_arrow(), pa.table(columns)]
    with monkeypatch.context() as patch:
        patch.setattr("pgfast.columns._loaded_pyarrow", lambda: None)  # as in a program without pyarrow
        tables += [pa.table(columns), pa.Table.from_batches([pa.record_batch(batch) for batch in columns.batches])]
    for table in tables:
        table.validate(full=True)
        assert table.schema.field("v").type.equals(kind)
        assert table["v"].null_count == 1
        assert [found for found in table["v"].to_pylist() if found is not None] == [arrow, arrow]


@each_type
def test_each_type_comes_to_numpy_without_nulls_and_with(
    conn: pgfast.Connection, expression: str, kind: pa.DataType, arrow: Any, numpy: Any
) -> None:
    plain = conn.fetch_columns(f"SELECT {expression} AS v").to_numpy()["v"]
    assert not isinstance(plain, np.ma.MaskedArray)
    assert plain[0] == numpy
    assert type(plain[0]) is type(numpy)
    nulls = conn.fetch_columns(with_null(expression)).to_numpy()["v"]
    assert nulls[0] == numpy
    assert nulls.dtype == plain.dtype
    if nulls.dtype.kind in "iub":
        assert isinstance(nulls, np.ma.MaskedArray)
        assert np.ma.getmaskarray(nulls).tolist() == [False, True, False]
    elif nulls.dtype.kind == "O":
        assert nulls[1] is None
    else:
        assert nulls[1] != nulls[1]  # NaN or NaT


def test_rows_beyond_a_batch_make_several_and_come_together(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns(
        "SELECT i, nullif(i % 3, 0) AS m, i::text AS s, i % 2 = 0 AS b, ARRAY[i] AS l"
        " FROM generate_series(1, 150000) AS i"
    )
    assert len(columns.batches) > 1
    assert len(columns) == 150_000
    expected = [(i, i % 3 or None, str(i), i % 2 == 0, [i]) for i in range(1, 150_001)]
    table = pa.table(columns)
    assert list(zip(*[column.to_pylist() for column in table.columns], strict=True)) == expected
    assert table.equals(columns.to_arrow())
    arrays = columns.to_numpy()
    assert list(zip(*[array.tolist() for array in arrays.values()], strict=True)) == expected
    assert pl.DataFrame(columns).rows() == expected


def test_no_rows_keep_their_columns(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns(
        "SELECT 1 AS a, 'x' AS b, NULL::date AS c, ARRAY[1] AS l, true AS t, 1.5::numeric(4,1) AS n WHERE false"
    )
    assert len(columns) == 0
    assert pa.table(columns).num_rows == columns.to_arrow().num_rows == 0
    assert list(columns.to_numpy()) == columns.column_names == ["a", "b", "c", "l", "t", "n"]
    assert columns.to_pandas().shape == columns.to_polars().shape == (0, 6)


def test_a_result_without_columns_has_rows(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT FROM generate_series(1, 3)")
    assert len(columns) == 3
    assert columns.to_numpy() == {}
    assert columns.to_arrow().num_rows == 3
    assert columns.to_pandas().shape == (3, 0)


MIXED = """
SELECT t.*, whole FROM generate_series(5, 6) AS whole LEFT JOIN (SELECT
    1 AS i, true AS b, 1.5::float8 AS f, 'x' AS s, date '2024-01-01' AS d, timestamptz '2024-01-01 00:00+00' AS tz,
    1.25::numeric(4,2) AS n, interval '1 day' AS iv
) AS t ON whole = 5 ORDER BY whole"""


def test_pandas_keeps_integers_with_nulls_and_the_time_zone(conn: pgfast.Connection) -> None:
    frame = conn.fetch_columns(MIXED).to_pandas()
    assert frame.dtypes.astype(str)[["i", "b", "f", "d", "tz", "whole"]].tolist() == [
        *("Int32", "boolean", "float64", "datetime64[s]", "datetime64[us, UTC]", "int32")
    ]
    assert frame.dtypes["iv"].kind == "m"  # pandas 2 has nanoseconds here, pandas 3 microseconds
    assert frame["i"].tolist() == [1, pd.NA]
    assert frame["n"].tolist() == [Decimal("1.25"), None]
    assert frame["tz"][0] == pd.Timestamp("2024-01-01", tz="UTC")
    assert frame["d"].isna().tolist() == frame["f"].isna().tolist() == frame["s"].isna().tolist() == [False, True]


def test_pandas_keeps_columns_of_one_name(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT 1 AS a, 2 AS a")
    assert columns.to_pandas().values.tolist() == [[1, 2]]
    with pytest.raises(InterfaceError, match="two columns are named 'a'"):
        columns.to_numpy()


def test_polars_takes_columns_and_turns_intervals_into_durations(conn: pgfast.Connection) -> None:
    frame = conn.fetch_columns(MIXED).to_polars()
    assert frame.columns == ["i", "b", "f", "s", "d", "tz", "n", "iv", "whole"]
    assert frame["iv"].to_list() == [timedelta(days=1), None]
    assert frame["n"].to_list() == [Decimal("1.25"), None]
    with pytest.raises(NotSupportedError, match="column iv: polars has no type for intervals with months"):
        conn.fetch_columns("SELECT interval '1 month' AS iv").to_polars()
    with pytest.raises(NotSupportedError, match="intervals inside of others"):
        conn.fetch_columns("SELECT ARRAY[interval '1 day'] AS iv").to_polars()


def test_duckdb_and_readers_of_batches_take_columns(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT i, i::text AS s FROM generate_series(1, 3) AS i")
    assert duckdb.from_arrow(columns.to_arrow()).fetchall() == [(1, "1"), (2, "2"), (3, "3")]
    assert pa.RecordBatchReader.from_stream(columns).read_all().num_rows == 3
    assert pa.record_batch(columns.batches[0]).to_pydict() == {"i": [1, 2, 3], "s": ["1", "2", "3"]}
    assert pa.schema(columns).names == pa.schema(columns.batches[0]).names == ["i", "s"]


def test_an_error_of_the_consumer_is_not_lost(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT 1 AS a")
    with pytest.raises(ValueError, match="field names"):
        pa.table(columns, schema=pa.schema([("b", pa.int8())]))
    assert pa.table(columns, schema=pa.schema([("a", pa.int64())]))["a"].to_pylist() == [1]


@pytest.mark.parametrize("loaded", [True, False], ids=["with pyarrow", "without"])
def test_exported_memory_outlives_the_columns_and_the_connection(
    dsn: str, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    if not loaded:
        monkeypatch.setattr("pgfast.columns._loaded_pyarrow", lambda: None)
    with pgfast.connect(dsn) as conn:
        table = pa.table(conn.fetch_columns("SELECT i, repeat('x', i) AS s FROM generate_series(0, 999) AS i"))
    assert table["s"].to_pylist() == ["x" * i for i in range(1000)]


def test_infinite_dates_are_the_ends_of_their_width(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT 'infinity'::date AS d, '-infinity'::timestamp AS t")
    table = columns.to_arrow()
    assert table["d"].cast(pa.int32()).to_pylist() == [2**31 - 1]
    assert table["t"].cast(pa.int64()).to_pylist() == [-(2**63)]
    found = columns.to_numpy()
    assert np.isnat(found["t"][0])  # of which the docstring warns
    assert found["d"].astype("i8").tolist() == [2**31 - 1]


def test_dates_and_times_inside_of_others_are_pythons_own_or_the_servers_text(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns(
        "SELECT ARRAY['-infinity', 'infinity', '2020-01-01', NULL, '0044-03-15 BC']::timestamp[] AS t,"
        " ARRAY['-infinity', '2020-01-01 02:00+02', NULL]::timestamptz[] AS z,"
        " ARRAY['infinity', '0044-03-15 BC', '2020-01-01', NULL]::date[] AS d, ARRAY['10:00', NULL]::time[] AS h"
    )
    values = {
        "t": ["-infinity", "infinity", datetime(2020, 1, 1), None, "0044-03-15 00:00:00 BC"],
        "z": ["-infinity", datetime(2020, 1, 1, tzinfo=UTC), None],
        "d": ["infinity", "0044-03-15 BC", date(2020, 1, 1), None],
        "h": [time(10), None],
    }
    assert {name: array[0] for name, array in columns.to_numpy().items()} == values
    assert columns.to_pandas().iloc[0].to_dict() == values
    conn.execute("CREATE TEMP TABLE moments (t timestamp[], z timestamptz[], d date[], h time[])")
    try:
        conn.load("moments", columns)
        assert conn.fetch_columns("TABLE moments").to_arrow() == columns.to_arrow()
    finally:
        conn.execute("DROP TABLE moments")


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("'NaN'::numeric(5,2)", "column v: numeric .* does not fit the column's decimal type"),
        ("ARRAY[[1,2],[3,4]]", "column v: array .* has 2 dimensions"),
    ],
)
def test_values_a_column_cannot_hold_are_refused_by_name(conn: pgfast.Connection, expression: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        conn.fetch_columns(f"SELECT {expression} AS v")
    assert len(conn.fetch_columns("SELECT 1")) == 1


def test_parameters_are_bound_as_by_execute(conn: pgfast.Connection) -> None:
    assert conn.fetch_columns("SELECT %(a)s::int AS v", {"a": 5}).to_numpy()["v"].tolist() == [5]
    assert conn.fetch_columns("SELECT $1 AS v", ("x",)).to_numpy()["v"].tolist() == ["x"]


def test_a_statement_without_rows_and_several_statements_are_refused(conn: pgfast.Connection) -> None:
    with pytest.raises(ProgrammingError, match="gives no rows .*SET"):
        conn.fetch_columns("SET work_mem = '4MB'")
    with pytest.raises(ProgrammingError, match="one statement"):
        conn.fetch_columns("SELECT 1; SELECT 2")


def test_a_composite_that_was_altered_fills_no_column_with_bytes_of_another_type(
    conn: pgfast.Connection, dsn: str
) -> None:
    conn.execute("CREATE TYPE altered AS (a int4)")
    try:
        statement = "SELECT ARRAY[ROW(1)::altered] AS x"
        assert conn.fetch_columns(statement).to_arrow().to_pydict() == {"x": [[{"a": 1}]]}
        with pgfast.connect(dsn, autocommit=True) as stranger:  # whose command this process does not see
            stranger.execute("DO $$ BEGIN ALTER TYPE columnar.altered ALTER ATTRIBUTE a TYPE float4; END $$")
        with pytest.raises(DataError, match=r"column x: composite at offset .* the next execution looks it up anew"):
            conn.fetch_columns(statement)
        assert conn.fetch_columns(statement).to_arrow().to_pydict() == {"x": [[{"a": 1.0}]]}
    finally:
        conn.execute("DROP TYPE altered")


def test_columns_tell_what_they_are(conn: pgfast.Connection) -> None:
    columns = conn.fetch_columns("SELECT 1 AS a, 'x' AS b")
    assert repr(columns) == "<pgfast.Columns of 1 rows: a, b>"
    assert [(field.name, field.format) for field in columns.fields] == [("a", "i"), ("b", "u")]


@pytest.mark.parametrize(
    ("method", "library", "extra"),
    [
        ("to_numpy", "numpy", "numpy"),
        ("to_pandas", "pandas", "pandas"),
        ("to_polars", "polars", "polars"),
        ("to_arrow", "pyarrow", "arrow"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    conn: pgfast.Connection, monkeypatch: pytest.MonkeyPatch, method: str, library: str, extra: str
) -> None:
    columns = conn.fetch_columns("SELECT 1")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{library} is not installed; pip install 'pgfast\[{extra}\]'"):
        getattr(columns, method)()
