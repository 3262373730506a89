"""GSSAPI against a real server and a real key distribution centre: logging in, encryption, and what goes through it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

import pgfast
from pgfast import AsyncConnection, OperationalError, errors
from pgfast.embedded import EmbeddedServer
from pgfast.errors import AuthenticationError, ProtocolError
from pgfast.net import gss
from pgfast.protocol.gss import GssError, Sealing

from ..cutting import TO_CLIENT, TO_SERVER, CuttingProxy
from ..faces import NAMES, Face
from ..fake_server import FakeServer, Peer
from ..kerberos import PASSWORD, USER, Realm
from ..protocol import messages as m
from ..versions import installation

#: The first packets of a connection.
GSSENC = bytes.fromhex("0000000804d21630")
TLS = bytes.fromhex("0000000804d2162f")
SEEN = "select gss_authenticated, principal, encrypted from pg_stat_gssapi where pid = pg_backend_pid()"
#: Seconds after which a run has hung.
LIMIT_S = 20


@pytest.fixture(autouse=True)
def _tickets(realm: Realm, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGFAST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in realm.client.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def gss_server(realm: Realm) -> Iterator[EmbeddedServer]:
    """A server that takes tickets, PostgreSQL 17."""
    with realm.serve(gss_accept_delegation="on") as started:
        yield started


def use(tickets: str, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on with other tickets."""
    monkeypatch.setenv("KRB5CCNAME", realm.environment(tickets)["KRB5CCNAME"])


def keywords(port: int, user: str = USER, **more: Any) -> dict[str, Any]:
    """Connection keywords for a role. Its password is one of those that are in use."""
    found = {"host": "localhost", "hostaddr": "127.0.0.1", "port": port, "user": user, "dbname": "postgres"}
    return {**found, "timeout": LIMIT_S, **more}


def user_of(conn: Any) -> str:
    return str(conn.execute("select current_user").fetchone()[0])


# ---------------------------------------------------------------- who is let in


@pytest.mark.parametrize(
    ("settings", "sealed", "encrypted"),
    [
        ({}, True, True),
        ({"gssencmode": "prefer", "sslmode": "require"}, True, True),
        ({"gssencmode": "require", "sslmode": "verify-full"}, True, True),
        ({"gssencmode": "disable"}, False, True),
        ({"gssencmode": "disable", "sslmode": "disable"}, False, False),
    ],
)
def test_a_ticket_logs_in(
    face: Face, gss_server: EmbeddedServer, settings: dict[str, Any], sealed: bool, encrypted: bool
) -> None:
    conn = face.connect(**keywords(gss_server.port, **settings))
    assert user_of(conn) == USER
    assert conn.execute(SEEN).fetchone() == (True, f"{USER}@PGFAST.TEST", sealed)
    assert (conn.info.gss_encrypted, conn.info.encrypted) == (sealed, encrypted)


@pytest.mark.parametrize(
    ("user", "settings", "sealed", "encrypted"),
    [
        ("ksealed", {}, True, True),
        ("kplain", {}, False, True),  # pg_hba.conf refuses it over GSSAPI, so the next way is tried
        ("kplain", {"sslmode": "disable"}, False, False),
        ("ktls", {}, False, True),
        ("ktls", {"sslmode": "allow"}, False, True),
        ("kopen", {"sslmode": "allow"}, False, False),
        ("kpassword", {}, True, True),
        ("kscram", {"gssencmode": "require"}, True, True),
    ],
)
def test_pg_hba_conf_decides_over_which_encryption(
    face: Face, gss_server: EmbeddedServer, user: str, settings: dict[str, Any], sealed: bool, encrypted: bool
) -> None:
    conn = face.connect(**keywords(gss_server.port, user, password=PASSWORD, **settings))
    assert user_of(conn) == user
    assert (conn.info.gss_encrypted, conn.info.encrypted) == (sealed, encrypted)


@pytest.mark.parametrize(("user", "gssencmode"), [("ksealed", "disable"), ("kplain", "require"), ("ktls", "require")])
def test_another_encryption_than_asked_for_is_not_tried(
    face: Face, gss_server: EmbeddedServer, user: str, gssencmode: str
) -> None:
    with pytest.raises(errors.InvalidAuthorizationSpecification, match=r"no pg_hba\.conf entry"):
        face.connect(**keywords(gss_server.port, user, gssencmode=gssencmode))


def test_a_server_without_gssapi_goes_on_over_the_same_connection(face: Face, server: EmbeddedServer) -> None:
    with CuttingProxy(server.port) as proxy:
        conn = face.connect(**keywords(proxy.port, "postgres"))
        assert not conn.info.gss_encrypted
        assert [opening[:8] for opening in proxy.openings] == [GSSENC]
        conn.close()
        with pytest.raises(OperationalError, match="does not offer GSSAPI encryption on this address"):
            face.connect(**keywords(proxy.port, "postgres", gssencmode="require"))


@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_postgresql_10_does_not_know_the_request_and_is_asked_again_without(
    face: Face, realm: Realm, old_server: EmbeddedServer, sslmode: str
) -> None:
    with CuttingProxy(old_server.port) as proxy:
        conn = face.connect(**keywords(proxy.port, sslmode=sslmode))
        assert user_of(conn) == USER
        assert (conn.info.gss_encrypted, conn.info.encrypted) == (False, sslmode == "require")
        assert len(proxy.openings) == 2
        assert proxy.openings[0] == GSSENC
        conn.close()
        with pytest.raises(OperationalError, match="answered the request for GSSAPI encryption with an error"):
            face.connect(**keywords(proxy.port, gssencmode="require"))


@pytest.fixture(scope="module")
def old_server(realm: Realm) -> Iterator[EmbeddedServer]:
    """PostgreSQL 10, which knows GSSAPI and no encryption by it."""
    hba = f"local all all trust\nhost all {USER} 127.0.0.1/32 gss include_realm=0\n"
    with realm.serve(installation(10), hba) as started:
        yield started


def test_credentials_are_delegated_where_that_is_asked_for(face: Face, gss_server: EmbeddedServer) -> None:
    seen = "select credentials_delegated from pg_stat_gssapi where pid = pg_backend_pid()"
    for gssencmode in ("require", "disable"):
        settings = keywords(gss_server.port, gssencmode=gssencmode)
        assert face.connect(**settings).execute(seen).fetchone() == (False,)
        assert face.connect(**settings, gssdelegation="1").execute(seen).fetchone() == (True,)


def test_the_variables_are_read(face: Face, gss_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGGSSENCMODE", "disable")
    assert not face.connect(**keywords(gss_server.port)).info.gss_encrypted
    monkeypatch.setenv("PGGSSENCMODE", "require")
    monkeypatch.setenv("PGKRBSRVNAME", "nobody")
    with pytest.raises(GssError, match="nobody@localhost"):
        face.connect(**keywords(gss_server.port))


# ---------------------------------------------------------------- what the settings demand


@pytest.mark.parametrize(
    ("user", "gssencmode", "allowed"),
    [
        (USER, "require", "gss"),
        (USER, "disable", "gss"),
        (USER, "disable", "!none"),
        (USER, "require", "!gss"),  # no method is asked for, as in libpq
        (USER, "require", "none"),
        ("kscram", "require", "scram-sha-256"),
        ("kpassword", "require", "gss,password"),
    ],
)
def test_a_method_that_is_allowed_lets_in(
    face: Face, gss_server: EmbeddedServer, user: str, gssencmode: str, allowed: str
) -> None:
    settings = keywords(gss_server.port, user, password=PASSWORD, gssencmode=gssencmode, require_auth=allowed)
    assert user_of(face.connect(**settings)) == user


@pytest.mark.parametrize(
    ("user", "gssencmode", "allowed", "words"),
    [
        (USER, "disable", "!gss", "by gss, which require_auth does not allow"),
        (USER, "disable", "scram-sha-256", "by gss, which require_auth does not allow"),
        (USER, "require", "scram-sha-256", "without any authentication"),
        (USER, "require", "!none,!gss", "without any authentication"),
        ("kscram", "require", "gss", "by scram-sha-256, which require_auth does not allow"),
    ],
)
def test_a_method_that_is_not_allowed_does_not(
    face: Face, gss_server: EmbeddedServer, user: str, gssencmode: str, allowed: str, words: str
) -> None:
    settings = keywords(gss_server.port, user, password=PASSWORD, gssencmode=gssencmode, require_auth=allowed)
    with pytest.raises(AuthenticationError, match=words) as failure:
        face.connect(**settings)
    assert PASSWORD not in str(failure.value)


@pytest.mark.parametrize("gssencmode", ["prefer", "require", "disable"])
def test_channel_binding_is_not_what_gssapi_gives(face: Face, gss_server: EmbeddedServer, gssencmode: str) -> None:
    with pytest.raises(AuthenticationError, match="channel_binding=require"):
        face.connect(**keywords(gss_server.port, gssencmode=gssencmode, channel_binding="require"))


def test_where_channel_binding_is_required_tls_comes_first(face: Face, gss_server: EmbeddedServer) -> None:
    with CuttingProxy(gss_server.port) as proxy:
        with pytest.raises(AuthenticationError, match="which has none"):
            face.connect(**keywords(proxy.port, channel_binding="require"))
        assert proxy.openings[0] == TLS


# ---------------------------------------------------------------- no ticket, no service, no library


@pytest.mark.parametrize(
    ("tickets", "words"),
    [
        ("none", "no ticket to log in with: No Kerberos credentials.*kinit"),
        ("expired", "has expired; kinit gets another"),
    ],
)
def test_without_a_ticket_the_error_says_what_to_do(
    face: Face, gss_server: EmbeddedServer, realm: Realm, monkeypatch: pytest.MonkeyPatch, tickets: str, words: str
) -> None:
    use(tickets, realm, monkeypatch)
    with pytest.raises(AuthenticationError, match=f"asks for authentication by GSSAPI.*postgres@localhost.*{words}"):
        face.connect(**keywords(gss_server.port))
    with pytest.raises(GssError, match=words):
        face.connect(**keywords(gss_server.port, gssencmode="require"))
    with CuttingProxy(gss_server.port) as proxy:
        conn = face.connect(**keywords(proxy.port, "postgres"))
        assert (conn.info.gss_encrypted, conn.info.encrypted) == (False, True)
        assert proxy.openings[0] == TLS, "nobody asked for what there is no ticket for"
        conn.close()


def test_a_service_that_the_realm_does_not_know_is_named(face: Face, gss_server: EmbeddedServer) -> None:
    settings = keywords(gss_server.port, krbsrvname="nobody")
    words = "nobody@localhost: the exchange failed: Server nobody/localhost@PGFAST.TEST not found.*klist"
    with pytest.raises(AuthenticationError, match=words):
        face.connect(**settings)
    with pytest.raises(GssError, match=words):
        face.connect(**settings, gssencmode="require")


def test_a_server_that_is_not_the_service_cannot_open_the_ticket(face: Face, gss_server: EmbeddedServer) -> None:
    settings = keywords(gss_server.port, krbsrvname="stranger")
    with pytest.raises(GssError, match="closed the connection in the GSSAPI exchange; its log tells why"):
        face.connect(**settings, gssencmode="require")
    with pytest.raises(AuthenticationError, match="stranger@localhost: the exchange failed"):
        face.connect(**settings)
    assert face.connect(**{**settings, "user": "ktls"}).info.encrypted


def test_a_missing_library_is_named_where_it_is_needed(
    face: Face, gss_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    monkeypatch.delitem(sys.modules, "gssapi.raw", raising=False)
    assert not face.connect(**keywords(gss_server.port, "postgres")).info.gss_encrypted
    install = r"pip install 'pgfast\[gss\]'"
    with pytest.raises(GssError, match=f"gssencmode=require: GSSAPI needs a library; {install}"):
        face.connect(**keywords(gss_server.port, gssencmode="require"))
    with pytest.raises(AuthenticationError, match=f"asks for authentication by GSSAPI.*{install}"):
        face.connect(**keywords(gss_server.port))


def test_a_unix_socket_has_no_gssapi_encryption(face: Face, gss_server: EmbeddedServer) -> None:
    settings = {**keywords(gss_server.port, "postgres"), "host": gss_server.socket_directory, "hostaddr": None}
    assert not face.connect(**settings).info.gss_encrypted
    with pytest.raises(GssError, match="gssencmode=require: GSSAPI is not for Unix sockets"):
        face.connect(**settings, gssencmode="require")


def test_an_address_alone_is_no_service(face: Face, gss_server: EmbeddedServer) -> None:
    settings = {**keywords(gss_server.port), "host": None}
    with pytest.raises(GssError, match="gssencmode=require: GSSAPI needs host"):
        face.connect(**settings, gssencmode="require")
    with pytest.raises(AuthenticationError, match="GSSAPI needs host"):
        face.connect(**settings)
    assert not face.connect(**{**settings, "user": "postgres"}).info.gss_encrypted


def test_a_slow_exchange_does_not_stop_the_event_loop(
    gss_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, passed = gss.Context.step, threading.Event()

    def slow(self: gss.Context, token: bytes | None) -> bytes | None:
        assert passed.wait(LIMIT_S), "the event loop stood still"
        return step(self, token)

    async def main() -> None:
        connecting = asyncio.ensure_future(AsyncConnection.connect(**keywords(gss_server.port, gssencmode="require")))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(passed.set)
        async with await connecting as conn:
            assert conn.info.gss_encrypted

    monkeypatch.setattr(gss.Context, "step", slow)
    asyncio.run(main())


def test_a_centre_that_does_not_answer_is_not_waited_for(
    face: Face, gss_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(gss.Context, "step", lambda self, token: ended.wait(LIMIT_S) and None)
    try:
        with pytest.raises(errors.TimeoutError, match="could not connect"):
            face.connect(**keywords(gss_server.port, gssencmode="require", timeout=0.5))
        assert not face.connect(**keywords(gss_server.port, "postgres", timeout=2)).info.gss_encrypted
    finally:
        ended.set()


def silent(peer: Peer) -> None:
    assert peer.receive(8) == GSSENC
    peer.wait_for_end()


def hanging_up(peer: Peer) -> None:
    assert peer.receive(8) == GSSENC


def resetting(peer: Peer) -> None:
    assert peer.receive(8) == GSSENC
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hanging_up_later(peer: Peer) -> None:
    assert peer.receive(8) == GSSENC
    peer.send(b"G")
    peer.receive(100)


@pytest.mark.parametrize("first", [silent, hanging_up, resetting, hanging_up_later])
def test_a_server_that_does_not_know_the_request_is_asked_again_without(face: Face, first: Any) -> None:
    def older(peer: Peer) -> None:
        assert peer.receive(8) == TLS
        peer.send(b"N")
        peer.welcome()
        peer.wait_for_end()

    with FakeServer(first, older) as fake:
        face.connect(**keywords(fake.port, timeout=2)).close()
        face.forget()
    with FakeServer(first) as fake, pytest.raises(OperationalError, match="closed the connection|timed out"):
        face.connect(**keywords(fake.port, timeout=0.5, gssencmode="require"))


# ---------------------------------------------------------------- what goes through it


@pytest.fixture
def sealed(face: Face, gss_server: EmbeddedServer) -> Any:
    """An encrypted connection in autocommit mode."""
    conn = face.connect(**keywords(gss_server.port, gssencmode="require", autocommit=True))
    conn.execute("create temp table t (a int, b text)")
    return conn


def test_megabytes_go_in_and_come_back(sealed: Any) -> None:
    rows = [(number, f"{number:>60}") for number in range(60_000)]
    assert sealed.load("t", rows).rows == len(rows)
    assert sealed.execute("select * from t order by a").fetchall() == rows
    with sealed.cursor().copy("copy (select a, b from t order by a) to stdout") as copy:
        data = b"".join(bytes(piece) for piece in copy)
    assert data == b"".join(f"{number}\t{text}\n".encode() for number, text in rows)
    with sealed.cursor().copy("copy t from stdin") as copy:
        copy.write(data)
    assert sealed.execute("select count(*), count(distinct a), sum(length(b)) from t").fetchone() == (
        *(2 * len(rows), len(rows), 2 * 60 * len(rows)),
    )


@pytest.mark.parametrize("size", [0, 1, 16_000, 16_380, 16_384, 16_385, 40_000, 5_000_000])
def test_a_value_of_any_size_goes_both_ways(sealed: Any, size: int) -> None:
    value = os.urandom(size)
    assert sealed.execute("select %s::bytea, length(%s::bytea)", (value, value)).fetchone() == (value, size)


def test_a_pipeline_larger_than_both_buffers_does_not_lock_up(sealed: Any) -> None:
    value = "x" * 100_000
    with sealed.pipeline(timeout=LIMIT_S):
        cursors = [sealed.execute("select %s::text || %s::text", (value, str(number))) for number in range(150)]
    assert [cursor.fetchone() for cursor in cursors] == [(f"{value}{number}",) for number in range(150)]


def test_a_stream_comes_piece_by_piece(sealed: Any) -> None:
    found = list(sealed.cursor().stream("select n, repeat('y', 1000) from generate_series(1, 5000) n", size=100))
    assert found == [(number, "y" * 1000) for number in range(1, 5001)]


def test_errors_and_notices_come_through(sealed: Any) -> None:
    notices: list[str | None] = []
    sealed.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    sealed.execute("do $$ begin raise notice 'sealed'; end $$")
    with pytest.raises(errors.DivisionByZero):
        sealed.execute("select 1 / 0")
    assert notices == ["sealed"]
    assert user_of(sealed) == USER


def test_a_cancel_request_goes_over_the_same_encryption(face: Face, gss_server: EmbeddedServer) -> None:
    with CuttingProxy(gss_server.port) as proxy:
        conn = face.connect(**keywords(proxy.port, gssencmode="require", autocommit=True))
        with pytest.raises(errors.TimeoutError):
            conn.execute("select pg_sleep(60)", timeout=0.2)
        assert user_of(conn) == USER, "the connection is at rest"
        assert len(proxy.openings) >= 2
        assert {opening[:8] for opening in proxy.openings} == {GSSENC}
        conn.close()


def test_another_thread_cancels(gss_server: EmbeddedServer, until_gss_waiting: Any) -> None:
    with pgfast.connect(**keywords(gss_server.port, gssencmode="require", autocommit=True)) as conn:
        pid = conn.info.backend_pid

        def work() -> None:
            until_gss_waiting(pid, "PgSleep")
            conn.cancel()

        thread = threading.Thread(target=work)
        thread.start()
        with pytest.raises(errors.QueryCanceled):
            conn.execute("select pg_sleep(60)")
        thread.join()


@pytest.fixture
def until_gss_waiting(gss_server: EmbeddedServer) -> Iterator[Any]:
    """A function that returns when a backend waits for an event."""
    with pgfast.connect(gss_server.dsn, autocommit=True, gssencmode="disable") as observer:

        def wait(pid: int, event: str) -> None:
            query = "select 1 from pg_stat_activity where pid = %s and wait_event = %s"
            while not observer.execute(query, (pid, event), timeout=LIMIT_S).fetchone():
                pass

        yield wait


def test_notifications_come_while_nothing_is_asked(sealed: Any, gss_server: EmbeddedServer) -> None:
    sealed.execute("listen news")
    with pgfast.connect(gss_server.dsn, autocommit=True) as other:
        other.execute("notify news, 'sealed'")
    assert [found.payload for found in sealed.notifies(timeout=LIMIT_S, stop_after=1)] == ["sealed"]


def test_other_versions_of_the_protocol_go_through_it(face: Face, gss_server: EmbeddedServer) -> None:
    settings = keywords(gss_server.port, gssencmode="require")
    assert user_of(face.connect(**settings, max_protocol_version="3.2")) == USER
    with pytest.raises(OperationalError, match="unsupported frontend protocol 2.0"):
        face.connect(**settings, max_protocol_version="2.0")


# ---------------------------------------------------------------- cut anywhere


@pytest.mark.parametrize("piece_bytes", [1, 3, 1000])
def test_everything_may_come_in_pieces(face: Face, gss_server: EmbeddedServer, piece_bytes: int) -> None:
    with CuttingProxy(gss_server.port, piece_bytes) as proxy:
        conn = face.connect(**keywords(proxy.port, gssencmode="require"))
        found = conn.execute("select n, repeat('z', 100) from generate_series(1, 30) n", timeout=LIMIT_S).fetchall()
        assert found == [(number, "z" * 100) for number in range(1, 31)]
        conn.close()


@pytest.mark.parametrize("direction", [TO_CLIENT, TO_SERVER])
def test_a_cut_is_told(face: Face, gss_server: EmbeddedServer, direction: str) -> None:
    settings: dict[str, Any] = {"gssencmode": "require", "autocommit": True}

    def work() -> tuple[Any, Any, pgfast.Error | None]:
        conn = None
        try:
            conn = face.connect(**keywords(proxy.port, **settings))
            return (
                conn,
                conn.execute("select n from generate_series(1, %s::int) n", (9,), timeout=LIMIT_S).fetchall(),
                None,
            )
        except pgfast.Error as exc:
            return conn, None, exc

    with CuttingProxy(gss_server.port) as proxy:
        conn, expected, _ = work()
        total = proxy.counts[direction]
        conn.close()
        assert expected == [(number,) for number in range(1, 10)]
        assert total > 500
        # Each face takes every third byte, all three together each.
        for size in range(NAMES.index(face.name), total - 60, len(NAMES)):
            proxy.cut_after = (direction, size)
            conn, result, failure = work()
            where = f"a cut after {size} bytes {direction}"
            assert failure is not None, f"{where} went unseen: {result}"
            assert not isinstance(failure, errors.TimeoutError), f"{where} left the client waiting"
            assert str(failure), f"{where} gave an error without words"
            assert conn is None or conn.closed, f"{where} left the connection open"
            face.forget()


# ---------------------------------------------------------------- a server that means harm


class Acceptor:
    """The server's side of the exchange with a client, by the realm's own keys."""

    def __init__(self, peer: Peer) -> None:
        from gssapi import raw

        self._raw = raw
        assert peer.receive(8) == GSSENC
        peer.send(b"G")
        self.peer = peer
        made = raw.accept_sec_context(self.packet(), acceptor_creds=raw.acquire_cred(usage="accept").creds)
        assert made.token is not None
        self.context, self.token = made.context, made.token

    def packet(self) -> bytes:
        return self.peer.receive(int.from_bytes(self.peer.receive(4), "big"))

    def answer(self, more: bytes = b"") -> None:
        """Send the token that ends the exchange, and something behind it in the same segment."""
        self.peer.send(len(self.token).to_bytes(4, "big") + self.token + more)

    def wrapped(self, data: bytes, confidential: bool = True) -> bytes:
        packet = self._raw.wrap(self.context, data, confidential).message
        return len(packet).to_bytes(4, "big") + bytes(packet)

    def opened(self) -> bytes:
        return bytes(self._raw.unwrap(self.context, self.packet()).message)

    def welcome(self, more: bytes = b"") -> None:
        self.answer()
        assert b"user\0" in self.opened()
        self.peer.send(self.wrapped(m.WELCOME) + more)


@contextmanager
def scripted(realm: Realm, script: Any) -> Iterator[dict[str, Any]]:
    """Settings that lead to a server with the realm's keys which does what the script says after the token has come."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5_KTNAME", f"FILE:{realm.directory / 'server.keytab'}")
        with FakeServer(lambda peer: script(Acceptor(peer))) as fake:
            yield keywords(fake.port, gssencmode="require", autocommit=True)


def test_bytes_behind_the_last_token_are_refused(face: Face, realm: Realm) -> None:
    with (
        scripted(realm, lambda acceptor: acceptor.answer(b"R\0\0\0\x08\0\0\0\0")) as settings,
        pytest.raises(OperationalError, match="unencrypted bytes after the GSSAPI exchange"),
    ):
        face.connect(**settings)


def test_plain_messages_after_the_exchange_are_no_packets(face: Face, realm: Realm) -> None:
    def script(acceptor: Acceptor) -> None:
        acceptor.answer()
        acceptor.opened()
        acceptor.peer.send(m.WELCOME)
        acceptor.peer.wait_for_end()

    with scripted(realm, script) as settings, pytest.raises(ProtocolError, match="GSSAPI packet of [0-9]+ bytes"):
        face.connect(**settings)


def answering(reply: Any) -> Any:
    """A script that lets the client in and answers its first query by what `reply` makes of the acceptor."""

    def script(acceptor: Acceptor) -> None:
        acceptor.welcome()
        acceptor.opened()
        acceptor.peer.send(reply(acceptor))
        acceptor.peer.wait_for_end()

    return script


def garbled(acceptor: Acceptor) -> bytes:
    packet = bytearray(acceptor.wrapped(m.ready()))
    packet[-3] ^= 1
    return bytes(packet)


def twice(acceptor: Acceptor) -> bytes:
    return acceptor.wrapped(m.notice()) * 2


def reversed_order(acceptor: Acceptor) -> bytes:
    first, second = acceptor.wrapped(m.notice()), acceptor.wrapped(m.ready())
    return second + first


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda _: b"\0\0\0\0", "packet of 0 bytes, 1 to 16380 are possible"),
        (lambda _: b"\0\0\x3f\xfd", "packet of 16381 bytes"),
        (lambda _: b"\xff\xff\xff\xff", "packet of 4294967295 bytes"),
        (lambda _: b"\0\0\0\x20" + bytes(32), "has not encrypted for this connection"),
        (partial(Acceptor.wrapped, data=m.ready(), confidential=False), "is signed, but not encrypted"),
        (garbled, "has not encrypted for this connection"),
        (twice, "has not encrypted for this connection"),
        (reversed_order, "has not encrypted for this connection"),
    ],
)
def test_a_packet_that_is_not_the_servers_closes_the_connection(
    face: Face, realm: Realm, reply: Any, words: str
) -> None:
    with scripted(realm, answering(reply)) as settings:
        conn = face.connect(**settings)
        with pytest.raises(ProtocolError, match=words):
            conn.execute("select 1", timeout=LIMIT_S)
        assert conn.closed
        assert "select 1" not in repr(conn)
        face.forget()


def test_a_token_of_garbage_is_refused(face: Face) -> None:
    def script(peer: Peer) -> None:
        peer.receive(8)
        peer.send(b"G")
        peer.receive(int.from_bytes(peer.receive(4), "big"))
        peer.send(b"\0\0\0\7garbage")
        peer.wait_for_end()

    with FakeServer(script) as fake, pytest.raises(GssError, match="postgres@localhost: the exchange failed"):
        face.connect(**keywords(fake.port, gssencmode="require"))


def test_encryption_that_fails_closes_the_connection(sealed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Sealing, data: bytes) -> bytes:
        raise ProtocolError("GSSAPI cannot encrypt what is to be sent")

    monkeypatch.setattr(Sealing, "outgoing", broken)
    with pytest.raises(OperationalError, match="cannot encrypt"):
        sealed.execute("select 1", timeout=LIMIT_S)
    assert sealed.closed


def test_what_is_shown_holds_no_ticket() -> None:
    shown = repr(gss.Settings("postgres@localhost", True))
    assert shown == "Settings(target='postgres@localhost', delegates=True)"
    assert repr(gss.Settings("postgres@localhost").begin_sealing()).startswith("<pgfast.net.gss.Context object")
