"""The names that Django takes from the driver, under the names Django has for them.

Law of this file: it stands in sys.modules where `django.db.backends.postgresql.psycopg_any` would, so it has what that
module has, and imports nothing of Django.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from .. import errors, sql
from ..connections.characteristics import IsolationLevel
from ..connections.client_cursors import ClientCursor
from ..types import Jsonb
from ..values import Range

__all__ = [
    "RANGE_TYPES",
    "ClientCursor",
    "DateRange",
    "DateTimeRange",
    "DateTimeTZRange",
    "Inet",
    "IsolationLevel",
    "Jsonb",
    "NumericRange",
    "Range",
    "errors",
    "get_adapters_template",
    "is_psycopg3",
    "mogrify",
    "register_tzloader",
    "sql",
]

is_psycopg3: Final = True
Inet: Final = ipaddress.ip_address
DateRange = DateTimeRange = DateTimeTZRange = NumericRange = Range
RANGE_TYPES: Final = (Range,)


def mogrify(sql: Any, params: Any, connection: Any) -> str:
    """The query with its parameters in it; `connection` is Django's."""
    with connection.cursor() as cursor:
        return ClientCursor(cursor.connection).mogrify(sql, params)


def get_adapters_template(use_tz: bool, timezone: Any) -> None:
    """Nothing: values are read as Django wants them by what `reading` registers for a connection."""


def register_tzloader(tz: Any, context: Any) -> None:
    """Nothing, as above."""
