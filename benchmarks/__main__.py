"""`python -m benchmarks`: loading and fetching as whole processes, beside the least any client must do.

With `--families` every type family instead, beside the peers (`compare`).

Every case runs in a process of its own, the cases in turns, so that a slow minute of the machine falls on all of them;
the median counts. Server and client share the machine. Prints one Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pgfast
from pgfast.embedded import EmbeddedServer

from . import compare, wire
from .case import CASES, raw
from .compare import Measured
from .data import LINEITEM, Data, prepare
from .families import FAMILIES

ROOT: Final = Path(__file__).resolve().parent.parent
FLOORS: Final = {"rows": "floor out", "columns": "floor out"}
#: (case, implementation, most times the floor's wall time) as the project has promised them.
PROMISES: Final = (("Arrow table", "c", 1.15), ("list of tuples", "c", 1.6))
#: Cases whose memory must not follow the number of rows, and the megabytes they may take above the start.
FLAT: Final = ("generator", "CSV file", "Parquet file")
FLAT_MB: Final = 100
SETTINGS: Final = {"max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off", "shared_buffers": "512MB"}

Key = tuple[str, str]


def plan(implementations: list[str], only: list[str]) -> list[Key]:
    """(case, implementation) of every process of one turn; floors have no implementation."""
    cases = [case for case in CASES if not only or case in only or case.startswith("floor")]
    return [
        (case, implementation)
        for case in cases
        for implementation in (["-"] if case.startswith("floor") else implementations)
    ]


def run_case(key: Key, server: EmbeddedServer, data: Data) -> Measured:
    """One process of one case, on an empty target table and after a checkpoint."""
    case, implementation = key
    admin = raw(server.dsn)
    wire.query(admin, "truncate lineitem_in")
    wire.query(admin, "checkpoint")
    environment = {name: value for name, value in os.environ.items() if name != "PGFAST_IMPL"}
    if implementation != "-":
        environment["PGFAST_IMPL"] = implementation
    command = [sys.executable, "-m", "benchmarks.case", case, server.dsn, str(data.directory), str(data.rows)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmarks: {case} with {implementation} failed:\n{done.stderr}")
    measured: Measured = json.loads(done.stdout)
    if measured["size_bytes"]:  # a load: all of it must be there
        with pgfast.connect(server.dsn, autocommit=True) as conn:
            count = conn.execute("select count(*) from lineitem_in").fetchone()
        if count is None or count[0] != data.rows:
            raise SystemExit(f"benchmarks: {case} with {implementation} left {count} rows where {data.rows} are wanted")
    admin.close()
    return measured


def set_up(server: EmbeddedServer, data: Data) -> None:
    """The tables: one to read from, one to load into; and the file of frames for the floor."""
    sock = raw(server.dsn)
    for name in ("lineitem", "lineitem_in"):
        wire.query(sock, LINEITEM.format(name=name))
    with pgfast.connect(server.dsn, autocommit=True) as conn:
        conn.load("lineitem", data.parquet)
        conn.execute("vacuum analyze lineitem")
    wire.record_copy(sock, "copy lineitem to stdout (format binary)", data.copy_frames)
    sock.close()


def show(results: dict[Key, Measured], data: Data) -> None:
    """Prints the Markdown table."""
    size_mb = data.copy_frames.stat().st_size / 1e6
    print("| case | codec | wall s | times floor | rows/s | MB/s | client CPU s | peak MB | of it in the case |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for (case, implementation), found in results.items():
        wall = found["wall_s"]
        floor = results[(FLOORS.get(case, "floor out" if case == "floor out" else "floor in"), "-")]["wall_s"]
        cells = [case, implementation, f"{wall:.3f}", f"{wall / floor:.2f}", f"{data.rows / wall:,.0f}"]
        cells += [
            f"{size_mb / wall:,.0f}",
            f"{found['cpu_s']:.3f}",
            f"{found['peak_mb']:.0f}",
            f"{found['growth_mb']:.0f}",
        ]
        print("| " + " | ".join(cells) + " |")


def judge(results: dict[Key, Measured]) -> None:
    """Prints how the figures stand to what was promised."""
    floor = results[("floor in", "-")]["wall_s"]
    for case, implementation, most in PROMISES:
        if (case, implementation) in results:
            times = results[(case, implementation)]["wall_s"] / floor
            print(f"- {case}: {times:.2f} times the floor, at most {most}: {'kept' if times <= most else 'MISSED'}")
    for case in FLAT:
        for (name, implementation), found in results.items():
            if name == case:
                kept = "kept" if found["growth_mb"] <= FLAT_MB else "MISSED"
                grown = f"{found['growth_mb']:.0f} MB above the start, at most {FLAT_MB}"
                print(f"- {case} ({implementation}): {grown}: {kept}")


def arguments() -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, help="rows of each case (default: 1,000,000; of families 200,000)")
    parser.add_argument("--repeat", type=int, default=5, help="turns; the median counts")
    parser.add_argument("--quick", action="store_true", help="fewer rows, 3 turns: to see that it works")
    parser.add_argument("--codec", choices=("c", "python"), action="append", help="implementations (default: both)")
    parser.add_argument("--case", action="append", default=[], choices=[c for c in CASES if not c.startswith("floor")])
    parser.add_argument("--families", action="store_true", help="every type family beside the peers, instead")
    parser.add_argument("--family", action="append", default=[], choices=list(FAMILIES), help="of those, only this one")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "bench-data", help="where the files are kept")
    parsed = parser.parse_args()
    if parsed.quick:
        parsed.rows, parsed.repeat = parsed.rows or (20_000 if parsed.families else 100_000), 3
    parsed.rows = parsed.rows or (200_000 if parsed.families else 1_000_000)
    return parsed


def main() -> None:
    """Runs everything and prints the table."""
    wanted = arguments()
    if wanted.families:
        compare.main(wanted.codec or ["c", "python"], wanted.family, wanted.rows, wanted.repeat, SETTINGS)
        return
    data = prepare(wanted.data, wanted.rows)
    keys = plan(wanted.codec or ["c", "python"], wanted.case)
    runs: dict[Key, list[Measured]] = {key: [] for key in keys}
    with EmbeddedServer(settings=SETTINGS) as server:
        set_up(server, data)
        for turn in range(wanted.repeat):
            for key in keys:
                print(f"turn {turn + 1} of {wanted.repeat}: {key[0]} {key[1]}", file=sys.stderr, flush=True)
                runs[key].append(run_case(key, server, data))
        source = server.installation.source if server.installation else ""
    results = {key: compare.medians(found) for key, found in runs.items()}
    print(
        f"\nTPC-H lineitem, the first {data.rows:,} rows of scale factor {data.rows / 6_001_215 * 1.02:.3f}, "
        f"{data.copy_frames.stat().st_size / 1e6:,.1f} MB as binary COPY; median of {wanted.repeat}; "
        f"pgfast {pgfast.__version__}, Python {platform.python_version()}, {source}, {os.cpu_count()} cores\n"
    )
    show(results, data)
    print()
    judge(results)


if __name__ == "__main__":
    main()
