"""Text form -> values: what the server and people write, and what is refused."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from pgfast import const
from pgfast.types import text
from pgfast.types.arrays import parse_array
from pgfast.types.text import PARSERS, any_date, any_time
from pgfast.values import Array

UTC = timezone.utc


def east(hours: int, minutes: int = 0, seconds: int = 0) -> timezone:
    return timezone(timedelta(hours=hours, minutes=minutes, seconds=seconds))


@pytest.mark.parametrize("word", ["t", "T", "tr", "true", "TRUE", "y", "yes", "on", "1", " true "])
def test_words_the_server_takes_for_true_are_true(word: str) -> None:
    assert text.parse_bool(word) is True


@pytest.mark.parametrize("word", ["f", "false", "n", "no", "of", "off", "0"])
def test_words_the_server_takes_for_false_are_false(word: str) -> None:
    assert text.parse_bool(word) is False


@pytest.mark.parametrize("word", ["", "o", "2", "truee", "wahr"])
def test_other_words_are_no_booleans(word: str) -> None:
    with pytest.raises(ValueError, match="not a boolean"):
        text.parse_bool(word)


def test_whole_numbers_have_a_sign_and_digits_and_nothing_else() -> None:
    assert [text.parse_int(word) for word in ("0", "-7", "+5", " 42 ", "0009")] == [0, -7, 5, 42, 9]
    for word in ("", "1.0", "1_0", "0x1", "١", "1e3", "--1"):
        with pytest.raises(ValueError, match="not a whole number"):
            text.parse_int(word)


def test_an_endless_number_is_refused_without_being_converted() -> None:
    with pytest.raises(ValueError, match="out of range"):
        text.parse_int("9" * 1_000_000)
    assert text.parse_int("0" * 1_000 + "1") == 1


def test_floats_that_overflow_are_refused_as_the_server_refuses_them() -> None:
    assert text.parse_float("1e308") == 1e308
    assert text.parse_float("-Infinity") == float("-inf")
    assert text.parse_float("inf") == float("inf")
    assert str(text.parse_float("NaN")) == "nan"
    with pytest.raises(ValueError, match="out of range"):
        text.parse_float("1e400")
    with pytest.raises(ValueError, match="not a number"):
        text.parse_float("1_0.5")


def test_floats_that_would_become_zero_are_refused_as_the_server_refuses_them() -> None:
    assert [text.parse_float(word) for word in ("0e-400", "-0.0", "5e-324")] == [0.0, 0.0, 5e-324]
    for word in ("1e-400", "2E-324"):
        with pytest.raises(ValueError, match="would become 0"):
            text.parse_float(word)
    assert text.parse_float4("0.00") == 0
    with pytest.raises(ValueError, match="would become 0"):
        text.parse_float4("1e-50")


def test_single_precision_is_read_as_the_binary_form_gives_it() -> None:
    assert text.parse_float4("0.1") == 0.10000000149011612
    with pytest.raises(ValueError, match="out of range"):
        text.parse_float4("1e39")


def test_numeric_keeps_every_digit_and_the_scale() -> None:
    assert str(text.parse_numeric("-0.10000000000000000000000000000000000010")) == (
        "-0.10000000000000000000000000000000000010"
    )
    assert text.parse_numeric("NaN").is_nan()
    assert text.parse_numeric("Infinity") == Decimal("Infinity")
    for word in ("", "abc", "1 2", "sNaN", "1e99999999999999999999"):
        with pytest.raises(ValueError):
            text.parse_numeric(word)


def test_bytea_is_read_in_hex_and_in_escape_form() -> None:
    assert text.parse_bytea("\\x00FF0a") == b"\x00\xff\n"
    assert text.parse_bytea("a\\\\b\\001\\377") == b"a\\b\x01\xff"
    assert text.parse_bytea("") == b""
    for word in ("\\x0", "\\xzz", "\\x0 0", "a\\b", "\\400", "\\X00", "é"):
        with pytest.raises(ValueError):
            text.parse_bytea(word)


def test_dates_are_iso_dates() -> None:
    assert text.parse_date("2024-02-29") == date(2024, 2, 29)
    assert text.parse_date("0001-01-01") == date.min
    assert text.parse_date("9999-12-31") == date.max
    for word in ("2023-02-29", "20240101", "01/02/2024", "2024-1", "today"):
        with pytest.raises(ValueError, match="not a date"):
            text.parse_date(word)


@pytest.mark.parametrize("word", ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"])
def test_dates_that_python_cannot_hold_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="years 1 to 9999"):
        text.parse_date(word)


def test_times_have_microseconds_and_no_offset() -> None:
    assert text.parse_time("01:02") == time(1, 2)
    assert text.parse_time("23:59:59.999999") == time(23, 59, 59, 999999)
    assert text.parse_time("01:02:03.5000000") == time(1, 2, 3, 500000)
    for word, why in (
        ("24:00:00", "24:00"),
        ("01:02:03.1234567", "microsecond"),
        ("01:02+01", "offset"),
        ("1", "not a"),
    ):
        with pytest.raises(ValueError, match=why):
            text.parse_time(word)


def test_times_with_zone_need_an_offset() -> None:
    assert text.parse_timetz("12:00:00-08") == time(12, tzinfo=east(-8))
    assert text.parse_timetz("12:00:00.25+05:30:15") == time(12, 0, 0, 250000, east(5, 30, 15))
    assert text.parse_timetz("12:00:00Z") == time(12, tzinfo=UTC)
    for word in ("12:00:00", "12:00:00+16", "12:00:00+01:75"):
        with pytest.raises(ValueError, match="not a time"):
            text.parse_timetz(word)


def test_timestamps_refuse_an_offset_that_the_server_would_drop() -> None:
    assert text.parse_timestamp("2024-01-02 03:04:05.6") == datetime(2024, 1, 2, 3, 4, 5, 600000)
    assert text.parse_timestamp("2024-01-02T03:04") == datetime(2024, 1, 2, 3, 4)
    assert text.parse_timestamp("2024-01-02") == datetime(2024, 1, 2)
    with pytest.raises(ValueError, match="without time zone"):
        text.parse_timestamp("2024-01-02 03:04:05+00")


def test_timestamps_with_zone_are_given_in_utc() -> None:
    assert text.parse_timestamptz("2024-01-02 03:04:05+05:30") == datetime(2024, 1, 1, 21, 34, 5, tzinfo=UTC)
    assert text.parse_timestamptz("2024-01-02 03:04:05.25-03").tzinfo is UTC
    assert text.parse_timestamptz("1880-01-01 00:00:00+00:53:28") == datetime(1879, 12, 31, 23, 6, 32, tzinfo=UTC)


def test_a_timestamp_that_names_no_zone_is_read_in_the_given_one_only() -> None:
    with pytest.raises(ValueError, match="no offset"):
        text.parse_timestamptz("2024-07-01 12:00")
    berlin = ZoneInfo("Europe/Berlin")
    assert text.parse_timestamptz("2024-07-01 12:00", berlin) == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert text.parse_timestamptz("2024-07-01 12:00+00", berlin) == datetime(2024, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "utc_hour"),
    [("2020-10-25 01:59", 23), ("2020-10-25 02:00", 1), ("2020-10-25 02:59", 1), ("2020-10-25 03:00", 2)],
)
def test_of_an_hour_that_happens_twice_the_second_is_taken(word: str, utc_hour: int) -> None:
    assert text.parse_timestamptz(word, ZoneInfo("Europe/Berlin")).hour == utc_hour


def test_in_an_hour_that_never_happens_the_offset_before_it_holds() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert text.parse_timestamptz("2020-03-29 02:30", berlin) == datetime(2020, 3, 29, 1, 30, tzinfo=UTC)


def test_a_timestamp_beyond_pythons_years_in_utc_is_refused() -> None:
    with pytest.raises(ValueError, match="not a timestamp"):
        text.parse_timestamptz("9999-12-31 23:59:59-12")


def test_uuids_are_read_in_each_form_the_server_takes() -> None:
    wanted = UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
    for word in (str(wanted), str(wanted).upper(), wanted.hex, f"{{{wanted}}}"):
        assert text.parse_uuid(word) == wanted
    for word in (
        "a0eebc99",
        f" {wanted}",
        "a-0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        f"{{{wanted}",
        f"urn:uuid:{wanted}",
    ):
        with pytest.raises(ValueError, match="not a UUID"):
            text.parse_uuid(word)


ARRAYS: list[tuple[int, str, Any]] = [
    (const.KIND_INT4, "{}", []),
    (const.KIND_INT4, "{1,2,NULL}", [1, 2, None]),
    (const.KIND_INT4, " { 1 , 2 } ", [1, 2]),
    (const.KIND_INT4, "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
    (const.KIND_INT4, "[0:1][-1:0]={{1,2},{3,4}}", [[1, 2], [3, 4]]),
    (const.KIND_INT4, "{{{{{{7}}}}}}", [[[[[[7]]]]]]),
    (const.KIND_STR, '{a,"b c","null",null,"",NULL}', ["a", "b c", "null", None, "", None]),
    (const.KIND_STR, '{"a\\"b","c\\\\d","{x,y}"}', ['a"b', "c\\d", "{x,y}"]),
    (const.KIND_STR, "{a\\,b,c d }", ["a,b", "c d"]),
    (const.KIND_DATE, "{2024-01-01}", [date(2024, 1, 1)]),
    (const.KIND_JSONB, '{"[1, 2]","{\\"a\\": null}",null}', [[1, 2], {"a": None}, None]),
    (const.KIND_JSON, '{"[1]","[1,2]"}', [[1], [1, 2]]),
]


@pytest.mark.parametrize(("kind", "word", "value"), ARRAYS)
def test_arrays_are_read_from_text(kind: int, word: str, value: Any) -> None:
    assert parse_array(word, PARSERS[kind]) == value


def test_lower_bounds_are_kept_where_one_is_not_1() -> None:
    found = parse_array("[0:1][-1:0]={{1,2},{3,4}}", PARSERS[const.KIND_INT4])
    assert isinstance(found, Array)
    assert found.lower_bounds == (0, -1)
    assert type(parse_array("[1:2]={1,2}", PARSERS[const.KIND_INT4])) is list
    for word in ("[0:2]={1,2}", "[0:1]={{1},{2}}", "[2:1]={}", "[0:1]="):
        with pytest.raises(ValueError, match="not an array"):
            parse_array(word, PARSERS[const.KIND_INT4])


def test_elements_of_types_with_another_delimiter_hold_commas() -> None:
    assert parse_array("{(1,1),(0,0);NULL}", str, ";") == ["(1,1),(0,0)", None]


def test_what_only_unicode_calls_a_space_belongs_to_the_element() -> None:
    assert parse_array("{\u00a0a\u2003, b }", str) == ["\u00a0a\u2003", "b"]


@pytest.mark.parametrize(
    "word",
    [
        "",
        "1,2",
        "{1,2",
        "{1,2}x",
        "{1,}",
        "{,1}",
        "{1,{2}}",
        "{{1},2}",
        "{{1},{2,3}}",
        "{{1},{{2}}}",
        "{{{1}},{{2},{3}}}",
        "{{1},{}}",
        '{"a"b}',
        "{{{{{{{1}}}}}}}",
        '{"open}',
    ],
)
def test_what_is_no_array_is_refused(word: str) -> None:
    with pytest.raises(ValueError):
        parse_array(word, PARSERS[const.KIND_STR])


@pytest.mark.parametrize(
    ("kind", "word", "raw"),
    [
        (const.KIND_DATE, "infinity", 2**31 - 1),
        (const.KIND_DATE, "-infinity", -(2**31)),
        (const.KIND_DATE, "0001-12-31 BC", -730120),
        (const.KIND_DATE, "4713-01-01 BC", -2451507),
        (const.KIND_DATE, "10000-01-01", 2921940),
        (const.KIND_DATE, "5874897-12-31", 2145031948),
        (const.KIND_TIMESTAMP, "infinity", 2**63 - 1),
        (const.KIND_TIMESTAMP, "-infinity", -(2**63)),
        (const.KIND_TIMESTAMP, "4713-01-01 00:00:00 BC", -211810204800000000),
        (const.KIND_TIMESTAMP, "294276-12-31 23:59:59.999999", 9223371331199999999),
        (const.KIND_TIMESTAMPTZ, "10000-01-01 02:00:00+02", 252455616000000000),
    ],
)
def test_dates_python_cannot_hold_are_handed_over_as_the_wire_has_them(kind: int, word: str, raw: int) -> None:
    assert any_date(kind, lambda given: given)(word) == raw
    with pytest.raises(ValueError, match=r"configure\(dates='text'\)"):
        any_date(kind, None)(word)


def test_a_timestamp_is_held_where_it_is_in_utc_whatever_its_local_year() -> None:
    assert any_date(const.KIND_TIMESTAMPTZ, None)("10000-01-01 01:00:00+02") == datetime(9999, 12, 31, 23, tzinfo=UTC)
    found = any_date(const.KIND_TIMESTAMPTZ, None)("0001-12-31 23:00:00-02 BC")
    assert found == datetime(1, 1, 1, 1, tzinfo=UTC)


def test_dates_that_are_none_stay_errors_whatever_the_policy() -> None:
    for word in ("2024-02-30", "10000-13-01", "10000-02-30", "x", "2024-01-01 AD"):
        with pytest.raises(ValueError):
            any_date(const.KIND_DATE, lambda given: given)(word)


def test_the_24th_hour_is_handed_over_with_its_offset() -> None:
    assert any_time(const.KIND_TIME, lambda given: given)("24:00:00") == 86_400_000_000
    assert any_time(const.KIND_TIMETZ, lambda given: given)("24:00:00-08:30") == (86_400_000_000, 30_600)
    with pytest.raises(ValueError, match=r"configure\(times='text'\)"):
        any_time(const.KIND_TIME, None)("24:00:00")
    for word in ("24:00:01", "24:00:00x"):
        with pytest.raises(ValueError):
            any_time(const.KIND_TIME, lambda given: given)(word)
