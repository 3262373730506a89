"""Channel binding of the type tls-server-end-point: a hash of the server's certificate (RFC 5929, section 4).

Law of this file: a certificate is read no further than to the name of its signature's hash, and every length is
checked. The hash is that of the signature, SHA-256 in the place of MD5 and SHA-1.
"""

from __future__ import annotations

import hashlib
from typing import Final

#: Names of signature algorithms (their DER object identifiers) and the hash that goes with them.
_HASHES: Final[dict[bytes, str]] = {
    bytes.fromhex("2a864886f70d010104"): "sha256",  # md5WithRSAEncryption
    bytes.fromhex("2a864886f70d010105"): "sha256",  # sha1WithRSAEncryption
    bytes.fromhex("2a864886f70d01010e"): "sha224",
    bytes.fromhex("2a864886f70d01010b"): "sha256",
    bytes.fromhex("2a864886f70d01010c"): "sha384",
    bytes.fromhex("2a864886f70d01010d"): "sha512",
    bytes.fromhex("2a8648ce380403"): "sha256",  # dsa-with-sha1
    bytes.fromhex("608648016503040301"): "sha224",
    bytes.fromhex("608648016503040302"): "sha256",
    bytes.fromhex("2a8648ce3d0401"): "sha256",  # ecdsa-with-SHA1
    bytes.fromhex("2a8648ce3d040301"): "sha224",
    bytes.fromhex("2a8648ce3d040302"): "sha256",
    bytes.fromhex("2a8648ce3d040303"): "sha384",
    bytes.fromhex("2a8648ce3d040304"): "sha512",
}
#: RSASSA-PSS names its hash in its parameters; without them it is SHA-1.
_PSS: Final = bytes.fromhex("2a864886f70d01010a")
_PSS_HASHES: Final[dict[bytes, str]] = {
    bytes.fromhex("2b0e03021a"): "sha256",  # SHA-1
    bytes.fromhex("608648016503040204"): "sha224",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_SEQUENCE: Final = 0x30
_OBJECT_IDENTIFIER: Final = 0x06
_HASH_PARAMETER: Final = 0xA0


def tls_server_end_point(certificate: bytes) -> bytes | None:
    """The hash of a certificate in DER; None where its signature has no hash of its own (Ed25519), or is unknown."""
    try:
        name = _signature_hash(certificate)
    except (IndexError, ValueError):
        return None
    return None if name is None else hashlib.new(name, certificate).digest()


def _signature_hash(certificate: bytes) -> str | None:
    body, _ = _element(certificate, _SEQUENCE)
    _, rest = _element(body, _SEQUENCE)  # what was signed
    algorithm, _ = _element(rest, _SEQUENCE)
    name, parameters = _element(algorithm, _OBJECT_IDENTIFIER)
    if name != _PSS:
        return _HASHES.get(name)
    if not parameters:
        return "sha256"
    inner, _ = _element(parameters, _SEQUENCE)
    if inner[:1] != bytes((_HASH_PARAMETER,)):
        return "sha256"
    tagged, _ = _element(inner, _HASH_PARAMETER)
    chosen, _ = _element(tagged, _SEQUENCE)
    hash_name, _ = _element(chosen, _OBJECT_IDENTIFIER)
    return _PSS_HASHES.get(hash_name)


def _element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """(content, what follows) of the DER element that begins the data. Raises ValueError or IndexError."""
    if data[0] != tag:
        raise ValueError(f"DER tag {data[0]:#x} where {tag:#x} is expected")
    size, at = data[1], 2
    if size & 0x80:
        at += size & 0x7F
        size = int.from_bytes(data[2:at], "big")
    if at + size > len(data):
        raise ValueError("a DER element is longer than what holds it")
    return data[at : at + size], data[at + size :]
