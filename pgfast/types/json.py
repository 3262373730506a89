"""JSON: the wrappers, and the functions that read and write it."""

from __future__ import annotations

from .coerce import Json, Jsonb
from .infos import set_json_dumps, set_json_loads

__all__ = ["Json", "Jsonb", "set_json_dumps", "set_json_loads"]
