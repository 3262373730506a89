"""Types of what a program gives to a pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    # With defaults (PEP 696), which those of typing have from Python 3.13 on: `ConnectionPool(dsn)` has a type then.
    from typing_extensions import TypeVar

    from ..api import AsyncConnection, Connection
    from .aio import AsyncConnectionPool
    from .sync import ConnectionPool

    CT = TypeVar("CT", bound=Connection[Any], default=Connection[tuple[Any, ...]])
    ACT = TypeVar("ACT", bound=AsyncConnection[Any], default=AsyncConnection[tuple[Any, ...]])
else:
    from typing import TypeVar

    #: The connections of a pool.
    CT = TypeVar("CT")
    ACT = TypeVar("ACT")

ConnectionCallback: TypeAlias = Callable[[CT], None]
AsyncConnectionCallback: TypeAlias = Callable[[ACT], Awaitable[None]]
ConninfoParam: TypeAlias = str | Callable[[], str]
AsyncConninfoParam: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
KwargsParam: TypeAlias = dict[str, Any] | Callable[[], dict[str, Any]]
AsyncKwargsParam: TypeAlias = dict[str, Any] | Callable[[], dict[str, Any]] | Callable[[], Awaitable[dict[str, Any]]]
FailedCallback: TypeAlias = Callable[["ConnectionPool[Any]"], None]
AsyncFailedCallback: TypeAlias = (
    Callable[["AsyncConnectionPool[Any]"], None] | Callable[["AsyncConnectionPool[Any]"], Awaitable[None]]
)
