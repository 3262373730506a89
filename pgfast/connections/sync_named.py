"""Server cursors for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import NotSupportedError
from ..protocol.operations import AnyQuery, Operation, Params
from ..rows import Row, RowFactory
from . import docstrings
from .named import BaseServerCursor
from .results import STREAM_ROWS
from .sync_cursors import Cursor
from .writers import Writer

if TYPE_CHECKING:
    from .sync import Connection

T = TypeVar("T")


@docstrings.document(docstrings.SERVER_CURSOR)
class ServerCursor(BaseServerCursor[Row], Cursor[Row]):
    """A cursor that is declared on the server under a name; its rows stay there until they are fetched."""

    def __init__(
        self,
        connection: Connection[Any],
        name: str,
        *,
        row_factory: RowFactory[Row] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> None:
        super().__init__(connection, row_factory=row_factory, binary=binary)
        self._set_up(name, scrollable, withhold)

    def _carry_out(self, operation: Operation[T]) -> T:
        return self._connection._run(operation, self._timeout)

    def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> ServerCursor[Row]:
        if prepare:
            raise NotSupportedError("the query of a server cursor cannot be prepared")
        self._check_open()
        self._timeout = timeout
        if binary is not None:
            self._binary = binary
        self._carry_out(self._declaring(query, params))
        return self

    def executemany(
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
        writer: Writer | None = None,
        timeout: float | None = None,
    ) -> NoReturn:
        self._refuse("copy()")

    def fetchone(self) -> Row | None:
        self._check_open()
        if not self._left:
            self._carry_out(self._fetching("FORWARD 1"))
        return self._give_one()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        self._check_open()
        wanted = max(self.arraysize if size is None else size, 0)
        rows = self._give(wanted)
        if len(rows) < wanted:
            self._carry_out(self._fetching(f"FORWARD {wanted - len(rows)}"))
            rows += self._give(None)
        return rows

    def fetchall(self) -> list[Row]:
        self._check_open()
        rows = self._give(None)
        self._carry_out(self._fetching("FORWARD ALL"))
        return rows + self._give(None) if rows else self._give(None)

    def __iter__(self) -> Iterator[Row]:
        self._check_open()
        while True:
            if not self._left:
                self._carry_out(self._fetching(f"FORWARD {self.itersize}"))
            row = self._give_one()
            if row is None:
                return
            yield row

    def scroll(self, value: int, mode: str = "relative") -> None:
        self._check_open()
        if not self._scrolled_here(value, mode):
            self._carry_out(self._scrolling(value, mode))

    def close(self) -> None:
        if not self._closed:
            try:
                if self._is_its_own:
                    self._carry_out(self._giving_up())
            finally:
                self._show_declared(None)
                super().close()
