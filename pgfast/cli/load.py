"""`pgfast load`: files into a table, one transaction for all of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pgfast

from ..bulk.create import create_table_sql
from ..bulk.report import LoadReport
from ..bulk.sources import FileOptions
from ..codec import IMPLEMENTATION
from . import show


def run_load(
    files: list[Path],
    dsn: str,
    table: str,
    create: bool,
    columns: list[str] | None,
    options: FileOptions,
    as_json: bool,
) -> None:
    """Loads every file, prints a line for each, and keeps nothing when one of them fails. `options` are for CSV."""
    for path in files:
        path.stat()  # a missing file is found before anything is sent
    reports: list[tuple[Path, LoadReport]] = []
    with pgfast.connect(dsn, autocommit=True) as conn, conn.transaction():
        if create:
            conn.execute(create_table_sql(table, files[0], options))
        for number, path in enumerate(files):
            with show.loading(path.name, _rows_of(path)) as progress:
                # Emptying what was made a moment ago lets the rows be written frozen.
                new = create and number == 0
                report = conn.load(
                    table, path, columns, progress=progress, mode="truncate" if new else "append", **asdict(options)
                )
            reports.append((path, report))
    for path, report in reports:
        print(_json_line(path, report) if as_json else _line(path, report), flush=True)


def _rows_of(path: Path) -> int | None:
    """The number of rows where the file itself says it: Parquet, with pyarrow at hand."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None  # the load itself will say that pyarrow is wanted
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError):
        return None  # the load itself will say what is wrong with the file


def _line(path: Path, report: LoadReport) -> str:
    return (
        f"{path}: {report.rows:,} rows into {report.table} in {report.seconds:.2f} s, "
        f"{show.rate(report.rows, report.seconds)} rows/s, {show.rate(report.size_bytes / 1e6, report.seconds)} MB/s"
    )


def _json_line(path: Path, report: LoadReport) -> str:
    return json.dumps(
        {
            "file": str(path),
            "table": report.table,
            "rows": report.rows,
            "size_bytes": report.size_bytes,
            "seconds": report.seconds,
            "source": report.source,
            "path": report.path,
            "implementation": IMPLEMENTATION,
        }
    )
