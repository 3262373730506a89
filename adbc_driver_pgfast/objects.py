"""What a database holds, in the nested form of ADBC's GetObjects.

Law of this file: one query for everything, and the schema is ADBC's to the last field.

Sources: Apache Arrow's docs, "ADBC API Standard", AdbcConnectionGetObjects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pgfast

if TYPE_CHECKING:
    import pyarrow

#: pg_class.relkind and ADBC's word for it.
TABLE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"r": "table", "v": "view", "m": "materialized_view", "f": "foreign_table", "p": "partitioned_table"}
)
_DEPTHS: Final = ("catalogs", "db_schemas", "tables", "columns", "all")

_QUERY: Final = """
SELECT n.nspname::text, c.relname::text, c.relkind::text, a.attname::text, a.attnum::int4,
       pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_catalog.col_description(c.oid, a.attnum),
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity <> ''
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind::text = ANY ($2::text[])
      AND c.relname LIKE $3::text
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname LIKE $4::text
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname LIKE $1::text AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2, 5"""

_CONSTRAINTS: Final = """
SELECT n.nspname::text, c.relname::text, o.conname::text, o.contype::text,
       ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k(num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.num ORDER BY k.place),
       fn.nspname::text, f.relname::text,
       ARRAY(SELECT a.attname::text FROM unnest(o.confkey) WITH ORDINALITY k(num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.num ORDER BY k.place)
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class f ON f.oid = o.confrelid LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE o.contype IN ('p', 'u', 'f', 'c') AND n.nspname LIKE $1::text AND c.relname LIKE $2::text
ORDER BY 1, 2, 3"""
_CONSTRAINT_TYPES: Final = {"p": "PRIMARY KEY", "u": "UNIQUE", "f": "FOREIGN KEY", "c": "CHECK"}


@dataclass(frozen=True, slots=True)
class Filters:
    """Patterns of LIKE, None for everything; `types` are ADBC's words."""

    catalog: str | None
    schema: str | None
    table: str | None
    types: list[str] | None
    column: str | None


def not_found(message: str) -> Exception:
    """ADBC's error NOT_FOUND, or pgfast's where its driver manager is not installed."""
    try:
        from adbc_driver_manager import AdbcStatusCode, ProgrammingError
    except ImportError:
        return pgfast.ProgrammingError(message)
    made: Exception = ProgrammingError(message, status_code=AdbcStatusCode.NOT_FOUND, sqlstate="42P01")
    return made


def read(connection: pgfast.Connection[Any], depth: str, filters: Filters) -> pyarrow.RecordBatchReader:
    """The objects of the connection's database down to a depth; what lies deeper is null."""
    import pyarrow

    if depth not in _DEPTHS:
        raise pgfast.ProgrammingError(f"depth is one of {', '.join(_DEPTHS)}, not {depth!r}")
    like = "SELECT $1::text LIKE $2::text"
    database = connection.info.dbname
    listed: list[dict[str, Any]] = []
    if connection.execute(like, (database, filters.catalog or "%")).fetchone() == (True,):
        schemas = None if depth == "catalogs" else _schemas(connection, depth, filters)
        listed.append({"catalog_name": database, "catalog_db_schemas": schemas})
    return pyarrow.Table.from_pylist(listed, schema=_schema()).to_reader()


def _schemas(connection: pgfast.Connection[Any], depth: str, filters: Filters) -> list[dict[str, Any]]:
    kinds = [kind for kind, word in TABLE_TYPES.items() if filters.types is None or word in filters.types]
    schema, table = filters.schema or "%", filters.table or "%"
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in connection.execute(_QUERY, (schema, kinds, table, filters.column or "%")):
        tables = found.setdefault(row[0], {})
        if row[1] is not None:
            made = tables.setdefault(row[1], {"table_name": row[1], "table_type": TABLE_TYPES[row[2]]})
            if depth in ("columns", "all"):
                columns = made.setdefault("table_columns", [])
                made.setdefault("table_constraints", [])
                if row[3] is not None:
                    columns.append(_column(row))
    if depth in ("columns", "all"):
        for row in connection.execute(_CONSTRAINTS, (schema, table)):
            if row[1] in found.get(row[0], {}):
                found[row[0]][row[1]]["table_constraints"].append(_constraint(connection.info.dbname, row))
    return [
        {"db_schema_name": name, "db_schema_tables": None if depth == "db_schemas" else list(tables.values())}
        for name, tables in found.items()
    ]


def _column(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "column_name": row[3],
        "ordinal_position": row[4],
        "remarks": row[7],
        "xdbc_type_name": row[5],
        "xdbc_nullable": int(row[6]),
        "xdbc_is_nullable": "YES" if row[6] else "NO",
        "xdbc_column_def": row[8],
        "xdbc_is_autoincrement": row[9],
    }


def _constraint(database: str, row: tuple[Any, ...]) -> dict[str, Any]:
    usage = [
        {"fk_catalog": database, "fk_db_schema": row[5], "fk_table": row[6], "fk_column_name": name} for name in row[7]
    ]
    return {
        "constraint_name": row[2],
        "constraint_type": _CONSTRAINT_TYPES[row[3]],
        "constraint_column_names": row[4],
        "constraint_column_usage": usage if row[3] == "f" else None,
    }


def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    text, small, number = pa.string(), pa.int16(), pa.int32()
    usage = pa.struct(
        [
            pa.field("fk_catalog", text),
            pa.field("fk_db_schema", text),
            pa.field("fk_table", text, nullable=False),
            pa.field("fk_column_name", text, nullable=False),
        ]
    )
    constraint = pa.struct(
        [
            pa.field("constraint_name", text),
            pa.field("constraint_type", text, nullable=False),
            pa.field("constraint_column_names", pa.list_(text), nullable=False),
            pa.field("constraint_column_usage", pa.list_(usage)),
        ]
    )
    column = pa.struct(
        [
            pa.field("column_name", text, nullable=False),
            *[("ordinal_position", number), ("remarks", text), ("xdbc_data_type", small), ("xdbc_type_name", text)],
            *[("xdbc_column_size", number), ("xdbc_decimal_digits", small), ("xdbc_num_prec_radix", small)],
            *[("xdbc_nullable", small), ("xdbc_column_def", text), ("xdbc_sql_data_type", small)],
            *[("xdbc_datetime_sub", small), ("xdbc_char_octet_length", number), ("xdbc_is_nullable", text)],
            *[("xdbc_scope_catalog", text), ("xdbc_scope_schema", text), ("xdbc_scope_table", text)],
            *[("xdbc_is_autoincrement", pa.bool_()), ("xdbc_is_generatedcolumn", pa.bool_())],
        ]
    )
    table = pa.struct(
        [
            pa.field("table_name", text, nullable=False),
            pa.field("table_type", text, nullable=False),
            pa.field("table_columns", pa.list_(column)),
            pa.field("table_constraints", pa.list_(constraint)),
        ]
    )
    schema = pa.struct([("db_schema_name", text), ("db_schema_tables", pa.list_(table))])
    return pa.schema([("catalog_name", text), ("catalog_db_schemas", pa.list_(schema))])
