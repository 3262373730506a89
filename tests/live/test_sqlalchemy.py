"""The dialect of SQLAlchemy, where SQLAlchemy's own suite does not look: connections that die, the wire, and COPY."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import os
import re
import select
import socket
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc, orm
from sqlalchemy.dialects import postgresql as pg

import pgfast
from pgfast.sqlalchemy import PgfastAsyncDialect, PgfastDialect
from pgfast.sqlalchemy.copying import plain_insert
from tests.cutting import CuttingProxy
from tests.live.engines import Engines
from tests.servers import start_server


@pytest.fixture(params=("sync", "asyncio"))
def engines(request: pytest.FixtureRequest, dsn: str) -> Iterator[Engines]:
    """Engines of both kinds."""
    made = Engines(request.param, dsn)
    yield made
    made.close()


def _driver(connection: Any) -> Any:
    return connection.connection.driver_connection


# ---------------------------------------------------------------- finding it


def test_the_entry_points_name_the_dialects() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    found = dict(re.findall(r'^"postgresql\.(\w+)" = "([\w.:]+)"$', text, re.MULTILINE))
    loaded = {name: getattr(import_module(where.split(":")[0]), where.split(":")[1]) for name, where in found.items()}
    assert loaded == {"pgfast": PgfastDialect, "pgfast_async": PgfastAsyncDialect}


def test_settings_of_the_driver_may_stand_in_the_url(dsn: str) -> None:
    engine = Engines("sync", dsn).make(f"{dsn}?prepare_threshold=none&timeout=20&application_name=shop")
    with engine.connect() as connection:
        driver = _driver(connection)
        assert driver.prepare_threshold is None
        assert driver.info.parameter_status("application_name") == "shop"
    engine.dispose()


# ---------------------------------------------------------------- values

VALUES = [
    (sa.Integer(), 5),
    (sa.BigInteger(), 2**60),
    (sa.Numeric(20, 4), decimal.Decimal("1234567890.1250")),
    (sa.Float(), 0.1),
    (sa.Boolean(), True),
    (sa.Text(), "ä%s%%"),
    (sa.LargeBinary(), b"\x00\xff"),
    (sa.Date(), dt.date(2024, 2, 29)),
    (sa.Time(), dt.time(1, 2, 3, 4)),
    (sa.DateTime(), dt.datetime(2024, 2, 29, 1, 2, 3, 4)),
    (sa.DateTime(timezone=True), dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc)),
    (sa.Interval(), dt.timedelta(days=3, seconds=4)),
    (sa.Uuid(), uuid.UUID(int=7)),
    (sa.Uuid(as_uuid=False), str(uuid.UUID(int=7))),
    (sa.JSON(), {"a": [1, None, "x"]}),
    (pg.JSONB(), ["text"]),
    (pg.ARRAY(sa.Text()), ["a", None, '"']),
    (pg.ARRAY(sa.Integer()), [[1, 2], [3, 4]]),
    (pg.INT4RANGE(), pg.Range(1, 5)),
    (pg.NUMRANGE(), pg.Range(decimal.Decimal(1), None, bounds="[)")),
    (pg.DATERANGE(), pg.Range(empty=True)),
    (pg.INT8MULTIRANGE(), [pg.Range(1, 5), pg.Range(7, 9)]),
    (pg.ENUM("happy", "sad", name="alchemy_mood"), "sad"),
    (pg.INET(), "10.0.0.1"),
    (pg.BIT(3), "101"),
]


@pytest.mark.parametrize(("type_", "value"), VALUES, ids=lambda one: repr(one)[:40])
def test_values_come_back_as_they_went(engines: Engines, type_: Any, value: Any) -> None:
    table = sa.Table("alchemy_values", sa.MetaData(), sa.Column("v", type_), prefixes=["TEMPORARY"])

    def body(connection: Any) -> list[Any]:
        table.create(connection)
        connection.execute(table.insert(), {"v": value})
        connection.execute(table.insert(), [{"v": value}, {"v": None}])
        found = list(connection.scalars(sa.select(table.c.v)))
        literal = sa.select(sa.literal(value, type_))
        if "::" in str(literal.compile(connection)):
            assert connection.scalar(literal) == found[0]
        return found

    found = engines.run(engines.make(), body)
    if isinstance(type_, pg.INET):
        assert [str(one) for one in found[:2]] == [value, value]
    else:
        assert found == [value, value, None]
        assert isinstance(found[0], type(value)) or isinstance(type_, pg.BIT)


def test_a_datetime_goes_to_a_date_as_its_day(engines: Engines) -> None:
    moment = sa.literal(dt.datetime(2024, 2, 29, 23, 59), sa.Date())
    assert engines.run(engines.make(), lambda c: c.scalar(sa.select(moment))) == dt.date(2024, 2, 29)


def test_inet_may_be_text(engines: Engines) -> None:
    engine = engines.make(native_inet_types=False)
    assert engines.run(engine, lambda c: c.scalar(sa.text("select '10.0.0.0/8'::cidr"))) == "10.0.0.0/8"


def test_functions_of_the_program_write_and_read_json(engines: Engines) -> None:
    engine = engines.make(
        json_serializer=lambda value: json.dumps({"wrapped": value}), json_deserializer=lambda text: ("read", text)
    )
    found = engines.run(engine, lambda c: c.scalar(sa.select(sa.literal([1], sa.JSON()))))
    assert found == ("read", '{"wrapped": [1]}')


# ---------------------------------------------------------------- transactions


def test_isolation_levels(engines: Engines) -> None:
    engine = engines.make()

    def body(connection: Any) -> list[Any]:
        return [
            connection.execution_options(**options).scalar(sa.text("show transaction_isolation"))
            for options in ({"isolation_level": "SERIALIZABLE"},)
        ] + [connection.scalar(sa.text("show transaction_read_only"))]

    assert engines.run(engine, body) == ["serializable", "off"]
    assert engines.run(engine, lambda c: c.scalar(sa.text("show transaction_isolation"))) == "read committed"


def test_read_only_and_deferrable(engines: Engines) -> None:
    options = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": True, "postgresql_deferrable": True}

    def body(connection: Any) -> list[Any]:
        chosen = connection.execution_options(**options)
        return [chosen.scalar(sa.text(f"show transaction_{name}")) for name in ("read_only", "deferrable")]

    engine = engines.make()
    assert engines.run(engine, body) == ["on", "on"]
    assert engines.run(engine, lambda c: c.scalar(sa.text("show transaction_read_only"))) == "off"


def test_autocommit_begins_nothing(engines: Engines) -> None:
    def body(connection: Any) -> Any:
        connection.execute(sa.text("select 1"))
        return _driver(connection).info.transaction_status.name

    assert engines.run(engines.make(isolation_level="AUTOCOMMIT"), body) == "IDLE"
    assert engines.run(engines.make(), body) == "INTRANS"


def test_rows_stay_on_the_server_where_they_are_streamed(engines: Engines) -> None:
    def body(connection: Any) -> tuple[bool, int]:
        result = connection.execution_options(stream_results=True, max_row_buffer=10).execute(
            sa.text("select * from generate_series(1, 1000)")
        )
        first = result.fetchone()
        open_cursors = connection.scalar(sa.text("select count(*) from pg_cursors where starts_with(name, 'c_')"))
        assert first == (1,)
        return open_cursors > 0, len(result.fetchall())

    assert engines.run(engines.make(), body) == (True, 999)


def test_notices_are_logged(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sqlalchemy.dialects.postgresql")
    engines.run(engines.make(), lambda c: c.execute(sa.text("do $$ begin raise notice 'Hallo'; end $$")))
    assert "NOTICE: Hallo" in caplog.text


# ---------------------------------------------------------------- connections that die


def _terminate(connection: Any, dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True) as other:
        pid = _driver(connection).info.backend_pid
        assert other.execute("select pg_terminate_backend($1, 10000)", (pid,)).fetchone() == (True,)


def _cut(connection: Any, dsn: str) -> None:
    with socket.socket(fileno=os.dup(_driver(connection).fileno())) as cut:
        cut.shutdown(socket.SHUT_RDWR)


def _abandon(connection: Any, dsn: str) -> None:
    _driver(connection)._base_link.close()


@pytest.mark.parametrize("kill", [_terminate, _cut, _abandon], ids=lambda one: one.__name__.lstrip("_"))
def test_a_connection_that_died_is_known_for_it(engines: Engines, dsn: str, kill: Callable[[Any, str], None]) -> None:
    engine = engines.make()

    def body(connection: Any) -> None:
        connection.execute(sa.text("select 1"))
        kill(connection, dsn)
        with pytest.raises(exc.DBAPIError) as caught:
            connection.execute(sa.text("select 1"))
        assert caught.value.connection_invalidated
        connection.rollback()
        assert connection.scalar(sa.text("select 2")) == 2

    engines.run(engine, body)


def test_a_connection_that_died_within_a_statement_is_known_for_it(engines: Engines) -> None:
    def body(connection: Any) -> None:
        with pytest.raises(exc.DBAPIError) as caught:
            connection.execute(sa.text("select pg_terminate_backend(pg_backend_pid())"))
        assert caught.value.connection_invalidated

    engines.run(engines.make(), body)


@pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "statement_timeout"])
def test_a_time_limit_of_the_server_ends_a_session_or_a_statement(engines: Engines, setting: str) -> None:
    """The first is FATAL and the connection is gone, the second leaves it."""

    def body(connection: Any) -> bool:
        connection.execute(sa.text(f"set {setting} = 50"))
        driver = _driver(connection)
        with pytest.raises(exc.DBAPIError) as caught:
            if setting == "statement_timeout":
                connection.execute(sa.text("select pg_sleep(60)"))
            else:
                select.select([driver.fileno()], [], [], 20)
                connection.execute(sa.text("select 1"))
        return bool(caught.value.connection_invalidated)

    assert engines.run(engines.make(), body) is (setting != "statement_timeout")


def test_a_timeout_that_leaves_the_connection_is_no_disconnect(dsn: str) -> None:
    engine = Engines("sync", dsn).make()
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        with pytest.raises(pgfast.Error) as caught:
            driver.execute("select pg_sleep(60)", timeout=0.05)
        assert driver.closed is engine.dialect.is_disconnect(caught.value, driver, None)
        assert not engine.dialect.is_disconnect(ValueError("none of the driver's"), driver, None)
    engine.dispose()


def test_a_closed_connection_is_replaced_when_the_pool_looks_first(engines: Engines, dsn: str) -> None:
    engine = engines.make(pool_pre_ping=True)
    pids = []

    def body(connection: Any) -> None:
        pids.append(_driver(connection).info.backend_pid)

    engines.run(engine, body)
    engines.run(engine, body)
    assert pids[0] == pids[1]
    with pgfast.connect(dsn, autocommit=True) as other:
        other.execute("select pg_terminate_backend($1, 10000)", (pids[0],))
    engines.run(engine, body)
    assert pids[2] != pids[0]


def test_a_server_that_was_stopped(engines: Engines) -> None:
    server = start_server()
    engine = engines.make(server.dsn)
    try:

        def body(connection: Any) -> None:
            connection.execute(sa.text("select 1"))
            server.stop()
            with pytest.raises(exc.DBAPIError) as caught:
                connection.execute(sa.text("select 1"))
            assert caught.value.connection_invalidated

        engines.run(engine, body)
        with pytest.raises(exc.OperationalError):
            engines.run(engine, lambda c: c.execute(sa.text("select 1")))
    finally:
        server.stop()


# ---------------------------------------------------------------- the wire


@pytest.fixture
def proxy(dsn: str) -> Iterator[CuttingProxy]:
    """Counts how often a client waits for the server."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists alchemy_wire; create table alchemy_wire (id serial primary key, v text)")
        with CuttingProxy(conn.info.port) as made:
            yield made
        conn.execute("drop table alchemy_wire")


WIRE = sa.Table("alchemy_wire", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", sa.Text))


class Wire:
    """An object of the ORM."""

    def __init__(self, v: str) -> None:
        self.v = v


orm.registry().map_imperatively(Wire, WIRE)

V = [{"v": f"value {number}"} for number in range(2500)]
INSERT = "insert into alchemy_wire (v) values (%(v)s::text)"
#: What a program says to the bare driver, and what says the same through SQLAlchemy.
WORK: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (
        "selects",
        lambda c: [c.execute(f"select {number}").fetchall() for number in (1, 2, 1)],
        lambda c: [c.execute(sa.text(f"select {number}")).fetchall() for number in (1, 2, 1)],
    ),
    (
        "insert",
        lambda c: c.execute(INSERT + " returning id", V[0]).fetchall(),
        lambda c: c.execute(WIRE.insert(), V[0]),
    ),
    ("many", lambda c: c.cursor().executemany(INSERT, V), lambda c: c.execute(WIRE.insert(), V)),
    (
        "many returning",  # 2,500 rows in three statements of at most 1,000, of which the third is another text
        lambda c: [
            c.execute(_values(count), [row["v"] for row in V[:count]]).fetchall() for count in (1000, 1000, 500)
        ],
        lambda c: c.execute(WIRE.insert().returning(WIRE.c.id), V).fetchall(),
    ),
    (
        "objects",
        lambda c: [
            c.execute(_values(count), [row["v"] for row in V[:count]]).fetchall() for count in (1000, 1000, 500)
        ],
        lambda c: _flush(c, [Wire(row["v"]) for row in V]),
    ),
    (
        "update and delete",
        lambda c: [
            c.execute(sql, ("x",))
            for sql in ("update alchemy_wire set v = %s", "delete from alchemy_wire where v = %s")
        ],
        lambda c: [c.execute(WIRE.update().values(v="x")), c.execute(WIRE.delete().where(WIRE.c.v == "x"))],
    ),
    (
        "rows that stay on the server",
        lambda c: _fetched(c.cursor("alchemy")),
        lambda c: list(c.execution_options(yield_per=100).execute(sa.text(SERIES))),
    ),
]
SERIES = "select * from generate_series(1, 1000)"


def _values(count: int) -> str:
    values = ", ".join(f"(${number}::text)" for number in range(1, count + 1))
    return f"insert into alchemy_wire (v) values {values} returning id"


def _fetched(cursor: Any) -> None:
    cursor.execute(SERIES)
    while cursor.fetchmany(100):
        pass
    cursor.close()


def _flush(connection: Any, objects: list[Any]) -> None:
    connection.begin()  # so that it is not rolled back when the session is closed
    with orm.Session(connection) as session:
        session.add_all(objects)
        session.flush()


@pytest.mark.parametrize(("bare", "through"), [one[1:] for one in WORK], ids=[one[0] for one in WORK])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_dialect_asks_no_more_than_the_bare_driver(
    engines: Engines,
    dsn: str,
    proxy: CuttingProxy,
    end: str,
    bare: Callable[[Any], Any],
    through: Callable[[Any], Any],
) -> None:
    with pgfast.connect(dsn) as conn:
        address = dsn.replace(f":{conn.info.port}/", f":{proxy.port}/")

    def turns(connection: Any, work: Callable[[Any], Any]) -> list[int]:
        """How often the server is waited for by a transaction, the first and the second time."""
        counts = []
        for _ in range(2):
            before = proxy.turns
            work(connection)
            getattr(connection, end)()
            counts.append(proxy.turns - before)
        return counts

    with pgfast.connect(address) as conn:
        conn.execute("select 0").fetchall()
        conn.rollback()
        wanted = turns(conn, bare)
    engine = engines.make(address)
    engines.run(engine, lambda c: c.execute(sa.text("select 0")).fetchall())
    before = proxy.turns
    assert engines.run(engine, lambda c: turns(c, through)) == wanted
    assert proxy.turns - before == sum(wanted)  # nothing is asked when a connection comes and goes


def test_looking_whether_a_connection_lives_is_one_question(engines: Engines, dsn: str) -> None:
    with pgfast.connect(dsn) as conn:
        number = conn.info.port
    with CuttingProxy(number) as proxy:
        engine = engines.make(dsn.replace(f":{number}/", f":{proxy.port}/"), pool_pre_ping=True)
        for _ in range(2):  # the second time the server knows the statement
            engines.run(engine, lambda c: None)
        before = proxy.turns
        engines.run(engine, lambda c: None)
        assert proxy.turns - before == 1


# ---------------------------------------------------------------- COPY


@pytest.fixture
def points(dsn: str) -> Iterator[sa.Table]:
    """A table of points, with a default and a type that both take many forms."""
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table if exists alchemy_points")
        conn.execute(
            'create table alchemy_points (id int primary key, "X y" float8, label varchar(10), d numeric default 5)'
        )
    yield sa.Table(
        "alchemy_points",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("X y", sa.Double),
        sa.Column("label", sa.String(10)),
        sa.Column("d", sa.Numeric),
    )
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("drop table alchemy_points")


ROWS = [{"id": number, "X y": number / 4, "label": None if number % 3 else f"n%{number}"} for number in range(500)]


@pytest.mark.parametrize("option", [True, "require"])
def test_many_rows_go_through_copy(engines: Engines, points: sa.Table, option: object) -> None:
    def body(connection: Any) -> list[Any]:
        connection.execute(points.insert(), ROWS, execution_options={"pgfast_copy": option})
        # One command has written them all, where as many INSERTs would be as many commands.
        assert connection.scalar(sa.text("select count(distinct cmin::text) from alchemy_points")) == 1
        return list(connection.execute(sa.select(points).order_by(points.c.id)))

    engine = engines.make()
    copied = engines.run(engine, body)
    inserted = engines.run(
        engine,
        lambda c: (c.execute(points.insert(), ROWS), list(c.execute(sa.select(points).order_by(points.c.id))))[1],
    )
    assert copied == inserted
    assert copied[3] == (3, 0.75, "n%3", decimal.Decimal(5))


@pytest.mark.parametrize("option", [True, "require"])
def test_objects_in_bulk_go_through_copy(engines: Engines, points: sa.Table, option: object) -> None:
    class Point:
        pass

    orm.registry().map_imperatively(Point, points)

    def body(connection: Any) -> Any:
        with orm.Session(connection) as session:
            # Without render_nulls the ORM leaves out what is None, and makes a statement of each run of rows alike.
            options = {"pgfast_copy": option, "render_nulls": True}
            session.execute(sa.insert(Point), ROWS, execution_options=options)
            assert session.scalar(sa.text("select count(distinct cmin::text) from alchemy_points")) == 1
            assert session.scalar(sa.select(Point).order_by(points.c.id).offset(3)).label == "n%3"
            return session.scalar(sa.select(sa.func.count()).select_from(Point))

    assert engines.run(engines.make(), body) == len(ROWS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("create rule r as on insert to alchemy_points do also select 1", "it has rules"),
        (
            "create function alchemy_f() returns trigger language plpgsql as 'begin return new; end'; create trigger t "
            "before insert on alchemy_points for each row execute function alchemy_f()",
            "it has triggers on INSERT",
        ),
        ("alter table alchemy_points alter id add generated always as identity", "its column id is always generated"),
        ('alter table alchemy_points alter "X y" type numeric', "its column X y is numeric, not FLOAT"),
        ("alter table alchemy_points alter label type char(10)", "its column label is character, not VARCHAR"),
        (
            "alter table alchemy_points rename to alchemy_p; create view alchemy_points as select * from alchemy_p",
            "it is no table",
        ),
    ],
)
def test_what_copy_would_do_otherwise_is_inserted_or_refused(
    engines: Engines, points: sa.Table, change: str, reason: str
) -> None:
    def body(connection: Any) -> None:
        connection.exec_driver_sql(change)
        with pytest.raises(exc.InvalidRequestError, match=re.escape(reason).replace("FLOAT", ".*")):
            connection.execute(points.insert(), ROWS, execution_options={"pgfast_copy": "require"})
        if "always" not in reason:
            connection.execute(points.insert(), ROWS, execution_options={"pgfast_copy": True})
            assert connection.scalar(sa.select(sa.func.count()).select_from(points)) == len(ROWS)

    engines.run(engines.make(), body)


def test_statements_that_do_more_are_not_copied(engines: Engines, points: sa.Table) -> None:
    more = pg.insert(points).on_conflict_do_nothing()
    computed = points.insert().values(d=sa.func.abs(sa.bindparam("minus", type_=sa.Integer)))

    def body(connection: Any) -> Any:
        option = {"pgfast_copy": "require"}
        with pytest.raises(exc.InvalidRequestError, match="does more than to insert parameters"):
            connection.execute(more, ROWS, execution_options=option)
        with pytest.raises(exc.InvalidRequestError, match="does more than to insert parameters"):
            connection.execute(computed, [{**row, "minus": -1} for row in ROWS], execution_options=option)
        connection.execute(more, ROWS + ROWS, execution_options={"pgfast_copy": True})
        return connection.scalar(sa.select(sa.func.count()).select_from(points))

    assert engines.run(engines.make(), body) == len(ROWS)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            'INSERT INTO s."T ""%%" (a, "b (c, d)") VALUES (%(a)s::INTEGER, %(b_c_d)s::VARCHAR[])',
            ('s."T ""%"', ("a", '"b (c, d)"'), ("a", "b_c_d"), ("INTEGER", "VARCHAR[]")),
        ),
        ("INSERT INTO t (a) VALUES (%(a)s)", ("t", ("a",), ("a",), (None,))),
        (
            "INSERT INTO t (a) VALUES (%(a)s::TIMESTAMP(3) WITHOUT TIME ZONE)",
            ("t", ("a",), ("a",), ("TIMESTAMP(3) WITHOUT TIME ZONE",)),
        ),
        ("INSERT INTO t (a) VALUES (%(a)s) RETURNING t.a", None),
        ("INSERT INTO t (a) VALUES (%(a)s), (%(b)s)", None),
        ("INSERT INTO t (a) VALUES (upper(%(a)s))", None),
        ("INSERT INTO t (a, b) VALUES (%(a)s, now())", None),
        ("INSERT INTO t (a) VALUES (%(a)s::INTEGER + 1)", None),
        ("INSERT INTO t DEFAULT VALUES", None),
        ("WITH x AS (SELECT 1) INSERT INTO t (a) VALUES (%(a)s)", None),
    ],
)
def test_what_a_plain_insert_is(statement: str, found: Any) -> None:
    insert = plain_insert(statement)
    assert (None if insert is None else (insert.table, insert.columns, insert.names, insert.casts)) == found
