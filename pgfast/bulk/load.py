"""A load: one operation, whatever the sources and whichever driver carries it out.

Law of this file: all rows or none, whatever else is done to the table; only a load that can be resumed, or that sets
bad rows aside, keeps a part, and says which. Several sources are one load, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any, Final

from ..errors import InterfaceError
from ..protocol.operations import Operation, command, ensure_begin
from ..protocol.session import Session
from .chunked import ChunkPlan, Totals, load_chunks
from .create import table_for
from .deferring import Deferred, drop_deferred, restore
from .feed import Divisible, Feed, Span, path_of
from .framing import atomically
from .ledger import LedgerPart
from .opening import opened, settled_target
from .options import LoadOptions
from .rejects import Bin, check_apart
from .replacing import beside, make_beside, make_likeness, swap
from .report import LoadReport, Meter, joined
from .resuming import Resumable, begun, source_of
from .sources import sources_of
from .staging import conflict_of
from .target import Target
from .whole import copy_whole


def load(session: Session, table: str, source: Any, options: LoadOptions) -> Operation[LoadReport]:
    """What a load of the source into the table did.

    Raises DataError with table, row and column for a value that does not fit, UndefinedTable, UndefinedColumn, the
    server's own errors, and what the source itself raises; nothing has then been loaded, or, of a load that can be
    resumed, what its ledger says.
    """
    options.check()
    sources = sources_of(source, options.files)
    check_apart(options.rejects, sources)
    first = yield from opened(sources[0], options.files)  # before anything is asked of the server
    try:
        body = _Load(session, table, sources, first, options)
        if options.resume is not None:
            if session.transaction_status != "I":
                raise InterfaceError("a load that can be resumed commits each chunk; end the open transaction first")
            return (yield from body.resumed())
        yield from ensure_begin(session)
        if options.framed or len(sources) > 1:
            return (yield from atomically(session, body.whole(), keep=not options.dry_run))
        return (yield from body.whole())
    finally:
        first.close()


#: A source that is not cut.
_WHOLE: Final = Span()


class _Load:
    """One load under way."""

    def __init__(self, session: Session, table: str, sources: Sequence[Any], first: Feed, options: LoadOptions) -> None:
        """`first` is the feed of the first source."""
        self._session = session
        self._table = table
        self._sources = sources
        self._first = first
        self._options = options
        self._started = perf_counter()
        self._ddl: str | None = None
        self._warnings: tuple[str, ...] = ()
        self._meter = Meter(options.progress)
        self._rejects = Bin(options.max_rejects, options.rejects) if options.rejecting else None

    # ---------------------------------------------------------------- in one transaction

    def whole(self) -> Operation[LoadReport]:
        """The load, as far as it is one transaction or a part of one."""
        session, options, rejects = self._session, self._options, self._rejects
        if options.create:
            yield from self._make()
        first: Target | None = None
        target, into, deferred = None, None, Deferred()
        reports: list[LoadReport] = []
        try:
            if rejects is not None:
                rejects.begin()
            for number, source in enumerate(self._sources):
                feed = self._first if number == 0 else (yield from opened(source, options.files))
                try:
                    target = yield from settled_target(session, self._table, feed, options.columns, first)
                    first = first or target
                    if into is None:
                        into, deferred = yield from self._begin(target)
                    reports.append((yield from self._one(feed, _of(into, target), not reports)))
                finally:
                    feed.close()
        finally:
            if rejects is not None:
                rejects.close()
        assert target is not None
        assert into is not None
        yield from restore(session, deferred.definitions)
        if options.mode == "replace" and not options.dry_run:
            yield from swap(session, target, into)
        return self._told(reports)

    def _make(self) -> Operation[None]:
        """Make the table for the sources."""
        self._ddl = self._statement()
        yield from command(self._session, self._ddl)

    def _statement(self) -> str:
        whole = self._sources[0] if len(self._sources) == 1 else list(self._sources)
        made = table_for(self._table, whole, self._options.files, self._options.rejecting)
        self._warnings = made.warnings
        return made.sql

    def _begin(self, target: Target) -> Operation[tuple[Target, Deferred]]:
        """The table that is filled, and what was dropped before."""
        session, options, into = self._session, self._options, target
        if options.dry_run:
            return (yield from make_likeness(session, target, options.on_conflict in ("ignore", "update"))), Deferred()
        if options.mode == "replace":
            into = beside(target, "new")
            yield from make_beside(session, target, into)
        if options.defer_indexes:
            return into, (yield from drop_deferred(session, into, not options.keyed, None))
        return into, Deferred()

    def _one(self, feed: Feed, target: Target, first: bool) -> Operation[LoadReport]:
        """Load one source, the first of which empties the table."""
        session, options = self._session, self._options
        emptying = options.empties and first
        if options.chunked or not feed.again:
            return (yield from self._chunked(feed, target, emptying, None))
        before = perf_counter()
        copied = yield from copy_whole(session, target, feed, emptying, options.freeze, self._meter.progress)
        self._meter.went_on(copied.rows, copied.size_bytes)
        return LoadReport(
            self._table,
            target.names,
            copied.rows,
            copied.size_bytes,
            perf_counter() - before,
            feed.kind,
            path_of(feed.copy_options()),  # a source that was read again may have gone another way than it began
            file=feed.name,
            dialect=getattr(feed, "dialect", ""),
            warnings=getattr(feed, "warnings", ()),
            read=copied.read,
            skipped=copied.read - copied.rows,
            inserted=copied.rows,
            frozen=copied.frozen,
        )

    # ---------------------------------------------------------------- in chunks

    def resumed(self) -> Operation[LoadReport]:
        """The load as one that commits its chunks, from where the ledger says it stands."""
        session, options, rejects = self._session, self._options, self._rejects
        resumable: Resumable | None = None
        first: Target | None = None
        reports: list[LoadReport] = []
        done = False
        try:
            for number, source in enumerate(self._sources):
                feed = self._first if number == 0 else (yield from opened(source, options.files))
                try:
                    settled = partial(settled_target, session, self._table, feed, options.columns, first)
                    if resumable is not None:
                        target = yield from settled()
                    else:
                        made = yield from begun(session, self._table, options, self._statement, settled)
                        resumable, done, self._ddl = made
                        first = target = resumable.target
                        if rejects is not None:
                            rejects.hold()
                            names, rejects.count = yield from resumable.ledger.rejected()
                            rejects.begin(names.__contains__)
                    reports.append((yield from self._parts(source, feed, target, resumable, done)))
                finally:
                    feed.close()
        finally:
            if rejects is not None:
                rejects.close()
        assert resumable is not None
        if not done:
            yield from atomically(session, resumable.end())
        return self._told(reports)

    def _parts(
        self, source: Any, feed: Feed, target: Target, resumable: Resumable, done: bool
    ) -> Operation[LoadReport]:
        """Load one source: as a whole, or part by part where it was cut for several connections before."""
        ledger, reports = resumable.ledger, []
        named = source_of(feed.name, source, self._sources)
        for span in (yield from ledger.spans(named, lambda: [_WHOLE])):
            part = ledger.part(feed.name, span.start)
            yield from part.find()
            if done:
                reports.append(self._totals_report(feed, target, Totals(), part, perf_counter()))
                continue
            mine = feed if span == _WHOLE else (yield from opened(source, self._options.files))
            try:
                if mine is not feed:
                    yield from settled_target(self._session, self._table, mine, self._options.columns)
                    assert isinstance(mine, Divisible), "it was cut"
                    mine.take(span)
                reports.append((yield from self._chunked(mine, _of(resumable.into, target), False, part)))
            finally:
                if mine is not feed:
                    mine.close()
        return replace(joined(reports), file=feed.name, sources=())

    def _chunked(self, feed: Feed, target: Target, emptying: bool, part: LedgerPart | None) -> Operation[LoadReport]:
        session, options = self._session, self._options
        before = perf_counter()
        conflict = yield from conflict_of(session, target, options.on_conflict, options.key)
        first = command(session, f"TRUNCATE {target.sql}") if emptying else None
        plan = ChunkPlan(self._rejects, conflict, options.chunk_bytes, first)
        totals = yield from load_chunks(session, target, feed, plan, self._meter, part)
        return self._totals_report(feed, target, totals, part, before)

    # ---------------------------------------------------------------- what is told

    def _totals_report(
        self, feed: Feed, target: Target, totals: Totals, part: LedgerPart | None, before: float
    ) -> LoadReport:
        return LoadReport(
            self._table,
            target.names,
            totals.loaded,
            totals.size_bytes,
            perf_counter() - before,
            feed.kind,
            " and ".join(totals.paths) or path_of(feed.copy_options()),
            file=feed.name,
            dialect=getattr(feed, "dialect", ""),
            warnings=getattr(feed, "warnings", ()),
            read=totals.read,
            rejected=totals.rejected,
            skipped=totals.skipped,
            inserted=totals.loaded - totals.updated,
            updated=totals.updated,
            resumed=0 if part is None else part.resumed,
        )

    def _told(self, reports: list[LoadReport]) -> LoadReport:
        """The report of the load, of those of its sources."""
        rejects = () if self._rejects is None else tuple(self._rejects.kept)
        seconds = perf_counter() - self._started
        made = joined(reports)
        return replace(
            made,
            seconds=seconds,
            ddl=self._ddl,
            dry_run=self._options.dry_run,
            rejects=rejects,
            warnings=(*self._warnings, *made.warnings),
        )


def _of(into: Target, target: Target) -> Target:
    """The table that is filled with the columns of a source."""
    return replace(target, sql=into.sql, relation=into.relation, kind=into.kind)
