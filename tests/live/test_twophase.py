"""Two-phase commit, and the characteristics of transactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pgfast
from pgfast import IsolationLevel, errors
from pgfast.connections.xid import Xid
from pgfast.embedded import EmbeddedServer

from ..faces import Face
from ..servers import start_server


@pytest.fixture(scope="module")
def preparing() -> Iterator[EmbeddedServer]:
    """A server that takes prepared transactions."""
    with start_server(max_prepared_transactions="5") as started:
        with pgfast.connect(started.dsn) as conn:
            conn.execute("create table t (a int)")
        yield started


@pytest.fixture
def two(face: Face, preparing: EmbeddedServer) -> Any:
    conn = face.connect(preparing.dsn)
    conn.execute("truncate t")
    conn.commit()
    return conn


def rows(server: EmbeddedServer) -> list[Any]:
    with pgfast.connect(server.dsn) as conn:
        return conn.execute("select a from t order by a").fetchall()


def names(server: EmbeddedServer) -> list[str]:
    with pgfast.connect(server.dsn) as conn:
        return [name for (name,) in conn.execute("select gid from pg_prepared_xacts")]


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("prepares", [True, False])
def test_a_transaction_in_two_phases(two: Any, preparing: EmbeddedServer, commits: bool, prepares: bool) -> None:
    xid = two.xid(42, "global", "branch")
    two.tpc_begin(xid)
    two.execute("insert into t values (1)")
    if prepares:
        two.tpc_prepare()
        assert names(preparing) == [str(xid)]
    (two.tpc_commit if commits else two.tpc_rollback)()
    assert names(preparing) == []
    assert rows(preparing) == ([(1,)] if commits else [])
    two.execute("insert into t values (2)")
    two.rollback()


def test_what_was_prepared_is_ended_by_another_connection(face: Face, two: Any, preparing: EmbeddedServer) -> None:
    for number, part in enumerate(("one", "two")):
        two.tpc_begin(two.xid(7, part, ""))
        two.execute("insert into t values (%s)", (number,))
        two.tpc_prepare()
        two.close()
        two = face.connect(preparing.dsn)
    first, second = two.tpc_recover()
    assert [tuple(first), tuple(second)] == [(7, "one", ""), (7, "two", "")]
    assert (first.owner, first.database, first.prepared is not None) == ("postgres", "postgres", True)
    two.rollback()
    two.tpc_commit(first)
    two.tpc_rollback(str(second))
    assert rows(preparing) == [(0,)]
    assert two.tpc_recover() == []


def test_nothing_else_is_done_meanwhile(two: Any, preparing: EmbeddedServer) -> None:
    two.tpc_begin("by another name")
    for refused in (two.commit, two.rollback, lambda: two.tpc_begin("x"), lambda: two.tpc_commit("x")):
        with pytest.raises(pgfast.ProgrammingError):
            refused()
    two.tpc_prepare()
    for refused in (two.tpc_prepare, lambda: two.execute("select 1"), lambda: two.load("t", [(1,)])):
        with pytest.raises(pgfast.ProgrammingError, match="prepared; nothing can be|cannot be used twice"):
            refused()
    with pytest.raises(pgfast.ProgrammingError):
        two.autocommit = True
    two.tpc_rollback()
    assert two.execute("select 1").fetchone() == (1,)


def test_a_transaction_that_has_failed_is_not_prepared(two: Any, preparing: EmbeddedServer) -> None:
    two.tpc_begin("failing")
    with pytest.raises(errors.DivisionByZero):
        two.execute("select 1 / 0")
    with pytest.raises(pgfast.ProgrammingError, match="rolled back and not prepared"):
        two.tpc_prepare()
    assert names(preparing) == []
    assert two.execute("select 1").fetchone() == (1,)
    two.rollback()


def test_where_it_cannot_be_used_is_told(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, autocommit=True)
    with pytest.raises(pgfast.ProgrammingError, match="autocommit"):
        conn.tpc_begin("x")
    conn = face.connect(dsn)
    for wanted in (conn.tpc_prepare, conn.tpc_commit, conn.tpc_rollback):
        with pytest.raises(pgfast.ProgrammingError, match="begun by tpc_begin"):
            wanted()
    conn.execute("select 1")
    with pytest.raises(pgfast.ProgrammingError, match="inside a transaction"):
        conn.tpc_begin("x")
    conn.rollback()
    conn.tpc_begin("x")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):  # max_prepared_transactions is 0
        conn.tpc_prepare()
    conn.rollback()
    for name in ("", "x" * 200):
        with pytest.raises(pgfast.ProgrammingError, match="1 to 199 bytes"):
            conn.tpc_commit(name)


def test_an_identifier_is_three_parts_and_one_name() -> None:
    xid = Xid.from_parts(1, "global", "branch")
    assert (tuple(xid), len(xid), xid[1]) == ((1, "global", "branch"), 3, "global")
    assert Xid.from_string(str(xid)) == xid
    for name in ("made by hand", "1_!!_", "1_Zw==_", "99999999999_Zw==_Zw==", "1_Zw_Zw=="):
        assert tuple(Xid.from_string(name))[1:] in ((name, None), ("g", ""))
        assert str(Xid.from_string(name)) == name
    for parts in (
        (-1, "g", "b"),
        (2**31, "g", "b"),
        (1, "g" * 65, "b"),
        (1, "g", "b" * 65),
        (1, "\n", "b"),
        (1, "\xe4", ""),
    ):
        with pytest.raises(pgfast.ProgrammingError):
            Xid.from_parts(*parts)


# ---------------------------------------------------------------- characteristics


@pytest.mark.parametrize("level", IsolationLevel)
def test_transactions_begin_as_they_were_chosen(conn: Any, level: IsolationLevel) -> None:
    conn.isolation_level = level
    conn.read_only, conn.deferrable = True, True
    shown = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    shown += ", current_setting('transaction_deferrable')"
    wanted = (level.name.lower().replace("_", " "), "on", "on")
    assert conn.execute(shown).fetchone() == wanted
    for name, value in (("isolation_level", None), ("read_only", None), ("deferrable", False)):
        with pytest.raises(pgfast.ProgrammingError, match=f"{name} cannot be changed while a transaction is open"):
            setattr(conn, name, value)
    conn.rollback()
    with conn.transaction():
        assert conn.execute(shown).fetchone() == wanted
    conn.set_isolation_level(None)
    conn.set_read_only(False)
    conn.set_deferrable(None)
    assert conn.execute(shown).fetchone() == ("read committed", "off", "off")


def test_a_level_that_is_none_is_refused(conn: Any) -> None:
    for value in (7, "serializable"):
        with pytest.raises(pgfast.ProgrammingError, match="isolation_level is an IsolationLevel"):
            conn.isolation_level = value
    assert conn.isolation_level is None
