"""What the workers of a pool have to do, now and later.

Law of this file: it knows no clock and no lock. Connections that are on their way back come before new ones, so that
a server that is slow to connect to does not keep working connections from those who wait.
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from .slots import Slot


class Task(enum.Enum):
    """The sorts of work."""

    CONNECT = "connect"  # make the slot's connection
    TIDY = "tidy"  # bring a returned connection in order
    TEND = "tend"  # look after what has been idle, or has lived, too long


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do for a slot, or for the whole pool."""

    task: Task
    slot: Slot | None = None


class Agenda:
    """The jobs of a pool. `wake` is called whenever there is a new one, or an old one is due sooner."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = _nobody
        self._urgent: deque[Job] = deque()
        self._due: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._numbers = count()

    def put(self, job: Job) -> None:
        """Have it done as soon as a worker is free."""
        (self._urgent if job.task is Task.TIDY else self._due).append(job)
        self.wake()

    def put_later(self, job: Job, at: float) -> None:
        """Have it done when that time has come."""
        heapq.heappush(self._later, (at, next(self._numbers), job))
        self.wake()

    def take(self, now: float) -> Job | None:
        """The next job, None where none is due."""
        if self._urgent:
            return self._urgent.popleft()
        if self._due:
            return self._due.popleft()
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        return None

    def next_at(self, now: float) -> float | None:
        """When there is something to do: `now` where something is already, None where nothing will be."""
        if self._urgent or self._due:
            return now
        return self._later[0][0] if self._later else None

    def hurry(self) -> None:
        """Make every attempt to connect due that was put off: another one has just succeeded."""
        hurried = [entry for entry in self._later if entry[2].task is Task.CONNECT]
        if hurried:
            self._later = [entry for entry in self._later if entry[2].task is not Task.CONNECT]
            heapq.heapify(self._later)
            self._due.extend(job for _, _, job in sorted(hurried, key=lambda entry: entry[1]))
            self.wake()

    def clear(self) -> list[Job]:
        """Every job, none of which is to be done any more."""
        jobs = [*self._urgent, *self._due, *(job for _, _, job in self._later)]
        self._urgent.clear()
        self._due.clear()
        self._later.clear()
        return jobs


def _nobody() -> None:
    """Nobody works while the pool is closed."""
