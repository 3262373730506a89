"""`pgfast export`: a table or a query into a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import pgfast

from ..codec import IMPLEMENTATION
from ..exporting.export import Exporting
from ..exporting.options import STDOUT, ExportOptions
from . import show
from .progress import telling


def run_export(
    source: str,
    dsn: str,
    output: str,
    options: dict[str, Any],
    params: Sequence[str],
    as_json: bool,
) -> None:
    """Writes the file and prints a line about it, on standard error where the file is standard output."""
    with pgfast.connect(dsn, autocommit=True) as conn, telling(source, _rows_of(conn, source), as_json) as progress:
        report = conn.export(source, output, params=list(params) or None, progress=progress, **options)
    where = sys.stderr if output == STDOUT else sys.stdout
    print(_json_line(report) if as_json else _line(report, output), file=where, flush=True)
    for note in () if as_json else report.notes:
        print(f"pgfast: {note}", file=sys.stderr)


def check_arguments(output: str, options: dict[str, Any]) -> None:
    """Raise InterfaceError or ImportError for what can be seen to be wrong without a server."""
    Exporting(output, ExportOptions(**options), threaded=False)


def _rows_of(conn: Any, source: str) -> int | None:
    """About how many rows the table has, as the server's statistics say; None for a query, and where they do not."""
    try:
        found = conn.execute(
            "select reltuples::int8 from pg_catalog.pg_class where oid = pg_catalog.to_regclass(%s)", (source,)
        ).fetchone()
    except pgfast.Error:
        return None  # a query is no name
    return int(found[0]) if found is not None and found[0] > 0 else None


def _line(report: pgfast.ExportReport, output: str) -> str:
    files = output if len(report.files) < 2 else f"{output} ({len(report.files)} files)"
    return (
        f"{files}: {report.rows:,} rows, {report.size_bytes:,} bytes in {report.seconds:.2f} s, "
        f"{show.rate(report.rows, report.seconds)} rows/s, {show.rate(report.size_bytes / 1e6, report.seconds)} MB/s"
    )


def _json_line(report: pgfast.ExportReport) -> str:
    return json.dumps(
        {
            "source": report.source,
            "files": list(report.files),
            "format": report.format,
            "compression": report.compression,
            "rows": report.rows,
            "size_bytes": report.size_bytes,
            "seconds": report.seconds,
            "path": report.path,
            "jobs": report.jobs,
            "pieces": report.pieces,
            "notes": list(report.notes),
            "implementation": IMPLEMENTATION,
        }
    )
