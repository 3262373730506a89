"""A server that stalls, floods, or does not read: the program's own limits end what it does, at whatever byte.

Afterwards the connection is at rest and usable, or closed; it is never stuck, and never gives another query's answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.net import sockets
from pgfast.net.aio import within

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import COLUMN, DESCRIBED, INT4, LIMIT_S
from ..protocol import messages as m

#: Seconds that a client waits for the answer that never comes whole.
PATIENCE_S = 0.2
ANSWER = m.BIND_COMPLETE + m.data_row(b"\0\0\0\1") + m.data_row(b"\0\0\0\2") + m.complete("SELECT 2") + m.ready()


@pytest.fixture(autouse=True)
def _little_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "GRACE_S", 0.5)


class StallingServer:
    """Answers a first query up to some byte, one further for each connection, and stalls.

    With `relents` a CancelRequest makes it say the rest of what it was saying, and answer the next query whole.
    """

    def __init__(self, relents: bool) -> None:
        self.relents = relents
        self._cuts = iter(range(10_000))
        self._cancelled: dict[int, threading.Event] = {}
        self._lock = threading.Lock()
        self.fake = FakeServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        packet = peer.first_packet()
        if packet[:4] == b"\x04\xd2\x16\x2e":
            if self.relents:
                self._cancelled[int.from_bytes(packet[4:8], "big")].set()
            return
        with self._lock:
            cut = next(self._cuts)
            cancelled = self._cancelled[cut] = threading.Event()
        peer.send(m.authentication(0) + m.backend_key_data(cut) + m.ready())
        peer.until(b"H")
        # The answers to Parse and Describe, and to what follows them, with one stall in it.
        if self._say(peer, DESCRIBED, cut, cancelled):
            if b"B" in peer.until(b"S"):
                self._say(peer, ANSWER, cut - len(DESCRIBED), cancelled)
            elif self.relents:  # the client's time was over before the stall
                peer.send(m.ready())
        elif self.relents:
            peer.until(b"S")
            peer.send(m.ready())
        if self.relents:
            peer.until(b"Q")
            peer.send(m.row_description(("b", INT4)) + m.data_row(b"99") + m.complete("SELECT 1") + m.complete("X"))
            peer.send(m.ready())
        peer.wait_for_end()

    def _say(self, peer: Peer, said: bytes, cut: int, cancelled: threading.Event) -> bool:
        """Whether the whole of it was said without a stall."""
        if not 0 <= cut < len(said):
            peer.send(said)
            return True
        peer.send(said[:cut])
        if not self.relents:
            peer.wait_for_end()
            raise EOFError("the client has given up")
        assert cancelled.wait(LIMIT_S)
        peer.send(said[cut:])
        return False

    def settings(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.fake.port, "user": "u", "sslmode": "disable", "autocommit": True}


QUERY = "select %s::int"
COUNT = len(DESCRIBED) + len(ANSWER) - 1


def after_a_stall(relents: bool, conn: Any, execute: Callable[[], Any]) -> None:
    """Check the connection: closed, or usable with the right answer."""
    if conn.closed:
        assert not relents, "a server that gives in does not cost the connection"
        with pytest.raises(pgfast.InterfaceError):
            execute()
    else:
        assert relents, "the connection was not closed"
        assert execute().fetchall() == [(99,)]


@pytest.mark.parametrize("relents", [False, True])
def test_a_time_limit_ends_a_query_that_stalls_after_any_byte(relents: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if relents:
        monkeypatch.setattr(sockets, "GRACE_S", LIMIT_S)

    def attempt(conn: Any) -> None:
        with pytest.raises(errors.TimeoutError):
            conn.execute(QUERY, (1,), timeout=PATIENCE_S)
        after_a_stall(relents, conn, lambda: conn.execute("select 1; select 2", timeout=LIMIT_S))

    stalling = StallingServer(relents)
    with stalling.fake:
        conns = [pgfast.connect(**stalling.settings()) for _ in range(COUNT)]
        try:
            with ThreadPoolExecutor(COUNT) as pool:
                list(pool.map(attempt, conns))
        finally:
            for conn in conns:
                conn.close()


async def timed(conn: pgfast.AsyncConnection) -> None:
    """A limit of the driver's."""
    with pytest.raises(errors.TimeoutError):
        await conn.execute(QUERY, (1,), timeout=PATIENCE_S)


async def waited(conn: pgfast.AsyncConnection) -> None:
    """A limit of the program's own."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(conn.execute(QUERY, (1,)), PATIENCE_S)


async def cancelled(conn: pgfast.AsyncConnection) -> None:
    """A task that is cancelled."""
    task = asyncio.ensure_future(conn.execute(QUERY, (1,)))
    await asyncio.sleep(PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("relents", [False, True])
@pytest.mark.parametrize("interrupt", [timed, waited, cancelled])
def test_whatever_interrupts_a_task_ends_a_query_that_stalls_after_any_byte(
    loop: str, relents: bool, interrupt: Callable[[pgfast.AsyncConnection], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if relents:
        monkeypatch.setattr(sockets, "GRACE_S", LIMIT_S)
    face = Face(loop)
    stalling = StallingServer(relents)

    async def attempt(conn: pgfast.AsyncConnection) -> None:
        await interrupt(conn)
        if conn.closed:
            assert not relents, "a server that gives in does not cost the connection"
            with pytest.raises(pgfast.InterfaceError):
                await conn.execute("select 1")
        else:
            assert relents, "the connection was not closed"
            cursor = await conn.execute("select 1; select 2", timeout=LIMIT_S)
            assert await cursor.fetchall() == [(99,)]

    async def attempt_all() -> None:
        conns = [await pgfast.AsyncConnection.connect(**stalling.settings()) for _ in range(COUNT)]
        try:
            await asyncio.gather(*[attempt(conn) for conn in conns])
        finally:
            await asyncio.gather(*[conn.close() for conn in conns])

    with stalling.fake:
        try:
            face.run(attempt_all())
        finally:
            face.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_task_cancelled_while_it_connects_to_a_server_that_stalls_leaves_no_socket(loop: str) -> None:
    said = m.authentication(3) + m.WELCOME
    left = iter(range(len(said)))
    ended: list[int] = []

    def server(peer: Peer) -> None:
        size = next(left, 0)
        try:
            peer.first_packet()
            peer.send(said[:size])
            peer.wait_for_end()
        finally:
            ended.append(size)

    async def attempt(port: int) -> None:
        connecting = pgfast.AsyncConnection.connect(
            host="127.0.0.1", port=port, user="u", password="p", sslmode="disable"
        )
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(connecting, PATIENCE_S)

    async def attempt_all(port: int) -> None:
        await asyncio.gather(*[attempt(port) for _ in range(len(said))])

    face = Face(loop)
    try:
        with FakeServer(server) as fake:
            face.run(attempt_all(fake.port))
    finally:
        face.close()
    assert len(ended) == fake.accepted


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_task_whose_wait_has_just_ended_is_cancelled_all_the_same(loop: str) -> None:
    async def attempt() -> None:
        work = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(within(work, LIMIT_S))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.set_result("done")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    face = Face(loop)
    try:
        face.run(attempt())
    finally:
        face.close()


# ---------------------------------------------------------------- floods

PIECES = {
    "notices": m.notice("endless" * 100),
    "settings": m.parameter_status("TimeZone", "Mars" * 100),
    "notifications": m.notification(1, "c", "p" * 100),
    "rows": m.data_row(b"1"),
}


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
def test_a_flood_in_a_query_ends_in_time(face: Face, piece: bytes) -> None:
    def server(peer: Peer) -> None:
        if peer.first_packet()[:2] != b"\0\3":
            return
        peer.send(m.WELCOME)
        peer.until(b"Q")
        peer.send(COLUMN)
        while True:
            peer.send(piece * 200)

    with FakeServer(server) as fake:
        conn = face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", autocommit=True)
        conn.add_notify_handler(lambda notification: None)
        with pytest.raises(errors.TimeoutError):
            conn.execute("select 1; select 2", timeout=PATIENCE_S)
        assert conn.closed
        conn.close()


@pytest.mark.parametrize("piece", [PIECES["notices"], PIECES["settings"]])
def test_a_flood_in_a_replication_stream_does_not_keep_its_reader(face: Face, piece: bytes) -> None:
    reported = threading.Event()

    def listen(peer: Peer) -> None:
        while peer.message()[0] != b"d":
            pass
        reported.set()
        peer.wait_for_end()

    def server(peer: Peer) -> None:
        if peer.first_packet()[:2] != b"\0\3":
            return
        peer.send(m.WELCOME)
        peer.until(b"Q")
        peer.send(m.message(b"W", b"\0\0\0"))
        listening = threading.Thread(target=lambda: _quietly(listen, peer))
        listening.start()
        try:
            while True:
                peer.send(piece * 200)
        finally:
            listening.join(LIMIT_S)

    with FakeServer(server) as fake:
        conn = face.replicate(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", physical=True)
        stream = conn.start_physical("0/0", status_interval=0.1).__enter__()
        assert stream.read(PATIENCE_S) is None
        assert stream.read(PATIENCE_S) is None
        assert reported.wait(LIMIT_S)  # the server hears how far the client has come all the same
        conn.close()


def _quietly(work: Callable[[Peer], None], peer: Peer) -> None:
    try:
        work(peer)
    except (OSError, EOFError):
        return


# ---------------------------------------------------------------- a server that does not read


def deaf(peer: Peer) -> None:
    """Lets in, answers the first Query as it wishes, and reads no more."""
    if peer.first_packet()[:2] != b"\0\3":
        return
    peer.send(m.WELCOME)
    peer.until(b"Q")
    peer.send(m.copy_in_response(0))
    STOPPED.wait(LIMIT_S)


STOPPED = threading.Event()


def copying(conn: Any) -> None:
    with conn.cursor().copy("copy t from stdin", timeout=PATIENCE_S) as copy:
        while True:
            copy.write(b"x" * 1_000_000)


def querying(conn: Any) -> None:
    conn.execute("select 1; select '" + "x" * 50_000_000 + "'", timeout=PATIENCE_S)


@pytest.mark.parametrize("work", [copying, querying])
def test_a_server_that_does_not_read_is_given_up_in_time(face: Face, work: Callable[[Any], None]) -> None:
    STOPPED.clear()
    script = deaf if work is copying else lambda peer: (peer.welcome(), STOPPED.wait(LIMIT_S), None)[2]
    try:
        with FakeServer(script) as fake:
            conn = face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", autocommit=True)
            with pytest.raises(errors.TimeoutError):
                work(conn)
            assert conn.closed
            conn.close()
            STOPPED.set()
    finally:
        STOPPED.set()
