"""A load: one operation, whatever the source and whichever driver carries it out.

Law of this file: all rows or none. In autocommit mode COPY is a transaction of its own; in an open transaction it
stands behind a savepoint, so that a load that fails leaves the transaction as it was before it.

Rows of a table that the same subtransaction has emptied or made can be written frozen: nobody else has seen the table,
and VACUUM need not come back to them. Where the load empties the table itself it asks for that whenever the server will
allow it. A table that the caller has emptied can only be frozen without the savepoint, so that is asked for
by the caller alone. (docs: COPY, FREEZE; server: copyfrom.c)
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any, Final

from ..errors import DatabaseError, DataError, InterfaceError
from ..protocol.operations import (
    Operation,
    Pull,
    begin,
    command,
    commit,
    copy_in,
    ensure_begin,
    fetch,
    release,
    rollback,
    rollback_to,
    savepoint,
)
from ..protocol.session import Session
from .chunked import ChunkPlan, load_chunks
from .feed import SERVER_CSV, Blocks, Feed, Reread, Retrying, path_of
from .ledger import Ledger
from .options import LoadOptions
from .rejects import Bin
from .report import LoadReport, Meter
from .rows import RowFeed
from .sources import open_columns
from .staging import conflict_of
from .target import DUPLICATE_COLUMN, UNDEFINED_COLUMN, Target, coded_error, describe

_SAVEPOINT: Final = "pgfast_load"
_ORDINARY: Final = "r"
#: Cursors hold snapshots, and with those the server does not freeze. The nameless one is this query's own.
_NO_CURSORS: Final = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE name <> '')"


def load(session: Session, table: str, source: Any, options: LoadOptions) -> Operation[LoadReport]:
    """What a load of the source into the table did.

    Raises DataError with table, row and column for a value that does not fit, UndefinedTable, UndefinedColumn, the
    server's own errors, and what the source itself raises; nothing has then been loaded, or, of a load that can be
    resumed, what its ledger says.
    """
    options.check()
    started = perf_counter()
    feed = open_columns(source, options.files)
    try:
        if feed is None:
            feed = yield from _open_rows(source)
        if options.resume is None:
            yield from ensure_begin(session)
        elif session.transaction_status != "I":
            raise InterfaceError("a load that can be resumed commits each chunk; end the open transaction first")
        target = _chosen((yield from describe(session, table)), feed, options.columns)
        feed.prepare(target, session.parameters.get("TimeZone"))
        if options.chunked or not feed.again:
            return (yield from _load_chunked(session, target, feed, options, started))
        try:
            copied = yield from _copy(session, target, feed, options)
        except DatabaseError as exc:
            # The server counts the lines of a file that it reads itself, and rows in all else.
            target.located(exc, "line" if path_of(feed.copy_options()) == SERVER_CSV else "row")
            raise
    finally:
        if feed is not None:
            feed.close()
    path = path_of(feed.copy_options())  # a source that was read again may have gone another way than it began
    return LoadReport(
        table,
        target.names,
        copied.rows,
        copied.size_bytes,
        perf_counter() - started,
        feed.kind,
        path,
        read=copied.read,
        skipped=copied.read - copied.rows,
        inserted=copied.rows,
        frozen=copied.frozen,
    )


def _load_chunked(
    session: Session, target: Target, feed: Feed, options: LoadOptions, started: float
) -> Operation[LoadReport]:
    """A load in chunks."""
    conflict = yield from conflict_of(session, target, options.on_conflict, options.key)
    meter = Meter(options.progress)
    emptying = command(session, f"TRUNCATE {target.sql}") if options.mode == "truncate" else None
    rejects = Bin(options.max_rejects, options.rejects) if options.rejecting else None
    plan = ChunkPlan(rejects, conflict, options.chunk_bytes, emptying)
    part = None
    kept: set[str | None] | None = None
    if options.resume is not None:
        ledger = Ledger(session, target.schema, options.resume)
        yield from ledger.open(target.sql, options.manner(target.names), emptying)
        part, kept = ledger.part(feed.name), (yield from ledger.names())
        yield from part.find()
    try:
        if rejects is not None:
            rejects.begin(None if kept is None else kept.__contains__)
            rejects.count = part.rejected if part is not None else 0
        totals = yield from load_chunks(session, target, feed, plan, meter, part)
        if options.resume is not None:
            yield from ledger.finish()
    finally:
        if rejects is not None:
            rejects.close()
    return LoadReport(
        target.table,
        target.names,
        totals.loaded,
        totals.size_bytes,
        perf_counter() - started,
        feed.kind,
        " and ".join(totals.paths) or path_of(feed.copy_options()),
        read=totals.read,
        rejected=totals.rejected,
        skipped=totals.skipped,
        inserted=totals.loaded - totals.updated,
        updated=totals.updated,
        rejects=() if rejects is None else tuple(rejects.kept),
        resumed=0 if part is None else part.loaded,
    )


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


@dataclass(frozen=True, slots=True)
class _Copied:
    rows: int
    read: int
    size_bytes: int
    frozen: bool


def _copy(session: Session, target: Target, feed: Feed, options: LoadOptions) -> Operation[_Copied]:
    """What the COPY did; begun again where the feed wants to read the source in another way."""
    frozen = bool(options.freeze)
    if options.freeze is None and options.mode == "truncate" and target.kind == _ORDINARY:
        frozen = (yield from fetch(session, _NO_CURSORS, classes=(bool,), count=1))[0][0]
    bare = frozen and options.mode != "truncate" and session.transaction_status == "T"
    while True:
        meter = Meter(options.progress)
        sql = target.copy_sql(feed.copy_options() + (", FREEZE" if frozen else ""))
        try:
            copying = _emptied(session, target, sql, feed.blocks(meter), (options.mode == "truncate"))
            rows = yield from (copying if bare else _guarded(session, copying, (options.mode == "truncate")))
        except Reread as exc:
            if bare:
                raise DataError(
                    f"COPY {target.table}: the source holds what only the server surely reads, so it must be read "
                    "again, but freeze=True in an open transaction leaves no savepoint to go back to: let the load "
                    "empty the table (mode='truncate'), or do without freeze"
                ) from exc
            continue
        except DatabaseError as exc:
            if session.dead is None and not bare and isinstance(feed, Retrying) and feed.refused(exc):
                continue
            raise
        loaded = rows if rows >= 0 else meter.rows
        # The rows of a file that the server reads are not counted here, unless somebody is told of them.
        read = loaded if path_of(feed.copy_options()) == SERVER_CSV else meter.rows
        return _Copied(loaded, read, meter.size_bytes, frozen)


def _emptied(session: Session, target: Target, sql: str, blocks: Blocks, truncate: bool) -> Operation[int]:
    """The COPY, into the table as it is or emptied first."""
    if truncate:
        yield from command(session, f"TRUNCATE {target.sql}")
    return (yield from copy_in(session, sql, blocks))


def _guarded(session: Session, copying: Operation[int], several: bool) -> Operation[int]:
    """All of it or nothing: behind a savepoint where a transaction is open; else, where there are several statements,
    in a transaction of its own."""
    if session.transaction_status == "T":
        yield from savepoint(session, _SAVEPOINT)
        undo, keep = rollback_to(session, _SAVEPOINT), release(session, _SAVEPOINT)
    elif several:
        yield from begin(session)
        undo, keep = rollback(session), commit(session)
    else:
        return (yield from copying)
    try:
        rows = yield from copying
    except Exception:
        if session.dead is None:
            yield from undo
        raise
    yield from keep
    return rows
