"""`df.to_sql(..., method=pgfast.pandas.copy_method)`: pandas' rows through COPY.

Law of this file: a value must fit its column without loss, as in every load; nothing falls back to INSERT in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .api import Connection
from .errors import InterfaceError


def copy_method(table: Any, connection: Any, keys: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """How many rows went into the table, for the `method` of pandas' `DataFrame.to_sql`.

    pandas calls it for each chunk with its own description of the table, SQLAlchemy's connection, the names of the
    columns and an iterator of the rows; the load is a part of the connection's transaction.

    Raises InterfaceError for a connection that is not of `postgresql+pgfast`, and what `Connection.load` raises.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, Connection):
        raise InterfaceError(
            f"copy_method wants an engine of postgresql+pgfast, made by create_engine; this one gives "
            f"{type(driver).__module__}.{type(driver).__name__}"
        )
    names = [table.name] if table.schema is None else [table.schema, table.name]
    quoted = ".".join('"' + name.replace('"', '""') + '"' for name in names)
    return driver.load(quoted, rows, list(keys)).rows
