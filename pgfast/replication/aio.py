"""Replication connections for asyncio."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from ..connections.aio import AsyncConnection
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
class AsyncReplicationStream(BaseStream):
    """A replication stream: an iterator over what comes, and the way back."""

    def __init__(self, connection: AsyncReplicationConnection, command: str, *facts: Any) -> None:
        super().__init__(connection, *facts)
        self._connection = connection
        self._command = command

    async def __aenter__(self) -> AsyncReplicationStream:
        self._start(await self._connection._run(operations.start_replication(self._session, self._command)))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._running:
            self._ended = True
            await self._connection._step(operations.tell(self._session, self._status()))
            await self._connection._step(operations.end_replication(self._session))

    async def __aiter__(self) -> AsyncIterator[Item]:
        while (item := await self._next(None)) is not None:
            yield item

    async def read(self, timeout: float) -> Item | None:
        return await self._next(time.monotonic() + timeout)

    async def _next(self, until: float | None) -> Item | None:
        """The next item; None when the stream has ended, or the time is over."""
        looked = False
        while True:
            if self._is_due():
                await self._connection._step(operations.tell(self._session, self._status()))
            item = self._next_ready()
            if item is not None or not self._goes_on():
                return item
            if looked and until is not None and time.monotonic() >= until:
                return None
            looked = True
            found = await self._connection._step(operations.next_copied(self._session, self._patience(until)))
            if isinstance(found, Run):
                self._take(found)
            elif found is not None:
                self._end(found)

    async def send_status(self, *, reply: bool = False) -> None:
        await self._connection._step(operations.tell(self._session, self._status(reply)))

    async def send_hot_standby_feedback(self, xmin: int = 0, catalog_xmin: int = 0) -> None:
        await self._connection._step(operations.tell(self._session, hot_standby_feedback(xmin, catalog_xmin)))


@docstrings.document(docstrings.BACKUP)
class AsyncBaseBackup(BaseBackupStream):
    """A base backup: an iterator over the pieces of its archives."""

    def __init__(self, connection: AsyncReplicationConnection, command: str) -> None:
        super().__init__(connection)
        self._connection = connection
        self._command = command

    async def __aenter__(self) -> AsyncBaseBackup:
        session = self._connection._session
        await self._connection._run(operations.start_backup(session, self._command))
        await self._read_on()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._connection.closed and not self._connection._session.at_rest:
            await self._connection._abandon()

    async def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        while self._ready or await self._read_on():
            yield self._ready.popleft()

    async def _read_on(self) -> bool:
        """Read until there is a piece; False at the end."""
        session = self._connection._session
        while not self._ready and not session.at_rest:
            event = await self._connection._step(operations.next_backup_event(session))
            if event is None:
                return False
            self._take(event)
        return bool(self._ready)


@docstrings.document(docstrings.CONNECTION)
class AsyncReplicationConnection(AsyncConnection):
    """A connection to a walsender."""

    @classmethod
    async def connect(
        cls, conninfo: str = "", *, physical: bool = False, timeout: float | None = None, **kwargs: Any
    ) -> AsyncReplicationConnection:
        kind = "true" if physical else "database"
        try:
            infos = settings.parse(conninfo, replication=kind, **kwargs)
        finally:
            del conninfo, kwargs  # as in an ordinary connection
        return await cls._open(infos, True, timeout)

    async def _ask(self, command: str, read: Callable[[list[Result]], T]) -> T:
        """What a command answers, as `read` understands it."""
        results = await self._run(operations.query(self._session, command))
        try:
            return read(results)
        except ProtocolError as exc:
            self._condemn(exc)
            raise

    async def identify_system(self) -> SystemIdentity:
        return await self._ask("IDENTIFY_SYSTEM", read_identity)

    async def show(self, name: str) -> str:
        return await self._ask(f"SHOW {identifier(name)}", read_setting)

    async def timeline_history(self, timeline: int) -> tuple[str, bytes]:
        return await self._ask(f"TIMELINE_HISTORY {timeline:d}", read_history)

    async def create_slot(
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
        return await self._ask(sql, read_slot)

    async def drop_slot(self, name: str, *, wait: bool = False) -> None:
        wanted = " WAIT" if wait else ""
        await self._run(operations.command(self._session, f"DROP_REPLICATION_SLOT {identifier(name)}{wanted}"))

    def start_physical(
        self,
        start: LSN | int | str,
        *,
        slot: str | None = None,
        timeline: int | None = None,
        status_interval: float = STATUS_S,
    ) -> AsyncReplicationStream:
        at = LSN(start)
        return AsyncReplicationStream(self, commands.start_physical(at, slot, timeline), None, at, status_interval)

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
    ) -> AsyncReplicationStream:
        options = commands.pgoutput_options(
            publications, protocol_version, streaming, two_phase, messages, binary, origin
        )
        at, decoder = LSN(start), Decoder(readers(self._session.registry))
        return AsyncReplicationStream(self, commands.start_logical(slot, at, options), decoder, at, status_interval)

    def start_plugin(
        self,
        slot: str,
        options: dict[str, str | None] | None = None,
        start: LSN | int | str = 0,
        *,
        status_interval: float = STATUS_S,
    ) -> AsyncReplicationStream:
        at = LSN(start)
        return AsyncReplicationStream(self, commands.start_logical(slot, at, options or {}), None, at, status_interval)

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
    ) -> AsyncBaseBackup:
        version = self.info.server_version
        sql = commands.base_backup(version, label, progress, fast, wal, wait, max_rate_kb, manifest, verify_checksums)
        return AsyncBaseBackup(self, sql)
