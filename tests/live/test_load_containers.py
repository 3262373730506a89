"""Loading what is made of other things: structs, dictionaries, lists of them, and the text of types with none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import pgfast
from pgfast import DataError, NotSupportedError


@pytest.fixture(scope="module")
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("CREATE SCHEMA containers; SET search_path = containers")
        made.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
        made.execute("CREATE TYPE pair AS (m mood, n numeric(5,1))")
        made.execute("CREATE TYPE outermost AS (id int, inside pair, days date[])")
        made.execute("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, m mood, p pair, o outermost, ps pair[])")
        made.execute("CREATE TABLE u (n numeric, x xid8, i inet, r int4range, c money, ip inet[], v int2vector)")
        yield made
        made.execute("DROP SCHEMA containers CASCADE")


PAIR = pa.struct([("m", pa.dictionary(pa.int8(), pa.string())), ("n", pa.decimal128(5, 1))])
OUTERMOST = pa.struct([("id", pa.int64()), ("inside", PAIR), ("days", pa.list_(pa.date32()))])
ONE = {"m": "ok", "n": Decimal("1.5")}


def read(conn: pgfast.Connection, table: str, columns: str) -> list[str]:
    """The rows of the table as the server's text, which is then empty."""
    rows = conn.execute(f"SELECT ROW({columns})::text FROM {table} ORDER BY ctid").fetchall()
    conn.execute(f"TRUNCATE {table}")
    return [row[0] for row in rows]


def test_structs_become_composites_by_the_names_of_their_fields(conn: pgfast.Connection) -> None:
    turned = pa.struct([PAIR.field("n"), PAIR.field("m")])
    table = pa.table(
        {
            "p": pa.array([ONE, None, {"m": None, "n": None}], turned),
            "o": pa.array([{"id": 7, "inside": ONE, "days": [date(2024, 1, 2), None]}, None, None], OUTERMOST),
            "ps": pa.array([[ONE, None], [], None], pa.list_(PAIR)),
        }
    )
    for source in (table, table.slice(0, 3), pa.concat_tables([table.slice(0, 1), table.slice(1)])):
        report = conn.load("t", source)
        assert (report.rows, report.path) == (3, "binary")
        assert read(conn, "t", "p, o, ps") == [
            '("(ok,1.5)","(7,""(ok,1.5)"",""{2024-01-02,NULL}"")","{""(ok,1.5)"",NULL}")',
            "(,,{})",
            '("(,)",,)',
        ]


def test_a_slice_of_structs_is_read_from_where_it_begins(conn: pgfast.Connection) -> None:
    values = [{"m": "ok", "n": Decimal(n)} for n in range(20)]
    conn.load("t", pa.table({"p": pa.array(values, PAIR)}).slice(13, 2))
    assert read(conn, "t", "p") == ['("(ok,13.0)")', '("(ok,14.0)")']


def test_dictionaries_become_enums_as_they_lie(conn: pgfast.Connection) -> None:
    table = pa.table({"m": pa.array(["ok", None, "sad"]).dictionary_encode()})
    assert conn.load("t", table).rows == 3
    assert conn.load("t", pl.DataFrame({"m": pl.Series(["happy"], dtype=pl.Enum(["sad", "ok", "happy"]))})).rows == 1
    assert read(conn, "t", "m") == ["(ok)", "()", "(sad)", "(happy)"]
    with pytest.raises(pgfast.DatabaseError, match='row 2, column m .mood.: invalid input value for enum .*"mad"'):
        conn.load("t", pa.table({"m": ["ok", "mad"]}))


def test_what_was_fetched_loads_again(conn: pgfast.Connection) -> None:
    conn.execute(
        "INSERT INTO t (m, p, o, ps) VALUES (NULL, NULL, NULL, NULL),"
        " ('ok', ('sad', 1.5), (1, ('ok', NULL), '{2024-01-02}'), ARRAY[('ok', 2)::pair])"
    )
    conn.execute(
        "INSERT INTO u VALUES (1e70, '18446744073709551615', '::1/64', '[1,5)', 12.34, '{10.0.0.1,NULL}', '1 2'),"
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    for table, columns in (("t", "m, p, o, ps"), ("u", "n, x, i, r, c, ip, v")):
        fetched = conn.fetch_columns(f"SELECT {columns} FROM {table} ORDER BY ctid")
        before = read(conn, table, columns)
        for source in (fetched, fetched.to_arrow()):
            assert conn.load(table, source).rows == 2
            assert read(conn, table, columns) == before


def test_wide_decimals_and_numbers_without_sign_keep_every_digit(conn: pgfast.Connection) -> None:
    digits = [Decimal("1234567890" * 7 + ".123456"), -Decimal("0.000001"), Decimal(0), None]
    table = pa.table({"n": pa.array(digits, pa.decimal256(76, 6)), "x": pa.array([2**64 - 1, 0, None, 1], pa.uint64())})
    assert conn.load("u", table).path == "binary"
    assert conn.execute("SELECT n, x FROM u").fetchall() == list(zip(digits, [2**64 - 1, 0, None, 1], strict=True))
    conn.execute("TRUNCATE u")
    with pytest.raises(DataError, match="COPY u, row 1, column x .xid8.: -1 is out of range"):
        conn.load("u", {"x": np.array([-1])})


def test_strings_are_read_as_the_text_of_any_type(conn: pgfast.Connection) -> None:
    table = pa.table(
        {"i": ["::1/64", None], "r": ["(1,9]", "empty"], "c": ["$1.50", None], "ip": ["{10.0.0.1}", "[0:0]={::1}"]}
    )
    assert conn.load("u", table).rows == 2
    assert read(conn, "u", "i, r, c, ip") == ['(::1/64,"[2,10)",$1.50,{10.0.0.1})', "(,empty,,[0:0]={::1})"]
    conn.load("t", pa.table({"p": ["(ok,1.5)"], "ps": ['{"(sad,)"}']}))
    assert read(conn, "t", "p, ps") == ['("(ok,1.5)","{""(sad,)""}")']
    with pytest.raises(DataError, match="COPY u, row 2, column i .inet.: 'nonsense' does not fit"):
        conn.load("u", pa.table({"i": ["::1", "nonsense"]}))


def test_numbers_become_money(conn: pgfast.Connection) -> None:
    conn.load("u", pa.table({"c": pa.array([Decimal("1.50"), Decimal(-7)], pa.decimal128(9, 2))}))
    conn.load("u", {"c": np.array([3])})
    assert read(conn, "u", "c") == ["($1.50)", "(-$7.00)", "($3.00)"]


def test_structs_become_json_objects(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE j (v jsonb)")
    conn.load("j", pa.table({"v": pa.array([{"a": 1, "b": [True, None]}, None])}))
    assert [json.dumps(row[0]) for row in conn.execute("SELECT v FROM j").fetchall()] == [
        '{"a": 1, "b": [true, null]}',
        "null",
    ]


def test_a_bad_value_deep_inside_is_named_with_its_row_and_type(conn: pgfast.Connection) -> None:
    bad = [[None]] * 6 + [[None, 5]]
    moments = pa.timestamp("ns")
    for column in (
        pa.array(bad, pa.list_(moments)),
        pa.array([[each] for each in bad], pa.list_(pa.list_(moments))),
        pa.array(bad, pa.large_list(moments)),
    ):
        conn.execute("CREATE TEMP TABLE deep (d timestamp[])")
        with pytest.raises(DataError, match=r"COPY deep, row 7, column d .*: 'the timestamp\[ns\] value' does not fit"):
            conn.load("deep", pa.table({"d": column}))
        conn.execute("DROP TABLE deep")
    inner = pa.struct([("m", pa.string()), ("n", pa.decimal128(5, 1))])
    blob = pa.array([b"ok"] * 4 + [b"\xff"]).view(pa.string())
    column = pa.StructArray.from_arrays([blob, pa.nulls(5, pa.decimal128(5, 1))], fields=list(inner))
    with pytest.raises(
        DataError, match=r"COPY t, row 5, column p .*: 'the string value' does not fit: not valid UTF-8"
    ):
        conn.load("t", pa.table({"p": column}))


@pytest.mark.parametrize(("start", "length"), [(0, 40), (7, 20), (13, 1), (39, 1), (20, 0)])
def test_slices_of_structs_and_lists_with_nulls_load(conn: pgfast.Connection, start: int, length: int) -> None:
    pairs = [
        None if i % 6 == 5 else {"m": None if i % 4 == 3 else ("sad", "ok")[i % 2], "n": Decimal(i) / 2}
        for i in range(40)
    ]
    lists = [None if i % 5 == 4 else pairs[i : i + i % 4] for i in range(40)]
    whole = pa.table({"id": range(40), "p": pa.array(pairs, PAIR), "ps": pa.array(lists, pa.list_(PAIR))})
    conn.execute("CREATE TEMP TABLE sliced (id int, p pair, ps pair[])")
    try:
        conn.load("sliced", whole.slice(start, length))
        found = conn.fetch_columns("SELECT * FROM sliced ORDER BY id").to_arrow().to_pylist()
        assert found == whole.slice(start, length).to_pylist()
    finally:
        conn.execute("DROP TABLE sliced")


@pytest.mark.parametrize(
    ("table", "error", "said"),
    [
        ({"p": pa.array([{"m": "ok"}])}, DataError, "column p: the Arrow type struct does not fit .*pair; its fields"),
        (
            {"p": pa.array([{"m": "ok", "n": "x"}])},
            DataError,
            "COPY t, row 1, column p .pair.: 'x' does not fit: not a number",
        ),
        ({"p": pa.array([{"m": 5, "n": 1}])}, DataError, "the Arrow type struct does not fit .*pair"),
        ({"m": pa.array([5])}, DataError, "the Arrow type int64 does not fit .*mood"),
        ({"ps": pa.array([["x"]])}, DataError, "COPY t, row 1, column ps .*: "),
        ({"p": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))}, NotSupportedError, "the Arrow type map"),
    ],
)
def test_what_does_not_fit_is_named(conn: pgfast.Connection, table: dict[str, Any], error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        conn.load("t", pa.table(table))
    assert conn.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
