"""GSSAPI below a session, without any library: the exchange's tokens, the packets, and lengths that lie."""

from __future__ import annotations

from typing import Any

import pytest

from pgfast.errors import AuthenticationError, OperationalError, ProtocolError
from pgfast.net.layers import Stacked
from pgfast.protocol import gss, operations
from pgfast.protocol.gss import GssError, Sealing
from pgfast.protocol.operations import Consult, Credentials, Encryption, Opening, Read, Wrap, Write
from pgfast.protocol.session import Session

from . import messages as m

REQUEST = bytes.fromhex("0000000804d21630")


class Cipher:
    """A context that adds two bytes in front and turns all bits over; its exchange takes so many `tokens`."""

    def __init__(self, tokens: int = 1, most_bytes: int = 100) -> None:
        self.left = tokens
        self.most_bytes = most_bytes
        self.seen: list[bytes | None] = []

    @property
    def complete(self) -> bool:
        return self.left < 0

    def step(self, token: bytes | None) -> bytes | None:
        self.seen.append(token)
        self.left -= 1
        return None if self.complete else b"token %d" % self.left

    def room(self, size_bytes: int) -> int:
        assert size_bytes == 16380
        return self.most_bytes

    def wrap(self, data: bytes) -> bytes:
        assert 0 < len(data) <= self.most_bytes
        return b"!!" + bytes(byte ^ 0xFF for byte in data)

    def unwrap(self, packet: bytes) -> bytes:
        if packet[:2] != b"!!":
            raise GssError("it is not sealed")
        return bytes(byte ^ 0xFF for byte in packet[2:])


def packet(data: bytes) -> bytes:
    return (len(data) + 2).to_bytes(4, "big") + Cipher().wrap(data)


# ---------------------------------------------------------------- the layer


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 50, 10_000])
def test_packets_may_be_cut_anywhere(size: int) -> None:
    layer = Sealing(Cipher())
    stream = packet(b"first") + packet(b"second one") + packet(b"x" * 90)
    opened = b"".join(layer.incoming(stream[at : at + size]) for at in range(0, len(stream), size))
    assert opened == b"first" + b"second one" + b"x" * 90


def test_what_goes_out_is_cut_into_packets_of_what_the_mechanism_takes() -> None:
    data = bytes(range(250))
    layer = Sealing(Cipher())
    assert layer.outgoing(memoryview(data)) == packet(data[:100]) + packet(data[100:200]) + packet(data[200:])
    assert layer.outgoing(b"") == b""
    assert layer.incoming(Sealing(Cipher()).outgoing(data)) == data


@pytest.mark.parametrize("word", ["00000000", "00003ffd", "7fffffff", "80000000", "ffffffff", "45524f52"])
def test_a_length_that_lies_is_refused_before_anything_else_comes(word: str) -> None:
    layer = Sealing(Cipher())
    assert layer.incoming(packet(b"good")) == b"good"
    with pytest.raises(ProtocolError, match="announces a GSSAPI packet of [0-9]+ bytes"):
        layer.incoming(bytes.fromhex(word))


def test_the_longest_packet_is_taken() -> None:
    layer = Sealing(Cipher(most_bytes=16378))
    assert layer.incoming(packet(b"a" * 100) + (16380).to_bytes(4, "big") + b"!!") == b"a" * 100
    assert layer.incoming(b"\xff" * 16377) == b""
    assert layer.incoming(b"\xff") == bytes(16378)


def test_a_packet_that_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="has not encrypted for this connection: it is not sealed"):
        Sealing(Cipher()).incoming(b"\0\0\0\5plain")


def test_a_packet_that_servers_do_not_take_is_not_sent() -> None:
    layer = Sealing(Cipher(most_bytes=20_000))
    with pytest.raises(ProtocolError, match="made a packet of 16381 bytes"):
        layer.outgoing(bytes(16379))
    with pytest.raises(GssError, match="no room"):
        Sealing(Cipher(most_bytes=0))


def test_layers_stand_on_each_other() -> None:
    class Twice:
        def incoming(self, data: bytes | memoryview) -> bytes:
            return bytes(data)[::2]

        def outgoing(self, data: bytes | memoryview) -> bytes:
            return b"".join(bytes([byte, byte]) for byte in bytes(data))

    both = Stacked(Sealing(Cipher()), Twice())
    assert both.outgoing(b"abc") == packet(b"aabbcc")
    assert both.incoming(packet(b"aabbcc")) == b"abc"


# ---------------------------------------------------------------- the exchange


class Peer:
    """A driver in memory: each Read gets the next piece of the script as it is; the layer is only kept."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.sent: list[bytes] = []
        self.layer: Any = None

    def run(self, operation: Any, session: Session) -> Any:
        answer: Any = None
        raised: Exception | None = None
        while True:
            try:
                step = operation.send(answer) if raised is None else operation.throw(raised)
            except StopIteration as stop:
                return stop.value
            raised, answer = None, None
            if isinstance(step, Read):
                data = self.script.pop(0) if self.script else b""
                if not step.raw:
                    session.received.get_buffer()[: len(data)] = data
                    session.received.commit(len(data))
                answer = data if step.raw else len(data)
            elif isinstance(step, Write):
                self.sent.append(b"".join(step.blocks))
                answer = []
            elif isinstance(step, Wrap):
                assert step.encrypts
                self.layer = step.layer
            else:
                assert isinstance(step, Consult)
                try:
                    answer = step.function()
                except Exception as exc:
                    raised = exc


def connect(*script: bytes, context: Any = None, required: bool = True, **more: Any) -> Peer:
    peer = Peer(*script)
    cipher = Cipher() if context is None else context
    demands = {name: more.pop(name) for name in ("require_auth", "gss", "channel_binding", "password") if name in more}
    encryption = Encryption(gss=lambda: cipher, gss_required=required, **more)
    session = Session(autocommit=True)
    sealed = peer.run(operations.seal(session, encryption), session)
    assert sealed is (peer.layer is not None)
    opening = Opening({"user": "u"}, Credentials("u", **demands), encryption=encryption, sealed=sealed)
    peer.run(operations.connect(session, opening), session)
    return peer


def framed(token: bytes) -> bytes:
    return len(token).to_bytes(4, "big") + token


def test_the_exchange_ends_in_encryption() -> None:
    cipher = Cipher()
    peer = connect(b"G", framed(b"from the server"), m.WELCOME, context=cipher)
    assert cipher.seen == [None, b"from the server"]
    assert peer.sent[:2] == [REQUEST, framed(b"token 0")]
    assert peer.layer.outgoing(b"x") == packet(b"x")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_tokens_may_be_cut_anywhere(size: int) -> None:
    cipher = Cipher(tokens=1)
    token = framed(b"from the server")
    pieces = [token[at : at + size] for at in range(0, len(token), size)]
    connect(b"G", *pieces, m.WELCOME, context=cipher)
    assert cipher.seen[-1] == b"from the server"


def test_an_exchange_may_take_several_tokens() -> None:
    cipher = Cipher(tokens=3)
    connect(b"G", framed(b"1"), framed(b"2"), framed(b"3"), m.WELCOME, context=cipher)
    assert cipher.seen == [None, b"1", b"2", b"3"]


def test_a_refusal_goes_on_without_on_the_same_connection_where_it_may() -> None:
    peer = connect(b"N", m.WELCOME, required=False)
    assert peer.layer is None
    assert peer.sent[0] == REQUEST
    assert b"user\0u\0" in peer.sent[1]


def test_without_a_ticket_the_server_is_not_asked() -> None:
    def begin() -> Any:
        raise GssError("there is no ticket")

    peer = Peer()
    assert peer.run(operations.seal(Session(), Encryption(gss=begin)), Session()) is False
    assert peer.sent == []
    with pytest.raises(GssError, match="there is no ticket"):
        peer.run(operations.seal(Session(), Encryption(gss=begin, gss_required=True)), Session())


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ([b"N"], GssError, "does not offer GSSAPI encryption"),
        ([b""], GssError, "closed the connection when it was asked"),
        ([b"ESFATAL\0Mbelieve me\0\0"], GssError, "with an error; its log tells which"),
        ([b"HTTP/1.1 400 Bad"], OperationalError, "is this a PostgreSQL server"),
        ([b"G" + framed(b"t")], OperationalError, "unencrypted bytes after its consent"),
        ([b"G", framed(b"t") + b"R"], OperationalError, "unencrypted bytes after the GSSAPI exchange"),
        ([b"G"], GssError, "closed the connection in the GSSAPI exchange"),
        ([b"G", b"\0\0\0\x05abc"], GssError, "closed the connection in the GSSAPI exchange"),
        ([b"G", b"EFATAL:  believe me\0"], GssError, "with an error; its log tells which"),
        ([b"G", b"\0\0\0\0"], ProtocolError, "packet of 0 bytes"),
        ([b"G", b"\0\0\xff\xfd"], ProtocolError, "packet of 65533 bytes, 1 to 65532"),
        ([b"G", b"\xff\xff\xff\xff"], ProtocolError, "packet of 4294967295 bytes"),
        ([b"G", b"\x7f\xff\xff\xff"], ProtocolError, "packet of 2147483647 bytes"),
    ],
)
def test_whatever_else_comes_is_refused_and_not_believed(script: list[bytes], kind: type, words: str) -> None:
    with pytest.raises(OperationalError, match=words) as failure:
        connect(*script)
    assert type(failure.value) is kind
    assert "believe me" not in str(failure.value)


def test_an_exchange_without_an_end_is_left() -> None:
    with pytest.raises(GssError, match="does not come to an end"):
        connect(b"G", *[framed(b"again")] * 20, context=Cipher(tokens=50))


def test_a_token_that_servers_do_not_take_is_not_sent() -> None:
    assert gss.framed(bytes(65532))[:4] == b"\0\0\xff\xfc"
    with pytest.raises(GssError, match="65533 bytes"):
        gss.framed(bytes(65533))


def test_where_tls_begins_without_asking_only_another_connection_can_do_without() -> None:
    with pytest.raises(GssError, match="direct TLS comes first"):
        connect(b"N", required=False, tls=object(), tls_direct=True)


# ---------------------------------------------------------------- logging in


def sealed(*script: bytes, **demands: Any) -> Peer:
    """A log-in over GSSAPI encryption; the script is what the server says then."""
    return connect(b"G", framed(b"t"), *script, **demands)


def test_encryption_is_authentication_by_gss() -> None:
    sealed(m.WELCOME, require_auth=frozenset({"gss"}))
    sealed(m.WELCOME, require_auth=frozenset({"none"}))
    with pytest.raises(AuthenticationError, match="without any authentication"):
        sealed(m.WELCOME, require_auth=frozenset({"scram-sha-256", "md5"}))


def test_channel_binding_is_not_what_gss_gives() -> None:
    with pytest.raises(AuthenticationError, match="channel_binding=require"):
        sealed(m.WELCOME, channel_binding="require")


def test_a_password_may_go_over_the_encryption() -> None:
    peer = sealed(m.authentication(3), m.WELCOME, password="top-secret")
    assert b"top-secret\0" in peer.sent[-1]


def test_the_exchange_of_a_log_in_is_followed_to_its_end() -> None:
    cipher = Cipher(tokens=2)
    peer = connect(
        b"N",
        m.authentication(7),
        m.authentication(8, b"one"),
        m.authentication(8, b"two"),
        m.WELCOME,
        required=False,
        gss=lambda: cipher,
        require_auth=frozenset({"gss"}),
    )
    assert cipher.seen == [None, b"one", b"two"]
    assert peer.sent[2:] == [m.message(b"p", b"token 1"), m.message(b"p", b"token 0")]


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ([m.authentication(7), m.WELCOME], AuthenticationError, "before the GSSAPI exchange had ended"),
        ([m.authentication(8, b"t")], ProtocolError, "exchange that was not begun"),
        ([m.authentication(7), m.authentication(8, b"t"), m.authentication(8, b"t")], ProtocolError, "that has ended"),
        ([m.authentication(7), m.authentication(7)], ProtocolError, "a second time"),
    ],
)
def test_a_server_that_leaves_the_exchange_is_not_believed(script: list[bytes], kind: type, words: str) -> None:
    with pytest.raises(OperationalError, match=words) as failure:
        connect(b"N", *script, required=False, gss=Cipher)
    assert type(failure.value) is kind


def test_what_gss_says_against_a_log_in_is_told() -> None:
    def begin() -> Any:
        raise GssError("there is no ticket; kinit gets one")

    with pytest.raises(AuthenticationError, match="asks for authentication by GSSAPI, which fails: there is no ticket"):
        connect(b"N", m.authentication(7), required=False, gss=begin)
