"""Cursors that the server keeps: declared by a name, described and closed as the portals they are, read by FETCH.

How it works. DECLARE takes the parameters of its query like any other statement. What it makes is a portal of that
name: Describe tells its columns once, and Close ends it, in a failed transaction too, where SQL could not. Each FETCH
is Parse, Bind, Execute and Sync in one write; its Bind says in which formats the rows come, whatever the cursor was
declared with. By protocol 2.0 the same goes as text.

Sources: PostgreSQL docs, "DECLARE", "FETCH", "MOVE" and "Message Flow: Extended Query"; server: pquery.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ...errors import DatabaseError, ProgrammingError, ProtocolError
from ...types.registry import Registry
from .. import frontend
from ..backend import Field, RowDescription, rows_of
from ..plans import StatementPlan, plan_of
from ..prepared import Prepared
from ..session import Event, Session, State
from .binding import Rows, execute_described, execute_statement
from .composing import AnyQuery
from .extended import execute
from .literals import identifier, in_place
from .queries import Params, read_query
from .simple import Result, command
from .steps import Operation, Reply, exchange
from .transactions import ensure_begin
from .types import known_rules, learn, query, read_records

#: Bytes of the longest name that the server takes as it is (docs: Identifiers and Key Words).
LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class NamedCursor:
    """A cursor of the server and its columns."""

    name: str
    statement: Prepared

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns."""
        return self.statement.fields or ()


class _Columns(Reply):
    """The answer to Describe of a portal."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: tuple[Field, ...] = ()

    def take(self, event: Event) -> None:
        if isinstance(event, RowDescription):
            self.fields = event.fields


def _only(results: list[Result]) -> Result:
    """The one result of one statement. Raises ProtocolError where the server gives none, or several."""
    if len(results) != 1:
        raise ProtocolError(f"the server gave {len(results)} results to one statement")
    return results[0]


def check_name(name: str) -> None:
    """Raise ProgrammingError for a name that the server would cut, or that cannot be sent."""
    size = len(frontend.text(name, "the cursor's name"))
    if not 1 <= size <= LONGEST_NAME:
        raise ProgrammingError(f"the name of a cursor has 1 to {LONGEST_NAME} bytes, not {size}")


def declare_cursor(
    session: Session,
    name: str,
    sql: AnyQuery,
    params: Params,
    scrollable: bool | None,
    withhold: bool,
    registry: Registry,
) -> Operation[NamedCursor]:
    """The cursor, which stands before its first row.

    Raises ProgrammingError for several statements and COPY, and the server's error.
    """
    found, values = read_query(session, sql, params, registry)
    if found.several or found.copies:
        raise ProgrammingError("a cursor is declared for one query that gives rows")
    yield from ensure_begin(session)
    scroll = {None: "", True: "SCROLL ", False: "NO SCROLL "}[scrollable]
    head = f"DECLARE {identifier(name)} {scroll}CURSOR {'WITH' if withhold else 'WITHOUT'} HOLD FOR "
    if session.simple_only:
        yield from command(session, head + in_place(found, values))
    else:
        yield from execute(session, head + found.sql, values, Rows(), False, registry)
    return (yield from describe_cursor(session, name, registry))


def describe_cursor(session: Session, name: str, registry: Registry) -> Operation[NamedCursor]:
    """The cursor of that name, whoever has declared it. Raises InvalidCursorName where there is none."""
    yield from ensure_begin(session)
    if session.simple_only:
        result = _only((yield from query(session, f"FETCH 0 FROM {identifier(name)}", registry)))
        return NamedCursor(name, Prepared(b"", (), result.fields))
    # Describe of the portal would do, but pgpool knows no portals other than those that Bind has made.
    frontend.parse(session.out, b"", f"FETCH 0 FROM {identifier(name)}")
    frontend.describe_statement(session.out, b"")
    session.expect(State.PARSE, State.DESCRIBE)
    session.write_sync()
    columns = _Columns()
    yield from exchange(session, columns)
    return NamedCursor(name, Prepared(b"", (), columns.fields))


def fetch_rows(
    session: Session, cursor: NamedCursor, direction: str, registry: Registry
) -> Operation[tuple[NamedCursor, list[tuple[Any, ...]]]]:
    """(the cursor, the rows that FETCH gives in that direction, such as `FORWARD 100`).

    Where another cursor has got the name meanwhile, it is that one, and the rows are read by its columns.
    """
    sql = f"FETCH {direction} FROM {identifier(cursor.name)}"
    yield from ensure_begin(session)
    if session.simple_only:
        result = _only((yield from query(session, sql, registry)))
        return cursor, result.rows
    try:
        plan = plan_of(cursor.statement, (yield from known_rules(session, registry, cursor.statement.oids)))
        if not plan.open_records:
            done = yield from execute_described(session, sql, b"", plan, (), keep=False)
            if done is not None:
                return _of_columns(cursor, plan, done[1]), done[2]
        # Records tell of which types they are only as they come, when the columns must be certain already.
        cursor = yield from describe_cursor(session, cursor.name, registry)
        return cursor, (yield from _fetch_records(session, cursor.statement, sql, registry))
    except DatabaseError as exc:
        yield from learn(session, cursor.statement.oids, exc)
        raise


def _of_columns(cursor: NamedCursor, plan: StatementPlan, fields: tuple[Field, ...] | None) -> NamedCursor:
    """The cursor, with these columns where they are not those of the plan."""
    return cursor if fields is plan.fields else NamedCursor(cursor.name, Prepared(b"", (), fields))


def _fetch_records(session: Session, statement: Prepared, sql: str, registry: Registry) -> Operation[list[Any]]:
    rows = Rows()
    rules = yield from known_rules(session, registry, statement.oids)
    frontend.parse(session.out, b"", sql)
    session.expect(State.PARSE)
    execution = yield from execute_statement(session, statement, rules, (), rows)
    yield from read_records(session, statement, execution, registry)
    return rows.rows


def move_cursor(session: Session, name: str, direction: str) -> Operation[int]:
    """How many rows MOVE has gone over in that direction; for `ABSOLUTE n` whether there is such a row, 1 or 0."""
    yield from ensure_begin(session)
    tag = yield from command(session, f"MOVE {direction} FROM {identifier(name)}")
    return rows_of(tag)


def close_cursor(session: Session, name: str) -> Operation[None]:
    """Close the cursor; one that is gone already is not an error, but by protocol 2.0."""
    if session.simple_only:
        if session.transaction_status != "E":  # where it is, the cursor goes with the transaction
            yield from command(session, f"CLOSE {identifier(name)}")
        return
    frontend.close_portal(session.out, frontend.text(name, "the cursor's name"))
    session.expect(State.CLOSE)
    session.write_sync()
    yield from exchange(session, Reply())
