"""What the server refuses of a load, and what a source may not be: said as the client says its own errors."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pgfast
from pgfast import DataError, Diagnostic, InterfaceError, NotSupportedError, errors
from pgfast.bulk.create import create_table_sql
from pgfast.bulk.target import Target, TargetColumn
from pgfast.types.builtins import BY_OID


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        # A regtype travels as text only, and so does a load of all columns.
        made.execute(
            """CREATE TEMP TABLE y (a int NOT NULL CHECK (a <> 7), s varchar(5), n numeric(3,1), p regtype);
            CREATE DOMAIN pg_temp.small AS int CHECK (VALUE < 10); CREATE TEMP TABLE d (v pg_temp.small)"""
        )
        yield made


GOOD = (1, "a", Decimal(1), None)


@pytest.mark.parametrize("columns", [["a", "s", "n"], ["a", "s", "n", "p"]], ids=["binary", "text"])
@pytest.mark.parametrize("kind", ["rows", "arrow", "csv"])
@pytest.mark.parametrize(
    ("bad", "sqlstate", "said"),
    [
        (
            (1, "abcdef", Decimal(1), None),
            "22001",
            "column s (character varying(5)): value too long for type ",
        ),
        ((1, "a", Decimal(1000), None), "22003", "column n (numeric(3,1)): "),
        ((None, "a", Decimal(1), None), "23502", "column a (integer): null value"),
    ],
)
def test_a_value_the_server_refuses_is_named(
    conn: pgfast.Connection, tmp_path: Path, columns: list[str], kind: str, bad: Any, sqlstate: str, said: str
) -> None:
    rows = [row[: len(columns)] for row in (GOOD, bad)]
    source: Any = rows
    if kind == "arrow":
        types = pa.schema([("a", pa.int32()), ("s", pa.string()), ("n", pa.decimal128(9, 1)), ("p", pa.string())])
        source = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], types)
    elif kind == "csv":
        source = tmp_path / "y.csv"
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        source.write_text("\n".join([",".join(columns), *lines, ""]))
    with pytest.raises(
        pgfast.DatabaseError, match=f"COPY y, row 2, {said.replace('(', '[(]').replace(')', '[)]')}"
    ) as e:
        conn.load("y", source, columns)
    if kind != "csv" or e.value.sqlstate is not None:  # of a file the client sees some of it first
        assert e.value.sqlstate == sqlstate
        assert e.value.diag.context is not None
    assert conn.execute("select count(*) from y").fetchall() == [(0,)]


def test_the_value_is_shown_where_the_server_tells_it(conn: pgfast.Connection) -> None:
    with pytest.raises(errors.StringDataRightTruncation) as caught:
        conn.load("y", [GOOD, (1, 'a\nb"cdef', None, None)])
    assert str(caught.value).endswith(r"""character varying(5) (the value is 'a\nb"cdef')""")
    with pytest.raises(errors.UndefinedObject) as refused:
        conn.load("y", [(1, "a", None, "nowhere")])
    assert str(refused.value) == 'COPY y, row 1, column p (regtype): type "nowhere" does not exist'


def test_checks_of_tables_and_domains_name_the_row(conn: pgfast.Connection) -> None:
    with pytest.raises(errors.CheckViolation, match='^COPY y, row 2: new row for relation "y" violates'):
        conn.load("y", [GOOD, (7, None, None, None)])
    with pytest.raises(errors.CheckViolation, match=r"^COPY d, row 3, column v \(.*small\): value for domain"):
        conn.load("d", [(1,), (2,), (10,)])


def test_rows_behind_many_blocks_are_counted(conn: pgfast.Connection) -> None:
    rows = ((1, "abcdef" if number == 50_000 else "abc", None) for number in range(1, 60_000))
    with pytest.raises(errors.StringDataRightTruncation, match="^COPY y, row 50000, column s"):
        conn.load("y", rows, ["a", "s", "n"])


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("COPY t, Zeile 2, Spalte b b: »x y«", "COPY T, row 2, column b b (text): kaputt (the value is 'x y')"),
        ("COPY t, ligne 3, colonne b : « x »", "COPY T, row 3, column b (text): kaputt (the value is 'x')"),
        ("función f()\nCOPY t, línea 4", "COPY T, row 4: kaputt\nCONTEXT:  función f()"),
        ("COPY u, line 2, column b", "kaputt\nCONTEXT:  COPY u, line 2, column b"),
        ("2 行目の COPY t", "kaputt\nCONTEXT:  2 行目の COPY t"),
        ("COPY t, line 2, column c", "kaputt\nCONTEXT:  COPY t, line 2, column c"),
    ],
)
def test_the_place_is_read_in_other_languages_and_left_where_it_is_not_understood(context: str, said: str) -> None:
    columns = tuple([TargetColumn(name, 25, -1, "text", False, None, str, BY_OID[25]) for name in ("b", "b b")])
    exc = DataError(f"kaputt\nCONTEXT:  {context}")
    exc.diag = Diagnostic(context=context)
    Target("T", '"t"', "t", columns).located(exc)
    assert str(exc) == said


def test_letters_beyond_a_to_z_are_not_folded(conn: pgfast.Connection) -> None:
    conn.execute("CREATE TEMP TABLE ÄRger (i int)")
    assert conn.load("ÄRGER", [(1,)]).rows == 1
    assert create_table_sql("ÄRGER", pa.table({"i": [1]})).startswith('CREATE TABLE "Ärger" (')


# ---------------------------------------------------------------- sources


def test_a_damaged_page_of_a_parquet_file_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"a": pa.array(range(1000), pa.int32())}), path, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:24] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"^COPY y: {path}: "):
        conn.load("y", path)
    assert conn.execute("select count(*) from y").fetchall() == [(0,)]


def test_a_column_the_source_has_twice_is_refused(conn: pgfast.Connection) -> None:
    with pytest.raises(errors.DuplicateColumn, match="COPY y: the source has two columns 'a'"):
        conn.load("y", pa.table([[1], [2]], names=["a", "a"]), ["a"])


def test_a_query_that_was_not_run_is_told_to_collect(conn: pgfast.Connection) -> None:
    with pytest.raises(InterfaceError, match=r"LazyFrame.*\.collect\(\)"):
        conn.load("y", pl.LazyFrame({"a": [1]}))


def test_a_parquet_file_that_makes_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table({"s": pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int8()))}), path)
    with pytest.raises(NotSupportedError, match=f"^{path}: column s: the Arrow type map"):
        create_table_sql("t", path)
