"""CSV text as binary and as text COPY, read in blocks of any size, as a load of a file does.

Input: choices for the columns and the marks, then the text.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from pgfast import const

from .both import agree
from .choices import Choices

#: Bytes of choices in front of the text.
HEAD: Final = 32
_KINDS: Final = sorted(const.CSV_KINDS)
_MARKS: Final = (b",", b";", b"\t", b"|", b"a", b'"', b"\n", b"")
_QUOTES: Final = (b'"', b"'", b"\\", b",", b"")
_NULLS: Final = (b"", b"\\N", b"NULL", b"a", b'"', b",")


def run(data: bytes) -> None:
    """One file."""
    c = Choices(data[:HEAD])
    text = data[HEAD:]
    width = 1 + c.below(5)
    fields = [field for field in range(width) if not c.rarely()]
    if c.rarely():
        fields.reverse()
    binary = not c.rarely()
    columns = [
        (
            field,
            c.pick(_KINDS) if binary else const.KIND_STR,
            c.below(20) if c.flag() else const.MAX_INT32,
            c.below(20) if c.flag() else const.NUMERIC_MAX_SCALE,
        )
        for field in fields
    ]
    odd = c.flag()
    marks = (c.pick(_MARKS), c.pick(_QUOTES), c.pick(_NULLS)) if odd else (b",", b'"', b"")
    header, utc, block, limit = c.rarely(), c.flag(), 1 + c.number(1), c.pick((1 << 30, 1 << 30, 60, 6))
    form, refusing = (width, columns, marks, header, utc, binary), c.flag()
    agree(lambda module: _written(module, form, text, block, limit, refusing))


def _written(module: ModuleType, form: tuple[Any, ...], text: bytes, size: int, limit: int, refusing: bool) -> Any:
    """What is written of the text, of which `size` bytes more are there where a record is not complete."""
    state, out = module.CsvState(*form), module.WriteBuffer(64)
    found: list[Any] = []
    refused: list[Any] | None = [] if refusing else None
    start, stop = 0, min(size, len(text))
    while True:
        final = stop == len(text)
        out.begin_copy()
        reached, count = module.encode_copy_csv(out, state, text, start, stop, final, limit, refused)
        out.end_copy()
        written = bytes(out.take()) if out.size_bytes else b""
        found.append((reached, count, written, list(refused or ())))
        if final and reached == stop:
            return found
        if reached == start and not written:
            assert not final, "the last record is complete, for nothing follows it"
            stop = min(stop + max(size, stop - start), len(text))  # a long record is not begun once for each byte
        start = reached
