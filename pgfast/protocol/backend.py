"""What the server says: the payload of each backend message, parsed into a frozen dataclass.

Law of this file: one table, `PARSERS`, from tag to parser. A parser gets one whole payload, reads it with every length
checked and must end exactly at its end; anything else is a ProtocolError that names the message and the offset. DataRow
and CopyData never come here: they leave as runs.

Source: PostgreSQL docs, "Message Formats" and "Error and Notice Message Fields".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias

from .. import const
from ..errors import Diagnostic, ProtocolError

_I16: Final = Struct("!h")
_U16: Final = Struct("!H")
_I32: Final = Struct("!i")
_U32: Final = Struct("!I")
_FIELD: Final = Struct("!IhIhih")

# Authentication codes (docs: AuthenticationOk and its siblings).
AUTH_OK: Final = 0
AUTH_CLEARTEXT_PASSWORD: Final = 3
AUTH_MD5_PASSWORD: Final = 5
AUTH_GSS: Final = 7
AUTH_GSS_CONTINUE: Final = 8
AUTH_SASL: Final = 10
AUTH_SASL_CONTINUE: Final = 11
AUTH_SASL_FINAL: Final = 12


@dataclass(frozen=True, slots=True)
class Authentication:
    """How the server wants to be convinced: `code` as AUTH_* here, `data` whatever follows it."""

    code: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BackendKeyData:
    """What a CancelRequest must carry; the key is 4 bytes in protocol 3.0."""

    process_id: int
    secret_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A message without payload, whose tag says it all: ParseComplete, BindComplete, NoData, CopyDone..."""

    tag: int


#: Digits of the largest number of rows; Python refuses to read some thousand digits at all.
_MOST_DIGITS: Final = 20


@lru_cache(maxsize=256)
def rows_of(tag: str) -> int:
    """Rows that a command touched, by the last word of its tag; -1 where it has none."""
    word = tag.rpartition(" ")[2]
    return int(word) if word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS else -1


@dataclass(frozen=True, slots=True)
class CommandComplete:
    """The command tag, such as `INSERT 0 3`."""

    tag: str

    @property
    def rows(self) -> int:
        """Rows the command touched."""
        return rows_of(self.tag)


@dataclass(frozen=True, slots=True)
class CopyResponse:
    """CopyInResponse, CopyOutResponse or CopyBothResponse, as `tag` says.

    `format` is the overall format, const.TEXT or BINARY, `column_formats` that of each column.
    """

    tag: int
    format: int
    column_formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error, with every field the server sent."""

    diag: Diagnostic

    @property
    def fatal(self) -> bool:
        """Whether the server ends the session with it. Servers before 9.6 send the translated severity only."""
        return (self.diag.severity_nonlocalized or self.diag.severity) in ("FATAL", "PANIC")


@dataclass(frozen=True, slots=True)
class FunctionCallResponse:
    """What a function gave, None for NULL."""

    value: bytes | None


@dataclass(frozen=True, slots=True)
class NoticeResponse:
    """A notice or warning, with every field the server sent."""

    diag: Diagnostic


@dataclass(frozen=True, slots=True)
class NegotiateProtocolVersion:
    """The newest version the server speaks, and the protocol options it does not know."""

    version: int
    options: tuple[str, ...]


class Notification(NamedTuple):
    """What NOTIFY sent: by which backend, on which channel, with which payload."""

    channel: str
    payload: str
    pid: int


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """The types of a statement's parameters, as the server inferred them."""

    type_oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ParameterStatus:
    """A setting the server reports, at the start and whenever it changes."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ReadyForQuery:
    """The end of an exchange: transaction status I (idle), T (in a transaction) or E (in a failed one)."""

    status: str


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a result.

    `table_oid` and `column_number` are 0 where it is not a table's; `format` const.TEXT or BINARY.
    """

    name: str
    table_oid: int
    column_number: int
    type_oid: int
    type_size: int
    typmod: int
    format: int


@dataclass(frozen=True, slots=True)
class RowDescription:
    """The columns of the rows that follow."""

    fields: tuple[Field, ...]


Message: TypeAlias = (
    Authentication
    | BackendKeyData
    | Acknowledgement
    | CommandComplete
    | CopyResponse
    | ErrorResponse
    | FunctionCallResponse
    | NoticeResponse
    | NegotiateProtocolVersion
    | Notification
    | ParameterDescription
    | ParameterStatus
    | ReadyForQuery
    | RowDescription
)


class _Payload:
    """A cursor over one payload; every read is checked against its end."""

    __slots__ = ("at", "data", "name")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.at = 0

    def unpack(self, layout: Struct) -> tuple[Any, ...]:
        """The next fixed-width numbers."""
        if len(self.data) - self.at < layout.size:
            raise ProtocolError(f"{self.name} ends at offset {self.at}, inside a number")
        values = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return values

    def integer(self, layout: Struct) -> int:
        """The next number."""
        return int(self.unpack(layout)[0])

    def count(self, layout: Struct, item_bytes: int) -> int:
        """The next number as a count of items of at least `item_bytes` each, which must still be there."""
        count = self.integer(layout)
        if count < 0 or count * item_bytes > len(self.data) - self.at:
            raise ProtocolError(f"{self.name} announces {count} items, {len(self.data) - self.at} bytes are left")
        return count

    def string(self, errors: str = "strict") -> str:
        """The next NUL-terminated string."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise ProtocolError(f"{self.name} ends inside the string at offset {self.at}")
        start, self.at = self.at, end + 1
        try:
            return self.data[start:end].decode("utf-8", errors)
        except UnicodeDecodeError as exc:
            raise ProtocolError(f"{self.name}: the string at offset {start} is not valid UTF-8") from exc

    def rest(self) -> bytes:
        """Everything left."""
        start, self.at = self.at, len(self.data)
        return self.data[start:]

    def finish(self) -> None:
        """Raise unless everything has been read."""
        if self.at != len(self.data):
            raise ProtocolError(f"{self.name} has {len(self.data) - self.at} bytes too many at offset {self.at}")


#: Field codes of ErrorResponse and NoticeResponse, and where they go in a Diagnostic. Unknown codes are left out, as
#: the docs demand.
_DIAGNOSTIC_FIELDS: Final = {
    "S": "severity",
    "V": "severity_nonlocalized",
    "C": "sqlstate",
    "M": "message_primary",
    "D": "message_detail",
    "H": "message_hint",
    "P": "statement_position",
    "p": "internal_position",
    "q": "internal_query",
    "W": "context",
    "s": "schema_name",
    "t": "table_name",
    "c": "column_name",
    "d": "datatype_name",
    "n": "constraint_name",
    "F": "source_file",
    "L": "source_line",
    "R": "source_function",
}


def _diagnostic(payload: _Payload) -> Diagnostic:
    # Before the session's encoding is settled the server writes in its own, so wrong bytes are replaced rather than
    # refused.
    found: dict[str, str] = {}
    while True:
        if payload.at >= len(payload.data):
            raise ProtocolError(f"{payload.name} ends at offset {payload.at}, before its terminator")
        code = chr(payload.data[payload.at])
        payload.at += 1
        if code == "\0":
            return Diagnostic(**found)
        text = payload.string("replace")
        if code in _DIAGNOSTIC_FIELDS:
            found[_DIAGNOSTIC_FIELDS[code]] = text


def _authentication(payload: _Payload) -> Authentication:
    return Authentication(payload.integer(_I32), payload.rest())


def _backend_key_data(payload: _Payload) -> BackendKeyData:
    process_id, key = payload.integer(_I32), payload.rest()
    if not 4 <= len(key) <= 256:
        raise ProtocolError(f"BackendKeyData has a key of {len(key)} bytes, 4 to 256 are allowed")
    return BackendKeyData(process_id, key)


def _command_complete(payload: _Payload) -> CommandComplete:
    return CommandComplete(payload.string())


def _function_call(payload: _Payload) -> FunctionCallResponse:
    size = payload.integer(_I32)
    value = payload.rest()
    if size != (len(value) if value else size) or size < -1 or (size > 0 and not value):
        raise ProtocolError(f"FunctionCallResponse announces {size} bytes and has {len(value)}")
    return FunctionCallResponse(None if size < 0 else value)


def _negotiate(payload: _Payload) -> NegotiateProtocolVersion:
    version = payload.integer(_I32)
    count = payload.count(_I32, 1)
    return NegotiateProtocolVersion(version, tuple([payload.string() for _ in range(count)]))


def _notification(payload: _Payload) -> Notification:
    pid = payload.integer(_I32)
    channel = payload.string()
    return Notification(channel, payload.string(), pid)


def _parameter_description(payload: _Payload) -> ParameterDescription:
    count = payload.count(_U16, 4)
    return ParameterDescription(payload.unpack(Struct(f"!{count}I")))


def _parameter_status(payload: _Payload) -> ParameterStatus:
    name = payload.string("replace")
    return ParameterStatus(name, payload.string("replace"))


def _ready_for_query(payload: _Payload) -> ReadyForQuery:
    status = payload.rest()
    if status not in (b"I", b"T", b"E"):
        raise ProtocolError(f"ReadyForQuery has the transaction status {status[:8]!r}, I, T and E are known")
    return ReadyForQuery(status.decode("ascii"))


def _row_description(payload: _Payload) -> RowDescription:
    count = payload.count(_I16, 1 + _FIELD.size)
    fields = []
    for _ in range(count):
        name = payload.string()
        field = Field(name, *payload.unpack(_FIELD))
        if field.format not in (const.TEXT, const.BINARY):
            raise ProtocolError(f"RowDescription: column {name!r} has the unknown format code {field.format}")
        fields.append(field)
    return RowDescription(tuple(fields))


def _copy_response(tag: int) -> Callable[[_Payload], CopyResponse]:
    def parse(payload: _Payload) -> CopyResponse:
        overall = payload.data[0] if payload.data else -1
        payload.at = 1
        if overall not in (const.TEXT, const.BINARY):
            raise ProtocolError(f"{payload.name} has the unknown format code {overall}")
        count = payload.count(_I16, 2)
        formats = payload.unpack(Struct(f"!{count}h"))
        if not {const.TEXT, overall}.issuperset(formats):  # where the whole is text all columns are (docs)
            raise ProtocolError(f"{payload.name} has the format {overall}, and columns of others")
        return CopyResponse(tag, overall, formats)

    return parse


def _acknowledgement(tag: int) -> Callable[[_Payload], Acknowledgement]:
    message = Acknowledgement(tag)
    return lambda payload: message


_TABLE: Final[dict[int, tuple[str, Callable[[_Payload], Message]]]] = {
    const.AUTHENTICATION: ("Authentication", _authentication),
    const.BACKEND_KEY_DATA: ("BackendKeyData", _backend_key_data),
    const.BIND_COMPLETE: ("BindComplete", _acknowledgement(const.BIND_COMPLETE)),
    const.CLOSE_COMPLETE: ("CloseComplete", _acknowledgement(const.CLOSE_COMPLETE)),
    const.COMMAND_COMPLETE: ("CommandComplete", _command_complete),
    const.COPY_DONE: ("CopyDone", _acknowledgement(const.COPY_DONE)),
    const.COPY_IN_RESPONSE: ("CopyInResponse", _copy_response(const.COPY_IN_RESPONSE)),
    const.COPY_OUT_RESPONSE: ("CopyOutResponse", _copy_response(const.COPY_OUT_RESPONSE)),
    const.COPY_BOTH_RESPONSE: ("CopyBothResponse", _copy_response(const.COPY_BOTH_RESPONSE)),
    const.EMPTY_QUERY_RESPONSE: ("EmptyQueryResponse", _acknowledgement(const.EMPTY_QUERY_RESPONSE)),
    const.ERROR_RESPONSE: ("ErrorResponse", lambda payload: ErrorResponse(_diagnostic(payload))),
    const.FUNCTION_CALL_RESPONSE: ("FunctionCallResponse", _function_call),
    const.NEGOTIATE_PROTOCOL_VERSION: ("NegotiateProtocolVersion", _negotiate),
    const.NO_DATA: ("NoData", _acknowledgement(const.NO_DATA)),
    const.NOTICE_RESPONSE: ("NoticeResponse", lambda payload: NoticeResponse(_diagnostic(payload))),
    const.NOTIFICATION_RESPONSE: ("NotificationResponse", _notification),
    const.PARAMETER_DESCRIPTION: ("ParameterDescription", _parameter_description),
    const.PARAMETER_STATUS: ("ParameterStatus", _parameter_status),
    const.PARSE_COMPLETE: ("ParseComplete", _acknowledgement(const.PARSE_COMPLETE)),
    const.PORTAL_SUSPENDED: ("PortalSuspended", _acknowledgement(const.PORTAL_SUSPENDED)),
    const.READY_FOR_QUERY: ("ReadyForQuery", _ready_for_query),
    const.ROW_DESCRIPTION: ("RowDescription", _row_description),
}

_RUNS: Final = {const.DATA_ROW: "DataRow", const.COPY_DATA: "CopyData"}


def name_of(tag: int) -> str:
    """The message's name as the docs have it, for error texts."""
    if tag in _TABLE:
        return _TABLE[tag][0]
    return _RUNS.get(tag) or f"message {chr(tag)!r}"


def parse(tag: int, payload: bytes) -> Message:
    """The message with this tag and payload. Raises ProtocolError for an unknown tag or a payload that does not fit."""
    entry = _TABLE.get(tag)
    if entry is None:
        raise ProtocolError(f"{name_of(tag)} is not one a server sends here")
    reader = _Payload(entry[0], payload)
    message = entry[1](reader)
    reader.finish()
    return message
