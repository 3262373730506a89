"""The places of a pool: where the connection of each is, and how long failing attempts go on.

Law of this file: it knows no clock and no lock; times are seconds of one monotonic clock that callers pass.
"""

from __future__ import annotations

import enum
import random
import weakref
from typing import Any, Final


class Where(enum.Enum):
    """Where the connection of a slot is."""

    CONNECTING = "connecting"  # there is none: it is being made, or the next attempt is due later
    IDLE = "idle"  # in the pool, to be lent
    LENT = "lent"  # with a client
    TENDED = "tended"  # with the pool itself: rolled back, reset or checked
    GONE = "gone"  # the slot does not count any more


#: The ways of a slot. All other ones are mistakes of the pool's own, and refused.
MOVES: Final[dict[Where, frozenset[Where]]] = {
    Where.CONNECTING: frozenset({Where.IDLE, Where.LENT, Where.CONNECTING, Where.GONE}),
    Where.IDLE: frozenset({Where.LENT, Where.TENDED, Where.CONNECTING, Where.GONE}),
    Where.LENT: frozenset({Where.TENDED, Where.CONNECTING, Where.GONE}),
    Where.TENDED: frozenset({Where.IDLE, Where.LENT, Where.CONNECTING, Where.GONE}),
    Where.GONE: frozenset(),
}

#: Seconds until a failed attempt to connect is made again: at first, and at most; each time twice as many.
FIRST_DELAY_S: Final = 1.0
MOST_DELAY_S: Final = 16.0


class Slot:
    """One place of a pool.

    It holds the connection while the pool has it. While it is lent the connection holds the slot, and the slot only
    watches whether the connection is forgotten.
    """

    __slots__ = (
        "__weakref__",
        "attempt",
        "connection",
        "created_at",
        "expires_at",
        "loan",
        "pool",
        "since",
        "tried",
        "watch",
        "where",
    )

    def __init__(self, where: Where) -> None:
        self.where = where
        self.connection: Any = None
        self.pool: Any = None  # the pool, while the connection is lent
        self.loan: object = None  # another one each time it is lent
        self.watch: weakref.ref[Any] | None = None
        self.attempt: Attempts | None = None
        self.created_at = self.expires_at = self.since = 0.0
        self.tried = False  # whether the connection has been given to a client before


class Attempts:
    """Attempts to connect that go on failing, until `timeout_s` after the first failure."""

    __slots__ = ("_delay_s", "_give_up_at")

    def __init__(self, now: float, timeout_s: float) -> None:
        self._give_up_at = now + timeout_s
        self._delay_s = FIRST_DELAY_S

    def next_at(self, now: float) -> float | None:
        """When the next attempt is due, None where it is time to give up. Ten percent of the delay are by chance."""
        if now >= self._give_up_at:
            return None
        delay_s, self._delay_s = self._delay_s, min(self._delay_s * 2, MOST_DELAY_S)
        return min(now + delay_s * random.uniform(0.9, 1.1), self._give_up_at)
