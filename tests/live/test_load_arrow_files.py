"""Arrow files and streams, Feather among them: the same rows whichever way they lie, and none of a damaged one."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest

import pgfast
from pgfast import DataError, InterfaceError

ROWS = 50_000
TABLE = pa.table(
    {
        "s": pa.array([None if number % 5 == 0 else f"é{number}" for number in range(ROWS)]),
        "i": pa.array(range(ROWS), pa.int64()),
        "unused": pa.array([b"x" * 20] * ROWS),
        "n": pa.array(range(ROWS), pa.decimal128(20, 2)),
    }
)


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("CREATE TEMP TABLE t (i bigint, s text, n numeric)")
        yield made


def check(conn: pgfast.Connection) -> None:
    found = conn.execute("SELECT count(*), sum(i), count(s), sum(n), max(s) FROM t").fetchall()
    wanted = "count(*), sum(i), count(*) FILTER (WHERE i % 5 > 0), sum(i), max('é' || i) FILTER (WHERE i % 5 > 0)"
    assert found == conn.execute(f"SELECT {wanted} FROM generate_series(0, {ROWS - 1}) i").fetchall()
    conn.execute("TRUNCATE t")


def as_file(table: Any, compression: str | None = None, chunk: int = 7000) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue()


def as_stream(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7000)
    return sink.getvalue()


ways = pytest.mark.parametrize("way", [{}, {"on_error": "reject", "chunk_bytes": 1 << 16}], ids=["whole", "in chunks"])


@ways
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_file_is_loaded_by_the_names_of_its_columns(
    conn: pgfast.Connection, tmp_path: Path, compression: str | None, way: dict[str, Any]
) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(as_file(TABLE, compression))
    report = conn.load("t", path, columns=["i", "s", "n"], **way)
    assert (report.rows, report.read, report.source, report.path) == (ROWS, ROWS, "arrow", "binary")
    check(conn)


@ways
def test_streams_and_feather_load_too(conn: pgfast.Connection, tmp_path: Path, way: dict[str, Any]) -> None:
    table = TABLE.drop_columns(["unused"])
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"))
    (tmp_path / "a.arrows").write_bytes(as_stream(table))
    (tmp_path / "a.ipc.gz").write_bytes(gzip.compress(as_file(table)))
    (tmp_path / "b.arrows.gz").write_bytes(gzip.compress(as_stream(table)))
    for source in (
        *(tmp_path / "a.feather", tmp_path / "a.arrows", tmp_path / "a.ipc.gz", tmp_path / "b.arrows.gz"),
        *(io.BytesIO(as_file(table)), io.BytesIO(as_stream(table))),
    ):
        said: dict[str, Any] = {} if isinstance(source, Path) else {"format": "arrow"}
        assert conn.load("t", source, **said, **way).rows == ROWS
        check(conn)


def test_what_has_no_name_is_known_by_its_content(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(as_file(TABLE))
    assert conn.load("t", path, ["i"]).rows == ROWS


@pytest.mark.parametrize("stream", [False, True])
def test_a_load_goes_on_where_it_ended(dsn: str, tmp_path: Path, stream: bool) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS arrows CASCADE; CREATE SCHEMA arrows")
        conn.execute("CREATE TABLE arrows.t (i bigint CHECK (i <> 30000), s text)")
        path = tmp_path / "a.arrow"
        path.write_bytes((as_stream if stream else as_file)(TABLE))
        for _ in range(2):
            with pytest.raises(pgfast.errors.CheckViolation):
                conn.load("arrows.t", path, ["i", "s"], resume="once", chunk_bytes=1 << 16)
        ((there,),) = conn.execute("SELECT count(*) FROM arrows.t").fetchall()
        assert 20_000 < there < 30_000
        report = conn.load("arrows.t", path, ["i", "s"], resume="once", chunk_bytes=1 << 16, on_error="reject")
        assert (report.rejected, report.rejects[0].row, report.resumed) == (1, 30_001, there)
        assert conn.execute("SELECT count(*), count(DISTINCT i) FROM arrows.t").fetchall() == [(ROWS - 1, ROWS - 1)]
        conn.execute("DROP SCHEMA arrows CASCADE")


@ways
@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_file_loads_nothing(
    conn: pgfast.Connection, tmp_path: Path, stream: bool, way: dict[str, Any]
) -> None:
    whole = (as_stream if stream else as_file)(TABLE)
    path = tmp_path / "a.arrow"
    for data in (whole[: len(whole) // 2], whole[:100], b"ARROW1", b"nothing of this sort"):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"a\.arrow: (not a readable Arrow file|damaged, or cut short)"):
            conn.load("t", path, ["i"], **way)
    assert conn.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_feather_of_the_first_version_is_refused(conn: pgfast.Connection, tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(12) + b"FEA1")
    with pytest.raises(InterfaceError, match="Feather version 1 is not read"):
        conn.load("t", tmp_path / "a.feather")


def test_an_empty_file_is_no_rows(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(as_file(TABLE.slice(0, 0)))
    assert conn.load("t", path, ["i", "s"]).rows == 0


def test_without_pyarrow_the_extra_is_named(
    conn: pgfast.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = tmp_path / "a.arrow"
    path.write_bytes(as_file(TABLE))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'pgfast\[arrow\]'"):
        conn.load("t", path)
