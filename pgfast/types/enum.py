"""Enum types."""

from __future__ import annotations

from .infos import EnumInfo, register_enum

__all__ = ["EnumInfo", "register_enum"]
