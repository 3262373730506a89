"""The operations over a session, driven in memory: what they send, and what they make of dishonest answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, InterfaceError, OperationalError, ProgrammingError, ProtocolError
from pgfast.errors.sqlstates import DivisionByZero, InvalidPassword, InvalidSqlStatementName
from pgfast.protocol import operations
from pgfast.protocol.operations import Block, Call, Credentials, Encryption, Opening, Pull, Read, Upgrade, Write
from pgfast.protocol.session import Session

from . import messages as m


class Peer:
    """A driver in memory: each Read gets the next piece of the script, what is written is kept.

    With `room` a Write takes so many bytes and finds the next piece, as long as more than `late` pieces are left.
    """

    def __init__(self, *script: bytes, room: int | None = None, late: int = 0) -> None:
        self.script = list(script)
        self.sent = b""
        self.upgraded: list[Any] = []
        self.certificate: bytes | None = None
        self.room = room
        self.late = late

    def run(self, operation: Any, session: Session) -> Any:
        answer: Any = None
        raised: Exception | None = None
        while True:
            try:
                step = operation.send(answer) if raised is None else operation.throw(raised)
            except StopIteration as stop:
                return stop.value
            raised, answer = None, None
            if isinstance(step, Read):
                answer = self._read(step, session)
            elif isinstance(step, Write):
                answer = self._write(step.blocks, session)
            elif isinstance(step, Upgrade):
                self.upgraded.append(step.tls)
                answer = self.certificate
            elif isinstance(step, Call):
                try:
                    answer = step.function()
                except Exception as exc:
                    raised = exc
            else:
                assert isinstance(step, Pull)
                try:
                    answer = next(step.source, None)  # type: ignore[arg-type]
                except Exception as exc:
                    raised = exc

    def _read(self, step: Read, session: Session) -> Any:
        data = self.script.pop(0) if self.script else b""
        if step.raw:
            return data
        view = session.received.get_buffer()
        view[: len(data)] = data
        session.received.commit(len(data))
        return len(data)

    def _write(self, blocks: list[Block], session: Session) -> list[Block]:
        if self.room is None or len(self.script) <= self.late:
            self.sent += b"".join(blocks)
            return []
        self.sent += bytes(blocks[0][: self.room])
        rest = [blocks[0][self.room :], *blocks[1:]]
        if not rest[0]:
            del rest[0]
        if rest:
            self._read(Read(), session)
        return rest


@pytest.fixture
def session() -> Session:
    """A session at rest, in autocommit mode, with the codec of this process: plans and buffers must be of one kind."""
    return Session(autocommit=True)


PARAMETERS = {"user": "u", "database": "d"}


def connect(
    session: Session,
    *script: bytes,
    password: Any = "pw",
    tls: Any = None,
    required: bool = False,
    opening: dict[str, Any] | None = None,
    **demands: Any,
) -> Peer:
    """A log-in over this script; `opening` and `demands` are further fields of Opening and Credentials."""
    peer = Peer(*script)
    credentials = Credentials("u", password, **demands)
    encryption = Encryption(tls=tls, tls_required=required)
    wanted = Opening(PARAMETERS, credentials, encryption=encryption, **(opening or {}))
    peer.run(operations.connect(session, wanted), session)
    return peer


# ---------------------------------------------------------------- startup


def test_a_trusted_user_is_let_in(session: Session) -> None:
    peer = connect(session, m.WELCOME)
    assert peer.sent.endswith(b"user\0u\0database\0d\0\0")
    assert session.parameters["server_version"] == "18.4"
    assert (session.backend_pid, session.secret_key) == (77, b"\1\2\3\4")
    assert session.at_rest


def test_a_cleartext_password_is_sent_when_asked_for(session: Session) -> None:
    peer = connect(session, m.authentication(3), m.WELCOME)
    assert peer.sent.endswith(m.message(b"p", b"pw\0"))


def test_an_md5_password_is_sent_when_asked_for(session: Session) -> None:
    peer = connect(session, m.authentication(5, b"\1\2\3\4"), m.WELCOME)
    inner = hashlib.md5(b"pw" + b"u").hexdigest()
    assert peer.sent.endswith(
        m.message(b"p", b"md5" + hashlib.md5(inner.encode() + b"\1\2\3\4").hexdigest().encode() + b"\0")
    )


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ([m.authentication(5, b"\1\2\3")], ProtocolError, "salt of 3 bytes"),
        ([m.authentication(2)], OperationalError, "Kerberos V5"),
        ([m.authentication(6)], OperationalError, "SCM credentials"),
        ([m.authentication(7)], OperationalError, "GSSAPI"),
        ([m.authentication(8, b"token")], ProtocolError, "GSSAPI exchange that was not begun"),
        ([m.authentication(9)], OperationalError, "SSPI"),
        ([m.authentication(99)], OperationalError, "method 99"),
        ([m.authentication(10, b"SCRAM-SHA-1\0\0")], OperationalError, "SCRAM-SHA-1"),
        ([m.authentication(11, b"r=x")], ProtocolError, "not begun"),
        ([m.authentication(12, b"v=x")], ProtocolError, "not begun"),
        ([m.authentication(10, b"SCRAM-SHA-256\0\0"), m.WELCOME], OperationalError, "without proving"),
        ([m.error("FATAL", "28P01", "password authentication failed")], InvalidPassword, "authentication failed"),
        ([m.message(b"E", b"Mtoo many\0\0")], OperationalError, "too many"),
        ([b"Ecould not fork new process\n\0"], OperationalError, "refused the connection: could not fork new process"),
        ([b"E", b"cou", b"ld not", b" fork", b"\n"], OperationalError, "refused the connection: could not fork"),
        ([b"Ex\0"], OperationalError, "refused the connection: x"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], OperationalError, "'.TTP/...'"),
        ([m.authentication(0), m.message(b"Z", b"?")], ProtocolError, "transaction status"),
        ([m.ready()], ProtocolError, "in the state STARTUP"),
        ([m.authentication(0), b""], OperationalError, "closed the connection unexpectedly"),
    ],
)
def test_a_login_that_cannot_go_on_ends_at_once(
    session: Session, script: list[bytes], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        connect(session, *script)
    assert words in str(caught.value)
    assert session.dead is not None
    assert "pw" not in str(caught.value)


def test_a_missing_password_is_named_before_anything_is_sent(session: Session) -> None:
    with pytest.raises(OperationalError, match="asks for a password and none is given"):
        connect(session, m.authentication(3), password=None)


def test_an_encoding_that_is_not_utf8_is_set(session: Session) -> None:
    latin = m.authentication(0) + m.parameter_status("client_encoding", "LATIN1") + m.backend_key_data() + m.ready()
    peer = connect(session, latin, m.parameter_status("client_encoding", "UTF8") + m.complete("SET") + m.ready())
    assert peer.sent.endswith(m.message(b"Q", b"SET client_encoding TO 'UTF8'\0"))


def test_tls_is_put_on_before_the_startup_packet(session: Session) -> None:
    peer = connect(session, b"S", m.WELCOME, tls="settings", required=True)
    assert peer.upgraded == ["settings"]
    assert peer.sent.startswith(bytes.fromhex("0000000804d2162f"))


def test_a_server_without_tls_is_used_where_tls_is_only_preferred(session: Session) -> None:
    peer = connect(session, b"N", m.WELCOME, tls="settings")
    assert peer.upgraded == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"N", "does not offer TLS"),
        (b"S" + m.error("FATAL", "28000", "injected"), "unencrypted bytes"),
        (b"SS", "unencrypted bytes"),
        (m.error("FATAL", "XX000", "injected"), "its log tells which"),
        (b"X", "is this a PostgreSQL server?"),
        (b"", "closed the connection"),
    ],
)
def test_any_other_answer_to_the_request_for_tls_ends_the_attempt(session: Session, answer: bytes, words: str) -> None:
    with pytest.raises(OperationalError) as caught:
        connect(session, answer, m.WELCOME, tls="settings", required=True)
    assert words in str(caught.value)
    assert "injected" not in str(caught.value)


# ---------------------------------------------------------------- queries


def fetch(session: Session, *script: bytes, params: Any = (), sql: str = "select $1") -> tuple[Any, bytes]:
    peer = Peer(*script)
    rows = peer.run(operations.fetch(session, sql, params), session)
    return rows, peer.sent


DESCRIBED = m.PARSE_COMPLETE + m.parameter_description(const.OID_INT4) + m.row_description(("a", const.OID_INT4))
ONE = m.BIND_COMPLETE + m.data_row(b"\0\0\0\1") + m.complete("SELECT 1") + m.ready()


def test_a_statement_is_described_then_executed(session: Session) -> None:
    rows, sent = fetch(session, DESCRIBED, ONE, params=[7])
    assert rows == [(1,)]
    first = m.message(b"P", b"\0select $1\0\0\0") + m.message(b"D", b"S\0") + m.message(b"H")
    assert sent.startswith(first)
    assert sent[len(first) : len(first) + 1] == b"B"
    assert sent.endswith(m.message(b"E", b"\0\0\0\0\0") + m.message(b"S"))


def test_a_prepared_statement_is_executed_in_one_write(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    rows, sent = fetch(session, ONE, params=[8])
    assert rows == [(1,)]
    assert sent[:1] == b"B"
    assert re.search(rb"_pgfast_[0-9a-f]{12}_1\0", sent)


def test_a_refused_value_leaves_the_session_at_rest(session: Session) -> None:
    with pytest.raises(DataError, match=r"^parameter \$1 \(integer\): 'x'"):
        fetch(session, DESCRIBED, m.ready(), params=["x"])
    assert session.at_rest


def test_a_wrong_number_of_values_leaves_the_session_at_rest(session: Session) -> None:
    with pytest.raises(ProgrammingError, match="has 1 parameters, 2 values were given"):
        fetch(session, DESCRIBED, m.ready(), params=[1, 2])
    assert session.at_rest


def test_an_error_while_describing_is_raised_after_a_sync(session: Session) -> None:
    peer = Peer(m.error(), m.ready())
    with pytest.raises(DivisionByZero):
        peer.run(operations.fetch(session, "select 1/0"), session)
    assert peer.sent.endswith(m.message(b"S"))
    assert session.at_rest


def test_a_value_that_cannot_be_read_is_raised_after_the_result_was_read(session: Session) -> None:
    described = m.PARSE_COMPLETE + m.parameter_description() + m.row_description(("d", const.OID_DATE))
    infinity = m.data_row(b"\x7f\xff\xff\xff")
    with pytest.raises(DataError, match="infinite"):
        fetch(session, described, m.BIND_COMPLETE + infinity, infinity, infinity + m.complete("SELECT 3") + m.ready())
    assert session.at_rest
    assert session.dead is None


def test_a_row_that_cannot_be_ends_the_session(session: Session) -> None:
    with pytest.raises(ProtocolError):
        fetch(session, DESCRIBED, m.BIND_COMPLETE + m.data_row(b"\0\0\0\1", b""), params=[1])
    assert session.dead is not None


def test_rows_of_a_statement_that_gives_none_end_the_session(session: Session) -> None:
    described = m.PARSE_COMPLETE + m.parameter_description() + m.NO_DATA
    with pytest.raises(ProtocolError, match="described as giving no rows"):
        fetch(session, described, ONE)
    assert session.dead is not None


def test_a_stale_statement_is_prepared_anew(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    stale = m.error(sqlstate="0A000", text="cached plan must not change result type", R="RevalidateCachedQuery")
    rows, sent = fetch(session, stale + m.ready(), m.CLOSE_COMPLETE + DESCRIBED, ONE, params=[7])
    assert rows == [(1,)]
    assert re.search(rb"C\0\0\0.S_pgfast_[0-9a-f]{12}_1\0P\0\0\0._pgfast_[0-9a-f]{12}_2\0", sent, re.DOTALL)


def test_a_stale_statement_inside_a_transaction_is_an_error_once(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    session.transaction_status = "T"
    stale = m.error(sqlstate="26000", text="prepared statement does not exist")
    with pytest.raises(InvalidSqlStatementName):
        fetch(session, stale + m.ready(b"E"), params=[7])
    assert session.prepared.find("select $1") is None


def test_another_error_of_a_prepared_statement_keeps_it(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    with pytest.raises(DivisionByZero):
        fetch(session, m.BIND_COMPLETE + m.error() + m.ready(), params=[7])
    assert session.prepared.find("select $1") is not None


def test_a_copy_that_was_not_asked_for_is_refused_and_undone(session: Session) -> None:
    peer = Peer(m.copy_in_response(0), m.error(sqlstate="57014", text="COPY from stdin failed") + m.ready())
    with pytest.raises(ProgrammingError, match=r"use cursor\.copy\(\)"):
        peer.run(operations.query(session, "select 1; copy t from stdin"), session)
    assert b"f" in peer.sent
    assert session.at_rest
    peer = Peer(m.copy_out_response(0) + m.copy_data(b"x"), m.COPY_DONE + m.complete("COPY 1") + m.ready())
    with pytest.raises(ProgrammingError, match=r"use cursor\.copy\(\)"):
        peer.run(operations.query(session, "copy t to stdout"), session)
    assert session.at_rest


def test_rows_in_a_pipeline_are_read_while_parameters_are_written(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    answers = m.BIND_COMPLETE + m.data_row(b"\0\0\0\1") + m.complete("INSERT 0 1")
    count = 20_000
    pieces = [answers] * count
    peer = Peer(
        m.complete("BEGIN") + m.ready(b"T"), *pieces, m.ready(b"T"), m.complete("COMMIT") + m.ready(), room=80, late=2
    )
    rows = ([number] for number in range(count))
    total, results = peer.run(operations.executemany(session, "select $1", rows, returning=True), session)
    assert total == count
    assert isinstance(results, operations.Answers)
    assert results.tags == ["INSERT 0 1"] * count
    assert results.rows == [(1,)] * count
    assert results.ends == list(range(1, count + 1))
    assert session.at_rest


def test_a_pipeline_stops_at_the_first_error(session: Session) -> None:
    session.prepared.threshold = 0
    fetch(session, DESCRIBED, ONE, params=[7])
    taken = 0

    def rows() -> Iterator[list[int]]:
        nonlocal taken
        for taken in range(1_000_000):
            yield [taken]

    session.transaction_status = "T"
    peer = Peer(m.BIND_COMPLETE + m.error(), m.ready(b"E"), room=60_000, late=1)
    with pytest.raises(DivisionByZero):
        peer.run(operations.executemany(session, "select $1", rows()), session)
    assert taken < 50_000
    assert session.at_rest


# ---------------------------------------------------------------- COPY


def copy_blocks(*rows: bytes) -> Iterator[memoryview]:
    for row in rows:
        yield memoryview(m.copy_data(row))


def test_copy_in_sends_the_blocks_and_tells_the_rows(session: Session) -> None:
    peer = Peer(m.copy_in_response(0), m.complete("COPY 2") + m.ready())
    assert peer.run(operations.copy_in(session, "copy t from stdin", copy_blocks(b"1\n", b"2\n")), session) == 2
    assert peer.sent.endswith(m.copy_data(b"1\n") + m.copy_data(b"2\n") + m.message(b"c"))


def test_copy_in_ends_with_the_exception_of_its_source(session: Session) -> None:
    def source() -> Iterator[memoryview]:
        yield from copy_blocks(b"1\n")
        raise ZeroDivisionError("mine")

    peer = Peer(m.copy_in_response(0), m.error(sqlstate="57014", text="COPY from stdin failed") + m.ready())
    with pytest.raises(ZeroDivisionError, match="mine"):
        peer.run(operations.copy_in(session, "copy t from stdin", source()), session)
    assert b"ZeroDivisionError in the client's source of data" in peer.sent
    assert session.at_rest


def test_copy_in_stops_pulling_when_the_server_has_failed(session: Session) -> None:
    pulled: list[int] = []

    def source() -> Iterator[memoryview]:
        for number in range(1000):
            pulled.append(number)
            yield memoryview(m.copy_data(b"x" * 100))

    peer = Peer(m.copy_in_response(0), m.error(sqlstate="22P02", text="bad"), m.ready(), room=64, late=1)
    with pytest.raises(DataError, match="bad"):
        peer.run(operations.copy_in(session, "copy t from stdin", source()), session)
    assert len(pulled) == 1
    assert peer.sent.endswith(b"x" * 100)  # a message that was begun is sent to its end
    assert session.at_rest


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (m.complete("INSERT 0 1") + m.ready(), "the server answered INSERT 0 1"),
        (m.row_description(("a", 23)) + m.data_row(b"1") + m.complete("SELECT 1") + m.ready(), "it gives rows"),
        (
            m.copy_out_response(0) + m.copy_data(b"1\n") + m.COPY_DONE + m.complete("COPY 1") + m.ready(),
            "it copies to STDOUT",
        ),
    ],
)
def test_copy_in_refuses_another_statement(session: Session, script: bytes, words: str) -> None:
    with pytest.raises(ProgrammingError, match="not a COPY FROM STDIN") as caught:
        Peer(script).run(operations.copy_in(session, "whatever", iter(())), session)
    assert words in str(caught.value)
    assert session.at_rest


# ---------------------------------------------------------------- coming to rest


@pytest.mark.parametrize(
    ("sql", "before", "after"),
    [
        ("select 1", m.row_description(("a", 23)) + m.data_row(b"1"), m.data_row(b"2") + m.error(sqlstate="57014")),
        ("copy t from stdin", m.notice(), m.copy_in_response(0)),
        ("copy t from stdin", m.copy_in_response(0), m.error(sqlstate="57014")),
        (
            "copy t to stdout",
            m.copy_out_response(0) + m.copy_data(b"1\n"),
            m.copy_data(b"2\n") + m.error(sqlstate="57014"),
        ),
    ],
)
def test_an_interrupted_session_comes_to_rest(session: Session, sql: str, before: bytes, after: bytes) -> None:
    operation = operations.query(session, sql) if sql.startswith("select") else operations.copy_begin(session, sql)
    peer = Peer()
    assert isinstance(next(operation), Write)
    operation.send([])
    peer.script = [before]
    peer._read(Read(), session)
    operation.close()  # as a driver does that was interrupted
    ending = m.ready() if after.startswith(b"D") or b"57014" in after else m.error(sqlstate="57014") + m.ready()
    Peer(after, ending).run(operations.recover(session, [], was_idle=True), session)
    assert session.at_rest


def test_coming_to_rest_sends_what_was_begun(session: Session) -> None:
    begun = m.copy_data(b"x" * 100)
    peer = Peer(m.ready())
    session.write_sync()
    peer.run(operations.settle(session, [memoryview(begun)[40:]]), session)
    assert peer.sent == begun[40:] + m.message(b"S")


def test_a_transaction_begun_by_what_was_interrupted_is_rolled_back_in_autocommit_mode(session: Session) -> None:
    session.transaction_status = "E"
    peer = Peer(m.complete("ROLLBACK") + m.ready())
    peer.run(operations.recover(session, [], was_idle=True), session)
    assert peer.sent == m.message(b"Q", b"ROLLBACK\0")
    session.transaction_status = "E"
    assert Peer().run(operations.recover(session, [], was_idle=False), session) is None
    assert session.transaction_status == "E"


def test_a_message_nobody_asked_for_ends_the_waiting_for_notifications(session: Session) -> None:
    with pytest.raises(ProtocolError):
        Peer(m.ready()).run(operations.await_notification(session, lambda: False), session)
    assert session.dead is not None


def test_the_wait_for_notifications_ends_with_the_servers_last_words(session: Session) -> None:
    with pytest.raises(OperationalError, match="shutting down"):
        Peer(m.error("FATAL", "57P01", "shutting down")).run(
            operations.await_notification(session, lambda: False), session
        )


def test_a_session_that_ended_takes_no_new_request(session: Session) -> None:
    session.die(InterfaceError("over"))
    with pytest.raises(InterfaceError, match="the connection is closed: over"):
        session.check_usable()
