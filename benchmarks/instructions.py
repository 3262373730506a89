"""Instructions of a row: the codec's groups under callgrind, compiled and pure.

    python -m benchmarks.instructions GROUP TABLE ROWS     does the work once; what callgrind runs

Each group is run with two numbers of rows; the difference is free of what the start costs, and repeats to a thousandth
however busy the machine is. Law of this file: the codec's own functions, and bytes made by the pure codec.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

TABLES: Final = ("lineitem", "four")
GROUPS: Final = ("decode_rows", "decode_columns", "encode_copy_rows", "encode_copy_columns", "framing")
#: Group of the point query's client side; it has no table.
POINT: Final = "point query"
#: The two numbers of rows (queries) of each implementation.
COUNTS: Final = {"c": (1000, 4000), "python": (100, 300)}
_TIMEOUT_S: Final = 120


def works() -> list[tuple[str, str]]:
    """(group, table) of everything that is counted."""
    return [*((group, table) for group in GROUPS for table in TABLES), (POINT, "-")]


# ---------------------------------------------------------------- inside callgrind


def write_tables(directory: Path) -> None:
    """Files of the rows, their bytes and their columns, so that what callgrind runs need not make them."""
    from .shapes import SHAPES, data_rows, source_columns

    most = max(many for _few, many in COUNTS.values())
    for table in TABLES:
        shape = SHAPES[table]
        rows = shape.rows(most)
        block = data_rows(shape.specs, rows)
        ends = [0]
        for _ in rows:
            ends.append(ends[-1] + 1 + int.from_bytes(block[ends[-1] + 1 : ends[-1] + 5], "big"))
        columns = [
            tuple([bytes(part) if isinstance(part, (memoryview, bytearray)) else part for part in column])
            for column in source_columns(shape, block, most)
        ]
        (directory / table).write_bytes(pickle.dumps((rows, bytes(block), ends, columns)))


def prepared(group: str, table: str, count: int) -> Callable[[], Any]:
    """The work of one group over so many rows. What is made ready does not depend on their number."""
    from pgfast import codec, const

    from .shapes import SHAPES, copy_bytes, decode_specs, framed, sink_specs

    if group == POINT:
        return _point(count)
    shape = SHAPES[table]
    rows, made, ends, columns = pickle.loads(Path(os.environ["BENCH_TABLES"], table).read_bytes())
    block, stop = bytearray(made), ends[count]
    if group == "encode_copy_rows":
        given = rows[:count]
        return lambda: copy_bytes(codec, shape.specs, given)
    if group == "decode_rows":
        plan = codec.Plan(decode_specs(shape.specs))
        return lambda: codec.decode_rows(plan, block, 0, stop, count)
    if group == "decode_columns":
        sink = codec.ColumnSink(sink_specs(shape))
        return lambda: codec.decode_columns(sink, block, 0, stop, count)
    if group == "encode_copy_columns":
        out = codec.WriteBuffer(1 << 20)
        out.begin_copy()
        return lambda: codec.encode_copy_columns(out, columns, 0, count, 1 << 40)
    start = block[:stop]
    return lambda: framed(codec, start, const.DATA_ROW)


def _point(count: int) -> Callable[[], Any]:
    """So many point queries on a connection, each prepared before."""
    import pgfast

    from .works import BATCH, asked
    from .works import POINT as SQL

    conn = pgfast.connect(os.environ["BENCH_DSN"], autocommit=True)
    query = asked(SQL, "format")

    def run() -> Any:
        for number in range(count):
            conn.execute(query, (number % BATCH,)).fetchall()

    return run


# ---------------------------------------------------------------- around callgrind


def _process(command: list[str], group: str, table: str, rows: int, environment: dict[str, str]) -> None:
    """Runs the work in a process, behind the command. Raises RuntimeError when it fails."""
    done = subprocess.run(
        [*command, sys.executable, "-m", "benchmarks.instructions", group, table, str(rows)],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{group} of {table}, {rows} rows: {done.stderr.strip()[-500:]}")


def count(group: str, table: str, rows: int, environment: dict[str, str]) -> int:
    """Instructions of a whole process that does the work over so many rows."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        _process(command, group, table, rows, environment)
        found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"callgrind wrote no total for {group} of {table}")
    return int(found[1])


def measure(dsn: str) -> dict[str, Any]:
    """Instructions of a row: {"GROUP|TABLE": {"c": ..., "python": ...}}; {"skipped": why} without valgrind."""
    if shutil.which("valgrind") is None:
        return {"skipped": "valgrind is not installed here"}
    wanted = [(work, implementation) for work in works() for implementation in COUNTS]
    made: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
        write_tables(Path(directory))
        # Compiling pgfast's modules would be most of what is counted: they are compiled once, before.
        environment = {"BENCH_DSN": dsn, "BENCH_TABLES": directory, "PYTHONPYCACHEPREFIX": f"{directory}/compiled"}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
        for (group, table), implementation in wanted[:2] + wanted[-2:]:
            _process([], group, table, 1, {**environment, "PGFAST_IMPL": implementation})

        def one(item: tuple[tuple[str, str], str]) -> float:
            (group, table), implementation = item
            few, many = COUNTS[implementation]
            given = {**environment, "PGFAST_IMPL": implementation}
            return (count(group, table, many, given) - count(group, table, few, given)) / (many - few)

        for number, (item, found) in enumerate(zip(wanted, pool.map(one, wanted), strict=True)):
            (group, table), implementation = item
            print(f"benchmarks: instructions, {number + 1} of {len(wanted)}: {group} {table}", file=sys.stderr)
            made.setdefault(f"{group}|{table}", {})[implementation] = found
    return made


def main() -> None:
    """Does the work that the command line names, once; whatever it gives back is dropped."""
    group, table, rows = sys.argv[1:]
    prepared(group, table, int(rows))()


if __name__ == "__main__":
    main()
