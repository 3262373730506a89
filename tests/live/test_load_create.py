"""Tables that are made for files with bad records: these decide no type, and are set aside by the load."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS making CASCADE; CREATE SCHEMA making")
        yield made
        made.execute("DROP SCHEMA making CASCADE")


def types(conn: pgfast.Connection) -> dict[str, str]:
    rows = conn.execute(
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute "
        "WHERE attrelid = 'making.t'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    return dict(rows)


BAD = [
    ("mixed ends", b"a,b\n1,x\r\n2,y\n3,z\r\n4,w\r5,v\n", 3, 1, 1),
    ("ends of their own", b"a,b\r\n1,x\n2.5,y\r\n3,z\n", 3, 0, 0),
    ("an open quote", b'a,b\n1,x\n2,"y\n3,z\n', 1, 1, 1),
    ("an open quote alone", b'a\n1\n"2\n', 1, 1, 1),
    ("no text", b"a,b\n1,x\nx\xff,y\n3,z\n", 2, 1, 1),
    ("a NUL", b"a,b\n1,x\nx\0,y\n3,z\n", 2, 1, 1),
    ("other widths", b"a,b\n1,x\nx,y,z\nx\n3,z\n", 2, 0, 2),
]


@pytest.mark.parametrize(("data", "good", "left_out", "rejected"), [each[1:] for each in BAD], ids=[b[0] for b in BAD])
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_no_record_decides_no_type(
    conn: pgfast.Connection, dsn: str, tmp_path: Path, data: bytes, good: int, left_out: int, rejected: int, jobs: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    settings: dict[str, Any] = {"on_error": "reject", "create": True}
    if jobs > 1:
        settings["resume"] = "making"
    report = pgfast.load(dsn, "making.t", path, jobs=jobs, **settings)
    assert (report.rows, report.rejected) == (good, rejected)
    assert types(conn)["a"] == ("numeric" if b"2.5" in data else "bigint")
    told = [each for each in report.warnings if "left out of the choice of types" in each]
    assert told == ([f"{path}: left out of the choice of types, being no records: {left_out}"] if left_out else [])


def test_without_rejects_what_is_no_record_is_an_error(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,x\r\n2,y\n")
    with pytest.raises(DataError, match=r"a\.csv, row 1: .* \(on_error='reject' leaves it out\)"):
        conn.load("making.t", path, create=True)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n[]\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: no object of JSON \(on_error='reject' leaves it out\)"):
        conn.load("making.t", path, create=True)


def test_lines_that_are_no_objects_decide_no_type(conn: pgfast.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n[]\n{"a": "x\xff"}\n{"a": "x", "a": 2}\n\n{nonsense\n{"a": 2, "b": "2020-01-01"}\n')
    report = conn.load("making.t", path, create=True, on_error="reject")
    assert (report.rows, report.rejected) == (2, 4)
    assert types(conn) == {"a": "bigint", "b": "date"}
    assert report.warnings == (f"{path}: left out of the choice of types, being no records: 4",)
    assert [reject.line for reject in report.rejects] == [2, 3, 4, 6]


def test_what_is_not_plain_of_a_file_is_a_warning(conn: pgfast.Connection, dsn: str, tmp_path: Path) -> None:
    for name, text in (("1", "a;b\n1;x\n2\n"), ("2", "a;b\n1;x\n"), ("3", "a,b\n1\n2\n3,z\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    wanted = (
        "1.csv: delimiter by 2 of its first 3 records",
        "3.csv: delimiter by 2 of its first 4 records",
    )
    report = conn.load("making.t", tmp_path, create=True, ragged="fill")
    assert report.warnings == wanted
    assert [each.warnings for each in report.sources] == [wanted[:1], (), wanted[1:]]
    assert pgfast.load(dsn, "making.t", tmp_path, ragged="fill", jobs=2).warnings == wanted
    one = pgfast.load(dsn, "making.t", tmp_path / "1.csv", ragged="fill", jobs=2)
    assert "delimiter ';'" in one.dialect and one.warnings == wanted[:1]
    assert conn.load("making.t", io.BytesIO(b"a,b\n1,x\n"), format="csv").warnings == ()
