"""Queries as a user writes them: placeholders of any style, one statement or several, begun in a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ...errors import DatabaseError, ProgrammingError
from ...types.registry import Registry
from ...types.render import render_any
from .. import statements
from ..plans import StatementPlan
from ..session import Session
from .binding import Rows, execute_described, execute_planned, fetch
from .extended import described_plan, execute, executemany, may_execute_again, prepared_plan
from .simple import Result
from .steps import Operation
from .transactions import ensure_begin
from .types import learn, query

#: Values for a query's placeholders, or None for a query that has none.
Params: TypeAlias = Sequence[Any] | Mapping[str, Any] | None


def read_query(session: Session, sql: str | bytes, params: Params) -> tuple[statements.Query, Sequence[Any]]:
    """The query with `$1` placeholders, and its values in that order. Without parameters its text stays as it is."""
    text = sql if type(sql) is str else _text(sql)
    standard = session.standard_strings
    if params is None:
        return statements.plain(text, standard), ()
    found = statements.with_parameters(text, standard)
    return found, found.arrange(params)


def _text(sql: str | bytes) -> str:
    if isinstance(sql, bytes):
        try:
            return sql.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise ProgrammingError(f"the query is not valid UTF-8: byte {exc.start + 1}, {exc.reason}") from exc
    if not isinstance(sql, str):
        raise ProgrammingError(f"a query is a str, not {type(sql).__name__}")
    return sql


def execute_query(
    session: Session,
    sql: str | bytes,
    params: Params = None,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[list[Result]]:
    """A Result, with its rows, for each statement.

    One statement goes by the extended protocol. Several, which take no parameters, go by the simple one together, and
    so does COPY. `registry` is the session's where none is given.
    """
    if type(sql) is str and type(params) is tuple:  # the commonest, without another call
        found = statements.with_parameters(sql, session.standard_strings)
        values: Sequence[Any] = params
        if found.names is not None or len(params) != found.count:
            values = found.arrange(params)
    else:
        found, values = read_query(session, sql, params)
    if found.copies and values:
        raise ProgrammingError("COPY takes no parameters; use cursor.copy(), which writes them in as literals")
    if not session.autocommit:
        yield from ensure_begin(session)
    if found.copies or (params is None and found.several):
        return (yield from query(session, found.sql, registry))
    taken = session.registry if registry is None else registry
    plan = prepared_plan(session, found.sql, taken)
    if plan is None:
        plan = described_plan(session, found.sql, prepare, taken) if found.planned else None
        if plan is not None:
            executed = yield from _execute_described(session, found.sql, plan, values)
            if executed is not None:
                return [executed]
    else:
        was_idle = session.transaction_status == "I"
        try:
            planned = yield from execute_planned(session, plan, values)
            if planned is not None:
                return [planned]
        except DatabaseError as exc:
            if not (yield from may_execute_again(session, found.sql, plan, was_idle, exc)):
                raise
    rows = Rows()
    result = yield from execute(session, found.sql, values, rows, prepare, registry)
    result.rows = rows.rows
    return [result]


def _execute_described(
    session: Session, sql: str, plan: StatementPlan, values: Sequence[Any]
) -> Operation[Result | None]:
    """`execute_described`, with what a failure says learnt."""
    try:
        return (yield from execute_described(session, sql, plan.statement.name, plan, values))
    except DatabaseError as exc:
        yield from learn(session, plan.statement.oids, exc)
        raise


def execute_many(
    session: Session,
    sql: str | bytes,
    params_rows: Iterable[Sequence[Any] | Mapping[str, Any]],
    returning: bool = False,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[tuple[int, Sequence[Result]]]:
    """(rows touched in all, results) of one statement executed for each of the parameters; see `executemany`."""
    found = statements.with_parameters(_text(sql), session.standard_strings)
    if found.copies:
        raise ProgrammingError("COPY cannot be executed many times over; use cursor.copy()")
    yield from ensure_begin(session)
    rows: Iterable[Any] = params_rows if found.names is None else map(found.arrange, params_rows)
    return (yield from executemany(session, found.sql, rows, returning, prepare, registry, found.arrange))


def with_literals(session: Session, sql: str | bytes, params: Params) -> Operation[str]:
    """The query with its values in it as literals that the server has quoted: for COPY, which takes no parameters."""
    found, values = read_query(session, sql, params)
    if not values:
        return found.sql
    texts = []
    for number, value in enumerate(values):
        try:
            texts.append(None if value is None else render_any(value))
        except TypeError as exc:
            raise ProgrammingError(f"parameter ${number + 1}: {exc}") from exc
    asked = ", ".join(f"pg_catalog.quote_nullable(${number + 1}::text)" for number in range(len(texts)))
    rows = yield from fetch(session, f"SELECT {asked}", texts)
    return found.with_literals(rows[0])
