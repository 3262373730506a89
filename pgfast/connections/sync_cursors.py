"""Cursors of a connection for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ProgrammingError
from ..protocol import operations
from ..protocol.operations import AnyQuery, Params
from ..rows import Row
from . import docstrings
from .cursors import ConnectedCursor
from .results import STREAM_ROWS
from .sync_copy import Copy
from .sync_types import Types
from .writers import Writer

if TYPE_CHECKING:
    from .sync import Connection

S = TypeVar("S", bound="Cursor[Any]")


@docstrings.document(docstrings.CURSOR)
class Cursor(ConnectedCursor[Row]):
    """Executes queries on a connection and walks through their results."""

    _connection: Connection[Any]

    @property
    def connection(self) -> Connection[Any]:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> Types:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        return Types(self._connection, self._registry_of_its_own())

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
