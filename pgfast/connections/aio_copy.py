"""COPY for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..protocol import operations
from ..protocol.backend import CommandComplete
from ..protocol.operations import AnyQuery, Operation, Params
from ..rows import TupleRow
from . import docstrings
from .copying import BaseCopy
from .writers import AsyncWriter

if TYPE_CHECKING:
    from .aio_cursors import AsyncCursor

T = TypeVar("T")


@docstrings.document(docstrings.COPY)
class AsyncCopy(BaseCopy):
    """One COPY FROM STDIN or TO STDOUT."""

    def __init__(
        self,
        cursor: AsyncCursor[Any],
        statement: AnyQuery | None = None,
        params: Params = None,
        *,
        binary: bool = False,
        writer: AsyncWriter | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(cursor, statement, params, binary, writer, timeout)
        self._connection = cursor.connection
        self._cursor = cursor
        self._writer = writer

    async def _carry_out(self, operation: Operation[T]) -> T:
        """What the step returns; after a failure the COPY is over."""
        try:
            return await self._connection._step(operation, self._timeout)
        except BaseException:
            self._over = True
            raise

    async def __aenter__(self) -> AsyncCopy:
        if self._statement is None:
            self._begin_here(self._wants_binary)
            return self
        operation = self._start(self._statement, self._params)
        self._begun(await self._connection._run(operation, self._timeout))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.finish(exc)

    async def finish(self, exc: BaseException | None = None) -> None:
        if self._is_past(exc):
            return
        if not self._copies_in:
            self._over = True
            await self._connection._abandon()
        elif exc is None:
            self._end_writing()
            if self._writer is not None:
                await self._hand_over(self._writer)
            if self._statement is not None:
                self._cursor._show_copied(await self._carry_out(operations.copy_end(self._session)))
            self._over = True
            if self._writer is not None:
                await self._writer.finish(None)
        else:
            self._drop_writing()
            if self._statement is not None:
                await self._carry_out(operations.copy_abort(self._session, f"{type(exc).__name__} in the client"))
            self._over = True
            if self._writer is not None:
                await self._writer.finish(exc)

    async def write(self, buffer: str | bytes | bytearray | memoryview) -> None:
        if self._add(buffer):
            await self._send()

    async def write_row(self, row: Sequence[Any]) -> None:
        if self._add_row(row):
            await self._send()

    async def _send(self) -> None:
        if self._writer is None:
            await self._carry_out(operations.copy_send(self._session))
        else:
            await self._hand_over(self._writer)

    async def _hand_over(self, writer: AsyncWriter) -> None:
        """Give the writer what was gathered."""
        data = self._gathered()
        if data:
            await writer.write(data)

    async def _next(self, take: Callable[[Any], T]) -> T | None:
        """What `take` makes of the next run, None at the end of the data."""
        self._check_readable()
        if self._over:
            return None
        event = await self._carry_out(operations.copy_next(self._session))
        if isinstance(event, CommandComplete):
            self._cursor._show_copied(event)
            self._end_reading()
            return None
        return take(event)

    async def read(self) -> bytes:
        return await self._next(self._payloads) or b""

    async def read_row(self) -> TupleRow | None:
        while not self._waiting and await self._next(self._decode):
            pass
        return self._waiting.popleft() if self._waiting else None

    async def rows(self) -> AsyncIterator[TupleRow]:
        while (row := await self.read_row()) is not None:
            yield row

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data
