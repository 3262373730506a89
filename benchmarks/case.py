"""One measured case in a process of its own: `python -m benchmarks.case NAME URI DATA_DIRECTORY ROWS`.

Prints one JSON object: wall and CPU seconds of this process between start and end of the case, its peak memory, and
how much of that came after the start. What a case needs (a table in memory, a list of tuples) is made before the start.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from . import wire
from .data import Data

#: A case makes ready and returns what is measured, which returns the number of bytes it sent into the table.
Case = Callable[[str, Data], Callable[[], int]]
BATCH: Final = 50_000
#: Real rows that the generator case repeats: a generator has no list behind it.
GENERATED: Final = 10_000


def raw(uri: str) -> Any:
    """A plain socket to the server."""
    parts = urlsplit(uri)
    return wire.connect(parts.hostname or "", parts.port or 0, parts.username or "", parts.path.lstrip("/"))


def floor_in(uri: str, data: Data) -> Callable[[], int]:
    """The rows as ready frames from a file through a socket."""
    sock = raw(uri)
    return lambda: wire.send_copy(sock, "copy lineitem_in from stdin (format binary)", data.copy_frames)


def floor_out(uri: str, data: Data) -> Callable[[], int]:
    """The rows as binary results, received and forgotten."""
    sock = raw(uri)

    def run() -> int:
        if wire.receive_binary(sock, "select * from lineitem") < data.copy_frames.stat().st_size:
            raise SystemExit("benchmarks: fewer bytes came than the rows have")
        return 0

    return run


def connect(uri: str) -> Any:
    """A pgfast connection."""
    import pgfast

    return pgfast.connect(uri, autocommit=True)


def python_rows(data: Data, count: int) -> list[tuple[Any, ...]]:
    """The first rows as tuples of Python values."""
    import pyarrow.parquet

    rows: list[tuple[Any, ...]] = []
    for batch in pyarrow.parquet.ParquetFile(data.parquet).iter_batches(batch_size=min(count, 65_536)):
        rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if len(rows) >= count:
            break
    return rows[:count]


def loading(source: Callable[[Data], Any]) -> Case:
    """A case that loads what `source` makes."""

    def case(uri: str, data: Data) -> Callable[[], int]:
        conn, made = connect(uri), source(data)
        return lambda: int(conn.load("lineitem_in", made).size_bytes)

    return case


def arrow_table(data: Data) -> Any:
    """A pyarrow table in memory."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(data.parquet)


def file(choose: Callable[[Data], Path]) -> Callable[[Data], Path]:
    """The path of a file; pyarrow, which reads it, is imported before the start."""

    def source(data: Data) -> Path:
        for reader in ("pyarrow.csv", "pyarrow.parquet"):
            importlib.import_module(reader)
        return choose(data)

    return source


def generated(data: Data) -> Iterator[tuple[Any, ...]]:
    """Rows one after the other, as many as wanted, without a list of them."""
    rows = python_rows(data, GENERATED)

    def endless() -> Iterator[tuple[Any, ...]]:
        for number in range(data.rows):
            yield rows[number % GENERATED]

    return endless()


def fetch_rows(uri: str, data: Data) -> Callable[[], int]:
    """Every row as a tuple, some at a time."""
    conn = connect(uri)

    def run() -> int:
        count = 0
        with conn.transaction():
            conn.execute("declare c no scroll cursor for select * from lineitem")
            while rows := conn.execute(f"fetch {BATCH} from c").fetchall():
                count += len(rows)
        if count != data.rows:
            raise SystemExit(f"benchmarks: {count} rows came where {data.rows} are")
        return 0

    return run


def fetch_columns(uri: str, data: Data) -> Callable[[], int]:
    """Everything as columns."""
    conn = connect(uri)

    def run() -> int:
        count = len(conn.fetch_columns("select * from lineitem"))
        if count != data.rows:
            raise SystemExit(f"benchmarks: {count} rows came where {data.rows} are")
        return 0

    return run


CASES: Final[dict[str, Case]] = {
    "floor in": floor_in,
    "Arrow table": loading(arrow_table),
    "list of tuples": loading(lambda data: python_rows(data, data.rows)),
    "generator": loading(generated),
    "CSV file": loading(file(lambda data: data.csv)),
    "Parquet file": loading(file(lambda data: data.parquet)),
    "floor out": floor_out,
    "rows": fetch_rows,
    "columns": fetch_columns,
}


def memory_mb(field: str) -> float:
    """VmRSS or VmHWM of this process in megabytes (10**6 bytes); from getrusage where there is no /proc."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field + ":")) * 1024 / 1e6


def reset_peak() -> None:
    """Makes VmHWM begin anew, so that what was made before the start does not hide the case's own peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # without it the peak may be that of the preparation: too high, never too low


def measure(run: Callable[[], int], gives: str) -> dict[str, float]:
    """Seconds, CPU seconds and memory of one run; `gives` names what it returns."""
    reset_peak()
    before = memory_mb("VmRSS")
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = memory_mb("VmHWM")
    return {"wall_s": wall, "cpu_s": cpu, "peak_mb": peak, "growth_mb": peak - before, gives: result}


def main() -> None:
    """Runs the case that the command line names."""
    name, uri, directory, rows = sys.argv[1:]
    run = CASES[name](uri, Data(Path(directory), int(rows)))
    print(json.dumps(measure(run, "size_bytes")))


if __name__ == "__main__":
    main()
