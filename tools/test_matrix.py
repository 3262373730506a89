"""The live tests against every server version, with both implementations: one table at the end.

    python tools/test_matrix.py [--versions 10,18] [--implementations c] [PYTEST ARGUMENTS]

Each run is one pytest process with servers of that version; its report lies in build/matrix. A cell tells how many
tests passed, and what else became of others; "left out" are tests of what the server does not do yet. The exit code is
0 only where every test has passed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
REPORTS: Final = ROOT / "build" / "matrix"
VERSIONS: Final = "10,11,12,13,14,15,16,17,18"
IMPLEMENTATIONS: Final = "c,python"
FACES: Final = ("sync", "asyncio", "uvloop")
_ALONE: Final = "threads alone"
_LEFT_OUT: Final = re.compile(r"(\d+) deselected")


def face_of(name: str) -> str:
    """The face that a test has run on, by its parameters."""
    parameters = name.partition("[")[2].rstrip("]").split("-")
    return next((face for face in FACES if face in parameters), _ALONE)


def counts(report: Path) -> dict[str, Counter[str]]:
    """For each face how many of its tests passed, failed or were skipped."""
    found: dict[str, Counter[str]] = {face: Counter() for face in (*FACES, _ALONE)}
    for case in ElementTree.parse(report).iter("testcase"):
        results = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcome = "skipped" if results == {"skipped"} else "failed" if results else "passed"
        found[face_of(case.get("name", ""))][outcome] += 1
    return found


def cell(count: Counter[str]) -> str:
    """The counts of one face in a few words."""
    words = [str(count["passed"]), *[f"{count[what]} {what}" for what in ("failed", "skipped") if count[what]]]
    return ", ".join(words)


def run(version: str, implementation: str, arguments: list[str]) -> tuple[bool, list[str]]:
    """Whether one run has passed, and its row of the table."""
    report = REPORTS / f"{version}-{implementation}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "tests/live", f"--server={version}", f"--junitxml={report}", "-q"]
    environment = {**os.environ, "PGFAST_IMPL": implementation}
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout, flush=True)
    if not report.exists():
        return False, [version, implementation, *["-"] * (len(FACES) + 1), "no report"]
    found = counts(report)
    left_out = _LEFT_OUT.search(done.stdout.rstrip().rpartition("\n")[2])
    cells = [cell(found[face]) for face in (*FACES, _ALONE)]
    return done.returncode == 0, [version, implementation, *cells, left_out[1] if left_out else "0"]


def table(rows: list[list[str]]) -> str:
    """The rows as a table in Markdown."""
    head = ["PostgreSQL", "codec", *FACES, _ALONE, "left out"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> int:
    """Run them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", default=VERSIONS, help="major versions (default: %(default)s)")
    parser.add_argument("--implementations", default=IMPLEMENTATIONS, help="default: %(default)s")
    chosen, arguments = parser.parse_known_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    rows, passed = [], True
    for version in chosen.versions.split(","):
        for implementation in chosen.implementations.split(","):
            good, row = run(version, implementation, arguments)
            passed = passed and good
            rows.append(row)
    made = table(rows)
    (REPORTS / "table.md").write_text(made + "\n")
    print(made)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
