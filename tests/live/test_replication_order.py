"""What a stream of replication makes of its messages: their order, the positions, reports and ends; odd servers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast.errors import DataError, ProtocolError
from pgfast.replication import LSN, AsyncReplicationConnection, Insert, Relation

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m

BOTH = m.message(b"W", b"\0\0\0")
COPY_DONE = m.message(b"c")
INT4 = 23
END = m.complete("COPY 0") + m.complete("START_STREAMING") + m.ready()
NEXT_TIMELINE = (
    m.row_description(("next_tli", 20), ("next_tli_startpos", 25))
    + m.data_row(b"2", b"0/3000060")
    + m.complete("SELECT")
)


def wal(start: int, data: bytes, end: int | None = None) -> bytes:
    behind = start + len(data) if end is None else end
    return m.copy_data(b"w" + struct.pack("!QQq", start, behind, 0) + data)


def keepalive(end: int, wanted: bool = False) -> bytes:
    return m.copy_data(b"k" + struct.pack("!QqB", end, 0, wanted))


def status(payload: bytes) -> tuple[int, int, int]:
    """(received, flushed, applied) of a report."""
    assert payload[:1] == b"r"
    return struct.unpack_from("!QQQ", payload, 1)


def streaming(*parts: bytes, then: Callable[[Peer], None] | None = None) -> Callable[[Peer], None]:
    """A walsender that lets the client in, begins a stream with these bytes, and does `then` what it wants."""

    def script(peer: Peer) -> None:
        peer.welcome()
        assert peer.message()[1].startswith(b"START_REPLICATION")
        peer.send(BOTH + b"".join(parts))
        if then is None:
            while peer.message()[0] != b"c":
                pass
            peer.send(COPY_DONE + END)
        else:
            then(peer)

    return script


def follow(face: Face, server: FakeServer) -> Any:
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "u", "dbname": "d"}
    return face.replicate(**settings, sslmode="disable", gssencmode="disable", timeout=20)


# ---------------------------------------------------------------- nothing is lost


def test_a_report_takes_nothing_from_the_stream(face: Face) -> None:
    """A notice stands between the messages, so that not all of them are taken at once."""
    parts = [wal(at, b"x") + m.notice() for at in range(1, 20)]
    with FakeServer(streaming(*parts)) as server:
        walsender = follow(face, server)
        with walsender.start_physical(1) as stream:
            for at in range(1, 20):
                item = stream.read(10)
                assert (item.start, stream.received) == (at, at + 1)
                stream.send_status()
                stream.send_hot_standby_feedback(1, 1)


def row(value: bytes) -> bytes:
    return struct.pack("!cIcH", b"I", 5, b"N", 1) + b"t" + struct.pack("!I", len(value)) + value


RELATION = struct.pack("!cI", b"R", 5) + b"s\0t\0d" + struct.pack("!HB", 1, 0) + b"a\0" + struct.pack("!Ii", INT4, -1)


def test_a_value_that_cannot_be_read_costs_its_message_alone(face: Face) -> None:
    messages = (RELATION, row(b"1"), row(b"one"), row(b"2"))
    parts = [wal(at, data, at) for at, data in enumerate(messages, 10)]
    with FakeServer(streaming(*parts)) as server:
        walsender = follow(face, server)
        with walsender.start_logical("s", ["p"]) as stream:
            assert type(stream.read(10)) is Relation
            found = stream.read(10)
            assert (type(found), found.new, stream.received) == (Insert, {"a": 1}, 11)
            with pytest.raises(DataError, match=r"the value of s\.t\.a"):
                stream.read(10)
            assert (stream.read(10).new, stream.received) == ({"a": 2}, 13)


@pytest.mark.parametrize(
    "bad",
    [
        m.copy_data(b"k"),
        m.copy_data(b"w123"),
        m.copy_data(b""),
        m.copy_data(b"?"),
        wal(2**64 - 3, b"beyond", 0),
        m.copy_data(b"w" + struct.pack("!QQq", 1, 1, 2**62) + b"x"),
    ],
)
def test_what_came_before_bytes_that_cannot_be_is_given_first(face: Face, bad: bytes) -> None:
    with FakeServer(streaming(wal(1, b"x"), bad, wal(2, b"x"), then=lambda peer: None)) as server:
        walsender = follow(face, server)
        with walsender.start_physical(1) as stream:
            assert stream.read(10).data == b"x"
            with pytest.raises(ProtocolError):
                stream.read(10)
            assert walsender.closed


# ---------------------------------------------------------------- positions


def test_nothing_is_confirmed_that_the_program_has_not_been_given(face: Face) -> None:
    told: list[tuple[int, int, int]] = []

    def then(peer: Peer) -> None:
        while (message := peer.message())[0] == b"d":
            told.append(status(message[1]))
        peer.send(COPY_DONE + END)

    parts = wal(100, b"xx", 900), wal(102, b"yy", 900), keepalive(500)
    with FakeServer(streaming(*parts, then=then)) as server, follow(face, server).start_physical(100) as stream:
        stream.send_status()
        assert stream.read(10).data == b"xx"
        assert (stream.received, stream.server_end) == (102, 900)
        for flushed, applied in ((103, None), (900, None), (500, None), (102, 103), (99, None)):
            with pytest.raises(pgfast.ProgrammingError, match="cannot be confirmed"):
                stream.confirm(flushed, applied)
        stream.confirm(102, 101)
        stream.send_status()
        assert stream.read(10).data == b"yy"
        assert stream.read(0.1) is None  # the sign of life says that there is nothing more before 500
        stream.confirm(500)
    assert told == [(100, 100, 100), (102, 102, 101), (500, 500, 500)]


@pytest.mark.parametrize("interval", [-1, float("nan"), float("inf"), 1e12])
def test_an_interval_that_is_none_is_refused(face: Face, interval: float) -> None:
    with FakeServer(Peer.welcome) as server:
        walsender = follow(face, server)
        with pytest.raises(pgfast.ProgrammingError, match="status_interval"):
            walsender.start_physical(1, status_interval=interval)


def test_transaction_ids_are_checked(face: Face) -> None:
    with FakeServer(streaming()) as server, follow(face, server).start_physical(1) as stream:
        for xids in ((-1, 0), (0, 2**64)):
            with pytest.raises(pgfast.ProgrammingError, match="full transaction id"):
                stream.send_hot_standby_feedback(*xids)


# ---------------------------------------------------------------- reports


def test_reports_are_sent_while_the_program_takes_its_time(face: Face) -> None:
    """The server goes on only when it has had a report for each message, all of which came at once."""

    def then(peer: Peer) -> None:
        for _ in range(5):
            assert peer.message()[0] == b"d"
        peer.send(COPY_DONE)
        while peer.message()[0] != b"c":
            pass
        peer.send(END)

    parts = [wal(at, b"x") for at in range(1, 6)]
    with FakeServer(streaming(*parts, then=then)) as server:
        changes = follow(face, server).start_physical(1, status_interval=1e-9)
        with changes as stream:
            assert [item.start for item in stream] == [1, 2, 3, 4, 5]


def test_without_an_interval_reports_are_sent_when_they_are_asked_for(face: Face) -> None:
    told: list[tuple[int, int, int]] = []

    def then(peer: Peer) -> None:
        told.append(status(peer.message()[1]))
        peer.send(wal(1, b"x") + keepalive(2))
        told.append(status(peer.message()[1]))
        assert peer.message()[0] == b"c"
        peer.send(COPY_DONE + END)

    with FakeServer(streaming(keepalive(1, wanted=True), then=then)) as server:
        changes = follow(face, server).start_physical(1, status_interval=0)
        with changes as stream:
            assert stream.read(10).data == b"x"
            assert stream.read(0.05) is None
    assert told == [(1, 1, 1), (2, 1, 1)]


# ---------------------------------------------------------------- ends


def test_the_end_of_a_timeline_tells_the_next_one(face: Face) -> None:
    def then(peer: Peer) -> None:
        peer.send(wal(1, b"x") + COPY_DONE + keepalive(2))
        while peer.message()[0] != b"c":
            pass
        peer.send(NEXT_TIMELINE + END)

    with FakeServer(streaming(then=then)) as server:
        walsender = follow(face, server)
        with walsender.start_physical(1, timeline=1) as stream:
            assert stream.next_timeline is None
            assert [item.data for item in stream] == [b"x"]
            assert stream.next_timeline == (2, LSN("0/3000060"))
            assert stream.read(1) is None


def test_a_timeline_that_ends_where_the_stream_begins(face: Face) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.message()
        peer.send(NEXT_TIMELINE + m.complete("START_STREAMING") + m.ready())

    with FakeServer(script) as server:
        walsender = follow(face, server)
        with walsender.start_physical(1, timeline=1) as stream:
            assert list(stream) == []
            assert stream.next_timeline == (2, LSN("0/3000060"))


@pytest.mark.parametrize("answer", [m.data_row(b"two", b"0/1"), m.data_row(None, None), m.data_row(b"2", b"here"), b""])
def test_a_next_timeline_that_cannot_be_is_a_protocol_error(face: Face, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.message()
        peer.send(
            m.row_description(("next_tli", 20), ("next_tli_startpos", 25)) + answer + m.complete("SELECT") + m.ready()
        )

    with FakeServer(script) as server:
        walsender = follow(face, server)
        with pytest.raises((ProtocolError, DataError)):
            walsender.start_physical(1, timeline=1).__enter__()


def test_a_stream_that_is_not_under_way_is_none_that_has_ended(face: Face) -> None:
    with FakeServer(streaming()) as server:
        walsender = follow(face, server)
        stream = walsender.start_physical(1)
        for use in (lambda: stream.read(0.01), lambda: list(stream)):
            with pytest.raises(pgfast.InterfaceError, match="has not begun"):
                use()
        with pytest.raises(pgfast.InterfaceError, match="not under way"):
            stream.send_status()
        with stream:
            assert stream.read(0.01) is None
        assert stream.read(0.01) is None  # it has ended as it should
        with pytest.raises(pgfast.InterfaceError, match="not under way"):
            stream.send_status()


def test_a_connection_closed_meanwhile_does_not_look_like_the_end(face: Face) -> None:
    with FakeServer(streaming(then=lambda peer: None)) as server:
        walsender = follow(face, server)
        with walsender.start_physical(1) as stream:
            walsender.close()
            with pytest.raises(pgfast.OperationalError, match="closed"):
                stream.read(1)


def test_a_stream_that_was_cancelled_does_not_look_ended() -> None:
    def then(peer: Peer) -> None:
        while peer.message()[0] != b"c":
            pass
        peer.send(wal(1, b"lost") + COPY_DONE + END)

    def cancelling(peer: Peer) -> None:
        peer.first_packet()

    async def read(server: FakeServer) -> None:
        settings: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "user": "u", "dbname": "d"}
        conn = await AsyncReplicationConnection.connect(**settings, sslmode="disable", gssencmode="disable")
        async with conn.start_physical(1) as stream:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.read(30), 0.05)
            with pytest.raises(pgfast.InterfaceError, match="interrupted"):
                await stream.read(1)
        await conn.close()

    with FakeServer(streaming(then=then), cancelling) as server:
        asyncio.run(read(server))


# ---------------------------------------------------------------- base backups


@pytest.mark.parametrize("name", [b"../../etc/passwd", b"/etc/passwd", b".profile", b"", b"c:\\x", b"a\\b"])
def test_an_archive_cannot_lead_out_of_a_directory(face: Face, name: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.message()
        start = m.row_description(("recptr", 25), ("tli", 20)) + m.data_row(b"0/1", b"1") + m.complete("SELECT")
        spaces = (
            m.row_description(("spcoid", 26), ("spclocation", 25), ("size", 20))
            + m.data_row(None, None, None)
            + m.complete("SELECT")
        )
        piece = m.copy_data(b"n" + name + b"\0\0") + m.copy_data(b"dtar")
        peer.send(start + spaces + m.copy_out_response() + piece)

    with FakeServer(script, lambda peer: None) as server:
        walsender = follow(face, server)
        with pytest.raises(ProtocolError, match="none of a file"):
            walsender.base_backup().__enter__()
