"""Loads that set bad rows aside: whatever is wrong with them, the good ones are in the table and the sum is right."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import pgfast
from pgfast import DataError, InterfaceError, OperationalError
from pgfast.bulk.rejects import Reject, TooManyRejects
from pgfast.errors import UniqueViolation

TABLE = """
CREATE TEMP TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TEMP TABLE t (
    id int PRIMARY KEY, name text NOT NULL, code varchar(3), n numeric(6, 2), ip inet, parent int REFERENCES parent,
    day date CHECK (day > '1990-01-01'))"""

GOOD = "1,a,abc,1.5,10.0.0.1,1,2020-01-01"
#: A line of CSV -> the column and the SQLSTATE of its reject.
BAD = {
    "2,b,x,zzz,,1,2020-01-01": ("n", "22P02"),
    "x,b,x,1,,1,2020-01-01": ("id", "22P02"),
    "99999999999,b,x,1,,1,2020-01-01": ("id", "22003"),
    "3,c,x,99999.5,,1,2020-01-01": ("n", "22003"),
    "4,d,x,1,300.0.0.1,1,2020-01-01": ("ip", "22P02"),
    "5,e,longer,1,,1,2020-01-01": ("code", "22001"),
    "6,,x,1,,1,2020-01-01": ("name", "23502"),
    "7,g,x,1,,9,2020-01-01": (None, "23503"),
    "8,h,x,1,,1,1980-01-01": (None, "23514"),
    "1,again,x,1,,1,2020-01-01": (None, "23505"),
    "9,short": (None, "22P04"),
    "10,j,x,1,,1,2020-02-30": ("day", "22008"),
    "11,k,x,1,,1,2020-01-01,more": (None, "22P04"),
}
HEADER = "id,name,code,n,ip,parent,day\n"


@pytest.fixture
def table(auto: Any) -> Any:
    """A connection with a table t that refuses much."""
    for statement in TABLE.split(";"):
        auto.execute(statement)
    return auto


def read_back(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ids(conn: Any) -> list[int]:
    return [row[0] for row in conn.execute("SELECT id FROM t ORDER BY id").fetchall()]


def test_every_kind_of_bad_row_is_set_aside_with_its_place_and_reason(table: Any, tmp_path: Path) -> None:
    lines = [GOOD, *BAD, "20,last,x,1,::1,2,infinity"]
    path, rejects = tmp_path / "t.csv", tmp_path / "rejects.jsonl"
    path.write_text(HEADER + "\n".join(lines) + "\n")
    report = table.load("t", path, rejects=rejects)
    assert (report.read, report.rows, report.rejected, report.skipped) == (len(BAD) + 2, 2, len(BAD), 0)
    assert ids(table) == [1, 20]
    found = read_back(rejects)
    assert [reject["record"] for reject in found] == list(BAD)
    assert [reject["line"] for reject in found] == list(range(3, 3 + len(BAD)))
    assert [reject["row"] for reject in found] == list(range(2, 2 + len(BAD)))
    assert [(reject["column"], reject["sqlstate"]) for reject in found] == list(BAD.values())
    assert all(reject["source"] == str(path) and reject["message"] for reject in found)
    assert [reject.record for reject in report.rejects] == [line.encode() for line in BAD]


@pytest.mark.parametrize("line", BAD)
def test_each_kind_alone_among_good_ones(table: Any, tmp_path: Path, line: str) -> None:
    good = [f"{100 + number},n,x,1,,1,2020-01-01" for number in range(50)]
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "\n".join([GOOD, *good[:25], line, *good[25:]]))
    report = table.load("t", path, on_error="reject")
    assert (report.read, report.rows, report.rejected) == (52, 51, 1)
    assert (report.rejects[0].column, report.rejects[0].sqlstate) == BAD[line]
    assert report.rejects[0].line == 28


@pytest.mark.parametrize(
    "kind",
    [
        "5,e,longer,1,,1,2020-01-01",
        "6,,x,1,,1,2020-01-01",
        "7,g,x,1,,9,2020-01-01",
        "8,h,x,1,,1,1980-01-01",
        "1,again,x,1,,1,2020-01-01",
        "4,d,x,1,300.0.0.1,1,2020-01-01",
    ],
)
def test_a_storm_of_bad_rows(table: Any, tmp_path: Path, kind: str) -> None:
    lines = [GOOD]
    for number in range(100, 700):
        bad = kind.split(",")
        lines += [f"{number},n,x,1,,1,2020-01-01", ",".join(bad if bad[0] == "1" else [str(number + 1000), *bad[1:]])]
    path, rejects = tmp_path / "t.csv", tmp_path / "rejects.jsonl"
    path.write_text(HEADER + "\n".join(lines))
    report = table.load("t", path, rejects=rejects, chunk_bytes=4096)
    assert (report.read, report.rows, report.rejected) == (1201, 601, 600)
    assert ids(table) == [1, *range(100, 700)]
    assert {reject["sqlstate"] for reject in read_back(rejects)} == {BAD[kind][1]}
    assert [reject["line"] for reject in read_back(rejects)] == list(range(4, 1204, 2))


def test_keys_that_come_twice_in_a_storm_leave_the_first(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join([f"{number % 100},row {number},x,1,,1,2020-01-01\n" for number in range(1000)]))
    report = table.load("t", path, on_error="reject")
    assert (report.read, report.rows, report.rejected) == (1000, 100, 900)
    assert table.execute("SELECT count(*) FROM t WHERE name = 'row ' || id").fetchone() == (100,)


def test_rows_that_a_trigger_refuses_or_drops(table: Any) -> None:
    table.execute("""CREATE FUNCTION pg_temp.judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.id % 3 = 0 THEN RAISE EXCEPTION 'no % here', new.id; END IF;
        IF new.id % 3 = 1 THEN RETURN NULL; END IF; RETURN new; END $$""")
    table.execute("CREATE TRIGGER judge BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pg_temp.judge()")
    rows = [(number, "x") for number in range(30)]
    report = table.load("t", rows, ["id", "name"], on_error="reject")
    assert (report.read, report.rows, report.rejected, report.skipped) == (30, 10, 10, 10)
    assert {(reject.sqlstate, reject.message) for reject in report.rejects} == {
        ("P0001", f"no {number} here") for number in range(0, 30, 3)
    }


@pytest.mark.parametrize("conflict", [None, "ignore"])
def test_a_session_that_ends_behind_an_error_about_a_row_is_told_as_ended(
    auto: Any, face: Any, dsn: str, conflict: Any
) -> None:
    """The row may be good; that the connection is gone is what matters."""
    auto.execute("DROP TABLE IF EXISTS ending")
    auto.execute("CREATE TABLE ending (id int PRIMARY KEY)")
    auto.execute(
        "CREATE OR REPLACE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF new.id = 5 THEN RAISE unique_violation USING MESSAGE = pg_terminate_backend(pg_backend_pid()); END IF; "
        "RETURN new; END $$"
    )
    auto.execute("CREATE TRIGGER ends BEFORE INSERT ON ending FOR EACH ROW EXECUTE FUNCTION ends()")
    ended = face.connect(dsn, autocommit=True)
    with pytest.raises(OperationalError, match="terminating connection"):
        ended.load("ending", [(number,) for number in range(10)], on_error="reject", on_conflict=conflict)
    assert ended.closed
    assert auto.execute("SELECT count(*) FROM ending").fetchall() == [(0,)]
    auto.execute("DROP TABLE ending")


def test_a_deferred_constraint_is_checked_before_the_load_ends(table: Any) -> None:
    table.execute("ALTER TABLE t ADD UNIQUE (code) DEFERRABLE INITIALLY DEFERRED")
    report = table.load("t", [(1, "a", "x"), (2, "b", "x"), (3, "c", "y")], ["id", "name", "code"], on_error="reject")
    assert (report.rows, report.rejected) == (2, 1)
    assert report.rejects[0].sqlstate == "23505"


CHILDREN = """
CREATE TEMP TABLE late (id int PRIMARY KEY, t int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
CREATE TEMP TABLE alike (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, n int UNIQUE DEFERRABLE);
CREATE TEMP TABLE alike_too (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"""


def test_the_callers_transaction_checks_constraints_as_late_as_before(table: Any) -> None:
    for sql in CHILDREN.split(";"):
        table.execute(sql)
    with table.transaction():
        table.execute("INSERT INTO late VALUES (1, 77)")  # whose parent is yet to come
        table.execute("INSERT INTO alike_too VALUES (1), (1)")  # one of which is yet to go
        rows = [(2, 1), (2, 2), (4, 1), (6, 3), (7, 4)]
        report = table.load("alike", rows, on_error="reject")
        assert (report.rows, report.rejected) == (3, 2)
        table.execute("INSERT INTO alike VALUES (2, 10)")  # the caller may still have two for a while
        table.execute("DELETE FROM alike WHERE n = 10")
        table.execute("DELETE FROM alike_too")
        with pytest.raises(UniqueViolation), table.transaction():
            table.execute("INSERT INTO alike VALUES (20, 1)")
        table.load("t", [(77, "parent")], ["id", "name"], on_error="reject")
    assert table.execute("SELECT count(*)::int FROM late").fetchone() == (1,)


def test_rows_of_a_view_that_its_condition_excludes(table: Any) -> None:
    table.execute("CREATE TEMP VIEW v AS SELECT id, name FROM t WHERE id < 10 WITH CHECK OPTION")
    table.execute("""CREATE FUNCTION pg_temp.put() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO t (id, name) VALUES (new.id, new.name); RETURN new; END $$""")
    table.execute("CREATE TEMP VIEW w AS SELECT id, name FROM t")
    table.execute("CREATE TRIGGER put INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION pg_temp.put()")
    report = table.load("w", [(1, "a"), (1, "b"), (2, None), (3, "c")], on_error="reject")
    assert (report.rows, report.rejected) == (2, 2)
    assert ids(table) == [1, 3]


@pytest.mark.parametrize("made", ["rows", "dicts", "numpy", "arrow", "parquet"])
def test_every_source_tells_its_bad_rows(table: Any, tmp_path: Path, made: str) -> None:
    whole = [1, 2, 3, 2_000_000_000_000, 5]
    names = ["a", None, "c", "d", "nul\0"]
    source: Any
    if made == "rows":
        source = list(zip(whole, names, strict=True))
    elif made == "dicts":
        source = [{"id": number, "name": name} for number, name in zip(whole, names, strict=True)]
    elif made == "numpy":
        source = {"id": np.array(whole), "name": np.array(names, dtype=object)}
    else:
        source = pa.table({"id": whole, "name": names})
    if made == "parquet":
        pyarrow.parquet.write_table(source, tmp_path / "t.parquet")
        source = tmp_path / "t.parquet"
    report = table.load("t", source, ["id", "name"], on_error="reject")
    assert (report.read, report.rows, report.rejected) == (5, 2, 3)
    assert ids(table) == [1, 3]
    assert [(reject.row, reject.sqlstate) for reject in report.rejects] == [(2, "23502"), (4, "22003"), (5, "22021")]
    expected = [2, None] if made == "rows" else {"id": 2, "name": None}
    assert report.rejects[0].as_json()["values"] == expected


def test_text_columns_too(table: Any) -> None:
    """A column that the driver writes as text alone takes the same way."""
    table.execute("CREATE TEMP TABLE r (id int, of regrole)")
    table.load("r", [(1, "nobody such"), (2, "postgres"), ("x", "postgres")], on_error="reject")
    assert table.execute("SELECT id FROM r").fetchall() == [(2,)]


def test_bytes_that_are_no_text(table: Any, tmp_path: Path) -> None:
    path, rejects = tmp_path / "t.csv", tmp_path / "r.jsonl"
    path.write_bytes(b"id,name\n1,a\n2,\xff\xfe\n3,nul\x00\n4,d\n")
    report = table.load("t", path, rejects=rejects)
    assert (report.rows, report.rejected, ids(table)) == (2, 2, [1, 4])
    found = read_back(rejects)
    assert found[0]["record_base64"] == "Miz//g==" and found[0]["sqlstate"] == "22021"
    assert found[1]["record"] == "3,nul\0" and found[1]["sqlstate"] == "22021"


def test_bytes_that_are_none_of_another_encoding(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("id,name\n1,é\n2,".encode("cp1252") + b"\x81" + "\n3,ü\n".encode("cp1252"))
    report = table.load("t", path, encoding="cp1252", on_error="reject")
    assert (report.rows, report.rejected) == (2, 1)
    assert table.execute("SELECT name FROM t ORDER BY id").fetchall() == [("é",), ("ü",)]


@pytest.mark.parametrize("chunk_bytes", [1024, 2000, 1 << 20])
def test_records_of_many_lines_are_told_by_the_first(table: Any, tmp_path: Path, chunk_bytes: int) -> None:
    path = tmp_path / "t.csv"
    records = [f'{number},"{"line " * 20}\n, ""quoted"" {number}"\r\n' for number in range(60)]
    records[41] = 'x,"a\nb\nc"\r\n'
    path.write_text("id,name\r\n" + "".join(records), newline="")
    report = table.load("t", path, on_error="reject", chunk_bytes=chunk_bytes)
    assert (report.read, report.rows, report.rejected) == (60, 59, 1)
    assert (report.rejects[0].row, report.rejects[0].line) == (42, 84)
    assert report.rejects[0].record == b'x,"a\nb\nc"'
    stored = table.execute("SELECT name FROM t WHERE id = 7").fetchone()
    assert stored == ("line " * 20 + '\n, "quoted" 7',)


def test_lines_that_end_in_several_ways(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,name\r\n1,a\r\n2,b\n3,c\r\n\n4,d\n5,e")
    report = table.load("t", path, on_error="reject")
    assert (report.rows, report.rejected, ids(table)) == (5, 0, [1, 2, 3, 4, 5])


def test_a_quote_that_is_never_closed(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,name\n1,a\n2,"b\n3,c\n')
    report = table.load("t", path, on_error="reject")
    assert (report.rows, report.rejected) == (1, 1)
    assert (report.rejects[0].line, report.rejects[0].record) == (3, b'2,"b\n3,c\n')
    assert "a quoted field is not closed" in report.rejects[0].message


def test_too_many_leave_the_table_as_it_was(table: Any, tmp_path: Path) -> None:
    rejects = tmp_path / "r.jsonl"
    table.execute("INSERT INTO t (id, name) VALUES (7, 'there')")
    rows = [(1, "a"), (2, None), (3, "c"), (4, None), (5, None)]
    with pytest.raises(TooManyRejects, match="more than one row was refused; the next is rows, row 4: null value"):
        table.load("t", rows, ["id", "name"], max_rejects=1, rejects=rejects)
    assert ids(table) == [7]
    assert [reject["row"] for reject in read_back(rejects)] == [2, 4, 5]
    assert table.load("t", rows, ["id", "name"], max_rejects=3).rejected == 3


def test_in_an_open_transaction_it_is_a_part_of_it(face: Any, dsn: str) -> None:
    conn = face.connect(dsn)
    conn.execute("CREATE TEMP TABLE t (id int PRIMARY KEY)")
    assert conn.load("t", [(1,), (1,), (2,)], on_error="reject").rejected == 1
    with pytest.raises(TooManyRejects):
        conn.load("t", [(3,), (3,), (3,)], max_rejects=1)
    assert ids(conn) == [1, 2]
    conn.rollback()
    with pytest.raises(pgfast.errors.UndefinedTable):
        conn.execute("SELECT * FROM t")


def test_an_error_about_no_row_ends_the_load(table: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        table.load("t", ((number, str(1 // (5 - number))) for number in range(10)), ["id", "name"], on_error="reject")
    assert ids(table) == []
    table.execute("CREATE ROLE pgfast_poor")
    try:
        table.execute("SET ROLE pgfast_poor")
        with pytest.raises(pgfast.errors.InsufficientPrivilege):
            table.load("t", [(1, "a")], ["id", "name"], on_error="reject")
        table.execute("RESET ROLE")
    finally:
        table.execute("DROP ROLE pgfast_poor")


def test_rejects_go_to_a_function_or_an_open_file(table: Any) -> None:
    seen: list[Reject] = []
    table.load("t", [(1, None), (2, "b")], ["id", "name"], rejects=seen.append)
    assert [reject.row for reject in seen] == [1]
    file = io.StringIO()
    table.load("t", [(3, None)], ["id", "name"], rejects=file)
    assert json.loads(file.getvalue())["sqlstate"] == "23502"
    with pytest.raises(InterfaceError, match="rejects must be a path"):
        table.load("t", [(3, None)], ["id", "name"], rejects=5)


def test_rows_that_change_while_they_are_kept(table: Any) -> None:
    def rows() -> Any:
        row: list[Any] = [0, ""]
        for number in range(5):
            row[:] = [number, None if number == 3 else f"row {number}"]
            yield row

    report = table.load("t", rows(), ["id", "name"], on_error="reject")
    assert report.rejects[0].record == [3, None]
    assert table.execute("SELECT id, name FROM t ORDER BY id").fetchall() == [
        (number, f"row {number}") for number in (0, 1, 2, 4)
    ]


def test_a_stream_is_read_once(table: Any) -> None:
    table.load("t", io.BytesIO(b"id,name\n1,a\n2,b\n"), format="csv")
    assert ids(table) == [1, 2]
    with pytest.raises(DataError, match="'x' does not fit"):
        table.load("t", io.StringIO("id,name\n3,a\nx,b\n"), format="csv")
    assert ids(table) == [1, 2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"on_error": "ignore"}, "on_error must be 'stop' or 'reject', not 'ignore'"),
        ({"on_error": "stop", "max_rejects": 3}, "on_error='stop' allows no rejects"),
        ({"max_rejects": -1}, "max_rejects must be a number of rows, not -1"),
        ({"mode": "merge"}, "mode must be one of 'append', 'truncate', 'replace', not 'merge'"),
        ({"freeze": True, "on_error": "reject"}, "freeze=True goes with one COPY alone"),
        ({"key": ["id"]}, "without these it means nothing"),
        ({"on_conflict": "upsert"}, "on_conflict must be one of"),
        ({"chunk_bytes": 10}, "chunk_bytes must be 1024 or more"),
    ],
)
def test_settings_that_cannot_be(table: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InterfaceError, match=said):
        table.load("t", [(1, "a")], ["id", "name"], **settings)
    assert ids(table) == []


def test_rows_left_to_the_server_do_not_shift_the_row_that_it_names(auto: Any, tmp_path: Path) -> None:
    # The codec leaves 'yesterday' to the server, which then counts the rows of the COPY without those.
    auto.execute("CREATE TEMP TABLE t (id int, day date, n int CHECK (n > 0))")
    lines = ["1,yesterday,1", "2,today,1"] + [f"{row},2020-01-01,{-1 if row == 6 else row}" for row in range(3, 10)]
    source = tmp_path / "days.csv"
    source.write_text("id,day,n\n" + "\n".join(lines) + "\n")
    report = auto.load("t", source, on_error="reject")
    assert [(reject.line, reject.record) for reject in report.rejects] == [(7, b"6,2020-01-01,-1")]
    assert ids(auto) == [1, 2, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("level", ["error", "warning", "notice"])
def test_rows_are_rejected_whether_notices_come_or_not(auto: Any, tmp_path: Path, level: str) -> None:
    auto.execute("CREATE TEMP TABLE spans (id int, span int4range)")
    auto.execute(f"SET client_min_messages = {level}")
    source = tmp_path / "spans.csv"
    source.write_text("id,span\n" + "".join([f'{row},"{"[1,2)" if row % 2 else "bad"}"\n' for row in range(20)]))
    report = auto.load("spans", source, on_error="reject")
    assert (report.read, report.rows, report.rejected, report.skipped) == (20, 10, 10, 0)
    assert [reject.line for reject in report.rejects] == [row + 2 for row in range(0, 20, 2)]


def test_a_file_of_rejects_that_is_the_source_is_refused(table: Any, tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_text(HEADER + GOOD + "\n")
    (tmp_path / "link.csv").symlink_to(source)
    for rejects in (source, tmp_path / "link.csv"):
        with pytest.raises(InterfaceError, match="source"):
            table.load("t", source, rejects=rejects)
        with pytest.raises(InterfaceError, match="source"), source.open("rb") as file:
            table.load("t", file, rejects=rejects)
    assert source.read_text() == HEADER + GOOD + "\n"


def test_rejects_go_through_a_link_and_into_what_is_no_file(table: Any, tmp_path: Path) -> None:
    (tmp_path / "there.jsonl").write_text("of the load before\n")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "there.jsonl")
    table.load("t", [(None,) * 7], rejects=tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(read_back(tmp_path / "there.jsonl")) == 1
    os.mkfifo(tmp_path / "pipe")
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend((tmp_path / "pipe").read_text().splitlines()), daemon=True)
    reader.start()
    table.load("t", [(None,) * 7], rejects=tmp_path / "pipe")
    reader.join(30)
    assert [json.loads(line)["sqlstate"] for line in lines] == ["23502"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="a device of Linux")
def test_rejects_that_cannot_be_written_end_the_load(table: Any) -> None:
    with pytest.raises(OSError, match="space"):
        table.load("t", [(None,) * 7], rejects="/dev/full")
    assert Path("/dev/full").is_char_device()
    assert ids(table) == []
    report = table.load("t", [(None,) * 7], rejects="/dev/null")
    assert report.rejected == 1
    assert Path("/dev/null").is_char_device()


def test_a_file_of_something_else_is_no_file_of_rejects_to_go_on_with(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE w (id int)")
    (tmp_path / "notes.txt").write_text("dear diary\n")
    with pytest.raises(InterfaceError, match="rejects"):
        auto.load("w", [(1,)], resume="w", rejects=tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "dear diary\n"


def test_a_day_that_is_none_has_the_code_that_the_server_has_for_it(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE days (id int, day date)")
    source = tmp_path / "days.csv"
    source.write_text("id,day\n1,32.01.2020\n2,31.01.2020\n99999999999,31.01.2020\n")
    report = auto.load("days", source, dates="dmy", on_error="reject")
    assert [(reject.column, reject.sqlstate) for reject in report.rejects] == [("day", "22008"), ("id", "22003")]


@pytest.mark.parametrize(
    "text", ["a,b\n1,x\n2,y\r3,z\n4,w\n", "a,b\r1,x\r2,y\n3,z\r4,w\r", "a,b\r\n1,x\r\n2,y\r3,z\r\n4,w\r\n"]
)
def test_what_would_be_two_records_by_another_end_of_line_is_one_bad_one(dsn: str, tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, newline="")
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE t (a int, b text)")
        report = conn.load("t", path, on_error="reject")
        assert (report.read, report.rows, report.rejected, report.skipped) == (3, 2, 1, 0)
        assert report.rejects[0].record in (b"2,y\r3,z", b"2,y\n3,z")
        assert report.rejects[0].message.endswith("(line 3 of a.csv)")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"a,b\n1,x\n\r\n", [("1", "x")]),
        (b"a,b\n1\r2,x\n3,y\n", [("3", "y")]),
        (b"a,b\n1,x\r2,y\n3,z\n", [("3", "z")]),
        (b"a\r\n1\r\n\n2\r\n", [("1", None), ("2", None), (None, None)]),
    ],
)
def test_lines_that_end_otherwise_are_blank_or_rejects(auto: Any, text: bytes, rows: list[Any]) -> None:
    auto.execute("CREATE TEMP TABLE ends (a text, b text)")
    report = auto.load("ends", io.BytesIO(text), format="csv", delimiter=",", on_error="reject")
    assert auto.execute("SELECT a, b FROM ends ORDER BY a NULLS LAST").fetchall() == rows
    assert (report.rows, report.rejected, report.skipped) == (len(rows), report.read - len(rows), 0)
