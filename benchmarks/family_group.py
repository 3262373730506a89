"""The families group: rows a second of every family of types, fetched and loaded, beside psycopg and asyncpg.

Law of this file: as of `runner`: processes of their own, in turns; what was loaded is compared with what was read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from . import tables
from .case import Measured
from .clients import PEERS, Client
from .families import FAMILIES
from .our_families import ours
from .runner import CHECK_ROWS, Bench, medians

_OWN: Final = "benchmarks.our_families"
CLIENTS: Final = (
    Client("pgfast", _OWN),
    Client("pgfast (pure)", _OWN),
    *[Client(name, f"{PEERS}family_clients") for name in ("psycopg", "psycopg (text)", "asyncpg")],
)
DIRECTIONS: Final = ("fetch", "load")
#: Family, direction, client.
Key = tuple[str, str, Client]


def source(name: str) -> str:
    """The table that is read."""
    return f"bench_out_{list(FAMILIES).index(name)}"


def target(name: str) -> str:
    """The table that is loaded."""
    return f"bench_in_{list(FAMILIES).index(name)}"


def set_up(dsn: str, only: Iterable[str], rows: int) -> None:
    """The types and tables of the families: one to read from, one to load into."""
    with tables.connect(dsn) as conn:
        for name in only:
            family = FAMILIES[name]
            if family.setup:
                conn.execute(family.setup)
            conn.execute(family.table(source(name)))
            conn.execute(family.table(target(name)))
            conn.load(source(name), [tuple(map(ours, row)) for row in family.rows(rows // family.weight)])
            conn.execute(f"vacuum analyze {source(name)}")


def run_case(bench: Bench, key: Key, rows: int) -> Measured:
    """One process of one case, on an empty target table and after a checkpoint; rows/s of wall and CPU time in it.

    Raises SystemExit when it failed, or loaded something else than was read.
    """
    name, direction, client = key
    count = rows // FAMILIES[name].weight
    with tables.connect(bench.dsn) as conn:
        conn.execute(f"truncate {target(name)}")
        conn.execute("checkpoint")
    found: Measured = bench.process(client, f"{direction} {name}", count, CHECK_ROWS, source(name), target(name))
    if direction == "load":
        differ = " union all ".join(
            f"(select t::text from {one} t except all select t::text from {other} t)"
            for one, other in ((source(name), target(name)), (target(name), source(name)))
        )
        with tables.connect(bench.dsn) as conn:
            (wrong,) = conn.execute(f"select count(*) from ({differ}) d").fetchone()
        if wrong:
            raise SystemExit(f"{client.name} loaded {wrong} rows of {name} that are not what was read")
    return {**found, "rows_s": count / found["wall_s"], "rows_cpu_s": count / max(found["cpu_s"], 1e-6)}


def measure(bench: Bench, only: list[str], rows: int, repeat: int) -> dict[str, Any]:
    """Runs everything; what the page shows of it. A client that fails in a family is named with its reason."""
    names = only or list(FAMILIES)
    set_up(bench.dsn, names, rows)
    clients = [client for client in CLIENTS if client.module == _OWN or bench.peers is not None]
    keys = [(name, direction, client) for name in names for direction in DIRECTIONS for client in clients]
    runs: dict[Key, list[Measured]] = {key: [] for key in keys}
    failed: dict[Key, str] = {}
    for turn in range(repeat):
        for name, direction, client in keys:
            what = f"{direction} {name}: {client.name}"
            print(f"benchmarks: turn {turn + 1} of {repeat}: {what}", file=sys.stderr, flush=True)
            try:
                runs[name, direction, client].append(run_case(bench, (name, direction, client), rows))
            except SystemExit as exc:
                failed[name, direction, client] = f"{what} failed: {exc}"
    about = (
        f"{rows:,} rows (less where a family's rows are long), all fetched or all loaded by one statement; median of "
        f"{repeat} turns."
    )
    results = {key: medians(found) for key, found in runs.items() if key not in failed}
    return {"about": about, **shown(results), "failed": list(failed.values())}


def shown(results: dict[Key, Measured]) -> dict[str, Any]:
    """Rows of the page's table, and where the compiled codec is not ahead of every peer."""
    behind: dict[str, list[str]] = {"rows_s": [], "rows_cpu_s": []}
    rows = []
    for (name, direction, client), found in results.items():
        cells = [name, direction, client.name]
        for figure, where in behind.items():
            peers = [
                other[figure]
                for (family, way, whose), other in results.items()
                if (family, way) == (name, direction) and whose.module != _OWN
            ]
            times = found[figure] / max(peers) if peers else 0.0
            cells += [f"{found[figure]:,.0f}", f"{times:.2f}" if peers else ""]
            if client.name == "pgfast" and peers and times <= 1:
                where.append(f"{name}, {direction}: {times:.2f}")
        rows.append([*cells, f"{found['peak_mb']:.0f}", f"{found['growth_mb']:.0f}"])
    words = {"rows_s": "rows/s", "rows_cpu_s": "rows/CPU s"}
    said = [f"{words[figure]} behind a peer: {'; '.join(where) or 'nowhere'}." for figure, where in behind.items()]
    return {"rows": rows, "behind": said}
