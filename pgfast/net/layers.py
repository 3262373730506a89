"""A socket with a layer between it and the session: another encoding of the same conversation.

Law of this file: the socket does not block, and neither does this. What the layer made of bytes that were accepted is
kept until the socket takes it; `pending` says that some is, and that whoever waits for the answer must wait for room
too, or both peers would wait.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

from ..protocol.operations import Layer

_RAW_BYTES: Final = 1 << 16


class LayeredSocket:
    """Stands where a socket stands in the driver for threads; the methods are those that it uses."""

    def __init__(self, sock: socket.socket, layer: Layer) -> None:
        self._sock = sock
        self._layer = layer
        self._coming = memoryview(b"")
        self._going = memoryview(b"")

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
            raw = self._sock.recv(_RAW_BYTES)
            if not raw:
                return 0
            self._coming = memoryview(self._layer.incoming(raw))
        size = min(len(self._coming), len(view))
        view[:size] = self._coming[:size]
        self._coming = self._coming[size:]
        return size

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """As the socket's own."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
