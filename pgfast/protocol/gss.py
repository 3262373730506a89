"""GSSAPI below a session: what a context can do, and the packets that encryption by it is made of.

Law of this file: it knows no library and no socket. What comes is trusted only when the context has opened it, and no
length is believed beyond the sizes that both sides agree on. Sources: PostgreSQL docs, "GSSAPI Session Encryption";
server: be-secure-gssapi.c.
"""

from __future__ import annotations

from typing import Final, Protocol

from ..errors import OperationalError, ProtocolError

#: Bytes of a packet at most, its length word included (server: PQ_GSS_MAX_PACKET_SIZE).
MAX_PACKET_BYTES: Final = 16384
#: The same of a token of the exchange that comes before (server: PQ_GSS_AUTH_BUFFER_SIZE).
MAX_TOKEN_BYTES: Final = 65536
#: Bytes of the length word.
LENGTH_BYTES: Final = 4


class GssError(OperationalError):
    """GSSAPI gives no encryption here. Without it the connection may do."""


class GssContext(Protocol):
    """The client's side of a GSSAPI exchange, and what it protects afterwards. Every method may raise GssError."""

    @property
    def complete(self) -> bool:
        """Whether the exchange has ended and both sides have shown who they are."""

    def step(self, token: bytes | None) -> bytes | None:
        """The token that answers the server's (None at the beginning), None where there is none.

        It may wait for others than the server: for a key distribution centre.
        """

    def room(self, size_bytes: int) -> int:
        """How many bytes `wrap` takes for a result of so many."""

    def wrap(self, data: bytes) -> bytes:
        """The bytes encrypted."""

    def unwrap(self, packet: bytes) -> bytes:
        """The bytes that were encrypted. Raises GssError where they were not, or by somebody else."""


def framed(token: bytes) -> bytes:
    """A token of the exchange behind its length. Raises GssError where the server would not take so long a one."""
    most = MAX_TOKEN_BYTES - LENGTH_BYTES
    if len(token) > most:
        raise GssError(f"the GSSAPI token has {len(token)} bytes, and servers take {most} at most")
    return len(token).to_bytes(LENGTH_BYTES, "big") + token


def announced(data: bytes | bytearray | memoryview, most_bytes: int) -> int | None:
    """The size of what follows the length word at the beginning of `data`, None where that has not come yet.

    Raises ProtocolError for a length that cannot be: nothing at all, or more than `most_bytes` with the length word.
    """
    if len(data) < LENGTH_BYTES:
        return None
    size = int.from_bytes(data[:LENGTH_BYTES], "big")
    if not 0 < size <= most_bytes - LENGTH_BYTES:
        raise ProtocolError(
            f"the server announces a GSSAPI packet of {size} bytes, 1 to {most_bytes - LENGTH_BYTES} are possible"
        )
    return size


class Sealing:
    """The layer that encrypts what goes out and opens what comes in (see `operations.Layer`)."""

    def __init__(self, context: GssContext) -> None:
        self._context = context
        self._room = context.room(MAX_PACKET_BYTES - LENGTH_BYTES)
        if self._room <= 0:
            raise GssError("the GSSAPI mechanism leaves no room for data in a packet")
        self._coming = bytearray()

    def incoming(self, data: bytes | memoryview) -> bytes:
        """What was encrypted in the packets that are complete; the rest waits.

        Raises ProtocolError for a packet that cannot be opened, and for a length that lies.
        """
        self._coming += data
        opened = []
        at = 0
        while (size := announced(self._coming[at : at + LENGTH_BYTES], MAX_PACKET_BYTES)) is not None:
            end = at + LENGTH_BYTES + size
            if end > len(self._coming):
                break
            opened.append(self._open(bytes(self._coming[at + LENGTH_BYTES : end])))
            at = end
        del self._coming[:at]
        return b"".join(opened)

    def _open(self, packet: bytes) -> bytes:
        try:
            return self._context.unwrap(packet)
        except GssError as exc:
            raise ProtocolError(f"a packet came that the server has not encrypted for this connection: {exc}") from exc

    def outgoing(self, data: bytes | memoryview) -> bytes:
        """The packets for bytes that the session has written. Raises ProtocolError where they cannot be encrypted."""
        packets: list[bytes] = []
        for at in range(0, len(data), self._room):
            packets += self._seal(bytes(data[at : at + self._room]))
        return b"".join(packets)

    def _seal(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            packet = self._context.wrap(data)
        except GssError as exc:
            raise ProtocolError(f"GSSAPI cannot encrypt what is to be sent: {exc}") from exc
        if LENGTH_BYTES + len(packet) > MAX_PACKET_BYTES:
            raise ProtocolError(f"GSSAPI made a packet of {len(packet)} bytes, which servers do not take")
        return len(packet).to_bytes(LENGTH_BYTES, "big"), packet
