"""One load that several processes carry out, on one machine or on several: each row once, whoever dies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

import pgfast
from pgfast.bulk.framing import atomically
from pgfast.bulk.ledger import Ledger, UnderWay, lock_key
from pgfast.connections.characteristics import IsolationLevel
from pgfast.protocol.operations import Operation
from pgfast.protocol.session import Session

ROWS: Final = 120_000
FILES: Final = 3
#: What another process notes of the first chunk of a file.
CHUNK_DONE: Final = """
INSERT INTO machines.pgfast_chunks (load, source, start, stop, loaded, rejected, skipped, mark)
VALUES ('shared', '0.csv', 0, 1000, 9, 1, 0, '')"""
#: Loads and prints its report; its first words say that rows are on their way, and then it waits to be told to go on.
PROGRAM: Final = """
import json, os, sys
import pgfast
import pgfast.bulk.ledger

pgfast.bulk.ledger._WAIT_S = 2
dsn, directory, jobs, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
os.chdir(directory)
said = []

def tell(rows, size_bytes):
    if not said:
        said.append(print("loading", flush=True))
        sys.stdin.readline()

settings.update(resume="shared", chunk_bytes=20000, progress=tell)
report = pgfast.load(dsn, "machines.t", "*.csv", jobs=jobs, **settings)
assert report.read == report.rows + report.rejected + report.skipped
print(json.dumps([report.rows, report.rejected]))
"""


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS machines CASCADE")
        made.execute("CREATE SCHEMA machines")
        made.execute("CREATE TABLE machines.t (id int PRIMARY KEY, name text)")
        made.execute("CREATE INDEX by_name ON machines.t (name)")
        yield made
        for process in BEGUN:
            process.kill()
            process.communicate()
        BEGUN.clear()
        made.execute("DROP SCHEMA machines CASCADE")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of some megabytes, one row in a thousand of which is bad."""
    made = tmp_path_factory.mktemp("machines")
    for number in range(FILES):
        rows = range(number, ROWS, FILES)
        lines = [f"{'x' if row % 1000 == 7 else row},row {row} of many\n" for row in rows]
        (made / f"{number}.csv").write_text("id,name\n" + "".join(lines))
    return made


BEGUN: Final[list[subprocess.Popen[str]]] = []
BAD: Final = sum(row % 1000 == 7 for row in range(ROWS))


def begun(dsn: str, directory: Path, jobs: int, rejects: Path, **settings: Any) -> subprocess.Popen[str]:
    settings["rejects"] = str(rejects)
    command = [sys.executable, "-c", PROGRAM, dsn, str(directory), str(jobs), json.dumps(settings)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    BEGUN.append(process)
    return process


def loading(process: subprocess.Popen[str]) -> None:
    """It has begun, and holds what it has begun with."""
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"


def ended(process: subprocess.Popen[str]) -> list[int]:
    out, err = process.communicate("go on\n", timeout=120)  # which may have been told already
    assert process.returncode == 0, err
    found: list[int] = json.loads(out.splitlines()[-1])
    return found


def all_is_there(conn: pgfast.Connection, rejects: list[Path]) -> None:
    sums = "SELECT count(*)::int, count(DISTINCT id)::int, sum(id)::int8 FROM machines.t"
    good = [row for row in range(ROWS) if row % 1000 != 7]
    assert conn.execute(sums).fetchone() == (len(good), len(good), sum(good))
    ledger = "SELECT sum(loaded)::int, sum(rejected)::int FROM machines.pgfast_chunks"
    assert conn.execute(ledger).fetchone() == (len(good), BAD)
    assert conn.execute("SELECT ended IS NOT NULL FROM machines.pgfast_loads").fetchone() == (True,)
    assert conn.execute("SELECT to_regclass('machines.by_name') IS NOT NULL").fetchone() == (True,)
    told = [line for path in rejects if path.exists() for line in path.read_text().splitlines()]
    assert len(told) == len(set(told)) == BAD


@pytest.mark.timeout(300)
@pytest.mark.parametrize("settings", [{}, {"mode": "replace"}, {"defer_indexes": True}], ids=str)
def test_two_at_one_time_share_it(
    conn: pgfast.Connection, dsn: str, directory: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    rejects = [tmp_path / f"{number}.jsonl" for number in range(2)]
    both = [begun(dsn, directory, 2, path, **settings) for path in rejects]
    for process in both:  # neither waits
        assert process.stdin is not None
        process.stdin.write("go on\n")
        process.stdin.flush()
    counted = [ended(process) for process in both]
    assert [sum(each) for each in zip(*counted, strict=True)] == [ROWS - BAD, BAD]
    all_is_there(conn, rejects)


@pytest.mark.timeout(300)
def test_another_machine_takes_over_from_one_that_is_killed(
    conn: pgfast.Connection, dsn: str, directory: Path, tmp_path: Path
) -> None:
    """Its files are copies in another place, whose times are others."""
    copied = tmp_path / "elsewhere"
    shutil.copytree(directory, copied, copy_function=shutil.copyfile)
    rejects = [tmp_path / f"{number}.jsonl" for number in range(2)]
    first = begun(dsn, directory, 2, rejects[0])
    loading(first)
    second = begun(dsn, copied, 3, rejects[1])
    first.kill()
    first.communicate()
    assert ended(second)[0] > 0
    # What the first had written down of chunks that were lost goes when it is asked for them again.
    again = begun(dsn, directory, 1, rejects[0])
    assert ended(again) == [0, 0]
    all_is_there(conn, rejects)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_by_another_name_is_refused(
    conn: pgfast.Connection, dsn: str, directory: Path, tmp_path: Path, jobs: int
) -> None:
    settings: dict[str, Any] = {"resume": "named", "jobs": jobs, "on_error": "reject"}
    assert pgfast.load(dsn, "machines.t", directory / "0.csv", **settings).rows > 0
    other = tmp_path / "other.csv"
    shutil.copyfile(directory / "0.csv", other)
    with pytest.raises(pgfast.InterfaceError, match=r"other.csv begins as .*0.csv, which load 'named' knows"):
        pgfast.load(dsn, "machines.t", other, **settings)
    assert conn.execute("SELECT count(*) = count(DISTINCT id) FROM machines.t").fetchone() == (True,)
    twins = [tmp_path / "1.csv", tmp_path / "2.csv"]
    for twin in twins:
        twin.write_text("id,name\n")
    settings["resume"] = "twins"  # the caller has said himself that they are two
    assert pgfast.load(dsn, "machines.t", twins, **settings).rows == 0


def test_one_that_shares_nothing_says_who_is_at_it(
    conn: pgfast.Connection, dsn: str, directory: Path, tmp_path: Path
) -> None:
    first = begun(dsn, directory, 1, tmp_path / "1.jsonl")
    loading(first)
    second = begun(dsn, directory, 1, tmp_path / "2.jsonl")
    said = second.communicate(timeout=120)[1]
    assert second.returncode != 0 and "is under way in another session" in said
    ended(first)
    all_is_there(conn, [tmp_path / "1.jsonl", tmp_path / "2.jsonl"])


def _nothing() -> Operation[None]:
    yield from ()


def _chunk_begun(session: Session) -> Operation[bool]:
    """Whether a chunk can be begun where nothing of its part is loaded."""
    try:
        yield from Ledger(session, "machines", "shared").part("0.csv").begin()
    except UnderWay:
        return False
    return True


def _rejects_of(session: Session) -> Operation[int]:
    return (yield from Ledger(session, "machines", "shared").rejected())[1]


def _is_to_end(session: Session) -> Operation[bool]:
    return (yield from atomically(session, Ledger(session, "machines", "shared").ends()))


def _begun_again(session: Session) -> Operation[bool]:
    return (yield from Ledger(session, "machines", "shared").open("machines.t", "any", _nothing()))


@pytest.mark.parametrize("level", [None, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize(
    ("lock", "written", "asked", "answer"),
    [
        ("chunks shared 0.csv 0", CHUNK_DONE, _chunk_begun, False),
        ("chunks shared", CHUNK_DONE, _rejects_of, 1),
        ("loads shared", "UPDATE machines.pgfast_loads SET ended = now()", _is_to_end, False),
        ("loads shared", "UPDATE machines.pgfast_loads SET ended = now()", _begun_again, True),
    ],
)
def test_who_has_waited_for_another_sees_what_that_one_has_written(
    conn: pgfast.Connection,
    dsn: str,
    until_waiting: Callable[[int, str], None],
    level: IsolationLevel | None,
    lock: str,
    written: str,
    asked: Callable[[Session], Operation[Any]],
    answer: Any,
) -> None:
    """Whatever the isolation level: else a chunk would be loaded twice, and rejects thrown away."""
    conn._run(Ledger(conn._session, "machines", "shared").open("machines.t", "any", _nothing()))
    with pgfast.connect(dsn, autocommit=True) as waiting, ThreadPoolExecutor(1) as pool:
        waiting.isolation_level = level
        conn.execute("BEGIN")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"machines.pgfast_{lock}"),))
        coming = pool.submit(lambda: waiting._run(asked(waiting._session)))
        until_waiting(waiting.info.backend_pid, "advisory")
        conn.execute(written)
        conn.execute("COMMIT")
        assert coming.result() == answer
        waiting.rollback()
