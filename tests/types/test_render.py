"""Values -> the text form that every server reads the same."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pgfast import Interval
from pgfast.types.render import render, render_any


class Shouting(str):
    def __str__(self) -> str:
        return self.upper()


class Mood(enum.Enum):
    OK = "ok"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (Shouting("x"), "x"),
        (Mood.OK, "ok"),
        (True, "true"),
        (5, "5"),
        (0.1, "0.1"),
        (Decimal("1.50"), "1.50"),
        (b"\x00\xff", "\\x00ff"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "2024-01-02 03:04:05+00:00"),
        (time(1, 2), "01:02:00"),
        (timedelta(days=-1, seconds=1), "+0 mons +0 days -23:59:59.000000"),
        (Interval(1, -2, 3), "+1 mons -2 days +00:00:00.000003"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (np.int16(7), "7"),
    ],
)
def test_scalars_are_written(value: Any, text: str) -> None:
    assert render(value) == text


def test_lists_are_written_as_arrays() -> None:
    assert render_any([1, None, [2]][:2]) == "{1,NULL}"
    assert render_any([["a b", "null"], ['"', ""]]) == '{{"a b","null"},{"\\"",""}}'


def test_other_types_are_the_callers_to_write() -> None:
    with pytest.raises(TypeError, match="pass its text form as str, not dict"):
        render({"a": 1})
