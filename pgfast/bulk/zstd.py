"""Decompressing zstd: by the standard library since 3.14, before by the extra `zstd`.

Law of this file: data that end within a frame are told, as all other decompressors do it; little memory is taken
whatever the data say of themselves.

Sources: RFC 8878 (a block is at most 128 KiB once it is decompressed).
"""

from __future__ import annotations

import io
import lzma
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

#: Compressed bytes that are taken together: at first and at least, and at most; they are fewer where much comes of few.
_LEAST: Final = 1 << 10
_MOST: Final = 1 << 17
_MUCH: Final = 1 << 20


class ZstdError(Exception):
    """The library's error for damaged data."""


#: What decompressors raise for damaged data, an OSError without a number, and EOFError where they end too early.
DAMAGES: Final = (EOFError, OSError, lzma.LZMAError, zlib.error, ZstdError)


def open_zstd(source: Path | BinaryIO) -> BinaryIO:
    """The bytes of a file, or of what is read, decompressed. Raises ImportError where there is no library."""
    library = _library()
    file = source.open("rb") if isinstance(source, Path) else source
    return cast(BinaryIO, io.BufferedReader(_Frames(file, *library)))


def _library() -> tuple[Any, type[Exception]]:
    """What makes a decompressor of one frame, and its error."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdDecompressor, zstd.ZstdError
    try:
        import zstandard
    except ImportError as exc:
        raise ImportError("reading zstd needs zstandard; pip install 'pgfast[zstd]'") from exc
    return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError


class _Frames(io.RawIOBase):
    """The frames of a file, one after the other."""

    def __init__(self, file: BinaryIO, make: Any, error: type[Exception]) -> None:
        self._file = file
        self._make = make
        self._error = error
        self._frame: Any = None
        self._ready = memoryview(b"")
        self._size = _LEAST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._file.read(self._size)
            if not data:
                if self._frame is not None:
                    raise EOFError("the data end within a frame")
                return 0
            self._ready = memoryview(self._decompressed(data))
            much = len(self._ready) > _MUCH
            self._size = max(_LEAST, self._size // 4) if much else min(_MOST, 2 * self._size)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decompressed(self, data: bytes) -> bytes:
        made: list[bytes] = []
        while data:
            if self._frame is None:
                self._frame = self._make()
            try:
                made.append(self._frame.decompress(data))
            except self._error as exc:
                raise ZstdError(str(exc)) from exc
            data = b""
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None
        return b"".join(made)

    def close(self) -> None:
        self._file.close()
        super().close()
