"""Exports into files: what is in them, what they are a state of, and what is left where they fail."""

from __future__ import annotations

import asyncio
import bz2
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

import pgfast
from pgfast import AsyncConnection, InterfaceError, ProgrammingError, errors, sql
from pgfast.embedded import EmbeddedServer
from pgfast.exporting.channel import Channel
from pgfast.exporting.forms import unescaped

from ..faces import Face, target
from ..standby import Standby
from ..versions import start_version
from ..waiting import until

ROWS: Final = 20_000
#: Pages enough for several pieces: a piece has 128 at least.
WIDE: Final = 40_000


@pytest.fixture(scope="module")
def tables(dsn: str) -> Iterator[str]:
    """A schema with tables to be exported."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("create schema exported")
        conn.execute(
            "create table exported.plain (id int8 primary key, price numeric(12,2), name text, day date, doc json)"
        )
        conn.execute(
            "insert into exported.plain select i, nullif(i, 7) / 100.0, case when i % 3 = 0 then null else "
            "'n\u00e4me, \"' || i || E'\" \\\\ \\n\\t' end, date '2000-01-01' + i, "
            "('{\"a\":' || chr(10) || '[1, \"q\\n\\\\\"]}')::json "
            f"from generate_series(0, {ROWS - 1}) i"
        )
        conn.execute('create table exported."Odd ""Name" ("a b" int, "C" int generated always as ("a b" * 2) stored)')
        conn.execute('insert into exported."Odd ""Name" values (1), (2)')
        conn.execute("create table exported.wide (id int8 primary key, filler text)")
        conn.execute(f"insert into exported.wide select i, repeat('x', 200) || i from generate_series(1, {WIDE}) i")
        conn.execute("create table exported.parts (id int8, filler text) partition by range (id)")
        for number in range(3):
            low, high = number * 10_000, (number + 1) * 10_000
            conn.execute(
                f"create table exported.parts_{number} partition of exported.parts for values from ({low}) to ({high})"
            )
        conn.execute("insert into exported.parts select i, repeat('y', 200) from generate_series(0, 29999) i")
        conn.execute("create view exported.seen as select id, price from exported.plain where id < 10")
        conn.execute("create materialized view exported.kept as select id, price from exported.plain where id < 10")
        conn.execute("create table exported.parent (id int)")
        conn.execute("create table exported.child () inherits (exported.parent)")
        conn.execute("insert into exported.parent values (1)")
        conn.execute("insert into exported.child values (2)")
        conn.execute("vacuum analyze exported.wide")
    yield "exported"
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop schema exported cascade")


@pytest.fixture
def other(dsn: str) -> Iterator[pgfast.Connection]:
    """Another connection, in autocommit mode."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        yield conn


def servers_own(conn: pgfast.Connection, statement: str) -> bytes:
    """What the server itself writes."""
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# ---------------------------------------------------------------- what is in the files


def test_csv_is_what_the_server_writes(auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path) -> None:
    choices: list[tuple[dict[str, Any], str]] = [
        ({}, "header"),
        ({"header": False}, ""),
        ({"delimiter": ";", "null": "\\N", "quote": "'"}, "header, delimiter ';', null '\\N', quote ''''"),
        ({"force_quote": True}, "header, force_quote *"),
        ({"force_quote": ["id", "name"]}, "header, force_quote (id, name)"),
        ({"encoding": "latin1"}, "header, encoding 'latin1'"),
    ]
    for number, (given, option) in enumerate(choices):
        file = tmp_path / f"{number}.csv"
        report = auto.export("exported.plain", file, **given)
        told = servers_own(other, f"copy exported.plain to stdout (format csv{', ' if option else ''}{option})")
        assert file.read_bytes() == told
        assert (report.rows, report.size_bytes, report.files) == (ROWS, len(told), (str(file),))
        assert (report.format, report.path, report.jobs, report.notes) == ("csv", "server csv", 1, ())
        assert report.seconds > 0
        assert report.rows_per_s > 0
        assert "20000 rows of exported.plain" in str(report)


def test_the_name_of_the_file_tells_format_and_compression(
    auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path
) -> None:
    told = servers_own(other, "copy exported.plain to stdout (format csv, header)")
    tabs = servers_own(other, "copy exported.plain to stdout (format csv, header, delimiter E'\\t')")
    files: list[tuple[str, bytes, Callable[[bytes], bytes]]] = [
        ("a.csv.gz", told, gzip.decompress),
        ("a.csv.bz2", told, bz2.decompress),
        ("a.tsv", tabs, bytes),
        ("a.TSV.GZ", tabs, gzip.decompress),
        ("a.csv.zst", told, lambda data: pyarrow.input_stream(pyarrow.BufferReader(data), compression="zstd").read()),
    ]
    for name, wanted, read in files:
        file = tmp_path / name
        report = auto.export("exported.plain", file)
        assert read(file.read_bytes()) == wanted, name
        assert report.size_bytes == file.stat().st_size
    auto.export("exported.plain", tmp_path / "plain", format="csv", compression="gzip")
    assert gzip.decompress((tmp_path / "plain").read_bytes()) == told
    assert left(tmp_path) == ["a.TSV.GZ", "a.csv.bz2", "a.csv.gz", "a.csv.zst", "a.tsv", "plain"]


def test_parquet_and_arrow_hold_what_the_query_gives(
    auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path
) -> None:
    wanted = other.fetch_columns("select * from exported.plain order by id").to_arrow()
    for name in ("a.parquet", "a.arrow", "b.feather", "c.ipc"):
        report = auto.export("exported.plain", tmp_path / name)
        read = pyarrow.parquet.read_table if name.endswith("parquet") else pyarrow.feather.read_table
        found = read(tmp_path / name).sort_by("id")
        assert found.schema.equals(wanted.schema), name
        assert found.to_pylist() == wanted.to_pylist(), name
        assert (report.rows, report.path) == (ROWS, "columns")
    counted = duckdb.execute(f"select count(*), sum(price), count(name) from '{tmp_path / 'a.parquet'}'").fetchall()
    assert counted == other.execute("select count(*), sum(price), count(name) from exported.plain").fetchall()
    for codec in ("zstd", "gzip", "none"):
        auto.export("exported.plain", tmp_path / f"{codec}.parquet", compression=codec)
        made = pyarrow.parquet.ParquetFile(tmp_path / f"{codec}.parquet").metadata.row_group(0).column(0).compression
        assert made == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())


def test_json_lines_are_exact(auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    query = (
        "select 12345678901234567.890::numeric as n, 9007199254740993::int8 as i, null::int as nothing, "
        "'\\x00ff'::bytea as b, "
        "'2024-02-29 12:00:00.5+00'::timestamptz as t, E'a\\nb\"\\\\\t'::text as s, 'infinity'::float8 as f, "
        "array[1, null] as a, row(1, 'x') as r, doc from exported.plain where id = 1"
    )
    auto.execute("set timezone to 'UTC'")
    assert auto.export(query, file).rows == 1
    line = file.read_text("utf-8")
    assert line.count("\n") == 1
    found = json.loads(line, parse_float=Decimal)
    assert found == {
        "n": Decimal("12345678901234567.890"),
        "i": 9007199254740993,
        "nothing": None,
        "b": "\\x00ff",
        "t": "2024-02-29T12:00:00.5+00:00",
        "s": 'a\nb"\\\t',
        "f": "Infinity",
        "a": [1, None],
        "r": {"f1": 1, "f2": "x"},
        "doc": {"a": [1, "q\n\\"]},
    }
    assert '"n":12345678901234567.890,' in line
    auto.export("exported.plain", tmp_path / "b.ndjson.gz")
    lines = gzip.decompress((tmp_path / "b.ndjson.gz").read_bytes()).splitlines()
    assert sorted([json.loads(line)["id"] for line in lines]) == list(range(ROWS))


def test_backslashes_of_json_are_paired_from_the_left() -> None:
    assert unescaped(rb'{"a":"\\\\n"}' + b"\n") == b'{"a":"\\\\n"}\n'
    assert unescaped(rb'{"a":"\\n",\n"b":\t1}' + b"\n") == b'{"a":"\\n", "b": 1}\n'
    assert unescaped(rb'{"\\\\\\"":1}') == rb'{"\\\"":1}'


def test_columns_are_chosen_and_ordered(auto: Any, tables: str, tmp_path: Path) -> None:
    auto.export("exported.plain", tmp_path / "a.csv", columns=["price", "id"])
    assert (tmp_path / "a.csv").read_text().splitlines()[:2] == ["price,id", "0.00,0"]
    auto.export("select 1 as x, 2 as y", tmp_path / "b.csv", columns=["y"])
    assert (tmp_path / "b.csv").read_text() == "y\n2\n"
    with pytest.raises(errors.UndefinedColumn, match="no column 'prize'; did you mean 'price'"):
        auto.export("exported.plain", tmp_path / "c.csv", columns=["prize"])
    with pytest.raises(InterfaceError, match="not a str"):
        auto.export("exported.plain", tmp_path / "c.csv", columns="price")
    assert left(tmp_path) == ["a.csv", "b.csv"]


def test_whatever_select_shows_is_exported(auto: Any, tables: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    assert auto.export('exported."Odd ""Name"', file).rows == 2
    assert file.read_text() == "a b,C\n1,2\n2,4\n"
    assert auto.export("exported.seen", file).rows == 10
    assert auto.export("exported.kept", file).rows == 10
    assert auto.export("exported.parts", file).rows == 30_000
    assert auto.export("exported.parent", file).rows == 2
    auto.execute("set search_path to exported, public")
    assert auto.export("Plain", file).rows == ROWS
    auto.execute("create temp table mine as select 1 as a")
    assert auto.export("mine", file, jobs=2).notes == (
        "one connection: the table is temporary, which other connections do not see",
    )
    with pytest.raises(errors.UndefinedTable, match="no such table; did you mean 'plain'"):
        auto.export("plane", file)


def test_a_foreign_table_is_exported(version_server: EmbeddedServer, tmp_path: Path) -> None:
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("create extension if not exists postgres_fdw")
        conn.execute("create table near as select 1 as id, 'a' as name union all select 2, 'b'")
        conn.execute(
            "create server loop foreign data wrapper postgres_fdw options "
            f"(host '{version_server.host}', port '{version_server.port}', dbname 'postgres')"
        )
        conn.execute(f"create user mapping for current_user server loop options (user '{version_server.user}')")
        conn.execute("create foreign table far (id int, name text) server loop options (table_name 'near')")
        report = conn.export("far", tmp_path / "a.csv", header=False, jobs=2)
        assert (tmp_path / "a.csv").read_text() == "1,a\n2,b\n"
        assert report.notes == ("one connection: only tables and partitioned tables have pages to be shared out",)
        conn.execute("drop server loop cascade")
        conn.execute("drop table near")


def test_queries_take_parameters(auto: Any, tables: str, tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.arrow"):
        report = auto.export(
            "select id, %s::text as said from exported.plain where id < %s", tmp_path / name, params=["it's \\", 5]
        )
        assert report.rows == 5, name
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == "0,it's \\"
    assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0]) == {"id": 0, "said": "it's \\"}
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist()[4] == {"id": 4, "said": "it's \\"}
    query = sql.SQL("select {} from exported.plain where id = %(id)s -- the end").format(sql.Identifier("price"))
    assert auto.export(query, tmp_path / "b.csv", params={"id": 3}).rows == 1
    assert (tmp_path / "b.csv").read_text() == "price\n0.03\n"
    with pytest.raises(InterfaceError, match="takes no parameters"):
        auto.export("exported.plain", tmp_path / "b.csv", params=[1])


def test_a_query_may_write_and_return(auto: Any, tmp_path: Path) -> None:
    auto.execute("create temp table written (id int)")
    for number, name in enumerate(("a.csv", "a.jsonl", "a.parquet")):
        assert auto.export(f"insert into written values ({number}) returning id", tmp_path / name).rows == 1
    assert auto.execute("select * from written order by id").fetchall() == [(0,), (1,), (2,)]


def test_what_gives_no_rows_or_too_many_statements_is_refused(auto: Any, tmp_path: Path) -> None:
    with pytest.raises(ProgrammingError, match="one statement"):
        auto.export("select 1; select 2", tmp_path / "a.csv")
    with pytest.raises(ProgrammingError, match="no COPY"):
        auto.export("copy (select 1) to stdout", tmp_path / "a.csv")
    with pytest.raises(ProgrammingError, match="two columns are named 'a'"):
        auto.export("select 1 as a, 2 as a", tmp_path / "a.jsonl")
    with pytest.raises(ProgrammingError, match="gives no rows"):
        auto.export("create temp table t (a int)", tmp_path / "a.parquet")
    with pytest.raises(errors.SyntaxError):
        auto.export("selct 1", tmp_path / "a.csv")
    assert left(tmp_path) == []
    assert auto.execute("select 1").fetchone() == (1,)


def test_wrong_options_are_refused_before_anything_is_asked(auto: Any, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"path": tmp_path / "a.xls"}, "tells no format"),
        ({"path": tmp_path / "a.csv", "format": "xls"}, "format is one of"),
        ({"path": tmp_path / "a.csv", "compression": "snappy"}, "csv is compressed by one of"),
        ({"path": tmp_path / "a.jsonl", "delimiter": ";"}, "are for CSV"),
        ({"path": tmp_path / "a.csv", "jobs": 0}, "jobs is a number"),
        ({"path": tmp_path / "a.csv", "force_quote": "id"}, "force_quote must be"),
        ({"path": 3}, "neither a path nor a file"),
    ]
    for given, said in wrong:
        with pytest.raises(InterfaceError, match=said):
            auto.export("no table", **given)
    assert left(tmp_path) == []


def test_intervals_are_text_in_parquet_and_the_report_says_so(auto: Any, tmp_path: Path) -> None:
    report = auto.export("select '1 mon 2 days'::interval as i, 1 as n", tmp_path / "a.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pylist() == [{"i": "1 mon 2 days", "n": 1}]
    assert report.notes == ("column i (interval) is text: Parquet has no type for it",)
    auto.export("select '1 mon 2 days'::interval as i", tmp_path / "a.arrow")
    assert str(pyarrow.feather.read_table(tmp_path / "a.arrow").schema.field("i").type) == "month_day_nano_interval"


def test_empty_results_are_files_too(auto: Any, tables: str, tmp_path: Path) -> None:
    query = "select id, name from exported.plain where false"
    assert auto.export(query, tmp_path / "a.csv").rows == 0
    assert (tmp_path / "a.csv").read_text() == "id,name\n"
    auto.export(query, tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == b""
    auto.export(query, tmp_path / "a.csv.zst")
    auto.export(query, tmp_path / "a.parquet")
    assert pyarrow.parquet.read_schema(tmp_path / "a.parquet").names == ["id", "name"]
    auto.export(query, tmp_path / "a.arrow")
    assert pyarrow.feather.read_table(tmp_path / "a.arrow").num_rows == 0


def test_a_value_longer_than_any_block_goes_through(auto: Any, tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        assert auto.export("select repeat('x', 50000000) as long, 1 as n", tmp_path / name).rows == 1
    csv.field_size_limit(100_000_000)
    with (tmp_path / "a.csv").open() as file:
        assert [len(value) for value in list(csv.reader(file))[1]] == [50_000_000, 1]
    assert len(pyarrow.parquet.read_table(tmp_path / "a.parquet")["long"][0].as_py()) == 50_000_000


# ---------------------------------------------------------------- where they go


class Short:
    """A file without a buffer: it takes a few bytes at a time."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: Any) -> int:
        taken = bytes(data[:100])
        self.data += taken
        return len(taken)


def test_open_files_take_what_is_written(auto: Any, tables: str, tmp_path: Path) -> None:
    short, whole = Short(), io.BytesIO()
    report = auto.export("exported.seen", short)
    auto.export("exported.seen", whole)
    assert short.data == whole.getvalue()
    assert (report.files, report.rows) == ((), 10)
    assert not whole.closed
    made = io.BytesIO()
    auto.export("exported.seen", made, format="parquet")
    assert pyarrow.parquet.read_table(io.BytesIO(made.getvalue())).num_rows == 10
    joined = io.BytesIO()
    auto.export("exported.wide", joined, jobs=2)
    assert joined.getvalue().count(b"\n") == WIDE + 1


def test_a_file_is_replaced_when_the_new_one_is_whole(auto: Any, tables: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("old")
    file.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(file)
    with pytest.raises(errors.DivisionByZero):
        auto.export("select 1 / (5 - id) from exported.plain", file)
    assert file.read_text() == "old"
    auto.export("exported.seen", tmp_path / "link.csv")
    assert file.read_text().startswith("id,price\n0,")
    assert (tmp_path / "link.csv").is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert left(tmp_path) == ["a.csv", "link.csv"]


def test_parts_go_into_a_directory(auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path) -> None:
    report = auto.export("exported.wide", f"{tmp_path / 'made'}/", format="parquet", jobs=2)
    assert report.pieces == len(report.files) > 2
    assert report.jobs == 2
    assert left(tmp_path / "made") == [f"part-{number:05}.parquet" for number in range(report.pieces)]
    made = pyarrow.parquet.read_table(tmp_path / "made")
    assert made.sort_by("id").equals(other.fetch_columns("select * from exported.wide order by id").to_arrow())
    (tmp_path / "there").mkdir()
    for one in range(2):
        if one:
            with pytest.raises(FileExistsError, match="parts of another export"):
                auto.export("exported.wide", tmp_path / "there", format="csv", compression="gzip")
        else:
            assert auto.export("exported.wide", tmp_path / "there", format="csv", compression="gzip", jobs=2).pieces > 2
    texts = [gzip.decompress(path.read_bytes()).decode() for path in sorted((tmp_path / "there").iterdir())]
    assert {text.split("\n", 1)[0] for text in texts} == {"id,filler"}
    assert sum(text.count("\n") - 1 for text in texts) == WIDE
    assert auto.export("exported.seen", f"{tmp_path / 'one'}/", format="jsonl").files == (
        str(tmp_path / "one" / "part-00000.jsonl"),
    )


# ---------------------------------------------------------------- many connections


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.parquet", "a.arrow"])
def test_several_connections_write_what_one_does(auto: Any, tables: str, tmp_path: Path, name: str) -> None:
    seen: list[tuple[int, int]] = []
    for table in ("exported.wide", "exported.parts"):
        one, many = tmp_path / f"one-{name}", tmp_path / f"many-{name}"
        auto.export(table, one)
        report = auto.export(table, many, jobs=3, progress=lambda *told: seen.append(told))
        assert (report.jobs, report.notes) == (3, ())
        assert report.pieces > 3
        if name.endswith(".gz"):
            assert gzip.decompress(one.read_bytes()) == gzip.decompress(many.read_bytes())
        elif name.endswith((".csv", ".jsonl")):
            assert one.read_bytes() == many.read_bytes()
        else:
            read = pyarrow.parquet.read_table if name.endswith("parquet") else pyarrow.feather.read_table
            assert read(one).equals(read(many))
        assert seen == sorted(seen)
        assert seen.pop()[0] == report.rows
        seen.clear()
    assert auto.execute("select 1").fetchone() == (1,)


def test_an_export_is_one_moments_state_while_others_write(dsn: str, other: pgfast.Connection, tmp_path: Path) -> None:
    """Money moves between accounts, whose rows move between pages; the sum and the number stay."""
    accounts, total = 8_000, 8_000 * 100
    other.execute("create table moving (id int primary key, amount int8, filler text) with (fillfactor = 60)")
    other.execute(f"insert into moving select i, 100, repeat('f', 150) from generate_series(1, {accounts}) i")
    done = threading.Event()
    moved = [0, 0]

    def write(seat: int) -> None:
        with pgfast.connect(dsn, autocommit=True) as conn:
            while not done.is_set():
                first = (moved[seat] * 7919 + seat * 4001) % accounts + 1
                second = (first * 31 + 17) % accounts + 1
                low, high = sorted((first, second))
                with conn.transaction():
                    conn.execute("update moving set amount = amount - 1, filler = filler || 'x' where id = %s", (low,))
                    gone = conn.execute("delete from moving where id = %s returning amount, filler", (high,)).fetchone()
                    if gone is None:
                        raise pgfast.Rollback
                    conn.execute("insert into moving values (%s, %s, %s)", (high, gone[0] + (low != high), gone[1]))
                moved[seat] += 1

    writers = [threading.Thread(target=write, args=(seat,)) for seat in range(2)]
    for writer in writers:
        writer.start()
    try:
        with pgfast.connect(dsn, autocommit=True) as conn:
            for turn in range(8):
                before = sum(moved)
                while sum(moved) == before:
                    assert all(writer.is_alive() for writer in writers)
                report = conn.export("moving", tmp_path / "a.parquet", jobs=3)
                assert report.pieces > 1, turn
                found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
                ids = found["id"].to_pylist()
                assert len(ids) == len(set(ids)) == accounts == report.rows
                assert pyarrow.compute.sum(found["amount"]).as_py() == total
    finally:
        done.set()
        for writer in writers:
            writer.join()
        other.execute("drop table moving")


def test_the_other_connections_take_over_the_session(
    auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path
) -> None:
    other.execute("create role reader")
    other.execute("grant usage on schema exported to reader")
    other.execute(
        "create table exported.guarded as select i as id, now()::date as day, repeat('g', 200) as filler "
        "from generate_series(1, 20000) i"
    )
    other.execute("alter table exported.guarded enable row level security")
    other.execute("grant select on exported.guarded to reader")
    other.execute("create policy few on exported.guarded using (id <= 100)")
    auto.execute("set role reader")
    auto.execute("set datestyle to 'German'")
    auto.execute("set search_path to exported")
    report = auto.export("guarded", tmp_path / "a.csv", jobs=2)
    assert (report.rows, report.jobs) == (100, 2)
    assert "." in (tmp_path / "a.csv").read_text().splitlines()[1].split(",")[1]
    auto.execute("reset role")
    other.execute("drop table exported.guarded")
    other.execute("drop owned by reader")
    other.execute("drop role reader")


def test_what_the_transaction_has_written_is_exported_by_its_own_connection(
    conn: Any, tables: str, tmp_path: Path
) -> None:
    report = conn.export("exported.wide", tmp_path / "a.csv", jobs=2)
    assert (report.rows, report.jobs) == (WIDE, 2)
    assert conn.info.transaction_status is pgfast.TransactionStatus.INTRANS
    conn.execute("delete from exported.wide where id > 10")
    report = conn.export("exported.wide", tmp_path / "a.csv", jobs=2)
    assert (report.rows, report.jobs) == (10, 1)
    assert report.notes == ("one connection: the transaction has written, which other connections do not see",)
    conn.rollback()
    assert conn.export("select count(*) from exported.wide", tmp_path / "b.csv", jobs=4).notes == (
        "one connection: a query is one statement",
    )


def test_partitions_that_may_not_be_read_by_themselves_are_read_by_one_connection(
    auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path
) -> None:
    other.execute("create role narrow")
    other.execute("grant usage on schema exported to narrow")
    other.execute("grant select on exported.parts to narrow")
    auto.execute("set role narrow")
    report = auto.export("exported.parts", tmp_path / "a.csv", jobs=2)
    assert report.rows == 30_000
    assert report.notes == ("one connection: there is no SELECT privilege on each of its partitions",)
    with pytest.raises(errors.InsufficientPrivilege):
        auto.export("exported.wide", tmp_path / "b.csv", jobs=2)
    auto.execute("reset role")
    other.execute("drop owned by narrow")
    other.execute("drop role narrow")
    assert left(tmp_path) == ["a.csv"]


def test_every_version_shares_out_pages(version_server: EmbeddedServer, tmp_path: Path) -> None:
    with pgfast.connect(version_server.dsn, autocommit=True) as conn:
        conn.execute("create table many as select i as id, repeat('x', 200) as filler from generate_series(1, 20000) i")
        for name in ("a.csv", "a.jsonl", "a.parquet"):
            report = conn.export("many", tmp_path / name, jobs=2)
            assert (report.rows, report.jobs, report.notes) == (20_000, 2, ())
        ids = pyarrow.parquet.read_table(tmp_path / "a.parquet")["id"].to_pylist()
        assert ids == list(range(1, 20_001))
        conn.execute("drop table many")


def test_older_servers_are_read_by_one_connection(tmp_path: Path) -> None:
    with start_version(13) as server, pgfast.connect(server.dsn, autocommit=True) as conn:
        conn.execute("create table many as select i as id, repeat('x', 200) as filler from generate_series(1, 20000) i")
        report = conn.export("many", tmp_path / "a.csv", jobs=2)
        assert (report.rows, report.jobs) == (20_000, 1)
        assert report.notes == ("one connection: ranges of pages are read since PostgreSQL 14",)


def test_a_standby_is_exported_by_several_connections(server: EmbeddedServer, tables: str, tmp_path: Path) -> None:
    with Standby(primary=server) as standby, pgfast.connect(standby.dsn, autocommit=True) as conn:
        report = conn.export("exported.wide", tmp_path / "a.csv", jobs=2)
        assert (report.rows, report.jobs) == (WIDE, 2)


def test_a_program_may_export_without_a_connection_of_its_own(dsn: str, tables: str, tmp_path: Path) -> None:
    report = pgfast.export(dsn, "exported.wide", tmp_path / "a.parquet", jobs=2)
    assert (report.rows, report.jobs) == (WIDE, 2)
    assert isinstance(report, pgfast.ExportReport)


# ---------------------------------------------------------------- what fails


class Raised(Exception):
    pass


def kill_one(other: pgfast.Connection) -> Callable[[int, int], None]:
    """A callback that ends a backend which is copying or fetching, once."""
    killed: list[Any] = []

    def told(rows: int, size_bytes: int) -> None:
        if not killed:
            killed.extend(
                other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
                    "and state = 'active' and query like '%exported%endless%' limit 1"
                ).fetchall()
            )

    return told


@pytest.fixture
def endless(other: pgfast.Connection, tables: str) -> Iterator[str]:
    """A table whose rows take more than the sockets between two processes hold."""
    other.execute("create table exported.endless (id int8, filler text)")
    other.execute("alter table exported.endless alter filler set storage external")
    other.execute("insert into exported.endless select i, repeat(md5(i::text), 60) from generate_series(1, 40000) i")
    yield "exported.endless"
    other.execute("drop table exported.endless")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_the_end_of_a_backend_leaves_nothing(
    auto: Any, other: pgfast.Connection, endless: str, tmp_path: Path, name: str, jobs: int
) -> None:
    with pytest.raises(pgfast.OperationalError):
        auto.export(endless, tmp_path / name, jobs=jobs, progress=kill_one(other))
    assert left(tmp_path) == []
    if jobs > 1:
        assert auto.execute("select 1").fetchone() == (1,)
        assert auto.info.transaction_status is pgfast.TransactionStatus.IDLE


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_callback_that_raises_ends_the_export(
    auto: Any, other: pgfast.Connection, endless: str, tmp_path: Path, name: str, jobs: int
) -> None:
    def told(rows: int, size_bytes: int) -> None:
        if rows > 5_000:
            raise Raised

    with pytest.raises(Raised):
        auto.export(endless, tmp_path / name, jobs=jobs, progress=told)
    assert left(tmp_path) == []
    assert auto.execute("select 1").fetchone() == (1,)
    still = "select count(*) from pg_stat_activity where state <> 'idle' and pid <> pg_backend_pid()"
    running = f"{still} and query like '%endless%'"
    until(lambda: other.execute(running).fetchone() == (0,), "nothing is read any more")


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_export_that_outlasts_its_timeout_leaves_nothing(
    auto: Any, other: pgfast.Connection, tables: str, tmp_path: Path, jobs: int
) -> None:
    source = "exported.wide" if jobs > 1 else "select pg_sleep(60)"
    if jobs > 1:
        other.execute("begin")
        other.execute("lock table exported.wide in access exclusive mode")
    with pytest.raises(errors.TimeoutError):
        auto.export(source, tmp_path / "a.csv", jobs=jobs, timeout=0.3)
    if jobs > 1:
        other.execute("rollback")
    assert left(tmp_path) == []
    assert auto.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_ends_the_export(auto: Any, tables: str, form: str, jobs: int) -> None:
    with pytest.raises(OSError, match="No space left"):
        auto.export("exported.wide", "/dev/full", format=form, jobs=jobs)
    assert auto.execute("select 1").fetchone() == (1,)
    assert Path("/dev/full").is_char_device()


def test_a_directory_that_cannot_be_written_is_an_oserror(auto: Any, tables: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        auto.export("exported.seen", tmp_path / "nowhere" / "a.csv")
    with pytest.raises(Raised):
        auto.export("exported.wide", f"{tmp_path / 'made'}/", format="csv", jobs=2, progress=raising)
    assert left(tmp_path) == []


def raising(rows: int, size_bytes: int) -> None:
    raise Raised


def test_a_rewriter_of_the_table_ends_the_second_connections_at_once(
    face: Face, dsn: str, other: pgfast.Connection, tables: str, tmp_path: Path
) -> None:
    """Who waits for the table waits for the first connection; the others must not wait for them in turn."""
    auto = face.connect(dsn, autocommit=True)
    started = threading.Event()
    altered: list[BaseException] = []

    def alter() -> None:
        with pgfast.connect(dsn, autocommit=True) as conn:
            started.set()
            try:
                conn.execute("alter table exported.wide set (fillfactor = 90)", timeout=0.5)
            except pgfast.Error as exc:
                altered.append(exc)
            conn.execute("set lock_timeout to '30s'")
            conn.execute("alter table exported.wide set (fillfactor = 100)")

    rewriter = threading.Thread(target=alter)
    rewriter.start()
    started.wait()
    for _ in range(5):
        try:
            assert auto.export("exported.wide", tmp_path / "a.csv", jobs=2).rows == WIDE
        except errors.LockNotAvailable:
            assert ".part" not in "".join(left(tmp_path))
    rewriter.join()
    assert not [exc for exc in altered if not isinstance(exc, errors.TimeoutError)]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_cancelled_task_leaves_nothing(
    dsn: str, other: pgfast.Connection, endless: str, tmp_path: Path, name: str, jobs: int
) -> None:
    async def body() -> None:
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            loop, begun = asyncio.get_running_loop(), asyncio.Event()

            def told(rows: int, size_bytes: int) -> None:
                loop.call_soon_threadsafe(begun.set)

            task = asyncio.ensure_future(conn.export(endless, tmp_path / name, jobs=jobs, progress=told))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert left(tmp_path) == []
            assert await (await conn.execute("select 1")).fetchone() == (1,)

    asyncio.run(body())
    still = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    running = f"{still} and query like '%endless%'"
    until(lambda: other.execute(running).fetchone() == (0,), "nothing is read any more")


def test_the_loop_goes_on_while_files_are_written(dsn: str, endless: str, tmp_path: Path) -> None:
    """Another task has its turn between the blocks, although each is compressed by Python's slowest means."""

    async def body() -> None:
        async with await AsyncConnection.connect(dsn, autocommit=True) as conn:
            task = asyncio.ensure_future(conn.export(f"select * from {endless} limit 4000", tmp_path / "a.csv.bz2"))
            turns = 0
            while not task.done():
                await asyncio.sleep(0)
                turns += 1
            assert (await task).rows == 4_000
            assert turns > 100

    asyncio.run(body())


def test_memory_is_bounded_by_the_channel(auto: Any, endless: str, tmp_path: Path) -> None:
    """What waits for a writer that takes nothing is never more than the channel's room and one read."""
    most = 0
    put = Channel.put

    def counting(self: Channel, item: Any, size_bytes: int) -> None:
        nonlocal most
        put(self, item, size_bytes)
        most = max(most, self._size_bytes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "put", counting)
        auto.export(f"select * from {endless} limit 8000", tmp_path / "a.csv.bz2")
    assert 0 < most < (4 << 20) + (2 << 20)


def test_pyarrow_is_asked_for_in_one_line(dsn: str, tables: str, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\nimport pgfast\n"
        f"conn = pgfast.connect({dsn!r})\n"
        f"print(conn.export('exported.seen', {str(tmp_path / 'a.csv.gz')!r}).rows)\n"
        f"conn.export('exported.seen', {str(tmp_path / 'a.parquet')!r})\n"
    )
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "10\n"
    assert done.stderr.splitlines()[-1] == "ImportError: writing parquet needs pyarrow: pip install 'pgfast[arrow]'"
    assert left(tmp_path) == ["a.csv.gz"]


def test_a_pooled_connection_exports_too(dsn: str, tables: str, tmp_path: Path) -> None:
    with pgfast.pool.ConnectionPool(dsn, min_size=1) as pool, pool.connection() as conn:
        report = conn.export("exported.wide", tmp_path / "a.csv", jobs=2)
        assert (report.rows, report.jobs) == (WIDE, 2)


def test_a_connection_over_the_programs_own_socket_reads_alone(
    server: EmbeddedServer, face: Face, tables: str, tmp_path: Path
) -> None:
    import socket

    given = socket.create_connection((server.host, server.port)) if not server.host.startswith("/") else None
    if given is None:
        given = socket.socket(socket.AF_UNIX)
        given.connect(f"{server.host}/.s.PGSQL.{server.port}")
    conn = face.connect(server.dsn, sock=given, autocommit=True)
    report = conn.export("exported.wide", tmp_path / "a.csv", jobs=2)
    assert (report.rows, report.jobs) == (WIDE, 1)
    assert report.notes == ("one connection: this one came over a socket of the program's own",)
    assert target(conn) is not None


def test_hooks_are_told_of_an_export(auto: Any, tables: str, tmp_path: Path) -> None:
    said: list[tuple[str, str, int | None]] = []

    class Diary(pgfast.hooks.Hook):
        def on_progress(self, call: pgfast.hooks.Call) -> None:
            said.append(("progress", call.kind, None))

        def on_end(self, call: pgfast.hooks.Call) -> None:
            said.append((call.kind, str(call.query), call.rows))

    seen: list[int] = []
    hook = Diary()
    target(auto).add_hook(hook)
    auto.export("exported.wide", tmp_path / "a.csv", progress=lambda rows, _size: seen.append(rows))
    target(auto).remove_hook(hook)
    assert said[0] == ("progress", "export", None)
    assert said[-1] == ("export", "exported.wide", WIDE)
    assert seen[-1] == WIDE


def test_protocol_2_exports_and_copies_text(tmp_path: Path) -> None:
    with start_version(13) as server:
        old = f"{server.dsn}?min_protocol_version=2.0&max_protocol_version=2.0"
        with pgfast.connect(old, autocommit=True) as conn:
            conn.execute("create table t as select i as id, 'x' || i as name from generate_series(1, 1000) i")
            assert conn.export("t", tmp_path / "a.csv").rows == 1000
            assert conn.export("select * from t where id < %s", tmp_path / "b.jsonl", params=[3]).rows == 2
            assert (tmp_path / "b.jsonl").read_text() == '{"id":1,"name":"x1"}\n{"id":2,"name":"x2"}\n'
            with pytest.raises(errors.NotSupportedError):
                conn.export("t", tmp_path / "c.parquet")
            for number, ends in enumerate(((old, server.dsn), (server.dsn, old))):
                report = pgfast.copy_tables(*ends, [("t", f"t{number}")], create=True)
                assert (report.rows, report.tables[0].path) == (1000, "text")
                again = f"select count(*) from (table t except table t{number}) d"
                assert conn.execute(again).fetchone() == (0,)
    assert left(tmp_path) == ["a.csv", "b.jsonl"]
