"""The data of the benchmarks: TPC-H lineitem, cut to a round number of rows, in every form the cases want.

Law of this file: it runs in the peers' interpreter too, so nothing of pgfast; pyarrow inside the functions only. Files
are made once and kept, since making them takes longer than a case.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

#: lineitem rows at scale factor 1, about; a little more than is wanted is made, then cut.
ROWS_PER_SCALE: Final = 6_001_215

#: Real rows that a generator repeats.
GENERATED: Final = 10_000

#: 1970-01-01 as date.toordinal() counts.
_EPOCH: Final = 719_163

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Data:
    """Where the files of so many rows are."""

    directory: Path
    rows: int

    def parquet(self, table: str = "lineitem") -> Path:
        """The rows of lineitem or lineitem_float8 as Parquet."""
        return self.directory / f"{table}.parquet"

    @property
    def csv(self) -> Path:
        """The rows as CSV with a header line; for both tables."""
        return self.directory / "lineitem.csv"

    def frames(self, table: str) -> Path:
        """The rows as CopyData frames of binary COPY, ready for a socket."""
        return self.directory / f"{table}.copy"

    def expected(self, work: str) -> Path:
        """What a fetch must give, as the server writes it in JSON."""
        return self.directory / f"{work.replace(' ', '_')}.json"

    def arrow(self, table: str = "lineitem") -> Any:
        """A pyarrow table in memory."""
        import pyarrow.parquet

        return pyarrow.parquet.read_table(self.parquet(table))

    def tuples(self, count: int | None = None) -> list[Row]:
        """The first rows of lineitem as tuples of Python values."""
        import pyarrow.parquet

        wanted = self.rows if count is None else count
        rows: list[Row] = []
        gc.disable()  # it would walk the growing list again and again; the measuring begins with a collection
        for batch in pyarrow.parquet.ParquetFile(self.parquet()).iter_batches(batch_size=min(wanted, 65_536)):
            rows += zip(*map(_values, batch.columns), strict=True)
            if len(rows) >= wanted:
                break
        gc.enable()
        return rows[:wanted]

    def dicts(self) -> Dicts:
        """The rows of lineitem as dicts, made one after the other."""
        names = self.arrow().column_names
        rows = [dict(zip(names, row, strict=True)) for row in self.tuples(min(GENERATED, self.rows))]
        return Dicts(rows, self.rows)


@dataclass(frozen=True, slots=True)
class Dicts:
    """`count` new dicts: the rows, again and again, without a list of all."""

    rows: list[dict[str, Any]]
    count: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in islice(cycle(self.rows), self.count):
            yield row.copy()


def _values(column: Any) -> list[Any]:
    """What to_pylist() gives, in a third of its time: the columns of lineitem have no nulls."""
    import pyarrow

    if pyarrow.types.is_integer(column.type):
        return list(column.to_numpy().tolist())
    if pyarrow.types.is_decimal(column.type):
        return list(map(Decimal, column.cast(pyarrow.string()).to_pylist()))
    if pyarrow.types.is_date32(column.type):
        return list(map(date.fromordinal, (column.cast(pyarrow.int32()).to_numpy() + _EPOCH).tolist()))
    return list(column.to_pylist())


def prepare(directory: Path, sizes: list[int]) -> dict[int, Data]:
    """The Parquet and CSV files of every size, made where they are not there."""
    made = {rows: Data(directory / str(rows), rows) for rows in sizes}
    missing = [data for data in made.values() if not data.csv.exists()]
    if missing:
        whole = _generate(directory, max(data.rows for data in missing))
        for data in missing:
            _write(data, whole.slice(0, data.rows))
    return made


def _generate(directory: Path, rows: int) -> Any:
    """At least so many rows of lineitem, as a pyarrow table."""
    import pyarrow
    import pyarrow.parquet

    directory.mkdir(parents=True, exist_ok=True)
    beside = str(Path(sys.executable).parent)
    program = shutil.which("tpchgen-cli", path=os.pathsep.join([beside, *os.get_exec_path()]))
    if program is None:
        raise SystemExit("benchmarks: tpchgen-cli is missing: pip install 'pgfast[bench]'")
    scale = max(rows, 10_000) / ROWS_PER_SCALE * 1.02
    command = [program, "parquet", "--scale-factor", f"{scale:.6f}", "--tables", "lineitem", "--overwrite"]
    subprocess.run([*command, "--output-dir", str(directory)], check=True, stdout=subprocess.DEVNULL)
    path = directory / "lineitem.parquet"
    table = pyarrow.parquet.read_table(path)
    path.unlink()
    if table.num_rows < rows:
        raise SystemExit(f"benchmarks: {table.num_rows} rows were generated where {rows} are wanted")
    # Older readers and pyarrow's CSV writer do not know string views, which the generator's files have.
    plain = [
        field.with_type(pyarrow.string()) if field.type == pyarrow.string_view() else field for field in table.schema
    ]
    return table.cast(pyarrow.schema(plain))


def _write(data: Data, table: Any) -> None:
    """The files of one size."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    data.directory.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, data.parquet(), row_group_size=131_072)
    # By way of text: pyarrow's own cast of a decimal is not always the nearest float.
    columns = [
        column.cast(pyarrow.string()).cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column
        for column in table.columns
    ]
    float8 = pyarrow.table(columns, names=table.column_names)
    pyarrow.parquet.write_table(float8, data.parquet("lineitem_float8"), row_group_size=131_072)
    part = data.csv.with_suffix(".part")
    pyarrow.csv.write_csv(table, part)
    part.rename(data.csv)  # last: the file that tells that all is there
