from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ProtocolError
from shared.productive.links import NextPage, next_page

ASKED = "https://api.productive.io/api/v2/deals"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (f"{ASKED}?page%5Bafter%5D=abc&page%5Bsize%5D=200", NextPage("abc", None)),
        (f"{ASKED}?page[after]=abc==&page[size]=200", NextPage("abc==", None)),
        (f"{ASKED}?page[after]=a+b/c", NextPage("a+b/c", None)),
        (f"{ASKED}?page%5Bafter%5D=a%2Bb%2Fc%3D", NextPage("a+b/c=", None)),
        (f"{ASKED}?page%5Bnumber%5D=2&filter%5Bstatus%5D=1", NextPage(None, 2)),
        (f"{ASKED}?page[after]=&page[number]=x", NextPage(None, None)),
        (f"{ASKED}?page[number]=²", NextPage(None, None)),
        (f"{ASKED}", NextPage(None, None)),
        ("/api/v2/deals?page[after]=abc", NextPage("abc", None)),
        ("?page[after]=abc", NextPage("abc", None)),
        ("https://API.productive.io:443/api/v2/deals/?page[after]=abc", NextPage("abc", None)),
    ],
)
def test_only_the_page_is_taken_from_a_link(link: str, expected: NextPage) -> None:
    assert next_page(link, ASKED) == expected


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_a_cursor_comes_out_as_it_was_put_into_an_encoded_link(cursor: str) -> None:
    assert next_page(f"{ASKED}?page%5Bafter%5D={quote(cursor, safe='')}", ASKED).cursor == cursor


@given(st.text("ABCxyz0129+/=-_", min_size=1))
def test_a_cursor_of_base64_survives_a_link_that_is_not_encoded(cursor: str) -> None:
    assert next_page(f"{ASKED}?page[after]={cursor}&page[size]=200", ASKED).cursor == cursor


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/v2/deals?page[after]=1",
        "http://api.productive.io/api/v2/deals?page[after]=1",
        "https://api.productive.io:8443/api/v2/deals?page[after]=1",
        "https://api.productive.io@evil.example/api/v2/deals?page[after]=1",
        "https://api.productive.io.evil.example/api/v2/deals?page[after]=1",
        "//evil.example/api/v2/deals?page[after]=1",
        "javascript:alert(1)",
    ],
)
def test_a_link_to_elsewhere_is_not_followed_and_both_places_are_named(link: str) -> None:
    with pytest.raises(ProtocolError, match=r"https://api\.productive\.io") as error:
        next_page(link, ASKED)
    assert error.value.advice


@pytest.mark.parametrize("path", ["/api/v2/users", "/api/v2/deals/1", "/api/v2/deals/../users", "/"])
def test_a_link_to_another_path_is_not_followed(path: str) -> None:
    with pytest.raises(ProtocolError, match="another path"):
        next_page(f"https://api.productive.io{path}?page[after]=1", ASKED)


@pytest.mark.parametrize("link", ["https://[::1/deals", "https://host:port/deals"])
def test_a_link_that_is_none_is_an_error_that_says_so(link: str) -> None:
    with pytest.raises(ProtocolError, match="not a URL"):
        next_page(link, ASKED)
