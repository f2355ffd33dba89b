from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.productive.jsonapi import ApiError, UnreadableError, errors_of, identifier, integer, parse


def test_no_digit_is_lost() -> None:
    body = (
        b'{"a": 23809.52381, "b": 10000.0, "c": 0.1234567890123456789, "d": 123456789012345678901234567890}'
    )
    assert parse(body) == {
        "a": Decimal("23809.52381"),
        "b": Decimal("10000.0"),
        "c": Decimal("0.1234567890123456789"),
        "d": 123456789012345678901234567890,
    }
    assert str(parse(b"10000.0")) == "10000.0"
    assert isinstance(parse(b"7"), int)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"bad": "\ud800", "sum": 1.10}', {"bad": "\\ud800", "sum": Decimal("1.10")}),
        (rb'{"bad": "a\udc00b"}', {"bad": "a\\udc00b"}),
        (rb'{"\ud800": [1]}', {"\\ud800": [1]}),
        (b'{"bad": "a\xffb"}', {"bad": "a\\udcffb"}),
        (b'{"bad": "a\tb"}', {"bad": "a\tb"}),
        (b'\xef\xbb\xbf{"data": []}', {"data": []}),
        (b'{"bad": NaN, "worse": -Infinity}', {"bad": "NaN", "worse": "-Infinity"}),
        (
            b'{"bad": 1e9999999999999999999, "fine": 0.10}',
            {"bad": "1e9999999999999999999", "fine": Decimal("0.10")},
        ),
        (b'{"bad": "\\ud83d\\ude00 \\ud800"}', {"bad": "\U0001f600 \\ud800"}),
    ],
)
def test_one_bad_value_does_not_cost_the_page(body: bytes, value: object) -> None:
    assert parse(body) == value


def test_an_integer_longer_than_python_converts_keeps_its_digits() -> None:
    digits = "1" * 5_000
    assert str(parse(f'{{"n": {digits}}}'.encode())["n"]) == digits


@pytest.mark.parametrize("body", [b"", b'{"data": [', b"<html>", b"{} trailing", b"[" * 200_000])
def test_what_is_not_json_is_said_to_be_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(json_values)
def test_what_json_says_is_what_is_read(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(st.lists(st.text(st.characters(blacklist_categories=()))), st.binary(max_size=6))
def test_every_text_that_is_read_can_be_written_again(texts: list[str], junk: bytes) -> None:
    body = json.dumps(texts).encode()[:-1] + (b', "' if texts else b'"') + junk + b'"]'
    try:
        value = parse(body)
    except UnreadableError:
        return
    msgspec.json.encode(value)


@pytest.mark.parametrize("status", [422, "422", "unprocessable_content", None])
def test_an_error_is_understood_however_its_status_is_spelled(status: object) -> None:
    document = {
        "errors": [
            {
                "status": status,
                "code": "sort_param_unsupported",
                "title": "Unsupported Sort",
                "detail": "Sort by x is not supported",
                "source": {"parameter": "sort"},
            }
        ]
    }
    assert errors_of(document) == (
        ApiError("sort_param_unsupported", "Unsupported Sort", "Sort by x is not supported", "sort"),
    )


@pytest.mark.parametrize(
    "document",
    [None, [], "no", {}, {"errors": None}, {"errors": 3}, {"errors": "no"}, {"error": "invalid"}],
)
def test_an_answer_without_understandable_errors_has_none(document: object) -> None:
    assert errors_of(document) == ()


def test_errors_of_odd_shapes_still_say_what_they_can() -> None:
    document = {"errors": ["boom", {"detail": {"a": 1}, "source": [], "title": 7}, None]}
    assert [str(error) for error in errors_of(document)] == ["boom", "7", "no reason given"]


def test_a_single_error_that_is_not_in_a_list_is_read() -> None:
    assert [e.code for e in errors_of({"errors": {"code": "x"}})] == ["x"]


def test_texts_of_errors_are_bounded_and_cannot_steer_a_terminal() -> None:
    (error,) = errors_of({"errors": [{"detail": "\x1b[2J" + "x" * 10_000}]})
    assert len(error.detail) == 500
    assert "\x1b" not in error.detail
    assert len(errors_of({"errors": [{}] * 1_000})) == 20


def test_title_and_detail_are_said_once() -> None:
    assert str(ApiError(title="Not found", detail="Not found here")) == "Not found here"
    assert str(ApiError(title="Forbidden", detail="No person")) == "Forbidden: No person"
    assert str(ApiError(title="Forbidden")) == "Forbidden"
    assert str(ApiError(code="no_person")) == "no_person"


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3, 3),
        ("3", 3),
        (Decimal("3.0"), 3),
        (0, 0),
        (None, None),
        (True, None),
        ("x", None),
        (-1, None),
        ([], None),
    ],
)
def test_a_count_is_read_however_it_is_written(value: object, count: int | None) -> None:
    assert integer(value) == count


@pytest.mark.parametrize(
    ("value", "text"), [("17", "17"), (17, "17"), (None, None), ("", None), (True, None), ([1], None)]
)
def test_an_id_is_text_whether_it_came_as_text_or_as_a_number(value: object, text: str | None) -> None:
    assert identifier({"id": value}) == text
