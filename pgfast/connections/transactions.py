"""`transaction()` blocks: the outermost one is a transaction, those inside it are savepoints."""

from __future__ import annotations

import enum

from ..errors import ProgrammingError
from ..protocol import operations
from ..protocol.operations import Operation
from .base import BaseConnection


class Rollback(Exception):
    """Raise it in a `transaction()` block to leave that block and undo what was done in it; it goes no further.

    With a transaction given it leaves every block up to that transaction's and undoes that one.
    """

    def __init__(self, transaction: BaseTransaction | None = None) -> None:
        super().__init__(transaction)
        self.transaction = transaction


class BlockStatus(str, enum.Enum):
    """Where a block stands."""

    NON_STARTED = "non-started"
    ACTIVE = "active"
    COMMITTED = "committed"
    ROLLED_BACK_EXPLICITLY = "rolled back explicitly"
    ROLLED_BACK_WITH_ERROR = "rolled back with error"


class BaseTransaction:
    """One block, entered once."""

    Status = BlockStatus

    def __init__(self, connection: BaseConnection, savepoint_name: str | None, force_rollback: bool) -> None:
        self._base_connection = connection
        self._name = savepoint_name
        self._force_rollback = force_rollback
        self._outermost = False
        self._entered = False
        self._status = BlockStatus.NON_STARTED

    @property
    def savepoint_name(self) -> str | None:
        """The name of the savepoint, None where the block is a transaction of its own and no name was given."""
        return self._name

    @property
    def status(self) -> BlockStatus:
        """Where the block stands."""
        return self._status

    def __repr__(self) -> str:
        name = self._name or "without savepoint"
        return f"<pgfast.{type(self).__name__} [{self._status.value}] {name} of {self._base_connection!r}>"

    def _enter(self) -> Operation[None]:
        if self._entered:
            raise ProgrammingError("a transaction() block is entered once; call transaction() again")
        session = self._base_connection._session
        blocks = self._base_connection._transactions
        self._outermost = session.transaction_status == "I"
        if self._outermost:
            yield from operations.begin(session)
        elif self._name is None:
            self._name = f"_pgfast_{len(blocks) + 1}"
        if self._name is not None:
            yield from operations.savepoint(session, self._name)
        self._entered = True
        self._status = BlockStatus.ACTIVE
        blocks.append(self)

    def _leave(self, exc: BaseException | None) -> Operation[None]:
        """Commit or release where `exc` is None, else roll back."""
        session = self._base_connection._session
        meant = self._stops(exc) or (exc is None and self._force_rollback)
        self._status = BlockStatus.ROLLED_BACK_EXPLICITLY if meant else BlockStatus.ROLLED_BACK_WITH_ERROR
        if exc is None and not self._force_rollback:
            if self._outermost:
                yield from operations.commit(session)
            else:
                yield from operations.release(session, self._name or "")
            self._status = BlockStatus.COMMITTED
        elif self._outermost or session.transaction_status == "I":
            yield from operations.rollback(session)
        else:
            yield from operations.rollback_to(session, self._name or "")

    def _finish(self, exc: BaseException | None) -> bool:
        """Take the block from the connection's list; whether there is anything left to do on the server."""
        blocks = self._base_connection._transactions
        if not blocks or blocks[-1] is not self:
            if self in blocks:
                del blocks[blocks.index(self) :]
            raise ProgrammingError("transaction() blocks must be left in the reverse order of their entering") from exc
        blocks.pop()
        # Where the connection is gone the server has rolled back, and the exception on its way tells why.
        return exc is None or not self._base_connection.closed

    def _stops(self, exc: BaseException | None) -> bool:
        """Whether the exception was raised to leave this very block."""
        return isinstance(exc, Rollback) and exc.transaction in (None, self)
