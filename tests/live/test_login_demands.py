"""What the settings demand of the log-in: methods, channel binding, versions; and the ways into TLS."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import select
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import OperationalError, errors
from pgfast.errors import AuthenticationError

from ..faces import Face, target
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m
from ..servers import PASSWORDS, TlsServer


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGFAST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def user_of(conn: Any) -> str:
    return str(conn.execute("select current_user").fetchone()[0])


def test_a_name_that_no_certificate_can_have_is_told(face: Face, tls_server: TlsServer) -> None:
    settings = tls_server.keywords("u_trust", sslmode="verify-full", sslrootcert=tls_server.ca)
    settings["hostaddr"] = "127.0.0.1"
    for name in (".localhost", "a" * 70 + ".example"):
        settings["host"] = name
        with pytest.raises(OperationalError, match="no certificate can have"):
            face.connect(**settings)


def test_closing_never_takes_the_encryption_off(tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may be sending when a connection is closed."""
    encrypted: list[bool] = []
    shutdown = socket.socket.shutdown

    def looking(sock: Any, how: int) -> None:
        encrypted.append(sock._sslobj is not None)
        shutdown(sock, how)

    conn = pgfast.connect(**tls_server.keywords("u_trust", sslmode="require"))
    monkeypatch.setattr(ssl.SSLSocket, "shutdown", None)
    monkeypatch.setattr(socket.socket, "shutdown", looking)
    conn.close()
    assert encrypted == [True]


def test_closing_does_not_encrypt_what_another_thread_may_be_encrypting(
    tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bytes] = []
    held, closed = threading.Event(), threading.Event()

    def use(conn: Any) -> None:
        with conn._lock:
            held.set()
            closed.wait(20)

    def send(sock: ssl.SSLSocket, data: bytes, flags: int = 0) -> int:
        said.append(bytes(data))
        return len(data)

    alone, used = (pgfast.connect(**tls_server.keywords("u_trust", sslmode="require")) for _ in range(2))
    thread = threading.Thread(target=use, args=(used,))
    thread.start()
    assert held.wait(20)
    monkeypatch.setattr(ssl.SSLSocket, "send", send)
    alone.close()
    used.close()
    closed.set()
    thread.join()
    assert said == [b"X\0\0\0\4"]


# ---------------------------------------------------------------- require_auth


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("u_trust", "none"),
        ("u_password", "password"),
        ("u_md5", "md5"),
        ("u_scram", "scram-sha-256"),
        ("u_scram", "md5,scram-sha-256"),
        ("u_scram", "!none"),
        ("u_trust", "!md5,!password"),
    ],
)
def test_a_method_that_is_allowed_lets_in(face: Face, tls_server: TlsServer, user: str, allowed: str) -> None:
    assert user_of(face.connect(**tls_server.keywords(user, require_auth=allowed))) == user


@pytest.mark.parametrize(
    ("user", "allowed", "words"),
    [
        ("u_trust", "scram-sha-256", "without any authentication"),
        ("u_trust", "!none", "without any authentication"),
        ("u_password", "scram-sha-256", "asks for authentication by password"),
        ("u_md5", "scram-sha-256,password", "asks for authentication by md5"),
        ("u_scram", "md5", "asks for authentication by scram-sha-256"),
        ("u_scram", "none", "asks for authentication by scram-sha-256"),
        ("u_password", "!password", "asks for authentication by password"),
    ],
)
def test_a_method_that_is_not_allowed_gets_nothing(
    face: Face, tls_server: TlsServer, user: str, allowed: str, words: str
) -> None:
    with pytest.raises(OperationalError, match=words):
        face.connect(**tls_server.keywords(user, require_auth=allowed))


def test_a_cleartext_password_is_not_told_to_who_may_not_ask(face: Face) -> None:
    heard: list[bytes] = []

    def greedy(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(3))
        heard.append(peer.sock.recv(1000))

    with FakeServer(greedy) as fake, pytest.raises(OperationalError, match="require_auth does not allow"):
        face.connect(
            host="127.0.0.1",
            port=fake.port,
            user="u",
            password="never-told",
            require_auth="scram-sha-256",
            sslmode="disable",
        )
    assert heard == [b""]


def scram_keys(server: TlsServer, password: str) -> dict[str, str]:
    """The keys that stand for a password on this server, in base64."""
    with pgfast.connect(server.server.dsn) as conn:
        (stored,) = conn.execute("select rolpassword from pg_authid where rolname = 'u_scram'").fetchone() or ("",)
    iterations, salt = str(stored).split("$")[1].split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    return {
        f"scram_{side.lower()}_key": base64.b64encode(hmac.digest(salted, f"{side} Key".encode(), "sha256")).decode()
        for side in ("Client", "Server")
    }


@pytest.mark.parametrize("given", [("client", "server"), ("client", "password"), ("server", "password")])
def test_keys_stand_for_a_password(face: Face, tls_server: TlsServer, given: tuple[str, ...]) -> None:
    settings = tls_server.keywords("u_scram")
    password = settings.pop("password")
    keys = scram_keys(tls_server, password)
    settings.update({f"scram_{side}_key": keys[f"scram_{side}_key"] for side in given if side != "password"})
    if "password" in given:
        settings["password"] = password
    conn = face.connect(**settings)
    assert user_of(conn) == "u_scram"
    assert not any(key in repr(conn) + repr(conn.info) for key in keys.values())


def test_wrong_keys_let_nobody_in(face: Face, tls_server: TlsServer) -> None:
    settings = tls_server.keywords("u_scram")
    keys = scram_keys(tls_server, settings.pop("password"))
    wrong = base64.b64encode(bytes(32)).decode()
    with pytest.raises(errors.InvalidPassword):
        face.connect(**{**settings, **keys, "scram_client_key": wrong})
    with pytest.raises(AuthenticationError, match="signature is wrong"):
        face.connect(**{**settings, **keys, "scram_server_key": wrong})
    for text in ("secret words", base64.b64encode(b"short").decode()):
        with pytest.raises(pgfast.ProgrammingError, match="scram_client_key is not 32 bytes in base64") as caught:
            face.connect(**{**settings, "scram_client_key": text})
        assert text not in str(caught.value)


def test_keys_of_tls_are_written_down_where_that_is_wanted(face: Face, tls_server: TlsServer, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    face.connect(**tls_server.keywords("u_trust", sslmode="require", sslkeylogfile=str(file)))
    assert "SECRET" in file.read_text()
    with pytest.raises(OperationalError, match="sslkeylogfile .*nowhere"):
        face.connect(
            **tls_server.keywords("u_trust", sslmode="require", sslkeylogfile=str(tmp_path / "nowhere" / "keys"))
        )


# ---------------------------------------------------------------- channel binding


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_scram_is_bound_to_the_channel(face: Face, tls_server: TlsServer, binding: str) -> None:
    conn = face.connect(**tls_server.keywords("u_scram", sslmode="require", channel_binding=binding))
    assert user_of(conn) == "u_scram"


@pytest.mark.parametrize("user", [*PASSWORDS, "u_trust", "u_cert"])
def test_nothing_else_is(face: Face, tls_server: TlsServer, user: str) -> None:
    settings = tls_server.keywords(user, sslmode="require", channel_binding="require")
    if user == "u_cert":
        settings.update(tls_server.client())
    if user in ("u_scram", "u_unicode"):
        settings["sslmode"] = "disable"
    with pytest.raises(OperationalError, match="channel_binding=require, but"):
        face.connect(**settings)


def between(tls_server: TlsServer, certificate: tuple[Path, Path]) -> FakeServer:
    """Somebody in between who ends the TLS of both sides, with a certificate of their own."""

    def relay(peer: Peer) -> None:
        peer.receive(8)
        peer.send(b"S")
        inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inward.load_cert_chain(*certificate)
        outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outward.check_hostname, outward.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", tls_server.server.port))
        plain.sendall(bytes.fromhex("0000000804d2162f"))
        assert plain.recv(1) == b"S"
        with inward.wrap_socket(peer.sock, server_side=True) as client, outward.wrap_socket(plain) as server:
            both = (client, server)
            while True:
                ready = [sock for sock in both if sock.pending()] or select.select(both, [], [], 20)[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)

    return FakeServer(relay)


def test_somebody_in_between_is_found_out_by_channel_binding(
    face: Face, tls_server: TlsServer, own_certificate: tuple[Path, Path]
) -> None:
    with between(tls_server, own_certificate) as fake:
        settings = {**tls_server.keywords("u_scram", sslmode="require"), "host": "127.0.0.1", "port": fake.port}
        with pytest.raises(OperationalError, match="channel binding check failed"):
            face.connect(**settings)
        with pytest.raises(OperationalError, match="channel binding check failed"):
            face.connect(**settings, channel_binding="require")
        conn = face.connect(**settings, channel_binding="disable")
        assert user_of(conn) == "u_scram"
        conn.close()


# ---------------------------------------------------------------- passwords from a callable


def test_a_password_callable_is_called_when_the_server_asks(face: Face, tls_server: TlsServer) -> None:
    calls: list[str] = []

    def secret() -> str:
        calls.append("called")
        return PASSWORDS["u_scram"]

    conn = face.connect(**{**tls_server.keywords("u_scram"), "password": secret})
    assert (user_of(conn), calls) == ("u_scram", ["called"])
    assert user_of(face.connect(**{**tls_server.keywords("u_trust"), "password": secret})) == "u_trust"
    assert calls == ["called"]


def test_what_a_password_callable_raises_comes_back(face: Face, tls_server: TlsServer) -> None:
    def broken() -> str:
        raise KeyError("vault")

    with pytest.raises(KeyError, match="vault"):
        face.connect(**{**tls_server.keywords("u_scram"), "password": broken})

    def wrong() -> Any:
        return 5

    with pytest.raises(OperationalError, match="password callable gave a int"):
        face.connect(**{**tls_server.keywords("u_scram"), "password": wrong})
    with pytest.raises(OperationalError, match="asks for a password and none is given"):
        face.connect(**{**tls_server.keywords("u_scram"), "password": lambda: None})


def test_a_coroutine_function_is_for_asynchronous_connections(face: Face, tls_server: TlsServer) -> None:
    async def secret() -> str:
        return PASSWORDS["u_scram"]

    settings = {**tls_server.keywords("u_scram"), "password": secret}
    if face.is_async:
        assert user_of(face.connect(**settings)) == "u_scram"
    else:
        with pytest.raises(pgfast.InterfaceError, match="cannot await"):
            face.connect(**settings)


# ---------------------------------------------------------------- TLS


def test_tls_may_come_first(face: Face, tls_server: TlsServer) -> None:
    settings = tls_server.keywords("u_scram", sslnegotiation="direct", sslmode="verify-full", sslrootcert=tls_server.ca)
    conn = face.connect(**settings, autocommit=True)
    assert conn.info.encrypted
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(30)", timeout=0.2)  # which is cancelled over a connection of the same kind
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_server_that_speaks_something_else_over_tls_is_left(face: Face, own_certificate: tuple[Path, Path]) -> None:
    def web(peer: Peer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*own_certificate)
        with contextlib.suppress(OSError), context.wrap_socket(peer.sock, server_side=True) as wrapped:
            wrapped.recv(1)  # the client may leave at any moment, which is the point

    with FakeServer(web) as fake, pytest.raises(OperationalError, match="ALPN"):
        face.connect(host="127.0.0.1", port=fake.port, user="u", sslnegotiation="direct")


def test_an_ssl_context_of_the_programs_own_is_used(face: Face, tls_server: TlsServer) -> None:
    trusting = ssl.create_default_context(cafile=tls_server.ca)
    conn = face.connect(**tls_server.keywords("u_scram", ssl_context=trusting, channel_binding="require"))
    assert conn.info.encrypted
    strange = ssl.create_default_context(cafile=tls_server.other_ca)
    with pytest.raises(OperationalError, match="TLS handshake failed"):
        face.connect(**tls_server.keywords("u_scram", ssl_context=strange))


def test_revocation_lists_may_lie_in_a_directory(face: Face, tls_server: TlsServer, tmp_path: Path) -> None:
    for name, crl in (("empty", tls_server.empty_crl), ("revoking", tls_server.revoking_crl)):
        (tmp_path / name).mkdir()
        hashed = subprocess.run(
            ["openssl", "crl", "-hash", "-noout", "-in", crl], check=True, capture_output=True, text=True
        ).stdout.strip()
        (tmp_path / name / f"{hashed}.r0").write_bytes(Path(crl).read_bytes())
    settings = tls_server.keywords("u_trust", sslmode="verify-full", sslrootcert=tls_server.ca)
    assert user_of(face.connect(**settings, sslcrldir=str(tmp_path / "empty"))) == "u_trust"
    with pytest.raises(OperationalError, match="revoked"):
        face.connect(**settings, sslcrldir=str(tmp_path / "revoking"))
    with pytest.raises(OperationalError, match="no such directory"):
        face.connect(**settings, sslcrldir=str(tmp_path / "none"))


def test_the_name_of_the_server_may_be_left_out(face: Face, own_certificate: tuple[Path, Path]) -> None:
    names: list[str | None] = []

    def listening(peer: Peer) -> None:
        peer.receive(8)
        peer.send(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*own_certificate)
        context.sni_callback = lambda _sock, name, _context: names.append(name)
        with context.wrap_socket(peer.sock, server_side=True) as wrapped:
            wrapped.recv(1)

    for sni in ("1", "0"):
        with FakeServer(listening) as fake, pytest.raises(pgfast.Error):
            face.connect(host="localhost", port=fake.port, user="u", sslmode="require", sslsni=sni, connect_timeout=20)
    assert names == ["localhost", None]
    with pytest.raises(pgfast.ProgrammingError, match="sslsni=0 and sslmode=verify-full"):
        pgfast.connect(host="localhost", port=1, sslmode="verify-full", sslsni="0", sslrootcert="system")


# ---------------------------------------------------------------- protocol versions


@pytest.fixture
def newest(face: Face, dsn: str) -> Any:
    return face.connect(dsn, max_protocol_version="3.2", autocommit=True)


def test_version_3_2_has_a_long_key_that_cancels(newest: Any, face: Face, dsn: str) -> None:
    assert len(target(newest)._session.secret_key) == 32
    with pytest.raises(errors.TimeoutError):
        newest.execute("select pg_sleep(30)", timeout=0.2)
    assert newest.execute("select 1").fetchone() == (1,)
    started = time.monotonic()
    face.connect(dsn, min_protocol_version="3.2", max_protocol_version="latest")
    assert time.monotonic() - started < 10


def test_an_older_server_names_its_version(face: Face, tls_server: TlsServer) -> None:
    conn = face.connect(**tls_server.keywords("u_scram", max_protocol_version="3.2"))
    assert user_of(conn) == "u_scram"
    wanted = tls_server.keywords("u_scram", max_protocol_version="3.2", min_protocol_version="3.2")
    if conn.info.server_version >= 180000:
        assert user_of(face.connect(**wanted)) == "u_scram"
        return
    with pytest.raises(OperationalError, match=r"speaks protocol 3\.0 at most, and min_protocol_version is 3\.2"):
        face.connect(**wanted)
