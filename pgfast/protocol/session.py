"""The state of one session with a server: what may come next, and what has been said.

Law of this file: everything that decides whether a message is allowed stands in the tables here, and nothing else
changes the state. Bytes come in through `received` (a ReadBuffer that the driver fills) and go out through `out` (a
WriteBuffer that the driver sends); there is no I/O and no clock.

How it works. Every request written is announced by `expect`, which queues the state in which its answer is read. The
head of the queue is the current state; a message looks its tag up in that state's row of `TRANSITIONS`, which gives the
next state or says that the answer is complete. A tag that is not in the row is a ProtocolError, and the session is
dead. ErrorResponse, NoticeResponse, ParameterStatus and NotificationResponse may come at any time. After an
ErrorResponse the server skips to the next Sync, and so does the queue (docs: Message Flow, Extended Query). DataRow and
CopyData leave as one event for a whole run of messages, so that nothing here is done once per row.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from .. import const
from ..codec import Plan, ReadBuffer, Replies, WriteBuffer
from ..errors import DatabaseError, Diagnostic, Error, InterfaceError, OperationalError, ProtocolError
from ..errors.sqlstates import lookup
from ..types.discovery import ALTERING, HEEDED, Lookups
from ..types.registry import PROCESS, Registry
from . import backend, frontend
from .prepared import PreparedStatements


class State(enum.IntEnum):
    """What the next message of the server answers."""

    DONE = 0  # in TRANSITIONS: this answer is complete, the next one in the queue follows
    IDLE = 1  # nothing was asked
    STARTUP = 2  # StartupMessage, until AuthenticationOk
    STARTING = 3  # from AuthenticationOk to the first ReadyForQuery
    QUERY = 4  # Query, before the answer of its first statement
    QUERY_ROWS = 5  # Query, in the rows of a statement
    COPY_IN = 6
    COPY_OUT = 7
    COPY_OUT_DONE = 8
    PARSE = 9
    BIND = 10
    DESCRIBE = 11  # of a statement: its parameters
    DESCRIBE_ROWS = 12  # of a statement, behind them, or of a portal: its columns
    EXECUTE = 13
    CLOSE = 14
    SYNC = 15
    FUNCTION = 16
    FUNCTION_DONE = 17
    COPY_BOTH = 18
    COPY_BOTH_DONE = 19
    QUERY_NEXT = 20  # Query, between the answers of its statements, and behind the last
    EXECUTE_SOME = 21  # Execute with a limit


#: How the answer of a statement of a Query begins.
_STATEMENT: Final[dict[int, State]] = {
    const.ROW_DESCRIPTION: State.QUERY_ROWS,
    const.COMMAND_COMPLETE: State.QUERY_NEXT,
    const.EMPTY_QUERY_RESPONSE: State.QUERY_NEXT,
    const.COPY_IN_RESPONSE: State.COPY_IN,
    const.COPY_OUT_RESPONSE: State.COPY_OUT,
    const.COPY_BOTH_RESPONSE: State.COPY_BOTH,
}

TRANSITIONS: Final[dict[State, dict[int, State]]] = {
    State.IDLE: {},
    State.STARTUP: {const.AUTHENTICATION: State.STARTUP, const.NEGOTIATE_PROTOCOL_VERSION: State.STARTUP},
    State.STARTING: {const.BACKEND_KEY_DATA: State.STARTING, const.READY_FOR_QUERY: State.DONE},
    State.QUERY: _STATEMENT,
    # What was not answered was not executed: a COMMIT that the server passes over is none.
    State.QUERY_NEXT: {**_STATEMENT, const.READY_FOR_QUERY: State.DONE},
    State.QUERY_ROWS: {const.COMMAND_COMPLETE: State.QUERY_NEXT},
    State.COPY_IN: {const.COMMAND_COMPLETE: State.QUERY_NEXT},
    State.COPY_OUT: {const.COPY_DONE: State.COPY_OUT_DONE},
    State.COPY_OUT_DONE: {
        const.COMMAND_COMPLETE: State.QUERY_NEXT,
        # A base backup has several, and a result behind the last.
        const.COPY_OUT_RESPONSE: State.COPY_OUT,
        const.ROW_DESCRIPTION: State.QUERY_ROWS,
    },
    State.PARSE: {const.PARSE_COMPLETE: State.DONE},
    State.BIND: {const.BIND_COMPLETE: State.DONE},
    State.DESCRIBE: {const.PARAMETER_DESCRIPTION: State.DESCRIBE_ROWS},
    State.DESCRIBE_ROWS: {const.ROW_DESCRIPTION: State.DONE, const.NO_DATA: State.DONE},
    State.EXECUTE: {const.COMMAND_COMPLETE: State.DONE, const.EMPTY_QUERY_RESPONSE: State.DONE},
    State.EXECUTE_SOME: {
        const.COMMAND_COMPLETE: State.DONE,
        const.EMPTY_QUERY_RESPONSE: State.DONE,
        const.PORTAL_SUSPENDED: State.DONE,
    },
    State.CLOSE: {const.CLOSE_COMPLETE: State.DONE},
    State.SYNC: {const.READY_FOR_QUERY: State.DONE},
    State.FUNCTION: {const.FUNCTION_CALL_RESPONSE: State.FUNCTION_DONE},
    State.FUNCTION_DONE: {const.READY_FOR_QUERY: State.DONE},
    State.COPY_BOTH: {const.COPY_DONE: State.COPY_BOTH_DONE, const.COMMAND_COMPLETE: State.QUERY_NEXT},
    # A walsender may have a sign of life on its way yet; where a timeline has ended, the next one is told.
    State.COPY_BOTH_DONE: {const.COMMAND_COMPLETE: State.QUERY_NEXT, const.ROW_DESCRIPTION: State.QUERY_ROWS},
}

#: States in which messages come in runs, and their tag.
RUNS: Final[dict[State, int]] = {
    State.QUERY_ROWS: const.DATA_ROW,
    State.EXECUTE: const.DATA_ROW,
    State.EXECUTE_SOME: const.DATA_ROW,
    State.COPY_OUT: const.COPY_DATA,
    State.COPY_BOTH: const.COPY_DATA,
    State.COPY_BOTH_DONE: const.COPY_DATA,
}

#: Requests that the server answers without a Sync, and that therefore need one (docs: Extended Query).
_EXTENDED: Final = frozenset(
    {State.PARSE, State.BIND, State.DESCRIBE, State.DESCRIBE_ROWS, State.EXECUTE, State.EXECUTE_SOME, State.CLOSE}
)
#: States of requests of which nothing but a ReadyForQuery follows an error.
_WHOLE: Final = frozenset(
    {
        *(State.QUERY, State.QUERY_ROWS, State.QUERY_NEXT, State.FUNCTION, State.FUNCTION_DONE),
        *(State.COPY_IN, State.COPY_OUT, State.COPY_OUT_DONE, State.COPY_BOTH, State.COPY_BOTH_DONE),
    }
)

#: What is expected of one Bind and Execute, and with a Sync behind them.
_EXECUTION: Final = (State.BIND, State.EXECUTE)
_SYNCED_EXECUTION: Final = (State.BIND, State.EXECUTE, State.SYNC)

#: How many answers are taken from the queue together and not one by one.
_MANY: Final = 64

#: Commands after which no prepared statement is left.
_FORGETTING: Final = frozenset({"DISCARD ALL", "DEALLOCATE ALL"})
#: Commands after which the columns of a prepared statement may be others, which the server refuses in a transaction.
_REDEFINING: Final = ALTERING | {"CREATE VIEW", "DROP VIEW", "DROP MATERIALIZED VIEW", "DROP SCHEMA"}
#: Commands of which the session takes notice.
_HEEDED: Final = HEEDED | _FORGETTING | _REDEFINING
#: Bytes of the longest key in BackendKeyData (docs: BackendKeyData).
_LONGEST_KEY: Final = 256
#: Most settings that a server may report: it has fifteen of its own (docs: Asynchronous Operations).
_MOST_PARAMETERS: Final = 1000
#: The largest number that a process has on Linux, and on any other system as good as ever.
_MOST_PID: Final = 1 << 22


@dataclass(slots=True)
class Run:
    """Consecutive messages of one tag: `count` frames in block[start:stop], good until the session reads on."""

    tag: int
    block: bytearray
    start: int
    stop: int
    count: int


Event: TypeAlias = backend.Message | Run
#: What one execution gave: its command tag and its rows.
Done: TypeAlias = tuple[str, list[tuple[Any, ...]]]


def _ignore(_: object) -> None:
    """Nobody wants to know."""


class Session:
    """One session, from the first packet to the last.

    `parameters` holds what ParameterStatus reported, `standard_strings` whether a backslash is an ordinary character in
    '...' by them, `transaction_status` is "I", "T" or "E" as of the last ReadyForQuery. `autocommit` is the client's:
    the operations begin transactions by it, with `begin_sql`, and `fresh` says that nothing has been asked since one of
    them was begun so. `failed_in` is what the server was at when it last reported an error. `between_phases` says that
    a transaction of it is prepared, before whose end none may be begun. `shared` says that a pooler may change servers
    after every transaction: it gives its clients numbers that no process has. `dead` is the reason why nothing more can
    be said, None while all is well.
    """

    def __init__(
        self,
        received: ReadBuffer | None = None,
        out: WriteBuffer | None = None,
        *,
        replies: Replies | None = None,
        registry: Registry | None = None,
        prepared: PreparedStatements | None = None,
        autocommit: bool = False,
    ) -> None:
        self.received = ReadBuffer() if received is None else received
        self.out = WriteBuffer() if out is None else out
        self.registry = Registry(PROCESS, Lookups()) if registry is None else registry
        self.prepared = PreparedStatements() if prepared is None else prepared
        self.autocommit = autocommit
        self.parameters: dict[str, str] = {}
        self.standard_strings = True
        self.transaction_status = "I"
        self.protocol_version = (3, 0)
        self.walsender = False
        self.begin_sql = "BEGIN"
        #: What undoes an operation that was interrupted between two statements; None where there is nothing to undo.
        self.undo: str | None = None
        self.fresh = False
        self.failed_in = State.IDLE
        self.between_phases = False
        self.shared = False
        self._redefined = False
        self.backend_pid = 0
        self.secret_key = b""
        self.dead: str | None = None
        self.on_notice: Callable[[Diagnostic], None] = _ignore
        self.on_notification: Callable[[backend.Notification], None] = _ignore
        self._replies = Replies(self.received) if replies is None else replies
        self._expected: deque[State] = deque()
        self._unsynced = False
        self._skipping = False

    @property
    def server_version(self) -> int:
        """The server's version as a number: 180004 is 18.4, 90603 is 9.6.3; 0 where the server does not tell."""
        words = self.parameters.get("server_version", "").split()
        digits = "".join(char if char.isdigit() else " " for char in words[0]).split() if words else []
        if not digits or not words[0][0].isdigit():
            return 0
        numbers = [int(part) for part in digits[:3]] + [0, 0]
        if numbers[0] >= 10:
            return numbers[0] * 10000 + (numbers[1] if "." in words[0] else 0)
        return numbers[0] * 10000 + numbers[1] * 100 + numbers[2]

    # ------------------------------------------------------------ what is under way

    @property
    def state(self) -> State:
        """What the next message answers."""
        return self._expected[0] if self._expected else State.IDLE

    @property
    def answered(self) -> bool:
        """Whether everything that was asked has been answered."""
        return not self._expected

    @property
    def unsynced(self) -> bool:
        """Whether extended messages have been written that no Sync follows yet."""
        return self._unsynced

    @property
    def at_rest(self) -> bool:
        """Whether the server waits for a new request and nothing of an old one is left."""
        return not self._expected and not self._unsynced

    @property
    def copying(self) -> bool:
        """Whether a COPY is under way."""
        return bool(self._expected) and State.COPY_IN <= self._expected[0] <= State.COPY_OUT_DONE

    @property
    def executing(self) -> bool:
        """Whether an execution has begun that `take_executions` has not seen the end of."""
        return self._replies.bound

    @property
    def simple_only(self) -> bool:
        """Whether there are simple queries alone, without parameters: in protocol 2.0 and in a walsender."""
        return self.protocol_version[0] == 2 or self.walsender

    @property
    def usable(self) -> bool:
        """Whether a new request can be made."""
        return self.dead is None and not self._expected and not self._unsynced

    @property
    def starting(self) -> bool:
        """Whether the session has not been ready for its first query yet."""
        return self.state in (State.STARTUP, State.STARTING)

    def doubts(self, sql: str) -> bool:
        """Whether the server may refuse this prepared statement where nothing could be done about it afterwards."""
        return sql in self.prepared.doubted and self.transaction_status == "T" and not self.fresh

    def expect(self, *states: State) -> None:
        """Announce the answers to requests that were just written to `out`, in order.

        Raises where an answer lies there that nobody has asked for, or the server's last words: the session is then
        dead, and nothing may be sent.
        """
        self.fresh = False
        if not self._expected:
            self._replies.reset()  # nothing is left of what an interrupted operation had asked
            if not self._unsynced and self.received.pending:
                self._hear()
        for state in states:
            if state is State.SYNC:
                self._unsynced = self._skipping = False
            elif state in _EXTENDED:
                self._unsynced = True
                if self._skipping:  # the server has met an error and reads no further than to the next Sync
                    continue
            self._expected.append(state)

    def write_sync(self) -> None:
        """Write Sync and expect its ReadyForQuery."""
        frontend.sync(self.out)
        self.expect(State.SYNC)

    def expect_execution(self) -> None:
        """Announce the answers to one Bind and Execute with a Sync behind it, while nothing else is under way.

        Raises as `expect`.
        """
        self.fresh = False
        if self.received.pending:
            self._hear()
        self._replies.reset()
        self._expected.extend(_SYNCED_EXECUTION)
        self._unsynced = self._skipping = False

    def expect_executions(self, count: int, synced: bool = False) -> None:
        """Announce the answers to `count` pairs of Bind and Execute, the last of them with a Sync behind it where
        `synced`. Raises as `expect`."""
        expected, self.fresh = self._expected, False
        if not expected:
            self._replies.reset()
            if not self._unsynced and self.received.pending:
                self._hear()
        self._unsynced = True
        if not self._skipping:
            expected.extend(_EXECUTION * count)
        if synced:
            self.expect(State.SYNC)

    def _hear(self) -> None:
        """Take what came while nothing was asked: an answer among it would be taken for the next request's."""
        event = self.next_event()  # a ProtocolError for whatever may not come unasked
        if isinstance(event, backend.ErrorResponse):
            raise self.error(event)
        if self.dead is not None:
            raise InterfaceError(f"the connection is closed: {self.dead}")

    # ------------------------------------------------------------ bytes in, events out

    def take_executions(self, plan: Plan | None, most: int) -> tuple[list[str], list[tuple[Any, ...]], list[int]]:
        """(command tags, rows, where each one's rows end) of the executions that have been answered.

        At most `most`, all read by one plan; fewer than have come where a message stands between them that answers
        nothing: to be asked again, then, until there are none. It is the quick way past `next_event`, and leaves to it
        what is not in order. Raises ProtocolError, the session is then dead, and DataError for a row, which is then
        behind; what is left of its execution is for `next_event`.
        """
        expected, replies = self._expected, self._replies
        while expected and (expected[0] is State.EXECUTE if replies.bound else expected[0] is State.BIND):
            was_bound = replies.bound
            try:
                found = replies.take(plan, most)
            except BaseException as exc:
                self._count_executions([], was_bound)
                replies.reset()
                if isinstance(exc, ProtocolError):
                    self.die(exc)
                raise
            self._count_executions(found[0], was_bound)
            if found[0] or not most or self._next_tag() not in _UNASKED:
                return found
            frame = self.received.next_frame()
            assert frame is not None, "its tag was seen"
            try:
                self._take_unasked(backend.parse(*frame))
            except Error as exc:
                self.die(exc)
                raise
        return [], [], []

    def take_single(self, plan: Plan | None) -> Done | None:
        """(command tag, rows) of the one synced execution that is under way, where all of it has come in order.

        The session is then at rest; None leaves everything as it is, for `take_executions`.
        """
        found = self._replies.take_single(plan)
        if found is None:
            return None
        tag, rows, self.transaction_status = found
        self._expected.clear()
        if tag in _HEEDED:
            self._heed(tag)
        return tag, rows

    def _next_tag(self) -> int:
        """The tag of the next message, -1 while it is incomplete; a malformed one ends the session."""
        try:
            return self.received.next_tag
        except ProtocolError as exc:
            self.die(exc)
            raise

    def _count_executions(self, tags: list[str], was_bound: bool) -> None:
        """Take what has been answered from the queue, and note the command tags."""
        expected, count = self._expected, 2 * len(tags) + self._replies.bound - was_bound
        if count < _MANY:
            for _ in range(count):
                expected.popleft()
        else:
            rest = list(islice(expected, count, None))
            expected.clear()
            expected.extend(rest)
        if tags and not _HEEDED.isdisjoint(tags):
            for tag in tags:
                if tag in _HEEDED:
                    self._heed(tag)

    def next_event(self) -> Event | None:
        """The next event, or None when more bytes are needed or the session is dead.

        Raises ProtocolError for bytes the protocol does not allow here, and what `on_notification` raises; the session
        is then dead.
        """
        if self.dead is not None:
            return None
        try:
            return self._read()
        except Error as exc:
            self.die(exc)
            raise

    def _read(self) -> Event | None:
        while True:
            run_tag = RUNS.get(self.state)
            if run_tag is not None:
                run = self.received.take_run(run_tag)
                if run is not None:
                    return Run(run_tag, *run)
            frame = self.received.next_frame()
            if frame is None:
                return None
            tag = frame[0]
            if tag in _UNASKED:
                self._take_unasked(backend.parse(*frame))
                continue
            if tag != const.ERROR_RESPONSE:
                self._advance(tag)
            message = backend.parse(*frame)
            if tag in _NOTED:
                self._note(message)
            return message

    def _take_unasked(self, message: backend.Message) -> None:
        """Deal with a message that may come at any time and answers nothing."""
        match message:
            case backend.ParameterStatus(name, value):
                if len(self.parameters) >= _MOST_PARAMETERS and name not in self.parameters:
                    raise ProtocolError(f"the server reports more than {_MOST_PARAMETERS} settings")
                self.parameters[name] = value
                if name == "standard_conforming_strings":
                    self.standard_strings = value != "off"
                    self.prepared.forget_ready()  # queries are read by it
            case backend.NoticeResponse(diag):
                self.on_notice(diag)
            case backend.Notification():
                self.on_notification(message)

    def _advance(self, tag: int) -> None:
        """The state after a message with this tag; ProtocolError where it has no business."""
        following = TRANSITIONS[self.state].get(tag)
        if following is None:
            raise ProtocolError(f"{backend.name_of(tag)} came in the state {self.state.name}, where it is not allowed")
        if following is State.DONE:
            self._expected.popleft()
        else:
            self._expected[0] = following

    def _note(self, message: backend.Message) -> None:
        """Keep what the session itself must know of a message."""
        match message:
            case backend.ReadyForQuery(status):
                self.transaction_status = status
            case backend.CommandComplete(tag):
                if tag in _HEEDED:
                    self._heed(tag)
            case backend.Authentication(backend.AUTH_OK):
                self._expected[0] = State.STARTING
            case backend.BackendKeyData(process_id, secret_key):
                least, most = (4, 4) if self.protocol_version < (3, 2) else (4, _LONGEST_KEY)
                if not least <= len(secret_key) <= most:
                    raise ProtocolError(
                        f"BackendKeyData has a key of {len(secret_key)} bytes, {least} to {most} are allowed"
                    )
                self.backend_pid, self.secret_key = process_id, secret_key
                if not 0 < process_id <= _MOST_PID:
                    self.shared = True
                    self.prepared.heed_sharing()
            case backend.ErrorResponse():
                self._fail(message)

    def _heed(self, tag: str) -> None:
        """Draw the consequences of a command that the server has completed."""
        if tag in _FORGETTING:
            self.prepared.forget()
        elif tag in _REDEFINING:
            self._redefined = True
            self.prepared.drop_all()
        elif tag in ("COMMIT", "ROLLBACK"):
            if self._redefined and tag == "ROLLBACK":
                self.prepared.drop_all()  # what was redefined is again what it was
            elif tag == "ROLLBACK":
                self.prepared.doubt()
            self._redefined = False
        if tag != "COMMIT":
            self.prepared.forget_descriptions()  # names may mean other tables and types now
        if tag in HEEDED:
            self.registry.lookups.heed(tag)

    def _fail(self, response: backend.ErrorResponse) -> None:
        """The state after an error: the server skips to the next Sync, a Query ends, a session may be over."""
        state = self.failed_in = self.state
        self._replies.reset()
        if response.fatal or state in (State.STARTUP, State.STARTING):
            self._end(response.diag.message_primary or "the server ended the session")
        elif state in _WHOLE:
            self._expected[0] = State.SYNC
        elif state is State.IDLE and not self._unsynced:
            raise ProtocolError(f"ErrorResponse came while nothing was asked: {response.diag.message_primary}")
        else:
            while self._expected and self._expected[0] is not State.SYNC:
                self._expected.popleft()
            self._skipping = not self._expected

    # ------------------------------------------------------------ errors

    def error(self, response: backend.ErrorResponse) -> Error:
        """The exception for an ErrorResponse: of its SQLSTATE's class, with every field in `diag`."""
        diag = response.diag
        cls = lookup(diag.sqlstate) if diag.sqlstate is not None else OperationalError if self.dead else DatabaseError
        lines = [diag.message_primary or "the server reports an error without a message"]
        for label, text in (("DETAIL", diag.message_detail), ("HINT", diag.message_hint), ("CONTEXT", diag.context)):
            if text:
                lines.append(f"{label}:  {text}")
        exc = cls("\n".join(lines))
        exc.sqlstate = diag.sqlstate
        exc.diag = diag
        return exc

    def _end(self, reason: str) -> None:
        self.dead = reason
        self._expected.clear()
        self._unsynced = self._skipping = False

    def die(self, exc: Error) -> Error:
        """End the session for this reason; gives the exception back."""
        if self.dead is None:
            self._end(str(exc))
        return exc

    def lost(self, cause: BaseException | None = None) -> Error:
        """The exception for a connection that is gone: the server's own last word where it sent one.

        The session is dead.
        """
        while self.dead is None:
            try:
                event = self.next_event()
            except Error as exc:
                return exc
            if isinstance(event, backend.ErrorResponse) and event.fatal:
                return self.error(event)
            if event is None:
                break
        if self.dead is not None:
            error = OperationalError(f"the connection is closed: {self.dead}")
        else:
            detail = f": {cause}" if cause is not None and str(cause) else ""
            error = OperationalError(f"the server closed the connection unexpectedly{detail}")
        error.__cause__ = cause
        return self.die(error)

    def check_usable(self) -> None:
        """Raise InterfaceError where no new request can be made."""
        if self.dead is not None:
            raise InterfaceError(f"the connection is closed: {self.dead}")
        if not self.at_rest:
            raise InterfaceError(
                "another operation, such as a COPY, is still under way on this connection; end it first"
            )


_UNASKED: Final = frozenset({const.NOTICE_RESPONSE, const.PARAMETER_STATUS, const.NOTIFICATION_RESPONSE})
_NOTED: Final = frozenset(
    {
        const.READY_FOR_QUERY,
        const.COMMAND_COMPLETE,
        const.AUTHENTICATION,
        const.BACKEND_KEY_DATA,
        const.ERROR_RESPONSE,
    }
)
