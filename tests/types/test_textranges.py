"""Ranges and multiranges in text form: the server's grammar, and its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgfast
from pgfast.embedded import EmbeddedServer
from pgfast.types.text import parse_int
from pgfast.types.textranges import parse_multirange, parse_range, render_multirange, render_range
from pgfast.values import Multirange, Range

from .wires import sent

BOUNDS: Final = st.text(alphabet="ab,\"\\()[]{} \té'", max_size=6)
RANGES: Final = st.builds(
    Range, st.none() | BOUNDS, st.none() | BOUNDS, st.sampled_from(["[)", "[]", "()", "(]"]), st.booleans()
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,10)", Range(1, 10)),
        (" ( 1 , 10 ] ", Range(1, 10, "(]")),
        ("empty", Range(empty=True)),
        (" EMPTY\t", Range(empty=True)),
        ("[,5]", Range(None, 5, "(]")),
        ("(,)", Range(None, None, "()")),
        ('["1",\\5]', Range(1, 5, "[]")),
        ('["1"0,2"0")', Range(10, 20)),
    ],
)
def test_a_range_is_read(text: str, value: Range[int]) -> None:
    assert parse_range(text, parse_int) == value


def test_bounds_are_what_stands_between_the_marks() -> None:
    assert parse_range('[ a ,"b"" ,\\"c")', str) == Range(" a ", 'b" ,"c')
    assert parse_range('["",\\,]', str) == Range("", ",", "[]")
    assert parse_range('[a"b,c"d,e)', str) == Range("ab,cd", "e")
    assert parse_range("[(,[)", str) == Range("(", "[")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2",
        "[1,2",
        "1,2]",
        "[1]",
        "[1,2,3]",
        "[1,2] x",
        'x["1,2]',
        "[1,2\\",
        "emptyx",
        "[]",
        "e",
        '["a,b)',
        "[a)b,c]",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a range"):
        parse_range(text, str)


def test_a_multirange_is_read() -> None:
    assert parse_multirange("{}", parse_int) == parse_multirange(" { } ", parse_int) == Multirange()
    assert parse_multirange("{[1,2), [3,4] ,(5,)}", parse_int) == Multirange(
        [Range(1, 2), Range(3, 4, "[]"), Range(5, None, "()")]
    )
    assert parse_multirange("{empty,[1,2),empty}", parse_int) == Multirange([Range(1, 2)])
    assert parse_multirange('{["a}","]b"),[\\,,z]}', str) == Multirange([Range("a}", "]b"), Range(",", "z", "[]")])


@pytest.mark.parametrize(
    "text", ["", "{", "}", "{[1,2)", "[1,2)}", "{,}", "{[1,2),}", "{[1,2)[3,4)}", "{[1,2)} x", "{x}"]
)
def test_what_is_no_multirange_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a multirange"):
        parse_multirange(text, str)


def test_quotes_without_end_are_refused_at_once() -> None:
    for text in ("[" + '"' * 50_001, '["' + '""' * 50_000 + ",", "{[" + '"' * 50_001 + "}"):
        for parse in (parse_range, parse_multirange):
            with pytest.raises(ValueError):
                parse(text, str)


def test_a_bound_cannot_be_null() -> None:
    with pytest.raises(ValueError, match="cannot be NULL"):
        render_range(Range(1, 2), lambda _: None)


@given(RANGES)
def test_a_range_is_read_as_it_was_written(value: Range[str]) -> None:
    assert parse_range(render_range(value, str), str) == value


@given(st.lists(RANGES.filter(bool)))
def test_a_multirange_is_read_as_it_was_written(ranges: list[Range[str]]) -> None:
    value = Multirange(ranges)
    assert parse_multirange(render_multirange(value, str), str) == value


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Iterator[pgfast.Connection]:
    with pgfast.connect(server.dsn) as made:
        made.set_autocommit(True)
        made.execute("drop type if exists words")
        made.execute("create type words as range (subtype = text, collation = 'C', multirange_type_name = manywords)")
        yield made


RANGE_TEXTS: Final = [
    "empty", "(,)", "[,b]", "[a,)",
    '["",b]', '[a,"b c"]', '["a""","b\\\\"]', '[",","["]', '["(",")"]', '["\t","\u00e9"]',
    "[\\a,b)", "['a,b]", "[{,}]",
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_name", "texts", "parse", "render"),
    [
        ("words", RANGE_TEXTS, parse_range, render_range),
        (
            "manywords",
            ["{}", *(f"{{{text}}}" for text in RANGE_TEXTS), "{" + ",".join(RANGE_TEXTS[4:]) + "}", "{[a,b),[c,d)}"],
            parse_multirange,
            render_multirange,
        ),
    ],
)
def test_ranges_are_read_and_written_as_the_server_does(
    connection: pgfast.Connection,
    type_name: str,
    texts: list[str],
    parse: Callable[..., Any],
    render: Callable[..., str],
) -> None:
    values = sent(connection, type_name, texts)
    read = [parse(one.text, str) for one in values]
    assert [render(value, str) for value in read] == [one.text for one in values]
    assert sent(connection, type_name, [render(parse(text, str), str) for text in texts]) == values
