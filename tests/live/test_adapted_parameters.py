"""Values that the server takes for something else than what they are: read by it, or declared by their class."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import pgfast
from pgfast import DataError, Range, errors
from tests.faces import Face, target

DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12)
AWARE = NOON.replace(tzinfo=timezone.utc)
ID = UUID(int=5)

#: (query, its parameters, the row).
CASES: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
    ("select %s", (1,), (1,)),
    ("select %s", (2**40,), (2**40,)),
    ("select %s", (2**70,), (Decimal(2**70),)),
    ("select %s", (True,), (True,)),
    ("select %s", (1.5,), (1.5,)),
    ("select %s", (Decimal("1.50"),), (Decimal("1.50"),)),
    ("select %s", (DAY,), (DAY,)),
    ("select %s", (NOON,), (NOON,)),
    ("select %s", (AWARE,), (AWARE,)),
    ("select %s", (time(1, 2),), (time(1, 2),)),
    ("select %s", (timedelta(1, 2),), (timedelta(1, 2),)),
    ("select %s", (ID,), (ID,)),
    ("select %s", (b"\x00x",), (b"\x00x",)),
    ("select %s", ([1, 2, None],), ([1, 2, None],)),
    ("select %s", ([1, 2**40],), ([1, 2**40],)),
    ("select %s", ({"a": [1]},), ({"a": [1]},)),
    ("select %s", (pgfast.Json("x"),), ("x",)),
    ("select %s", (Range(1, 5),), (Range(1, 5),)),
    ("select %s", ("text",), ("text",)),
    ("select %s", (None,), (None,)),
    ("select %s, %s, %s", (1, "a", None), (1, "a", None)),
    ("select pg_typeof(%s)::text", (1,), ("integer",)),
    (
        "select pg_typeof(%s)::text, pg_typeof(%s)::text",
        (NOON, AWARE),
        ("timestamp without time zone", "timestamp with time zone"),
    ),
    ("select concat('a', %s, %s)", (1, "x"), ("a1x",)),
    ("select %s is null", ("x",), (False,)),
    ("select to_char(%s, 'YYYY')", (NOON,), ("2024",)),
    ("select date_trunc('month', %s)", (NOON,), (datetime(2024, 2, 1),)),
    ("select sum(%s)", (5,), (5,)),
    ("select array_append(%s, %s)", ([1], 2), ([1, 2],)),
    ("select timestamp '2024-03-01' - %s", (timedelta(1),), (datetime(2024, 2, 29),)),
    ("select 5 / %s", (2,), (2,)),
    ("select 5 / %s", (2.0,), (2.5,)),
    ("select 5 / %s", (Decimal(2),), (Decimal("2.5000000000000000"),)),
    ("select 1 + %s", (1.5,), (2.5,)),
    ("select 1 = %s", (2**40,), (False,)),
    ("select date '2024-02-29' = %s", ("2024-02-29",), (True,)),
    ("select date '2024-02-29' < %s", (NOON,), (True,)),
    ("select date '2024-02-29' - %s", (1,), (date(2024, 2, 28),)),
    ("select %s::date", ("2024-02-29",), (DAY,)),
    ("select %s::int[]", ("{1,2}",), ([1, 2],)),
    ("select %s::date[]", (["2024-02-29", None],), ([DAY, None],)),
    ("select %s::interval", ("1 day",), (timedelta(1),)),
    ("select %s::text", (5,), ("5",)),
    ("select coalesce(%s, 1)", ("5",), (5,)),
    ("select %s || ''", (1.5,), ("1.5",)),
    ("select %s in (%s, %s)", (1, 2, 1), (True,)),
    ("select case when %s then %s else %s end", (True, 1, 2), (1,)),
    ("select jsonb_build_object('a', %s)", (1,), ({"a": 1},)),
    ("select '{\"a\": 1}'::jsonb -> %s", ("a",), (1,)),
    ("select '[7, 8]'::jsonb -> %s", (1,), (8,)),
    ("select timestamptz '2024-02-29 12:00+00' = %s", ("2024-02-29 12:00+00",), (True,)),
    ("select inet '10.0.0.1' = %s", ("10.0.0.1",), (True,)),
]


@pytest.mark.parametrize("prepare", [False, True], ids=["unprepared", "prepared"])
@pytest.mark.parametrize("autocommit", [False, True], ids=["transaction", "autocommit"])
def test_values_go_as_what_they_are(face: Face, dsn: str, autocommit: bool, prepare: bool) -> None:
    conn = face.connect(dsn, autocommit=autocommit)
    conn.execute("set timezone to 'UTC'")
    for query, params, row in CASES:
        for _ in range(3):
            found = conn.execute(query, params, prepare=prepare).fetchone()
            assert found == row, query
            assert [type(value) for value in found] == [type(value) for value in row], query
    assert conn.info.transaction_status.name == ("IDLE" if autocommit else "INTRANS")


def test_asking_again_undoes_nothing_of_the_transaction(conn: Any) -> None:
    conn.execute("create temp table kept (a int)")
    conn.execute("insert into kept values (1)")
    assert conn.execute("select to_char(%s, 'YYYY')", (NOON,)).fetchone() == ("2024",)
    conn.execute("insert into kept values (2)")
    conn.commit()
    assert conn.execute("select count(*) from kept").fetchone() == (2,)


def test_what_no_class_mends_spoils_the_transaction_as_ever(conn: Any) -> None:
    with pytest.raises(errors.UndefinedFunction, match=r"no_such_function\(integer\)"):
        conn.execute("select no_such_function(%s)", (1,))
    assert conn.info.transaction_status.name == "INERROR"
    with pytest.raises(errors.InFailedSqlTransaction):
        conn.execute("select 1")
    conn.rollback()
    assert conn.execute("select %s", (1,)).fetchone() == (1,)


def test_a_savepoint_of_the_programs_own_stays(conn: Any) -> None:
    conn.execute("savepoint _pgfast_parse")
    conn.execute("create temp table s (a int)")
    assert conn.execute("select concat(%s)", (1,)).fetchone() == ("1",)
    conn.execute("rollback to savepoint _pgfast_parse")
    with pytest.raises(errors.UndefinedTable):
        conn.execute("select * from s")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 1.5),
        ("int", Decimal("1.5")),
        ("int", 2**40),
        ("smallint", 2**20),
        ("date", NOON),
        ("timestamp", AWARE),
        ("date", AWARE),
        ("float8", 2**60 + 1),
    ],
)
def test_nothing_is_bent_on_its_way_into_a_table(auto: Any, kind: str, value: Any) -> None:
    auto.execute(f"create temp table bent (a {kind})")
    with pytest.raises(DataError, match=r"^parameter \$1 "):
        auto.execute("insert into bent values (%s)", (value,))
    with pytest.raises(DataError, match=r"^row 2, parameter \$1 "):
        auto.cursor().executemany("insert into bent values (%s)", [(None,), (value,)])
    assert auto.execute("select count(*) from bent").fetchone() == (0,)


def test_whole_numbers_and_text_go_into_any_column(auto: Any) -> None:
    auto.execute("create temp table w (i int, n numeric, t text, d date, z timestamptz, f float8)")
    auto.execute("set timezone to 'UTC'")
    auto.execute(
        "insert into w values (%s, %s, %s, %s, %s, %s)", (2.0, 0.30000000000000004, 5, "2024-02-29", NOON, "1e3")
    )
    row = auto.execute("select * from w").fetchone()
    assert row == (2, Decimal("0.30000000000000004"), "5", DAY, AWARE, 1000.0)


def test_rows_of_executemany_go_each_as_what_it_is(auto: Any) -> None:
    auto.execute("create temp table m (i int, d date, n numeric, t text)")
    rows = [
        (1, DAY, 1.5, "a"),
        ("2", "2024-02-29", Decimal("2.5"), 7),
        (3, DAY, 0.30000000000000004, "z"),
        (4.0, None, 1, 2.5),
        *[(number, DAY, number, "many") for number in range(5, 2000)],
        ("2000", None, None, True),
    ]
    cursor = auto.cursor()
    cursor.executemany("insert into m values (%s, %s, %s, %s)", iter(rows))
    assert cursor.rowcount == 2000
    found = auto.execute("select * from m order by i").fetchall()
    assert found[:4] == [
        (1, DAY, Decimal("1.5"), "a"),
        (2, DAY, Decimal("2.5"), "7"),
        (3, DAY, Decimal("0.30000000000000004"), "z"),
        (4, None, Decimal(1), "2.5"),
    ]
    assert found[1999] == (2000, None, None, "true")
    cursor.executemany("select to_char(%s, '99'), %s", [(1, 2), (2.5, "x"), (Decimal(3), DAY)], returning=True)
    assert [cursor.set_result(number).fetchall() for number in range(3)] == [
        [("  1", 2)],
        [("  2", "x")],
        [("  3", DAY)],
    ]


def test_executemany_in_autocommit_is_all_or_nothing_when_it_adapts(auto: Any) -> None:
    auto.execute("create temp table n (i int)")
    with pytest.raises(errors.InvalidTextRepresentation):
        auto.cursor().executemany("insert into n values (%s)", [(1,), ("2",), ("three",)])
    assert auto.execute("select count(*) from n").fetchone() == (0,)


def test_pipelines_streams_cursors_and_columns_adapt_too(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    with conn.pipeline():
        found = [conn.execute("select 5 / %s", (value,)) for value in (2, 2.0, "5", 2, 2.5)]
        found.append(conn.execute("select date '2024-01-01' < %s", ("2024-02-29",)))
        assert [cursor.fetchone()[0] for cursor in found] == [2, 2.5, 1, 2, 2.0, True]
    assert list(conn.cursor().stream("select generate_series(1, 2) + %s", (0.5,))) == [(1.5,), (2.5,)]
    with conn.cursor("named") as cursor:
        assert cursor.execute("select %s, to_char(%s, 'YYYY')", (1, NOON)).fetchall() == [(1, "2024")]
    columns = conn.fetch_columns("select %s as a", [5])
    assert columns.to_numpy()["a"].tolist() == [5]


def test_a_statement_that_is_adapted_is_prepared_like_any_other(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, autocommit=True, prepare_threshold=0)
    for _ in range(3):
        assert conn.execute("select %s", (1,)).fetchone() == (1,)
    names = conn.execute("select parameter_types::text from pg_prepared_statements where statement = 'select $1'")
    assert sorted(names.fetchall()) == [("{integer}",), ("{text}",)]
    assert len(conn._session.prepared.adaptations) == 1


def test_strictness_can_be_chosen(auto: Any) -> None:
    auto.types.configure(parameters="strict")
    with pytest.raises(DataError, match=r"write the cast \$1::int4 in the query"):
        auto.execute("select %s", (1,))
    with pytest.raises(errors.AmbiguousFunction):
        auto.execute("select to_char(%s, 'YYYY')", (NOON,))
    with pytest.raises(pgfast.ProgrammingError, match="parameters must be one of"):
        auto.types.configure(parameters="loose")
    assert auto.execute("select 4 / %s", (2.0,)).fetchone() == (2,)


def test_what_is_adapted_may_change_with_the_table(auto: Any) -> None:
    auto.execute("create temp table c (a date)")
    for _ in range(8):
        auto.execute("insert into c values (%s)", ("2024-02-29",))
    auto.execute("alter table c alter a type text using a::text")
    try:
        auto.execute("insert into c values (%s)", ("word",))
    except errors.InvalidDatetimeFormat:  # the prepared statement still had a date
        auto.execute("insert into c values (%s)", ("word",))
    assert auto.execute("select count(*) from c where a = 'word'").fetchone() == (1,)


def test_a_value_of_the_same_class_may_go_otherwise_than_the_last_one(auto: Any) -> None:
    auto.execute("set time zone 'UTC'; create temp table m (a timestamptz)")
    for value in (NOON, AWARE, NOON, AWARE):  # one without a zone is declared, one with a zone is what the server takes
        auto.execute("insert into m values (%s)", (value,))
    assert auto.execute("select distinct a from m").fetchall() == [(AWARE,)]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (Range(NOON, None), "tstzrange", Range(AWARE, None)),
        (Range("2024-01-01", "2024-02-01"), "daterange", Range(date(2024, 1, 1), date(2024, 2, 1))),
        (pgfast.Multirange([Range(NOON, None)]), "tstzmultirange", pgfast.Multirange([Range(AWARE, None)])),
    ],
)
def test_a_range_goes_as_text_where_its_bounds_are_not_the_types_own(
    auto: Any, value: Any, kind: str, expected: Any
) -> None:
    auto.execute(f"set time zone 'UTC'; create temp table r (a {kind}, b int8range)")
    auto.execute(f"insert into r values (%s::{kind}, %s::int8range)", (value, Range(1, 5)))
    auto.execute("insert into r values (%s, %s)", (value, Range(1, 5)))
    assert auto.execute("select distinct a, b from r").fetchall() == [(expected, Range(1, 5))]


@pytest.mark.parametrize(("value", "kind"), [(Range(NOON, None), "daterange"), (Range(AWARE, None), "tsrange")])
def test_a_range_whose_bounds_would_be_bent_is_refused(auto: Any, value: Any, kind: str) -> None:
    auto.execute(f"create temp table r (a {kind})")
    with pytest.raises(pgfast.Error):
        auto.execute("insert into r values (%s)", (value,))
    assert auto.execute("select count(*) from r").fetchone() == (0,)


def test_rows_go_to_a_type_that_another_connection_has_made_anew(face: Face, dsn: str) -> None:
    first, second = face.connect(dsn, autocommit=True, prepare_threshold=0), face.connect(dsn, autocommit=True)
    second.execute("drop table if exists renewed; drop type if exists renewed_kind")
    for labels in ("'a', 'b'", "'b', 'c'"):
        second.execute(f"create type renewed_kind as enum ({labels})")
        second.execute("create table renewed (k renewed_kind[])")
        rows: list[tuple[list[str]]] = [([],), (["b"],)]
        first.cursor().executemany("insert into renewed values (%s::renewed_kind[])", rows)
        assert second.execute("select k from renewed").fetchall() == rows
        second.execute("drop table renewed; drop type renewed_kind")


def test_what_fails_while_it_is_executed_is_not_executed_again(auto: Any) -> None:
    auto.execute("create table if not exists once (a int); truncate once")
    auto.execute(
        "create or replace procedure once_only(x int) language plpgsql as $$ begin "
        "insert into once values (x); commit; perform no_such_function(x); end $$"
    )
    for prepare in (False, True):
        with pytest.raises(errors.UndefinedFunction, match="no_such_function"):
            auto.execute("call once_only(%s)", (1,), prepare=prepare)
    with pytest.raises(errors.UndefinedFunction, match="no_such_function"):
        auto.execute("call once_only(%s)", ("1",))
    assert auto.execute("select count(*) from once").fetchone() == (3,)


@pytest.mark.parametrize(
    "statement",
    [
        "update rounded set a = %s",
        "with x as (select 1) update rounded set a = %s",
        "with x as (insert into rounded values (%s) returning a) select * from x",
        "insert into rounded select %s + 0",
    ],
)
def test_no_statement_rounds_what_it_puts_into_a_table(auto: Any, statement: str) -> None:
    auto.execute("create temp table rounded (a int)")
    auto.execute("insert into rounded values (1)")
    for value in (1.5, Decimal("1.5")):
        with pytest.raises(DataError, match="not a whole number"):
            auto.execute(statement, (value,))
    auto.execute(statement, (7.0,))
    assert {row[0] for row in auto.execute("select a from rounded")} <= {1, 7}
    assert auto.execute("select count(*) from rounded where a = 7").fetchone() == (1,)


def test_a_whole_float_is_a_float_in_an_insert_too(auto: Any) -> None:
    auto.execute("create temp table halves (a float8)")
    auto.execute("insert into halves values (5 / %s)", (2.0,))
    assert auto.execute("select a from halves").fetchone() == (2.5,)


def test_rows_with_nulls_between_go_in_one_pipeline(auto: Any) -> None:
    auto.execute("create temp table gaps (d date, i int)")
    written: list[int] = []
    session = target(auto)._session
    sync = session.write_sync

    def counted() -> None:
        written.append(1)
        sync()

    session.write_sync = counted
    rows = [("2024-02-29" if n % 2 else None, float(n) if n % 3 else None) for n in range(300)]
    auto.cursor().executemany("insert into gaps values (%s, %s)", rows)
    assert len(written) < 10
    assert auto.execute("select count(d), count(i), sum(i) from gaps").fetchone() == (150, 200, 30000)
