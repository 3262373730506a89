"""What a source is, decided once by looking at it.

Law of this file: the order in which sources are recognised, and nothing of how they are read.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from ..arrow import is_arrow
from ..errors import InterfaceError
from .arrow import ArrowFeed
from .feed import Feed
from .files import File
from .numpy import NumpyFeed

FORMATS: Final = ("csv", "jsonl", "parquet", "arrow")
_SUFFIXES: Final = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".tbl"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc", ".arrows"), "arrow"),
}
_PARQUET_MAGIC: Final = b"PAR1"
_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
#: What no reader here takes, whatever it is called.
_FOREIGN: Final = {
    b"PK\x03\x04": "a ZIP archive, or a workbook, which is one: unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old workbook: save it as CSV",
    b"SQLite format 3": "a SQLite database: load what a query of it gives",
}
ARROW_MAGIC: Final = b"ARROW1"
#: Of Feather's first version, which is no Arrow file.
FEATHER_MAGIC: Final = b"FEA1"

#: Names of columns, or the table's by the source's.
Columns: TypeAlias = Sequence[str] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file is to be read.

    `format` is "csv", "jsonl" (an object of JSON on each line), "parquet" or "arrow" (Arrow IPC and Feather), None to
    tell by content and name; the rest is for CSV, as COPY's options of the same names, and `encoding` for JSON lines.

    `delimiter` None is a tab for .tsv files, else the one of comma, semicolon, tab and stroke by which most of the
    first records have as many fields as the header. `null` is a text that means NULL, or several, or by column
    which ones (the others have the empty text); in quotes they are values. `encoding` None is told by a byte order
    mark, else UTF-8. `escape` None is the quote. `decimal` "," stands for the point in numbers with a fraction;
    `dates` is the order of a day's parts: "iso" (YYYY-MM-DD), "dmy", "mdy" or "ymd", between points, strokes or
    hyphens. `skip_lines` come before the header; `ragged` "fill" takes fields that a record lacks at its end for
    NULL.
    """

    format: str | None = None
    header: bool = True
    delimiter: str | None = None
    null: str | Sequence[str] | Mapping[str, str | Sequence[str]] = ""
    quote: str = '"'
    encoding: str | None = None
    escape: str | None = None
    decimal: str = "."
    dates: str = "iso"
    skip_lines: int = 0
    ragged: str = "error"


def file_format(file: File, wanted: str | None) -> str:
    """One of FORMATS. Raises InterfaceError where nothing tells."""
    if wanted in FORMATS:
        return wanted
    if wanted is not None:
        raise InterfaceError(f"format {wanted!r} is not known; it is one of {', '.join(map(repr, FORMATS))}")
    head = file.head(16)
    for magic, said in _FOREIGN.items():
        if head.startswith(magic):
            raise InterfaceError(f"{file.name} is {said}")
    for magic, kind in ((_PARQUET_MAGIC, "parquet"), (ARROW_MAGIC, "arrow"), (FEATHER_MAGIC, "arrow")):
        if head.startswith(magic):
            return kind
    if file.suffix in _SUFFIXES:
        return _SUFFIXES[file.suffix]
    raise InterfaceError(
        f"{file.name}: neither the name nor the content tells what the file is; pass format='csv' or another of "
        f"{', '.join(map(repr, FORMATS))}"
    )


def open_file(file: File, options: FileOptions) -> Feed:
    """The feed of a file."""
    # Imported here: readers of files bring their own libraries along.
    kind = file_format(file, options.format)
    if kind == "parquet":
        from .parquet import ParquetFeed

        return ParquetFeed(file)
    if kind == "arrow":
        from .arrowfile import ArrowFileFeed

        return ArrowFileFeed(file)
    if kind == "jsonl":
        from .jsonlines import JsonLinesFeed

        return JsonLinesFeed(file, options)
    from .csv import open_csv

    return open_csv(file, options)


def sources_of(source: Any, options: FileOptions | None = None) -> list[Any]:
    """The sources that are loaded one after the other: the one, or the files of a list, a directory or a pattern.

    A list keeps its order, and its parts may be patterns and directories too; the files of each of these go by their
    names. Raises FileNotFoundError where there is no file, InterfaceError for a directory whose files are of several
    formats.
    """
    if isinstance(source, (list, tuple)) and any(isinstance(each, (str, os.PathLike)) for each in source):
        other = next((each for each in source if not isinstance(each, (str, os.PathLike))), None)
        if other is not None:
            raise InterfaceError(f"a list of files is one of their paths; {type(other).__name__} is none")
        return [path for each in source for path in _files_of(each, options)]
    return _files_of(source, options) if isinstance(source, (str, os.PathLike)) else [source]


def _files_of(source: str | os.PathLike[str], options: FileOptions | None) -> list[Any]:
    path = Path(source)
    if isinstance(source, str) and _ADDRESS.match(source) and not path.exists():
        raise InterfaceError(f"{source} is no path; open it, and pass what is read (urllib.request.urlopen())")
    if path.is_dir():
        return _files_in(path, None if options is None else options.format)
    if not glob.has_magic(str(path)) or path.exists():
        return [source]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    files = [each for each in found if each.is_file()]
    if not files:
        raise FileNotFoundError(f"no file is called {path}")
    return files


def _files_in(directory: Path, wanted: str | None) -> list[Any]:
    """The files of a directory, all of one format, but for those whose names begin with a point or an underscore."""
    files = sorted(each for each in directory.iterdir() if each.is_file() and each.name[0] not in "._")
    if not files:
        raise FileNotFoundError(f"no file is in {directory}")
    kinds = {file_format(File(each), wanted): each for each in reversed(files)}
    if len(kinds) > 1:
        (one, first), (other, second), *_ = sorted(kinds.items())
        raise InterfaceError(
            f"the files in {directory} are of several formats: {first.name} is {one}, {second.name} {other}; say which "
            "by a pattern, or by format="
        )
    return list(files)


def _gives_rows(source: Any) -> bool:
    return isinstance(source, (Iterable, AsyncIterable)) or hasattr(type(source), "__getitem__")


def _is_query(source: Any) -> bool:
    """Whether this is a frame whose rows are computed when they are asked for, as polars' LazyFrame."""
    return callable(getattr(source, "collect", None)) and not isinstance(source, (Iterable, AsyncIterable))


def open_columns(source: Any, options: FileOptions) -> Feed | None:
    """The feed of a file, an Arrow source or a dict of columns; None where the source gives rows.

    Raises InterfaceError for what is no source at all.
    """
    if isinstance(source, (str, os.PathLike)) or callable(getattr(source, "read", None)):
        return open_file(File(source), options)
    if is_arrow(source):
        return ArrowFeed(source)
    if isinstance(source, Mapping):
        return NumpyFeed(source)
    if _is_query(source):
        raise InterfaceError(
            f"a {type(source).__name__} has no rows before it is computed; load what its .collect() gives"
        )
    if isinstance(source, (bytes, bytearray, memoryview)) or not _gives_rows(source):
        raise InterfaceError(
            f"cannot load from {type(source).__name__}: pass an iterable of rows, a dict of columns, "
            "an object with __arrow_c_stream__ or __arrow_c_array__, or a file (CSV, JSON lines, Parquet, Arrow), as "
            "its path or opened"
        )
    return None
