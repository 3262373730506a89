"""Server cursors for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import NotSupportedError
from ..protocol.operations import AnyQuery, Operation, Params
from ..rows import Row, RowFactory
from . import docstrings
from .aio_cursors import AsyncCursor
from .named import BaseServerCursor
from .results import STREAM_ROWS
from .writers import AsyncWriter

if TYPE_CHECKING:
    from .aio import AsyncConnection

T = TypeVar("T")


@docstrings.document(docstrings.SERVER_CURSOR)
class AsyncServerCursor(BaseServerCursor[Row], AsyncCursor[Row]):
    """A cursor that is declared on the server under a name; its rows stay there until they are fetched."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        name: str,
        *,
        row_factory: RowFactory[Row] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> None:
        super().__init__(connection, row_factory=row_factory, binary=binary)
        self._set_up(name, scrollable, withhold)

    async def _carry_out(self, operation: Operation[T]) -> T:
        return await self._connection._run(operation, self._timeout)

    async def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncServerCursor[Row]:
        if prepare:
            raise NotSupportedError("the query of a server cursor cannot be prepared")
        self._check_open()
        self._timeout = timeout
        if binary is not None:
            self._binary = binary
        await self._carry_out(self._declaring(query, params))
        return self

    async def executemany(
        self,
        query: AnyQuery,
        params_seq: Iterable[Any],
        *,
        returning: bool = False,
        prepare: bool | None = None,
        timeout: float | None = None,
    ) -> NoReturn:
        self._refuse("executemany()")

    def stream(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        size: int = STREAM_ROWS,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> NoReturn:
        self._refuse("stream()")

    def copy(
        self,
        statement: AnyQuery,
        params: Params = None,
        *,
        writer: AsyncWriter | None = None,
        timeout: float | None = None,
    ) -> NoReturn:
        self._refuse("copy()")

    async def fetchone(self) -> Row | None:
        self._check_open()
        if not self._left:
            await self._carry_out(self._fetching("FORWARD 1"))
        return self._give_one()

    async def fetchmany(self, size: int | None = None) -> list[Row]:
        self._check_open()
        wanted = max(self.arraysize if size is None else size, 0)
        rows = self._give(wanted)
        if len(rows) < wanted:
            await self._carry_out(self._fetching(f"FORWARD {wanted - len(rows)}"))
            rows += self._give(None)
        return rows

    async def fetchall(self) -> list[Row]:
        self._check_open()
        rows = self._give(None)
        await self._carry_out(self._fetching("FORWARD ALL"))
        return rows + self._give(None) if rows else self._give(None)

    async def __aiter__(self) -> AsyncIterator[Row]:
        self._check_open()
        while True:
            if not self._left:
                await self._carry_out(self._fetching(f"FORWARD {self.itersize}"))
            row = self._give_one()
            if row is None:
                return
            yield row

    async def scroll(self, value: int, mode: str = "relative") -> None:
        self._check_open()
        if not self._scrolled_here(value, mode):
            await self._carry_out(self._scrolling(value, mode))

    async def close(self) -> None:
        if not self._closed:
            try:
                if self._is_its_own:
                    await self._carry_out(self._giving_up())
            finally:
                self._show_declared(None)
                await super().close()
