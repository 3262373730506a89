"""hstore."""

from __future__ import annotations

from .infos import register_hstore

__all__ = ["register_hstore"]
