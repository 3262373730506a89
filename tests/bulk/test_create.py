"""CREATE TABLE for a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pgfast
from pgfast.bulk import create_table_sql
from pgfast.errors import DataError, InterfaceError, NotSupportedError, ProgrammingError


def columns(source: Any, **options: Any) -> dict[str, str]:
    """The columns and types of the statement."""
    lines = create_table_sql("t", source, **options).splitlines()
    assert (lines[0], lines[-1]) == ('CREATE TABLE "t" (', ")")
    pairs = [line.strip().rstrip(",").split('" ', 1) for line in lines[1:-1]]
    return {name.lstrip('"'): kind for name, kind in pairs}


def test_arrow_types_have_columns_that_hold_them() -> None:
    kinds = {
        "smallint": pa.uint8(),
        "integer": pa.uint16(),
        "bigint": pa.uint32(),
        "numeric(20)": pa.uint64(),
        "real": pa.float16(),
        "double precision": pa.float64(),
        "numeric(15,2)": pa.decimal128(15, 2),
        "numeric(7,0)": pa.decimal128(5, -2),
        "numeric(60,3)": pa.decimal256(60, 3),
        "text": pa.dictionary(pa.int8(), pa.string_view()),
        "bytea": pa.binary(3),
        "date": pa.date64(),
        "time": pa.time32("ms"),
        "timestamp": pa.timestamp("ns"),
        "timestamptz": pa.timestamp("s", "UTC"),
        "interval": pa.duration("us"),
        "uuid": pa.uuid(),
        "jsonb": pa.json_(),
        "boolean[]": pa.list_(pa.list_(pa.bool_())),
    }
    assert columns(pa.schema(list(kinds.items()))) == {name: name for name in kinds}


def test_fields_that_are_never_null_say_so() -> None:
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field('odd "name"', pa.string())])
    assert create_table_sql("My.Items", schema) == (
        'CREATE TABLE "my"."items" (\n    "a" bigint NOT NULL,\n    "odd ""name""" text\n)'
    )


def test_tables_frames_and_parquet_files_tell_their_columns(tmp_path: Path) -> None:
    table = pa.table({"a": [1], "b": ["x"]})
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (table, table.to_batches()[0], pl.from_arrow(table), tmp_path / "t.parquet"):
        assert columns(source) == {"a": "bigint", "b": "text"}


def test_a_reader_that_can_be_read_once_is_not_used_up() -> None:
    reader = pa.table({"a": [1]}).to_reader()
    assert columns(reader.schema) == {"a": "bigint"}
    assert reader.read_all().num_rows == 1


CSV = {
    "bigint": ["1", "-5", "0"],
    "numeric": ["1", "2.50", ".5"],
    "double precision": ["1", "1e5", "NaN"],
    "boolean": ["t", "false", "TRUE"],
    "date": ["2024-01-01", "", "2024-01-02"],
    "timestamp": ["2024-01-01", "2024-01-01 10:00", ""],
    "timestamptz": ["2024-01-01 10:00+00", "2024-01-01 10:00Z", ""],
    "time": ["10:00", "", "23:59:59.5"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "", ""],
    "text": ["1", "x", "2024-01-01"],
}


def test_csv_columns_get_the_narrowest_type_that_holds_the_records(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join([",".join(CSV), *[",".join(row) for row in zip(*CSV.values(), strict=True)]]))
    assert columns(path) == {name: name for name in CSV}


@pytest.mark.parametrize("values", [["007", "1"], ["00", "1"], ["", ""], ["1", "t"], ["+1", "x"], ["1,5", "2"]])
def test_csv_columns_that_would_lose_something_are_text(tmp_path: Path, values: list[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["a;b", *[f"{value};1" for value in values]]))
    assert columns(path, options=pgfast.bulk.FileOptions(delimiter=";"))["a"] == "text"


def test_an_integer_beyond_bigint_is_numeric(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n9223372036854775808\n")
    assert columns(path) == {"a": "numeric"}


def written(tmp_path: Path, text: str, name: str = "x.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_whole_of_a_file_is_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,c\n" + "1,2020-01-01,\n" * 300_000 + "x,2020-01-01 10:00,007\n")
    assert columns(path) == {"a": "text", "b": "timestamp", "c": "text"}


def test_a_table_made_for_several_files_holds_them_all(tmp_path: Path) -> None:
    written(tmp_path, "a,b\n1,2020-01-01\n", "1.csv")
    written(tmp_path, "b;c;a\n2020-01-01 10:00;t;2.5\n", "2.csv")
    for source in (tmp_path, str(tmp_path / "*.csv"), [tmp_path / "1.csv", tmp_path / "2.csv"]):
        assert columns(source) == {"a": "numeric", "b": "timestamp", "c": "boolean"}


def test_the_dialect_counts_for_types_too(tmp_path: Path) -> None:
    options = pgfast.bulk.FileOptions(
        delimiter=";", decimal=",", dates="dmy", null=["NA"], skip_lines=1, ragged="fill", escape="\\"
    )
    path = written(tmp_path, '#\nn;d;s;e\n1,5;31.12.1999;"\\"";2020\nNA;1.2.2003 10:00;x\n')
    assert columns(path, options=options) == {"n": "numeric", "d": "timestamp", "s": "text", "e": "bigint"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "1e5", "12345678901234567"], "numeric"),
        (["1e5", "1234567890.123456789"], "numeric"),
        (["1e300"], "text"),
        (["2020-01-01", "2020-01-01T10:00Z"], "text"),
        (["10:00", "2020-01-01"], "text"),
        (["-", "1"], "text"),
        (['""', "1"], "text"),
    ],
)
def test_a_type_loses_nothing_of_a_value(tmp_path: Path, values: list[str], kind: str) -> None:
    assert columns(written(tmp_path, "a\n" + "\n".join(values) + "\n"))["a"] == kind


def test_records_that_are_none_are_told_with_their_row(tmp_path: Path) -> None:
    assert columns(written(tmp_path, "a,b\n1,2\nx\n")) == {"a": "bigint", "b": "bigint"}  # which the load refuses
    with pytest.raises(DataError, match=r"x\.csv, row 2: "):
        columns(written(tmp_path, 'a,b\n1,2\n3,"4\n'))


def test_keys_of_json_lines_get_types_that_hold_all_values(tmp_path: Path) -> None:
    lines = [
        '{"i": 1, "n": 1, "f": 1, "b": true, "d": "2020-01-01", "z": "2020-01-01T10:00Z", "s": "1", "j": {}, "m": 1}',
        '{"i": -9223372036854775808, "n": 1.50, "f": 1e5, "b": false, "d": null, "s": "true", "j": [1], "m": "x"}',
        '{"u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "e": null, "h": 1e999, "l": [], "k": 1, "q": "\\ud800"}',
        '{"k": {"a": 1}, "w": "10:00", "n": 12345678901234567890}',
    ]
    assert columns(written(tmp_path, "\n".join(lines), "x.jsonl")) == {
        "i": "bigint",
        "n": "numeric",
        "f": "double precision",
        "b": "boolean",
        "d": "date",
        "z": "timestamptz",
        "s": "text",
        "j": "jsonb",
        "m": "text",
        "u": "uuid",
        "e": "text",
        "h": "numeric",
        "l": "jsonb",
        "k": "jsonb",
        "q": "text",
        "w": "time",
    }
    with pytest.raises(DataError, match=r"x\.jsonl, line 3: no object of JSON"):
        columns(written(tmp_path, '{"a": 1}\n\n2\n', "x.jsonl"))


def test_arrow_files_tell_their_columns(tmp_path: Path) -> None:
    with pa.ipc.new_file(str(tmp_path / "x.arrow"), pa.schema([("a", pa.int16()), ("d", pa.date32())])):
        pass
    assert columns(tmp_path / "x.arrow") == {"a": "smallint", "d": "date"}


def test_a_csv_file_without_header_has_numbered_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,x\n")
    assert columns(path, options=pgfast.bulk.FileOptions(header=False)) == {"column1": "bigint", "column2": "text"}


def test_what_has_no_columns_or_no_counterpart_is_refused() -> None:
    with pytest.raises(InterfaceError, match="no columns"):
        create_table_sql("t", pa.schema([]))
    with pytest.raises(InterfaceError, match="cannot tell the columns of list"):
        create_table_sql("t", [(1,)])
    with pytest.raises(NotSupportedError, match="column s: the Arrow type map"):
        create_table_sql("t", pa.schema([("s", pa.map_(pa.string(), pa.int8()))]))
    assert create_table_sql("t", pa.schema([("s", pa.struct([("a", pa.int8())]))])).endswith('"s" jsonb\n)')
    with pytest.raises(ProgrammingError, match="not the name of a table"):
        create_table_sql("a b", pa.schema([("s", pa.int8())]))
    with pytest.raises(FileNotFoundError):
        create_table_sql("t", "nothing.csv")
