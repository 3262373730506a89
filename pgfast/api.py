"""The connections as users get them: what a session can do, with bulk loading and columnar results added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from .bulk.deferring import restore_of
from .bulk.methods import AsyncLoadMethods, LoadMethods
from .bulk.options import chunk_bytes_of, load_options
from .bulk.parallel import ParallelLoad
from .bulk.report import LoadReport
from .connections import aio, sync
from .connections.aio_cursors import AsyncCursor
from .connections.sync_cursors import Cursor
from .exporting.methods import AsyncExportMethods, ExportMethods
from .exporting.report import ExportReport
from .net.conninfo import parse
from .protocol.operations import AnyQuery
from .protocol.prepared import AUTOMATIC
from .rows import Row, RowFactory, TupleRow


class Connection(LoadMethods, ExportMethods, sync.Connection[Row]):
    """A connection to a PostgreSQL server. Threads may share it: each operation waits for its turn."""

    if TYPE_CHECKING:  # the class of the rows is the row factory's

        @overload  # type: ignore[override]  # as exact as the class is
        @classmethod
        def connect(
            cls,
            conninfo: str = "",
            *,
            autocommit: bool = False,
            timeout: float | None = None,
            prepare_threshold: int | None = AUTOMATIC,
            row_factory: RowFactory[Row],
            cursor_factory: type[Cursor[Any]] | None = None,
            context: Any = None,
            **kwargs: Any,
        ) -> Connection[Row]: ...
        @overload
        @classmethod
        def connect(
            cls,
            conninfo: str = "",
            *,
            autocommit: bool = False,
            timeout: float | None = None,
            prepare_threshold: int | None = AUTOMATIC,
            row_factory: None = None,
            cursor_factory: type[Cursor[Any]] | None = None,
            context: Any = None,
            **kwargs: Any,
        ) -> Connection[TupleRow]: ...
        @classmethod
        def connect(cls, conninfo: str = "", **kwargs: Any) -> Connection[Any]: ...


class AsyncConnection(AsyncLoadMethods, AsyncExportMethods, aio.AsyncConnection[Row]):
    """A connection to a PostgreSQL server, for asyncio. One task at a time may use it."""

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # as above
        @classmethod
        async def connect(
            cls,
            conninfo: str = "",
            *,
            autocommit: bool = False,
            timeout: float | None = None,
            prepare_threshold: int | None = AUTOMATIC,
            row_factory: RowFactory[Row],
            cursor_factory: type[AsyncCursor[Any]] | None = None,
            context: Any = None,
            **kwargs: Any,
        ) -> AsyncConnection[Row]: ...
        @overload
        @classmethod
        async def connect(
            cls,
            conninfo: str = "",
            *,
            autocommit: bool = False,
            timeout: float | None = None,
            prepare_threshold: int | None = AUTOMATIC,
            row_factory: None = None,
            cursor_factory: type[AsyncCursor[Any]] | None = None,
            context: Any = None,
            **kwargs: Any,
        ) -> AsyncConnection[TupleRow]: ...
        @classmethod
        async def connect(cls, conninfo: str = "", **kwargs: Any) -> AsyncConnection[Any]: ...


connect = Connection.connect


def load(
    conninfo: str,
    table: str,
    source: Any,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    *,
    jobs: int = 1,
    memory: int | str = "256MB",
    **options: Any,
) -> LoadReport:
    """What a load over a connection of its own, or over several, did; see `Connection.load`, whose `options` it takes.

    `conninfo` is as for `connect`. With `jobs` so many connections load files, or parts of files, side by side: byte
    ranges of a CSV file, cut where records end, row groups of a Parquet file; `source` may be a list of files. The load
    is one as a whole nevertheless: the rows go to an unlogged table first, and from there into the target by one
    statement; with mode="replace" or create=True into the new table itself. With `resume` each chunk is committed into
    the target at once. `memory` bounds what the chunks of all connections take together, in bytes or as "256MB".

    Raises InterfaceError for what several connections cannot do: on_conflict, a dry run, and rejects without `resume`.
    """
    settings = {"chunk_bytes": chunk_bytes_of(memory, jobs), **options}
    if jobs == 1:
        with connect(conninfo, autocommit=True) as conn:
            return conn.load(table, source, columns, **settings)
    sources = list(source) if isinstance(source, (list, tuple)) else [source]
    return ParallelLoad(parse(conninfo), table, sources, load_options({"columns": columns, **settings}), jobs).run()


def restore_indexes(conninfo: str, table: str, load: str) -> int:
    """How many indexes and constraints of a table were made again, which a load of this name was broken off without.

    A load with `resume` and `defer_indexes` writes their definitions down in the table's schema before it drops them,
    and makes them again at its end; this is for a load that will not be gone on with.
    """
    with connect(conninfo, autocommit=True) as conn:
        return conn._run(restore_of(conn._session, table, load))


def export(conninfo: str, source: AnyQuery, path: Any, **options: Any) -> ExportReport:
    """What an export by a connection of its own, or several with `jobs`, did; see `Connection.export`.

    `conninfo` is as for `connect`, `options` are those of `Connection.export`.
    """
    with connect(conninfo, autocommit=True) as conn:
        return conn.export(source, path, **options)
