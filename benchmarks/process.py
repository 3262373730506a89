"""One case in a process of its own: `python -m benchmarks.process` with one JSON object on standard input.

{"module", "client", "work", "uri", "directory", "rows", "size", "source", "target", "check", "times", "warm"}: which
case, where its files, tables and server are, how much of it, whether it is to be checked instead of measured, and how
often it is done (more than once: a first time is not measured, and the figures are those of one). With "warm" it is
done once, says so in a line, and waits for a line before it is measured: whoever started it has then put the tables
back. Prints one JSON object: the figures, or {"wrong": ...} (null when what came is right). Law of this file: as of
`case`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import sys
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from .case import Case, Run, Setting, measure, memory_mb
from .data import Data

#: The line that says that the case has been done once.
WARM = "warm"


def plain(value: Any) -> Any:
    """A value as the server's JSON has it: numbers as float, dates as ISO text, texts without the blanks of char(n)."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return float(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()[:10]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return value.rstrip()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def same(found: Any, expected: Any) -> bool:
    """Whether a plain value is the expected one; a number may have come as text, here or there (numeric, oid)."""
    if isinstance(expected, list):
        alike = isinstance(found, list) and len(found) == len(expected)
        return alike and all(map(same, found, expected))
    if isinstance(expected, float) or isinstance(found, float):
        try:
            return math.isclose(float(found), float(expected), rel_tol=1e-14)
        except (TypeError, ValueError):
            return False
    return bool(found == expected)


def difference(found: Iterable[Iterable[Any]], path: Path) -> str | None:
    """What the first difference to the expected rows is, or None."""
    expected = [plain(row) for row in json.loads(path.read_text())]
    rows = [plain(tuple(row)) for row in found]
    if len(rows) != len(expected):
        return f"{len(rows)} rows came where {len(expected)} are"
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=True)):
        if not same(row, wanted):
            return f"row {number} is {row!r:.300}, not {wanted!r:.300}"
    return None


def repeated(run: Run, times: int) -> Run:
    """The run so many times, and once now."""
    run()

    def runs() -> Any:
        result: Any = None
        for _ in range(times):
            result = run()
        return result

    return runs


def main() -> None:
    """Runs the case that standard input names."""
    wanted = json.loads(sys.stdin.readline())
    module = importlib.import_module(wanted["module"])
    case: Case = module.CASES[wanted["client"], wanted["work"]]
    data = Data(Path(wanted["directory"]), wanted["rows"])
    setting = Setting(wanted["uri"], data, wanted["size"], wanted["source"], wanted["target"])
    with contextlib.redirect_stdout(sys.stderr):  # what clients print is no figure
        run = case.make(setting)
        if wanted["warm"]:
            run()
            print(WARM, file=sys.__stdout__, flush=True)
            sys.stdin.readline()
        before_mb = memory_mb("VmRSS")
        runs = run if wanted["times"] == 1 else repeated(run, wanted["times"])
        figures, result = measure(runs, case.external, before_mb)
        figures = {name: value / wanted["times"] if name.endswith("_s") else value for name, value in figures.items()}
        if wanted["check"]:
            rows = case.rows
            wrong = difference(rows(result), data.expected(wanted["work"])) if rows else None
    print(json.dumps({"wrong": wrong} if wanted["check"] else figures), flush=True)
    os._exit(0)  # some clients' threads do not survive the interpreter's end, and there is nothing to tidy up


if __name__ == "__main__":
    main()
