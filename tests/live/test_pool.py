"""Pools of connections, on every face: what is lent, returned, replaced, counted and refused."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.embedded import EmbeddedServer
from pgfast.pool import PoolClosed, PoolTimeout, TooManyRequests

from ..faces import Face, target

STATUS = pgfast.TransactionStatus


@pytest.fixture
def pool(face: Face, dsn: str) -> Any:
    """A pool of one or two connections."""
    return face.pool(dsn, min_size=1, max_size=2, timeout=20)


@pytest.fixture
def admin(dsn: str) -> Iterator[pgfast.Connection[Any]]:
    """A connection of the tests' own, to look at the others' backends and to end them."""
    with pgfast.connect(dsn, autocommit=True) as made:
        yield made


def pid_of(conn: Any) -> int:
    return int(conn.info.backend_pid)


def until(face: Face, condition: Callable[[], bool], what: str) -> None:
    """Let workers work until the condition holds; fails after 20 s."""
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        face.turn()


def end(admin: Any, *pids: int) -> None:
    """End backends, and wait until they are gone."""
    for pid in pids:
        assert admin.execute("select pg_terminate_backend(%s, 20000)", (pid,)).fetchone() == (True,)


def stats(pool: Any) -> dict[str, int]:
    found: dict[str, int] = pool.get_stats()
    return found


# ---------------------------------------------------------------- getting and putting back


def test_a_block_gives_a_connection_commits_and_returns_it(pool: Any, admin: Any) -> None:
    with pool.connection() as conn:
        conn.execute("create table pool_kept (a int)")
        pid = pid_of(conn)
    try:
        assert admin.execute("select count(*) from pool_kept").fetchone() == (0,)
        with pool.connection() as conn:
            assert pid_of(conn) == pid
            assert not conn.closed
    finally:
        admin.execute("drop table pool_kept")


def test_an_exception_rolls_back_and_returns_the_connection(pool: Any) -> None:
    with pytest.raises(ZeroDivisionError), pool.connection() as conn:
        conn.execute("create table pool_never (a int)")
        pid = pid_of(conn)
        raise ZeroDivisionError
    with pool.connection() as conn:
        assert pid_of(conn) == pid
        assert conn.execute("select to_regclass('pool_never')").fetchone() == (None,)


def test_a_connection_in_a_transaction_is_rolled_back_with_a_warning(
    pool: Any, caplog: pytest.LogCaptureFixture
) -> None:
    conn = pool.getconn()
    conn.execute("select 1")
    with caplog.at_level(logging.WARNING, "pgfast.pool"):
        pool.putconn(conn)
    assert "rolling back returned connection" in caplog.text
    again = pool.getconn()
    assert pid_of(again) == pid_of(conn)
    assert again.info.transaction_status is STATUS.IDLE
    pool.putconn(again)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda conn: conn.close(), id="closed"),
        pytest.param(lambda conn: conn.transaction().__enter__(), id="in a transaction() block"),
        pytest.param(lambda conn: conn.pipeline().__enter__(), id="in a pipeline"),
        pytest.param(lambda conn: conn.tpc_begin("pool"), id="in a two-phase transaction"),
        pytest.param(lambda conn: conn.cursor().copy("copy (select 1) to stdout").__enter__(), id="in a COPY"),
    ],
)
def test_a_connection_in_the_middle_of_something_is_replaced(face: Face, pool: Any, spoil: Any) -> None:
    conn = face.run(pool.getconn())
    pid = pid_of(conn)
    spoil(conn)
    pool.putconn(conn)
    with pool.connection() as other:
        assert pid_of(other) != pid
        other.execute("select 1")
    assert conn.closed
    assert stats(pool)["returns_bad"] == 1
    assert stats(pool)["pool_size"] <= 2


def test_a_strange_connection_is_refused(face: Face, pool: Any, dsn: str) -> None:
    with pytest.raises(ValueError, match="does not come from any pool"):
        pool.putconn(face.connect(dsn))
    other = face.pool(dsn, min_size=1, name="the other one")
    conn = other.getconn()
    with pytest.raises(ValueError, match="it comes from pool 'the other one'"):
        pool.putconn(conn)
    other.putconn(conn)
    with pytest.raises(ValueError, match="does not come from any pool"):
        other.putconn(conn)
    assert stats(other)["pool_size"] == 1


def test_a_connection_in_a_with_block_of_its_own_stays_open(face: Face, pool: Any) -> None:
    conn = pool.getconn()
    with conn:
        conn.execute("select 1")
    assert not conn.closed
    assert conn.info.transaction_status is STATUS.IDLE
    pool.putconn(conn)


def test_close_returns_where_it_is_wanted(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, close_returns=True)
    conn = pool.getconn()
    pid = pid_of(conn)
    conn.close()
    assert not conn.closed
    with pool.connection() as again:
        assert pid_of(again) == pid
        again.close()  # returned before the end of the block, which then leaves it alone
        with pool.connection() as third:
            assert target(third) is target(again)
            third.execute("select 1")
    assert stats(pool)["pool_available"] == 1
    assert "returns_bad" not in stats(pool)


def test_what_was_lent_last_is_lent_first(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=2)
    pool.wait()
    for _ in range(3):
        with pool.connection() as conn:
            pids = {pid_of(conn)}
        with pool.connection() as conn:
            assert pid_of(conn) in pids


def test_a_forgotten_connection_is_replaced(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, timeout=20)
    conns = [pool.getconn()]
    pid = pid_of(conns[0])
    with pytest.warns(ResourceWarning, match="was not closed"):
        conns.clear()
    with pool.connection() as other:
        assert pid_of(other) != pid
    assert stats(pool)["pool_size"] == stats(pool)["pool_available"] == 1


# ---------------------------------------------------------------- waiting, limits


def test_a_pool_grows_to_its_maximum_and_no_further(pool: Any) -> None:
    one, two = pool.getconn(), pool.getconn()
    assert pid_of(one) != pid_of(two)
    with pytest.raises(PoolTimeout, match=r"couldn't get a connection after 0\.05 sec"):
        pool.getconn(timeout=0.05)
    found = stats(pool)
    assert (found["pool_size"], found["pool_available"], found["requests_errors"]) == (2, 0, 1)
    pool.putconn(one)
    assert pid_of(pool.getconn(timeout=0)) == pid_of(one)
    pool.putconn(one)
    pool.putconn(two)


def test_a_pool_exhausted_refuses_at_once_where_nobody_may_wait_more(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, min_size=1, max_waiting=1, timeout=20)
    conn = pool.getconn()
    got: list[Any] = []
    waits = threading.Thread(target=lambda: got.append(pool.getconn()))
    waits.start()
    until(face, lambda: stats(pool)["requests_waiting"] == 1, "somebody waits")
    with pytest.raises(TooManyRequests, match="has already 1 requests waiting"):
        pool.getconn()
    pool.putconn(conn)
    waits.join(20)
    assert got == [conn]
    pool.putconn(conn)
    face.close()


def test_wait_returns_when_the_pool_is_full(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=3, open=False)
    pool.open(wait=True)
    assert stats(pool)["pool_available"] == 3
    pool.wait()


def test_wait_closes_a_pool_that_cannot_be_filled(face: Face) -> None:
    pool = face.pool("host=127.0.0.1 port=1 connect_timeout=5", min_size=1)
    with pytest.raises(PoolTimeout, match="initialization incomplete after 0.1 sec"):
        pool.wait(timeout=0.1)
    assert pool.closed


def test_a_pool_that_is_not_open_says_so(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, open=False)
    assert pool.closed
    with pytest.raises(PoolClosed, match="not open yet"):
        pool.getconn()
    with pool:
        with pool.connection() as conn:
            conn.execute("select 1")
        pool.open()
    assert pool.closed
    with pytest.raises(PoolClosed, match="already closed"):
        pool.getconn()
    with pytest.raises(PoolClosed, match="cannot be opened again"):
        pool.open()
    pool.close()


def test_closing_closes_what_is_there_and_what_comes_back(face: Face, dsn: str, admin: Any) -> None:
    pool = face.pool(dsn, min_size=2)
    pool.wait()
    conn = pool.getconn()
    pool.close()
    assert not conn.closed
    conn.execute("select 1")
    pool.putconn(conn)
    assert conn.closed
    assert stats(pool)["pool_size"] == 0


def test_closing_tells_those_who_wait(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, min_size=1, timeout=20)
    conn = pool.getconn()
    said: list[Exception] = []

    def ask() -> None:
        try:
            pool.getconn()
        except PoolClosed as exc:
            said.append(exc)

    waits = threading.Thread(target=ask)
    waits.start()
    until(face, lambda: stats(pool)["requests_waiting"] == 1, "somebody waits")
    pool.close()
    waits.join(20)
    assert "is closed" in str(said[0])
    pool.putconn(conn)
    face.close()


def test_workers_end_with_the_pool(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, min_size=1, name="ending", num_workers=2)
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("ending-worker-")]
    assert len(mine) == 2 and all(thread.daemon for thread in mine)
    pool.close()
    assert not any(thread.is_alive() for thread in mine)


def test_a_pool_forgotten_ends_by_itself(face: Face, dsn: str, admin: Any) -> None:
    pool = face.pool(dsn, min_size=2, name="forgotten", kwargs={"application_name": f"forgotten {face.name}"})
    pool.wait()
    face.forget()
    with pytest.warns(ResourceWarning, match="ConnectionPool 'forgotten' at .* was not closed"):
        del pool
    count = "select count(*) from pg_stat_activity where application_name = %s"
    until(face, lambda: admin.execute(count, (f"forgotten {face.name}",)).fetchone() == (0,), "all are gone")
    until(face, lambda: not [t for t in threading.enumerate() if t.name.startswith("forgotten-")], "threads ended")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"min_size": -1}, "cannot be negative"),
        ({"min_size": 3, "max_size": 2}, "greater or equal"),
        ({"min_size": 0}, "max_size must be greater than 0"),
        ({"num_workers": 0}, "at least 1"),
        ({"null": True, "min_size": 1}, "must have min_size = 0"),
        ({"null": True, "max_size": -1}, "greater or equal"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(face: Face, sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        face.pool("", open=False, **sizes)


# ---------------------------------------------------------------- what breaks


def test_a_broken_connection_is_never_given(face: Face, dsn: str, admin: Any) -> None:
    pool = face.pool(dsn, min_size=3, timeout=20)
    pool.wait()
    lent = [pool.getconn() for _ in range(3)]
    pids = [pid_of(conn) for conn in lent]
    for conn in lent:
        pool.putconn(conn)
    end(admin, *pids)
    for _ in range(3):
        with pool.connection() as conn:
            assert pid_of(conn) not in pids
            assert conn.execute("select 1").fetchone() == (1,)
    assert stats(pool)["connections_lost"] == 3
    assert stats(pool)["pool_size"] == 3


def test_a_connection_that_has_something_to_say_is_asked_and_given(face: Face, dsn: str, admin: Any) -> None:
    pool = face.pool(dsn, min_size=1, kwargs={"autocommit": True})
    with pool.connection() as conn:
        conn.execute("listen pool_talk")
        pid = pid_of(conn)
    admin.execute("notify pool_talk, 'heard'")
    with pool.connection() as conn:
        assert pid_of(conn) == pid
        assert [notify.payload for notify in conn.notifies(timeout=20, stop_after=1)] == ["heard"]


def test_the_check_of_the_program_decides(face: Face, dsn: str) -> None:
    verdicts = [False, True]

    def check(conn: Any) -> Any:
        if not verdicts.pop(0):
            raise RuntimeError("not this one")
        return conn.set_autocommit(False)

    pool = face.pool(dsn, min_size=2, check=check)
    pool.wait()
    with pool.connection() as conn:
        conn.execute("select 1")
    assert verdicts == []
    assert stats(pool)["connections_lost"] == 1


def test_a_check_that_nothing_passes_times_out(face: Face, dsn: str) -> None:
    def check(conn: Any) -> Any:
        raise RuntimeError("none of them")

    pool = face.pool(dsn, min_size=1, check=check)
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.3)
    assert stats(pool)["pool_size"] == 1


def test_check_connection_is_a_check(face: Face, dsn: str, admin: Any) -> None:
    probe = face.pool(dsn, min_size=1, open=False).check_connection
    conn = face.connect(dsn)
    face.run(probe(target(conn)))
    assert conn.info.transaction_status is STATUS.IDLE and not conn.autocommit
    end(admin, pid_of(conn))
    with pytest.raises(errors.OperationalError):
        face.run(probe(target(conn)))


def test_checking_the_pool_replaces_what_is_broken(face: Face, dsn: str, admin: Any) -> None:
    pool = face.pool(dsn, min_size=3)
    pool.wait()
    lent = [pool.getconn() for _ in range(3)]
    for conn in lent:
        pool.putconn(conn)
    end(admin, pid_of(lent[0]))
    pool.check()
    until(face, lambda: stats(pool)["pool_available"] == 3, "the pool is full again")
    assert stats(pool)["connections_lost"] == 1


def test_attempts_to_connect_go_on_and_others_are_made_sooner_when_one_succeeds(face: Face, dsn: str) -> None:
    failing = [3]

    def conninfo() -> str:
        if failing[0]:
            failing[0] -= 1
            return "host=127.0.0.1 port=1"
        return dsn

    pool = face.pool(conninfo, min_size=3, timeout=20)
    pool.wait()
    assert stats(pool)["connections_errors"] == 3
    assert stats(pool)["connections_num"] == 6


def test_attempts_are_given_up_after_a_time(face: Face, dsn: str) -> None:
    told: list[Any] = []
    port = ["1"]
    good = dsn.rpartition(":")[2].partition("/")[0]
    pool = face.pool(
        lambda: f"host=127.0.0.1 user=postgres dbname=postgres port={port[0]}",
        min_size=1,
        reconnect_timeout=0.0,
        reconnect_failed=told.append,
        timeout=20,
    )
    until(face, lambda: bool(told), "it is told")
    assert told == [target(pool)]
    assert stats(pool)["pool_size"] == 0
    port[0] = good
    with pool.connection() as conn:  # the next request begins again
        conn.execute("select 1")
    assert stats(pool)["pool_size"] == 1


def test_a_restarted_server_is_found_again(face: Face) -> None:
    from ..servers import start_server

    with start_server() as server:
        pool = face.pool(server.dsn, min_size=3, timeout=60)
        pool.wait()
        with pytest.raises(errors.OperationalError), pool.connection() as conn:
            restart(server)
            conn.execute("select 1")
        for _ in range(4):
            with pool.connection() as conn:
                assert conn.execute("select 1").fetchone() == (1,)
        until(face, lambda: stats(pool)["pool_available"] == 3, "the pool is full again")
        face.run(pool.close())


def restart(server: EmbeddedServer) -> None:
    server._run(
        "pg_ctl", "-D", str(server.data), "-m", "immediate", "-w", "-s", "restart", "-l", str(server.data / "again.log")
    )


# ---------------------------------------------------------------- callbacks


def test_each_connection_is_configured_once(face: Face, dsn: str) -> None:
    def configure(conn: Any) -> Any:
        conn.autocommit = True
        return conn.execute("set application_name to 'configured'")

    pool = face.pool(dsn, min_size=1, configure=configure)
    for _ in range(2):
        with pool.connection() as conn:
            assert conn.execute("show application_name").fetchone() == ("configured",)


def test_a_connection_left_in_a_transaction_by_configure_is_not_used(
    face: Face, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = [True]

    def configure(conn: Any) -> Any:
        conn.autocommit = not first.pop() if first else True
        return conn.execute("select 1")

    with caplog.at_level(logging.WARNING, "pgfast.pool"):
        pool = face.pool(dsn, min_size=1, configure=configure, timeout=20)
        with pool.connection() as conn:
            assert conn.autocommit
    assert "connection left in status INTRANS by configure function" in caplog.text


def test_each_returned_connection_is_reset(face: Face, dsn: str) -> None:
    def reset(conn: Any) -> Any:
        return conn.execute("reset all")

    pool = face.pool(dsn, min_size=1, reset=reset, kwargs={"autocommit": True})
    with pool.connection() as conn:
        conn.execute("set work_mem to '3MB'")
        pid = pid_of(conn)
    with pool.connection() as conn:
        assert pid_of(conn) == pid
        assert conn.execute("show work_mem").fetchone() != ("3MB",)


def test_a_connection_that_cannot_be_reset_is_replaced(face: Face, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    def reset(conn: Any) -> Any:
        return conn.execute("select 1/0")

    pool = face.pool(dsn, min_size=1, reset=reset)
    with caplog.at_level(logging.WARNING, "pgfast.pool"):
        with pool.connection() as conn:
            pid = pid_of(conn)
        with pool.connection() as conn:
            assert pid_of(conn) != pid
    assert "error resetting connection: division by zero" in caplog.text


def test_a_new_connection_asks_for_the_password_anew(face: Face, tls_server: Any, admin: Any) -> None:
    keywords = tls_server.keywords("u_scram")
    passwords = iter([keywords["password"], "wrong", keywords["password"]])
    asked: list[str] = []

    def password() -> str:
        asked.append(next(passwords))
        return asked[-1]

    pool = face.pool(kwargs={**keywords, "password": password, "sslmode": "disable"}, min_size=1, timeout=20)
    pool.wait()
    assert len(asked) == 1
    pool.drain()
    with pool.connection() as conn:
        conn.execute("select 1")
    assert asked[1:] == ["wrong", keywords["password"]]


def test_parameters_may_come_from_functions(face: Face, dsn: str) -> None:
    def kwargs() -> dict[str, Any]:
        return {"application_name": "by a function"}

    async def awaited() -> dict[str, Any]:
        return kwargs()

    pool = face.pool(lambda: dsn, kwargs=awaited if face.is_async else kwargs, min_size=1)
    with pool.connection() as conn:
        assert conn.execute("show application_name").fetchone() == ("by a function",)


def test_connections_are_of_the_class_that_is_asked_for(face: Face, dsn: str) -> None:
    class Mine(pgfast.Connection[Any]):
        pass

    class AsyncMine(pgfast.AsyncConnection[Any]):
        pass

    wanted = AsyncMine if face.is_async else Mine
    pool = face.pool(dsn, min_size=1, connection_class=wanted)
    with pool.connection() as conn:
        assert type(target(conn)) is wanted


# ---------------------------------------------------------------- sizes and ages


def test_resizing_grows_at_once_and_shrinks_what_is_idle(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, max_size=1)
    pool.wait()
    pool.resize(4)
    pool.wait()
    assert (pool.min_size, pool.max_size, stats(pool)["pool_available"]) == (4, 4, 4)
    lent = [pool.getconn() for _ in range(3)]
    pool.resize(1, 2)
    assert stats(pool)["pool_size"] == 3
    for conn in lent:
        pool.putconn(conn)
    assert (stats(pool)["pool_size"], stats(pool)["pool_available"]) == (2, 2)
    with pytest.raises(ValueError, match="greater or equal"):
        pool.resize(3, 2)


def test_draining_replaces_idle_connections_now_and_lent_ones_later(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=2)
    pool.wait()
    conn = pool.getconn()
    before = {pid_of(conn)}
    pool.drain()
    pool.putconn(conn)
    assert conn.closed
    until(face, lambda: stats(pool)["pool_available"] == 2, "the pool is full again")
    assert stats(pool)["connections_num"] == 4
    with pool.connection() as one, pool.connection() as two:
        assert not before & {pid_of(one), pid_of(two)}


def test_a_connection_past_its_lifetime_is_replaced_when_it_comes_back(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, max_lifetime=1e-6)
    with pool.connection() as conn:
        pid = pid_of(conn)
    with pool.connection() as conn:
        assert pid_of(conn) != pid
    assert stats(pool)["pool_size"] == 1


def test_an_idle_connection_past_its_lifetime_is_replaced(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, max_lifetime=0.2)
    pool.wait()
    until(face, lambda: stats(pool)["connections_num"] >= 3, "it is replaced, twice")
    assert stats(pool)["pool_size"] == 1


def test_connections_in_excess_that_nobody_wants_are_let_go(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, max_size=3, max_idle=0.2)
    lent = [pool.getconn() for _ in range(3)]
    assert stats(pool)["pool_size"] == 3
    for conn in lent:
        pool.putconn(conn)
    until(face, lambda: stats(pool)["pool_size"] == 1, "it has shrunk")
    assert stats(pool)["pool_available"] == 1


# ---------------------------------------------------------------- counts


def test_everything_is_counted_until_it_is_popped(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, min_size=1, name="counted")
    with pool.connection() as conn:
        conn.execute("select pg_sleep(0.02)")
    found = pool.pop_stats()
    assert found["requests_num"] == found["connections_num"] == 1
    assert found["usage_ms"] >= 20
    assert found["connections_ms"] >= 0
    assert "requests_errors" not in found
    assert pool.get_stats() == {
        "pool_min": 1,
        "pool_max": 1,
        "pool_size": 1,
        "pool_available": 1,
        "requests_waiting": 0,
    }
    assert repr(target(pool)).startswith(f"<pgfast.pool.{type(target(pool)).__name__} 'counted' at ")


# ---------------------------------------------------------------- pools that keep nothing


def test_a_null_pool_makes_a_connection_for_each_client(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, null=True)
    pool.wait()
    assert stats(pool)["pool_size"] == 0
    with pool.connection() as one, pool.connection() as two:
        assert pid_of(one) != pid_of(two)
        assert stats(pool)["pool_size"] == 2
    assert one.closed and two.closed
    assert stats(pool)["pool_size"] == 0
    pool.check()


def test_a_null_pool_hands_a_connection_on_to_who_waits(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, null=True, max_size=1, timeout=20)
    conn = pool.getconn()
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.02)
    got: list[Any] = []
    waits = threading.Thread(target=lambda: got.append(pool.getconn()))
    waits.start()
    until(face, lambda: stats(pool)["requests_waiting"] == 1, "somebody waits")
    conn.execute("select 1")
    pool.putconn(conn)
    waits.join(20)
    assert got == [conn]
    assert conn.info.transaction_status is STATUS.IDLE
    conn.close()
    pool.putconn(conn)
    assert stats(pool)["pool_size"] == 0
    face.close()


def test_a_null_pool_replaces_a_broken_connection_for_who_waits(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, null=True, max_size=1, timeout=20)
    conn = pool.getconn()
    got: list[Any] = []
    waits = threading.Thread(target=lambda: got.append(pool.getconn()))
    waits.start()
    until(face, lambda: stats(pool)["requests_waiting"] == 1, "somebody waits")
    conn.close()
    pool.putconn(conn)
    waits.join(20)
    assert not got[0].closed
    pool.putconn(got[0])
    assert stats(pool)["pool_size"] == 0
    face.close()


def test_a_null_pool_that_cannot_connect_says_why_and_counts_nothing(face: Face) -> None:
    pool = face.pool("host=127.0.0.1 port=1", null=True, max_size=1, timeout=20)
    for _ in range(2):
        with pytest.raises(errors.OperationalError, match="127.0.0.1:1,"):
            pool.getconn()
    assert stats(pool)["pool_size"] == 0
    assert stats(pool)["requests_errors"] == 2


def test_a_null_pool_can_be_resized_but_for_its_minimum(face: Face, dsn: str) -> None:
    pool = face.pool(dsn, null=True, max_size=1)
    with pool.connection():
        pool.resize(0, 2)
        with pool.connection() as second:
            second.execute("select 1")
    with pytest.raises(ValueError, match="must have min_size = 0"):
        pool.resize(1, 2)


# ---------------------------------------------------------------- processes, loops, threads


def test_a_child_process_gets_one_clear_error(dsn: str) -> None:
    import os

    face = Face("sync")
    pool = face.pool(dsn, min_size=1)
    pool.wait()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        with contextlib.suppress(BaseException):
            try:
                pool.getconn()
            except errors.InterfaceError as exc:
                said = str(exc)
            pool.close()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, 1000).decode()
    os.close(reading)
    assert "was opened by process" in said and "open a pool after the fork" in said
    with pool.connection() as conn:
        assert conn.execute("select 1").fetchone() == (1,)
    face.close()


def test_a_pool_belongs_to_one_event_loop(dsn: str) -> None:
    one, two = Face("asyncio"), Face("asyncio")
    pool = one.pool(dsn, min_size=1)

    async def use() -> None:
        await target(pool).getconn()

    with pytest.raises(errors.InterfaceError, match="belongs to another event loop"):
        two.run(use())
    one.close()
    two.close()


def test_many_threads_share_a_pool(dsn: str) -> None:
    face = Face("sync")
    pool = face.pool(dsn, min_size=2, max_size=3, timeout=60, kwargs={"autocommit": True})
    wrong: list[object] = []

    def work() -> None:
        for number in range(50):
            with pool.connection() as conn:
                if conn.execute("select %s::int", (number,)).fetchone() != (number,):
                    wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    found = stats(pool)
    assert found["requests_num"] == 600
    assert found["pool_size"] == found["pool_available"] <= 3
    face.close()
