"""Bodies are understood as far as they can be, and refused with a reason otherwise."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.reading.payload import TEST_EVENT, OurTest, Payload, Senseless, read_payload
from tests.ingest.reading.bodies import NOON_US, body

SEEN = b"""{"event": "create_task", "item_type": "task", "item_id": 20305431,
  "created": "2026-09-23T18:46:58.988+02:00",
  "object": {"data": {"id": "20305431", "type": "tasks", "attributes": {"title": "x"}}, "included": []}}"""


def test_the_one_delivery_that_was_seen_is_understood() -> None:
    assert read_payload(SEEN) == Payload(
        "create_task",
        "task",
        "20305431",
        1_790_182_018_988_000,
        {"id": "20305431", "type": "tasks", "attributes": {"title": "x"}},
    )


def understood(content: bytes) -> Payload:
    payload = read_payload(content)
    assert isinstance(payload, Payload)
    return payload


def test_a_deletion_needs_no_object() -> None:
    payload = understood(body("task", 17))
    assert (payload.item_id, payload.created_us, payload.resource) == ("17", NOON_US, None)


@pytest.mark.parametrize("item_id", [17, "17", " 17 "])
def test_an_id_may_be_a_number_or_a_string(item_id: object) -> None:
    assert understood(body("task", item_id)).item_id == "17"


def test_without_an_item_the_object_tells_its_id_and_type() -> None:
    payload = understood(json.dumps({"object": {"data": {"id": "9", "type": "tasks"}}}).encode())
    assert (payload.item_id, payload.item_type, payload.created_us) == ("9", "tasks", None)


def test_no_digit_of_a_number_is_lost() -> None:
    content = b'{"item_id": 1, "object": {"data": {"attributes": {"a": 0.1234567890123456789012}}}}'
    assert understood(content).resource == {"attributes": {"a": Decimal("0.1234567890123456789012")}}


def test_bytes_that_are_no_characters_do_not_hide_the_item() -> None:
    assert understood(b'{"item_id": 5, "item_type": "task", "x": "\xff"}').item_id == "5"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not one JSON document"),
        (b"<html>", "not one JSON document"),
        (b"\xff\xfe\x00", "not one JSON document"),
        (b'{"item_id": 1', "not one JSON document"),
        (b"[" * 200_000 + b"]" * 200_000, "not one JSON document"),
        (b"[1]", "no object"),
        (b"null", "no object"),
        (b"{}", "no id"),
        (b'{"object": {"data": []}}', "no id"),
        (b'{"object": 5, "item_type": {}}', "no id"),
        (b'{"item_id": ""}', "an id that no item has"),
        (b'{"item_id": true}', "an id that no item has"),
        (b'{"item_id": 1.5}', "an id that no item has"),
        (b'{"item_id": -5}', "an id that no item has"),
        (b'{"item_id": "1,2"}', "an id that no item has"),
        (b'{"item_id": "../x"}', "an id that no item has"),
        (b'{"item_id": {"a": 1}}', "an id that no item has"),
        (b'{"item_id": "' + b"1" * 65 + b'"}', "an id that no item has"),
    ],
)
def test_a_body_without_sense_is_told_why(content: bytes, reason: str) -> None:
    result = read_payload(content)
    assert isinstance(result, Senseless)
    assert reason in result.reason


def test_our_own_test_is_known_whatever_else_it_holds() -> None:
    assert read_payload(json.dumps({"event": TEST_EVENT}).encode()) == OurTest()
    assert read_payload(json.dumps({"event": TEST_EVENT, "item_id": 1}).encode()) == OurTest()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["item_id", "item_type", "event", "created", "object", "data", "id", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_understood_or_refused(document: Any) -> None:
    result = read_payload(json.dumps(document).encode())
    assert isinstance(result, (Payload, OurTest, Senseless))


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(content: bytes) -> None:
    assert isinstance(read_payload(content), (Payload, OurTest, Senseless))
