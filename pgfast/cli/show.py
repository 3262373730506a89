"""What a person sees: numbers, tables and the progress of a load.

Law of this file: standard output carries results, standard error carries progress. Where standard error is no
terminal, progress is silent and the lines of the results say it all.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

#: Width of a table that no terminal bounds.
_UNBOUNDED = 10_000


def console(stderr: bool = False) -> Console:
    """A console for results, or for progress."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _UNBOUNDED, highlight=False, soft_wrap=False)


def rate(count: float, seconds: float) -> str:
    """Something per second, with separators."""
    return f"{count / seconds:,.0f}" if seconds > 0 else "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str | None]], right: frozenset[int] = frozenset()) -> Table:
    """A table of texts; `right` are the columns aligned to the right, None is shown as NULL."""
    made = Table(box=box.ASCII2 if not sys.stdout.isatty() else box.ROUNDED, header_style="bold")
    for index, name in enumerate(header):
        made.add_column(Text(name), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        # Text, not str: values must not be read as markup.
        made.add_row(*(Text("NULL", style="dim") if value is None else Text(value) for value in row))
    return made


class _Speed(TextColumn):
    """Rows and rates of a task whose fields `rows` and `size_bytes` are kept up to date."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        rows, size_bytes = task.fields["rows"], task.fields["size_bytes"]
        seconds = task.elapsed or 0.0
        return Text(f"{rows:,} rows  {rate(rows, seconds)} rows/s  {rate(size_bytes / 1e6, seconds)} MB/s")


@contextlib.contextmanager
def loading(name: str, total_rows: int | None) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar for one file, as the callback that a load wants; None where nobody would see it.

    Without `total_rows` the bar only moves to and fro.
    """
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Speed(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total_rows, rows=0, size_bytes=0)

        def update(rows: int, size_bytes: int) -> None:
            progress.update(task, completed=rows, rows=rows, size_bytes=size_bytes)

        yield update


class _Load(TextColumn):
    """Rows, rate and rejects of a load."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        rows, size_bytes, seconds = task.fields["rows"], task.fields["size_bytes"], task.elapsed or 0.0
        rejected = task.fields["rejected"]
        more = f"  {rejected:,} rejected" if rejected else ""
        return Text(f"{rows:,} rows  {rate(rows, seconds)} rows/s  {rate(size_bytes / 1e6, seconds)} MB/s{more}")


@contextlib.contextmanager
def loading_files(
    name: str, total_rows: int | None, total_bytes: int | None
) -> Iterator[Callable[[int, int, int, int], None]]:
    """A progress bar for a load, as a function that takes rows, rejects, bytes sent and bytes read.

    It goes by rows where their number is known, else by bytes read; without either it only moves to and fro.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), _Load(), TimeElapsedColumn())
    left = (TimeRemainingColumn(),) if total_rows or total_bytes else ()
    with Progress(*columns, *left, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total_rows or total_bytes, rows=0, size_bytes=0, rejected=0)

        def update(rows: int, rejected: int, size_bytes: int, position: int) -> None:
            done = rows + rejected if total_rows else position
            progress.update(task, completed=done, rows=rows, size_bytes=size_bytes, rejected=rejected)

        yield update
