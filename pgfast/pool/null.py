"""Pools that keep no connection: each client's is made for it and closed, unless somebody waits for one.

They limit how many connections there are, with the same names as the pools that keep them: for programs behind a
pooler of the server's side.
"""

from __future__ import annotations

from typing import Any, Final

from ..api import AsyncConnection, Connection
from ..connections.docstrings import document
from .aio import AsyncConnectionPool
from .sync import ConnectionPool
from .types import (
    ACT,
    CT,
    AsyncConnectionCallback,
    AsyncConninfoParam,
    AsyncFailedCallback,
    AsyncKwargsParam,
    ConnectionCallback,
    ConninfoParam,
    FailedCallback,
    KwargsParam,
)

_SYNC: Final[Any] = Connection
_ASYNC: Final[Any] = AsyncConnection
_TEXTS: Final = {
    "check": "Nothing: there are no idle connections.",
    "wait": "Make a connection and close it, to see that it can be had. Raises PoolTimeout, after closing the pool.",
}


class _KeepsNone:
    """What both null pools do in another way."""

    _keeps = False

    def _sizes(self, min_size: int, max_size: int | None) -> tuple[int, int]:
        if max_size is None:
            max_size = min_size
        if min_size != 0:
            raise ValueError("null pools must have min_size = 0")
        if max_size < min_size:
            raise ValueError("max_size must be greater or equal than min_size")
        return min_size, max_size


@document(_TEXTS)
class NullConnectionPool(_KeepsNone, ConnectionPool[CT]):
    """Connections that threads borrow, each of them new. With `max_size` 0 there is no limit."""

    def __init__(
        self,
        conninfo: ConninfoParam = "",
        *,
        connection_class: type[CT] = _SYNC,
        kwargs: KwargsParam | None = None,
        min_size: int = 0,
        max_size: int | None = None,
        open: bool | None = None,  # noqa: A002  (psycopg_pool's name)
        configure: ConnectionCallback[CT] | None = None,
        check: ConnectionCallback[CT] | None = None,
        reset: ConnectionCallback[CT] | None = None,
        name: str | None = None,
        close_returns: bool = False,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 60 * 60.0,
        max_idle: float = 10 * 60.0,
        reconnect_timeout: float = 5 * 60.0,
        reconnect_failed: FailedCallback | None = None,
        num_workers: int = 3,
    ) -> None:
        super().__init__(
            conninfo,
            connection_class=connection_class,
            kwargs=kwargs,
            min_size=min_size,
            max_size=max_size,
            open=open,
            configure=configure,
            check=check,
            reset=reset,
            name=name,
            close_returns=close_returns,
            timeout=timeout,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            reconnect_timeout=reconnect_timeout,
            reconnect_failed=reconnect_failed,
            num_workers=num_workers,
        )

    def check(self) -> None:
        self._check_usable()

    def wait(self, timeout: float = 30.0) -> None:
        super().wait(timeout)


@document(_TEXTS)
class AsyncNullConnectionPool(_KeepsNone, AsyncConnectionPool[ACT]):
    """Connections that tasks borrow, each of them new. With `max_size` 0 there is no limit."""

    def __init__(
        self,
        conninfo: AsyncConninfoParam = "",
        *,
        connection_class: type[ACT] = _ASYNC,
        kwargs: AsyncKwargsParam | None = None,
        min_size: int = 0,
        max_size: int | None = None,
        open: bool | None = None,  # noqa: A002  (psycopg_pool's name)
        configure: AsyncConnectionCallback[ACT] | None = None,
        check: AsyncConnectionCallback[ACT] | None = None,
        reset: AsyncConnectionCallback[ACT] | None = None,
        name: str | None = None,
        close_returns: bool = False,
        timeout: float = 30.0,
        max_waiting: int = 0,
        max_lifetime: float = 60 * 60.0,
        max_idle: float = 10 * 60.0,
        reconnect_timeout: float = 5 * 60.0,
        reconnect_failed: AsyncFailedCallback | None = None,
        num_workers: int = 3,
    ) -> None:
        super().__init__(
            conninfo,
            connection_class=connection_class,
            kwargs=kwargs,
            min_size=min_size,
            max_size=max_size,
            open=open,
            configure=configure,
            check=check,
            reset=reset,
            name=name,
            close_returns=close_returns,
            timeout=timeout,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_idle=max_idle,
            reconnect_timeout=reconnect_timeout,
            reconnect_failed=reconnect_failed,
            num_workers=num_workers,
        )

    async def check(self) -> None:
        self._check_usable()

    async def wait(self, timeout: float = 30.0) -> None:
        await super().wait(timeout)
