"""What both connections share: everything that needs no waiting."""

from __future__ import annotations

import os
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakValueDictionary

from .. import errors
from ..errors import InterfaceError, OperationalError, ProgrammingError
from ..net.conninfo import ConnInfo
from ..protocol.operations import Pipeline
from ..protocol.prepared import PreparedStatements
from ..protocol.session import Session
from ..rows import RowFactory, tuple_row
from . import hooks
from .adapters import AdaptersMap
from .characteristics import Characteristics, IsolationLevel
from .inbox import Inbox, NoticeHandler, NotifyHandler
from .info import ConnectionInfo, TransactionStatus
from .xid import Xid

#: Seconds that `cancel()` may take where the caller gives no timeout.
CANCEL_S: Final = 30.0
#: Seconds in which `notifies()` whose time is over takes what has arrived already.
LAST_LOOK_S: Final = 0.001


_CLOSED: Final = "the connection is closed"


class AnyLink(Protocol):
    """What a connection asks of either driver's link without waiting."""

    @property
    def session(self) -> Session: ...
    @property
    def info(self) -> ConnInfo: ...
    @property
    def encryption(self) -> str | None: ...
    @property
    def closed(self) -> bool: ...
    def fileno(self) -> int: ...
    @property
    def quiet(self) -> bool: ...
    def close(self) -> None: ...


S = TypeVar("S", bound="BaseConnection")


class BaseConnection:
    """A connection without its I/O."""

    # PEP 249's optional extension: the exceptions, for programs that handle several drivers.
    Warning: Final = errors.Warning
    Error: Final = errors.Error
    InterfaceError: Final = errors.InterfaceError
    DatabaseError: Final = errors.DatabaseError
    DataError: Final = errors.DataError
    OperationalError: Final = errors.OperationalError
    IntegrityError: Final = errors.IntegrityError
    InternalError: Final = errors.InternalError
    ProgrammingError: Final = errors.ProgrammingError
    NotSupportedError: Final = errors.NotSupportedError

    cursor_factory: Any
    #: The connection's place in the pool that has lent it, which takes it back: a block's end does not close it.
    _slot: Any = None
    _hooks: tuple[hooks.Hook, ...] = ()

    def __init__(self, link: AnyLink, inbox: Inbox) -> None:
        self._inbox = inbox
        self._base_link = link
        self._session = link.session
        self._pid = os.getpid()
        self._closed = False
        self._transactions: list[object] = []
        self._named: WeakValueDictionary[str, object] = WeakValueDictionary()  # who has declared which cursor last
        self._factory: RowFactory[Any] | None = None
        self._characteristics = Characteristics(link.session)
        self._two_phase: Xid | None = None
        self._pipeline: Pipeline | None = None
        self._pipeline_blocks = 0

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.info.transaction_status.name
        return f"<pgfast.{type(self).__name__} [{state}] {self._base_link.info} at 0x{id(self):x}>"

    # ------------------------------------------------------------ checks

    def _check_process(self) -> None:
        """Raise InterfaceError in a process that did not open the connection."""
        if os.getpid() != self._pid:
            raise InterfaceError(
                f"this connection was opened by process {self._pid} and cannot be used in process {os.getpid()}: "
                "two processes would read each other's answers; open a new connection after a fork"
            )

    def _check(self) -> None:
        """Raise InterfaceError where no new operation can begin."""
        if self._closed or self._base_link.closed:
            raise InterfaceError(f"the connection is closed: {self._session.dead}" if self._session.dead else _CLOSED)
        if os.getpid() != self._pid:
            self._check_process()
        self._session.check_usable()

    def _enter_pipeline(self) -> None:
        if self.closed or self._pipeline is None:
            self._check()
        self._pipeline_blocks += 1
        if self._pipeline is None:
            self._pipeline = Pipeline()

    def _leave_pipeline(self) -> None:
        self._pipeline_blocks -= 1
        if not self._pipeline_blocks and self._pipeline is not None:
            self._pipeline.fail_all(OperationalError("the pipeline was left before the answer had come"))
            self._pipeline = None

    def _interrupted(self, pipeline: Pipeline, exc: BaseException) -> None:
        """Fail what waits in a pipeline after a step of it was interrupted: its answers have been thrown away."""
        if self._session.at_rest:
            reason = OperationalError(f"the pipeline was interrupted ({type(exc).__name__}); its answers are lost")
            pipeline.fail_all(reason)

    def _condemn(self, exc: errors.ProtocolError) -> None:
        """Close the connection, whose server has said what it cannot mean."""
        self._session.die(exc)
        self._base_link.close()

    def _check_no_block(self, what: str) -> None:
        if self._transactions:
            raise ProgrammingError(
                f"{what} cannot be used inside a transaction() block; leave the block, or raise Rollback in it"
            )
        if self._two_phase is not None:
            raise ProgrammingError(f"{what} cannot be used in a two-phase transaction; use tpc_{what}")

    # ------------------------------------------------------------ what a pool asks

    def _is_quiet(self) -> bool:
        """Whether the server has said nothing since the last answer, not even that it hangs up."""
        return self._base_link.quiet

    def _is_clean(self) -> bool:
        """Whether somebody else may go on with it: at rest, outside of everything that was begun."""
        return self._can_roll_back() and self._session.transaction_status == "I"

    def _can_roll_back(self) -> bool:
        """Whether nothing is under way that a rollback would not end."""
        nothing_begun = self._pipeline is None and not self._transactions and self._two_phase is None
        return nothing_begun and not self.closed and self._session.at_rest and not self._in_use

    @property
    def _in_use(self) -> bool:
        """Whether a thread or task is carrying something out."""
        return False

    # ------------------------------------------------------------ state

    @property
    def closed(self) -> bool:
        """Whether the connection can no longer be used."""
        return self._closed or self._session.dead is not None or self._base_link.closed

    @property
    def broken(self) -> bool:
        """Whether the connection was closed by something else than `close()`."""
        return self.closed and not self._closed

    @property
    def connection(self: S) -> S:  # noqa: PYI019  (typing.Self is not in Python 3.10)
        """The connection itself, for what takes a connection or a cursor."""
        return self

    @property
    def adapters(self) -> AdaptersMap:
        """Loaders and dumpers of the connection (`pgfast.adapt`)."""
        return AdaptersMap(self._session.registry, self)

    @property
    def info(self) -> ConnectionInfo:
        """Facts about the connection and its server."""
        return ConnectionInfo(self._base_link.info, self._session, self._base_link.encryption, self._pipeline)

    @property
    def autocommit(self) -> bool:
        """Whether every statement is its own transaction. It can be set while no transaction is open."""
        return self._session.autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        status = self.info.transaction_status
        idle = status is TransactionStatus.IDLE and not self._session.between_phases
        if value != self._session.autocommit and not idle:
            raise ProgrammingError(
                f"autocommit cannot be changed now, the connection is in the state {status.name}; "
                "commit or roll back first"
            )
        self._session.autocommit = bool(value)

    def _use_factories(self, row_factory: RowFactory[Any] | None, cursor_factory: type | None) -> None:
        if row_factory is not None:
            self.row_factory = row_factory
        if cursor_factory is not None:
            self.cursor_factory = cursor_factory

    @property
    def row_factory(self) -> RowFactory[Any]:
        """What makes the rows of cursors that are made from now on (`pgfast.rows`)."""
        return tuple_row if self._factory is None else self._factory

    @row_factory.setter
    def row_factory(self, factory: RowFactory[Any]) -> None:
        self._factory = None if factory is tuple_row else factory

    @property
    def isolation_level(self) -> IsolationLevel | None:
        """The isolation level of the transactions to come, None: the server's. It can be set while none is open."""
        return self._characteristics.isolation_level

    @isolation_level.setter
    def isolation_level(self, value: IsolationLevel | int | None) -> None:
        self._characteristics.choose("isolation_level", value)

    @property
    def read_only(self) -> bool | None:
        """Whether the transactions to come are read only, None: as the server has it. Set it while none is open."""
        return self._characteristics.read_only

    @read_only.setter
    def read_only(self, value: bool | None) -> None:
        self._characteristics.choose("read_only", value)

    @property
    def deferrable(self) -> bool | None:
        """Whether serializable read-only transactions wait for a safe snapshot. Set it while none is open."""
        return self._characteristics.deferrable

    @deferrable.setter
    def deferrable(self, value: bool | None) -> None:
        self._characteristics.choose("deferrable", value)

    def xid(self, format_id: int, gtrid: str, bqual: str) -> Xid:
        """The identifier of these parts for a two-phase transaction (PEP 249)."""
        return Xid.from_parts(format_id, gtrid, bqual)

    @property
    def prepare_threshold(self) -> int | None:
        """Executions after which a statement is prepared; 0: at once, None: never (see `connect`)."""
        return self._session.prepared.threshold

    @prepare_threshold.setter
    def prepare_threshold(self, value: int | None) -> None:
        self._session.prepared.threshold = value

    @property
    def prepared_max(self) -> int:
        """How many prepared statements are kept; the least recently used one goes first."""
        return self._session.prepared.maximum

    @prepared_max.setter
    def prepared_max(self, value: int) -> None:
        self._session.prepared.maximum = value

    def fileno(self) -> int:
        """The socket's descriptor, for select() and the like."""
        if self.closed:
            raise InterfaceError("the connection is closed")
        return self._base_link.fileno()

    # ------------------------------------------------------------ what comes unasked

    def add_notice_handler(self, callback: NoticeHandler) -> None:
        """Call `callback` with the Diagnostic of every notice and warning.

        What it raises is logged to "pgfast"; it must not use the connection.
        """
        self._inbox.notice_handlers.append(callback)

    def remove_notice_handler(self, callback: NoticeHandler) -> None:
        """Call `callback` no more. Raises ValueError where it was not added."""
        self._inbox.notice_handlers.remove(callback)

    def add_notify_handler(self, callback: NotifyHandler) -> None:
        """Call `callback` with every Notify that arrives during any operation.

        What it raises is logged to "pgfast"; it must not use the connection.
        """
        self._inbox.notify_handlers.append(callback)

    def remove_notify_handler(self, callback: NotifyHandler) -> None:
        """Call `callback` no more. Raises ValueError where it was not added."""
        self._inbox.notify_handlers.remove(callback)

    def add_hook(self, hook: hooks.Hook) -> None:
        """Have the hook told what this connection does (`pgfast.hooks`)."""
        hooks.add_to(self, hook)

    def remove_hook(self, hook: hooks.Hook) -> None:
        """Tell the hook no more. Raises ValueError where it was not added."""
        hooks.remove_from(self, hook)


def new_session(inbox: Inbox, autocommit: bool, prepare_threshold: int | None) -> Session:
    """A session for a new connection, whose notices and notifications go to the inbox."""
    session = Session(prepared=PreparedStatements(prepare_threshold), autocommit=autocommit)
    session.on_notice = inbox.notice
    session.on_notification = inbox.notification
    return session
