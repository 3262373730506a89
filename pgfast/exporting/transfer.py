"""Tables from one server to another: what one COPY gives goes into the other as it comes, in the very messages.

Law of this file: all tables are of one moment at the source, and nothing is committed at the target before every row
that was read has been counted there. Memory is one buffer for each connection: what the target does not take is not
read from the source.

How it works. One connection holds a snapshot of the source. Each job is a thread with a connection to either side and a
transaction at the target; it takes a group of tables that foreign keys connect, a table, or a piece of one. A run of
CopyData is sent on by the bytes it came in: the messages of both directions are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final, Literal, TypeAlias

from .. import const
from ..connections.crew import Crew
from ..connections.sync import Connection
from ..errors import Error, InterfaceError, InternalError, OperationalError
from ..net import conninfo as settings
from ..protocol.backend import CommandComplete
from ..protocol.operations import command, commit, copy_begin, copy_in, copy_next, fetch, identifier
from ..rates import Rates
from . import described, snapshot
from .described import Match, Table
from .options import ExportOptions, layout
from .report import Meter, Progress
from .source import Source, cut, find_source, lock_sql

#: When what was copied is committed: all tables together, or each by itself.
Commit: TypeAlias = Literal["all", "table"]

_STAY: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"
_ORDINARY: Final = "r"
#: What LOCK TABLE takes, of which there is anything to be rewritten.
_LOCKED: Final = ("r", "p")
#: Seconds after which what is to be stopped is told so again.
STOP_AGAIN_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class TableReport:
    """What became of one table: rows and bytes that went over, in which format ("binary" or "text"), in how many
    pieces; `target` is its name there, `frozen` says whether the rows were written frozen."""

    table: str
    target: str
    columns: tuple[str, ...]
    rows: int
    size_bytes: int
    path: str
    pieces: int = 1
    created: bool = False
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class CopyReport(Rates):
    """What a copy from server to server did, table by table."""

    tables: tuple[TableReport, ...]
    seconds: float
    jobs: int
    sequences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum([table.rows for table in self.tables])

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables, as they went over."""
        return sum([table.size_bytes for table in self.tables])

    def __str__(self) -> str:
        return (
            f"{self.rows} rows of {len(self.tables)} tables in {self.seconds:.2f} s "
            f"({self.rows_per_s:,.0f} rows/s, {self.mb_per_s:,.1f} MB/s)"
        )


class _Work:
    """One table on its way: how it is read and written, and what has come over so far."""

    def __init__(self, table: Table, name: str, matched: Match, reading: Source, frozen: bool) -> None:
        self.table = table
        self.name = name  # at the target
        self.sql = described.quoted(name)
        self.match = matched
        self.reading = reading
        self.frozen = frozen
        self.pieces = 1
        self.rows = 0
        self.size_bytes = 0
        self.target: Any = None  # the connection that has copied it, or a piece of it

    def read_sql(self, select: str | None) -> str:
        """The COPY of the whole table, or of a piece, at the source."""
        what = f"({select or self.reading.select()})"
        if select is None and self.reading.whole is not None:
            what = self.reading.whole
        return f"COPY {what} TO STDOUT (FORMAT {self.match.path})"

    def write_sql(self) -> str:
        """The COPY at the target."""
        columns = ", ".join([identifier(name) for name in self.match.columns])
        frozen = ", FREEZE" if self.frozen else ""
        return f"COPY {self.sql} ({columns}) FROM STDIN (FORMAT {self.match.path}{frozen})"

    def report(self, created: bool) -> TableReport:
        """What became of the table."""
        counts = self.rows, self.size_bytes
        return TableReport(
            self.table.name, self.name, self.match.columns, *counts, self.match.path, self.pieces, created, self.frozen
        )


#: What a job takes at a time: tables in their order, each whole (None) or a piece of it.
_Unit: TypeAlias = list[tuple[_Work, str | None]]


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What a caller says of a copy; `copy_tables` tells of each."""

    create: bool = False
    truncate: bool = False
    jobs: int = 1
    commit: Commit = "all"
    sequences: bool = False
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.commit not in ("all", "table"):
            raise InterfaceError(f"commit is 'all' or 'table', not {self.commit!r}")
        if type(self.jobs) is not int or not 1 <= self.jobs <= 256:
            raise InterfaceError(f"jobs is a number of connections from 1 to 256, not {self.jobs!r}")
        if self.create and self.truncate:
            raise InterfaceError("a table that is created is empty: say create or truncate")


@dataclass(frozen=True, slots=True)
class _Lane:
    """The two connections of one job."""

    source: Connection[Any]
    target: Connection[Any]


class Copying:
    """One copy on its way; `run` carries it out and `stop`, from any other thread, ends it."""

    def __init__(self, source: str, target: str, tables: Sequence[str | tuple[str, str]], options: CopyOptions) -> None:
        if isinstance(tables, str) or not tables:
            raise InterfaceError("tables must be a sequence of names, of one at least")
        pairs = [(one, one) if isinstance(one, str) else (one[0], one[1]) for one in tables]
        self._source_infos = settings.parse(source)
        self._target_infos = settings.parse(target)
        self._tables = pairs
        self._options = options
        self._crew = Crew("copy")
        self._meter = Meter(options.progress)
        self._lock = threading.Lock()
        self._works: list[_Work] = []
        self._units: list[_Unit] = []
        self._notes: list[str] = []
        self._committing = False

    def stop(self) -> None:
        """End what is under way, so that nothing is committed; once the committing has begun it is too late."""
        with self._lock:
            if self._committing:
                return
        self._crew.stop()

    def run(self) -> CopyReport:
        """What the copy did."""
        started = perf_counter()
        with contextlib.ExitStack() as stack:
            with _told("the source"):
                first = stack.enter_context(self._crew.connected(self._source_infos))
            with _told("the target"), self._crew.connected(self._target_infos) as target:
                self._plan(first, target)
                self._units = self._units_of(first, target)
            jobs = min(self._options.jobs, len(self._units))
            lanes = self._lanes(stack, first, jobs)
            waiting = list(lanes)
            try:
                self._crew.work(jobs, lambda: self._work(waiting.pop()))
            except BaseException:
                self._crew.stop()
                raise
            set_to = self._set_sequences(first) if self._options.sequences else []
            self._commit(lanes)  # at the source there is nothing to be kept: its transactions end with the connections
        reports = tuple([work.report(self._options.create) for work in self._works])
        return CopyReport(reports, perf_counter() - started, jobs, tuple(set_to), tuple(self._notes))

    # ------------------------------------------------------------ what is to be done

    def _plan(self, first: Connection[Any], target: Connection[Any]) -> None:
        """Both sides of each table, which is locked at the source before its snapshot is taken."""
        found: list[tuple[Table, str]] = []
        for name, theirs in self._tables:
            with _told("the source", name):
                table = first._run(described.describe_table(first._session, name))
                found.append((table, theirs))
        with _told("the source"):
            first._run(command(first._session, snapshot.BEGIN))
            first._run(command(first._session, _STAY))
        for table, _theirs in found:
            if table.kind in _LOCKED:
                with _told("the source", table.name):
                    first._run(command(first._session, lock_sql(_source(table), wait=True)))
        for table, theirs in found:
            other = None
            if not self._options.create:
                with _told("the target", theirs):
                    other = target._run(described.describe_table(target._session, theirs))
            matched = described.match(table, other)
            if first._session.simple_only or target._session.simple_only:  # protocol 2.0 copies text only
                matched = replace(matched, binary=False)
            kind = _ORDINARY if other is None else other.kind
            with _told("the source", table.name):
                reading = first._run(
                    find_source(
                        first._session, table.sql, ExportOptions(columns=matched.columns), layout("-", ExportOptions())
                    )
                )
            emptied = (self._options.create or self._options.truncate) and kind == _ORDINARY
            self._works.append(_Work(table, theirs, matched, reading, emptied))

    def _units_of(self, first: Connection[Any], target: Connection[Any]) -> list[_Unit]:
        """What the jobs take: tables that foreign keys connect together, others alone, large ones in pieces."""
        by_name = {work.sql: work for work in self._works}
        pairs: list[tuple[str, str]] = []
        if not self._options.create:
            with _told("the target"):
                pairs = target._run(described.references(target._session, list(by_name)))
        units: list[_Unit] = []
        for group in described.grouped(list(by_name), pairs):
            works = [by_name[name] for name in group]
            selects = self._selects(first, works[0]) if len(works) == 1 else ()
            if len(works) > 1 and self._options.jobs > 1:
                names = ", ".join([work.table.name for work in works])
                self._notes.append(f"{names}: by one connection, because foreign keys connect them")
            if selects:
                works[0].pieces = len(selects)
                units += [[(works[0], select)] for select in selects]
            else:
                units.append([(work, None) for work in works])
        return units

    def _selects(self, first: Connection[Any], work: _Work) -> tuple[str, ...]:
        """The pieces of a table that several connections copy; none where it goes as a whole."""
        options = self._options
        if options.jobs == 1:
            return ()
        if options.create or options.truncate or options.commit == "table":
            why = "it is created or emptied in one transaction" if options.commit == "all" else "it is committed alone"
            self._notes.append(f"{work.table.name}: by one connection, because {why}")
            return ()
        with _told("the source", work.table.name):
            found = first._run(cut(first._session, work.reading, options.jobs))
        if found.note is not None:
            self._notes.append(f"{work.table.name}: {found.note}")
            return ()
        return found.selects

    def _lanes(self, stack: contextlib.ExitStack, first: Connection[Any], jobs: int) -> list[_Lane]:
        """The connections of so many jobs: at the source in the snapshot, at the target in a transaction."""
        made: list[_Lane] = []
        with _told("the source"):
            shared = first._run(snapshot.export_snapshot(first._session))
        locks = [lock_sql(work.reading, wait=False) for work in self._works if work.table.kind in _LOCKED]
        for _ in range(jobs):
            with _told("the source"):
                source = stack.enter_context(self._crew.connected([first._base_link.info]))
                source._run(snapshot.take_snapshot(source._session, shared, locks))
            with _told("the target"):
                target = stack.enter_context(self._crew.connected(self._target_infos))
            made.append(_Lane(source, target))
        return made

    # ------------------------------------------------------------ copying

    def _work(self, lane: _Lane) -> None:
        """Take one unit after the other."""
        while True:
            self._crew.check()
            with self._lock:
                if not self._units:
                    return
                unit = self._units.pop(0)
            self._copy(lane, unit)
            if self._options.commit == "table":
                with _told("the target"):
                    lane.target._run(commit(lane.target._session))

    def _copy(self, lane: _Lane, unit: _Unit) -> None:
        """Copy the tables of a unit, or a piece of one, in the transaction of the lane's target."""
        target, session = lane.target, lane.target._session
        with _told("the target"):
            if session.transaction_status == "I":
                target._run(command(session, "BEGIN"))
            if self._options.truncate:
                names = ", ".join([work.sql for work, _select in unit])
                target._run(command(session, f"TRUNCATE {names}"))
        for work, select in unit:
            with _told("the target", work.name):
                if self._options.create:
                    target._run(command(session, work.table.create_sql(work.sql)))
                rows, size_bytes = self._pump(lane, work, select)
                if self._options.create and (key := work.table.key_sql(work.sql)) is not None:
                    target._run(command(session, key))
            with self._lock:
                work.rows += rows
                work.size_bytes += size_bytes
                work.target = target

    def _pump(self, lane: _Lane, work: _Work, select: str | None) -> tuple[int, int]:
        """(rows, bytes) of one COPY at the source that has gone into one at the target."""
        source, target = lane.source, lane.target
        with _told("the source", work.table.name):
            source._run(copy_begin(source._session, work.read_sql(select), const.COPY_OUT_RESPONSE))
        stream = _Stream(self, source, work.table.name)
        try:
            rows = target._run(copy_in(target._session, work.write_sql(), stream.blocks()))
        except BaseException:
            if not source.closed and not source._session.at_rest:
                source._abandon()
            raise
        if rows != stream.rows:
            raise InternalError(
                f"{stream.rows} rows came out of the source and {rows} went into the target "
                "(a trigger or a rule there may have left some out)"
            )
        return rows, stream.size_bytes

    # ------------------------------------------------------------ the end

    def _set_sequences(self, first: Connection[Any]) -> list[str]:
        """Set the sequences of the target's columns to where the source's are; their names."""
        made: list[str] = []
        for work in self._works:
            with _told("the source", work.table.name):
                theirs = first._run(described.sequences(first._session, work.table.sql))
            with _told("the target", work.name):
                ours = work.target._run(described.sequences(work.target._session, work.sql))
            for column, sequence in theirs.items():
                if column not in ours:
                    continue
                with _told("the source", sequence):
                    asking = fetch(first._session, f"SELECT last_value, is_called FROM {sequence}", (), (int, bool), 1)
                    last, called = first._run(asking)[0]
                with _told("the target", ours[column]):
                    setting = "SELECT pg_catalog.setval($1::pg_catalog.text::pg_catalog.regclass, $2, $3)"
                    work.target._run(fetch(work.target._session, setting, (ours[column], last, called)))
                made.append(ours[column])
        return made

    def _commit(self, lanes: list[_Lane]) -> None:
        """Commit at the target. What could still fail there, deferred constraints, is checked before the first one."""
        open_ones = [lane.target for lane in lanes if lane.target._session.transaction_status == "T"]
        for target in open_ones:
            with _told("the target"):
                target._run(command(target._session, "SET CONSTRAINTS ALL IMMEDIATE"))
        with self._lock:
            self._crew.check()
            self._committing = True
        for number, target in enumerate(open_ones):
            try:
                with _told("the target"):
                    target._run(commit(target._session))
            except Error as exc:
                if number == 0:
                    raise
                raise OperationalError(
                    f"{number} of {len(open_ones)} connections have committed what they copied, and then: {exc}"
                ) from exc


class _Stream:
    """The data of a COPY under way at the source, as messages for the target."""

    def __init__(self, copying: Copying, source: Connection[Any], table: str) -> None:
        self._copying = copying
        self._source = source
        self._table = table
        self.rows = -1
        self.size_bytes = 0

    def blocks(self) -> Iterator[memoryview]:
        """Runs of CopyData, each good until the next is asked for, when the target has taken it."""
        session = self._source._session
        while True:
            self._copying._crew.check()
            with _told("the source", self._table):
                event = self._source._step(copy_next(session))
            if isinstance(event, CommandComplete):
                self.rows = event.rows
                return
            size_bytes = event.stop - event.start
            self.size_bytes += size_bytes
            self._copying._meter.add(event.count, size_bytes)
            yield memoryview(event.block)[event.start : event.stop]


@contextlib.contextmanager
def _told(side: str, name: str | None = None) -> Iterator[None]:
    """Errors say on which side they have come up, and with which table."""
    try:
        yield
    except Error as exc:
        if not str(exc).startswith(("the source", "the target")):
            exc.args = (f"{side}{'' if name is None else f', {name}'}: {exc}",)
        raise


def _source(table: Table) -> Source:
    """The table as something to be read."""
    return Source(table.name, table.sql, table.kind)


def copy_tables(
    source: str,
    target: str,
    tables: Sequence[str | tuple[str, str]],
    *,
    create: bool = False,
    truncate: bool = False,
    jobs: int = 1,
    commit: Commit = "all",
    sequences: bool = False,
    progress: Progress | None = None,
) -> CopyReport:
    """What a copy of tables from one server to another did: every row is there, or an exception is raised and none is.

    `source` and `target` are connection strings as for `connect`, `tables` names as in SQL (name or schema.name), or
    pairs of a name at the source and one at the target. What COPY gives at the source goes into COPY at the target as
    it comes, in binary where all columns have types of PostgreSQL's own that are alike on both sides, else in text.
    Columns are matched by name: those that the target computes are left out, those that only the target has get their
    defaults, and the values of identity columns are kept. All tables are of one moment at the source; the rows that
    came out and those that went in are compared.

    `create` makes the tables first, with the columns, types, NOT NULL, identity and primary key of the source's;
    `truncate` empties them. Where that happens in the same transaction the rows are written frozen (COPY's FREEZE).
    `sequences` sets the sequences that columns own to where they are at the source. `jobs` is how many connections copy
    at a time, to each side: tables, and of one that is neither created nor emptied ranges of pages; tables that foreign
    keys connect stay together, in their order. `progress` is called with the rows and bytes so far, by threads.

    With `commit="all"` nothing is committed before all is copied: by one transaction, and with several jobs by one for
    each of them, committed one after the other at the end. With `commit="table"` each table, or group that foreign keys
    connect, is committed when it is copied, and stays if another fails.

    Raises UndefinedTable and UndefinedColumn with similar names, and the servers' own errors, each of which says on
    which side it has come up; InternalError where the numbers of rows differ.
    """
    options = CopyOptions(create, truncate, jobs, commit, sequences, progress)
    return Copying(source, target, tables, options).run()


async def copy_tables_async(
    source: str,
    target: str,
    tables: Sequence[str | tuple[str, str]],
    *,
    create: bool = False,
    truncate: bool = False,
    jobs: int = 1,
    commit: Commit = "all",
    sequences: bool = False,
    progress: Progress | None = None,
) -> CopyReport:
    """`copy_tables` for asyncio: it runs in threads, and a cancelled task ends what both servers do."""
    copying = Copying(source, target, tables, CopyOptions(create, truncate, jobs, commit, sequences, progress))
    running = asyncio.ensure_future(asyncio.to_thread(copying.run))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            await asyncio.to_thread(copying.stop)
            await asyncio.wait([running], timeout=STOP_AGAIN_S)
        running.exception()  # it was given up, which nobody needs to be told
        raise
