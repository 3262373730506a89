"""Hooks: who wants to know what connections do, and what they are told.

Law of this file: it knows no connection and changes none. Nothing here is reached while nobody has a hook, because the
classes of connections and cursors then have their plain methods; `observing` puts others in their place with the first
hook of the process, and takes them away with the last. What a hook raises is logged, and goes no further.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

logger: Final = logging.getLogger("pgfast")

#: Rows, and bytes, of a COPY or load after which its hooks are told how far it is.
PROGRESS_ROWS: Final = 10_000
PROGRESS_BYTES: Final = 1 << 20

#: Connections of which a call is under way in this context: what it calls of itself is not told again.
_inside: Final[ContextVar[frozenset[int]]] = ContextVar("pgfast_inside", default=frozenset())


@dataclass(slots=True, eq=False)
class Call:
    """One call of the program: what hooks are told of. It never holds a password, and parameters' values only where a
    hook asks for them (`Hook.wants_parameters`).

    `kind` is "connect", "execute", "executemany", "stream", "copy", "load", "fetch_columns", "begin", "commit",
    "rollback", "sync" (of a pipeline), "tpc_prepare", "tpc_commit" or "tpc_rollback". `connection` is None until a
    "connect" has succeeded. `rows` and `size_bytes` are None where nobody can tell, as in a pipeline whose answer has
    not come. `prepared` says that the server has prepared a statement in this call. `notes` is the hooks' own.
    """

    kind: str
    connection: Any
    host: str
    port: int
    dbname: str
    user: str
    query: str | None = None
    parameter_types: tuple[type, ...] | Mapping[str, type] | None = None
    parameters: Any = None
    batch_size: int | None = None
    rows: int | None = None
    size_bytes: int | None = None
    prepared: bool = False
    seconds: float | None = None
    error: BaseException | None = None
    notes: dict[Any, Any] = field(default_factory=dict)
    _hooks: tuple[Hook, ...] = ()
    _began: float = 0.0
    _serial: int = 0
    _told_rows: int = 0
    _told_bytes: int = 0

    def start(self) -> None:
        """Tell the hooks that it begins."""
        self._began = time.perf_counter()
        if self.connection is not None:
            self._serial = self.connection._session.prepared.serial
        self._tell("on_start")

    def progress(self, rows: int = 0, size_bytes: int = 0) -> None:
        """Count what has come or gone; tell the hooks where that is worth it."""
        self.reached((self.rows or 0) + rows, (self.size_bytes or 0) + size_bytes)

    def reached(self, rows: int, size_bytes: int) -> None:
        """So many rows and bytes have come or gone."""
        self.rows, self.size_bytes = rows, size_bytes
        if rows - self._told_rows >= PROGRESS_ROWS or size_bytes - self._told_bytes >= PROGRESS_BYTES:
            self._told_rows, self._told_bytes = rows, size_bytes
            self._tell("on_progress")

    def finish(self, error: BaseException | None = None) -> None:
        """Tell the hooks that it is over."""
        self.seconds = time.perf_counter() - self._began
        self.error = error
        if self.connection is not None and self.kind != "connect":
            self.prepared = self.connection._session.prepared.serial != self._serial
        if self.prepared:
            self._tell("on_prepare")
        if error is not None:
            self._tell("on_error")
        self._tell("on_end")

    def _tell(self, what: str) -> None:
        for hook in self._hooks:
            try:
                getattr(hook, what)(self)
            except Exception:
                logger.exception("a hook failed: %r", hook)


class Hook:
    """What is called when something happens; override what is wanted.

    A hook runs in the thread or task of the program, between its call and the server, so it must be quick; it must not
    use the connection. It is told of calls of every thread, of several at a time.
    """

    #: Whether calls are to hold the values of their parameters, which may be secrets.
    wants_parameters: bool = False

    def on_start(self, call: Call) -> None:
        """A call begins."""

    def on_progress(self, call: Call) -> None:
        """A COPY or a load has moved some more rows (10,000) or bytes (1 MiB)."""

    def on_prepare(self, call: Call) -> None:
        """The server has prepared a statement in this call, which is about to end."""

    def on_error(self, call: Call) -> None:
        """The call has failed with `call.error`; it is about to end."""

    def on_end(self, call: Call) -> None:
        """The call is over, be it with an error."""


class LogHook(Hook):
    """Writes a line for each call to a logger: what, the query without its parameters, rows, milliseconds."""

    def __init__(self, logger: logging.Logger = logger, level: int = logging.DEBUG) -> None:
        self._logger = logger
        self._level = level

    def on_end(self, call: Call) -> None:
        """Write the line."""
        where = f"{call.user}@{call.host}:{call.port}/{call.dbname}"
        done = f"{(call.seconds or 0) * 1000:.1f} ms"
        if call.rows is not None:
            done += f", {call.rows} rows"
        if call.error is not None:
            sqlstate = getattr(call.error, "sqlstate", None)
            done += f", {type(call.error).__name__}" + (f" {sqlstate}" if sqlstate else "")
        self._logger.log(self._level, "%s %s: %s (%s)", where, call.kind, call.query or "", done)


# ---------------------------------------------------------------- registration

_lock: Final = threading.Lock()
_of_process: tuple[Hook, ...] = ()
_users = 0
#: What puts the observing methods in place, and takes them away.
switches: Final[list[Callable[[bool], None]]] = []


def add(hook: Hook) -> None:
    """Have the hook told of the calls of every connection of this process, of both faces."""
    global _of_process  # noqa: PLW0603
    with _lock:
        _of_process = (*_of_process, hook)
        _count(1)


def remove(hook: Hook) -> None:
    """Tell the hook no more. Raises ValueError where it was not added."""
    global _of_process  # noqa: PLW0603
    with _lock:
        hooks = list(_of_process)
        hooks.remove(hook)
        _of_process = tuple(hooks)
        _count(-1)


def add_to(owner: Any, hook: Hook) -> None:
    """Have the hook told of the calls of one connection."""
    with _lock:
        owner._hooks = (*owner._hooks, hook)
        _count(1)


def remove_from(owner: Any, hook: Hook) -> None:
    """Tell the hook no more. Raises ValueError where it was not added."""
    with _lock:
        hooks = list(owner._hooks)
        hooks.remove(hook)
        owner._hooks = tuple(hooks)
        _count(-1)


def _count(change: int) -> None:
    global _users
    before, _users = _users, _users + change
    if not before or not _users:
        for switch in switches:
            switch(bool(_users))


# ---------------------------------------------------------------- beginning a call


def call_of(kind: str, connection: Any, query: Any = None, params: Any = None) -> Call | None:
    """A call on a connection, None where nobody wants to know, or where it is a part of another call."""
    hooks = _of_process + connection._hooks
    if not hooks or id(connection) in _inside.get():
        return None
    info = connection._base_link.info
    types = types_of(params)
    call = Call(kind, connection, info.host, info.port, info.dbname, info.user, text_of(query, connection), types)
    call._hooks = hooks
    if any(hook.wants_parameters for hook in hooks):
        call.parameters = params
    return call


def call_of_connect(info: Any) -> Call | None:
    """The call that opens a connection."""
    if not _of_process:
        return None
    call = Call("connect", None, info.host, info.port, info.dbname, info.user)
    call._hooks = _of_process
    return call


def text_of(query: Any, connection: Any) -> str | None:
    """The query's text, as the program has written it."""
    if query is None or isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    as_string = getattr(query, "as_string", None)
    return repr(query) if as_string is None else str(as_string(connection))


def types_of(params: Any) -> tuple[type, ...] | Mapping[str, type] | None:
    """The classes of the parameters' values."""
    if isinstance(params, Mapping):
        return {name: type(value) for name, value in params.items()}
    return tuple(map(type, params)) if isinstance(params, (tuple, list)) else None


class Inside:
    """The inside of a call: what it calls on the same connection is a part of it."""

    __slots__ = ("_call", "_token")

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        connection = self._call.connection
        self._token = _inside.set(_inside.get() if connection is None else _inside.get() | {id(connection)})

    def __exit__(self, *_: object) -> None:
        _inside.reset(self._token)
