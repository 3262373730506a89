"""The tests of SQLAlchemy, of PEP 249 and of pandas, run with one driver: what `test_compat` puts side by side.

Law of this file: the tests are those of the pinned release, and what is changed in them is the driver's name and
nothing else. Where a test asks whether it runs over psycopg, it is told so for pgfast as well, so that pgfast is
excused from nothing that psycopg must do; what is excused from psycopg is excused from both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import threading
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pgfast
from pgfast.net.conninfo import parse

SQLALCHEMY: Final = ("2.0.58", "2.1.9")
DBAPI: Final = "1.15.0"
PANDAS: Final = "3.1.1"
#: Held while something is fetched or made that both drivers use.
FETCHING: Final = threading.Lock()
#: Extensions that the tests of SQLAlchemy look for, and schemas and a collation that they expect.
_SET_UP: Final = (
    *[f"CREATE EXTENSION {name}" for name in ("hstore", "citext", "btree_gist", "pgcrypto")],
    *[f"CREATE SCHEMA {name}" for name in ("test_schema", "test_schema_2")],
    """CREATE COLLATION IF NOT EXISTS "en_US" (locale = 'C')""",
)
_AGAINST: Final = re.compile(r"""(["'](?:postgresql)?\+)psycopg((?:_async)?["'])""")
_DRIVER: Final = re.compile(r"""(\.driver == ["'])psycopg(["'])""")
_DBAPI_TEST: Final = """\
import {driver} as driver
import dbapi20


class Test(dbapi20.DatabaseAPI20Test):
    driver = driver
    connect_args = ({dsn!r},)
    lower_func = "compat_lower"

    def test_nextset(self):
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("select 1; select 2")
            self.assertTrue(cursor.nextset())
            self.assertEqual(cursor.fetchall(), [(2,)])
            self.assertFalse(cursor.nextset())
        finally:
            connection.close()

    def test_setoutputsize(self):
        connection = self._connect()
        try:
            connection.cursor().setoutputsize(10)
        finally:
            connection.close()


del dbapi20.DatabaseAPI20Test
"""
_LOWER: Final = "CREATE FUNCTION compat_lower(text) RETURNS text LANGUAGE sql AS 'SELECT lower($1)'"


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of the tests of one part; `failed` are their names."""

    passed: int
    failed: tuple[str, ...]
    skipped: int


def read_report(report: Path) -> Counts:
    """What a run of pytest has said. Names have no version of a server in them."""
    passed, skipped, failed = 0, 0, set()
    for case in ElementTree.parse(report).iter("testcase"):
        results = {child.tag for child in case} & {"failure", "error", "skipped"}
        if not results:
            passed += 1
        elif results == {"skipped"}:
            skipped += 1
        else:
            where = re.sub(r"_postgresql\+\w+_\d+_\d+", "", case.get("classname", ""))
            failed.add(f"{where}::{case.get('name', '')}".replace("pgfast", "psycopg"))
    return Counts(passed, tuple(sorted(failed)), skipped)


def _fresh_database(dsn: str, name: str, statements: Sequence[str]) -> str:
    """The address of a database that holds what the statements make and nothing else."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        conn.execute(f"CREATE DATABASE {name}")
    info = parse(dsn)[0]
    made = f"{info.user}@{info.host}:{info.port}/{name}"
    with pgfast.connect(f"postgresql://{made}", autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement)
    return made


def _pytest(python: Path, arguments: Sequence[str], directory: Path, report: Path, path: Sequence[Path] = ()) -> Counts:
    """The counts of a run of pytest. Raises RuntimeError where it wrote no report."""
    report.unlink(missing_ok=True)
    quiet = ("-q", "--tb=native", "-p", "no:cacheprovider", "-p", "no:logging", "-W", "ignore", "-o", "addopts=")
    with open(report.with_suffix(".log"), "w", encoding="utf-8") as output:
        subprocess.run(
            [str(python), "-m", "pytest", *arguments, *quiet, f"--junitxml={report}"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not report.exists():
        raise RuntimeError(f"pytest has not come to its end; see {report.with_suffix('.log')}")
    return read_report(report)


def _download(python: Path, requirement: str, where: Path) -> Path:
    """The source distribution of a release."""
    into = where / requirement.replace("==", "-")
    with FETCHING:
        if not into.is_dir():
            name = requirement.partition("==")[0]
            command = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name, requirement]
            subprocess.run([*command, "--dest", str(into)], check=True)
    (archive,) = into.iterdir()
    return archive


def _renamed(tree: Path) -> None:
    """Put pgfast's name where SQLAlchemy's tests ask for psycopg's."""
    for path in (*tree.glob("test/**/*.py"), *tree.glob("lib/sqlalchemy/testing/**/*.py")):
        before = path.read_text(encoding="utf-8")
        after = _DRIVER.sub(r"\1pgfast\2", _AGAINST.sub(r"\1pgfast\2", before))
        if after != before:
            path.write_text(after, encoding="utf-8")


def sqlalchemy(python: Path, dsn: str, driver: str, where: Path, version: str) -> dict[str, Counts]:
    """SQLAlchemy's suite for dialects and its tests of PostgreSQL, on both kinds of engine."""
    tree = where / f"sqlalchemy-{version}-{driver}"
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(_download(python, f"sqlalchemy=={version}", where)) as archive:
        archive.extractall(where / f"unpacked-{driver}", filter="data")
    (where / f"unpacked-{driver}" / f"sqlalchemy-{version}").rename(tree)
    if driver == "pgfast":
        _renamed(tree)
    found = {}
    for kind in ("", "_async"):
        for part, tests in (("suite", "test/dialect/test_suite.py"), ("postgresql", "test/dialect/postgresql")):
            database = _fresh_database(dsn, f"compat_{driver}{kind}_{part}", _SET_UP)
            database = database.replace("@", ":trusted@", 1)  # some tests put the password into addresses of their own
            arguments = [tests, "--dburi", f"postgresql+{driver}{kind}://{database}"]
            report = where / f"sqlalchemy-{version}-{driver}{kind}-{part}.xml"
            title = (
                f"SQLAlchemy {version}, {'dialect suite' if part == 'suite' else 'PostgreSQL'}{kind.replace('_', ', ')}"
            )
            found[title] = _pytest(python, arguments, tree, report)
    return found


def dbapi(python: Path, dsn: str, driver: str, where: Path) -> dict[str, Counts]:
    """The tests of PEP 249 that Stuart Bishop put into the public domain."""
    tree = where / f"dbapi-{driver}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    with zipfile.ZipFile(_download(python, f"dbapi-compliance=={DBAPI}", where)) as archive:
        text = archive.read(f"dbapi-compliance-{DBAPI}/dbapi20.py").decode("utf-8")
    for old, new in (("failUnlessEqual", "assertEqual"), ("failUnless", "assertTrue"), ("failIf", "assertFalse")):
        text = text.replace(old, new)  # as unittest has called them since Python 3.1
    (tree / "dbapi20.py").write_text(text, encoding="utf-8")
    database = _fresh_database(dsn, f"compat_{driver}_dbapi", [_LOWER])
    test = _DBAPI_TEST.format(driver=driver, dsn=f"postgresql://{database}")
    (tree / "test_dbapi.py").write_text(test, encoding="utf-8")
    report = where / f"dbapi-{driver}.xml"
    return {f"PEP 249 (dbapi-compliance {DBAPI})": _pytest(python, ["test_dbapi.py"], tree, report)}


def pandas(python: Path, dsn: str, driver: str, where: Path) -> dict[str, Counts]:
    """What pandas' test_sql tests with an engine of PostgreSQL."""
    asked = [str(python), "-c", "import pandas.tests.io.test_sql as found; print(found.__file__)"]
    text = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()).read_text("utf-8")
    database = _fresh_database(dsn, f"compat_{driver}_pandas", [])
    text = text.replace(
        "postgresql+psycopg2://postgres:postgres@localhost:5432/pandas", f"postgresql+{driver}://{database}"
    )
    text = text.replace('pytest.importorskip("psycopg2")', "")
    tree = where / f"pandas-{driver}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    (tree / "test_sql.py").write_text(text, encoding="utf-8")
    arguments = ["test_sql.py", "-k", "postgresql_psycopg2", "-p", "pandas.conftest"]
    return {"pandas, test_sql": _pytest(python, arguments, tree, where / f"pandas-{driver}.xml")}
