"""The two codecs agree on the bytes of every value of the corpus, as a server sends them and bent in many ways.

The bytes come from the server once; those of each type meet the specs that the registry makes for it. Values that are
read must be written again as the very same bytes.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Final

import pytest

import pgfast
from pgfast import const
from pgfast.columns import sink_spec

from ..codec import reference
from ..conftest import CODECS
from ..versions import start_version
from .walk import Walked, fill, types_of

if "c" not in CODECS:
    pytest.skip("a pure build has nothing to compare", allow_module_level=True)
from ..codec.test_differential import LENGTHS, agree, as_run

#: Bent values of each type; PGFAST_EXAMPLES makes it look harder.
BENT: Final = int(os.environ.get("PGFAST_EXAMPLES", "150"))
#: Longer values are not bent: what is wrong in them is wrong in shorter ones.
LONGEST: Final = 4096
#: Policies by which every value can be held.
EXACT: Final[dict[str, Any]] = {"dates": "text", "times": "text", "json_loads": str, "json_dumps": str}


@dataclass(frozen=True, slots=True)
class Wires:
    """The binary fields of a type's values, and the specs of a column of it."""

    type: Walked
    fields: list[bytes]
    decode: Any
    encode: Any
    sink: Any


def fields_of(stream: bytes) -> Iterator[bytes]:
    """The fields of a binary COPY of one column."""
    at = len(const.COPY_HEADER)
    while stream[at : at + 2] != const.COPY_TRAILER:
        (length,) = struct.unpack_from(">i", stream, at + 2)
        yield stream[at + 6 : at + 6 + length]
        at += 6 + length


@pytest.fixture(scope="module")
def wires(request: pytest.FixtureRequest) -> list[Wires]:
    """The fields of every type that has a binary form, from the newest of the servers."""
    majors = [int(major) for major in request.config.getoption("--versions").split(",") if major]
    if not majors:
        pytest.skip("left out by --versions")
    found = []
    with start_version(max(majors)) as server, pgfast.connect(server.dsn, autocommit=True) as conn:
        types = types_of(conn)
        fill(conn, types, max(majors))
        conn.types.configure(**EXACT)
        for each in types:
            if not each.values or each.relation or each.parts & {"aclitem"}:
                continue
            conn.types.load(each.oid)
            rules, info = conn._session.registry.rules, conn._session.registry.info(each.oid)
            if not rules.reads_binary(each.oid):
                continue
            with conn.cursor() as cursor:
                sql = f"copy (select v from {each.table} order by n) to stdout (format binary)"
                with cursor.copy(sql) as copy:
                    stream = b"".join(copy)
            specs = rules.decode_spec(each.oid, const.BINARY), rules.encode_spec(each.oid)
            found.append(Wires(each, list(fields_of(stream)), *specs, sink_spec(info, -1)))
    assert len(found) > 200
    return found


def rows_of(module: ModuleType, spec: Any, fields: Sequence[bytes]) -> list[Any]:
    """The fields as values."""
    rows = [reference.row([field]) for field in fields]
    return [row[0] for row in module.decode_rows(module.Plan([spec]), *as_run(module, const.DATA_ROW, rows))]


def columns_of(module: ModuleType, spec: Any, fields: Sequence[bytes]) -> Any:
    """The fields as a column."""
    sink = module.ColumnSink([spec])
    module.decode_columns(sink, *as_run(module, const.DATA_ROW, [reference.row([field]) for field in fields]))
    return sink.cut()


def copied(module: ModuleType, spec: Any, values: Sequence[Any]) -> bytes:
    """The values as rows of a binary COPY."""
    out = module.WriteBuffer()
    out.begin_copy()
    module.encode_copy_rows(out, module.Plan([spec]), iter([(value,) for value in values]), 1 << 40)
    out.end_copy()
    return bytes(out.take())[5:]


def plain(field: bytes) -> bytes:
    """The field with no scale in infinite numerics, where servers leave a bit of their memory format in it."""
    for sign in (b"\xd0\0", b"\xf0\0"):
        field = field.replace(b"\0\0\0\0" + sign + b"\0\x20", b"\0\0\0\0" + sign + b"\0\0")
    return field


def test_every_value_is_read_alike_and_written_as_it_came(wires: list[Wires], codecs: tuple[ModuleType, ...]) -> None:
    for each in wires:
        found = agree(partial(rows_of, spec=each.decode, fields=each.fields))
        assert found[0] == "ok", f"{each.type.sql}: {found}"
        if each.encode is None:
            continue
        values = found[1]
        written = agree(partial(copied, spec=each.encode, values=values))
        assert written[0] == "ok", f"{each.type.sql}: {written}"
        fields = fields_of(const.COPY_HEADER + written[1] + const.COPY_TRAILER)
        for value, came, went in zip(values, each.fields, fields, strict=True):
            assert went == plain(came), f"{each.type.sql}: {value!r:.200}"


def test_every_value_becomes_a_column_alike(wires: list[Wires], codecs: tuple[ModuleType, ...]) -> None:
    for each in wires:
        if each.sink[0] == const.KIND_STR and each.decode[0] != const.KIND_STR:
            continue  # the column is the text form
        for field in each.fields:
            agree(partial(columns_of, spec=each.sink, fields=[field]))
        held = [field for field, value in zip(each.fields, each.type.values, strict=True) if value.columns]
        found = agree(partial(columns_of, spec=each.sink, fields=held))
        assert found[0] == "ok", f"{each.type.sql}: {found}"


def bent(field: bytes, rng: random.Random) -> bytes:
    """The field with one thing wrong: a length word, a bit, a byte, the end."""
    at = rng.randrange(len(field) + 1)
    how = rng.randrange(6)
    if how == 0:
        return field[:at]
    if how == 1:
        return field + rng.randbytes(rng.randrange(1, 9))
    if how == 2 and field:
        flipped = bytearray(field)
        flipped[at % len(field)] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if how == 3:
        at -= at % 4
        return field[:at] + struct.pack(">i", rng.choice(LENGTHS)) + field[at + 4 :]
    if how == 4:
        return field[:at] + rng.randbytes(1) + field[at + 1 :]
    cut = rng.randrange(at + 1)
    return field[:cut] + field[at:]


def test_bent_values_have_the_same_outcome(wires: list[Wires], codecs: tuple[ModuleType, ...]) -> None:
    for each in wires:
        rng = random.Random(each.type.key)
        short = [field for field in each.fields if len(field) <= LONGEST]
        as_column = each.sink[0] != const.KIND_STR or each.decode[0] == const.KIND_STR
        for _ in range(BENT):
            field = bent(rng.choice(short), rng)
            if rng.randrange(4) == 0:
                field = bent(field, rng)
            agree(partial(rows_of, spec=each.decode, fields=[field]))
            if as_column:
                agree(partial(columns_of, spec=each.sink, fields=[field]))
