"""Numbers that say of themselves of which type they are."""

from __future__ import annotations

from .wrappers import Float4, Float8, Int2, Int4, Int8, IntNumeric, Oid

__all__ = ["Float4", "Float8", "Int2", "Int4", "Int8", "IntNumeric", "Oid"]
