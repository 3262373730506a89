"""JSON lines: every value is what stands in the line, and a line that is no object is a bad row."""

from __future__ import annotations

import gzip
import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import pgfast
from pgfast import DataError, InterfaceError
from pgfast.bulk.sources import FileOptions

ways = pytest.mark.parametrize("way", [{}, {"on_error": "reject", "chunk_bytes": 1024}], ids=["whole", "in chunks"])


def written(tmp_path: Path, *lines: str | bytes, name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(b"\n".join([line if isinstance(line, bytes) else line.encode() for line in lines]) + b"\n")
    return path


EXACT = [
    ("int8", "9223372036854775807", "9223372036854775807"),
    ("numeric", "123456789012345678901234567890.123456789012345678901234567890", None),
    ("numeric", "1E+5", "100000"),
    ("numeric", '"NaN"', "NaN"),
    ("float8", "0.1", "0.1"),
    ("float8", "1e-400", ""),
    ("text", '"a\\u00e9\\n\\"b\\"\\\\"', 'aé\n"b"\\'),
    ("text", "1.50", "1.50"),
    ("text", "true", "true"),
    ("text", '{"a":  [1, 2.50]}', '{"a":  [1, 2.50]}'),
    ("text", '""', ""),
    ("text", '"\\\\."', "\\."),
    ("bool", "true", "true"),
    ("bool", '"off"', "false"),
    ("date", '"2020-02-29"', "2020-02-29"),
    ("date", '"infinity"', "infinity"),
    ("timestamptz", '"2020-01-01T10:00:00Z"', "2020-01-01 10:00:00+00"),
    ("uuid", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", '{"b" : 1.50, "a":[1e2],"b":null}', '{"b" : 1.50, "a":[1e2],"b":null}'),
    ("json", '"text"', '"text"'),
    ("json", "[ ]", "[ ]"),
    ("jsonb", "12345678901234567890.10", "12345678901234567890.10"),
    ("jsonb", '"12"', '"12"'),
    ("jsonb", "true", "true"),
    ("int[]", "[1, null, 3]", "{1,NULL,3}"),
    ("int[]", "[[1, 2], [3, 4]]", "{{1,2},{3,4}}"),
    ("int[]", "[]", "{}"),
    ("int[]", '"{1,2}"', "{1,2}"),
    ("text[]", '["a", "NULL", "", "x,\\"y\\\\", " z "]', '{a,"NULL","","x,\\"y\\\\"," z "}'),
    ("bool[]", "[true, false]", "{t,f}"),
    ("numeric[]", "[1.50, 1e1]", "{1.50,10}"),
    ("jsonb[]", '[{"a": 1.50}, "x", [1], null, 2]', '{"{\\"a\\": 1.50}","\\"x\\"",[1],NULL,2}'),
    ("box[]", '["(1,2),(0,0)", "(3,4),(0,0)"]', "{(1,2),(0,0);(3,4),(0,0)}"),
    ("inet", '"10.0.0.1"', "10.0.0.1/32"),
    ("interval", '"1 day"', "1 day"),
    ("bytea", '"\\\\x00ff"', "\\x00ff"),
    ("int", "null", None),
    ("jsonb", "null", None),
]


@ways
@pytest.mark.parametrize(("kind", "text", "wanted"), EXACT)
def test_a_value_is_what_stands_in_the_line(
    dsn: str, tmp_path: Path, kind: str, text: str, wanted: str | None, way: dict[str, Any]
) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("SET timezone TO UTC; SET intervalstyle TO postgres")
        conn.execute(f"CREATE TEMP TABLE t (v {kind}, n int)")
        path = written(tmp_path, '{"n": 1}', f'{{ "v" : {text} ,"n":2}}')
        if wanted == "":
            wanted = {"float8": None}.get(kind, "")
        if kind == "float8" and text == "1e-400":
            with pytest.raises(DataError, match="out of range"):
                conn.load("t", path)
            return
        report = conn.load("t", path, **way)
        assert (report.rows, report.read, report.source) == (2, 2, "jsonl")
        if kind == "numeric" and wanted is None:
            wanted = text
        assert conn.execute("SELECT v::text FROM t ORDER BY n").fetchall() == [(None,), (wanted,)]


BAD = [
    ('{"a": 1', "no JSON: "),
    ("1", "no object of JSON"),
    ("[]", "no object of JSON"),
    ('{"a": 1} {"a": 2}', "no JSON: something stands behind the value"),
    ('{"a": NaN}', "no JSON: NaN is no JSON"),
    ('{"a": -Infinity}', "no JSON: -Infinity is no JSON"),
    ('{"a": 01}', "no JSON: "),
    ('{"a": 1, "a": 1}', "key 'a' stands there twice"),
    ('{"a": 1, "x": 1}', "key 'x' is no column that is filled"),
    (b'{"a": 1, "b": "\xff"}', r"b'\\xff' is not valid UTF-8"),
    ('{"a": "x"}', 'column a .*"x"'),
    ('{"a": 1.5}', "column a .*1.5"),
    ('{"a": "1\\u0000"}', "column a "),
    ('{"b": "\\u0000"}', "column b .*NUL"),
    ('{"b": "\\ud800"}', "column b .*not valid UTF-8"),
    ('{"c": [{"a": 1}]}', "column c .*an object in an array goes into arrays of JSON only"),
    ('{"c": ["x"]}', "column c .*"),
    ('{"d": [}', "no JSON: "),
    ('{"d": ' + "[" * 100_000 + "]" * 100_000 + "}", "no JSON: it is nested too deeply"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=range(len(BAD)))
def test_a_bad_line_is_told_or_set_aside(auto: Any, tmp_path: Path, line: str | bytes, said: str) -> None:
    auto.execute("CREATE TEMP TABLE t (a int, b text, c int[], d jsonb)")
    path = written(tmp_path, '{"a": 1, "b": "", "c": [], "d": {}}', "", '{"b": "two"}\r', line, '{"a": 5}')
    with pytest.raises(DataError, match=f"(?s)COPY t, row 3(, |: ).*{said}"):
        auto.load("t", path)
    assert auto.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    report = auto.load("t", path, on_error="reject")
    assert (report.read, report.rows, report.rejected) == (4, 3, 1)
    reject = report.rejects[0]
    assert (reject.row, reject.line) == (3, 4)
    assert reject.record == (line if isinstance(line, bytes) else line.encode())
    assert auto.execute("SELECT a, b FROM t ORDER BY a").fetchall() == [(1, ""), (5, None), (None, "two")]


def test_columns_are_those_of_the_first_lines_or_those_that_are_named(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE t (id int GENERATED ALWAYS AS IDENTITY, a int, b text DEFAULT 'd', c text)")
    path = written(tmp_path, '{"a": 1}', '{"c": "x"}', *['{"a": 2}'] * 200_000, '{"b": "late", "a": 3}')
    with pytest.raises(DataError, match="key 'b' is no column that is filled"):
        auto.load("t", path)
    report = auto.load("t", path, columns=["a", "b"])
    assert (report.rows, report.columns) == (200_003, ("a", "b"))
    assert auto.execute("SELECT a, b, c FROM t WHERE b IS NOT NULL").fetchall() == [(3, "late", None)]
    auto.execute("TRUNCATE t")
    assert auto.load("t", written(tmp_path, '{"a": 1}', '{"c": "x"}')).columns == ("a", "c")
    assert auto.execute("SELECT a, b, c FROM t").fetchall() == [(1, "d", None), (None, "d", "x")]
    with pytest.raises(pgfast.errors.UndefinedColumn, match="the table has no column 'zz'"):
        auto.load("t", written(tmp_path, '{"zz": 1}'))
    with pytest.raises(InterfaceError, match="none of the first lines is an object of JSON that has keys"):
        auto.load("t", written(tmp_path, "a,b", "1,2"))


def test_many_lines_of_all_sorts_are_what_json_says(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE t (i int, n numeric, s text, j jsonb, a text[], f float8)")
    chance = random.Random(7)
    words = ["", "a", 'q"q', "back\\slash", "li\nne", "tab\t", "é∀", "NULL", "{}", ",", "\\N", "\\."]
    rows = []
    for number in range(3000):
        row: dict[str, Any] = {"i": number}
        more = {
            "n": chance.choice([1.5, 7, -3, 12345678901234567890]),
            "s": chance.choice(words),
            "j": {chance.choice(words): [chance.choice(words), 1, None]},
            "a": [chance.choice([*words, None]) for _ in range(chance.randrange(4))],
            "f": chance.random(),
        }
        row |= {key: value for key, value in more.items() if chance.random() < 0.8}
        keys = list(row)
        chance.shuffle(keys)
        rows.append({key: row[key] for key in keys})
    path = written(tmp_path, *[json.dumps(row, ensure_ascii=chance.random() < 0.5) for row in rows])
    for way in ({}, {"on_error": "reject", "chunk_bytes": 20_000}):
        report = auto.load("t", path, **way)
        assert (report.rows, report.read) == (3000, 3000)
        found = auto.execute("SELECT * FROM t ORDER BY i").fetchall()
        for row, values in zip(rows, found, strict=True):
            wanted = [row.get(key) for key in "insjaf"]
            wanted[1] = None if wanted[1] is None else Decimal(str(wanted[1]))
            assert list(values) == wanted
        auto.execute("TRUNCATE t")


def test_compressed_and_streamed_lines_load(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE t (a int)")
    data = "".join([f'{{"a": {number}}}\n' for number in range(10_000)]).encode()
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(data))
    assert auto.load("t", path).rows == 10_000
    assert auto.load("t", io.BytesIO(data), format="jsonl").rows == 10_000
    assert auto.load("t", io.StringIO(data.decode()), format="jsonl").rows == 10_000
    marked = tmp_path / "b.jsonl"
    marked.write_bytes(data.decode().encode("utf-16"))
    assert auto.load("t", marked).rows == 10_000
    marked.write_bytes("\ufeff".encode() + data)
    assert auto.load("t", marked).rows == 10_000
    assert auto.load("t", written(tmp_path, "", name="c.jsonl"), ["a"]).rows == 0
    assert auto.execute("SELECT count(*), sum(a) FROM t").fetchall() == [(50_000, 5 * 49_995_000)]


def test_a_load_goes_on_where_it_ended(dsn: str, tmp_path: Path) -> None:
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA IF NOT EXISTS jsonl; DROP TABLE IF EXISTS jsonl.t; CREATE TABLE jsonl.t (a int)")
        lines = [f'{{"a": {number}}}' for number in range(2000)]
        path = written(tmp_path, *lines[:1500], '{"a": "x"}', *lines[1500:])
        with pytest.raises(DataError, match=r"row 1501, column a .*line 1501 of a\.jsonl"):
            conn.load("jsonl.t", path, resume="once", chunk_bytes=2048)
        ((there,),) = conn.execute("SELECT count(*) FROM jsonl.t").fetchall()
        assert 0 < there < 1500
        with pytest.raises(DataError, match=r"row 1501, column a .*line 1501 of a\.jsonl"):
            conn.load("jsonl.t", path, resume="once", chunk_bytes=2048)
        report = conn.load("jsonl.t", path, resume="once", chunk_bytes=2048, on_error="reject")
        assert (report.rejected, report.rejects[0].line) == (1, 1501)
        assert conn.execute("SELECT count(*), count(DISTINCT a) FROM jsonl.t").fetchall() == [(2000, 2000)]
        conn.execute("DROP SCHEMA jsonl CASCADE")


def test_what_is_exported_is_loaded_back(auto: Any, tmp_path: Path) -> None:
    auto.execute("CREATE TEMP TABLE t (a int, n numeric, s text, j jsonb, x int[], z timestamptz)")
    auto.execute(
        "INSERT INTO t SELECT i, i / 7.0, repeat('é\"', i % 5), jsonb_build_object('a', i), ARRAY[i, NULL], "
        "'2020-01-01 UTC'::timestamptz + i * interval '1 hour' FROM generate_series(1, 500) i"
    )
    wanted = auto.execute("SELECT t::text FROM t").fetchall()
    auto.export("SELECT * FROM t", tmp_path / "t.jsonl")
    auto.execute("TRUNCATE t")
    assert auto.load("t", tmp_path / "t.jsonl").rows == 500
    assert auto.execute("SELECT t::text FROM t").fetchall() == wanted


def test_the_format_is_said_or_told_by_the_name(tmp_path: Path) -> None:
    from pgfast.bulk.files import File
    from pgfast.bulk.sources import file_format

    path = written(tmp_path, "{}", name="a.what")
    with pytest.raises(InterfaceError, match="pass format='csv' or another of 'csv', 'jsonl', 'parquet', 'arrow'"):
        file_format(File(path), FileOptions().format)
    with pytest.raises(InterfaceError, match="format 'xml' is not known"):
        file_format(File(path), "xml")
    assert file_format(File(path), "jsonl") == "jsonl"


def test_the_line_of_what_the_server_refuses_is_told(dsn: str, tmp_path: Path) -> None:
    path = written(tmp_path, '{"v": "(1,2)"}', "", " \r", '{"v": "x"}', '{"v": null}')
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE t (v point)")
        with pytest.raises(DataError, match=r'row 2, column v \(point\): .*"x" \(line 4 of a\.jsonl\)'):
            conn.load("t", path)
