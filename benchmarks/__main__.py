"""`python -m benchmarks`: every work with pgfast, its peers and the floors; writes docs/benchmarks.md and .html.

python -m benchmarks                            everything, about 25 minutes on two cores
python -m benchmarks --quick                    fewer rows and turns, about two minutes; the page goes to build/
python -m benchmarks --only point --peer psycopg   pgfast and one peer in one work, merged into the last results
python -m benchmarks page                       the page again from the last results, nothing measured
python -m benchmarks families                   every family of types beside psycopg and asyncpg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pgfast.embedded import EmbeddedServer, find_installation

from . import about, data, environment, family_group, floors, growth, instructions, page, runner, tables
from .clients import every_case
from .document import markdown
from .environment import Environment
from .families import FAMILIES
from .runner import CHECK_ROWS, ROOT, Bench, Record, Sizes
from .works import WORKS

BUILD: Final = ROOT / "build"
_QUICK: Final = 20


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ("run", "page", "families", "growth", "instructions")
    parser.add_argument("command", nargs="?", default="run", choices=commands)
    parser.add_argument("--quick", action="store_true", help=f"a {_QUICK}th of everything, one turn, the works alone")
    parser.add_argument("--divisor", type=int, default=0, help="do this part of everything")
    parser.add_argument("--repeat", type=int, default=0, help="turns; the median counts (default: 5)")
    parser.add_argument(
        "--only", action="append", default=[], choices=list(WORKS), metavar="WORK", help="this work only"
    )
    clients = [client.name for client in every_case()]
    parser.add_argument(
        "--peer", action="append", default=[], choices=clients, metavar="CLIENT", help="of the peers only this one"
    )
    parser.add_argument("--pgfast-only", action="store_true", help="no peers at all")
    parser.add_argument("--growth-max", type=int, default=6, metavar="N", help="growth up to 10**N rows (default: 6)")
    parser.add_argument(
        "--family", action="append", default=[], choices=list(FAMILIES), help="of the families only this"
    )
    return parser.parse_args(given)


@contextmanager
def running(wanted: argparse.Namespace, sizes: set[int], peers: Environment | None) -> Iterator[Bench]:
    """A server with the tables that are not read, and the files of so many rows."""
    files = data.prepare(BUILD / "bench-data", sorted({CHECK_ROWS, *sizes}))
    installation = find_installation()
    with EmbeddedServer(installation, settings=dict(tables.SETTINGS)) as server:
        tables.set_up(server.dsn)
        psql = Path(installation.program("psql"))
        yield Bench(server.dsn, files, floors.compiled(BUILD), peers, str(psql) if psql.exists() else "")


def measure(wanted: argparse.Namespace, record: Record) -> None:
    """Every work with every client, into the record."""
    peers = None if wanted.pgfast_only else environment.prepare(BUILD / "bench-peers")
    sizes = Sizes(wanted.divisor or (_QUICK if wanted.quick else 1))
    clients = [client.name for client in every_case() if client.ours] + wanted.peer if wanted.peer else []
    planned = runner.plan(peers, sizes, wanted.only, clients)
    rows = planned.rows()
    repeat = wanted.repeat or (1 if wanted.quick else 5)
    with running(wanted, {size for found in rows.values() for size in found}, peers) as bench:
        for table, found in rows.items():
            for size in found:
                tables.fill(bench.dsn, table, bench.data[size])
        tables.expect(bench.dsn, bench.data[CHECK_ROWS], wanted.only or WORKS)
        record.content["about"] = about.describe(bench, repeat)
        runner.run_all(bench, planned, repeat, record)


def measure_growth(wanted: argparse.Namespace, record: Record) -> None:
    """The growth group, into the record."""
    least = 3 if wanted.divisor > 1 else 4
    sizes = [10**power for power in range(least, (least + 1 if wanted.divisor > 1 else wanted.growth_max) + 1)]
    values = growth.VALUES // (wanted.divisor or 1)
    with running(wanted, set(sizes), None) as bench:
        for table in {growth.work_of(name).table for name in growth.ROW_WORKS}:
            for size in sizes:
                tables.fill(bench.dsn, table, bench.data[size])
        growth.make_wide(bench.dsn, values, BUILD / "bench-data")
        steps = growth.row_steps(sizes, bench.data)
        steps += growth.wide_steps(values, BUILD / "bench-data", CHECK_ROWS)
        record.content.setdefault("about", about.describe(bench, 0))["values"] = values
        growth.run_all(bench, steps, wanted.repeat or 3, record)


def measure_instructions(wanted: argparse.Namespace, record: Record) -> None:
    """The instruction counts, into the record."""
    with running(wanted, set(), None) as bench:
        record.content["instructions"] = instructions.measure(bench.dsn)
    record.save()


def measure_families(wanted: argparse.Namespace, record: Record) -> None:
    """The families of types, into the record."""
    peers = None if wanted.pgfast_only else environment.prepare(BUILD / "bench-peers")
    rows, repeat = (20_000, 1) if wanted.quick else (200_000, 5)
    with running(wanted, set(), peers) as bench:
        record.content["families"] = family_group.measure(
            bench, wanted.family, rows // (wanted.divisor or 1), wanted.repeat or repeat
        )
        record.content.setdefault("about", about.describe(bench, 0))
    record.save()


GROUPS: Final = {"growth": measure_growth, "instructions": measure_instructions, "families": measure_families}


def main() -> None:
    """Does what the command line says."""
    wanted = arguments()
    place = BUILD / "bench" / ("quick" if wanted.quick or wanted.divisor > 1 else "full")
    record = Record.open(place / "results.json")
    try:
        if wanted.command == "run":
            measure(wanted, record)
            if not (wanted.quick or wanted.only or wanted.peer or wanted.divisor > 1):
                measure_growth(wanted, record)
                measure_instructions(wanted, record)
        elif wanted.command != "page":
            GROUPS[wanted.command](wanted, record)
    finally:  # a run that is broken off still gives a page
        if record.content:
            paths = page.write(record.content, ROOT / "docs" if place.name == "full" else place)
            print(f"benchmarks: the page is {paths[0]} and {paths[1]}", file=sys.stderr)
    if wanted.only:
        found = page.results(record.content)
        print(markdown([page.work_table(found, work) for work in wanted.only]))


if __name__ == "__main__":
    main()
