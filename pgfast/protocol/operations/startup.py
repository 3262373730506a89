"""Beginning a session: encryption, the startup packet, the protocol's version, authentication; and the request that
cancels another session's work.

Law of this file: nothing secret is sent before the server's consent to encryption where that is required, and what
comes before it is never believed. Sources: PostgreSQL docs, "Message Flow: Start-up" and "Protocol Versions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from ...codec import WriteBuffer
from ...errors import InterfaceError, OperationalError, ProtocolError, faults
from ...types.registry import PLAIN
from .. import backend, frontend, v2
from ..gss import LENGTH_BYTES, MAX_TOKEN_BYTES, GssContext, GssError, Sealing, announced, framed
from ..session import Session, State
from .binding import checked
from .literals import literal
from .login import Credentials, Login
from .simple import Results, command, run_query
from .steps import Block, Consult, Operation, Read, Upgrade, Wrap, Write, receive

#: The settings that a server reports by itself (docs: Asynchronous Operations), as protocol 2.0 must ask for them.
_REPORTED: Final = (
    "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('server_version', 'server_encoding', "
    "'client_encoding', 'application_name', 'is_superuser', 'session_authorization', 'DateStyle', 'IntervalStyle', "
    "'TimeZone', 'integer_datetimes', 'standard_conforming_strings')"
)
#: The setting for digits of floats in text, and the version that needs it no more (docs: Floating-Point Types).
_FLOAT_DIGITS: Final = "extra_float_digits"
_SHORTEST_FLOATS: Final = 120000
#: Settings that the startup packet of protocol 2.0 has room for.
_PACKED: Final = ("user", "database", "options")
#: A first message longer than this is none: it is the text of a server that knows no better (server: fork_process and
#: protocol 2.0 write errors without a length).
_LONGEST_FIRST: Final = 30_000
#: Tokens that the GSSAPI exchange may take; Kerberos takes one in each direction.
_GSS_ROUNDS: Final = 10
#: Room for Terminate.
_GOODBYE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a connection is encrypted: by GSSAPI, else by TLS, else not at all.

    `gss` begins the exchange or raises GssError, None for no GSSAPI. `tls` are settings that only the driver
    understands, None for no TLS; with `tls_direct` it begins without asking.
    """

    gss: Callable[[], GssContext] | None = None
    gss_required: bool = False
    tls: Any = None
    tls_required: bool = False
    tls_direct: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session is to begin.

    `parameters` is what the StartupMessage carries, `version` the newest protocol to ask for and `least_version` the
    oldest to take. `private` says that nobody on the way can read what is not encrypted: a Unix socket, this machine.
    `sealed` says that GSSAPI encrypts the connection already (see `seal`).
    """

    parameters: Mapping[str, str]
    credentials: Credentials = field(repr=False)
    version: tuple[int, int] = (3, 0)
    least_version: tuple[int, int] = (3, 0)
    encryption: Encryption = Encryption()
    private: bool = False
    sealed: bool = False


def connect(session: Session, opening: Opening) -> Operation[None]:
    """Begin the session. It ends idle, speaking UTF-8.

    Raises the server's refusal, or OperationalError where TLS, a password or whatever the settings demand is missing.
    """
    encrypted, certificate = False, None
    if not opening.sealed:
        encrypted, certificate = yield from _begin_tls(session, opening.encryption)
    private = opening.private or encrypted or opening.sealed
    login = Login(opening.credentials, private, encrypted, certificate, opening.sealed)
    if opening.version[0] == 2:
        yield from _connect_v2(session, opening, login)
        return
    session.protocol_version = opening.version
    session.walsender = "replication" in opening.parameters
    frontend.startup(session.out, opening.parameters, opening.version)
    session.expect(State.STARTUP)
    yield from _post(session)
    yield from _first_answer(session)
    try:
        yield from _log_in(session, login, opening)
    except ProtocolError as exc:
        explained = _explain(exc)
        if explained is None:
            raise
        raise explained from exc
    # A pooler may have ignored the setting in the startup packet. Absent means that the server does not report it at
    # all.
    if session.parameters.get("client_encoding", "UTF8") != "UTF8":
        yield from command(session, "SET client_encoding TO 'UTF8'")
    if not session.walsender:
        yield from _write_floats_whole(session, opening)


def _write_floats_whole(session: Session, opening: Opening) -> Operation[None]:
    """Have an old server write every digit of a float in text, too, unless the program has chosen how many.

    From version 12 on the server writes as many as it takes. Behind a pooler the setting would be other clients', too.
    """
    chosen = _FLOAT_DIGITS in opening.parameters.get("options", "")
    if 0 < session.server_version < _SHORTEST_FLOATS and not session.shared and not chosen:
        yield from command(session, f"SET {_FLOAT_DIGITS} TO 3")


def _connect_v2(session: Session, opening: Opening, login: Login) -> Operation[None]:
    """As `connect`, by protocol 2.0, whose startup packet has room for user, database and options alone.

    Everything else is set by SQL, and what a server of 3.0 reports of itself is asked for.
    """
    yield Wrap(v2.Translator())
    session.protocol_version = opening.version
    parameters = opening.parameters
    frontend.startup(session.out, {name: value for name, value in parameters.items() if name in _PACKED})
    session.expect(State.STARTUP)
    yield from _log_in(session, login, opening)
    for name, value in parameters.items():
        if name not in _PACKED:
            yield from command(session, f"SELECT pg_catalog.set_config({literal(name)}, {literal(value)}, false)")
    found = Results(PLAIN.rules)
    yield from run_query(session, _REPORTED, found)
    session.parameters.update(checked(found.results[0].rows if found.results else [], (str, str)))
    session.standard_strings = session.parameters.get("standard_conforming_strings") != "off"
    yield from _write_floats_whole(session, opening)


def _log_in(session: Session, login: Login, opening: Opening) -> Operation[None]:
    """Everything from the startup packet to the first ReadyForQuery."""
    negotiated = begun = False
    while True:
        yield from _post(session)
        event = yield from receive(session)
        match event:
            case backend.Authentication(code, data):
                begun = True
                try:
                    yield from login.answer(session.out, code, data)
                except (OperationalError, ProtocolError) as exc:
                    session.die(exc)  # the server would wait for an answer that never comes
                    raise
            case backend.NegotiateProtocolVersion():
                if negotiated or begun:
                    raise session.die(ProtocolError("NegotiateProtocolVersion came a second time, or too late"))
                negotiated = True
                _negotiate(session, opening, event)
            case backend.ReadyForQuery():
                return


def _negotiate(session: Session, opening: Opening, event: backend.NegotiateProtocolVersion) -> None:
    """Go on with the version that the server names, or not."""
    version = (event.version >> 16, event.version & 0xFFFF)
    named = f"{version[0]}.{version[1]}"
    if version > opening.version or version < (3, 0):
        raise session.die(
            ProtocolError(f"the server answers with protocol {named}, which is not one that was asked for")
        )
    if event.options:
        raise session.die(
            ProtocolError(f"the server refuses protocol options nobody asked for: {event.options!r:.200}")
        )
    if version < opening.least_version:
        least = "{}.{}".format(*opening.least_version)
        raise session.die(
            OperationalError(f"the server speaks protocol {named} at most, and min_protocol_version is {least}")
        )
    session.protocol_version = version


def _first_answer(session: Session) -> Operation[None]:
    """Wait for the beginning of the server's first message, which goes to the session.

    A server that could not start a process for the connection, or that speaks only protocol 2.0, writes an error
    without a length word; it is raised as OperationalError with that text.
    """
    data: bytes = b""
    while len(data) < 5:
        more = yield Read(raw=True)
        if not more:
            break
        data += more
    if data[:1] == b"E" and (len(data) < 5 or int.from_bytes(data[1:5], "big") > _LONGEST_FIRST):
        while b"\0" not in data and len(data) < _LONGEST_FIRST:
            more = yield Read(raw=True)
            if not more:
                break
            data += more
        text = data[1:].partition(b"\0")[0].decode("utf-8", "replace").strip()
        if text:
            raise session.die(OperationalError(f"the server refused the connection: {text}"))
    at = 0
    while at < len(data):
        view = session.received.get_buffer(len(data) - at)
        size = min(len(view), len(data) - at)
        view[:size] = data[at : at + size]
        session.received.commit(size)
        at += size


def request_cancel(session: Session, other: Session, encryption: Encryption = Encryption()) -> Operation[None]:
    """Ask the server to cancel what the other session is doing, over a connection made for this.

    It returns when the server has closed that connection, so the cancelling has then been passed on.
    """
    sealed = yield from seal(session, encryption)
    if not sealed:
        yield from _begin_tls(session, encryption)
    frontend.cancel_request(session.out, other.backend_pid, other.secret_key)
    yield from _post(session)
    while (yield Read(raw=True, reset=True)):
        pass  # The server says nothing; a pooler that does is not listened to. Odyssey ends the connection by a reset.


def terminate(session: Session) -> memoryview:
    """The message that ends the session, which is then dead. The server answers it by closing the connection.

    It stands in a buffer of its own, because another thread may be in the middle of a message in `session.out`.
    """
    goodbye = WriteBuffer(_GOODBYE_BYTES)
    frontend.terminate(goodbye)
    session.die(InterfaceError("it was closed by this program"))
    return goodbye.take()


def _post(session: Session) -> Operation[None]:
    """Send `session.out` at a time when the server has nothing to say."""
    if session.out.size_bytes:
        yield from _write([session.out.take()])


def _write(blocks: list[Block]) -> Operation[None]:
    while blocks:
        blocks = yield Write(blocks)


def seal(session: Session, wanted: Encryption) -> Operation[bool]:
    """Whether GSSAPI encrypts the connection now. It comes before anything else, TLS among it.

    Raises GssError where it does not and is required, and where only another connection can do without.
    """
    if wanted.gss is None:
        return False
    try:
        context: GssContext = yield Consult(wanted.gss)
    except GssError:
        if wanted.gss_required:
            raise
        return False  # there is no ticket; the server has not been asked for anything
    frontend.gssenc_request(session.out)
    yield from _post(session)
    answer: bytes = yield Read(raw=True)
    if answer == b"G":
        yield from _exchange(session, context)
        yield Wrap(Sealing(context), encrypts=True)
        return True
    if answer == b"N":
        if wanted.gss_required:
            raise GssError("the server does not offer GSSAPI encryption on this address, and gssencmode demands it")
        if wanted.tls_direct:
            raise GssError("the server does not offer GSSAPI encryption, and direct TLS comes first on a connection")
        return False
    if answer[:1] == b"G":
        raise OperationalError(
            "the server sent unencrypted bytes after its consent to GSSAPI encryption: they could come from someone "
            "in between, so the connection was closed"
        )
    if answer == b"":
        raise GssError("the server closed the connection when it was asked for GSSAPI encryption")
    if answer[:1] == b"E":
        # Its text is not shown: nobody has vouched for it yet. Servers before PostgreSQL 12 do not know the request.
        raise GssError("the server answered the request for GSSAPI encryption with an error; its log tells which")
    raise OperationalError(
        f"the server answered the request for GSSAPI encryption with {answer[:1]!r}: is this a PostgreSQL server?"
    )


def _exchange(session: Session, context: GssContext) -> Operation[None]:
    """Exchange tokens, each behind its length, until both sides know each other.

    Nothing may have come after the last one: the server waits for the startup packet.
    """
    coming = bytearray()
    token: bytes | None = None
    for _ in range(_GSS_ROUNDS):
        answer: bytes | None = yield Consult(partial(context.step, token))
        if answer:
            yield from _write([framed(answer)])
        if context.complete:
            if coming:
                raise OperationalError(
                    "the server sent unencrypted bytes after the GSSAPI exchange: they could come from someone in "
                    "between, so the connection was closed"
                )
            return
        if not answer:
            break
        token = yield from _next_token(coming)
    raise GssError("the GSSAPI exchange with the server does not come to an end")


def _next_token(coming: bytearray) -> Operation[bytes]:
    """The server's next token, taken away from `coming`, where what comes is gathered."""
    while True:
        if coming[:1] == b"E":
            # No token is so long. What an error says is not shown, because nobody has vouched for it yet.
            raise GssError("the server answered the GSSAPI exchange with an error; its log tells which")
        size = announced(coming, MAX_TOKEN_BYTES)
        if size is not None and len(coming) >= LENGTH_BYTES + size:
            token = bytes(coming[LENGTH_BYTES : LENGTH_BYTES + size])
            del coming[: LENGTH_BYTES + size]
            return token
        more: bytes = yield Read(raw=True)
        if not more:
            raise GssError("the server closed the connection in the GSSAPI exchange; its log tells why")
        coming += more


def _begin_tls(session: Session, wanted: Encryption) -> Operation[tuple[bool, bytes | None]]:
    """(whether TLS is on, the server's certificate in DER); OperationalError where it is not and is required."""
    if wanted.tls is None:
        return False, None
    if wanted.tls_direct:
        certificate = yield Upgrade(wanted.tls)
        return True, certificate
    frontend.ssl_request(session.out)
    yield from _post(session)
    answer: bytes = yield Read(raw=True)
    if answer == b"S" and not session.received.pending:
        certificate = yield Upgrade(wanted.tls)
        return True, certificate
    if answer == b"N":
        if wanted.tls_required:
            raise OperationalError("the server does not offer TLS on this address, and sslmode demands it")
        return False, None
    if answer == b"":
        raise session.lost()
    if answer[:1] == b"S":
        raise OperationalError(
            "the server sent unencrypted bytes after its consent to TLS: they could come from someone in between, "
            "so the connection was closed"
        )
    if answer[:1] == b"E":
        # Its text is not shown: nobody has vouched for it yet.
        raise OperationalError("the server answered the request for TLS with an error; its log tells which")
    raise OperationalError(f"the server answered the request for TLS with {answer[:1]!r}: is this a PostgreSQL server?")


def _explain(exc: ProtocolError) -> OperationalError | None:
    """A startup answer that is no message at all, said in words; None for any other ProtocolError.

    Servers that are no PostgreSQL at all answer with text where the length should be.
    """
    if exc.fault is None or exc.fault.code not in (faults.FAULT_FRAME_SIZE, faults.FAULT_FRAME_KIND):
        return None
    word = int(exc.fault.value).to_bytes(4, "big")
    if not all(0x20 <= byte < 0x7F for byte in word):
        return None
    shown = word.decode("ascii")
    return OperationalError(
        f"the server answered the startup packet with text ('.{shown}...') instead of a message: "
        "is it a PostgreSQL server?"
    )
