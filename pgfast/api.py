"""The connections as users get them: what a session can do, with bulk loading and columnar results added."""

from __future__ import annotations

from .bulk.methods import AsyncLoadMethods, LoadMethods
from .connections import aio, sync
from .rows import Row


class Connection(LoadMethods, sync.Connection[Row]):
    """A connection to a PostgreSQL server. Threads may share it: each operation waits for its turn."""


class AsyncConnection(AsyncLoadMethods, aio.AsyncConnection[Row]):
    """A connection to a PostgreSQL server, for asyncio. One task at a time may use it."""


connect = Connection.connect
