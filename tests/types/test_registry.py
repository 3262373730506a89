"""OIDs -> plans."""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack

import pytest

from pgfast import const
from pgfast.types import BY_ARRAY_OID, BY_OID, Registry, type_name
from pgfast.types.catalogue import FIRST_SET
from pgfast.types.registry import decode_spec, encode_spec, parameter_spec

INET = 869


@dataclass(frozen=True)
class Field:
    type_oid: int
    format: int


def test_known_types_come_in_binary_and_others_as_text() -> None:
    oids = [const.OID_INT4, INET, 1007, const.OID_UNKNOWN]
    assert unpack(">4h", Registry().result_formats(oids)) == (1, 0, 1, 1)
    assert Registry().result_formats([]) == b""


def test_every_type_is_written_in_binary_and_so_is_its_array() -> None:
    for info in FIRST_SET:
        spec = encode_spec(info.oid)
        assert spec is not None
        assert spec[0] == info.kind
        array = encode_spec(info.array_oid)
        assert array is not None
        assert array[:3] == (const.KIND_ARRAY, info.kind, info.oid)


def test_a_type_the_driver_does_not_know_is_text_in_both_directions() -> None:
    assert encode_spec(INET) is None
    assert parameter_spec(INET, 1)[0] == const.KIND_TEXT_CALL
    assert decode_spec(INET, const.TEXT) == (const.KIND_TEXT_CALL, 0, 0, None)
    assert decode_spec(INET, const.BINARY) == (const.KIND_CALL, 0, 0, None)


def test_plans_are_made_once_for_their_types() -> None:
    registry = Registry()
    assert registry.encode_plan([23, 25]) is registry.encode_plan((23, 25))
    fields = [Field(23, const.BINARY), Field(1700, const.TEXT)]
    assert registry.row_plan(fields) is registry.row_plan(tuple(fields))
    assert registry.row_plan(fields) is not registry.row_plan([Field(23, const.TEXT), Field(1700, const.TEXT)])
    assert registry.row_plan(fields).width == 2


def test_plans_are_not_kept_without_limit() -> None:
    registry = Registry()
    first = registry.encode_plan([1])
    for oid in range(2, 1100):
        registry.encode_plan([oid])
    assert registry.encode_plan([1]) is not first


def test_no_two_types_share_an_oid() -> None:
    assert len(BY_OID) == len(BY_ARRAY_OID) == len(FIRST_SET)
    assert not set(BY_OID) & set(BY_ARRAY_OID)


@pytest.mark.parametrize(
    ("oid", "name"), [(23, "integer"), (1182, "date[]"), (18, '"char"'), (INET, "type with OID 869")]
)
def test_types_are_named_as_in_a_cast(oid: int, name: str) -> None:
    assert type_name(oid) == name
