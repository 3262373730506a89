"""The threads of an export: each takes one piece after the other, over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable

from ..connections.crew import Crew
from ..net.conninfo import ConnInfo
from ..protocol.operations import Operation, commit
from ..protocol.session import Session
from ..types.registry import Registry
from .channel import Channel


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
