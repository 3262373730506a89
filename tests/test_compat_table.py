"""What `make test-compat` makes of the tests of other projects: the table, and what is a defect."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import test_compat
from tools.compat_outside import Counts, read_report

REPORT = """<testsuites><testsuite>
<testcase classname="test.A_postgresql+pgfast_17_10" name="one"/>
<testcase classname="test.A_postgresql+pgfast_17_10" name="two_pgfast"><failure/></testcase>
<testcase classname="test.A_postgresql+pgfast_17_10" name="three"><skipped/></testcase>
<testcase classname="test.A_postgresql+pgfast_17_10" name="four"><error/></testcase>
</testsuite></testsuites>"""
FOUND = {
    "pgfast": {"part": Counts(5, ("m.C::a", "m.C::b", "m.C::c"), 1)},
    "psycopg": {"part": Counts(7, ("m.C::c",), 1)},
}


def test_a_report_is_read_without_the_names_of_drivers_and_servers(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert read_report(tmp_path / "report.xml") == Counts(1, ("test.A::four", "test.A::two_psycopg"), 1)


def test_what_fails_with_pgfast_alone_is_a_defect_but_where_it_is_explained() -> None:
    failures = test_compat.only_with_pgfast(FOUND)
    assert failures == ["part: m.C::a", "part: m.C::b"]
    known = {"C::a$": "it is meant", "C::z": "it is not there"}
    explained = {failure: test_compat.explained(known, failure) for failure in failures}
    assert list(explained.values()) == ["it is meant", None]
    assert test_compat.reasons(explained) == "- NOT EXPLAINED: 1 (C::b)\n- it is meant: 1 (C::a)\n"


def test_the_table_has_both_drivers() -> None:
    assert test_compat.table(FOUND).splitlines()[-1] == "| part | 5 | 3 | 1 | 7 | 1 | 1 |"


def test_what_a_part_has_come_to_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_compat, "PLACE", tmp_path)
    assert test_compat.kept("dbapi", "pgfast") == {}
    test_compat.keep("dbapi", "pgfast", FOUND["pgfast"])
    assert test_compat.kept("dbapi", "pgfast") == FOUND["pgfast"]
