"""The lines of a rejects file are what JSON makes of a reject."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pgfast.bulk.feed import Origin
from pgfast.bulk.rejects import Reject, lines_of


@pytest.mark.parametrize(
    "record",
    [
        b"1,a",
        b'"quoted", \\ and \x00\x1f',
        "größer 😀".encode(),
        b"\xff\xfe1",
        {"id": 1, "name": None},
        [1.5, "x"],
        None,
    ],
)
@pytest.mark.parametrize("row", [None, 7])
@pytest.mark.parametrize("line", [None, 8])
@pytest.mark.parametrize("column", [None, 'a "b"'])
@pytest.mark.parametrize("chunk", [None, "t.csv:0-10"])
def test_a_line_is_the_json_of_its_reject(
    record: Any, row: int | None, line: int | None, column: str | None, chunk: str | None
) -> None:
    why = (column, "22P02", "'x' does not\tfit: größer")
    reject = Reject("t.csv", row, line, record, *why, chunk)
    assert lines_of("t.csv", [(Origin(row, line, record), why)], chunk) == [json.dumps(reject.as_json()) + "\n"]
