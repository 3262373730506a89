"""One measured read of the demonstration's table: `python -m pgfast.cli.readback DSN TABLE rows|columns`.

Prints one JSON object: the implementation, the seconds spent in receiving and decoding, and the totals of what was
received.
"""

from __future__ import annotations

import json
import sys
import time

import pgfast

from ..codec import IMPLEMENTATION
from .demo import SUMMED, TEXT, Adder, Totals, totals_of_table

#: Rows fetched at a time, so that memory does not grow with the table.
BATCH = 50_000


def read_rows(conn: pgfast.Connection, table: str) -> tuple[float, Totals]:
    """(seconds, totals) of reading every row as a tuple of Python values."""
    adder, seconds = Adder(), 0.0
    with conn.transaction():
        conn.execute(f"declare c no scroll cursor for select * from {table}")
        summed: list[int] = []
        text = 0
        more = True
        while more:
            start = time.perf_counter()
            cursor = conn.execute(f"fetch {BATCH} from c")
            rows = cursor.fetchall()
            seconds += time.perf_counter() - start
            if not summed:
                names = [column[0] for column in cursor.description or ()]
                summed, text = [names.index(name) for name in SUMMED], names.index(TEXT)
            for row in rows:
                adder.add([row[index] for index in summed], row[text])
            more = len(rows) == BATCH
    return seconds, adder.totals()


def read_columns(conn: pgfast.Connection, table: str) -> tuple[float, Totals]:
    """(seconds, totals) of reading the table as Arrow columns."""
    import pyarrow

    start = time.perf_counter()
    columns = conn.fetch_columns(f"select * from {table}")
    seconds = time.perf_counter() - start
    # By the Arrow interface, as any other library would take it.
    return seconds, totals_of_table(pyarrow.table(columns))


def main() -> None:
    """Reads as the command line says."""
    dsn, table, mode = sys.argv[1:]
    with pgfast.connect(dsn, autocommit=True) as conn:
        seconds, totals = (read_rows if mode == "rows" else read_columns)(conn, table)
    print(json.dumps({"implementation": IMPLEMENTATION, "seconds": seconds, "totals": totals.as_json()}))


if __name__ == "__main__":
    main()
