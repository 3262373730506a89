"""Ugly CSV files, read by us, by psql's \\copy and by DuckDB: the same rows, or the reason why not and who is right.

psql sends the file to the server as it is, so what it stores is what COPY's own parser reads.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

import pgfast
from pgfast.embedded import find_installation

#: The outcome of a reader that refuses the file.
REFUSED: Final = "refused"
SAME: Final = "as ours"
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """A file and what each reader makes of it; where one differs, `why` says who is right."""

    name: str
    data: bytes
    ours: Rows | str
    psql: Rows | str = SAME
    duckdb: Rows | str = SAME
    why: str = ""
    columns: tuple[str, ...] = ("a", "b")
    header: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    copy: str = ""


A: Final = b"a,b\n"
CASES: Final = [
    Case("plain", A + b"1,x\n2,y\n", [("1", "x"), ("2", "y")]),
    Case("no end of the last line", A + b"1,x", [("1", "x")]),
    Case("carriage returns and line feeds", b"a,b\r\n1,x\r\n2,y\r\n", [("1", "x"), ("2", "y")]),
    Case("carriage returns alone", b"a,b\r1,x\r2,y\r", [("1", "x"), ("2", "y")]),
    Case("quotes and doubled quotes", A + b'"1","x""y"\n"""",""""""\n', [("1", 'x"y'), ('"', '""')]),
    Case("ends of lines in quotes", A + b'"1\r\n2","x\n\n\ry"\n', [("1\r\n2", "x\n\n\ry")]),
    Case("CRLF in quotes of a file with LF", A + b'"\r\n",x\n', [("\r\n", "x")]),
    Case("delimiters in quotes", A + b'",",",,"\n', [(",", ",,")]),
    Case("empty and quoted empty", A + b',""\n"",\n', [(None, ""), ("", None)]),
    Case("spaces are data", A + b" 1 ,\tx \n", [(" 1 ", "\tx ")]),
    Case("a header alone", A, []),
    Case("a header without its end", b"a,b", []),
    Case("quoted names", b'"a","b"\n1,x\n', [("1", "x")]),
    Case("leading zeros and signs", A + b"007,+1\n00,-0\n", [("007", "+1"), ("00", "-0")]),
    Case("backslashes", A + b"\\N,\\n\n\\\\,a\\\n", [("\\N", "\\n"), ("\\\\", "a\\")]),
    Case("characters beyond ASCII", A + "é∀,😀\n".encode(), [("é∀", "😀")]),
    Case("a byte order mark", b"\xef\xbb\xbf" + A + b"1,x\n", [("1", "x")]),
    Case("a byte order mark before a quote", b'\xef\xbb\xbf"a","b"\n1,x\n', [("1", "x")]),
    Case(
        "a blank line",
        A + b"1,x\n\n2,y\n\n",
        [("1", "x"), ("2", "y")],
        psql=REFUSED,
        why="it holds no record of two fields; COPY counts one missing field in it, we leave it out as others do",
    ),
    Case("too few fields", A + b"1,x\n2\n", REFUSED),
    Case("too many fields", A + b"1,x\n2,y,z\n", REFUSED),
    Case(
        "a delimiter behind the last field",
        A + b"1,x,\n",
        REFUSED,
        duckdb=[("1", "x")],
        why="RFC 4180: the last field is not followed by a comma; DuckDB drops what may be a value",
    ),
    Case("an unclosed quote", A + b'1,x\n2,"y\n', REFUSED),
    Case(
        "quotes in the middle",
        A + b'1,x"y"z\n2,5" pipe and 6" pipe\n',
        [("1", "xyz"), ("2", "5 pipe and 6 pipe")],
        duckdb=[("1", 'x"y"z'), ("2", '5" pipe and 6" pipe')],
        why="RFC 4180 leaves it open; what is stored must not depend on who loads it, so it is as by COPY",
    ),
    Case(
        "text behind a closing quote",
        A + b'1,"x"y\n',
        [("1", "xy")],
        duckdb=REFUSED,
        why="RFC 4180 leaves it open; as by COPY a quote may close anywhere",
    ),
    Case(
        "a space before a quote",
        A + b'1, "x"\n',
        [("1", " x")],
        duckdb=[("1", "x")],
        why="RFC 4180: spaces are a part of the field",
    ),
    Case("lines that end in two ways", A + b"1,x\r\n2,y\n", REFUSED),
    Case("a carriage return in a file of line feeds", A + b"1,x\ry\n", REFUSED),
    Case(
        "a NUL byte",
        A + b"1,x\0y\n",
        REFUSED,
        psql=[("1", "x")],
        duckdb=[("1", "x\0y")],
        why="PostgreSQL stores no NUL; the server loses what stands behind it and says nothing",
    ),
    Case("bytes that are no UTF-8", A + b"1,caf\xe9\n", REFUSED),
    Case("an overlong sequence", A + b"1,\xc0\xaf\n", REFUSED),
    Case("a surrogate in UTF-8", A + b"1,\xed\xa0\x80\n", REFUSED),
    Case(
        "Latin-1, said",
        A + b"1,caf\xe9\n",
        [("1", "café")],
        options={"encoding": "latin-1"},
        copy=", ENCODING 'LATIN1'",
        duckdb=REFUSED,
        why="DuckDB fetches other encodings as an extension",
    ),
    Case(
        "UTF-16 with its mark",
        "a,b\n1,é\n".encode("utf-16"),
        [("1", "é")],
        psql=REFUSED,
        duckdb=REFUSED,
        why="the mark says what it is; the server does not know the encoding",
    ),
    Case("one column, a backslash and a point", b"a\n\\.\nx\n", [("\\.",), ("x",)], columns=("a",)),
    Case("one column, blank lines", b"a\nx\n\ny\n", [("x",), (None,), ("y",)], columns=("a",)),
    Case("one column, quoted empty", b'a\n""\nx\n', [("",), ("x",)], columns=("a",)),
    Case("no header", b"1,x\n2,y\n", [("1", "x"), ("2", "y")], header=False, options={"header": False}),
    Case("nothing at all, no header", b"", [], header=False, options={"header": False}),
    Case(
        "nothing at all",
        b"",
        REFUSED,
        psql=[],
        duckdb=[],
        why="a header is wanted: without one the file was not written to its end",
    ),
    Case("other quotes", b"a,b\n'x,''y',\"\n", [("x,'y", '"')], options={"quote": "'"}, copy=", QUOTE ''''"),
    Case("an escape", b'a,b\n"x\\"y\\\\",1\n', [('x"y\\', "1")], options={"escape": "\\"}, copy=", ESCAPE '\\'"),
    Case("tabs", b"a\tb\n1\tx,y\n", [("1", "x,y")], options={"delimiter": "\t"}, copy=", DELIMITER E'\\t'"),
    Case(
        "a text for NULL",
        A + b'NULL,"NULL"\n,x\n',
        [(None, "NULL"), ("", "x")],
        options={"null": "NULL"},
        copy=", NULL 'NULL'",
    ),
]


@pytest.fixture(scope="module")
def psql() -> str:
    return find_installation(variable="PGFAST_PSQL_BIN").program("psql")


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS ugly CASCADE; CREATE SCHEMA ugly")
        yield made
        made.execute("DROP SCHEMA ugly CASCADE")


def make(conn: pgfast.Connection, columns: tuple[str, ...]) -> None:
    made = ", ".join([f"{name} text" for name in columns])
    conn.execute(f"DROP TABLE IF EXISTS ugly.t; CREATE TABLE ugly.t (n serial, {made})")


def stored(conn: pgfast.Connection, columns: tuple[str, ...]) -> Rows:
    return conn.execute(f"SELECT {', '.join(columns)} FROM ugly.t ORDER BY n").fetchall()


def by_us(conn: pgfast.Connection, path: Path, case: Case, **more: Any) -> Rows | str:
    make(conn, case.columns)
    try:
        conn.load("ugly.t", path, case.columns, **case.options, **more)
    except (pgfast.DataError, pgfast.InterfaceError):
        return REFUSED
    return stored(conn, case.columns)


def by_psql(psql: str, dsn: str, conn: pgfast.Connection, path: Path, case: Case) -> Rows | str:
    make(conn, case.columns)
    header = ", HEADER" if case.header else ""
    command = f"\\copy ugly.t ({', '.join(case.columns)}) FROM '{path}' (FORMAT csv{header}{case.copy})"
    ran = subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", command],
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return stored(conn, case.columns) if ran.returncode == 0 else REFUSED


def by_duckdb(path: Path, case: Case) -> Rows | str:
    options = {"delimiter": ",", "quote": '"', "null": "", **case.options}
    try:
        return duckdb.read_csv(
            str(path),
            header=case.header,
            sep=options["delimiter"],
            quotechar=options["quote"],
            escapechar=options.get("escape", options["quote"]),
            na_values=options["null"],
            encoding=options.get("encoding", "utf-8"),
            dtype=dict.fromkeys(case.columns, "VARCHAR"),
            auto_detect=False,
            columns=dict.fromkeys(case.columns, "VARCHAR"),
            allow_quoted_nulls=False,
        ).fetchall()
    except duckdb.Error:
        return REFUSED


def names(value: Any) -> str:
    return str(value.name)


@pytest.mark.parametrize("case", CASES, ids=names)
def test_a_file_is_read_as_the_case_says(
    conn: pgfast.Connection, dsn: str, psql: str, tmp_path: Path, case: Case
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(case.data)
    found = {
        "ours": by_us(conn, path, case),
        "psql": by_psql(psql, dsn, conn, path, case),
        "duckdb": by_duckdb(path, case),
    }
    wanted = {"ours": case.ours}
    for name, said in (("psql", case.psql), ("duckdb", case.duckdb)):
        wanted[name] = case.ours if said == SAME else said
    assert found == wanted
    if case.ours != REFUSED:
        assert by_us(conn, path, case, on_error="reject", chunk_bytes=1024) == case.ours
    assert bool(case.why) == (wanted["psql"] != case.ours or wanted["duckdb"] != case.ours)


def test_a_table_of_1600_columns(conn: pgfast.Connection, dsn: str, psql: str, tmp_path: Path) -> None:
    columns = tuple([f"c{number}" for number in range(1600)])
    lines = [
        ",".join([f'"{row}\n{number}"' if number % 7 == 0 else str(number * row) for number in range(1600)])
        for row in range(5)
    ]
    case = Case("wide", (",".join(columns) + "\n" + "\n".join(lines) + "\n").encode(), [], columns=columns)
    path = tmp_path / "a.csv"
    path.write_bytes(case.data)
    made = ", ".join([f"{name} text" for name in columns])
    copy = f"\\copy ugly.w FROM '{path}' (FORMAT csv, HEADER)"
    loads: list[Callable[[], Any]] = [
        lambda: conn.load("ugly.w", path),
        lambda: conn.load("ugly.w", path, on_error="reject", chunk_bytes=10_000),
        lambda: subprocess.run([psql, "-X", "-q", "-d", dsn, "-c", copy], check=True),
    ]
    read = []
    for load in loads:
        conn.execute(f"DROP TABLE IF EXISTS ugly.w; CREATE TABLE ugly.w ({made})")
        load()
        read.append(conn.execute("SELECT * FROM ugly.w").fetchall())
    assert read[0] == read[1] == read[2] == by_duckdb(path, case)
    assert read[0][2][:9] == ("2\n0", "2", "4", "6", "8", "10", "12", "2\n7", "16")


def long_fields() -> list[int]:
    """Bytes of the field: 100 MB, and nearly the server's limit of a value where PGFAST_LONG_FIELD is set."""
    return [100 << 20, *([1000 << 20] if os.environ.get("PGFAST_LONG_FIELD") else [])]


@pytest.mark.parametrize("size", long_fields())
def test_a_field_as_long_as_a_file(conn: pgfast.Connection, dsn: str, psql: str, tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.csv"
    unit = b'0123456789abcde"",\r\n\xc3\xa9 '
    with path.open("wb") as file:
        file.write(b'a,b\n1,x\n2,"')
        for _ in range(size // len(unit) // 1000):
            file.write(unit * 1000)
        file.write(b'"\n3,y\n')
    sums = "SELECT a, length(b), md5(b) FROM ugly.t ORDER BY a"
    make(conn, ("a", "b"))
    conn.load("ugly.t", path)
    ours = conn.execute(sums).fetchall()
    make(conn, ("a", "b"))
    command = f"\\copy ugly.t (a, b) FROM '{path}' (FORMAT csv, HEADER)"
    subprocess.run([psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", command], check=True)
    assert conn.execute(sums).fetchall() == ours
    assert [row[0] for row in ours] == ["1", "2", "3"]
    make(conn, ("a", "b"))
    assert conn.load("ugly.t", path, ["a", "b"], on_error="reject").rows == 3
    assert conn.execute(sums).fetchall() == ours


def test_very_long_lines_of_many_short_fields(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,x\n" + b"," * 3_000_000 + b"\n2,y\n")
    make(conn, ("a", "b"))
    with pytest.raises(pgfast.DataError, match=r"row 2: 3000001 values where 2 are wanted \(line 3 of a\.csv\)"):
        conn.load("ugly.t", path)
    assert conn.load("ugly.t", path, on_error="reject").rejected == 1
    assert stored(conn, ("a", "b")) == [("1", "x"), ("2", "y")]
