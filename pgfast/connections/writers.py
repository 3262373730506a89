"""Where the data of a `copy()` goes that a program writes: to the server, or to what the program makes of it.

A writer gets what the rows become, block by block, in the format of the COPY: binary with its header and trailer, or
text. `finish` is told how the COPY has ended.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, Any

from ..protocol import operations

if TYPE_CHECKING:
    from .aio_cursors import AsyncCursor
    from .sync_cursors import Cursor


class Writer(ABC):
    """What `Connection`'s copies write to: `cursor.copy(..., writer=...)`, `Copy(cursor, writer=...)`."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Take a block of the COPY's data."""

    def finish(self, exc: BaseException | None = None) -> None:  # noqa: B027  (nothing to be done is the rule)
        """Take notice of the end: `exc` is what has ended the block of the COPY, None where all was written."""


class FileWriter(Writer):
    """Writes into a file that is open for bytes; the file stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        """Write the block into the file."""
        self.file.write(data)


class LibpqWriter(Writer):
    """Sends to the server, as a copy without a writer does: to be derived from. (The name is psycopg's.)"""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self.cursor = cursor

    def write(self, data: bytes) -> None:
        """Send the block."""
        connection = self.cursor.connection
        connection._step(operations.copy_send_data(connection._session, data))


class AsyncWriter(ABC):
    """What `AsyncConnection`'s copies write to."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Take a block of the COPY's data."""

    async def finish(self, exc: BaseException | None = None) -> None:  # noqa: B027  (nothing to be done is the rule)
        """Take notice of the end: `exc` is what has ended the block of the COPY, None where all was written."""


class AsyncLibpqWriter(AsyncWriter):
    """Sends to the server, as a copy without a writer does: to be derived from. (The name is psycopg's.)"""

    def __init__(self, cursor: AsyncCursor[Any]) -> None:
        self.cursor = cursor

    async def write(self, data: bytes) -> None:
        """Send the block."""
        connection = self.cursor.connection
        await connection._step(operations.copy_send_data(connection._session, data))
