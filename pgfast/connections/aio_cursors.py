"""Cursors, COPY and types of a connection for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ProgrammingError
from ..protocol import operations
from ..protocol.backend import CommandComplete
from ..protocol.operations import AnyQuery, Operation, Params
from ..rows import Row, RowFactory, TupleRow, tuple_row
from ..types.catalogue import TypeInfo
from ..types.registry import Registry
from . import docstrings
from .adapters import AdaptersMap
from .aio_stream import AsyncStream
from .copying import BaseCopy
from .results import STREAM_ROWS, BaseCursor
from .types import BaseTypes
from .writers import AsyncWriter

if TYPE_CHECKING:
    from .aio import AsyncConnection

T = TypeVar("T")
S = TypeVar("S", bound="AsyncCursor[Any]")


@docstrings.document(docstrings.CURSOR)
class AsyncCursor(BaseCursor[Row]):
    """Executes queries on a connection and walks through their results."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        row_factory: RowFactory[Row] | None = None,
        *,
        binary: bool | None = None,
    ) -> None:
        self._connection = connection
        if binary is not None:
            self._binary = binary
        if row_factory is not None and row_factory is not tuple_row:
            self._factory = row_factory
        self._own_registry: Registry | None = None
        self._used = False

    @property
    def connection(self) -> AsyncConnection[Any]:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> AsyncTypes:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return AsyncTypes(self._connection, self._own_registry)

    @property
    def adapters(self) -> AdaptersMap:
        """Loaders and dumpers of the cursor (`pgfast.adapt`)."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return AdaptersMap(self._own_registry, self)

    @property
    def _registry(self) -> Registry:
        return self._registry_for(None)

    def _registry_for(self, binary: bool | None) -> Registry:
        """The types by which an execution goes; with results in text where `binary`, or else the cursor, says so."""
        registry = self._own_registry or self._connection._session.registry
        wanted = self._binary if binary is None else binary
        return registry.with_text_results() if wanted is False else registry

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
        if statement is None and writer is None:
            raise ProgrammingError("a COPY needs a statement, or a writer that takes what is written instead")
        super().__init__(cursor.connection, cursor._registry, writer is not None)
        self._wants_binary = binary
        self._writer = writer
        self._cursor = cursor
        self._connection = cursor.connection
        self._statement = statement
        self._params = params
        self._timeout = timeout

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


@docstrings.document(docstrings.TYPES)
class AsyncTypes(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: AsyncConnection[Any], registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    async def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return await connection._run(operations.load_types(connection._session, names), timeout)
