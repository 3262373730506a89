"""The enumerations of psycopg's `pq`, for programs that compare with them. There is no libpq behind it."""

from __future__ import annotations

from . import codec
from .connections.info import ConnStatus, Format, PipelineStatus, TransactionStatus

__impl__ = codec.IMPLEMENTATION

__all__ = ["ConnStatus", "Format", "PipelineStatus", "TransactionStatus", "__impl__"]
