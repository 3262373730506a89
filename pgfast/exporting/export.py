"""An export: one operation, whatever the format, and the threads that help it.

Law of this file: one moment's state, or nothing. A table is read in one statement, or by connections that share a
snapshot; the files get their names when every row is in them and the transaction has ended well. Whoever runs the
operation calls `abort` where it has failed, however it did.

How it works. The session's own connection reads when there is one connection. For more of them it keeps the snapshot
and the lock, while a team of threads reads the pieces.
"""

from __future__ import annotations

import threading
from pathlib import Path
from time import perf_counter
from typing import IO, Any, Final

from ..errors import InternalError, ProgrammingError
from ..net.conninfo import ConnInfo
from ..protocol.operations import AnyQuery, Consult, Operation, command, commit, copy_out, ensure_begin, execute
from ..protocol.session import Session
from . import snapshot as snapshots
from .channel import Channel, paced
from .files import Destination, append
from .forms import BatchWriter, ColumnForm, TextForm, append_batches, required
from .options import CSV, ExportOptions, Layout, layout
from .report import ExportReport, Meter
from .source import Cut, Source, check_options, copy_sql, cut, find_source, lock_sql
from .workers import Team

_PATHS: Final = {"csv": "server csv", "jsonl": "server json"}
#: A session that only keeps a snapshot is idle in its transaction, for as long as it takes.
_STAY: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"


class Exporting:
    """One export on its way. With `threaded` nothing is compressed or written by the thread that runs the operation."""

    def __init__(self, target: Any, options: ExportOptions, threaded: bool) -> None:
        self._options = options
        self._layout: Layout = layout(target, options)
        check_options(self._layout, options)
        if not self._layout.is_text:
            required("pyarrow", f"writing {self._layout.format}")
        self._threaded = threaded or not self._layout.is_text or self._layout.compression is not None
        self._meter = Meter(options.progress)
        self._destination: Destination | None = None
        self._channel: Channel | None = None
        self._team: Team | None = None
        self._own = False

    def abort(self) -> None:
        """Stop whatever is under way and remove what was written. It may wait for the server."""
        if self._channel is not None:
            self._channel.fail(InternalError("the export was given up"))
        if self._team is not None:
            self._team.stop()
        if self._destination is not None:
            self._destination.drop()

    def left_open(self, session: Session) -> bool:
        """Whether the transaction that the export has begun for itself is still open, after it was aborted."""
        return self._own and session.dead is None and session.transaction_status != "I"

    # ------------------------------------------------------------ the operation

    def run(self, session: Session, info: ConnInfo, given: AnyQuery) -> Operation[ExportReport]:
        """What the export did."""
        started = perf_counter()
        source = yield from find_source(session, given, self._options, self._layout)
        if self._options.jobs > 1 and source.is_table:
            rows, jobs, made, notes = yield from self._by_many(session, info, source)
        else:
            yield from ensure_begin(session)
            rows, notes = yield from self._by_one(session, source)
            jobs, made = 1, 1
            if self._options.jobs > 1:
                notes += ("one connection: a query is one statement",)
        assert self._destination is not None, "something was written"
        self._destination.keep()
        return ExportReport(
            source.name,
            tuple(self._destination.files),
            self._layout.format,
            self._layout.compression,
            rows,
            self._destination.size_bytes or self._meter.size_bytes,
            perf_counter() - started,
            _PATHS.get(self._layout.format, "columns"),
            jobs,
            made,
            notes,
        )

    def _open(self) -> Destination:
        self._destination = Destination(self._layout)
        return self._destination

    def _by_one(self, session: Session, source: Source) -> Operation[tuple[int, tuple[str, ...]]]:
        """(rows, notes) of the whole source, read by the session's own connection."""
        destination = self._open()
        file = destination.part(0) if destination.is_directory else destination.single()
        form = self._form(file, self._threaded, self._options.header)
        self._channel = form.channel
        rows = yield from reading(session, source, None, form, self._layout, self._options)
        if self._threaded:
            yield Consult(lambda: form.finish(rows))
        else:
            form.finish(rows)
        return rows, form.notes

    def _form(self, file: IO[bytes], threaded: bool, header: bool, spool: bool = False) -> TextForm | ColumnForm:
        if self._layout.is_text:
            shown = header and self._layout.format == CSV
            return TextForm(self._layout, file, self._meter, threaded, shown)
        return ColumnForm(self._layout, file, self._meter, threaded, spool)

    # ------------------------------------------------------------ many connections

    def _by_many(
        self, session: Session, info: ConnInfo, source: Source
    ) -> Operation[tuple[int, int, int, tuple[str, ...]]]:
        """(rows, connections, pieces, notes) of a table that several connections read."""
        self._own = session.autocommit and session.transaction_status == "I"
        if self._own:
            yield from command(session, snapshots.BEGIN)
            yield from command(session, _STAY)
        else:
            yield from ensure_begin(session)
        found = Cut((), "one connection: this one came over a socket of the program's own")
        shared = None
        if info.sock is None:
            if source.kind in ("r", "p"):
                yield from command(session, lock_sql(source, wait=True))
                shared = yield from snapshots.export_snapshot(session)
            found = yield from cut(session, source, self._options.jobs)
        if found.note is not None or shared is None:
            rows, notes = yield from self._by_one(session, source)
            notes += (found.note,) if found.note is not None else ()
            jobs, pieces = 1, 1
        else:
            jobs, pieces = min(self._options.jobs, len(found.selects)), len(found.selects)
            rows, notes = yield from self._by_team(session, info, source, found, shared)
        if self._own:
            yield from commit(session)
        return rows, jobs, pieces, notes

    def _by_team(
        self, session: Session, info: ConnInfo, source: Source, found: Cut, shared: snapshots.Snapshot
    ) -> Operation[tuple[int, tuple[str, ...]]]:
        parts = _Parts(self._open(), self._layout, self._form, self._options.header)

        def begin(theirs: Session) -> Operation[None]:
            return snapshots.take_snapshot(theirs, shared, [lock_sql(source, wait=False)])

        def piece(theirs: Session, number: int) -> tuple[Operation[int], Channel]:
            form = parts.open(number)
            select = found.selects[number]
            return self._piece(theirs, source, select, number, form), form.channel

        team = self._team = Team(info, session.registry, begin, piece, parts.done)
        counts = yield Consult(lambda: team.run(self._options.jobs, len(found.selects)))
        yield Consult(parts.finish)
        return sum(counts), parts.notes

    def _piece(
        self, session: Session, source: Source, select: str, number: int, form: TextForm | ColumnForm
    ) -> Operation[int]:
        header = self._options.header and (number == 0 or self._layout.directory)
        rows = yield from reading(session, source, select, form, self._layout, self._options, header)
        form.finish(rows)
        return rows


def reading(
    session: Session,
    source: Source,
    select: str | None,
    form: TextForm | ColumnForm,
    what: Layout,
    options: ExportOptions,
    header: bool | None = None,
) -> Operation[int]:
    """The rows that the server says it has sent, of the source or of one of its pieces; they have gone to the form."""
    if isinstance(form, TextForm):
        sql = copy_sql(source, select, what, options, options.header if header is None else header)
        return (yield from paced(copy_out(session, sql, form), form.channel))
    text = source.select() if select is None else select
    result = yield from paced(execute(session, text, source.values, form, False), form.channel)
    if result.fields is None:
        raise ProgrammingError(f"the statement gives no rows to export (the server answered {result.tag})")
    return result.row_count


class _Parts:
    """The pieces of a team: files of their own in a directory, or joined in their order to one file."""

    def __init__(self, destination: Destination, what: Layout, form: Any, header: bool) -> None:
        self._destination = destination
        self._layout = what
        self._form = form
        self._header = header
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None if destination.is_directory else destination.single()
        self._writer: BatchWriter | None = None
        self._spooled: dict[int, Path] = {}
        self._finished: set[int] = set()
        self._next = 0
        self.notes: tuple[str, ...] = ()

    def open(self, number: int) -> TextForm | ColumnForm:
        """What takes the rows of a piece."""
        made: TextForm | ColumnForm
        if self._file is None:
            with self._lock:
                file = self._destination.part(number)
            made = self._form(file, False, self._header)
        else:
            with self._lock:
                file, self._spooled[number] = self._destination.spool(number)
            made = self._form(file, False, self._header and number == 0, True)
        if number == 0:
            self._first = made
        return made

    def done(self, number: int) -> None:
        """A piece is complete; those whose turn has come are joined."""
        with self._lock:
            if number == 0:
                self.notes = self._first.notes
            if self._file is None:
                return
            self._finished.add(number)
            while self._next in self._finished:
                self._finished.remove(self._next)
                self._join(self._file, self._spooled.pop(self._next))
                self._next += 1

    def _join(self, file: IO[bytes], part: Path) -> None:
        if self._layout.is_text:
            append(file, part)
        else:
            self._writer = append_batches(self._writer, self._layout, file, part)

    def finish(self) -> None:
        """Complete the one file."""
        if self._writer is not None:
            self._writer.close()
        elif self._file is not None:
            self._file.close()
        self._destination.files.sort()
