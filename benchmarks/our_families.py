"""pgfast with every family of types: one query whose rows are all fetched, one load of a list of rows."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from pgfast import Range

from .case import Case, Cases, Run, Setting
from .families import FAMILIES, Family, Span
from .ours import connect


def ours(value: Any) -> Any:
    """A family's value in pgfast's class."""
    return Range(value.lower, value.upper) if isinstance(value, Span) else value


def fetch(setting: Setting) -> Run:
    """Every row as a tuple."""
    conn = connect(setting)
    return lambda: conn.execute(f"select * from {setting.source}").fetchall()


def load(family: Family, setting: Setting) -> Run:
    """The rows of a list."""
    conn, rows = connect(setting), [tuple(map(ours, row)) for row in family.rows(setting.size)]
    return lambda: conn.load(setting.target, rows)


CASES: Final[Cases] = {
    (client, f"{direction} {name}"): case
    for client in ("pgfast", "pgfast (pure)")
    for name, family in FAMILIES.items()
    for direction, case in (
        ("fetch", Case("execute().fetchall()", fetch)),
        ("load", Case("load() of the list", partial(load, family))),
    )
}
