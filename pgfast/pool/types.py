"""Types of what a program gives to a pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ..api import AsyncConnection, Connection
    from .aio import AsyncConnectionPool
    from .sync import ConnectionPool

#: The connections of a pool.
CT = TypeVar("CT", bound="Connection[Any]")
ACT = TypeVar("ACT", bound="AsyncConnection[Any]")

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
