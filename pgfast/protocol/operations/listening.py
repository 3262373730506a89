"""Waiting for notifications while nothing else is asked."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InterfaceError
from ..backend import ErrorResponse
from ..session import Session
from .steps import READ, Operation


def await_notification(session: Session, arrived: Callable[[], bool]) -> Operation[None]:
    """Return when `arrived` says so: it is asked whenever everything that came has been dealt with."""
    while True:
        event = session.next_event()
        if isinstance(event, ErrorResponse):
            raise session.error(event)
        if event is not None:
            raise session.die(InterfaceError(f"{type(event).__name__} came while only notifications were awaited"))
        if arrived():
            return
        if not (yield READ):
            raise session.lost()
