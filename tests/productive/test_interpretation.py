from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CredentialsError, ProtocolError
from shared.productive import Found, Gone, Page, Refused, Unavailable
from shared.productive.interpretation import interpret
from shared.productive.jsonapi import errors_of, identifier

scalars = st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("status", "code", "title", "detail", "source", "meta", "id", "next"), anything),
)
documents = anything | st.fixed_dictionaries(
    {},
    optional={
        "data": anything | entries | st.lists(entries, max_size=3),
        "errors": anything | entries | st.lists(entries, max_size=3),
        "links": anything | entries,
        "meta": anything | st.dictionaries(st.sampled_from(["total_count", "current_page"]), anything),
    },
)


@given(st.integers(200, 428), documents)
def test_whatever_comes_is_a_value_or_one_of_two_errors(status: int, document: Any) -> None:
    sent = (("include", "a,b"), ("filter[x]", "1"))
    try:
        answer = interpret(
            status, document, errors_of(document), sent=sent, observed_us=7, where="/deals", location=None
        )
    except (CredentialsError, ProtocolError):
        return
    assert isinstance(answer, Page | Found | Gone | Refused | Unavailable)
    if isinstance(answer, Page):
        assert not isinstance(document.get("data"), list) or answer.resources == document["data"]
        assert answer.total_count is None or answer.total_count >= 0
        assert answer.next is None or answer.next
        assert all(identifier(resource) != "" for resource in answer.resources)


def test_items_of_a_list_that_are_no_records_are_handed_on_for_others_to_set_aside() -> None:
    document = {"data": ["what?", 3, None, {"id": "1"}]}
    answer = interpret(200, document, (), sent=(), observed_us=7, where="/deals", location=None)
    assert isinstance(answer, Page)
    assert answer.resources == document["data"]


def test_counts_that_are_decimals_are_counts() -> None:
    document = {"data": [], "meta": {"total_count": Decimal("12.0")}}
    answer = interpret(200, document, (), sent=(), observed_us=7, where="/deals", location=None)
    assert isinstance(answer, Page)
    assert answer.total_count == 12
