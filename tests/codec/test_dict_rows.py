"""Rows that are mappings: each value to the column of its key, in whatever order and of whatever type the keys come."""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, faults

KEYS = ("a", "b", "long name")


class Key(str):
    """A str that is no plain one, and hashes and compares like its text in lower case."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(self.lower())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == str(other)


def encoded(codec: ModuleType, row: Any, keys: tuple[str, ...] = KEYS) -> bytes:
    plan = codec.Plan([(const.KIND_INT4, 23, None, ())] * len(keys), keys)
    out = codec.WriteBuffer()
    out.begin_copy()
    codec.encode_copy_rows(out, plan, iter([row]), 1 << 20)
    out.end_copy()
    return bytes(out.take())


def other(key: str) -> str:
    """An equal str that is another object."""
    return "".join(list(key))


@pytest.mark.parametrize(
    "row",
    [
        {"a": 1, "b": 2, "long name": 3},
        {other("a"): 1, other("b"): 2, other("long name"): 3},
        {"long name": 3, "a": 1, "b": 2},
        {"a": 1, "long name": 3, "b": 2},
        {Key("A"): 1, Key("B"): 2, Key("LONG NAME"): 3},
        {"a": 1, "b": 2, Key("Long Name"): 3},
        OrderedDict([("b", 2), ("a", 1), ("long name", 3)]),
        MappingProxyType({"a": 1, "b": 2, "long name": 3}),
    ],
)
def test_values_go_to_the_columns_of_their_keys(codec: ModuleType, row: Any) -> None:
    assert encoded(codec, row) == encoded(codec, (1, 2, 3))


def test_keys_of_a_plan_need_not_be_plain(codec: ModuleType) -> None:
    keys = (Key("A"), Key("b"), Key("Long name"))
    assert encoded(codec, {"a": 1, "b": 2, "long name": 3}, keys) == encoded(codec, (1, 2, 3))


@pytest.mark.parametrize(
    ("row", "code", "column", "value"),
    [
        ({"a": 1, "b": 2}, faults.FAULT_ROW_KEY, 2, "long name"),
        ({"a": 1, "b": 2, "long": 3}, faults.FAULT_ROW_KEY, 2, "long name"),
        ({"A": 1, "b": 2, "long name": 3}, faults.FAULT_ROW_KEY, 0, "a"),
        ({"a": 1, "b": 2, "long name": 3, "c": 4}, faults.FAULT_ROW_WIDTH, -1, (4, 3)),
        ({}, faults.FAULT_ROW_KEY, 0, "a"),
    ],
)
def test_a_mapping_with_other_keys_is_refused(
    codec: ModuleType, row: dict[str, int], code: int, column: int, value: Any
) -> None:
    with pytest.raises(DataError) as caught:
        encoded(codec, row)
    found = caught.value.fault
    assert found is not None
    assert (found.code, found.at, found.column, found.value) == (code, 0, column, value)
