"""SCRAM-SHA-256 and md5 answers, against the RFC's vector and a server written here from the RFC."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import pytest

from pgfast.errors import InterfaceError, OperationalError
from pgfast.protocol import scram
from pgfast.protocol.scram import ScramClient, md5_password

SALT: Final = b"sixteen bytes ok"


class ScramServer:
    """The other side, from RFC 5802 section 3, knowing the password's bytes."""

    def __init__(self, password: bytes, iterations: int = 4096) -> None:
        self.salted = hashlib.pbkdf2_hmac("sha256", password, SALT, iterations)
        self.iterations = iterations
        self.messages: list[bytes] = []

    def first(self, client_first: bytes) -> bytes:
        assert client_first.startswith(b"n,,n=,r=")
        bare = client_first[3:]
        answer = b"r=%bserver,s=%b,i=%d" % (bare[5:], base64.b64encode(SALT), self.iterations)
        self.messages = [bare, answer]
        return answer

    def final(self, client_final: bytes) -> bytes:
        without_proof, _, proof = client_final.rpartition(b",p=")
        signed = b",".join([*self.messages, without_proof])
        client_key = hmac.digest(self.salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        recovered = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        assert recovered == client_key, "the client's proof is wrong"
        server_key = hmac.digest(self.salted, b"Server Key", "sha256")
        return b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))


def exchange(password: str, known_to_server: bytes) -> None:
    client, server = ScramClient(password), ScramServer(known_to_server)
    client.verify(server.final(client.final(server.first(client.first()))))


def test_the_exchange_of_rfc_7677_is_reproduced() -> None:
    client = ScramClient("pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    client._first_bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"  # PostgreSQL clients leave the name empty, the RFC does not
    assert client.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    final = client.final(b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert final == b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    client.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("pencil", b"pencil"),
        ("I\u00adX", b"IX"),  # soft hyphen goes (RFC 4013, section 3)
        ("\u00aa", b"a"),  # NFKC
        ("\u2168", b"IX"),
        ("a\u00a0b", b"a b"),  # a space that is not ASCII becomes one that is
        ("\u0627\u0031", "\u0627\u0031".encode()),  # mixed directions are forbidden: taken as it is
        ("tab\there\u00e9", "tab\there\u00e9".encode()),  # control characters are forbidden: taken as it is
        ("\u00ad", "\u00ad".encode()),  # nothing would be left
        ("\u0221", "\u0221".encode()),  # unassigned in Unicode 3.2
        ("\u0627\u0628", "\u0627\u0628".encode()),
    ],
)
def test_password_is_prepared_as_the_server_prepares_it(password: str, prepared: bytes) -> None:
    exchange(password, prepared)


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    client, server = ScramClient("right"), ScramServer(b"right")
    final = client.final(server.first(client.first()))
    server.final(final)
    with pytest.raises(OperationalError, match="signature is wrong"):
        client.verify(b"v=" + base64.b64encode(bytes(32)))


@pytest.mark.parametrize(
    ("server_first", "text"),
    [
        (b"r=other,s=AAAA,i=4096", "does not extend"),
        (b"r=mine,s=AAAA,i=4096", "does not extend"),
        (b"r=mineX,s=AAA,i=4096", "salt is not valid base64"),
        (b"r=mineX,s=AAAA,i=0", "'0' iterations"),
        (b"r=mineX,s=AAAA,i=-5", "'-5' iterations"),
        (b"r=mineX,s=AAAA,i=", "'' iterations"),
        (b"r=mineX,s=AAAA,i=%d" % (scram.MAX_ITERATIONS + 1), "iterations are not between"),
        (b"r=mineX,s=AAAA,i=" + b"9" * 5000, "iterations are not between"),
        (b"m=ext,r=mineX,s=AAAA,i=1", "extension"),
        (b"s=AAAA,r=mineX,i=1", "not nonce, salt"),
        (b"r=mineX", "not nonce, salt"),
        (b"", "not nonce, salt"),
    ],
)
def test_a_bad_server_first_message_is_refused_before_hashing(
    server_first: bytes, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(*_: object) -> bytes:
        raise AssertionError("the password was hashed")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", hashed)
    client = ScramClient("secret", nonce="mine")
    client.first()
    with pytest.raises(OperationalError, match=text):
        client.final(server_first)


@pytest.mark.parametrize(
    ("server_final", "text"),
    [
        (b"e=other-error", "'other-error'"),
        (b"", "no signature"),
        (b"v=***", "signature is not valid base64"),
        (b"v=", "signature is wrong"),
    ],
)
def test_a_bad_server_final_message_is_refused(server_final: bytes, text: str) -> None:
    client, server = ScramClient("right"), ScramServer(b"right")
    client.final(server.first(client.first()))
    with pytest.raises(OperationalError, match=text):
        client.verify(server_final)


def test_steps_out_of_order_are_refused() -> None:
    client = ScramClient("x")
    with pytest.raises(InterfaceError, match="verify was called where first is next"):
        client.verify(b"v=")
    client.first()
    with pytest.raises(InterfaceError, match="first was called where final is next"):
        client.first()


def test_nonces_differ_and_secrets_are_not_in_repr() -> None:
    one, two = ScramClient("hidden-secret"), ScramClient("hidden-secret")
    assert one.first() != two.first()
    assert "hidden-secret" not in repr(one)


def test_md5_answer_is_md5_of_the_inner_hash_and_the_salt() -> None:
    inner = hashlib.md5("pässwordjoe".encode()).hexdigest()
    expected = b"md5" + hashlib.md5(inner.encode() + b"\x00\xff\x10\x20").hexdigest().encode()
    assert md5_password("joe", "pässword", b"\x00\xff\x10\x20") == expected
