"""What both faces of a replication stream and of a base backup share: everything that needs no waiting.

Law of this file: what has been received is known here, what has been made safe only the program knows; so the positions
that the server is told as flushed and applied move by `confirm` alone. A message is opened when the program asks for
it and not before: positions never run ahead of the program, and one that cannot be read costs none of the others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, Protocol, TypeAlias

from .. import const
from ..codec import Plan, decode_rows
from ..errors import InterfaceError, OperationalError, ProgrammingError, ProtocolError
from ..protocol.backend import Acknowledgement, CommandComplete, CopyResponse, RowDescription
from ..protocol.operations import Result, StreamEnd
from ..protocol.session import Event, Run, Session, State
from ..types.registry import PLAIN, Registry
from ..values.lsn import LSN
from .messages import Keepalive, Message, WalData
from .pgoutput import Decoder, Readers, moment

#: Seconds between two reports of the client's positions, where the server asks for none (wal_receiver_status_interval).
STATUS_S: Final = 10.0
_DATA: Final = Struct("!QQq")
_KEEPALIVE: Final = Struct("!QqB")
_STATUS: Final = Struct("!cQQQqB")
_HOT_STANDBY: Final = Struct("!cqIIII")
_LENGTH: Final = Struct("!I")
_HEAD: Final = 5  # tag and length word of a frame
#: DataRow with one field: tag, length, fields, the field's length.
_ROW: Final = Struct("!BIHI")
#: Longer intervals than a month are mistakes.
_LONGEST_S: Final = 2_678_400.0
_EPOCH_S: Final = 946684800  # 2000-01-01 in seconds since 1970

#: Seconds that a look at the socket takes at least.
_LEAST_S: Final = 0.001
_MOST: Final = 2**64


class Bearer(Protocol):
    """What a stream knows of its connection: the session, and how it is closed for what its server has said."""

    _session: Session

    def _condemn(self, exc: ProtocolError) -> None: ...


Item: TypeAlias = Message | WalData


def readers(registry: Registry) -> Readers:
    """How the values of each type are read, by the registry's rules of this moment."""
    rules = registry.rules
    known: dict[int, tuple[Callable[[str], Any] | None, Callable[[bytes], Any] | None]] = {}

    def binary(oid: int) -> Callable[[bytes], Any] | None:
        if rules.unknown((oid,)):
            return None
        plan = Plan([rules.decode_spec(oid, const.BINARY)])

        def decode(data: bytes) -> Any:
            frame = bytearray(_ROW.pack(const.DATA_ROW, 10 + len(data), 1, len(data)) + data)
            return decode_rows(plan, frame, 0, len(frame), 1)[0][0]

        return decode

    def of(oid: int) -> tuple[Callable[[str], Any] | None, Callable[[bytes], Any] | None]:
        found = known.get(oid)
        if found is None:
            found = known[oid] = (rules.text_parser(oid), binary(oid))
        return found

    return of


def _payloads(run: Run) -> list[bytes]:
    """The payload of each message of a run."""
    found, at = [], run.start
    for _ in range(run.count):
        (size,) = _LENGTH.unpack_from(run.block, at + 1)
        found.append(bytes(run.block[at + _HEAD : at + 1 + size]))
        at += 1 + size
    return found


class BaseStream:
    """A stream under way.

    `received` is the position behind the last byte that the program was given, `server_end` where the server was when
    it said so; `flushed` and `applied` are what has been confirmed. `next_timeline` is the timeline that follows the
    one that has ended, and where it begins; None where none has.
    """

    def __init__(self, connection: Bearer, decoder: Decoder | None, start: LSN, status_interval: float) -> None:
        if not 0 <= status_interval <= _LONGEST_S:
            raise ProgrammingError(f"status_interval is a number of seconds from 0 on, not {status_interval!r}")
        self.received = self.flushed = self.applied = start
        self.server_end = start
        self.next_timeline: tuple[int, LSN] | None = None
        self._base = connection
        self._session = connection._session
        self._decoder = decoder
        self._interval = status_interval
        self._told_at = time.monotonic()
        self._reply_wanted = False
        self._given = start  # nothing before it is still to be given to the program
        self._begun = self._ended = False
        self._ready: deque[bytes] = deque()

    def confirm(self, flushed: LSN | int, applied: LSN | int | None = None) -> None:
        """Everything before `flushed` is safe here, and visible before `applied` (by default the same).

        The server is told with the next report, and needs to keep nothing before it. Raises ProgrammingError for a
        position that goes back or has not been received.
        """
        safe, visible = LSN(flushed), LSN(flushed if applied is None else applied)
        if not self.flushed <= safe <= self._given or visible > self._given:
            raise ProgrammingError(
                f"{safe} (applied {visible}) cannot be confirmed: {self.flushed} has been, and what comes before "
                f"{self._given} was received"
            )
        self.flushed, self.applied = safe, visible

    @property
    def _running(self) -> bool:
        return self._session.dead is None and self._session.state is State.COPY_BOTH

    def _start(self, end: StreamEnd | None) -> None:
        """The stream has begun, and ended where that is so."""
        self._begun = True
        self._told_at = time.monotonic()
        if end is not None:
            self._end(end)

    def _end(self, end: StreamEnd) -> None:
        """The server has ended it."""
        self._ended = True
        for result in end.results:
            if result.fields is not None:
                with understood("START_REPLICATION"):
                    timeline, position = result.rows[0]
                    self.next_timeline = int(timeline), LSN(position)

    def _goes_on(self) -> bool:
        """Whether more may come. Raises where the stream is not under way, and not because it has ended."""
        if self._ended or self._running:
            return not self._ended
        if self._session.dead is not None:
            raise OperationalError(f"the connection is closed: {self._session.dead}")
        if not self._begun:
            raise InterfaceError("the stream has not begun: it does where a `with` block is entered")
        raise InterfaceError("the stream was interrupted while it waited, and is over; begin another one")

    def _patience(self, until: float | None) -> float | None:
        """Seconds to wait for more: until the next report is due, or that moment; None for no limit."""
        moments = [self._told_at + self._interval] if self._interval else []
        if until is not None:
            moments.append(until)
        return max(_LEAST_S, min(moments) - time.monotonic()) if moments else None

    def _is_due(self) -> bool:
        """Whether a report is: the server may wait for one however long the program takes for what has come."""
        if not self._running:
            return False
        return self._reply_wanted or (self._interval > 0 and time.monotonic() >= self._told_at + self._interval)

    def _status(self, reply: bool = False) -> bytes:
        """The report of the client's positions."""
        self._told_at, self._reply_wanted = time.monotonic(), False
        received = max(self.received, self.flushed)
        return _STATUS.pack(b"r", received, self.flushed, self.applied, _now(), reply)

    def _take(self, run: Run) -> None:
        """Put the messages of a run aside; only whether the server waits for a report is looked at."""
        for payload in _payloads(run):
            if payload[:1] == b"k" and len(payload) == 1 + _KEEPALIVE.size and payload[-1]:
                self._reply_wanted = True
            self._ready.append(payload)

    def _next_ready(self) -> Item | None:
        """The next item of what has come; None where there is none.

        Raises DataError for a value that cannot be read, its message is then behind; ProtocolError, the connection is
        then closed.
        """
        while self._ready:
            try:
                item = self._open(self._ready.popleft())
            except ProtocolError as exc:  # bytes that cannot be: nothing after them can be trusted
                self._base._condemn(exc)
                raise
            if item is not None:
                return item
        return None

    def _open(self, payload: bytes) -> Item | None:
        tag = payload[:1]
        if tag == b"w" and len(payload) > _DATA.size:
            start, end, sent = _DATA.unpack_from(payload, 1)
            data = payload[1 + _DATA.size :]
            behind = start if self._decoder is not None else start + len(data)
            if behind >= _MOST:
                raise ProtocolError(f"the replication stream goes beyond the last position there is, at {LSN(start)}")
            item = WalData(LSN(start), LSN(end), moment(sent), data)
            self.server_end = max(self.server_end, item.end)
            self.received = max(self.received, LSN(behind))
            self._given = max(self._given, self.received)
            return item if self._decoder is None else self._decoder.decode(data)
        if tag == b"k" and len(payload) == 1 + _KEEPALIVE.size:
            end, sent, wanted = _KEEPALIVE.unpack_from(payload, 1)
            found = Keepalive(LSN(end), moment(sent), bool(wanted))
            self.server_end = max(self.server_end, found.end)
            self._given = max(self._given, found.end)  # it has sent everything before
            return None
        raise ProtocolError(f"the replication stream holds {tag!r} with {len(payload)} bytes")


def _now() -> int:
    """Microseconds since 2000, as the server counts."""
    return int((time.time() - _EPOCH_S) * 1_000_000)


def hot_standby_feedback(xmin: int, catalog_xmin: int) -> bytes:
    """The oldest transactions that this client still needs: xids of 32 bits behind their epochs, 0 for none."""
    for xid in (xmin, catalog_xmin):
        if not 0 <= xid < _MOST:
            raise ProgrammingError(f"{xid!r} is not a full transaction id: they have 64 bits without sign")
    return _HOT_STANDBY.pack(b"h", _now(), xmin & 0xFFFFFFFF, xmin >> 32, catalog_xmin & 0xFFFFFFFF, catalog_xmin >> 32)


# ---------------------------------------------------------------- facts


@dataclass(frozen=True, slots=True)
class SystemIdentity:
    """What IDENTIFY_SYSTEM tells."""

    system_id: str
    timeline: int
    position: LSN
    database: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot that was created; `snapshot` is the name of the exported one."""

    name: str
    consistent_point: LSN
    snapshot: str | None
    plugin: str | None


@dataclass(frozen=True, slots=True)
class Tablespace:
    """A tablespace of a base backup: OID and directory are None for the data directory itself; size in kilobytes."""

    oid: int | None
    location: str | None
    size_kb: int | None


@contextmanager
def understood(command: str) -> Iterator[None]:
    """Make a ProtocolError of an answer that is not of the shape that the command gives."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as exc:
        raise ProtocolError(f"the server's answer to {command} is not one that the command gives") from exc


def identity(results: list[Result]) -> SystemIdentity:
    """The answer of IDENTIFY_SYSTEM."""
    with understood("IDENTIFY_SYSTEM"):
        system_id, timeline, position, database = results[0].rows[0][:4]
        return SystemIdentity(str(system_id), int(timeline), LSN(position), database)


def slot(results: list[Result]) -> Slot:
    """The answer of CREATE_REPLICATION_SLOT."""
    with understood("CREATE_REPLICATION_SLOT"):
        name, point, snapshot, plugin = results[0].rows[0][:4]
        return Slot(name, LSN(point), snapshot, plugin)


def setting(results: list[Result]) -> str:
    """The answer of SHOW."""
    with understood("SHOW"):
        return str(results[0].rows[0][0])


def history(results: list[Result]) -> tuple[str, bytes]:
    """The answer of TIMELINE_HISTORY: the name of the file and its content."""
    with understood("TIMELINE_HISTORY"):
        name, content = results[0].rows[0]
        return str(name), content if isinstance(content, bytes) else str(content).encode()


# ---------------------------------------------------------------- base backups


def _file_name(name: str) -> str:
    """The name of an archive. Raises ProtocolError for one that would lead a program out of its directory."""
    if not name or name[0] == "." or not {"/", "\\", ":"}.isdisjoint(name):
        raise ProtocolError(f"the base backup holds an archive of the name {name!r:.100}, which is none of a file")
    return name


class BaseBackupStream:
    """A base backup under way: its facts, and its archives piece by piece as (name, bytes).

    `start`, `timeline` and `tablespaces` are known from the first piece on, `end` after the last one. The archives are
    tar files: `base.tar`, one `OID.tar` for each tablespace, and the file `backup_manifest`.
    """

    def __init__(self, connection: Bearer) -> None:
        self.start = LSN(0)
        self.end = LSN(0)
        self.timeline = 0
        self.tablespaces: list[Tablespace] = []
        self.progress_bytes: int | None = None
        self._base = connection
        self._results: list[list[tuple[Any, ...]]] = []
        self._plan: Plan | None = None
        self._archives = 0
        self._named: str | None = None
        self._is_framed = self._fresh = False
        self._ready: deque[tuple[str, bytes]] = deque()

    def _take(self, event: Event) -> None:
        try:
            self._use(event)
        except ProtocolError as exc:
            self._base._condemn(exc)
            raise

    def _use(self, event: Event) -> None:
        match event:
            case RowDescription(fields):
                self._plan = PLAIN.rules.row_plan(fields)
                self._results.append([])
            case Run(const.DATA_ROW, block, start, stop, count):
                assert self._plan is not None, "the session lets DataRow through only after RowDescription"
                self._results[-1] += decode_rows(self._plan, block, start, stop, count)
            case CopyResponse():
                self._begin_archive()
            case Run():
                for payload in _payloads(event):
                    self._take_data(payload)
            case CommandComplete() | Acknowledgement():
                self._note()

    def _note(self) -> None:
        """Read the results that are complete: the start, the tablespaces, and at last the end."""
        with understood("BASE_BACKUP"):
            self._read_results()

    def _read_results(self) -> None:
        if self._results and not self.timeline:
            self.start, self.timeline = LSN(self._results[0][0][0]), int(self._results[0][0][1])
        if len(self._results) > 1 and not self.tablespaces:
            self.tablespaces = [
                Tablespace(None if oid is None else int(oid), location, None if size is None else int(size))
                for oid, location, size in self._results[1]
            ]
        if len(self._results) > 2 and self._results[2]:
            self.end = LSN(self._results[2][0][0])

    def _begin_archive(self) -> None:
        self._note()
        # Before version 15 each archive is a COPY of its own, in the order of the tablespaces, the manifest last.
        spaces = self.tablespaces
        at, self._archives = self._archives, self._archives + 1
        self._is_framed = False
        if at < len(spaces):
            oid = spaces[at].oid
            self._named = "base.tar" if oid is None else f"{oid}.tar"
        else:
            self._named = "backup_manifest"
        self._fresh = True

    def _take_data(self, payload: bytes) -> None:
        if self._fresh:
            # From version 15 on there is one COPY, whose pieces say what they are; the first names an archive.
            self._is_framed = payload[:1] == b"n" and payload.endswith(b"\0") and payload.count(b"\0") == 2
            self._fresh = False
        if not self._is_framed:
            self._ready.append((self._named or "", payload))
            return
        kind, rest = payload[:1], payload[1:]
        if kind == b"n":
            self._named = _file_name(rest.partition(b"\0")[0].decode("utf-8", "replace"))
        elif kind == b"m":
            self._named = "backup_manifest"
        elif kind == b"d":
            self._ready.append((self._named or "", rest))
        elif kind == b"p" and len(rest) == 8:
            self.progress_bytes = int.from_bytes(rest, "big")
        else:
            raise ProtocolError(f"the base backup holds a piece of the unknown kind {kind!r}")
