"""What a program must not say: NUL characters, and messages longer than the protocol has lengths. Refused before the
first byte of them is sent, with the connection usable."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import pgfast
from pgfast import const
from pgfast.errors import DataError, faults

from ..faces import Face
from ..fake_server import FakeServer, Peer
from ..hostile import LIMIT_S
from ..protocol import messages as m

NUL = "a\0b"
#: What the server hears of a client that says nothing but goodbye.
GOODBYE = m.message(b"X")


class Long(str):
    """A text that says it is longer than any message, without the memory for it."""

    __slots__ = ()

    def __len__(self) -> int:
        return const.MAX_INT32 + 1


@pytest.fixture
def huge() -> mmap.mmap:
    """2 GiB that take no memory as long as nobody writes to them."""
    return mmap.mmap(-1, const.MAX_INT32 + 1)


# ---------------------------------------------------------------- NUL


def pipelined(conn: Any) -> None:
    with conn.pipeline():
        conn.execute("select '" + NUL + "'")


def nested(conn: Any) -> None:
    with conn.transaction(), conn.transaction(NUL):
        pass


@pytest.mark.parametrize(
    "name",
    ["user", "dbname", "password", "application_name", "options", "host", "service", "passfile", "sslrootcert"],
)
def test_no_setting_holds_a_nul(face: Face, name: str) -> None:
    with FakeServer(Peer.welcome) as fake:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": fake.port,
            "user": "u",
            "sslmode": "disable",
            name: NUL,
        }
        with pytest.raises(pgfast.ProgrammingError, match="NUL|there is no service") as caught:
            face.connect(**settings)
        assert NUL not in str(caught.value)
        assert fake.accepted == 0


@pytest.mark.parametrize("uri", ["postgresql://u%00x@127.0.0.1/d", "postgresql://127.0.0.1/d%00e"])
def test_no_part_of_an_address_holds_a_nul(face: Face, uri: str) -> None:
    with pytest.raises(pgfast.ProgrammingError):
        face.connect(uri)


@pytest.mark.parametrize("secret", ["to\0p-secret", "top-\udc80secret"])
@pytest.mark.parametrize(
    "request_", [m.authentication(3), m.authentication(5, b"salt"), m.authentication(10, b"SCRAM-SHA-256\0\0")]
)
def test_a_password_that_cannot_be_is_not_sent_and_not_shown(face: Face, secret: str, request_: bytes) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(request_)
        assert peer.wait_for_end() == b""

    with FakeServer(server) as fake, pytest.raises(pgfast.ProgrammingError, match="the password") as caught:
        face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", password=lambda: secret)
    assert "secret" not in repr(caught.value)
    assert caught.value.__context__ is None


#: What is refused before anything at all is sent.
SILENT: dict[str, Callable[[Any], Any]] = {
    "a query": lambda conn: conn.execute("select '" + NUL + "'"),
    "a query with parameters": lambda conn: conn.execute("select '" + NUL + "', %s", (1,)),
    "several queries": lambda conn: conn.execute("select 1; select '" + NUL + "'"),
    "a prepared query": lambda conn: conn.execute(NUL, prepare=True),
    "a query of columns": lambda conn: conn.fetch_columns("select '" + NUL + "'"),
    "a stream": lambda conn: list(conn.cursor().stream("select '" + NUL + "'")),
    "a COPY": lambda conn: conn.cursor().copy("copy t from '" + NUL + "'").__enter__(),
    "a table": lambda conn: conn.load(NUL, [(1,)]),
    "a pipeline": pipelined,
    "a channel": lambda conn: conn.execute('listen "' + NUL + '"'),
    "a cursor": lambda conn: conn.execute('declare "' + NUL + '" cursor for select 1'),
}


@pytest.mark.parametrize("work", SILENT.values(), ids=SILENT)
def test_text_with_a_nul_is_refused_before_it_is_sent(face: Face, work: Callable[[Any], Any]) -> None:
    heard: list[bytes] = []

    def server(peer: Peer) -> None:
        peer.welcome()
        heard.append(peer.wait_for_end())

    with FakeServer(server) as fake:
        conn = face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", autocommit=True)
        try:
            with pytest.raises(pgfast.DatabaseError, match="NUL|is not the name of a table"):
                work(conn)
            assert not conn.closed
        finally:
            conn.close()
    assert heard == [GOODBYE]


#: What is refused when the server has said what it wants.
ASKING: dict[str, Callable[[Any], Any]] = {
    "a parameter": lambda conn: conn.execute("select %s::text", (NUL,)),
    "a query many times": lambda conn: conn.cursor().executemany("select %s, '" + NUL + "'", [(1,)]),
    "a parameter of many": lambda conn: conn.cursor().executemany("select %s::text", [("a",), (NUL,)]),
    "a parameter of a stream": lambda conn: list(conn.cursor().stream("select %s::text", (NUL,))),
    "an element": lambda conn: conn.execute("select %s::text[]", (["a", NUL],)),
    "a value of JSON text": lambda conn: conn.execute("select %s::xml", (NUL,)),
    "a name": lambda conn: conn.execute("select %s::name", (NUL,)),
    "a type": lambda conn: conn.types.load(NUL),
    "a literal of a COPY": lambda conn: conn.cursor().copy("copy (select %s) to stdout", (NUL,)).__enter__(),
    "a row of a load": lambda conn: conn.load("pg_temp.t", [(NUL,)]),
    "a savepoint": nested,
}


@pytest.mark.parametrize("work", ASKING.values(), ids=ASKING)
def test_values_with_a_nul_are_refused_and_leave_the_connection_usable(auto: Any, work: Callable[[Any], Any]) -> None:
    auto.execute("create temp table t (a text)")
    with pytest.raises(pgfast.DatabaseError, match="NUL|is not the name of a type"):
        work(auto)
    assert auto.info.transaction_status.name == "IDLE"
    assert auto.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("form", ["text", "binary"])
def test_a_row_of_a_copy_with_a_nul_is_refused(auto: Any, form: str) -> None:
    auto.execute("create temp table t (a text)")
    copy = auto.cursor().copy(f"copy t from stdin (format {form})")
    copy.set_types(["text"])
    with pytest.raises(DataError, match="NUL"), copy as begun:
        begun.write_row((NUL,))
    assert auto.execute("select count(*) from t").fetchone() == (0,)


WALSENDER: dict[str, Callable[[Any], Any]] = {
    "a slot": lambda conn: conn.create_slot(NUL),
    "a plugin": lambda conn: conn.create_slot("s", NUL),
    "a slot to drop": lambda conn: conn.drop_slot(NUL),
    "a setting": lambda conn: conn.show(NUL),
    "a slot to follow": lambda conn: conn.start_physical("0/0", slot=NUL).__enter__(),
    "a logical slot": lambda conn: conn.start_logical(NUL, ["p"]).__enter__(),
    "a publication": lambda conn: conn.start_logical("s", [NUL]).__enter__(),
    "an option": lambda conn: conn.start_plugin("s", {NUL: "x"}).__enter__(),
    "an option's value": lambda conn: conn.start_plugin("s", {"x": NUL}).__enter__(),
    "a label": lambda conn: conn.base_backup(NUL).__enter__(),
}


@pytest.mark.parametrize("work", WALSENDER.values(), ids=WALSENDER)
def test_names_of_replication_hold_no_nul(face: Face, work: Callable[[Any], Any]) -> None:
    heard: list[bytes] = []

    def server(peer: Peer) -> None:
        peer.welcome()
        heard.append(peer.wait_for_end())

    with FakeServer(server) as fake:
        conn = face.replicate(host="127.0.0.1", port=fake.port, user="u", sslmode="disable")
        try:
            with pytest.raises(pgfast.ProgrammingError, match="NUL"):
                work(conn)
        finally:
            conn.close()
    assert heard == [GOODBYE]


# ---------------------------------------------------------------- too long


def test_a_message_that_would_be_too_long_is_refused_before_it_is_copied(codec: ModuleType, huge: mmap.mmap) -> None:
    puts: list[Callable[[Any], None]] = [
        lambda buffer: buffer.put_bytes(huge),
        lambda buffer: buffer.put_bytes(memoryview(huge)[:-4]),
        lambda buffer: buffer.put_cstr(bytes(const.MAX_INT32 - 4)),  # zeros that were never written take no memory
    ]
    for put in puts:
        buffer = codec.WriteBuffer()
        buffer.put_messages(GOODBYE)
        buffer.begin(const.QUERY)
        with pytest.raises(DataError, match="longer than 2147483647 bytes") as caught:
            put(buffer)
        assert caught.value.fault is not None
        assert caught.value.fault.code == faults.FAULT_MESSAGE_SIZE
        assert bytes(buffer.take()) == GOODBYE


#: What is refused before anything at all is sent.
TOO_LONG: dict[str, Callable[[Any], Any]] = {
    "a query": lambda conn: conn.execute(Long("select 1"), timeout=LIMIT_S),
    "several queries": lambda conn: conn.execute(Long("select 1; select 2"), timeout=LIMIT_S),
    "an argument of a function": lambda conn: conn.call_function(1, bytes(const.MAX_INT32), timeout=LIMIT_S),
    "arguments of a function": lambda conn: conn.call_function(1, *[b""] * 65536, timeout=LIMIT_S),
    "parameters": lambda conn: conn.execute("select " + "%s," * 65535 + "%s", [1] * 65536, timeout=LIMIT_S),
    "numbered parameters": lambda conn: conn.execute("select $65536", [1] * 65536, timeout=LIMIT_S),
}


@pytest.mark.parametrize("work", TOO_LONG.values(), ids=TOO_LONG)
def test_a_request_that_would_be_too_long_is_refused_before_it_is_sent(face: Face, work: Callable[[Any], Any]) -> None:
    heard: list[bytes] = []

    def server(peer: Peer) -> None:
        peer.welcome()
        heard.append(peer.wait_for_end())

    with FakeServer(server) as fake:
        conn = face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", autocommit=True)
        try:
            with pytest.raises(pgfast.DatabaseError, match="longer than|at most 65535"):
                work(conn)
            assert not conn.closed
        finally:
            conn.close()
    assert heard == [GOODBYE]


def test_a_password_that_would_be_too_long_is_not_sent(face: Face) -> None:
    def server(peer: Peer) -> None:
        peer.first_packet()
        peer.send(m.authentication(3))
        assert peer.wait_for_end() == b""

    with FakeServer(server) as fake, pytest.raises(pgfast.ProgrammingError, match="longer than"):
        face.connect(host="127.0.0.1", port=fake.port, user="u", sslmode="disable", password=lambda: Long("secret"))


def test_a_parameter_that_is_too_long_is_refused_and_the_connection_usable(auto: Any, huge: mmap.mmap) -> None:
    with pytest.raises(DataError, match="longer than 2147483647 bytes"):
        auto.execute("select %s::bytea", (memoryview(huge),))
    assert auto.execute("select 1").fetchone() == (1,)


def test_parameters_that_are_too_long_together_are_refused(dsn: str) -> None:
    """The one case that takes the memory: a gigabyte is written before it is known what comes behind it."""
    part = bytes(1 << 30)
    with pgfast.connect(dsn, autocommit=True) as conn:
        with pytest.raises(DataError, match="longer than 2147483647 bytes"):
            conn.execute("select %s::bytea, %s::bytea", (part, part))
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_piece_of_a_copy_that_is_too_long_is_refused_and_the_copy_goes_on(auto: Any, huge: mmap.mmap) -> None:
    auto.execute("create temp table t (a text)")
    with auto.cursor().copy("copy t from stdin") as copy:
        copy.write("first\n")
        with pytest.raises(DataError, match="write it in parts"):
            copy.write(memoryview(huge))
        copy.write("second\n")
    assert auto.execute("select a from t order by a").fetchall() == [("first",), ("second",)]
