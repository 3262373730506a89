"""What was measured with, on what: versions, settings, machine, day."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import pgfast

from . import tables
from .runner import Bench

#: Libraries of pgfast's own environment that take part.
_OWN: Final = ("pyarrow", "numpy", "pandas", "polars", "uvloop")


def processor() -> str:
    """The model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory() -> str:
    """The machine's memory."""
    sysconf: Callable[[str], int] | None = getattr(os, "sysconf", None)
    if sysconf is None:
        return "memory unknown"
    return f"{sysconf('SC_PHYS_PAGES') * sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB"


def _versions(bench: Bench) -> dict[str, str]:
    """pgfast's and its libraries', and the peers'."""
    found = {"pgfast": pgfast.__version__, "Python": platform.python_version()}
    for name in _OWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not there"
    return found | (bench.peers.versions if bench.peers else {})


def describe(bench: Bench, repeat: int) -> dict[str, Any]:
    """Everything the page says about where the figures come from."""
    with tables.connect(bench.dsn) as conn:
        (server,) = conn.execute("select version()").fetchone()
        settings = {}
        for name in (*tables.SETTINGS, "full_page_writes", "synchronous_commit", "wal_level"):
            (settings[name],) = conn.execute(f"show {name}").fetchone()
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "repeat": repeat,
        "machine": f"{os.cpu_count()} cores of {processor()}, {memory()}, {system}",
        "server": str(server),
        "settings": settings,
        "floor": bench.floor.title,
        "versions": _versions(bench),
    }
