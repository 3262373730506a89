"""Other projects' tests of a PostgreSQL driver, with pgfast and with psycopg side by side: one table at the end.

    python -m tools.test_compat [--only sqlalchemy,django,pandas,dbapi] [--write]

What is fetched, and what is made, lies in build/compat; so does what each part has come to, and where `--only` names
some of them the others stand in the table as they were run last. A test that fails with pgfast and does not with
psycopg is a defect, unless tools/compat_known.toml tells what is documented to be different; the exit code is 1 where
there is a defect. With --write the table goes into docs/compatibility.md, with what fails for a documented reason below
it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pgfast.embedded import EmbeddedServer, Installation
from tests.versions import installation

from . import compat_outside

ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = ROOT / "build" / "compat"
PAGE: Final = ROOT / "docs" / "compatibility.md"
KNOWN: Final = ROOT / "tools" / "compat_known.toml"
DRIVERS: Final = ("pgfast", "psycopg")
PARTS: Final = ("dbapi", "sqlalchemy", "pandas", "django")
_MARKED: Final = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->)", re.DOTALL)
_KNOWN: Final = re.compile(r'^"((?:[^"\\]|\\.)+)" = "((?:[^"\\]|\\.)+)"$', re.MULTILINE)

#: The server's version: one with all of PostgreSQL's contrib.
SERVER: Final = 17

#: What tests have come to, by what they are called in the table.
Found = dict[str, compat_outside.Counts]


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """The Python of a virtual environment that has this checkout, psycopg, pytest and what else is named."""
    place = PLACE / f"venv-{name}"
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    with compat_outside.FETCHING:
        if not (place / "made").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            wanted = ["psycopg[binary]==3.3.9", "psycopg_pool", "pytest<10", "greenlet", *requirements]
            subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", "--editable", str(ROOT), *wanted], check=True
            )
            (place / "made").touch()
    return python


def _sqlalchemy(dsn: str, driver: str) -> Found:
    found: Found = {}
    for version in compat_outside.SQLALCHEMY:
        python = environment(f"sqlalchemy-{version}", (f"sqlalchemy[asyncio]=={version}",))
        found.update(compat_outside.sqlalchemy(python, dsn, driver, PLACE, version))
    return found


def _dbapi(dsn: str, driver: str) -> Found:
    return compat_outside.dbapi(environment("dbapi", ()), dsn, driver, PLACE)


def _pandas(dsn: str, driver: str) -> Found:
    wanted = (
        f"pandas=={compat_outside.PANDAS}",
        "pyarrow",
        f"sqlalchemy=={compat_outside.SQLALCHEMY[-1]}",
        "hypothesis",
    )
    return compat_outside.pandas(environment("pandas", wanted), dsn, driver, PLACE)


def _django(dsn: str, driver: str) -> Found:
    from . import compat_django

    python = environment("django", compat_django.REQUIREMENTS)
    with compat_outside.FETCHING:
        compat_django.fetch(python, PLACE)
    return {
        f"Django {compat_django.VERSION}, {part}": counts
        for part, counts in compat_django.run(python, dsn, driver, PLACE).items()
    }


_RUNS: Final[Mapping[str, Callable[[str, str], Found]]] = {
    "sqlalchemy": _sqlalchemy, "dbapi": _dbapi, "pandas": _pandas, "django": _django
}  # fmt: skip


def _kept(part: str, driver: str) -> Path:
    return PLACE / f"{part}-{driver}.json"


def keep(part: str, driver: str, found: Found) -> None:
    """Write down what a part has come to."""
    text = json.dumps({title: asdict(counts) for title, counts in found.items()}, indent=1)
    _kept(part, driver).write_text(text, encoding="utf-8")


def kept(part: str, driver: str) -> Found:
    """What a part has come to when it was run last; nothing where it was not."""
    place = _kept(part, driver)
    found = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    return {
        title: compat_outside.Counts(counts["passed"], tuple(counts["failed"]), counts["skipped"])
        for title, counts in found.items()
    }


def table(found: Mapping[str, Found]) -> str:
    """One line for each part: how many tests passed, failed and were skipped, with each driver."""
    lines = [
        "| tests | pgfast: passed | failed | skipped | psycopg: passed | failed | skipped |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for part in found["pgfast"]:
        cells = [
            str(number)
            for driver in DRIVERS
            for counts in (found[driver][part],)
            for number in (counts.passed, len(counts.failed), counts.skipped)
        ]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def only_with_pgfast(found: Mapping[str, Found]) -> list[str]:
    """The tests that fail with pgfast and not with psycopg, each behind its part."""
    return [
        f"{part}: {test}"
        for part, counts in found["pgfast"].items()
        for test in sorted(set(counts.failed) - set(found["psycopg"][part].failed))
    ]


def explained(known: Mapping[str, str], failure: str) -> str | None:
    """What is said of a failure: the reason of the first pattern that it matches."""
    return next((reason for pattern, reason in known.items() if re.search(pattern, failure)), None)


def reasons(failures: Mapping[str, str | None]) -> str:
    """One line for each reason why tests fail with pgfast alone: how many they are, and which the first is."""
    gathered: dict[str, list[str]] = {}
    for failure, reason in failures.items():
        gathered.setdefault(reason or "NOT EXPLAINED", []).append(failure)
    return "".join(
        f"- {reason}: {len(found)} ({found[0].rpartition('.')[2]}{', ...' if len(found) > 1 else ''})\n"
        for reason, found in sorted(gathered.items())
    )


def run(parts: Sequence[str]) -> None:
    """Run these parts with both drivers at the same time, each on a server of its own, and keep what they come to."""
    PLACE.mkdir(parents=True, exist_ok=True)
    programs = installation(SERVER)
    with ThreadPoolExecutor(len(DRIVERS)) as pool:
        for running in [pool.submit(_run_with, driver, parts, programs) for driver in DRIVERS]:
            running.result()


def _run_with(driver: str, parts: Sequence[str], programs: Installation) -> None:
    settings = {"max_prepared_transactions": "10", "max_connections": "200", "timezone": "UTC"}
    with EmbeddedServer(installation=programs, settings=settings) as server:
        for part in parts:
            found = _RUNS[part](server.dsn, driver)
            keep(part, driver, found)
            for title, counts in found.items():
                numbers = f"{counts.passed} passed, {len(counts.failed)} failed, {counts.skipped} skipped"
                print(f"{driver}, {title}: {numbers}", flush=True)


def main() -> None:
    """Runs what was asked for, prints the table and every failure, and exits with 1 where there is a defect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--write", action="store_true", help="write the table into docs/compatibility.md")
    asked = parser.parse_args()
    parts = asked.only.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"there are the parts {', '.join(PARTS)}")
    run(parts)
    found: dict[str, Found] = {driver: {} for driver in DRIVERS}
    for driver in DRIVERS:
        for part in PARTS:
            found[driver].update(kept(part, driver))
    shown, known = table(found), dict(_KNOWN.findall(KNOWN.read_text(encoding="utf-8")))
    failures = {failure: explained(known, failure) for failure in only_with_pgfast(found)}
    print(f"\n{shown}", *[f"{failure}: {reason or 'NOT EXPLAINED'}" for failure, reason in failures.items()], sep="\n")
    if asked.write:
        written = f"{shown}\nWhat fails with pgfast alone:\n\n{reasons(failures)}"
        PAGE.write_text(_MARKED.sub(lambda match: match[1] + written + match[2], PAGE.read_text("utf-8")), "utf-8")
    sys.exit(1 if None in failures.values() else 0)


if __name__ == "__main__":
    main()
