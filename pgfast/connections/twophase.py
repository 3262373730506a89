"""Where a connection stands in a two-phase transaction, and how it gets on (PEP 249, "Two-Phase Commit Extensions").

Law of this file: between the phases the session is in no transaction, and none may be begun.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import ProgrammingError
from ..protocol import operations
from ..protocol.operations import Operation
from .base import BaseConnection
from .xid import Xid


def _known(xid: Xid | str) -> Xid:
    if isinstance(xid, str):
        return Xid.from_string(xid)
    if not isinstance(xid, Xid):
        raise ProgrammingError(f"a transaction is named by an Xid or a str, not {type(xid).__name__}")
    return xid


def begin(connection: BaseConnection, xid: Xid | str) -> Operation[None]:
    """Begin a two-phase transaction."""
    known = _known(xid)
    if connection.autocommit:
        raise ProgrammingError("tpc_begin() cannot be used in autocommit mode")
    if connection._session.transaction_status != "I":
        raise ProgrammingError("tpc_begin() cannot be used inside a transaction; commit or roll back first")
    yield from operations.begin(connection._session)
    connection._two_phase = known


def prepare(connection: BaseConnection) -> Operation[None]:
    """The first phase."""
    current = _current(connection, "tpc_prepare()")
    session = connection._session
    if session.between_phases:
        raise ProgrammingError("tpc_prepare() cannot be used twice in a transaction")
    try:
        yield from operations.prepare_transaction(session, str(current))
        session.between_phases = True
    finally:
        if session.transaction_status == "I" and not session.between_phases:
            connection._two_phase = None  # the server has rolled back


def finish(connection: BaseConnection, xid: Xid | str | None, commits: bool) -> Operation[None]:
    """The second phase, of the transaction under way or of one that was recovered; without a first one all at once."""
    what = "tpc_commit()" if commits else "tpc_rollback()"
    session = connection._session
    prepared = operations.commit_prepared if commits else operations.rollback_prepared
    if xid is not None:
        if connection._two_phase is not None or session.transaction_status != "I":
            raise ProgrammingError(f"{what} with an identifier cannot be used inside a transaction")
        yield from prepared(session, str(_known(xid)))
        return
    current = _current(connection, what)
    if session.between_phases:
        yield from prepared(session, str(current))
        session.between_phases = False
    else:
        yield from (operations.commit if commits else operations.rollback)(session)
    connection._two_phase = None


def recover(connection: BaseConnection) -> Operation[list[Xid]]:
    """Every transaction that is prepared and not ended."""
    rows = yield from operations.prepared_transactions(connection._session)
    return [
        replace(Xid.from_string(str(name)), prepared=prepared, owner=owner, database=database)  # type: ignore[arg-type]
        for name, prepared, owner, database in rows
    ]


def _current(connection: BaseConnection, what: str) -> Xid:
    if connection._two_phase is None:
        raise ProgrammingError(f"{what} wants a transaction that was begun by tpc_begin()")
    return connection._two_phase
