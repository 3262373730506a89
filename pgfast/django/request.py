"""The request that a bulk_create() goes by COPY, said for a part of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: The fewest rows that go by COPY in this context; None: what the database's settings say.
_MINIMUM: Final[ContextVar[int | None]] = ContextVar("pgfast_django_copying", default=None)


@contextmanager
def copying(minimum: int = 1) -> Iterator[None]:
    """In this block `bulk_create` of `minimum` objects or more goes by COPY, wherever COPY can do what is asked.

    It overrules OPTIONS["bulk_copy"], for the thread or task that it is in; blocks may be nested. Raises ValueError for
    a minimum below 1.
    """
    if minimum < 1:
        raise ValueError(f"the fewest rows for COPY are 1 or more, not {minimum}")
    token = _MINIMUM.set(minimum)
    try:
        yield
    finally:
        _MINIMUM.reset(token)


def minimum_for_copy(configured: int | None) -> int | None:
    """The fewest rows that go by COPY here, where the settings say `configured`; None: never."""
    asked = _MINIMUM.get()
    return configured if asked is None else asked
