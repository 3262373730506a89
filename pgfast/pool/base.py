"""What all pools share: their settings, and their work as procedures that both faces carry out.

Law of this file: a procedure is a generator that yields functions without parameters. The face calls each, awaits what
it gives where that is awaitable, and sends back the outcome, be it a value or an exception. Wherever an exception
comes up, a cancelled task among them, the procedure puts the connection it holds where it belongs by one decision of
the state, without yielding again: so nothing is lost, and no exception can come in between.
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from ..errors import InterfaceError, ProgrammingError
from .agenda import Job, Task
from .errors import PoolTimeout
from .slots import FIRST_DELAY_S, MOST_DELAY_S, Slot
from .state import Limits, PoolState, Waiter, logger

T = TypeVar("T")
Steps: TypeAlias = Generator[Callable[[], Any], Any, T]

#: Seconds that connecting may take where no settings say so: those of psycopg.
CONNECT_S: Final = 130.0

_numbers = itertools.count(1)
#: The pools there are, by id. Without a lock, which another thread may have held when the process was forked.
_known: Final[dict[int, weakref.ref[BasePool]]] = {}


def pools() -> list[BasePool]:
    """The pools of this process that are open."""
    found = [watch() for watch in _known.copy().values()]
    return [pool for pool in found if pool is not None and not pool.closed and pool._pid == os.getpid()]


class Opening:
    """The call that opens a connection. Its parameters, a password perhaps, show in no traceback."""

    __slots__ = ("_connect", "_conninfo", "_kwargs")

    def __init__(self, connect: Callable[..., Any], conninfo: str, kwargs: Mapping[str, Any]) -> None:
        self._connect, self._conninfo, self._kwargs = connect, conninfo, kwargs

    def __call__(self) -> Any:
        return self._connect(self._conninfo, **self._kwargs)


class BasePool:
    """A pool without its waiting."""

    #: Whether connections stay in the pool when nobody wants them.
    _keeps: bool = True
    # What a face provides.
    _lock: AbstractContextManager[Any]

    def __init__(
        self,
        conninfo: Any,
        connection_class: Any,
        kwargs: Any,
        configure: Any,
        check: Any,
        reset: Any,
        reconnect_failed: Any,
        *,
        min_size: int,
        max_size: int | None,
        name: str | None,
        close_returns: bool,
        timeout: float,
        max_waiting: int,
        max_lifetime: float,
        max_idle: float,
        reconnect_timeout: float,
        num_workers: int,
    ) -> None:
        min_size, max_size = self._sizes(min_size, max_size)
        if num_workers < 1:
            raise ValueError("num_workers must be at least 1")
        self.conninfo = conninfo
        self.connection_class = connection_class
        self.kwargs = kwargs
        self.name = name or f"pool-{next(_numbers)}"
        self.close_returns = close_returns
        self.timeout = timeout
        self.num_workers = num_workers
        self._configure = configure
        self._check = check
        self._reset = reset
        self._reconnect_failed = reconnect_failed
        self._pid = os.getpid()
        limits = Limits(min_size, max_size, max_waiting, max_lifetime, max_idle, reconnect_timeout, self._keeps)
        self._state = PoolState(self.name, limits, self)
        number = id(self)
        _known[number] = weakref.ref(self, lambda _: _known.pop(number, None))

    def __repr__(self) -> str:
        return f"<pgfast.pool.{type(self).__name__} {self.name!r} at 0x{id(self):x}>"

    # ------------------------------------------------------------ settings

    def _sizes(self, min_size: int, max_size: int | None) -> tuple[int, int]:
        """Both sizes. Raises ValueError where they contradict each other."""
        if max_size is None:
            max_size = min_size
        if min_size < 0:
            raise ValueError("min_size cannot be negative")
        if max_size < min_size:
            raise ValueError("max_size must be greater or equal than min_size")
        if not max_size:
            raise ValueError("if min_size is 0 max_size must be greater than 0")
        return min_size, max_size

    @property
    def min_size(self) -> int:
        """How many connections there should always be."""
        return self._state.limits.min_size

    @property
    def max_size(self) -> int:
        """How many connections there may be."""
        return self._state.limits.max_size

    @property
    def max_waiting(self) -> int:
        """How many clients may wait for a connection, 0: as many as want to."""
        return self._state.limits.max_waiting

    @max_waiting.setter
    def max_waiting(self, value: int) -> None:
        self._state.limits.max_waiting = value

    @property
    def max_lifetime(self) -> float:
        """Seconds after which a connection is replaced."""
        return self._state.limits.max_lifetime

    @max_lifetime.setter
    def max_lifetime(self, value: float) -> None:
        self._state.limits.max_lifetime = value

    @property
    def max_idle(self) -> float:
        """Seconds after which a connection that nobody wants is let go, where there are more than `min_size`."""
        return self._state.limits.max_idle

    @max_idle.setter
    def max_idle(self, value: float) -> None:
        self._state.limits.max_idle = value

    @property
    def reconnect_timeout(self) -> float:
        """Seconds after which failing attempts to connect are given up."""
        return self._state.limits.reconnect_timeout

    @reconnect_timeout.setter
    def reconnect_timeout(self, value: float) -> None:
        self._state.limits.reconnect_timeout = value

    @property
    def closed(self) -> bool:
        """Whether the pool gives no connections: it has been closed, or was not opened yet."""
        return self._state.closed

    def get_stats(self) -> dict[str, int]:
        """What there is in the pool now, and what has been counted since it was made.

        `docs/pool.md` says what each number means; those of milliseconds end in `_ms`. Counters that are 0 are missing.
        """
        with self._lock:
            return {**self._state.stats, **self._state.measures()}

    def pop_stats(self) -> dict[str, int]:
        """As `get_stats`, after which all counters begin again at 0."""
        with self._lock:
            stats = {**self._state.stats, **self._state.measures()}
            self._state.stats.clear()
            return stats

    def _open_connections(self) -> dict[str, int]:
        with self._lock:
            return self._state.open_connections()

    # ------------------------------------------------------------ what a face provides

    def _let_go(self, connection: Any) -> None:
        """Close a connection, saying goodbye to the server without waiting for anything."""
        connection._slot = None
        connection._let_go()

    def _await_turn(self, waiter: Waiter, seconds: float) -> Any:
        """Wait until the waiter is told something, or so many seconds."""
        raise InterfaceError("a pool of no face cannot wait")

    def _sleep(self, seconds: float) -> Any:
        """Wait so many seconds."""
        raise InterfaceError("a pool of no face cannot wait")

    def _make_waiter(self) -> Waiter:
        """Somebody who can wait in this face."""
        raise InterfaceError("a pool of no face cannot wait")

    def _check_usable(self) -> None:
        """Raise InterfaceError in a process that did not open the pool."""
        if os.getpid() != self._pid:
            raise InterfaceError(
                f"the pool {self.name!r} was opened by process {self._pid} and cannot be used in process "
                f"{os.getpid()}: two processes would read each other's answers; open a pool after the fork"
            )

    def _after(self) -> None:
        """Close what the state has dropped. To be called after each decision, without the lock."""
        state = self._state
        while state.dropped:
            try:
                connection = state.dropped.pop()
            except IndexError:  # another thread has taken it
                return
            self._let_go(connection)

    # ------------------------------------------------------------ getting

    def _getting(self, timeout: float | None) -> Steps[Any]:
        """A connection that works. Raises PoolClosed, PoolTimeout, TooManyRequests."""
        timeout = self.timeout if timeout is None else timeout
        give_up_at = time.monotonic() + timeout
        delay_s = FIRST_DELAY_S
        with self._lock:
            self._state.check_open()
            self._state.stats["requests_num"] += 1
        while True:
            connection = yield from self._taking(give_up_at, timeout)
            slot = connection._slot
            try:
                works = yield from self._passes(connection, give_up_at)
            except BaseException:
                with self._lock:
                    self._state.tidy_later(self._state.take_back(connection, time.monotonic()))
                self._after()
                raise
            if works:
                slot.tried = True
                return connection
            fresh = not slot.tried
            with self._lock:
                now = time.monotonic()
                self._state.settle(self._state.take_back(connection, now), now, good=False, counted_as=_LOST)
            self._after()
            if fresh:  # not even a new connection passes: there is no use in making them as quickly as possible
                yield partial(self._sleep, max(0.0, min(delay_s, give_up_at - now)))
                delay_s = min(delay_s * 2, MOST_DELAY_S)
                if time.monotonic() >= give_up_at:
                    raise self._too_late(timeout)

    def _taking(self, give_up_at: float, timeout: float) -> Steps[Any]:
        """A connection, lent: one that is there, one that comes back in time, or one that is made."""
        waiter = None
        with self._lock:
            now = time.monotonic()
            found = self._state.take(now)
            if found is None:
                waiter = self._make_waiter()
                self._state.queue(waiter)
        self._after()
        if waiter is not None:
            return (yield from self._waiting(waiter, give_up_at, timeout))
        if isinstance(found, Slot):
            return (yield from self._making(found, give_up_at, timeout))
        return found

    def _waiting(self, waiter: Waiter, give_up_at: float, timeout: float) -> Steps[Any]:
        began = time.monotonic()
        try:
            yield partial(self._await_turn, waiter, max(0.0, give_up_at - began))
        except BaseException:
            self._count("requests_errors")
            with self._lock:
                self._state.leave(waiter, time.monotonic())
            self._after()
            raise
        finally:
            self._count("requests_wait_ms", int((time.monotonic() - began) * 1000))
        with self._lock:
            if not waiter.ready:
                self._state.leave(waiter, time.monotonic())
        if waiter.connection is None:
            self._count("requests_errors")
            raise waiter.error or self._too_late(timeout)
        connection, waiter.connection = waiter.connection, None
        return connection

    def _making(self, slot: Slot, give_up_at: float, timeout: float) -> Steps[Any]:
        """A connection that the client makes for itself: the pool keeps none."""
        started = time.monotonic()
        try:
            if started >= give_up_at:
                raise self._too_late(timeout)
            connection = yield from self._connecting(give_up_at - started)
        except BaseException as exc:
            self._count("requests_errors")
            with self._lock:
                self._state.not_made_for_client(slot)
            self._after()
            if isinstance(exc, Exception) and time.monotonic() >= give_up_at:
                raise self._too_late(timeout) from exc
            raise
        try:
            with self._lock:
                return self._state.made_for_client(slot, connection, started, time.monotonic())
        finally:
            self._after()

    def _too_late(self, timeout: float) -> PoolTimeout:
        return PoolTimeout(f"couldn't get a connection after {timeout:.2f} sec")

    def _passes(self, connection: Any, give_up_at: float) -> Steps[bool]:
        """Whether the connection works: by the program's check, else by what the socket says.

        A server that has ended a connection has closed its socket, or said why: there is something to be read. Only
        then the server is asked.
        """
        if connection.closed:
            return False
        try:
            if self._check is not None:
                yield partial(self._check, connection)
            elif not connection._is_quiet():
                yield from probing(connection, max(give_up_at - time.monotonic(), 0.0))
        except Exception as exc:
            logger.info("a connection of pool %r failed its check: %s", self.name, exc)
            return False
        return not connection.closed

    def _count(self, name: str, number: int = 1) -> None:
        with self._lock:
            self._state.stats[name] += number

    # ------------------------------------------------------------ putting back

    def _is_on(self, loan: object, connection: Any) -> bool:
        """Whether the connection is still lent as it was; the program may have returned it, by close() perhaps."""
        slot = connection._slot
        return slot is not None and slot.loan is loan

    def _putting(self, connection: Any) -> Steps[None]:
        """Take a connection back. Raises ValueError where it is none of those lent."""
        with self._lock:
            now = time.monotonic()
            state = self._state
            slot = state.take_back(connection, now)
            if state.closed or not (self._keeps or state.waiting):
                state.settle(slot, now, good=not connection.closed)
                in_order = True
            elif self._reset is not None:
                state.tidy_later(slot)
                in_order = True
            elif connection._is_clean():
                state.settle(slot, now, good=True)
                in_order = True
            else:
                in_order = False
        self._after()
        if not in_order:
            yield from self._tidying(slot)

    def _tidying(self, slot: Slot) -> Steps[None]:
        """Bring a returned connection in order, for the next client or to be replaced."""
        try:
            good = yield from self._tidied(slot.connection)
        except BaseException:
            with self._lock:
                self._state.tidy_later(slot)
            self._after()
            raise
        with self._lock:
            self._state.settle(slot, time.monotonic(), good=good)
        self._after()

    def _tidied(self, connection: Any) -> Steps[bool]:
        """Whether the connection is as good as new."""
        if connection.closed:
            logger.warning("discarding closed connection: %r", connection)
            return False
        if not connection._is_clean():
            if not connection._can_roll_back():
                logger.warning("closing returned connection, which is in the middle of something: %r", connection)
                return False
            logger.warning("rolling back returned connection: %r", connection)
            try:
                yield partial(connection.rollback, timeout=self.timeout)
            except Exception as exc:
                logger.warning("rollback failed: %s: %s. Discarding connection %r", type(exc).__name__, exc, connection)
                return False
        if self._reset is not None:
            try:
                yield partial(self._reset, connection)
                self._check_left(connection, "reset", self._reset)
            except Exception as exc:
                logger.warning("error resetting connection: %s", exc)
                return False
        return not connection.closed

    @staticmethod
    def _check_left(connection: Any, sort: str, function: Any) -> None:
        if not connection._is_clean():
            status = connection.info.transaction_status.name
            raise ProgrammingError(f"connection left in status {status} by {sort} function {function}: discarded")

    # ------------------------------------------------------------ connecting

    def _connecting(self, timeout: float | None) -> Steps[Any]:
        """A new connection, configured. Whatever its making fails with leaves none open."""
        self._count("connections_num")
        kwargs: Any = None
        opening: Opening | None = None
        try:
            conninfo = (yield self.conninfo) if callable(self.conninfo) else self.conninfo
            kwargs = (yield self.kwargs) if callable(self.kwargs) else self.kwargs
            kwargs = self._timed(conninfo or "", kwargs or {}, timeout)
            opening = Opening(self.connection_class.connect, conninfo or "", kwargs)
            started = time.monotonic()
            connection = yield opening
        except BaseException:
            self._count("connections_errors")
            raise
        finally:
            conninfo = kwargs = opening = None  # tools that report errors show the variables of every frame
        self._count("connections_ms", int((time.monotonic() - started) * 1000))
        if self._configure is not None:
            try:
                yield partial(self._configure, connection)
                self._check_left(connection, "configure", self._configure)
            except BaseException:
                self._count("connections_errors")
                self._let_go(connection)
                raise
        return connection

    @staticmethod
    def _timed(conninfo: str, kwargs: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        """The parameters with a limit: that of the client who waits, else a generous one where they have none."""
        if timeout is not None:
            given = kwargs.get("timeout")
            return {**kwargs, "timeout": timeout if given is None else min(timeout, given)}
        named = "timeout" in kwargs or "connect_timeout" in kwargs
        if named or "connect_timeout" in conninfo or "PGCONNECT_TIMEOUT" in os.environ:
            return dict(kwargs)
        return {**kwargs, "timeout": CONNECT_S}

    def _adding(self, slot: Slot) -> Steps[None]:
        """Make the connection of a slot, now or after more attempts."""
        started = time.monotonic()
        try:
            connection = yield from self._connecting(None)
        except Exception as exc:
            logger.warning("error connecting in %r: %s", self.name, exc)
            with self._lock:
                gives_up = self._state.not_arrived(slot, time.monotonic())
            if gives_up:
                logger.warning("reconnecting in pool %r was given up after %s s", self.name, self.reconnect_timeout)
                yield self.reconnect_failed
            return
        except BaseException:
            with self._lock:
                self._state.abandon(slot)
            raise
        with self._lock:
            self._state.arrived(slot, connection, started, time.monotonic())
        self._after()

    def reconnect_failed(self) -> Any:
        """Called where connecting has failed for `reconnect_timeout` seconds: calls the function given to the pool."""
        return None if self._reconnect_failed is None else self._reconnect_failed(self)

    # ------------------------------------------------------------ the whole pool

    def _filling(self, timeout: float) -> Steps[None]:
        """Wait until the pool is full. Raises PoolTimeout, after closing it."""
        with self._lock:
            self._state.check_open()
            if self._keeps and self._state.is_full:
                return
            waiter = self._make_waiter()
            self._state.expect_full(waiter)
        try:
            yield partial(self._await_turn, waiter, timeout)
        finally:
            with self._lock:
                self._state.leave(waiter, time.monotonic())
        if waiter.error is not None:
            raise waiter.error
        if not waiter.ready:
            yield self._close_now
            raise PoolTimeout(f"pool initialization incomplete after {timeout} sec")

    def _close_now(self) -> Any:
        """Close the pool."""
        raise InterfaceError("a pool of no face cannot be closed")

    def _checking(self) -> Steps[None]:
        """Ask the server over each idle connection, replacing those that do not work."""
        with self._lock:
            slots = self._state.take_idle()
            self._state.refill()
        try:
            while slots:
                slot = slots[-1]
                good = yield from self._probed(slot.connection)
                slots.pop()
                with self._lock:
                    self._state.settle(slot, time.monotonic(), good=good, counted_as=_LOST)
        finally:
            with self._lock:
                for slot in slots:  # interrupted: workers find out how the first one is
                    self._state.tidy_later(slot)
            self._after()

    def _probed(self, connection: Any) -> Steps[bool]:
        try:
            yield from probing(connection, self.timeout)
        except Exception as exc:
            logger.warning("discarding broken connection: %r: %s", connection, exc)
            return False
        return True

    def _resize_now(self, min_size: int, max_size: int | None) -> None:
        min_size, max_size = self._sizes(min_size, max_size)
        logger.info("resizing %r to min_size=%s max_size=%s", self.name, min_size, max_size)
        with self._lock:
            self._state.resize(min_size, max_size)
        self._after()

    def _drain_now(self) -> None:
        with self._lock:
            self._state.drain(time.monotonic())
        self._after()

    def _carry_out(self, job: Job) -> Steps[None]:
        """One job of the agenda."""
        if job.task is Task.TEND or job.slot is None:
            with self._lock:
                self._state.tend(time.monotonic())
            self._after()
        elif job.task is Task.CONNECT:
            yield from self._adding(job.slot)
        else:
            yield from self._tidying(job.slot)


_LOST: Final = "connections_lost"


def probing(connection: Any, timeout: float | None = None) -> Steps[None]:
    """Ask the server something, outside a transaction. Raises what the connection fails with."""
    session = connection._session
    autocommit = session.autocommit
    if not autocommit:
        connection.autocommit = True  # raises ProgrammingError inside a transaction
    try:
        yield partial(connection.execute, "", timeout=timeout)
    finally:
        session.autocommit = autocommit
