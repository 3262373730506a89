"""What can be asked about a connection."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from ..net.conninfo import ConnInfo
from ..protocol.session import Session


class TransactionStatus(enum.IntEnum):
    """Where a connection stands: the values are libpq's."""

    IDLE = 0
    ACTIVE = 1
    INTRANS = 2
    INERROR = 3
    UNKNOWN = 4


_STATUS = {"I": TransactionStatus.IDLE, "T": TransactionStatus.INTRANS, "E": TransactionStatus.INERROR}


class ConnectionInfo:
    """Facts about a connection: where it goes, and what the server has reported. Never the password."""

    __slots__ = ("_encryption", "_info", "_session")

    def __init__(self, info: ConnInfo, session: Session, encryption: str | None) -> None:
        self._info = info
        self._session = session
        self._encryption = encryption

    def __repr__(self) -> str:
        return f"<ConnectionInfo of {self._info}>"

    @property
    def host(self) -> str:
        """The host's name, or the directory of the Unix socket."""
        return self._info.host

    @property
    def hostaddr(self) -> str | None:
        """The address given instead of a name lookup."""
        return self._info.hostaddr

    @property
    def port(self) -> int:
        """The server's port."""
        return self._info.port

    @property
    def dbname(self) -> str:
        """The database."""
        return self._info.dbname

    @property
    def user(self) -> str:
        """The user who has logged in."""
        return self._info.user

    @property
    def options(self) -> str | None:
        """The command-line options sent to the server."""
        return self._info.options

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent: TLS is on, or GSSAPI encryption."""
        return self._encryption is not None

    @property
    def gss_encrypted(self) -> bool:
        """Whether GSSAPI encryption is on."""
        return self._encryption == "gss"

    @property
    def backend_pid(self) -> int:
        """The process on the server that serves this connection."""
        return self._session.backend_pid

    @property
    def parameters(self) -> Mapping[str, str]:
        """Every setting the server reports, as it is now: a live view."""
        return MappingProxyType(self._session.parameters)

    def parameter_status(self, name: str) -> str | None:
        """One setting the server reports, None where it does not."""
        return self._session.parameters.get(name)

    @property
    def server_version(self) -> int:
        """The server's version as a number: 180004 is 18.4, 90603 is 9.6.3; 0 where the server does not tell."""
        return self._session.server_version

    @property
    def encoding(self) -> str:
        """The Python name of the encoding in which text travels: always utf-8."""
        return "utf-8"

    @property
    def timezone(self) -> str | None:
        """The session's TimeZone, as the server spells it."""
        return self._session.parameters.get("TimeZone")

    @property
    def transaction_status(self) -> TransactionStatus:
        """Whether a transaction is open, or an operation under way."""
        if self._session.dead is not None:
            return TransactionStatus.UNKNOWN
        if not self._session.at_rest:
            return TransactionStatus.ACTIVE
        return _STATUS[self._session.transaction_status]
