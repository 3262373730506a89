"""COPY for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..protocol import operations
from ..protocol.backend import CommandComplete
from ..protocol.operations import AnyQuery, Operation, Params
from ..rows import TupleRow
from . import docstrings
from .copying import BaseCopy
from .writers import Writer

if TYPE_CHECKING:
    from .sync_cursors import Cursor

T = TypeVar("T")


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
        super().__init__(cursor, statement, params, binary, writer, timeout)
        self._connection = cursor.connection
        self._cursor = cursor
        self._writer = writer

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
