"""Beginning a session: the request for TLS, the startup packet, authentication; and the request that cancels another
session's work.

Law of this file: nothing secret is sent before the server's consent to TLS where TLS is required, and nothing the
server says is believed before its proof has been checked where the method has one. Sources: PostgreSQL docs, "Message
Flow: Start-up" and "SASL Authentication".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...codec import WriteBuffer
from ...errors import InterfaceError, OperationalError, ProtocolError, faults
from .. import backend, frontend, scram
from ..session import Event, Session, State
from .simple import command
from .steps import Block, Operation, Read, Reply, Upgrade, Write, exchange

#: Methods this client cannot do, by name, for the error.
_UNSUPPORTED: Final = {2: "Kerberos V5", 6: "SCM credentials", 7: "GSSAPI", 9: "SSPI"}
#: Room for Terminate.
_GOODBYE_BYTES: Final = 16


def connect(
    session: Session, parameters: Mapping[str, str], password: str | None, tls: Any = None, tls_required: bool = False
) -> Operation[None]:
    """Begin the session, over TLS where `tls` is not None and the server consents. It ends idle, speaking UTF-8.

    `parameters` is what the StartupMessage carries. Raises the server's refusal, or OperationalError where TLS or a
    password is missing.
    """
    if tls is not None:
        yield from _request_tls(session, tls, tls_required)
    frontend.startup(session.out, parameters)
    session.expect(State.STARTUP)
    try:
        yield from exchange(session, _Login(session, parameters["user"], password))
    except ProtocolError as exc:
        raise _explain(exc) from exc
    # A pooler may have ignored the setting in the startup packet. Absent means that the server does not report it at
    # all.
    if session.parameters.get("client_encoding", "UTF8") != "UTF8":
        yield from command(session, "SET client_encoding TO 'UTF8'")


def request_cancel(
    session: Session, process_id: int, secret_key: bytes, tls: Any = None, tls_required: bool = False
) -> Operation[None]:
    """Ask the server to cancel what another session is doing, over a connection made for this.

    It returns when the server has closed that connection, so the cancelling has then been passed on.
    """
    if tls is not None:
        yield from _request_tls(session, tls, tls_required)
    frontend.cancel_request(session.out, process_id, secret_key)
    yield from _post(session)
    while (yield Read(raw=True)):
        pass  # The server says nothing; a pooler that does is not listened to.


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
    blocks: list[Block] = [session.out.take()]
    while blocks:
        blocks = yield Write(blocks)


def _request_tls(session: Session, tls: Any, required: bool) -> Operation[None]:
    """TLS on the connection if the server consents; OperationalError if it does not and TLS is required."""
    frontend.ssl_request(session.out)
    yield from _post(session)
    answer: bytes = yield Read(raw=True)
    if answer == b"S" and not session.received.pending:
        yield Upgrade(tls)
    elif answer == b"N":
        if required:
            raise OperationalError("the server does not offer TLS on this address, and sslmode demands it")
    elif answer == b"":
        raise session.lost()
    elif answer[:1] == b"S":
        raise OperationalError(
            "the server sent unencrypted bytes after its consent to TLS: they could come from someone in between, "
            "so the connection was closed"
        )
    elif answer[:1] == b"E":
        # Its text is not shown: nobody has vouched for it yet.
        raise OperationalError("the server answered the request for TLS with an error; its log tells which")
    else:
        raise OperationalError(
            f"the server answered the request for TLS with {answer[:1]!r}: is this a PostgreSQL server?"
        )


def _explain(exc: ProtocolError) -> OperationalError:
    """A startup answer that is no message at all, said in words; any other ProtocolError as it is.

    Servers that cannot start a process, that speak only protocol 2.0, or that are no PostgreSQL at all answer with text
    where the length should be.
    """
    if exc.fault is None or exc.fault.code != faults.FAULT_FRAME_SIZE:
        return exc
    word = int(exc.fault.value).to_bytes(4, "big")
    if not all(0x20 <= byte < 0x7F for byte in word):
        return exc
    shown = word.decode("ascii")
    return OperationalError(
        f"the server answered the startup packet with text ('.{shown}...') instead of a message: "
        "either it could not start a process, or it does not speak protocol 3.0"
    )


class _Login(Reply):
    """The answers to what the server asks before it lets the user in."""

    def __init__(self, session: Session, user: str, password: str | None) -> None:
        super().__init__()
        self._session = session
        self._user = user
        self._password = password
        self._scram: scram.ScramClient | None = None
        self._proved = True

    def take(self, event: Event) -> None:
        if not isinstance(event, backend.Authentication):
            return
        try:
            self._answer(event.code, event.data)
        except OperationalError as exc:
            self._session.die(exc)  # the server would wait for an answer that never comes
            raise

    def _answer(self, code: int, data: bytes) -> None:
        out = self._session.out
        if code == backend.AUTH_OK:
            if not self._proved:
                raise OperationalError("the server let the user in without proving that it knows the password")
        elif code == backend.AUTH_CLEARTEXT_PASSWORD:
            frontend.password(out, frontend.text(self._secret(), "the password"))
        elif code == backend.AUTH_MD5_PASSWORD:
            if len(data) != 4:
                raise ProtocolError(f"AuthenticationMD5Password has a salt of {len(data)} bytes, 4 are needed")
            frontend.password(out, scram.md5_password(self._user, self._secret(), data))
        elif code == backend.AUTH_SASL:
            self._begin_scram(data)
        elif code == backend.AUTH_SASL_CONTINUE:
            frontend.sasl_response(out, self._exchange().final(data))
        elif code == backend.AUTH_SASL_FINAL:
            self._exchange().verify(data)
            self._proved = True
        else:
            name = _UNSUPPORTED.get(code, f"method {code}")
            raise OperationalError(f"the server asks for authentication by {name}, which pgfast does not know")

    def _begin_scram(self, data: bytes) -> None:
        names = [name.decode("ascii", "replace") for name in data.split(b"\0") if name]
        if scram.MECHANISM not in names:
            raise OperationalError(
                f"the server offers the SASL mechanisms {', '.join(names) or 'none'}; pgfast knows {scram.MECHANISM}"
            )
        self._scram = scram.ScramClient(self._secret())
        self._proved = False
        frontend.sasl_initial_response(self._session.out, scram.MECHANISM, self._scram.first())

    def _exchange(self) -> scram.ScramClient:
        if self._scram is None:
            raise ProtocolError("the server continues a SASL exchange that was not begun")
        return self._scram

    def _secret(self) -> str:
        if self._password is None:
            raise OperationalError(
                "the server asks for a password and none is given: password=, PGPASSWORD or a password file"
            )
        return self._password
