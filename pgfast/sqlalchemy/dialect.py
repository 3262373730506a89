"""The dialect `postgresql+pgfast`, for `create_engine`; `asynchronous` has the one for `create_async_engine`.

Law of this file: nothing here asks the server anything that the driver knows already, and no statement is sent beside
SQLAlchemy's own.

Sources: SQLAlchemy's docs, "PostgreSQL" and "Third-party dialects"; its module `engine.interfaces` (Dialect).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.postgresql import _psycopg_common, base

import pgfast

from .. import errors
from ..connections.characteristics import IsolationLevel
from ..connections.info import TransactionStatus
from . import copying
from .streamed import StreamedCursor
from .types import COLSPECS

_LOGGER: Final = logging.getLogger("sqlalchemy.dialects.postgresql")
#: What the server says of an error after which it ends the session (docs: Error and Notice Message Fields).
_ENDING: Final = ("FATAL", "PANIC")
_LEVELS: Final[Mapping[str, IsolationLevel | None]] = MappingProxyType(
    {"AUTOCOMMIT": None, **{level.name.replace("_", " "): level for level in IsolationLevel}}
)


def _log_notice(diagnostic: errors.Diagnostic) -> None:
    _LOGGER.info("%s: %s", diagnostic.severity, diagnostic.message_primary)


class PgfastExecutionContext(_psycopg_common._PGExecutionContext_common_psycopg):
    def create_server_side_cursor(self) -> Any:
        return StreamedCursor(super().create_server_side_cursor(), self.execution_options.get("yield_per") or 0)


class PgfastCompiler(base.PGCompiler):
    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        """The parameter with its cast; a number's has no precision, which would round it."""
        if isinstance(dbapi_type, sqltypes.Numeric) and not isinstance(dbapi_type, sqltypes.Float):
            return f"{sqltext}::NUMERIC"
        return str(super().render_bind_cast(type_, dbapi_type, sqltext))


class PgfastDialect(_psycopg_common._PGDialect_common_psycopg):
    """SQLAlchemy over `pgfast.Connection`.

    `create_engine` takes besides what every dialect of PostgreSQL takes: `use_native_hstore` (default: True), and
    `connect_args` for `pgfast.connect`, whose keywords may stand in the URL's query as well. Statements take the
    execution option `pgfast_copy` (see `copying`).
    """

    driver = "pgfast"
    supports_statement_cache = True
    supports_server_side_cursors = True
    supports_sane_multi_rowcount = True
    default_paramstyle = "pyformat"
    # The driver reads JSON, by the engine's function where one is given; SQLAlchemy writes it.
    supports_native_json_serialization = False
    supports_native_json_deserialization = True
    dialect_injects_custom_json_deserializer = True

    execution_ctx_cls = PgfastExecutionContext
    statement_compiler = PgfastCompiler
    colspecs: Mapping[Any, Any] = COLSPECS

    @classmethod
    def import_dbapi(cls) -> Any:
        return pgfast

    @classmethod
    def get_async_dialect_cls(cls, url: Any) -> type[Any]:
        from .asynchronous import PgfastAsyncDialect

        return PgfastAsyncDialect

    @classmethod
    def load_provisioning(cls) -> None:
        """SQLAlchemy's test suite prepares its databases as it does for its own dialects."""
        base.PGDialect.load_provisioning()

    # ------------------------------------------------------------ connecting

    def create_connect_args(self, url: Any) -> tuple[list[Any], dict[str, Any]]:
        args, keywords = super().create_connect_args(url)
        if self.client_encoding is not None:
            keywords["client_encoding"] = self.client_encoding
        if isinstance(keywords.get("timeout"), str):
            keywords["timeout"] = float(keywords["timeout"])
        threshold = keywords.get("prepare_threshold")
        if isinstance(threshold, str):
            keywords["prepare_threshold"] = None if threshold.lower() == "none" else int(threshold)
        return args, keywords

    def on_connect(self) -> Callable[[Any], None]:
        """What is done to every new connection; none of it asks the server."""
        policies: dict[str, Any] = {}
        if self._json_deserializer is not None:
            policies["json_loads"] = self._json_deserializer
        as_text = ["money"] if self.use_native_hstore else ["money", "hstore"]  # MONEY is text with psycopg, too
        if self._native_inet_types is False:
            as_text += ["inet", "cidr"]

        def set_up(connection: Any) -> None:
            connection.add_notice_handler(_log_notice)
            connection.types.configure(**policies)
            for name in as_text:
                connection.types.register(name, decode=str, encode=str)

        return set_up

    def initialize(self, connection: Any) -> None:
        super().initialize(connection)
        if not self.insert_returning:
            self.insert_executemany_returning = False

    def do_ping(self, dbapi_connection: Any) -> bool:
        """True where the server answers an empty query, which begins no transaction and is one question once it is
        prepared."""
        autocommit = dbapi_connection.autocommit
        dbapi_connection.autocommit = True
        try:
            dbapi_connection.cursor().execute("", prepare=True)
        finally:
            if not dbapi_connection.closed:
                dbapi_connection.autocommit = autocommit
        return True

    def is_disconnect(self, e: BaseException, connection: Any, cursor: Any) -> bool:
        """Whether the connection is gone: the driver says so, or the server has said that it ends the session."""
        if connection is None or not isinstance(e, errors.Error):
            return False
        return bool(connection.closed) or e.diag.severity_nonlocalized in _ENDING

    # ------------------------------------------------------------ transactions

    def get_isolation_level_values(self, dbapi_connection: Any) -> tuple[str, ...]:
        return tuple(_LEVELS)

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        idle = dbapi_connection.info.transaction_status is TransactionStatus.IDLE
        level = super().get_isolation_level(dbapi_connection)
        if idle:
            dbapi_connection.rollback()
        return level

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.autocommit = level == "AUTOCOMMIT"
        dbapi_connection.isolation_level = _LEVELS[level]

    def set_readonly(self, connection: Any, value: bool | None) -> None:
        connection.read_only = value

    def get_readonly(self, connection: Any) -> bool | None:
        found: bool | None = connection.read_only
        return found

    def _twophase_idle_check(self, dbapi_conn: Any) -> bool:
        return bool(dbapi_conn.info.transaction_status is TransactionStatus.IDLE)

    # ------------------------------------------------------------ many rows

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute for each of the parameters, by COPY where the statement asks for it and it is the same."""
        wanted = None if context is None else context.execution_options.get("pgfast_copy")
        if not wanted or not copying.copied(cursor, statement, parameters, context, required=wanted == "require"):
            cursor.executemany(statement, parameters)
