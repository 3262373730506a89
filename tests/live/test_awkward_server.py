"""A server that goes away or does not listen at an awkward moment: noticed at once, and asked again."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m


def test_a_peer_that_hangs_up_while_data_is_sent_is_noticed_at_once(face: Face) -> None:
    stopped = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send(m.message(b"G", struct.pack("!bhh", 1, 1, 1)))
        peer.message()
        peer.sock.shutdown(socket.SHUT_WR)  # says no more and reads no more, but does not close
        stopped.wait(30)

    with FakeServer(script) as server:
        conn = face.connect(
            host="127.0.0.1", port=server.port, user="u", dbname="d", sslmode="disable", autocommit=True
        )
        copy = conn.cursor().copy("COPY t FROM STDIN (FORMAT binary)")
        try:
            with pytest.raises(pgfast.OperationalError, match="closed the connection unexpectedly"), copy as writer:
                for _ in range(1000):
                    writer.write(b"x" * 1_000_000)
        finally:
            stopped.set()
        assert conn.closed


def test_a_cancel_request_that_was_forgotten_is_made_again(face: Face) -> None:
    cancelled = threading.Event()

    def working(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        assert cancelled.wait(30)
        peer.send(m.error(sqlstate="57014", text="canceling statement due to user request") + m.ready())
        peer.until(b"Q")
        peer.send(m.complete("SELECT 0") + m.ready())
        peer.wait_for_end()

    def forgetful(peer: Peer) -> None:
        peer.first_packet()

    def listening(peer: Peer) -> None:
        peer.first_packet()
        cancelled.set()

    with FakeServer(working, forgetful, listening) as server:
        conn = face.connect(
            host="127.0.0.1", port=server.port, user="u", dbname="d", sslmode="disable", autocommit=True
        )
        with pytest.raises(errors.TimeoutError):
            conn.execute("select 1; select 2", timeout=0.1)
        conn.execute("select 3; select 4")
        conn.close()
        assert server.accepted == 3


@pytest.mark.parametrize("params", [(), {}])
def test_copy_by_execute_is_refused_and_leaves_the_connection_usable(auto: Any, params: Any) -> None:
    with pytest.raises(pgfast.ProgrammingError, match=r"cursor\.copy"):
        auto.execute("copy pg_type to stdout", params)
    assert auto.execute("select 1").fetchone() == (1,)


def test_copy_with_values_many_times_or_as_columns_is_refused_before_it_is_sent(auto: Any) -> None:
    with pytest.raises(pgfast.ProgrammingError, match=r"cursor\.copy"):
        auto.execute("copy (select %s::int) to stdout", (1,))
    with pytest.raises(pgfast.ProgrammingError, match=r"cursor\.copy"):
        auto.cursor().executemany("copy pg_type from stdin", [()])
    with pytest.raises(pgfast.ProgrammingError, match=r"cursor\.copy"):
        auto.fetch_columns("copy pg_type to stdout")
    assert auto.execute("select 1").fetchone() == (1,)
