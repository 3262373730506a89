"""The ledger of loads that can be gone on with: what of a source is in the table.

Law of this file: a chunk's line is written by the transaction that loads the chunk, so that whatever was killed, and
when, the ledger says of every row whether it is there. Each such transaction first takes a lock and looks where the
part stands: of two that load the same part at once one is told. A source is known by its name and by what lies before
the position where the load goes on; whoever reads it compares that with the marks that stand here.

Three tables in the schema of the target: pgfast_loads, a line for each load, pgfast_chunks, a line for each chunk, and
pgfast_parts, which says how sources were cut for several connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from ..errors import DatabaseError, InterfaceError, OperationalError
from ..protocol.operations import Operation, begin, command, commit, fetch, rollback
from ..protocol.session import Session
from .feed import Chunk, Place, Span
from .framing import atomically

#: Of two sessions that make a table at once one is told that it is there (docs: Error Codes).
MADE_ALREADY: Final = ("42P07", "23505", "42710")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS {schema}.pgfast_loads (
    load text PRIMARY KEY, target text NOT NULL, manner text NOT NULL,
    begun timestamptz NOT NULL DEFAULT pg_catalog.now(), ended timestamptz);
CREATE TABLE IF NOT EXISTS {schema}.pgfast_chunks (
    load text REFERENCES {schema}.pgfast_loads ON DELETE CASCADE, source text, start bigint, stop bigint,
    loaded bigint NOT NULL, rejected bigint NOT NULL, skipped bigint NOT NULL, mark bytea NOT NULL,
    made timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (load, source, start, stop));
CREATE TABLE IF NOT EXISTS {schema}.pgfast_parts (
    load text REFERENCES {schema}.pgfast_loads ON DELETE CASCADE, source text, start bigint, stop bigint,
    line bigint NOT NULL, seems bytea, PRIMARY KEY (load, source, start))"""
_THERE: Final = "SELECT pg_catalog.to_regclass($1) IS NOT NULL"
#: A chunk's commit need not wait for the disk: a server that crashes loses the rows together with their line, and the
#: commit that ends the load waits, and with it for all that was committed before.
_UNHURRIED: Final = "SET LOCAL synchronous_commit TO off; "
#: Behind a lock that was waited for stands what its holder has written: a transaction of another level would see what
#: was there before it waited. It must be the first statement.
_LATEST: Final = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
#: How long a part that another session holds is waited for: that of a client which was killed ends by itself.
_WAIT_S: Final = 15
_LOCK_NOT_AVAILABLE: Final = "55P03"


@dataclass(frozen=True, slots=True)
class Source:
    """A source by its name; what it seems to be (None: nothing is known), and the names of those loaded with it."""

    name: str
    seems: bytes | None = None
    beside: tuple[str, ...] = ()


class Ledger:
    """The lines of one load."""

    def __init__(self, session: Session, schema: str, load: str) -> None:
        """`schema` is quoted."""
        self._session = session
        self._loads = f"{schema}.pgfast_loads"
        self._chunks = f"{schema}.pgfast_chunks"
        self._schema = schema
        self._load = load
        self._sources: set[str] = set()

    def open(self, target: str, manner: str, first: Operation[None]) -> Operation[bool]:
        """See that the load has its line; a new one begins with `first`, in the transaction that writes the line.

        Whether it had come to its end already.

        Raises InterfaceError for a load of this name into another table or in another manner.
        """
        yield from self._made()
        # In a transaction that has made the table it is too late to choose a level.
        level = _LATEST if self._session.transaction_status == "I" else ""
        return (yield from atomically(self._session, self._open(target, manner, first, level)))

    def _open(self, target: str, manner: str, first: Operation[None], level: str) -> Operation[bool]:
        session = self._session
        yield from take_lock(session, f"{self._loads} {self._load}", first=level)
        rows = yield from fetch(
            session,
            f"SELECT target, manner, ended IS NOT NULL FROM {self._loads} WHERE load = $1",
            (self._load,),
            (str, str, bool),
        )
        if not rows:
            yield from first
            values = (self._load, target, manner)
            inserted = f"INSERT INTO {self._loads} (load, target, manner) VALUES ($1, $2, $3) RETURNING load"
            yield from fetch(session, inserted, values, (str,))
        elif rows[0][:2] != (target, manner):
            raise InterfaceError(
                f"load {self._load!r} was begun into {rows[0][0]} with {rows[0][1]}; it cannot go on into {target} "
                f"with {manner}"
            )
        return bool(rows and rows[0][2])

    def _made(self) -> Operation[None]:
        """See that the tables are there."""
        ((there,),) = yield from fetch(self._session, _THERE, (self._chunks,), (bool,))
        if there:
            return
        try:
            made = command(self._session, _TABLES.format(schema=self._schema))
            yield from atomically(self._session, made)
        except DatabaseError as exc:
            if exc.sqlstate not in MADE_ALREADY:
                raise

    def rejected(self) -> Operation[tuple[set[str | None], int]]:
        """What rejects of the chunks that are loaded call them, and how many rejects they are.

        A chunk whose client is gone may be about to commit; its rejects are written down already. So this waits for the
        end of all that are under way.
        """
        session = self._session
        yield from begin(session)
        try:
            yield from take_lock(session, f"{self._chunks} {self._load}", first=_LATEST)
            rows = yield from fetch(
                session,
                f"SELECT source, start, stop, rejected FROM {self._chunks} WHERE load = $1 AND rejected > 0",
                (self._load,),
                (str, int, int, int),
            )
        except Exception:
            if session.dead is None:
                yield from rollback(session)
            raise
        yield from commit(session)
        return {_name(*row[:3]) for row in rows}, sum(row[3] for row in rows)

    def spans(self, source: Source, made: Callable[[], list[Span]]) -> Operation[list[Span]]:
        """The parts of a source: as they were cut when the load began, or as they are made now.

        Raises InterfaceError for a source that is named twice, since nobody could tell the lines of the two apart, and
        for one that the load seems to know by another name.
        """
        name = source.name
        if name in self._sources:
            raise InterfaceError(
                f"{name} is named twice; load {self._load!r} knows its sources by their names, so name it once"
            )
        self._sources.add(name)
        session, parts = self._session, f"{self._schema}.pgfast_parts"
        yield from begin(session)
        try:
            yield from take_lock(session, f"{self._loads} {self._load}", first=_LATEST)
            known = f"SELECT start, stop, line FROM {parts} WHERE load = $1 AND source = $2 ORDER BY start"
            rows = yield from fetch(session, known, (self._load, name), (int, (int, type(None)), int))
            if not rows and source.seems is not None:
                yield from self._known_otherwise(source)
            found = [Span(*row) for row in rows] or made()
            for span in found if not rows else ():
                noted = f"INSERT INTO {parts} VALUES ($1, $2, $3, $4, $5, $6) RETURNING line"
                values = self._load, name, span.start, span.stop, span.line, source.seems
                yield from fetch(session, noted, values, (int,))
        except Exception:
            if session.dead is None:
                yield from rollback(session)
            raise
        yield from commit(session)
        return found

    def _known_otherwise(self, source: Source) -> Operation[None]:
        """Raise InterfaceError where the load has a source that seems the same, and is not named beside this one."""
        alike = yield from fetch(
            self._session,
            f"SELECT DISTINCT source FROM {self._schema}.pgfast_parts WHERE load = $1 AND seems = $2 "
            "AND source <> ALL ($3::pg_catalog.text[])",
            (self._load, source.seems, list(source.beside)),
            (str,),
        )
        if alike:
            raise InterfaceError(
                f"{source.name} begins as {alike[0][0]}, which load {self._load!r} knows by that name, and is as long; "
                "name it alike wherever the load goes on, or give this one a load of its own"
            )

    def ended(self) -> Operation[bool]:
        """Whether the load has come to its end."""
        asked = f"SELECT ended IS NOT NULL FROM {self._loads} WHERE load = $1"
        ((ended,),) = yield from fetch(self._session, asked, (self._load,), (bool,))
        return bool(ended)

    def ends(self) -> Operation[bool]:
        """Whether the load is to be ended by the open transaction, which has done nothing yet, and nobody has done it
        before."""
        yield from take_lock(self._session, f"{self._loads} {self._load}", first=_LATEST)
        return not (yield from self.ended())

    def finish(self) -> Operation[None]:
        """Note that the load has come to its end."""
        ended = f"UPDATE {self._loads} SET ended = pg_catalog.now() WHERE load = $1 RETURNING load"
        yield from fetch(self._session, ended, (self._load,), (str,))

    def part(self, source: str, start: int = 0) -> LedgerPart:
        """The lines of a part of the load: a source from a position on."""
        return LedgerPart(self._session, self._chunks, self._load, source, start)


class LedgerPart:
    """The lines of a part of a load."""

    def __init__(self, session: Session, chunks: str, load: str, source: str, start: int) -> None:
        self._session = session
        self._chunks = chunks
        self._load = load
        self.source = source
        self._start = start
        #: Whether the part may be left to another session that is at it, and whether it was.
        self.shared = False
        self.lost = False
        #: Where the part stands, and how many of the rows before are loaded.
        self.place = Place(start, 0, {}, load)
        self.resumed = 0

    def name(self, stop: int) -> str:
        """What rejects of a chunk call it."""
        return _name(self.source, self._start, stop)

    def reached(self) -> Operation[int]:
        """The position where the part stands, whoever has brought it there."""
        ((stop,),) = yield from fetch(
            self._session,
            f"SELECT coalesce(max(stop), $4) FROM {self._chunks} WHERE load = $1 AND source = $2 AND start = $3",
            (self._load, self.source, self._start, self._start),
            (int,),
        )
        return int(stop)

    def find(self) -> Operation[None]:
        """Look where the part stands."""
        rows = yield from fetch(
            self._session,
            f"SELECT stop, loaded, rejected, skipped, mark FROM {self._chunks} "
            "WHERE load = $1 AND source = $2 AND start = $3 ORDER BY stop",
            (self._load, self.source, self._start),
            (int, int, int, int, bytes),
        )
        self.resumed = sum([row[1] for row in rows])
        if rows:
            marks = {row[0]: row[4] for row in rows}
            self.place = Place(rows[-1][0], sum([sum(row[1:4]) for row in rows]), marks, self._load)

    def begin(self) -> Operation[None]:
        """Begin the transaction of a chunk, the only one of this part.

        Raises UnderWay where another session is at the part.
        """
        session = self._session
        yield from begin(session)
        everybodys = f"{self._chunks} {self._load}"
        yield from take_lock(session, f"{everybodys} {self.source} {self._start}", everybodys, _LATEST + _UNHURRIED)
        if (yield from self.reached()) != self.place.position:
            raise _under_way(f"load {self._load!r} of {self.source}")

    def note(self, chunk: Chunk, counts: Sequence[int]) -> Operation[None]:
        """Write the chunk's line: how many rows were loaded, rejected and skipped."""
        yield from fetch(
            self._session,
            f"INSERT INTO {self._chunks} (load, source, start, stop, loaded, rejected, skipped, mark) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING load",
            (self._load, self.source, self._start, chunk.stop, *counts, chunk.mark),
            (str,),
        )

    def went_on(self, chunk: Chunk, rows: int) -> None:
        """The chunk, of so many rows, is committed."""
        self.place = replace(self.place, position=chunk.stop, rows=self.place.rows + rows)


def mark_of(load: str) -> str:
    """A few letters that stand for a load in the name of a table."""
    return blake2b(load.encode(), digest_size=4).hexdigest()


def _name(source: str, start: int, stop: int) -> str:
    return f"{source}:{start}-{stop}"


class UnderWay(OperationalError):
    """Another session is at what this one is to do."""


def _under_way(what: str) -> UnderWay:
    return UnderWay(f"{what} is under way in another session; wait for its end, or end it")


def lock_key(name: str) -> int:
    """The number of a name's advisory lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def take_lock(session: Session, name: str, shared: str | None = None, first: str = "") -> Operation[None]:
    """Hold the advisory lock of a name until the transaction ends; that of another name before it, as one of many.

    `first` is a statement that goes with it. Raises OperationalError where another session keeps it for long.
    """
    locks = f"SELECT pg_catalog.pg_advisory_xact_lock('{lock_key(name)}')"
    if shared is not None:
        locks = f"SELECT pg_catalog.pg_advisory_xact_lock_shared('{lock_key(shared)}'); {locks}"
    patiently = f"SET LOCAL lock_timeout = '{_WAIT_S}s'; {locks}; SET LOCAL lock_timeout TO DEFAULT"
    try:
        yield from command(session, first + patiently)
    except DatabaseError as exc:
        if exc.sqlstate == _LOCK_NOT_AVAILABLE:
            raise _under_way(f"what holds {name!r}") from exc
        raise
