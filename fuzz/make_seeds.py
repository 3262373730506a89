"""Writes the seeds that are conversations: what real servers say to each flow, recorded.

    python -m fuzz.make_seeds

Needs the extra `test`, and npm for a server of version 13, which speaks protocol 2.0. Seeds that the fuzzer has found
stay as they are.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any, Final
from unittest import mock

from pgfast.embedded import EmbeddedServer
from pgfast.errors import Error
from pgfast.net.conninfo import parse
from pgfast.net.deadline import Deadline
from pgfast.net.sockets import Address
from pgfast.net.sync import Link
from pgfast.protocol.session import Session
from tests.versions import installation

from . import flows, sessions
from .mutate import split

SEEDS: Final = Path(__file__).resolve().parent / "seeds"
_PASSWORD: Final = "alter role postgres password 'secret';"
_LONGEST: Final = 8000
#: Tags of messages that come in runs.
_MANY: Final = b"SDd"
#: Choices of the sessions: as it was said; then in pieces of all sizes, too early, to a socket that is full.
_WHOLE: Final = bytes((200, 200, 0, 0))
_CUT: Final = bytes((2, 40, 25, 0))


class RecordingSocket(socket.socket):
    """Keeps what has come."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.heard = bytearray()
        self.connect(("127.0.0.1", port))

    def recv(self, size: int, flags: int = 0) -> bytes:
        found = super().recv(size, flags)
        self.heard += found
        return found

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        size = super().recv_into(buffer, nbytes, flags)
        self.heard += memoryview(buffer)[:size]
        return size


def record(server: EmbeddedServer, names: list[flows.Flow]) -> bytes:
    """What the server says to these flows, one after the other; to the connecting before them only where it is one."""
    sock = RecordingSocket(server.port)
    info = parse(server.dsn)[0]
    session = Session(autocommit=True)
    link = Link(sock, session, info, Address(socket.AF_INET, ("127.0.0.1", server.port), "it"))
    try:
        if names[0] not in flows.BEGINNINGS:
            link.run(flows.connect(session), Deadline(20))
            sock.heard.clear()
            session.parameters.clear()  # the harness begins without any
        for flow in names:
            try:
                link.run(flow(session), Deadline(20))
            except Error as exc:
                print(f"make_seeds: {flow.__name__}: {exc}")
        return bytes(sock.heard)
    finally:
        link.close()


def shortened(stream: bytes) -> bytes:
    """The stream without the middle of long runs of one message, and of long messages."""
    pieces = split(stream)
    kept = [
        piece
        for at, piece in enumerate(pieces)
        if piece[0] not in _MANY or {one[0] for one in pieces[max(at - 3, 0) : at + 2]} != {piece[0]}
    ]
    return b"".join([piece for piece in kept if len(piece) < _LONGEST // 2])[:_LONGEST]


def sealed(stream: bytes) -> bytes:
    """What a server says that seals a conversation: its consent, its token, and a packet for each turn."""
    spoken = [b"token", *[flows.SEALED + turn for turn in sessions.turns(stream, []) if turn]]
    return b"G" + b"".join([struct.pack(">I", len(one)) + one for one in spoken])


def write(name: str, title: str, data: bytes) -> None:
    """One seed."""
    directory = SEEDS / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / title).write_bytes(data)


def choices(names: list[flows.Flow], how: bytes) -> bytes:
    """The choices by which the harness plays these flows."""
    begins = [flows.BEGINNINGS.index(flow) for flow in names[:1] if flow in flows.BEGINNINGS]
    numbers = [flows.FLOWS.index(flow) for flow in names if flow in flows.FLOWS]
    return bytes([*begins, *[255] * (1 - len(begins)), *numbers, *[255] * (3 - len(numbers))]) + how


def conversation(server: EmbeddedServer, title: str, *names: flows.Flow) -> None:
    """A seed of the sessions, twice with other choices; its bytes are one of the frames too."""
    stream = shortened(record(server, list(names))) if names[0] is not flows.connect_old else record(server, [*names])
    write("sessions", title, choices(list(names), _WHOLE) + stream)
    if len(stream) < _LONGEST // 4:
        write("sessions", f"{title}-cut", choices(list(names), _CUT) + stream)
    if names[0] is flows.connect_old:
        write("parsers", title, bytes((0, 7, 0, 0)) + stream)
        return
    write("frames", title, bytes((1, 1, 0, 30, 90)).ljust(12, b"\0") + stream)
    if names[0] is flows.followed:
        write("parsers", title, bytes((5, 0, 0, 0)) + changes(stream))


def changes(stream: bytes) -> bytes:
    """The messages of pgoutput in a stream, as the parsers' harness reads them."""
    inner = [piece[30:] for piece in split(stream) if piece[:1] == b"d" and piece[5:6] == b"w"]
    return b"".join([struct.pack(">H", len(one)) + one for one in inner])


def main() -> None:
    """All conversations."""
    with mock.patch("pgfast.protocol.scram.secrets.token_bytes", sessions.nonce):
        for method in ("password", "md5", "scram-sha-256"):
            setting = {"password_encryption": "md5" if method == "md5" else "scram-sha-256"}
            hba = f"host all postgres 127.0.0.1/32 {method}\nlocal all all trust\n"
            with EmbeddedServer(settings=setting, hba=hba, init_sql=_PASSWORD) as server:
                conversation(server, f"connect-{method}", flows.connect)
                if method == "password":
                    said = shortened(record(server, [flows.connect]))
                    write("sessions", "sealed", choices([flows.sealed], _WHOLE) + sealed(said))
        with EmbeddedServer(settings={"wal_level": "logical"}, init_sql=flows.SCHEMA) as server:
            conversation(server, "connect-newest", flows.connect_newest, flows.simple)
            conversation(server, "connect-walsender", flows.connect_walsender)
            conversation(server, "cancelled", flows.cancelled)
            for flow in flows.FLOWS:
                conversation(server, flow.__name__, flow)
            conversation(server, "three", flows.extended, flows.copy_in, flows.streamed)
            conversation(server, "followed", flows.followed)
            conversation(server, "backed_up", flows.backed_up)
        with EmbeddedServer(installation=installation(13)) as server:
            conversation(server, "connect-13", flows.connect_newest)
            conversation(server, "connect-old", flows.connect_old)


if __name__ == "__main__":
    main()
