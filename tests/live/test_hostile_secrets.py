"""Passwords, tokens and keys are shown nowhere: in no error, no traceback, no log and no repr.

A traceback is looked at with the local variables of every frame of pgfast, as tools that report errors print them.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.net import conninfo
from pgfast.protocol import backend, oauth, scram
from pgfast.protocol.operations import Credentials
from pgfast.protocol.session import Session

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import LIMIT_S
from ..protocol import messages as m
from ..servers import TlsServer
from ..test_scram import ScramServer

SECRET = "Zx9-recognized-anywhere"
KEY = b"\xaa\xbb\xcc\xdd"


def shown(exc: BaseException) -> str:
    """All that an exception may tell: itself, what it came from, and the local variables of pgfast's frames."""
    parts = ["".join(traceback.format_exception(exc))]
    seen: BaseException | None = exc
    while seen is not None:
        parts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if "/pgfast/" in frame.f_code.co_filename:
                parts += [f"{name} = {value!r}" for name, value in frame.f_locals.items()]
        seen = seen.__cause__ or seen.__context__
        assert seen is not exc, "an exception is its own cause"
    return "\n".join(parts)


def check(exc: BaseException, log: pytest.LogCaptureFixture) -> None:
    text = shown(exc) + log.text
    assert SECRET not in text
    assert repr(SECRET.encode())[2:-1] not in text
    assert repr(KEY)[2:-1] not in text


def greeting(*said: bytes) -> Callable[[Peer], None]:
    """A server that says one thing after the other, waiting for an answer in between, and then hangs up."""

    def script(peer: Peer) -> None:
        peer.first_packet()
        for at, one in enumerate(said):
            if at:
                peer.message()
            peer.send(one)
        peer.end()
        peer.wait_for_end()

    return script


def scrambling(final: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        known = ScramServer(SECRET.encode(), 4)
        peer.first_packet()
        peer.send(m.authentication(10, b"SCRAM-SHA-256\0\0"))
        peer.send(m.authentication(11, known.first(peer.message()[1][18:])))
        known.final(peer.message()[1])
        peer.send(final)
        peer.wait_for_end()

    return script


NO = m.error("FATAL", "28P01", "no")
LOGINS: dict[str, Callable[[Peer], None]] = {
    "refused": greeting(NO),
    "refused by password": greeting(m.authentication(3), NO),
    "refused by md5": greeting(m.authentication(5, b"salt"), NO),
    "hung up": greeting(m.authentication(3), b""),
    "nonsense after the password": greeting(m.authentication(3), b"@\0\0\0\4"),
    "nonsense after the proof": greeting(m.authentication(5, b"salt"), b"R\xff\xff\xff\xff"),
    "asked twice": greeting(m.authentication(3), m.authentication(3)),
    "a bad salt": greeting(m.authentication(5, b"s")),
    "an unknown method": greeting(m.authentication(9)),
    "a bad challenge": greeting(m.authentication(10, b"SCRAM-SHA-256\0\0"), m.authentication(11, b"r=x,s=eA==,i=1")),
    "a wrong signature": scrambling(m.authentication(12, b"v=eHg=")),
    "no signature": scrambling(m.WELCOME),
    "refused by SCRAM": scrambling(NO),
    "nonsense after the key": greeting(m.authentication(0) + m.backend_key_data(1, KEY) + b"@\0\0\0\4"),
    "refused after the key": greeting(m.authentication(0) + m.backend_key_data(1, KEY) + NO),
    "a token refused": greeting(m.authentication(10, b"OAUTHBEARER\0\0"), m.authentication(11, b"{}"), NO),
    "a token not understood": greeting(m.authentication(10, b"OAUTHBEARER\0\0"), m.authentication(11, b"?")),
}


@pytest.mark.parametrize("given", ["keyword", "string", "uri", "callable"])
@pytest.mark.parametrize("script", LOGINS.values(), ids=LOGINS)
def test_a_log_in_that_fails_shows_no_secret(
    face: Face, script: Callable[[Peer], None], given: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeServer(script) as fake:
        settings: dict[str, Any] = {"sslmode": "disable", "timeout": LIMIT_S, "oauth_token": lambda _: SECRET}
        where = ""
        if given == "string":
            where = f"host=127.0.0.1 port={fake.port} user=u password='{SECRET}'"
        elif given == "uri":
            where = f"postgresql://u:{SECRET}@127.0.0.1:{fake.port}/d"
        else:
            settings.update(host="127.0.0.1", port=fake.port, user="u")
            settings["password"] = SECRET if given == "keyword" else lambda: SECRET
        with pytest.raises(pgfast.Error) as caught:
            face.connect(where, **settings)
    check(caught.value, caplog)


@pytest.mark.parametrize(
    "text",
    [
        f"host=h password='{SECRET}' nonsense",
        f"host=h password='{SECRET}",
        f"host=h pasword={SECRET}",
        f"host=h password={SECRET}\0",
        f"host=h password={SECRET} port=none",
        f"postgresql://u:{SECRET}@h:port/d",
        f"postgresql://u:{SECRET}@[h/d",
        f"postgresql://u:{SECRET}%zz@h/d",
        f"postgresql://h/d?password={SECRET}&nonsense=1",
    ],
)
def test_a_string_that_cannot_be_read_is_told_without_its_password(
    face: Face, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(pgfast.Error) as caught:
        face.connect(text)
    check(caught.value, caplog)


def test_settings_that_cannot_be_are_told_without_the_password(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    for wrong in ({"port": "x"}, {"sslmode": "x"}, {"hots": "x"}, {"sock": 5}, {"ssl_context": 5}):
        with pytest.raises(pgfast.Error) as caught:
            face.connect(user="u", password=SECRET, sslpassword=SECRET, **wrong)
        check(caught.value, caplog)


def test_real_servers_refusals_show_no_secret(
    face: Face, tls_server: TlsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for user in ("u_password", "u_md5", "u_scram"):
        for sslmode in ("disable", "require"):
            with pytest.raises(errors.InvalidPassword) as caught:
                face.connect(**tls_server.keywords(user, password=SECRET, sslmode=sslmode))
            check(caught.value, caplog)


def test_an_error_of_a_query_shows_no_secret(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(3))
        peer.message()
        peer.send(m.authentication(0) + m.backend_key_data(1, KEY) + m.ready())
        peer.until(b"Q")
        peer.send(m.error() + m.ready())
        peer.until(b"Q")
        peer.send(b"@\0\0\0\4")
        peer.wait_for_end()

    with FakeServer(server) as fake:
        conn = face.connect(
            host="127.0.0.1", port=fake.port, user="u", password=SECRET, sslmode="disable", autocommit=True
        )
        for _ in range(2):
            with pytest.raises(pgfast.Error) as caught:
                conn.execute("select 1; select 2", timeout=LIMIT_S)
            check(caught.value, caplog)
        for thing in (conn, conn.info, conn.cursor(), conn._session, conn._link, conn._link.info):
            assert SECRET not in repr(thing)
            assert repr(KEY)[2:-1] not in repr(thing)
        conn.close()


def test_nothing_that_holds_a_secret_shows_it() -> None:
    (info,) = conninfo.parse(host="h", user="u", password=SECRET, sslpassword=SECRET, oauth_token=SECRET)
    client = scram.ScramClient(SECRET)
    client.first()
    session = Session()
    session.secret_key = KEY
    credentials = Credentials("u", SECRET, oauth=oauth.OAuth(SECRET))
    for thing in (info, client, credentials, oauth.OAuth(SECRET), session, backend.BackendKeyData(1, KEY)):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert SECRET not in text
            assert repr(KEY)[2:-1] not in text
