"""The rows of `AsyncCursor.stream`.

Law of this file: a stream that is dropped, as by `break`, leaves the connection in the middle of its portal, and nobody
is there to wait for the server. It leaves word, and the connection's next operation puts an end to the portal first. An
asynchronous generator would be closed by the event loop, some time after that operation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from ..protocol import operations
from ..protocol.operations import Operation, Portal
from ..rows import Row

if TYPE_CHECKING:
    from .aio_cursors import AsyncCursor


class AsyncStream(AsyncIterator[Row]):
    """An asynchronous iterator over the rows of one statement; `aclose` gives up the rest of them."""

    def __init__(self, cursor: AsyncCursor[Row], opening: Operation[Portal], timeout: float | None) -> None:
        self._cursor = cursor
        self._connection = cursor.connection
        self._opening: Operation[Portal] | None = opening
        self._timeout = timeout
        self._portal: Portal | None = None
        self._rows: Iterator[Any] = iter(())

    def __aiter__(self) -> AsyncStream[Row]:
        return self

    async def __anext__(self) -> Row:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            self._portal = await self._connection._run(opening, self._timeout)
            self._cursor._show_portal(self._portal)
            self._rows = iter(self._portal.ready)
        while True:
            for row in self._rows:
                return self._cursor._made(row)
            portal = self._portal
            if portal is None:
                raise StopAsyncIteration
            if portal.done:
                self._end(portal)
                raise StopAsyncIteration
            try:
                await self._connection._step(operations.next_rows(self._connection._session, portal), self._timeout)
            except BaseException:
                self._end(portal)  # the session has come to rest
                raise
            self._rows = iter(portal.ready)

    def _end(self, portal: Portal) -> None:
        self._portal, self._rows = None, iter(())
        self._cursor._show_portal(portal)

    async def aclose(self) -> None:
        """Give up the rows that are left; the connection is free then. Closing twice does nothing."""
        if self._opening is not None:
            self._opening.close()
            self._opening = None
        portal, connection = self._portal, self._connection
        if portal is None:
            return
        self._end(portal)
        if not portal.done and not connection.closed and not connection._session.at_rest:
            await connection._step(operations.close_portal(connection._session), self._timeout)

    def __del__(self) -> None:
        portal = getattr(self, "_portal", None)
        if portal is not None and not portal.done:
            self._connection._left_portal = True
