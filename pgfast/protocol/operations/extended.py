"""The extended protocol as the connections use it: a statement executed once, or many times in a pipeline.

Source: PostgreSQL docs, "Message Flow: Extended Query" and "Pipelining".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ... import const
from ...codec import decode_rows
from ...errors import DatabaseError, ProtocolError
from ...types.registry import Registry, Rules
from ..backend import Acknowledgement, CommandComplete, Field
from ..session import Event, Run, Session
from .binding import Consumer, execute_statement, is_stale, unless_stale, write_execution
from .simple import Result, command
from .steps import Operation, Reply, answer, send, settle
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


# ---------------------------------------------------------------- many executions of one statement


class _Executions(Reply):
    """The results of many executions of one statement, in order."""

    def __init__(self, rules: Rules, fields: tuple[Field, ...] | None, keep_rows: bool) -> None:
        super().__init__()
        self.results: list[Result] = []
        self.row_count = 0
        self.executed = 0
        self._fields = fields
        self._keep_rows = keep_rows
        self._plan = None if fields is None else rules.row_plan(fields)
        self._rows: list[tuple[Any, ...]] = []

    def take(self, event: Event) -> None:
        match event:
            case Acknowledgement():
                pass
            case Run(_, block, start, stop, count):
                if self._plan is None:
                    raise ProtocolError("DataRow came for a statement that was described as giving no rows")
                if self._keep_rows:
                    self._rows += decode_rows(self._plan, block, start, stop, count)
            case CommandComplete(tag):
                self.executed += 1
                self.row_count += max(event.rows, 0)
                if self._keep_rows:
                    self.results.append(Result(tag, event.rows, self._fields, self._rows))
                    self._rows = []
                else:
                    self.results[:] = [Result(tag, self.row_count)]


def executemany(
    session: Session,
    sql: str,
    params_rows: Iterable[Sequence[Any]],
    returning: bool = False,
    prepare: bool | None = None,
    registry: Registry | None = None,
) -> Operation[tuple[int, list[Result]]]:
    """(rows touched in all, results): one statement executed for each row of parameters, pipelined.

    With `returning` there is a Result with its rows for every execution, else only that of the last, without rows. In
    autocommit mode it runs in a transaction of its own where none is open: all or nothing. Parameters and results may
    be of any size: what the server sends is read while parameters are written.
    """
    taken = session.registry if registry is None else registry
    own = session.autocommit and session.transaction_status == "I"
    if own:
        yield from command(session, "BEGIN")
    try:
        replies = yield from _pipeline(session, sql, iter(params_rows), returning, prepare, taken)
    except Exception:
        if own and session.dead is None:
            yield from command(session, "ROLLBACK")
        raise
    if own:
        yield from command(session, "COMMIT")
    return replies.row_count, replies.results


def _pipeline(
    session: Session,
    sql: str,
    params_rows: Iterable[Sequence[Any]],
    returning: bool,
    prepare: bool | None,
    registry: Registry,
) -> Operation[_Executions]:
    first = session.prepared.find(sql) is not None
    try:
        return (yield from _run_pipeline(session, sql, params_rows, returning, prepare, registry))
    except DatabaseError as exc:
        if first and is_stale(exc):
            session.prepared.drop(sql)
        raise


def _run_pipeline(
    session: Session,
    sql: str,
    params_rows: Iterable[Sequence[Any]],
    returning: bool,
    prepare: bool | None,
    registry: Registry,
) -> Operation[_Executions]:
    statement, rules = yield from known_statement(session, sql, prepare, registry)
    formats = b""
    if statement.fields is not None:
        formats = rules.result_formats([field.type_oid for field in statement.fields])
    fields = None if statement.fields is None else statement.formatted(formats)
    replies = _Executions(rules, fields, returning)
    try:
        for number, params in enumerate(params_rows):
            write_execution(session, statement, rules, params, formats, f"row {number + 1}, ")
            if session.out.size_bytes >= const.COPY_BLOCK_SIZE:
                yield from send(session, replies, listen=True)
                if replies.failure is not None:
                    break
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
