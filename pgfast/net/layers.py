"""A socket with a layer between it and the session: another encoding of the same conversation.

Law of this file: the socket does not block, and neither does this. What the layer made of bytes that were accepted is
kept until the socket takes it; `pending` says that some is, and that whoever waits for the answer must wait for room
too, or both peers would wait.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

from ..errors import Error
from ..protocol.operations import Layer

#: Bytes taken from a socket at once.
RAW_BYTES: Final = 1 << 16


class Stacked:
    """Two layers as one: what the upper one makes passes through the lower one."""

    def __init__(self, lower: Layer, upper: Layer) -> None:
        self._lower = lower
        self._upper = upper

    def incoming(self, data: bytes | memoryview) -> bytes:
        """What the session reads of bytes that have come."""
        return self._upper.incoming(self._lower.incoming(data))

    def outgoing(self, data: bytes | memoryview) -> bytes:
        """What goes out for bytes that the session has written."""
        return self._lower.outgoing(self._upper.outgoing(data))


class LayeredSocket:
    """Stands where a socket stands in the driver for threads; the methods are those that it uses.

    `die` ends the session with an error of the layer: what comes after bytes that cannot be is not worth waiting for.
    """

    def __init__(self, sock: socket.socket, layer: Layer, die: Callable[[Error], Error]) -> None:
        self._sock = sock
        self._layer = layer
        self._die = die
        self._coming = memoryview(b"")
        self._going = memoryview(b"")

    def put_on(self, layer: Layer) -> None:
        """Put another layer on the one that is there."""
        self._layer = Stacked(self._layer, layer)

    @property
    def pending(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return bool(self._going)

    def send(self, data: memoryview | bytes, flags: int = 0) -> int:
        """Bytes accepted, all or none. Raises BlockingIOError or an ssl.SSLWant...Error while earlier ones wait."""
        self._flush()
        self._going = memoryview(self._layer.outgoing(data))
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._flush()
        return memoryview(data).nbytes

    def _flush(self) -> None:
        while self._going:
            self._going = self._going[self._sock.send(self._going) :]

    def recv_into(self, view: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Bytes that have come, 0 at the end of the stream. Raises BlockingIOError where there are none yet."""
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._flush()
        while not self._coming:
            raw = self._sock.recv(RAW_BYTES)
            if not raw:
                return 0
            try:
                self._coming = memoryview(self._layer.incoming(raw))
            except Error as exc:
                raise self._die(exc) from exc.__cause__
        size = min(len(self._coming), len(view))
        view[:size] = self._coming[:size]
        self._coming = self._coming[size:]
        return size

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """As the socket's own, which stays encrypted where it is (see `sync.Link`)."""
        socket.socket.shutdown(self._sock, how)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
