"""More connections than one: threads, each with a connection of its own, that take one piece after the other.

Law of this file: the first failure ends all of them, and nobody waits for a server that has not been told to stop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ..connections.sync import Connection
from ..errors import Error, OperationalError
from ..net.conninfo import ConnInfo
from ..protocol.operations import Operation, commit
from ..protocol.session import Session
from ..types.registry import Registry
from .channel import Channel

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


class Team(Crew):
    """So many threads for so many pieces.

    `begin` is what each connection does first, `piece` what it does for the piece of a number: an operation, and the
    channel by which it is ended; it gives the number of rows. `done` is called by the thread that has carried it out.
    """

    def __init__(
        self,
        info: ConnInfo,
        registry: Registry,
        begin: Callable[[Session], Operation[None]],
        piece: Callable[[Session, int], tuple[Operation[int], Channel]],
        done: Callable[[int], None],
    ) -> None:
        super().__init__("export")
        self._info = info
        self._registry = registry
        self._begin = begin
        self._piece = piece
        self._done = done
        self._channels: dict[int, Channel] = {}
        self._next = 0
        self._rows: list[int] = []

    def run(self, jobs: int, pieces: int) -> list[int]:
        """The rows of each piece. Raises the first failure, after all threads have ended."""
        self._rows = [0] * pieces
        self.work(min(jobs, pieces), self._read)
        return self._rows

    def _tell(self) -> None:
        for channel in self._channels.values():
            channel.fail(self.reason())

    def _take_number(self) -> int | None:
        with self._changed:
            if self.stopped or self._next == len(self._rows):
                return None
            self._next += 1
            return self._next - 1

    def _read(self) -> None:
        """Take one piece after the other, over one connection."""
        with self.connected([self._info]) as connection:
            session = connection._session
            session.registry.adopt(self._registry)
            connection._run(self._begin(session))
            while (number := self._take_number()) is not None:
                self._rows[number] = connection._run(self._one(session, number))
                self._done(number)
            connection._run(commit(session))

    def _one(self, session: Session, number: int) -> Operation[int]:
        operation, channel = self._piece(session, number)
        with self._changed:
            self._channels[number] = channel
            if self.stopped:
                channel.fail(self.reason())
        rows = yield from operation
        with self._changed:
            del self._channels[number]
        return rows
