"""What an operation may ask of its driver, and the exchange that every operation is made of.

Law of this file: an operation is a generator that yields only the steps below, and the driver answers each with a
value. A driver never looks into a session, an operation never at a socket or a clock. They yield once per buffer, so
rows do not pass through a generator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from ... import const
from ...errors import Error, OperationalError, ProgrammingError, ProtocolError
from .. import frontend
from ..backend import CopyResponse, ErrorResponse
from ..session import Event, Session, State

T = TypeVar("T")

#: Bytes on their way to the server, given away by whoever has made them.
Block: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Read:
    """Wait until bytes have come and are committed to the session's ReadBuffer. Answer: how many, 0 at the end of the
    stream.

    With `raw` the answer is the bytes themselves and the ReadBuffer stays untouched: for the one byte that answers
    SSLRequest; with `reset`, too, a connection that is reset has ended like any other. With `patience` the answer is -1
    when nothing has come in so many seconds.
    """

    raw: bool = False
    reset: bool = False
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Send the blocks, which the operation gives away. Answer: the blocks not sent yet, an empty list when all are.

    Blocks are left over only when the socket takes no more and bytes have come, which are then in the ReadBuffer: the
    operation consumes them and writes the rest again. So two peers that both write never wait for each other. With
    `listen` bytes that have come are read even if everything could be sent.
    """

    blocks: list[Block]
    listen: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Send what is in the session's `out` and wait until bytes have come, as a Write and a Read in one.

    Answer: the blocks not sent yet, as for Write; an empty list when all are, and then bytes have come.
    """


@dataclass(frozen=True, slots=True)
class Pull:
    """The next item of the caller's source.

    Answer: the item, None at its end. What the source raises is raised at the yield.
    """

    source: Iterator[Any] | AsyncIterator[Any]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Put TLS on the connection, by settings that only the driver understands.

    Answer: the server's certificate in DER, None where it has shown none.
    """

    tls: Any


class Layer(Protocol):
    """What stands between the bytes of the session and those on the wire, in both directions."""

    def incoming(self, data: bytes | memoryview) -> bytes:
        """What the session reads of bytes that have come; what is incomplete waits. Raises Error."""

    def outgoing(self, data: bytes | memoryview) -> bytes:
        """What goes out for bytes that the session has written. Raises Error."""


@dataclass(frozen=True, slots=True)
class Wrap:
    """From now on all bytes pass through the layer, which stands above the one that is there. Answer: None.

    `encrypts` says that nobody on the way can read what has passed through it.
    """

    layer: Layer
    encrypts: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of the program's, which gives a value or, where the driver can wait for it, an awaitable of one.

    Answer: the value. What the function raises is raised at the yield.
    """

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Consult:
    """Call a function of a library's, which may wait for others than the server: in a thread of its own, so that the
    deadline holds and an event loop goes on.

    Answer: the value. What the function raises is raised at the yield.
    """

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the connection at once: nothing that could be said would help. Answer: None."""


Step: TypeAlias = Read | Write | Ask | Pull | Upgrade | Wrap | Call | Consult | Hangup
Operation: TypeAlias = Generator[Step, Any, T]

READ: Final = Read()
ASK: Final = Ask()


class Reply:
    """What the events of one exchange add up to. This one ignores them all; the first failure is kept.

    An error of the server and an exception raised by `take` are both failures: events after it are not taken, only
    read. A COPY that was not asked for (`copies` is False) is refused, because the server would wait for its data for
    ever.
    """

    copies = False

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def take(self, event: Event) -> None:
        """Use one event. May raise."""

    def consume(self, session: Session) -> None:
        """Take every event that has arrived."""
        while (event := session.next_event()) is not None:
            self.judge(session, event)

    def judge(self, session: Session, event: Event) -> None:
        """Tell failures from what can be taken."""
        if type(event) is ErrorResponse:
            self.failure = self.failure or session.error(event)
        elif type(event) is CopyResponse and (self.failure is not None or not self.copies):
            self.failure = self.failure or ProgrammingError("COPY FROM STDIN or TO STDOUT: use cursor.copy() for it")
            if event.tag == const.COPY_IN_RESPONSE:
                if session.simple_only:
                    session.die(_cannot_give_up())
                else:
                    frontend.copy_fail(session.out, "COPY FROM STDIN was not asked for here")
        elif self.failure is None:
            try:
                self.take(event)
            except ProtocolError as exc:  # bytes that cannot be: nothing after them can be trusted
                self.failure = session.die(exc)
            except Exception as exc:  # kept, and raised when the exchange has ended
                self.failure = exc


def send(session: Session, reply: Reply, listen: bool = False) -> Operation[None]:
    """Send what is in `session.out`, consuming what comes meanwhile."""
    blocks: list[Block] = [session.out.take()] if session.out.size_bytes else []
    while blocks and session.dead is None:
        blocks = yield Write(blocks, listen)
        reply.consume(session)


def answer(session: Session, reply: Reply) -> Operation[None]:
    """Send what is in `session.out` and read until everything asked has been answered. Failures stay in the reply.

    So does the end of the session, which another thread may have brought about meanwhile.
    """
    while True:
        yield from send(session, reply)
        reply.consume(session)
        if session.dead is not None:
            reply.failure = reply.failure or session.lost()
            return
        if session.answered and not session.out.size_bytes:
            return
        if not session.out.size_bytes and not (yield READ):
            raise session.lost()


def exchange(session: Session, reply: Reply) -> Operation[None]:
    """`answer`, then raise the reply's failure, with the session brought to rest first."""
    yield from answer(session, reply)
    if reply.failure is not None:
        yield from settle(session)
        raise reply.failure


def settle(session: Session, unsent: list[Block] | None = None) -> Operation[None]:
    """Bring the session to rest, throwing away what comes.

    What was begun (`unsent`) is sent to its end, a COPY IN is failed, a Sync is sent where one is due, and everything
    is read up to ReadyForQuery.
    """
    ignored = Reply()
    while unsent and session.dead is None:
        unsent = yield Write(unsent)
        ignored.consume(session)
    if session.dead is not None:
        return
    if session.state is State.COPY_IN:
        yield from give_up_copy(session, "the client gave up")
    elif session.state is State.COPY_BOTH:
        frontend.copy_done(session.out)
    if session.unsynced:
        session.write_sync()
    yield from answer(session, ignored)


def _cannot_give_up() -> OperationalError:
    return OperationalError(
        "protocol 2.0 has no way to give up a COPY, so the connection was closed; nothing of it was kept"
    )


def give_up_copy(session: Session, reason: str) -> Operation[None]:
    """End a COPY FROM STDIN so that it leaves nothing: by CopyFail, or by the end of the session in protocol 2.0."""
    if session.simple_only:
        session.die(_cannot_give_up())
        yield Hangup()
    else:
        frontend.copy_fail(session.out, reason)


def receive(session: Session) -> Operation[Event]:
    """The next event. Raises the server's error, after the session came to rest."""
    while True:
        event = session.next_event()
        if type(event) is ErrorResponse:
            failure: Error = session.error(event)
            yield from settle(session)
            raise failure
        if event is not None:
            return event
        if not (yield READ):
            raise session.lost()
