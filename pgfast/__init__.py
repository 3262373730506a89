"""pgfast: a PostgreSQL driver for moving data in bulk.

`connect` opens a connection, `AsyncConnection.connect` one for asyncio. `IMPLEMENTATION` tells which codec this process
uses: "c" or "python".
"""

from __future__ import annotations

from . import adapt, conninfo, copy, errors, hooks, pq, rows, sql, types, values
from ._version import __version__
from .adapt import adapters
from .api import AsyncConnection, Connection, connect, export, load, restore_indexes
from .bulk.report import LoadReport
from .capabilities import Capabilities, capabilities
from .codec import IMPLEMENTATION
from .columns import Columns
from .connections.aio import AsyncPipelineBlock as AsyncPipeline
from .connections.aio import AsyncTransaction
from .connections.aio_copy import AsyncCopy
from .connections.aio_cursors import AsyncCursor
from .connections.aio_named import AsyncServerCursor
from .connections.characteristics import IsolationLevel
from .connections.client_cursors import AsyncClientCursor, ClientCursor
from .connections.dbapi import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)
from .connections.info import ConnectionInfo, TransactionStatus
from .connections.raw import AsyncRawCursor, AsyncRawServerCursor, RawCursor, RawServerCursor
from .connections.results import Column
from .connections.sync import PipelineBlock as Pipeline
from .connections.sync import Transaction
from .connections.sync_copy import Copy
from .connections.sync_cursors import Cursor
from .connections.sync_named import ServerCursor
from .connections.transactions import Rollback
from .connections.xid import Xid
from .errors import (
    DatabaseError,
    DataError,
    Diagnostic,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from .exporting.report import ExportReport
from .exporting.transfer import CopyReport, TableReport, copy_tables, copy_tables_async
from .protocol.backend import Notification as Notify
from .protocol.oauth import OAuthRequest
from .types import Json
from .values import Array, Interval, Multirange, Range

#: PEP 249: threads may share the module and its connections; parameters are `%(name)s`, `%s` and `$1` as well.
apilevel = "2.0"
threadsafety = 2
paramstyle = "pyformat"

__all__ = [
    "BINARY",
    "DATETIME",
    "IMPLEMENTATION",
    "NUMBER",
    "ROWID",
    "STRING",
    "Array",
    "AsyncClientCursor",
    "AsyncConnection",
    "AsyncCopy",
    "AsyncCursor",
    "AsyncPipeline",
    "AsyncRawCursor",
    "AsyncRawServerCursor",
    "AsyncServerCursor",
    "AsyncTransaction",
    "Binary",
    "Capabilities",
    "ClientCursor",
    "Column",
    "Columns",
    "Connection",
    "ConnectionInfo",
    "Copy",
    "CopyReport",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Diagnostic",
    "Error",
    "ExportReport",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Interval",
    "IsolationLevel",
    "Json",
    "LoadReport",
    "Multirange",
    "NotSupportedError",
    "Notify",
    "OAuthRequest",
    "OperationalError",
    "Pipeline",
    "ProgrammingError",
    "Range",
    "RawCursor",
    "RawServerCursor",
    "Rollback",
    "ServerCursor",
    "TableReport",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Transaction",
    "TransactionStatus",
    "Warning",
    "Xid",
    "__version__",
    "adapt",
    "adapters",
    "apilevel",
    "capabilities",
    "connect",
    "conninfo",
    "copy",
    "copy_tables",
    "copy_tables_async",
    "errors",
    "export",
    "hooks",
    "load",
    "paramstyle",
    "pq",
    "restore_indexes",
    "rows",
    "sql",
    "threadsafety",
    "types",
    "values",
]
