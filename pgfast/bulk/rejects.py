"""Rows that were refused: what is told of each, and where it is written down.

Law of this file: one JSON object a line, with the row as it came, so that whoever has mended the row can load it again.
A rejects file is whole: its last line is a record, and what a load did not keep (a chunk whose transaction was lost) is
taken out of it before the load goes on.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from ..errors import DatabaseError, DataError, InterfaceError, faults
from .feed import Origin, Why
from .holding import Hold

#: Where rejects go: a file by its path, an open one, or a function that is called with each.
Rejects: TypeAlias = "str | os.PathLike[str] | IO[str] | Callable[[Reject], None] | None"

#: Rejects that a report itself holds, and that are written together.
_KEPT: Final = 100
_TOGETHER: Final = 2000
_DATA_EXCEPTION: Final = "22000"
#: Faults of the codec -> the SQLSTATE of the error by which the server would have refused the row.
_SQLSTATES: Final = {
    faults.FAULT_VALUE_TYPE: "42804",
    faults.FAULT_VALUE_RANGE: "22003",
    faults.FAULT_NUL: "22021",
    faults.FAULT_TEXT_ENCODE: "22021",
    faults.FAULT_CSV_UTF8: "22021",
    faults.FAULT_ROW_WIDTH: "22P04",
    faults.FAULT_ROW_TYPE: "22P04",
    faults.FAULT_ROW_KEY: "22P04",
    faults.FAULT_CSV_RECORD: "22P04",
    faults.FAULT_CSV_FIELD: "22P02",
    faults.FAULT_COERCE: "22P02",
    faults.FAULT_NUMERIC_TEXT: "22P02",
    faults.FAULT_MESSAGE_SIZE: "54000",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not loaded.

    `source` is the name of the file, or the kind of source; `row` (None: not known, of a file that several connections
    load) and, in a file, `line` count from 1. `record` is the row as it came: the bytes of a file, else a JSON value.
    `column` and `sqlstate` are what the error tells, the `message` is the error's first line. `chunk` says of which
    part of a restartable load it is.
    """

    source: str
    row: int | None
    line: int | None
    record: bytes | Any
    column: str | None
    sqlstate: str
    message: str
    chunk: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that stands in a rejects file. Bytes that are no UTF-8 are in base64 besides."""
        made: dict[str, Any] = {"source": self.source, "row": self.row}
        if self.line is not None:
            made["line"] = self.line
        made.update(column=self.column, sqlstate=self.sqlstate, message=self.message)
        if isinstance(self.record, bytes):
            try:
                made["record"] = self.record.decode()
            except UnicodeDecodeError:
                made["record"] = self.record.decode("utf-8", "replace")
                made["record_base64"] = base64.b64encode(self.record).decode()
        else:
            made["values"] = self.record
        if self.chunk is not None:
            made["chunk"] = self.chunk
        return made


#: A value as repr shows it: what stands in it says nothing of what is wrong with it.
_VALUE: Final = re.compile(r"'(?:[^'\\]|\\.)*'")
_text: Final = json.encoder.encode_basestring_ascii
_encoded: Final = json.JSONEncoder().encode
_often: Final = lru_cache(256)(_encoded)


def lines_of(source: str, found: Sequence[tuple[Origin, Why]], chunk: str | None) -> list[str]:
    """The lines of a rejects file: what json.dumps makes of Reject.as_json, at a fifth of the cost."""
    head, tail = f'{{"source": {_often(source)}, "row": ', "}\n" if chunk is None else f', "chunk": {_often(chunk)}}}\n'
    made = []
    for (row, line, record), why in found:
        place = "null" if row is None else row
        where = f"{head}{place}" if line is None else f'{head}{place}, "line": {line}'
        made.append(f"{where}{_said(why)}{_shown(record)}{tail}")
    return made


@lru_cache(1024)
def _said(why: Why) -> str:
    column, sqlstate, message = why
    return f', "column": {_often(column)}, "sqlstate": {_often(sqlstate)}, "message": {_text(message)}'


def _shown(record: bytes | Any) -> str:
    if not isinstance(record, bytes):
        return f', "values": {_encoded(record)}'
    try:
        return f', "record": {_text(record.decode())}'
    except UnicodeDecodeError:
        replaced, exact = record.decode("utf-8", "replace"), base64.b64encode(record).decode()
        return f', "record": {_text(replaced)}, "record_base64": "{exact}"'


def why_of(exc: DatabaseError, column: str | None) -> Why:
    """What is told of an error about a row."""
    return column, sqlstate_of(exc), first_line(str(exc))


def first_line(text: str) -> str:
    """The text without its details."""
    return text.partition("\n")[0]


def sqlstate_of(exc: DatabaseError) -> str:
    """The error's SQLSTATE; of what the codec refused, the one that the server has for it."""
    if exc.fault is None:
        return exc.sqlstate or _DATA_EXCEPTION
    return sqlstate_for(exc.fault.code, str(exc))


def sqlstate_for(code: int, said: str) -> str:
    """The SQLSTATE that the server has for a fault of the codec, of which this is said."""
    if code == faults.FAULT_CSV_FIELD and "out of range" in said and "out of range" in _VALUE.sub("", said):
        return "22008" if re.search(r"\((?:date|time)", said) else "22003"
    return _SQLSTATES.get(code, _DATA_EXCEPTION)


class TooManyRejects(DataError):
    """More rows were refused than the load allows. `rejects` are the first of them."""

    rejects: tuple[Reject, ...] = ()


class _File:
    """A file that holds rejects, one a line."""

    def __init__(self, target: str | os.PathLike[str] | IO[str]) -> None:
        self._path = Path(os.fspath(target)) if isinstance(target, (str, os.PathLike)) else None
        self._file: IO[str] | None = None
        self._hold: Hold | None = None
        if self._path is None:
            if not hasattr(target, "write"):
                raise InterfaceError(
                    f"rejects must be a path, an open text file or a function, not {type(target).__name__}"
                )
            self._file = target  # type: ignore[assignment]  # just seen

    def hold(self) -> None:
        """See that nobody else writes the file. Raises InterfaceError where another load does."""
        if self._path is not None and self._hold is None:
            self._path = self._path.resolve()  # a link stays one
            if self._path.is_file() or not self._path.exists():  # a pipe, a device: neither replaced nor read
                self._hold = Hold(self._path)

    def begin(self, kept: Callable[[str | None], bool] | None) -> None:
        """Make the file empty; of a load that goes on, leave what is `kept` of the one before."""
        self.hold()
        if self._path is None:
            return
        if self._hold is None:
            self._file = self._path.open("w", encoding="utf-8")
            return
        lines: Iterable[str] = ()
        if kept is not None and self._path.exists():
            lines = (line for line in _whole_lines(self._path) if kept(self._chunk_of(line)))
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        beside.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def _chunk_of(self, line: str) -> str | None:
        """The chunk that a line of the load before is of."""
        try:
            chunk: str | None = json.loads(line).get("chunk")
        except (ValueError, AttributeError) as exc:
            raise InterfaceError(f"{self._path} is no file of rejects: a line of it is none") from exc
        return chunk

    def write(self, lines: list[str]) -> None:
        """Append these."""
        assert self._file is not None, "begin comes before write"
        self._file.write("".join(lines))

    def flush(self) -> None:
        """See that all is written."""
        assert self._file is not None, "begin comes before flush"
        self._file.flush()
        if self._path is not None and self._path.is_file():
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close what was opened here."""
        try:
            if self._path is not None and self._file is not None:
                self._file.close()
        finally:
            if self._hold is not None:
                self._hold.close()
                self._hold = None


def check_apart(rejects: Rejects, sources: Sequence[Any]) -> None:
    """Raise InterfaceError where the rejects would be written over a source."""
    if not isinstance(rejects, (str, os.PathLike)) or not Path(rejects).exists():
        return
    there = os.stat(rejects)
    for source in sources:
        try:
            found = os.stat(source if isinstance(source, (str, os.PathLike)) else source.fileno())
        except (OSError, AttributeError, TypeError, ValueError):
            continue  # rows, or a file in memory; one that is missing is told of elsewhere
        if stat.S_ISREG(there.st_mode) and os.path.samestat(there, found):
            raise InterfaceError(f"rejects={os.fspath(rejects)!r} is a source of the load; name another file")


def _whole_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):  # the last one may be torn
                yield line


@dataclass(slots=True)
class Bin:
    """The rejects of one load: counted, bounded and written down."""

    limit: int | None
    target: Rejects = None
    count: int = 0
    kept: list[Reject] = field(default_factory=list)
    _file: _File | None = None
    #: Those of one chunk at most: their source, what is left of them, and the chunk.
    _waiting: list[tuple[str, Iterator[tuple[Origin, Why]], str | None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # of several connections that load side by side

    def hold(self) -> None:
        """See that nobody else writes the file, where there is one; whoever wants to know which rejects of an earlier
        run stay must hold it first. Raises InterfaceError where another load writes it."""
        if self.target is not None and not callable(self.target):
            self._file = _File(self.target)
            self._file.hold()

    def begin(self, kept: Callable[[str | None], bool] | None = None) -> None:
        """Open the file, where there is one; `kept` tells by their chunk which rejects of an earlier run stay."""
        if self._file is None:
            self.hold()
        if self._file is not None:
            self._file.begin(kept)

    def add(self, source: str, found: Iterator[tuple[Origin, Why]], count: int, chunk: str | None) -> None:
        """Note so many rows of a source that were refused. Raises TooManyRejects, once they are written down.

        Those of a load that is one transaction are written later, by `work` and `settle`.
        """
        with self._lock:
            self._drain()
            over: Reject | None = None
            if self.limit is not None and self.count + count > self.limit:
                rows = list(found)
                over, found = _made(source, *rows[max(0, self.limit - self.count)], chunk), iter(rows)
            self.count += count
            self._waiting.append((source, found, chunk))
            if over is not None or chunk is not None or callable(self.target):
                self._settle()
            if over is not None:
                raise self._too_many(over)

    def work(self) -> bool:
        """Write some of those that wait, as there is time: the server has its work. Whether there were any."""
        with self._lock:
            self._write_some()
            return bool(self._waiting)

    def settle(self) -> None:
        """Write all of those that wait, so that they stay."""
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        self._drain()
        if self._file is not None:
            self._file.flush()

    def _drain(self) -> None:
        while self._waiting:
            self._write_some()

    def _write_some(self) -> None:
        if not self._waiting:
            return
        source, found, chunk = self._waiting[0]
        wanted = self._file is not None or callable(self.target) or len(self.kept) < _KEPT
        if some := list(islice(found, _TOGETHER)) if wanted else []:
            self._take(source, some, chunk)
        else:
            self._waiting.pop()

    def _take(self, source: str, some: list[tuple[Origin, Why]], chunk: str | None) -> None:
        told = self.target if callable(self.target) else None
        wanted = some if told is not None else some[: max(0, _KEPT - len(self.kept))]
        rejects = [_made(source, origin, why, chunk) for origin, why in wanted]
        self.kept += rejects[: max(0, _KEPT - len(self.kept))]
        if self._file is not None:
            self._file.write(lines_of(source, some, chunk))
        elif told is not None:
            for reject in rejects:
                told(reject)

    def _too_many(self, last: Reject) -> TooManyRejects:
        where = f"line {last.line}" if last.line is not None else f"row {last.row}"
        allowed = f"more than {self.limit} rows were" if self.limit != 1 else "more than one row was"
        made = TooManyRejects(f"{allowed} refused; the next is {last.source}, {where}: {last.message}")
        made.sqlstate = last.sqlstate
        made.rejects = tuple(self.kept)
        return made

    def close(self) -> None:
        """Write those that wait, and close the file."""
        try:
            with self._lock:
                self._drain()
        finally:
            if self._file is not None:
                self._file.close()


def _made(source: str, origin: Origin, why: Why, chunk: str | None) -> Reject:
    return Reject(source, origin.row, origin.line, origin.record, *why, chunk)
