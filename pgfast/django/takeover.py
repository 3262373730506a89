"""pgfast where Django's modules import psycopg.

Law of this file: some modules of Django import psycopg, and one hands its names on. That one is replaced
(`psycopg_any`); the others run with an import statement of their own, which finds pgfast under psycopg's name. Nobody
else's imports are changed, so that a program may use psycopg beside.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

_STAND_IN: Final = "django.db.backends.postgresql.psycopg_any"
_IMPORTERS: Final = (
    "django.db.backends.postgresql.base",
    "django.db.backends.postgresql.operations",
    "django.contrib.postgres.search",  # from Django 6 on
    "django.contrib.postgres.signals",
)


def take_over() -> None:
    """Put pgfast in psycopg's place for Django. Doing it twice does nothing.

    Raises ImportError where Django has loaded its own backend already, which has psycopg's classes then.
    """
    ours = importlib.import_module("pgfast.django.psycopg_any")
    loaded = sys.modules.get(_STAND_IN)
    if loaded is ours:
        return
    first = next((name for name in (_STAND_IN, *_IMPORTERS) if name in sys.modules), None)
    if first is not None:
        raise ImportError(
            f"pgfast.django was imported after {first}, which has taken psycopg: put 'pgfast.django' before "
            "'django.contrib.postgres' in INSTALLED_APPS, or import it in the settings; one process cannot have "
            "Django's own PostgreSQL backend beside this one"
        )
    sys.modules[_STAND_IN] = ours
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the modules of Django that import psycopg, and has them executed with pgfast instead."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _IMPORTERS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Redirected(spec.loader)
        return spec


class _Redirected(Loader):
    """A loader whose module finds pgfast under the names of psycopg."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # what inspect and linecache ask of a loader
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the loader does it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with its own import statement."""
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        self._loader.exec_module(module)


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002  (the names that the import statement gives)
    locals: Mapping[str, Any] | None = None,  # noqa: A002
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> Any:
    """What the import statement of these modules calls."""
    package, _, rest = name.partition(".")
    if level or package not in ("psycopg", "psycopg_pool"):
        return builtins.__import__(name, globals, locals, fromlist, level)
    if package == "psycopg_pool":
        return importlib.import_module("pgfast.pool")
    found: Any = importlib.import_module("pgfast.django.surface")
    for part in rest.split(".") if fromlist and rest else ():
        found = getattr(found, part)
    return found
