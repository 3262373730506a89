"""How far a command is: a bar on a terminal, lines of JSON where they are asked for, else nothing.

Law of this file: all of it goes to standard error; results have standard output for themselves.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator

from ..bulk.report import Meter
from . import show

#: Rows, rejects, bytes sent, bytes read.
Tell = Callable[[int, int, int, int], None]

#: Seconds between two lines.
_EVERY_S = 1.0


@contextlib.contextmanager
def telling(name: str, total_rows: int | None, as_json: bool) -> Iterator[Callable[[int, int], None] | None]:
    """The callback that an export or a copy wants; None where nobody would see it."""
    if not as_json:
        with show.loading(name, total_rows) as update:
            yield update
        return
    started = told = time.monotonic()

    def tell(rows: int, size_bytes: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _EVERY_S:
            return
        told = now
        line = {"progress": name, "rows": rows, "size_bytes": size_bytes, "seconds": now - started}
        print(json.dumps({**line, "total_rows": total_rows}), file=sys.stderr, flush=True)

    yield tell


class LoadProgress:
    """How far a load is, told by its meters: rows, bytes read of files, rejects."""

    def __init__(self, name: str, total_rows: int | None, total_bytes: int | None, tell: Tell) -> None:
        """`tell` takes rows, rejects, bytes sent, bytes read; of which there will be `total_rows` and `total_bytes`."""
        self._name = name
        self._total_rows = total_rows
        self._total_bytes = total_bytes
        self._tell = tell
        self._meters: list[Meter] = []

    @classmethod
    @contextlib.contextmanager
    def of(
        cls, name: str, total_rows: int | None, total_bytes: int | None, as_json: bool
    ) -> Iterator[LoadProgress | None]:
        """The callback for a load; None where nobody would see it."""
        if as_json:
            yield cls(name, total_rows, total_bytes, _lines(name, total_rows, total_bytes))
        elif sys.stderr.isatty():
            with show.loading_files(name, total_rows, total_bytes) as tell:
                yield cls(name, total_rows, total_bytes, tell)
        else:
            yield None

    def attach(self, meter: Meter) -> None:
        """A meter of the load, which counts on."""
        self._meters.append(meter)

    def __call__(self, rows: int, size_bytes: int) -> None:
        rejected = sum([meter.rejected for meter in self._meters])
        position = sum([meter.position for meter in self._meters])
        self._tell(rows, rejected, size_bytes, position)


def _lines(name: str, total_rows: int | None, total_bytes: int | None) -> Tell:
    started = told = time.monotonic()

    def tell(rows: int, rejected: int, size_bytes: int, position: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _EVERY_S:
            return
        told = now
        line = {
            "progress": name,
            "rows": rows,
            "rejected": rejected,
            "size_bytes": size_bytes,
            "seconds": now - started,
        }
        line.update(read_bytes=position, total_bytes=total_bytes, total_rows=total_rows)
        print(json.dumps(line), file=sys.stderr, flush=True)

    return tell
