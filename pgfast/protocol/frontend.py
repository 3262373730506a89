"""What the client says: each frontend message, written into a WriteBuffer.

Law of this file: a function is a message and writes exactly one, whole; a refused value leaves the buffer as it was.
Bind is the codec's (`encode_binds`), CopyData too.

Source: PostgreSQL docs, "Message Formats".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .. import const
from ..codec import WriteBuffer
from ..errors import ProgrammingError, shorten

#: Execute of the unnamed portal to its end, ready for use.
EXECUTE_ALL: Final = bytes([const.EXECUTE]) + b"\0\0\0\x09\0\0\0\0\0"
#: Sync, ready for use.
SYNC: Final = bytes([const.SYNC]) + b"\0\0\0\x04"
EXECUTE_AND_SYNC: Final = EXECUTE_ALL + SYNC


def execute(most_rows: int) -> bytes:
    """Execute of the unnamed portal for at most so many rows, ready for use."""
    return bytes([const.EXECUTE]) + b"\0\0\0\x09\0" + most_rows.to_bytes(4, "big")


def text(value: str, what: str) -> bytes:
    """The text in UTF-8, for a message that ends it with a NUL. Raises ProgrammingError where it cannot be sent."""
    if len(value) > const.MAX_INT32:
        raise ProgrammingError(f"{what} is longer than a message may be, {const.MAX_INT32} bytes")
    if "\0" in value:
        raise ProgrammingError(f"{what} holds a NUL character at position {value.index(chr(0)) + 1}: {shorten(value)}")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ProgrammingError(f"{what} cannot be encoded in UTF-8: position {exc.start + 1}, {exc.reason}") from exc


def startup(buffer: WriteBuffer, parameters: Mapping[str, str], version: tuple[int, int] = (3, 0)) -> None:
    """StartupMessage."""
    pairs = [
        (text(name, "a startup parameter"), text(value, f"startup parameter {name}"))
        for name, value in parameters.items()
    ]
    buffer.begin(0)
    buffer.put_i32(version[0] << 16 | version[1])
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


def gssenc_request(buffer: WriteBuffer) -> None:
    """GSSENCRequest: the server answers with one byte, G or N."""
    buffer.begin(0)
    buffer.put_i32(const.GSSENC_REQUEST)
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
    _named(buffer, const.DESCRIBE, b"S", statement)


def close_statement(buffer: WriteBuffer, statement: bytes) -> None:
    """Close of a statement; one that does not exist is not an error."""
    _named(buffer, const.CLOSE, b"S", statement)


def close_portal(buffer: WriteBuffer, portal: bytes) -> None:
    """Close of a portal; one that does not exist is not an error."""
    _named(buffer, const.CLOSE, b"P", portal)


def _named(buffer: WriteBuffer, tag: int, kind: bytes, name: bytes) -> None:
    buffer.begin(tag)
    buffer.put_bytes(kind)
    buffer.put_cstr(name)
    buffer.end()


def bind(buffer: WriteBuffer, statement: bytes) -> None:
    """Bind of the unnamed portal to a statement without parameters and columns."""
    buffer.begin(const.BIND)
    buffer.put_bytes(bind_head(b"", statement, b""))
    buffer.put_bytes(bind_tail(b""))
    buffer.end()


def bind_head(portal: bytes, statement: bytes, formats: bytes) -> bytes:
    """What stands before the values of a Bind: names without NUL, and the formats of its parameters, int16 each."""
    count = len(formats) // 2
    if count > const.MAX_PARAMETERS:
        raise ProgrammingError(f"a statement takes at most {const.MAX_PARAMETERS} parameters, not {count}")
    return b"%b\0%b\0%b%b" % (portal, statement, _codes(formats), count.to_bytes(2, "big"))


def bind_tail(result_formats: bytes) -> bytes:
    """What stands behind the values of a Bind: the formats of the result's columns, int16 each."""
    return _codes(result_formats)


def _codes(formats: bytes) -> bytes:
    """Format codes with their count; one where all are the same, which then holds for each."""
    codes = formats[:2] if formats and formats == formats[:2] * (len(formats) // 2) else formats
    return (len(codes) // 2).to_bytes(2, "big") + codes


def function_call(buffer: WriteBuffer, oid: int, arguments: Sequence[bytes | None]) -> None:
    """FunctionCall, arguments and result in binary. ProgrammingError for too many of them."""
    if not 0 <= oid < 2**32:
        raise ProgrammingError(f"{oid} is not the OID of a function")
    if len(arguments) > const.MAX_PARAMETERS:
        raise ProgrammingError(f"a function takes at most {const.MAX_PARAMETERS} arguments, not {len(arguments)}")
    buffer.begin(const.FUNCTION_CALL)
    buffer.put_bytes(oid.to_bytes(4, "big") + b"\0\1\0\1" + len(arguments).to_bytes(2, "big"))
    for argument in arguments:
        buffer.put_i32(-1 if argument is None else len(argument))
        buffer.put_bytes(argument or b"")
    buffer.put_i16(const.BINARY)
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
    buffer.put_messages(SYNC)


def terminate(buffer: WriteBuffer) -> None:
    """Terminate: the server ends the session."""
    _bare(buffer, const.TERMINATE)


def _bare(buffer: WriteBuffer, tag: int) -> None:
    buffer.begin(tag)
    buffer.end()
