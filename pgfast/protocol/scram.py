"""Proofs of a password: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) and the older md5 answer.

Law of this file: no bytes are read or sent here and no secret leaves: `repr` shows none, and errors name what the
server did, not what the client knows. The server's word is distrusted until its signature has been compared.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from typing import Final

from ..errors import AuthenticationError, InterfaceError

#: SASL mechanism names (docs: SCRAM-SHA-256 Authentication); the second one binds the exchange to the TLS channel.
MECHANISM: Final = "SCRAM-SHA-256"
MECHANISM_PLUS: Final = "SCRAM-SHA-256-PLUS"
#: Iterations beyond this are refused before any hashing: the server names the count before it has proved anything, so a
#: false one could keep the client busy for minutes. PostgreSQL's own default is 4096 (server: scram_iterations).
MAX_ITERATIONS: Final = 10_000_000
#: Digits of a number of iterations that takes no more than some 30 ms.
_QUICK_DIGITS: Final = 5
#: No channel binding; none, because the server is not known to do it although this client does; by the server's
#: certificate. No authorisation identity in any (RFC 5802, gs2-header).
UNBOUND: Final = b"n,,"
UNOFFERED: Final = b"y,,"
BOUND: Final = b"p=tls-server-end-point,,"
_NONCE_BYTES: Final = 18
#: Bytes of ClientKey and ServerKey.
KEY_BYTES: Final = 32


class ScramClient:
    """The client's side of one SCRAM exchange: `first`, `final`, `verify`, in that order and once each.

    `header` is the gs2-header, `binding` what follows it for BOUND: the hash of the server's certificate. The user name
    in the exchange stays empty, as libpq leaves it: the server takes it from the startup packet. `client_key` and
    `server_key` are ClientKey and ServerKey of the exchange; what is not given is made of the password.
    """

    __slots__ = (
        *("_binding", "_client_key", "_first_bare", "_header", "_most_iterations"),
        *("_nonce", "_password", "_server_key", "_signed", "_state"),
    )

    def __init__(
        self,
        password: str,
        nonce: str | None = None,
        header: bytes = UNBOUND,
        binding: bytes = b"",
        most_iterations: int = MAX_ITERATIONS,
        client_key: bytes | None = None,
        server_key: bytes | None = None,
    ) -> None:
        self._header = header
        self._binding = binding
        self._most_iterations = most_iterations
        self._password = _prepare(password)
        self._nonce = base64.b64encode(secrets.token_bytes(_NONCE_BYTES)) if nonce is None else nonce.encode("ascii")
        self._first_bare = b"n=,r=" + self._nonce
        self._client_key = client_key
        self._server_key = server_key
        self._signed = b""
        self._state = "first"

    def __repr__(self) -> str:
        return f"<ScramClient awaiting {self._state}>"

    @property
    def awaiting(self) -> str:
        """The step that is next: "first", "final", "verify" or "nothing"."""
        return self._state

    def _step(self, now: str, then: str) -> None:
        if self._state != now:
            raise InterfaceError(f"SCRAM exchange: {now} was called where {self._state} is next")
        self._state = then

    def first(self) -> bytes:
        """The client-first-message, for SASLInitialResponse."""
        self._step("first", "final")
        return self._header + self._first_bare

    def is_slow(self, server_first: bytes) -> bool:
        """Whether `final` has so many iterations to go through that others would have to wait for it."""
        count = server_first.split(b",")[2:3]
        return bool(count) and len(count[0]) > len(b"i=") + _QUICK_DIGITS

    def final(self, server_first: bytes) -> bytes:
        """The client-final-message, for SASLResponse.

        Raises AuthenticationError for a server-first-message that is malformed, answers another nonce or wants an
        absurd number of iterations.
        """
        self._step("final", "verify")
        nonce, salt, iterations = _parse_first(server_first, self._most_iterations)
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise AuthenticationError("SCRAM exchange: the server's nonce does not extend the client's")
        client_key, server_key = self._client_key, self._server_key
        if client_key is None or server_key is None:
            salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
            client_key = client_key or _hmac(salted, b"Client Key")
            self._server_key = server_key or _hmac(salted, b"Server Key")
        self._password = b""
        without_proof = b"c=" + base64.b64encode(self._header + self._binding) + b",r=" + nonce
        self._signed = b",".join((self._first_bare, server_first, without_proof))
        signature = _hmac(hashlib.sha256(client_key).digest(), self._signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, server_final: bytes) -> None:
        """Returns when the server has proved that it knows the password too; raises AuthenticationError otherwise."""
        self._step("verify", "nothing")
        attributes = server_final.split(b",")
        if attributes[0].startswith(b"e="):
            reason = attributes[0][2:].decode("ascii", "replace")[:60]
            raise AuthenticationError(f"SCRAM exchange: the server reports {reason!r}")
        if not attributes[0].startswith(b"v="):
            raise AuthenticationError("SCRAM exchange: the server's final message holds no signature")
        expected = _hmac(self._server_key or b"", self._signed)
        if not hmac.compare_digest(_unbase64(attributes[0][2:], "signature"), expected):
            raise AuthenticationError("SCRAM exchange: the server's signature is wrong, it does not know the password")


def md5_password(user: str, password: str, salt: bytes) -> bytes:
    """The answer to AuthenticationMD5Password, without its NUL (docs: Message Flow, Start-up)."""
    inner = _md5(password.encode() + user.encode())
    return b"md5" + _md5(inner + salt)


def _md5(data: bytes) -> bytes:
    try:
        return hashlib.md5(data, usedforsecurity=False).hexdigest().encode("ascii")
    except ValueError as exc:  # a FIPS build of OpenSSL may refuse even so
        raise AuthenticationError("the server asks for an md5 password, and this Python's hashlib refuses md5") from exc


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _unbase64(data: bytes, what: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as exc:
        raise AuthenticationError(f"SCRAM exchange: the server's {what} is not valid base64") from exc


def _parse_first(server_first: bytes, most_iterations: int) -> tuple[bytes, bytes, int]:
    """(nonce, salt, iterations) of a server-first-message, `r=...,s=...,i=...` and extensions, which are left alone."""
    fields = server_first.split(b",")
    if fields[0].startswith(b"m="):
        raise AuthenticationError("SCRAM exchange: the server demands an extension that is not known here")
    if [field[:2] for field in fields[:3]] != [b"r=", b"s=", b"i="]:
        raise AuthenticationError("SCRAM exchange: the server's first message is not nonce, salt and iteration count")
    nonce, salt, count = (field[2:] for field in fields[:3])
    if not all(0x21 <= byte <= 0x7E for byte in nonce):
        raise AuthenticationError("SCRAM exchange: the server's nonce is not printable ASCII")
    if not count.isdigit() or len(count) > 10 or not 1 <= int(count) <= most_iterations:
        shown = count[:20].decode("ascii", "replace")
        raise AuthenticationError(
            f"SCRAM exchange: {shown!r} iterations are not between 1 and {most_iterations} (scram_max_iterations)"
        )
    decoded = _unbase64(salt, "salt")
    if not decoded:
        raise AuthenticationError("SCRAM exchange: the server's salt is empty")
    return nonce, decoded, int(count)


def _prepare(password: str) -> bytes:
    """The password in UTF-8 after SASLprep (RFC 4013); as it is where SASLprep forbids it, as the server does too."""
    if password.isascii():
        # ASCII maps to itself, and a control character is forbidden, which means: taken as it is.
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return (normal if normal and _allowed(normal) else password).encode()


_FORBIDDEN: Final = (
    stringprep.in_table_a1,  # unassigned in Unicode 3.2
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _allowed(text: str) -> bool:
    """Whether SASLprep permits the normalised text: no forbidden character, and no mixture of writing directions."""
    if any(table(char) for char in text for table in _FORBIDDEN):
        return False
    if not any(stringprep.in_table_d1(char) for char in text):
        return True
    return (
        not any(stringprep.in_table_d2(char) for char in text)
        and stringprep.in_table_d1(text[0])
        and stringprep.in_table_d1(text[-1])
    )
