"""Prepared statements that the server may refuse, executed within a transaction so that it is not spoilt.

How it works. Statements that give rows come to be doubted where a transaction is rolled back, since whoever gives a
connection back to a pool does that, and where one of them has been refused; each until it has been executed again. A
doubted one that only reads goes behind a savepoint, in the same write. Any other is parsed once more, in the same write
too: rows that are changed or locked in a subtransaction would be marked by that one's number. Neither costs a round
trip, and neither is needed for the first statement of a transaction (see `refusals`).

Source: PostgreSQL docs, "SAVEPOINT"; server: plancache.c, heapam.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ...codec import WriteBuffer
from .. import frontend
from ..plans import StatementPlan
from ..session import Session, State
from .binding import SAVEPOINT, Executions, write_execution
from .simple import Outcome
from .steps import Operation, exchange
from .transactions import rollback_to

#: The savepoint is set, and released, by prepared statements of these names.
_SET: Final = b"_pgfast_set_savepoint"
_RELEASE: Final = b"_pgfast_release_savepoint"


def _messages(*written: Callable[[WriteBuffer], object]) -> bytes:
    buffer = WriteBuffer()
    for write in written:
        write(buffer)
    return bytes(buffer.take())


_PREPARE: Final = _messages(
    lambda out: frontend.parse(out, _SET, f"SAVEPOINT {SAVEPOINT}"),
    lambda out: frontend.parse(out, _RELEASE, f"RELEASE SAVEPOINT {SAVEPOINT}"),
)
_SAVE: Final = _messages(lambda out: frontend.bind(out, _SET), lambda out: out.put_messages(frontend.EXECUTE_ALL))
_RELEASE_AND_SYNC: Final = _messages(
    lambda out: frontend.bind(out, _RELEASE), lambda out: out.put_messages(frontend.EXECUTE_AND_SYNC)
)
#: The answers: those of SAVEPOINT, of the statement, of RELEASE.
_STATEMENT: Final = 1


def take_back(session: Session) -> Operation[None]:
    """Undo the refusal of a statement that stands behind the savepoint."""
    yield from rollback_to(session, SAVEPOINT)


def write_behind_savepoint(session: Session, plan: StatementPlan, values: Sequence[Any]) -> None:
    """Write the execution of a prepared statement that only reads, behind a savepoint. Raises as `write_execution`."""
    out, ready = session.out, session.prepared.savepoint_ready
    out.put_messages(_SAVE if ready else _PREPARE + _SAVE)
    try:
        write_execution(session, plan, values)
    except BaseException:
        out.take()
        raise
    out.put_messages(_RELEASE_AND_SYNC)
    if not ready:
        session.expect(State.PARSE, State.PARSE)
        session.prepared.savepoint_ready = True
    session.expect_executions(3, synced=True)


def answer_behind_savepoint(session: Session, sql: str, plan: StatementPlan) -> Operation[Outcome]:
    """What the statement gives, which is doubted no more. Raises what it has failed with: see `take_back`."""
    reply = Executions(plan)
    yield from exchange(session, reply)
    session.prepared.doubted.discard(sql)
    return reply.answers.tags[_STATEMENT], plan.fields, reply.answers.rows
