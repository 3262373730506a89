"""Values of every type of the catalogue, as SQL: the edges, the specials and the shapes that drivers have got wrong.

Law of this file: nothing of pgfast. A value is a literal of its type, an expression (`Sql`), or the bytes of its binary
form (`Wire`) where SQL cannot write it. `Beyond` marks those that the Python class of the type cannot hold and that
are refused by default; `columns` those that have no place in the type's Arrow layout.

Sources: PostgreSQL docs, "Data Types"; the servers' *_in functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Final


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a type.

    `text` is a literal of the type, or an expression that has it where `expression` is set; `wire` its binary form
    instead, of which its text form tells everything unless it is `payload`. `since` is the first major version that
    has it. `beyond`: the Python class cannot hold it. `columns`: a column of the type's Arrow layout can.
    """

    text: str = ""
    wire: bytes | None = None
    expression: bool = False
    since: int = 14
    beyond: bool = False
    columns: bool = True
    payload: bool = False

    def sql(self, kind: str) -> str:
        """The value in SQL as one of type `kind`."""
        return f"({self.text})::{kind}" if self.expression else f"{quote(self.text)}::{kind}"


def quote(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def sql(*expressions: str, since: int = 14) -> list[Value]:
    """Values by expressions."""
    return [Value(text, expression=True, since=since) for text in expressions]


def literals(*texts: str, since: int = 14) -> list[Value]:
    """Values by literals."""
    return [Value(text, since=since) for text in texts]


def beyond(*texts: str, since: int = 14, columns: bool = True) -> list[Value]:
    """Literals of values that the Python class cannot hold."""
    return [Value(text, since=since, beyond=True, columns=columns) for text in texts]


def not_in_columns(values: Iterable[Value]) -> list[Value]:
    """The same values, which the type's Arrow layout cannot hold."""
    return [replace(value, columns=False) for value in values]


def wires(form: str, *numbers: int, payload: bool = False) -> list[Value]:
    """Values by their binary form, packed by `struct`."""
    return [Value(wire=struct.pack(form, number), payload=payload) for number in numbers]


# ---------------------------------------------------------------- strings

#: Text that parsers of arrays, composites, ranges and COPY trip over.
STRINGS: Final = [
    "",
    " ",
    "a",
    "NULL",
    "null",
    "\\N",
    "\\.",
    "{}",
    "{NULL}",
    "()",
    "(,)",
    "[,)",
    "empty",
    '"',
    '""',
    "'",
    "\\",
    "\\\\",
    '\\"',
    ",",
    ";",
    "a,b",
    '{"a":"b,c"}',
    "\t\n\v\f\r",
    "\b\x01\x1f\x7f",
    "  both ends  ",
    "é",
    "naïve",
    "\u00a0\u2028\ufeff",
    "e\u0301",
    "\ufffd\uffff",
    "\U00010000",
    "\U0001f418\U0001f469\u200d\U0001f469",
    "\U0010ffff",
    "%s $1 %(name)s",
    "x" * 126,
    "x" * 127,
    "é" * 128,
    "\U0001f418" * 63,
]
LONG_STRINGS: Final = ["x" * 8191, "\U0001f418" * 5000, "long " * 20_000]

# ---------------------------------------------------------------- numbers


def integers(bits: int) -> list[Value]:
    """Both ends, zero, and both sides of every power of two and ten."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    found = {low, low + 1, high, high - 1}
    for power in range(bits):
        found |= {sign * 2**power + off for sign in (1, -1) for off in (-1, 0, 1)}
    found |= {sign * 10**power for sign in (1, -1) for power in range(20)}
    return literals(*[str(number) for number in sorted(found) if low <= number <= high])


def unsigned(bits: int) -> list[Value]:
    """Both ends, the sign bit's edge and powers of two."""
    found = {0, 2**bits - 1, 2**bits - 2}
    for power in range(bits):
        found |= {2**power - 1, 2**power}
    return literals(*[str(number) for number in sorted(found)])


def numerics() -> list[Value]:
    """Every group edge, zero groups before and behind the point, scales of zero, the longest there are."""
    found = ["0", "0.0", "0.0000", "0.00000", "0." + "0" * 100, "1", "-1", "1.0", "-1.0000000000"]
    for power in range(21):
        found += [f"1{'0' * power}", f"-{'9' * (power + 1)}", f"0.{'0' * power}1", f"-0.{'9' * (power + 1)}"]
        found += [f"1{'0' * power}.{'0' * power}1", f"7{'0' * power}.{'0' * (20 - power)}", f"0.{'0' * power}10000"]
    found += ["9999", "10000", "10001", "9999.9999", "9999.99990", "10000.0001", "100010000", "100000001", "0.00010001"]
    found += ["1.0000000100000000", "1000000000000.0000", "0.00000000000012", "12345678901234567890.123456789012345678"]
    found += ["100000000.00000000000000001", "5000000000000000000000000000000000000.5", "1e100", "1e-100", "1.5e37"]
    found += [
        "99999999999999999999999999999999999999",
        "170141183460469231731687303715884105728",
        "9" * 76,
        "1" + "0" * 76,
    ]
    found += ["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"]
    found += ["123456789" * 111 + "1", "0." + "987654321" * 111 + "2", "-" + "314159265" * 55 + "." + "271828182" * 55]
    found += ["1" + "0" * 999, "0." + "0" * 999 + "1", "1" + "0000" * 250 + "." + "0000" * 250 + "1"]
    found += ["1e131071", "-9.99e131071", "1e-16383", "0e-16383", "1" * 5000]
    return literals(*found, "NaN", "Infinity", "-Infinity")


FLOAT_TEXTS = ["0", "-0", "1", "-1", "0.1", "-0.1", "1.5", "3.141592653589793", "1e10", "1e15", "1e16", "1e21"]
FLOAT_TEXTS += [
    "123456.789",
    "16777216",
    "16777217",
    "9007199254740993",
    "1e-5",
    "0.0001",
    "NaN",
    "Infinity",
    "-Infinity",
]


# ---------------------------------------------------------------- time

ZONES: Final = [
    "+00",
    "+01",
    "-01",
    "+05:30",
    "-03:30",
    "+14",
    "-12",
    "+15:59:59",
    "-15:59:59",
    "+00:00:01",
    "-00:00:01",
]
DATES = ["0001-01-01", "0001-12-31", "0099-06-15", "1582-10-04", "1582-10-15", "1899-12-31", "1900-02-28"]
DATES += [
    "1900-03-01",
    "1969-12-31",
    "1970-01-01",
    "1999-12-31",
    "2000-01-01",
    "2000-02-29",
    "2004-02-29",
    "2100-03-01",
]
DATES += ["2026-07-04", "9999-12-31"]
FAR_DATES: Final = [
    "0001-12-31 BC",
    "0044-03-15 BC",
    "4713-11-24 BC",
    "10000-01-01",
    "12345-06-07",
    "infinity",
    "-infinity",
]
TIMES = ["00:00:00", "00:00:00.000001", "00:00:01", "12:34:56.789", "12:34:56.7", "12:00:00.00001", "23:59:59"]
TIMES += ["23:59:59.999999"]


def intervals() -> list[Value]:
    """Every mix of signs of its three parts, and their ends."""
    months, days, micros = (-14, -1, 0, 1, 14), (-3, 0, 5), (-86_400_000_001, -7, 0, 8, 3_600_000_000)
    found = [struct.pack(">qii", us, day, month) for month, day, us in product(months, days, micros)]
    texts = ["2147483647 days", "-2147483648 days", "999999999 days", "1000000000 days", "-999999999 days"]
    texts += ["2147483647 mons", "-2147483648 mons", "178000000 years", "1 day 23:59:59.999999", "1 day 24:00:00"]
    texts += ["-1 day +24:00:00", "999999999 days 23:59:59.999999", "-999999999 days -00:00:00.000001", "25:00:00"]
    texts += ["2562047:47:16.854775", "-2562047:47:16.854775"]
    # Beyond nanoseconds in 64 bits; the longest cannot be written by version 14.
    far = [(9223372036854776, 0, 0), (-9223372036854776, 0, 0)]
    longest = [(2**63 - 1, 0, 0), (-(2**63) + 1, 1, 0), (2**63 - 1, 2**31 - 1, 2**31 - 2)]
    return [
        *[Value(wire=wire) for wire in found],
        *literals(*texts),
        *not_in_columns([Value(wire=struct.pack(">qii", *parts)) for parts in far]),
        *not_in_columns([Value(wire=struct.pack(">qii", *parts), since=15) for parts in longest]),
        *not_in_columns(literals("infinity", "-infinity", since=17)),
    ]


# ---------------------------------------------------------------- bits, networks


def bits() -> list[Value]:
    """Strings of every length from 0 to 65: all ones, a lone last one, and mixed."""
    found = []
    for length in range(66):
        found += ["1" * length, ("0" * length)[1:] + "1", ("10110" * 13)[:length]]
    return literals(*dict.fromkeys(found), "0" * 1000, "01" * 5000)


def addresses() -> list[Value]:
    """Host addresses with every prefix."""
    found = [
        "0.0.0.0",
        "127.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "::ffff:1.2.3.4",
        "::1.2.3.4",
        "2001:db8::",
    ]
    found += ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1:0:0:2::", "1::2:0:0:3"]
    found += [f"192.168.171.205/{prefix}" for prefix in range(33)]
    found += [f"2001:db8:aaaa:5555:f0f0:1234:8765:4321/{prefix}" for prefix in range(129)]
    return literals(*found)


def networks() -> list[Value]:
    """Networks of every prefix."""
    found = [f"network(inet '255.255.255.255/{prefix}')" for prefix in range(33)]
    found += [f"network(inet '2001:db8:aaaa:5555:f0f0:1234:8765:4321/{prefix}')" for prefix in range(129)]
    return [*literals("0.0.0.0/0", "::/0", "10/8", "10.1", "::ffff:0:0/96"), *sql(*found)]


# ---------------------------------------------------------------- geometry

COORDINATES: Final = ["0", "-0", "1.5", "-2.25", "1e300", "5e-324", "Infinity", "-Infinity", "NaN", "0.1"]
POINTS: Final = [f"({x},{y})" for x, y in zip(COORDINATES, COORDINATES[1:] + COORDINATES[:1], strict=True)]
BOXES: Final = [f"{a},{b}" for a, b in zip(POINTS, POINTS[3:] + POINTS[:3], strict=True)]


# ---------------------------------------------------------------- ranges


def ranges(*bounds: str, since: int = 14) -> list[Value]:
    """Every form of brackets over these bounds, given in ascending order, and the unbounded and empty ones."""
    found = ["empty", "(,)"]
    quoted = ['"' + bound.replace("\\", "\\\\").replace('"', '\\"') + '"' for bound in bounds]
    for bound in quoted:
        found += [
            f"[{bound},)",
            f"({bound},)",
            f"(,{bound}]",
            f"(,{bound})",
            f"[{bound},{bound}]",
            f"[{bound},{bound})",
        ]
    for low, high in pairwise(quoted):
        found += [f"{left}{low},{high}{right}" for left, right in product("[(", "])")]
    return literals(*found, since=since)


def multiranges(*bounds: str) -> list[Value]:
    """None, one, several and touching ranges over these bounds, given in ascending order; four at least."""
    quoted = ['"' + bound.replace("\\", "\\\\").replace('"', '\\"') + '"' for bound in bounds]
    a, b, c, d = quoted[:4]
    found = ["{}", "{(,)}", "{empty}", f"{{[{a},{b}]}}", f"{{({a},{b}),[{c},{d}]}}", f"{{[{c},{d}),[{a},{b})}}"]
    found += [
        f"{{[{a},{c}),[{b},{d})}}",
        f"{{(,{a}),({b},)}}",
        f"{{[{a},{b}),[{b},{c})}}",
        f"{{(,{a}],[{b},{c}],[{d},)}}",
    ]
    return literals(*found)


#: Times that ranges have for bounds, in order.
_RANGE_TIMES: Final = [
    "0001-01-01 00:00:00",
    "1999-12-31 23:59:59.999999",
    "2000-01-01 00:00:00",
    "9999-12-31 23:59:59.5",
]
_RANGE_ZONED: Final = [f"{text}+00" for text in _RANGE_TIMES]
_FAR_RANGES: Final = ["[-infinity,infinity]", "[0044-03-15 BC,2000-01-01)", "[2000-01-01,12345-06-07)", "[infinity,)"]
_FAR_MULTIRANGES: Final = ["{[-infinity,0044-03-15 BC],[2000-01-01,infinity)}", "{[2000-01-01,12345-06-07)}"]
_NUMERIC_BOUNDS: Final = ["-Infinity", "-1000000000000.0000", "0.00", "0.00000000000000000001", "1.10", "Infinity"]

# ---------------------------------------------------------------- JSON

JSON_TEXTS = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1.5",
    "1.10",
    "1e5",
    "1E400",
    "1e-400",
    '""',
    '"a"',
    "[]",
]
JSON_TEXTS += ["{}", "[null]", '{"a":null}', "[1,[2,[3]],{}]", '{"a":{"b":[1,2,{"c":"d"}]}}', '{"":""}', '"\\""']
JSON_TEXTS += ['"\\\\"', '"\\u00e9\\ud83d\\udc18"', '"\U0001f418"', '{"é\U0001f418":"\\n\\t"}', '"\\u2028\u2028"']
JSON_TEXTS += ["12345678901234567890123456789", "0.1234567890123456789012345678901234567890", "1" + "0" * 400]
JSON_TEXTS += ["[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100, '"' + "x" * 70_000 + '"', '{"b":1,"a":2,"aa":3}']
#: Only json keeps these as they are written.
JSON_ONLY: Final = [' {"a" :\n1}\t', '{"a":1,"a":2}', '"\\u0000"', '"\\ud800"', "[1 , 2]", "1.0e+05"]

# ---------------------------------------------------------------- the types

#: Values by pg_type.typname; arrays, domains and the row types of relations have theirs made from these by the test.
VALUES: Final[Mapping[str, list[Value]]] = {
    "bool": literals("true", "false"),
    "bytea": [
        *literals("", "\\x00", "\\xff", "\\x5c", "\\x27", "\\x0a5c2e0a", "\\x" + bytes(range(256)).hex()),
        *sql("decode(repeat('00', 1000), 'hex')", "decode(repeat('00ff5c', 100000), 'hex')"),
    ],
    "char": [
        *sql(*[f'({code})::"char"' for code in range(128)]),
        # The text form of these is no valid text in version 14.
        *sql(*[f'({code})::"char"' for code in range(-128, 0)], since=15),
    ],
    "name": literals(*[text for text in STRINGS if len(text.encode()) < 64], "n" * 63, "é" * 31, "\U0001f418" * 15),
    "int8": integers(64),
    "int2": integers(16),
    "int2vector": literals("", "0", "1 2 3", "-32768 32767", " ".join(map(str, range(100)))),
    "int4": integers(32),
    "regproc": literals("-", "now", "pg_catalog.now", "4294967295", "2147483648", "boolin", "1"),
    "text": literals(*STRINGS, *LONG_STRINGS),
    "oid": unsigned(32),
    "tid": literals("(0,0)", "(0,1)", "(1,0)", "(2147483648,32768)", "(4294967295,65535)"),
    "xid": unsigned(32),
    "cid": unsigned(32),
    "oidvector": literals("", "0", "1 2 3", "4294967295 2147483648", " ".join(map(str, range(100)))),
    "json": literals(*JSON_TEXTS, *JSON_ONLY),
    "xml": literals(
        "",
        "text",
        "a &amp; b",
        "<a/>",
        "<a>é\U0001f418</a><b/>",
        '<?xml version="1.0"?><a/>',
        '<?xml version="1.0" encoding="UTF-8"?><a>é</a>',
        '<?xml version="1.0" standalone="yes"?><a/>',
        '<?xml version="1.1" standalone="no"?><a/>',
        "<!DOCTYPE a [<!ELEMENT a EMPTY>]><a/>",
        '<a b="c,&quot;d" xmlns:x="urn:x"><x:y/><![CDATA[<z>]]><!-- n --></a>',
        "<a>\n\t</a>",
        "<a>" + "x" * 70_000 + "</a>",
    ),
    "point": literals(*POINTS),
    "lseg": literals(*[f"[{box}]" for box in BOXES]),
    "path": literals(
        *[f"[{point}]" for point in POINTS],
        *[f"({point})" for point in POINTS],
        *[f"[{box}]" for box in BOXES],
        f"({','.join(POINTS)})",
        f"[{','.join(POINTS)}]",
    ),
    "box": literals(*BOXES, "(1,1),(0,0)", "(0,0),(1,1)", "(0,1),(1,0)", "(2,2),(2,2)"),
    "polygon": literals(*[f"({point})" for point in POINTS], *[f"({box})" for box in BOXES], f"({','.join(POINTS)})"),
    "line": literals("{1,2,3}", "{-1,0,5}", "{0,-1,0}", "{1e300,5e-324,-0}", "{NaN,1,2}", "{Infinity,1,-Infinity}"),
    "cidr": networks(),
    "float4": [
        *literals(*FLOAT_TEXTS, "3.4028235e38", "-3.4028235e38", "1.1754944e-38", "1.1754942e-38", "1e-45", "-1e-45"),
        # Quiet NaNs with a payload and a sign; a signalling one is made quiet by every conversion to a double.
        *wires(">I", 0x7FC00001, 0xFFC00000, 0xFFFFFFFF, payload=True),
        *wires(">I", 0x00000001, 0x807FFFFF, 0x33800001),
    ],
    "float8": [
        *literals(*FLOAT_TEXTS, "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308"),
        *literals(
            "2.225073858507201e-308", "5e-324", "-5e-324", "1e23", "9007199254740992", "4.35", "0.30000000000000004"
        ),
        *wires(
            ">Q",
            *(0x7FF8000000000001, 0xFFF8000000000000, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000001, 0xFFF4000000000000),
            payload=True,
        ),
        *wires(">Q", 0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x3FF0000000000001),
    ],
    "circle": literals(
        *[f"<{point},{radius}>" for point in POINTS for radius in ("0", "1.5")], "<(0,0),NaN>", "<(0,0),Infinity>"
    ),
    "macaddr8": literals(
        "00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03:04:05", "08002b:010203"
    ),
    "money": literals("0", "0.01", "-0.01", "1", "1.10", "-1234.56", "92233720368547758.07", "-92233720368547758.08"),
    "macaddr": literals("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03"),
    "inet": addresses(),
    "aclitem": literals(
        "=r/postgres", "postgres=arwdDxt/postgres", "postgres=r*w*/postgres", "=/postgres", "someone=X/postgres"
    ),
    "bpchar": literals(*STRINGS, "ab   ", "x" * 8191),
    "varchar": literals(*STRINGS, *LONG_STRINGS),
    "date": [*literals(*DATES), *beyond(*FAR_DATES, "4714-11-24 BC", "5874897-12-31")],
    "time": [*literals(*TIMES), *beyond("24:00:00", columns=False)],
    "timestamp": [
        *literals(
            *[f"{day} {time}" for day, time in zip(DATES, TIMES * 3, strict=False)],
            "0001-01-01",
            "9999-12-31 23:59:59.999999",
        ),
        *beyond(*FAR_DATES, "4714-11-24 00:00:00 BC", "294246-12-31 23:59:59.999999"),
        # Later than microseconds since 1970 go in 64 bits.
        *beyond("294276-12-31 23:59:59.999999", columns=False),
    ],
    "timestamptz": [
        *literals(
            *[f"{day} {time}+00" for day, time in zip(DATES, TIMES * 3, strict=False)], "9999-12-31 23:59:59.999999+00"
        ),
        *literals(
            *[f"2024-07-01 12:00:00.5{zone}" for zone in ZONES], "2024-03-31 01:30:00+00", "1880-01-01 00:00:00+00"
        ),
        *beyond(*FAR_DATES, "4714-11-24 00:00:00+00 BC", "294246-12-31 23:59:59.999999+00", "10000-01-01 00:00:00+00"),
        *beyond("294276-12-31 23:59:59.999999+00", columns=False),
    ],
    "interval": intervals(),
    "timetz": [
        *literals(*[f"{time}{zone}" for time, zone in product(TIMES, ZONES)]),
        *beyond("24:00:00+00", "24:00:00-15:59:59"),
    ],
    "bit": bits(),
    "varbit": bits(),
    "numeric": numerics(),
    "refcursor": literals(*STRINGS),
    "regprocedure": literals("-", "now()", "abs(integer)", 'format(text,"any")', "4294967295", "1"),
    "regoper": literals("0", "||/", "pg_catalog.||/", "4294967295", "1"),
    "regoperator": literals("0", "+(integer,integer)", "-(none,integer)", "4294967295", "1"),
    "regclass": literals("-", "pg_class", "pg_catalog.pg_type", '"Odd Schema"."Odd ""Table"" x"', "4294967295", "1"),
    "regtype": literals("-", "integer", "integer[]", "timestamp with time zone", '"char"', "mood", "4294967295", "1"),
    "uuid": literals(
        "0" * 32,
        "f" * 32,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "00000000-0000-0000-0000-000000000001",
        "80" + "0" * 30,
    ),
    "txid_snapshot": literals(
        "1:1:", "10:20:", "10:20:10,14,15", "1:9223372036854775807:", "4294967297:4294967300:4294967298,4294967299"
    ),
    "pg_lsn": literals("0/0", "0/1", "16/B374D848", "FFFFFFFF/FFFFFFFF", "80000000/0"),
    "tsvector": [
        *literals(
            "", "a", "a b c", "a:1A,2B,3C,4D b:16383", "'it''s':3 '\\\\':4 'x y':5B", "é \U0001f418:1", "'a:1' ' '"
        ),
        *sql("to_tsvector('simple', 'the quick brown fox the end')"),
        *literals(" ".join(f"w{n}:{n + 1}" for n in range(2000)), "a:" + ",".join(str(n) for n in range(1, 250))),
    ],
    "tsquery": [
        *literals(
            "", "a", "a & b", "a | b & !c", "!!a", "a <-> b", "a <16384> b", "(a | b) <2> !c", "a:*", "a:ABCD", "a:*AB"
        ),
        *literals("'it''s' & 'x y'", "'\\\\'", "é & \U0001f418", "a <0> b", " & ".join(f"w{n}" for n in range(100))),
    ],
    "regconfig": literals("simple", "english", "pg_catalog.german", "4294967295", "1"),
    "regdictionary": literals("simple", "english_stem", "4294967295", "1"),
    "jsonb": literals(*JSON_TEXTS),
    "jsonpath": literals(
        "$",
        "strict $",
        "$.a[*].b",
        "$[0 to last]",
        '$."k\\"e y"',
        '$.* ? (@.a > 1 && @.b like_regex "^x" flag "i")',
        "$.a.size() + 1.5",
    ),
    "regnamespace": literals("-", "pg_catalog", '"Odd Schema"', "4294967295", "1"),
    "regrole": literals("-", "postgres", '"Odd ""Role"" x"', "4294967295"),
    "regcollation": literals("-", '"C"', '"POSIX"', "4294967295"),
    "pg_snapshot": literals(
        "1:1:", "10:20:", "10:20:10,14,15", "1:9223372036854775807:", "4294967297:4294967300:4294967298,4294967299"
    ),
    "xid8": unsigned(64),
    # ranges and multiranges
    "int4range": ranges("-2147483648", "-1", "0", "1", "2147483646"),
    "int8range": ranges("-9223372036854775808", "-1", "0", "1", "9223372036854775806"),
    "numrange": ranges(*_NUMERIC_BOUNDS, "NaN"),
    "tsrange": [*ranges(*_RANGE_TIMES), *beyond(*_FAR_RANGES)],
    "tstzrange": [*ranges(*_RANGE_ZONED), *beyond(*_FAR_RANGES)],
    "daterange": [
        *ranges(*[text[:10] for text in _RANGE_TIMES[:3]], "9999-12-30"),
        *beyond("(,9999-12-31]", *_FAR_RANGES),
    ],
    "int4multirange": multiranges("-2147483648", "-1", "1", "2147483646"),
    "int8multirange": multiranges("-9223372036854775808", "-1", "1", "9223372036854775806"),
    "nummultirange": multiranges(*_NUMERIC_BOUNDS),
    "tsmultirange": [*multiranges(*_RANGE_TIMES), *beyond(*_FAR_MULTIRANGES)],
    "tstzmultirange": [*multiranges(*_RANGE_ZONED), *beyond(*_FAR_MULTIRANGES)],
    "datemultirange": [
        *multiranges(*[text[:10] for text in _RANGE_TIMES[:3]], "9999-12-30"),
        *beyond(*_FAR_MULTIRANGES),
    ],
}

# ---------------------------------------------------------------- types that no column has

#: What a query can return though no table can hold it: expressions, each with the type's name left out.
RESULTS: Final[Mapping[str, list[str]]] = {
    "record": [
        "row()",
        "row(null)",
        "row(1, 'a'::text, null::int4, 1.10::numeric)",
        "row(row(1, row('x'::text)), array[1, null, 3], '[1,2)'::int4range)",
        "row('unknown')",
        "row('sad'::mood, row(1, 'x')::pair, array[row(1, 'y')::pair])",
        "row('2024-07-01'::date, '12:00'::time, '10.0.0.1'::inet, '{}'::jsonb)",
    ],
    "_record": [
        "array[row(1, 'a'::text), row(2, null::text)]",
        "array[row(1), null]",
        "array[[row()], [row()]]",
        "'{}'::record[]",
    ],
    "cstring": ["textout('')", "textout('a🐘')", "textout('a,b')"],
    "_cstring": ["array[textout('a'), null, textout('')]", "'{}'::cstring[]"],
    "void": ["pg_sleep(0)", "pg_notify('a', 'b')"],
    "unknown": ["'a'::unknown", "null::unknown"],
    "anyarray": [
        "(select most_common_vals from pg_stats where tablename = 'measured' and attname = 'b')",
        "(select stavalues1 from pg_statistic where stavalues1 is not null limit 1)",
    ],
    "pg_node_tree": ["(select ev_action from pg_rewrite order by oid limit 1)", "null::pg_node_tree"],
    "pg_ndistinct": ["(select stxdndistinct from pg_statistic_ext_data)"],
    "pg_dependencies": ["(select stxddependencies from pg_statistic_ext_data)"],
    "pg_mcv_list": ["(select stxdmcv from pg_statistic_ext_data)"],
}

_CODE: Final = "a mark on functions written in C; no query can return a value of it"
_POLYMORPHIC: Final = "stands for the type of an argument; the parser puts the real one in its place"
_INDEX: Final = "is only stored inside indexes; its input function refuses and no function of SQL returns it"

#: Types that no value ever leaves the server of, and why.
NEVER: Final[Mapping[str, str]] = {
    **dict.fromkeys(("any", "internal", "trigger", "event_trigger", "pg_ddl_command"), _CODE),
    **dict.fromkeys(("language_handler", "index_am_handler", "table_am_handler", "fdw_handler", "tsm_handler"), _CODE),
    **dict.fromkeys(
        ("anyelement", "anynonarray", "anyenum", "anyrange", "anymultirange", "anycompatible"), _POLYMORPHIC
    ),
    **dict.fromkeys(("anycompatiblearray", "anycompatiblenonarray", "anycompatiblerange"), _POLYMORPHIC),
    "anycompatiblemultirange": _POLYMORPHIC,
    **dict.fromkeys(("gtsvector", "_gtsvector", "ghstore", "ltree_gist", "gtrgm", "intbig_gkey"), _INDEX),
    **dict.fromkeys(("pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"), _INDEX),
    **dict.fromkeys(("gbtreekey2", "gbtreekey4", "gbtreekey8", "gbtreekey16", "gbtreekey32", "gbtreekey_var"), _INDEX),
}
