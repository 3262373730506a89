"""`load` and `fetch_columns`, as both connections have them.

Law of this file: one line over an operation; what the methods promise is said once.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol, TypeVar

from ..columns import Columns
from ..connections.docstrings import document
from ..connections.faces import awaited
from ..errors import InterfaceError
from ..protocol.operations import AnyQuery, Operation
from ..protocol.operations.queries import Params
from ..protocol.session import Session
from .fetch import fetch_columns
from .load import load
from .options import CHUNK_BYTES, LoadOptions
from .rejects import Rejects
from .report import LoadReport, Progress
from .sources import FileOptions

T = TypeVar("T")


class _Runner(Protocol):
    """What the methods need of the connection they are mixed into."""

    _takes_async_rows: ClassVar[bool]

    @property
    def _session(self) -> Session: ...
    def _run(self, operation: Operation[T], timeout: float | None = None) -> T: ...


METHODS: Final[dict[str, str]] = {
    "load": """What a load of `source` into `table` did, as a LoadReport: all rows are there, or an exception is
raised and none is, unless more is asked for.

`table` is a name or schema.name as in SQL, so anything but lower case, digits and _ stands in double quotes. `source`
is one of: an iterable of tuples or lists (values by position) or of mappings (by name: the first row's keys); on an
AsyncConnection an async iterable of these as well; a mapping of names to NumPy arrays or lists; anything with
`__arrow_c_stream__` or `__arrow_c_array__` (pyarrow, polars, pandas, DuckDB, Columns); the path of a CSV, JSON lines,
Parquet or Arrow file, as str or os.PathLike, or what open() gave; Parquet and Arrow are read by pyarrow (the extra
`arrow`). `columns` names the table's columns to fill, or maps names of the source to them; without it they are those
the source names, or else all that the server does not compute itself.

The server is asked for the types of the columns, and binary COPY is written for exactly those; where the driver does
not know one of the types, text COPY. A value must fit its column without loss: text is not a number or a date, True
is not 1. In files and Arrow data, text that is a valid value of the column's type is taken. Rows are pulled as the
socket takes them; memory stays flat however many come.

For files: `format` is "csv", "jsonl", "parquet" or "arrow" (default: by content and name). Of CSV `header`, `quote` and
`escape` are as in COPY.
`delimiter` None is a tab for .tsv files, else the one of comma, semicolon, tab and stroke by which most of the first
records have as many fields as the header. `null` is the text that means NULL where no quote is around it, or a list of
them, or a mapping of columns to theirs; `encoding` None is told by a byte order mark, else UTF-8. `decimal` ","
is a decimal comma; `dates` is the order of a day's parts, "iso", "dmy", "mdy" or "ymd", with points, strokes or hyphens
between them. So many `skip_lines` come before the header; `ragged="fill"` takes fields that a record lacks at its end
for NULL.

`mode` "truncate" empties the table first, in the same transaction, and its rows are written frozen (COPY's FREEZE: they
need no later visit of VACUUM) where the server allows it; "replace" loads beside the table and swaps the two at the
end; `create` makes the table for the source. `on_conflict` "ignore" or "update" is for rows whose `key`, else primary
key, is there. `on_error` "reject", `max_rejects` or `rejects` (a path, an open text file, a function) set bad rows
aside and load the others. `resume` names a load that commits its chunks of about `chunk_bytes`, with their lines in a
ledger, and goes on where it was. `defer_indexes` makes indexes and foreign keys again behind the load; `dry_run` checks
everything and loads nothing. docs/loading.md says more of each.

`freeze=True` demands FREEZE for a table which the open transaction has created or emptied before, and then a load that
fails spoils that transaction; `freeze=False` forbids it. Whoever looks into such a table with an older snapshot sees
the rows as soon as they are committed (docs: COPY). `progress` is called with the rows and bytes so far for each block.
`timeout` is in seconds for the whole load; while the source is busy with one row, nobody looks at it.

In a transaction that is already open, or that the load begins when autocommit is off, the load is a part of it,
behind a savepoint: a load that fails leaves the transaction as it was. A timeout or a cancelled task leaves the
transaction as any interrupted statement does: it must be rolled back.

Raises DataError for a value that does not fit, naming row (counted from 1 over the whole load) and column,
UndefinedTable and UndefinedColumn with similar names, TooManyRejects, InterfaceError for what is no source,
FileNotFoundError, the server's own errors, which name row and column as well where it tells them, and whatever the
source itself raises.
""",
    "fetch_columns": """The rows of a query as Columns: Arrow-layout buffers decoded straight from the wire.

`query` and `params` are as for `Cursor.execute`; one statement only. `timeout` is in seconds. See Columns for what
becomes of each type, and for the ways to NumPy, pandas, polars and pyarrow.

Raises ProgrammingError for a statement that gives no rows, DataError for values that a column cannot hold, such as
NaN in a numeric(p,s).
""",
}


@document(METHODS)
class LoadMethods:
    """Bulk loading and columnar results for a connection."""

    __slots__ = ()

    _takes_async_rows: ClassVar[bool] = False

    def load(
        self: _Runner,
        table: str,
        source: Any,
        columns: Sequence[str] | Mapping[str, str] | None = None,
        *,
        format: str | None = None,  # noqa: A002  (COPY's own name for it)
        header: bool = True,
        delimiter: str | None = None,
        null: str | Sequence[str] | Mapping[str, str | Sequence[str]] = "",
        quote: str = '"',
        encoding: str | None = None,
        escape: str | None = None,
        decimal: str = ".",
        dates: str = "iso",
        skip_lines: int = 0,
        ragged: str = "error",
        mode: str = "append",
        freeze: bool | None = None,
        on_conflict: str | None = None,
        key: Sequence[str] | None = None,
        on_error: str | None = None,
        max_rejects: int | None = None,
        rejects: Rejects = None,
        resume: str | None = None,
        create: bool = False,
        defer_indexes: bool = False,
        dry_run: bool = False,
        chunk_bytes: int = CHUNK_BYTES,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> LoadReport:
        if isinstance(source, AsyncIterable) and not isinstance(source, Iterable) and not self._takes_async_rows:
            raise InterfaceError(f"{type(source).__name__} is an async iterable; load it on an AsyncConnection")
        files = FileOptions(
            *(format, header, delimiter, null, quote, encoding, escape, decimal, dates, skip_lines, ragged)
        )
        options = LoadOptions(
            *(columns, files, progress, mode, freeze, on_conflict, key, on_error, max_rejects, rejects, resume),
            *(create, defer_indexes, dry_run, chunk_bytes),
        )
        return self._run(load(self._session, table, source, options), timeout)

    def fetch_columns(
        self: _Runner, query: AnyQuery, params: Params = None, *, timeout: float | None = None
    ) -> Columns:
        return self._run(fetch_columns(self._session, query, params), timeout)


@document(METHODS)
class AsyncLoadMethods:
    """Bulk loading and columnar results for a connection of asyncio."""

    __slots__ = ()

    _takes_async_rows: ClassVar[bool] = True
    load = awaited(LoadMethods.load)
    fetch_columns = awaited(LoadMethods.fetch_columns)
