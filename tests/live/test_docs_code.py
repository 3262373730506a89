"""The examples of the pages run, as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
#: Pages whose every block of Python runs with `dsn` being a server's, and nothing else.
PAGES: Final = ("observability.md", "pool.md", "from-psycopg.md", "from-psycopg2.md", "from-asyncpg.md")

_BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: Final = [
    pytest.param(block, id=f"{page} {number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(block: str, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "example", "exec"), {"dsn": dsn})
    said = capsys.readouterr().out
    for comment in re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE):
        assert comment in said


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_examples(page: str) -> None:
    assert _BLOCK.search((DOCS / page).read_text("utf-8"))
