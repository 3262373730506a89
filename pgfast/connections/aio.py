"""Connections for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from .. import const
from ..errors import CancellationTimeout, InterfaceError, ProgrammingError, TimeoutError
from ..net import aio as driver
from ..net import aio_connect
from ..net import conninfo as settings
from ..net.deadline import NEVER, Deadline
from ..protocol import operations
from ..protocol.backend import Notification
from ..protocol.operations import AnyQuery, Operation, Outcome, Params, Pending, Pipeline
from ..protocol.prepared import AUTOMATIC
from ..protocol.session import Session
from ..rows import Row, RowFactory
from ..types.registry import Registry
from . import docstrings, twophase
from .aio_cursors import AsyncCursor
from .aio_named import AsyncServerCursor
from .aio_types import AsyncTypes
from .base import CANCEL_S, LAST_LOOK_S, BaseConnection, new_session
from .characteristics import IsolationLevel
from .inbox import Inbox
from .info import PipelineStatus
from .transactions import BaseTransaction
from .xid import Xid

T = TypeVar("T")
C = TypeVar("C", bound="AsyncConnection[Any]")
R = TypeVar("R")


@docstrings.document(docstrings.CONNECTION)
class AsyncConnection(BaseConnection, Generic[Row]):
    """A connection to a PostgreSQL server. One task at a time may use it."""

    cursor_factory: type[AsyncCursor[Any]] = AsyncCursor
    server_cursor_factory: type[AsyncServerCursor[Any]] = AsyncServerCursor

    def __init__(self, link: driver.Link, inbox: Inbox) -> None:
        super().__init__(link, inbox)
        self._link = link
        self._user: asyncio.Task[Any] | None = None
        self._left_portal = False

    @classmethod
    async def connect(  # noqa: PYI019  (typing.Self is not in Python 3.10)
        cls: type[C],
        conninfo: str = "",
        *,
        autocommit: bool = False,
        timeout: float | None = None,
        prepare_threshold: int | None = AUTOMATIC,
        row_factory: RowFactory[Any] | None = None,
        cursor_factory: type[AsyncCursor[Any]] | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> C:
        try:
            infos = settings.parse(conninfo, **kwargs)
        finally:
            del conninfo, kwargs  # tools that report errors show the variables of every frame
        made = await cls._open(infos, autocommit, timeout, prepare_threshold)
        made._use_factories(row_factory, cursor_factory)
        if context is not None:
            made._session.registry.adopt(context.adapters._registry)
        return made

    @classmethod
    async def _open(  # noqa: PYI019  (as above)
        cls: type[C],
        infos: Sequence[settings.ConnInfo],
        autocommit: bool,
        timeout: float | None,
        prepare_threshold: int | None = AUTOMATIC,
    ) -> C:
        inbox = Inbox()

        def make_session() -> Session:
            return new_session(inbox, autocommit, prepare_threshold)

        return cls(await aio_connect.connect(infos, make_session, timeout), inbox)

    # ------------------------------------------------------------ running operations

    def _check_task(self) -> None:
        self._check_process()
        if asyncio.get_running_loop() is not self._link.loop:
            raise InterfaceError("this connection belongs to another event loop; open one in the loop that uses it")
        if self._user is not None:
            whose = (
                "this very task (its source of rows has used it)"
                if self._user is asyncio.current_task()
                else "another task"
            )
            raise InterfaceError(
                f"this connection is in use by {whose}; "
                "give each task a connection of its own, or guard this one by an asyncio.Lock"
            )

    async def _run(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it begins with the session at rest."""
        deadline = NEVER if timeout is None else Deadline(timeout)
        if self._user is not None or os.getpid() != self._pid or asyncio.get_running_loop() is not self._link.loop:
            self._check_task()
        self._user = asyncio.current_task(self._link.loop)
        try:
            if self._pipeline is not None:
                await self._drain(self._pipeline, deadline)
            if self._left_portal:
                await self._leave_portal(deadline)
            if self._closed or not self._session.usable:
                self._check()
            return await self._link.run(operation, deadline)
        finally:
            self._user = None

    async def _leave_portal(self, deadline: Deadline) -> None:
        """Put an end to the portal of a stream that was dropped."""
        self._left_portal = False
        if self._session.dead is None and not self._session.at_rest:
            await self._link.run(operations.close_portal(self._session), deadline)

    async def _step(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it goes on with what is under way."""
        self._check_task()
        self._user = asyncio.current_task()
        try:
            return await self._link.run(operation, Deadline(timeout))
        finally:
            self._user = None

    async def _abandon(self) -> None:
        """Cancel what is under way and bring the session to rest, or close the connection."""
        self._check_task()
        self._user = asyncio.current_task()
        try:
            await self._link.come_to_rest(was_idle=False)
        finally:
            self._user = None

    # ------------------------------------------------------------ the pipeline

    async def _advance(self, pipeline: Pipeline, operation: Operation[T], deadline: Deadline) -> T:
        """What a step of the pipeline returns."""
        try:
            return await self._link.run(operation, deadline)
        except BaseException as exc:
            self._interrupted(pipeline, exc)
            raise

    async def _drain(self, pipeline: Pipeline, deadline: Deadline) -> None:
        """Read every answer. Raises the first failure that nobody has been told of."""
        if self._session.copying:
            self._check()
        await self._advance(pipeline, operations.sync(self._session, pipeline), deadline)
        failure = pipeline.take_failure()
        if failure is not None:
            raise failure

    async def _add(
        self,
        pipeline: Pipeline,
        query: AnyQuery,
        params: Params,
        prepare: bool | None,
        registry: Registry,
        timeout: float | None,
    ) -> Pending:
        """The execution, written and not answered yet."""
        session = self._session
        if self._user is not None or os.getpid() != self._pid or asyncio.get_running_loop() is not self._link.loop:
            self._check_task()
        if self._closed or session.dead is not None:
            self._check()
        pending = operations.add_now(session, pipeline, query, params, registry)
        if pending is not None and session.out.size_bytes < const.COPY_BLOCK_SIZE:
            return pending
        deadline = NEVER if timeout is None else Deadline(timeout)
        self._user = asyncio.current_task()
        try:
            if pending is None:
                asking = operations.add_asking(session, pipeline, query, params, prepare, registry)
                pending = await self._advance(pipeline, asking, deadline)
            if session.out.size_bytes >= const.COPY_BLOCK_SIZE:
                await self._advance(pipeline, operations.send_more(session, pipeline), deadline)
            return pending
        finally:
            self._user = None

    async def _await(self, pending: Pending, timeout: float | None = None) -> Outcome:
        """What the execution gave. Raises what it has failed with."""
        pipeline = self._pipeline
        if pipeline is None:
            return pending.outcome()
        if not pending.answered:
            deadline = NEVER if timeout is None else Deadline(timeout)
            self._check_task()
            self._user = asyncio.current_task()
            try:
                awaiting = operations.await_answer(self._session, pipeline, pending)
                await self._advance(pipeline, awaiting, deadline)
            finally:
                self._user = None
        return pipeline.outcome_of(pending)

    async def _settled(self, timeout: float | None) -> Exception | None:
        """The failure of the pipeline that nobody has been told of, after every answer has been read."""
        if self._pipeline is None:
            return None
        try:
            await self._sync(timeout)
        except Exception as exc:
            return exc
        return None

    async def _sync(self, timeout: float | None) -> None:
        """Read every answer of the pipeline, raising the first failure that nobody has been told of."""
        pipeline = self._pipeline
        if pipeline is None:
            raise ProgrammingError("the pipeline has ended")
        self._check_task()
        self._user = asyncio.current_task()
        try:
            await self._drain(pipeline, Deadline(timeout))
        finally:
            self._user = None

    # ------------------------------------------------------------ the public face

    async def __aenter__(self: C) -> C:  # noqa: PYI019
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._closed:
                await self.commit()
            elif not self.closed and self._session.at_rest and self._two_phase is None:
                await self.rollback()
        finally:
            if self._slot is None:
                await self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "an AsyncConnection cannot be pickled, since it connects by await; pickle conn.info.dsn instead"
        )

    def __del__(self) -> None:
        # An __init__ that failed leaves nothing behind.
        link = getattr(self, "_link", None)
        if link is not None and not link.closed and os.getpid() == self._pid:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            self._drop()

    def _drop(self) -> None:
        """Close without a word to the server and without waiting, in any thread."""
        self._closed = True
        if not self._link.loop.is_closed():
            self._link.loop.call_soon_threadsafe(self._link.close)

    async def close(self) -> None:
        slot = self._slot
        if slot is not None and slot.pool.close_returns:
            await slot.pool.putconn(self)
            return
        self._closed = True
        if os.getpid() == self._pid:
            await self._link.terminate(Deadline(None))

    @property
    def _in_use(self) -> bool:
        return self._user is not None

    def _let_go(self) -> None:
        """Close the connection, not waiting for it to be closed."""
        self._closed = True
        if os.getpid() == self._pid:
            self._link.say_goodbye()

    @property
    def types(self) -> AsyncTypes:
        """The types of the connection: registration, policies, lookups."""
        return AsyncTypes(self, self._session.registry)

    @overload
    def cursor(self, *, binary: bool | None = None) -> AsyncCursor[Row]: ...
    @overload
    def cursor(self, *, row_factory: RowFactory[R], binary: bool | None = None) -> AsyncCursor[R]: ...
    @overload
    def cursor(
        self, name: str, *, scrollable: bool | None = None, withhold: bool = False, binary: bool | None = None
    ) -> AsyncServerCursor[Row]: ...
    @overload
    def cursor(
        self,
        name: str,
        *,
        row_factory: RowFactory[R],
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> AsyncServerCursor[R]: ...
    def cursor(
        self,
        name: str = "",
        *,
        row_factory: RowFactory[Any] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> AsyncCursor[Any] | AsyncServerCursor[Any]:
        factory = self._factory if row_factory is None else row_factory
        if name:
            make = self.server_cursor_factory
            return make(self, name, row_factory=factory, scrollable=scrollable, withhold=withhold, binary=binary)
        if scrollable is not None or withhold:
            raise ProgrammingError("scrollable and withhold are for cursors of the server, which have a name")
        if binary is not None:
            return self.cursor_factory(self, row_factory=factory, binary=binary)
        return self.cursor_factory(self, row_factory=factory)

    async def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncCursor[Row]:
        cursor: AsyncCursor[Row] = self.cursor_factory(self, self._factory)
        return await cursor.execute(query, params, prepare=prepare, binary=binary, timeout=timeout)

    async def commit(self, *, timeout: float | None = None) -> None:
        self._check_no_block("commit()")
        await self._run(operations.commit(self._session), timeout)

    async def rollback(self, *, timeout: float | None = None) -> None:
        self._check_no_block("rollback()")
        await self._settled(timeout)
        await self._run(operations.rollback(self._session), timeout)

    async def set_autocommit(self, value: bool) -> None:
        self.autocommit = value

    async def set_isolation_level(self, value: IsolationLevel | int | None) -> None:
        self.isolation_level = value

    async def set_read_only(self, value: bool | None) -> None:
        self.read_only = value

    async def set_deferrable(self, value: bool | None) -> None:
        self.deferrable = value

    async def tpc_begin(self, xid: Xid | str, *, timeout: float | None = None) -> None:
        self._check_no_block("tpc_begin()")
        await self._run(twophase.begin(self, xid), timeout)

    async def tpc_prepare(self, *, timeout: float | None = None) -> None:
        await self._run(twophase.prepare(self), timeout)

    async def tpc_commit(self, xid: Xid | str | None = None, *, timeout: float | None = None) -> None:
        await self._run(twophase.finish(self, xid, commits=True), timeout)

    async def tpc_rollback(self, xid: Xid | str | None = None, *, timeout: float | None = None) -> None:
        await self._run(twophase.finish(self, xid, commits=False), timeout)

    async def tpc_recover(self, *, timeout: float | None = None) -> list[Xid]:
        return await self._run(twophase.recover(self), timeout)

    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False, *, timeout: float | None = None
    ) -> AsyncTransaction:
        return AsyncTransaction(self, savepoint_name, force_rollback, timeout)

    def pipeline(self, *, timeout: float | None = None) -> AsyncPipelineBlock:
        return AsyncPipelineBlock(self, timeout)

    async def notifies(
        self, *, timeout: float | None = None, stop_after: int | None = None
    ) -> AsyncGenerator[Notification, None]:
        waiting = self._inbox.notifications
        deadline = Deadline(timeout)
        given = 0
        self._inbox.listeners += 1
        try:
            while stop_after is None or given < stop_after:
                if not waiting:
                    try:
                        operation = operations.await_notification(self._session, lambda: bool(waiting))
                        await self._run(operation, deadline.clipped(LAST_LOOK_S))
                    except TimeoutError:
                        return
                yield self._inbox.take()
                given += 1
        finally:
            self._inbox.listeners -= 1

    async def call_function(self, oid: int, *arguments: bytes | None, timeout: float | None = None) -> bytes | None:
        return await self._run(operations.call_function(self._session, oid, arguments), timeout)

    async def wait(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        return await self._run(operation, timeout)

    async def cancel(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            await self._link.cancel(Deadline(timeout))

    async def cancel_safe(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            try:
                await self._link.cancel(Deadline(timeout))
            except TimeoutError as exc:
                raise CancellationTimeout(f"the server could not be asked to cancel: {exc}") from exc


@docstrings.document(docstrings.TRANSACTION)
class AsyncTransaction(BaseTransaction):
    """A block of `AsyncConnection.transaction`."""

    def __init__(
        self, connection: AsyncConnection[Any], savepoint_name: str | None, force_rollback: bool, timeout: float | None
    ) -> None:
        super().__init__(connection, savepoint_name, force_rollback)
        self._timeout = timeout
        self._connection = connection

    @property
    def connection(self) -> AsyncConnection[Any]:
        """The connection the block belongs to."""
        return self._connection

    async def __aenter__(self) -> AsyncTransaction:
        await self._connection._run(self._enter(), self._timeout)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._finish(exc):
            failure = await self._connection._settled(self._timeout)
            await self._connection._run(self._leave(exc or failure), self._timeout)
            if exc is None and failure is not None:
                raise failure
        return self._stops(exc)


@docstrings.document(docstrings.PIPELINE)
class AsyncPipelineBlock:
    """A block of `AsyncConnection.pipeline`."""

    @staticmethod
    def is_supported() -> bool:
        """True: there are pipelines."""
        return True

    @property
    def status(self) -> PipelineStatus:
        """Whether the connection is in a pipeline, and whether a statement of it has failed."""
        return self._connection.info.pipeline_status

    def __init__(self, connection: AsyncConnection[Any], timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout

    async def sync(self, *, timeout: float | None = None) -> None:
        await self._connection._sync(self._timeout if timeout is None else timeout)

    async def __aenter__(self) -> AsyncPipelineBlock:
        self._connection._enter_pipeline()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        try:
            if not connection.closed:
                await self.sync()
        except Exception:
            if exc is None:
                raise  # else the block has been left for a reason that is already on its way
        finally:
            connection._leave_pipeline()
