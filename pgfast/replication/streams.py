"""What both faces of a replication stream and of a base backup share: everything that needs no waiting.

Law of this file: what has been received is known here, what has been made safe only the program knows; so the positions
that the server is told as flushed and applied move by `confirm` alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, TypeAlias

from .. import const
from ..codec import Plan, decode_rows
from ..errors import ProgrammingError, ProtocolError
from ..protocol.backend import Acknowledgement, CommandComplete, CopyResponse, RowDescription
from ..protocol.operations import Result
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
_EPOCH_S: Final = 946684800  # 2000-01-01 in seconds since 1970

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

    `received` is the position behind the last byte that has come, `server_end` where the server was when it last spoke;
    `flushed` and `applied` are what has been confirmed.
    """

    def __init__(self, session: Session, decoder: Decoder | None, start: LSN, status_interval: float) -> None:
        self.received = self.flushed = self.applied = start
        self.server_end = start
        self._session = session
        self._decoder = decoder
        self._interval = status_interval
        self._told_at = time.monotonic()
        self._reply_wanted = False
        self._ready: deque[Item] = deque()

    def confirm(self, flushed: LSN | int, applied: LSN | int | None = None) -> None:
        """Everything before `flushed` is safe here, and visible before `applied` (by default the same).

        The server is told with the next report, and needs to keep nothing before it. Raises ProgrammingError for a
        position that goes back or has not been received.
        """
        if not self.flushed <= flushed <= max(self.received, self.server_end):
            raise ProgrammingError(
                f"{LSN(flushed)} cannot be confirmed: {self.flushed} has been, and {self.received} was received"
            )
        self.flushed = LSN(flushed)
        self.applied = LSN(flushed if applied is None else applied)

    @property
    def _running(self) -> bool:
        return self._session.dead is None and self._session.state is State.COPY_BOTH

    def _patience(self) -> float:
        """Seconds until the next report is due."""
        return max(0.0, self._told_at + self._interval - time.monotonic())

    def _is_due(self) -> bool:
        return self._reply_wanted or self._patience() <= 0

    def _status(self, reply: bool = False) -> bytes:
        """The report of the client's positions."""
        self._told_at, self._reply_wanted = time.monotonic(), False
        received = max(self.received, self.flushed)
        return _STATUS.pack(b"r", received, self.flushed, self.applied, _now(), reply)

    def _take(self, run: Run) -> None:
        for payload in _payloads(run):
            self._take_one(payload)

    def _take_one(self, payload: bytes) -> None:
        tag = payload[:1]
        if tag == b"w" and len(payload) > _DATA.size:
            start, end, sent = _DATA.unpack_from(payload, 1)
            data = payload[1 + _DATA.size :]
            self.server_end = max(self.server_end, LSN(end))
            if self._decoder is None:
                self.received = max(self.received, LSN(start + len(data)))
                self._ready.append(WalData(LSN(start), LSN(end), moment(sent), data))
            else:
                self.received = max(self.received, LSN(start))
                self._ready.append(self._decoder.decode(data))
        elif tag == b"k" and len(payload) == 1 + _KEEPALIVE.size:
            end, sent, wanted = _KEEPALIVE.unpack_from(payload, 1)
            found = Keepalive(LSN(end), moment(sent), bool(wanted))
            self.server_end = max(self.server_end, found.end)
            self._reply_wanted = self._reply_wanted or found.reply_wanted
        else:
            raise self._session.die(ProtocolError(f"the replication stream holds {tag!r} with {len(payload)} bytes"))


def _now() -> int:
    """Microseconds since 2000, as the server counts."""
    return int((time.time() - _EPOCH_S) * 1_000_000)


def hot_standby_feedback(xmin: int, catalog_xmin: int) -> bytes:
    """The oldest transactions that this client still needs: xids of 32 bits behind their epochs, 0 for none."""
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


class BaseBackupStream:
    """A base backup under way: its facts, and its archives piece by piece as (name, bytes).

    `start`, `timeline` and `tablespaces` are known from the first piece on, `end` after the last one. The archives are
    tar files: `base.tar`, one `OID.tar` for each tablespace, and the file `backup_manifest`.
    """

    def __init__(self) -> None:
        self.start = LSN(0)
        self.end = LSN(0)
        self.timeline = 0
        self.tablespaces: list[Tablespace] = []
        self.progress_bytes: int | None = None
        self._results: list[list[tuple[Any, ...]]] = []
        self._plan: Plan | None = None
        self._archives = 0
        self._named: str | None = None
        self._is_framed = self._fresh = False
        self._ready: deque[tuple[str, bytes]] = deque()

    def _take(self, event: Event) -> None:
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
            self._named = rest.partition(b"\0")[0].decode("utf-8", "replace")
        elif kind == b"m":
            self._named = "backup_manifest"
        elif kind == b"d":
            self._ready.append((self._named or "", rest))
        elif kind == b"p" and len(rest) == 8:
            self.progress_bytes = int.from_bytes(rest, "big")
        else:
            raise ProtocolError(f"the base backup holds a piece of the unknown kind {kind!r}")
