"""Cancelling and time limits: whatever is interrupted, the connection is then idle or closed, and never stuck."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.codec import WriteBuffer
from pgfast.embedded import EmbeddedServer
from pgfast.net import sockets
from pgfast.protocol import operations

from ..faces import Face, target
from ..waiting import until


def test_a_query_that_outlasts_its_timeout_is_cancelled_and_the_connection_usable(auto: Any) -> None:
    began = time.monotonic()
    with pytest.raises(errors.TimeoutError, match=r"timed out after 0\.1 s"):
        auto.execute("select pg_sleep(60)", timeout=0.1)
    assert time.monotonic() - began < 0.1 + sockets.GRACE_S + 5
    assert auto.execute("select 1").fetchone() == (1,)
    assert auto.info.transaction_status is pgfast.TransactionStatus.IDLE


def test_a_timeout_inside_a_transaction_leaves_it_to_be_rolled_back(conn: Any) -> None:
    with pytest.raises(errors.TimeoutError):
        conn.execute("select pg_sleep(60)", timeout=0.1)
    assert conn.info.transaction_status is pgfast.TransactionStatus.INERROR
    conn.rollback()
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_timeout_within_a_large_result_leaves_the_connection_usable(auto: Any) -> None:
    with pytest.raises(errors.TimeoutError):
        auto.execute("select repeat('x', 1000) from generate_series(1, 50000000)", timeout=0.2)
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_timeout_in_the_simple_protocol_leaves_the_connection_usable(auto: Any) -> None:
    with pytest.raises(errors.TimeoutError):
        auto.execute("select 1; select pg_sleep(60); select 2", timeout=0.1)
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_timeout_in_executemany_rolls_everything_back(auto: Any) -> None:
    auto.execute("create temp table t (a int)")
    rows = ((number,) for number in range(100))
    with pytest.raises(errors.TimeoutError):
        auto.cursor().executemany("insert into t select $1::int from pg_sleep(0.05)", rows, timeout=0.3)
    assert auto.info.transaction_status is pgfast.TransactionStatus.IDLE
    assert auto.execute("select count(*) from t").fetchone() == (0,)


def test_a_timeout_while_a_copy_waits_for_the_server_undoes_the_copy(auto: Any) -> None:
    auto.execute(
        """
        create temp table slow (a text);
        create function pg_temp.wait() returns trigger language plpgsql as $$
            begin perform pg_sleep(60); return new; end $$;
        create trigger waiting before insert on slow for each row execute procedure pg_temp.wait()
        """
    )
    with (
        pytest.raises(errors.TimeoutError),
        auto.cursor().copy("copy slow from stdin", timeout=0.3) as copy,
    ):
        while True:
            copy.write(b"x" * 99_999 + b"\n")
    assert auto.execute("select count(*) from slow").fetchone() == (0,)


def test_a_timeout_while_a_copy_waits_for_its_source_undoes_the_copy(auto: Any, face: Face) -> None:
    auto.execute("create temp table t (a text)")

    def source() -> Iterator[memoryview]:
        buffer = WriteBuffer()
        while True:
            buffer.begin_copy()
            buffer.put_bytes(b"x\n")
            buffer.end_copy()
            yield buffer.take()

    connection = target(auto)
    with pytest.raises(errors.TimeoutError):
        face.run(connection._run(operations.copy_in(connection._session, "copy t from stdin", source()), 0.2))
    assert auto.execute("select count(*) from t").fetchone() == (0,)


def test_a_timeout_while_a_copy_out_is_read_leaves_the_connection_usable(auto: Any) -> None:
    query = "copy (select pg_sleep(60)) to stdout"
    with pytest.raises(errors.TimeoutError), auto.cursor().copy(query, timeout=0.1) as copy:
        copy.read()
    assert auto.execute("select 1").fetchone() == (1,)


def test_a_timeout_of_nothing_begins_nothing(auto: Any) -> None:
    with pytest.raises(errors.TimeoutError):
        auto.execute("select 1", timeout=0)
    assert auto.execute("select 1").fetchone() == (1,)


def test_cancel_ends_what_another_thread_waits_for(dsn: str, until_waiting: Callable[[int, str], None]) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        outcome: list[BaseException] = []

        def wait() -> None:
            try:
                conn.execute("select pg_sleep(60)")
            except pgfast.Error as exc:
                outcome.append(exc)

        thread = threading.Thread(target=wait)
        thread.start()
        until_waiting(conn.info.backend_pid, "PgSleep")
        conn.cancel()
        thread.join()
        assert [type(exc) for exc in outcome] == [errors.QueryCanceled]
        assert conn.execute("select 1").fetchone() == (1,)


def test_cancel_without_anything_under_way_does_nothing(auto: Any) -> None:
    auto.cancel()
    assert auto.execute("select 1").fetchone() == (1,)


def test_cancel_ends_what_another_task_waits_for(dsn: str) -> None:
    async def main() -> None:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            waiting = asyncio.ensure_future(conn.execute("select pg_sleep(60)"))
            async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as observer:
                query = "select wait_event from pg_stat_activity where pid = %s"
                while await (await observer.execute(query, (conn.info.backend_pid,))).fetchone() != ("PgSleep",):
                    pass
            await conn.cancel()
            with pytest.raises(errors.QueryCanceled):
                await waiting
            assert await (await conn.execute("select 1")).fetchone() == (1,)

    asyncio.run(main())


def test_a_keyboard_interrupt_cancels_the_query(dsn: str, until_waiting: Callable[[int, str], None]) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        pid = conn.info.backend_pid

        def interrupt() -> None:
            until_waiting(pid, "PgSleep")
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        # A process that was started in the background of a shell ignores the signal.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                conn.execute("select pg_sleep(60)")
            thread.join()
        finally:
            signal.signal(signal.SIGINT, before)
        assert conn.execute("select 1").fetchone() == (1,)


class SignalAfterSending(socket.socket):
    """A socket of the program's own; a signal comes in its `send`, when the bytes are out and nobody knows yet."""

    sent: Callable[[], None] | None = None

    def send(self, *arguments: Any) -> int:
        size = super().send(*arguments)
        if self.sent is not None:
            sent, self.sent = self.sent, None
            sent()
            signal.raise_signal(signal.SIGINT)
        return size


def test_the_server_is_asked_to_cancel_what_an_interrupt_cuts_off(
    server: EmbeddedServer, dsn: str, until_waiting: Callable[[int, str], None]
) -> None:
    made: list[SignalAfterSending] = []
    backend = "select pid from pg_stat_activity where pid = %s"

    def connected() -> socket.socket:
        made.append(SignalAfterSending())
        made[-1].connect((server.host, server.port))
        return made[-1]

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        conn = pgfast.connect(dsn, sock=connected, autocommit=True)
        with contextlib.closing(conn), pgfast.connect(dsn) as owner, pgfast.connect(dsn, autocommit=True) as observer:
            owner.execute("create table cut_off ()")
            owner.commit()
            owner.execute("lock cut_off")
            pid = conn.info.backend_pid
            made[0].sent = lambda: until_waiting(pid, "relation")
            with pytest.raises(KeyboardInterrupt):
                conn.execute("table cut_off")
            assert conn.closed
            # The lock is still held: a backend that is not told waits for it, and does not look for its client.
            until(lambda: observer.execute(backend, (pid,)).fetchone() is None, "the backend ends")
            owner.execute("drop table cut_off")
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(made) == 2, "one for the session, one for the request to cancel"


class Interrupted:
    """Raises KeyboardInterrupt before a certain line that is executed of the protocol or driver, as a signal may."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> Interrupted:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: object) -> Any:
        parts = Path(frame.f_code.co_filename).parts
        return self._line if "pgfast" in parts and parts[-2] in ("protocol", "operations", "net") else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._line


@pytest.mark.parametrize("executed_before", [1, 8], ids=["described", "prepared"])
def test_an_interrupt_at_any_moment_never_gives_an_answer_to_another_query(dsn: str, executed_before: int) -> None:
    inserting = "insert into once values (%s) returning a, 1.5::numeric"
    for at in itertools.count(1, 1 if executed_before == 8 else 7):
        with contextlib.closing(pgfast.connect(dsn, autocommit=True)) as conn:
            conn.execute("create temp table once (a int)")
            for _ in range(executed_before):
                conn.execute(inserting, (1,))
            try:
                with Interrupted(at) as interrupted:
                    conn.execute(inserting, (2,))
            except KeyboardInterrupt:
                pass
            try:
                assert conn.execute(inserting, (3,)).fetchall() == [(3, Decimal("1.5"))]
                (twos,) = conn.execute("select count(*) from once where a = 2").fetchone() or ()
                assert twos <= 1
            except errors.InterfaceError:
                assert conn.closed
            if interrupted.left > 0:
                break
    assert at > 50


class Signalled:
    """Raises KeyboardInterrupt where a signal's handler would in a certain step of the connection itself: at the end of
    a call of what is written in C, or at the beginning of a function."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __enter__(self) -> Signalled:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, arg: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event in ("call", "c_return") and path.parts[-2:] == ("connections", "sync.py"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def _use_a_pipeline(conn: Any) -> None:
    with conn.pipeline() as pipeline:
        found = conn.execute("select 1")
        pipeline.sync()
        assert found.fetchone() == (1,)


def _leave_a_copy(conn: Any) -> None:
    with conn.cursor().copy("copy (select generate_series(1, 100000)) to stdout") as copy:
        copy.read()


@pytest.mark.parametrize("use", [lambda conn: conn.execute("select 1"), _use_a_pipeline, _leave_a_copy])
def test_a_signal_at_any_moment_leaves_the_turn_to_other_threads(dsn: str, use: Callable[[Any], Any]) -> None:
    conn = pgfast.connect(dsn, autocommit=True)
    try:
        for at in itertools.count(1):
            with contextlib.suppress(KeyboardInterrupt), Signalled(at) as signalled:
                use(conn)
            sys.setprofile(None)
            free: list[bool] = []

            def take(conn: Any = conn, free: list[bool] = free) -> None:
                with contextlib.suppress(pgfast.InterfaceError):  # it was closed, or must be brought to rest
                    conn.execute("select 1", timeout=10)
                free.append(True)

            thread = threading.Thread(target=take)
            thread.start()
            thread.join()
            assert free, f"the turn was never given back after a signal at {at}"
            if signalled.left > 0:
                break
            if conn.closed or not conn._session.at_rest or conn._pipeline is not None:
                conn.close()
                conn = pgfast.connect(dsn, autocommit=True)
    finally:
        conn.close()
    assert at > 5


def test_a_thread_whose_turn_does_not_come_takes_nobody_elses(dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn, conn._lock:
        conn._holder = threading.get_ident()
        thread = threading.Thread(target=lambda: failed.append(_error_of(conn)))
        failed: list[str] = []
        thread.start()
        thread.join()
        assert failed == ["TimeoutError"]
        assert conn._holder == threading.get_ident()
        with pytest.raises(pgfast.InterfaceError, match="of this very thread"):
            conn.execute("select 1")
        conn._holder = 0


def _error_of(conn: Any) -> str:
    try:
        conn.execute("select 1", timeout=0.05)
    except errors.Error as exc:
        return type(exc).__name__
    return "none"


# ---------------------------------------------------------------- connecting


def silent_server() -> socket.socket:
    """A socket that takes connections and says nothing."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
@pytest.mark.parametrize("how", ["timeout", "connect_timeout"])
def test_connecting_to_a_server_that_says_nothing_ends_in_time(face: Face, sslmode: str, how: str) -> None:
    with silent_server() as listening:
        port = listening.getsockname()[1]
        began = time.monotonic()
        settings: dict[str, Any] = {how: 0.2}
        with pytest.raises(errors.TimeoutError, match="could not connect to 127.0.0.1"):
            face.connect(host="127.0.0.1", port=port, user="u", sslmode=sslmode, **settings)
        assert time.monotonic() - began < 5


def test_a_name_lookup_is_bounded_too(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def never(*args: Any, **keywords: Any) -> Any:
        release.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        with pytest.raises(errors.TimeoutError):
            face.connect(host="slow.example", port=1, user="u", timeout=0.1)
    finally:
        release.set()


# ---------------------------------------------------------------- cancelling asyncio tasks


async def _work(conn: pgfast.AsyncConnection) -> None:
    """Something of everything, to be interrupted anywhere."""
    await conn.execute("create temp table if not exists t (a int, b text)")
    await conn.cursor().executemany("insert into t values (%s, %s)", [(number, "x" * 500) for number in range(1000)])
    async with conn.cursor().copy("copy t from stdin") as copy:
        for _ in range(40):
            await copy.write(b"1\txyz\n" * 10_000)
    async with conn.transaction():
        await (await conn.execute("select * from t limit 50000")).fetchall()
    async with conn.cursor().copy("copy t to stdout") as copy:
        while await copy.read():
            pass
    await conn.execute("select 1; select 2; drop table t")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_task_cancelled_anywhere_leaves_the_connection_idle_or_closed(dsn: str, loop: str) -> None:
    async def main() -> set[str]:
        seen = set()
        await interrupted(None)
        steps = 40
        for step in range(steps):
            seen.add(await interrupted(0.004 * step))
        return seen

    async def interrupted(after_s: float | None) -> str:
        conn = await pgfast.AsyncConnection.connect(dsn, autocommit=True)
        try:
            task = asyncio.ensure_future(_work(conn))
            await asyncio.wait([task], timeout=after_s)
            task.cancel()
            try:
                await task
                outcome = "finished"
            except asyncio.CancelledError:
                outcome = "cancelled"
            if conn.closed:
                return "closed"
            # The transaction that the work had begun is over, and the connection answers.
            assert conn.info.transaction_status is pgfast.TransactionStatus.IDLE
            cursor = await conn.execute("select 17", timeout=10)
            assert await cursor.fetchone() == (17,)
            return outcome
        finally:
            await conn.close()

    if loop == "uvloop":
        import uvloop

        seen = uvloop.run(main())
    else:
        seen = asyncio.run(main())
    assert "cancelled" in seen
    assert "closed" not in seen


def test_a_task_cancelled_while_connecting_leaves_no_socket_behind(dsn: str) -> None:
    async def main() -> None:
        for step in range(30):
            task = asyncio.ensure_future(pgfast.AsyncConnection.connect(dsn))
            for _ in range(step):
                await asyncio.sleep(0)
            task.cancel()
            try:
                conn = await task
            except asyncio.CancelledError:
                continue
            await conn.close()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(main())
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_task_with_a_time_limit_of_its_own_is_cancelled_like_any_other(dsn: str) -> None:
    async def main() -> None:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(conn.execute("select pg_sleep(60)"), 0.1)
            cursor = await conn.execute("select 1")
            assert await cursor.fetchone() == (1,)

    asyncio.run(main())


def test_a_second_cancelling_closes_the_connection_at_once(dsn: str) -> None:
    async def main() -> None:
        conn = await pgfast.AsyncConnection.connect(dsn, autocommit=True)
        task = asyncio.ensure_future(conn.execute("select pg_sleep(60)"))
        await asyncio.wait([task], timeout=0.2)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert conn.closed
        with pytest.raises(pgfast.InterfaceError, match="was itself interrupted"):
            await conn.execute("select 1")
        await conn.close()

    asyncio.run(main())
