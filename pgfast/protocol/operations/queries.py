"""Queries as a user writes them: placeholders of any style, one statement or several, begun in a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import DatabaseError, DataError, ProgrammingError
from ...types.registry import Registry
from .. import frontend, statements
from ..plans import StatementPlan
from ..prepared import Ready
from ..session import Session
from .adapting import is_adapted
from .binding import Rows, execute_described, fetch, take_piecemeal, write_execution
from .composing import AnyQuery, is_template, query_text, read_template
from .doubted import answer_behind_savepoint, take_back, write_behind_savepoint
from .extended import described_plan, execute, may_execute_again, prepared_plan
from .literals import in_place, merge, texts_of
from .many import executemany
from .refusals import way_back
from .simple import Answers, Outcome, Result, command
from .steps import ASK, Operation
from .transactions import begin, ensure_begin
from .types import learn, query

#: Values for a query's placeholders, or None for a query that has none.
Params: TypeAlias = Sequence[Any] | Mapping[str, Any] | None


def read_query(
    session: Session, sql: AnyQuery, params: Params, registry: Registry | None = None
) -> tuple[statements.Query, Sequence[Any]]:
    """The query with `$1` placeholders, and its values in that order. Without parameters its text stays as it is.

    What a composition holds is written by `registry`, the session's where none is given.
    """
    standard = session.standard_strings
    if type(sql) is str:
        text = sql
    elif is_template(sql):
        return read_template(sql, params, session.registry if registry is None else registry, standard)
    else:
        text = query_text(sql, session.registry if registry is None else registry)
    if params is None:
        return statements.plain(text, standard), ()
    found = statements.with_parameters(text, standard)
    return found, found.arrange(params)


def ready_for(session: Session, sql: AnyQuery, params: Params, registry: Registry) -> Ready | None:
    """The statement, where it is prepared and the parameters are its values as they stand; the quick way to it."""
    prepared = session.prepared
    if type(sql) is not str:
        return None
    if type(params) is tuple or type(params) is list:
        found = prepared.ready.get(sql)
        if found is None or len(params) != found[1]:
            return None
    else:
        found = prepared.plain.get(sql) if params is None else None
        if found is None:
            return None
    rules = registry.rules
    if found[2].rules is not rules or (rules.dumps and params and any(map(rules.dump_of, params))):
        return None
    if prepared.latest is not found[0]:
        prepared.use(found[0])
    return found


def make_ready(
    session: Session, sql: AnyQuery, found: statements.Query, params: Params, registry: Registry
) -> Ready | None:
    """The statement, where it is prepared; found by `ready_for` from now on where its parameters are a sequence."""
    plan = None if found.copies or (params is None and found.several) else prepared_plan(session, found.sql, registry)
    if plan is None:
        return None
    ready = Ready(found.sql, found.count, plan)
    if found.names is None and type(sql) is str:
        (session.prepared.plain if params is None else session.prepared.ready)[sql] = ready
    return ready


def execute_query(
    session: Session,
    sql: AnyQuery,
    params: Params = None,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[Outcome | list[Result]]:
    """What the statement gives, or a Result for each of several.

    One statement goes by the extended protocol. Several, which take no parameters, go by the simple one together, and
    so does COPY. A statement that is prepared takes one write, and one read where the answer is small. `registry` is
    the session's where none is given.
    """
    taken = session.registry if registry is None else registry
    ready, found = ready_for(session, sql, params, taken), None
    values: Any = params or ()  # of a statement that is ready no mapping
    if ready is None:
        found, values = read_query(session, sql, params, taken)
        if found.copies and values:
            raise ProgrammingError("COPY takes no parameters; use cursor.copy(), which writes them in as literals")
    if not session.autocommit:
        yield from ensure_begin(session)
    if found is not None:
        ready = (
            None if is_adapted(session, taken, found.sql, values) else make_ready(session, sql, found, params, taken)
        )
        if ready is None:
            return (yield from _execute_asking(session, found, not len(values), values, prepare, taken))
    assert ready is not None, "it was found or made"
    doubted = session.prepared.doubted
    if doubted:
        if session.doubts(ready[0]):
            found = found or read_query(session, sql, params, taken)[0]
            return (yield from _execute_doubted(session, found, ready[2], tuple(values), prepare, taken))
        doubted.discard(ready[0])
    plan, back = ready[2], way_back(session)
    try:
        write_execution(session, plan, values, frontend.EXECUTE_AND_SYNC)
    except DataError:  # as is decided where the server can be asked
        return (yield from _execute(session, ready[0], tuple(values), prepare, taken))
    session.expect_execution()
    unsent = yield ASK
    done = None if unsent else session.take_single(plan.rows)
    if done is None:
        try:
            done = yield from take_piecemeal(session, plan, unsent)
        except DatabaseError as exc:
            if not (yield from may_execute_again(session, ready[0], plan, back, exc)):
                raise
            return (yield from _execute(session, ready[0], tuple(values), prepare, taken))
    return done[0], plan.fields, done[1]


def _execute_doubted(
    session: Session,
    found: statements.Query,
    plan: StatementPlan,
    values: tuple[Any, ...],
    prepare: bool | None,
    registry: Registry,
) -> Operation[Outcome | list[Result]]:
    """`execute_query` of a prepared statement that the server may refuse."""
    text = found.sql
    if not statements.only_reads(text):
        session.prepared.set_aside(text)
        return (yield from _execute_asking(session, found, not len(values), values, prepare, registry))
    try:
        write_behind_savepoint(session, plan, values)
    except DataError:  # as is decided where the server can be asked
        return (yield from _execute(session, text, values, prepare, registry))
    try:
        return (yield from answer_behind_savepoint(session, text, plan))
    except DatabaseError as exc:
        if not (yield from may_execute_again(session, text, plan, take_back, exc)):
            raise
    return (yield from _execute(session, text, values, prepare, registry))


def _execute_asking(
    session: Session,
    found: statements.Query,
    alone: bool,
    values: Sequence[Any],
    prepare: bool | None,
    registry: Registry,
) -> Operation[Outcome | list[Result]]:
    """`execute_query` of what is not prepared; `alone` says that it came without parameters."""
    if found.copies or (alone and found.several):
        return (yield from query(session, found.sql, registry))
    if session.simple_only:
        return (yield from query(session, in_place(found, values), registry))
    planned = found.planned and not is_adapted(session, registry, found.sql, values)
    plan = described_plan(session, found.sql, prepare, registry) if planned else None
    if plan is not None:
        executed = yield from _execute_described(session, found.sql, plan, values)
        if executed is not None:
            return executed
    return (yield from _execute(session, found.sql, values, prepare, registry))


def _execute(
    session: Session, sql: str, values: Sequence[Any], prepare: bool | None, registry: Registry
) -> Operation[Outcome]:
    """What one statement gives that the server is first asked about."""
    rows = Rows()
    result = yield from execute(session, sql, values, rows, prepare, registry)
    return result.tag, result.fields, rows.rows


def _execute_described(
    session: Session, sql: str, plan: StatementPlan, values: Sequence[Any]
) -> Operation[Outcome | None]:
    """`execute_described`, with what a failure says learnt."""
    try:
        return (yield from execute_described(session, sql, plan.statement.name, plan, values))
    except DatabaseError as exc:
        yield from learn(session, plan.statement.oids, exc)
        raise


def execute_many(
    session: Session,
    sql: AnyQuery,
    params_rows: Iterable[Sequence[Any] | Mapping[str, Any]],
    returning: bool = False,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[tuple[int, Answers | list[Result]]]:
    """(rows touched in all, results) of one statement executed for each of the parameters; see `executemany`."""
    if is_template(sql):
        raise ProgrammingError("executemany() takes no template string, which has its values in it; use execute()")
    text = query_text(sql, session.registry if registry is None else registry)
    found = statements.with_parameters(text, session.standard_strings)
    if found.copies:
        raise ProgrammingError("COPY cannot be executed many times over; use cursor.copy()")
    yield from ensure_begin(session)
    if session.simple_only:
        return (yield from _execute_each(session, found, params_rows, returning, registry))
    rows: Iterable[Any] = params_rows if found.names is None else map(found.arrange, params_rows)
    return (yield from executemany(session, found.sql, rows, returning, prepare, registry, found.arrange))


def _execute_each(
    session: Session,
    found: statements.Query,
    params_rows: Iterable[Sequence[Any] | Mapping[str, Any]],
    returning: bool,
    registry: Registry | None,
) -> Operation[tuple[int, list[Result]]]:
    """`execute_many` without parameters: one query after the other."""
    touched, results = 0, []
    for params in params_rows:
        for result in (yield from query(session, in_place(found, found.arrange(params)), registry)):
            touched += max(result.row_count, 0)
            if returning:
                results.append(result)
    return touched, results


def merge_query(session: Session, sql: AnyQuery, params: Params, registry: Registry) -> str:
    """The query with its values as constants in it."""
    found, values = read_query(session, sql, params, registry)
    return merge(found, values, registry)


def execute_merged(session: Session, sql: str, registry: Registry) -> Operation[list[Result]]:
    """The results of a query that has its values in it, in one round trip: by the simple protocol."""
    yield from ensure_begin(session)
    return (yield from query(session, sql, registry))


def execute_each_merged(
    session: Session, sql: AnyQuery, params_rows: Iterable[Any], returning: bool, registry: Registry
) -> Operation[tuple[int, list[Result]]]:
    """(rows touched in all, results) of a query executed for each of the parameters, with these in its text.

    In autocommit mode it runs in a transaction of its own where none is open: all or nothing.
    """
    own = session.autocommit and session.transaction_status == "I"
    yield from begin(session) if own else ensure_begin(session)
    touched = 0
    results: list[Result] = []
    try:
        for params in params_rows:
            merged = merge_query(session, sql, params, registry)
            for result in (yield from query(session, merged, registry)):
                touched += max(result.row_count, 0)
                if not returning:
                    results.clear()
                results.append(result)
    except Exception:
        if own and session.dead is None:
            yield from command(session, "ROLLBACK")
        raise
    if own:
        yield from command(session, "COMMIT")
    return touched, results


def with_literals(session: Session, sql: AnyQuery, params: Params, registry: Registry | None = None) -> Operation[str]:
    """The query with its values in it as literals that the server has quoted: for COPY, which takes no parameters."""
    found, values = read_query(session, sql, params, registry)
    if not values:
        return found.sql
    if session.simple_only:
        return in_place(found, values)
    texts = texts_of(values)
    asked = ", ".join(f"pg_catalog.quote_nullable(${number + 1}::text)" for number in range(len(texts)))
    rows = yield from fetch(session, f"SELECT {asked}", texts, [str] * len(texts), 1)
    return found.with_literals(rows[0])
