"""The simple protocol: one Query with any number of statements, all results in text.

Source: PostgreSQL docs, "Message Flow: Simple Query".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from ... import const
from ...codec import Plan, decode_rows
from ...types.registry import PLAIN, Rules
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field, RowDescription, rows_of
from ..session import Event, Run, Session, State
from .steps import Operation, Reply, exchange


@dataclass(slots=True)
class Result:
    """What one statement gave: its command tag, and columns and rows where it has them (`fields` is None where not)."""

    tag: str = ""
    row_count: int = -1
    fields: tuple[Field, ...] | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class ResultList(Sequence[Result]):
    """The results of many executions of one statement, each made when it is asked for."""

    def __init__(self, done: Sequence[tuple[str, list[tuple[Any, ...]]]], fields: tuple[Field, ...] | None) -> None:
        self._done = done
        self._fields = fields

    def __len__(self) -> int:
        return len(self._done)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> ResultList: ...
    def __getitem__(self, index: int | slice) -> Result | ResultList:
        if isinstance(index, slice):
            return ResultList(self._done[index], self._fields)
        tag, rows = self._done[index]
        return Result(tag, rows_of(tag), self._fields, rows)


class Results(Reply):
    """A Result for each statement of a Query.

    `type_oids` are the types of all columns, `unknown` those that are not known: their values are left as they came.
    """

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.results: list[Result] = []
        self.type_oids: set[int] = set()
        self.unknown: set[int] = set()
        self._rules = rules
        self._current = Result()
        self._plan: Plan | None = None

    def take(self, event: Event) -> None:
        match event:
            case RowDescription(fields):
                self._current.fields = fields
                oids = [field.type_oid for field in fields]
                self.type_oids.update(oids)
                self.unknown.update(self._rules.unknown(oids))
                self._plan = self._rules.row_plan(fields)
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


def run_query(session: Session, sql: str, results: Results) -> Operation[None]:
    """Gather the results of every statement in `sql`.

    Raises the first error; the statements before it may have been executed.
    """
    frontend.query(session.out, sql)
    session.expect(State.QUERY)
    yield from exchange(session, results)


def command(session: Session, sql: str) -> Operation[str]:
    """The command tag of the last statement in `sql`, whose rows are thrown away."""
    found = Results(PLAIN.rules)
    yield from run_query(session, sql, found)
    return found.results[-1].tag if found.results else ""
