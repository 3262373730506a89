"""Columns whose type carries a length or a precision: what they are in Arrow, and that they come back the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgfast
from pgfast import DataError

#: (type, Arrow type, literals)
COLUMNS: list[tuple[str, str, list[str]]] = [
    ("numeric(15,2)", "decimal128(15, 2)", ["0", "-9999999999999.99", "9999999999999.99", "0.01", "1.10"]),
    ("numeric(38,10)", "decimal128(38, 10)", ["9" * 28 + "." + "9" * 10, "-" + "9" * 28, "0.0000000001", "10000.0001"]),
    ("numeric(38,0)", "decimal128(38, 0)", ["9" * 38, "-" + "9" * 38, "1" + "0" * 37]),
    ("numeric(39,0)", "decimal256(39, 0)", ["9" * 39, "-" + "9" * 39, "0"]),
    ("numeric(76,38)", "decimal256(76, 38)", ["9" * 38 + "." + "9" * 38, "-1e-38", "1e37", "0"]),
    ("numeric(5,-2)", "decimal128(7, 0)", ["9999900", "-100", "0"]),
    ("numeric(2,5)", "decimal128(5, 5)", ["0.00099", "-0.00001"]),
    ("numeric(77,0)", "string", ["9" * 77, "-1"]),
    ("numeric(1000,500)", "string", ["9" * 500 + "." + "9" * 500, "1e-500"]),
    ("varchar(5)", "string", ["", "abc", "\U0001f418" * 5]),
    ("char(5)", "string", ["", "abc", "\U0001f418"]),
    ("time(0)", "time64[us]", ["12:34:56.7", "23:59:59"]),
    ("timestamp(3)", "timestamp[us]", ["2024-07-01 12:00:00.1239", "infinity", "0044-03-15 BC"]),
    ("timestamptz(0)", "timestamp[us, tz=UTC]", ["2024-07-01 12:00:00.9+02", "-infinity"]),
    ("interval(2)", "month_day_nano_interval", ["1 mon -1 day 00:00:01.239"]),
    ("interval year to month", "month_day_nano_interval", ["1 year 2 mons"]),
    ("bit(9)", "string", ["101010101", "000000000"]),
    ("varbit(9)", "string", ["", "1", "101010101"]),
    ("numeric(10,2)[]", "list<item: decimal128(10, 2)>", ["{1.10,NULL,-99999999.99}", "{}"]),
]


@pytest.fixture
def conn(dsn: str) -> Iterator[pgfast.Connection]:
    with pgfast.connect(dsn) as made:
        yield made


@pytest.mark.parametrize(("kind", "arrow", "literals"), COLUMNS, ids=[kind for kind, _, _ in COLUMNS])
def test_columns_of_a_precision_come_back_the_same(
    conn: pgfast.Connection, kind: str, arrow: str, literals: list[str]
) -> None:
    conn.execute(f"create temp table one (n int4, v {kind})")
    conn.execute(f"create temp table other (n int4, v {kind})")
    for n, literal in enumerate(literals):
        conn.execute(f"insert into one values ({n}, '{literal}'), ({n + 100}, null)")
    columns = conn.fetch_columns("select n, v from one order by n")
    assert str(columns.to_arrow().schema.field("v").type) == arrow
    assert conn.load("other", columns).rows == 2 * len(literals)
    query = (
        "select n from one full join other using (n) where format('%s', one.v) is distinct from format('%s', other.v)"
    )
    assert conn.execute(query).fetchall() == []


@pytest.mark.parametrize("kind", ["numeric(10,2)", "numeric(50,2)"])
@pytest.mark.parametrize("literal", ["NaN"])
def test_what_is_no_decimal_is_refused_in_a_column_of_decimals(
    conn: pgfast.Connection, kind: str, literal: str
) -> None:
    with pytest.raises(DataError, match="column v"):
        conn.fetch_columns(f"select '{literal}'::{kind} as v")


def test_numeric_without_precision_becomes_the_decimal_that_was_chosen_or_an_error(conn: pgfast.Connection) -> None:
    sql = "select v::numeric from (values ('1.5'), ('-0.0001'), (null)) as t(v)"
    assert conn.fetch_columns(sql).to_arrow().column(0).to_pylist() == ["1.5", "-0.0001", None]
    conn.types.configure(decimals=(10, 4))
    found = conn.fetch_columns(sql).to_arrow()
    assert str(found.schema.field(0).type) == "decimal128(10, 4)"
    assert [None if value is None else str(value) for value in found.column(0).to_pylist()] == [
        "1.5000",
        "-0.0001",
        None,
    ]
    for literal in ("0.00001", "1234567", "NaN", "Infinity"):
        with pytest.raises(DataError):
            conn.fetch_columns(f"select '{literal}'::numeric")
