"""What the server says of a prepared statement that is of no use any more, and what can be done about it.

How it works. Where another session has changed the columns of a prepared statement, the server refuses it ("cached plan
must not change result type") before it executes anything of it, and a transaction is spoilt by that as by any other
error. Outside of a transaction the statement is prepared anew and executed. So it is as the first of a transaction that
the session has begun by itself: nothing has been done or seen in it, so it is begun anew before. For statements that
come later see `doubted`.

Law of this file: a statement is executed again only where the server has refused it before its execution had begun.

Source: PostgreSQL docs, "PREPARE" (Notes); server: plancache.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from ...errors import DatabaseError
from ..session import Session, State
from .steps import Operation
from .transactions import begin_anew

T = TypeVar("T")
#: Brings a session that a refusal has spoilt back to where it was before the statement.
WayBack: TypeAlias = Callable[[Session], Operation[None]]

#: SQLSTATEs that say that a prepared statement is of no use any more: it is gone, or its result type has changed.
_INVALID_STATEMENT: Final = "26000"
_FEATURE_NOT_SUPPORTED: Final = "0A000"
#: Where the server raises 0A000 for a changed result type; its text is translated, this is not (server: plancache.c).
_REVALIDATE: Final = "RevalidateCachedQuery"
#: SQLSTATEs, or classes of them, with which the server refuses a statement that was written by a description that does
#: not hold any more: names and types (42), another number of columns, a value of another width.
_OUT_OF_DATE: Final = ("42", "08P01", "22P03")
#: How often a statement is tried again: prepared anew, and then not prepared.
_RETRIES: Final = 2


def is_stale(session: Session, exc: DatabaseError) -> bool:
    """Whether the server has just said that the prepared statement is gone, or has other columns now.

    What a function that it calls says of a statement of its own is another matter.
    """
    if session.failed_in in (State.EXECUTE, State.EXECUTE_SOME):
        return False
    return exc.sqlstate == _INVALID_STATEMENT or has_other_columns(exc)


def has_other_columns(exc: DatabaseError) -> bool:
    """Whether the server says of a prepared statement that its columns have changed."""
    return exc.sqlstate == _FEATURE_NOT_SUPPORTED and exc.diag.source_function == _REVALIDATE


def is_out_of_date(exc: DatabaseError) -> bool:
    """Whether a statement may have failed because its description does not hold any more."""
    return (exc.sqlstate or "").startswith(_OUT_OF_DATE)


def way_back(session: Session) -> WayBack | None:
    """What makes a refusal of the statement that is executed now undone; None where nothing can."""
    if session.transaction_status == "I":
        return _stay
    return begin_anew if session.fresh else None


def _stay(session: Session) -> Operation[None]:
    """Nothing has been spoilt."""
    yield from ()


def goes_back(session: Session, back: WayBack | None, exc: DatabaseError) -> Operation[bool]:
    """Go back after a refusal; whether that could be done, and the statement may be executed again.

    A transaction is given up for changed columns alone.
    """
    if back is None or session.dead is not None or not (back is _stay or has_other_columns(exc)):
        return False
    yield from back(session)
    return True


def unless_stale(session: Session, sql: str, run: Callable[[], Operation[T]]) -> Operation[T]:
    """What an execution of this statement gives, again where the server has dropped the prepared statement, or its
    columns have changed, and there is a way back."""
    for _ in range(_RETRIES):
        back = way_back(session)
        try:
            return (yield from run())
        except DatabaseError as exc:
            if session.prepared.find(sql) is None or not is_stale(session, exc):
                raise
            session.prepared.drop_stale(sql)
            if not (yield from goes_back(session, back, exc)):
                raise
    return (yield from run())
