"""The methods that stand in for the plain ones while somebody has a hook.

Law of this file: an observing method does what the plain one does, calls it once, and tells of it before and after. The
table OBSERVED says which methods of which classes; `switch` exchanges them, in both directions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Any, Final, TypeAlias

from . import hooks
from .aio import AsyncConnection, AsyncPipelineBlock, AsyncTransaction
from .aio_copy import AsyncCopy
from .aio_cursors import AsyncCursor
from .aio_named import AsyncServerCursor
from .client_cursors import AsyncClientCursor, ClientCursor
from .hooks import Call, Inside
from .sync import Connection, PipelineBlock, Transaction
from .sync_copy import Copy
from .sync_cursors import Cursor
from .sync_named import ServerCursor

#: Makes the Call for a method's own parameters, None where nobody is to be told; it may exchange the parameters.
Describe: TypeAlias = Callable[[Any, list[Any], dict[str, Any]], "Call | None"]
#: Completes the Call by what the method has returned.
Complete: TypeAlias = Callable[[Call, Any, Any], None]
Method: TypeAlias = Callable[..., Any]


# ---------------------------------------------------------------- wrapping


def observed(describe: Describe, complete: Complete | None = None) -> Callable[[Method], Method]:
    """What makes an observing method of a plain one, be it a coroutine function or not."""

    def wrap(plain: Method) -> Method:
        @functools.wraps(plain)
        def observing(self: Any, *args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = describe(self, given, kwargs)
            if call is None:
                return plain(self, *args, **kwargs)
            call.start()
            try:
                with Inside(call):
                    value = plain(self, *given, **kwargs)
            except BaseException as exc:
                call.finish(exc)
                raise
            if complete is not None:
                complete(call, self, value)
            call.finish()
            return value

        @functools.wraps(plain)
        async def awaiting(self: Any, *args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = describe(self, given, kwargs)
            if call is None:
                return await plain(self, *args, **kwargs)
            call.start()
            try:
                with Inside(call):
                    value = await plain(self, *given, **kwargs)
            except BaseException as exc:
                call.finish(exc)
                raise
            if complete is not None:
                complete(call, self, value)
            call.finish()
            return value

        return awaiting if inspect.iscoroutinefunction(plain) else observing

    return wrap


def _parameter(args: list[Any], kwargs: dict[str, Any], at: int, name: str) -> Any:
    return args[at] if len(args) > at else kwargs.get(name)


# ---------------------------------------------------------------- cursors


def _execute(cursor: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    query, params = _parameter(args, kwargs, 0, "query"), _parameter(args, kwargs, 1, "params")
    return hooks.call_of("execute", cursor._connection, query, params)


def _executed(call: Call, cursor: Any, value: Any) -> None:
    count = cursor.rowcount
    call.rows = None if count < 0 or cursor._pending is not None else count


def _executemany(cursor: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    call = hooks.call_of("executemany", cursor._connection, _parameter(args, kwargs, 0, "query"))
    given = _parameter(args, kwargs, 1, "params_seq")
    if call is None or not isinstance(given, Iterable):
        return call
    if isinstance(given, Sized):
        call.batch_size = len(given)
        call.parameter_types = hooks.types_of(next(iter(given), None))
        return call
    counted = _counted(call, given)
    if len(args) > 1:
        args[1] = counted
    else:
        kwargs["params_seq"] = counted
    return call


def _counted(call: Call, given: Iterable[Any]) -> Iterator[Any]:
    call.batch_size = 0
    for params in given:
        if not call.batch_size:
            call.parameter_types = hooks.types_of(params)
        call.batch_size += 1
        yield params


def _stream(plain: Method) -> Method:
    """`stream`, whose call lasts from the first row that is wanted until the last, or until it is left."""
    follow: Any = AsyncFollowed if plain.__qualname__.startswith("Async") else _followed

    @functools.wraps(plain)
    def streaming(self: Any, *args: Any, **kwargs: Any) -> Any:
        call = _execute(self, list(args), kwargs)
        rows = plain(self, *args, **kwargs)
        if call is None:
            return rows
        call.kind = "stream"
        return follow(call, rows)

    return streaming


def _followed(call: Call, rows: Any) -> Iterator[Any]:
    call.start()
    error: BaseException | None = None
    try:
        for row in rows:
            call.progress(1)
            yield row
    except GeneratorExit:  # the program has had enough
        rows.close()
        raise
    except BaseException as exc:
        error = exc
        raise
    finally:
        call.finish(error)


class AsyncFollowed(AsyncIterator[Any]):
    """A stream of which hooks are told."""

    def __init__(self, call: Call, rows: Any) -> None:
        self._call = call
        self._rows = rows
        self._under_way = False

    def __aiter__(self) -> AsyncFollowed:
        return self

    async def __anext__(self) -> Any:
        if not self._under_way:
            self._under_way = True
            self._call.start()
        try:
            row = await self._rows.__anext__()
        except StopAsyncIteration:
            self._finish(None)
            raise
        except BaseException as exc:
            self._finish(exc)
            raise
        self._call.progress(1)
        return row

    async def aclose(self) -> None:
        """Give up the rows that are left; the connection is free then."""
        try:
            await self._rows.aclose()
        finally:
            self._finish(None)

    def __del__(self) -> None:
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if self._under_way and self._call.seconds is None:
            self._call.finish(error)


# ---------------------------------------------------------------- COPY


def _enter_copy(plain: Method) -> Method:
    """The beginning of a COPY, whose call ends with its block."""

    def begin(copy: Any) -> Call | None:
        call = hooks.call_of("copy", copy._connection, copy._statement, copy._params)
        copy._call = call
        if call is not None:
            call.start()
        return call

    @functools.wraps(plain)
    def entering(self: Any) -> Any:
        call = begin(self)
        try:
            return plain(self)
        except BaseException as exc:
            _end_copy(call, exc)
            raise

    @functools.wraps(plain)
    async def awaiting(self: Any) -> Any:
        call = begin(self)
        try:
            return await plain(self)
        except BaseException as exc:
            _end_copy(call, exc)
            raise

    return awaiting if inspect.iscoroutinefunction(plain) else entering


def _leave_copy(plain: Method) -> Method:
    @functools.wraps(plain)
    def leaving(self: Any, exc_type: Any, exc: Any, traceback: Any) -> Any:
        call = getattr(self, "_call", None)
        try:
            value = plain(self, exc_type, exc, traceback)
        except BaseException as raised:
            _end_copy(call, raised)
            raise
        _end_copy(call, exc, self)
        return value

    @functools.wraps(plain)
    async def awaiting(self: Any, exc_type: Any, exc: Any, traceback: Any) -> Any:
        call = getattr(self, "_call", None)
        try:
            value = await plain(self, exc_type, exc, traceback)
        except BaseException as raised:
            _end_copy(call, raised)
            raise
        _end_copy(call, exc, self)
        return value

    return awaiting if inspect.iscoroutinefunction(plain) else leaving


def _end_copy(call: Call | None, error: BaseException | None, copy: Any = None) -> None:
    if call is None:
        return
    if copy is not None and copy._cursor.rowcount >= 0:
        call.rows = copy._cursor.rowcount
    call.finish(error)


def _moves(count: Callable[[Call, Any, Any], None]) -> Callable[[Method], Method]:
    """What makes a counting method of one that moves data: `count` gets the call, the parameters and the value."""

    def wrap(plain: Method) -> Method:
        @functools.wraps(plain)
        def moving(self: Any, *args: Any) -> Any:
            value = plain(self, *args)
            call = getattr(self, "_call", None)
            if call is not None:
                count(call, args, value)
            return value

        @functools.wraps(plain)
        async def awaiting(self: Any, *args: Any) -> Any:
            value = await plain(self, *args)
            call = getattr(self, "_call", None)
            if call is not None:
                count(call, args, value)
            return value

        return awaiting if inspect.iscoroutinefunction(plain) else moving

    return wrap


_wrote: Final = _moves(lambda call, args, value: call.progress(0, len(args[0])))
_wrote_row: Final = _moves(lambda call, args, value: call.progress(1))
_read: Final = _moves(lambda call, args, value: call.progress(0, len(value)))
_read_row: Final = _moves(lambda call, args, value: None if value is None else call.progress(1))


# ---------------------------------------------------------------- connections and blocks


def _connect(plain: Any) -> Any:
    """`_open`, through which every connection is made."""
    function = plain.__func__

    @functools.wraps(function)
    def connecting(cls: Any, infos: Any, *args: Any, **kwargs: Any) -> Any:
        call = hooks.call_of_connect(infos[0])
        if call is None:
            return function(cls, infos, *args, **kwargs)
        call.start()
        try:
            made = function(cls, infos, *args, **kwargs)
        except BaseException as exc:
            call.finish(exc)
            raise
        _connected(call, made)
        return made

    @functools.wraps(function)
    async def awaiting(cls: Any, infos: Any, *args: Any, **kwargs: Any) -> Any:
        call = hooks.call_of_connect(infos[0])
        if call is None:
            return await function(cls, infos, *args, **kwargs)
        call.start()
        try:
            made = await function(cls, infos, *args, **kwargs)
        except BaseException as exc:
            call.finish(exc)
            raise
        _connected(call, made)
        return made

    return classmethod(awaiting if inspect.iscoroutinefunction(function) else connecting)


def _connected(call: Call, connection: Any) -> None:
    info = connection._base_link.info
    call.connection = connection
    call.host, call.port, call.dbname, call.user = info.host, info.port, info.dbname, info.user
    call.finish()


def _named(kind: str) -> Describe:
    """A call that is described by its name alone."""

    def describe(connection: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
        return hooks.call_of(kind, connection)

    return describe


def _ends(kind: str) -> Describe:
    """A commit or rollback; where no transaction is open, nothing is said to the server."""

    def describe(connection: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
        return None if connection._session.transaction_status == "I" else hooks.call_of(kind, connection)

    return describe


def _enter_block(block: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    return hooks.call_of("begin", block._connection)


def _leave_block(block: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    return hooks.call_of("commit" if args[1] is None and not block._force_rollback else "rollback", block._connection)


def _sync(block: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    return hooks.call_of("sync", block._connection)


def load(connection: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    """The call of a load, of whose progress hooks are told before the program."""
    call = hooks.call_of("load", connection, f"COPY {_parameter(args, kwargs, 0, 'table')} FROM STDIN")
    _tell(call, kwargs)
    return call


def export(connection: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    """The call of an export, of whose progress hooks are told before the program."""
    call = hooks.call_of("export", connection, _parameter(args, kwargs, 0, "source"), kwargs.get("params"))
    _tell(call, kwargs)
    return call


def _tell(call: Call | None, kwargs: dict[str, Any]) -> None:
    """Put the call before whom the program wants to be told of the progress."""
    if call is not None:
        told, reached = kwargs.get("progress"), call.reached

        def progress(rows: int, size_bytes: int) -> None:
            reached(rows, size_bytes)
            if told is not None:
                told(rows, size_bytes)

        kwargs["progress"] = progress


def loaded(call: Call, connection: Any, report: Any) -> None:
    """Complete it by its report."""
    call.rows, call.size_bytes = report.rows, report.size_bytes


def fetch_columns(connection: Any, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
    """The call of a fetch of columns."""
    query, params = _parameter(args, kwargs, 0, "query"), _parameter(args, kwargs, 1, "params")
    return hooks.call_of("fetch_columns", connection, query, params)


def fetched_columns(call: Call, connection: Any, columns: Any) -> None:
    """Complete it by what was fetched."""
    call.rows = len(columns)


# ---------------------------------------------------------------- the table

_CURSOR: Final = {
    "execute": observed(_execute, _executed),
    "executemany": observed(_executemany, _executed),
    "stream": _stream,
}
_COPY: Final = {"write": _wrote, "write_row": _wrote_row, "read": _read, "read_row": _read_row}
_CONNECTION: Final = {
    "_open": _connect,
    "commit": observed(_ends("commit")),
    "rollback": observed(_ends("rollback")),
    **{name: observed(_named(name)) for name in ("tpc_prepare", "tpc_commit", "tpc_rollback")},
}

#: What makes the observing method, by class and name. Other floors add their own.
OBSERVED: Final[dict[type, dict[str, Callable[[Any], Any]]]] = {
    **dict.fromkeys((Cursor, AsyncCursor, ClientCursor, AsyncClientCursor), _CURSOR),
    **{cls: {"execute": _CURSOR["execute"]} for cls in (ServerCursor, AsyncServerCursor)},
    Copy: {**_COPY, "__enter__": _enter_copy, "__exit__": _leave_copy},
    AsyncCopy: {**_COPY, "__aenter__": _enter_copy, "__aexit__": _leave_copy},
    **dict.fromkeys((Connection, AsyncConnection), _CONNECTION),
    Transaction: {"__enter__": observed(_enter_block), "__exit__": observed(_leave_block)},
    AsyncTransaction: {"__aenter__": observed(_enter_block), "__aexit__": observed(_leave_block)},
    PipelineBlock: {"sync": observed(_sync)},
    AsyncPipelineBlock: {"sync": observed(_sync)},
}

_plain: Final[dict[tuple[type, str], Any]] = {}


def switch(on: bool) -> None:
    """Put the observing methods in the place of the plain ones, or the plain ones back."""
    if on:
        for cls, methods in OBSERVED.items():
            for name, wrap in methods.items():
                _plain[cls, name] = vars(cls)[name]
                setattr(cls, name, wrap(vars(cls)[name]))
    else:
        for (cls, name), plain in _plain.items():
            setattr(cls, name, plain)
        _plain.clear()


hooks.switches.append(switch)
