"""The Arrow C data, stream and PyCapsule interfaces, without pyarrow."""

from __future__ import annotations

from .incoming import ArrayView, ArrowBatch, ArrowReader, is_arrow
from .outgoing import array_capsule, schema_capsule, stream_capsule
from .schema import ArrowField, Family, arrow_type, type_name
from .source import Route, route, source_column

__all__ = [
    "ArrayView",
    "ArrowBatch",
    "ArrowField",
    "ArrowReader",
    "Family",
    "Route",
    "array_capsule",
    "arrow_type",
    "is_arrow",
    "route",
    "schema_capsule",
    "source_column",
    "stream_capsule",
    "type_name",
]
