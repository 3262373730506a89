"""The password file: `host:port:database:user:password` lines (docs: The Password File).

Law of this file: it looks up, it never writes, and no line of it comes into an error.
"""

from __future__ import annotations

import os
import stat
import sys
import warnings
from pathlib import Path


def default_path() -> Path:
    """Where libpq keeps the file for this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", ""), "postgresql", "pgpass.conf")
    return Path(os.path.expanduser("~/.pgpass"))


def find_password(path: str | None, host: str, port: int, dbname: str, user: str) -> str | None:
    """The password of the first line that fits, or None.

    A file that others can read is left alone with a warning, as libpq does; one that cannot be read counts as absent,
    silently when `path` is None, the default, else with a warning.
    """
    file = default_path() if path is None else Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if sys.platform != "win32" and status.st_mode & 0o077:
            warnings.warn(f"password file {file} is open to others, so it is not used; chmod 600 it", stacklevel=2)
            return None
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        if path is not None:
            what = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            warnings.warn(f"password file {file} is not used: {what}", stacklevel=2)
        return None
    wanted = (host, str(port), dbname, user)
    for line in text.split("\n"):
        if line.startswith("#"):
            continue
        fields = _split(line.rstrip("\r"))
        if len(fields) >= 5 and all(field in ("*", want) for field, want in zip(fields, wanted)):  # noqa: B905
            return fields[4]
    return None


def _split(line: str) -> list[str]:
    """The fields of a line: parted by colons, a backslash takes the next character as it is."""
    fields = [""]
    chars = iter(line)
    for char in chars:
        if char == ":":
            fields.append("")
        else:
            fields[-1] += next(chars, "") if char == "\\" else char
    return fields
