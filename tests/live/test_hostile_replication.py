"""A walsender that talks nonsense: each message of the stream cut anywhere, and answers that are none."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import pytest

from pgfast import errors
from pgfast.replication import Decoder

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import LIMIT_S
from ..protocol import messages as m

INT4, TEXT = 23, 25
LSN = struct.pack("!Q", 0x16_B374_D848)
TIME = struct.pack("!q", 1_000_000)
XID = struct.pack("!I", 731)
GID = b"prepared\0"


def columns(*fields: bytes | None) -> bytes:
    """A tuple of pgoutput, its values as text."""
    parts = [b"n" if field is None else b"t" + struct.pack("!i", len(field)) + field for field in fields]
    return struct.pack("!h", len(fields)) + b"".join(parts)


RELATION = (
    b"R"
    + struct.pack("!I", 5)
    + b"public\0t\0d\0\2"
    + b"\1a\0"
    + struct.pack("!Ii", INT4, -1)
    + b"\0b\0"
    + struct.pack("!Ii", TEXT, -1)
)
ROW = columns(b"1", b"two")
OID = struct.pack("!I", 5)
#: Every message of the protocol versions 1 to 4, outside of streamed parts (docs: Logical Replication Message Formats).
PGOUTPUT: dict[str, bytes] = {
    "Begin": b"B" + LSN + TIME + XID,
    "Commit": b"C\0" + LSN + LSN + TIME,
    "Origin": b"O" + LSN + b"elsewhere\0",
    "Relation": RELATION,
    "Type": b"Y" + struct.pack("!I", 77) + b"public\0mood\0",
    "Insert": b"I" + OID + b"N" + ROW,
    "Update": b"U" + OID + b"N" + ROW,
    "Update with its key": b"U" + OID + b"K" + columns(b"1", None) + b"N" + ROW,
    "Update with its old row": b"U" + OID + b"O" + ROW + b"N" + ROW,
    "Delete by key": b"D" + OID + b"K" + columns(b"1", None),
    "Delete of a row": b"D" + OID + b"O" + ROW,
    "Truncate": b"T" + struct.pack("!iB", 2, 3) + OID + OID,
    "Message": b"M\1" + LSN + b"prefix\0" + struct.pack("!i", 4) + b"text",
    "Stream Start": b"S" + XID + b"\1",
    "Stream Commit": b"c" + XID + b"\0" + LSN + LSN + TIME,
    "Stream Abort": b"A" + XID + XID + LSN + TIME,
    "Begin Prepare": b"b" + LSN + LSN + TIME + XID + GID,
    "Prepare": b"P\0" + LSN + LSN + TIME + XID + GID,
    "Commit Prepared": b"K\0" + LSN + LSN + TIME + XID + GID,
    "Rollback Prepared": b"r\0" + LSN + LSN + TIME + TIME + XID + GID,
    "Stream Prepare": b"p\0" + LSN + LSN + TIME + XID + GID,
}
#: Where a message may end although another form of it goes on.
ALSO_WHOLE = {"Stream Abort": 9}


def decoder() -> Decoder:
    made = Decoder(lambda oid: (int if oid == INT4 else None, None))
    made.decode(RELATION)
    return made


@pytest.mark.parametrize("name", PGOUTPUT)
def test_every_prefix_of_a_message_of_pgoutput_is_refused(name: str) -> None:
    whole = PGOUTPUT[name]
    assert decoder().decode(whole) == decoder().decode(whole)
    for size in range(len(whole)):
        if ALSO_WHOLE.get(name) != size:
            with pytest.raises(errors.ProtocolError, match="pgoutput"):
                decoder().decode(whole[:size])
    with pytest.raises(errors.ProtocolError, match="pgoutput"):
        decoder().decode(whole + b"\0")


@pytest.mark.parametrize("name", PGOUTPUT)
def test_a_bent_message_of_pgoutput_is_read_or_refused(name: str) -> None:
    """Each byte in turn is another one: what comes of it is a message, or one of two errors."""
    whole = PGOUTPUT[name]
    for at in range(len(whole)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF):
            bent = whole[:at] + bytes([byte]) + whole[at + 1 :]
            with contextlib.suppress(errors.ProtocolError, errors.DataError):
                assert decoder().decode(bent) is not None


GARBAGE: dict[str, bytes] = {
    "a tag that there is not": b"?",
    "nothing": b"",
    "a change of an unknown relation": b"I" + struct.pack("!I", 99) + b"N" + ROW,
    "a row of another width": b"I" + OID + b"N" + columns(b"1"),
    "a value of an unknown kind": b"I" + OID + b"N" + b"\0\2x" + ROW[3:],
    "a value of a negative length": b"I" + OID + b"N\0\2t\xff\xff\xff\xfe",
    "a value longer than the message": b"I" + OID + b"N\0\2t\x7f\xff\xff\xff1",
    "columns below nought": b"R" + OID + b"public\0t\0d\xff\xff",
    "more columns than bytes": b"R" + OID + b"public\0t\0d\x7f\xff" + b"\1a\0" + bytes(8),
    "relations below nought": b"T\xff\xff\xff\xff\0",
    "more relations than bytes": b"T\x7f\xff\xff\xff\0" + OID,
    "a name that is not UTF-8": b"R" + OID + b"\xff\xfe\0t\0d\0\0",
    "a time that there is not": b"B" + LSN + b"\x7f" + b"\xff" * 7 + XID,
    "an end of a part that was not begun": b"E",
    "an old row of an Insert": b"I" + OID + b"O" + ROW,
    "a Delete without a row": b"D" + OID + b"N" + ROW,
    "content of a negative length": b"M\1" + LSN + b"p\0\xff\xff\xff\xff",
}


def streaming(*data: bytes) -> Callable[[Peer], None]:
    """A walsender whose stream holds this XLogData."""

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send(m.message(b"W", b"\0\0\0"))
        for one in data:
            peer.send(m.copy_data(b"w" + LSN + LSN + TIME + one))
        peer.wait_for_end()

    return script


def replicate(face: Face, fake: FakeServer, **more: Any) -> Any:
    settings = {"host": "127.0.0.1", "port": fake.port, "user": "u", "sslmode": "disable", "timeout": LIMIT_S}
    return face.replicate(**{**settings, **more})


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_in_a_stream_ends_the_connection(face: Face, garbage: bytes) -> None:
    with FakeServer(streaming(RELATION, garbage, b"I" + OID + b"N" + ROW)) as fake:
        conn = replicate(face, fake)
        with pytest.raises(errors.ProtocolError), conn.start_logical("s", ["p"]) as stream:
            for _ in range(3):
                stream.read(LIMIT_S)
        assert conn.closed
        conn.close()


@pytest.mark.parametrize(
    "data",
    [
        *(b"w"[:size] for size in range(2)),
        *((b"w" + LSN + LSN + TIME)[:size] for size in range(2, 25)),
        *((b"k" + LSN + TIME + b"\1")[:size] for size in range(1, 18)),
        b"k" + LSN + TIME + b"\1x",
        b"k" + LSN + b"\x7f" + b"\xff" * 7 + b"\1",
        b"w" + b"\xff" * 16 + TIME + b"beyond the last position",
        b"w" + LSN + LSN + b"\x80" + bytes(7) + b"before all times",
        b"z" + bytes(24),
    ],
)
def test_a_piece_of_a_stream_that_cannot_be_ends_the_connection(face: Face, data: bytes) -> None:
    def server(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send(m.message(b"W", b"\0\0\0") + m.copy_data(data))
        peer.wait_for_end()

    with FakeServer(server) as fake:
        conn = replicate(face, fake, physical=True)
        with pytest.raises(errors.ProtocolError), conn.start_physical("0/0") as stream:
            stream.read(LIMIT_S)
        assert conn.closed
        conn.close()


COMMANDS: dict[str, Callable[[Any], Any]] = {
    "IDENTIFY_SYSTEM": lambda conn: conn.identify_system(),
    "SHOW": lambda conn: conn.show("x"),
    "TIMELINE_HISTORY": lambda conn: conn.timeline_history(2),
    "CREATE_REPLICATION_SLOT": lambda conn: conn.create_slot("s"),
    "BASE_BACKUP": lambda conn: list(conn.base_backup().__enter__()),
}
FOUR = m.row_description(*[("x", TEXT)] * 4)
ANSWERS: dict[str, bytes] = {
    "no result": m.complete("X"),
    "no rows": FOUR + m.complete("X"),
    "no columns": m.row_description() + m.data_row() + m.complete("X"),
    "an empty statement": m.EMPTY_QUERY,
}
WRONG: dict[str, bytes] = {
    "words": FOUR + m.data_row(b"x", b"x", b"x", b"x") + m.complete("X"),
    "nothing": FOUR + m.data_row(None, None, None, None) + m.complete("X"),
    "a long number": FOUR + m.data_row(b"1", b"9" * 5000, b"0/1", b"d") + m.complete("X"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("answer", [*ANSWERS, *WRONG])
def test_a_command_of_a_walsender_is_not_answered_with_nonsense(face: Face, command: str, answer: str) -> None:
    if answer in WRONG and command in ("SHOW", "TIMELINE_HISTORY"):
        return  # any text will do there

    def server(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"Q")
        peer.send({**ANSWERS, **WRONG}[answer] + m.copy_out_response(0) * (command == "BASE_BACKUP") + m.ready())
        peer.wait_for_end()

    with FakeServer(server) as fake:
        conn = replicate(face, fake)
        with pytest.raises(errors.ProtocolError):
            COMMANDS[command](conn)
        assert conn.closed
        conn.close()


def test_pieces_of_a_backup_that_are_none_end_the_connection(face: Face) -> None:
    start = m.row_description(("p", TEXT), ("t", TEXT)) + m.data_row(b"0/1", b"1") + m.complete("SELECT")
    spaces = m.row_description(*[("x", TEXT)] * 3) + m.data_row(None, None, b"5") + m.complete("SELECT")
    for piece in (b"", b"?", b"p", b"p" + bytes(7), b"p" + bytes(9)):

        def server(peer: Peer, piece: bytes = piece) -> None:
            peer.welcome()
            peer.until(b"Q")
            peer.send(start + spaces + m.copy_out_response(0))
            peer.send(m.copy_data(b"nbase.tar\0\0") + m.copy_data(b"dtar") + m.copy_data(piece))
            peer.wait_for_end()

        with FakeServer(server) as fake:
            conn = replicate(face, fake)
            with pytest.raises(errors.ProtocolError, match="a piece of the unknown kind"):
                list(conn.base_backup().__enter__())
            assert conn.closed
            conn.close()
