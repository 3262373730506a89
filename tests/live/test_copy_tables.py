"""Tables copied from server to server: what arrives, what it is a state of, and that nothing arrives by halves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import pgfast
from pgfast import CopyReport, InterfaceError, ProgrammingError, errors
from pgfast.embedded import EmbeddedServer
from pgfast.exporting.described import grouped

from ..faces import Face
from ..waiting import until

MANY: Final = 40_000
Ends = tuple[str, str]


@pytest.fixture(scope="module")
def ends(dsn: str) -> Iterator[Ends]:
    """Two databases: where from and where to."""
    names = ("copied_from", "copied_to")
    with pgfast.connect(dsn, autocommit=True) as conn:
        for name in names:
            conn.execute(f"create database {name}")
        base = dsn.rsplit("/", 1)[0]
        yield f"{base}/{names[0]}", f"{base}/{names[1]}"
        for name in names:
            conn.execute(f"drop database {name}")


@pytest.fixture
def home(ends: Ends) -> Iterator[pgfast.Connection]:
    """A connection to the source, where everything is dropped at the end."""
    with pgfast.connect(ends[0], autocommit=True) as conn:
        yield conn
        emptied(conn)


@pytest.fixture
def away(ends: Ends) -> Iterator[pgfast.Connection]:
    """A connection to the target, where everything is dropped at the end."""
    with pgfast.connect(ends[1], autocommit=True) as conn:
        yield conn
        emptied(conn)


def emptied(conn: pgfast.Connection) -> None:
    conn.execute("drop schema public cascade; create schema public; grant usage on schema public to public")


@pytest.fixture
def copy(face: Face, ends: Ends) -> Callable[..., CopyReport]:
    """A copy by each face."""

    def run(*tables: str, **options: Any) -> CopyReport:
        if not face.is_async:
            return pgfast.copy_tables(*ends, tables, **options)
        made: CopyReport = face.run(pgfast.copy_tables_async(*ends, tables, **options))
        return made

    return run


def content(conn: pgfast.Connection, table: str, columns: str = "t") -> tuple[Any, ...]:
    """The number of rows, and what all of them are."""
    found = conn.execute(
        "select count(*), md5(string_agg(r, ',' order by r)) "
        f"from (select md5(({columns})::text) as r from {table} t) q"
    ).fetchone()
    assert found is not None
    return found


def until_alone(conn: pgfast.Connection) -> None:
    """Return when nobody else is connected to the database."""
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
        "and backend_type = 'client backend'"
    )
    until(lambda: conn.execute(others).fetchone() == (0,), "nobody else is connected")


def many(conn: pgfast.Connection, name: str = "many", rows: int = MANY) -> None:
    conn.execute(f"create table {name} (id int8 primary key, price numeric(12,2), name text, at timestamptz)")
    conn.execute(
        f"insert into {name} select i, i / 100.0, case when i % 5 > 0 then repeat('n', 150) || i end, "
        f"'2024-01-01'::timestamptz + i * '1 s'::interval from generate_series(1, {rows}) i"
    )


# ---------------------------------------------------------------- what arrives


def test_created_tables_are_like_those_of_the_source(copy: Any, home: Any, away: Any) -> None:
    many(home)
    home.execute(
        'create table "Odd ""Name" ("a b" int generated always as identity, "C" text not null, '
        'g int generated always as ("a b" + 1) stored, primary key ("C", "a b"))'
    )
    home.execute("""insert into "Odd ""Name" ("C") select E'x\\\\\t\\n' || i from generate_series(1, 100) i""")
    home.execute("create table empty (a int, b text[])")
    report = copy("many", '"Odd ""Name"', "public.empty", create=True, sequences=True)
    for table in ("many", '"Odd ""Name"', "empty"):
        assert content(away, table) == content(home, table)
    assert [(one.table, one.rows, one.path, one.created, one.frozen) for one in report.tables] == [
        ("many", MANY, "binary", True, True),
        ('"Odd ""Name"', 100, "binary", True, True),
        ("public.empty", 0, "binary", True, True),
    ]
    assert report.rows == MANY + 100
    assert report.size_bytes > 1_000_000
    assert report.seconds > 0
    assert "rows of 3 tables" in str(report)
    described = (
        "select attname, format_type(atttypid, atttypmod), attnotnull, attidentity from pg_attribute "
        "where attrelid = $1::regclass and attnum > 0 order by attnum"
    )
    keys = "select pg_get_indexdef(indexrelid) from pg_index where indrelid = $1::regclass and indisprimary"
    for table in ("many", '"Odd ""Name"', "empty"):
        assert away.execute(described, [table]).fetchall() == home.execute(described, [table]).fetchall()
        assert away.execute(keys, [table]).fetchall() == home.execute(keys, [table]).fetchall()
    assert report.sequences == ('public."Odd ""Name_a b_seq"',)
    away.execute("""insert into "Odd ""Name" ("C") values ('next')""")
    assert away.execute("""select "a b" from "Odd ""Name" where "C" = 'next'""").fetchone() == (101,)


def test_columns_are_matched_by_name(copy: Any, home: Any, away: Any) -> None:
    home.execute("create table t (a int, b text, c int generated always as (a * 2) stored, d int)")
    home.execute("insert into t (a, b, d) values (1, 'x', 10), (2, null, 20)")
    away.execute(
        "create table t (more text default 'here', d int8, c int, b varchar(10), "
        "a int generated always as (length(more)) stored)"
    )
    report = copy("t")
    assert away.execute("select more, d, c, b, a from t order by d").fetchall() == [
        ("here", 10, 2, "x", 4),
        ("here", 20, 4, None, 4),
    ]
    assert [(one.columns, one.path, one.frozen) for one in report.tables] == [(("b", "c", "d"), "text", False)]


def test_a_table_may_have_another_name_at_the_target(copy: Any, home: Any, away: Any) -> None:
    many(home, rows=100)
    away.execute('create schema "Other"')
    report = copy("many", ("many", '"Other".again'), create=True)
    assert [(one.table, one.target) for one in report.tables] == [("many", "many"), ("many", '"Other".again')]
    assert content(away, "many") == content(away, '"Other".again') == content(home, "many")
    report = copy(("public.many", '"Other".again'), truncate=True)
    assert content(away, '"Other".again') == content(home, "many")
    with pytest.raises(errors.UndefinedTable, match="^the target, nowhere: "):
        copy(("many", "nowhere"))
    away.execute('drop schema "Other" cascade')


def test_types_of_users_go_as_text(copy: Any, home: Any, away: Any) -> None:
    for conn in (away, home):
        conn.execute("create type mood as enum ('sad', 'glad')")
        conn.execute("create domain positive as int check (value > 0)")
        conn.execute("create type pair as (a int, b text)")
    home.execute("create table enums (m mood, p pair, o oid, r regclass)")
    home.execute("insert into enums values ('glad', row(1, 'a\\b'), 7, 'pg_class')")
    home.execute("create table domains (p positive)")
    home.execute("insert into domains values (5)")
    report = copy("enums", "domains", create=True)
    assert [one.path for one in report.tables] == ["text", "binary"]
    for table in ("enums", "domains"):
        assert content(away, table) == content(home, table)


def test_views_and_partitions_are_copied(copy: Any, home: Any, away: Any) -> None:
    many(home, rows=1000)
    home.execute("create view seen as select id, name from many where id <= 10")
    away.execute("create table seen (id int8, name text)")
    for conn in (home, away):
        conn.execute("create table parts (id int8, filler text) partition by hash (id)")
        for number in range(3):
            conn.execute(
                f"create table parts_{number} partition of parts for values with (modulus 3, remainder {number})"
            )
    home.execute("insert into parts select i, repeat('y', 200) from generate_series(1, 30000) i")
    report = copy("seen", "parts", jobs=2)
    assert [(one.rows, one.pieces > 1) for one in report.tables] == [(10, False), (30_000, True)]
    assert content(away, "parts") == content(home, "parts")
    assert any(note.startswith("seen: one connection") for note in report.notes)
    again = copy("parts", truncate=True)
    assert again.tables[0].frozen is False
    assert content(away, "parts") == content(home, "parts")


def test_truncated_tables_hold_what_was_copied(copy: Any, home: Any, away: Any) -> None:
    many(home)
    many(away, rows=10)
    away.execute("update many set id = -id")
    report = copy("many", truncate=True)
    assert content(away, "many") == content(home, "many")
    assert report.tables[0].frozen
    with pytest.raises(errors.UniqueViolation, match=r"^the target, many: "):
        copy("many")
    assert content(away, "many") == content(home, "many")


def test_several_connections_copy_pieces_and_tables(copy: Any, home: Any, away: Any) -> None:
    seen: list[tuple[int, int]] = []
    names = [f"many{number}" for number in range(4)]
    for name in names:
        many(home, name)
        away.execute(f"create table {name} (id int8 primary key, price numeric(12,2), name text, at timestamptz)")
    report = copy(*names, jobs=3, progress=lambda *told: seen.append(told))
    assert report.jobs == 3
    assert all(one.pieces > 1 for one in report.tables)
    assert [one.rows for one in report.tables] == [MANY] * 4
    for name in names:
        assert content(away, name) == content(home, name)
    assert seen == sorted(seen)
    assert seen[-1][1] == report.size_bytes
    again = copy(*names, jobs=3, truncate=True)
    assert all(one.pieces == 1 and one.frozen for one in again.tables)
    assert len(again.notes) == 4
    assert content(away, "many3") == content(home, "many3")
    until_alone(home)
    until_alone(away)


def test_tables_with_foreign_keys_are_copied_in_their_order(copy: Any, home: Any, away: Any) -> None:
    for conn in (home, away):
        conn.execute("create table c (id int primary key)")
        conn.execute("create table b (id int primary key, c int references c)")
        conn.execute("create table a (id serial primary key, b int references b)")
        conn.execute("create table apart (id int primary key)")
    for table in ("c", "b", "apart"):
        home.execute(f"insert into {table} select i from generate_series(1, 500) i")
    home.execute("update b set c = id")
    home.execute("insert into a (b) select i from generate_series(1, 500) i")
    for options in ({}, {"jobs": 2, "truncate": True, "sequences": True}, {"commit": "table", "truncate": True}):
        report = copy("a", "b", "apart", "c", **options)
        assert [one.rows for one in report.tables] == [500] * 4
        for table in ("a", "b", "c", "apart"):
            assert content(away, table) == content(home, table)
    assert away.execute("select max(id) from a").fetchone() == (500,)
    away.execute("insert into a (b) values (1)")
    assert away.execute("select max(id) from a").fetchone() == (501,)


def test_groups_of_tables_put_what_is_referred_to_first() -> None:
    pairs = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "x")]
    assert grouped(["a", "d", "b", "c", "x", "y"], pairs) == [["c", "b", "a"], ["d"], ["x", "y"]]


def test_a_copy_is_one_moments_state_of_all_tables(copy: Any, home: Any, away: Any, ends: Ends) -> None:
    """Money moves between two tables; what both hold together stays."""
    for conn in (home, away):
        conn.execute("create table left_side (id int primary key, amount int8, filler text)")
        conn.execute("create table right_side (id int primary key, amount int8, filler text)")
    for table in ("left_side", "right_side"):
        home.execute(f"insert into {table} select i, 100, repeat('f', 200) from generate_series(1, 5000) i")
    done = threading.Event()
    moved = [0]

    def write() -> None:
        with pgfast.connect(ends[0], autocommit=True) as conn:
            while not done.is_set():
                number = moved[0] * 7919 % 5000 + 1
                with conn.transaction():
                    conn.execute("update left_side set amount = amount - 1 where id = %s", (number,))
                    conn.execute("update right_side set amount = amount + 1 where id = %s", (number,))
                moved[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            before = moved[0]
            while moved[0] == before:
                assert writer.is_alive()
            away.execute("truncate left_side, right_side")
            assert copy("left_side", "right_side", jobs=2).rows == 10_000
            sums = "select (select sum(amount) from left_side) + (select sum(amount) from right_side)"
            assert away.execute(sums).fetchone() == (1_000_000,)
    finally:
        done.set()
        writer.join()


def test_every_version_copies_to_the_newest_and_back(version_server: EmbeddedServer, ends: Ends, home: Any) -> None:
    many(home, rows=3000)
    home.execute(
        "create table kinds (i interval, j jsonb, d date[], u uuid, b bytea, n numeric, r int4range, v varbit)"
    )
    home.execute(
        "insert into kinds values ('1 mon 2 days 3.5 s', '{\"a\": [1, null]}', array['infinity', "
        "'2024-02-29']::date[], gen_random_uuid(), '\\x00ff', 'NaN', '[1,5)', B'10101'), "
        "(null, null, null, null, null, null, null, null)"
    )
    with pgfast.connect(version_server.dsn, autocommit=True) as there:
        report = pgfast.copy_tables(ends[0], version_server.dsn, ["many", "kinds"], create=True)
        assert [one.path for one in report.tables] == ["binary", "binary"]
        for table in ("many", "kinds"):
            assert content(there, table) == content(home, table)
        home.execute("create table held as table many")
        home.execute("truncate many")
        assert pgfast.copy_tables(version_server.dsn, ends[0], ["many"], jobs=2).rows == 3000
        assert content(home, "many") == content(home, "held")
        there.execute("drop table many, kinds")


# ---------------------------------------------------------------- what fails


def test_what_is_missing_is_told_with_its_side(copy: Any, home: Any, away: Any) -> None:
    many(home, rows=10)
    with pytest.raises(errors.UndefinedTable, match=r"^the source, mani: .*no such table; did you mean 'many'"):
        copy("mani")
    with pytest.raises(errors.UndefinedTable, match=r"^the target, many: .*no such table"):
        copy("many")
    away.execute("create table many (id int8, price numeric, nome text)")
    with pytest.raises(
        errors.UndefinedColumn, match="the target's table many has no column 'name'; it has id, price, nome"
    ):
        copy("many")
    with pytest.raises(errors.DuplicateTable, match=r"^the target, many: "):
        copy("many", create=True)
    with pytest.raises(ProgrammingError, match="not the name of a table"):
        copy("select 1")
    for options, said in (
        ({"jobs": 0}, "jobs"),
        ({"commit": "x"}, "commit"),
        ({"create": True, "truncate": True}, "empty"),
    ):
        with pytest.raises(InterfaceError, match=said):
            copy("many", **options)
    with pytest.raises(InterfaceError, match="of one at least"):
        copy()


def test_a_missing_privilege_is_told_with_its_side(copy: Any, home: Any, away: Any, ends: Ends) -> None:
    home.execute("create role poor login")
    try:
        for conn in (home, away):
            many(conn, rows=10)
        poor = [end.replace("postgres@", "poor@") for end in ends]
        assert poor != list(ends)
        with pytest.raises(errors.InsufficientPrivilege, match="^the source, many: permission denied"):
            pgfast.copy_tables(poor[0], ends[1], ["many"])
        with pytest.raises(errors.InsufficientPrivilege, match="^the target, many: permission denied"):
            pgfast.copy_tables(ends[0], poor[1], ["many"])
    finally:
        home.execute("drop role poor")


def test_a_failure_in_one_table_leaves_none(copy: Any, home: Any, away: Any) -> None:
    for name in ("one", "two"):
        many(home, name)
        many(away, name, rows=1)
    away.execute("delete from one")
    for options in ({}, {"jobs": 2}):
        with pytest.raises(errors.UniqueViolation, match=r"^the target, two: "):
            copy("one", "two", **options)
        assert away.execute("select count(*) from one").fetchone() == (0,)
    until_alone(home)
    with pytest.raises(errors.UniqueViolation):
        copy("one", "two", commit="table")
    assert content(away, "one") == content(home, "one")
    with pytest.raises(errors.DuplicateTable):
        copy("one", "two", create=True)


def test_rows_that_the_target_leaves_out_are_noticed(copy: Any, home: Any, away: Any) -> None:
    many(home, rows=100)
    many(away, rows=1)
    away.execute("truncate many")
    away.execute("create function skip() returns trigger language plpgsql as 'begin return null; end'")
    away.execute(
        "create trigger skipping before insert on many for each row when (new.id > 90) execute function skip()"
    )
    with pytest.raises(errors.InternalError, match="100 rows came out of the source and 90 went into the target"):
        copy("many")
    assert away.execute("select count(*) from many").fetchone() == (0,)


def test_deferred_constraints_are_checked_before_anything_is_committed(copy: Any, home: Any, away: Any) -> None:
    many(home, "one", rows=100)
    home.execute("create table two (id int8)")
    home.execute("insert into two values (1), (1000)")
    many(away, "one", rows=1)
    away.execute("truncate one")
    away.execute("create table three (id int8 primary key)")
    away.execute("create table two (id int8 references three deferrable initially deferred)")
    with pytest.raises(errors.ForeignKeyViolation, match=r"^the target: "):
        copy("one", "two", jobs=2)
    assert away.execute("select count(*) from one").fetchone() == (0,)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("jobs", [1, 3])
def test_the_end_of_a_backend_leaves_all_or_nothing(copy: Any, home: Any, away: Any, side: int, jobs: int) -> None:
    many(home, rows=10 * MANY)  # more than lies between two backends
    many(away, rows=1)
    away.execute("truncate many")
    killed: list[Any] = []

    def told(rows: int, size_bytes: int) -> None:
        if not killed:
            killed.extend(
                (home, away)[side]
                .execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                    "and pid <> pg_backend_pid() and state = 'active' and query like 'COPY%' limit 1"
                )
                .fetchall()
            )

    failure = ""
    try:
        report = copy("many", jobs=jobs, progress=told)
    except pgfast.OperationalError as exc:
        failure = str(exc)
    if failure:
        assert failure.startswith(("the source", "the target"))
        assert away.execute("select count(*) from many").fetchone() == (0,)
    else:  # a backend of the source had said all it had to say, and that was on its way
        assert side == 0
        assert report.rows == 10 * MANY
        assert content(away, "many") == content(home, "many")
    assert killed == [(True,)]


def test_the_end_of_what_is_not_needed_any_more_is_no_failure(copy: Any, home: Any, away: Any) -> None:
    """The connection that has made the snapshot may go as soon as the others have it."""
    many(home)
    killed: list[Any] = []

    def told(rows: int, size_bytes: int) -> None:
        if not killed:
            killed.extend(
                home.execute(
                    "select pg_terminate_backend(pid, 20000) from pg_stat_activity where datname = current_database() "
                    "and pid <> pg_backend_pid() and state = 'idle in transaction' "
                    "and query like '%pg_export_snapshot%'"
                ).fetchall()
            )

    assert copy("many", create=True, progress=told).rows == MANY
    assert killed == [(True,)]
    assert content(away, "many") == content(home, "many")


class Raised(Exception):
    pass


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_callback_that_raises_ends_the_copy(copy: Any, home: Any, away: Any, jobs: int) -> None:
    many(home)

    def told(rows: int, size_bytes: int) -> None:
        if rows > 2_000:
            raise Raised

    with pytest.raises(Raised):
        copy("many", create=True, jobs=jobs, progress=told)
    assert away.execute("select to_regclass('many')").fetchone() == (None,)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_cancelled_task_leaves_nothing(ends: Ends, home: Any, away: Any, jobs: int) -> None:
    many(home)
    many(away, rows=1)
    away.execute("truncate many")

    async def body() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def told(rows: int, size_bytes: int) -> None:
            loop.call_soon_threadsafe(begun.set)

        task = asyncio.ensure_future(pgfast.copy_tables_async(*ends, ["many"], jobs=jobs, progress=told))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(body())
    assert away.execute("select count(*) from many").fetchone() == (0,)
    until_alone(home)
    until_alone(away)


def test_a_cancelled_task_does_not_wait_for_a_lock(ends: Ends, home: Any, away: Any) -> None:
    many(home, rows=10)
    locked = "select pid from pg_stat_activity where datname = 'copied_from' and wait_event_type = 'Lock'"

    async def waiting() -> None:
        while not await asyncio.to_thread(lambda: away.execute(locked).fetchall()):
            pass

    async def body() -> None:
        task = asyncio.ensure_future(pgfast.copy_tables_async(*ends, ["many"], create=True))
        await asyncio.wait_for(waiting(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with home.transaction():
        home.execute("lock table many in access exclusive mode")
        asyncio.run(body())
    until_alone(home)
