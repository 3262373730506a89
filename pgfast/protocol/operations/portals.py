"""A statement whose rows are fetched a portion at a time: a portal, executed again and again with a limit.

How it works. Bind makes the unnamed portal, Execute with a limit gives so many rows and ends in PortalSuspended, and
Flush instead of Sync keeps the portal open; the Sync that follows the last row, or the end of interest in it, ends the
exchange. In between nothing else can be asked. No cursor is declared and no transaction is needed.
Source: PostgreSQL docs, "Message Flow: Extended Query".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ... import const
from ...codec import Plan, decode_rows
from ...errors import DatabaseError, ProgrammingError, ProtocolError
from ...types.registry import Registry
from .. import frontend
from ..backend import Acknowledgement, CommandComplete, Field
from ..plans import plan_of
from ..session import Event, Run, Session, State
from .adapting import adapted, may_be_undecided
from .binding import write_execution
from .composing import AnyQuery
from .queries import Params, read_query
from .refusals import unless_stale
from .steps import Operation, Reply, exchange, settle
from .transactions import ensure_begin
from .types import known_statement, learn

#: Most rows of one Execute (docs: Execute, Int32).
MOST_ROWS: Final = 2**31 - 1


class Portal(Reply):
    """A portal under way.

    `fields` are its columns, None where the statement gives no rows; `done` says that all has come, `tag` is the
    command tag then, and `row_count` the rows it gave or touched.
    """

    def __init__(self, fields: tuple[Field, ...] | None, rows: Plan | None, oids: Sequence[int], size: int) -> None:
        super().__init__()
        self.fields = fields
        self.oids = oids
        self.size = size
        self.done = False
        self.tag = ""
        self.row_count = -1
        self.ready: list[tuple[Any, ...]] = []
        self._rows = rows
        self._count = 0

    def take(self, event: Event) -> None:
        match event:
            case Run(_, block, start, stop, count):
                if self._rows is None:
                    raise ProtocolError("DataRow came for a statement that was described as giving no rows")
                self.ready += decode_rows(self._rows, block, start, stop, count)
                self._count += count
            case CommandComplete(tag):
                self.done, self.tag = True, tag
                # The tag of a SELECT counts the rows of its last portion alone.
                self.row_count = event.rows if self.fields is None else self._count
            case Acknowledgement(const.EMPTY_QUERY_RESPONSE):
                self.done = True


def open_portal(
    session: Session, sql: AnyQuery, params: Params, size: int, prepare: bool | None, registry: Registry
) -> Operation[Portal]:
    """The portal of a statement, with its first `size` rows `ready`.

    Raises ProgrammingError for several statements, COPY, and a size that is none.
    """
    if not 1 <= size <= MOST_ROWS:
        raise ProgrammingError(f"size is a number of rows from 1 to {MOST_ROWS}, not {size!r}")
    found, values = read_query(session, sql, params, registry)
    if found.several or found.copies:
        raise ProgrammingError("stream() takes one statement that gives rows, and no COPY")
    yield from ensure_begin(session)

    def run(text: str, texts: tuple[int, ...]) -> Operation[Portal]:
        asking = may_be_undecided(registry, values)
        statement, rules = yield from known_statement(session, text, prepare, registry, asking)
        try:
            plan = plan_of(statement, rules).with_texts(texts)
            write_execution(session, plan, values, frontend.execute(size))
        except Exception:
            yield from settle(session)  # Parse and Describe may stand there without a Sync
            raise
        frontend.flush(session.out)
        session.expect(State.BIND, State.EXECUTE_SOME)
        portal = Portal(plan.fields, plan.rows, statement.oids, size)
        yield from _answer(session, portal)
        return portal

    def attempt(text: str, texts: tuple[int, ...]) -> Operation[Portal]:
        return unless_stale(session, text, lambda: run(text, texts))

    return (yield from adapted(session, found.sql, values, registry, attempt))


def next_rows(session: Session, portal: Portal) -> Operation[None]:
    """Make the next rows of the portal `ready`; the session is at rest when it is `done`."""
    portal.ready = []
    session.out.put_messages(frontend.execute(portal.size))
    frontend.flush(session.out)
    session.expect(State.EXECUTE_SOME)
    yield from _answer(session, portal)


def _answer(session: Session, portal: Portal) -> Operation[None]:
    try:
        yield from exchange(session, portal)
    except DatabaseError as exc:
        yield from learn(session, portal.oids, exc)
        raise
    if portal.done:
        yield from settle(session)


def close_portal(session: Session) -> Operation[None]:
    """Give up the rest of the rows; the session is at rest."""
    yield from settle(session)
