"""More connections than one: threads, each with connections of its own, that work at one thing.

Law of this file: the first failure ends all of them, and nobody waits for a server that has not been told to stop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ..errors import Error, OperationalError
from ..net.conninfo import ConnInfo
from .sync import Connection

#: Seconds between two requests to cancel, one of which may reach the server between two statements.
_AGAIN_S: Final = 0.25
#: Seconds in which the threads must have ended after they were told to; then their sockets are closed.
_GRACE_S: Final = 10.0


class Stopped(OperationalError):
    """The work was given up, because another connection has failed or the caller wants no more of it."""


class Crew:
    """Threads that work at one thing, and the connections they work with."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._connections: list[Connection[Any]] = []
        self._failure: BaseException | None = None
        self.stopped = False

    def work(self, threads: int, task: Callable[[], None]) -> None:
        """Carry out the task in so many threads at a time. Raises the first failure, after all threads have ended."""
        with self._changed:
            if not self.stopped:
                self._threads = [
                    threading.Thread(target=self._carry_out, args=(task,), name=f"pgfast {self._purpose}", daemon=True)
                    for _ in range(threads)
                ]
                for thread in self._threads:
                    thread.start()
        for thread in self._threads:
            while thread.is_alive() and self._failure is None:
                thread.join(_AGAIN_S)
        if self._failure is not None:
            self.stop()
            raise self._failure
        self.check()

    def _carry_out(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as exc:  # whoever waits for the threads raises it
            with self._changed:
                self._failure = self._failure or exc

    @contextlib.contextmanager
    def connected(self, infos: Sequence[ConnInfo]) -> Iterator[Connection[Any]]:
        """A connection in autocommit mode, which is cancelled when the work is stopped, and closed at the end."""
        with Connection._open(infos, True, None) as connection:
            with self._changed:
                self._connections.append(connection)
            try:
                self.check()
                yield connection
            finally:
                with self._changed:
                    self._connections.remove(connection)
                connection.close()

    def rest(self, seconds: float) -> None:
        """Wait for so long, or until the work is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped, seconds)
        self.check()

    def check(self) -> None:
        """Raise Stopped where the work was stopped."""
        if self.stopped:
            raise self.reason()

    def reason(self) -> Stopped:
        """The exception of what is stopped."""
        return Stopped(f"the {self._purpose} was given up")

    def stop(self) -> None:
        """End what is under way; the threads have then ended, or their connections are closed. Any thread may call it,
        but theirs."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
            self._tell()
        give_up = time.monotonic() + _GRACE_S
        while True:
            late = time.monotonic() > give_up
            with self._changed:
                connections = list(self._connections)
            for connection in connections:
                with contextlib.suppress(Error, OSError):  # one that is gone does nothing that could be cancelled
                    if late:
                        connection.close()
                    else:
                        connection.cancel(timeout=_GRACE_S)
            for thread in self._threads:
                thread.join(_AGAIN_S / len(self._threads))
            if late or not any(thread.is_alive() for thread in self._threads):
                return

    def _tell(self) -> None:
        """Tell those who would not hear of it from the server."""
