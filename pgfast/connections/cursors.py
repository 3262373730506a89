"""What cursors of both faces know of their connection: the connection itself, and the types by which they execute."""

from __future__ import annotations

from typing import Any

from ..rows import Row, RowFactory, tuple_row
from ..types.catalogue import TypeInfo
from ..types.registry import Registry
from .adapters import AdaptersMap
from .results import BaseCursor


class ConnectedCursor(BaseCursor[Row]):
    """A cursor of a connection, without its I/O."""

    def __init__(
        self, connection: Any, row_factory: RowFactory[Row] | None = None, *, binary: bool | None = None
    ) -> None:
        self._connection = connection
        if binary is not None:
            self._binary = binary
        if row_factory is not None and row_factory is not tuple_row:
            self._factory = row_factory
        self._own_registry: Registry | None = None
        self._used = False

    @property
    def adapters(self) -> AdaptersMap:
        """Loaders and dumpers of the cursor (`pgfast.adapt`)."""
        return AdaptersMap(self._registry_of_its_own(), self)

    def _registry_of_its_own(self) -> Registry:
        """What is said of types to this cursor; below it is what is said to the connection."""
        if self._own_registry is None:
            self._own_registry = Registry(self._connection._session.registry)
        return self._own_registry

    def _known(self, oid: int) -> TypeInfo | None:
        return super()._known(oid) or self._registry.find(oid)

    @property
    def _registry(self) -> Registry:
        return self._registry_for(None)

    def _registry_for(self, binary: bool | None) -> Registry:
        """The types by which an execution goes; with results in text where `binary`, or else the cursor, says so."""
        registry: Registry = self._own_registry or self._connection._session.registry
        wanted = self._binary if binary is None else binary
        return registry.with_text_results() if wanted is False else registry
