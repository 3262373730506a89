"""What the server sends unasked: notices and notifications, and who wants to know."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..errors import Diagnostic, OperationalError
from ..protocol.backend import Notification

NoticeHandler: TypeAlias = Callable[[Diagnostic], None]
NotifyHandler: TypeAlias = Callable[[Notification], None]

#: Bytes of notifications that are kept for `notifies()`: half a million of short ones.
MOST_WAITING_BYTES: Final = 128 << 20
#: What one takes beside its texts, about.
_SIZE_BYTES: Final = 250

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
        self._waiting_bytes = 0

    def notice(self, diag: Diagnostic) -> None:
        """Hand a notice to its handlers."""
        _call_all(self.notice_handlers, diag, "notice")

    def notification(self, notification: Notification) -> None:
        """Hand a notification to its handlers; keep it where there are none, or while `notifies()` waits for it.

        Raises OperationalError where more are kept already than memory should hold.
        """
        _call_all(self.notify_handlers, notification, "notify")
        if self.listeners or not self.notify_handlers:
            if self._waiting_bytes > MOST_WAITING_BYTES:
                raise OperationalError(
                    f"{len(self.notifications)} notifications have come that nobody takes, the connection was closed: "
                    "iterate over notifies(), or add a handler"
                )
            self._waiting_bytes += _size(notification)
            self.notifications.append(notification)

    def take(self) -> Notification:
        """The oldest notification that was kept, which is given away."""
        found = self.notifications.popleft()
        self._waiting_bytes -= _size(found)
        return found


def _size(notification: Notification) -> int:
    return _SIZE_BYTES + len(notification.channel) + len(notification.payload)


def _call_all(handlers: list[Callable[[Any], None]], argument: object, sort: str) -> None:
    # It is called in the middle of an exchange with the server, which a handler's mistake must not break.
    for handler in list(handlers):
        try:
            handler(argument)
        except Exception:
            _logger.exception("a %s handler failed: %r", sort, handler)
