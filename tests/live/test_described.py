"""Statements that are not prepared but were executed before: parsed, described, bound and executed in one write."""

from __future__ import annotations

from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.net import sync as driver


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the synchronous driver has carried out: one entry for each write."""
    seen: list[str] = []
    for name in ("_ask", "_send"):
        real = getattr(driver.Link, name)

        def counted(self: Any, *args: Any, real: Any = real, name: str = name) -> Any:
            seen.append(name)
            return real(self, *args)

        monkeypatch.setattr(driver.Link, name, counted)
    return seen


def test_from_its_second_execution_on_a_statement_is_one_write(dsn: str, writes: list[str]) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        counts = []
        for number in range(9):
            writes.clear()
            assert conn.execute("select %s::int, now() is null", (number,)).fetchone() == (number, False)
            counts.append(len(writes))
        assert counts == [2] + [1] * 8
        (prepared,) = conn.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone() or ()
        assert prepared == 1  # the sixth execution has prepared it
        writes.clear()
        assert conn.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone() == (1,)
        assert len(writes) == 1


def test_a_value_that_does_not_fit_leaves_nothing_behind(auto: Any) -> None:
    auto.types.configure(parameters="strict")
    auto.execute("select %s::int", (1,))
    for _ in range(3):
        with pytest.raises(pgfast.DataError, match="parameter \\$1 .integer."):
            auto.execute("select %s::int", ("x",))
    assert auto.execute("select %s::int", (2,)).fetchone() == (2,)


@pytest.mark.parametrize(
    "change",
    [
        "alter table pg_temp.d add column c text default 'new'",
        "alter table pg_temp.d drop column b",
        "alter table pg_temp.d alter column a type text using 'text ' || a",
        "alter table pg_temp.d alter column b type numeric using b::numeric",
        "alter table pg_temp.d rename column a to z",
    ],
)
def test_columns_that_have_changed_unseen_are_read_as_they_are_now(auto: Any, change: str) -> None:
    auto.execute("create temp table d (a int, b text)")
    auto.execute("insert into d values (1, '2')")
    assert auto.execute("select * from d").fetchall() == [(1, "2")]
    auto.execute(f"do $$ begin {change}; end $$")  # the tag says nothing of it
    found = auto.execute("select * from d")
    expected = auto.execute("select * from d where true", prepare=True)
    assert found.fetchall() == expected.fetchall()
    assert found.description == expected.description
    assert auto.execute("select * from d").fetchall() == auto.execute("table d").fetchall()


def test_a_parameter_is_never_taken_for_another_type_than_it_was_written_for(auto: Any) -> None:
    auto.execute("create temp table p (a int8)")
    auto.execute("insert into p values (%s)", (4607182418800017408,))
    auto.execute("do $$ begin alter table pg_temp.p alter column a type float8; end $$")
    auto.execute("insert into p values (%s)", (2,))  # int8 on the wire: cast by the server, not misread as 1e-323
    assert auto.execute("select a from p order by a").fetchall() == [(2.0,), (4607182418800017408.0,)]
    auto.execute("do $$ begin alter table pg_temp.p alter column a type date using now(); end $$")
    with pytest.raises(errors.Error):  # asked anew it wants a date
        auto.execute("insert into p values (%s)", (3,))
    assert auto.execute("select count(*) from p").fetchone() == (2,)


def test_a_statement_that_fails_while_it_runs_is_not_executed_twice(auto: Any) -> None:
    auto.execute("create temp sequence calls")
    statement = "select 10 / (%s::int - nextval('calls'))"
    assert auto.execute(statement, (11,)).fetchone() == (1,)
    with pytest.raises(errors.DivisionByZero):
        auto.execute(statement, (2,))
    assert auto.execute("select last_value from calls").fetchone() == (2,)


def test_a_statement_that_fails_while_it_runs_stays_described_and_prepared(dsn: str, writes: list[str]) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        for number in range(9):
            writes.clear()
            with pytest.raises(errors.DivisionByZero):
                conn.execute("select 1 / (%s::int - %s)", (number, number))  # fails when it is planned
            assert len(writes) == (2 if not number else 1)
            with pytest.raises(errors.DivisionByZero):
                conn.execute("select 1 / (g - %s) from generate_series(1, %s) g", (2, 3), prepare=False)
        (names,) = conn.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone() or ()
        assert names == 1


def test_what_a_cursor_gives_is_asked_each_time(conn: Any) -> None:
    for declared, expected in (("select 1", (1,)), ("select acldefault('r', 10), 2.5", None), ("select 'x'", ("x",))):
        conn.execute(f"declare c cursor for {declared}")
        found = conn.execute("fetch from c").fetchone()
        assert found == expected if expected else len(found) == 2
        conn.execute("close c")


def test_a_description_does_not_outlive_a_change_of_the_search_path(auto: Any) -> None:
    auto.execute("create schema described_a create table described (x int)")
    auto.execute("create schema described_b create table described (x text)")
    try:
        auto.execute("set search_path = described_a")
        auto.execute("insert into described values (%s)", (1,))
        auto.execute("set search_path = described_b")
        with auto.transaction():
            auto.execute("insert into described values (%s)", ("text",))
            assert auto.execute("select x from described").fetchall() == [("text",)]
    finally:
        auto.execute("drop schema described_a, described_b cascade")


def test_a_changed_statement_is_described_anew_once_it_has_been_named(auto: Any) -> None:
    auto.execute("create temp table n (a int)")
    for number in range(8):
        if number == 5:
            auto.execute("do $$ begin alter table pg_temp.n add column b int; end $$")
        columns = auto.execute("select * from n").description
        assert [column.name for column in columns] == (["a"] if number < 5 else ["a", "b"])


ALTER = "do $$ begin alter table pg_temp.{} alter column a type {} using {}; end $$"


@pytest.mark.parametrize("executed", [1, 8], ids=["described", "prepared"])
def test_a_parameter_of_another_type_than_before_is_written_for_it(auto: Any, executed: int) -> None:
    auto.execute("create temp table q (a int)")
    for number in range(executed):
        auto.execute("insert into q values (%s)", (number,))
    auto.execute(ALTER.format("q", "text", "a::text"))
    auto.execute("insert into q values (%s)", ("word",))
    assert auto.execute("select count(*) from q where a = 'word'").fetchone() == (1,)


@pytest.mark.parametrize("executed", [1, 8], ids=["described", "prepared"])
def test_a_statement_whose_parameters_cannot_be_what_they_were_goes_on(auto: Any, executed: int) -> None:
    auto.execute("create temp table w (a int)")
    statement = "insert into w values (%s) returning a"
    for number in range(executed):
        auto.execute(statement, (number,))
    auto.execute(ALTER.format("w", "jsonb", "to_jsonb(a)"))
    try:
        found = auto.execute(statement, (99,)).fetchall()
    except errors.DatatypeMismatch:
        found = auto.execute(statement, (99,)).fetchall()
    assert found == [(99,)]


def test_columns_of_a_type_that_is_not_known_yet_are_read_at_the_second_try(auto: Any) -> None:
    auto.execute("create temp table u (a int)")
    auto.execute("insert into u values (1)")
    auto.execute("select * from u")
    auto.execute("do $$ begin create type pg_temp.unknown_before as enum ('1'); end $$")
    auto.execute(ALTER.format("u", "pg_temp.unknown_before", "a::text::pg_temp.unknown_before"))
    with pytest.raises(errors.DataError, match="execute it again"):
        auto.execute("select * from u")
    assert auto.execute("select * from u").fetchall() == [("1",)]


def test_a_statement_that_changes_while_it_fails_to_be_read_is_executed_once(auto: Any) -> None:
    auto.execute("create temp table v (a int)")
    auto.execute("insert into v values (1) returning a")
    auto.execute("do $$ begin create type pg_temp.unknown_too as enum ('1'); end $$")
    auto.execute(
        "do $$ begin alter table pg_temp.v alter column a type pg_temp.unknown_too "
        "using a::text::pg_temp.unknown_too; create cast (int as pg_temp.unknown_too) with inout "
        "as assignment; end $$"
    )
    with pytest.raises(errors.DataError, match="it has been executed"):
        auto.execute("insert into v values (1) returning a")
    assert auto.execute("select count(*) from v").fetchone() == (2,)


def test_a_pipeline_goes_on_after_a_statement_has_changed(auto: Any) -> None:
    auto.execute("create temp table y (a int)")
    for _ in range(8):
        auto.execute("select * from y")
    auto.execute("do $$ begin alter table pg_temp.y add column b int; end $$")
    with pytest.raises(errors.FeatureNotSupported), auto.pipeline():
        auto.execute("select * from y")
    with auto.pipeline():
        cursor = auto.execute("select * from y")
    assert len(cursor.description) == 2
