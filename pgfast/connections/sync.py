"""Connections for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, overload

from .. import const
from ..errors import CancellationTimeout, InterfaceError, ProgrammingError, TimeoutError
from ..net import conninfo as settings
from ..net import sync as driver
from ..net import sync_connect
from ..net.deadline import NEVER, Deadline
from ..protocol import operations
from ..protocol.backend import Notification
from ..protocol.operations import AnyQuery, Operation, Outcome, Params, Pending, Pipeline
from ..protocol.prepared import AUTOMATIC
from ..protocol.session import Session
from ..rows import Row, RowFactory
from ..types.registry import Registry
from . import docstrings, twophase
from .base import CANCEL_S, LAST_LOOK_S, BaseConnection, new_session
from .characteristics import IsolationLevel
from .inbox import Inbox
from .info import PipelineStatus
from .sync_cursors import Cursor
from .sync_named import ServerCursor
from .sync_types import Types
from .transactions import BaseTransaction
from .xid import Xid

_IN_THE_MIDDLE: Final = (
    "this connection is in the middle of an operation of this very thread (its source of rows, or a handler, has used "
    "it); use another connection there"
)

T = TypeVar("T")
C = TypeVar("C", bound="Connection[Any]")
R = TypeVar("R")


@docstrings.document(docstrings.CONNECTION)
class Connection(BaseConnection, Generic[Row]):
    """A connection to a PostgreSQL server. Threads may share it: each operation waits for its turn."""

    cursor_factory: type[Cursor[Any]] = Cursor
    server_cursor_factory: type[ServerCursor[Any]] = ServerCursor

    def __init__(self, link: driver.Link, inbox: Inbox) -> None:
        super().__init__(link, inbox)
        self._link = link
        self._lock = threading.RLock()
        self._holder = 0

    @classmethod
    def connect(  # noqa: PYI019  (typing.Self is not in Python 3.10)
        cls: type[C],
        conninfo: str = "",
        *,
        autocommit: bool = False,
        timeout: float | None = None,
        prepare_threshold: int | None = AUTOMATIC,
        row_factory: RowFactory[Any] | None = None,
        cursor_factory: type[Cursor[Any]] | None = None,
        context: Any = None,
        **kwargs: Any,
    ) -> C:
        try:
            infos = settings.parse(conninfo, **kwargs)
        finally:
            del conninfo, kwargs  # tools that report errors show the variables of every frame
        made = cls._open(infos, autocommit, timeout, prepare_threshold)
        made._use_factories(row_factory, cursor_factory)
        if context is not None:
            made._session.registry.adopt(context.adapters._registry)
        return made

    @classmethod
    def _open(  # noqa: PYI019  (as above)
        cls: type[C],
        infos: Sequence[settings.ConnInfo],
        autocommit: bool,
        timeout: float | None,
        prepare_threshold: int | None = AUTOMATIC,
    ) -> C:
        inbox = Inbox()

        def make_session() -> Session:
            return new_session(inbox, autocommit, prepare_threshold)

        return cls(sync_connect.connect(infos, make_session, timeout), inbox)

    # ------------------------------------------------------------ running operations

    # A signal's handler may raise at the end of any call and at the beginning of any function. So a turn is taken
    # inside of the `try`, and given back by the first call of its `finally`, which is none of a function of ours; a
    # lock that knows its owner refuses to be given back by a thread that has not got it.

    def _in_turn(self, deadline: Deadline, work: Callable[..., T], *args: Any) -> T:
        """What `work` returns, done while no other thread uses the session."""
        if os.getpid() != self._pid:
            self._check_process()
        me = threading.get_ident()
        if self._holder == me:
            raise InterfaceError(_IN_THE_MIDDLE)
        try:
            if not self._lock.acquire(False):
                self._wait_for_turn(deadline)
            self._holder = me
            return work(*args)
        finally:
            if self._holder == me:
                self._holder = 0
            try:  # noqa: SIM105  (a function of its own might be interrupted)
                self._lock.release()
            except RuntimeError:
                pass  # the turn has not come

    def _wait_for_turn(self, deadline: Deadline) -> None:
        left = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX)):
            raise TimeoutError(f"{deadline.passed()}: another thread is using the connection")

    def _run(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it begins with the session at rest."""
        deadline = NEVER if timeout is None else Deadline(timeout)
        if os.getpid() != self._pid:
            self._check_process()
        me = threading.get_ident()
        if self._holder == me:
            raise InterfaceError(_IN_THE_MIDDLE)
        try:  # as `_in_turn`, without another call
            if not self._lock.acquire(False):
                self._wait_for_turn(deadline)
            self._holder = me
            if self._pipeline is not None:
                self._drain(self._pipeline, deadline)
            if self._closed or not self._session.usable:
                self._check()
            return self._link.run(operation, deadline)
        finally:
            if self._holder == me:
                self._holder = 0
            try:  # noqa: SIM105  (a function of its own might be interrupted)
                self._lock.release()
            except RuntimeError:
                pass  # the turn has not come

    def _step(self, operation: Operation[T], timeout: float | None = None) -> T:
        """What the operation returns; it goes on with what is under way."""
        deadline = Deadline(timeout)
        found: T = self._in_turn(deadline, self._link.run, operation, deadline)
        return found

    def _abandon(self) -> None:
        """Cancel what is under way and bring the session to rest, or close the connection."""
        self._in_turn(NEVER, self._link.come_to_rest, False)

    # ------------------------------------------------------------ the pipeline

    def _advance(self, pipeline: Pipeline, operation: Operation[T], deadline: Deadline) -> T:
        """What a step of the pipeline returns."""
        try:
            return self._link.run(operation, deadline)
        except BaseException as exc:
            self._interrupted(pipeline, exc)
            raise

    def _drain(self, pipeline: Pipeline, deadline: Deadline) -> None:
        """Read every answer. Raises the first failure that nobody has been told of."""
        if self._session.copying:
            self._check()
        self._advance(pipeline, operations.sync(self._session, pipeline), deadline)
        failure = pipeline.take_failure()
        if failure is not None:
            raise failure

    def _add(
        self,
        pipeline: Pipeline,
        query: AnyQuery,
        params: Params,
        prepare: bool | None,
        registry: Registry,
        timeout: float | None,
    ) -> Pending:
        """The execution, written and not answered yet."""
        deadline = NEVER if timeout is None else Deadline(timeout)
        return self._in_turn(deadline, self._write, pipeline, query, params, prepare, registry, deadline)

    def _write(
        self,
        pipeline: Pipeline,
        query: AnyQuery,
        params: Params,
        prepare: bool | None,
        registry: Registry,
        deadline: Deadline,
    ) -> Pending:
        session = self._session
        try:
            if self._closed or session.dead is not None:
                self._check()
            pending = operations.add_now(session, pipeline, query, params, registry)
            if pending is None:
                asking = operations.add_asking(session, pipeline, query, params, prepare, registry)
                pending = self._advance(pipeline, asking, deadline)
            if session.out.size_bytes >= const.COPY_BLOCK_SIZE:
                self._advance(pipeline, operations.send_more(session, pipeline), deadline)
            return pending
        except BaseException as exc:
            # Something may have been written whose answer is not announced.
            if not isinstance(exc, Exception) and not (session.at_rest and session.out.size_bytes == 0):
                self._link.break_off(exc)
                self._interrupted(pipeline, exc)
            raise

    def _await(self, pending: Pending, timeout: float | None = None) -> Outcome:
        """What the execution gave. Raises what it has failed with."""
        pipeline = self._pipeline
        if pipeline is None:
            return pending.outcome()
        deadline = NEVER if timeout is None else Deadline(timeout)
        return self._in_turn(deadline, self._outcome_of, pipeline, pending, deadline)

    def _outcome_of(self, pipeline: Pipeline, pending: Pending, deadline: Deadline) -> Outcome:
        if not pending.answered:
            self._advance(pipeline, operations.await_answer(self._session, pipeline, pending), deadline)
        return pipeline.outcome_of(pending)

    def _settled(self, timeout: float | None) -> Exception | None:
        """The failure of the pipeline that nobody has been told of, after every answer has been read."""
        if self._pipeline is None:
            return None
        try:
            self._sync(timeout)
        except Exception as exc:
            return exc
        return None

    def _sync(self, timeout: float | None) -> None:
        """Read every answer of the pipeline, raising the first failure that nobody has been told of."""
        pipeline = self._pipeline
        if pipeline is None:
            raise ProgrammingError("the pipeline has ended")
        deadline = Deadline(timeout)
        self._in_turn(deadline, self._drain, pipeline, deadline)

    # ------------------------------------------------------------ the public face

    def __enter__(self: C) -> C:  # noqa: PYI019
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._closed:
                self.commit()
            elif not self.closed and self._session.at_rest and self._two_phase is None:
                self.rollback()
        finally:
            if self._slot is None:
                self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """What a pickle holds: where the connection goes, without the password. Unpickled, it connects anew."""
        return _anew, (type(self), self.info.get_parameters(), self.autocommit)

    def __del__(self) -> None:
        # An __init__ that failed leaves nothing behind.
        link = getattr(self, "_link", None)
        if link is not None and not link.closed and os.getpid() == self._pid:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
            link.close()

    def close(self) -> None:
        slot = self._slot
        if slot is not None and slot.pool.close_returns:
            slot.pool.putconn(self)
        else:
            self._let_go()

    @property
    def _in_use(self) -> bool:
        return self._holder != 0

    def _let_go(self) -> None:
        self._closed = True
        if os.getpid() != self._pid:
            self._link.close()
            return
        try:
            self._link.terminate(alone=self._lock.acquire(False))
        finally:
            try:  # noqa: SIM105  (as in `_in_turn`)
                self._lock.release()
            except RuntimeError:
                pass  # another thread has the turn

    @property
    def types(self) -> Types:
        """The types of the connection: registration, policies, lookups."""
        return Types(self, self._session.registry)

    @overload
    def cursor(self, *, binary: bool | None = None) -> Cursor[Row]: ...
    @overload
    def cursor(self, *, row_factory: RowFactory[R], binary: bool | None = None) -> Cursor[R]: ...
    @overload
    def cursor(
        self, name: str, *, scrollable: bool | None = None, withhold: bool = False, binary: bool | None = None
    ) -> ServerCursor[Row]: ...
    @overload
    def cursor(
        self,
        name: str,
        *,
        row_factory: RowFactory[R],
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> ServerCursor[R]: ...
    def cursor(
        self,
        name: str = "",
        *,
        row_factory: RowFactory[Any] | None = None,
        scrollable: bool | None = None,
        withhold: bool = False,
        binary: bool | None = None,
    ) -> Cursor[Any] | ServerCursor[Any]:
        factory = self._factory if row_factory is None else row_factory
        if name:
            make = self.server_cursor_factory
            return make(self, name, row_factory=factory, scrollable=scrollable, withhold=withhold, binary=binary)
        if scrollable is not None or withhold:
            raise ProgrammingError("scrollable and withhold are for cursors of the server, which have a name")
        if binary is not None:
            return self.cursor_factory(self, row_factory=factory, binary=binary)
        return self.cursor_factory(self, row_factory=factory)

    def execute(
        self,
        query: AnyQuery,
        params: Params = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
        timeout: float | None = None,
    ) -> Cursor[Row]:
        cursor: Cursor[Row] = self.cursor_factory(self, self._factory)
        return cursor.execute(query, params, prepare=prepare, binary=binary, timeout=timeout)

    def commit(self, *, timeout: float | None = None) -> None:
        self._check_no_block("commit()")
        self._run(operations.commit(self._session), timeout)

    def rollback(self, *, timeout: float | None = None) -> None:
        self._check_no_block("rollback()")
        self._settled(timeout)
        self._run(operations.rollback(self._session), timeout)

    def set_autocommit(self, value: bool) -> None:
        self.autocommit = value

    def set_isolation_level(self, value: IsolationLevel | int | None) -> None:
        self.isolation_level = value

    def set_read_only(self, value: bool | None) -> None:
        self.read_only = value

    def set_deferrable(self, value: bool | None) -> None:
        self.deferrable = value

    def tpc_begin(self, xid: Xid | str, *, timeout: float | None = None) -> None:
        self._check_no_block("tpc_begin()")
        self._run(twophase.begin(self, xid), timeout)

    def tpc_prepare(self, *, timeout: float | None = None) -> None:
        self._run(twophase.prepare(self), timeout)

    def tpc_commit(self, xid: Xid | str | None = None, *, timeout: float | None = None) -> None:
        self._run(twophase.finish(self, xid, commits=True), timeout)

    def tpc_rollback(self, xid: Xid | str | None = None, *, timeout: float | None = None) -> None:
        self._run(twophase.finish(self, xid, commits=False), timeout)

    def tpc_recover(self, *, timeout: float | None = None) -> list[Xid]:
        return self._run(twophase.recover(self), timeout)

    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False, *, timeout: float | None = None
    ) -> Transaction:
        return Transaction(self, savepoint_name, force_rollback, timeout)

    def pipeline(self, *, timeout: float | None = None) -> PipelineBlock:
        return PipelineBlock(self, timeout)

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
                yield self._inbox.take()
                given += 1
        finally:
            self._inbox.listeners -= 1

    def call_function(self, oid: int, *arguments: bytes | None, timeout: float | None = None) -> bytes | None:
        return self._run(operations.call_function(self._session, oid, arguments), timeout)

    def wait(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        return self._run(operation, timeout)

    def cancel(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            self._link.cancel(Deadline(timeout))

    def cancel_safe(self, *, timeout: float | None = CANCEL_S) -> None:
        self._check_process()
        if not self.closed and not self._session.at_rest:
            try:
                self._link.cancel(Deadline(timeout))
            except TimeoutError as exc:
                raise CancellationTimeout(f"the server could not be asked to cancel: {exc}") from exc


def _anew(cls: type[C], settings: dict[str, Any], autocommit: bool) -> C:
    return cls.connect(autocommit=autocommit, **settings)


@docstrings.document(docstrings.TRANSACTION)
class Transaction(BaseTransaction):
    """A block of `Connection.transaction`."""

    def __init__(
        self, connection: Connection[Any], savepoint_name: str | None, force_rollback: bool, timeout: float | None
    ) -> None:
        super().__init__(connection, savepoint_name, force_rollback)
        self._timeout = timeout
        self._connection = connection

    @property
    def connection(self) -> Connection[Any]:
        """The connection the block belongs to."""
        return self._connection

    def __enter__(self) -> Transaction:
        self._connection._run(self._enter(), self._timeout)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._finish(exc):
            failure = self._connection._settled(self._timeout)
            self._connection._run(self._leave(exc or failure), self._timeout)
            if exc is None and failure is not None:
                raise failure
        return self._stops(exc)


@docstrings.document(docstrings.PIPELINE)
class PipelineBlock:
    """A block of `Connection.pipeline`."""

    @staticmethod
    def is_supported() -> bool:
        """True: there are pipelines."""
        return True

    @property
    def status(self) -> PipelineStatus:
        """Whether the connection is in a pipeline, and whether a statement of it has failed."""
        return self._connection.info.pipeline_status

    def __init__(self, connection: Connection[Any], timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout

    def sync(self, *, timeout: float | None = None) -> None:
        self._connection._sync(self._timeout if timeout is None else timeout)

    def __enter__(self) -> PipelineBlock:
        self._connection._enter_pipeline()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        try:
            if not connection.closed:
                self.sync()
        except Exception:
            if exc is None:
                raise  # else the block has been left for a reason that is already on its way
        finally:
            connection._leave_pipeline()
