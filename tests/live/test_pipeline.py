"""`connection.pipeline()`: statements sent one after the other, answers read when they are wanted."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest

import pgfast
from pgfast import TransactionStatus, errors

from ..faces import Face


def test_every_cursor_gets_the_rows_of_its_own_statement(auto: Any) -> None:
    with auto.pipeline():
        cursors = [auto.execute("select %s::int, 'x'", (number,)) for number in range(300)]
        other = auto.execute("select 'other' where false")
        again = auto.execute("select %s::int, 'x'", (1000,))
    assert [cursor.fetchone() for cursor in cursors] == [(number, "x") for number in range(300)]
    assert (other.fetchall(), again.fetchall()) == ([], [(1000, "x")])
    assert [column.name for column in other.description] == ["?column?"]
    assert (again.rowcount, again.statusmessage, again.fetchone()) == (1, "SELECT 1", None)


def test_rows_can_be_fetched_inside_the_block(auto: Any) -> None:
    with auto.pipeline():
        first = auto.execute("select generate_series(1, %s::int)", (3,))
        second = auto.execute("select %s::text", ("b",))
        assert second.fetchone() == ("b",)
        assert first.fetchmany(2) == [(1,), (2,)]
        assert list(first) == [(3,)]
        assert first.rowcount == 3
        third = auto.execute("select %s::text", ("c",))
    assert third.fetchall() == [("c",)]


def test_parameters_and_results_may_be_larger_than_both_socket_buffers(auto: Any) -> None:
    text = "x" * 1_000_000
    with auto.pipeline():
        cursors = [auto.execute("select %s::text || %s::text", (text, number)) for number in map(str, range(20))]
    assert [cursor.fetchone()[0] for cursor in cursors] == [f"{text}{number}" for number in range(20)]


def test_without_autocommit_the_block_is_part_of_the_transaction(conn: Any) -> None:
    conn.execute("create temp table t (a int)")
    conn.commit()
    with conn.pipeline():
        for number in range(3):
            conn.execute("insert into t values (%s)", (number,))
        assert conn.info.transaction_status is TransactionStatus.ACTIVE
        conn.rollback()
        conn.execute("insert into t values (%s)", (7,))
        conn.commit()
        conn.execute("insert into t values (%s)", (8,))
    conn.rollback()
    assert conn.execute("select a from t").fetchall() == [(7,)]


def test_in_autocommit_mode_what_stands_between_two_syncs_is_a_transaction(auto: Any) -> None:
    auto.execute("create temp table t (a int primary key)")
    with pytest.raises(errors.UniqueViolation), auto.pipeline() as pipeline:
        auto.execute("insert into t values (%s)", (1,))
        pipeline.sync()
        auto.execute("insert into t values (%s)", (2,))
        auto.execute("insert into t values (%s)", (1,))
    assert auto.execute("select a from t").fetchall() == [(1,)]
    assert auto.info.transaction_status is TransactionStatus.IDLE


def test_what_stands_behind_a_failed_statement_is_not_executed_up_to_the_next_sync(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    with auto.pipeline() as pipeline:
        before = auto.execute("select %s::int", (1,))
        failing = auto.execute("select 1 / %s::int", (0,))
        behind = auto.execute("select %s::int", (2,))
        later = auto.execute("insert into t values (%s)", (1,))
        assert before.fetchone() == (1,)
        with pytest.raises(errors.DivisionByZero):
            failing.fetchone()
        with pytest.raises(errors.DivisionByZero):  # as often as it is asked for
            failing.fetchall()
        for cursor in (behind, later, auto.execute("select %s::int", (3,)), auto.execute("select 'never seen before'")):
            with pytest.raises(errors.PipelineAborted):
                cursor.fetchone()
        pipeline.sync()
        assert auto.execute("select %s::int", (4,)).fetchone() == (4,)
    assert auto.execute("select count(*) from t").fetchone() == (0,)


def test_a_failure_that_nobody_has_fetched_is_raised_by_the_end_of_the_block(auto: Any) -> None:
    with pytest.raises(errors.DivisionByZero), auto.pipeline():
        auto.execute("select 1 / %s::int", (1,))
        failing = auto.execute("select 1 / %s::int", (0,))
        auto.execute("select 1 / %s::int", (1,))
    with pytest.raises(errors.DivisionByZero):
        failing.fetchone()
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_failure_is_raised_by_the_next_other_operation_which_is_not_carried_out(conn: Any) -> None:
    conn.execute("create temp table t (a int)")
    conn.commit()
    with conn.pipeline():
        conn.execute("insert into t values (%s)", (1,))
        conn.execute("select 1 / %s::int", (0,))
        with pytest.raises(errors.DivisionByZero):
            conn.commit()
        conn.rollback()
    assert conn.execute("select count(*) from t").fetchone() == (0,)


def test_a_statement_that_cannot_be_parsed_fails_where_it_is_executed(auto: Any) -> None:
    with auto.pipeline():
        auto.execute("select %s::int", (1,))
        with pytest.raises(errors.SyntaxError):
            auto.execute("selec")
        assert auto.execute("select %s::int", (2,)).fetchone() == (2,)


def test_a_value_that_does_not_fit_fails_at_once_and_spoils_nothing(auto: Any) -> None:
    auto.types.configure(parameters="strict")
    with auto.pipeline():
        first = auto.execute("select %s::int", (1,))
        with pytest.raises(pgfast.DataError, match="parameter \\$1 \\(integer\\)"):
            auto.execute("select %s::int", ("x",))
        with pytest.raises(pgfast.ProgrammingError, match="1 placeholders, 2 parameters"):
            auto.execute("select %s::int", (1, 2))
        second = auto.execute("select %s::int", (2,))
    assert (first.fetchone(), second.fetchone()) == ((1,), (2,))


def test_a_row_that_cannot_be_read_fails_its_own_cursor_alone(auto: Any) -> None:
    with pytest.raises(pgfast.DataError, match="infinite"), auto.pipeline():
        good = auto.execute("select %s::date", (date(2024, 2, 29),), prepare=True)
        bad = auto.execute("select d::date from unnest(%s::text[]) d", (["2024-01-01", "infinity", "2024-01-02"],))
        behind = [auto.execute("select %s::date", (date(2024, 3, 1),), prepare=True) for _ in range(3)]
    assert good.fetchone() == (date(2024, 2, 29),)
    assert [cursor.fetchone() for cursor in behind] == [(date(2024, 3, 1),)] * 3
    with pytest.raises(pgfast.DataError):
        bad.fetchall()


def test_transaction_blocks_work_inside(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    with auto.pipeline():
        with auto.transaction():
            auto.execute("insert into t values (%s)", (1,))
        with pytest.raises(errors.DivisionByZero), auto.transaction():
            auto.execute("insert into t values (%s)", (2,))
            auto.execute("select 1 / %s::int", (0,))
        with auto.transaction():
            auto.execute("insert into t values (%s)", (3,))
    assert auto.execute("select a from t order by a").fetchall() == [(1,), (3,)]
    assert auto.info.transaction_status is TransactionStatus.IDLE


def test_other_ways_of_working_wait_for_the_answers_first(auto: Any) -> None:
    auto.execute("create temp table t (a int, b text)")
    with auto.pipeline():
        first = auto.execute("insert into t values (%s, %s)", (1, "x"))
        auto.load("t", [(2, "y")])
        auto.cursor().executemany("insert into t values (%s, %s)", [(3, "z")])
        with auto.cursor().copy("copy t from stdin") as copy:
            copy.write_row((4, "w"))
        last = auto.execute("select count(*) from t")
        assert len(auto.fetch_columns("select a from t order by a")) == 4
    assert (first.rowcount, last.fetchone()) == (1, (4,))


@pytest.mark.parametrize("query", ["copy (select 1) to stdout", "select 1; select 2"])
def test_what_does_not_go_by_the_extended_protocol_is_refused(auto: Any, query: str) -> None:
    with auto.pipeline():
        with pytest.raises(pgfast.ProgrammingError, match="a pipeline takes neither"):
            auto.execute(query)
        assert auto.execute("select 1").fetchone() == (1,)


def test_blocks_may_be_nested(auto: Any) -> None:
    with auto.pipeline():
        outer = auto.execute("select %s::int", (1,))
        with auto.pipeline():
            inner = auto.execute("select %s::int", (2,))
        assert outer.rowcount == 1  # the end of the inner block was a sync
        assert (outer.fetchone(), inner.fetchone()) == ((1,), (2,))
        assert auto.execute("select %s::int", (3,)).fetchone() == (3,)


def test_the_block_does_not_hide_the_exception_that_leaves_it(auto: Any) -> None:
    with pytest.raises(KeyError), auto.pipeline():
        auto.execute("select 1 / %s::int", (0,))
        raise KeyError
    assert auto.execute("select 1").fetchone() == (1,)


def test_notices_and_notifications_arrive_meanwhile(auto: Any) -> None:
    seen: list[Any] = []
    auto.add_notice_handler(lambda diag: seen.append(diag.message_primary))
    auto.execute("create function pg_temp.noisy(n int) returns int language plpgsql as "
                 "$$ begin raise notice 'n %', n; return n; end $$")  # fmt: skip
    auto.execute("listen here")
    with auto.pipeline():
        cursors = [auto.execute("select pg_temp.noisy(%s)", (number,)) for number in range(5)]
        auto.execute("select pg_notify('here', 'payload')")
    assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(5)]
    assert seen == [f"n {number}" for number in range(5)]
    assert [found.payload for found in auto.notifies(timeout=20, stop_after=1)] == ["payload"]


def test_a_timeout_fails_what_waits_and_leaves_the_connection_usable(auto: Any) -> None:
    for _ in range(2):
        auto.execute("select %s::int", (0,), prepare=True)
    with auto.pipeline() as pipeline:
        first = auto.execute("select %s::int", (1,))
        slow = auto.execute("select pg_sleep(%s)", (60,))
        behind = auto.execute("select %s::int", (2,))
        with pytest.raises(errors.TimeoutError):
            pipeline.sync(timeout=1)
        assert first.fetchone() == (1,)
        for cursor in (slow, behind):
            with pytest.raises(pgfast.OperationalError, match="interrupted"):
                cursor.fetchone()
        assert auto.execute("select %s::int", (3,)).fetchone() == (3,)
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_lost_server_fails_everything_that_waits(face: Face, dsn: str) -> None:
    conn, killer = face.connect(dsn, autocommit=True), face.connect(dsn, autocommit=True)
    with conn.pipeline():
        cursors = [conn.execute("select %s::int", (number,)) for number in range(3)]
        killer.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
        with pytest.raises(pgfast.Error):
            conn.execute("select pg_sleep(60)").fetchone()
        with pytest.raises(pgfast.Error):
            cursors[2].fetchone()
    assert conn.closed


def test_while_a_copy_is_under_way_nothing_else_can_be_done(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    with auto.pipeline():
        auto.execute("insert into t values (%s)", (1,))
        with auto.cursor().copy("copy t from stdin") as copy:
            copy.write_row((2,))
            for query in ("insert into t values (3)", "select count(*) from t"):
                with pytest.raises(pgfast.InterfaceError, match="COPY"):
                    auto.execute(query)
            with pytest.raises(pgfast.InterfaceError, match="COPY"):
                auto.commit()
            copy.write_row((4,))
        assert auto.execute("select array_agg(a order by a) from t").fetchone() == ([1, 2, 4],)


def test_what_was_not_answered_when_the_connection_was_closed_has_failed(auto: Any) -> None:
    with auto.pipeline():
        cursor = auto.execute("select %s::int", (1,))
        auto.close()
    with pytest.raises(pgfast.OperationalError, match="left before the answer"):
        cursor.fetchone()


def test_a_cursor_is_used_again_before_its_rows_were_fetched(auto: Any) -> None:
    cursor = auto.cursor()
    with auto.pipeline():
        cursor.execute("select %s::int", (1,))
        cursor.execute("select %s::int", (2,))
    assert cursor.fetchall() == [(2,)]


def test_types_that_must_be_looked_up_are(auto: Any) -> None:
    auto.execute("create type pipeline_mood as enum ('sad', 'ok')")
    try:
        with auto.pipeline():
            before = auto.execute("select %s::int", (1,))
            mood = auto.execute("select %s::pipeline_mood, array['sad']::pipeline_mood[]", ("ok",))
        assert (before.fetchone(), mood.fetchone()) == ((1,), ("ok", ["sad"]))
    finally:
        auto.execute("drop type pipeline_mood")


def test_a_look_up_does_not_take_the_place_of_the_statement_before_it(auto: Any) -> None:
    auto.execute("create type pipeline_word as enum ('a', 'b')")
    try:
        with auto.pipeline():
            first = auto.execute("select array[%s::text]", ("first",))
            named = auto.execute("select %s::pipeline_word", ("b",), prepare=True)
            again = auto.execute("select array[%s::text]", ("again",))
        assert (first.fetchone(), named.fetchone(), again.fetchone()) == ((["first"],), ("b",), (["again"],))
    finally:
        auto.execute("drop type pipeline_word")


def test_a_prepared_statement_that_was_dropped_fails_and_is_prepared_anew_afterwards(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, autocommit=True, prepare_threshold=0)
    conn.execute("select %s::int", (1,))
    conn.execute("do $$ begin execute 'deallocate all'; end $$")
    with pytest.raises(errors.InvalidSqlStatementName), conn.pipeline():
        conn.execute("select %s::int", (2,))
    assert conn.execute("select %s::int", (3,)).fetchone() == (3,)
    with conn.pipeline():
        assert conn.execute("select %s::int", (4,)).fetchone() == (4,)


def test_threads_share_a_pipeline(dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        found: dict[int, Any] = {}

        def work(base: int) -> None:
            cursors = [conn.execute("select %s::int", (base + number,)) for number in range(200)]
            found[base] = [cursor.fetchone() for cursor in cursors]

        with conn.pipeline():
            threads = [threading.Thread(target=work, args=(base,)) for base in (0, 1000, 2000)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == {base: [(number,) for number in range(base, base + 200)] for base in (0, 1000, 2000)}
