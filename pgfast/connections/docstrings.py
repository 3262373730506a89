"""What the public methods promise, said once for both sides.

`document` attaches a text to the method of that name in both classes of a pair; a method without one, or a text without
its method, is an error at import.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

_TIMEOUT: Final = """
`timeout` is in seconds, None for no limit. When it passes, what the server is doing is cancelled and TimeoutError
raised; the connection stays usable, or is closed where the server does not answer the cancelling within two seconds.
"""

CONNECTION: Final[dict[str, str]] = {
    "connect": """A new connection.

`conninfo` is a `postgresql://` URI or a `keyword=value` string, `kwargs` are settings of the same names, which come
first; what neither has comes from the PG* variables. With `autocommit` every statement is its own transaction, else
the first statement begins one and `commit()` or `rollback()` ends it. A statement is prepared on the server when it
has been executed `prepare_threshold` times (0: at once, None: never); by default 5 times, and never behind a pooler
that shares server connections among clients, as some of those lose prepared statements. `timeout`, in seconds, covers
name lookup, connecting, TLS and authentication; without it `connect_timeout` does.

`row_factory` makes the rows of its cursors (`pgfast.rows`), `cursor_factory` is their class. What was registered with
`context`, a connection, a cursor or an AdaptersMap, is registered with the connection, too.

Raises ProgrammingError for a setting that makes no sense, OperationalError where the server cannot be reached or
refuses, TimeoutError. The password is in none of them.
""",
    "close": """Close the connection; the server rolls an open transaction back.

Closing twice does nothing. In a forked child the parent's session is left alone.
""",
    "cursor": """A new cursor; with a name, one of the server. `row_factory` makes its rows, where not the connection's.

A cursor of the server is declared by `execute` and keeps its rows there until they are fetched. It lives in the
transaction that it was declared in, or beyond it where it is declared `withhold`. `scrollable` allows it to go
backwards, or forbids it; None leaves that to the query. One that was not executed here is looked for by its name: a
function may have opened it.

Raises ProgrammingError for a name of more than 63 bytes.
""",
    "execute": """A new cursor that has executed the query; see `Cursor.execute`.""",
    "commit": """Commit the open transaction, if there is one.

Raises InFailedSqlTransaction where a statement of it had failed, because the server then rolls back instead.
"""
    + _TIMEOUT,
    "rollback": """Roll back the open transaction, if there is one.""" + _TIMEOUT,
    "set_autocommit": """Set `autocommit`; the property does the same.""",
    "set_isolation_level": """Set `isolation_level`; the property does the same.""",
    "set_read_only": """Set `read_only`; the property does the same.""",
    "set_deferrable": """Set `deferrable`; the property does the same.""",
    "tpc_begin": """Begin a two-phase transaction under an identifier, made by `xid` or a name as the server has it.

Raises ProgrammingError in autocommit mode and inside a transaction. Until `tpc_commit` or `tpc_rollback`, `commit` and
`rollback` raise ProgrammingError. (PEP 249)
""",
    "tpc_prepare": """The first phase: the transaction is prepared, and survives the connection's and the server's end.

Nothing can be executed then before `tpc_commit` or `tpc_rollback`. Raises ProgrammingError outside a two-phase
transaction, and the server's error where it takes none (max_prepared_transactions).
""",
    "tpc_commit": """Commit the two-phase transaction, prepared or not; with an identifier one that was recovered.""",
    "tpc_rollback": """Roll the two-phase transaction back; with an identifier one that was recovered.""",
    "tpc_recover": """The identifiers of all transactions of the server that are prepared and not ended.

What is known of each stands in its `prepared`, `owner` and `database`.
""",
    "transaction": """A context manager: its block is committed at the end, or rolled back when an exception leaves it.

Inside an open transaction the block is a savepoint, and only what was done in the block is rolled back. Blocks may be
nested. Raise Rollback to leave a block and undo it; with `force_rollback` it is undone in any case.
`timeout` limits its beginning and its end, each, in seconds.
""",
    "pipeline": """A context manager: in its block statements are sent one after the other, and their answers are read
when they are wanted.

In the block `execute` returns at once; a cursor's rows are waited for when they are fetched, and all answers at the
block's end. Whatever else is done on the connection (`commit`, `load`, `executemany`, `copy`, `transaction`) waits for
the answers first. Without a `sync()` or a transaction in between, in autocommit mode too, the statements of a block are
one transaction. When one fails, those behind it, up to the next `sync()`, are not executed: fetching from them raises
PipelineAborted. A failure that no fetch has raised is raised by `sync()` or by the end of the block. Blocks may be
nested; the end of each is a `sync()`. `timeout` limits each `sync()` in seconds.

A statement that the connection has not executed before costs a round trip, since its types must be asked for. Raises
ProgrammingError for COPY and for several statements in one query. (docs: libpq, Pipeline Mode)
""",
    "notifies": """An iterator over the notifications that arrive, beginning with those that have arrived already.

It ends when `timeout` seconds have passed since its beginning, or when `stop_after` have been given out; without
either it waits for ever. While it waits, the connection is in use. Send LISTEN, and commit it, first.
""",
    "call_function": """What the function with this OID gives, in the binary form of its type; None for NULL.

The arguments are the binary forms of theirs, bytes or None. It is the protocol's fast path (docs: Function Call), for
large objects and the like; SQL calls functions better.
"""
    + _TIMEOUT,
    "cancel": """Ask the server to cancel what this connection is doing; whatever waits for it gets QueryCanceled.

It goes over a connection of its own, and may be called while another thread or task waits for this one. It does
nothing where nothing is under way.
""",
    "cancel_safe": """As `cancel`, but raises CancellationTimeout where the server cannot be asked in time.

The request goes by the same encryption as the connection in either case.
""",
    "wait": """What an operation over the connection's session returns (`pgfast.protocol.operations`), carried out.

It is how every other method is done, for those who write operations of their own.
"""
    + _TIMEOUT,
    "__enter__": """The connection itself; the block's end commits, or rolls back after an exception, and closes it.""",
}

CURSOR: Final[dict[str, str]] = {
    "execute": """The cursor itself, after executing the query.

Placeholders are `%s` with a sequence of values, `%(name)s` with a mapping, or `$1` with a sequence; the values are
bound by the server and never written into the text. Where parameters are given, a percent sign is written `%%`,
unless the placeholders are `$1`. A query without parameters may hold several statements, separated by `;`: each has a
result, see `nextset`. `prepare` overrules the connection's prepare_threshold for this query. `binary` says whether
results come in binary (the default, where the codec reads a type's binary form) or as text; the values are the same.

The server tells the types of parameters. A str goes to any type, for the server to read. A value of another class that
does not fit what the server takes it for is declared by its class: bool, int, float, Decimal, the classes of datetime,
UUID, bytes, dict (jsonb), Range, lists of these; but a number is not rounded on its way into a table by INSERT, UPDATE
or MERGE, and no date or time bent. `types.configure(parameters="strict")` leaves all of that out.

Raises the server's error by its SQLSTATE (`pgfast.errors.UniqueViolation`...), DataError for a value that does not
fit, ProgrammingError for placeholders that do not.
"""
    + _TIMEOUT,
    "executemany": """Execute the query once for each of the parameters, without waiting for the answers in between.

In autocommit mode, outside a transaction, all executions succeed or none. `rowcount` is the sum of them all. With
`returning` every execution has a result with its rows, see `nextset`.
"""
    + _TIMEOUT,
    "stream": """An iterator over the rows of one statement, of which at most `size` are in memory.

They are fetched through a portal, without a cursor being declared and without a transaction; until the last row has
come, or the iterator is closed, the connection can do nothing else. `description` is there from the first row on,
`rowcount` after the last. Raises ProgrammingError for several statements, COPY and inside a pipeline.
"""
    + _TIMEOUT,
    "fetchone": """The next row as a tuple, None where no rows are left.

Raises ProgrammingError where the statement gives no rows.
""",
    "fetchmany": """The next rows, `size` of them (by default `arraysize`) or as many as are left.""",
    "fetchall": """All rows that are left.""",
    "copy": """A context manager for a COPY FROM STDIN or TO STDOUT: its end completes the COPY, an exception undoes it.

Values for placeholders are written into the statement as literals that the server has quoted, because COPY takes no
parameters. A `writer` (`pgfast.copy`) gets what is written instead of the server. `timeout` limits each wait in
seconds, not the whole COPY.
""",
    "callproc": """The parameters, after calling a function, or a procedure, by its name as in SQL (PEP 249).

What it gives is there to be fetched: the rows of a function, the row of a procedure's INOUT parameters. A mapping gives
arguments by their names. Parameters are not changed.
""",
    "results": """An iterator that gives the cursor once for each result of the last execution, standing at it.

It begins with the current result.
""",
    "set_result": """The cursor itself, standing before the first row of the result with this index.

A negative index counts from the last result. Raises IndexError where there is none.
""",
    "scroll": """Go on, or back, by `value` rows, or to the row with that index where `mode` is "absolute" (PEP 249).

Raises IndexError outside of the result, where the cursor stays.
""",
    "close": """Close the cursor; its results are dropped. The connection stays open.""",
    "__enter__": """The cursor itself; the block's end closes it.""",
}

CLIENT_CURSOR: Final[dict[str, str]] = {
    "execute": """The cursor itself, after executing the query with the parameters written into its text.

Placeholders are those of `Cursor.execute`, and several statements may have them. What each value is written as
`mogrify` shows; a type that a constant does not tell is found by where it stands, or by a cast behind it. Nothing is
prepared, whatever `prepare` says, and results come in text.
"""
    + _TIMEOUT,
    "executemany": """Execute the query once for each of the parameters, written into its text, one after the other.

In autocommit mode, outside a transaction, all executions succeed or none. `rowcount` is the sum of them all. With
`returning` every execution has a result with its rows, see `nextset`.
"""
    + _TIMEOUT,
    "stream": """An iterator over the rows of one statement, of which at most `size` are in memory; see `Cursor.stream`.

The parameters are written into the text.
"""
    + _TIMEOUT,
}

SERVER_CURSOR: Final[dict[str, str]] = {
    "execute": """The cursor itself, declared for the query; what it was declared for before is closed.

Placeholders are those of `Cursor.execute`. Raises NoActiveSqlTransaction outside a transaction, unless the cursor is
declared `withhold`. `timeout` holds for each fetch and scroll, too.
"""
    + _TIMEOUT,
    "executemany": """Raises NotSupportedError.""",
    "stream": """Raises NotSupportedError: iterate over the cursor.""",
    "copy": """Raises NotSupportedError.""",
    "fetchone": """The next row as a tuple, None where no rows are left.""",
    "fetchmany": """The next rows, `size` of them (by default `arraysize`) or as many as are left.""",
    "fetchall": """All rows that are left.""",
    "__iter__": """The rows that are left, fetched `itersize` at a time.""",
    "scroll": """Go on by `value` rows, or to the row with that index where `mode` is "absolute".

Raises IndexError before the first row, where the cursor stays, and behind the last one, where it then stands; the
server's error for a way back that the cursor does not allow.
""",
    "close": """Close the cursor, on the server too.""",
}

PIPELINE: Final[dict[str, str]] = {
    "sync": """Wait until every statement sent so far has been answered.

What follows is a transaction of its own, unless one was begun. Raises the first failure that no fetch has raised.
""",
    "__enter__": """The pipeline, begun.""",
}

COPY: Final[dict[str, str]] = {
    "write": """Write data in the COPY's format: bytes, or str, which is encoded in UTF-8.

Rows may be cut anywhere. The data is gathered, and sent in large pieces.
""",
    "write_row": """Write one row, a sequence of values.

In binary `set_types` must have been called, and each value must fit its column. In text (not CSV) each value is
written as its text form, None as NULL.
""",
    "read": """The next data, as it comes; b"" at the end.""",
    "read_row": """The next row as a tuple, None at the end.

In binary `set_types` must have been called. In text (not CSV) the values are str, or of the types that were set; NULL
is None.
""",
    "rows": """An iterator over the rows that are left; see `read_row`.""",
    "finish": """End the COPY, as the end of the block does: completed, or undone where `exc` is an exception.""",
    "__enter__": """The COPY, begun.""",
}

TRANSACTION: Final[dict[str, str]] = {
    "__enter__": """The block, entered: a transaction was begun or a savepoint set.""",
}

TYPES: Final[dict[str, str]] = {
    "load": """What the server says of these types, by names as in SQL or OIDs, looked up anew.

Types are looked up by themselves when a statement brings them. Two cases want it beforehand: a type inside an
anonymous record, which only the record's data names, and `set_types` of a COPY that has begun.

Raises UndefinedObject for a name that the server does not know.
"""
    + _TIMEOUT,
}

_Class = TypeVar("_Class", bound=type)


def document(texts: dict[str, str]) -> Any:
    """A class decorator that attaches the texts to the methods of these names."""

    def attach(cls: _Class) -> _Class:
        for name, text in texts.items():
            _method(cls, name).__doc__ = text.strip()
        return cls

    return attach


def _method(cls: type, name: str) -> Any:
    """The function of this name, or of its asynchronous counterpart."""
    for candidate in (name, name.replace("__", "__a", 1)):
        found = vars(cls).get(candidate)
        if found is not None:
            return getattr(found, "__func__", found)
    raise TypeError(f"{cls.__name__} has no {name} to document")
