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
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from ..errors import InterfaceError

#: Bytes of a stream that may be looked at before it is read.
HEAD_BYTES: Final = 1 << 20
_COMPRESSED: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zstd": "zstd"}
_MAGIC: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))


def _open_zstd(source: Path | BinaryIO) -> BinaryIO:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return cast(BinaryIO, zstd.open(source))
    try:
        import zstandard
    except ImportError as exc:
        raise ImportError("reading zstd needs zstandard; pip install 'pgfast[zstd]'") from exc
    file = source.open("rb") if isinstance(source, Path) else source
    return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=True))


_OPENERS: Final[dict[str, Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "zstd": _open_zstd}


class File:
    """A file that is read from its beginning to its end.

    `name` is for rejects, `label`, its last part, for errors; `suffix` is what its name ends in without that of a
    compression, `size_bytes` what it takes on disk (None: not known), `again` whether it can be opened more than once.
    """

    __slots__ = ("_head", "_path", "_stream", "again", "compression", "label", "name", "size_bytes", "suffix")

    def __init__(self, source: str | os.PathLike[str] | BinaryIO | Any, name: str | None = None) -> None:
        """A path, or an object with read() of bytes or str. Raises FileNotFoundError, IsADirectoryError."""
        self._path: Path | None = None
        self._stream: Any = None
        self._head = b""
        self.size_bytes: int | None = None
        if isinstance(source, (str, os.PathLike)):
            self._path = Path(os.fspath(source))
            with self._path.open("rb") as file:
                magic = file.read(8)
                self.size_bytes = os.fstat(file.fileno()).st_size
            self.again = self._path.is_file()
            if not self.again:  # a pipe: what was read of it will not come again
                raise InterfaceError(f"{self._path} is no regular file; open it, and pass what open() gave")
        else:
            self._stream = source
            self.again = False
            self._head = _bytes_of(source.read(HEAD_BYTES), source)
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
        """The bytes, decompressed. Raises InterfaceError for what cannot be opened again."""
        opener = None if self.compression is None else _OPENERS[self.compression]
        if self._path is not None:
            return cast(BinaryIO, self._path.open("rb") if opener is None else opener(self._path))
        if self._stream is None:
            raise InterfaceError(f"{self.name} can be read once only")
        joined = io.BufferedReader(_Joined(self._head, self._stream))
        self._stream = None
        return cast(BinaryIO, joined if opener is None else opener(joined))

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
            except (EOFError, OSError, lzma.LZMAError):
                if not made:
                    raise  # nothing could be read: the file is broken from its beginning
            return bytes(made[:size_bytes])


def _bytes_of(data: Any, stream: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
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
