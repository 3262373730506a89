"""psql, as a program: its \\copy of a CSV file, in both directions, and two of them with a pipe between."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

from ..case import Case, Cases, Run, Setting
from ..results import csv_rows

#: Names the program, where the server's installation has it.
VARIABLE: Final = "BENCH_PSQL"
_LOOK_S: Final = 0.02


def program() -> str:
    """The path of psql. Raises SystemExit where there is none."""
    found = os.environ.get(VARIABLE) or shutil.which("psql")
    if not found:
        raise SystemExit("psql is neither in the server's installation nor on PATH")
    return found


def _peak_mb(pid: int) -> float:
    """The peak memory of a running process so far, 0.0 where it cannot be known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max([int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")], default=0.0)


class Peak(float):
    """The peak memory of the programs, and the file they wrote."""

    path: Path


def _copying(setting: Setting, *sql: str) -> Run:
    """psql for each of the commands, the output of one being the input of the next; a thread looks at their memory."""
    command = [program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", setting.uri, "-c"]

    def run() -> Peak:
        peaks, done = [0.0], threading.Event()
        children: list[subprocess.Popen[bytes]] = []
        for number, one in enumerate(sql):
            before = children[-1].stdout if children else None
            piped = subprocess.PIPE if number + 1 < len(sql) else None
            children.append(subprocess.Popen([*command, one], stdin=before, stdout=piped))
            if before is not None:
                before.close()  # the program has it now

        def look() -> None:
            while not done.wait(_LOOK_S):
                peaks.append(sum([_peak_mb(child.pid) for child in children]))

        looking = threading.Thread(target=look)
        looking.start()
        statuses = [child.wait() for child in children]
        done.set()
        looking.join()
        if any(statuses):
            raise SystemExit(f"psql failed with status {max(statuses)}")
        return Peak(max(peaks))

    return run


def copy_csv(setting: Setting) -> Run:
    r"""The file by \copy."""
    return _copying(setting, rf"\copy {setting.target} from '{setting.data.csv}' with (format csv, header)")


def export_csv(setting: Setting) -> Run:
    r"""The table into a file by \copy."""
    path = setting.data.directory / "psql-exported.csv"
    copy = _copying(setting, rf"\copy {setting.source} to '{path}' with (format csv, header)")

    def run() -> Peak:
        made: Peak = copy()
        made.path = path
        return made

    return run


def copy_table(setting: Setting) -> Run:
    """The table by one psql, into another table by another."""
    return _copying(setting, f"copy {setting.source} to stdout", f"copy {setting.target} from stdin")


CASES: Final[Cases] = {
    ("psql", "load csv"): Case(r"\copy ... (format csv, header)", copy_csv, external=True),
    ("psql", "export csv"): Case(
        r"\copy ... to (format csv, header)", export_csv, lambda made: csv_rows(made.path), external=True
    ),
    ("psql", "copy table"): Case("psql | psql", copy_table, external=True),
}
