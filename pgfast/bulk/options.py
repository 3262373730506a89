"""What a load is told: checked together, before anything is done.

Law of this file: what contradicts itself is refused here, with the words of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from ..errors import InterfaceError
from .rejects import Rejects
from .report import Progress
from .sources import Columns, FileOptions

_MODES: Final = ("append", "truncate", "replace")
_ON_ERROR: Final = ("stop", "reject")
_ON_CONFLICT: Final = ("error", "ignore", "update")
#: Bytes of a chunk, as they are sent, and the least.
CHUNK_BYTES: Final = 16 << 20
_LEAST_CHUNK: Final = 1 << 16
#: How many times the bytes of a chunk a connection may have in memory: rows as Python has them, or the bytes that were
#: read and where each record lies; what is sent; and, where half of them are bad, why each was refused, of the chunk
#: before too, whose rejects are being written.
_COPIES: Final = 16
_UNITS: Final = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    `columns` are those to fill, or a mapping of the source's names to them (None: those the source names, or all the
    table has), `files` says how files are read.
    `mode` is "append", "truncate" or "replace"; `freeze` whether rows are written frozen (None: where the load has
    emptied the table). `on_conflict` is None, "error", "ignore" or "update", by the columns `key`. `on_error` is "stop"
    or "reject", `max_rejects` how many rows may be refused (None: any number), `rejects` where these go. `resume` names
    a load that can be gone on with. `create` makes the table first. `defer_indexes` drops its indexes and makes them
    again behind the load. `dry_run` loads into a table like it, which is thrown away. `chunk_bytes` is about how much
    is sent, and settled, together.
    """

    columns: Columns | None = None
    files: FileOptions = field(default_factory=FileOptions)
    progress: Progress | None = None
    mode: str = "append"
    freeze: bool | None = None
    on_conflict: str | None = None
    key: Sequence[str] | None = None
    on_error: str | None = None
    max_rejects: int | None = None
    rejects: Rejects = None
    resume: str | None = None
    create: bool = False
    defer_indexes: bool = False
    dry_run: bool = False
    chunk_bytes: int = CHUNK_BYTES

    @property
    def rejecting(self) -> bool:
        """Whether bad rows are set aside."""
        return self.on_error == "reject" or self.rejects is not None or bool(self.max_rejects)

    @property
    def empties(self) -> bool:
        """Whether the table is emptied first: a new one is, so that rows can be written frozen."""
        return (self.mode == "truncate" or self.create) and not self.dry_run

    @property
    def keyed(self) -> bool:
        """Whether the unique indexes are needed while rows come."""
        return self.rejecting or self.on_conflict in ("ignore", "update")

    @property
    def framed(self) -> bool:
        """Whether there is more to the load than what fills the table."""
        return self.create or self.defer_indexes or self.dry_run or self.mode == "replace"

    @property
    def chunked(self) -> bool:
        """Whether the load must go in chunks."""
        return self.rejecting or self.resume is not None or self.on_conflict in ("ignore", "update")

    def check(self) -> None:
        """Raise InterfaceError for what cannot be meant."""
        if self.mode not in _MODES:
            raise InterfaceError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {self.mode!r}")
        if self.on_error not in (None, *_ON_ERROR):
            raise InterfaceError(f"on_error must be 'stop' or 'reject', not {self.on_error!r}")
        if self.on_error == "stop" and (self.rejects is not None or self.max_rejects):
            raise InterfaceError("on_error='stop' allows no rejects; leave out rejects= and max_rejects=")
        if self.max_rejects is not None and (isinstance(self.max_rejects, bool) or self.max_rejects < 0):
            raise InterfaceError(f"max_rejects must be a number of rows, not {self.max_rejects!r}")
        if self.on_conflict not in (None, *_ON_CONFLICT):
            raise InterfaceError(
                f"on_conflict must be one of {', '.join(map(repr, _ON_CONFLICT))}, not {self.on_conflict!r}"
            )
        if self.key is not None and self.on_conflict in (None, "error"):
            raise InterfaceError(
                "key= is what on_conflict='ignore' or 'update' goes by; without these it means nothing"
            )
        if isinstance(self.key, str):
            raise InterfaceError("key must be a sequence of names, not a str")
        if self.resume is not None and not 0 < len(self.resume) <= 200:
            raise InterfaceError("resume must be the name of the load, of at most 200 characters")
        if self.chunk_bytes < 1024:
            raise InterfaceError(f"chunk_bytes must be 1024 or more, not {self.chunk_bytes!r}")
        if self.freeze and self.chunked:
            raise InterfaceError("freeze=True goes with one COPY alone, and not with rejects, on_conflict, or resume")
        if self.mode == "replace" and self.on_conflict in ("ignore", "update"):
            raise InterfaceError("mode='replace' loads an empty table, so no key is there; leave out on_conflict=")
        if self.create and self.mode != "append":
            raise InterfaceError("create=True makes a new table; leave out mode=")
        if self.dry_run and self.resume is not None:
            raise InterfaceError("a dry run loads nothing, so there is nothing to resume; leave out resume=")

    def manner(self, columns: Sequence[str]) -> str:
        """What must be the same when the load goes on, with the columns that are filled."""
        said = [f"mode={self.mode}", f"columns={','.join(columns)}"]
        if self.on_conflict in ("ignore", "update"):
            said.append(f"on_conflict={self.on_conflict} key={','.join(self.key or ())}")
        return " ".join(said)


def bytes_of(memory: int | str) -> int:
    """A number of bytes: 300_000_000, "256MB", "1 GB". Raises InterfaceError for what is none."""
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    found = re.fullmatch(r"([0-9]+)\s*([kmg]b)?", str(memory).strip().lower())
    if found is None or isinstance(memory, bool) or not int(found[1]):
        raise InterfaceError(f"memory must be a size such as '256MB', not {memory!r}")
    return int(found[1]) * _UNITS[found[2] or ""]


def chunk_bytes_of(memory: int | str, jobs: int) -> int:
    """How large chunks may be, so that so many connections stay within so much memory.

    Raises InterfaceError where they cannot.
    """
    if jobs < 1:
        raise InterfaceError(f"jobs must be 1 or more, not {jobs!r}")
    size = bytes_of(memory) // (jobs * _COPIES)
    if size < _LEAST_CHUNK:
        least = jobs * _COPIES * _LEAST_CHUNK
        raise InterfaceError(f"memory must be {least >> 10} kB or more with {jobs} jobs, not {memory!r}")
    return min(size, CHUNK_BYTES)


def load_options(settings: Mapping[str, Any]) -> LoadOptions:
    """The options of a load by the names that `Connection.load` has for them. Raises TypeError for any other."""
    of_files = {each.name for each in fields(FileOptions)}
    own = {each.name for each in fields(LoadOptions)} - {"files"}
    for name in settings:
        if name not in of_files | own:
            raise TypeError(f"load() has no option {name!r}")
    files = FileOptions(**{name: value for name, value in settings.items() if name in of_files})
    return LoadOptions(files=files, **{name: value for name, value in settings.items() if name in own})
