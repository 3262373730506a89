"""What a pool refuses with."""

from __future__ import annotations

from ..errors import OperationalError


class PoolClosed(OperationalError):
    """The pool is closed, or not open yet."""


class PoolTimeout(OperationalError):
    """The pool had no connection to give within the time."""


class TooManyRequests(OperationalError):
    """As many clients as `max_waiting` allows wait for a connection already."""
