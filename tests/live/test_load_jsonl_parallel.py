"""JSON lines over several connections: cut at the ends of lines, whatever stands in them, with each line known by its
number."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError, OperationalError
from pgfast.bulk.csvdialect import dialect_of
from pgfast.bulk.csvfile import Utf8File
from pgfast.bulk.feed import Span
from pgfast.bulk.files import File
from pgfast.bulk.jsonchunks import cut_lines
from pgfast.bulk.jsonlines import JsonLinesFeed
from pgfast.bulk.sources import FileOptions

ROWS = 20_000
LEAST = 1 << 14


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as made:
        made.execute("DROP SCHEMA IF EXISTS lines CASCADE")
        made.execute("CREATE SCHEMA lines")
        made.execute("CREATE TABLE lines.t (id int PRIMARY KEY, name text)")
        yield made
        made.execute("DROP SCHEMA lines CASCADE")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgfast.bulk.textchunks._LEAST_PART", LEAST)
    monkeypatch.setattr("pgfast.bulk.textchunks._BLOCK", 2 * LEAST)


def row_of(number: int) -> bytes:
    name = f'{number}: "\n{{' + "ä\r" * (number % 29)
    return json.dumps({"id": number, "name": name}, ensure_ascii=number % 2 == 0).encode()


def ugly(rows: int = ROWS) -> bytes:
    """A text with a byte order mark, blank lines, both ends of lines, and none at its end."""
    ends = (b"\n", b"\r\n", b"\n\n", b"\n \t\r\n")
    return (
        codecs.BOM_UTF8 + b"".join([row_of(row) + ends[row % 4] for row in range(rows)])[: -len(ends[(rows - 1) % 4])]
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lines") / "t.jsonl"
    made.write_bytes(ugly())
    return made


def found(conn: pgfast.Connection) -> Any:
    return conn.execute("SELECT count(*)::int, sum(id)::int, sum(length(name))::int FROM lines.t").fetchone()


EXPECTED = (ROWS, sum(range(ROWS)), sum(len(json.loads(row_of(row))["name"]) for row in range(ROWS)))


def spans_of(path: Path, count: int) -> list[Span]:
    return JsonLinesFeed(File(path), FileOptions()).spans(count)


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_parts_begin_with_lines_and_know_their_numbers(path: Path, count: int) -> None:
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    spans = spans_of(path, count)
    assert spans[0].start == 0 and spans[-1].stop is None
    assert [span.start for span in spans[1:]] == [span.stop for span in spans[:-1]]
    assert count * 0.7 <= len(spans) <= count + 1
    for span in spans[1:]:
        assert data[: span.start].endswith(b"\n") and span.line == data.count(b"\n", 0, span.start)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"", 1),
        (b"\n\n\n", 1),
        (b'{"id": 1}', 1),
        (b'{"id": 1}\r\n{"id": 2}', 1),
        (b'{"id": 1, "name": "' + b"x" * 5 * LEAST + b'"}', 1),
        (b'{"id": 1, "name": "' + b"x" * 5 * LEAST + b'"}\n{"id": 2}\n', 2),
        (b'{"id": 1}\n{"id": 2, "name": "' + b"x" * 5 * LEAST + b'"}\n{"id": 3}', 2),
        (b"\n" * 3 * LEAST + b'{"id": 1}', 3),
    ],
    ids=["empty", "blank", "one", "two", "long", "long first", "long second", "blank lines"],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_few_lines_and_long_ones_are_loaded_once(
    conn: pgfast.Connection, dsn: str, tmp_path: Path, text: bytes, parts: int, jobs: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    dialect = dialect_of(File(path), FileOptions(delimiter=","))
    with Utf8File(File(path), dialect) as opened:
        assert len(cut_lines(opened, len(text), 40)) == parts
    wanted = [json.loads(line) for line in text.splitlines() if line.strip()]
    report = pgfast.load(dsn, "lines.t", path, jobs=jobs, columns=["id", "name"])
    assert (report.read, report.rows) == (len(wanted), len(wanted))
    rows = conn.execute("SELECT id, coalesce(length(name), 0) FROM lines.t ORDER BY id").fetchall()
    assert rows == [(each["id"], len(each.get("name", ""))) for each in wanted]


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("mode", ["append", "truncate", "replace"])
def test_over_several_connections_as_over_one(
    conn: pgfast.Connection, dsn: str, path: Path, jobs: int, mode: str
) -> None:
    report = pgfast.load(dsn, "lines.t", path, jobs=jobs, mode=mode, memory="4MB")
    assert (report.read, report.rows, report.skipped) == (ROWS, ROWS, 0)
    assert found(conn) == EXPECTED


def test_it_is_cut_only_as_it_lies(path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "t.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert spans_of(packed, 4) == [Span()]
    wide = tmp_path / "wide.jsonl"
    wide.write_text(ugly(2000).decode("utf-8-sig"), encoding="utf-16", newline="")
    assert spans_of(wide, 4) == [Span()]
    assert len(spans_of(path, 4)) >= 4


@pytest.mark.parametrize("bad", [b'{"id": "x"}', b"{nonsense", b'{"id": 1, "name": "\xff"}'])
def test_a_bad_line_is_named_by_its_number(
    conn: pgfast.Connection, dsn: str, tmp_path: Path, path: Path, bad: bytes
) -> None:
    data = path.read_bytes()
    broken = tmp_path / "bad.jsonl"
    broken.write_bytes(data + b"\r\n" + bad + b"\r\n")
    with pytest.raises(DataError, match=rf"\(line {data.count(bytes([10])) + 2} of bad\.jsonl\)"):
        pgfast.load(dsn, "lines.t", broken, jobs=3, memory="4MB")
    assert found(conn)[0] == 0


@pytest.mark.parametrize("jobs", [(3, 2), (4, 1), (1, 4)], ids=str)
def test_it_goes_on_and_tells_each_bad_line_once(
    conn: pgfast.Connection, dsn: str, tmp_path: Path, jobs: tuple[int, int]
) -> None:
    lines = [row_of(row) for row in range(ROWS)]
    for number in range(100, ROWS, 1000):
        lines[number] = b'{"id": "x%d"}' % number
    source, rejects = tmp_path / "a.jsonl", tmp_path / "r.jsonl"
    source.write_bytes(b"\r\n".join(lines))
    settings: dict[str, Any] = {"resume": "lines", "rejects": rejects, "chunk_bytes": 32768}
    left = [8]

    def told(_rows: int, _size: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OperationalError("broken off")

    with pytest.raises(OperationalError, match="broken off"):
        pgfast.load(dsn, "lines.t", source, jobs=jobs[0], progress=told, **settings)
    report = pgfast.load(dsn, "lines.t", source, jobs=jobs[1], **settings)
    bad = range(100, ROWS, 1000)
    assert 0 < report.resumed < ROWS and report.resumed + report.rows == ROWS - len(bad)
    assert found(conn)[:2] == (ROWS - len(bad), sum(range(ROWS)) - sum(bad))
    told_of = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert sorted((each["line"], each["record"]) for each in told_of) == [
        (number + 1, f'{{"id": "x{number}"}}') for number in bad
    ]
