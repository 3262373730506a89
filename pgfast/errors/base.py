"""The exceptions of PEP 249 and the few that pgfast adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultInfo:
    """Where a codec stopped: the fault code, the position, the column (0-based, -1: none) and what it saw.

    `at` is a byte offset from the start of the message (its tag byte) when decoding a message, from the start of the
    tuple when decoding binary COPY, and the row's index within the call when encoding.
    """

    code: int
    at: int
    column: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """The fields of an ErrorResponse or NoticeResponse, None where absent (docs: Error and Notice Message Fields)."""

    severity: str | None = None
    severity_nonlocalized: str | None = None
    sqlstate: str | None = None
    message_primary: str | None = None
    message_detail: str | None = None
    message_hint: str | None = None
    statement_position: str | None = None
    internal_position: str | None = None
    internal_query: str | None = None
    context: str | None = None
    schema_name: str | None = None
    table_name: str | None = None
    column_name: str | None = None
    datatype_name: str | None = None
    constraint_name: str | None = None
    source_file: str | None = None
    source_line: str | None = None
    source_function: str | None = None


class Warning(Exception):  # noqa: A001  (the name is PEP 249's)
    """Important warnings (PEP 249)."""


class Error(Exception):
    """Base of every exception pgfast raises.

    `sqlstate` is the five-character code when the server reported the error, else the class's own or None;
    `diag` holds the server's fields; `fault` tells where a codec stopped. `parameter_types` are the OIDs of the types
    that the server gives the parameters of a statement, where the value of one was refused.
    """

    sqlstate: str | None = None
    diag: Diagnostic = Diagnostic()
    fault: FaultInfo | None = None
    parameter_types: tuple[int, ...] | None = None


class InterfaceError(Error):
    """The driver was used in a way it cannot serve (PEP 249)."""


class DatabaseError(Error):
    """Something about the database (PEP 249)."""


class DataError(DatabaseError):
    """A value cannot be represented (PEP 249)."""


class OperationalError(DatabaseError):
    """The connection, the server's resources or its administrator got in the way (PEP 249)."""


class IntegrityError(DatabaseError):
    """A constraint was violated (PEP 249)."""


class InternalError(DatabaseError):
    """The server reports an error of its own (PEP 249)."""


class ProgrammingError(DatabaseError):
    """The statement or its use is wrong (PEP 249)."""


class NotSupportedError(DatabaseError):
    """A feature is missing (PEP 249)."""


class ProtocolError(OperationalError):
    """The peer sent bytes that the protocol does not allow. The connection is closed."""


class AuthenticationError(OperationalError):
    """The client itself has refused to log in: a secret is missing, or the server did not what the settings demand."""


class TimeoutError(OperationalError):  # noqa: A001  (read as pgfast.errors.TimeoutError)
    """A wait outlasted the timeout the caller gave."""


class ConnectionTimeout(TimeoutError):
    """A connection could not be made in the time given."""


class CancellationTimeout(TimeoutError):
    """The server could not be asked in the time given to cancel what it is doing."""


class PipelineAborted(OperationalError):
    """An earlier statement of the pipeline has failed, so the server has not executed this one."""
