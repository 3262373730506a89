"""Copies, and the writers that they write to instead of the server.

with Copy(cursor, binary=True, writer=FileWriter(file)) as copy:
    copy.set_types(["int4", "text"])
    copy.write_row((1, "one"))
"""

from __future__ import annotations

from .connections.aio_copy import AsyncCopy
from .connections.sync_copy import Copy
from .connections.writers import AsyncLibpqWriter, AsyncWriter, FileWriter, LibpqWriter, Writer

__all__ = ["AsyncCopy", "AsyncLibpqWriter", "AsyncWriter", "Copy", "FileWriter", "LibpqWriter", "Writer"]
