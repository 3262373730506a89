"""Chunks of CSV against a reading of the whole: every record is written once or told of, whatever ends the lines."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast.bulk import csvchunks
from pgfast.bulk.chunks import blocks
from pgfast.bulk.csv import CsvFeed
from pgfast.bulk.csvchunks import CsvChunk, Records, cut_text, edges, end_of_lines
from pgfast.bulk.csvdialect import dialect_of
from pgfast.bulk.csvfile import Utf8File
from pgfast.bulk.csvquotes import Quotes
from pgfast.bulk.feed import ALL_ROWS, TEXT, Left, Place, Span
from pgfast.bulk.files import File
from pgfast.bulk.report import Meter
from pgfast.bulk.sources import FileOptions
from pgfast.bulk.target import Target, TargetColumn
from pgfast.codec import encode_copy_csv
from pgfast.errors import DatabaseError
from pgfast.types.builtins import BY_OID

QUOTES: Final = Quotes('"', '"')
PARTS: Final = ["a", ",", "\n", "\r\n", "\r", '"', '""', "b,c", "\n\n", "1,2\n", "\r\n3,4\r\n"]


class Found(NamedTuple):
    """What became of the records of a text: the lines that are sent, and those that are not, with where they came
    from."""

    sent: list[bytes]
    left_out: list[tuple[bytes, int | None, int | None]]


def _feed(text: bytes, width: int) -> CsvFeed:
    file = File(io.BytesIO(text))
    feed = CsvFeed(file, dialect_of(file, FileOptions(delimiter=",", header=False)), ["?"] * width)
    columns = [TargetColumn(f"c{number}", 25, -1, "text", False, None, str, BY_OID[25]) for number in range(width)]
    feed.prepare(Target("t", "public.t", "t", tuple(columns)), "UTC")
    return feed


def _sent_by(chunk: CsvChunk, spans: Sequence[tuple[int, int]], bad: set[int]) -> Iterator[bytes]:
    """The lines of COPY's text for these rows of the chunk; those left out are added to `bad`."""

    def refuse(row: int, exc: DatabaseError) -> None:
        assert chunk.verdict(row, exc) is not None
        bad.add(row)

    def leave(rows: list[Left]) -> None:
        bad.update([row for row, _why in rows])

    meter = Meter()
    data = b"".join(bytes(block) for block in blocks(chunk, spans, meter, refuse, leave))
    text, at = b"", 0
    while at < len(data):
        end = at + 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        text, at = text + data[at + 5 : end], end
    lines = text.split(b"\n")[:-1]
    assert meter.rows == len(lines)
    yield from lines


def _by_chunks(text: bytes, width: int, size: int, cut: int | None) -> Found:
    """As a load does it; with a `cut` all is sent, and sent once more in two parts."""
    found = Found([], [])
    for chunk in _feed(text, width).chunks(Meter(), size, Place()):
        bad: set[int] = set()
        sent = list(_sent_by(chunk, [(0, ALL_ROWS)], bad))
        if cut is not None:
            again: set[int] = set()
            middle = min(cut, chunk.rows)
            spans = [span for span in [(0, middle), (middle, chunk.rows)] if span[0] < span[1]]
            assert list(_sent_by(chunk, spans, again)) == sent
            assert again == bad
        assert chunk.rows == len(sent) + len(bad)
        found.sent.extend(sent)
        for row in sorted(bad):
            origin = chunk.origin(row)
            found.left_out.append((origin.record, origin.line, origin.row))
    return found


def _fields(record: bytes) -> list[tuple[bytes, bool]]:
    """The fields, and whether a quote is in each."""
    fields, field, quoted, inside, at = list[tuple[bytes, bool]](), b"", False, False, 0
    while at < len(record):
        byte = record[at : at + 1]
        if inside and record[at : at + 2] == b'""':
            field, at = field + b'"', at + 1
        elif byte == b'"':
            inside, quoted = not inside, True
        elif byte == b"," and not inside:
            fields.append((field, quoted))
            field, quoted = b"", False
        else:
            field += byte
        at += 1
    return [*fields, (field, quoted)]


def _slowly(text: bytes, width: int) -> Found:
    found, end = Found([], []), end_of_lines(text, QUOTES, b"", True)
    starts, stops = edges(text, QUOTES, end, width == 1)
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True), 1):
        record = text[start:stop]
        fields = _fields(record)
        if record.count(b'"') % 2 or QUOTES.ends_inside(record) or len(fields) != width:
            found.left_out.append((record, text.count(end[-1:], 0, start) + 1, number))
        else:
            written = [field.replace(b"\r", rb"\r").replace(b"\n", rb"\n") for field, _quoted in fields]
            nulls = [rb"\N" if field == (b"", False) else each for field, each in zip(fields, written, strict=True)]
            found.sent.append(b"\t".join(nulls))
    return found


@pytest.mark.parametrize("width", [1, 2])
@given(
    texts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=30),
    size=st.sampled_from([1, 3, 8, 20, 1000]),
    piece=st.sampled_from([1, 3, 7, 1000]),
    cut=st.none() | st.integers(0, 10),
)
def test_every_record_is_written_once_or_told_of(
    width: int, texts: list[str], size: int, piece: int, cut: int | None
) -> None:
    text = "".join(texts).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csvchunks, "_PIECE", piece)
        assert _by_chunks(text, width, size, cut) == _slowly(text, width)


@pytest.mark.parametrize(
    ("text", "width", "sent", "left_out"),
    [
        # A blank line that ends otherwise, at the end, before what is sent apart, and of one column.
        (b"a,b\n\r\n", 2, [b"a\tb"], []),
        (b"a,b\n\r\n\r\nc,d\n", 2, [b"a\tb", b"c\td"], []),
        (b"a\r\n\nb\r\n", 1, [b"a", rb"\N", b"b"], []),
        # A carriage return by itself ends no line of a file that has line feeds, in its first record neither.
        (b"a\r\n\n\rb\n", 1, [b"a", rb"\N"], [(b"\rb", 3, 3)]),
    ],
)
def test_lines_that_end_otherwise(
    text: bytes, width: int, sent: list[bytes], left_out: list[tuple[bytes, int | None, int | None]]
) -> None:
    assert _by_chunks(text, width, 1000, 1) == Found(sent, left_out) == _slowly(text, width)


@pytest.mark.parametrize(
    ("header", "first"), [(b"a,b\n", b"1\r2,x\n"), (b"a,b\r\n", b"1\r2,x\n"), (b"a,b\n", b"1,2\r3,4\n")]
)
def test_the_first_record_behind_a_header_ends_where_the_others_do(header: bytes, first: bytes) -> None:
    file = File(io.BytesIO(header + first + b"5,6\n7,8\n"))
    feed = CsvFeed(file, dialect_of(file, FileOptions(delimiter=",")), ["a", "b"])
    columns = [TargetColumn(name, 25, -1, "text", False, None, str, BY_OID[25]) for name in ("a", "b")]
    feed.prepare(Target("t", "public.t", "t", tuple(columns)), "UTC")
    chunk = next(chunks := feed.chunks(Meter(), 1000, Place()))
    bad: set[int] = set()
    assert list(_sent_by(chunk, [(0, ALL_ROWS)], bad)) == [b"5\t6", b"7\t8"]
    assert bad == {0}
    assert chunk.origin(0).record == first[:-1]
    assert list(chunks) == []


def test_a_part_has_the_ends_of_lines_of_its_file(tmp_path: Path) -> None:
    text = b"a,b\n" + b"1\r2,x\n3,4\n"
    (tmp_path / "t.csv").write_bytes(text)
    file = File(tmp_path / "t.csv")
    records = Records(Utf8File(file, dialect_of(file, FileOptions())), QUOTES, 1000, Span(4, len(text)))
    assert (records.end_of_line, records.rest) == (b"\n", text[4:])


@pytest.mark.parametrize("size", [4, 5, 6, 1000])
def test_a_line_feed_behind_what_was_read_belongs_to_the_end_of_the_line(size: int) -> None:
    text = b"abcd\r\nefgh\r\n"
    file = File(io.BytesIO(text))
    assert Records(Utf8File(file, dialect_of(file, FileOptions())), QUOTES, size).end_of_line == b"\r\n"


def test_parts_begin_behind_whole_ends_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgfast.bulk.textchunks._LEAST_PART", 1)
    monkeypatch.setattr("pgfast.bulk.textchunks._BLOCK", 3)
    file = File(io.BytesIO(b"ab\r\ncd\r\nef\r\n"))
    spans = cut_text(Utf8File(file, dialect_of(file, FileOptions())), 12, QUOTES, 3)
    assert spans == [Span(0, 8, 0), Span(8, None, 2)]


def test_a_long_record_is_not_looked_at_from_its_beginning_for_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 MB in pieces of 4 kB: a thousand times would be two gigabytes."""
    looked_at = list[int]()

    def counted(buffer: Any, state: Any, block: Any, start: int, stop: int, *rest: Any) -> tuple[int, int]:
        looked_at.append(stop - start)
        return encode_copy_csv(buffer, state, block, start, stop, *rest)

    monkeypatch.setattr(csvchunks, "_PIECE", 1 << 12)
    monkeypatch.setattr(csvchunks, "_LOOKED_AT", 1 << 12)
    monkeypatch.setattr(csvchunks, "encode_copy_csv", counted)
    text = b"a,b\n" * 4000 + b'"' + b"x" * (1 << 22) + b'",y\n'
    sent = [
        len(list(_sent_by(chunk, [(0, ALL_ROWS)], set()))) for chunk in _feed(text, 2).chunks(Meter(), 1 << 23, Place())
    ]
    assert sent == [4001]
    assert sum(looked_at) < 4 * len(text)


def test_what_a_chunk_has_taken_is_not_kept_twice() -> None:
    """The first record of a file is read as a whole to see how it ends, however long it is."""
    feed = _feed(text := b"a," + b"x" * (1 << 20) + b"\n", 2)
    records = Records(Utf8File(file := File(io.BytesIO(text)), dialect_of(file, FileOptions())), QUOTES, 1 << 16)
    assert len(records.rest) == len(text)
    chunk = CsvChunk(records, Place(), 0, None, TEXT, 2, True, feed._chunk_state, feed)
    assert records.rest == b""
    assert chunk.data == text
