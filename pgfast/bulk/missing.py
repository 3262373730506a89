"""pandas' missing value: NULL, as None is.

Law of this file: pandas is never imported. Its NA is known by its type, and looked for only where values are Python
objects and the codec does not take them by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..codec import Spec

Hook = Callable[[Any], Any]


def is_missing(value: object) -> bool:
    """Whether this is pandas.NA. (NaT is an instance of datetime, and the hooks of times know it.)"""
    return type(value).__name__ == "NAType"


def null_for_missing(hook: Hook | None) -> Hook | None:
    """The hook of an encode plan, with None for pandas.NA."""
    if hook is None:
        return None

    def call(value: Any) -> Any:
        return None if is_missing(value) else hook(value)

    return call


def spec_without_missing(spec: Spec) -> Spec:
    """The encode spec, which takes pandas.NA for NULL at any depth."""
    kind, oid, call, children = spec
    return (kind, oid, null_for_missing(call), tuple([spec_without_missing(child) for child in children]))


def without_missing(values: list[Any]) -> list[Any]:
    """The values with None for pandas.NA; the list itself where no pandas is in the process."""
    return [None if is_missing(value) else value for value in values] if "pandas" in sys.modules else values


def row_without_missing(row: Any) -> Any:
    """The row with None for pandas.NA; anything that is no row as it is."""
    if "pandas" not in sys.modules:
        return row
    if isinstance(row, (tuple, list)):
        return without_missing(list(row))
    if isinstance(row, Mapping):
        return {key: None if is_missing(value) else value for key, value in row.items()}
    return row
