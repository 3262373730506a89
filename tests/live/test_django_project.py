"""A Django project as its people use it: tests in parallel, dbshell, services and the examples of the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

import pgfast
from pgfast.embedded import find_installation
from tests.servers import PASSWORDS, TlsServer

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "django.md"

_MANAGE: Final = """\
import multiprocessing
import os
import sys

if __name__ == "__main__":
    if "START" in os.environ:
        multiprocessing.set_start_method(os.environ["START"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""
_SETTINGS: Final = """\
DATABASES = {{"default": {database!r}}}
INSTALLED_APPS = ["pgfast.django", "django.contrib.postgres", "entries"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
_MODELS: Final = """\
from django.db import models

class Entry(models.Model):
    title = models.CharField(max_length=50, unique=True)
"""
#: Two classes for two workers. Each waits for the other at the FIFO, so that both are there.
_TESTS: Final = """\
import os
from django.db import connection
from django.test import TestCase, TransactionTestCase
from entries.models import Entry

def meet(mode):
    with open(os.environ["MEETING"], mode) as fifo:
        fifo.write("here") if mode == "w" else fifo.read()
    with open(os.environ["SEEN"], "a") as seen:
        print(connection.settings_dict["NAME"], file=seen)

class First(TestCase):
    def test_alone(self):
        Entry.objects.create(title="only one")
        meet("w")
        self.assertEqual(Entry.objects.count(), 1)

class Second(TransactionTestCase):
    def test_alone(self):
        Entry.objects.create(title="only one")
        meet("r")
        self.assertEqual(Entry.objects.count(), 1)
"""
_PSQL: Final = """\
#!{python}
import json, os, sys
told = {{name: value for name, value in os.environ.items() if name.startswith("PG")}}
with open({told!r}, "w") as file:
    json.dump([sys.argv[1:], told], file)
os.execv({psql!r}, ["psql", *sys.argv[1:]])
"""


class Project:
    """A project in a directory of its own, with one app, `entries`."""

    def __init__(self, directory: Path, database: dict[str, Any]) -> None:
        self.directory = directory
        app = directory / "entries"
        app.mkdir()
        for path, text in {
            directory / "manage.py": _MANAGE,
            directory / "settings.py": _SETTINGS.format(database={"ENGINE": "pgfast.django", **database}),
            app / "__init__.py": "",
            app / "models.py": _MODELS,
            app / "tests.py": _TESTS,
        }.items():
            path.write_text(text, encoding="utf-8")

    def run(self, *args: str, **variables: str) -> str:
        """What a program has said, `manage.py test` for instance; it must end well."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG") or "PGFAST" in name}
        paths = os.pathsep.join([str(self.directory), str(ROOT)])
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self.directory,
            env={**own, "HOME": str(self.directory), "PYTHONPATH": paths, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def manage(self, *args: str, **variables: str) -> str:
        """What `manage.py` has said."""
        return self.run("manage.py", *args, **variables)


def place(dsn: str, **more: Any) -> dict[str, Any]:
    with pgfast.connect(dsn) as connection:
        info = connection.info
        return {"HOST": info.host, "PORT": str(info.port), "USER": info.user, "NAME": info.dbname, **more}


# ---------------------------------------------------------------- tests in parallel


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("options", [{}, {"pool": True}, {"server_side_binding": True}])
def test_tests_in_parallel_have_databases_of_their_own(
    dsn: str, tmp_path: Path, start: str, options: dict[str, Any]
) -> None:
    meeting, seen = tmp_path / "meeting", tmp_path / "seen"
    os.mkfifo(meeting)
    project = Project(tmp_path, place(dsn, NAME="parallel", OPTIONS=options, TEST={"NAME": "parallel_t"}))
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop database if exists parallel_t")
    said = project.manage("test", "--parallel=2", "--noinput", START=start, MEETING=str(meeting), SEEN=str(seen))
    assert "Ran 2 tests" in said
    assert sorted(seen.read_text().split()) == ["parallel_t_1", "parallel_t_2"]
    with pgfast.connect(dsn) as conn:  # and they are dropped afterwards
        assert conn.execute("select datname from pg_database where datname like 'parallel%'").fetchall() == []


# ---------------------------------------------------------------- dbshell


def shell(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """Variables by which a psql is found that writes down how it was called, and the file it writes to."""
    programs, told = tmp_path / "programs", tmp_path / "told.json"
    programs.mkdir()
    real = find_installation(variable="PGFAST_PSQL_BIN").program("psql")
    psql = programs / "psql"
    psql.write_text(_PSQL.format(python=sys.executable, told=str(told), psql=real), encoding="utf-8")
    psql.chmod(0o700)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}, told


def test_dbshell_hands_the_password_over_where_nobody_sees_it(tls_server: TlsServer, tmp_path: Path) -> None:
    port, password = str(tls_server.server.port), PASSWORDS["u_scram"]
    database = {"HOST": "127.0.0.1", "PORT": port, "USER": "u_scram", "NAME": "postgres", "PASSWORD": password}
    project = Project(tmp_path, {**database, "OPTIONS": {"sslmode": "prefer", "pool": True}})
    path, told = shell(tmp_path)
    said = project.manage("dbshell", "--", "-X", "-A", "-t", "-c", "select 'i am ' || current_user", **path)
    assert "i am u_scram" in said
    args, variables = json.loads(told.read_text())
    assert args[:6] == ["-U", "u_scram", "-h", "127.0.0.1", "-p", port]
    assert args[-1] == "postgres"
    assert password not in "".join(args)
    assert variables["PGPASSWORD"] == password
    assert variables["PGSSLMODE"] == "prefer"


def test_a_service_and_a_password_file_say_it_all(tls_server: TlsServer, tmp_path: Path) -> None:
    services, passwords = tmp_path / "services", tmp_path / "passwords"
    port = tls_server.server.port
    services.write_text(f"[shop]\nhost=127.0.0.1\nport={port}\nuser=u_scram\ndbname=postgres\n")
    passwords.write_text(f"127.0.0.1:{port}:postgres:u_scram:{PASSWORDS['u_scram']}\n")
    passwords.chmod(0o600)
    project = Project(tmp_path, {"OPTIONS": {"service": "shop", "passfile": str(passwords)}})
    path, told = shell(tmp_path)
    variables = {"PGSERVICEFILE": str(services), **path}
    program = "from django.db import connection as c; k = c.cursor(); k.execute('select current_user'); print(*k)"
    assert "u_scram" in project.manage("shell", "-c", program, **variables)
    said = project.manage("dbshell", "--", "-X", "-A", "-t", "-c", "select 'i am ' || current_user", **variables)
    assert "i am u_scram" in said
    args, given = json.loads(told.read_text())
    assert args == ["-X", "-A", "-t", "-c", "select 'i am ' || current_user"]
    assert (given["PGSERVICE"], given["PGPASSFILE"]) == ("shop", str(passwords))


# ---------------------------------------------------------------- the page


def test_the_examples_of_the_page_run(dsn: str, tmp_path: Path) -> None:
    settings, copying = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    project = Project(tmp_path, {})
    here = place(dsn, NAME="page_t")
    (tmp_path / "settings.py").write_text(
        f"{settings}\nDATABASES['default'].update({here!r})\nINSTALLED_APPS.append('entries')\n"
        "DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    )
    (tmp_path / "example.py").write_text(
        textwrap.dedent(
            """
            from django.db import connection
            from django.test.utils import CaptureQueriesContext
            from entries.models import Entry

            entries = [Entry(title=str(number)) for number in range(3)]
            with CaptureQueriesContext(connection) as seen:
                exec(open("block.py").read())
            assert seen and not [one for one in seen if one["sql"].startswith("INSERT")], seen.captured_queries
            assert Entry.objects.filter(pk__in=[one.pk for one in entries]).count() == 3
            connection.close()
            connection.close_pool()
            """
        )
    )
    (tmp_path / "block.py").write_text(copying)
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop database if exists page_t")
        conn.execute("create database page_t")
    try:
        project.manage("makemigrations", "entries")
        project.manage("migrate")
        assert "class EntriesEntry" in project.manage("inspectdb")
        project.manage("shell", "-c", "import example")
    finally:
        with pgfast.connect(dsn, autocommit=True) as conn:
            conn.execute("drop database page_t")
