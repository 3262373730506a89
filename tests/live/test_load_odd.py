"""Files that are hardly any: each is loaded as what it is, or refused in words that say what to do."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError, InterfaceError

ways = pytest.mark.parametrize("way", [{}, {"on_error": "reject"}], ids=["whole", "in chunks"])


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS odd CASCADE; CREATE SCHEMA odd; CREATE TABLE odd.t (a text, b text)")
        yield made
        made.execute("DROP SCHEMA odd CASCADE")


def written(tmp_path: Path, data: bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


REFUSED = [
    ("a.csv", b"", r"a\.csv: the file is empty; a header is wanted"),
    ("a.csv", b"\xef\xbb\xbf", r"a\.csv: the file is empty; a header is wanted"),
    ("a.csv", b"\n\r\n\n", r"a\.csv: the file is empty; a header is wanted"),
    ("a.csv", b"\n\na,b\n1,2\n", r"the header is wanted is blank; skip_lines=2 leaves out what comes before"),
    ("a.csv", b"PK\x03\x04" + bytes(60), r"a\.csv is a ZIP archive, or a workbook, which is one"),
    ("a.xlsx", b"PK\x03\x04" + bytes(60), r"a\.xlsx is a ZIP archive, or a workbook, which is one"),
    ("a.xls", b"\xd0\xcf\x11\xe0" + bytes(60), r"a\.xls is an old workbook"),
    ("a.db", b"SQLite format 3\0" + bytes(60), r"a\.db is a SQLite database"),
    ("a.jsonl", b"[\n1\n]\n", r"none of the first lines is an object of JSON"),
]


@ways
@pytest.mark.parametrize(("name", "data", "said"), REFUSED)
def test_what_is_no_such_file_is_refused_in_words(
    conn: pgfast.Connection, tmp_path: Path, name: str, data: bytes, said: str, way: dict[str, Any]
) -> None:
    with pytest.raises((DataError, InterfaceError), match=said):
        conn.load("odd.t", written(tmp_path, data, name), **way)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a,,c", r"column 2 of the source has no name; no table can be made of it"),
        ("a,b,", r"column 3 of the source has no name"),
        ("a,b," + "é" * 32, r"column 3 of the source is longer than the 63 bytes that a name of PostgreSQL has: 'é"),
    ],
)
def test_no_table_is_made_with_names_that_are_none(
    conn: pgfast.Connection, tmp_path: Path, header: str, said: str
) -> None:
    with pytest.raises(InterfaceError, match=said):
        conn.load("odd.made", written(tmp_path, f"{header}\n1,2,3\n".encode()), create=True)
    assert conn.execute("SELECT to_regclass('odd.made')").fetchone() == (None,)
    whole = written(tmp_path, f"a,b,{'x' * 63}\n1,2,3\n".encode())
    assert conn.load("odd.made", whole, create=True).rows == 1


@ways
def test_half_a_character_makes_a_bad_row(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    bad = "c,".encode("utf-16-le") + b"\x41\xd8" + "x\n".encode("utf-16-le")  # a lone surrogate
    path = written(tmp_path, "a,b\n1,é\n".encode("utf-16") + bad + "2,y\n".encode("utf-16-le") + b"z")
    if not way:
        with pytest.raises(DataError, match=r"a\.csv: 'utf-16-le' codec can't decode"):
            conn.load("odd.t", path, **way)
        return
    report = conn.load("odd.t", path, **way)
    assert (report.read, report.rows, [each.line for each in report.rejects]) == (4, 2, [3, 5])
    assert conn.execute("SELECT * FROM odd.t").fetchall() == [("1", "é"), ("2", "y")]
    report = conn.load("odd.made", path, create=True, **way)
    assert (report.rows, report.rejected) == (2, 2)
    assert report.warnings[:1] == (f"{path}: left out of the choice of types, being no records: 2",)


@ways
def test_the_line_by_which_spreadsheets_say_the_delimiter(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]
) -> None:
    for number, text in enumerate(["sep=;\na;b\n1;x,y\n", "sep=|\r\na|b\r\n1|x,y\r\n", "sep=\t\na\tb\n1\tx,y\n"], 1):
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
            for source in (written(tmp_path, text.encode(encoding)), io.BytesIO(text.encode(encoding))):
                report = conn.load("odd.t", source, format="csv", **way)
                assert report.rows == 1 and "delimiter by its first line" in report.dialect
        assert conn.execute("SELECT DISTINCT a, b, count(*) FROM odd.t GROUP BY a, b").fetchall() == [
            ("1", "x,y", 8 * number)
        ]
    path = written(tmp_path, b"sep=;\na;b\n1;x\n2;y;z\n")
    with pytest.raises(DataError, match=r"row 2: 3 values where 2 are wanted \(line 4 of a\.csv\)"):
        conn.load("odd.t", path)


@ways
def test_a_file_of_json_lines_without_lines_has_no_rows(
    conn: pgfast.Connection, dsn: str, tmp_path: Path, way: dict[str, Any]
) -> None:
    conn.execute("ALTER TABLE odd.t ADD c int GENERATED ALWAYS AS (1) STORED")
    for data in (b"", b"\n \n", b"\xef\xbb\xbf"):
        path = written(tmp_path, data, "a.jsonl")
        for columns in (None, ["a"], {"x": "a"}):
            report = conn.load("odd.t", path, columns, **way)
            assert (report.read, report.rows) == (0, 0)
        assert pgfast.load(dsn, "odd.t", path, jobs=2).rows == 0
    other = written(tmp_path, b'{"b": "x"}\n', "b.jsonl")
    assert conn.load("odd.t", [path, other], **way).rows == 1
    assert conn.load("odd.t", [other, path], **way).rows == 1
    assert conn.execute("SELECT a, b FROM odd.t").fetchall() == [(None, "x")] * 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoding": "base64"}, "encoding 'base64' is not known as one of texts"),
        ({"encoding": "idna"}, "encoding 'idna' is not known as one of texts"),
        ({"encoding": "punycode"}, "encoding 'punycode' is not known as one of texts"),
        ({"encoding": 5}, "encoding 5 is not known as one of texts"),
        ({"encoding": "utf-16"}, r"a\.csv: UTF-16 stream does not start with BOM"),
        ({"null": 5}, "null must be a text, a list of texts or a mapping of columns to these, not 5"),
        ({"null": [None]}, r"null must be a text, a list of texts .*, not \[None\]"),
        ({"null": {"a": 5}}, "null must be a text, a list of texts or a mapping"),
        ({"quote": None}, "quote must be one ASCII character, not None"),
        ({"quote": ""}, "quote must be one ASCII character, not ''"),
        ({"skip_lines": None}, "skip_lines must be a number of lines, not None"),
    ],
)
def test_options_of_the_wrong_kind_are_refused_in_words(
    conn: pgfast.Connection, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((DataError, InterfaceError), match=said):
        conn.load("odd.t", written(tmp_path, b"a,b\n1,2\n"), **options)


@ways
def test_a_byte_order_mark_and_an_encoding_that_is_said(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]
) -> None:
    text = "a,b\n1,é\n"
    for encoding, said in (("utf-16", "utf-16-le"), ("utf-32", "utf-32-le"), ("utf-8-sig", "utf8")):
        assert conn.load("odd.t", written(tmp_path, text.encode(encoding)), encoding=said, **way).rows == 1
    assert conn.execute("SELECT DISTINCT a, b FROM odd.t").fetchall() == [("1", "é")]
    for encoding, said in (
        ("utf-8-sig", "latin-1"),
        ("utf-16", "utf-8"),
        ("utf-16", "cp1252"),
        ("utf-8-sig", "utf-16"),
    ):
        with pytest.raises(DataError, match=f"encoding='{said}' is said, but the file begins with the mark of utf-"):
            conn.load("odd.t", written(tmp_path, text.encode(encoding)), encoding=said, **way)


def test_the_byte_that_is_none_of_the_encoding_is_told(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,\x81\xe9\n2,x\n")
    report = conn.load("odd.t", path, encoding="cp1252", on_error="reject")
    assert "b'\\x81\\xe9' is not valid cp1252" in report.rejects[0].message


def test_sources_that_are_none_are_refused_in_words(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,2\n")
    with pytest.raises(InterfaceError, match="a list of files is one of their paths; BytesIO is none"):
        conn.load("odd.t", [path, io.BytesIO(b"a,b\n")])
    with pytest.raises(InterfaceError, match=r"https://example\.org/a\.csv is no path; open it"):
        conn.load("odd.t", "https://example.org/a.csv")
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(InterfaceError, match=r"pipe\.csv is no regular file; open it"):
        conn.load("odd.t", pipe)  # and does not wait for somebody who writes


def test_a_name_that_tells_another_delimiter_than_the_file_has(conn: pgfast.Connection, tmp_path: Path) -> None:
    report = conn.load("odd.made", written(tmp_path, b"a,b\n1,2\n", "a.tsv"), create=True)
    assert report.warnings == ("a.tsv: no tab stands in its first record, but what may be another delimiter",)
    assert conn.load("odd.t", written(tmp_path, b"a\tb\n1\t,\n", "b.tsv")).warnings == ()
