"""One moment's state for several connections: a snapshot that one of them exports and the others take.

Law of this file: the others see what the first one sees and read it as it would: its snapshot, its role, and what was
set in its session.

Sources: PostgreSQL docs, "Snapshot Synchronization Functions", SET TRANSACTION, LOCK; pg_dump takes its locks the same
way: those who come second do not wait, since whoever waits for the table would wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..protocol.operations import Operation, command, fetch
from ..protocol.session import Session
from ..types.discovery import qualified

BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_SETTINGS: Final = qualified("""
SELECT name, setting FROM pg_catalog.pg_settings
WHERE source = 'session' AND context = ANY (ARRAY['user', 'superuser'])
  AND pg_catalog.strpos(name, 'transaction_') <> 1
UNION ALL
SELECT 'session_authorization', SESSION_USER::pg_catalog.text
UNION ALL
SELECT 'role', pg_catalog.current_setting('role')""")
_SET: Final = qualified("""
SELECT pg_catalog.set_config(name, setting, false)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
  AS s (name, setting)
WHERE NOT (name = 'session_authorization' AND setting = SESSION_USER::pg_catalog.text)
  AND NOT (name = 'role' AND setting = 'none')""")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the others take over: the snapshot's name, and the settings of the session."""

    name: str
    settings: tuple[tuple[str, str], ...]


def export_snapshot(session: Session) -> Operation[Snapshot]:
    """The snapshot of the open transaction, good until it ends."""
    settings = yield from fetch(session, _SETTINGS, classes=(str, str))
    rows = yield from fetch(session, "SELECT pg_catalog.pg_export_snapshot()", classes=(str,), count=1)
    return Snapshot(rows[0][0], tuple([(name, setting) for name, setting in settings]))


def take_snapshot(session: Session, snapshot: Snapshot, locks: list[str]) -> Operation[None]:
    """Begin a transaction that sees the snapshot, with the same settings, and lock what it reads."""
    names, settings = [list(part) for part in zip(*snapshot.settings, strict=True)]
    yield from fetch(session, _SET, (names, settings))
    yield from command(session, BEGIN)
    name = snapshot.name.replace("'", "''")
    yield from command(session, f"SET TRANSACTION SNAPSHOT '{name}'")
    for lock in locks:
        yield from command(session, lock)
