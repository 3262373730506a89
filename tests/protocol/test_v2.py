"""The layer of protocol 2.0 in memory: its bytes into those of 3.0 and back, cut anywhere, and what is no message."""

from __future__ import annotations

import struct

import pytest

from pgfast.codec import WriteBuffer
from pgfast.errors import DataError, NotSupportedError, OperationalError, ProtocolError
from pgfast.protocol import frontend
from pgfast.protocol.v2 import Translator


def string(text: str) -> bytes:
    return text.encode() + b"\0"


def columns(*names: str) -> bytes:
    described = b"".join([string(name) + struct.pack("!Ihi", 25, -1, -1) for name in names])
    return b"Pblank\0T" + struct.pack("!h", len(names)) + described


def frame(tag: str, payload: bytes = b"") -> bytes:
    return tag.encode() + struct.pack("!i", 4 + len(payload)) + payload


def described(code: int, *names: str) -> bytes:
    fields = [string(name) + struct.pack("!IhIhih", 0, 0, 25, -1, -1, code) for name in names]
    return frame("T", struct.pack("!h", len(names)) + b"".join(fields))


def row(*values: bytes | None) -> bytes:
    fields = [b"\xff" * 4 if value is None else struct.pack("!i", len(value)) + value for value in values]
    return frame("D", struct.pack("!h", len(values)) + b"".join(fields))


CONVERSATIONS = [
    (b"R\0\0\0\0", frame("R", bytes(4))),
    (b"R\0\0\0\5salt", frame("R", b"\0\0\0\5salt")),
    (b"K\0\0\0\7keys", frame("K", b"\0\0\0\7keys")),
    (b"Z", frame("Z", b"I")),
    (b"I\0Z", frame("I") + frame("Z", b"I")),
    (columns("a", "b") + b"CSELECT 0\0", described(0, "a", "b") + frame("C", b"SELECT 0\0")),
    (
        columns("a", "b") + b"D\x40\0\0\0\5xD\x80\0\0\0\4CSELECT 2\0Z",
        described(0, "a", "b") + row(None, b"x") + row(b"", None) + frame("C", b"SELECT 2\0") + frame("Z", b"I"),
    ),
    (columns("a") + b"B\x80\0\0\0\1x", described(1, "a") + row(b"x")),
    (columns() + b"B", described(1) + row()),
    (columns(*"abcdefghi") + b"D\x80\x80\0\0\0\5x\0\0\0\5y", described(0, *"abcdefghi") + row(b"x", *[None] * 7, b"y")),
    (b"EERROR:  division by zero\n\0", frame("E", b"SERROR\0Mdivision by zero\0\0")),
    (b"Etoo many\n\0", frame("E", b"SERROR\0Mtoo many\0\0")),
    (b"NNOTICE:  a\nb\n\0", frame("N", b"SNOTICE\0Ma\nb\0\0")),
    (b"A\0\0\0\7channel\0", frame("A", b"\0\0\0\7channel\0\0")),
    (b"G", frame("G", bytes(3))),
    (
        b"H1\tx\n2\ty\n\\.\nCCOPY 2\0",
        frame("H", bytes(3)) + frame("d", b"1\tx\n2\ty\n") + frame("c") + frame("C", b"COPY 2\0"),
    ),
    (b"H\\.\nCCOPY 0\0", frame("H", bytes(3)) + frame("c") + frame("C", b"COPY 0\0")),
    (b"HV\0\0\n\\.\nEx\0", frame("H", bytes(3)) + frame("d", b"V\0\0\n") + frame("E", b"SERROR\0Mx\0\0")),
    (b"VG\0\0\0\4\0\0\0\x050", frame("V", b"\0\0\0\4\0\0\0\5")),
    (b"V0", frame("V", b"\xff\xff\xff\xff")),
]


@pytest.mark.parametrize(("said", "read"), CONVERSATIONS)
def test_what_the_server_says_is_read_as_version_3_wherever_it_is_cut(said: bytes, read: bytes) -> None:
    assert Translator().incoming(said) == read
    for cut in range(len(said)):
        layer = Translator()
        assert joined(layer.incoming(said[:cut]) + layer.incoming(said[cut:])) == joined(read)
    layer = Translator()
    assert joined(b"".join([layer.incoming(said[at : at + 1]) for at in range(len(said))])) == joined(read)


def joined(messages: bytes) -> list[tuple[int, bytes]]:
    """The messages, CopyData that follow each other as one."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(messages):
        tag, size = messages[at], struct.unpack_from("!i", messages, at + 1)[0]
        payload = messages[at + 5 : at + 1 + size]
        if found and tag == found[-1][0] == ord("d"):
            found[-1] = (tag, found[-1][1] + payload)
        else:
            found.append((tag, payload))
        at += 1 + size
    return found


@pytest.mark.parametrize("empty", range(5))
def test_empty_lines_in_front_of_the_end_are_data_unless_an_error_follows(empty: int) -> None:
    lines = b"x\n" + b"\n" * empty
    whole = joined(Translator().incoming(b"H" + lines + b"\\.\nCCOPY 1\0"))
    assert whole[1] == (ord("d"), lines)
    failed = joined(Translator().incoming(b"H" + lines + b"\n\n\\.\nEx\0"))
    assert failed[1] == (ord("d"), lines)
    assert [tag for tag, _ in failed] == [ord("H"), ord("d"), ord("E")]


@pytest.mark.parametrize(
    "said",
    [
        b"Y",
        b"D\x80",
        b"T\xff\xff",
        columns("a") + b"D\x80\0\0\0\3",
        columns("a") + b"D\x80\x7f\xff\xff\xff",
        columns("a") + b"B\x80\xff\xff\xff\xff",
        columns("a") + b"CSELECT 0\0D\x80\0\0\0\5x",
        b"V1",
        b"VG\xff\xff\xff\xff",
        b"E" + b"x" * ((1 << 20) + 1),
    ],
)
def test_what_is_no_message_is_an_error(said: bytes) -> None:
    translator = Translator()
    with pytest.raises(ProtocolError, match=r"protocol 2\.0"):
        translator.incoming(said)
    with pytest.raises(ProtocolError, match=r"protocol 2\.0"):
        translator.incoming(b"Z")  # nothing after it can be trusted


def test_a_long_row_is_taken_piece_by_piece() -> None:
    translator = Translator()
    described = b"".join([b"a\0" + struct.pack(">ihi", 25, -1, -1) for _ in range(300)])
    translator.incoming(b"T" + struct.pack(">h", 300) + described + b"D" + b"\xff" * 38)
    for _ in range(299):
        assert translator.incoming(struct.pack(">i", 4 + 1000) + b"x" * 1000) == b""
        assert len(translator._incoming._data) == 0, "a value that is complete waits as a value"
    row = translator.incoming(struct.pack(">i", 4 + 1000) + b"x" * 1000)
    assert row.endswith(struct.pack(">i", 1000) + b"x" * 1000) and len(row) > 300 * 1004


# ---------------------------------------------------------------- the transaction status


def statuses(*exchange: tuple[str, bytes]) -> str:
    """The status after each query with its answer."""
    layer, found = Translator(), ""
    layer.outgoing(startup(user="u"))
    for sql, said in exchange:
        layer.outgoing(query(sql))
        found += joined(layer.incoming(said + b"Z"))[-1][1].decode()
    return found


def test_the_status_follows_the_tags() -> None:
    done = b"CSELECT 1\0"
    assert statuses(("begin", b"CBEGIN\0"), ("select 1", done), ("commit", b"CCOMMIT\0"), ("select 1", done)) == "TTII"
    assert (
        statuses(("start transaction", b"CSTART TRANSACTION\0"), ("x", b"EERROR:  x\n\0"), ("end", b"CROLLBACK\0"))
        == "TEI"
    )
    assert statuses(("x", b"EERROR:  x\n\0")) == "I"
    failed = [("begin", b"CBEGIN\0"), ("x", b"EERROR:  x\n\0")]
    assert statuses(*failed, ("/* a */ rollback work to savepoint s", b"CROLLBACK\0")) == "TET"
    assert statuses(*failed, ('rollback to "s"; release "s"', b"CROLLBACK\0CRELEASE\0")) == "TET"
    assert statuses(*failed, ("rollback; select ';rollback to x'", b"CROLLBACK\0" + done)) == "TEI"
    assert statuses(("begin", b"CBEGIN\0"), ("commit and chain", b"CCOMMIT\0"), ("abort", b"CROLLBACK\0")) == "TTI"
    assert statuses(("begin", b"CBEGIN\0"), ("commit and no chain", b"CCOMMIT\0")) == "TI"
    assert statuses(("begin", b"CBEGIN\0"), ("prepare transaction 'x'", b"CPREPARE TRANSACTION\0")) == "TI"


# ---------------------------------------------------------------- what the client says


def startup(**parameters: str) -> bytes:
    out = WriteBuffer()
    frontend.startup(out, parameters)
    return bytes(out.take())


def query(sql: str) -> bytes:
    out = WriteBuffer()
    frontend.query(out, sql)
    return bytes(out.take())


def test_the_startup_packet_has_fixed_fields() -> None:
    made = Translator().outgoing(startup(user="me", database="db", options="-c a=b", application_name="left out"))
    fields = b"db".ljust(64, b"\0") + b"me".ljust(32, b"\0") + b"-c a=b".ljust(64, b"\0") + bytes(128)
    assert made == struct.pack("!ii", 296, 131072) + fields


@pytest.mark.parametrize(("name", "size"), [("database", 64), ("user", 32), ("options", 64)])
def test_what_has_no_room_in_the_startup_packet_is_refused(name: str, size: int) -> None:
    given = {"user": "me"}
    assert len(Translator().outgoing(startup(**{**given, name: "x" * size}))) == 296
    with pytest.raises(OperationalError, match=f"at most {size} bytes of {name}"):
        Translator().outgoing(startup(**{**given, name: "x" * (size + 1)}))


def test_messages_lose_their_lengths_wherever_they_are_cut() -> None:
    call = frame("F", struct.pack("!IhhhIi", 177, 1, 1, 2, 4, 2) + struct.pack("!Ii", 4, 3) + struct.pack("!h", 1))
    written = startup(user="me") + frame("p", b"secret\0") + query("select 1") + call + frame("X")
    whole = Translator().outgoing(written)
    plain = struct.pack("!IIIIII", 177, 2, 4, 2, 4, 3)
    assert whole[296:] == b"\0\0\0\x0bsecret\0" + b"Qselect 1\0" + b"F\0" + plain + b"X"
    for cut in range(len(written)):
        layer = Translator()
        assert layer.outgoing(written[:cut]) + layer.outgoing(written[cut:]) == whole


def test_the_data_of_a_copy_goes_raw_and_is_ended_on_a_line_of_its_own() -> None:
    layer = Translator()
    layer.outgoing(startup(user="me"))
    assert layer.outgoing(frame("d", b"1\n") + frame("d", b"2\n") + frame("c")) == b"1\n2\n\\.\n"
    assert layer.outgoing(frame("d", b"1") + frame("c")) == b"1\n\\.\n"
    assert layer.outgoing(frame("c")) == b"\\.\n"
    assert layer.outgoing(frame("d", b"1\r\n2\r\n") + frame("c")) == b"1\r\n2\r\n\\.\r\n"
    assert layer.outgoing(frame("d", b"1\r2") + frame("c")) == b"1\r2\r\\.\r"
    assert layer.outgoing(frame("d", b"1\r") + frame("d", b"\n2\r\n") + frame("c")) == b"1\r\n2\r\n\\.\r\n"
    assert layer.outgoing(frame("d", b"1\r") + frame("c")) == b"1\r\\.\r"
    assert layer.outgoing(frame("d", b"a\\.\n") + frame("d", b"\\.x\n") + frame("c")) == b"a\\.\n\\.x\n\\.\n"


@pytest.mark.parametrize("pieces", [[b"\\.\n"], [b"1\n\\", b".\n"], [b"1\n", b"\\", b".", b"\r"], [b"1\n\\.", b"\n2"]])
def test_data_that_would_end_the_copy_is_refused(pieces: list[bytes]) -> None:
    layer = Translator()
    layer.outgoing(startup(user="me"))
    with pytest.raises(DataError, match=r"a line that is just"):
        for piece in pieces:
            layer.outgoing(frame("d", piece))


@pytest.mark.parametrize("message", [b"S\0\0\0\4", b"H\0\0\0\4", b"P\0\0\0\x08\0\0\0\0"])
def test_the_extended_protocol_is_refused(message: bytes) -> None:
    layer = Translator()
    layer.outgoing(startup(user="me"))
    with pytest.raises(NotSupportedError, match=r"protocol 2\.0 has no message"):
        layer.outgoing(message)
