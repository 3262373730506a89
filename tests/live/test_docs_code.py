"""The examples of the pages run, as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

import pgfast
from tests.live import engines

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
#: Pages whose every block of Python runs with `dsn` being a server's and `there` an empty directory, and nothing else.
PAGES: Final = (
    *("observability.md", "pool.md", "from-psycopg.md", "from-psycopg2.md", "from-asyncpg.md"),
    *("exporting.md", "loading.md"),
)

_BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: Final = [
    pytest.param(block, id=f"{page} {number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(block: str, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "example", "exec"), {"dsn": dsn, "there": str(tmp_path), "pgfast": pgfast})
    said = capsys.readouterr().out
    for comment in re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE):
        assert comment in said


def test_the_blocks_of_sqlalchemy_run_one_after_the_other(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    engines.register()
    page = (DOCS / "sqlalchemy.md").read_text("utf-8")
    address = "postgresql+pgfast://me@localhost/shop"
    blocks = _BLOCK.findall(page.replace(address, dsn.replace("postgresql", "postgresql+pgfast", 1)))
    assert len(blocks) == 4 and address not in "".join(blocks)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "example", "exec"), names)
    said = capsys.readouterr().out
    assert said.split() == re.findall(r"^ *print\(.*\)  # (.*)$", page, re.MULTILINE) == ["20000", "20002"]
    with names["engine"].begin() as connection:
        assert connection.exec_driver_sql("select count(*) from copied").scalar() == 20_002
        connection.exec_driver_sql("drop table points, copied")
    names["engine"].dispose()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_examples(page: str) -> None:
    assert _BLOCK.search((DOCS / page).read_text("utf-8"))
