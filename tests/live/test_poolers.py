"""Behind real poolers that hand their server connections from client to client after every transaction."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.embedded import EmbeddedServer

from ..faces import Face, target
from ..poolers import RunningPooler

LEAP_DAY = datetime.date(2024, 2, 29)


@pytest.fixture(scope="module")
def pooler(pooler_name: str, server: EmbeddedServer) -> Iterator[RunningPooler]:
    """Each pooler in turn, with one server connection for all its clients."""
    with RunningPooler(pooler_name, server) as running:
        yield running


@pytest.fixture
def threshold(pooler: RunningPooler) -> int | None:
    """`prepare_threshold` for clients of this pooler: never, where it loses prepared statements."""
    return 2 if pooler.pooler.prepares else None


def test_ordinary_work_is_done(face: Face, pooler: RunningPooler, threshold: int | None) -> None:
    conn = face.connect(pooler.dsn, prepare_threshold=threshold, application_name="one of many")
    assert conn.execute("show application_name").fetchone() == ("one of many",)
    conn.execute("drop table if exists pooled; create table pooled (a int primary key, b text, c numeric[])")
    conn.commit()
    assert conn.load("pooled", [(n, f"x{n}", [n]) for n in range(1000)]).rows == 1000
    conn.commit()
    with pytest.raises(errors.UniqueViolation):
        conn.execute("insert into pooled values (1)")
    conn.rollback()
    for n in range(5):
        assert conn.execute("select b from pooled where a = %s", (n,)).fetchone() == (f"x{n}",)
        conn.commit()
    assert len(conn.execute("select * from pooled").fetchall()) == 1000
    assert conn.cursor("pooled").execute("select a from pooled where a < %s order by a", (3,)).fetchall() == [
        (n,) for n in range(3)
    ]
    with conn.cursor().copy("copy (select a, b from pooled where a < 2 order by a) to stdout") as copy:
        assert list(copy.rows()) == [("0", "x0"), ("1", "x1")]
    cursor = conn.cursor()
    cursor.executemany("insert into pooled (a) values (%s)", [(n,) for n in range(2000, 2500)])
    assert cursor.rowcount == 500
    with conn.pipeline():
        asked = [conn.execute("select %s::int", (n,)) for n in range(50)]
        assert [one.fetchone() for one in asked] == [(n,) for n in range(50)]
    conn.rollback()
    conn.execute("drop table pooled")
    conn.commit()


def test_a_stream_goes_through_it(face: Face, pooler: RunningPooler, threshold: int | None) -> None:
    conn = face.connect(pooler.dsn, prepare_threshold=threshold)
    stream = conn.cursor().stream("select generate_series(1, 1000)", size=300, timeout=30 if suspends(pooler) else 0.5)
    if suspends(pooler):
        assert list(stream) == [(n,) for n in range(1, 1001)]
    else:
        with pytest.raises(errors.TimeoutError):
            list(stream)
    if not conn.closed:
        assert conn.execute("select 1").fetchone() == (1,)


def suspends(pooler: RunningPooler) -> bool:
    """Whether the pooler passes PortalSuspended on; pgpool 4.3 keeps it to itself, and all waits for ever."""
    return pooler.pooler.suspends


def test_clients_that_take_turns_get_their_own_answers(
    face: Face, pooler: RunningPooler, threshold: int | None
) -> None:
    clients = [face.connect(pooler.dsn, autocommit=True, prepare_threshold=threshold) for _ in range(3)]
    for n in range(8):
        for number, conn in enumerate(clients):
            # Statements of the same text and of one's own, with one type of result and another.
            assert conn.execute("select %s::int, %s::text", (n, f"{number}")).fetchone() == (n, f"{number}")
            assert conn.execute(f"select {number} + %s::int8", (n,)).fetchone() == (number + n,)
            mine, value = ("select %s::text", "2024-02-29") if number % 2 else ("select %s::date::text", LEAP_DAY)
            assert conn.execute(mine, (value,)).fetchone() == ("2024-02-29",)


def test_statements_out_of_date_are_prepared_anew(face: Face, pooler: RunningPooler, threshold: int | None) -> None:
    one, other = [face.connect(pooler.dsn, autocommit=True, prepare_threshold=threshold) for _ in range(2)]
    table = f"altered_{face.name}_{pooler.port}"  # Odyssey has statements of earlier clients
    other.execute(f"create table {table} (a int); insert into {table} values (1)")
    for _ in range(5):
        assert one.execute(f"select * from {table}").fetchall() == [(1,)]
        assert other.execute(f"select * from {table}").fetchall() == [(1,)]
    other.execute(f"alter table {table} add b text default 'b'")
    for _ in range(3):
        assert one.execute(f"select * from {table}").fetchall() == [(1, "b")]
        assert other.execute(f"select * from {table}").fetchall() == [(1, "b")]
    other.execute(f"drop table {table}")


@pytest.mark.parametrize("prepare", [None, True])
def test_values_are_read_by_the_types_of_the_server_that_sends_them(
    face: Face, pooler: RunningPooler, threshold: int | None, prepare: bool | None
) -> None:
    """A pooler prepares statements anew on other servers, where nothing is stale: only the columns tell."""
    one = face.connect(pooler.dsn, autocommit=True, prepare_threshold=threshold)
    table = f"typed_{face.name}_{pooler.port}_{bool(prepare)}"
    one.execute(f"create table {table} (a int8); insert into {table} values (1)")
    queries = (f"select a from {table} where a = %s", f"select a + %s from {table}")
    for _ in range(5):
        assert [one.execute(query, (1,), prepare=prepare).fetchone() for query in queries] == [(1,), (2,)]
    with pgfast.connect(pooler.dsn, autocommit=True, prepare_threshold=None) as other:
        other.execute(f"alter table {table} alter a type float8")
        (pid,) = other.execute("select pg_backend_pid()").fetchone() or (0,)
    with pgfast.connect(pooler.server.dsn, autocommit=True) as killer:
        killer.execute("select pg_terminate_backend(%s)", (pid,))
    seen = []
    for query in queries * 4:
        if one.closed:
            one = face.connect(pooler.dsn, autocommit=True, prepare_threshold=threshold)
        try:
            seen.append(repr(one.execute(query, (1,), prepare=prepare).fetchone()))
        except pgfast.DatabaseError:  # the server was killed under it
            seen.append("")
    assert set(seen) - {""} == {"(1.0,)", "(2.0,)"}
    assert seen[-2:] == ["(1.0,)", "(2.0,)"]
    one.execute(f"drop table {table}")


def test_a_pooler_that_loses_prepared_statements_gives_right_answers_or_errors(
    face: Face, pooler: RunningPooler
) -> None:
    """With the default threshold: a statement that is gone is prepared anew, and never another client's executed."""
    clients = [face.connect(pooler.dsn, autocommit=True, prepare_threshold=1) for _ in range(2)]
    for n in range(6):
        for number, conn in enumerate(clients):
            assert conn.execute("select %s::int", (n,)).fetchone() == (n,)
            assert conn.execute(f"select {number}, %s::text", (f"{n}",)).fetchone() == (number, f"{n}")


def test_nothing_is_prepared_unless_the_program_says_so(face: Face, pooler: RunningPooler) -> None:
    quiet, asked = [face.connect(pooler.dsn, autocommit=True, **more) for more in ({}, {"prepare_threshold": 1})]
    for number in range(8):
        for conn in (quiet, asked):
            assert conn.execute("select %s::int + 40", (number,)).fetchone() == (number + 40,)
    shared = target(quiet)._session.shared
    assert shared is (pooler.pooler.package != "pgpool2")
    assert len(target(quiet)._session.prepared) == (0 if shared else 1)
    assert len(target(asked)._session.prepared) == 1 or not pooler.pooler.prepares


def test_types_are_looked_up(face: Face, pooler: RunningPooler, threshold: int | None) -> None:
    conn = face.connect(pooler.dsn, autocommit=True, prepare_threshold=threshold)
    mood = f"pooled_mood_{face.name}_{pooler.port}"  # Odyssey has statements of earlier clients, with their types
    conn.execute(f"create type {mood} as enum ('ok', 'bad')")
    for _ in range(4):
        assert conn.execute(f"select %s::{mood}, array['bad']::{mood}[]", ("ok",)).fetchone() == ("ok", ["bad"])
    conn.execute(f"drop type {mood}")


def test_a_query_is_cancelled_through_it(pooler: RunningPooler) -> None:
    with pgfast.connect(pooler.dsn, autocommit=True, prepare_threshold=None) as conn:
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                conn.execute("select pg_sleep(60)")
            except BaseException as exc:
                caught.append(exc)

        waiting = threading.Thread(target=wait)
        waiting.start()
        give_up = time.monotonic() + 30
        while waiting.is_alive() and time.monotonic() < give_up:
            conn.cancel()
            waiting.join(0.2)
        assert [type(exc) for exc in caught] == [errors.QueryCanceled]
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_timeout_leaves_the_connection_usable(face: Face, pooler: RunningPooler) -> None:
    conn = face.connect(pooler.dsn, autocommit=True, prepare_threshold=None)
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(60)", timeout=0.3)
    assert conn.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("most", ["3.0", "3.2", "latest"])
def test_versions_it_does_not_know_are_done_without(face: Face, pooler: RunningPooler, most: str) -> None:
    conn = face.connect(pooler.dsn, max_protocol_version=most, prepare_threshold=None)
    assert conn.execute("select 1, %s::text", ("x",)).fetchone() == (1, "x")


def test_nothing_else_is_said_at_the_start(face: Face, pooler: RunningPooler) -> None:
    """PgBouncer 1.18 refuses every parameter of a startup packet that it does not know."""
    conn = face.connect(pooler.dsn, prepare_threshold=None)
    assert conn.info.parameter_status("client_encoding") == "UTF8"
    if pooler.name == "pgbouncer-1.18":
        with pytest.raises(pgfast.OperationalError, match="search_path|unsupported"):
            face.connect(pooler.dsn, options="-c search_path=public")


def test_the_servers_death_is_told(face: Face, pooler: RunningPooler, server: EmbeddedServer) -> None:
    conn = face.connect(pooler.dsn, prepare_threshold=None)
    (pid,) = conn.execute("select pg_backend_pid()").fetchone()
    with pgfast.connect(server.dsn, autocommit=True) as killer:
        killer.execute("select pg_terminate_backend(%s)", (pid,))
    with pytest.raises(pgfast.DatabaseError):  # pgpool has an error of its own for it
        conn.execute("select 1")
    assert conn.closed
    again = face.connect(pooler.dsn, prepare_threshold=None)
    assert again.execute("select 1").fetchone() == (1,)


MODES: list[dict[str, Any]] = [
    {},
    {"mode": "truncate"},
    {"mode": "replace"},
    {"on_error": "reject"},
    {"resume": "pooled", "on_error": "reject"},
    {"defer_indexes": True},
]


@pytest.mark.parametrize("jobs", [1, 2])
def test_loads_in_every_mode_leave_nothing_to_the_next_client(
    pooler: RunningPooler, server: EmbeddedServer, tmp_path: Path, jobs: int
) -> None:
    """Over several connections too, though they have one of the server's in turn."""
    path, ledger = tmp_path / "t.csv", "pgfast_parts, pgfast_chunks, pgfast_loads, pgfast_deferred"
    made = f"pooled_loads, made_pooled, {ledger}"
    path.write_text("id,name\n" + "".join(f"{row},row {row}\n" for row in range(3000)))
    settings: list[dict[str, Any]] = [*MODES, {"create": True}]
    if jobs == 1:
        settings += [{"on_conflict": "update"}, {"dry_run": True}]
    with pgfast.connect(server.dsn, autocommit=True) as direct:
        for each in settings:
            if jobs > 1 and each.get("on_error") and not each.get("resume"):
                continue  # which several connections refuse, pooler or not
            direct.execute(f"DROP TABLE IF EXISTS {made}")
            direct.execute("CREATE TABLE pooled_loads (id int PRIMARY KEY, name text)")
            table = "made_pooled" if "create" in each else "pooled_loads"
            assert pgfast.load(pooler.dsn, table, path, jobs=jobs, **each).rows == 3000, each
            locks = "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'"
            left = "SELECT count(*)::int FROM pg_class WHERE relname LIKE '%pooled%load\\_%' AND relkind = 'r'"
            assert direct.execute(f"SELECT ({locks}), ({left})").fetchone() == (0, 0), each
        direct.execute(f"DROP TABLE IF EXISTS {made}")
