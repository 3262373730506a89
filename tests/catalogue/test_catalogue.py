"""Every row of pg_type on every server: read, sent back and compared on the server, byte by byte.

The server compares with the binary form of both values where the type has one, and with IS NOT DISTINCT FROM where it
has an equality operator; Python compares by exact type. Each test does one thing with every type and names all types
for which it failed. What was found is kept in build/catalogue, and docs/types.md must say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import pgfast
from pgfast import DataError
from pgfast.columns import is_columnar
from pgfast.embedded import EmbeddedServer

from . import marks as page
from .marks import BINARY, NONE, TEXT, Marks
from .same import class_name, in_column, same
from .walk import Walked, fill, types_of

#: Policies by which every value of the corpus can be held.
EXACT: Final[dict[str, Any]] = {
    "dates": "text",
    "times": "text",
    "intervals": "interval",
    "strings": "lenient",
    "json_loads": str,
    "json_dumps": str,
}
#: Types that the defaults read into other classes than these policies.
_OTHERWISE: Final = frozenset(("json", "jsonb", "interval"))
_SHOWN: Final = 40


class Walk:
    """One server's types with their tables, two connections, and what was found so far.

    `exact` holds every value by its policies, `plain` has the defaults.
    """

    def __init__(self, version: int, dsn: str) -> None:
        self.version = version
        self.dsn = dsn
        self.exact = self.plain = pgfast.connect(dsn, autocommit=True)
        self.types = types_of(self.plain)
        fill(self.plain, self.types, version)
        self.marks = {each.key: Marks(each.group) for each in self.types}
        self.done: set[str] = set()
        self.copies: set[str] = set()
        self.values: dict[int, dict[int, Any]] = {}
        self.connect()

    def connect(self) -> None:
        """New connections."""
        self.close()
        self.exact, self.plain = (pgfast.connect(self.dsn, autocommit=True) for _ in range(2))
        self.exact.types.configure(**EXACT)

    def close(self) -> None:
        """Close both connections."""
        self.exact.close()
        self.plain.close()

    def each(self, direction: str, check: Callable[[Walked], str | None], which: Callable[[Walked], bool]) -> None:
        """Run a check for every type that it is for; fails with all that failed."""
        failures = []
        self.done.add(direction)
        for each in self.types:
            if not which(each):
                continue
            found = self.marks[each.key].directions
            try:
                found[direction] = check(each) or NONE
            except (Exception, pytest.fail.Exception) as exc:
                found[direction] = page.FAILED
                failures.append(f"{each.sql}: {type(exc).__name__}: {str(exc)[:600]}")
                self.connect()
        assert not failures, f"{direction}: {len(failures)} types failed on {self.version}:\n" + "\n".join(
            failures[:_SHOWN]
        )

    def read(self, conn: Any, each: Walked, where: str = "true") -> dict[int, Any]:
        """The values of a type's table by number, in binary where the type has a binary form."""
        return dict(conn.execute(f"select n, v from {each.table} where {where} order by n").fetchall())

    def read_in_text(self, conn: Any, each: Walked, where: str = "true") -> dict[int, Any]:
        """The same in text format: several statements go by the simple protocol."""
        return dict(conn.execute(f"select n, v from {each.table} where {where} order by n; select 1").fetchall())

    def texts(self, each: Walked) -> dict[int, str]:
        """The server's own text of the values of a type's table."""
        return dict(self.plain.execute(f"select n, format('%s', v) from {each.table} order by n").fetchall())

    def exact_values(self, each: Walked) -> dict[int, Any]:
        """The values of a type's table as they are read by the policies, read once."""
        if each.oid not in self.values:
            self.values[each.oid] = self.read(self.exact, each)
        return self.values[each.oid]

    def emptied(self, each: Walked) -> str:
        """The name of an empty table like the type's."""
        if each.copy in self.copies:
            self.plain.execute(f"delete from {each.copy}")
        else:
            self.plain.execute(f"create table {each.copy} (n int4, v {each.sql})")
            self.copies.add(each.copy)
        return each.copy

    def compare(self, each: Walked, numbers: list[int]) -> None:
        """Let the server compare what it has been sent back with what it has."""
        different = f"{each.bytes_of('t.v')} is distinct from {each.bytes_of('b.v')}"
        if each.comparable:  # a box of NaN is not equal to itself
            different += " or (t.v is distinct from b.v and t.v is not distinct from t.v)"
        found = self.plain.execute(
            f"select t.n, format('%s', t.v), format('%s', b.v) from {each.table} t full join {each.copy} b using (n) "
            f"where (t.n is null or b.n is null or {different}) and coalesce(t.n, b.n) = any($1::int4[])",
            (numbers,),
        ).fetchall()
        count = self.plain.execute(f"select count(*) from {each.copy}").fetchall()
        assert not found, f"{len(found)} values came back changed, the first: {found[0]!r:.300}"
        assert count == [(len(numbers),)]

    def mark(self, binary: bool) -> str:
        """The mark for a way that was taken."""
        return BINARY if binary else TEXT

    def reads_binary(self, each: Walked) -> bool:
        """Whether results of the type are asked for in binary; of a domain they come as its base."""
        what = f"v from {each.table}" if each.storable else each.expressions[0]
        columns = self.exact.execute(f"select {what} limit 0").description
        assert columns
        return bool(self.exact._session.registry.rules.reads_binary(columns[0].type_code))

    def has_arrow_type(self, each: Walked) -> bool:
        """Whether columns of the type have an Arrow type of their own, and come in binary."""
        self.exact.types.load(each.oid)
        return is_columnar(self.exact._session.registry.info(each.oid))

    def writes_binary(self, each: Walked) -> bool:
        """Whether parameters of the type are sent in binary."""
        return self.exact._session.registry.rules.encode_spec(each.oid) is not None


@pytest.fixture(scope="session")
def walk(version: int, version_server: EmbeddedServer) -> Iterator[Walk]:
    """The walk over the server of a version."""
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("create database catalogue")
    made = Walk(version, version_server.dsn.rsplit("/", 1)[0] + "/catalogue")
    yield made
    made.close()
    if made.done == set(page.DIRECTIONS):
        page.write(pgfast.IMPLEMENTATION, version, made.marks)


def stored(each: Walked) -> bool:
    return bool(each.storable and each.values)


def writable(each: Walked) -> bool:
    return stored(each) and each.writable


def returned(each: Walked) -> bool:
    return bool(each.expressions)


def test_every_type_has_values_or_a_reason(walk: Walk) -> None:
    assert [each.sql for each in walk.types if not each.covered] == []


def test_rows_in_binary_and_in_text_are_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        binary, text = walk.exact_values(each), walk.read_in_text(walk.exact, each)
        assert binary.keys() == text.keys()
        for n, value in binary.items():
            bits = not each.any_payload
            assert same(value, text[n], nan_bits=bits), f"binary {value!r:.200}, text {text[n]!r:.200}"
        return walk.mark(walk.reads_binary(each))

    walk.each("rows", check, stored)


def test_what_only_queries_return_is_read(walk: Walk) -> None:
    def check(each: Walked) -> str:
        names: set[str] = set()
        for expression in each.expressions:
            sql = f"select {expression} as v"
            rows, texts = walk.exact.execute(sql).fetchall(), walk.exact.execute(f"{sql}; select 1").fetchall()
            if "record" in each.parts:  # in text nothing tells the types of its fields
                assert isinstance(texts[0][0], (tuple, list))
            else:
                assert same(rows, texts, nan_bits=False), f"{expression}: binary {rows!r:.200}, text {texts!r:.200}"
            made = walk.exact.fetch_columns(sql).to_arrow()
            walk.marks[each.key].arrow = str(made.schema.field("v").type)
            if "void" not in each.parts and walk.marks[each.key].arrow == "string":
                written = walk.exact.execute(f"select format('%s', {expression})").fetchall()
                assert made.column("v").to_pylist() == [None if rows == [(None,)] else written[0][0]]
            names |= {class_name(row[0]) for row in rows if row[0] is not None}
        found = walk.marks[each.key]
        found.python = ", ".join(sorted(names)) or NONE
        found.directions["rows text"] = TEXT
        found.directions["columns"] = walk.mark(walk.has_arrow_type(each))
        return walk.mark(walk.reads_binary(each))

    walk.each("rows", check, returned)


def test_text_rows_are_read_by_default(walk: Walk) -> None:
    def check(each: Walked) -> str:
        held = [n for n, value in enumerate(each.values) if not value.beyond]
        where = f"n = any('{{{','.join(map(str, held))}}}')"
        binary, text = walk.read(walk.plain, each, where), walk.read_in_text(walk.plain, each, where)
        names: set[str] = set()
        for n, value in binary.items():
            bits = not each.any_payload
            assert same(value, text[n], nan_bits=bits), f"binary {value!r:.200}, text {text[n]!r:.200}"
            if not each.parts & _OTHERWISE:
                exact = walk.exact_values(each)[n]
                assert same(value, exact), f"by default {value!r:.200}, by policy {exact!r:.200}"
            if value is not None:
                names.add(class_name(value))
        walk.marks[each.key].python = ", ".join(sorted(names)) or NONE
        return TEXT

    walk.each("rows text", check, stored)


def test_values_that_python_cannot_hold_are_refused_by_default(walk: Walk) -> None:
    def check(each: Walked) -> str:
        for n, value in enumerate(each.values):
            if value.beyond:
                for read in (walk.read, walk.read_in_text):
                    with pytest.raises(DataError, match="configure|cast it to text"):
                        pytest.fail(f"{value.text} was read as {read(walk.plain, each, f'n = {n}')!r}")
        return walk.marks[each.key].directions["rows text"]

    walk.each("rows text", check, stored)


def test_parameters_come_back_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        values = walk.exact_values(each)
        with walk.exact.cursor() as cursor:
            cursor.executemany(f"insert into {walk.emptied(each)} values ($1, $2)", list(values.items()))
        walk.compare(each, list(values))
        return walk.mark(walk.writes_binary(each))

    walk.each("parameter", check, writable)


def test_parameters_from_text_come_back_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        texts = {n: text for n, text in walk.texts(each).items() if not each.values[n].payload}
        with walk.exact.cursor() as cursor:
            cursor.executemany(f"insert into {walk.emptied(each)} values ($1, $2)", list(texts.items()))
        walk.compare(each, list(texts))
        return TEXT

    walk.each("parameter text", check, writable)


def test_loaded_rows_come_back_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        values = walk.exact_values(each)
        report = walk.exact.load(walk.emptied(each), list(values.items()))
        walk.compare(each, list(values))
        return walk.mark(report.path == "binary")

    walk.each("load rows", check, writable)


def test_columns_hold_every_value(walk: Walk) -> None:
    def check(each: Walked) -> str:
        held = [n for n, value in enumerate(each.values) if value.columns]
        columns = walk.exact.fetch_columns(f"select v, n from {each.table} where n = any($1) order by n", (held,))
        made = columns.to_arrow()
        walk.marks[each.key].arrow = str(made.schema.field("v").type)
        texts, values = walk.texts(each), walk.exact_values(each)
        shown = [n for n in held if not each.values[n].beyond]
        found = made.take([held.index(n) for n in shown]).column("v").to_pylist()
        for n, value in zip(shown, found, strict=True):
            assert in_column(value, values[n], texts[n]), f"column {value!r:.200}, value {values[n]!r:.200}"
        return walk.mark(walk.has_arrow_type(each))

    walk.each("columns", check, stored)


def test_what_columns_cannot_hold_is_refused(walk: Walk) -> None:
    def check(each: Walked) -> str:
        mark = walk.marks[each.key].directions["columns"]
        if walk.marks[each.key].arrow != "string":
            for n, value in enumerate(each.values):
                if not value.columns:
                    with pytest.raises(DataError):
                        found = walk.exact.fetch_columns(f"select v from {each.table} where n = {n}")
                        pytest.fail(f"{value.text} was taken: {found.to_arrow().to_pylist()}")
        return mark

    walk.each("columns", check, stored)


def test_loaded_columns_come_back_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        held = [n for n, value in enumerate(each.values) if value.columns]
        columns = walk.exact.fetch_columns(f"select n, v from {each.table} where n = any($1) order by n", (held,))
        report = walk.exact.load(walk.emptied(each), columns)
        if walk.marks[each.key].arrow == "string":
            held = [n for n in held if not each.values[n].payload]
            walk.plain.execute(f"delete from {each.copy} where n <> all($1::int4[])", (held,))
        walk.compare(each, held)
        return walk.mark(report.path == "binary")

    walk.each("load columns", check, writable)


def test_copied_rows_are_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        values = walk.exact_values(each)
        binary = walk.reads_binary(each)
        for form in (["binary"] if binary else []) + ["text"]:
            sql = f"copy (select n, v from {each.table} order by n) to stdout (format {form})"
            with walk.exact.cursor() as cursor:
                copy = cursor.copy(sql)
                copy.set_types(["int4", each.oid])
                with copy:
                    found: dict[int, Any] = dict(copy.rows())
            for n, value in values.items():
                bits = form == "binary" or not each.any_payload
                assert same(found[n], value, nan_bits=bits), f"COPY {form} {found[n]!r:.200}, value {value!r:.200}"
        return walk.mark(binary)

    walk.each("copy out", check, stored)


def test_rows_copied_in_text_come_back_the_same(walk: Walk) -> None:
    def check(each: Walked) -> str:
        values = {n: value for n, value in walk.exact_values(each).items() if not each.values[n].payload}
        with walk.exact.cursor() as cursor:
            copy = cursor.copy(f"copy {walk.emptied(each)} from stdin")
            copy.set_types(["int4", each.oid])
            with copy:
                for row in values.items():
                    copy.write_row(row)
        walk.compare(each, list(values))
        return TEXT

    walk.each("copy text", check, writable)


def test_the_page_says_what_was_found(walk: Walk) -> None:
    if walk.done != set(page.DIRECTIONS):
        pytest.skip("only some of the walk's tests were run")
    told = page.page_rows()
    assert told, f"{page.PAGE} has no tables: python -m tests.catalogue.page"
    missing = [key for key, marks in walk.marks.items() if marks.group in page.GROUPS and key not in told]
    assert missing == [], "not on the page: python -m tests.catalogue.page"
    different = {
        key: (told[key], marks.cells())
        for key, marks in walk.marks.items()
        if key in told and told[key] != marks.cells()
    }
    assert different == {}, "the page tells otherwise: python -m tests.catalogue.page"
