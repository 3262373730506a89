"""The way of what has come to whoever writes it: at once, or in a thread of its own behind a queue that has an end.

Law of this file: memory is bounded. An operation reads on only while there is room (`paced`), and what the writer fails
with ends the operation in the middle, so that the server is told to stop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..protocol.operations import Ask, Consult, Operation, Read
from .report import Meter

T = TypeVar("T")

#: Bytes that may wait for the writer, besides those of one read.
ROOM_BYTES: Final = 4 << 20


class Channel:
    """Hands items to `write`, which only one thread calls at a time."""

    def __init__(self, write: Callable[[Any], None], threaded: bool) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Any, int]] = deque()
        self._size_bytes = 0
        self._ended = False
        self._thread: threading.Thread | None = None
        self.failure: BaseException | None = None
        if threaded:
            self._thread = threading.Thread(target=self._serve, name="pgfast export writer", daemon=True)
            self._thread.start()

    def put(self, item: Any, size_bytes: int) -> None:
        """Give the item away. What the writer raises becomes the `failure`; items after it are dropped."""
        if self.failure is not None:
            return
        if self._thread is None:
            self._take(item)
            return
        with self._changed:
            self._waiting.append((item, size_bytes))
            self._size_bytes += size_bytes
            self._changed.notify_all()

    def counted(self, meter: Meter, rows: int, size_bytes: int) -> bool:
        """Whether there is no failure, after these were counted; what the caller's function raises is one."""
        if self.failure is None:
            try:
                meter.add(rows, size_bytes)
            except Exception as exc:  # raised where the operation goes on
                self.fail(exc)
        return self.failure is None

    def _take(self, item: Any) -> None:
        try:
            self._write(item)
        except BaseException as exc:  # whoever puts gets it
            self.failure = self.failure or exc

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._ended and self.failure is None:
                    self._changed.wait()
                if self.failure is not None or not self._waiting:
                    self._changed.notify_all()
                    return
                item, size_bytes = self._waiting[0]
            self._take(item)
            with self._changed:
                self._waiting.popleft()
                self._size_bytes -= size_bytes
                self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Whether whoever puts should wait."""
        return self._size_bytes > ROOM_BYTES

    def wait_for_room(self) -> None:
        """Return when there is room again, or a failure."""
        with self._changed:
            while self.full and self.failure is None:
                self._changed.wait()

    def fail(self, exc: BaseException) -> None:
        """Let the operation end with this, at its next step."""
        with self._changed:
            self.failure = self.failure or exc
            self._changed.notify_all()

    def end(self) -> None:
        """Return when everything is written. Raises what the writer has failed with."""
        if self._thread is not None:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._thread.join()
        if self.failure is not None:
            raise self.failure


def paced(operation: Operation[T], channel: Channel) -> Operation[T]:
    """The operation, which reads on only while the channel has room.

    The channel's failure is raised between two steps, with the session in the middle of its answer: the driver then
    cancels what the server is doing.
    """
    answer: Any = None
    advance: Callable[[Any], Any] = operation.send
    try:
        while True:
            try:
                step = advance(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            if isinstance(step, (Read, Ask)):
                while channel.full and channel.failure is None:
                    yield Consult(channel.wait_for_room)
                if channel.failure is not None:
                    raise channel.failure
            advance = operation.send
            try:
                answer = yield step
            except Exception as exc:
                advance, answer = operation.throw, exc
    finally:
        operation.close()
