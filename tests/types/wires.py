"""Values as the server itself sends and takes them, in binary and in text, through COPY.

COPY asks nobody how a type is read: the bytes are those of the type's send function, and go to its receive function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Any, Final

import pgfast

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)


@dataclass(frozen=True, slots=True)
class Sent:
    """One value: what its send function and its output function make of it."""

    binary: bytes
    text: str


def rows(connection: pgfast.Connection, query: str) -> list[list[bytes | None]]:
    """The fields of a query's rows, as the server sends them in binary."""
    with connection.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format binary)") as copy:
        data = b"".join([bytes(block) for block in copy])
    assert data.startswith(SIGNATURE)
    found: list[list[bytes | None]] = []
    at = len(SIGNATURE)
    while (width := unpack_from(">h", data, at)[0]) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(width):
            (size,) = unpack_from(">i", data, at)
            at += 4
            row.append(None if size < 0 else data[at : at + size])
            at += max(size, 0)
        found.append(row)
    return found


def literal(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def sent(connection: pgfast.Connection, type_name: str, texts: Iterable[str]) -> list[Sent]:
    """Values of a type, given in any form its input function takes, as the server sends them."""
    values = ", ".join([f"({number}, {literal(text)}::{type_name})" for number, text in enumerate(texts)])
    query = f"select x, format('%s', x) from (values {values}) as v(n, x) order by n"
    return [Sent(binary or b"", (text or b"").decode()) for binary, text in rows(connection, query)]


def taken(connection: pgfast.Connection, type_name: str, binaries: Sequence[bytes]) -> list[Sent]:
    """What the server makes of values it receives in binary."""
    data = [SIGNATURE]
    for number, binary in enumerate(binaries):
        data.append(pack(">hiii", 2, 4, number, len(binary)) + binary)
    with connection.cursor() as cursor:
        cursor.execute(f"create temp table taken (n int, x {type_name})")
        with cursor.copy("copy taken from stdin (format binary)") as copy:
            copy.write(b"".join(data) + b"\xff\xff")
        found = rows(connection, "select x, format('%s', x) from taken order by n")
        cursor.execute("drop table taken")
    return [Sent(binary or b"", (text or b"").decode()) for binary, text in found]


def shown(value: Any) -> tuple[type, str]:
    """What two equal values have in common, NaN, -0.0 and the class included."""
    return type(value), repr(value)
