"""Types of extensions, found by their names whatever their OIDs: contrib on the TLS server, pgvector on the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pgfast
from pgfast import DataError
from pgfast.values import Cube, Point, SparseVector

from ..servers import TlsServer

#: (extension, type, literal, value)
CONTRIB: list[tuple[str, str, str, Any]] = [
    ("hstore", "hstore", '"a"=>"1", "b"=>NULL, "c d"=>""', {"a": "1", "b": None, "c d": ""}),
    ("hstore", "hstore", "", {}),
    ("hstore", "hstore[]", '{"\\"a\\"=>\\"1\\"",NULL}', [{"a": "1"}, None]),
    ("citext", "citext", "As It Is", "As It Is"),
    ("citext", "citext[]", '{a,"b c",NULL}', ["a", "b c", None]),
    ("ltree", "ltree", "a.b.c", "a.b.c"),
    ("ltree", "ltree[]", "{a.b,NULL}", ["a.b", None]),
    ("ltree", "lquery", "a.*{1,2}.b", "a.*{1,2}.b"),
    ("ltree", "ltxtquery", "a & b", "a & b"),
    ("cube", "cube", "(1,2),(3,4)", Cube((1.0, 2.0), (3.0, 4.0))),
    ("isn", "ean13", "978-0-11-000533-1", "978-0-11-000533-1"),
    ("seg", "seg", "1 .. 2", "1 .. 2"),
]


@pytest.fixture(scope="module")
def contrib(tls_server: TlsServer) -> Iterator[pgfast.Connection]:
    """A connection to a server with these extensions in a schema that is not in the search path."""
    with pgfast.connect(**tls_server.keywords("postgres"), autocommit=True) as conn:
        conn.execute("drop schema if exists ext cascade; create schema ext")
        for extension in sorted({extension for extension, *_ in CONTRIB}):
            conn.execute(f"drop extension if exists {extension} cascade; create extension {extension} schema ext")
        conn.execute("set search_path = public, ext")
        conn.execute("create type ext.mixed as (h hstore, c citext, p point)")
        yield conn
        conn.execute("drop schema ext cascade")


def same(found: Any, wanted: Any) -> None:
    assert found == wanted
    if type(wanted) is tuple and hasattr(found, "_fields"):  # a composite, whose class nobody can name
        found = tuple(found)
    assert type(found) is type(wanted)


def check(conn: pgfast.Connection, kind: str, literal: str, value: Any) -> None:
    """Read in both protocols, sent as a parameter, loaded."""
    expression = f"$literal${literal}$literal$::{kind}"
    (found,) = conn.execute(f"select {expression}").fetchone() or ()
    same(found, value)
    (found,) = conn.execute(f"select {expression}; select 1").fetchone() or ()
    same(found, value)
    assert conn.execute(f"select ($1::{kind})::text = ({expression})::text", (value,)).fetchone() == (True,)
    assert conn.execute(f"select $1::{kind} is null", (None,)).fetchone() == (True,)
    conn.execute(f"create temp table one (v {kind})")
    conn.load("one", [(value,), (None,)])
    assert conn.execute(f"select v::text = ({expression})::text from one where v is not null").fetchall() == [(True,)]
    conn.execute("drop table one")


@pytest.mark.parametrize(("extension", "kind", "literal", "value"), CONTRIB)
def test_types_of_contrib_are_known_by_name(
    contrib: pgfast.Connection, extension: str, kind: str, literal: str, value: Any
) -> None:
    check(contrib, kind, literal, value)


def test_which_of_them_travel_in_binary(contrib: pgfast.Connection) -> None:
    infos = contrib.types.load("hstore", "citext", "ltree", "lquery", "cube", "ean13", "seg", "citext[]", "ext.mixed")
    binary = {info.name: info.binary_out and info.binary_in for info in infos}
    assert binary == {
        "hstore": True, "citext": True, "ltree": True, "lquery": True, "cube": True, "ean13": False, "seg": False,
        "_citext": True, "mixed": True,
    }  # fmt: skip


def test_they_are_parts_of_other_types(contrib: pgfast.Connection) -> None:
    value = ({"a": None}, "X", Point(1.0, 2.0))
    check(contrib, "ext.mixed", '("""a""=>NULL",X,"(1,2)")', value)
    check(contrib, "ext.mixed[]", '{"(\\"\\"\\"a\\"\\"=>NULL\\",X,\\"(1,2)\\")"}', [value])


def test_a_users_type_of_the_same_name_is_not_taken_for_it(contrib: pgfast.Connection) -> None:
    contrib.execute("create schema mine; create domain mine.hstore as text; create type mine.cube as enum ('a')")
    try:
        row = contrib.execute("select array['x'::mine.hstore], 'a'::mine.cube, 'a=>1'::ext.hstore").fetchone()
        assert row == (["x"], "a", {"a": "1"})
    finally:
        contrib.execute("drop schema mine cascade")


def test_what_does_not_fit_names_the_type(contrib: pgfast.Connection) -> None:
    strict = contrib.cursor()
    strict.types.configure(parameters="strict")
    with pytest.raises(DataError, match=r"parameter \$1 \(ext.hstore\): 5 does not fit"):
        strict.execute("select $1::hstore", (5,))
    with pytest.raises(
        DataError, match=r"parameter \$1 \(ext.citext\): 5 does not fit: text \(str\) is wanted, not int"
    ):
        strict.execute("select $1::citext", (5,))


# ---------------------------------------------------------------- pgvector


@pytest.fixture
def vectors(dsn: str) -> Iterator[pgfast.Connection]:
    """A connection to a server with pgvector."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("create extension if not exists vector")
        yield conn


@pytest.mark.parametrize(
    ("kind", "dtype", "values"), [("vector", "float32", [1.0, -2.5, 0.1]), ("halfvec", "float16", [1.0, -2.5])]
)
def test_vectors_are_numpy_arrays(vectors: pgfast.Connection, kind: str, dtype: str, values: list[float]) -> None:
    wanted = np.array(values, dtype)
    literal = str(values)
    for sql in (f"select '{literal}'::{kind}", f"select '{literal}'::{kind}; select 1"):
        (found,) = vectors.execute(sql).fetchone() or ()
        assert found.dtype == dtype
        assert np.array_equal(found, wanted)
    sql = f"select $1::{kind} = '{literal}'::{kind}"
    for value in (wanted, values, tuple(values), literal):
        assert vectors.execute(sql, (value,)).fetchone() == (True,)
    (several,) = vectors.execute(f"select array['{literal}'::{kind}, null]").fetchone() or ()
    assert np.array_equal(several[0], wanted)
    assert several[1] is None


def test_vectors_are_lists_by_policy(vectors: pgfast.Connection) -> None:
    cursor = vectors.cursor()
    cursor.types.configure(vectors="list")
    sql = "select '[1,2.5]'::vector, array['[1]'::halfvec]"
    assert cursor.execute(sql).fetchone() == ([1.0, 2.5], [[1.0]])
    assert cursor.execute(f"{sql}; {sql}").fetchone() == ([1.0, 2.5], [[1.0]])


def test_sparse_vectors_are_their_own(vectors: pgfast.Connection) -> None:
    (found,) = vectors.execute("select '{1:1.5,3:2}/5'::sparsevec").fetchone() or ()
    assert found == SparseVector(5, {0: 1.5, 2: 2.0})
    assert vectors.execute("select $1::sparsevec = '{1:1.5,3:2}/5'::sparsevec", (found,)).fetchone() == (True,)


def test_vectors_are_loaded(vectors: pgfast.Connection) -> None:
    vectors.execute("create temp table v (n int, v vector(3), h halfvec(2), s sparsevec(5))")
    rows = [(1, np.ones(3, "f4"), [1, 2], SparseVector(5, {0: 1.0})), (2, None, None, None)]
    assert vectors.load("v", rows).path == "binary"
    found = vectors.execute("select v::text, h::text, s::text from v order by n").fetchall()
    assert found == [("[1,1,1]", "[1,2]", "{1:1}/5"), (None, None, None)]
