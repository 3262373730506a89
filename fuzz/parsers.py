"""Parsers that read what others have written, each by itself: protocol 2.0, SCRAM, OAuth, certificates, pgoutput,
connection strings, SQL, the text forms of values.

Input: which parser, choices, then what it reads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final

from pgfast import const
from pgfast.errors import Error
from pgfast.net import conninfo
from pgfast.protocol import endpoint, oauth, scram, statements, v2
from pgfast.replication.messages import Message
from pgfast.replication.pgoutput import Decoder
from pgfast.replication.streams import readers
from pgfast.types.forms import EXTENSIONS, FORMS, Form
from pgfast.types.registry import PLAIN

from .both import compare, implementations, outcome
from .choices import Choices
from .mutate import message, split
from .wire import OIDS, with_records

#: Bytes of choices in front of the text.
HEAD: Final = 4
_ENVIRONMENT: Final = {"HOME": "/nowhere"}
_STARTUP: Final = struct.pack(">ii", 8 + 9, 196608) + b"user\0me\0\0"


def run(data: bytes) -> None:
    """One text read by one of them."""
    c = Choices(data[:HEAD])
    parser = c.pick(_PARSERS)
    parser(c, data[HEAD:])


def _translated(c: Choices, stream: bytes) -> None:
    """Protocol 2.0: what the server says comes out the same wherever it is cut."""
    size = 1 + c.number(1)
    copies = c.flag()

    def read(pieces: list[bytes]) -> list[bytes]:
        translator = v2.Translator()
        translator.outgoing(_STARTUP)
        if copies:
            translator.outgoing(b"Q" + struct.pack(">i", 4 + 24) + b"begin; copy t to stdout\0")
        return _joined(b"".join([translator.incoming(piece) for piece in pieces]))

    whole = outcome(lambda: read([stream]))
    pieces = outcome(lambda: read([stream[at : at + size] for at in range(0, len(stream), size)]))
    compare([whole, pieces])


def _joined(stream: bytes) -> list[bytes]:
    """The messages, of which consecutive CopyData are one: lines come out in portions of any size."""
    found: list[bytes] = []
    for piece in split(stream):
        if found and found[-1][:1] == piece[:1] == b"d":
            found[-1] += piece[5:]
        else:
            found.append(piece)
    return [piece[5:] if piece[:1] == b"d" else piece for piece in found]


def _written(c: Choices, stream: bytes) -> None:
    """Protocol 2.0: what the session writes, which are whole messages: a tag, a length of a byte, the payload."""
    size = 1 + c.number(1)
    translator = v2.Translator()
    parts = Choices(stream)
    written = _STARTUP
    while parts.left:
        tag, payload = parts.number(1), parts.blob()
        if tag == const.FUNCTION_CALL:  # the session writes none that is malformed
            payload = struct.pack(">Ihhhi", len(payload), 1, 1, 1, len(payload)) + payload + b"\0\1"
        written += message(tag, payload)

    def write() -> bytes:
        return b"".join([translator.outgoing(written[at : at + size]) for at in range(0, len(written), size)])

    outcome(write)


def _scram(c: Choices, text: bytes) -> None:
    first, _, last = text.partition(b"\0")
    client = scram.ScramClient(
        c.pick(("pencil", "\u2168\xad", "\u0627\u0031", "")), "rOprNGfwEbe", most_iterations=5000
    )

    def exchange() -> bytes:
        client.first()
        made = client.final(first)
        client.verify(last)
        return made

    outcome(exchange)


def _oauth(c: Choices, text: bytes) -> None:
    issuer = c.pick((None, "https://issuer.example", "https://issuer.example/a/"))
    outcome(lambda: oauth.read_refusal(text, oauth.OAuth(lambda request: "token", issuer)))


def _certificate(c: Choices, data: bytes) -> None:
    endpoint.tls_server_end_point(data)


def _pgoutput(c: Choices, stream: bytes) -> None:
    """Messages behind their lengths (int16), as one stream."""

    def read() -> list[Message]:
        decoder, at, found = Decoder(readers(PLAIN)), 0, []
        while at + 2 <= len(stream):
            (size,) = struct.unpack_from(">H", stream, at)
            found.append(decoder.decode(stream[at + 2 : at + 2 + size]))
            at += 2 + size
        return found

    compare([outcome(read) for _ in implementations()])


def _settings(c: Choices, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if "file" in text:
        return  # it would be read
    outcome(lambda: conninfo.parse(text, environ=_ENVIRONMENT))


def _sql(c: Choices, data: bytes) -> None:
    text, standard = data.decode("utf-8", "replace"), c.flag()
    outcome(lambda: statements.plain(text, standard))
    outcome(lambda: statements.with_parameters(text, standard).arrange((1, "x")))
    outcome(lambda: statements.leading_words(text, standard))


def _value(c: Choices, data: bytes) -> None:
    """A value of any type in text or in binary format, by the codec, which says what its parser says."""
    oid, code = OIDS[c.number(2) % len(OIDS)], c.below(2)
    payload = struct.pack(">hi", 1, len(data)) + data
    frame = bytearray(b"D" + struct.pack(">i", 4 + len(payload)) + payload)

    def read(module: ModuleType) -> Any:
        spec = with_records(PLAIN.rules.decode_spec(oid, code), module)
        return module.decode_rows(module.Plan([spec]), frame, 0, len(frame), 1)

    compare([outcome(partial(read, module)) for module in implementations()])


def _forms() -> list[Form]:
    found = dict(sorted(FORMS.items()))
    choices = {"geography": "bytes", "geometry": "bytes", "halfvec": "list", "vector": "list"}
    for (name, sender), form in sorted(EXTENSIONS.items()):
        found[f"{name} {sender}"] = form if isinstance(form, Form) else form(choices[name])
    return list(found.values())


_FORMS: Final = _forms()


def _form(c: Choices, data: bytes) -> None:
    """A type without a kernel: its text and its binary form, read and written again; only what a Form may raise."""
    form, binary = c.pick(_FORMS), c.flag()
    try:
        if not binary:
            value = form.parse(data.decode("utf-8", "replace"))
        elif form.decode is not None:
            value = form.decode(data)
        else:
            return
        if form.encode is not None:
            form.encode(value)
        form.render(value)
    except (TypeError, ValueError, Error):
        return  # it says what is wrong


_PARSERS: Final[tuple[Callable[[Choices, bytes], None], ...]] = (
    *(_translated, _written, _scram, _oauth, _certificate, _pgoutput, _settings, _sql, _value, _form),
)
