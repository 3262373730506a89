"""Statements as Django compiles them; a large insert may become a COPY.

Law of this file: COPY does what INSERT would have done, keys included, or INSERT does it: where a value is an
expression, where the server computes a column that Django wants back, where conflicts are to be ignored or updated.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.backends.postgresql.compiler import (
    SQLAggregateCompiler,
    SQLCompiler,
    SQLDeleteCompiler,
    SQLUpdateCompiler,
)
from django.db.backends.postgresql.compiler import SQLInsertCompiler as _InsertCompiler
from django.db.models import AutoField

from .request import minimum_for_copy

__all__ = ["SQLAggregateCompiler", "SQLCompiler", "SQLDeleteCompiler", "SQLInsertCompiler", "SQLUpdateCompiler"]


class SQLInsertCompiler(_InsertCompiler):
    """Inserts objects, by COPY where that was asked for."""

    def execute_sql(self, returning_fields: Any = None) -> Any:
        """The returned columns of each object."""
        minimum = minimum_for_copy(self.connection.settings_dict["OPTIONS"].get("bulk_copy"))
        if minimum is None or len(self.query.objs) < minimum or not self._may_copy(returning_fields):
            return super().execute_sql(returning_fields)
        rows = self._values()
        if any(hasattr(value, "as_sql") for row in rows for value in row):
            return super().execute_sql(returning_fields)
        return self._copy(rows, returning_fields or ())

    def _may_copy(self, returning_fields: Any) -> bool:
        """Whether all that the caller wants back is the key, which can be drawn beforehand."""
        query = self.query
        key = query.get_meta().pk
        wanted = returning_fields or ()
        drawn = not wanted or (list(wanted) == [key] and isinstance(key, AutoField))
        return bool(query.fields) and query.on_conflict is None and not query.raw and drawn

    def _values(self) -> list[list[Any]]:
        """The values of each object, as the driver takes them."""
        fields = self.query.fields
        rows = [[self.prepare_value(one, self.pre_save_val(one, obj)) for one in fields] for obj in self.query.objs]
        if settings.USE_TZ:
            return rows
        zone = ZoneInfo(self.connection.timezone_name)
        stamps = [at for at, one in enumerate(fields) if one.get_internal_type() == "DateTimeField"]
        for row in rows:
            for at in stamps:
                if isinstance(row[at], datetime) and row[at].tzinfo is None:
                    row[at] = row[at].replace(tzinfo=zone)
        return rows

    def _copy(self, rows: list[list[Any]], returning_fields: Any) -> list[tuple[Any, ...]]:
        connection, meta = self.connection, self.query.get_meta()
        table = connection.ops.quote_name(meta.db_table)
        columns = [field.column for field in self.query.fields]
        keys: list[tuple[Any, ...]] = [()] * len(rows)
        with connection.cursor() as cursor:
            if returning_fields and meta.pk in self.query.fields:
                at = self.query.fields.index(meta.pk)
                keys = [(row[at],) for row in rows]
            elif returning_fields:
                draw = "select nextval(pg_get_serial_sequence(%s, %s)) from generate_series(1, %s)"
                cursor.execute(draw, (table, meta.pk.column, len(rows)))
                keys = cursor.fetchall()
                columns = [meta.pk.column, *columns]
                rows = [[*key, *row] for key, row in zip(keys, rows, strict=True)]
            with connection.wrap_database_errors:
                connection.connection.load(table, rows, columns)
        return keys
