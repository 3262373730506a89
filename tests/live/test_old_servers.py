"""What servers of versions that are no longer maintained do otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgfast.embedded import EmbeddedServer

from ..faces import Face
from ..versions import start_version

FLOATS = (0.1 + 0.2, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1 / 3)


@pytest.fixture(scope="module", params=[10, 11, 12])
def old(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    with start_version(request.param) as server:
        yield server


@pytest.mark.parametrize("protocol", ["2.0", "3.0"])
def test_floats_arrive_whole_in_text(face: Face, old: EmbeddedServer, protocol: str) -> None:
    """Before version 12 the server leaves digits out unless it is told not to."""
    conn = face.connect(old.dsn, max_protocol_version=protocol)
    literals = ", ".join(f"'{value!r}'::float8" for value in FLOATS)
    for query in (f"select {literals}", f"select {literals}; select 1"):
        assert conn.execute(query).fetchone() == FLOATS
    with conn.cursor().copy(f"copy (select {literals}) to stdout") as copy:
        assert [tuple(map(float, row)) for row in copy.rows()] == [FLOATS]
    conn.close()
    face.forget()


def test_the_program_may_want_fewer_digits(face: Face, old: EmbeddedServer) -> None:
    conn = face.connect(old.dsn, options="-c extra_float_digits=0")
    assert conn.execute("show extra_float_digits").fetchone() == ("0",)
    conn.close()
    face.forget()
