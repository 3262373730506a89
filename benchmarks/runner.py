"""Runs the cases: each checked first, then measured in processes of their own, in turns, the median counting.

Law of this file: what is measured is written down as it comes (`Record.save`), so that a run that is broken off still
gives a page; nothing is left out without its reason.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import floors, tables
from .case import Measured
from .clients import Client, every_case
from .data import Data
from .environment import Environment
from .floors import FLOOR, FloorProgram
from .peers.psql_client import VARIABLE
from .works import BATCH, WORKS, Work

ROOT: Final = Path(__file__).resolve().parent.parent
#: Rows of a check; batches and queries of one are few.
CHECK_ROWS: Final = 2_000
CHECK_COUNT: Final = {"query": CHECK_ROWS, "pipeline": 2, "batch": CHECK_ROWS // BATCH}
_TIMEOUT_S: Final = 90
#: A peer whose process takes longer than this, its preparation included, is measured in at most so many turns.
_LONG_S: Final = 5.0
_LONG_TURNS: Final = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One case at one size."""

    work: str
    client: str
    size: int

    @property
    def key(self) -> str:
        """Its name in the record."""
        return f"{self.work}|{self.client}|{self.size}"


@dataclass(slots=True)
class Record:
    """Everything measured so far, as one JSON object, and the file it is kept in."""

    path: Path
    content: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Record:
        """What the file has, or an empty record."""
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def save(self) -> None:
        """Writes the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1))
        part.replace(self.path)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each work is done: everything divided by `divisor`."""

    divisor: int = 1

    def of(self, work: str, slow: bool) -> int:
        """Rows, queries or batches of one process."""
        size = WORKS[work].slow_size if slow else WORKS[work].size
        least = 2_000 if WORKS[work].kind in ("load", "fetch") else 1
        return max(size // self.divisor, least)


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases of one run: which client does which work at which size, and the floors that belong to them."""

    runs: tuple[Run, ...]
    floors: tuple[Run, ...]
    missing: dict[str, str]

    def rows(self) -> dict[str, set[int]]:
        """Table to the numbers of rows that are needed of it."""
        needed: dict[str, set[int]] = {}
        for run in self.runs:
            if WORKS[run.work].table:
                needed.setdefault(WORKS[run.work].table, {CHECK_ROWS}).add(run.size)
        return needed


def plan(peers: Environment | None, sizes: Sizes, works: Iterable[str], clients: Iterable[str]) -> Plan:
    """Every case that can be run; the floors of their works; the clients that are missing and why.

    `works` and `clients` choose (all when empty); without `peers` only pgfast itself is planned.
    """
    works, clients = list(works) or list(WORKS), list(clients)
    runs: list[Run] = []
    missing: dict[str, str] = {}
    for client, cases in every_case().items():
        if not client.ours and peers is None:
            continue
        absent = [f"{name} {reason}" for name in client.needs if (reason := peers and peers.missing.get(name))]
        if absent:
            missing[client.name] = "; ".join(absent)
        if not absent and (not clients or client.name in clients):
            chosen = [work for work in works if work in cases]
            runs += [Run(work, client.name, sizes.of(work, cases[work].slow)) for work in chosen]
    runs.sort(key=lambda run: works.index(run.work))
    wanted: dict[Run, None] = {}
    for run in runs:
        floor = WORKS[run.work].floor
        wanted[Run(floor, FLOOR, run.size)] = None
        if floor in floors.AWAITING:
            wanted[Run(floor, floors.POLLING, run.size)] = None
        if run.work == "load freeze":
            wanted[Run(floor, floors.FREEZING, run.size)] = None
    return Plan(tuple(runs), tuple(wanted), missing)


# ---------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True)
class Bench:
    """What every process needs: the server, the files, the floor's program, the peers' interpreter, psql."""

    dsn: str
    data: dict[int, Data]
    floor: FloorProgram
    peers: Environment | None
    psql: str = ""

    def process(
        self,
        client: Client,
        work: str,
        size: int,
        rows: int,
        source: str,
        target: str,
        check: bool = False,
        times: int = 1,
        warm: bool = False,
    ) -> Any:
        """What the process of a case printed. Raises SystemExit with what it said when it failed.

        `rows` are those of the files, `times` how often the work is done, after once for nothing where it is often.
        With `warm` it is done once for nothing, then the tables are made ready anew.
        """
        wanted = {
            "module": client.module,
            "client": client.name,
            "work": work,
            "uri": self.dsn,
            "directory": str(self.data[rows].directory),
            "rows": rows,
            "size": size,
            "source": source,
            "target": target,
            "check": check,
            "times": times,
            "warm": warm,
        }
        python = sys.executable if client.ours or self.peers is None else self.peers.python
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                [python, "-m", "benchmarks.process"],
                cwd=ROOT,
                env=self._environment(client),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            said = self._talk(process, json.dumps(wanted), WORKS.get(work) if warm else None)
            if process.returncode:
                errors.seek(0)
                lines = [line for line in errors if line.strip()]
                raise SystemExit((lines or [f"ended with {process.returncode} and no word"])[-1].rstrip()[:500])
        return json.loads(said)

    def _talk(self, process: subprocess.Popen[str], wanted: str, warmed: Work | None) -> str:
        """What the process says at last; its tables are made ready once more when it is warm.

        Raises TimeoutExpired; the process has ended then as always.
        """
        assert process.stdin, "a pipe"
        assert process.stdout, "a pipe"
        late = threading.Timer(_TIMEOUT_S, process.kill)
        late.start()
        try:
            # One that failed before it read has said why in its errors.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(wanted + "\n")
                process.stdin.flush()
            if warmed is not None and process.stdout.readline():
                tables.before(self.dsn, warmed)
            said = process.communicate("\n")[0]
        finally:
            process.kill()
            process.wait()
            ended_in_time = not late.finished.is_set()
            late.cancel()
        if not ended_in_time:
            raise subprocess.TimeoutExpired(process.args, _TIMEOUT_S)
        return said

    def case(self, run: Run, filled_table: str = "", check: bool = False) -> Any:
        """What the process of a case of the plan printed; loads go to `filled_table` where one is named."""
        client = next(client for client in every_case() if client.name == run.client)
        table = WORKS[run.work].table
        rows = run.size if table else CHECK_ROWS
        source, target = tables.source(table, run.size), filled_table or tables.target(table)
        warm = bool(table) and not check
        return self.process(client, run.work, run.size, rows, source, target, check=check, warm=warm)

    def _environment(self, client: Client) -> dict[str, str]:
        """The environment of a client's process."""
        dropped = ("PGFAST_IMPL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        kept["PYTHONPYCACHEPREFIX"] = str(ROOT / "build" / "bench-compiled")
        if client.implementation:
            kept["PGFAST_IMPL"] = client.implementation
        if self.psql:
            kept[VARIABLE] = self.psql
        return kept

    def measured(self, run: Run) -> Measured:
        """The figures of one run of a case or a floor. Raises SystemExit when it failed or did too little."""
        if run.client not in (FLOOR, floors.POLLING, floors.FREEZING):
            tables.before(self.dsn, WORKS[run.work])
            found: Measured = self.case(run)
            wrong = tables.filled(self.dsn, run.work, run.size)
            if wrong:
                raise SystemExit(wrong)
            return found
        table = next((work.table for work in WORKS.values() if work.floor == run.work), "")
        of_floor = next(work for work in WORKS.values() if work.floor == run.work)
        tables.before(self.dsn, of_floor)
        frames = self.data[run.size].frames(table) if table else Path()
        arguments = floors.request(
            run.work, run.client, run.size, tables.source(table, run.size), tables.target(table), frames
        )
        if table:  # warm, as the cases are
            self.floor.run(arguments, self.dsn, run.client)
            tables.before(self.dsn, of_floor)
        return self.floor.run(arguments, self.dsn, run.client)

    def checked(self, run: Run) -> str | None:
        """Why the case does not do its work rightly, or None; at a small size."""
        work = WORKS[run.work]
        small = Run(run.work, run.client, CHECK_COUNT.get(work.kind, CHECK_ROWS))
        with tables.to_check(self.dsn, work) as filled_table:
            try:
                wrong: str | None = self.case(small, filled_table, check=True)["wrong"]
            except (SystemExit, subprocess.TimeoutExpired) as exc:
                return f"failed: {exc}"
            return wrong or tables.compare(self.dsn, run.work, filled_table, self.data[CHECK_ROWS])


# ---------------------------------------------------------------- turns


def medians(runs: list[Measured]) -> Measured:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def check_all(bench: Bench, planned: Plan, cases: dict[str, Any]) -> list[Run]:
    """The runs whose clients do the work rightly; what is wrong with the others is put down in `cases`.

    Nothing is timed here, so that as many are checked at once as there are cores.
    """
    right = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (run, wrong) in enumerate(zip(planned.runs, pool.map(bench.checked, planned.runs), strict=True)):
            _say(f"checked {number + 1} of {len(planned.runs)}: {run.work}: {run.client}")
            cases[run.key] = _entry(run, wrong)
            if wrong is None:
                right.append(run)
            else:
                _say(f"  WRONG: {wrong}")
    return right


def _entry(run: Run, error: str | None) -> dict[str, Any]:
    """The beginning of a case in the record."""
    way = next(
        (c[run.work].way for client, c in every_case().items() if client.name == run.client and run.work in c), ""
    )
    return {"work": run.work, "client": run.client, "size": run.size, "way": way, "error": error, "runs": []}


def run_all(bench: Bench, planned: Plan, repeat: int, record: Record) -> None:
    """Checks and measures everything planned, into the record: `cases`, each with the medians of its floor."""
    begun = time.monotonic()
    fresh: dict[str, Any] = {}
    kept = record.content.setdefault("cases", {})
    # A client that was measured at another size before is not measured twice on the page.
    for run in planned.runs:
        for key in [key for key, case in kept.items() if (case["work"], case["client"]) == (run.work, run.client)]:
            del kept[key]
    runs = check_all(bench, planned, fresh)
    kept.update(fresh)
    record.content.setdefault("missing", {}).update(planned.missing)
    bases: dict[Run, list[Measured]] = {run: [] for run in planned.floors}
    together: list[Run] = [*planned.floors, *runs]
    ours = {client.name for client in every_case() if client.ours}
    long: set[Run] = set()
    for turn in range(repeat):
        random.Random(turn).shuffle(together)  # so that a slow minute falls on other cases in each turn
        for number, run in enumerate(together):
            spent = time.monotonic() - begun
            _say(f"{spent:5.0f} s, turn {turn + 1} of {repeat}, {number + 1} of {len(together)}: {run.key}")
            started = time.monotonic()
            if run in bases:
                bases[run].append(bench.measured(run))
            elif fresh[run.key]["error"] is None and not (run in long and turn >= _LONG_TURNS):
                _measure(bench, run, fresh[run.key])
                if time.monotonic() - started > _LONG_S and run.client not in ours:
                    long.add(run)
        _put_floors(planned, bases, fresh)
        record.save()


def _measure(bench: Bench, run: Run, entry: dict[str, Any]) -> None:
    """One run of a case into its entry."""
    try:
        entry["runs"].append(bench.measured(run))
    except (SystemExit, subprocess.TimeoutExpired) as exc:
        entry["error"] = f"failed: {exc}"
        _say(f"  FAILED: {exc}")


def _put_floors(planned: Plan, bases: dict[Run, list[Measured]], cases: dict[str, Any]) -> None:
    """Puts the medians of the floors beside the cases that were measured in the same run."""
    for run in planned.runs:
        floor = WORKS[run.work].floor
        cases[run.key]["floors"] = {
            base.client: medians(found)
            for base, found in bases.items()
            if (base.work, base.size) == (floor, run.size) and found
        }


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
