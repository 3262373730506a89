"""Every decision of a pool: who gets which connection, when one is made, replaced or let go; and all that is counted.

Law of this file: no I/O, no clock, no lock. Callers hold the pool's lock, pass the time as `now`, and afterwards close
what is in `dropped`. Each connection that exists, or is being made, has one slot; `size` is the number of slots, and
every change of a slot's place goes through `_move`, so that the counts cannot come apart.
"""

from __future__ import annotations

import logging
import random
import weakref
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import InterfaceError
from .agenda import Agenda, Job, Task
from .errors import PoolClosed, TooManyRequests
from .slots import MOVES, Attempts, Slot, Where

#: The share of `max_lifetime` by which connections made together end apart.
JITTER: Final = 0.05
#: Seconds between two looks after idle connections, at least.
LEAST_TEND_S: Final = 0.05

logger: Final = logging.getLogger("pgfast.pool")


@dataclass(slots=True)
class Limits:
    """What a pool was told to keep to: numbers of connections and clients, and seconds."""

    min_size: int
    max_size: int
    max_waiting: int
    max_lifetime: float
    max_idle: float
    reconnect_timeout: float
    keeps: bool = True  # whether connections stay in the pool when nobody wants them

    @property
    def most(self) -> float:
        """How many connections there may be; a pool that keeps none may have no limit (0)."""
        return self.max_size or float("inf")

    @property
    def tend_s(self) -> float:
        """Seconds between two looks after idle connections."""
        return max(min(self.max_lifetime * JITTER, self.max_idle / 4), LEAST_TEND_S)


class Waiter:
    """Somebody who waits for a connection, or for the pool to be full. `wake` tells that one of the others is set."""

    __slots__ = ("connection", "error", "ready", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.connection: Any = None
        self.error: Exception | None = None
        self.ready = False

    def tell(self, connection: Any = None, error: Exception | None = None) -> None:
        """Set what was waited for."""
        self.connection, self.error, self.ready = connection, error, True
        self.wake()


class PoolState:
    """The slots of a pool, those who wait, and what is to be done."""

    def __init__(self, name: str, limits: Limits, pool: Any) -> None:
        self.name = name
        self.limits = limits
        self.agenda = Agenda()
        self.opened = False
        self.closed = True
        self.size = 0
        self.idle: list[Slot] = []  # the one used last is lent first, so that those in excess grow old
        self.lent: set[Slot] = set()
        self.waiting: deque[Waiter] = deque()
        self.filling: list[Waiter] = []
        self.dropped: list[Any] = []
        self.forgotten: deque[Slot] = deque()
        self.stats: Counter[str] = Counter()
        self._connecting = 0
        self._drained_at = float("-inf")
        self._pool = weakref.ref(pool)

    # ------------------------------------------------------------ slots

    def _new(self, where: Where) -> Slot:
        slot = Slot(where)
        self.size += 1
        self._connecting += where is Where.CONNECTING
        if where is Where.LENT:
            self.lent.add(slot)
        return slot

    def _move(self, slot: Slot, to: Where) -> None:
        if to not in MOVES[slot.where]:
            raise InterfaceError(f"a connection of pool {self.name!r} cannot go from {slot.where.name} to {to.name}")
        self._connecting += (to is Where.CONNECTING) - (slot.where is Where.CONNECTING)
        if slot.where is Where.LENT:
            self.lent.discard(slot)
            slot.pool = slot.watch = None
        if to is Where.LENT:
            self.lent.add(slot)
        if to is Where.GONE:
            self.size -= 1
        slot.where = to

    def _connect(self, slot: Slot) -> None:
        slot.attempt, slot.tried = None, False
        self.agenda.put(Job(Task.CONNECT, slot))

    def _take_off(self, slot: Slot) -> None:
        """Have the connection closed that is in the slot."""
        connection, slot.connection = slot.connection, None
        if connection is not None:
            self.dropped.append(connection)

    def _lend(self, slot: Slot, now: float) -> Any:
        """The slot's connection, which is the client's now."""
        connection, slot.connection = slot.connection, None
        self._move(slot, Where.LENT)
        slot.since, slot.pool, slot.loan = now, self._pool(), object()
        slot.watch = weakref.ref(connection, lambda _: self.forgotten.append(slot))
        connection._slot = slot
        return connection

    def _discard(self, slot: Slot) -> None:
        self._take_off(slot)
        self._move(slot, Where.GONE)
        self.grow()

    def _replace(self, slot: Slot) -> None:
        """Have another connection made for the slot, where it is still wanted."""
        wanted = self.limits.keeps or self._connecting < len(self.waiting)
        if self.closed or self.size > self.limits.most or not wanted:
            self._discard(slot)
        else:
            self._take_off(slot)
            self._move(slot, Where.CONNECTING)
            self._connect(slot)

    def _deliver(self, slot: Slot, now: float) -> None:
        """Give a connection in good order to whoever waits, or keep it."""
        if self.closed or self.size > self.limits.most:
            self._discard(slot)
        elif self.waiting:
            waiter = self.waiting.popleft()
            waiter.tell(self._lend(slot, now))
        elif self.limits.keeps:
            self._move(slot, Where.IDLE)
            slot.since = now
            self.idle.append(slot)
        else:
            self._discard(slot)
        self._tell_when_full()

    def _tell_when_full(self) -> None:
        if self.filling and self.is_full:
            for waiter in self.filling:
                waiter.tell()
            self.filling.clear()

    @property
    def is_full(self) -> bool:
        """Whether all connections that should be there are."""
        return len(self.idle) + len(self.lent) >= self.limits.min_size

    def grow(self) -> None:
        """Have connections made for those who wait and, if one is made at all, those that should be there."""
        if self.closed:
            return
        missing = len(self.waiting) - self._connecting
        if missing > 0:
            missing = max(missing, self.limits.min_size - self.size)
        while missing > 0 and self.size < self.limits.most:
            self._connect(self._new(Where.CONNECTING))
            missing -= 1

    def refill(self) -> None:
        """Have connections made until there are as many as there should always be."""
        while not self.closed and self.size < self.limits.min_size:
            self._connect(self._new(Where.CONNECTING))

    # ------------------------------------------------------------ for clients

    def check_open(self) -> None:
        """Raise PoolClosed where nothing can be got."""
        if self.closed:
            raise PoolClosed(f"the pool {self.name!r} is {'already closed' if self.opened else 'not open yet'}")

    def take(self, now: float) -> Any:
        """A connection that is there, None where there is none; a slot where the client is to make its connection.

        Raises PoolClosed, and TooManyRequests where no more clients may wait.
        """
        self.check_open()
        self.reclaim()
        if self.idle:
            return self._lend(self.idle.pop(), now)
        if not self.limits.keeps and self.size < self.limits.most:
            return self._new(Where.LENT)
        if self.limits.max_waiting and len(self.waiting) >= self.limits.max_waiting:
            self.stats["requests_errors"] += 1
            raise TooManyRequests(f"the pool {self.name!r} has already {len(self.waiting)} requests waiting")
        return None

    def queue(self, waiter: Waiter) -> None:
        """Let a client wait for its turn."""
        self.waiting.append(waiter)
        self.stats["requests_queued"] += 1
        self.grow()

    def leave(self, waiter: Waiter, now: float) -> None:
        """Wait no more; a connection that was given meanwhile goes to the next."""
        if waiter.connection is not None:
            slot = self.take_back(waiter.connection, now)
            waiter.connection = None
            self._deliver(slot, now)
        elif waiter in self.waiting:
            self.waiting.remove(waiter)
        elif waiter in self.filling:
            self.filling.remove(waiter)

    def made_for_client(self, slot: Slot, connection: Any, started: float, now: float) -> Any:
        """The connection that a client has made for itself."""
        slot.connection = connection
        self._date(slot, started)
        self._move(slot, Where.TENDED)
        if self.closed:
            self._discard(slot)
            self.check_open()
        return self._lend(slot, now)

    def not_made_for_client(self, slot: Slot) -> None:
        """The client could not make its connection."""
        self._discard(slot)

    def take_back(self, connection: Any, now: float) -> Slot:
        """The slot of a connection that comes back. Raises ValueError where it was not lent by this pool."""
        slot = connection._slot
        pool = None if slot is None else slot.pool
        if pool is None or pool is not self._pool():
            where = "it does not come from any pool" if pool is None else f"it comes from pool {pool.name!r}"
            raise ValueError(f"cannot return a connection to pool {self.name!r}, {where}: {connection!r}")
        connection._slot = None
        self._move(slot, Where.TENDED)
        slot.connection = connection
        self.stats["usage_ms"] += int((now - slot.since) * 1000)
        return slot  # type: ignore[no-any-return]

    # ------------------------------------------------------------ for whoever has tended a connection

    def settle(self, slot: Slot, now: float, *, good: bool, counted_as: str = "returns_bad") -> None:
        """End the tending of a connection, which is in good order or is to be replaced."""
        if not good:
            self.stats[counted_as] += 1
            self._replace(slot)
        elif slot.created_at <= self._drained_at or slot.expires_at <= now:
            logger.info("replacing an expired connection of pool %r", self.name)
            self._replace(slot)
        else:
            self._deliver(slot, now)

    def tidy_later(self, slot: Slot) -> None:
        """Leave the tending to a worker."""
        if self.closed:
            self._discard(slot)
        else:
            self.agenda.put(Job(Task.TIDY, slot))

    def take_idle(self) -> list[Slot]:
        """Every idle connection, to be tended."""
        slots, self.idle = self.idle, []
        for slot in slots:
            self._move(slot, Where.TENDED)
        return slots

    # ------------------------------------------------------------ for workers

    def _date(self, slot: Slot, started: float) -> None:
        slot.created_at = started
        slot.expires_at = started + self.limits.max_lifetime * (1 - JITTER * random.random())

    def arrived(self, slot: Slot, connection: Any, started: float, now: float) -> None:
        """A connection has been made, beginning at `started`."""
        slot.connection = connection
        slot.attempt = None
        self._date(slot, started)
        if started <= self._drained_at:
            self._replace(slot)
        else:
            self._deliver(slot, now)
        self.agenda.hurry()

    def not_arrived(self, slot: Slot, now: float) -> bool:
        """Whether it is time to give up; else the next attempt is on the agenda."""
        if self.closed or self.size > self.limits.most:
            self._move(slot, Where.GONE)
            return False
        if slot.attempt is None:
            slot.attempt = Attempts(now, self.limits.reconnect_timeout)
        at = slot.attempt.next_at(now)
        if at is None:
            self._move(slot, Where.GONE)
            return True
        self.agenda.put_later(Job(Task.CONNECT, slot), at)
        return False

    def abandon(self, slot: Slot) -> None:
        """The worker was stopped while it connected."""
        self._move(slot, Where.GONE)
        self.grow()

    def reclaim(self) -> None:
        """Replace connections that clients have dropped without returning them."""
        while self.forgotten:
            slot = self.forgotten.popleft()
            if slot.where is Where.LENT:
                logger.warning("a connection of pool %r was dropped and not returned; it is replaced", self.name)
                self.stats["returns_bad"] += 1
                self._replace(slot)

    def tend(self, now: float) -> None:
        """Replace idle connections that have lived too long, let go those in excess that nobody has wanted."""
        self.reclaim()
        kept: list[Slot] = []
        idle, self.idle = self.idle, []
        for slot in idle:
            if slot.expires_at <= now:
                self._replace(slot)
            elif self.size > self.limits.min_size and slot.since + self.limits.max_idle <= now:
                logger.info("shrinking pool %r to %s connections", self.name, self.size - 1)
                self._discard(slot)
            else:
                kept.append(slot)
        self.idle = kept
        if not self.closed:
            self.agenda.put_later(Job(Task.TEND), now + self.limits.tend_s)

    # ------------------------------------------------------------ for the pool's owner

    def open(self, now: float) -> None:
        """Take requests. Raises PoolClosed where it has been open before."""
        if self.opened:
            raise PoolClosed(f"the pool {self.name!r} has been closed and cannot be opened again; make another one")
        self.opened, self.closed = True, False
        self.refill()
        self.agenda.put_later(Job(Task.TEND), now + self.limits.tend_s)

    def close(self) -> list[Any]:
        """Take no more requests: the connections that were idle, to be closed. Those who wait are told."""
        self.closed = True
        for waiter in (*self.waiting, *self.filling):
            waiter.tell(error=PoolClosed(f"the pool {self.name!r} is closed"))
        self.waiting.clear()
        self.filling.clear()
        connections = [slot.connection for slot in self.idle]
        for slot in self.idle:
            slot.connection = None
            self._move(slot, Where.GONE)
        self.idle = []
        for job in self.agenda.clear():
            if job.slot is not None:
                self._discard(job.slot)
        return connections

    def resize(self, min_size: int, max_size: int) -> None:
        """Change the limits; idle connections beyond them are let go."""
        self.limits.min_size, self.limits.max_size = min_size, max_size
        while self.idle and self.size > self.limits.most:
            self._discard(self.idle.pop(0))
        self.refill()
        self.grow()

    def drain(self, now: float) -> None:
        """Replace every connection: those that are idle now, those that are lent when they come back."""
        self._drained_at = now
        for slot in self.take_idle():
            self._replace(slot)

    def expect_full(self, waiter: Waiter) -> None:
        """Tell the waiter when the pool is full. One that keeps nothing makes a connection to see that it can."""
        self.filling.append(waiter)
        if not self.limits.keeps:
            self._connect(self._new(Where.CONNECTING))

    def open_connections(self) -> dict[str, int]:
        """How many of the connections that exist are idle, and how many are lent or being tended."""
        idle = len(self.idle)
        return {"idle": idle, "used": self.size - self._connecting - idle}

    def measures(self) -> dict[str, int]:
        """What there is now."""
        return {
            "pool_min": self.limits.min_size,
            "pool_max": self.limits.max_size,
            "pool_size": self.size,
            "pool_available": len(self.idle),
            "requests_waiting": len(self.waiting),
        }
