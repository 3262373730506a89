"""Django's own test suite, with pgfast's backend and with Django's over psycopg, side by side.

python -m tools.compat_django [--server-side-binding] DSN [LABEL ...]

The tests come from Django's source distribution at a pinned version. Each label is run by itself, against databases
that the tests create. The Python that runs this must have Django at that version, psycopg, psycopg_pool and tblib, and
PostgreSQL's contrib must be there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from pgfast.net.conninfo import parse

from .compat_outside import Counts

#: The version whose tests are run.
VERSION: Final = "5.2.19"
REQUIREMENTS: Final = (f"Django=={VERSION}", "tblib")
LABELS: Final = (
    *("backends", "postgres_tests", "queries", "expressions", "transactions", "bulk_create", "model_fields"),
    *("introspection", "inspectdb", "schema", "migrations", "aggregation", "annotations", "datetimes", "timezones"),
)
DRIVERS: Final = ("psycopg", "pgfast")
_ROOT: Final = Path(__file__).resolve().parent.parent
_TIMEOUT_S: Final = 1800
_RAN: Final = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)
_OUTCOME: Final = re.compile(r"^(?:OK|FAILED)(?: \((?P<parts>[^)]*)\))?$", re.MULTILINE)
_FAILED: Final = re.compile(r"^(?:ERROR|FAIL|UNEXPECTED SUCCESS): \S+ \((?P<test>[\w.]+)\)", re.MULTILINE)

_SETTINGS: Final = """\
import os
{before}
SECRET_KEY = "no secret"
USE_TZ = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
_DATABASE = {{
    "ENGINE": "{engine}",
    "HOST": {host!r},
    "PORT": {port!r},
    "USER": {user!r},
    "PASSWORD": {password!r},
    "OPTIONS": {options!r},
}}
DATABASES = {{
    "default": {{**_DATABASE, "NAME": "compat_{driver}"}},
    "other": {{**_DATABASE, "NAME": "compat_{driver}_other"}},
}}
"""
#: What the settings say first: the tests import psycopg_pool's exception by its name.
_BEFORE: Final = {
    "psycopg": "",
    "pgfast": "import sys\nimport pgfast.django\nimport pgfast.pool\nsys.modules['psycopg_pool'] = pgfast.pool\n",
}
_ENGINES: Final = {"psycopg": "django.db.backends.postgresql", "pgfast": "pgfast.django"}


def run(
    python: Path, dsn: str, driver: str, where: Path, labels: tuple[str, ...] = LABELS, **options: object
) -> dict[str, Counts]:
    """The counts of each label, for one driver; `where` is a directory for the tests and their logs.

    `options` are the OPTIONS of the databases.

    Raises RuntimeError for a label whose tests did not come to their end.
    """
    tests = fetch(python, where) / "tests"
    settings = where / f"{driver}_settings.py"
    settings.write_text(_settings(dsn, driver, options), encoding="utf-8")
    return {label: _run_label(python, tests, where, settings.stem, label) for label in labels}


def fetch(python: Path, where: Path) -> Path:
    """The directory of Django's unpacked source distribution."""
    tree = where / f"django-{VERSION}"
    if not tree.is_dir():
        command = (
            python,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--no-binary",
            ":all:",
            f"Django=={VERSION}",
            "-d",
            where,
        )
        subprocess.run([str(one) for one in command], check=True, stdout=subprocess.DEVNULL)
        (sdist,) = where.glob(f"[Dd]jango-{VERSION}.tar.gz")
        with tarfile.open(sdist) as archive, tempfile.TemporaryDirectory(dir=where) as made:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(made, filter="data")
            else:
                archive.extractall(made)
            next(Path(made).iterdir()).rename(tree)
    return tree


def _settings(dsn: str, driver: str, options: dict[str, object]) -> str:
    info = parse(dsn)[0]
    return _SETTINGS.format(
        before=_BEFORE[driver],
        engine=_ENGINES[driver],
        driver=driver,
        host=info.host,
        port=str(info.port),
        user=info.user,
        password=info.password or "",
        options=options,
    )


def _run_label(python: Path, tests: Path, where: Path, settings: str, label: str) -> Counts:
    command = [str(python), "runtests.py", f"--settings={settings}", "--parallel=1", "--noinput", label]
    paths = os.pathsep.join([str(where), str(_ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    log = where / f"{settings}-{label}.log"
    with open(log, "w", encoding="utf-8") as output:
        subprocess.run(
            command,
            cwd=tests,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    return counts(log.read_text(encoding="utf-8", errors="replace"), label)


def counts(said: str, label: str) -> Counts:
    """What a run of unittest has said at its end."""
    ran, outcome = _RAN.search(said), _OUTCOME.search(said)
    if ran is None or outcome is None:
        raise RuntimeError(f"the tests {label} of Django did not come to their end:\n{said[-2000:]}")
    parts = dict(part.split("=") for part in (outcome["parts"] or "").split(", ") if part)
    failed = tuple(sorted(set(_FAILED.findall(said))))
    skipped = int(parts.get("skipped", 0))
    return Counts(int(ran[1]) - skipped - len(failed), failed, skipped)


def main() -> None:
    """Runs both drivers and prints one line for each label, and every test that fails with pgfast alone."""
    given = sys.argv[1:]
    options = {"server_side_binding": True} if "--server-side-binding" in given else {}
    words = [word for word in given if word != "--server-side-binding"]
    if not words:
        raise SystemExit(__doc__)
    dsn, labels = words[0], tuple(words[1:]) or LABELS
    with tempfile.TemporaryDirectory() as made:
        found = {driver: run(Path(sys.executable), dsn, driver, Path(made), labels, **options) for driver in DRIVERS}
    print(f"{'':16}" + "".join(f"{driver + ' passed':>16}{'failed':>8}{'skipped':>9}" for driver in DRIVERS))
    worse: list[str] = []
    for label in labels:
        cells = [found[driver][label] for driver in DRIVERS]
        print(f"{label:16}" + "".join(f"{one.passed:16}{len(one.failed):8}{one.skipped:9}" for one in cells))
        worse += sorted({*cells[1].failed} - {*cells[0].failed})
    print(*[f"pgfast alone fails: {test}" for test in worse], sep="\n")


if __name__ == "__main__":
    main()
