"""What the server sends unasked: notices and notifications, and who wants to know."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..errors import Diagnostic
from ..protocol.backend import Notification

NoticeHandler: TypeAlias = Callable[[Diagnostic], None]
NotifyHandler: TypeAlias = Callable[[Notification], None]

_logger: Final = logging.getLogger("pgfast")


class Inbox:
    """The handlers of a connection, and the notifications that nobody has handled yet.

    It knows no connection, so that a connection that is forgotten is freed at once.
    """

    def __init__(self) -> None:
        self.notice_handlers: list[NoticeHandler] = []
        self.notify_handlers: list[NotifyHandler] = []
        self.notifications: deque[Notification] = deque()
        self.listeners = 0

    def notice(self, diag: Diagnostic) -> None:
        """Hand a notice to its handlers."""
        _call_all(self.notice_handlers, diag, "notice")

    def notification(self, notification: Notification) -> None:
        """Hand a notification to its handlers; keep it where there are none, or while `notifies()` waits for it."""
        _call_all(self.notify_handlers, notification, "notify")
        if self.listeners or not self.notify_handlers:
            self.notifications.append(notification)


def _call_all(handlers: list[Callable[[Any], None]], argument: object, sort: str) -> None:
    # It is called in the middle of an exchange with the server, which a handler's mistake must not break.
    for handler in list(handlers):
        try:
            handler(argument)
        except Exception:
            _logger.exception("a %s handler failed: %r", sort, handler)
