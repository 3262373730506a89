"""A dialect of SQLAlchemy (2.0 and later): `postgresql+pgfast://` for `create_engine` and `create_async_engine`.

SQLAlchemy finds it by its entry points; `pip install 'pgfast[sqlalchemy]'` brings both.
"""

from __future__ import annotations

try:
    import sqlalchemy as _sqlalchemy
except ImportError as exc:
    raise ImportError("SQLAlchemy is not installed; pip install 'pgfast[sqlalchemy]'") from exc

from .asynchronous import PgfastAdaptedConnection, PgfastAsyncDialect
from .dialect import PgfastDialect

if tuple(map(int, _sqlalchemy.__version__.split(".")[:2])) < (2, 0):
    raise ImportError(f"the dialect wants SQLAlchemy 2.0 or later, not {_sqlalchemy.__version__}")

dialect = PgfastDialect
dialect_async = PgfastAsyncDialect

__all__ = ["PgfastAdaptedConnection", "PgfastAsyncDialect", "PgfastDialect", "dialect", "dialect_async"]
