"""Replication connections for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from ..connections.sync import Connection
from ..errors import ProtocolError
from ..net import conninfo as settings
from ..protocol import operations
from ..protocol.operations import Result, identifier
from ..protocol.session import Run
from ..values.lsn import LSN
from . import commands, docstrings
from .pgoutput import Decoder
from .streams import STATUS_S, BaseBackupStream, BaseStream, Item, Slot, SystemIdentity, hot_standby_feedback, readers
from .streams import history as read_history
from .streams import identity as read_identity
from .streams import setting as read_setting
from .streams import slot as read_slot

T = TypeVar("T")


@docstrings.document(docstrings.STREAM)
class ReplicationStream(BaseStream):
    """A replication stream: an iterator over what comes, and the way back."""

    def __init__(self, connection: ReplicationConnection, command: str, *facts: Any) -> None:
        super().__init__(connection, *facts)
        self._connection = connection
        self._command = command

    def __enter__(self) -> ReplicationStream:
        self._start(self._connection._run(operations.start_replication(self._session, self._command)))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._running:
            self._ended = True
            self._connection._step(operations.tell(self._session, self._status()))
            self._connection._step(operations.end_replication(self._session))

    def __iter__(self) -> Iterator[Item]:
        while (item := self._next(None)) is not None:
            yield item

    def read(self, timeout: float) -> Item | None:
        return self._next(time.monotonic() + timeout)

    def _next(self, until: float | None) -> Item | None:
        """The next item; None when the stream has ended, or the time is over."""
        looked = False
        while True:
            if self._is_due():
                self._connection._step(operations.tell(self._session, self._status()))
            item = self._next_ready()
            if item is not None or not self._goes_on():
                return item
            if looked and until is not None and time.monotonic() >= until:
                return None
            looked = True
            found = self._connection._step(operations.next_copied(self._session, self._patience(until)))
            if isinstance(found, Run):
                self._take(found)
            elif found is not None:
                self._end(found)

    def send_status(self, *, reply: bool = False) -> None:
        self._connection._step(operations.tell(self._session, self._status(reply)))

    def send_hot_standby_feedback(self, xmin: int = 0, catalog_xmin: int = 0) -> None:
        self._connection._step(operations.tell(self._session, hot_standby_feedback(xmin, catalog_xmin)))


@docstrings.document(docstrings.BACKUP)
class BaseBackup(BaseBackupStream):
    """A base backup: an iterator over the pieces of its archives."""

    def __init__(self, connection: ReplicationConnection, command: str) -> None:
        super().__init__(connection)
        self._connection = connection
        self._command = command

    def __enter__(self) -> BaseBackup:
        session = self._connection._session
        self._connection._run(operations.start_backup(session, self._command))
        self._read_on()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._connection.closed and not self._connection._session.at_rest:
            self._connection._abandon()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        while self._ready or self._read_on():
            yield self._ready.popleft()

    def _read_on(self) -> bool:
        """Read until there is a piece; False at the end."""
        session = self._connection._session
        while not self._ready and not session.at_rest:
            event = self._connection._step(operations.next_backup_event(session))
            if event is None:
                return False
            self._take(event)
        return bool(self._ready)


@docstrings.document(docstrings.CONNECTION)
class ReplicationConnection(Connection):
    """A connection to a walsender."""

    @classmethod
    def connect(
        cls, conninfo: str = "", *, physical: bool = False, timeout: float | None = None, **kwargs: Any
    ) -> ReplicationConnection:
        kind = "true" if physical else "database"
        try:
            infos = settings.parse(conninfo, replication=kind, **kwargs)
        finally:
            del conninfo, kwargs  # as in an ordinary connection
        return cls._open(infos, True, timeout)

    def _ask(self, command: str, read: Callable[[list[Result]], T]) -> T:
        """What a command answers, as `read` understands it."""
        results = self._run(operations.query(self._session, command))
        try:
            return read(results)
        except ProtocolError as exc:
            self._condemn(exc)
            raise

    def identify_system(self) -> SystemIdentity:
        return self._ask("IDENTIFY_SYSTEM", read_identity)

    def show(self, name: str) -> str:
        return self._ask(f"SHOW {identifier(name)}", read_setting)

    def timeline_history(self, timeline: int) -> tuple[str, bytes]:
        return self._ask(f"TIMELINE_HISTORY {timeline:d}", read_history)

    def create_slot(
        self,
        name: str,
        plugin: str | None = "pgoutput",
        *,
        temporary: bool = False,
        snapshot: str = "export",
        two_phase: bool = False,
        reserve_wal: bool = False,
    ) -> Slot:
        version = self.info.server_version
        sql = commands.create_slot(version, name, plugin, temporary, snapshot, two_phase, reserve_wal)
        return self._ask(sql, read_slot)

    def drop_slot(self, name: str, *, wait: bool = False) -> None:
        wanted = " WAIT" if wait else ""
        self._run(operations.command(self._session, f"DROP_REPLICATION_SLOT {identifier(name)}{wanted}"))

    def start_physical(
        self,
        start: LSN | int | str,
        *,
        slot: str | None = None,
        timeline: int | None = None,
        status_interval: float = STATUS_S,
    ) -> ReplicationStream:
        at = LSN(start)
        return ReplicationStream(self, commands.start_physical(at, slot, timeline), None, at, status_interval)

    def start_logical(
        self,
        slot: str,
        publications: Sequence[str],
        start: LSN | int | str = 0,
        *,
        protocol_version: int = 1,
        streaming: str | None = None,
        two_phase: bool = False,
        messages: bool = False,
        binary: bool = False,
        origin: str | None = None,
        status_interval: float = STATUS_S,
    ) -> ReplicationStream:
        options = commands.pgoutput_options(
            publications, protocol_version, streaming, two_phase, messages, binary, origin
        )
        at, decoder = LSN(start), Decoder(readers(self._session.registry))
        return ReplicationStream(self, commands.start_logical(slot, at, options), decoder, at, status_interval)

    def start_plugin(
        self,
        slot: str,
        options: dict[str, str | None] | None = None,
        start: LSN | int | str = 0,
        *,
        status_interval: float = STATUS_S,
    ) -> ReplicationStream:
        at = LSN(start)
        return ReplicationStream(self, commands.start_logical(slot, at, options or {}), None, at, status_interval)

    def base_backup(
        self,
        label: str = "pgfast",
        *,
        progress: bool = False,
        fast: bool = True,
        wal: bool = False,
        wait: bool = True,
        max_rate_kb: int | None = None,
        manifest: bool = False,
        verify_checksums: bool = True,
    ) -> BaseBackup:
        version = self.info.server_version
        sql = commands.base_backup(version, label, progress, fast, wal, wait, max_rate_kb, manifest, verify_checksums)
        return BaseBackup(self, sql)
