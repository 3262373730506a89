"""The backend: Django's own for PostgreSQL, with what is of another make than psycopg's.

Law of this file: a method is overridden where Django's uses something that only psycopg has, and for nothing else.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.postgresql import base, operations

from .. import ClientCursor, DataError, ProgrammingError, TransactionStatus
from ..types import Jsonb
from .reading import read_as_django, read_in_zone

#: Backends that would find pgfast where they import psycopg.
_OTHERS = ("django.db.backends.postgresql", "django.contrib.gis.db.backends.postgis")


class DatabaseOperations(operations.DatabaseOperations):
    """What Django says in SQL."""

    compiler_module = "pgfast.django.compiler"

    def adapt_json_value(self, value: Any, encoder: Any) -> Jsonb:
        """The value as JSON, written here, so that what the encoder raises reaches the program as it is."""
        return Jsonb(operations.get_json_dumps(encoder)(value), str)

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> str | None:
        """What the cursor has executed, with its parameters in it, for logs; None where they do not fit the query."""
        if not self.connection.features.uses_server_side_binding:
            merged: str | None = cursor.merged_query
            return merged
        try:
            return ClientCursor(cursor.connection).mogrify(sql, params)
        except (DataError, ProgrammingError):
            return None


class DatabaseWrapper(base.DatabaseWrapper):
    """A database of the settings, and its connection."""

    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        other = next((name for name, one in connections.settings.items() if one["ENGINE"] in _OTHERS), None)
        if other is not None:
            raise ImproperlyConfigured(
                f"the database {other!r} has the engine {connections.settings[other]['ENGINE']}, which cannot be used "
                "beside pgfast.django in one process; give it the engine 'pgfast.django' too"
            )

    def get_connection_params(self) -> dict[str, Any]:
        """The settings as `pgfast.connect` takes them."""
        params: dict[str, Any] = super().get_connection_params()
        del params["context"]
        params.pop("bulk_copy", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that reads values as Django wants them."""
        connection = super().get_new_connection(conn_params)
        if self.pool:
            connection._pool = self.pool  # where Django gives it back, though the settings have another pool by then
        else:
            read_as_django(connection, self.timezone)
        connection.django_zone = self.timezone
        return connection

    def _configure_connection(self, connection: Any) -> bool:
        if self.pool:  # which calls this for every new connection
            read_as_django(connection, self.timezone)
        changed: bool = super()._configure_connection(connection)
        return changed

    def _commit(self) -> Any:
        # pgfast raises where a transaction that has failed is committed; Django's own bookkeeping has it rolled back.
        if self.connection is not None and self.connection.info.transaction_status is TransactionStatus.INERROR:
            return self._rollback()
        return super()._commit()

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor; with a name, one of the server, whose parameters stand in its query where the settings say so."""
        connection = self.connection
        if connection.django_zone is not self.timezone:
            read_in_zone(connection, self.timezone)
            connection.django_zone = self.timezone
        if name is None:
            return connection.cursor()
        bound = self.settings_dict["OPTIONS"].get("server_side_binding") is True
        make = connection.server_cursor_factory if bound else base.ServerSideCursor
        # In autocommit mode it is used outside of a transaction.
        return make(connection, name, scrollable=False, withhold=connection.autocommit)
