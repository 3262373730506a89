"""The session's state tables: which messages are let through, in which state, and how the stream may be cut."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import Diagnostic, OperationalError, ProtocolError
from pgfast.errors.sqlstates import AdminShutdown, DivisionByZero, UniqueViolation
from pgfast.protocol import backend
from pgfast.protocol.session import TRANSITIONS, Run, Session, State

from . import messages as m


def new_session(codec: ModuleType, *expected: State) -> Session:
    received = codec.ReadBuffer(4096)
    session = Session(received, codec.WriteBuffer(), replies=codec.Replies(received))
    session.expect(*expected)
    return session


def feed(session: Session, data: bytes) -> None:
    while data:
        view = session.received.get_buffer()
        size = min(len(view), len(data))
        view[:size] = data[:size]
        session.received.commit(size)
        data = data[size:]


def seen(session: Session) -> list[Any]:
    """Events as values that compare: runs become their tag and their bytes."""
    found: list[Any] = []
    while (event := session.next_event()) is not None:
        if isinstance(event, Run):
            data = bytes(event.block[event.start : event.stop])
            if found and isinstance(found[-1], tuple) and found[-1][0] == event.tag:
                found[-1] = (event.tag, found[-1][1] + event.count, found[-1][2] + data)
            else:
                found.append((event.tag, event.count, data))
        else:
            found.append(event)
    return found


def acknowledged(tag: bytes) -> backend.Acknowledgement:
    return backend.Acknowledgement(tag[0])


ROWS = m.data_row(b"1", None) + m.data_row(b"2", b"x" * 300)
COPIED = m.copy_data(b"1\n") + m.copy_data(b"2" * 500)
FIELDS = backend.RowDescription((backend.Field("a", 0, 0, 23, -1, -1, 0), backend.Field("b", 0, 0, 25, -1, -1, 0)))

#: name: (states expected, bytes from the server, events). Each ends with everything answered.
EXCHANGES: dict[str, tuple[tuple[State, ...], bytes, list[Any]]] = {
    "startup": (
        (State.STARTUP,),
        m.authentication(10, b"SCRAM-SHA-256\0\0")
        + m.authentication(11, b"r=")
        + m.authentication(12, b"v=")
        + m.WELCOME,
        [
            backend.Authentication(10, b"SCRAM-SHA-256\0\0"),
            backend.Authentication(11, b"r="),
            backend.Authentication(12, b"v="),
            backend.Authentication(0, b""),
            backend.BackendKeyData(77, b"\1\2\3\4"),
            backend.ReadyForQuery("I"),
        ],
    ),
    "query of many statements": (
        (State.QUERY,),
        m.row_description(("a", 23), ("b", 25))
        + ROWS
        + m.complete("SELECT 2")
        + m.complete("BEGIN")
        + m.EMPTY_QUERY
        + m.ready(b"T"),
        [
            FIELDS,
            (const.DATA_ROW, 2, ROWS),
            backend.CommandComplete("SELECT 2"),
            backend.CommandComplete("BEGIN"),
            acknowledged(b"I"),
            backend.ReadyForQuery("T"),
        ],
    ),
    "query that fails in its rows": (
        (State.QUERY,),
        m.row_description(("a", 23), ("b", 25)) + ROWS + m.error() + m.ready(),
        [
            FIELDS,
            (const.DATA_ROW, 2, ROWS),
            backend.ErrorResponse(Diagnostic("ERROR", "ERROR", "22012", "division by zero")),
            backend.ReadyForQuery("I"),
        ],
    ),
    "copy in": (
        (State.QUERY,),
        m.copy_in_response(0, 0) + m.complete("COPY 3") + m.ready(),
        [
            backend.CopyResponse(const.COPY_IN_RESPONSE, 0, (0, 0)),
            backend.CommandComplete("COPY 3"),
            backend.ReadyForQuery("I"),
        ],
    ),
    "copy out": (
        (State.QUERY,),
        m.copy_out_response(0) + COPIED + m.COPY_DONE + m.complete("COPY 2") + m.ready(),
        [
            backend.CopyResponse(const.COPY_OUT_RESPONSE, 0, (0,)),
            (const.COPY_DATA, 2, COPIED),
            acknowledged(b"c"),
            backend.CommandComplete("COPY 2"),
            backend.ReadyForQuery("I"),
        ],
    ),
    "extended query": (
        (State.PARSE, State.DESCRIBE, State.BIND, State.EXECUTE, State.CLOSE, State.SYNC),
        m.PARSE_COMPLETE
        + m.parameter_description(23)
        + m.row_description(("a", 23), ("b", 25))
        + m.BIND_COMPLETE
        + ROWS
        + m.complete("SELECT 2")
        + m.CLOSE_COMPLETE
        + m.ready(),
        [
            acknowledged(b"1"),
            backend.ParameterDescription((23,)),
            FIELDS,
            acknowledged(b"2"),
            (const.DATA_ROW, 2, ROWS),
            backend.CommandComplete("SELECT 2"),
            acknowledged(b"3"),
            backend.ReadyForQuery("I"),
        ],
    ),
    "describe and close of a portal": (
        (State.DESCRIBE_ROWS, State.CLOSE, State.SYNC),
        m.row_description(("a", 23), ("b", 25)) + m.CLOSE_COMPLETE + m.ready(b"T"),
        [FIELDS, acknowledged(m.CLOSE_COMPLETE), backend.ReadyForQuery("T")],
    ),
    "extended query of nothing": (
        (State.DESCRIBE, State.BIND, State.EXECUTE, State.SYNC),
        m.parameter_description() + m.NO_DATA + m.BIND_COMPLETE + m.EMPTY_QUERY + m.ready(),
        [
            backend.ParameterDescription(()),
            acknowledged(b"n"),
            acknowledged(b"2"),
            acknowledged(b"I"),
            backend.ReadyForQuery("I"),
        ],
    ),
    "pipeline that fails goes on after the Sync": (
        (State.BIND, State.EXECUTE, State.BIND, State.EXECUTE, State.SYNC, State.BIND, State.EXECUTE, State.SYNC),
        m.BIND_COMPLETE + m.error() + m.ready() + m.BIND_COMPLETE + m.complete("INSERT 0 1") + m.ready(),
        [
            acknowledged(b"2"),
            backend.ErrorResponse(Diagnostic("ERROR", "ERROR", "22012", "division by zero")),
            backend.ReadyForQuery("I"),
            acknowledged(b"2"),
            backend.CommandComplete("INSERT 0 1"),
            backend.ReadyForQuery("I"),
        ],
    ),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_in_one_piece(name: str, codec: ModuleType) -> None:
    states, data, events = EXCHANGES[name]
    session = new_session(codec, *states)
    feed(session, data)
    assert seen(session) == events
    assert session.at_rest
    assert session.dead is None


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_byte_by_byte(name: str, codec: ModuleType) -> None:
    states, data, events = EXCHANGES[name]
    session = new_session(codec, *states)
    found: list[Any] = []
    for at in range(len(data)):
        feed(session, data[at : at + 1])
        for event in seen(session):
            if found and isinstance(event, tuple) and isinstance(found[-1], tuple):
                found[-1] = (event[0], found[-1][1] + event[1], found[-1][2] + event[2])
            else:
                found.append(event)
    assert found == events
    assert session.at_rest


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_with_the_beginning_of_the_next_message(name: str, codec: ModuleType) -> None:
    states, data, events = EXCHANGES[name]
    session = new_session(codec, *states)
    late = m.notification(5, "c", "p")
    feed(session, data + late[:-1])
    assert seen(session) == events
    assert session.received.pending == len(late) - 1
    heard: list[backend.Notification] = []
    session.on_notification = heard.append
    feed(session, late[-1:])
    assert seen(session) == []
    assert heard == [backend.Notification("c", "p", 5)]


@pytest.mark.parametrize("name", EXCHANGES)
def test_what_comes_unasked_may_come_between_any_two_messages(name: str, codec: ModuleType) -> None:
    states, data, events = EXCHANGES[name]
    unasked = m.notice("note") + m.parameter_status("TimeZone", "Mars") + m.notification(1, "c", "")
    mixed, at = unasked, 0
    while at < len(data):
        length = 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        mixed += data[at : at + length] + unasked
        at += length
    session = new_session(codec, *states)
    notices: list[Diagnostic] = []
    notifications: list[backend.Notification] = []
    session.on_notice, session.on_notification = notices.append, notifications.append
    feed(session, mixed)
    assert seen(session) == events
    assert len(notices) == len(notifications) == mixed.count(unasked)
    assert notices[0].message_primary == "note"
    assert session.parameters["TimeZone"] == "Mars"


MESSAGES = {
    const.AUTHENTICATION: m.authentication(0),
    const.BACKEND_KEY_DATA: m.backend_key_data(),
    const.BIND_COMPLETE: m.BIND_COMPLETE,
    const.CLOSE_COMPLETE: m.CLOSE_COMPLETE,
    const.COMMAND_COMPLETE: m.complete("SELECT 1"),
    const.COPY_BOTH_RESPONSE: m.message(b"W", b"\0\0\0"),
    const.COPY_DATA: m.copy_data(b"x"),
    const.COPY_DONE: m.COPY_DONE,
    const.COPY_IN_RESPONSE: m.copy_in_response(),
    const.COPY_OUT_RESPONSE: m.copy_out_response(),
    const.DATA_ROW: m.data_row(b"x"),
    const.EMPTY_QUERY_RESPONSE: m.EMPTY_QUERY,
    const.FUNCTION_CALL_RESPONSE: m.message(b"V", b"\xff\xff\xff\xff"),
    const.NEGOTIATE_PROTOCOL_VERSION: m.message(b"v", bytes(8)),
    const.NO_DATA: m.NO_DATA,
    const.PARAMETER_DESCRIPTION: m.parameter_description(),
    const.PARSE_COMPLETE: m.PARSE_COMPLETE,
    const.PORTAL_SUSPENDED: m.message(b"s"),
    const.READY_FOR_QUERY: m.ready(),
    const.ROW_DESCRIPTION: m.row_description(),
    ord("@"): m.message(b"@"),
}

#: How a session comes into each state: what it expects first, and what it is then fed.
REACHED: dict[State, tuple[tuple[State, ...], bytes]] = {
    State.IDLE: ((), b""),
    State.STARTUP: ((State.STARTUP,), b""),
    State.STARTING: ((State.STARTUP,), m.authentication(0)),
    State.QUERY: ((State.QUERY,), b""),
    State.QUERY_NEXT: ((State.QUERY,), m.complete("BEGIN")),
    State.QUERY_ROWS: ((State.QUERY,), m.row_description(("a", 25))),
    State.COPY_IN: ((State.QUERY,), m.copy_in_response()),
    State.COPY_OUT: ((State.QUERY,), m.copy_out_response()),
    State.COPY_OUT_DONE: ((State.QUERY,), m.copy_out_response() + m.COPY_DONE),
    State.PARSE: ((State.PARSE,), b""),
    State.BIND: ((State.BIND,), b""),
    State.DESCRIBE: ((State.DESCRIBE,), b""),
    State.DESCRIBE_ROWS: ((State.DESCRIBE,), m.parameter_description()),
    State.EXECUTE: ((State.EXECUTE,), b""),
    State.EXECUTE_SOME: ((State.EXECUTE_SOME,), b""),
    State.CLOSE: ((State.CLOSE,), b""),
    State.SYNC: ((State.SYNC,), b""),
    State.FUNCTION: ((State.FUNCTION,), b""),
    State.FUNCTION_DONE: ((State.FUNCTION,), m.message(b"V", b"\xff\xff\xff\xff")),
    State.COPY_BOTH: ((State.QUERY,), m.message(b"W", b"\0\0\0")),
    State.COPY_BOTH_DONE: ((State.QUERY,), m.message(b"W", b"\0\0\0") + m.COPY_DONE),
}
RUN_TAGS = {
    State.QUERY_ROWS: const.DATA_ROW,
    State.EXECUTE: const.DATA_ROW,
    State.EXECUTE_SOME: const.DATA_ROW,
    State.COPY_OUT: const.COPY_DATA,
    State.COPY_BOTH: const.COPY_DATA,
    State.COPY_BOTH_DONE: const.COPY_DATA,
}


def test_every_state_is_reached_by_a_test() -> None:
    assert set(REACHED) == set(TRANSITIONS) == set(State) - {State.DONE}


@pytest.mark.parametrize("state", list(REACHED), ids=lambda state: state.name)
def test_a_message_that_has_no_business_in_a_state_ends_the_session(state: State, codec: ModuleType) -> None:
    for tag, frame in MESSAGES.items():
        allowed = tag in TRANSITIONS[state] or RUN_TAGS.get(state) == tag
        session = new_session(codec, *REACHED[state][0])
        feed(session, REACHED[state][1])
        seen(session)
        assert session.state is state
        feed(session, frame)
        if allowed:
            assert len(seen(session)) == 1
            assert session.dead is None
            continue
        with pytest.raises(ProtocolError, match=rf"came in the state {state.name}"):
            session.next_event()
        assert session.dead is not None
        assert session.next_event() is None


def test_an_error_while_nothing_was_asked_ends_the_session(codec: ModuleType) -> None:
    session = new_session(codec)
    feed(session, m.error())
    with pytest.raises(ProtocolError, match="while nothing was asked: division by zero"):
        session.next_event()


def test_a_fatal_error_while_idle_is_an_event_and_the_end(codec: ModuleType) -> None:
    session = new_session(codec)
    feed(session, m.error("FATAL", "57P01", "terminating connection due to administrator command"))
    (event,) = seen(session)
    assert isinstance(event, backend.ErrorResponse)
    assert session.dead == "terminating connection due to administrator command"


def test_an_error_before_a_sync_was_written_makes_later_requests_unanswered(codec: ModuleType) -> None:
    session = new_session(codec, State.PARSE, State.DESCRIBE)
    feed(session, m.error())
    assert len(seen(session)) == 1
    assert session.answered
    assert session.unsynced
    assert not session.at_rest
    session.expect(State.BIND, State.EXECUTE)  # the server reads over them
    assert session.answered
    session.write_sync()
    feed(session, m.ready(b"E"))
    assert seen(session) == [backend.ReadyForQuery("E")]
    assert session.at_rest
    assert session.transaction_status == "E"


def test_the_error_has_the_class_of_its_sqlstate_and_every_field(codec: ModuleType) -> None:
    session = new_session(codec, State.QUERY)
    feed(
        session, m.error(sqlstate="23505", text="duplicate", D="Key (a)=(1) already exists.", H="no", n="t_pkey", t="t")
    )
    (event,) = seen(session)
    error = session.error(event)
    assert type(error) is UniqueViolation
    assert error.sqlstate == "23505"
    assert error.diag.constraint_name == "t_pkey"
    assert error.diag.table_name == "t"
    assert str(error) == "duplicate\nDETAIL:  Key (a)=(1) already exists.\nHINT:  no"
    assert type(session.error(backend.ErrorResponse(Diagnostic(sqlstate="22012")))) is DivisionByZero


@pytest.mark.parametrize("length", [-1, 0, 3, 0x7FFFFFFF])
def test_a_length_that_cannot_be_ends_the_session(length: int, codec: ModuleType) -> None:
    session = new_session(codec, State.QUERY)
    feed(session, b"C" + (length & 0xFFFFFFFF).to_bytes(4, "big"))
    with pytest.raises(ProtocolError):
        session.next_event()
    assert session.dead is not None


def test_a_lost_connection_is_told_in_the_servers_own_last_words(codec: ModuleType) -> None:
    session = new_session(codec, State.QUERY)
    feed(session, m.notice() + m.error("FATAL", "57P01", "terminating connection") + b"C")
    error = session.lost(ConnectionResetError("reset"))
    assert type(error) is AdminShutdown
    assert session.dead == "terminating connection"


def test_a_lost_connection_without_last_words_is_an_operational_error(codec: ModuleType) -> None:
    session = new_session(codec, State.QUERY)
    feed(session, m.row_description(("a", 23)) + m.data_row(b"1") + m.data_row(b"2")[:-1])
    error = session.lost(ConnectionResetError("reset by peer"))
    assert type(error) is OperationalError
    assert str(error) == "the server closed the connection unexpectedly: reset by peer"
    assert session.next_event() is None


def test_discarding_everything_forgets_the_prepared_statements(codec: ModuleType) -> None:
    for tag in ("DISCARD ALL", "DEALLOCATE ALL"):
        session = new_session(codec, State.QUERY)
        session.prepared.keep("select 1", backend_statement())
        feed(session, m.complete(tag) + m.ready())
        seen(session)
        assert len(session.prepared) == 0
        assert session.prepared.take_dropped() == []


def backend_statement() -> Any:
    from pgfast.protocol.prepared import Prepared

    return Prepared(b"s", (), None)


@pytest.mark.parametrize(
    ("pid", "shared"), [(1, False), (1 << 22, False), ((1 << 22) + 1, True), (-5, True), (0, True)]
)
def test_a_number_that_no_process_has_tells_of_a_pooler(codec: ModuleType, pid: int, shared: bool) -> None:
    session = new_session(codec, State.STARTUP)
    feed(session, m.authentication(0) + m.backend_key_data(pid) + m.ready())
    seen(session)
    assert (session.shared, session.backend_pid) == (shared, pid)
