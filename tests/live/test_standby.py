"""A primary and a real standby of it: which of them is taken, and what the standby answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.embedded import EmbeddedServer

from ..faces import Face
from ..standby import Standby
from ..versions import installation, start_version

#: 14 is the first version that tells of itself whether it is a standby; older ones are asked.
VERSIONS = (11, 13, 18)


@pytest.fixture(scope="module", params=VERSIONS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[EmbeddedServer, Standby]]:
    """A primary and its standby."""
    with start_version(request.param) as primary:
        with pgfast.connect(primary.dsn) as conn:
            conn.execute("create type mood as enum ('ok', 'sad')")
            conn.execute("create table t (a int primary key, m mood)")
            conn.execute("insert into t select n, 'ok' from generate_series(1, 5000) n")
        standby = Standby(installation=installation(request.param), primary=primary)
        with standby:
            yield primary, standby


def settings(first: EmbeddedServer, second: EmbeddedServer, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1,127.0.0.1",
        "port": f"{first.port},{second.port}",
        "user": "postgres",
        "dbname": "postgres",
        **more,
    }


def is_standby(conn: Any) -> bool:
    return bool(conn.execute("select pg_is_in_recovery()").fetchone()[0])


@pytest.mark.parametrize(
    ("wanted", "first_is_standby", "found_standby"),
    [
        ("any", True, True),
        ("any", False, False),
        ("read-write", True, False),
        ("read-write", False, False),
        ("primary", True, False),
        ("standby", False, True),
        ("read-only", False, True),
        ("prefer-standby", False, True),
    ],
)
def test_the_server_that_is_wanted_is_taken(
    face: Face, pair: tuple[EmbeddedServer, Standby], wanted: str, first_is_standby: bool, found_standby: bool
) -> None:
    primary, standby = pair
    first, second = (standby, primary) if first_is_standby else (primary, standby)
    conn = face.connect(**settings(first, second, target_session_attrs=wanted))
    assert is_standby(conn) is found_standby


def test_none_that_is_wanted_is_told(face: Face, pair: tuple[EmbeddedServer, Standby]) -> None:
    primary, standby = pair
    with pytest.raises(pgfast.OperationalError, match="target_session_attrs=standby"):
        face.connect(**settings(primary, primary, target_session_attrs="standby"))
    with pytest.raises(pgfast.OperationalError, match="target_session_attrs=read-write"):
        face.connect(**settings(standby, standby, target_session_attrs="read-write"))
    conn = face.connect(**settings(primary, primary, target_session_attrs="prefer-standby"))
    assert not is_standby(conn)


def test_a_standby_answers_and_refuses_to_write(face: Face, pair: tuple[EmbeddedServer, Standby]) -> None:
    conn = face.connect(pair[1].dsn)
    for _ in range(7):  # beyond the threshold
        assert conn.execute("select m, a from t where a = %s", (7,)).fetchone() == ("ok", 7)
    assert len(list(conn.cursor().stream("select * from t", size=900))) == 5000
    assert len(conn.cursor("all of them").execute("select * from t").fetchall()) == 5000
    with conn.cursor().copy("copy t to stdout") as copy:
        assert sum(1 for _ in copy.rows()) == 5000
    with pytest.raises(errors.ReadOnlySqlTransaction):
        conn.load("t", [(6000, "sad")])
    conn.rollback()
    with pytest.raises(errors.ReadOnlySqlTransaction):
        conn.execute("insert into t values (6000)")
    conn.rollback()
    assert conn.execute("select count(*) from t").fetchone() == (5000,)


def test_what_the_primary_writes_arrives_and_can_be_read(face: Face, pair: tuple[EmbeddedServer, Standby]) -> None:
    primary, standby = pair
    writer, reader = face.connect(primary.dsn), face.connect(standby.dsn, autocommit=True)
    kind = f"kind_{face.name}"
    writer.execute(f"drop table if exists news; drop type if exists {kind}")
    writer.execute(f"create type {kind} as enum ('new'); create table news as select 'new'::{kind} as value")
    writer.commit()
    lsn = writer.execute("select pg_current_wal_insert_lsn()").fetchone()[0]
    give_up = time.monotonic() + 30
    while reader.execute("select pg_last_wal_replay_lsn() < %s", (lsn,)).fetchone() == (True,):
        assert time.monotonic() < give_up, "the standby does not follow"
    assert reader.execute("select * from news").fetchall() == [("new",)]


def test_a_promoted_standby_is_the_one_to_write_to(face: Face) -> None:
    with start_version(18) as primary, (standby := Standby(installation=installation(18), primary=primary)):
        wanted = settings(primary, standby, target_session_attrs="read-write", connect_timeout=20)
        before = face.connect(**wanted)
        assert before.info.port == primary.port
        standby.promote()
        primary.stop()
        with pytest.raises(pgfast.OperationalError):
            before.execute("select 1")
        after = face.connect(**wanted)
        assert after.info.port == standby.port
        assert after.execute("create table made (a int)").statusmessage == "CREATE TABLE"
        after.close()
        face.forget()
