"""What Django's modules find where they import psycopg.

Law of this file: names that Django's own modules import, nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Final

from .. import (
    Binary,
    ClientCursor,
    Connection,
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    ServerCursor,
    Warning,
    adapt,
    errors,
    sql,
)
from .. import Cursor as _DriverCursor
from .. import const as _const
from ..connections.client_cursors import ClientBinding
from ..protocol.operations import AnyQuery, Params
from ..types import wrappers

__all__ = [
    "Binary",
    "ClientCursor",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "ServerCursor",
    "Warning",
    "__version__",
    "adapt",
    "adapters",
    "client_cursor",
    "connect",
    "errors",
    "pq",
    "sql",
    "types",
]

#: The version of psycopg whose surface this is: Django demands one.
__version__ = "3.3.0"

connect = Connection.connect


class Cursor(ClientCursor[Any]):
    """A cursor whose parameters are bound by the server; a query that has none goes as text, unless it is prepared.

    Of a query that goes as text `pg_cursors` shows no portal, which Django's tests count on.
    """

    def execute(self, query: AnyQuery, params: Params = None, **given: Any) -> Any:
        """The cursor itself, with the first result."""
        as_text = not params and self._connection.prepare_threshold is None and not given.get("prepare")
        return (ClientCursor if as_text else _DriverCursor).execute(self, query, params, **given)

    def executemany(self, query: AnyQuery, params_seq: Iterable[Any], **given: Any) -> None:
        """Execute a query for each of the parameters, as the driver's cursors do."""
        _DriverCursor.executemany(self, query, params_seq, **given)

    def stream(self, query: AnyQuery, params: Params = None, **given: Any) -> Iterator[Any]:
        """The rows as they come, as the driver's cursors give them."""
        return _DriverCursor.stream(self, query, params, **given)


class _MergingMixin(ClientBinding[Any]):
    """Makes a server's cursor write parameters into the query that it is declared for."""

    def execute(self, query: AnyQuery, params: Params = None, **given: Any) -> Any:
        """The cursor itself, declared for the query with the parameters in it."""
        merged = self._merged = self.mogrify(query, params)
        declared: Any = super()
        return declared.execute(merged, None, **given)


class _TypeInfo:
    """A type that Django has looked up, to be made known to a connection: pgfast looks types up by itself."""

    def __init__(self, name: str, oid: int, array_oid: int) -> None:
        self.name = name
        self.oid = oid
        self.array_oid = array_oid

    def register(self, context: Any = None) -> None:
        """Nothing is left to be done."""


def _register_hstore(info: _TypeInfo, context: Any = None) -> None:
    """Write dicts as hstore on this connection: Django wraps what is to be JSON."""
    context.types.declare(dict, "hstore")


client_cursor: Final = SimpleNamespace(ClientCursorMixin=_MergingMixin)
pq: Final = SimpleNamespace(Format=SimpleNamespace(TEXT=_const.TEXT, BINARY=_const.BINARY))
adapters: Final = SimpleNamespace(types={"timestamptz": SimpleNamespace(oid=_const.OID_TIMESTAMPTZ)})
types: Final = SimpleNamespace(
    TypeInfo=_TypeInfo,
    hstore=SimpleNamespace(register_hstore=_register_hstore),
    numeric=SimpleNamespace(Int2=wrappers.Int2, Int4=wrappers.Int4, Int8=wrappers.Int8),
)
