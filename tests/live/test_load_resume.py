"""Loads that go on where they were: every row once, whatever ended the one before, and when."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import pgfast
from pgfast import DataError, InterfaceError, OperationalError
from pgfast.bulk.rejects import TooManyRejects

CHUNK = 4096


@pytest.fixture
def table(auto: Any, dsn: str) -> Iterator[Any]:
    """A connection with a table resumed.t, in a schema of its own with its ledger."""
    auto.execute("DROP SCHEMA IF EXISTS resumed CASCADE")
    auto.execute("CREATE SCHEMA resumed")
    auto.execute("CREATE TABLE resumed.t (id int PRIMARY KEY, name text NOT NULL)")
    yield auto
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA resumed CASCADE")


def csv_file(path: Path, rows: int, bad: frozenset[int] = frozenset()) -> Path:
    lines = [f'{"x" if row in bad else row},"row {row}\n, of many"' for row in range(rows)]
    path.write_text("id,name\n" + "\n".join(lines) + "\n")
    return path


def count(conn: Any) -> tuple[int, int, int]:
    found: tuple[int, int, int] = conn.execute(
        "SELECT count(*)::int, count(DISTINCT id)::int, coalesce(sum(id), 0)::int FROM resumed.t"
    ).fetchone()
    return found


def whole(rows: int) -> tuple[int, int, int]:
    return rows, rows, sum(range(rows))


class Broken(Exception):
    """What ends a load in the middle."""


def breaking(after: int) -> Any:
    """A callback of progress that ends the load after so many calls."""
    left = [after]

    def told(_rows: int, _size: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Broken

    return told


def test_it_goes_on_where_it_was(table: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "t.csv", 2000)
    loaded = 0
    for after in (1, 3, 1, 4, 0):
        with pytest.raises(Broken):
            table.load("resumed.t", path, resume="a", chunk_bytes=CHUNK, progress=breaking(after))
        now = count(table)
        assert now[0] >= loaded and now[0] == now[1]
        loaded = now[0]
    report = table.load("resumed.t", path, resume="a", chunk_bytes=CHUNK)
    assert (report.resumed, report.rows) == (loaded, 2000 - loaded) and 0 < loaded < 2000
    assert count(table) == whole(2000)
    again = table.load("resumed.t", path, resume="a", chunk_bytes=CHUNK)
    assert (again.rows, again.resumed) == (0, 2000)
    assert count(table) == whole(2000)


@pytest.mark.parametrize("made", ["rows", "arrow", "parquet", "columns", "gzip"])
def test_of_every_source(table: Any, tmp_path: Path, made: str) -> None:
    rows = 3000
    columns: dict[str, Any] = {"id": list(range(rows)), "name": [f"row {row} " + "x" * 40 for row in range(rows)]}
    frame = pa.table(columns)

    def source() -> Any:
        if made == "rows":
            return zip(columns["id"], columns["name"], strict=True)
        if made == "columns":
            return columns
        return frame

    path: Any = None
    if made == "parquet":
        path = tmp_path / "t.parquet"
        pyarrow.parquet.write_table(frame, path, row_group_size=500)
    elif made == "gzip":
        import gzip

        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(csv_file(tmp_path / "t.csv", rows).read_bytes()))
    for after in (5, 4, 6):
        with pytest.raises(Broken):
            table.load("resumed.t", path or source(), resume=made, chunk_bytes=1024, progress=breaking(after))
    report = table.load("resumed.t", path or source(), resume=made, chunk_bytes=CHUNK)
    assert report.resumed > 0
    assert count(table) == whole(rows)


def test_rejects_are_written_once(table: Any, tmp_path: Path) -> None:
    bad = frozenset(random.Random(1).sample(range(1500), 200))
    path, rejects = csv_file(tmp_path / "t.csv", 1500, bad), tmp_path / "r.jsonl"
    for after in (2, 1, 3):
        with pytest.raises(Broken):
            table.load("resumed.t", path, resume="r", chunk_bytes=CHUNK, rejects=rejects, progress=breaking(after))
        with rejects.open("a") as file:
            file.write('{"source": "torn')
    report = table.load("resumed.t", path, resume="r", chunk_bytes=CHUNK, rejects=rejects)
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [reject["row"] for reject in found] == sorted(row + 1 for row in bad)
    assert report.resumed + report.rows == 1300 == count(table)[0]


def test_a_limit_holds_over_all_of_it(table: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "t.csv", 1000, frozenset((10, 500, 900)))
    with pytest.raises(TooManyRejects):
        table.load("resumed.t", path, resume="l", chunk_bytes=CHUNK, max_rejects=2)
    before = count(table)[0]
    assert before > 500
    with pytest.raises(TooManyRejects):
        table.load("resumed.t", path, resume="l", chunk_bytes=CHUNK, max_rejects=2)
    assert count(table)[0] == before
    assert table.load("resumed.t", path, resume="l", chunk_bytes=CHUNK, max_rejects=3).rejected == 1
    assert count(table)[0] == 997


def test_what_comes_later_may_be_mended_what_came_before_may_not(table: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "t.csv", 1000, frozenset((900,)))
    with pytest.raises(DataError, match="'x' does not fit"):
        table.load("resumed.t", path, resume="m", chunk_bytes=CHUNK)
    mended = csv_file(tmp_path / "mended.csv", 1000).read_text()
    path.write_text(mended.replace("row 3\n", "rows 3\n"))
    with pytest.raises(DataError, match="has changed before position"):
        table.load("resumed.t", path, resume="m", chunk_bytes=CHUNK)
    path.write_text(mended[:2000])
    with pytest.raises(DataError, match="has changed: it ends at position 2000, and load 'm' has loaded it up to"):
        table.load("resumed.t", path, resume="m", chunk_bytes=CHUNK)
    path.write_text(mended)
    table.load("resumed.t", path, resume="m", chunk_bytes=CHUNK)
    assert count(table) == whole(1000)


FILES: dict[str, dict[str, Any]] = {
    "t.csv": {},
    "t.jsonl": {},
    "t.csv.gz": {},
    "t.parquet": {},
    "of parts.csv": {"jobs": 2},
    "of parts.parquet": {"jobs": 2},
}


def written(path: Path, rows: int, changed: int = -1) -> None:
    """A file of so many rows, one of which has another letter; all such files are as long."""
    names = [f"row {row:05} {'y' if row == changed else 'x'}" + "-" * 40 for row in range(rows)]
    if path.suffix == ".parquet":
        plain: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        frame = pa.table({"id": range(rows), "name": names})
        pyarrow.parquet.write_table(frame, path, row_group_size=1000, **plain)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": row, "name": name}) + "\n" for row, name in enumerate(names)))
    else:
        text = "id,name\n" + "".join(f"{row},{name}\n" for row, name in enumerate(names))
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_has_changed_anywhere_before_is_refused(
    table: Any, dsn: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.bulk.textchunks._LEAST_PART", 1 << 14)
    path, rows = tmp_path / name, 6000
    settings: dict[str, Any] = {"resume": "w", "chunk_bytes": 1 << 14, "jobs": 1, **FILES[name]}
    written(path, rows)
    size = path.stat().st_size
    with pytest.raises(Broken):
        pgfast.load(dsn, "resumed.t", path, progress=breaking(12), **settings)
    loaded = count(table)[0]
    assert 0 < loaded < rows
    written(path, rows, changed=1)
    assert name == "t.csv.gz" or path.stat().st_size == size
    with pytest.raises(DataError, match="has changed before position .* load 'w' has loaded it already"):
        pgfast.load(dsn, "resumed.t", path, **settings)
    written(path, 1 if "parts" not in name else 2)
    with pytest.raises((DataError, InterfaceError), match="has changed"):
        pgfast.load(dsn, "resumed.t", path, **settings)
    if name.startswith("of parts"):  # the others may have gone on until one was refused
        loaded = count(table)[0]
    assert count(table)[:2] == (loaded, loaded)
    written(path, rows)
    report = pgfast.load(dsn, "resumed.t", path, **settings)
    assert (report.resumed, report.rows) == (loaded, rows - loaded)
    assert count(table) == whole(rows)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "of parts.csv"])
def test_a_text_that_has_grown_goes_on(
    table: Any, dsn: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.bulk.textchunks._LEAST_PART", 1 << 14)
    path = tmp_path / name
    settings: dict[str, Any] = {"resume": "w", "chunk_bytes": 1 << 14, "jobs": 1, **FILES[name]}
    written(path, 3000)
    with pytest.raises(Broken):
        pgfast.load(dsn, "resumed.t", path, progress=breaking(5), **settings)
    written(path, 5000)
    pgfast.load(dsn, "resumed.t", path, **settings)
    assert count(table) == whole(5000)


@pytest.mark.parametrize("made", ["rows", "async", "arrow", "columns"])
def test_rows_that_come_otherwise_are_refused(table: Any, dsn: str, made: str) -> None:
    """Of sources in memory the last row of each chunk is compared: rows that are lost or added shift them all."""
    names = [f"row {row}" for row in range(3000)]

    def source(ids: list[int]) -> Any:
        columns: dict[str, list[Any]] = {"id": ids, "name": [names[row] for row in ids]}
        if made == "arrow":
            return pa.table(columns)
        return columns if made == "columns" else zip(columns["id"], columns["name"], strict=True)

    async def asynchronously(ids: list[int], **settings: Any) -> Any:
        async def rows() -> AsyncIterator[Any]:
            for row in source(ids):
                yield row

        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            return await conn.load("resumed.t", rows(), **settings)

    def load(ids: list[int], **settings: Any) -> Any:
        settings.update(resume="w", chunk_bytes=4096)
        if made == "async":
            return asyncio.run(asynchronously(ids, **settings))
        return table.load("resumed.t", source(ids), **settings)

    every = list(range(3000))
    with pytest.raises(Broken):
        load(every, progress=breaking(9))
    loaded = count(table)[0]
    assert 500 < loaded < 3000
    with pytest.raises(DataError, match="has changed before position"):
        load(every[:20] + every[21:])
    with pytest.raises(
        DataError, match=f"it ends at position {loaded - 10}, and load 'w' has loaded it up to {loaded}"
    ):
        load(every[: loaded - 10])
    assert load(every).resumed == loaded
    assert count(table) == whole(3000)


def test_emptied_once(table: Any, tmp_path: Path) -> None:
    table.execute("INSERT INTO resumed.t VALUES (-1, 'old')")
    path = csv_file(tmp_path / "t.csv", 1000)
    with pytest.raises(Broken):
        table.load("resumed.t", path, resume="e", chunk_bytes=CHUNK, mode="truncate", progress=breaking(3))
    table.load("resumed.t", path, resume="e", chunk_bytes=CHUNK, mode="truncate")
    assert count(table) == whole(1000)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_table_is_made_together_with_the_load(table: Any, dsn: str, tmp_path: Path, jobs: int) -> None:
    path = csv_file(tmp_path / "t.csv", 1000)
    settings: dict[str, Any] = {"create": True, "resume": "c", "chunk_bytes": CHUNK, "jobs": jobs}
    with pytest.raises(pgfast.errors.DuplicateTable, match="load 'c' has not made it"):
        pgfast.load(dsn, "resumed.t", path, **settings)
    table.execute("INSERT INTO resumed.t VALUES (-1, 'old')")
    with pytest.raises(pgfast.errors.DuplicateTable):
        pgfast.load(dsn, "resumed.t", path, **settings)
    assert count(table)[0] == 1
    with pytest.raises(Broken):
        pgfast.load(dsn, "resumed.made", path, progress=breaking(3), **settings)
    report = pgfast.load(dsn, "resumed.made", path, **settings)
    assert report.resumed + report.rows == 1000 and report.resumed > 0
    assert table.execute("SELECT count(*)::int FROM resumed.made").fetchone() == (1000,)


def test_with_keys_that_are_there(table: Any, tmp_path: Path) -> None:
    table.execute("INSERT INTO resumed.t SELECT n, 'old' FROM generate_series(0, 999, 2) n")
    path = csv_file(tmp_path / "t.csv", 1000)
    with pytest.raises(Broken):
        table.load("resumed.t", path, resume="u", chunk_bytes=CHUNK, on_conflict="update", progress=breaking(3))
    table.load("resumed.t", path, resume="u", chunk_bytes=CHUNK, on_conflict="update")
    assert count(table) == whole(1000)
    assert table.execute("SELECT count(*) FROM resumed.t WHERE name = 'old'").fetchone() == (0,)


def test_it_cannot_go_on_as_another(table: Any, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "t.csv", 10)
    table.load("resumed.t", path, resume="o")
    table.execute("CREATE TABLE resumed.other (id int, name text)")
    with pytest.raises(InterfaceError, match='load \'o\' was begun into "resumed"."t" with mode=append'):
        table.load("resumed.other", path, resume="o")
    with pytest.raises(InterfaceError, match="it cannot go on into .* with mode=truncate"):
        table.load("resumed.t", path, resume="o", mode="truncate")
    with pytest.raises(InterfaceError, match="end the open transaction first"), table.transaction():
        table.load("resumed.t", path, resume="o")


def test_two_at_once(table: Any, face: Any, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that finds the other's rows ends with an error; what is loaded is loaded once."""
    path = csv_file(tmp_path / "t.csv", 1000)
    other = face.connect(dsn, autocommit=True)
    monkeypatch.setattr("pgfast.bulk.ledger._WAIT_S", 1)
    refused: list[str] = []

    def told(_rows: int, _size: int) -> None:
        if not refused:
            with pgfast.connect(dsn, autocommit=True) as third:
                with pytest.raises(OperationalError, match="under way in another session") as caught:
                    third.load("resumed.t", path, resume="two", chunk_bytes=CHUNK)
                refused.append(str(caught.value))

    table.load("resumed.t", path, resume="two", chunk_bytes=CHUNK, progress=told)
    assert refused and count(other) == whole(1000)


@pytest.mark.parametrize("settings", [{}, {"resume": "first"}, {"resume": "first", "jobs": 2}], ids=str)
def test_a_rejects_file_is_written_by_one_load_at_a_time(
    table: Any, dsn: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    bad = frozenset((5, 700))
    path, rejects = csv_file(tmp_path / "t.csv", 1000, bad), tmp_path / "r.jsonl"
    table.execute("CREATE TABLE resumed.other (LIKE resumed.t)")
    refused: list[str] = []

    def another(_rows: int, _size: int) -> None:
        if not refused:
            for name in (None, "second"):
                with pytest.raises(InterfaceError, match="another load is writing .*r.jsonl") as caught:
                    pgfast.load(dsn, "resumed.other", path, rejects=rejects, resume=name)
                refused.append(str(caught.value))

    pgfast.load(dsn, "resumed.t", path, rejects=rejects, progress=another, chunk_bytes=CHUNK, **settings)
    assert len(refused) == 2
    assert sorted(json.loads(line)["record"][:1] for line in rejects.read_text().splitlines()) == ["x", "x"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.jsonl", "t.csv"]
    (tmp_path / "r.jsonl.lock").write_text("")  # of a client that was killed
    pgfast.load(dsn, "resumed.other", path, rejects=rejects)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.jsonl", "t.csv"]
    assert len(rejects.read_text().splitlines()) == 2
