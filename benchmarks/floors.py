"""The floors: which program moves the bytes (floor.c, or `wire` where there is no C compiler), and what it is asked.

Law of this file: a floor does what every client must do and looks at nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from .case import Measured
from .works import ARRAYS, BATCH, INSERT, PG_TYPE, POINT, RETURNING

SOURCE: Final = Path(__file__).with_name("floor.c")
#: The floor in Python.
PYTHON: Final = (sys.executable, "-m", "benchmarks.wire")
#: Clients that are floors: the plain one, the one that waits in poll() before each receive, COPY FREEZE.
FLOOR: Final = "floor"
POLLING: Final = "floor (libpq-shaped)"
FREEZING: Final = "floor (COPY FREEZE)"
#: What a floor is asked, for those that do not depend on a table: its name to (work of the program, SQL).
_SMALL: Final = {
    "point": ("point", POINT),
    "pg_type": ("query", PG_TYPE),
    "arrays": ("query", ARRAYS),
    "pipeline": ("pipeline", POINT),
    "executemany": ("batch", INSERT),
    "returning": ("batch", RETURNING),
}
#: Floors that await each answer, for which waiting in poll() is a case of its own.
AWAITING: Final = ("point", "pg_type", "arrays")


@dataclass(frozen=True, slots=True)
class FloorProgram:
    """The command, and what it is, for the page."""

    command: tuple[str, ...]
    title: str

    def run(self, arguments: list[str], uri: str, client: str = FLOOR) -> Measured:
        """The figures of one run. Raises SystemExit with what the program said when it fails."""
        parts = urlsplit(uri)
        where = [str(parts.hostname), str(parts.port), str(parts.username), parts.path.lstrip("/")]
        environment = {**os.environ, "FLOOR_WAIT": "poll" if client == POLLING else ""}
        command = [*self.command, *where, *arguments]
        root = SOURCE.parent.parent
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"benchmarks: the floor failed: {shlex.join(arguments)}\n{done.stderr}")
        found: Measured = json.loads(done.stdout)
        return found


def compiled(directory: Path) -> FloorProgram:
    """floor.c compiled into the directory, or the Python floor where no C compiler works."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))), None)
    if compiler is None or sys.platform == "win32":
        return FloorProgram(PYTHON, "a Python program with plain sockets (no POSIX C compiler here)")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    program = directory / f"floor-{digest}"
    if not program.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = program.with_suffix(".part")
        done = subprocess.run(
            [compiler, "-O2", "-o", str(part), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"benchmarks: {compiler} cannot compile floor.c:\n{done.stderr}", file=sys.stderr)
            return FloorProgram(PYTHON, f"a Python program with plain sockets ({compiler} cannot compile floor.c)")
        part.rename(program)
    return FloorProgram((str(program),), "a C program with plain sockets (benchmarks/floor.c)")


def request(floor: str, client: str, size: int, source: str, target: str, frames: Path) -> list[str]:
    """The arguments of the program for a floor of so many rows, queries or batches."""
    kind = floor.split(maxsplit=1)[0]
    if kind == "load":
        if client == FREEZING:
            return [
                "copy",
                f"copy {target} from stdin (format binary, freeze)",
                str(frames),
                f"begin; truncate {target}",
            ]
        return ["copy", f"copy {target} from stdin (format binary)", str(frames)]
    if kind == "fetch":
        return ["fetch", f"select * from {source}"]
    work, sql = _SMALL[floor]
    return [work, sql, str(size)] if work in ("query", "point") else [work, sql, str(BATCH), str(size)]
