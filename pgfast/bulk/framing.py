"""What is done as a whole: behind a savepoint where a transaction is open, else in a transaction of its own.

Law of this file: whatever ends the body early, the transaction is afterwards as it was before, or the session is dead.
"""

from __future__ import annotations

from typing import Final, TypeVar

from ..protocol.operations import Operation, begin, commit, release, rollback, rollback_to, savepoint
from ..protocol.session import Session

T = TypeVar("T")

_SAVEPOINT: Final = "pgfast_load"


def atomically(session: Session, body: Operation[T], keep: bool = True) -> Operation[T]:
    """What the body gives back, done as a whole; undone again where it is not to be kept. Raises as the body does."""
    if session.transaction_status == "T":
        interrupted = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}"
        yield from savepoint(session, _SAVEPOINT)
        undo, done = rollback_to(session, _SAVEPOINT), release(session, _SAVEPOINT)
    else:
        interrupted = "ROLLBACK"
        yield from begin(session)
        undo, done = rollback(session), commit(session)
    try:
        made = yield from body
    except Exception:
        if session.dead is None:
            yield from undo
        raise
    except BaseException:  # nothing can be asked here any more: whoever brings the session to rest does it
        session.undo = interrupted
        raise
    yield from (done if keep else undo)
    return made
