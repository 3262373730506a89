"""How SQLAlchemy's types are bound and read by this dialect.

Law of this file: a parameter says its type in the statement (`$1::INTEGER`), so that the server need not guess it; a
value comes from the driver as SQLAlchemy promises it, or is made so here. Text may stand for a value of any type, as
the connection is told by `dialect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import _psycopg_common, pg_catalog, ranges
from sqlalchemy.dialects.postgresql.json import JSONPathType

from ..values import Multirange, Range

Processor = Callable[[Any], Any]

_COMMON: Final = _psycopg_common._PGDialect_common_psycopg.colspecs
_NUMERIC: Final[Any] = _COMMON[sqltypes.Numeric]
_FLOAT: Final[Any] = _COMMON[sqltypes.Float]


class PgfastString(sqltypes.String):
    render_bind_cast = True


class PgfastInteger(sqltypes.Integer):
    render_bind_cast = True


class PgfastSmallInteger(sqltypes.SmallInteger):
    render_bind_cast = True


class PgfastBigInteger(sqltypes.BigInteger):
    render_bind_cast = True


class PgfastNumeric(_NUMERIC):
    """Its cast has no precision (see `dialect.PgfastCompiler`): that of a column is the column's to apply."""

    render_bind_cast = True


class PgfastFloat(_FLOAT, sqltypes.Float):
    """A Float in SQLAlchemy 2.0 too, whose own for psycopg is a Numeric: its cast would be to NUMERIC."""

    render_bind_cast = True


class PgfastBoolean(sqltypes.Boolean):
    render_bind_cast = True


class PgfastLargeBinary(sqltypes.LargeBinary):
    render_bind_cast = True

    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        """None: the driver gives bytes."""
        return None


def _day(value: Any) -> Any:
    """The day of a datetime without zone, as the server's cast gives it; anything else as it is."""
    return value.date() if isinstance(value, datetime) and value.tzinfo is None else value


class PgfastDate(sqltypes.Date):
    render_bind_cast = True

    def bind_processor(self, dialect: Any) -> Processor | None:
        return _day


class PgfastTime(sqltypes.Time):
    render_bind_cast = True


class PgfastDateTime(sqltypes.DateTime):
    render_bind_cast = True


class PgfastInterval(postgresql.INTERVAL):
    render_bind_cast = True


class PgfastRegconfig(postgresql.REGCONFIG):
    render_bind_cast = True


class PgfastJSON(postgresql.JSON):
    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        """None: the driver reads JSON, by the engine's `json_deserializer` where one was given."""
        return None


class PgfastJSONB(postgresql.JSONB):
    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        """None, as for JSON."""
        return None


class PgfastJSONIntIndex(sqltypes.JSON.JSONIntIndexType):
    __visit_name__ = "json_int_index"
    render_bind_cast = True


class PgfastJSONStrIndex(sqltypes.JSON.JSONStrIndexType):
    __visit_name__ = "json_str_index"
    render_bind_cast = True


class PgfastHSTORE(postgresql.HSTORE):
    """A dict, which the driver reads and writes; text by SQLAlchemy's own functions with `use_native_hstore=False`."""

    render_bind_cast = True

    def bind_processor(self, dialect: Any) -> Processor | None:
        return None if dialect.use_native_hstore else super().bind_processor(dialect)

    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        return None if dialect.use_native_hstore else super().result_processor(dialect, coltype)


class PgfastInt2Vector(pg_catalog.INT2VECTOR):
    cache_ok = True


class PgfastOidVector(pg_catalog.OIDVECTOR):
    cache_ok = True


def _to_driver(value: Any) -> Any:
    """SQLAlchemy's range as the driver's; anything else as it is."""
    if isinstance(value, ranges.Range):
        return Range(value.lower, value.upper, value.bounds, value.empty)
    return value


def _from_driver(value: Range[Any]) -> Any:
    """The driver's range as SQLAlchemy's, whose empty one keeps the bounds it was made with."""
    if value.isempty:
        return ranges.Range(empty=True)
    return ranges.Range(value.lower, value.upper, bounds=value.bounds)


class PgfastRange(ranges.AbstractSingleRangeImpl):
    def bind_processor(self, dialect: Any) -> Processor | None:
        return _to_driver

    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        def process(value: Range[Any] | None) -> Any:
            return None if value is None else _from_driver(value)

        return process


class PgfastMultirange(ranges.AbstractMultiRangeImpl):
    def bind_processor(self, dialect: Any) -> Processor | None:
        def process(value: Any) -> Any:
            if value is None or isinstance(value, (str, Multirange)):
                return value
            return Multirange([_to_driver(one) for one in value])

        return process

    def result_processor(self, dialect: Any, coltype: object) -> Processor | None:
        def process(value: Multirange[Any] | None) -> Any:
            return None if value is None else ranges.MultiRange(map(_from_driver, value))

        return process


#: What stands for which of SQLAlchemy's types, beside what every dialect of PostgreSQL has.
COLSPECS: Final[Mapping[Any, Any]] = MappingProxyType(
    {
        **_COMMON,
        sqltypes.String: PgfastString,
        sqltypes.Integer: PgfastInteger,
        sqltypes.SmallInteger: PgfastSmallInteger,
        sqltypes.BigInteger: PgfastBigInteger,
        sqltypes.Numeric: PgfastNumeric,
        sqltypes.Float: PgfastFloat,
        sqltypes.Boolean: PgfastBoolean,
        sqltypes.LargeBinary: PgfastLargeBinary,
        sqltypes.Date: PgfastDate,
        sqltypes.Time: PgfastTime,
        sqltypes.DateTime: PgfastDateTime,
        sqltypes.Interval: PgfastInterval,
        postgresql.INTERVAL: PgfastInterval,
        postgresql.REGCONFIG: PgfastRegconfig,
        postgresql.CITEXT: postgresql.CITEXT,
        sqltypes.JSON: PgfastJSON,
        postgresql.JSON: PgfastJSON,
        postgresql.JSONB: PgfastJSONB,
        sqltypes.JSON.JSONPathType: JSONPathType,
        sqltypes.JSON.JSONIntIndexType: PgfastJSONIntIndex,
        sqltypes.JSON.JSONStrIndexType: PgfastJSONStrIndex,
        postgresql.HSTORE: PgfastHSTORE,
        pg_catalog.INT2VECTOR: PgfastInt2Vector,
        pg_catalog.OIDVECTOR: PgfastOidVector,
        ranges.AbstractSingleRange: PgfastRange,
        ranges.AbstractMultiRange: PgfastMultirange,
    }
)
