"""Hooks of pools: be told what their clients wait for, and have.

Law of this file: as with the hooks of connections, nothing here is reached while nobody has a hook: the pools then have
their plain procedures, and `add` puts others in their place. A hook is called without the pool's lock, in the thread or
task of the client or worker; what it raises is logged, and goes no further.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from .base import BasePool, Steps, pools
from .errors import PoolTimeout
from .state import logger

__all__ = ["PoolHook", "add", "pools", "remove"]


class PoolHook:
    """What is called when something happens in a pool of this process; override what is wanted.

    It must be quick, and must not use the pool. Calls come from several threads at a time.
    """

    def on_connect(self, pool: BasePool, seconds: float) -> None:
        """A connection has been made and configured, which has taken so long."""

    def on_get(self, pool: BasePool, seconds: float) -> None:
        """A client has got a connection, after so long."""

    def on_timeout(self, pool: BasePool, seconds: float) -> None:
        """A client has waited so long in vain: PoolTimeout is raised."""

    def on_put(self, pool: BasePool, seconds: float) -> None:
        """A client returns a connection that it has had for so long."""


def _connecting(plain: Callable[..., Steps[Any]]) -> Callable[..., Steps[Any]]:
    def observing(self: BasePool, timeout: float | None) -> Steps[Any]:
        began = time.monotonic()
        connection = yield from plain(self, timeout)
        _tell("on_connect", self, time.monotonic() - began)
        return connection

    return observing


def _getting(plain: Callable[..., Steps[Any]]) -> Callable[..., Steps[Any]]:
    def observing(self: BasePool, timeout: float | None) -> Steps[Any]:
        began = time.monotonic()
        try:
            connection = yield from plain(self, timeout)
        except PoolTimeout:
            _tell("on_timeout", self, time.monotonic() - began)
            raise
        _tell("on_get", self, time.monotonic() - began)
        return connection

    return observing


def _putting(plain: Callable[..., Steps[None]]) -> Callable[..., Steps[None]]:
    def observing(self: BasePool, connection: Any) -> Steps[None]:
        slot = connection._slot
        seconds = time.monotonic() - slot.since if slot is not None and slot.pool is self else None
        try:
            yield from plain(self, connection)
        finally:
            if seconds is not None:
                _tell("on_put", self, seconds)

    return observing


_OBSERVED: Final[dict[str, Callable[[Any], Any]]] = {
    "_connecting": _connecting,
    "_getting": _getting,
    "_putting": _putting,
}
_PLAIN: Final = {name: vars(BasePool)[name] for name in _OBSERVED}
_lock: Final = threading.Lock()
_hooks: tuple[PoolHook, ...] = ()


def add(hook: PoolHook) -> None:
    """Have the hook told of every pool of this process, of all four classes."""
    with _lock:
        _use((*_hooks, hook))


def remove(hook: PoolHook) -> None:
    """Tell the hook no more. Raises ValueError where it was not added."""
    with _lock:
        left = list(_hooks)
        left.remove(hook)
        _use(tuple(left))


def _use(hooks: tuple[PoolHook, ...]) -> None:
    global _hooks
    before, _hooks = _hooks, hooks
    if bool(before) != bool(hooks):
        for name, plain in _PLAIN.items():
            setattr(BasePool, name, _OBSERVED[name](plain) if hooks else plain)


def _tell(what: str, pool: BasePool, seconds: float) -> None:
    for hook in _hooks:
        try:
            getattr(hook, what)(pool, seconds)
        except Exception:
            logger.exception("a hook of pools failed: %r", hook)
