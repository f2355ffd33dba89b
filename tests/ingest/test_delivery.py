"""A delivery on the intake bus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.delivery import Delivery
from shared.bus import Message
from shared.errors import RecordError


@given(st.integers(), st.integers(), st.binary())
def test_a_delivery_comes_back_from_its_message_as_it_was(event: int, received_us: int, body: bytes) -> None:
    delivery = Delivery(event, received_us, body)
    assert Delivery.of(delivery.message()) == delivery


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"kind": "batch", "event_id": "1", "received_us": "1"},
        {"kind": "delivery", "received_us": "1"},
        {"kind": "delivery", "event_id": "one", "received_us": "1"},
        {"kind": "delivery", "event_id": "1", "received_us": ""},
    ],
)
def test_any_other_message_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(RecordError):
        Delivery.of(Message(b"{}", attributes))
