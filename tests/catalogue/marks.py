"""What the walk found out of each type, as the table of docs/types.md and the files of build/catalogue show it.

Law of this file: names and marks, no server.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
BUILD: Final = ROOT / "build" / "catalogue"
PAGE: Final = ROOT / "docs" / "types.md"

#: Column of the table -> what was done, in the words of the page.
DIRECTIONS: Final[dict[str, str]] = {
    "rows": "rows in binary",
    "rows text": "rows in text",
    "columns": "columns",
    "parameter": "parameter",
    "parameter text": "parameter from str",
    "load rows": "load of rows",
    "load columns": "load of columns",
    "copy out": "COPY out",
    "copy text": "text COPY in",
}
#: Groups of types that the page shows, each in a table.
GROUPS: Final[dict[str, str]] = {
    "base": "Base types",
    "range": "Ranges and multiranges",
    "user": "Enums, domains, composites and ranges of users",
    "extension": "Types of extensions",
    "array": "Arrays of base types and ranges",
    "result": "What only queries return",
}
BINARY: Final = "✓"
TEXT: Final = "t"
NONE: Final = "–"
FAILED: Final = "FAILED"
_BEGIN: Final = "<!-- the walk: begin -->"
_END: Final = "<!-- the walk: end -->"


@dataclass(slots=True)
class Marks:
    """What is known of one type: the Python classes of its values, its Arrow type, and a mark for each direction."""

    group: str
    python: str = NONE
    arrow: str = NONE
    directions: dict[str, str] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, NONE))

    def cells(self) -> list[str]:
        """The cells of its row."""
        return [self.python, self.arrow, *self.directions.values()]


def table(rows: dict[str, Marks], group: str | None = None) -> str:
    """A Markdown table of the types of a group, or of all."""
    lines = ["| type | Python | Arrow | " + " | ".join(DIRECTIONS.values()) + " |"]
    lines.append("|---" * 3 + "|:-:" * len(DIRECTIONS) + "|")
    for name, marks in rows.items():
        if group in (None, marks.group):
            lines.append("| " + " | ".join(escape(cell) for cell in [name, *marks.cells()]) + " |")
    return "\n".join(lines) + "\n"


def escape(cell: str) -> str:
    """The text of a cell."""
    return cell.replace("|", "\\|")


def write(implementation: str, version: int, rows: dict[str, Marks]) -> None:
    """Keep what one implementation did on one server: for people as .md, for the page as .json."""
    BUILD.mkdir(parents=True, exist_ok=True)
    title = f"# Types of PostgreSQL {version}, codec {implementation}\n\n"
    (BUILD / f"{implementation}-{version}.md").write_text(title + table(rows), encoding="utf-8")
    kept = {name: [marks.group, *marks.cells()] for name, marks in rows.items()}
    (BUILD / f"{implementation}-{version}.json").write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def page_rows() -> dict[str, list[str]]:
    """The rows of the page's tables: type -> cells."""
    inside = PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    found = {}
    for line in inside.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] != "type" and not cells[0].startswith("---"):
            found[cells[0]] = cells[1:]
    return found


def page_with(tables: str) -> str:
    """The page with other tables in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    return before + _BEGIN + "\n" + tables + _END + rest.partition(_END)[2]
