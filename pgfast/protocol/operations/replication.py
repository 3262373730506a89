"""Replication: commands of a walsender, the stream in both directions, base backups.

How it works. A walsender answers START_REPLICATION with CopyBothResponse; from then on both peers send CopyData, until
each has sent CopyDone. Whoever reads gives up waiting after a while, because the server wants to be told now and then
how far the client has come. Source: PostgreSQL docs, "Streaming Replication Protocol".
"""

from __future__ import annotations

from typing import Final

from ... import const
from ...errors import OperationalError, ProgrammingError
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, CopyResponse, ErrorResponse, ReadyForQuery
from ..session import Event, Run, Session, State
from .steps import Block, Operation, Read, Reply, Write, answer, receive, send, settle

#: Answer to a Read whose time is over.
_NOTHING: Final = -1


def start_replication(session: Session, command: str) -> Operation[None]:
    """Begin a stream. Raises the server's refusal, or ProgrammingError for a command that begins none."""
    yield from _ask(session, command)
    event = yield from receive(session)
    if not isinstance(event, CopyResponse) or event.tag != const.COPY_BOTH_RESPONSE:
        yield from settle(session)
        raise ProgrammingError(f"the command begins no replication stream: {command.split(maxsplit=2)[:2]}")


def _ask(session: Session, command: str) -> Operation[None]:
    """Send a command. What the server says meanwhile, or has said too early, is left for who reads its answer."""
    frontend.query(session.out, command)
    session.expect(State.QUERY)
    blocks: list[Block] = [session.out.take()]
    while blocks:
        blocks = yield Write(blocks)


def next_copied(session: Session, patience: float | None) -> Operation[Run | None]:
    """The next run of CopyData, good until the session reads on; None where nothing has come in so many seconds.

    None too when the server has ended the stream: the session's state is then no longer COPY_BOTH. Raises the server's
    error.
    """
    while True:
        event = session.next_event()
        if isinstance(event, Run):
            return event
        if event is None:
            got = yield Read(patience=patience)
            if got == _NOTHING:
                return None
            if not got:
                raise session.lost()
        elif isinstance(event, Acknowledgement) and event.tag == const.COPY_DONE:
            frontend.copy_done(session.out)
            reply = Reply()
            yield from answer(session, reply)
            if reply.failure is not None:
                raise reply.failure
            return None
        elif isinstance(event, CommandComplete):
            yield from settle(session)
            raise OperationalError(
                "the server ended the stream at once: a walsender gives one logical stream, so connect anew for another"
            )
        elif isinstance(event, ErrorResponse):
            failure = session.error(event)
            yield from settle(session)
            raise failure


def tell(session: Session, payload: bytes) -> Operation[None]:
    """Send one CopyData to the server: how far the client has come."""
    session.out.begin(const.COPY_DATA)
    session.out.put_bytes(payload)
    session.out.end()
    yield from send(session, Reply())


def end_replication(session: Session) -> Operation[None]:
    """End the stream; what the server still sends is thrown away, and the session is at rest."""
    yield from settle(session)


# ---------------------------------------------------------------- base backups


def start_backup(session: Session, command: str) -> Operation[None]:
    """Ask for a base backup."""
    yield from _ask(session, command)


def next_backup_event(session: Session) -> Operation[Event | None]:
    """The next event of a base backup: descriptions and runs of rows, the beginnings and runs of its archives.

    None when it is complete and the session at rest. Raises the server's error.
    """
    event = yield from receive(session)
    return None if isinstance(event, ReadyForQuery) else event
