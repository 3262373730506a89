"""Hooks: be told what connections do, those of the whole process or a single one.

`add` and `remove` are for every connection, `Connection.add_hook` and `remove_hook` for one. `docs/observability.md`
shows how. While nobody has a hook they cost nothing.
"""

from __future__ import annotations

from .bulk.methods import AsyncLoadMethods, LoadMethods
from .connections import observing
from .connections.hooks import Call, Hook, LogHook, add, remove
from .exporting.methods import AsyncExportMethods, ExportMethods

for _cls in (LoadMethods, AsyncLoadMethods):
    observing.OBSERVED[_cls] = {
        "load": observing.observed(observing.load, observing.loaded),
        "fetch_columns": observing.observed(observing.fetch_columns, observing.fetched_columns),
    }

for _exporting in (ExportMethods, AsyncExportMethods):
    observing.OBSERVED[_exporting] = {"export": observing.observed(observing.export, observing.loaded)}

__all__ = ["Call", "Hook", "LogHook", "add", "remove"]
