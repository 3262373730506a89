"""What pgfast has promised: every target in one table, and how the figures stand to it.

Law of this file: nothing is measured and nothing is shown here. Figures are per row, query or batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .clients import OURS, every_case
from .floors import FLOOR, POLLING
from .works import MILLION, WORKS

#: What a figure is held against, beside a peer's name: seconds for a million rows; the quickest peer.
SECONDS: Final = "seconds per 1M rows"
BEST: Final = "best peer"
_NAMES: Final = {"wall_s": "wall time", "cpu_s": "client CPU"}


@dataclass(frozen=True, slots=True)
class Target:
    """`figure` (wall_s or cpu_s) of the client's work is at most `most` times that of `against`."""

    work: str
    figure: str
    against: str
    most: float
    client: str = "pgfast"

    @property
    def says(self) -> str:
        """The target in words."""
        if self.against == SECONDS:
            return f"{_NAMES[self.figure]} <= {self.most:g} s per 1M rows"
        whose = "the floor's" if self.against == FLOOR else f"that of {self.against}"
        if self.against == POLLING:
            whose = "that of the libpq-shaped C program"
        return f"{_NAMES[self.figure]} <= {self.most:.3g} x {whose}"


def _loads() -> list[Target]:
    """The loads."""
    made = []
    for work in ("load arrow", "load numpy", "load polars", "load pandas"):
        made += [Target(work, "wall_s", FLOOR, 1.03), Target(work, "cpu_s", SECONDS, 0.15)]
    for work, most in (("tuples", 1.1), ("dicts", 1.5), ("csv", 1.15), ("parquet", 1.15)):
        made.append(Target(f"load {work}", "wall_s", FLOOR, most))
    made.append(Target("load csv", "wall_s", "psql", 1 / 1.5))
    return made + [Target(work, "wall_s", FLOOR, 0.95) for work in ("load freeze", "load created")]


def _pure() -> list[Target]:
    """The fallback is ahead of pg8000 wherever pg8000 has a way."""
    clients = {client.name: cases for client, cases in every_case().items()}
    works = [work for work in WORKS if work in clients["pgfast (pure)"] and work in clients["pg8000"]]
    return [Target(work, "wall_s", "pg8000", 1.0, "pgfast (pure)") for work in works]


TARGETS: Final = (
    *_loads(),
    Target("columns numeric", "wall_s", FLOOR, 1.1),
    Target("columns numeric", "cpu_s", SECONDS, 0.5),
    Target("columns float8", "wall_s", FLOOR, 1.0),
    Target("columns float8", "cpu_s", SECONDS, 0.35),
    Target("columns float8", "cpu_s", "ADBC", 0.5),
    Target("tuples numeric", "wall_s", FLOOR, 1.2),
    Target("tuples float8", "wall_s", FLOOR, 1.1),
    Target("tuples four", "wall_s", FLOOR, 1.2),
    Target("point", "cpu_s", POLLING, 1.25),
    Target("point", "cpu_s", "asyncpg (uvloop)", 1.0, "pgfast (uvloop)"),
    Target("pg_type", "wall_s", FLOOR, 1.1),
    Target("pg_type", "cpu_s", BEST, 2 / 3),
    Target("arrays", "wall_s", FLOOR, 1.1),
    Target("arrays", "cpu_s", BEST, 2 / 3),
    Target("pipeline", "wall_s", "psycopg", 1 / 3),
    Target("executemany", "wall_s", "asyncpg", 1.0),
    Target("executemany", "cpu_s", "asyncpg", 1.0),
    Target("returning", "wall_s", "asyncpg", 1.0),
    Target("returning", "cpu_s", "asyncpg", 1.0),
    *_pure(),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """One case as it came out: seconds of one row, query or batch, and the same of its floors."""

    work: str
    client: str
    size: int
    way: str
    turns: int
    error: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    growth_mb: float = 0.0
    floors: Mapping[str, Mapping[str, float]] | None = None

    def get(self, figure: str) -> float:
        """wall_s or cpu_s."""
        return self.wall_s if figure == "wall_s" else self.cpu_s

    def of_floor(self, figure: str, floor: str = FLOOR) -> float:
        """How many times the floor's figure it is; 0.0 where that floor was not measured."""
        base = (self.floors or {}).get(floor, {}).get(figure, 0.0)
        return self.get(figure) * self.size / base if base else 0.0


Results = Mapping[tuple[str, str], Figures]


def is_ours(client: str) -> bool:
    """Whether the client is pgfast."""
    return any(one.name == client for one in every_case() if one.module == OURS)


def best(results: Results, work: str, figure: str) -> Figures | None:
    """The peer with the least of a figure."""
    found = [one for (name, client), one in results.items() if name == work and not is_ours(client) and not one.error]
    return min(found, key=lambda one: one.get(figure), default=None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found for a target: a ratio or seconds; None where it could not be measured, and why."""

    target: Target
    found: float | None
    why: str = ""

    @property
    def kept(self) -> bool:
        """Whether the target is reached."""
        return self.found is not None and self.found <= self.target.most


def judge(results: Results, target: Target) -> Judgement:
    """How the figures stand to the target."""
    mine = results.get((target.work, target.client))
    if mine is None or mine.error:
        return Judgement(target, None, mine.error if mine else "not measured")
    if target.against == SECONDS:
        return Judgement(target, mine.get(target.figure) * MILLION)
    if target.against in (FLOOR, POLLING):
        times = mine.of_floor(target.figure, target.against)
        return Judgement(target, times or None, "" if times else "its floor was not measured")
    theirs: Any = results.get((target.work, target.against))
    if target.against == BEST:
        theirs = best(results, target.work, target.figure)
    if theirs is None or theirs.error:
        return Judgement(target, None, f"{target.against}: {theirs.error if theirs else 'not measured'}")
    note = f"{theirs.client}" if target.against == BEST else ""
    return Judgement(target, mine.get(target.figure) / theirs.get(target.figure), note)
