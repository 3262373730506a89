"""The pipeline of a connection: executions that are written one after the other, their answers read when they come.

Law of this file: the server answers in the order in which it was asked, so what waits is a queue. A step here leaves
the session with executions under way, and only `sync` brings it to rest; whatever else is to be done on the connection
comes after that.

An error of the server spoils everything up to the next Sync: what stands behind it in the queue is failed with
PipelineAborted, and nothing more is written until then. Without a Sync in between, the executions are one transaction.

Source: PostgreSQL docs, "Pipelining" (Message Flow) and "Pipeline Mode" (libpq).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from ... import const
from ...errors import DatabaseError, DataError, Error, PipelineAborted, ProgrammingError, ProtocolError
from ...types.registry import Registry
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, ErrorResponse, ReadyForQuery
from ..plans import StatementPlan, plan_of
from ..session import Done, Event, Session
from .adapting import adapted, is_adapted
from .binding import write_execution
from .composing import AnyQuery
from .queries import Params, make_ready, read_query, ready_for
from .refusals import is_out_of_date, is_stale
from .simple import Outcome
from .steps import READ, Operation, Reply, answer, send
from .transactions import ensure_begin
from .types import known_statement

_ABORTED: Final = "an earlier statement of the pipeline has failed, so the server has not executed this one"


class Pending:
    """One execution of a pipeline: `done` when it has been answered, or `failure`; one never sent has no plan."""

    __slots__ = ("done", "failure", "plan")

    def __init__(self, plan: StatementPlan | None) -> None:
        self.plan = plan
        self.done: Done | None = None
        self.failure: Exception | None = None

    @property
    def answered(self) -> bool:
        """Whether it is known what came of it."""
        return self.done is not None or self.failure is not None

    def outcome(self) -> Outcome:
        """What it gave. Raises what it has failed with."""
        if self.failure is not None:
            raise self.failure
        assert self.done is not None, "it has been answered"
        assert self.plan is not None, "what was never sent has failed"
        tag, rows = self.done
        return tag, self.plan.fields, rows


class Pipeline(Reply):
    """The executions of a session that wait for their answers, in order.

    They stand in groups of one plan each, so that the codec can take all answers of a group together; a group of None
    is a Sync. `failure` is the first failure that nobody has been told of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self._groups: deque[tuple[StatementPlan | None, deque[Pending]]] = deque()
        self._unnamed: tuple[str, StatementPlan] | None = None
        self._broken = False  # the first execution's rows could not be read: the rest of its answer is thrown away

    # ------------------------------------------------------------ written

    def add(self, session: Session, plan: StatementPlan, params: Sequence[Any]) -> Pending:
        """Write one more execution. Raises what `write_execution` raises, and then nothing is written."""
        if self.aborted:
            return self.skipped()
        pending = Pending(plan)
        write_execution(session, plan, params)
        session.expect_executions(1)
        groups = self._groups
        if groups and groups[-1][0] is plan:
            groups[-1][1].append(pending)
        else:
            groups.append((plan, deque((pending,))))
        return pending

    def skipped(self) -> Pending:
        """An execution that the server would not carry out any more."""
        pending = Pending(None)
        pending.failure = PipelineAborted(_ABORTED)
        return pending

    def add_sync(self, session: Session) -> None:
        """Write a Sync; what follows it is a transaction of its own."""
        session.write_sync()
        self._groups.append((None, deque()))
        self.aborted = False
        self.forget_unnamed()  # a pooler may give the session another server now, which has never seen it

    def unnamed_plan(self, sql: str, registry: Registry) -> StatementPlan | None:
        """The plan of the statement that the server was asked about last, where it has no name and is this one."""
        found = self._unnamed
        return found[1] if found is not None and found[0] == sql and found[1].rules is registry.rules else None

    def keep_unnamed(self, sql: str, plan: StatementPlan) -> None:
        """The statement that the server has without a name."""
        self._unnamed = (sql, plan)

    def forget_unnamed(self) -> None:
        """What the server has without a name is not known any more."""
        self._unnamed = None

    # ------------------------------------------------------------ read

    def consume(self, session: Session) -> None:
        while True:
            if not self._broken and self._groups:
                self._receive(session)
            event = session.next_event()
            if event is None:
                break
            self.judge(session, event)
        if session.dead is not None:
            self.fail_all(self.failure or session.lost())

    def _receive(self, session: Session) -> None:
        """Take the whole answers that have come, group by group."""
        groups = self._groups
        while groups:
            plan, waiting = groups[0]
            if plan is None:
                return
            try:
                tags, rows, ends = session.take_executions(plan.rows, len(waiting))
            except ProtocolError as exc:
                self.failure = self.failure or exc
                return
            except Exception as exc:  # told to whoever asks for this one, or at the end
                self._fail_first(exc)
                self._broken = True
                return
            if not tags:
                return
            at = 0
            for tag, end in zip(tags, ends, strict=True):
                waiting.popleft().done = tag, rows[at:end]
                at = end
            if not waiting:
                groups.popleft()

    def judge(self, session: Session, event: Event) -> None:
        if isinstance(event, ErrorResponse):
            self._abort(session, session.error(event))
            return
        try:
            self.take(event)
        except ProtocolError as exc:  # bytes that cannot be: nothing after them can be trusted
            self.failure = session.die(exc)

    def take(self, event: Event) -> None:
        if isinstance(event, ReadyForQuery):
            if not self._groups or self._groups[0][0] is not None:
                raise ProtocolError("ReadyForQuery came before the executions of the pipeline were answered")
            self._groups.popleft()
        elif self._broken:
            if isinstance(event, CommandComplete) or (
                isinstance(event, Acknowledgement) and event.tag == const.EMPTY_QUERY_RESPONSE
            ):
                self._broken = False
                self._drop_first()
        else:
            raise ProtocolError(f"{type(event).__name__} came in a pipeline, where it answers nothing")

    def _drop_first(self) -> None:
        self._groups[0][1].popleft()
        if not self._groups[0][1]:
            self._groups.popleft()

    def _fail_first(self, exc: Exception) -> None:
        self._groups[0][1][0].failure = exc
        self.failure = self.failure or exc

    def _abort(self, session: Session, exc: Error) -> None:
        """The first execution has failed on the server; those behind it are skipped, up to the next Sync."""
        groups = self._groups
        plan = groups[0][0] if groups else None
        if plan is not None and not self._broken:
            self._fail_first(exc)
            if isinstance(exc, DatabaseError) and (is_stale(session, exc) or is_out_of_date(exc)):
                session.prepared.drop_statement(plan.statement, is_stale(session, exc))
        else:
            self.failure = self.failure or exc
        self._broken = False
        while groups and groups[0][0] is not None:
            for pending in groups.popleft()[1]:
                if pending.failure is None:
                    pending.failure = PipelineAborted(_ABORTED)
        self.aborted = not groups

    def fail_all(self, exc: Exception) -> None:
        """Nothing of what waits will be answered any more."""
        for _, waiting in self._groups:
            for pending in waiting:
                pending.failure = pending.failure or exc
        self._groups.clear()
        self._broken = self.aborted = False
        self._unnamed = None

    def take_failure(self) -> Exception | None:
        """The first failure that nobody has been told of; whoever takes it tells."""
        failure, self.failure = self.failure, None
        return failure

    def outcome_of(self, pending: Pending) -> Outcome:
        """What an execution that has been answered gave. Raises what it has failed with, which is then told."""
        if pending.failure is not None and pending.failure is self.failure:
            self.failure = None
        return pending.outcome()


def add_now(session: Session, pipeline: Pipeline, sql: AnyQuery, params: Params, registry: Registry) -> Pending | None:
    """The execution, written; None where the server must be asked something first (`add_asking`)."""
    if session.copying:
        session.check_usable()
    begun = session.autocommit or session.transaction_status != "I"
    ready = ready_for(session, sql, params, registry)
    doubted = session.prepared.doubted
    if ready is not None and begun and ready[0] not in doubted:
        return _added(session, pipeline, ready[2], params or ())  # type: ignore[arg-type]  # no mapping
    found, values = read_query(session, sql, params, registry)
    if found.copies or (params is None and found.several):
        raise ProgrammingError("a pipeline takes neither COPY nor several statements in one query; leave it for these")
    if found.sql in doubted:  # a refusal would spoil the pipeline
        session.prepared.set_aside(found.sql)
    if not begun or is_adapted(session, registry, found.sql, values):
        return None
    plan = pipeline.unnamed_plan(found.sql, registry)
    if plan is None:
        ready = make_ready(session, sql, found, params, registry)
        plan = None if ready is None else ready.plan
    return None if plan is None else _added(session, pipeline, plan, values)


def _added(session: Session, pipeline: Pipeline, plan: StatementPlan, params: Sequence[Any]) -> Pending | None:
    """The execution, written; None where its values are not what the plan is for."""
    try:
        return pipeline.add(session, plan, params)
    except DataError as exc:
        if exc.parameter_types is None:
            raise
        return None


def add_asking(
    session: Session, pipeline: Pipeline, sql: AnyQuery, params: Params, prepare: bool | None, registry: Registry
) -> Operation[Pending]:
    """The execution of a statement that the server must first be asked about; all before it is answered then.

    The answers are asked for by Flush and not by Sync, which would end the transaction; only types that have to be
    looked up do that.
    """
    found, values = read_query(session, sql, params, registry)
    yield from _await_all(session, pipeline)
    if pipeline.aborted:
        return pipeline.skipped()
    if not session.unsynced:
        yield from ensure_begin(session)
    pipeline.forget_unnamed()  # asking may put another statement in its place

    def attempt(text: str, texts: tuple[int, ...]) -> Operation[Pending]:
        statement, rules = yield from known_statement(session, text, prepare, registry)
        plan = plan_of(statement, rules).with_texts(texts)
        if not statement.name or session.shared:
            pipeline.keep_unnamed(text, plan)
        return pipeline.add(session, plan, values)

    # What the server refuses has spoilt what was sent before, so it is not asked again.
    return (yield from adapted(session, found.sql, values, registry, attempt))


def _await_all(session: Session, pipeline: Pipeline) -> Operation[None]:
    """Read until everything has been answered, without ending the transaction."""
    while not session.answered or session.out.size_bytes:
        if session.unsynced:
            frontend.flush(session.out)
        yield from answer(session, pipeline)


def send_more(session: Session, pipeline: Pipeline) -> Operation[None]:
    """Send what has been written, reading what has come meanwhile."""
    yield from send(session, pipeline, listen=True)


def sync(session: Session, pipeline: Pipeline) -> Operation[None]:
    """Bring the session to rest, with everything answered. Failures stay with the pipeline.

    No COPY may be under way.
    """
    if session.unsynced:
        pipeline.add_sync(session)
    if not session.at_rest or session.out.size_bytes:
        yield from answer(session, pipeline)


def await_answer(session: Session, pipeline: Pipeline, pending: Pending) -> Operation[None]:
    """Read until this execution has been answered."""
    if session.unsynced:
        frontend.flush(session.out)
    while True:
        yield from send(session, pipeline)
        pipeline.consume(session)
        if pending.answered or session.dead is not None:
            return
        if not session.out.size_bytes and not (yield READ):
            raise session.lost()
