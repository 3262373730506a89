"""A load by one COPY: the quickest way, for a source that is good or not loaded at all.

Law of this file: all rows or none. In autocommit mode COPY is a transaction of its own; in an open transaction it
stands behind a savepoint, so that a load that fails leaves the transaction as it was before it.

Rows of a table that the same subtransaction has emptied or made can be written frozen: nobody else has seen the table,
and VACUUM need not come back to them. Where the load empties the table itself it asks for that whenever the server will
allow it. A table that the caller has emptied can only be frozen without the savepoint, so that is asked for
by the caller alone. (docs: COPY, FREEZE; server: copyfrom.c)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from ..errors import DatabaseError, DataError
from ..protocol.operations import Operation, command, copy_in, fetch
from ..protocol.session import Session
from .feed import SERVER_CSV, Blocks, Feed, Reread, Retrying, path_of
from .framing import atomically
from .report import Meter, Progress
from .target import Target

_ORDINARY: Final = "r"
#: Cursors hold snapshots, and with those the server does not freeze. The nameless one is this query's own.
_NO_CURSORS: Final = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE name <> '')"


@runtime_checkable
class Placing(Feed, Protocol):
    """A feed of a file, in which a row can be found again.

    `place_of` gives back what is said of a row (from 0) and its column with the line of the file; and with what stands
    there, where the server was sent it written otherwise.
    """

    def place_of(self, row: int, column: str | None, said: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Copied:
    rows: int
    read: int
    size_bytes: int
    frozen: bool


def copy_whole(
    session: Session, target: Target, feed: Feed, emptying: bool, freeze: bool | None, progress: Progress | None
) -> Operation[Copied]:
    """What the COPY did; begun again where the feed wants to read the source in another way.

    Raises the error of the first bad row, with its place.
    """
    frozen = bool(freeze)
    if freeze is None and emptying and target.kind == _ORDINARY:
        frozen = (yield from fetch(session, _NO_CURSORS, classes=(bool,), count=1))[0][0]
    bare = frozen and not emptying and session.transaction_status == "T"
    while True:
        meter = Meter(progress)
        sql = target.copy_sql(feed.copy_options() + (", FREEZE" if frozen else ""))
        try:
            copying = _emptied(session, target, sql, feed.blocks(meter), emptying)
            # A COPY alone is a transaction by itself.
            alone = bare or (session.transaction_status == "I" and not emptying)
            rows = yield from (copying if alone else atomically(session, copying))
        except Reread as exc:
            if bare:
                raise DataError(
                    f"COPY {target.table}: the source holds what only the server surely reads, so it must be read "
                    "again, but freeze=True in an open transaction leaves no savepoint to go back to: let the load "
                    "empty the table (mode='truncate'), or do without freeze"
                ) from exc
            continue
        except DatabaseError as exc:
            if session.dead is None and not bare and isinstance(feed, Retrying) and feed.refused(exc):
                continue
            # The server counts the lines of a file that it reads itself, and rows in all else.
            by_server = path_of(feed.copy_options()) == SERVER_CSV
            target.located(exc, "line" if by_server else "row")
            row = target.row_of(exc)
            if isinstance(feed, Placing) and row is not None and not by_server and session.dead is None:
                said, *rest = str(exc.args[0]).split("\n", 1)
                said = feed.place_of(row - 1, target.column_of(exc), said)
                exc.args = ("\n".join([said, *rest]), *exc.args[1:])
            raise
        loaded = rows if rows >= 0 else meter.rows
        # The rows of a file that the server reads are not counted here, unless somebody is told of them.
        read = loaded if path_of(feed.copy_options()) == SERVER_CSV else meter.rows
        return Copied(loaded, read, meter.size_bytes, frozen)


def _emptied(session: Session, target: Target, sql: str, blocks: Blocks, truncate: bool) -> Operation[int]:
    """The COPY, into the table as it is or emptied first."""
    if truncate:
        yield from command(session, f"TRUNCATE {target.sql}")
    return (yield from copy_in(session, sql, blocks))
