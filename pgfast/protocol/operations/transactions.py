"""Transactions: begun when the first statement needs one, and ended by name.

Law of this file: whether a transaction is open is what the server said last, never what the client remembers.
"""

from __future__ import annotations

from ...errors import ProgrammingError
from ...errors.sqlstates import lookup
from ..session import Session
from .literals import identifier
from .simple import command
from .steps import Block, Operation, settle

_IN_FAILED_TRANSACTION = "25P02"


def begin(session: Session) -> Operation[None]:
    """Begin a transaction, with the characteristics that were chosen. Raises ProgrammingError between two phases."""
    if session.between_phases:
        raise ProgrammingError(
            "a transaction of this connection is prepared; nothing can be executed before tpc_commit() or "
            "tpc_rollback()"
        )
    yield from command(session, session.begin_sql)
    session.fresh = True


def begin_anew(session: Session) -> Operation[None]:
    """Roll back a transaction in which nothing but one statement has been tried, and begin it again."""
    yield from command(session, f"ROLLBACK; {session.begin_sql}")
    session.fresh = True


def ensure_begin(session: Session) -> Operation[None]:
    """Begin a transaction where the session is not in autocommit mode and none is open."""
    if not session.autocommit and session.transaction_status == "I":
        yield from begin(session)


def commit(session: Session) -> Operation[None]:
    """Commit the open transaction, if there is one.

    Raises InFailedSqlTransaction where a statement of it had failed: the server then rolls back whatever it is told,
    and that must not pass for a commit.
    """
    if session.transaction_status == "I":
        return
    failed = session.transaction_status == "E"
    tag = yield from command(session, "COMMIT")
    if failed or tag == "ROLLBACK":
        error = lookup(_IN_FAILED_TRANSACTION)(
            "the transaction was rolled back and not committed, because a statement of it had failed"
        )
        error.sqlstate = _IN_FAILED_TRANSACTION
        raise error


def rollback(session: Session) -> Operation[None]:
    """Roll the open transaction back, if there is one."""
    if session.transaction_status != "I":
        yield from command(session, "ROLLBACK")


def savepoint(session: Session, name: str) -> Operation[None]:
    """Set a savepoint."""
    yield from command(session, f"SAVEPOINT {identifier(name)}")


def release(session: Session, name: str) -> Operation[None]:
    """Keep what was done since the savepoint, and forget it."""
    yield from command(session, f"RELEASE SAVEPOINT {identifier(name)}")


def rollback_to(session: Session, name: str) -> Operation[None]:
    """Undo what was done since the savepoint, and forget it."""
    yield from command(session, f"ROLLBACK TO SAVEPOINT {identifier(name)}; RELEASE SAVEPOINT {identifier(name)}")


def recover(session: Session, unsent: list[Block], was_idle: bool) -> Operation[None]:
    """Bring an interrupted session to rest.

    In autocommit mode a transaction that the interrupted operation began (`was_idle`) is rolled back. So is the part of
    one that `session.undo` undoes, where the transaction has not failed.
    """
    yield from settle(session, unsent)
    if session.undo is not None and session.dead is None:
        if session.transaction_status == "T":
            yield from command(session, session.undo)
        session.undo = None
    if session.autocommit and was_idle and session.dead is None:
        yield from rollback(session)
