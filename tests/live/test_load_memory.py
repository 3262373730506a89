"""Memory stays flat however much is loaded: each source in a process of its own, which tells by how much it grew."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pgfast
from pgfast.codec import IMPLEMENTATION

#: Rows of about 10 kB: 200 MB, twice what a load may take.
ROWS: Final = 20_000
WIDTH: Final = 10_000
LIMIT_BYTES: Final = 100 * 10**6

#: Loads a little first, so that what is imported and allocated once is not counted.
PROGRAM: Final = """
import asyncio, sys
import pgfast

dsn, kind, path, rows, width = sys.argv[1:]
rows, pad = int(rows), "x" * int(width)

def source(count):
    if kind == "path":
        return path if count > 1 else path.replace("big.", "first.")
    if kind == "rows":
        return ((i, pad + str(i)) for i in range(count))
    async def pulled():
        for i in range(count):
            yield (i, pad + str(i))
    return pulled()

def peak():
    # Not getrusage: its maximum begins with that of the process this one was started from.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

async def run():
    async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("CREATE TEMP TABLE big (id int, pad text)")
        await conn.load("big", source(1))
        before = peak()
        report = await conn.load("big", source(rows))
        assert report.rows == rows, report
        print(peak() - before)

asyncio.run(run())
"""


def written(directory: Path, kind: str, rows: int) -> Path:
    """A file of random text, which no encoding makes small; the Parquet file has one row group."""
    random.seed(1)
    texts = [random.randbytes(WIDTH // 2).hex() for _ in range(100)]
    path = directory / f"{'big' if rows > 1 else 'first'}.{kind}"
    if kind == "csv":
        with path.open("w") as file:
            file.write("id,pad\n")
            file.writelines(f"{number},{texts[number % 100][number % 50 :]}\n" for number in range(rows))
    else:
        pads = (random.randbytes(WIDTH // 2).hex() for _ in range(rows))
        table = pa.table({"id": pa.array(range(rows), pa.int32()), "pad": list(pads)})
        pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    return path


def growth(dsn: str, kind: str, path: str = "") -> int:
    """By how many bytes the process grew during a load of ROWS rows."""
    arguments = [sys.executable, "-c", PROGRAM, dsn, kind, path, str(ROWS), str(WIDTH)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("kind", ["rows", "async"])
def test_an_iterator_loads_in_flat_memory(dsn: str, kind: str) -> None:
    assert growth(dsn, kind) < LIMIT_BYTES


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_loads_in_flat_memory(dsn: str, tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, kind, ROWS)
    written(tmp_path, kind, 1)
    assert path.stat().st_size > 1.9 * LIMIT_BYTES
    assert growth(dsn, "path", str(path)) < LIMIT_BYTES


#: The hard cases: rows by which nothing can be told of the next ones.
UNEVEN: Final = """
import asyncio, random, sys
import pgfast

dsn, kind, path = sys.argv[1:]
pad = "x" * 1_000_000

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def texts(count):
    for number in range(count):
        yield (None, f"{number}" + (pad if number > 300 else ""))

async def pulled(count):
    for row in texts(count):
        yield row

async def run():
    async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("CREATE TEMP TABLE big (id point, pad text)" if kind == "text" else
                           "CREATE TEMP TABLE big (id int, pad text)")
        source = {"text": texts, "async": pulled, "path": lambda count: path}[kind]
        await conn.load("big", path + ".first" if kind == "path" else source(310), format="parquet")
        before = peak()
        await conn.load("big", source(600), format="parquet")
        print(peak() - before)

asyncio.run(run())
"""


def uneven_growth(dsn: str, kind: str, path: str = "") -> int:
    done = subprocess.run([sys.executable, "-c", UNEVEN, dsn, kind, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("kind", ["text", "async"])
def test_wide_rows_behind_narrow_ones_are_not_gathered(dsn: str, kind: str) -> None:
    assert uneven_growth(dsn, kind) < LIMIT_BYTES


def test_a_small_file_of_long_values_that_come_again_loads_in_flat_memory(dsn: str, tmp_path: Path) -> None:
    random.seed(2)
    words = [random.randbytes(WIDTH // 2).hex() for _ in range(20)]
    path = tmp_path / "again.parquet"
    for rows, name in ((ROWS, path), (1, Path(f"{path}.first"))):
        pads = pa.array([words[number % 20] if number > 2000 else "short" for number in range(rows)])
        pq.write_table(pa.table({"id": pa.array(range(rows), pa.int32()), "pad": pads}), name, row_group_size=rows)
    assert path.stat().st_size < 10**6
    assert uneven_growth(dsn, "path", str(path)) < LIMIT_BYTES


#: A load with rejects, within a budget: of a file or of rows that are made as they are wanted.
BUDGETED: Final = """
import json, sys
import pgfast

dsn, path, rows, every, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def made(count):
    for number in range(count):
        yield (number if number % every else "x", f"name of row {number}", number % 1000)

jobs = settings.get("jobs", 1)
first = {**settings, "resume": "first"} if jobs > 1 else settings
pgfast.load(dsn, "budget", made(10) if not path else path + ".first", format=None if not path else "csv", **first)
before = peak()
report = pgfast.load(dsn, "budget", made(rows) if not path else path, **settings)
bad = -(-rows // every)
assert (report.read, report.rows, report.rejected) == (rows, rows - bad, bad), report
print(peak() - before)
"""
BUDGET: Final = 12 << 20
#: What a connection has besides the rows: buffers of sockets and files, of constant size, and its thread's allocator.
#: The pure codec keeps what it has made of the fields that come again, a few thousand for each stream.
CONSTANT: Final = (8 if IMPLEMENTATION == "c" else 12) << 20
NARROW: Final = 250_000


@pytest.mark.parametrize("every", [100, 2])
@pytest.mark.parametrize("kind", ["csv", "csv by two", "rows"])
def test_rejects_stay_within_the_budget(dsn: str, tmp_path: Path, kind: str, every: int) -> None:
    path = tmp_path / "narrow.csv"
    for file, count in ((path, NARROW), (Path(f"{path}.first"), 10)):
        lines = [f"{row if row % every else 'x'},name of row {row},{row % 1000}\n" for row in range(count)]
        file.write_text("id,name,amount\n" + "".join(lines))
    settings: dict[str, Any] = {"memory": BUDGET, "rejects": str(tmp_path / "rejects.jsonl")}
    if kind == "csv by two":
        settings |= {"jobs": 2, "resume": "budget"}
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS budget, pgfast_chunks, pgfast_parts, pgfast_loads")
        conn.execute("CREATE TABLE budget (id int, name text, amount int)")
    program = [sys.executable, "-c", BUDGETED, dsn, "" if kind == "rows" else str(path), str(NARROW), str(every)]
    done = subprocess.run([*program, json.dumps(settings)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < BUDGET + CONSTANT * settings.get("jobs", 1)
