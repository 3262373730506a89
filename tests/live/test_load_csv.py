"""CSV files against the server's own COPY: the same is stored, or the load is refused where the server refuses."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError, Error
from pgfast.embedded import EmbeddedServer


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        yield made


@pytest.fixture(autouse=True, params=[False])
def server_first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the server reads files before the codec, which the pure one leaves to it."""
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", request.param)
    return bool(request.param)


both_ways = pytest.mark.parametrize("server_first", [False, True], ids=["client first", "server first"], indirect=True)


def written(tmp_path: Path, text: str | bytes, encoding: str = "utf-8", name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def stored(conn: pgfast.Connection) -> list[Any]:
    return conn.execute("SELECT t::text FROM t").fetchall()


def server_reads(conn: pgfast.Connection, text: str, header: bool = True) -> list[Any] | None:
    """What the server's COPY stores of the text, None where it refuses it. The table is empty afterwards."""
    try:
        with conn.cursor() as cursor, cursor.copy(f"COPY t FROM STDIN (FORMAT csv, HEADER {header})") as copy:
            copy.write(text)
    except Error:
        return None
    found = stored(conn)
    conn.execute("TRUNCATE t")
    return found


def field(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


VALUES = [
    ("int", "12 -7 +5 007 0x1F 0xFFFFFFFF 1_000 0b1 2147483648 1.0 x"),
    ("int8", "9223372036854775807 9223372036854775808 0xFFFFFFFFFFFFFFFF"),
    ("oid", "4294967295 -1 4294967296"),
    ("bool", "t TRUE tRue of o 1 2"),
    ("float8", "0 -0.0 0e5 1e-400 2e-324 5e-324 1e400 inf -Infinity nan 0x1p3 1_0 x"),
    ("float4", "0.1 1e-50 1e39 Inf 0.000"),
    ("numeric", "1e2 NaN Infinity 1_0 0x10 .5 x"),
    ("numeric(8,2)", "1.005 1e2 99999999 NaN Infinity x"),
    ("date", "2020-01-02 0001-01-01 0000-12-31 infinity -infinity 10000-01-01 20200101 2020-13-01 epoch x"),
    ("time", "10:00 24:00:00 23:59:60 1:2:3 10:00:00.1234567 25:00 10:00:00+02"),
    ("timetz", "10:00+02 24:00:00+00 10:00 10:00+20"),
    (
        "timestamp",
        "2020-01-01 2020-01-01T10 2020-01-01T10:00 infinity 0000-01-01T00:00:00 2020-02-30 2020-01-01T10:00Z",
    ),
    (
        "timestamptz",
        "2020-01-01T10:00+02 2020-01-01T10:00:00.5Z 2020-01-01 infinity 2020-01-01T10+02 2020-01-01T10:00+16",
    ),
    ("bytea", "\\x00ff \\X00 \\x0 abc\\001 é a\\b"),
    (
        "uuid",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 a-0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 {a0eebc999c0b4ef8bb6d6bb9bd380a11}",
    ),
    ("int[]", "{1,2} [2:3]={1,2} {{1},{2}} {1,x} {}"),
    ("jsonb", '{"a":1} [] NaN {'),
    ("interval", "P1Y infinity 1:02 1day"),
    ("interval minute to second", "1:02"),
    ('"char"', "a ab \\101"),
    ("point", "(1,2) x"),
]
SPACED = [
    ("date", "0001-01-01 BC"),
    ("int", " 5 "),
    ("float8", " 1.5 "),
    ("uuid", " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("timestamp", "2020-01-01 10"),
    ("timestamp", "2020-01-01 10:00:00 BC"),
    ("timestamptz", "2020-01-01 10:00:00 Europe/Paris"),
    ("interval", "1.5 days"),
    ("interval", "-1 days 00:00:05"),
    ("interval", "-1 day 2 hours"),
    ("interval", "-1 mon 5 days"),
    ("interval", "-1 days +02:03:00"),
    ("bool", " yes "),
    ("text", "a\u00a0"),
]
CASES = [(kind, word) for kind, words in VALUES for word in words.split(" ")] + SPACED


@both_ways
@pytest.mark.parametrize(("kind", "word"), CASES)
@pytest.mark.parametrize("settings", [("UTC", "postgres"), ("Europe/Berlin", "sql_standard")], ids=["utc", "berlin"])
def test_a_value_is_stored_or_refused_as_by_the_server(
    conn: pgfast.Connection, tmp_path: Path, kind: str, word: str, settings: tuple[str, str]
) -> None:
    conn.execute("SELECT set_config('timezone', %s, false), set_config('intervalstyle', %s, false)", settings)
    conn.execute(f"CREATE TEMP TABLE t (n int, v {kind})")
    text = f"n,v\n1,\n2,{field(word)}\n"
    wanted = server_reads(conn, text)
    if wanted is None:
        with pytest.raises(Error, match=r"COPY t, row 2(, column v \(.*\))?: "):
            conn.load("t", written(tmp_path, text))
        wanted = []
    else:
        conn.load("t", written(tmp_path, text))
    assert stored(conn) == wanted


@pytest.mark.parametrize("kind", ["span", "longer", "span[]", "spans", "interval minute to second[]"])
def test_an_interval_of_some_fields_is_the_servers_to_read_inside_of_others_too(
    conn: pgfast.Connection, tmp_path: Path, kind: str
) -> None:
    conn.execute("CREATE DOMAIN span AS interval minute to second; CREATE DOMAIN longer AS span")
    conn.execute("CREATE DOMAIN spans AS interval minute to second[]")
    try:
        conn.execute(f"CREATE TEMP TABLE t (n int, v {kind})")
        text = "n,v\n1,{1:02}\n" if kind.endswith(("]", "spans")) else "n,v\n1,1:02\n"
        wanted = server_reads(conn, text)
        conn.load("t", written(tmp_path, text))
        assert stored(conn) == wanted and "00:01:02" in str(wanted)
    finally:
        conn.execute("DROP DOMAIN span, longer, spans CASCADE")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "+03", "Australia/Lord_Howe"])
def test_local_times_are_the_servers_instants(conn: pgfast.Connection, tmp_path: Path, zone: str) -> None:
    conn.execute("SELECT set_config('timezone', %s, false)", (zone,))
    conn.execute("CREATE TEMP TABLE t (v timestamptz)")
    days = ("2020-03-29", "2020-04-05", "2020-10-04", "2020-10-25")
    times = [f"{day} {hour:02}:{minute}:00" for day in days for hour in range(4) for minute in (10, 50)]
    text = "v\n" + "\n".join([*times, "2020-06-01"]) + "\n"
    wanted = server_reads(conn, text)
    conn.load("t", written(tmp_path, text))
    assert stored(conn) == wanted


@pytest.mark.parametrize(
    "text",
    [
        'i,s\n1,a"b"c\n',
        'i,s\n1,5" pipe\n2,6" pipe\n',
        'i,s\n1, "x,y"\n',
        'i,s\n1,"a"b\n2,c\n',
        'i,s\n1,5",\n2,6",\n',
        'i,s\n1,5" pipe\n',
        'i,s\n1,"a""b"\n2,""\n3,""""\n',
        'i,s\n1,"a\r\n\r\nb"\n2,"c,"\n',
        '"i","s"\n"1","x"',
        'i,s\n1,"x"y',
    ],
)
def test_quotes_are_read_as_by_the_server(conn: pgfast.Connection, tmp_path: Path, text: str) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    wanted = server_reads(conn, text)
    if wanted is None:
        with pytest.raises(Error, match="COPY t"):
            conn.load("t", written(tmp_path, text))
        wanted = []
    else:
        conn.load("t", written(tmp_path, text))
    assert stored(conn) == wanted


def test_quotes_are_read_as_by_the_server_where_columns_are_left_out(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    text = 'i,x,s\n1,"a\nb",c\n2,y,5" pipe\n3,y,6" pipe\n'
    assert conn.load("t", written(tmp_path, text), ["i", "s"]).path == "binary"
    assert conn.execute("SELECT * FROM t").fetchall() == [(1, "c"), (2, "5 pipe\n3,y,6 pipe")]


@pytest.mark.parametrize("size", [200_000, 1_000_000, 20_000_000])
@pytest.mark.parametrize("quote", ["", '"'])
def test_long_fields_load(conn: pgfast.Connection, tmp_path: Path, size: int, quote: str) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    limit = csv.field_size_limit()
    report = conn.load("t", written(tmp_path, f"i,s\n1,{quote}{'x' * size}{quote}\n2,y\n"))
    assert (report.rows, report.path) == (2, "binary")
    assert conn.execute("SELECT length(s) FROM t ORDER BY i").fetchall() == [(size,), (1,)]
    assert csv.field_size_limit() == limit


def test_a_bad_value_behind_a_long_one_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    path = written(tmp_path, f'i,s\n1,"{"x" * 300_000}\n"\nx,y\n')
    with pytest.raises(DataError, match=r"row 2, column i \(integer\): 'x' does not fit: .* \(line 4 of a.csv\)"):
        conn.load("t", path)


def test_a_long_first_field_without_a_header_and_many_columns_load(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (s text, i int)")
    conn.load("t", written(tmp_path, "x" * 200_000 + ",1\n"), header=False)
    assert conn.execute("SELECT length(s), i FROM t").fetchall() == [(200_000, 1)]
    conn.execute(f"CREATE TEMP TABLE w ({', '.join(f'c{n} text' for n in range(400))})")
    names = ",".join(f"c{n}" for n in range(400))
    conn.load("w", written(tmp_path, f"{names}\n{','.join(['x' * 2000] * 400)}\n"))
    assert conn.execute("SELECT length(c0), length(c399) FROM w").fetchall() == [(2000, 2000)]


@both_ways
@pytest.mark.parametrize("text", ["i,s", "i,s\n", "\ufeffi,s", "i,s\r\n\r\n"])
def test_a_header_alone_is_no_rows(conn: pgfast.Connection, tmp_path: Path, text: str) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    assert conn.load("t", written(tmp_path, text)).rows == 0


ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "cp1252", "cp037"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("number", ["2", " 2"], ids=["binary", "text"])
def test_each_encoding_python_knows_is_read(
    conn: pgfast.Connection, tmp_path: Path, encoding: str, number: str
) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    word = "∀x" if encoding.startswith("utf") else "Zoë"
    path = written(tmp_path, f'i,s\n1,{word}\n{number},"b"\n', encoding)
    assert conn.load("t", path, encoding=encoding).path == ("text" if number[0] == " " else "binary")
    assert conn.execute("SELECT s FROM t ORDER BY i").fetchall() == [(word,), ("b",)]


@both_ways
@pytest.mark.parametrize("encoding", ["utf-8", *ENCODINGS])
def test_what_was_the_mark_of_an_end_is_data(conn: pgfast.Connection, tmp_path: Path, encoding: str) -> None:
    conn.execute("CREATE TEMP TABLE t (v text)")
    text = "v\né\n\\.\nb\n"
    assert conn.load("t", written(tmp_path, text, encoding), encoding=encoding).path == "binary"
    assert conn.execute("SELECT v FROM t").fetchall() == [("é",), ("\\.",), ("b",)]


def test_lines_that_end_in_two_ways_are_refused_as_by_the_server(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    text = "i,s\n1,a\r\n2,b\n"
    assert server_reads(conn, text) is None
    with pytest.raises(Error, match="COPY t, line 2: unquoted carriage return found in data"):
        conn.load("t", written(tmp_path, text))
    with pytest.raises(DataError, match=r"COPY t, row 1: the line ends otherwise .* \(line 2 of a.csv\)"):
        conn.load("t", written(tmp_path, text), ["i"])
    assert stored(conn) == []


def test_bytes_that_are_no_text_of_the_encoding_are_refused(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    with pytest.raises(DataError, match="codec can't decode"):
        conn.load("t", written(tmp_path, b"i,s\n1,a\n2,\x81\n"), encoding="cp1252")
    assert stored(conn) == []


def test_a_character_cut_in_two_is_refused(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    for text in ("i,s\n1,a\n", "i,s\nx,a\n" + "1,b\n" * 50_000):
        path = written(tmp_path, text.encode("utf-16-le") + b"\x00\xd8", name="cut.csv")
        with pytest.raises(DataError, match=r"COPY t(: cut.csv: .* codec can't decode|, row 1, column i .*: 'x')"):
            conn.load("t", path, encoding="utf-16-le")
    assert stored(conn) == []


def test_a_fault_in_a_record_that_is_not_closed_is_named(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    with pytest.raises(DataError, match=r"COPY t, row 2: a quoted field is not closed \(line 3 of a.csv\)"):
        conn.load("t", written(tmp_path, 'i,s\n1,a\n2,"b\0'))


def test_what_the_server_writes_is_read_back(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (d date, s timestamp, z timestamptz, m time, i interval, a int[])")
    conn.execute(
        "INSERT INTO t VALUES ('infinity', '-infinity', 'infinity', '24:00', 'infinity', '[0:1]={1,2}'), "
        "('0044-03-15 BC', '10000-01-01', '0044-03-15 BC', '00:00', '-1 mon +2 days', '{}')"
    )
    wanted = stored(conn)
    with conn.cursor() as cursor, cursor.copy("COPY t TO STDOUT (FORMAT csv, HEADER)") as copy:
        path = written(tmp_path, b"".join(bytes(block) for block in copy))
    conn.execute("TRUNCATE t")
    assert conn.load("t", path).path == "text"
    assert stored(conn) == wanted


def test_the_server_reads_a_whole_file_where_it_is_asked_first(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", True)
    conn.execute("CREATE TEMP TABLE t (i int, s text)")
    told: list[tuple[int, int]] = []
    report = conn.load("t", written(tmp_path, 'i,s\n1,"a\nb"\n2,c\n'), progress=lambda *counts: told.append(counts))
    assert (report.path, report.rows, told[-1][0]) == ("server csv", 2, 2)
    assert conn.load("t", written(tmp_path, "i\n1\n"), ["i"]).path == "server csv"
    assert conn.load("t", written(tmp_path, "i,s\n1,a\n"), ["s"]).path == "binary"
    assert conn.load("t", written(tmp_path, "i,s\n\n3,d\n\n")).path == "binary"
    with pytest.raises(DataError, match=r"row 2, column i \(integer\): 'x' does not fit: .* \(line 3 of a.csv\)"):
        conn.load("t", written(tmp_path, "i,s\n1,a\nx,b\n"))
    with conn.transaction():
        conn.execute("INSERT INTO t VALUES (4, 'e')")
        assert conn.load("t", written(tmp_path, "i,s\n\n5,f\n")).path == "binary"
    assert conn.execute("SELECT count(*) FROM t").fetchall() == [(7,)]


def test_an_error_that_is_not_about_the_data_is_not_read_again(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.bulk.csv.SERVER_FIRST", True)
    conn.execute("CREATE TEMP TABLE t (i int)")
    conn.execute("CREATE TEMP SEQUENCE calls")
    conn.execute(
        "CREATE FUNCTION pg_temp.stop() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM nextval('calls'); RAISE EXCEPTION 'no' USING ERRCODE = 'P0001'; END$$"
    )
    conn.execute("CREATE TRIGGER stop BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pg_temp.stop()")
    with pytest.raises(Error, match="COPY t, line 2: no"):
        conn.load("t", written(tmp_path, "i\n1\n"))
    assert conn.execute("SELECT last_value FROM calls").fetchall() == [(1,)]


#: What is hostile to one kind or another, and ordinary to others.
WORDS = [
    *("0", "-0", "+7", "007", "010", "-1", "32767", "32768", "-32769", "2147483648", "4294967295", "4294967296"),
    *("9223372036854775807", "-9223372036854775809", "1_000", "0x1F", "0o17", "1.", ".5", ".", "1e2", "1e-3", "1E+2"),
    *("123456.789", "999999.995", "999999.994", "-0.005", "0.1", "1e23", "9007199254740993", "1.7976931348623159e308"),
    *("2.4703282292062327e-324", "2.4703282292062328e-324", "5e-324", "1e-45", "16777217", "33554435", "3.4028236e38"),
    *(
        "0.30000001192092896",
        "1e-38",
        "NaN",
        "nan",
        "inf",
        "+inf",
        "-Infinity",
        "infinity",
        "t",
        "TRUE",
        "of",
        "o",
        "on",
    ),
    *("2020-02-29", "2021-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "2020-1-1", "20200101", "2020-01-01 BC"),
    *("2020-01-01 10:00", "2020-01-01T10:00:59.123456", "2020-01-01 10:00:00.1234567", "2020-01-01 24:00:00"),
    *("2020-01-01 10:00Z", "2020-01-01 10:00:00+0530", "2020-01-01 10:00-15:59", "2020-01-01 10:00+16"),
    *("10:00", "23:59:59.9", "23:59:60", "24:00", "10:00:00.000001", "10:00:00.", "10", "1000", "allballs"),
    *(
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
        "a0ee-bc99-9c0b4ef8bb6d6bb9bd380a11",
    ),
    *(
        "\\x00ff",
        "\\x0",
        "\\x 00",
        "\\X00",
        "a\\\\b",
        "\\101",
        "\\",
        "\\.",
        "\\N",
        "é",
        "x",
        "xy  ",
        "",
        " ",
        "  1",
        "2 ",
    ),
    *("null", "NULL", "{}", '{"a": [1, null]}', "[1", "sad", "n" * 63, "n" * 64, "é" * 40, "1 day", "P1Y", "(1,2)"),
]
KINDS = [
    *("int2", "int4", "int8", "oid", "xid", "bool", "float4", "float8", "numeric", "numeric(8,2)", "numeric(3,3)"),
    *("text", "varchar(3)", "char(3)", "name", '"char"', "bytea", "uuid", "json", "jsonb", "date", "time", "time(1)"),
    *(
        "timetz",
        "timestamp",
        "timestamp(0)",
        "timestamptz",
        "timestamptz(2)",
        "interval",
        "int4[]",
        "csv_mood",
        "csv_name",
    ),
    *(
        "csv_price",
        "csv_word",
        "point",
        "inet",
        "xml",
        "bit(3)",
        "money",
        "tsvector",
        "int4range",
        "pg_lsn",
        "regclass",
    ),
]


@pytest.fixture
def made_types(conn: pgfast.Connection) -> Iterator[None]:
    conn.execute(
        "CREATE TYPE csv_mood AS ENUM ('sad', '0'); CREATE DOMAIN csv_name AS name; "
        "CREATE DOMAIN csv_price AS numeric(6,1) CHECK (VALUE >= 0); CREATE DOMAIN csv_word AS varchar(2) NOT NULL"
    )
    yield
    conn.execute("DROP TABLE IF EXISTS t; DROP TYPE csv_mood; DROP DOMAIN csv_name, csv_price, csv_word")


@pytest.mark.parametrize(
    ("kind", "zone"), [*((kind, "Asia/Kolkata") for kind in KINDS), ("timestamptz", "UTC"), ("timetz", "UTC")]
)
@pytest.mark.usefixtures("made_types")
def test_every_kind_takes_what_the_server_takes(conn: pgfast.Connection, tmp_path: Path, kind: str, zone: str) -> None:
    conn.execute("SELECT set_config('timezone', %s, false)", (zone,))
    conn.execute(f"CREATE TEMP TABLE t (n int, v {kind})")
    for word in WORDS:
        text = f"n,v\n1,{field(word)}\n"
        wanted = server_reads(conn, text)
        path = written(tmp_path, text)
        if wanted is None:
            with pytest.raises(Error, match="COPY t, "):
                conn.load("t", path)
        else:
            conn.load("t", path)
            assert stored(conn) == wanted, word
            conn.execute("TRUNCATE t")


@both_ways
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("width", [1, 2])
def test_files_of_any_marks_are_read_as_by_the_server(
    conn: pgfast.Connection, tmp_path: Path, seed: int, width: int
) -> None:
    conn.execute(f"CREATE TEMP TABLE t ({', '.join(f'c{index} text' for index in range(width))})")
    chance = random.Random(seed)
    # A line end that is not the file's own might make a blank line, which the server refuses where width is 2.
    marks = ['"', '"', '""', "a", "é", "\\", ".", ",", *(["\n", "\r"] if width == 1 else [])]
    for _ in range(60):
        end = chance.choice(["\n", "\r\n", "\r"])
        lines = [
            ",".join(
                "".join(chance.choices(marks, k=3))
                if chance.random() < 0.4
                else chance.choice(["", '""', "b", '"c,""\n\r"', "\\."])
                for _ in range(width)
            )
            for _ in range(chance.randint(1, 4))
        ]
        text = end.join(lines) + chance.choice([end, ""])
        wanted = server_reads(conn, text, header=False)
        try:
            conn.load("t", written(tmp_path, text), header=False)
            found = stored(conn)
        except Error:
            found = None
        assert found == wanted, text
        conn.execute("TRUNCATE t")


@both_ways
def test_a_backslash_and_a_point_are_data_for_servers_of_all_versions(
    version_server: EmbeddedServer, tmp_path: Path
) -> None:
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE t (v text)")
        for text in ("a\n\\.\nb\n", "a\n\\.", "\\.\n", 'a\n"\\."\n', "\\.x\n", "a\r\n\\.\r\nb\r\n", '"\n\\.\n"\n'):
            end = "\r\n" if "\r" in text else "\n"
            # What servers since 18 read, which is what the text says.
            wanted = [(row[0],) for row in csv.reader(io.StringIO(text, newline=""))]
            conn.load("t", written(tmp_path, "v" + end + text))
            assert conn.execute("SELECT v FROM t").fetchall() == wanted, text
            if conn.info.server_version >= 180000:
                conn.execute("TRUNCATE t")
                assert server_reads(conn, "v" + end + text) is not None
            conn.execute("TRUNCATE t")


def test_a_line_that_some_servers_take_for_the_end_is_not_left_to_them(conn: pgfast.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TEMP TABLE t (v text)")
    with pytest.raises(DataError, match=r"a line of nothing but \\\. stands in a file whose lines end in several ways"):
        conn.load("t", written(tmp_path, "v\na\n\\.\r\nb\n"))
    assert stored(conn) == []
