"""Two-phase commit: a transaction prepared under a name, and ended by whoever knows the name.

Sources: PEP 249, "Optional Two-Phase Commit Extensions"; PostgreSQL docs, "PREPARE TRANSACTION".
"""

from __future__ import annotations

from ...errors import ProgrammingError
from ..session import Session
from .binding import fetch
from .literals import literal
from .simple import command
from .steps import Operation

#: Characters of the longest name the server takes (server: GIDSIZE, with the NUL).
LONGEST_NAME = 199
_PREPARED = """
SELECT gid, prepared, owner::pg_catalog.text, database::pg_catalog.text
FROM pg_catalog.pg_prepared_xacts ORDER BY prepared, gid"""


def _named(name: str) -> str:
    if not 1 <= len(name.encode("utf-8", "replace")) <= LONGEST_NAME:
        raise ProgrammingError(f"the name of a prepared transaction has 1 to {LONGEST_NAME} bytes")
    return literal(name)


def prepare_transaction(session: Session, name: str) -> Operation[None]:
    """Prepare the open transaction; the session is in none afterwards."""
    tag = yield from command(session, f"PREPARE TRANSACTION {_named(name)}")
    if tag == "ROLLBACK":
        raise ProgrammingError("the transaction was rolled back and not prepared, because a statement of it had failed")


def commit_prepared(session: Session, name: str) -> Operation[None]:
    """Commit a prepared transaction, of this session or of another."""
    yield from command(session, f"COMMIT PREPARED {_named(name)}")


def rollback_prepared(session: Session, name: str) -> Operation[None]:
    """Roll a prepared transaction back."""
    yield from command(session, f"ROLLBACK PREPARED {_named(name)}")


def prepared_transactions(session: Session) -> Operation[list[tuple[object, ...]]]:
    """(name, when, whose, in which database) of every transaction that is prepared and not ended."""
    return (yield from fetch(session, _PREPARED))
