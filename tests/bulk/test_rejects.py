"""Files of rejects: their lines are what JSON makes of a reject, and who has closed one holds it no more."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pgfast.bulk.feed import Origin
from pgfast.bulk.rejects import Bin, Reject, lines_of, sqlstate_for
from pgfast.errors import faults


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


def test_a_file_that_cannot_be_closed_is_held_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the disk is full: the next load of the process may write it."""

    class Full(io.StringIO):
        def __exit__(self, *_said: object) -> None:
            """Left open by `with`."""

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (first, second), file = [Bin(None, tmp_path / "rejects.jsonl") for _ in range(2)], Full()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_args, **_kwargs: file)
        patched.setattr(Path, "replace", lambda *_args: None)
        first.begin()
    with pytest.raises(OSError, match="No space left"):
        first.close()
    second.begin()
    second.close()
    monkeypatch.setattr(Full, "close", io.StringIO.close)


@pytest.mark.parametrize(
    ("said", "sqlstate"),
    [
        ("COPY t, row 1, column a (integer): 99999999999 is out of range (line 2 of o'clock.csv)", "22003"),
        ("COPY t, row 1, column a (date): '2020-02-30' does not fit: day is out of range for month", "22008"),
        (
            "COPY t, row 1, column a (integer): 'out of range' does not fit: not a whole number (line 2 of a.csv)",
            "22P02",
        ),
    ],
)
def test_what_stands_in_a_value_does_not_choose_the_sqlstate(said: str, sqlstate: str) -> None:
    assert sqlstate_for(faults.FAULT_CSV_FIELD, said) == sqlstate
