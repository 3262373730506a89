"""One execution of one statement: Parse and Describe where it is not prepared, Bind and Execute.

How it works. A statement is parsed and described first, ended by Flush and not by Sync, so that the server does not
commit in between and a pooler does not change servers; then Bind and Execute with Sync follow in one write. A statement
that is prepared already needs that one write only. Rows that go to a consumer are read run by run from events; those
that become tuples by `Executions`, which asks the codec for whole answers.

Source: PostgreSQL docs, "Message Flow: Extended Query".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias

from ... import const
from ...codec import Plan, decode_rows, encode_binds
from ...errors import DatabaseError, DataError, NotSupportedError, ProgrammingError, ProtocolError, faults, reason
from ...types.classes import cast_to_write
from ...types.registry import PLAIN, Rules, UnknownInRecord
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field, ParameterDescription, RowDescription
from ..plans import StatementPlan, plan_of
from ..prepared import Prepared
from ..session import Done, Event, Run, Session, State
from ..statements import with_parameters
from .literals import in_place
from .refusals import goes_back, is_out_of_date, is_stale, unless_stale, way_back
from .simple import Answers, Outcome, Result, Results, run_query
from .steps import Block, Operation, Reply, Write, answer, exchange, settle
from .transactions import rollback_to

#: A class, or several.
Classes: TypeAlias = "type | tuple[type, ...]"

#: The name of the savepoint before a first Parse, and of the statement that releases it.
SAVEPOINT: Final = "_pgfast_parse"


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


def _refuse_portion(event: Event) -> None:
    """Raise ProtocolError where the server gives a portion of the rows only, although all were asked for."""
    if isinstance(event, Acknowledgement) and event.tag == const.PORTAL_SUSPENDED:
        raise ProtocolError("PortalSuspended came for an Execute without a limit")


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
            case _:
                _refuse_portion(event)

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


def prepare_statement(session: Session, sql: str, name: bytes, asking: bool = False) -> Operation[Prepared]:
    """The statement, parsed under this name and described. No Sync has been sent yet.

    Where the caller is `asking`, a refusal is Undecided, which says that nothing has been executed. In a transaction a
    savepoint is set before and released behind the statement then, in the same write, to go back to.
    """
    guarded = asking and session.transaction_status == "T"
    for dropped in session.prepared.take_dropped():
        frontend.close_statement(session.out, dropped)
        session.expect(State.CLOSE)
    if guarded:
        _write_command(session, b"", f"SAVEPOINT {SAVEPOINT}")
    frontend.parse(session.out, name, sql, getattr(sql, "type_oids", ()))
    frontend.describe_statement(session.out, name)
    session.expect(State.PARSE, State.DESCRIBE)
    if guarded:  # by a name, as the unnamed statement may be the one that was described
        _write_command(session, SAVEPOINT.encode("ascii"), f"RELEASE SAVEPOINT {SAVEPOINT}")
        frontend.close_statement(session.out, SAVEPOINT.encode("ascii"))
        session.expect(State.CLOSE)
    frontend.flush(session.out)
    description = _Description()
    try:
        yield from exchange(session, description)
    except DatabaseError as exc:
        if asking and session.dead is None:
            raise Undecided(exc, guarded) from exc
        raise
    statement = Prepared(name, description.type_oids, description.fields)
    if name:
        session.prepared.keep(sql, statement)
    else:
        session.prepared.keep_description(sql, statement)
    return statement


class Undecided(Exception):
    """The server has refused to parse a statement; nothing has been executed."""

    def __init__(self, refusal: DatabaseError, guarded: bool) -> None:
        super().__init__()
        self.refusal = refusal
        self._guarded = guarded

    def take_back(self, session: Session) -> Operation[None]:
        """Go back to before the statement where it has spoilt a transaction."""
        if self._guarded:
            yield from rollback_to(session, SAVEPOINT)


def _write_command(session: Session, name: bytes, sql: str) -> None:
    """Parse, Bind and Execute of a command that takes no parameters and gives no rows."""
    frontend.parse(session.out, name, sql)
    frontend.bind(session.out, name)
    session.out.put_messages(frontend.EXECUTE_ALL)
    session.expect(State.PARSE)
    session.expect_executions(1)


def find_statement(session: Session, sql: str, prepare: bool | None, asking: bool = False) -> Operation[Prepared]:
    """The statement, parsed and described where it is not prepared; see `prepare_statement` for `asking`."""
    if session.simple_only:
        raise NotSupportedError(
            "protocol 2.0 has neither prepared statements nor pipelines nor binary results; connect by protocol 3.0"
            if not session.walsender
            else "a replication connection takes simple queries alone; use an ordinary one for everything else"
        )
    found = session.prepared.find(sql)
    if found is not None and session.doubts(sql):
        session.prepared.set_aside(sql)
        found = None
    if found is None:
        name = session.prepared.name_for(sql, prepare)
        # A pooler parses it anew on other servers: it is prepared when the types of its parameters can be told.
        found = yield from prepare_statement(session, sql, b"" if session.shared else name, asking)
    elif session.shared:
        found = yield from _described_anew(session, sql, found)
    return found


def _described_anew(session: Session, sql: str, known: Prepared) -> Operation[Prepared]:
    """A prepared statement as the server describes it that is to execute it. No Sync has been sent yet."""
    frontend.describe_statement(session.out, known.name)
    frontend.flush(session.out)
    session.expect(State.DESCRIBE)
    description = _Description()
    yield from exchange(session, description)
    if (description.type_oids, description.fields) == (known.type_oids, known.fields):
        return known
    made = Prepared(known.name, description.type_oids, description.fields)
    session.prepared.keep(sql, made)
    return made


#: No limit to what is written at once.
NO_LIMIT: Final = 2**62


def write_execution(
    session: Session, plan: StatementPlan, params: Sequence[Any], after: bytes = frontend.EXECUTE_ALL
) -> None:
    """Bind and Execute, or what else comes `after` the Bind, into `session.out`; nothing at all where a value is
    refused. Nothing is expected yet."""
    values = params if type(params) is tuple else tuple(params)
    parameters, head = plan.parameters, plan.head
    if parameters is None:
        parameters, head = plan.for_values(values)
    try:
        encode_binds(session.out, parameters, head, plan.tail, after, iter((values,)), NO_LIMIT)
    except DataError as exc:
        raise refused(exc, plan, values) from exc.__cause__


def refused(exc: DataError, plan: StatementPlan, params: Sequence[Any], where: str = "") -> DatabaseError:
    """The codec's error for a row of parameters, in the words of parameters: which one, its type, what to write.

    `where` begins the text.
    """
    info = exc.fault
    if info is None:
        return exc
    oids, rules = plan.statement.type_oids, plan.rules
    if info.code == faults.FAULT_ROW_WIDTH:
        return ProgrammingError(f"{where}the statement has {len(oids)} parameters, {len(params)} values were given")
    if info.column < 0:
        return exc
    number, name = info.column + 1, rules.type_name(oids[info.column])
    hint = ""
    wrong_type = info.code == faults.FAULT_VALUE_TYPE or isinstance(exc.__cause__, TypeError)
    if wrong_type and name not in ("text", "unknown"):
        hint = cast_to_write(params[info.column], number, name)
    made = DataError(f"{where}parameter ${number} ({name}): {reason(info.code, info.at, info.value)}{hint}")
    made.fault, made.parameter_types = info, oids
    return made


def execute_statement(
    session: Session,
    statement: Prepared,
    rules: Rules,
    params: Sequence[Any],
    consumer: Consumer,
    texts: tuple[int, ...] = (),
) -> Operation[Execution]:
    """Bind and execute a statement whose types are known, its rows going to the consumer; `texts` go as text.

    Where a record brings types that are not, they are in the Execution's `unknown`.
    """
    try:
        plan = plan_of(statement, rules).with_texts(texts)
        if statement.fields is not None:
            formats = consumer.formats(statement.fields, rules)
            plan = replace(plan, tail=frontend.bind_tail(formats), fields=statement.formatted(formats))
        write_execution(session, plan, params)
    except Exception:
        yield from settle(session)  # Parse and Describe may stand there without a Sync
        raise
    session.expect_executions(1)
    session.write_sync()
    execution = Execution(consumer, plan.fields, rules)
    yield from exchange(session, execution)
    return execution


# ---------------------------------------------------------------- whole answers


class Executions(Reply):
    """The answers to executions by one plan, in order."""

    def __init__(self, plan: StatementPlan) -> None:
        super().__init__()
        self.plan = plan
        self.answers = Answers()

    def consume(self, session: Session) -> None:
        while True:
            if self.failure is None:
                self.receive(session)
            event = session.next_event()
            if event is None:
                return
            self.judge(session, event)

    def receive(self, session: Session) -> None:
        """Take the whole answers that have come."""
        try:
            while (found := session.take_executions(self.plan.rows, NO_LIMIT))[0]:
                self.keep(*found)
        except Exception as exc:  # kept, and raised when the exchange has ended
            self.failure = exc

    def keep(self, tags: list[str], rows: list[tuple[Any, ...]], ends: list[int]) -> None:
        """Use whole answers, given away, as `Answers` has them."""
        self.answers.add(tags, rows, ends)

    def take(self, event: Event) -> None:
        if isinstance(event, Run):
            raise ProtocolError("DataRow came for a statement that was described as giving no rows")
        _refuse_portion(event)


def take_piecemeal(session: Session, plan: StatementPlan, unsent: list[Block]) -> Operation[Done]:
    """What an execution gave whose answer does not come in one piece, or not in order. Raises what it has failed with.

    `unsent` is what has not been sent yet of it.
    """
    reply = Executions(plan)
    while unsent and session.dead is None:
        reply.consume(session)
        unsent = yield Write(unsent)
    yield from exchange(session, reply)
    return reply.answers.tags[0], reply.answers.rows


class _Confirmed(Executions):
    """The answers to Parse, Describe, Bind and Execute, sent on the strength of a description that may be out of date.

    `parsed` says whether the server has parsed it, `begun` whether it has come as far as to execute it, `outdated`
    whether its columns are others now.
    """

    def __init__(self, plan: StatementPlan, parsed: bool = False) -> None:
        super().__init__(plan)
        self.parsed = parsed
        self.begun = self.outdated = False

    def receive(self, session: Session) -> None:
        super().receive(session)
        self.begun = self.begun or bool(self.answers.tags) or session.executing

    def take(self, event: Event) -> None:
        match event:
            case RowDescription(fields):
                if fields != self.plan.statement.fields:
                    self.outdated = True
                    self._read_as(fields)
            case Acknowledgement(const.NO_DATA):
                self.outdated = self.plan.fields is not None
                self.plan = replace(self.plan, fields=None, rows=None)
            case Acknowledgement(const.PARSE_COMPLETE):
                self.parsed = True
            case Acknowledgement() | ParameterDescription():
                pass
            case _:
                super().take(event)

    def _read_as(self, fields: tuple[Field, ...]) -> None:
        """Go on with other columns than were expected, which come in the formats that were asked for."""
        asked = self.plan.fields or ()
        formats = {field.format for field in asked} or {const.TEXT}
        if len(asked) != len(fields) and len(formats) != 1:
            return  # the server refuses the Bind
        codes = [field.format for field in asked] if len(asked) == len(fields) else [*formats] * len(fields)
        rules = self.plan.rules
        oids = [field.type_oid for field in fields]
        if rules.unknown(oids) or rules.open_records(oids):
            raise DataError(
                "the columns of the statement are of other types now than when it was last executed; it has been "
                "executed, but its rows could not be read: execute it again"
            )
        described = tuple([replace(field, format=code) for field, code in zip(fields, codes, strict=True)])
        self.plan = replace(self.plan, fields=described, rows=rules.row_plan(described))


def execute_described(
    session: Session, sql: str, name: bytes, plan: StatementPlan, params: Sequence[Any], keep: bool = True
) -> Operation[Outcome | None]:
    """What a statement gives that was described before, parsed under this name and executed in one write.

    The types of the parameters are told to the server, so that values written for them are read as nothing else. None
    where the description was out of date, or may be because a value does not fit: nothing has been executed then, and
    the server must be asked again. The statement or its description is remembered unless `keep` is false. A statement
    that is prepared is only described anew. Raises as `execute`, with the session at rest.
    """
    statement, back = plan.statement, way_back(session)
    prepared = bool(name) and session.prepared.find(sql) is statement
    dropped = session.prepared.take_dropped()
    for closed in dropped:
        frontend.close_statement(session.out, closed)
    if not prepared:
        frontend.parse(session.out, name, sql, statement.type_oids)
    frontend.describe_statement(session.out, name)
    try:
        write_execution(session, plan, params, frontend.EXECUTE_AND_SYNC)
    except BaseException as exc:
        session.out.take()
        session.prepared.put_back(dropped)
        if isinstance(exc, DataError):
            session.prepared.forget_descriptions(sql)
            return None
        raise
    session.expect(*[State.CLOSE] * len(dropped), *[] if prepared else [State.PARSE], State.DESCRIBE)
    session.expect_executions(1, synced=True)
    reply = _Confirmed(plan, parsed=prepared)
    session.prepared.forget_descriptions(sql)
    yield from answer(session, reply)
    failure, refused_now = reply.failure, False
    if isinstance(failure, DatabaseError) and failure.diag.message_primary and not reply.begun:
        refused_now = is_out_of_date(failure)
        if name and is_stale(session, failure):
            session.prepared.drop_stale(sql)
            refused_now = True
    stale = reply.outdated or refused_now
    if prepared:
        if stale:
            session.prepared.drop(sql)
    elif not stale and reply.parsed and name:
        session.prepared.keep(sql, statement)
    elif not stale and not name and keep:
        session.prepared.keep_description(sql, statement)
    elif reply.parsed and name:
        session.prepared.discard(name)
    if failure is not None:
        if refused_now and isinstance(failure, DatabaseError) and (yield from goes_back(session, back, failure)):
            return None
        raise failure
    return reply.answers.tags[0], reply.plan.fields, reply.answers.rows


def fetch(
    session: Session, sql: str, params: Sequence[Any] = (), classes: Sequence[Classes] = (), count: int | None = None
) -> Operation[list[tuple[Any, ...]]]:
    """All rows of one statement of the driver's own with `$1` parameters, whatever is registered for their types.

    `classes` are those that the values of each row must have, `count` is how many rows there must be. Raises
    ProtocolError for another answer, the session is then dead; where there are classes, for another number of
    parameters too, and for rows that cannot be read.
    """

    def run() -> Operation[list[tuple[Any, ...]]]:
        rows = Rows()
        statement = yield from find_statement(session, sql, None)
        if classes and len(statement.type_oids) != len(params):
            raise ProtocolError(f"the server describes {len(statement.type_oids)} parameters where {len(params)} stand")
        yield from execute_statement(session, statement, PLAIN.rules, params, rows)
        return rows.rows

    try:
        if session.simple_only:
            found = Results(PLAIN.rules)
            yield from run_query(session, in_place(with_parameters(sql, session.standard_strings), params), found)
            rows = found.results[0].rows if found.results else []
        else:
            rows = yield from unless_stale(session, sql, run)
        return checked(rows, classes, count)
    except ProtocolError as exc:
        session.die(exc)
        raise
    except DataError as exc:
        if not classes or exc.fault is None or exc.fault.code >= faults.FAULT_VALUE_TYPE:
            raise  # the last for a value of the program's
        raise session.die(ProtocolError(f"a question of the driver itself was answered with nonsense: {exc}")) from exc


def checked(rows: list[tuple[Any, ...]], classes: Sequence[Classes], count: int | None = None) -> list[tuple[Any, ...]]:
    """The rows of a question that the driver has asked, which any server might answer otherwise than PostgreSQL.

    Raises ProtocolError where they are not `count`, or their values are not of these classes.
    """
    fits = count is None or len(rows) == count
    if classes:
        width = len(classes)
        fits = fits and all(len(row) == width and all(map(isinstance, row, classes)) for row in rows)
    if not fits:
        raise ProtocolError("the server gave another answer than one to a question that the driver itself has asked")
    return rows
