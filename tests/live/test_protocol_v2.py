"""Protocol 2.0 against the servers that still speak it, PostgreSQL 10 to 13."""

from __future__ import annotations

import csv
import struct
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import pgfast
from pgfast import DataError, NotSupportedError, OperationalError, TransactionStatus, errors

from ..faces import Face
from ..servers import TlsServer, start_tls_server
from ..versions import installation
from .conftest import wait_until_waiting


@pytest.fixture(scope="module", params=[10, 11, 12, 13])
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """A server that speaks protocol 2.0, TLS and every way of logging in."""
    started = start_tls_server(tmp_path_factory.mktemp("certificates"), installation(request.param))
    with started.server:
        yield started


@pytest.fixture
def v2(face: Face, old: TlsServer) -> Any:
    """A connection of each face by protocol 2.0, in autocommit mode."""
    return face.connect(old.server.dsn, max_protocol_version="2.0", autocommit=True)


def test_the_start_tells_what_version_3_reports(v2: Any, old: TlsServer) -> None:
    assert v2.info.parameter_status("client_encoding") == "UTF8"
    assert v2.info.server_version // 10000 in (10, 11, 12, 13)
    assert v2.info.transaction_status is TransactionStatus.IDLE
    assert v2.execute("select pg_backend_pid()").fetchone() == (v2.info.backend_pid,)
    named = pgfast.connect(
        old.server.dsn, max_protocol_version="2.0", application_name="n'a\\me", options="-c work_mem=99kB"
    )
    with named:
        assert named.execute("show application_name").fetchone() == ("n'a\\me",)
        assert named.execute("show work_mem").fetchone() == ("99kB",)


def test_nobody_speaks_it_who_has_not_asked(old: TlsServer) -> None:
    with pgfast.connect(old.server.dsn) as conn:
        assert conn.execute("select %s::int + 1", (1,)).fetchone() == (2,)
        assert conn.execute("select 1 where 1 = $1", (2,)).fetchall() == []
        assert conn.fetch_columns("select 1 as a").to_numpy()["a"].tolist() == [1]


@pytest.mark.parametrize("user", ["u_trust", "u_password", "u_md5"])
@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_it_logs_in(face: Face, old: TlsServer, user: str, sslmode: str) -> None:
    conn = face.connect(**old.keywords(user, sslmode=sslmode, max_protocol_version="2.0"))
    assert conn.execute("select current_user").fetchone() == (user,)
    assert conn.info.encrypted is (sslmode == "require")
    text = "ä" * 300_000
    assert conn.execute("select %s", (text,)).fetchone() == (text,)


def test_what_cannot_log_in_is_told(face: Face, old: TlsServer) -> None:
    with pytest.raises(OperationalError, match="SASL authentication is not supported in protocol version 2"):
        face.connect(**old.keywords("u_scram", max_protocol_version="2.0"))
    wrong = {**old.keywords("u_md5", max_protocol_version="2.0"), "password": "wrong"}
    with pytest.raises(OperationalError, match='password authentication failed for user "u_md5"'):
        face.connect(**wrong)
    with pytest.raises(OperationalError, match='database "nowhere" does not exist'):
        face.connect(old.server.dsn, dbname="nowhere", max_protocol_version="2.0")


def test_newer_servers_refuse_it(face: Face, dsn: str) -> None:
    with pytest.raises(OperationalError, match=r"unsupported frontend protocol 2\.0: server supports 3\.0 to 3\.2"):
        face.connect(dsn, max_protocol_version="2.0")


def test_rows_come_in_text(v2: Any) -> None:
    cursor = v2.execute("select 1 as a, null::text as b, 'x'::text as c, 1.50::numeric as d, date '2024-02-29' as e")
    assert cursor.fetchall() == [(1, None, "x", Decimal("1.50"), date(2024, 2, 29))]
    assert [(column.name, column.type_code) for column in cursor.description][:3] == [("a", 23), ("b", 25), ("c", 25)]
    assert v2.execute("select array[1, null, 3], '{\"a\": [1]}'::jsonb").fetchall() == [([1, None, 3], {"a": [1]})]
    assert v2.execute("select").fetchall() == [()]
    assert v2.execute("select 1 where false").fetchall() == []
    assert v2.execute("").description is None
    wide = v2.execute("select " + ", ".join(f"case when {n} % 3 > 0 then {n} end" for n in range(100))).fetchone()
    assert wide == tuple([n if n % 3 else None for n in range(100)])
    assert v2.execute("select n, repeat('x', n) from generate_series(1, 3000) n").fetchall() == [
        (n, "x" * n) for n in range(1, 3001)
    ]


def test_several_statements_give_several_results(v2: Any) -> None:
    cursor = v2.execute("create temp table t (a int); insert into t values (1), (2); select a from t; drop table t")
    tags = [cursor.statusmessage]
    while cursor.nextset():
        tags.append(cursor.statusmessage)
        if cursor.description:
            assert cursor.fetchall() == [(1,), (2,)]
    assert tags == ["CREATE TABLE", "INSERT 0 2", "SELECT 2", "DROP TABLE"]


def test_parameters_go_as_literals(v2: Any) -> None:
    values = ("it's", "back\\slash", "'; drop table x; --", None, "ü", "$1")
    assert v2.execute("select %s, %s, %s, %s::text, %s, %s", values).fetchone() == values
    row = v2.execute(
        "select %(n)s::int + 1, %(d)s::date, %(l)s::int[], %(b)s::bytea, %(n)s - 1",
        {"n": 41, "d": date(2024, 1, 2), "l": [1, None], "b": b"\0\xff"},
    ).fetchone()
    assert row == (42, date(2024, 1, 2), [1, None], b"\0\xff", 40)
    assert v2.execute("select 5 - $1", (-3,)).fetchone() == (8,)
    v2.execute("set standard_conforming_strings = off")
    with pytest.raises(pgfast.ProgrammingError, match="NUL"):
        v2.execute("select %s", ("a\0b",))
    cursor = v2.cursor()
    v2.execute("create temp table t (a int, b text)")
    cursor.executemany("insert into t values (%s, %s)", [(n, f"'{n}'") for n in range(5)])
    assert cursor.rowcount == 5
    assert v2.execute("select b from t where a = 3").fetchall() == [("'3'",)]


@pytest.mark.parametrize("setting", ["on", "off"])
def test_a_value_stays_a_value_whatever_backslashes_mean(v2: Any, setting: str) -> None:
    """The server does not tell by this version that the meaning has changed."""
    v2.execute(f"set standard_conforming_strings = {setting}")
    for value in ("\\", "\\'||current_user--", "'\\''; drop table t; --", "\\\\'"):
        assert v2.execute("select %s, %s", (value, "after")).fetchone() == (value, "after")


def test_errors_have_no_sqlstate_and_leave_the_connection_usable(v2: Any) -> None:
    with pytest.raises(pgfast.DatabaseError, match="^division by zero$") as caught:
        v2.execute("select 1 / 0")
    assert caught.value.sqlstate is None
    assert caught.value.diag.severity == "ERROR"
    assert v2.execute("select 1").fetchone() == (1,)


def status(conn: Any) -> TransactionStatus:
    return TransactionStatus(conn.info.transaction_status)


def test_transactions_are_followed(face: Face, old: TlsServer) -> None:
    conn = face.connect(old.server.dsn, max_protocol_version="2.0")
    conn.execute("create temp table t (a int)")
    assert status(conn) == TransactionStatus.INTRANS
    conn.commit()
    assert status(conn) == TransactionStatus.IDLE
    with conn.transaction():
        conn.execute("insert into t values (1)")
        with pytest.raises(pgfast.DatabaseError), conn.transaction():
            conn.execute("insert into t values (2)")
            conn.execute("select 1 / 0")
        assert status(conn) == TransactionStatus.INTRANS
        conn.execute("insert into t values (3)")
    assert conn.execute("select a from t order by a").fetchall() == [(1,), (3,)]
    with pytest.raises(pgfast.DatabaseError):
        conn.execute("select 1 / 0")
    assert status(conn) == TransactionStatus.INERROR
    with pytest.raises(errors.InFailedSqlTransaction):
        conn.commit()
    assert status(conn) == TransactionStatus.IDLE


def test_rows_of_a_binary_cursor_are_binary(v2: Any) -> None:
    with v2.transaction():
        v2.execute(
            "declare k binary cursor for select n, n / 4.0::float8, null::int, 'é'::text from generate_series(1, 3) n"
        )
        cursor = v2.execute("fetch all from k")
        assert cursor.fetchall() == [(n, n / 4, None, "é") for n in range(1, 4)]
        assert v2.execute("fetch all from k").fetchall() == []
        v2.execute("declare z binary cursor for select")
        assert v2.execute("fetch all from z").fetchall() == [()]


def test_copy_out_gives_the_lines(v2: Any) -> None:
    with v2.cursor().copy("copy (select n, nullif(n, 2), 'a b' from generate_series(1, 3) n) to stdout") as copy:
        assert b"".join(bytes(block) for block in copy) == b"1\t1\ta b\n2\t\\N\ta b\n3\t3\ta b\n"
    with v2.cursor().copy("copy (select n::text from generate_series(1, 50000) n) to stdout") as copy:
        assert list(copy.rows()) == [(str(n),) for n in range(1, 50001)]
    with v2.cursor().copy("copy (select '' from generate_series(1, 4)) to stdout") as copy:
        assert b"".join(bytes(block) for block in copy) == b"\n\n\n\n"
    read = b""
    failing = v2.cursor().copy("copy (select 1 / (3 - n) from generate_series(1, 5) n) to stdout")
    with pytest.raises(pgfast.DatabaseError, match="division by zero"), failing as copy:
        for block in copy:
            read += bytes(block)
    assert read == b"0\n1\n"
    with pytest.raises(pgfast.DatabaseError, match="COPY BINARY is not supported"):
        v2.cursor().copy("copy (select 1) to stdout (format binary)").__enter__()
    assert v2.execute("select 1").fetchone() == (1,)


def test_copy_in_takes_lines_and_rows(v2: Any) -> None:
    v2.execute("create temp table t (a int, b text)")
    with v2.cursor().copy("copy t from stdin") as copy:
        copy.write("1\tx\n2\ty")
        copy.write("z\n3\t\\N\n")
    with v2.cursor().copy("copy t from stdin") as copy:
        for n in range(4, 1000):
            copy.write_row((n, "tab\tand \\ and line\n"))
    assert v2.execute("select count(*), sum(a) from t").fetchone() == (999, 499500)
    assert v2.execute("select b from t where a in (2, 3, 4) order by a").fetchall() == [
        ("yz",),
        (None,),
        ("tab\tand \\ and line\n",),
    ]


def test_a_copy_that_fails_ends_the_connection(face: Face, old: TlsServer) -> None:
    def fresh() -> Any:
        conn = face.connect(old.server.dsn, max_protocol_version="2.0", autocommit=True)
        conn.execute("create table if not exists failing (a int)")
        return conn

    conn = fresh()
    bad = pytest.raises(pgfast.Error, match="invalid input syntax for|protocol synchronization was lost")
    with bad, conn.cursor().copy("copy failing from stdin") as copy:
        copy.write("1\nx\n")
    with pytest.raises(pgfast.Error):
        conn.execute("select 1")
    conn = fresh()
    with pytest.raises(ZeroDivisionError), conn.cursor().copy("copy failing from stdin") as copy:
        copy.write("1\n")
        raise ZeroDivisionError
    assert conn.closed
    conn = fresh()
    ending = pytest.raises(DataError, match=r"a line that is just")
    with ending, conn.cursor().copy("copy failing from stdin") as copy:
        copy.write("1\n\\.\nselect 1;\n")
    assert conn.closed
    conn = fresh()

    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        conn.load("failing", rows())
    assert conn.closed
    assert fresh().execute("select count(*) from failing").fetchone() == (0,)


def test_loads_go_in_text(v2: Any, tmp_path: Path) -> None:
    v2.execute("create temp table t (a int, b text, c numeric(5,1), d date)")
    rows = [(n, f"text {n}" if n % 5 else None, Decimal(n).scaleb(-1), date(2024, 1, 1 + n % 28)) for n in range(1000)]
    table = pa.table({name: list(values) for name, values in zip("abcd", zip(*rows, strict=True), strict=True)})
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([tuple("abcd"), *rows])
    for source in (rows, table, path):
        v2.execute("truncate t")
        report = v2.load("t", source)
        assert (report.rows, report.path) in ((1000, "text"), (1000, "server csv"))
        assert v2.execute("select * from t order by a").fetchall() == rows


def test_what_needs_version_3_says_so(v2: Any) -> None:
    with pytest.raises(NotSupportedError, match=r"protocol 2\.0 has neither"):
        v2.fetch_columns("select 1")
    with pytest.raises(NotSupportedError, match=r"protocol 2\.0 has neither"), v2.pipeline():
        v2.execute("select 1")
    assert v2.execute("select 1").fetchone() == (1,)


def test_notices_and_notifications_come(v2: Any) -> None:
    heard: list[str] = []
    v2.add_notice_handler(lambda diag: heard.append(f"{diag.severity} {diag.message_primary}"))
    v2.execute("do $$ begin raise warning 'careful'; end $$")
    assert heard == ["WARNING careful"]
    v2.execute("listen channel")
    v2.execute("notify channel")
    notes = list(v2.notifies(timeout=20, stop_after=1))
    assert [(note.channel, note.payload, note.pid) for note in notes] == [("channel", "", v2.info.backend_pid)]


def test_a_query_is_cancelled_by_a_timeout_or_another_thread(face: Face, v2: Any, old: TlsServer) -> None:
    with pytest.raises(errors.TimeoutError):
        v2.execute("select pg_sleep(30)", timeout=0.2)
    assert v2.execute("select 1").fetchone() == (1,)
    if face.is_async:
        return

    def cancel() -> None:
        with pgfast.connect(old.server.dsn, autocommit=True) as observer:
            wait_until_waiting(observer, v2.info.backend_pid, "PgSleep")
        v2.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(pgfast.DatabaseError, match="canceling statement due to user request"):
        v2.execute("select pg_sleep(60)")
    canceller.join()
    assert v2.execute("select 1").fetchone() == (1,)


def test_user_defined_types_are_looked_up(v2: Any) -> None:
    v2.execute("create type mood as enum ('ok', 'sad')")
    try:
        assert v2.execute("select 'ok'::mood, array['sad']::mood[]").fetchone() == ("ok", ["sad"])
    finally:
        v2.execute("drop type mood")


def test_functions_are_called_by_their_oid(v2: Any) -> None:
    assert v2.call_function(177, struct.pack("!i", 40), struct.pack("!i", 2)) == struct.pack("!i", 42)
    assert v2.call_function(177, struct.pack("!i", 40), None) is None
    with pytest.raises(pgfast.DatabaseError, match="division by zero"):
        v2.call_function(154, struct.pack("!i", 1), struct.pack("!i", 0))
    assert v2.execute("select 1").fetchone() == (1,)
