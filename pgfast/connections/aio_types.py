"""The types of a connection for asyncio. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..protocol import operations
from ..types.catalogue import TypeInfo
from ..types.registry import Registry
from . import docstrings
from .types import BaseTypes

if TYPE_CHECKING:
    from .aio import AsyncConnection


@docstrings.document(docstrings.TYPES)
class AsyncTypes(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: AsyncConnection[Any], registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    async def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return await connection._run(operations.load_types(connection._session, names), timeout)
