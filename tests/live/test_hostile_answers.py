"""Answers that do not belong to the question: unasked, surplus, contradictory, or nonsense. Never a wrong result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import (
    COLUMN,
    COPY_BOTH,
    DESCRIBED,
    EXECUTED,
    INT4,
    LIMIT_S,
    ONE,
    after,
    copied_in,
    copied_out,
    extended,
    simple,
    streamed,
)
from ..protocol import messages as m

TEXT = 25


def to(fake: FakeServer, **more: Any) -> dict[str, Any]:
    """Settings for the server of a script."""
    known = {"host": "127.0.0.1", "port": fake.port, "user": "u", "sslmode": "disable", "timeout": LIMIT_S}
    return {**known, "autocommit": True, **more}


def hanging_up(peer: Peer) -> None:
    """What a server does with a CancelRequest."""
    peer.first_packet()


def closed_by(face: Face, script: Callable[[Peer], None], work: Callable[[Any], Any], **settings: Any) -> Any:
    """The error that ends the work on a server of this script; it must not be of waiting, and closes the connection."""

    def served(peer: Peer) -> None:
        script(peer)
        peer.wait_for_end()

    with FakeServer(served) as fake:
        conn = face.connect(**to(fake, **settings))
        try:
            with pytest.raises(pgfast.OperationalError) as caught:
                work(conn)
            assert not isinstance(caught.value, errors.TimeoutError)
            assert conn.closed
            with pytest.raises(pgfast.InterfaceError, match="the connection is closed"):
                conn.execute("select 1", timeout=LIMIT_S)
        finally:
            conn.close()
    return caught.value


# ---------------------------------------------------------------- unasked and surplus

PREPARED_ANSWER = m.BIND_COMPLETE + m.data_row(b"\0\0\0\7") + m.complete("SELECT 1") + m.ready()
SURPLUS = {
    "an answer": PREPARED_ANSWER,
    "rows": ONE,
    "a ReadyForQuery": m.ready(),
    "a CommandComplete": m.complete("SELECT 1"),
    "a CommandComplete and a ReadyForQuery": m.complete("SELECT 1") + m.ready(),
    "a description": COLUMN,
    "an error": m.error(),
}


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
def test_what_comes_behind_an_answer_is_not_taken_for_the_next(face: Face, surplus: bytes) -> None:
    """The statement is prepared, so that the surplus could be the answer to its next execution."""

    def work(conn: Any) -> None:
        conn.prepare_threshold = 0
        assert extended(conn) == [(1,)]
        extended(conn)

    error = closed_by(face, after(b"H", DESCRIBED, b"S", EXECUTED + surplus), work)
    assert isinstance(error, errors.ProtocolError)


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
def test_what_comes_behind_the_log_in_is_not_taken_for_an_answer(face: Face, surplus: bytes) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.WELCOME + surplus)

    error = closed_by(face, server, extended)
    assert isinstance(error, errors.ProtocolError)


def test_an_answer_that_comes_while_asyncio_waits_elsewhere_is_not_taken(face: Face) -> None:
    """Whoever listens while idle is told; a synchronous connection listens in notifies() alone."""

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"H")
        peer.send(DESCRIBED)
        peer.until(b"S")
        peer.send(EXECUTED)
        peer.until(b"S")
        peer.send(EXECUTED)
        peer.send(m.notification(1, "c", "now") + PREPARED_ANSWER)

    def work(conn: Any) -> None:
        conn.prepare_threshold = 0
        assert extended(conn) == [(1,)]
        assert extended(conn) == [(1,)]
        assert [one.payload for one in conn.notifies(timeout=LIMIT_S, stop_after=1)] == ["now"]
        extended(conn)

    assert isinstance(closed_by(face, script, work), errors.ProtocolError)


@pytest.mark.parametrize(
    "work", [extended, simple, copied_in, copied_out, streamed, lambda conn: conn.load("t", [(1,)])]
)
def test_last_words_that_came_while_idle_are_told(face: Face, work: Callable[[Any], Any]) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.WELCOME + m.error("FATAL", "57P01", "terminating connection due to administrator command"))

    with pytest.raises(errors.AdminShutdown, match="administrator command"), FakeServer(server) as fake:
        work(face.connect(**to(fake)))


# ---------------------------------------------------------------- contradictions

#: name: what the server says to Parse and Describe, and to what follows them.
CONTRADICTIONS: dict[str, tuple[bytes, bytes]] = {
    "rows after the end": (DESCRIBED, m.BIND_COMPLETE + ONE + m.complete("SELECT 1") + ONE + m.ready()),
    "two ends": (DESCRIBED, m.BIND_COMPLETE + ONE + m.complete("SELECT 1") * 2 + m.ready()),
    "another description in the middle": (
        DESCRIBED,
        m.BIND_COMPLETE + ONE + COLUMN + m.complete("SELECT 1") + m.ready(),
    ),
    "a second beginning": (DESCRIBED, m.BIND_COMPLETE + ONE + m.BIND_COMPLETE + m.complete("SELECT 1") + m.ready()),
    "more columns": (
        DESCRIBED,
        m.BIND_COMPLETE + m.data_row(b"\0\0\0\1", b"\0\0\0\2") + m.complete("SELECT 1") + m.ready(),
    ),
    "fewer columns": (DESCRIBED, m.BIND_COMPLETE + m.data_row() + m.complete("SELECT 1") + m.ready()),
    "more columns in the second row": (
        DESCRIBED,
        m.BIND_COMPLETE + ONE + m.data_row(b"\0\0\0\1", b"") + m.complete("SELECT 2") + m.ready(),
    ),
    "rows of a statement without any": (m.PARSE_COMPLETE + m.parameter_description(INT4) + m.NO_DATA, EXECUTED),
    "no end": (DESCRIBED, m.BIND_COMPLETE + ONE + m.ready()),
    "no beginning": (DESCRIBED, ONE + m.complete("SELECT 1") + m.ready()),
    "an end in parts": (DESCRIBED, m.BIND_COMPLETE + ONE + m.message(b"s") + m.ready()),
    "two descriptions": (DESCRIBED + COLUMN, EXECUTED),
    "two parameter descriptions": (m.PARSE_COMPLETE + m.parameter_description(INT4) * 2 + COLUMN, EXECUTED),
    "a status that there is not": (DESCRIBED, m.BIND_COMPLETE + ONE + m.complete("SELECT 1") + m.ready(b"X")),
    "a copy": (DESCRIBED, m.BIND_COMPLETE + m.copy_out_response(0) + m.copy_data(b"1\n") + m.COPY_DONE),
    "data of no copy": (DESCRIBED, m.BIND_COMPLETE + m.copy_data(b"1\n") + m.complete("COPY 1") + m.ready()),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_an_answer_that_contradicts_itself_ends_the_connection(face: Face, name: str) -> None:
    described, executed = CONTRADICTIONS[name]
    error = closed_by(face, after(b"H", described, b"S", executed), extended)
    assert isinstance(error, errors.ProtocolError)


@pytest.mark.parametrize("name", [name for name in CONTRADICTIONS if CONTRADICTIONS[name][0] is DESCRIBED])
def test_so_it_does_where_the_statement_is_prepared_and_in_a_pipeline(face: Face, name: str) -> None:
    executed = CONTRADICTIONS[name][1]

    def again(conn: Any) -> None:
        conn.prepare_threshold = 0
        assert extended(conn) == [(1,)]
        extended(conn)

    def piped(conn: Any) -> None:
        conn.prepare_threshold = 0
        assert extended(conn) == [(1,)]
        with conn.pipeline(timeout=LIMIT_S):
            first, second = (conn.execute("select %s::int", (number,), timeout=LIMIT_S) for number in (1, 2))
            first.fetchall()
            second.fetchall()

    for work, asked in ((again, b"S"), (piped, b"H")):
        closed_by(face, after(b"H", DESCRIBED, b"S", EXECUTED, asked, executed), work)


@pytest.mark.parametrize(
    "answer",
    [
        COLUMN + m.data_row(b"1", b"2"),
        COLUMN + m.data_row(b"1") + COLUMN + m.complete("SELECT 1") + m.ready(),
        COLUMN + m.data_row(b"1") + m.ready(),
        COLUMN + m.copy_data(b"1\n") + m.complete("COPY 1") + m.ready(),
        m.data_row(b"1") + m.complete("SELECT 1") + m.ready(),
        m.complete("SELECT 1") + m.data_row(b"1") + m.ready(),
        m.ready(),
    ],
)
def test_so_it_does_in_the_simple_protocol(face: Face, answer: bytes) -> None:
    assert isinstance(closed_by(face, after(b"Q", answer), simple), errors.ProtocolError)


@pytest.mark.parametrize("oids", [(), (INT4, INT4), (INT4,) * 65535])
def test_parameters_that_the_query_does_not_have_are_not_sent(face: Face, oids: tuple[int, ...]) -> None:
    def server(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"H")
        peer.send(m.PARSE_COMPLETE + m.parameter_description(*oids) + COLUMN)
        assert peer.message()[0] == b"S"
        peer.send(m.ready())
        assert peer.message()[0] == b"X"

    with FakeServer(server) as fake:
        conn = face.connect(**to(fake))
        with pytest.raises(pgfast.ProgrammingError, match=f"has {len(oids)} parameters, 1 values were given"):
            extended(conn)
        conn.close()


@pytest.mark.parametrize("status", [b"T", b"E"])
def test_a_transaction_that_the_server_speaks_of_is_what_it_says(face: Face, status: bytes) -> None:
    """A server may lie about the status of the transaction: it is asked for nothing more than the truth would be."""

    def server(peer: Peer) -> None:
        peer.welcome()
        while (tag := peer.message()[0]) != b"X":
            assert tag == b"Q"
            peer.send(m.complete("ROLLBACK") + m.ready(status))

    with FakeServer(server) as fake:
        conn = face.connect(**to(fake))
        conn.execute("rollback; rollback", timeout=LIMIT_S)
        conn.rollback(timeout=LIMIT_S)
        with pytest.raises(errors.InFailedSqlTransaction):
            conn.commit(timeout=LIMIT_S)
        assert conn.info.transaction_status.name == {b"T": "INTRANS", b"E": "INERROR"}[status]
        conn.close()


# ---------------------------------------------------------------- COPY


@pytest.mark.parametrize(
    ("response", "data"),
    [
        (m.copy_out_response(1, overall=1), b"1\n"),
        (m.copy_out_response(1, overall=1), b"PGCOPY\n\xff\r\n\0" + bytes(7)),
        (m.copy_out_response(1, overall=1), b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2"),
        (m.copy_out_response(1, overall=1), b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\x7f\xff\xff\xff"),
        (m.copy_out_response(1, overall=1), b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff" + b"\0\1"),
    ],
)
def test_data_of_another_format_than_was_said_ends_the_connection(face: Face, response: bytes, data: bytes) -> None:
    def work(conn: Any) -> Any:
        copy = conn.cursor().copy("copy t to stdout", timeout=LIMIT_S)
        copy.set_types(["int4"])
        with copy as begun:
            return list(begun.rows())

    script = after(b"Q", response + m.copy_data(data) + m.COPY_DONE + m.complete("COPY 1") + m.ready())
    closed_by(face, script, work)


@pytest.mark.parametrize("response", [m.copy_out_response(0), COPY_BOTH, COLUMN + m.complete("SELECT 0")])
def test_a_copy_in_another_direction_is_refused(face: Face, response: bytes) -> None:
    def server(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send(response + m.COPY_DONE * (response[:1] in b"HW") + m.complete("COPY 0") + m.ready())
        peer.wait_for_end()

    with FakeServer(server, hanging_up) as fake:
        conn = face.connect(**to(fake))
        try:
            with pytest.raises(pgfast.DatabaseError):
                copied_in(conn)
        finally:
            conn.close()


# ---------------------------------------------------------------- answers to the driver's own questions


def answering(description: bytes, *rows: bytes, parameters: int = 1) -> Callable[[Peer], None]:
    """A server that answers every statement alike, and a Query with nothing."""
    known = m.PARSE_COMPLETE + m.parameter_description(*(TEXT,) * parameters) + description
    answer = m.BIND_COMPLETE + b"".join(rows) + m.complete("SELECT 1") + m.ready()

    def script(peer: Peer) -> None:
        peer.welcome()
        while True:
            tag = peer.message()[0]
            if tag == b"H":
                peer.send(known)
            elif tag == b"S":
                peer.send(answer)
            elif tag == b"Q":
                peer.send(m.complete("BEGIN") + m.ready())

    return script


TEXT_COLUMN = m.row_description(("x", TEXT))
NONSENSE: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "nothing": (m.NO_DATA, ()),
    "no rows": (TEXT_COLUMN, ()),
    "no columns": (m.row_description(), (m.data_row(),)),
    "a text": (TEXT_COLUMN, (m.data_row(b"x"),)),
    "no value": (TEXT_COLUMN, (m.data_row(None),)),
    "bytes that are no text": (TEXT_COLUMN, (m.data_row(b"\xff"),)),
    "two columns": (m.row_description(("x", TEXT), ("y", TEXT)), (m.data_row(b"x", b"y"),)),
    "three rows": (TEXT_COLUMN, (m.data_row(b"x"),) * 3),
    "a number": (m.row_description(("x", INT4)), (m.data_row(b"\0\0\0\1"),)),
}
QUESTIONS: dict[str, tuple[int, frozenset[str], Callable[[Any], Any]]] = {
    "the columns of a table": (
        1,
        frozenset({"nothing", "no rows"}),
        lambda conn: conn.load("t", [(1,)], timeout=LIMIT_S),
    ),
    "types by name": (1, frozenset(), lambda conn: conn.types.load("mood")),
    "types by OID": (1, frozenset(), lambda conn: conn.types.load(777_777)),
    "literals": (
        1,
        frozenset({"a text", "no value"}),
        lambda conn: conn.cursor().copy("copy (select %s) to stdout", ("v",)).__enter__(),
    ),
}


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_driver_is_not_answered_with_nonsense(face: Face, question: str, answer: str) -> None:
    parameters, sensible, work = QUESTIONS[question]
    if answer in sensible:
        return
    description, rows = NONSENSE[answer]
    assert isinstance(closed_by(face, answering(description, *rows, parameters=parameters), work), errors.ProtocolError)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_driver_has_its_own_parameters(face: Face, question: str) -> None:
    _, _, work = QUESTIONS[question]
    error = closed_by(face, answering(TEXT_COLUMN, m.data_row(b"x"), parameters=2), work)
    assert isinstance(error, errors.ProtocolError)


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize("wanted", ["read-write", "standby"])
def test_what_a_server_says_of_its_kind_makes_sense(face: Face, wanted: str, answer: str) -> None:
    description, rows = NONSENSE[answer]
    with FakeServer(answering(description, *rows, parameters=0)) as fake:
        if (wanted, answer) == ("read-write", "a text"):
            face.connect(**to(fake, target_session_attrs=wanted)).close()
            return
        with pytest.raises(errors.ProtocolError):
            face.connect(**to(fake, target_session_attrs=wanted))
