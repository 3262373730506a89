"""Which statements are prepared, kept and dropped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pgfast.protocol.backend import Field
from pgfast.protocol.prepared import Prepared, PreparedStatements, Ready


def numbered(names: list[bytes]) -> list[bytes]:
    """The names without the session's mark."""
    return [re.sub(rb"^_pgfast_[0-9a-f]{12}_", b"", name) for name in names]


def execute(statements: PreparedStatements, sql: str, prepare: bool | None = None) -> bytes:
    """What an execution does with the book: the name it uses, without the session's mark."""
    found = statements.find(sql)
    if found is not None:
        return numbered([found.name])[0]
    name = statements.name_for(sql, prepare)
    if name:
        statements.keep(sql, Prepared(name, (), None))
    return numbered([name])[0]


def test_a_statement_is_prepared_once_it_was_executed_threshold_times() -> None:
    statements = PreparedStatements(threshold=2)
    assert [execute(statements, "a") for _ in range(4)] == [b"", b"", b"1", b"1"]


def test_threshold_zero_prepares_at_once_and_none_never() -> None:
    assert execute(PreparedStatements(threshold=0), "a") == b"1"
    never = PreparedStatements(threshold=None)
    assert [execute(never, "a", prepare=True) for _ in range(9)] == [b""] * 9


def test_prepare_overrules_the_threshold() -> None:
    statements = PreparedStatements(threshold=5)
    assert execute(statements, "a", prepare=True) == b"1"
    eager = PreparedStatements(threshold=0)
    assert execute(eager, "a", prepare=False) == b""


def test_the_least_recently_used_statement_is_dropped_beyond_the_maximum() -> None:
    statements = PreparedStatements(threshold=0, maximum=2)
    for sql in ("a", "b", "a", "c"):
        execute(statements, sql)
    assert statements.find("b") is None
    assert statements.find("a") is not None
    assert numbered(statements.take_dropped()) == [b"2"]
    assert statements.take_dropped() == []


def test_no_two_sessions_use_the_same_names() -> None:
    names = {PreparedStatements(threshold=0).name_for("a", None) for _ in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) < 64  # NAMEDATALEN


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
    assert numbered(statements.take_dropped()) == [b"1"]
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


def test_what_is_ready_goes_when_a_statement_comes_or_goes() -> None:
    def made() -> PreparedStatements:
        statements = PreparedStatements(threshold=0, maximum=2)
        execute(statements, "a")
        plan: Any = None
        statements.ready["a"] = statements.plain["a"] = Ready("a", 0, plan)
        statements.find("a")
        return statements

    changes: list[Callable[[PreparedStatements], Any]] = [
        lambda statements: execute(statements, "b"),
        lambda statements: statements.drop("a"),
        lambda statements: statements.forget(),
        lambda statements: statements.forget_ready(),
    ]
    for change in changes:
        statements = made()
        assert (statements.latest, len(statements.ready), len(statements.plain)) == ("a", 1, 1)
        change(statements)
        assert (statements.latest, statements.ready, statements.plain) == ("", {}, {})


def test_a_statement_that_is_stale_twice_is_prepared_no_more() -> None:
    statements = PreparedStatements(0)
    for _ in range(2):
        assert statements.name_for("select 1", None)
        statements.drop_stale("select 1")
    assert statements.name_for("select 1", None) == statements.name_for("select 1", True) == b""
    assert statements.name_for("select 2", None)


def test_a_shared_server_changes_the_automatic_threshold_alone() -> None:
    automatic, chosen = PreparedStatements(), PreparedStatements(3)
    before = automatic.threshold
    for statements in (automatic, chosen):
        statements.heed_sharing()
    assert (before, automatic.threshold, chosen.threshold) == (5, None, 3)


def test_only_statements_that_give_rows_come_to_be_doubted() -> None:
    statements = PreparedStatements(threshold=0)
    for sql, fields in (("rows", ()), ("none", None), ("more", ())):
        statements.keep(sql, Prepared(statements.name_for(sql, None), (), fields))
    assert statements.doubted == set()
    statements.doubt()
    assert statements.doubted == {"rows", "more"}
    statements.drop("rows")
    assert statements.doubted == {"more"}
    statements.forget()
    assert statements.doubted == set()


def test_a_statement_that_is_set_aside_is_prepared_by_its_next_execution() -> None:
    statements = PreparedStatements(threshold=2)
    assert [execute(statements, "a") for _ in range(3)] == [b"", b"", b"1"]
    statements.set_aside("a")
    assert numbered(statements.take_dropped()) == [b"1"]
    assert statements.described("a") == Prepared(b"", (), None)
    assert execute(statements, "a") == b"2"


def test_a_refused_statement_has_the_others_doubted() -> None:
    statements = PreparedStatements(threshold=0)
    for sql in ("a", "b"):
        statements.keep(sql, Prepared(statements.name_for(sql, None), (), ()))
    statements.drop_stale("a")
    assert statements.doubted == {"b"}
