"""Connections for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from .. import const
from ..errors import InterfaceError, ProgrammingError, TimeoutError
from ..net import aio as driver
from ..net import aio_connect
from ..net import conninfo as settings
from ..net.deadline import NEVER, Deadline
from ..protocol import operations
from ..protocol.backend import CommandComplete, Notification
from ..protocol.operations import Operation, Outcome, Params, Pending, Pipeline
from ..protocol.session import Session
from ..types import TypeInfo
from ..types.registry import Registry
from . import docstrings
from .base import CANCEL_S, LAST_LOOK_S, BaseConnection, new_session
from .copying import BaseCopy
from .inbox import Inbox
from .results import STREAM_ROWS, BaseCursor, Row
from .transactions import BaseTransaction
from .types import BaseTypes

T = TypeVar("T")
C = TypeVar("C", bound="AsyncConnection")


@docstrings.document(docstrings.CONNECTION)
class AsyncConnection(BaseConnection):
    """A connection to a PostgreSQL server. One task at a time may use it."""

    def __init__(self, link: driver.Link, inbox: Inbox) -> None:
        super().__init__(link, inbox)
        self._link = link
        self._user: asyncio.Task[Any] | None = None

    @classmethod
    async def connect(  # noqa: PYI019  (typing.Self is not in Python 3.10)
        cls: type[C],
        conninfo: str = "",
        *,
        autocommit: bool = False,
        timeout: float | None = None,
        prepare_threshold: int | None = 5,
        **kwargs: Any,
    ) -> C:
        infos = settings.parse(conninfo, **kwargs)
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
            if self._closed or not self._session.usable:
                self._check()
            return await self._link.run(operation, deadline)
        finally:
            self._user = None

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
        query: str | bytes,
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
            elif not self.closed and self._session.at_rest:
                await self.rollback()
        finally:
            await self.close()

    def __del__(self) -> None:
        # An __init__ that failed leaves nothing behind.
        link = getattr(self, "_link", None)
        if link is not None and not link.closed and os.getpid() == self._pid:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            if not link.loop.is_closed():
                link.loop.call_soon_threadsafe(link.close)

    async def close(self) -> None:
        self._closed = True
        if os.getpid() == self._pid:
            await self._link.terminate(Deadline(None))

    @property
    def types(self) -> AsyncTypes:
        """The types of the connection: registration, policies, lookups."""
        return AsyncTypes(self, self._session.registry)

    def cursor(self) -> AsyncCursor:
        return AsyncCursor(self)

    async def execute(
        self, query: str | bytes, params: Params = None, *, prepare: bool | None = None, timeout: float | None = None
    ) -> AsyncCursor:
        return await self.cursor().execute(query, params, prepare=prepare, timeout=timeout)

    async def commit(self, *, timeout: float | None = None) -> None:
        self._check_no_block("commit()")
        await self._run(operations.commit(self._session), timeout)

    async def rollback(self, *, timeout: float | None = None) -> None:
        self._check_no_block("rollback()")
        await self._settled(timeout)
        await self._run(operations.rollback(self._session), timeout)

    async def set_autocommit(self, value: bool) -> None:
        self.autocommit = value

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
                yield waiting.popleft()
                given += 1
        finally:
            self._inbox.listeners -= 1

    async def call_function(self, oid: int, *arguments: bytes | None, timeout: float | None = None) -> bytes | None:
        return await self._run(operations.call_function(self._session, oid, arguments), timeout)

    async def cancel(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            await self._link.cancel(Deadline(timeout))


@docstrings.document(docstrings.CURSOR)
class AsyncCursor(BaseCursor):
    """Executes queries on a connection and walks through their results."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._own_registry: Registry | None = None
        self._used = False

    @property
    def connection(self) -> AsyncConnection:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> AsyncTypes:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return AsyncTypes(self._connection, self._own_registry)

    @property
    def _registry(self) -> Registry:
        return self._own_registry or self._connection._session.registry

    async def __aenter__(self) -> AsyncCursor:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Row]:
        await self._arrive()
        while (row := self._take_one()) is not None:
            yield row

    async def execute(
        self, query: str | bytes, params: Params = None, *, prepare: bool | None = None, timeout: float | None = None
    ) -> AsyncCursor:
        if self._used:
            self._reset()
        self._used = True
        connection = self._connection
        registry = self._own_registry or connection._session.registry
        pipeline = connection._pipeline
        if pipeline is not None:
            self._pending = await connection._add(pipeline, query, params, prepare, registry, timeout)
            return self
        operation = operations.execute_query(connection._session, query, params, prepare, registry)
        found = await connection._run(operation, timeout)
        if isinstance(found, tuple):
            self._tag, self._fields, rows = found
            self._rows, self._at, self._stop = rows, 0, len(rows)
        else:
            self._show(found)
        return self

    async def executemany(
        self,
        query: str | bytes,
        params_seq: Iterable[Any],
        *,
        returning: bool = False,
        prepare: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        self._reset()
        connection = self._connection
        operation = operations.execute_many(connection._session, query, params_seq, returning, prepare, self._registry)
        total, results = await connection._run(operation, timeout)
        self._show(results, None if returning else total)

    async def stream(
        self,
        query: str | bytes,
        params: Params = None,
        *,
        size: int = STREAM_ROWS,
        prepare: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Row]:
        self._reset()
        connection, session = self._connection, self._connection._session
        if connection._pipeline is not None:
            raise ProgrammingError("a pipeline has no streams; leave it for one")
        opening = operations.open_portal(session, query, params, size, prepare, self._registry)
        portal = await connection._run(opening, timeout)
        self._show_portal(portal)
        try:
            while True:
                for row in portal.ready:
                    yield row
                if portal.done:
                    break
                await connection._step(operations.next_rows(session, portal), timeout)
        finally:
            if not portal.done and not connection.closed and not session.at_rest:
                await connection._step(operations.close_portal(session), timeout)
            self._show_portal(portal)

    async def _arrive(self) -> None:
        """Wait for the answer of the pipeline where there is none yet."""
        if self._pending is not None:
            self._show_outcome(await self._connection._await(self._pending))

    async def fetchone(self) -> Row | None:
        at = self._at
        if at < self._stop:
            self._at = at + 1
            return self._rows[at]
        await self._arrive()
        return self._take_one()

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        await self._arrive()
        return self._take(self.arraysize if size is None else size)

    async def fetchall(self) -> list[Row]:
        if self._at == self._stop:
            await self._arrive()
        return self._take(None)

    def copy(self, statement: str | bytes, params: Params = None, *, timeout: float | None = None) -> AsyncCopy:
        self._reset()
        return AsyncCopy(self, statement, params, timeout)

    async def close(self) -> None:
        self._closed = True
        self._show(())


@docstrings.document(docstrings.COPY)
class AsyncCopy(BaseCopy):
    """One COPY FROM STDIN or TO STDOUT."""

    def __init__(self, cursor: AsyncCursor, statement: str | bytes, params: Params, timeout: float | None) -> None:
        super().__init__(cursor.connection._session, cursor._registry)
        self._cursor = cursor
        self._connection = cursor.connection
        self._statement = statement
        self._params = params
        self._timeout = timeout

    async def _carry_out(self, operation: Operation[T]) -> T:
        """What the step returns; after a failure the COPY is over."""
        try:
            return await self._connection._step(operation, self._timeout)
        except BaseException:
            self._over = True
            raise

    async def __aenter__(self) -> AsyncCopy:
        operation = self._start(self._statement, self._params)
        self._begun(await self._connection._run(operation, self._timeout))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_past(exc):
            return
        if not self._copies_in:
            self._over = True
            await self._connection._abandon()
        elif exc is None:
            self._end_writing()
            self._cursor._show_copied(await self._carry_out(operations.copy_end(self._session)))
            self._over = True
        else:
            self._drop_writing()
            await self._carry_out(operations.copy_abort(self._session, f"{type(exc).__name__} in the client"))
            self._over = True

    async def write(self, data: str | bytes | bytearray | memoryview) -> None:
        if self._add(data):
            await self._carry_out(operations.copy_send(self._session))

    async def write_row(self, row: Sequence[Any]) -> None:
        if self._add_row(row):
            await self._carry_out(operations.copy_send(self._session))

    async def _next(self, take: Callable[[Any], T]) -> T | None:
        """What `take` makes of the next run, None at the end of the data."""
        self._check_readable()
        if self._over:
            return None
        event = await self._carry_out(operations.copy_next(self._session))
        if isinstance(event, CommandComplete):
            self._cursor._show_copied(event)
            self._end_reading()
            return None
        return take(event)

    async def read(self) -> bytes:
        return await self._next(self._payloads) or b""

    async def read_row(self) -> Row | None:
        while not self._waiting and await self._next(self._decode):
            pass
        return self._waiting.popleft() if self._waiting else None

    async def rows(self) -> AsyncIterator[Row]:
        while (row := await self.read_row()) is not None:
            yield row

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data


@docstrings.document(docstrings.TRANSACTION)
class AsyncTransaction(BaseTransaction):
    """A block of `AsyncConnection.transaction`."""

    def __init__(
        self, connection: AsyncConnection, savepoint_name: str | None, force_rollback: bool, timeout: float | None
    ) -> None:
        super().__init__(connection, savepoint_name, force_rollback)
        self._timeout = timeout
        self._connection = connection

    @property
    def connection(self) -> AsyncConnection:
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

    def __init__(self, connection: AsyncConnection, timeout: float | None) -> None:
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


@docstrings.document(docstrings.TYPES)
class AsyncTypes(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: AsyncConnection, registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    async def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return await connection._run(operations.load_types(connection._session, names), timeout)
