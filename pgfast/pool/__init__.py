"""Pools of connections, with the names and parameters of psycopg_pool.

`ConnectionPool` is for threads, `AsyncConnectionPool` for asyncio; the `Null` ones keep no connection.
"""

from __future__ import annotations

from .aio import AsyncConnectionPool
from .errors import PoolClosed, PoolTimeout, TooManyRequests
from .null import AsyncNullConnectionPool, NullConnectionPool
from .sync import ConnectionPool

__all__ = [
    "AsyncConnectionPool",
    "AsyncNullConnectionPool",
    "ConnectionPool",
    "NullConnectionPool",
    "PoolClosed",
    "PoolTimeout",
    "TooManyRequests",
]
