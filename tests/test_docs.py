"""The pages that tables of the code stand in say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from pgfast.net.keywords import OBJECTS, ONLY, VARIABLES
from tools import arrow_page

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_arrow_page_is_what_the_code_does() -> None:
    page = arrow_page.PAGE.read_text(encoding="utf-8")
    assert page == arrow_page.rewritten(page), "docs/arrow.md is out of date: python -m tools.arrow_page"


def test_the_page_of_settings_has_every_keyword_with_its_variable() -> None:
    page = (DOCS / "connecting.md").read_text(encoding="utf-8")
    told = {
        name: variable or None
        for name, variable in re.findall(r"^\| (\w+) \| (\w*) ?\| .* \| .*\|$", page, re.MULTILINE)
    }
    told.pop("keyword")
    assert told == {**VARIABLES, **{name: variable for name, (variable, _) in ONLY.items()}}
    assert set(re.findall(r"^\| (\w+) \| [^|]+ \|$", page, re.MULTILINE)) == {"keyword", *OBJECTS}


def test_the_page_of_messages_names_tests_that_there_are() -> None:
    page = (DOCS / "protocol.md").read_text(encoding="utf-8")
    tests = DOCS.parent / "tests"
    named = re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)(?:: (test_\w+))?", page)
    assert len(named) > 40
    for file, function in named:
        found = [path for path in (tests / file, tests / "live" / file) if path.exists()]
        assert found, file
        assert function in found[0].read_text(encoding="utf-8"), (file, function)
