"""The commands and their arguments.

Law of this file: arguments in, one call into load.py, query.py, export.py, copy.py or demo.py, an exit code out.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .. import Error, InterfaceError, __version__
from ..codec import IMPLEMENTATION
from . import FAILED, INTERRUPTED, MISSING_LIBRARY, REJECTED, arguments
from .copy import run_copy
from .demo import run_demo
from .export import check_arguments, run_export
from .load import check_load, run_load, run_restore
from .query import SUFFIXES, run_query

_EPILOG = (
    "Exit codes: 0 done; 1 the server, the data or a file stood in the way (nothing was kept); "
    "2 the arguments cannot be right; 3 a library is missing, its extra is named; 4 done, but for rows that were set "
    "aside; 130 interrupted (nothing was kept, but for what --resume goes on with)."
)

app = typer.Typer(
    name="pgfast",
    help="Move data in bulk to and from PostgreSQL.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@contextlib.contextmanager
def _failures_in_one_line() -> Iterator[None]:
    """Turns what is meant for a person into one line and an exit code; anything else is a bug and stays a traceback.

    SIGTERM, by which services are stopped, is Ctrl-C then: what was begun is undone.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except Error as exc:
        _fail(_one_line(exc), FAILED)
    except OSError as exc:
        _fail(f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc), FAILED)
    except ImportError as exc:
        _fail(str(exc), MISSING_LIBRARY)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _wrong_arguments() -> Iterator[None]:
    """Turns what can be seen to be wrong without a server into the exit code for arguments."""
    try:
        yield
    except InterfaceError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _one_line(exc: Error) -> str:
    """The error with the server's detail and hint, which often say what to do."""
    parts = [str(exc)]
    for label, text in (("DETAIL", exc.diag.message_detail), ("HINT", exc.diag.message_hint)):
        if text and text not in parts[0]:
            parts.append(f"{label}: {text}")
    return " ".join(" ".join(parts).split())


def _fail(text: str, code: int) -> None:
    print(f"pgfast: {text}", file=sys.stderr)
    raise typer.Exit(code)


def _names(text: str) -> list[str] | None:
    """The names in a list separated by commas, None where there are none."""
    return [name.strip() for name in text.split(",") if name.strip()] or None


def _mapping(text: str) -> list[str] | dict[str, str] | None:
    """Names as `_names` has them, or a mapping where one is NAME=COLUMN: the others keep their names."""
    names = _names(text)
    if names is None or not any("=" in name for name in names):
        return names
    return {name.partition("=")[0].strip(): (name.partition("=")[2] or name).strip() for name in names}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"pgfast {__version__} ({'compiled' if IMPLEMENTATION == 'c' else 'pure Python'})")
        raise typer.Exit


@app.callback()
def _pgfast(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=_EPILOG)
def load(
    files: arguments.Files,
    table: arguments.Table,
    to: arguments.To = "",
    create: arguments.Create = False,
    mode: arguments.Mode = "append",
    on_conflict: arguments.OnConflict = None,
    key: arguments.Key = "",
    max_rejects: arguments.MaxRejects = None,
    rejects: arguments.RejectsFile = None,
    resume: arguments.Resume = None,
    jobs: arguments.Jobs = 1,
    memory: arguments.Memory = "256MB",
    defer_indexes: arguments.DeferIndexes = False,
    dry_run: arguments.DryRun = False,
    columns: arguments.Columns = "",
    format_: arguments.Format = None,
    header: arguments.Header = True,
    delimiter: arguments.Delimiter = None,
    null: arguments.Null = None,
    quote: arguments.Quote = '"',
    escape: arguments.Escape = None,
    decimal: arguments.Decimal = ".",
    dates: arguments.Dates = "iso",
    skip_lines: arguments.SkipLines = 0,
    ragged: arguments.Ragged = "error",
    encoding: arguments.Encoding = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Load files into a table, so that every row is kept or none; or, where that is asked for, say of each what became
    of it."""
    of_files = {
        "format": format_,
        "header": header,
        "delimiter": delimiter,
        "null": [""] if null is None else null,
        "quote": quote,
        "escape": escape,
        "decimal": decimal,
        "dates": dates,
        "skip_lines": skip_lines,
        "ragged": ragged,
        "encoding": encoding,
    }
    options = {
        "create": create,
        "mode": mode,
        "on_conflict": on_conflict,
        "key": _names(key),
        "on_error": "reject" if rejects is not None and max_rejects is None else None,
        "max_rejects": max_rejects,
        "rejects": rejects,
        "resume": resume,
        "defer_indexes": defer_indexes,
        "dry_run": dry_run,
        **of_files,
    }
    with _failures_in_one_line():
        with _wrong_arguments():
            check_load(options, jobs, memory)
        if run_load(files, to, table, _mapping(columns), options, (jobs, memory), as_json):
            raise typer.Exit(REJECTED)


@app.command(epilog=_EPILOG)
def restore(
    table: Annotated[str, typer.Argument(help="The table of the load, as in SQL: name or schema.name.")],
    name: Annotated[str, typer.Argument(help="The name of the load, as it was given by --resume.")],
    to: Annotated[
        str, typer.Option("--to", help="Connection URI or keyword=value string; the PG* variables fill the gaps.")
    ] = "",
) -> None:
    """Make again the indexes and constraints that a load with --defer-indexes was broken off without."""
    with _failures_in_one_line():
        run_restore(to, table, name)


@app.command(epilog=_EPILOG)
def query(
    dsn: Annotated[str, typer.Argument(help="Connection URI or keyword=value string; '' for the PG* variables.")],
    sql: Annotated[str, typer.Argument(help="One statement.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"File to write: {', '.join(SUFFIXES)}. Otherwise a table is shown."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows to show at most.")] = 100,
) -> None:
    """Run a statement and show its rows as a table, or write them to a file."""
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"the file must end in one of {', '.join(SUFFIXES)}", param_hint="--output")
    with _failures_in_one_line():
        run_query(dsn, sql, output, rows)


@app.command(epilog=_EPILOG)
def export(
    source: Annotated[str, typer.Argument(help="A table or view, as in SQL: name or schema.name; or a query.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="File to write; NAME/ for parts in a directory; - for standard output."),
    ],
    dsn: Annotated[
        str, typer.Option("--from", help="Connection URI or keyword=value string; the PG* variables fill the gaps.")
    ] = "",
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl, parquet or arrow, where the name does not tell.")
    ] = None,
    compression: Annotated[
        str | None, typer.Option("--compression", help="gzip, bz2, zstd, none; for Parquet and Arrow one of theirs.")
    ] = None,
    columns: Annotated[str, typer.Option("--columns", help="Columns to write, separated by commas.")] = "",
    param: Annotated[list[str] | None, typer.Option("--param", help="A value for the query's $1, $2, in turn.")] = None,
    header: Annotated[bool, typer.Option("--header/--no-header", help="CSV: the first line names the columns.")] = True,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="CSV: one character between values; a comma, or a tab for .tsv.")
    ] = None,
    null: Annotated[str, typer.Option("--null", help="CSV: unquoted text that means NULL.")] = "",
    quote: Annotated[str, typer.Option("--quote", help="CSV: the character around values.")] = '"',
    force_quote: Annotated[bool, typer.Option("--force-quote", help="CSV: quote whatever is not NULL.")] = False,
    encoding: Annotated[str | None, typer.Option("--encoding", help="CSV: the file's encoding, else UTF8.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Connections that read the table.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the report, and how far it is.")] = False,
) -> None:
    """Write a table, or the rows of a query, into a file that appears when it is whole."""
    options = {
        "format": format_,
        "columns": _names(columns),
        "compression": compression,
        "header": header,
        "delimiter": delimiter,
        "null": null,
        "quote": quote,
        "force_quote": force_quote,
        "encoding": encoding,
        "jobs": jobs,
    }
    with _failures_in_one_line():
        with _wrong_arguments():
            check_arguments(output, options)
        run_export(source, dsn, output, options, param or [], as_json)


@app.command(epilog=_EPILOG)
def copy(
    source: Annotated[str, typer.Argument(help="Where from: connection URI or keyword=value string.")],
    target: Annotated[str, typer.Argument(help="Where to: connection URI or keyword=value string.")],
    tables: Annotated[list[str], typer.Argument(help="Tables, as in SQL: name or schema.name, alike on both sides.")],
    create: Annotated[
        bool, typer.Option("--create", help="Create them: columns, types, NOT NULL, identity and primary key.")
    ] = False,
    truncate: Annotated[bool, typer.Option("--truncate", help="Empty them first, in the same transaction.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Connections to each side.")] = 1,
    each: Annotated[
        bool, typer.Option("--commit-each", help="Commit each table when it is copied; else all of them at the end.")
    ] = False,
    sequences: Annotated[
        bool, typer.Option("--sequences", help="Set the sequences of the columns to where they are at the source.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the report, and how far it is.")] = False,
) -> None:
    """Copy tables from one server to another, all of one moment and none of them by halves."""
    if create and truncate:
        raise typer.BadParameter("a table that is created is empty", param_hint="--truncate")
    options = {
        "create": create,
        "truncate": truncate,
        "jobs": jobs,
        "commit": "table" if each else "all",
        "sequences": sequences,
    }
    with _failures_in_one_line():
        run_copy(source, target, tables, options, as_json)


@app.command(epilog=_EPILOG)
def demo(
    scale: Annotated[float, typer.Option("--scale", min=0.001, help="TPC-H scale factor; 0.1 is 600,572 rows.")] = 0.1,
    pure: Annotated[
        bool, typer.Option("--pure/--no-pure", help="Run the pure-Python codec beside the compiled one.")
    ] = True,
) -> None:
    """Load and read back TPC-H lineitem on a server of its own, check every sum, and show how fast it went."""
    with _failures_in_one_line():
        run_demo(scale, pure)
