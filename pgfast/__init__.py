"""pgfast: a PostgreSQL driver for moving data in bulk."""

from __future__ import annotations

from ._version import __version__

__all__ = ["__version__"]
