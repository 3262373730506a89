"""A whole session against a server that says anything at all: every operation of the driver, with both codecs.

Input: choices (which flows, how the stream is cut, whether the socket is full), then the bytes of the server. What must
hold in the end: only pgfast's errors have come out, the session is at rest or dead, and both codecs have seen the same.
"""

from __future__ import annotations

from itertools import count
from types import ModuleType
from typing import Any, Final
from unittest import mock

from pgfast.errors import Error, OperationalError
from pgfast.protocol import operations as ops
from pgfast.protocol.operations import (
    Ask,
    Call,
    Consult,
    Hangup,
    Layer,
    Operation,
    Pull,
    Read,
    Step,
    Upgrade,
    Wrap,
    Write,
)
from pgfast.protocol.session import Session

from . import beginnings, flows
from .both import compare, implementations, outcome
from .choices import Choices
from .mutate import split

#: Bytes of choices in front of the stream.
HEAD: Final = 8
#: What stands behind them are messages (see `mutate`).
MESSAGES: Final = True
#: The nonce of every SCRAM exchange, so that what a server has answered once it answers again.
NONCE: Final = bytes(18)
#: As much of a certificate as channel binding reads: it is signed by RSA with SHA-256.
CERTIFICATE: Final = bytes.fromhex("300f3000300b06092a864886f70d01010b")
#: Tags of messages behind which a server may wait for the client.
_LAST_WORDS: Final = b"RTnsGWCEZc"
#: Steps of the operations of a session, besides two for each byte of the stream.
_MOST_STEPS: Final = 2000


class Peer:
    """Carries operations out, the server being a stream of bytes, as `net.sync` does with a socket."""

    def __init__(self, session: Session, turns: list[bytes], sizes: tuple[int, int], full: bool) -> None:
        self._session = session
        self._turns = turns[::-1]
        self._paced = len(turns) > 1
        self._sizes = sizes
        self._turn = 0
        self._full = full
        self._layer: Layer | None = None
        self._closed = False
        self._steps = count()
        self._most_steps = _MOST_STEPS + 2 * sum(map(len, turns))

    def run(self, operation: Operation[Any]) -> Any:
        """What the operation gives."""
        answer: Any = None
        advance: Any = operation.send
        while True:
            assert next(self._steps) < self._most_steps, "the operation goes on for ever"
            try:
                step = advance(answer)
            except StopIteration as stop:
                return stop.value
            advance = operation.send
            try:
                answer = self._answer(step)
            except Error:
                operation.close()
                raise
            except LookupError as exc:  # the program's own source of data
                advance, answer = operation.throw, exc

    def _answer(self, step: Step) -> Any:
        if isinstance(step, Ask):
            self._sent(self._session.out.take_short())
            if not self._receive():
                raise self._session.lost()
            return []
        if isinstance(step, Read):
            return self._piece(4096) if step.raw else self._receive()
        if isinstance(step, Write):
            return self._write(step)
        if isinstance(step, Pull):
            return next(step.source, None)  # type: ignore[arg-type]
        if isinstance(step, Upgrade):
            return CERTIFICATE
        if isinstance(step, (Call, Consult)):
            return step.function()
        if isinstance(step, Wrap):
            self._layer = step.layer
        if isinstance(step, Hangup):
            self._closed = True
        return None

    def _write(self, step: Write) -> list[Any]:
        """Everything is sent, but where the socket is full and something has come."""
        if self._full and len(step.blocks[0]) > 1 and self._receive():
            self._full = False
            first = step.blocks[0]
            self._sent(first[:1])
            return [first[1:], *step.blocks[1:]]
        for block in step.blocks:
            self._sent(block)
        if step.listen and not self._paced:
            self._receive()
        return []

    def _sent(self, block: bytes | memoryview) -> None:
        if self._layer is not None:
            self._layer.outgoing(block)

    def _piece(self, most: int) -> bytes:
        """The next bytes of the stream, none at its end."""
        size = min(self._sizes[self._turn % 2], most)
        self._turn += 1
        while self._turns and not self._closed:
            turn = self._turns.pop()
            raw = turn[:size]
            if len(raw) < len(turn):
                self._turns.append(turn[size:])
            made = raw if self._layer is None else self._layer.incoming(raw)
            if made:
                return made
        return b""

    def _receive(self) -> int:
        received = self._session.received
        data = self._piece(1 << 20)
        size = at = len(data)
        while data:
            view = received.get_buffer(len(data))
            at = min(len(view), len(data))
            view[:at] = data[:at]
            received.commit(at)
            data = data[at:]
        return size


def turns(stream: bytes, taken: list[flows.Flow]) -> list[bytes]:
    """The stream cut where a server waits for the client to say something, as it does in whatever was recorded."""
    if taken[:1] == [beginnings.connect_old]:
        pieces = [piece + b"Z" for piece in stream.split(b"Z")]
        return [part for piece in pieces for part in ((b"G", piece[1:]) if piece[:1] == b"G" else (piece,))]
    found = [b""]
    if taken[:1] == [beginnings.secured]:  # the answer to SSLRequest
        found, stream = [stream[:1], b""], stream[1:]
    if taken[:1] == [beginnings.sealed]:
        return [stream[:1], *packets(stream[1:])]
    for piece in split(stream):
        found[-1] += piece
        if piece[0] in _LAST_WORDS:
            found.append(b"")
    return found


def packets(stream: bytes) -> list[bytes]:
    """The packets of GSSAPI, each behind its length; what cannot be one is the last piece."""
    found, at = [], 0
    while at < len(stream):
        end = at + 4 + int.from_bytes(stream[at : at + 4], "big")
        found.append(stream[at:end])
        at = end
    return found


def nonce(size: int) -> bytes:
    """In the place of secrets.token_bytes."""
    return NONCE


def run(data: bytes) -> None:
    """One session, with each codec."""
    with mock.patch("pgfast.protocol.scram.secrets.token_bytes", nonce):
        compare([_session(module, data) for module in implementations()])


def chosen(c: Choices) -> list[flows.Flow]:
    """The flows of a session: how it begins, and what comes then."""
    begins = c.number(1)
    found = [beginnings.BEGINNINGS[begins]] if begins < len(beginnings.BEGINNINGS) else []
    return [*found, *[flows.FLOWS[number] for _ in range(3) if (number := c.number(1)) < len(flows.FLOWS)]]


def _session(module: ModuleType, data: bytes) -> tuple[Any, ...]:
    c = Choices(data[:HEAD])
    taken = chosen(c)
    sizes, how = (1 + 4 * c.number(1), 1 + 4 * c.number(1)), c.number(1)
    received = module.ReadBuffer(256 if how & 1 else 4096, 1 << 16 if how & 2 else 1 << 26)
    session = Session(received, module.WriteBuffer(256), replies=module.Replies(received))
    session.autocommit = not how & 4
    if how & 32:
        session.registry.configure(dates="text", times="clamp", intervals="interval", strings="lenient")
    told: list[Any] = []
    session.on_notice = told.append
    session.on_notification = told.append
    stream = data[HEAD:]
    peer = Peer(session, [stream] if how & 16 else turns(stream, taken), sizes, bool(how & 8))
    found: list[Any] = [told]
    for flow in taken:
        if session.dead is not None:
            break
        found.append(_flow(peer, session, flow))
        found.append((session.state, session.dead, session.transaction_status))
    return tuple(found)


def _flow(peer: Peer, session: Session, flow: flows.Flow) -> tuple[Any, ...]:
    """What came of one flow, with the session brought to rest as the drivers do."""
    was_idle = session.transaction_status == "I"
    result = outcome(lambda: peer.run(flow(session)))
    if session.dead is None and session.starting:
        session.die(OperationalError("the connection was never made"))
    if session.dead is None and not (session.at_rest and not session.out.size_bytes):
        assert result[0] != "ok" or flow in (beginnings.cancelled, beginnings.secured), (
            "what has succeeded leaves nothing behind"
        )
        recovered = outcome(lambda: peer.run(ops.recover(session, [], was_idle)))
        if recovered[0] != "ok":
            session.die(OperationalError("it could not be cancelled"))
    assert session.dead is not None or session.at_rest, "nothing is under way"
    return result
