"""Intervals in every style the server writes, and back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgfast import Interval
from pgfast.types.intervals import INFINITY, MINUS_INFINITY, parse_interval, render_interval

FULL = Interval(14, 3, 14706789000)


@pytest.mark.parametrize(
    "word",
    [
        "1 year 2 mons 3 days 04:05:06.789",
        "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
        "+1-2 +3 +4:05:06.789",
        "P1Y2M3DT4H5M6.789S",
        "1 year 2 months 3 days 4 hours 5 minutes 6 seconds 789 ms",
    ],
)
def test_each_style_is_read(word: str) -> None:
    assert parse_interval(word) == FULL


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("00:00:00", timedelta()),
        ("0", timedelta()),
        ("@ 0", timedelta()),
        ("PT0S", timedelta()),
        ("-04:05:06", -timedelta(hours=4, minutes=5, seconds=6)),
        ("-1 days +02:03:00", Interval(0, -1, 7380000000)),
        ("-1 days -02:03:00", -timedelta(days=1, hours=2, minutes=3)),
        ("1 mon -1 days", Interval(1, -1, 0)),
        ("@ 1 mon 2 days ago", Interval(-1, -2, 0)),
        ("P-1Y-2M3DT-4H", Interval(-14, 3, -14400000000)),
        ("-1-2", Interval(-14, 0, 0)),
        ("-1-2 -3 -4:05:06", Interval(-14, -3, -14706000000)),
        ("3 4:05:06", timedelta(days=3, hours=4, minutes=5, seconds=6)),
        ("1.5 years", Interval(18, 0, 0)),
        ("2 weeks", timedelta(days=14)),
        ("838:59:59", Interval(0, 0, 3020399000000)),
        ("178000000 years", Interval(178000000 * 12, 0, 0)),
        ("1000000000 days", Interval(0, 1000000000, 0)),
        ("infinity", INFINITY),
        ("-infinity", MINUS_INFINITY),
    ],
)
def test_signs_and_units_are_kept_apart(word: str, value: object) -> None:
    found = parse_interval(word)
    assert found == value
    assert type(found) is type(value)


def test_a_sign_further_on_ends_the_ambiguity() -> None:
    assert parse_interval("-1 mons +5 days 00:00:00.000008") == Interval(-1, 5, 8)
    assert parse_interval("-1 mons +5 days 01:00:00") == Interval(-1, 5, 3_600_000_000)


@pytest.mark.parametrize("word", ["-1-2 3 4:05:06", "-1 days 00:00:05", "-1 day 2 hours", "-1 mon 5 days"])
def test_a_text_that_depends_on_the_style_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        parse_interval(word)


@pytest.mark.parametrize(
    "word", ["", "P", "PT", "1", "1 fortnight", "1 day 1 day", "abc", "1 day x", "1:75", "1.00000001 secs", "P1S"]
)
def test_what_is_no_interval_is_refused(word: str) -> None:
    with pytest.raises(ValueError):
        parse_interval(word)


@given(
    st.one_of(
        st.timedeltas(),
        st.builds(
            Interval,
            st.integers(-(2**31), 2**31 - 1).filter(bool),
            st.integers(-(2**31), 2**31 - 1),
            st.integers(-(2**63), 2**63 - 1),
        ),
    )
)
def test_what_is_written_is_read_as_the_same(value: timedelta | Interval) -> None:
    assert parse_interval(render_interval(value)) == value
