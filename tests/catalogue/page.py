"""`python -m tests.catalogue.page`: writes the tables of docs/types.md from what runs left in build/catalogue."""

from __future__ import annotations

import json

from .corpus import NEVER
from .marks import BUILD, DIRECTIONS, GROUPS, PAGE, escape, page_with


def main() -> None:
    """Writes the page; fails where two runs found different things."""
    found: dict[str, list[str]] = {}
    for path in sorted(BUILD.glob("*.json")):
        for key, cells in json.loads(path.read_text(encoding="utf-8")).items():
            if found.setdefault(key, cells) != cells and cells[0] in GROUPS:
                raise SystemExit(f"{path.name}: {key} is {cells}, an earlier file has {found[key]}")
    tables = []
    for group, title in GROUPS.items():
        head = "| type | Python | Arrow | " + " | ".join(DIRECTIONS.values()) + " |"
        rows = [[key, *cells[1:]] for key, cells in found.items() if cells[0] == group]
        lines = ["| " + " | ".join(map(escape, row)) + " |" for row in rows]
        tables += ["", f"### {title}", "", head, "|---" * 3 + "|:-:" * len(DIRECTIONS) + "|", *lines]
    tables += ["", "### What no query returns", ""]
    for reason in dict.fromkeys(NEVER.values()):
        names = ", ".join([name for name, why in NEVER.items() if why == reason])
        tables.append(f"- {names}: {reason}.")
    PAGE.write_text(page_with("\n".join(tables) + "\n\n"), encoding="utf-8")


if __name__ == "__main__":
    main()
