"""Files as a load reads them: paths, compressed or not, and objects that are read.

Law of this file: bytes only, in the order they lie. What can be opened again is opened again; of what cannot, the
beginning that was looked at is given once more.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from ..errors import DataError, InterfaceError
from .zstd import DAMAGES, open_zstd

#: Bytes of a stream that may be looked at before it is read.
HEAD_BYTES: Final = 1 << 20
_BUFFER_BYTES: Final = 1 << 17
_COMPRESSED: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zstd": "zstd"}
_MAGIC: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))


_OPENERS: Final[dict[str, Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "zstd": open_zstd}


class File:
    """A file that is read from its beginning to its end.

    `name` is for rejects, `label`, its last part, for errors; `suffix` is what its name ends in without that of a
    compression, `size_bytes` what it takes on disk (None: not known), `again` whether it can be opened more than once,
    `is_text` whether it gives str.
    """

    __slots__ = (
        *("_head", "_path", "_stream", "again", "compression", "is_text", "label", "name", "size_bytes", "suffix"),
    )

    def __init__(self, source: str | os.PathLike[str] | BinaryIO | Any, name: str | None = None) -> None:
        """A path, or an object with read() of bytes or str. Raises FileNotFoundError, IsADirectoryError."""
        self._path: Path | None = None
        self._stream: Any = None
        self._head = b""
        self.is_text = False
        self.size_bytes: int | None = None
        if isinstance(source, (str, os.PathLike)):
            self._path = Path(os.fspath(source))
            if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
                # A pipe: what was read of it would not come again.
                raise InterfaceError(f"{self._path} is no regular file; open it, and pass what open() gave")
            with self._path.open("rb") as file:
                magic = file.read(8)
                self.size_bytes = os.fstat(file.fileno()).st_size
            self.again = True
        else:
            self._stream = source
            self.again = False
            head = source.read(HEAD_BYTES)
            self.is_text = isinstance(head, str)
            self._head = _bytes_of(head, source)
            magic = self._head[:8]
        given = str(self._path) if self._path is not None else getattr(source, "name", "")
        self.name = name or (given if isinstance(given, str) and given else f"<{type(source).__name__}>")
        self.label = Path(self.name).name or self.name
        suffixes = [suffix.lower() for suffix in Path(self.name).suffixes]
        self.compression = next((kind for start, kind in _MAGIC if magic.startswith(start)), None)
        if suffixes and suffixes[-1] in _COMPRESSED:
            suffixes.pop()
        self.suffix = suffixes[-1] if suffixes else ""

    @property
    def path(self) -> Path | None:
        """Where it lies, None for what is only read."""
        return self._path

    @property
    def plain(self) -> bool:
        """Whether its bytes lie on disk as they are."""
        return self._path is not None and self.compression is None

    def open(self) -> BinaryIO:
        """The bytes, decompressed. Raises InterfaceError for what cannot be opened again.

        Reading raises DataError where compressed data are damaged, or end too early.
        """
        opener = None if self.compression is None else partial(_decompressed, self)
        if self._path is not None:
            return self._path.open("rb") if opener is None else opener(self._path)
        if self._stream is None:
            raise InterfaceError(f"{self.name} can be read once only")
        joined = io.BufferedReader(_Joined(self._head, self._stream))
        self._stream = None
        return cast(BinaryIO, joined) if opener is None else opener(joined)

    def head(self, size_bytes: int) -> bytes:
        """The first bytes, decompressed; fewer where there are no more, or where a stream does not show as many."""
        if self._path is not None:
            with self.open() as file:
                return file.read(size_bytes)
        if self.compression is None:
            return self._head[:size_bytes]
        with _OPENERS[self.compression](io.BytesIO(self._head)) as file:
            made = bytearray()
            try:
                while len(made) < size_bytes and (more := file.read1(HEAD_BYTES)):
                    made += more
            except DAMAGES as exc:
                if not made:  # the file is broken from its beginning; else it may only be cut here
                    raise _damaged(self, exc) from exc
            return bytes(made[:size_bytes])


def _damaged(file: File, exc: Exception) -> Exception:
    """The error for what a decompressor says; the system's own stays as it is."""
    if isinstance(exc, OSError) and exc.errno is not None:
        return exc
    if isinstance(exc, EOFError):
        return DataError(f"{file.name}: the {file.compression} data end too early; the file is not whole")
    return DataError(f"{file.name}: the {file.compression} data are damaged: {exc}")


def _decompressed(file: File, source: Path | BinaryIO) -> BinaryIO:
    """The bytes of a compressed file."""
    assert file.compression is not None
    opened = _OPENERS[file.compression](source)
    return cast(BinaryIO, io.BufferedReader(_Decompressed(file, opened), _BUFFER_BYTES))


class _Decompressed(io.RawIOBase):
    """What a decompressor gives, with its errors in our words."""

    def __init__(self, file: File, opened: BinaryIO) -> None:
        self._of = file
        self._opened = opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._opened.readinto(buffer))  # type: ignore[attr-defined]  # all of _OPENERS have it
        except DAMAGES as exc:
            raise _damaged(self._of, exc) from exc

    def close(self) -> None:
        self._opened.close()
        super().close()


def _bytes_of(data: Any, stream: Any) -> bytes:
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError as exc:
            raise DataError(f"read() of {type(stream).__name__} gave what is no text: {exc}") from exc
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise InterfaceError(f"read() of {type(stream).__name__} gave {type(data).__name__}; bytes or str are wanted")


class _Joined(io.RawIOBase):
    """Bytes that were read already, and the stream behind them."""

    def __init__(self, head: bytes, stream: Any) -> None:
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            self._head = _bytes_of(self._stream.read(len(buffer)), self._stream)
        data = self._head[: len(buffer)]
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
