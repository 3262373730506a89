"""A load in chunks: where bad rows are set aside, where keys may be there already, and where it can be gone on with.

Law of this file: a chunk is settled as a whole before the next one is read. Without a ledger all chunks are one
transaction, or a part of the caller's behind a savepoint; with one each is a transaction of its own, and its line in
the ledger is written by the same transaction. Every row that was read is loaded, rejected or skipped, and the sum is
checked for each chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ..errors import InternalError
from ..protocol.operations import Operation, Pull, command, commit, fetch, meanwhile, rollback
from ..protocol.session import Session
from ..types.discovery import qualified
from .feed import ALL_ROWS, TEXT, Chunk, Feed, Place
from .framing import atomically
from .ledger import LedgerPart, UnderWay
from .rejecting import ChunkLoader, Part, Settled, refused
from .rejects import Bin
from .report import Meter
from .staging import Conflict, Stage
from .target import Target

_MAY_STAGE: Final = """
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP'),
    coalesce(pg_catalog.row_security_active(pg_catalog.to_regclass($1)), false)"""
#: The constraints that may be checked at the end, with their schemas, and whether they are defined so: of a table and
#: its parts, and where rows are updated ($2) of references to it. Others may have something pending that is not to be
#: checked yet: rows that refer to the very rows that are loaded.
_DEFERRABLE: Final = qualified("""
WITH RECURSIVE part (oid) AS (
    SELECT pg_catalog.to_regclass($1)::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), c.condeferred
FROM part p JOIN pg_catalog.pg_constraint c ON c.conrelid = p.oid OR ($2 AND c.confrelid = p.oid)
JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
WHERE c.condeferrable
ORDER BY 1""")
#: Refusals by the server in one chunk after which the rest goes by the staging table.
_PATIENCE: Final = 3


@dataclass(slots=True)
class Totals:
    """What a load in chunks came to."""

    read: int = 0
    loaded: int = 0
    skipped: int = 0
    rejected: int = 0
    updated: int = 0
    size_bytes: int = 0
    paths: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ChunkPlan:
    """How chunks go: with rejects or without (None), by which rule for keys, of which size, and what comes before."""

    rejects: Bin | None
    conflict: Conflict | None
    chunk_bytes: int
    first: Operation[str] | None


def load_chunks(
    session: Session, target: Target, feed: Feed, plan: ChunkPlan, meter: Meter, part: LedgerPart | None = None
) -> Operation[Totals]:
    """What became of all chunks, or of those that the ledger has not. Raises as `load` does."""
    loader = _Load(session, target, feed, plan, meter)
    if part is not None:
        return (yield from loader.by_ledger(part))
    own = session.transaction_status == "I"
    return (yield from atomically(session, loader.all_chunks(own)))


class _Load:
    """One load under way."""

    def __init__(self, session: Session, target: Target, feed: Feed, plan: ChunkPlan, meter: Meter) -> None:
        self._session = session
        self._target = target
        self._feed = feed
        self._source = feed.name
        self._plan = plan
        self._meter = meter
        self._beside = None if plan.rejects is None else plan.rejects.work
        self._direct = ChunkLoader(session, target, feed.name, meter, self._beside)
        self._stage: Stage | None = None
        self._stormy = False  # the chunk before had many bad rows
        self._guarded = False  # the table has row security, with which COPY is refused
        self._own = True  # whether the transaction is the load's
        self._deferred: list[str] = []  # constraints that were set to be checked at once
        self._may_stage: bool | None = None  # whether the role may make temporary tables; None: not asked yet
        self.totals = Totals()

    def all_chunks(self, own: bool) -> Operation[Totals]:
        """Load every chunk in the open transaction; `own` says whether it is the load's and nobody else's."""
        self._own = own
        if self._plan.first is not None:
            yield from self._plan.first
        yield from self._prepare()
        chunks = self._feed.chunks(self._meter, self._plan.chunk_bytes, Place())
        while (chunk := (yield Pull(chunks))) is not None:
            yield from self._settled(chunk, None)
        yield from self._leave()
        if self._plan.rejects is not None:
            self._plan.rejects.settle()
        return self.totals

    def by_ledger(self, part: LedgerPart) -> Operation[Totals]:
        """Load every chunk that the ledger has not, each in a transaction of its own."""
        session, totals = self._session, self.totals
        chunks = self._feed.chunks(self._meter, self._plan.chunk_bytes, part.place)
        while (chunk := (yield Pull(chunks))) is not None:
            before = totals.read, totals.loaded, totals.rejected, totals.skipped
            try:
                yield from part.begin()
                self._stage = None  # it went with the transaction before
                yield from self._prepare()
                yield from self._settled(chunk, part)
                after = totals.read, totals.loaded, totals.rejected, totals.skipped
                rows, *counts = [now - then for now, then in zip(after, before, strict=True)]
                yield from part.note(chunk, counts)
            except UnderWay:
                yield from rollback(session)
                if not part.shared:
                    raise
                part.lost = True
                return totals
            except Exception:
                if session.dead is None:
                    yield from rollback(session)
                raise
            except BaseException:  # half a chunk without its line must not be committed
                session.undo = "ROLLBACK"
                raise
            yield from commit(session)
            part.went_on(chunk, rows)
        return totals

    def _prepare(self) -> Operation[None]:
        """What a transaction begins with: constraints are checked by the statement that breaks them.

        In a transaction that others use too, those of the table alone, of which some may be as they were meant to be.
        """
        if self._plan.rejects is None:
            return
        if self._own:
            yield from command(self._session, "SET CONSTRAINTS ALL IMMEDIATE")
            return
        updates = self._plan.conflict is not None and self._plan.conflict.action == "update"
        if deferrable := (yield from fetch(self._session, _DEFERRABLE, (self._target.sql, updates), (str, bool))):
            self._deferred = [name for name, deferred in deferrable if deferred]
            names = ", ".join([name for name, _deferred in deferrable])
            yield from command(self._session, f"SET CONSTRAINTS {names} IMMEDIATE")

    def _leave(self) -> Operation[None]:
        """Put constraints back to what they are defined as: what else a transaction has set cannot be asked for."""
        if self._deferred:
            yield from command(self._session, f"SET CONSTRAINTS {', '.join(self._deferred)} DEFERRED")

    def _staged(self) -> Operation[Stage]:
        """The staging table, empty."""
        if self._stage is None:
            numbered = self._plan.rejects is not None
            self._stage = Stage(self._session, self._target, self._plan.conflict, numbered)
            yield from self._stage.create()
        else:
            yield from self._stage.empty()
        return self._stage

    def _settled(self, chunk: Chunk, part: LedgerPart | None) -> Operation[None]:
        """Load a chunk, a part of a restartable load or not, and count."""
        rejecting = self._plan.rejects is not None
        size_before = self._meter.size_bytes
        if self._may_stage is None and rejecting:
            asked = yield from fetch(self._session, _MAY_STAGE, (self._target.sql,), (bool, bool))
            self._may_stage, self._stormy = asked[0][0], self._stormy or asked[0][1]
            self._guarded = asked[0][1]
        if self._plan.conflict is None and (not self._stormy or self._may_stage is False):
            patience = ALL_ROWS if self._may_stage is False else _PATIENCE
            made = yield from self._direct.load(chunk, patience=patience)
        else:
            made = Settled(left=self._direct.whole(chunk))
        updated = 0
        if made.left:
            updated = yield from self._by_stage(chunk, made)
        rows, totals = chunk.rows, self.totals
        if rows != made.loaded + made.skipped + len(made.errors):
            raise InternalError(
                f"COPY {self._target.table}: of {rows} rows {made.loaded} were loaded, {made.skipped} skipped and "
                f"{len(made.errors)} refused; please report this"
            )
        self._stormy = self._guarded or (len(made.errors) > _PATIENCE and rejecting)
        totals.read += rows
        totals.loaded += made.loaded
        totals.skipped += made.skipped
        totals.rejected += len(made.errors)
        totals.updated += updated
        self._meter.rejected += len(made.errors)
        self._meter.position += chunk.size_bytes
        totals.size_bytes += self._meter.size_bytes - size_before
        if chunk.path not in totals.paths:
            totals.paths.append(chunk.path)
        if self._plan.rejects is not None and made.errors:
            name = None if part is None else part.name(chunk.stop)
            self._plan.rejects.add(self._source, refused(chunk, made.errors), len(made.errors), name)

    def _by_stage(self, chunk: Chunk, made: Settled) -> Operation[int]:
        """What is left of the chunk goes by the staging table; how many rows of the table were updated."""
        stage = yield from self._staged()
        # What is waiting to be written waits for the table: until then the client is the busier one.
        beside = None if self._beside is None else _nothing
        loader = ChunkLoader(self._session, stage.target, self._source, self._meter, beside)
        meter_before = self._meter.rows, self._meter.size_bytes
        staged = yield from loader.load(chunk, made.left)
        if self._plan.conflict is not None and not staged.in_order(chunk.rows):
            # Which of two rows with one key counts goes by their order: all of them go in the way that takes all.
            self._meter.rows, self._meter.size_bytes = meter_before
            yield from stage.empty()
            staged = yield from loader.load(chunk, [Part(TEXT, [(0, ALL_ROWS)])])
        if self._beside is None:
            merged = yield from stage.merge()
        else:
            merged = yield from meanwhile(self._session, stage.settle(staged.torn), self._beside)
        made.errors.update(staged.errors)
        if merged.errors:
            order = staged.order(chunk.rows)
            made.errors.update({order[place]: why for place, why in merged.errors.items()})
        taken = merged.inserted + merged.updated
        made.loaded += taken
        made.skipped += staged.loaded - taken - len(merged.errors or ())
        return merged.updated


def _nothing() -> bool:
    """No work beside the server's."""
    return False
