"""The session's time zone, for text that names none.

Law of this file: a zone the machine does not know is no zone; such text is then refused and not guessed.
"""

from __future__ import annotations

from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UTC = frozenset(("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "UCT"))


def session_zone(name: str | None) -> tzinfo | None:
    """The zone of the server's TimeZone setting, None where it is not known here."""
    if name is None:
        return None
    if name in _UTC:
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a POSIX string such as <+03>-03, or no tz database
        return None
