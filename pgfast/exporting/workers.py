"""More connections than one: threads, each with a connection of its own, that take one piece after the other.

Law of this file: the first failure ends all of them, and nobody waits for a server that has not been told to stop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ..connections.sync import Connection
from ..errors import Error, OperationalError
from ..net.conninfo import ConnInfo
from ..protocol.operations import Operation, command
from ..protocol.session import Session
from ..types.registry import Registry
from .channel import Channel

#: Seconds between two requests to cancel, one of which may reach the server between two statements.
_AGAIN_S: Final = 0.25
#: Seconds in which the threads must have ended after they were told to; then their sockets are closed.
_GRACE_S: Final = 10.0


class Stopped(OperationalError):
    """The work was given up, because another connection has failed or the caller wants no more of it."""


class Team:
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
        self._info = info
        self._registry = registry
        self._begin = begin
        self._piece = piece
        self._done = done
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._connections: list[Connection[Any]] = []
        self._channels: dict[int, Channel] = {}
        self._failure: BaseException | None = None
        self._stopped = False
        self._next = 0
        self._rows: list[int] = []

    def run(self, jobs: int, pieces: int) -> list[int]:
        """The rows of each piece. Raises the first failure, after all threads have ended."""
        self._rows = [0] * pieces
        with self._changed:
            if not self._stopped:
                self._threads = [
                    threading.Thread(target=self._work, name=f"pgfast export {number}", daemon=True)
                    for number in range(min(jobs, pieces))
                ]
                for thread in self._threads:
                    thread.start()
        for thread in self._threads:
            while thread.is_alive() and self._failure is None:
                thread.join(_AGAIN_S)
        if self._failure is not None:
            self.stop()
            raise self._failure
        if self._stopped:
            raise Stopped("the export was given up")
        return self._rows

    def stop(self) -> None:
        """End what is under way; the threads have then ended, or their connections are closed. Any thread may call it,
        but theirs."""
        with self._changed:
            self._stopped = True
            for channel in self._channels.values():
                channel.fail(Stopped("the export was given up"))
        give_up = time.monotonic() + _GRACE_S
        while any(thread.is_alive() for thread in self._threads):
            with self._changed:
                connections = list(self._connections)
            late = time.monotonic() > give_up
            for connection in connections:
                with contextlib.suppress(Error, OSError):  # one that is gone does nothing that could be cancelled
                    if late:
                        connection.close()
                    else:
                        connection.cancel(timeout=_GRACE_S)
            for thread in self._threads:
                thread.join(_AGAIN_S / len(self._threads))
            if late:
                return

    def _take_number(self) -> int | None:
        with self._changed:
            if self._stopped or self._next == len(self._rows):
                return None
            self._next += 1
            return self._next - 1

    def _work(self) -> None:
        connection: Connection[Any] | None = None
        try:
            connection = Connection._open([self._info], True, None)
            with self._changed:
                self._connections.append(connection)
            session = connection._session
            session.registry.adopt(self._registry)
            connection._run(self._begin(session))
            while (number := self._take_number()) is not None:
                self._rows[number] = connection._run(self._one(session, number))
                self._done(number)
            connection._run(self._end(session))
        except BaseException as exc:  # whoever runs the team raises it
            with self._changed:
                self._failure = self._failure or exc
        finally:
            if connection is not None:
                with self._changed:
                    if connection in self._connections:
                        self._connections.remove(connection)
                connection.close()

    def _one(self, session: Session, number: int) -> Operation[int]:
        operation, channel = self._piece(session, number)
        with self._changed:
            self._channels[number] = channel
            if self._stopped:
                channel.fail(Stopped("the export was given up"))
        rows = yield from operation
        with self._changed:
            del self._channels[number]
        return rows

    @staticmethod
    def _end(session: Session) -> Operation[None]:
        yield from command(session, "COMMIT")
