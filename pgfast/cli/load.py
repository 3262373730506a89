"""`pgfast load`: files into a table, and `pgfast restore`: the indexes that a load was broken off without."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pgfast

from ..bulk.options import chunk_bytes_of, load_options
from ..bulk.rejects import Reject
from ..bulk.report import LoadReport
from ..bulk.sources import sources_of
from ..codec import IMPLEMENTATION
from . import show
from .progress import LoadProgress

#: The standard input as a file to load.
STDIN = "-"
#: Of files whose bytes are read as they lie.
_TEXTS = (".csv", ".tsv", ".txt", ".tbl", ".jsonl", ".ndjson")


def check_load(options: dict[str, Any], jobs: int, memory: str) -> None:
    """Raise InterfaceError for what can be seen to be wrong without a server."""
    load_options(options).check()
    chunk_bytes_of(memory, jobs)


def run_load(
    files: list[str],
    dsn: str,
    table: str,
    columns: list[str] | dict[str, str] | None,
    options: dict[str, Any],
    means: tuple[int, str],
    as_json: bool,
) -> bool:
    """Loads the files and prints a line for each; whether rows were rejected. `means` are jobs and memory."""
    source: Any = sys.stdin.buffer
    paths: list[Path] = []
    if files != [STDIN]:
        source = paths = [Path(each) for each in sources_of(files, load_options(options).files)]
        for path in paths:
            path.stat()  # a missing file is found before anything is sent
    name = files[0] if len(files) == 1 else f"{len(paths)} files"
    with LoadProgress.of(name, _rows_of(paths), _bytes_of(paths), as_json) as progress:
        report = pgfast.load(dsn, table, source, columns, jobs=means[0], memory=means[1], progress=progress, **options)
    if report.ddl is not None and not as_json:
        print(report.ddl + ";", file=sys.stderr, flush=True)
    for each in report.sources or (report,):
        print(_json_line(each, report) if as_json else _line(each, report), flush=True)
    for warning in () if as_json else report.warnings:
        print(f"pgfast: {warning}", file=sys.stderr, flush=True)
    if report.rejected and not as_json:
        _tell_rejects(report, options["rejects"])
    return bool(report.rejected)


def run_restore(dsn: str, table: str, name: str) -> None:
    """Makes again what was dropped, and says how much it was."""
    count = pgfast.restore_indexes(dsn, table, name)
    print(f"{table}: {count} indexes and constraints of load {name!r} were made again", flush=True)


def _tell_rejects(report: LoadReport, where: Path | None) -> None:
    """What was set aside, and why: the first of each kind."""
    told = f", all of them in {where}" if where is not None else ""
    print(f"pgfast: {report.rejected:,} rows were rejected{told}; the first of each kind:", file=sys.stderr)
    kinds: dict[tuple[str, str | None], Reject] = {}
    for reject in report.rejects:
        kinds.setdefault((reject.sqlstate, reject.column), reject)
    for reject in kinds.values():
        place = f"line {reject.line}" if reject.line is not None else f"row {reject.row}"
        print(f"pgfast: {reject.source}, {place}: {reject.sqlstate}: {reject.message}", file=sys.stderr)


def _rows_of(files: list[Path]) -> int | None:
    """The number of rows where the files themselves say it: Parquet, with pyarrow at hand."""
    if not files or any(path.suffix.lower() != ".parquet" for path in files):
        return None
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None  # the load itself will say that pyarrow is wanted
    try:
        return sum([int(pyarrow.parquet.read_metadata(path).num_rows) for path in files])
    except (pyarrow.ArrowException, OSError):
        return None  # the load itself will say what is wrong with the file


def _bytes_of(files: list[Path]) -> int | None:
    """The bytes that will be read, where that is what the files take on disk."""
    if files and all(path.suffix.lower() in _TEXTS for path in files):
        return sum([path.stat().st_size for path in files])
    return None


def _line(report: LoadReport, whole: LoadReport) -> str:
    what = "rows would go" if whole.dry_run else "rows"
    beside = []
    if report.updated:
        beside.append(f"{report.updated:,} of them updated")
    if report.skipped:
        beside.append(f"{report.skipped:,} skipped")
    if report.rejected:
        beside.append(f"{report.rejected:,} rejected")
    if report.resumed:
        beside.append(f"{report.resumed:,} were there before")
    more = f" ({', '.join(beside)}; {report.read:,} read)" if beside else ""
    return (
        f"{report.file or report.source}: {report.rows:,} {what} into {report.table}{more} in {report.seconds:.2f} s, "
        f"{show.rate(report.rows, report.seconds)} rows/s, {show.rate(report.size_bytes / 1e6, report.seconds)} MB/s"
    )


def _json_line(report: LoadReport, whole: LoadReport) -> str:
    return json.dumps(
        {
            "file": report.file,
            "table": report.table,
            "rows": report.rows,
            "read": report.read,
            "rejected": report.rejected,
            "skipped": report.skipped,
            "inserted": report.inserted,
            "updated": report.updated,
            "resumed": report.resumed,
            "size_bytes": report.size_bytes,
            "seconds": report.seconds,
            "source": report.source,
            "path": report.path,
            "dialect": report.dialect,
            "warnings": list(report.warnings),
            "dry_run": whole.dry_run,
            "ddl": whole.ddl,
            "implementation": IMPLEMENTATION,
        }
    )
