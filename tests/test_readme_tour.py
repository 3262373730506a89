"""The tour of the README, line by line: each command runs as it stands, and says what stands under it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pgfast
from pgfast.embedded import EmbeddedServer

README: Final = Path(pgfast.__path__[0]).parent / "README.md"
_TOUR: Final = re.compile(r"^### In two minutes$.*?^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, list[str]]]:
    """The commands of the tour, and the lines that stand under each."""
    found = _TOUR.search(README.read_text("utf-8"))
    assert found is not None
    made: list[tuple[str, list[str]]] = []
    for line in found[1].splitlines():
        if line.startswith("$ "):
            made.append((line[2:], []))
        else:
            made[-1][1].append(line)
    return made


def test_the_tour_goes_as_it_says(server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "pgfast").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pgfast.cli "$@"\n')
    (tmp_path / "pgfast").chmod(0o755)
    path = os.pathsep.join(each for each in sys.path if each)
    places = {"PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
    environment = {**os.environ, **places, "PYTHONPATH": path, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    tour = steps()
    assert len(tour) == 9
    with pgfast.connect(server.dsn, autocommit=True) as conn:
        conn.execute("drop table if exists people, pgfast_parts, pgfast_chunks, pgfast_loads")
        try:
            for command, expected in tour:
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                assert done.returncode == (4 if "--rejects" in command else 0), done.stderr
                said = (done.stdout + done.stderr).splitlines()
                assert len(said) == len(expected) or not expected, (command, said)
                for line, pattern in zip(said, expected, strict=False):
                    parts = [re.escape(part) for part in pattern.split("...")]
                    assert re.fullmatch(".*".join(parts), line), (command, line)
            assert conn.execute("select name from people order by id").fetchall() == [
                ("Ada",),
                ("Grace",),
                ("Alan",),
                ("Edsger",),
            ]
        finally:
            conn.execute("drop table if exists people, pgfast_parts, pgfast_chunks, pgfast_loads")
