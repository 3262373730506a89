"""`pgfast demo`: TPC-H lineitem into a server of its own and back, every sum checked, compiled beside pure.

Law of this file: what is expected comes from the source files, read by others (pyarrow, the csv module); what was
loaded is asked of the server; what was read back is added up from the values received. All three must agree to the last
digit, or the demonstration fails.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import pgfast

from ..embedded import EmbeddedServer
from ..errors import Error
from . import show

#: Columns that are added up, and the text column whose characters are counted.
SUMMED: Final = ("l_orderkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax")
TEXT: Final = "l_comment"
FORMATS: Final = ("parquet", "csv")
NAMES: Final = {"c": "compiled", "python": "pure Python"}
#: (seconds, megabytes) of each step.
Measured: TypeAlias = dict[str, tuple[float, float]]
_STEPS: Final = ("Parquet -> table", "CSV -> table", "table -> rows", "table -> columns")


class DemonstrationFailed(Error):
    """Numbers disagree, or a part of the demonstration could not run."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What identifies the data: number of rows, exact sums, characters of comments."""

    rows: int
    sums: tuple[Decimal, ...]
    characters: int

    def as_json(self) -> list[Any]:
        """Plain values, decimals as text, for another process."""
        return [self.rows, [str(value) for value in self.sums], self.characters]

    @staticmethod
    def from_json(value: list[Any]) -> Totals:
        """The totals that `as_json` wrote."""
        return Totals(int(value[0]), tuple(Decimal(text) for text in value[1]), int(value[2]))


@dataclass(slots=True)
class Adder:
    """Totals under way, for rows of Python values."""

    rows: int = 0
    characters: int = 0
    sums: list[Decimal] | None = None

    def add(self, values: list[Any], text: str) -> None:
        """Counts one row: the values of the SUMMED columns, and the comment."""
        if self.sums is None:
            self.sums = [Decimal(0)] * len(SUMMED)
        for index, value in enumerate(values):
            self.sums[index] += value
        self.rows += 1
        self.characters += len(text)

    def totals(self) -> Totals:
        """What was counted."""
        return Totals(self.rows, tuple(self.sums or [Decimal(0)] * len(SUMMED)), self.characters)


def totals_of_table(table: Any) -> Totals:
    """Totals of a pyarrow table, added up by pyarrow."""
    import pyarrow
    import pyarrow.compute

    sums = tuple(Decimal(str(pyarrow.compute.sum(table[name]).as_py() or 0)) for name in SUMMED)
    lengths = pyarrow.compute.utf8_length(table[TEXT].cast(pyarrow.string()))
    return Totals(table.num_rows, sums, int(pyarrow.compute.sum(lengths).as_py() or 0))


def totals_of_csv(path: Path) -> Totals:
    """Totals of a CSV file, read by the csv module and added up by decimal."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        summed, text = [header.index(name) for name in SUMMED], header.index(TEXT)
        adder = Adder()
        for row in reader:
            adder.add([Decimal(row[index]) for index in summed], row[text])
    return adder.totals()


def totals_of_server(conn: Any, table: str) -> Totals:
    """Totals of a table, added up by the server."""
    sums = ", ".join(f"sum({name})::numeric" for name in SUMMED)
    row = conn.execute(f"select count(*), {sums}, sum(char_length({TEXT})) from {table}").fetchone()
    return Totals(row[0], tuple(row[1:-1]), row[-1])


# ---------------------------------------------------------------- the steps


def generate(scale: float, format_: str, directory: Path) -> Path:
    """The lineitem file of the TPC generator."""
    beside = str(Path(sys.executable).parent)  # where pip puts it, also when the environment is not activated
    program = shutil.which("tpchgen-cli", path=os.pathsep.join([beside, *os.get_exec_path()]))
    if program is None:
        raise ImportError("the demonstration needs tpchgen-cli: pip install 'pgfast[demo]'")
    command = [program, format_, "--scale-factor", str(scale), "--tables", "lineitem", "--output-dir", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path = directory / f"lineitem.{format_}"
    if done.returncode or not path.exists():
        raise DemonstrationFailed(f"tpchgen-cli failed: {done.stderr.strip()[-500:]}")
    return path


def run_part(implementation: str, *arguments: str) -> dict[str, Any]:
    """The JSON that one of our own processes prints, run with one implementation."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PGFAST_IMPL": implementation},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise DemonstrationFailed(f"{arguments[0]} with the {NAMES[implementation]} codec failed: {said[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["implementation"] != implementation:
        raise DemonstrationFailed(f"the {NAMES[implementation]} codec was wanted, {found['implementation']} ran")
    return found


def check(what: str, found: Totals, expected: Totals) -> None:
    """Fails when the totals disagree."""
    if found != expected:
        raise DemonstrationFailed(f"{what}: {found} where the source file has {expected}")


def measure(server: EmbeddedServer, files: dict[str, Path], expected: Totals, implementation: str) -> Measured:
    """(seconds, megabytes) of each step with one implementation, everything checked."""
    results: Measured = {}
    size_mb = 0.0
    for step, format_ in zip(_STEPS, FORMATS):  # noqa: B905  (the reading steps follow)
        table = f"lineitem_{format_}_{implementation}"
        options = ("--to", server.dsn, "--table", table, "--create", "--json")
        report = run_part(implementation, "pgfast.cli", "load", str(files[format_]), *options)
        size_mb = report["size_bytes"] / 1e6
        results[step] = (report["seconds"], size_mb)
        with pgfast.connect(server.dsn, autocommit=True) as conn:
            check(f"{step}, {NAMES[implementation]}, as the server adds it up", totals_of_server(conn, table), expected)
        print(f"{NAMES[implementation]}: {step}, {report['seconds']:.2f} s, checked", flush=True)
    for step, mode in zip(_STEPS[2:], ("rows", "columns"), strict=True):
        found = run_part(implementation, "pgfast.cli.readback", server.dsn, f"lineitem_parquet_{implementation}", mode)
        results[step] = (found["seconds"], size_mb)
        check(f"{step}, {NAMES[implementation]}", Totals.from_json(found["totals"]), expected)
        print(f"{NAMES[implementation]}: {step}, {found['seconds']:.2f} s, checked", flush=True)
    return results


def run_demo(scale: float, pure: bool) -> None:
    """The whole demonstration; prints what it does and a table at the end."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ImportError("the demonstration needs pyarrow: pip install 'pgfast[demo]'")
    import pyarrow.parquet

    implementations = ("c", "python") if pure else ("c",)
    with tempfile.TemporaryDirectory(prefix="pgfast-demo-") as name:
        directory = Path(name)
        files = {format_: generate(scale, format_, directory) for format_ in FORMATS}
        expected = totals_of_table(pyarrow.parquet.read_table(files["parquet"]))
        for format_, path in files.items():
            print(f"TPC-H lineitem, scale factor {scale}: {path.name}, {path.stat().st_size:,} bytes")
            if format_ == "csv":
                check("the CSV file", totals_of_csv(path), expected)
        print(f"source: {expected.rows:,} rows, sum(l_extendedprice) = {expected.sums[2]:,}")
        with EmbeddedServer(settings={"max_wal_size": "4GB"}) as server:
            with pgfast.connect(server.dsn, autocommit=True) as conn:
                version = conn.info.parameters["server_version"]
            source = server.installation.source if server.installation else ""
            print(f"server: PostgreSQL {version} ({source}), started for this", flush=True)
            results = {name: measure(server, files, expected, name) for name in implementations}
    print(f"all of {len(results) * len(_STEPS)} loads and reads agree with the source file in rows and sums")
    _print_results(expected.rows, results)


def _print_results(rows: int, results: dict[str, Measured]) -> None:
    """The table at the end: each step, rows/s and MB/s of each implementation, and how they compare."""
    header = ["lineitem"]
    for name in results:
        header += [f"{NAMES[name]} rows/s", "MB/s"]
    if len(results) == 2:
        header.append("times as fast")
    lines = []
    for step in _STEPS:
        line = [step]
        for measured in results.values():
            seconds, size_mb = measured[step]
            line += [show.rate(rows, seconds), show.rate(size_mb, seconds)]
        if len(results) == 2:
            line.append(f"{results['python'][step][0] / results['c'][step][0]:.1f}")
        lines.append(line)
    show.console().print(show.table(header, lines, frozenset(range(1, len(header)))))
    print("MB are those of the table in binary COPY; server and client share this machine")
