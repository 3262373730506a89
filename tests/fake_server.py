"""A server that says what a script tells it to: for what no honest server does.

A script is a function that gets each accepted Peer, in a thread of its own, and talks to it over the plain socket. What
it raises fails the test.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from .protocol import messages as m


class Peer:
    """The client on the other side of one accepted connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(30)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise EOFError(f"the client went away after {data!r}")
            data += piece
        return data

    def first_packet(self) -> bytes:
        """What follows the length of a packet without a tag."""
        (length,) = struct.unpack("!i", self.receive(4))
        return self.receive(length - 4)

    def message(self) -> tuple[bytes, bytes]:
        """(tag, payload) of the next message."""
        tag = self.receive(1)
        (length,) = struct.unpack("!i", self.receive(4))
        return tag, self.receive(length - 4)

    def until(self, tag: bytes) -> list[bytes]:
        """The tags of all messages up to the first with this one."""
        tags: list[bytes] = []
        while not tags or tags[-1] != tag:
            tags.append(self.message()[0])
        return tags

    def welcome(self) -> None:
        """Let the client in, whoever it is."""
        self.first_packet()
        self.send(m.WELCOME)

    def end(self) -> None:
        """Say nothing more, to a client that may be gone already."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def wait_for_end(self) -> bytes:
        """Everything up to the end of the stream."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.sock.recv(65536):
                data += piece
        return data


class FakeServer:
    """Listens on a free port of 127.0.0.1.

    `scripts` are for the first, second, ... connection, the last of them for all later ones too.
    """

    def __init__(self, *scripts: Callable[[Peer], None]) -> None:
        self._scripts = scripts
        self._listening = socket.socket()
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []
        self.accepted = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> FakeServer:
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self._listening.close()
        for thread in self._threads:
            thread.join(30)
        if exc is None and self.failures:
            raise self.failures[0]

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            self._start(lambda sock=sock, script=script: self._serve(sock, script))  # type: ignore[misc]

    def _serve(self, sock: socket.socket, script: Callable[[Peer], None]) -> None:
        with sock:
            try:
                script(Peer(sock))
            except (ConnectionError, EOFError):
                pass  # the client may hang up whenever it has seen enough
            except BaseException as exc:
                self.failures.append(exc)
