"""What the text of a query tells: its operation, a summary, itself without literals."""

from __future__ import annotations

import pytest

from pgfast import querytext


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select 1", "SELECT"),
        ("  /* why */ -- and\n SELECT a FROM t", "SELECT t"),
        ("select * from a join s . b on true, (select 1 from c) x", "SELECT a s.b SELECT c"),
        ("insert into orders (a) select b from items", "INSERT orders SELECT items"),
        ("update only t set a = 'from x'", "UPDATE t"),
        ('delete from "Quoted from"."t" where a = 1', 'DELETE "Quoted from"."t"'),
        ("create table if not exists t (a int)", "CREATE t"),
        ("copy t (a) from stdin", "COPY t"),
        ("with c as (select * from a) update b set x = 1", "WITH SELECT a UPDATE b"),
        ("select a from t for no key update", "SELECT t"),
        ("insert into t values (1) on conflict do update set a = 2", "INSERT t"),
        ("begin; commit", "BEGIN COMMIT"),
        ("values (1)", "VALUES"),
        ("", None),
        ("-- nothing", None),
        ("1 + 1", None),
    ],
)
def test_a_summary_has_operations_and_tables(query: str, told: str | None) -> None:
    assert querytext.summary(query) == told


def test_a_summary_is_short() -> None:
    query = "select " + " union select ".join(f"a from table_{at}" for at in range(100))
    assert len(querytext.summary(query) or "") == querytext.MOST_SUMMARY


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select 'it''s', 1.5e-3, .5, 0x1F, 1_000", "select ?, ?, ?, ?, ?"),
        (r"select e'a\'b', U&'x', b'01'", "select ?, ?, ?"),
        ("select $$it's$$, $q$ $$ $q$", "select ?, ?"),
        ('select "a1 2", t1.c2, $1, %s, %(p1)s', 'select "a1 2", t1.c2, $1, %s, %(p1)s'),
        ("select 1 -- secret 7\n, 2 /* and '8' */", "select ?  \n, ?  "),
        ("select 'never ended", "select ?"),
    ],
)
def test_a_sanitized_text_has_no_literals(query: str, told: str) -> None:
    assert " ".join(querytext.sanitized(query).split()) == " ".join(told.split())


@pytest.mark.parametrize(("query", "told"), [("(select 1)", "SELECT"), ("/* x */ vacuum", "VACUUM"), ("'x'", None)])
def test_an_operation_is_the_first_word(query: str, told: str | None) -> None:
    assert querytext.operation(query) == told
