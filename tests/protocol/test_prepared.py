"""Which statements are prepared, kept and dropped."""

from __future__ import annotations

from pgfast.protocol.backend import Field
from pgfast.protocol.prepared import Prepared, PreparedStatements


def execute(statements: PreparedStatements, sql: str, prepare: bool | None = None) -> bytes:
    """What an execution does with the book: the name it uses."""
    found = statements.find(sql)
    if found is not None:
        return found.name
    name = statements.name_for(sql, prepare)
    if name:
        statements.keep(sql, Prepared(name, (), None))
    return name


def test_a_statement_is_prepared_once_it_was_executed_threshold_times() -> None:
    statements = PreparedStatements(threshold=2)
    assert [execute(statements, "a") for _ in range(4)] == [b"", b"", b"_pgfast_1", b"_pgfast_1"]


def test_threshold_zero_prepares_at_once_and_none_never() -> None:
    assert execute(PreparedStatements(threshold=0), "a") == b"_pgfast_1"
    never = PreparedStatements(threshold=None)
    assert [execute(never, "a", prepare=True) for _ in range(9)] == [b""] * 9


def test_prepare_overrules_the_threshold() -> None:
    statements = PreparedStatements(threshold=5)
    assert execute(statements, "a", prepare=True) == b"_pgfast_1"
    eager = PreparedStatements(threshold=0)
    assert execute(eager, "a", prepare=False) == b""


def test_the_least_recently_used_statement_is_dropped_beyond_the_maximum() -> None:
    statements = PreparedStatements(threshold=0, maximum=2)
    for sql in ("a", "b", "a", "c"):
        execute(statements, sql)
    assert statements.find("b") is None
    assert statements.find("a") is not None
    assert statements.take_dropped() == [b"_pgfast_2"]
    assert statements.take_dropped() == []


def test_counting_needs_bounded_memory() -> None:
    statements = PreparedStatements(threshold=5, maximum=3)
    for number in range(100):
        execute(statements, f"select {number}")
    assert len(statements._counts) <= 3


def test_a_dropped_statement_is_closed_and_a_forgotten_one_is_not() -> None:
    statements = PreparedStatements(threshold=0)
    execute(statements, "a")
    statements.drop("a")
    statements.drop("never there")
    assert statements.take_dropped() == [b"_pgfast_1"]
    execute(statements, "b")
    statements.forget()
    assert statements.take_dropped() == []
    assert statements.find("b") is None


def test_columns_take_the_formats_they_were_asked_for_in() -> None:
    fields = (Field("a", 0, 0, 23, 4, -1, 0), Field("b", 0, 0, 600, 16, -1, 0))
    statement = Prepared(b"", (), fields)
    assert [field.format for field in statement.formatted(b"\0\1\0\0")] == [1, 0]
    assert [field.format for field in statement.formatted(b"\0\0\0\0")] == [0, 0]
    assert statement.formatted(b"\0\1\0\0") is statement.formatted(b"\0\1\0\0")
