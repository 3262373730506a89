"""Logging in: every method, every sslmode, and every refusal; the password is never shown."""

from __future__ import annotations

import os
import traceback
from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m
from ..servers import PASSWORDS, TlsServer


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No certificates, password file or variables of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGFAST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def user_of(conn: Any) -> str:
    return str(conn.execute("select current_user").fetchone()[0])


def encrypted_on_the_server(conn: Any) -> bool:
    row = conn.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone()
    assert conn.info.encrypted is row[0]
    return bool(row[0])


@pytest.mark.parametrize("sslmode", ["disable", "require"])
@pytest.mark.parametrize("user", [*PASSWORDS, "u_trust"])
def test_every_method_lets_the_right_user_in(face: Face, tls_server: TlsServer, user: str, sslmode: str) -> None:
    conn = face.connect(**tls_server.keywords(user, sslmode=sslmode))
    assert user_of(conn) == user
    assert encrypted_on_the_server(conn) is (sslmode == "require")


@pytest.mark.parametrize("user", PASSWORDS)
def test_a_wrong_password_is_refused_and_not_shown(face: Face, tls_server: TlsServer, user: str) -> None:
    settings = tls_server.keywords(user, sslmode="disable")
    settings["password"] = "wrong-and-secret"
    with pytest.raises(errors.InvalidPassword, match="password authentication failed for user") as caught:
        face.connect(**settings)
    assert "wrong-and-secret" not in "".join(traceback.format_exception(caught.value))
    assert "wrong-and-secret" not in repr(caught.value)


def test_a_wrong_password_is_not_tried_a_second_time_without_tls(tls_server: TlsServer) -> None:
    settings = tls_server.keywords("u_scram", sslmode="prefer")
    settings["password"] = "wrong"
    before = tls_server.server.log.count('password authentication failed for user "u_scram"')
    with pytest.raises(errors.InvalidPassword):
        pgfast.connect(**settings)
    assert tls_server.server.log.count('password authentication failed for user "u_scram"') == before + 1


def test_a_missing_password_is_asked_for(face: Face, tls_server: TlsServer) -> None:
    settings = tls_server.keywords("u_scram")
    del settings["password"]
    with pytest.raises(pgfast.OperationalError, match="asks for a password and none is given"):
        face.connect(**settings)


def test_the_password_may_come_from_a_file(face: Face, tls_server: TlsServer, tmp_path: Any) -> None:
    settings = tls_server.keywords("u_scram")
    passfile = tmp_path / "passwords"
    passfile.write_text(f"localhost:*:*:u_scram:{settings.pop('password')}\n")
    passfile.chmod(0o600)
    assert user_of(face.connect(**settings, passfile=str(passfile))) == "u_scram"


@pytest.mark.parametrize(
    ("sslmode", "user", "encrypted"),
    [
        ("disable", "u_trust", False),
        ("allow", "u_trust", False),
        ("prefer", "u_trust", True),
        ("require", "u_trust", True),
        ("verify-ca", "u_trust", True),
        ("verify-full", "u_trust", True),
        ("allow", "u_ssl", True),  # refused without TLS, let in by the second attempt
        ("prefer", "u_nossl", False),  # refused with TLS, let in by the second attempt
        ("disable", "u_nossl", False),
        ("require", "u_ssl", True),
    ],
)
def test_each_sslmode_finds_its_way(
    face: Face, tls_server: TlsServer, sslmode: str, user: str, encrypted: bool
) -> None:
    extra = {"sslrootcert": tls_server.ca} if sslmode.startswith("verify") else {}
    conn = face.connect(**tls_server.keywords(user, sslmode=sslmode, **extra))
    assert encrypted_on_the_server(conn) is encrypted


@pytest.mark.parametrize(
    ("sslmode", "user"), [("disable", "u_ssl"), ("require", "u_nossl"), ("prefer", "u_reject"), ("allow", "u_reject")]
)
def test_each_sslmode_is_refused_where_no_way_is_left(
    face: Face, tls_server: TlsServer, sslmode: str, user: str
) -> None:
    with pytest.raises(errors.InvalidAuthorizationSpecification, match=r"no pg_hba\.conf entry"):
        face.connect(**tls_server.keywords(user, sslmode=sslmode))


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_tls_that_is_required_is_not_done_without(face: Face, dsn: str, sslmode: str, tls_server: TlsServer) -> None:
    with pytest.raises(pgfast.OperationalError, match="does not offer TLS"):
        face.connect(dsn, sslmode=sslmode, sslrootcert=tls_server.ca)


def test_a_server_without_tls_is_used_where_tls_is_only_preferred(face: Face, dsn: str) -> None:
    assert not face.connect(dsn, sslmode="prefer").info.encrypted


def test_a_certificate_of_an_unknown_authority_is_refused(face: Face, tls_server: TlsServer) -> None:
    with pytest.raises(pgfast.OperationalError, match="TLS handshake failed: .*certificate.*sslrootcert"):
        face.connect(**tls_server.keywords("u_trust", sslmode="verify-ca", sslrootcert=tls_server.other_ca))


def test_a_certificate_for_another_name_is_refused_by_verify_full_only(face: Face, tls_server: TlsServer) -> None:
    settings = {**tls_server.keywords("u_trust", sslrootcert=tls_server.ca), "host": "elsewhere.example"}
    with pytest.raises(pgfast.OperationalError, match="TLS handshake failed"):
        face.connect(**settings, sslmode="verify-full")
    assert face.connect(**settings, sslmode="verify-ca").info.encrypted


def test_a_client_certificate_lets_its_user_in(face: Face, tls_server: TlsServer) -> None:
    for encrypted in (False, True):
        conn = face.connect(**tls_server.keywords("u_cert", sslmode="require"), **tls_server.client(encrypted))
        assert user_of(conn) == "u_cert"
    with pytest.raises(pgfast.OperationalError, match="connection requires a valid client certificate"):
        face.connect(**tls_server.keywords("u_cert", sslmode="require"))


def test_a_unix_socket_never_asks_for_tls(face: Face, tls_server: TlsServer) -> None:
    conn = face.connect(
        host=tls_server.server.socket_directory,
        port=tls_server.server.port,
        user="u_trust",
        dbname="postgres",
        sslmode="require",
    )
    assert not encrypted_on_the_server(conn)


def test_much_data_passes_through_tls_in_both_directions_at_once(face: Face, tls_server: TlsServer) -> None:
    conn = face.connect(**tls_server.keywords("u_trust", sslmode="require"))
    text = "x" * 1_000_000
    cursor = conn.cursor()
    cursor.executemany("select $1::text", [(text,)] * 30, returning=True, timeout=120)
    count = 0
    while True:
        count += cursor.fetchall() == [(text,)]
        if not cursor.nextset():
            break
    assert count == 30
    conn.execute("create temp table t (a text)")
    with cursor.copy("copy t from stdin") as copy:
        for _ in range(100):
            copy.write(b"x" * 99_999 + b"\n")
    with cursor.copy("copy t to stdout") as copy:
        assert sum(map(len, copy)) == 10_000_000


def test_a_query_over_tls_is_cancelled_over_tls(face: Face, tls_server: TlsServer) -> None:
    conn = face.connect(**tls_server.keywords("u_trust", sslmode="require"), autocommit=True)
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(60)", timeout=0.2)
    with pytest.raises(errors.TimeoutError):
        conn.cursor().executemany("select $1::text, pg_sleep(0.1)", [("x" * 1_000_000,)] * 50, timeout=0.3)
    assert conn.execute("select 1").fetchone() == (1,)


# ---------------------------------------------------------------- servers that are not honest


def fail_to_connect(face: Face, server: FakeServer, **settings: Any) -> pgfast.OperationalError:
    keywords = {"host": "127.0.0.1", "port": server.port, "user": "u", "password": "top-secret", "timeout": 20}
    with pytest.raises(pgfast.OperationalError) as caught:
        face.connect(**{**keywords, **settings})
    assert "top-secret" not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"S" + m.error("FATAL", "28000", "injected"), "unencrypted bytes after its consent to TLS"),
        (m.error("FATAL", "28000", "injected"), "answered the request for TLS with an error"),
        (b"?", "is this a PostgreSQL server"),
    ],
)
def test_a_dishonest_answer_to_the_request_for_tls_ends_the_attempt(face: Face, answer: bytes, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(answer)
        assert peer.wait_for_end() == b""

    with FakeServer(script) as server:
        error = fail_to_connect(face, server, sslmode="require")
    assert words in str(error)
    assert "injected" not in str(error)


def test_bytes_that_follow_the_consent_to_tls_never_reach_the_session(face: Face) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(b"S")
        peer.receive(1)  # the handshake has begun
        peer.send(m.WELCOME)
        assert b"top-secret" not in peer.wait_for_end()

    with FakeServer(script) as server:
        error = fail_to_connect(face, server, sslmode="require")
    assert "TLS handshake failed" in str(error)


def test_a_failed_handshake_is_tried_again_without_tls_where_tls_is_only_preferred(face: Face) -> None:
    def broken(peer: Peer) -> None:
        peer.first_packet()
        peer.send(b"S")
        peer.receive(1)
        peer.send(b"no TLS at all")
        peer.wait_for_end()

    def plain(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    with FakeServer(broken, plain) as server:
        conn = face.connect(host="127.0.0.1", port=server.port, user="u", sslmode="prefer")
        assert not conn.info.encrypted
        conn.close()


@pytest.mark.parametrize("cut", range(0, len(m.WELCOME), 7))
def test_a_server_that_hangs_up_during_the_startup_is_told_of(cut: int) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.WELCOME[:cut])

    face = Face("sync")
    with FakeServer(script) as server:
        error = fail_to_connect(face, server, sslmode="disable")
    assert "closed the connection unexpectedly" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"Ecould not fork new process for connection\n\0", "refused the connection: could not fork new process"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "instead of a message"),
        (m.authentication(9), "SSPI"),
        (m.authentication(10, b"SCRAM-SHA-1\0\0"), "SCRAM-SHA-1"),
        (m.authentication(10, b"SCRAM-SHA-256\0\0") + m.WELCOME, "without proving"),
        (m.message(b"@"), "came in the state STARTUP"),
    ],
)
def test_a_startup_that_makes_no_sense_is_told_in_words(face: Face, answer: bytes, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        peer.send(answer)
        peer.wait_for_end()

    with FakeServer(script) as server:
        assert words in str(fail_to_connect(face, server, sslmode="disable"))


def test_a_whole_session_may_come_byte_by_byte(face: Face) -> None:
    def script(peer: Peer) -> None:
        peer.first_packet()
        for at in range(len(m.WELCOME)):
            peer.send(m.WELCOME[at : at + 1])
        peer.until(b"H")
        described = m.PARSE_COMPLETE + m.parameter_description() + m.row_description(("a", 25))
        for at in range(len(described)):
            peer.send(described[at : at + 1])
        peer.until(b"S")
        result = m.BIND_COMPLETE + m.data_row(b"x") + m.data_row(None) + m.complete("SELECT 2") + m.ready()
        for at in range(len(result)):
            peer.send(result[at : at + 1])
        peer.wait_for_end()

    with FakeServer(script) as server:
        conn = face.connect(host="127.0.0.1", port=server.port, user="u", sslmode="disable", autocommit=True)
        assert conn.execute("select 'x'").fetchall() == [("x",), (None,)]
        conn.close()


@pytest.mark.parametrize("malice", [m.ready(), m.data_row(b"x"), m.message(b"@"), b"C\0\0\0\1", b"C\x7f\xff\xff\xff"])
def test_a_message_that_cannot_be_closes_the_connection(face: Face, malice: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        peer.until(b"H")
        peer.send(malice)
        peer.wait_for_end()

    with FakeServer(script) as server:
        conn = face.connect(host="127.0.0.1", port=server.port, user="u", sslmode="disable", autocommit=True)
        with pytest.raises(errors.ProtocolError):
            conn.execute("select 1", timeout=20)
        assert conn.closed
        assert conn.broken


def test_a_server_that_takes_no_cancelling_costs_the_connection_and_no_more_time(face: Face) -> None:
    def deaf(peer: Peer) -> None:
        peer.welcome()
        peer.wait_for_end()

    def silent(peer: Peer) -> None:
        peer.wait_for_end()

    with FakeServer(deaf, silent) as server:
        conn = face.connect(host="127.0.0.1", port=server.port, user="u", sslmode="disable", autocommit=True)
        with pytest.raises(errors.TimeoutError):
            conn.execute("select 1", timeout=0.1)
        assert conn.closed
        with pytest.raises(pgfast.InterfaceError, match="an interrupted operation could not be cancelled: timed out"):
            conn.execute("select 1")
