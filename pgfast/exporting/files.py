"""Where an export goes: a file that appears when it is whole, a directory of parts, or a file of the program's.

Law of this file: whatever is not kept is gone. What is written stands under another name beside its target until
`keep`, and `drop` removes it; both may be called at any time, `drop` by any thread once nobody writes any more.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, Final, cast

from .options import Layout

#: Bytes copied at a time when parts are joined.
_JOIN_BYTES: Final = 1 << 20


def create_beside(path: Path) -> Path:
    """The name of a new, empty file beside `path`, with the permissions of any new file."""
    while True:
        name = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
        try:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return name


class Destination:
    """The file or the files of one export.

    Use `single()` for the one file, or `part(number)` for parts of it; then `keep`, or `drop`.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pending: list[tuple[Path, Path | None]] = []  # written, and the name it gets; None: it is thrown away
        self._opened: list[OutFile] = []
        self._made: Path | None = None
        self.files: list[str] = []
        self.size_bytes = 0
        if layout.directory:
            self._prepare_directory()

    def _prepare_directory(self) -> None:
        path = self._layout.path
        assert path is not None, "a directory has a name"
        if not path.exists():
            path.mkdir()
            self._made = path
        elif any(path.glob(f"part-*{self._layout.suffix}")):
            raise FileExistsError(17, "the directory holds parts of another export", str(path))

    @property
    def is_directory(self) -> bool:
        """Whether the parts are files of their own."""
        return self._layout.directory

    def single(self) -> IO[bytes]:
        """The one file, open for writing. Raises OSError."""
        path = self._layout.path
        if path is None:
            given = sys.stdout.buffer if self._layout.stream is None else self._layout.stream
            return self._opened_as(given, owned=False)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(path.stat().st_mode):  # a device or a pipe has no second name
                self.files.append(str(path))
                return self._open(path)
        return self._beside(path.resolve(), str(path))

    def part(self, number: int) -> IO[bytes]:
        """A part that is a file of its own in the directory, open for writing."""
        assert self._layout.path is not None, "a directory has a name"
        path = self._layout.path / f"part-{number:05}{self._layout.suffix}"
        return self._beside(path, str(path))

    def spool(self, number: int) -> tuple[IO[bytes], Path]:
        """A part that is to be joined to the single file, open for writing, and its name."""
        near = self._layout.path
        base = Path(f"pgfast-{number}") if near is None else near.resolve()
        if near is None:
            base = Path(tempfile.gettempdir()) / base
        name = create_beside(base)
        self._pending.append((name, None))
        return self._open(name), name

    def _beside(self, path: Path, shown: str) -> IO[bytes]:
        name = create_beside(path)
        self._pending.append((name, path))
        self.files.append(shown)
        return self._open(name)

    def _open(self, path: Path) -> IO[bytes]:
        return self._opened_as(path.open("wb"), owned=True)

    def _opened_as(self, file: Any, owned: bool) -> IO[bytes]:
        opened = OutFile(file, owned)
        self._opened.append(opened)
        return cast("IO[bytes]", opened)

    def keep(self) -> None:
        """Give every file its name."""
        for name, path in self._pending:
            if path is None:
                name.unlink(missing_ok=True)
                continue
            self.size_bytes += name.stat().st_size
            with contextlib.suppress(FileNotFoundError):
                shutil.copymode(path, name)
            os.replace(name, path)
        self._pending.clear()
        self._made = None

    def drop(self) -> None:
        """Close and remove whatever was written."""
        for opened in self._opened:
            opened.drop()
        for name, path in self._pending:
            name.unlink(missing_ok=True)
            if path is not None and self._layout.directory:
                path.unlink(missing_ok=True)  # one that has got its name before another could not
        self._pending.clear()
        if self._made is not None:
            with contextlib.suppress(OSError):  # somebody has put something into it
                self._made.rmdir()
            self._made = None


def append(file: IO[bytes], path: Path) -> None:
    """Add the content of a part, which is then removed."""
    with path.open("rb") as part:
        while block := part.read(_JOIN_BYTES):
            file.write(block)
    path.unlink()


class OutFile:
    """A file that is written: one of ours, or of the program's, which stays open.

    Once it is dropped, what is still written to it goes nowhere: pyarrow's writers write when they are let go.
    """

    def __init__(self, file: Any, owned: bool) -> None:
        self._file = file
        self._owned = owned
        self._dropped = False
        self._at = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Write every byte: a file without a buffer, a pipe, may take fewer at a time."""
        view = memoryview(data).cast("B")
        size = len(view)
        while view and not self._dropped:
            written = self._file.write(view)
            view = view[len(view) if written is None else written :]
        self._at += size
        return size

    def tell(self) -> int:
        """How many bytes were written."""
        return self._at

    def flush(self) -> None:
        """Pass on what is kept in a buffer."""
        flush = getattr(self._file, "flush", None)
        if flush is not None and not self._dropped:
            flush()

    def close(self) -> None:
        """Write no more."""
        if not self.closed:
            self.flush()
            self.closed = True
            if self._owned:
                self._file.close()

    def drop(self) -> None:
        """Write nothing more, and forget what is in the buffer of a file of ours."""
        self._dropped = True
        if self._owned:
            with contextlib.suppress(OSError):  # what it could not write is not wanted any more
                self._file.close()
