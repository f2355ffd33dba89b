"""Single values arrive exactly, or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.model import ColumnType
from shared.record.values import (
    INT64_MAX,
    INT64_MIN,
    PARSERS,
    UNFIT,
    json_text,
    parse_bool,
    parse_date,
    parse_int64,
    parse_numeric,
    parse_string,
    parse_string_array,
    parse_timestamp,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(value=json_values, type_=st.sampled_from([t for t in ColumnType if t is not ColumnType.JSON]))
def test_no_value_breaks_a_parser(value: Any, type_: ColumnType) -> None:
    parsed = PARSERS[type_](value)
    assert parsed is UNFIT or isinstance(parsed, str | int | list)


@given(
    st.decimals(min_value=-(10**28), max_value=10**28, allow_nan=False, allow_infinity=False, places=9),
)
def test_every_decimal_of_numeric_keeps_its_exact_value_however_it_is_spelled(number: Decimal) -> None:
    for spelling in (number, str(number), f"{number:f}", f"{number:e}"):
        parsed = parse_numeric(spelling)
        assert isinstance(parsed, str)
        assert Decimal(parsed) == number


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_either_kept_exactly_or_refused(number: Decimal) -> None:
    parsed = parse_numeric(number)
    assert parsed is UNFIT or Decimal(str(parsed)) == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10000, "10000"),
        (Decimal("10000.0"), "10000"),
        ("10000.0", "10000"),
        ("-100.50", "-100.5"),
        ("+7", "7"),
        ("1.25", "1.25"),
        (Decimal("23809.52381"), "23809.52381"),
        (Decimal("1E+3"), "1000"),
        ("1e-9", "0.000000001"),
        (Decimal("-0.0"), "0"),
        (9007199254740993, "9007199254740993"),
        ("0.000", "0"),
        (10**29 - 1, "9" * 29),
    ],
)
def test_a_number_has_one_spelling(value: Any, expected: str) -> None:
    assert parse_numeric(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        10**29,
        Decimal("0.0000000001"),
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        "1e999",
        "9" * 200,
        "12,50",
        "12 EUR",
        "",
        "NaN",
        "Infinity",
        "٣",
        True,
        [],
        {},
    ],
)
def test_what_is_no_numeric_is_refused(value: Any) -> None:
    assert parse_numeric(value) is UNFIT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, 7),
        ("7", 7),
        (Decimal("7.0"), 7),
        ("-12", -12),
        (INT64_MAX, INT64_MAX),
        (str(INT64_MIN), INT64_MIN),
    ],
)
def test_whole_numbers_are_taken_in_every_spelling(value: Any, expected: int) -> None:
    assert parse_int64(value) == expected


@pytest.mark.parametrize(
    "value", [INT64_MAX + 1, INT64_MIN - 1, Decimal("6.5"), "6.5", True, False, "", "x", Decimal("1E+99"), []]
)
def test_what_is_no_64_bit_integer_is_refused(value: Any) -> None:
    assert parse_int64(value) is UNFIT


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=False))
def test_a_timestamp_of_any_offset_is_the_same_instant(moment: datetime) -> None:
    expected = (moment - EPOCH) // timedelta(microseconds=1)
    offset = moment.utcoffset()
    whole_minutes = offset is not None and offset.total_seconds() % 60 == 0
    parsed = parse_timestamp(moment.isoformat())
    assert parsed == expected or (not whole_minutes and parsed is UNFIT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-15T17:41:59.640+02:00", "2026-09-15T15:41:59.640000+00:00"),
        ("2026-09-15T15:41:59Z", "2026-09-15T15:41:59+00:00"),
        ("2026-09-15T15:41:59.123456789Z", None),
        ("2026-09-15T15:41:59.123456000Z", "2026-09-15T15:41:59.123456+00:00"),
        ("2026-09-15 15:41:59", "2026-09-15T15:41:59+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00+02:00", None),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("2026-02-30T00:00:00Z", None),
        ("2026-09-15", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_timestamp_is_exact_to_the_microsecond_or_refused(text: str, expected: str | None) -> None:
    parsed = parse_timestamp(text)
    if expected is None:
        assert parsed is UNFIT
    else:
        assert parsed == (datetime.fromisoformat(expected) - EPOCH) // timedelta(microseconds=1)


@given(st.dates())
def test_a_date_is_its_number_of_days(day: date) -> None:
    assert parse_date(day.isoformat()) == (day - date(1970, 1, 1)).days


@pytest.mark.parametrize("value", ["2026-02-30", "20260915", "2026-09-15T00:00:00Z", 20260915, None, ""])
def test_what_is_no_date_is_refused(value: Any) -> None:
    assert parse_date(value) is UNFIT


def test_text_stays_as_it_came() -> None:
    assert parse_string("naïve 🎉 \x00 end") == "naïve 🎉 \x00 end"
    assert parse_string(3379) == "3379"
    assert parse_string(Decimal("20.0")) == "20.0"
    assert parse_string(True) is UNFIT
    assert parse_string({"a": 1}) is UNFIT


def test_only_true_and_false_are_booleans() -> None:
    assert parse_bool(True) is True
    assert parse_bool(False) is False
    assert parse_bool("true") is UNFIT
    assert parse_bool(1) is UNFIT


def test_a_list_of_ids_is_text_throughout() -> None:
    assert parse_string_array([1, "2"]) == ["1", "2"]
    assert parse_string_array([]) == []
    assert parse_string_array([None]) is UNFIT
    assert parse_string_array("1") is UNFIT


@given(json_values)
def test_json_keeps_every_digit(value: Any) -> None:
    assert json.loads(json_text(value), parse_float=Decimal) == value


def test_json_numbers_beyond_a_double_survive() -> None:
    text = '{"a":0.1234567890123456789,"b":123456789012345678901234567890}'
    parsed = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    assert json_text(parsed) == text
