"""Replication: commands of a walsender, the stream in both directions, base backups.

How it works. A walsender answers START_REPLICATION with CopyBothResponse; from then on both peers send CopyData, until
each has sent CopyDone. Whoever reads gives up waiting after a while, because the server wants to be told now and then
how far the client has come. Source: PostgreSQL docs, "Streaming Replication Protocol".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ... import const
from ...errors import InterfaceError, OperationalError, ProgrammingError
from ...types.registry import PLAIN
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, CopyResponse, ErrorResponse, ReadyForQuery, RowDescription
from ..session import Event, Run, Session, State
from .simple import Result, Results
from .steps import Block, Operation, Read, Write, answer, receive, settle

#: Answer to a Read whose time is over.
_NOTHING: Final = -1
#: The first column of what the server says where a timeline has ended.
_NEXT_TIMELINE: Final = "next_tli"


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The server has ended the stream. Where the timeline has ended, the results tell the next one."""

    results: list[Result]


def start_replication(session: Session, command: str) -> Operation[StreamEnd | None]:
    """Begin a stream, which may have ended at once where its timeline ends.

    Raises the server's refusal, or ProgrammingError for a command that begins none.
    """
    yield from _ask(session, command)
    event = yield from receive(session)
    if isinstance(event, CopyResponse) and event.tag == const.COPY_BOTH_RESPONSE:
        return None
    if isinstance(event, RowDescription) and event.fields and event.fields[0].name == _NEXT_TIMELINE:
        return (yield from _end_of_stream(session, event))
    yield from settle(session)
    raise ProgrammingError(f"the command begins no replication stream: {command.split(maxsplit=2)[:2]}")


class _Ending(Results):
    """What the server says at the end of a stream, signs of life that were on their way left out."""

    def take(self, event: Event) -> None:
        if not (isinstance(event, Run) and event.tag == const.COPY_DATA):
            super().take(event)


def _end_of_stream(session: Session, first: Event | None = None) -> Operation[StreamEnd]:
    """What the server says at the end of a stream, of which `first` has come."""
    told = _Ending(PLAIN.rules)
    if first is not None:
        told.take(first)
    yield from answer(session, told)
    if told.failure is not None:
        raise told.failure
    return StreamEnd(told.results)


def _ask(session: Session, command: str) -> Operation[None]:
    """Send a command. What the server says meanwhile, or has said too early, is left for who reads its answer."""
    frontend.query(session.out, command)
    session.expect(State.QUERY)
    yield from _send(session)


def _send(session: Session) -> Operation[None]:
    """Send `session.out`. Nothing of what comes is consumed: it may be a piece of the stream."""
    blocks: list[Block] = [session.out.take()]
    while blocks:
        blocks = yield Write(blocks)


def next_copied(session: Session, patience: float | None) -> Operation[Run | StreamEnd | None]:
    """The next run of CopyData, good until the session reads on; None where nothing has come in so many seconds, or
    something that is no part of the stream, such as notices: whoever waits looks at the clock then.

    Raises the server's error.
    """
    waited = False
    while True:
        event = session.next_event()
        if isinstance(event, Run):
            return event
        if event is None:
            got = _NOTHING if waited else (yield Read(patience=patience))
            if got == _NOTHING:
                return None
            if not got:
                raise session.lost()
            waited = True
        elif isinstance(event, Acknowledgement) and event.tag == const.COPY_DONE:
            frontend.copy_done(session.out)
            return (yield from _end_of_stream(session))
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
    """Send one CopyData to the server: how far the client has come. Raises InterfaceError where no stream goes."""
    if session.dead is not None or session.state is not State.COPY_BOTH:
        session.check_usable()
        raise InterfaceError("the replication stream is not under way")
    session.out.begin(const.COPY_DATA)
    session.out.put_bytes(payload)
    session.out.end()
    yield from _send(session)


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
