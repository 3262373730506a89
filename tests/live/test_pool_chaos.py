"""Pools on bad days: cancelled tasks, raised exceptions, backends killed, the server restarted, sizes changed, at once.

Each test makes so many operations and then looks whether the counts balance: every connection is in the pool or lent,
the server has just these, and nobody waits for ever. PGFAST_CHAOS_SECONDS=N makes them go on for N seconds each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

import pgfast
from pgfast import errors
from pgfast.embedded import EmbeddedServer
from pgfast.pool import (
    AsyncConnectionPool,
    AsyncNullConnectionPool,
    ConnectionPool,
    NullConnectionPool,
    PoolTimeout,
)
from pgfast.pool.slots import Where

from ..servers import start_server
from .test_pool import restart

SECONDS: Final = float(os.environ.get("PGFAST_CHAOS_SECONDS", "0"))
OPERATIONS: Final = 600
CLIENTS: Final = 12
MOST: Final = 6
SETTINGS: Final[dict[str, Any]] = {"max_size": MOST, "timeout": 30.0, "reconnect_timeout": 60.0, "max_lifetime": 5.0}
#: What a client may meet, besides what it does to itself.
BAD_LUCK: Final = (errors.OperationalError, errors.InterfaceError)

pytestmark = pytest.mark.timeout(300 + 3 * SECONDS)


class Quit(Exception):
    """A client leaves its block in anger."""


class Day:
    """How long the chaos lasts, and what has happened."""

    def __init__(self) -> None:
        self._left = OPERATIONS
        self._end = time.monotonic() + SECONDS
        self.happened: Counter[str] = Counter()
        self.given: set[int] = set()  # of connections that are lent at this moment: nobody may get one twice

    def goes_on(self) -> bool:
        """Whether another operation is to be begun."""
        if SECONDS:
            return time.monotonic() < self._end
        self._left -= 1
        return self._left >= 0

    def taken(self, conn: Any) -> None:
        """A client has got this connection."""
        assert not conn.closed, "a closed connection was given"
        assert id(conn) not in self.given, "a connection was given twice"
        self.given.add(id(conn))

    def left(self, conn: Any) -> None:
        """A client has no more use for it."""
        self.given.discard(id(conn))


@pytest.fixture(scope="module")
def own_server() -> Any:
    """A server that the chaos may restart."""
    with start_server() as started:
        yield started


def kill_one(admin: Any) -> None:
    """End one backend of the chaos."""
    admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'chaos' order by random() limit 1"
    )


def disturb(server: EmbeddedServer, day: Day, over: Callable[[], bool], resize: Callable[[int], None]) -> None:
    """Kill backends, change sizes and restart the server, each after so many operations, until it is over."""
    dice = random.Random(7)
    kills_at = restarts_at = 0
    while not over():
        with contextlib.suppress(*BAD_LUCK), pgfast.connect(server.dsn, autocommit=True, timeout=20) as admin:
            while not over():
                done = day.happened["operations"]
                if done >= kills_at:
                    kill_one(admin)
                    day.happened["killed"] += 1
                    kills_at = done + 20
                    resize(dice.randint(2, MOST))
                if done >= restarts_at + OPERATIONS / 2:
                    restart(server)
                    day.happened["restarted"] += 1
                    restarts_at = done
                admin.execute("select pg_sleep(0.01)")


def balance(pool: Any, server: EmbeddedServer) -> None:
    """The counts agree among each other and with the server. To be called when nobody uses the pool."""
    state, stats = pool._state, pool.get_stats()
    assert not state.lent and not state.waiting
    assert stats["pool_available"] == stats["pool_size"] == len(state.idle)
    assert all(slot.where is Where.IDLE and not slot.connection.closed for slot in state.idle)
    with pgfast.connect(server.dsn, autocommit=True) as admin:
        count = "select count(*) from pg_stat_activity where application_name = 'chaos'"
        give_up = time.monotonic() + 20
        while (found := admin.execute(count).fetchone()) != (stats["pool_size"],):
            assert time.monotonic() < give_up, (found, stats)


def settled(pool: Any) -> bool:
    """Whether nothing is on its way any more."""
    stats = pool.get_stats()
    return bool(stats["pool_available"] == stats["pool_size"] >= stats["pool_min"])


def tell(name: str, day: Day, pool: Any, capsys: pytest.CaptureFixture[str]) -> None:
    if SECONDS:
        with capsys.disabled():
            print(f"\n{name}: {dict(day.happened)} {pool.get_stats()}")  # noqa: T201


# ---------------------------------------------------------------- threads


def thread_client(pool: Any, day: Day, seed: int) -> None:
    dice = random.Random(seed)
    while day.goes_on():
        day.happened["operations"] += 1
        fate = dice.randrange(60)
        try:
            with pool.connection(timeout=0.001 if fate == 0 else None) as conn:
                day.taken(conn)
                try:
                    conn.execute("select 1")
                    if fate == 1:
                        raise Quit
                    if fate == 2:
                        conn.execute("select pg_sleep(10)", timeout=0.005)
                    if fate == 3:
                        conn.execute("select 1/0")
                    if fate == 4:
                        conn.close()
                    if fate == 5:
                        conn.execute("select pg_terminate_backend(pg_backend_pid())")
                finally:
                    day.left(conn)
        except (Quit, errors.DataError, errors.TimeoutError, PoolTimeout, *BAD_LUCK) as exc:
            day.happened[type(exc).__name__] += 1


@pytest.mark.parametrize("cls", [ConnectionPool, NullConnectionPool])
def test_threads_in_chaos_lose_no_connection(
    cls: Any, own_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    day = Day()
    least = 0 if cls is NullConnectionPool else 2
    kwargs = {"application_name": "chaos", "gssencmode": "disable"}
    with cls(own_server.dsn, min_size=least, kwargs=kwargs, **SETTINGS) as pool:
        failures: list[BaseException] = []

        def client(seed: int) -> None:
            try:
                thread_client(pool, day, seed)
            except BaseException as exc:
                failures.append(exc)

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        disturb(own_server, day, lambda: not any(t.is_alive() for t in threads), lambda most: pool.resize(least, most))
        assert failures == []
        assert day.happened["killed"] and day.happened["Quit"]
        give_up = time.monotonic() + 60
        while not settled(pool):
            assert time.monotonic() < give_up, pool.get_stats()
        balance(pool, own_server)
        tell(cls.__name__, day, pool, capsys)
    assert pool.get_stats()["pool_size"] == 0


# ---------------------------------------------------------------- tasks


async def task_client(pool: Any, day: Day, seed: int) -> None:
    dice = random.Random(seed)
    while day.goes_on():
        day.happened["operations"] += 1
        work = asyncio.ensure_future(task_block(pool, day, dice.randrange(60)))
        if dice.randrange(3):
            for _ in range(dice.randrange(12)):
                await asyncio.sleep(0)
            if not dice.randrange(3):
                await asyncio.sleep(dice.random() * 0.01)
            work.cancel()
            if not dice.randrange(4):
                await asyncio.sleep(0)
                work.cancel()  # once more, while it is already leaving
        try:
            await work
        except asyncio.CancelledError:
            day.happened["cancelled"] += 1
        except (Quit, errors.DataError, errors.TimeoutError, PoolTimeout, *BAD_LUCK) as exc:
            day.happened[type(exc).__name__] += 1


async def task_block(pool: Any, day: Day, fate: int) -> None:
    async with pool.connection(timeout=0.001 if fate == 0 else None) as conn:
        day.taken(conn)
        try:
            await conn.execute("select 1")
            if fate == 1:
                raise Quit
            if fate == 2:
                await conn.execute("select pg_sleep(10)", timeout=0.005)
            if fate == 3:
                await conn.execute("select 1/0")
            if fate == 4:
                await conn.close()
            if fate == 5:
                await conn.execute("select pg_terminate_backend(pg_backend_pid())")
        finally:
            day.left(conn)


@pytest.mark.parametrize("cls", [AsyncConnectionPool, AsyncNullConnectionPool])
def test_tasks_in_chaos_lose_no_connection(
    cls: Any, own_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    day = Day()
    least = 0 if cls is AsyncNullConnectionPool else 2
    kwargs = {"application_name": "chaos", "gssencmode": "disable"}

    async def check(conn: Any) -> None:
        if random.random() < 0.3:
            await AsyncConnectionPool.check_connection(conn)

    async def reset(conn: Any) -> None:
        await conn.execute("reset all")
        await conn.commit()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pool = cls(own_server.dsn, min_size=least, kwargs=kwargs, check=check, reset=reset, open=False, **SETTINGS)
        async with pool:
            clients = [asyncio.ensure_future(task_client(pool, day, seed)) for seed in range(CLIENTS)]
            over = threading.Event()

            def resize(most: int) -> None:
                asyncio.run_coroutine_threadsafe(pool.resize(least, most), loop).result(20)

            disturbing = loop.run_in_executor(None, disturb, own_server, day, over.is_set, resize)
            try:
                await asyncio.gather(*clients)
            finally:
                over.set()
                await disturbing
            assert day.happened["cancelled"] > day.happened["operations"] / 10
            give_up = time.monotonic() + 60
            while not settled(pool):
                assert time.monotonic() < give_up, pool.get_stats()
                await asyncio.sleep(0.001)
            await loop.run_in_executor(None, balance, pool, own_server)
            tell(cls.__name__, day, pool, capsys)
        assert pool.get_stats()["pool_size"] == 0

    asyncio.run(main())
