"""What only the asynchronous connection can get wrong: two tasks at once, other event loops, flow control."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pgfast
from pgfast import AsyncConnection, const

LOOPS = ["asyncio", "uvloop"]


def run(loop: str, coroutine: Any) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.run(coroutine)
    return asyncio.run(coroutine)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_second_task_is_refused_at_once_and_told_what_to_do(dsn: str, loop: str) -> None:
    async def main() -> None:
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            first = asyncio.ensure_future(conn.execute("select pg_sleep(0.2), 1"))
            await asyncio.sleep(0)
            with pytest.raises(pgfast.InterfaceError, match=r"in use by another task; .*asyncio\.Lock"):
                await conn.execute("select 2")
            assert await (await first).fetchone() == ("", 1)
            assert await (await conn.execute("select 3")).fetchone() == (3,)

    run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_closing_ends_what_another_task_waits_for(dsn: str, loop: str) -> None:
    async def main() -> None:
        conn = await AsyncConnection.connect(dsn, autocommit=True)
        waiting = asyncio.ensure_future(conn.execute("select pg_sleep(60)"))
        await asyncio.wait([waiting], timeout=0.1)
        await conn.close()
        with pytest.raises(pgfast.OperationalError, match="it was closed by this program"):
            await asyncio.wait_for(waiting, 30)

    run(loop, main())


def test_many_connections_work_at_once(dsn: str) -> None:
    async def work(number: int) -> list[Any]:
        async with await AsyncConnection.connect(dsn) as conn:
            return [
                await (await conn.execute("select %s::int + %s::int", (number, step))).fetchone() for step in range(20)
            ]

    async def main() -> None:
        results = await asyncio.gather(*(work(number) for number in range(10)))
        assert results == [[(number + step,) for step in range(20)] for number in range(10)]

    asyncio.run(main())


def test_another_event_loop_is_refused(dsn: str) -> None:
    async def opened() -> AsyncConnection:
        return await AsyncConnection.connect(dsn)

    async def use(conn: AsyncConnection) -> None:
        await conn.execute("select 1")

    first = asyncio.new_event_loop()
    try:
        conn = first.run_until_complete(opened())
        with pytest.raises(pgfast.InterfaceError, match="belongs to another event loop"):
            asyncio.run(use(conn))
        first.run_until_complete(conn.close())
    finally:
        first.close()


def test_other_tasks_run_while_much_data_passes(dsn: str) -> None:
    async def main() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute("create temp table t (a text)")
            counting = asyncio.ensure_future(count())
            async with conn.cursor().copy("copy t from stdin") as copy:
                for _ in range(100):
                    await copy.write(b"x" * 199_999 + b"\n")
            counting.cancel()
        return turns

    assert asyncio.run(main()) > 50


@pytest.mark.parametrize("loop", LOOPS)
def test_a_peer_that_is_not_listened_to_must_wait(dsn: str, loop: str) -> None:
    # The server would send a gigabyte; what is not asked for stays in the socket and on the server.
    async def main() -> None:
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            query = "copy (select repeat('x', 100000) from generate_series(1, 10000)) to stdout"
            async with conn.cursor().copy(query) as copy:
                await copy.read()
                for _ in range(200):
                    await asyncio.sleep(0.001)
                assert conn._session.received.pending < 8 * const.READ_BLOCK_SIZE
            assert await (await conn.execute("select 1")).fetchone() == (1,)

    run(loop, main())


def test_notifications_wake_a_waiting_task(dsn: str) -> None:
    async def main() -> None:
        async with (
            await AsyncConnection.connect(dsn, autocommit=True) as listener,
            await AsyncConnection.connect(dsn, autocommit=True) as sender,
        ):
            await listener.execute("listen channel")

            async def listen() -> list[str]:
                return [note.payload async for note in listener.notifies(stop_after=3)]

            waiting = asyncio.ensure_future(listen())
            await asyncio.sleep(0)
            for payload in "abc":
                await sender.execute("select pg_notify('channel', %s)", (payload,))
            assert await asyncio.wait_for(waiting, 20) == ["a", "b", "c"]

    asyncio.run(main())


def test_a_listener_may_be_cancelled_and_used_again(dsn: str) -> None:
    async def main() -> None:
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:

            async def listen() -> None:
                async for _ in conn.notifies():
                    pass

            waiting = asyncio.ensure_future(listen())
            await asyncio.wait([waiting], timeout=0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not conn.closed
            assert await (await conn.execute("select 1")).fetchone() == (1,)

    asyncio.run(main())


def test_an_asynchronous_iteration_gives_every_row(dsn: str) -> None:
    async def main() -> None:
        async with await AsyncConnection.connect(dsn) as conn:
            cursor = await conn.execute("select generate_series(1, 5)")
            assert [row async for row in cursor] == [(number,) for number in range(1, 6)]

    asyncio.run(main())


def test_a_connection_that_was_forgotten_warns_and_closes(dsn: str) -> None:
    async def main() -> None:
        conn = await AsyncConnection.connect(dsn)
        link = conn._link
        with pytest.warns(ResourceWarning, match="was not closed"):
            del conn
        await asyncio.wait_for(link._gone, 10)
        assert link.closed

    asyncio.run(main())
