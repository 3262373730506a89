"""What a load did, and how it tells while it does it.

Law of this file: counts only. A row counts when it is in a block, a block when it has been handed to the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..rates import Rates

if TYPE_CHECKING:
    from .rejects import Reject

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LoadReport(Rates):
    """What a load did: `read` = `rows` + `rejected` + `skipped`.

    `rows` is the server's count of what was loaded, of which `inserted` are new and `updated` were there; `rejected`
    were bad, the first 100 of them in `rejects`; `skipped` are in the table already (on_conflict="ignore"), superseded
    by a later row with the same key ("update"), or were dropped by a trigger; `resumed` were loaded before, under the
    same name. `size_bytes` what was sent to it, `source` the kind of source ("rows", "numpy",
    "arrow", "csv", "parquet"), `path` the way the values went: "binary" (binary COPY of exactly the target's types),
    "text" (text COPY, where a target column's type is unknown to the driver, or a CSV file has a column or holds a
    value that only the server surely reads) or "server csv" (the file as it is, read by the server, where its lines are
    not surely those that the server sees). `frozen` says whether the rows were written frozen (COPY ... FREEZE).
    `file` is the name of the source, `dialect` how a CSV file was read: what was said of it and what it has shown by
    itself. `sources` are the reports of each where there were several. `ddl` is the statement that made the table,
    `dry_run` whether nothing was loaded in truth; `warnings` say what of the files was not plain: a delimiter that not
    all of the first records agree on, records that had no say in the types of a table that was made.
    """

    table: str
    columns: tuple[str, ...]
    rows: int
    size_bytes: int
    seconds: float
    source: str
    path: str
    read: int = 0
    rejected: int = 0
    skipped: int = 0
    inserted: int = 0
    updated: int = 0
    resumed: int = 0
    file: str = ""
    frozen: bool = False
    ddl: str | None = None
    dry_run: bool = False
    rejects: tuple[Reject, ...] = ()
    dialect: str = ""
    sources: tuple[LoadReport, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.rows} rows into {self.table} in {self.seconds:.2f} s "
            f"({self.rows_per_s:,.0f} rows/s, {self.mb_per_s:,.1f} MB/s, {self.source}, {self.path})"
        )


def joined(reports: Sequence[LoadReport]) -> LoadReport:
    """The report of several sources as one load."""
    if len(reports) == 1:
        return reports[0]
    counts = {
        name: sum([getattr(report, name) for report in reports])
        for name in ("rows", "size_bytes", "read", "rejected", "skipped", "inserted", "updated", "resumed")
    }
    kinds = list(dict.fromkeys([report.source for report in reports]))
    paths = list(dict.fromkeys([report.path for report in reports]))
    return replace(
        reports[0],
        source=" and ".join(kinds),
        path=" and ".join(paths),
        file="",
        frozen=all(report.frozen for report in reports),
        sources=tuple(reports),
        warnings=tuple([each for report in reports for each in report.warnings]),
        **counts,
    )


class Meter:
    """Rows and bytes of a load under way; calls `progress(rows, size_bytes)` for each block.

    `position` is how many bytes of a text were read, `rejected` how many rows were refused. A `progress` that has a
    method `attach` is given the meter.
    """

    __slots__ = ("_progress", "position", "rejected", "rows", "size_bytes")

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self.rows = 0
        self.size_bytes = 0
        self.position = 0
        self.rejected = 0
        if (attach := getattr(progress, "attach", None)) is not None:
            attach(self)

    @property
    def progress(self) -> Progress | None:
        """Whom a part of the load tells of itself, on top of what came before."""
        told, rows, size_bytes = self._progress, self.rows, self.size_bytes
        if told is None or not rows:
            return told
        return lambda more, bytes_more: told(rows + more, size_bytes + bytes_more)

    def went_on(self, rows: int, size_bytes: int) -> None:
        """A part of the load has come to an end, which has told of itself."""
        self.rows += rows
        self.size_bytes += size_bytes

    @property
    def is_told(self) -> bool:
        """Whether somebody is told."""
        return self._progress is not None

    def block(self, block: memoryview) -> memoryview:
        """The block, counted."""
        self.size_bytes += len(block)
        if self._progress is not None:
            self._progress(self.rows, self.size_bytes)
        return block
