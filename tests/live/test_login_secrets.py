"""A password that cannot be sent, and a server that leads a SASL exchange astray or makes it long."""

from __future__ import annotations

import asyncio
import threading
import traceback
from typing import Any

import pytest

import pgfast
from pgfast.protocol.scram import ScramClient

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m

CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 3, 5, 10, 11, 12
OFFER = m.authentication(SASL, b"SCRAM-SHA-256\0\0")


def settings(server: FakeServer, password: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "u",
        "dbname": "d",
        "password": password,
        "sslmode": "disable",
        "gssencmode": "disable",
        "timeout": 20,
    }


def nonce_of(peer: Peer) -> bytes:
    """What the client has made up in its first message."""
    return peer.message()[1].split(b"r=")[1]


@pytest.mark.parametrize("asked", [m.authentication(CLEARTEXT), m.authentication(MD5, b"salt"), OFFER])
@pytest.mark.parametrize(("password", "words"), [("hunter\0two", "NUL"), ("hunter\udce4two", "UTF-8")])
@pytest.mark.parametrize("called", [False, True])
def test_a_password_that_cannot_be_sent_is_not_shown(
    face: Face, asked: bytes, password: str, words: str, called: bool
) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(asked)
        assert peer.wait_for_end() == b""

    with FakeServer(script) as server, pytest.raises(pgfast.ProgrammingError, match=words) as caught:
        face.connect(**settings(server, (lambda: password) if called else password))
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "hunter" not in shown
    assert "\udce4" not in shown
    cause = caught.value
    while cause is not None:
        assert not isinstance(cause, UnicodeError)
        cause = cause.__context__  # type: ignore[assignment]


def again(peer: Peer) -> None:
    first = m.authentication(SASL_CONTINUE, b"r=%bmore,s=c2FsdA==,i=4096" % nonce_of(peer))
    peer.send(first)
    peer.message()
    peer.send(first)


def too_early(peer: Peer) -> None:
    peer.message()
    peer.send(m.authentication(SASL_FINAL, b"v=AAAA"))


@pytest.mark.parametrize("astray", [again, too_early])
def test_a_step_of_scram_out_of_order_is_the_fault_of_the_server(face: Face, astray: Any) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(OFFER)
        astray(peer)
        peer.wait_for_end()

    with FakeServer(script) as server, pytest.raises(pgfast.errors.ProtocolError, match="another step"):
        face.connect(**settings(server, "secret"))


def test_an_event_loop_goes_on_while_a_long_proof_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof waits for what another task of the same loop does."""
    begun, went_on = threading.Event(), threading.Event()
    final = ScramClient.final

    def slow(self: ScramClient, server_first: bytes) -> bytes:
        begun.set()
        assert went_on.wait(20), "the event loop stands still"
        return final(self, server_first)

    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(OFFER)
        peer.send(m.authentication(SASL_CONTINUE, b"r=%bmore,s=c2FsdA==,i=100000" % nonce_of(peer)))
        assert peer.message()[1].startswith(b"c=biws,r=")

    async def connect(server: FakeServer) -> None:
        task = asyncio.create_task(pgfast.AsyncConnection.connect(**settings(server, "secret")))
        assert await asyncio.to_thread(begun.wait, 20)
        went_on.set()
        with pytest.raises(pgfast.OperationalError, match="closed the connection"):
            await task

    monkeypatch.setattr(ScramClient, "final", slow)
    with FakeServer(script) as server:
        asyncio.run(connect(server))
