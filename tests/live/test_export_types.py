"""Values of every type in files, and in tables of another server: the server compares what comes back with what it had.

The types and their values are those of the catalogue's walk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

import pgfast
from pgfast.embedded import EmbeddedServer

from ..catalogue.test_catalogue import Walk
from ..catalogue.walk import Walked

pytestmark = pytest.mark.first_and_last_version("the catalogue's walk reads and writes every type on all of them")


@pytest.fixture(scope="module")
def walk(version: int, version_server: EmbeddedServer) -> Iterator[Walk]:
    """A database of its own with the values of every type."""
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("create database export_types")
    made = Walk(version, version_server.dsn.rsplit("/", 1)[0] + "/export_types")
    yield made
    made.close()
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("drop database export_types")


def each(walk: Walk, check: Callable[[Walked], None]) -> None:
    """Run a check for every type that a table can have and the server takes; fails with all that failed."""
    failures = []
    walked = [one for one in walk.types if one.storable and one.values and one.writable]
    assert len(walked) > 100
    for one in walked:
        try:
            check(one)
        except (Exception, pytest.fail.Exception) as exc:
            failures.append(f"{one.sql}: {type(exc).__name__}: {str(exc)[:400]}")
            walk.connect()
    assert not failures, f"{len(failures)} types failed:\n" + "\n".join(failures[:40])


def without_payload(walk: Walk, one: Walked, numbers: list[int]) -> list[int]:
    """The numbers of those values whose text tells everything; the others are removed from the copy."""
    held = [n for n in numbers if not one.values[n].payload]
    walk.plain.execute(f"delete from {one.copy} where n <> all($1::int4[])", (held,))
    return held


def test_csv_comes_back_the_same(walk: Walk, tmp_path: Path) -> None:
    def check(one: Walked) -> None:
        file = tmp_path / "values.csv"
        report = walk.plain.export(one.table, file)
        with walk.plain.cursor() as cursor:
            with cursor.copy(f"copy {walk.emptied(one)} from stdin (format csv, header)") as copy:
                copy.write(file.read_bytes())
            assert cursor.rowcount == report.rows == len(one.values)
        walk.compare(one, without_payload(walk, one, list(range(len(one.values)))))

    each(walk, check)


def test_parquet_comes_back_the_same(walk: Walk, tmp_path: Path) -> None:
    def check(one: Walked) -> None:
        file = tmp_path / "values.parquet"
        held = [n for n, value in enumerate(one.values) if value.columns]
        report = walk.plain.export(f"select n, v from {one.table} where n = any($1)", file, params=[held])
        column = pyarrow.parquet.read_table(file).schema.field("v")
        assert walk.exact.load(walk.emptied(one), file).rows == report.rows == len(held)
        if str(column.type) == "string":
            held = without_payload(walk, one, held)
        walk.compare(one, held)

    each(walk, check)


def test_json_lines_are_the_servers_json(walk: Walk, tmp_path: Path) -> None:
    def check(one: Walked) -> None:
        file = tmp_path / "values.jsonl"
        try:
            told = walk.plain.execute(f"select row_to_json(t)::text from {one.table} t").fetchall()
        except pgfast.Error:  # a value that the server cannot make JSON of
            with pytest.raises(pgfast.Error):
                walk.plain.export(one.table, file)
            return
        report = walk.plain.export(one.table, file)
        lines = file.read_text("utf-8").removesuffix("\n").split("\n") if told else []
        assert lines == [text.translate(dict.fromkeys(map(ord, "\n\r\t"), " ")) for (text,) in told]
        assert report.rows == len(told) == len(one.values)
        for line in lines:
            json.loads(line, parse_int=str)  # Python reads no integer of 131,072 digits

    each(walk, check)


def test_tables_of_another_schema_get_the_same_values(walk: Walk) -> None:
    walked = [one for one in walk.types if one.storable and one.values and one.writable]
    walk.plain.execute("create schema arrived")
    walk.plain.execute("create schema again")
    names = [one.table.removeprefix("corpus.") for one in walked]
    home, away = (f"{walk.dsn}?options=-csearch_path%3D{schema}" for schema in ("corpus", "arrived"))
    report = pgfast.copy_tables(home, away, names, create=True, jobs=2)
    assert [table.rows for table in report.tables] == [len(one.values) for one in walked]
    binary = [table.path for table in report.tables].count("binary")
    assert binary > 60
    different = []
    for one in walked:
        name = one.table.removeprefix("corpus.")
        unlike = f"{one.bytes_of('t.v')} is distinct from {one.bytes_of('b.v')}"
        found = walk.plain.execute(
            f"select count(*) from {one.table} t full join arrived.{name} b using (n) "
            f"where (t.n is null or b.n is null or {unlike}) and t.n <> all($1::int4[])",
            ([n for n, value in enumerate(one.values) if value.payload],),
        ).fetchone()
        if found != (0,):
            different.append((one.sql, found))
    assert different == []
