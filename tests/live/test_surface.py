"""What psycopg's programs find by the names they know: results, raw cursors, writers, callproc, facts, adapters."""

from __future__ import annotations

import enum
import inspect
import io
import pickle
import socket
from collections.abc import Callable
from typing import Any

import psycopg
import psycopg.types.composite
import psycopg.types.enum
import psycopg.types.hstore
import psycopg.types.json
import psycopg.types.multirange
import psycopg.types.numeric
import psycopg.types.range
import psycopg.types.shapely
import pytest

import pgfast
import pgfast.types.composite
import pgfast.types.enum
import pgfast.types.hstore
import pgfast.types.json
import pgfast.types.multirange
import pgfast.types.numeric
import pgfast.types.range
import pgfast.types.shapely
from pgfast import errors, pq
from pgfast.adapt import Dumper, Loader
from pgfast.copy import AsyncCopy, AsyncLibpqWriter, Copy, FileWriter, LibpqWriter
from tests.faces import Face, target

#: Names that psycopg has and pgfast means not to have (docs/from-psycopg.md); None: parameters of other names alone.
LEFT_OUT = {
    "Cursor": {"pgresult"},
    "AsyncCursor": {"pgresult"},
    "ServerCursor": {"pgresult"},
    "AsyncServerCursor": {"pgresult"},
    "ClientCursor": {"pgresult"},
    "AsyncClientCursor": {"pgresult"},
    "RawCursor": {"pgresult"},
    "AsyncRawCursor": {"pgresult"},
    "Connection": {"pgconn"},
    "AsyncConnection": {"pgconn"},
    "Transaction": {"pgconn"},
    "AsyncTransaction": {"pgconn"},
    "ConnectionInfo": {"password"},
    "Pipeline": {"pgconn"},
    "AsyncPipeline": {"pgconn"},
    "Error": {"pgconn", "pgresult"},
}
CLASSES = sorted(
    {*LEFT_OUT, "Column", "Notify", "Rollback", "Xid", "Copy", "AsyncCopy", "Capabilities", "RawServerCursor"}
    - {"RawServerCursor"}
)
#: Modules and the names in them that programs import.
MODULES = {
    "types.json": "Json Jsonb set_json_dumps set_json_loads",
    "types.range": "Range RangeInfo register_range Int4Range Int8Range NumericRange DateRange TimestampRange "
    "TimestamptzRange",
    "types.multirange": "Multirange MultirangeInfo register_multirange Int4Multirange Int8Multirange NumericMultirange "
    "DateMultirange TimestampMultirange TimestamptzMultirange",
    "types.composite": "CompositeInfo register_composite",
    "types.enum": "EnumInfo register_enum",
    "types.hstore": "register_hstore",
    "types.shapely": "register_shapely",
    "types.numeric": "Int2 Int4 Int8 IntNumeric Oid Float4 Float8",
    "types": "TypeInfo",
    "rows": "tuple_row dict_row namedtuple_row class_row args_row kwargs_row scalar_row",
    "sql": "SQL Identifier Literal Placeholder Composed Composable NULL DEFAULT quote",
    "conninfo": "make_conninfo conninfo_to_dict",
    "errors": "lookup ConnectionTimeout CancellationTimeout PipelineAborted UniqueViolation",
    "adapt": "Dumper Loader AdaptersMap",
    "copy": "Copy AsyncCopy Writer AsyncWriter FileWriter LibpqWriter AsyncLibpqWriter",
    "pq": "TransactionStatus PipelineStatus ConnStatus Format",
}


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_psycopgs_names_and_parameters(name: str) -> None:
    theirs, ours = getattr(psycopg, name), getattr(pgfast, name)
    assert public(theirs) - public(ours) <= LEFT_OUT.get(name, set()) | {"args", "add_note", "with_traceback"}
    for member in sorted(public(theirs) & public(ours)):
        method, own = getattr(theirs, member), getattr(ours, member)
        if not inspect.isfunction(method) or member in ("wait", "from_string"):  # psycopg's are generators of its own
            continue
        wanted = {key for key, one in inspect.signature(method).parameters.items() if one.kind is not one.VAR_KEYWORD}
        has = inspect.signature(own).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in has.values()):
            assert wanted <= set(has), member


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_have_the_names_that_programs_import(module: str) -> None:
    theirs = __import__(f"psycopg.{module}", fromlist=["x"])
    ours = __import__(f"pgfast.{module}", fromlist=["x"])
    for name in MODULES[module].split():
        assert hasattr(theirs, name), name
        assert hasattr(ours, name), name


def test_the_module_has_psycopgs_names() -> None:
    modules = {
        "abc",
        "client_cursor",
        "connection",
        "connection_async",
        "cursor",
        "cursor_async",
        "dbapi20",
        "generators",
    }
    modules |= {"postgres", "raw_cursor", "transaction", "version", "waiting", "logger", "logging", "BaseConnection"}
    assert public(psycopg) - public(pgfast) - modules == set()


# ---------------------------------------------------------------- results


def test_results_are_walked_and_chosen(conn: Any) -> None:
    cursor = conn.cursor()
    cursor.execute("select 1; select 2, 3; create temp table r (a int); select 4 where false")
    shown = [(one.statusmessage, one.rowcount) for one in cursor.results()]
    assert shown == [("SELECT 1", 1), ("SELECT 1", 1), ("CREATE TABLE", -1), ("SELECT 0", 0)]
    assert cursor.set_result(1).fetchall() == [(2, 3)]
    assert cursor.set_result(-4).fetchone() == (1,)
    assert cursor.set_result(2).description is None
    for index in (4, -5):
        with pytest.raises(IndexError, match="the last execution gave 4"):
            cursor.set_result(index)
    cursor.executemany("select %s::int, %s::text", [(1, "a"), (2, "b")], returning=True)
    assert [one.fetchone() for one in cursor.results()] == [(1, "a"), (2, "b")]
    assert cursor.set_result(0).fetchall() == [(1, "a")]
    assert cursor.set_result(0).fetchall() == [(1, "a")]
    assert [one.fetchall() for one in conn.cursor().results()] == []


def test_a_result_is_scrolled_both_ways(conn: Any) -> None:
    cursor = conn.execute("select generate_series(0, 9)")
    assert len(cursor.fetchall()) == 10
    cursor.scroll(3, "absolute")
    assert (cursor.fetchone(), cursor.rownumber) == ((3,), 4)
    cursor.scroll(-4)
    assert cursor.fetchmany(2) == [(0,), (1,)]
    for value, mode in ((-3, "relative"), (8, "relative"), (10, "absolute"), (-1, "absolute")):
        with pytest.raises(IndexError, match="of a result of 10 rows"):
            cursor.scroll(value, mode)
    assert cursor.fetchone() == (2,)
    with pytest.raises(pgfast.ProgrammingError, match="knows the modes"):
        cursor.scroll(1, "sideways")
    with pytest.raises(pgfast.ProgrammingError, match="nothing to fetch"):
        conn.execute("create temp table s (a int)").scroll(0)


def test_results_come_as_text_where_that_is_asked_for(conn: Any) -> None:
    query = "select 1, 1.5::float8, '{1,2}'::int[], now()::date - now()::date, '(1,2)'::point, null::int"
    binary, text = conn.execute(query, binary=True), conn.execute(query, binary=False)
    assert binary.fetchone() == text.fetchone()
    assert {field.format for field in target(binary)._fields} == {pq.Format.BINARY}
    assert {field.format for field in target(text)._fields} == {pq.Format.TEXT}
    cursor = conn.cursor(binary=False)
    assert (cursor.format, conn.cursor().format) == (pq.Format.TEXT, pq.Format.BINARY)
    cursor.execute("select 1")
    assert target(cursor)._fields[0].format == pq.Format.TEXT
    assert list(conn.cursor().stream("select generate_series(1, 3)", binary=False)) == [(1,), (2,), (3,)]


def test_there_is_no_last_row_id(conn: Any) -> None:
    assert conn.execute("select 1").lastrowid is None


# ---------------------------------------------------------------- callproc, raw queries


def test_functions_and_procedures_are_called_by_name(conn: Any) -> None:
    conn.execute("create schema if not exists surface; set search_path to surface, public")
    conn.execute('create or replace function "Add"(a int, b int) returns int language sql as $$ select $1 + $2 $$')
    conn.execute(
        "create or replace function series(n int) returns setof int language sql as $$ select generate_series(1, n) $$"
    )
    conn.execute("create or replace procedure bump(inout x int) language sql as $$ select $1 + 1 $$")
    cursor = conn.cursor()
    given = [1, 2]
    assert cursor.callproc('"Add"', given) is given
    assert cursor.fetchall() == [(3,)]
    cursor.callproc('surface."Add"', {"b": 5, "a": 1})
    assert cursor.fetchall() == [(6,)]
    cursor.callproc("SERIES", (3,))
    assert cursor.fetchall() == [(1,), (2,), (3,)]
    cursor.callproc("bump", [41])
    assert cursor.fetchone() == (42,)
    for name, params in (("1x", ()), ("a.b.c", ()), ("f); drop table x", ()), ("f", "ab"), ("f", 5)):
        with pytest.raises(pgfast.ProgrammingError, match="name of a function|sequence or a mapping"):
            cursor.callproc(name, params)
    with pytest.raises(errors.UndefinedFunction):
        cursor.callproc("no_such_function")
    conn.rollback()


def test_a_raw_cursor_has_the_servers_placeholders_alone(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    kind = pgfast.RawCursor if face.name == "sync" else pgfast.AsyncRawCursor
    target(conn).cursor_factory = kind
    cursor = conn.cursor()
    assert isinstance(target(cursor), kind)
    assert cursor.execute("select 7 %2, '%s', $1", (5,)).fetchall() == [(1, "%s", 5)]
    assert cursor.execute("select '%', '%%'").fetchall() == [("%", "%%")]
    assert cursor.execute(b"select '%(x)s', $2::int, $1::int", (1, 2)).fetchall() == [("%(x)s", 2, 1)]
    cursor.executemany("select $1::int % 3", [(4,), (5,)], returning=True)
    assert [one.fetchone() for one in cursor.results()] == [(1,), (2,)]
    assert list(conn.cursor().stream("select generate_series(1, $1) % 2", (2,))) == [(1,), (0,)]
    with pytest.raises(pgfast.ProgrammingError, match="2 placeholders, 1 parameters"):
        cursor.execute("select $2 % $1", (1,))
    with pytest.raises(pgfast.ProgrammingError, match=r"\$0"):
        cursor.execute("select 5 % $0", (1,))


# ---------------------------------------------------------------- writers


def test_a_copy_may_be_written_into_a_file(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    file = io.BytesIO()

    class Keeps(pgfast.copy.AsyncWriter):
        async def write(self, data: bytes) -> None:
            file.write(data)

    copy: Any
    if face.name == "sync":
        copy = Copy(target(conn.cursor()), binary=True, writer=FileWriter(file))
    else:
        copy = AsyncCopy(target(conn.cursor()), binary=True, writer=Keeps())
    with face.run(copy) as writing:
        writing.set_types(["int4", "text"])
        for number in range(20000):
            writing.write_row((number, None if number % 2 else "even"))
    assert file.getvalue().startswith(b"PGCOPY\n\xff\r\n\0")
    assert file.getvalue().endswith(b"\xff\xff")
    conn.execute("create temp table f (a int, b text)")
    with conn.cursor().copy("copy f from stdin (format binary)") as copied:
        copied.write(file.getvalue())
    assert conn.execute("select count(*), count(b), sum(a) from f").fetchone() == (20000, 10000, 199990000)
    with pytest.raises(pgfast.ProgrammingError, match="a writer that takes"):
        Copy(target(conn.cursor()))


def test_a_writer_stands_between_a_copy_and_the_server(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    conn.execute("create temp table w (a int)")
    seen: list[Any] = []

    class Counts(LibpqWriter):
        def write(self, data: bytes) -> None:
            seen.append(len(data))
            super().write(data)

        def finish(self, exc: BaseException | None = None) -> None:
            seen.append(exc)

    class AsyncCounts(AsyncLibpqWriter):
        async def write(self, data: bytes) -> None:
            seen.append(len(data))
            await super().write(data)

        async def finish(self, exc: BaseException | None = None) -> None:
            seen.append(exc)

    cursor = conn.cursor()
    writer: Any = Counts(target(cursor)) if face.name == "sync" else AsyncCounts(target(cursor))
    with cursor.copy("copy w from stdin", writer=writer) as copy:
        for number in range(50000):
            copy.write_row((number,))
    assert sum(seen[:-1]) == sum(len(str(number)) + 1 for number in range(50000))
    assert seen[-1] is None
    assert len(seen) > 2
    assert conn.execute("select count(*) from w").fetchone() == (50000,)
    failure = ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError), cursor.copy("copy w from stdin", writer=writer) as copy:
        copy.write_row((1,))
        raise failure
    assert seen[-1] is failure
    conn.rollback()


# ---------------------------------------------------------------- facts


def test_a_connection_tells_about_itself(face: Face, dsn: str) -> None:
    conn = face.connect(dsn, application_name="my app", password="top-secret")
    info = conn.info
    assert (info.vendor, info.status, info.error_message) == ("PostgreSQL", pq.ConnStatus.OK, "")
    assert info.full_protocol_version == 30000
    assert "application_name='my app'" in info.dsn
    assert "top-secret" not in info.dsn + repr(info.get_parameters())
    assert pgfast.conninfo.conninfo_to_dict(info.dsn) == info.get_parameters()
    assert info.pipeline_status is pq.PipelineStatus.OFF
    with conn.pipeline() as block:
        assert conn.info.pipeline_status is pq.PipelineStatus.ON
        assert target(block).status is pq.PipelineStatus.ON
    with conn.transaction() as outer:
        assert target(outer).status is pgfast.Transaction.Status.ACTIVE
    assert target(outer).status is pgfast.Transaction.Status.COMMITTED
    with conn.transaction() as undone:
        raise pgfast.Rollback
    assert target(undone).status is pgfast.Transaction.Status.ROLLED_BACK_EXPLICITLY
    with pytest.raises(ZeroDivisionError), conn.transaction() as failed:
        raise ZeroDivisionError
    assert target(failed).status is pgfast.Transaction.Status.ROLLED_BACK_WITH_ERROR
    conn.close()
    assert info.status is pq.ConnStatus.BAD


def test_a_connection_is_pickled_as_where_it_goes(dsn: str) -> None:
    with pgfast.connect(dsn, autocommit=True, password="top-secret", application_name="first") as conn:
        pickled = pickle.dumps(conn)
        assert b"top-secret" not in pickled
        with pickle.loads(pickled) as again:
            assert again.info.backend_pid != conn.info.backend_pid
            assert again.autocommit
            assert again.execute("show application_name").fetchone() == ("first",)


def test_an_asynchronous_connection_cannot_be_pickled(face: Face, dsn: str) -> None:
    if face.is_async:
        with pytest.raises(TypeError, match=r"pickle conn.info.dsn"):
            pickle.dumps(target(face.connect(dsn)))


def test_columns_tell_their_type_as_sql_has_it(conn: Any) -> None:
    cursor = conn.execute(
        "select 1.5::numeric(5,2), 'a'::varchar(7), 'a'::text, now()::timestamp(3), '{1}'::int[], interval '1 s'"
    )
    shown = [column.type_display for column in cursor.description]
    assert shown == ["numeric(5,2)", "varchar(7)", "text", "timestamp(3)", "integer[]", "interval"]
    conn.execute("create type told as enum ('a'); create domain told_domain as varchar(3)")
    for binary in (True, False):
        cursor = conn.execute("select 'a'::told, '{a}'::told[], 'a'::told_domain", binary=binary)
        assert [column.type_display for column in cursor.description] == ["told", "told[]", "varchar(3)"]
    copied = pickle.loads(pickle.dumps(cursor.description))
    assert copied == cursor.description
    assert copied[0].type_display == "told"


def test_errors_are_found_by_code_and_name() -> None:
    assert errors.lookup("23505") is errors.lookup("UNIQUE_VIOLATION") is errors.UniqueViolation
    for unknown in ("99999", "NO_SUCH_THING", "lookup"):
        with pytest.raises(KeyError):
            errors.lookup(unknown)


def test_a_connection_that_takes_too_long_is_a_connection_timeout(face: Face) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(errors.ConnectionTimeout, match="could not connect"):
            face.connect("host=127.0.0.1 dbname=x user=x", port=silent.getsockname()[1], timeout=0.2)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "a", "password": "it's a \\ secret"},
        {"host": "", "dbname": "x y"},
        {"port": 5432, "user": "u"},
    ],
)
def test_connection_strings_are_put_together_and_taken_apart(settings: dict[str, Any]) -> None:
    text = pgfast.conninfo.make_conninfo(**settings)
    assert pgfast.conninfo.conninfo_to_dict(text) == {key: str(value) for key, value in settings.items()}
    assert psycopg.conninfo.conninfo_to_dict(text) == {key: str(value) for key, value in settings.items()}
    both = pgfast.conninfo.conninfo_to_dict("postgresql://u:p@h/d?application_name=a", user="other", password=None)
    assert both == {"host": "h", "dbname": "d", "application_name": "a", "user": "other"}
    with pytest.raises(pgfast.ProgrammingError):
        pgfast.conninfo.make_conninfo(no_such_keyword=1)


# ---------------------------------------------------------------- adapters and infos


class Place:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class PlaceDumper(Dumper):
    oid = 600

    def dump(self, obj: Any) -> bytes:
        return f"({obj.x},{obj.y})".encode()


class Reversing(Dumper):
    def dump(self, obj: Any) -> bytes:
        return str(obj)[::-1].encode()


class BigEndian(Dumper):
    oid = 23
    format = pq.Format.BINARY

    def dump(self, obj: Any) -> bytes:
        return int(obj.x).to_bytes(4, "big")


class Upper(Loader):
    def load(self, data: bytes) -> Any:
        return bytes(data).decode().upper()


class Raw(Loader):
    format = pq.Format.BINARY

    def load(self, data: bytes) -> Any:
        return bytes(data)


def test_loaders_read_types_and_dumpers_write_classes(auto: Any) -> None:
    auto.adapters.register_loader("text", Upper)
    auto.adapters.register_loader(23, Raw)
    assert auto.execute("select 'abc'::text, 5, array['x']").fetchone() == ("ABC", b"\0\0\0\5", ["X"])
    assert auto.cursor().execute("select 'abc'::varchar").fetchone() == ("abc",)
    auto.adapters.register_dumper(Place, PlaceDumper)
    point = pgfast.values.Point(1, 2)
    for query in ("select %s", "select %s::point"):
        assert auto.execute(query, (Place(1, 2),)).fetchone() == (point,)
    auto.execute("create temp table places (p point, n varchar)")
    auto.cursor().executemany("insert into places values (%s, %s)", [(Place(1, 2), "a"), (None, "b"), ("(1,2)", "c")])
    assert auto.execute("select p, n from places").fetchall() == [(point, "a"), (None, "b"), (point, "c")]
    with auto.pipeline():
        assert auto.execute("select %s", (Place(1, 2),)).fetchone() == (point,)
    auto.adapters.register_dumper(Place, BigEndian)
    assert auto.execute("select %s", (Place(7, 0),)).fetchone() == (b"\0\0\0\7",)
    auto.adapters.register_dumper(Place, None)
    with pytest.raises(pgfast.DataError):
        auto.execute("select %s::varchar", (Place(1, 2),))


def test_a_cursors_dumpers_are_its_own_and_come_before_the_drivers(auto: Any) -> None:
    cursor = auto.cursor()
    cursor.adapters.register_dumper(str, Reversing)
    for _ in range(8):
        assert cursor.execute("select %s::varchar, %s::int", ("abc", 5)).fetchone() == ("cba", 5)
        assert auto.execute("select %s::varchar, %s::int", ("abc", 5)).fetchone() == ("abc", 5)
    with pytest.raises(pgfast.ProgrammingError, match="a class with the method dump"):
        cursor.adapters.register_dumper(str, object)
    with pytest.raises(pgfast.ProgrammingError, match="a class with the method load"):
        cursor.adapters.register_loader("text", object)


def test_dumpers_write_constants_too(face: Face, dsn: str) -> None:
    conn = face.connect(dsn)
    target(conn).adapters.register_dumper(f"{__name__}.Place", PlaceDumper)
    kind = pgfast.ClientCursor if face.name == "sync" else pgfast.AsyncClientCursor
    assert kind(target(conn)).mogrify("select %s", (Place(1, 2),)) == "select '(1,2)'::point"
    assert PlaceDumper(Place).quote(Place(1, 2)) == b"'(1,2)'"
    assert Reversing(str).quote("\\'a") == b" E'a''\\\\'"


def test_a_context_hands_on_what_was_registered(face: Face, dsn: str) -> None:
    first = face.connect(dsn)
    target(first).adapters.register_loader("text", Upper)
    target(first).types.configure(dates="text")
    second = face.connect(dsn, context=target(first))
    assert second.execute("select 'abc'::text, 'infinity'::date").fetchone() == ("ABC", "infinity")
    assert face.connect(dsn).execute("select 'abc'::text").fetchone() == ("abc",)


@pytest.fixture
def known(face: Face, dsn: str) -> tuple[Any, Callable[[Any, Any], Any]]:
    """A connection with a few types, and what looks one up by its class."""
    conn = face.connect(dsn)
    conn.execute("create schema if not exists infos")
    conn.execute("create type infos.mood as enum ('sad', 'ok'); create type infos.pair as (x int, y text)")
    return conn, lambda cls, name: face.run(cls.fetch(target(conn), name))


def test_types_are_asked_for_by_name(known: tuple[Any, Callable[[Any, Any], Any]]) -> None:
    conn, fetch = known
    mood = fetch(pgfast.types.EnumInfo, "infos.mood")
    assert (mood.name, mood.labels, mood.regtype) == ("mood", ("sad", "ok"), "infos.mood")
    pair = fetch(pgfast.types.CompositeInfo, pgfast.sql.Identifier("infos", "pair"))
    assert (pair.field_names, pair.field_types) == (("x", "y"), (23, 25))
    assert fetch(pgfast.types.RangeInfo, "int4range").subtype_oid == 23
    several = fetch(pgfast.types.MultirangeInfo, "int8multirange")
    assert (several.range_oid, several.subtype_oid) == (3926, 20)
    assert fetch(pgfast.types.TypeInfo, "text").array_oid == 1009
    assert fetch(pgfast.types.TypeInfo, "no_such_type") is None
    assert fetch(pgfast.types.EnumInfo, "infos.pair") is None
    assert conn.info.transaction_status.name == "INTRANS"
    conn.rollback()


def test_enums_and_composites_are_registered_by_their_infos(known: tuple[Any, Callable[[Any, Any], Any]]) -> None:
    conn, fetch = known
    mood = fetch(pgfast.types.EnumInfo, "infos.mood")
    register = pgfast.types.enum.register_enum
    register(mood, target(conn))
    made = conn.execute("select 'ok'::infos.mood").fetchone()[0]
    assert isinstance(made, enum.Enum)
    assert (made.name, made.value) == ("ok", "ok")

    class Mood(enum.Enum):
        DOWN = 1
        UP = 2

    register(mood, target(conn), Mood, mapping={Mood.DOWN: "sad", Mood.UP: "ok"})
    assert conn.execute("select 'ok'::infos.mood, %s::infos.mood", (Mood.DOWN,)).fetchone() == (Mood.UP, Mood.DOWN)
    pair = fetch(pgfast.types.CompositeInfo, "infos.pair")
    pgfast.types.composite.register_composite(pair, target(conn), lambda x, y: {x: y})
    assert conn.execute("select '(1,a)'::infos.pair").fetchone() == ({1: "a"},)
    wrong: Any
    for wrong in (None, 5.0):
        with pytest.raises(TypeError, match="was the type found"):
            register(wrong, target(conn))
        with pytest.raises(TypeError, match="was the type found"):
            pgfast.types.hstore.register_hstore(wrong, target(conn))
    conn.rollback()


def test_values_may_say_their_type(auto: Any) -> None:
    from pgfast.types.json import Json, Jsonb
    from pgfast.types.multirange import Int8Multirange
    from pgfast.types.numeric import Float4, Int2, Int8, IntNumeric, Oid
    from pgfast.types.range import Int4Range, TimestamptzRange

    kinds = {
        "smallint": Int2(1),
        "bigint": Int8(1),
        "numeric": IntNumeric(1),
        "oid": Oid(1),
        "real": Float4(1.5),
        "json": Json({"a": 1}),
        "jsonb": Jsonb([1]),
        "int4range": Int4Range(1, 3),
        "tstzrange": TimestamptzRange(),
        "int8multirange": Int8Multirange([]),
    }
    for name, value in kinds.items():
        kind, back = auto.execute("select pg_typeof(%s)::text, %s", (value, value)).fetchone()
        assert kind == name
        assert back == (value.obj if isinstance(value, Json) else value)
    shouting = Json({"a": "b"}, dumps=lambda value: '"loud"')
    assert auto.execute("select %s::jsonb", (shouting,)).fetchone() == ("loud",)
    cursor = auto.cursor()
    pgfast.types.json.set_json_loads(lambda text: f"<{text}>", cursor)
    assert cursor.execute("select '[1]'::json").fetchone() == ("<[1]>",)
