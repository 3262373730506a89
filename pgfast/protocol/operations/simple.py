"""The simple protocol: one Query with any number of statements, all results in text.

Source: PostgreSQL docs, "Message Flow: Simple Query".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ... import const
from ...codec import Plan, decode_rows
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field, RowDescription
from ..session import Event, Run, Session, State
from .steps import Operation, Reply, exchange


@dataclass(slots=True)
class Result:
    """What one statement gave: its command tag, and columns and rows where it has them (`fields` is None where not)."""

    tag: str = ""
    row_count: int = -1
    fields: tuple[Field, ...] | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class _Results(Reply):
    """A Result for each statement of a Query."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.results: list[Result] = []
        self._session = session
        self._current = Result()
        self._plan: Plan | None = None

    def take(self, event: Event) -> None:
        match event:
            case RowDescription(fields):
                self._current.fields = fields
                self._plan = self._session.registry.row_plan(fields)
            case Run(_, block, start, stop, count):
                assert self._plan is not None, "the session lets DataRow through only after RowDescription"
                self._current.rows += decode_rows(self._plan, block, start, stop, count)
            case CommandComplete(tag):
                self._finish(tag, event.rows)
            case Acknowledgement(const.EMPTY_QUERY_RESPONSE):
                self._finish("", -1)

    def _finish(self, tag: str, rows: int) -> None:
        self._current.tag, self._current.row_count = tag, rows
        self.results.append(self._current)
        self._current = Result()


def query(session: Session, sql: str) -> Operation[list[Result]]:
    """The result of every statement in `sql`.

    Raises the first error; the statements before it may have been executed.
    """
    results = _Results(session)
    frontend.query(session.out, sql)
    session.expect(State.QUERY)
    yield from exchange(session, results)
    return results.results


def command(session: Session, sql: str) -> Operation[str]:
    """The command tag of the last statement in `sql`, whose rows are thrown away."""
    results = yield from query(session, sql)
    return results[-1].tag if results else ""
