"""A connection's life: opened, asked, closed, lost, and every wrong use of it answered by one clear error."""

from __future__ import annotations

import contextlib
import inspect
import os
import pickle
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast import errors
from pgfast.connections import aio, docstrings, sync
from pgfast.embedded import EmbeddedServer

from ..faces import Face, target


def test_a_connection_tells_about_itself(conn: Any, server: EmbeddedServer) -> None:
    info = conn.info
    assert info.server_version == int(conn.execute("show server_version_num").fetchone()[0])
    assert info.user == "postgres"
    assert info.parameter_status("client_encoding") == "UTF8"
    assert info.parameters["standard_conforming_strings"] == "on"
    assert info.parameter_status("no such setting") is None
    assert info.backend_pid == conn.execute("select pg_backend_pid()").fetchone()[0]
    assert info.encoding == "utf-8"
    assert not info.encrypted
    assert conn.fileno() > 0


def test_a_reported_setting_follows_the_server(auto: Any) -> None:
    auto.execute("set TimeZone to 'Europe/Berlin'")
    assert auto.info.timezone == "Europe/Berlin"


def test_the_application_name_reaches_the_server(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, application_name="pgfast's own test", options="-c work_mem=99kB")
    assert conn.execute("show application_name").fetchone() == ("pgfast's own test",)
    assert conn.execute("show work_mem").fetchone() == ("99kB",)


def test_a_unix_socket_is_as_good_as_tcp(face: Face, server: EmbeddedServer) -> None:
    conn = face.connect(host=str(server.socket_directory), port=server.port, user="postgres", dbname="postgres")
    assert conn.execute("select inet_client_addr()").fetchone() == (None,)


def test_a_host_name_is_looked_up(face: Face, server: EmbeddedServer) -> None:
    conn = face.connect(host="localhost", port=server.port, user="postgres", dbname="postgres", timeout=10)
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_transaction_status_is_what_the_server_said_last(conn: Any) -> None:
    seen = [conn.info.transaction_status]
    conn.execute("select 1")
    seen.append(conn.info.transaction_status)
    with pytest.raises(errors.DivisionByZero):
        conn.execute("select 1/0")
    seen.append(conn.info.transaction_status)
    conn.rollback()
    seen.append(conn.info.transaction_status)
    conn.close()
    seen.append(conn.info.transaction_status)
    status = pgfast.TransactionStatus
    assert seen == [status.IDLE, status.INTRANS, status.INERROR, status.IDLE, status.UNKNOWN]


def test_a_closed_connection_says_so(conn: Any) -> None:
    cursor = conn.cursor()
    conn.close()
    conn.close()
    assert conn.closed
    assert not conn.broken
    for use in (
        lambda: conn.execute("select 1"),
        lambda: cursor.execute("select 1"),
        conn.commit,
        conn.fileno,
        lambda: list(conn.notifies(timeout=0)),
    ):
        with pytest.raises(pgfast.InterfaceError, match="the connection is closed"):
            use()
    assert "closed" in repr(conn)


def test_the_block_of_a_connection_commits_and_closes(face: Face, dsn: str, auto: Any) -> None:
    auto.execute("create table block_of_a_connection (a int)")
    try:
        with face.connect(dsn) as conn:
            conn.execute("insert into block_of_a_connection values (1)")
        assert conn.closed
        with pytest.raises(ZeroDivisionError), face.connect(dsn) as conn:
            conn.execute("insert into block_of_a_connection values (2)")
            raise ZeroDivisionError
        assert conn.closed
        assert auto.execute("select * from block_of_a_connection").fetchall() == [(1,)]
    finally:
        auto.execute("drop table block_of_a_connection")


def test_nobody_listens(face: Face, tmp_path: Any) -> None:
    with pytest.raises(pgfast.OperationalError, match="is the server running there"):
        face.connect(host="127.0.0.1", port=1, user="u")
    with pytest.raises(pgfast.OperationalError, match="is the server running there"):
        face.connect(host=str(tmp_path), user="u")
    with pytest.raises(pgfast.OperationalError, match="could not find the address of host"):
        face.connect(host="no.such.host.invalid", user="u")


def test_an_unknown_database_is_the_servers_refusal(face: Face, dsn: str) -> None:
    with pytest.raises(errors.InvalidCatalogName, match='"nowhere" does not exist') as caught:
        face.connect(dsn, dbname="nowhere")
    assert caught.value.sqlstate == "3D000"


def test_an_error_of_the_server_has_every_field(conn: Any) -> None:
    conn.execute("create temp table t (a int constraint positive check (a > 0))")
    with pytest.raises(errors.CheckViolation) as caught:
        conn.execute("insert into t values (-1)")
    diag = caught.value.diag
    assert caught.value.sqlstate == diag.sqlstate == "23514"
    assert diag.severity_nonlocalized == "ERROR"
    assert diag.constraint_name == "positive"
    assert diag.table_name == "t"
    assert diag.message_detail == "Failing row contains (-1)."
    assert isinstance(caught.value, pgfast.IntegrityError)
    with pytest.raises(errors.InFailedSqlTransaction):
        conn.execute("select 1")
    conn.rollback()
    with pytest.raises(errors.SyntaxError) as caught_syntax:
        conn.execute("selec 1")
    assert caught_syntax.value.diag.statement_position == "1"


def test_notices_reach_their_handlers(auto: Any) -> None:
    notices: list[pgfast.Diagnostic] = []
    auto.add_notice_handler(notices.append)
    auto.execute("do $$ begin raise notice 'one %', 2 using hint = 'a hint'; raise warning 'two'; end $$")
    assert [(notice.severity, notice.message_primary, notice.message_hint) for notice in notices] == [
        ("NOTICE", "one 2", "a hint"),
        ("WARNING", "two", None),
    ]
    auto.remove_notice_handler(notices.append)
    auto.execute("do $$ begin raise notice 'three'; end $$")
    assert len(notices) == 2


def test_a_handler_that_fails_is_logged_and_breaks_nothing(auto: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(notice: pgfast.Diagnostic) -> None:
        raise ZeroDivisionError(notice.message_primary)

    auto.add_notice_handler(fail)
    auto.execute("do $$ begin raise notice 'boom'; end $$")
    assert auto.execute("select 1").fetchone() == (1,)
    assert "a notice handler failed" in caplog.text
    assert "ZeroDivisionError: boom" in caplog.text


def test_a_lost_server_is_told_in_its_own_words(face: Face, dsn: str, auto: Any) -> None:
    conn = face.connect(dsn)
    conn.execute("select 1")
    auto.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
    with pytest.raises(errors.AdminShutdown, match="terminating connection"):
        conn.execute("select 1")
    assert conn.closed
    assert conn.broken
    with pytest.raises(pgfast.InterfaceError, match="is closed: terminating connection due to administrator command"):
        conn.execute("select 1")


def test_a_server_lost_during_a_query_ends_the_query(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    with pytest.raises(errors.AdminShutdown):
        conn.execute("select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)", timeout=30)
    assert conn.closed
    with pytest.raises(errors.AdminShutdown), face.connect(dsn) as blocked:
        blocked.execute("create temp table t as select 1")
        blocked.execute("select pg_terminate_backend(pg_backend_pid())", timeout=30)
    assert blocked.closed


def test_autocommit_is_not_changed_inside_a_transaction(conn: Any) -> None:
    assert not conn.autocommit
    conn.execute("select 1")
    with pytest.raises(pgfast.ProgrammingError, match="INTRANS"):
        conn.autocommit = True
    conn.rollback()
    conn.autocommit = True
    conn.execute("select 1")
    assert conn.info.transaction_status is pgfast.TransactionStatus.IDLE
    conn.set_autocommit(False)
    assert not conn.autocommit


def test_an_iteration_over_notifications_ends_by_time_and_by_count(conn: Any) -> None:
    conn.execute("listen channel")
    conn.commit()
    assert list(conn.notifies(timeout=0)) == []
    for payload in "abc":
        conn.execute("select pg_notify('channel', %s)", (payload,))
    conn.commit()
    assert [note.payload for note in conn.notifies(stop_after=2)] == ["a", "b"]
    (last,) = conn.notifies(timeout=0)
    assert (last.channel, last.payload, last.pid) == ("channel", "c", conn.info.backend_pid)


def test_a_notification_wakes_an_idle_connection(face: Face, dsn: str, auto: Any) -> None:
    # The server itself sends it later, while this connection waits.
    listener = face.connect(dsn, autocommit=True)
    listener.execute("listen later")
    other = pgfast.connect(dsn, autocommit=True)
    sender = threading.Thread(target=lambda: other.execute("select pg_sleep(0.2); notify later, 'now'"))
    sender.start()
    try:
        assert [note.payload for note in listener.notifies(timeout=20, stop_after=1)] == ["now"]
    finally:
        sender.join()
        other.close()


def test_a_notification_handler_is_called_during_any_operation(conn: Any) -> None:
    heard: list[pgfast.Notify] = []
    conn.add_notify_handler(heard.append)
    conn.execute("listen channel")
    conn.execute("notify channel, 'x'")
    conn.commit()
    conn.execute("select 1")
    assert [note.payload for note in heard] == ["x"]
    assert list(conn.notifies(timeout=0)) == []
    conn.remove_notify_handler(heard.append)


def test_the_server_going_away_ends_the_wait_for_notifications(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, autocommit=True)
    conn.execute("set idle_session_timeout = '50ms'")
    with pytest.raises(errors.IdleSessionTimeout):
        list(conn.notifies(timeout=30))
    assert conn.closed


def test_a_connection_is_not_used_after_a_fork(conn: Any) -> None:
    assert conn.execute("select 1").fetchone() == (1,)
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process that has had threads
        child = os.fork()
    if child == 0:
        try:
            target(conn)._check()
            outcome = "allowed"
        except pgfast.InterfaceError as exc:
            outcome = str(exc)
        os.write(writer, pickle.dumps(outcome))
        os._exit(0)
    os.waitpid(child, 0)
    outcome = pickle.loads(os.read(reader, 65536))
    os.close(reader)
    os.close(writer)
    assert outcome.startswith("this connection was opened by process")
    assert "open a new connection after a fork" in outcome
    assert conn.execute("select 2").fetchone() == (2,)


def test_closing_in_a_forked_child_leaves_the_parents_session_alone(dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        conn.execute("select 1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            conn.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert conn.execute("select 2").fetchone() == (2,)


def test_threads_wait_for_their_turn(dsn: str) -> None:
    results: list[Any] = []
    with pgfast.connect(dsn, autocommit=True) as conn:

        def work(number: int) -> None:
            query = "select %s::int, pg_sleep(0)"
            results.extend(conn.execute(query, (number,)).fetchone() == (number, "") for _ in range(50))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [True] * 200


def test_a_thread_does_not_wait_longer_than_it_said(dsn: str, until_waiting: Callable[[int, str], None]) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:

        def wait() -> None:
            with contextlib.suppress(errors.QueryCanceled):
                conn.execute("select pg_sleep(60)")

        busy = threading.Thread(target=wait)
        busy.start()
        try:
            until_waiting(conn.info.backend_pid, "PgSleep")
            with pytest.raises(errors.TimeoutError, match="another thread is using the connection"):
                conn.execute("select 1", timeout=0.05)
        finally:
            conn.cancel()
            busy.join()
        assert conn.execute("select 1").fetchone() == (1,)


def test_closing_ends_what_another_thread_waits_for(dsn: str, until_waiting: Callable[[int, str], None]) -> None:
    conn = pgfast.connect(dsn, autocommit=True)
    outcome: list[str] = []

    def wait() -> None:
        try:
            conn.execute("select pg_sleep(60)")
        except pgfast.Error as exc:
            outcome.append(str(exc))

    thread = threading.Thread(target=wait)
    thread.start()
    until_waiting(conn.info.backend_pid, "PgSleep")
    conn.close()
    thread.join(30)
    assert outcome == ["the connection is closed: it was closed by this program"]


def test_an_operation_inside_an_operation_is_refused(auto: Any) -> None:
    def parameters() -> Any:
        yield (1,)
        run = target(auto).execute("select 1")
        if inspect.iscoroutine(run):
            try:
                run.send(None)
            finally:
                run.close()

    auto.execute("create temp table t (a int)")
    with pytest.raises(pgfast.InterfaceError, match="its source of rows"):
        auto.cursor().executemany("insert into t values (%s)", parameters())
    assert auto.execute("select count(*) from t").fetchone() == (0,)


def test_a_connection_that_was_forgotten_warns_and_closes(dsn: str) -> None:
    conn = pgfast.connect(dsn)
    link = conn._link
    with pytest.warns(ResourceWarning, match="was not closed"):
        del conn
    assert link.closed


def test_the_representation_holds_no_password(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, password="very-secret")
    assert "very-secret" not in repr(conn) + repr(conn.info)
    assert "127.0.0.1" in repr(conn)


PAIRS = [
    (sync.Connection, aio.AsyncConnection),
    (pgfast.Cursor, pgfast.AsyncCursor),
    (pgfast.ServerCursor, pgfast.AsyncServerCursor),
    (pgfast.Copy, pgfast.AsyncCopy),
    (sync.Transaction, aio.AsyncTransaction),
    (pgfast.Connection, pgfast.AsyncConnection),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__qualname__)
def test_both_faces_have_the_same_names_signatures_and_docstrings(pair: tuple[type, type]) -> None:
    ours, theirs = ({name for name in dir(cls) if not name.startswith("_")} for cls in pair)
    assert ours == theirs
    for name in sorted(ours):
        one, other = (inspect.getattr_static(cls, name) for cls in pair)
        if isinstance(one, property):
            assert one.__doc__
            assert isinstance(other, property)
            continue
        one, other = (getattr(method, "__func__", method) for method in (one, other))
        if not inspect.isfunction(one):
            continue
        assert one.__doc__, name
        assert one.__doc__ == other.__doc__, name
        assert _parameters(one) == _parameters(other), name


def _parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_a_docstring_without_its_method_is_an_error() -> None:
    with pytest.raises(TypeError, match="has no nonsense to document"):
        docstrings.document({"nonsense": "text"})(type("Empty", (), {}))


def test_the_module_is_a_pep_249_module() -> None:
    assert (pgfast.apilevel, pgfast.threadsafety, pgfast.paramstyle) == ("2.0", 2, "pyformat")
    assert issubclass(pgfast.Error, Exception)
    for name in ("Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "OperationalError"):
        assert getattr(pgfast.Connection, name) is getattr(pgfast, name)
    for name in ("IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"):
        assert getattr(pgfast.Connection, name) is getattr(pgfast, name)
        assert issubclass(getattr(pgfast, name), pgfast.DatabaseError)
    for name in pgfast.__all__:
        assert hasattr(pgfast, name)
