"""Forms of CSV that not every file has: an escape before quotes, decimal commas, days in another order; the twin of
`csvforms.pxd`.

Law of this file: what is written otherwise is first written as the server writes it, so that one kernel reads both.
Text that cannot be written so is a fault; nothing is guessed.

Sources: docs, COPY, ESCAPE; server: copyfromparse.c (CopyReadLineText, CopyReadAttributesCSV).
"""

from __future__ import annotations

import re
from typing import Final

from .. import const
from ..errors import faults

_DAY: Final = re.compile(rb"([0-9]+)([./-])([0-9]+)\2([0-9]+)(?=[ T]|\Z)")
#: Form -> which part of a day is the year, the month and the day.
_PARTS: Final = {const.CSV_DMY: (4, 3, 1), const.CSV_MDY: (4, 1, 3), const.CSV_YMD: (1, 3, 4)}

#: Faults that show the field as text.
_TEXT_FAULTS: Final = (faults.FAULT_CSV_FIELD, faults.FAULT_CSV_COMMA, faults.FAULT_CSV_DAY)


class Doubt(Exception):
    """A field that is not surely read: the code of the fault, its value, and the column."""

    def __init__(self, code: int, data: bytes, column: int = -1) -> None:
        super().__init__(code)
        self.code = code
        self.data = data
        self.column = column

    @property
    def value(self) -> str | bytes | None:
        """What a fault shows of the field."""
        return self.data.decode("utf-8", "replace") if self.code in _TEXT_FAULTS else self.data or None


def in_usual_form(form: int, data: bytes) -> bytes:
    """The text as the server writes it. A day that begins with no digit (infinity) is left as it is. Raises Doubt."""
    if form == const.CSV_USUAL or not data:
        return data
    if form == const.CSV_COMMA:
        if b"." in data or data.count(b",") > 1:
            raise Doubt(faults.FAULT_CSV_COMMA, data)
        return data.replace(b",", b".")
    if not 48 <= data[0] <= 57:
        return data
    found = _DAY.match(data)
    if found is not None:
        year, month, day = (found[part] for part in _PARTS[form])
        if len(year) == 4 and len(month) < 3 and len(day) < 3:
            return b"%b-%b-%b%b" % (year, month.zfill(2), day.zfill(2), data[found.end() :])
    raise Doubt(faults.FAULT_CSV_DAY, data)


class Escaped:
    """Text in quotes in which a character before a quote, or before itself, makes it a part of the field."""

    __slots__ = ("_closing", "_escapes", "_opening", "_quote")

    def __init__(self, quote: bytes, escape: bytes) -> None:
        mark, sign = re.escape(quote), re.escape(escape)
        self._quote = quote
        self._opening = re.compile(rb"[\r\n]|" + mark)
        # The lookahead leaves one way to read a text, so that an unclosed one is given up at once.
        usual = rb"[^" + mark + sign + rb"]*"
        escaped = sign + rb"(?:[" + mark + sign + rb"]|(?![" + mark + sign + rb"]))"
        self._closing = re.compile(usual + rb"(?:" + escaped + usual + rb")*" + mark)
        self._escapes = re.compile(sign + rb"([" + mark + sign + rb"])")

    def line_end(self, text: bytes, at: int) -> int | None:
        """Where the record that begins at `at` ends, its line's end not counted; None where a quote is not closed."""
        while (found := self._opening.search(text, at)) is not None:
            if found[0] != self._quote:
                return found.start()
            closed = self._closing.match(text, found.end())
            if closed is None:
                return None
            at = closed.end()
        return len(text)

    def split(self, record: bytes, delimiter: bytes) -> list[tuple[bytes, bool]]:
        """The fields of a record, and whether a quote is in each."""
        fields: list[tuple[bytes, bool]] = []
        pieces: list[bytes] = []
        quoted, at = False, 0
        while True:
            begun = record.find(self._quote, at)
            first, *others = record[at : begun if begun >= 0 else None].split(delimiter)
            pieces.append(first)
            for other in others:
                fields.append((b"".join(pieces), quoted))
                pieces, quoted = [other], False
            closed = None if begun < 0 else self._closing.match(record, begun + 1)
            if closed is None:
                fields.append((b"".join(pieces), quoted))
                return fields
            pieces.append(self._escapes.sub(rb"\1", record[begun + 1 : closed.end() - 1]))
            quoted, at = True, closed.end()
