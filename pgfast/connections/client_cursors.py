"""Cursors that write parameters into the text of their queries.

Law of this file: they differ from the other cursors in one thing, that the server sees constants and no parameters. So
it takes parameters wherever it takes constants, several statements with parameters, and each query in one round trip;
results come in text unless `binary` says otherwise, and nothing is prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..protocol import operations
from ..protocol.operations import AnyQuery, Params
from ..rows import Row
from . import docstrings
from .aio_cursors import AsyncCursor
from .cursors import ConnectedCursor
from .results import STREAM_ROWS
from .sync_cursors import Cursor

if TYPE_CHECKING:
    from .aio_stream import AsyncStream


class ClientBinding(ConnectedCursor[Row]):
    """What cursors have in common that write parameters into the text."""

    _merged: str | None = None

    @property
    def merged_query(self) -> str | None:
        """The query that was executed last, with the parameters in it; None where none was."""
        return self._merged

    def mogrify(self, query: AnyQuery, params: Params = None) -> str:
        """The query as `execute` sends it: with the parameters in it, as constants.

        Raises ProgrammingError for placeholders that make no sense, and for a value that no constant holds.
        """
        session = self._connection._session
        return operations.merge_query(session, query, params, self._own_registry or session.registry)


@docstrings.document(docstrings.CLIENT_CURSOR)
class ClientCursor(ClientBinding[Row], Cursor[Row]):
    """A cursor that writes parameters into the text of its queries."""

    def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> Cursor[Row]:
        connection = self._connection
        merged = self._merged = self.mogrify(query, params)
        wanted = self._binary if binary is None else binary
        if wanted or connection._pipeline is not None:
            return super().execute(merged, None, prepare=False, binary=wanted, timeout=timeout)
        self._reset()
        operation = operations.execute_merged(connection._session, merged, self._registry)
        self._show(connection._run(operation, timeout))
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
        session = self._connection._session
        operation = operations.execute_each_merged(session, query, params_seq, returning, self._registry)
        total, results = self._connection._run(operation, timeout)
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
        return super().stream(
            self.mogrify(query, params), None, size=size, prepare=False, binary=binary, timeout=timeout
        )


@docstrings.document(docstrings.CLIENT_CURSOR)
class AsyncClientCursor(ClientBinding[Row], AsyncCursor[Row]):
    """A cursor that writes parameters into the text of its queries."""

    async def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncCursor[Row]:
        connection = self._connection
        merged = self._merged = self.mogrify(query, params)
        wanted = self._binary if binary is None else binary
        if wanted or connection._pipeline is not None:
            return await super().execute(merged, None, prepare=False, binary=wanted, timeout=timeout)
        self._reset()
        operation = operations.execute_merged(connection._session, merged, self._registry)
        self._show(await connection._run(operation, timeout))
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
        session = self._connection._session
        operation = operations.execute_each_merged(session, query, params_seq, returning, self._registry)
        total, results = await self._connection._run(operation, timeout)
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
        return super().stream(
            self.mogrify(query, params), None, size=size, prepare=False, binary=binary, timeout=timeout
        )
