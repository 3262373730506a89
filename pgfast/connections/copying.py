"""`cursor.copy()` without its I/O.

What is written becomes CopyData in the session's buffer; runs of CopyData that come become bytes or rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from .. import const
from ..codec import (
    CopyState,
    Plan,
    WriteBuffer,
    decode_copy_data,
    decode_copy_rows,
    decode_copy_text,
    encode_copy_rows,
    encode_copy_text,
)
from ..errors import DataError, InterfaceError, ProgrammingError, ProtocolError, shorten
from ..protocol import operations
from ..protocol.backend import CopyResponse
from ..protocol.operations import AnyQuery, Operation, Params
from ..protocol.session import Run
from ..rows import TupleRow
from ..types.registry import Registry, Rules
from ..types.render import render_any
from .base import BaseConnection

if TYPE_CHECKING:
    from ..codec import Spec
    from ..types.writing import Renderer

_LENGTH: Final = Struct("!I")
#: Bytes that fit into a CopyData beside those that it may hold already.
_LONGEST_PIECE: Final = const.MAX_INT32 - 4 * const.COPY_BLOCK_SIZE


class BaseCopy:
    """A COPY under way: its direction and format, its types where they were set, the rows not given out yet."""

    def __init__(
        self, cursor: Any, statement: AnyQuery | None, params: Params, binary: bool, writer: Any, timeout: float | None
    ) -> None:
        if statement is None and writer is None:
            raise ProgrammingError("a COPY needs a statement, or a writer that takes what is written instead")
        self._base: BaseConnection = cursor.connection
        self._session = self._base._session
        self._statement = statement
        self._params = params
        self._wants_binary = binary  # where there is no statement
        self._timeout = timeout
        self._own = None if writer is None else WriteBuffer()  # for a writer that is not the server
        self._registry: Registry = cursor._registry
        self._types: Sequence[str | int] | None = None
        self._response: CopyResponse | None = None
        self._over = True
        self._alone = False  # there is no server that says how many columns there are
        self._type_oids: tuple[int, ...] | None = None
        self._rules = self._registry.rules  # of the moment the types were set
        self._plan: Plan | None = None
        self._parsers: list[Callable[[str], Any] | None] | None = None
        self._renderers: list[Renderer] | None = None
        self._header_written = False
        self._data_written = False
        self._message_open = False
        self._state = CopyState()
        self._decoding = False
        self._waiting: deque[TupleRow] = deque()

    def set_types(self, types: Sequence[str | int]) -> None:
        """Say the types of the columns, by name or OID: needed for `write_row`, `read_row` and `rows` of a binary COPY.

        Of a text COPY that is read, the values are then converted to these types; else they are str. Text that is
        written needs no types.

        Types that the driver does not know yet are looked up where this is called before the COPY begins (before the
        `with` block). Inside it the server is busy, and they must have been loaded: `conn.types.load("mood")`.
        """
        self._types = tuple(types)
        self._type_oids = self._plan = self._parsers = self._renderers = None
        if self._response is not None:
            self._type_oids = tuple([self._known_type(one) for one in self._types])
            self._rules = self._registry.rules

    def _known_type(self, given: str | int) -> int:
        """The OID of a type that is known already."""
        info = self._registry.find(given)
        if info is None:
            raise ProgrammingError(
                f"set_types: {shorten(given)} is not a type the driver knows yet; call set_types before the COPY "
                f"begins, or conn.types.load({given!r}) before it"
            )
        return info.oid

    # ------------------------------------------------------------ what both sides call

    def _start(self, statement: AnyQuery, params: Params) -> Operation[CopyResponse]:
        """Look up the types that were set, and begin the COPY."""
        if self._types is not None:
            self._type_oids = tuple((yield from operations.find_types(self._session, self._registry, self._types)))
            self._rules = self._registry.rules
        return (yield from operations.start_copy(self._session, statement, params, self._registry))

    def _begin_here(self, binary: bool) -> None:
        """Begin without a server: only a writer is written to."""
        code = const.BINARY if binary else const.TEXT
        if self._types is not None:
            self._type_oids = tuple([self._known_type(one) for one in self._types])
        self._alone = True
        self._begun(CopyResponse(const.COPY_IN_RESPONSE, code, ()))

    def _begun(self, response: CopyResponse) -> None:
        self._response = response
        self._state = CopyState(self._binary)
        self._over = False

    def _is_past(self, exc: BaseException | None) -> bool:
        """Whether nothing is left to be ended. Raises InterfaceError where the connection was closed meanwhile: what
        has been written is then not in the table."""
        if self._over:
            return True
        if self._session.dead is None:
            return False
        self._over = True
        if exc is None and self._copies_in:
            raise InterfaceError(f"the COPY was not ended, the connection is closed: {self._session.dead}")
        return True

    @property
    def _copies_in(self) -> bool:
        return self._response is not None and self._response.tag == const.COPY_IN_RESPONSE

    @property
    def _binary(self) -> bool:
        return self._response is not None and self._response.format == const.BINARY

    def _check(self, copies_in: bool) -> None:
        if self._response is None:
            raise InterfaceError(
                "the COPY has not begun: use copy() as a context manager, `with cursor.copy(...) as copy:`"
            )
        if self._copies_in is not copies_in:
            raise ProgrammingError(
                "this COPY reads from the client: write to it"
                if self._copies_in
                else "this COPY writes to the client: read from it"
            )

    # ------------------------------------------------------------ writing

    def _check_writable(self) -> None:
        self._check(copies_in=True)
        if self._over:
            raise InterfaceError("the COPY is over, nothing more can be written to it")

    @property
    def _out(self) -> WriteBuffer:
        return self._session.out if self._own is None else self._own

    def _open_message(self) -> None:
        """Many rows go into one CopyData, which stays open until it is sent."""
        if not self._message_open:
            self._out.begin_copy()
            self._message_open = True

    def _close_message(self) -> None:
        if self._message_open:
            self._message_open = False
            self._out.end_copy()

    def _gathered(self) -> bytes:
        """The data that was gathered for a writer, out of the CopyData that holds it."""
        return bytes(self._out.take())[1 + _LENGTH.size :] if self._out.size_bytes else b""

    def _add(self, data: Any) -> bool:
        """Gather bytes or text; whether it is time to send."""
        self._check_writable()
        encoded = memoryview(data.encode("utf-8") if isinstance(data, str) else data)
        if encoded.nbytes > _LONGEST_PIECE:
            raise DataError(f"a piece of {encoded.nbytes} bytes is longer than a message may be; write it in parts")
        self._data_written = True
        self._open_message()
        self._out.put_bytes(encoded)
        return self._full()

    def _write_header(self) -> None:
        self._open_message()
        if not self._header_written:
            self._out.put_bytes(const.COPY_HEADER)
            self._header_written = True

    def _full(self) -> bool:
        if self._out.size_bytes < const.COPY_BLOCK_SIZE:
            return False
        self._close_message()
        return True

    def _add_row(self, row: Sequence[Any]) -> bool:
        """Gather one row; whether it is time to send. On a fault nothing of the row remains."""
        self._check_writable()
        if self._binary:
            plan = self._types_plan(encode=True)
            self._write_header()
            encode_copy_rows(self._out, plan, iter((row,)), self._out.size_bytes + 1)
        else:
            renderers = self._text_renderers(len(row))
            fields = [
                None if value is None else self._render(value, column, renderers[column])
                for column, value in enumerate(row)
            ]
            self._open_message()
            encode_copy_text(self._out, (fields,))
        return self._full()

    def _text_renderers(self, width: int) -> Sequence[Renderer]:
        """How values that are not str are written, by the types where they were set."""
        if self._type_oids is None:
            return [render_any] * width
        self._check_width(width)
        if self._renderers is None:
            self._renderers = [self._rules.renderer(oid) for oid in self._type_oids]
        return self._renderers

    def _check_width(self, columns: int) -> None:
        if self._type_oids is not None and len(self._type_oids) != columns:
            raise ProgrammingError(f"set_types was given {len(self._type_oids)} types, the COPY has {columns} columns")

    @staticmethod
    def _render(value: Any, column: int, write: Renderer) -> str | None:
        if type(value) is str:
            return value
        try:
            return write(value)
        except Exception as exc:  # a hook or a value's own code
            raise DataError(f"column {column + 1}: {shorten(value)} does not fit: {exc}") from exc

    def _end_writing(self) -> None:
        """Complete what was gathered. A binary COPY of no rows has a header and a trailer too."""
        if self._binary and not self._data_written:
            self._write_header()
        if self._header_written:
            self._open_message()
            self._out.put_bytes(const.COPY_TRAILER)
        self._close_message()

    def _drop_writing(self) -> None:
        """Throw away what was gathered."""
        self._close_message()
        self._out.take()

    def _types_plan(self, encode: bool) -> Plan:
        if self._plan is None:
            if self._type_oids is None:
                raise ProgrammingError("a row of a binary COPY needs the types of its columns: call set_types() first")
            if not self._alone:
                self._check_width(len(self._response.column_formats) if self._response else 0)
            self._plan = Plan([self._binary_spec(self._rules, oid, encode) for oid in self._type_oids])
        return self._plan

    @staticmethod
    def _binary_spec(rules: Rules, oid: int, encode: bool) -> Spec:
        spec = rules.encode_spec(oid) if encode else None
        if encode and spec is not None:
            return spec
        if encode or not rules.reads_binary(oid):
            raise ProgrammingError(
                f"set_types: {rules.type_name(oid)} travels as text only; use COPY without FORMAT binary"
            )
        return rules.decode_spec(oid, const.BINARY)

    # ------------------------------------------------------------ reading

    def _check_readable(self) -> None:
        self._check(copies_in=False)

    def _payloads(self, run: Run) -> bytes:
        """The data of a run, joined."""
        return decode_copy_data(run.block, run.start, run.stop, run.count)

    def _decode(self, run: Run) -> bool:
        """Put the rows that a run completes with those that wait. True, for there was a run."""
        self._decoding = True
        span = (run.block, run.start, run.stop, run.count)
        try:
            if self._binary:
                self._waiting.extend(decode_copy_rows(self._types_plan(encode=False), self._state, *span))
            else:
                self._waiting.extend(self._parsed(decode_copy_text(self._state, *span)))
        except ProtocolError as exc:
            self._base._condemn(exc)
            raise
        return True

    def _parsed(self, rows: list[tuple[str | None, ...]]) -> Iterable[TupleRow]:
        if self._type_oids is None:
            return rows
        if self._parsers is None:
            self._parsers = [self._rules.text_parser(oid) for oid in self._type_oids]
        for row in rows:
            self._check_width(len(row))
        return [self._parse(row, self._parsers) for row in rows]

    @staticmethod
    def _parse(row: tuple[str | None, ...], parsers: list[Callable[[str], Any] | None]) -> TupleRow:
        values: list[Any] = []
        for column, (text, parser) in enumerate(zip(row, parsers, strict=True)):
            try:
                values.append(text if text is None or parser is None else parser(text))
            except Exception as exc:  # a parser, or a function the program has registered
                raise DataError(f"column {column + 1}: {exc}") from exc
        return tuple(values)

    def _end_reading(self) -> None:
        """The stream has ended; where rows were read from it, none may be left unfinished."""
        self._over = True
        if self._decoding:
            try:
                self._state.finish()
            except ProtocolError as exc:
                self._base._condemn(exc)
                raise
