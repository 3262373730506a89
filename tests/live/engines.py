"""Engines of SQLAlchemy over the driver, so that a test of both kinds is written once.

`Engines.connect` gives, for either kind, SQLAlchemy's synchronous Connection: the asynchronous engine's is used inside
of `run`, where SQLAlchemy's greenlets await for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects import registry
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

T = TypeVar("T")


def register() -> None:
    """Say what the entry points of an installed pgfast say; a checkout need not be installed."""
    registry.register("postgresql.pgfast", "pgfast.sqlalchemy", "dialect")
    registry.register("postgresql.pgfast_async", "pgfast.sqlalchemy", "dialect_async")


register()


class Engines:
    """Makes engines of one kind, "sync" or "asyncio", and disposes of them."""

    def __init__(self, kind: str, dsn: str) -> None:
        self.kind = kind
        self.dsn = dsn
        self._loop = asyncio.new_event_loop() if kind == "asyncio" else None
        self._made: list[Engine | AsyncEngine] = []

    def make(self, dsn: str | None = None, **settings: Any) -> Engine | AsyncEngine:
        """A new engine, for the tests' server where no other is named."""
        url = (dsn or self.dsn).replace("postgresql://", "postgresql+pgfast://", 1)
        made = create_engine(url, **settings) if self._loop is None else create_async_engine(url, **settings)
        self._made.append(made)
        return made

    def run(self, engine: Engine | AsyncEngine, body: Callable[[Any], T]) -> T:
        """What `body` returns for a Connection of the engine, which is closed then, and rolled back."""
        if isinstance(engine, Engine):
            with engine.connect() as connection:
                return body(connection)

        async def within() -> T:
            async with engine.connect() as connection:
                found: T = await connection.run_sync(body)
                return found

        assert self._loop is not None
        return self._loop.run_until_complete(within())

    def close(self) -> None:
        """Dispose of the engines, and close the event loop."""
        for engine in self._made:
            if isinstance(engine, AsyncEngine):
                assert self._loop is not None
                self._loop.run_until_complete(engine.dispose())
            else:
                engine.dispose()
        if self._loop is not None:
            self._loop.close()
