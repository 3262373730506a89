"""OIDs -> plans, and what changes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from struct import unpack
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, ProgrammingError, ProtocolError
from pgfast.types import Registry
from pgfast.types.builtins import BY_NAME, BY_OID, OID_MONEY
from pgfast.types.catalogue import Named, TypeInfo, array_of
from pgfast.types.discovery import Answer, Catalogues, Key, Lookups, answer, without
from pgfast.types.registration import type_key
from pgfast.types.registry import PLAIN

INET, REGCLASS, INT4_ARRAY, RECORD = 869, 2205, 1007, 2249
DATABASE: Key = (5, datetime(2024, 1, 1, tzinfo=timezone.utc))
MOOD = Named("mood", 70000, 70001, "public.mood", "public").enum(("sad", "ok"))
PAIR = Named("pair", 70010, 70011, "public.pair", "public").composite(("m", "n"), (MOOD, BY_OID[23]), (-1, -1))
NAMES = Named("names", 70020, 0, "public.names", "public").composite(("r",), (BY_OID[REGCLASS],), (-1,))
ALIAS = Named("alias", 70030, 0, "public.alias", "public").domain(BY_OID[const.OID_TEXT], -1)


@dataclass(frozen=True)
class Field:
    type_oid: int
    format: int


def connection(*types: TypeInfo, catalogues: Catalogues | None = None, own: bool = False) -> Registry:
    """The registry of a connection that has looked up these types."""
    lookups = Lookups(Catalogues() if catalogues is None else catalogues)
    found = {info.oid: info for info in types}
    lookups.take(Answer(DATABASE, {} if own else found, found if own else {}))
    return Registry(Registry(), lookups)


# ---------------------------------------------------------------- the table


def test_every_built_in_type_can_be_read_and_written_in_some_form() -> None:
    rules = PLAIN.rules
    for oid, info in BY_OID.items():
        assert info.oid == oid
        for code in (const.TEXT, const.BINARY):
            kind = rules.decode_spec(oid, code)[0]
            assert (kind == const.KIND_TEXT_CALL) is (code == const.TEXT), info.name
        assert rules.encode_plan([oid]).width == 1
        assert BY_NAME[info.sql] == oid
        assert BY_NAME[info.name] == (const.OID_BPCHAR if info.name == "char" else oid)  # as SQL takes the name


def test_every_array_is_made_of_its_element_and_binary_where_that_is() -> None:
    arrays = [info for info in BY_OID.values() if info.is_array]
    assert len(arrays) == len([info for info in BY_OID.values() if info.array_oid]) > 70
    for info in arrays:
        (element,) = info.children
        assert element.array_oid == info.oid
        assert BY_OID[element.oid] is element
        assert (info.binary_out, info.binary_in) == (element.binary_out, element.binary_in)
        assert bool(info.arrow) is bool(element.arrow)


def test_types_that_only_have_text_come_as_text_and_so_do_their_arrays() -> None:
    oids = [const.OID_INT4, REGCLASS, 2210, INT4_ARRAY, const.OID_UNKNOWN, INET, 22, RECORD]
    assert unpack(">8h", PLAIN.result_formats(oids)) == (1, 0, 0, 1, 1, 1, 1, 1)
    assert PLAIN.result_formats([]) == b""
    assert PLAIN.rules.encode_spec(22) is None  # the server reads no empty int2vector in binary


@pytest.mark.parametrize(
    ("name", "oid"),
    [
        ("int", 23),
        ("INTEGER", 23),
        ("pg_catalog.int4", 23),
        ("double  precision", 701),
        ("timestamp with time zone", 1184),
        ("character varying[]", 1015),
        ("_int4", 1007),
        ("int [ ] [ ]", 1007),
        ('"char"', 18),
        ("char", 1042),
        ("money", OID_MONEY),
        (23, 23),
    ],
)
def test_built_in_types_are_named_as_in_sql(name: str | int, oid: int) -> None:
    assert type_key(name) == oid


def test_other_names_are_read_as_the_server_reads_them() -> None:
    assert type_key("Mood") == (None, "mood", False)
    assert type_key('public."Mood" []') == ("public", "Mood", True)
    assert type_key('"a.""b"') == (None, 'a."b', False)
    for wrong in ("", "a b", "a.b.c", '"open', "a;", 1.5, True):
        with pytest.raises(ProgrammingError):
            type_key(wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------- plans


def test_plans_are_made_once_for_their_types() -> None:
    rules = Registry().rules
    assert rules.encode_plan([23, 25]) is rules.encode_plan((23, 25))
    fields = [Field(23, const.BINARY), Field(1700, const.TEXT)]
    assert rules.row_plan(fields) is rules.row_plan(tuple(fields))
    assert rules.row_plan(fields) is not rules.row_plan([Field(23, const.TEXT), Field(1700, const.TEXT)])
    assert rules.row_plan(fields).width == 2


def test_plans_are_not_kept_without_limit() -> None:
    rules = Registry().rules
    first = rules.encode_plan([1])
    for oid in range(2, 1100):
        rules.encode_plan([oid])
    assert rules.encode_plan([1]) is not first


def test_rules_hold_until_any_level_says_something_new() -> None:
    process = Registry()
    conn = Registry(process, Lookups(Catalogues()))
    cursor = Registry(conn)
    for level in (process, conn, cursor):
        held = cursor.rules
        assert cursor.rules is held
        level.configure(dates="text")
        assert cursor.rules is not held
        held = cursor.rules
        level.register("int4", decode=str)
        assert cursor.rules is not held
    held = cursor.rules
    conn.lookups.take(Answer(DATABASE, {MOOD.oid: MOOD}, {}))
    assert cursor.rules is not held


def test_a_lookup_of_another_connection_to_the_database_changes_the_rules() -> None:
    catalogues = Catalogues()
    one, two = connection(MOOD, catalogues=catalogues), connection(catalogues=catalogues)
    assert two.info(MOOD.oid) is MOOD  # joined with its own first answer
    held = two.rules
    one.lookups.take(Answer(DATABASE, {PAIR.oid: PAIR}, {}))
    assert two.info(PAIR.oid) is PAIR
    assert two.rules is not held


def test_narrower_levels_come_first() -> None:
    process = Registry()
    conn = Registry(process, Lookups(Catalogues()))
    cursor = Registry(conn)

    def reads(registry: Registry) -> Any:
        return registry.rules.decode_spec(23, const.TEXT)[2]

    process.register("int4", decode=abs)
    assert reads(cursor) is abs
    conn.register("int", decode=str)
    assert (reads(cursor), reads(process)) == (str, abs)
    cursor.register(23, decode=float)
    assert (reads(cursor), reads(conn), reads(process)) == (float, str, abs)
    cursor.register(23)
    assert reads(cursor) is str
    conn.configure(dates="text", times="clamp")
    cursor.configure(dates="clamp")
    assert (cursor.policies.dates, cursor.policies.times, conn.policies.dates) == ("clamp", "clamp", "text")


# ---------------------------------------------------------------- what is looked up


def test_types_that_are_not_known_are_named_once() -> None:
    registry = Registry(None, Lookups(Catalogues()))
    assert registry.unknown([23, 70000, 70010, 70000, 0]) == [70000, 70010]
    assert connection(MOOD).unknown([23, 70000]) == []
    assert registry.unknown([OID_MONEY]) == [OID_MONEY]


def test_what_is_the_connections_own_is_shared_when_it_is_committed() -> None:
    catalogues = Catalogues()
    one, two = connection(MOOD, catalogues=catalogues, own=True), connection(catalogues=catalogues)
    assert one.info(MOOD.oid) is MOOD
    assert two.info(MOOD.oid) is None
    one.lookups.heed("COMMIT")
    assert one.info(MOOD.oid) is MOOD
    assert two.info(MOOD.oid) is MOOD


@pytest.mark.parametrize("tag", ["ROLLBACK", "PREPARE TRANSACTION"])
def test_what_is_the_connections_own_is_gone_with_its_transaction(tag: str) -> None:
    one = connection(MOOD, own=True)
    one.lookups.heed(tag)
    assert one.info(MOOD.oid) is None


def test_altering_forgets_for_everybody_now_and_at_the_commit() -> None:
    catalogues = Catalogues()
    one, two = connection(MOOD, PAIR, catalogues=catalogues), connection(catalogues=catalogues)
    one.lookups.heed("ALTER TYPE")
    assert one.info(PAIR.oid) is two.info(PAIR.oid) is None
    two.lookups.take(Answer(DATABASE, {PAIR.oid: PAIR}, {}))  # which still sees it as it was
    one.lookups.heed("COMMIT")
    assert two.info(PAIR.oid) is None


def test_the_scale_of_money_is_asked_again_after_a_setting() -> None:
    money = Named("money", OID_MONEY, 791, "money").by_form(None)
    prices = array_of(money, 791)
    registry = connection(money, prices, own=True)
    registry.lookups.heed("COMMIT")
    assert registry.unknown([OID_MONEY, 791]) == []
    registry.lookups.heed("SET")
    assert registry.unknown([OID_MONEY, 791]) == [OID_MONEY, 791]


def test_committing_nothing_new_leaves_the_rules_alone() -> None:
    registry = connection(MOOD)
    held = registry.rules
    for tag in ("COMMIT", "ROLLBACK", "SET"):
        registry.lookups.heed(tag)
    assert registry.rules is held


def test_forgetting_a_type_forgets_all_that_is_made_of_it() -> None:
    several = array_of(PAIR, 70011)
    types = {info.oid: info for info in (MOOD, PAIR, several, ALIAS)}
    assert set(without(types, [MOOD.oid])) == {ALIAS.oid}
    assert set(without(types, [PAIR.oid])) == {MOOD.oid, ALIAS.oid}
    assert set(without(types, [const.OID_TEXT])) == {MOOD.oid, PAIR.oid, 70011}


def test_the_catalogues_of_databases_are_kept_apart_and_not_without_limit() -> None:
    catalogues = Catalogues()
    first = catalogues.of(DATABASE)
    assert catalogues.of(DATABASE) is first
    for oid in range(100, 200):
        assert catalogues.of((oid, DATABASE[1])) is not first
    assert catalogues.of(DATABASE) is not first


def found_row(oid: int, typtype: str, **more: Any) -> list[Any]:
    """A row of the catalogue's answer: a type without parts unless `more` says so."""
    facts = {
        "oid": oid, "name": f"t{oid}", "schema": "public", "sql": f"public.t{oid}", "typtype": typtype, "array_oid": 0,
        "delimiter": ",", "send": None, "part": 0, "names": [], "attributes": [], "typmods": [], "typmod": -1, **more,
    }  # fmt: skip
    return [*DATABASE, False, "$0.00", *facts.values()]


def test_an_answer_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no answer"):
        answer([70000], [])
    circle = [
        found_row(70000, "c", names=["a"], attributes=[70001], typmods=[-1]),
        found_row(70001, "d", part=70000),
    ]
    with pytest.raises(ProtocolError, match="type with OID 70000 is made of itself"):
        answer([70000], circle)
    for wrong in ([], [*DATABASE, False], found_row(70000, "e")[:-1], [*found_row(70000, "e"), 1]):
        with pytest.raises(ProtocolError, match="another answer"):
            answer([70000], [wrong])
    with pytest.raises(ProtocolError, match="another answer"):
        answer([70000], [["5", *found_row(70000, "e")[1:]]])
    for facts in (
        {"name": None}, {"names": None}, {"names": [None]}, {"names": [["a"]]}, {"attributes": [None]}, {"part": "x"},
        {"names": ["a"]}, {"names": ["a"], "attributes": [23]}, {"typmods": [-1]}, {"typmod": None},
    ):  # fmt: skip
        with pytest.raises(ProtocolError, match="makes no sense"):
            answer([70000], [found_row(70000, "c", **facts)])
    assert answer([70000], [found_row(70000, "r", part=None)]).own[70000].kind == const.KIND_RANGE


def test_types_that_are_made_of_too_much_are_text() -> None:
    """Each of forty composites holds the one before it twice; each of two thousand domains is over the one before."""
    doubled = [
        found_row(70000 + n, "c", names=["a", "b"], attributes=[70000 + n - 1 if n else 23] * 2, typmods=[-1, -1])
        for n in range(40)
    ]
    found = answer([70039], doubled).types
    assert found[70005].kind == const.KIND_COMPOSITE
    assert found[70014].kind == const.KIND_TEXT_CALL
    registry = connection(*found.values())
    assert registry.unknown(found) == []
    assert len(registry.result_formats(list(found))) == 2 * len(found)

    domains = [found_row(70000 + n, "d", part=70000 + n - 1 if n else 23, array_oid=80000 + n) for n in range(2000)]
    found = answer([70000, 71999], domains).types
    assert found[70050].kind == const.KIND_INT4
    assert found[70200].kind == const.KIND_TEXT_CALL
    registry = connection(*found.values())
    assert len(registry.result_formats(list(found))) == 2 * len(found)
    for oid in found:
        assert registry.encode_plan([oid]).width == 1


def test_a_type_the_server_does_not_have_is_text_for_this_connection_only() -> None:
    found = answer([70000], [[*DATABASE, False, "$0.00", *[None] * 13]])
    assert found.types == {}
    assert found.own[70000].kind == const.KIND_TEXT_CALL


def test_what_was_looked_up_after_writing_is_not_for_others() -> None:
    row = found_row(70000, "e", names=["a"])
    assert set(answer([70000], [row]).types) == {70000}
    row[2] = True
    assert set(answer([70000], [row]).own) == {70000}


@pytest.mark.parametrize(
    ("zero", "text"), [("$0.00", "1.50"), ("0,000 KWD", "1,500"), ("Eu 0", "2"), ("0.00€", "1.50")]
)
def test_money_is_written_with_the_locales_scale_and_point(zero: str, text: str) -> None:
    row = [*DATABASE, False, zero, *[None] * 13]
    money = answer([OID_MONEY], [row]).own[OID_MONEY]
    assert money.form is not None
    assert money.form.render(Decimal("1.5") if "," in text or "." in text else Decimal(2)) == text


def test_types_nested_beyond_the_codecs_depth_travel_as_text() -> None:
    deep = BY_OID[23]
    for oid in range(71000, 71040):
        deep = Named(f"t{oid}", oid, 0, f"t{oid}", "public").composite(("a",), (deep,), (-1,))
    rules = connection(deep).rules
    assert deep.depth == 41
    assert not rules.reads_binary(deep.oid)
    assert rules.encode_spec(deep.oid) is None
    assert rules.result_formats([71030]) == b"\0\0"


# ---------------------------------------------------------------- specs


def test_containers_are_trees_with_the_oids_the_wire_has() -> None:
    spec = connection(MOOD, PAIR).rules.decode_spec(PAIR.oid, const.BINARY)
    assert spec[:2] == (const.KIND_COMPOSITE, 0)
    assert [(kind, oid) for kind, oid, _call, _children in spec[3]] == [
        (const.KIND_ENUM, MOOD.oid),
        (const.KIND_INT4, 23),
    ]


def test_a_part_without_binary_form_takes_its_containers_with_it() -> None:
    rules = connection(NAMES, array_of(NAMES, 70021)).rules
    assert unpack(">2h", rules.result_formats([NAMES.oid, 70021])) == (0, 0)
    assert rules.encode_spec(70021) is None
    assert rules.renderer(70021)([("pg_class",), None]) == "{(pg_class),NULL}"


def test_a_registration_for_text_takes_its_containers_with_it() -> None:
    registry = connection(MOOD, PAIR)
    registry.register("mood", decode=str.upper)
    assert registry.result_formats([PAIR.oid]) == b"\0\0"
    assert registry.rules.text_parser(PAIR.oid)("(ok,1)") == ("OK", 1)  # type: ignore[misc]
    registry.register("mood", decode=bytes.hex, format="binary")
    assert registry.result_formats([PAIR.oid]) == b"\0\1"
    with pytest.raises(ValueError, match="format='binary', and this result came in text"):
        registry.rules.text_parser(PAIR.oid)("(ok,1)")  # type: ignore[misc]


def test_only_the_direction_that_is_registered_changes() -> None:
    registry = Registry()
    registry.register("numeric", decode=float)
    assert registry.result_formats([1700]) == b"\0\0"
    assert registry.rules.encode_spec(1700) == PLAIN.rules.encode_spec(1700)
    registry.register("numeric", encode=str)
    assert registry.result_formats([1700]) == b"\0\1"
    assert registry.rules.encode_spec(1700) is None


def test_a_domain_is_registered_by_its_own_name_else_as_its_base() -> None:
    registry = connection(ALIAS)

    def read() -> Any:
        return registry.rules.text_parser(ALIAS.oid)

    registry.register("text", decode=str.upper)
    assert read() is str.upper
    registry.register("public.alias", decode=str.lower)
    assert read() is str.lower
    registry.register("alias", decode=str.title)
    assert read() is str.lower
    registry.register(ALIAS.oid, decode=str.strip)
    assert read() is str.strip


def test_a_class_for_a_type_of_another_sort_is_refused() -> None:
    class Mood(Enum):
        SAD = "sad"

    registry = connection(MOOD, PAIR)
    registry.register_enum("pair", Mood)
    with pytest.raises(ProgrammingError, match="register_enum: public.pair is not an enum type"):
        registry.rules.decode_spec(PAIR.oid, const.BINARY)
    registry.register_composite("mood", dict)
    with pytest.raises(ProgrammingError, match="register_composite: public.mood is not a composite type"):
        registry.rules.text_parser(MOOD.oid)
    registry.register_enum("mood", Mood)
    with pytest.raises(ProgrammingError, match="Mood has no member for 'ok' of public.mood"):
        registry.rules.encode_spec(MOOD.oid)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda r: r.register("int4", decode=5), "decode must be a function, not int"),
        (lambda r: r.register("int4", decode=int, format="hex"), "format must be 'text' or 'binary'"),
        (lambda r: r.register_enum("mood", int), "an Enum class is wanted"),
        (lambda r: r.register_composite("pair", 5), "a class is wanted"),
        (lambda r: r.configure(date="text"), "there is no policy 'date'; there are dates, times"),
        (lambda r: r.configure(dates="txt"), "dates must be one of 'raise', 'clamp', 'text', not 'txt'"),
        (lambda r: r.configure(dates=["text"]), "dates must be one of"),
        (lambda r: r.configure(json_loads=5), "json_loads must be a function or None"),
        (lambda r: r.configure(decimals=(77, 0)), r"decimals must be None or \(precision, scale\)"),
        (lambda r: r.configure(decimals=5), "decimals must be None or"),
    ],
)
def test_what_cannot_be_registered_or_chosen_is_refused(wrong: Any, text: str) -> None:
    registry = Registry()
    with pytest.raises(ProgrammingError, match=text):
        wrong(registry)
    assert registry.policies == PLAIN.policies


def test_records_of_types_that_are_not_known_or_have_no_binary_form_are_refused() -> None:
    with pytest.raises(DataError, match=r"type with OID 70000, .* conn.types.load\(\"name\"\)"):
        PLAIN.rules.record_plan([23, 70000])
    with pytest.raises(DataError, match="regclass, which is read from text only"):
        PLAIN.rules.record_plan([REGCLASS])
    assert PLAIN.rules.record_plan([23, 25]).width == 2


def test_types_are_named_as_in_a_cast() -> None:
    rules = connection(MOOD, array_of(MOOD, 70001)).rules
    found = [rules.type_name(oid) for oid in (23, 1182, 18, 70000, 70001, 99999)]
    assert found == ["integer", "date[]", '"char"', "public.mood", "public.mood[]", "type with OID 99999"]


# ---------------------------------------------------------------- text forms


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("int2vector", "1 -2 3", [1, -2, 3]),
        ("oidvector", "", []),
        ("int4[]", "[0:1]={1,NULL}", [1, None]),
        ("text[]", '{"a,b",NULL}', ["a,b", None]),
        ("record", '(1,"a ""b""",)', ("1", 'a "b"', None)),
        ("xid8", "18446744073709551615", 2**64 - 1),
        ("numeric[]", "{1.10,NaN}", [Decimal("1.10"), Decimal("NaN")]),
        ("jsonb[]", '{"{\\"a\\": [1]}"}', [{"a": [1]}]),
    ],
)
def test_text_forms_are_read(name: str, text: str, value: Any) -> None:
    parse = PLAIN.rules.text_parser(BY_NAME[name])
    assert parse is not None
    found = parse(text)
    assert str(found) == str(value) or found == value


def test_composites_in_text_have_the_attributes_that_were_looked_up() -> None:
    parse = connection(MOOD, PAIR).rules.text_parser(PAIR.oid)
    assert parse is not None
    assert parse("(sad,)") == ("sad", None)
    with pytest.raises(ValueError, match="3 attributes instead of 2"):
        parse("(sad,1,2)")
