"""`python -m benchmarks`: every work with pgfast, its peers and the floors; writes docs/benchmarks.md and .html.

python -m benchmarks                            everything, about 25 minutes on two cores
python -m benchmarks --quick                    fewer rows and turns, about two minutes; the page goes to build/
python -m benchmarks --only point --peer psycopg   pgfast and one peer in one work, merged into the last results
python -m benchmarks page                       the page again from the last results, nothing measured
python -m benchmarks families                   every family of types beside psycopg and asyncpg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from pgfast.embedded import EmbeddedServer, find_installation

from . import compare, data, environment, floors, page, runner, tables
from .clients import every_case
from .families import FAMILIES
from .runner import CHECK_ROWS, ROOT, Bench, Record, Sizes
from .works import WORKS

BUILD: Final = ROOT / "build"
_QUICK: Final = 20


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", default="run", choices=("run", "page", "families"))
    parser.add_argument("--quick", action="store_true", help=f"a {_QUICK}th of the rows, 3 turns")
    parser.add_argument("--divisor", type=int, default=0, help="do this part of everything")
    parser.add_argument("--repeat", type=int, default=0, help="turns; the median counts (default: 5)")
    parser.add_argument(
        "--only", action="append", default=[], choices=list(WORKS), metavar="WORK", help="this work only"
    )
    clients = [client.name for client in every_case()]
    parser.add_argument(
        "--peer", action="append", default=[], choices=clients, metavar="CLIENT", help="of the peers only this one"
    )
    parser.add_argument(
        "--family", action="append", default=[], choices=list(FAMILIES), help="of the families only this"
    )
    parser.add_argument("--pgfast-only", action="store_true", help="no peers at all")
    return parser.parse_args()


def measure(wanted: argparse.Namespace, record: Record) -> None:
    """Sets everything up and runs the plan into the record."""
    peers = None if wanted.pgfast_only else environment.prepare(BUILD / "bench-peers")
    sizes = Sizes(wanted.divisor or (_QUICK if wanted.quick else 1))
    clients = [client.name for client in every_case() if client.ours] + wanted.peer if wanted.peer else []
    planned = runner.plan(peers, sizes, wanted.only, clients)
    rows = planned.rows()
    files = data.prepare(
        BUILD / "bench-data", sorted({CHECK_ROWS, *(size for found in rows.values() for size in found)})
    )
    installation = find_installation()
    with EmbeddedServer(installation, settings=dict(tables.SETTINGS)) as server:
        tables.set_up(server.dsn)
        for table, found in rows.items():
            for size in found:
                tables.fill(server.dsn, table, files[size])
        tables.expect(server.dsn, files[CHECK_ROWS], list(WORKS) if not wanted.only else wanted.only)
        psql = Path(installation.program("psql"))
        bench = Bench(server.dsn, files, floors.compiled(BUILD), peers, str(psql) if psql.exists() else "")
        runner.run_all(bench, planned, wanted.repeat or (3 if wanted.quick else 5), record)


def main() -> None:
    """Does what the command line says."""
    wanted = arguments()
    if wanted.command == "families":
        rows, repeat = (20_000, 3) if wanted.quick else (200_000, 5)
        compare.main(["c", "python"], wanted.family, rows, wanted.repeat or repeat, dict(tables.SETTINGS))
        return
    place = BUILD / "bench" / ("quick" if wanted.quick else "full")
    record = Record.open(place / "results.json")
    if wanted.command == "run":
        measure(wanted, record)
    markdown = place / "benchmarks.md"
    page.write(record.content, markdown)
    print("\n".join(page.table(record.content, wanted.only or list(WORKS))))


if __name__ == "__main__":
    main()
