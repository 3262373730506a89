"""The dialect `postgresql+pgfast` for `create_async_engine`: SQLAlchemy's greenlets over `pgfast.AsyncConnection`.

Law of this file: SQLAlchemy calls these objects as if they were PEP 249's; what needs the server is awaited through
the greenlet, and what the driver holds already is given without leaving it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

import pgfast

from ..connections.aio_cursors import AsyncCursor
from ..connections.aio_named import AsyncServerCursor
from .dialect import PgfastDialect


class AdaptedCursor:
    """A cursor whose rows are all here once it has been executed."""

    __slots__ = ("_cursor",)
    server_side = False

    def __init__(self, cursor: AsyncCursor[Any]) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    @property
    def arraysize(self) -> int:
        """How many rows `fetchmany` gives by default."""
        return self._cursor.arraysize

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._cursor.arraysize = value

    def execute(self, operation: Any, parameters: Any = None, **options: Any) -> AdaptedCursor:
        await_only(self._cursor.execute(operation, parameters, **options))
        return self

    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        await_only(self._cursor.executemany(operation, seq_of_parameters))

    def fetchone(self) -> Any:
        return self._cursor._take_one()

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        return self._cursor._take(self._cursor.arraysize if size is None else size)

    def fetchall(self) -> Sequence[Any]:
        return self._cursor._take(None)

    def __iter__(self) -> Iterator[Any]:
        while (row := self._cursor._take_one()) is not None:
            yield row

    async def _async_soft_close(self) -> None:
        """Nothing: the rows that are here are given without the server."""

    def close(self) -> None:
        self._cursor._close()


class AdaptedServerCursor(AdaptedCursor):
    """A cursor whose rows stay on the server until they are fetched."""

    __slots__ = ()
    server_side = True
    _cursor: AsyncServerCursor[Any]

    def fetchone(self) -> Any:
        return await_only(self._cursor.fetchone())

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        return await_only(self._cursor.fetchmany(size))  # type: ignore[no-any-return]

    def fetchall(self) -> Sequence[Any]:
        return await_only(self._cursor.fetchall())  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def close(self) -> None:
        await_only(self._cursor.close())


class PgfastAdaptedConnection(AdaptedConnection):
    """`pgfast.AsyncConnection` as SQLAlchemy's pool and engine use it; `driver_connection` is the connection itself."""

    __slots__ = ("_connection",)

    def __init__(self, connection: pgfast.AsyncConnection[Any]) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __repr__(self) -> str:
        return f"<PgfastAdaptedConnection of {self._connection!r}>"

    def cursor(self, name: str = "") -> AdaptedCursor:
        if name:
            return AdaptedServerCursor(self._connection.cursor(name))
        return AdaptedCursor(self._connection.cursor())

    def execute(self, operation: Any, parameters: Any = None) -> AdaptedCursor:
        return self.cursor().execute(operation, parameters)

    def load(self, *args: Any, **kwargs: Any) -> Any:
        return await_only(self._connection.load(*args, **kwargs))

    def commit(self) -> None:
        await_only(self._connection.commit())

    def rollback(self) -> None:
        await_only(self._connection.rollback())

    def close(self) -> None:
        await_only(self._connection.close())

    def terminate(self) -> None:
        """Close whatever happens: with a word to the server where this can be awaited."""
        if not in_greenlet():
            self._connection._drop()
            return
        try:
            await_only(asyncio.shield(self._connection.close()))
        except BaseException:
            self._connection._drop()
            raise

    @property
    def autocommit(self) -> bool:
        """Whether every statement is its own transaction."""
        return self._connection.autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._connection.autocommit = value

    @property
    def isolation_level(self) -> Any:
        """The isolation level of the transactions to come."""
        return self._connection.isolation_level

    @isolation_level.setter
    def isolation_level(self, value: Any) -> None:
        self._connection.isolation_level = value

    @property
    def read_only(self) -> bool | None:
        """Whether the transactions to come are read only."""
        return self._connection.read_only

    @read_only.setter
    def read_only(self, value: bool | None) -> None:
        self._connection.read_only = value

    @property
    def deferrable(self) -> bool | None:
        """Whether the transactions to come wait for a safe snapshot."""
        return self._connection.deferrable

    @deferrable.setter
    def deferrable(self, value: bool | None) -> None:
        self._connection.deferrable = value

    def tpc_begin(self, xid: Any) -> None:
        await_only(self._connection.tpc_begin(xid))

    def tpc_prepare(self) -> None:
        await_only(self._connection.tpc_prepare())

    def tpc_commit(self, xid: Any = None) -> None:
        await_only(self._connection.tpc_commit(xid))

    def tpc_rollback(self, xid: Any = None) -> None:
        await_only(self._connection.tpc_rollback(xid))

    def tpc_recover(self) -> Any:
        return await_only(self._connection.tpc_recover())


class AdaptedModule:
    """The module `pgfast` with a `connect` that SQLAlchemy can call."""

    exceptions_module = pgfast

    def __getattr__(self, name: str) -> Any:
        return getattr(pgfast, name)

    def connect(self, *args: Any, **kwargs: Any) -> PgfastAdaptedConnection:
        """A connection, opened by `async_creator_fn` where the engine was given one."""
        create = kwargs.pop("async_creator_fn", pgfast.AsyncConnection.connect)
        return PgfastAdaptedConnection(await_only(create(*args, **kwargs)))


class PgfastAsyncDialect(PgfastDialect):
    """SQLAlchemy over `pgfast.AsyncConnection`; what `create_async_engine` takes is what `create_engine` takes."""

    is_async = True
    has_terminate = True
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return AdaptedModule()

    @classmethod
    def get_pool_class(cls, url: Any) -> type[Any]:
        return AsyncAdaptedQueuePool  # type: ignore[no-any-return]

    def get_driver_connection(self, connection: PgfastAdaptedConnection) -> pgfast.AsyncConnection[Any]:
        return connection._connection

    def do_terminate(self, dbapi_connection: PgfastAdaptedConnection) -> None:
        dbapi_connection.terminate()
