"""TLS as `sslmode` and its companions describe it, made into an `ssl.SSLContext`.

Law of this file: it decides what is verified and opens nothing but certificate files. Whether TLS is asked for, and
what follows a refusal, is the connect operation's business.

| sslmode | encrypted | certificate checked against sslrootcert | name checked |
| --- | --- | --- | --- |
| disable | never | - | - |
| allow, prefer | where the server does it | no | no |
| require | always | where the file exists (docs: Protection Provided in Different Modes) | no |
| verify-ca | always | yes | no |
| verify-full | always | yes | yes |
"""

from __future__ import annotations

import os
import ssl
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import OperationalError
from .conninfo import ConnInfo

_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
#: The protocol's name in application-layer protocol negotiation (docs: SSL Session Encryption).
ALPN: Final = "postgresql"


class TlsError(OperationalError):
    """The TLS handshake failed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the drivers need to put TLS on a connection, and whether that comes first on it."""

    context: ssl.SSLContext
    hostname: str | None
    direct: bool = False

    def finish(self, connection: ssl.SSLObject | ssl.SSLSocket) -> bytes | None:
        """The server's certificate in DER, after the handshake.

        Raises TlsError where the server speaks another protocol over it: without having been asked it must say that
        it is PostgreSQL's.
        """
        found = connection.selected_alpn_protocol()
        if found != ALPN and (self.direct or found is not None):
            spoken = "none" if found is None else repr(found)
            raise TlsError(f"the server's TLS is not for PostgreSQL (ALPN: {ALPN!r} is wanted, it names {spoken})")
        return connection.getpeercert(binary_form=True)


def settings(info: ConnInfo) -> Settings:
    """The settings of a connection. Raises as `context`."""
    made = context(info) if info.ssl_context is None else info.ssl_context
    name = server_hostname(info)
    if made.check_hostname and name is None:
        raise OperationalError("the ssl_context checks the name in the server's certificate: give host")
    if name is not None and not _may_be_certified(name):
        raise OperationalError(f"host {name!r:.100} is a name that no certificate can have")
    if info.ssl_context is None or info.sslnegotiation == "direct":
        made.set_alpn_protocols([ALPN])
    return Settings(made, name, info.sslnegotiation == "direct")


def _may_be_certified(name: str) -> bool:
    """Whether `ssl` takes the name; where it does not, it has taken the socket already and does not close it."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return not name.startswith(".")


def default_directory() -> Path:
    """Where libpq keeps a user's certificates: root.crt, postgresql.crt, postgresql.key, root.crl."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", ""), "postgresql")
    return Path(os.path.expanduser("~/.postgresql"))


def context(info: ConnInfo) -> ssl.SSLContext:
    """The context for one connection.

    Raises OperationalError naming the file that is missing, unreadable, too open or does not fit. A file that was named
    and is not there is an error in every mode; one at its default place may be absent unless the mode needs it.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = _VERSIONS[info.ssl_min_protocol_version]
    if info.ssl_max_protocol_version is not None:
        made.maximum_version = _VERSIONS[info.ssl_max_protocol_version]
    root = _root_certificates(info)
    made.check_hostname = info.sslmode == "verify-full"
    made.verify_mode = ssl.CERT_NONE if root is None else ssl.CERT_REQUIRED
    if root == "system":
        made.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if info.sslcrl is not None or info.sslcrldir is not None:
            _load_revocations(made, info)
    elif root is not None:
        _load(made, root, "sslrootcert")
        _load_revocations(made, info)
    if info.sslmode == "verify-full" and info.host_name is None:
        raise OperationalError("sslmode=verify-full needs host, the name to find in the certificate, not only hostaddr")
    _load_client_certificate(made, info)
    if info.sslkeylogfile is not None:
        try:
            made.keylog_filename = info.sslkeylogfile
        except OSError as exc:
            raise OperationalError(f"sslkeylogfile {info.sslkeylogfile}: {_cause(exc)}") from exc
    return made


def server_hostname(info: ConnInfo) -> str | None:
    """The name for server name indication and for the check of verify-full; None where there is no name."""
    if not info.sslsni and info.ssl_context is None:
        return None
    return info.host_name or info.hostaddr


def _root_certificates(info: ConnInfo) -> str | None:
    """The file to verify against, "system", or None where this mode does not verify."""
    if info.sslmode in ("disable", "allow", "prefer"):
        return None
    if info.sslrootcert is not None:
        return info.sslrootcert
    default = default_directory() / "root.crt"
    if default.exists():
        return str(default)
    if info.sslmode == "require":
        return None
    raise OperationalError(
        f"sslmode={info.sslmode} needs a root certificate, and {default} does not exist: "
        "give sslrootcert=FILE, or sslrootcert=system for the public authorities"
    )


def _load(made: ssl.SSLContext, path: str, setting: str) -> None:
    try:
        made.load_verify_locations(cafile=path)
    except OSError as exc:  # ssl.SSLError is one
        raise OperationalError(f"{setting} {path}: {_cause(exc)}") from exc


def _load_revocations(made: ssl.SSLContext, info: ConnInfo) -> None:
    """Certificate revocations: sslcrl, else root.crl in the default place when it exists."""
    default = default_directory() / "root.crl"
    path = info.sslcrl or (str(default) if default.exists() and info.sslcrldir is None else None)
    if path is not None:
        _load(made, path, "sslcrl")
    if info.sslcrldir is not None:
        if not os.path.isdir(info.sslcrldir):
            raise OperationalError(f"sslcrldir {info.sslcrldir}: no such directory")
        made.load_verify_locations(capath=info.sslcrldir)
    if path is not None or info.sslcrldir is not None:
        made.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN


def _load_client_certificate(made: ssl.SSLContext, info: ConnInfo) -> None:
    """The client's own certificate and key: those named, else the default ones when the certificate exists."""
    if info.sslcertmode == "disable":
        return
    directory = default_directory()
    certificate = info.sslcert or str(directory / "postgresql.crt")
    if info.sslcert is None and not os.path.exists(certificate):
        return
    key = info.sslkey or str(directory / "postgresql.key")
    if not os.path.exists(certificate):
        raise OperationalError(f"sslcert {certificate}: No such file or directory")
    _check_key(key)

    def password() -> str:
        # Without this OpenSSL would ask on the terminal.
        if info.sslpassword is None:
            raise OperationalError(f"sslkey {key} is encrypted: give sslpassword")
        return info.sslpassword

    try:
        made.load_cert_chain(certificate, key, password)
    except OSError as exc:
        raise OperationalError(f"sslcert {certificate} with sslkey {key}: {_cause(exc)}") from exc


def _check_key(key: str) -> None:
    """Refuses a private key that others could read, as libpq does: 600, or 640 when root owns it."""
    try:
        status = os.stat(key)
    except OSError as exc:
        raise OperationalError(f"sslkey {key}: {exc.strerror}") from exc
    if sys.platform == "win32":
        return
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o777 & ~allowed & 0o077:
        raise OperationalError(f"sslkey {key} can be read by others: chmod 600 it")


def _cause(exc: OSError) -> str:
    """What OpenSSL or the system says, short."""
    if isinstance(exc, ssl.SSLError):
        return exc.reason or "not a usable PEM file"
    return exc.strerror or str(exc)
