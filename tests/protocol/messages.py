"""Backend messages as bytes, made here and not by the code under test."""

from __future__ import annotations

import struct


def message(tag: bytes, payload: bytes = b"") -> bytes:
    """One message: tag, length, payload."""
    return tag + struct.pack("!i", len(payload) + 4) + payload


def authentication(code: int, data: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!i", code) + data)


def parameter_status(name: str, value: str) -> bytes:
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def backend_key_data(pid: int = 77, key: bytes = b"\1\2\3\4") -> bytes:
    return message(b"K", struct.pack("!i", pid) + key)


def ready(status: bytes = b"I") -> bytes:
    return message(b"Z", status)


def complete(tag: str) -> bytes:
    return message(b"C", tag.encode() + b"\0")


def error(severity: str = "ERROR", sqlstate: str = "22012", text: str = "division by zero", **more: str) -> bytes:
    return message(b"E", _fields(S=severity, V=severity, C=sqlstate, M=text, **more))


def notice(text: str = "mind the gap", **more: str) -> bytes:
    return message(b"N", _fields(S="NOTICE", V="NOTICE", C="00000", M=text, **more))


def _fields(**fields: str) -> bytes:
    return b"".join(code.encode() + text.encode() + b"\0" for code, text in fields.items()) + b"\0"


def notification(pid: int, channel: str, payload: str) -> bytes:
    return message(b"A", struct.pack("!i", pid) + channel.encode() + b"\0" + payload.encode() + b"\0")


def row_description(*columns: tuple[str, int], format_code: int = 0) -> bytes:
    payload = struct.pack("!h", len(columns))
    for name, oid in columns:
        payload += name.encode() + b"\0" + struct.pack("!IhIhih", 0, 0, oid, -1, -1, format_code)
    return message(b"T", payload)


def parameter_description(*oids: int) -> bytes:
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def data_row(*values: bytes | None) -> bytes:
    payload = struct.pack("!h", len(values))
    for value in values:
        payload += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message(b"D", payload)


def copy_in_response(*formats: int, overall: int = 0) -> bytes:
    return message(b"G", struct.pack(f"!bh{len(formats)}h", overall, len(formats), *formats))


def copy_out_response(*formats: int, overall: int = 0) -> bytes:
    return message(b"H", struct.pack(f"!bh{len(formats)}h", overall, len(formats), *formats))


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)


PARSE_COMPLETE = message(b"1")
BIND_COMPLETE = message(b"2")
CLOSE_COMPLETE = message(b"3")
NO_DATA = message(b"n")
EMPTY_QUERY = message(b"I")
COPY_DONE = message(b"c")

#: What a server says from its consent to the password to the first ReadyForQuery.
WELCOME = (
    authentication(0)
    + parameter_status("server_version", "18.4")
    + parameter_status("client_encoding", "UTF8")
    + parameter_status("standard_conforming_strings", "on")
    + backend_key_data()
    + ready()
)
