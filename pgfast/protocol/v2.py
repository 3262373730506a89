"""Protocol 2.0, which PostgreSQL 10 to 13 still speak: a layer that turns its bytes into those of 3.0, and back.

How it works. The session and the operations above it know protocol 3.0 only. What the server sends passes through
`Translator.incoming`, which finds where each message ends by reading it (there are no length words) and gives it out
again as 3.0 has it; what the session writes passes through `outgoing`. Rows are re-written field by field, so nothing
here is meant to be quick.

What 2.0 lacks: parameters, prepared statements and every other extended message; SQLSTATE, DETAIL and HINT of errors;
ParameterStatus; the transaction status of ReadyForQuery, which is followed here by the command tags; a way for the
client to give up a COPY; a COPY in binary format. A line `\\.` ends a COPY wherever it stands, so none may be in the
data that is sent.

Law of this file: bytes in, bytes out. Sources: PostgreSQL docs up to version 13, "Frontend/Backend Protocol 2.0";
server: printtup.c (printtup_20), copy.c, fastpath.c of version 13.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Sequence
from struct import Struct
from typing import Final, TypeAlias, TypeVar

from .. import const
from ..errors import DataError, NotSupportedError, OperationalError, ProtocolError
from . import backend
from .statements import leading_words

#: The version word of the startup packet.
VERSION: Final = 131072
_I16: Final = Struct("!h")
_I32: Final = Struct("!i")
_FIELD: Final = Struct("!Ihi")
#: Bytes of database, user and options in the startup packet, and of its two fields that nobody reads.
_STARTUP_FIELDS: Final = (("database", 64), ("user", 32), ("options", 64))
_UNREAD: Final = bytes(128)
#: Most bytes of a string in a message. Without length words nothing else ends a server that never sends the NUL.
_LONGEST_STRING: Final = 1 << 20
_END_OF_COPY: Final = b"\\.\n"
_NEWLINE: Final = re.compile(rb"\r\n|\n|\r")
T = TypeVar("T")
#: Gives its value when all bytes have come that it reads.
Reading: TypeAlias = Generator[None, None, T]
_STATUS_OF_TAG: Final = {
    **dict.fromkeys(("BEGIN", "START TRANSACTION", "SAVEPOINT", "RELEASE"), "T"),
    **dict.fromkeys(("COMMIT", "ROLLBACK", "PREPARE TRANSACTION"), "I"),
}


def _frame(tag: int, *parts: bytes) -> bytes:
    """A message of protocol 3.0."""
    payload = b"".join(parts)
    return bytes((tag,)) + _I32.pack(4 + len(payload)) + payload


class _Incoming:
    """What the server says, message by message.

    Each reader is a generator that stops where bytes are missing and goes on there when they have come: without length
    words nothing else tells how much of a message there is, and a long one is not begun again with each piece of it.
    """

    def __init__(self) -> None:
        self.status = "I"
        #: For each statement under way, whether it ends no transaction although its tag may say so.
        self.staying: deque[bool] = deque()
        self._data = bytearray()
        self._at = 0
        self._made: list[bytes] = []
        self._columns: int | None = None
        self._description: list[bytes] | None = None  # of columns whose format is told by their first row
        self._copying = False
        self._copied = False
        self._held = b""  # lines that may be data or, in front of an error, the server's way of ending the last line
        self._reading = self._read()
        self._failure: ProtocolError | None = None

    def feed(self, data: bytes | memoryview) -> bytes:
        """The messages that are complete now. Raises ProtocolError for bytes that are none."""
        if self._failure is not None:
            raise self._failure
        self._data += data
        try:
            next(self._reading)
        except ProtocolError as exc:
            self._failure = exc
            raise
        del self._data[: self._at]
        self._at = 0
        made = b"".join(self._made)
        self._made.clear()
        return made

    # ------------------------------------------------------------ reading

    def _read(self) -> Reading[None]:
        """Message after message; it never ends."""
        while True:
            if self._at == len(self._data):
                yield
            else:
                yield from self._copy_lines() if self._copying else self._message()

    def _take(self, size: int) -> Reading[bytes]:
        if size < 0 or size > const.MAX_MESSAGE_SIZE:
            raise ProtocolError(f"protocol 2.0: a length of {size} bytes")
        while len(self._data) - self._at < size:
            yield
        found = bytes(self._data[self._at : self._at + size])
        self._at += size
        return found

    def _integer(self, layout: Struct) -> Reading[int]:
        return int(layout.unpack((yield from self._take(layout.size)))[0])

    def _string(self) -> Reading[bytes]:
        """A string with the NUL that ends it."""
        size = 0  # so many bytes are none
        while True:
            end = self._data.find(b"\0", self._at + size)
            size = (end if end >= 0 else len(self._data)) - self._at
            if size > _LONGEST_STRING:
                raise ProtocolError(f"protocol 2.0: a string of more than {_LONGEST_STRING} bytes")
            if end >= 0:
                return (yield from self._take(size + 1))
            yield

    def _put(self, tag: int, *parts: bytes) -> None:
        self._made.append(_frame(tag, *parts))

    def _message(self) -> Reading[None]:
        (tag,) = yield from self._take(1)
        read = _READERS.get(tag)
        if read is None:
            raise ProtocolError(f"protocol 2.0: message {chr(tag)!r} is not one a server sends")
        reading = read(self, tag)
        if reading is not None:
            yield from reading

    # ------------------------------------------------------------ messages

    def _authentication(self, tag: int) -> Reading[None]:
        code = yield from self._integer(_I32)
        salt = yield from self._take({4: 2, backend.AUTH_MD5_PASSWORD: 4}.get(code, 0))
        self._put(tag, _I32.pack(code), salt)

    def _key_data(self, tag: int) -> Reading[None]:
        self._put(tag, (yield from self._take(8)))

    def _ready(self, tag: int) -> None:
        self.staying.clear()
        self._end_statement()
        self._put(tag, self.status.encode())

    def _cursor_name(self, tag: int) -> Reading[None]:
        yield from self._string()

    def _row_description(self, tag: int) -> Reading[None]:
        count = yield from self._integer(_I16)
        if count < 0:
            raise ProtocolError(f"protocol 2.0: a row of {count} columns")
        fields = []
        for _ in range(count):
            name = yield from self._string()
            type_oid, size, typmod = _FIELD.unpack((yield from self._take(_FIELD.size)))
            fields.append(name + bytes(6) + _FIELD.pack(type_oid, size, typmod))
        self._columns, self._description = count, fields

    def _describe(self, code: int) -> None:
        """Give out the description that waited for the format of its rows."""
        if self._description is not None:
            fields, self._description = self._description, None
            form = _I16.pack(code)
            self._put(const.ROW_DESCRIPTION, _I16.pack(len(fields)), *[field + form for field in fields])

    def _row(self, tag: int) -> Reading[None]:
        """AsciiRow (D), whose sizes count themselves, or BinaryRow (B), whose sizes do not."""
        count = self._columns
        if count is None:
            raise ProtocolError("protocol 2.0: a row came without a description of its columns")
        present = yield from self._take((count + 7) // 8)
        own = 4 if tag == const.DATA_ROW else 0
        fields = [_I16.pack(count)]
        for column in range(count):
            if not present[column >> 3] & 0x80 >> (column & 7):
                fields.append(b"\xff\xff\xff\xff")
                continue
            size = yield from self._integer(_I32)
            value = yield from self._take(size - own)
            fields += (_I32.pack(len(value)), value)
        self._describe(const.TEXT if tag == const.DATA_ROW else const.BINARY)
        self._put(const.DATA_ROW, *fields)

    def _complete(self, tag: int) -> Reading[None]:
        command = yield from self._string()
        self._describe(const.TEXT)
        if self._copied:
            if self._held:
                self._put(const.COPY_DATA, self._held)
            self._put(const.COPY_DONE)
        stays = bool(self.staying) and self.staying.popleft()
        name = command[:-1].decode("ascii", "replace")
        self.status = "T" if stays else _STATUS_OF_TAG.get(name, self.status)
        self._end_statement()
        self._put(tag, command)

    def _empty(self, tag: int) -> Reading[None]:
        yield from self._string()
        self._end_statement()
        self._put(tag)

    def _end_statement(self) -> None:
        self._columns = self._description = None
        self._copied, self._held = False, b""

    def _error(self, tag: int) -> Reading[None]:
        fields = yield from self._report()
        self._end_statement()
        if self.status == "T":
            self.status = "E"
        self._put(tag, *fields)

    def _notice(self, tag: int) -> Reading[None]:
        self._put(tag, *(yield from self._report()))

    def _report(self) -> Reading[tuple[bytes, ...]]:
        """The fields of `SEVERITY:  text`."""
        text = (yield from self._string())[:-1].rstrip(b"\n")
        severity, colon, message = text.partition(b":  ")
        if not colon:
            severity, message = b"ERROR", text
        return b"S", severity, b"\0M", message, b"\0\0"

    def _notification(self, tag: int) -> Reading[None]:
        pid = yield from self._take(4)
        self._put(tag, pid, (yield from self._string()), b"\0")

    def _copy_in(self, tag: int) -> None:
        self._put(tag, b"\0\0\0")

    def _copy_out(self, tag: int) -> None:
        self._put(tag, b"\0\0\0")
        self._copying = True

    def _function_result(self, tag: int) -> Reading[None]:
        first = yield from self._take(1)
        value = None
        if first == b"G":
            size = yield from self._integer(_I32)
            value = yield from self._take(size)
            first = yield from self._take(1)
        if first != b"0":
            raise ProtocolError(f"protocol 2.0: a function's result has {first!r} where '0' ends it")
        self._put(tag, b"\xff\xff\xff\xff" if value is None else _I32.pack(len(value)) + value)

    # ------------------------------------------------------------ the lines of a COPY TO STDOUT

    def _copy_lines(self) -> Reading[None]:
        """Whole lines become CopyData, up to the one that ends the COPY.

        In front of an error the server writes two empty lines, which are no data; so two of them wait for what follows.
        """
        size = 0  # so many bytes have no end of a line
        while not (stop := self._data.rfind(b"\n", self._at + size) + 1):
            size = len(self._data) - self._at
            if size > const.MAX_MESSAGE_SIZE:
                raise ProtocolError("protocol 2.0: a line of a COPY is longer than any message may be")
            yield
        region = bytes(self._data[self._at : stop])
        end = 0 if region.startswith(_END_OF_COPY) else region.find(b"\n" + _END_OF_COPY) + 1
        ended = end > 0 or region.startswith(_END_OF_COPY)
        lines = self._held + (region[:end] if ended else region)
        empty = 0
        while empty < 2 and (b"\n" + lines[: len(lines) - empty]).endswith(b"\n\n"):
            empty += 1
        data, self._held = lines[: len(lines) - empty], lines[len(lines) - empty :]
        self._at += end + len(_END_OF_COPY) if ended else len(region)
        self._copying, self._copied = not ended, ended
        if data:
            self._put(const.COPY_DATA, data)


_READERS: Final[dict[int, Callable[[_Incoming, int], Reading[None] | None]]] = {
    const.AUTHENTICATION: _Incoming._authentication,
    const.BACKEND_KEY_DATA: _Incoming._key_data,
    const.READY_FOR_QUERY: _Incoming._ready,
    ord("P"): _Incoming._cursor_name,
    const.ROW_DESCRIPTION: _Incoming._row_description,
    const.DATA_ROW: _Incoming._row,
    ord("B"): _Incoming._row,
    const.COMMAND_COMPLETE: _Incoming._complete,
    const.EMPTY_QUERY_RESPONSE: _Incoming._empty,
    const.ERROR_RESPONSE: _Incoming._error,
    const.NOTICE_RESPONSE: _Incoming._notice,
    const.NOTIFICATION_RESPONSE: _Incoming._notification,
    const.COPY_IN_RESPONSE: _Incoming._copy_in,
    const.COPY_OUT_RESPONSE: _Incoming._copy_out,
    const.FUNCTION_CALL_RESPONSE: _Incoming._function_result,
}


class Translator:
    """The layer below a session of protocol 2.0: whole streams in both directions, cut anywhere."""

    def __init__(self) -> None:
        self._incoming = _Incoming()
        self._written = bytearray()
        self._started = False
        self._line = b"\n"  # the last bytes of the data of a COPY: what its end mark would have to follow
        self._newline = b""  # what the first line of it ended with

    def incoming(self, data: bytes | memoryview) -> bytes:
        """What the session reads of bytes that have come."""
        return self._incoming.feed(data)

    def outgoing(self, data: bytes | memoryview) -> bytes:
        """What goes to the server for bytes that the session has written.

        Raises NotSupportedError for a message that 2.0 does not have, DataError for COPY data that would end the COPY;
        nothing is sent then.
        """
        self._written += data
        at, made = 0, []
        while True:
            head = 1 if self._started else 0
            if len(self._written) - at < head + 4:
                break
            end = at + head + _I32.unpack_from(self._written, at + head)[0]
            if end > len(self._written):
                break
            payload = bytes(self._written[at + head + 4 : end])
            made.append(self._message(self._written[at], payload) if head else self._startup(payload))
            at = end
        del self._written[:at]
        return b"".join(made)

    def _startup(self, payload: bytes) -> bytes:
        self._started = True
        words = payload[4:].split(b"\0")
        given = dict(zip(words[:-2:2], words[1:-2:2], strict=True))
        fields = []
        for name, size in _STARTUP_FIELDS:
            value = given.get(name.encode(), b"")
            if len(value) > size:
                raise OperationalError(f"protocol 2.0 takes at most {size} bytes of {name}, these are {len(value)}")
            fields.append(value.ljust(size, b"\0"))
        packet = _I32.pack(VERSION) + b"".join(fields) + _UNREAD
        return _I32.pack(4 + len(packet)) + packet

    def _message(self, tag: int, payload: bytes) -> bytes:
        if tag == const.QUERY:
            words = leading_words(payload[:-1].decode("utf-8", "replace"))
            self._incoming.staying.extend(map(_stays, words))
            return b"Q" + payload
        if tag == const.PASSWORD:
            return _I32.pack(4 + len(payload)) + payload
        if tag == const.COPY_DATA:
            return self._copy_data(payload)
        if tag == const.COPY_DONE:
            # The server demands of the end mark's line what the first line ended with (copy.c, eol_type).
            newline = self._newline or (b"\r" if self._line.endswith(b"\r") else b"\n")
            begun = self._line.endswith(newline[-1:])
            self._line, self._newline = b"\n", b""
            return (b"" if begun else newline) + b"\\." + newline
        if tag == const.FUNCTION_CALL:
            return self._function_call(payload)
        if tag == const.TERMINATE:
            return b"X"
        raise NotSupportedError(f"protocol 2.0 has no message {chr(tag)!r} of the extended protocol")

    def _copy_data(self, payload: bytes) -> bytes:
        """The lines as they are. One that is the end mark would make the rest of them commands to the server."""
        joined = self._line + payload
        if any(mark in joined for mark in (b"\n\\.\n", b"\n\\.\r", b"\r\\.\r", b"\r\\.\n")):
            raise DataError(
                "the data of the COPY has a line that is just \\. which ends it in protocol 2.0; nothing was copied"
            )
        if not self._newline:
            text = b"\r" + payload if self._line.endswith(b"\r") else payload
            found = _NEWLINE.search(text)
            # A carriage return at the end may be half of one.
            if found is not None and (found.group() != b"\r" or found.end() < len(text)):
                self._newline = found.group()
        self._line = joined[-3:]
        return payload

    @staticmethod
    def _function_call(payload: bytes) -> bytes:
        """The same without format codes: arguments and result are binary."""
        formats = _I16.unpack_from(payload, 4)[0]
        at = 6 + 2 * formats
        count = _I16.unpack_from(payload, at)[0]
        return b"F\0" + payload[:4] + _I32.pack(count) + payload[at + 2 : len(payload) - 2]


def _stays(words: Sequence[str]) -> bool:
    """Whether a statement with these first words stays in the transaction although its tag is one that ends it: a
    ROLLBACK TO SAVEPOINT, or a COMMIT or ROLLBACK that begins the next at once."""
    if words[:1] not in (["rollback"], ["abort"], ["commit"], ["end"]):
        return False
    rest = [word for word in words[1:] if word not in ("work", "transaction")]
    return rest[:1] == ["to"] or rest[:2] == ["and", "chain"]
