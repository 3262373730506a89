"""Identifiers of two-phase transactions (PEP 249, "Two-Phase Commit Extensions").

Law of this file: an identifier is three parts for X/Open's managers and one name for the server; a name that somebody
else has made is kept as it is.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..errors import ProgrammingError

#: Most characters of either part, and the largest format (X/Open XA).
_LONGEST_PART: Final = 64
_LARGEST_FORMAT: Final = 0x7FFFFFFF
_ENCODED: Final = re.compile(r"(\d+)_([A-Za-z0-9+/=]*)_([A-Za-z0-9+/=]*)")


@dataclass(frozen=True, slots=True)
class Xid:
    """The identifier of a two-phase transaction.

    `format_id` and `bqual` are None where the name was not made from three parts. `prepared`, `owner` and `database`
    are what `tpc_recover` has found, else None.
    """

    format_id: int | None
    gtrid: str
    bqual: str | None
    prepared: dt.datetime | None = None
    owner: str | None = None
    database: str | None = None

    @classmethod
    def from_parts(cls, format_id: int, gtrid: str, bqual: str) -> Xid:
        """The identifier of these parts. Raises ProgrammingError where one is too long or not in printable ASCII."""
        if not 0 <= format_id <= _LARGEST_FORMAT:
            raise ProgrammingError(f"format_id is a number from 0 to {_LARGEST_FORMAT}, not {format_id}")
        for what, part in (("gtrid", gtrid), ("bqual", bqual)):
            if len(part) > _LONGEST_PART or not (part.isascii() and part.isprintable()):
                raise ProgrammingError(f"{what} has at most {_LONGEST_PART} printable characters of ASCII")
        return cls(format_id, gtrid, bqual)

    @classmethod
    def from_string(cls, name: str) -> Xid:
        """The identifier that the server knows by this name."""
        found = _ENCODED.fullmatch(name)
        if found is not None:
            try:
                parts = [base64.b64decode(part, validate=True).decode("ascii") for part in found.groups()[1:]]
                made = cls.from_parts(int(found[1]), *parts)
            except (binascii.Error, UnicodeDecodeError, ProgrammingError):
                return cls(None, name, None)
            if str(made) == name:
                return made
        return cls(None, name, None)

    def __str__(self) -> str:
        """The name for the server."""
        if self.format_id is None or self.bqual is None:
            return self.gtrid
        gtrid, bqual = (base64.b64encode(part.encode("ascii")).decode("ascii") for part in (self.gtrid, self.bqual))
        return f"{self.format_id}_{gtrid}_{bqual}"

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int | str | None:
        return (self.format_id, self.gtrid, self.bqual)[index]

    def __iter__(self) -> Iterator[int | str | None]:
        return iter((self.format_id, self.gtrid, self.bqual))
