"""Tables that a load over several connections fills first, and what becomes of them when it dies.

Law of this file: such a table says by its comment what it is, and its load holds an advisory lock on its name for as
long as it lives; the lock is taken before anybody can see the table, and the server lets it go when the client is gone.
Only a table that says so, of which nobody has the lock and which nobody is using, is thrown away, by the next load into
the same target. Behind a pooler that shares server connections there is no such lock; a table that is left there says
that it is to be dropped by hand.

Sources: docs, "Advisory Locks", LOCK.
"""

from __future__ import annotations

import secrets
from typing import Final

from ..errors import DatabaseError
from ..protocol.operations import Operation, command, fetch, release, rollback_to, savepoint
from ..protocol.operations.literals import literal
from ..protocol.session import Session
from ..types.discovery import qualified
from .ledger import lock_key
from .replacing import beside
from .target import Target

_SAVEPOINT: Final = "pgfast_leftover"
_LEFT: Final = qualified("""
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.oid <> t.oid
WHERE t.oid = pg_catalog.to_regclass($1) AND c.relkind = 'r'
    AND pg_catalog.obj_description(c.oid, 'pg_class') = $2 AND pg_catalog.pg_has_role(c.relowner, 'USAGE')""")
_COMMENT: Final = "SELECT pg_catalog.obj_description(pg_catalog.to_regclass($1), 'pg_class')"
_TRY_LOCK: Final = "SELECT pg_catalog.pg_try_advisory_xact_lock($1)"
_LOCK: Final = "SELECT pg_catalog.pg_advisory_lock($1)"
_UNLOCK: Final = "SELECT pg_catalog.pg_advisory_unlock($1)"
#: In use; gone meanwhile; something of the user's depends on it; not ours to drop.
_LEFT_ALONE: Final = frozenset(("55P03", "42P01", "2BP01", "42501"))


def own_table(session: Session, target: Target) -> Operation[Target]:
    """The name of a table for this load alone, as the target of a load: the session holds its lock until it ends.

    A session that a pooler shares out cannot: the lock would be the next client's.
    """
    into = beside(target, f"load_{secrets.token_hex(4)}")
    if not session.shared:
        yield from fetch(session, _LOCK, (lock_key(into.sql),), (object,))
    return into


def disown(session: Session, into: Target) -> Operation[None]:
    """Let go the lock of the load's table, which is that no more: a pooler may keep the session for the next client."""
    if not session.shared:
        yield from fetch(session, _UNLOCK, (lock_key(into.sql),), (bool,))


def mark(session: Session, target: Target, into: Target) -> Operation[None]:
    """Say of the load's table, which the open transaction has made, what it is."""
    text = _unguarded(target) if session.shared else _comment(target)
    yield from command(session, f"COMMENT ON TABLE {into.sql} IS {literal(text)}")


def unmark(session: Session, target: Target, into: Target) -> Operation[None]:
    """Give the load's table, which is to take the target's place, the target's comment."""
    ((said,),) = yield from fetch(session, _COMMENT, (target.sql,), ((str, type(None)),))
    text = "NULL" if said is None else literal(said)
    yield from command(session, f"COMMENT ON TABLE {into.sql} IS {text}")


def clear_leftovers(session: Session, target: Target) -> Operation[None]:
    """Throw away what dead loads into this target have left, in the open transaction."""
    for (sql,) in (yield from fetch(session, _LEFT, (target.sql, _comment(target)), (str,))):
        ((free,),) = yield from fetch(session, _TRY_LOCK, (lock_key(sql),), (bool,))
        if not free:
            continue
        yield from savepoint(session, _SAVEPOINT)
        try:
            yield from command(session, f"LOCK TABLE {sql} IN ACCESS EXCLUSIVE MODE NOWAIT")
            yield from command(session, f"DROP TABLE {sql}")
        except DatabaseError as exc:
            if session.dead is not None or exc.sqlstate not in _LEFT_ALONE:
                raise
            yield from rollback_to(session, _SAVEPOINT)
        else:
            yield from release(session, _SAVEPOINT)


def _comment(target: Target) -> str:
    return f"pgfast: rows on their way into {target.sql}; when no load is under way the next one drops this table"


def _unguarded(target: Target) -> str:
    return f"pgfast: rows on their way into {target.sql} through a pooler; drop this table when no load is under way"
