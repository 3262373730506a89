"""Holds the one stub, pgfast/_codec.pyi, against both codec modules with mypy's stubtest.

stubtest wants a stub for each module, so copies of the one are laid out in a temporary directory.

    python tools/stubtest.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

MODULES: Final = ("_codec", "_codec_py")
STUB: Final = Path(__file__).resolve().parent.parent / "pgfast" / "_codec.pyi"


def main() -> int:
    """stubtest's exit code."""
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory, "pgfast")
        package.mkdir()
        (package / "__init__.pyi").touch()
        for module in MODULES:
            shutil.copy(STUB, package / f"{module}.pyi")
        return subprocess.call(
            [sys.executable, "-m", "mypy.stubtest", *(f"pgfast.{module}" for module in MODULES)],
            cwd=STUB.parent.parent,
            env={**os.environ, "MYPYPATH": directory},
        )


if __name__ == "__main__":
    sys.exit(main())
