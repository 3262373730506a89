"""The page: what was measured, as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .floors import FLOOR, POLLING
from .runner import medians
from .works import WORKS


def table(content: dict[str, Any], works: list[str]) -> list[str]:
    """One Markdown table of all cases."""
    heads = (
        "work",
        "client",
        "size",
        "wall us",
        "x floor",
        "CPU us",
        "x floor",
        "x libpq-shaped",
        "peak MB",
        "growth MB",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in works:
        found = [case for case in content["cases"].values() if case["work"] == name]
        for case in sorted(found, key=lambda c: medians(c["runs"])["wall_s"] / c["size"] if c["runs"] else 9e9):
            cells = [name, case["client"], f"{case['size']:,}"]
            if case["error"]:
                lines.append(f"| {' | '.join([*cells, case['error']])} |")
                continue
            here, floor = medians(case["runs"]), case["floors"][FLOOR]
            polling = case["floors"].get(POLLING, floor)
            unit = 1e6 / case["size"]
            cells += [f"{here['wall_s'] * unit:.3f}", f"{here['wall_s'] / floor['wall_s']:.2f}"]
            cells += [f"{here['cpu_s'] * unit:.3f}", f"{here['cpu_s'] / floor['cpu_s']:.2f}"]
            cells += [f"{here['cpu_s'] / polling['cpu_s']:.2f}", f"{here['peak_mb']:.0f}", f"{here['growth_mb']:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def write(content: dict[str, Any], markdown: Path) -> None:
    """Writes the page."""
    markdown.write_text("\n".join(table(content, list(WORKS))) + "\n")
