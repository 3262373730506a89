"""Bad input: each ends in one error that says what and where, leaves the table as it was and the connection usable."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pgfast
from pgfast import DataError, InterfaceError, NotSupportedError, OperationalError, ProgrammingError, errors

KEPT = [(0, "kept", None, None)]


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("CREATE TEMP TABLE item (id int PRIMARY KEY, name varchar(10), price numeric(8,2), day date)")
        made.execute("INSERT INTO item VALUES (0, 'kept', NULL, NULL)")
        yield made


def after(conn: pgfast.Connection) -> list[Any]:
    """What is in the table, which also shows that the connection is usable."""
    return conn.execute("SELECT * FROM item ORDER BY id").fetchall()


def refused(conn: pgfast.Connection, error: type[Exception], source: Any, table: str = "item", **options: Any) -> str:
    """The text of the error that a load ends in, without the column's type; nothing must have changed."""
    with pytest.raises(error) as caught:
        conn.load(table, source, **options)
    assert after(conn) == KEPT
    return re.sub(r"(, column \w+) \([\w ,()]+\): ", r"\1: ", str(caught.value))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((2**40, None, None, None), "COPY item, row 1, column id (integer): 1099511627776 is out of range"),
        (
            (1, 5, None, None),
            "COPY item, row 1, column name (character varying(10)): 5 does not fit: text",
        ),
        ((1, None, "x", None), "COPY item, row 1, column price (numeric(8,2)): 'x' does not fit: "),
    ],
)
def test_the_type_of_the_column_is_named(conn: pgfast.Connection, row: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        conn.load("item", [row])
    assert str(caught.value).startswith(said)


def rows_then(bad: Any, before: int = 1200) -> Iterator[Any]:
    for number in range(1, before + 1):
        yield (number, "x", None, None)
    yield bad


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ((2**31, "x", 1, None), "COPY item, row 1201, column id: 2147483648 is out of range"),
        (
            ("5", "x", 1, None),
            "COPY item, row 1201, column id: '5' does not fit: a whole number (int) is wanted, not str",
        ),
        ((True, "x", 1, None), "COPY item, row 1201, column id: True does not fit"),
        ((5, 5, 1, None), "COPY item, row 1201, column name: 5 does not fit: text (str) is wanted, not int"),
        ((5, "x", "1.5", None), "COPY item, row 1201, column price: '1.5' does not fit"),
        ((5, "x", 1, "1998-13-01"), "COPY item, row 1201, column day: '1998-13-01' does not fit: a date"),
        ((5, "x", 1, datetime(2024, 1, 1, 5)), "column day: datetime.datetime(2024, 1, 1, 5, 0) does not fit"),
        ((5, "a\0b", 1, None), r"COPY item, row 1201, column name: 'a\x00b' holds a NUL character"),
        ((5, "\ud800", 1, None), r"column name: '\ud800' cannot be encoded in UTF-8"),
        ((5, "x", 1), "COPY item, row 1201: 3 values where 4 are wanted"),
        ((5, "x", 1, None, 2), "COPY item, row 1201: 5 values where 4 are wanted"),
        (5, "COPY item, row 1201: a row must be a tuple, a list or a mapping, not int"),
        ("text", "COPY item, row 1201: a row must be a tuple, a list or a mapping, not str"),
        ({"id": 5}, "COPY item, row 1201, column name: key 'name' is missing"),
    ],
)
def test_a_row_that_does_not_fit_is_named(conn: pgfast.Connection, bad: Any, text: str) -> None:
    assert text in refused(conn, DataError, rows_then(bad))


def test_a_long_value_is_shortened_in_the_error(conn: pgfast.Connection) -> None:
    text = refused(conn, DataError, rows_then((5, b"x" * 1_000_000, 1, None)))
    assert "row 1201, column name: b'xxx" in text
    assert len(text) < 300


def test_rows_are_counted_over_all_blocks(conn: pgfast.Connection) -> None:
    wide = ((number, "x", None, None) for number in range(1, 50_001))
    assert "COPY item, row 50001, column id:" in refused(conn, DataError, [*wide, ("", None, None, None)])


def test_the_reason_of_a_refusal_is_kept_as_its_cause(conn: pgfast.Connection) -> None:
    with pytest.raises(DataError) as caught:
        conn.load("item", [(1.5, None, None, None)])
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.fault is not None


def test_an_exception_of_the_source_comes_through_unchanged(conn: pgfast.Connection) -> None:
    def failing() -> Iterator[Any]:
        yield (1, "x", None, None)
        raise LookupError("the source is broken")

    with pytest.raises(LookupError, match="the source is broken"):
        conn.load("item", failing())
    assert after(conn) == KEPT


def test_an_exception_of_an_async_source_comes_through_unchanged(dsn: str) -> None:
    async def failing() -> AsyncIterator[Any]:
        for number in range(1000):
            yield (number,)
        raise LookupError("the source is broken")

    async def run() -> list[Any]:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute("CREATE TEMP TABLE item (id int)")
            with pytest.raises(LookupError, match="the source is broken"):
                await conn.load("item", failing())
            return await (await conn.execute("SELECT count(*) FROM item")).fetchall()

    assert asyncio.run(run()) == [(0,)]


@pytest.mark.parametrize("source", [5, b"bytes", None, object()])
def test_what_is_no_source_is_said_to_be_none(conn: pgfast.Connection, source: Any) -> None:
    assert f"cannot load from {type(source).__name__}" in refused(conn, InterfaceError, source)


def test_an_async_source_needs_an_async_connection(conn: pgfast.Connection) -> None:
    async def rows() -> AsyncIterator[Any]:
        yield (1,)

    assert "AsyncConnection" in refused(conn, InterfaceError, rows())


# ---------------------------------------------------------------- tables and columns


def test_an_unknown_table_is_named_with_one_that_is_like_it(conn: pgfast.Connection) -> None:
    assert "COPY itme: there is no such table; did you mean 'item'?" in refused(conn, errors.UndefinedTable, [], "itme")


def test_a_table_outside_the_search_path_is_pointed_at(conn: pgfast.Connection) -> None:
    conn.execute("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.far (id int)")
    try:
        text = refused(conn, errors.UndefinedTable, [], "far")
        assert "there is elsewhere.far, which is not in the search_path" in text
        assert "there is no schema 'elsewher'" in refused(conn, errors.UndefinedTable, [], "elsewher.far")
    finally:
        conn.execute("DROP SCHEMA elsewhere CASCADE")


@pytest.mark.parametrize("name", ["", "item; DROP TABLE item", "a.b.c", 'it"em', "1item", "item ()", "item\0"])
def test_a_name_that_is_none_is_refused(conn: pgfast.Connection, name: str) -> None:
    assert "is not the name of a table" in refused(conn, ProgrammingError, [(1,)], name)


@pytest.mark.parametrize(
    "source",
    [[{"id": 1, "nmae": "x"}], {"id": [1], "nmae": ["x"]}, pa.table({"id": [1], "nmae": ["x"]})],
    ids=["dicts", "columns", "arrow"],
)
def test_an_unknown_column_is_named_with_one_that_is_like_it(conn: pgfast.Connection, source: Any) -> None:
    text = refused(conn, errors.UndefinedColumn, source)
    assert text == "COPY item: the table has no column 'nmae'; did you mean 'name'?"


def test_columns_that_are_not_there_or_twice_are_refused(conn: pgfast.Connection) -> None:
    assert "no column 'nope'" in refused(conn, errors.UndefinedColumn, [(1,)], columns=["nope"])
    assert "'id' is named twice" in refused(conn, errors.DuplicateColumn, [(1, 2)], columns=["id", "id"])
    assert "the source has no column 'name'; it has id" in refused(
        conn, errors.UndefinedColumn, {"id": [1]}, columns=["name"]
    )
    assert "not a str" in refused(conn, InterfaceError, [(1,)], columns="id")


def test_columns_of_different_length_are_named(conn: pgfast.Connection) -> None:
    text = refused(conn, DataError, {"id": np.arange(3), "name": ["a", "b"]})
    assert text == "COPY item: column name has 2 values, column id has 3"


# ---------------------------------------------------------------- arrow and numpy


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (pa.table({"id": [2**40]}), DataError, "COPY item, row 1, column id: 1099511627776 is out of range"),
        (pa.table({"id": ["1", "x"]}), DataError, "COPY item, row 2, column id: 'x' does not fit: not a whole number"),
        (pa.table({"id": [1.0, 1.5]}), DataError, "COPY item, row 2, column id: 1.5 does not fit"),
        (pa.table({"id": [1], "name": ["a\0b"]}), DataError, r"row 1, column name: 'a\x00b' holds a NUL"),
        (pa.table({"day": [5]}), DataError, "COPY item, column day: the Arrow type int64 does not fit date"),
        (pa.table({"id": [True]}), DataError, "COPY item, column id: the Arrow type bool does not fit integer"),
        (
            pa.table({"name": [{"a": 1}]}),
            DataError,
            "COPY item, column name: the Arrow type struct does not fit varchar",
        ),
        (pl.DataFrame({"name": [5]}), DataError, "COPY item, column name: the Arrow type int64 does not fit varchar"),
        (pl.DataFrame({"day": [[1]]}), DataError, "column day: the Arrow type large_list<int64> does not fit date"),
        (
            pa.table({"day": [datetime(2024, 1, 1, 5)]}),
            DataError,
            "row 1, column day: a date is wanted, and 1704085200000000 units since 1970 have a time of day",
        ),
        (pa.array([1]), InterfaceError, "single column"),
        ({"id": np.array([1, 2**40])}, DataError, "COPY item, row 2, column id: 1099511627776 is out of range"),
        ({"id": np.array([True])}, DataError, "COPY item, column id: dtype bool does not fit integer"),
        ({"id": np.array([1j])}, DataError, "COPY item, column id: dtype complex128 has no PostgreSQL counterpart"),
        ({"day": np.array([1])}, DataError, "COPY item, column day: dtype int64 does not fit date"),
        (
            {"day": np.array(["2024-01-01T05"], "M8[h]")},
            DataError,
            "row 1, column day: np.datetime64('2024-01-01T05','h')",
        ),
        ({"id": np.array(5)}, InterfaceError, "column id is a single value"),
        ({"id": {1, 2}}, InterfaceError, "column id is of type set"),
    ],
)
def test_columns_that_do_not_fit_are_named(
    conn: pgfast.Connection, source: Any, error: type[Exception], text: str
) -> None:
    assert text in refused(conn, error, source)


def test_zones_are_neither_added_nor_dropped(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE zones (naive timestamp, aware timestamptz)")
    aware, naive = datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1)
    for source in (
        [(aware, None)],
        [(None, naive)],
        pa.table({"naive": [aware]}),
        pa.table({"aware": [naive]}),
    ):
        assert "zone" in refused(conn, DataError, source, "zones")


def test_digits_below_a_microsecond_are_not_dropped(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE stamps (at timestamp)")
    source = {"at": np.array(["2024-01-01T00:00:00.000000001"], "M8[ns]")}
    assert "row 1, column at:" in refused(conn, DataError, source, "stamps")
    assert "below a microsecond" in refused(conn, DataError, pa.table({"at": pa.array(source["at"])}), "stamps")


def test_an_arrow_stream_that_fails_says_why(conn: pgfast.Connection) -> None:
    schema = pa.schema([("id", pa.int32())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1], pa.int32())], schema)
        raise RuntimeError("disk on fire")

    source = pa.RecordBatchReader.from_batches(schema, batches())
    assert "the Arrow source failed: " in refused(conn, DataError, source)


# ---------------------------------------------------------------- files


def test_a_missing_file_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    assert "nothing.csv" in refused(conn, FileNotFoundError, tmp_path / "nothing.csv")
    assert f"no file is in {tmp_path}" in refused(conn, FileNotFoundError, tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("id,name\n1,a\n2\n", "COPY item, row 2: 1 values where 2 are wanted (line 3 of part-3.csv)"),
        ("id,name\n1,a\n2,b,c\n", "COPY item, row 2: 3 values where 2 are wanted (line 3 of part-3.csv)"),
        ('id,name\n1,"a\nb"\n\n2\n', "COPY item, row 2: 1 values where 2 are wanted (line 5 of part-3.csv)"),
        (
            "id,name\n1,a\nx,b\n",
            "COPY item, row 2, column id: 'x' does not fit: not a whole number (line 3 of part-3.csv)",
        ),
        ("day,id\n,1\n1998-13-01,2\n", "COPY item, row 2, column day: '1998-13-01' does not fit: not a date"),
        ("id\n99999999999\n", "COPY item, row 1, column id: 99999999999 is out of range (line 2 of part-3.csv)"),
        (
            "id,price\n1,abc\n",
            "COPY item, row 1, column price: 'abc' does not fit: not a number (line 2 of part-3.csv)",
        ),
        ("id,name\n1,a\0b\n", r"COPY item, row 1, column name: 'a\x00b' holds a NUL character"),
        (
            'id,name\n1,a\n2,"b\n3,c\n',
            "COPY item, row 2: a quoted field is not closed (line 3 of part-3.csv)",
        ),
        ("id,name,id\n1,a,2\n", "part-3.csv: the header names 'id' twice"),
        ("", "part-3.csv: the file is empty"),
    ],
)
def test_a_bad_csv_line_is_named(conn: pgfast.Connection, tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "part-3.csv"
    path.write_text(text)
    assert error in refused(conn, DataError, path)


def test_a_bad_line_far_down_a_csv_file_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    lines = ["id,name", *[f"{i},{'x' * (i % 10)}" for i in range(1, 300_001)]]
    for place, bad in ((250_000, "oops,x"), (250_001, "1")):
        changed = list(lines)
        changed[place] = bad
        path.write_text("\n".join(changed))
        text = refused(conn, DataError, path)
        assert text.startswith(f"COPY item, row {place}")
        assert text.endswith(f"(line {place + 1} of long.csv)")


def test_csv_bytes_that_are_no_text_are_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"id,name\n1,a\n2,Zo\xeb\n")
    text = refused(conn, DataError, path)
    assert text.startswith(r"COPY item, row 2, column name: b'Zo\xeb' is not valid utf-8")


def test_an_unknown_csv_column_or_option_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,nam\n1,a\n")
    assert "did you mean 'name'?" in refused(conn, errors.UndefinedColumn, path)
    assert "delimiter must be one ASCII character" in refused(conn, InterfaceError, path, delimiter="||")
    assert "delimiter and quote" in refused(conn, InterfaceError, path, quote=",")
    assert "format 'xml' is not known" in refused(conn, InterfaceError, path, format="xml")
    assert "encoding 'klingon' is not known" in refused(conn, InterfaceError, path, encoding="klingon")
    path.write_text("1,2\n")
    assert "row 1: 2 values where 4 are wanted (line 1 of x.csv)" in refused(conn, DataError, path, header=False)


def test_a_parquet_type_without_counterpart_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": [1], "name": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}), path)
    text = refused(conn, NotSupportedError, path)
    assert "COPY item, column name: the Arrow type map has no PostgreSQL counterpart" in text


def test_a_file_that_only_claims_to_be_parquet_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 not really")
    assert "x.parquet: not a readable Parquet file" in refused(conn, DataError, path)


# ---------------------------------------------------------------- the server


def test_an_error_of_the_server_keeps_its_class_and_context(conn: pgfast.Connection) -> None:
    with pytest.raises(errors.UniqueViolation) as caught:
        conn.load("item", rows_then((1, "again", None, None)))
    assert caught.value.diag.constraint_name == "item_pkey"
    assert str(caught.value).startswith("COPY item, row 1201: duplicate key value")
    assert caught.value.diag.context == "COPY item, line 1201"
    assert after(conn) == KEPT
    with pytest.raises(
        errors.StringDataRightTruncation, match="COPY item, row 1201, column name \\(.*\\): value too long"
    ):
        conn.load("item", rows_then((1300, "much too long a name", None, None)))
    assert after(conn) == KEPT


def test_a_numeric_beyond_its_column_is_refused_by_the_server(conn: pgfast.Connection) -> None:
    said = refused(conn, errors.NumericValueOutOfRange, [(1, "x", Decimal(10) ** 9, None)])
    assert said.startswith("COPY item, row 1, column price: numeric field overflow")


def test_an_error_in_the_text_form_keeps_row_and_column(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE hosts (a regclass, n int, at timestamptz)")
    assert "COPY hosts, row 2, column n: 'x' does not fit" in refused(
        conn, DataError, [("pg_type", 1, None), ("pg_type", "x", None)], "hosts"
    )
    assert "zone" in refused(conn, DataError, [(None, None, datetime(2024, 1, 1))], "hosts")
    assert "2 values where 3 are wanted" in refused(conn, DataError, [("pg_type", 1)], "hosts")
    assert "key 'n' is missing" in refused(conn, DataError, [{"a": None, "n": 1}, {"a": None}], "hosts")
    assert "holds a NUL" in refused(conn, DataError, [("a\0", None, None)], "hosts")
    with pytest.raises(errors.UndefinedTable, match="COPY hosts, row 1, column a .regclass.: relation"):
        conn.load("hosts", [("no_such_table", None, None)])


def test_a_failed_load_leaves_an_open_transaction_as_it_was(dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        conn.execute("CREATE TEMP TABLE item (id int PRIMARY KEY)")
        conn.execute("INSERT INTO item VALUES (1)")
        for bad, error in ((("x",), DataError), ((1,), errors.UniqueViolation)):
            with pytest.raises(error):
                conn.load("item", [(2,), bad])
            assert conn.info.transaction_status == pgfast.TransactionStatus.INTRANS
            assert conn.execute("SELECT * FROM item").fetchall() == [(1,)]
        conn.load("item", [(3,)])
        conn.commit()
        assert conn.execute("SELECT * FROM item ORDER BY 1").fetchall() == [(1,), (3,)]


def test_a_load_in_a_failed_transaction_says_so(dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        with pytest.raises(errors.DivisionByZero):
            conn.execute("SELECT 1 / 0")
        with pytest.raises(errors.InFailedSqlTransaction):
            conn.load("item", [(1,)])
        conn.rollback()


def killing_rows(dsn: str, pid: int) -> Iterator[Any]:
    for number in range(100_000):
        if number == 5_000:
            with pgfast.connect(dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        yield (number, "x" * 200)


def test_a_server_that_goes_mid_load_ends_in_one_error_and_an_unchanged_table(dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True) as watcher:
        watcher.execute("CREATE TABLE gone (id int, pad text)")
        try:
            conn = pgfast.connect(dsn, autocommit=True)
            with pytest.raises(OperationalError):
                conn.load("gone", killing_rows(dsn, conn.info.backend_pid))
            assert conn.closed
            conn.close()
            assert watcher.execute("SELECT count(*) FROM gone").fetchall() == [(0,)]
        finally:
            watcher.execute("DROP TABLE gone")


def test_a_load_that_outlasts_its_timeout_leaves_nothing(conn: pgfast.Connection) -> None:
    def endless() -> Iterator[Any]:
        number = 1
        while True:
            yield (number, "x", None, None)
            number += 1

    with pytest.raises(errors.TimeoutError):
        conn.load("item", endless(), timeout=0.3)
    assert after(conn) == KEPT


def test_a_cancelled_async_load_leaves_nothing(dsn: str) -> None:
    async def run() -> list[Any]:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute("CREATE TEMP TABLE item (id int)")
            started = asyncio.Event()

            async def endless() -> AsyncIterator[Any]:
                number = 0
                while True:
                    yield (number,)
                    number += 1
                    if number == 100_000:
                        started.set()
                        await asyncio.Event().wait()

            task = asyncio.create_task(conn.load("item", endless()))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await (await conn.execute("SELECT count(*) FROM item")).fetchall()

    assert asyncio.run(run()) == [(0,)]


@pytest.mark.parametrize("make", [lambda: [(1, "x", None, None)], lambda: {"id": [1]}, lambda: pa.table({"id": [1]})])
def test_after_a_refused_load_the_next_one_succeeds(conn: pgfast.Connection, make: Callable[[], Any]) -> None:
    with pytest.raises(DataError):
        conn.load("item", [(1, "x", None, "no date")])
    conn.load("item", make())
    assert [found[0] for found in after(conn)] == [0, 1]


def test_a_date_is_not_taken_from_a_number(conn: pgfast.Connection) -> None:
    assert "a date (datetime.date) is wanted, not int" in refused(conn, DataError, [(1, "x", None, 20240101)])
    conn.load("item", [(1, "x", None, date(2024, 1, 1))])
