"""Writes pgfast/errors/sqlstates.py from the `errcodes.txt` files that PostgreSQL servers install.

    python tools/generate_sqlstates.py ERRCODES_TXT... > pgfast/errors/sqlstates.py

Give it the files of several majors: codes that a newer server dropped (72000 in 17) still come from older ones, so the
union is written. Names are the server's condition names in camel case; a name that occurs twice gets `Ext` at its
second place, and the one that PEP 249 has already (`InternalError`) an underscore, which is how psycopg spells them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

#: PEP 249 class by SQLSTATE class. Codes outside it are DatabaseError.
PARENTS: Final[dict[str, str]] = {
    "08": "OperationalError",
    "0A": "NotSupportedError",
    "10": "ProgrammingError",
    "20": "ProgrammingError",
    "21": "ProgrammingError",
    "22": "DataError",
    "23": "IntegrityError",
    "24": "InternalError",
    "25": "InternalError",
    "26": "ProgrammingError",
    "27": "OperationalError",
    "28": "OperationalError",
    "2B": "InternalError",
    "2D": "InternalError",
    "2F": "OperationalError",
    "34": "ProgrammingError",
    "38": "OperationalError",
    "39": "OperationalError",
    "3B": "OperationalError",
    "3D": "ProgrammingError",
    "3F": "ProgrammingError",
    "40": "OperationalError",
    "42": "ProgrammingError",
    "44": "ProgrammingError",
    "53": "OperationalError",
    "54": "OperationalError",
    "55": "OperationalError",
    "57": "OperationalError",
    "58": "OperationalError",
    "F0": "OperationalError",
    "HV": "OperationalError",
    "P0": "ProgrammingError",
    "XX": "InternalError",
}
_LINE: Final = re.compile(r"^(?P<code>[0-9A-Z]{5})\s+(?P<kind>[EWS])\s+ERRCODE_(?P<macro>\w+)(?:\s+(?P<name>\w+))?\s*$")
_SECTION: Final = re.compile(r"^Section: Class (?P<cls>\w\w) - (?P<title>.+?)\s*$")


def read(paths: list[Path]) -> tuple[dict[str, str], dict[str, str]]:
    """(condition name by SQLSTATE, section title by class), without classes 00 and 01, which no error carries."""
    names: dict[str, str] = {}
    titles: dict[str, str] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            if section := _SECTION.match(line):
                titles.setdefault(section["cls"], section["title"])
            elif (found := _LINE.match(line)) and found["code"][:2] not in ("00", "01"):
                if found["name"]:
                    names[found["code"]] = found["name"]
                else:  # a macro without a condition name: an alias (2202E has one), or the only name there is
                    names.setdefault(found["code"], found["macro"].lower())
    return names, titles


def class_names(names: dict[str, str]) -> dict[str, str]:
    """Class name by SQLSTATE, unique."""
    taken = {"InternalError": "PEP 249", "Warning": "PEP 249"}
    result: dict[str, str] = {}
    for code in sorted(names):
        name = names[code].title().replace("_", "")
        if name in taken:
            name += "_" if taken[name] == "PEP 249" else "Ext"
        if name in taken:
            raise SystemExit(f"{code}: the name {name} is taken by {taken[name]}; decide on another")
        taken[name] = code
        result[code] = name
    return result


def module(names: dict[str, str], titles: dict[str, str]) -> str:
    """The text of sqlstates.py."""
    classes = class_names(names)
    parents = {*PARENTS.values(), "DatabaseError", "Error"}
    out = [
        '"""One exception class for each SQLSTATE, and `lookup`, which finds it.',
        "",
        "Law of this file: tools/generate_sqlstates.py writes it from the server's errcodes.txt; nobody edits it.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "from .base import (",
        *(f"    {parent}," for parent in sorted(parents, key=lambda name: (name != "DatabaseError", name))),
        ")",
    ]
    section = ""
    for code in sorted(classes):
        if code[:2] != section:
            out += ["", ""] if section else [""]
            section = code[:2]
            out += [f"# {'-' * 40} {section}: {titles[section]}"]
        out += [
            "",
            "",
            f"class {classes[code]}({PARENTS.get(section, 'DatabaseError')}):",
            f'    """{code} {names[code]}."""',
            "",
            f'    sqlstate = "{code}"',
        ]
    out += ["", "", "_CLASSES: Final[dict[str, type[Error]]] = {"]
    out += [f'    "{code}": {classes[code]},' for code in sorted(classes)]
    out += ["}", "", "_PARENTS: Final[dict[str, type[Error]]] = {"]
    out += [f'    "{cls}": {PARENTS[cls]},' for cls in sorted(PARENTS)]
    out += [
        "}",
        "",
        "",
        "def lookup(sqlstate: str | None) -> type[Error]:",
        '    """The class for a SQLSTATE: its own, else the PEP 249 class of its first two characters."""',
        "    if sqlstate is None:",
        "        return DatabaseError",
        "    return _CLASSES.get(sqlstate) or _PARENTS.get(sqlstate[:2], DatabaseError)",
        "",
        "",
        "def exact(sqlstate: str) -> type[Error] | None:",
        '    """The class of this very SQLSTATE, None where the server has no such code."""',
        "    return _CLASSES.get(sqlstate)",
        "",
        "",
        "__all__ = [",
        *(f'    "{name}",' for name in sorted(classes.values())),
        "]",
        "",
    ]
    return "\n".join(out)


def main() -> None:
    """Reads the files named on the command line and prints the module."""
    if len(sys.argv) < 2:
        raise SystemExit("usage: python tools/generate_sqlstates.py ERRCODES_TXT... > pgfast/errors/sqlstates.py")
    sys.stdout.write(module(*read([Path(name) for name in sys.argv[1:]])))


if __name__ == "__main__":
    main()
