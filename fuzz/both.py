"""The two codecs side by side: what one makes of some bytes the other must make too.

Law of this file: a harness that uses the floors above the codec runs once with each of them (`implementations`), which
puts one codec in the place of the other in every module that has taken its names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, Final

from pgfast import _codec_py, codec
from pgfast.errors import Error
from pgfast.types.registry import LENIENT, PLAIN, PROCESS, Registry
from tests.codec.reference import same


def _found() -> tuple[ModuleType, ...]:
    try:
        return importlib.import_module("pgfast._codec"), _codec_py
    except ImportError:
        return (_codec_py,)


#: The codecs there are: both, or in a pure build the pure one.
MODULES: Final = _found()
_REGISTRIES: Final = (PROCESS, PLAIN, LENIENT)
_STATES: Final = ("_rules", "_version", "_looked_at")


class Disagreement(AssertionError):
    """The codecs differ."""


def outcome(action: Callable[[], Any]) -> tuple[Any, ...]:
    """("ok", value) or ("fault", type, code, at, column, text). Any other exception passes: it is a finding."""
    try:
        return ("ok", action())
    except Error as exc:
        found = exc.fault
        place = (None, None, None) if found is None else (found.code, found.at, found.column)
        return ("fault", type(exc), *place, str(exc))


def compare(outcomes: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The outcome that all have. Raises Disagreement."""
    first = outcomes[0]
    for other in outcomes[1:]:
        if not alike(first, other):
            raise Disagreement(f"\nc:      {first!r:.5000}\npython: {other!r:.5000}")
    return first


def alike(left: Any, right: Any) -> bool:
    """Equal by exact type; where a value of a class of its own holds a NaN, which equals nothing, by what it shows."""
    if same(left, right):
        return True
    shown = repr(left)
    return "nan" in shown and shown == repr(right)


def agree(action: Callable[[ModuleType], Any]) -> tuple[Any, ...]:
    """The outcome that every codec has."""
    return compare([outcome(partial(action, module)) for module in MODULES])


class _Places:
    """Where the codec's names stand, and the plans that the process keeps, which are one codec's each."""

    def __init__(self) -> None:
        self._names: list[tuple[ModuleType, str]] = []
        self._modules = 0
        self._now = next(module for module in MODULES if module.IMPLEMENTATION == codec.IMPLEMENTATION)
        self._kept: dict[tuple[ModuleType, Registry], tuple[Any, ...]] = {}

    def _find(self) -> None:
        """Look for the names again where modules have been imported since."""
        if self._modules == len(sys.modules):
            return
        self._modules = len(sys.modules)
        self._names = [
            (module, name)
            for title, module in list(sys.modules.items())
            if title.startswith("pgfast.") and module not in MODULES and not title.startswith("pgfast.kernels")
            for name in self._now.__all__
            if getattr(module, name, None) is getattr(self._now, name)
        ]

    def put(self, wanted: ModuleType) -> ModuleType:
        """From now on everything goes by this codec. The one that stood there."""
        before = self._now
        if wanted is before:
            return before
        self._find()
        for module, name in self._names:
            setattr(module, name, getattr(wanted, name))
        for registry in _REGISTRIES:
            self._kept[before, registry] = tuple([getattr(registry, name) for name in _STATES])
            state = self._kept.get((wanted, registry), (None, -1, -1))
            for name, value in zip(_STATES, state, strict=True):
                setattr(registry, name, value)
        self._now = wanted
        return before


_PLACES: Final = _Places()


def implementations() -> Iterator[ModuleType]:
    """Each codec in turn, while everything goes by it; the one that was there before is put back in the end."""
    before = _PLACES._now
    try:
        for module in MODULES:
            _PLACES.put(module)
            yield module
    finally:
        _PLACES.put(before)
