"""The pools have psycopg_pool's names and parameters."""

from __future__ import annotations

import inspect
from typing import Any

import psycopg_pool
import pytest

from pgfast import pool

CLASSES = ("ConnectionPool", "AsyncConnectionPool", "NullConnectionPool", "AsyncNullConnectionPool")
#: Its workers' own methods, of which its documentation says nothing.
INNER = {"run_task", "schedule_task", "worker"}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter; classes by their names, as they are pgfast's own."""
    return [
        (p.name, p.kind, p.default.__name__ if isinstance(p.default, type) else p.default)
        for p in inspect.signature(function).parameters.values()
    ]


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")} - INNER


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_name_is_there(name: str) -> None:
    assert public(getattr(psycopg_pool, name)) <= public(getattr(pool, name))


@pytest.mark.parametrize("name", CLASSES)
def test_every_attribute_of_an_object_is_there(name: str) -> None:
    theirs = getattr(psycopg_pool, name)("", open=False, max_size=5)
    ours = getattr(pool, name)("", open=False, max_size=5)
    for attribute in vars(theirs):
        if not attribute.startswith("_"):
            same = attribute in ("connection_class", "name") or getattr(ours, attribute) == getattr(theirs, attribute)
            assert hasattr(ours, attribute) and same, attribute


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_are_the_same(name: str) -> None:
    theirs, ours = getattr(psycopg_pool, name), getattr(pool, name)
    assert sorted(parameters(ours), key=str) == sorted(parameters(theirs), key=str)
    for method in sorted(public(theirs)):
        if callable(getattr(theirs, method)):
            assert parameters(getattr(ours, method)) == parameters(getattr(theirs, method)), method
            both = [inspect.iscoroutinefunction(getattr(cls, method)) for cls in (ours, theirs)]
            assert both[0] == both[1] or method == "reconnect_failed", method


@pytest.mark.parametrize("name", ["PoolClosed", "PoolTimeout", "TooManyRequests"])
def test_errors_are_operational_errors(name: str) -> None:
    theirs, ours = getattr(psycopg_pool, name), getattr(pool, name)
    assert [c.__name__ for c in ours.__mro__[1:3]] == [c.__name__ for c in theirs.__mro__[1:3]]


def test_both_faces_have_the_same_methods() -> None:
    sync, aio = public(pool.ConnectionPool), public(pool.AsyncConnectionPool)
    assert sync == aio
    for method in sync:
        if callable(getattr(pool.ConnectionPool, method)):
            assert parameters(getattr(pool.ConnectionPool, method)) == parameters(
                getattr(pool.AsyncConnectionPool, method)
            )
