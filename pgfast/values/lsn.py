"""A position in the server's log."""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)


class LSN(int):
    """A log sequence number: a byte's place in the write-ahead log, 0 for none.

    It is an int that shows itself as the server writes it, `16/B374D848` (docs: pg_lsn Type).
    """

    __slots__ = ()

    def __new__(cls, value: int | str = 0) -> LSN:
        """From an int of 64 bits without sign, or the server's text. Raises ValueError for anything else."""
        if isinstance(value, str):
            found = _TEXT.fullmatch(value)
            if found is None:
                raise ValueError(f"{value!r:.40} is not a log sequence number, such as 16/B374D848")
            value = int(found[1], 16) << 32 | int(found[2], 16)
        if not 0 <= value < 2**64:
            raise ValueError(f"{value} is not a log sequence number: they have 64 bits without sign")
        return super().__new__(cls, value)

    def __str__(self) -> str:
        return f"{self >> 32:X}/{self & 0xFFFFFFFF:X}"

    def __repr__(self) -> str:
        return f"LSN('{self}')"
