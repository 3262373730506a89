"""The class of an error by its code or by its condition name."""

from __future__ import annotations

from . import sqlstates
from .base import Error


def lookup(sqlstate: str) -> type[Error]:
    """The class for a SQLSTATE ("23505") or for a condition's name ("UNIQUE_VIOLATION", in capitals or not).

    Raises KeyError for what is neither. (docs: PostgreSQL Error Codes)
    """
    key = sqlstate.upper()
    name = "".join(word.capitalize() for word in key.split("_"))
    found = sqlstates.exact(key) or (getattr(sqlstates, name, None) if name in sqlstates.__all__ else None)
    if found is None:
        raise KeyError(sqlstate)
    return found
