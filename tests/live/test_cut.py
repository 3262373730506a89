"""A connection that is cut at any byte, in either direction: a clear error, a closed connection, never a wrong result.

Each scenario is run once uncut, to count its bytes, and then once for every byte: one of them is the login, which the
others begin behind. Whatever still ends well must have given what the uncut one gave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pgfast
from pgfast.embedded import EmbeddedServer

from ..cutting import TO_CLIENT, TO_SERVER, CuttingProxy
from ..faces import Face
from ..servers import TlsServer

#: Seconds after which a run has hung.
LIMIT_S = 20
#: Bytes from one cut to the next: the session is the same for all, and its driver for the two event loops.
STEPS = {"sync": 1, "asyncio": 2, "uvloop": 5}


def connecting(conn: Any) -> Any:
    return conn.info.parameter_status("server_encoding")


def querying(conn: Any) -> Any:
    found = conn.execute("select n, n || 'x' from generate_series(1, %s::int) n", (5,), timeout=LIMIT_S).fetchall()
    return found, conn.execute("select 1; select 'two'", timeout=LIMIT_S).fetchall()


def pipelining(conn: Any) -> Any:
    with conn.pipeline(timeout=LIMIT_S):
        cursors = [conn.execute("select %s::int", (number,), timeout=LIMIT_S) for number in range(6)]
    return [cursor.fetchall() for cursor in cursors]


def copying_in(conn: Any) -> Any:
    conn.execute("create temp table t (a int, b text)", timeout=LIMIT_S)
    cursor = conn.cursor()
    with cursor.copy("copy t from stdin", timeout=LIMIT_S) as copy:
        for number in range(8):
            copy.write_row((number, "x"))
    return cursor.rowcount


def loading(conn: Any) -> Any:
    conn.execute("create temp table t (a int, b text)", timeout=LIMIT_S)
    return conn.load("t", [(number, "x") for number in range(8)], timeout=LIMIT_S).rows


def copying_out(conn: Any) -> Any:
    with conn.cursor().copy("copy (select n, 'x' from generate_series(1, 8) n) to stdout", timeout=LIMIT_S) as copy:
        return list(copy.rows())


def streaming(conn: Any) -> Any:
    return list(conn.cursor().stream("select generate_series(1, 9)", size=2, timeout=LIMIT_S))


def fetching(conn: Any) -> Any:
    with conn.transaction():
        cursor = conn.cursor("c").execute("select generate_series(1, 9)", timeout=LIMIT_S)
        return [*cursor.fetchmany(4), *cursor.fetchall()]


SCENARIOS: tuple[Callable[[Any], Any], ...] = (
    *(connecting, querying, pipelining, copying_in, loading, copying_out, streaming, fetching),
)


def attempt(
    face: Face, settings: dict[str, Any], scenario: Callable[[Any], Any]
) -> tuple[Any, Any, pgfast.Error | None]:
    """(the connection where there was one, the result, the error)."""
    conn = None
    try:
        conn = face.connect(**settings)
        return conn, scenario(conn), None
    except pgfast.Error as exc:
        return conn, None, exc


@pytest.mark.parametrize("direction", [TO_CLIENT, TO_SERVER])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.__name__ for scenario in SCENARIOS])
def test_a_cut_at_any_byte_is_told(
    face: Face, server: EmbeddedServer, scenario: Callable[[Any], Any], direction: str
) -> None:
    with CuttingProxy(server.port) as proxy:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": proxy.port,
            "user": "postgres",
            "dbname": "postgres",
            "autocommit": True,
            "sslmode": "disable",
            "timeout": LIMIT_S,
        }
        conn = face.connect(**settings)
        begins = 0 if scenario is connecting else proxy.counts[direction]
        expected = scenario(conn)
        total = proxy.counts[direction]
        conn.close()
        assert total - begins > 20
        ended_well = 0
        for size in range(begins, total, STEPS[face.name]):
            proxy.cut_after = (direction, size)
            conn, result, failure = attempt(face, settings, scenario)
            where = f"a cut after {size} bytes {direction}"
            assert not isinstance(failure, pgfast.errors.TimeoutError), f"{where} left {scenario.__name__} waiting"
            if failure is None:
                assert result == expected, f"{where} gave a wrong result"
                ended_well += 1
            else:
                assert str(failure), f"{where} gave an error without words"
                assert conn is None or conn.closed, f"{where} left the connection open"
            if conn is not None:
                conn.close()
            face.forget()
        # What comes last does not always have to come: the connection is closed by then.
        assert ended_well <= total // 4


#: Bytes from one cut to the next in a connect by TLS and SCRAM, which has some thousands of them.
STEP = 17


@pytest.mark.parametrize("direction", [TO_CLIENT, TO_SERVER])
@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_cut_in_tls_and_scram_is_told(face: Face, tls_server: TlsServer, direction: str, negotiation: str) -> None:
    with CuttingProxy(tls_server.server.port) as proxy:
        more = {"sslmode": "verify-full", "sslrootcert": tls_server.ca, "sslnegotiation": negotiation}
        settings = tls_server.keywords("u_scram", host="localhost", port=proxy.port, timeout=LIMIT_S, **more)
        conn = face.connect(**settings)
        total = proxy.counts[direction]
        conn.close()
        for size in range(0, total, STEP):
            proxy.cut_after = (direction, size)
            conn, _, failure = attempt(face, settings, connecting)
            where = f"a cut after {size} of {total} bytes {direction}"
            assert not isinstance(failure, pgfast.errors.TimeoutError), f"{where} left the connect waiting"
            # Tickets for another session, which come last, are not waited for.
            assert failure is not None or size > total // 2, where
            if conn is not None:
                conn.close()
            face.forget()
