"""What clients return, as rows of Python values: how a fetch is told from a wrong one.

Law of this file: as of `case`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

Rows = list[tuple[Any, ...]]


def arrow_rows(table: Any) -> Rows:
    """The rows of an Arrow table."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def numpy_rows(columns: Any) -> Rows:
    """The rows of NumPy arrays, in a dict or in a list."""
    arrays = columns.values() if isinstance(columns, dict) else columns
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def pandas_rows(frame: Any) -> Rows:
    """The rows of a pandas frame."""
    return list(frame.itertuples(index=False, name=None))


def csv_rows(path: Path) -> Rows:
    """The rows of a CSV file with a line of names, as texts."""
    with path.open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def parquet_rows(path: Path) -> Rows:
    """The rows of a Parquet file."""
    import pyarrow.parquet

    return arrow_rows(pyarrow.parquet.read_table(path))
