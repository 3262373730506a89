"""The fast path: one call of a function by its OID, arguments and result in binary.

Source: PostgreSQL docs, "Message Flow: Function Call", which prepared statements have made obsolete; large objects and
protocol 2.0 are where it is still met.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ProgrammingError
from .. import frontend
from ..backend import FunctionCallResponse
from ..session import Event, Session, State
from .steps import Operation, Reply, exchange
from .transactions import ensure_begin


class _Value(Reply):
    """The result of the call."""

    def __init__(self) -> None:
        super().__init__()
        self.value: bytes | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, FunctionCallResponse):
            self.value = event.value


def call_function(session: Session, oid: int, arguments: Sequence[bytes | None]) -> Operation[bytes | None]:
    """What the function with this OID gives, as the binary form of its type; None for NULL.

    Raises ProgrammingError for arguments that are no bytes, and the server's error.
    """
    for number, argument in enumerate(arguments, 1):
        if argument is not None and not isinstance(argument, bytes):
            raise ProgrammingError(f"argument {number} of a function is bytes or None, not {type(argument).__name__}")
    yield from ensure_begin(session)
    frontend.function_call(session.out, oid, arguments)
    session.expect(State.FUNCTION)
    reply = _Value()
    yield from exchange(session, reply)
    return reply.value
