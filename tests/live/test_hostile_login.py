"""Servers that would have a client's secret, or its trust, without the proof: each log-in ends before that."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.errors import AuthenticationError, OperationalError, ProtocolError

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import LIMIT_S
from ..protocol import messages as m
from ..test_scram import ScramServer

OFFER = m.authentication(10, b"SCRAM-SHA-256\0\0")
SECRET = "never-to-be-told"


def refused(face: Face, script: Callable[[Peer], None], **settings: Any) -> pgfast.Error:
    """The error of a log-in at a server of this script."""
    known = {"host": "127.0.0.1", "user": "u", "password": SECRET, "sslmode": "disable", "timeout": LIMIT_S}
    with FakeServer(script) as fake, pytest.raises(pgfast.Error) as caught:
        face.connect(**{**known, "port": fake.port, **settings})
    assert isinstance(caught.value, (ProtocolError, OperationalError)), repr(caught.value)
    assert not isinstance(caught.value, errors.TimeoutError)
    assert SECRET not in repr(caught.value)
    return caught.value


def asked(said: bytes) -> Callable[[Peer], None]:
    """A server that answers the startup packet so, and must hear nothing more."""

    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(said)
        assert peer.wait_for_end() == b""

    return script


# ---------------------------------------------------------------- SCRAM


def scram(
    first: Callable[[bytes], bytes], final: Callable[[bytes], bytes] = lambda _: b"", hears: bool = False
) -> Callable[[Peer], None]:
    """A server that answers the client's first message with `first` of its nonce and the second, where `hears` says
    that there must be one, with whole messages that `final` makes of it."""

    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(OFFER)
        payload = peer.message()[1]
        peer.send(m.authentication(11, first(payload.rpartition(b"r=")[2])))
        if hears:
            peer.send(final(peer.message()[1]))
        assert peer.wait_for_end() == b""

    return script


SALT = base64.b64encode(b"sixteen bytes ok")
FIRSTS: dict[str, Callable[[bytes], bytes]] = {
    "no iterations": lambda nonce: b"r=%bx,s=%b,i=0" % (nonce, SALT),
    "iterations below nought": lambda nonce: b"r=%bx,s=%b,i=-1" % (nonce, SALT),
    "iterations beyond the cap": lambda nonce: b"r=%bx,s=%b,i=10000001" % (nonce, SALT),
    "2^31 iterations": lambda nonce: b"r=%bx,s=%b,i=2147483648" % (nonce, SALT),
    "2^64 iterations": lambda nonce: b"r=%bx,s=%b,i=18446744073709551616" % (nonce, SALT),
    "iterations that are no number": lambda nonce: b"r=%bx,s=%b,i=4096 " % (nonce, SALT),
    "iterations of other digits": lambda nonce: b"r=%bx,s=%b,i=\xd9\xa4" % (nonce, SALT),
    "the client's nonce alone": lambda nonce: b"r=%b,s=%b,i=4096" % (nonce, SALT),
    "another nonce": lambda nonce: b"r=x%b,s=%b,i=4096" % (nonce, SALT),
    "no nonce": lambda nonce: b"r=,s=%b,i=4096" % SALT,
    "half a nonce": lambda nonce: b"r=%bx,s=%b,i=4096" % (nonce[:-1], SALT),
    "a nonce that is not UTF-8": lambda nonce: b"r=%b\xff\xfe,s=%b,i=4096" % (nonce, SALT),
    "a nonce with a control character": lambda nonce: b"r=%b\0,s=%b,i=4096" % (nonce, SALT),
    "no salt": lambda nonce: b"r=%bx,s=,i=4096" % nonce,
    "a salt that is no base64": lambda nonce: b"r=%bx,s=????,i=4096" % nonce,
    "a salt cut short": lambda nonce: b"r=%bx,s=%b,i=4096" % (nonce, SALT[:-3]),
    "an extension that is demanded": lambda nonce: b"m=x,r=%bx,s=%b,i=4096" % (nonce, SALT),
    "another order": lambda nonce: b"s=%b,r=%bx,i=4096" % (SALT, nonce),
    "attributes without names": lambda nonce: b"%bx,%b,4096" % (nonce, SALT),
    "no attributes": lambda nonce: b"",
    "bytes": lambda nonce: bytes(range(256)),
    "commas": lambda nonce: b"," * 60_000,
}


@pytest.mark.parametrize("first", FIRSTS.values(), ids=FIRSTS)
def test_a_first_message_that_cannot_be_is_refused_before_anything_is_hashed(
    face: Face, first: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(*_: object) -> bytes:
        raise AssertionError("the password was hashed")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", hashed)
    assert isinstance(refused(face, scram(first)), AuthenticationError)


@pytest.mark.parametrize(("cap", "iterations"), [(1, 2), (4096, 4097), (2**31 - 1, 2**31)])
def test_the_cap_is_the_programs(face: Face, cap: int, iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *_: pytest.fail("the password was hashed"))
    error = refused(face, scram(lambda nonce: b"r=%bx,s=%b,i=%d" % (nonce, SALT, iterations)), scram_max_iterations=cap)
    assert f"not between 1 and {cap}" in str(error)


@pytest.mark.parametrize("knows", [True, False])
def test_one_iteration_is_a_servers_to_choose_and_proves_no_less(face: Face, knows: bool) -> None:
    """scram_iterations may be 1 (server: guc_parameters); who does not know the password is found out all the same."""
    known = ScramServer(SECRET.encode() if knows else b"something else", 1)

    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(OFFER)
        peer.send(m.authentication(11, known.first(peer.message()[1][18:])))
        proof = peer.message()[1]
        if knows:
            peer.send(m.authentication(12, known.final(proof)) + m.WELCOME)
        else:
            peer.send(m.authentication(12, b"v=" + base64.b64encode(bytes(32))) + m.WELCOME)
        peer.wait_for_end()

    if knows:
        with FakeServer(server) as fake:
            face.connect(host="127.0.0.1", port=fake.port, user="u", password=SECRET, sslmode="disable").close()
    else:
        assert "signature is wrong" in str(refused(face, server))


def good(nonce: bytes) -> bytes:
    return b"r=%bx,s=%b,i=4" % (nonce, SALT)


FINALS: dict[str, bytes] = {
    "none": m.WELCOME,
    "a wrong signature": m.authentication(12, b"v=" + base64.b64encode(bytes(32))) + m.WELCOME,
    "a short signature": m.authentication(12, b"v=" + base64.b64encode(bytes(31))) + m.WELCOME,
    "an empty signature": m.authentication(12, b"v=") + m.WELCOME,
    "no base64": m.authentication(12, b"v=\xff\xff") + m.WELCOME,
    "an error": m.authentication(12, b"e=other-error") + m.WELCOME,
    "no attribute": m.authentication(12) + m.WELCOME,
    "a second challenge": m.authentication(11, b"r=x,s=eHg=,i=4") + m.WELCOME,
    "another method": m.authentication(3) + m.WELCOME,
    "another beginning": OFFER,
    "no log-in at all": m.ready(),
    "endless challenges": m.authentication(11, b"r=x,s=eHg=,i=4") * 10_000,
}


@pytest.mark.parametrize("final", FINALS.values(), ids=FINALS)
def test_a_server_is_not_believed_without_its_proof(face: Face, final: bytes) -> None:
    refused(face, scram(good, lambda _: final, hears=True))


@pytest.mark.parametrize(
    "said",
    [
        OFFER + m.WELCOME,
        OFFER + m.authentication(12, b"v=" + base64.b64encode(bytes(32))) + m.WELCOME,
        OFFER * 2,
        OFFER + m.authentication(3),
        m.authentication(11, b"r=x,s=eHg=,i=4"),
        m.authentication(12, b"v=eA=="),
        m.authentication(8, b"token"),
        m.authentication(10, b"\0"),
        m.authentication(10, b"SCRAM-SHA-256-PLUS\0\0"),
        m.authentication(10, b"SCRAM-SHA-1\0PLAIN\0\0"),
        m.authentication(10, b"\xff\xfe\0\0"),
        m.authentication(2**31 - 1),
        m.authentication(-1),
        m.authentication(0) + m.authentication(0),
        m.authentication(0) + m.authentication(3),
    ],
)
def test_requests_out_of_order_are_refused(face: Face, said: bytes) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(said)
        assert SECRET.encode() not in peer.wait_for_end()

    refused(face, server)


# ---------------------------------------------------------------- demands that are not met


@pytest.mark.parametrize(
    "said",
    [
        m.WELCOME,
        m.authentication(3),
        m.authentication(5, b"salt"),
        m.authentication(7),
        m.authentication(9),
        OFFER,
        m.authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
        m.authentication(10, b"OAUTHBEARER\0\0"),
    ],
    ids=["trust", "password", "md5", "gss", "sspi", "scram", "scram-plus without TLS", "oauth"],
)
def test_nothing_is_told_where_the_channel_cannot_be_bound(face: Face, said: bytes) -> None:
    error = refused(face, asked(said), channel_binding="require", oauth_token="a-token")
    assert isinstance(error, AuthenticationError)


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("answer", [b"N", m.error("FATAL", "28000", "planted words"), b"", b"\0", m.WELCOME])
def test_tls_that_is_demanded_is_not_done_without(
    face: Face, sslmode: str, answer: bytes, own_certificate: Any
) -> None:
    def server(peer: Peer) -> None:
        assert peer.first_packet() == b"\x04\xd2\x16\x2f"
        peer.send(answer)
        if answer:
            assert peer.wait_for_end() == b""

    error = refused(face, server, sslmode=sslmode, sslrootcert=str(own_certificate[0]))
    assert "planted words" not in str(error)


@pytest.mark.parametrize("answer", [b"N", b"S", m.error("FATAL", "28000", "planted words"), m.WELCOME, b""])
def test_tls_that_comes_first_is_not_done_without(face: Face, answer: bytes) -> None:
    def server(peer: Peer) -> None:
        assert peer.receive(1) == b"\x16"  # a handshake, and no startup packet
        peer.send(answer)
        peer.end()
        assert b"\0\3\0\0user" not in peer.wait_for_end()

    error = refused(face, server, sslmode="require", sslnegotiation="direct")
    assert "planted words" not in str(error)


def test_what_comes_between_the_consent_and_the_handshake_is_never_read(face: Face, own_certificate: Any) -> None:
    """Plain bytes in a segment of their own, and then a TLS of the server's: they spoil the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own_certificate)

    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(b"S")
        peer.sock.recv(1, socket.MSG_PEEK)  # the client has read it
        peer.send(m.parameter_status("planted", "words"))
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            peer.welcome()
            peer.wait_for_end()

    error = refused(face, server, sslmode="require")
    assert "TLS handshake failed" in str(error)


def test_a_token_is_not_taken_for_shown_before_it_was(face: Face) -> None:
    """The server is asked where tokens come from, by an empty one, and lets in."""

    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(10, b"OAUTHBEARER\0\0"))
        peer.message()
        peer.send(m.WELCOME)
        peer.wait_for_end()

    error = refused(face, server, oauth_token=lambda _: "token", oauth_issuer="https://issuer.example")
    assert "before an OAuth token was shown" in str(error)


# ---------------------------------------------------------------- floods


def flood(piece: Callable[[int], bytes]) -> Callable[[Peer], None]:
    """A server that lets in and then says pieces without end."""

    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(0))
        number = 0
        while True:
            peer.send(b"".join(piece(number + at) for at in range(100)))
            number += 100

    return script


def test_a_server_reports_so_many_settings_and_no_more(face: Face) -> None:
    assert "more than 1000 settings" in str(refused(face, flood(lambda at: m.parameter_status(f"p{at}", "v"))))


@pytest.mark.parametrize(
    "piece",
    [
        m.parameter_status("TimeZone", "Mars" * 1000),
        m.notice("endless" * 1000),
        m.backend_key_data(),
    ],
)
def test_a_startup_without_end_ends_in_time(face: Face, piece: bytes) -> None:
    with FakeServer(flood(lambda _: piece)) as fake, pytest.raises(errors.TimeoutError):
        face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", connect_timeout=0.3)


def test_notifications_that_nobody_takes_end_a_connection_and_not_memory(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgfast.connections.inbox.MOST_WAITING_BYTES", 1 << 20)
    error = refused(face, flood(lambda _: m.notification(1, "c", "p" * 1000)))
    assert "notifications have come that nobody takes" in str(error)


# ---------------------------------------------------------------- a stall after every byte


def all_stall(face: Face, port: int, count: int, **settings: Any) -> list[BaseException]:
    """The errors of so many log-ins at once."""
    known: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "u", "password": SECRET, **settings}
    if not face.is_async:
        failures: list[BaseException] = []

        def attempt() -> None:
            try:
                pgfast.connect(**known).close()
            except BaseException as exc:
                failures.append(exc)

        threads = [threading.Thread(target=attempt) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
        return failures

    async def attempt_all() -> list[Any]:
        attempts = [pgfast.AsyncConnection.connect(**known) for _ in range(count)]
        return await asyncio.gather(*attempts, return_exceptions=True)

    found = face.run(attempt_all())
    return [one for one in found if isinstance(one, BaseException)]


STALLED: dict[str, tuple[dict[str, Any], bytes]] = {
    "trust": ({"sslmode": "disable"}, m.WELCOME),
    "no TLS": ({"sslmode": "prefer"}, b"N" + m.WELCOME),
    "password": ({"sslmode": "disable"}, m.authentication(3) + m.WELCOME),
    "SCRAM": ({"sslmode": "disable"}, OFFER + m.WELCOME),
    "an error": ({"sslmode": "disable"}, m.error("FATAL", "28000", "no")),
    "an old error": ({"sslmode": "disable"}, b"Ecould not fork\n\0"),
    "3.2": ({"sslmode": "disable", "max_protocol_version": "3.2"}, m.message(b"v", bytes(8)) + m.WELCOME),
}


@pytest.mark.parametrize("name", STALLED)
def test_a_server_that_stalls_after_any_byte_of_a_log_in_is_given_up(face: Face, name: str) -> None:
    settings, said = STALLED[name]
    count = len(said)
    left = iter(range(len(said)))
    lock = threading.Lock()

    def server(peer: Peer) -> None:
        with lock:
            size = next(left, 0)
        peer.first_packet()
        peer.send(said[:size])
        peer.wait_for_end()

    with FakeServer(server) as fake:
        failures = all_stall(face, fake.port, count, connect_timeout=0.5, **settings)
    assert len(failures) == count
    for failure in failures:
        assert isinstance(failure, (OperationalError, pgfast.DatabaseError)), repr(failure)
        assert SECRET not in repr(failure)
