"""Cursors that the server keeps: declared, fetched from, scrolled and closed."""

from __future__ import annotations

import datetime
import inspect
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.protocol import operations

from ..faces import Face, target
from ..versions import start_version


class Interrupted(Exception):
    """What a signal, or the cancelling of a task, brings."""


NUMBERS = "select n, 'x' || n from generate_series(1, %s::int) n"


def expected(first: int, last: int) -> list[tuple[int, str]]:
    return [(n, f"x{n}") for n in range(first, last + 1)]


def test_rows_are_fetched_in_order(conn: Any) -> None:
    with conn.cursor("numbers") as cursor:
        assert cursor.execute(NUMBERS, (10,)).rownumber == 0
        assert [column.name for column in cursor.description] == ["n", "?column?"]
        assert (cursor.name, cursor.scrollable, cursor.withhold) == ("numbers", None, False)
        assert cursor.fetchone() == (1, "x1")
        assert cursor.fetchmany() == expected(2, 2)
        assert cursor.fetchmany(3) == expected(3, 5)
        assert cursor.rownumber == 5
        assert cursor.fetchall() == expected(6, 10)
        assert (cursor.fetchone(), cursor.fetchmany(2), cursor.fetchall()) == (None, [], [])
        assert (cursor.rownumber, cursor.rowcount, cursor.statusmessage) == (10, -1, "DECLARE CURSOR")


@pytest.mark.parametrize("itersize", [1, 3, 10, 100])
def test_an_iteration_and_fetches_share_the_rows(conn: Any, itersize: int) -> None:
    cursor = conn.cursor("numbers").execute(NUMBERS, (10,))
    cursor.itersize = itersize
    seen = [row for _, row in zip(range(4), cursor, strict=False)]
    assert seen == expected(1, 4)
    position = cursor.rownumber
    assert [cursor.fetchone(), *cursor.fetchmany(2)] == expected(position + 1, position + 3)
    assert list(cursor) == expected(position + 4, 10)


def test_memory_stays_flat(dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        cursor = conn.cursor("numbers").execute("select repeat('x', 1000) || n from generate_series(1, 20000) n")
        tracemalloc.start()
        count = sum(1 for _ in cursor)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (count, peak < 3_000_000) == (20000, True), peak


# ---------------------------------------------------------------- scrolling


@pytest.mark.parametrize("itersize", [1, 4, 50])
def test_a_cursor_is_scrolled_like_a_list(conn: Any, itersize: int) -> None:
    cursor = conn.cursor("numbers", scrollable=True).execute(NUMBERS, (20,))
    cursor.itersize = itersize
    position = 0
    for step in (3, 5, -2, -6, 0, 7, 4, -15, 2):
        cursor.scroll(step)
        position += step
        assert cursor.rownumber == position
        assert [row for _, row in zip(range(1), cursor, strict=False)] == expected(position + 1, position + 1)
        position = cursor.rownumber
    for index in (0, 19, 7, 8, 20, 1):
        cursor.scroll(index, mode="absolute")
        assert cursor.fetchmany(2) == expected(index + 1, min(index + 2, 20))


def test_a_scroll_out_of_the_rows_is_told(conn: Any) -> None:
    cursor = conn.cursor("numbers", scrollable=True).execute(NUMBERS, (5,))
    assert cursor.fetchmany(2) == expected(1, 2)
    with pytest.raises(IndexError, match="before the first row"):
        cursor.scroll(-3)
    assert cursor.fetchone() == (3, "x3")
    with pytest.raises(IndexError, match="to row 13 of the cursor 'numbers', which has 5 rows"):
        cursor.scroll(10)
    assert (cursor.rownumber, cursor.fetchone()) == (5, None)
    with pytest.raises(IndexError):
        cursor.scroll(6, mode="absolute")
    cursor.scroll(-1)
    assert cursor.fetchall() == expected(5, 5)
    cursor.scroll(-5)
    assert cursor.fetchall() == expected(1, 5)
    with pytest.raises(pgfast.ProgrammingError, match="'relative' and 'absolute'"):
        cursor.scroll(1, mode="sideways")


def test_a_cursor_may_be_told_to_go_forwards_only(conn: Any) -> None:
    cursor = conn.cursor("numbers", scrollable=False).execute(NUMBERS, (5,))
    cursor.scroll(3)
    assert cursor.fetchone() == (4, "x4")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        cursor.scroll(-2)


@pytest.mark.parametrize("scrollable", [None, True])
def test_an_interrupted_fetch_loses_no_rows_without_a_word(
    conn: Any, monkeypatch: pytest.MonkeyPatch, scrollable: bool | None
) -> None:
    """The server has gone on, and the program has not got the rows."""
    cursor = conn.cursor("numbers", scrollable=scrollable, withhold=True).execute(NUMBERS, (9,))
    assert cursor.fetchmany(2) == expected(1, 2)
    fetch = operations.fetch_rows

    def interrupted(*arguments: Any) -> Any:
        yield from fetch(*arguments)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(operations, "fetch_rows", interrupted)
        with pytest.raises(Interrupted):
            cursor.fetchmany(3)
    if scrollable:
        assert cursor.fetchall() == expected(3, 9)
    else:
        with pytest.raises(pgfast.OperationalError, match="was interrupted, and its rows are lost"):
            cursor.fetchone()
        assert cursor.execute(NUMBERS, (2,)).fetchall() == expected(1, 2)


@pytest.mark.parametrize("scrollable", [None, True])
def test_a_fetch_interrupted_behind_its_end_loses_no_rows(
    conn: Any, monkeypatch: pytest.MonkeyPatch, scrollable: bool | None
) -> None:
    cursor = conn.cursor("numbers", scrollable=scrollable).execute(NUMBERS, (9,))
    assert cursor.fetchmany(2) == expected(1, 2)
    run = target(conn)._run

    def interrupted(*arguments: Any) -> Any:
        done = run(*arguments)
        if not inspect.isawaitable(done):
            raise Interrupted

        async def later() -> None:
            await done
            raise Interrupted

        return later()

    with monkeypatch.context() as patch:
        patch.setattr(target(conn), "_run", interrupted)
        with pytest.raises(Interrupted):
            cursor.fetchmany(3)
    assert cursor.fetchall() == expected(3, 9)


# ---------------------------------------------------------------- how long it lives


def test_a_cursor_lives_in_its_transaction(conn: Any) -> None:
    cursor = conn.cursor("numbers").execute(NUMBERS, (5,))
    conn.commit()
    with pytest.raises(errors.InvalidCursorName):
        cursor.fetchone()
    conn.rollback()
    assert cursor.execute(NUMBERS, (2,)).fetchall() == expected(1, 2)


def test_a_cursor_may_outlive_its_transaction(conn: Any) -> None:
    cursor = conn.cursor("numbers", withhold=True).execute(NUMBERS, (5,))
    assert cursor.fetchone() == (1, "x1")
    conn.commit()
    assert cursor.fetchmany(2) == expected(2, 3)
    conn.commit()
    cursor.close()
    assert conn.execute("select count(*) from pg_cursors where name = 'numbers'").fetchone() == (0,)


def test_a_cursor_wants_a_transaction(auto: Any) -> None:
    with pytest.raises(errors.NoActiveSqlTransaction):
        auto.cursor("numbers").execute(NUMBERS, (5,))
    with auto.transaction():
        assert auto.cursor("numbers").execute(NUMBERS, (5,)).fetchall() == expected(1, 5)
    assert auto.cursor("numbers", withhold=True).execute(NUMBERS, (5,)).fetchall() == expected(1, 5)


def test_closing_ends_it_on_the_server(conn: Any) -> None:
    cursor = conn.cursor('odd "näme"').execute(NUMBERS, (5,))
    count = "select count(*) from pg_cursors where name like 'odd%'"
    assert conn.execute(count).fetchone() == (1,)
    cursor.close()
    cursor.close()
    assert conn.execute(count).fetchone() == (0,)
    for refused in (cursor.fetchone, cursor.fetchall, lambda: cursor.execute("select 1"), lambda: list(cursor)):
        with pytest.raises(pgfast.InterfaceError, match="cursor is closed"):
            refused()


def test_closing_works_in_a_failed_transaction_and_after_the_connection(conn: Any) -> None:
    cursor = conn.cursor("numbers").execute(NUMBERS, (5,))
    with pytest.raises(errors.DivisionByZero):
        conn.execute("select 1 / 0")
    cursor.close()
    conn.rollback()
    other = conn.cursor("numbers").execute(NUMBERS, (5,))
    conn.close()
    other.close()


def test_a_name_that_was_taken_over_is_not_closed(conn: Any) -> None:
    first = conn.cursor("numbers").execute(NUMBERS, (5,))
    conn.commit()
    second = conn.cursor("numbers").execute(NUMBERS, (3,))
    first.close()
    assert second.fetchall() == expected(1, 3)


# ---------------------------------------------------------------- what it reads


def test_a_name_that_was_taken_over_gives_its_own_columns(conn: Any) -> None:
    cursor = conn.cursor("numbers").execute("select n, n from generate_series(1, 9) n")
    assert cursor.fetchone() == (1, 1)
    conn.execute("close numbers; declare numbers cursor for select n + 0.5, 'x' from generate_series(1, 3) n")
    assert [(str(value), text) for value, text in cursor.fetchmany(2)] == [("1.5", "x"), ("2.5", "x")]
    assert [column.type_code for column in cursor.description] == [1700, 25]


def test_a_cursor_of_a_function_is_found_by_its_name(conn: Any) -> None:
    conn.execute("""
        create function pg_temp.opened() returns refcursor language plpgsql as $$
        declare made refcursor := 'made by a function';
        begin open made for select n, date '2024-02-29' from generate_series(1, 3) n; return made; end $$
    """)
    (name,) = conn.execute("select pg_temp.opened()").fetchone()
    cursor = conn.cursor(name)
    assert cursor.fetchone() == (1, datetime.date(2024, 2, 29))
    assert [row[0] for row in cursor] == [2, 3]
    with pytest.raises(errors.InvalidCursorName):
        conn.cursor("no such").fetchone()


def test_types_of_every_kind_come_as_from_a_query(conn: Any) -> None:
    conn.execute("create type pg_temp.pair as (a int, b text)")
    query = """
        select array[1, null, 3], row(1, 'x')::pg_temp.pair, row(1, 'y'::text, row(2, 2.5)), '[1,5)'::int4range,
               timestamptz '2024-02-29 12:00+00', 1.50::numeric, 'a'::"char", null::uuid, '{"a": 1}'::jsonb
        from generate_series(1, 3)
    """
    wanted = conn.execute(query).fetchall()
    assert conn.cursor("c").execute(query).fetchall() == wanted
    assert list(conn.cursor("d").execute(query)) == wanted


def test_a_record_of_an_unknown_type_loses_no_rows(conn: Any) -> None:
    conn.execute("create type pg_temp.mood as enum ('ok', 'bad')")
    cursor = conn.cursor("c").execute("select n, row('ok'::pg_temp.mood, n) from generate_series(1, 5) n")
    cursor.itersize = 2
    assert list(cursor) == [(n, ("ok", n)) for n in range(1, 6)]


def test_an_error_in_the_middle_comes_when_its_row_is_fetched(conn: Any) -> None:
    cursor = conn.cursor("c").execute("select 10 / (4 - n) from generate_series(1, 9) n")
    assert cursor.fetchmany(3) == [(3,), (5,), (10,)]
    with pytest.raises(errors.DivisionByZero):
        cursor.fetchone()
    conn.rollback()
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_data_changing_or_several_queries_are_refused(conn: Any) -> None:
    with pytest.raises(errors.SyntaxError):
        conn.cursor("c").execute("create temp table t (a int)")
    conn.rollback()
    for query in ("select 1; select 2", "copy t to stdout"):
        with pytest.raises(pgfast.ProgrammingError, match="one query that gives rows"):
            conn.cursor("c").execute(query)


def test_what_a_server_cursor_cannot_do_is_refused(conn: Any) -> None:
    cursor = conn.cursor("c")
    ways: list[Callable[[], object]] = [
        lambda: cursor.executemany("select 1", []),
        lambda: cursor.stream("select 1"),
        lambda: cursor.copy("copy t to stdout"),
        cursor.nextset,
        lambda: cursor.execute("select 1", prepare=True),
    ]
    for refused in ways:
        with pytest.raises(pgfast.NotSupportedError):
            refused()
    with pytest.raises(pgfast.ProgrammingError, match="have a name"):
        conn.cursor(scrollable=True)


@pytest.mark.parametrize("name", ["x" * 64, "ä" * 32, "nul\0"])
def test_names_that_cannot_be_are_refused(conn: Any, name: str) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="cursor"):
        conn.cursor(name)


def test_a_timeout_holds_for_each_fetch(conn: Any) -> None:
    cursor = conn.cursor("c").execute(
        "select pg_sleep(case n when 3 then 30 else 0 end) from generate_series(1, 9) n", timeout=1
    )
    assert cursor.fetchmany(2) == [("",)] * 2
    with pytest.raises(errors.TimeoutError):
        cursor.fetchone()
    conn.rollback()
    assert conn.execute("select 1").fetchone() == (1,)


def test_it_goes_with_a_pipeline(conn: Any) -> None:
    with conn.pipeline():
        before = conn.execute("select 1")
        cursor = conn.cursor("c").execute(NUMBERS, (3,))
        assert cursor.fetchone() == (1, "x1")
        after = conn.execute("select 2")
        assert cursor.fetchall() == expected(2, 3)
        assert (before.fetchone(), after.fetchone()) == ((1,), (2,))


def test_own_types_hold_for_a_server_cursor(conn: Any) -> None:
    cursor = conn.cursor("c")
    target(cursor).types.register("int4", decode=lambda text: f"<{text}>")
    assert cursor.execute("select 1, 'x'").fetchone() == ("<1>", "x")


def test_protocol_2_has_server_cursors(face: Face) -> None:
    with start_version(13) as server:
        conn = face.connect(server.dsn, max_protocol_version="2.0")
        cursor = conn.cursor("c", scrollable=True).execute(NUMBERS, (6,))
        assert [column.name for column in cursor.description] == ["n", "?column?"]
        assert cursor.fetchmany(2) == expected(1, 2)
        cursor.scroll(-1)
        assert list(cursor) == expected(2, 6)
        cursor.close()
        assert conn.execute("select count(*) from pg_cursors").fetchone() == (0,)
        conn.close()
        face.forget()
