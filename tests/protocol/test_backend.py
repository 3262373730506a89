"""Each backend message: what it is parsed into, and that no truncation or addition of it passes."""

from __future__ import annotations

import struct

import pytest

from pgfast.errors import ProtocolError
from pgfast.protocol import backend
from pgfast.protocol.backend import Acknowledgement, CommandComplete, CopyResponse, Field

from . import messages as m


def parse(frame: bytes) -> backend.Message:
    assert struct.unpack("!i", frame[1:5])[0] == len(frame) - 1
    return backend.parse(frame[0], frame[5:])


WHOLE = {
    "authentication": (m.authentication(5, b"salt"), backend.Authentication(5, b"salt")),
    "backend key": (m.backend_key_data(77, b"k" * 32), backend.BackendKeyData(77, b"k" * 32)),
    "parse complete": (m.PARSE_COMPLETE, Acknowledgement(ord("1"))),
    "bind complete": (m.BIND_COMPLETE, Acknowledgement(ord("2"))),
    "close complete": (m.CLOSE_COMPLETE, Acknowledgement(ord("3"))),
    "no data": (m.NO_DATA, Acknowledgement(ord("n"))),
    "empty query": (m.EMPTY_QUERY, Acknowledgement(ord("I"))),
    "copy done": (m.COPY_DONE, Acknowledgement(ord("c"))),
    "portal suspended": (m.message(b"s"), Acknowledgement(ord("s"))),
    "command complete": (m.complete("INSERT 0 3"), CommandComplete("INSERT 0 3")),
    "copy in": (m.copy_in_response(1, 1, overall=1), CopyResponse(ord("G"), 1, (1, 1))),
    "copy out": (m.copy_out_response(0), CopyResponse(ord("H"), 0, (0,))),
    "negotiation": (
        m.message(b"v", struct.pack("!ii", 0x30000, 2) + b"_pq_.a\0_pq_.b\0"),
        backend.NegotiateProtocolVersion(0x30000, ("_pq_.a", "_pq_.b")),
    ),
    "notification": (m.notification(9, "chan", "load"), backend.Notification("chan", "load", 9)),
    "parameters": (m.parameter_description(23, 4294967295), backend.ParameterDescription((23, 4294967295))),
    "many parameters": (m.parameter_description(*[25] * 40000), backend.ParameterDescription((25,) * 40000)),
    "parameter status": (m.parameter_status("TimeZone", "UTC"), backend.ParameterStatus("TimeZone", "UTC")),
    "ready": (m.ready(b"T"), backend.ReadyForQuery("T")),
    "row description": (
        m.row_description(("a", 23), ("ä", 25), format_code=1),
        backend.RowDescription((Field("a", 0, 0, 23, -1, -1, 1), Field("ä", 0, 0, 25, -1, -1, 1))),
    ),
    "row description of nothing": (m.row_description(), backend.RowDescription(())),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_message_is_parsed(name: str) -> None:
    frame, expected = WHOLE[name]
    assert parse(frame) == expected


#: Messages whose last part is whatever is left, so that a shorter one may be right too.
OPEN_ENDED = {"authentication": 4, "backend key": 4 + 4}


@pytest.mark.parametrize("name", WHOLE)
def test_every_truncation_is_refused(name: str) -> None:
    frame, _ = WHOLE[name]
    payload = frame[5:]
    for length in range(OPEN_ENDED.get(name, len(payload)) if len(payload) < 1000 else 3):
        with pytest.raises(ProtocolError):
            backend.parse(frame[0], payload[:length])


@pytest.mark.parametrize("name", sorted(set(WHOLE) - set(OPEN_ENDED)))
def test_a_byte_too_many_is_refused(name: str) -> None:
    frame, _ = WHOLE[name]
    with pytest.raises(ProtocolError):
        backend.parse(frame[0], frame[5:] + b"\1")


def test_an_error_keeps_every_field() -> None:
    codes = "SVCMDHPpqWstcdnFLR"
    payload = b"".join(code.encode() + b"text of " + code.encode() + b"\0" for code in codes) + b"\0"
    diag = parse(m.message(b"E", payload)).diag  # type: ignore[union-attr]
    values = [getattr(diag, name) for name in diag.__dataclass_fields__]
    assert values == [f"text of {code}" for code in codes]


def test_a_field_this_version_does_not_know_is_left_out() -> None:
    response = parse(m.message(b"N", b"?new\0Mtext\0\0"))
    assert isinstance(response, backend.NoticeResponse)
    assert response.diag.message_primary == "text"


def test_an_error_with_only_a_message_is_an_error() -> None:
    response = parse(m.message(b"E", b"Mno\0\0"))
    assert isinstance(response, backend.ErrorResponse)
    assert not response.fatal


@pytest.mark.parametrize("payload", [b"", b"S", b"SERROR", b"SERROR\0", b"SERROR\0\0\0"])
def test_a_malformed_error_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        backend.parse(ord("E"), payload)


def test_text_in_another_encoding_does_not_hide_an_error() -> None:
    response = parse(m.message(b"E", b"M\xe4h\0\0"))
    assert isinstance(response, backend.ErrorResponse)
    assert response.diag.message_primary == "\ufffdh"


@pytest.mark.parametrize(
    ("tag", "payload"),
    [
        (b"Z", b"X"),
        (b"t", struct.pack("!H", 65535)),
        (b"T", struct.pack("!h", -1)),
        (b"T", struct.pack("!h", 30000) + b"a\0"),
        (b"T", struct.pack("!h", 1) + b"a\0" + struct.pack("!IhIhih", 0, 0, 23, 4, -1, 2)),
        (b"T", struct.pack("!h", 1) + b"\xff\0" + struct.pack("!IhIhih", 0, 0, 23, 4, -1, 0)),
        (b"G", struct.pack("!bh", 2, 0)),
        (b"H", struct.pack("!bh", 0, -1)),
        (b"K", struct.pack("!i", 1) + b"abc"),
        (b"K", struct.pack("!i", 1) + b"a" * 257),
        (b"v", struct.pack("!ii", 0x30000, 1 << 30)),
        (b"x", b""),
        (b"V", b""),
    ],
)
def test_impossible_contents_are_refused(tag: bytes, payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        backend.parse(tag[0], payload)


@pytest.mark.parametrize(
    ("tag", "rows"),
    [
        ("INSERT 0 3", 3),
        ("SELECT 12", 12),
        ("COPY 5", 5),
        ("BEGIN", -1),
        ("CREATE TABLE", -1),
        ("", -1),
        ("COPY " + "9" * 5000, -1),
    ],
)
def test_the_command_tag_tells_the_rows(tag: str, rows: int) -> None:
    assert CommandComplete(tag).rows == rows


@pytest.mark.parametrize(
    ("fields", "fatal"),
    [
        (b"SFATAL\0VFATAL\0\0", True),
        (b"SFATAL\0\0", True),
        (b"SKATASTROFAL\0VPANIC\0\0", True),
        (b"SERROR\0VERROR\0\0", False),
    ],
)
def test_the_untranslated_severity_decides_whether_an_error_is_fatal(fields: bytes, fatal: bool) -> None:
    response = parse(m.message(b"E", fields))
    assert isinstance(response, backend.ErrorResponse)
    assert response.fatal is fatal
