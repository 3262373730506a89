"""Messages that cannot be, said to a client in every state: lengths, tags, contents. Each ends the connection."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import LIMIT_S, MESSAGES, STAGES, UNASKED, Attack, Stage
from ..protocol import messages as m

LENGTHS = (-1, 0, 3, 2**31 - 1)


def ended(conn: Any, failure: BaseException | None, where: str) -> None:
    """Check that the attempt ended in an error of its own, soon, and with the connection closed."""
    assert failure is not None, f"{where} was taken"
    assert not isinstance(failure, errors.TimeoutError), f"{where} left the client waiting"
    assert isinstance(failure, pgfast.DatabaseError), f"{where} ended in {failure!r}"
    assert str(failure), f"{where} ended in an error without words"
    if conn is not None:
        assert conn.closed, f"{where} left the connection open"
        conn.close()


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_a_length_that_cannot_be_ends_the_connection_in_every_state(face: Face, stage: Stage) -> None:
    with Attack(stage) as attack:
        for tag in MESSAGES:
            for length in LENGTHS:
                said = tag + length.to_bytes(4, "big", signed=True) + bytes(8)
                where = f"{said!r} in the state {stage.name}"
                conn, _, failure = attack.on(face, said)
                ended(conn, failure, where)
                old = stage.name == "startup" and tag == b"E"  # an error of a server that knows no lengths
                assert isinstance(failure, pgfast.OperationalError if old else errors.ProtocolError), where


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_a_message_of_another_state_ends_the_connection(face: Face, stage: Stage) -> None:
    with Attack(stage) as attack:
        for tag, said in MESSAGES.items():
            where = f"{said!r} in the state {stage.name}"
            conn, result, failure = attack.on(face, said)
            if stage.name in ("starting", "next statement", "sync", "end of function call") and tag == b"Z":
                assert failure is None, where  # the end of what was asked
                conn.close()
                continue
            ended(conn, failure, where)
            assert result is None
            if tag not in stage.legal + UNASKED + b"E":
                assert isinstance(failure, errors.ProtocolError), where


def fields(**texts: bytes) -> bytes:
    return b"".join(code.encode() + text + b"\0" for code, text in texts.items()) + b"\0"


def column(name: bytes = b"a\0", code: int = 0) -> bytes:
    return name + struct.pack("!IhIhih", 0, 0, 23, 4, -1, code)


#: Payloads that no server sends, by the tag and by the stages in which the message itself is allowed.
MALFORMED: dict[bytes, tuple[tuple[str, ...], tuple[bytes, ...]]] = {
    b"R": (("startup",), (b"", b"\0\0\0", b"\0\0\0\0\0", b"\0\0\0\3\0", b"\0\0\0\5\1\2\3", b"\0\0\0\5\1\2\3\4\5")),
    b"v": (
        ("startup",),
        (
            b"",
            b"\0\3\0\0",
            b"\0\3\0\0\xff\xff\xff\xff",
            b"\0\3\0\0\x7f\xff\xff\xff",
            b"\0\3\0\0\0\0\0\1_pq_.x",
            b"\0\3\0\0\0\0\0\0\0",
        ),
    ),
    b"K": (("starting",), (b"", b"\0\0\0\7", b"\0\0\0\7" + b"k" * 3, b"\0\0\0\7" + b"k" * 5, bytes(4 + 257))),
    b"S": (("starting", "idle", "execute"), (b"", b"a", b"a\0", b"a\0b", b"a\0b\0c")),
    b"A": (
        ("starting", "idle", "copy out", "stream"),
        (b"", b"\0\0\0", b"\0\0\0\1c", b"\0\0\0\1c\0p", b"\0\0\0\1c\0p\0x"),
    ),
    b"N": (("startup", "idle", "sync", "function call"), (b"", b"S", b"Mx", b"Mx\0", b"Mx\0\0x")),
    b"E": (("starting", "query", "execute", "copy in"), (b"", b"S", b"Mx", b"Mx\0", b"Mx\0\0x")),
    b"Z": (("starting", "next statement", "sync"), (b"", b"II", b"i", b"\0", b"X")),
    b"C": (("query", "execute", "copy in", "end of copy out"), (b"", b"SELECT 1", b"A\0B\0", b"\xff\xfe\0", b"\0\0")),
    b"T": (
        ("query", "columns"),
        (
            *(b"", b"\0", b"\xff\xff", b"\x7f\xff" + column(), b"\0\2" + column(), b"\0\1" + column()[:-1]),
            *(
                b"\0\1" + column() + b"x",
                b"\0\1" + column(b"no end"),
                b"\0\1" + column(code=2),
                b"\0\1" + column(b"\xff\0"),
            ),
        ),
    ),
    b"t": (("describe",), (b"", b"\0", b"\0\1", b"\xff\xff\0\0\0\x17", b"\0\1\0\0\0\x17\0", b"\0\0\0")),
    b"D": (
        ("execute", "stream"),
        (
            *(b"", b"\0", b"\xff\xff", b"\0\0", b"\0\2" + b"\0\0\0\4\0\0\0\1" * 2, b"\0\1", b"\0\1\0\0\0"),
            *(b"\0\1\xff\xff\xff\xfe", b"\0\1\x7f\xff\xff\xff", b"\0\1\0\0\0\5\0\0\0\1", b"\0\1\0\0\0\4\0\0\0\1x"),
            *(b"\0\1\0\0\0\3\0\0\0", b"\x7f\xff\0\0\0\4\0\0\0\1"),
        ),
    ),
    b"G": (
        ("query",),
        (b"", b"\2\0\0", b"\0", b"\0\xff\xff", b"\0\x7f\xff\0\0", b"\0\0\1", b"\0\0\0\0", b"\0\0\1\0\1", b"\1\0\1\0\7"),
    ),
    b"H": (
        ("query", "end of copy out"),
        (b"", b"\2\0\0", b"\0", b"\0\xff\xff", b"\0\x7f\xff\0\0", b"\0\0\1", b"\0\0\0\0"),
    ),
    b"W": (("backup",), (b"", b"\2\0\0", b"\0\xff\xff", b"\0\0\1", b"\0\0\0\0")),
    b"V": (
        ("function call",),
        (
            b"",
            b"\0\0\0",
            b"\xff\xff\xff\xfe",
            b"\x7f\xff\xff\xff",
            b"\0\0\0\5abcd",
            b"\0\0\0\3abcd",
            b"\xff\xff\xff\xffx",
            b"\0\0\0\0x",
        ),
    ),
    b"1": (("parse",), (b"x",)),
    b"2": (("bind", "pipeline"), (b"x",)),
    b"n": (("columns",), (b"x",)),
    b"I": (("query", "execute"), (b"x", b"\0")),
    b"s": (("stream",), (b"x",)),
    b"c": (("copy out", "replication"), (b"x",)),
    b"d": (
        ("replication",),
        (b"", b"x", b"w", b"w\0\0", b"w" + bytes(23), b"k" + bytes(16), b"k" + bytes(18)),
    ),
}


@pytest.mark.parametrize("tag", MALFORMED, ids=lambda tag: tag.decode())
def test_contents_that_cannot_be_end_the_connection(face: Face, tag: bytes) -> None:
    names, payloads = MALFORMED[tag]
    for stage in [stage for stage in STAGES if stage.name in names]:
        with Attack(stage) as attack:
            for payload in payloads:
                said = m.message(tag, payload)
                where = f"{said!r} in the state {stage.name}"
                conn, _, failure = attack.on(face, said, password="secret")
                ended(conn, failure, where)
                assert isinstance(failure, errors.ProtocolError), f"{where}: {failure!r}"


def test_every_stage_that_is_named_is_there() -> None:
    assert {name for names, _ in MALFORMED.values() for name in names} <= {stage.name for stage in STAGES}
    assert len({stage.name for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\0", "the server reports an error without a message"),
        (fields(M=b"one"), "one"),
        (fields(Y=b"?", M=b"two", y=b""), "two"),
        (fields(M=b"three")[:-1] + fields(M=b"four"), "four"),
        (fields(C=b"", M=b"five"), "five"),
        (fields(C=b"\xff\xff\xff", M=b"\xff"), "\ufffd"),
        (fields(M=b"long" * 100_000), "longlong"),
    ],
)
def test_an_error_of_any_make_is_an_error_and_leaves_the_connection_usable(
    face: Face, payload: bytes, words: str
) -> None:
    def server(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send(m.message(b"E", payload) + m.ready())
        peer.until(b"Q")
        peer.send(m.complete("SELECT 1") + m.ready())
        peer.wait_for_end()

    with FakeServer(server) as fake:
        conn = face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", autocommit=True)
        with pytest.raises(pgfast.DatabaseError) as caught:
            conn.execute("select 1; select 2", timeout=LIMIT_S)
        assert words in str(caught.value)
        conn.execute("select 1; select 2", timeout=LIMIT_S)
        conn.close()


@pytest.mark.parametrize("tag", [b"A", b"S", b"C", b"K", b"R", b"1", b"Z"])
def test_a_short_message_of_a_gigabyte_is_refused_by_its_head(face: Face, tag: bytes) -> None:
    for stage in STAGES:
        if stage.name in ("starting", "idle", "query", "copy out", "execute"):
            with Attack(stage) as attack:
                conn, _, failure = attack.on(face, tag + (2**30 - 1).to_bytes(4, "big") + bytes(64))
                ended(conn, failure, f"{tag!r} of a gigabyte in the state {stage.name}")
                assert isinstance(failure, errors.ProtocolError)


@pytest.mark.parametrize("tag", [b"E", b"N", b"T", b"D"])
def test_memory_follows_what_comes_and_not_what_is_announced(face: Face, tag: bytes) -> None:
    """A gigabyte is announced, and a hundredth of it sent before the server hangs up."""
    name = "rows of a query" if tag == b"D" else "query"
    with Attack(next(stage for stage in STAGES if stage.name == name)) as attack:
        conn, _, failure = attack.on(face, tag + (2**30 - 1).to_bytes(4, "big") + b"x")
        ended(conn, failure, "a message that breaks off")
        tracemalloc.start()
        try:
            conn, _, failure = attack.on(face, tag + (2**30 - 1).to_bytes(4, "big") + bytes(10_000_000))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        ended(conn, failure, "a message that breaks off")
        assert peak < 100_000_000
