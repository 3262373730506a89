"""Bulk loading: any source into a table by COPY, and query results as columns."""

from __future__ import annotations

from .create import create_table_sql
from .methods import AsyncLoadMethods, LoadMethods
from .report import LoadReport
from .sources import FileOptions

__all__ = ["AsyncLoadMethods", "FileOptions", "LoadMethods", "LoadReport", "create_table_sql"]
