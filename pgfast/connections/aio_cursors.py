"""Cursors of a connection for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ProgrammingError
from ..protocol import operations
from ..protocol.operations import AnyQuery, Params
from ..rows import Row
from . import docstrings
from .aio_copy import AsyncCopy
from .aio_stream import AsyncStream
from .aio_types import AsyncTypes
from .cursors import ConnectedCursor
from .results import STREAM_ROWS
from .writers import AsyncWriter

if TYPE_CHECKING:
    from .aio import AsyncConnection

S = TypeVar("S", bound="AsyncCursor[Any]")


@docstrings.document(docstrings.CURSOR)
class AsyncCursor(ConnectedCursor[Row]):
    """Executes queries on a connection and walks through their results."""

    _connection: AsyncConnection[Any]

    @property
    def connection(self) -> AsyncConnection[Any]:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> AsyncTypes:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        return AsyncTypes(self._connection, self._registry_of_its_own())

    async def __aenter__(self: S) -> S:  # noqa: PYI019  (typing.Self is not in Python 3.10)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Row]:
        await self._arrive()
        while (row := self._take_one()) is not None:
            yield row

    async def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncCursor[Row]:
        if self._used:
            self._reset()
        self._used = True
        connection = self._connection
        registry = self._own_registry or connection._session.registry
        if binary is not None or self._binary is not None:
            registry = self._registry_for(binary)
        pipeline = connection._pipeline
        if pipeline is not None:
            self._pending = await connection._add(pipeline, query, params, prepare, registry, timeout)
            return self
        operation = operations.execute_query(connection._session, query, params, prepare, registry)
        found = await connection._run(operation, timeout)
        if isinstance(found, tuple):
            self._tag, self._fields, rows = found
            self._rows, self._at, self._stop = rows, 0, len(rows)
            if self._factory is not None:
                self._find_maker()
        else:
            self._show(found)
        return self

    async def executemany(
        self,
        query: AnyQuery,
        params_seq: Iterable[Any],
        *,
        returning: bool = False,
        prepare: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        self._reset()
        connection = self._connection
        operation = operations.execute_many(connection._session, query, params_seq, returning, prepare, self._registry)
        total, results = await connection._run(operation, timeout)
        self._show(results, None if returning else total)

    def stream(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        size: int = STREAM_ROWS,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncStream[Row]:
        self._reset()
        connection = self._connection
        if connection._pipeline is not None:
            raise ProgrammingError("a pipeline has no streams; leave it for one")
        opening = operations.open_portal(connection._session, query, params, size, prepare, self._registry_for(binary))
        return AsyncStream(self, opening, timeout)

    async def _arrive(self) -> None:
        """Wait for the answer of the pipeline where there is none yet."""
        if self._pending is not None:
            self._show_outcome(await self._connection._await(self._pending))

    async def fetchone(self) -> Row | None:
        at = self._at
        if at < self._stop:
            self._at = at + 1
            make = self._make
            return self._rows[at] if make is None else make(self._rows[at])  # type: ignore[return-value]
        await self._arrive()
        return self._take_one()

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        await self._arrive()
        return self._take(self.arraysize if size is None else size)

    async def fetchall(self) -> list[Row]:
        if self._at == self._stop:
            await self._arrive()
        return self._take(None)

    def copy(
        self,
        statement: AnyQuery,
        params: Params = None,
        *,
        writer: AsyncWriter | None = None,
        timeout: float | None = None,
    ) -> AsyncCopy:
        self._reset()
        return AsyncCopy(self, statement, params, writer=writer, timeout=timeout)

    async def callproc(self, name: str, params: Sequence[Any] | Mapping[str, Any] = (), /) -> Any:
        connection = self._connection
        query, values = await connection._run(operations.procedure_call(connection._session, name, params))
        await self.execute(query, values)
        return params

    async def set_result(self: S, index: int) -> S:  # noqa: PYI019  (as above)
        await self._arrive()
        self._set_result(index)
        return self

    async def scroll(self, value: int, mode: str = "relative") -> None:
        await self._arrive()
        self._scroll(value, mode)

    async def results(self: S) -> AsyncIterator[S]:  # noqa: PYI019  (as above)
        await self._arrive()
        while self._tag is not None:
            yield self
            if not self.nextset():
                return

    async def close(self) -> None:
        self._close()
