"""The peers' own environment: made once, by pip, beside pgfast's; and which peers are missing in it and why.

Law of this file: a peer that cannot be installed is reported by name and reason, never left out in silence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

#: What is installed: distribution with its extras, to the module that shows that it works.
REQUIREMENTS: Final = MappingProxyType(
    {
        "psycopg[binary]": "psycopg",
        "psycopg2-binary": "psycopg2",
        "asyncpg": "asyncpg",
        "uvloop": "uvloop",
        "pg8000": "pg8000.native",
        "psqlpy": "psqlpy",
        "adbc-driver-postgresql": "adbc_driver_postgresql.dbapi",
        "adbc-driver-manager": "adbc_driver_manager",
        "pyarrow": "pyarrow",
        "connectorx": "connectorx",
        "pgpq": "pgpq",
        "polars": "polars",
        "pandas": "pandas",
    }
)


@dataclass(frozen=True, slots=True)
class Environment:
    """The peers' interpreter, the versions of what is there, and the reason of what is not."""

    python: str
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def _last_line(text: str) -> str:
    """What a failing program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "importerror", "modulenotfounderror"))]
    return (errors or lines or ["no reason given"])[-1][:300]


def _pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def prepare(directory: Path) -> Environment:
    """The environment in the directory, made where it is not there or where the requirements have changed."""
    python = directory / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    made, reasons = directory / "requirements.json", {}
    if not made.exists() or json.loads(made.read_text())["requirements"] != list(REQUIREMENTS):
        print("benchmarks: making the peers' environment", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
        if _pip(python, "--only-binary", ":all:", *REQUIREMENTS).returncode:
            for requirement in REQUIREMENTS:  # one of them cannot be had: each by itself
                done = _pip(python, requirement)
                if done.returncode:
                    reasons[requirement] = f"cannot be installed: {_last_line(done.stderr)}"
        made.write_text(json.dumps({"requirements": list(REQUIREMENTS), "reasons": reasons}))
    reasons = json.loads(made.read_text())["reasons"]
    return inspect(str(python), reasons)


#: Run by the peers' interpreter: version or failure of each distribution.
_LOOK: Final = """
import importlib, importlib.metadata, json, sys
found = {}
for name, module in json.loads(sys.argv[1]).items():
    try:
        importlib.import_module(module)
        found[name] = ["version", importlib.metadata.version(name.partition("[")[0])]
    except Exception as exc:
        found[name] = ["missing", f"cannot be imported: {type(exc).__name__}: {exc}"]
print(json.dumps(found))
"""


def inspect(python: str, reasons: dict[str, str]) -> Environment:
    """What the interpreter has; `reasons` say why something could not be installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-c", _LOOK, json.dumps(dict(REQUIREMENTS))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    versions, missing = {}, {}
    for name, (what, said) in json.loads(done.stdout).items():
        if what == "version":
            versions[name.partition("[")[0]] = said
        else:
            missing[name.partition("[")[0]] = reasons.get(name, said)
    return Environment(python, versions, missing)
