"""How far a command is: a bar on a terminal, lines of JSON where they are asked for, else nothing.

Law of this file: all of it goes to standard error; results have standard output for themselves.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator

from . import show

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
