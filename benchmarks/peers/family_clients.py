"""psycopg and asyncpg with every family of types: one query whose rows are all fetched, one COPY of a list of rows;
values in the classes that each makes of them itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..case import Case, Cases, Run, Setting
from ..families import FAMILIES, Family, Span

_Client = Callable[[Family, bool, Setting], Run]


def psycopg_client(binary: bool, family: Family, loads: bool, setting: Setting) -> Run:
    """psycopg with its C implementation, in one of its two formats."""
    import psycopg
    from psycopg.types.composite import CompositeInfo, register_composite
    from psycopg.types.json import Jsonb
    from psycopg.types.range import Range

    if psycopg.pq.__impl__ != "binary":
        raise SystemExit(f"psycopg uses its {psycopg.pq.__impl__} implementation")
    conn = psycopg.connect(setting.uri, autocommit=True)
    kinds = [kind.partition("(")[0] for kind in family.columns]
    pair = CompositeInfo.fetch(conn, "bench_pair") if "bench_pair" in kinds else None
    if pair is not None:
        register_composite(pair, conn)
    make_pair: Any = None if pair is None else pair.python_type

    def theirs(value: Any) -> Any:
        if isinstance(value, dict):
            return Jsonb(value)
        if isinstance(value, Span):
            return Range(value.lower, value.upper)
        return make_pair(*value) if make_pair is not None and isinstance(value, tuple) else value

    if not loads:
        return lambda: conn.cursor(binary=binary).execute(f"select * from {setting.source}").fetchall()
    given = [tuple(map(theirs, row)) for row in family.rows(setting.size)]
    cursor = conn.cursor()

    def load() -> None:
        with cursor.copy(f"copy {setting.target} from stdin" + " (format binary)" * binary) as copy:
            if binary:  # an enum is text on the wire, and a str is no enum to psycopg
                copy.set_types(["text" if kind == "bench_mood" else kind for kind in kinds])
            for row in given:
                copy.write_row(row)

    return load


def _jsonb(value: Any) -> bytes:
    return b"\1" + json.dumps(value).encode()


def _from_jsonb(data: bytes) -> Any:
    return json.loads(data[1:])


def asyncpg_client(family: Family, loads: bool, setting: Setting) -> Run:
    """asyncpg on asyncio's own event loop."""
    import asyncpg

    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(asyncpg.connect(setting.uri))
    json_codec = conn.set_type_codec("jsonb", schema="pg_catalog", encoder=_jsonb, decoder=_from_jsonb, format="binary")
    loop.run_until_complete(json_codec)

    def theirs(value: Any) -> Any:
        return asyncpg.Range(value.lower, value.upper) if isinstance(value, Span) else value

    if not loads:
        return lambda: loop.run_until_complete(conn.fetch(f"select * from {setting.source}"))
    given = [tuple(map(theirs, row)) for row in family.rows(setting.size)]
    return lambda: loop.run_until_complete(conn.copy_records_to_table(setting.target, records=given))


_CLIENTS: Final[dict[str, tuple[_Client, str, str]]] = {
    "psycopg": (partial(psycopg_client, True), "cursor(binary=True).fetchall()", "copy.write_row(), binary"),
    "psycopg (text)": (partial(psycopg_client, False), "cursor().fetchall()", "copy.write_row(), text"),
    "asyncpg": (asyncpg_client, "fetch()", "copy_records_to_table()"),
}
CASES: Final[Cases] = {
    (client, f"{direction} {name}"): Case(way, partial(make, family, direction == "load"))
    for client, (make, fetches, loads) in _CLIENTS.items()
    for name, family in FAMILIES.items()
    for direction, way in (("fetch", fetches), ("load", loads))
}
