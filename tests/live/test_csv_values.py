"""Values of CSV files that the codec reads by itself: each is what the server's own COPY makes of the same text."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType

import pytest

import pgfast
from pgfast import const, errors

#: A type, the kind its values are read as, and the server's function for its binary form.
TYPES = [
    ("int2", const.KIND_INT2, "int2send"),
    ("int4", const.KIND_INT4, "int4send"),
    ("int8", const.KIND_INT8, "int8send"),
    ("oid", const.KIND_OID, "oidsend"),
    ("float4", const.KIND_FLOAT4, "float4send"),
    ("float8", const.KIND_FLOAT8, "float8send"),
    ("numeric", const.KIND_NUMERIC, "numeric_send"),
    ("date", const.KIND_DATE, "date_send"),
    ("time", const.KIND_TIME, "time_send"),
    ("timestamp", const.KIND_TIMESTAMP, "timestamp_send"),
    ("timestamptz", const.KIND_TIMESTAMPTZ, "timestamptz_send"),
    ("bool", const.KIND_BOOL, "boolsend"),
    ("uuid", const.KIND_UUID, "uuid_send"),
    ("bytea", const.KIND_BYTES, "byteasend"),
]
WORDS = (
    "true t tr yes y on o of off no f 1 0 01 TRUE Yes oN nan NaN inf -inf +Infinity infinit now epoch 0x10 1_000 1e . "
    "- -. +.e1 24:00 24:00:00 23:59:60 040506 J2451187 1.e5 .5e-1 5.e 0e0 0e816730 -0 -0.0 +0 00 1e400 1e-400 4.9e-324 "
    "1e-45 1e39 3.4028236e38 1e131072 1e-16384 \\x \\xAb \\X00 \\x0 a\\b"
)
BOUNDS = (10**4, 2**15, 2**24, 2**31, 2**32, 2**53, 10**16, 10**18, 2**63, 10**19, 2**64)


class Chance(random.Random):
    """Texts that look like values, most of them near the border of what is one."""

    def digits(self, most: int) -> str:
        return "".join(self.choices("0123456789", k=self.randint(0, most)))

    def number(self) -> str:
        text = (
            self.choice(("", "", "-", "+")) + self.choice(("", "0", "000")) + self.digits(self.choice((1, 4, 20, 300)))
        )
        if self.random() < 0.5:
            text += "." + self.digits(self.choice((0, 1, 8, 20, 60)))
        return text + (self.choice("eE") + self.choice(("", "-", "+")) + self.digits(3) if self.random() < 0.3 else "")

    def near_a_bound(self) -> str:
        return f"{self.choice(('', '-', '+'))}{self.choice(BOUNDS) + self.randint(-2, 2)}{self.choice(('', '.', '.5'))}"

    def real(self) -> str:
        bits = self.getrandbits(64)
        if self.random() < 0.5:  # halfway between two of float4, or next to it
            bits = bits & ~0x1FFFFFFF | 0x10000000
        (value,) = struct.unpack("<d", struct.pack("<Q", bits))
        exact = 1e-50 < abs(value) < 1e50 and self.random() < 0.5
        return str(Decimal(value)) + self.digits(2) if exact else repr(value)

    def day(self) -> str:
        year = self.choice((self.randint(0, 9999), 0, 1, 1900, 2000, 2024, 9999))
        return f"{year:04d}-{self.randint(0, 13):02d}-{self.choice((self.randint(0, 32), 28, 29, 30, 31)):02d}"

    def clock(self) -> str:
        text = f"{self.randint(0, 24):02d}:{self.choice((0, 59, 60)):02d}"
        if self.random() < 0.8:
            text += f":{self.choice((0, 59, 60)):02d}" + ("." + self.digits(7) if self.random() < 0.5 else "")
        return text

    def moment(self) -> str:
        zone = self.choice(
            ("", "", "Z", "z", "+00", "-00", "+05:30", "-0930", "+15:59", "+16", " +01", "+1", "+01:00:30")
        )
        return self.day() + self.choice((" ", "T", " ", "t", "")) + self.clock() + zone

    def uuid(self) -> str:
        text = "".join(self.choices("0123456789abcdefABCDEF", k=self.choice((32, 32, 31))))
        if self.random() < 0.5:
            at = self.randint(0, len(text))
            text = text[:at] + "-" + text[at:]
        return self.choice(("", "{")) + text + self.choice(("", "}"))

    def text(self) -> str:
        makers: list[Callable[[], str]] = [
            *(self.number, self.near_a_bound, self.real, self.day, self.clock, self.moment, self.uuid),
            lambda: self.choice(WORDS.split()),
        ]
        made = self.choice(makers)()
        if made and self.random() < 0.1:
            at = self.randrange(len(made))
            made = made[:at] + self.choice("0123456789.-+eE :TZx{}_ \\,é") + made[at + self.randint(0, 1) :]
        return made


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def taken(codec: ModuleType, kind: int, text: str, utc: bool) -> bytes | None:
    """The binary form the codec gives the text, None where it leaves it to the server."""
    limit = const.NUMERIC_MAX_WHOLE_DIGITS if kind == const.KIND_NUMERIC else 1 << 30
    state = codec.CsvState(1, [(0, kind, limit, const.NUMERIC_MAX_SCALE)], (b",", b'"', b""), utc=utc)
    buffer = codec.WriteBuffer()
    buffer.begin_copy()
    line = quoted(text).encode() + b"\n"
    try:
        codec.encode_copy_csv(buffer, state, line, 0, len(line), True, 1 << 30)
    except errors.DataError:
        return None
    buffer.end_copy()
    return bytes(buffer.take())[11:]  # behind the head of CopyData, the count of fields and the length of the one


def is_infinite(name: str, text: str) -> bool:
    """Whether the server's numeric has a scale that numeric_recv does not keep."""
    return name == "numeric" and "inf" in text.lower()


@pytest.mark.parametrize("utc", [True, False], ids=["utc", "local"])
@pytest.mark.parametrize(("name", "kind", "send"), TYPES, ids=[name for name, _, _ in TYPES])
def test_what_the_codec_takes_is_what_the_server_stores(
    codec: ModuleType, dsn: str, name: str, kind: int, send: str, utc: bool
) -> None:
    chance = Chance(f"{name} {utc}")
    with pgfast.connect(dsn, autocommit=True) as conn:
        conn.execute("select set_config('timezone', %s, false)", ("UTC" if utc else "America/St_Johns",))
        conn.execute(f"create temp table t (n int, v {name})")
        read = {text: taken(codec, kind, text, utc) for text in (chance.text() for _ in range(3000))}
        surely = [(text, wire) for text, wire in read.items() if wire is not None and not is_infinite(name, text)]
        with conn.cursor().copy("copy t from stdin (format csv, null '\\N')") as copy:
            copy.write("".join(f"{n},{quoted(text)}\n" for n, (text, _) in enumerate(surely)))
        stored: dict[int, bytes] = dict(conn.execute(f"select n, {send}(v) from t").fetchall())
    assert len(surely) > 3
    assert {text: stored[n] for n, (text, _) in enumerate(surely)} == dict(surely)
