"""Codec faults: what a kernel reports as numbers, said in words.

Law of this file: both codecs raise only what `fault` returns, so the type, the text and the position of an error
never depend on the implementation. A kernel knows a code, a position, a column and one value; everything else is
decided here.
"""

from __future__ import annotations

from typing import Any, Final

from .base import DatabaseError, DataError, FaultInfo, InterfaceError, ProtocolError

# Frames.
FAULT_FRAME_LENGTH: Final = 1  # value: the length word
FAULT_FRAME_SIZE: Final = 2  # value: the length word
FAULT_FRAME_KIND: Final = 29  # value: the length word
# Fields of a DataRow or of a binary COPY tuple.
FAULT_ROW_SHORT: Final = 3
FAULT_FIELD_COUNT: Final = 4  # value: the count on the wire
FAULT_FIELD_LENGTH: Final = 5  # value: the length word
FAULT_FIELD_OVERRUN: Final = 6  # value: the length word
FAULT_ROW_TAIL: Final = 7  # value: bytes left over
# Values on the wire.
FAULT_FIELD_WIDTH: Final = 8  # value: the length of the field
FAULT_TEXT: Final = 9
FAULT_NUMERIC: Final = 10
FAULT_ARRAY: Final = 11
FAULT_VALUE: Final = 12
# Binary and text COPY as streams.
FAULT_COPY_SIGNATURE: Final = 13
FAULT_COPY_AFTER_TRAILER: Final = 14
FAULT_COPY_UNFINISHED: Final = 15
# Values that are right but cannot be held by what they are decoded into.
FAULT_DATE_RANGE: Final = 16
FAULT_TIME_RANGE: Final = 17
FAULT_CALL: Final = 18  # value: the exception of the Python callable
FAULT_DECIMAL_RANGE: Final = 19
FAULT_INTERVAL_RANGE: Final = 20
FAULT_DIMENSIONS: Final = 21  # value: number of dimensions
FAULT_COLUMN_SIZE: Final = 22
FAULT_COMPOSITE: Final = 23
FAULT_COMPOSITE_SHAPE: Final = 24  # value: what stands there, a number of attributes or the OID of one
FAULT_RANGE: Final = 25
FAULT_RANGE_BOUND: Final = 26
FAULT_LOWER_BOUND: Final = 27  # value: the lower bound
FAULT_NESTING: Final = 28
# Encoding: `at` is the row's index within the call; value: the Python value, or a number where said.
FAULT_VALUE_TYPE: Final = 32
FAULT_VALUE_RANGE: Final = 33
FAULT_NUL: Final = 34
FAULT_TEXT_ENCODE: Final = 35
FAULT_ROW_WIDTH: Final = 36  # value: (values given, columns wanted)
FAULT_ROW_TYPE: Final = 37
FAULT_ROW_KEY: Final = 38  # value: the missing key
FAULT_MESSAGE_SIZE: Final = 39
FAULT_ARRAY_SHAPE: Final = 40
FAULT_COERCE: Final = 41  # value: (the Python value, the exception of the coercion)
FAULT_SOURCE_BUFFER: Final = 42
FAULT_SUBMICROSECOND: Final = 43  # value: the integer
FAULT_TIMEZONE: Final = 44  # value: the Python value
FAULT_NUMERIC_TEXT: Final = 45  # value: the text
FAULT_COMPOSITE_WIDTH: Final = 46  # value: (values given, attributes of the type)
FAULT_LOWER_BOUNDS: Final = 47  # value: the Array
FAULT_CSV_FIELD: Final = 48  # value: the text
FAULT_CSV_RECORD: Final = 49
FAULT_CSV_UTF8: Final = 50  # value: the bytes
FAULT_TIME_OF_DAY: Final = 51  # value: the integer
FAULT_CSV_COMMA: Final = 52  # value: the text
FAULT_CSV_DAY: Final = 53  # value: the text

_DECODE: Final[dict[int, tuple[type[DatabaseError], str]]] = {
    FAULT_FRAME_LENGTH: (ProtocolError, "message length {value} is less than 4, the length of the length word itself"),
    FAULT_FRAME_SIZE: (ProtocolError, "message length {value} is beyond max_message_size"),
    FAULT_FRAME_KIND: (ProtocolError, "message length {value} is beyond what a message with this tag can have"),
    FAULT_ROW_SHORT: (ProtocolError, "row ends inside a length word at offset {at}"),
    FAULT_FIELD_COUNT: (ProtocolError, "row has {value} fields, its description has another number"),
    FAULT_FIELD_LENGTH: (ProtocolError, "length {value} at offset {at} is negative and not the NULL mark -1"),
    FAULT_FIELD_OVERRUN: (ProtocolError, "length {value} at offset {at} exceeds the bytes left in the row"),
    FAULT_ROW_TAIL: (ProtocolError, "{value} unread bytes after the last field, at offset {at}"),
    FAULT_FIELD_WIDTH: (ProtocolError, "length {value} at offset {at} is not the width of the type"),
    FAULT_TEXT: (DataError, "text at offset {at} is not valid UTF-8"),
    FAULT_NUMERIC: (ProtocolError, "malformed numeric at offset {at}"),
    FAULT_ARRAY: (ProtocolError, "malformed array at offset {at}"),
    FAULT_VALUE: (ProtocolError, "malformed value at offset {at}"),
    FAULT_COPY_SIGNATURE: (ProtocolError, "COPY data does not begin with the binary COPY signature and a known header"),
    FAULT_COPY_AFTER_TRAILER: (ProtocolError, "COPY data goes on after its trailer"),
    FAULT_COPY_UNFINISHED: (ProtocolError, "COPY data ends in the middle of a row or without its trailer"),
    FAULT_DATE_RANGE: (
        DataError,
        "date or timestamp at offset {at} is infinite or outside the years 1 to 9999 of Python's datetime; "
        "choose types.configure(dates='text') or 'clamp', cast it to text in the query, or fetch columns",
    ),
    FAULT_TIME_RANGE: (
        DataError,
        "time at offset {at} is beyond what Python and Arrow hold (24:00, or an offset of a day); "
        "choose types.configure(times='text') or 'clamp' for rows, or cast it to text in the query",
    ),
    FAULT_CALL: (DataError, "value at offset {at} could not be read: {value}"),
    FAULT_DECIMAL_RANGE: (
        DataError,
        "numeric at offset {at} does not fit the column's decimal type; cast it to text or to another numeric(p,s)",
    ),
    FAULT_INTERVAL_RANGE: (DataError, "interval at offset {at} does not fit; cast it to text"),
    FAULT_DIMENSIONS: (
        DataError,
        "array at offset {at} has {value} dimensions, a column of lists holds one; fetch rows instead",
    ),
    FAULT_COLUMN_SIZE: (DataError, "value at offset {at} would take the column's batch beyond 2147483647 bytes"),
    FAULT_COMPOSITE: (ProtocolError, "malformed composite at offset {at}"),
    FAULT_COMPOSITE_SHAPE: (
        DataError,
        "composite at offset {at} has other attributes than its type had when it was looked up ({value} stands there)",
    ),
    FAULT_RANGE: (ProtocolError, "malformed range at offset {at}"),
    FAULT_RANGE_BOUND: (DataError, "range at offset {at} has a bound that reads as None, which stands for no bound"),
    FAULT_LOWER_BOUND: (
        DataError,
        "array at offset {at} begins at subscript {value}, a column of lists at 1; fetch rows or cast it to text",
    ),
    FAULT_NESTING: (DataError, "record at offset {at} lies deeper in others than is read; cast it to text"),
}

_ENCODE: Final[dict[int, tuple[type[DatabaseError], str]]] = {
    FAULT_VALUE_TYPE: (DataError, "{value} is of type {type}, which does not fit"),
    FAULT_VALUE_RANGE: (DataError, "{value} is out of range"),
    FAULT_NUL: (DataError, "{value} holds a NUL character, which PostgreSQL text cannot store"),
    FAULT_TEXT_ENCODE: (DataError, "{value} cannot be encoded in UTF-8"),
    FAULT_ROW_WIDTH: (DataError, "{value[0]} values where {value[1]} are wanted"),
    FAULT_ROW_TYPE: (DataError, "a row must be a tuple, a list or a mapping, not {type}"),
    FAULT_ROW_KEY: (DataError, "key {value} is missing"),
    FAULT_MESSAGE_SIZE: (DataError, "the message would be longer than 2147483647 bytes"),
    FAULT_ARRAY_SHAPE: (DataError, "{value} is not a rectangular array of at most 6 dimensions"),
    FAULT_COERCE: (DataError, "{value[0]} does not fit: {value[1]}"),
    FAULT_SOURCE_BUFFER: (DataError, "the source column's buffers are shorter than its length and offsets say"),
    FAULT_TIME_OF_DAY: (
        DataError,
        "a date is wanted, and {value} units since 1970 have a time of day; make dates first",
    ),
    FAULT_SUBMICROSECOND: (DataError, "{value} would lose digits below a microsecond; round it first"),
    FAULT_TIMEZONE: (
        DataError,
        "{value} does not fit: a type with time zone wants a value with tzinfo and an offset, one without wants none",
    ),
    FAULT_NUMERIC_TEXT: (DataError, "{value} is not a number"),
    FAULT_COMPOSITE_WIDTH: (DataError, "{value[0]} values for a composite type of {value[1]} attributes"),
    FAULT_LOWER_BOUNDS: (DataError, "{value} has other dimensions than lower bounds, or a bound beyond 32 bits"),
    FAULT_CSV_FIELD: (DataError, "{value} is nothing that is surely read as the server reads it"),
    FAULT_CSV_RECORD: (
        DataError,
        "the record ends otherwise than those before it, inside a quoted field, or is the mark of the data's end",
    ),
    FAULT_CSV_UTF8: (DataError, "{value} is not valid UTF-8"),
    FAULT_CSV_COMMA: (DataError, "{value} is no number with a decimal comma and no other separators"),
    FAULT_CSV_DAY: (DataError, "{value} is no day in the order that dates= says, with a year of four digits"),
}

_WIDTH: Final = 60


def shorten(value: object) -> str:
    """The value's repr, cut to about 60 characters. Never raises."""
    try:
        if isinstance(value, (str, bytes, bytearray)) and len(value) > _WIDTH:
            value = value[: _WIDTH + 1]  # so that repr of a gigabyte is never made
        elif isinstance(value, int) and value.bit_length() > 256:
            return f"an integer of {value.bit_length()} bits"
        text = repr(value)
    except Exception as exc:  # a repr that raises must not hide the error being reported
        text = f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _said(exc: object) -> str:
    """What an exception says, or what it is where it says nothing."""
    try:
        return str(exc) or type(exc).__name__
    except Exception as failure:  # as in `shorten`
        return f"<{type(exc).__name__} whose str raised {type(failure).__name__}>"


def reason(code: int, at: int, value: object = None) -> str:
    """What happened, without saying to which column: the sentence after the colon of a fault's text."""
    if code in _DECODE:
        shown: Any = value if isinstance(value, int) else _said(value) if code == FAULT_CALL else shorten(value)
        return _DECODE[code][1].format(at=at, value=shown)
    shown = shorten(value)
    if isinstance(value, tuple) and code == FAULT_COERCE:
        shown = (shorten(value[0]), str(value[1]))
    elif code in (FAULT_ROW_WIDTH, FAULT_COMPOSITE_WIDTH):
        shown = value
    return _ENCODE[code][1].format(value=shown, type=type(value).__name__)


def fault(code: int, at: int, column: int, value: object = None) -> DatabaseError:
    """The exception for a fault; the caller raises it. `column` is 0-based, -1 where no column is meant."""
    text = reason(code, at, value)
    if code in _DECODE:
        cls = _DECODE[code][0]
        where = f"column {column + 1}: " if column >= 0 else ""
    else:
        cls = _ENCODE[code][0]
        where = f"row {at + 1}, column {column + 1}: " if column >= 0 else f"row {at + 1}: "
    exc = cls(where + text)
    exc.fault = FaultInfo(code, at, column, value)
    cause = value[1] if isinstance(value, tuple) and code == FAULT_COERCE else value
    if isinstance(cause, BaseException):
        exc.__cause__ = cause
    return exc


def buffer_misuse(text: str) -> InterfaceError:
    """The exception for a codec object used against its contract (commit beyond the block, end without begin)."""
    return InterfaceError(text)
