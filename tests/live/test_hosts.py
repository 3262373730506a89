"""Which server a connection comes to: several hosts, kinds of servers, services, sockets of the program's own."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import OperationalError, errors
from pgfast.embedded import EmbeddedServer

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m
from ..servers import TlsServer, start_server


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGFAST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def other() -> Iterator[EmbeddedServer]:
    """A second server, whose sessions are read-only unless they say otherwise."""
    with start_server(default_transaction_read_only="on") as started:
        yield started


def port_of(conn: Any) -> int:
    return int(conn.execute("select current_setting('port')::int").fetchone()[0])


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def hosts(*ports: int, **more: Any) -> dict[str, Any]:
    """Settings for servers of this machine on these ports."""
    listed = ",".join(["127.0.0.1"] * len(ports))
    return {"host": listed, "port": ",".join(map(str, ports)), "user": "postgres", "dbname": "postgres", **more}


def test_the_first_host_that_can_be_reached_is_taken(face: Face, server: EmbeddedServer, other: EmbeddedServer) -> None:
    conn = face.connect(**hosts(closed_port(), server.port, other.port))
    assert port_of(conn) == server.port == conn.info.port
    uri = f"postgresql://postgres@127.0.0.1:{closed_port()},127.0.0.1:{other.port}/postgres"
    assert port_of(face.connect(uri)) == other.port


def test_every_failure_is_told_where_no_host_is_left(face: Face) -> None:
    first, second = closed_port(), closed_port()
    with pytest.raises(OperationalError) as caught:
        face.connect(**hosts(first, second))
    assert f"127.0.0.1:{first}" in str(caught.value)
    assert f"127.0.0.1:{second}" in str(caught.value)


def test_a_refusal_is_final(face: Face, server: EmbeddedServer, other: EmbeddedServer) -> None:
    with pytest.raises(errors.InvalidCatalogName):
        face.connect(**{**hosts(server.port, other.port), "dbname": "nowhere"})


def test_a_server_that_is_starting_is_passed_by(face: Face, server: EmbeddedServer) -> None:
    def starting(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.error("FATAL", "57P03", "the database system is starting up"))

    with FakeServer(starting) as fake:
        assert port_of(face.connect(**hosts(fake.port, server.port, sslmode="disable"))) == server.port


def test_each_host_has_its_own_time(face: Face, server: EmbeddedServer) -> None:
    def silent(peer: Peer) -> None:
        peer.first_packet()
        peer.sock.recv(1)

    with FakeServer(silent) as fake:
        settings = hosts(fake.port, server.port, sslmode="disable")
        started = time.monotonic()
        conn = face.connect(**settings, connect_timeout=1)
        assert port_of(conn) == server.port
        conn = face.connect(**settings, timeout=2)
        assert port_of(conn) == server.port
        assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("any", "other"),
        ("read-write", "server"),
        ("read-only", "other"),
        ("primary", "other"),
        ("prefer-standby", "other"),
    ],
)
def test_a_server_of_the_kind_that_is_asked_for_is_taken(
    face: Face, server: EmbeddedServer, other: EmbeddedServer, wanted: str, found: str
) -> None:
    conn = face.connect(**hosts(other.port, server.port), target_session_attrs=wanted)
    assert port_of(conn) == {"server": server.port, "other": other.port}[found]


def test_a_kind_that_no_server_is_of_is_told(face: Face, server: EmbeddedServer, other: EmbeddedServer) -> None:
    with pytest.raises(OperationalError, match="not a standby, and target_session_attrs=standby"):
        face.connect(**hosts(server.port, other.port), target_session_attrs="standby")


def test_hosts_are_shuffled_where_that_is_wanted(server: EmbeddedServer, other: EmbeddedServer) -> None:
    seen = set()
    for _ in range(60):
        with pgfast.connect(**hosts(server.port, other.port), load_balance_hosts="random") as conn:
            seen.add(conn.info.port)
    assert seen == {server.port, other.port}


# ---------------------------------------------------------------- services


def test_a_service_gives_what_is_not_given(face: Face, server: EmbeddedServer, tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"# mine\n[other]\nhost=nowhere\n\n[mine]\nhost=127.0.0.1\nport = {server.port}\nuser=postgres\n"
        "dbname=nowhere\napplication_name=from the service\n"
    )
    conn = face.connect("service=mine dbname=postgres", servicefile=str(file))
    assert conn.execute("show application_name").fetchone() == ("from the service",)
    (tmp_path / ".pg_service.conf").write_text(file.read_text())
    assert port_of(face.connect(service="mine", dbname="postgres")) == server.port


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x]\nhost=h\n", "there is no service 'mine'"),
        ("[mine]\nhost\n", "line 2: '=' is missing"),
        ("[mine]\nhots=h\n", "line 2: unknown keyword 'hots'"),
        ("[mine]\nservice=x\n", "line 2: a service cannot name another"),
    ],
)
def test_a_service_that_makes_no_sense_is_told(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "services"
    file.write_text(text)
    with pytest.raises(pgfast.ProgrammingError, match=words):
        pgfast.connect(service="mine", servicefile=str(file))
    with pytest.raises(pgfast.ProgrammingError, match="No such file"):
        pgfast.connect(service="mine", servicefile=str(tmp_path / "none"))


def test_the_variables_of_libpq_name_a_service(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pg_service.conf").write_text(f"[mine]\nhost=127.0.0.1\nport={server.port}\nuser=postgres\n")
    monkeypatch.setenv("PGSYSCONFDIR", str(tmp_path))
    monkeypatch.setenv("PGSERVICE", "mine")
    monkeypatch.setenv("PGPORT", "1")  # a service wins over variables
    with pgfast.connect(dbname="postgres") as conn:
        assert port_of(conn) == server.port


# ---------------------------------------------------------------- sockets of the program's own


def test_a_socket_of_the_programs_own_is_used_and_cancelled_at_its_address(face: Face, server: EmbeddedServer) -> None:
    sock = socket.create_connection(("127.0.0.1", server.port))
    conn = face.connect(sock=sock, user="postgres", dbname="postgres", autocommit=True)
    assert port_of(conn) == server.port
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(30)", timeout=0.2)
    assert port_of(conn) == server.port


def test_a_function_that_makes_sockets_is_called_for_each(face: Face, server: EmbeddedServer) -> None:
    made: list[socket.socket] = []

    def make() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", server.port)))
        return made[-1]

    conn = face.connect(sock=make, user="postgres", dbname="postgres", autocommit=True)
    assert (port_of(conn), len(made)) == (server.port, 1)
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(30)", timeout=0.2)
    assert (port_of(conn), len(made)) == (server.port, 2)

    async def make_later() -> socket.socket:
        await asyncio.sleep(0)
        return make()

    if face.is_async:
        assert port_of(face.connect(sock=make_later, user="postgres", dbname="postgres")) == server.port
    else:
        with pytest.raises(pgfast.InterfaceError, match="cannot await"):
            face.connect(sock=make_later, user="postgres", dbname="postgres")


def test_a_socket_that_is_none_is_refused(face: Face) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="a connected socket or a callable"):
        face.connect(sock="socket")
    with socket.socket() as sock, pytest.raises(OperationalError, match="sock is not connected"):
        face.connect(sock=sock)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="only Linux tells who is at the other end")
def test_the_user_of_the_server_can_be_demanded(face: Face, server: EmbeddedServer) -> None:
    settings: dict[str, Any] = {
        "host": server.socket_directory,
        "port": server.port,
        "user": "postgres",
        "dbname": "postgres",
    }
    owner = subprocess.run(
        ["stat", "-c", "%U", f"{server.socket_directory}/.s.PGSQL.{server.port}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert port_of(face.connect(**settings, requirepeer=owner)) == server.port
    with pytest.raises(OperationalError, match=f"requirepeer is 'nobody-else', but the server runs as user '{owner}'"):
        face.connect(**settings, requirepeer="nobody-else")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{server.socket_directory}/.s.PGSQL.{server.port}")
        with pytest.raises(OperationalError, match="requirepeer is 'nobody-else'"):
            face.connect(sock=sock, user="postgres", dbname="postgres", requirepeer="nobody-else")


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_encryption_is_demanded_of_a_socket_of_the_programs_own(
    face: Face, sslmode: str, made: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls_server: TlsServer
) -> None:
    """Even where a server of this machine has its Unix socket at the default place, where there is no encryption."""
    (tmp_path / ".s.PGSQL.5432").touch()
    monkeypatch.setattr("pgfast.net.conninfo.SOCKET_DIRECTORIES", (str(tmp_path),))
    asked: list[bytes] = []

    def script(peer: Peer) -> None:
        asked.append(peer.first_packet()[:4])
        peer.send(b"N")
        assert peer.wait_for_end() == b""

    with FakeServer(script) as fake, socket.create_connection(("127.0.0.1", fake.port)) as sock:
        settings = {
            "user": "u",
            "dbname": "d",
            "sslmode": sslmode,
            "sslrootcert": tls_server.ca,
            "gssencmode": "disable",
        }
        if sslmode == "verify-full":
            with pytest.raises(OperationalError, match="needs host, the name to find in the certificate"):
                face.connect(sock=sock.dup, **settings)
            settings["host"] = "localhost"
        with pytest.raises(OperationalError, match="does not offer TLS"):
            face.connect(sock=sock.dup if made else sock.dup(), **settings)
    assert asked == [struct.pack("!i", 80877103)]


def test_time_is_left_for_the_second_round_over_the_hosts(face: Face, server: EmbeddedServer) -> None:
    """One host is no standby, and the other one says nothing."""

    def script(peer: Peer) -> None:
        peer.wait_for_end()

    with FakeServer(script) as silent:
        ports = server.port, silent.port
        assert port_of(face.connect(**hosts(*ports, target_session_attrs="prefer-standby", timeout=2))) == server.port


# ---------------------------------------------------------------- servers that do not know version 3.2


def refusing(peer: Peer) -> None:
    """A pooler that takes the version for a broken packet."""
    peer.first_packet()
    peer.send(m.error("FATAL", "08P01", "bad packet header"))


def hanging_up(peer: Peer) -> None:
    peer.first_packet()


def resetting(peer: Peer) -> None:
    peer.first_packet()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def late(peer: Peer) -> None:
    """A pooler that lets the client in before it fails."""
    peer.first_packet()
    peer.send(m.authentication(0) + m.message(b"E", b"Minvalid messages length(40) for BackendKeyData\0\0"))


def silent(peer: Peer) -> None:
    peer.first_packet()
    peer.sock.recv(1)


def without_frames(peer: Peer) -> None:
    peer.first_packet()
    peer.send(b"Econnection refused\0\0")


@pytest.mark.parametrize("first", [refusing, hanging_up, resetting, late, silent, without_frames])
def test_version_3_0_is_tried_where_3_2_was_not_understood(face: Face, first: Any) -> None:
    asked: list[bytes] = []

    def second(peer: Peer) -> None:
        asked.append(peer.first_packet()[:4])
        peer.send(m.WELCOME)
        peer.sock.recv(1)

    with FakeServer(first, second) as fake:
        conn = face.connect(
            host="127.0.0.1", port=fake.port, user="u", sslmode="disable", max_protocol_version="3.2", connect_timeout=2
        )
        conn.close()
        assert asked == [b"\0\3\0\0"]


def test_version_3_2_is_the_least_where_that_is_demanded(face: Face) -> None:
    with FakeServer(refusing) as fake, pytest.raises(OperationalError, match="bad packet header"):
        settings = {"max_protocol_version": "3.2", "min_protocol_version": "3.2", "sslmode": "disable"}
        face.connect(host="127.0.0.1", port=fake.port, user="u", **settings)
    assert fake.accepted == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (m.message(b"v", b"\0\3\0\3\0\0\0\0"), "protocol 3.3, which is not one"),
        (m.message(b"v", b"\0\2\0\0\0\0\0\0"), "protocol 2.0, which is not one"),
        (m.message(b"v", b"\0\3\0\0\0\0\0\1_pq_.x\0"), "options nobody asked for"),
        (m.message(b"v", b"\0\3\0\0\0\0\0\0") * 2, "a second time"),
        (m.authentication(0) + m.message(b"v", b"\0\3\0\0\0\0\0\0"), "NegotiateProtocolVersion came in the state"),
    ],
)
def test_a_version_that_nobody_asked_for_is_refused(face: Face, said: bytes, words: str) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(said)
        peer.sock.recv(1)

    with FakeServer(server) as fake, pytest.raises(errors.ProtocolError, match=words):
        settings = {"max_protocol_version": "3.2", "sslmode": "disable"}
        face.connect(host="127.0.0.1", port=fake.port, user="u", **settings)


@pytest.mark.parametrize(
    ("asked", "size", "good"),
    [
        ("3.0", 0, False),
        ("3.0", 3, False),
        ("3.0", 4, True),
        ("3.0", 5, False),
        ("3.2", 3, False),
        ("3.2", 4, True),
        ("3.2", 256, True),
        ("3.2", 257, False),
    ],
)
def test_a_cancel_key_has_a_length_that_the_version_allows(face: Face, asked: str, size: int, good: bool) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        key = m.message(b"K", b"\0\0\0\7" + b"k" * size)
        peer.send(m.authentication(0) + key + m.ready())
        peer.sock.recv(1)

    settings = {"user": "u", "sslmode": "disable", "max_protocol_version": asked, "min_protocol_version": asked}
    with FakeServer(server) as fake:
        if good:
            face.connect(host="127.0.0.1", port=fake.port, **settings).close()
        else:
            with pytest.raises(errors.ProtocolError, match=f"a key of {size} bytes|BackendKeyData"):
                face.connect(host="127.0.0.1", port=fake.port, **settings)
