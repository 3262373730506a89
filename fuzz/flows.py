"""What a client does with its session: the operations of the driver, each as the connections call it.

Law of this file: a flow knows no bytes and no socket, so it works with a real server (`make_seeds`, which records what
that server says) as with a fuzzer's. What it gives back shows all that the server has said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pgfast import codec, const
from pgfast.bulk.fetch import fetch_columns
from pgfast.errors import DataError
from pgfast.protocol import operations as ops
from pgfast.protocol.backend import CopyResponse
from pgfast.protocol.operations import Operation
from pgfast.protocol.session import Run, Session
from pgfast.types.registry import PLAIN

Flow = Callable[[Session], Operation[Any]]

#: The tables that the flows expect, for whoever has a real server.
SCHEMA: Final = """
create type mood as enum ('sad', 'glad');
create type pair as (a int4, b text);
create table things (id int, name text, price numeric(12,2), born date, tags text[], feels mood, both_ pair);
alter table things add primary key (id);
insert into things select n, n, n * 1.25, date '2000-01-01' + n, array['x', null] from generate_series(1, 6) n;
update things set feels = 'glad', both_ = (id, name)::pair;
create table copied (a int4, b text, c numeric);
create publication everything for all tables;
"""
COLUMNS: Final = "select id, name, price, born, tags, feels, both_, now(), 1.5::float8, null::uuid from things"
_PORTION: Final = 2
_MOST: Final = 200


def simple(session: Session) -> Operation[Any]:
    """Several statements in one query."""
    return (yield from ops.query(session, f"{COLUMNS}; select 1 where false; ; set work_mem = '1MB'"))


def extended(session: Session) -> Operation[Any]:
    """Statements with parameters, executed again and again, so that they become prepared ones."""
    found: list[Any] = []
    for number in range(4):
        found.append((yield from ops.execute_query(session, COLUMNS + " where id > $1", (number,))))
        found.append((yield from ops.execute_query(session, "select $1::text, $2::int4[]", ("x", [number]))))
    found.append((yield from ops.execute_query(session, "select row(1, 'a'::text, 2.5)", ())))
    return found


def prepared(session: Session) -> Operation[Any]:
    """A statement prepared at once, executed in one write each, also with values that need another plan."""
    found: list[Any] = []
    sql = COLUMNS + " where id = $1"
    for value in (1, 2, None, "3", 2**40, 4):
        try:
            found.append((yield from ops.execute_query(session, sql, (value,), True)))
        except DataError as exc:  # said before anything was sent
            found.append(str(exc))
    found.append((yield from ops.execute_query(session, "select null::text, $1::pair", ((1, "x"),), True)))
    return found


def named(session: Session) -> Operation[Any]:
    """A cursor of the server, read forwards, moved, and closed."""
    yield from ops.query(session, "begin")
    cursor = yield from ops.declare_cursor(session, "c", COLUMNS, None, True, False, session.registry)
    found: list[Any] = [cursor.fields]
    for direction in ("FORWARD 2", "ABSOLUTE 1", "FORWARD 9"):
        cursor, rows = yield from ops.fetch_rows(session, cursor, direction, session.registry)
        found.append(rows)
    found.append((yield from ops.move_cursor(session, "c", "BACKWARD 1")))
    yield from ops.close_cursor(session, "c")
    yield from ops.rollback(session)
    return found


def many(session: Session) -> Operation[Any]:
    """One statement executed for many rows of parameters."""
    rows = [(n, f"row {n}") for n in range(12)]
    count, answers = yield from ops.execute_many(session, "select $1::int4 as a, $2::text as b", rows, True)
    tags, got = (answers.tags, answers.rows) if isinstance(answers, ops.Answers) else ((), answers)
    touched, _ = yield from ops.execute_many(session, "insert into copied values ($1, $2, $3)", [(1, "b", 2.5)] * 3)
    return count, tags, got, touched


def pipelined(session: Session) -> Operation[Any]:
    """A pipeline, with an error in the middle."""
    pipeline = ops.Pipeline()
    pending = []
    for sql, params in (
        *((COLUMNS + " where id = $1", (n,)) for n in range(3)),
        ("select 1 / $1::int4", (1,)),
        ("select 1 / $1::int4", (0,)),
        ("select $1::text", ("never",)),
    ):
        one = ops.add_now(session, pipeline, sql, params, session.registry)
        pending.append(one or (yield from ops.add_asking(session, pipeline, sql, params, None, session.registry)))
        yield from ops.send_more(session, pipeline)
    yield from ops.await_answer(session, pipeline, pending[0])
    yield from ops.sync(session, pipeline)
    found = []
    for one in pending:
        assert one.answered or session.dead is not None, "a synced pipeline has answered everything"
        if one.answered:
            found.append(one.done if one.failure is None else (type(one.failure), str(one.failure)))
    failure = pipeline.take_failure()
    return found, type(failure), str(failure)


class Copied:
    """What takes the data of a COPY TO STDOUT."""

    def __init__(self, binary: bool) -> None:
        self.rows: list[Any] = []
        self._state = codec.CopyState(binary)
        self._plan = PLAIN.rules.row_plan(_BINARY) if binary else None

    def begin(self, response: CopyResponse) -> None:
        """Nothing depends on what the server says here."""

    def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
        """Decode a run."""
        if self._plan is None:
            self.rows += codec.decode_copy_text(self._state, block, start, stop, count)
        else:
            self.rows += codec.decode_copy_rows(self._plan, self._state, block, start, stop, count)

    def finish(self) -> list[Any]:
        """The rows of a stream that is complete."""
        self._state.finish()
        return self.rows


class _Binary:
    """A column as a plan sees it."""

    def __init__(self, type_oid: int) -> None:
        self.type_oid = type_oid
        self.format = const.BINARY


_BINARY: Final = tuple([_Binary(oid) for oid in (const.OID_INT4, const.OID_TEXT, const.OID_NUMERIC)])


def copy_out_text(session: Session) -> Operation[Any]:
    """COPY TO STDOUT in text format."""
    taken = Copied(False)
    count = yield from ops.copy_out(session, "copy copied to stdout", taken)
    return count, taken.finish()


def copy_out_binary(session: Session) -> Operation[Any]:
    """COPY TO STDOUT in binary format."""
    taken = Copied(True)
    sql = "copy (select id, name, price from things) to stdout (format binary)"
    count = yield from ops.copy_out(session, sql, taken)
    return count, taken.finish()


def copy_out_stepwise(session: Session) -> Operation[Any]:
    """COPY TO STDOUT as `cursor.copy()` reads it."""
    taken = Copied(False)
    yield from ops.copy_begin(session, "copy copied to stdout", const.COPY_OUT_RESPONSE)
    while isinstance(event := (yield from ops.copy_next(session)), Run):
        taken.run(event.block, event.start, event.stop, event.count)
    return event, taken.finish()


def _blocks(count: int) -> Iterator[memoryview]:
    out = codec.WriteBuffer()
    for number in range(count):
        out.begin_copy()
        codec.encode_copy_text(out, [(str(number), "text", "1.5")])
        out.end_copy()
        yield out.take()


def copy_in_text(session: Session) -> Operation[Any]:
    return (yield from ops.copy_in(session, "copy copied from stdin", _blocks(3)))


def copy_in(session: Session) -> Operation[Any]:
    """COPY FROM STDIN, one that succeeds and one whose source fails."""

    def failing() -> Iterator[memoryview]:
        yield from _blocks(1)
        raise KeyError("the source")

    count = yield from copy_in_text(session)
    try:
        yield from ops.copy_in(session, "copy copied from stdin", failing())
    except KeyError:
        return count
    return count, "the failure of the source was swallowed"


def copy_in_stepwise(session: Session) -> Operation[Any]:
    """COPY FROM STDIN as `cursor.copy()` writes it, ended and given up."""
    response = yield from ops.start_copy(session, "copy copied from stdin", None)
    for block in _blocks(2):
        session.out.put_messages(bytes(block))
        yield from ops.copy_send(session)
    done = yield from ops.copy_end(session)
    yield from ops.start_copy(session, "copy copied from stdin", None)
    yield from ops.copy_abort(session, "no more")
    return response, done


def streamed(session: Session) -> Operation[Any]:
    """A portal, a portion at a time; another one given up."""
    found: list[Any] = []
    portal = yield from ops.open_portal(session, COLUMNS, None, _PORTION, None, session.registry)
    found.append(portal.ready)
    while not portal.done and len(found) < _MOST:
        yield from ops.next_rows(session, portal)
        found.append(portal.ready)
    if portal.done:
        found.append((portal.tag, portal.row_count))
        portal = yield from ops.open_portal(session, COLUMNS, None, 1, None, session.registry)
    if not portal.done:
        yield from ops.close_portal(session)
    return found


def called(session: Session) -> Operation[Any]:
    """Functions by their OIDs: int4pl, and to_regclass, which gives NULL for a name that is nothing's."""
    first = yield from ops.call_function(session, 177, [b"\0\0\0\1", b"\0\0\0\2"])
    return first, (yield from ops.call_function(session, 3495, [b"nothing"]))


def notified(session: Session) -> Operation[Any]:
    """LISTEN, and two notifications."""
    heard: list[Any] = []
    session.on_notification = heard.append
    yield from ops.query(session, "listen c; notify c, 'one'; notify c; do $$ begin raise notice 'n'; end $$")
    yield from ops.await_notification(session, lambda: len(heard) >= 2)
    return heard


def columnar(session: Session) -> Operation[Any]:
    """A result in columns."""
    columns = yield from fetch_columns(session, COLUMNS)
    return [(batch.rows, batch.buffers) for batch in columns.batches]


def typed(session: Session) -> Operation[Any]:
    """Types by their names."""
    found = yield from ops.load_types(session, ["mood", "pair[]", "things", "int4range"])
    return [(info.oid, info.name) for info in found]


def transacted(session: Session) -> Operation[Any]:
    """A transaction with a savepoint, not in autocommit mode."""
    session.autocommit = False
    found = yield from ops.execute_query(session, "select $1::int4", (1,))
    yield from ops.savepoint(session, "s")
    yield from ops.release(session, "s")
    yield from ops.savepoint(session, "s")
    yield from ops.rollback_to(session, "s")
    yield from ops.commit(session)
    yield from ops.execute_query(session, "select 1", None)
    yield from ops.rollback(session)
    return found, (yield from ops.why_not(session, "read-write")), (yield from ops.why_not(session, "standby"))


#: All of them, by their numbers in the harness; they may come in any order.
FLOWS: Final[tuple[Flow, ...]] = (
    *(simple, extended, many, pipelined, copy_out_text, copy_out_binary, copy_out_stepwise, copy_in),
    *(copy_in_stepwise, streamed, called, notified, columnar, typed, transacted, prepared, named),
)
