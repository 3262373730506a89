"""The floors in Python, where no C compiler is, with the command line of floor.c; and the file of ready frames.

Law of this file: plain sockets and bytes, nothing of pgfast, trust authentication only.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from .case import measure

BLOCK: Final = 256 * 1024
#: ReadyForQuery, outside a transaction or in one: how every exchange here ends.
READY: Final = (b"Z\x00\x00\x00\x05I", b"Z\x00\x00\x00\x05T")


def message(tag: bytes, payload: bytes) -> bytes:
    """One frontend message."""
    return tag + struct.pack("!i", len(payload) + 4) + payload


def connect(host: str, port: int, user: str, database: str) -> socket.socket:
    """A connection that has been let in."""
    sock = socket.create_connection((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    startup = struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
    sock.sendall(struct.pack("!i", len(startup) + 4) + startup)
    read_until_ready(sock)
    return sock


def connect_uri(uri: str) -> socket.socket:
    """A connection to where a URI leads."""
    parts = urlsplit(uri)
    return connect(parts.hostname or "", parts.port or 0, parts.username or "", parts.path.lstrip("/"))


def read_until_ready(sock: socket.socket) -> int:
    """Receives and forgets until the server is ready; number of bytes."""
    block = bytearray(BLOCK)
    tail = b""
    total = 0
    while True:
        size = sock.recv_into(block)
        if not size:
            raise ConnectionError(f"the server closed the connection: {tail!r}")
        total += size
        tail = (tail + bytes(block[max(0, size - 64) : size]))[-64:]
        if tail.endswith(READY):
            return total


def query(sock: socket.socket, sql: str) -> int:
    """Runs a simple query to its end; bytes received."""
    sock.sendall(message(b"Q", sql.encode() + b"\0"))
    return read_until_ready(sock)


def receive_binary(sock: socket.socket, sql: str) -> int:
    """Runs a query by the extended protocol with every column binary, forgetting the rows; bytes received."""
    parse = message(b"P", b"\0" + sql.encode() + b"\0" + b"\0\0")
    bind = message(b"B", b"\0\0" + b"\0\0" + b"\0\0" + b"\0\1\0\1")
    sock.sendall(parse + bind + message(b"E", b"\0" + b"\0\0\0\0") + message(b"S", b""))
    return read_until_ready(sock)


def send_copy(sock: socket.socket, sql: str, frames: Path) -> int:
    """Sends a file of CopyData frames after `sql`, which is COPY ... FROM STDIN; bytes sent."""
    sock.sendall(message(b"Q", sql.encode() + b"\0"))
    answer = sock.recv(1)
    if answer != b"G":
        raise ConnectionError(f"CopyInResponse was expected, {answer!r} came: {sock.recv(4096)!r}")
    (size,) = struct.unpack("!i", sock.recv(4, socket.MSG_WAITALL))
    sock.recv(size - 4, socket.MSG_WAITALL)
    total = 0
    block = bytearray(BLOCK)
    with frames.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            sock.sendall(memoryview(block)[:size])
            total += size
    sock.sendall(message(b"c", b""))
    read_until_ready(sock)
    return total


def record_copy(sock: socket.socket, sql: str, path: Path) -> None:
    """Writes what `sql`, a COPY ... TO STDOUT in binary, gives as CopyData frames of about BLOCK bytes."""
    sock.sendall(message(b"Q", sql.encode() + b"\0"))
    gathered = bytearray()
    with path.open("wb") as file, sock.makefile("rb", buffering=1 << 20) as stream:
        while True:
            tag = stream.read(1)
            (size,) = struct.unpack("!i", stream.read(4))
            payload = stream.read(size - 4)
            if tag == b"d":
                gathered += payload
            if gathered and (tag != b"d" or len(gathered) >= BLOCK // 2):
                file.write(message(b"d", bytes(gathered)))
                gathered.clear()
            if tag == b"E":
                raise ConnectionError(payload.decode("utf-8", "replace"))
            if tag == b"Z":
                return


# ---------------------------------------------------------------- small works


def execution(number: int, with_text: bool) -> bytes:
    """Bind of the statement s with an int4, and a text where asked, and Execute; results in binary."""
    parameters = struct.pack("!ii", 4, number)
    if with_text:
        text = f"row {number}".encode()
        parameters += struct.pack("!i", len(text)) + text
    count = struct.pack("!h", 1 + with_text)
    bind = message(b"B", b"\0s\0" + b"\0\1\0\1" + count + parameters + b"\0\1\0\1")
    return bind + message(b"E", b"\0" + b"\0\0\0\0")


def one_by_one(sock: socket.socket, blocks: list[bytes], count: int, polls: bool) -> None:
    """Sends one block after the other, each answer awaited."""
    for number in range(count):
        sock.sendall(blocks[number % len(blocks)])
        if polls:
            select.select([sock], [], [])
        read_until_ready(sock)


def together(sock: socket.socket, block: bytes, batches: int) -> None:
    """Sends the whole block, receiving whenever the socket takes no more."""
    for _ in range(batches):
        sock.setblocking(False)
        view = memoryview(block)
        tail = b""
        while view:
            try:
                view = view[sock.send(view) :]
            except BlockingIOError:
                readable, _, _ = select.select([sock], [sock], [])
                if readable:
                    tail = (tail + sock.recv(BLOCK))[-64:]
        sock.setblocking(True)
        if not tail.endswith(READY):
            read_until_ready(sock)


def main() -> None:
    """What floor.c does, with the same arguments and the same output."""
    host, port, user, database, work, sql, *rest = sys.argv[1:]
    sock = connect(host, int(port), user, database)
    sync, polls = message(b"S", b""), os.environ.get("FLOOR_WAIT") == "poll"
    if work == "batch":
        query(sock, "truncate bench_insert")
    if work not in ("copy", "fetch"):
        sock.sendall(message(b"P", b"s\0" + sql.encode() + b"\0\0\0") + sync)
        read_until_ready(sock)

    def run() -> Any:
        if work == "copy":
            for before in rest[1:]:
                query(sock, before)
            send_copy(sock, sql, Path(rest[0]))
            if rest[1:]:
                query(sock, "commit")
        elif work == "fetch":
            receive_binary(sock, sql)
        elif work == "query":
            bind = message(b"B", b"\0s\0" + b"\0\0\0\0" + b"\0\1\0\1")
            one_by_one(sock, [bind + message(b"E", b"\0\0\0\0\0") + sync], int(rest[0]), polls)
        elif work == "point":
            one_by_one(sock, [execution(number, False) + sync for number in range(1000)], int(rest[0]), polls)
        else:
            block = b"".join([execution(number, work == "batch") for number in range(int(rest[0]))]) + sync
            together(sock, block, int(rest[1]))

    print(json.dumps(measure(run)[0]))


if __name__ == "__main__":
    main()
