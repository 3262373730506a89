"""Server cursors for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import NotSupportedError
from ..protocol import operations
from ..protocol.operations import AnyQuery, NamedCursor, Operation, Params
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

    def _find(self) -> NamedCursor:
        """The cursor on the server; one that this object has not declared is looked for by its name."""
        self._check_open()
        if self._declared is None:
            describing = operations.describe_cursor(self._connection._session, self._name, self._registry)
            self._show_declared(self._carry_out(describing))
        assert self._declared is not None, "it was declared or found"
        if self._uncertain:
            self._carry_out(operations.move_cursor(self._connection._session, self._name, self._way_back()))
            self._uncertain = False
        return self._declared

    def _ask(self, direction: str) -> None:
        """Fetch rows, when none are left here."""
        cursor = self._find()
        fetching = operations.fetch_rows(self._connection._session, cursor, direction, self._registry)
        self._uncertain = True
        found = self._carry_out(fetching)
        self._uncertain = False
        self._hold(*found)

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
        self._give_up()
        self._check_open()
        self._timeout = timeout
        if binary is not None:
            self._binary = binary
        session = self._connection._session
        declaring = operations.declare_cursor(
            session, self._name, query, params, self._scrollable, self._withhold, self._registry
        )
        self._show_declared(self._carry_out(declaring))
        self._connection._named[self._name] = self
        return self

    def _give_up(self) -> None:
        """Close what this object has declared, unless another one has taken the name since."""
        connection = self._connection
        if self._declared is not None and not connection.closed and connection._named.get(self._name, self) is self:
            self._carry_out(operations.close_cursor(connection._session, self._name))
        self._show_declared(None)

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
            self._ask("FORWARD 1")
        return self._give_one()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        self._check_open()
        wanted = max(self.arraysize if size is None else size, 0)
        rows = self._give(wanted)
        if len(rows) < wanted:
            self._ask(f"FORWARD {wanted - len(rows)}")
            rows += self._give(None)
        return rows

    def fetchall(self) -> list[Row]:
        self._check_open()
        rows = self._give(None)
        self._ask("FORWARD ALL")
        return rows + self._give(None) if rows else self._give(None)

    def __iter__(self) -> Iterator[Row]:
        self._check_open()
        while True:
            if not self._left:
                self._ask(f"FORWARD {self.itersize}")
            row = self._give_one()
            if row is None:
                return
            yield row

    def scroll(self, value: int, mode: str = "relative") -> None:
        cursor = self._find()
        target = self._target(value, mode)
        if not self._skip_to(target):
            moving = operations.move_cursor(self._connection._session, cursor.name, self._move(target))
            self._uncertain = True
            passed = self._carry_out(moving)
            self._uncertain = False
            self._moved(target, passed)

    def close(self) -> None:
        if not self._closed:
            try:
                self._give_up()
            finally:
                super().close()
