"""The moment at which a call gives up."""

from __future__ import annotations

import time
from typing import Final

from ..errors import TimeoutError

_GRAIN_S: Final = 0.02


class Deadline:
    """A moment `seconds` from now; with None there is no limit, and it is `unlimited`."""

    __slots__ = ("_at", "seconds", "unlimited")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.unlimited = seconds is None
        self._at = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> float | None:
        """Seconds left, None for no limit. Raises TimeoutError when none are."""
        if self._at is None:
            return None
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def clipped(self, least: float) -> float | None:
        """Seconds left but never fewer than `least`, None for no limit: for a last look at what has come already."""
        return None if self._at is None else max(self._at - time.monotonic(), least)

    @property
    def expired(self) -> bool:
        """Whether none are left, but for the grain of an event loop's clock."""
        return self._at is not None and self._at <= time.monotonic() + _GRAIN_S

    def part(self, parts: int) -> Deadline:
        """The deadline for the next one of so many equal parts of the time left."""
        left = self.remaining()
        return Deadline(None if left is None else left / parts)

    def sooner(self, seconds: float) -> Deadline:
        """The deadline so many seconds from now, or this one where it is nearer."""
        left = self.remaining()
        return Deadline(seconds if left is None else min(seconds, left))

    def passed(self) -> TimeoutError:
        """The exception for a wait that outlasted it."""
        return TimeoutError("timed out" if self.seconds is None else f"timed out after {self.seconds:g} s")


#: No limit.
NEVER: Final = Deadline(None)
