"""Composite types."""

from __future__ import annotations

from .infos import CompositeInfo, register_composite

__all__ = ["CompositeInfo", "register_composite"]
