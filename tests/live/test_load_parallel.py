"""Loads over several connections: the same rows as over one, all of them or none, and each once when they go on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import pgfast
from pgfast import DataError, InterfaceError, OperationalError
from pgfast.bulk.csvchunks import cut_text
from pgfast.bulk.csvdialect import dialect_of
from pgfast.bulk.csvfile import Utf8File
from pgfast.bulk.csvquotes import Quotes
from pgfast.bulk.files import File
from pgfast.bulk.sources import FileOptions

ROWS = 60_000


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS beside CASCADE")
        made.execute("CREATE SCHEMA beside")
        made.execute("CREATE TABLE beside.t (id int PRIMARY KEY, name text NOT NULL)")
        made.execute("INSERT INTO beside.t VALUES (-1, 'old')")
        yield made
        made.execute("DROP SCHEMA beside CASCADE")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 3 MB whose fields hold quotes, delimiters and ends of lines."""
    made = tmp_path_factory.mktemp("parallel") / "t.csv"
    lines = [f'{row},"row {row}, of ""many""\n{"with" * (row % 13)} lines\n"\r\n' for row in range(ROWS)]
    made.write_text("id,name\r\n" + "".join(lines), newline="")
    return made


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgfast.bulk.textchunks._LEAST_PART", 1 << 14)
    monkeypatch.setattr("pgfast.bulk.textchunks._BLOCK", 1 << 15)


def totals(conn: pgfast.Connection) -> Any:
    return conn.execute(
        "SELECT count(*)::int, sum(id)::int, sum(length(name))::int FROM beside.t WHERE id >= 0"
    ).fetchone()


@pytest.fixture(scope="module")
def expected(path: Path) -> Any:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return len(rows), sum(int(row[0]) for row in rows), sum(len(row[1]) for row in rows)


def stages(conn: pgfast.Connection) -> list[Any]:
    return conn.execute("SELECT relname FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r'").fetchall()


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_parts_begin_with_records_and_know_their_lines(path: Path, count: int) -> None:
    data = path.read_bytes()
    with Utf8File(File(path), dialect_of(File(path), FileOptions())) as text:
        spans = cut_text(text, len(data), Quotes('"', '"'), count)
    assert spans[0].start == 0 and spans[-1].stop is None
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert count * 0.7 <= len(spans) <= count + 1
    for span in spans[1:]:
        before = data[: span.start]
        assert before.endswith(b'"\r\n') and before.count(b'"') % 2 == 0
        assert span.line == before.count(b"\n")


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("mode", ["append", "truncate", "replace"])
def test_over_several_connections_as_over_one(
    conn: pgfast.Connection, dsn: str, path: Path, expected: Any, jobs: int, mode: str
) -> None:
    told: list[tuple[int, int]] = []
    report = pgfast.load(
        dsn, "beside.t", path, jobs=jobs, mode=mode, memory="4MB", progress=lambda rows, size: told.append((rows, size))
    )
    assert (report.read, report.rows, report.skipped) == (ROWS, ROWS, 0)
    assert totals(conn) == expected
    assert conn.execute("SELECT count(*) FROM beside.t WHERE id = -1").fetchone() == (1 if mode == "append" else 0,)
    assert stages(conn) == []
    assert told[-1][0] == ROWS


def test_files_of_several_kinds_and_orders(conn: pgfast.Connection, dsn: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,id\na,1\nb,2\n")
    (tmp_path / "b.csv").write_text("id,name\n3,c\n")
    pyarrow.parquet.write_table(
        pa.table({"id": range(4, 1000), "name": ["x"] * 996}), tmp_path / "c.parquet", row_group_size=100
    )
    report = pgfast.load(dsn, "beside.t", sorted(tmp_path.iterdir()), jobs=3)
    assert report.rows == 999
    assert totals(conn)[:2] == (999, sum(range(1000)))


@pytest.mark.parametrize("settings", [{}, {"mode": "replace"}, {"mode": "truncate"}])
def test_a_bad_row_leaves_all_as_it_was(
    conn: pgfast.Connection, dsn: str, path: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    bad = tmp_path / "bad.csv"
    data = path.read_bytes()
    bad.write_bytes(data + b"x,bad\r\n")
    with pytest.raises(DataError, match=r"'x' does not fit") as caught:
        pgfast.load(dsn, "beside.t", bad, jobs=3, memory="4MB", **settings)
    lines = data.count(b"\n")
    assert f"line {lines + 1} of bad.csv" in str(caught.value)
    assert conn.execute("SELECT * FROM beside.t").fetchall() == [(-1, "old")]
    assert stages(conn) == []


def test_a_key_that_is_there_leaves_all_as_it_was(conn: pgfast.Connection, dsn: str, path: Path) -> None:
    conn.execute("INSERT INTO beside.t VALUES (5, 'there')")
    with pytest.raises(pgfast.errors.UniqueViolation):
        pgfast.load(dsn, "beside.t", path, jobs=2)
    assert totals(conn)[0] == 1 and stages(conn) == []


def test_made_for_the_first_file_and_dropped_when_that_fails(
    conn: pgfast.Connection, dsn: str, path: Path, tmp_path: Path
) -> None:
    report = pgfast.load(dsn, "beside.made", path, jobs=2, create=True)
    assert report.rows == ROWS and report.ddl is not None
    bad = tmp_path / "bad.csv"
    bad.write_bytes(path.read_bytes() + b"1,\x00\r\n")
    with pytest.raises(DataError):
        pgfast.load(dsn, "beside.other", bad, jobs=2, create=True)
    assert conn.execute("SELECT to_regclass('beside.other')").fetchone() == (None,)


def test_a_backend_that_is_killed_ends_all(conn: pgfast.Connection, dsn: str, path: Path) -> None:
    def kill(_rows: int, _size: int) -> None:
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %t_load%' LIMIT 1")

    with pytest.raises(OperationalError, match="terminating connection"):
        pgfast.load(dsn, "beside.t", path, jobs=2, progress=kill, memory="2MB")
    assert conn.execute("SELECT * FROM beside.t").fetchall() == [(-1, "old")]
    assert stages(conn) == []


def test_it_goes_on_with_the_same_parts_whatever_the_jobs(
    conn: pgfast.Connection, dsn: str, path: Path, expected: Any, tmp_path: Path
) -> None:
    rejects = tmp_path / "r.jsonl"
    bad = tmp_path / "bad.csv"
    bad.write_bytes(path.read_bytes() + b"x,bad\r\n-1,there\r\n")
    settings: dict[str, Any] = {"resume": "p", "rejects": rejects, "chunk_bytes": 65536}
    loaded = 0
    for jobs, after in ((3, 5), (2, 3), (4, 9)):
        left = [after]

        def told(_rows: int, _size: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            pgfast.load(
                dsn, "beside.t", [bad], jobs=max(2, jobs), resume="p", progress=told, rejects=rejects, chunk_bytes=65536
            )
        now = totals(conn)[0]
        assert now >= loaded
        loaded = now
    report = pgfast.load(dsn, "beside.t", [bad], jobs=2, **settings)
    assert 0 < report.resumed < ROWS and report.resumed + report.rows == ROWS
    assert totals(conn) == expected
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    lines = path.read_bytes().count(b"\n")
    assert sorted((reject["line"], reject["sqlstate"]) for reject in found) == [
        (lines + 1, "22P02"),
        (lines + 2, "23505"),
    ]
    again = pgfast.load(dsn, "beside.t", [bad], jobs=2, **settings)
    assert (again.rows, again.resumed) == (0, ROWS)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"jobs": 0}, "jobs must be 1 or more, not 0"),
        ({"on_conflict": "update"}, "chance decides"),
        ({"on_error": "reject"}, "name the load by resume="),
        ({"dry_run": True}, "a dry run is one transaction"),
        ({"memory": "lots"}, "memory must be a size such as '256MB', not 'lots'"),
        ({"memory": "1kb"}, "memory must be 2048 kB or more with 2 jobs"),
    ],
)
def test_what_several_cannot_do(
    conn: pgfast.Connection, dsn: str, path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(InterfaceError, match=said):
        pgfast.load(dsn, "beside.t", path, **{"jobs": 2, **settings})
    with pytest.raises(InterfaceError, match="can be read from several places"):
        pgfast.load(dsn, "beside.t", iter([(1, "a")]), jobs=2)
    with pytest.raises(TypeError, match="load\\(\\) has no option 'nonsense'"):
        pgfast.load(dsn, "beside.t", path, jobs=2, nonsense=1)


def test_parts_of_a_parquet_file_go_on_in_their_middle(conn: pgfast.Connection, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"id": range(ROWS), "name": [f"row {row}" for row in range(ROWS)]})
    pyarrow.parquet.write_table(table, path, row_group_size=2000)
    settings: dict[str, Any] = {"jobs": 2, "resume": "parquet", "chunk_bytes": 4096}
    for after in (12, 20, 30):
        left = [after]

        def told(_rows: int, _size: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            pgfast.load(dsn, "beside.t", path, progress=told, **settings)
    report = pgfast.load(dsn, "beside.t", path, **settings)
    assert 0 < report.resumed < ROWS and report.resumed + report.rows == ROWS
    assert totals(conn)[:2] == (ROWS, sum(range(ROWS)))


@pytest.mark.parametrize("jobs", [(4, 1), (1, 4), (4, 2)], ids=str)
def test_a_load_goes_on_over_another_number_of_connections(
    conn: pgfast.Connection, dsn: str, path: Path, expected: Any, jobs: tuple[int, int]
) -> None:
    left = [8]

    def told(_rows: int, _size: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OperationalError("broken off")

    settings: dict[str, Any] = {"resume": "other", "chunk_bytes": 65536}
    with pytest.raises(OperationalError):
        pgfast.load(dsn, "beside.t", path, jobs=jobs[0], progress=told, **settings)
    report = pgfast.load(dsn, "beside.t", path, jobs=jobs[1], **settings)
    assert 0 < report.resumed < ROWS
    assert report.resumed + report.rows == ROWS
    assert report.file == str(path)
    assert totals(conn) == expected
    again = conn.load("beside.t", path, **settings)
    assert (again.rows, again.resumed, again.file) == (0, ROWS, str(path))


def test_a_source_named_twice_cannot_be_told_apart(conn: pgfast.Connection, dsn: str, path: Path) -> None:
    for jobs in (1, 2):
        with pytest.raises(InterfaceError, match="named twice"):
            pgfast.load(dsn, "beside.t", [path, path], jobs=jobs, resume="twice")
