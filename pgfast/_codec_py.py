"""The pure codec: buffers, framing, and the runs of rows and columns in both directions.

Law of this file: it is the reference text of the compiled `_codec.pyx`, which does the same to the last exception;
the full contract of every name stands here, or where `kernels/` has the whole of it. The loops over one value live
there too. Nothing here knows a socket, a session or a PostgreSQL type.

Sources: PostgreSQL docs, "Message Formats" and "COPY" (binary and text format); the Arrow columnar format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, final

from . import const
from .errors import DatabaseError, DataError, fault, faults
from .errors.faults import buffer_misuse
from .kernels import decode_py, encode_py, runs_py, tuples_py
from .kernels.block_py import BLOCK_ROWS, append_rows
from .kernels.buffers_py import FRAME, HEAD, ReadBuffer, WriteBuffer
from .kernels.csvstate_py import CsvState, encode_copy_csv, survey_csv
from .kernels.shapes import ColumnBuffers, SinkSpec, SourceColumn, Spec
from .kernels.sink_py import Chunk, SinkColumn
from .kernels.source_py import Source, source_lists

__all__ = [
    "IMPLEMENTATION",
    "ColumnSink",
    "CopyState",
    "CsvState",
    "Plan",
    "ReadBuffer",
    "Replies",
    "WriteBuffer",
    "decode_columns",
    "decode_copy_columns",
    "decode_copy_data",
    "decode_copy_rows",
    "decode_copy_text",
    "decode_rows",
    "encode_binds",
    "encode_copy_columns",
    "encode_copy_csv",
    "encode_copy_rows",
    "encode_copy_text",
    "survey_csv",
]

IMPLEMENTATION: Final = "python"

#: Rows one call of `encode_copy_columns` encodes at most when a column holds Python objects.
OBJECT_ROWS: Final = 4096


@final
class Plan:
    """What to do with each column, decided once for a statement.

    `specs`: one (kind, OID, precision, scale, children, labels) for each column; an OID is checked where composites
    and arrays say it, unless it is 0. A numeric of precision 0 becomes exact text, of precision 1 to 38 a decimal128,
    of 39 to 76 a decimal256; an array of one dimension a list of its one child; a composite a struct of its children;
    an enum a dictionary that begins with `labels`, to which others are added as they come. It is `full` at `batch_rows`
    rows, or when a column that int32 offsets must reach has `batch_bytes`. A fault leaves it as it was before the call.
    """

    __slots__ = ("_columns", "_decoders", "_encoders", "_formats", "_keys", "_reader", "_writer")

    def __init__(self, specs: Sequence[Spec], keys: Sequence[str] = ()) -> None:
        self._decoders = []
        self._encoders = []
        formats = bytearray()
        for spec in specs:
            decode_py.check_spec(spec, 0)
            self._decoders.append(decode_py.decoder(spec))
            self._encoders.append(encode_py.encoder(spec))
            formats += b"\0\0" if spec[0] == const.KIND_TEXT_CALL else b"\0\1"
        if keys and len(keys) != len(specs):
            raise buffer_misuse(f"{len(keys)} keys for {len(specs)} columns")
        self._keys = tuple(keys)
        self._formats = bytes(formats)
        self._reader = runs_py.row_reader(specs)
        self._writer = tuples_py.Writer(specs)
        self._columns = tuples_py.Columns(specs, keys)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._decoders)

    @property
    def formats(self) -> bytes:
        """The format code of each column, int16 big-endian: 0 for KIND_TEXT_CALL, else 1."""
        return self._formats

    def _decode(self, data: bytes, start: int, stop: int, base: int) -> tuple[Any, ...]:
        """The values of one tuple at data[start:stop]; `base` is the offset of its first byte in a fault."""
        try:
            row, places = self._reader.values(data, start, stop)
        except runs_py.DOUBTS:
            return self._decode_fields(data, start, stop, base)
        for column, at in zip(self._reader.held, places, strict=True):
            if row[column] is not None:
                row[column] = self._decoders[column](row[column], at - start + base, column)
        return tuple(row)

    def _decode_fields(self, block: bytes, start: int, stop: int, base: int) -> tuple[Any, ...]:
        """As `_decode`, field by field: every fault is found here."""
        return tuple(
            [
                None if end < 0 else decode(block[begin:end], begin - start + base, column)
                # _fields comes first, so that it is asked once more after the last column and sees what is left over
                for column, ((begin, end), decode) in enumerate(
                    zip(_fields(block, start, stop, base, len(self._decoders)), self._decoders, strict=False)
                )
            ]
        )

    def _encode(self, buffer: bytearray, row: Any, at: int) -> None:
        """Append the fields of one row, each with its length word; what was appended stays there on a fault."""
        if self._writer.writes:
            try:
                buffer += b"".join(self._writer.fields(row))
            except tuples_py.DOUBTS:
                pass  # value by value then
            else:
                return
        for column, encode in enumerate(self._encoders):
            value = row[column]
            data = None if value is None else encode(value, at, column)
            if data is None:
                buffer += encode_py.NULL_LENGTH
                continue
            if len(data) > const.MAX_INT32:
                raise fault(faults.FAULT_MESSAGE_SIZE, at, column)
            buffer += decode_py.I32.pack(len(data))
            buffer += data

    def _values(self, row: Any, at: int) -> Sequence[Any]:
        """The values of a row in column order, its width checked."""
        if isinstance(row, (tuple, list)):
            made = row if type(row) is tuple else tuple(row)
            if len(made) != len(self._encoders):
                raise fault(faults.FAULT_ROW_WIDTH, at, -1, (len(made), len(self._encoders)))
            return made
        if not self._keys or not isinstance(row, Mapping):
            raise fault(faults.FAULT_ROW_TYPE, at, -1, row)
        values = []
        for column, key in enumerate(self._keys):
            try:
                values.append(row[key])
            except KeyError:
                raise fault(faults.FAULT_ROW_KEY, at, column, key) from None
        if len(row) != len(values):
            raise fault(faults.FAULT_ROW_WIDTH, at, -1, (len(row), len(values)))
        return values


def _fields(block: bytes, start: int, stop: int, base: int, width: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of each field of the tuple at block[start:stop]; end is -1 for NULL."""
    if stop - start < 2:
        raise fault(faults.FAULT_ROW_SHORT, base, -1)
    count = decode_py.I16.unpack_from(block, start)[0]
    if count != width:
        raise fault(faults.FAULT_FIELD_COUNT, base, -1, count)
    at = start + 2
    for column in range(width):
        if stop - at < 4:
            raise fault(faults.FAULT_ROW_SHORT, at - start + base, column)
        length = decode_py.I32.unpack_from(block, at)[0]
        at += 4
        if length >= 0:
            if length > stop - at:
                raise fault(faults.FAULT_FIELD_OVERRUN, at - 4 - start + base, column, length)
            yield at, at + length
            at += length
        elif length == -1:
            yield at, -1
        else:
            raise fault(faults.FAULT_FIELD_LENGTH, at - 4 - start + base, column, length)
    if at != stop:
        raise fault(faults.FAULT_ROW_TAIL, at - start + base, -1, stop - at)


def _run(block: bytearray, start: int, stop: int) -> bytes:
    """The bytes of a run, its own: a call on the way may run any code."""
    if not 0 <= start <= stop <= len(block):
        raise buffer_misuse(f"run {start}:{stop} lies outside its block of {len(block)} bytes")
    return bytes(memoryview(block)[start:stop])


def _frames(block: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the payload of each frame of a run."""
    while start < stop:
        if stop - start < HEAD:
            raise buffer_misuse("the run ends inside a frame")
        length = FRAME.unpack_from(block, start)[1]
        if not 4 <= length <= stop - start - 1:
            raise buffer_misuse("the run ends inside a frame")
        yield start + HEAD, start + 1 + length
        start += 1 + length


def decode_rows(plan: Plan, block: bytearray, start: int, stop: int, count: int) -> list[tuple[Any, ...]]:
    """The rows of a run of DataRow, one tuple each.

    KIND_CALL columns are `call(bytes)`, KIND_TEXT_CALL, KIND_JSON and KIND_JSONB `call(str)`; without a call the
    bytes or str itself. Equal values may be one object: a plan keeps some thousand values that came again (numerics,
    dates, timestamps, UUIDs, short texts), never what a call made, and lets go of them when it dies.
    `count` says how many rows to expect and is not trusted. Errors: ProtocolError for bytes the server would not send,
    DataError for values Python cannot hold; offsets count from the start of the row's message.
    (docs: Message Formats, DataRow; server: printtup.c)
    """
    data = _run(block, start, stop)
    if plan._reader.uniform(data, HEAD):
        try:
            return plan._reader.rows(data, HEAD)
        except runs_py.DOUBTS:
            pass  # field by field then
    return [plan._decode(data, begin, end, HEAD) for begin, end in _frames(data, 0, len(data))]


@final
class Replies:
    """The answers to executions, taken from a ReadBuffer as they come: BindComplete, rows, CommandComplete.

    What has been taken of an execution whose end has not come is kept for the next `take`. Any other message (an error,
    a notice, ReadyForQuery), and one of these that is malformed, is left where it is.
    """

    __slots__ = ("_bound", "_buffer", "_failure", "_rows", "_singly")

    def __init__(self, buffer: ReadBuffer) -> None:
        self._buffer = buffer
        self.reset()

    @property
    def bound(self) -> bool:
        """Whether the BindComplete of an execution has been taken and its end has not."""
        return self._bound

    def reset(self) -> None:
        """Forget what was taken of an execution that has not ended."""
        self._rows: list[tuple[Any, ...]] = []
        self._bound = self._singly = False
        self._failure: BaseException | None = None

    def take(self, plan: Plan | None, most: int) -> tuple[list[str], list[tuple[Any, ...]], list[int]]:
        """(command tags, rows, where each one's rows end) of the executions whose answers end in the buffer.

        At most `most` of them; the rows of all stand one after the other in a single list. With plan None an execution
        has no rows, and a DataRow is left where it is. Rows as in `decode_rows`; what is raised for a row is raised
        when the executions before it have been given back, and the row is then behind.
        (docs: Message Flow, Extended Query)
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        tags: list[str] = []
        ends: list[int] = []
        try:
            while len(tags) < most and self._take_frame(plan, tags, ends):
                pass
        except BaseException as exc:
            if not tags:
                raise
            self._failure = exc
        if not tags:
            return tags, [], ends
        rows, count = self._rows, ends[-1]
        self._rows = rows[count:]
        del rows[count:]
        return tags, rows, ends

    def take_single(self, plan: Plan | None) -> tuple[str, list[tuple[Any, ...]], str] | None:
        """(command tag, rows, transaction status) of an execution and the ReadyForQuery behind it, or None.

        None where not all of it has come, or anything of it is not in order; then nothing has been taken, and `take`
        is to be asked. The status is "I", "T" or "E".
        """
        buffer = self._buffer
        start, end = buffer._start, buffer._end
        if self._bound or end - start < HEAD:
            return None
        block, most = buffer._block, buffer._max
        at = start + HEAD
        if block[start:at] != _BIND_COMPLETE:
            return None
        spans = []
        while True:
            if end - at < HEAD:
                return None
            kind, length = FRAME.unpack_from(block, at)
            if not 4 <= length <= most or length >= end - at:
                return None
            begin, at = at + HEAD, at + 1 + length
            if kind != const.DATA_ROW:
                if length > const.MAX_SHORT_MESSAGE:
                    return None
                break
            spans.append((begin, at))
        ready = at + HEAD + 1
        if ready > end or block[at : ready - 1] != _READY_FOR_QUERY or (spans and plan is None):
            return None
        status = _READY_STATUSES.get(block[ready - 1])
        if kind == const.COMMAND_COMPLETE:
            tag = _text_of_tag(bytes(block[begin:at]))
        else:
            tag = "" if kind == const.EMPTY_QUERY_RESPONSE and at == begin else None
        if status is None or tag is None:
            return None
        rows: list[tuple[Any, ...]] = []
        if spans:
            assert plan is not None
            try:
                if len(spans) < runs_py.FEW:
                    data = bytes(block[start:at])
                    rows = [plan._decode(data, first - start, last - start, HEAD) for first, last in spans]
                else:
                    rows = decode_rows(plan, block, start + HEAD, begin - HEAD, 0)
            except Exception:
                return None  # `take` comes to it again, and says how far it came
        buffer._start = ready
        return tag, rows, status

    def _take_frame(self, plan: Plan | None, tags: list[str], ends: list[int]) -> bool:
        """Whether the next frame was one to take; it has then been taken, whatever is raised for it."""
        buffer = self._buffer
        at, block = buffer._start, buffer._block
        length = buffer._frame_length(at)
        if length == 0 or buffer._end - at < length:
            return False
        tag = block[at]
        if not self._bound:
            if tag != const.BIND_COMPLETE or length != HEAD:
                return False
            self._bound = True
        elif tag == const.DATA_ROW:
            if plan is None:
                return False
            self._take_rows(plan, at, at + length)
            return True
        elif tag == const.COMMAND_COMPLETE:
            text = _text_of_tag(bytes(block[at + HEAD : at + length]))
            if text is None:
                return False
            self._end(tags, ends, text)
        elif tag == const.EMPTY_QUERY_RESPONSE and length == HEAD:
            self._end(tags, ends, "")
        else:
            return False
        buffer._start = at + length
        return True

    def _take_rows(self, plan: Plan, at: int, end: int) -> None:
        """Decode the rows from `at` on; where one of them cannot be read, only the first, which ends at `end`."""
        buffer = self._buffer
        if not self._singly:
            run = buffer.take_run(const.DATA_ROW)
            assert run is not None, "a whole DataRow stands there"
            try:
                self._rows += decode_rows(plan, *run)
                return
            except DatabaseError:
                self._singly = True
        buffer._start = end
        self._rows.append(plan._decode(bytes(buffer._block[at + HEAD : end]), 0, end - at - HEAD, HEAD))

    def _end(self, tags: list[str], ends: list[int], tag: str) -> None:
        tags.append(tag)
        ends.append(len(self._rows))
        self._bound = self._singly = False


_BIND_COMPLETE: Final = bytes([const.BIND_COMPLETE]) + b"\0\0\0\4"
_READY_FOR_QUERY: Final = bytes([const.READY_FOR_QUERY]) + b"\0\0\0\5"
_READY_STATUSES: Final = {0x49: "I", 0x54: "T", 0x45: "E"}


#: There are few tags, but for the counts in them.
@lru_cache(maxsize=256)
def _text_of_tag(payload: bytes) -> str | None:
    """The command tag of a CommandComplete, None where it is malformed."""
    if payload[-1:] != b"\0" or 0 in payload[:-1]:
        return None
    try:
        return payload[:-1].decode("utf-8")
    except UnicodeDecodeError:
        return None


@final
class ColumnSink:
    """Columns in Arrow layout, grown row by row and cut into batches.

    `specs`: one (kind, OID, precision, scale, children, labels) for each column; an OID is checked where composites
    and arrays say it, unless it is 0. A numeric of precision 0 becomes exact text, of precision 1 to 38 a decimal128,
    of 39 to 76 a decimal256; an array of one dimension a list of its one child; a composite a struct of its children;
    an enum a dictionary that begins with `labels`, to which others are added as they come. It is `full` at
    `batch_rows` rows, or when a column that int32 offsets must reach has `batch_bytes`.
    A fault leaves it as it was before the call.
    """

    __slots__ = ("_batch_bytes", "_batch_rows", "_columns", "_reader", "_rows")

    def __init__(
        self, specs: Sequence[SinkSpec], batch_rows: int = const.BATCH_ROWS, batch_bytes: int = const.BATCH_BYTES
    ) -> None:
        if batch_rows < 1 or batch_bytes < 1:
            raise buffer_misuse("batch_rows and batch_bytes must be at least 1")
        self._columns = [SinkColumn(*spec, 0) for spec in specs]
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._rows = 0
        self._reader = None
        if all(column.takes_many for column in self._columns):
            self._reader = runs_py.field_reader([spec[0] for spec in specs])

    @property
    def rows(self) -> int:
        """Rows gathered since the last cut."""
        return self._rows

    @property
    def full(self) -> bool:
        """Whether the batch should be cut before another row comes."""
        return self._rows >= self._batch_rows or any(column.size_bytes >= self._batch_bytes for column in self._columns)

    def _append(self, block: bytes, start: int, stop: int, base: int) -> None:
        """Take the tuple at block[start:stop]; `base` is the offset of its first byte in a fault."""
        for index, (begin, end) in enumerate(_fields(block, start, stop, base, len(self._columns))):
            data = None if end < 0 else block[begin:end]
            self._columns[index].append(data, begin - start + base, index)
        self._rows += 1

    def _take(self, data: bytes, head: int) -> bool:
        """Whether a whole run was taken; else nothing of it was."""
        if self._reader is None or not data:
            return False
        try:
            size = self._reader.uniform(data, head)
            chunks: list[Chunk]
            if size:
                rows = len(data) // size
                parts = zip(self._columns, self._reader.raw(data, head, size), strict=True)
                chunks = [column.whole(fields, rows) for column, fields in parts]
            else:
                read = self._reader.values
                found = [read(data, begin, end)[0] for begin, end in _frames(data, 0, len(data))]
                rows = len(found)
                fields = zip(*found, strict=True) if found[0] else ()
                chunks = [column.many(values) for column, values in zip(self._columns, fields, strict=True)]
        except runs_py.DOUBTS:
            return False
        sizes = [column.size_bytes + len(chunk.data) for column, chunk in zip(self._columns, chunks, strict=True)]
        if self._rows + rows > self._batch_rows or max(sizes, default=0) >= self._batch_bytes:
            return False  # it is full on the way
        for column, chunk in zip(self._columns, chunks, strict=True):
            column.take(chunk, rows)
        self._rows += rows
        return True

    def cut(self) -> tuple[int, list[ColumnBuffers]]:
        """The batch as (rows, [ColumnBuffers]), given away for good; the sink begins a new one.

        ColumnBuffers is (length, null count, validity or None, offsets or None, data or None, children, dictionary or
        None): validity is a bitmap, least significant bit first, None where nothing is NULL; offsets are
        int32[length + 1]; lists and structs have children instead of data; an enum's data are int32 indices into its
        dictionary, which is a column of text.
        """
        rows, self._rows = self._rows, 0
        return rows, [column.cut() for column in self._columns]


def decode_columns(sink: ColumnSink, block: bytearray, start: int, stop: int, count: int) -> int:
    """The position reached in a run of DataRow whose rows went into the sink.

    Less than `stop` means that the sink is full: cut it and call again from there. Errors as `decode_rows`.
    """
    data = _run(block, start, stop)
    if sink._take(data, HEAD):
        return stop
    for begin, end in _frames(data, 0, len(data)):
        if sink.full:
            return start + begin - HEAD
        sink._append(data, begin, end, HEAD)
    return stop


@final
class CopyState:
    """Where a COPY OUT stream stands between two runs: header and trailer seen, and the bytes of a row that was cut."""

    __slots__ = ("_binary", "_carry", "_header", "_trailer")

    def __init__(self, binary: bool = True) -> None:
        self._binary = binary
        self._header = False
        self._trailer = False
        self._carry = bytearray()

    def finish(self) -> None:
        """Check that the stream is complete: no row begun, and in binary the trailer seen."""
        if self._carry or (self._binary and not self._trailer):
            raise fault(faults.FAULT_COPY_UNFINISHED, 0, -1)

    def _skip_header(self, data: bytes, start: int, stop: int) -> int:
        """Where the first tuple begins; -1 while the header is incomplete. (docs: COPY, File Header)"""
        head = bytes(data[start : min(stop, start + 11)])
        if head != const.COPY_SIGNATURE[: len(head)]:
            raise fault(faults.FAULT_COPY_SIGNATURE, 0, -1)
        if stop - start < 19:
            return -1
        flags, extension = decode_py.DIMENSION.unpack_from(data, start + 11)
        if flags & ~0xFFFF or extension < 0:  # bits 16 to 31 change the format: OIDs, or something newer
            raise fault(faults.FAULT_COPY_SIGNATURE, 0, -1)
        if stop - start - 19 < extension:
            return -1
        self._header = True
        return start + 19 + int(extension)

    def _tuples(self, block: bytes, start: int, stop: int, width: int) -> Iterator[tuple[bytes, int, int]]:
        """(data, start, stop) of each tuple completed by the payload block[start:stop]; the rest is carried over."""
        data = block
        if self._carry:
            self._carry += memoryview(block)[start:stop]
            data, self._carry = bytes(self._carry), bytearray()
            start, stop = 0, len(data)
        if not self._header:
            begin = self._skip_header(data, start, stop)
            if begin < 0:
                self._carry += memoryview(data)[start:stop]
                return
            start = begin
        while start < stop:
            if self._trailer:
                raise fault(faults.FAULT_COPY_AFTER_TRAILER, 0, -1)
            end = self._extent(data, start, stop, width)
            if end < 0:
                self._carry += memoryview(data)[start:stop]
                return
            if not self._trailer:
                yield data, start, end
            start = end

    def _extent(self, data: bytes, start: int, stop: int, width: int) -> int:
        """Where the tuple at `start` ends; -1 while it is incomplete. A trailer is taken for a tuple of two bytes."""
        if stop - start < 2:
            return -1
        count = decode_py.I16.unpack_from(data, start)[0]
        if count == -1:
            self._trailer = True
            return start + 2
        if count != width:
            raise fault(faults.FAULT_FIELD_COUNT, 0, -1, count)
        at = start + 2
        for column in range(width):
            if stop - at < 4:
                return -1
            length = decode_py.I32.unpack_from(data, at)[0]
            if length < -1:
                raise fault(faults.FAULT_FIELD_LENGTH, at - start, column, length)
            if length > const.MAX_MESSAGE_SIZE:
                raise fault(faults.FAULT_FIELD_OVERRUN, at - start, column, length)
            at += 4 + max(length, 0)
            if at > stop:
                return -1
        return at

    def _lines(self, block: bytes, start: int, stop: int) -> list[bytes]:
        """The lines completed by the payload block[start:stop]; the rest is carried over."""
        self._carry += memoryview(block)[start:stop]
        *lines, rest = bytes(self._carry).split(b"\n")
        self._carry = bytearray(rest)
        return lines


def decode_copy_rows(
    plan: Plan, state: CopyState, block: bytearray, start: int, stop: int, count: int
) -> list[tuple[Any, ...]]:
    """The rows completed by a run of CopyData in binary COPY format.

    Errors as `decode_rows`; offsets count from the start of the row's tuple. (docs: COPY, Binary Format)
    """
    run = _run(block, start, stop)
    return [
        plan._decode(data, begin, end, 0)
        for payload in _frames(run, 0, len(run))
        for data, begin, end in state._tuples(run, *payload, plan.width)
    ]


def decode_copy_columns(sink: ColumnSink, state: CopyState, block: bytearray, start: int, stop: int, count: int) -> int:
    """The position reached in a run of CopyData in binary COPY format whose rows went into the sink.

    Less than `stop` means that the sink is full: cut it and call again from there. It stops between messages only.
    """
    run = _run(block, start, stop)
    for begin, end in _frames(run, 0, len(run)):
        if sink.full:
            return start + begin - HEAD
        for data, first, last in state._tuples(run, begin, end, len(sink._columns)):
            sink._append(data, first, last, 0)
    return stop


_UNESCAPED: Final = {0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9, 0x76: 11}
_OCTAL: Final = b"01234567"
_HEX: Final = b"0123456789abcdefABCDEF"


def _unescape(data: bytes) -> bytes:
    """One field of text COPY without its backslashes (server: copyfromparse.c, CopyReadAttributesText)."""
    out, at, stop = bytearray(), 0, len(data)
    while at < stop:
        mark = data.find(b"\\", at)
        if mark < 0 or mark == stop - 1:
            out += data[at:]
            break
        out += data[at:mark]
        code, at = data[mark + 1], mark + 2
        if code in _OCTAL:
            end = mark + 2
            while end < min(stop, mark + 4) and data[end] in _OCTAL:
                end += 1
            out.append(int(data[mark + 1 : end], 8) & 0xFF)
            at = end
        elif code == 0x78 and at < stop and data[at] in _HEX:
            end = at + 1
            if end < stop and data[end] in _HEX:
                end += 1
            out.append(int(data[at:end], 16))
            at = end
        else:
            out.append(_UNESCAPED.get(code, code))
    return bytes(out)


def decode_copy_text(
    state: CopyState, block: bytearray, start: int, stop: int, count: int
) -> list[tuple[str | None, ...]]:
    """The lines completed by a run of CopyData in text COPY format, each a tuple of str, None for `\\N`.

    Lines may be cut anywhere between messages. Text that is not UTF-8 is a DataError whose offset counts from the
    start of the line.
    """
    rows = []
    run = _run(block, start, stop)
    for payload in _frames(run, 0, len(run)):
        for line in state._lines(run, *payload):
            row: list[str | None] = []
            at = 0
            for column, data in enumerate(line.split(b"\t")):
                plain = _unescape(data) if b"\\" in data else data
                row.append(None if data == b"\\N" else decode_py.decode_str(plain, at, column))
                at += len(data) + 1
            rows.append(tuple(row))
    return rows


def decode_copy_data(block: bytearray, start: int, stop: int, count: int) -> bytes:
    """The data of a run of CopyData, joined, whatever its format.

    `count` says how many messages to expect and is not trusted.
    """
    run = _run(block, start, stop)
    return b"".join([run[begin:end] for begin, end in _frames(run, 0, len(run))])


def encode_binds(
    buffer: WriteBuffer,
    plan: Plan,
    head: bytes,
    tail: bytes,
    after: bytes,
    rows: Iterator[Any],
    limit_bytes: int,
) -> tuple[int, bool]:
    """(Bind messages written, whether the iterator ended): one for each row of parameters, `after` behind each.

    `head` and `tail` are what stands before and behind the values in every Bind, `after` is whole messages, such as
    Execute; all three are taken as they are. Stops at the first row where the buffer holds `limit_bytes` or more. A row
    is a tuple, a list, or a mapping when the plan has keys. A row that cannot be written leaves nothing behind and
    raises a DataError whose fault counts rows within this call; what the iterator raises passes through.

    KIND_CALL parameters are what `call` makes, as bytes; KIND_TEXT_CALL as str; KIND_JSON and KIND_JSONB as str or
    bytes. Any other kind takes its own Python type by itself and hands everything else to `call`, which gives back a
    value of that type or None, or raises; for dates and times it may also give the number that a decoder hands to its
    call. Without a call such a value is a DataError. (docs: Message Formats, Bind)
    """
    if not isinstance(rows, Iterator):
        raise buffer_misuse("rows must be an iterator")
    count, width = 0, plan.width
    fields = plan._writer.fields if plan._writer.writes else None
    while len(buffer._data) < limit_bytes:
        try:
            row = next(rows)
        except StopIteration:
            return count, True
        values = row if type(row) is tuple and len(row) == width else plan._values(row, count)
        if fields is not None and buffer._message_at < 0:
            try:
                body = b"".join((head, *fields(values), tail))
                buffer._data += FRAME.pack(const.BIND, len(body) + 4) + body + after
            except tuples_py.DOUBTS:
                pass  # value by value then; struct.error: the message is too long
            else:
                count += 1
                continue
        buffer.begin(const.BIND)
        try:
            buffer._data += head
            plan._encode(buffer._data, values, count)
            buffer._data += tail
            buffer.end()
        except BaseException:
            if buffer._message_at >= 0:
                buffer._discard()
            raise
        buffer._data += after
        count += 1
    return count, False


def encode_copy_rows(buffer: WriteBuffer, plan: Plan, rows: Iterator[Any], limit_bytes: int) -> tuple[int, bool]:
    """(rows written, whether the iterator ended): tuples in binary COPY format appended to the open CopyData.

    Stops at the first row edge where the buffer holds `limit_bytes` or more. A row is a tuple, a list, or a mapping
    when the plan has keys. Values as in `encode_binds`. A row that cannot be written leaves nothing behind and raises
    a DataError whose fault counts rows within this call; what the iterator raises passes through.
    """
    if buffer._message_at < 0:
        raise buffer_misuse("no message is open")
    if not isinstance(rows, Iterator):
        raise buffer_misuse("rows must be an iterator")
    data, width, count = buffer._data, plan.width, 0
    head = decode_py.I16.pack(width)
    ahead = tuples_py.rows_ahead(rows, plan._columns)
    while len(data) < limit_bytes:
        if ahead is not None:
            written = ahead.write(data, head, limit_bytes)
            if written:
                count += written
                continue
        try:
            row = next(rows)
        except StopIteration:
            return count, True
        at = len(data)
        try:
            values = row if type(row) is tuple and len(row) == width else plan._values(row, count)
            data += head
            plan._encode(data, values, count)
        except BaseException:
            del data[at:]
            raise
        count += 1
    return count, False


def _encode_many(
    data: bytearray, head: bytes, sources: Sequence[Source], start: int, stop: int, limit_bytes: int
) -> int:
    """The row to go on with: rows appended until `limit_bytes`, or until one is not as it should be, or rare."""
    row_bytes = 0
    while start < stop and len(data) < limit_bytes:
        last = min(start + BLOCK_ROWS, stop)
        if row_bytes:  # as many as there is room for, that few are made twice
            last = min(last, start + (limit_bytes - len(data)) // row_bytes + 1)
        size = len(data)
        try:
            written = append_rows(data, head, source_lists(sources, start, last), last - start, limit_bytes)
        except tuples_py.DOUBTS:
            return start
        row_bytes = (len(data) - size) // written
        start += written
    return start


def encode_copy_columns(
    buffer: WriteBuffer, columns: Sequence[SourceColumn], start: int, stop: int, limit_bytes: int
) -> int:
    """The row to go on with: rows start:stop appended as tuples in binary COPY format to the open CopyData.

    Stops at the first row edge where the buffer holds `limit_bytes` or more, and after OBJECT_ROWS rows when a column
    holds Python objects. A source column is (layout, spec, length, offset, validity, values, offsets, scale,
    variadic, dictionary), layouts as const.LAYOUT_*, lengths and offset in elements; pairs of layout and kind as
    const.COLUMN_PAIRS. On a fault nothing of that row remains; its row counts from `start`.
    """
    if buffer._message_at < 0:
        raise buffer_misuse("no message is open")
    if start < 0 or start > stop:
        raise buffer_misuse(f"rows {start}:{stop} are not a span")
    sources = [Source(source, stop, column) for column, source in enumerate(columns)]
    if any(source[0] == const.LAYOUT_OBJECT for source in columns):
        stop = min(stop, start + OBJECT_ROWS)
    data, head = buffer._data, decode_py.I16.pack(len(columns))
    reached = start
    if not any(source.calls for source in sources):
        reached = _encode_many(data, head, sources, start, stop, limit_bytes)
    for row in range(reached, stop):
        if len(data) >= limit_bytes:
            return row
        at = len(data)
        data += head
        try:
            for source in sources:
                field = source.field(row, row - start)
                if field is None:
                    data += encode_py.NULL_LENGTH
                else:
                    data += decode_py.I32.pack(len(field))
                    data += field
        except DataError:
            del data[at:]
            raise
    return stop


_ESCAPES: Final = {8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 92: r"\\"}


def encode_copy_text(buffer: WriteBuffer, rows: Iterable[Sequence[str | None]]) -> int:
    """Rows written: lines in text COPY format appended to the open CopyData, None as `\\N`.

    A row is a tuple or list of str or None. On a fault nothing of that row remains.
    """
    if buffer._message_at < 0:
        raise buffer_misuse("no message is open")
    count = 0
    for row in rows:
        if not isinstance(row, (tuple, list)):
            raise fault(faults.FAULT_ROW_TYPE, count, -1, row)
        fields = []
        for column, value in enumerate(row):
            if value is None:
                fields.append(b"\\N")
            elif type(value) is str:
                fields.append(encode_py.encode_str(value, count, column).decode().translate(_ESCAPES).encode())
            else:
                raise fault(faults.FAULT_VALUE_TYPE, count, column, value)
        buffer._data += b"\t".join(fields) + b"\n"
        count += 1
    return count
