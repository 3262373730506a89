"""Somebody between a client and a real server who cuts the connection after so many bytes.

Every connection through it is served by one thread. `cut_after` names the direction and the number of bytes that are
still passed on; both sides are closed then. `counts` tells how many bytes went each way over the last connection,
`openings` how each connection began, `turns` how often a client spoke after its server had. With `piece_bytes` it
passes on so many bytes at once and no more.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType

TO_CLIENT = "to the client"
TO_SERVER = "to the server"


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 and passes on to the port of a server."""

    def __init__(self, port: int, piece_bytes: int = 65536) -> None:
        self.counts = {TO_CLIENT: 0, TO_SERVER: 0}
        self.cut_after: tuple[str, int] | None = None
        self.openings: list[bytes] = []
        self.turns = 0
        self._server_port = port
        self._piece_bytes = piece_bytes
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._clients: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> CuttingProxy:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self._listening.close()
        for client in self._clients:  # a pool may keep connections open
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._clients.append(client)
            self.counts = {TO_CLIENT: 0, TO_SERVER: 0}
            thread = threading.Thread(target=self._serve, args=(client, self.counts, self.cut_after), daemon=True)
            thread.start()
            self._threads = [self._threads[0], thread]

    def _serve(self, client: socket.socket, counts: dict[str, int], cut: tuple[str, int] | None) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            directions = {client: (server, TO_SERVER), server: (client, TO_CLIENT)}
            if cut is not None and cut[1] == 0:
                return
            last = TO_CLIENT
            while True:
                for source in select.select([client, server], [], [], 30)[0]:
                    target, name = directions[source]
                    try:
                        data = source.recv(self._piece_bytes)
                        if name == TO_SERVER and not counts[name]:
                            self.openings.append(data)
                        if cut is not None and cut[0] == name:
                            data = data[: cut[1] - counts[name]]
                        counts[name] += len(data)  # before anybody sees them
                        self.turns += name == TO_SERVER and last == TO_CLIENT
                        last = name
                        target.sendall(data)
                    except OSError:
                        return
                    if not data or cut == (name, counts[name]):
                        return
