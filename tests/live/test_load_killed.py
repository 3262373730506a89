"""Loads that are killed: each row once in the end, or none at all, and nothing left behind.

tools/load_campaign.py kills as many as is wished.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import pgfast
from pgfast.embedded import EmbeddedServer

from ..killing import SETTINGS, Campaign
from ..servers import start_server
from ..waiting import until

KILLS: Final = 20
SEED: Final = 7
#: Loads, and says so once rows are on their way.
PROGRAM: Final = """
import signal, sys
import pgfast

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
dsn, path, jobs, mode = sys.argv[1:]
table, how = ("ended.made", {"create": True}) if mode == "create" else ("ended.t", {"mode": mode})
said = []

def tell(rows, size_bytes):
    if not said:
        said.append(print("loading", flush=True))

pgfast.load(dsn, table, path, jobs=int(jobs), progress=tell, memory="8MB", **how)
"""
ROWS: Final = 400_000


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    """A server that may be brought down."""
    with start_server(**SETTINGS) as server:
        yield server


@pytest.mark.timeout(600)
def test_whatever_is_killed_every_row_is_there_once(own_server: EmbeddedServer, tmp_path: Path) -> None:
    campaign = Campaign(own_server.dsn, tmp_path, SEED)
    campaign.run(KILLS)
    assert sum(campaign.killed.values()) - campaign.killed["too late"] == KILLS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes its time."""
    made = tmp_path_factory.mktemp("killed") / "t.csv"
    made.write_text("id,name\n" + "".join([f"{row},row {row} of many\n" for row in range(ROWS)]))
    return made


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS ended CASCADE")
        made.execute("CREATE SCHEMA ended")
        made.execute("CREATE TABLE ended.t (id int PRIMARY KEY, name text NOT NULL)")
        made.execute("COMMENT ON TABLE ended.t IS 'its own'")
        made.execute("INSERT INTO ended.t VALUES (-1, 'old')")
        yield made
        made.execute("DROP SCHEMA ended CASCADE")


def begun(dsn: str, path: Path, jobs: int, mode: str) -> subprocess.Popen[str]:
    """A process that is loading."""
    command = [sys.executable, "-c", PROGRAM, f"{dsn}?application_name=pgfast-ended", str(path), str(jobs), mode]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    return process


def tables(conn: pgfast.Connection) -> list[str]:
    sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'ended'::regnamespace ORDER BY 1"
    return [name for (name,) in conn.execute(sql).fetchall()]


def gone(conn: pgfast.Connection) -> bool:
    """Whether the server has noticed that the client is."""
    alive = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgfast-ended'"
    return conn.execute(alive).fetchone() == (True,)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize("mode", ["append", "truncate", "replace", "create"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_load_leaves_the_table_as_it_was(
    conn: pgfast.Connection, dsn: str, path: Path, jobs: int, mode: str
) -> None:
    process = begun(dsn, path, jobs, mode)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    assert conn.execute("SELECT * FROM ended.t").fetchall() == [(-1, "old")]
    assert tables(conn) == ["t"]  # and none was made


@pytest.mark.parametrize("mode", ["append", "truncate", "replace", "create"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_load_leaves_the_table_as_it_was_and_the_next_one_drops_what_is_left(
    conn: pgfast.Connection, dsn: str, path: Path, tmp_path: Path, mode: str, jobs: int
) -> None:
    process = begun(dsn, path, jobs, mode)
    process.kill()
    process.communicate()
    until(lambda: gone(conn), "its sessions end")
    assert conn.execute("SELECT * FROM ended.t").fetchall() == [(-1, "old")]
    assert conn.execute("SELECT to_regclass('ended.made')").fetchone() == (None,)
    assert len(tables(conn)) == jobs  # with several jobs the table that was filled first
    table, how = ("made", {"create": True}) if mode == "create" else ("t", {"mode": mode})
    conn.execute(f"CREATE TABLE ended.{table}_load_00000000 (users int)")
    small = tmp_path / "small.csv"
    small.write_text("id,name\n1,a\n2,b\n")
    pgfast.load(dsn, f"ended.{table}", small, jobs=2, **how)
    assert tables(conn) == sorted({"t", table, f"{table}_load_00000000"})
    comments = "SELECT obj_description('ended.t'::regclass), obj_description(to_regclass('ended.made'))"
    assert conn.execute(comments).fetchone() == ("its own", None)
    assert conn.execute(f"SELECT count(*)::int FROM ended.{table}").fetchone() == (3 if mode == "append" else 2,)


def test_a_table_that_is_made_is_seen_when_it_is_full(
    conn: pgfast.Connection, dsn: str, path: Path, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def look(_rows: int, _size: int) -> None:
        seen.append(conn.execute("SELECT to_regclass('ended.made')").fetchone())

    report = pgfast.load(dsn, "ended.made", path, jobs=2, create=True, progress=look, memory="8MB")
    assert set(seen) == {(None,)} and report.rows == ROWS and report.table == "ended.made"
    assert report.ddl is not None and report.ddl.startswith('CREATE TABLE "ended"."made"')
    assert conn.execute("SELECT count(*)::int FROM ended.made").fetchone() == (ROWS,)
    with pytest.raises(pgfast.errors.DuplicateTable):
        pgfast.load(dsn, "ended.made", path, jobs=2, create=True)
    assert tables(conn) == ["made", "t"]


def test_a_table_that_somebody_else_makes_meanwhile_stays_his(conn: pgfast.Connection, dsn: str, path: Path) -> None:
    made: list[Any] = []

    def make(_rows: int, _size: int) -> None:
        if not made:
            made.append(conn.execute("CREATE TABLE ended.made (his int)"))

    with pytest.raises(pgfast.errors.DuplicateTable):
        pgfast.load(dsn, "ended.made", path, jobs=2, create=True, progress=make, memory="8MB")
    assert conn.execute("SELECT * FROM ended.made").fetchall() == []
    assert tables(conn) == ["made", "t"]


def test_the_table_of_a_load_under_way_is_left_alone(
    conn: pgfast.Connection, dsn: str, path: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.csv"
    small.write_text("id,name\n-2,a\n-3,b\n")
    seen: list[list[str]] = []

    def another(_rows: int, _size: int) -> None:
        if not seen:
            seen.append(tables(conn))
            pgfast.load(dsn, "ended.t", small, jobs=2)

    report = pgfast.load(dsn, "ended.t", path, jobs=2, progress=another, memory="8MB")
    assert len(seen[0]) == 2 and report.rows == ROWS
    assert conn.execute("SELECT count(*)::int FROM ended.t").fetchone() == (ROWS + 3,)
    assert tables(conn) == ["t"]


def test_a_load_whose_own_connection_is_lost_drops_its_table_over_another(
    conn: pgfast.Connection, dsn: str, path: Path
) -> None:
    killed: list[Any] = []

    def kill(_rows: int, _size: int) -> None:
        if not killed:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgfast-lost'"
            killed.append(conn.execute(sql).fetchall())

    with pytest.raises(pgfast.OperationalError):
        pgfast.load(f"{dsn}?application_name=pgfast-lost", "ended.t", path, jobs=2, progress=kill, memory="8MB")
    assert tables(conn) == ["t"]
    assert conn.execute("SELECT * FROM ended.t").fetchall() == [(-1, "old")]
