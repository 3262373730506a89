"""Rows a portion at a time, and calls by the fast path."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.protocol.backend import Field, RowDescription
from pgfast.protocol.operations import Operation
from pgfast.protocol.operations.steps import Reply, exchange
from pgfast.protocol.session import Event, State

from ..faces import Face, target


@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
@pytest.mark.parametrize("count", [0, 1, 7, 14, 3000])
def test_rows_come_in_order_whatever_the_portions(auto: Any, size: int, count: int) -> None:
    cursor = auto.cursor()
    rows = list(cursor.stream("select n, 'x' || n from generate_series(1, %s::int) n", (count,), size=size))
    assert rows == [(n, f"x{n}") for n in range(1, count + 1)]
    assert [column.name for column in cursor.description] == ["n", "?column?"]
    assert cursor.rowcount == count
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_stream_can_be_left(auto: Any) -> None:
    for rows in range(1, 4):
        stream = auto.cursor().stream("select generate_series(1, 1000000)", size=2)
        seen = [row for row, _ in zip(stream, range(rows), strict=False)]
        assert seen == [(n,) for n in range(1, rows + 1)]
        with pytest.raises(pgfast.InterfaceError, match="still under way"):
            auto.execute("select 1")
        stream.close()
        assert auto.execute("select 1").fetchone() == (1,)


def test_a_stream_that_is_dropped_does_not_stand_in_the_way(face: Face, dsn: str) -> None:
    async def with_tasks() -> None:
        async with await pgfast.AsyncConnection.connect(dsn) as conn:
            for size in (1, 2, 50):
                async for (number,) in conn.cursor().stream("select generate_series(1, 100)", size=size):
                    if number == 3:
                        break
                assert await (await conn.execute("select 'next'")).fetchone() == ("next",)
            async for (number,) in conn.cursor().stream("select generate_series(1, 100)", size=2):
                if number == 3:
                    break
            await conn.commit()

    if face.is_async:
        face.run(with_tasks())
        return
    with pgfast.connect(dsn) as conn:
        for (number,) in conn.cursor().stream("select generate_series(1, 100)", size=2):
            if number == 3:
                break
        assert conn.execute("select 'next'").fetchone() == ("next",)


def test_memory_stays_flat(dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        query = "select repeat('x', 1000) || n from generate_series(1, 20000) n"
        list(conn.cursor().stream(query, size=100))
        tracemalloc.start()
        count = sum(1 for _ in conn.cursor().stream(query, size=100))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (count, peak < 3_000_000) == (20000, True), peak


def test_a_stream_is_part_of_the_transaction(conn: Any) -> None:
    conn.execute("create temp table t (a int)")
    conn.execute("insert into t select generate_series(1, 10)")
    assert [a for (a,) in conn.cursor().stream("select a from t", size=3)] == list(range(1, 11))
    conn.rollback()
    with pytest.raises(errors.UndefinedTable):
        list(conn.cursor().stream("select a from t"))
    conn.rollback()
    assert list(conn.cursor().stream("select 1")) == [(1,)]


def test_an_error_in_the_middle_ends_the_stream(auto: Any) -> None:
    stream = auto.cursor().stream("select 1 / (5 - n) from generate_series(1, 9) n", size=2)
    seen = []
    with pytest.raises(errors.DivisionByZero):
        seen.extend(stream)
    assert seen == [(0,)] * 3 + [(1,)]
    assert auto.execute("select 1").fetchone() == (1,)


def test_statements_without_rows_give_none(auto: Any) -> None:
    cursor = auto.cursor()
    assert list(cursor.stream("create temp table t (a int)")) == []
    assert list(cursor.stream("insert into t values (1), (2)")) == []
    assert cursor.rowcount == 2
    assert list(cursor.stream("insert into t values (3) returning a", size=1)) == [(3,)]
    assert list(cursor.stream("")) == []


@pytest.mark.parametrize(
    ("query", "settings", "words"),
    [
        ("select 1; select 2", {}, "one statement"),
        ("copy t to stdout", {}, "no COPY"),
        ("select 1", {"size": 0}, "size is a number of rows"),
        ("select 1", {"size": 2**31}, "size is a number of rows"),
    ],
)
def test_what_cannot_be_streamed_is_told(auto: Any, query: str, settings: dict[str, int], words: str) -> None:
    with pytest.raises(pgfast.ProgrammingError, match=words):
        list(auto.cursor().stream(query, **settings))
    with auto.pipeline(), pytest.raises(pgfast.ProgrammingError, match="a pipeline has no streams"):
        list(auto.cursor().stream("select 1"))


def test_a_timeout_ends_a_stream(auto: Any) -> None:
    stream = auto.cursor().stream(
        "select pg_sleep(case n when 3 then 30 else 0 end) from generate_series(1, 9) n", size=1, timeout=0.5
    )
    with pytest.raises(errors.TimeoutError):
        list(stream)
    assert auto.execute("select 1").fetchone() == (1,)


def test_types_are_looked_up_and_plans_renewed(auto: Any) -> None:
    auto.execute("drop type if exists stream_mood; create type stream_mood as enum ('ok')")
    try:
        assert list(auto.cursor().stream("select 'ok'::stream_mood", prepare=True)) == [("ok",)]
        auto.execute("create temp table changing (a int); insert into changing values (1)")
        assert list(auto.cursor().stream("select * from changing", prepare=True)) == [(1,)]
        auto.execute("alter table changing add b text default 'b'")
        assert list(auto.cursor().stream("select * from changing", prepare=True)) == [(1, "b")]
    finally:
        auto.execute("drop type stream_mood")


def test_a_portal_can_be_described(conn: Any) -> None:
    """The driver describes statements alone, since pgpool knows no portal of a cursor; the session could."""
    conn.execute("declare c cursor for select 1 as a, 'x'::text as b")
    session = target(conn)._session

    class Columns(Reply):
        fields: tuple[Field, ...] = ()

        def take(self, event: Event) -> None:
            if isinstance(event, RowDescription):
                self.fields = event.fields

    def describe(name: bytes) -> Operation[tuple[Field, ...]]:
        session.out.put_messages(b"D" + struct.pack("!I", 6 + len(name)) + b"P" + name + b"\0")
        session.expect(State.DESCRIBE_ROWS)
        session.write_sync()
        reply = Columns()
        yield from exchange(session, reply)
        return reply.fields

    fields = conn._run(describe(b"c"))
    assert [(field.name, field.type_oid) for field in fields] == [("a", 23), ("b", 25)]
    with pytest.raises(errors.InvalidCursorName):
        conn._run(describe(b"no such"))
    conn.rollback()


# ---------------------------------------------------------------- the fast path

INT4PL, INT4DIV, VERSION = 177, 154, 89


def test_a_function_is_called_by_its_oid(auto: Any) -> None:
    assert auto.call_function(INT4PL, struct.pack("!i", 40), struct.pack("!i", 2)) == struct.pack("!i", 42)
    assert auto.call_function(VERSION).startswith(b"PostgreSQL")
    assert auto.call_function(INT4PL, struct.pack("!i", 40), None) is None
    with pytest.raises(errors.DivisionByZero):
        auto.call_function(INT4DIV, struct.pack("!i", 1), struct.pack("!i", 0))
    with pytest.raises(errors.UndefinedFunction):
        auto.call_function(4_000_000_000)
    assert auto.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(("oid", "arguments"), [(-1, ()), (2**32, ()), (INT4PL, (5,)), (INT4PL, ("text",))])
def test_a_call_that_cannot_be_is_refused(auto: Any, oid: int, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="OID of a function|bytes or None"):
        auto.call_function(oid, *arguments)
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_function_is_called_in_the_transaction(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    made = conn.call_function(957, struct.pack("!i", 0x60000))  # lo_creat
    (oid,) = struct.unpack("!I", made)
    assert conn.execute("select count(*) from pg_largeobject_metadata where oid = %s", (oid,)).fetchone() == (1,)
    conn.rollback()
    assert conn.execute("select count(*) from pg_largeobject_metadata where oid = %s", (oid,)).fetchone() == (0,)
