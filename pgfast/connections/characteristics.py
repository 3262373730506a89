"""How a connection's transactions begin: isolation level, read only or not, deferrable or not.

Source: PostgreSQL docs, "SET TRANSACTION". What is not chosen is left to the server's default_transaction_* settings.
"""

from __future__ import annotations

import enum
from typing import Final

from ..errors import ProgrammingError
from ..protocol.session import Session


class IsolationLevel(enum.IntEnum):
    """The isolation levels; the numbers are psycopg's."""

    READ_UNCOMMITTED = 1
    READ_COMMITTED = 2
    REPEATABLE_READ = 3
    SERIALIZABLE = 4


class Characteristics:
    """What was chosen for a session's transactions; each None where nothing was."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.isolation_level: IsolationLevel | None = None
        self.read_only: bool | None = None
        self.deferrable: bool | None = None

    def choose(self, name: str, value: IsolationLevel | int | bool | None) -> None:
        """Choose one by its name, for the transactions from now on.

        Raises ProgrammingError for a level that is none, and while a transaction is open.
        """
        if self._session.transaction_status != "I" or self._session.between_phases:
            raise ProgrammingError(f"{name} cannot be changed while a transaction is open; commit or roll back first")
        setattr(self, name, _level(value) if name == "isolation_level" else None if value is None else bool(value))
        self._session.begin_sql = " ".join(["BEGIN", *self._words()])

    def _words(self) -> list[str]:
        words = []
        if self.isolation_level is not None:
            words.append(f"ISOLATION LEVEL {self.isolation_level.name.replace('_', ' ')}")
        if self.read_only is not None:
            words.append("READ ONLY" if self.read_only else "READ WRITE")
        if self.deferrable is not None:
            words.append("DEFERRABLE" if self.deferrable else "NOT DEFERRABLE")
        return words


_LEVELS: Final = ", ".join(level.name for level in IsolationLevel)


def _level(value: object) -> IsolationLevel | None:
    if value is None:
        return None
    try:
        return IsolationLevel(value)  # type: ignore[arg-type]
    except ValueError as exc:
        raise ProgrammingError(f"isolation_level is an IsolationLevel ({_LEVELS}) or None, not {value!r}") from exc
