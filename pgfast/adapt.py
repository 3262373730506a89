"""psycopg's adapters, as a face over pgfast's own registry: loaders by type, dumpers by class.

    class UpperLoader(Loader):
        def load(self, data):
            return bytes(data).decode().upper()

    conn.adapters.register_loader("text", UpperLoader)

What is registered for a type by a loader is what `types.register` registers; a dumper is asked for values of its class,
and of classes derived from it, wherever they are parameters. With the module's own `adapters` it holds for the process.
"""

from __future__ import annotations

from .connections.adapters import AdaptersMap, Dumper, Loader, TypesRegistry

__all__ = ["AdaptersMap", "Dumper", "Loader", "TypesRegistry", "adapters"]

#: What is registered for the whole process.
adapters = AdaptersMap()
