"""A load over several connections: files, and parts of files, side by side.

Law of this file: a load that cannot be resumed is one as a whole, whoever carries it: its rows go to a table of their
own first, which takes the target's place or is put into it by one statement. A load that can be resumed commits its
chunks into the target, as it does over one connection. Memory is bounded by the chunks that are under way.

Of a load that can be resumed each part is loaded by one process at a time, and there may be several processes, on
several machines: whoever finds that another is at a part takes the next one, and comes back at the end to see that the
other has done it. What does not move any more is taken over. The last one ends the load.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import Any, Final

from ..connections.crew import Crew
from ..connections.sync import Connection
from ..errors import Error, InterfaceError
from ..net.conninfo import ConnInfo
from ..protocol.operations import Operation, command, identifier
from ..protocol.session import Session
from .chunked import ChunkPlan, Totals, load_chunks
from .create import table_for
from .deferring import drop_deferred, restore
from .feed import Divisible, Feed, Span
from .framing import atomically
from .ledger import Ledger, LedgerPart, Source
from .leftovers import clear_leftovers, disown, mark, own_table, unmark
from .opening import settled_target
from .options import LoadOptions
from .rejects import Bin, check_apart
from .replacing import make_beside, swap
from .report import LoadReport, Meter, Progress
from .resuming import begun, source_of
from .sources import open_columns, sources_of
from .target import Target

#: Parts for each connection: none waits long for the last one.
_PARTS: Final = 4
#: Seconds between two looks at parts that another process is at; one that has not moved between them is taken over.
_LOOK_S: Final = 1.0
#: Seconds for which the table of a failed load is waited for.
_DROP_S: Final = 5


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a source, by its number among the sources."""

    source: int
    span: Span


@dataclass(slots=True)
class _Counts:
    """What all connections have come to."""

    totals: Totals = field(default_factory=Totals)
    resumed: int = 0
    _known: dict[_Part, int] = field(default_factory=dict)  # rows of each part that are counted

    def add(self, part: _Part, totals: Totals, resumed: int) -> None:
        """Count what has become of a part, or of some more of it."""
        mine = self.totals
        resumed, self._known[part] = resumed - self._known.get(part, 0), resumed + totals.loaded
        for name in ("read", "loaded", "skipped", "rejected", "updated", "size_bytes"):
            setattr(mine, name, getattr(mine, name) + getattr(totals, name))
        mine.paths += [path for path in totals.paths if path not in mine.paths]
        self.resumed += resumed


class ParallelLoad:
    """One load over several connections."""

    def __init__(
        self, infos: Sequence[ConnInfo], table: str, sources: Sequence[Any], options: LoadOptions, jobs: int
    ) -> None:
        """Raises InterfaceError for what several connections cannot do."""
        options.check()
        if options.on_conflict in ("ignore", "update"):
            raise InterfaceError(
                "with several jobs chance decides which of two rows with one key comes last; use jobs=1"
            )
        if options.rejecting and options.resume is None:
            raise InterfaceError(
                "with several jobs no one transaction holds the rows and their rejects; name the load by resume=, so "
                "that each chunk is committed with its rejects, or use jobs=1"
            )
        if options.dry_run:
            raise InterfaceError("a dry run is one transaction; use jobs=1")
        self._infos = infos
        self._table = table
        self._sources = [each for source in sources for each in sources_of(source, options.files)]
        check_apart(options.rejects, self._sources)
        self._options = options
        self._jobs = jobs
        self._crew = Crew("load")
        self._counts = _Counts()
        self._lock = threading.Lock()
        self._parts: list[_Part] = []
        self._lost: dict[_Part, LedgerPart] = {}  # which another process is at
        self._told: dict[int, tuple[int, int]] = {}
        self._rejects = Bin(options.max_rejects, options.rejects) if options.rejecting else None
        self._ddl: str | None = None
        self._described = table  # where the columns are looked up
        self._kind = self._way = self._name = self._dialect = ""
        self._warnings: tuple[str, ...] = ()

    def run(self) -> LoadReport:
        """What the load did. Raises the first failure of any connection, after all of them have ended."""
        started = perf_counter()
        with self._crew.connected(self._infos) as connection:
            session = connection._session
            load = self._resumed if self._options.resume is not None else self._whole
            target = load(connection, session)
        totals = self._counts.totals
        return LoadReport(
            self._table,
            target.names,
            totals.loaded,
            totals.size_bytes,
            perf_counter() - started,
            self._kind,
            " and ".join(totals.paths) or self._way,
            file=self._name,
            read=totals.read,
            rejected=totals.rejected,
            skipped=totals.skipped,
            inserted=totals.loaded,
            resumed=self._counts.resumed,
            ddl=self._ddl,
            dialect=self._dialect,
            warnings=tuple(dict.fromkeys(self._warnings)),
            rejects=() if self._rejects is None else tuple(self._rejects.kept),
        )

    def _feed(self, number: int) -> Feed:
        feed = open_columns(self._sources[number], self._options.files)
        if feed is None or not feed.again:
            raise InterfaceError("several jobs load what can be read from several places: files, arrays, Arrow tables")
        return feed

    def _statement(self) -> str:
        """How the table is made."""
        whole = self._sources[0] if len(self._sources) == 1 else list(self._sources)
        made = table_for(self._table, whole, self._options.files, self._options.rejecting)
        self._warnings += made.warnings
        return made.sql

    def _target(self, session: Session) -> Operation[Target]:
        """The table; all sources have been looked at then."""
        first: Target | None = None
        for number in range(len(self._sources)):
            feed = self._feed(number)
            try:
                target = yield from settled_target(session, self._table, feed, self._options.columns, first)
                first = first or target
            finally:
                feed.close()
            self._kind = self._kind or feed.kind
            self._name = feed.name if len(self._sources) == 1 else ""
            self._dialect = getattr(feed, "dialect", "") if len(self._sources) == 1 else ""
            self._warnings += getattr(feed, "warnings", ())
        assert first is not None
        return first

    # ---------------------------------------------------------------- as one

    def _whole(self, connection: Connection[Any], session: Session) -> Target:
        """Into a table of its own, and from there into the target, or to its name."""
        options = self._options
        fresh = options.mode == "replace" or options.create
        if options.create:
            target, into = connection._run(atomically(session, self._made(session)))
            self._described = into.sql
        else:
            target = connection._run(self._target(session))
            into = connection._run(own_table(session, target))
        try:
            deferred = connection._run(atomically(session, self._begin(session, target, into)))
            self._cut(None)
            self._crew.work(self._jobs, lambda: self._work(into, None))
            connection._run(atomically(session, self._end(session, target, into, fresh, deferred)))
        except BaseException:
            self._crew.stop()
            self._drop(connection, session, into)
            raise
        with contextlib.suppress(Error, OSError):  # the load is done; a session that is lost has let the lock go
            connection._run(disown(session, into))
        return target

    def _made(self, session: Session) -> Operation[tuple[Target, Target]]:
        """The table that is wanted, and the one that will be it: made as the first and seen by others as the second
        alone."""
        self._ddl = self._statement()
        yield from command(session, self._ddl)
        target = yield from self._target(session)
        into = yield from own_table(session, target)
        yield from clear_leftovers(session, target)
        yield from mark(session, target, target)
        yield from command(session, f"ALTER TABLE {target.sql} RENAME TO {identifier(into.relation)}")
        return target, into

    def _drop(self, connection: Connection[Any], session: Session, into: Target) -> None:
        """Drop the table of a load that has failed: over another connection where this one is lost."""
        drop = f"SET lock_timeout = '{_DROP_S}s'; DROP TABLE IF EXISTS {into.sql}"
        # What has failed before is what the caller is told; the next load into the target finds a table that is left.
        with contextlib.suppress(Error, OSError):
            connection._run(command(session, drop))
            return
        with contextlib.suppress(Error, OSError), Connection._open(self._infos, True, None) as other:
            other._run(command(other._session, drop))

    def _begin(self, session: Session, target: Target, into: Target) -> Operation[tuple[str, ...]]:
        options = self._options
        if options.create:  # it is there, and has no indexes
            return ()
        yield from clear_leftovers(session, target)
        if options.mode == "replace":
            yield from make_beside(session, target, into)
        else:
            columns = ", ".join(target.quoted)
            yield from command(
                session,
                f"CREATE UNLOGGED TABLE {into.sql} AS SELECT {columns} FROM {target.sql} WITH NO DATA",
            )
        yield from mark(session, target, into)
        if options.defer_indexes and options.mode == "replace":
            return (yield from drop_deferred(session, into, True, None)).definitions
        return ()

    def _end(
        self, session: Session, target: Target, into: Target, fresh: bool, definitions: tuple[str, ...]
    ) -> Operation[None]:
        options = self._options
        if fresh:
            yield from restore(session, definitions)
        else:
            if options.mode == "truncate":
                yield from command(session, f"TRUNCATE {target.sql}")
            dropped = (yield from drop_deferred(session, target, True, None)) if options.defer_indexes else None
            columns = ", ".join(target.quoted)
            tag = yield from command(
                session,
                f"INSERT INTO {target.sql} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {into.sql}",
            )
            totals = self._counts.totals
            taken = int(tag.rsplit(" ", 1)[-1])
            totals.loaded, totals.skipped = taken, totals.skipped + totals.loaded - taken
            yield from restore(session, () if dropped is None else dropped.definitions)
            yield from command(session, f"DROP TABLE {into.sql}")
        if options.create:
            yield from unmark(session, target, into)
            yield from command(session, f"ALTER TABLE {into.sql} RENAME TO {identifier(target.relation)}")
        elif options.mode == "replace":
            yield from unmark(session, target, into)
            yield from swap(session, target, into)

    # ---------------------------------------------------------------- chunk by chunk

    def _resumed(self, connection: Connection[Any], session: Session) -> Target:
        """Into the target, or the table that will take its place, a chunk and its line in the ledger at a time."""
        options = self._options
        assert options.resume is not None
        made = connection._run(begun(session, self._table, options, self._statement, lambda: self._target(session)))
        resumable, done, self._ddl = made
        ledger = resumable.ledger
        self._cut(lambda name, made: connection._run(ledger.spans(name, made)))
        if done:
            return resumable.target
        rejects = self._rejects
        try:
            if rejects is not None:
                rejects.hold()
                names, rejects.count = connection._run(ledger.rejected())
                rejects.begin(names.__contains__)
            self._crew.work(self._jobs, lambda: self._work(resumable.into, options.resume))
            while self._lost and self._left_by_others(connection, ledger):
                self._crew.work(self._jobs, lambda: self._work(resumable.into, options.resume))
        except BaseException:
            self._crew.stop()
            raise
        finally:
            if rejects is not None:
                rejects.close()
        connection._run(atomically(session, resumable.end()))
        return resumable.target

    def _left_by_others(self, connection: Connection[Any], ledger: Ledger) -> bool:
        """Wait for the processes that are at the parts that are left; whether there is something to take over."""
        lost, self._lost = self._lost, {}
        looked = {part: ledger.part(noted.source, part.span.start) for part, noted in lost.items()}
        stood = {part: connection._run(noted.reached()) for part, noted in looked.items()}
        while not connection._run(ledger.ended()):
            self._crew.rest(_LOOK_S)
            stand = {part: connection._run(noted.reached()) for part, noted in looked.items()}
            if still := [part for part in looked if stand[part] == stood[part]]:
                self._parts = still[::-1]
                self._lost = {part: noted for part, noted in lost.items() if part not in still}
                return True
            stood = stand
        return False

    # ---------------------------------------------------------------- the parts

    def _cut(self, noted: Callable[[Source, Callable[[], list[Span]]], list[Span]] | None) -> None:
        """Cut the sources into parts; as they are `noted` where the load can be resumed."""
        for number in range(len(self._sources)):
            feed = self._feed(number)
            try:
                divided = feed.spans if isinstance(feed, Divisible) else _undivided
                made = partial(divided, self._jobs * _PARTS)
                source = source_of(feed.name, self._sources[number], self._sources)
                spans = made() if noted is None else noted(source, made)
            finally:
                feed.close()
            self._parts += [_Part(number, span) for span in spans]
        self._parts.reverse()

    def _next(self) -> _Part | None:
        with self._lock:
            return None if self._crew.stopped or not self._parts else self._parts.pop()

    def _work(self, into: Target, load: str | None) -> None:
        """Take one part after the other, over one connection."""
        with self._crew.connected(self._infos) as connection:
            while (part := self._next()) is not None:
                totals, resumed = connection._run(self._one(connection._session, part, into, load))
                with self._lock:
                    self._counts.add(part, totals, resumed)

    def _one(self, session: Session, part: _Part, into: Target, load: str | None) -> Operation[tuple[Totals, int]]:
        """Load a part."""
        feed = self._feed(part.source)
        try:
            columns = self._options.columns
            target = yield from settled_target(session, self._described, feed, columns, named=self._table)
            if isinstance(feed, Divisible):
                feed.take(part.span)
            mine = replace(target, sql=into.sql, relation=into.relation)
            meter = Meter(self._teller())
            if (attach := getattr(self._options.progress, "attach", None)) is not None:
                attach(meter)
            plan = ChunkPlan(self._rejects, None, self._options.chunk_bytes, None)
            if load is None:
                return (yield from load_chunks(session, mine, feed, plan, meter)), 0
            noted = Ledger(session, target.schema, load).part(feed.name, part.span.start)
            noted.shared = True
            yield from noted.find()
            totals = yield from load_chunks(session, mine, feed, plan, meter, noted)
            if noted.lost:
                with self._lock:
                    self._lost[part] = noted
            return totals, noted.resumed
        finally:
            feed.close()

    def _teller(self) -> Progress | None:
        """What a part tells of itself, as a part of all."""
        progress = self._options.progress
        if progress is None:
            return None
        with self._lock:  # connections begin their parts at one time
            mine = len(self._told)
            self._told[mine] = (0, 0)

        def tell(rows: int, size_bytes: int) -> None:
            with self._lock:
                self._told[mine] = (rows, size_bytes)
                progress(sum(each[0] for each in self._told.values()), sum(each[1] for each in self._told.values()))

        return tell


def _undivided(_count: int) -> list[Span]:
    return [Span()]
