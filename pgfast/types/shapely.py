"""The geometry of PostGIS as shapely has it."""

from __future__ import annotations

from .infos import register_shapely

__all__ = ["register_shapely"]
