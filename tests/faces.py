"""Both faces of the connections behind one, so that a test of what they share is written once.

`Face.connect` gives the synchronous connection as it is. The asynchronous one comes wrapped: each of its methods is run
to its end in an event loop that only runs meanwhile, `with` means `async with`, `for` means `async for`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pgfast
from pgfast import AsyncConnection, AsyncCopy, AsyncCursor, AsyncServerCursor, AsyncTransaction
from pgfast.connections.aio import AsyncPipelineBlock
from pgfast.connections.aio_stream import AsyncStream
from pgfast.connections.aio_types import AsyncTypes
from pgfast.pool import AsyncConnectionPool, AsyncNullConnectionPool, ConnectionPool, NullConnectionPool
from pgfast.replication import (
    AsyncBaseBackup,
    AsyncReplicationConnection,
    AsyncReplicationStream,
    ReplicationConnection,
)

NAMES = ("sync", "asyncio", "uvloop")
_WRAPPED = (
    *(AsyncConnection, AsyncCursor, AsyncCopy, AsyncPipelineBlock, AsyncTransaction, AsyncTypes),
    AsyncServerCursor,
    *(AsyncReplicationConnection, AsyncReplicationStream, AsyncBaseBackup),
    *(AsyncConnectionPool, AbstractAsyncContextManager),
)


class Face:
    """One way to use the library."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        if name == "asyncio":
            self._loop = asyncio.new_event_loop()
        elif name == "uvloop":
            import uvloop

            self._loop = uvloop.new_event_loop()
        self._opened: list[Any] = []

    @property
    def is_async(self) -> bool:
        """Whether it is one of the asynchronous ones."""
        return self._loop is not None

    def connect(self, conninfo: str = "", **settings: Any) -> Any:
        """A new connection, closed at the end of the test."""
        if self._loop is None:
            made: Any = pgfast.connect(conninfo, **settings)
        else:
            made = self.run(AsyncConnection.connect(conninfo, **settings))
        self._opened.append(made)
        return made

    def replicate(self, conninfo: str = "", **settings: Any) -> Any:
        """A new connection to a walsender, closed at the end of the test."""
        if self._loop is None:
            made: Any = ReplicationConnection.connect(conninfo, **settings)
        else:
            made = self.run(AsyncReplicationConnection.connect(conninfo, **settings))
        self._opened.append(made)
        return made

    def pool(self, conninfo: Any = "", *, null: bool = False, **settings: Any) -> Any:
        """A new pool, closed at the end of the test; it is open, but for `open=False`."""
        if self._loop is None:
            made: Any = (NullConnectionPool if null else ConnectionPool)(conninfo, **settings)
        else:
            cls: Any = AsyncNullConnectionPool if null else AsyncConnectionPool

            async def make() -> Any:
                return cls(conninfo, **settings)

            made = self.run(make())
        self._opened.append(made)
        return made

    def turn(self) -> None:
        """Let others have a turn: tasks of the event loop, or threads."""
        if self._loop is None:
            time.sleep(0.001)
        else:
            self._loop.run_until_complete(asyncio.sleep(0.001))

    def run(self, value: Any) -> Any:
        """The value, awaited where it wants to be, wrapped where it is of the asynchronous face."""
        if self._loop is not None and inspect.isawaitable(value):

            async def wait() -> Any:
                return await value

            value = self._loop.run_until_complete(wait())
        if isinstance(value, _WRAPPED):
            return Wrapped(self, value)
        if isinstance(value, AsyncIterator):
            return self._iterate(value)
        return value

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    item = self.run(items.__anext__())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if isinstance(items, (AsyncGenerator, AsyncStream)):
                self.run(items.aclose())

    def forget(self) -> None:
        """Let go of the connections that were opened, which the test has closed."""
        self._opened.clear()

    def close(self) -> None:
        """Close what is still open, and the event loop."""
        for connection in self._opened:
            connection.close()
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


class Wrapped:
    """An object of the asynchronous face that behaves like its synchronous counterpart; `target` is the object."""

    def __init__(self, face: Face, target: Any) -> None:
        self.__dict__.update(face=face, target=target)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        if not inspect.ismethod(value):
            return self.face.run(value)
        return lambda *args, **keywords: self.face.run(value(*map(target, args), **keywords))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.target, name, value)

    def __repr__(self) -> str:
        return repr(self.target)

    def __enter__(self) -> Any:
        entered = self.face.run(self.target.__aenter__())
        return self if target(entered) is self.target else entered

    def __exit__(self, *exc: object) -> Any:
        return self.face.run(self.target.__aexit__(*exc))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.face.run(self.target.__aiter__()))


def target(wrapped: Any) -> Any:
    """The object itself, of either face."""
    return wrapped.target if isinstance(wrapped, Wrapped) else wrapped
