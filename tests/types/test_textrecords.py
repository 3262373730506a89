"""Composite values and records in text form: the server's grammar, and its own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgfast
from pgfast.embedded import EmbeddedServer
from pgfast.types.text import parse_int
from pgfast.types.textrecords import parse_record, render_record, split_record

from .wires import sent

TEXTS: Final = st.none() | st.text(alphabet="ab,\"\\() \té'", max_size=6)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(1,two)", ["1", "two"]),
        ('(,"")', [None, ""]),
        ("()", [None]),
        ("(,,)", [None, None, None]),
        (' ( a ,"b"" c\\",\\)") ', [" a ", 'b" c",)']),
        ('(a"b,c"d,\\,)', ["ab,cd", ","]),
        ('("(1,""x y"")",)', ['(1,"x y")', None]),
        ("(()", ["("]),
    ],
)
def test_a_record_is_split_into_its_attributes(text: str, values: list[str | None]) -> None:
    assert split_record(text) == values


def test_a_record_is_read_by_its_attributes() -> None:
    assert parse_record("(1,a b,)", [parse_int, str, parse_int]) == (1, "a b", None)
    assert parse_record("()", []) == ()
    assert parse_record("()", [parse_int]) == (None,)
    with pytest.raises(ValueError, match="it has 2 attributes instead of 1"):
        parse_record("(1,2)", [parse_int])
    with pytest.raises(ValueError, match="not a whole number"):
        parse_record("(x)", [parse_int])


@pytest.mark.parametrize("text", ["", "1,2", "(1,2", "1,2)", "(1,2)x", '("a)', "(a\\", "(1))", '(a"b)'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a record"):
        split_record(text)


def test_quotes_without_end_are_refused_at_once() -> None:
    for text in ("(" + '"' * 50_001, '("' + '""' * 50_000 + ","):
        with pytest.raises(ValueError, match="not a record"):
            split_record(text)


def test_a_record_is_written_by_its_attributes() -> None:
    assert render_record((1, "a b", None, ""), [str, str, str, str]) == '(1,"a b",,"")'
    assert render_record((), []) == "()"
    assert render_record((1, 2), [lambda _: None, str]) == "(,2)"
    with pytest.raises(ValueError, match="a record of 1 attributes is wanted, and this has 2"):
        render_record((1, 2), [str])


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_record_is_read_as_it_was_written(values: list[str | None]) -> None:
    functions = [str] * len(values)
    assert parse_record(render_record(values, functions), functions) == tuple(values)


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Iterator[pgfast.Connection]:
    with pgfast.connect(server.dsn) as made:
        made.set_autocommit(True)
        made.execute("drop type if exists pair_of_texts, no_attributes")
        made.execute("create type pair_of_texts as (a text, b text)")
        made.execute("create type no_attributes as ()")
        yield made


def test_records_are_read_and_written_as_the_server_does(connection: pgfast.Connection) -> None:
    texts = [
        "(,)",
        '("","")',
        '(a b,"c""d")',
        "(\\\\,\\,)",
        "('{[,\t)",
        '("(1,""x y"")",é)',
        '(" ", a)',
        '("\n",a"b"c)',
    ]
    values = sent(connection, "pair_of_texts", texts)
    read = [parse_record(one.text, [str, str]) for one in values]
    assert read == [parse_record(text, [str, str]) for text in texts]
    assert [render_record(one, [str, str]) for one in read] == [one.text for one in values]
    (nothing,) = sent(connection, "no_attributes", ["()"])
    assert render_record(parse_record(nothing.text, []), []) == nothing.text
