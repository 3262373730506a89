"""How to export: what a caller may say, and what follows from it and the name of the file.

Law of this file: whatever cannot be right is refused here, before anything is asked of the server or written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import InterfaceError
from .report import Progress

CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
PARQUET: Final = "parquet"
ARROW: Final = "arrow"
STDOUT: Final = "-"

#: What the name of a file ends in, to its format.
SUFFIXES: Final = {
    ".csv": CSV,
    ".tsv": CSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".feather": ARROW,
    ".ipc": ARROW,
}
#: What the name of a compressed text file ends in, to its compression.
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
_TEXT_ENDINGS: Final[dict[str | None, str]] = {None: "", "gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}
_CODECS: Final = {
    CSV: ("gzip", "bz2", "zstd"),
    JSON_LINES: ("gzip", "bz2", "zstd"),
    PARQUET: ("snappy", "gzip", "brotli", "zstd", "lz4"),
    ARROW: ("lz4", "zstd"),
}
_MOST_JOBS: Final = 256


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a caller says of an export; `Connection.export` tells of each."""

    format: str | None = None
    columns: Sequence[str] | None = None
    params: Any = None
    compression: str | None = None
    header: bool = True
    delimiter: str | None = None
    null: str = ""
    quote: str = '"'
    force_quote: bool | Sequence[str] = False
    encoding: str | None = None
    jobs: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if isinstance(self.columns, str):
            raise InterfaceError("columns must be a sequence of names, not a str")
        if isinstance(self.force_quote, str):
            raise InterfaceError("force_quote must be True or a sequence of names, not a str")
        if type(self.jobs) is not int or not 1 <= self.jobs <= _MOST_JOBS:
            raise InterfaceError(f"jobs is a number of connections from 1 to {_MOST_JOBS}, not {self.jobs!r}")


@dataclass(frozen=True, slots=True)
class Layout:
    """What is written, and where.

    `path` is None for a file of the program's, which is `stream`. With `directory` the parts are files in it, else
    there is one file. `suffix` is what the parts' names end in.
    """

    format: str
    compression: str | None
    delimiter: str
    path: Path | None
    stream: Any
    directory: bool

    @property
    def is_text(self) -> bool:
        """Whether the server writes the values; else they are decoded into columns."""
        return self.format in (CSV, JSON_LINES)

    @property
    def suffix(self) -> str:
        """`.csv.gz` and the like."""
        if self.format == CSV:
            return (".tsv" if self.delimiter == "\t" else ".csv") + _TEXT_ENDINGS[self.compression]
        return f".{self.format}" + (_TEXT_ENDINGS[self.compression] if self.is_text else "")


def layout(target: Any, options: ExportOptions) -> Layout:
    """What is written, by the options and the name of the file. Raises InterfaceError for what cannot be right."""
    stream: Any = None
    path: Path | None = None
    directory, name = False, ""
    if hasattr(target, "write"):
        stream = target
    elif not isinstance(target, (str, os.PathLike)):
        raise InterfaceError(f"{type(target).__name__} is neither a path nor a file open for bytes")
    elif os.fspath(target) != STDOUT:
        text = os.fsdecode(target)
        path = Path(text)
        directory = text.endswith(("/", os.sep)) or path.is_dir()
        name = path.name.lower()
    stem, ending = os.path.splitext(name)
    by_name = COMPRESSIONS.get(ending)
    suffix = os.path.splitext(stem)[1] if by_name is not None else ending
    found = options.format or SUFFIXES.get(suffix) or (CSV if path is None else None)
    if found is None:
        known = ", ".join(SUFFIXES)
        raise InterfaceError(f"{target}: the name tells no format ({known}); say format='csv', 'parquet', ...")
    if found not in _CODECS:
        raise InterfaceError(f"format is one of {', '.join(_CODECS)}, not {found!r}")
    compression = options.compression or by_name or ("snappy" if found == PARQUET else None)
    if compression == "none":
        compression = None
    elif compression is not None and compression not in _CODECS[found]:
        raise InterfaceError(f"{found} is compressed by one of {', '.join(_CODECS[found])}, not by {compression!r}")
    delimiter = options.delimiter or ("\t" if suffix == ".tsv" else ",")
    return Layout(found, compression, delimiter, path, stream, directory)
