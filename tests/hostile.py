"""Scripts that lead a client into every state a session has, where a server that means harm can then say what it likes.

A Stage is what the server says and hears until the client waits in that state, and what the client does meanwhile.
`legal` are the tags that the protocol allows there (docs: Message Flow), beside those that may come at any time; they
are written down here and not taken from the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pgfast

from .faces import Face
from .fake_server import FakeServer, Peer
from .protocol import messages as m

#: Seconds after which a client has hung.
LIMIT_S = 20
INT4 = 23

COLUMN = m.row_description(("a", INT4))
BINARY_COLUMN = m.row_description(("a", INT4), format_code=1)
ONE = m.data_row(b"\0\0\0\1")
COPY_BOTH = m.message(b"W", b"\0\0\0")
#: What the server says to Parse and Describe, and to Bind, Execute and Sync.
DESCRIBED = m.PARSE_COMPLETE + m.parameter_description(INT4) + COLUMN
EXECUTED = m.BIND_COMPLETE + ONE + m.complete("SELECT 1") + m.ready()

#: A well-made message with each tag that servers send, and some with tags that they do not.
MESSAGES: dict[bytes, bytes] = {
    b"R": m.authentication(0),
    b"K": m.backend_key_data(),
    b"2": m.BIND_COMPLETE,
    b"3": m.CLOSE_COMPLETE,
    b"C": m.complete("SELECT 1"),
    b"W": COPY_BOTH,
    b"d": m.copy_data(b"k" + bytes(17)),
    b"c": m.COPY_DONE,
    b"G": m.copy_in_response(0),
    b"H": m.copy_out_response(0),
    b"D": m.data_row(b"1"),
    b"I": m.EMPTY_QUERY,
    b"E": m.error(),
    b"V": m.message(b"V", b"\xff\xff\xff\xff"),
    b"v": m.message(b"v", b"\0\3\0\0\0\0\0\0"),
    b"n": m.NO_DATA,
    b"N": m.notice(),
    b"A": m.notification(1, "c", "p"),
    b"t": m.parameter_description(INT4),
    b"S": m.parameter_status("TimeZone", "Mars"),
    b"1": m.PARSE_COMPLETE,
    b"s": m.message(b"s"),
    b"Z": m.ready(),
    b"T": COLUMN,
    **{bytes((tag,)): m.message(bytes((tag,))) for tag in (*b"@QPXFf", 0, 0xFF)},
}
#: What may come at any time.
UNASKED = b"NAS"


@dataclass(frozen=True)
class Stage:
    """One state: how the server leads there, what the client does, and what the server may say next."""

    name: str
    lead: Callable[[Peer], None]
    work: Callable[[Any], Any] | None
    legal: bytes
    replicates: bool = False


def _started(peer: Peer) -> None:
    peer.first_packet()


def _let_in(peer: Peer) -> None:
    peer.first_packet()
    peer.send(m.authentication(0))


def after(*steps: bytes) -> Callable[[Peer], None]:
    """A script: a welcome, then tags to wait for (one byte) and messages to send."""

    def lead(peer: Peer) -> None:
        peer.welcome()
        for step in steps:
            if len(step) == 1:
                peer.until(step)
            else:
                peer.send(step)

    return lead


def simple(conn: Any) -> Any:
    """Several statements in one Query."""
    return conn.execute("select 1; select 2", timeout=LIMIT_S).fetchall()


def extended(conn: Any) -> Any:
    """One statement with a parameter."""
    return conn.execute("select %s::int", (1,), timeout=LIMIT_S).fetchall()


def pipelined(conn: Any) -> Any:
    """Two statements with parameters, the second written before the first is answered."""
    with conn.pipeline(timeout=LIMIT_S):
        cursors = [conn.execute("select %s::int", (number,), timeout=LIMIT_S) for number in (1, 2)]
    return [cursor.fetchall() for cursor in cursors]


def copied_in(conn: Any) -> Any:
    """A COPY FROM STDIN of one row."""
    with conn.cursor().copy("copy t from stdin", timeout=LIMIT_S) as copy:
        copy.write_row(("x",))


def copied_out(conn: Any) -> Any:
    """A COPY TO STDOUT."""
    with conn.cursor().copy("copy t to stdout", timeout=LIMIT_S) as copy:
        return list(copy.rows())


def streamed(conn: Any) -> Any:
    """A portal fetched row by row."""
    return list(conn.cursor().stream("select %s::int", (1,), size=1, timeout=LIMIT_S))


def called(conn: Any) -> Any:
    """A function called by its OID."""
    return conn.call_function(1, timeout=LIMIT_S)


def replicated(conn: Any) -> Any:
    """Whatever comes over a physical stream."""
    with conn.start_physical("0/0") as stream:
        return list(stream)


def backed_up(conn: Any) -> Any:
    """The pieces of a base backup."""
    with conn.base_backup() as backup:
        return list(backup)


SUSPENDED = m.BIND_COMPLETE + ONE + m.message(b"s")
_PIPELINE = (b"H", DESCRIBED)
STAGES: tuple[Stage, ...] = (
    Stage("startup", _started, None, b"Rv"),
    Stage("starting", _let_in, None, b"KZ"),
    # What comes before the question may be seen behind it: then it is the beginning of an answer.
    Stage("idle", after(), extended, b"1"),
    Stage("query", after(b"Q"), simple, b"TCIGHW"),
    Stage("next statement", after(b"Q", COLUMN + m.complete("SELECT 0")), simple, b"TCIGHWZ"),
    Stage("rows of a query", after(b"Q", COLUMN), simple, b"DC"),
    Stage("parse", after(b"H"), extended, b"1"),
    Stage("describe", after(b"H", m.PARSE_COMPLETE), extended, b"t"),
    Stage("columns", after(b"H", m.PARSE_COMPLETE + m.parameter_description(INT4)), extended, b"Tn"),
    Stage("bind", after(b"H", DESCRIBED, b"S"), extended, b"2"),
    Stage("execute", after(b"H", DESCRIBED, b"S", m.BIND_COMPLETE), extended, b"DCI"),
    Stage("sync", after(b"H", DESCRIBED, b"S", m.BIND_COMPLETE + m.complete("SELECT 0")), extended, b"Z"),
    Stage("pipeline", after(*_PIPELINE, b"S", m.BIND_COMPLETE + ONE + m.complete("SELECT 1")), pipelined, b"12"),
    Stage("stream", after(b"H", DESCRIBED, b"H", SUSPENDED, b"H"), streamed, b"DCIs"),
    Stage("copy in", after(b"Q", m.copy_in_response(0), b"c"), copied_in, b"C"),
    Stage("copy out", after(b"Q", m.copy_out_response(0)), copied_out, b"dc"),
    Stage("end of copy out", after(b"Q", m.copy_out_response(0) + m.COPY_DONE), copied_out, b"CHT"),
    Stage("function call", after(b"F"), called, b"V"),
    Stage("end of function call", after(b"F", MESSAGES[b"V"]), called, b"Z"),
    Stage("replication", after(b"Q", COPY_BOTH), replicated, b"dcC", replicates=True),
    Stage("end of replication", after(b"Q", COPY_BOTH + m.COPY_DONE), replicated, b"dCT", replicates=True),
    Stage("backup", after(b"Q"), backed_up, b"TCIGHW", replicates=True),
)


class Attack:
    """A server that leads each client to a stage, says one thing and hangs up."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.said = b""
        self._server = FakeServer(self._serve)

    def __enter__(self) -> Attack:
        self._server.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.__exit__(exc_type, exc, traceback)

    def _serve(self, peer: Peer) -> None:
        said = self.said
        self.stage.lead(peer)
        peer.send(said)
        peer.end()  # it says no more, and listens, so that nothing it said is lost by a reset
        peer.wait_for_end()

    def on(self, face: Face, said: bytes, **settings: Any) -> tuple[Any, Any, BaseException | None]:
        """(the connection where there was one, the result, the error) of a client to whom this is said."""
        self.said = said
        known: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self._server.port,
            "user": "u",
            "sslmode": "disable",
            "timeout": LIMIT_S,
        }
        conn, result = None, None
        try:
            if self.stage.replicates:
                conn = face.replicate(**known, physical=True, **settings)
            else:
                conn = face.connect(**known, autocommit=True, **settings)
            if self.stage.work is not None:
                result = self.stage.work(conn)
        except pgfast.Error as exc:
            return conn, None, exc
        finally:
            face.forget()
        return conn, result, None
