"""Where the records of a chunk of CSV lie, against a reading character by character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast.bulk import csvchunks
from pgfast.bulk.csvchunks import edges
from pgfast.bulk.csvquotes import Quotes


def _read_slowly(data: bytes, quotes: Quotes, end_of_line: bytes, alone: bool) -> list[tuple[int, int]]:
    mark, found, begun, inside, at = end_of_line[-1:], [], 0, False, 0
    while at <= len(data):
        byte = data[at : at + 1]
        if inside and quotes.apart and byte == quotes.escape:
            at += 2 if data[at + 1 : at + 2] in (quotes.quote, quotes.escape) else 1
            continue
        if byte == quotes.quote:
            inside = not inside
        if (byte == mark and not inside) or (at == len(data) and at > begun):
            end = at - 1 if mark == b"\n" and at > begun and data[at - 1 : at] == b"\r" else at
            if end > begun or alone:
                found.append((begun, end))
            begun = at + 1
        at += 1
    if begun < len(data):
        found.append((begun, len(data)))
    return found


@pytest.mark.parametrize("escape", ['"', "\\"])
@pytest.mark.parametrize("end_of_line", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
@given(texts=st.lists(st.sampled_from(["a", '"', ",", "\n", "\r", "\r\n", "\n\n", "\\", "bc", '""']), max_size=30))
def test_edges_are_those_of_a_slow_reading(
    escape: str, end_of_line: bytes, alone: bool, piece: int, texts: list[str]
) -> None:
    data, quotes = "".join(texts).encode(), Quotes('"', escape)
    if escape == "\\" and quotes.covered(data).count(b'"') % 2:
        return  # what stands behind a quote that is never closed is covered as a whole
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csvchunks, "_TOGETHER", piece)
        starts, ends = edges(data, quotes, end_of_line, alone)
    assert list(zip(starts, ends, strict=True)) == _read_slowly(data, quotes, end_of_line, alone)
