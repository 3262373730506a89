"""Composition of SQL: what each part is written as, without a server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import pgfast
from pgfast import sql
from pgfast.protocol.operations import composing
from pgfast.protocol.operations.composing import read_template
from pgfast.types.registry import Registry

# ---------------------------------------------------------------- parts


def test_each_part_is_quoted_as_what_it_is() -> None:
    query = sql.SQL("select {fields} from {table} where {0} = %s and note = {note}").format(
        sql.Identifier("id"),
        fields=sql.SQL(", ").join(map(sql.Identifier, ["a", 'b"c'])),
        table=sql.Identifier("my shop", "item"),
        note="it's",
    )
    assert query.as_string() == ('select "a", "b""c" from "my shop"."item" where "id" = %s and note = \'it\'\'s\'')
    assert query.as_bytes() == query.as_string().encode()


def test_a_text_is_given_its_parts_by_order_number_or_name() -> None:
    assert sql.SQL("{} {}").format(1, 2).as_string() == "1 2"
    assert sql.SQL("{1} {0} {1}").format(1, 2).as_string() == "2 1 2"
    assert sql.SQL("{a} {}{{}}").format(1, a=2).as_string() == "2 1{}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{!r}", ValueError),
        ("{:>10}", ValueError),
        ("{} {0}", ValueError),
        ("{0} {}", ValueError),
        ("{} {}", IndexError),
        ("{7}", IndexError),
        ("{name}", KeyError),
    ],
)
def test_a_text_with_wrong_places_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        sql.SQL(text).format(1)


def test_parts_are_added_repeated_and_joined() -> None:
    one = sql.SQL("a") + sql.Identifier("b") + (sql.SQL("c") + sql.Literal(1))
    assert one.as_string() == 'a"b"c1'
    assert one.join(", ").as_string() == 'a, "b", c, 1'
    assert one.join(sql.SQL("|")).as_string() == 'a|"b"|c|1'
    assert sql.SQL(", ").join(sql.Placeholder() * 3).as_string() == "%s, %s, %s"
    assert sql.SQL(", ").join([]).as_string() == ""
    assert sql.SQL(", ").join(iter([sql.NULL, sql.DEFAULT, "x"])).as_string() == "NULL, DEFAULT, 'x'"
    assert [*one] == [sql.SQL("a"), sql.Identifier("b"), sql.SQL("c"), sql.Literal(1)]


def test_placeholders_have_names_and_formats() -> None:
    assert sql.Placeholder().as_string() == "%s"
    assert sql.Placeholder("x").as_string() == "%(x)s"
    assert sql.Placeholder("x", format="b").as_string() == "%(x)b"
    assert sql.Placeholder(format="t").as_string() == "%t"


def test_parts_show_what_they_are_made_of() -> None:
    parts: list[sql.Composable] = [
        *(sql.SQL("x"), sql.Identifier("a", "b"), sql.Literal(1), sql.Composed([sql.SQL("x"), 2])),
        *(sql.Placeholder(), sql.Placeholder("n"), sql.Placeholder("n", format="b"), sql.Placeholder(format="t")),
    ]
    assert [repr(part) for part in parts] == [
        *("SQL('x')", "Identifier('a', 'b')", "Literal(1)", "Composed([SQL('x'), Literal(2)])"),
        *("Placeholder()", "Placeholder('n')", "Placeholder('n', format=BINARY)", "Placeholder(format=TEXT)"),
    ]


def test_parts_are_equal_where_they_are_of_one_kind_and_say_the_same() -> None:
    assert sql.SQL("x") == sql.SQL("x") != sql.SQL("y")
    assert sql.SQL("x") != sql.Placeholder("x") != sql.Placeholder("x", format="b")
    assert sql.Literal([1]) == sql.Literal([1])
    assert len({sql.Identifier("a"), sql.Identifier("a"), sql.SQL("a"), sql.Placeholder("a"), sql.SQL("a") * 2}) == 4
    with pytest.raises(TypeError, match="no hash"):
        hash(sql.Literal(1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sql.SQL(1),  # type: ignore[arg-type]
        sql.Identifier,
        lambda: sql.Identifier("a", 1),  # type: ignore[arg-type]
        lambda: sql.Placeholder(1),  # type: ignore[arg-type]
        lambda: sql.Composed([]).join(1),  # type: ignore[arg-type]
        lambda: sql.SQL("a") + "b",  # type: ignore[operator]
        lambda: sql.Literal("a").as_string("a string is no context"),
    ],
)
def test_what_is_no_part_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_a_placeholder_that_would_end_early_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        sql.Placeholder("a)s; drop table t; --")
    with pytest.raises(ValueError, match="format"):
        sql.Placeholder("a", format="x")


def test_nul_and_what_has_no_utf8_are_refused() -> None:
    for part in (sql.Identifier("a\0b"), sql.Literal("a\0b"), sql.Literal(["\0"])):
        with pytest.raises(pgfast.ProgrammingError, match="NUL"):
            part.as_string()
    with pytest.raises(pgfast.ProgrammingError, match="UTF-8"):
        sql.Literal("\ud800").as_bytes()


def test_a_value_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(pgfast.ProgrammingError, match="object stands for no type"):
        sql.quote(object())
    with pytest.raises(pgfast.ProgrammingError, match="set stands for no type"):
        sql.quote({1, 2})


# ---------------------------------------------------------------- template strings


@dataclass
class _Interpolation:
    """What `string.templatelib.Interpolation` is, where Python has none yet."""

    value: Any
    expression: str = "x"
    conversion: str | None = None
    format_spec: str = ""


class _Template:
    """What `string.templatelib.Template` is, where Python has none yet."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Any:
        return iter(self._parts)


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a template string of texts and (value, format) pairs: Python's own where there are any."""
    made: Any = _Template
    interpolated: Any = _Interpolation
    if sys.version_info >= (3, 14):
        from string.templatelib import Interpolation, Template

        made, interpolated = Template, Interpolation
    else:
        monkeypatch.setattr(composing, "_TEMPLATE", (_Template,))

    def make(*parts: Any) -> Any:
        return made(*[part if isinstance(part, str) else interpolated(part[0], "x", None, part[1]) for part in parts])

    return make


def read(one: Any) -> tuple[str, list[Any]]:
    query, values = read_template(one, None, Registry(), True)
    return query.sql, list(values)


def test_values_of_a_template_string_are_parameters(template: Callable[..., Any]) -> None:
    one = template("select ", (1, ""), ", ", ("a", "s"), ", ", ([2], "b"), " where x % 2 = ", (3, "t"))
    assert read(one) == ("select $1, $2, $3 where x % 2 = $4", [1, "a", [2], 3])


def test_formats_say_what_is_written_into_the_text(template: Callable[..., Any]) -> None:
    inner = template("a = ", (1, ""))
    one = template(
        *("select ", ('na"me', "i"), " from ", (sql.Identifier("t"), "i"), " where ", (inner, "q"), " and "),
        *((sql.SQL("b"), "q"), " = ", ("it's", "l"), " or ", (sql.Literal(2), "l"), " = ", ("z", "")),
    )
    assert read(one) == ('select "na""me" from "t" where a = $1 and b = \'it\'\'s\' or 2 = $2', [1, "z"])
    assert sql.as_string(one) == "select \"na\"\"me\" from \"t\" where a = 1 and b = 'it''s' or 2 = 'z'"
    assert sql.as_bytes(one) == sql.as_string(one).encode()


def test_template_strings_are_joined_to_one(template: Callable[..., Any]) -> None:
    one = sql.SQL(" and ").join([template("a = ", (1, "")), template("b = ", (2, "")), template("c")])
    assert read(one) == ("a = $1 and b = $2 and c", [1, 2])
    for mixed in ([template("a"), sql.SQL("b")], [sql.SQL("b"), template("a")]):
        with pytest.raises(TypeError, match="not both"):
            sql.SQL(",").join(mixed)


@pytest.mark.parametrize(
    ("value", "spec", "said"),
    [
        (1, "i", "a name is a str"),
        ("x", "q", "a part of a query is"),
        ("x", ">10", "is not a format"),
        (sql.SQL("x"), "", "wants the format :q"),
        (sql.Identifier("x"), "q", "wants the format :i"),
        (sql.Literal("x"), "", "wants the format :l"),
        (sql.Placeholder("x"), "q", "no place in a template string"),
    ],
)
def test_a_value_with_a_format_that_is_not_its_own_is_refused(
    template: Callable[..., Any], value: object, spec: str, said: str
) -> None:
    with pytest.raises(pgfast.ProgrammingError, match=said):
        read(template("select ", (value, spec)))


def test_a_template_in_a_template_wants_its_format(template: Callable[..., Any]) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="wants the format :q"):
        read(template("select ", (template("1"), "")))


@pytest.mark.parametrize("around", [("select '", "'"), ("select $1, ", ""), ("select 1 -- ", ""), ('select "', '"')])
def test_a_value_where_nothing_can_be_bound_is_refused(template: Callable[..., Any], around: tuple[str, str]) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="nothing can be bound"):
        read(template(around[0], (1, ""), around[1]))


def test_a_template_string_takes_no_parameters_beside_its_own(template: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="none can be given beside it"):
        read_template(template("select 1"), (1,), Registry(), True)
