"""An interval that cannot be a `datetime.timedelta`: one with months."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """Months, days and microseconds, kept apart as the server keeps them (server: timestamp.h, Interval).

    A month is not thirty days and a day is not 24 hours, so nothing is ever carried from one field to another.
    An interval without months is read as `datetime.timedelta`; one with months as this.
    """

    months: int = 0
    days: int = 0
    microseconds: int = 0
