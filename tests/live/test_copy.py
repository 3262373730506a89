"""cursor.copy(): both directions, text and binary, pieces and rows, and every way a COPY can end early."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import pgfast
from pgfast import const, errors
from pgfast.codec import WriteBuffer
from pgfast.protocol import operations

from ..faces import Face, target

ROWS = [(1, "a\tb\\c\nd", Decimal("1.50")), (2, None, None), (3, "", Decimal("-0.001")), (4, "\\N", Decimal("NaN"))]
TYPES = ["int4", "text", "numeric"]


@pytest.fixture
def table(conn: Any) -> Any:
    """The connection, with an empty table of three columns."""
    conn.execute("create temp table t (a int, b text, c numeric)")
    conn.commit()
    return conn


def contents(conn: Any) -> list[Any]:
    return [tuple(map(str, row)) for row in conn.execute("select * from t order by a").fetchall()]


WRITTEN = [tuple(map(str, row)) for row in ROWS]


def test_rows_are_written_in_text(table: Any) -> None:
    cursor = table.cursor()
    with cursor.copy("copy t from stdin") as copy:
        for row in ROWS:
            copy.write_row(row)
    assert cursor.rowcount == 4
    assert cursor.statusmessage == "COPY 4"
    assert contents(table) == WRITTEN


def test_rows_are_written_in_binary(table: Any) -> None:
    cursor = table.cursor()
    with cursor.copy("copy t from stdin (format binary)") as copy:
        copy.set_types(TYPES)
        for row in ROWS:
            copy.write_row(row)
    assert cursor.rowcount == 4
    assert contents(table) == WRITTEN


def test_a_copy_whose_connection_is_closed_in_it_does_not_pass_for_a_complete_one(table: Any) -> None:
    with pytest.raises(errors.InterfaceError, match="the COPY was not ended, the connection is closed"):  # noqa: SIM117
        with table.cursor().copy("copy t from stdin") as copy:
            copy.write_row(ROWS[0])
            table.close()


@pytest.mark.parametrize("value", [True, b"\xff", 1.5, datetime.date(2024, 2, 29), [1, None, 3], datetime.timedelta(1)])
def test_values_of_every_sort_have_a_text_form(conn: Any, value: Any) -> None:
    kinds = {bool: "bool", bytes: "bytea", float: "float8", list: "int[]", datetime.timedelta: "interval"}
    conn.execute(f"create temp table v (a {kinds.get(type(value), 'date')})")
    with conn.cursor().copy("copy v from stdin") as copy:
        copy.write_row([value])
    assert conn.execute("select a from v").fetchone() == (value,)


def test_data_is_written_in_any_pieces(table: Any) -> None:
    data = b"1\tone\t1\n2\ttwo\t2\n"
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))], [data.decode()], [memoryview(data)]):
        cursor = table.cursor()
        with cursor.copy("copy t from stdin") as copy:
            for piece in pieces:
                copy.write(piece)
        assert cursor.rowcount == 2
    assert table.execute("select count(*), sum(a) from t").fetchone() == (8, 12)


def test_nothing_may_be_written_at_all(table: Any) -> None:
    for statement in ("copy t from stdin", "copy t from stdin (format csv)", "copy t from stdin (format binary)"):
        cursor = table.cursor()
        with cursor.copy(statement):
            pass
        assert cursor.rowcount == 0


def test_much_data_passes_in_both_directions(table: Any) -> None:
    line = b"7\t" + b"x" * 998 + b"\t\\N\n"
    cursor = table.cursor()
    with cursor.copy("copy t from stdin") as copy:
        for _ in range(20):
            copy.write(line * 1000)
    assert cursor.rowcount == 20_000
    size = 0
    with cursor.copy("copy t to stdout") as copy:
        for data in copy:
            size += len(data)
    assert size == 20_000 * len(line)
    assert cursor.rowcount == 20_000


def test_rows_are_read_in_text(table: Any) -> None:
    test_rows_are_written_in_text(table)
    cursor = table.cursor()
    with cursor.copy("copy (select * from t order by a) to stdout") as copy:
        rows = list(copy.rows())
        assert copy.read_row() is None
        assert copy.read() == b""
    assert rows == [("1", "a\tb\\c\nd", "1.50"), ("2", None, None), ("3", "", "-0.001"), ("4", "\\N", "NaN")]
    assert cursor.rowcount == 4


@pytest.mark.parametrize("options", ["", "(format binary)"])
def test_rows_are_read_with_their_types(table: Any, options: str) -> None:
    test_rows_are_written_in_text(table)
    with table.cursor().copy(f"copy (select * from t order by a) to stdout {options}") as copy:
        copy.set_types(["integer", const.OID_TEXT, "decimal"])
        assert copy.read_row() == ROWS[0]
        assert [tuple(map(str, row)) for row in copy.rows()] == WRITTEN[1:]


def test_values_are_quoted_by_the_server(table: Any) -> None:
    test_rows_are_written_in_text(table)
    cursor = table.cursor()
    with cursor.copy("copy (select %s, b from t where a = %s) to stdout", ("it's \\ a $1", 1)) as copy:
        assert list(copy.rows()) == [("it's \\ a $1", "a\tb\\c\nd")]
    with cursor.copy("copy (select %(x)s::text is null) to stdout", {"x": None}) as copy:
        assert list(copy.rows()) == [("t",)]
    with (
        pytest.raises(pgfast.ProgrammingError, match=r"parameter \$1"),
        cursor.copy("copy (select %s) to stdout", (object(),)),
    ):
        pytest.fail("it has begun")


def test_an_exception_in_the_block_undoes_the_copy(table: Any) -> None:
    for statement in ("copy t from stdin", "copy t from stdin (format binary)"):
        with pytest.raises(ZeroDivisionError, match="mine"), table.cursor().copy(statement) as copy:
            copy.set_types(TYPES)
            for _ in range(10_000):
                copy.write_row(ROWS[0])
            raise ZeroDivisionError("mine")
        assert table.info.transaction_status is pgfast.TransactionStatus.INERROR
        table.rollback()
        assert contents(table) == []


def test_an_error_of_the_server_while_data_is_written_is_raised_early(table: Any) -> None:
    written: list[int] = []
    with (
        pytest.raises(errors.InvalidTextRepresentation) as caught,
        table.cursor().copy("copy t from stdin") as copy,
    ):
        copy.write("1\tx\t1\nbad\n")
        for number in range(100_000):
            copy.write(b"1\tx\t1\n" * 10_000)
            written.append(number)
    assert len(written) < 100_000
    assert (caught.value.diag.context or "").startswith("COPY t, line 2")
    table.rollback()
    assert contents(table) == []


def test_an_error_of_the_server_at_the_end_is_raised_by_the_block(table: Any) -> None:
    with pytest.raises(errors.BadCopyFileFormat), table.cursor().copy("copy t from stdin") as copy:
        copy.write("1\n")
    table.rollback()
    assert contents(table) == []


def test_a_value_that_does_not_fit_is_refused_and_the_copy_can_go_on(table: Any) -> None:
    cursor = table.cursor()
    with cursor.copy("copy t from stdin (format binary)") as copy:
        copy.set_types(TYPES)
        copy.write_row((1, "x", 1))
        with pytest.raises(pgfast.DataError, match="column 1"):
            copy.write_row(("x", "x", 1))
        with pytest.raises(pgfast.DataError, match="2 values where 3 are wanted"):
            copy.write_row((1, "x"))
        copy.write_row((2, "y", 2))
    assert cursor.rowcount == 2
    with cursor.copy("copy t from stdin") as copy:
        with pytest.raises(pgfast.DataError, match="column 2"):
            copy.write_row((3, object(), None))
        with pytest.raises(pgfast.DataError, match="NUL"):
            copy.write_row((3, "a\0b", None))
        copy.write_row((3, "z", None))
    assert contents(table) == [("1", "x", "1"), ("2", "y", "2"), ("3", "z", "None")]


def test_a_copy_out_may_be_left_early(table: Any) -> None:
    with table.cursor().copy("copy (select generate_series(1, 10000000)) to stdout") as copy:
        assert copy.read().startswith(b"1\n")
    table.rollback()
    assert table.execute("select 1").fetchone() == (1,)
    with (
        pytest.raises(ZeroDivisionError),
        table.cursor().copy("copy (select generate_series(1, 10000000)) to stdout") as copy,
    ):
        copy.read()
        raise ZeroDivisionError
    table.rollback()
    assert table.execute("select 1").fetchone() == (1,)


def test_an_error_in_the_middle_of_a_copy_out_is_raised(table: Any) -> None:
    query = "copy (select 1000 / (1000 - x) from generate_series(1, 2000) x) to stdout"
    with pytest.raises(errors.DivisionByZero), table.cursor().copy(query) as copy:
        for _ in copy:
            pass
    table.rollback()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("select 1", "it gives rows"),
        ("create temp table x (a int)", "answered CREATE TABLE"),
        ("", "nothing of the kind"),
    ],
)
def test_another_statement_is_refused(table: Any, statement: str, words: str) -> None:
    with pytest.raises(pgfast.ProgrammingError, match=words), table.cursor().copy(statement):
        pytest.fail("it has begun")
    table.rollback()
    assert table.execute("select 1").fetchone() == (1,)


def test_wrong_uses_are_named(table: Any) -> None:
    cursor = table.cursor()
    with pytest.raises(pgfast.InterfaceError, match="has not begun"):
        cursor.copy("copy t from stdin").write("x")
    with cursor.copy("copy t from stdin") as copy:
        with pytest.raises(pgfast.ProgrammingError, match="write to it"):
            copy.read()
        with pytest.raises(pgfast.InterfaceError, match="another operation, such as a COPY, is still under way"):
            table.execute("select 1")
    with pytest.raises(pgfast.InterfaceError, match="the COPY is over"):
        copy.write("1\tx\t1\n")
    with cursor.copy("copy t to stdout") as copy, pytest.raises(pgfast.ProgrammingError, match="read from it"):
        copy.write("x")
    table.rollback()
    with cursor.copy("copy t from stdin (format binary)") as copy:
        with pytest.raises(pgfast.ProgrammingError, match="set_types"):
            copy.write_row((1, "x", 1))
        copy.set_types(["int4"])
        with pytest.raises(pgfast.ProgrammingError, match="1 types, the COPY has 3 columns"):
            copy.write_row((1,))
        with pytest.raises(pgfast.ProgrammingError, match=r"'nothing' is not a type .* conn.types.load\('nothing'\)"):
            copy.set_types(["nothing"])
        copy.set_types(TYPES)
    with cursor.copy("copy (select 1, 2) to stdout") as copy:
        copy.set_types(["int4"])
        with pytest.raises(pgfast.ProgrammingError, match="1 types, the COPY has 2 columns"):
            copy.read_row()
    table.rollback()
    with cursor.copy("copy (select 'x') to stdout") as copy:
        copy.set_types(["int4"])
        with pytest.raises(pgfast.DataError, match="column 1"):
            copy.read_row()


def test_notices_during_a_copy_in_do_not_block_it(face: Face, dsn: str) -> None:
    # A trigger says more about each row than both sockets hold; whoever writes on without reading is stuck.
    conn = face.connect(dsn)
    conn.execute(
        """
        create temp table noisy (a text);
        create function pg_temp.shout() returns trigger language plpgsql as $$
            begin raise notice '%', new.a; return new; end $$;
        create trigger shouting before insert on noisy for each row execute procedure pg_temp.shout()
        """
    )
    heard = 0

    def listen(notice: pgfast.Diagnostic) -> None:
        nonlocal heard
        heard += len(notice.message_primary or "")

    conn.add_notice_handler(listen)
    with conn.cursor().copy("copy noisy from stdin", timeout=120) as copy:
        for _ in range(200):
            copy.write(b"x" * 100_000 + b"\n")
    assert heard == 200 * 100_000


def test_a_server_lost_during_a_copy_ends_it(face: Face, dsn: str, auto: Any) -> None:
    conn = face.connect(dsn)
    conn.execute("create temp table t (a text)")
    with pytest.raises(errors.AdminShutdown), conn.cursor().copy("copy t from stdin") as copy:
        copy.write(b"x\n")
        auto.execute("select pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
        while True:
            copy.write(b"x\n" * 100_000)
    assert conn.closed
    conn = face.connect(dsn)
    with (
        pytest.raises(pgfast.OperationalError),
        conn.cursor().copy("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout") as copy,
    ):
        copy.read()
        auto.execute("select pg_terminate_backend(%s, 10000)", (conn.info.backend_pid,))
        for _ in copy:
            pass
    assert conn.closed


# ---------------------------------------------------------------- the operations that bulk loading is built on


def blocks(count: int, row: bytes = b"1\tx\t1\n") -> Iterator[memoryview]:
    buffer = WriteBuffer()
    for _ in range(count):
        buffer.begin_copy()
        buffer.put_bytes(row * 10_000)
        buffer.end_copy()
        yield buffer.take()


def run(face: Face, conn: Any, operation: Any) -> Any:
    return face.run(target(conn)._run(operation))


def test_an_operation_copies_blocks_in(face: Face, table: Any) -> None:
    session = target(table)._session
    assert run(face, table, operations.copy_in(session, "copy t from stdin", blocks(30))) == 300_000
    assert table.execute("select count(*) from t").fetchone() == (300_000,)


def test_an_operation_copies_blocks_in_from_an_asynchronous_source(dsn: str) -> None:
    import asyncio
    from collections.abc import AsyncIterator

    async def source() -> AsyncIterator[memoryview]:
        for block in blocks(5):
            await asyncio.sleep(0)
            yield block

    async def main() -> None:
        async with await pgfast.AsyncConnection.connect(dsn, autocommit=True) as conn:
            await conn.execute("create temp table t (a int, b text, c numeric)")
            operation = operations.copy_in(conn._session, "copy t from stdin", source())
            assert await conn._run(operation, 60) == 50_000

    asyncio.run(main())


def test_an_operation_ends_with_what_its_source_raises(face: Face, table: Any) -> None:
    def source() -> Iterator[memoryview]:
        yield from blocks(3)
        raise ZeroDivisionError("mine")

    session = target(table)._session
    with pytest.raises(ZeroDivisionError, match="mine"):
        run(face, table, operations.copy_in(session, "copy t from stdin", source()))
    assert session.at_rest
    assert contents(table) == []


def test_an_operation_copies_out_to_a_consumer(face: Face, table: Any) -> None:
    class Consumer:
        """Counts what comes."""

        rows = 0
        size = 0
        format = -1

        def begin(self, response: Any) -> None:
            self.format = response.format

        def run(self, block: bytearray, start: int, stop: int, count: int) -> None:
            self.rows += count
            self.size += stop - start

    consumer = Consumer()
    query = "copy (select generate_series(1, 100000)) to stdout"
    assert run(face, table, operations.copy_out(target(table)._session, query, consumer)) == 100_000
    assert (consumer.rows, consumer.format) == (100_000, const.TEXT)
    assert consumer.size > 100_000 * 5
