"""`pgfast query`: the rows of a statement as a table on the screen or as a file."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import pgfast

from ..protocol.statements import plain
from ..types.render import render_any
from . import show

#: What the name of an output file may end in.
SUFFIXES: Final = (".csv", ".parquet", ".arrow")
#: What the server quotes in CSV.
_QUOTED: Final = re.compile(r'[",\r\n]')
#: Types of which the server's text tells more, or in other words, than any Python value.
_TOLD: Final = ("float4", "float8", "money", "interval", "json", "jsonb", "record", "record[]")
_NUMBERS: Final = frozenset({20, 21, 23, 26, 700, 701, 1700})


def run_query(dsn: str, sql: str, output: Path | None, rows: int) -> None:
    """Runs the statement and shows or writes what comes. Raises ProgrammingError, before any, for several of them."""
    if plain(sql).several:
        raise pgfast.ProgrammingError("more than one statement; run them one by one")
    with pgfast.connect(dsn, autocommit=True) as conn:
        # Values are only shown: the server's text tells more of them than Python's objects.
        conn.types.configure(dates="text", times="text", geometry="bytes", vectors="list")
        for name in _TOLD:
            conn.types.register(name, decode=str, encode=str)
        if output is None:
            _show(conn, sql, rows)
        else:
            _write(conn, sql, output)


def _show(conn: Any, sql: str, limit: int) -> None:
    cursor = conn.execute(sql)
    if cursor.description is None:
        print(cursor.statusmessage)
        return
    rows = cursor.fetchmany(limit)
    right = frozenset(index for index, column in enumerate(cursor.description) if column[1] in _NUMBERS)
    header = [column[0] for column in cursor.description]
    oids = [column[1] for column in cursor.description]
    cells = [[_text(conn, value, oid) for value, oid in zip(row, oids, strict=True)] for row in rows]
    show.console().print(show.table(header, cells, right))
    if cursor.rowcount > len(rows):
        print(f"{len(rows):,} of {cursor.rowcount:,} rows; --rows N shows more, --output FILE writes all")
    else:
        print(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}")


def _text(conn: Any, value: object, oid: int) -> str | None:
    """One value as it is shown."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    made: str | None = conn.types.text(value, oid)
    return made


def _write(conn: Any, sql: str, output: Path) -> None:
    """Writes the file under another name and renames it, so that a failure leaves no half of it."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    os.close(handle)
    try:
        write = _write_csv if output.suffix.lower() == ".csv" else _write_arrow
        count = write(conn, sql, Path(name), output.suffix.lower())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, output)
    except BaseException:
        Path(name).unlink(missing_ok=True)  # pyarrow may have done it
        raise
    print(f"{output}: {count:,} rows, {output.stat().st_size:,} bytes")


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_csv(conn: Any, sql: str, path: Path, _: str) -> int:
    """The server's own CSV with a header line; memory stays flat. Number of rows.

    What COPY does not take inside, such as SHOW and EXPLAIN, is run as it is: it gives few rows, and those of text.
    """
    # A line of its own for the parenthesis: the statement may end in a comment.
    statement = f"COPY ({sql.strip().rstrip(';')}\n) TO STDOUT (FORMAT csv, HEADER)"
    try:
        with path.open("wb") as file, conn.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for block in copy:
                    file.write(block)
            return int(cursor.rowcount)
    except pgfast.errors.SyntaxError:
        # Nothing was run. Where the statement itself is wrong, the server will say so of what the user wrote.
        return _write_rows(conn.execute(sql), path)


def _write_rows(cursor: Any, path: Path) -> int:
    """The rows of a cursor as CSV in the form the server gives it. Number of rows."""
    if cursor.description is None:
        raise pgfast.ProgrammingError(f"there are no rows to write: the server answered {cursor.statusmessage}")
    rows = [[None if value is None else render_any(value) for value in row] for row in cursor]
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in [[column[0] for column in cursor.description], *rows]:
            file.write(",".join([_csv_field(value) for value in row]) + "\n")
    return len(rows)


def _csv_field(value: str | None) -> str:
    """One value as the server writes it: NULL is empty, and what would be read otherwise stands in quotes."""
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if not value or _QUOTED.search(value) else value


def _write_arrow(conn: Any, sql: str, path: Path, suffix: str) -> int:
    """A Parquet file or an Arrow file with exact types. Number of rows."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise ImportError(f"writing {suffix} needs pyarrow: pip install 'pgfast[arrow]'") from exc
    found = pyarrow.table(conn.fetch_columns(sql)).unify_dictionaries()  # of which an Arrow file holds one a column
    if suffix == ".parquet":
        try:
            pyarrow.parquet.write_table(found, path)
        except pyarrow.ArrowNotImplementedError as exc:
            raise pgfast.NotSupportedError(
                f"a Parquet file cannot hold this: {exc}; cast it to text in the query"
            ) from exc
    else:
        with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, found.schema) as writer:
            writer.write_table(found)
    return int(found.num_rows)
