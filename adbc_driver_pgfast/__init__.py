"""ADBC's DB-API names over pgfast, for programs that look for an ADBC driver: `adbc_driver_pgfast.dbapi.connect`.

`pip install 'pgfast[adbc]'` brings what polars and pandas ask for: ADBC's driver manager, whose Connection ours is a
subclass of, and pyarrow.
"""

from __future__ import annotations

from pgfast import __version__

__all__ = ["__version__"]
