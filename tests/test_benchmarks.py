"""The benchmarks work: every case of pgfast's own does what it says, and a record becomes a page.

Nothing is timed here. Each implementation's cases are checked in the run of that implementation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgfast
from benchmarks import data, floors, page, runner, tables
from benchmarks.clients import every_case
from benchmarks.floors import FLOOR
from benchmarks.runner import CHECK_ROWS, Bench, Record, Run, Sizes
from benchmarks.targets import TARGETS
from benchmarks.works import GROWTH, WORKS
from pgfast.embedded import EmbeddedServer

CLIENTS = {"c": ("pgfast", "pgfast (asyncio)", "pgfast (uvloop)"), "python": ("pgfast (pure)",)}[pgfast.IMPLEMENTATION]
PEERS = Path(page.__file__).with_name("peers")
RUNS = [run for run in runner.plan(None, Sizes(10**9), (), CLIENTS).runs if run.work not in GROWTH]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    place = tmp_path_factory.mktemp("bench")
    files = data.prepare(place, [CHECK_ROWS])
    with EmbeddedServer(settings=dict(tables.SETTINGS)) as server:
        tables.set_up(server.dsn)
        for table in ("lineitem", "lineitem_float8", "four"):
            tables.fill(server.dsn, table, files[CHECK_ROWS])
        tables.expect(server.dsn, files[CHECK_ROWS], WORKS)
        yield Bench(server.dsn, files, floors.compiled(place), None)


@pytest.mark.parametrize("run", RUNS, ids=[f"{run.work}-{run.client}" for run in RUNS])
def test_a_case_does_what_it_says(bench: Bench, run: Run) -> None:
    assert bench.checked(run) is None


def test_a_check_sees_a_wrong_row(bench: Bench) -> None:
    name = tables.target("lineitem")
    with tables.connect(bench.dsn) as conn:
        conn.execute(f"truncate {name}")
        conn.execute(f"insert into {name} select * from {tables.source('lineitem', CHECK_ROWS)}")
        conn.execute(f"update {name} set l_tax = l_tax + 0.01 where ctid = '(0,1)'")
    wrong = tables.compare(bench.dsn, "load arrow", name, bench.data[CHECK_ROWS])
    assert wrong is not None and wrong.startswith("2 rows differ")


def test_the_floor_in_python_does_what_the_one_in_c_does(bench: Bench) -> None:
    python = floors.FloorProgram(floors.PYTHON, "Python")
    for name in {work.floor for work in WORKS.values()}:
        table = next((work.table for work in WORKS.values() if work.floor == name), "")
        frames = bench.data[CHECK_ROWS].frames(table)
        arguments = floors.request(
            name, FLOOR, 2, tables.source(table, CHECK_ROWS), tables.target(table) if table else "", frames
        )
        for program in (bench.floor, python):
            assert program.run(arguments, bench.dsn)["wall_s"] > 0


def test_a_record_becomes_a_page(bench: Bench, tmp_path: Path) -> None:
    planned = runner.plan(None, Sizes(10**9), ("columns float8", "point"), CLIENTS[:1])
    record = Record(tmp_path / "results.json")
    runner.run_all(bench, planned, 1, record)
    written = page.write(Record.open(record.path).content, tmp_path)
    text, drawn = (path.read_text() for path in written)
    assert "## Where pgfast loses" in text and f"| {CLIENTS[0]} | fetch_columns().to_arrow() |" in text
    assert "<svg" in drawn and "<script" not in drawn


def test_targets_and_cases_name_works_that_are_there() -> None:
    assert {target.work for target in TARGETS} <= set(WORKS)
    cases = {client.name: set(works) for client, works in every_case().items()}
    assert set().union(*cases.values()) == {*WORKS, *GROWTH}
    assert all(target.work in cases[target.client] for target in TARGETS)


@pytest.mark.parametrize("path", sorted(PEERS.glob("*.py")), ids=lambda path: path.stem)
def test_peers_do_not_import_pgfast(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        assert not [name for name in names if name.partition(".")[0] == "pgfast"]
