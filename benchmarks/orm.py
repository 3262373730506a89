"""`python -m benchmarks.orm`: SQLAlchemy's ORM over pgfast, psycopg and asyncpg, side by side.

100,000 objects are inserted by `add_all` and a commit, and 100,000 read by `scalars().all()`, in a process of its own
for each turn; the drivers take turns, and the median of five counts. Times are in seconds, of the wall and of the
client's processor (user and system); memory is the peak of the process. With --write the table goes into
docs/sqlalchemy.md.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import decimal
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "sqlalchemy.md"
PLACE: Final = ROOT / "build" / "bench-orm"
REQUIREMENTS: Final = ("sqlalchemy[asyncio]==2.1.9", "psycopg[binary]==3.3.9", "asyncpg==0.31.0")
DRIVERS: Final = ("pgfast", "psycopg", "pgfast_async", "psycopg_async", "asyncpg")
WORKS: Final = ("insert", "read")
ROWS: Final = 100_000
TURNS: Final = 5
_MARKED: Final = re.compile(r"(<!-- orm -->\n).*?(<!-- end of orm -->)", re.DOTALL)


def main() -> None:
    """Measures and prints the table; run with `--turn`, one turn in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--write", action="store_true", help="write the table into docs/sqlalchemy.md")
    parser.add_argument("--turn", nargs=3, metavar=("DRIVER", "WORK", "ADDRESS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turn:
        driver, work, address = asked.turn
        print(json.dumps(_turn(driver, work, address, asked.rows)))
        return
    shown = _table(_measure(asked.rows, asked.turns), asked.rows, asked.turns)
    print(shown)
    if asked.write:
        PAGE.write_text(_MARKED.sub(lambda match: match[1] + shown + match[2], PAGE.read_text("utf-8")), "utf-8")


# ---------------------------------------------------------------- all turns


def _environment() -> Path:
    """The Python of an environment that has this checkout and the peers."""
    python = PLACE / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (PLACE / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--editable", str(ROOT), *REQUIREMENTS]
        subprocess.run(command, check=True, env={**os.environ, "PGFAST_BUILD": "require"})
        (PLACE / "made").touch()
    return python


def _measure(rows: int, turns: int) -> dict[tuple[str, str], list[dict[str, float]]]:
    from pgfast.embedded import EmbeddedServer
    from pgfast.net.conninfo import parse

    python = _environment()
    found: dict[tuple[str, str], list[dict[str, float]]] = {(one, work): [] for work in WORKS for one in DRIVERS}
    with EmbeddedServer() as server:
        info = parse(server.dsn)[0]
        address = f"{info.user}@{info.host}:{info.port}/{info.dbname}"
        for work in WORKS:
            for _ in range(turns):
                for driver in DRIVERS:
                    command = [str(python), "-m", "benchmarks.orm", "--rows", str(rows)]
                    done = subprocess.run(
                        [*command, "--turn", driver, work, address],
                        cwd=ROOT,
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    found[driver, work].append(json.loads(done.stdout))
    return found


def _table(found: dict[tuple[str, str], list[dict[str, float]]], rows: int, turns: int) -> str:
    lines = [
        f"Medians of {turns} turns, {rows:,} objects of six columns; ratios are to psycopg on the same kind of engine "
        f"({', '.join(REQUIREMENTS)}; Python {sys.version.split()[0]}).",
        "",
        "| driver | work | s | ratio | client CPU s | ratio | peak MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for work in WORKS:
        for driver in DRIVERS:
            peer = "psycopg" if driver in ("pgfast", "psycopg") else "psycopg_async"
            middle = {key: statistics.median(turn[key] for turn in found[driver, work]) for key in ("s", "cpu", "mb")}
            base = {key: statistics.median(turn[key] for turn in found[peer, work]) for key in ("s", "cpu")}
            lines.append(
                f"| {driver} | {work} | {middle['s']:.2f} | {middle['s'] / base['s']:.2f} | {middle['cpu']:.2f} | "
                f"{middle['cpu'] / base['cpu']:.2f} | {middle['mb']:.0f} |"
            )
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- one turn


def _turn(driver: str, work: str, address: str, rows: int) -> dict[str, float]:
    item, base, values = _model()
    url = f"postgresql+{driver}://{address}"
    run: Callable[[], Any]
    if driver == "asyncpg" or driver.endswith("_async"):
        ready = asyncio.new_event_loop()
        session = ready.run_until_complete(_async_ready(url, base, item, work))
        given = values(rows) if work == "insert" else []
        run = lambda: ready.run_until_complete(_async_work(session, item, given, work))  # noqa: E731
    else:
        made = _ready(url, base, item, work)
        objects = values(rows) if work == "insert" else []
        run = lambda: _work(made, item, objects, work)  # noqa: E731
    began, before = time.perf_counter(), time.process_time()
    count = run()
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    if count != rows:
        raise SystemExit(f"{driver}, {work}: {count} objects instead of {rows}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"s": seconds, "cpu": cpu, "mb": peak / 1e6}


def _model() -> tuple[Any, Any, Callable[[int], list[Any]]]:
    """The class of the objects, its base, and what makes so many of them."""
    import sqlalchemy as sa
    from sqlalchemy import orm

    class Base(orm.DeclarativeBase):  # type: ignore[misc]  # the checker does not follow SQLAlchemy's imports
        pass

    class Item(Base):
        __tablename__ = "orm_item"
        id = sa.Column(sa.BigInteger, primary_key=True)
        name = sa.Column(sa.Text)
        amount = sa.Column(sa.Numeric(12, 2))
        placed = sa.Column(sa.DateTime(timezone=True))
        share = sa.Column(sa.Float)
        open = sa.Column(sa.Boolean)

    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)

    def values(rows: int) -> list[Any]:
        return [
            Item(
                name=f"item {number}",
                amount=decimal.Decimal(number) / 100,
                placed=start + datetime.timedelta(seconds=number),
                share=number / 7,
                open=number % 2 == 0,
            )
            for number in range(rows)
        ]

    return Item, Base, values


def _ready(url: str, base: Any, item: Any, work: str) -> Any:
    import sqlalchemy as sa
    from sqlalchemy import orm

    engine = sa.create_engine(url)
    if work == "insert":
        base.metadata.drop_all(engine)
        base.metadata.create_all(engine)
    session = orm.Session(engine)
    session.execute(sa.select(item).limit(1)).all()
    return session


def _work(session: Any, item: Any, values: list[Any], work: str) -> int:
    import sqlalchemy as sa

    if work == "insert":
        session.add_all(values)
        session.commit()
        return len(values)
    return len(session.scalars(sa.select(item)).all())


async def _async_ready(url: str, base: Any, item: Any, work: str) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.ext import asyncio as engines

    engine = engines.create_async_engine(url)
    if work == "insert":
        async with engine.begin() as conn:
            await conn.run_sync(base.metadata.drop_all)
            await conn.run_sync(base.metadata.create_all)
    session = engines.AsyncSession(engine)
    (await session.execute(sa.select(item).limit(1))).all()
    return session


async def _async_work(session: Any, item: Any, values: list[Any], work: str) -> int:
    import sqlalchemy as sa

    if work == "insert":
        session.add_all(values)
        await session.commit()
        return len(values)
    return len((await session.scalars(sa.select(item))).all())


if __name__ == "__main__":
    main()
