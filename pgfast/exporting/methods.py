"""`export`, as both connections have it, and `pgfast.export`.

Law of this file: one line over an operation, and what was written is removed where that has failed; what the methods
promise is said once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from ..connections.base import AnyLink
from ..connections.docstrings import document
from ..connections.faces import awaited
from ..errors import Error
from ..protocol.operations import AnyQuery, Operation, rollback
from ..protocol.operations.queries import Params
from ..protocol.session import Session
from .export import Exporting
from .options import ExportOptions
from .report import ExportReport, Progress

T = TypeVar("T")


class _Runner(Protocol):
    """What the methods need of the connection they are mixed into."""

    @property
    def _session(self) -> Session: ...
    @property
    def _base_link(self) -> AnyLink: ...
    def _exported(self, source: AnyQuery, path: Any, options: ExportOptions, timeout: float | None) -> ExportReport: ...
    def _run(self, operation: Operation[T], timeout: float | None = None) -> T: ...


class _AsyncRunner(Protocol):
    @property
    def _session(self) -> Session: ...
    @property
    def _base_link(self) -> AnyLink: ...
    async def _run(self, operation: Operation[T], timeout: float | None = None) -> T: ...


METHODS: Final[dict[str, str]] = {
    "export": """What an export of a table or query into a file did, as an ExportReport: the file is there whole, or an
exception is raised and nothing of it is left.

`source` is the name of a table or view as in SQL (name or schema.name), or a query as for `Cursor.execute`, with
`params`. `columns` names the columns to write, in that order; without it all of them. `path` is the file, as str or
os.PathLike, whose name tells the format and the compression unless `format` and `compression` do: .csv, .tsv, .jsonl
and .ndjson, each also with .gz, .bz2 or .zst, .parquet, .arrow, .feather and .ipc; "-" is the standard output, and
anything with `write` a file that takes bytes. A file that is there is replaced when the new one is whole. A directory,
or a name that ends in a slash, gets the files part-00000 and so on, and must hold none of them before.

CSV is the server's own text, passed on as it comes; `header`, `delimiter`, `null`, `quote`, `force_quote` (True, or
names of columns) and `encoding` are as in COPY. JSON lines are the server's row_to_json: numbers with all their digits,
NULL as null, json as it is, dates and times in ISO 8601. Parquet and Arrow files are made of the columns that
`fetch_columns` gives, in batches, by pyarrow (the extra `arrow`); `compression` is then one of theirs.

`jobs` is how many connections read a table at a time, in ranges of its pages, all of them in one snapshot, so that the
result is the state of one moment whatever others write meanwhile. The pieces become the files of the directory, or are
joined in order to the one file. It needs an ordinary or partitioned table and PostgreSQL 14; where it cannot be, one
connection reads, and the report says why. Each of the connections is opened as this one was, and takes over what was
set in its session. `progress` is called with the rows and bytes so far, where there are threads by one of them.
`timeout` is in seconds for the whole export.

In autocommit mode the export is a transaction of its own, else a part of the open one.

Raises UndefinedTable and UndefinedColumn with similar names, the server's own errors, OSError for the file, DataError
for values that a column cannot hold, ImportError where the format needs a library that is missing, InterfaceError for
what cannot be right.
""",
}


@document(METHODS)
class ExportMethods:
    """Export into files, for a connection."""

    __slots__ = ()

    def export(
        self: _Runner,
        source: AnyQuery,
        path: Any,
        *,
        format: str | None = None,  # noqa: A002  (COPY's own name for it)
        columns: Sequence[str] | None = None,
        params: Params = None,
        compression: str | None = None,
        header: bool = True,
        delimiter: str | None = None,
        null: str = "",
        quote: str = '"',
        force_quote: bool | Sequence[str] = False,
        encoding: str | None = None,
        jobs: int = 1,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> ExportReport:
        options = ExportOptions(
            *(format, columns, params, compression, header, delimiter, null, quote, force_quote, encoding),
            *(jobs, progress),
        )
        return self._exported(source, path, options, timeout)

    def _exported(
        self: _Runner, source: AnyQuery, path: Any, options: ExportOptions, timeout: float | None
    ) -> ExportReport:
        """What the export did; where it fails nothing is left of it."""
        exporting = Exporting(path, options, threaded=False)
        try:
            return self._run(exporting.run(self._session, self._base_link.info, source), timeout)
        except BaseException:
            exporting.abort()
            if exporting.left_open(self._session):
                with contextlib.suppress(Error):  # the connection may be gone, and the transaction with it
                    self._run(rollback(self._session))
            raise


@document(METHODS)
class AsyncExportMethods:
    """Export into files, for a connection of asyncio."""

    __slots__ = ()

    export = awaited(ExportMethods.export)

    async def _exported(
        self: _AsyncRunner, source: AnyQuery, path: Any, options: ExportOptions, timeout: float | None
    ) -> ExportReport:
        """As above, with files written by threads."""
        exporting = Exporting(path, options, threaded=True)
        try:
            return await self._run(exporting.run(self._session, self._base_link.info, source), timeout)
        except GeneratorExit:  # the event loop is gone, nothing can be awaited
            exporting.abort()
            raise
        except BaseException:
            await asyncio.shield(asyncio.to_thread(exporting.abort))
            if exporting.left_open(self._session):
                with contextlib.suppress(Error):  # as above
                    await self._run(rollback(self._session))
            raise
