"""`pgfast query`: the rows of a statement as a table on the screen or as a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import pgfast

from . import show

#: What the name of an output file may end in.
SUFFIXES: Final = (".csv", ".parquet", ".arrow")
_NUMBERS: Final = frozenset({20, 21, 23, 26, 700, 701, 1700})


def run_query(dsn: str, sql: str, output: Path | None, rows: int) -> None:
    """Runs the statement and shows or writes what comes."""
    with pgfast.connect(dsn, autocommit=True) as conn:
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
    show.console().print(show.table(header, [[_text(value) for value in row] for row in rows], right))
    if cursor.rowcount > len(rows):
        print(f"{len(rows):,} of {cursor.rowcount:,} rows; --rows N shows more, --output FILE writes all")
    else:
        print(f"{len(rows):,} {'row' if len(rows) == 1 else 'rows'}")


def _text(value: object) -> str | None:
    """One value as it is shown."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)


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
        os.unlink(name)
        raise
    print(f"{output}: {count:,} rows, {output.stat().st_size:,} bytes")


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_csv(conn: Any, sql: str, path: Path, _: str) -> int:
    """The server's own CSV with a header line; memory stays flat. Number of rows."""
    statement = f"COPY ({sql.strip().rstrip(';')}) TO STDOUT (FORMAT csv, HEADER)"
    with path.open("wb") as file, conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in copy:
                file.write(block)
        return int(cursor.rowcount)


def _write_arrow(conn: Any, sql: str, path: Path, suffix: str) -> int:
    """A Parquet file or an Arrow file with exact types. Number of rows."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise ImportError(f"writing {suffix} needs pyarrow: pip install 'pgfast[arrow]'") from exc
    found = pyarrow.table(conn.fetch_columns(sql))
    if suffix == ".parquet":
        pyarrow.parquet.write_table(found, path)
    else:
        with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, found.schema) as writer:
            writer.write_table(found)
    return int(found.num_rows)
