"""Each frontend message, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pgfast.errors import ProgrammingError
from pgfast.protocol import frontend

from .messages import message

WRITTEN: dict[str, tuple[Callable[[Any], None], bytes]] = {
    "startup": (
        lambda out: frontend.startup(out, {"user": "jö", "database": "d"}),
        struct.pack("!ii", 29, 0x30000) + b"user\0j\xc3\xb6\0database\0d\0\0",
    ),
    "SSLRequest": (frontend.ssl_request, bytes.fromhex("0000000804d2162f")),
    "CancelRequest": (
        lambda out: frontend.cancel_request(out, 77, b"\xff" * 32),
        struct.pack("!iii", 44, 80877102, 77) + b"\xff" * 32,
    ),
    "PasswordMessage": (lambda out: frontend.password(out, b"secret"), message(b"p", b"secret\0")),
    "SASLInitialResponse": (
        lambda out: frontend.sasl_initial_response(out, "SCRAM-SHA-256", b"n,,x"),
        message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", 4) + b"n,,x"),
    ),
    "SASLResponse": (lambda out: frontend.sasl_response(out, b"c=biws"), message(b"p", b"c=biws")),
    "Query": (lambda out: frontend.query(out, "select 'ä'"), message(b"Q", "select 'ä'\0".encode())),
    "Parse": (
        lambda out: frontend.parse(out, b"s1", "select $1", (23,)),
        message(b"P", b"s1\0select $1\0" + struct.pack("!hI", 1, 23)),
    ),
    "Describe": (lambda out: frontend.describe_statement(out, b"s1"), message(b"D", b"Ss1\0")),
    "Close": (lambda out: frontend.close_statement(out, b"s1"), message(b"C", b"Ss1\0")),
    "Execute": (lambda out: out.put_messages(frontend.EXECUTE_ALL), message(b"E", b"\0" + struct.pack("!i", 0))),
    "CopyFail": (lambda out: frontend.copy_fail(out, "no\0more"), message(b"f", b"no more\0")),
    "CopyDone": (frontend.copy_done, message(b"c")),
    "Flush": (frontend.flush, message(b"H")),
    "Sync": (frontend.sync, message(b"S")),
    "Terminate": (frontend.terminate, message(b"X")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_message_is_written_as_the_docs_have_it(name: str, codec: ModuleType) -> None:
    write, expected = WRITTEN[name]
    out = codec.WriteBuffer()
    write(out)
    assert bytes(out.take()) == expected


@pytest.mark.parametrize(
    "write",
    [
        lambda out: frontend.query(out, "select '\0'"),
        lambda out: frontend.parse(out, b"", "select '\0'"),
        lambda out: frontend.query(out, "select '\ud800'"),
        lambda out: frontend.startup(out, {"user": "a\0b"}),
    ],
)
def test_text_that_cannot_be_sent_leaves_nothing_in_the_buffer(write: Callable[[Any], None], codec: ModuleType) -> None:
    out = codec.WriteBuffer()
    with pytest.raises(ProgrammingError):
        write(out)
    assert out.size_bytes == 0


def test_the_error_for_a_nul_tells_where_it_is() -> None:
    with pytest.raises(ProgrammingError, match="the query holds a NUL character at position 9"):
        frontend.text("select '\0'", "the query")
