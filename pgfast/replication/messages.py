"""What a replication stream brings, as objects.

Law of this file: plain facts. Times are aware datetimes in UTC, positions LSN, transaction ids int. Source: PostgreSQL
docs, "Streaming Replication Protocol" and "Logical Replication Message Formats".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from ..values.lsn import LSN


class _Unchanged(enum.Enum):
    UNCHANGED = "UNCHANGED"

    def __repr__(self) -> str:
        return "UNCHANGED"


#: Stands for a large value that an UPDATE has left as it was and that the server therefore has not sent.
UNCHANGED: Final = _Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class WalData:
    """A piece of the log, or what an output plugin made of it. `end` is the server's position when it was sent."""

    start: LSN
    end: LSN
    sent_at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class Keepalive:
    """A sign of life; where a reply is wanted the stream sends it by itself."""

    end: LSN
    sent_at: datetime
    reply_wanted: bool


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction that has been committed at `final`."""

    final: LSN
    committed_at: datetime
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of a transaction; `end` is the position behind it, which is what a client confirms."""

    commit: LSN
    end: LSN
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the transaction came from before it came here."""

    commit: LSN
    name: str


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column of a relation; `key` says that it is part of the replica identity."""

    name: str
    type_oid: int
    typmod: int
    key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, told before the first change of it and whenever it has changed.

    `identity` is pg_class.relreplident: d (primary key), n (nothing), f (all columns), i (an index).
    """

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[RelationColumn, ...]
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Type:
    """A type that is not built in."""

    oid: int
    schema: str
    name: str
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """A row that was inserted: column names to values."""

    relation: Relation
    new: dict[str, Any]
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A row that was updated. `old` is the whole old row where the replica identity is full, `key` the old key where it
    has changed; a value that was not sent is UNCHANGED."""

    relation: Relation
    new: dict[str, Any]
    key: dict[str, Any] | None = None
    old: dict[str, Any] | None = None
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A row that was deleted: its key, or all of it where the replica identity is full."""

    relation: Relation
    key: dict[str, Any] | None = None
    old: dict[str, Any] | None = None
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables that were truncated."""

    relations: tuple[Relation, ...]
    cascade: bool
    restart_identity: bool
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class LogicalMessage:
    """What pg_logical_emit_message wrote."""

    transactional: bool
    at: LSN
    prefix: str
    content: bytes = field(repr=False)
    xid: int | None = None


@dataclass(frozen=True, slots=True)
class StreamStart:
    """The beginning of a part of a transaction under way (protocol version 2 and later)."""

    xid: int
    first: bool


@dataclass(frozen=True, slots=True)
class StreamStop:
    """The end of such a part."""


@dataclass(frozen=True, slots=True)
class StreamCommit:
    """A transaction that came in parts has been committed."""

    xid: int
    commit: LSN
    end: LSN
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class StreamAbort:
    """A transaction that came in parts, or its subtransaction, has been rolled back; position and time by version 4."""

    xid: int
    subxid: int
    at: LSN | None = None
    aborted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BeginPrepare:
    """A transaction that has been prepared for two-phase commit (protocol version 3 and later)."""

    prepare: LSN
    end: LSN
    prepared_at: datetime
    xid: int
    gid: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """The end of a prepared transaction; `streamed` where it came in parts."""

    prepare: LSN
    end: LSN
    prepared_at: datetime
    xid: int
    gid: str
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class CommitPrepared:
    """A prepared transaction has been committed."""

    commit: LSN
    end: LSN
    committed_at: datetime
    xid: int
    gid: str


@dataclass(frozen=True, slots=True)
class RollbackPrepared:
    """A prepared transaction has been rolled back."""

    prepare_end: LSN
    rollback_end: LSN
    prepared_at: datetime
    rolled_back_at: datetime
    xid: int
    gid: str


Message: TypeAlias = (
    Begin
    | Commit
    | Origin
    | Relation
    | Type
    | Insert
    | Update
    | Delete
    | Truncate
    | LogicalMessage
    | StreamStart
    | StreamStop
    | StreamCommit
    | StreamAbort
    | BeginPrepare
    | Prepare
    | CommitPrepared
    | RollbackPrepared
)
