"""A pool of connections for threads.

How it works. One lock guards the state; whoever waits for a connection waits for an event of its own. The workers are
daemon threads that sleep on a condition of the same lock until a job is due. They hold the pool only while they do a
job, so that a pool that is forgotten ends by itself.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

from ..api import Connection
from ..connections.docstrings import document
from .agenda import Job
from .base import BasePool, Steps, probing
from .docstrings import POOL
from .state import PoolState, Waiter, logger
from .types import CT, ConnectionCallback, ConninfoParam, FailedCallback, KwargsParam

T = TypeVar("T")
P = TypeVar("P", bound="ConnectionPool[Any]")

_CLASS: Final[Any] = Connection


def carry_out(steps: Steps[T]) -> T:
    """What the procedure returns."""
    try:
        call = next(steps)
        while True:
            try:
                answer = call()
            except BaseException as exc:
                call = steps.throw(exc)
            else:
                call = steps.send(answer)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


@document(POOL)
class ConnectionPool(BasePool, Generic[CT]):
    """Connections that threads borrow. `docs/pool.md` explains the parameters; they are psycopg_pool's."""

    def __init__(
        self,
        conninfo: ConninfoParam = "",
        *,
        connection_class: type[CT] = _CLASS,
        kwargs: KwargsParam | None = None,
        min_size: int = 4,
        max_size: int | None = None,
        open: bool | None = None,  # noqa: A002  (psycopg_pool's name)
        configure: ConnectionCallback[CT] | None = None,
        check: ConnectionCallback[CT] | None = None,
        reset: ConnectionCallback[CT] | None = None,
        name: str | None = None,
        close_returns: bool = False,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 60 * 60.0,
        max_idle: float = 10 * 60.0,
        reconnect_timeout: float = 5 * 60.0,
        reconnect_failed: FailedCallback | None = None,
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
        self._work = threading.Condition(threading.Lock())
        self._lock = self._work
        self._threads: list[threading.Thread] = []
        if open is None or open:
            self.open()

    def __del__(self) -> None:
        state = getattr(self, "_state", None)  # an __init__ that failed leaves nothing behind
        if state is None or state.closed or os.getpid() != self._pid:
            return
        warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
        state.closed = True
        for slot in state.idle:
            self._let_go(slot.connection)
        # The collector may run in a thread that has the lock; without a notification workers end at their next job.
        if self._work.acquire(blocking=False):
            self._work.notify_all()
            self._work.release()

    # ------------------------------------------------------------ waiting

    def _make_waiter(self) -> Waiter:
        return EventWaiter()

    def _await_turn(self, waiter: Waiter, seconds: float) -> None:
        cast(EventWaiter, waiter).event.wait(min(seconds, threading.TIMEOUT_MAX))

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _close_now(self) -> None:
        self.close()

    # ------------------------------------------------------------ the public face

    def __enter__(self: P) -> P:  # noqa: PYI019  (typing.Self is not in Python 3.10)
        self.open()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[CT]:
        connection = self.getconn(timeout)
        loan = connection._slot.loan
        try:
            try:
                yield connection
            except BaseException:
                if self._is_on(loan, connection):
                    connection.__exit__(*sys.exc_info())
                raise
            if self._is_on(loan, connection):
                connection.__exit__(None, None, None)
        finally:
            if self._is_on(loan, connection):
                self.putconn(connection)

    def getconn(self, timeout: float | None = None) -> CT:
        self._check_usable()
        return cast(CT, carry_out(self._getting(timeout)))

    def putconn(self, conn: CT) -> None:
        self._check_usable()
        carry_out(self._putting(conn))

    def open(self, wait: bool = False, timeout: float = 30.0) -> None:
        with self._lock:
            if self._state.closed:
                self._pid = os.getpid()
                self._state.agenda.wake = self._work.notify
                self._state.open(time.monotonic())
                self._start_workers()
        if wait:
            self.wait(timeout)

    def _start_workers(self) -> None:
        for number in range(self.num_workers):
            thread = threading.Thread(
                target=_work,
                args=(self._state, self._work, weakref.ref(self)),
                name=f"{self.name}-worker-{number}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def close(self, timeout: float = 5.0) -> None:
        if self._state.closed:
            return
        if os.getpid() != self._pid:  # the parent's threads are not here, and one may have had the lock
            self._state.closed = True
            for slot in self._state.idle:
                self._let_go(slot.connection)
            return
        with self._lock:
            connections = self._state.close()
            self._work.notify_all()
        for connection in connections:
            self._let_go(connection)
        self._after()
        give_up_at = time.monotonic() + timeout
        threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, give_up_at - time.monotonic()))
                if thread.is_alive():
                    logger.warning("%s has not ended within %s s; it will when its work is done", thread.name, timeout)

    def wait(self, timeout: float = 30.0) -> None:
        self._check_usable()
        carry_out(self._filling(timeout))

    def check(self) -> None:
        self._check_usable()
        carry_out(self._checking())

    def resize(self, min_size: int, max_size: int | None = None) -> None:
        self._check_usable()
        self._resize_now(min_size, max_size)

    def drain(self) -> None:
        self._check_usable()
        self._drain_now()

    @staticmethod
    def check_connection(conn: CT) -> None:
        carry_out(probing(conn))


class EventWaiter(Waiter):
    """A thread that waits."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = threading.Event()
        super().__init__(self.event.set)


# ---------------------------------------------------------------- the workers


def _work(state: PoolState, work: threading.Condition, pool: weakref.ref[ConnectionPool[Any]]) -> None:
    """What a worker does until the pool is closed, or gone."""
    while (job := _next_job(state, work)) is not None:
        owner = pool()
        if owner is None:
            return
        try:
            carry_out(owner._carry_out(job))
        except Exception:
            logger.exception("a worker of pool %r failed", state.name)
        del owner


def _next_job(state: PoolState, work: threading.Condition) -> Job | None:
    """The next job, None where there will be none."""
    with work:
        while not state.closed:
            now = time.monotonic()
            state.reclaim()
            job = state.agenda.take(now)
            if job is not None:
                return job
            at = state.agenda.next_at(now)
            work.wait(None if at is None else at - now)
    return None
