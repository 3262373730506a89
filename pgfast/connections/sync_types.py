"""The types of a connection for threads. Docstrings of the public methods stand in `docstrings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..protocol import operations
from ..types.catalogue import TypeInfo
from ..types.registry import Registry
from . import docstrings
from .types import BaseTypes

if TYPE_CHECKING:
    from .sync import Connection


@docstrings.document(docstrings.TYPES)
class Types(BaseTypes):
    """What a program says about types to a connection or cursor."""

    def __init__(self, connection: Connection[Any], registry: Registry) -> None:
        super().__init__(registry)
        self._connection = connection

    def load(self, *names: str | int, timeout: float | None = None) -> list[TypeInfo]:
        connection = self._connection
        return connection._run(operations.load_types(connection._session, names), timeout)
