"""The pages that tables of the code stand in say what the code does."""

from __future__ import annotations

from tools import arrow_page


def test_the_arrow_page_is_what_the_code_does() -> None:
    page = arrow_page.PAGE.read_text(encoding="utf-8")
    assert page == arrow_page.rewritten(page), "docs/arrow.md is out of date: python -m tools.arrow_page"
