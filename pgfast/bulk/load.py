"""A load: one operation, whatever the source and whichever driver carries it out.

Law of this file: all rows or none. In autocommit mode COPY is a transaction of its own; in an open transaction it
stands behind a savepoint, so that a load that fails leaves the transaction as it was before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, Final

from ..errors import DatabaseError, InterfaceError
from ..protocol.operations import Operation, Pull, copy_in, ensure_begin, release, rollback_to, savepoint
from ..protocol.session import Session
from .feed import SERVER_CSV, Blocks, Feed, Reread, Retrying, path_of
from .report import LoadReport, Meter, Progress
from .rows import RowFeed
from .sources import FileOptions, open_columns
from .target import DUPLICATE_COLUMN, UNDEFINED_COLUMN, Target, coded_error, describe

_SAVEPOINT: Final = "pgfast_load"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    The columns to fill (None: those the source names, or all the table has), how to read files, whom to tell.
    """

    columns: Sequence[str] | None = None
    files: FileOptions = field(default_factory=FileOptions)
    progress: Progress | None = None


def load(session: Session, table: str, source: Any, options: LoadOptions) -> Operation[LoadReport]:
    """What a load of the source into the table did.

    Raises DataError with table, row and column for a value that does not fit, UndefinedTable, UndefinedColumn, the
    server's own errors, and what the source itself raises; nothing has then been loaded.
    """
    started = perf_counter()
    feed = open_columns(source, options.files)
    try:
        if feed is None:
            feed = yield from _open_rows(source)
        yield from ensure_begin(session)
        target = _chosen((yield from describe(session, table)), feed, options.columns)
        feed.prepare(target, session.parameters.get("TimeZone"))
        try:
            rows, size_bytes = yield from _copy(session, target, feed, options.progress)
        except DatabaseError as exc:
            # The server counts the lines of a file that it reads itself, and rows in all else.
            target.located(exc, "line" if path_of(feed.copy_options()) == SERVER_CSV else "row")
            raise
    finally:
        if feed is not None:
            feed.close()
    path = path_of(feed.copy_options())  # a source that was read again may have gone another way than it began
    return LoadReport(table, target.names, rows, size_bytes, perf_counter() - started, feed.kind, path)


def _open_rows(source: Any) -> Operation[RowFeed]:
    """The feed of an iterable or async iterable; its first row is looked at for the names of columns."""
    if isinstance(source, Iterable) or not isinstance(source, AsyncIterable):
        rows = iter(source)
        return RowFeed(list(islice(rows, 1)), rows)
    rest = source.__aiter__()
    first = yield Pull(_first_of(rest))
    return RowFeed([] if first is None else [first[0]], rest)


async def _first_of(rows: AsyncIterator[Any]) -> AsyncIterator[tuple[Any]]:
    """The first row, in a tuple because a bare None would be the end to Pull; `rows` can be read on."""
    async for row in rows:
        yield (row,)
        return


def _chosen(table: Target, feed: Feed, columns: Sequence[str] | None) -> Target:
    """The columns of the table that are filled, in the order the feed gives them."""
    if isinstance(columns, str):
        raise InterfaceError("columns must be a sequence of names, not a str")
    names = feed.names
    if columns is not None and names is not None:
        for name in columns:
            if name not in names:
                raise coded_error(
                    UNDEFINED_COLUMN,
                    f"COPY {table.table}: the source has no column {name!r}; it has {', '.join(names)}",
                )
            if list(names).count(name) > 1:
                raise coded_error(DUPLICATE_COLUMN, f"COPY {table.table}: the source has two columns {name!r}")
    wanted = columns if columns is not None else names
    target = table.writable() if wanted is None else table.filling(wanted)
    if not target.columns:
        raise InterfaceError(f"COPY {table.table}: there is no column to fill")
    return target


def _copy(session: Session, target: Target, feed: Feed, progress: Progress | None) -> Operation[tuple[int, int]]:
    """(rows, bytes sent) of the COPY; begun again where the feed wants to read the source in another way."""
    while True:
        meter = Meter(progress)
        try:
            rows = yield from _guarded(session, target.copy_sql(feed.copy_options()), feed.blocks(meter))
        except Reread:
            continue
        except DatabaseError as exc:
            if session.dead is None and isinstance(feed, Retrying) and feed.refused(exc):
                continue
            raise
        return rows if rows >= 0 else meter.rows, meter.size_bytes


def _guarded(session: Session, sql: str, blocks: Blocks) -> Operation[int]:
    """The COPY, behind a savepoint where a transaction is open."""
    if session.transaction_status != "T":
        return (yield from copy_in(session, sql, blocks))
    yield from savepoint(session, _SAVEPOINT)
    try:
        rows = yield from copy_in(session, sql, blocks)
    except Exception:
        if session.dead is None:
            yield from rollback_to(session, _SAVEPOINT)
        raise
    yield from release(session, _SAVEPOINT)
    return rows
