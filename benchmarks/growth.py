"""Growth: time of a row from ten thousand rows to many, of a value from one column to a thousand, memory of streams.

Law of this file: pgfast beside the floor at every size, in turns. Small sizes are done many times in one process, so
that what a process costs once does not look like the cost of a row.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import floors, tables, wire
from .case import Measured
from .clients import OURS, Client
from .floors import FLOOR
from .runner import Bench, Record, medians
from .works import WORKS, Work

#: Works whose time per row is followed; "stream rows" reads the table of "tuples numeric" through a cursor.
ROW_WORKS: Final = (
    *("load arrow", "load tuples", "load dicts", "load csv", "load parquet"),
    *("columns numeric", "columns float8", "tuples numeric", "tuples float8", "stream rows"),
)
#: Works that hold only a part of the rows at a time.
STREAMED: Final = ("load arrow", "load tuples", "load dicts", "load csv", "load parquet", "stream rows")
WIDE_WORKS: Final = ("wide columns", "wide tuples", "wide load columns", "wide load tuples")
COLUMNS: Final = (1, 10, 100, 1000)
VALUES: Final = 1_000_000
#: What is called flat: CPU at the greatest size in terms of that at the smallest; memory in terms of that at a tenth of
#: the rows, and megabytes on top (a file's row groups are larger where it has more than one).
FLAT_TIMES: Final = 1.25
FLAT_MEMORY: Final = 1.5
FLAT_MB: Final = 8.0
_CLIENT: Final = Client("pgfast", OURS)
#: Rows that one process moves at least, by doing a small work often.
_LEAST: Final = 200_000


@dataclass(frozen=True, slots=True)
class Step:
    """One work at one size: rows of the files, rows moved, the tables, the units that are counted (rows or values)."""

    work: str
    size: int
    rows: int
    units: int
    source: str
    target: str
    floor: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its name in the record."""
        return f"{self.work}|{self.size}"


def work_of(name: str) -> Work:
    """The work whose table and floor it has."""
    return WORKS["tuples numeric" if name == "stream rows" else name]


def row_steps(sizes: Iterable[int], data: Mapping[int, Any]) -> list[Step]:
    """The steps over numbers of rows."""
    steps = []
    for size in sizes:
        for name in ROW_WORKS:
            work = work_of(name)
            source, target = tables.source(work.table, size), tables.target(work.table)
            floor = floors.request(work.floor, FLOOR, size, source, target, data[size].frames(work.table))
            steps.append(Step(name, size, size, size, source, target, tuple(floor)))
    return steps


def wide_steps(values: int, directory: Path, rows: int) -> list[Step]:
    """The steps over numbers of columns, at a fixed number of values."""
    steps = []
    for columns in COLUMNS:
        source, target = f"bench_wide_{columns}", f"bench_wide_{columns}_in"
        frames = directory / f"wide_{columns}_{values}.copy"
        for name in WIDE_WORKS:
            floor = f"{'load' if 'load' in name else 'fetch'} wide"
            request = floors.request(floor, FLOOR, columns, source, target, frames)
            steps.append(Step(name, columns, rows, values, source, target, tuple(request)))
    return steps


def make_wide(dsn: str, values: int, directory: Path) -> None:
    """The tables of so many values in 1 to 1,000 columns, and the frames of each for the floor."""
    with tables.connect(dsn) as conn:
        for columns in COLUMNS:
            names = [f"c{number}" for number in range(columns)]
            made = ", ".join(f"{name} int4 not null" for name in names)
            given = ", ".join(f"i * 31 + {number}" for number in range(columns))
            for name in (f"bench_wide_{columns}", f"bench_wide_{columns}_in"):
                conn.execute(f"create table {name} ({made})")
            rows = max(values // columns, 1)
            conn.execute(f"insert into bench_wide_{columns} select {given} from generate_series(1, {rows}) i")
            conn.execute(f"vacuum analyze bench_wide_{columns}")
            frames = directory / f"wide_{columns}_{values}.copy"
            if not frames.exists():
                sql = f"copy bench_wide_{columns} to stdout (format binary)"
                with closing(wire.connect_uri(dsn)) as sock:
                    wire.record_copy(sock, sql, frames)


def run_all(bench: Bench, steps: list[Step], repeat: int, record: Record) -> None:
    """Measures every step beside its floor, in turns, into the record."""
    made: dict[str, Any] = {}
    for turn in range(repeat):
        for number, step in enumerate(steps):
            print(
                f"benchmarks: growth, turn {turn + 1} of {repeat}, {number + 1} of {len(steps)}: {step.key}",
                file=sys.stderr,
                flush=True,
            )
            entry = made.setdefault(
                step.key, {"work": step.work, "size": step.size, "units": step.units, "runs": [], "floors": []}
            )
            times = _times(step)
            _empty(bench.dsn, step)
            entry["floors"].append(_floor(bench, step, times))
            _empty(bench.dsn, step)
            entry["runs"].append(
                bench.process(_CLIENT, step.work, step.rows, step.rows, step.source, step.target, times=times)
            )
        record.content["growth"] = made
        record.save()


def _times(step: Step) -> int:
    """How often one process does the work: a generator is spent after once; wide statements are described once."""
    if step.work == "load dicts":
        return 1
    return max(3 if step.work in WIDE_WORKS else 1, _LEAST // step.units)


def _floor(bench: Bench, step: Step, times: int) -> Measured:
    """The mean of as many runs of the floor, at most 10."""
    found = [bench.floor.run(list(step.floor), bench.dsn) for _ in range(min(times, 10))]
    return {name: statistics.mean(run[name] for run in found) for name in found[0]}


def _empty(dsn: str, step: Step) -> None:
    """Empties the table that is filled, and checkpoints."""
    if "load" in step.work:
        with tables.connect(dsn) as conn:
            conn.execute(f"truncate {step.target}")
            conn.execute("checkpoint")


# ---------------------------------------------------------------- what came of it


@dataclass(frozen=True, slots=True)
class Point:
    """One work at one size: seconds of a row or value, and megabytes."""

    size: int
    wall_s: float
    cpu_s: float
    floor_s: float
    growth_mb: float


def points(content: Mapping[str, Any], work: str) -> list[Point]:
    """The sizes of one work, smallest first."""
    found = []
    for entry in content.get("growth", {}).values():
        if entry["work"] == work:
            here, floor, units = medians(entry["runs"]), medians(entry["floors"]), entry["units"]
            one = (here["wall_s"] / units, here["cpu_s"] / units, floor["wall_s"] / units)
            found.append(Point(entry["size"], *one, here["growth_mb"]))
    return sorted(found, key=lambda point: point.size)


def time_is_flat(found: list[Point]) -> bool:
    """Whether a row's (a value's) client CPU at the greatest size is about that at the smallest; of columns, at ten."""
    first = found[1] if found[0].size == 1 else found[0]
    return found[-1].cpu_s <= FLAT_TIMES * first.cpu_s


def memory_is_flat(found: list[Point]) -> bool:
    """Whether memory at the greatest size is about that at a tenth of it."""
    return len(found) < 2 or found[-1].growth_mb <= FLAT_MEMORY * found[-2].growth_mb + FLAT_MB
