"""Loads that are broken off from outside: the transaction is as it was before, whoever ended them, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import pgfast

SETTINGS: list[dict[str, Any]] = [
    {},
    {"on_error": "reject"},
    {"mode": "truncate"},
    {"mode": "replace"},
    {"on_conflict": "ignore"},
    {"dry_run": True},
    {"defer_indexes": True},
]


@pytest.fixture
def table(auto: Any) -> Iterator[Any]:
    auto.execute("DROP SCHEMA IF EXISTS broken_off CASCADE")
    auto.execute("CREATE SCHEMA broken_off")
    auto.execute("CREATE TABLE broken_off.t (id int PRIMARY KEY)")
    auto.execute("INSERT INTO broken_off.t VALUES (0)")
    yield auto
    auto.execute("DROP SCHEMA broken_off CASCADE")


def interrupted_rows() -> Iterator[tuple[int]]:
    for number in range(1, 5000):
        yield (number,)
    raise KeyboardInterrupt


def ids(conn: Any) -> list[tuple[int]]:
    found: list[tuple[int]] = conn.execute("SELECT id FROM broken_off.t ORDER BY id").fetchall()
    return found


@pytest.mark.parametrize("setting", [*SETTINGS, {"resume": "r"}], ids=str)
def test_in_autocommit_mode_no_transaction_stays_open(table: Any, setting: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        table.load("broken_off.t", interrupted_rows(), **setting)
    assert table.info.transaction_status.name == "IDLE"
    assert (0,) in ids(table)
    if "resume" not in setting:
        assert ids(table) == [(0,)]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_an_open_transaction_keeps_nothing_of_it(table: Any, dsn: str, setting: dict[str, Any]) -> None:
    with pgfast.connect(dsn) as conn:
        conn.execute("INSERT INTO broken_off.t VALUES (10000)")
        with pytest.raises(KeyboardInterrupt):
            conn.load("broken_off.t", interrupted_rows(), **setting)
        if conn.info.transaction_status.name == "INERROR":  # as after any statement that was interrupted
            conn.rollback()
            assert ids(table) == [(0,)]
        else:
            conn.commit()
            assert ids(table) == [(0,), (10000,)]


def test_a_chunk_is_not_committed_without_its_line(table: Any, dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        with pytest.raises(KeyboardInterrupt):
            conn.load("broken_off.t", interrupted_rows(), resume="r", chunk_bytes=1024)
        conn.commit()
    there = table.execute("SELECT coalesce(sum(loaded), 0)::int + 1 FROM broken_off.pgfast_chunks").fetchone()
    assert (len(ids(table)),) == there


@pytest.mark.parametrize("setting", [*SETTINGS, {"resume": "r"}], ids=str)
def test_a_cancelled_task(table: Any, dsn: str, setting: dict[str, Any]) -> None:
    async def main() -> None:
        reached = asyncio.Event()

        async def rows() -> AsyncIterator[tuple[int]]:
            yield (1,)
            reached.set()
            await asyncio.Event().wait()
            yield (2,)

        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            task = asyncio.ensure_future(conn.load("broken_off.t", rows(), **setting))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert conn.info.transaction_status.name == "IDLE"
            assert await (await conn.execute("SELECT id FROM broken_off.t")).fetchall() == [(0,)]

    asyncio.run(main())
