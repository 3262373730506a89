"""Connections and cursors by the names of ADBC's DB-API: results as Arrow data, tables from Arrow data.

Law of this file: results are pgfast's Columns and go to Arrow without becoming Python objects; rows are made of them
when somebody asks for rows. What ADBC says of C's handles has no counterpart here and is a NotSupportedError.

Sources: Apache Arrow's docs, "ADBC", "adbc_driver_manager.dbapi".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pgfast
from pgfast import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from pgfast.bulk.create import create_table_sql
from pgfast.bulk.fetch import execute_columns
from pgfast.columns import Columns
from pgfast.protocol.backend import rows_of
from pgfast.protocol.operations import identifier

from . import objects

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

try:
    from adbc_driver_manager.dbapi import Connection as _Base
except ImportError:
    _Base = object  # nobody who looks for ADBC's class is here to see

apilevel = pgfast.apilevel
threadsafety = pgfast.threadsafety
paramstyle = pgfast.paramstyle

_MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "append": (),
    "create": ("CREATE",),
    "replace": ("DROP", "CREATE"),
    "create_append": ("CREATE IF NOT EXISTS",),
}


def connect(uri: str = "", *, autocommit: bool = False, **settings: Any) -> Connection:
    """A connection; `uri` and `settings` are as for `pgfast.connect`, and pgfast:// stands for postgresql://."""
    return Connection(uri, autocommit=autocommit, **settings)


class Connection(_Base):
    """A connection to a PostgreSQL server.

    Pickled it is what pgfast's own connection is, where it goes without any secret; unpickled it connects anew.
    """

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, uri: str = "", **settings: Any) -> None:
        # ADBC's class wants handles of C; it is the base for those who ask what this is.
        self._settings = (uri, settings)
        scheme, mark, rest = uri.partition("://")
        made = f"postgresql://{rest}" if mark and scheme == "pgfast" else uri
        self._connection: pgfast.Connection[Any] = pgfast.connect(made, **settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return _over, (self._connection,)

    def __repr__(self) -> str:
        return f"<adbc_driver_pgfast.Connection over {self._connection!r}>"

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """Nothing: pgfast's connection tells by itself that nobody has closed it."""

    @property
    def driver_connection(self) -> pgfast.Connection[Any]:
        """pgfast's own connection."""
        return self._connection

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self._connection.close()

    def commit(self) -> None:
        """Commit the transaction."""
        self._connection.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        self._connection.rollback()

    def cursor(self, **_: object) -> Cursor:
        """A new cursor."""
        return Cursor(self)

    def execute(self, operation: str, parameters: Any = None) -> Cursor:
        """A new cursor that has executed the statement."""
        return self.cursor().execute(operation, parameters)

    # ------------------------------------------------------------ ADBC

    def adbc_cancel(self) -> None:
        """Cancel what the connection is doing, from another thread."""
        self._connection.cancel()

    def adbc_clone(self) -> Connection:
        """Another connection with the same settings."""
        uri, settings = self._settings
        return Connection(uri, **settings)

    def adbc_get_info(self) -> dict[str, str | int]:
        """Names and versions of the server and of the driver."""
        number = self._connection.info.server_version
        return {
            "vendor_name": "PostgreSQL",
            "vendor_version": str(number),
            "driver_name": "pgfast",
            "driver_version": pgfast.__version__,
            "driver_adbc_version": 1_001_000,
        }

    def adbc_get_table_types(self) -> list[str]:
        """The kinds of relations that `adbc_get_objects` knows."""
        return list(objects.TABLE_TYPES.values())

    def adbc_get_table_schema(
        self, table_name: str, *, catalog_filter: str | None = None, db_schema_filter: str | None = None
    ) -> pyarrow.Schema:
        """The Arrow schema of a table. Raises ADBC's error NOT_FOUND where there is none."""
        name = _qualified(table_name, db_schema_filter)
        found = self._connection.execute("SELECT pg_catalog.to_regclass($1) IS NOT NULL", (name,)).fetchone()
        if found != (True,):
            raise objects.not_found(f"there is no table {name}")
        return self._connection.fetch_columns(f"SELECT * FROM {name} LIMIT 0").to_arrow().schema

    def adbc_get_objects(
        self,
        *,
        depth: str = "all",
        catalog_filter: str | None = None,
        db_schema_filter: str | None = None,
        table_name_filter: str | None = None,
        table_types_filter: list[str] | None = None,
        column_name_filter: str | None = None,
    ) -> pyarrow.RecordBatchReader:
        """Schemas, tables, columns and constraints of the database, in ADBC's nested form; filters are LIKE's."""
        filters = objects.Filters(
            catalog_filter, db_schema_filter, table_name_filter, table_types_filter, column_name_filter
        )
        return objects.read(self._connection, depth, filters)

    @property
    def adbc_current_catalog(self) -> str:
        """The database."""
        return self._connection.info.dbname

    @property
    def adbc_current_db_schema(self) -> str | None:
        """The schema that tables are made in."""
        row = self._connection.execute("SELECT current_schema()::pg_catalog.text").fetchone()
        return None if row is None else row[0]

    @property
    def adbc_connection(self) -> NoReturn:
        """Nothing: there is no handle of C."""
        raise NotSupportedError("pgfast is no driver in C: there is no handle; see driver_connection")

    adbc_database = adbc_connection


def _over(connection: pgfast.Connection[Any]) -> Connection:
    """A connection over one of pgfast's own that was made anew; clones of it go where it goes."""
    made = Connection.__new__(Connection)
    made._settings = (connection.info.dsn, {"autocommit": connection.autocommit})
    made._connection = connection
    return made


def _qualified(table: str, schema: str | None) -> str:
    return identifier(table) if not schema else f"{identifier(schema)}.{identifier(table)}"


class Cursor:
    """Executes statements and gives their results as Arrow data, or as rows."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._adbc = connection
        self._driver = connection.driver_connection
        self._columns: Columns | None = None
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self._rowcount = -1
        self._number = 0
        self._closed = False

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while (row := self.fetchone()) is not None:
            yield row

    @property
    def connection(self) -> Connection:
        """The connection the cursor belongs to."""
        return self._adbc

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        """Names and Arrow types of the result's columns (PEP 249), None where there is none."""
        if self._columns is None:
            return None
        schema = self._columns.to_arrow().schema
        return [(field.name, field.type, None, None, None, None, None) for field in schema]

    @property
    def rowcount(self) -> int:
        """Rows that the last statement gave or touched, -1 where unknown."""
        return self._rowcount

    @property
    def rownumber(self) -> int | None:
        """The index of the next row, None where there is no result."""
        return None if self._columns is None else self._number

    def close(self) -> None:
        """Let go of the result."""
        self._show(None, -1)
        self._closed = True

    def _show(self, columns: Columns | None, rowcount: int) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self._columns, self._rowcount, self._rows, self._number = columns, rowcount, None, 0

    def execute(self, operation: str, parameters: Any = None) -> Cursor:
        """Execute a statement; parameters as for pgfast's cursors, or one row of Arrow data. The cursor itself."""
        self._show(None, -1)
        driver = self._driver
        columns, tag = driver._run(execute_columns(driver._session, operation, _one(parameters)))
        self._show(columns, -1 if tag is None else rows_of(tag))
        return self

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        """Execute a statement for each of the parameters, which may be rows of Arrow data."""
        self._show(None, -1)
        cursor = self._driver.cursor()
        cursor.executemany(operation, _many(seq_of_parameters))
        self._show(None, cursor.rowcount)

    def executescript(self, operation: str) -> None:
        """Execute statements that take no parameters, and forget what they give."""
        self._show(None, -1)
        self._driver.execute(operation)

    # ------------------------------------------------------------ Arrow

    def _result(self) -> Columns:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if self._columns is None:
            raise ProgrammingError("there is nothing to fetch: no statement that gives rows has been executed")
        return self._columns

    def fetch_arrow(self) -> Columns:
        """The whole result, as an object with `__arrow_c_stream__`."""
        return self._result()

    def fetch_arrow_table(self) -> pyarrow.Table:
        """The whole result as a table of pyarrow."""
        return self._result().to_arrow()

    def fetchallarrow(self) -> pyarrow.Table:
        """The same by its older name."""
        return self.fetch_arrow_table()

    def fetch_record_batch(self) -> pyarrow.RecordBatchReader:
        """The result as a reader of record batches."""
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(self._result())

    def fetch_df(self) -> pandas.DataFrame:
        """The whole result as a frame of pandas."""
        return self._result().to_pandas()

    def fetch_polars(self) -> polars.DataFrame:
        """The whole result as a frame of polars."""
        return self._result().to_polars()

    def adbc_ingest(
        self,
        table_name: str,
        data: Any,
        mode: str = "create",
        *,
        catalog_name: str | None = None,
        db_schema_name: str | None = None,
        temporary: bool = False,
    ) -> int:
        """How many rows of `data` (anything with Arrow's PyCapsules) went into the table, by COPY.

        `mode` is "create" (an error where the table is there), "append" (where it is not), "replace" or
        "create_append". The types of a new table hold what the Arrow types hold. It is part of the transaction.
        """
        if mode not in _MODES:
            raise ProgrammingError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
        if catalog_name and catalog_name != self._adbc.adbc_current_catalog:
            raise NotSupportedError("PostgreSQL writes to the database of the connection only")
        if temporary and db_schema_name:
            raise ProgrammingError("a temporary table has no schema of its own choice")
        name = _qualified(table_name, "pg_temp" if temporary and mode != "create" else db_schema_name)
        for step in _MODES[mode]:
            if step == "DROP":
                self._driver.execute(f"DROP TABLE IF EXISTS {name}")
            else:
                self._create(name, data, temporary, step)
        rows = self._driver.load(name, data).rows
        self._show(None, rows)
        return rows

    def _create(self, name: str, data: Any, temporary: bool, step: str) -> None:
        schema = data if hasattr(data, "__arrow_c_schema__") else getattr(data, "schema", data)
        sql = create_table_sql(name, schema if hasattr(schema, "__arrow_c_schema__") else data)
        kind = "TEMPORARY TABLE" if temporary and not name.startswith("pg_temp.") else "TABLE"
        start = f"CREATE {kind}{step.removeprefix('CREATE')}"
        self._driver.execute(start + sql.removeprefix("CREATE TABLE"))

    def adbc_execute_schema(self, operation: str, parameters: Any = None) -> pyarrow.Schema:
        """The Arrow schema of what a query would give; it is not executed."""
        query = f"SELECT * FROM ({operation.rstrip().rstrip(';')}\n) AS described LIMIT 0"
        return self._driver.fetch_columns(query, _one(parameters)).to_arrow().schema

    def adbc_prepare(self, operation: str) -> None:
        """None, which says that the parameters' schema is not known; statements are prepared as they come again."""

    def adbc_cancel(self) -> None:
        """Cancel what the connection is doing, from another thread."""
        self._adbc.adbc_cancel()

    @property
    def adbc_statement(self) -> NoReturn:
        """Nothing: there is no handle of C."""
        raise NotSupportedError("pgfast is no driver in C: there is no handle of a statement")

    # ------------------------------------------------------------ rows

    def _left(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            columns = [column.to_pylist() for column in self._result().to_arrow().columns]
            self._rows = iter(list(zip(*columns, strict=True)) if columns else [()] * self._rowcount)
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None behind the last one."""
        row = next(self._left(), None)
        self._number += row is not None
        return row

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, at most so many, `arraysize` where none is said."""
        rows = [row for _, row in zip(range(self.arraysize if size is None else size), self._left(), strict=False)]
        self._number += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        rows = list(self._left())
        self._number += len(rows)
        return rows

    def nextset(self) -> None:
        """None: a statement has one result."""

    def setinputsizes(self, sizes: object) -> None:
        """Does nothing (PEP 249 demands it)."""

    def setoutputsize(self, size: object, column: int | None = None) -> None:
        """Does nothing (PEP 249 demands it)."""


def _many(parameters: Any) -> Iterable[Any]:
    """The rows of Arrow data, or the parameters as they are."""
    if hasattr(parameters, "__arrow_c_stream__") or hasattr(parameters, "__arrow_c_array__"):
        import pyarrow

        columns = [column.to_pylist() for column in pyarrow.table(parameters).columns]
        return list(zip(*columns, strict=True))
    found: Iterable[Any] = parameters
    return found


def _one(parameters: Any) -> Sequence[Any] | Mapping[str, Any] | None:
    rows: Any = _many(parameters)
    if rows is parameters:
        as_they_are: Sequence[Any] | Mapping[str, Any] | None = rows
        return as_they_are
    taken = list(rows)
    if len(taken) != 1:
        raise ProgrammingError(f"execute() takes one row of parameters, not {len(taken)}; use executemany()")
    row: Sequence[Any] = taken[0]
    return row
