"""Tests an installed pgfast from a directory that does not hold its sources.

    python tools/check_wheel.py c|python [--import-only | --offline]

Asserts that the package in use is the installed one and has the implementation that was asked for, runs the tests that
need no server on it, and loads and reads rows with a server of its own. `--offline` leaves the server out;
`--import-only` leaves everything out but the import, for an environment that holds pgfast and nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: Tests that need neither a server nor a library beyond pytest and hypothesis.
TESTS: Final = ("codec", "protocol", "test_conninfo.py", "test_scram.py")

PROBE: Final = """
import sys, pgfast
wanted, root = sys.argv[1:]
assert not pgfast.__file__.startswith(root), f"{pgfast.__file__} is the checkout, not what was installed"
assert pgfast.IMPLEMENTATION == wanted, f"implementation {pgfast.IMPLEMENTATION!r}, {wanted!r} was wanted"
print(f"pgfast {pgfast.__version__}, implementation {pgfast.IMPLEMENTATION}, from {pgfast.__file__}")
"""

LIVE: Final = """
import datetime, decimal
import pgfast
from pgfast.embedded import EmbeddedServer

rows = [(n, f"row {n}", decimal.Decimal(n) / 100, datetime.date(2000, 1, 1) if n % 7 else None) for n in range(10_000)]
with EmbeddedServer() as server, pgfast.connect(server.dsn, autocommit=True) as conn:
    conn.execute("create table t (a int8, b text, c numeric(12,2), d date)")
    report = conn.load("t", iter(rows))
    assert report.rows == len(rows), report
    assert conn.execute("select * from t order by a").fetchall() == rows
    columns = conn.fetch_columns("select a, b, c, d from t")
    assert len(columns) == len(rows)
    print(f"loaded and read {report.rows} rows with {server.installation.source}")
"""


def run(*arguments: str, directory: Path) -> None:
    """Runs this Python; a failure ends the check."""
    done = subprocess.run([sys.executable, *arguments], cwd=directory, env=environment(), check=False)
    if done.returncode:
        raise SystemExit(f"check_wheel: {' '.join(arguments[:3])[:80]} failed")


def environment() -> dict[str, str]:
    """The environment without what would lead back to the checkout or choose an implementation."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PGFAST_IMPL")}


def main() -> None:
    """Runs the checks in a temporary directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("implementation", choices=("c", "python"))
    parser.add_argument("--offline", action="store_true", help="leave out what needs a server")
    parser.add_argument("--import-only", action="store_true", help="leave out what needs any other package")
    arguments = parser.parse_args()
    if arguments.implementation == "python":
        os.environ["PGFAST_BUILD"] = "skip"  # the codec fixture then knows that there is one codec only
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copytree(ROOT / "tests", directory / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        run("-c", PROBE, arguments.implementation, str(ROOT), directory=directory)
        if arguments.import_only:
            return
        tests = [str(Path("tests", test)) for test in TESTS]
        run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, directory=directory)
        if not arguments.offline:
            run("-c", LIVE, directory=directory)


if __name__ == "__main__":
    main()
