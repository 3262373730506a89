"""Replication: the log of a server as a stream, the changes of its tables, and base backups.

`ReplicationConnection.connect` and its asynchronous twin connect to a walsender. Law of this package: it knows what the
stream says; how bytes come and go is the connections' business.
"""

from __future__ import annotations

from ..values.lsn import LSN
from .aio import AsyncBaseBackup, AsyncReplicationConnection, AsyncReplicationStream
from .messages import (
    UNCHANGED,
    Begin,
    BeginPrepare,
    Commit,
    CommitPrepared,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    Origin,
    Prepare,
    Relation,
    RelationColumn,
    RollbackPrepared,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    Type,
    Update,
    WalData,
)
from .pgoutput import Decoder
from .streams import Slot, SystemIdentity, Tablespace
from .sync import BaseBackup, ReplicationConnection, ReplicationStream

__all__ = [
    "LSN",
    "UNCHANGED",
    "AsyncBaseBackup",
    "AsyncReplicationConnection",
    "AsyncReplicationStream",
    "BaseBackup",
    "Begin",
    "BeginPrepare",
    "Commit",
    "CommitPrepared",
    "Decoder",
    "Delete",
    "Insert",
    "LogicalMessage",
    "Message",
    "Origin",
    "Prepare",
    "Relation",
    "RelationColumn",
    "ReplicationConnection",
    "ReplicationStream",
    "RollbackPrepared",
    "Slot",
    "StreamAbort",
    "StreamCommit",
    "StreamStart",
    "StreamStop",
    "SystemIdentity",
    "Tablespace",
    "Truncate",
    "Type",
    "Update",
    "WalData",
]
