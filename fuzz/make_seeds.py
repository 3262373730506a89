"""Writes the seeds that are not found: what real servers say to each flow, values as they send them, and `texts`.

    python -m fuzz.make_seeds

Needs the extra `test`, and npm for a server of version 13, which speaks protocol 2.0. What the fuzzer has found or
grown stays as it is.
"""

from __future__ import annotations

import socket
import struct
from base64 import b64encode
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pgfast
from pgfast import const
from pgfast.embedded import EmbeddedServer
from pgfast.errors import Error
from pgfast.net.conninfo import parse
from pgfast.net.deadline import Deadline
from pgfast.net.sockets import Address
from pgfast.net.sync import Link
from pgfast.protocol import scram
from pgfast.protocol.session import Session
from pgfast.types.builtins import BY_OID
from tests.catalogue.corpus import VALUES
from tests.protocol import messages as m
from tests.versions import installation

from . import beginnings, csvtext, flows, sessions
from .mutate import split
from .texts import FORM, RECORDS, TEXTS
from .wire import OIDS

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
        if names[0] not in beginnings.BEGINNINGS:
            link.run(beginnings.connect(session), Deadline(20))
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
    spoken = [b"token", *[beginnings.SEALED + turn for turn in sessions.turns(stream, []) if turn]]
    return b"G" + b"".join([struct.pack(">I", len(one)) + one for one in spoken])


def write(name: str, title: str, data: bytes) -> None:
    """One seed."""
    directory = SEEDS / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / title).write_bytes(data)


def choices(names: list[flows.Flow], how: bytes) -> bytes:
    """The choices by which the harness plays these flows."""
    begins = [beginnings.BEGINNINGS.index(flow) for flow in names[:1] if flow in beginnings.BEGINNINGS]
    numbers = [flows.FLOWS.index(flow) for flow in names if flow in flows.FLOWS]
    return bytes([*begins, *[255] * (1 - len(begins)), *numbers, *[255] * (3 - len(numbers))]) + how


def conversation(server: EmbeddedServer, title: str, *names: flows.Flow) -> None:
    """A seed of the sessions, twice with other choices; its bytes are one of the frames too."""
    stream = (
        shortened(record(server, list(names))) if names[0] is not beginnings.connect_old else record(server, [*names])
    )
    write("sessions", title, choices(list(names), _WHOLE) + stream)
    if len(stream) < _LONGEST // 4:
        write("sessions", f"{title}-cut", choices(list(names), _CUT) + stream)
    if names[0] is beginnings.connect_old:
        write("parsers", title, bytes((0, 7, 0, 0)) + stream)
        return
    write("frames", title, bytes((1, 1, 0, 30, 90)).ljust(12, b"\0") + stream)
    if names[0] is beginnings.followed:
        write("parsers", title, bytes((5, 0, 0, 0)) + changes(stream))


def changes(stream: bytes) -> bytes:
    """The messages of pgoutput in a stream, as the parsers' harness reads them."""
    inner = [piece[30:] for piece in split(stream) if piece[:1] == b"d" and piece[5:6] == b"w"]
    return b"".join([struct.pack(">H", len(one)) + one for one in inner])


def records() -> None:
    """Seeds of CSV: a column of each kind, in lines of each sort, and several columns."""
    kinds = sorted(const.CSV_KINDS)
    for kind, text in RECORDS.items():
        head = bytes((0, 0, 0, 0, kinds.index(kind), 0, 0, 0, 0, 1, 200, 0))
        write("csvtext", f"kind-{kind}", head.ljust(csvtext.HEAD, b"\0") + text)
        write("csvtext", f"kind-{kind}-crlf", head.ljust(csvtext.HEAD, b"\0") + text.replace(b"\n", b"\r\n"))
    columns = (const.KIND_INT4, const.KIND_STR, const.KIND_NUMERIC)
    parts = b"".join([bytes((kinds.index(kind), 0, 0)) for kind in columns])
    head = bytes((2, 0, 0, 0, 0, 0)) + parts + bytes((0, 250, 1, 3, 0))
    text = b'a,b,"c"\n1,x,2.5\n2,"y, ""z""\n",\n,,\n' + b"3,abc,1.00\n" * 9
    write("csvtext", "columns", head.ljust(csvtext.HEAD, b"\0") + text)


def bound_scram() -> bytes:
    """What a server says after its consent to TLS that asks for a password bound to its certificate, and knows it."""
    nonce = b64encode(sessions.NONCE) + b"server"
    first = b"r=" + nonce + b",s=c2FsdA==,i=2"
    bound = b64encode(scram.BOUND + sha256(sessions.CERTIFICATE).digest())
    signed = b"n=,r=" + b64encode(sessions.NONCE) + b"," + first + b",c=" + bound + b",r=" + nonce
    salted = pbkdf2_hmac("sha256", b"secret", b"salt", 2)
    proof = b64encode(digest(digest(salted, b"Server Key", "sha256"), signed, "sha256"))
    asked = m.authentication(10, scram.MECHANISM_PLUS.encode() + b"\0SCRAM-SHA-256\0\0")
    return b"S" + asked + m.authentication(11, first) + m.authentication(12, b"v=" + proof) + m.WELCOME


def logins() -> None:
    """Seeds of logging in by what the servers here are not set up for."""
    bearer = m.authentication(10, b"OAUTHBEARER\0\0")
    refusal = m.authentication(11, TEXTS[3][0])
    for title, flow, stream in (
        ("oauth", beginnings.connect, bearer + m.WELCOME),
        ("oauth-refused", beginnings.connect, bearer + refusal + m.error("FATAL", "28000", "no")),
        ("gss", beginnings.connect, m.authentication(7) + m.authentication(8, b"token") + m.WELCOME),
        ("kerberos", beginnings.connect, m.authentication(2)),
        ("negotiated", beginnings.connect_newest, m.message(b"v", struct.pack(">ii", 196608, 0)) + m.WELCOME),
        ("no-process", beginnings.connect, b"Ecould not fork new process for connection: Resource unavailable\n\0"),
        ("no-tls", beginnings.secured, b"N"),
        ("scram-plus", beginnings.secured, bound_scram()),
    ):
        write("sessions", title, choices([flow], _WHOLE) + stream)


def parsed(server: EmbeddedServer) -> None:
    """Seeds of the parsers: texts, and values of all types as the server writes them."""
    for parser, texts in TEXTS.items():
        for number, text in enumerate(texts):
            for choice in range(0, 36, 4 if parser == FORM else 36):
                write("parsers", f"text-{parser}-{number}-{choice}", bytes((parser, 9 + choice, number & 1, 0)) + text)
    with pgfast.connect(server.dsn, autocommit=True) as conn:
        for oid in OIDS:
            name = BY_OID[oid].sql
            literals = [one.text for one in VALUES.get(name, ()) if not one.expression and 0 < len(one.text) < 60]
            place = OIDS.index(oid).to_bytes(2, "big")
            for number, literal in enumerate(literals[:: max(1, len(literals) // 2)][:2]):
                try:
                    text = conn.execute(f"select %s::text::{name}::text", (literal,)).fetchall()[0][0]
                    sender = conn.execute(
                        "select typsend::regproc::text from pg_type where oid = %s", (oid,)
                    ).fetchall()
                    wire = conn.execute(f"select {sender[0][0]}(%s::text::{name})", (literal,)).fetchall()[0][0]
                except Error:
                    continue  # no input function, or a name that this database does not have
                write("parsers", f"text-of-{oid}-{number}", b"\x08" + place + b"\0" + text.encode())
                write("parsers", f"wire-of-{oid}-{number}", b"\x08" + place + b"\1" + wire)


def main() -> None:
    """All of them."""
    records()
    logins()
    with mock.patch("pgfast.protocol.scram.secrets.token_bytes", sessions.nonce):
        for method in ("password", "md5", "scram-sha-256"):
            setting = {"password_encryption": "md5" if method == "md5" else "scram-sha-256"}
            hba = f"host all postgres 127.0.0.1/32 {method}\nlocal all all trust\n"
            with EmbeddedServer(settings=setting, hba=hba, init_sql=_PASSWORD) as server:
                conversation(server, f"connect-{method}", beginnings.connect)
                if method == "password":
                    said = shortened(record(server, [beginnings.connect]))
                    write("sessions", "sealed", choices([beginnings.sealed], _WHOLE) + sealed(said))
        with EmbeddedServer(settings={"wal_level": "logical"}) as server:
            with pgfast.connect(server.dsn) as conn:  # what init_sql makes is the system's, and not published
                conn.execute(flows.SCHEMA)
            parsed(server)
            conversation(server, "connect-newest", beginnings.connect_newest, flows.simple)
            conversation(server, "connect-walsender", beginnings.connect_walsender)
            conversation(server, "cancelled", beginnings.cancelled)
            for flow in flows.FLOWS:
                conversation(server, flow.__name__, flow)
            conversation(server, "three", flows.extended, flows.copy_in, flows.streamed)
            conversation(server, "followed", beginnings.followed)
            conversation(server, "backed_up", beginnings.backed_up)
        with EmbeddedServer(installation=installation(13)) as server:
            conversation(server, "connect-13", beginnings.connect_newest)
            conversation(server, "connect-old", beginnings.connect_old)


if __name__ == "__main__":
    main()
