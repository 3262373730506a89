"""What the client says: each frontend message, written into a WriteBuffer.

Law of this file: a function is a message and writes exactly one, whole; a refused value leaves the buffer as it was.
Bind is the codec's (`encode_bind`), CopyData too.

Source: PostgreSQL docs, "Message Formats".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import const
from ..codec import WriteBuffer
from ..errors import ProgrammingError, shorten


def text(value: str, what: str) -> bytes:
    """The text in UTF-8, for a message that ends it with a NUL. Raises ProgrammingError where it cannot be sent."""
    if "\0" in value:
        raise ProgrammingError(f"{what} holds a NUL character at position {value.index(chr(0)) + 1}: {shorten(value)}")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ProgrammingError(f"{what} cannot be encoded in UTF-8: position {exc.start + 1}, {exc.reason}") from exc


def startup(buffer: WriteBuffer, parameters: Mapping[str, str]) -> None:
    """StartupMessage, protocol 3.0."""
    pairs = [
        (text(name, "a startup parameter"), text(value, f"startup parameter {name}"))
        for name, value in parameters.items()
    ]
    buffer.begin(0)
    buffer.put_i32(const.PROTOCOL_3_0)
    for name, value in pairs:
        buffer.put_cstr(name)
        buffer.put_cstr(value)
    buffer.put_i8(0)
    buffer.end()


def ssl_request(buffer: WriteBuffer) -> None:
    """SSLRequest: the server answers with one byte, S or N."""
    buffer.begin(0)
    buffer.put_i32(const.SSL_REQUEST)
    buffer.end()


def cancel_request(buffer: WriteBuffer, process_id: int, secret_key: bytes) -> None:
    """CancelRequest: goes over a connection of its own, which the server then closes."""
    buffer.begin(0)
    buffer.put_i32(const.CANCEL_REQUEST)
    buffer.put_i32(process_id)
    buffer.put_bytes(secret_key)
    buffer.end()


def password(buffer: WriteBuffer, proof: bytes) -> None:
    """PasswordMessage: the password itself or its md5 proof."""
    buffer.begin(const.PASSWORD)
    buffer.put_cstr(proof)
    buffer.end()


def sasl_initial_response(buffer: WriteBuffer, mechanism: str, data: bytes) -> None:
    """SASLInitialResponse."""
    buffer.begin(const.PASSWORD)
    buffer.put_cstr(mechanism.encode("ascii"))
    buffer.put_i32(len(data))
    buffer.put_bytes(data)
    buffer.end()


def sasl_response(buffer: WriteBuffer, data: bytes) -> None:
    """SASLResponse."""
    buffer.begin(const.PASSWORD)
    buffer.put_bytes(data)
    buffer.end()


def query(buffer: WriteBuffer, sql: str) -> None:
    """Query: the simple protocol, any number of statements."""
    data = text(sql, "the query")
    buffer.begin(const.QUERY)
    buffer.put_cstr(data)
    buffer.end()


def parse(buffer: WriteBuffer, statement: bytes, sql: str, type_oids: Sequence[int] = ()) -> None:
    """Parse: `statement` is its name, empty for the unnamed one; types that are not given are inferred."""
    data = text(sql, "the query")
    buffer.begin(const.PARSE)
    buffer.put_cstr(statement)
    buffer.put_cstr(data)
    buffer.put_i16(len(type_oids))
    for oid in type_oids:
        buffer.put_i32(oid)
    buffer.end()


def describe_statement(buffer: WriteBuffer, statement: bytes) -> None:
    """Describe of a statement: ParameterDescription, then RowDescription or NoData."""
    buffer.begin(const.DESCRIBE)
    buffer.put_bytes(b"S")
    buffer.put_cstr(statement)
    buffer.end()


def close_statement(buffer: WriteBuffer, statement: bytes) -> None:
    """Close of a statement; one that does not exist is not an error."""
    buffer.begin(const.CLOSE)
    buffer.put_bytes(b"S")
    buffer.put_cstr(statement)
    buffer.end()


def execute(buffer: WriteBuffer, portal: bytes = b"", max_rows: int = 0) -> None:
    """Execute of a portal; 0 rows means all of them."""
    buffer.begin(const.EXECUTE)
    buffer.put_cstr(portal)
    buffer.put_i32(max_rows)
    buffer.end()


def copy_fail(buffer: WriteBuffer, reason: str) -> None:
    """CopyFail: the server reports the reason as the error of the COPY."""
    buffer.begin(const.COPY_FAIL)
    buffer.put_cstr(reason.replace("\0", " ").encode("utf-8", "replace"))
    buffer.end()


def copy_done(buffer: WriteBuffer) -> None:
    """CopyDone: the data is complete."""
    _bare(buffer, const.COPY_DONE)


def flush(buffer: WriteBuffer) -> None:
    """Flush: the server sends what it has so far."""
    _bare(buffer, const.FLUSH)


def sync(buffer: WriteBuffer) -> None:
    """Sync: ends a series of extended messages; the server answers with ReadyForQuery."""
    _bare(buffer, const.SYNC)


def terminate(buffer: WriteBuffer) -> None:
    """Terminate: the server ends the session."""
    _bare(buffer, const.TERMINATE)


def _bare(buffer: WriteBuffer, tag: int) -> None:
    buffer.begin(tag)
    buffer.end()
