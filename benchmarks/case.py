"""One measured case: what makes it ready, what is measured, and how its result is told from a wrong one.

Law of this file: it runs in the peers' interpreter too, so nothing of pgfast and nothing but the standard library.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from .data import Data

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]  # the module's absence is asked for below

Measured = dict[str, float]
Run = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a case works: the server, the files, the tables, and how much of it (rows, queries or batches)."""

    uri: str
    data: Data
    size: int
    source: str
    target: str

    @property
    def parts(self) -> SplitResult:
        """The URI's parts, for clients that take no URI."""
        return urlsplit(self.uri)


@dataclass(frozen=True, slots=True)
class Case:
    """How one client does one work.

    `way` names it on the page. `make` makes everything ready and returns what is measured. `rows` gives what a fetch
    returned as rows of Python values. `slow` cases do less work. `external` ones measure another process: what they
    return is its peak memory in MB.
    """

    way: str
    make: Callable[[Setting], Run]
    rows: Callable[[Any], Iterable[Iterable[Any]]] | None = None
    slow: bool = False
    external: bool = False


#: What a module of cases holds: client and work to case.
Cases = dict[tuple[str, str], Case]

_PROC: Final = Path("/proc/self")


def memory_mb(field: str) -> float:
    """VmRSS or VmHWM of this process in megabytes (10**6 bytes); from getrusage where there is no /proc."""
    try:
        text = (_PROC / "status").read_text()
    except OSError:
        if resource is None:
            return 0.0
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field + ":")) * 1024 / 1e6


def reset_peak() -> None:
    """Makes VmHWM begin anew, so that what was made before the start does not hide the case's own peak."""
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return  # without it the peak may be that of the preparation: too high, never too low


def children_s() -> float:
    """CPU seconds of the processes this one has started and waited for."""
    if resource is None:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(run: Run, external: bool = False, before_mb: float | None = None) -> tuple[Measured, Any]:
    """Seconds, CPU seconds (threads and children included) and memory of one run; and what it returned.

    Growth is counted from `before_mb`, where something has run before that belongs to it; else from the start.
    """
    gc.collect()  # what the preparation left must not be the run's to collect
    reset_peak()
    before = memory_mb("VmRSS") if before_mb is None else before_mb
    cpu, wall = time.process_time() + children_s(), time.perf_counter()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() + children_s() - cpu
    peak = float(result) if external else memory_mb("VmHWM")
    grown = peak if external else peak - before
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peak, "growth_mb": grown}, result
