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
from ..protocol.operations import Operation, Pull, command, copy_in, ensure_begin, fetch
from ..protocol.session import Session
from .chunked import ChunkPlan, Totals, load_chunks
from .create import create_table_sql
from .deferring import Deferred, drop_deferred, restore, restore_noted
from .feed import SERVER_CSV, Blocks, Feed, Reread, Retrying, path_of
from .framing import atomically
from .ledger import Ledger, LedgerPart, mark_of
from .options import LoadOptions
from .rejects import Bin
from .replacing import beside, make_beside, make_likeness, swap
from .report import LoadReport, Meter
from .rows import RowFeed
from .sources import open_columns
from .staging import conflict_of
from .target import DUPLICATE_COLUMN, UNDEFINED_COLUMN, Target, coded_error, describe, is_there

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
        body = _Load(session, table, feed, options, started)
        if options.resume is not None:
            return (yield from body.resumed(source))
        yield from ensure_begin(session)
        if options.framed:
            return (yield from atomically(session, body.whole(source), keep=not options.dry_run))
        return (yield from body.whole(source))
    finally:
        if feed is not None:
            feed.close()


class _Load:
    """One load of one source."""

    def __init__(self, session: Session, table: str, feed: Feed, options: LoadOptions, started: float) -> None:
        self._session = session
        self._table = table
        self._feed = feed
        self._options = options
        self._started = started
        self._ddl: str | None = None
        self._meter = Meter(options.progress)
        self._rejects = Bin(options.max_rejects, options.rejects) if options.rejecting else None

    # ---------------------------------------------------------------- in one transaction

    def whole(self, source: Any) -> Operation[LoadReport]:
        """The load, as far as it is one transaction or a part of one."""
        session, options = self._session, self._options
        if options.create:
            self._ddl = create_table_sql(self._table, source, options.files)
            yield from command(session, self._ddl)
        target = yield from self._target()
        into, deferred = target, Deferred()
        if options.dry_run:
            into = yield from make_likeness(session, target)
        elif options.mode == "replace":
            into = beside(target, "new")
            yield from make_beside(session, target, into)
        if options.defer_indexes and not options.dry_run:
            deferred = yield from drop_deferred(session, into, not options.keyed, None)
        report = yield from self._into(into, None)
        yield from restore(session, deferred.definitions)
        if into is not target and not options.dry_run:
            yield from swap(session, target, into)
        return report

    def _target(self) -> Operation[Target]:
        """The table and the columns that are filled, with the feed settled on it."""
        return (yield from settled_target(self._session, self._table, self._feed, self._options.columns))

    def _into(self, target: Target, part: LedgerPart | None) -> Operation[LoadReport]:
        """Load into this table."""
        session, feed, options = self._session, self._feed, self._options
        if options.chunked or not feed.again:
            return (yield from self._chunked(target, part, None))
        try:
            copied = yield from _copy(session, target, feed, options)
        except DatabaseError as exc:
            # The server counts the lines of a file that it reads itself, and rows in all else.
            target.located(exc, "line" if path_of(feed.copy_options()) == SERVER_CSV else "row")
            raise
        path = path_of(feed.copy_options())  # a source that was read again may have gone another way than it began
        skipped = copied.read - copied.rows
        return self._report(
            target,
            copied.rows,
            copied.size_bytes,
            path,
            read=copied.read,
            skipped=skipped,
            inserted=copied.rows,
            frozen=copied.frozen,
        )

    # ---------------------------------------------------------------- in chunks

    def resumed(self, source: Any) -> Operation[LoadReport]:
        """The load as one that commits its chunks, from where the ledger says it stands."""
        session, options = self._session, self._options
        assert options.resume is not None
        if session.transaction_status != "I":
            raise InterfaceError("a load that can be resumed commits each chunk; end the open transaction first")
        if options.create and not (yield from is_there(session, self._table)):
            self._ddl = create_table_sql(self._table, source, options.files)
            yield from command(session, self._ddl)
        target = yield from self._target()
        replacing = options.mode == "replace"
        into = beside(target, mark_of(options.resume)) if replacing else target
        ledger = Ledger(session, target.schema, options.resume)
        ended = yield from ledger.open(target.sql, options.manner(target.names), self._first(target, into))
        part = ledger.part(self._feed.name)
        yield from part.find()
        if ended and replacing:
            return self._totals_report(target, Totals(), part)
        report = yield from self._chunked(into, part, (yield from ledger.names()))
        yield from atomically(session, self._last(target, into, ledger))
        return report

    def _first(self, target: Target, into: Target) -> Operation[None]:
        """What a load that can be resumed begins with."""
        session, options = self._session, self._options
        if options.empties:
            yield from command(session, f"TRUNCATE {target.sql}")
        if into is not target:
            yield from make_beside(session, target, into)
        if options.defer_indexes:
            yield from drop_deferred(session, into, not options.keyed, options.resume)

    def _last(self, target: Target, into: Target, ledger: Ledger) -> Operation[None]:
        """What it ends with."""
        assert self._options.resume is not None
        yield from restore_noted(self._session, target.schema, self._options.resume)
        if into is not target:
            yield from swap(self._session, target, into)
        yield from ledger.finish()

    def _chunked(self, target: Target, part: LedgerPart | None, kept: set[str | None] | None) -> Operation[LoadReport]:
        session, options, rejects = self._session, self._options, self._rejects
        conflict = yield from conflict_of(session, target, options.on_conflict, options.key)
        emptying = command(session, f"TRUNCATE {target.sql}") if options.empties and part is None else None
        plan = ChunkPlan(rejects, conflict, options.chunk_bytes, emptying)
        try:
            if rejects is not None:
                rejects.begin(None if kept is None else kept.__contains__)
                rejects.count = part.rejected if part is not None else 0
            totals = yield from load_chunks(session, target, self._feed, plan, self._meter, part)
        finally:
            if rejects is not None:
                rejects.close()
        return self._totals_report(target, totals, part)

    # ---------------------------------------------------------------- what is told

    def _totals_report(self, target: Target, totals: Totals, part: LedgerPart | None) -> LoadReport:
        return self._report(
            target,
            totals.loaded,
            totals.size_bytes,
            " and ".join(totals.paths) or path_of(self._feed.copy_options()),
            read=totals.read,
            rejected=totals.rejected,
            skipped=totals.skipped,
            inserted=totals.loaded - totals.updated,
            updated=totals.updated,
            rejects=() if self._rejects is None else tuple(self._rejects.kept),
            resumed=0 if part is None else part.resumed,
        )

    def _report(self, target: Target, rows: int, size_bytes: int, path: str, **counts: Any) -> LoadReport:
        seconds = perf_counter() - self._started
        return LoadReport(
            self._table,
            target.names,
            rows,
            size_bytes,
            seconds,
            self._feed.kind,
            path,
            ddl=self._ddl,
            dry_run=self._options.dry_run,
            **counts,
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


def settled_target(session: Session, table: str, feed: Feed, columns: Sequence[str] | None) -> Operation[Target]:
    """The table and the columns of it that are filled, with the feed settled on them.

    Raises UndefinedTable and UndefinedColumn, and what the feed's columns do not allow.
    """
    target = _chosen((yield from describe(session, table)), feed, columns)
    feed.prepare(target, session.parameters.get("TimeZone"))
    return target


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
    frozen, emptying = bool(options.freeze), options.empties
    if options.freeze is None and emptying and target.kind == _ORDINARY:
        frozen = (yield from fetch(session, _NO_CURSORS, classes=(bool,), count=1))[0][0]
    bare = frozen and not emptying and session.transaction_status == "T"
    while True:
        meter = Meter(options.progress)
        sql = target.copy_sql(feed.copy_options() + (", FREEZE" if frozen else ""))
        try:
            copying = _emptied(session, target, sql, feed.blocks(meter), emptying)
            # A COPY alone is a transaction by itself.
            alone = bare or (session.transaction_status == "I" and not emptying)
            rows = yield from (copying if alone else atomically(session, copying))
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
