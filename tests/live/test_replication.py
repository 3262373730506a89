"""Replication against a real server: slots, physical and logical streams, base backups."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

import pgfast
from pgfast import OperationalError, errors
from pgfast.embedded import EmbeddedServer
from pgfast.replication import (
    LSN,
    UNCHANGED,
    Begin,
    BeginPrepare,
    Commit,
    CommitPrepared,
    Delete,
    Insert,
    LogicalMessage,
    Origin,
    Prepare,
    Relation,
    RollbackPrepared,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    Type,
    Update,
    WalData,
)

from ..faces import Face
from ..versions import installation


@pytest.fixture(scope="module")
def source(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server that decodes its log, and prepares transactions."""
    settings = {"wal_level": "logical", "max_prepared_transactions": "10"}
    # npm's server has the plugins of contrib.
    major = request.config.getoption("--server") or 18
    if major >= 13:
        settings["logical_decoding_work_mem"] = "64kB"
    with EmbeddedServer(installation=installation(major), settings=settings) as started:
        with pgfast.connect(started.dsn, autocommit=True) as conn:
            conn.execute("create type mood as enum ('ok', 'sad')")
            conn.execute("create table item (id int primary key, name text, price numeric(9,2), m mood, big text)")
            conn.execute("create table whole (a int, b text); alter table whole replica identity full")
            conn.execute("alter table item alter big set storage external")
            conn.execute("create publication pub for table item, whole")
        yield started


@pytest.fixture
def sql(source: EmbeddedServer) -> Iterator[Any]:
    """An ordinary connection, to make changes by, when the slots of earlier tests' connections are gone."""
    with pgfast.connect(source.dsn, autocommit=True) as conn:
        give_up = time.monotonic() + 30
        while conn.execute("select count(*) from pg_replication_slots where temporary").fetchone() != (0,):
            assert time.monotonic() < give_up, "temporary slots outlive their connections"
        conn.execute("truncate item, whole")
        yield conn


@pytest.fixture
def walsender(face: Face, source: EmbeddedServer) -> Any:
    return face.replicate(source.dsn)


def until(stream: Any, last: type, count: int = 1) -> list[Any]:
    """What comes up to the message of this type, the last of so many."""
    found: list[Any] = []
    stop = time.monotonic() + 30
    while time.monotonic() < stop:
        item = stream.read(1)
        if item is not None:
            found.append(item)
            if isinstance(item, last):
                count -= 1
                if not count:
                    return found
    pytest.fail(f"no {last.__name__} came in time, but {found}")


def kinds(items: list[Any]) -> list[type]:
    return [type(item) for item in items if not isinstance(item, Type)]


# ---------------------------------------------------------------- commands


def test_the_system_tells_who_it_is(walsender: Any, sql: Any) -> None:
    found = walsender.identify_system()
    assert (found.database, found.timeline) == ("postgres", 1)
    assert found.system_id == str(sql.execute("select system_identifier from pg_control_system()").fetchone()[0])
    assert LSN(0) < found.position <= LSN(sql.execute("select pg_current_wal_lsn()::text").fetchone()[0])
    assert walsender.show("wal_level") == "logical"
    assert walsender.execute("select 1 + %s", (41,)).fetchone() == (42,)
    with pytest.raises(pgfast.NotSupportedError, match="simple queries alone"):
        list(walsender.cursor().stream("select 1"))


@pytest.mark.parametrize("plugin", ["pgoutput", "test_decoding", None])
def test_slots_are_made_and_dropped(walsender: Any, sql: Any, plugin: str | None) -> None:
    slot = walsender.create_slot("my_slot", plugin, snapshot="nothing", reserve_wal=plugin is None)
    assert (slot.name, slot.plugin) == ("my_slot", plugin)
    row = sql.execute("select slot_type, plugin from pg_replication_slots").fetchone()
    assert row == ("physical" if plugin is None else "logical", plugin)
    with pytest.raises(errors.DuplicateObject):
        walsender.create_slot("my_slot", plugin)
    walsender.drop_slot("my_slot", wait=True)
    with pytest.raises(errors.UndefinedObject):
        walsender.drop_slot("my_slot")
    temporary = walsender.create_slot("my_slot", plugin, temporary=True)
    assert temporary.name == "my_slot"


def test_a_slots_snapshot_is_where_its_stream_begins(walsender: Any, source: EmbeddedServer, sql: Any) -> None:
    sql.execute("insert into item values (1, 'before')")
    slot = walsender.create_slot("exporting", temporary=True)
    sql.execute("insert into item values (2, 'after')")
    with pgfast.connect(source.dsn) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute(f"set transaction snapshot '{slot.snapshot}'")
        assert reader.execute("select id from item").fetchall() == [(1,)]
    with walsender.start_logical("exporting", ["pub"]) as stream:
        assert [item.new["id"] for item in until(stream, Commit) if isinstance(item, Insert)] == [2]


# ---------------------------------------------------------------- logical streams


def test_changes_come_as_rows(walsender: Any, sql: Any) -> None:
    walsender.create_slot("changes", temporary=True)
    sql.execute("insert into item values (1, 'it''s', 12.50, 'ok', repeat('x', 9000))")
    sql.execute("update item set name = null where id = 1")
    sql.execute("update item set id = 2 where id = 1")
    sql.execute("delete from item where id = 2")
    sql.execute("insert into whole values (1, 'a'); update whole set b = 'b'; delete from whole")
    sql.execute("truncate item, whole restart identity cascade")
    with walsender.start_logical("changes", ["pub"]) as stream:
        found = until(stream, Truncate)
        last = until(stream, Commit)
        begin, described, insert = found[0], found[2], found[3]
        assert isinstance(begin, Begin) and isinstance(found[1], Type) and isinstance(described, Relation)
        assert abs(begin.committed_at - datetime.now(timezone.utc)) < timedelta(minutes=5)
        assert (described.schema, described.name, described.identity) == ("public", "item", "d")
        assert [(column.name, column.key) for column in described.columns][:2] == [("id", True), ("name", False)]
        assert insert.new == {"id": 1, "name": "it's", "price": Decimal("12.50"), "m": "ok", "big": "x" * 9000}
        updates = [item for item in found if isinstance(item, Update)]
        assert updates[0].new == {"id": 1, "name": None, "price": Decimal("12.50"), "m": "ok", "big": UNCHANGED}
        assert (updates[0].key, updates[0].old) == (None, None)
        assert (updates[1].key, updates[1].new["id"]) == ({"id": 1}, 2)
        assert (updates[2].old, updates[2].new) == ({"a": 1, "b": "a"}, {"a": 1, "b": "b"})
        deletes = [item for item in found if isinstance(item, Delete)]
        assert [(item.key, item.old) for item in deletes] == [({"id": 2}, None), (None, {"a": 1, "b": "b"})]
        truncate = found[-1]
        assert ({relation.name for relation in truncate.relations}, truncate.cascade, truncate.restart_identity) == (
            {"item", "whole"},
            True,
            True,
        )
        assert isinstance(last[-1], Commit) and last[-1].end > last[-1].commit
    assert walsender.execute("select 1").fetchone() == (1,)


def test_what_is_confirmed_does_not_come_again(face: Face, walsender: Any, source: EmbeddedServer, sql: Any) -> None:
    walsender.create_slot("confirming")
    try:
        sql.execute("insert into item values (1)")
        sql.execute("insert into item values (2)")
        with walsender.start_logical("confirming", ["pub"]) as stream:
            commit = until(stream, Commit)[-1]
            until(stream, Commit)
            stream.confirm(commit.end)
            with pytest.raises(pgfast.ProgrammingError, match="cannot be confirmed"):
                stream.confirm(0)
            with pytest.raises(pgfast.ProgrammingError, match="cannot be confirmed"):
                stream.confirm(2**63)
        flushed = sql.execute("select confirmed_flush_lsn::text from pg_replication_slots").fetchone()
        assert LSN(flushed[0]) == commit.end
        again = walsender.start_logical("confirming", ["pub"])
        with pytest.raises(OperationalError, match="connect anew for another"), again as stream:
            stream.read(5)
        with face.replicate(source.dsn).start_logical("confirming", ["pub"]) as stream:
            assert [item.new["id"] for item in until(stream, Commit) if isinstance(item, Insert)] == [2]
    finally:
        walsender.drop_slot("confirming")


def test_positions_are_reported_while_nothing_comes(walsender: Any, sql: Any) -> None:
    walsender.create_slot("idle", temporary=True)
    with walsender.start_logical("idle", ["pub"], status_interval=0.1) as stream:
        assert stream.read(0.5) is None
        row = sql.execute("select reply_time > now() - interval '5 s', state from pg_stat_replication").fetchone()
        assert row == (True, "streaming")
        stream.send_status(reply=True)
        assert stream.read(0.5) is None
        assert stream.server_end > LSN(0)
        sql.execute("insert into item values (1)")
        assert kinds(until(stream, Commit)) == [Begin, Relation, Insert, Commit]


def test_messages_and_origins_come_where_they_are_wanted(walsender: Any, sql: Any) -> None:
    walsender.create_slot("talking", temporary=True)
    sql.execute("select pg_logical_emit_message(false, 'me', 'outside')")
    sql.execute("select pg_logical_emit_message(true, 'me', 'inside')")
    sql.execute("select pg_replication_origin_create('elsewhere')")
    try:
        sql.execute("select pg_replication_origin_session_setup('elsewhere')")
        sql.execute("insert into item values (1)")
        with walsender.start_logical("talking", ["pub"], messages=True) as stream:
            found = until(stream, Commit, 2)
        said = [item for item in found if isinstance(item, LogicalMessage)]
        assert [(item.transactional, item.prefix, item.content) for item in said] == [
            (False, "me", b"outside"),
            (True, "me", b"inside"),
        ]
        assert [item.name for item in found if isinstance(item, Origin)] == ["elsewhere"]
    finally:
        sql.execute("select pg_replication_origin_session_reset()")
        sql.execute("select pg_replication_origin_drop('elsewhere')")


def test_values_may_come_in_binary(walsender: Any, sql: Any) -> None:
    walsender.create_slot("binary", temporary=True)
    sql.execute("insert into item values (7, 'x', -0.25, 'sad')")
    with walsender.start_logical("binary", ["pub"], binary=True) as stream:
        (insert,) = [item for item in until(stream, Commit) if isinstance(item, Insert)]
    assert insert.new == {"id": 7, "name": "x", "price": Decimal("-0.25"), "m": b"sad", "big": None}


@pytest.mark.parametrize(("protocol", "streaming"), [(2, "on"), (4, "on"), (4, "parallel")])
def test_large_transactions_come_while_they_run(walsender: Any, sql: Any, protocol: int, streaming: str) -> None:
    walsender.create_slot("streaming", temporary=True)
    with walsender.start_logical("streaming", ["pub"], protocol_version=protocol, streaming=streaming) as stream:
        sql.execute("insert into item select n, repeat('x', 100) from generate_series(1, 3000) n")
        found = until(stream, StreamCommit)
        with pytest.raises(ZeroDivisionError), sql.transaction():
            sql.execute("insert into item select n, repeat('x', 100) from generate_series(4001, 7000) n")
            found += until(stream, StreamStop)  # a transaction that is known to be rolled back would not come at all
            raise ZeroDivisionError
        found += until(stream, StreamAbort)
        commit = next(item for item in found if isinstance(item, StreamCommit))
        inserts = [item for item in found if isinstance(item, Insert) and item.xid == commit.xid]
        assert [item.new["id"] for item in inserts] == list(range(1, 3001))
        starts = [item for item in found if isinstance(item, StreamStart) and item.xid == commit.xid]
        assert [item.first for item in starts] == [True] + [False] * (len(starts) - 1)
        assert sum(isinstance(item, StreamStop) for item in found) == sum(
            isinstance(item, StreamStart) for item in found
        )
        abort = found[-1]
        assert abort.xid != commit.xid
        assert (abort.at is not None) == (streaming == "parallel")


def test_prepared_transactions_come_when_they_are_prepared(walsender: Any, sql: Any) -> None:
    walsender.create_slot("two_phase", temporary=True, two_phase=True)
    with walsender.start_logical("two_phase", ["pub"], protocol_version=3, streaming="on", two_phase=True) as stream:
        for number, gid, end in ((1, "first", "commit"), (2, "second", "rollback")):
            sql.execute(f"begin; insert into item values ({number}); prepare transaction '{gid}'")
            sql.execute(f"{end} prepared '{gid}'")
        found = until(stream, RollbackPrepared)
        assert kinds(found) == [
            *(BeginPrepare, Relation, Insert, Prepare, CommitPrepared),
            *(BeginPrepare, Insert, Prepare, RollbackPrepared),
        ]
        assert [item.gid for item in found if isinstance(item, Prepare)] == ["first", "second"]
        sql.execute("begin")
        sql.execute("insert into item select n, repeat('x', 100) from generate_series(10, 3000) n")
        until(stream, StreamStop)
        sql.execute("prepare transaction 'streamed'")
        streamed = until(stream, Prepare)[-1]
        sql.execute("commit prepared 'streamed'")
        assert (streamed.gid, streamed.streamed) == ("streamed", True)
        assert until(stream, CommitPrepared)[-1].xid == streamed.xid


def test_other_plugins_give_bytes(walsender: Any, sql: Any) -> None:
    walsender.create_slot("decoding", "test_decoding", temporary=True)
    sql.execute("insert into item values (1, 'x')")
    with walsender.start_plugin("decoding", {"include-xids": "off", "skip-empty-xacts": None}) as stream:
        found = [stream.read(10) for _ in range(3)]
    assert [type(item) for item in found] == [WalData] * 3
    assert [item.data for item in found][0::2] == [b"BEGIN", b"COMMIT"]
    assert found[1].data.startswith(b"table public.item: INSERT: id[integer]:1 name[text]:'x'")


def test_what_a_stream_cannot_begin_with_is_told(walsender: Any) -> None:
    with pytest.raises(errors.UndefinedObject):
        walsender.start_logical("nowhere", ["pub"]).__enter__()
    for settings in ({"protocol_version": 5}, {"protocol_version": 0}):
        with pytest.raises(pgfast.ProgrammingError, match="protocol_version is 1 to 4"):
            walsender.start_logical("nowhere", ["pub"], **settings)
    with pytest.raises(pgfast.ProgrammingError, match="list of names"):
        walsender.start_logical("nowhere", "pub")
    with pytest.raises(ValueError, match="log sequence number"):
        walsender.start_physical("nonsense")
    assert walsender.execute("select 1").fetchone() == (1,)


# ---------------------------------------------------------------- physical streams


def test_the_log_comes_as_it_is_written(face: Face, source: EmbeddedServer, sql: Any) -> None:
    walsender = face.replicate(source.dsn, physical=True)
    slot = walsender.create_slot("following", None, temporary=True, reserve_wal=True)
    start = walsender.identify_system().position
    assert slot.plugin is None
    with walsender.start_physical(start, slot="following", timeline=1) as stream:
        sql.execute("insert into item select n, 'needle in the log' from generate_series(1, 100) n")
        end = LSN(sql.execute("select pg_current_wal_insert_lsn()::text").fetchone()[0])
        log, at = b"", start
        while at < end:
            item = stream.read(10)
            assert (type(item), item.start) == (WalData, at)
            log += item.data
            at = item.start + len(item.data)
        assert log.count(b"needle in the log") >= 90  # a page's header stands in the middle of some
        stream.confirm(stream.received)
        stream.send_status()
        stream.send_hot_standby_feedback(xmin=5, catalog_xmin=3)
        assert stream.read(0.3) is None
    assert sql.execute(
        "select restart_lsn::text, xmin::text from pg_replication_slots where slot_name = 'following'"
    ).fetchone() == (
        str(LSN(at)),
        "5",
    )


# ---------------------------------------------------------------- base backups


@pytest.mark.parametrize("manifest", [False, True])
def test_a_base_backup_holds_the_data_directory(walsender: Any, sql: Any, manifest: bool) -> None:
    archives: dict[str, bytearray] = {}
    with walsender.base_backup("mine", progress=True, wal=True, manifest=manifest) as backup:
        for name, piece in backup:
            archives.setdefault(name, bytearray()).extend(piece)
    assert set(archives) == {"base.tar"} | ({"backup_manifest"} if manifest else set())
    with tarfile.open(fileobj=io.BytesIO(archives["base.tar"])) as archive:
        assert {"PG_VERSION", "backup_label", "global/pg_control"} <= set(archive.getnames())
    assert (backup.timeline, backup.start < backup.end) == (1, True)
    assert [(space.oid, space.location) for space in backup.tablespaces] == [(None, None)]
    assert walsender.execute("select 1").fetchone() == (1,)


def test_a_base_backup_can_be_left(walsender: Any) -> None:
    with walsender.base_backup() as backup:
        assert next(iter(backup))[0] == "base.tar"
    assert walsender.execute("select 1").fetchone() == (1,)
