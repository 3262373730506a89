"""Compressed files and streams: what they hold is loaded, whatever they are called; damaged ones load nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard

import pgfast
from pgfast import DataError

LINES: Final = 20_000
CSV: Final = ("i,s\n" + "".join([f'{number},"text {number * 7919 % 104729}\n"\n' for number in range(LINES)])).encode()


def zstd(data: bytes) -> bytes:
    """Two frames, one behind the other, as `zstd -B` and appended files have them."""
    half = len(data) // 2
    return zstandard.compress(data[:half]) + zstandard.compress(data[half:])


COMPRESSORS: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}
KINDS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}

each = pytest.mark.parametrize("suffix", COMPRESSORS)
ways = pytest.mark.parametrize("way", [{}, {"on_error": "reject", "chunk_bytes": 1 << 16}], ids=["whole", "in chunks"])


@pytest.fixture
def table(auto: Any) -> Any:
    auto.execute("CREATE TEMP TABLE t (i int, s text)")
    return auto


def check(conn: Any, report: Any) -> None:
    assert (report.rows, report.read) == (LINES, LINES)
    assert conn.execute("SELECT count(*), sum(i), count(DISTINCT i) FROM t").fetchall() == [
        (LINES, LINES * (LINES - 1) // 2, LINES)
    ]


@each
@ways
def test_a_compressed_file_is_loaded_whatever_its_name(
    table: Any, tmp_path: Path, suffix: str, way: dict[str, Any]
) -> None:
    for name in (f"a.csv{suffix}", "a.csv"):
        path = tmp_path / name
        path.write_bytes(COMPRESSORS[suffix](CSV))
        check(table, table.load("t", path, **way))
        table.execute("TRUNCATE t")


@each
def test_a_compressed_stream_is_loaded(table: Any, suffix: str) -> None:
    check(table, table.load("t", io.BytesIO(COMPRESSORS[suffix](CSV)), format="csv"))


@each
@ways
def test_a_compressed_file_that_is_cut_short_loads_nothing(
    table: Any, tmp_path: Path, suffix: str, way: dict[str, Any]
) -> None:
    whole = COMPRESSORS[suffix](CSV)
    path = tmp_path / f"a.csv{suffix}"
    for stop in (len(whole) - 1, len(whole) // 3, 20):
        path.write_bytes(whole[:stop])
        with pytest.raises(DataError, match=rf"a\.csv\{suffix}: the {KINDS[suffix]} data (end too early|are damaged)"):
            table.load("t", path, **way)
        assert table.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


@each
@ways
def test_a_damaged_file_loads_nothing(table: Any, tmp_path: Path, suffix: str, way: dict[str, Any]) -> None:
    whole = bytearray(COMPRESSORS[suffix](CSV))
    for at in range(len(whole) // 2, len(whole) // 2 + 64):
        whole[at] ^= 0x55
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(whole)
    with pytest.raises(DataError, match=rf"{KINDS[suffix]} data are damaged|COPY t, row \d+"):
        table.load("t", path, **way) if not way else table.load("t", path, max_rejects=0, **way)
    assert table.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_zstd_in_many_frames_of_much_that_is_alike(table: Any, tmp_path: Path) -> None:
    data = b"i,s\n" + b"1,x\n" * 3_000_000
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstandard.compress(data, 19) + zstandard.compress(b"2,y\n") + zstandard.compress(b""))
    assert table.load("t", path).rows == 3_000_001


@pytest.mark.parametrize("text", [False, True])
def test_what_is_read_may_be_bytes_or_text(table: Any, text: bool) -> None:
    opened: Any = io.StringIO(CSV.decode()) if text else io.BytesIO(CSV)
    check(table, table.load("t", opened, format="csv", encoding="utf-16" if text else None))


def test_text_that_is_none_is_refused(table: Any) -> None:
    with pytest.raises(DataError, match="gave what is no text"):
        table.load("t", io.StringIO("i,s\n1,\ud800\n"), format="csv")


@ways
def test_a_pipe_is_read_as_it_comes(table: Any, way: dict[str, Any]) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            for start in range(0, len(CSV), 1000):
                file.write(CSV[start : start + 1000])
                file.flush()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with os.fdopen(reading, "rb", buffering=0) as file:
            check(table, table.load("t", file, format="csv", **way))
    finally:
        thread.join()


def test_a_stream_that_fails_loads_nothing(table: Any) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(CSV) // 2:
                raise OSError(5, "the disk is gone")
            return super().read(min(size or 0, 4096))

    with pytest.raises(OSError, match="the disk is gone"):
        table.load("t", Failing(CSV), format="csv")
    assert table.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard library reads zstd since 3.14")
def test_reading_zstd_without_its_library_names_the_extra(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstd(CSV))
    with pgfast.connect(dsn) as conn:
        conn.execute("CREATE TEMP TABLE t (i int, s text)")
        with pytest.raises(ImportError, match=r"pip install 'pgfast\[zstd\]'"):
            conn.load("t", path)
