"""Cursors, COPY and types of a connection for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from .copying import BaseCopy
from .results import STREAM_ROWS, BaseCursor
from .types import BaseTypes
from .writers import Writer

if TYPE_CHECKING:
    from .sync import Connection

T = TypeVar("T")
S = TypeVar("S", bound="Cursor[Any]")


@docstrings.document(docstrings.CURSOR)
class Cursor(BaseCursor[Row]):
    """Executes queries on a connection and walks through their results."""

    def __init__(
        self,
        connection: Connection[Any],
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
    def connection(self) -> Connection[Any]:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> Types:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return Types(self._connection, self._own_registry)

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

    def __enter__(self: S) -> S:  # noqa: PYI019  (typing.Self is not in Python 3.10)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Row]:
        self._arrive()
        while (row := self._take_one()) is not None:
            yield row

    def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> Cursor[Row]:
        if self._used:
            self._reset()
        self._used = True
        connection = self._connection
        registry = self._own_registry or connection._session.registry
        if binary is not None or self._binary is not None:
            registry = self._registry_for(binary)
        pipeline = connection._pipeline
        if pipeline is not None:
            self._pending = connection._add(pipeline, query, params, prepare, registry, timeout)
            return self
        operation = operations.execute_query(connection._session, query, params, prepare, registry)
        found = connection._run(operation, timeout)
        if isinstance(found, tuple):
            self._tag, self._fields, rows = found
            self._rows, self._at, self._stop = rows, 0, len(rows)
            if self._factory is not None:
                self._find_maker()
        else:
            self._show(found)
        return self

    def executemany(
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
        total, results = connection._run(operation, timeout)
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
    ) -> Iterator[Row]:
        self._reset()
        connection, session = self._connection, self._connection._session
        if connection._pipeline is not None:
            raise ProgrammingError("a pipeline has no streams; leave it for one")
        opening = operations.open_portal(session, query, params, size, prepare, self._registry_for(binary))
        portal = connection._run(opening, timeout)
        self._show_portal(portal)
        try:
            while True:
                yield from portal.ready if self._make is None else map(self._make, portal.ready)  # type: ignore[misc]
                if portal.done:
                    break
                connection._step(operations.next_rows(session, portal), timeout)
        finally:
            if not portal.done and not connection.closed and not session.at_rest:
                connection._step(operations.close_portal(session), timeout)
            self._show_portal(portal)

    def _arrive(self) -> None:
        """Wait for the answer of the pipeline where there is none yet."""
        if self._pending is not None:
            self._show_outcome(self._connection._await(self._pending))

    def fetchone(self) -> Row | None:
        at = self._at
        if at < self._stop:
            self._at = at + 1
            make = self._make
            return self._rows[at] if make is None else make(self._rows[at])  # type: ignore[return-value]
        self._arrive()
        return self._take_one()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        self._arrive()
        return self._take(self.arraysize if size is None else size)

    def fetchall(self) -> list[Row]:
        if self._at == self._stop:
            self._arrive()
        return self._take(None)

    def copy(
        self,
        statement: AnyQuery,
        params: Params = None,
        *,
        writer: Writer | None = None,
        timeout: float | None = None,
    ) -> Copy:
        self._reset()
        return Copy(self, statement, params, writer=writer, timeout=timeout)

    def callproc(self, name: str, params: Sequence[Any] | Mapping[str, Any] = (), /) -> Any:
        connection = self._connection
        query, values = connection._run(operations.procedure_call(connection._session, name, params))
        self.execute(query, values)
        return params

    def set_result(self: S, index: int) -> S:  # noqa: PYI019  (as above)
        self._arrive()
        self._set_result(index)
        return self

    def scroll(self, value: int, mode: str = "relative") -> None:
        self._arrive()
        self._scroll(value, mode)

    def results(self: S) -> Iterator[S]:  # noqa: PYI019  (as above)
        self._arrive()
        while self._tag is not None:
            yield self
            if not self.nextset():
                return

    def close(self) -> None:
        self._close()


@docstrings.document(docstrings.COPY)
class Copy(BaseCopy):
    """One COPY FROM STDIN or TO STDOUT."""

    def __init__(
        self,
        cursor: Cursor[Any],
        statement: AnyQuery | None = None,
        params: Params = None,
        *,
        binary: bool = False,
        writer: Writer | None = None,
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

    def _carry_out(self, operation: Operation[T]) -> T:
        """What the step returns; after a failure the COPY is over."""
        try:
            return self._connection._step(operation, self._timeout)
        except BaseException:
            self._over = True
            raise

    def __enter__(self) -> Copy:
        if self._statement is None:
            self._begin_here(self._wants_binary)
            return self
        operation = self._start(self._statement, self._params)
        self._begun(self._connection._run(operation, self._timeout))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish(exc)

    def finish(self, exc: BaseException | None = None) -> None:
        if self._is_past(exc):
            return
        if not self._copies_in:
            self._over = True
            self._connection._abandon()
        elif exc is None:
            self._end_writing()
            if self._writer is not None:
                self._hand_over(self._writer)
            if self._statement is not None:
                self._cursor._show_copied(self._carry_out(operations.copy_end(self._session)))
            self._over = True
            if self._writer is not None:
                self._writer.finish(None)
        else:
            self._drop_writing()
            if self._statement is not None:
                self._carry_out(operations.copy_abort(self._session, f"{type(exc).__name__} in the client"))
            self._over = True
            if self._writer is not None:
                self._writer.finish(exc)

    def write(self, buffer: str | bytes | bytearray | memoryview) -> None:
        if self._add(buffer):
            self._send()

    def write_row(self, row: Sequence[Any]) -> None:
        if self._add_row(row):
            self._send()

    def _send(self) -> None:
        if self._writer is None:
            self._carry_out(operations.copy_send(self._session))
        else:
            self._hand_over(self._writer)

    def _hand_over(self, writer: Writer) -> None:
        """Give the writer what was gathered."""
        data = self._gathered()
        if data:
            writer.write(data)

    def _next(self, take: Callable[[Any], T]) -> T | None:
        """What `take` makes of the next run, None at the end of the data."""
        self._check_readable()
        if self._over:
            return None
        event = self._carry_out(operations.copy_next(self._session))
        if isinstance(event, CommandComplete):
            self._cursor._show_copied(event)
            self._end_reading()
            return None
        return take(event)

    def read(self) -> bytes:
        return self._next(self._payloads) or b""

    def read_row(self) -> TupleRow | None:
        while not self._waiting and self._next(self._decode):
            pass
        return self._waiting.popleft() if self._waiting else None

    def rows(self) -> Iterator[TupleRow]:
        while (row := self.read_row()) is not None:
            yield row

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data


@docstrings.document(docstrings.TYPES)
class Types(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: Connection[Any], registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return connection._run(operations.load_types(connection._session, names), timeout)
