"""The simple protocol: one Query with any number of statements, all results in text.

Source: PostgreSQL docs, "Message Flow: Simple Query".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ... import const
from ...codec import Plan, decode_rows
from ...types.registry import PLAIN, Rules
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


#: What one execution gave: its command tag, its columns and its rows.
Outcome: TypeAlias = tuple[str, tuple[Field, ...] | None, list[tuple[Any, ...]]]


@dataclass(slots=True)
class Answers:
    """What many executions of one statement gave: nothing is made for any of them until it is asked for.

    The rows of all of them stand one after the other; those of the one at `index`, whose command tag is `tags[index]`,
    end before `ends[index]`.
    """

    fields: tuple[Field, ...] | None = None
    tags: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, tags: list[str], rows: list[tuple[Any, ...]], ends: list[int]) -> None:
        """Add those of more executions, which are given away."""
        if not self.tags:
            self.tags, self.rows, self.ends = tags, rows, ends
            return
        before = len(self.rows)
        self.tags += tags
        self.rows += rows
        self.ends += [before + end for end in ends] if before else ends


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
