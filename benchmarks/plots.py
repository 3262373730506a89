"""The drawings of the page: bars of times the floor, lines of growth; SVG by matplotlib.

Law of this file: figures in, SVG out; one string to stand in the HTML, no file, no script.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .targets import Figures, is_ours

_OURS: Final = "#0b6e4f"
_PURE: Final = "#7fb8a4"
_PEER: Final = "#b8b8b8"
#: Bars longer than this many floors are cut, and say so by their label.
_MOST: Final = 6.0


def _svg(figure: Any, name: str) -> str:
    """The figure as an svg element whose ids are its own."""
    import matplotlib.pyplot as plt

    out = io.StringIO()
    with plt.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    prefix = re.sub(r"\W", "_", name)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', lambda found: f"{found[1]}{prefix}_", text)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def _color(client: str) -> str:
    return _PURE if client == "pgfast (pure)" else _OURS if is_ours(client) else _PEER


def bars(name: str, groups: Sequence[tuple[str, Sequence[Figures]]]) -> str:
    """One panel for each work: wall time of every client as times the floor's; the dark part is the client's CPU."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    heights = [len(figures) + 1.6 for _title, figures in groups]
    figure, axes = plt.subplots(
        len(groups),
        1,
        layout="constrained",
        figsize=(9, 0.6 + 0.26 * sum(heights)),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
    )
    for axis, (title, figures) in zip(axes[:, 0], groups, strict=True):
        for place, one in enumerate(figures):
            times = one.of_floor("wall_s")
            shown = min(times, _MOST)
            share = min(one.cpu_s / one.wall_s, 1.0) if one.wall_s else 0.0
            axis.barh(place, shown, color=_color(one.client), alpha=0.55, height=0.8)
            axis.barh(place, shown * share, color=_color(one.client), height=0.3)
            cut = " (cut)" if times > _MOST else ""
            axis.text(shown + 0.05, place, f"{times:.2f}{cut}", va="center", fontsize=7)
        axis.set_yticks(range(len(figures)), [one.client for one in figures], fontsize=7)
        axis.invert_yaxis()
        axis.axvline(1.0, color="#444", linewidth=0.8, linestyle="--")
        axis.set_xlim(0, _MOST + 0.8)
        axis.set_title(title, fontsize=9, loc="left", pad=3)
        axis.tick_params(axis="x", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("wall time, times the floor's; the thin dark bar is the share of client CPU", fontsize=8)
    return _svg(figure, name)


def lines(name: str, title: str, across: str, series: Mapping[str, Sequence[tuple[int, float]]], unit: str) -> str:
    """Lines over a logarithmic axis: (size, value) of every series."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for label, points in series.items():
        dashed = "--" if label.startswith("floor") else "-"
        axis.plot([x for x, _ in points], [y for _, y in points], dashed, marker="o", markersize=3, label=label)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel(across, fontsize=8)
    axis.set_ylabel(unit, fontsize=8)
    axis.set_title(title, fontsize=9, loc="left")
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(fontsize=7, ncols=2, frameon=False)
    return _svg(figure, name)
