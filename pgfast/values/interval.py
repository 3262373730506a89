"""An interval as the server keeps it, for those that a `datetime.timedelta` cannot hold as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import total_ordering
from typing import Final

_US_PER_DAY: Final = 86_400_000_000
_DAYS_PER_MONTH: Final = 30
_MAX_DAYS: Final = timedelta.max.days


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Months, days and microseconds, kept apart as the server keeps them (server: timestamp.h, Interval).

    A month is not thirty days and a day is not 24 hours, so nothing is ever carried from one field to another. Only
    in comparisons, with another Interval or a timedelta, a month counts as 30 days and a day as 24 hours, as it does
    on the server (timestamp.c, interval_cmp_value): `Interval(days=1) == timedelta(hours=24)`.
    """

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @classmethod
    def of(cls, value: timedelta) -> Interval:
        """The interval of a timedelta: whole days, and a rest of the same sign."""
        total = (value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds
        days, rest = divmod(abs(total), _US_PER_DAY)
        return cls(0, days, rest) if total >= 0 else cls(0, -days, -rest)

    def to_timedelta(self) -> timedelta:
        """The timedelta that is as long, days being 24 hours.

        Raises ValueError for an interval with months, OverflowError for one beyond what a timedelta holds.
        """
        if self.months:
            raise ValueError("an interval with months has no length in days")
        return timedelta(self.days, 0, self.microseconds)

    def _length(self) -> int:
        """Microseconds, as comparisons count them."""
        return (self.months * _DAYS_PER_MONTH + self.days) * _US_PER_DAY + self.microseconds

    def __eq__(self, other: object) -> bool:
        length = _length_of(other)
        return NotImplemented if length is None else self._length() == length

    def __lt__(self, other: object) -> bool:
        length = _length_of(other)
        return NotImplemented if length is None else self._length() < length

    def __hash__(self) -> int:
        length = self._length()
        if abs(length) // _US_PER_DAY < _MAX_DAYS:
            return hash(timedelta(microseconds=length))  # equal values have equal hashes
        return hash(length)

    def __bool__(self) -> bool:
        return bool(self.months or self.days or self.microseconds)

    def __add__(self, other: object) -> Interval:
        if isinstance(other, timedelta):
            other = Interval.of(other)
        if not isinstance(other, Interval):
            return NotImplemented
        return Interval(self.months + other.months, self.days + other.days, self.microseconds + other.microseconds)

    __radd__ = __add__

    def __sub__(self, other: object) -> Interval:
        if isinstance(other, (Interval, timedelta)):
            return self + -other
        return NotImplemented

    def __rsub__(self, other: object) -> Interval:
        return -self + other

    def __neg__(self) -> Interval:
        return Interval(-self.months, -self.days, -self.microseconds)

    def __mul__(self, factor: object) -> Interval:
        """Every field times a whole number."""
        if not isinstance(factor, int):
            return NotImplemented
        return Interval(self.months * factor, self.days * factor, self.microseconds * factor)

    __rmul__ = __mul__


def _length_of(value: object) -> int | None:
    if isinstance(value, timedelta):
        value = Interval.of(value)
    return value._length() if isinstance(value, Interval) else None
