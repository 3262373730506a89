"""Connections for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from ..errors import InterfaceError, TimeoutError
from ..net import conninfo as settings
from ..net import sync as driver
from ..net.deadline import Deadline
from ..protocol import operations
from ..protocol.backend import CommandComplete, Notification
from ..protocol.operations import Operation, Params
from ..protocol.session import Session
from ..types import TypeInfo
from ..types.registry import Registry
from . import docstrings
from .base import CANCEL_S, LAST_LOOK_S, BaseConnection, new_session
from .copying import BaseCopy
from .inbox import Inbox
from .results import BaseCursor, Row
from .transactions import BaseTransaction
from .types import BaseTypes

T = TypeVar("T")
C = TypeVar("C", bound="Connection")


@docstrings.document(docstrings.CONNECTION)
class Connection(BaseConnection):
    """A connection to a PostgreSQL server. Threads may share it: each operation waits for its turn."""

    def __init__(self, link: driver.Link, inbox: Inbox) -> None:
        super().__init__(link, inbox)
        self._link = link
        self._lock = threading.Lock()
        self._holder = 0

    @classmethod
    def connect(  # noqa: PYI019  (typing.Self is not in Python 3.10)
        cls: type[C],
        conninfo: str = "",
        *,
        autocommit: bool = False,
        timeout: float | None = None,
        prepare_threshold: int | None = 5,
        **kwargs: Any,
    ) -> C:
        info = settings.parse(conninfo, **kwargs)
        inbox = Inbox()
        deadline = Deadline(info.connect_timeout if timeout is None else timeout)

        def make_session() -> Session:
            return new_session(inbox, autocommit, prepare_threshold)

        return cls(driver.connect(info, make_session, deadline), inbox)

    # ------------------------------------------------------------ running operations

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        """The right to use the session, until the block ends."""
        me = threading.get_ident()
        if self._holder == me:
            raise InterfaceError(
                "this connection is in the middle of an operation of this very thread "
                "(its source of rows, or a handler, has used it); use another connection there"
            )
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX)):
            raise TimeoutError(f"{deadline.passed()}: another thread is using the connection")
        self._holder = me
        try:
            yield
        finally:
            self._holder = 0
            self._lock.release()

    def _run(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it begins with the session at rest."""
        deadline = Deadline(timeout)
        self._check_process()
        with self._turn(deadline):
            self._check()
            return self._link.run(operation, deadline)

    def _step(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it goes on with what is under way."""
        deadline = Deadline(timeout)
        self._check_process()
        with self._turn(deadline):
            return self._link.run(operation, deadline)

    def _abandon(self) -> None:
        """Cancel what is under way and bring the session to rest, or close the connection."""
        with self._turn(Deadline(None)):
            self._link.come_to_rest(was_idle=False)

    # ------------------------------------------------------------ the public face

    def __enter__(self: C) -> C:  # noqa: PYI019
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._closed:
                self.commit()
            elif not self.closed and self._session.at_rest:
                self.rollback()
        finally:
            self.close()

    def __del__(self) -> None:
        # An __init__ that failed leaves nothing behind.
        link = getattr(self, "_link", None)
        if link is not None and not link.closed and os.getpid() == self._pid:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            link.close()

    def close(self) -> None:
        self._closed = True
        if os.getpid() == self._pid:
            self._link.terminate()
        else:
            self._link.close()

    @property
    def types(self) -> Types:
        """The types of the connection: registration, policies, lookups."""
        return Types(self, self._session.registry)

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(
        self, query: str | bytes, params: Params = None, *, prepare: bool | None = None, timeout: float | None = None
    ) -> Cursor:
        return self.cursor().execute(query, params, prepare=prepare, timeout=timeout)

    def commit(self, *, timeout: float | None = None) -> None:
        self._check_no_block("commit()")
        self._run(operations.commit(self._session), timeout)

    def rollback(self, *, timeout: float | None = None) -> None:
        self._check_no_block("rollback()")
        self._run(operations.rollback(self._session), timeout)

    def set_autocommit(self, value: bool) -> None:
        self.autocommit = value

    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False, *, timeout: float | None = None
    ) -> Transaction:
        return Transaction(self, savepoint_name, force_rollback, timeout)

    def notifies(
        self, *, timeout: float | None = None, stop_after: int | None = None
    ) -> Generator[Notification, None, None]:
        waiting = self._inbox.notifications
        deadline = Deadline(timeout)
        given = 0
        self._inbox.listeners += 1
        try:
            while stop_after is None or given < stop_after:
                if not waiting:
                    try:
                        operation = operations.await_notification(self._session, lambda: bool(waiting))
                        self._run(operation, deadline.clipped(LAST_LOOK_S))
                    except TimeoutError:
                        return
                yield waiting.popleft()
                given += 1
        finally:
            self._inbox.listeners -= 1

    def cancel(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            self._link.cancel(Deadline(timeout))


@docstrings.document(docstrings.CURSOR)
class Cursor(BaseCursor):
    """Executes queries on a connection and walks through their results."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._own_registry: Registry | None = None

    @property
    def connection(self) -> Connection:
        """The connection the cursor belongs to."""
        return self._connection

    @property
    def types(self) -> Types:
        """The types of the cursor: what is registered and chosen here holds for its executions only."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return Types(self._connection, self._own_registry)

    @property
    def _registry(self) -> Registry:
        return self._own_registry or self._connection._session.registry

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Row]:
        while (row := self._take_one()) is not None:
            yield row

    def execute(
        self, query: str | bytes, params: Params = None, *, prepare: bool | None = None, timeout: float | None = None
    ) -> Cursor:
        self._reset()
        connection = self._connection
        operation = operations.execute_query(connection._session, query, params, prepare, self._registry)
        self._show(connection._run(operation, timeout))
        return self

    def executemany(
        self,
        query: str | bytes,
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

    def fetchone(self) -> Row | None:
        return self._take_one()

    def fetchmany(self, size: int | None = None) -> list[Row]:
        return self._take(self.arraysize if size is None else size)

    def fetchall(self) -> list[Row]:
        return self._take(None)

    def copy(self, statement: str | bytes, params: Params = None, *, timeout: float | None = None) -> Copy:
        self._reset()
        return Copy(self, statement, params, timeout)

    def close(self) -> None:
        self._closed = True
        self._show([])


@docstrings.document(docstrings.COPY)
class Copy(BaseCopy):
    """One COPY FROM STDIN or TO STDOUT."""

    def __init__(self, cursor: Cursor, statement: str | bytes, params: Params, timeout: float | None) -> None:
        super().__init__(cursor.connection._session, cursor._registry)
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
        operation = self._start(self._statement, self._params)
        self._begun(self._connection._run(operation, self._timeout))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._over or self._connection.closed:
            return
        if not self._copies_in:
            self._over = True
            self._connection._abandon()
        elif exc is None:
            self._end_writing()
            self._cursor._show_copied(self._carry_out(operations.copy_end(self._session)))
            self._over = True
        else:
            self._drop_writing()
            self._carry_out(operations.copy_abort(self._session, f"{type(exc).__name__} in the client"))
            self._over = True

    def write(self, data: str | bytes | bytearray | memoryview) -> None:
        if self._add(data):
            self._carry_out(operations.copy_send(self._session))

    def write_row(self, row: Sequence[Any]) -> None:
        if self._add_row(row):
            self._carry_out(operations.copy_send(self._session))

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

    def read_row(self) -> Row | None:
        while not self._waiting and self._next(self._decode):
            pass
        return self._waiting.popleft() if self._waiting else None

    def rows(self) -> Iterator[Row]:
        while (row := self.read_row()) is not None:
            yield row

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read():
            yield data


@docstrings.document(docstrings.TRANSACTION)
class Transaction(BaseTransaction):
    """A block of `Connection.transaction`."""

    def __init__(
        self, connection: Connection, savepoint_name: str | None, force_rollback: bool, timeout: float | None
    ) -> None:
        super().__init__(connection, savepoint_name, force_rollback)
        self._timeout = timeout
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The connection the block belongs to."""
        return self._connection

    def __enter__(self) -> Transaction:
        self._connection._run(self._enter(), self._timeout)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._finish(exc):
            self._connection._run(self._leave(exc), self._timeout)
        return self._stops(exc)


@docstrings.document(docstrings.TYPES)
class Types(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: Connection, registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return connection._run(operations.load_types(connection._session, names), timeout)
