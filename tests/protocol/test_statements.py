"""Queries read as text: statements counted, placeholders numbered, everything in quotes left alone."""

from __future__ import annotations

from typing import Any

import pytest

from pgfast.errors import ProgrammingError
from pgfast.protocol import statements


@pytest.mark.parametrize(
    ("sql", "converted", "count"),
    [
        ("select %s, %s", "select $1, $2", 2),
        ("select %s %% 3", "select $1 % 3", 1),
        ("select '%%', %s", "select '%', $1", 1),
        ("select 'a''%%b'", "select 'a''%b'", 0),
        ("select $1, $2, $1", "select $1, $2, $1", 2),
        ("select $3", "select $3", 3),
        ("select $1 % 3, '%s', a%b", "select $1 % 3, '%s', a%b", 1),
        ("select $1::text || '$2' || $tag$ $3 $tag$ -- $4\n || /* $5 /* */ $6 */ \"$7\"", None, 1),
        ("select a$1 from t where b = $1", None, 1),
        ("select E'\\'$2', $1", None, 1),
        ("select e'\\\\', $1", None, 1),
        ("select $$ %s $$ || $1", None, 1),
    ],
)
def test_placeholders_are_numbered(sql: str, converted: str | None, count: int) -> None:
    query = statements.with_parameters(sql)
    assert query.sql == (sql if converted is None else converted)
    assert query.count == count


def test_a_name_used_twice_is_one_parameter() -> None:
    query = statements.with_parameters("select %(a)s, %(b c)s, %(a)s")
    assert query.sql == "select $1, $2, $1"
    assert query.arrange({"b c": 2, "a": 1, "unused": 0}) == [1, 2]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select %s, %(a)s", ["mixes %s and %(name)s", "character 12"]),
        ("select %(a)s, %s", ["mixes %s and %(name)s", "character 15"]),
        ("select $1, %s", ["mixes $1 and %s", "character 12"]),
        ("select '%s'", ["inside a quoted string", "character 9"]),
        ("select 1 -- %s", ["inside a quoted string or a comment"]),
        ("select 5 % 2", ["'% '", "character 10", "%%"]),
        ("select %d", ["'%d'"]),
        ("select 100%", ["'%'"]),
        ("select %()s", ["has no name"]),
        ("select $0", ["$0"]),
        ("select $70000", ["65535"]),
    ],
)
def test_placeholders_that_make_no_sense_are_refused(sql: str, words: list[str]) -> None:
    with pytest.raises(ProgrammingError) as caught:
        statements.with_parameters(sql)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("select %s", (), ["1 placeholders, 0 parameters"]),
        ("select %s", (1, 2), ["1 placeholders, 2 parameters"]),
        ("select 1", (1,), ["0 placeholders, 1 parameters"]),
        ("select %(a)s, %(b)s", {"a": 1}, ["missing: b"]),
        ("select %(a)s", (1,), ["a mapping is needed, not tuple"]),
        ("select %s", {"a": 1}, ["no %(name)s placeholders"]),
        ("select %s", "x", ["not str", "(value,)"]),
        ("select %s", b"x", ["not bytes"]),
        ("select %s", 5, ["not int"]),
        ("select %s", {1}, ["not set"]),
    ],
)
def test_parameters_that_do_not_go_with_the_query_are_refused(sql: str, params: Any, words: list[str]) -> None:
    with pytest.raises(ProgrammingError) as caught:
        statements.with_parameters(sql).arrange(params)
    for word in words:
        assert word in str(caught.value)


def test_an_empty_mapping_or_sequence_goes_with_a_query_without_placeholders() -> None:
    query = statements.with_parameters("select 100 %% 7")
    assert query.sql == "select 100 % 7"
    assert list(query.arrange({})) == list(query.arrange([])) == []


@pytest.mark.parametrize(
    ("sql", "several"),
    [
        ("", False),
        (" ; ; ", False),
        ("select 1", False),
        ("select 1;", False),
        ("select 1; -- the end;\n/* really; */ ;", False),
        ("select 1; select 2", True),
        (";select 1; select 2", True),
        ("select ';'; ", False),
        ('select ";"', False),
        ("select $a$;$a$", False),
        ("select $a$;$b$;$a$", False),
        ("select $$;$$; select 1", True),
        ("select e'\\';'", False),
        ("select '\\'; select '", True),
        ("/* ; /* ; */ ; */ select 1", False),
        ("-- ; \nselect 1", False),
        ("select 'never closed; select 2", False),
        ("/* never closed; select 2", False),
        ("select 1 /* never closed; select 2", False),
    ],
)
def test_statements_are_counted(sql: str, several: bool) -> None:
    assert statements.plain(sql).several is several


def test_a_backslash_escapes_where_standard_strings_are_off() -> None:
    sql = "select '\\'; select '"
    assert statements.plain(sql, standard_strings=True).several
    assert not statements.plain(sql, standard_strings=False).several


@pytest.mark.parametrize(
    ("sql", "copies"),
    [
        ("copy t from stdin", True),
        (" -- hello\n /* there */ COPY t to stdout", True),
        ("select copy from t", False),
        ("copying", False),
        ('"copy"', False),
    ],
)
def test_copy_is_known_by_its_first_word(sql: str, copies: bool) -> None:
    assert statements.plain(sql).copies is copies


def test_literals_take_the_place_of_parameters_and_of_nothing_else() -> None:
    query = statements.with_parameters("copy (select $1, '$1', $2, \"$1\" -- $2\n) to stdout")
    assert query.with_literals(["'a'", "NULL"]) == "copy (select  'a' , '$1',  NULL , \"$1\" -- $2\n) to stdout"


def test_a_long_query_is_read_in_linear_time_and_not_kept() -> None:
    sql = "insert into t values " + ", ".join(f"({number}, 'row; {number}')" for number in range(20000))
    kept = statements._kept_scan.cache_info().currsize
    assert not statements.plain(sql).several
    assert statements._kept_scan.cache_info().currsize == kept


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select * from t where a = $1", True),
        ("/* delete */ VALUES (1)", True),
        ("with x as (select 'for update') table x", True),
        ("select * from t for update", False),
        ("select * from t for no key update", False),
        ("select * from t for key share", False),
        ("with x as (delete from t returning a) select a from x", False),
        ("select a into u from t", False),
        ("select pg_catalog.set_config('x.y', 'z', true)", False),
        ("select nextval('s')", False),
        ("insert into t values (1) returning a", False),
        ("show work_mem", False),
        ("", False),
        ("select " + "1 + " * 10_000 + "1", False),
    ],
)
def test_what_only_reads(sql: str, found: bool) -> None:
    assert statements.only_reads(sql) is found
