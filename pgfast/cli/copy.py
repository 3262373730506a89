"""`pgfast copy`: tables from one server to another."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import pgfast

from ..codec import IMPLEMENTATION
from ..exporting.transfer import CopyOptions
from . import show
from .progress import telling


def run_copy(source: str, target: str, tables: Sequence[str], options: dict[str, Any], as_json: bool) -> None:
    """Copies the tables and prints a line for each. Raises InterfaceError for options that cannot be right."""
    CopyOptions(**options)
    with telling(", ".join(tables), None, as_json) as progress:
        report = pgfast.copy_tables(source, target, tables, progress=progress, **options)
    if as_json:
        print(_json_line(report), flush=True)
        return
    for table in report.tables:
        pieces = f", {table.pieces} pieces" if table.pieces > 1 else ""
        print(f"{table.table}: {table.rows:,} rows, {table.size_bytes:,} bytes, {table.path}{pieces}")
    print(
        f"{report.rows:,} rows in {report.seconds:.2f} s, {show.rate(report.rows, report.seconds)} rows/s, "
        f"{show.rate(report.size_bytes / 1e6, report.seconds)} MB/s",
        flush=True,
    )
    for note in report.notes:
        print(f"pgfast: {note}", file=sys.stderr)


def _json_line(report: pgfast.CopyReport) -> str:
    return json.dumps(
        {
            "tables": [
                {
                    "table": table.table,
                    "target": table.target,
                    "columns": list(table.columns),
                    "rows": table.rows,
                    "size_bytes": table.size_bytes,
                    "path": table.path,
                    "pieces": table.pieces,
                    "created": table.created,
                    "frozen": table.frozen,
                }
                for table in report.tables
            ],
            "rows": report.rows,
            "size_bytes": report.size_bytes,
            "seconds": report.seconds,
            "jobs": report.jobs,
            "sequences": list(report.sequences),
            "notes": list(report.notes),
            "implementation": IMPLEMENTATION,
        }
    )
