"""A pool of connections for asyncio.

How it works. All of it happens in one event loop, whose turns make any lock unnecessary. Workers are tasks that are
started when there is something to do, at most `num_workers` at a time; what is due later has a timer. They run in the
context in which the pool was opened, and not in that of a client that happens to need a connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import sys
import time
import warnings
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

from ..api import AsyncConnection
from ..connections.docstrings import document
from ..errors import InterfaceError
from .base import BasePool, Steps, probing
from .docstrings import POOL
from .state import Waiter, logger
from .types import ACT, AsyncConnectionCallback, AsyncConninfoParam, AsyncFailedCallback, AsyncKwargsParam

T = TypeVar("T")
P = TypeVar("P", bound="AsyncConnectionPool[Any]")

_CLASS: Final[Any] = AsyncConnection


async def carry_out(steps: Steps[T]) -> T:
    """What the procedure returns."""
    try:
        call = next(steps)
        while True:
            try:
                answer = call()
                if inspect.isawaitable(answer):
                    answer = await answer
            except GeneratorExit:  # the event loop is gone, nothing can be awaited
                steps.close()
                raise
            except BaseException as exc:
                call = steps.throw(exc)
            else:
                call = steps.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


@document(POOL)
class AsyncConnectionPool(BasePool, Generic[ACT]):
    """Connections that tasks borrow. `docs/pool.md` explains the parameters; they are psycopg_pool's."""

    def __init__(
        self,
        conninfo: AsyncConninfoParam = "",
        *,
        connection_class: type[ACT] = _CLASS,
        kwargs: AsyncKwargsParam | None = None,
        min_size: int = 4,
        max_size: int | None = None,
        open: bool | None = None,  # noqa: A002  (psycopg_pool's name)
        configure: AsyncConnectionCallback[ACT] | None = None,
        check: AsyncConnectionCallback[ACT] | None = None,
        reset: AsyncConnectionCallback[ACT] | None = None,
        name: str | None = None,
        close_returns: bool = False,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 60 * 60.0,
        max_idle: float = 10 * 60.0,
        reconnect_timeout: float = 5 * 60.0,
        reconnect_failed: AsyncFailedCallback | None = None,
        num_workers: int = 3,
    ) -> None:
        super().__init__(
            *(conninfo, connection_class, kwargs, configure, check, reset, reconnect_failed),
            min_size=min_size,
            max_size=max_size,
            name=name,
            close_returns=close_returns,
            timeout=timeout,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            reconnect_timeout=reconnect_timeout,
            num_workers=num_workers,
        )
        self._lock = nullcontext()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context: contextvars.Context | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        if open or (open is None and _loop_runs()):
            self._open_now()

    def __del__(self) -> None:
        state = getattr(self, "_state", None)  # an __init__ that failed leaves nothing behind
        if state is None or state.closed or os.getpid() != self._pid:
            return
        warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
        state.closed = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            for slot in state.idle:
                loop.call_soon_threadsafe(slot.connection._let_go)

    # ------------------------------------------------------------ waiting

    def _make_waiter(self) -> Waiter:
        return FutureWaiter(asyncio.get_running_loop())

    async def _await_turn(self, waiter: Waiter, seconds: float) -> None:
        await asyncio.wait([cast(FutureWaiter, waiter).future], timeout=seconds)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _close_now(self) -> None:
        await self.close()

    def _check_usable(self) -> None:
        super()._check_usable()
        if self._loop is not None and asyncio.get_running_loop() is not self._loop:
            raise InterfaceError(f"the pool {self.name!r} belongs to another event loop; open one in each loop")

    # ------------------------------------------------------------ the public face

    async def __aenter__(self: P) -> P:  # noqa: PYI019  (typing.Self is not in Python 3.10)
        await self.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[ACT]:
        connection = await self.getconn(timeout)
        loan = connection._slot.loan
        try:
            try:
                yield connection
            except BaseException:
                if self._is_on(loan, connection):
                    await connection.__aexit__(*sys.exc_info())
                raise
            if self._is_on(loan, connection):
                await connection.__aexit__(None, None, None)
        finally:
            if self._is_on(loan, connection):
                await self.putconn(connection)

    async def getconn(self, timeout: float | None = None) -> ACT:
        self._check_usable()
        return cast(ACT, await carry_out(self._getting(timeout)))

    async def putconn(self, conn: ACT) -> None:
        self._check_usable()
        await carry_out(self._putting(conn))

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        self._open_now()
        if wait:
            await self.wait(timeout)

    def _open_now(self) -> None:
        if not self._state.closed:
            return
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        myself = weakref.ref(self)
        self._state.agenda.wake = lambda: _wake(myself)
        self._state.open(time.monotonic())

    async def close(self, timeout: float = 5.0) -> None:
        if self._state.closed:
            return
        connections = self._state.close()
        if self._timer is not None:
            self._timer.cancel()
        if os.getpid() != self._pid:
            for connection in connections:
                self._let_go(connection)
            return
        try:
            await asyncio.gather(*(connection.close() for connection in connections))
        finally:
            for connection in connections:
                connection._let_go()
            self._after()
            await self._end_workers(timeout)

    async def _end_workers(self, timeout: float) -> None:
        """Wait for the workers; cancel those that are late."""
        workers = self._tasks - {asyncio.current_task()}
        if not workers:
            return
        try:
            await asyncio.wait(workers, timeout=timeout)
        finally:
            late = [task for task in workers if not task.done()]
            for task in late:
                task.cancel()
        if late:
            logger.warning("%s workers of pool %r were cancelled after %s s", len(late), self.name, timeout)
            await asyncio.wait(late)

    async def wait(self, timeout: float = 30.0) -> None:
        self._check_usable()
        await carry_out(self._filling(timeout))

    async def check(self) -> None:
        self._check_usable()
        await carry_out(self._checking())

    async def resize(self, min_size: int, max_size: int | None = None) -> None:
        self._check_usable()
        self._resize_now(min_size, max_size)

    async def drain(self) -> None:
        self._check_usable()
        self._drain_now()

    @staticmethod
    async def check_connection(conn: ACT) -> None:
        await carry_out(probing(conn))

    # ------------------------------------------------------------ the workers

    def _wake_workers(self) -> None:
        """See that somebody does what is due, and that somebody will do what is due later."""
        state, loop, context = self._state, self._loop, self._context
        if state.closed or loop is None or context is None:
            return
        now = time.monotonic()
        at = state.agenda.next_at(now)
        if at is None:
            return
        if at <= now:
            if len(self._tasks) < self.num_workers:
                task = context.run(loop.create_task, self._work())
                self._tasks.add(task)
                task.add_done_callback(self._ended)
            return
        if self._timer is not None:
            self._timer.cancel()
        myself = weakref.ref(self)
        self._timer = loop.call_later(at - now, _wake, myself)

    async def _work(self) -> None:
        """Do what is due, until nothing is."""
        state = self._state
        while not state.closed:
            job = state.agenda.take(time.monotonic())
            if job is None:
                break
            try:
                await carry_out(self._carry_out(job))
            except Exception:
                logger.exception("a worker of pool %r failed", state.name)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake_workers()


class FutureWaiter(Waiter):
    """A task that waits."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        super().__init__(self._wake)

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


def _wake(pool: weakref.ref[AsyncConnectionPool[Any]]) -> None:
    found = pool()
    if found is not None:
        found._wake_workers()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
