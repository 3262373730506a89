"""A query's result as columns: one operation over `operations.execute`."""

from __future__ import annotations

from ..columns import Columns, ColumnsConsumer
from ..errors import ProgrammingError
from ..protocol.operations import AnyQuery, Operation, ensure_begin, execute
from ..protocol.operations.queries import Params, read_query
from ..protocol.session import Session


def fetch_columns(session: Session, query: AnyQuery, params: Params = None) -> Operation[Columns]:
    """The rows of one statement as Columns.

    Raises ProgrammingError for a statement that gives no rows, or for several statements.
    """
    columns, tag = yield from execute_columns(session, query, params)
    if columns is None:
        raise ProgrammingError(f"the statement gives no rows to fetch (the server answered {tag}); use execute")
    return columns


def execute_columns(
    session: Session, query: AnyQuery, params: Params = None
) -> Operation[tuple[Columns | None, str | None]]:
    """The rows of one statement as Columns, None where it gives none, and its command tag.

    Raises ProgrammingError for several statements and for COPY.
    """
    found, values = read_query(session, query, params)
    if found.several:
        raise ProgrammingError("fetch_columns takes one statement; execute the others first")
    if found.copies:
        raise ProgrammingError("fetch_columns takes a statement that gives rows; use cursor.copy() for COPY")
    yield from ensure_begin(session)
    consumer = ColumnsConsumer()
    result = yield from execute(session, found.sql, values, consumer)
    return consumer.columns(), result.tag
