"""Cursors: queries with and without parameters, results of one statement and of many, many executions in a pipeline."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

import pgfast
from pgfast import errors

from ..faces import Face

#: More than both sides' socket buffers hold together, by far.
LARGE = 3_000_000


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("select %s::int, %s::text", (1, "a")),
        ("select %s::int, %s::text", [1, "a"]),
        ("select %(n)s::int, %(t)s::text", {"n": 1, "t": "a"}),
        ("select $1::int, $2::text", (1, "a")),
        (b"select $1::int, $2::text", (1, "a")),
        ("select 1, 'a'::text", None),
        ("select 9 %% 2, 'a'::text", ()),
        ("select 9 % 2, 'a'::text", None),
    ],
)
def test_parameters_of_every_style_are_bound(conn: Any, query: Any, params: Any) -> None:
    assert conn.execute(query, params).fetchall() == [(1, "a")]


def test_a_value_is_never_part_of_the_text(conn: Any) -> None:
    evil = "'; drop table nothing; --"
    assert conn.execute("select %s::text", (evil,)).fetchone() == (evil,)


def test_results_come_in_binary_wherever_the_type_is_known(conn: Any) -> None:
    row = conn.execute(
        "select 1.10::numeric(6,2), '2024-02-29'::date, array[1,2], null::text, '(1,2)'::point, true, '1 day'::interval"
    ).fetchone()
    assert row == (Decimal("1.10"), datetime.date(2024, 2, 29), [1, 2], None, (1.0, 2.0), True, datetime.timedelta(1))


def test_the_same_values_come_from_several_statements_at_once(conn: Any) -> None:
    query = "select 1.10::numeric(6,2), '2024-02-29'::date, array[1,2], null::text, '(1,2)'::point, true"
    one = conn.execute(query).fetchone()
    cursor = conn.execute(f"{query}; {query}")
    assert cursor.fetchone() == one
    assert cursor.nextset() is True
    assert cursor.fetchone() == one
    assert cursor.nextset() is None


def test_fetching_walks_through_the_rows_once(conn: Any) -> None:
    cursor = conn.execute("select generate_series(1, 10)")
    assert cursor.rownumber == 0
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany() == [(2,)]
    assert cursor.fetchmany(3) == [(3,), (4,), (5,)]
    assert cursor.rownumber == 5
    rows = iter(cursor)
    assert next(rows) == (6,)
    assert cursor.fetchall() == [(7,), (8,), (9,), (10,)]
    assert cursor.fetchone() is None
    assert cursor.fetchall() == []
    assert list(cursor) == []
    assert cursor.fetchmany(5) == []


def test_arraysize_is_the_default_of_fetchmany(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.arraysize = 4
    cursor.execute("select generate_series(1, 10)")
    assert len(cursor.fetchmany()) == 4


def test_the_description_tells_the_columns(conn: Any) -> None:
    cursor = conn.execute(
        "select 1::int2 as small, 'x'::varchar(7) as short, 1.5::numeric(9,3) as exact, 2::numeric as n"
    )
    assert [tuple(column) for column in cursor.description] == [
        ("small", 21, None, 2, None, None, None),
        ("short", 1043, 7, None, None, None, None),
        ("exact", 1700, None, None, 9, 3, None),
        ("n", 1700, None, None, None, None, None),
    ]
    assert cursor.description[0].type_code == pgfast.NUMBER
    assert cursor.description[1].type_code == pgfast.STRING
    assert cursor.description[1].type_code != pgfast.NUMBER
    assert conn.execute("select 1::numeric(2,-3)").description[0].scale == -3


@pytest.mark.parametrize(
    ("query", "rowcount", "message", "rows"),
    [
        ("select generate_series(1, 3)", 3, "SELECT 3", True),
        ("insert into t select generate_series(1, 4)", 4, "INSERT 0 4", False),
        ("update t set a = 0 where a > 2 returning a", 0, "UPDATE 0", True),
        ("create temp table u (a int)", -1, "CREATE TABLE", False),
        ("", -1, "", False),
        (" ; -- nothing", -1, "", False),
    ],
)
def test_the_command_tag_and_row_count_of_a_statement(
    conn: Any, query: str, rowcount: int, message: str, rows: bool
) -> None:
    conn.execute("create temp table t (a int)")
    cursor = conn.execute(query)
    assert cursor.rowcount == rowcount
    assert cursor.statusmessage == message
    assert (cursor.description is not None) is rows
    if not rows:
        with pytest.raises(pgfast.ProgrammingError, match="there is nothing to fetch"):
            cursor.fetchone()


def test_several_statements_have_a_result_each(conn: Any) -> None:
    cursor = conn.execute("create temp table t (a int); insert into t values (1), (2); select a from t; ; select 'x;y'")
    seen = []
    while True:
        seen.append((cursor.statusmessage, cursor.rowcount, cursor.fetchall() if cursor.description else None))
        if not cursor.nextset():
            break
    assert seen == [
        ("CREATE TABLE", -1, None),
        ("INSERT 0 2", 2, None),
        ("SELECT 2", 2, [(1,), (2,)]),
        ("SELECT 1", 1, [("x;y",)]),
    ]


def test_an_error_in_several_statements_is_raised_and_leaves_the_connection_usable(auto: Any) -> None:
    with pytest.raises(errors.DivisionByZero):
        auto.execute("select 1; select 1/0; select 2")
    assert auto.execute("select 3").fetchone() == (3,)


def test_a_query_without_an_execution_has_nothing_to_fetch(conn: Any) -> None:
    cursor = conn.cursor()
    assert cursor.description is None
    assert cursor.rowcount == -1
    assert cursor.statusmessage is None
    assert cursor.nextset() is None
    with pytest.raises(pgfast.ProgrammingError, match="no query has been executed"):
        cursor.fetchall()


def test_a_closed_cursor_says_so(conn: Any) -> None:
    with conn.cursor() as cursor:
        cursor.execute("select 1")
    assert cursor.closed
    with pytest.raises(pgfast.InterfaceError, match="the cursor is closed"):
        cursor.execute("select 1")
    with pytest.raises(pgfast.InterfaceError, match="the cursor is closed"):
        cursor.fetchone()


def test_a_value_that_cannot_be_read_leaves_the_connection_usable(conn: Any) -> None:
    with pytest.raises(pgfast.DataError, match="infinite"):
        conn.execute("select 'infinity'::date from generate_series(1, 100000)")
    assert conn.execute("select 1").fetchone() == (1,)
    assert conn.info.transaction_status is pgfast.TransactionStatus.INTRANS


def test_a_value_that_does_not_fit_is_named_by_its_parameter(conn: Any) -> None:
    conn.types.configure(parameters="strict")
    with pytest.raises(pgfast.DataError, match=r"^parameter \$2 \(smallint\): 99999 is out of range"):
        conn.execute("select %s::int, %s::int2", (1, 99999))
    assert conn.execute("select 1").fetchone() == (1,)


def test_large_parameters_and_results_pass(conn: Any) -> None:
    text = "ä" * LARGE
    assert conn.execute("select %s::text || 'x'", (text,)).fetchone() == (text + "x",)


@pytest.mark.parametrize("threshold", [0, 5, None])
def test_a_statement_may_be_executed_any_number_of_times(face: Face, dsn: str, threshold: int | None) -> None:
    conn = face.connect(dsn, prepare_threshold=threshold, autocommit=True)
    assert conn.prepare_threshold == threshold
    for number in range(12):
        assert conn.execute("select %s::int + 1", (number,)).fetchone() == (number + 1,)
    expected = {0: 2, 5: 1, None: 0}[threshold]  # this query itself is prepared too where that is done at once
    assert len(conn.execute("select name from pg_prepared_statements").fetchall()) == expected


def test_prepare_overrules_the_threshold(auto: Any) -> None:
    auto.execute("select %s::int", (1,), prepare=True)
    assert auto.execute("select statement from pg_prepared_statements").fetchall() == [("select $1::int",)]


def test_no_more_statements_stay_prepared_than_wanted(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, prepare_threshold=0, autocommit=True)
    conn.prepared_max = 3
    for number in range(10):
        conn.execute(f"select {number}")
    names = conn.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone()[0]
    assert names <= 4


@pytest.mark.parametrize("change", ["alter table changing add column b text", "deallocate all", "discard all"])
def test_a_prepared_statement_survives_what_makes_it_stale(face: Face, dsn: str, change: str) -> None:
    conn = face.connect(dsn, prepare_threshold=0, autocommit=True)
    conn.execute("create temp table changing (a int)")
    for _ in range(2):
        assert conn.execute("select * from changing").fetchall() == []
    if change == "discard all":
        conn.execute("do $$ begin execute 'deallocate all'; end $$")  # behind the driver's back
    else:
        conn.execute(change)
    assert conn.execute("select * from changing").fetchall() == []


def test_executemany_inserts_every_row_in_order(conn: Any) -> None:
    conn.execute("create temp table t (a int, b text)")
    cursor = conn.cursor()
    cursor.executemany("insert into t values (%s, %s)", ((number, f"row {number}") for number in range(1000)))
    assert cursor.rowcount == 1000
    assert cursor.description is None
    assert conn.execute("select count(*), sum(a), max(b) from t").fetchone() == (1000, 499500, "row 999")


def test_executemany_takes_mappings_too(conn: Any) -> None:
    conn.execute("create temp table t (a int, b text)")
    conn.cursor().executemany("insert into t values (%(a)s, %(b)s)", [{"a": 1, "b": "x"}, {"b": "y", "a": 2}])
    assert conn.execute("select * from t order by a").fetchall() == [(1, "x"), (2, "y")]


def test_executemany_of_nothing_executes_nothing(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.executemany("select %s::int", [])
    assert cursor.rowcount == 0


def test_executemany_gives_a_result_for_every_execution_when_asked_to(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.executemany("select %s::int, generate_series(1, %s)", [(1, 0), (2, 1), (3, 2)], returning=True)
    seen = [cursor.fetchall()]
    while cursor.nextset():
        seen.append(cursor.fetchall())
    assert seen == [[], [(2, 1)], [(3, 1), (3, 2)]]


def test_each_of_many_results_is_walked_through_by_itself(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.executemany("select generate_series(1, %s) * 10", [(3,), (0,), (2,)], returning=True)
    seen: list[Any] = []
    more = True
    while more:
        seen.append((cursor.statusmessage, cursor.rowcount, cursor.rownumber, cursor.fetchone(), cursor.rownumber))
        seen.append((cursor.fetchmany(1), cursor.fetchall(), cursor.fetchall(), cursor.fetchone()))
        more = bool(cursor.nextset())
    assert seen == [
        ("SELECT 3", 3, 0, (10,), 1),
        ([(20,)], [(30,)], [], None),
        ("SELECT 0", 0, 0, None, 0),
        ([], [], [], None),
        ("SELECT 2", 2, 0, (10,), 1),
        ([(20,)], [], [], None),
    ]
    assert [column.type_code for column in cursor.description] == [23]
    assert cursor.nextset() is None


def test_many_results_without_rows_have_nothing_to_fetch(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    cursor = auto.cursor()
    cursor.executemany("insert into t values (%s)", [(1,), (2,)], returning=True)
    for _ in range(2):
        assert cursor.description is None
        assert cursor.rowcount == 1
        with pytest.raises(pgfast.ProgrammingError, match="it was INSERT 0 1"):
            cursor.fetchone()
        cursor.nextset()
    cursor.executemany("insert into t values (%s)", [], returning=True)
    with pytest.raises(pgfast.ProgrammingError, match="no query"):
        cursor.fetchall()


def test_a_row_that_cannot_be_read_fails_executemany_with_its_reason(auto: Any) -> None:
    def refuse(text: str) -> Any:
        if text == "three":
            raise ValueError("no threes")
        return text

    auto.types.register("text", decode=refuse)
    for words in (["one", "two", "three", "four"], ["three"], ["one"] * 5000 + ["three"] + ["two"] * 5000):
        with pytest.raises(pgfast.DataError, match="no threes"):
            auto.cursor().executemany("select %s::text", [(word,) for word in words], returning=True)
        assert auto.execute("select 'four'::text").fetchall() == [("four",)]


def test_the_list_of_all_rows_belongs_to_who_has_fetched_it(conn: Any) -> None:
    cursor = conn.execute("select generate_series(1, 3)")
    rows = cursor.fetchall()
    rows.append("mine")
    assert cursor.fetchall() == []
    assert cursor.fetchone() is None
    assert (cursor.rowcount, cursor.rownumber) == (3, 3)
    assert conn.execute("select generate_series(1, 3)").fetchall() == [(1,), (2,), (3,)]


def test_a_query_is_read_anew_when_backslashes_mean_something_else(auto: Any) -> None:
    query = r"select 'a\' || %s || 'b'"
    for _ in range(2):
        auto.execute("set standard_conforming_strings = on")
        for _ in range(8):
            assert auto.execute(query, ("x",)).fetchone() == (r"a\xb",)
        auto.execute("set standard_conforming_strings = off")
        with pytest.raises(pgfast.ProgrammingError, match="inside a quoted string"):
            auto.execute(query, ("x",))


def test_statements_take_turns_and_none_is_executed_for_another(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, prepare_threshold=1, autocommit=True)
    conn.prepared_max = 3
    for turn in range(6):
        for kind in (0, 1, 2, 0, 3, 0, 4):
            for params in ((turn,), [turn]):
                assert conn.execute(f"select {kind}, %s::int", params).fetchall() == [(kind, turn)]
            assert conn.execute(f"select {kind}, 'x%%s'").fetchone() == (kind, "x%%s")
            assert conn.execute(f"select {kind}, 'x%%', %(n)s::int", {"n": turn}).fetchone() == (kind, "x%", turn)
            with pytest.raises(pgfast.ProgrammingError, match="1 placeholders"):
                conn.execute(f"select {kind}, %s::int", (1, 2))
    assert conn.execute("select count(*) from pg_prepared_statements", prepare=False).fetchone() <= (4,)


def test_executemany_is_all_or_nothing_in_autocommit_mode(auto: Any) -> None:
    auto.execute("create temp table t (a int check (a < 5))")
    for rows, error in (
        ([(number,) for number in range(10)], errors.CheckViolation),
        ([(1,), ("x",)], pgfast.DataError),
        ([(1,), (1, 2)], pgfast.ProgrammingError),
    ):
        with pytest.raises(error):
            auto.cursor().executemany("insert into t values (%s)", rows)
        assert auto.info.transaction_status is pgfast.TransactionStatus.IDLE
        assert auto.execute("select count(*) from t").fetchone() == (0,)
    auto.cursor().executemany("insert into t values (%s)", [(1,), (2,)])
    assert auto.execute("select count(*) from t").fetchone() == (2,)


def test_executemany_names_the_row_and_parameter_that_do_not_fit(conn: Any) -> None:
    conn.types.configure(parameters="strict")
    conn.execute("create temp table t (a int, b int)")
    with pytest.raises(pgfast.DataError, match=r"^row 3, parameter \$2 \(integer\): 'x'"):
        conn.cursor().executemany("insert into t values (%s, %s)", [(1, 1), (2, 2), (3, "x")])
    assert conn.execute("select 1").fetchone() == (1,)


def test_executemany_passes_on_what_its_source_raises(auto: Any) -> None:
    def rows() -> Any:
        yield (1,)
        raise ZeroDivisionError("mine")

    auto.execute("create temp table t (a int)")
    with pytest.raises(ZeroDivisionError, match="mine"):
        auto.cursor().executemany("insert into t values (%s)", rows())
    assert auto.execute("select count(*) from t").fetchone() == (0,)


def test_executemany_does_not_deadlock_however_large_both_directions_are(conn: Any) -> None:
    # Every execution sends and receives a megabyte, and nothing is waited for in between: both sockets fill up.
    text = "x" * 1_000_000
    cursor = conn.cursor()
    cursor.executemany(
        "select $1::int, $2::text", ((number, text) for number in range(40)), returning=True, timeout=120
    )
    count = 0
    while True:
        assert cursor.fetchall() == [(count, text)]
        count += 1
        if not cursor.nextset():
            break
    assert count == 40


def test_executemany_stops_early_at_an_error(auto: Any) -> None:
    auto.execute("create temp table t (a int check (a < 5))")
    taken = 0

    def rows() -> Any:
        nonlocal taken
        for number in range(200_000):
            taken = number
            yield (number, "x" * 1000)

    with pytest.raises(errors.CheckViolation):
        auto.cursor().executemany("insert into t select $1::int where $2::text <> ''", rows())
    assert taken < 199_999
    assert auto.execute("select 1").fetchone() == (1,)


def test_many_columns_and_many_parameters_pass(conn: Any) -> None:
    columns = ", ".join(f"${number + 1}::int" for number in range(1600))
    values = list(range(1600))
    assert conn.execute(f"select {columns}", values).fetchone() == tuple(values)
    with pytest.raises(pgfast.ProgrammingError, match="at most 65535"):
        conn.execute("select " + ", ".join(["%s::int"] * 65536), [1] * 65536)
    query = f"select array[{', '.join(['%s::int'] * 65535)}]"
    assert conn.execute(query, range(65535)).fetchone() == (list(range(65535)),)


def test_a_row_without_columns_is_an_empty_tuple(conn: Any) -> None:
    cursor = conn.execute("select from generate_series(1, 3)")
    assert cursor.fetchall() == [(), (), ()]
    assert cursor.description == []


def test_copy_by_execute_points_to_copy(conn: Any) -> None:
    conn.execute("create temp table t (a int)")
    for query in ("copy t from stdin", "copy t to stdout", "select 1; copy t from stdin; select 2"):
        with pytest.raises(pgfast.ProgrammingError, match=r"use cursor\.copy\(\)"):
            conn.execute(query, timeout=20)
        conn.rollback()
        conn.execute("create temp table t (a int)")


def test_a_query_that_is_no_text_is_refused(conn: Any) -> None:
    with pytest.raises(pgfast.ProgrammingError, match="a query is a str, not int"):
        conn.execute(5)
    with pytest.raises(pgfast.ProgrammingError, match="not valid UTF-8: byte 9"):
        conn.execute(b"select '\xff'")
    with pytest.raises(pgfast.ProgrammingError, match="a query is a str, not int"):
        conn.cursor().executemany(5, [(1,)])
    with pytest.raises(pgfast.ProgrammingError, match="NUL character at position 9"):
        conn.execute("select '\0'")
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_backslash_escapes_where_the_server_says_so(auto: Any) -> None:
    auto.execute("set standard_conforming_strings = off")
    auto.execute("set escape_string_warning = off")
    assert auto.execute("select '\\'; select $1', %s::int", (1,)).fetchone() == ("'; select $1", 1)
