"""The extended protocol as the connections use it: a statement executed once, or many times in a pipeline.

Source: PostgreSQL docs, "Message Flow: Extended Query" and "Pipelining".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ... import const
from ...codec import encode_binds
from ...errors import DatabaseError, DataError
from ...types.registry import Registry
from .. import frontend
from ..backend import rows_of
from ..plans import StatementPlan, plan_of
from ..prepared import Prepared
from ..session import Session
from .binding import (
    NO_LIMIT,
    Consumer,
    Executions,
    execute_statement,
    is_out_of_date,
    is_stale,
    refused,
    unless_stale,
)
from .simple import Answers, Result, command
from .steps import Operation, answer, send, settle
from .transactions import begin
from .types import known_statement, learn, read_records


def execute(
    session: Session,
    sql: str,
    params: Sequence[Any],
    consumer: Consumer,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[Result]:
    """Execute one statement with `$1` parameters; its rows go to the consumer and not into the Result.

    Types that are not known are looked up first. A prepared statement that the server has dropped, or whose columns
    have changed, is prepared anew once, where no transaction has been spoilt by it. `registry` is the session's where
    none is given. Raises the server's error, DataError for a value that does not fit, ProgrammingError for a wrong
    number of values.
    """
    taken = session.registry if registry is None else registry

    def run() -> Operation[Result]:
        statement, rules = yield from known_statement(session, sql, prepare, taken)
        try:
            execution = yield from execute_statement(session, statement, rules, params, consumer)
            yield from read_records(session, statement, execution, taken)
            return execution.result
        except DatabaseError as exc:
            yield from learn(session, statement.oids, exc)
            raise

    return (yield from unless_stale(session, sql, run))


def prepared_plan(session: Session, sql: str, registry: Registry) -> StatementPlan | None:
    """The plan of a prepared statement that can be executed at once; None where anything must be asked first."""
    statement = session.prepared.find(sql)
    if statement is None or session.shared:
        return None
    rules = registry.rules
    plan = statement.plan
    if plan is None or plan.rules is not rules:
        if rules.unknown(statement.oids):
            return None
        plan = plan_of(statement, rules)
    return None if plan.open_records else plan


def described_plan(session: Session, sql: str, prepare: bool | None, registry: Registry) -> StatementPlan | None:
    """The plan of a statement that was described before, for the name to parse it under now, or that it has already.

    None where the server must be asked.
    """
    known = (session.prepared.find(sql) if session.shared else None) or session.prepared.described(sql)
    if known is None:
        return None
    rules = registry.rules
    if rules.unknown(known.oids):
        return None
    if plan_of(known, rules).open_records:
        return None
    name = known.name or session.prepared.name_for(sql, prepare)
    return plan_of(Prepared(name, known.type_oids, known.fields) if name != known.name else known, rules)


def may_execute_again(
    session: Session, sql: str, plan: StatementPlan, was_idle: bool, exc: DatabaseError
) -> Operation[bool]:
    """Whether a failed statement is to be executed anew, prepared again; what the failure says is learnt.

    It is where the server has dropped it, or its columns have changed, and no transaction has been spoilt by that. One
    that may have failed because its parameters are of other types now is prepared no more.
    """
    if is_stale(exc):
        session.prepared.drop_stale(sql)
        return was_idle
    if is_out_of_date(exc):
        session.prepared.drop(sql)
    yield from learn(session, plan.statement.oids, exc)
    return False


# ---------------------------------------------------------------- many executions of one statement


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
    """Rows of parameters as a program gives them, as tuples or lists; the last one is remembered for errors."""

    def __init__(self, rows: Iterable[Any], arrange: Callable[[Any], Sequence[Any]]) -> None:
        self.last: Any = ()
        self._rows = rows
        self._arrange = arrange

    def __iter__(self) -> Iterator[Any]:
        arrange = self._arrange
        for row in self._rows:
            self.last = row
            yield row if type(row) is tuple or type(row) is list else tuple(arrange(row))


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
    try:
        replies = yield from _pipeline(session, sql, _Given(params_rows, arrange), returning, prepare, taken)
    except Exception:
        if own and session.dead is None:
            yield from command(session, "ROLLBACK")
        raise
    if own:
        yield from command(session, "COMMIT")
    if returning:
        return replies.row_count, replies.answers
    return replies.row_count, [Result(replies.tag, replies.row_count)] if replies.tag else []


def _pipeline(
    session: Session, sql: str, given: _Given, returning: bool, prepare: bool | None, registry: Registry
) -> Operation[_Gathered]:
    first = session.prepared.find(sql) is not None
    try:
        return (yield from _run_pipeline(session, sql, given, returning, prepare, registry))
    except DatabaseError as exc:
        if is_stale(exc):
            session.prepared.drop_stale(sql)
        elif first and (is_out_of_date(exc) or exc.fault is not None):
            session.prepared.drop(sql)
        raise


def _run_pipeline(
    session: Session, sql: str, given: _Given, returning: bool, prepare: bool | None, registry: Registry
) -> Operation[_Gathered]:
    statement, rules = yield from known_statement(session, sql, prepare, registry)
    plan = plan_of(statement, rules)
    replies = _Gathered(plan, returning)
    rows, ended, done = iter(given), False, 0
    try:
        while not ended and replies.failure is None:
            count, ended = _write_some(session, plan, rows, given, done)
            done += count
            if not ended:
                yield from send(session, replies, listen=True)
    except Exception as exc:
        yield from settle(session)
        yield from learn(session, statement.oids, exc)
        raise
    if session.unsynced:
        session.write_sync()
    yield from answer(session, replies)
    if replies.failure is not None:
        yield from learn(session, statement.oids, replies.failure)
        raise replies.failure
    return replies


def _write_some(
    session: Session, plan: StatementPlan, rows: Iterator[Any], given: _Given, done: int
) -> tuple[int, bool]:
    """Bind and Execute for the next rows, a block of them: (how many, whether the rows have ended).

    `done` rows stand before them. Where a row is refused, or the rows themselves raise, nothing of this block is sent.
    """
    after, count, ended = frontend.EXECUTE_ALL, 0, False
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
            number = done + (exc.fault.at if plan.parameters is not None else count) + 1
            raise refused(exc, plan, given.last, f"row {number}, ") from exc.__cause__
        raise
    session.expect_executions(count)
    return count, ended
