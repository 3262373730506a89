"""The command line as a person or a script uses it: real processes, real files, a real server."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

import pgfast
from pgfast.cli import demo, progress, show
from pgfast.embedded import EmbeddedServer

from .servers import TlsServer

ROWS: Final = 1000

#: What ends, well or not, before a session begins.
without_a_session = pytest.mark.same_for_both("no session is begun")


def run(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """`pgfast ARGUMENTS`, as a process without a terminal, which is `given` a text to read."""
    path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "pgfast.cli", *arguments],
        env={**os.environ, "PYTHONPATH": path, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def succeeded(*arguments: str, **variables: str) -> str:
    done = run(*arguments, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def failed(*arguments: str, **variables: str) -> str:
    """The one line on standard error of a command that fails with exit code 1."""
    done = run(*arguments, **variables)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("pgfast: ")
    return done.stderr


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def table(conn: pgfast.Connection) -> Iterator[str]:
    """A name that no table has, dropped at the end."""
    name = f"cli_{uuid.uuid4().hex}"
    yield name
    conn.execute(f"drop table if exists {name}")


def rows(start: int = 0, stop: int = ROWS) -> pyarrow.Table:
    numbers = range(start, stop)
    return pyarrow.table(
        {
            "id": pyarrow.array(numbers, pyarrow.int64()),
            "price": pyarrow.array([Decimal(n) / 100 for n in numbers], pyarrow.decimal128(12, 2)),
            "name": pyarrow.array([None if n % 10 == 0 else f"näme, {n}" for n in numbers], pyarrow.string()),
        }
    )


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(rows(), path)
    return path


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "price", "name"])
        writer.writerows([row["id"], row["price"], row["name"]] for row in rows().to_pylist())
    return path


def stored(conn: pgfast.Connection, table: str) -> list[tuple[object, ...]]:
    return conn.execute(f"select id::int8, price, name from {table} order by id").fetchall()


def expected(start: int = 0, stop: int = ROWS) -> list[tuple[object, ...]]:
    return [(row["id"], row["price"], row["name"]) for row in rows(start, stop).to_pylist()]


def exists(conn: pgfast.Connection, table: str) -> bool:
    found = conn.execute("select to_regclass($1) is not null", [table]).fetchone()
    return found == (True,)


# ---------------------------------------------------------------- load


@pytest.mark.parametrize("kind", ["parquet", "csv_file"])
def test_load_creates_the_table_and_says_what_it_did(
    kind: str, dsn: str, conn: pgfast.Connection, table: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    said = succeeded("load", str(path), "--to", dsn, "--table", table, "--create")
    assert said.startswith(f"{path}: 1,000 rows into {table} in ")
    assert "rows/s" in said
    assert "MB/s" in said
    assert stored(conn, table) == expected()


def test_load_appends_to_a_table_that_is_there(dsn: str, conn: pgfast.Connection, table: str, parquet: Path) -> None:
    conn.execute(f"create table {table} (id int4, price numeric(12,2), name text)")
    conn.execute(f"insert into {table} values (-1, 1.5, 'before')")
    succeeded("load", str(parquet), "--to", dsn, "--table", table)
    assert stored(conn, table) == [(-1, Decimal("1.50"), "before"), *expected()]


def test_load_takes_its_connection_from_the_environment(
    server: EmbeddedServer, conn: pgfast.Connection, table: str, parquet: Path
) -> None:
    variables = {"PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
    succeeded("load", str(parquet), "--table", table, "--create", **variables)
    assert stored(conn, table) == expected()


def test_load_of_several_files_keeps_all_of_them(
    dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path, parquet: Path
) -> None:
    second = tmp_path / "second.parquet"
    pyarrow.parquet.write_table(rows(ROWS, 2 * ROWS), second)
    said = succeeded("load", str(parquet), str(second), "--to", dsn, "--table", table, "--create")
    assert said.count("\n") == 2
    assert stored(conn, table) == expected(0, 2 * ROWS)


def test_load_of_several_files_keeps_none_when_one_fails(
    dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path, parquet: Path
) -> None:
    second = tmp_path / "second.csv"
    second.write_text("id,price,name\n1,2.50,fine\n2,three,bad\n")
    said = failed("load", str(parquet), str(second), "--to", dsn, "--table", table, "--create")
    assert "price" in said
    assert "three" in said
    assert not exists(conn, table)


def test_load_prints_json_for_scripts(dsn: str, table: str, parquet: Path) -> None:
    found = json.loads(succeeded("load", str(parquet), "--to", dsn, "--table", table, "--create", "--json"))
    assert found["rows"] == ROWS
    assert found["table"].endswith(table)
    assert found["implementation"] == pgfast.IMPLEMENTATION
    assert found["size_bytes"] > 10 * ROWS
    assert found["seconds"] > 0


def test_load_reads_csv_in_other_shapes(dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("1;1.25;NIL\n2;NIL;x\n")
    conn.execute(f"create table {table} (name text, price numeric, id int8)")
    options = ["--delimiter", ";", "--null", "NIL", "--no-header", "--columns", "id, price, name"]
    succeeded("load", str(path), "--to", dsn, "--table", table, *options)
    assert stored(conn, table) == [(1, Decimal("1.25"), None), (2, None, "x")]


def test_load_shows_what_was_not_plain_of_a_file(dsn: str, table: str, tmp_path: Path) -> None:
    path, warning = tmp_path / "a.csv", "a.csv: delimiter by 2 of its first 3 records"
    path.write_text("a;b\n1;x\n2\n")
    options = ["load", str(path), "--to", dsn, "--table", table, "--ragged", "fill"]
    assert f"pgfast: {warning}\n" in run(*options, "--create").stderr
    found = json.loads(succeeded(*options, "--json"))
    assert found["warnings"] == [warning]
    assert found["dialect"].startswith("delimiter ';'")


def test_load_sets_bad_rows_aside_and_says_why(dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path) -> None:
    conn.execute(f"create table {table} (id int8 primary key, price numeric(12,2), name text)")
    path, rejects = tmp_path / "a.csv", tmp_path / "rejects.jsonl"
    path.write_text("id,price,name\n1,1.5,a\nx,2,b\n1,3,c\n2,y,d\n3,4,e\n")
    options = ["load", str(path), "--to", dsn, "--table", table]
    done = run(*options, "--rejects", str(rejects))
    assert done.returncode == 4
    assert done.stdout.startswith(f"{path}: 2 rows into {table} (3 rejected; 5 read) in ")
    assert f"pgfast: 3 rows were rejected, all of them in {rejects}; the first of each kind:" in done.stderr
    assert f"{path}, line 3: 22P02:" in done.stderr
    assert f"{path}, line 4: 23505: duplicate key value" in done.stderr
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [3, 4, 5]
    assert [row[0] for row in stored(conn, table)] == [1, 3]
    assert "more than 2 rows were refused" in failed(*options, "--max-rejects", "2", "--mode", "truncate")
    found = json.loads(run(*options, "--max-rejects", "9", "--on-conflict", "update", "--json").stdout)
    assert (found["read"], found["rows"], found["updated"], found["rejected"]) == (5, 3, 3, 2)


def test_load_in_every_manner(dsn: str, conn: pgfast.Connection, table: str, csv_file: Path) -> None:
    options = ["load", str(csv_file), "--to", dsn, "--table", table]
    succeeded(*options, "--create", "--jobs", "2", "--memory", "8MB")
    conn.execute(f"create index on {table} (name)")
    assert "1,000 rows would go into" in succeeded(*options, "--dry-run")
    succeeded(*options, "--mode", "replace", "--defer-indexes")
    conn.execute(f"alter table {table} add primary key (id)")
    assert "(1,000 skipped; 1,000 read)" in succeeded(*options, "--on-conflict", "ignore")
    assert "1,000 of them updated" in succeeded(*options, "--on-conflict", "update", "--key", "id")
    succeeded(*options, "--mode", "truncate", "--resume", "manner")
    assert "0 rows into" in succeeded(*options, "--mode", "truncate", "--resume", "manner")
    assert "0 indexes and constraints" in succeeded("restore", table, "manner", "--to", dsn)
    assert stored(conn, table) == expected()


def test_load_takes_patterns_and_every_dialect(dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path) -> None:
    conn.execute(f"create table {table} (id int8, price numeric(12,2), name text)")
    for number in (1, 2):
        text = f"made by hand\nnumber;price;name\n{number};1,5;NA\n{number + 2};-;'it\\'s'\n{number + 4};2\n"
        (tmp_path / f"{number}.csv").write_text(text)
    dialect = [
        "--skip-lines",
        "1",
        "--delimiter",
        ";",
        "--decimal",
        ",",
        "--null",
        "NA",
        "--null",
        "-",
        "--quote",
        "'",
        "--escape",
        "\\",
    ]
    options = ["--columns", "number=id,price,name", "--ragged", "fill", *dialect]
    said = succeeded("load", str(tmp_path / "*.csv"), "--to", dsn, "--table", table, *options)
    assert said.count(": 3 rows into") == 2
    price = Decimal("1.50")
    assert stored(conn, table) == [
        *[(1, price, None), (2, price, None), (3, None, "it's"), (4, None, "it's")],
        *[(5, Decimal(2), None), (6, Decimal(2), None)],
    ]


def test_load_reads_standard_input(dsn: str, conn: pgfast.Connection, table: str, csv_file: Path) -> None:
    conn.execute(f"create table {table} (id int8, price numeric(12,2), name text)")
    done = run("load", "-", "--to", dsn, "--table", table, "--format", "csv", given=csv_file.read_text())
    assert done.returncode == 0, done.stderr
    assert stored(conn, table) == expected()


@without_a_session
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mode", "merge"], "mode must be one of"),
        (["--key", "id"], "without these it means nothing"),
        (["--memory", "some"], "memory must be a size"),
        (["--jobs", "0"], "--jobs"),
        (["--dry-run", "--resume", "x"], "a dry run loads nothing"),
    ],
)
def test_load_with_arguments_that_cannot_be(options: list[str], said: str, csv_file: Path) -> None:
    done = run("load", str(csv_file), "--table", "t", "--to", "host=nowhere.invalid", *options)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_load_of_a_missing_file_is_one_line(dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path) -> None:
    said = failed("load", str(tmp_path / "none.csv"), "--to", dsn, "--table", table, "--create")
    assert "none.csv" in said
    assert "No such file" in said
    assert not exists(conn, table)


def test_load_into_a_missing_table_is_one_line(dsn: str, parquet: Path) -> None:
    assert "no_such_table" in failed("load", str(parquet), "--to", dsn, "--table", "no_such_table")


def test_load_with_create_leaves_a_table_that_is_there_alone(
    dsn: str, conn: pgfast.Connection, table: str, parquet: Path
) -> None:
    conn.execute(f"create table {table} (other text)")
    assert "already exists" in failed("load", str(parquet), "--to", dsn, "--table", table, "--create")
    assert conn.execute(f"select * from {table}").fetchall() == []


def test_wrong_password_is_one_line_without_the_password(tls_server: TlsServer, parquet: Path) -> None:
    uri = f"postgresql://u_scram:guessed-wrong@localhost:{tls_server.server.port}/postgres"
    for arguments in (["load", str(parquet), "--to", uri, "--table", "t"], ["query", uri, "select 1"]):
        said = failed(*arguments)
        assert "password authentication failed" in said
        assert "guessed-wrong" not in said


@without_a_session
def test_broken_uri_is_one_line_without_the_password() -> None:
    said = failed("query", "postgresql://u:s3cr3t@h@localhost/db", "select 1")
    assert "%40" in said
    assert "s3cr3t" not in said


@without_a_session
def test_arguments_that_cannot_be_right_exit_with_2(dsn: str, tmp_path: Path) -> None:
    for arguments in (
        ["load", "--to", dsn, "--table", "t"],
        ["load", "file.csv", "--to", dsn],
        ["query", dsn, "select 1", "--output", str(tmp_path / "rows.xlsx")],
        ["query", dsn, "select 1", "--rows", "0"],
        ["no-such-command"],
    ):
        assert run(*arguments).returncode == 2, arguments
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_load_draws_progress_where_there_is_a_terminal(dsn: str, table: str, parquet: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    path = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-m", "pgfast.cli", "load", str(parquet), "--to", dsn, "--table", table, "--create"]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
    ) as process:
        os.close(follower)
        drawn = b""
        try:
            while block := os.read(leader, 65536):
                drawn += block
        except OSError:  # Linux's way of saying that the other end is closed
            assert drawn
        os.close(leader)
        assert process.wait(60) == 0, drawn
    assert b"rows.parquet" in drawn
    assert b"rows/s" in drawn


# ---------------------------------------------------------------- query


def test_query_shows_a_table(dsn: str) -> None:
    said = succeeded("query", dsn, "select 1 as one, null::text as nothing, '[red]x[/red]' as markup, true as yes")
    assert "| one | nothing | markup       | yes  |" in said
    assert "|   1 | NULL    | [red]x[/red] | true |" in said
    assert said.endswith("1 row\n")


def test_query_shows_values_as_the_server_writes_them(dsn: str) -> None:
    shown = succeeded(
        "query",
        dsn,
        "SELECT 'infinity'::date AS d, '24:00'::time AS t, '1 mon 25:00'::interval AS i, '[1,3)'::int4range AS r,"
        " ARRAY[NULL, '::1'::inet] AS a, ROW(1, 'x y') AS w, '{\"a\": [1.50]}'::jsonb AS j, 1.50 AS n",
    )
    cells = ("infinity", "24:00:00", "1 mon 25:00:00", "[1,3)", "{NULL,::1}", '(1,"x y")', '{"a": [1.50]}', "1.50")
    assert [cell.strip() for cell in shown.splitlines()[3].strip("|").split("|")] == list(cells)
    shown = succeeded(
        "query",
        dsn,
        "SELECT 3.14::float4 AS f, 'NaN'::float8 AS x, 1234::money AS m, ARRAY[ROW(1, NULL)] AS w,"
        " ARRAY['[1.0]'::jsonb, NULL] AS j, ARRAY['1 mon'::interval] AS i, ROW(1.5::float8, '1 day'::interval) AS b,"
        " ARRAY[0.1::float4, '-Infinity'] AS fs, true AS t",
    )
    cells = ("3.14", "NaN", "$1,234.00", '{"(1,)"}', "{[1.0],NULL}", '{"1 mon"}', '(1.5,"1 day")', "{0.1,-Infinity}")
    assert [cell.strip() for cell in shown.splitlines()[3].strip("|").split("|")] == [*cells, "true"]


def test_query_shows_as_many_rows_as_wanted(dsn: str) -> None:
    said = succeeded("query", dsn, "select generate_series(1, 500) as n", "--rows", "3")
    assert "3 of 500 rows" in said
    assert "|   3 |" in said.replace("| 3 |", "|   3 |")
    assert "| 4 |" not in said


def test_query_without_rows_shows_the_command_tag(dsn: str, conn: pgfast.Connection, table: str) -> None:
    assert succeeded("query", dsn, f"create table {table} (a int)") == "CREATE TABLE\n"
    assert succeeded("query", dsn, f"insert into {table} values (1), (2)") == "INSERT 0 2\n"
    assert conn.execute(f"select count(*) from {table}").fetchone() == (2,)


def test_query_that_fails_is_one_line_with_the_servers_hint(dsn: str) -> None:
    said = failed("query", dsn, "select relnam from pg_class")
    assert 'column "relnam" does not exist' in said
    assert "HINT" in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_interrupted_query_exits_with_130_and_is_cancelled_on_the_server(dsn: str, conn: pgfast.Connection) -> None:
    mark = uuid.uuid4().hex
    path = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-m", "pgfast.cli", "query", dsn, f"select pg_sleep(600), '{mark}'"],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a shell the signal is ignored, and the child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no other thread runs here)
    ) as process:
        running = (
            "select count(*) from pg_stat_activity where state = 'active' and wait_event = 'PgSleep' and query like $1"
        )
        deadline = time.monotonic() + 60
        while conn.execute(running, [f"%{mark}%"]).fetchone() != (1,):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "pgfast: interrupted\n")
    while conn.execute(running, [f"%{mark}%"]).fetchone() != (0,):
        assert time.monotonic() < deadline


SQL: Final = (
    "select n::int8 as id, (n / 100.0)::numeric(12,2) as price, "
    "case when n % 10 = 0 then null else 'näme, ' || n end as name from generate_series(0, 999) n;"
)


def test_query_writes_csv(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert succeeded("query", dsn, SQL, "--output", str(path)).startswith(f"{path}: 1,000 rows, ")
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == ["id", "price", "name"]
    assert [(int(i), Decimal(p), n or None) for i, p, n in read[1:]] == expected()


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("select 1 a -- one", "a\n1\n"),
        ("select 1 a; -- one", "a\n1\n"),
        ("values (null, '', 'x,\"y')", 'column1,column2,column3\n,"","x,""y"\n'),
        ("select null a, '' b, 'x,\"y' c; /* the same by rows */", 'a,b,c\n,"","x,""y"\n'),
        ("show default_transaction_isolation", "default_transaction_isolation\nread committed\n"),
        ("explain (costs off) select 1", "QUERY PLAN\nResult\n"),
    ],
)
def test_query_writes_whatever_gives_rows_as_csv(dsn: str, tmp_path: Path, sql: str, text: str) -> None:
    path = tmp_path / "out.csv"
    succeeded("query", dsn, sql, "--output", str(path))
    assert path.read_text() == text


def test_query_without_rows_writes_no_file(dsn: str, tmp_path: Path) -> None:
    said = failed("query", dsn, "set statement_timeout = 0", "--output", str(tmp_path / "out.csv"))
    assert "there are no rows to write: the server answered SET" in said
    assert not list(tmp_path.iterdir())


def test_query_of_several_statements_runs_none(dsn: str, conn: pgfast.Connection, table: str, tmp_path: Path) -> None:
    for output in ([], ["--output", str(tmp_path / "out.csv")]):
        said = failed("query", dsn, f"create table {table} (a int); select 1", *output)
        assert said == "pgfast: more than one statement; run them one by one\n"
    assert conn.execute("select to_regclass(%s)", (table,)).fetchone() == (None,)


def test_load_that_cannot_create_the_table_names_the_file(dsn: str, table: str, tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"s": pyarrow.array([[("x", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int8()))}), path
    )
    said = failed("load", str(path), "--to", dsn, "--table", table, "--create")
    assert said.startswith(f"pgfast: {path}: column s: the Arrow type map")


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_query_writes_arrow_with_exact_types(dsn: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    succeeded("query", dsn, SQL, "--output", str(path))
    if suffix == "parquet":
        found = pyarrow.parquet.read_table(path)
    else:
        with pyarrow.memory_map(str(path)) as source:
            found = pyarrow.ipc.open_file(source).read_all()
    assert found.schema.field("price").type == pyarrow.decimal128(12, 2)
    assert found.schema.field("id").type == pyarrow.int64()
    assert [tuple(row.values()) for row in found.to_pylist()] == expected()


def test_query_names_what_a_parquet_file_cannot_hold(dsn: str, tmp_path: Path) -> None:
    said = failed("query", dsn, "select '1 mon'::interval as i", "--output", str(tmp_path / "out.parquet"))
    assert "a Parquet file cannot hold this" in said and "interval" in said and "cast it to text" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_query_that_fails_leaves_the_file_as_it_was(dsn: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_text("before")
    failed("query", dsn, "select 1 / (500 - n) from generate_series(1, 1000) n", "--output", str(path))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_query_into_a_missing_directory_is_one_line(dsn: str, tmp_path: Path) -> None:
    assert "No such file" in failed("query", dsn, "select 1", "--output", str(tmp_path / "none" / "out.csv"))


# ---------------------------------------------------------------- the rest


def test_version_tells_the_implementation() -> None:
    word = {"c": "compiled", "python": "pure Python"}[pgfast.IMPLEMENTATION]
    assert succeeded("--version") == f"pgfast {pgfast.__version__} ({word})\n"


@without_a_session
def test_help_tells_the_exit_codes() -> None:
    for command in ([], ["load"], ["query"], ["demo"]):
        assert "Exit codes" in succeeded(*command, "--help")


@without_a_session
@pytest.mark.parametrize("library", ["typer", "rich"])
def test_missing_library_is_one_line_that_names_the_extra(library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; from pgfast.cli import main; main()"
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == f"pgfast: the command line needs {library}: pip install 'pgfast[cli]'\n"


def test_missing_pyarrow_is_one_line_that_names_the_extra(dsn: str, tmp_path: Path) -> None:
    code = "import sys; sys.modules['pyarrow'] = None; from pgfast.cli import main; main()"
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code, "query", dsn, "select 1", "--output", str(tmp_path / "out.parquet")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == "pgfast: writing .parquet needs pyarrow: pip install 'pgfast[arrow]'\n"
    assert list(tmp_path.iterdir()) == []


def test_rates_are_readable() -> None:
    assert show.rate(1_000_000, 2) == "500,000"
    assert show.rate(5, 0) == "-"


# ---------------------------------------------------------------- demo


@pytest.mark.same_for_both("it runs both by itself")
def test_demo_loads_reads_and_checks() -> None:
    implementation = [] if os.environ.get("PGFAST_BUILD") != "skip" else ["--no-pure"]
    said = succeeded("demo", "--scale", "0.001", *implementation)
    assert "agree with the source file in rows and sums" in said
    for step in ("Parquet -> table", "CSV -> table", "table -> rows", "table -> columns"):
        assert step in said
    assert "times as fast" in said


def test_demo_fails_when_a_sum_is_off_by_a_hundredth() -> None:
    right = demo.Totals(2, (Decimal("1.00"),), 5)
    demo.check("a step", right, demo.Totals(2, (Decimal("1.0"),), 5))
    for wrong in (
        demo.Totals(2, (Decimal("1.01"),), 5),
        demo.Totals(3, (Decimal("1.00"),), 5),
        demo.Totals(2, (Decimal("1.00"),), 6),
    ):
        with pytest.raises(demo.DemonstrationFailed, match="a step"):
            demo.check("a step", wrong, right)


def test_demo_adds_up_its_sources_exactly(tmp_path: Path) -> None:
    names = [*demo.SUMMED, demo.TEXT]
    path = tmp_path / "lineitem.csv"
    path.write_text(",".join(names) + '\n1,1.10,2.20,3.30,4.40,"a, b"\n2,0.01,0.02,0.03,0.04,ä\n')
    totals = demo.totals_of_csv(path)
    assert totals == demo.Totals(2, tuple(map(Decimal, ("3", "1.11", "2.22", "3.33", "4.44"))), 5)
    assert demo.totals_of_table(pyarrow.csv.read_csv(path)).rows == 2
    assert demo.Totals.from_json(json.loads(json.dumps(totals.as_json()))) == totals


# ---------------------------------------------------------------- export and copy


@pytest.fixture
def filled(conn: pgfast.Connection, table: str) -> str:
    """A table with rows in it, of several pieces."""
    conn.execute(f"create table {table} as select i as id, repeat('x', 200) as filler from generate_series(1, 20000) i")
    return table


def test_export_writes_files_of_every_format(dsn: str, conn: pgfast.Connection, filled: str, tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.jsonl", "a.parquet", "a.arrow"):
        said = succeeded("export", filled, "--from", dsn, "-o", str(tmp_path / name))
        assert said.startswith(f"{tmp_path / name}: 20,000 rows, {(tmp_path / name).stat().st_size:,} bytes in ")
    with (tmp_path / "a.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["id", *map(str, range(1, 20001))]
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet")["id"].to_pylist() == list(range(1, 20001))


def test_export_takes_queries_parameters_and_the_options_of_csv(dsn: str, tmp_path: Path) -> None:
    query = "select $1::int as a, $2 as b, null as c"
    options = ["--param", "7", "--param", "x;y", "--delimiter", ";", "--null", "-", "--no-header", "--force-quote"]
    succeeded("export", query, "--from", dsn, "-o", str(tmp_path / "a.csv"), *options)
    assert (tmp_path / "a.csv").read_text() == '"7";"x;y";-\n'
    succeeded("export", query, "--from", dsn, "-o", str(tmp_path / "b.csv"), *options[:4], "--columns", "b, a")
    assert (tmp_path / "b.csv").read_text() == "b,a\nx;y,7\n"


def test_export_to_standard_output_says_nothing_else_there(dsn: str) -> None:
    done = run("export", "select 1 as a", "--from", dsn, "--output", "-")
    assert (done.returncode, done.stdout) == (0, "a\n1\n")
    assert done.stderr.startswith("-: 1 rows, 4 bytes in ")


def test_export_by_several_connections_tells_of_it_in_json(dsn: str, filled: str, tmp_path: Path) -> None:
    where = f"{tmp_path / 'parts'}/"
    said = succeeded("export", filled, "--from", dsn, "-o", where, "--format", "csv", "-j", "2", "--json")
    report = json.loads(said)
    assert (report["rows"], report["jobs"], report["path"], report["notes"]) == (20_000, 2, "server csv", [])
    assert report["files"] == sorted(str(path) for path in (tmp_path / "parts").iterdir())
    assert len(report["files"]) == report["pieces"] > 1
    done = run("export", "select 1 as a", "--from", dsn, "-o", str(tmp_path / "a.csv"), "-j", "2")
    assert done.stderr == "pgfast: one connection: a query is one statement\n"


def test_export_and_copy_tell_how_far_they_are_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 0.5, 1.5, 1.6, 3.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", lambda: next(now))
        with progress.telling("t", 100, as_json=True) as tell:
            assert tell is not None
            for rows in (10, 20, 30, 40):
                tell(rows, rows * 8)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["rows"], line["size_bytes"], line["seconds"]) for line in lines] == [(20, 160, 1.5), (40, 320, 3.0)]
    assert {line["total_rows"] for line in lines} == {100}


def test_export_that_cannot_be_right_exits_with_2_or_3(dsn: str, tmp_path: Path) -> None:
    for options, said in ((["-o", "a.xls"], "tells no format"), (["-o", "a.jsonl", "--delimiter", ";"], "are for CSV")):
        done = run("export", "t", "--from", "host=nowhere", *options)
        assert done.returncode == 2
        assert said in done.stderr
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), *(path for path in sys.path if path)])
    done = run("export", "t", "--from", dsn, "-o", "a.parquet", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (3, "pgfast: writing parquet needs pyarrow: pip install 'pgfast[arrow]'\n")


def test_export_that_fails_is_one_line_and_leaves_nothing(dsn: str, tmp_path: Path) -> None:
    assert "division by zero" in failed("export", "select 1/0", "--from", dsn, "-o", str(tmp_path / "a.csv"))
    assert "no such table" in failed("export", "nowhere.t", "--from", dsn, "-o", str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def slow(conn: pgfast.Connection, filled: str) -> Iterator[str]:
    """The name of a role to which each row of the table takes ten minutes."""
    role = f"slow_{filled}"
    conn.execute(f"create role {role} login")
    conn.execute(f"grant select on {filled} to {role}")
    conn.execute(f"alter table {filled} enable row level security")
    conn.execute(f"create policy slow on {filled} using (pg_sleep(600) is not null)")
    yield role
    conn.execute(f"drop owned by {role}")
    conn.execute(f"drop role {role}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("command", "jobs"), [("export", 1), ("export", 2), ("copy", 1), ("copy", 2)])
def test_interrupted_export_and_copy_exit_with_130_and_leave_nothing(
    dsn: str, conn: pgfast.Connection, filled: str, slow: str, tmp_path: Path, command: str, jobs: int, number: int
) -> None:
    theirs = dsn.replace("postgres@", f"{slow}@")
    assert theirs != dsn
    conn.execute("create schema if not exists cli_target")
    conn.execute(f"create table cli_target.{filled} (id int, filler text)")
    target = f"{dsn}?options=-csearch_path%3Dcli_target"
    arguments = {"export": [filled, "--from", theirs, "-o", str(tmp_path / "a.csv")], "copy": [theirs, target, filled]}
    path = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, "-m", "pgfast.cli", command, *arguments[command], "--jobs", str(jobs)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (as above)
    ) as process:
        sleeping = "select count(*) from pg_stat_activity where usename = $1 and wait_event = 'PgSleep'"
        deadline = time.monotonic() + 60
        while conn.execute(sleeping, [slow]).fetchone() != (jobs,):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "pgfast: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert conn.execute(f"select count(*) from cli_target.{filled}").fetchone() == (0,)
    conn.execute(f"drop table cli_target.{filled}")
    while conn.execute("select count(*) from pg_stat_activity where usename = $1", [slow]).fetchone() != (0,):
        assert time.monotonic() < deadline


def test_copy_takes_tables_from_server_to_server(dsn: str, conn: pgfast.Connection, filled: str) -> None:
    conn.execute("create schema if not exists cli_target")
    target = f"{dsn}?options=-csearch_path%3Dcli_target"
    said = succeeded("copy", dsn, target, filled, "--create").splitlines()
    assert said[0].startswith(f"{filled}: 20,000 rows, ")
    assert said[0].endswith(" bytes, binary")
    assert said[1].startswith("20,000 rows in ")
    assert "relation" in failed("copy", dsn, target, filled, "--create")
    report = json.loads(succeeded("copy", dsn, target, filled, "--truncate", "--sequences", "--json"))
    assert (report["rows"], report["tables"][0]["frozen"], report["sequences"]) == (20_000, True, [])
    done = run("copy", dsn, target, filled, "--truncate", "--jobs", "2", "--commit-each")
    assert done.stderr == f"pgfast: {filled}: by one connection, because it is committed alone\n"
    found = conn.execute(f"select count(*), sum(id) from cli_target.{filled}").fetchone()
    assert found == conn.execute(f"select count(*), sum(id) from {filled}").fetchone()
    assert run("copy", dsn, target, filled, "--truncate", "--create").returncode == 2
    assert "the source, nowhere" in failed("copy", dsn, target, "nowhere")
    conn.execute(f"drop table cli_target.{filled}")
