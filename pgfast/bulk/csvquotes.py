"""Quotes with an escape of another character, for whoever looks for records without reading their values.

Law of this file: what stands in quotes is covered, so that whoever counts quotes and looks for the ends of lines finds
those that count. Where the quote itself is the escape, counting is enough and nothing is covered.

Sources: docs, COPY, ESCAPE; server: copyfromparse.c (CopyReadLineText).
"""

from __future__ import annotations

import re


class Quotes:
    """The quote of a file, and the character that makes one a part of its field."""

    __slots__ = ("_closing", "_closing_text", "_escapes", "escape", "quote")

    def __init__(self, quote: str, escape: str) -> None:
        self.quote = quote.encode()
        self.escape = escape.encode()
        mark, sign = re.escape(quote), re.escape(escape)
        # The lookahead leaves one way to read a text, so that an unclosed one is given up at once.
        usual = f"[^{mark}{sign}]*"
        closing = f"{usual}(?:{sign}(?:[{mark}{sign}]|(?![{mark}{sign}])){usual})*{mark}"
        self._closing = re.compile(closing.encode())
        self._closing_text = re.compile(closing)
        self._escapes = re.compile(f"{sign}([{mark}{sign}])")

    @property
    def apart(self) -> bool:
        """Whether the escape is another character than the quote."""
        return self.escape != self.quote

    def covered(self, data: bytes) -> bytes:
        """Bytes of the same length that begin with a record: closed quotes and what is in them are blank, behind an
        unclosed one is nothing."""
        if not self.apart or self.quote not in data:
            return data
        parts: list[bytes] = []
        at = 0
        while (begun := data.find(self.quote, at)) >= 0:
            parts.append(data[at:begun])
            closed = self._closing.match(data, begun + 1)
            at = len(data) if closed is None else closed.end()
            parts.append(b" " * (at - begun) if closed else self.quote + b" " * (at - begun - 1))
        parts.append(data[at:])
        return b"".join(parts)

    def open_behind(self, text: str, inside: bool) -> bool:
        """Whether a quote is open behind the text, before which one is (`inside`) or is not."""
        if not self.apart:
            return inside ^ (text.count(self.quote.decode()) % 2 == 1)
        at, quote = 0, self.quote.decode()
        while True:
            if inside:
                closed = self._closing_text.match(text, at)
                if closed is None:
                    return True
                at = closed.end()
            at = text.find(quote, at) + 1
            if not at:
                return False
            inside = True

    def fields(self, text: str, delimiter: str) -> list[str]:
        """The fields of a record whose quotes are closed."""
        fields: list[str] = []
        pieces: list[str] = []
        at, quote = 0, self.quote.decode()
        while True:
            begun = text.find(quote, at)
            first, *others = text[at : begun if begun >= 0 else None].split(delimiter)
            pieces.append(first)
            for other in others:
                fields.append("".join(pieces))
                pieces = [other]
            closed = None if begun < 0 else self._closing_text.match(text, begun + 1)
            if closed is None:
                fields.append("".join(pieces))
                return fields
            pieces.append(self._escapes.sub(r"\1", text[begun + 1 : closed.end() - 1]))
            at = closed.end()

    def outside(self, text: str) -> str:
        """What of a record stands outside of quotes."""
        if self.apart:
            return self.covered(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        return "".join(text.split(self.quote.decode())[::2])

    def ends_inside(self, record: bytes) -> bool:
        """Whether the end of a line, of whichever kind, stands in a record outside of quotes."""
        bare = self.outside(record.decode("latin-1"))
        return "\r" in bare or "\n" in bare
