"""Forms and what is no value: bytes that no server sends, texts and Python values that are none of the type's."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
from collections.abc import Iterator
from decimal import Decimal
from struct import pack
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast.types.forms import EXTENSIONS, FORMS, Form, money_form
from pgfast.types.forms.postgis import geometry_form
from pgfast.types.forms.system import ONLY_TEXT
from pgfast.values import Box, Circle, Cube, Line, LineSegment, Path, Point, Polygon, SparseVector

pytestmark = pytest.mark.same_for_both("forms are plain Python, called here without a codec")


def all_forms() -> Iterator[tuple[str, Form]]:
    yield from FORMS.items()
    yield "money", money_form(2)
    for (name, send), entry in EXTENSIONS.items():
        if isinstance(entry, Form):
            yield f"{name} {send}", entry
            continue
        for choice in ("numpy", "list") if "vec" in name else ("shapely", "bytes"):
            yield f"{name} {choice}", entry(choice)


FORM: Final = dict(all_forms())
BINARY: Final = {name: form for name, form in FORM.items() if form.decode is not None}
#: One well-formed value of each type, to be bent.
SAMPLES: Final[dict[str, bytes]] = {
    "inet": bytes.fromhex("0218000401020304"),
    "cidr": bytes.fromhex("0218010401020300"),
    "macaddr": bytes(6),
    "macaddr8": bytes(8),
    "bit": bytes.fromhex("00000009ff80"),
    "varbit": bytes.fromhex("00000009ff80"),
    "point": pack(">2d", 1, 2),
    "line": pack(">3d", 1, 2, 3),
    "lseg": pack(">4d", 1, 2, 3, 4),
    "box": pack(">4d", 3, 4, 1, 2),
    "path": b"\x01" + pack(">i4d", 2, 1, 2, 3, 4),
    "polygon": pack(">i4d", 2, 1, 2, 3, 4),
    "circle": pack(">3d", 1, 2, 3),
    "tsvector": pack(">i2sH2sHH", 2, b"a", 0, b"b", 1, 0xC001),
    "tsquery": pack(">iBBBBB2sBBB2s", 3, 2, 2, 1, 0, 0, b"b", 1, 15, 1, b"a"),
    "pg_lsn": bytes(8),
    "tid": bytes(6),
    "pg_snapshot": pack(">i3Q", 1, 10, 20, 14),
    "txid_snapshot": pack(">i3Q", 1, 10, 20, 14),
    "jsonpath": b"\x01$",
    "refcursor": "é".encode(),
    "money": bytes(8),
    "hstore hstore_send": pack(">ii1si1si1si", 2, 1, b"a", 1, b"1", 1, b"b", -1),
    "citext citextsend": "é".encode(),
    "ltree ltree_send": b"\x01a.b",
    "lquery lquery_send": b"\x01*",
    "ltxtquery ltxtq_send": b"\x01a",
    "cube cube_send": pack(">I4d", 2, 1, 2, 3, 4),
    "sparsevec sparsevec_send": pack(">5i2f", 5, 2, 0, 0, 3, 0.5, 1),
    **dict.fromkeys(("vector numpy", "vector list"), pack(">HH2f", 2, 0, 1, 2)),
    **dict.fromkeys(("halfvec numpy", "halfvec list"), pack(">HH2e", 2, 0, 1, 2)),
    **dict.fromkeys(
        ("geometry shapely", "geometry bytes", "geography shapely", "geography bytes"),
        bytes.fromhex("0107000020e610000001000000010200000002000000" + "00" * 32),
    ),
}


def test_every_form_that_reads_binary_has_a_sample() -> None:
    assert set(SAMPLES) == set(BINARY)
    for name, sample in SAMPLES.items():
        decode, encode = BINARY[name].decode, BINARY[name].encode
        assert decode is not None
        assert encode is None or encode(decode(sample)) == sample, name


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_bent_bytes_are_a_value_or_a_value_error(name: str, data: st.DataObject) -> None:
    decode, sample = BINARY[name].decode, SAMPLES[name]
    assert decode is not None
    change = data.draw(st.sampled_from(["noise", "cut", "longer", "byte", "word"]))
    if change == "noise":
        bent = data.draw(st.binary(max_size=60))
    elif change == "cut":
        bent = sample[: data.draw(st.integers(0, len(sample)))]
    elif change == "longer":
        bent = sample + data.draw(st.binary(min_size=1, max_size=20))
    else:
        at = data.draw(st.integers(0, len(sample)))
        word = data.draw(st.sampled_from([b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", bytes(4)]))
        word = word if change == "word" else data.draw(st.binary(min_size=1, max_size=1))
        bent = sample[:at] + word + sample[at + len(word) :]
    with contextlib.suppress(ValueError):
        assert FORM[name].render(decode(bent)) is not None


@pytest.mark.parametrize("name", FORM)
@given(text=st.text(alphabet="ab01,:;()[]{}<>/\\'\" =-.NULexXé\t\n", max_size=25))
def test_any_text_is_read_and_sent_or_a_value_error(name: str, text: str) -> None:
    form = FORM[name]
    for function in (form.parse, form.encode, form.render):
        if function is not None:
            with contextlib.suppress(ValueError):
                assert function(text) is not None


@pytest.mark.parametrize("name", FORM)
def test_a_value_of_another_class_is_a_type_error(name: str) -> None:
    form = FORM[name]
    for value in (datetime.date(2020, 1, 1), object(), 1.5j):
        for function in (form.render, form.encode):
            if function is not None:
                with pytest.raises(TypeError, match="wanted, not "):
                    function(value)


MALFORMED: Final[list[tuple[str, str, str]]] = [
    ("inet", "", "too early"),
    ("inet", "0420000401020304", "no family"),
    ("inet", "0221000401020304", "length or prefix"),
    ("inet", "02200010" + "00" * 16, "no family"),
    ("inet", "02200004010203", "length or prefix"),
    ("cidr", "0208010401020304", "right of its prefix"),
    ("macaddr", "0102", "has 2 bytes instead of 6"),
    ("varbit", "ffffffff", "number of bits"),
    ("varbit", "0000000900", "number of bits"),
    ("varbit", "7fffffff", "number of bits"),
    ("point", "00", "1 bytes instead of 16"),
    ("path", "0100000000", "no points"),
    ("path", "017fffffff", "counts more"),
    ("polygon", "ffffffff", "counts more"),
    ("tsvector", "7fffffff", "counts more"),
    ("tsvector", "000000016161ff", "has no end"),
    ("tsvector", "00000001ff000000", "not UTF-8"),
    ("tsvector", "0000000161007fff", "counts more"),
    ("tsvector", "0000000161000000" + "00", "longer than it says"),
    ("tsquery", "7fffffff", "counts more"),
    ("tsquery", "000000010201", "operand is missing"),
    ("tsquery", "0000000201000061000100006200", "operator is missing"),
    ("tsquery", "0000000103" + "00" * 8, "unknown kind"),
    ("tsquery", "0000000101100061" + "00", "unknown weights"),
    ("tsquery", "0000000302048000" + "0100006100" * 2, "negative"),
    ("pg_snapshot", "00000000" + "00" * 15, "too early"),
    ("pg_snapshot", "7fffffff" + "00" * 16, "number of transactions"),
    ("pg_snapshot", "00000000" + "00" * 16, "not transaction ids"),
    ("pg_snapshot", "00000001" + "000000000000000a" + "0000000000000014" + "0000000000000014", "not in order"),
    ("jsonpath", "0224", "version 1"),
    ("refcursor", "ff", "not UTF-8"),
    ("hstore hstore_send", "7fffffff", "counts more"),
    ("hstore hstore_send", "00000001ffffffff00000000", "too early"),
    ("hstore hstore_send", "00000001000000017ffffffffe61", "too early"),
    ("hstore hstore_send", "00000002" + "0000000161ffffffff" * 2, "twice"),
    ("cube cube_send", "00000065", "more than 100"),
    ("cube cube_send", "00000064", "too early"),
    ("ltree ltree_send", "", "version 1"),
    ("vector list", "0002000000000000", "number of elements"),
    ("vector numpy", "00000000", "number of elements"),
    ("sparsevec sparsevec_send", "000000057fffffff00000000", "number of elements"),
    ("sparsevec sparsevec_send", "000000050000000100000000" + "000000053f800000", "out of range"),
    ("sparsevec sparsevec_send", "000000050000000200000000" + "00000001" * 2 + "3f800000" * 2, "not in order"),
    ("sparsevec sparsevec_send", "000000050000000100000000" + "0000000000000000", "zeros"),
    ("geometry shapely", "0101000000", "too early"),
    ("geometry shapely", "0201000000", "byte order"),
    ("geometry shapely", "010d000000", "unknown kind"),
    ("geometry shapely", "0102000000ffffffff", "too early"),
    ("geometry shapely", "0103000000ffffffff", "too early"),
    ("geometry shapely", "0107000000ffffffff", "too early"),
    ("geometry shapely", "010700000001000000" * 100_000, "too deeply"),
    ("geometry shapely", "010800000000000000", "read it as bytes"),
    ("geometry shapely", "010200000001000000" + "00" * 16, "does not take it"),
]


@pytest.mark.parametrize(("name", "hexadecimal", "why"), MALFORMED)
def test_malformed_bytes_are_told_by_what_is_wrong(name: str, hexadecimal: str, why: str) -> None:
    decode = FORM[name].decode
    assert decode is not None
    with pytest.raises(ValueError, match=f"not an? .*{why}|{why}"):
        decode(bytes.fromhex(hexadecimal))


def test_a_query_of_any_depth_is_read() -> None:
    decode = FORM["tsquery"].decode
    assert decode is not None
    depth = 200_000
    assert decode(pack(">i", depth + 1) + b"\x02\x01" * depth + b"\x01\x00\x00a\x00") == "!" * depth + "'a'"


REFUSED: Final[list[tuple[str, Any, str]]] = [
    ("inet", "10.1/16", "not an inet"),
    ("inet", "fe80::1%eth0", "not an inet"),
    ("inet", "1.2.3.4/33", "prefix"),
    ("inet", "1.2.3.4/255.0.0.0", "not an inet"),
    ("inet", ipaddress.ip_address("fe80::1%eth0"), "no scope"),
    ("cidr", "1.2.3.4/8", "right of its prefix"),
    ("cidr", ipaddress.ip_interface("1.2.3.4/8"), "right of its prefix"),
    ("macaddr", "08:00:2b:01:02", "not a macaddr"),
    ("macaddr8", "08:00-2b:01:02:03:04:05", "not a macaddr8"),
    ("bit", "012", "digits 0 and 1"),
    ("point", (1,), "2 parts"),
    ("point", "(1,2),(3,4)", "two numbers"),
    ("point", "(1,2", "not a point"),
    ("line", (0, 1e-7, 1), "both be zero"),
    ("line", "[(1,2),(3,4)]", "not a line"),
    ("lseg", "[(1,2)]", "two points"),
    ("path", Path((), closed=False), "one point at least"),
    ("path", "[]", "not a path"),
    ("polygon", [], "one point at least"),
    ("circle", ((1, 2), -1), "negative"),
    ("tsvector", "'a", "not a tsvector"),
    ("tsvector", "''", "not a tsvector"),
    ("tsvector", "a:0", "out of range"),
    ("tsvector", "a:99999999999", "out of range"),
    ("tsvector", "a\u2003b", "quote the lexeme"),
    ("tsvector", "a\x00b", "NUL"),
    ("refcursor", "\ud800", "surrogate"),
    ("pg_lsn", "0/123456789", "not a pg_lsn"),
    ("tid", "(4294967296,0)", "not a tid"),
    ("pg_snapshot", "20:10:", "in order"),
    ("pg_snapshot", "0:1:", "in order"),
    ("pg_snapshot", "10:20:15,14", "in order"),
    ("money", Decimal("0.001"), "2 digits"),
    ("money", Decimal("1e-9999999"), "2 digits"),
    ("money", Decimal("1e17"), "out of range"),
    ("money", Decimal("1e999999"), "out of range"),
    ("money", Decimal("NaN"), "not an amount"),
    ("money", "1,234", "pass a Decimal"),
    ("hstore hstore_send", "a", "not an hstore"),
    ("hstore hstore_send", "a=>1,", "not an hstore"),
    ("hstore hstore_send", "a=>1, a=>2", "twice"),
    ("hstore hstore_send", {"a\x00": "b"}, "NUL"),
    ("cube cube_send", "(1),(2,3)", "different dimensions"),
    ("cube cube_send", ((0.0,) * 101, (1.0,) * 101), "more than 100"),
    ("vector list", [], "1 to 16000"),
    ("vector list", [float("nan")], "NaN"),
    ("vector list", [1e39], "out of range"),
    ("vector numpy", np.array([1e39]), "out of range"),
    ("vector numpy", np.array([[1.0]]), "one dimension"),
    ("halfvec list", [65520.0], "out of range"),
    ("halfvec list", "[]", "not a halfvec"),
    ("sparsevec sparsevec_send", "{1:1,1:2}/3", "twice"),
    ("sparsevec sparsevec_send", "{0:1}/3", "indices go from"),
    ("sparsevec sparsevec_send", "{1:1}", "not a sparsevec"),
    ("geometry bytes", "POINT(1 2)", "ST_GeomFromText"),
]


@pytest.mark.parametrize(("name", "value", "why"), REFUSED)
def test_what_cannot_be_sent_is_refused_with_a_reason(name: str, value: Any, why: str) -> None:
    encode = FORM[name].encode
    assert encode is not None
    with pytest.raises(ValueError, match=why):
        encode(value)


WRONG_CLASSES: Final[list[tuple[str, Any]]] = [
    ("hstore hstore_send", {"a": 1}),
    ("hstore hstore_send", {None: "a"}),
    ("point", (1, "2")),
    ("point", (True, 2)),
    ("path", [(1, 2)]),
    ("cube cube_send", (1.0, 2.0)),
    ("bit", 5),
    ("vector list", {1.0}),
    ("sparsevec sparsevec_send", [1.0]),
    ("refcursor", b"bytes"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_CLASSES)
def test_what_holds_something_of_a_wrong_class_is_a_type_error(name: str, value: Any) -> None:
    for function in (FORM[name].encode, FORM[name].render):
        assert function is not None
        with pytest.raises(TypeError):
            function(value)


def test_plain_python_values_stand_for_the_classes() -> None:
    alike: list[tuple[str, Any, Any]] = [
        ("point", (1, 2), Point(1.0, 2.0)),
        ("point", [np.float64(1), Decimal(2)], Point(1.0, 2.0)),
        ("line", (1, 2, 3), Line(1.0, 2.0, 3.0)),
        ("lseg", ((1, 2), (3, 4)), LineSegment(Point(1.0, 2.0), Point(3.0, 4.0))),
        ("box", ((3, 4), (1, 2)), Box(Point(3.0, 4.0), Point(1.0, 2.0))),
        ("polygon", [(1, 2), (3, 4)], Polygon((Point(1.0, 2.0), Point(3.0, 4.0)))),
        ("circle", ((1, 2), 3), Circle(Point(1.0, 2.0), 3.0)),
        ("cube cube_send", ((1, 2), (1, 2)), Cube((1.0, 2.0), (1.0, 2.0))),
        ("inet", ipaddress.ip_interface("1.2.3.4/32"), ipaddress.ip_address("1.2.3.4")),
        ("inet", ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.0/8")),
        ("cidr", ipaddress.ip_address("1.2.3.4"), ipaddress.ip_network("1.2.3.4/32")),
        ("cidr", ipaddress.ip_interface("10.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")),
        ("vector list", (1, 2.5), [1.0, 2.5]),
        ("vector list", np.array([1.0, 2.5], np.float32), [1.0, 2.5]),
        ("money", 5, Decimal("5.00")),
        ("money", 5.25, Decimal("5.25")),
        ("money", "5.2", Decimal("5.20")),
        ("money", "-$1,234.56", Decimal("-1234.56")),
        ("geometry bytes", "0101000000" + "00" * 16, bytes.fromhex("0101000000" + "00" * 16)),
    ]
    for name, given_value, value in alike:
        form = FORM[name]
        assert form.encode is not None and form.decode is not None
        binary = form.encode(given_value)
        assert binary is not None
        assert binary == form.encode(value)
        assert form.decode(binary) == value
        if not isinstance(given_value, str):
            assert form.render(given_value) == form.render(value)


def test_money_is_read_as_any_locale_writes_it() -> None:
    texts = {
        "$1,234.56": 2, "1.234,56 €": 2, "-1 234,56\u00a0€": 2, "($1,234.56)": 2, "\u2212kr 1 234,56": 2,
        "￥1,235": 0, "1\u202f234,567 د.ت": 3,
    }  # fmt: skip
    found = [str(money_form(scale).parse(text)) for text, scale in texts.items()]
    assert found == ["1234.56", "1234.56", "-1234.56", "-1234.56", "-1234.56", "1235", "1234.567"]


def test_money_is_written_with_the_point_of_the_locale() -> None:
    german, yen = money_form(2, ","), money_form(0)
    assert german.encode is not None and yen.encode is not None
    assert german.render(Decimal("-1234.5")) == "-1234,50"
    assert german.encode("1234,5") == german.encode("1.234,50 €") == german.encode(Decimal("1234.5"))
    with pytest.raises(ValueError, match="pass a Decimal"):
        german.encode("1.23")
    assert yen.encode("￥1,235") == yen.encode(1235)
    with pytest.raises(ValueError, match="pass a Decimal"):
        yen.encode("12.50")
    with pytest.raises(ValueError, match="0 to 10"):
        money_form(11)


def test_types_whose_binary_form_is_not_their_text_are_never_binary() -> None:
    assert {"xml", "regclass", "aclitem"} <= set(ONLY_TEXT)
    for form in ONLY_TEXT.values():
        assert form.decode is None and form.encode is None
        assert form.parse("a") == form.render("a") == "a"


def test_a_choice_that_is_none_is_refused() -> None:
    for entry in EXTENSIONS.values():
        if not isinstance(entry, Form):
            with pytest.raises(ValueError, match="must be"):
                entry("something")


@pytest.mark.parametrize(("name", "choice"), [("geometry", "shapely"), ("vector", "numpy"), ("halfvec", "numpy")])
def test_without_the_library_its_classes_cannot_be_chosen(
    monkeypatch: pytest.MonkeyPatch, name: str, choice: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    entry = EXTENSIONS[name, f"{name}_send"]
    assert not isinstance(entry, Form)
    with pytest.raises(ImportError, match="pip install"):
        entry(choice)
    plain = entry(None)
    assert plain.decode is not None
    assert type(plain.decode(SAMPLES[f"{name} {choice}"])) in (bytes, list)


#: What PostGIS 3.3 sends: (well-known text, EWKB).
POSTGIS: Final = [
    ("POINT (1 2)", "0101000000000000000000f03f0000000000000040"),
    ("POINT (1 2)", "0101000020e6100000000000000000f03f0000000000000040"),
    ("POINT Z (1 2 3)", "0101000080000000000000f03f00000000000000400000000000000840"),
    ("POINT M (1 2 3)", "0101000040000000000000f03f00000000000000400000000000000840"),
    ("POINT ZM (1 2 3 4)", "01010000e0110f0000000000000000f03f000000000000004000000000000008400000000000001040"),
    ("POINT EMPTY", "0101000000000000000000f87f000000000000f87f"),
    ("LINESTRING EMPTY", "010200000000000000"),
    (
        "MULTIPOINT ((1 1), (2 2))",
        "0104000020e6100000020000000101000000000000000000f03f000000000000f03f010100000000000000000000400000000000000040",
    ),
    (
        "GEOMETRYCOLLECTION (POINT (1 1), GEOMETRYCOLLECTION EMPTY)",
        "0107000000020000000101000000000000000000f03f000000000000f03f010700000000000000",
    ),
]


@pytest.mark.parametrize(("well_known", "hexadecimal"), POSTGIS)
def test_geometries_of_shapely_go_back_as_they_came(well_known: str, hexadecimal: str) -> None:
    form = geometry_form("shapely")
    assert form.decode is not None and form.encode is not None
    value = form.decode(bytes.fromhex(hexadecimal))
    assert value.wkt == well_known
    assert form.parse(hexadecimal.upper()) == value
    assert form.encode(value) == form.encode(hexadecimal) == bytes.fromhex(hexadecimal)
    assert form.render(value) == hexadecimal.upper()
    assert geometry_form("bytes").encode == form.encode


def test_a_sparse_vector_holds_what_is_not_zero() -> None:
    vector = SparseVector(5, {3: 1, 0: 0.5, 2: 0})
    assert vector.to_list() == [0.5, 0.0, 0.0, 1.0, 0.0]
    assert repr(vector) == "SparseVector(5, {0: 0.5, 3: 1.0})"
    assert vector == SparseVector(5, [(0, 0.5), (3, 1.0)]) != SparseVector(6, {0: 0.5, 3: 1.0})
    assert hash(vector) == hash(SparseVector(5, {0: 0.5, 3: 1.0}))
    with pytest.raises(AttributeError):
        vector.dimensions = 6
    for dimensions, elements in ((0, {}), (3, {3: 1.0}), (3, {-1: 1.0})):
        with pytest.raises(ValueError):
            SparseVector(dimensions, elements)
