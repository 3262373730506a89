"""Rows and bytes by the second, as every report says them.

Law of this file: the units are the same wherever a rate stands.
"""

from __future__ import annotations

from typing import Protocol


class _Counted(Protocol):
    """What a report has counted."""

    @property
    def rows(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def seconds(self) -> float: ...


class Rates:
    """The rates of a report that counts rows, bytes and seconds."""

    __slots__ = ()

    @property
    def rows_per_s(self: _Counted) -> float:
        """Rows per second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def mb_per_s(self: _Counted) -> float:
        """Megabytes (10**6 bytes) per second."""
        return self.size_bytes / 1e6 / self.seconds if self.seconds else 0.0
