"""Timestamps that go to a date column: midnights of any day a date can hold, in every unit, and nothing else."""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any

import pytest

from pgfast import const
from pgfast.errors import DataError, faults

SCALES = (1, 10**3, 10**6, 10**9)
FIRST, LAST = const.MIN_INT64, const.MAX_INT64


def encoded(codec: ModuleType, units: list[int], scale: int, start: int = 0) -> bytes:
    values = struct.pack(f"<{len(units)}q", *units)
    spec = (const.KIND_DATE, 1082, None, ())
    column = (const.LAYOUT_TIMESTAMP, spec, len(units), 0, None, values, None, scale, (), None)
    out = codec.WriteBuffer()
    out.begin_copy()
    assert codec.encode_copy_columns(out, [column], start, len(units), 1 << 30) == len(units)
    out.end_copy()
    return bytes(out.take())[5:]


@pytest.mark.parametrize("scale", SCALES)
def test_midnights_are_days(codec: ModuleType, scale: int) -> None:
    days = [0, 1, -1, 10957, 19000, 40000, -40000, -719162 if scale < 10**9 else -100_000]
    found = encoded(codec, [day * const.SECONDS_PER_DAY * scale for day in days], scale)
    assert found == b"".join([struct.pack(">hii", 1, 4, day - const.EPOCH_DAYS) for day in days])


def test_the_ends_of_the_count_are_the_infinities(codec: ModuleType) -> None:
    found = encoded(codec, [FIRST, LAST], 10**6)
    assert found == struct.pack(">hii", 1, 4, -(2**31)) + struct.pack(">hii", 1, 4, 2**31 - 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("off", [1, -1])
def test_a_time_of_day_is_refused(codec: ModuleType, scale: int, off: int) -> None:
    midnight = 365 * const.SECONDS_PER_DAY * scale
    with pytest.raises(DataError, match="have a time of day") as caught:
        encoded(codec, [midnight, midnight, midnight + off], scale, start=1)
    found: Any = caught.value.fault
    assert (found.code, found.at, found.column, found.value) == (faults.FAULT_TIME_OF_DAY, 1, 0, midnight + off)


@pytest.mark.parametrize("day", [2**31 - 1 + const.EPOCH_DAYS, -(2**31) + const.EPOCH_DAYS, 2**45])
def test_a_day_that_no_date_holds_is_refused(codec: ModuleType, day: int) -> None:
    with pytest.raises(DataError) as caught:
        encoded(codec, [day * const.SECONDS_PER_DAY], 1)
    assert caught.value.fault is not None
    assert caught.value.fault.code == faults.FAULT_VALUE_RANGE
