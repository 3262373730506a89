"""Every exception pgfast raises, and the words for codec faults."""

from __future__ import annotations

from . import sqlstates
from .base import (
    AuthenticationError,
    CancellationTimeout,
    ConnectionTimeout,
    DatabaseError,
    DataError,
    Diagnostic,
    Error,
    FaultInfo,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PipelineAborted,
    ProgrammingError,
    ProtocolError,
    TimeoutError,
    Warning,
)
from .faults import fault, reason, shorten
from .names import lookup
from .sqlstates import *  # noqa: F403

__all__ = [
    "AuthenticationError",
    "CancellationTimeout",
    "ConnectionTimeout",
    "DataError",
    "DatabaseError",
    "Diagnostic",
    "Error",
    "FaultInfo",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PipelineAborted",
    "ProgrammingError",
    "ProtocolError",
    "TimeoutError",
    "Warning",
    "fault",
    "lookup",
    "reason",
    "shorten",
]
__all__ += sqlstates.__all__
