"""Loads that are killed, and gone on with until they are done; then everything is compared with the source.

Law of this file: a load is a process of its own. It, one of its backends, or the server with it is ended at a moment
that chance chooses, as often as is wished; each load that can be resumed must then come to the same: every good row in
the table once, every bad one in the rejects file once, sums in the ledger that are those of the source, and nothing
left of what the load has made or dropped for its own sake.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

import pgfast
from pgfast import OperationalError

ROWS: Final = 6_000
#: Rows that are in the table before, with keys that the source has not, or has where it says what becomes of them.
THERE: Final = 50
#: Seconds at the most between the beginning of a load and its end by force.
_MOMENT_S: Final = 0.6
_NAME: Final = "pgfast-killed"
_PATIENCE_S: Final = 60.0

#: Tells when it is about to begin, loads, and ends with 3 for errors that a lost server or session explains.
PROGRAM: Final = """
import json, sys
import pgfast
import pgfast.bulk.textchunks

pgfast.bulk.textchunks._LEAST_PART = 1 << 14
dsn, table, path, settings = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
print("begun", flush=True)
try:
    report = pgfast.load(dsn, table, path, **settings)
except pgfast.OperationalError as exc:
    sys.exit((print(exc, file=sys.stderr), 3)[1])
assert report.read == report.rows + report.rejected + report.skipped, report
"""


@dataclass(frozen=True, slots=True)
class Manner:
    """A load: the kind of its file, over how many connections, and its other options."""

    kind: str
    jobs: int
    settings: dict[str, Any] = field(default_factory=dict)
    bad: bool = True

    @property
    def mode(self) -> str:
        """What becomes of the rows that are there."""
        return str(self.settings.get("mode", "append"))

    @property
    def says(self) -> str:
        """The manner in words."""
        words = [f"{name}={value}" for name, value in self.settings.items()]
        return " ".join([self.kind, f"jobs={self.jobs}", *words, *(["rejects"] if self.bad else [])])


MANNERS: Final = (
    Manner("csv", 1),
    Manner("csv", 2),
    Manner("csv", 3, {"mode": "replace"}),
    Manner("csv", 1, {"mode": "truncate", "defer_indexes": True}),
    Manner("csv", 1, {"on_conflict": "update"}),
    Manner("parquet", 1, {"mode": "replace", "defer_indexes": True}),
    Manner("parquet", 2, {"mode": "truncate"}),
    Manner("parquet", 3, bad=False),
    Manner("gz", 1, {"on_conflict": "ignore"}),
    Manner("gz", 2, {"defer_indexes": True}, bad=False),
    Manner("csv", 1, {"mode": "replace"}, bad=False),
    Manner("csv", 2, {"mode": "truncate", "defer_indexes": True}),
)
KINDS: Final = ("client", "client", "backend", "client", "session", "session")

#: What was committed before a backend is killed must be there behind it, the table of what is expected too.
SETTINGS: Final = {"synchronous_commit": "on"}

Row = tuple[Any, Any, Any, str]


class Campaign:
    """Loads on a server of its own, which may be brought down."""

    def __init__(self, dsn: str, directory: Path, seed: int) -> None:
        self._dsn = dsn
        self._directory = directory
        self._random = random.Random(seed)
        self._number = 0
        #: How often what was killed, and how often what was to be killed had ended before.
        self.killed: Counter[str] = Counter()
        self.loads = 0

    def run(self, kills: int) -> None:
        """Load in one manner after the other, until so many loads were ended by force and gone on with."""
        while kills > 0:
            manner = MANNERS[self.loads % len(MANNERS)]
            kills -= self.load(manner, min(kills, self._random.randint(1, 4)))

    # ---------------------------------------------------------------- one load

    def load(self, manner: Manner, most: int) -> int:
        """Load, killed so many times at most and gone on with; everything is then as it has to be. How many it were."""
        self._number += 1
        name = f"load {self._number}"
        rows = self._rows(manner)
        path = self._written(manner, rows)
        rejects = self._directory / f"{self._number}.jsonl"
        defined = self._prepared(manner, rows)
        settings: dict[str, Any] = {**manner.settings, "jobs": manner.jobs, "resume": name, "chunk_bytes": 16384}
        if manner.bad:
            settings["rejects"] = str(rejects)
        give_up, kills = time.monotonic() + _PATIENCE_S * (1 + most), 0
        while True:
            kind = KINDS[sum(self.killed.values()) % len(KINDS)] if kills < most else ""
            done, hit = self._run(path, settings, kind)
            if kind:
                self.killed[kind if hit else "too late"] += 1
                kills += hit
            if done:
                break
            assert time.monotonic() < give_up, f"{manner.says} never came to its end"
        self.loads += 1
        self._looked_at(manner, name, rows, rejects, defined)
        return kills

    def _run(self, path: Path, settings: dict[str, Any], kind: str) -> tuple[bool, bool]:
        """Whether the load has come to its end, and whether it was ended by force."""
        dsn = f"{self._dsn}?application_name={_NAME}"
        command = [sys.executable, "-c", PROGRAM, dsn, "killed.t", str(path), json.dumps(settings)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        hit = False
        try:
            process.stdout.readline()
            if kind:
                time.sleep(self._random.random() * _MOMENT_S)  # a moment that chance chooses
                hit = self._killed(process, kind)
            said = process.communicate(timeout=_PATIENCE_S)[1]
        finally:
            process.kill()
        assert process.returncode in (0, 3, -signal.SIGKILL), f"{settings}\n{said}"
        return process.returncode == 0, hit

    def _killed(self, process: subprocess.Popen[str], kind: str) -> bool:
        """Whether there was something to kill."""
        if kind == "client":
            if process.poll() is not None:
                return False
            process.kill()
            return True
        chosen = f"FROM pg_stat_activity WHERE application_name = '{_NAME}' ORDER BY random() LIMIT 1"
        with self._connected() as conn:
            if kind == "session":
                return conn.execute(f"SELECT pg_terminate_backend(pid) {chosen}").fetchone() == (True,)
            found = conn.execute(f"SELECT pid {chosen}").fetchone()
        if found is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(found[0], signal.SIGKILL)
            return True
        return False

    def _connected(self) -> pgfast.Connection[Any]:
        """A connection, as soon as the server takes some."""
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return pgfast.connect(self._dsn, autocommit=True)
            except OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)  # the server is coming up again, and says so to nobody

    # ---------------------------------------------------------------- what is loaded

    def _rows(self, manner: Manner) -> list[Row]:
        """The rows of the source; those that are bad have no good twin."""
        rows: list[Row] = []
        for number in range(ROWS):
            row: list[Any] = [number, f'row {number}, of "many"\nlines', number % 1000, f"tag {number};"]
            if manner.bad and self._random.random() < 0.02:
                which = self._random.randrange(4)
                if which == 0:
                    row[0] = "x" if manner.kind != "parquet" else 2**40
                elif which == 1:
                    row[1] = None
                elif which == 2:
                    row[2] = -1
                elif manner.mode == "append" and "on_conflict" not in manner.settings:
                    row[0] = -1 - number % THERE
            rows.append((row[0], row[1], row[2], row[3]))
        return rows

    def _written(self, manner: Manner, rows: list[Row]) -> Path:
        ending = {"csv": "csv", "gz": "csv.gz", "parquet": "parquet"}[manner.kind]
        path = self._directory / f"{self._number}.{ending}"
        if manner.kind == "parquet":
            columns = list(zip(*rows, strict=True))
            types = (pa.int64(), pa.string(), pa.int64(), pa.string())
            made = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
            table = pa.table(made, names=["id", "name", "amount", "tag"])
            pq.write_table(table, path, row_group_size=1000)
            return path
        opened: Any = gzip.open if manner.kind == "gz" else open
        with opened(path, "wt", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "name", "amount", "tag"))
            writer.writerows(rows)
        return path

    def _prepared(self, manner: Manner, rows: list[Row]) -> Any:
        """Make the table, and another one as it has to become; how the table is defined."""
        conflict = manner.settings.get("on_conflict")
        old = [(-1 - number, "old", 0, f"old {number}") for number in range(THERE)]
        if conflict is not None:
            old = [(7 * number, "old", 0, f"old {number}") for number in range(THERE)]
        taken = {} if manner.mode != "append" else {row[0]: row for row in old}
        for row in rows:
            if _is_good(row) and not (conflict != "update" and row[0] in taken):
                taken[row[0]] = row
        with self._connected() as conn:
            conn.execute("DROP SCHEMA IF EXISTS killed CASCADE")
            conn.execute("CREATE SCHEMA killed")
            columns = "id int PRIMARY KEY, name text NOT NULL, amount int CHECK (amount >= 0), tag text"
            conn.execute(f"CREATE TABLE killed.t ({columns})")
            conn.execute("CREATE INDEX ON killed.t (tag)")
            conn.execute("CREATE INDEX by_amount ON killed.t (amount, id)")
            conn.execute(f"CREATE TABLE killed.expected ({columns})")
            conn.load("killed.t", old)
            conn.load("killed.expected", list(taken.values()))
            return _defined(conn)

    # ---------------------------------------------------------------- what has come of it

    def _looked_at(self, manner: Manner, name: str, rows: list[Row], rejects: Path, defined: Any) -> None:
        bad = [] if not manner.bad else sorted(_tag(row[3]) for row in rows if not (_is_good(row) and row[0] >= 0))
        with self._connected() as conn:
            for one, other in (("t", "expected"), ("expected", "t")):
                sql = f"SELECT * FROM (TABLE killed.{one} EXCEPT ALL TABLE killed.{other}) AS d ORDER BY id LIMIT 5"
                assert conn.execute(sql).fetchall() == [], f"{manner.says}: in {one} and not in {other}"
            good, ignored = ROWS - len(bad), manner.settings.get("on_conflict") == "ignore"
            skipped = sum(_is_good(row) and row[0] in range(0, 7 * THERE, 7) for row in rows) if ignored else 0
            sums = conn.execute(
                "SELECT sum(loaded)::int, sum(rejected)::int, sum(skipped)::int FROM killed.pgfast_chunks "
                "WHERE load = $1",
                (name,),
            ).fetchone()
            assert sums == (good - skipped, len(bad), skipped), manner.says
            ended = conn.execute("SELECT ended IS NOT NULL FROM killed.pgfast_loads WHERE load = $1", (name,))
            assert ended.fetchone() == (True,)
            assert _defined(conn) == defined, manner.says
            if conn.execute("SELECT to_regclass('killed.pgfast_deferred') IS NOT NULL").fetchone() == (True,):
                assert conn.execute("TABLE killed.pgfast_deferred").fetchall() == []
            tables = conn.execute("SELECT relname FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r'")
            assert tables.fetchall() == []
        if manner.bad:
            told = [json.loads(line) for line in rejects.read_text(encoding="utf-8").splitlines()]
            assert sorted(_tag(str(one.get("record", one.get("values")))) for one in told) == bad, manner.says


def _is_good(row: Row) -> bool:
    return isinstance(row[0], int) and row[0] < 2**31 and row[1] is not None and row[2] >= 0


def _tag(text: str) -> int:
    found = re.search(r"tag (\d+);", text)
    assert found is not None, text
    return int(found[1])


def _defined(conn: pgfast.Connection[Any]) -> Any:
    """The indexes and constraints of the table."""
    indexes = conn.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'killed' AND tablename = 't'")
    constraints = conn.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'killed.t'::regclass"
    )
    return sorted(indexes.fetchall()), sorted(constraints.fetchall())
