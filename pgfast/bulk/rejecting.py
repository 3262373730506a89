"""Chunks on their way into a table, row by row where they must be: what is bad is set aside, what is good is loaded.

Law of this file: a chunk is sent whole, behind a savepoint. Rows that the codec refuses are left out on the way. Where
the server refuses one, it mostly says which: the rows before it are sent again, and those behind it; where it does not
say, the chunk is halved until the bad row is alone. Errors that are about no row end the load.

The sum is always right: every row of a chunk is loaded, rejected, or skipped (by a trigger of the table, which then
makes the server's count less than what was sent).

Sources: docs, COPY; server: copyfrom.c (CopyFromErrorCallback, ON_ERROR), errcodes.txt.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from ..errors import DatabaseError
from ..errors.base import Diagnostic
from ..protocol.operations import Operation, copy_in, fetch, release, rollback_to, savepoint
from ..protocol.session import Session
from .chunks import blocks
from .feed import ALL_ROWS, TEXT, Chunk, Left, Origin, Why, copy_options
from .rejects import first_line, why_of
from .report import Meter
from .staging import ABOUT_ROWS, give_up
from .target import Target
from .textchunks import TextChunk

_SAVEPOINT: Final = "pgfast_chunk"
#: Classes that never are: the connection, the transaction, the server's resources and administrators.
_ABOUT_ELSE: Final = frozenset(("08", "0Z", "25", "28", "2D", "3B", "3D", "40", "53", "55", "57", "58", "72", "F0"))
_INVALID_TEXT: Final = "22P02"
#: Why a text is no value of a type; None where it is one, as a text that a notice has cut short may be.
_STATES: Final = """
SELECT i.sql_error_code, i.message
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
    WITH ORDINALITY AS v(value, type, number)
CROSS JOIN LATERAL pg_catalog.pg_input_error_info(v.value, v.type) AS i
ORDER BY v.number"""
#: Whether notices come: without them nobody would know which rows were left out.
_NOTICES: Final = """
SELECT pg_catalog.current_setting('client_min_messages') NOT IN ('warning', 'error', 'fatal', 'panic')"""
_NUMBER: Final = re.compile(r"\d+")
#: `... column "c": "value"`, the quotation marks being those of the server's language.
_QUOTED: Final = re.compile(r"[\"»«„“]\s?(.*?)\s?[\"»«“”]\s?: [\"»«„“]\s?(.*?)\s?[\"»«“”]\Z", re.DOTALL)

Span = tuple[int, int]


@dataclass(slots=True)
class Settled:
    """What became of a chunk."""

    loaded: int = 0
    skipped: int = 0
    #: Why those were refused that were, by row.
    errors: dict[int, Why] = field(default_factory=dict)
    #: What was not sent, because too much of the chunk had been refused one by one.
    left: list[Part] = field(default_factory=list)
    #: Whether the server has refused a COPY on the way.
    torn: bool = False
    #: The rows that were sent, in this order, but for those with errors.
    sent: list[tuple[list[Span], frozenset[int]]] = field(default_factory=list)

    def order(self, rows: int) -> array[int]:
        """The rows that were loaded, of a chunk of so many, in the order in which they were."""
        errors, made = self.errors, array("q")
        for spans, unsure in self.sent:
            made.extend([row for row in _rows(spans, rows) if row not in errors and row not in unsure])
        return made

    def in_order(self, rows: int) -> bool:
        """Whether the rows were loaded in the order in which they stand."""
        if len(self.sent) < 2:
            return True
        order = self.order(rows)
        return all(before < after for before, after in pairwise(order))


@dataclass(slots=True)
class Part:
    """Rows that are sent together, by one way; with the server leaving out those it cannot read, where it can."""

    path: str
    spans: list[Span]
    server_skips: bool = False


class ChunkLoader:
    """Loads chunks into a table, one at a time."""

    def __init__(
        self, session: Session, target: Target, source: str, meter: Meter, beside: Callable[[], bool] | None
    ) -> None:
        """`target` is the table, `source` what rejects call the source.

        `beside` is called while the server has its work; None: the first bad row is an error.
        """
        self.session = session
        self.strict = beside is None
        self._beside = beside
        self.target = target
        self.source = source
        self.meter = meter
        #: COPY leaves rows out that it cannot read since 17, and says which, in notices; None: not asked yet.
        self._can_skip: bool | None = None if session.server_version >= 170000 and not self.strict else False

    def load(self, chunk: Chunk, work: list[Part] | None = None, patience: int = ALL_ROWS) -> Operation[Settled]:
        """What became of the chunk, or of these parts of it.

        After so many refusals by the server (`patience`) the rest is left. Raises what is about no row. The transaction
        is then as it was before the chunk, or failed.
        """
        made = Settled()
        left = self.whole(chunk) if work is None else work
        if self._can_skip is None:
            self._can_skip = (yield from fetch(self.session, _NOTICES, (), (bool,)))[0][0]
        while left:
            more = yield from self._attempt(chunk, left.pop(), made)
            left += more
            patience -= len(more) > 0
            if patience <= 0 and left:
                made.left = left
                break
        return made

    def whole(self, chunk: Chunk) -> list[Part]:
        """All of a chunk as what is left of it."""
        return [Part(chunk.path, [(0, ALL_ROWS)])]

    def _attempt(self, chunk: Chunk, part: Part, made: Settled) -> Operation[list[Part]]:
        """Send some rows; what is left to be sent of them, the last part first."""
        session, meter, errors, target = self.session, self.meter, made.errors, self.target
        chunk.path = part.path
        unsure: list[int] = []
        meter_before = meter.rows, meter.size_bytes
        notices = _Skipped(session) if part.server_skips else None

        def refuse(row: int, exc: DatabaseError) -> None:
            verdict = chunk.verdict(row, exc)
            if verdict is None:
                unsure.append(row)
            elif self.strict:
                raise verdict
            else:
                errors[row] = why_of(verdict, target.column_of(verdict))

        def leave(rows: list[Left]) -> None:
            for row, why in rows:
                if why is None:
                    unsure.append(row)
                else:
                    errors[row] = why

        options = copy_options(part.path) + (", ON_ERROR ignore, LOG_VERBOSITY verbose" if part.server_skips else "")
        yield from savepoint(session, _SAVEPOINT)
        try:
            sent = self._sent(blocks(chunk, part.spans, meter, refuse, None if self.strict else leave))
            loaded = yield from copy_in(session, target.copy_sql(options), sent)
        except DatabaseError as exc:
            if session.dead is not None or not self._is_about_a_row(exc):
                if self.strict:
                    raise
                give_up(session, exc)
            yield from rollback_to(session, _SAVEPOINT)
            made.torn = True
            meter.rows, meter.size_bytes = meter_before
            left = [row for row in _rows(part.spans, chunk.rows) if row not in errors]
            if self.strict:
                raise self._placed(chunk, [row for row in left if row not in unsure], exc) from exc.__cause__
            return self._divided(part, left, frozenset(unsure), exc, errors)
        finally:
            if notices is not None:
                notices.close()
        rows_sent = meter.rows - meter_before[0]
        loaded = rows_sent if loaded < 0 else loaded
        if notices is not None and notices.numbers:
            sent_rows = [row for row in _rows(part.spans, chunk.rows) if row not in errors]
            yield from self._explained([sent_rows[number - 1] for number in notices.numbers], notices, errors)
            rows_sent -= len(notices.numbers)
        yield from release(session, _SAVEPOINT)
        made.loaded += loaded
        made.skipped += rows_sent - loaded
        made.sent.append((part.spans, frozenset(unsure)))
        return [Part(TEXT, _spans(unsure), bool(self._can_skip))] if unsure else []

    def _sent(self, made: Iterator[memoryview]) -> Iterator[memoryview]:
        for block in made:
            yield block
            if self._beside is not None:
                self._beside()

    def _placed(self, chunk: Chunk, rows: list[int], exc: DatabaseError) -> DatabaseError:
        """The error of the server for some rows, with the place that the source knows where the server names one."""
        number = self.target.row_of(exc)
        if number is not None and 0 < number <= len(rows):
            origin = chunk.origin(rows[number - 1])
            where = f"line {origin.line} of {self.source}" if origin.line is not None else f"row {origin.row}"
            self.target.located(exc, "row")
            amend = chunk.amend if isinstance(chunk, TextChunk) else None
            said, *rest = str(exc.args[0]).split("\n", 1)
            # The server counts the rows of one COPY, which need not be the first one of the source.
            counted = f"COPY {self.target.table}, row {number}"
            if said.startswith(counted):
                row = "" if origin.row is None else f", row {origin.row}"
                said = f"COPY {self.target.table}{row}{said.removeprefix(counted)}"
            if amend is not None:
                said = amend(origin, (self.target.column_of(exc), "", said))[2]
            exc.args = ("\n".join([f"{said} ({where})", *rest]), *exc.args[1:])
        return exc

    def _divided(
        self,
        part: Part,
        rows: list[int],
        unsure: frozenset[int],
        exc: DatabaseError,
        errors: dict[int, Why],
    ) -> list[Part]:
        """What to send instead of these rows, which the server has refused together, but for those that are `unsure`:
        they had not been sent."""
        number = self.target.row_of(exc)
        sent = [row for row in rows if row not in unsure] if unsure else rows
        if number is not None and 0 < number <= len(sent):
            bad = sent[number - 1]
            errors[bad] = why_of(exc, self.target.column_of(exc))
            at = rows.index(bad)
            halves = [rows[at + 1 :], rows[:at]]
            if part.path == TEXT and self._can_skip and (exc.sqlstate or "")[:2] == "22":
                return [Part(part.path, _spans([row for half in reversed(halves) for row in half]), True)]
        elif len(rows) == 1:
            errors[rows[0]] = why_of(exc, self.target.column_of(exc))
            halves = []
        else:
            halves = [rows[len(rows) // 2 :], rows[: len(rows) // 2]]
        return [Part(part.path, _spans(half), part.server_skips) for half in halves if half]

    def _is_about_a_row(self, exc: DatabaseError) -> bool:
        kind = (exc.sqlstate or "")[:2]
        if exc.fault is not None or not kind or kind in _ABOUT_ELSE:
            return False
        return kind in ABOUT_ROWS or self.target.row_of(exc) is not None

    def _explained(self, rows: list[int], notices: _Skipped, errors: dict[int, Why]) -> Operation[None]:
        """Note why the server has left out these rows."""
        types = {column.name: column.type_name for column in self.target.columns}
        values = [value for _column, value in notices.values]
        wanted = [types.get(column or "", "text") for column, _value in notices.values]
        states = yield from fetch(self.session, _STATES, (values, wanted), ((str, type(None)), (str, type(None))))
        for row, (column, _value), diag, (state, said) in zip(rows, notices.values, notices.told, states, strict=True):
            errors[row] = column, state or _INVALID_TEXT, first_line(said or diag.message_primary or "")


class _Skipped:
    """The server's notices of rows that COPY leaves out: their numbers, and the column and the value of each.

    They are told from others by the file of the server they come from, since their words depend on its language.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: Callable[[Diagnostic], None] = session.on_notice
        self.numbers: list[int] = []
        self.values: list[tuple[str | None, str]] = []
        self.told: list[Diagnostic] = []
        session.on_notice = self._take

    def _take(self, diag: Diagnostic) -> None:
        text = diag.message_primary or ""
        found = _NUMBER.search(text)
        if diag.source_file == "copyfromparse.c" and found is not None:
            quoted = _QUOTED.search(text, found.end())
            self.numbers.append(int(found[0]))
            self.values.append((quoted[1], quoted[2]) if quoted is not None else (None, ""))
            self.told.append(diag)
        elif diag.source_file != "copyfrom.c":
            self._before(diag)

    def close(self) -> None:
        """Hand notices to whom they went before."""
        self._session.on_notice = self._before


def refused(chunk: Chunk, errors: dict[int, Why]) -> Iterator[tuple[Origin, Why]]:
    """The rows of a chunk that were refused, one after the other, and why."""
    amend = chunk.amend if isinstance(chunk, TextChunk) else None
    for row in sorted(errors):
        origin = chunk.origin(row)
        yield origin, errors[row] if amend is None else amend(origin, errors[row])


def _rows(spans: Sequence[Span], count: int) -> Iterator[int]:
    for start, stop in spans:
        yield from range(start, min(stop, count))


def _spans(rows: Sequence[int]) -> list[Span]:
    """Rows in rising order as spans."""
    made: list[Span] = []
    for row in rows:
        if made and made[-1][1] == row:
            made[-1] = (made[-1][0], row + 1)
        else:
            made.append((row, row + 1))
    return made
