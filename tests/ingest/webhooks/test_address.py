"""The public address, and which webhooks are of our shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.webhooks.address import Place, PublicAddress, place_of
from shared.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/webhooks/productive/24"),
        ("https://hooks.example.com/", "https://hooks.example.com/webhooks/productive/24"),
        ("https://HOOKS.Example.com:443", "https://hooks.example.com/webhooks/productive/24"),
        ("https://hooks.example.com:8443/in/", "https://hooks.example.com:8443/in/webhooks/productive/24"),
        ("https://h.example/webhooks/productive", "https://h.example/webhooks/productive/24"),
        ("https://exämple.de", "https://xn--exmple-cua.de/webhooks/productive/24"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/webhooks/productive/24"),
        ("http://localhost:8080", "http://localhost:8080/webhooks/productive/24"),
    ],
)
def test_each_event_has_a_target_below_the_address(text: str, target: str) -> None:
    assert PublicAddress.parse(text).target(24) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.com",
        "https://",
        "http://hooks.example.com",
        "ftp://hooks.example.com",
        "https://user:secret@hooks.example.com",
        "https://hooks.example.com/?a=b",
        "https://hooks.example.com/?",
        "https://hooks.example.com/#top",
        "https://hooks example.com",
        "https://hooks.example.com/a%20b",
        "https://hooks.example.com/a//b",
        "https://hooks.example.com/\n",
        "https://" + "a" * 600,
        "https://hooks.example.com:port",
    ],
)
def test_an_address_that_is_of_no_use_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PublicAddress.parse(text)
    assert caught.value.advice
    assert "secret" not in caught.value.message


@given(
    st.sampled_from(
        ["https://a.example", "https://a.example:444", "http://127.0.0.1:1", "https://[2001:db8::1]"]
    ),
    st.lists(st.text("abcXYZ019._~-", min_size=1, max_size=5).filter(lambda s: s.strip(".")), max_size=3),
    st.integers(1, 999),
)
def test_every_target_of_ours_is_recognised(origin: str, segments: list[str], event_id: int) -> None:
    address = PublicAddress.parse("/".join([origin, *segments]))
    assert place_of(address.target(event_id)) == Place(address.base, event_id)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "https://hooks.zapier.com/hooks/standard/12/",
        "https://hooks.example.com/webhooks/productive/",
        "https://hooks.example.com/webhooks/productive/0",
        "https://hooks.example.com/webhooks/productive/24/",
        "https://hooks.example.com/webhooks/productive/24?x=1",
        "https://hooks.example.com/webhooks/productive/task",
        "ftp://hooks.example.com/webhooks/productive/24",
        "https://[broken/webhooks/productive/24",
    ],
)
def test_other_peoples_webhooks_are_not_ours(target: str) -> None:
    assert place_of(target) is None


@given(st.text())
def test_no_text_upsets_the_look_at_a_target(text: str) -> None:
    place_of(text)
