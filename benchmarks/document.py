"""A document of headings, paragraphs, lists, tables and figures, as Markdown and as one HTML file.

Law of this file: it knows nothing of benchmarks.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ddd; padding: .25em .6em; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr:hover { background: #f5f5f5 }
svg { max-width: 100%; height: auto }
h1, h2, h3 { line-height: 1.2; margin-top: 1.6em }
.strong { font-weight: 600 }
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1, 2 or 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `numbers` are the columns that stand to the right; rows whose first cell is in `strong` stand out."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    strong: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing in SVG; Markdown leaves it out."""

    svg: str


Block = Heading | Paragraph | Items | Table | Figure


def _cell(text: str) -> str:
    """Text that may stand in a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def markdown(blocks: Sequence[Block]) -> str:
    """The document as Markdown."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {block.text}")
        elif isinstance(block, Paragraph):
            parts.append(block.text)
        elif isinstance(block, Items):
            parts.append("\n".join(f"- {item}" for item in block.items))
        elif isinstance(block, Table):
            rule = ["---:" if column in block.numbers else "---" for column in range(len(block.heads))]
            rows = [block.heads, rule, *[[_cell(text) for text in row] for row in block.rows]]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts) + "\n"


def _row(tag: str, cells: Sequence[str], block: Table) -> str:
    """One row of an HTML table."""
    strong = ' class="strong"' if cells[0] in block.strong else ""
    made = []
    for column, text in enumerate(cells):
        kind = ' class="n"' if column in block.numbers else ""
        made.append(f"<{tag}{kind}>{html.escape(text)}</{tag}>")
    return f"<tr{strong}>{''.join(made)}</tr>"


def page(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML file that needs no other."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"<h{block.level}>{html.escape(block.text)}</h{block.level}>")
        elif isinstance(block, Paragraph):
            parts.append(f"<p>{html.escape(block.text)}</p>")
        elif isinstance(block, Items):
            parts.append(f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in block.items)}</ul>")
        elif isinstance(block, Table):
            rows = [_row("th", block.heads, block), *[_row("td", row, block) for row in block.rows]]
            parts.append("<table>\n" + "\n".join(rows) + "\n</table>")
        else:
            parts.append(f"<figure>{block.svg}</figure>")
    body = "\n".join(parts)
    head = f'<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
