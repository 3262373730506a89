"""COPY in both directions: whole, from a source or to a consumer, and step by step for `cursor.copy()`.

How it works. COPY goes by the simple protocol, because in the extended one the server ignores a Sync that is sent
along. While data is written, what the server sends (notices, an error) is read, so that neither waits for the other; an
error stops the writing at once, and the server drops what was under way.

Source: PostgreSQL docs, "Message Flow: COPY Operations".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from ... import const
from ...errors import ProgrammingError
from ...types.registry import Registry
from .. import frontend
from ..backend import CommandComplete, CopyResponse, RowDescription
from ..session import Event, Run, Session, State
from .composing import AnyQuery
from .queries import Params, with_literals
from .steps import Block, Operation, Pull, Reply, Write, answer, exchange, give_up_copy, receive, send, settle
from .transactions import ensure_begin


class CopyConsumer(Protocol):
    """What takes the data of a COPY TO STDOUT:

    `begin` once, then `run` for runs of CopyData, which die when it returns.
    """

    def begin(self, response: CopyResponse) -> None: ...
    def run(self, block: bytearray, start: int, stop: int, count: int) -> None: ...


class _Copy(Reply):
    """The end of a COPY: how many rows its command tag tells."""

    copies = True

    def __init__(self) -> None:
        super().__init__()
        self.complete = CommandComplete("")

    def take(self, event: Event) -> None:
        if isinstance(event, CommandComplete):
            self.complete = event


class _CopyOut(_Copy):
    """The data of a COPY TO STDOUT, handed to the consumer."""

    def __init__(self, consumer: CopyConsumer) -> None:
        super().__init__()
        self._consumer = consumer

    def take(self, event: Event) -> None:
        match event:
            case CopyResponse(const.COPY_OUT_RESPONSE):
                self._consumer.begin(event)
            case Run(_, block, start, stop, count):
                self._consumer.run(block, start, stop, count)
            case _:
                super().take(event)


_WRONG_WAY = "the statement is not a COPY {}: {}"


def _wrong_way(wanted: str, event: Event) -> ProgrammingError:
    """The error for a statement that begins otherwise than a COPY in the wanted direction."""
    match event:
        case CopyResponse(const.COPY_IN_RESPONSE):
            found = "it copies from STDIN"
        case CopyResponse(const.COPY_OUT_RESPONSE):
            found = "it copies to STDOUT"
        case RowDescription():
            found = "it gives rows"
        case CommandComplete(tag):
            found = f"the server answered {tag}"
        case _:
            found = "the server answered nothing of the kind"
    return ProgrammingError(_WRONG_WAY.format(wanted, found))


def copy_begin(session: Session, sql: str, wanted: int | None = None) -> Operation[CopyResponse]:
    """Begin a COPY FROM STDIN or TO STDOUT; the answer tells which one and in which format.

    With `wanted` (const.COPY_IN_RESPONSE or COPY_OUT_RESPONSE) the other direction is an error. Any other statement is
    one too, after it was executed.
    """
    frontend.query(session.out, sql)
    session.expect(State.QUERY)
    blocks: list[Block] = [session.out.take()]
    while blocks:
        blocks = yield Write(blocks)
    event = yield from receive(session)
    if isinstance(event, CopyResponse) and wanted in (None, event.tag):
        return event
    yield from settle(session)
    names = {
        const.COPY_IN_RESPONSE: "FROM STDIN",
        const.COPY_OUT_RESPONSE: "TO STDOUT",
        None: "FROM STDIN or TO STDOUT",
    }
    raise _wrong_way(names[wanted], event)


def copy_in(session: Session, sql: str, source: Iterator[memoryview] | AsyncIterator[memoryview]) -> Operation[int]:
    """Rows copied by a COPY FROM STDIN, -1 where the server does not tell.

    The source gives blocks of whole CopyData messages (WriteBuffer.take), which are sent as they are. What it raises
    ends the COPY, which then has copied nothing, and is raised again with the session at rest.
    """
    yield from copy_begin(session, sql, const.COPY_IN_RESPONSE)
    reply = _Copy()
    failure: Exception | None = None
    while session.state is State.COPY_IN:
        try:
            block = yield Pull(source)
        except Exception as exc:  # raised again below, when the server knows
            failure = exc
            yield from give_up_copy(session, f"{type(exc).__name__} in the client's source of data")
            break
        if block is None:
            frontend.copy_done(session.out)
            break
        blocks: list[Block] = [block]
        while blocks and session.dead is None:
            blocks = yield Write(blocks, listen=True)
            reply.consume(session)
    yield from answer(session, reply)
    if failure is not None:
        raise failure
    if reply.failure is not None:
        raise reply.failure
    return reply.complete.rows


def copy_out(session: Session, sql: str, consumer: CopyConsumer) -> Operation[int]:
    """Rows copied by a COPY TO STDOUT, whose data goes to the consumer; -1 where the server does not tell."""
    reply = _CopyOut(consumer)
    frontend.query(session.out, sql)
    session.expect(State.QUERY)
    yield from exchange(session, reply)
    return reply.complete.rows


# ---------------------------------------------------------------- step by step


def start_copy(
    session: Session, sql: AnyQuery, params: Params, registry: Registry | None = None
) -> Operation[CopyResponse]:
    """`copy_begin` for a statement as a user writes it, in a transaction where one is due."""
    statement = yield from with_literals(session, sql, params, registry)
    yield from ensure_begin(session)
    return (yield from copy_begin(session, statement))


def copy_send(session: Session) -> Operation[None]:
    """Send the CopyData gathered in `session.out`.

    Raises the server's error if it has ended the COPY, after the session came to rest.
    """
    reply = _Copy()
    yield from send(session, reply, listen=True)
    if reply.failure is not None:
        yield from settle(session)
        raise reply.failure


def copy_send_data(session: Session, data: bytes) -> Operation[None]:
    """Send these bytes as CopyData. Raises as `copy_send`."""
    for start in range(0, len(data), const.COPY_BLOCK_SIZE):
        session.out.begin_copy()
        session.out.put_bytes(data[start : start + const.COPY_BLOCK_SIZE])
        session.out.end_copy()
    yield from copy_send(session)


def copy_end(session: Session) -> Operation[CommandComplete]:
    """Complete a COPY FROM STDIN, with the data that is still in `session.out`; the command tag."""
    if session.state is State.COPY_IN:
        frontend.copy_done(session.out)
    reply = _Copy()
    yield from exchange(session, reply)
    return reply.complete


def copy_abort(session: Session, reason: str) -> Operation[None]:
    """End a COPY FROM STDIN so that it leaves nothing; the server's error, which repeats the reason, is dropped."""
    if session.state is State.COPY_IN:
        yield from give_up_copy(session, reason)
    yield from answer(session, _Copy())


def copy_next(session: Session) -> Operation[Run | CommandComplete]:
    """The next run of CopyData of a COPY TO STDOUT, good until the session reads on.

    At the end it is the command tag, and the session is at rest.
    """
    while True:
        event = yield from receive(session)
        match event:
            case Run():
                return event
            case CommandComplete():
                yield from answer(session, _Copy())
                return event
