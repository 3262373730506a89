"""Dialects of CSV: what is said of a file, and what the file shows by itself; whole loads and loads in chunks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError, InterfaceError
from pgfast.bulk.csvdialect import Dialect, dialect_of
from pgfast.bulk.files import File
from pgfast.bulk.sources import FileOptions


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        yield made


@pytest.fixture(params=[{}, {"on_error": "reject", "chunk_bytes": 1024}], ids=["whole", "in chunks"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How the load goes: in one COPY, or in chunks that bad rows may be left out of."""
    return dict(request.param)


@pytest.fixture(autouse=True, params=[False, True], ids=["client first", "server first"])
def server_first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", request.param)


def written(tmp_path: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def stored(conn: pgfast.Connection) -> list[Any]:
    return conn.execute("SELECT * FROM t").fetchall()


def test_several_texts_mean_null_but_in_quotes(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text)")
    path = written(tmp_path, 'a,b\nNA,NA\n,"NA"\n-,""\n1,-\n')
    report = conn.load("t", path, null=["", "NA", "-"], **way)
    assert (report.rows, report.read) == (4, 4)
    assert stored(conn) == [(None, None), (None, "NA"), (None, ""), (1, None)]


def test_each_column_has_its_own_texts_for_null(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text, c inet)")
    path = written(tmp_path, "a,b,c\n-1,-1,\nNA,NA,10.0.0.1\n3,,\n")
    conn.load("t", path, null={"a": ["-1", "NA"], "b": "NA"}, **way)
    assert [(a, b, str(c)) for a, b, c in stored(conn)] == [
        (None, "-1", "None"),
        (None, None, "10.0.0.1"),
        (3, "", "None"),
    ]
    with pytest.raises(InterfaceError, match=r"null= names 'x', which is no column of a\.csv"):
        conn.load("t", path, null={"x": "NA"})


def test_an_escape_is_taken_as_by_the_server(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    conn.execute("CREATE TEMP TABLE t (a text, b text)")
    text = 'a,b\n"x\\"\n,y",1\n"\\\\","\\n"\n\\,"a""b"\n"multi\nline \\" more","\\""\n'
    with conn.cursor() as cursor, cursor.copy(r"COPY t FROM STDIN (FORMAT csv, HEADER, ESCAPE '\')") as copy:
        copy.write(text)
    wanted = stored(conn)
    conn.execute("TRUNCATE t")
    report = conn.load("t", written(tmp_path, text), escape="\\", **way)
    assert (stored(conn), report.rows) == (wanted, 4)
    assert wanted[0] == ('x"\n,y', "1")


def test_bad_rows_are_found_among_escaped_quotes(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (a text, b int)")
    text = "".join([f'"x\\"\n{number}",{number}\n' if number % 7 else '"\\\n"y,z\n' for number in range(200)])
    report = conn.load("t", written(tmp_path, "a,b\n" + text), escape="\\", on_error="reject", chunk_bytes=1024)
    assert (report.rows, report.rejected) == (171, 29)
    assert report.rejects[1].record == b'"\\\n"y,z'
    assert report.rejects[1].line == 2 + 7 * 2
    with pytest.raises(DataError, match=r"row 1, column b .*: 'z' does not fit: .* \(line 3 of a\.csv\)"):
        conn.load("t", written(tmp_path, "a,b\n" + text), escape="\\")


@pytest.mark.parametrize("kind", ["numeric", "numeric(9,2)", "float8", "float4"])
def test_a_decimal_comma_is_read(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any], kind: str) -> None:
    conn.execute(f"CREATE TEMP TABLE t (a {kind}, b text, i int, p point)")
    path = written(tmp_path, 'a;b;i;p\n1,5;x,y;3;\n-0,25;"1,5";;(1,2)\n7;;4;\nNaN;;;\n')
    conn.load("t", path, delimiter=";", decimal=",", **way)
    assert (
        conn.execute("SELECT a::text, b, i, p::text FROM t").fetchall()
        == conn.execute(
            f"VALUES ('1.5'::{kind}::text, 'x,y', 3, NULL), ('-0.25'::{kind}::text, '1,5', NULL, '(1,2)'), "
            f"('7'::{kind}::text, NULL, 4, NULL), ('NaN', NULL, NULL, NULL)"
        ).fetchall()
    )


@pytest.mark.parametrize("text", ["1.234,5", "1.5", "1,234,567"])
def test_other_separators_in_numbers_are_refused(conn: pgfast.Connection, tmp_path: Path, text: str) -> None:
    conn.execute("CREATE TEMP TABLE t (a numeric, p point)")
    path = written(tmp_path, f"a;p\n1,5;\n{text};\n")
    with pytest.raises(DataError, match=rf"row 2, column a .*'{text}' is no number with a decimal comma and no other"):
        conn.load("t", path, decimal=",")
    report = conn.load("t", path, decimal=",", on_error="reject")
    assert (report.rows, report.rejects[0].line, report.rejects[0].column) == (1, 3, "a")


@pytest.mark.parametrize(
    ("dates", "text"),
    [("dmy", "31.12.1999"), ("dmy", "31/12/1999"), ("mdy", "12-31-1999"), ("ymd", "1999/12/31"), ("iso", "1999-12-31")],
)
def test_days_are_read_in_the_order_said(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any], dates: str, text: str
) -> None:
    conn.execute("SET timezone TO 'Europe/Berlin'; SET datestyle TO 'SQL, MDY'")
    conn.execute("CREATE TEMP TABLE t (d date, s timestamp, z timestamptz, x text)")
    path = written(tmp_path, f"d,s,z,x\n{text},{text} 23:59:59.5,{text} 10:00,{text}\ninfinity,,{text}T10:00:00+05,\n")
    report = conn.load("t", path, dates=dates, **way)
    assert report.rows == 2
    conn.execute("SET datestyle TO 'ISO'")
    assert conn.execute("SELECT d::text, s::text, z::text, x FROM t ORDER BY d").fetchall() == [
        ("1999-12-31", "1999-12-31 23:59:59.5", "1999-12-31 10:00:00+01", text),
        ("infinity", None, "1999-12-31 06:00:00+01", None),
    ]


def test_days_in_another_order_are_refused(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (d date)")
    path = written(tmp_path, "d\n1.2.2003\n31.12.99\n2003-02-01\n30.2.2003\n13.13.2003\n")
    with pytest.raises(DataError, match=r"row 2, column d \(date\): '31.12.99' is no day in the order .* four digits"):
        conn.load("t", path, dates="dmy")
    report = conn.load("t", path, dates="dmy", on_error="reject")
    assert [reject.line for reject in report.rejects] == [3, 4, 5, 6]
    assert [str(day) for (day,) in stored(conn)] == ["2003-02-01"]


@pytest.mark.parametrize(
    ("column", "text", "told"),
    [
        ("d date", "30.2.2003", "2003-02-30"),
        ("d timestamptz", "1.13.2003 10:00", "2003-13-01 10:00"),
        ("d timestamptz", "1.2.2003 Nowhere", "2003-02-01 Nowhere"),
        ("d numeric(4,2)", "12345,5", "overflow"),
        ("d float8", "1,5e", "1.5e"),
        ("d float4", "1,5e99", "1.5e99"),
    ],
)
@pytest.mark.parametrize("other", ["o text", "o point"], ids=["binary", "text"])
def test_what_stands_in_the_file_is_told_of_a_value_that_was_written_otherwise(
    conn: pgfast.Connection, tmp_path: Path, column: str, text: str, told: str, other: str
) -> None:
    conn.execute(f"CREATE TEMP TABLE t ({other}, {column})")
    path = written(tmp_path, f'o;d\n;\n;"{text}"\n')
    settings: dict[str, Any] = {"decimal": ",", "dates": "dmy"}
    for source, name in ((path, "a.csv"), (io.BytesIO(path.read_bytes()), "<BytesIO>")):
        with pytest.raises(
            DataError, match=rf"row 2, column d .*{told}.*\(in the file: '{text}'\) \(line 3 of {name}\)"
        ):
            conn.load("t", source, format="csv", **settings)
    report = conn.load("t", path, on_error="reject", **settings)
    assert told in report.rejects[0].message and f"(in the file: '{text}')" in report.rejects[0].message
    assert (report.rejects[0].record, report.rejects[0].line) == (f';"{text}"'.encode(), 3)


def test_a_value_that_goes_as_it_is_written_is_told_once(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (d date, n numeric(4,2), i int, p point)")
    path = written(tmp_path, "d;n;i;p\n2003-02-30x;;;\n;x;;\n;;y;\n;;;z\n")
    report = conn.load("t", path, decimal=",", dates="dmy", on_error="reject")
    assert len(report.rejects) == 4
    assert not [reject for reject in report.rejects if "in the file" in reject.message]


def test_lines_before_the_header_are_skipped(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text)")
    for end in ("\n", "\r\n", "\r"):
        text = end.join(['made by "somebody', "", "a,b", "1,x", '2,"y"', ""])
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            path = written(tmp_path, text.encode(encoding))
            assert conn.load("t", path, skip_lines=2, **way).rows == 2
    assert conn.execute("SELECT a, b, count(*) FROM t GROUP BY a, b ORDER BY a").fetchall() == [
        (1, "x", 9),
        (2, "y", 9),
    ]
    with pytest.raises(DataError, match=r"row 2, column a .*\(line 5 of b\.csv\)"):
        conn.load("t", written(tmp_path, "#\n#\na,b\n1,x\nz,y\n", "b.csv"), skip_lines=2)
    report = conn.load("t", tmp_path / "b.csv", skip_lines=2, on_error="reject")
    assert report.rejects[0].line == 5
    assert conn.load("t", written(tmp_path, "#", "c.csv"), skip_lines=3, header=False).rows == 0


def test_short_records_are_filled_only_where_that_is_said(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]
) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text, c inet)")
    path = written(tmp_path, 'a,b,c\n1\n2,"x"\n3,y,10.0.0.1\n')
    with pytest.raises(DataError, match=r"row 1: 1 values where 3 are wanted"):
        conn.load("t", path)
    assert conn.load("t", path, ragged="fill", **way).rows == 3
    assert [(a, b) for a, b, _c in stored(conn)] == [(1, None), (2, "x"), (3, "y")]
    with pytest.raises(DataError, match=r"row 1: 4 values where 3 are wanted"):
        conn.load("t", written(tmp_path, "a,b,c\n1,2,3,4\n"), ragged="fill")
    conn.load("t", written(tmp_path, "7\n8,z\n"), ragged="fill", header=False, **way)
    assert conn.execute("SELECT a, b, c FROM t WHERE a > 6").fetchall() == [(7, None, None), (8, "z", None)]


def told(source: Any, **settings: Any) -> Dialect:
    return dialect_of(File(source), FileOptions(**settings))


ALIKE = "delimiter by its first records"
NONE = "no delimiter in its first records, which are one field each"


@pytest.mark.parametrize(
    ("text", "delimiter", "why"),
    [
        ("a;b\n1;x\n", ";", ALIKE),
        ("a|b\n1|x\n", "|", ALIKE),
        ("a\tb\n1\tx\n", "\t", ALIKE),
        ('"a,x";b\n1;x,y,z\n', ";", ALIKE),
        ('a;b\n1;"x;y"\n', ";", ALIKE),
        ('a;b\n1;"x;\n;y"\n2;y\n', ";", ALIKE),
        ("a;b\n1;x\u2028y\n", ";", ALIKE),
        ("a;b;c\n1,5;2,5;x\n7;8;y\n", ";", ALIKE),
        ("a, net;b;c\n1,5;2,5;x\n7;8;y\n", ";", ALIKE),
        ("a, net;b;c\n1,5;2;x\n7,5;8;y\n", ";", ALIKE),
        ("a;b\n1;2\n3\n", ";", "delimiter by 2 of its first 3 records"),
        ("a;b\n3\n", ";", "delimiter by 1 of its first 2 records"),
        ("a;b;c\n1;2;3\n3\n4;5\n5;6;7;8\n7;8;9\n", ";", "delimiter by 3 of its first 6 records"),
        ("a|b\n\n1|x;y\n2\n\n3|x\n", "|", "delimiter by 3 of its first 4 records"),
        ("a,b\n1,x\n", ",", ""),
        ("a,b;c\n1,x;y\n", ",", "though ';' would divide its first records as well"),
        ("a,b;c\n1,x\n", ",", ALIKE),
        ("a,b\n1\n2\n3,x,y\n", ",", "delimiter by 1 of its first 4 records"),
        ("a\n1;2\n", ",", NONE),
        ("a\n1\n", ",", NONE),
        ('"a;b"\n"1;2"\n', ",", NONE),
        ("a; b\n1\n2\n", ",", "no delimiter divides half of its first 3 records alike"),
        ("", ",", ""),
        ("\n\n", ",", ""),
    ],
)
def test_a_delimiter_is_what_divides_most_of_the_first_records(
    tmp_path: Path, text: str, delimiter: str, why: str
) -> None:
    for source in (written(tmp_path, text), io.BytesIO(text.encode())):
        found = told(source)
        assert (found.delimiter, ", ".join(found.found)) == (delimiter, why)


def test_a_delimiter_without_a_header_is_that_of_most_records(tmp_path: Path) -> None:
    found = told(written(tmp_path, "1\n2;3\n4;5\n6;7;8\n"), header=False)
    assert (found.delimiter, found.found) == (";", ("delimiter by 2 of its first 4 records",))
    found = told(written(tmp_path, "1\n2;3\n4;5\n6;7;8\n"), header=False, ragged="fill")
    assert (found.delimiter, found.found) == (";", ("delimiter by 2 of its first 4 records",))
    found = told(written(tmp_path, "a;b;c\n1\n2;3\n4;5\n"), ragged="fill")
    assert (found.delimiter, found.found) == (";", ("delimiter by 3 of its first 4 records",))
    assert told(written(tmp_path, "1\n2\n"), header=False).found == (NONE,)


def test_of_two_delimiters_that_do_as_well_none_is_guessed(tmp_path: Path) -> None:
    path = written(tmp_path, "a;b|c\n1;2|3\n")
    with pytest.raises(DataError, match=r"may be divided by any of '\|', ';'; say which"):
        told(path)
    assert told(path, delimiter="|").found == ()
    assert told(written(tmp_path, "a\tb;c\n", "a.tsv")).found == ("delimiter by its name",)


def test_a_delimiter_is_looked_for_behind_what_is_long(tmp_path: Path) -> None:
    names = ";".join(f"{'n' * 50}{number}" for number in range(1600))
    assert told(written(tmp_path, f"{names}\n{'1;' * 1599}1\n")).delimiter == ";"
    assert told(written(tmp_path, "a;b\n" + "1;2\n" * 5 + '3;"' + "x,\n" * 100_000 + '"\n')).delimiter == ";"
    # Lines before the header count whichever way they end, and a carriage return alone ends one.
    found = told(written(tmp_path, "by, me\r,,,\n\ra;b\r1;2\r"), skip_lines=3)
    assert (found.delimiter, found.found) == (";", (ALIKE,))


def test_a_short_record_does_not_make_a_table_of_one_column(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]
) -> None:
    path = written(tmp_path, "Ort;Preis\nBern;1,50\nUlm\nGenf;2,75\n")
    ways: list[dict[str, Any]] = [{}, {"decimal": ","}]
    for settings in ways:
        conn.execute("DROP TABLE IF EXISTS public.prices")
        report = conn.load("public.prices", path, create=True, ragged="fill", **settings, **way)
        assert (report.rows, len(report.columns)) == (3, 2)
        assert "delimiter ';'" in report.dialect and "delimiter by 3 of its first 4 records" in report.dialect
    assert report.ddl is not None and '"Preis" numeric' in report.ddl
    conn.execute("DROP TABLE public.prices")


def test_the_report_says_what_the_file_has_shown(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text)")
    report = conn.load("t", written(tmp_path, "a;b\n1;é\n".encode("utf-16")), **way)
    assert report.dialect == (
        "delimiter ';', quote '\"', encoding utf-16 (encoding by its byte order mark, delimiter by its first records)"
    )
    assert stored(conn) == [(1, "é")]
    assert conn.load("t", written(tmp_path, "a,b\n1,x\n"), **way).dialect == "delimiter ',', quote '\"', encoding utf-8"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any], encoding: str
) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text)")
    assert conn.load("t", written(tmp_path, "a,b\n1,∀\n2,\n".encode(encoding)), **way).rows == 2
    assert conn.load("t", io.BytesIO("a,b\n1,∀\n2,\n".encode(encoding)), format="csv", **way).rows == 2
    assert stored(conn) == [(1, "∀"), (2, None)] * 2


def test_an_encoding_is_never_guessed(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (a int, b text, é text)")
    latin = written(tmp_path, "a,b\n1,x\n2,é\n".encode("cp1252"))
    with pytest.raises(
        DataError, match=r"row 2.*not valid utf-8; .* say which: encoding='cp1252'|not valid UTF-8|UTF8"
    ):
        conn.load("t", latin)
    report = conn.load("t", latin, on_error="reject")
    assert (report.rows, report.rejects[0].line, report.rejects[0].record) == (1, 3, b"2,\xe9")
    conn.load("t", latin, encoding="cp1252")
    assert conn.execute("SELECT a, b FROM t").fetchall() == [(1, "x"), (1, "x"), (2, "é")]
    with pytest.raises(DataError, match=r"the header is not valid utf-8; where the file is in another encoding, say"):
        conn.load("t", written(tmp_path, "a,é\n1,x\n".encode("cp1252")))
    for order in ("le", "be"):
        with pytest.raises(
            DataError, match=f"looks like UTF-16 without a byte order mark; say encoding='utf-16-{order}'"
        ):
            conn.load("t", written(tmp_path, "a,b\n1,x\n".encode(f"utf-16-{order}")))
    with pytest.raises(InterfaceError, match="encoding 'utf-99' is not known"):
        conn.load("t", latin, encoding="utf-99")


def test_options_that_cannot_be_are_refused(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (a int)")
    path = written(tmp_path, "a\n1\n")
    for options, said in (
        ({"decimal": "'"}, "decimal must be"),
        ({"dates": "myd"}, "dates must be one of 'iso', 'dmy'"),
        ({"ragged": "cut"}, "ragged must be"),
        ({"skip_lines": -1}, "skip_lines must be"),
        ({"escape": "ab"}, "escape must be one ASCII character"),
        ({"escape": ","}, "delimiter and escape"),
        ({"quote": ","}, "delimiter and quote must be different characters"),
        ({"delimiter": "é"}, "delimiter must be one ASCII character"),
    ):
        with pytest.raises(InterfaceError, match=said):
            conn.load("t", path, **options)


def test_a_backslash_and_a_point_alone_are_data_in_every_way(
    conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]
) -> None:
    conn.execute("CREATE TEMP TABLE t (v text)")
    for text in ("v\na\n\\.\nb\n", "v\r\na\r\n\\.\r\nb", "v\na\n\\.\nb"):
        assert conn.load("t", written(tmp_path, text), **way).rows == 3
        assert stored(conn) == [("a",), ("\\.",), ("b",)]
        conn.execute("TRUNCATE t")
