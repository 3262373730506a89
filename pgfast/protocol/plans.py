"""What is decided once for a statement: how its parameters are written and its rows are read.

Law of this file: decisions only. A plan holds for one statement under one set of rules, and is made anew when either is
another; its executions ask nothing more about types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..codec import Plan
from ..types.registry import Rules
from . import frontend
from .backend import Field
from .prepared import Prepared


@dataclass(frozen=True, slots=True, eq=False)
class StatementPlan:
    """A statement ready to be executed.

    `parameters` is None where the values decide how they are written (`Rules.texts`). `head` and `tail` are what stands
    around the values in its Bind. `fields` are the columns as they come, `rows` is how they are read; both None for a
    statement that gives no rows. `open_records` says that a column may hold records of types that only the record
    itself tells.
    """

    statement: Prepared
    rules: Rules
    parameters: Plan | None
    head: bytes
    tail: bytes
    fields: tuple[Field, ...] | None
    rows: Plan | None
    open_records: bool

    def with_texts(self, texts: Sequence[int]) -> StatementPlan:
        """The plan by which these parameters go as text, for the server to read."""
        if not texts:
            return self
        parameters = self.rules.encode_plan(self.statement.type_oids, texts, self.rules.adapts)
        return replace(
            self, parameters=parameters, head=frontend.bind_head(b"", self.statement.name, parameters.formats)
        )

    def for_values(self, params: Sequence[object]) -> tuple[Plan, bytes]:
        """How these values are written, and the head of their Bind."""
        oids = self.statement.type_oids
        texts = self.rules.texts(oids, params)
        parameters = self.rules.encode_plan(oids, texts, self.rules.adapts)
        return parameters, frontend.bind_head(b"", self.statement.name, parameters.formats)


def plan_of(statement: Prepared, rules: Rules) -> StatementPlan:
    """The plan for a statement whose types these rules know."""
    kept = statement.plan
    if kept is not None and kept.rules is rules:
        return kept
    parameters = None if rules.takes_text else rules.encode_plan(statement.type_oids, (), rules.adapts)
    head = b"" if parameters is None else frontend.bind_head(b"", statement.name, parameters.formats)
    formats, fields, rows, open_records = b"", None, None, False
    if statement.fields is not None:
        oids = [field.type_oid for field in statement.fields]
        formats = rules.result_formats(oids)
        fields = statement.formatted(formats)
        rows = rules.row_plan(fields)
        open_records = rules.open_records(oids)
    tail = frontend.bind_tail(formats)
    made = StatementPlan(statement, rules, parameters, head, tail, fields, rows, open_records)
    statement.plan = made
    return made
