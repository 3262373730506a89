"""The page, made of what was measured: docs/benchmarks.md, and with drawings docs/benchmarks.html.

Law of this file: it measures nothing; the same record gives the same page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from . import growth, plots
from .document import Block, Figure, Heading, Items, Paragraph, Table, markdown, page
from .floors import FLOOR, FREEZING, POLLING
from .growth import FLAT_MB, FLAT_MEMORY, FLAT_TIMES, ROW_WORKS, STREAMED, VALUES, WIDE_WORKS
from .runner import medians
from .targets import SECONDS, TARGETS, Figures, Judgement, Results, is_ours, judge
from .works import WORKS

_TITLE: Final = "Benchmarks"
_KINDS: Final = {
    "load": "Loads",
    "fetch": "Fetches",
    "query": "Queries, one after the other",
    "pipeline": "Many statements at once",
    "batch": "Many statements at once",
}
#: Which peers each of pgfast's own clients is held against in "Where pgfast loses"; None: all.
_RIVALS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "pgfast": None,
    "pgfast (asyncio)": ("asyncpg", "psqlpy"),
    "pgfast (uvloop)": ("asyncpg (uvloop)",),
    "pgfast (pure)": ("pg8000",),
}
Content = Mapping[str, Any]


def results(content: Content) -> dict[tuple[str, str], Figures]:
    """The medians of every case, by work and client."""
    found = {}
    for case in content.get("cases", {}).values():
        common = {key: case[key] for key in ("work", "client", "size", "way")}
        floors = case.get("floors", {})
        error = case["error"] or ("" if case["runs"] and FLOOR in floors else "not measured: the run was broken off")
        one = Figures(**common, turns=len(case["runs"]), error=error)
        if not error:
            here = medians(case["runs"])
            wall, cpu = here["wall_s"] / case["size"], here["cpu_s"] / case["size"]
            one = Figures(
                **common,
                turns=len(case["runs"]),
                error="",
                wall_s=wall,
                cpu_s=cpu,
                peak_mb=here["peak_mb"],
                growth_mb=here["growth_mb"],
                floors=floors,
            )
        found[case["work"], case["client"]] = one
    return found


def _of_work(found: Results, work: str) -> list[Figures]:
    """The clients of one work, the quickest first, those that failed last."""
    those = [one for (name, _client), one in found.items() if name == work]
    return sorted(those, key=lambda one: (bool(one.error), one.wall_s))


# ---------------------------------------------------------------- sections


def _head(content: Content) -> list[Block]:
    """What was measured where."""
    about = content.get("about", {})
    settings = ", ".join(f"{name} = {value}" for name, value in about.get("settings", {}).items())
    versions = ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())
    return [
        Heading(1, _TITLE),
        Paragraph(
            f"Written by `make bench` on {about.get('date', 'an unknown day')}: median of {about.get('repeat', '?')} "
            "turns (fewer where a table says so). Every case runs in a process of its own, after a check at a small "
            "size that what it loads or fetches is what the server itself has; cases are shuffled within each turn, so "
            "that a slow minute of the machine falls on different ones. Loads and fetches of tables, the floors' too, "
            "are done once before they are measured: on a virtual machine memory that nobody has touched yet costs a "
            "client or the server up to half a second. Server and client share the machine."
        ),
        Items(
            [
                f"Machine: {about.get('machine', 'unknown')}.",
                f"Server: {about.get('server', 'unknown')}; {settings}; each load after a checkpoint, into an empty "
                "table.",
                f"Floor: {about.get('floor', 'unknown')}: it sends the same rows as ready frames of binary COPY, or "
                "receives the binary result and drops it. `x floor` is wall time in terms of the floor's at the same "
                "number of rows, in the same run.",
                "libpq-shaped floor: the same program, waiting in poll() before each recv(), as libpq does; the point "
                "query's target is held against it.",
                "Data: TPC-H lineitem (16 columns: 4 integers, 4 numeric(15,2), 3 dates, 5 texts); `float8`: the same "
                "with float8 in place of numeric; 4 number columns: int4, int8, float8, float8.",
                "Client CPU: user and system time of the client's process, all its threads and children. Peak: its "
                "memory at the highest; growth: how much of that came with the work itself (what the work starts from, "
                "such as the list of tuples, is made before).",
                "Slow clients do fewer rows, queries or batches (column `done`); their ratios are to a floor of as "
                "many.",
                f"Versions: {versions}.",
            ]
        ),
    ]


def _shown(judgement: Judgement) -> str:
    """What was found for a target."""
    if judgement.found is None:
        return judgement.why
    unit = " s" if judgement.target.against == SECONDS else ""
    note = f" ({judgement.why})" if judgement.why else ""
    return f"{judgement.found:.2f}{unit}{note}"


def _verdict(judgement: Judgement) -> str:
    return "kept" if judgement.kept else "missed" if judgement.found is not None else "not measured"


def _targets(judged: Sequence[Judgement]) -> list[Block]:
    """Every target and how it was met."""
    rows = []
    for one in judged:
        target = one.target
        rows.append((WORKS[target.work].title, target.client, target.says, _shown(one), _verdict(one)))
    kept = sum(one.kept for one in judged)
    return [
        Heading(2, "Targets"),
        Paragraph(f"{kept} of {len(judged)} are kept."),
        Table(("work", "client", "target", "found", ""), rows, (3,)),
    ]


def behind(found: Results) -> list[str]:
    """Every work and figure where a peer is ahead of pgfast, in words."""
    said = []
    for client, rivals in _RIVALS.items():
        for work in WORKS:
            mine = found.get((work, client))
            if mine is None or mine.error:
                continue
            those = [one for one in _of_work(found, work) if not is_ours(one.client) and not one.error]
            those = [one for one in those if rivals is None or one.client in rivals]
            for figure, name in (("wall_s", "wall time"), ("cpu_s", "client CPU")):
                ahead = sorted(
                    (one for one in those if one.get(figure) < mine.get(figure)), key=lambda o: o.get(figure)
                )
                if ahead:
                    whose = ", ".join(f"{mine.get(figure) / one.get(figure):.2f} x {one.client}'s" for one in ahead)
                    said.append(f"{WORKS[work].title}: {client}'s {name} is {whose}.")
    return said


def _loses(found: Results, judged: Sequence[Judgement]) -> list[Block]:
    """Where pgfast loses."""
    missed = []
    for one in judged:
        if not one.kept:
            target = one.target
            missed.append(f"{WORKS[target.work].title}, {target.client}: {target.says}; found: {_shown(one)}.")
    failed = [f"{WORKS[one.work].title}: {one.client}: {one.error}" for one in found.values() if one.error]
    blocks: list[Block] = [Heading(2, "Where pgfast loses"), Heading(3, "A peer is ahead")]
    blocks.append(Items(behind(found) or ["Nowhere."]))
    blocks += [Heading(3, "A target is missed, or could not be measured"), Items(missed or ["None."])]
    if failed:
        blocks += [Heading(3, "Cases that failed their check or their run"), Items(failed)]
    return blocks


def _seconds(value: float) -> str:
    """A duration in a unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.0f} ns"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value else ""


def work_table(found: Results, work: str) -> Table:
    """Every client in one work, and the floors."""
    unit, those = WORKS[work].unit, _of_work(found, work)
    heads: tuple[str, ...] = (
        "client",
        "way",
        f"{unit}s/s",
        f"per {unit}",
        "x floor",
        f"CPU per {unit}",
        "x floor's CPU",
    )
    polling = any(POLLING in (one.floors or {}) for one in those)
    if polling:
        heads += ("x libpq-shaped",)
    heads += ("peak MB", "growth MB", "done", "turns")
    rows: list[tuple[str, ...]] = []
    for name in (FLOOR, POLLING, FREEZING):
        having = [one for one in those if name in (one.floors or {})]
        of = max(having, key=lambda one: one.size, default=None)  # the floor of the usual size, where that was run
        if of is None or not of.floors or (name == FREEZING and work != "load freeze"):
            continue
        base = {key: value / of.size for key, value in of.floors[name].items()}
        cells = [name, "", f"{1 / base['wall_s']:,.0f}", _seconds(base["wall_s"])]
        plain = of.floors[FLOOR]
        cells += [_ratio(of.floors[name]["wall_s"] / plain["wall_s"]), _seconds(base["cpu_s"])]
        cells += [_ratio(of.floors[name]["cpu_s"] / plain["cpu_s"]), *([""] * polling)]
        rows.append((*cells, f"{of.floors[name]['peak_mb']:.0f}", "", f"{of.size:,}", ""))
    for one in those:
        if one.error:
            rows.append((one.client, one.error, *[""] * (len(heads) - 2)))
            continue
        cells = [one.client, one.way, f"{1 / one.wall_s:,.0f}", _seconds(one.wall_s), _ratio(one.of_floor("wall_s"))]
        cells += [_seconds(one.cpu_s), _ratio(one.of_floor("cpu_s"))]
        cells += [_ratio(one.of_floor("cpu_s", POLLING))] if polling else []
        cells += [f"{one.peak_mb:.0f}", f"{one.growth_mb:.0f}", f"{one.size:,}", str(one.turns)]
        rows.append(tuple(cells))
    ours = [one.client for one in those if is_ours(one.client)]
    return Table(heads, rows, range(2, len(heads)), ours)


def _works(found: Results) -> list[Block]:
    """The tables of all works, with a drawing for each kind."""
    blocks: list[Block] = []
    for title in dict.fromkeys(_KINDS.values()):
        works = [name for name, work in WORKS.items() if _KINDS[work.kind] == title and _of_work(found, name)]
        if not works:
            continue
        blocks.append(Heading(2, title))
        drawn = []
        for name in works:
            quick = [one for one in _of_work(found, name) if not one.error]
            if quick:
                drawn.append((WORKS[name].title, quick))
        if drawn:
            blocks.append(Figure(plots.bars(title, drawn)))
        for name in works:
            blocks += [Heading(3, WORKS[name].title), work_table(found, name)]
    return blocks


def _growth_rows(content: Content, works: Sequence[str], what: str) -> tuple[list[Sequence[str]], list[str]]:
    """Rows of a table of growth, and a sentence for each work."""
    rows: list[Sequence[str]] = []
    said = []
    for work in works:
        found = growth.points(content, work)
        for one in found:
            cells = [
                _seconds(one.wall_s),
                _ratio(one.wall_s / one.floor_s),
                _seconds(one.cpu_s),
                f"{one.growth_mb:.0f}",
            ]
            rows.append((work, f"{one.size:,}", *cells))
        if len(found) > 1:
            flat = "flat" if growth.time_is_flat(found) else "NOT flat"
            first, last = found[1] if found[0].size == 1 and len(found) > 2 else found[0], found[-1]
            said.append(
                f"{work}: client CPU of a {what} is {flat}: {_seconds(first.cpu_s)} at {first.size:,}, "
                f"{_seconds(last.cpu_s)} at {last.size:,}."
            )
            if what == "row" and work in STREAMED:
                flat = "flat" if growth.memory_is_flat(found) else "NOT flat"
                said.append(
                    f"{work}: memory is {flat}: {found[-2].growth_mb:.0f} MB at {found[-2].size:,} rows, "
                    f"{last.growth_mb:.0f} MB at {last.size:,}."
                )
    return rows, said


def _growth(content: Content) -> list[Block]:
    """Growth with rows and with columns."""
    if not content.get("growth"):
        return []
    blocks: list[Block] = [
        Heading(2, "Growth"),
        Paragraph(
            f"pgfast, compiled. Flat: client CPU of a row at most {FLAT_TIMES} times that at the smallest size (of a "
            f"value: of that at ten columns, since a row has a cost of its own); memory at most {FLAT_MEMORY} times "
            f"that at a tenth of the rows and {FLAT_MB:.0f} MB."
        ),
    ]
    for works, what, across in (
        (ROW_WORKS, "row", "rows"),
        (WIDE_WORKS, "value", f"columns, at {content.get('about', {}).get('values', VALUES):,} values"),
    ):
        rows, said = _growth_rows(content, works, what)
        if not rows:
            continue
        heads = ("work", across, f"per {what}", "x floor", f"CPU per {what}", "growth MB")
        series = {work: [(one.size, one.cpu_s * 1e9) for one in growth.points(content, work)] for work in works}
        drawing = plots.lines(f"growth {what}", f"Client CPU of a {what}", across, series, "ns")
        blocks += [Heading(3, f"From few {across.split(',')[0]} to many"), Figure(drawing), Items(said)]
        blocks.append(Table(heads, rows, range(1, 6)))
    return blocks


def _instructions(content: Content) -> list[Block]:
    """Instructions of a row."""
    found = content.get("instructions", {})
    if not found:
        return []
    blocks: list[Block] = [Heading(2, "Instructions")]
    if "skipped" in found:
        return [*blocks, Paragraph(f"Not counted: {found['skipped']}.")]
    blocks.append(
        Paragraph(
            "Instructions of a row (of a query), counted by callgrind as the difference between two numbers of rows, "
            "so that the start does not count; the codec alone, without a socket (the point query: the whole client, "
            "without the kernel)."
        )
    )
    rows = []
    for name, counts in found.items():
        group, table = name.split("|")
        compiled, pure = counts["c"], counts["python"]
        rows.append(
            (group, table, f"{compiled:,.0f}", f"{pure:,.0f}", f"{pure / compiled:.1f}" if compiled >= 1 else "")
        )
    return [*blocks, Table(("group", "rows of", "compiled", "pure", "pure / compiled"), rows, (2, 3, 4))]


def _families(content: Content) -> list[Block]:
    """The families of types."""
    found = content.get("families")
    if not found:
        return []
    heads = (
        *("family", "direction", "client", "rows/s", "times best peer", "rows/CPU s", "times best peer"),
        *("peak MB", "growth MB"),
    )
    ours = [row[0] for row in found["rows"] if row[2] == "pgfast"]
    return [
        Heading(2, "Families of types"),
        Paragraph(found["about"]),
        Items([*found["behind"], *found["failed"]]),
        Table(heads, found["rows"], range(3, 9), ours),
    ]


def _missing(content: Content) -> list[Block]:
    """The peers that are not there."""
    missing = content.get("missing", {})
    items = [f"{client}: {why}" for client, why in missing.items()]
    return [Heading(2, "Peers that could not be measured here"), Items(items or ["None."])]


def blocks_of(content: Content) -> list[Block]:
    """The whole page."""
    found = results(content)
    measured = {work for work, _client in found}
    judged = [judge(found, target) for target in TARGETS if target.work in measured]
    return [
        *_head(content),
        *_targets(judged),
        *_loses(found, judged),
        *_works(found),
        *_growth(content),
        *_instructions(content),
        *_families(content),
        *_missing(content),
    ]


def write(content: Content, directory: Path) -> tuple[Path, Path]:
    """Writes benchmarks.md and benchmarks.html into the directory; their paths."""
    blocks = blocks_of(content)
    paths = directory / "benchmarks.md", directory / "benchmarks.html"
    directory.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(markdown(blocks))
    paths[1].write_text(page("pgfast: benchmarks", blocks))
    return paths
