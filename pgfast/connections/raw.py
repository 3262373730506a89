"""Cursors whose queries have the server's own placeholders, `$1`, `$2`, ..., and no others: a `%` is a `%`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..protocol.statements import Raw
from ..rows import Row
from .aio_cursors import AsyncCursor
from .aio_named import AsyncServerCursor
from .sync_cursors import Cursor
from .sync_named import ServerCursor


def _raw(query: Any) -> Any:
    """The query to be read so; what is no str is somebody else's to judge."""
    if isinstance(query, bytes):
        query = query.decode("utf-8")
    return Raw(query) if isinstance(query, str) and "%" in query else query


class _RawQueries:
    """The methods that take a query, each as the cursor has it, sync or async."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(_raw(query), params, **options)  # type: ignore[misc]  # the cursor's

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> Any:
        return super().executemany(_raw(query), params_seq, **options)  # type: ignore[misc]

    def stream(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().stream(_raw(query), params, **options)  # type: ignore[misc]


class RawCursor(_RawQueries, Cursor[Row]):
    """A cursor whose queries have `$1` placeholders only."""


class RawServerCursor(_RawQueries, ServerCursor[Row]):
    """A cursor of the server whose query has `$1` placeholders only."""


class AsyncRawCursor(_RawQueries, AsyncCursor[Row]):
    """A cursor whose queries have `$1` placeholders only."""


class AsyncRawServerCursor(_RawQueries, AsyncServerCursor[Row]):
    """A cursor of the server whose query has `$1` placeholders only."""
