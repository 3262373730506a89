"""`python -m benchmarks.loader`: what each manner of loading costs, beside psql or beside the plainest manner.

A million rows (int, text, numeric, date) are loaded by turns in every manner, and the median counts: into a plain
table, or into one with a primary key, NOT NULL and CHECK, which is called guarded. Times are in
seconds of the wall, and of the processor for client and server together (user and system), which tells more where
others use the machine too. With --write the table goes into docs/loading.md.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pgfast
from pgfast.embedded import EmbeddedServer, find_installation

from . import tables

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "loading.md"
PLACE: Final = ROOT / "build" / "bench-loader"
ROWS: Final = 1_000_000
TURNS: Final = 3
#: A table that takes whatever is of its types, and one that looks at each row.
PLAIN: Final = "(id int, name text, amount numeric(15,2), day date)"
GUARDED: Final = "(id int primary key, name text not null, amount numeric(15,2) check (amount >= 0), day date)"
_MARKED: Final = re.compile(r"(<!-- loads -->\n).*?(<!-- end of loads -->)", re.DOTALL)
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_COPY: Final = r"\copy {} from '{}' with (format csv, header)"
_UPSERT: Final = (
    "begin; create temp table stage (like t) on commit drop;",
    "insert into t select * from stage on conflict (id) do update "
    "set name = excluded.name, amount = excluded.amount, day = excluded.day; commit;",
)


@dataclass(frozen=True, slots=True)
class Manner:
    """A way to load: its name, what it is compared with, how many times that it may cost, and what it does.

    `there` says that the rows are in the table already.
    """

    name: str
    against: str
    most: float | None
    run: Callable[[Bench], None]
    table: str = PLAIN
    there: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """The server, its programs and the files."""

    dsn: str
    psql: str
    rows: int

    def path(self, name: str) -> Path:
        """One of the files."""
        return PLACE / f"{self.rows}" / name

    def load(self, name: str, **settings: Any) -> None:
        """By pgfast."""
        pgfast.load(self.dsn, "t", self.path(name), **settings)

    def run_psql(self, *commands: str) -> None:
        """By psql, in one session."""
        text = "\n".join(commands)
        subprocess.run([self.psql, "-Xq", "-v", "ON_ERROR_STOP=1", self.dsn], input=text, text=True, check=True)


def _upsert_by_hand(bench: Bench) -> None:
    bench.run_psql(_UPSERT[0], _COPY.format("stage", bench.path("clean.csv")), _UPSERT[1])


def _rejects(bench: Bench) -> str:
    return str(bench.path("rejects.jsonl"))


def _new_name() -> str:
    return f"bench {time.monotonic_ns()}"


_GUARDED_COPY: Final = "psql \\copy, guarded"
_GUARDED_CSV: Final = "CSV, on_error='reject', guarded"
_UPSERT_NAME: Final = "upsert by psql: temporary table, \\copy, INSERT ... ON CONFLICT"

MANNERS: Final = (
    Manner("psql \\copy", "", None, lambda b: b.run_psql(_COPY.format("t", b.path("clean.csv")))),
    Manner("CSV", "psql \\copy", 1 / 1.5, lambda b: b.load("clean.csv")),
    Manner("CSV, on_error='reject'", "psql \\copy", 1 / 1.5, lambda b: b.load("clean.csv", on_error="reject")),
    Manner("CSV, resume=", "CSV", 1.02, lambda b: b.load("clean.csv", resume=_new_name())),
    Manner("CSV, jobs=2", "CSV", None, lambda b: b.load("clean.csv", jobs=2)),
    Manner("CSV, jobs=2, resume=", "CSV", None, lambda b: b.load("clean.csv", jobs=2, resume=_new_name())),
    Manner("Parquet", "psql \\copy", 1 / 1.5, lambda b: b.load("clean.parquet")),
    Manner(_GUARDED_COPY, "", None, lambda b: b.run_psql(_COPY.format("t", b.path("clean.csv"))), GUARDED),
    Manner(_GUARDED_CSV, _GUARDED_COPY, None, lambda b: b.load("clean.csv", on_error="reject"), GUARDED),
    Manner(
        "CSV, half the rows bad, guarded",
        _GUARDED_CSV,
        5.0,
        lambda b: b.load("storm.csv", rejects=_rejects(b)),
        GUARDED,
    ),
    Manner(_UPSERT_NAME, "", None, _upsert_by_hand, GUARDED, there=True),
    Manner(
        "on_conflict='update'",
        _UPSERT_NAME,
        1.3,
        lambda b: b.load("clean.csv", on_conflict="update"),
        GUARDED,
        there=True,
    ),
)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--write", action="store_true", help="write the table into docs/loading.md")
    asked = parser.parse_args()
    installation = find_installation()
    with EmbeddedServer(installation, settings=dict(tables.SETTINGS)) as server:
        bench = Bench(server.dsn, installation.program("psql"), asked.rows)
        _write_files(bench)
        found = _measure(bench, asked.turns)
    shown = _table(found, asked.rows, asked.turns)
    print(shown)
    if asked.write:
        PAGE.write_text(_MARKED.sub(lambda match: match[1] + shown + match[2], PAGE.read_text("utf-8")), "utf-8")


# ---------------------------------------------------------------- files and turns


def _write_files(bench: Bench) -> None:
    """The source, with good rows and with half of them bad in five ways, where it is not there."""
    import pyarrow.csv
    import pyarrow.parquet

    bench.path("").mkdir(parents=True, exist_ok=True)
    for name, bad in (("clean.csv", False), ("storm.csv", True)):
        if not bench.path(name).exists():
            lines = [_line(number, bad and number % 2 == 1) for number in range(bench.rows)]
            bench.path(name).write_text("id,name,amount,day\n" + "".join(lines), "utf-8")
    if not bench.path("clean.parquet").exists():
        decimals = pyarrow.csv.ConvertOptions(column_types={"amount": pyarrow.decimal128(15, 2)})
        table = pyarrow.csv.read_csv(bench.path("clean.csv"), convert_options=decimals)
        pyarrow.parquet.write_table(table, bench.path("clean.parquet"))


def _line(number: int, bad: bool) -> str:
    key, name, amount = str(number), f"the name of row {number}", f"{number % 100_000}.{number % 100:02}"
    kind = number // 2 % 4 if bad else None
    key = {0: f"x{number}", 1: str(number - 1)}.get(kind, key) if kind is not None else key
    name, amount = "" if kind == 2 else name, "-1" if kind == 3 else amount
    return f"{key},{name},{amount},2024-{number % 12 + 1:02}-{number % 28 + 1:02}\n"


def _measure(bench: Bench, turns: int) -> dict[str, tuple[float, float]]:
    """Seconds of the wall and of the processor of each manner: medians."""
    found: dict[str, list[tuple[float, float]]] = {manner.name: [] for manner in MANNERS}
    for _turn in range(turns):
        for manner in MANNERS:
            with pgfast.connect(bench.dsn, autocommit=True) as conn:
                conn.execute("drop table if exists t")
                conn.execute(f"create table t {manner.table}")
                if manner.there:
                    conn.load("t", bench.path("clean.csv"))
                    conn.execute("vacuum analyze t")
                conn.execute("checkpoint")
                ((data,),) = conn.execute("show data_directory").fetchall()
                postmaster = Path(data) / "postmaster.pid"
                waiting = _children(postmaster)
                began = _processor(postmaster), time.perf_counter()
                manner.run(bench)
                wall = time.perf_counter() - began[1]
                while _children(postmaster) > waiting:
                    time.sleep(0.01)  # until the backends have ended, whose time is then their postmaster's
                found[manner.name].append((wall, _processor(postmaster) - began[0]))
    return {
        name: (statistics.median([wall for wall, _ in all_]), statistics.median([cpu for _, cpu in all_]))
        for name, all_ in found.items()
    }


def _processor(postmaster: Path) -> float:
    """Seconds of the processor that this process and its children, and the server with all its own, have had.

    A backend that has ended is among the children that its postmaster has waited for.
    """
    used = sum(os.times()[:4])
    head = postmaster.read_text().split("\n", 1)[0]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended in this moment
        if head in (fields[1], stat.parent.name):
            used += sum(map(int, fields[11 : 15 if stat.parent.name == head else 13])) / _TICKS
    return used


def _children(postmaster: Path) -> int:
    """How many processes the server has."""
    head = postmaster.read_text().split("\n", 1)[0]
    return len((Path("/proc") / head / "task" / head / "children").read_text().split())


def _table(found: dict[str, tuple[float, float]], rows: int, turns: int) -> str:
    lines = [
        f"{rows:,} rows, median of {turns} turns, {os.cpu_count()} cores shared by client and server. Ratios are to "
        "what the manner is compared with; below 1 is quicker.",
        "",
        "| manner | wall s | CPU s | compared with | wall | CPU | target |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for manner in MANNERS:
        wall, cpu = found[manner.name]
        ratios = " | | | "
        if manner.against:
            base_wall, base_cpu = found[manner.against]
            most = "" if manner.most is None else f"{manner.most:.3g}"
            ratios = f"{manner.against} | {wall / base_wall:.2f} | {cpu / base_cpu:.2f} | {most}"
        lines.append(f"| {manner.name} | {wall:.2f} | {cpu:.2f} | {ratios} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
