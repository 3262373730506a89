"""The extended protocol: one statement with parameters, its results in binary wherever the codec knows the type.

How it works. A statement is parsed and described first, ended by Flush and not by Sync, so that the server does not
commit in between and a pooler does not change servers; then Bind and Execute with Sync follow in one write. A statement
that is prepared already needs that one write only.

Source: PostgreSQL docs, "Message Flow: Extended Query" and "Pipelining".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from ... import const
from ...codec import Plan, decode_rows, encode_bind
from ...errors import DatabaseError, DataError, ProgrammingError, ProtocolError, reason
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field, ParameterDescription, RowDescription
from ..prepared import Prepared
from ..session import Event, Run, Session, State
from .simple import Result, command
from .steps import Operation, Reply, answer, exchange, send, settle

#: SQLSTATEs that say that a prepared statement is of no use any more: it is gone, or its result type has changed.
_INVALID_STATEMENT: Final = "26000"
_FEATURE_NOT_SUPPORTED: Final = "0A000"
#: Where the server raises 0A000 for a changed result type; its text is translated, this is not (server: plancache.c).
_REVALIDATE: Final = "RevalidateCachedQuery"


class Consumer(Protocol):
    """What takes the rows of a statement.

    `formats` says in which format each column is to come (int16 big-endian codes), `begin` is told the columns with
    those formats before the first row, `run` gets runs of DataRow that die when it returns. None is called for a
    statement that gives no rows. What they raise ends the operation, after the session came to rest.
    """

    def formats(self, fields: Sequence[Field]) -> bytes: ...
    def begin(self, fields: Sequence[Field]) -> None: ...
    def run(self, block: bytearray, start: int, stop: int, count: int) -> None: ...


class Rows:
    """A consumer that keeps the rows as tuples."""

    def __init__(self, session: Session) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._registry = session.registry
        self._plan: Plan | None = None

    def formats(self, fields: Sequence[Field]) -> bytes:
        """Binary wherever the codec knows the type."""
        return self._registry.result_formats([field.type_oid for field in fields])

    def begin(self, fields: Sequence[Field]) -> None:
        """Plan how to decode these columns."""
        self._plan = self._registry.row_plan(fields)

    def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        """Decode a run."""
        assert self._plan is not None, "begin comes before run"
        self.rows += decode_rows(self._plan, block, start, stop, count)


class _Description(Reply):
    """The parameters and columns of a statement."""

    def __init__(self) -> None:
        super().__init__()
        self.type_oids: tuple[int, ...] = ()
        self.fields: tuple[Field, ...] | None = None

    def take(self, event: Event) -> None:
        match event:
            case ParameterDescription(type_oids):
                self.type_oids = type_oids
            case RowDescription(fields):
                self.fields = fields


class _Execution(Reply):
    """The result of one Bind and Execute, its rows handed to the consumer."""

    def __init__(self, consumer: Consumer, fields: tuple[Field, ...] | None) -> None:
        super().__init__()
        self.result = Result(fields=fields)
        self._consumer = consumer

    def take(self, event: Event) -> None:
        match event:
            case Run(_, block, start, stop, count):
                if self.result.fields is None:
                    raise ProtocolError("DataRow came for a statement that was described as giving no rows")
                self._consumer.run(block, start, stop, count)
            case Acknowledgement(const.BIND_COMPLETE):
                if self.result.fields is not None:
                    self._consumer.begin(self.result.fields)
            case CommandComplete(tag):
                self.result.tag, self.result.row_count = tag, event.rows


def _prepare(session: Session, sql: str, name: bytes) -> Operation[Prepared]:
    """The statement, parsed under this name and described. No Sync has been sent yet."""
    for dropped in session.prepared.take_dropped():
        frontend.close_statement(session.out, dropped)
        session.expect(State.CLOSE)
    frontend.parse(session.out, name, sql)
    frontend.describe_statement(session.out, name)
    frontend.flush(session.out)
    session.expect(State.PARSE, State.DESCRIBE)
    description = _Description()
    yield from exchange(session, description)
    statement = Prepared(name, description.type_oids, description.fields)
    if name:
        session.prepared.keep(sql, statement)
    return statement


def _statement(session: Session, sql: str, prepare: bool | None) -> Operation[Prepared]:
    found = session.prepared.find(sql)
    if found is None:
        found = yield from _prepare(session, sql, session.prepared.name_for(sql, prepare))
    return found


def _write_execution(
    session: Session, statement: Prepared, plan: Plan, params: Sequence[Any], formats: bytes, where: str = ""
) -> None:
    """Bind and Execute into `session.out`, or nothing at all where a value is refused;

    `where` begins the error's text.
    """
    if len(params) != plan.width:
        raise ProgrammingError(f"{where}the statement has {plan.width} parameters, {len(params)} values were given")
    try:
        encode_bind(session.out, plan, b"", statement.name, params, formats)
    except DataError as exc:
        info = exc.fault
        if info is None or info.column < 0:
            raise
        # The codec counts rows and columns; here they are parameters.
        refused = DataError(f"{where}parameter ${info.column + 1}: {reason(info.code, info.at, info.value)}")
        refused.fault = info
        raise refused from exc.__cause__
    frontend.execute(session.out)
    session.expect(State.BIND, State.EXECUTE)


def _is_stale(exc: DatabaseError) -> bool:
    """Whether the server says that the prepared statement itself is of no use any more."""
    if exc.sqlstate == _FEATURE_NOT_SUPPORTED:
        return exc.diag.source_function == _REVALIDATE
    return exc.sqlstate == _INVALID_STATEMENT


def execute(
    session: Session, sql: str, params: Sequence[Any], consumer: Consumer, prepare: bool | None = None
) -> Operation[Result]:
    """Execute one statement with `$1` parameters; its rows go to the consumer and not into the Result.

    A prepared statement that the server has dropped, or whose columns have changed, is prepared anew once, where no
    transaction has been spoilt by it. Raises the server's error, DataError for a value that does not fit,
    ProgrammingError for a wrong number of values.
    """
    cached = session.prepared.find(sql)
    idle = session.transaction_status == "I"
    try:
        return (yield from _execute(session, sql, params, consumer, prepare))
    except DatabaseError as exc:
        if cached is None or not _is_stale(exc):
            raise
        session.prepared.drop(sql)
        if not idle:
            raise
    return (yield from _execute(session, sql, params, consumer, prepare))


def _execute(
    session: Session, sql: str, params: Sequence[Any], consumer: Consumer, prepare: bool | None
) -> Operation[Result]:
    statement = yield from _statement(session, sql, prepare)
    try:
        fields, formats = statement.fields, b""
        if fields is not None:
            formats = consumer.formats(fields)
            fields = statement.formatted(formats)
        _write_execution(session, statement, session.registry.encode_plan(statement.type_oids), params, formats)
    except Exception:
        yield from settle(session)  # Parse and Describe may stand there without a Sync
        raise
    session.write_sync()
    execution = _Execution(consumer, fields)
    yield from exchange(session, execution)
    return execution.result


def fetch(session: Session, sql: str, params: Sequence[Any] = ()) -> Operation[list[tuple[Any, ...]]]:
    """All rows of one statement with `$1` parameters."""
    rows = Rows(session)
    yield from execute(session, sql, params, rows)
    return rows.rows


# ---------------------------------------------------------------- many executions of one statement


class _Executions(Reply):
    """The results of many executions of one statement, in order."""

    def __init__(self, session: Session, fields: tuple[Field, ...] | None, keep_rows: bool) -> None:
        super().__init__()
        self.results: list[Result] = []
        self.row_count = 0
        self.executed = 0
        self._fields = fields
        self._keep_rows = keep_rows
        self._plan = None if fields is None else session.registry.row_plan(fields)
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
) -> Operation[tuple[int, list[Result]]]:
    """(rows touched in all, results): one statement executed for each row of parameters, pipelined.

    With `returning` there is a Result with its rows for every execution, else only that of the last, without rows. In
    autocommit mode it runs in a transaction of its own where none is open: all or nothing. Parameters and results may
    be of any size: what the server sends is read while parameters are written.
    """
    own = session.autocommit and session.transaction_status == "I"
    if own:
        yield from command(session, "BEGIN")
    try:
        replies = yield from _pipeline(session, sql, iter(params_rows), returning, prepare)
    except Exception:
        if own and session.dead is None:
            yield from command(session, "ROLLBACK")
        raise
    if own:
        yield from command(session, "COMMIT")
    return replies.row_count, replies.results


def _pipeline(
    session: Session, sql: str, params_rows: Iterable[Sequence[Any]], returning: bool, prepare: bool | None
) -> Operation[_Executions]:
    first = session.prepared.find(sql) is not None
    try:
        return (yield from _run_pipeline(session, sql, params_rows, returning, prepare))
    except DatabaseError as exc:
        if first and _is_stale(exc):
            session.prepared.drop(sql)
        raise


def _run_pipeline(
    session: Session, sql: str, params_rows: Iterable[Sequence[Any]], returning: bool, prepare: bool | None
) -> Operation[_Executions]:
    statement = yield from _statement(session, sql, prepare)
    formats = b""
    if statement.fields is not None:
        formats = session.registry.result_formats([field.type_oid for field in statement.fields])
    fields = None if statement.fields is None else statement.formatted(formats)
    plan = session.registry.encode_plan(statement.type_oids)
    replies = _Executions(session, fields, returning)
    try:
        for number, params in enumerate(params_rows):
            _write_execution(session, statement, plan, params, formats, f"row {number + 1}, ")
            if session.out.size_bytes >= const.COPY_BLOCK_SIZE:
                yield from send(session, replies, listen=True)
                if replies.failure is not None:
                    break
    except Exception:
        yield from settle(session)
        raise
    if session.unsynced:
        session.write_sync()
    yield from answer(session, replies)
    if replies.failure is not None:
        raise replies.failure
    return replies
