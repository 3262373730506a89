"""The command line: `pgfast load`, `restore`, `export`, `copy`, `query` and `demo`.

Law of this package: it uses what every user can use, and shows passwords nowhere. typer reads the arguments and rich
draws; both come with the extra `cli`, and only this package imports them.
"""

from __future__ import annotations

import sys

#: Exit codes beside 0. 2 is typer's, for arguments that cannot be right.
FAILED = 1
MISSING_LIBRARY = 3
REJECTED = 4
INTERRUPTED = 130


def main() -> None:
    """Runs the command line and exits."""
    try:
        from .app import app
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] not in ("typer", "rich", "click"):
            raise
        print(f"pgfast: the command line needs {exc.name}: pip install 'pgfast[cli]'", file=sys.stderr)
        sys.exit(MISSING_LIBRARY)
    app(prog_name="pgfast")
