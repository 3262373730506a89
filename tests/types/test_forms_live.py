"""Forms against the server's own functions: what it sends is read the same from both forms, and goes back the same."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Final

import pytest

import pgfast
from pgfast.embedded import EmbeddedServer
from pgfast.types.forms import EXTENSIONS, FORMS, Form, money_form
from pgfast.types.forms.floats import render_float4, render_float8

from ..servers import TlsServer
from .wires import Sent, sent, shown, taken

RANDOM: Final = random.Random(7)
BITS: Final = ["".join(RANDOM.choice("01") for _ in range(length)) for length in (*range(66), 1000, 4096)]
NUMBERS: Final = [
    "0",
    "-0",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e300",
    "5e-324",
    "1e23",
    "0.1",
    "1e15",
    "123456789012345",
]
PAIRS: Final = [f"({x},{y})" for x in NUMBERS for y in ("1", "-0", "NaN")]
FINITE: Final = [pair for pair in PAIRS if "NaN" not in pair and "Infinity" not in pair]
V4: Final = [f"{RANDOM.randrange(2**32) >> 24}.{RANDOM.randrange(256)}.0.{RANDOM.randrange(256)}" for _ in range(10)]
V6: Final = [
    ":".join(f"{RANDOM.choice((0, 0, 0, 1, 0xFFFF, RANDOM.randrange(65536))):x}" for _ in range(8)) for _ in range(200)
]
WORDS: Final = ["a", "it''s", r"back\\slash", "two words", "zürich", "😀", "a:1A", "''''", "&", "<->", "!", "tab\t"]
QUOTED: Final = [f"'{word}'" for word in WORDS]

VALUES: Final[dict[str, list[str]]] = {
    "inet": [
        *V4,
        *(f"{one}/{prefix}" for one in V4[:3] for prefix in (0, 1, 8, 31, 32)),
        *V6,
        *(f"{one}/{prefix}" for one in V6[:9] for prefix in (0, 1, 64, 127, 128)),
        "::",
        "::1",
        "::2",
        "::1:0:0/112",
        "::ffff:1.2.3.4",
        "::ffff:0:0",
        "::1.2.3.4/96",
        "::1.2.0.0",
        "1:0:0:2::",
        "1:2:3:4:5:6:7:0",
        "0:1:2:3:4:5:6:7",
        "ffff::",
        "2001:db8::ffff:0:0:1",
        "10.1.2.3/8",
        "10/8",
        "::ffff:0:1.2.3.4",
    ],
    "cidr": ["0.0.0.0/0", "10/8", "192.168.1.0/24", "1.2.3.4", "::/0", "2001:db8::/32", "::1", "::ffff:1.2.3.4/128"],
    "macaddr": ["08:00:2b:01:02:03", "0:0:0:0:0:0", "FFFFFF-FFFFFF", "0800.2b01.0203"],
    "macaddr8": ["08:00:2b:01:02:03:04:05", "08002b:010203", "ffff.ffff.ffff.ffff"],
    "varbit": BITS,
    "bit(9)": ["101010101", "000000000"],
    "point": PAIRS,
    "line": ["{1,2,3}", "{-0,0.1,1e300}", "{NaN,1,2}", "{1,Infinity,-Infinity}"],
    "lseg": [f"[{one},(1,2)]" for one in PAIRS],
    "box": [f"{one},(1,2)" for one in FINITE] + ["(-Infinity,0),(Infinity,1)", "(NaN,1),(2,NaN)"],
    "path": [f"[{one}]" for one in PAIRS]
    + [f"({one},(1,2))" for one in PAIRS]
    + ["(" + ",".join(PAIRS) + ")", "(1,2)"],
    "polygon": [f"({one},(1,2))" for one in FINITE] + ["(" + ",".join(FINITE) + ")", "(1,2)"],
    "circle": ["<(1,2),3>", "<(-0,NaN),0>", "<(1e300,5e-324),Infinity>", "<(1,2),NaN>", "((1,2),3)"],
    "tsvector": [
        "",
        *QUOTED,
        " ".join(QUOTED),
        "a:1",
        "b:2A,1B,3C,4D a",
        "c:16383A,16384,20000",
        "a:1,1A,2 a:3B b b:1",
        "w:" + ",".join(str(n) for n in range(1, 400)),
        "x'y plain",
        r"\:odd :odd",
    ],
    "tsquery": [
        "",
        *QUOTED,
        " & ".join(QUOTED),
        "a & b | !c",
        "a & (b | !c)",
        "!(a <-> b) & !!c",
        "a <-> (b <-> c) <5> d",
        "(a <-> b) <0> c <16384> d",
        "a:* | b:ABCD | c:*dA",
        "a | (b | c)",
        "a & (b & c)",
        "!(a & b)",
        "(!a) <-> !(b | c)",
        "a <-> (b & c)",
        "(a | b) <-> (c <2> (d <-> e))",
        "!" * 20 + "a",
    ],
    "pg_lsn": ["0/0", "FFFFFFFF/FFFFFFFF", "16/B374D848", "0/1", "1/0", "0/0000000A"],
    "tid": ["(0,0)", "(0,1)", "(4294967295,65535)"],
    "pg_snapshot": [
        "1:1:",
        "10:20:10,14,15",
        "10:20:10,10,15",
        "1:9223372036854775807:",
        f"5:9000:{','.join(str(n) for n in range(5, 3000))}",
    ],
    "txid_snapshot": ["1:1:", "10:20:10,14,15"],
    "jsonpath": ["$", "$.a[*] ? (@.b > 1)", 'strict $."é😀"'],
    "refcursor": ["", "a cursor", "é😀"],
}
CONTRIB: Final[dict[str, list[str]]] = {
    "hstore": [
        "",
        "a=>1",
        "a=>NULL, b=>null",
        '"a b"=>"c\\"d", "e\\\\f"=>"", ""=>x',
        'é=>"😀", "NULL"=>"NULL"',
        'a=>"1,2=>3"',
        ", ".join(f'"k{n}"=>"{n}"' for n in range(300)),
    ],
    "citext": ["", "Text", "é😀"],
    "ltree": ["", "a", "Top.Science.Astronomy", "a_1.B2"],
    "lquery": ["*", "Top.*{1,2}.a|b@*%", "!x.*"],
    "ltxtquery": ["a", "Europe & Russia*@ & !Transportation", "a | (b & c)"],
    "cube": [
        "()",
        "(1)",
        "(1,2,3)",
        "(1,2),(3,4)",
        "(3,4),(1,2)",
        "[(0,0),(0,0)]",
        "(-0),(0)",
        "(0.1,1e300),(Infinity,-1e-7)",
        "(NaN),(1)",
        "1,2",
        "(" + ",".join(str(n / 7) for n in range(100)) + ")",
    ],
}
VECTORS: Final[dict[str, list[str]]] = {
    "vector": ["[0]", "[1,2,3]", "[0.1,-0,1e6,999999,1e-7,3.4028235e38,1e-45]", str([n / 7 for n in range(2000)])],
    "halfvec": ["[0]", "[0.1,65504,6e-8,-0,0.00006]"],
    "sparsevec": ["{}/5", "{1:0.1,3:2e10}/5", "{5:-1}/5", "{1000000000:1}/1000000000", "{1:1,2:0}/2"],
}


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Iterator[pgfast.Connection]:
    with pgfast.connect(server.dsn) as made:
        made.set_autocommit(True)
        made.execute("create extension if not exists vector")
        yield made


@pytest.fixture(scope="module")
def contrib(tls_server: TlsServer) -> Iterator[pgfast.Connection]:
    with pgfast.connect(**tls_server.keywords("postgres")) as made:
        made.set_autocommit(True)
        for name in ("hstore", "citext", "ltree", "cube"):
            made.execute(f"create extension if not exists {name}")
        yield made


def check(connection: pgfast.Connection, form: Form, type_name: str, values: list[Sent]) -> None:
    """Both forms are read to the same value, written as the server writes it, and received as what was sent."""
    assert form.decode is not None
    decoded = [form.decode(one.binary) for one in values]
    for one, value in zip(values, decoded, strict=True):
        assert shown(value) == shown(form.parse(one.text)), one
        assert form.render(value) == one.text
    if form.encode is not None:
        assert [form.encode(value) for value in decoded] == [one.binary for one in values]
        back = [form.encode(value) or b"" for value in decoded]
        back += [form.encode(form.render(value)) or b"" for value in decoded]
        assert taken(connection, type_name, back) == values * 2


@pytest.mark.parametrize("type_name", VALUES)
def test_a_built_in_type_is_read_and_written_as_the_server_does(connection: pgfast.Connection, type_name: str) -> None:
    form = FORMS[type_name.partition("(")[0]]
    check(connection, form, type_name, sent(connection, type_name, VALUES[type_name]))


@pytest.mark.parametrize("type_name", CONTRIB)
def test_a_type_of_contrib_is_read_and_written_as_the_server_does(contrib: pgfast.Connection, type_name: str) -> None:
    (form,) = [form for (name, send), form in EXTENSIONS.items() if name == type_name and send != "-"]
    assert isinstance(form, Form)
    check(contrib, form, type_name, sent(contrib, type_name, CONTRIB[type_name]))


@pytest.mark.parametrize("choice", ["numpy", "list"])
@pytest.mark.parametrize("type_name", VECTORS)
def test_a_type_of_pgvector_is_read_and_written_as_the_server_does(
    connection: pgfast.Connection, type_name: str, choice: str
) -> None:
    form = EXTENSIONS[type_name, f"{type_name}_send"]
    if not isinstance(form, Form):
        form = form(choice)
    check(connection, form, type_name, sent(connection, type_name, VECTORS[type_name]))


def test_extensions_are_named_as_the_catalogue_names_them(
    connection: pgfast.Connection, contrib: pgfast.Connection
) -> None:
    query = "select typname, typsend::text from pg_type where typsend::text = any($1) order by 1"
    found = [
        tuple(row)
        for one in (connection, contrib)
        for row in one.execute(query, [[send for _, send in EXTENSIONS if send != "-"]]).fetchall()
    ]
    expected = [key for key in EXTENSIONS if key[0] not in ("geometry", "geography") and key[1] != "-"]
    assert sorted(found) == sorted(expected)


def test_every_built_in_form_is_of_a_type_of_the_catalogue(connection: pgfast.Connection) -> None:
    found = connection.execute("select typname::text from pg_type where typnamespace = 'pg_catalog'::regnamespace")
    assert set(FORMS) <= {name for (name,) in found.fetchall()}


def test_text_the_server_would_take_is_sent_as_what_it_stands_for(connection: pgfast.Connection) -> None:
    loose = {
        "macaddr": ["08:00:2B:1:2:3", "08002b010203", "08-00-2b-01-02-03", "0800-2b01-0203", " 08002b:010203 "],
        "macaddr8": ["08002b0102030405", "0800-2b01-0203-0405", "08:00:2b:01:02:03", "08002B.01.02.03"],
        "varbit": ["b101", "xFf0", "B", "X"],
        "pg_lsn": ["00000016/b374d848"],
        "tsvector": [
            "b a",
            " a\t'b'c ",
            r"a\'b",
            "a:1*,2b",
            r"\ ",
            "b:3 a:2 b:1,3A",
            ":a b:1",
            "'x':1a 'x'",
            "aa a ab b",
            "c:16383,16384A,1",
            "c:16384A,16383",
            "c:5D,5C,5A,5B",
        ],
        "lseg": ["(1,2),(3,4)", "((1,2),(3,4))", "1,2,3,4", "[ ( 1 , 2 ) , ( 3 , 4 ) ]"],
        "box": ["1,2,3,4", "((1,2),(3,4))"],
        "path": ["1,2,3,4", "(1,2),(3,4)", "[1,2,3,4]"],
        "polygon": ["1,2,3,4", "(1,2),(3,4)"],
        "circle": ["1,2,3", "(1,2),3", "((1,2),3)", "< (1,2) , 3 >"],
        "point": ["1,2", " ( 1 , 2 ) ", "1e1,.5"],
        "inet": ["::FFFF:1.2.3.4", "2001:DB8:0:0:0:0:0:1/64"],
        "tid": [" (1,2) "],
        "pg_snapshot": ["10:20:10,10"],
    }
    for type_name, texts in loose.items():
        encode = FORMS[type_name].encode
        assert encode is not None
        assert taken(connection, type_name, [encode(text) or b"" for text in texts]) == sent(
            connection, type_name, texts
        ), type_name


def test_an_empty_tsquery_cannot_be_sent_in_binary(connection: pgfast.Connection) -> None:
    assert FORMS["tsquery"].encode is None
    with pytest.raises(pgfast.InternalError, match="operand not found"):
        taken(connection, "tsquery", [bytes(4)])
    connection.execute("drop table if exists taken")


def test_money_is_an_exact_decimal_in_binary(connection: pgfast.Connection) -> None:
    texts = ["0", "1.23", "-0.01", "92233720368547758.07", "-92233720368547758.08", "1234567.8"]
    check_money = money_form(2)
    values = sent(connection, "money", texts)
    assert check_money.decode is not None and check_money.encode is not None
    decoded = [check_money.decode(one.binary) for one in values]
    assert [str(one) for one in decoded] == [
        "0.00",
        "1.23",
        "-0.01",
        "92233720368547758.07",
        "-92233720368547758.08",
        "1234567.80",
    ]
    for one, value in zip(values, decoded, strict=True):
        assert shown(check_money.parse(one.text)) == shown(value)
        assert check_money.encode(value) == check_money.encode(one.text) == one.binary
        text = check_money.render(value)
        assert text is not None and sent(connection, "money", [text]) == [one]


def test_double_precision_is_shown_as_the_server_shows_it(connection: pgfast.Connection) -> None:
    numbers = [struct.unpack(">d", RANDOM.randbytes(8))[0] for _ in range(2000)]
    numbers += [float(RANDOM.randrange(2**50, 2**62) << RANDOM.randrange(60)) for _ in range(2000)]
    numbers += [
        float(f"{RANDOM.randrange(1, 10 ** RANDOM.randrange(1, 6))}e{RANDOM.randrange(-30, 40)}") for _ in range(2000)
    ]
    numbers += (
        [2.0**n for n in range(-1074, 1024)] + [5.0**n for n in range(18, 40)] + [5.0**n * 2**31 for n in range(28)]
    )
    numbers += [10.0**n for n in range(-20, 40)] + [9007199254740993.0 * 2**n for n in range(40)]
    query = "select x::text from unnest($1::float8[]) with ordinality v(x, n) order by n"
    found = [text for (text,) in connection.execute(query, [numbers]).fetchall()]
    assert [render_float8(number) for number in numbers] == found


def test_single_precision_is_shown_as_the_server_shows_it(connection: pgfast.Connection) -> None:
    numbers = [struct.unpack(">f", RANDOM.randbytes(4))[0] for _ in range(3000)]
    numbers += [float(RANDOM.randrange(2**23, 2**24) << RANDOM.randrange(30)) for _ in range(3000)]
    numbers += [2.0**n for n in range(-149, 128)] + [n * 2.0**-149 for n in range(1, 300)]
    numbers += [RANDOM.randrange(10**6) / 1000 for _ in range(1000)] + [0.0, -0.0]
    query = "select x::float4::text from unnest($1::float8[]) with ordinality v(x, n) order by n"
    found = [text for (text,) in connection.execute(query, [numbers]).fetchall()]
    assert [render_float4(number) for number in numbers] == found


def random_query(depth: int) -> str:
    if depth == 0 or RANDOM.random() < 0.2:
        return RANDOM.choice([*QUOTED, "a", "b:*", "c:AD"])
    if RANDOM.random() < 0.25:
        return f"!({random_query(depth - 1)})"
    operator = RANDOM.choice(["&", "|", "<->", "<2>", "<0>"])
    return f"({random_query(depth - 1)}) {operator} ({random_query(depth - 1)})"


def test_queries_of_any_shape_are_shown_as_the_server_shows_them(connection: pgfast.Connection) -> None:
    check(connection, FORMS["tsquery"], "tsquery", sent(connection, "tsquery", [random_query(5) for _ in range(500)]))


def test_vectors_of_any_text_are_read_as_the_server_reads_them_or_refused(connection: pgfast.Connection) -> None:
    encode = FORMS["tsvector"].encode
    assert encode is not None
    pieces = ["a", "b", "'", "''", "\\", ":", "1", "16384", ",", "A", "d", " ", "\t", "é", "'x y'", ":3B"]
    both = 0
    for _ in range(1500):
        text = "".join(RANDOM.choices(pieces, k=RANDOM.randrange(1, 9)))
        try:
            expected = sent(connection, "tsvector", [text])
        except pgfast.errors.SyntaxError:
            expected = None
        try:
            found = taken(connection, "tsvector", [encode(text) or b""])
        except ValueError:
            continue  # what the server would take may be refused, never the other way round
        assert found == expected, text
        both += 1
    assert both > 300
