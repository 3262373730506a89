"""What a cursor makes of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import pgfast
from pgfast import rows

from ..faces import Face, target

QUERY = "select n as a, 'x' || n as b from generate_series(1, 4) n"
TUPLES = [(n, f"x{n}") for n in range(1, 5)]
DICTS = [{"a": a, "b": b} for a, b in TUPLES]


@dataclass
class Pair:
    a: int
    b: str


def joined(*values: Any, **named: Any) -> str:
    return f"{values}{named}"


FACTORIES: dict[str, tuple[Any, list[Any]]] = {
    "tuple_row": (rows.tuple_row, TUPLES),
    "dict_row": (rows.dict_row, DICTS),
    "class_row": (rows.class_row(Pair), [Pair(a, b) for a, b in TUPLES]),
    "args_row": (rows.args_row(joined), [joined(a, b) for a, b in TUPLES]),
    "kwargs_row": (rows.kwargs_row(joined), [joined(a=a, b=b) for a, b in TUPLES]),
    "scalar_row": (rows.scalar_row, [a for a, _ in TUPLES]),
    "a function of the program's": (
        lambda cursor: lambda values: (*values, len(cursor.description)),
        [(*row, 2) for row in TUPLES],
    ),
}


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> tuple[Any, list[Any]]:
    return FACTORIES[request.param]


def test_every_fetch_makes_them(conn: Any, factory: tuple[Any, list[Any]]) -> None:
    make, expected = factory
    cursor = conn.cursor(row_factory=make)
    assert cursor.execute(QUERY).fetchone() == expected[0]
    assert cursor.fetchmany(2) == expected[1:3]
    assert cursor.fetchall() == expected[3:]
    assert list(cursor.execute(QUERY)) == expected
    assert list(cursor.stream(QUERY, size=3)) == expected
    cursor.executemany("select %s::int as a, %s::text as b", TUPLES, returning=True)
    for row in expected:
        assert cursor.fetchall() == [row]
        cursor.nextset()
    with conn.pipeline():
        assert cursor.execute(QUERY).fetchall() == expected
        assert cursor.execute(QUERY).fetchone() == expected[0]


def test_cursors_of_the_server_make_them(conn: Any, factory: tuple[Any, list[Any]]) -> None:
    make, expected = factory
    cursor = conn.cursor("c", row_factory=make)
    assert cursor.execute(QUERY).fetchone() == expected[0]
    assert cursor.fetchmany(1) == expected[1:2]
    assert list(cursor) == expected[2:]
    assert cursor.execute(QUERY).fetchall() == expected


def test_a_connection_has_one_for_its_cursors(face: Face, dsn: str, factory: tuple[Any, list[Any]]) -> None:
    make, expected = factory
    conn = face.connect(dsn, row_factory=make)
    assert conn.execute(QUERY).fetchall() == expected
    assert conn.cursor(row_factory=rows.tuple_row).execute(QUERY).fetchall() == TUPLES
    conn.row_factory = rows.dict_row
    assert target(conn).row_factory is rows.dict_row
    assert conn.execute(QUERY).fetchall() == DICTS


def test_one_that_is_set_later_makes_the_rows_that_are_left(conn: Any) -> None:
    cursor = conn.execute(QUERY)
    assert cursor.fetchone() == TUPLES[0]
    cursor.row_factory = rows.dict_row
    assert cursor.fetchone() == DICTS[1]
    cursor.row_factory = rows.tuple_row
    assert cursor.fetchall() == TUPLES[2:]


def test_named_tuples_have_the_columns_names(conn: Any) -> None:
    cursor = conn.cursor(row_factory=rows.namedtuple_row)
    row = cursor.execute('select 1 as a, 2 as "class", 3, 4 as a').fetchone()
    assert (row, row.a, row._fields) == ((1, 2, 3, 4), 1, ("a", "_1", "_2", "_3"))
    assert type(cursor.execute(QUERY).fetchone()) is type(cursor.execute(QUERY).fetchone())


def test_each_result_of_several_has_its_own_columns(conn: Any) -> None:
    cursor = conn.cursor(row_factory=rows.dict_row)
    cursor.execute("select 1 as a; create temp table t (x int); select 2 as b, 3 as c")
    assert cursor.fetchall() == [{"a": 1}]
    cursor.nextset()
    with pytest.raises(pgfast.ProgrammingError, match="gave no rows"):
        cursor.fetchone()
    cursor.nextset()
    assert cursor.fetchone() == {"b": 2, "c": 3}


def test_what_a_factory_raises_comes_to_the_program(conn: Any) -> None:
    cursor = conn.cursor(row_factory=rows.scalar_row)
    with pytest.raises(pgfast.ProgrammingError, match="result with a column"):
        cursor.execute("select")
    with pytest.raises(TypeError):
        conn.cursor(row_factory=rows.class_row(Pair)).execute("select 1 as other").fetchone()
    assert conn.execute("select 1").fetchone() == (1,)


def test_cursors_may_be_of_a_class_of_the_programs(face: Face, dsn: str) -> None:
    base = pgfast.AsyncCursor if face.is_async else pgfast.Cursor

    class Mine(base):  # type: ignore[misc, valid-type]
        """A cursor of the program's."""

    conn = face.connect(dsn, cursor_factory=Mine)
    assert isinstance(target(conn.cursor()), Mine)
    assert isinstance(target(conn.execute("select 1")), Mine)
