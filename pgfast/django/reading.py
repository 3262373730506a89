"""How Django wants the values of a connection: JSON and addresses as text, instants in its own time zone.

Law of this file: Django reads JSON and addresses itself, by a field's decoder. An instant has the zone of the
database's settings, and none where USE_TZ is off: it is the server's local time in the session's TimeZone, which Django
has set to that zone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from ..types.text import parse_timestamptz

#: The types that Django takes in text; of a float4 it takes the digits that the server writes, and not the double that
#: has its value.
_READERS: Final[dict[str, type]] = {"jsonb": str, "inet": str, "cidr": str, "float4": float}
#: Characters of a timestamp before its fraction, as the server writes it (DateStyle ISO).
_SECONDS: Final = 19


def read_as_django(connection: Any, zone: tzinfo | None) -> None:
    """Register how values are read on a connection of pgfast."""
    for name, reader in _READERS.items():
        connection.types.register(name, decode=reader)
    read_in_zone(connection, zone)


def read_in_zone(connection: Any, zone: tzinfo | None) -> None:
    """Read instants in this zone, or as local times without one."""
    connection.types.register("timestamptz", decode=_in_zone(zone))


def _in_zone(zone: tzinfo | None) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        at = max(text.rfind("+"), text.rfind("-"))
        fraction = text[_SECONDS + 1 : at]
        if text[10:11] != " " or text[-2:] == "BC" or at < _SECONDS or (fraction and text[_SECONDS] != "."):
            return parse_timestamptz(text).astimezone(zone)  # raises what is wrong with it
        local = datetime.fromisoformat(text[:_SECONDS])
        if fraction:
            local = local.replace(microsecond=int(fraction.ljust(6, "0")))
        if zone is None:
            return local
        found = local.replace(tzinfo=zone)
        if zone is not timezone.utc and found.utcoffset() != _offset(text[at:]):
            second = found.replace(fold=1)
            if second.utcoffset() == _offset(text[at:]):
                return second
        return found

    return read


def _offset(text: str) -> timedelta:
    """The offset from UTC: `+HH[:MM[:SS]]`."""
    hours, minutes, seconds = (*text[1:].split(":"), "0", "0")[:3]
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    return -offset if text[0] == "-" else offset
