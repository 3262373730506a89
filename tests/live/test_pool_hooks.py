"""Hooks of pools, on every face: what they are told, and that they harm nothing."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pgfast import errors
from pgfast.pool import PoolTimeout, hooks
from pgfast.pool.base import BasePool

from ..faces import Face, target


class Diary(hooks.PoolHook):
    """Writes down what it is told of pools whose names begin with "told"."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def _write(self, what: str, pool: BasePool, seconds: float) -> None:
        assert 0 <= seconds < 60
        if pool.name.startswith("told"):
            self.said.append((what, pool.name))

    def on_connect(self, pool: BasePool, seconds: float) -> None:
        self._write("connect", pool, seconds)

    def on_get(self, pool: BasePool, seconds: float) -> None:
        self._write("get", pool, seconds)

    def on_timeout(self, pool: BasePool, seconds: float) -> None:
        self._write("timeout", pool, seconds)

    def on_put(self, pool: BasePool, seconds: float) -> None:
        self._write("put", pool, seconds)


@pytest.fixture
def diary() -> Iterator[Diary]:
    """A diary of the pools of this process."""
    made = Diary()
    hooks.add(made)
    yield made
    hooks.remove(made)


@pytest.mark.parametrize("null", [False, True])
def test_connections_are_told_when_they_are_made_lent_and_returned(
    face: Face, dsn: str, diary: Diary, null: bool
) -> None:
    sizes = {"max_size": 1} if null else {"min_size": 1}
    pool = face.pool(dsn, null=null, name="told", **sizes)
    if not null:
        pool.wait()
    with pool.connection(), pytest.raises(PoolTimeout):
        pool.getconn(timeout=0.01)
    assert diary.said == [(what, "told") for what in ("connect", "get", "timeout", "put")]


def test_a_connection_that_is_not_the_pools_own_is_not_told(face: Face, dsn: str, diary: Diary) -> None:
    pool, other = face.pool(dsn, min_size=1, name="told 1"), face.pool(dsn, min_size=1, name="told 2")
    pool.wait()
    other.wait()
    conn = pool.getconn()
    for strange in (conn, face.connect(dsn)):
        with pytest.raises(ValueError, match="cannot return a connection"):
            other.putconn(strange)
    pool.putconn(conn)
    assert diary.said[2:] == [("get", "told 1"), ("put", "told 1")]


def test_connecting_in_vain_is_not_told(face: Face, dsn: str, diary: Diary) -> None:
    pool = face.pool("host=127.0.0.1 port=1 user=nobody", null=True, max_size=1, name="told")
    with pytest.raises(errors.OperationalError):
        pool.getconn(timeout=5)
    assert diary.said == []


def test_a_hook_that_raises_is_logged_and_harms_nothing(face: Face, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(hooks.PoolHook):
        def on_get(self, pool: BasePool, seconds: float) -> None:
            raise ZeroDivisionError

    wrong = Wrong()
    pool = face.pool(dsn, min_size=1)
    hooks.add(wrong)
    try:
        with caplog.at_level(logging.ERROR), pool.connection() as conn:
            conn.execute("select 1")
    finally:
        hooks.remove(wrong)
    assert "a hook of pools failed" in caplog.text
    assert pool.get_stats()["pool_available"] == 1
    with pytest.raises(ValueError, match="not in list"):
        hooks.remove(wrong)


def test_pools_are_the_plain_ones_while_there_is_no_hook() -> None:
    names = ("_connecting", "_getting", "_putting")
    plain = [vars(BasePool)[name] for name in names]
    one, two = hooks.PoolHook(), hooks.PoolHook()
    hooks.add(one)
    hooks.add(two)
    assert not set(plain) & {vars(BasePool)[name] for name in names}
    hooks.remove(one)
    assert not set(plain) & {vars(BasePool)[name] for name in names}
    hooks.remove(two)
    assert plain == [vars(BasePool)[name] for name in names]


def test_the_pools_of_the_process_are_those_that_are_open(face: Face, dsn: str) -> None:
    def names() -> list[str]:
        return sorted(pool.name for pool in hooks.pools() if pool.name.startswith("known"))

    pool: Any = face.pool(dsn, min_size=1, name="known 1")
    face.pool(dsn, min_size=1, name="known 2", open=False)
    assert names() == ["known 1"]
    pool.close()
    assert names() == []
    made = type(target(pool))(dsn, min_size=1, name="known 3", open=False)
    number = id(made)
    assert number in _known()
    del made
    gc.collect()
    assert number not in _known()


def _known() -> dict[int, Any]:
    from pgfast.pool import base

    return dict(base._known)
