"""pgoutput: the messages of the server's own output plugin, decoded.

Law of this file: one message in, one object out; every length is checked and every message must end where its bytes
do. It knows the relations that it was told of, as the protocol demands, and keeps nothing else. Protocol versions 1 to
4. Source: PostgreSQL docs, "Logical Replication Message Formats"; server: proto.c.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from struct import Struct
from typing import Any, Final

from ..errors import DataError, ProtocolError
from ..values.lsn import LSN
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
)

_U8: Final = Struct("!B")
_I16: Final = Struct("!h")
_I32: Final = Struct("!i")
_U32: Final = Struct("!I")
_U64: Final = Struct("!Q")
_I64: Final = Struct("!q")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=timezone.utc)
_CASCADE, _RESTART = 1, 2

#: Gives the functions that read a type, by its OID, from text and from binary; None where the text is the value.
Readers = Callable[[int], "tuple[Callable[[str], Any] | None, Callable[[bytes], Any] | None]"]


def moment(microseconds: int) -> datetime:
    """The time that the server writes so. Raises ProtocolError for one that Python cannot hold."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError as exc:
        raise ProtocolError(f"a time of {microseconds} microseconds since 2000 is beyond what there is") from exc


class _Bytes:
    """A cursor over one message; every read is checked against its end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, layout: Struct) -> int:
        if len(self.data) - self.at < layout.size:
            raise ProtocolError(f"pgoutput: the message ends at offset {self.at}, inside a number")
        (value,) = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return int(value)

    def lsn(self) -> LSN:
        return LSN(self.number(_U64))

    def time(self) -> datetime:
        return moment(self.number(_I64))

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise ProtocolError(f"pgoutput: {size} bytes are announced at offset {self.at}, {self.left} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def string(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ProtocolError(f"pgoutput: the message ends inside the string at offset {self.at}")
        text = self.take(end - self.at)
        self.at += 1
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise ProtocolError(f"pgoutput: the string before offset {self.at} is not valid UTF-8") from exc

    @property
    def left(self) -> int:
        return len(self.data) - self.at


class Decoder:
    """Decodes the messages of one stream, in their order."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._relations: dict[int, Relation] = {}
        self._streaming: int | None = None

    def decode(self, data: bytes) -> Message:
        """The message. Raises ProtocolError for bytes that are none, DataError for a value that cannot be read."""
        source = _Bytes(data)
        tag = source.take(1)
        read = _READERS.get(tag)
        if read is None:
            raise ProtocolError(f"pgoutput: there is no message {tag!r} in the protocol versions 1 to 4")
        message = read(self, source)
        if source.left:
            raise ProtocolError(f"pgoutput: {type(message).__name__} has {source.left} bytes too many")
        return message

    # ------------------------------------------------------------ parts of messages

    def _xid(self, source: _Bytes) -> int | None:
        """The transaction of a change, which is told inside of a streamed part alone."""
        return None if self._streaming is None else source.number(_U32)

    def _relation(self, source: _Bytes) -> Relation:
        oid = source.number(_U32)
        found = self._relations.get(oid)
        if found is None:
            raise ProtocolError(f"pgoutput: a change of the relation {oid}, which was not described")
        return found

    def _tuple(self, source: _Bytes, relation: Relation, key_only: bool = False) -> dict[str, Any]:
        count = source.number(_I16)
        if count != len(relation.columns):
            raise ProtocolError(
                f"pgoutput: a row of {count} columns, {relation.schema}.{relation.name} has {len(relation.columns)}"
            )
        row: dict[str, Any] = {}
        for column in relation.columns:
            kind = source.take(1)
            if kind == b"n":
                value = None
            elif kind == b"u":
                value = UNCHANGED
            elif kind in (b"t", b"b"):
                value = self._value(source.take(source.number(_I32)), kind == b"b", column, relation)
            else:
                raise ProtocolError(f"pgoutput: a value of the unknown kind {kind!r}")
            if column.key or not key_only:
                row[column.name] = value
        return row

    def _value(self, data: bytes, binary: bool, column: RelationColumn, relation: Relation) -> Any:
        from_text, from_binary = self._readers(column.type_oid)
        try:
            if not binary:
                text = data.decode("utf-8")
                return text if from_text is None else from_text(text)
            return data if from_binary is None else from_binary(data)
        except Exception as exc:  # a parser, or a function the program has registered
            where = f"{relation.schema}.{relation.name}.{column.name}"
            raise DataError(f"pgoutput: the value of {where} could not be read: {exc}") from exc

    # ------------------------------------------------------------ messages

    def _begin(self, source: _Bytes) -> Begin:
        return Begin(source.lsn(), source.time(), source.number(_U32))

    def _commit(self, source: _Bytes) -> Commit:
        source.number(_U8)
        return Commit(source.lsn(), source.lsn(), source.time())

    def _origin(self, source: _Bytes) -> Origin:
        return Origin(source.lsn(), source.string())

    def _described(self, source: _Bytes) -> Relation:
        xid = self._xid(source)
        oid, schema, name = source.number(_U32), source.string(), source.string()
        identity = chr(source.number(_U8))
        columns, count = [], source.number(_I16)
        if count < 0 or count > source.left:
            raise ProtocolError(f"pgoutput: Relation announces {count} columns, {source.left} bytes are left")
        for _ in range(count):
            flags = source.number(_U8)
            columns.append(RelationColumn(source.string(), source.number(_U32), source.number(_I32), bool(flags & 1)))
        # An empty schema stands for pg_catalog (server: logicalrep_write_namespace).
        relation = Relation(oid, schema or "pg_catalog", name, identity, tuple(columns), xid)
        self._relations[oid] = relation
        return relation

    def _type(self, source: _Bytes) -> Type:
        xid = self._xid(source)
        oid = source.number(_U32)
        return Type(oid, source.string() or "pg_catalog", source.string(), xid)

    def _insert(self, source: _Bytes) -> Insert:
        xid, relation = self._xid(source), self._relation(source)
        if source.take(1) != b"N":
            raise ProtocolError("pgoutput: Insert without a new row")
        return Insert(relation, self._tuple(source, relation), xid)

    def _update(self, source: _Bytes) -> Update:
        xid, relation = self._xid(source), self._relation(source)
        kind, key, old = source.take(1), None, None
        if kind == b"K":
            key, kind = self._tuple(source, relation, key_only=True), source.take(1)
        elif kind == b"O":
            old, kind = self._tuple(source, relation), source.take(1)
        if kind != b"N":
            raise ProtocolError("pgoutput: Update without a new row")
        return Update(relation, self._tuple(source, relation), key, old, xid)

    def _delete(self, source: _Bytes) -> Delete:
        xid, relation, kind = self._xid(source), self._relation(source), source.take(1)
        if kind == b"K":
            return Delete(relation, self._tuple(source, relation, key_only=True), None, xid)
        if kind != b"O":
            raise ProtocolError("pgoutput: Delete without an old row")
        return Delete(relation, None, self._tuple(source, relation), xid)

    def _truncate(self, source: _Bytes) -> Truncate:
        xid, count, options = self._xid(source), source.number(_I32), source.number(_U8)
        if count < 0 or 4 * count > source.left:
            raise ProtocolError(f"pgoutput: Truncate announces {count} relations, {source.left} bytes are left")
        relations = tuple([self._relation(source) for _ in range(count)])
        return Truncate(relations, bool(options & _CASCADE), bool(options & _RESTART), xid)

    def _message(self, source: _Bytes) -> LogicalMessage:
        xid = self._xid(source)
        flags, at, prefix = source.number(_U8), source.lsn(), source.string()
        return LogicalMessage(bool(flags & 1), at, prefix, source.take(source.number(_I32)), xid)

    def _stream_start(self, source: _Bytes) -> StreamStart:
        if self._streaming is not None:
            raise ProtocolError("pgoutput: StreamStart inside of a streamed part")
        message = StreamStart(source.number(_U32), bool(source.number(_U8)))
        self._streaming = message.xid
        return message

    def _stream_stop(self, source: _Bytes) -> StreamStop:
        if self._streaming is None:
            raise ProtocolError("pgoutput: StreamStop outside of a streamed part")
        self._streaming = None
        return StreamStop()

    def _stream_commit(self, source: _Bytes) -> StreamCommit:
        xid = source.number(_U32)
        source.number(_U8)
        return StreamCommit(xid, source.lsn(), source.lsn(), source.time())

    def _stream_abort(self, source: _Bytes) -> StreamAbort:
        xid, subxid = source.number(_U32), source.number(_U32)
        return StreamAbort(xid, subxid, source.lsn(), source.time()) if source.left else StreamAbort(xid, subxid)

    def _begin_prepare(self, source: _Bytes) -> BeginPrepare:
        return BeginPrepare(source.lsn(), source.lsn(), source.time(), source.number(_U32), source.string())

    def _prepare(self, source: _Bytes, streamed: bool = False) -> Prepare:
        source.number(_U8)
        facts = (source.lsn(), source.lsn(), source.time(), source.number(_U32), source.string())
        return Prepare(*facts, streamed=streamed)

    def _stream_prepare(self, source: _Bytes) -> Prepare:
        return self._prepare(source, streamed=True)

    def _commit_prepared(self, source: _Bytes) -> CommitPrepared:
        source.number(_U8)
        return CommitPrepared(source.lsn(), source.lsn(), source.time(), source.number(_U32), source.string())

    def _rollback_prepared(self, source: _Bytes) -> RollbackPrepared:
        source.number(_U8)
        positions = (source.lsn(), source.lsn())
        return RollbackPrepared(*positions, source.time(), source.time(), source.number(_U32), source.string())


_READERS: Final[dict[bytes, Callable[[Decoder, _Bytes], Message]]] = {
    b"B": Decoder._begin,
    b"C": Decoder._commit,
    b"O": Decoder._origin,
    b"R": Decoder._described,
    b"Y": Decoder._type,
    b"I": Decoder._insert,
    b"U": Decoder._update,
    b"D": Decoder._delete,
    b"T": Decoder._truncate,
    b"M": Decoder._message,
    b"S": Decoder._stream_start,
    b"E": Decoder._stream_stop,
    b"c": Decoder._stream_commit,
    b"A": Decoder._stream_abort,
    b"b": Decoder._begin_prepare,
    b"P": Decoder._prepare,
    b"K": Decoder._commit_prepared,
    b"r": Decoder._rollback_prepared,
    b"p": Decoder._stream_prepare,
}
