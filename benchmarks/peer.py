"""One measured fetch or load of one type family: `python -m benchmarks.peer FAMILY CLIENT DIRECTION URI ROWS`.

Prints one JSON object, as benchmarks.case does. Each client is given its quickest ordinary way: one query whose rows
are all fetched, one COPY that takes the rows from a list; values in the classes that it makes of them itself. What it
needs is made before the start.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from pgfast import Range

from .case import measure
from .families import FAMILIES, Family, Row

#: A client makes ready and returns what is measured, which returns the number of rows it moved.
Client = Callable[[Family, str, str, Sequence[Row]], Callable[[], int]]


def source(name: str) -> str:
    """The table that is read."""
    return f"bench_out_{list(FAMILIES).index(name)}"


def target(name: str) -> str:
    """The table that is loaded."""
    return f"bench_in_{list(FAMILIES).index(name)}"


def pgfast_client(family: Family, uri: str, table: str, rows: Sequence[Row]) -> Callable[[], int]:
    """pgfast, whichever codec the environment chooses."""
    import pgfast

    conn = pgfast.connect(uri, autocommit=True)
    if rows:
        return lambda: conn.load(table, rows).rows
    return lambda: len(conn.execute(f"select * from {table}").fetchall())


def psycopg_client(binary: bool) -> Client:
    """psycopg with its C implementation, in one of its two formats."""

    def client(family: Family, uri: str, table: str, rows: Sequence[Row]) -> Callable[[], int]:
        import psycopg
        from psycopg.types.composite import CompositeInfo, register_composite
        from psycopg.types.json import Jsonb
        from psycopg.types.range import Range as PsycopgRange

        if psycopg.pq.__impl__ != "binary":
            raise SystemExit(f"benchmarks: psycopg uses its {psycopg.pq.__impl__} implementation")
        conn = psycopg.connect(uri, autocommit=True)
        kinds = [kind.partition("(")[0] for kind in family.columns]
        pair = CompositeInfo.fetch(conn, "bench_pair") if "bench_pair" in kinds else None
        if pair is not None:
            register_composite(pair, conn)
        make_pair: Any = None if pair is None else pair.python_type

        def theirs(value: Any) -> Any:
            if isinstance(value, dict):
                return Jsonb(value)
            if isinstance(value, Range):
                return PsycopgRange(value.lower, value.upper, value.bounds)
            return make_pair(*value) if make_pair is not None and isinstance(value, tuple) else value

        if not rows:
            return lambda: len(conn.cursor(binary=binary).execute(f"select * from {table}").fetchall())
        given = [tuple(map(theirs, row)) for row in rows]
        cursor = conn.cursor()

        def load() -> int:
            with cursor.copy(f"copy {table} from stdin" + " (format binary)" * binary) as copy:
                if binary:  # an enum is text on the wire, and a str is no enum to psycopg
                    copy.set_types(["text" if kind == "bench_mood" else kind for kind in kinds])
                for row in given:
                    copy.write_row(row)
            return int(cursor.rowcount)

        return load

    return client


def _jsonb(value: Any) -> bytes:
    return b"\1" + json.dumps(value).encode()


def _from_jsonb(data: bytes) -> Any:
    return json.loads(data[1:])


def asyncpg_client(family: Family, uri: str, table: str, rows: Sequence[Row]) -> Callable[[], int]:
    """asyncpg on asyncio's own event loop."""
    import asyncpg

    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(asyncpg.connect(uri))
    json_codec = conn.set_type_codec("jsonb", schema="pg_catalog", encoder=_jsonb, decoder=_from_jsonb, format="binary")
    loop.run_until_complete(json_codec)

    def theirs(value: Any) -> Any:
        if isinstance(value, Range):
            inclusive = {"lower_inc": value.lower_inc, "upper_inc": value.upper_inc}
            return asyncpg.Range(value.lower, value.upper, **inclusive)
        return value

    given = [tuple(map(theirs, row)) for row in rows]

    def run() -> int:
        if not given:
            return len(loop.run_until_complete(conn.fetch(f"select * from {table}")))
        status: str = loop.run_until_complete(conn.copy_records_to_table(table, records=given))
        return int(status.split()[1])

    return run


CLIENTS: Final[dict[str, Client]] = {
    "pgfast": pgfast_client,
    "psycopg binary": psycopg_client(True),
    "psycopg text": psycopg_client(False),
    "asyncpg": asyncpg_client,
}
DIRECTIONS: Final = ("fetch", "load")


def main() -> None:
    """Runs the case that the command line names."""
    name, client, direction, uri, count = sys.argv[1:]
    family = FAMILIES[name]
    rows = family.rows(int(count)) if direction == "load" else []
    table = target(name) if direction == "load" else source(name)
    run = CLIENTS[client](family, uri, table, rows)
    figures, moved = measure(run)
    print(json.dumps({**figures, "rows": moved}))


if __name__ == "__main__":
    main()
