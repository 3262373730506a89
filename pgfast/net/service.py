"""The connection service file: settings under a name (docs: The Connection Service File).

Law of this file: it looks up, it never writes, and no value of it comes into an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import ProgrammingError, shorten
from .keywords import is_known

_NAME: Final = "pg_service.conf"


def default_path() -> Path:
    """Where libpq keeps the file of this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", ""), "postgresql", f".{_NAME}")
    return Path(os.path.expanduser(f"~/.{_NAME}"))


def read_service(name: str, file: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    """The settings of a service: from `file`, or the user's file and then the one of the system (PGSYSCONFDIR).

    Raises ProgrammingError for a service that none of them has, a named file that is not there, and for lines that are
    no settings.
    """
    places = [Path(file)] if file else [default_path()]
    if variables.get("PGSYSCONFDIR"):
        places.append(Path(variables["PGSYSCONFDIR"], _NAME))
    for place in places:
        try:
            text = place.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ProgrammingError(f"service file {place} is not UTF-8") from None
        except OSError as exc:
            if file and place == places[0]:
                raise ProgrammingError(f"service file {place}: {exc.strerror}") from exc
            continue
        found = _section(text, name, place)
        if found is not None:
            return found
    looked = ", ".join(str(place) for place in places)
    raise ProgrammingError(f"there is no service {shorten(name)}; looked in {looked}")


def _section(text: str, name: str, place: Path) -> dict[str, str] | None:
    """The settings of the first section with this name; None where there is none."""
    found: dict[str, str] | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if found is not None:
                return found
            if line == f"[{name}]":
                found = {}
            continue
        if found is None:
            continue
        keyword, equals, value = line.partition("=")
        keyword = keyword.strip()
        if not equals:
            raise ProgrammingError(f"service file {place}, line {number}: '=' is missing")
        if keyword in ("service", "servicefile"):
            raise ProgrammingError(f"service file {place}, line {number}: a service cannot name another one")
        if not is_known(keyword):
            raise ProgrammingError(f"service file {place}, line {number}: unknown keyword {shorten(keyword)}")
        found.setdefault(keyword, value.strip())
    return found
