"""One execution of one statement: Parse and Describe where it is not prepared, Bind and Execute.

How it works. A statement is parsed and described first, ended by Flush and not by Sync, so that the server does not
commit in between and a pooler does not change servers; then Bind and Execute with Sync follow in one write. A statement
that is prepared already needs that one write only.

Source: PostgreSQL docs, "Message Flow: Extended Query".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from ... import const
from ...codec import Plan, decode_rows, encode_bind
from ...errors import DatabaseError, DataError, ProgrammingError, ProtocolError, faults, reason
from ...types.coerce import cast_to_write
from ...types.registry import PLAIN, Rules, UnknownInRecord
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field, ParameterDescription, RowDescription
from ..prepared import Prepared
from ..session import Event, Run, Session, State
from .simple import Result
from .steps import Operation, Reply, exchange, settle

T = TypeVar("T")

#: SQLSTATEs that say that a prepared statement is of no use any more: it is gone, or its result type has changed.
_INVALID_STATEMENT: Final = "26000"
_FEATURE_NOT_SUPPORTED: Final = "0A000"
#: Where the server raises 0A000 for a changed result type; its text is translated, this is not (server: plancache.c).
_REVALIDATE: Final = "RevalidateCachedQuery"


class Consumer(Protocol):
    """What takes the rows of a statement.

    `formats` says in which format each column is to come (int16 big-endian codes), `begin` is told the columns with
    those formats before the first row, `run` gets runs of DataRow that die when it returns. All of them go by the rules
    of this execution. None is called for a statement that gives no rows. What they raise ends the operation, after the
    session came to rest.
    """

    def formats(self, fields: Sequence[Field], rules: Rules) -> bytes: ...
    def begin(self, fields: Sequence[Field], rules: Rules) -> None: ...
    def run(self, block: bytearray, start: int, stop: int, count: int) -> None: ...


class Rows:
    """A consumer that keeps the rows as tuples."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._plan: Plan | None = None

    def formats(self, fields: Sequence[Field], rules: Rules) -> bytes:
        """Binary wherever the codec knows the type."""
        return rules.result_formats([field.type_oid for field in fields])

    def begin(self, fields: Sequence[Field], rules: Rules) -> None:
        """Plan how to decode these columns."""
        self._plan = rules.row_plan(fields)

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


class Execution(Reply):
    """The result of one Bind and Execute, its rows handed to the consumer.

    Only a record itself says of which types its fields are. From a run with one that is not known on, copies of the
    runs wait here until the session is at rest and the types can be looked up: `unknown` are these, `go_on` follows.
    """

    def __init__(self, consumer: Consumer, fields: tuple[Field, ...] | None, rules: Rules) -> None:
        super().__init__()
        self.result = Result(fields=fields)
        self.unknown: UnknownInRecord | None = None
        self._waiting: list[tuple[bytearray, int]] = []
        self._consumer = consumer
        self._rules = rules

    def take(self, event: Event) -> None:
        match event:
            case Run(_, block, start, stop, count):
                if self.result.fields is None:
                    raise ProtocolError("DataRow came for a statement that was described as giving no rows")
                self._run(block, start, stop, count)
            case Acknowledgement(const.BIND_COMPLETE):
                if self.result.fields is not None:
                    self._consumer.begin(self.result.fields, self._rules)
            case CommandComplete(tag):
                self.result.tag, self.result.row_count = tag, event.rows

    def _run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        if self.unknown is None:
            try:
                self._consumer.run(block, start, stop, count)
                return
            except DataError as exc:
                if not isinstance(exc.__cause__, UnknownInRecord):
                    raise
                self.unknown = exc.__cause__
        self._waiting.append((block[start:stop], count))

    def go_on(self, rules: Rules) -> None:
        """Hand the runs that waited to the consumer, which begins anew with these rules; some may wait again."""
        waiting, self._waiting, self.unknown = self._waiting, [], None
        self._consumer.begin(self.result.fields or (), rules)
        for block, count in waiting:
            self._run(block, 0, len(block), count)


def prepare_statement(session: Session, sql: str, name: bytes) -> Operation[Prepared]:
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


def find_statement(session: Session, sql: str, prepare: bool | None) -> Operation[Prepared]:
    found = session.prepared.find(sql)
    if found is None:
        found = yield from prepare_statement(session, sql, session.prepared.name_for(sql, prepare))
    return found


def write_execution(
    session: Session,
    statement: Prepared,
    rules: Rules,
    params: Sequence[Any],
    formats: bytes,
    where: str = "",
) -> None:
    """Bind and Execute into `session.out`, or nothing at all where a value is refused;

    `where` begins the error's text.
    """
    oids = statement.type_oids
    if len(params) != len(oids):
        raise ProgrammingError(f"{where}the statement has {len(oids)} parameters, {len(params)} values were given")
    plan = rules.encode_plan(oids, rules.texts(oids, params))
    try:
        encode_bind(session.out, plan, b"", statement.name, params, formats)
    except DataError as exc:
        raise _refused(exc, oids, rules, params, where) from exc.__cause__
    frontend.execute(session.out)
    session.expect(State.BIND, State.EXECUTE)


def _refused(exc: DataError, oids: Sequence[int], rules: Rules, params: Sequence[Any], where: str) -> DataError:
    """The codec's error for a value, in the words of parameters: which one, its type, and what to write."""
    info = exc.fault
    if info is None or info.column < 0:
        return exc
    number, name = info.column + 1, rules.type_name(oids[info.column])
    hint = ""
    wrong_type = info.code == faults.FAULT_VALUE_TYPE or isinstance(exc.__cause__, TypeError)
    if wrong_type and name not in ("text", "unknown"):
        hint = cast_to_write(params[info.column], number, name)
    text = f"{where}parameter ${number} ({name}): {reason(info.code, info.at, info.value)}{hint}"
    refused = DataError(text)
    refused.fault = info
    return refused


def is_stale(exc: DatabaseError) -> bool:
    """Whether the server says that the prepared statement itself is of no use any more."""
    if exc.sqlstate == _FEATURE_NOT_SUPPORTED:
        return exc.diag.source_function == _REVALIDATE
    return exc.sqlstate == _INVALID_STATEMENT


def unless_stale(session: Session, sql: str, run: Callable[[], Operation[T]]) -> Operation[T]:
    """What an execution of this statement gives, once more where the server has dropped the prepared statement, or its
    columns have changed, and no transaction has been spoilt by it."""
    cached = session.prepared.find(sql)
    idle = session.transaction_status == "I"
    try:
        return (yield from run())
    except DatabaseError as exc:
        if cached is None or not is_stale(exc):
            raise
        session.prepared.drop(sql)
        if not idle:
            raise
    return (yield from run())


def execute_statement(
    session: Session, statement: Prepared, rules: Rules, params: Sequence[Any], consumer: Consumer
) -> Operation[Execution]:
    """Bind and execute a statement whose types are known.

    Where a record brings types that are not, they are in the Execution's `unknown`.
    """
    try:
        fields, formats = statement.fields, b""
        if fields is not None:
            formats = consumer.formats(fields, rules)
            fields = statement.formatted(formats)
        write_execution(session, statement, rules, params, formats)
    except Exception:
        yield from settle(session)  # Parse and Describe may stand there without a Sync
        raise
    session.write_sync()
    execution = Execution(consumer, fields, rules)
    yield from exchange(session, execution)
    return execution


def fetch(session: Session, sql: str, params: Sequence[Any] = ()) -> Operation[list[tuple[Any, ...]]]:
    """All rows of one statement of the driver's own with `$1` parameters, whatever is registered for their types."""

    def run() -> Operation[list[tuple[Any, ...]]]:
        rows = Rows()
        statement = yield from find_statement(session, sql, None)
        yield from execute_statement(session, statement, PLAIN.rules, params, rows)
        return rows.rows

    return (yield from unless_stale(session, sql, run))
