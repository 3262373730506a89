"""`python -m benchmarks --families`: rows a second of every type family, beside the peers, as whole processes.

The clients take turns, family by family; the median counts. Server and client share the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pgfast
from pgfast.embedded import EmbeddedServer

from .families import FAMILIES
from .peer import CLIENTS, DIRECTIONS, source, target

ROOT: Final = Path(__file__).resolve().parent.parent
PEERS: Final = tuple([client for client in CLIENTS if client != "pgfast"])

Measured = dict[str, float]
#: Family, client, implementation ("-" for peers), direction.
Key = tuple[str, str, str, str]


def plan(implementations: list[str], only: list[str]) -> list[Key]:
    """Every process of one turn."""
    clients = [("pgfast", implementation) for implementation in implementations] + [(peer, "-") for peer in PEERS]
    return [
        (family, client, implementation, direction)
        for family in FAMILIES
        if not only or family in only
        for direction in DIRECTIONS
        for client, implementation in clients
    ]


def set_up(dsn: str, keys: list[Key], rows: int) -> None:
    """The types and tables of the families: one to read from, one to load into."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        for name in dict.fromkeys([key[0] for key in keys]):
            family = FAMILIES[name]
            if family.setup:
                conn.execute(family.setup)
            conn.execute(family.table(source(name)))
            conn.execute(family.table(target(name)))
            conn.load(source(name), family.rows(rows // family.weight))
            conn.execute(f"vacuum analyze {source(name)}")


def run_case(key: Key, dsn: str, rows: int) -> Measured:
    """One process of one case, on an empty target table and after a checkpoint."""
    name, client, implementation, direction = key
    count = rows // FAMILIES[name].weight
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute(f"truncate {target(name)}")
        conn.execute("checkpoint")
    environment = {variable: value for variable, value in os.environ.items() if variable != "PGFAST_IMPL"}
    if implementation != "-":
        environment["PGFAST_IMPL"] = implementation
    command = [sys.executable, "-m", "benchmarks.peer", name, client, direction, dsn, str(count)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmarks: {key} failed:\n{done.stderr}")
    measured: Measured = json.loads(done.stdout)
    if measured["rows"] != count:
        raise SystemExit(f"benchmarks: {key} moved {measured['rows']} rows where {count} are wanted")
    return measured


def medians(runs: list[Measured]) -> Measured:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def paces(found: Measured) -> tuple[float, float]:
    """Rows a second, and rows a second of the client's own CPU."""
    return found["rows"] / found["wall_s"], found["rows"] / max(found["cpu_s"], 1e-6)


def shown(results: dict[Key, Measured]) -> dict[str, Any]:
    """Rows of the page's table, and where the compiled codec is not ahead of every peer."""
    behind: dict[str, list[str]] = {"rows/s": [], "rows/CPU s": []}
    rows = []
    for (name, client, implementation, direction), found in results.items():
        peers = [paces(results[(name, peer, "-", direction)]) for peer in PEERS]
        cells = [name, direction, "pgfast (pure)" if implementation == "python" else client]
        for what, pace, others in zip(behind, paces(found), zip(*peers, strict=True), strict=True):
            times = pace / max(others)
            cells += [f"{pace:,.0f}", f"{times:.2f}"]
            if (client, implementation) == ("pgfast", "c") and times <= 1:
                behind[what].append(f"{name}, {direction}: {times:.2f}")
        rows.append([*cells, f"{found['peak_mb']:.0f}", f"{found['growth_mb']:.0f}"])
    said = [f"{what} behind a peer: {'; '.join(where) or 'nowhere'}." for what, where in behind.items()]
    return {"rows": rows, "behind": said}


def measure(only: list[str], rows: int, repeat: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Runs everything; what the page shows of it."""
    keys = plan(["c", "python"], only)
    runs: dict[Key, list[Measured]] = {key: [] for key in keys}
    with EmbeddedServer(settings=settings) as server:
        set_up(server.dsn, keys, rows)
        for turn in range(repeat):
            for key in keys:
                print(f"benchmarks: turn {turn + 1} of {repeat}: {' '.join(key)}", file=sys.stderr, flush=True)
                runs[key].append(run_case(key, server.dsn, rows))
    about = (
        f"{rows:,} rows (less where a family's rows are long), all fetched or all loaded by one statement; median of "
        f"{repeat} turns."
    )
    return {"about": about, **shown({key: medians(found) for key, found in runs.items()})}
