"""What can be asked about a connection."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from ..net.conninfo import ConnInfo
from ..net.conntext import make_text
from ..protocol.operations import Pipeline
from ..protocol.session import Session

#: Settings that are told, beside where the connection goes: neither secret nor anything but text and numbers.
_TEXTS: Final = frozenset(
    (
        *("hostaddr", "connect_timeout", "application_name", "options", "target_session_attrs", "requirepeer"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslnegotiation", "channel_binding"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "gssencmode", "krbsrvname", "replication"),
    )
)


class TransactionStatus(enum.IntEnum):
    """Where a connection stands: the values are libpq's."""

    IDLE = 0
    ACTIVE = 1
    INTRANS = 2
    INERROR = 3
    UNKNOWN = 4


class PipelineStatus(enum.IntEnum):
    """Whether a connection is in a pipeline, and whether a statement of it has failed: the values are libpq's."""

    OFF = 0
    ON = 1
    ABORTED = 2


class ConnStatus(enum.IntEnum):
    """Whether a connection can be used: the values are libpq's."""

    OK = 0
    BAD = 1


class Format(enum.IntEnum):
    """The format codes of the protocol (docs: Formats and Format Codes)."""

    TEXT = 0
    BINARY = 1


_STATUS = {"I": TransactionStatus.IDLE, "T": TransactionStatus.INTRANS, "E": TransactionStatus.INERROR}


class ConnectionInfo:
    """Facts about a connection: where it goes, and what the server has reported. Never the password."""

    vendor = "PostgreSQL"

    __slots__ = ("_encryption", "_info", "_pipeline", "_session")

    def __init__(
        self, info: ConnInfo, session: Session, encryption: str | None, pipeline: Pipeline | None = None
    ) -> None:
        self._info = info
        self._session = session
        self._encryption = encryption
        self._pipeline = pipeline

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

    def get_parameters(self) -> dict[str, str]:
        """The settings that the connection was made with, by libpq's names, where they are not the default.

        What is secret, and what is no text, is left out.
        """
        found = {"host": self.host, "port": str(self.port), "dbname": self.dbname, "user": self.user}
        for setting in fields(ConnInfo):
            value = getattr(self._info, setting.name)
            if setting.name in _TEXTS and value is not None and value != setting.default:
                found[setting.name] = f"{value:g}" if isinstance(value, float) else str(value)
        return {**found, **self._info.extra}

    @property
    def dsn(self) -> str:
        """The connection string of `get_parameters`, which has no password."""
        return make_text(self.get_parameters())

    @property
    def status(self) -> ConnStatus:
        """Whether the connection can be used."""
        return ConnStatus.OK if self._session.dead is None else ConnStatus.BAD

    @property
    def error_message(self) -> str:
        """What has ended the connection, "" while it lasts."""
        return "" if self._session.dead is None else str(self._session.dead)

    @property
    def pipeline_status(self) -> PipelineStatus:
        """Whether the connection is in a pipeline, and whether a statement of it has failed."""
        if self._pipeline is None:
            return PipelineStatus.OFF
        return PipelineStatus.ABORTED if self._pipeline.aborted else PipelineStatus.ON

    @property
    def full_protocol_version(self) -> int:
        """The protocol spoken, as a number: 30000 is 3.0, 30002 is 3.2."""
        major, minor = self._session.protocol_version
        return major * 10000 + minor

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

    def parameter_status(self, param_name: str) -> str | None:
        """One setting the server reports, None where it does not."""
        return self._session.parameters.get(param_name)

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
