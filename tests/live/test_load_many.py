"""Many files as one load: patterns, directories and lists, matched by the names of their columns."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import pgfast
from pgfast import DataError, InterfaceError
from pgfast.errors import UndefinedColumn


@pytest.fixture
def table(auto: Any) -> Any:
    auto.execute("CREATE TEMP TABLE t (n bigint GENERATED ALWAYS AS IDENTITY, a int, b text)")
    return auto


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three files of a directory, each with its columns in another order or its bytes in another form."""
    (tmp_path / "c.csv").write_text("b,a\nz,5\n")
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"a;b\n3;\n4;w\n"))
    (tmp_path / ".hidden.csv").write_text("nothing,of,this\n")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.csv").write_text("a,b\n6,v\n")
    return tmp_path


ROWS = [(1, "x"), (2, "y"), (3, None), (4, "w"), (5, "z")]


def stored(conn: Any) -> list[Any]:
    found = conn.execute("SELECT a, b FROM t ORDER BY n").fetchall()
    conn.execute("TRUNCATE t")
    return list(found)


@pytest.mark.parametrize("way", [{}, {"on_error": "reject"}], ids=["whole", "in chunks"])
def test_a_directory_and_a_pattern_are_their_files_by_name(table: Any, files: Path, way: dict[str, Any]) -> None:
    names = ["a.csv", "b.csv.gz", "c.csv"]
    for source in (files, str(files), files / "*.csv*", [files / "a.csv", files / "[bc].*"]):
        report = table.load("t", source, **way)
        assert (report.rows, report.read) == (5, 5)
        assert [(Path(each.file).name, each.rows) for each in report.sources] == list(
            zip(names, (2, 2, 1), strict=True)
        )
        assert stored(table) == ROWS
    assert table.load("t", files / "**" / "*.csv", **way).rows == 4
    assert [row[0] for row in stored(table)] == [1, 2, 5, 6]


def test_a_list_keeps_its_order(table: Any, files: Path) -> None:
    table.load("t", [files / "c.csv", str(files / "a.csv")])
    assert stored(table) == [(5, "z"), (1, "x"), (2, "y")]


def test_a_name_with_the_marks_of_a_pattern_is_a_name_where_there_is_such_a_file(table: Any, tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text("a,b\n1,x\n")
    (tmp_path / "a1.csv").write_text("a,b\n2,y\n")
    table.load("t", tmp_path / "a[1].csv")
    assert stored(table) == [(1, "x")]


def test_a_file_that_lacks_a_column_is_named_and_nothing_is_loaded(table: Any, files: Path) -> None:
    (files / "z.csv").write_text("a\n9\n")
    with pytest.raises(UndefinedColumn, match=r"z\.csv has no column 'b', which the first file has"):
        table.load("t", files)
    assert stored(table) == []
    assert table.load("t", files, columns=["a"]).rows == 6


def test_a_file_may_bring_more_columns(table: Any, files: Path) -> None:
    table.execute("ALTER TABLE t ADD c text DEFAULT 'none'")
    (files / "z.csv").write_text("c,b,a\nmore,x,9\n")
    table.load("t", files)
    assert table.execute("SELECT a, c FROM t WHERE a > 4 ORDER BY a").fetchall() == [(5, "none"), (9, "more")]


def test_what_is_bad_in_one_file_is_told_with_its_name(table: Any, files: Path) -> None:
    (files / "d.csv").write_text("a,b\n7,x\nbad,y\n")
    with pytest.raises(DataError, match=r"row 2, column a .*line 3 of d\.csv"):
        table.load("t", files)
    assert stored(table) == []
    report = table.load("t", files, on_error="reject")
    assert (report.read, report.rows, report.rejected) == (7, 6, 1)
    assert (Path(report.rejects[0].source).name, report.rejects[0].line) == ("d.csv", 3)
    assert [each.rejected for each in report.sources] == [0, 0, 0, 1]


def test_a_directory_is_of_one_format(table: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"a": 2, "b": "y"}) + "\n")
    with pytest.raises(
        InterfaceError, match=r"of several formats: a\.csv is csv, b\.jsonl jsonl; say which by a pattern"
    ):
        table.load("t", tmp_path)
    assert table.load("t", [tmp_path / "a.csv", tmp_path / "b.jsonl"]).rows == 2
    pa.parquet.write_table(pa.table({"b": ["z"], "a": [3]}), tmp_path / "c.parquet")
    assert table.load("t", tmp_path / "[ac].*").rows == 2
    assert sorted(stored(table)) == [(1, "x"), (1, "x"), (2, "y"), (3, "z")]


def test_no_file_at_all_is_an_error(table: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file is in"):
        table.load("t", tmp_path)
    with pytest.raises(FileNotFoundError, match="no file is called .*x-"):
        table.load("t", tmp_path / "x-*.csv")
    with pytest.raises(FileNotFoundError):
        table.load("t", [tmp_path / "none.csv"])


def test_a_load_of_many_files_goes_on(dsn: str, files: Path) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS many CASCADE; CREATE SCHEMA many")
        conn.execute("CREATE TABLE many.t (a int, b text)")
        (files / "d.csv").write_text("a,b\n7,x\nbad,y\n")
        with pytest.raises(DataError, match=r"line 3 of d\.csv"):
            conn.load("many.t", files, resume="m")
        assert conn.execute("SELECT count(*) FROM many.t").fetchall() == [(5,)]
        (files / "d.csv").write_text("a,b\n7,x\n8,y\n")
        report = conn.load("many.t", files, resume="m")
        assert (report.rows, report.resumed) == (2, 5)
        assert conn.execute("SELECT a FROM many.t ORDER BY a").fetchall() == [(n,) for n in (1, 2, 3, 4, 5, 7, 8)]
        conn.execute("DROP SCHEMA many CASCADE")


def test_several_connections_take_patterns_too(dsn: str, files: Path) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS many CASCADE; CREATE SCHEMA many")
        conn.execute("CREATE TABLE many.t (a int, b text)")
        report = pgfast.load(dsn, "many.t", files, jobs=2)
        assert report.rows == 5
        assert conn.execute("SELECT a, b FROM many.t ORDER BY a").fetchall() == ROWS
        conn.execute("DROP SCHEMA many CASCADE")
