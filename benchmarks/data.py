"""The data of the benchmarks: TPC-H lineitem, cut to a round number of rows, in every form the cases want.

Files are made once and kept, since making them takes longer than a case.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: lineitem rows at scale factor 1, about; a little more than is wanted is made, then cut.
ROWS_PER_SCALE: Final = 6_001_215

#: The table as the TPC-H specification has it (section 1.4), without keys.
LINEITEM: Final = """
create table {name} (
    l_orderkey int8 not null, l_partkey int8 not null, l_suppkey int8 not null, l_linenumber int4 not null,
    l_quantity numeric(15,2) not null, l_extendedprice numeric(15,2) not null, l_discount numeric(15,2) not null,
    l_tax numeric(15,2) not null, l_returnflag char(1) not null, l_linestatus char(1) not null,
    l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null,
    l_shipinstruct char(25) not null, l_shipmode char(10) not null, l_comment varchar(44) not null
)
"""


@dataclass(frozen=True, slots=True)
class Data:
    """Where the files are."""

    directory: Path
    rows: int

    @property
    def parquet(self) -> Path:
        """The rows as Parquet."""
        return self.directory / "lineitem.parquet"

    @property
    def csv(self) -> Path:
        """The rows as CSV with a header line."""
        return self.directory / "lineitem.csv"

    @property
    def copy_frames(self) -> Path:
        """The rows as CopyData frames of binary COPY, ready for a socket."""
        return self.directory / "lineitem.copy"


def prepare(directory: Path, rows: int) -> Data:
    """The Parquet and CSV files, made when they are not there."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    data = Data(directory / str(rows), rows)
    if data.csv.exists():
        return data
    data.directory.mkdir(parents=True, exist_ok=True)
    scale = rows / ROWS_PER_SCALE * 1.02
    beside = str(Path(sys.executable).parent)
    program = shutil.which("tpchgen-cli", path=os.pathsep.join([beside, *os.get_exec_path()]))
    if program is None:
        raise SystemExit("benchmarks: tpchgen-cli is missing: pip install 'pgfast[bench]'")
    command = [program, "parquet", "--scale-factor", f"{scale:.6f}", "--tables", "lineitem", "--overwrite"]
    subprocess.run([*command, "--output-dir", str(data.directory)], check=True, stdout=subprocess.DEVNULL)
    table = pyarrow.parquet.read_table(data.parquet).slice(0, rows)
    if table.num_rows != rows:
        raise SystemExit(f"benchmarks: {table.num_rows} rows were generated where {rows} are wanted")
    pyarrow.parquet.write_table(table, data.parquet, row_group_size=131_072)
    # pyarrow's CSV writer does not know string views, which the generator's files have.
    plain = [
        field.with_type(pyarrow.string()) if field.type == pyarrow.string_view() else field for field in table.schema
    ]
    part = data.csv.with_suffix(".part")
    pyarrow.csv.write_csv(table.cast(pyarrow.schema(plain)), part)
    part.rename(data.csv)  # last: the file that tells that all is there
    return data
