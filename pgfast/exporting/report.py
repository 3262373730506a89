"""What an export did, and how it tells while it does it.

Law of this file: counts only. The rows of a report are the server's own count; those told meanwhile are what has come
so far.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..rates import Rates

#: Called with the rows and bytes so far; one call at a time, by whichever thread has got some.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ExportReport(Rates):
    """What an export did.

    `source` is the table or the query, `files` what was written (none where it went to an open file), `rows` the
    server's count, `size_bytes` what stands in the files. `path` is the way the values went: "server csv" and "server
    json" are the server's own text, passed on as it is; "columns" are values decoded into Arrow's layout. `jobs` is how
    many connections have read at a time, `pieces` in how many parts. `notes` say what is not as one might expect: why
    there was one connection only, which columns became text.
    """

    source: str
    files: tuple[str, ...]
    format: str
    compression: str | None
    rows: int
    size_bytes: int
    seconds: float
    path: str
    jobs: int = 1
    pieces: int = 1
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.rows} rows of {self.source} in {self.seconds:.2f} s "
            f"({self.rows_per_s:,.0f} rows/s, {self.mb_per_s:,.1f} MB/s, {self.format}, {self.path})"
        )


class Meter:
    """Rows and bytes that have come so far, added up over all connections; calls `progress(rows, size_bytes)`."""

    __slots__ = ("_lock", "_progress", "rows", "size_bytes")

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self.rows = 0
        self.size_bytes = 0

    def add(self, rows: int, size_bytes: int) -> None:
        """Count, and tell."""
        with self._lock:
            self.rows += rows
            self.size_bytes += size_bytes
            if self._progress is not None:
                self._progress(self.rows, self.size_bytes)
