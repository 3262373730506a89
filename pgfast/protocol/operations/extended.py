"""The extended protocol as the connections use it: a statement executed once.

Source: PostgreSQL docs, "Message Flow: Extended Query".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import DatabaseError
from ...types.registry import Registry
from ..plans import StatementPlan, plan_of
from ..session import Session
from .adapting import adapted, may_be_undecided
from .binding import Consumer, execute_statement
from .refusals import WayBack, goes_back, is_out_of_date, is_stale, unless_stale
from .simple import Result
from .steps import Operation
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
    have changed, is prepared anew, where there is a way back. `registry` is the session's where none is given. Raises
    the server's error, DataError for a value that does not fit, ProgrammingError for a wrong number of values.
    """
    taken = session.registry if registry is None else registry

    def run(text: str, texts: tuple[int, ...]) -> Operation[Result]:
        asking = may_be_undecided(taken, params)
        statement, rules = yield from known_statement(session, text, prepare, taken, asking)
        try:
            execution = yield from execute_statement(session, statement, rules, params, consumer, texts)
            yield from read_records(session, statement, execution, taken)
            return execution.result
        except DatabaseError as exc:
            yield from learn(session, statement.oids, exc)
            raise

    def attempt(text: str, texts: tuple[int, ...]) -> Operation[Result]:
        return unless_stale(session, text, lambda: run(text, texts))

    return (yield from adapted(session, sql, params, taken, attempt))


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
    shared = session.shared and not session.doubts(sql)
    known = (session.prepared.find(sql) if shared else None) or session.prepared.described(sql)
    if known is None:
        return None
    rules = registry.rules
    if rules.unknown(known.oids):
        return None
    if plan_of(known, rules).open_records:
        return None
    name = known.name or session.prepared.name_for(sql, prepare)
    return plan_of(replace(known, name=name, plan=None) if name != known.name else known, rules)


def may_execute_again(
    session: Session, sql: str, plan: StatementPlan, back: WayBack | None, exc: DatabaseError
) -> Operation[bool]:
    """Whether a failed statement is to be executed anew, prepared again; what the failure says is learnt.

    It is where the server has dropped it, or its columns have changed, and there is a way back. One that may have
    failed because its parameters are of other types now is prepared no more.
    """
    if is_stale(session, exc):
        session.prepared.drop_stale(sql)
        return (yield from goes_back(session, back, exc))
    if is_out_of_date(exc):
        session.prepared.drop(sql)
    yield from learn(session, plan.statement.oids, exc)
    return False
