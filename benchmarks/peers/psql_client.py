"""psql, as a program: its \\copy of a CSV file."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Final

from ..case import Case, Cases, Run, Setting

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


def copy_csv(setting: Setting) -> Run:
    r"""The file by \copy; a thread looks at psql's memory meanwhile."""
    sql = rf"\copy {setting.target} from '{setting.data.csv}' with (format csv, header)"
    command = [program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", setting.uri, "-c", sql]

    def run() -> float:
        peaks, done = [0.0], threading.Event()

        def look() -> None:
            while not done.wait(_LOOK_S):
                peaks.append(_peak_mb(child.pid))

        with subprocess.Popen(command) as child:
            looking = threading.Thread(target=look)
            looking.start()
            status = child.wait()
            done.set()
            looking.join()
        if status:
            raise SystemExit(f"psql failed with status {status}")
        return max(peaks)

    return run


CASES: Final[Cases] = {("psql", "load csv"): Case(r"\copy ... (format csv, header)", copy_csv, external=True)}
