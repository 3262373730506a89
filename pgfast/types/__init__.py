"""The type catalogue: OID -> how to read and write a value."""

from __future__ import annotations

from .catalogue import BY_ARRAY_OID, BY_OID, TypeInfo, type_name
from .coerce import Json
from .registry import Registry

__all__ = ["BY_ARRAY_OID", "BY_OID", "Json", "Registry", "TypeInfo", "type_name"]
