"""One statement executed many times over, in a pipeline.

How it works. Bind and Execute are written for row after row, a block at a time, and what the server answers is read
meanwhile; one Sync ends it. Where a row's values are not what the statement was described for, what stands before it is
answered first, and the rest goes by the statement as it is adapted to that row.

Source: PostgreSQL docs, "Message Flow: Pipelining".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ... import const
from ...codec import encode_binds
from ...errors import DatabaseError, DataError
from ...types.registry import Registry
from .. import frontend
from ..backend import rows_of
from ..plans import StatementPlan, plan_of
from ..prepared import Adaptation
from ..session import Session
from .adapting import first_adaptation, may_be_undecided, next_adaptation
from .binding import NO_LIMIT, Executions, Undecided, refused
from .refusals import is_out_of_date, is_stale
from .simple import Answers, Result, command
from .steps import Operation, answer, send, settle
from .transactions import begin
from .types import known_statement, learn


class _Gathered(Executions):
    """The answers to many executions: each of them kept, or only what they come to."""

    def __init__(self, plan: StatementPlan, returning: bool) -> None:
        super().__init__(plan)
        self.answers.fields = plan.fields
        self.row_count = 0
        self.tag = ""
        self._returning = returning

    def keep(self, tags: list[str], rows: list[tuple[Any, ...]], ends: list[int]) -> None:
        self.tag = tags[-1]
        same = tags.count(self.tag) == len(tags)
        self.row_count += len(tags) * max(rows_of(self.tag), 0) if same else sum([max(rows_of(tag), 0) for tag in tags])
        if self._returning:
            super().keep(tags, rows, ends)


class _Given:
    """Rows of parameters as a program gives them, as tuples or lists.

    `block` are those given since it was emptied. Where there are `classes`, the rows end before one whose values are of
    others, and `changed` says so. None is of any class.
    """

    def __init__(self, rows: Iterable[Any], arrange: Callable[[Any], Sequence[Any]]) -> None:
        self.block: list[Any] = []
        self.classes: tuple[type, ...] | None = None
        self.changed = False
        self._source: Iterator[Any] = (
            row if type(row) is tuple or type(row) is list else tuple(arrange(row)) for row in rows
        )

    def __iter__(self) -> Iterator[Any]:
        self.changed = False
        for row in self._source:
            if self.classes is not None and not _alike(row, self.classes):
                self._source = chain((row,), self._source)
                self.changed = True
                return
            self.block.append(row)
            yield row

    def again(self, count: int) -> None:
        """Give the rows of the block once more that stand behind its first `count`."""
        self._source = chain(self.block[count:], self._source)
        self.block = []

    def first(self) -> Sequence[Any]:
        """The next row, which is given nevertheless; none where there is none."""
        self.block, self.classes = [], None
        found = next(iter(self), None)
        self.again(0)
        return () if found is None else found


def _alike(row: Sequence[Any], classes: Sequence[type]) -> bool:
    """Whether the values are of these classes, or None, or there was None."""
    return len(row) == len(classes) and all(
        type(value) is cls or value is None or cls is type(None) for value, cls in zip(row, classes, strict=True)
    )


def executemany(
    session: Session,
    sql: str,
    params_rows: Iterable[Any],
    returning: bool = False,
    prepare: bool | None = None,
    registry: Registry | None = None,
    arrange: Callable[[Any], Sequence[Any]] = tuple,
) -> Operation[tuple[int, Answers | list[Result]]]:
    """(rows touched in all, results): one statement executed for each row of parameters, pipelined.

    With `returning` there are the Answers of all executions, else only the Result of the last, without rows. In
    autocommit mode it runs in a transaction of its own where none is open: all or nothing. Parameters and results may
    be of any size: what the server sends is read while parameters are written. `arrange` makes a sequence of values of
    a row that is no tuple or list.
    """
    taken = session.registry if registry is None else registry
    own = session.autocommit and session.transaction_status == "I"
    if own:
        yield from begin(session)
    many = _Many(session, sql, _Given(params_rows, arrange), returning, prepare, taken)
    try:
        replies = yield from many.run()
    except Exception:
        if own and session.dead is None:
            yield from command(session, "ROLLBACK")
        raise
    if own:
        yield from command(session, "COMMIT")
    if returning:
        return replies.row_count, replies.answers
    return replies.row_count, [Result(replies.tag, replies.row_count)] if replies.tag else []


class _Many:
    """The executions of one statement: where they stand, and how the rows go at present (`known`)."""

    def __init__(
        self, session: Session, sql: str, given: _Given, returning: bool, prepare: bool | None, registry: Registry
    ) -> None:
        self._session = session
        self._given = given
        self._returning = returning
        self._prepare = prepare
        self._registry = registry
        self._replies: _Gathered | None = None
        self._done = 0
        self._prepared = False
        self._sql = sql
        self._known = Adaptation(sql, ())

    def run(self) -> Operation[_Gathered]:
        """The answers, when all rows have been executed."""
        session, given = self._session, self._given
        tried: set[Adaptation] = set()  # how the next row has been tried
        while True:
            first = given.first()
            classes = tuple(map(type, first))
            if not tried:
                self._known = first_adaptation(session, self._registry, self._sql, first)
            plain = self._known == (self._sql, ()) and not self._registry.rules.dumps
            given.classes = None if plain else classes
            tried.add(self._known)
            if self._known.sql in session.prepared.doubted:  # the rows that have been given could not be given again
                session.prepared.set_aside(self._known.sql)
            prepared = self._prepared = session.prepared.find(self._known.sql) is not None
            done = self._done
            try:
                ended = yield from self._pipeline(first)
            except DatabaseError as exc:
                self._heed(exc, prepared)
                session.prepared.adaptations.pop((self._sql, classes), None)
                raise
            except _NotSo as stop:
                if stop.number != done:
                    tried.clear()
                if prepared and stop.refusal.parameter_types is not None:
                    session.prepared.drop(self._known.sql)  # its parameters may be of other types by now
                    continue
                self._known = stop.known
                if self._known in tried:
                    raise stop.refusal from stop.refusal.__cause__
                if stop.undecided is not None:
                    yield from stop.undecided.take_back(session)
                tried.add(self._known)
                session.prepared.adapt((self._sql, stop.classes), self._known)
            else:
                if not given.changed:
                    return ended
                tried.clear()

    def _heed(self, exc: DatabaseError, prepared: bool) -> None:
        """Use the statement no more where it may be the reason of the failure."""
        if is_stale(self._session, exc):
            self._session.prepared.drop_stale(self._known.sql)
        elif prepared and (is_out_of_date(exc) or exc.fault is not None):
            self._session.prepared.drop(self._known.sql)

    def _pipeline(self, first: Sequence[Any]) -> Operation[_Gathered]:
        """The answers, when the rows that are left have been executed by the statement as it is known.

        Raises `_NotSo` at a row that goes otherwise, when those before it have been executed.
        """
        session, given = self._session, self._given
        plan, oids = yield from self._plan(first)
        if self._replies is None:
            self._replies = _Gathered(plan, self._returning)
        replies, rows, ended, refusal = self._replies, iter(given), False, None
        replies.plan = plan
        try:
            while not ended and replies.failure is None:
                try:
                    count, ended = _write_some(session, plan, rows, given, self._done)
                except DataError as exc:
                    refusal = self._otherwise(exc)
                    if refusal is None:
                        raise
                    count, ended = refusal.number - self._done, True
                    before = given.block[:count]
                    given.again(count)
                    _write_some(session, plan, iter(before), given, self._done)
                self._done += count
                if not ended:
                    yield from send(session, replies, listen=True)
        except Exception as exc:
            yield from settle(session)
            yield from learn(session, oids, exc)
            raise
        if session.unsynced:
            session.write_sync()
        yield from answer(session, replies)
        if replies.failure is not None:
            yield from learn(session, oids, replies.failure)
            raise replies.failure
        if refusal is not None:
            raise refusal
        return replies

    def _plan(self, first: Sequence[Any]) -> Operation[tuple[StatementPlan, Sequence[int]]]:
        """The plan for the statement as it is known, and the types in it."""
        session, registry = self._session, self._registry
        asking = may_be_undecided(registry, first)
        try:
            statement, rules = yield from known_statement(session, self._known.sql, self._prepare, registry, asking)
        except (DatabaseError, Undecided) as exc:
            refusal = exc.refusal if isinstance(exc, Undecided) else exc
            again = next_adaptation(session, registry, self._known, first, exc)
            if again is None:
                raise refusal from refusal.__cause__
            raise _NotSo(self._done, again, first, refusal, exc if isinstance(exc, Undecided) else None) from refusal
        return plan_of(statement, rules).with_texts(self._known.texts), statement.oids

    def _otherwise(self, exc: DataError) -> _NotSo | None:
        """How the row goes that was refused; None where it cannot."""
        if exc.fault is None or exc.parameter_types is None:
            return None
        row = self._given.block[exc.fault.at]
        again = next_adaptation(self._session, self._registry, self._known, row, exc)
        if again is None and self._prepared:
            again = self._known  # when it has been prepared anew
        return None if again is None else _NotSo(self._done + exc.fault.at, again, row, exc)


class _NotSo(Exception):
    """The row with this number goes by another adaptation, after what was `undecided` has been taken back."""

    def __init__(
        self,
        number: int,
        known: Adaptation,
        row: Sequence[Any],
        refusal: DatabaseError,
        undecided: Undecided | None = None,
    ) -> None:
        super().__init__(number)
        self.undecided = undecided
        self.number = number
        self.known = known
        self.classes = tuple(map(type, row))
        self.refusal = refusal


def _write_some(
    session: Session, plan: StatementPlan, rows: Iterator[Any], given: _Given, done: int
) -> tuple[int, bool]:
    """Bind and Execute for the next rows, a block of them: (how many, whether the rows have ended).

    `done` rows stand before them. Where a row is refused, or the rows themselves raise, nothing of this block is sent,
    and the fault says how many stand before the row in it.
    """
    after, count, ended = frontend.EXECUTE_ALL, 0, False
    given.block = []
    try:
        if plan.parameters is not None:
            count, ended = encode_binds(
                session.out, plan.parameters, plan.head, plan.tail, after, rows, const.COPY_BLOCK_SIZE
            )
        else:
            while not ended and session.out.size_bytes < const.COPY_BLOCK_SIZE:
                row = next(rows, None)
                ended = row is None
                if row is not None:
                    parameters, head = plan.for_values(row)
                    encode_binds(session.out, parameters, head, plan.tail, after, iter((row,)), NO_LIMIT)
                    count += 1
    except BaseException as exc:
        if session.out.size_bytes:
            session.out.take()
        if isinstance(exc, DataError) and exc.fault is not None:
            at = exc.fault.at if plan.parameters is not None else count
            row = given.block[at] if at < len(given.block) else ()
            made = refused(exc, plan, row, f"row {done + at + 1}, ")
            made.fault = replace(exc.fault, at=at)
            raise made from exc.__cause__
        raise
    session.expect_executions(count)
    return count, ended
